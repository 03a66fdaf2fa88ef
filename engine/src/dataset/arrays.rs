//! Arrays of generated values, and the notation of a dataset's list of columns.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal128Array, Int16Array, Int32Array, Int64Array, StringBuilder, TimestampMicrosecondArray};
use arrow::datatypes::DataType;

use crate::types::{Base, SqlType};

/// A type without a modifier.
pub const fn plain(base: Base) -> SqlType {
    SqlType { base, array: false, typmod: -1 }
}

/// `varchar(length)`.
pub const fn varchar(length: i32) -> SqlType {
    SqlType { base: Base::Varchar, array: false, typmod: length + 4 }
}

/// `numeric(precision, scale)`.
pub const fn numeric(precision: i32, scale: i32) -> SqlType {
    SqlType { base: Base::Numeric, array: false, typmod: ((precision << 16) | scale) + 4 }
}

/// A list of columns: name, type, whether NULL is among the values, what makes them.
macro_rules! entries {
    ($($name:ident $sql_type:expr, $null:ident, $make:expr;)*) => {
        &[$(Entry { name: stringify!($name), sql_type: $sql_type, nullable: entries!(@$null), make: $make }),*]
    };
    (@null) => { true };
    (@not_null) => { false };
}

pub(super) use entries;

/// `smallint`.
pub fn smallints(rows: Range<u64>, value: impl Fn(u64) -> i16) -> ArrayRef {
    Arc::new(Int16Array::from_iter_values(rows.map(value)))
}

/// `smallint` with NULL.
pub fn maybe_smallints(rows: Range<u64>, value: impl Fn(u64) -> Option<i16>) -> ArrayRef {
    Arc::new(Int16Array::from_iter(rows.map(value)))
}

/// `integer`.
pub fn integers(rows: Range<u64>, value: impl Fn(u64) -> i32) -> ArrayRef {
    Arc::new(Int32Array::from_iter_values(rows.map(value)))
}

/// `integer` with NULL.
pub fn maybe_integers(rows: Range<u64>, value: impl Fn(u64) -> Option<i32>) -> ArrayRef {
    Arc::new(Int32Array::from_iter(rows.map(value)))
}

/// `bigint`.
pub fn bigints(rows: Range<u64>, value: impl Fn(u64) -> i64) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(rows.map(value)))
}

/// `timestamp`, from seconds since 1970.
pub fn timestamps(rows: Range<u64>, seconds: impl Fn(u64) -> u64) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from_iter_values(rows.map(|row| seconds(row) as i64 * 1_000_000)))
}

/// `numeric` of that precision and scale, from its digits.
pub fn decimals((precision, scale): (u8, i8), rows: Range<u64>, digits: impl Fn(u64) -> i128) -> ArrayRef {
    let values = Decimal128Array::from_iter_values(rows.map(digits));
    Arc::new(values.with_data_type(DataType::Decimal128(precision, scale)))
}

/// `numeric` with NULL.
pub fn maybe_decimals((precision, scale): (u8, i8), rows: Range<u64>, digits: impl Fn(u64) -> Option<i128>) -> ArrayRef {
    let values = Decimal128Array::from_iter(rows.map(digits));
    Arc::new(values.with_data_type(DataType::Decimal128(precision, scale)))
}

/// Strings that are there already.
pub fn text<'a>(rows: Range<u64>, value: impl Fn(u64) -> &'a str) -> ArrayRef {
    let count = (rows.end - rows.start) as usize;
    let mut made = StringBuilder::with_capacity(count, count * 6);
    rows.for_each(|row| made.append_value(value(row)));
    Arc::new(made.finish())
}

/// The same with NULL.
pub fn maybe_text<'a>(rows: Range<u64>, value: impl Fn(u64) -> Option<&'a str>) -> ArrayRef {
    let count = (rows.end - rows.start) as usize;
    let mut made = StringBuilder::with_capacity(count, count);
    rows.for_each(|row| made.append_option(value(row)));
    Arc::new(made.finish())
}

/// Strings that are composed, `write` putting one into an empty buffer.
pub fn composed(rows: Range<u64>, length: usize, write: impl Fn(u64, &mut String)) -> ArrayRef {
    let count = (rows.end - rows.start) as usize;
    let mut made = StringBuilder::with_capacity(count, count * length);
    let mut value = String::new();
    for row in rows {
        value.clear();
        write(row, &mut value);
        made.append_value(&value);
    }
    Arc::new(made.finish())
}
