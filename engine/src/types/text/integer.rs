//! Integers: two digits at a time out, with PostgreSQL's range errors in.

use super::is_space;
use crate::error::{Condition, Error, Result};

/// Room that [`put_i64`] and [`put_u64`] need.
pub const INTEGER_ROOM: usize = 20;

const PAIRS: &[u8; 200] = b"0001020304050607080910111213141516171819\
2021222324252627282930313233343536373839\
4041424344454647484950515253545556575859\
6061626364656667686970717273747576777879\
8081828384858687888990919293949596979899";

#[inline]
fn pair(value: usize) -> [u8; 2] {
    [PAIRS[value * 2], PAIRS[value * 2 + 1]]
}

/// Writes the two digits of `value`, which is under 100, at `at`.
#[inline]
pub(super) fn put_pair(value: usize, out: &mut [u8], at: usize) {
    // As one store: a slice's copy would be a call.
    if let Some(room) = out[at..].first_chunk_mut::<2>() {
        *room = pair(value);
    }
}

/// How many decimal digits `value` has; 0 has one.
#[inline]
pub(super) fn digits(value: u64) -> usize {
    // log10 from log2 (1233/4096 is just above log10(2)), put right by one comparison.
    const POWERS: [u64; 20] = {
        let mut powers = [1; 20];
        let mut at = 1;
        while at < 20 {
            powers[at] = powers[at - 1] * 10;
            at += 1;
        }
        powers
    };
    let guess = ((64 - (value | 1).leading_zeros() as usize) * 1233) >> 12;
    guess + usize::from((value | 1) >= POWERS[guess.min(19)])
}

/// Writes `value` in exactly `width` digits (zeros in front) at the start of `out`.
#[inline]
pub(super) fn put_padded(mut value: u64, width: usize, out: &mut [u8]) {
    let out = &mut out[..width];
    let mut at = width;
    while at >= 2 {
        at -= 2;
        put_pair((value % 100) as usize, out, at);
        value /= 100;
    }
    if at == 1 {
        out[0] = b'0' + (value % 10) as u8;
    }
}

/// Writes `value` at the start of `out`, which has [`INTEGER_ROOM`]; returns the length.
#[inline]
pub fn put_u64(value: u64, out: &mut [u8]) -> usize {
    let width = digits(value);
    put_padded(value, width, out);
    width
}

/// Writes `value` at the start of `out`, which has [`INTEGER_ROOM`]; returns the length.
#[inline]
pub fn put_i64(value: i64, out: &mut [u8]) -> usize {
    if value < 0 {
        out[0] = b'-';
        1 + put_u64(value.unsigned_abs(), &mut out[1..])
    } else {
        put_u64(value as u64, out)
    }
}

/// Appends `value` in decimal.
pub fn write_u64(out: &mut Vec<u8>, value: u64) {
    let mut room = [0; INTEGER_ROOM];
    let length = put_u64(value, &mut room);
    out.extend_from_slice(&room[..length]);
}

/// Appends `value` in decimal.
pub fn write_i64(out: &mut Vec<u8>, value: i64) {
    let mut room = [0; INTEGER_ROOM];
    let length = put_i64(value, &mut room);
    out.extend_from_slice(&room[..length]);
}

fn range(type_name: &str, text: &str) -> Error {
    Error::new(Condition::NumericValueOutOfRange, format!("value \"{text}\" is out of range for type {type_name}"))
}

/// White space, a sign, digits, white space; PostgreSQL looks at the range before what follows.
fn parse_signed(text: &str, type_name: &str, min: i64, max: i64) -> Result<i64> {
    let bytes = text.as_bytes();
    let mut at = bytes.iter().take_while(|b| is_space(**b)).count();
    let negative = bytes.get(at) == Some(&b'-');
    at += usize::from(matches!(bytes.get(at), Some(b'-' | b'+')));
    let first = at;
    let mut value = 0i64;
    while let Some(digit) = bytes.get(at).filter(|b| b.is_ascii_digit()) {
        // Accumulated below zero, where there is room for the least value.
        value = value
            .checked_mul(10)
            .and_then(|v| v.checked_sub(i64::from(digit - b'0')))
            .filter(|v| *v >= min)
            .ok_or_else(|| range(type_name, text))?;
        at += 1;
    }
    if at == first || !bytes[at..].iter().all(|b| is_space(*b)) {
        return Err(Error::invalid_text(type_name, text));
    }
    if negative { Ok(value) } else { value.checked_neg().filter(|v| *v <= max).ok_or_else(|| range(type_name, text)) }
}

/// `smallint`.
pub fn parse_i16(text: &str) -> Result<i16> {
    parse_signed(text, "smallint", i64::from(i16::MIN), i64::from(i16::MAX)).map(|v| v as i16)
}

/// `integer`.
pub fn parse_i32(text: &str) -> Result<i32> {
    parse_signed(text, "integer", i64::from(i32::MIN), i64::from(i32::MAX)).map(|v| v as i32)
}

/// `bigint`.
pub fn parse_i64(text: &str) -> Result<i64> {
    parse_signed(text, "bigint", i64::MIN, i64::MAX)
}

/// `oid`: unsigned, but `-1` is taken as C's `strtoul` does, for the greatest.
pub fn parse_oid(text: &str) -> Result<u32> {
    match parse_signed(text, "oid", i64::MIN, i64::MAX)? {
        value @ 0.. => u32::try_from(value).map_err(|_| range("oid", text)),
        value => i32::try_from(value).map(|v| v as u32).map_err(|_| range("oid", text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_every_width() {
        let mut values = vec![0, 9, 10, 99, 100, i64::MAX, i64::MIN, -1, -10];
        values.extend((0..19).flat_map(|p| [10i64.pow(p) - 1, 10i64.pow(p), 10i64.pow(p) + 1]));
        values.extend((0..63).flat_map(|p| [(1i64 << p) - 1, 1i64 << p]));
        for value in values {
            let mut out = Vec::new();
            write_i64(&mut out, value);
            assert_eq!(String::from_utf8(out).unwrap(), value.to_string());
        }
        let mut out = Vec::new();
        write_u64(&mut out, u64::MAX);
        assert_eq!(out, u64::MAX.to_string().into_bytes());
    }

    #[test]
    fn parses_as_postgres() {
        assert_eq!(parse_i32(" +42\n"), Ok(42));
        assert_eq!(parse_i32("-2147483648"), Ok(i32::MIN));
        assert_eq!(parse_i64("-9223372036854775808"), Ok(i64::MIN));
        assert_eq!(parse_i16("32767"), Ok(i16::MAX));
        assert_eq!(parse_oid("-1"), Ok(u32::MAX));
        assert_eq!(parse_i32("abc").unwrap_err().message, "invalid input syntax for type integer: \"abc\"");
        for text in ["", " ", "-", "1_0", "1 2", "1.0", "٣"] {
            assert_eq!(parse_i64(text).unwrap_err().condition, Condition::InvalidTextRepresentation, "{text}");
        }
        let error = parse_i32("99999999999999999999x").unwrap_err();
        assert_eq!(error.message, "value \"99999999999999999999x\" is out of range for type integer");
        assert_eq!(error.condition, Condition::NumericValueOutOfRange);
        for text in ["2147483648", "-2147483649"] {
            assert_eq!(parse_i32(text).unwrap_err().condition, Condition::NumericValueOutOfRange, "{text}");
        }
        assert!(parse_i64("9223372036854775808").is_err());
        assert_eq!(parse_oid("99999999999").unwrap_err().message, "value \"99999999999\" is out of range for type oid");
    }
}
