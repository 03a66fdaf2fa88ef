//! Floats: the fewest digits that read back as the same value, laid out as PostgreSQL lays them out.
//!
//! PostgreSQL's digits are Ryū's (Adams, PLDI 2018) with open rounding intervals: where the shortest digits
//! stand exactly halfway between two floats it prints more, and of two shortest forms equally near it takes the
//! even one. The standard library takes the closed interval and rounds up; both cases are looked for.

use std::io::Write;

use super::{integer::put_u64, is_space, trim};
use crate::error::{Condition, Error, Result};

/// The longest text: sign, 17 digits, point, exponent.
const ROOM: usize = 32;

/// A float in scientific form: `digits` without a point, the first one worth 10^`exponent`.
struct Scientific {
    digits: [u8; 20],
    length: usize,
    exponent: i32,
}

/// What the standard library prints with `{:e}`, taken apart.
fn scientific(text: &[u8]) -> Scientific {
    let mut parts = Scientific { digits: [0; 20], length: 0, exponent: 0 };
    let mut bytes = text.iter();
    for &byte in bytes.by_ref() {
        match byte {
            b'e' => break,
            b'0'..=b'9' if parts.length < 20 => {
                parts.digits[parts.length] = byte;
                parts.length += 1;
            }
            _ => {}
        }
    }
    let rest = bytes.as_slice();
    let (sign, digits) = match rest {
        [b'-', digits @ ..] => (-1, digits),
        digits => (1, digits),
    };
    parts.exponent = sign * digits.iter().fold(0, |value, digit| value * 10 + i32::from(digit - b'0'));
    parts
}

impl Scientific {
    fn of(print: impl FnOnce(&mut &mut [u8]) -> std::io::Result<()>) -> Self {
        let mut room = [0; 64];
        let mut rest = &mut room[..];
        // 64 bytes hold every `{:e}` of at most 20 digits.
        let _ = print(&mut rest);
        let left = rest.len();
        let mut parts = scientific(&room[..64 - left]);
        while parts.length > 1 && parts.digits[parts.length - 1] == b'0' {
            parts.length -= 1;
        }
        parts
    }

    /// The digits as a number, and the power of ten of its last digit.
    fn integer(&self) -> (u64, i32) {
        let value = self.digits[..self.length]
            .iter()
            .fold(0u64, |value, digit| value.wrapping_mul(10).wrapping_add(u64::from(digit - b'0')));
        (value, self.exponent + 1 - self.length as i32)
    }

    /// Plain digits where -4 <= exponent < `fixed_below`, else `d.ddde+XX`.
    fn write(&self, out: &mut Vec<u8>, fixed_below: i32) {
        let digits = &self.digits[..self.length];
        if !(-4..fixed_below).contains(&self.exponent) {
            out.push(digits[0]);
            if digits.len() > 1 {
                out.push(b'.');
                out.extend_from_slice(&digits[1..]);
            }
            out.push(b'e');
            out.push(if self.exponent < 0 { b'-' } else { b'+' });
            if self.exponent.abs() < 10 {
                out.push(b'0');
            }
            super::write_u64(out, u64::from(self.exponent.unsigned_abs()));
        } else if self.exponent < 0 {
            out.extend_from_slice(b"0.");
            out.extend(std::iter::repeat_n(b'0', (-1 - self.exponent) as usize));
            out.extend_from_slice(digits);
        } else {
            let whole = self.exponent as usize + 1;
            if digits.len() <= whole {
                out.extend_from_slice(digits);
                out.extend(std::iter::repeat_n(b'0', whole - digits.len()));
            } else {
                out.extend_from_slice(&digits[..whole]);
                out.push(b'.');
                out.extend_from_slice(&digits[whole..]);
            }
        }
    }
}

/// `value` × 2^`twos`, the value made odd.
fn odd(value: u128, twos: i32) -> (u128, i32) {
    let zeros = value.trailing_zeros();
    if value == 0 { (0, 0) } else { (value >> zeros, twos + zeros as i32) }
}

/// `digits` × 10^`power` as an odd number times a power of two, where it is one. What it is compared with has at
/// most 55 bits, so only small powers of ten can be equal, and 128 bits suffice.
fn dyadic(digits: u64, power: i32) -> Option<(u128, i32)> {
    let fives = 5u128.pow(power.unsigned_abs().min(27));
    let digits = u128::from(digits);
    match power {
        0..=27 => Some(odd(digits * fives, power)),
        -27..=-1 if digits.is_multiple_of(fives) => Some(odd(digits / fives, power)),
        _ => None,
    }
}

/// A finite float above zero as an integer times a power of two.
#[derive(Clone, Copy)]
struct Binary {
    mantissa: u64,
    exponent: i32,
    /// Whether it is a power of two, below which floats stand twice as dense.
    least: bool,
}

impl Binary {
    fn new(fraction: u64, biased: i32, bits: u32, bias: i32) -> Self {
        let mantissa = if biased == 0 { fraction } else { fraction | 1 << bits };
        Self { mantissa, exponent: biased.max(1) - bias - bits as i32, least: fraction == 0 && biased > 1 }
    }

    /// Whether `digits` × 10^`power` is exactly halfway between this float and a neighbour.
    fn is_midpoint(self, digits: u64, power: i32) -> bool {
        let mantissa = u128::from(self.mantissa);
        let above = odd(mantissa * 2 + 1, self.exponent - 1);
        let below = if self.least { odd(mantissa * 4 - 1, self.exponent - 2) } else { odd(mantissa * 2 - 1, self.exponent - 1) };
        dyadic(digits, power).is_some_and(|value| value == above || value == below)
    }

    /// Puts right what the standard library does otherwise: `parts` are its shortest digits, `round` prints more.
    fn amend(self, mut parts: Scientific, most: usize, round: impl Fn(usize) -> Scientific) -> Scientific {
        let (digits, power) = parts.integer();
        if self.is_midpoint(digits, power) {
            for length in parts.length + 1..=most {
                parts = round(length - 1);
                let (digits, power) = parts.integer();
                if !self.is_midpoint(digits, power) {
                    break;
                }
            }
        } else if digits % 2 == 1 && dyadic(2 * digits - 1, power) == Some(odd(u128::from(self.mantissa), self.exponent + 1)) {
            parts.digits[parts.length - 1] -= 1;
        }
        parts
    }
}

fn write_special(out: &mut Vec<u8>, nan: bool, negative: bool) {
    out.extend_from_slice(if nan {
        b"NaN"
    } else if negative {
        b"-Infinity"
    } else {
        b"Infinity"
    });
}

/// Values that are a few digits over a small power of ten, as most are in practice. A decimal of at most
/// 15 digits that reads back as `value` is the only one so short, hence the shortest.
fn write_short(out: &mut Vec<u8>, value: f64) -> bool {
    const SCALE: f64 = 10_000.0;
    let magnitude = value.abs();
    if !(1e-3..1e10).contains(&magnitude) {
        return false;
    }
    let scaled = (magnitude * SCALE).round();
    if scaled / SCALE != magnitude {
        return false;
    }
    let scaled = scaled as u64;
    let mut room = [0; ROOM];
    room[0] = b'-';
    let start = usize::from(value < 0.0);
    let mut length = start + put_u64(scaled / 10_000, &mut room[start..]);
    let fraction = scaled % 10_000;
    if fraction != 0 {
        room[length] = b'.';
        super::integer::put_padded(fraction, 4, &mut room[length + 1..]);
        length += 5;
        while room[length - 1] == b'0' {
            length -= 1;
        }
    }
    out.extend_from_slice(&room[..length]);
    true
}

/// `double precision` in its shortest form: `0.1`, `1e+20`, `-0`, `NaN`, `Infinity`.
pub fn write_f64(out: &mut Vec<u8>, value: f64) {
    if !value.is_finite() {
        return write_special(out, value.is_nan(), value < 0.0);
    }
    if write_short(out, value) {
        return;
    }
    if value.is_sign_negative() {
        out.push(b'-');
    }
    let value = value.abs();
    if value == 0.0 {
        return out.push(b'0');
    }
    let bits = value.to_bits();
    let binary = Binary::new(bits & ((1 << 52) - 1), (bits >> 52) as i32, 52, 1023);
    let shortest = Scientific::of(|room| write!(room, "{value:e}"));
    binary.amend(shortest, 17, |precision| Scientific::of(|room| write!(room, "{value:.precision$e}"))).write(out, 15);
}

/// `real` in its shortest form.
pub fn write_f32(out: &mut Vec<u8>, value: f32) {
    if !value.is_finite() {
        return write_special(out, value.is_nan(), value < 0.0);
    }
    if value.is_sign_negative() {
        out.push(b'-');
    }
    let value = value.abs();
    if value == 0.0 {
        return out.push(b'0');
    }
    let bits = value.to_bits();
    let binary = Binary::new(u64::from(bits & ((1 << 23) - 1)), (bits >> 23) as i32, 23, 127);
    let shortest = Scientific::of(|room| write!(room, "{value:e}"));
    binary.amend(shortest, 9, |precision| Scientific::of(|room| write!(room, "{value:.precision$e}"))).write(out, 6);
}

/// As `extra_float_digits` asks: above 0 the shortest form, else `15 + extra` significant digits.
pub fn write_f64_digits(out: &mut Vec<u8>, value: f64, extra: i32) {
    if extra > 0 || !value.is_finite() {
        return write_f64(out, value);
    }
    let digits = (15 + extra).clamp(1, 17) as usize;
    write_rounded(out, value, digits);
}

/// As `extra_float_digits` asks: above 0 the shortest form, else `6 + extra` significant digits.
pub fn write_f32_digits(out: &mut Vec<u8>, value: f32, extra: i32) {
    if extra > 0 || !value.is_finite() {
        return write_f32(out, value);
    }
    let digits = (6 + extra).clamp(1, 9) as usize;
    write_rounded(out, f64::from(value), digits);
}

/// C's `%.*g`.
fn write_rounded(out: &mut Vec<u8>, value: f64, digits: usize) {
    if value.is_sign_negative() {
        out.push(b'-');
    }
    let value = value.abs();
    if value == 0.0 {
        return out.push(b'0');
    }
    Scientific::of(|room| write!(room, "{value:.0$e}", digits - 1)).write(out, digits as i32);
}

/// Which of the non-numbers `text` (trimmed) names.
fn special(text: &str) -> Option<f64> {
    let (negative, word) = match text.as_bytes() {
        [b'-', ..] => (true, &text[1..]),
        [b'+', ..] => (false, &text[1..]),
        _ => (false, text),
    };
    if word.eq_ignore_ascii_case("infinity") || word.eq_ignore_ascii_case("inf") {
        Some(if negative { f64::NEG_INFINITY } else { f64::INFINITY })
    } else if word.eq_ignore_ascii_case("nan") {
        Some(f64::NAN)
    } else {
        None
    }
}

/// C's hexadecimal floats (`0x1.8p3`): rare enough that only values that 64 bits hold exactly are taken.
fn hexadecimal(text: &str) -> Option<f64> {
    let (negative, text) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"))?;
    let (digits, exponent) = match digits.split_once(['p', 'P']) {
        Some((digits, exponent)) => (digits, exponent.parse::<i32>().ok()?),
        None => (digits, 0),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let hex = [whole, fraction].concat();
    if hex.is_empty() || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let mantissa = u64::from_str_radix(&hex, 16).ok()?;
    let value = mantissa as f64 * 2f64.powi(exponent.checked_sub(i32::try_from(fraction.len() * 4).ok()?)?.clamp(-1200, 1200));
    Some(if negative { -value } else { value })
}

fn range(type_name: &str, text: &str) -> Error {
    Error::new(Condition::NumericValueOutOfRange, format!("\"{text}\" is out of range for type {type_name}"))
}

/// Whether the digits of a number that was read as zero are all zero.
fn is_written_zero(text: &str) -> bool {
    text.bytes().take_while(|b| !matches!(b, b'e' | b'E')).all(|b| !matches!(b, b'1'..=b'9'))
}

/// `real`.
pub fn parse_f32(text: &str) -> Result<f32> {
    let word = trim(text);
    let value = match word.parse::<f32>() {
        // The standard library knows spellings of its own for the non-numbers.
        Ok(value) if value.is_finite() => value,
        Ok(_) if word.bytes().any(|b| b.is_ascii_digit()) => return Err(range("real", word)),
        _ => match special(word).or_else(|| hexadecimal(word)) {
            Some(value) => return Ok(value as f32),
            None => return Err(Error::invalid_text("real", text)),
        },
    };
    if value == 0.0 && !is_written_zero(word) { Err(range("real", word)) } else { Ok(value) }
}

/// `double precision`.
pub fn parse_f64(text: &str) -> Result<f64> {
    let word = trim(text);
    debug_assert!(!word.bytes().next().is_some_and(is_space));
    let value = match word.parse::<f64>() {
        Ok(value) if value.is_finite() => value,
        Ok(_) if word.bytes().any(|b| b.is_ascii_digit()) => return Err(range("double precision", word)),
        _ => return special(word).or_else(|| hexadecimal(word)).ok_or_else(|| Error::invalid_text("double precision", text)),
    };
    if value == 0.0 && !is_written_zero(word) { Err(range("double precision", word)) } else { Ok(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn f64_text(value: f64) -> String {
        let mut out = Vec::new();
        write_f64(&mut out, value);
        String::from_utf8(out).unwrap()
    }

    fn f32_text(value: f32) -> String {
        let mut out = Vec::new();
        write_f32(&mut out, value);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn layout() {
        for (value, text) in [
            (0.1, "0.1"),
            (-0.0, "-0"),
            (0.0, "0"),
            (1e20, "1e+20"),
            (1e-5, "1e-05"),
            (1e-4, "0.0001"),
            (0.00012345, "0.00012345"),
            (1e15, "1e+15"),
            (1e14, "100000000000000"),
            (123456789012345.0, "123456789012345"),
            (1234567890123456.0, "1.234567890123456e+15"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "Infinity"),
            (f64::NEG_INFINITY, "-Infinity"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (0.1 + 0.2, "0.30000000000000004"),
            (-1234.5, "-1234.5"),
            (1.0 / 3.0, "0.3333333333333333"),
            (5966239697928153.0 / 4.0, "1.4915599244820382e+15"),
            (9007199254740993.0, "9.007199254740992e+15"),
        ] {
            assert_eq!(f64_text(value), text);
        }
        for (value, text) in [
            (1e6f32, "1e+06"),
            (1e5, "100000"),
            (123456.0, "123456"),
            (1234567.0, "1.234567e+06"),
            (1e-5, "1e-05"),
            (1.1, "1.1"),
            (f32::MAX, "3.4028235e+38"),
            (1.0 / 4096.0, "0.00024414062"),
            (67108864.0, "6.7108864e+07"),
        ] {
            assert_eq!(f32_text(value), text);
        }
    }

    #[test]
    fn reads_back() {
        let mut bits = 0x1234_5678_9abc_def1u64;
        for _ in 0..20_000 {
            bits ^= bits << 13;
            bits ^= bits >> 7;
            bits ^= bits << 17;
            let value = f64::from_bits(bits);
            if value.is_finite() {
                assert_eq!(parse_f64(&f64_text(value)).unwrap().to_bits(), value.to_bits());
            }
            let value = f32::from_bits(bits as u32);
            if value.is_finite() {
                assert_eq!(parse_f32(&f32_text(value)).unwrap().to_bits(), value.to_bits());
            }
        }
    }

    #[test]
    fn digits_asked_for() {
        let text = |value, extra| {
            let mut out = Vec::new();
            write_f64_digits(&mut out, value, extra);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(text(0.1 + 0.2, 0), "0.3");
        assert_eq!(text(1e15, 0), "1e+15");
        assert_eq!(text(std::f64::consts::PI, -3), "3.14159265359");
        assert_eq!(text(1e12, -3), "1e+12");
        assert_eq!(text(1e11, -3), "100000000000");
        let mut out = Vec::new();
        write_f32_digits(&mut out, 123456.79, -3);
        assert_eq!(out, b"1.23e+05");
    }

    #[test]
    fn input() {
        assert_eq!(parse_f64(" 1.5e3 "), Ok(1500.0));
        assert_eq!(parse_f64(".5"), Ok(0.5));
        assert_eq!(parse_f64("5."), Ok(5.0));
        assert_eq!(parse_f64("-inf"), Ok(f64::NEG_INFINITY));
        assert_eq!(parse_f64("Infinity"), Ok(f64::INFINITY));
        assert!(parse_f64("nan").unwrap().is_nan());
        assert_eq!(parse_f64("0x1p3"), Ok(8.0));
        assert_eq!(parse_f64("0e-999"), Ok(0.0));
        assert_eq!(parse_f64("1e400").unwrap_err().message, "\"1e400\" is out of range for type double precision");
        assert_eq!(parse_f64("1e-400").unwrap_err().message, "\"1e-400\" is out of range for type double precision");
        assert_eq!(parse_f32("1e-46").unwrap_err().message, "\"1e-46\" is out of range for type real");
        assert_eq!(parse_f64("1.5x").unwrap_err().message, "invalid input syntax for type double precision: \"1.5x\"");
        for text in ["", ".", "e5", "1e", "--1", "0x", "0xg", "1 2"] {
            assert_eq!(parse_f64(text).unwrap_err().condition, Condition::InvalidTextRepresentation, "{text}");
        }
    }
}
