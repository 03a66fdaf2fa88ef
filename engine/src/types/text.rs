//! PostgreSQL's text form of scalars: what its type input functions accept and its output functions
//! print, byte for byte, for PostgreSQL 15 with `DateStyle` `ISO, MDY` and `IntervalStyle` `postgres`.
//!
//! Values are those that Arrow carries ([`super::SqlType::arrow`]): days and microseconds since
//! 1970-01-01, unscaled decimals. `write_*` append to a buffer; `put_*` write to the front of a slice that
//! is long enough (its length is named beside each) and return the bytes written, for encoders that
//! place values themselves. `parse_*` return PostgreSQL's errors.
//!
//! [`parse_column`] does for a column of any type what the others do for one value.
//!
//! Not here: printing columns (the wire crate), arbitrary precision (`numeric`).

mod array;
mod column;
mod datetime;
mod decimal;
mod float;
mod integer;
mod interval;
mod parse_datetime;
mod zone;

pub use array::{parse_array, write_array_element};
pub use column::{RowError, parse_column};
pub use datetime::{
    DATE_ROOM, TIME_ROOM, TIMESTAMP_ROOM, civil_from_days, days_from_civil, put_date, put_time, put_timestamp, put_timestamptz,
    write_date, write_time, write_timestamp, write_timestamptz,
};
pub use decimal::{DECIMAL_ROOM, parse_decimal, put_decimal128, write_decimal128, write_decimal256};
pub use float::{parse_f32, parse_f64, write_f32, write_f32_digits, write_f64, write_f64_digits};
pub use integer::{INTEGER_ROOM, parse_i16, parse_i32, parse_i64, parse_oid, put_i64, put_u64, write_i64, write_u64};
pub use interval::{parse_interval, write_interval};
pub use parse_datetime::{
    parse_date, parse_date_in, parse_time, parse_time_in, parse_timestamp, parse_timestamp_in, parse_timestamptz,
};
pub use zone::{find_zone, local_to_utc, offset_at};

use crate::error::{Condition, Error, Result};

/// Microseconds in a second.
pub const USECS_PER_SEC: i64 = 1_000_000;
/// Microseconds in a day.
pub const USECS_PER_DAY: i64 = 86_400 * USECS_PER_SEC;

/// What C's `isspace` takes for white space.
pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}

/// `text` without C's white space at both ends.
pub(crate) fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_ascii() && is_space(c as u8))
}

/// `t` or `f`.
pub fn write_bool(out: &mut Vec<u8>, value: bool) {
    out.push(if value { b't' } else { b'f' });
}

/// Any unambiguous prefix of `true`, `false`, `yes`, `no`, `on`, `off`, or `1`, `0`, in any case.
pub fn parse_bool(text: &str) -> Result<bool> {
    let word = trim(text).as_bytes();
    let prefix_of = |full: &str, at_least: usize| {
        word.len() >= at_least && word.len() <= full.len() && word.eq_ignore_ascii_case(&full.as_bytes()[..word.len()])
    };
    if prefix_of("true", 1) || prefix_of("yes", 1) || prefix_of("on", 2) || word == b"1" {
        Ok(true)
    } else if prefix_of("false", 1) || prefix_of("no", 1) || prefix_of("off", 2) || word == b"0" {
        Ok(false)
    } else {
        Err(Error::invalid_text("boolean", text))
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

fn push_hex(out: &mut Vec<u8>, byte: u8) {
    out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
}

fn hex_value(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// `\x` and two hexadecimal digits a byte (`bytea_output` `hex`).
pub fn write_bytea(out: &mut Vec<u8>, value: &[u8]) {
    out.reserve(2 + 2 * value.len());
    out.extend_from_slice(b"\\x");
    for &byte in value {
        push_hex(out, byte);
    }
}

/// The hex form (`\x0aff`) and the older escape form (`a\000\\`).
pub fn parse_bytea(text: &str) -> Result<Vec<u8>> {
    match text.strip_prefix("\\x") {
        Some(digits) => parse_bytea_hex(digits),
        None => parse_bytea_escape(text.as_bytes()),
    }
}

fn parse_bytea_hex(digits: &str) -> Result<Vec<u8>> {
    let mut value = Vec::with_capacity(digits.len() / 2);
    let mut chars = digits.chars();
    let digit_of = |c: char| {
        u8::try_from(c)
            .ok()
            .and_then(hex_value)
            .ok_or_else(|| Error::new(Condition::InvalidParameterValue, format!("invalid hexadecimal digit: \"{c}\"")))
    };
    while let Some(c) = chars.next() {
        // White space is allowed between pairs, not within one; PostgreSQL leaves out \v and \f here.
        if matches!(c, ' ' | '\n' | '\t' | '\r') {
            continue;
        }
        let high = digit_of(c)?;
        let Some(c) = chars.next() else {
            return Err(Error::new(Condition::InvalidParameterValue, "invalid hexadecimal data: odd number of digits"));
        };
        value.push(high << 4 | digit_of(c)?);
    }
    Ok(value)
}

fn parse_bytea_escape(text: &[u8]) -> Result<Vec<u8>> {
    let mut value = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        if byte != b'\\' {
            value.push(byte);
            at += 1;
            continue;
        }
        match text[at + 1..] {
            [b'\\', ..] => {
                value.push(b'\\');
                at += 2;
            }
            [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ..] => {
                value.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                at += 4;
            }
            _ => return Err(Error::new(Condition::InvalidTextRepresentation, "invalid input syntax for type bytea")),
        }
    }
    Ok(value)
}

/// `a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11`.
pub fn write_uuid(out: &mut Vec<u8>, value: &[u8; 16]) {
    for (at, &byte) in value.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            out.push(b'-');
        }
        push_hex(out, byte);
    }
}

/// 32 hexadecimal digits, in braces or not, with a hyphen after any group of four.
pub fn parse_uuid(text: &str) -> Result<[u8; 16]> {
    let parse = || {
        let bytes = text.as_bytes();
        let mut rest = match bytes {
            [b'{', inner @ .., b'}'] => inner,
            _ => bytes,
        };
        let mut value = [0; 16];
        for (at, byte) in value.iter_mut().enumerate() {
            let [high, low, tail @ ..] = rest else { return None };
            *byte = hex_value(*high)? << 4 | hex_value(*low)?;
            rest = match tail {
                [b'-', tail @ ..] if at % 2 == 1 && at < 15 => tail,
                _ => tail,
            };
        }
        rest.is_empty().then_some(value)
    };
    parse().ok_or_else(|| Error::invalid_text("uuid", text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn booleans() {
        for text in ["t", "TRUE", " yes ", "on", "1", "y", "tru"] {
            assert_eq!(parse_bool(text), Ok(true), "{text}");
        }
        for text in ["f", "false", "no", "of", "OFF", "0"] {
            assert_eq!(parse_bool(text), Ok(false), "{text}");
        }
        for text in ["", "o", "truex", "2", "maybe", "ü"] {
            let error = parse_bool(text).unwrap_err();
            assert_eq!(error.message, format!("invalid input syntax for type boolean: \"{text}\""));
        }
    }

    #[test]
    fn byte_strings() {
        assert_eq!(written(|out| write_bytea(out, b"\x00a\xff")), "\\x0061ff");
        assert_eq!(parse_bytea("\\x0061 fF").unwrap(), b"\x00a\xff");
        assert_eq!(parse_bytea("a\\\\\\000\\377").unwrap(), b"a\\\x00\xff");
        assert_eq!(parse_bytea("\\xabc").unwrap_err().message, "invalid hexadecimal data: odd number of digits");
        assert_eq!(parse_bytea("\\xzz").unwrap_err().message, "invalid hexadecimal digit: \"z\"");
        assert_eq!(parse_bytea("\\9").unwrap_err().message, "invalid input syntax for type bytea");
        assert_eq!(parse_bytea("\\").unwrap_err().message, "invalid input syntax for type bytea");
    }

    #[test]
    fn uuids() {
        let text = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
        let value = parse_uuid(text).unwrap();
        assert_eq!(written(|out| write_uuid(out, &value)), text);
        for same in [
            "{A0EEBC99-9C0B4EF8-BB6D6BB9-BD380A11}",
            "a0eebc999c0b4ef8bb6d6bb9bd380a11",
            "a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11",
        ] {
            assert_eq!(parse_uuid(same), Ok(value), "{same}");
        }
        for bad in [
            "",
            "x",
            "{a0eebc999c0b4ef8bb6d6bb9bd380a11",
            "a0eebc999c0b4ef8bb6d6bb9bd380a11-",
            "a0e-ebc999c0b4ef8bb6d6bb9bd380a11",
        ] {
            assert_eq!(parse_uuid(bad).unwrap_err().message, format!("invalid input syntax for type uuid: \"{bad}\""));
        }
    }
}
