//! Taxi rides: the table `trips` of the public benchmark over 1.1 billion rides in New York, 2009 to 2015.
//!
//! The columns and their types are that benchmark's. The values are drawn: years have their share of rides, rides are in
//! the order of their months, and in a month as somebody loads a file of it: at any time, more in rush hours. One passenger
//! is usual, yellow cabs are 95 in 100 (green ones came in August 2013), distances are log-normal with a few that no taxi
//! drives, and amounts follow from distance, time and the way of payment.

mod columns;
mod places;

use std::ops::Range;

use arrow::array::ArrayRef;

use super::draw::{Draw, log_normal, scale, weighted};
use super::{Column, Dataset};

/// Days since 1970 at the beginning of 2009, 2010, …, 2016.
const YEARS: [u64; 8] = [14_245, 14_610, 14_975, 15_340, 15_706, 16_071, 16_436, 16_801];
/// Rides of each year, in 100,000.
const RIDES: [u64; 7] = [1_709, 1_690, 1_769, 1_785, 1_744, 1_809, 1_653];
/// Rides of each hour of a day.
const HOURS: [u32; 24] = [39, 29, 22, 16, 12, 10, 21, 36, 45, 46, 45, 46, 49, 49, 51, 49, 42, 50, 60, 62, 58, 57, 55, 48];
/// Where green cabs begin: 2013-08-01.
const GREEN_FROM: u64 = 15_918;

/// The streams of random bits.
#[derive(Debug, Clone, Copy)]
enum Stream {
    Day,
    Hour,
    Cab,
    Passengers,
    Distance,
    Pace,
    Fare,
    Payment,
    Tip,
    Tolls,
    Vendor,
    Rate,
    PickupPlace,
    DropoffPlace,
    PickupTract,
    DropoffTract,
}

/// The table of rides.
#[derive(Debug)]
pub struct Taxi {
    rows: u64,
    draws: [Draw; 16],
    hours: Vec<u64>,
    passengers: Vec<i16>,
    /// Hundredths of a mile.
    distances: Vec<u32>,
    places: places::Places,
    /// A row's place among all rides of seven years.
    step: f64,
}

impl Taxi {
    /// So many rides.
    pub fn new(seed: u64, rows: u64) -> Self {
        let hours: Vec<(u64, u32)> = (0..).zip(HOURS).collect();
        let distances = log_normal(seed, 1.75, 0.86).into_iter().map(|miles| (miles * 100.0).clamp(1.0, 6_000.0) as u32);
        Self {
            rows,
            draws: std::array::from_fn(|stream| Draw::new(seed, stream as u64)),
            hours: weighted(&hours),
            passengers: weighted(&[(0, 4), (1, 711), (2, 143), (3, 44), (4, 21), (5, 65), (6, 36)]),
            distances: distances.collect(),
            places: places::Places::new(seed),
            step: RIDES.iter().sum::<u64>() as f64 / rows.max(1) as f64,
        }
    }

    fn draw(&self, stream: Stream) -> Draw {
        self.draws[stream as usize]
    }

    /// The year's number, and the day since 1970 on which a ride begins.
    fn day(&self, row: u64) -> (usize, u64) {
        let mut place = row as f64 * self.step;
        let mut year = 0;
        while year < 6 && place >= RIDES[year] as f64 {
            place -= RIDES[year] as f64;
            year += 1;
        }
        let (first, days) = (YEARS[year], YEARS[year + 1] - YEARS[year]);
        let month = ((place / RIDES[year] as f64 * 12.0) as u64).min(11);
        let (from, to) = (month * days / 12, (month + 1) * days / 12);
        (year, first + from + self.draw(Stream::Day).below(row, to - from))
    }

    /// The second since 1970 at which a ride begins.
    fn pickup(&self, row: u64) -> u64 {
        let bits = self.draw(Stream::Hour).bits(row);
        let hour = self.hours[(bits >> 54) as usize];
        self.day(row).1 * 86_400 + hour * 3600 + scale(bits << 10, 3600)
    }

    fn is_green(&self, row: u64) -> bool {
        // 5 in 100 of all rides are 14 in 100 of those that come after.
        self.draw(Stream::Cab).per_mille(row, 142) && self.day(row).1 >= GREEN_FROM
    }

    fn passengers(&self, row: u64) -> i16 {
        let bits = self.draw(Stream::Passengers).bits(row);
        if bits & 0xf_ffff == 0 {
            // One in a million is what a driver mistyped.
            return [7, 8, 9, 208][(bits >> 20 & 3) as usize];
        }
        self.passengers[(bits >> 54) as usize]
    }

    /// Hundredths of a mile.
    fn distance(&self, row: u64) -> u64 {
        let bits = self.draw(Stream::Distance).bits(row);
        match bits & 0x1_ffff {
            // One in 131,072 is what a meter miscounted.
            0 => scale(bits, 900_000),
            low if low & 0xff == 1 => 0,
            _ => u64::from(self.distances[(bits >> 48) as usize]),
        }
    }

    /// The seconds that a ride takes.
    fn duration(&self, row: u64) -> u64 {
        // Between 8 and 24 miles an hour: 1.5 to 4.5 seconds for a hundredth of a mile.
        let pace = 15 + self.draw(Stream::Pace).below(row, 30);
        60 + self.distance(row).min(8_000) * pace / 10
    }

    /// Cents: the flag, a mile, and a minute of standing, in steps of 50.
    fn fare(&self, row: u64) -> i64 {
        let standing = self.draw(Stream::Fare).below(row, 12) * 50;
        (250 + self.distance(row) * 2 / 50 * 50 + standing) as i64 + 50 * i64::from(self.distance(row) & 7 == 0)
    }

    /// Cents: in the evening and at night.
    fn extra(&self, row: u64) -> i64 {
        match self.pickup(row) / 3600 % 24 {
            16..=19 => 100,
            20..=23 | 0..=5 => 50,
            _ => 0,
        }
    }

    /// Cents: since 2015.
    fn surcharge(&self, row: u64) -> i64 {
        if self.day(row).0 == 6 { 30 } else { 0 }
    }

    fn payment(&self, row: u64) -> &'static str {
        match self.draw(Stream::Payment).below(row, 1000) {
            0..=559 => "CRD",
            560..=989 => "CSH",
            990..=994 => "NOC",
            995..=997 => "DIS",
            _ => "UNK",
        }
    }

    /// Cents: with cards only, most often a fifth.
    fn tip(&self, row: u64) -> i64 {
        if self.draw(Stream::Payment).below(row, 1000) >= 560 {
            return 0;
        }
        let percent = match self.draw(Stream::Tip).bits(row) {
            bits if bits & 7 == 0 => 0,
            bits if bits & 7 < 5 => 20,
            bits => 10 + scale(bits, 21) as i64,
        };
        self.fare(row) * percent / 100
    }

    /// Cents: on long ways.
    fn tolls(&self, row: u64) -> i64 {
        let chance = if self.distance(row) > 900 { 450 } else { 8 };
        if self.draw(Stream::Tolls).per_mille(row, chance) { [457, 480, 533, 554][self.day(row).0 / 2] } else { 0 }
    }

    /// Cents: everything together.
    fn total(&self, row: u64) -> i64 {
        self.fare(row) + self.extra(row) + 50 + self.tip(row) + self.tolls(row) + self.surcharge(row)
    }
}

impl Dataset for Taxi {
    fn name(&self) -> &'static str {
        "trips"
    }

    fn rows(&self) -> u64 {
        self.rows
    }

    fn columns(&self) -> Vec<Column> {
        super::columns_of(columns::COLUMNS)
    }

    fn array(&self, column: usize, rows: Range<u64>) -> ArrayRef {
        (columns::COLUMNS[column].make)(self, rows)
    }
}

/// The columns that the benchmark's four queries read.
pub const READ_BY_QUERIES: [&str; 5] = ["cab_type", "passenger_count", "pickup_datetime", "trip_distance", "total_amount"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rides_are_plausible() {
        let taxi = Taxi::new(1, 200_000);
        let share = |of: &dyn Fn(u64) -> bool| (0..taxi.rows).filter(|row| of(*row)).count() as f64 / taxi.rows as f64;
        assert!((0.03..0.07).contains(&share(&|row| taxi.is_green(row))));
        assert!((0.65..0.75).contains(&share(&|row| taxi.passengers(row) == 1)));
        assert!((0.05..0.2).contains(&share(&|row| taxi.distance(row) > 500)));
        assert!((0.13..0.16).contains(&share(&|row| taxi.day(row).0 == 0)));
        let rush = share(&|row| taxi.pickup(row) / 3600 % 24 == 19);
        let night = share(&|row| taxi.pickup(row) / 3600 % 24 == 5);
        assert!(rush > 4.0 * night && night > 0.0, "{rush} {night}");
        assert!((0..taxi.rows).all(|row| (YEARS[0] * 86_400..YEARS[7] * 86_400).contains(&taxi.pickup(row))));
        assert!((0..taxi.rows).all(|row| taxi.total(row) >= taxi.fare(row) + 50));
    }
}
