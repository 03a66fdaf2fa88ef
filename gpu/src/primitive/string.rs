//! Texts one at a time: what compiled code calls.
//!
//! A text is an address and a number of bytes, and always one that can be read, also where it stands under a NULL. The
//! null pointer is a text too, an empty one: what a state of no rows holds.

use std::cmp::Ordering;

use super::pattern::Pattern;
use crate::column::hash_of_long;

/// The most bytes of a text that is its own key.
pub const SHORT: usize = 15;
/// The highest byte of a key's second word says that the text is a long one; else it is the short one's length.
pub const LONG: u64 = 0xff << 56;

/// The bytes of a text.
///
/// # Safety
///
/// So many bytes can be read there, for as long as the result is used.
#[inline(always)]
pub unsafe fn bytes<'a>(at: *const u8, length: u64) -> &'a [u8] {
    // SAFETY: as this function's own; the null pointer comes with no bytes alone.
    if at.is_null() { &[] } else { unsafe { std::slice::from_raw_parts(at, length as usize) } }
}

/// `a` before `b` is -1, behind it 1.
///
/// # Safety
///
/// As [`bytes`].
pub(super) unsafe extern "C" fn compare(a: *const u8, a_length: u64, b: *const u8, b_length: u64) -> i32 {
    // SAFETY: as this function's own.
    let (a, b) = unsafe { (bytes(a, a_length), bytes(b, b_length)) };
    match a.cmp(b) {
        Ordering::Less => -1,
        Ordering::Equal => 0,
        Ordering::Greater => 1,
    }
}

/// Whether two texts are the same.
///
/// # Safety
///
/// As [`bytes`].
pub(super) unsafe extern "C" fn equal(a: *const u8, a_length: u64, b: *const u8, b_length: u64) -> u8 {
    // SAFETY: as this function's own.
    u8::from(a_length == b_length && (a == b || unsafe { bytes(a, a_length) == bytes(b, b_length) }))
}

/// How many characters a text has.
///
/// # Safety
///
/// As [`bytes`].
pub(super) unsafe extern "C" fn characters(at: *const u8, length: u64) -> i32 {
    // SAFETY: as this function's own.
    count(unsafe { bytes(at, length) }) as i32
}

/// A one in each byte of a word.
const EACH: u64 = 0x0101_0101_0101_0101;
/// So many words have fewer bytes than a byte can count.
const RUN: usize = 31;

/// A one in each byte of a word that continues a character, which are those of the form 10xxxxxx.
#[inline(always)]
fn continuing(word: u64) -> u64 {
    (word >> 7) & !(word >> 6) & EACH
}

/// The sum of a word's bytes, which one byte must hold.
#[inline(always)]
fn bytes_summed(word: u64) -> usize {
    (word.wrapping_mul(EACH) >> 56) as usize
}

/// Fewer than eight bytes as a word, the first one lowest, zeros behind them.
#[inline(always)]
fn short_word(text: &[u8]) -> u64 {
    let half = |from: usize| text[from..].first_chunk().map_or(0, |bytes| u64::from(u32::from_le_bytes(*bytes)));
    match text.len() {
        4.. => half(0) | half(text.len() - 4) << (8 * (text.len() - 4)),
        0..4 => text.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

/// Bytes that begin a character: all that do not continue one.
#[inline(always)]
fn count(text: &[u8]) -> usize {
    // By words, whose bytes count for themselves while they cannot overflow: most texts are too short for wide vectors, and
    // of long ones the compiler makes such.
    let (words, rest) = text.as_chunks::<8>();
    let in_run = |run: &[[u8; 8]]| run.iter().fold(0u64, |sum, word| sum + continuing(u64::from_le_bytes(*word)));
    let in_words: usize = words.chunks(RUN).map(|run| bytes_summed(in_run(run))).sum();
    let last = match text.last_chunk::<8>() {
        _ if rest.is_empty() => 0,
        // The last eight bytes again, and what the words have had of them shifted out.
        Some(eight) => u64::from_le_bytes(*eight) >> (64 - 8 * rest.len()),
        None => short_word(rest),
    };
    text.len() - in_words - bytes_summed(continuing(last))
}

/// Whether a text matches the pattern.
///
/// # Safety
///
/// As [`bytes`]; the pattern is a match.
pub(super) unsafe extern "C" fn matches(pattern: *const Pattern, at: *const u8, length: u64) -> u8 {
    // SAFETY: as this function's own.
    unsafe {
        let text = bytes(at, length);
        match &*pattern {
            Pattern::Match(matcher) => matcher.holds(text.as_ptr(), text.len(), text.len()).into(),
            Pattern::Find(_) | Pattern::Set(_) => 0,
        }
    }
}

/// Where the pattern begins, in characters from 1; 0 where it does not.
///
/// # Safety
///
/// As [`bytes`]; the pattern is one to be found.
pub(super) unsafe extern "C" fn position(pattern: *const Pattern, at: *const u8, length: u64) -> i32 {
    // SAFETY: as this function's own.
    let (text, pattern) = unsafe { (bytes(at, length), &*pattern) };
    match pattern {
        Pattern::Find(finder) => finder.find(text).map_or(0, |place| count(&text[..place]) as i32 + 1),
        Pattern::Match(_) | Pattern::Set(_) => 0,
    }
}

/// Where the character with a number, from 0, begins; the end where there is none.
fn place_of(text: &[u8], number: u64) -> usize {
    let mut left = match usize::try_from(number) {
        Ok(left) if left < text.len() => left,
        _ => return text.len(),
    };
    let mut at = 0;
    // Eight bytes at a time, while all characters that begin there come before it.
    while let Some(eight) = text[at..].first_chunk::<8>() {
        let begin = 8 - bytes_summed(continuing(u64::from_le_bytes(*eight)));
        if left < begin {
            break;
        }
        (at, left) = (at + 8, left - begin);
    }
    let begins = |byte: &u8| (*byte as i8) >= -0x40;
    text[at..].iter().enumerate().filter(|(_, byte)| begins(byte)).nth(left).map_or(text.len(), |(behind, _)| at + behind)
}

/// The characters from `start`, counted from 1, on; `length` of them, which is not negative. Their address to `out`; how many
/// bytes they are.
///
/// # Safety
///
/// As [`bytes`]; there is room for a word at `out`.
pub(super) unsafe extern "C" fn slice(at: *const u8, bytes_of: u64, start: i64, length: i64, out: *mut u64) -> u64 {
    // SAFETY: as this function's own.
    let text = unsafe { bytes(at, bytes_of) };
    let first = start.max(1) as u64 - 1;
    // Characters before the first count.
    let past = start.checked_add(length).map_or(u64::MAX, |past| past.max(1) as u64 - 1);
    let begin = place_of(text, first);
    let end = if past <= first { begin } else { begin + place_of(&text[begin..], past - first) };
    // SAFETY: as this function's own.
    unsafe { store(&text[begin..end], out) }
}

/// # Safety
///
/// There is room for a word.
unsafe fn store(text: &[u8], out: *mut u64) -> u64 {
    // SAFETY: as this function's own.
    unsafe { out.write_unaligned(text.as_ptr() as u64) };
    text.len() as u64
}

/// A text without the pattern's characters at its ends: `sides` has bit 0 for the begin and bit 1 for the end.
///
/// # Safety
///
/// As [`slice`]; the pattern is a set.
pub(super) unsafe extern "C" fn trim(pattern: *const Pattern, at: *const u8, length: u64, sides: u64, out: *mut u64) -> u64 {
    // SAFETY: as this function's own.
    let (mut text, pattern) = unsafe { (bytes(at, length), &*pattern) };
    if let Pattern::Set(set) = pattern {
        if sides & 1 == 1 {
            text = &text[set.leading(text)..];
        }
        if sides & 2 == 2 {
            text = &text[..set.trailing(text)];
        }
    }
    // SAFETY: as this function's own.
    unsafe { store(text, out) }
}

/// The two words that are a text's key in a table of groups: a short text's are itself and its length, and equal only for
/// equal texts; a long one's are a hash and its length, and whoever finds them equal compares the texts.
///
/// # Safety
///
/// As [`slice`].
pub(super) unsafe extern "C" fn key(at: *const u8, length: u64, out: *mut u64) -> u64 {
    // SAFETY: as this function's own.
    unsafe {
        let (low, high) = key_of(bytes(at, length));
        out.write_unaligned(low);
        high
    }
}

/// As the primitive.
#[inline(always)]
fn key_of(text: &[u8]) -> (u64, u64) {
    let length = text.len();
    if length > SHORT {
        return (hash_of_long(text), LONG | length as u64);
    }
    let tag = (length as u64) << 56;
    let word = |from: usize| text[from..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    match length {
        // The last eight bytes again, and what is already in the first word shifted out.
        9.. => (word(0), word(length - 8) >> (8 * (16 - length)) | tag),
        8 => (word(0), tag),
        0..8 => (short_word(text), tag),
    }
}

/// The first eight bytes of a text as a number whose order is theirs; what is not there is 0.
///
/// # Safety
///
/// As [`bytes`].
pub(super) unsafe extern "C" fn prefix(at: *const u8, length: u64) -> u64 {
    // SAFETY: as this function's own.
    let text = unsafe { bytes(at, length) };
    match text.first_chunk() {
        Some(bytes) => u64::from_be_bytes(*bytes),
        None => text.iter().enumerate().fold(0, |word, (at, byte)| word | u64::from(*byte) << (56 - 8 * at)),
    }
}

/// Whether a text is among `count` texts, ascending.
///
/// # Safety
///
/// As [`bytes`]; `offsets` points at `count + 1` offsets into `texts`.
pub(super) unsafe extern "C" fn member(offsets: *const u32, count: u64, texts: *const u8, at: *const u8, length: u64) -> u8 {
    // SAFETY: as this function's own; the places stay within the table.
    unsafe {
        let wanted = bytes(at, length);
        let (mut low, mut high) = (0usize, count as usize);
        while low < high {
            let middle = (low + high) / 2;
            let (begin, end) = (offsets.add(middle).read_unaligned(), offsets.add(middle + 1).read_unaligned());
            match bytes(texts.add(begin as usize), u64::from(end - begin)).cmp(wanted) {
                Ordering::Less => low = middle + 1,
                Ordering::Equal => return 1,
                Ordering::Greater => high = middle,
            }
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::primitive::pattern::Set;

    const TEXTS: [&str; 9] = ["", "a", "é", "abc", "日本語", "abcdefgh", "abcdefghijklmno", "aé日🙂 and more than that", "\0\0"];

    #[test]
    fn lengths_and_slices_are_in_characters() {
        for text in TEXTS {
            let whole: Vec<char> = text.chars().collect();
            // SAFETY: the text can be read.
            assert_eq!(unsafe { characters(text.as_ptr(), text.len() as u64) }, whole.len() as i32);
            for start in [i64::MIN, -3, 0, 1, 2, 3, 9, 10, 30, i64::MAX] {
                for length in [0, 1, 2, 5, 9, 10, i64::MAX] {
                    let mut out = 0u64;
                    // SAFETY: the text can be read, and there is room.
                    let found = unsafe {
                        let length = slice(text.as_ptr(), text.len() as u64, start, length, &mut out);
                        std::str::from_utf8(bytes(out as *const u8, length)).unwrap()
                    };
                    let past = i128::from(start) + i128::from(length);
                    let inside = |(_, number): &(&char, i128)| i128::from(start) <= *number && *number < past;
                    let wanted: String = whole.iter().zip(1i128..).filter(inside).map(|(character, _)| character).collect();
                    assert_eq!(found, wanted, "{text} from {start} for {length}");
                }
            }
        }
        assert_eq!(count("é".repeat(1000).as_bytes()), 1000);
    }

    #[test]
    fn characters_are_counted_at_every_length() {
        for unit in ["a", "é", "日", "🙂", "aé日🙂 b", "plain ascii, then ü"] {
            let long = unit.repeat(600 / unit.len());
            for (number, (at, character)) in long.char_indices().enumerate() {
                // From every place of a word on, up to several runs of words.
                for from in [0, 1, 7, 8, 9] {
                    let begin = long.char_indices().nth(from).map_or(0, |(begin, _)| begin);
                    if begin <= at {
                        assert_eq!(count(&long.as_bytes()[begin..at]), number - from, "{unit} from {begin} to {at}");
                    }
                }
                assert_eq!(place_of(long.as_bytes(), number as u64), at, "{unit}: character {number}");
                let end = at + character.len_utf8();
                assert_eq!(place_of(&long.as_bytes()[..end], number as u64 + 1), end, "{unit}: behind character {number}");
            }
        }
        // Of bytes that are no text, too, each run's sum is held.
        assert_eq!(count(&[0x80; 4000]), 0);
        assert_eq!(count(&[0xff; 4000]), 4000);
    }

    #[test]
    fn keys_and_prefixes_tell_texts_apart() {
        let letters = "abcdefghijklmnopqrstuvwxyz".repeat(2);
        let mut all: Vec<&[u8]> = (0..=40).map(|length| &letters.as_bytes()[..length]).collect();
        all.extend([&b"\0"[..], b"\0\0", b"a\0", b"b", b"abcdefgi", b"abcdefghj", b"abcdefghijklmnoz"]);
        for a in &all {
            for b in &all {
                assert_eq!(key_of(a) == key_of(b), a == b, "{a:?} {b:?}");
                // SAFETY: both can be read.
                let (first, second) = unsafe { (prefix(a.as_ptr(), a.len() as u64), prefix(b.as_ptr(), b.len() as u64)) };
                assert!(first == second || first.cmp(&second) == a.cmp(b), "{a:?} {b:?}");
            }
        }
        let (low, high) = key_of(b"abcdefghijklmno");
        assert_eq!([low.to_le_bytes(), high.to_le_bytes()].concat(), b"abcdefghijklmno\x0f");
    }

    #[test]
    fn trimming_takes_the_sides_asked_for() {
        let pattern = Pattern::Set(Set::new(" x"));
        for (sides, wanted) in [(0, "x a x"), (1, "a x"), (2, "x a"), (3, "a")] {
            let mut out = 0u64;
            // SAFETY: the text can be read, and there is room.
            let found = unsafe {
                let length = trim(&pattern, "x a x".as_ptr(), 5, sides, &mut out);
                bytes(out as *const u8, length)
            };
            assert_eq!(found, wanted.as_bytes());
        }
    }

    #[test]
    fn members_are_found_and_others_are_not() {
        let (offsets, texts) = ([0u32, 0, 1, 4, 6], b"aabczz");
        for (text, wanted) in [("", 1), ("a", 1), ("abc", 1), ("zz", 1), ("ab", 0), ("zzz", 0), ("b", 0)] {
            // SAFETY: the table has four texts.
            let found = unsafe { member(offsets.as_ptr(), 4, texts.as_ptr(), text.as_ptr(), text.len() as u64) };
            assert_eq!(found, wanted, "{text}");
        }
    }
}
