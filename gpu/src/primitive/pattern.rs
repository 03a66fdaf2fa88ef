//! Patterns of texts, prepared once for a run: what `text_match`, `text_position` and `text_trim` look for.
//!
//! LIKE becomes its parts between the `%`: the first stands at the begin, the last at the end, and each between them at the
//! first place behind the one before it. That place is as good as any later one, for a part has one length in characters.

use super::search::{Finder, same_folded};
use crate::program::MatchOp;

/// What a text is matched with, or trimmed of.
#[derive(Debug)]
pub enum Pattern {
    /// A match.
    Match(Matcher),
    /// Where something is.
    Find(Finder),
    /// Characters to trim.
    Set(Set),
}

/// A match, prepared.
#[derive(Debug)]
pub struct Matcher {
    /// Whether letters of ASCII match in either case; then those of the pattern are small.
    pub fold: bool,
    /// What must hold.
    pub kind: MatchKind,
}

/// What a text must be.
#[derive(Debug)]
pub enum MatchKind {
    /// Exactly this.
    Exact(Vec<u8>),
    /// It begins with this.
    Prefix(Vec<u8>),
    /// It ends with this.
    Suffix(Vec<u8>),
    /// This is in it.
    Contains(Finder),
    /// It has parts in order.
    Parts(Parts),
}

/// The parts of a LIKE with several.
#[derive(Debug)]
pub struct Parts {
    /// What it begins with.
    begin: Vec<Piece>,
    /// What stands between.
    middle: Vec<Part>,
    /// What it ends with; `None` where the pattern has no `%`, so that `begin` is all.
    end: Option<Vec<Piece>>,
}

/// A part between two `%`.
#[derive(Debug)]
struct Part {
    pieces: Vec<Piece>,
    /// Finds where it may begin, where it begins with bytes.
    finder: Option<Finder>,
}

/// A piece of a part.
#[derive(Debug, Clone)]
enum Piece {
    Bytes(Vec<u8>),
    /// So many characters.
    Any(usize),
}

impl Matcher {
    /// Prepares a match.
    pub fn new(op: MatchOp, pattern: &str, ignore_case: bool) -> Self {
        let folded = if ignore_case { pattern.to_ascii_lowercase() } else { pattern.to_owned() };
        let bytes = || folded.as_bytes().to_vec();
        let kind = match op {
            MatchOp::Prefix => MatchKind::Prefix(bytes()),
            MatchOp::Suffix => MatchKind::Suffix(bytes()),
            MatchOp::Contains => MatchKind::Contains(Finder::new(folded.as_bytes(), ignore_case)),
            MatchOp::Like => like(folded.as_bytes(), ignore_case),
        };
        Self { fold: ignore_case, kind }
    }

    /// Whether a text matches. Memory behind the text may be read up to `readable` bytes from its begin.
    ///
    /// # Safety
    ///
    /// `text` points at `readable` bytes, of which the first `length` are the text.
    #[inline]
    pub unsafe fn holds(&self, text: *const u8, length: usize, readable: usize) -> bool {
        // SAFETY: as this function's own.
        let bytes = unsafe { std::slice::from_raw_parts(text, length) };
        match &self.kind {
            MatchKind::Exact(wanted) => self.same(bytes, wanted),
            MatchKind::Prefix(wanted) => bytes.get(..wanted.len()).is_some_and(|begin| self.same(begin, wanted)),
            MatchKind::Suffix(wanted) => length.checked_sub(wanted.len()).is_some_and(|from| self.same(&bytes[from..], wanted)),
            // SAFETY: as this function's own.
            MatchKind::Contains(finder) => unsafe { finder.find_in(text, 0, length, readable) }.is_some(),
            MatchKind::Parts(parts) => parts.hold(bytes, readable, self.fold),
        }
    }

    /// What is first looked for, where a text that does not contain it cannot match and nothing stands before it.
    pub fn finder(&self) -> Option<&Finder> {
        match &self.kind {
            MatchKind::Contains(finder) => Some(finder),
            MatchKind::Parts(parts) if parts.begin.is_empty() && parts.end.is_some() => {
                parts.middle.first().and_then(|part| part.finder.as_ref())
            }
            MatchKind::Exact(_) | MatchKind::Prefix(_) | MatchKind::Suffix(_) | MatchKind::Parts(_) => None,
        }
        .filter(|finder| !finder.is_empty())
    }

    fn same(&self, text: &[u8], wanted: &[u8]) -> bool {
        if self.fold { same_folded(text, wanted) } else { text == wanted }
    }
}

fn like(pattern: &[u8], fold: bool) -> MatchKind {
    let mut parts: Vec<Vec<Piece>> = vec![vec![]];
    let mut bytes = pattern.iter();
    while let Some(byte) = bytes.next() {
        let last = parts.len() - 1;
        let part = &mut parts[last];
        let byte = match byte {
            b'%' => {
                parts.push(vec![]);
                continue;
            }
            b'_' => {
                match part.last_mut() {
                    Some(Piece::Any(count)) => *count += 1,
                    Some(Piece::Bytes(_)) | None => part.push(Piece::Any(1)),
                }
                continue;
            }
            b'\\' => bytes.next().unwrap_or(byte),
            other => other,
        };
        match part.last_mut() {
            Some(Piece::Bytes(bytes)) => bytes.push(*byte),
            Some(Piece::Any(_)) | None => part.push(Piece::Bytes(vec![*byte])),
        }
    }
    let plain = |part: &[Piece]| match part {
        [] => Some(vec![]),
        [Piece::Bytes(bytes)] => Some(bytes.clone()),
        _ => None,
    };
    let begin = parts.remove(0);
    let Some(end) = parts.pop() else {
        return match plain(&begin) {
            Some(bytes) => MatchKind::Exact(bytes),
            None => MatchKind::Parts(Parts { begin, middle: vec![], end: None }),
        };
    };
    let middle: Vec<Vec<Piece>> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    match (plain(&begin), middle.as_slice(), plain(&end)) {
        (Some(bytes), [], Some(none)) if none.is_empty() => return MatchKind::Prefix(bytes),
        (Some(none), [], Some(bytes)) if none.is_empty() => return MatchKind::Suffix(bytes),
        (Some(none), [only], Some(also)) if none.is_empty() && also.is_empty() => {
            if let Some(bytes) = plain(only) {
                return MatchKind::Contains(Finder::new(&bytes, fold));
            }
        }
        _ => {}
    }
    let part = |pieces: Vec<Piece>| {
        let finder = match pieces.first() {
            Some(Piece::Bytes(bytes)) => Some(Finder::new(bytes, fold)),
            Some(Piece::Any(_)) | None => None,
        };
        Part { pieces, finder }
    };
    MatchKind::Parts(Parts { begin, middle: middle.into_iter().map(part).collect(), end: Some(end) })
}

impl Parts {
    fn hold(&self, text: &[u8], readable: usize, fold: bool) -> bool {
        let Some(mut at) = behind(&self.begin, text, 0, fold) else { return false };
        let Some(end) = &self.end else { return at == text.len() };
        let Some(last) = before(end, text, fold) else { return false };
        for part in &self.middle {
            if at > last {
                return false;
            }
            match part.first(text, at, last, readable, fold) {
                Some(behind) => at = behind,
                None => return false,
            }
        }
        at <= last
    }
}

impl Part {
    /// Where the part ends that begins first at `from` or behind it; it ends at `end` at the latest.
    fn first(&self, text: &[u8], from: usize, end: usize, readable: usize, fold: bool) -> Option<usize> {
        let mut at = from;
        loop {
            if let Some(finder) = &self.finder {
                // SAFETY: memory can be read so far, and the places are of the text.
                at = unsafe { finder.find_in(text.as_ptr(), at, end, readable) }?;
            }
            if let Some(behind) = behind(&self.pieces, &text[..end], at, fold) {
                return Some(behind);
            }
            at += character(text, at)?;
            if at > end {
                return None;
            }
        }
    }
}

/// Bytes of the character that begins at a place; none at the end.
#[inline]
fn character(text: &[u8], at: usize) -> Option<usize> {
    Some(match text.get(at)? {
        0..0x80 => 1,
        0x80..0xe0 => 2,
        0xe0..0xf0 => 3,
        0xf0.. => 4,
    })
}

/// Where the pieces end that begin at a place, if they do.
fn behind(pieces: &[Piece], text: &[u8], mut at: usize, fold: bool) -> Option<usize> {
    for piece in pieces {
        match piece {
            Piece::Bytes(bytes) => {
                let found = text.get(at..at + bytes.len())?;
                if if fold { !same_folded(found, bytes) } else { found != bytes } {
                    return None;
                }
                at += bytes.len();
            }
            Piece::Any(count) => {
                for _ in 0..*count {
                    at += character(text, at)?;
                }
            }
        }
    }
    Some(at)
}

/// Where the pieces begin that end with the text, if they do.
fn before(pieces: &[Piece], text: &[u8], fold: bool) -> Option<usize> {
    let mut at = text.len();
    for piece in pieces.iter().rev() {
        match piece {
            Piece::Bytes(bytes) => {
                let from = at.checked_sub(bytes.len())?;
                let found = &text[from..at];
                if if fold { !same_folded(found, bytes) } else { found != bytes } {
                    return None;
                }
                at = from;
            }
            Piece::Any(count) => {
                for _ in 0..*count {
                    at = text[..at].iter().rposition(|byte| !(0x80..0xc0).contains(byte))?;
                }
            }
        }
    }
    Some(at)
}

/// Some characters.
#[derive(Debug)]
pub struct Set {
    /// Those of ASCII, a bit each.
    ascii: u128,
    /// The others.
    others: Vec<char>,
}

impl Set {
    /// The characters of a text.
    pub fn new(characters: &str) -> Self {
        let ascii = characters.bytes().filter(u8::is_ascii).fold(0, |bits, byte| bits | 1u128 << byte);
        Self { ascii, others: characters.chars().filter(|character| !character.is_ascii()).collect() }
    }

    /// Bytes of the text in front that are its characters.
    pub fn leading(&self, text: &[u8]) -> usize {
        let mut at = 0;
        while let Some(length) = character(text, at) {
            let found = if length == 1 { self.ascii >> text[at] & 1 == 1 } else { self.has(text.get(at..at + length)) };
            if !found {
                break;
            }
            at += length;
        }
        at
    }

    /// Bytes of the text up to its characters at the end.
    pub fn trailing(&self, text: &[u8]) -> usize {
        let mut end = text.len();
        while let Some(from) = text[..end].iter().rposition(|byte| !(0x80..0xc0).contains(byte)) {
            let one = end - from == 1 && text[from] < 0x80;
            let found = if one { self.ascii >> text[from] & 1 == 1 } else { self.has(text.get(from..end)) };
            if !found {
                break;
            }
            end = from;
        }
        end
    }

    fn has(&self, bytes: Option<&[u8]>) -> bool {
        let found = bytes.and_then(|bytes| std::str::from_utf8(bytes).ok()).and_then(|text| text.chars().next());
        found.is_some_and(|character| self.others.contains(&character))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(pattern: &str, text: &str, fold: bool) -> bool {
        let matcher = Matcher::new(MatchOp::Like, pattern, fold);
        // SAFETY: the text can be read to its end.
        unsafe { matcher.holds(text.as_ptr(), text.len(), text.len()) }
    }

    #[test]
    fn like_is_sqls() {
        for (pattern, yes, no) in [
            ("", vec![""], vec!["a"]),
            ("%", vec!["", "a", "日"], vec![]),
            ("_", vec!["a", "日", "🙂"], vec!["", "ab"]),
            ("a%", vec!["a", "ab"], vec!["", "ba"]),
            ("%a", vec!["a", "ba"], vec!["", "ab"]),
            ("%a%", vec!["a", "bab"], vec!["", "b"]),
            ("a_c", vec!["abc", "a日c"], vec!["ac", "abbc"]),
            ("%a_c%", vec!["abc", "xaacaxcx", "aabc"], vec!["ac", "abbc"]),
            ("%aab%", vec!["aaab", "aab"], vec!["aba"]),
            ("a%b%c", vec!["abc", "axbxc", "abcc"], vec!["acb", "ab", "bc"]),
            ("ab%bc", vec!["abbc", "abxbc"], vec!["abc"]),
            ("%_b%_b", vec!["abab", "xbyb"], vec!["bb", "bab", "ab"]),
            ("%__日", vec!["aa日", "日日日"], vec!["a日", "日"]),
            ("\\%\\_\\\\", vec!["%_\\"], vec!["a", "%a\\"]),
            ("%special%requests%", vec!["special requests", "xspecial requestsx"], vec!["requests special", "special request"]),
        ] {
            for (texts, wanted) in [(yes, true), (no, false)] {
                for text in texts {
                    assert_eq!(holds(pattern, text, false), wanted, "{text} like {pattern}");
                }
            }
        }
        assert!(holds("%aBc_É", "xxABC日É", true) && !holds("%aBc", "xxABC", false));
    }

    #[test]
    fn sets_trim_whole_characters() {
        let set = Set::new("x é日");
        for (text, leading, trailing) in [("xé日axé", 6, 7), ("", 0, 0), ("ééé", 6, 0), ("aèx", 0, 3), ("è", 0, 2)] {
            assert_eq!((set.leading(text.as_bytes()), set.trailing(text.as_bytes())), (leading, trailing), "{text}");
        }
    }
}
