//! Operators: arithmetic, comparison, texts, arrays, dates. One line each, as in [`super::function`].

use super::cast::integer;
use super::datum::{Datum, Interval, compare, trim_blanks};
use super::function::{Call, Line, array, call, datetime, json, lax, math, pattern};
use crate::error::{Error, Result};
use crate::types::Base;

/// Types that compare with themselves, by the names of `pg_type`.
macro_rules! comparisons {
    ($lines:ident, $($left:literal $right:literal),*) => {
        $(
            $lines.extend([
                call(concat!("=(", $left, ",", $right, ") bool"), |_, a| Ok(Datum::Bool(compare(&a[0], &a[1]).is_eq()))),
                call(concat!("<>(", $left, ",", $right, ") bool"), |_, a| Ok(Datum::Bool(compare(&a[0], &a[1]).is_ne()))),
                call(concat!("<(", $left, ",", $right, ") bool"), |_, a| Ok(Datum::Bool(compare(&a[0], &a[1]).is_lt()))),
                call(concat!("<=(", $left, ",", $right, ") bool"), |_, a| Ok(Datum::Bool(compare(&a[0], &a[1]).is_le()))),
                call(concat!(">(", $left, ",", $right, ") bool"), |_, a| Ok(Datum::Bool(compare(&a[0], &a[1]).is_gt()))),
                call(concat!(">=(", $left, ",", $right, ") bool"), |_, a| Ok(Datum::Bool(compare(&a[0], &a[1]).is_ge()))),
            ]);
        )*
    };
}

fn blanks(a: &[Datum]) -> std::cmp::Ordering {
    trim_blanks(a[0].str()).as_bytes().cmp(trim_blanks(a[1].str()).as_bytes())
}

fn whole(c: &Call<'_>, a: &[Datum], f: fn(i64, i64) -> Option<i64>) -> Result<Datum> {
    let value = f(a[0].int(), a[1].int()).ok_or_else(|| Error::out_of_range(c.result.base.row().sql_name))?;
    integer(value, c.result.base)
}

fn divide(c: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    if a[1].int() == 0 {
        return Err(Error::division_by_zero());
    }
    whole(c, a, i64::checked_div)
}

fn remainder(c: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    match a[1].int() {
        0 => Err(Error::division_by_zero()),
        // The least integer modulo -1 would overflow on the way to nothing.
        -1 => integer(0, c.result.base),
        by => integer(a[0].int() % by, c.result.base),
    }
}

/// Whole number arithmetic for one width.
macro_rules! integers {
    ($lines:ident, $($t:literal),*) => {
        $(
            $lines.extend([
                call(concat!("+(", $t, ",", $t, ") ", $t), |c, a| whole(c, a, i64::checked_add)),
                call(concat!("-(", $t, ",", $t, ") ", $t), |c, a| whole(c, a, i64::checked_sub)),
                call(concat!("*(", $t, ",", $t, ") ", $t), |c, a| whole(c, a, i64::checked_mul)),
                call(concat!("/(", $t, ",", $t, ") ", $t), divide),
                call(concat!("%(", $t, ",", $t, ") ", $t), remainder),
                call(concat!("&(", $t, ",", $t, ") ", $t), |c, a| integer(a[0].int() & a[1].int(), c.result.base)),
                call(concat!("|(", $t, ",", $t, ") ", $t), |c, a| integer(a[0].int() | a[1].int(), c.result.base)),
                call(concat!("#(", $t, ",", $t, ") ", $t), |c, a| integer(a[0].int() ^ a[1].int(), c.result.base)),
                call(concat!("<<(", $t, ",int4) ", $t), |c, a| Ok(shift(&a[0], a[1].int(), c.result.base))),
                call(concat!(">>(", $t, ",int4) ", $t), |c, a| Ok(shift_right(&a[0], a[1].int(), c.result.base))),
                call(concat!("~(", $t, ") ", $t), |c, a| integer(!a[0].int(), c.result.base)),
                call(concat!("+(", $t, ") ", $t), |_, a| Ok(a[0].clone())),
                call(concat!("-(", $t, ") ", $t), |c, a| {
                    integer(a[0].int().checked_neg().ok_or_else(|| Error::out_of_range(c.result.base.row().sql_name))?, c.result.base)
                }),
                call(concat!("@(", $t, ") ", $t), math::absolute),
            ]);
        )*
    };
}

/// C's shift on the processors that PostgreSQL runs on: the count is taken modulo the width.
fn shift(value: &Datum, by: i64, base: Base) -> Datum {
    match base {
        Base::Int2 => Datum::Int2((value.int() as i32).wrapping_shl(by as u32) as i16),
        Base::Int4 => Datum::Int4((value.int() as i32).wrapping_shl(by as u32)),
        _ => Datum::Int8(value.int().wrapping_shl(by as u32)),
    }
}

fn shift_right(value: &Datum, by: i64, base: Base) -> Datum {
    match base {
        Base::Int2 => Datum::Int2((value.int() as i32).wrapping_shr(by as u32) as i16),
        Base::Int4 => Datum::Int4((value.int() as i32).wrapping_shr(by as u32)),
        _ => Datum::Int8(value.int().wrapping_shr(by as u32)),
    }
}

/// Floating point arithmetic for one pair of types.
macro_rules! floats {
    ($lines:ident, $($l:literal $r:literal $t:literal),*) => {
        $(
            $lines.extend([
                call(concat!("+(", $l, ",", $r, ") ", $t), |c, a| math::float(c, &a[..2], |x, y| x + y, false)),
                call(concat!("-(", $l, ",", $r, ") ", $t), |c, a| math::float(c, &a[..2], |x, y| x - y, false)),
                call(concat!("*(", $l, ",", $r, ") ", $t), |c, a| math::float(c, &a[..2], |x, y| x * y, true)),
                call(concat!("/(", $l, ",", $r, ") ", $t), |c, a| {
                    if a[1].float() == 0.0 && !a[0].float().is_nan() {
                        return Err(Error::division_by_zero());
                    }
                    math::float(c, &a[..2], |x, y| x / y, true)
                }),
            ]);
        )*
    };
}

fn numeric(
    a: &[Datum],
    f: impl Fn(&crate::types::numeric::Numeric, &crate::types::numeric::Numeric) -> Result<crate::types::numeric::Numeric>,
) -> Result<Datum> {
    Ok(Datum::numeric(f(&a[0].num(), &a[1].num())?))
}

fn negated(value: &Datum) -> Result<Interval> {
    datetime::negate(value.interval())
}

fn swapped(c: &Call<'_>, a: &[Datum], f: fn(&Call<'_>, &[Datum]) -> Result<Datum>) -> Result<Datum> {
    f(c, &[a[1].clone(), a[0].clone()])
}

/// Every operator.
pub fn all() -> Vec<Line> {
    let mut lines = Vec::new();
    comparisons!(lines, "bool" "bool", "\"char\"" "\"char\"", "name" "name", "int2" "int2", "int4" "int4", "int8" "int8", "text" "text",
        "oid" "oid", "float4" "float4", "float8" "float8", "float4" "float8", "float8" "float4", "numeric" "numeric", "date" "date",
        "time" "time", "timestamp" "timestamp", "timestamptz" "timestamptz", "interval" "interval", "uuid" "uuid", "bytea" "bytea",
        "jsonb" "jsonb", "oidvector" "oidvector", "anyarray" "anyarray", "record" "record", "xid" "xid", "tid" "tid",
        "date" "timestamp", "timestamp" "date", "date" "timestamptz", "timestamptz" "date");
    integers!(lines, "int2", "int4", "int8");
    floats!(lines, "float4" "float4" "float4", "float8" "float8" "float8", "float4" "float8" "float8", "float8" "float4" "float8");
    lines.extend_from_slice(&[
        call("=(bpchar,bpchar) bool", |_, a| Ok(Datum::Bool(blanks(a).is_eq()))),
        call("<>(bpchar,bpchar) bool", |_, a| Ok(Datum::Bool(blanks(a).is_ne()))),
        call("<(bpchar,bpchar) bool", |_, a| Ok(Datum::Bool(blanks(a).is_lt()))),
        call("<=(bpchar,bpchar) bool", |_, a| Ok(Datum::Bool(blanks(a).is_le()))),
        call(">(bpchar,bpchar) bool", |_, a| Ok(Datum::Bool(blanks(a).is_gt()))),
        call(">=(bpchar,bpchar) bool", |_, a| Ok(Datum::Bool(blanks(a).is_ge()))),
        call("=(xid,int4) bool", |_, a| Ok(Datum::Bool(a[0].int() == a[1].int()))),
        call("+(numeric,numeric) numeric", |_, a| numeric(a, |x, y| x.add(y))),
        call("-(numeric,numeric) numeric", |_, a| numeric(a, |x, y| x.sub(y))),
        call("*(numeric,numeric) numeric", |_, a| numeric(a, |x, y| x.mul(y))),
        call("/(numeric,numeric) numeric", |_, a| numeric(a, |x, y| x.div(y))),
        call("%(numeric,numeric) numeric", |_, a| numeric(a, |x, y| x.rem(y))),
        call("^(numeric,numeric) numeric", |_, a| numeric(a, |x, y| x.power(y))),
        call("^(float8,float8) float8", math::power),
        call("-(numeric) numeric", |_, a| Ok(Datum::numeric(a[0].num().neg()))),
        call("+(numeric) numeric", |_, a| Ok(a[0].clone())),
        call("-(float4) float4", |_, a| Ok(Datum::Float4(-(a[0].float() as f32)))),
        call("+(float4) float4", |_, a| Ok(a[0].clone())),
        call("-(float8) float8", |_, a| Ok(Datum::Float8(-a[0].float()))),
        call("+(float8) float8", |_, a| Ok(a[0].clone())),
        call("@(numeric) numeric", math::absolute),
        call("@(float4) float4", math::absolute),
        call("@(float8) float8", math::absolute),
        call("|/(float8) float8", math::square_root),
        call("||/(float8) float8", |c, a| math::float(c, &a[..1], |x, _| x.cbrt(), false)),
        // Texts.
        call("||(text,text) text", |_, a| Ok(Datum::text(format!("{}{}", a[0].str(), a[1].str())))),
        call("||(text,anynonarray) text", array::text_and_any),
        call("||(anynonarray,text) text", array::any_and_text),
        call("||(bytea,bytea) bytea", |_, a| match (&a[0], &a[1]) {
            (Datum::Bytea(x), Datum::Bytea(y)) => Ok(Datum::Bytea([x.as_ref(), y.as_ref()].concat().into())),
            _ => Ok(Datum::Null),
        }),
        lax("||(anyarray,anyarray) anyarray", array::concatenate),
        lax("||(anyarray,anyelement) anyarray", array::append),
        lax("||(anyelement,anyarray) anyarray", array::prepend),
        call("||(jsonb,jsonb) jsonb", json::concatenate),
        call("~~(text,text) bool", |_, a| Ok(Datum::Bool(pattern::like(a[0].str(), a[1].str(), Some('\\'))?))),
        call("!~~(text,text) bool", |_, a| Ok(Datum::Bool(!pattern::like(a[0].str(), a[1].str(), Some('\\'))?))),
        call("~~(bpchar,text) bool", |_, a| Ok(Datum::Bool(pattern::like(a[0].str(), a[1].str(), Some('\\'))?))),
        call("!~~(bpchar,text) bool", |_, a| Ok(Datum::Bool(!pattern::like(a[0].str(), a[1].str(), Some('\\'))?))),
        call("~~(name,text) bool", |_, a| Ok(Datum::Bool(pattern::like(a[0].str(), a[1].str(), Some('\\'))?))),
        call("!~~(name,text) bool", |_, a| Ok(Datum::Bool(!pattern::like(a[0].str(), a[1].str(), Some('\\'))?))),
        call("~~*(text,text) bool", |_, a| Ok(Datum::Bool(pattern::ilike(a[0].str(), a[1].str(), Some('\\'))?))),
        call("!~~*(text,text) bool", |_, a| Ok(Datum::Bool(!pattern::ilike(a[0].str(), a[1].str(), Some('\\'))?))),
        call("~~*(name,text) bool", |_, a| Ok(Datum::Bool(pattern::ilike(a[0].str(), a[1].str(), Some('\\'))?))),
        call("!~~*(name,text) bool", |_, a| Ok(Datum::Bool(!pattern::ilike(a[0].str(), a[1].str(), Some('\\'))?))),
        call("~(text,text) bool", |_, a| Ok(Datum::Bool(pattern::matches(a[0].str(), a[1].str(), "")?))),
        call("!~(text,text) bool", |_, a| Ok(Datum::Bool(!pattern::matches(a[0].str(), a[1].str(), "")?))),
        call("~*(text,text) bool", |_, a| Ok(Datum::Bool(pattern::matches(a[0].str(), a[1].str(), "i")?))),
        call("!~*(text,text) bool", |_, a| Ok(Datum::Bool(!pattern::matches(a[0].str(), a[1].str(), "i")?))),
        call("~(name,text) bool", |_, a| Ok(Datum::Bool(pattern::matches(a[0].str(), a[1].str(), "")?))),
        call("!~(name,text) bool", |_, a| Ok(Datum::Bool(!pattern::matches(a[0].str(), a[1].str(), "")?))),
        call("~*(name,text) bool", |_, a| Ok(Datum::Bool(pattern::matches(a[0].str(), a[1].str(), "i")?))),
        call("!~*(name,text) bool", |_, a| Ok(Datum::Bool(!pattern::matches(a[0].str(), a[1].str(), "i")?))),
        call("^@(text,text) bool", |_, a| Ok(Datum::Bool(a[0].str().starts_with(a[1].str())))),
        // Arrays and documents.
        call("@>(anyarray,anyarray) bool", |_, a| Ok(Datum::Bool(array::contains(&a[0], &a[1])))),
        call("<@(anyarray,anyarray) bool", |_, a| Ok(Datum::Bool(array::contains(&a[1], &a[0])))),
        call("&&(anyarray,anyarray) bool", |_, a| Ok(Datum::Bool(array::overlaps(&a[0], &a[1])))),
        call("->(json,text) json", json::get),
        call("->(json,int4) json", json::get),
        call("->(jsonb,text) jsonb", json::get),
        call("->(jsonb,int4) jsonb", json::get),
        call("->>(json,text) text", json::get_text),
        call("->>(json,int4) text", json::get_text),
        call("->>(jsonb,text) text", json::get_text),
        call("->>(jsonb,int4) text", json::get_text),
        call("#>(json,text[]) json", json::path),
        call("#>(jsonb,text[]) jsonb", json::path),
        call("#>>(json,text[]) text", json::path_text),
        call("#>>(jsonb,text[]) text", json::path_text),
        call("@>(jsonb,jsonb) bool", |_, a| json::contains(&a[0], &a[1])),
        call("<@(jsonb,jsonb) bool", |_, a| json::contains(&a[1], &a[0])),
        call("?(jsonb,text) bool", json::has_key),
        // Dates and times.
        call("+(date,int4) date", |_, a| datetime::add_days(a[0].ticks(), a[1].int())),
        call("+(int4,date) date", |_, a| datetime::add_days(a[1].ticks(), a[0].int())),
        call("-(date,int4) date", |_, a| datetime::add_days(a[0].ticks(), -a[1].int())),
        call("-(date,date) int4", |_, a| datetime::days_between(&a[0], &a[1])),
        call("+(date,interval) timestamp", datetime::date_plus_interval),
        call("+(interval,date) timestamp", |c, a| swapped(c, a, datetime::date_plus_interval)),
        call("-(date,interval) timestamp", |c, a| {
            datetime::date_plus_interval(c, &[a[0].clone(), Datum::Interval(negated(&a[1])?)])
        }),
        call("+(date,time) timestamp", datetime::date_plus_time),
        call("+(time,date) timestamp", |c, a| swapped(c, a, datetime::date_plus_time)),
        call("+(timestamp,interval) timestamp", datetime::plus_interval),
        call("+(interval,timestamp) timestamp", |c, a| swapped(c, a, datetime::plus_interval)),
        call("-(timestamp,interval) timestamp", |c, a| {
            datetime::plus_interval(c, &[a[0].clone(), Datum::Interval(negated(&a[1])?)])
        }),
        call("+(timestamptz,interval) timestamptz", datetime::plus_interval),
        call("+(interval,timestamptz) timestamptz", |c, a| swapped(c, a, datetime::plus_interval)),
        call("-(timestamptz,interval) timestamptz", |c, a| {
            datetime::plus_interval(c, &[a[0].clone(), Datum::Interval(negated(&a[1])?)])
        }),
        call("-(timestamp,timestamp) interval", datetime::difference),
        call("-(timestamptz,timestamptz) interval", datetime::difference),
        call("-(time,time) interval", |_, a| {
            Ok(Datum::Interval(Interval { months: 0, days: 0, us: a[0].ticks() - a[1].ticks() }))
        }),
        call("+(time,interval) time", |_, a| Ok(datetime::time_plus(a[0].ticks(), a[1].interval().us))),
        call("+(interval,time) time", |_, a| Ok(datetime::time_plus(a[1].ticks(), a[0].interval().us))),
        call("-(time,interval) time", |_, a| Ok(datetime::time_plus(a[0].ticks(), a[1].interval().us.wrapping_neg()))),
        call("+(interval,interval) interval", |_, a| Ok(Datum::Interval(datetime::add(a[0].interval(), a[1].interval())?))),
        call("-(interval,interval) interval", |_, a| Ok(Datum::Interval(datetime::add(a[0].interval(), negated(&a[1])?)?))),
        call("-(interval) interval", |_, a| Ok(Datum::Interval(negated(&a[0])?))),
        call("*(interval,float8) interval", |_, a| datetime::scale(a[0].interval(), a[1].float())),
        call("*(float8,interval) interval", |_, a| datetime::scale(a[1].interval(), a[0].float())),
        call("/(interval,float8) interval", |_, a| {
            if a[1].float() == 0.0 {
                return Err(Error::division_by_zero());
            }
            datetime::divide(a[0].interval(), a[1].float())
        }),
    ]);
    lines
}
