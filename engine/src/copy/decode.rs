//! Bytes of COPY … FROM to record batches.
//!
//! Bytes are cut into lines, lines into fields, which are kept as text, one after the other, until a batch is
//! full; then each column is read as its type, one after the other. An error is that of the first row that has
//! one, wherever it was found.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use chrono_tz::Tz;

use super::options::{CopyOptions, Format, Header};
use super::{csv, text};
use crate::error::{Condition, Error, Result};
use crate::types::SqlType;
use crate::types::text::{RowError, parse_column};

/// Rows in a full batch.
const BATCH_ROWS: usize = 8192;
/// Bytes after which a batch is full, however few its rows.
const BATCH_BYTES: usize = 16 << 20;
/// The longest line, as PostgreSQL's longest value.
const LONGEST_LINE: usize = 1 << 30;

/// The fields of some rows: their text end to end.
#[derive(Debug, Default)]
pub(super) struct Fields {
    pub(super) data: Vec<u8>,
    ends: Vec<usize>,
    nulls: Vec<bool>,
}

impl Fields {
    /// What was appended to `data` since the last call is a field.
    pub(super) fn end_field(&mut self, null: bool) {
        self.ends.push(self.data.len());
        self.nulls.push(null);
    }

    fn len(&self) -> usize {
        self.ends.len()
    }

    fn start(&self, field: usize) -> usize {
        if field == 0 { 0 } else { self.ends[field - 1] }
    }

    fn bytes(&self, field: usize) -> &[u8] {
        &self.data[self.start(field)..self.ends[field]]
    }

    fn truncate(&mut self, fields: usize) {
        self.ends.truncate(fields);
        self.nulls.truncate(fields);
        self.data.truncate(self.ends.last().copied().unwrap_or(0));
    }

    fn clear(&mut self) {
        self.truncate(0);
    }

    #[cfg(test)]
    pub(super) fn texts(&self) -> Vec<Option<String>> {
        let text = |field| String::from_utf8(self.bytes(field).to_vec()).unwrap();
        (0..self.len()).map(|field| (!self.nulls[field]).then(|| text(field))).collect()
    }
}

/// Refuses what PostgreSQL does not take for text: malformed UTF-8, and NUL.
pub(super) fn check_utf8(bytes: &[u8]) -> Result<()> {
    let bad = match std::str::from_utf8(bytes) {
        Err(error) => error.valid_up_to(),
        Ok(_) => match bytes.iter().position(|b| *b == 0) {
            Some(at) => at,
            None => return Ok(()),
        },
    };
    let rest = &bytes[bad..];
    let length = match rest[0] {
        0xf0.. => 4,
        0xe0..=0xef => 3,
        0xc0..=0xdf => 2,
        _ => 1,
    };
    let shown: Vec<String> = rest.iter().take(length).map(|byte| format!("0x{byte:02x}")).collect();
    let message = format!("invalid byte sequence for encoding \"UTF8\": {}", shown.join(" "));
    Err(Error::new(Condition::CharacterNotInRepertoire, message))
}

/// How lines end; the first end decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LineEnd {
    Newline,
    Return,
    ReturnNewline,
}

/// Turns the bytes of a COPY into record batches.
pub struct Decoder {
    relation: String,
    columns: Vec<(String, SqlType)>,
    schema: SchemaRef,
    options: CopyOptions,
    force_not_null: Vec<bool>,
    force_null: Vec<bool>,
    zone: Tz,
    /// Bytes that are not yet a line.
    buffer: Vec<u8>,
    /// Where the next line starts in it.
    start: usize,
    /// How far it was looked through for the line's end.
    scanned: usize,
    in_quote: bool,
    after_escape: bool,
    line_end: Option<LineEnd>,
    /// The number of the line last read, from 1.
    line: u64,
    header_pending: bool,
    /// Whether `\.` was seen: what follows is not data.
    ended: bool,
    fields: Fields,
    /// The line of each row in `fields`.
    lines: Vec<u64>,
}

/// `text` as context shows it: at most 100 bytes.
fn shown(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    match text.len() {
        0..=100 => text.into_owned(),
        _ => format!("{}...", &text[..text.floor_char_boundary(100)]),
    }
}

impl Decoder {
    /// A decoder for rows of these columns; an error names a column of FORCE_NOT_NULL or FORCE_NULL that is not
    /// among them.
    pub fn new(columns: &[(String, SqlType)], options: CopyOptions) -> Result<Self> {
        let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
        let fields: Vec<_> = columns.iter().map(|(name, sql_type)| sql_type.field(name, true)).collect();
        Ok(Self {
            relation: String::new(),
            columns: columns.to_vec(),
            schema: Arc::new(Schema::new(fields)),
            force_not_null: options.force_not_null.flags(&names, "FORCE_NOT_NULL")?,
            force_null: options.force_null.flags(&names, "FORCE_NULL")?,
            header_pending: options.header != Header::Off,
            options,
            zone: Tz::UTC,
            buffer: Vec::new(),
            start: 0,
            scanned: 0,
            in_quote: false,
            after_escape: false,
            line_end: None,
            line: 0,
            ended: false,
            fields: Fields::default(),
            lines: Vec::new(),
        })
    }

    /// Names the table, for errors' context.
    pub fn for_relation(mut self, name: impl Into<String>) -> Self {
        self.relation = name.into();
        self
    }

    /// Reads instants without a zone by the clocks of `zone` (otherwise UTC).
    pub fn in_zone(mut self, zone: Tz) -> Self {
        self.zone = zone;
        self
    }

    /// The schema of the batches.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Takes bytes; returns the batches that are full.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<RecordBatch>> {
        let mut batches = Vec::new();
        if self.ended {
            return Ok(batches);
        }
        self.buffer.extend_from_slice(bytes);
        while let Some((end, next)) = self.find_line(false)? {
            self.take_line(end, next)?;
            if self.ended {
                self.buffer = Vec::new();
                self.start = 0;
                return Ok(batches);
            }
            if self.lines.len() == BATCH_ROWS || self.fields.data.len() >= BATCH_BYTES {
                batches.push(self.batch()?);
            }
        }
        self.buffer.drain(..self.start);
        self.scanned -= self.start;
        self.start = 0;
        if self.buffer.len() > LONGEST_LINE {
            let error = Error::new(Condition::ProgramLimitExceeded, "line of COPY data is too long")
                .detail(format!("Lines are at most {LONGEST_LINE} bytes long."));
            return Err(self.fault(error, None));
        }
        Ok(batches)
    }

    /// Ends the data; returns what is left.
    pub fn finish(&mut self) -> Result<Vec<RecordBatch>> {
        if !self.ended && self.start < self.buffer.len() {
            if let Some((end, next)) = self.find_line(true)? {
                self.take_line(end, next)?;
            }
            if !self.ended && self.start < self.buffer.len() {
                // The last line needs no line end.
                let end = self.buffer.len();
                self.take_line(end, end)?;
            }
        }
        self.ended = true;
        self.buffer = Vec::new();
        self.start = 0;
        if self.lines.is_empty() { Ok(Vec::new()) } else { Ok(vec![self.batch()?]) }
    }

    /// Where the line in the buffer ends and the next one starts; `None` where its end has not come. `last` says that
    /// nothing more will.
    fn find_line(&mut self, last: bool) -> Result<Option<(usize, usize)>> {
        let csv = self.options.format == Format::Csv;
        let (quote, escape) = (self.options.quote, self.options.escape);
        while self.scanned < self.buffer.len() {
            let at = self.scanned;
            let byte = self.buffer[at];
            if csv {
                // Where escape and quote are one, a doubled quote leaves and enters again.
                let escapes = byte == escape && escape != quote;
                if self.in_quote && escapes {
                    self.after_escape = !self.after_escape;
                }
                if byte == quote && !self.after_escape {
                    self.in_quote = !self.in_quote;
                }
                if !escapes {
                    self.after_escape = false;
                }
                if self.in_quote {
                    let counted = if self.line_end == Some(LineEnd::Newline) { b'\n' } else { b'\r' };
                    self.line += u64::from(byte == counted);
                    self.scanned += 1;
                    continue;
                }
                if !matches!(byte, b'\n' | b'\r') {
                    self.scanned += 1;
                    continue;
                }
            } else if byte == b'\\' {
                if at + 1 == self.buffer.len() && !last {
                    return Ok(None);
                }
                self.scanned = (at + 2).min(self.buffer.len());
                continue;
            } else if !matches!(byte, b'\n' | b'\r') {
                let special = |byte: &u8| matches!(*byte, b'\n' | b'\r' | b'\\');
                self.scanned = self.buffer[at..].iter().position(special).map_or(self.buffer.len(), |length| at + length);
                continue;
            }
            let end = match (byte, self.line_end) {
                (b'\n', None | Some(LineEnd::Newline)) => LineEnd::Newline,
                (b'\n', Some(_)) => return Err(self.stray("newline", at)),
                (_, Some(LineEnd::Newline)) => return Err(self.stray("carriage return", at)),
                (_, Some(LineEnd::Return)) => LineEnd::Return,
                (_, known) => match self.buffer.get(at + 1) {
                    Some(b'\n') => LineEnd::ReturnNewline,
                    None if !last => return Ok(None),
                    _ if known == Some(LineEnd::ReturnNewline) => return Err(self.stray("carriage return", at)),
                    _ => LineEnd::Return,
                },
            };
            self.line_end = Some(end);
            self.scanned = at + if end == LineEnd::ReturnNewline { 2 } else { 1 };
            return Ok(Some((at, self.scanned)));
        }
        Ok(None)
    }

    /// A line end of another kind than the first.
    fn stray(&mut self, what: &str, at: usize) -> Error {
        self.line += 1;
        let (text, hint) = match self.options.format {
            Format::Text => ("literal", format!("Use \"\\{}\" to represent {what}.", if what == "newline" { 'n' } else { 'r' })),
            Format::Csv => ("unquoted", format!("Use quoted CSV field to represent {what}.")),
        };
        let error = Error::new(Condition::BadCopyFileFormat, format!("{text} {what} found in data")).hint(hint);
        let line = shown(&self.buffer[self.start..at]);
        self.fault(error, Some(&line))
    }

    /// Reads the line that ends at `end` as a row.
    fn take_line(&mut self, end: usize, next: usize) -> Result<()> {
        let start = std::mem::replace(&mut self.start, next);
        self.scanned = next;
        if &self.buffer[start..end] == b"\\." {
            self.ended = true;
            return Ok(());
        }
        self.line += 1;
        if self.header_pending {
            self.header_pending = false;
            return match self.options.header {
                Header::Match => self.check_header(start, end),
                Header::On | Header::Off => Ok(()),
            };
        }
        if let Err(error) = check_utf8(&self.buffer[start..end]) {
            return Err(self.fault(error, None));
        }
        let before = self.fields.len();
        if let Err(error) = self.split(start, end).and_then(|()| self.check_count(self.fields.len() - before)) {
            self.fields.truncate(before);
            // PostgreSQL's line still has its end where a quoted field runs to the end of the data.
            let line = shown(&self.buffer[start..end]);
            return Err(self.fault(error, Some(&line)));
        }
        for (at, field) in (before..self.fields.len()).enumerate() {
            if self.force_not_null[at] {
                self.fields.nulls[field] = false;
            } else if self.force_null[at] && self.fields.bytes(field) == self.options.null.as_bytes() {
                self.fields.nulls[field] = true;
            }
        }
        self.lines.push(self.line);
        Ok(())
    }

    fn split(&mut self, start: usize, end: usize) -> Result<()> {
        let line = &self.buffer[start..end];
        match self.options.format {
            // A line of a table without columns has no field.
            _ if self.columns.is_empty() && line.is_empty() => Ok(()),
            Format::Text => text::split(line, self.options.delimiter, self.options.null.as_bytes(), &mut self.fields),
            Format::Csv => csv::split(line, &self.options, &mut self.fields),
        }
    }

    fn check_count(&self, count: usize) -> Result<()> {
        match self.columns.get(count) {
            None if count == self.columns.len() => Ok(()),
            None => Err(Error::new(Condition::BadCopyFileFormat, "extra data after last expected column")),
            Some((name, _)) => Err(Error::new(Condition::BadCopyFileFormat, format!("missing data for column \"{name}\""))),
        }
    }

    fn check_header(&mut self, start: usize, end: usize) -> Result<()> {
        let check = |this: &mut Self| {
            check_utf8(&this.buffer[start..end])?;
            this.split(start, end)?;
            let bad = |message: String| Err(Error::new(Condition::BadCopyFileFormat, message));
            let (got, expected) = (this.fields.len(), this.columns.len());
            if got != expected {
                return bad(format!("wrong number of fields in header line: got {got}, expected {expected}"));
            }
            for (at, (name, _)) in this.columns.iter().enumerate() {
                let mismatch = format!("column name mismatch in header line field {}: got", at + 1);
                if this.fields.nulls[at] {
                    return bad(format!("{mismatch} null value (\"{}\"), expected \"{name}\"", this.options.null));
                }
                let got = this.fields.bytes(at);
                if got != name.as_bytes() {
                    return bad(format!("{mismatch} \"{}\", expected \"{name}\"", String::from_utf8_lossy(got)));
                }
            }
            Ok(())
        };
        let checked = check(self);
        self.fields.clear();
        checked.map_err(|error| {
            let line = shown(&self.buffer[start..end]);
            self.fault(error, Some(&line))
        })
    }

    /// The rows so far as a batch.
    fn batch(&mut self) -> Result<RecordBatch> {
        let width = self.columns.len();
        let rows = self.lines.len();
        // Every line was checked, and fields end at ASCII characters.
        let data = std::str::from_utf8(&self.fields.data).map_err(|_| Error::internal("COPY data is not text"))?;
        let mut arrays = Vec::with_capacity(width);
        let mut first: Option<(usize, usize, Error)> = None;
        for (column, (_, sql_type)) in self.columns.iter().enumerate() {
            let mut texts = (0..rows).map(|row| {
                let field = row * width + column;
                if self.fields.nulls[field] { None } else { data.get(self.fields.start(field)..self.fields.ends[field]) }
            });
            match parse_column(*sql_type, &mut texts, &self.zone) {
                Ok(array) => arrays.push(array),
                Err(RowError { row, error }) if first.as_ref().is_none_or(|(earlier, ..)| row < *earlier) => {
                    first = Some((row, column, *error))
                }
                Err(_) => {}
            }
        }
        if let Some((row, column, error)) = first {
            let field = row * width + column;
            let place = format!("COPY {}, line {}, column {}", self.relation, self.lines[row], self.columns[column].0);
            let context = if self.fields.nulls[field] {
                format!("{place}: null input")
            } else {
                format!("{place}: \"{}\"", shown(self.fields.bytes(field)))
            };
            return Err(error.context(context));
        }
        self.fields.clear();
        self.lines.clear();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)
            .map_err(|error| Error::internal(error.to_string()))
    }

    /// The error of the current line, unless an earlier row that still waits has one.
    fn fault(&mut self, error: Error, line: Option<&str>) -> Error {
        let number = self.line;
        if !self.lines.is_empty()
            && let Err(earlier) = self.batch()
        {
            return earlier;
        }
        let place = format!("COPY {}, line {number}", self.relation);
        error.context(match line {
            Some(line) => format!("{place}: \"{line}\""),
            None => place,
        })
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;
    use arrow::datatypes::Int32Type;

    use super::super::options::ColumnList;
    use super::*;
    use crate::types::Base;

    fn columns() -> Vec<(String, SqlType)> {
        vec![("a".to_owned(), Base::Int4.into()), ("b".to_owned(), Base::Text.into())]
    }

    fn decoder(options: CopyOptions) -> Decoder {
        Decoder::new(&columns(), options).unwrap().for_relation("t")
    }

    type Row = (Option<i32>, Option<String>);

    fn rows(batches: &[RecordBatch]) -> Vec<Row> {
        let mut rows = Vec::new();
        for batch in batches {
            let a = batch.column(0).as_primitive::<Int32Type>();
            let b = batch.column(1).as_string::<i32>();
            rows.extend(a.iter().zip(b.iter()).map(|(a, b)| (a, b.map(str::to_owned))));
        }
        rows
    }

    /// However the bytes are cut, the answer is the same.
    fn decode(options: &CopyOptions, data: &[u8]) -> Result<Vec<Row>> {
        let whole = pieces(options, data, data.len().max(1));
        for size in [1, 2, 3, 7] {
            assert_eq!(pieces(options, data, size), whole, "pieces of {size}");
        }
        whole
    }

    fn pieces(options: &CopyOptions, data: &[u8], size: usize) -> Result<Vec<Row>> {
        let mut decoder = decoder(options.clone());
        let mut batches = Vec::new();
        for piece in data.chunks(size) {
            batches.append(&mut decoder.push(piece)?);
        }
        batches.append(&mut decoder.finish()?);
        Ok(rows(&batches))
    }

    fn row(a: impl Into<Option<i32>>, b: impl Into<Option<&'static str>>) -> Row {
        (a.into(), b.into().map(str::to_owned))
    }

    #[test]
    fn text_rows() {
        let options = CopyOptions::new(Format::Text);
        for data in [
            "1\tx\n\\N\t\\N\n3\t\\n\n",
            "1\tx\r\n\\N\t\\N\r\n3\t\\n",
            "1\tx\r\\N\t\\N\r3\t\\n\r",
            "1\tx\n\\N\t\\N\n3\t\\n\n\\.\njunk",
        ] {
            assert_eq!(decode(&options, data.as_bytes()).unwrap(), [row(1, "x"), row(None, None), row(3, "\n")], "{data:?}");
        }
        assert_eq!(decode(&options, b"1\ta\\\nb\n").unwrap(), [row(1, "a\nb")]);
        assert_eq!(decode(&options, b"").unwrap(), []);
        assert_eq!(decode(&options, b"\\.").unwrap(), []);
    }

    #[test]
    fn csv_rows() {
        let mut options = CopyOptions::new(Format::Csv);
        let data = b"1,\"x\ny\"\r\n,\r\n3,\"\"\r\n4,\"a\"\"b\"";
        assert_eq!(decode(&options, data).unwrap(), [row(1, "x\ny"), row(None, None), row(3, ""), row(4, "a\"b")]);
        options.force_null = ColumnList::Named(vec!["b".to_owned()]);
        assert_eq!(decode(&options, b"1,\"\"\n").unwrap(), [row(1, None)]);
        options.force_null = ColumnList::None;
        options.force_not_null = ColumnList::Named(vec!["b".to_owned()]);
        assert_eq!(decode(&options, b"1,\n").unwrap(), [row(1, "")]);
        options.header = Header::On;
        assert_eq!(decode(&options, b"what,ever\n1,x\n\\.\n").unwrap(), [row(1, "x")]);
    }

    #[test]
    fn batches_are_full() {
        let mut decoder = decoder(CopyOptions::new(Format::Text));
        let data: String = (0..20_000).map(|i| format!("{i}\tx\n")).collect();
        let batches = decoder.push(data.as_bytes()).unwrap();
        assert_eq!(batches.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [8192, 8192]);
        assert_eq!(decoder.finish().unwrap()[0].num_rows(), 20_000 - 2 * 8192);
        assert!(decoder.push(b"1\tx\n").unwrap().is_empty());
    }

    /// What PostgreSQL 15 answered.
    #[test]
    fn errors() {
        let text = CopyOptions::new(Format::Text);
        let csv = CopyOptions::new(Format::Csv);
        let mut header = csv.clone();
        header.header = Header::Match;
        for (options, data, message, context) in [
            (&text, &b"1\n"[..], "missing data for column \"b\"", "COPY t, line 1: \"1\""),
            (&text, b"1\t2\t3\n", "extra data after last expected column", "COPY t, line 1: \"1\t2\t3\""),
            (&text, b"1\ty\nx\t2\n", "invalid input syntax for type integer: \"x\"", "COPY t, line 2, column a: \"x\""),
            (&text, b"x\ty\n1\n", "invalid input syntax for type integer: \"x\"", "COPY t, line 1, column a: \"x\""),
            (&text, b"1\t\\xff\n", "invalid byte sequence for encoding \"UTF8\": 0xff", "COPY t, line 1: \"1\t\\xff\""),
            (&text, b"1\t\xff\n", "invalid byte sequence for encoding \"UTF8\": 0xff", "COPY t, line 1"),
            (&text, b"1\t\xc3\x28\n", "invalid byte sequence for encoding \"UTF8\": 0xc3 0x28", "COPY t, line 1"),
            (&text, b"1\tx\n2\ty\r\n", "literal carriage return found in data", "COPY t, line 2: \"2\ty\""),
            (&text, b"1\tx\r\n2\ty\n", "literal newline found in data", "COPY t, line 2: \"2\ty\""),
            (&csv, b"1,x\n2,y\r\n", "unquoted carriage return found in data", "COPY t, line 2: \"2,y\""),
            (&csv, b"1,\"x", "unterminated CSV quoted field", "COPY t, line 1: \"1,\"x\""),
            (
                &header,
                b"1,b\n",
                "column name mismatch in header line field 1: got \"1\", expected \"a\"",
                "COPY t, line 1: \"1,b\"",
            ),
            (&header, b"a\n", "wrong number of fields in header line: got 1, expected 2", "COPY t, line 1: \"a\""),
            (
                &header,
                b",b\n",
                "column name mismatch in header line field 1: got null value (\"\"), expected \"a\"",
                "COPY t, line 1: \",b\"",
            ),
        ] {
            let error = decode(options, data).unwrap_err();
            assert_eq!((error.message.as_str(), error.context.as_deref()), (message, Some(context)));
        }
        let long = format!("1\t{}\n", "ü".repeat(99));
        let error = decode(&text, &[long.as_bytes(), b"\t\t\n"].concat()).unwrap_err();
        assert_eq!(error.context.as_deref(), Some("COPY t, line 2: \"\t\t\""));
        let long = "x".repeat(150);
        let error = decode(&text, format!("{long}\ty\n").as_bytes()).unwrap_err();
        assert_eq!(error.context.unwrap(), format!("COPY t, line 1, column a: \"{}...\"", "x".repeat(100)));
    }

    #[test]
    fn strangers_are_named() {
        let mut options = CopyOptions::new(Format::Csv);
        options.force_null = ColumnList::Named(vec!["zz".to_owned()]);
        let error = Decoder::new(&columns(), options).err().unwrap();
        assert_eq!(error.message, "FORCE_NULL column \"zz\" not referenced by COPY");
    }
}
