//! Dates, times and timestamps in ISO form, `BC` and infinities included.

use chrono_tz::Tz;

use super::integer::{digits, put_padded, put_pair};
use super::zone::offset_at;
use super::{USECS_PER_DAY, USECS_PER_SEC};

/// Room that [`put_date`] needs.
pub const DATE_ROOM: usize = 24;
/// Room that [`put_time`] needs.
pub const TIME_ROOM: usize = 32;
/// Room that [`put_timestamp`] and [`put_timestamptz`] need.
pub const TIMESTAMP_ROOM: usize = 48;

/// Year (0 is 1 BC), month and day of the proleptic Gregorian calendar, `days` after 1970-01-01.
///
/// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms": eras of 400 years from 1 March.
#[inline]
pub fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097) as u32;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + i64::from(year_of_era) + i64::from(month <= 2), month, day)
}

/// The inverse of [`civil_from_days`] for a valid month and day.
#[inline]
pub fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = i64::from(if month > 2 { month - 3 } else { month + 9 });
    let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(day) - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[inline]
fn put(text: &[u8], out: &mut [u8]) -> usize {
    out[..text.len()].copy_from_slice(text);
    text.len()
}

/// `YYYY-MM-DD`, without the era; returns the length and whether it is before Christ.
#[inline]
fn put_civil(days: i64, out: &mut [u8]) -> (usize, bool) {
    let (year, month, day) = civil_from_days(days);
    let before = year <= 0;
    let shown = if before { 1 - year } else { year } as u64;
    if shown <= 9999 {
        let out = &mut out[..10];
        put_pair((shown / 100) as usize, out, 0);
        put_pair((shown % 100) as usize, out, 2);
        out[4] = b'-';
        put_pair(month as usize, out, 5);
        out[7] = b'-';
        put_pair(day as usize, out, 8);
        return (10, before);
    }
    let width = digits(shown);
    put_padded(shown, width, out);
    out[width] = b'-';
    put_pair(month as usize, out, width + 1);
    out[width + 3] = b'-';
    put_pair(day as usize, out, width + 4);
    (width + 6, before)
}

#[inline]
fn put_era(before: bool, out: &mut [u8]) -> usize {
    if before { put(b" BC", out) } else { 0 }
}

/// Writes the date at the start of `out`, which has [`DATE_ROOM`]; returns the length.
#[inline]
pub fn put_date(days: i32, out: &mut [u8]) -> usize {
    match days {
        i32::MAX => put(b"infinity", out),
        i32::MIN => put(b"-infinity", out),
        _ => {
            let (length, before) = put_civil(i64::from(days), out);
            length + put_era(before, &mut out[length..])
        }
    }
}

/// Writes `HH:MM:SS[.ffffff]` at the start of `out`, which has [`TIME_ROOM`]; returns the length.
#[inline]
pub fn put_time(us: i64, out: &mut [u8]) -> usize {
    let us = us.unsigned_abs();
    let (seconds, fraction) = (us / USECS_PER_SEC as u64, us % USECS_PER_SEC as u64);
    let hours = seconds / 3600;
    let mut at = digits(hours).max(2);
    put_padded(hours, at, out);
    for part in [seconds / 60 % 60, seconds % 60] {
        out[at] = b':';
        put_pair(part as usize, out, at + 1);
        at += 3;
    }
    if fraction != 0 {
        out[at] = b'.';
        put_padded(fraction, 6, &mut out[at + 1..]);
        at += 7;
        while out[at - 1] == b'0' {
            at -= 1;
        }
    }
    at
}

#[inline]
fn put_infinity(us: i64, out: &mut [u8]) -> Option<usize> {
    match us {
        i64::MAX => Some(put(b"infinity", out)),
        i64::MIN => Some(put(b"-infinity", out)),
        _ => None,
    }
}

/// Writes the timestamp at the start of `out`, which has [`TIMESTAMP_ROOM`]; returns the length.
#[inline]
pub fn put_timestamp(us: i64, out: &mut [u8]) -> usize {
    if let Some(length) = put_infinity(us, out) {
        return length;
    }
    let (length, before) = put_local(us, out);
    length + put_era(before, &mut out[length..])
}

#[inline]
fn put_local(us: i64, out: &mut [u8]) -> (usize, bool) {
    let (mut length, before) = put_civil(us.div_euclid(USECS_PER_DAY), out);
    out[length] = b' ';
    length += 1;
    (length + put_time(us.rem_euclid(USECS_PER_DAY), &mut out[length..]), before)
}

/// Writes the instant as `zone`'s clocks show it, with their offset, at the start of `out`, which has
/// [`TIMESTAMP_ROOM`]; returns the length.
#[inline]
pub fn put_timestamptz(us: i64, zone: &Tz, out: &mut [u8]) -> usize {
    if let Some(length) = put_infinity(us, out) {
        return length;
    }
    let offset = offset_at(us, zone);
    let (mut length, before) = put_local(us.saturating_add(i64::from(offset) * USECS_PER_SEC), out);
    out[length] = if offset < 0 { b'-' } else { b'+' };
    let offset = offset.unsigned_abs();
    put_pair((offset / 3600 % 100) as usize, out, length + 1);
    length += 3;
    let (minutes, seconds) = (offset / 60 % 60, offset % 60);
    if minutes != 0 || seconds != 0 {
        out[length] = b':';
        put_pair(minutes as usize, out, length + 1);
        length += 3;
    }
    if seconds != 0 {
        out[length] = b':';
        put_pair(seconds as usize, out, length + 1);
        length += 3;
    }
    length + put_era(before, &mut out[length..])
}

/// Appends a date: `2024-02-29`, `0044-03-15 BC`, `infinity`.
pub fn write_date(out: &mut Vec<u8>, days_since_1970: i32) {
    let mut room = [0; DATE_ROOM];
    let length = put_date(days_since_1970, &mut room);
    out.extend_from_slice(&room[..length]);
}

/// Appends a time of day: `04:05:06.789`.
pub fn write_time(out: &mut Vec<u8>, us: i64) {
    let mut room = [0; TIME_ROOM];
    let length = put_time(us, &mut room);
    out.extend_from_slice(&room[..length]);
}

/// Appends a timestamp without time zone: `2024-02-29 04:05:06.789`.
pub fn write_timestamp(out: &mut Vec<u8>, us_since_1970: i64) {
    let mut room = [0; TIMESTAMP_ROOM];
    let length = put_timestamp(us_since_1970, &mut room);
    out.extend_from_slice(&room[..length]);
}

/// Appends an instant as `zone` shows it: `2024-02-29 04:05:06.789+01`.
pub fn write_timestamptz(out: &mut Vec<u8>, us_since_1970: i64, zone: &Tz) {
    let mut room = [0; TIMESTAMP_ROOM];
    let length = put_timestamptz(us_since_1970, zone, &mut room);
    out.extend_from_slice(&room[..length]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(put: impl FnOnce(&mut [u8]) -> usize) -> String {
        let mut room = [0; TIMESTAMP_ROOM];
        let length = put(&mut room);
        String::from_utf8(room[..length].to_vec()).unwrap()
    }

    #[test]
    fn calendar_is_its_own_inverse() {
        for days in (-3_000_000..3_000_000).step_by(97).chain([i64::from(i32::MIN), i64::from(i32::MAX)]) {
            let (year, month, day) = civil_from_days(days);
            assert_eq!(days_from_civil(year, month, day), days);
        }
        assert_eq!(civil_from_days(0), (1970, 1, 1));
        assert_eq!(civil_from_days(19_782), (2024, 2, 29));
    }

    #[test]
    fn dates() {
        for (days, expected) in [
            (0, "1970-01-01"),
            (19_782, "2024-02-29"),
            (-719_163, "0001-12-31 BC"),
            (-735_160, "0044-03-15 BC"),
            (2_932_897, "10000-01-01"),
            (i32::MAX, "infinity"),
            (i32::MIN, "-infinity"),
        ] {
            assert_eq!(text(|out| put_date(days, out)), expected);
        }
    }

    #[test]
    fn times() {
        assert_eq!(text(|out| put_time(0, out)), "00:00:00");
        assert_eq!(text(|out| put_time(14_706_789_000, out)), "04:05:06.789");
        assert_eq!(text(|out| put_time(USECS_PER_DAY, out)), "24:00:00");
        assert_eq!(text(|out| put_time(1, out)), "00:00:00.000001");
        text(|out| put_time(i64::MIN, out));
    }

    #[test]
    fn timestamps() {
        assert_eq!(text(|out| put_timestamp(0, out)), "1970-01-01 00:00:00");
        assert_eq!(text(|out| put_timestamp(-1, out)), "1969-12-31 23:59:59.999999");
        assert_eq!(text(|out| put_timestamp(i64::MAX, out)), "infinity");
        assert_eq!(text(|out| put_timestamp(i64::MIN, out)), "-infinity");
        assert_eq!(text(|out| put_timestamp(i64::MIN + 1, out)).len(), "290309-12-21 19:59:05.224193 BC".len());
        assert_eq!(text(|out| put_timestamptz(0, &Tz::UTC, out)), "1970-01-01 00:00:00+00");
        assert_eq!(text(|out| put_timestamptz(0, &Tz::Asia__Kolkata, out)), "1970-01-01 05:30:00+05:30");
        let old = -5_364_662_400_000_000; // 1800-01-01 00:00:00 UTC
        assert_eq!(text(|out| put_timestamptz(old, &Tz::America__New_York, out)), "1799-12-31 19:03:58-04:56:02");
        let far = 7_288_185_600_000_000; // 2200-12-15 00:00:00 UTC
        assert_eq!(text(|out| put_timestamptz(far, &Tz::Europe__Berlin, out)), "2200-12-15 01:00:00+01");
        text(|out| put_timestamptz(i64::MAX - 1, &Tz::Asia__Tokyo, out));
        text(|out| put_timestamptz(i64::MIN + 1, &Tz::America__New_York, out));
    }
}
