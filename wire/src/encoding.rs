//! What turns batches into frames: DataRows in a portal's formats, or CopyData in COPY's.
//!
//! The bytes are the affair of [`crate::types`]; here is what a session's settings say about them.

use std::ops::Range;

use arrow::array::ArrayRef;
use arrow::record_batch::RecordBatch;
use bytes::BytesMut;
use warpwise_engine::copy::{CopyOptions, Encoder};
use warpwise_engine::error::Result;
use warpwise_engine::types::SqlType;
use warpwise_engine::{Column, Session};

use crate::portal::Formats;
pub(crate) use crate::types::Format;
use crate::types::{RowEncoder, params};

/// How the rows of one result become frames.
pub(crate) struct Encoding {
    encoder: RowEncoder,
    /// None for DataRows.
    copy: Option<Encoder>,
}

impl Encoding {
    /// DataRows in these formats.
    pub(crate) fn rows(columns: &[Column], formats: &Formats, session: &Session) -> Self {
        let columns = columns.iter().enumerate().map(|(i, column)| (column.sql_type, formats.of(i)));
        Self { encoder: encoder(columns, session), copy: None }
    }

    /// CopyData in text or csv.
    pub(crate) fn copy(columns: &[Column], options: CopyOptions, session: &Session) -> Result<Self> {
        let names = columns.iter().map(|column| column.name.clone()).collect();
        let columns = columns.iter().map(|column| (column.sql_type, Format::Text));
        Ok(Self { encoder: encoder(columns, session), copy: Some(Encoder::new(names, options)?) })
    }

    /// Appends what stands before the first row.
    pub(crate) fn start(&self, out: &mut BytesMut) -> Result<()> {
        self.copy.as_ref().map_or(Ok(()), |copy| RowEncoder::encode_copy_header(copy, out))
    }

    /// Appends the frames of some rows of a batch.
    pub(crate) fn encode(&mut self, batch: &RecordBatch, rows: Range<usize>, out: &mut BytesMut) -> Result<()> {
        match &self.copy {
            None => self.encoder.encode_data_rows(batch, rows, out),
            Some(copy) => self.encoder.encode_copy_text_rows(batch, rows, copy, out),
        }
    }
}

fn encoder(columns: impl Iterator<Item = (SqlType, Format)>, session: &Session) -> RowEncoder {
    let digits = session.setting("extra_float_digits").and_then(|digits| digits.parse().ok()).unwrap_or(1);
    RowEncoder::new(columns.collect(), session.time_zone(), digits)
}

/// The value of parameter `i` (from 0) as an array of one row.
pub(crate) fn parameter(
    i: usize,
    sql_type: SqlType,
    format: Format,
    value: Option<&[u8]>,
    time_zone: &chrono_tz::Tz,
) -> Result<ArrayRef> {
    params::decode(i, sql_type, format, value, time_zone)
}
