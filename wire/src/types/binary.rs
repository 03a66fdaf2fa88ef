//! Columns in binary format: as PostgreSQL's send functions make them, which depends on the type that the result
//! declares, whatever array carries it.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast as arrow_cast;
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int16Type, Int32Type,
    Int64Type, IntervalMonthDayNanoType, IntervalUnit, Time64MicrosecondType, TimeUnit, TimestampMicrosecondType, UInt32Type,
};
use warpwise_engine::error::{Error, Result};
use warpwise_engine::types::text::{parse_column, parse_i16, parse_oid};
use warpwise_engine::types::{Base, SqlType};

use super::cells::Cells;
use super::{Style, canonical, decimal, text};

/// Days from 1970-01-01 to PostgreSQL's day 0, 2000-01-01.
pub(super) const EPOCH_DAYS: i32 = 10_957;
/// The same in microseconds.
pub(super) const EPOCH_US: i64 = EPOCH_DAYS as i64 * 86_400_000_000;

/// Whether the binary form of a type is its text.
pub(super) fn is_textual(base: Base) -> bool {
    match base {
        Base::Char
        | Base::Name
        | Base::Text
        | Base::Json
        | Base::NodeTree
        | Base::Unknown
        | Base::AclItem
        | Base::Bpchar
        | Base::Varchar
        | Base::Void
        | Base::Tid
        | Base::Jsonb => true,
        Base::Bool
        | Base::Bytea
        | Base::Int8
        | Base::Int2
        | Base::Int2Vector
        | Base::Int4
        | Base::RegProc
        | Base::Oid
        | Base::Xid
        | Base::OidVector
        | Base::Float4
        | Base::Float8
        | Base::Date
        | Base::Time
        | Base::Timestamp
        | Base::Timestamptz
        | Base::Interval
        | Base::Numeric
        | Base::RegClass
        | Base::RegType
        | Base::RegNamespace
        | Base::Record
        | Base::Uuid => false,
    }
}

/// Whether `fill` takes arrays of this type for values of `sql_type`.
fn accepts(sql_type: SqlType, data_type: &DataType) -> bool {
    if sql_type.array {
        return matches!(data_type, DataType::List(_));
    }
    match sql_type.base {
        Base::Bool => *data_type == DataType::Boolean,
        Base::Bytea => data_type.is_binary() || matches!(data_type, DataType::FixedSizeBinary(_)),
        Base::Int2 => *data_type == DataType::Int16,
        Base::Int4 => *data_type == DataType::Int32,
        Base::Int8 => *data_type == DataType::Int64,
        Base::Oid | Base::Xid | Base::RegProc | Base::RegClass | Base::RegType | Base::RegNamespace => {
            *data_type == DataType::UInt32
        }
        Base::Float4 => *data_type == DataType::Float32,
        Base::Float8 => *data_type == DataType::Float64,
        Base::Date => *data_type == DataType::Date32,
        Base::Time => *data_type == DataType::Time64(TimeUnit::Microsecond),
        Base::Timestamp | Base::Timestamptz => matches!(data_type, DataType::Timestamp(TimeUnit::Microsecond, _)),
        Base::Interval => *data_type == DataType::Interval(IntervalUnit::MonthDayNano),
        Base::Numeric => data_type.is_string() || matches!(data_type, DataType::Decimal128(..) | DataType::Decimal256(..)),
        Base::Uuid => *data_type == DataType::FixedSizeBinary(16),
        // Whatever has a text.
        Base::Char
        | Base::Name
        | Base::Int2Vector
        | Base::Text
        | Base::Tid
        | Base::OidVector
        | Base::Json
        | Base::NodeTree
        | Base::Unknown
        | Base::AclItem
        | Base::Bpchar
        | Base::Varchar
        | Base::Record
        | Base::Void
        | Base::Jsonb => true,
    }
}

/// The same values in an array that `accepts` names for the type.
fn coerce(array: &ArrayRef, style: &Style<'_>) -> Result<ArrayRef> {
    let sql_type = style.sql_type;
    if accepts(sql_type, array.data_type()) {
        return Ok(Arc::clone(array));
    }
    if array.data_type().is_string() {
        // Text that says it is something else.
        let strings = arrow_cast(array, &DataType::Utf8).map_err(|error| Error::internal(error.to_string()))?;
        let strings = strings.as_string::<i32>();
        return parse_column(sql_type, &mut strings.iter(), style.zone).map_err(|fault| *fault.error);
    }
    if sql_type.array {
        // A cast would make arrays of one element.
        let message = format!("cannot send values of Arrow type {} as {}", array.data_type(), sql_type.sql_name());
        return Err(Error::internal(message));
    }
    if sql_type.base == Base::Numeric && array.data_type().is_integer() {
        return canonical::cast(array, &DataType::Decimal128(20, 0));
    }
    if sql_type.base == Base::Numeric && array.data_type().is_floating() {
        let mut cells = Cells::default();
        text::fill(&mut cells, array, style)?;
        let texts = (0..array.len()).map(|row| cells.get(row).map(|text| String::from_utf8_lossy(text).into_owned()));
        return Ok(Arc::new(texts.collect::<arrow::array::StringArray>()));
    }
    canonical::cast(array, &sql_type.arrow())
}

fn fixed<T: ArrowPrimitiveType, const N: usize>(cells: &mut Cells, array: &ArrayRef, bytes: impl Fn(T::Native) -> [u8; N]) {
    let array = array.as_primitive::<T>();
    let values = array.values();
    cells.fill_short(array.len(), array.nulls(), |row, out| {
        out[..N].copy_from_slice(&bytes(values[row]));
        N
    });
}

/// PostgreSQL counts days from 2000; infinities stay.
fn date(days: i32) -> [u8; 4] {
    match days {
        i32::MAX | i32::MIN => days,
        days => days.saturating_sub(EPOCH_DAYS),
    }
    .to_be_bytes()
}

fn timestamp(us: i64) -> [u8; 8] {
    match us {
        i64::MAX | i64::MIN => us,
        us => us.saturating_sub(EPOCH_US),
    }
    .to_be_bytes()
}

/// Prints a column. `array` is canonical.
pub(super) fn fill(cells: &mut Cells, array: &ArrayRef, style: &Style<'_>) -> Result<()> {
    if *array.data_type() == DataType::Null {
        cells.fill_absent(array.len());
        return Ok(());
    }
    let array = &coerce(array, style)?;
    if style.sql_type.array {
        return lists(cells, array, style);
    }
    let (rows, nulls) = (array.len(), array.nulls());
    match style.sql_type.base {
        Base::Bool => {
            let values = array.as_boolean();
            cells.fill_short(rows, nulls, |row, out| {
                out[0] = u8::from(values.value(row));
                1
            });
        }
        Base::Int2 => fixed::<Int16Type, 2>(cells, array, i16::to_be_bytes),
        Base::Int4 => fixed::<Int32Type, 4>(cells, array, i32::to_be_bytes),
        Base::Int8 => fixed::<Int64Type, 8>(cells, array, i64::to_be_bytes),
        Base::Oid | Base::Xid | Base::RegProc | Base::RegClass | Base::RegType | Base::RegNamespace => {
            fixed::<UInt32Type, 4>(cells, array, u32::to_be_bytes);
        }
        Base::Float4 => fixed::<Float32Type, 4>(cells, array, f32::to_be_bytes),
        Base::Float8 => fixed::<Float64Type, 8>(cells, array, f64::to_be_bytes),
        Base::Date => fixed::<Date32Type, 4>(cells, array, date),
        Base::Time => fixed::<Time64MicrosecondType, 8>(cells, array, i64::to_be_bytes),
        Base::Timestamp | Base::Timestamptz => fixed::<TimestampMicrosecondType, 8>(cells, array, timestamp),
        Base::Interval => fixed::<IntervalMonthDayNanoType, 16>(cells, array, |span| {
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&(span.nanoseconds / 1000).to_be_bytes());
            bytes[8..12].copy_from_slice(&span.days.to_be_bytes());
            bytes[12..].copy_from_slice(&span.months.to_be_bytes());
            bytes
        }),
        Base::Numeric => numerics(cells, array, style)?,
        Base::Uuid => {
            let values = array.as_fixed_size_binary();
            cells.fill_short(rows, nulls, |row, out| {
                out[..16].copy_from_slice(values.value(row));
                16
            });
        }
        Base::Bytea => match array.data_type() {
            DataType::LargeBinary => raw(cells, array, |row| array.as_binary::<i64>().value(row))?,
            DataType::BinaryView => raw(cells, array, |row| array.as_binary_view().value(row))?,
            DataType::FixedSizeBinary(_) => raw(cells, array, |row| array.as_fixed_size_binary().value(row))?,
            _ => raw(cells, array, |row| array.as_binary::<i32>().value(row))?,
        },
        Base::Jsonb => {
            let mut texts = Cells::default();
            text::fill(&mut texts, array, style)?;
            let texts = texts.source();
            cells.fill_long(rows, nulls, |row, out| {
                // The version of the format.
                out.push(1);
                out.extend_from_slice(texts.get(row).unwrap_or_default());
                Ok(())
            })?;
        }
        Base::Int2Vector => vectors(cells, array, style, Base::Int2, |text, out| {
            out.extend_from_slice(&parse_i16(text)?.to_be_bytes());
            Ok(())
        })?,
        Base::OidVector => vectors(cells, array, style, Base::Oid, |text, out| {
            out.extend_from_slice(&parse_oid(text)?.to_be_bytes());
            Ok(())
        })?,
        Base::Record if matches!(array.data_type(), DataType::Struct(_)) => records(cells, array, style)?,
        // An empty "char" is the character 0.
        Base::Char if array.data_type().is_string() => {
            let mut texts = Cells::default();
            text::fill(&mut texts, array, style)?;
            let texts = texts.source();
            cells.fill_short(rows, nulls, |row, out| {
                out[0] = texts.get(row).and_then(|text| text.first().copied()).unwrap_or(0);
                1
            });
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
        | Base::Void => text::fill(cells, array, style)?,
    }
    Ok(())
}

fn raw<'a>(cells: &mut Cells, array: &'a ArrayRef, value: impl Fn(usize) -> &'a [u8]) -> Result<()> {
    cells.fill_long(array.len(), array.nulls(), |row, out| {
        out.extend_from_slice(value(row));
        Ok(())
    })
}

fn numerics(cells: &mut Cells, array: &ArrayRef, style: &Style<'_>) -> Result<()> {
    let (rows, nulls) = (array.len(), array.nulls());
    match array.data_type() {
        DataType::Decimal128(_, scale) => {
            let values = array.as_primitive::<Decimal128Type>().values();
            if let Some(least) = style.quotient {
                return cells.fill_long(rows, nulls, |row, out| {
                    let (value, scale) = decimal::quotient128(values[row], *scale, least);
                    decimal::write128(value, scale, out);
                    Ok(())
                });
            }
            // Values of NULLs count too: they are some value of the same range.
            if decimal::is_small(*scale) && values.iter().all(|value| u64::try_from(value.unsigned_abs()).is_ok()) {
                cells.fill_short(rows, nulls, |row, out| decimal::put_small(values[row], *scale, out).unwrap_or(0));
                return Ok(());
            }
            cells.fill_long(rows, nulls, |row, out| {
                decimal::write128(values[row], *scale, out);
                Ok(())
            })
        }
        DataType::Decimal256(_, scale) => {
            let values = array.as_primitive::<Decimal256Type>().values();
            cells.fill_long(rows, nulls, |row, out| {
                let (value, scale) = match style.quotient {
                    Some(least) => decimal::quotient256(values[row], *scale, least),
                    None => (values[row], *scale),
                };
                decimal::write256(value, scale, out);
                Ok(())
            })
        }
        _ => {
            let mut texts = Cells::default();
            text::fill(&mut texts, array, style)?;
            let texts = texts.source();
            cells.fill_long(rows, nulls, |row, out| {
                decimal::write_text(texts.get(row).unwrap_or_default(), out);
                Ok(())
            })
        }
    }
}

/// What stands before the elements of a one-dimensional array; nothing but its type where there are none.
fn array_head(count: usize, any_null: bool, element_oid: u32, lower_bound: i32, out: &mut Vec<u8>) -> Result<()> {
    let count = i32::try_from(count).map_err(|_| Error::internal("an array of more than 2^31 elements"))?;
    out.extend_from_slice(&i32::from(count > 0).to_be_bytes());
    out.extend_from_slice(&i32::from(any_null).to_be_bytes());
    out.extend_from_slice(&element_oid.to_be_bytes());
    if count > 0 {
        out.extend_from_slice(&count.to_be_bytes());
        out.extend_from_slice(&lower_bound.to_be_bytes());
    }
    Ok(())
}

fn value(bytes: Option<&[u8]>, out: &mut Vec<u8>) {
    match bytes {
        None => out.extend_from_slice(&super::cells::NULL),
        Some(bytes) => {
            out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
            out.extend_from_slice(bytes);
        }
    }
}

fn children(values: &ArrayRef, sql_type: SqlType, style: &Style<'_>) -> Result<Cells> {
    let mut cells = Cells::default();
    let style = Style { sql_type, zone: style.zone, extra_float_digits: style.extra_float_digits, quotient: None };
    fill(&mut cells, &canonical::of(values, sql_type)?, &style)?;
    Ok(cells)
}

fn lists(cells: &mut Cells, array: &ArrayRef, style: &Style<'_>) -> Result<()> {
    let list = array.as_list::<i32>();
    if list.values().data_type().is_list() {
        return Err(Error::unsupported("multidimensional arrays are not supported in binary format"));
    }
    let offsets = list.value_offsets();
    let first = offsets[0] as usize;
    let values = list.values().slice(first, offsets[list.len()] as usize - first);
    let element = SqlType { array: false, ..style.sql_type };
    let elements = children(&values, element, style)?;
    let elements = elements.source();
    cells.fill_long(list.len(), list.nulls(), |row, out| {
        let range = offsets[row] as usize - first..offsets[row + 1] as usize - first;
        let any_null = range.clone().any(|at| elements.get(at).is_none());
        array_head(range.len(), any_null, element.oid(), 1, out)?;
        range.for_each(|at| value(elements.get(at), out));
        Ok(())
    })
}

/// `int2vector` and `oidvector`: numbers between spaces, sent as arrays that count from 0, of one dimension even if empty.
fn vectors(
    cells: &mut Cells,
    array: &ArrayRef,
    style: &Style<'_>,
    element: Base,
    write: impl Fn(&str, &mut Vec<u8>) -> Result<()>,
) -> Result<()> {
    let mut texts = Cells::default();
    text::fill(&mut texts, array, style)?;
    let texts = texts.source();
    cells.fill_long(array.len(), array.nulls(), |row, out| {
        let text = String::from_utf8_lossy(texts.get(row).unwrap_or_default());
        let numbers: Vec<&str> = text.split_ascii_whitespace().collect();
        out.extend_from_slice(&1i32.to_be_bytes());
        out.extend_from_slice(&0i32.to_be_bytes());
        out.extend_from_slice(&SqlType::from(element).oid().to_be_bytes());
        out.extend_from_slice(&(numbers.len() as u32).to_be_bytes());
        out.extend_from_slice(&0i32.to_be_bytes());
        for number in numbers {
            let start = out.len();
            out.extend_from_slice(&super::cells::NULL);
            write(number, out)?;
            let count = (out.len() - start - 4) as u32;
            out[start..start + 4].copy_from_slice(&count.to_be_bytes());
        }
        Ok(())
    })
}

fn records(cells: &mut Cells, array: &ArrayRef, style: &Style<'_>) -> Result<()> {
    let record = array.as_struct();
    let columns: Vec<(u32, Cells)> = record
        .fields()
        .iter()
        .zip(record.columns())
        .map(|(field, column)| {
            let sql_type = SqlType::of_field(field);
            Ok((sql_type.oid(), children(column, sql_type, style)?))
        })
        .collect::<Result<_>>()?;
    cells.fill_long(record.len(), record.nulls(), |row, out| {
        out.extend_from_slice(&(columns.len() as u32).to_be_bytes());
        for (oid, column) in &columns {
            out.extend_from_slice(&oid.to_be_bytes());
            value(column.get(row), out);
        }
        Ok(())
    })
}
