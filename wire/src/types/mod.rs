//! Columns to frames: how a result's values become bytes on the wire.
//!
//! A [`RowEncoder`] is built once for a result. Rows are encoded block by block: each column of a block is
//! printed on its own, its Arrow type looked at once ([`text`], [`binary`]), into cells ([`cells`]); then the
//! cells are laid side by side, row by row, in one buffer, header and all. Strings are taken straight from
//! their array.
//!
//! ```text
//! array ── canonical ──▶ array ── text | binary ──▶ cells ┐
//! array ── canonical ──▶ array ── text | binary ──▶ cells ┴▶ frames: 'D' | length | columns | length, bytes | …
//! ```
//!
//! The way back, from Bind's parameters to arrays, is [`params`].
//!
//! # Adding a type
//!
//! Its text is [`warpwise_engine::types::text`]'s affair; say in [`text`] which function prints it, in [`binary`] and
//! [`params`] what its binary form is. The matches there are exhaustive.

mod binary;
mod canonical;
mod cells;
mod decimal;
mod frames;
pub mod params;
mod text;

use std::ops::Range;

use arrow::array::Array;
use arrow::record_batch::RecordBatch;
use bytes::BytesMut;
use chrono_tz::Tz;
use warpwise_engine::copy;
use warpwise_engine::error::{Error, Result};
use warpwise_engine::types::SqlType;

use self::cells::{Cells, Source};

/// Stands for "without trailing zeros" where the least scale of a quotient would stand.
const TRIMMED: u8 = u8::MAX;

/// Is added to the least scale of a variance: 0 has no digits.
const VARIANCE: u8 = 128;

/// Is added to the least scale of a standard deviation: it has as many digits as its square.
const DEVIATION: u8 = 128 + 64;

/// What the metadata of a numeric column says of the digits to show.
fn shown_digits(text: &str) -> Option<u8> {
    let least = |text: &str, below: u8| text.parse().ok().filter(|least| *least < below);
    match text.split_once(' ') {
        Some(("variance", digits)) => least(digits, 63).map(|least: u8| VARIANCE + least),
        Some(("deviation", digits)) => least(digits, 63).map(|least: u8| DEVIATION + least),
        _ if text == warpwise_engine::types::TRIM => Some(TRIMMED),
        _ => least(text, VARIANCE),
    }
}

/// The field metadata key of a column of quotients: the least digits to show after the point. Values then show as
/// many as PostgreSQL computes for a quotient of that size.
pub use warpwise_engine::types::QUOTIENT_KEY;

/// In which of the protocol's two forms a value travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// As psql shows it.
    Text,
    /// As the type's send function makes it.
    Binary,
}

/// Rows in a block: enough to amortize what is done per column, few enough that cells stay in the cache.
const BLOCK: usize = 512;

/// How a column is to be printed.
struct Style<'a> {
    sql_type: SqlType,
    zone: &'a Tz,
    extra_float_digits: i32,
    /// The least scale of a column of quotients.
    quotient: Option<u8>,
}

struct Column {
    sql_type: SqlType,
    format: Format,
    cells: Cells,
}

/// Encodes the rows of one result.
pub struct RowEncoder {
    columns: Vec<Column>,
    zone: Tz,
    extra_float_digits: i32,
    frames: Vec<u8>,
}

impl RowEncoder {
    /// For columns of these types in these formats; `zone` and `extra_float_digits` are the session's settings.
    pub fn new(columns: Vec<(SqlType, Format)>, zone: Tz, extra_float_digits: i32) -> Self {
        let columns =
            columns.into_iter().map(|(sql_type, format)| Column { sql_type, format, cells: Cells::default() }).collect();
        Self { columns, zone, extra_float_digits, frames: Vec::new() }
    }

    /// Appends a DataRow frame for each of `rows` of `batch`.
    pub fn encode_data_rows(&mut self, batch: &RecordBatch, rows: Range<usize>, out: &mut BytesMut) -> Result<()> {
        self.blocks(batch, rows, None, |frames, sources, count| frames::data_rows(sources, count, frames), out)
    }

    /// Appends a CopyData frame with a line of COPY's text or csv format for each of `rows` of `batch`. The columns must
    /// have been declared [`Format::Text`].
    pub fn encode_copy_text_rows(
        &mut self,
        batch: &RecordBatch,
        rows: Range<usize>,
        encoder: &copy::Encoder,
        out: &mut BytesMut,
    ) -> Result<()> {
        let options = encoder.options();
        let (delimiter, null) = (options.delimiter, options.null.as_bytes());
        self.blocks(
            batch,
            rows,
            Some(encoder),
            |frames, sources, count| frames::copy_rows(sources, count, delimiter, null, frames),
            out,
        )
    }

    /// Appends the CopyData frame of the header line, where `encoder`'s options ask for one.
    pub fn encode_copy_header(encoder: &copy::Encoder, out: &mut BytesMut) -> Result<()> {
        let mut line = Vec::new();
        if encoder.header(&mut line) {
            frames::copy_data(&line, out)?;
        }
        Ok(())
    }

    /// Gives each value of `rows` of `batch` (its row counted from `rows.start`, its column, its bytes without length)
    /// to `visit`, row by row: for shells and files, which have frames of their own.
    pub fn each_value(
        &mut self,
        batch: &RecordBatch,
        rows: Range<usize>,
        mut visit: impl FnMut(usize, usize, Option<&[u8]>),
    ) -> Result<()> {
        check(batch, &rows, self.columns.len())?;
        let mut start = rows.start;
        while start < rows.end {
            let count = BLOCK.min(rows.end - start);
            self.fill(batch, start, count, None)?;
            for row in 0..count {
                for (at, column) in self.columns.iter().enumerate() {
                    visit(start - rows.start + row, at, column.cells.get(row));
                }
            }
            start += count;
        }
        Ok(())
    }

    fn blocks(
        &mut self,
        batch: &RecordBatch,
        rows: Range<usize>,
        copy: Option<&copy::Encoder>,
        mut frame: impl FnMut(&mut Vec<u8>, &[Source<'_>], usize) -> Result<usize>,
        out: &mut BytesMut,
    ) -> Result<()> {
        check(batch, &rows, self.columns.len())?;
        let before = out.len();
        let mut start = rows.start;
        while start < rows.end {
            let count = BLOCK.min(rows.end - start);
            self.fill(batch, start, count, copy)?;
            let sources: Vec<Source<'_>> = self.columns.iter().map(|column| column.cells.source()).collect();
            match frame(&mut self.frames, &sources, count) {
                Ok(length) => out.extend_from_slice(&self.frames[..length]),
                Err(error) => {
                    out.truncate(before);
                    return Err(error);
                }
            }
            start += count;
        }
        frames::give_back(&mut self.frames);
        Ok(())
    }

    /// Prints `count` rows from `start` on into the columns' cells.
    fn fill(&mut self, batch: &RecordBatch, start: usize, count: usize, copy: Option<&copy::Encoder>) -> Result<()> {
        let schema = batch.schema_ref();
        for (at, column) in self.columns.iter_mut().enumerate() {
            let style = Style {
                sql_type: column.sql_type,
                zone: &self.zone,
                extra_float_digits: self.extra_float_digits,
                quotient: schema.field(at).metadata().get(QUOTIENT_KEY).and_then(|digits| shown_digits(digits)),
            };
            let array = canonical::of(&batch.column(at).slice(start, count), column.sql_type)?;
            match column.format {
                Format::Text => text::fill(&mut column.cells, &array, &style)?,
                Format::Binary => binary::fill(&mut column.cells, &array, &style)?,
            }
            if let Some(encoder) = copy {
                column.cells.escape(encoder, at, text::is_plain(array.data_type(), column.sql_type));
            }
            debug_assert_eq!(column.cells.len(), array.len());
        }
        Ok(())
    }
}

fn check(batch: &RecordBatch, rows: &Range<usize>, columns: usize) -> Result<()> {
    if batch.num_columns() != columns {
        return Err(Error::internal(format!("a batch of {} columns for a result of {columns}", batch.num_columns())));
    }
    if rows.start > rows.end || rows.end > batch.num_rows() {
        return Err(Error::internal(format!("rows {rows:?} of a batch of {}", batch.num_rows())));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
