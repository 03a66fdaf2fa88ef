//! Places in a statement's text: the parser counts lines and columns, PostgreSQL counts characters.

use sqlparser::tokenizer::{Location, Span};

/// The 1-based character position of a line and column of `text`, both counted from 1.
pub fn of(text: &str, line: u64, column: u64) -> usize {
    let before: usize = text.split_inclusive('\n').take((line as usize).saturating_sub(1)).map(|l| l.chars().count()).sum();
    before + column as usize
}

/// The same for a location; `None` where the parser kept none.
pub fn of_location(text: &str, location: Location) -> Option<usize> {
    (location.line > 0).then(|| of(text, location.line, location.column))
}

/// Where a span starts.
pub fn of_span(text: &str, span: Span) -> Option<usize> {
    of_location(text, span.start)
}
