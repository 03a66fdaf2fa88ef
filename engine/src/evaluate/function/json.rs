//! `json` and `jsonb`, kept as text; `jsonb` in PostgreSQL's canonical form.

use serde_json::Value;

use super::string::shown;
use super::{Call, Line, call, lax, set};
use crate::error::{Condition, Error, Result};
use crate::evaluate::cast::{cast, output};
use crate::evaluate::coerce;
use crate::evaluate::context::Context;
use crate::evaluate::datum::Datum;
use crate::types::{Base, SqlType};

/// Parses a document.
pub fn parse(text: &str) -> Result<Value> {
    serde_json::from_str(text).map_err(|e| {
        let error = Error::new(Condition::InvalidTextRepresentation, "invalid input syntax for type json");
        if e.is_eof() { error.detail("The input string ended unexpectedly.") } else { error }
    })
}

/// A document as `jsonb` prints it: one space behind `:` and `,`, keys by length, then by bytes.
pub fn canonical(value: &Value) -> String {
    let mut out = String::new();
    write_canonical(value, &mut out);
    out
}

fn write_canonical(value: &Value, out: &mut String) {
    match value {
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push_str(", ");
                }
                write_canonical(item, out);
            }
            out.push(']');
        }
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by(|(a, _), (b, _)| a.len().cmp(&b.len()).then_with(|| a.as_bytes().cmp(b.as_bytes())));
            out.push('{');
            for (at, (key, item)) in fields.into_iter().enumerate() {
                if at > 0 {
                    out.push_str(", ");
                }
                out.push_str(&quoted(key));
                out.push_str(": ");
                write_canonical(item, out);
            }
            out.push('}');
        }
        Value::String(text) => out.push_str(&quoted(text)),
        Value::Null | Value::Bool(_) | Value::Number(_) => out.push_str(&value.to_string()),
    }
}

/// A text as a JSON string.
pub fn quoted(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}

/// The scalar inside a `jsonb`, as a value of type `to`.
pub fn to_scalar(text: &str, to: SqlType, ctx: &Context<'_>) -> Result<Datum> {
    let refuse = |what: &str| {
        Err(Error::new(Condition::InvalidParameterValue, format!("cannot cast jsonb {what} to type {}", coerce::shown(to))))
    };
    match parse(text)? {
        Value::Bool(b) if to.base == Base::Bool => Ok(Datum::Bool(b)),
        Value::Number(n) if to.base != Base::Bool => {
            let numeric = crate::evaluate::cast::input(&n.to_string(), Base::Numeric.into(), ctx)?;
            cast(&numeric, Base::Numeric.into(), to, true, ctx)
        }
        Value::Null => refuse("null"),
        Value::Bool(_) => refuse("boolean"),
        Value::Number(_) => refuse("numeric"),
        Value::String(_) => refuse("string"),
        Value::Array(_) => refuse("array"),
        Value::Object(_) => refuse("object"),
    }
}

fn printed(value: &Value, base: Base) -> String {
    if base == Base::Jsonb { canonical(value) } else { value.to_string() }
}

fn step<'v>(value: &'v Value, key: &Datum) -> Option<&'v Value> {
    match (value, key) {
        (Value::Object(fields), Datum::Text(key)) => fields.get(&**key),
        (Value::Array(items), Datum::Text(key)) => at(items, key.parse().ok()?),
        (Value::Array(items), key) => at(items, key.as_i64()?),
        (_, _) => None,
    }
}

fn at(items: &[Value], index: i64) -> Option<&Value> {
    let index = if index < 0 { index + items.len() as i64 } else { index };
    usize::try_from(index).ok().and_then(|i| items.get(i))
}

fn follow(c: &Call<'_>, a: &[Datum], keys: &[Datum], as_text: bool) -> Result<Datum> {
    let document = parse(a[0].str())?;
    let mut value = Some(&document);
    for key in keys {
        value = value.and_then(|v| step(v, key));
    }
    Ok(match value {
        None => Datum::Null,
        Some(Value::Null) if as_text => Datum::Null,
        Some(Value::String(text)) if as_text => Datum::text(text.as_str()),
        Some(value) => Datum::text(printed(value, c.types[0].base)),
    })
}

/// `->`
pub fn get(c: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    follow(c, a, &a[1..2], false)
}

/// `->>`
pub fn get_text(c: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    follow(c, a, &a[1..2], true)
}

/// `#>`
pub fn path(c: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    follow(c, a, a[1].items(), false)
}

/// `#>>`
pub fn path_text(c: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    follow(c, a, a[1].items(), true)
}

/// `?`
pub fn has_key(_: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    let key = a[1].str();
    Ok(Datum::Bool(match parse(a[0].str())? {
        Value::Object(fields) => fields.contains_key(key),
        Value::Array(items) => items.iter().any(|i| i.as_str() == Some(key)),
        Value::String(text) => text == key,
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }))
}

fn within(outer: &Value, inner: &Value) -> bool {
    match (outer, inner) {
        (Value::Object(o), Value::Object(i)) => i.iter().all(|(k, v)| o.get(k).is_some_and(|w| within(w, v))),
        (Value::Array(o), Value::Array(i)) => i.iter().all(|v| o.iter().any(|w| within(w, v))),
        (Value::Array(o), scalar) if !scalar.is_object() => o.contains(scalar),
        (a, b) => a == b,
    }
}

/// `@>`
pub fn contains(outer: &Datum, inner: &Datum) -> Result<Datum> {
    Ok(Datum::Bool(within(&parse(outer.str())?, &parse(inner.str())?)))
}

/// `||`
pub fn concatenate(_: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    let joined = match (parse(a[0].str())?, parse(a[1].str())?) {
        (Value::Object(mut x), Value::Object(y)) => {
            x.extend(y);
            Value::Object(x)
        }
        (x, y) => {
            let list = |v: Value| if let Value::Array(items) = v { items } else { vec![v] };
            Value::Array([list(x), list(y)].concat())
        }
    };
    Ok(Datum::text(canonical(&joined)))
}

/// A value as JSON text.
pub fn of(value: &Datum, t: SqlType, names: Option<&[(String, SqlType)]>, ctx: &Context<'_>) -> String {
    match value {
        Datum::Null => "null".to_owned(),
        Datum::Bool(v) => v.to_string(),
        Datum::Int2(_) | Datum::Int4(_) | Datum::Int8(_) => output(value, t, ctx),
        Datum::Float4(_) | Datum::Float8(_) if value.float().is_finite() => output(value, t, ctx),
        Datum::Numeric(v) if v.parts().is_some() => v.to_string(),
        Datum::Text(v) if matches!(t.base, Base::Json | Base::Jsonb) => v.to_string(),
        Datum::Array(array) => {
            let items: Vec<String> = array.items.iter().map(|i| of(i, array.element.into(), names, ctx)).collect();
            format!("[{}]", items.join(","))
        }
        Datum::Record(fields) => {
            let items: Vec<String> = fields
                .iter()
                .enumerate()
                .map(|(i, (t, v))| {
                    let name = names.and_then(|n| n.get(i)).map_or_else(|| format!("f{}", i + 1), |(n, _)| n.clone());
                    format!("{}:{}", quoted(&name), of(v, *t, None, ctx))
                })
                .collect();
            format!("{{{}}}", items.join(","))
        }
        Datum::Timestamp(_) | Datum::Timestamptz(_) => quoted(&output(value, t, ctx).replacen(' ', "T", 1)),
        other => quoted(&output(other, t, ctx)),
    }
}

fn finish(text: String, base: Base) -> Result<Datum> {
    if base == Base::Jsonb { Ok(Datum::text(canonical(&parse(&text)?))) } else { Ok(Datum::text(text)) }
}

fn build_object(c: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    let bad = |m: String| Error::new(Condition::InvalidParameterValue, m);
    if a.len() % 2 == 1 {
        return Err(bad("argument list must have even number of elements".to_owned())
            .hint("The arguments of json_build_object() must consist of alternating keys and values."));
    }
    let mut parts = Vec::new();
    for i in (0..a.len()).step_by(2) {
        if a[i].is_null() {
            return Err(bad(format!("argument {} cannot be null", i + 1)).hint("Object keys should be text."));
        }
        parts.push(format!("{} : {}", quoted(&shown(c, a, i)), of(&a[i + 1], c.types[i + 1], None, c.ctx)));
    }
    finish(format!("{{{}}}", parts.join(", ")), c.result.base)
}

fn build_array(c: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    let parts: Vec<String> = a.iter().zip(c.types).map(|(v, t)| of(v, *t, None, c.ctx)).collect();
    finish(format!("[{}]", parts.join(", ")), c.result.base)
}

fn type_of(_: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    Ok(Datum::text(match parse(a[0].str())? {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }))
}

fn array_length(_: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    match parse(a[0].str())? {
        Value::Array(items) => Ok(Datum::Int4(i32::try_from(items.len()).unwrap_or(i32::MAX))),
        Value::Object(_) => Err(Error::new(Condition::InvalidParameterValue, "cannot get array length of a non-array")),
        _ => Err(Error::new(Condition::InvalidParameterValue, "cannot get array length of a scalar")),
    }
}

fn elements(c: &Call<'_>, a: &[Datum], as_text: bool) -> Result<Vec<Datum>> {
    match parse(a[0].str())? {
        Value::Array(items) => Ok(items
            .iter()
            .map(|i| match i {
                Value::Null if as_text => Datum::Null,
                Value::String(text) if as_text => Datum::text(text.as_str()),
                other => Datum::text(printed(other, c.types[0].base)),
            })
            .collect()),
        Value::Object(_) => Err(Error::new(Condition::InvalidParameterValue, "cannot call json_array_elements on a non-array")),
        _ => Err(Error::new(Condition::InvalidParameterValue, "cannot call json_array_elements on a scalar")),
    }
}

fn keys(_: &Call<'_>, a: &[Datum]) -> Result<Vec<Datum>> {
    match parse(a[0].str())? {
        Value::Object(fields) => Ok(fields.keys().map(|k| Datum::text(k.as_str())).collect()),
        _ => Err(Error::new(Condition::InvalidParameterValue, "cannot call json_object_keys on a scalar")),
    }
}

fn to_json(c: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    finish(of(&a[0], c.types[0], c.fields.map(|f| f.as_slice()), c.ctx), c.result.base)
}

/// The functions.
pub const ALL: &[Line] = &[
    lax("json_build_object(variadic any) json", build_object),
    lax("jsonb_build_object(variadic any) jsonb", build_object),
    lax("json_build_object() json", build_object),
    lax("json_build_array(variadic any) json", build_array),
    lax("jsonb_build_array(variadic any) jsonb", build_array),
    call("to_json(anyelement) json", to_json),
    call("to_jsonb(anyelement) jsonb", to_json),
    call("row_to_json(record) json", to_json),
    call("array_to_json(anyarray) json", to_json),
    call("json_typeof(json) text", type_of),
    call("jsonb_typeof(jsonb) text", type_of),
    call("json_array_length(json) int4", array_length),
    call("jsonb_array_length(jsonb) int4", array_length),
    set("json_array_elements(json) setof json", |c, a| elements(c, a, false)),
    set("jsonb_array_elements(jsonb) setof jsonb", |c, a| elements(c, a, false)),
    set("json_array_elements_text(json) setof text", |c, a| elements(c, a, true)),
    set("jsonb_array_elements_text(jsonb) setof text", |c, a| elements(c, a, true)),
    set("json_object_keys(json) setof text", keys),
    set("jsonb_object_keys(jsonb) setof text", keys),
    call("json_extract_path(json,variadic text[]) json", |c, a| follow(c, a, &a[1..], false)),
    call("json_extract_path_text(json,variadic text[]) text", |c, a| follow(c, a, &a[1..], true)),
    call("jsonb_extract_path(jsonb,variadic text[]) jsonb", |c, a| follow(c, a, &a[1..], false)),
    call("jsonb_extract_path_text(jsonb,variadic text[]) text", |c, a| follow(c, a, &a[1..], true)),
];
