//! Decimals of a fixed scale: an integer and where its point stands.

use arrow::datatypes::i256;

use super::integer::{digits, put_padded};
use super::trim;
use crate::error::{Condition, Error, Result};

/// Room that [`put_decimal128`] needs for scales from 0 to 38.
pub const DECIMAL_ROOM: usize = 48;

const TEN_18: u64 = 1_000_000_000_000_000_000;

/// Writes `value` × 10^-`scale` at the start of `out`, which has [`DECIMAL_ROOM`]; `scale` is from 0 to 38.
#[inline]
pub fn put_decimal128(value: i128, scale: i8, out: &mut [u8]) -> usize {
    let mut start = 0;
    if value < 0 {
        out[0] = b'-';
        start = 1;
    }
    let out = &mut out[start..];
    let scale = usize::from(scale.unsigned_abs());
    start
        + match u64::try_from(value.unsigned_abs()) {
            // With the divisor known, division is multiplication.
            Ok(magnitude) if scale == 2 => put_split(magnitude / 100, magnitude % 100, 2, out),
            Ok(magnitude) if scale < 19 => {
                let unit = 10u64.pow(scale as u32);
                put_split(magnitude / unit, magnitude % unit, scale, out)
            }
            _ => put_wide(value.unsigned_abs(), scale, out),
        }
}

#[inline]
fn put_split(whole: u64, fraction: u64, scale: usize, out: &mut [u8]) -> usize {
    let width = digits(whole);
    put_padded(whole, width, out);
    if scale == 0 {
        return width;
    }
    out[width] = b'.';
    put_padded(fraction, scale, &mut out[width + 1..]);
    width + 1 + scale
}

fn put_wide(mut magnitude: u128, scale: usize, out: &mut [u8]) -> usize {
    let mut text = [b'0'; 54];
    for group in (0..3).rev() {
        put_padded((magnitude % u128::from(TEN_18)) as u64, 18, &mut text[group * 18..]);
        magnitude /= u128::from(TEN_18);
    }
    place_point(&text, scale, out)
}

/// Copies `digits`, zeros in front left out, with a point before the last `scale`.
fn place_point(digits: &[u8], scale: usize, out: &mut [u8]) -> usize {
    let point = digits.len() - scale;
    let first = digits[..point.saturating_sub(1)].iter().take_while(|d| **d == b'0').count();
    let whole = &digits[first..point];
    out[..whole.len()].copy_from_slice(whole);
    if scale == 0 {
        return whole.len();
    }
    out[whole.len()] = b'.';
    out[whole.len() + 1..whole.len() + 1 + scale].copy_from_slice(&digits[point..]);
    whole.len() + 1 + scale
}

/// Appends `value` × 10^-`scale`; a negative scale appends zeros.
pub fn write_decimal128(out: &mut Vec<u8>, value: i128, scale: i8) {
    if !(0..=38).contains(&scale) {
        return write_decimal256(out, i256::from_i128(value), scale);
    }
    let mut room = [0; DECIMAL_ROOM];
    let length = put_decimal128(value, scale, &mut room);
    out.extend_from_slice(&room[..length]);
}

/// Appends `value` × 10^-`scale`; a negative scale appends zeros.
pub fn write_decimal256(out: &mut Vec<u8>, value: i256, scale: i8) {
    if let (Some(narrow), 0..=38) = (value.to_i128(), scale) {
        return write_decimal128(out, narrow, scale);
    }
    if value < i256::ZERO {
        out.push(b'-');
    }
    // Scales are at most 127, so 9 groups of 18 digits cover the 78 digits of any value and its zeros.
    let mut text = [b'0'; 162];
    let unit = i256::from_i128(i128::from(TEN_18));
    let mut rest = value;
    for group in (0..9).rev() {
        if rest == i256::ZERO {
            break;
        }
        // Remainders take the sign of the value, so the least value needs no negation.
        let digits = rest.wrapping_rem(unit).to_i128().unwrap_or_default().unsigned_abs() as u64;
        put_padded(digits, 18, &mut text[group * 18..]);
        rest = rest.wrapping_div(unit);
    }
    let mut room = [0; 164];
    let length = place_point(&text, usize::try_from(scale).unwrap_or(0), &mut room);
    out.extend_from_slice(&room[..length]);
    if scale < 0 && value != i256::ZERO {
        out.extend(std::iter::repeat_n(b'0', usize::from(scale.unsigned_abs())));
    }
}

/// A decimal number taken apart: its digits without zeros in front, and the power of ten of the last.
struct Number<'a> {
    negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
    exponent: i64,
}

impl<'a> Number<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let bytes = text.as_bytes();
        let negative = bytes.first() == Some(&b'-');
        let bytes = match bytes {
            [b'-' | b'+', rest @ ..] => rest,
            rest => rest,
        };
        let digits_in = |from: usize| bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
        let whole = digits_in(0);
        let mut at = whole;
        let mut fraction = 0;
        if bytes.get(at) == Some(&b'.') {
            fraction = digits_in(at + 1);
            at += 1 + fraction;
        }
        if whole + fraction == 0 {
            return None;
        }
        let fraction = &bytes[at - fraction..at];
        let mut exponent = 0;
        if let Some(b'e' | b'E') = bytes.get(at) {
            let sign = matches!(bytes.get(at + 1), Some(b'+' | b'-'));
            let first = at + 1 + usize::from(sign);
            let count = digits_in(first);
            if count == 0 {
                return None;
            }
            for digit in &bytes[first..first + count] {
                exponent = (exponent * 10 + i64::from(digit - b'0')).min(i64::from(i32::MAX));
            }
            if bytes[at + 1] == b'-' {
                exponent = -exponent;
            }
            at = first + count;
        }
        (at == bytes.len()).then_some(Self { negative, whole: &bytes[..whole], fraction, exponent })
    }

    /// The integer nearest to this number × 10^`scale`, halves away from zero; `None` beyond 76 digits.
    fn scaled(&self, scale: i8) -> Option<i256> {
        let zeros = self.whole.iter().take_while(|d| **d == b'0').count();
        let whole = &self.whole[zeros..];
        let zeros = if whole.is_empty() { self.fraction.iter().take_while(|d| **d == b'0').count() } else { 0 };
        let fraction = &self.fraction[zeros..];
        let count = (whole.len() + fraction.len()) as i64;
        if count == 0 {
            return Some(i256::ZERO);
        }
        // How many digits stand before the point once the scale is applied.
        let keep = count + i64::from(scale) + self.exponent - self.fraction.len() as i64;
        if keep < 0 {
            return Some(i256::ZERO);
        }
        if keep > 76 {
            return None;
        }
        let keep = keep as usize;
        let digit = |at: usize| whole.get(at).or_else(|| fraction.get(at - whole.len().min(at))).map_or(0, |d| d - b'0');
        let round_up = digit(keep) >= 5;
        let magnitude = if keep <= 37 {
            let value = (0..keep).fold(0i128, |value, at| value * 10 + i128::from(digit(at)));
            i256::from_i128(value + i128::from(round_up))
        } else {
            let ten = i256::from_i128(10);
            let value = (0..keep)
                .fold(i256::ZERO, |value, at| value.wrapping_mul(ten).wrapping_add(i256::from_i128(i128::from(digit(at)))));
            value.wrapping_add(i256::from_i128(i128::from(round_up)))
        };
        Some(if self.negative { magnitude.wrapping_neg() } else { magnitude })
    }
}

/// How many digits PostgreSQL's numeric has room for before the point.
const MOST_DIGITS: i64 = 131_072;

fn overflow(precision: u8, scale: i8, what: &str) -> Error {
    Error::new(Condition::NumericValueOutOfRange, "numeric field overflow")
        .detail(format!("A field with precision {precision}, scale {scale} {what}."))
}

/// `numeric(precision, scale)`: the value × 10^`scale`, rounded half away from zero.
pub fn parse_decimal(text: &str, precision: u8, scale: i8) -> Result<i256> {
    let word = trim(text);
    let Some(number) = Number::parse(word) else {
        let unsigned = word.strip_prefix(['+', '-']).unwrap_or(word);
        if unsigned.eq_ignore_ascii_case("inf") || unsigned.eq_ignore_ascii_case("infinity") {
            return Err(overflow(precision, scale, "cannot hold an infinite value"));
        }
        if word.eq_ignore_ascii_case("nan") {
            return Err(Error::unsupported("NaN is not supported in numeric columns"));
        }
        return Err(Error::invalid_text("numeric", text));
    };
    let limit = i256::from_i128(10).wrapping_pow(u32::from(precision.min(76)));
    if number.whole.len() as i64 + number.exponent > MOST_DIGITS {
        return Err(Error::new(Condition::NumericValueOutOfRange, "value overflows numeric format"));
    }
    match number.scaled(scale) {
        Some(value) if value < limit && value > limit.wrapping_neg() => Ok(value),
        _ => {
            let whole_digits = i32::from(precision) - i32::from(scale);
            let bound = if whole_digits == 0 { "1".to_owned() } else { format!("10^{whole_digits}") };
            Err(overflow(precision, scale, &format!("must round to an absolute value less than {bound}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text128(value: i128, scale: i8) -> String {
        let mut out = Vec::new();
        write_decimal128(&mut out, value, scale);
        String::from_utf8(out).unwrap()
    }

    fn text256(value: i256, scale: i8) -> String {
        let mut out = Vec::new();
        write_decimal256(&mut out, value, scale);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn prints() {
        assert_eq!(text128(0, 2), "0.00");
        assert_eq!(text128(5, 2), "0.05");
        assert_eq!(text128(-12345, 2), "-123.45");
        assert_eq!(text128(12345, 0), "12345");
        assert_eq!(text128(12, -3), "12000");
        assert_eq!(text128(0, -3), "0");
        assert_eq!(text128(1, 38), format!("0.{}1", "0".repeat(37)));
        assert_eq!(text128(i128::MAX, 0), i128::MAX.to_string());
        assert_eq!(text128(i128::MIN, 10), "-17014118346046923173168730371.5884105728");
        assert_eq!(text128(u64::MAX.into(), 19), "1.8446744073709551615");
        assert_eq!(text256(i256::MIN, 0), "-57896044618658097711785492504343953926634992332820282019728792003956564819968");
        assert_eq!(text256(i256::MAX, 76), "5.7896044618658097711785492504343953926634992332820282019728792003956564819967");
        assert_eq!(text256(i256::from_i128(-7), 3), "-0.007");
    }

    #[test]
    fn parses_and_rounds() {
        let parse = |text, precision, scale| parse_decimal(text, precision, scale).unwrap().to_i128().unwrap();
        assert_eq!(parse(" 123.45 ", 15, 2), 12345);
        assert_eq!(parse("123.455", 15, 2), 12346);
        assert_eq!(parse("-123.455", 15, 2), -12346);
        assert_eq!(parse("123.4549999", 15, 2), 12345);
        assert_eq!(parse("1e3", 15, 2), 100_000);
        assert_eq!(parse("12345e-4", 15, 2), 123);
        assert_eq!(parse("0.005", 15, 2), 1);
        assert_eq!(parse("0.004999", 15, 2), 0);
        assert_eq!(parse("000000.", 15, 2), 0);
        assert_eq!(parse(".5", 5, 0), 1);
        assert_eq!(parse("0.0000000000000000000000000000000000000000000000000000000000000000000000000000000000001", 5, 2), 0);
        assert_eq!(parse("1e-1000000", 5, 2), 0);
        assert_eq!(parse("149", 3, -2), 1);
        assert_eq!(parse("150", 3, -2), 2);
        assert_eq!(parse_decimal(&"9".repeat(76), 76, 0).unwrap().to_string(), "9".repeat(76));
    }

    #[test]
    fn refuses() {
        for text in ["", "abc", "1.2.3", ".", "1e", "1e+", "- 1", "1x"] {
            let error = parse_decimal(text, 5, 2).unwrap_err();
            assert_eq!(error.message, format!("invalid input syntax for type numeric: \"{text}\""));
        }
        for text in ["1000", "999.995", "1e70", "-1000"] {
            let error = parse_decimal(text, 5, 2).unwrap_err();
            assert_eq!(error.message, "numeric field overflow");
            assert_eq!(
                error.detail.as_deref(),
                Some("A field with precision 5, scale 2 must round to an absolute value less than 10^3.")
            );
        }
        assert_eq!(parse_decimal("1e99999999999", 5, 2).unwrap_err().message, "value overflows numeric format");
        let error = parse_decimal("1", 2, 2).unwrap_err();
        assert_eq!(
            error.detail.as_deref(),
            Some("A field with precision 2, scale 2 must round to an absolute value less than 1.")
        );
        let error = parse_decimal("-inf", 5, 2).unwrap_err();
        assert_eq!(error.detail.as_deref(), Some("A field with precision 5, scale 2 cannot hold an infinite value."));
    }
}
