//! Rows of texts laid out for COPY … TO.

use super::options::{CopyOptions, Format, Header};
use super::{csv, text};
use crate::error::Result;

/// Lays out rows. Values are given as their types print them; what COPY adds is between and around them.
#[derive(Debug, Clone)]
pub struct Encoder {
    options: CopyOptions,
    names: Vec<String>,
    force_quote: Vec<bool>,
}

impl Encoder {
    /// For rows of these columns; an error names a column of FORCE_QUOTE that is not among them.
    pub fn new(names: Vec<String>, options: CopyOptions) -> Result<Self> {
        let force_quote = options.force_quote.flags(&names.iter().map(String::as_str).collect::<Vec<_>>(), "FORCE_QUOTE")?;
        Ok(Self { options, names, force_quote })
    }

    /// For `count` columns whose names do not matter: neither header nor FORCE_QUOTE by name.
    pub fn unnamed(count: usize, options: CopyOptions) -> Result<Self> {
        Self::new(vec![String::new(); count], options)
    }

    /// The options.
    pub fn options(&self) -> &CopyOptions {
        &self.options
    }

    /// Appends the header line, where one is asked for; returns whether it was.
    pub fn header(&self, out: &mut Vec<u8>) -> bool {
        if self.options.header == Header::Off {
            return false;
        }
        for (at, name) in self.names.iter().enumerate() {
            if at > 0 {
                out.push(self.options.delimiter);
            }
            match self.options.format {
                Format::Text => text::escape(name.as_bytes(), self.options.delimiter, out),
                Format::Csv => csv::quote(name.as_bytes(), &self.options, false, self.names.len() == 1, out),
            }
        }
        out.push(b'\n');
        true
    }

    /// Appends a value of column `column`, escaped or quoted.
    pub fn value(&self, column: usize, value: &[u8], out: &mut Vec<u8>) {
        match self.options.format {
            Format::Text => text::escape(value, self.options.delimiter, out),
            Format::Csv => {
                let force = self.force_quote.get(column).copied().unwrap_or(false);
                csv::quote(value, &self.options, force, self.names.len() == 1, out);
            }
        }
    }

    /// Whether values of column `column` that have only digits, signs, points, colons and letters stand as they are.
    pub fn is_plain(&self, column: usize) -> bool {
        match self.options.format {
            // Delimiters that could occur in numbers, and the control characters, which cannot.
            Format::Text => matches!(self.options.delimiter, b'\t' | b'|' | b',' | b';'),
            Format::Csv => {
                let force = self.force_quote.get(column).copied().unwrap_or(false);
                let common = |byte| matches!(byte, b'\t' | b'|' | b',' | b';' | b'"' | b'\'');
                !force && self.options.null.is_empty() && common(self.options.delimiter) && common(self.options.quote)
            }
        }
    }

    /// Whether a string that is not empty, of column `column`, stands as it is where none of its bytes is one of
    /// [`Encoder::is_special`].
    pub fn goes_by_bytes(&self, column: usize) -> bool {
        match self.options.format {
            Format::Text => true,
            Format::Csv => {
                let force = self.force_quote.get(column).copied().unwrap_or(false);
                // A value that reads as NULL is quoted, and so is a lone `\.`.
                !force && self.options.null.is_empty() && self.names.len() > 1
            }
        }
    }

    /// Whether a value with this byte is escaped or quoted.
    #[inline]
    pub fn is_special(&self, byte: u8) -> bool {
        let delimiter = self.options.delimiter;
        match self.options.format {
            Format::Text => (byte < 0x20) | (byte == b'\\') | (byte == delimiter),
            Format::Csv => (byte == delimiter) | (byte == self.options.quote) | (byte == b'\n') | (byte == b'\r'),
        }
    }

    /// Appends a whole row, its line end included.
    pub fn row<'a>(&self, values: impl IntoIterator<Item = Option<&'a [u8]>>, out: &mut Vec<u8>) {
        for (at, value) in values.into_iter().enumerate() {
            if at > 0 {
                out.push(self.options.delimiter);
            }
            match value {
                Some(value) => self.value(at, value, out),
                None => out.extend_from_slice(self.options.null.as_bytes()),
            }
        }
        out.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::super::options::ColumnList;
    use super::*;
    use crate::error::Condition;

    #[test]
    fn rows_and_headers() {
        let names = vec!["a".to_owned(), "b\tc".to_owned()];
        let mut options = CopyOptions::new(Format::Text);
        options.header = Header::On;
        let encoder = Encoder::new(names.clone(), options).unwrap();
        let mut out = Vec::new();
        assert!(encoder.header(&mut out));
        encoder.row([Some(&b"x\ny"[..]), None], &mut out);
        assert_eq!(out, b"a\tb\\tc\nx\\ny\t\\N\n");

        let mut options = CopyOptions::new(Format::Csv);
        options.force_quote = ColumnList::Named(vec!["a".to_owned()]);
        let encoder = Encoder::new(names.clone(), options.clone()).unwrap();
        let mut out = Vec::new();
        assert!(!encoder.header(&mut out));
        encoder.row([Some(&b"x"[..]), None], &mut out);
        encoder.row([None, Some(&b""[..])], &mut out);
        assert_eq!(out, b"\"x\",\n,\"\"\n");

        options.force_quote = ColumnList::Named(vec!["zz".to_owned()]);
        let error = Encoder::new(names, options).unwrap_err();
        assert_eq!(error.condition, Condition::InvalidColumnReference);
        assert_eq!(error.message, "FORCE_QUOTE column \"zz\" not referenced by COPY");
    }
}
