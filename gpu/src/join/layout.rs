//! How the keys of an index lie in words, and their hash: what the host, compiled code and kernels agree on.
//!
//! Keys are packed from the lowest bit on, each into the first word that has room for it: a `bool` takes a bit, 128 bits take
//! two words, a text takes one, with its offset in the lower half and its length in the upper. Floats are made canonical
//! first: one NaN, one zero. Nothing says NULL, for no key of an index is.

use crate::program::Type;

/// Multipliers that mix the bits of a word (Fibonacci hashing, and one of Stafford's).
pub const MIX: [u64; 2] = [0x9E37_79B9_7F4A_7C15, 0xD6E8_FEB8_6659_FD93];

/// Where the keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Each key, in order.
    pub fields: Vec<Field>,
    /// How many words.
    pub words: usize,
    /// What a slot holds.
    pub form: Form,
}

/// One key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Its type.
    pub ty: Type,
    /// Its word; 128 bits go on in the next one.
    pub word: usize,
    /// Its lowest bit.
    pub shift: u32,
    /// Which of the texts it is, counted from 0.
    pub text: Option<usize>,
}

/// What a slot of an index holds. The number is one more than the key's, so that zeros are an empty slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A word: the keys, of at most 32 bits, below, the number above.
    Narrow,
    /// Two words: the keys, of at most 64 bits, then the number.
    Wide,
    /// A word: the lower half of the hash below, the number above. The keys' words are the number's entry.
    Apart,
}

impl Form {
    /// Words of a slot.
    pub fn words(self) -> usize {
        match self {
            Self::Narrow | Self::Apart => 1,
            Self::Wide => 2,
        }
    }
}

impl Layout {
    /// The layout of keys of these types.
    pub fn of(keys: &[Type]) -> Self {
        let mut used: Vec<u32> = vec![0];
        let mut place = |bits: u32| {
            let at = used.iter().position(|used| used + bits <= 64).unwrap_or(used.len());
            if at == used.len() {
                used.push(0);
            }
            used[at] += bits;
            (at, used[at] - bits)
        };
        let (mut fields, mut texts) = (Vec::with_capacity(keys.len()), 0);
        for ty in keys {
            let (word, shift) = match ty {
                Type::I128 => {
                    // Whole words, and so one behind the other: a word that is open is not the last but one of them.
                    let first = place(64);
                    place(64);
                    first
                }
                Type::Text => place(64),
                other => place(other.stored_bits()),
            };
            let text = (*ty == Type::Text).then_some(texts);
            texts += usize::from(text.is_some());
            fields.push(Field { ty: *ty, word, shift, text });
        }
        let form = match (used.len(), texts) {
            (1, 0) if used[0] <= 32 => Form::Narrow,
            (1, 0) => Form::Wide,
            (_, _) => Form::Apart,
        };
        Self { fields, words: used.len(), form }
    }

    /// How many of the keys are texts.
    pub fn texts(&self) -> usize {
        self.fields.iter().filter(|field| field.text.is_some()).count()
    }
}

/// The hash of words so far, with one word more. It begins at 0; of a text its own hash stands for its word.
#[inline(always)]
pub fn hash_word(before: u64, word: u64) -> u64 {
    let mixed = (before ^ word).wrapping_mul(MIX[0]);
    mixed ^ mixed >> 32
}

/// The hash of all words: its upper bits say the slot, its lower half tells keys apart.
#[inline(always)]
pub fn hash_end(before: u64) -> u64 {
    before.wrapping_mul(MIX[1])
}

/// The hash of a text, eight bytes at a time, zeros behind its last.
#[inline]
pub fn hash_text(text: &[u8]) -> u64 {
    let (words, rest) = text.as_chunks::<8>();
    let mut hash = (text.len() as u64).wrapping_mul(MIX[1]);
    for word in words {
        hash = hash_word(hash, u64::from_le_bytes(*word));
    }
    if !rest.is_empty() {
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        hash = hash_word(hash, u64::from_le_bytes(last));
    }
    hash
}

/// The bits of a float, equal for equal floats.
#[inline(always)]
pub fn canonical_f64(bits: u64) -> u64 {
    let value = f64::from_bits(bits);
    if value.is_nan() { f64::NAN.to_bits() } else { (value + 0.0).to_bits() }
}

/// The same of 32 bits.
#[inline(always)]
pub fn canonical_f32(bits: u32) -> u32 {
    let value = f32::from_bits(bits);
    if value.is_nan() { f32::NAN.to_bits() } else { (value + 0.0).to_bits() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_lie_where_there_is_room() {
        let of = |keys: &[Type]| {
            let layout = Layout::of(keys);
            (layout.words, layout.form, layout.fields.iter().map(|f| (f.word, f.shift)).collect::<Vec<_>>())
        };
        assert_eq!(of(&[Type::I32]), (1, Form::Narrow, vec![(0, 0)]));
        assert_eq!(of(&[Type::I16, Type::Bool, Type::U8]), (1, Form::Narrow, vec![(0, 0), (0, 16), (0, 17)]));
        assert_eq!(of(&[Type::I32, Type::I32]), (1, Form::Wide, vec![(0, 0), (0, 32)]));
        assert_eq!(of(&[Type::F64]), (1, Form::Wide, vec![(0, 0)]));
        assert_eq!(of(&[Type::Text]), (1, Form::Apart, vec![(0, 0)]));
        assert_eq!(of(&[Type::I32, Type::I64, Type::I32]), (2, Form::Apart, vec![(0, 0), (1, 0), (0, 32)]));
        // An open word in front stays open; the two of 128 bits are neighbours.
        assert_eq!(of(&[Type::I32, Type::I128, Type::I32]), (3, Form::Apart, vec![(0, 0), (1, 0), (0, 32)]));
        assert_eq!(of(&[Type::I128]), (2, Form::Apart, vec![(0, 0)]));
    }

    #[test]
    fn texts_with_zeros_behind_them_differ() {
        let hashes: std::collections::BTreeSet<u64> = (0..40).map(|length| hash_text(&vec![0; length])).collect();
        assert_eq!(hashes.len(), 40);
    }
}
