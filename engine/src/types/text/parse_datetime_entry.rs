//! The ways into `parse_datetime`: one for each type, quick where the text is plain ISO.

use super::*;

/// A date in days since 1970; `today` and the like are of UTC.
pub fn parse_date(text: &str) -> Result<i32> {
    parse_date_in(text, &Tz::UTC)
}

/// A date in days since 1970; `today` and the like are of `zone`.
pub fn parse_date_in(text: &str, zone: &Tz) -> Result<i32> {
    if let (10, Some(days)) = (text.len(), iso_date(text.as_bytes())) {
        return Ok(days as i32);
    }
    let days = match moment(text, zone).map_err(|fault| fault.error("date", text))? {
        Moment::At(days, ..) => days,
        Moment::Epoch => 0,
        Moment::Infinity => return Ok(i32::MAX),
        Moment::MinusInfinity => return Ok(i32::MIN),
    };
    if DATES.contains(&days) {
        Ok(days as i32)
    } else {
        Err(Error::new(Condition::DatetimeFieldOverflow, format!("date out of range: \"{text}\"")))
    }
}

/// A time of day in microseconds; `now` is of UTC.
pub fn parse_time(text: &str) -> Result<i64> {
    parse_time_in(text, &Tz::UTC)
}

/// A time of day in microseconds; `now` is of `zone`.
pub fn parse_time_in(text: &str, zone: &Tz) -> Result<i64> {
    if let Some(us) = iso_time(text.as_bytes()) {
        return Ok(us);
    }
    let parse = || {
        let lower = text.to_ascii_lowercase();
        let fields = cut(&lower)?;
        let mut decoder = Decoder::new(zone);
        decoder.decode(&fields, true)?;
        if decoder.whole != Whole::Fields {
            return Err(Fault::Format);
        }
        let days = decoder.day_number()?;
        // The offset of a named zone depends on the day.
        if matches!(decoder.at, Some(Zone::Named(_))) && days.is_none() {
            return Err(Fault::Format);
        }
        if decoder.hour.is_none() {
            return Err(Fault::Format);
        }
        decoder.time_of_day()?.ok_or(Fault::Format)
    };
    parse().map_err(|fault| fault.error("time", text))
}

fn parse_moment(text: &str, zone: &Tz, type_name: &str, to_utc: impl Fn(i64, Option<Zone>) -> i64) -> Result<i64> {
    let out_of_range = || Error::new(Condition::DatetimeFieldOverflow, format!("timestamp out of range: \"{text}\""));
    let (days, time, at) = match moment(text, zone).map_err(|fault| fault.error(type_name, text))? {
        Moment::At(days, time, at) => (days, time, at),
        Moment::Epoch => return Ok(0),
        Moment::Infinity => return Ok(i64::MAX),
        Moment::MinusInfinity => return Ok(i64::MIN),
    };
    let us = days.checked_mul(USECS_PER_DAY).and_then(|us| us.checked_add(time)).ok_or_else(out_of_range)?;
    Some(to_utc(us, at)).filter(|us| TIMESTAMPS.contains(us)).ok_or_else(out_of_range)
}

fn iso_timestamp(bytes: &[u8]) -> Option<i64> {
    if bytes.len() < 19 || !matches!(bytes[10], b' ' | b'T') {
        return None;
    }
    Some(iso_date(bytes)? * USECS_PER_DAY + iso_time(&bytes[11..])?)
}

/// A timestamp in microseconds since 1970; a zone in the text is ignored, `now` is of UTC.
pub fn parse_timestamp(text: &str) -> Result<i64> {
    parse_timestamp_in(text, &Tz::UTC)
}

/// A timestamp in microseconds since 1970; a zone in the text is ignored, `now` is of `zone`.
pub fn parse_timestamp_in(text: &str, zone: &Tz) -> Result<i64> {
    match iso_timestamp(text.as_bytes()) {
        Some(us) => Ok(us),
        None => parse_moment(text, zone, "timestamp", |us, _| us),
    }
}

/// An instant in microseconds since 1970 UTC; text without a zone is read by `zone`'s clocks.
pub fn parse_timestamptz(text: &str, zone: &Tz) -> Result<i64> {
    if let Some(us) = iso_timestamp(text.as_bytes()) {
        return Ok(local_to_utc(us, zone));
    }
    parse_moment(text, zone, "timestamp with time zone", |us, at| match at {
        Some(Zone::Offset(east)) => us.saturating_sub(i64::from(east) * USECS_PER_SEC),
        Some(Zone::Named(named)) => local_to_utc(us, &named),
        None => local_to_utc(us, zone),
    })
}
