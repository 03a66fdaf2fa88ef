//! Texts, character by character.

use super::expr::Stop;
use crate::program::{Fault, MatchOp, TextUnit, TrimSide};

/// How long a text is.
pub(super) fn length(text: &str, unit: TextUnit) -> i128 {
    match unit {
        TextUnit::Bytes => text.len() as i128,
        TextUnit::Characters => text.chars().count() as i128,
    }
}

/// Whether a text matches a pattern.
pub(super) fn matches(op: MatchOp, text: &str, pattern: &str, ignore_case: bool) -> bool {
    if ignore_case {
        return matches(op, &text.to_ascii_lowercase(), &pattern.to_ascii_lowercase(), false);
    }
    match op {
        MatchOp::Prefix => text.starts_with(pattern),
        MatchOp::Suffix => text.ends_with(pattern),
        MatchOp::Contains => text.contains(pattern),
        MatchOp::Like => like(text, &pieces(pattern)),
    }
}

/// What one place of a pattern stands for.
enum Piece {
    /// Any characters or none.
    Any,
    /// One character.
    One,
    /// This one.
    Character(char),
}

fn pieces(pattern: &str) -> Vec<Piece> {
    let mut characters = pattern.chars();
    let mut found = Vec::new();
    while let Some(character) = characters.next() {
        found.push(match character {
            '%' => Piece::Any,
            '_' => Piece::One,
            '\\' => Piece::Character(characters.next().unwrap_or('\\')),
            other => Piece::Character(other),
        });
    }
    found
}

fn like(text: &str, pattern: &[Piece]) -> bool {
    // For each place of the pattern, whether all before it matches the text up to here.
    let mut reached = vec![false; pattern.len() + 1];
    reached[0] = true;
    let skip = |reached: &mut Vec<bool>| {
        for (at, piece) in pattern.iter().enumerate() {
            reached[at + 1] |= reached[at] && matches!(piece, Piece::Any);
        }
    };
    skip(&mut reached);
    for character in text.chars() {
        let mut next = vec![false; pattern.len() + 1];
        for (at, piece) in pattern.iter().enumerate().filter(|(at, _)| reached[*at]) {
            match piece {
                Piece::Any => next[at] = true,
                Piece::One => next[at + 1] = true,
                Piece::Character(wanted) => next[at + 1] |= *wanted == character,
            }
        }
        skip(&mut next);
        reached = next;
    }
    reached[pattern.len()]
}

/// Where a pattern first begins in a text, in characters from 1; 0 where it does not.
pub(super) fn position(text: &str, pattern: &str) -> i128 {
    text.find(pattern).map_or(0, |at| text[..at].chars().count() as i128 + 1)
}

/// The characters from `start` on, so many of them.
pub(super) fn slice(text: &str, start: i128, length: Option<i128>) -> Result<String, Stop> {
    if length.is_some_and(|length| length < 0) {
        return Err(Stop::Fault(Fault::NegativeLength));
    }
    let end = length.map_or(i128::MAX, |length| start + length);
    let numbered = text.chars().zip(1i128..);
    Ok(numbered.filter(|(_, number)| start <= *number && *number < end).map(|(character, _)| character).collect())
}

/// The text without some characters at its ends.
pub(super) fn trim<'a>(text: &'a str, side: TrimSide, characters: &str) -> &'a str {
    let goes = |character: char| characters.contains(character);
    match side {
        TrimSide::Both => text.trim_matches(goes),
        TrimSide::Leading => text.trim_start_matches(goes),
        TrimSide::Trailing => text.trim_end_matches(goes),
    }
}
