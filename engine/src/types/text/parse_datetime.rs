//! Dates, times and timestamps as people write them, by PostgreSQL's rules for `DateStyle` `ISO, MDY`.
//!
//! Text in plain ISO form takes a short way. Everything else is cut into fields (a number, a number with
//! separators, a time, an offset, a word), and each field finds its meaning from what came before it:
//!
//! ```text
//! 'January 8, 1999 04:05 PM PST'   word number number time word word
//! '20200102T030405Z'               number word number word
//! ```

use std::time::{SystemTime, UNIX_EPOCH};

use chrono_tz::Tz;

use super::datetime::{civil_from_days, days_from_civil};
use super::zone::{abbreviation, find_zone, local_to_utc, offset_at};
use super::{USECS_PER_DAY, USECS_PER_SEC, is_space};
use crate::error::{Condition, Error, Result};

/// Why text is no date or time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// Not the shape of one.
    Format,
    /// A field beyond its range.
    Overflow,
    /// A month or day beyond its range: perhaps day and month are the other way round.
    MonthOrDay,
    /// An offset of 16 hours or more.
    Displacement,
    /// A zone that nobody knows.
    Zone(String),
}

impl Fault {
    pub(super) fn error(self, type_name: &str, text: &str) -> Error {
        match self {
            Self::Format => {
                Error::new(Condition::InvalidDatetimeFormat, format!("invalid input syntax for type {type_name}: \"{text}\""))
            }
            Self::Overflow => {
                Error::new(Condition::DatetimeFieldOverflow, format!("date/time field value out of range: \"{text}\""))
            }
            Self::MonthOrDay => Self::Overflow.error(type_name, text).hint("Perhaps you need a different \"datestyle\" setting."),
            Self::Displacement => Error::new(
                Condition::InvalidTimeZoneDisplacementValue,
                format!("time zone displacement out of range: \"{text}\""),
            ),
            Self::Zone(name) => Error::new(Condition::InvalidParameterValue, format!("time zone \"{name}\" not recognized")),
        }
    }
}

type Parsed<T> = std::result::Result<T, Fault>;

/// Longer text is no date for PostgreSQL either.
const LONGEST: usize = 128;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number,
    Date,
    Time,
    Offset,
    Word,
    SignedWord,
}

#[derive(Debug, Clone, Copy)]
struct Field<'a> {
    kind: Kind,
    text: &'a str,
}

/// Cuts `text`, which is in lower case, into fields.
fn cut(text: &str) -> Parsed<Vec<Field<'_>>> {
    if !text.is_ascii() || text.len() > LONGEST {
        return Err(Fault::Format);
    }
    let bytes = text.as_bytes();
    let run = |from: usize, accept: &dyn Fn(u8) -> bool| from + bytes[from..].iter().take_while(|b| accept(**b)).count();
    let digit = |b: u8| b.is_ascii_digit();
    let mut fields = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        let kind = match bytes[at] {
            space if is_space(space) => {
                at += 1;
                continue;
            }
            b'0'..=b'9' => {
                at = run(at, &digit);
                match bytes.get(at).copied() {
                    Some(b':') => {
                        at = run(at, &|b| digit(b) || matches!(b, b':' | b'.'));
                        Kind::Time
                    }
                    Some(mark @ (b'-' | b'/' | b'.')) => {
                        at += 1;
                        if bytes.get(at).is_some_and(|b| digit(*b)) {
                            at = run(at, &digit);
                            if bytes.get(at) == Some(&mark) {
                                at = run(at, &|b| digit(b) || b == mark);
                                Kind::Date
                            } else if mark == b'.' {
                                Kind::Number
                            } else {
                                Kind::Date
                            }
                        } else {
                            at = run(at, &|b| b.is_ascii_alphanumeric() || b == mark);
                            Kind::Date
                        }
                    }
                    _ => Kind::Number,
                }
            }
            b'.' => {
                at = run(at + 1, &digit);
                Kind::Number
            }
            b'a'..=b'z' => {
                at = run(at, &|b| b.is_ascii_lowercase());
                let joined = match bytes.get(at) {
                    Some(b'-' | b'/' | b'.') => true,
                    Some(b'+' | b'0'..=b'9') => matches!(meaning(&text[start..at]), Meaning::Unknown),
                    _ => false,
                };
                if joined {
                    at = run(at, &|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'/' | b'_' | b'.' | b':'));
                    Kind::Date
                } else {
                    Kind::Word
                }
            }
            b'+' | b'-' => {
                let body = run(at + 1, &is_space);
                match bytes.get(body) {
                    Some(b'0'..=b'9') => {
                        // The space between sign and digits is dropped by whoever reads the field.
                        at = run(body, &|b| digit(b) || matches!(b, b':' | b'.' | b'-'));
                        Kind::Offset
                    }
                    Some(b'a'..=b'z') => {
                        at = run(body, &|b| b.is_ascii_lowercase());
                        Kind::SignedWord
                    }
                    _ => return Err(Fault::Format),
                }
            }
            punctuation if punctuation.is_ascii_punctuation() => {
                at += 1;
                continue;
            }
            _ => return Err(Fault::Format),
        };
        fields.push(Field { kind, text: &text[start..at] });
    }
    Ok(fields)
}

/// What a word means by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Month(u32),
    Weekday,
    Ignored,
    Am,
    Pm,
    AnnoDomini,
    BeforeChrist,
    IsoTime,
    Julian,
    Unit(Unit),
    Dst,
    Epoch,
    Infinity,
    Now,
    Today(i64),
    AllBalls,
    Unknown,
}

/// Units before a number, as in `y2001m02d04`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
}

fn meaning(word: &str) -> Meaning {
    match word {
        "jan" | "january" => Meaning::Month(1),
        "feb" | "february" => Meaning::Month(2),
        "mar" | "march" => Meaning::Month(3),
        "apr" | "april" => Meaning::Month(4),
        "may" => Meaning::Month(5),
        "jun" | "june" => Meaning::Month(6),
        "jul" | "july" => Meaning::Month(7),
        "aug" | "august" => Meaning::Month(8),
        "sep" | "sept" | "september" => Meaning::Month(9),
        "oct" | "october" => Meaning::Month(10),
        "nov" | "november" => Meaning::Month(11),
        "dec" | "december" => Meaning::Month(12),
        "sun" | "sunday" | "mon" | "monday" | "tue" | "tues" | "tuesday" | "wed" | "weds" | "wednesday" | "thu" | "thur"
        | "thurs" | "thursday" | "fri" | "friday" | "sat" | "saturday" => Meaning::Weekday,
        "at" | "on" => Meaning::Ignored,
        "am" => Meaning::Am,
        "pm" => Meaning::Pm,
        "ad" => Meaning::AnnoDomini,
        "bc" => Meaning::BeforeChrist,
        "t" => Meaning::IsoTime,
        "j" | "jd" | "julian" => Meaning::Julian,
        "y" => Meaning::Unit(Unit::Year),
        "m" => Meaning::Unit(Unit::Month),
        "d" => Meaning::Unit(Unit::Day),
        "h" => Meaning::Unit(Unit::Hour),
        "mm" => Meaning::Unit(Unit::Minute),
        "s" => Meaning::Unit(Unit::Second),
        "dst" => Meaning::Dst,
        "epoch" => Meaning::Epoch,
        "infinity" => Meaning::Infinity,
        "now" => Meaning::Now,
        "today" => Meaning::Today(0),
        "tomorrow" => Meaning::Today(1),
        "yesterday" => Meaning::Today(-1),
        "allballs" => Meaning::AllBalls,
        _ => Meaning::Unknown,
    }
}

#[derive(Debug, Clone, Copy)]
enum Zone {
    Offset(i32),
    Named(Tz),
}

/// What the text as a whole says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whole {
    Fields,
    Epoch,
    Infinity,
    MinusInfinity,
}

/// The field that the next number fills, named by a word before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Prefix {
    IsoTime,
    Julian,
    Unit(Unit),
}

/// The fields found so far.
struct Decoder<'a> {
    zone: &'a Tz,
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    day_of_year: Option<i64>,
    /// Days since 1970 given as such (`today`, `J2451187`).
    days: Option<i64>,
    hour: Option<i64>,
    minute: Option<i64>,
    second: Option<i64>,
    fraction: i64,
    /// The zone that was named.
    at: Option<Zone>,
    /// Whether the year was written with two digits or fewer.
    two_digits: bool,
    text_month: bool,
    before_christ: bool,
    /// `am` or `pm`.
    afternoon: Option<bool>,
    whole: Whole,
}

/// A fraction `.ddd…` of a second in microseconds, rounded.
fn fraction_us(text: &str) -> Parsed<i64> {
    if !text.strip_prefix('.').is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_digit())) {
        return Err(Fault::Format);
    }
    if text.len() == 1 {
        return Ok(0);
    }
    let value: f64 = text.parse().map_err(|_| Fault::Format)?;
    Ok((value * 1e6).round_ties_even() as i64)
}

fn integer(text: &str) -> Parsed<i64> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Fault::Format);
    }
    text.parse::<i32>().map(i64::from).map_err(|_| Fault::Overflow)
}

/// Hours, minutes and seconds of `H:M`, `H:M:S[.f]` or `M:S.f`, and microseconds. Ranges are left to the caller but for
/// minutes and seconds.
pub(super) fn clock(text: &str) -> Parsed<(i64, i64, i64, i64)> {
    let mut parts = text.splitn(3, ':');
    let (Some(hour), Some(minute)) = (parts.next(), parts.next()) else { return Err(Fault::Format) };
    if hour.is_empty() || !hour.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Fault::Format);
    }
    let hour = hour.parse::<i64>().map_err(|_| Fault::Overflow)?;
    let (hour, minute, second, fraction) = match parts.next() {
        None => match minute.find('.') {
            Some(point) => (0, hour, integer(&minute[..point])?, fraction_us(&minute[point..])?),
            None => (hour, integer(minute)?, 0, 0),
        },
        Some(second) => {
            let point = second.find('.').unwrap_or(second.len());
            let fraction = if point < second.len() { fraction_us(&second[point..])? } else { 0 };
            (hour, integer(minute)?, integer(&second[..point])?, fraction)
        }
    };
    if minute > 59 || second > 60 || fraction > USECS_PER_SEC {
        return Err(Fault::Overflow);
    }
    Ok((hour, minute, second, fraction))
}

/// `+HH`, `-HH:MM`, `+HHMM`, `+HH:MM:SS` in seconds east.
fn offset(text: &str) -> Parsed<i32> {
    let (sign, body) = match text.as_bytes().first() {
        Some(b'+') => (1, text[1..].trim_start()),
        Some(b'-') => (-1, text[1..].trim_start()),
        _ => return Err(Fault::Format),
    };
    let mut parts = body.split(':');
    let first = parts.next().unwrap_or_default();
    let number = |text: &str| -> Parsed<i64> {
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Fault::Format);
        }
        text.parse::<i32>().map(i64::from).map_err(|_| Fault::Displacement)
    };
    let mut hours = number(first)?;
    let mut minutes = 0;
    let mut seconds = 0;
    match (parts.next(), parts.next(), parts.next()) {
        (None, ..) => {
            if first.len() > 2 {
                minutes = hours % 100;
                hours /= 100;
            }
        }
        (Some(m), s, None) => {
            minutes = number(m)?;
            seconds = s.map_or(Ok(0), number)?;
        }
        _ => return Err(Fault::Format),
    }
    if hours > 15 || minutes > 59 || seconds > 59 {
        return Err(Fault::Displacement);
    }
    Ok(sign * (hours * 3600 + minutes * 60 + seconds) as i32)
}

/// Puts `value` where nothing was yet.
fn set<T>(place: &mut Option<T>, value: T) -> Parsed<()> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(Fault::Format),
    }
}

pub(super) fn now_us() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

impl<'a> Decoder<'a> {
    fn new(zone: &'a Tz) -> Self {
        Self {
            zone,
            year: None,
            month: None,
            day: None,
            day_of_year: None,
            days: None,
            hour: None,
            minute: None,
            second: None,
            fraction: 0,
            at: None,
            two_digits: false,
            text_month: false,
            before_christ: false,
            afternoon: None,
            whole: Whole::Fields,
        }
    }

    fn has_date(&self) -> bool {
        self.days.is_some() || self.year.is_some() && (self.day_of_year.is_some() || self.month.is_some() && self.day.is_some())
    }

    fn has_time(&self) -> bool {
        self.hour.is_some() && self.minute.is_some() && self.second.is_some()
    }

    /// Takes every field. Where only a time is wanted, a bare number is one.
    fn decode(&mut self, fields: &[Field<'_>], time_only: bool) -> Parsed<()> {
        let mut prefix = None;
        let mut rest = fields.iter().peekable();
        while let Some(field) = rest.next() {
            // A time may follow a date, even where only the time is wanted.
            let date_first = !time_only || std::ptr::eq(field, &fields[0]) && fields.len() > 1;
            if self.whole != Whole::Fields {
                return Err(Fault::Format);
            }
            match field.kind {
                Kind::Date => match prefix.take() {
                    Some(Prefix::Julian) => return Err(Fault::Format),
                    Some(Prefix::IsoTime) => self.run_together(field.text)?,
                    Some(Prefix::Unit(_)) => return Err(Fault::Format),
                    None if self.days.is_some() || self.month.is_some() && self.day.is_some() || !date_first => {
                        if field.text.starts_with(|c: char| c.is_ascii_digit()) {
                            if self.has_time() {
                                return Err(Fault::Format);
                            }
                            self.run_together(field.text)?;
                        } else {
                            set(
                                &mut self.at,
                                Zone::Named(find_zone(field.text).ok_or_else(|| Fault::Zone(field.text.to_owned()))?),
                            )?;
                        }
                    }
                    None => self.date(field.text)?,
                },
                Kind::Time => {
                    if !matches!(prefix.take(), None | Some(Prefix::IsoTime)) {
                        return Err(Fault::Format);
                    }
                    let (hour, minute, second, fraction) = clock(field.text)?;
                    self.time(hour, minute, second)?;
                    self.fraction = fraction;
                }
                Kind::Offset => set(&mut self.at, Zone::Offset(offset(field.text)?))?,
                Kind::Number => match prefix.take() {
                    Some(Prefix::Julian) => self.julian(field.text)?,
                    Some(Prefix::IsoTime) => self.digits(field.text, true)?,
                    Some(Prefix::Unit(unit)) => self.unit(unit, field.text)?,
                    None => self.bare_number(field.text, time_only)?,
                },
                Kind::Word => {
                    if prefix.is_some() {
                        return Err(Fault::Format);
                    }
                    prefix = self.word(field.text, rest.peek().copied().copied(), time_only)?;
                }
                Kind::SignedWord => match (field.text.as_bytes()[0], field.text[1..].trim_start()) {
                    (b'-', "infinity") => self.whole = Whole::MinusInfinity,
                    _ => return Err(Fault::Format),
                },
            }
        }
        if prefix.is_some() || self.whole != Whole::Fields && fields.len() > 1 {
            return Err(Fault::Format);
        }
        Ok(())
    }

    fn time(&mut self, hour: i64, minute: i64, second: i64) -> Parsed<()> {
        set(&mut self.hour, hour)?;
        set(&mut self.minute, minute)?;
        set(&mut self.second, second)
    }

    /// `040506.789-07` after a date.
    fn run_together(&mut self, text: &str) -> Parsed<()> {
        let sign = text.find('-').ok_or(Fault::Format)?;
        set(&mut self.at, Zone::Offset(offset(&text[sign..])?))?;
        self.digits(&text[..sign], true)
    }

    fn word(&mut self, word: &str, next: Option<Field<'_>>, time_only: bool) -> Parsed<Option<Prefix>> {
        if let Some(east) = abbreviation(word) {
            set(&mut self.at, Zone::Offset(east))?;
            return Ok(None);
        }
        match meaning(word) {
            Meaning::Month(month) => {
                // `8 January`: what looked like a month was the day.
                if let (Some(number), None, false) = (self.month, self.day, self.text_month)
                    && (1..=31).contains(&number)
                {
                    self.day = Some(number);
                    self.month = None;
                }
                self.text_month = true;
                set(&mut self.month, i64::from(month))?;
            }
            Meaning::Weekday | Meaning::Ignored => {}
            Meaning::Am => set(&mut self.afternoon, false)?,
            Meaning::Pm => set(&mut self.afternoon, true)?,
            Meaning::AnnoDomini => self.before_christ = false,
            Meaning::BeforeChrist => self.before_christ = true,
            Meaning::IsoTime => {
                if !(time_only || self.has_date() || self.month.is_some() && self.day.is_some()) {
                    return Err(Fault::Format);
                }
                if !next.is_some_and(|f| matches!(f.kind, Kind::Number | Kind::Time | Kind::Date)) {
                    return Err(Fault::Format);
                }
                return Ok(Some(Prefix::IsoTime));
            }
            Meaning::Julian => return Ok(Some(Prefix::Julian)),
            Meaning::Unit(unit) => return Ok(Some(Prefix::Unit(unit))),
            Meaning::Dst => match &mut self.at {
                Some(Zone::Offset(east)) => *east += 3600,
                _ => return Err(Fault::Format),
            },
            Meaning::Epoch => self.whole = Whole::Epoch,
            Meaning::Infinity => self.whole = Whole::Infinity,
            Meaning::Now => {
                let now = now_us();
                let local = now + i64::from(offset_at(now, self.zone)) * USECS_PER_SEC;
                set(&mut self.days, local.div_euclid(USECS_PER_DAY))?;
                let us = local.rem_euclid(USECS_PER_DAY);
                let seconds = us / USECS_PER_SEC;
                self.time(seconds / 3600, seconds / 60 % 60, seconds % 60)?;
                self.fraction = us % USECS_PER_SEC;
                set(&mut self.at, Zone::Named(*self.zone))?;
            }
            Meaning::Today(days) => {
                let now = now_us();
                let local = now + i64::from(offset_at(now, self.zone)) * USECS_PER_SEC;
                set(&mut self.days, local.div_euclid(USECS_PER_DAY) + days)?;
            }
            Meaning::AllBalls => {
                self.time(0, 0, 0)?;
                set(&mut self.at, Zone::Offset(0))?;
            }
            Meaning::Unknown => set(&mut self.at, Zone::Named(find_zone(word).ok_or(Fault::Format)?))?,
        }
        Ok(None)
    }

    fn julian(&mut self, text: &str) -> Parsed<()> {
        let point = text.find('.').unwrap_or(text.len());
        set(&mut self.days, integer(&text[..point])? - 2_440_588)?;
        if point < text.len() {
            let part: f64 = format!("0{}", &text[point..]).parse().map_err(|_| Fault::Format)?;
            let us = (part * USECS_PER_DAY as f64) as i64;
            let seconds = us / USECS_PER_SEC;
            self.time(seconds / 3600, seconds / 60 % 60, seconds % 60)?;
            self.fraction = us % USECS_PER_SEC;
        }
        Ok(())
    }

    fn unit(&mut self, unit: Unit, text: &str) -> Parsed<()> {
        let point = text.find('.').unwrap_or(text.len());
        let value = integer(&text[..point])?;
        if point < text.len() && unit != Unit::Second {
            return Err(Fault::Format);
        }
        match unit {
            Unit::Year => set(&mut self.year, value),
            // `m` is a month before the time, minutes within it.
            Unit::Month if self.hour.is_some() && self.minute.is_none() => set(&mut self.minute, value),
            Unit::Month => set(&mut self.month, value),
            Unit::Day => set(&mut self.day, value),
            Unit::Hour => set(&mut self.hour, value),
            Unit::Minute => set(&mut self.minute, value),
            Unit::Second => {
                set(&mut self.second, value)?;
                if point < text.len() {
                    self.fraction = fraction_us(&text[point..])?;
                }
                Ok(())
            }
        }
    }

    /// A number that no word introduced.
    fn bare_number(&mut self, text: &str, time_only: bool) -> Parsed<()> {
        let point = text.find('.');
        let date_known = time_only || self.has_date();
        match point {
            Some(_) if !date_known && self.year.is_none() && self.month.is_none() && self.day.is_none() => self.date(text),
            Some(point) if point > 2 => self.digits(text, date_known),
            None if text.len() >= 6 && (!date_known || !self.has_time()) => self.digits(text, date_known),
            _ if time_only => self.digits(text, true),
            _ => self.date_number(text),
        }
    }

    /// `1999-01-08`, `1/8/1999`, `08-Jan-1999`, `1999.008`.
    fn date(&mut self, text: &str) -> Parsed<()> {
        let mut parts: Vec<&str> = Vec::new();
        let mut start = None;
        let kind = |b: u8| (b.is_ascii_alphabetic(), b.is_ascii_digit());
        let bytes = text.as_bytes();
        for at in 0..=bytes.len() {
            let here = bytes.get(at).map_or((false, false), |b| kind(*b));
            if let Some(from) = start
                && here != kind(bytes[from])
            {
                parts.push(&text[from..at]);
                start = None;
            }
            if start.is_none() && here != (false, false) {
                start = Some(at);
            }
        }
        for word in parts.iter().filter(|p| p.as_bytes()[0].is_ascii_alphabetic()) {
            match meaning(word) {
                Meaning::Month(month) => {
                    set(&mut self.month, i64::from(month))?;
                    self.text_month = true;
                }
                Meaning::Weekday | Meaning::Ignored => {}
                _ => return Err(Fault::Format),
            }
        }
        for number in parts.iter().filter(|p| p.as_bytes()[0].is_ascii_digit()) {
            if self.has_date() {
                return Err(Fault::Format);
            }
            self.date_number(number)?;
        }
        if self.has_date() { Ok(()) } else { Err(Fault::Format) }
    }

    /// One number of a date: which part it is follows from the parts that are known.
    fn date_number(&mut self, text: &str) -> Parsed<()> {
        if let Some(point) = text.find('.') {
            if point > 2 {
                return self.digits(text, self.has_date());
            }
            self.fraction = fraction_us(&text[point..])?;
        }
        let whole = &text[..text.find('.').unwrap_or(text.len())];
        if self.has_date() {
            return self.digits(text, true);
        }
        let value = if whole.is_empty() { 0 } else { integer(whole)? };
        let width = text.len();
        let short = width <= 2;
        match (self.year, self.month, self.day) {
            (Some(_), None, None) if width == 3 && (1..=366).contains(&value) => self.day_of_year = Some(value),
            (None, None, None) | (None, Some(_), None) if width >= 3 && (self.month.is_none() || self.text_month) => {
                self.year = Some(value);
                self.two_digits = false;
            }
            (None, None, None) => self.month = Some(value),
            (Some(_), None, None) | (None | Some(_), None, Some(_)) => self.month = Some(value),
            (None, Some(_), None) => self.day = Some(value),
            (Some(year), Some(_), None) => {
                if self.text_month && width >= 3 && self.two_digits {
                    // `08-Jan-1999`: the first number was the day after all.
                    self.day = Some(year);
                    self.year = Some(value);
                    self.two_digits = false;
                } else {
                    self.day = Some(value);
                }
            }
            (None, Some(_), Some(_)) => {
                self.year = Some(value);
                self.two_digits = short;
            }
            (Some(_), Some(_), Some(_)) => return Err(Fault::Format),
        }
        Ok(())
    }

    /// Digits without separators: `20011223`, `040506.789`, `0405`.
    fn digits(&mut self, text: &str, date_known: bool) -> Parsed<()> {
        let point = text.find('.');
        let (whole, fraction) = text.split_at(point.unwrap_or(text.len()));
        if !whole.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Fault::Format);
        }
        let width = whole.len();
        if point.is_some() {
            self.fraction = fraction_us(fraction)?;
        } else if !date_known && width >= 6 {
            set(&mut self.day, integer(&whole[width - 2..])?)?;
            set(&mut self.month, integer(&whole[width - 4..width - 2])?)?;
            set(&mut self.year, integer(&whole[..width - 4])?)?;
            self.two_digits = width == 6;
            return Ok(());
        }
        if self.has_time() {
            return Err(Fault::Format);
        }
        match width {
            6 => self.time(integer(&whole[..2])?, integer(&whole[2..4])?, integer(&whole[4..])?),
            4 => self.time(integer(&whole[..2])?, integer(&whole[2..])?, 0),
            _ => Err(Fault::Format),
        }
    }

    /// Days since 1970.
    fn day_number(&self) -> Parsed<Option<i64>> {
        if let Some(days) = self.days {
            let other = self.year.or(self.month).or(self.day).or(self.day_of_year);
            return if other.is_none() { Ok(Some(days)) } else { Err(Fault::Format) };
        }
        let year = match self.year {
            None => None,
            Some(year) if self.before_christ && year > 0 => Some(1 - year),
            Some(_) if self.before_christ => return Err(Fault::Overflow),
            Some(year) if self.two_digits => Some(if year < 70 {
                year + 2000
            } else if year < 100 {
                year + 1900
            } else {
                year
            }),
            Some(year) if year > 0 => Some(year),
            Some(_) => return Err(Fault::Overflow),
        };
        if let (Some(year), Some(day)) = (year, self.day_of_year) {
            return Ok(Some(days_from_civil(year, 1, 1) + day - 1));
        }
        if self.month.is_some_and(|m| !(1..=12).contains(&m)) || self.day.is_some_and(|d| !(1..=31).contains(&d)) {
            return Err(Fault::MonthOrDay);
        }
        let (Some(year), Some(month), Some(day)) = (year, self.month, self.day) else { return Ok(None) };
        let days = days_from_civil(year, month as u32, day as u32);
        // 30 February would read back as another day.
        if civil_from_days(days) != (year, month as u32, day as u32) {
            return Err(Fault::Overflow);
        }
        Ok(Some(days))
    }

    /// Microseconds since midnight, where any part of a time was given.
    fn time_of_day(&self) -> Parsed<Option<i64>> {
        if self.hour.is_none() && (self.minute.is_some() || self.second.is_some()) {
            return Err(Fault::Format);
        }
        // A bare `PM` is noon.
        let Some(mut hour) = self.hour.or(self.afternoon.map(|_| 0)) else { return Ok(None) };
        if let Some(afternoon) = self.afternoon {
            if hour > 12 {
                return Err(Fault::Overflow);
            }
            hour = hour % 12 + if afternoon { 12 } else { 0 };
        }
        let (minute, second) = (self.minute.unwrap_or(0), self.second.unwrap_or(0));
        if hour > 24 || minute > 59 || second > 60 {
            return Err(Fault::Overflow);
        }
        let us = ((hour * 60 + minute) * 60 + second) * USECS_PER_SEC + self.fraction;
        if us > USECS_PER_DAY { Err(Fault::Overflow) } else { Ok(Some(us)) }
    }
}

enum Moment {
    /// Days since 1970, microseconds in the day, and the zone if one was named.
    At(i64, i64, Option<Zone>),
    Epoch,
    Infinity,
    MinusInfinity,
}

fn moment(text: &str, zone: &Tz) -> Parsed<Moment> {
    let lower = text.to_ascii_lowercase();
    let fields = cut(&lower)?;
    let mut decoder = Decoder::new(zone);
    decoder.decode(&fields, false)?;
    match decoder.whole {
        Whole::Epoch => return Ok(Moment::Epoch),
        Whole::Infinity => return Ok(Moment::Infinity),
        Whole::MinusInfinity => return Ok(Moment::MinusInfinity),
        Whole::Fields => {}
    }
    let days = decoder.day_number()?;
    let time = decoder.time_of_day()?;
    Ok(Moment::At(days.ok_or(Fault::Format)?, time.unwrap_or(0), decoder.at))
}

/// From Julian day 0 to the end of 5874897: what PostgreSQL's dates hold.
const DATES: std::ops::Range<i64> = -2_440_588..2_145_042_906;
/// From 4714-11-24 BC, where PostgreSQL's timestamps begin, to 294247, where microseconds since 1970 end;
/// PostgreSQL's, since 2000, end with 294276.
const TIMESTAMPS: std::ops::Range<i64> = -210_866_803_200_000_000..i64::MAX;

fn two(bytes: &[u8], at: usize) -> Option<u32> {
    match bytes[at..at + 2] {
        [a @ b'0'..=b'9', b @ b'0'..=b'9'] => Some(u32::from(a - b'0') * 10 + u32::from(b - b'0')),
        _ => None,
    }
}

/// `YYYY-MM-DD` of a year from 1000 on and a day that exists.
fn iso_date(bytes: &[u8]) -> Option<i64> {
    if bytes.len() < 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let year = i64::from(two(bytes, 0)? * 100 + two(bytes, 2)?);
    let (month, day) = (two(bytes, 5)?, two(bytes, 8)?);
    let exists = year >= 1000 && (1..=12).contains(&month) && day >= 1 && (day <= 28 || day <= month_length(year, month));
    exists.then(|| days_from_civil(year, month, day))
}

fn month_length(year: i64, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// `HH:MM:SS` with at most six digits after a point.
fn iso_time(bytes: &[u8]) -> Option<i64> {
    if bytes.len() < 8 || bytes[2] != b':' || bytes[5] != b':' {
        return None;
    }
    let (hour, minute, second) = (two(bytes, 0)?, two(bytes, 3)?, two(bytes, 6)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut us = i64::from((hour * 60 + minute) * 60 + second) * USECS_PER_SEC;
    match &bytes[8..] {
        [] => {}
        [b'.', digits @ ..] if digits.len() <= 6 && digits.iter().all(|b| b.is_ascii_digit()) => {
            let value = digits.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0'));
            us += value * 10i64.pow(6 - digits.len() as u32);
        }
        _ => return None,
    }
    Some(us)
}

#[path = "parse_datetime_entry.rs"]
mod entry;

pub use entry::{parse_date, parse_date_in, parse_time, parse_time_in, parse_timestamp, parse_timestamp_in, parse_timestamptz};

#[cfg(test)]
#[path = "parse_datetime_tests.rs"]
mod tests;
