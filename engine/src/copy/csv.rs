//! The csv format: quotes around what would be mistaken, quotes doubled (or escaped) within.

use super::decode::Fields;
use super::options::CopyOptions;
use crate::error::{Condition, Error, Result};

/// Appends `value`, in quotes where they are needed or `force` asks for them. `alone` says that the row has no
/// other column, where a value could be taken for the end of the data.
pub(super) fn quote(value: &[u8], options: &CopyOptions, force: bool, alone: bool, out: &mut Vec<u8>) {
    let (delimiter, quote, escape) = (options.delimiter, options.quote, options.escape);
    let special = |byte: &u8| *byte == delimiter || *byte == quote || matches!(*byte, b'\n' | b'\r');
    let needs = force || value == options.null.as_bytes() || alone && value == b"\\." || value.iter().any(special);
    if !needs {
        return out.extend_from_slice(value);
    }
    out.push(quote);
    let mut rest = value;
    while let Some(at) = rest.iter().position(|byte| *byte == quote || *byte == escape) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(&[escape, rest[at]]);
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.push(quote);
}

/// Cuts a record at its delimiters. A field that reads as NULL does and was not quoted is NULL.
pub(super) fn split(record: &[u8], options: &CopyOptions, fields: &mut Fields) -> Result<()> {
    let (delimiter, quote, escape) = (options.delimiter, options.quote, options.escape);
    let mut at = 0;
    loop {
        let start = at;
        let mut quoted = false;
        loop {
            let special = |byte: &u8| *byte == delimiter || *byte == quote;
            let end = record[at..].iter().position(special).map_or(record.len(), |length| at + length);
            fields.data.extend_from_slice(&record[at..end]);
            at = end;
            if record.get(at) != Some(&quote) {
                break;
            }
            quoted = true;
            at += 1;
            loop {
                let special = |byte: &u8| *byte == escape || *byte == quote;
                let Some(length) = record[at..].iter().position(special) else {
                    return Err(Error::new(Condition::BadCopyFileFormat, "unterminated CSV quoted field"));
                };
                fields.data.extend_from_slice(&record[at..at + length]);
                at += length;
                match record.get(at + 1) {
                    Some(&next) if record[at] == escape && (next == escape || next == quote) => {
                        fields.data.push(next);
                        at += 2;
                    }
                    _ if record[at] == quote => {
                        at += 1;
                        break;
                    }
                    _ => {
                        fields.data.push(record[at]);
                        at += 1;
                    }
                }
            }
        }
        fields.end_field(!quoted && &record[start..at] == options.null.as_bytes());
        if at == record.len() {
            return Ok(());
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::super::options::Format;
    use super::*;

    #[test]
    fn quotes() {
        let quoted = |text: &str, force, alone| {
            let mut out = Vec::new();
            quote(text.as_bytes(), &CopyOptions::new(Format::Csv), force, alone, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(quoted("plain", false, false), "plain");
        assert_eq!(quoted("plain", true, false), "\"plain\"");
        assert_eq!(quoted("", false, false), "\"\"");
        assert_eq!(quoted("a,b", false, false), "\"a,b\"");
        assert_eq!(quoted("a\"b\n", false, false), "\"a\"\"b\n\"");
        assert_eq!(quoted("\\.", false, false), "\\.");
        assert_eq!(quoted("\\.", false, true), "\"\\.\"");
    }

    #[test]
    fn splits() {
        let split = |record: &str, escape: u8| {
            let mut fields = Fields::default();
            let mut options = CopyOptions::new(Format::Csv);
            options.escape = escape;
            super::split(record.as_bytes(), &options, &mut fields).map(|()| fields.texts())
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(split("a,,\"\",\"b,\"\"c\"", b'"'), Ok(vec![some("a"), None, some(""), some("b,\"c")]));
        assert_eq!(split("a\"b\nc\"d", b'"'), Ok(vec![some("ab\ncd")]));
        assert_eq!(split("\"a\\\"b\\x\\\\\"", b'\\'), Ok(vec![some("a\"b\\x\\")]));
        assert_eq!(split("a,", b'"'), Ok(vec![some("a"), None]));
        assert_eq!(split("1,\"x", b'"').unwrap_err().message, "unterminated CSV quoted field");
    }
}
