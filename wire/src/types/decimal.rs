//! Numerics: PostgreSQL's binary form, and how many digits a quotient shows.
//!
//! ```text
//! int16 count of digits | int16 weight of the first | uint16 sign | uint16 digits to show | int16 digit, base 10000 | …
//! ```

use arrow::datatypes::i256;
use warpwise_engine::types::text::{write_decimal128, write_decimal256};

const POSITIVE: u16 = 0;
const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xc000;
const INFINITY: u16 = 0xd000;
const MINUS_INFINITY: u16 = 0xf000;

/// 10^`exponent`, which is at most 38.
pub(super) fn power(exponent: u32) -> u128 {
    10u128.pow(exponent.min(38))
}

fn put_head(out: &mut [u8], digits: usize, weight: i16, sign: u16, scale: u16) {
    out[0..2].copy_from_slice(&(digits as u16).to_be_bytes());
    out[2..4].copy_from_slice(&weight.to_be_bytes());
    out[4..6].copy_from_slice(&sign.to_be_bytes());
    out[6..8].copy_from_slice(&scale.to_be_bytes());
}

/// Whether [`put_small`] takes values of this scale.
pub(super) fn is_small(scale: i8) -> bool {
    (0..=16).contains(&scale)
}

/// Writes the binary form of `value` × 10^-`scale` at the start of `out`, which has 28 bytes, where it fits.
#[inline]
pub(super) fn put_small(value: i128, scale: i8, out: &mut [u8]) -> Option<usize> {
    let magnitude = u64::try_from(value.unsigned_abs()).ok()?;
    let scale = u32::from(scale.unsigned_abs());
    // The commonest scale with a divisor that is known.
    let (mut whole, fraction) = if scale == 2 {
        (magnitude / 100, magnitude % 100)
    } else {
        (magnitude / 10u64.pow(scale), magnitude % 10u64.pow(scale))
    };
    let groups = scale.div_ceil(4);
    let mut fraction = fraction * 10u64.pow(groups * 4 - scale);
    // From the last digit to the first, into the end of the room: 5 for what is before the point, 4 after it.
    let mut digits = [0u16; 9];
    let mut first = 9;
    for _ in 0..groups {
        first -= 1;
        digits[first] = (fraction % 10_000) as u16;
        fraction /= 10_000;
    }
    let mut weight = -1i16;
    while whole != 0 {
        first -= 1;
        digits[first] = (whole % 10_000) as u16;
        whole /= 10_000;
        weight += 1;
    }
    let mut last = 9;
    while last > first && digits[last - 1] == 0 {
        last -= 1;
    }
    while first < last && digits[first] == 0 {
        first += 1;
        weight -= 1;
    }
    let digits = &digits[first..last];
    let weight = if digits.is_empty() { 0 } else { weight };
    put_head(out, digits.len(), weight, if value < 0 { NEGATIVE } else { POSITIVE }, scale as u16);
    for (digit, room) in digits.iter().zip(out[8..28].chunks_exact_mut(2)) {
        room.copy_from_slice(&digit.to_be_bytes());
    }
    Some(8 + 2 * digits.len())
}

/// Appends the binary form of `value` × 10^-`scale`.
pub(super) fn write128(value: i128, scale: i8, out: &mut Vec<u8>) {
    let mut text = Vec::new();
    write_decimal128(&mut text, value, scale);
    write_text(&text, out);
}

/// Appends the binary form of `value` × 10^-`scale`.
pub(super) fn write256(value: i256, scale: i8, out: &mut Vec<u8>) {
    let mut text = Vec::new();
    write_decimal256(&mut text, value, scale);
    write_text(&text, out);
}

/// Appends the binary form of what PostgreSQL's text form says: sign, digits, a point among them, or one of the names.
/// Text of another shape goes as zero, or without what is no digit: it is not checked here.
pub(super) fn write_text(text: &[u8], out: &mut Vec<u8>) {
    let (negative, body) = match text {
        [b'-', body @ ..] => (true, body),
        body => (false, body),
    };
    let start = out.len();
    out.extend_from_slice(&[0; 8]);
    match body {
        b"NaN" => return put_head(&mut out[start..], 0, 0, NAN, 0),
        b"Infinity" => return put_head(&mut out[start..], 0, 0, if negative { MINUS_INFINITY } else { INFINITY }, 0),
        _ => {}
    }
    let point = body.iter().position(|b| *b == b'.').unwrap_or(body.len());
    let whole = &body[..point];
    let fraction = body.get(point + 1..).unwrap_or_default();
    let value = |digit: &u8| u16::from(digit.wrapping_sub(b'0').min(9));
    // Groups of four, aligned at the point.
    let lead = whole.len() % 4;
    let mut weight = whole.len().div_ceil(4) as i64 - 1;
    let mut any = false;
    let mut push = |digit: u16, out: &mut Vec<u8>| {
        if digit != 0 || any {
            any = true;
            out.extend_from_slice(&digit.to_be_bytes());
        } else {
            weight -= 1;
        }
    };
    if lead > 0 {
        push(whole[..lead].iter().fold(0, |group, digit| group * 10 + value(digit)), out);
    }
    for group in whole[lead..].chunks(4) {
        push(group.iter().fold(0, |group, digit| group * 10 + value(digit)), out);
    }
    for group in fraction.chunks(4) {
        let digits = group.iter().fold(0, |group, digit| group * 10 + value(digit));
        push(digits * 10u16.pow(4 - group.len() as u32), out);
    }
    while out.len() > start + 8 && out.ends_with(&[0, 0]) {
        out.truncate(out.len() - 2);
    }
    let digits = (out.len() - start - 8) / 2;
    let sign = if negative && digits > 0 { NEGATIVE } else { POSITIVE };
    put_head(&mut out[start..], digits, if digits == 0 { 0 } else { weight as i16 }, sign, fraction.len() as u16);
}

/// How many digits PostgreSQL shows after the point of a quotient: enough for 16 significant ones, counted in
/// groups of four, and at least `least`. `exceeds(k)` says whether the magnitude is greater than 10000^k; of a
/// quotient that is such a power, dividend and divisor begin alike, and PostgreSQL then takes one group more.
fn quotient_scale(zero: bool, least: u8, most: i8, exceeds: impl Fn(i32) -> bool) -> i8 {
    let weight = if zero {
        -1
    } else if exceeds(0) {
        (0..20).take_while(|weight| exceeds(*weight)).last().unwrap_or(0)
    } else {
        (1..20).map(|weight| -weight).find(|weight| exceeds(*weight)).unwrap_or(-20)
    };
    (16 - 4 * weight).max(i32::from(least)).clamp(0, i32::from(most.max(0))) as i8
}

/// A value without trailing zeros behind the point.
fn trimmed(mut value: i128, mut scale: i8) -> (i128, i8) {
    while scale > 0 && value % 10 == 0 {
        value /= 10;
        scale -= 1;
    }
    (value, scale)
}

/// The least digits, and how many digits of the value are a group; none where it is 0 and shows no digits.
fn counted(zero: bool, least: u8) -> Option<(u8, i32)> {
    match least {
        super::VARIANCE.. if zero => None,
        super::DEVIATION.. => Some((least - super::DEVIATION, 2)),
        super::VARIANCE.. => Some((least - super::VARIANCE, 4)),
        _ => Some((least, 4)),
    }
}

/// A quotient of scale `scale`, cut (halves away from zero) to the digits that PostgreSQL shows.
pub(super) fn quotient128(value: i128, scale: i8, least: u8) -> (i128, i8) {
    if least == super::TRIMMED {
        return trimmed(value, scale);
    }
    let magnitude = value.unsigned_abs();
    let Some((least, group)) = counted(value == 0, least) else { return (0, 0) };
    let exceeds = |weight: i32| match i32::from(scale) + group * weight {
        exponent @ 0..=38 => magnitude > power(exponent as u32),
        exponent => exponent < 0,
    };
    let shown = quotient_scale(value == 0, least, scale, exceeds);
    if shown >= scale {
        return (value, scale);
    }
    let unit = power(u32::from((scale - shown).unsigned_abs()));
    // At least 10, so that a half of it is whole, and the sum below stays under 2^128.
    let rounded = ((magnitude + unit / 2) / unit) as i128;
    (if value < 0 { -rounded } else { rounded }, shown)
}

/// As [`quotient128`].
pub(super) fn quotient256(value: i256, scale: i8, least: u8) -> (i256, i8) {
    if let Some(narrow) = value.to_i128()
        && scale <= 38
    {
        let (value, scale) = quotient128(narrow, scale, least);
        return (i256::from_i128(value), scale);
    }
    if least == super::TRIMMED {
        return (value, scale);
    }
    let ten = i256::from_i128(10);
    // The least value has no magnitude; the next is as good.
    let magnitude = value.checked_abs().unwrap_or(i256::MAX);
    let Some((least, group)) = counted(value == i256::ZERO, least) else { return (i256::ZERO, 0) };
    let exceeds = |weight: i32| match i32::from(scale) + group * weight {
        exponent @ 0..=76 => magnitude > ten.wrapping_pow(exponent as u32),
        exponent => exponent < 0,
    };
    let shown = quotient_scale(value == i256::ZERO, least, scale, exceeds);
    if shown >= scale {
        return (value, scale);
    }
    let unit = ten.wrapping_pow(u32::from((scale - shown).unsigned_abs()).min(76));
    let (whole, rest) = (magnitude.wrapping_div(unit), magnitude.wrapping_rem(unit));
    let half = unit.wrapping_div(i256::from_i128(2));
    let rounded = if rest >= half { whole.wrapping_add(i256::ONE) } else { whole };
    (if value < i256::ZERO { rounded.wrapping_neg() } else { rounded }, shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// `numeric_send` of PostgreSQL 15.
    #[test]
    fn binary_form() {
        for (text, expected) in [
            ("0", "0000000000000000"),
            ("0.00", "0000000000000002"),
            ("1", "00010000000000000001"),
            ("-1.5", "0002000040000001000113 88".replace(' ', "").as_str()),
            ("10000", "00010001000000000001"),
            ("12345.6789", "00030001000000040001092 91a85".replace(' ', "").as_str()),
            ("0.0001", "0001ffff000000040001"),
            ("0.00001", "0001fffe0000000503e8"),
            ("NaN", "00000000c0000000"),
            ("Infinity", "00000000d0000000"),
            ("-Infinity", "00000000f0000000"),
        ] {
            let mut out = Vec::new();
            write_text(text.as_bytes(), &mut out);
            assert_eq!(hex(&out), expected, "{text}");
        }
    }

    #[test]
    fn small_and_text_agree() {
        let mut seed = 88_172_645_463_325_252u64;
        for _ in 0..20_000 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let value = i128::from((seed as i64) >> (seed % 64));
            let scale = (seed >> 32) as i8 & 15;
            let mut room = [0; 28];
            let length = put_small(value, scale, &mut room).unwrap();
            let mut out = Vec::new();
            write128(value, scale, &mut out);
            assert_eq!(hex(&room[..length]), hex(&out), "{value} {scale}");
        }
        assert_eq!(put_small(i128::MAX, 2, &mut [0; 28]), None);
    }

    /// `select 100000000/3.0`, `10/3.0`, `2/3.0`, `1/30000.0`, `3.0/3.0` and `0/3.0` of PostgreSQL 15.
    #[test]
    fn quotients_show_16_digits() {
        let shown = |value: i128, scale| {
            let (value, scale) = quotient128(value, scale, 1);
            let mut out = Vec::new();
            write_decimal128(&mut out, value, scale);
            let (wide, wide_scale) = quotient256(i256::from_i128(value), scale, 1);
            assert_eq!((wide.to_i128(), wide_scale), (Some(value), scale));
            String::from_utf8(out).unwrap()
        };
        assert_eq!(shown(33_333_333_333_333_333_333_333_333_333_333, 24), "33333333.333333333333");
        assert_eq!(shown(3_333_333_333_333_333_333_333_333, 24), "3.3333333333333333");
        assert_eq!(shown(666_666_666_666_666_666_666_667, 24), "0.66666666666666666667");
        assert_eq!(shown(33_333_333_333_333_333_333, 24), "0.000033333333333333333333");
        assert_eq!(shown(10i128.pow(24), 24), "1.00000000000000000000");
        assert_eq!(shown(0, 24), "0.00000000000000000000");
        assert_eq!(shown(-15 * 10i128.pow(23), 24), "-1.5000000000000000");
        assert_eq!(shown(0, 4), "0.0000");
        assert_eq!(shown(10i128.pow(38) - 1, 38), "1.00000000000000000000");
        let (value, scale) = quotient256(i256::MIN, 40, 2);
        assert_eq!(scale, 2);
        assert!(value < i256::ZERO);
    }
}
