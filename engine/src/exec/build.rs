//! The build sides of joins: run first, then grouped by their keys.

use std::sync::{Arc, OnceLock};

use warpwise_gpu::column::{Column, Output};
use warpwise_gpu::join::{Form, Grouped, Wants, group, present as keys_of};
use warpwise_gpu::program::values::padded;
use warpwise_gpu::program::{Bounds, Table, Type, ValueType};
use warpwise_gpu::{Cancel, Error, Result};

use super::branches::stored;
use super::run::Held;
use crate::offload::built::{Built, BuiltColumn, Found, Key};
use crate::offload::lower::{Leaves, Made, Present};
use crate::offload::plan::{Join, JoinKind};

/// The most rows that one row meets: a device looks whether it should stop after some thousand rows.
const LONGEST: u64 = 1 << 16;
/// Keys are one number together where that has at most so many values, or so many for each row.
const SMALL: u64 = 1 << 16;
const SPREAD: u64 = 4;
/// Bits that say which keys there are take at most so many for each row, and so many in all.
const BIT_SPREAD: u64 = 64;
/// So many bits stay near a core in any case.
const FEW_BITS: u64 = 1 << 24;
const MOST_BITS: u64 = 1 << 27;

/// What a build side left, by its keys.
pub fn built(join: &Join, held: &Held, threads: usize, cancel: &Cancel) -> Result<Built> {
    let held = stored(held)?;
    let rows = held.output.rows;
    if i32::try_from(rows).is_err() {
        return Err(Error::Unsupported(format!("{rows} rows in the build side of a join")));
    }
    let mut columns = Vec::new();
    for made in &held.leaves.made {
        let Made::Column { at, kind } = made else { return Err(Error::Invalid("a column that is not computed".to_owned())) };
        let table = Arc::new(Table::of_column(&held.output.columns[*at]));
        columns.push(BuiltColumn { table, kind: kind.clone(), range: held.leaves.ranges[*at] });
    }
    let found = if join.on.is_empty() { None } else { Some(Arc::new(found(join, &held, threads, cancel)?)) };
    let built = Built { rows, columns, found, passing: None, foreseen: false, certain: true };
    if built.longest() > LONGEST && (join.kind.pairs() || join.filter.is_some()) {
        return Err(Error::Unsupported(format!("{} rows that one row meets in a join", built.longest())));
    }
    Ok(built)
}

/// A build side of which it is known which of its keys there are, and no more.
pub fn present(marks: &Held) -> Result<Built> {
    let (Some(Present { range, kind, ty }), Some(column)) = (marks.present.clone(), marks.output.columns.first()) else {
        return Err(Error::Invalid("keys of which nobody says whether they are there".to_owned()));
    };
    let bits = Arc::new(Table::of_column(column));
    let groups = bits.values.count_set_bits_offset(0, column.rows);
    let form = Form::Direct { low: range.0, high: range.1, numbers: None, bits };
    let grouped = Grouped { rows: groups, groups, longest: u32::from(groups > 0), has_null: false, form, order: None };
    let key = Key { kind, ty, range, stride: 1, null: false, words: OnceLock::new() };
    let found = Found { keys: vec![key], packed: false, grouped, bits: None, each: Vec::new() };
    Ok(Built { rows: groups, columns: Vec::new(), found: Some(Arc::new(found)), passing: None, foreseen: false, certain: true })
}

/// What a chain will leave: columns without rows, and nothing that finds any.
pub fn columns_of(leaves: &Leaves) -> Result<Built> {
    let held = stored(&without_rows(leaves))?;
    let mut columns = Vec::new();
    for made in &held.leaves.made {
        let Made::Column { at, kind } = made else { return Err(Error::Invalid("a column that is not computed".to_owned())) };
        let table = Arc::new(Table::of_column(&held.output.columns[*at]));
        columns.push(BuiltColumn { table, kind: kind.clone(), range: held.leaves.ranges[*at] });
    }
    Ok(Built { rows: 0, columns, found: None, passing: None, foreseen: true, certain: true })
}

/// Columns as they will be, without rows.
fn without_rows(leaves: &Leaves) -> Held {
    let columns = leaves.types.iter().map(|ty| {
        let validity = ty.nullable.then(|| padded(vec![]));
        match ty.ty {
            Type::Text => Column::texts(0, padded(vec![0; 4]), padded(vec![]), validity),
            _ => Column::new(*ty, 0, padded(vec![]), validity),
        }
    });
    Held { output: Output { rows: 0, columns: columns.collect() }, leaves: leaves.clone(), present: None }
}

/// What a build side will leave, as far as that is known: columns without rows.
pub fn expected(join: &Join, leaves: &Leaves, certain: bool) -> Result<Built> {
    let held = without_rows(leaves);
    let built = built(join, &held, 1, &Cancel::default())?;
    Ok(Built { foreseen: true, certain, ..built })
}

/// How the rows are found.
fn found(join: &Join, held: &Held, threads: usize, cancel: &Cancel) -> Result<Found> {
    let rows = held.output.rows;
    let mut columns: Vec<&Column> = Vec::new();
    let mut keys = Vec::new();
    for (_, at) in &join.on {
        let Some(Made::Column { at, kind }) = held.leaves.made.get(*at) else {
            return Err(Error::Invalid("a key that is no column".to_owned()));
        };
        let column = &held.output.columns[*at];
        let null = join.null_equals_null && column.validity.is_some();
        let range = match column.ty.ty {
            // A row that looks for a partner may have the value that none has here.
            Type::Bool => (0, 1),
            _ if Key::is_number(kind) => range(column),
            _ => (0, 0),
        };
        keys.push(Key { kind: kind.clone(), ty: column.ty.ty, range, stride: 1, null, words: OnceLock::new() });
        columns.push(column);
    }
    let wants = if join.kind.pairs() || join.filter.is_some() { Wants::Rows } else { Wants::Existence };
    let each = match keys.as_slice() {
        [] | [_] => Vec::new(),
        keys => keys.iter().zip(&columns).map(|(key, column)| values_of(key, column, threads, cancel)).collect::<Result<_>>()?,
    };
    if let Some(column) = packed(&mut keys, &columns, rows) {
        let mut grouped = group(&[&column], wants, threads, cancel)?;
        grouped.has_null = has_null(&columns);
        return Ok(Found { keys, packed: true, grouped, bits: None, each });
    }
    let mut index: Vec<Column> = Vec::new();
    for (key, column) in keys.iter_mut().zip(&columns) {
        if matches!(column.ty.ty, Type::F32) {
            key.ty = Type::F64;
            index.push(widened(column));
        } else if key.null {
            index.push(known(column));
            index.push(nulls(column));
        } else {
            // What they lie in is known here already.
            let range = Some(key.range).filter(|(low, high)| Key::is_number(&key.kind) && low <= high);
            index.push(Column { range, ..(*column).clone() });
        }
    }
    let grouped = group(&index.iter().collect::<Vec<_>>(), wants, threads, cancel)?;
    let bits = match (&grouped.form, keys.as_slice(), index.as_slice()) {
        (Form::Hash { .. }, [key], [column]) if Key::is_number(&key.kind) && !key.null => {
            bits(column, key.range, threads, cancel)?
        }
        (_, _, _) => None,
    };
    // A row that is met because NULL equals NULL has no NULL in its keys.
    let has_null = join.kind == JoinKind::NullAwareAnti && has_null(&columns);
    let grouped = Grouped { has_null, ..grouped };
    Ok(Found { keys, packed: false, grouped, bits, each })
}

fn has_null(columns: &[&Column]) -> bool {
    let holds =
        |column: &&Column| column.validity.as_ref().is_some_and(|bits| bits.count_set_bits_offset(0, column.rows) < column.rows);
    columns.iter().any(holds)
}

fn is_valid(column: &Column, row: usize) -> bool {
    column.validity.as_ref().is_none_or(|bits| bits[row / 8] >> (row % 8) & 1 == 1)
}

/// Calls `each` with the values of a column of integers or bits, by row; what stands at NULLs is any value.
fn each_number(column: &Column, mut each: impl FnMut(usize, i128)) {
    macro_rules! of {
        ($ty:ty) => {
            column.values.typed_data::<$ty>()[..column.rows]
                .iter()
                .enumerate()
                .for_each(|(row, value)| each(row, i128::from(*value)))
        };
    }
    match column.ty.ty {
        Type::Bool => (0..column.rows).for_each(|row| each(row, i128::from(column.values[row / 8] >> (row % 8) & 1))),
        Type::I8 => of!(i8),
        Type::I16 => of!(i16),
        Type::I32 => of!(i32),
        Type::I64 => of!(i64),
        Type::I128 => of!(i128),
        Type::U8 => of!(u8),
        Type::U16 => of!(u16),
        Type::U32 => of!(u32),
        Type::F32 | Type::F64 | Type::Text => {}
    }
}

/// The least and the greatest value that is not NULL; nothing lies between 1 and 0.
fn range(column: &Column) -> Bounds {
    let mut found = (i128::MAX, i128::MIN);
    macro_rules! of {
        ($ty:ty) => {{
            let values = &column.values.typed_data::<$ty>()[..column.rows];
            if column.validity.is_none() && !values.is_empty() {
                let (low, high) = values.iter().fold((<$ty>::MAX, <$ty>::MIN), |(low, high), v| (low.min(*v), high.max(*v)));
                return (i128::from(low), i128::from(high));
            }
        }};
    }
    match column.ty.ty {
        Type::I8 => of!(i8),
        Type::I16 => of!(i16),
        Type::I32 => of!(i32),
        Type::I64 => of!(i64),
        Type::U8 => of!(u8),
        Type::U16 => of!(u16),
        Type::U32 => of!(u32),
        Type::Bool | Type::I128 | Type::F32 | Type::F64 | Type::Text => {}
    }
    each_number(column, |row, value| {
        if is_valid(column, row) {
            found = (found.0.min(value), found.1.max(value));
        }
    });
    if found.0 > found.1 { (1, 0) } else { found }
}

/// All keys as one number, where they have few values together; the keys are told how.
fn packed(keys: &mut [Key], columns: &[&Column], rows: usize) -> Option<Column> {
    // One key that is no value where it is NULL is a number already.
    if keys.iter().any(|key| !Key::is_number(&key.kind)) || (keys.len() == 1 && !keys[0].null) {
        return None;
    }
    let most = SMALL.max(rows as u64 * SPREAD);
    let mut domain = 1u64;
    let mut strides = Vec::new();
    for key in keys.iter() {
        let size = u64::try_from(key.range.1.checked_sub(key.range.0)?.checked_add(1)?).ok()?;
        i64::try_from(key.range.0).ok()?;
        i64::try_from(key.range.1).ok()?;
        strides.push(domain as i64);
        domain = domain.checked_mul(size.checked_add(u64::from(key.null))?.max(1)).filter(|domain| *domain <= most)?;
    }
    let mut sums = vec![0i64; rows];
    let mut valid = vec![0xFFu8; rows.div_ceil(8)];
    let mut nullable = false;
    for ((key, column), stride) in keys.iter_mut().zip(columns).zip(strides) {
        key.stride = stride;
        let (low, high) = key.range;
        each_number(column, |row, value| {
            let distance = if is_valid(column, row) {
                (value - low) as i64
            } else if key.null {
                (high - low + 1) as i64
            } else {
                valid[row / 8] &= !(1 << (row % 8));
                nullable = true;
                0
            };
            sums[row] += distance * stride;
        });
    }
    let bytes: Vec<u8> = sums.iter().flat_map(|sum| sum.to_le_bytes()).collect();
    let ty = ValueType { ty: Type::I64, nullable };
    Some(Column::new(ty, rows, padded(bytes), nullable.then(|| padded(valid))))
}

/// Which values of one of several keys there are, a bit each from the least on, and how many; `None` where that are too many bits,
/// or they reject too few.
fn values_of(key: &Key, column: &Column, threads: usize, cancel: &Cancel) -> Result<Option<(Arc<Table>, u64)>> {
    let one = Key::is_number(&key.kind) && !key.null && column.ty.ty != Type::Bool;
    let most = FEW_BITS.min(SMALL.max(column.rows as u64 * BIT_SPREAD));
    let Some(domain) = domain(key.range).filter(|domain| one && (1..=most).contains(domain)) else { return Ok(None) };
    let bits = keys_of(column, key.range.0, domain as usize, threads, cancel)?;
    let count = bits.values.count_set_bits_offset(0, domain as usize) as u64;
    Ok((count * 4 <= domain * 3).then_some((bits, count)))
}

/// How many numbers lie in a range; `None` where places from its begin on cannot be computed in 64 bits.
fn domain((low, high): Bounds) -> Option<u64> {
    let (low, high) = (i64::try_from(low).ok()?, i64::try_from(high).ok()?);
    high.checked_sub(low)?.checked_add(1)?.try_into().ok()
}

/// Which keys there are, a bit each from the least on; `None` where that are too many bits, or they reject too few.
fn bits(column: &Column, range: Bounds, threads: usize, cancel: &Cancel) -> Result<Option<Arc<Table>>> {
    let rows = column.rows as u64;
    let most = MOST_BITS.min(rows.saturating_mul(BIT_SPREAD).max(FEW_BITS));
    let few = |domain: &u64| (rows.saturating_mul(2)..=most).contains(domain);
    domain(range).filter(few).map(|domain| keys_of(column, range.0, domain as usize, threads, cancel)).transpose()
}

/// Floats of 32 bits as such of 64.
fn widened(column: &Column) -> Column {
    let values = &column.values.typed_data::<f32>()[..column.rows];
    let bytes: Vec<u8> = values.iter().flat_map(|value| f64::from(*value).to_le_bytes()).collect();
    let ty = ValueType { ty: Type::F64, nullable: column.validity.is_some() };
    Column::new(ty, column.rows, padded(bytes), column.validity.clone())
}

/// The values with zeros, or empty texts, in the place of NULLs.
fn known(column: &Column) -> Column {
    let ty = ValueType::of(column.ty.ty);
    if let (Type::Text, Some(bytes)) = (column.ty.ty, &column.bytes) {
        let offsets = &column.values.typed_data::<i32>()[..=column.rows];
        let (mut texts, mut ends) = (Vec::new(), vec![0i32]);
        for row in 0..column.rows {
            if is_valid(column, row) {
                texts.extend_from_slice(&bytes[offsets[row] as usize..offsets[row + 1] as usize]);
            }
            ends.push(texts.len() as i32);
        }
        let ends = ends.iter().flat_map(|end| end.to_le_bytes()).collect();
        return Column::texts(column.rows, padded(ends), padded(texts), None);
    }
    let mut values = column.values.to_vec();
    for row in (0..column.rows).filter(|row| !is_valid(column, *row)) {
        match column.ty.ty.bits() as usize {
            1 => values[row / 8] &= !(1 << (row % 8)),
            bits => values[row * bits / 8..(row + 1) * bits / 8].fill(0),
        }
    }
    Column::new(ty, column.rows, padded(values), None)
}

/// Which values are NULL.
fn nulls(column: &Column) -> Column {
    let bits = match &column.validity {
        Some(validity) => validity.iter().map(|byte| !byte).collect(),
        None => vec![0; column.rows.div_ceil(8)],
    };
    Column::new(ValueType::of(Type::Bool), column.rows, padded(bits), None)
}
