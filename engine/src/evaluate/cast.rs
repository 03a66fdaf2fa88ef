//! Conversions between values: to and from text, between types, and to a type's modifier.

use super::coerce::{self, is_reg};
use super::context::Context;
use super::datum::{Datum, Interval, trim_blanks};
use crate::catalog::pg_catalog::names;
use crate::error::{Condition, Error, Result};
use crate::types::numeric::Numeric;
use crate::types::text::{self, USECS_PER_DAY};
use crate::types::{Base, SqlType};

fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::with_capacity(24);
    write(&mut out);
    String::from_utf8(out).unwrap_or_default()
}

/// A value's text, as PostgreSQL's output function gives it; empty for null.
pub fn output(value: &Datum, sql_type: SqlType, ctx: &Context<'_>) -> String {
    match value {
        Datum::Null => String::new(),
        Datum::Bool(v) => if *v { "t" } else { "f" }.to_owned(),
        Datum::Int2(v) => v.to_string(),
        Datum::Int4(v) => v.to_string(),
        Datum::Int8(v) => v.to_string(),
        Datum::Oid(v) => {
            if is_reg(sql_type.base) {
                names::output(sql_type.base, *v, ctx)
            } else {
                v.to_string()
            }
        }
        Datum::Float4(v) => written(|out| text::write_f32(out, *v)),
        Datum::Float8(v) => written(|out| text::write_f64(out, *v)),
        Datum::Numeric(v) => v.to_string(),
        Datum::Text(v) => v.to_string(),
        Datum::Bytea(v) => written(|out| text::write_bytea(out, v)),
        Datum::Date(v) => written(|out| text::write_date(out, *v)),
        Datum::Time(v) => written(|out| text::write_time(out, *v)),
        Datum::Timestamp(v) => written(|out| text::write_timestamp(out, *v)),
        Datum::Timestamptz(v) => written(|out| text::write_timestamptz(out, *v, &ctx.zone)),
        Datum::Interval(v) => written(|out| text::write_interval(out, v.months, v.days, v.us)),
        Datum::Uuid(v) => written(|out| text::write_uuid(out, v)),
        Datum::Array(array) => {
            if matches!(sql_type.base, Base::Int2Vector | Base::OidVector) && !sql_type.array {
                return array.items.iter().map(|i| i.int().to_string()).collect::<Vec<_>>().join(" ");
            }
            let element = SqlType::from(array.element);
            written(|out| {
                if array.lower != 1 && !array.items.is_empty() {
                    let upper = i64::from(array.lower) + array.items.len() as i64 - 1;
                    out.extend(format!("[{}:{upper}]=", array.lower).as_bytes());
                }
                out.push(b'{');
                for (at, item) in array.items.iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    match item {
                        Datum::Null => out.extend(b"NULL"),
                        Datum::Array(_) => out.extend(output(item, SqlType::array(array.element), ctx).as_bytes()),
                        item => text::write_array_element(out, output(item, element, ctx).as_bytes()),
                    }
                }
                out.push(b'}');
            })
        }
        Datum::Record(fields) => {
            let mut out = String::from("(");
            for (at, (field_type, field)) in fields.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                if field.is_null() {
                    continue;
                }
                let text = output(field, *field_type, ctx);
                let quoted = text.is_empty()
                    || text.chars().any(|c| matches!(c, '"' | '\\' | '(' | ')' | ',') || super::datum::is_blank(c));
                if quoted {
                    out.push('"');
                    for c in text.chars() {
                        if matches!(c, '"' | '\\') {
                            out.push(c);
                        }
                        out.push(c);
                    }
                    out.push('"');
                } else {
                    out.push_str(&text);
                }
            }
            out.push(')');
            out
        }
    }
}

/// A value from its text, as PostgreSQL's input function reads it; lengths are not applied.
pub fn input(value: &str, sql_type: SqlType, ctx: &Context<'_>) -> Result<Datum> {
    if sql_type.array {
        let element = SqlType { array: false, ..sql_type };
        let items = text::parse_array(value)?;
        let items: Result<Vec<Datum>> =
            items.iter().map(|i| i.as_ref().map_or(Ok(Datum::Null), |i| input(i, element, ctx))).collect();
        return Ok(Datum::array(sql_type.base, items?));
    }
    Ok(match sql_type.base {
        Base::Bool => Datum::Bool(text::parse_bool(value)?),
        Base::Bytea => Datum::Bytea(text::parse_bytea(value)?.into()),
        Base::Char => Datum::text(value.chars().next().map(String::from).unwrap_or_default()),
        Base::Name => Datum::text(truncate_name(value)),
        Base::Int2 => Datum::Int2(text::parse_i16(value)?),
        Base::Int4 => Datum::Int4(text::parse_i32(value)?),
        Base::Int8 => Datum::Int8(text::parse_i64(value)?),
        Base::Int2Vector => Datum::vector(Base::Int2, vector(value, |v| Ok(Datum::Int2(text::parse_i16(v)?)))?),
        Base::OidVector => Datum::vector(Base::Oid, vector(value, |v| Ok(Datum::Oid(text::parse_oid(v)?)))?),
        Base::Oid | Base::Xid => Datum::Oid(text::parse_oid(value)?),
        Base::RegProc | Base::RegClass | Base::RegType | Base::RegNamespace => {
            Datum::Oid(names::input(sql_type.base, value, ctx)?)
        }
        Base::Float4 => Datum::Float4(text::parse_f32(value)?),
        Base::Float8 => Datum::Float8(text::parse_f64(value)?),
        Base::Date => Datum::Date(text::parse_date_in(value, &ctx.zone)?),
        Base::Time => Datum::Time(text::parse_time_in(value, &ctx.zone)?),
        Base::Timestamp => Datum::Timestamp(text::parse_timestamp_in(value, &ctx.zone)?),
        Base::Timestamptz => Datum::Timestamptz(text::parse_timestamptz(value, &ctx.zone)?),
        Base::Interval => {
            let (months, days, us) = text::parse_interval(value)?;
            Datum::Interval(Interval { months, days, us })
        }
        Base::Numeric => Datum::numeric(Numeric::parse(value)?),
        Base::Uuid => Datum::Uuid(text::parse_uuid(value)?),
        Base::Json => {
            super::function::json::parse(value)?;
            Datum::text(value)
        }
        Base::Jsonb => Datum::text(super::function::json::canonical(&super::function::json::parse(value)?)),
        Base::Record => return Err(Error::unsupported("input of anonymous composite types is not implemented")),
        Base::Void => Datum::text(""),
        Base::Text | Base::Tid | Base::NodeTree | Base::Unknown | Base::AclItem | Base::Bpchar | Base::Varchar => {
            Datum::text(value)
        }
    })
}

fn vector(value: &str, parse: impl Fn(&str) -> Result<Datum>) -> Result<Vec<Datum>> {
    value.split_ascii_whitespace().map(parse).collect()
}

/// A `name` holds 63 bytes.
fn truncate_name(value: &str) -> &str {
    let mut end = value.len().min(63);
    while !value.is_char_boundary(end) {
        end -= 1;
    }
    &value[..end]
}

fn out_of_range(base: Base) -> Error {
    Error::out_of_range(base.row().sql_name)
}

/// A whole number of type `base`.
pub fn integer(value: i64, base: Base) -> Result<Datum> {
    Ok(match base {
        Base::Int2 => Datum::Int2(i16::try_from(value).map_err(|_| out_of_range(base))?),
        Base::Int4 => Datum::Int4(i32::try_from(value).map_err(|_| out_of_range(base))?),
        Base::Int8 => Datum::Int8(value),
        _ => {
            // int4 becomes oid bit by bit: -1 is the greatest oid.
            let oid = u32::try_from(value).ok().or_else(|| i32::try_from(value).ok().map(|v| v as u32));
            Datum::Oid(oid.ok_or_else(|| Error::new(Condition::NumericValueOutOfRange, "OID out of range"))?)
        }
    })
}

/// Converts a value from one type to another; `explicit` where the statement wrote a cast.
pub fn cast(value: &Datum, from: SqlType, to: SqlType, explicit: bool, ctx: &Context<'_>) -> Result<Datum> {
    if value.is_null() {
        return Ok(Datum::Null);
    }
    let converted = if coerce::same(from, to) { value.clone() } else { convert(value, from, to, ctx)? };
    modify(converted, to, explicit)
}

fn convert(value: &Datum, from: SqlType, to: SqlType, ctx: &Context<'_>) -> Result<Datum> {
    if to.array {
        return match value {
            Datum::Array(array) => {
                let (f, t) = (SqlType::from(array.element), SqlType { array: false, ..to });
                let items: Result<Vec<Datum>> = array.items.iter().map(|i| cast(i, f, t, true, ctx)).collect();
                Ok(Datum::Array(std::sync::Arc::new(super::datum::Array { element: to.base, lower: array.lower, items: items? })))
            }
            other => input(&output(other, from, ctx), to, ctx),
        };
    }
    if from.array && !coerce::is_string(to.base) {
        return input(&output(value, from, ctx), to, ctx);
    }
    let time_zone = &ctx.zone;
    Ok(match (to.base, value) {
        (Base::Int2 | Base::Int4 | Base::Int8, Datum::Bool(v)) => return integer(i64::from(*v), to.base),
        (Base::Int4, Datum::Text(v)) if from.base == Base::Char => {
            Datum::Int4(v.bytes().next().map_or(0, |b| i32::from(b as i8)))
        }
        (Base::Int2 | Base::Int4 | Base::Int8, Datum::Float4(_) | Datum::Float8(_)) => {
            let rounded = value.float().round_ties_even();
            // The ends are compared as doubles: i64::MAX itself is none.
            if rounded.is_nan() || !(-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&rounded) {
                return Err(out_of_range(to.base));
            }
            return integer(rounded as i64, to.base);
        }
        (Base::Int2 | Base::Int4 | Base::Int8, Datum::Numeric(v)) => {
            if v.parts().is_none() {
                let what = if v.is_nan() { "NaN" } else { "infinity" };
                return Err(Error::unsupported(format!("cannot convert {what} to {}", to.base.row().sql_name)));
            }
            return integer(v.to_i64().ok_or_else(|| out_of_range(to.base))?, to.base);
        }
        (
            Base::Int2
            | Base::Int4
            | Base::Int8
            | Base::Oid
            | Base::RegProc
            | Base::RegClass
            | Base::RegType
            | Base::RegNamespace,
            Datum::Int2(_) | Datum::Int4(_) | Datum::Int8(_) | Datum::Oid(_),
        ) => {
            if to.base == Base::Int4
                && let Datum::Oid(v) = value
            {
                return Ok(Datum::Int4(*v as i32));
            }
            return integer(value.int(), to.base);
        }
        (Base::Bool, Datum::Int4(v)) => Datum::Bool(*v != 0),
        (Base::Float8, Datum::Int2(_) | Datum::Int4(_) | Datum::Int8(_) | Datum::Float4(_)) => Datum::Float8(value.float()),
        (Base::Float8, Datum::Numeric(v)) => {
            let float = v.to_f64();
            if float.is_infinite() && v.parts().is_some() {
                return Err(Error::new(
                    Condition::NumericValueOutOfRange,
                    format!("\"{v}\" is out of range for type double precision"),
                ));
            }
            Datum::Float8(float)
        }
        (Base::Float4, Datum::Int2(_) | Datum::Int4(_) | Datum::Int8(_)) => Datum::Float4(value.int() as f32),
        (Base::Float4, Datum::Float8(v)) => {
            let float = *v as f32;
            if float.is_infinite() && v.is_finite() {
                return Err(Error::new(Condition::NumericValueOutOfRange, "value out of range: overflow"));
            }
            if float == 0.0 && *v != 0.0 {
                return Err(Error::new(Condition::NumericValueOutOfRange, "value out of range: underflow"));
            }
            Datum::Float4(float)
        }
        (Base::Float4, Datum::Numeric(v)) => {
            let float: f32 = v.to_string().parse().unwrap_or(f32::NAN);
            if float.is_infinite() && v.parts().is_some() {
                return Err(Error::new(Condition::NumericValueOutOfRange, format!("\"{v}\" is out of range for type real")));
            }
            Datum::Float4(float)
        }
        (Base::Numeric, Datum::Int2(_) | Datum::Int4(_) | Datum::Int8(_)) => Datum::numeric(Numeric::from(value.int())),
        (Base::Numeric, Datum::Float4(v)) => Datum::numeric(Numeric::from_f32(*v)),
        (Base::Numeric, Datum::Float8(v)) => Datum::numeric(Numeric::from_f64(*v)),
        (Base::Timestamp, Datum::Date(v)) => Datum::Timestamp(date_to_timestamp(*v)?),
        (Base::Timestamptz, Datum::Date(v)) => Datum::Timestamptz(text::local_to_utc(date_to_timestamp(*v)?, time_zone)),
        (Base::Timestamptz, Datum::Timestamp(v)) => Datum::Timestamptz(text::local_to_utc(*v, time_zone)),
        (Base::Timestamp, Datum::Timestamptz(v)) => Datum::Timestamp(to_local(*v, time_zone)),
        (Base::Date, Datum::Timestamp(v)) => Datum::Date(timestamp_to_date(*v)),
        (Base::Date, Datum::Timestamptz(v)) => Datum::Date(timestamp_to_date(to_local(*v, time_zone))),
        (Base::Time, Datum::Timestamp(_) | Datum::Timestamptz(_)) => {
            let local = if let Datum::Timestamptz(v) = value { to_local(*v, time_zone) } else { value.ticks() };
            if local == i64::MAX || local == i64::MIN { Datum::Null } else { Datum::Time(local.rem_euclid(USECS_PER_DAY)) }
        }
        (Base::Time, Datum::Interval(v)) => Datum::Time(v.us.rem_euclid(USECS_PER_DAY)),
        (Base::Interval, Datum::Time(v)) => Datum::Interval(Interval { months: 0, days: 0, us: *v }),
        (Base::Bpchar | Base::Text | Base::Varchar | Base::Name, Datum::Text(v)) => match from.base {
            // Blanks at the end of a character(n) mean nothing elsewhere.
            Base::Bpchar => Datum::text(trim_blanks(v)),
            _ if to.base == Base::Name => Datum::text(truncate_name(v)),
            _ => value.clone(),
        },
        (Base::Char, Datum::Int4(v)) => match i8::try_from(*v) {
            Ok(0) => Datum::text(""),
            Ok(v) => Datum::text(char::from(v as u8).to_string()),
            Err(_) => return Err(Error::out_of_range("\"char\"")),
        },
        (Base::Text | Base::Varchar | Base::Bpchar | Base::Name, Datum::Bool(v)) => {
            Datum::text(if *v { "true" } else { "false" })
        }
        (Base::Numeric | Base::Bool | Base::Int2 | Base::Int4 | Base::Int8 | Base::Float4 | Base::Float8, Datum::Text(v))
            if from.base == Base::Jsonb =>
        {
            return super::function::json::to_scalar(v, to, ctx);
        }
        (_, _) => return input(&output(value, from, ctx), to, ctx),
    })
}

/// What a zone's clocks show at an instant; infinities stay.
pub fn to_local(us: i64, zone: &chrono_tz::Tz) -> i64 {
    if us == i64::MAX || us == i64::MIN { us } else { us.saturating_add(i64::from(text::offset_at(us, zone)) * 1_000_000) }
}

/// Midnight of a day.
pub fn date_to_timestamp(days: i32) -> Result<i64> {
    match days {
        i32::MAX => Ok(i64::MAX),
        i32::MIN => Ok(i64::MIN),
        days => i64::from(days)
            .checked_mul(USECS_PER_DAY)
            .filter(|us| *us < i64::MAX)
            .ok_or_else(|| Error::new(Condition::DatetimeFieldOverflow, "date out of range for timestamp")),
    }
}

/// The day that a timestamp is in.
pub fn timestamp_to_date(us: i64) -> i32 {
    match us {
        i64::MAX => i32::MAX,
        i64::MIN => i32::MIN,
        us => i32::try_from(us.div_euclid(USECS_PER_DAY)).unwrap_or(i32::MAX),
    }
}

/// Applies a type's modifier: lengths, precision and scale, digits of a second.
pub fn modify(value: Datum, to: SqlType, explicit: bool) -> Result<Datum> {
    if to.typmod < 0 || value.is_null() {
        return Ok(value);
    }
    if to.array {
        let Datum::Array(array) = &value else { return Ok(value) };
        let element = SqlType { array: false, ..to };
        let items: Result<Vec<Datum>> = array.items.iter().map(|i| modify(i.clone(), element, explicit)).collect();
        return Ok(Datum::Array(std::sync::Arc::new(super::datum::Array {
            element: to.base,
            lower: array.lower,
            items: items?,
        })));
    }
    Ok(match (to.base, value) {
        (Base::Varchar | Base::Bpchar, Datum::Text(v)) => Datum::text(limit(&v, to, explicit)?),
        (Base::Numeric, Datum::Numeric(v)) => {
            let modifier = to.typmod - 4;
            // Eleven bits, the highest of them the sign.
            let scale = ((modifier & 0x7ff) ^ 1024) - 1024;
            Datum::numeric(v.fit(u32::try_from((modifier >> 16) & 0xffff).unwrap_or(0), scale)?)
        }
        (Base::Time, Datum::Time(v)) => Datum::Time(round_to(v, to.typmod)),
        (Base::Timestamp, Datum::Timestamp(v)) => Datum::Timestamp(round_to(v, to.typmod)),
        (Base::Timestamptz, Datum::Timestamptz(v)) => Datum::Timestamptz(round_to(v, to.typmod)),
        (Base::Interval, Datum::Interval(v)) if to.typmod <= 6 => {
            Datum::Interval(Interval { us: round_to(v.us, to.typmod), ..v })
        }
        (_, value) => value,
    })
}

fn round_to(us: i64, digits: i32) -> i64 {
    if digits >= 6 || us == i64::MAX || us == i64::MIN {
        return us;
    }
    let unit = 10i64.pow(u32::try_from(6 - digits.max(0)).unwrap_or(0));
    let half = unit / 2;
    if us >= 0 { us.saturating_add(half) / unit * unit } else { -((-us).saturating_add(half) / unit * unit) }
}

fn limit(value: &str, to: SqlType, explicit: bool) -> Result<String> {
    let most = usize::try_from(to.typmod - 4).unwrap_or(0);
    let length = value.chars().count();
    if length > most {
        let cut: String = value.chars().take(most).collect();
        let rest_blank = value.chars().skip(most).all(|c| c == ' ');
        if !explicit && !rest_blank {
            return Err(Error::new(Condition::StringDataRightTruncation, format!("value too long for type {}", to.sql_name())));
        }
        return Ok(cut);
    }
    Ok(if to.base == Base::Bpchar { format!("{value}{}", " ".repeat(most - length)) } else { value.to_owned() })
}
