//! Arrays.

use std::sync::Arc;

use super::{Call, Line, call, element_of, lax, set};
use crate::error::{Condition, Error, Result};
use crate::evaluate::cast::output;
use crate::evaluate::datum::{Array, Datum, compare};
use crate::types::{Base, SqlType};

fn element(t: SqlType) -> Base {
    element_of(t).map_or(Base::Text, |t| t.base)
}

fn lower(value: &Datum) -> i32 {
    match value {
        Datum::Array(a) => a.lower,
        _ => 1,
    }
}

fn with_lower(element: Base, lower: i32, items: Vec<Datum>) -> Datum {
    Datum::Array(Arc::new(Array { element, lower, items }))
}

/// `text || anything`
pub fn text_and_any(c: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    Ok(Datum::text(format!("{}{}", a[0].str(), output(&a[1], c.types[1], c.ctx))))
}

/// `anything || text`
pub fn any_and_text(c: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    Ok(Datum::text(format!("{}{}", output(&a[0], c.types[0], c.ctx), a[1].str())))
}

/// `array || array`
pub fn concatenate(c: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    Ok(match (a[0].is_null(), a[1].is_null()) {
        (true, _) => a[1].clone(),
        (_, true) => a[0].clone(),
        (false, false) => {
            let from = if a[0].items().is_empty() { lower(&a[1]) } else { lower(&a[0]) };
            with_lower(element(c.result), from, [a[0].items(), a[1].items()].concat())
        }
    })
}

/// `array || element`
pub fn append(c: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    let mut items = a[0].items().to_vec();
    items.push(a[1].clone());
    Ok(with_lower(element(c.result), lower(&a[0]), items))
}

/// `element || array`
pub fn prepend(c: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    let mut items = vec![a[0].clone()];
    items.extend_from_slice(a[1].items());
    Ok(with_lower(element(c.result), lower(&a[1]), items))
}

fn has(items: &[Datum], value: &Datum) -> bool {
    items.iter().any(|i| !i.is_null() && compare(i, value).is_eq())
}

/// Whether every element of `b` is in `a`.
pub fn contains(a: &Datum, b: &Datum) -> bool {
    b.items().iter().all(|i| has(a.items(), i))
}

/// Whether any element of `b` is in `a`.
pub fn overlaps(a: &Datum, b: &Datum) -> bool {
    b.items().iter().any(|i| has(a.items(), i))
}

fn only_dimension(a: &[Datum]) -> Option<&Array> {
    match &a[0] {
        Datum::Array(array) if !array.items.is_empty() && a.get(1).is_none_or(|d| d.int() == 1) => Some(array),
        _ => None,
    }
}

fn length(array: &Array) -> i32 {
    i32::try_from(array.items.len()).unwrap_or(i32::MAX)
}

fn position(_: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    if a[0].is_null() {
        return Ok(Datum::Null);
    }
    let first = lower(&a[0]);
    let from = a.get(2).map_or(first, Datum::int4);
    let found = a[0].items().iter().zip(first..).find(|(i, at)| *at >= from && compare(i, &a[1]).is_eq());
    Ok(found.map_or(Datum::Null, |(_, at)| Datum::Int4(at)))
}

fn positions(_: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    if a[0].is_null() {
        return Ok(Datum::Null);
    }
    let found = a[0].items().iter().zip(lower(&a[0])..).filter(|(i, _)| compare(i, &a[1]).is_eq());
    Ok(Datum::array(Base::Int4, found.map(|(_, at)| Datum::Int4(at)).collect()))
}

fn remove(c: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    if a[0].is_null() {
        return Ok(Datum::Null);
    }
    let items = a[0].items().iter().filter(|i| compare(i, &a[1]).is_ne()).cloned().collect();
    Ok(with_lower(element(c.result), lower(&a[0]), items))
}

fn replace(c: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    if a[0].is_null() {
        return Ok(Datum::Null);
    }
    let items = a[0].items().iter().map(|i| if compare(i, &a[1]).is_eq() { a[2].clone() } else { i.clone() }).collect();
    Ok(with_lower(element(c.result), lower(&a[0]), items))
}

fn to_string(c: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    let (Datum::Array(array), Some(by)) = (&a[0], a[1].as_str()) else { return Ok(Datum::Null) };
    let null = a.get(2).and_then(Datum::as_str);
    let t = SqlType::from(array.element);
    let shown: Vec<String> = array
        .items
        .iter()
        .filter_map(|i| if i.is_null() { null.map(str::to_owned) } else { Some(output(i, t, c.ctx)) })
        .collect();
    Ok(Datum::text(shown.join(by)))
}

fn fill(c: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    let sizes = a[1].items();
    if sizes.len() > 1 {
        return Err(Error::unsupported("multidimensional arrays are not supported"));
    }
    let size = usize::try_from(sizes.first().map_or(0, Datum::int).max(0)).unwrap_or(0);
    if size > 134_217_727 / 16 {
        return Err(Error::new(Condition::ProgramLimitExceeded, "array size exceeds the maximum allowed (134217727)"));
    }
    Ok(with_lower(element(c.result), a.get(2).and_then(|l| l.items().first()).map_or(1, Datum::int4), vec![a[0].clone(); size]))
}

fn subscripts(_: &Call<'_>, a: &[Datum]) -> Result<Vec<Datum>> {
    let Some(array) = only_dimension(&a[..2]) else { return Ok(Vec::new()) };
    let all = (0..length(array)).map(|i| Datum::Int4(array.lower.saturating_add(i)));
    Ok(if a.get(2).is_some_and(Datum::is_true) { all.rev().collect() } else { all.collect() })
}

fn expand(_: &Call<'_>, a: &[Datum]) -> Result<Vec<Datum>> {
    let Datum::Array(array) = &a[0] else { return Ok(Vec::new()) };
    let t = SqlType::from(array.element);
    let numbered = array.items.iter().zip(1..);
    Ok(numbered.map(|(x, n)| Datum::Record(Arc::new(vec![(t, x.clone()), (Base::Int4.into(), Datum::Int4(n))]))).collect())
}

/// The functions.
pub const ALL: &[Line] = &[
    set("unnest(anyarray) setof anyelement", |_, a| Ok(a[0].items().to_vec())),
    set("generate_subscripts(anyarray,int4) setof int4", subscripts),
    set("generate_subscripts(anyarray,int4,bool) setof int4", subscripts),
    set("_pg_expandarray(anyarray) setof record(x anyelement,n int4)", expand),
    call("array_length(anyarray,int4) int4", |_, a| Ok(only_dimension(a).map_or(Datum::Null, |x| Datum::Int4(length(x))))),
    call("array_lower(anyarray,int4) int4", |_, a| Ok(only_dimension(a).map_or(Datum::Null, |x| Datum::Int4(x.lower)))),
    call("array_upper(anyarray,int4) int4", |_, a| {
        Ok(only_dimension(a).map_or(Datum::Null, |x| Datum::Int4(x.lower.saturating_add(length(x)).saturating_sub(1))))
    }),
    call("array_ndims(anyarray) int4", |_, a| Ok(only_dimension(&a[..1]).map_or(Datum::Null, |_| Datum::Int4(1)))),
    call("array_dims(anyarray) text", |_, a| {
        Ok(only_dimension(&a[..1])
            .map_or(Datum::Null, |x| Datum::text(format!("[{}:{}]", x.lower, i64::from(x.lower) + x.items.len() as i64 - 1))))
    }),
    call("cardinality(anyarray) int4", |_, a| Ok(Datum::Int4(i32::try_from(a[0].items().len()).unwrap_or(i32::MAX)))),
    lax("array_position(anyarray,anyelement) int4", position),
    lax("array_position(anyarray,anyelement,int4) int4", position),
    lax("array_positions(anyarray,anyelement) int4[]", positions),
    lax("array_remove(anyarray,anyelement) anyarray", remove),
    lax("array_replace(anyarray,anyelement,anyelement) anyarray", replace),
    lax("array_append(anyarray,anyelement) anyarray", append),
    lax("array_prepend(anyelement,anyarray) anyarray", prepend),
    lax("array_cat(anyarray,anyarray) anyarray", concatenate),
    lax("array_to_string(anyarray,text) text", to_string),
    lax("array_to_string(anyarray,text,text) text", to_string),
    call("trim_array(anyarray,int4) anyarray", |c, a| {
        let keep = a[0].items().len().checked_sub(usize::try_from(a[1].int()).unwrap_or(usize::MAX)).ok_or_else(|| {
            Error::new(
                Condition::ArraySubscriptError,
                format!("number of elements to trim must be between 0 and {}", a[0].items().len()),
            )
        })?;
        Ok(with_lower(element(c.result), 1, a[0].items()[..keep].to_vec()))
    }),
    lax("array_fill(anyelement,int4[]) anyarray", fill),
    lax("array_fill(anyelement,int4[],int4[]) anyarray", fill),
    lax("num_nulls(variadic any) int4", |_, a| Ok(Datum::Int4(a.iter().filter(|v| v.is_null()).count() as i32))),
    lax("num_nonnulls(variadic any) int4", |_, a| Ok(Datum::Int4(a.iter().filter(|v| !v.is_null()).count() as i32))),
];
