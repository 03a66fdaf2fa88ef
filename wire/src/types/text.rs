//! Columns in text format: as PostgreSQL's output functions print them.

use arrow::array::{Array, ArrayRef, AsArray, GenericByteArray};
use arrow::datatypes::{
    ArrowPrimitiveType, ByteArrayType, DataType, Date32Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, IntervalMonthDayNanoType, Time64MicrosecondType, TimestampMicrosecondType, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use warpwise_engine::error::{Error, Result};
use warpwise_engine::types::text::{
    DECIMAL_ROOM, put_date, put_decimal128, put_i64, put_time, put_timestamp, put_timestamptz, put_u64, write_array_element,
    write_bytea, write_decimal128, write_decimal256, write_f32_digits, write_f64_digits, write_interval, write_uuid,
};
use warpwise_engine::types::{Base, SqlType};

use super::cells::Cells;
use super::{Style, canonical, decimal};

/// The most digits of a decimal that fits a short cell with sign, zero and point.
const SHORT_DIGITS: u8 = 25;

/// Whether what is printed is digits, letters, spaces and marks that no sane COPY delimiter is.
pub(super) fn is_plain(data_type: &DataType, sql_type: SqlType) -> bool {
    match data_type {
        DataType::FixedSizeBinary(16) => sql_type.base == Base::Uuid,
        data_type => data_type.is_numeric() || data_type.is_temporal() || matches!(data_type, DataType::Boolean | DataType::Null),
    }
}

fn integers<T: ArrowPrimitiveType>(cells: &mut Cells, array: &ArrayRef, put: impl Fn(T::Native, &mut [u8]) -> usize) {
    let array = array.as_primitive::<T>();
    let values = array.values();
    cells.fill_short(array.len(), array.nulls(), |row, out| put(values[row], out));
}

fn decimals(cells: &mut Cells, array: &ArrayRef, precision: u8, scale: i8, quotient: Option<u8>) -> Result<()> {
    let array = array.as_primitive::<Decimal128Type>();
    let values = array.values();
    match quotient {
        Some(least) => {
            return cells.fill_long(array.len(), array.nulls(), |row, out| {
                let (value, scale) = decimal::quotient128(values[row], scale, least);
                write_decimal128(out, value, scale);
                Ok(())
            });
        }
        None if precision <= SHORT_DIGITS && (0..=precision as i8).contains(&scale) => {
            // A value beyond its precision, which nothing here promises against, takes the long way.
            let limit = decimal::power(u32::from(precision));
            if values.iter().all(|value| value.unsigned_abs() < limit) {
                cells.fill_short(array.len(), array.nulls(), |row, out| put_decimal128(values[row], scale, out));
                return Ok(());
            }
        }
        None => {}
    }
    if (0..=38).contains(&scale) {
        const { assert!(DECIMAL_ROOM <= super::cells::WIDE - super::cells::HEAD) };
        cells.fill_wide(array.len(), array.nulls(), |row, out| put_decimal128(values[row], scale, out));
        return Ok(());
    }
    cells.fill_long(array.len(), array.nulls(), |row, out| {
        write_decimal128(out, values[row], scale);
        Ok(())
    })
}

fn bytes<T: ByteArrayType>(cells: &mut Cells, array: &GenericByteArray<T>, sql_type: SqlType) -> Result<()>
where
    T::Native: AsRef<[u8]>,
{
    cells.fill_long(array.len(), array.nulls(), |row, out| {
        write_bytes(array.value(row).as_ref(), sql_type, out);
        Ok(())
    })
}

/// Bytes as the type prints them: those of a text type are text.
fn write_bytes(value: &[u8], sql_type: SqlType, out: &mut Vec<u8>) {
    match (sql_type.base, <&[u8; 16]>::try_from(value)) {
        (Base::Uuid, Ok(uuid)) => write_uuid(out, uuid),
        (base, _) if super::binary::is_textual(base) => out.extend_from_slice(value),
        _ => write_bytea(out, value),
    }
}

/// Prints a column. `array` is canonical.
pub(super) fn fill(cells: &mut Cells, array: &ArrayRef, style: &Style<'_>) -> Result<()> {
    let (rows, nulls) = (array.len(), array.nulls());
    match array.data_type() {
        DataType::Null => cells.fill_absent(rows),
        DataType::Boolean => {
            let values = array.as_boolean();
            cells.fill_short(rows, nulls, |row, out| {
                out[0] = if values.value(row) { b't' } else { b'f' };
                1
            });
        }
        DataType::Int8 => integers::<Int8Type>(cells, array, |value, out| put_i64(i64::from(value), out)),
        DataType::Int16 => integers::<Int16Type>(cells, array, |value, out| put_i64(i64::from(value), out)),
        DataType::Int32 => integers::<Int32Type>(cells, array, |value, out| put_i64(i64::from(value), out)),
        DataType::Int64 => integers::<Int64Type>(cells, array, put_i64),
        DataType::UInt8 => integers::<UInt8Type>(cells, array, |value, out| put_u64(u64::from(value), out)),
        DataType::UInt16 => integers::<UInt16Type>(cells, array, |value, out| put_u64(u64::from(value), out)),
        DataType::UInt32 => integers::<UInt32Type>(cells, array, |value, out| put_u64(u64::from(value), out)),
        DataType::UInt64 => integers::<UInt64Type>(cells, array, put_u64),
        DataType::Float32 => {
            let values = array.as_primitive::<Float32Type>().values();
            cells.fill_long(rows, nulls, |row, out| {
                write_f32_digits(out, values[row], style.extra_float_digits);
                Ok(())
            })?;
        }
        DataType::Float64 => {
            let values = array.as_primitive::<Float64Type>().values();
            cells.fill_long(rows, nulls, |row, out| {
                write_f64_digits(out, values[row], style.extra_float_digits);
                Ok(())
            })?;
        }
        DataType::Decimal128(precision, scale) => decimals(cells, array, *precision, *scale, style.quotient)?,
        DataType::Decimal256(_, scale) => {
            let values = array.as_primitive::<Decimal256Type>().values();
            cells.fill_long(rows, nulls, |row, out| {
                let (value, scale) = match style.quotient {
                    Some(least) => decimal::quotient256(values[row], *scale, least),
                    None => (values[row], *scale),
                };
                write_decimal256(out, value, scale);
                Ok(())
            })?;
        }
        DataType::Date32 => integers::<Date32Type>(cells, array, put_date),
        DataType::Time64(_) => integers::<Time64MicrosecondType>(cells, array, put_time),
        DataType::Timestamp(_, zone) => {
            let values = array.as_primitive::<TimestampMicrosecondType>().values();
            let zoned = match style.sql_type.base {
                Base::Timestamptz => true,
                Base::Timestamp => false,
                _ => zone.is_some(),
            };
            if zoned {
                cells.fill_wide(rows, nulls, |row, out| put_timestamptz(values[row], style.zone, out));
            } else {
                cells.fill_wide(rows, nulls, |row, out| put_timestamp(values[row], out));
            }
        }
        DataType::Interval(_) => {
            let values = array.as_primitive::<IntervalMonthDayNanoType>().values();
            cells.fill_long(rows, nulls, |row, out| {
                let span = values[row];
                write_interval(out, span.months, span.days, span.nanoseconds / 1000);
                Ok(())
            })?;
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => cells.fill_direct(array),
        DataType::Binary => bytes(cells, array.as_binary::<i32>(), style.sql_type)?,
        DataType::LargeBinary => bytes(cells, array.as_binary::<i64>(), style.sql_type)?,
        DataType::BinaryView => {
            let values = array.as_binary_view();
            cells.fill_long(rows, nulls, |row, out| {
                write_bytes(values.value(row), style.sql_type, out);
                Ok(())
            })?;
        }
        DataType::FixedSizeBinary(_) => {
            let values = array.as_fixed_size_binary();
            cells.fill_long(rows, nulls, |row, out| {
                write_bytes(values.value(row), style.sql_type, out);
                Ok(())
            })?;
        }
        DataType::List(_) => lists(cells, array, style)?,
        DataType::Struct(_) => records(cells, array, style)?,
        DataType::Map(..) => maps(cells, array, style)?,
        // What `canonical` leaves none of, and unions, which have no counterpart.
        DataType::Float16
        | DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Date64
        | DataType::Time32(_)
        | DataType::Duration(_)
        | DataType::LargeList(_)
        | DataType::FixedSizeList(..)
        | DataType::ListView(_)
        | DataType::LargeListView(_)
        | DataType::Union(..)
        | DataType::Dictionary(..)
        | DataType::RunEndEncoded(..) => {
            let options = FormatOptions::default();
            let formatter = ArrayFormatter::try_new(array, &options).map_err(|error| Error::internal(error.to_string()))?;
            cells.fill_long(rows, array.logical_nulls().as_ref(), |row, out| {
                use std::io::Write;
                write!(out, "{}", formatter.value(row)).map_err(|error| Error::internal(error.to_string()))
            })?;
        }
    }
    Ok(())
}

/// The values of a nested column, printed; `sql_type` is what they are.
fn children(values: &ArrayRef, sql_type: SqlType, style: &Style<'_>) -> Result<Cells> {
    let mut cells = Cells::default();
    let style = Style { sql_type, zone: style.zone, extra_float_digits: style.extra_float_digits, quotient: None };
    fill(&mut cells, &canonical::of(values, sql_type)?, &style)?;
    Ok(cells)
}

/// `{1,NULL,"a b"}`, `{{1,2},{3,4}}`.
fn lists(cells: &mut Cells, array: &ArrayRef, style: &Style<'_>) -> Result<()> {
    let list = array.as_list::<i32>();
    let offsets = list.value_offsets();
    let first = offsets[0] as usize;
    let values = list.values().slice(first, offsets[list.len()] as usize - first);
    let nested = values.data_type().is_list();
    let element = match style.sql_type.array {
        true if !nested => SqlType { array: false, ..style.sql_type },
        _ => SqlType::of_arrow(values.data_type()),
    };
    let elements = children(&values, element, style)?;
    let elements = elements.source();
    cells.fill_long(list.len(), list.nulls(), |row, out| {
        out.push(b'{');
        for at in offsets[row] as usize..offsets[row + 1] as usize {
            if at > offsets[row] as usize {
                out.push(b',');
            }
            match elements.get(at - first) {
                None => out.extend_from_slice(b"NULL"),
                Some(text) if nested => out.extend_from_slice(text),
                Some(text) => write_array_element(out, text),
            }
        }
        out.push(b'}');
        Ok(())
    })
}

/// `(1,,"a b")`.
fn records(cells: &mut Cells, array: &ArrayRef, style: &Style<'_>) -> Result<()> {
    let record = array.as_struct();
    let columns: Vec<Cells> = record
        .fields()
        .iter()
        .zip(record.columns())
        .map(|(field, column)| children(column, SqlType::of_field(field), style))
        .collect::<Result<_>>()?;
    let columns: Vec<_> = columns.iter().map(Cells::source).collect();
    cells.fill_long(record.len(), record.nulls(), |row, out| {
        out.push(b'(');
        for (at, column) in columns.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            if let Some(text) = column.get(row) {
                write_record_field(text, out);
            }
        }
        out.push(b')');
        Ok(())
    })
}

fn write_record_field(text: &[u8], out: &mut Vec<u8>) {
    let special = |b: &u8| matches!(b, b'"' | b'\\' | b'(' | b')' | b',' | b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c);
    if !text.is_empty() && !text.iter().any(special) {
        return out.extend_from_slice(text);
    }
    out.push(b'"');
    for &byte in text {
        if matches!(byte, b'"' | b'\\') {
            out.push(byte);
        }
        out.push(byte);
    }
    out.push(b'"');
}

/// `{"a": 1, "b": null}`.
fn maps(cells: &mut Cells, array: &ArrayRef, style: &Style<'_>) -> Result<()> {
    let map = array.as_map();
    let offsets = map.value_offsets();
    let first = offsets[0] as usize;
    let count = offsets[map.len()] as usize - first;
    let of = |values: &ArrayRef| {
        let values = values.slice(first, count);
        let sql_type = SqlType::of_arrow(values.data_type());
        Ok::<_, Error>((children(&values, sql_type, style)?, values.data_type().is_numeric(), sql_type.base == Base::Bool))
    };
    let (keys, ..) = of(map.keys())?;
    let (values, numbers, booleans) = of(map.values())?;
    let (keys, values) = (keys.source(), values.source());
    cells.fill_long(map.len(), map.nulls(), |row, out| {
        out.push(b'{');
        for at in offsets[row] as usize..offsets[row + 1] as usize {
            if at > offsets[row] as usize {
                out.extend_from_slice(b", ");
            }
            write_json_string(keys.get(at - first).unwrap_or_default(), out);
            out.extend_from_slice(b": ");
            match values.get(at - first) {
                None => out.extend_from_slice(b"null"),
                Some(text) if booleans => out.extend_from_slice(if text == b"t" { b"true" } else { b"false" }),
                // NaN and infinities are no numbers to JSON.
                Some(text) if numbers && text.last().is_some_and(u8::is_ascii_digit) => out.extend_from_slice(text),
                Some(text) => write_json_string(text, out),
            }
        }
        out.push(b'}');
        Ok(())
    })
}

fn write_json_string(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for &byte in text {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            0..0x20 => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
            }
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}
