//! Page views: the table `hits`, in the manner of the public web analytics benchmarks (ClickBench and its like).
//!
//! Forty columns: numbers of few and of many values, strings from two values to one in four rows, most search phrases
//! empty, some columns with NULL. Views come in the order of time, with a jitter of an hour, over July 2013. A user has one
//! browser, place and screen; few users, pages and counters have most of the views.

mod words;

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Date32Array, Float64Array};

use super::arrays::{
    bigints, composed, entries, integers, maybe_decimals, maybe_integers, maybe_smallints, numeric, plain, smallints, text,
    timestamps, varchar,
};
use super::draw::{Draw, mix, scale};
use super::{Column, Dataset, Entry};
use crate::types::{Base, SqlType};

/// 2013-07-01, in seconds since 1970.
const BEGIN: u64 = 1_372_636_800;
/// The seconds of July.
const LENGTH: u64 = 31 * 86_400;

/// The streams of random bits.
#[derive(Debug, Clone, Copy)]
enum Stream {
    Time,
    User,
    Page,
    Referer,
    Counter,
    Search,
    Event,
    Timing,
    Price,
}

/// The table of page views.
#[derive(Debug)]
pub struct Hits {
    rows: u64,
    draws: [Draw; 9],
}

impl Hits {
    /// So many views.
    pub fn new(seed: u64, rows: u64) -> Self {
        // A constant apart from the seed, so that rides and views of one seed have nothing in common.
        Self { rows, draws: std::array::from_fn(|stream| Draw::new(seed, 0x6869_7473 + stream as u64)) }
    }

    fn draw(&self, stream: Stream) -> Draw {
        self.draws[stream as usize]
    }

    fn time(&self, row: u64) -> u64 {
        let even = (row as f64 / self.rows.max(1) as f64 * (LENGTH - 3600) as f64) as u64;
        BEGIN + even + self.draw(Stream::Time).below(row, 3600)
    }

    /// The number of the user, from 0: skewed, and one for about six views.
    fn user(&self, row: u64) -> u64 {
        self.draw(Stream::User).skewed(row, (self.rows / 3).max(16))
    }

    /// Random bits of the user, for what a user always has.
    fn of_user(&self, row: u64, what: u64) -> u64 {
        mix(mix(self.user(row) + 1) ^ (what + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn page(&self, row: u64) -> u64 {
        self.draw(Stream::Page).skewed(row, (self.rows / 4).max(64))
    }

    /// The page that a view came from; none for one in five.
    fn referer(&self, row: u64) -> Option<u64> {
        let draw = self.draw(Stream::Referer);
        (!draw.per_mille(row, 200)).then(|| mix(draw.bits(row)) % 7 * 1_000_003 + draw.skewed(row, (self.rows / 8).max(64)))
    }

    fn is_mobile(&self, row: u64) -> bool {
        self.of_user(row, 1) % 100 < 18
    }

    /// Whether a view came from a search.
    fn searched(&self, row: u64) -> bool {
        self.draw(Stream::Search).per_mille(row, 130)
    }
}

impl Dataset for Hits {
    fn name(&self) -> &'static str {
        "hits"
    }

    fn rows(&self) -> u64 {
        self.rows
    }

    fn columns(&self) -> Vec<Column> {
        super::columns_of(COLUMNS)
    }

    fn array(&self, column: usize, rows: Range<u64>) -> ArrayRef {
        (COLUMNS[column].make)(self, rows)
    }
}

const SMALLINT: SqlType = plain(Base::Int2);
const INTEGER: SqlType = plain(Base::Int4);
const BIGINT: SqlType = plain(Base::Int8);
const TEXT: SqlType = plain(Base::Text);

const SYSTEMS: [i16; 12] = [2, 3, 3, 5, 8, 8, 8, 44, 44, 44, 113, 156];
const BROWSERS: [i16; 10] = [1, 2, 3, 4, 7, 7, 7, 50, 82, 87];
const SCREENS: [(i16, i16); 8] =
    [(1366, 768), (1366, 768), (1920, 1080), (1920, 1080), (1280, 1024), (1024, 768), (1600, 900), (320, 480)];
const PHONES: [&str; 16] = [
    "iPhone 4",
    "iPhone 5",
    "iPad",
    "GT-I9300",
    "GT-I9500",
    "Lumia 920",
    "One X",
    "Xperia Z",
    "Nexus 4",
    "Optimus G",
    "Desire",
    "Ascend P6",
    "Galaxy Ace",
    "A500",
    "ThL W8",
    "Fly IQ",
];
const MINORS: [&str; 12] = ["0", "1", "2", "3", "4", "5", "D2", "13", "28", "b", "ω", ""];
const COUNTRIES: [&str; 12] = ["US", "DE", "FR", "GB", "RU", "CN", "JP", "BR", "IN", "NL", "PL", "SE"];

/// One of some, for random bits.
fn one_of<T: Copy>(all: &[T], bits: u64) -> T {
    all[scale(bits, all.len() as u64) as usize]
}

/// One of some, the first far likelier.
fn first_of<T: Copy>(all: &[T], bits: u64) -> T {
    all[super::draw::skewed(bits, all.len() as u64) as usize]
}

const COLUMNS: &[Entry<Hits>] = entries! {
    watch_id BIGINT, not_null, |hits, rows| bigints(rows, |row| (mix(hits.draw(Stream::Event).bits(row)) >> 1).cast_signed());
    java_enable SMALLINT, not_null, |hits, rows| smallints(rows, |row| i16::from(hits.of_user(row, 2) % 10 < 7));
    title TEXT, not_null, |hits, rows| composed(rows, 40, |row, value| words::title(hits.page(row), value));
    good_event SMALLINT, not_null, |_, rows| smallints(rows, |_| 1);
    event_time plain(Base::Timestamp), not_null, |hits, rows| timestamps(rows, |row| hits.time(row));
    event_date plain(Base::Date), not_null, |hits, rows| {
        Arc::new(Date32Array::from_iter_values(rows.map(|row| (hits.time(row) / 86_400) as i32)))
    };
    counter_id INTEGER, not_null, |hits, rows| integers(rows, |row| 62 + hits.draw(Stream::Counter).skewed(row, 6500) as i32 * 17);
    client_ip INTEGER, not_null, |hits, rows| integers(rows, |row| (hits.of_user(row, 3) as u32).cast_signed());
    region_id INTEGER, not_null, |hits, rows| integers(rows, |row| super::draw::skewed(hits.of_user(row, 4), 9000) as i32);
    user_id BIGINT, not_null, |hits, rows| bigints(rows, |row| (hits.of_user(row, 5) >> 1).cast_signed());
    counter_class SMALLINT, not_null, |hits, rows| smallints(rows, |row| (hits.draw(Stream::Counter).bits(row) & 1) as i16);
    os SMALLINT, not_null, |hits, rows| smallints(rows, |row| one_of(&SYSTEMS, hits.of_user(row, 6)));
    user_agent SMALLINT, not_null, |hits, rows| smallints(rows, |row| one_of(&BROWSERS, hits.of_user(row, 7)));
    url TEXT, not_null, |hits, rows| composed(rows, 56, |row, value| words::address(hits.page(row), value));
    referer TEXT, not_null, |hits, rows| composed(rows, 48, |row, value| {
        if let Some(page) = hits.referer(row) {
            words::address(page, value);
        }
    });
    is_refresh SMALLINT, not_null, |hits, rows| smallints(rows, |row| i16::from(hits.draw(Stream::Event).per_mille(row, 90)));
    load_score plain(Base::Float8), not_null, |hits, rows| {
        let score = |row| (hits.draw(Stream::Timing).bits(row) >> 40) as f64 / 16384.0;
        Arc::new(Float64Array::from_iter_values(rows.map(score)))
    };
    url_category_id SMALLINT, null, |hits, rows| maybe_smallints(rows, |row| match mix(hits.page(row)) {
        bits if bits & 3 == 0 => None,
        bits => Some(scale(bits, 400) as i16),
    });
    resolution_width SMALLINT, not_null, |hits, rows| smallints(rows, |row| one_of(&SCREENS, hits.of_user(row, 8)).0);
    resolution_height SMALLINT, not_null, |hits, rows| smallints(rows, |row| one_of(&SCREENS, hits.of_user(row, 8)).1);
    resolution_depth SMALLINT, not_null, |hits, rows| smallints(rows, |row| one_of(&[23, 23, 23, 37, 13], hits.of_user(row, 9)));
    flash_major SMALLINT, null, |hits, rows| maybe_smallints(rows, |row| {
        let bits = hits.of_user(row, 10);
        (bits & 3 != 0).then(|| first_of(&[11, 10, 9, 8, 7], bits))
    });
    user_agent_major SMALLINT, not_null, |hits, rows| smallints(rows, |row| 3 + super::draw::skewed(hits.of_user(row, 11), 30) as i16);
    user_agent_minor varchar(2), not_null, |hits, rows| text(rows, |row| first_of(&MINORS, hits.of_user(row, 12)));
    mobile_phone SMALLINT, not_null, |hits, rows| smallints(rows, |row| if hits.is_mobile(row) { 1 + (hits.of_user(row, 13) % 60) as i16 } else { 0 });
    mobile_phone_model TEXT, not_null, |hits, rows| {
        text(rows, |row| if hits.is_mobile(row) { first_of(&PHONES, hits.of_user(row, 14)) } else { "" })
    };
    search_engine_id SMALLINT, not_null, |hits, rows| smallints(rows, |row| {
        if hits.searched(row) { first_of(&[2, 3, 13, 28, 41, 59, 90], hits.draw(Stream::Search).bits(row) << 10) } else { 0 }
    });
    search_phrase TEXT, not_null, |hits, rows| composed(rows, 4, |row, value| {
        if hits.searched(row) {
            words::phrase(super::draw::skewed(mix(hits.draw(Stream::Search).bits(row)), (hits.rows / 16).max(64)), value);
        }
    });
    adv_engine_id SMALLINT, not_null, |hits, rows| smallints(rows, |row| {
        let bits = hits.draw(Stream::Event).bits(row);
        if bits & 0xff < 6 { first_of(&[2, 27, 13, 45, 44, 3, 62, 52], mix(bits)) } else { 0 }
    });
    is_mobile plain(Base::Bool), not_null, |hits, rows| Arc::new(BooleanArray::from_iter(rows.map(|row| Some(hits.is_mobile(row)))));
    age SMALLINT, null, |hits, rows| maybe_smallints(rows, |row| {
        let bits = hits.of_user(row, 15);
        (bits & 7 > 2).then(|| 16 + scale(bits, 50) as i16)
    });
    sex SMALLINT, not_null, |hits, rows| smallints(rows, |row| (hits.of_user(row, 16) % 3) as i16);
    income SMALLINT, null, |hits, rows| maybe_smallints(rows, |row| {
        let bits = hits.of_user(row, 17);
        (bits & 7 > 4).then(|| scale(bits, 5) as i16)
    });
    send_timing INTEGER, not_null, |hits, rows| integers(rows, |row| hits.draw(Stream::Timing).skewed(row, 30_000) as i32);
    dns_timing INTEGER, null, |hits, rows| maybe_integers(rows, |row| {
        let bits = mix(hits.draw(Stream::Timing).bits(row) ^ 1);
        (bits & 7 > 0).then(|| super::draw::skewed(bits, 2_000) as i32)
    });
    fetch_timing INTEGER, null, |hits, rows| maybe_integers(rows, |row| {
        let bits = mix(hits.draw(Stream::Timing).bits(row) ^ 2);
        (bits & 15 > 0).then(|| super::draw::skewed(bits, 60_000) as i32)
    });
    url_hash BIGINT, not_null, |hits, rows| bigints(rows, |row| mix(hits.page(row) + 11).cast_signed());
    referer_hash BIGINT, not_null, |hits, rows| bigints(rows, |row| hits.referer(row).map_or(0, |page| mix(page + 11).cast_signed()));
    country varchar(2), not_null, |hits, rows| text(rows, |row| first_of(&COUNTRIES, hits.of_user(row, 18)));
    price numeric(12, 2), null, |hits, rows| maybe_decimals((12, 2), rows, |row| {
        let bits = hits.draw(Stream::Price).bits(row);
        (bits & 15 == 0).then(|| i128::from(99 + super::draw::skewed(bits, 500_000)))
    });
};
