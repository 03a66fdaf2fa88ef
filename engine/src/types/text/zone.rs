//! Time zones: names, abbreviations, and which offset holds when.

use chrono::{DateTime, NaiveDateTime, Offset, TimeDelta, TimeZone};
use chrono_tz::{TZ_VARIANTS, Tz};

use super::datetime::{civil_from_days, days_from_civil};
use super::{USECS_PER_DAY, USECS_PER_SEC};

/// The zone of that name, in any case.
pub fn find_zone(name: &str) -> Option<Tz> {
    name.parse().ok().or_else(|| TZ_VARIANTS.iter().find(|zone| zone.name().eq_ignore_ascii_case(name)).copied())
}

/// The seconds east of Greenwich that an abbreviation stands for; `name` is in lower case.
/// These are the ones of PostgreSQL's `Default` set whose meaning has not changed over time.
pub(super) fn abbreviation(name: &str) -> Option<i32> {
    ABBREVIATIONS.binary_search_by_key(&name, |(known, _)| known).ok().map(|at| ABBREVIATIONS[at].1)
}

/// The first year that time zone data no longer lists one by one.
const RULES_ONLY: i64 = 2090;

/// `us`, moved to a year that the zone data covers and that has the same calendar.
fn covered(us: i64) -> NaiveDateTime {
    let days = us.div_euclid(USECS_PER_DAY);
    let (year, ..) = civil_from_days(days);
    let first = days_from_civil(year, 1, 1);
    let like = if year >= RULES_ONLY {
        let calendar = |year: i64| {
            let first = days_from_civil(year, 1, 1);
            (first.rem_euclid(7), days_from_civil(year + 1, 1, 1) - first)
        };
        // 28 years within one century hold every calendar.
        (RULES_ONLY - 28..RULES_ONLY).find(|candidate| calendar(*candidate) == calendar(year)).unwrap_or(RULES_ONLY - 1)
    } else {
        // Before there were zones every year is alike; keeps within what `chrono` can express.
        year.max(1500)
    };
    let moved = us - (first - days_from_civil(like, 1, 1)) * USECS_PER_DAY;
    DateTime::from_timestamp_micros(moved).unwrap_or_default().naive_utc()
}

/// How many seconds east of Greenwich `zone`'s clocks stand at the instant `us` (since 1970, UTC).
pub fn offset_at(us: i64, zone: &Tz) -> i32 {
    match zone {
        Tz::UTC | Tz::Etc__UTC | Tz::GMT | Tz::Etc__GMT => 0,
        zone => zone.offset_from_utc_datetime(&covered(us)).fix().local_minus_utc(),
    }
}

/// How many seconds east `zone`'s clocks stand when they show `us`. A time that they skip is taken by the
/// offset before, one that they show twice by the offset after, as PostgreSQL does.
pub(super) fn offset_at_local(us: i64, zone: &Tz) -> i32 {
    use chrono::LocalResult;
    let local = covered(us);
    match zone.offset_from_local_datetime(&local) {
        LocalResult::Single(offset) => offset.fix().local_minus_utc(),
        LocalResult::Ambiguous(_, after) => after.fix().local_minus_utc(),
        // No gap is longer than the day that Samoa left out.
        LocalResult::None => (1..=25)
            .find_map(|hours| zone.offset_from_local_datetime(&(local - TimeDelta::hours(hours))).latest())
            .map_or(0, |offset| offset.fix().local_minus_utc()),
    }
}

/// The instant at which `zone`'s clocks show `us`; infinities stay.
pub fn local_to_utc(us: i64, zone: &Tz) -> i64 {
    if us == i64::MAX || us == i64::MIN {
        return us;
    }
    us.saturating_sub(i64::from(offset_at_local(us, zone)) * USECS_PER_SEC)
}

#[rustfmt::skip]
const ABBREVIATIONS: &[(&str, i32)] = &[
    ("acdt", 37800), ("acsst", 37800), ("acst", 34200), ("act", -18000), ("acwst", 31500), ("adt", -10800),
    ("aedt", 39600), ("aesst", 39600), ("aest", 36000), ("aft", 16200), ("akdt", -28800), ("akst", -32400),
    ("almst", 25200), ("almt", 21600), ("amst", 14400), ("amt", -14400), ("anast", 43200), ("anat", 43200),
    ("arst", -10800), ("art", -10800), ("ast", -14400), ("awsst", 32400), ("awst", 28800), ("azost", 0),
    ("azot", -3600), ("azst", 14400), ("azt", 14400), ("bdst", 7200), ("bdt", 21600), ("bnt", 28800), ("bort", 28800),
    ("bot", -14400), ("bra", -10800), ("brst", -7200), ("brt", -10800), ("bst", 3600), ("btt", 21600),
    ("cadt", 37800), ("cast", 34200), ("cct", 28800), ("cdt", -18000), ("cest", 7200), ("cet", 3600),
    ("cetdst", 7200), ("chadt", 49500), ("chast", 45900), ("chut", 36000), ("ckt", -36000), ("clst", -10800),
    ("clt", -10800), ("cot", -18000), ("cst", -21600), ("cxt", 25200), ("davt", 25200), ("ddut", 36000),
    ("easst", -18000), ("east", -18000), ("eat", 10800), ("edt", -14400), ("eest", 10800), ("eet", 7200),
    ("eetdst", 10800), ("egst", 0), ("egt", -3600), ("est", -18000), ("fet", 10800), ("fjst", 46800), ("fjt", 43200),
    ("fkst", -10800), ("fkt", -10800), ("fnst", -3600), ("fnt", -7200), ("galt", -21600), ("gamt", -32400),
    ("gest", 14400), ("get", 14400), ("gft", -10800), ("gilt", 43200), ("gmt", 0), ("gyt", -14400), ("hkt", 28800),
    ("hst", -36000), ("ict", 25200), ("idt", 10800), ("iot", 21600), ("irkst", 28800), ("irkt", 28800),
    ("irt", 12600), ("ist", 7200), ("jayt", 32400), ("jst", 32400), ("kdt", 36000), ("kgst", 21600), ("kgt", 21600),
    ("kost", 39600), ("krast", 25200), ("krat", 25200), ("kst", 32400), ("lhdt", 39600), ("lhst", 37800),
    ("ligt", 36000), ("lint", 50400), ("lkt", 19800), ("magst", 39600), ("magt", 39600), ("mart", -34200),
    ("mawt", 18000), ("mdt", -21600), ("mest", 7200), ("mesz", 7200), ("met", 3600), ("metdst", 7200), ("mez", 3600),
    ("mht", 43200), ("mmt", 23400), ("mpt", 36000), ("msd", 14400), ("msk", 10800), ("mst", -25200), ("must", 18000),
    ("mut", 14400), ("mvt", 18000), ("myt", 28800), ("ndt", -9000), ("nft", -12600), ("novst", 25200),
    ("novt", 25200), ("npt", 20700), ("nst", -12600), ("nut", -39600), ("nzdt", 46800), ("nzst", 43200),
    ("nzt", 43200), ("omsst", 21600), ("omst", 21600), ("pdt", -25200), ("pet", -18000), ("petst", 43200),
    ("pett", 43200), ("pgt", 36000), ("pht", 28800), ("pkst", 21600), ("pkt", 18000), ("pmdt", -7200),
    ("pmst", -10800), ("pont", 39600), ("pst", -28800), ("pwt", 32400), ("pyst", -10800), ("pyt", -10800),
    ("ret", 14400), ("sadt", 37800), ("sast", 7200), ("sct", 14400), ("sgt", 28800), ("taht", -36000), ("tft", 18000),
    ("tjt", 18000), ("tkt", 46800), ("tmt", 18000), ("tot", 46800), ("trut", 36000), ("tvt", 43200), ("uct", 0),
    ("ulast", 32400), ("ulat", 28800), ("ut", 0), ("utc", 0), ("uyst", -7200), ("uyt", -10800), ("uzst", 21600),
    ("uzt", 18000), ("vet", -14400), ("vlast", 36000), ("vlat", 36000), ("volt", 10800), ("vut", 39600),
    ("wadt", 28800), ("wakt", 43200), ("wast", 25200), ("wat", 3600), ("wdt", 32400), ("wet", 0), ("wetdst", 3600),
    ("wft", 43200), ("wgst", -7200), ("wgt", -10800), ("xjt", 21600), ("yakst", 32400), ("yakt", 32400),
    ("yapt", 36000), ("yekst", 21600), ("yekt", 18000), ("z", 0), ("zulu", 0),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn abbreviations_are_sorted() {
        assert!(ABBREVIATIONS.is_sorted_by_key(|(name, _)| name));
        assert_eq!(abbreviation("pst"), Some(-8 * 3600));
        assert_eq!(abbreviation("z"), Some(0));
        assert_eq!(abbreviation("zz"), None);
    }

    #[test]
    fn gaps_and_overlaps() {
        let zone = find_zone("america/new_york").unwrap();
        let at = |days: i64, minutes: i64| days * USECS_PER_DAY + minutes * 60 * USECS_PER_SEC;
        // 2024-03-10 02:30 does not exist, 2024-11-03 01:30 does twice.
        assert_eq!(offset_at_local(at(19_792, 150), &zone), -5 * 3600);
        assert_eq!(offset_at_local(at(20_030, 90), &zone), -5 * 3600);
        assert_eq!(offset_at_local(at(20_029, 90), &zone), -4 * 3600);
        assert_eq!(offset_at_local(i64::MIN + 1, &zone), -17_762);
        assert_eq!(offset_at(i64::MAX - 1, &find_zone("Asia/Tokyo").unwrap()), 9 * 3600);
    }
}
