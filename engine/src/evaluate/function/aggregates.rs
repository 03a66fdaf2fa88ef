//! Aggregates and window functions. An aggregate's body sees all rows of its group at once.

use std::sync::Arc;

use super::{Call, Line, aggregate, json, lax_aggregate, window};
use crate::error::{Error, Result};
use crate::evaluate::cast::integer;
use crate::evaluate::datum::{Array, Datum, Interval, compare};
use crate::types::numeric::Numeric;

type Rows<'a> = &'a [Vec<Datum>];

fn first(rows: Rows<'_>) -> impl Iterator<Item = &Datum> {
    rows.iter().filter_map(|r| r.first())
}

fn count(_: &Call<'_>, rows: Rows<'_>) -> Result<Datum> {
    Ok(Datum::Int8(rows.len() as i64))
}

fn total(rows: Rows<'_>) -> Result<Numeric> {
    first(rows).try_fold(Numeric::zero(), |sum, v| sum.add(&v.num()))
}

fn sum_whole(c: &Call<'_>, rows: Rows<'_>) -> Result<Datum> {
    if rows.is_empty() {
        return Ok(Datum::Null);
    }
    let sum: i128 = first(rows).map(|v| i128::from(v.int())).sum();
    integer(i64::try_from(sum).map_err(|_| Error::out_of_range("bigint"))?, c.result.base)
}

fn sum_numeric(_: &Call<'_>, rows: Rows<'_>) -> Result<Datum> {
    Ok(if rows.is_empty() { Datum::Null } else { Datum::numeric(total(rows)?) })
}

fn sum_float(c: &Call<'_>, rows: Rows<'_>) -> Result<Datum> {
    if rows.is_empty() {
        return Ok(Datum::Null);
    }
    let single = matches!(c.result.base, crate::types::Base::Float4);
    let sum = first(rows).fold(0.0f64, |s, v| if single { f64::from((s + v.float()) as f32) } else { s + v.float() });
    if sum.is_infinite() && first(rows).all(|v| v.float().is_finite()) {
        return Err(Error::new(crate::error::Condition::NumericValueOutOfRange, "value out of range: overflow"));
    }
    Ok(if single { Datum::Float4(sum as f32) } else { Datum::Float8(sum) })
}

fn sum_interval(_: &Call<'_>, rows: Rows<'_>) -> Result<Datum> {
    if rows.is_empty() {
        return Ok(Datum::Null);
    }
    let sum = first(rows).try_fold(Interval::default(), |s, v| super::datetime::add(s, v.interval()))?;
    Ok(Datum::Interval(sum))
}

fn avg_numeric(_: &Call<'_>, rows: Rows<'_>) -> Result<Datum> {
    if rows.is_empty() {
        return Ok(Datum::Null);
    }
    Ok(Datum::numeric(total(rows)?.div(&Numeric::from(rows.len() as u64))?))
}

fn avg_float(_: &Call<'_>, rows: Rows<'_>) -> Result<Datum> {
    if rows.is_empty() {
        return Ok(Datum::Null);
    }
    Ok(Datum::Float8(first(rows).map(Datum::float).sum::<f64>() / rows.len() as f64))
}

fn avg_interval(c: &Call<'_>, rows: Rows<'_>) -> Result<Datum> {
    match sum_interval(c, rows)? {
        Datum::Interval(sum) => super::datetime::divide(sum, rows.len() as f64),
        other => Ok(other),
    }
}

fn min(_: &Call<'_>, rows: Rows<'_>) -> Result<Datum> {
    Ok(first(rows).min_by(|a, b| compare(a, b)).cloned().unwrap_or(Datum::Null))
}

fn max(_: &Call<'_>, rows: Rows<'_>) -> Result<Datum> {
    Ok(first(rows).max_by(|a, b| compare(a, b)).cloned().unwrap_or(Datum::Null))
}

fn every(_: &Call<'_>, rows: Rows<'_>) -> Result<Datum> {
    Ok(if rows.is_empty() { Datum::Null } else { Datum::Bool(first(rows).all(Datum::is_true)) })
}

fn some(_: &Call<'_>, rows: Rows<'_>) -> Result<Datum> {
    Ok(if rows.is_empty() { Datum::Null } else { Datum::Bool(first(rows).any(Datum::is_true)) })
}

fn bits(c: &Call<'_>, rows: Rows<'_>, f: fn(i64, i64) -> i64) -> Result<Datum> {
    match first(rows).map(Datum::int).reduce(f) {
        Some(value) => integer(value, c.result.base),
        None => Ok(Datum::Null),
    }
}

fn array_agg(c: &Call<'_>, rows: Rows<'_>) -> Result<Datum> {
    if rows.is_empty() {
        return Ok(Datum::Null);
    }
    Ok(Datum::Array(Arc::new(Array { element: c.result.base, lower: 1, items: first(rows).cloned().collect() })))
}

fn string_agg(_: &Call<'_>, rows: Rows<'_>) -> Result<Datum> {
    let mut out: Option<String> = None;
    for row in rows.iter().filter(|r| !r[0].is_null()) {
        match &mut out {
            Some(out) => {
                out.push_str(row[1].str());
                out.push_str(row[0].str());
            }
            None => out = Some(row[0].str().to_owned()),
        }
    }
    Ok(Datum::optional(out))
}

fn json_agg(c: &Call<'_>, rows: Rows<'_>) -> Result<Datum> {
    if rows.is_empty() {
        return Ok(Datum::Null);
    }
    let parts: Vec<String> = first(rows).map(|v| json::of(v, c.types[0], c.fields.map(|f| f.as_slice()), c.ctx)).collect();
    let text = format!("[{}]", parts.join(", "));
    Ok(Datum::text(if c.result.base == crate::types::Base::Jsonb { json::canonical(&json::parse(&text)?) } else { text }))
}

fn json_object_agg(c: &Call<'_>, rows: Rows<'_>) -> Result<Datum> {
    if rows.is_empty() {
        return Ok(Datum::Null);
    }
    let parts: Vec<String> = rows
        .iter()
        .map(|r| {
            let key = crate::evaluate::cast::output(&r[0], c.types[0], c.ctx);
            format!("{} : {}", json::quoted(&key), json::of(&r[1], c.types[1], None, c.ctx))
        })
        .collect();
    let text = format!("{{ {} }}", parts.join(", "));
    Ok(Datum::text(if c.result.base == crate::types::Base::Jsonb { json::canonical(&json::parse(&text)?) } else { text }))
}

/// Variance or deviation, of a sample or of all, in the type of the result.
fn spread(c: &Call<'_>, rows: Rows<'_>, sample: bool, root: bool) -> Result<Datum> {
    let n = rows.len();
    if n == 0 || (sample && n == 1) {
        return Ok(Datum::Null);
    }
    if c.result.base == crate::types::Base::Float8 {
        let mean = first(rows).map(Datum::float).sum::<f64>() / n as f64;
        let squares: f64 = first(rows).map(|v| (v.float() - mean).powi(2)).sum();
        let variance = squares / if sample { n as f64 - 1.0 } else { n as f64 };
        return Ok(Datum::Float8(if root { variance.sqrt() } else { variance }));
    }
    let count = Numeric::from(n as u64);
    let sum = total(rows)?;
    let squares = first(rows).try_fold(Numeric::zero(), |s, v| s.add(&v.num().mul(&v.num())?))?;
    let above = count.mul(&squares)?.sub(&sum.mul(&sum)?)?;
    if above.signum() <= 0 {
        return Ok(Datum::numeric(Numeric::zero()));
    }
    let below = if sample { count.mul(&count.sub(&Numeric::from(1i64))?)? } else { count.mul(&count)? };
    let variance = above.div(&below)?;
    Ok(Datum::numeric(if root { crate::function::spread::deviation(&variance)? } else { variance }))
}

/// The aggregates and window functions.
pub const ALL: &[Line] = &[
    lax_aggregate("count() int8", count),
    aggregate("count(any) int8", count),
    aggregate("sum(int2) int8", sum_whole),
    aggregate("sum(int4) int8", sum_whole),
    aggregate("sum(int8) numeric", sum_numeric),
    aggregate("sum(numeric) numeric", sum_numeric),
    aggregate("sum(float4) float4", sum_float),
    aggregate("sum(float8) float8", sum_float),
    aggregate("sum(interval) interval", sum_interval),
    aggregate("avg(int2) numeric", avg_numeric),
    aggregate("avg(int4) numeric", avg_numeric),
    aggregate("avg(int8) numeric", avg_numeric),
    aggregate("avg(numeric) numeric", avg_numeric),
    aggregate("avg(float4) float8", avg_float),
    aggregate("avg(float8) float8", avg_float),
    aggregate("avg(interval) interval", avg_interval),
    aggregate("min(anyelement) anyelement", min),
    aggregate("max(anyelement) anyelement", max),
    aggregate("min(text) text", min),
    aggregate("max(text) text", max),
    aggregate("min(bpchar) bpchar", min),
    aggregate("max(bpchar) bpchar", max),
    aggregate("bool_and(bool) bool", every),
    aggregate("every(bool) bool", every),
    aggregate("bool_or(bool) bool", some),
    aggregate("bit_and(int4) int4", |c, r| bits(c, r, |a, b| a & b)),
    aggregate("bit_and(int8) int8", |c, r| bits(c, r, |a, b| a & b)),
    aggregate("bit_or(int4) int4", |c, r| bits(c, r, |a, b| a | b)),
    aggregate("bit_or(int8) int8", |c, r| bits(c, r, |a, b| a | b)),
    aggregate("bit_xor(int4) int4", |c, r| bits(c, r, |a, b| a ^ b)),
    aggregate("bit_xor(int8) int8", |c, r| bits(c, r, |a, b| a ^ b)),
    lax_aggregate("array_agg(anyelement) anyarray", array_agg),
    lax_aggregate("string_agg(text,text) text", string_agg),
    lax_aggregate("json_agg(anyelement) json", json_agg),
    lax_aggregate("jsonb_agg(anyelement) jsonb", json_agg),
    lax_aggregate("json_object_agg(any,any) json", json_object_agg),
    lax_aggregate("jsonb_object_agg(any,any) jsonb", json_object_agg),
    aggregate("variance(int4) numeric", |c, r| spread(c, r, true, false)),
    aggregate("variance(int8) numeric", |c, r| spread(c, r, true, false)),
    aggregate("variance(numeric) numeric", |c, r| spread(c, r, true, false)),
    aggregate("variance(float8) float8", |c, r| spread(c, r, true, false)),
    aggregate("var_samp(int4) numeric", |c, r| spread(c, r, true, false)),
    aggregate("var_samp(numeric) numeric", |c, r| spread(c, r, true, false)),
    aggregate("var_samp(float8) float8", |c, r| spread(c, r, true, false)),
    aggregate("var_pop(int4) numeric", |c, r| spread(c, r, false, false)),
    aggregate("var_pop(numeric) numeric", |c, r| spread(c, r, false, false)),
    aggregate("var_pop(float8) float8", |c, r| spread(c, r, false, false)),
    aggregate("stddev(int4) numeric", |c, r| spread(c, r, true, true)),
    aggregate("stddev(int8) numeric", |c, r| spread(c, r, true, true)),
    aggregate("stddev(numeric) numeric", |c, r| spread(c, r, true, true)),
    aggregate("stddev(float8) float8", |c, r| spread(c, r, true, true)),
    aggregate("stddev_samp(int4) numeric", |c, r| spread(c, r, true, true)),
    aggregate("stddev_samp(numeric) numeric", |c, r| spread(c, r, true, true)),
    aggregate("stddev_samp(float8) float8", |c, r| spread(c, r, true, true)),
    aggregate("stddev_pop(int4) numeric", |c, r| spread(c, r, false, true)),
    aggregate("stddev_pop(numeric) numeric", |c, r| spread(c, r, false, true)),
    aggregate("stddev_pop(float8) float8", |c, r| spread(c, r, false, true)),
    window("row_number() int8"),
    window("rank() int8"),
    window("dense_rank() int8"),
    window("lag(anyelement) anyelement"),
    window("lead(anyelement) anyelement"),
    window("first_value(anyelement) anyelement"),
    window("last_value(anyelement) anyelement"),
];
