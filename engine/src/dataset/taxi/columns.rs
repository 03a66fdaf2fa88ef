//! The columns of rides, in the order and with the types of the public benchmark.

use std::ops::Range;

use arrow::array::ArrayRef;

use super::places::{Tract, coordinates, point};
use super::{Stream, Taxi};
use crate::dataset::Entry;
use crate::dataset::arrays::{
    composed, decimals, entries, integers, maybe_decimals, maybe_smallints, maybe_text, numeric, plain, smallints, text,
    timestamps, varchar,
};
use crate::dataset::draw::{mix, scale};
use crate::types::{Base, SqlType};

const INTEGER: SqlType = plain(Base::Int4);
const SMALLINT: SqlType = plain(Base::Int2);
const TIMESTAMP: SqlType = plain(Base::Timestamp);
const MONEY: SqlType = numeric(18, 6);
const DEGREES: SqlType = numeric(18, 14);

/// All columns.
pub const COLUMNS: &[Entry<Taxi>] = entries! {
    trip_id INTEGER, not_null, |_, rows| integers(rows, |row| (row + 1) as i32);
    vendor_id varchar(3), not_null, |taxi, rows| text(rows, |row| vendor(taxi, row));
    pickup_datetime TIMESTAMP, not_null, |taxi, rows| timestamps(rows, |row| taxi.pickup(row));
    dropoff_datetime TIMESTAMP, not_null, |taxi, rows| timestamps(rows, |row| taxi.pickup(row) + taxi.duration(row));
    store_and_fwd_flag varchar(1), null, |taxi, rows| maybe_text(rows, |row| match taxi.draw(Stream::Vendor).below(row, 1000) {
        0..=399 => None,
        400..=989 => Some("N"),
        _ => Some("Y"),
    });
    rate_code_id SMALLINT, not_null, |taxi, rows| smallints(rows, |row| rate_code(taxi, row));
    pickup_longitude DEGREES, not_null, |taxi, rows| degrees(rows, |row| pickup(taxi, row).0);
    pickup_latitude DEGREES, not_null, |taxi, rows| degrees(rows, |row| pickup(taxi, row).1);
    dropoff_longitude DEGREES, not_null, |taxi, rows| degrees(rows, |row| dropoff(taxi, row).0);
    dropoff_latitude DEGREES, not_null, |taxi, rows| degrees(rows, |row| dropoff(taxi, row).1);
    passenger_count SMALLINT, not_null, |taxi, rows| smallints(rows, |row| taxi.passengers(row));
    trip_distance MONEY, not_null, |taxi, rows| money(rows, |row| taxi.distance(row) as i64);
    fare_amount MONEY, not_null, |taxi, rows| money(rows, |row| taxi.fare(row));
    extra MONEY, not_null, |taxi, rows| money(rows, |row| taxi.extra(row));
    mta_tax MONEY, not_null, |_, rows| money(rows, |_| 50);
    tip_amount MONEY, not_null, |taxi, rows| money(rows, |row| taxi.tip(row));
    tolls_amount MONEY, not_null, |taxi, rows| money(rows, |row| taxi.tolls(row));
    ehail_fee MONEY, null, |taxi, rows| maybe_money(rows, |row| (taxi.is_green(row) && row % 8 == 0).then_some(0));
    improvement_surcharge MONEY, not_null, |taxi, rows| money(rows, |row| taxi.surcharge(row));
    total_amount MONEY, not_null, |taxi, rows| money(rows, |row| taxi.total(row));
    payment_type varchar(3), not_null, |taxi, rows| text(rows, |row| taxi.payment(row));
    trip_type SMALLINT, null, |taxi, rows| {
        maybe_smallints(rows, |row| taxi.is_green(row).then(|| if taxi.draw(Stream::Rate).per_mille(row, 20) { 2 } else { 1 }))
    };
    pickup varchar(50), not_null, |taxi, rows| points(rows, |row| pickup(taxi, row));
    dropoff varchar(50), not_null, |taxi, rows| points(rows, |row| dropoff(taxi, row));
    cab_type varchar(6), not_null, |taxi, rows| text(rows, |row| if taxi.is_green(row) { "green" } else { "yellow" });
    precipitation SMALLINT, not_null, |taxi, rows| smallints(rows, |row| weather(taxi, row).precipitation);
    snow_depth SMALLINT, not_null, |taxi, rows| smallints(rows, |row| weather(taxi, row).snow_depth);
    snowfall SMALLINT, not_null, |taxi, rows| smallints(rows, |row| weather(taxi, row).snowfall);
    max_temperature SMALLINT, not_null, |taxi, rows| smallints(rows, |row| weather(taxi, row).high);
    min_temperature SMALLINT, not_null, |taxi, rows| smallints(rows, |row| weather(taxi, row).low);
    average_wind_speed SMALLINT, not_null, |taxi, rows| smallints(rows, |row| weather(taxi, row).wind);
    pickup_nyct2010_gid SMALLINT, not_null, |taxi, rows| smallints(rows, |row| from(taxi, row));
    pickup_ctlabel varchar(10), not_null, |taxi, rows| text(rows, |row| &tract(taxi, from, row).label);
    pickup_borocode SMALLINT, not_null, |taxi, rows| smallints(rows, |row| tract(taxi, from, row).borough_code);
    pickup_boroname varchar(13), not_null, |taxi, rows| text(rows, |row| tract(taxi, from, row).borough);
    pickup_ct2010 varchar(6), not_null, |taxi, rows| text(rows, |row| &tract(taxi, from, row).tract);
    pickup_boroct2010 varchar(7), not_null, |taxi, rows| text(rows, |row| &tract(taxi, from, row).borough_tract);
    pickup_cdeligibil varchar(1), not_null, |taxi, rows| text(rows, |row| tract(taxi, from, row).eligible);
    pickup_ntacode varchar(4), not_null, |taxi, rows| text(rows, |row| &tract(taxi, from, row).area_code);
    pickup_ntaname varchar(56), not_null, |taxi, rows| text(rows, |row| &tract(taxi, from, row).area);
    pickup_puma varchar(4), not_null, |taxi, rows| text(rows, |row| &tract(taxi, from, row).puma);
    dropoff_nyct2010_gid SMALLINT, not_null, |taxi, rows| smallints(rows, |row| to(taxi, row));
    dropoff_ctlabel varchar(10), not_null, |taxi, rows| text(rows, |row| &tract(taxi, to, row).label);
    dropoff_borocode SMALLINT, not_null, |taxi, rows| smallints(rows, |row| tract(taxi, to, row).borough_code);
    dropoff_boroname varchar(13), not_null, |taxi, rows| text(rows, |row| tract(taxi, to, row).borough);
    dropoff_ct2010 varchar(6), not_null, |taxi, rows| text(rows, |row| &tract(taxi, to, row).tract);
    dropoff_boroct2010 varchar(7), not_null, |taxi, rows| text(rows, |row| &tract(taxi, to, row).borough_tract);
    dropoff_cdeligibil varchar(1), not_null, |taxi, rows| text(rows, |row| tract(taxi, to, row).eligible);
    dropoff_ntacode varchar(4), not_null, |taxi, rows| text(rows, |row| &tract(taxi, to, row).area_code);
    dropoff_ntaname varchar(56), not_null, |taxi, rows| text(rows, |row| &tract(taxi, to, row).area);
    dropoff_puma varchar(4), not_null, |taxi, rows| text(rows, |row| &tract(taxi, to, row).puma);
};

/// Hundredths as numbers with six digits behind the point.
fn money(rows: Range<u64>, cents: impl Fn(u64) -> i64) -> ArrayRef {
    decimals((18, 6), rows, |row| i128::from(cents(row)) * 10_000)
}

fn maybe_money(rows: Range<u64>, cents: impl Fn(u64) -> Option<i64>) -> ArrayRef {
    maybe_decimals((18, 6), rows, |row| cents(row).map(|cents| i128::from(cents) * 10_000))
}

/// Millionths as numbers with fourteen digits behind the point.
fn degrees(rows: Range<u64>, millionths: impl Fn(u64) -> i64) -> ArrayRef {
    decimals((18, 14), rows, |row| i128::from(millionths(row)) * 100_000_000)
}

fn points(rows: Range<u64>, place: impl Fn(u64) -> (i64, i64)) -> ArrayRef {
    composed(rows, 42, |row, value| point(value, place(row)))
}

fn vendor(taxi: &Taxi, row: u64) -> &'static str {
    let first = taxi.draw(Stream::Vendor).below(row, 1000);
    match (taxi.day(row).0, first) {
        (6, 0..=460) => "1",
        (6, _) => "2",
        (0..=5, 0..=489) => "CMT",
        (0..=5, 490..=969) => "VTS",
        (_, _) => "DDS",
    }
}

fn rate_code(taxi: &Taxi, row: u64) -> i16 {
    match taxi.draw(Stream::Rate).below(row, 1000) {
        0..=974 => 1,
        975..=993 => 2,
        994..=995 => 3,
        996 => 4,
        _ => 5,
    }
}

fn pickup(taxi: &Taxi, row: u64) -> (i64, i64) {
    coordinates(taxi.draw(Stream::PickupPlace).bits(row))
}

fn dropoff(taxi: &Taxi, row: u64) -> (i64, i64) {
    coordinates(taxi.draw(Stream::DropoffPlace).bits(row))
}

/// The tract where a ride begins.
fn from(taxi: &Taxi, row: u64) -> i16 {
    taxi.places.number(taxi.draw(Stream::PickupTract).bits(row))
}

/// The tract where it ends.
fn to(taxi: &Taxi, row: u64) -> i16 {
    taxi.places.number(taxi.draw(Stream::DropoffTract).bits(row))
}

fn tract(taxi: &Taxi, end: fn(&Taxi, u64) -> i16, row: u64) -> &Tract {
    taxi.places.tract(end(taxi, row))
}

/// A day's weather: hundredths of an inch of rain, inches of snow, degrees Fahrenheit, miles an hour.
struct Weather {
    precipitation: i16,
    snow_depth: i16,
    snowfall: i16,
    high: i16,
    low: i16,
    wind: i16,
}

fn weather(taxi: &Taxi, row: u64) -> Weather {
    let (year, day) = taxi.day(row);
    let bits = mix(day);
    // From winter to summer and back, in a straight line each way.
    let of_year = (day - super::YEARS[year]) as i16;
    let warm = 183 - (of_year - 200).abs().min(183);
    let low = 18 + warm * 52 / 183 + scale(bits, 15) as i16;
    let wet = bits & 7 < 2;
    let snow = wet && low < 30;
    Weather {
        precipitation: if wet { scale(bits << 8, 120) as i16 } else { 0 },
        snow_depth: if low < 30 { scale(bits << 16, 8) as i16 } else { 0 },
        snowfall: if snow { scale(bits << 24, 10) as i16 } else { 0 },
        high: low + 6 + scale(bits << 32, 16) as i16,
        low,
        wind: 2 + scale(bits << 40, 14) as i16,
    }
}
