//! Dates: days since 1970-01-01 in the proleptic Gregorian calendar.
//!
//! Years here are astronomical: the year before 1 is 0. The conversions count days in eras of 400 years of 146,097 days whose
//! years begin in March (Hinnant, "chrono-compatible low-level date algorithms").

use super::expr::Stop;
use crate::program::{DatePart, Fault};

/// The years, astronomical, of dates that `add_months` may give.
const YEARS: std::ops::RangeInclusive<i64> = -4713..=5_874_897;

/// Year, month from 1 and day from 1.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The days of a date.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let (next_year, next_month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    days(next_year, next_month, 1) - days(year, month, 1)
}

/// The year as PostgreSQL counts: no year 0.
fn year_counted(year: i64) -> i64 {
    if year <= 0 { year - 1 } else { year }
}

/// The astronomical year and the number of ISO 8601's week: the one that its Thursday lies in.
fn iso_week(date: i64) -> (i64, i64) {
    let monday = date - (iso_day_of_week(date) - 1);
    let thursday = monday + 3;
    let (year, _, _) = civil(thursday);
    (year, (thursday - days(year, 1, 1)) / 7 + 1)
}

/// Monday 1 to Sunday 7. 1970-01-01 was a Thursday.
fn iso_day_of_week(date: i64) -> i64 {
    (date + 3).rem_euclid(7) + 1
}

/// A part of a date.
pub(super) fn part(part: DatePart, date: i64) -> Result<i128, Stop> {
    let (year, month, day) = civil(date);
    let value = match part {
        DatePart::Year => year_counted(year),
        DatePart::Quarter => (month - 1) / 3 + 1,
        DatePart::Month => month,
        DatePart::Day => day,
        DatePart::DayOfWeek => iso_day_of_week(date) % 7,
        DatePart::IsoDayOfWeek => iso_day_of_week(date),
        DatePart::DayOfYear => date - days(year, 1, 1) + 1,
        DatePart::Week => iso_week(date).1,
        DatePart::IsoYear => year_counted(iso_week(date).0),
        DatePart::MonthStart => days(year, month, 1),
        DatePart::QuarterStart => days(year, (month - 1) / 3 * 3 + 1, 1),
        DatePart::YearStart => days(year, 1, 1),
    };
    match i32::try_from(value) {
        Ok(value) => Ok(value.into()),
        Err(_) => Err(Stop::Promise("the first day of a date's month or year lies before all dates")),
    }
}

/// The date so many months later, the day cut to the month's last.
pub(super) fn add_months(date: i64, months: i64) -> Result<i128, Stop> {
    let (year, month, day) = civil(date);
    let total = year * 12 + (month - 1) + months;
    let (year, month) = (total.div_euclid(12), total.rem_euclid(12) + 1);
    if !YEARS.contains(&year) {
        return Err(Stop::Fault(Fault::DateRange));
    }
    Ok(days(year, month, day.min(days_in_month(year, month))).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_dates_are_inverse() {
        let mut expected = (1583, 12, 31);
        for date in days(1584, 1, 1)..days(2120, 1, 1) {
            // The calendar, one day after another.
            let (year, month, day) = expected;
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let last = match month {
                2 => 28 + i64::from(leap),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            expected = match (month, day == last) {
                (12, true) => (year + 1, 1, 1),
                (_, true) => (year, month + 1, 1),
                (_, false) => (year, month, day + 1),
            };
            assert_eq!(civil(date), expected);
            assert_eq!(days(expected.0, expected.1, expected.2), date);
        }
        for date in [i64::from(i32::MIN), -719_529, -719_528, -719_163, -719_162, -1, 0, i64::from(i32::MAX)] {
            let (year, month, day) = civil(date);
            assert_eq!(days(year, month, day), date);
        }
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(-719_162), (1, 1, 1));
        assert_eq!(civil(-719_163), (0, 12, 31));
    }

    #[test]
    fn weeks_belong_to_their_thursday() {
        for (date, week) in [
            ((2021, 1, 3), (2020, 53)),
            ((2021, 1, 4), (2021, 1)),
            ((2019, 12, 30), (2020, 1)),
            ((2016, 1, 1), (2015, 53)),
            ((2018, 12, 31), (2019, 1)),
            ((2017, 1, 1), (2016, 52)),
        ] {
            assert_eq!(iso_week(days(date.0, date.1, date.2)), week, "{date:?}");
        }
    }
}
