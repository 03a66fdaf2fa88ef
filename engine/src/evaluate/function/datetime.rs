//! Dates, times and intervals.

use super::{Call, Line, call, set};
use crate::error::{Condition, Error, Result};
use crate::evaluate::cast::{date_to_timestamp, to_local};
use crate::evaluate::coerce;
use crate::evaluate::datum::{Datum, Interval};
use crate::types::numeric::Numeric;
use crate::types::text::{USECS_PER_DAY, USECS_PER_SEC, civil_from_days, days_from_civil, find_zone, local_to_utc, offset_at};
use crate::types::{Base, SqlType};

const USECS_PER_HOUR: i64 = 3_600 * USECS_PER_SEC;
/// 4714-11-24 BC, where PostgreSQL's calendar begins.
const MIN_TIMESTAMP: i64 = -210_866_803_200_000_000;
/// Where it ends: microseconds since 1970 reach the year 294247, PostgreSQL's since 2000 reach 294276.
const END_TIMESTAMP: i64 = i64::MAX;
const MIN_DATE: i64 = -2_440_588;
const END_DATE: i64 = 2_145_042_541;

fn timestamp_range() -> Error {
    Error::new(Condition::DatetimeFieldOverflow, "timestamp out of range")
}

fn interval_range() -> Error {
    Error::new(Condition::DatetimeFieldOverflow, "interval out of range")
}

fn is_infinite(us: i64) -> bool {
    us == i64::MAX || us == i64::MIN
}

fn checked_timestamp(us: i64) -> Result<i64> {
    if is_infinite(us) || (MIN_TIMESTAMP..END_TIMESTAMP).contains(&us) { Ok(us) } else { Err(timestamp_range()) }
}

fn rewrap(like: &Datum, us: i64) -> Datum {
    if matches!(like, Datum::Timestamptz(_)) { Datum::Timestamptz(us) } else { Datum::Timestamp(us) }
}

/// The opposite interval.
pub fn negate(v: Interval) -> Result<Interval> {
    let (months, days, us) = (v.months.checked_neg(), v.days.checked_neg(), v.us.checked_neg());
    match (months, days, us) {
        (Some(months), Some(days), Some(us)) => Ok(Interval { months, days, us }),
        _ => Err(interval_range()),
    }
}

/// The sum of two intervals, field by field.
pub fn add(a: Interval, b: Interval) -> Result<Interval> {
    match (a.months.checked_add(b.months), a.days.checked_add(b.days), a.us.checked_add(b.us)) {
        (Some(months), Some(days), Some(us)) => Ok(Interval { months, days, us }),
        _ => Err(interval_range()),
    }
}

/// `date + days`
pub fn add_days(date: i64, days: i64) -> Result<Datum> {
    if date == i64::from(i32::MAX) || date == i64::from(i32::MIN) {
        return Ok(Datum::Date(date as i32));
    }
    let sum = date + days;
    if (MIN_DATE..END_DATE).contains(&sum) {
        Ok(Datum::Date(sum as i32))
    } else {
        Err(Error::new(Condition::DatetimeFieldOverflow, "date out of range"))
    }
}

/// `date - date`
pub fn days_between(a: &Datum, b: &Datum) -> Result<Datum> {
    let infinite = |d: &Datum| matches!(d, Datum::Date(i32::MAX | i32::MIN));
    if infinite(a) || infinite(b) {
        return Err(Error::new(Condition::DatetimeFieldOverflow, "cannot subtract infinite dates"));
    }
    i32::try_from(a.ticks() - b.ticks()).map(Datum::Int4).map_err(|_| Error::out_of_range("integer"))
}

fn days_in_month(year: i64, month: u32) -> u32 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// A local time moved by an interval's months, then days; the time of day stays.
fn shift_days(us: i64, v: Interval) -> Result<i64> {
    let mut days = us.div_euclid(USECS_PER_DAY);
    let time = us.rem_euclid(USECS_PER_DAY);
    if v.months != 0 {
        let (year, month, day) = civil_from_days(days);
        let months = year * 12 + i64::from(month) - 1 + i64::from(v.months);
        let (year, month) = (months.div_euclid(12), months.rem_euclid(12) as u32 + 1);
        if !(-4800..=300_000).contains(&year) {
            return Err(timestamp_range());
        }
        days = days_from_civil(year, month, day.min(days_in_month(year, month)));
    }
    days += i64::from(v.days);
    days.checked_mul(USECS_PER_DAY).and_then(|d| d.checked_add(time)).ok_or_else(timestamp_range)
}

/// A moment, or without a zone a local time, and an interval later.
pub fn moved(us: i64, v: Interval, zone: Option<&chrono_tz::Tz>) -> Result<i64> {
    if is_infinite(us) {
        return Ok(us);
    }
    let shifted = |at: i64, v: Interval| match zone {
        Some(zone) => Ok(local_to_utc(shift_days(to_local(at, zone), v)?, zone)),
        None => shift_days(at, v),
    };
    // One after the other: a time that the clocks skip moves before the days are counted.
    let mut at = us;
    if v.months != 0 {
        at = shifted(at, Interval { days: 0, us: 0, ..v })?;
    }
    if v.days != 0 {
        at = shifted(at, Interval { months: 0, us: 0, ..v })?;
    }
    checked_timestamp(at.checked_add(v.us).ok_or_else(timestamp_range)?)
}

/// `timestamp + interval` and `timestamptz + interval`
pub fn plus_interval(c: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    let zone = matches!(a[0], Datum::Timestamptz(_)).then_some(&c.ctx.zone);
    Ok(rewrap(&a[0], moved(a[0].ticks(), a[1].interval(), zone)?))
}

/// `date + interval`
pub fn date_plus_interval(_: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    let Datum::Date(days) = a[0] else { return Ok(Datum::Null) };
    Ok(Datum::Timestamp(moved(date_to_timestamp(days)?, a[1].interval(), None)?))
}

/// `date + time`
pub fn date_plus_time(_: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    let Datum::Date(days) = a[0] else { return Ok(Datum::Null) };
    let midnight = date_to_timestamp(days)?;
    Ok(Datum::Timestamp(if is_infinite(midnight) { midnight } else { checked_timestamp(midnight.saturating_add(a[1].ticks()))? }))
}

/// A time of day moved around the clock.
pub fn time_plus(time: i64, us: i64) -> Datum {
    Datum::Time((time + us % USECS_PER_DAY).rem_euclid(USECS_PER_DAY))
}

/// `timestamp - timestamp`: days of 24 hours and the rest.
pub fn difference(_: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    let (x, y) = (a[0].ticks(), a[1].ticks());
    if is_infinite(x) || is_infinite(y) {
        return Err(Error::new(Condition::DatetimeFieldOverflow, "cannot subtract infinite timestamps"));
    }
    let us = x.checked_sub(y).ok_or_else(interval_range)?;
    Ok(Datum::Interval(justify_hours(Interval { months: 0, days: 0, us })))
}

fn justify_hours(v: Interval) -> Interval {
    let mut days = v.days.saturating_add((v.us / USECS_PER_DAY) as i32);
    let mut us = v.us % USECS_PER_DAY;
    if days > 0 && us < 0 {
        us += USECS_PER_DAY;
        days -= 1;
    } else if days < 0 && us > 0 {
        us -= USECS_PER_DAY;
        days += 1;
    }
    Interval { months: v.months, days, us }
}

fn justify_days(v: Interval) -> Interval {
    let mut months = v.months.saturating_add(v.days / 30);
    let mut days = v.days % 30;
    if months > 0 && days < 0 {
        days += 30;
        months -= 1;
    } else if months < 0 && days > 0 {
        days -= 30;
        months += 1;
    }
    Interval { months, days, us: v.us }
}

fn justify(v: Interval) -> Interval {
    let mut v = justify_days(justify_hours(v));
    if v.months > 0 && (v.days < 0 || (v.days == 0 && v.us < 0)) {
        v.days += 30;
        v.months -= 1;
    } else if v.months < 0 && (v.days > 0 || (v.days == 0 && v.us > 0)) {
        v.days -= 30;
        v.months += 1;
    }
    if v.days > 0 && v.us < 0 {
        v.us += USECS_PER_DAY;
        v.days -= 1;
    } else if v.days < 0 && v.us > 0 {
        v.us -= USECS_PER_DAY;
        v.days += 1;
    }
    v
}

fn spread(months: f64, days: f64, us: f64) -> Result<Datum> {
    // Fractions of a month become days, of a day microseconds, as interval_mul and interval_div spill them.
    let whole_months = months.trunc();
    let month_days = (months - whole_months) * 30.0;
    let month_days = (month_days * 1e6).round() / 1e6;
    let whole_days = days.trunc();
    let mut spill = month_days - month_days.trunc() + (days - whole_days);
    spill = (spill * 86_400.0 * 1e6).round() / 1e6;
    let mut total_days = whole_days + month_days.trunc();
    if spill.abs() >= 86_400.0 {
        total_days += (spill / 86_400.0).trunc();
        spill -= (spill / 86_400.0).trunc() * 86_400.0;
    }
    let us = (us + spill * 1e6).round_ties_even();
    let fits = |v: f64, limit: f64| v.is_finite() && v.abs() < limit;
    if !fits(whole_months, 2_147_483_648.0) || !fits(total_days, 2_147_483_648.0) || !fits(us, 9.223_372_036_854_775e18) {
        return Err(interval_range());
    }
    Ok(Datum::Interval(Interval { months: whole_months as i32, days: total_days as i32, us: us as i64 }))
}

/// `interval * number`
pub fn scale(v: Interval, by: f64) -> Result<Datum> {
    spread(f64::from(v.months) * by, f64::from(v.days) * by, v.us as f64 * by)
}

/// `interval / number`
pub fn divide(v: Interval, by: f64) -> Result<Datum> {
    spread(f64::from(v.months) / by, f64::from(v.days) / by, v.us as f64 / by)
}

/// The fields of a moment, as the clocks show it.
#[derive(Debug, Clone, Copy)]
pub struct Fields {
    /// Year; 0 is 1 BC.
    pub year: i64,
    /// 1 to 12; for an interval 0 to 11.
    pub month: i64,
    /// 1 to 31.
    pub day: i64,
    /// Microseconds of the day; of an interval any.
    pub us: i64,
}

impl Fields {
    /// Of a local time.
    pub fn of(us: i64) -> Self {
        let (year, month, day) = civil_from_days(us.div_euclid(USECS_PER_DAY));
        Self { year, month: i64::from(month), day: i64::from(day), us: us.rem_euclid(USECS_PER_DAY) }
    }

    /// The day since 1970.
    pub fn date(self) -> i64 {
        days_from_civil(self.year, self.month.clamp(1, 12) as u32, self.day.clamp(1, 31) as u32)
    }

    /// Sunday is 0.
    pub fn weekday(self) -> i64 {
        (self.date() + 4).rem_euclid(7)
    }

    /// The first of January is 1.
    pub fn day_of_year(self) -> i64 {
        self.date() - days_from_civil(self.year, 1, 1) + 1
    }

    /// The year and week of ISO 8601.
    pub fn iso_week(self) -> (i64, i64) {
        let monday = self.date() - (self.weekday() + 6) % 7;
        let thursday = monday + 3;
        let (year, _, _) = civil_from_days(thursday);
        (year, (thursday - days_from_civil(year, 1, 1)) / 7 + 1)
    }
}

fn unit(name: &str) -> String {
    let lower = name.trim().to_lowercase();
    match lower.as_str() {
        "years" | "y" | "yr" | "yrs" => "year",
        "months" | "mon" | "mons" => "month",
        "days" | "d" => "day",
        "hours" | "h" | "hr" | "hrs" => "hour",
        "minutes" | "m" | "min" | "mins" => "minute",
        "seconds" | "s" | "sec" | "secs" => "second",
        "milliseconds" | "millisecond" | "ms" | "msec" | "msecs" | "msecond" | "mseconds" => "milliseconds",
        "microseconds" | "microsecond" | "us" | "usec" | "usecs" | "usecond" | "useconds" => "microseconds",
        "weeks" | "w" => "week",
        "quarters" | "qtr" => "quarter",
        "decades" | "dec" | "decs" => "decade",
        "centuries" | "c" | "cent" => "century",
        "millennia" | "mil" | "mils" | "millenniums" | "millenium" => "millennium",
        _ => return lower,
    }
    .to_owned()
}

fn unsupported_unit(field: &str, t: SqlType) -> Error {
    Error::new(Condition::FeatureNotSupported, format!("unit \"{field}\" not supported for type {}", coerce::shown(t)))
}

fn unknown_unit(field: &str, t: SqlType) -> Error {
    Error::new(Condition::InvalidParameterValue, format!("unit \"{field}\" not recognized for type {}", coerce::shown(t)))
}

fn year_shown(year: i64) -> i64 {
    if year > 0 { year } else { year - 1 }
}

fn century(year: i64, span: i64) -> i64 {
    if year > 0 { (year + span - 1) / span } else { -((span - 1 - (year - 1)) / span) }
}

/// A field of a moment, a time or an interval: `extract(field from value)`.
fn extract(c: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    let name = a[0].str();
    let field = unit(name);
    let of = c.types[1];
    let whole = |v: i64| Ok(Datum::numeric(Numeric::from(v)));
    let scaled = |v: i128, scale: i8| Ok(Datum::numeric(Numeric::from_i128(v, scale)));
    if let Datum::Interval(v) = &a[1] {
        let (months, us) = (i64::from(v.months), v.us);
        return match field.as_str() {
            "microseconds" => whole(us % (60 * USECS_PER_SEC)),
            "milliseconds" => scaled(i128::from(us % (60 * USECS_PER_SEC)), 3),
            "second" => scaled(i128::from(us % (60 * USECS_PER_SEC)), 6),
            "minute" => whole(us / (60 * USECS_PER_SEC) % 60),
            "hour" => whole(us / USECS_PER_HOUR),
            "day" => whole(v.days.into()),
            "month" => whole(months % 12),
            "quarter" => whole(months % 12 / 3 + 1),
            "year" => whole(months / 12),
            "decade" => whole(months / 120),
            "century" => whole(months / 1200),
            "millennium" => whole(months / 12_000),
            "epoch" => {
                // A year counts 365.25 days, a month 30.
                let days = i128::from(months / 12) * 36_525 / 100 * 4 + i128::from(months / 12) * 36_525 % 100 * 4 / 100;
                let quarter_days = days + i128::from(months % 12) * 120 + i128::from(v.days) * 4;
                scaled(quarter_days * i128::from(USECS_PER_DAY / 4) + i128::from(us), 6)
            }
            "week" | "dow" | "doy" | "isodow" | "isoyear" | "julian" | "timezone" | "timezone_hour" | "timezone_minute" => {
                Err(unsupported_unit(name, of))
            }
            _ => Err(unknown_unit(name, of)),
        };
    }
    let is_time = matches!(a[1], Datum::Time(_));
    let (local, offset) = match &a[1] {
        Datum::Time(v) => (*v, None),
        Datum::Date(v) => (date_to_timestamp(*v)?, None),
        Datum::Timestamptz(v) => (to_local(*v, &c.ctx.zone), Some((*v, offset_at(*v, &c.ctx.zone)))),
        other => (other.ticks(), None),
    };
    let time_field = matches!(field.as_str(), "microseconds" | "milliseconds" | "second" | "minute" | "hour");
    if matches!(a[1], Datum::Date(_)) && (time_field || field.starts_with("timezone")) {
        return Err(unsupported_unit(name, of));
    }
    if !is_time && is_infinite(local) {
        return match field.as_str() {
            "year" | "decade" | "century" | "millennium" | "epoch" | "julian" | "isoyear" => {
                Ok(Datum::numeric(if local > 0 { Numeric::Infinity } else { Numeric::NegativeInfinity }))
            }
            _ => Ok(Datum::Null),
        };
    }
    let f = Fields::of(local);
    let minute_us = i128::from(f.us % (60 * USECS_PER_SEC));
    match field.as_str() {
        "microseconds" => return whole(minute_us as i64),
        "milliseconds" => return scaled(minute_us, 3),
        "second" => return scaled(minute_us, 6),
        "minute" => return whole(f.us / (60 * USECS_PER_SEC) % 60),
        "hour" => return whole(f.us / USECS_PER_HOUR),
        "epoch" if is_time => return scaled(f.us.into(), 6),
        _ if is_time => {}
        "day" => return whole(f.day),
        "month" => return whole(f.month),
        "quarter" => return whole((f.month - 1) / 3 + 1),
        "week" => return whole(f.iso_week().1),
        "year" => return whole(year_shown(f.year)),
        "isoyear" => return whole(year_shown(f.iso_week().0)),
        "decade" => return whole(f.year.div_euclid(10)),
        "century" => return whole(century(f.year, 100)),
        "millennium" => return whole(century(f.year, 1000)),
        "dow" => return whole(f.weekday()),
        "isodow" => return whole((f.weekday() + 6) % 7 + 1),
        "doy" => return whole(f.day_of_year()),
        "julian" => {
            let day = f.date() + 2_440_588;
            if matches!(a[1], Datum::Date(_)) {
                return whole(day);
            }
            let fraction = Numeric::from(f.us).div(&Numeric::from(USECS_PER_DAY))?;
            return Ok(Datum::numeric(Numeric::from(day).add(&fraction)?));
        }
        "epoch" if matches!(a[1], Datum::Date(_)) => return whole(f.date() * 86_400),
        "epoch" => return scaled(offset.map_or(local, |(utc, _)| utc).into(), 6),
        "timezone" | "timezone_hour" | "timezone_minute" => {
            let Some((_, east)) = offset else { return Err(unsupported_unit(name, of)) };
            return whole(i64::from(match field.as_str() {
                "timezone" => east,
                "timezone_hour" => east / 3600,
                _ => east / 60 % 60,
            }));
        }
        _ => {}
    }
    const KNOWN: [&str; 15] = [
        "day",
        "month",
        "quarter",
        "week",
        "year",
        "isoyear",
        "decade",
        "century",
        "millennium",
        "dow",
        "isodow",
        "doy",
        "julian",
        "timezone",
        "timezone_hour",
    ];
    Err(if KNOWN.contains(&field.as_str()) { unsupported_unit(name, of) } else { unknown_unit(name, of) })
}

fn date_part(c: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    Ok(match extract(c, a)? {
        Datum::Numeric(v) => Datum::Float8(v.to_f64()),
        other => other,
    })
}

/// What `date_trunc` cuts a moment to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Nothing is cut.
    Microseconds,
    /// A thousandth of a second.
    Milliseconds,
    /// A second.
    Second,
    /// A minute.
    Minute,
    /// An hour.
    Hour,
    /// A day.
    Day,
    /// A week, which begins on Monday.
    Week,
    /// A month.
    Month,
    /// Three months.
    Quarter,
    /// A year.
    Year,
    /// Ten years, the first of which ends in 0.
    Decade,
    /// A hundred years, the first of which ends in 01.
    Century,
    /// A thousand years, the first of which ends in 001.
    Millennium,
}

impl Cut {
    /// The one of that name, for values of a type.
    pub fn named(name: &str, of: SqlType) -> Result<Self> {
        Ok(match unit(name).as_str() {
            "microseconds" => Self::Microseconds,
            "milliseconds" => Self::Milliseconds,
            "second" => Self::Second,
            "minute" => Self::Minute,
            "hour" => Self::Hour,
            "day" => Self::Day,
            "week" => Self::Week,
            "month" => Self::Month,
            "quarter" => Self::Quarter,
            "year" => Self::Year,
            "decade" => Self::Decade,
            "century" => Self::Century,
            "millennium" => Self::Millennium,
            "dow" | "doy" | "isodow" | "isoyear" | "epoch" | "julian" | "timezone" | "timezone_hour" | "timezone_minute" => {
                return Err(unsupported_unit(name, of));
            }
            _ => return Err(unknown_unit(name, of)),
        })
    }

    /// How many microseconds it is, where that is the same everywhere and less than a day.
    pub fn width(self) -> Option<i64> {
        match self {
            Self::Microseconds => Some(1),
            Self::Milliseconds => Some(1000),
            Self::Second => Some(USECS_PER_SEC),
            Self::Minute => Some(60 * USECS_PER_SEC),
            Self::Hour => Some(USECS_PER_HOUR),
            Self::Day
            | Self::Week
            | Self::Month
            | Self::Quarter
            | Self::Year
            | Self::Decade
            | Self::Century
            | Self::Millennium => None,
        }
    }

    /// A local time, cut.
    fn local(self, us: i64) -> i64 {
        if let Some(width) = self.width() {
            return us - us.rem_euclid(width);
        }
        let f = Fields::of(us);
        let first = |year: i64, month: i64| days_from_civil(year, month as u32, 1) * USECS_PER_DAY;
        match self {
            Self::Week => (f.date() - (f.weekday() + 6) % 7) * USECS_PER_DAY,
            Self::Month => first(f.year, f.month),
            Self::Quarter => first(f.year, (f.month - 1) / 3 * 3 + 1),
            Self::Year => first(f.year, 1),
            Self::Decade => first(f.year.div_euclid(10) * 10, 1),
            Self::Century => first((f.year - 1).div_euclid(100) * 100 + 1, 1),
            Self::Millennium => first((f.year - 1).div_euclid(1000) * 1000 + 1, 1),
            Self::Microseconds | Self::Milliseconds | Self::Second | Self::Minute | Self::Hour | Self::Day => {
                us - us.rem_euclid(USECS_PER_DAY)
            }
        }
    }

    /// A moment, cut by the clocks of a zone, or, without one, a local time. Infinities stay.
    pub fn of(self, us: i64, zone: Option<Zone>) -> i64 {
        match zone {
            _ if is_infinite(us) => us,
            None => self.local(us),
            // Below a day the offset stays, so that an hour that comes twice stays the one it is.
            Some(zone) if self.width().is_some() => {
                let east = zone.local(us) - us;
                self.local(us + east) - east
            }
            Some(zone) => zone.utc(self.local(zone.local(us))),
        }
    }
}

fn date_trunc(c: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    let cut = Cut::named(a[0].str(), c.types[1])?;
    if let Datum::Interval(v) = &a[1] {
        let months = |unit: i32| Interval { months: v.months / unit * unit, days: 0, us: 0 };
        let us = |unit: i64| Interval { us: v.us / unit * unit, ..*v };
        return Ok(Datum::Interval(match cut {
            Cut::Microseconds => *v,
            Cut::Milliseconds => us(1000),
            Cut::Second => us(USECS_PER_SEC),
            Cut::Minute => us(60 * USECS_PER_SEC),
            Cut::Hour => us(USECS_PER_HOUR),
            Cut::Day => Interval { us: 0, ..*v },
            Cut::Month => months(1),
            Cut::Quarter => months(3),
            Cut::Year => months(12),
            Cut::Decade => months(120),
            Cut::Century => months(1200),
            Cut::Millennium => months(12_000),
            Cut::Week => {
                return Err(unsupported_unit(a[0].str(), c.types[1]).detail("Months usually have fractional weeks."));
            }
        }));
    }
    let zone = match (&a[1], a.get(2)) {
        (Datum::Timestamptz(_), Some(zone)) => Some(zone_named(zone.str())?),
        (Datum::Timestamptz(_), None) => Some(Zone::Named(c.ctx.zone)),
        (_, _) => None,
    };
    Ok(rewrap(&a[1], cut.of(a[1].ticks(), zone)))
}

/// A time zone by name or by offset.
#[derive(Debug, Clone, Copy)]
pub enum Zone {
    /// A named one.
    Named(chrono_tz::Tz),
    /// So many microseconds east of Greenwich.
    Offset(i64),
}

impl Zone {
    /// What its clocks show at a moment.
    pub fn local(self, us: i64) -> i64 {
        match self {
            _ if is_infinite(us) => us,
            Self::Named(zone) => to_local(us, &zone),
            Self::Offset(east) => us.saturating_add(east),
        }
    }

    /// The moment at which its clocks show this.
    pub fn utc(self, us: i64) -> i64 {
        match self {
            _ if is_infinite(us) => us,
            Self::Named(zone) => local_to_utc(us, &zone),
            Self::Offset(east) => us.saturating_sub(east),
        }
    }
}

/// The zone of that name. `+2` is POSIX's spelling: two hours west.
pub fn zone_named(name: &str) -> Result<Zone> {
    if let Some(zone) = find_zone(name) {
        return Ok(Zone::Named(zone));
    }
    // The parser of timestamps knows abbreviations and offsets: ask it what this zone makes of a known moment.
    let probe = crate::types::text::parse_timestamptz(&format!("2000-01-01 00:00:00 {name}"), &chrono_tz::Tz::UTC);
    const MOMENT: i64 = 946_684_800_000_000;
    match probe {
        Ok(us) if !name.is_empty() => {
            let east = MOMENT - us;
            let posix = name.starts_with(['+', '-']);
            Ok(Zone::Offset(if posix { -east } else { east }))
        }
        _ => Err(Error::new(Condition::InvalidParameterValue, format!("time zone \"{name}\" not recognized"))),
    }
}

fn at_zone(zone: Zone, value: &Datum) -> Datum {
    match value {
        Datum::Timestamptz(v) => Datum::Timestamp(zone.local(*v)),
        other => Datum::Timestamptz(zone.utc(other.ticks())),
    }
}

fn timezone(_: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    Ok(at_zone(zone_named(a[0].str())?, &a[1]))
}

fn timezone_interval(_: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    Ok(at_zone(Zone::Offset(a[0].interval().us), &a[1]))
}

/// `age`: years, months, days between two moments.
fn age(c: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    let local = |d: &Datum| if let Datum::Timestamptz(v) = d { to_local(*v, &c.ctx.zone) } else { d.ticks() };
    let (mut from, mut to) = (local(&a[1]), local(&a[0]));
    if is_infinite(from) || is_infinite(to) {
        return Err(timestamp_range());
    }
    let negative = to < from;
    if negative {
        std::mem::swap(&mut from, &mut to);
    }
    let (x, y) = (Fields::of(to), Fields::of(from));
    let mut us = x.us - y.us;
    let mut days = x.day - y.day;
    let mut months = (x.year - y.year) * 12 + x.month - y.month;
    if us < 0 {
        us += USECS_PER_DAY;
        days -= 1;
    }
    if days < 0 {
        // The lacking days are those of the month of the earlier moment.
        days += i64::from(days_in_month(y.year, y.month as u32));
        months -= 1;
    }
    let v = Interval { months: i32::try_from(months).map_err(|_| interval_range())?, days: days as i32, us };
    Ok(Datum::Interval(if negative { negate(v)? } else { v }))
}

fn age_today(c: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    let now = to_local(c.ctx.env.transaction_time(), &c.ctx.zone);
    let today = now - now.rem_euclid(USECS_PER_DAY);
    let other = if let Datum::Timestamptz(v) = &a[0] { to_local(*v, &c.ctx.zone) } else { a[0].ticks() };
    age(c, &[Datum::Timestamp(today), Datum::Timestamp(other)])
}

/// The time by the computer's clock; microseconds since 1970.
pub fn clock() -> i64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |d| i64::try_from(d.as_micros()).unwrap_or(i64::MAX))
}

fn to_timestamp(_: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    let seconds = a[0].float();
    if seconds.is_nan() {
        return Err(Error::new(Condition::DatetimeFieldOverflow, "timestamp cannot be NaN"));
    }
    if seconds.is_infinite() {
        return Ok(Datum::Timestamptz(if seconds > 0.0 { i64::MAX } else { i64::MIN }));
    }
    let us = (seconds * 1e6).round_ties_even();
    if us < MIN_TIMESTAMP as f64 || us >= END_TIMESTAMP as f64 {
        return Err(Error::new(Condition::DatetimeFieldOverflow, format!("timestamp out of range: \"{seconds}\"")));
    }
    Ok(Datum::Timestamptz(us as i64))
}

fn field_range(what: &str) -> Error {
    Error::new(Condition::DatetimeFieldOverflow, format!("{what} field value out of range"))
}

fn make_day(a: &[Datum]) -> Result<i64> {
    let (year, month, day) = (a[0].int(), a[1].int(), a[2].int());
    let bad =
        || Error::new(Condition::DatetimeFieldOverflow, format!("date field value out of range: {year}-{month:02}-{day:02}"));
    let year = if year < 0 {
        year + 1
    } else if year == 0 {
        return Err(bad());
    } else {
        year
    };
    let month = u32::try_from(month).ok().filter(|m| (1..=12).contains(m)).ok_or_else(bad)?;
    let in_month = i64::from(days_in_month(year, month));
    if !(1..=in_month).contains(&day) || !(-4713..=294_276).contains(&year) {
        return Err(bad());
    }
    Ok(days_from_civil(year, month, day as u32))
}

fn make_us(a: &[Datum]) -> Result<i64> {
    let (hour, minute, second) = (a[0].int(), a[1].int(), a[2].float());
    if !(0..=24).contains(&hour)
        || !(0..60).contains(&minute)
        || !(0.0..=60.0).contains(&second)
        || (hour == 24 && (minute > 0 || second > 0.0))
    {
        return Err(field_range(&format!("time: {hour}:{minute:02}:{second:02} ")).detail(""));
    }
    Ok((hour * 60 + minute) * 60 * USECS_PER_SEC + (second * 1e6).round_ties_even() as i64)
}

fn make_timestamp(a: &[Datum]) -> Result<i64> {
    checked_timestamp(make_day(a)? * USECS_PER_DAY + make_us(&a[3..])?)
}

fn make_interval(_: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    let at = |i: usize| a.get(i).map_or(0, Datum::int);
    let months = at(0).checked_mul(12).and_then(|m| m.checked_add(at(1))).and_then(|m| i32::try_from(m).ok());
    let days = at(2).checked_mul(7).and_then(|d| d.checked_add(at(3))).and_then(|d| i32::try_from(d).ok());
    let seconds = a.get(6).map_or(0.0, Datum::float);
    let us = (at(4) as f64).mul_add(3600.0, at(5) as f64 * 60.0) * 1e6 + (seconds * 1e6).round_ties_even();
    match (months, days) {
        (Some(months), Some(days)) if us.abs() < 9.2e18 => Ok(Datum::Interval(Interval { months, days, us: us as i64 })),
        _ => Err(interval_range()),
    }
}

fn series(c: &Call<'_>, a: &[Datum]) -> Result<Vec<Datum>> {
    let (stop, step) = (a[1].ticks(), a[2].interval());
    let sign = step.length().signum();
    if sign == 0 {
        return Err(Error::new(Condition::InvalidParameterValue, "step size cannot equal zero"));
    }
    let zone = (c.result.base == Base::Timestamptz).then_some(&c.ctx.zone);
    let (mut at, mut out) = (a[0].ticks(), Vec::new());
    while !is_infinite(at) && if sign > 0 { at <= stop } else { at >= stop } {
        if out.len() >= crate::evaluate::run::MAX_ROWS {
            return Err(crate::evaluate::run::too_many_rows());
        }
        out.push(rewrap(&a[0], at));
        at = moved(at, step, zone)?;
    }
    Ok(out)
}

/// How wide the bins of a stride are.
pub fn bin_width(stride: Interval) -> Result<i64> {
    if stride.months != 0 {
        return Err(Error::unsupported("timestamps cannot be binned into intervals containing months or years"));
    }
    let width = i64::from(stride.days).checked_mul(USECS_PER_DAY).and_then(|d| d.checked_add(stride.us));
    match width.ok_or_else(interval_range)? {
        width if width <= 0 => Err(Error::new(Condition::DatetimeFieldOverflow, "stride must be greater than zero")),
        width => Ok(width),
    }
}

/// Where the bin of a moment begins.
pub fn bin(at: i64, origin: i64, width: i64) -> Result<i64> {
    if is_infinite(at) {
        return Ok(at);
    }
    if is_infinite(origin) {
        return Err(Error::new(Condition::DatetimeFieldOverflow, "origin out of range"));
    }
    let past = at.checked_sub(origin).ok_or_else(interval_range)?;
    checked_timestamp(at.checked_sub(past.rem_euclid(width)).ok_or_else(timestamp_range)?)
}

fn date_bin(_: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    let width = bin_width(a[0].interval())?;
    Ok(rewrap(&a[1], bin(a[1].ticks(), a[2].ticks(), width)?))
}

fn is_finite(_: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    Ok(Datum::Bool(match &a[0] {
        Datum::Date(v) => *v != i32::MAX && *v != i32::MIN,
        Datum::Interval(_) => true,
        other => !is_infinite(other.ticks()),
    }))
}

fn overlaps(_: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    let order = |x: &Datum, y: &Datum| {
        let (x, y) = (x.ticks(), y.ticks());
        if x <= y { (x, y) } else { (y, x) }
    };
    let ((s1, e1), (s2, e2)) = (order(&a[0], &a[1]), order(&a[2], &a[3]));
    Ok(Datum::Bool(if s1 == s2 {
        true
    } else if s1 > s2 {
        s1 < e2
    } else {
        s2 < e1
    }))
}

/// The functions.
pub const ALL: &[Line] = &[
    call("now() timestamptz", |c, _| Ok(Datum::Timestamptz(c.ctx.env.transaction_time()))),
    call("transaction_timestamp() timestamptz", |c, _| Ok(Datum::Timestamptz(c.ctx.env.transaction_time()))),
    call("statement_timestamp() timestamptz", |c, _| Ok(Datum::Timestamptz(c.ctx.env.statement_time()))),
    call("clock_timestamp() timestamptz", |_, _| Ok(Datum::Timestamptz(clock()))),
    call("timeofday() text", |c, _| {
        super::template::format_timestamp(to_local(clock(), &c.ctx.zone), "Dy Mon DD HH24:MI:SS.US YYYY ", None)
            .map(|t| Datum::text(format!("{t}{}", c.ctx.zone.name())))
    }),
    call("extract(text,date) numeric", extract),
    call("extract(text,time) numeric", extract),
    call("extract(text,timestamp) numeric", extract),
    call("extract(text,timestamptz) numeric", extract),
    call("extract(text,interval) numeric", extract),
    call("date_part(text,date) float8", date_part),
    call("date_part(text,time) float8", date_part),
    call("date_part(text,timestamp) float8", date_part),
    call("date_part(text,timestamptz) float8", date_part),
    call("date_part(text,interval) float8", date_part),
    call("date_trunc(text,timestamp) timestamp", date_trunc),
    call("date_trunc(text,timestamptz) timestamptz", date_trunc),
    call("date_trunc(text,timestamptz,text) timestamptz", date_trunc),
    call("date_trunc(text,interval) interval", date_trunc),
    call("date_bin(interval,timestamp,timestamp) timestamp", date_bin),
    call("date_bin(interval,timestamptz,timestamptz) timestamptz", date_bin),
    call("timezone(text,timestamp) timestamptz", timezone),
    call("timezone(text,timestamptz) timestamp", timezone),
    call("timezone(interval,timestamp) timestamptz", timezone_interval),
    call("timezone(interval,timestamptz) timestamp", timezone_interval),
    call("age(timestamp,timestamp) interval", age),
    call("age(timestamptz,timestamptz) interval", age),
    call("age(timestamp) interval", age_today),
    call("age(timestamptz) interval", age_today),
    call("age(xid) int4", |_, _| Ok(Datum::Int4(i32::MAX))),
    call("to_timestamp(float8) timestamptz", to_timestamp),
    call("make_date(int4,int4,int4) date", |_, a| Ok(Datum::Date(i32::try_from(make_day(a)?).unwrap_or(i32::MAX)))),
    call("make_time(int4,int4,float8) time", |_, a| Ok(Datum::Time(make_us(a)?))),
    call("make_timestamp(int4,int4,int4,int4,int4,float8) timestamp", |_, a| Ok(Datum::Timestamp(make_timestamp(a)?))),
    call("make_timestamptz(int4,int4,int4,int4,int4,float8) timestamptz", |c, a| {
        Ok(Datum::Timestamptz(local_to_utc(make_timestamp(a)?, &c.ctx.zone)))
    }),
    call("make_timestamptz(int4,int4,int4,int4,int4,float8,text) timestamptz", |_, a| {
        Ok(Datum::Timestamptz(zone_named(a[6].str())?.utc(make_timestamp(a)?)))
    }),
    call("make_interval(int4,int4,int4,int4,int4,int4,float8) interval", make_interval),
    call("justify_hours(interval) interval", |_, a| Ok(Datum::Interval(justify_hours(a[0].interval())))),
    call("justify_days(interval) interval", |_, a| Ok(Datum::Interval(justify_days(a[0].interval())))),
    call("justify_interval(interval) interval", |_, a| Ok(Datum::Interval(justify(a[0].interval())))),
    call("isfinite(date) bool", is_finite),
    call("isfinite(timestamp) bool", is_finite),
    call("isfinite(timestamptz) bool", is_finite),
    call("isfinite(interval) bool", is_finite),
    call("overlaps(timestamp,timestamp,timestamp,timestamp) bool", overlaps),
    call("overlaps(timestamptz,timestamptz,timestamptz,timestamptz) bool", overlaps),
    call("overlaps(time,time,time,time) bool", overlaps),
    set("generate_series(timestamp,timestamp,interval) setof timestamp", series),
    set("generate_series(timestamptz,timestamptz,interval) setof timestamptz", series),
];
