//! The civil calendar: proleptic Gregorian, days since 1970-01-01. The algorithms are Howard Hinnant's
//! (<https://howardhinnant.github.io/date_algorithms.html>).

use crate::program::DatePart;

/// Year (there is a year 0), month and day.
pub fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_of_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_of_march + 2) / 5 + 1;
    let month = if month_of_march < 10 { month_of_march + 3 } else { month_of_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The day of a year (there is a year 0), month and day of the month.
pub fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The year as PostgreSQL counts: the one before 1 is -1.
fn counted(year: i64) -> i64 {
    if year <= 0 { year - 1 } else { year }
}

/// ISO 8601's year (there is a year 0) and week.
fn iso(date: i64) -> (i64, i64) {
    // The week belongs to the year of its Thursday.
    let thursday = date - (date + 3).rem_euclid(7) + 3;
    let (year, _, _) = civil(thursday);
    (year, (thursday - days(year, 1, 1)) / 7 + 1)
}

/// A part of a date.
#[inline]
pub fn part_of(part: DatePart, date: i32) -> i32 {
    let date = i64::from(date);
    let value = match part {
        DatePart::Year => counted(civil(date).0),
        DatePart::Quarter => (civil(date).1 - 1) / 3 + 1,
        DatePart::Month => civil(date).1,
        DatePart::Day => civil(date).2,
        DatePart::DayOfWeek => (date + 4).rem_euclid(7),
        DatePart::IsoDayOfWeek => (date + 3).rem_euclid(7) + 1,
        DatePart::DayOfYear => date - days(civil(date).0, 1, 1) + 1,
        DatePart::Week => iso(date).1,
        DatePart::IsoYear => counted(iso(date).0),
        DatePart::MonthStart => {
            let (year, month, _) = civil(date);
            days(year, month, 1)
        }
        DatePart::QuarterStart => {
            let (year, month, _) = civil(date);
            days(year, (month - 1) / 3 * 3 + 1, 1)
        }
        DatePart::YearStart => days(civil(date).0, 1, 1),
    };
    value as i32
}

/// The date so many months later, the day cut to the month's last; `None` where the year leaves the calendar.
pub fn months_after(date: i32, months: i32) -> Option<i32> {
    let (year, month, day) = civil(date.into());
    let count = year * 12 + month - 1 + i64::from(months);
    let (year, month) = (count.div_euclid(12), count.rem_euclid(12) + 1);
    if !(-4713..=5_874_897).contains(&year) {
        return None;
    }
    let (next_year, next_month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    let last = days(next_year, next_month, 1) - days(year, month, 1);
    i32::try_from(days(year, month, day.min(last))).ok()
}

/// As [`months_after`], through a pointer; 1 where there is no such date.
pub(super) extern "C" fn add_months(date: i32, months: i32, out: *mut i32) -> u8 {
    let found = months_after(date, months);
    // SAFETY: compiled code passes the address of a slot in its frame.
    unsafe { out.write_unaligned(found.unwrap_or(0)) };
    found.is_none().into()
}

macro_rules! parts {
    ($($name:ident $part:ident),*) => {
        $(extern "C" fn $name(date: i32) -> i32 {
            part_of(DatePart::$part, date)
        })*

        /// The function for a part.
        pub(super) fn part(part: DatePart) -> *const u8 {
            match part {
                $(DatePart::$part => $name as *const u8,)*
            }
        }
    };
}

parts!(
    year Year, quarter Quarter, month Month, day Day, day_of_week DayOfWeek, iso_day_of_week IsoDayOfWeek,
    day_of_year DayOfYear, week Week, iso_year IsoYear, month_start MonthStart, quarter_start QuarterStart,
    year_start YearStart
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_civil_are_inverse() {
        for date in (-800_000..800_000).step_by(37) {
            let (year, month, day) = civil(date);
            assert_eq!(days(year, month, day), date);
        }
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(-719_468), (0, 3, 1));
    }

    #[test]
    fn parts_are_postgresqls() {
        let date = days(2021, 1, 3) as i32;
        let of = |part| part_of(part, date);
        assert_eq!((of(DatePart::Week), of(DatePart::IsoYear), of(DatePart::IsoDayOfWeek)), (53, 2020, 7));
        assert_eq!((of(DatePart::DayOfWeek), of(DatePart::DayOfYear), of(DatePart::Quarter)), (0, 3, 1));
        assert_eq!(part_of(DatePart::Year, days(0, 5, 1) as i32), -1);
    }

    #[test]
    fn months_are_cut_to_the_last_day() {
        let date = days(2024, 1, 31) as i32;
        assert_eq!(months_after(date, 1), Some(days(2024, 2, 29) as i32));
        assert_eq!(months_after(date, -2), Some(days(2023, 11, 30) as i32));
        assert_eq!(months_after(date, i32::MAX), None);
        assert_eq!(months_after(i32::MAX, i32::MAX), None);
    }
}
