//! Rows to Arrow, for the way that every other result takes to a client.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryBuilder, BooleanArray, Date32Array, Decimal128Array, FixedSizeBinaryBuilder, Float32Array, Float64Array,
    Int16Array, Int32Array, Int64Array, IntervalMonthDayNanoArray, ListArray, RecordBatch, RecordBatchOptions, StringArray,
    Time64MicrosecondArray, TimestampMicrosecondArray, UInt32Array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, IntervalMonthDayNano, Schema};

use super::OutColumn;
use super::datum::Datum;
use crate::error::{Error, Result};
use crate::types::{Base, SqlType, TYPE_KEY};

fn field(name: &str, ty: SqlType, data_type: DataType) -> Field {
    Field::new(name, data_type, true).with_metadata([(TYPE_KEY.to_owned(), ty.sql_name())].into())
}

/// One batch of all rows. The Arrow types are those of [`SqlType::arrow`], but for two: a `numeric` column is text where its
/// values have no one scale that fits a decimal, and a `reg*` column is text where its values are names
/// (as [`super::Analyzed::run_for_output`] gives them). The field's metadata names the type in either case.
pub fn to_batch(columns: &[OutColumn], rows: &[Vec<Datum>]) -> Result<RecordBatch> {
    let mut fields = Vec::new();
    let mut arrays = Vec::new();
    for (at, column) in columns.iter().enumerate() {
        let values: Vec<&Datum> = rows.iter().map(|r| r.get(at).unwrap_or(&Datum::Null)).collect();
        let array = array(column.sql_type, &values)?;
        fields.push(field(&column.name, column.sql_type, array.data_type().clone()));
        arrays.push(array);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options).map_err(|e| Error::internal(e.to_string()))
}

macro_rules! primitive {
    ($array:ty, $values:expr, $pattern:pat => $value:expr) => {
        Arc::new(
            $values
                .iter()
                .map(|v| match v {
                    $pattern => Some($value),
                    _ => None,
                })
                .collect::<$array>(),
        ) as ArrayRef
    };
}

fn texts(values: &[&Datum], show: impl Fn(&Datum) -> String) -> ArrayRef {
    Arc::new(values.iter().map(|v| (!v.is_null()).then(|| show(v))).collect::<StringArray>())
}

fn array(ty: SqlType, values: &[&Datum]) -> Result<ArrayRef> {
    if ty.array {
        return list(SqlType { array: false, ..ty }, values);
    }
    if values.iter().any(|v| v.as_str().is_some()) && ty.arrow() != DataType::Utf8 {
        // Names in place of identifiers.
        return Ok(texts(values, |v| v.str().to_owned()));
    }
    Ok(match ty.base {
        Base::Bool => primitive!(BooleanArray, values, Datum::Bool(v) => *v),
        Base::Int2 => primitive!(Int16Array, values, Datum::Int2(v) => *v),
        Base::Int4 => primitive!(Int32Array, values, Datum::Int4(v) => *v),
        Base::Int8 => primitive!(Int64Array, values, Datum::Int8(v) => *v),
        Base::Oid | Base::Xid | Base::RegProc | Base::RegClass | Base::RegType | Base::RegNamespace => {
            primitive!(UInt32Array, values, Datum::Oid(v) => *v)
        }
        Base::Float4 => primitive!(Float32Array, values, Datum::Float4(v) => *v),
        Base::Float8 => primitive!(Float64Array, values, Datum::Float8(v) => *v),
        Base::Date => primitive!(Date32Array, values, Datum::Date(v) => *v),
        Base::Time => primitive!(Time64MicrosecondArray, values, Datum::Time(v) => *v),
        Base::Timestamp => primitive!(TimestampMicrosecondArray, values, Datum::Timestamp(v) => *v),
        Base::Timestamptz => {
            let array: TimestampMicrosecondArray =
                values.iter().map(|v| if let Datum::Timestamptz(v) = v { Some(*v) } else { None }).collect();
            Arc::new(array.with_timezone("UTC"))
        }
        Base::Interval => intervals(values)?,
        Base::Numeric => numeric(ty, values),
        Base::Bytea => {
            let mut builder = BinaryBuilder::new();
            for value in values {
                match value {
                    Datum::Bytea(v) => builder.append_value(v),
                    _ => builder.append_null(),
                }
            }
            Arc::new(builder.finish())
        }
        Base::Uuid => {
            let mut builder = FixedSizeBinaryBuilder::new(16);
            for value in values {
                match value {
                    Datum::Uuid(v) => builder.append_value(v).map_err(|e| Error::internal(e.to_string()))?,
                    _ => builder.append_null(),
                }
            }
            Arc::new(builder.finish())
        }
        Base::Int2Vector | Base::OidVector => {
            texts(values, |v| v.items().iter().map(|i| i.int().to_string()).collect::<Vec<_>>().join(" "))
        }
        Base::Char
        | Base::Name
        | Base::Text
        | Base::Tid
        | Base::Json
        | Base::NodeTree
        | Base::Unknown
        | Base::AclItem
        | Base::Bpchar
        | Base::Varchar
        | Base::Record
        | Base::Void
        | Base::Jsonb => texts(values, |v| v.str().to_owned()),
    })
}

fn intervals(values: &[&Datum]) -> Result<ArrayRef> {
    let array: Result<Vec<Option<IntervalMonthDayNano>>> = values
        .iter()
        .map(|v| match v {
            Datum::Interval(v) => {
                let nanoseconds = v.us.checked_mul(1000).ok_or_else(|| Error::out_of_range("interval"))?;
                Ok(Some(IntervalMonthDayNano::new(v.months, v.days, nanoseconds)))
            }
            _ => Ok(None),
        })
        .collect();
    Ok(Arc::new(IntervalMonthDayNanoArray::from(array?)))
}

/// A decimal where all values show the same number of digits behind the point and fit; else text.
fn numeric(ty: SqlType, values: &[&Datum]) -> ArrayRef {
    let as_text = || texts(values, |v| if let Datum::Numeric(n) = v { n.to_string() } else { String::new() });
    let mut scale = ty.precision_scale().map(|(_, s)| i64::from(s));
    for value in values {
        let Datum::Numeric(n) = value else { continue };
        let Some((_, own)) = n.parts() else { return as_text() };
        if scale.is_some_and(|s| s != i64::from(own)) {
            return as_text();
        }
        scale = Some(i64::from(own));
    }
    let Some(scale) = scale.and_then(|s| u32::try_from(s).ok()).filter(|s| *s <= 38) else { return as_text() };
    let limit = 10i128.pow(38);
    let mut unscaled = Vec::with_capacity(values.len());
    for value in values {
        match value {
            Datum::Numeric(n) => match n.to_i128(scale).filter(|v| v.abs() < limit) {
                Some(v) => unscaled.push(Some(v)),
                None => return as_text(),
            },
            _ => unscaled.push(None),
        }
    }
    let precision = ty.precision_scale().map_or(38, |(p, _)| p.min(38));
    match Decimal128Array::from(unscaled).with_precision_and_scale(precision, scale as i8) {
        Ok(array) => Arc::new(array),
        Err(_) => as_text(),
    }
}

fn list(element: SqlType, values: &[&Datum]) -> Result<ArrayRef> {
    let mut items = Vec::new();
    let mut lengths = Vec::with_capacity(values.len());
    for value in values {
        items.extend(value.items());
        lengths.push(value.items().len());
    }
    let inner = array(element, &items)?;
    let nulls: NullBuffer = values.iter().map(|v| !v.is_null()).collect();
    let field = field(Field::LIST_FIELD_DEFAULT_NAME, element, inner.data_type().clone());
    let list = ListArray::try_new(Arc::new(field), OffsetBuffer::from_lengths(lengths), inner, Some(nulls));
    Ok(Arc::new(list.map_err(|e| Error::internal(e.to_string()))?))
}
