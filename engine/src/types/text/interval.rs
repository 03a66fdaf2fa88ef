//! Intervals: months, days and microseconds, which never turn into one another.

use super::integer::{digits, put_padded};
use super::is_space;
use super::parse_datetime::{Fault, clock};
use super::{USECS_PER_DAY, USECS_PER_SEC};
use crate::error::{Condition, Error, Result};

/// `1 year 2 mons -3 days +04:05:06.789` (`IntervalStyle` `postgres`).
pub fn write_interval(out: &mut Vec<u8>, months: i32, days: i32, us: i64) {
    let start = out.len();
    // After a negative field a positive one shows its sign.
    let mut before = false;
    for (value, unit) in [(months / 12, &b" year"[..]), (months % 12, b" mon"), (days, b" day")] {
        if value == 0 {
            continue;
        }
        if out.len() > start {
            out.push(b' ');
        }
        if before && value > 0 {
            out.push(b'+');
        }
        super::write_i64(out, i64::from(value));
        out.extend_from_slice(unit);
        if value != 1 {
            out.push(b's');
        }
        before = value < 0;
    }
    let empty = out.len() == start;
    if us == 0 && !empty {
        return;
    }
    if !empty {
        out.push(b' ');
    }
    if us < 0 {
        out.push(b'-');
    } else if before {
        out.push(b'+');
    }
    let us = us.unsigned_abs();
    let (seconds, fraction) = (us / USECS_PER_SEC as u64, us % USECS_PER_SEC as u64);
    let mut room = [0; 32];
    let mut at = digits(seconds / 3600).max(2);
    put_padded(seconds / 3600, at, &mut room);
    for part in [seconds / 60 % 60, seconds % 60] {
        room[at] = b':';
        put_padded(part, 2, &mut room[at + 1..]);
        at += 3;
    }
    if fraction != 0 {
        room[at] = b'.';
        put_padded(fraction, 6, &mut room[at + 1..]);
        at += 7;
        while room[at - 1] == b'0' {
            at -= 1;
        }
    }
    out.extend_from_slice(&room[..at]);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Microsecond,
    Millisecond,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Year,
    Decade,
    Century,
    Millennium,
}

impl Unit {
    fn named(word: &str) -> Option<Self> {
        Some(match word {
            "us" | "usec" | "usecs" | "useconds" | "usecond" | "microsecon" | "microsecond" | "microseconds" => Self::Microsecond,
            "ms" | "msec" | "msecs" | "mseconds" | "msecond" | "millisecon" | "millisecond" | "milliseconds" => Self::Millisecond,
            "s" | "sec" | "secs" | "second" | "seconds" => Self::Second,
            "m" | "min" | "mins" | "minute" | "minutes" => Self::Minute,
            "h" | "hr" | "hrs" | "hour" | "hours" => Self::Hour,
            "d" | "day" | "days" => Self::Day,
            "w" | "week" | "weeks" => Self::Week,
            "mon" | "mons" | "month" | "months" => Self::Month,
            "y" | "yr" | "yrs" | "year" | "years" => Self::Year,
            "dec" | "decs" | "decade" | "decades" => Self::Decade,
            "c" | "cent" | "century" | "centuries" => Self::Century,
            "mil" | "mils" | "millennia" | "millennium" => Self::Millennium,
            _ => return None,
        })
    }
}

/// The sum so far. Every step reports overflow, as PostgreSQL does.
#[derive(Default)]
struct Sum {
    months: i64,
    days: i32,
    us: i64,
}

type Parsed<T> = std::result::Result<T, Fault>;

impl Sum {
    fn add_months(&mut self, value: i64) -> Parsed<()> {
        let value = i32::try_from(value).map_err(|_| Fault::Overflow)?;
        // Whether the sum fits is seen at the end: PostgreSQL keeps years and months apart until then.
        self.months += i64::from(value);
        Ok(())
    }

    fn add_days(&mut self, value: i64) -> Parsed<()> {
        let value = i32::try_from(value).map_err(|_| Fault::Overflow)?;
        self.days = self.days.checked_add(value).ok_or(Fault::Overflow)?;
        Ok(())
    }

    fn add_us(&mut self, value: i64, fraction: f64, scale: i64) -> Parsed<()> {
        let whole = value.checked_mul(scale).ok_or(Fault::Overflow)?;
        let fraction = fraction * scale as f64;
        let mut part = fraction as i64;
        let left = fraction - part as f64;
        if left > 0.5 {
            part += 1;
        } else if left < -0.5 {
            part -= 1;
        }
        self.us = self.us.checked_add(whole).and_then(|us| us.checked_add(part)).ok_or(Fault::Overflow)?;
        Ok(())
    }

    /// A part of `days` days: whole days, and microseconds for the rest.
    fn add_day_fraction(&mut self, fraction: f64, days: i64) -> Parsed<()> {
        let value = fraction * days as f64;
        let whole = value as i64;
        self.add_days(whole)?;
        self.add_us(0, value - whole as f64, USECS_PER_DAY)
    }

    fn add_years(&mut self, value: i64, fraction: f64, years: i64) -> Parsed<()> {
        let value = value.checked_mul(years).and_then(|years| i32::try_from(years).ok()).ok_or(Fault::Overflow)?;
        self.months += i64::from(value) * 12;
        self.add_months((fraction * years as f64 * 12.0).round_ties_even() as i64)
    }

    fn add(&mut self, unit: Unit, value: i64, fraction: f64) -> Parsed<()> {
        match unit {
            Unit::Microsecond => self.add_us(value, fraction, 1),
            Unit::Millisecond => self.add_us(value, fraction, 1000),
            Unit::Second => self.add_us(value, fraction, USECS_PER_SEC),
            Unit::Minute => self.add_us(value, fraction, 60 * USECS_PER_SEC),
            Unit::Hour => self.add_us(value, fraction, 3600 * USECS_PER_SEC),
            Unit::Day => {
                self.add_days(value)?;
                self.add_us(0, fraction, USECS_PER_DAY)
            }
            Unit::Week => {
                self.add_days(value.checked_mul(7).ok_or(Fault::Overflow)?)?;
                self.add_day_fraction(fraction, 7)
            }
            Unit::Month => {
                self.add_months(value)?;
                self.add_day_fraction(fraction, 30)
            }
            Unit::Year => self.add_years(value, fraction, 1),
            Unit::Decade => self.add_years(value, fraction, 10),
            Unit::Century => self.add_years(value, fraction, 100),
            Unit::Millennium => self.add_years(value, fraction, 1000),
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Token<'a> {
    /// Digits with `:`, `.` and `-` among them, and a sign or none.
    Number(&'a str),
    Word(&'a str),
}

/// `text` is in lower case.
fn cut(text: &str) -> Parsed<Vec<Token<'_>>> {
    // PostgreSQL's work buffer is as long.
    if !text.is_ascii() || text.len() > 256 {
        return Err(Fault::Format);
    }
    let bytes = text.as_bytes();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        match bytes[at] {
            byte if is_space(byte) => at += 1,
            b'a'..=b'z' => {
                at += bytes[at..].iter().take_while(|b| b.is_ascii_lowercase()).count();
                // `day-2` would be the name of a zone.
                if matches!(bytes.get(at), Some(b'-' | b'/' | b'.')) {
                    return Err(Fault::Format);
                }
                tokens.push(Token::Word(&text[start..at]));
            }
            b'0'..=b'9' | b'.' | b'+' | b'-' => {
                if matches!(bytes[at], b'+' | b'-') {
                    at += 1 + bytes[at + 1..].iter().take_while(|b| is_space(**b)).count();
                    if !bytes.get(at).is_some_and(u8::is_ascii_digit) {
                        return Err(Fault::Format);
                    }
                }
                at += bytes[at..].iter().take_while(|b| matches!(b, b'0'..=b'9' | b':' | b'.' | b'-')).count();
                tokens.push(Token::Number(&text[start..at]));
            }
            byte if byte.is_ascii_punctuation() => at += 1,
            _ => return Err(Fault::Format),
        }
    }
    Ok(tokens)
}

/// `text` without its sign and the white space that may follow one.
fn unsigned(text: &str) -> &str {
    text.strip_prefix(['+', '-']).map_or(text, super::trim)
}

/// An integer part that may be missing (`.5`) and a fraction, both with the sign of the whole.
fn number(text: &str) -> Parsed<(i64, f64)> {
    let negative = text.starts_with('-');
    let body = unsigned(text);
    let (whole, fraction) = body.split_at(body.find('.').unwrap_or(body.len()));
    let all_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if !all_digits(whole) || !fraction.is_empty() && !all_digits(&fraction[1..]) || whole.is_empty() && fraction.len() < 2 {
        return Err(Fault::Format);
    }
    let value = match (whole.is_empty(), negative) {
        (true, _) => 0,
        // With its sign, so that the least value is within reach.
        (false, true) => format!("-{whole}").parse::<i64>().map_err(|_| Fault::Overflow)?,
        (false, false) => whole.parse::<i64>().map_err(|_| Fault::Overflow)?,
    };
    let fraction = if fraction.len() < 2 { 0.0 } else { format!("0{fraction}").parse::<f64>().map_err(|_| Fault::Format)? };
    Ok((value, if negative { -fraction } else { fraction }))
}

fn bit(unit: Unit) -> u32 {
    1 << unit as u32
}

const TIME: u32 = 1 << Unit::Second as u32 | 1 << Unit::Minute as u32 | 1 << Unit::Hour as u32;

/// `1 year 2 mons ago`, `1 day 02:00:00`, `1-2 3 4:05:06`, read from its end, where the units are.
fn verbose(text: &str) -> Parsed<Sum> {
    let tokens = cut(text)?;
    let mut sum = Sum::default();
    let mut seen = 0u32;
    let mut unit = None;
    // Between a number and `ago` stands a unit.
    let mut wants_unit = false;
    let mut ago = false;
    for token in tokens.iter().rev() {
        let fields = match *token {
            Token::Word("ago") => {
                ago = true;
                wants_unit = true;
                continue;
            }
            // Filler, as in `at 5 days`.
            Token::Word("at" | "on") => continue,
            Token::Word(word) => {
                unit = Some(Unit::named(word).ok_or(Fault::Format)?);
                wants_unit = false;
                continue;
            }
            Token::Number(text) if wants_unit && !text.contains(':') => return Err(Fault::Format),
            Token::Number(text) if text.contains(':') => {
                let (hours, minutes, seconds, fraction) = clock(unsigned(text))?;
                let us = hours
                    .checked_mul(3600 * USECS_PER_SEC)
                    .and_then(|us| us.checked_add((minutes * 60 + seconds) * USECS_PER_SEC + fraction))
                    .ok_or(Fault::Overflow)?;
                sum.us = sum.us.checked_add(if text.starts_with('-') { -us } else { us }).ok_or(Fault::Overflow)?;
                wants_unit = false;
                // A number before a time is days.
                unit = Some(Unit::Day);
                TIME
            }
            Token::Number(text) => match text.get(1..).and_then(|tail| tail.find('-')).map(|at| at + 1) {
                Some(dash) => {
                    let (years, _) = number(&text[..dash])?;
                    let (months, _) = number(&text[dash + 1..])?;
                    if text[..dash].contains('.') || text[dash + 1..].contains('.') {
                        return Err(Fault::Format);
                    }
                    if months >= 12 {
                        return Err(Fault::Overflow);
                    }
                    sum.add_years(years, 0.0, 1)?;
                    sum.add_months(if text.starts_with('-') { -months } else { months })?;
                    // A number before it takes months, and so collides.
                    unit = Some(Unit::Month);
                    bit(Unit::Month)
                }
                None => {
                    let (value, fraction) = number(text)?;
                    let this = *unit.get_or_insert(Unit::Second);
                    sum.add(this, value, fraction)?;
                    // `1 02:00` and `1 2h` alike begin with days.
                    if this == Unit::Hour {
                        unit = Some(Unit::Day);
                    }
                    // A fraction of a second takes the place of the smaller units.
                    match this {
                        Unit::Second if fraction != 0.0 => bit(Unit::Second) | bit(Unit::Millisecond) | bit(Unit::Microsecond),
                        _ => bit(this),
                    }
                }
            },
        };
        if seen & fields != 0 {
            return Err(Fault::Format);
        }
        seen |= fields;
    }
    if seen == 0 {
        return Err(Fault::Format);
    }
    if ago {
        sum.months = -sum.months;
        sum.days = sum.days.checked_neg().ok_or(Fault::Overflow)?;
        sum.us = sum.us.checked_neg().ok_or(Fault::Overflow)?;
    }
    Ok(sum)
}

/// ISO 8601: `P1Y2M3DT4H5M6S`, and `P0001-02-03T04:05:06`. `text` follows the `P`.
fn iso(text: &str) -> Parsed<Sum> {
    let mut sum = Sum::default();
    let (dates, times) = match text.find('T') {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    if dates.is_empty() && times.is_none() {
        return Err(Fault::Format);
    }
    iso_part(dates, &mut sum, false)?;
    if let Some(times) = times {
        iso_part(times, &mut sum, true)?;
    }
    Ok(sum)
}

fn iso_part(mut text: &str, sum: &mut Sum, time: bool) -> Parsed<()> {
    let alternative = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b':' | b'-' | b'+'));
    if alternative && !text.is_empty() {
        let units = if time { [Unit::Hour, Unit::Minute, Unit::Second] } else { [Unit::Year, Unit::Month, Unit::Day] };
        let mark = if time { ':' } else { '-' };
        let (negative, body) = match text.strip_prefix('-') {
            Some(body) => (true, body),
            None => (false, text),
        };
        // `20200102` and `040506` are the same without marks.
        let widths = if time { [2, 2, 2] } else { [4, 2, 2] };
        if body.len() == widths.iter().sum::<usize>() && body.bytes().all(|b| b.is_ascii_digit()) {
            let mut rest = body;
            for (unit, width) in units.into_iter().zip(widths) {
                let (part, tail) = rest.split_at(width);
                sum.add(unit, number(part)?.0 * if negative && unit == units[0] { -1 } else { 1 }, 0.0)?;
                rest = tail;
            }
            return Ok(());
        }
        let mut parts = body.split(mark);
        for unit in units {
            let Some(part) = parts.next() else { return Ok(()) };
            let (value, fraction) = number(part)?;
            if negative && unit == units[0] {
                sum.add(unit, value.checked_neg().ok_or(Fault::Overflow)?, -fraction)?;
            } else {
                sum.add(unit, value, fraction)?;
            }
        }
        return if parts.next().is_none() { Ok(()) } else { Err(Fault::Format) };
    }
    while !text.is_empty() {
        let end = text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-' | '+'))).ok_or(Fault::Format)?;
        let (value, fraction) = number(&text[..end])?;
        let unit = match (text.as_bytes()[end], time) {
            (b'Y', false) => Unit::Year,
            (b'M', false) => Unit::Month,
            (b'W', false) => Unit::Week,
            (b'D', false) => Unit::Day,
            (b'H', true) => Unit::Hour,
            (b'M', true) => Unit::Minute,
            (b'S', true) => Unit::Second,
            _ => return Err(Fault::Format),
        };
        sum.add(unit, value, fraction)?;
        text = &text[end + 1..];
    }
    Ok(())
}

/// Months, days and microseconds.
pub fn parse_interval(text: &str) -> Result<(i32, i32, i64)> {
    let lower = text.to_ascii_lowercase();
    let parsed = match verbose(&lower) {
        // Only what is not of the one form is tried as the other.
        Err(Fault::Format) => text.strip_prefix('P').map_or(Err(Fault::Format), iso),
        parsed => parsed,
    };
    match parsed {
        Ok(sum) => match i32::try_from(sum.months) {
            Ok(months) => Ok((months, sum.days, sum.us)),
            Err(_) => Err(Error::new(Condition::DatetimeFieldOverflow, "interval out of range")),
        },
        Err(Fault::Format) => Err(Fault::Format.error("interval", text)),
        Err(Fault::Overflow | Fault::MonthOrDay | Fault::Displacement | Fault::Zone(_)) => {
            Err(Error::new(Condition::IntervalFieldOverflow, format!("interval field value out of range: \"{text}\"")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let (months, days, us) = parse_interval(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let mut out = Vec::new();
        write_interval(&mut out, months, days, us);
        String::from_utf8(out).unwrap()
    }

    /// What PostgreSQL 15 answered.
    #[test]
    fn input() {
        for (text, expected) in [
            ("1", "00:00:01"),
            ("0", "00:00:00"),
            ("1 day 02:00:00", "1 day 02:00:00"),
            ("1 year 2 mons ago", "-1 years -2 mons"),
            ("@ 1 year 2 mons 3 days 4 hours 5 mins 6.789 secs ago", "-1 years -2 mons -3 days -04:05:06.789"),
            ("1.5 months 1.5 weeks 2 years ago", "-2 years -1 mons -25 days -12:00:00"),
            ("1-2 3 4:05:06", "1 year 2 mons 3 days 04:05:06"),
            ("-1-2 +3 -4:05:06", "-1 years -2 mons +3 days -04:05:06"),
            ("P1DT2H", "1 day 02:00:00"),
            ("P1Y2M3DT4H5M6.5S", "1 year 2 mons 3 days 04:05:06.5"),
            ("P0001-02-03T04:05:06", "1 year 2 mons 3 days 04:05:06"),
            ("P20200101T040506", "2020 years 1 mon 1 day 04:05:06"),
            ("1d2h3m4s", "1 day 02:03:04"),
            ("1 4h", "1 day 04:00:00"),
            ("- 1 day", "-1 days"),
            ("1 mon -1 day", "1 mon -1 days"),
            ("1 mon -1 day 02:00", "1 mon -1 days +02:00:00"),
            ("14 months", "1 year 2 mons"),
            ("2147483647 days", "2147483647 days"),
            ("2562047788:00:54.775807", "2562047788:00:54.775807"),
            ("-9223372036854775808 us", "-2562047788:00:54.775808"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn refused() {
        for text in ["", "x", "1 foo", "1 day 1 day", "day", "ago", "1 ago", "P", "1:2:3:4", "1_0 s", "--1", "-.5 hour", "ü"] {
            assert_eq!(parse_interval(text).unwrap_err().message, format!("invalid input syntax for type interval: \"{text}\""));
        }
        for text in ["99999999999 days", "9223372036854775808 us", "-2147483648 days ago", "P-9223372036854775808Y"] {
            let message = format!("interval field value out of range: \"{text}\"");
            assert_eq!(parse_interval(text).unwrap_err().message, message);
        }
        assert_eq!(parse_interval("178956971 years").unwrap_err().message, "interval out of range");
    }
}
