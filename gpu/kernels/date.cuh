// Date: days since 1970-01-01 in the proleptic Gregorian calendar, any 32-bit number of them.
//
// Years are counted from March, so that the leap day is the year's last (Neri and Schneider, "Euclidean affine functions
// and their application to calendar algorithms", 2022, section 4, after Hinnant). Pure functions of registers.

struct Civil {
    i32 year;    // astronomical: 0 is 1 BC
    i32 month;   // 1 to 12
    i32 day;     // from 1
};

// Moves every 32-bit day to a positive one: 14,700 times 400 years, and from March of year 0.
enum : u64 { DAYS_BEFORE = 719468ull + 14700ull * 146097ull };

INLINE Civil civil(i32 days) {
    const u64 n = (u64)((i64)days + (i64)DAYS_BEFORE);
    const u32 era = (u32)(n / 146097u);
    const u32 day_of_era = (u32)(n - (u64)era * 146097u);
    const u32 year_of_era = (day_of_era - day_of_era / 1460u + day_of_era / 36524u - day_of_era / 146096u) / 365u;
    const u32 day_of_year = day_of_era - (365u * year_of_era + year_of_era / 4u - year_of_era / 100u);
    const u32 march = (5u * day_of_year + 2u) / 153u;
    Civil result;
    result.day = (i32)(day_of_year - (153u * march + 2u) / 5u) + 1;
    result.month = (i32)(march < 10u ? march + 3u : march - 9u);
    result.year = ((i32)era - 14700) * 400 + (i32)year_of_era + (march >= 10u ? 1 : 0);
    return result;
}

// Days of a date; exact for every year that a 32-bit day can have, and 14 million beyond.
INLINE i64 days_of(i32 year, i32 month, i32 day) {
    const u32 y = (u32)(year - (month <= 2 ? 1 : 0) + 14700 * 400);
    const u32 era = y / 400u;
    const u32 year_of_era = y - era * 400u;
    const u32 day_of_year = (153u * (u32)(month > 2 ? month - 3 : month + 9) + 2u) / 5u + (u32)(day - 1);
    const u32 day_of_era = year_of_era * 365u + year_of_era / 4u - year_of_era / 100u + day_of_year;
    return (i64)era * 146097 + day_of_era - (i64)DAYS_BEFORE;
}

INLINE bool leap(i32 year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }
INLINE i32 month_days(i32 year, i32 month) {
    return month == 2 ? (leap(year) ? 29 : 28) : 30 + ((month + (month >> 3)) & 1);
}

// PostgreSQL has no year 0: the year before 1 is -1.
INLINE i32 shown_year(i32 year) { return year > 0 ? year : year - 1; }

// Sunday 0. 1970-01-01 was a Thursday.
INLINE i32 date_day_of_week(i32 days) { return (i32)((u64)((i64)days + 4 + 7ll * (1ll << 30)) % 7u); }
INLINE i32 date_iso_day_of_week(i32 days) {
    const i32 d = date_day_of_week(days);
    return d == 0 ? 7 : d;
}
INLINE i32 date_year(i32 days) { return shown_year(civil(days).year); }
INLINE i32 date_quarter(i32 days) { return (civil(days).month + 2) / 3; }
INLINE i32 date_month(i32 days) { return civil(days).month; }
INLINE i32 date_day(i32 days) { return civil(days).day; }
INLINE i32 date_day_of_year(i32 days) {
    return (i32)(days - days_of(civil(days).year, 1, 1)) + 1;
}

// ISO 8601: a week belongs to the year that has its Thursday.
INLINE i64 iso_thursday(i32 days) { return (i64)days + 4 - date_iso_day_of_week(days); }
INLINE i32 iso_year(i32 days, i32& day_of_year) {
    const i64 thursday = iso_thursday(days);
    i32 year = civil(days).year;
    if (thursday < days_of(year, 1, 1)) year--;
    else if (thursday >= days_of(year + 1, 1, 1)) year++;
    day_of_year = (i32)(thursday - days_of(year, 1, 1));
    return year;
}
INLINE i32 date_week(i32 days) {
    i32 day_of_year;
    iso_year(days, day_of_year);
    return day_of_year / 7 + 1;
}
INLINE i32 date_iso_year(i32 days) {
    i32 day_of_year;
    return shown_year(iso_year(days, day_of_year));
}
INLINE i32 date_month_start(i32 days) {
    return (i32)((i64)days - (civil(days).day - 1));
}
INLINE i32 date_quarter_start(i32 days) {
    const Civil c = civil(days);
    return (i32)days_of(c.year, (c.month - 1) / 3 * 3 + 1, 1);
}
INLINE i32 date_year_start(i32 days) { return (i32)days_of(civil(days).year, 1, 1); }

// The date in the low half, the fault in the high half: a call that gives a pair needs no stack.
OUTLINE u64 date_after_months(i32 days, i32 months) {
    const Civil c = civil(days);
    const i64 total = (i64)c.year * 12 + (c.month - 1) + months;
    // Rounded down, for years before 0.
    const i64 year = (total + 12ll * (1ll << 40)) / 12 - (1ll << 40);
    const i32 month = (i32)(total - year * 12) + 1;
    if (year < -4713 || year > 5874897) return (u64)DATE_RANGE << 32;
    const i32 last = month_days((i32)year, month);
    return (u32)days_of((i32)year, month, c.day < last ? c.day : last);
}
INLINE u32 add_months(i32 days, i32 months, i32& result) {
    const u64 found = date_after_months(days, months);
    result = (i32)(u32)found;
    return (u32)(found >> 32);
}
