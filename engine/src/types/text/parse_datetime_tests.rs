//! Tests of `parse_datetime`: literals checked with PostgreSQL 15.

use super::super::{find_zone, write_date, write_time, write_timestamp, write_timestamptz};
use super::*;

fn shown(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8(out).unwrap()
}

/// What PostgreSQL 15 answered.
#[test]
fn dates() {
    for (text, expected) in [
        ("1999-01-08", "1999-01-08"),
        ("January 8, 1999", "1999-01-08"),
        ("1/18/1999", "1999-01-18"),
        ("01/02/03", "2003-01-02"),
        ("08-Jan-1999", "1999-01-08"),
        ("Jan-08-99", "1999-01-08"),
        ("19990108", "1999-01-08"),
        ("990108", "1999-01-08"),
        ("1999.008", "1999-01-08"),
        ("J2451187", "1999-01-08"),
        ("January 8, 99 BC", "0099-01-08 BC"),
        ("0001-01-01 BC", "0001-01-01 BC"),
        ("5sep2020", "2020-09-05"),
        ("2020-01-01T10:00", "2020-01-01"),
        ("5874897-12-31", "5874897-12-31"),
        ("4714-11-24 BC", "4714-11-24 BC"),
        ("epoch", "1970-01-01"),
        ("-infinity", "-infinity"),
    ] {
        assert_eq!(shown(|out| write_date(out, parse_date(text).unwrap())), expected, "{text}");
    }
    assert_eq!(parse_date("tomorrow").unwrap() - parse_date("yesterday").unwrap(), 2);
}

#[test]
fn refused_dates() {
    for text in ["", "x", "2020-01", "99-01-08", "2020", "+infinity", "2020-01-01x", "12:00", "ü", &"1".repeat(1000)] {
        let error = parse_date(text).unwrap_err();
        assert!(
            [Condition::InvalidDatetimeFormat, Condition::DatetimeFieldOverflow].contains(&error.condition),
            "{text}: {error}"
        );
    }
    assert_eq!(parse_date("x").unwrap_err().message, "invalid input syntax for type date: \"x\"");
    let error = parse_date("2020-13-01").unwrap_err();
    assert_eq!(error.message, "date/time field value out of range: \"2020-13-01\"");
    assert_eq!(error.hint.as_deref(), Some("Perhaps you need a different \"datestyle\" setting."));
    assert_eq!(parse_date("2020-02-30").unwrap_err().hint, None);
    assert_eq!(parse_date("6000000-01-01").unwrap_err().message, "date out of range: \"6000000-01-01\"");
    let error = parse_timestamptz("2020-01-01 12:00 foo/bar", &Tz::UTC).unwrap_err();
    assert_eq!(error.message, "time zone \"foo/bar\" not recognized");
    let error = parse_timestamptz("2020-01-01 12:00 +99", &Tz::UTC).unwrap_err();
    assert_eq!(error.message, "time zone displacement out of range: \"2020-01-01 12:00 +99\"");
}

#[test]
fn times() {
    for (text, expected) in [
        ("04:05:06.789", "04:05:06.789"),
        ("04:05 PM", "16:05:00"),
        ("12:00 AM", "00:00:00"),
        ("040506", "04:05:06"),
        ("0405", "04:05:00"),
        ("040506-08", "04:05:06"),
        ("04:05:06 PST", "04:05:06"),
        ("2003-04-12 04:05:06 America/New_York", "04:05:06"),
        ("allballs", "00:00:00"),
        ("24:00", "24:00:00"),
        ("23:59:60", "24:00:00"),
    ] {
        assert_eq!(shown(|out| write_time(out, parse_time(text).unwrap())), expected, "{text}");
    }
    for text in ["", "25:00", "04:60", "4", "24:00:00.1", "10:00 America/New_York", "pm", "infinity"] {
        assert!(parse_time(text).is_err(), "{text}");
    }
}

#[test]
fn timestamps() {
    let zone = find_zone("America/New_York").unwrap();
    for (text, local, instant) in [
        ("2004-10-19 10:23:54", "2004-10-19 10:23:54", "2004-10-19 10:23:54-04"),
        ("2004-10-19T10:23:54.5+02:30", "2004-10-19 10:23:54.5", "2004-10-19 03:53:54.5-04"),
        ("20041019T102354.789-07", "2004-10-19 10:23:54.789", "2004-10-19 13:23:54.789-04"),
        ("Tue Oct 19 10:23:54 2004 PST", "2004-10-19 10:23:54", "2004-10-19 14:23:54-04"),
        ("2004-10-19 10:23 europe/berlin", "2004-10-19 10:23:00", "2004-10-19 04:23:00-04"),
        ("2024-03-10 02:30:00", "2024-03-10 02:30:00", "2024-03-10 03:30:00-04"),
        ("2024-11-03 01:30:00", "2024-11-03 01:30:00", "2024-11-03 01:30:00-05"),
        ("2200-07-01 12:00", "2200-07-01 12:00:00", "2200-07-01 12:00:00-04"),
        ("0001-01-01 00:00:00 BC", "0001-01-01 00:00:00 BC", "0001-01-01 00:00:00-04:56:02 BC"),
        ("infinity", "infinity", "infinity"),
    ] {
        assert_eq!(shown(|out| write_timestamp(out, parse_timestamp(text).unwrap())), local, "{text}");
        assert_eq!(shown(|out| write_timestamptz(out, parse_timestamptz(text, &zone).unwrap(), &zone)), instant, "{text}");
    }
    assert!((parse_timestamp("now").unwrap() - now_us()).abs() < 10 * USECS_PER_SEC);
    assert_eq!(parse_timestamp("300000-01-01").unwrap_err().message, "timestamp out of range: \"300000-01-01\"");
}
