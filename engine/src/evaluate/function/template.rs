//! `to_char`, `to_date`, `to_timestamp`, `to_number`: PostgreSQL's templates.

use super::datetime::Fields;
use super::{Call, Line, call};
use crate::error::{Condition, Error, Result};
use crate::evaluate::cast::{date_to_timestamp, to_local};
use crate::evaluate::datum::Datum;
use crate::types::numeric::Numeric;
use crate::types::text::{USECS_PER_DAY, USECS_PER_SEC, days_from_civil, local_to_utc, offset_at};

const MONTHS: [&str; 12] =
    ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const ROMAN: [&str; 12] = ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII"];

/// Template patterns, each before its own prefixes; case decides among those that spell words.
const PATTERNS: &[&str] = &[
    "A.D.", "A.M.", "AD", "AM", "B.C.", "BC", "CC", "DAY", "DDD", "DD", "DY", "Day", "Dy", "D", "FF1", "FF2", "FF3", "FF4",
    "FF5", "FF6", "FX", "HH24", "HH12", "HH", "IDDD", "ID", "IW", "IYYY", "IYY", "IY", "I", "J", "MI", "MM", "MONTH", "MON",
    "MS", "Month", "Mon", "OF", "P.M.", "PM", "Q", "RM", "SSSSS", "SSSS", "SS", "TZH", "TZM", "TZ", "US", "WW", "W", "Y,YYY",
    "YYYY", "YYY", "YY", "Y", "a.d.", "a.m.", "ad", "am", "b.c.", "bc", "day", "dy", "month", "mon", "p.m.", "pm", "rm", "tz",
];

#[derive(Debug, Clone)]
enum Piece {
    Literal(String),
    Field { name: &'static str, fill: bool, ordinal: Option<bool> },
}

fn pieces(template: &str) -> Vec<Piece> {
    let mut out: Vec<Piece> = Vec::new();
    let mut rest = template;
    let literal = |out: &mut Vec<Piece>, text: &str| match out.last_mut() {
        Some(Piece::Literal(last)) => last.push_str(text),
        _ => out.push(Piece::Literal(text.to_owned())),
    };
    while let Some(first) = rest.chars().next() {
        if first == '"' {
            let mut chars = rest[1..].char_indices();
            let mut text = String::new();
            let mut end = rest.len();
            while let Some((at, c)) = chars.next() {
                match c {
                    '"' => {
                        end = at + 2;
                        break;
                    }
                    '\\' => text.extend(chars.next().map(|(_, c)| c)),
                    c => text.push(c),
                }
            }
            literal(&mut out, &text);
            rest = &rest[end..];
            continue;
        }
        if let Some(quoted) = rest.strip_prefix("\\\"") {
            literal(&mut out, "\"");
            rest = quoted;
            continue;
        }
        let (fill, body) = match rest.get(..2) {
            Some(p) if p.eq_ignore_ascii_case("FM") => (true, &rest[2..]),
            Some(p) if p.eq_ignore_ascii_case("TM") => (true, &rest[2..]),
            _ => (false, rest),
        };
        let found = PATTERNS
            .iter()
            .find(|p| body.starts_with(**p))
            .or_else(|| PATTERNS.iter().find(|p| body.get(..p.len()).is_some_and(|h| h.eq_ignore_ascii_case(p))));
        match found {
            Some(name) => {
                rest = &body[name.len()..];
                let ordinal = match rest.get(..2) {
                    Some("TH") => Some(true),
                    Some("th") => Some(false),
                    _ => None,
                };
                if ordinal.is_some() {
                    rest = &rest[2..];
                }
                // Lower-case spellings of numbers are the same patterns.
                out.push(Piece::Field { name, fill, ordinal });
            }
            None => {
                literal(&mut out, first.encode_utf8(&mut [0; 4]));
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    out
}

fn ordinal(n: i64, upper: bool) -> &'static str {
    let n = n.abs();
    let suffix = match (n % 100, n % 10) {
        (11..=13, _) => 0,
        (_, 1) => 1,
        (_, 2) => 2,
        (_, 3) => 3,
        _ => 0,
    };
    if upper { ["TH", "ST", "ND", "RD"][suffix] } else { ["th", "st", "nd", "rd"][suffix] }
}

fn cased(word: &str, pattern: &str) -> String {
    if pattern.chars().all(char::is_uppercase) {
        word.to_uppercase()
    } else if pattern.starts_with(char::is_uppercase) {
        word.to_owned()
    } else {
        word.to_lowercase()
    }
}

/// A local time by a template; `zone` is its abbreviation and its seconds east of Greenwich.
pub fn format_timestamp(local: i64, template: &str, zone: Option<(String, i32)>) -> Result<String> {
    format_fields(Fields::of(local), template, zone, false)
}

fn format_fields(f: Fields, template: &str, zone: Option<(String, i32)>, interval: bool) -> Result<String> {
    let mut out = String::new();
    let hour = f.us / (3600 * USECS_PER_SEC);
    let hour12 = if hour % 12 == 0 { 12 } else { hour % 12 };
    let shown_year = if interval || f.year > 0 { f.year } else { 1 - f.year };
    for piece in pieces(template) {
        let (name, fill, th) = match piece {
            Piece::Literal(text) => {
                out.push_str(&text);
                continue;
            }
            Piece::Field { name, fill, ordinal } => (name, fill, ordinal),
        };
        let word = |text: String, width: usize| if fill { text } else { format!("{text:<width$}") };
        let upper = name.to_uppercase();
        let calendar = !interval;
        let micros = f.us % USECS_PER_SEC;
        let number: Option<(i64, usize)> = match upper.as_str() {
            "HH24" => Some((hour, 2)),
            "HH" | "HH12" => Some((if interval { if hour % 12 == 0 { 12 } else { hour % 12 } } else { hour12 }, 2)),
            "MI" => Some((f.us / (60 * USECS_PER_SEC) % 60, 2)),
            "SS" => Some((f.us / USECS_PER_SEC % 60, 2)),
            "SSSS" | "SSSSS" => Some((f.us / USECS_PER_SEC, 1)),
            "MS" | "FF3" => Some((micros / 1000, 3)),
            "US" | "FF6" => Some((micros, 6)),
            "FF1" => Some((micros / 100_000, 1)),
            "FF2" => Some((micros / 10_000, 2)),
            "FF4" => Some((micros / 100, 4)),
            "FF5" => Some((micros / 10, 5)),
            "MM" => Some((f.month, 2)),
            "DD" => Some((f.day, 2)),
            "YYYY" => Some((shown_year, 4)),
            "YYY" => Some((shown_year % 1000, 3)),
            "YY" => Some((shown_year % 100, 2)),
            "Y" => Some((shown_year % 10, 1)),
            "DDD" => Some((if interval { f.year * 360 + f.month * 30 + f.day } else { f.day_of_year() }, 3)),
            "D" if calendar => Some((f.weekday() + 1, 1)),
            "ID" if calendar => Some(((f.weekday() + 6) % 7 + 1, 1)),
            "WW" if calendar => Some(((f.day_of_year() - 1) / 7 + 1, 2)),
            "W" if calendar => Some(((f.day - 1) / 7 + 1, 1)),
            "IW" if calendar => Some((f.iso_week().1, 2)),
            "IYYY" if calendar => Some((f.iso_week().0, 4)),
            "IYY" if calendar => Some((f.iso_week().0 % 1000, 3)),
            "IY" if calendar => Some((f.iso_week().0 % 100, 2)),
            "I" if calendar => Some((f.iso_week().0 % 10, 1)),
            "IDDD" if calendar => {
                let (_, week) = f.iso_week();
                Some(((week - 1) * 7 + (f.weekday() + 6) % 7 + 1, 3))
            }
            "Q" => Some(((f.month - 1) / 3 + 1, 1)),
            "CC" => Some((if f.year > 0 { (f.year + 99) / 100 } else { -((100 - f.year) / 100) }, 2)),
            "J" if calendar => Some((f.date() + 2_440_588, 1)),
            _ => None,
        };
        if let Some((value, width)) = number {
            let fraction = matches!(upper.as_str(), "MS" | "US") || upper.starts_with("FF");
            let text = if fill && !fraction {
                value.to_string()
            } else {
                format!("{value:0width$}", width = width + usize::from(value < 0))
            };
            out.push_str(&text);
            if let Some(th) = th {
                out.push_str(ordinal(value, th));
            }
            continue;
        }
        match upper.as_str() {
            "Y,YYY" => out.push_str(&format!("{},{:03}", shown_year / 1000, shown_year % 1000)),
            "MONTH" | "MON" | "DAY" | "DY" | "RM" | "OF" | "TZ" | "TZH" | "TZM" | "ID" | "D"
                if interval && !matches!(upper.as_str(), "MONTH" | "MON" | "RM") =>
            {
                return Err(Error::new(Condition::InvalidDatetimeFormat, "invalid format specification for an interval value")
                    .hint("Intervals are not tied to specific calendar dates."));
            }
            "MONTH" => out.push_str(&word(cased(MONTHS[(f.month - 1).clamp(0, 11) as usize], name), 9)),
            "MON" => out.push_str(&cased(&MONTHS[(f.month - 1).clamp(0, 11) as usize][..3], name)),
            "DAY" => out.push_str(&word(cased(DAYS[f.weekday() as usize], name), 9)),
            "DY" => out.push_str(&cased(&DAYS[f.weekday() as usize][..3], name)),
            "RM" => out.push_str(&word(cased(ROMAN[(f.month - 1).clamp(0, 11) as usize], name), 4)),
            "AM" | "PM" | "A.M." | "P.M." => {
                let text = if hour % 24 >= 12 { "PM" } else { "AM" };
                let text = if name.contains('.') { format!("{}.M.", &text[..1]) } else { text.to_owned() };
                out.push_str(&if name.starts_with(char::is_uppercase) { text } else { text.to_lowercase() });
            }
            "AD" | "BC" | "A.D." | "B.C." => {
                let text = match (f.year > 0, name.contains('.')) {
                    (true, false) => "AD",
                    (true, true) => "A.D.",
                    (false, false) => "BC",
                    (false, true) => "B.C.",
                };
                out.push_str(&if name.starts_with(char::is_uppercase) { text.to_owned() } else { text.to_lowercase() });
            }
            "TZ" => {
                if let Some((abbreviation, _)) = &zone {
                    out.push_str(&if name == "tz" { abbreviation.to_lowercase() } else { abbreviation.clone() });
                }
            }
            "TZH" | "TZM" | "OF" => {
                let east = zone.as_ref().map_or(0, |(_, east)| *east);
                let sign = if east < 0 { '-' } else { '+' };
                let (hours, minutes) = (east.abs() / 3600, east.abs() / 60 % 60);
                out.push_str(&match upper.as_str() {
                    "TZH" => format!("{sign}{hours:02}"),
                    "TZM" => format!("{minutes:02}"),
                    _ if minutes != 0 => format!("{sign}{hours:02}:{minutes:02}"),
                    _ => format!("{sign}{hours:02}"),
                });
            }
            _ => {}
        }
    }
    Ok(out)
}

fn zone_at(us: i64, zone: &chrono_tz::Tz) -> (String, i32) {
    use chrono::TimeZone;
    let east = offset_at(us, zone);
    let moment = chrono::DateTime::from_timestamp_micros(us).unwrap_or_default().naive_utc();
    (zone.offset_from_utc_datetime(&moment).to_string(), east)
}

fn timestamp_to_char(c: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    let template = a[1].str();
    if template.is_empty() {
        return Ok(Datum::Null);
    }
    let text = match &a[0] {
        Datum::Interval(v) => {
            let fields = Fields { year: i64::from(v.months) / 12, month: i64::from(v.months) % 12, day: v.days.into(), us: v.us };
            format_fields(fields, template, None, true)?
        }
        Datum::Timestamptz(us) if *us != i64::MAX && *us != i64::MIN => {
            format_timestamp(to_local(*us, &c.ctx.zone), template, Some(zone_at(*us, &c.ctx.zone)))?
        }
        Datum::Date(days) => format_timestamp(date_to_timestamp(*days)?, template, None)?,
        other if other.ticks() == i64::MAX || other.ticks() == i64::MIN => return Ok(Datum::Null),
        other => format_timestamp(other.ticks(), template, None)?,
    };
    Ok(Datum::text(text))
}

fn invalid(value: &str, pattern: &str) -> Error {
    Error::new(Condition::InvalidDatetimeFormat, format!("invalid value \"{value}\" for \"{pattern}\""))
        .detail("Value must be an integer.")
}

/// Reads a text by a template: the local time in microseconds since 1970, and seconds east of Greenwich if said.
fn parse(text: &str, template: &str) -> Result<(i64, Option<i64>)> {
    let pieces = pieces(template);
    let mut rest = text;
    let (mut year, mut month, mut day, mut day_of_year, mut julian) = (None, None, None, None, None);
    let (mut hour, mut minute, mut second, mut us, mut pm, mut bc) = (0i64, 0i64, 0i64, 0i64, None, false);
    let (mut iso_year, mut iso_week, mut iso_day, mut week) = (None, None, None, None);
    let (mut zone_hours, mut zone_minutes) = (None, 0i64);
    let mut twelve = false;
    for (at, piece) in pieces.iter().enumerate() {
        let (name, fill) = match piece {
            Piece::Literal(literal) => {
                // A separator matches any run of separators; other text skips as many characters.
                for c in literal.chars() {
                    if c.is_whitespace() || c.is_ascii_punctuation() {
                        let trimmed = rest.trim_start();
                        rest = match trimmed.chars().next() {
                            Some(n) if n.is_ascii_punctuation() && !(matches!(n, '+' | '-') && c.is_whitespace()) => {
                                &trimmed[n.len_utf8()..]
                            }
                            _ => trimmed,
                        };
                    } else if let Some(n) = rest.chars().next() {
                        rest = &rest[n.len_utf8()..];
                    }
                }
                continue;
            }
            Piece::Field { name, fill, .. } => (*name, *fill),
        };
        rest = rest.trim_start();
        let upper = name.to_uppercase();
        let next_is_digit = matches!(pieces.get(at + 1), Some(Piece::Field { name, .. }) if !matches!(name.to_uppercase().as_str(), "AM" | "PM" | "A.M." | "P.M." | "MON" | "MONTH" | "DY" | "DAY" | "TZ"));
        let integer = |rest: &mut &str, width: usize| -> Result<(i64, usize)> {
            let (negative, body) = match rest.strip_prefix('-') {
                Some(body) => (true, body),
                None => (false, rest.strip_prefix('+').unwrap_or(rest)),
            };
            let most = if fill || !next_is_digit { usize::MAX } else { width };
            let digits = body.bytes().take_while(u8::is_ascii_digit).count().min(most).min(18);
            if digits == 0 {
                let bad: String = rest.chars().take(width).collect();
                return Err(invalid(&bad, name));
            }
            let value: i64 = body[..digits].parse().map_err(|_| invalid(&body[..digits], name))?;
            *rest = &body[digits..];
            Ok((if negative { -value } else { value }, digits))
        };
        let from_list = |rest: &mut &str, list: &[&str], short: bool| -> Result<i64> {
            let found = list.iter().position(|w| {
                let w = if short { &w[..3] } else { w };
                rest.get(..w.len()).is_some_and(|h| h.eq_ignore_ascii_case(w))
            });
            let at = found.ok_or_else(|| {
                let bad: String = rest.chars().take_while(|c| !c.is_whitespace()).collect();
                Error::new(Condition::InvalidDatetimeFormat, format!("invalid value \"{bad}\" for \"{name}\""))
                    .detail("The given value did not match any of the allowed values for this field.")
            })?;
            *rest = &rest[if short { 3 } else { list[at].len() }..];
            Ok(at as i64)
        };
        match upper.as_str() {
            "YYYY" => year = Some(integer(&mut rest, 4)?.0),
            "Y,YYY" => {
                let thousands = integer(&mut rest, 1)?.0;
                rest = rest.strip_prefix(',').unwrap_or(rest);
                year = Some(thousands * 1000 + integer(&mut rest, 3)?.0);
            }
            "YYY" | "YY" | "Y" => {
                let (value, digits) = integer(&mut rest, upper.len())?;
                // Short years are those nearest to 2020.
                year = Some(match digits {
                    ..=2 if value < 70 => value + 2000,
                    ..=2 => value + 1900,
                    3 if value < 520 => value + 2000,
                    3 => value + 1000,
                    _ => value,
                });
            }
            "IYYY" => iso_year = Some(integer(&mut rest, 4)?.0),
            "IW" => iso_week = Some(integer(&mut rest, 2)?.0),
            "ID" => iso_day = Some(integer(&mut rest, 1)?.0),
            "WW" => week = Some(integer(&mut rest, 2)?.0),
            "MM" => month = Some(integer(&mut rest, 2)?.0),
            "MONTH" => month = Some(from_list(&mut rest, &MONTHS, false)? + 1),
            "MON" => month = Some(from_list(&mut rest, &MONTHS, true)? + 1),
            "RM" => {
                let found =
                    (0..12).rev().find(|i| rest.get(..ROMAN[*i].len()).is_some_and(|h| h.eq_ignore_ascii_case(ROMAN[*i])));
                let at = found.ok_or_else(|| invalid(rest, name))?;
                rest = &rest[ROMAN[at].len()..];
                month = Some(at as i64 + 1);
            }
            "DD" => day = Some(integer(&mut rest, 2)?.0),
            "DDD" => day_of_year = Some(integer(&mut rest, 3)?.0),
            "DAY" => {
                from_list(&mut rest, &DAYS, false)?;
            }
            "DY" => {
                from_list(&mut rest, &DAYS, true)?;
            }
            "D" | "W" | "Q" | "CC" => {
                integer(&mut rest, 2)?;
            }
            "J" => julian = Some(integer(&mut rest, 7)?.0),
            "HH24" => hour = integer(&mut rest, 2)?.0,
            "HH" | "HH12" => {
                hour = integer(&mut rest, 2)?.0;
                twelve = true;
                if !(1..=12).contains(&hour) {
                    return Err(Error::new(
                        Condition::InvalidDatetimeFormat,
                        format!("hour \"{hour}\" is invalid for the 12-hour clock"),
                    )
                    .hint("Use the 24-hour clock, or give an hour between 1 and 12."));
                }
            }
            "MI" => minute = integer(&mut rest, 2)?.0,
            "SS" => second = integer(&mut rest, 2)?.0,
            "SSSS" | "SSSSS" => {
                let total = integer(&mut rest, 5)?.0;
                (hour, minute, second) = (total / 3600, total / 60 % 60, total % 60);
            }
            "MS" | "US" | "FF1" | "FF2" | "FF3" | "FF4" | "FF5" | "FF6" => {
                let width = match upper.as_str() {
                    "MS" => 3,
                    "US" => 6,
                    other => other.as_bytes().get(2).map_or(6, |b| usize::from(b - b'0')),
                };
                let (value, digits) = integer(&mut rest, width)?;
                us = value * 10i64.pow(6u32.saturating_sub(digits.min(6) as u32));
            }
            "AM" | "PM" => {
                let head = rest.get(..2).unwrap_or("").to_ascii_lowercase();
                pm = Some(head == "pm");
                rest = rest.get(2..).unwrap_or("");
            }
            "A.M." | "P.M." => {
                pm = Some(rest.starts_with(['p', 'P']));
                rest = rest.get(4..).unwrap_or("");
            }
            "AD" | "BC" => {
                bc = rest.get(..2).is_some_and(|h| h.eq_ignore_ascii_case("bc"));
                rest = rest.get(2..).unwrap_or("");
            }
            "A.D." | "B.C." => {
                bc = rest.starts_with(['b', 'B']);
                rest = rest.get(4..).unwrap_or("");
            }
            "TZH" | "OF" => {
                let negative = rest.starts_with('-');
                let hours = integer(&mut rest, 2)?.0.abs();
                zone_hours = Some(if negative { -hours } else { hours });
                if upper == "OF"
                    && let Some(tail) = rest.strip_prefix(':')
                {
                    rest = tail;
                    zone_minutes = integer(&mut rest, 2)?.0;
                }
            }
            "TZM" => zone_minutes = integer(&mut rest, 2)?.0,
            "TZ" => return Err(Error::unsupported(format!("formatting field \"{name}\" is only supported in to_char"))),
            _ => {}
        }
    }
    if twelve {
        match pm {
            Some(true) if hour < 12 => hour += 12,
            Some(false) if hour == 12 => hour = 0,
            _ => {}
        }
    } else if pm == Some(true) && hour < 12 {
        hour += 12;
    }
    let range = || Error::new(Condition::DatetimeFieldOverflow, format!("date/time field value out of range: \"{text}\""));
    let days = if let Some(julian) = julian {
        julian - 2_440_588
    } else if let (Some(iso_year), Some(iso_week)) = (iso_year, iso_week) {
        let fourth = days_from_civil(iso_year, 1, 4);
        let monday = fourth - (fourth + 3).rem_euclid(7);
        monday + (iso_week - 1) * 7 + iso_day.unwrap_or(1) - 1
    } else {
        let mut y = year.or(iso_year).unwrap_or(0);
        if bc {
            y = 1 - y;
        } else if y < 0 {
            y += 1;
        }
        if !(-4713..=294_276).contains(&y) {
            return Err(range());
        }
        if let Some(doy) = day_of_year {
            days_from_civil(y, 1, 1) + doy - 1
        } else if let Some(week) = week {
            days_from_civil(y, 1, 1) + (week - 1) * 7
        } else {
            let (m, d) = (month.unwrap_or(1), day.unwrap_or(1));
            if !(1..=12).contains(&m) || !(1..=31).contains(&d) {
                return Err(range());
            }
            let days = days_from_civil(y, m as u32, d as u32);
            let back = Fields::of(days.saturating_mul(USECS_PER_DAY));
            if back.month != m || back.day != d {
                return Err(range());
            }
            days
        }
    };
    if !(0..=24).contains(&hour) || !(0..60).contains(&minute) || !(0..=60).contains(&second) {
        return Err(range());
    }
    let time = ((hour * 60 + minute) * 60 + second) * USECS_PER_SEC + us;
    let local = days.checked_mul(USECS_PER_DAY).and_then(|d| d.checked_add(time)).ok_or_else(range)?;
    let zone = zone_hours.map(|h| h * 3600 + if h < 0 { -zone_minutes * 60 } else { zone_minutes * 60 });
    Ok((local, zone))
}

fn to_date(_: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    let (local, _) = parse(a[0].str(), a[1].str())?;
    Ok(Datum::Date(i32::try_from(local.div_euclid(USECS_PER_DAY)).unwrap_or(i32::MAX)))
}

fn to_timestamp(c: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    let (local, zone) = parse(a[0].str(), a[1].str())?;
    Ok(Datum::Timestamptz(match zone {
        Some(east) => local - east * USECS_PER_SEC,
        None => local_to_utc(local, &c.ctx.zone),
    }))
}

/// A number's template, taken apart.
#[derive(Default)]
struct NumberTemplate {
    items: Vec<NumberItem>,
    whole: usize,
    fraction: usize,
    has_point: bool,
    fill: bool,
    zero_from: Option<usize>,
    /// Digits behind the point up to the last `0`.
    zero_to: usize,
    sign: Option<Sign>,
    exponent: bool,
    shift: usize,
    roman: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Sign {
    Anywhere,
    Minus,
    Plus,
    Brackets,
}

#[derive(Clone)]
enum NumberItem {
    Digit,
    Point,
    Group(&'static str),
    Sign,
    Ordinal(bool),
    Literal(String),
}

fn number_template(template: &str) -> NumberTemplate {
    let mut t = NumberTemplate::default();
    let mut rest = template;
    while let Some(c) = rest.chars().next() {
        let is = |p: &str| rest.get(..p.len()).is_some_and(|h| h.eq_ignore_ascii_case(p));
        let mut take = c.len_utf8();
        if c == '"' {
            let end = rest[1..].find('"').map_or(rest.len(), |e| e + 2);
            t.items.push(NumberItem::Literal(rest[1..end.max(2) - 1].to_owned()));
            take = end;
        } else if is("FM") {
            t.fill = true;
            take = 2;
        } else if is("EEEE") {
            t.exponent = true;
            take = 4;
        } else if is("MI") {
            t.sign = Some(Sign::Minus);
            t.items.push(NumberItem::Sign);
            take = 2;
        } else if is("PL") || is("SG") {
            t.sign = Some(Sign::Plus);
            t.items.push(NumberItem::Sign);
            take = 2;
        } else if is("PR") {
            t.sign = Some(Sign::Brackets);
            take = 2;
        } else if is("RN") {
            t.roman = true;
            take = 2;
        } else if is("TH") {
            t.items.push(NumberItem::Ordinal(c == 'T'));
            take = 2;
        } else {
            match c {
                '9' | '0' => {
                    if t.has_point {
                        t.fraction += 1;
                        if c == '0' {
                            t.zero_to = t.fraction;
                            t.zero_from.get_or_insert(t.whole);
                        }
                    } else {
                        if c == '0' {
                            t.zero_from.get_or_insert(t.whole);
                        }
                        t.whole += 1;
                    }
                    t.items.push(NumberItem::Digit);
                }
                '.' | 'D' | 'd' => {
                    t.has_point = true;
                    t.items.push(NumberItem::Point);
                }
                ',' | 'G' | 'g' => t.items.push(NumberItem::Group(",")),
                'S' | 's' => {
                    t.sign = Some(Sign::Anywhere);
                    t.items.push(NumberItem::Sign);
                }
                'L' | 'l' => t.items.push(NumberItem::Literal(" ".to_owned())),
                'V' | 'v' => {
                    t.shift = rest[1..].bytes().filter(|b| matches!(b, b'9' | b'0')).count();
                }
                other => t.items.push(NumberItem::Literal(other.to_string())),
            }
        }
        rest = &rest[take..];
    }
    t
}

fn roman(n: i64) -> String {
    const PARTS: [(i64, &str); 13] = [
        (1000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ];
    if !(1..4000).contains(&n) {
        return "#".repeat(15);
    }
    let (mut n, mut out) = (n, String::new());
    for (value, letters) in PARTS {
        while n >= value {
            out.push_str(letters);
            n -= value;
        }
    }
    out
}

fn number_to_char(_: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    let value = match &a[0] {
        Datum::Float4(_) => Numeric::parse(&format!("{}", a[0].float() as f32))?,
        Datum::Float8(_) => Numeric::from_f64(a[0].float()),
        other => other.num(),
    };
    let t = number_template(a[1].str());
    if t.roman {
        let text = roman(value.to_i64().unwrap_or(0));
        return Ok(Datum::text(if t.fill { text } else { format!("{text:>15}") }));
    }
    if value.parts().is_none() {
        return Ok(Datum::text("#".repeat(t.whole + t.fraction + usize::from(t.has_point) + 1)));
    }
    if t.exponent {
        let float = value.to_f64();
        let text = format!("{:.*e}", t.fraction, float);
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let exponent: i32 = exponent.parse().unwrap_or(0);
        let sign = if float < 0.0 { "" } else { " " };
        return Ok(Datum::text(format!("{sign}{mantissa}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())));
    }
    let value =
        if t.shift > 0 { value.mul(&Numeric::from(10i64).power(&Numeric::from(t.shift as i64))?.round(0))? } else { value };
    let rounded = value.round(i32::try_from(t.fraction).unwrap_or(0));
    let negative = rounded.signum() < 0;
    let text = rounded.abs().to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let whole_digits = if whole == "0" { "" } else { whole };
    let too_long = whole_digits.len() > t.whole;
    let missing = t.whole.saturating_sub(whole_digits.len());
    let zero_from = t.zero_from.unwrap_or(usize::MAX);
    let mut out = String::new();
    let sign_text = match (t.sign, negative) {
        (Some(Sign::Anywhere), true) => "-",
        (Some(Sign::Anywhere), false) => "+",
        (Some(Sign::Minus), true) => "-",
        (Some(Sign::Minus), false) => " ",
        (Some(Sign::Plus), true) => "-",
        (Some(Sign::Plus), false) => "+",
        (_, _) => "",
    };
    let fraction_digits: Vec<char> = fraction.chars().collect();
    let last_shown = if t.fill { fraction.trim_end_matches('0').len().max(t.zero_to) } else { t.fraction };
    let (mut at, mut behind, mut started) = (0usize, 0usize, false);
    let mut sign_at = None;
    let leading_sign = t.sign == Some(Sign::Anywhere) && matches!(t.items.first(), Some(NumberItem::Sign));
    for item in &t.items {
        match item {
            NumberItem::Digit if at < t.whole => {
                let is_last_whole = at + 1 == t.whole;
                if too_long {
                    out.push('#');
                    started = true;
                } else if at >= missing {
                    if !started {
                        sign_at.get_or_insert(out.len());
                        started = true;
                    }
                    out.push(whole_digits.as_bytes().get(at - missing).map_or('0', |b| char::from(*b)));
                } else if at >= zero_from {
                    if !started {
                        sign_at.get_or_insert(out.len());
                        started = true;
                    }
                    out.push('0');
                } else if is_last_whole && (t.fraction == 0 || (t.fill && last_shown == 0)) {
                    sign_at.get_or_insert(out.len());
                    started = true;
                    out.push('0');
                } else if !t.fill {
                    out.push(' ');
                }
                at += 1;
            }
            NumberItem::Digit => {
                if too_long {
                    out.push('#');
                } else if behind < last_shown {
                    out.push(fraction_digits.get(behind).copied().unwrap_or('0'));
                }
                behind += 1;
            }
            NumberItem::Point => {
                if !started {
                    sign_at.get_or_insert(out.len());
                    started = true;
                }
                out.push('.');
            }
            NumberItem::Group(mark) => {
                if started {
                    out.push_str(mark);
                } else if !t.fill {
                    out.push(' ');
                }
            }
            NumberItem::Sign if leading_sign => {}
            NumberItem::Sign => {
                if !(t.fill && sign_text == " ") {
                    out.push_str(sign_text);
                }
            }
            NumberItem::Ordinal(upper) => {
                if !negative {
                    out.push_str(ordinal(rounded.to_i64().unwrap_or(0), *upper));
                }
            }
            NumberItem::Literal(text) => out.push_str(text),
        }
    }
    let at = sign_at.unwrap_or(0);
    match t.sign {
        None => {
            // A column for the sign, beside the first digit.
            let sign = if negative {
                "-"
            } else if t.fill {
                ""
            } else {
                " "
            };
            if negative {
                out.insert_str(at, sign);
            } else {
                out.insert_str(0, sign);
            }
        }
        Some(Sign::Anywhere) if leading_sign => out.insert_str(at, sign_text),
        Some(Sign::Brackets) => {
            if negative {
                out.insert(at, '<');
                out.push('>');
            } else if !t.fill {
                out.insert(0, ' ');
                out.push(' ');
            }
        }
        Some(Sign::Anywhere | Sign::Minus | Sign::Plus) => {}
    }
    Ok(Datum::text(out))
}

fn to_number(_: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    let t = number_template(a[1].str());
    let text = a[0].str();
    let mut digits: String = text.chars().filter(|c| c.is_ascii_digit() || *c == '.').collect();
    if digits.is_empty() || digits == "." {
        return Err(Error::invalid_text("numeric", " "));
    }
    let negative = text.contains('-') || (text.contains('<') && t.sign == Some(Sign::Brackets));
    if negative {
        digits.insert(0, '-');
    }
    let value = Numeric::parse(&digits)?;
    Ok(Datum::numeric(if t.fraction == 0 && !t.has_point {
        value.trunc(0)
    } else {
        value.round(i32::try_from(t.fraction).unwrap_or(0))
    }))
}

/// The functions.
pub const ALL: &[Line] = &[
    call("to_char(timestamp,text) text", timestamp_to_char),
    call("to_char(timestamptz,text) text", timestamp_to_char),
    call("to_char(interval,text) text", timestamp_to_char),
    call("to_char(int4,text) text", number_to_char),
    call("to_char(int8,text) text", number_to_char),
    call("to_char(float4,text) text", number_to_char),
    call("to_char(float8,text) text", number_to_char),
    call("to_char(numeric,text) text", number_to_char),
    call("to_date(text,text) date", to_date),
    call("to_timestamp(text,text) timestamptz", to_timestamp),
    call("to_number(text,text) numeric", to_number),
];
