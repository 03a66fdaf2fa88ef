//! A hash index: open addressing with linear probing, from keys to numbers. Never changes once it is built.

use arrow::buffer::Buffer;

use super::layout::{Field, Form, Layout, hash_end, hash_text, hash_word};
use crate::primitive::string::bytes;
use crate::program::{Scalar, Type};

/// From keys, none of them NULL, to numbers from 0 on.
///
/// Compiled code and kernels read its arrays: a key's slot is where the upper [`bits`](Self::bits) of its hash say, or
/// behind it, around the end, in front of the first that is empty.
#[derive(Debug, Clone)]
pub struct Index {
    keys: Vec<Type>,
    layout: Layout,
    /// There are `1 << bits` slots: more than keys.
    pub(super) bits: u32,
    /// How many keys there are.
    pub(super) len: usize,
    /// The slots, as the layout's form says, in words of 64 bits.
    pub(super) slots: Buffer,
    /// Where slots hold no keys: the words of each number's keys.
    pub(super) entries: Buffer,
    /// For each key that is a text the bytes that its words lead into.
    pub(super) texts: Vec<Buffer>,
}

/// The least bits of an index.
pub(super) const LEAST_BITS: u32 = 4;

/// The bits of an index of so many keys: half of its slots are empty at least.
pub(super) fn bits_of(keys: usize) -> u32 {
    (keys.max(1) * 2).next_power_of_two().trailing_zeros().max(LEAST_BITS)
}

impl Index {
    /// Bytes that it takes.
    pub fn size(&self) -> usize {
        self.slots.len() + self.entries.len() + self.texts.iter().map(Buffer::len).sum::<usize>()
    }

    /// One without any key, of keys of these types.
    pub fn empty(keys: &[Type]) -> Self {
        let layout = Layout::of(keys);
        let texts = vec![Buffer::from_vec(vec![0u64; 8]); layout.texts()];
        let slots = Buffer::from_vec(vec![0u64; layout.form.words() << LEAST_BITS]);
        Self { keys: keys.to_vec(), layout, bits: LEAST_BITS, len: 0, slots, entries: Buffer::from_vec(vec![0u64; 8]), texts }
    }

    /// The types of its keys.
    pub fn keys(&self) -> &[Type] {
        &self.keys
    }

    /// How its keys and slots lie.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// How many keys it has.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// There are so many slots, to the power of two.
    pub fn bits(&self) -> u32 {
        self.bits
    }

    /// The slots.
    pub fn slots(&self) -> &Buffer {
        &self.slots
    }

    /// The words of each number's keys, where slots hold none.
    pub fn apart(&self) -> &Buffer {
        &self.entries
    }

    /// The bytes of the keys that are texts.
    pub fn texts(&self) -> &[Buffer] {
        &self.texts
    }

    /// Bytes that it takes.
    pub fn bytes(&self) -> usize {
        self.slots.len() + self.entries.len() + self.texts.iter().map(Buffer::len).sum::<usize>()
    }

    /// The number of a key, given its words, texts with their lengths alone, and behind these the address of each text.
    ///
    /// # Safety
    ///
    /// There are as many words as the layout says, and the texts can be read.
    pub(crate) unsafe fn find(&self, given: *const u64) -> Option<i32> {
        // SAFETY: as this function's own.
        let word = |at: usize| unsafe { given.add(at).read() };
        // SAFETY: as this function's own: the address of each text stands behind the words.
        let text = |field: &Field, which: usize| unsafe { bytes(word(self.layout.words + which) as *const u8, word(field.word)) };
        let mut hash = 0;
        for at in 0..self.layout.words {
            let field = self.layout.fields.iter().find(|field| field.word == at && field.text.is_some());
            hash = match field.and_then(|field| field.text.map(|which| (field, which))) {
                Some((field, which)) => hash_word(hash, hash_text(text(field, which))),
                None => hash_word(hash, word(at)),
            };
        }
        let hash = hash_end(hash);
        let slots = self.slots.typed_data::<u64>();
        let mask = (1usize << self.bits) - 1;
        let mut at = (hash >> (64 - self.bits)) as usize;
        loop {
            let (same, number) = match self.layout.form {
                Form::Narrow => (slots[at] as u32 == word(0) as u32, slots[at] >> 32),
                Form::Wide => (slots[2 * at] == word(0), slots[2 * at + 1]),
                Form::Apart => (slots[at] as u32 == hash as u32, slots[at] >> 32),
            };
            if number == 0 {
                return None;
            }
            let number = number as usize - 1;
            let holds = || {
                let entry = &self.entries.typed_data::<u64>()[number * self.layout.words..][..self.layout.words];
                let is_text = |at: usize| self.layout.fields.iter().any(|field| field.word == at && field.text.is_some());
                let plain = (0..self.layout.words).all(|at| is_text(at) || entry[at] == word(at));
                plain
                    && self.layout.fields.iter().all(|field| match field.text {
                        Some(which) => bytes_of(&self.texts[which], entry[field.word]) == text(field, which),
                        None => true,
                    })
            };
            if same && (self.layout.form != Form::Apart || holds()) {
                return Some(number as i32);
            }
            at = (at + 1) & mask;
        }
    }

    /// Every key with its number.
    pub fn entries(&self) -> Vec<(Vec<Scalar>, i32)> {
        let slots = self.slots.typed_data::<u64>();
        let entries = self.entries.typed_data::<u64>();
        let mut found = Vec::with_capacity(self.len);
        for at in 0..1usize << self.bits {
            let (words, number): (&[u64], u64) = match self.layout.form {
                Form::Narrow => (&[slots[at] & u64::from(u32::MAX)], slots[at] >> 32),
                Form::Wide => (&slots[2 * at..2 * at + 1], slots[2 * at + 1]),
                Form::Apart => (&[], slots[at] >> 32),
            };
            let Some(number) = (number as usize).checked_sub(1) else { continue };
            let words = match self.layout.form {
                Form::Apart => &entries[number * self.layout.words..][..self.layout.words],
                Form::Narrow | Form::Wide => words,
            };
            let keys = self.layout.fields.iter().map(|field| self.scalar(field, words)).collect();
            found.push((keys, number as i32));
        }
        found
    }

    fn scalar(&self, field: &Field, words: &[u64]) -> Scalar {
        let word = words[field.word] >> field.shift;
        match field.ty {
            Type::Bool => Scalar::Bool(word & 1 == 1),
            Type::I8 => Scalar::Int((word as i8).into()),
            Type::I16 => Scalar::Int((word as i16).into()),
            Type::I32 => Scalar::Int((word as i32).into()),
            Type::I64 => Scalar::Int((word as i64).into()),
            Type::U8 => Scalar::Int((word as u8).into()),
            Type::U16 => Scalar::Int((word as u16).into()),
            Type::U32 => Scalar::Int((word as u32).into()),
            Type::I128 => Scalar::Int((u128::from(words[field.word + 1]) << 64 | u128::from(word)) as i128),
            Type::F32 => Scalar::F32(f32::from_bits(word as u32)),
            Type::F64 => Scalar::F64(f64::from_bits(word)),
            Type::Text => {
                let bytes = field.text.map_or(&[][..], |which| bytes_of(&self.texts[which], word));
                Scalar::Text(String::from_utf8_lossy(bytes).into())
            }
        }
    }

    pub(super) fn new(keys: &[Type], layout: Layout, bits: u32, slots: Buffer) -> Self {
        let texts = Vec::with_capacity(layout.texts());
        Self { keys: keys.to_vec(), layout, bits, len: 0, slots, entries: Buffer::from_vec(vec![0u64; 8]), texts }
    }
}

/// The text that a word leads to.
pub(super) fn bytes_of(texts: &Buffer, word: u64) -> &[u8] {
    let (offset, length) = (word as u32 as usize, (word >> 32) as usize);
    &texts.as_slice()[offset..offset + length]
}
