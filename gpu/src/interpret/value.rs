//! Values as the interpreter has them, and columns and tables read and written value by value.

use std::cmp::Ordering;

use arrow::buffer::{Buffer, MutableBuffer, ScalarBuffer};

use crate::column::Column;
use crate::program::{Scalar, Table, Type, ValueType};

/// A value or NULL.
pub type Value = Option<Scalar>;

/// The order of two values of one type: false before true, NaN equal to itself and behind all numbers, -0 equal to 0, texts
/// byte by byte.
pub fn compare(a: &Scalar, b: &Scalar) -> Ordering {
    match (a, b) {
        (Scalar::Bool(a), Scalar::Bool(b)) => a.cmp(b),
        (Scalar::Int(a), Scalar::Int(b)) => a.cmp(b),
        (Scalar::F32(a), Scalar::F32(b)) => compare_floats((*a).into(), (*b).into()),
        (Scalar::F64(a), Scalar::F64(b)) => compare_floats(*a, *b),
        (Scalar::Text(a), Scalar::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
        // Types are checked before anything runs; this is an order all the same.
        (Scalar::Bool(_) | Scalar::Int(_) | Scalar::F32(_) | Scalar::F64(_) | Scalar::Text(_), _) => rank(a).cmp(&rank(b)),
    }
}

fn compare_floats(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

fn rank(a: &Scalar) -> u8 {
    match a {
        Scalar::Bool(_) => 0,
        Scalar::Int(_) => 1,
        Scalar::F32(_) => 2,
        Scalar::F64(_) => 3,
        Scalar::Text(_) => 4,
    }
}

/// The values of a column.
pub fn read_column(column: &Column) -> Vec<Value> {
    read(column.ty.ty, column.rows, &column.values, column.bytes.as_deref(), column.validity.as_deref())
}

/// The elements of a table.
pub fn read_table(table: &Table) -> Vec<Value> {
    read(table.ty.element, table.len, &table.values, table.bytes.as_deref(), table.validity.as_deref())
}

fn read(ty: Type, rows: usize, values: &[u8], texts: Option<&[u8]>, validity: Option<&[u8]>) -> Vec<Value> {
    let bit = |bytes: &[u8], at: usize| bytes[at / 8] >> (at % 8) & 1 == 1;
    let element = |at: usize| match ty {
        Type::Bool => Scalar::Bool(bit(values, at)),
        Type::F32 => Scalar::F32(f32::from_bits(bits_at(values, at, 4) as u32)),
        Type::F64 => Scalar::F64(f64::from_bits(bits_at(values, at, 8) as u64)),
        Type::U8 | Type::U16 | Type::U32 => Scalar::Int(bits_at(values, at, ty.bytes()) as i128),
        Type::I8 | Type::I16 | Type::I32 | Type::I64 | Type::I128 => {
            // The sign stands in the highest bit of the element.
            let unused = 128 - ty.bits();
            Scalar::Int((bits_at(values, at, ty.bytes()) << unused) as i128 >> unused)
        }
        Type::Text => {
            let (from, to) = (bits_at(values, at, 4) as usize, bits_at(values, at + 1, 4) as usize);
            let bytes = texts.and_then(|bytes| bytes.get(from..to)).unwrap_or_default();
            Scalar::Text(String::from_utf8_lossy(bytes).into())
        }
    };
    (0..rows).map(|at| validity.is_none_or(|bits| bit(bits, at)).then(|| element(at))).collect()
}

fn bits_at(values: &[u8], at: usize, width: usize) -> u128 {
    let mut bytes = [0u8; 16];
    bytes[..width].copy_from_slice(&values[at * width..(at + 1) * width]);
    u128::from_le_bytes(bytes)
}

/// A column of these values, with validity where the type is nullable; zeros stand where it is NULL.
pub fn write_column(ty: ValueType, values: &[Value]) -> Column {
    write_column_over(ty, values, |_| zero(ty.ty))
}

/// A column of these values; what stands at a row that is NULL is `filler`'s to say.
pub fn write_column_over(ty: ValueType, values: &[Value], filler: impl Fn(usize) -> Scalar) -> Column {
    let (buffer, bytes, validity) = write(ty, values, filler);
    let mut column = Column::new(ty, values.len(), buffer, validity);
    column.bytes = bytes;
    let known = values.iter().flatten().filter_map(|value| match value {
        Scalar::Int(value) => Some(*value),
        Scalar::Bool(value) => Some((*value).into()),
        Scalar::F32(_) | Scalar::F64(_) | Scalar::Text(_) => None,
    });
    column.range = known.fold(None, |range, value| match range {
        None => Some((value, value)),
        Some((low, high)) => Some((value.min(low), value.max(high))),
    });
    column
}

/// The value that is written where there is none.
pub fn zero(ty: Type) -> Scalar {
    match ty {
        Type::Bool => Scalar::Bool(false),
        Type::F32 => Scalar::F32(0.0),
        Type::F64 => Scalar::F64(0.0),
        Type::I8 | Type::I16 | Type::I32 | Type::I64 | Type::I128 | Type::U8 | Type::U16 | Type::U32 => Scalar::Int(0),
        Type::Text => Scalar::Text("".into()),
    }
}

/// What a column or a table is made of: values, the bytes of texts, validity.
pub(crate) type Buffers = (Buffer, Option<Buffer>, Option<Buffer>);

/// The buffers of a column or, once padded, of a table. `MutableBuffer` aligns them for any type.
pub(crate) fn write(ty: ValueType, values: &[Value], filler: impl Fn(usize) -> Scalar) -> Buffers {
    let bits = |bits: &mut dyn Iterator<Item = bool>| {
        let mut bytes = MutableBuffer::from_len_zeroed(values.len().div_ceil(8));
        for (at, bit) in bits.enumerate() {
            bytes[at / 8] |= u8::from(bit) << (at % 8);
        }
        Buffer::from(bytes)
    };
    let filled = || values.iter().enumerate().map(|(at, value)| value.clone().unwrap_or_else(|| filler(at)));
    let validity = ty.nullable.then(|| bits(&mut values.iter().map(Option::is_some)));
    if ty.ty == Type::Bool {
        return (bits(&mut filled().map(|value| matches!(value, Scalar::Bool(true)))), None, validity);
    }
    if ty.ty == Type::Text {
        // The first offset is not always 0: a column may be a part of an array.
        let mut bytes = MutableBuffer::from_len_zeroed(if values.len() % 2 == 1 { 3 } else { 0 });
        let mut offsets = vec![bytes.len() as i32];
        for value in filled() {
            if let Scalar::Text(text) = value {
                bytes.extend_from_slice(text.as_bytes());
            }
            offsets.push(bytes.len() as i32);
        }
        return (ScalarBuffer::from(offsets).into_inner(), Some(bytes.into()), validity);
    }
    let mut bytes = MutableBuffer::with_capacity(values.len() * ty.ty.bytes());
    for value in filled() {
        match value {
            Scalar::Bool(value) => bytes.extend_from_slice(&[u8::from(value)]),
            Scalar::Int(value) => bytes.extend_from_slice(&value.to_le_bytes()[..ty.ty.bytes()]),
            Scalar::F32(value) => bytes.extend_from_slice(&value.to_le_bytes()),
            Scalar::F64(value) => bytes.extend_from_slice(&value.to_le_bytes()),
            Scalar::Text(_) => {}
        }
    }
    (bytes.into(), None, validity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_read_back() {
        for ty in Type::ALL {
            let values: Vec<Value> = match ty {
                Type::Bool => (0..70).map(|at| (at % 5 != 0).then_some(Scalar::Bool(at % 3 == 0))).collect(),
                Type::F32 => vec![Some(Scalar::F32(-0.0)), None, Some(Scalar::F32(f32::NAN)), Some(Scalar::F32(1.5))],
                Type::F64 => vec![Some(Scalar::F64(-0.0)), None, Some(Scalar::F64(f64::NAN)), Some(Scalar::F64(1e300))],
                Type::Text => {
                    [Some("é"), None, Some(""), Some("ab")].map(|text| text.map(|text| Scalar::Text(text.into()))).to_vec()
                }
                Type::I8 | Type::I16 | Type::I32 | Type::I64 | Type::I128 | Type::U8 | Type::U16 | Type::U32 => {
                    let (low, high) = ty.range().unwrap();
                    vec![Some(Scalar::Int(low)), None, Some(Scalar::Int(high)), Some(Scalar::Int(1))]
                }
            };
            assert_eq!(read_column(&write_column(ValueType::nullable(ty), &values)), values);
            let whole: Vec<Value> = values.into_iter().flatten().map(Some).collect();
            assert_eq!(read_column(&write_column(ValueType::of(ty), &whole)), whole);
        }
    }

    #[test]
    fn nan_is_last_and_zeros_are_equal() {
        let of = |a, b| compare(&Scalar::F64(a), &Scalar::F64(b));
        assert_eq!(of(f64::NAN, f64::NAN), Ordering::Equal);
        assert_eq!(of(f64::NAN, f64::INFINITY), Ordering::Greater);
        assert_eq!(of(f64::NEG_INFINITY, f64::NAN), Ordering::Less);
        assert_eq!(of(-0.0, 0.0), Ordering::Equal);
    }
}
