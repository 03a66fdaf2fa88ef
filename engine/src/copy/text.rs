//! The text format: columns by a delimiter, rows by line ends, everything special behind a backslash.

use super::decode::{Fields, check_utf8};
use crate::error::Result;

/// Appends `value` with backslashes where a reader needs them.
pub(super) fn escape(value: &[u8], delimiter: u8, out: &mut Vec<u8>) {
    let special = |byte: &u8| *byte < 0x20 || *byte == b'\\' || *byte == delimiter;
    let mut rest = value;
    while let Some(at) = rest.iter().position(special) {
        out.extend_from_slice(&rest[..at]);
        match rest[at] {
            // The delimiter keeps its own form, be it a tab.
            byte if byte == b'\\' || byte == delimiter && byte >= 0x20 => out.extend_from_slice(&[b'\\', byte]),
            0x08 => out.extend_from_slice(b"\\b"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            0x0b => out.extend_from_slice(b"\\v"),
            0x0c => out.extend_from_slice(b"\\f"),
            b'\r' => out.extend_from_slice(b"\\r"),
            byte if byte == delimiter => out.extend_from_slice(&[b'\\', byte]),
            byte => out.push(byte),
        }
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

/// Cuts a line at its delimiters and takes the backslashes away. A field that reads `null` as it stands is NULL.
pub(super) fn split(line: &[u8], delimiter: u8, null: &[u8], fields: &mut Fields) -> Result<()> {
    let mut at = 0;
    loop {
        let start = at;
        let start_of_value = fields.data.len();
        let mut made_bytes = false;
        loop {
            let special = |byte: &u8| *byte == delimiter || *byte == b'\\';
            let end = line[at..].iter().position(special).map_or(line.len(), |length| at + length);
            fields.data.extend_from_slice(&line[at..end]);
            at = end;
            if line.get(at) != Some(&b'\\') {
                break;
            }
            at = unescape(line, at + 1, &mut fields.data, &mut made_bytes);
        }
        if made_bytes {
            check_utf8(&fields.data[start_of_value..])?;
        }
        fields.end_field(&line[start..at] == null);
        if at == line.len() {
            return Ok(());
        }
        at += 1;
    }
}

/// Appends what the escape at `at`, after its backslash, stands for; returns where it ends. `made_bytes` is set
/// where that may not be UTF-8.
fn unescape(line: &[u8], at: usize, out: &mut Vec<u8>, made_bytes: &mut bool) -> usize {
    // A backslash at the end of a line is dropped.
    let Some(&byte) = line.get(at) else { return at };
    let number = |from: usize, most: usize, radix: u32| {
        let digits = line[from..].iter().take(most).map_while(|b| char::from(*b).to_digit(radix));
        digits.fold((0, 0), |(value, count), digit| (value * radix + digit, count + 1))
    };
    let (value, end) = match byte {
        b'0'..=b'7' => {
            let (value, count) = number(at, 3, 8);
            ((value & 0xff) as u8, at + count)
        }
        b'x' => match number(at + 1, 2, 16) {
            (_, 0) => (b'x', at + 1),
            (value, count) => (value as u8, at + 1 + count),
        },
        b'b' => (0x08, at + 1),
        b'f' => (0x0c, at + 1),
        b'n' => (b'\n', at + 1),
        b'r' => (b'\r', at + 1),
        b't' => (b'\t', at + 1),
        b'v' => (0x0b, at + 1),
        other => (other, at + 1),
    };
    *made_bytes |= matches!(byte, b'0'..=b'7' | b'x') && (value == 0 || value >= 0x80);
    out.push(value);
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(text: &str, delimiter: u8) -> String {
        let mut out = Vec::new();
        escape(text.as_bytes(), delimiter, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn escapes() {
        assert_eq!(escaped("plain ü", b'\t'), "plain ü");
        assert_eq!(escaped("a\tb\\c\nd\re\u{8}\u{b}\u{c}\u{1}|", b'\t'), "a\\tb\\\\c\\nd\\re\\b\\v\\f\u{1}|");
        assert_eq!(escaped("a|b\t", b'|'), "a\\|b\\t");
    }

    #[test]
    fn splits() {
        let split = |line: &str| {
            let mut fields = Fields::default();
            super::split(line.as_bytes(), b'\t', b"\\N", &mut fields).map(|()| fields.texts())
        };
        let some = |texts: &[&str]| Ok(texts.iter().map(|t| Some((*t).to_owned())).collect::<Vec<_>>());
        assert_eq!(split(""), some(&[""]));
        assert_eq!(split("a\t\tb"), some(&["a", "", "b"]));
        assert_eq!(split("\\N\t\\\\N\tx\\N"), Ok(vec![None, Some("\\N".into()), Some("xN".into())]));
        assert_eq!(split("\\101\\x42\\xg\\t\\n\\.\\q\\"), some(&["ABxg\t\n.q"]));
        assert_eq!(split("\\303\\274\\xc3\\xbc"), some(&["üü"]));
        assert_eq!(split("a\\\tb"), some(&["a\tb"]));
        assert_eq!(split("\\xff").unwrap_err().message, "invalid byte sequence for encoding \"UTF8\": 0xff");
        assert_eq!(split("\\0").unwrap_err().message, "invalid byte sequence for encoding \"UTF8\": 0x00");
    }
}
