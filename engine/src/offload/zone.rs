//! Time zones as tables: the moments at which a zone's clocks change, and how far they are from UTC in between.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use chrono_tz::Tz;
use parking_lot::Mutex;

use crate::types::text::offset_at;

/// What a zone's clocks do, in seconds since 1970.
#[derive(Debug, PartialEq, Eq)]
pub struct Transitions {
    /// The moments from which on another offset holds, ascending.
    pub moments: Vec<i64>,
    /// What the clocks show at those moments, by the new offset: a time that they skip counts as before, one that they
    /// show twice as behind.
    pub shown: Vec<i64>,
    /// How many seconds east of UTC the clocks stand: before the first of the moments, then from each of them on.
    pub offsets: Vec<i64>,
}

const DAY: i64 = 86_400;
/// 1800-01-01, before which no zone's clocks change.
pub const FIRST: i64 = -62_091 * DAY;
/// 2300-01-01.
pub const LAST: i64 = 120_529 * DAY;

impl Transitions {
    /// A zone's; found once.
    pub fn of(zone: Tz) -> Arc<Self> {
        static KNOWN: LazyLock<Mutex<HashMap<Tz, Arc<Transitions>>>> = LazyLock::new(Mutex::default);
        let known = KNOWN.lock().get(&zone).cloned();
        known.unwrap_or_else(|| {
            let found = Arc::new(Self::find(|second| i64::from(offset_at(second * 1_000_000, &zone))));
            KNOWN.lock().insert(zone, Arc::clone(&found));
            found
        })
    }

    /// Clocks that always stand so many seconds east.
    pub fn fixed(east: i64) -> Self {
        Self { moments: vec![], shown: vec![], offsets: vec![east] }
    }

    /// Looks once a day, then for the second at which the offset changed.
    fn find(offset: impl Fn(i64) -> i64) -> Self {
        let mut before = offset(FIRST);
        let mut found = Self::fixed(before);
        for day in FIRST / DAY..LAST / DAY {
            let (mut low, mut high) = (day * DAY, (day + 1) * DAY);
            let after = offset(high);
            if after == before {
                continue;
            }
            while high - low > 1 {
                let middle = low + (high - low) / 2;
                if offset(middle) == before { low = middle } else { high = middle }
            }
            found.moments.push(high);
            found.shown.push(high + after);
            found.offsets.push(after);
            before = after;
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::text::local_to_utc;

    #[test]
    fn tables_say_what_the_zone_does() {
        // Morocco's clocks follow the moon, and its rules end in 2087: what is said of years behind that is no calendar's.
        let zones = ["America/New_York", "Europe/Berlin", "Europe/Dublin", "Asia/Kolkata", "Australia/Lord_Howe", "UTC"];
        let zones = zones.map(|name| (name, LAST)).into_iter().chain([("Africa/Casablanca", 3_692_217_600)]);
        for (name, last) in zones {
            let zone: Tz = name.parse().unwrap();
            let table = Transitions::of(zone);
            assert!(table.moments.is_sorted() && table.shown.is_sorted(), "{name}");
            let mut second = FIRST;
            while second < last {
                let of_utc = table.offsets[table.moments.partition_point(|m| *m <= second)];
                assert_eq!(of_utc, i64::from(offset_at(second * 1_000_000, &zone)), "{name} at {second}");
                let of_local = table.offsets[table.shown.partition_point(|m| *m <= second)];
                assert_eq!((second - of_local) * 1_000_000, local_to_utc(second * 1_000_000, &zone), "{name} showing {second}");
                second += 3 * 3_600 + 7 * 60 + 13;
            }
        }
    }
}
