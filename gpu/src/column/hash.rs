//! A hash of short strings.
//!
//! Folded multiplication (as in wyhash) under a seed of this process, so that nobody outside can choose strings that
//! collide. A string of at most [`SHORT`] bytes becomes one integer first, which is equal only for equal strings.

use std::hash::BuildHasher;
use std::sync::LazyLock;

/// The most bytes of a string that fit an integer beside their number.
pub(super) const SHORT: usize = 15;

/// The hash of a string that has no key, all of it: equal in this process for equal strings.
#[inline]
pub(crate) fn hash_of_long(text: &[u8]) -> u64 {
    Hash::of_long(text).0
}

/// Odd constants without structure (digits of pi).
const K: [u64; 2] = [0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7345];

static SEED: LazyLock<u64> = LazyLock::new(|| std::hash::RandomState::new().hash_one(0u8) | 1);

/// The hash of a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hash(u64);

impl Hash {
    /// That of any string.
    pub(super) fn of(text: &[u8]) -> Self {
        match short_key(text, 0, text.len()) {
            Some(key) => Self::of_key(key),
            None => Self::of_long(text),
        }
    }

    /// That of a short string, by its key.
    #[inline]
    pub(super) fn of_key(key: u128) -> Self {
        let seed = *SEED;
        Self(folded(key as u64 ^ seed, (key >> 64) as u64 ^ K[0]))
    }

    /// That of a string that has no key.
    #[inline]
    pub(super) fn of_long(text: &[u8]) -> Self {
        let mut hash = *SEED ^ text.len() as u64;
        let (pairs, _) = text.as_chunks::<16>();
        for pair in pairs {
            let pair = u128::from_le_bytes(*pair);
            hash = folded(pair as u64 ^ hash, (pair >> 64) as u64 ^ K[1]);
        }
        // The last 16 bytes again: a long string has them, and no remainder needs a case.
        let tail = text.last_chunk().map_or(0, |bytes| u128::from_le_bytes(*bytes));
        Self(folded(tail as u64 ^ hash, (tail >> 64) as u64 ^ K[0]))
    }

    /// Where to look first.
    pub(super) fn place(self) -> usize {
        self.0 as usize
    }

    /// Bits that `place` does not show.
    pub(super) fn tag(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

#[inline]
fn folded(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

/// The `length` bytes from `start` as an integer, with their number in its last byte; none where they are too many.
#[inline]
pub(super) fn short_key(data: &[u8], start: usize, length: usize) -> Option<u128> {
    if length > SHORT {
        return None;
    }
    let word = match data[start..].first_chunk::<16>() {
        // What follows the string is read with it and masked off.
        Some(bytes) => u128::from_le_bytes(*bytes) & ((1 << (length * 8)) - 1),
        None => {
            let mut bytes = [0; 16];
            bytes[..length].copy_from_slice(&data[start..start + length]);
            u128::from_le_bytes(bytes)
        }
    };
    Some(word | (length as u128) << 120)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_tell_strings_apart() {
        let text = b"abc\0\0defghijklmnopqrstuvwxyz";
        assert_eq!(short_key(text, 0, 3), short_key(b"abc", 0, 3));
        assert_ne!(short_key(text, 0, 3), short_key(text, 0, 4));
        assert_eq!(short_key(b"", 0, 0), short_key(text, text.len(), 0));
        assert_eq!(short_key(text, 0, 16), None);
        assert_eq!(Hash::of(&text[..20]), Hash::of_long(&text[..20]));
        assert_ne!(Hash::of(&text[..20]), Hash::of(&text[..21]));
    }
}
