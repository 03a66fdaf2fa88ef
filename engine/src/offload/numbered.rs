//! Keys of groups of which only few of the numbers between the least and the greatest occur.
//!
//! The states of dense groups lie side by side, one for each combination of what keys can be. What keys never are takes room there,
//! and too much of it makes groups hashed that need not be. So the values that occur are numbered, the device groups by their
//! numbers, and what it leaves gets its values back.

use warpwise_gpu::column::Column;
use warpwise_gpu::program::values::padded;
use warpwise_gpu::program::{Arithmetic, Bounds, ColumnId, Expr, ExprId, Fault, Table, Type, ValueType};

use super::scope::Lowering;

/// Values of one byte.
const BYTES: usize = 256;

/// An output column that has numbers in the place of values.
#[derive(Debug, Clone)]
pub struct Numbered {
    /// Which column.
    pub at: usize,
    /// The type of the values.
    pub ty: Type,
    /// The values in order, the first being number 0: at most 256.
    pub values: Vec<i64>,
}

impl Numbered {
    /// What the values lie in.
    pub fn range(&self) -> Option<Bounds> {
        Some(((*self.values.first()?).into(), (*self.values.last()?).into()))
    }

    /// The column with its values.
    pub fn spelled(&self, column: &Column) -> Column {
        let mut bytes = [0u8; BYTES];
        for (byte, value) in bytes.iter_mut().zip(&self.values) {
            *byte = *value as u8;
        }
        let values = column.values.iter().take(column.rows).map(|number| bytes[usize::from(*number)]).collect();
        let ty = ValueType { ty: self.ty, nullable: column.ty.nullable };
        Column::new(ty, column.rows, padded(values), column.validity.clone())
    }
}

impl Lowering<'_> {
    /// The number of a key's value among those that occur, where the key is a stored column of bytes and most of the numbers
    /// between the least and the greatest do not occur. `at` is the key's place in the output.
    pub fn numbered(&mut self, key: ExprId, at: usize) -> Option<(ExprId, Numbered)> {
        let ColumnId(column) = self.b.column_of(key)?;
        let input = &self.inputs[self.used[column as usize]];
        let (present, (low, high)) = input.present.zip(input.range)?;
        if !matches!(input.ty.ty, Type::U8 | Type::I8) {
            return None;
        }
        let is_there = |value: &i128| present[usize::from(*value as u8) / 64] >> (*value as u8 % 64) & 1 == 1;
        let values: Vec<i64> = (low..=high).filter(is_there).map(|value| value as i64).collect();
        if values.is_empty() || values.len() as i128 * 2 > high - low + 1 {
            return None;
        }
        let base = low.min(0);
        let mut numbers = vec![None; BYTES];
        for (number, value) in values.iter().enumerate() {
            numbers[(i128::from(*value) - base) as usize] = Some(number as i128);
        }
        let table = self.b.table(Table::integers(Type::U8, false, numbers.into_iter()));
        let ty = input.ty.ty;
        let index = if base == 0 {
            key
        } else {
            let base = self.b.integer(base);
            self.b.integers(Arithmetic::Subtract, key, base, Type::I64, Fault::BigintRange)
        };
        let node = self.b.push(Expr::Lookup { table, index });
        Some((node, Numbered { at, ty, values }))
    }
}

#[cfg(test)]
mod tests {
    use arrow::buffer::Buffer;

    use super::*;

    #[test]
    fn numbers_become_their_values() {
        let numbered = Numbered { at: 0, ty: Type::I8, values: vec![-100, 0, 7] };
        let validity = Buffer::from_vec(vec![0b1011u8]);
        let numbers = Column::new(ValueType::nullable(Type::U8), 4, Buffer::from_vec(vec![2u8, 0, 9, 1]), Some(validity));
        let found = numbered.spelled(&numbers);
        assert_eq!((found.ty, found.rows), (ValueType::nullable(Type::I8), 4));
        assert_eq!(found.values[..2], [7, 156]);
        assert_eq!(found.values[3], 0);
        assert_eq!(numbered.range(), Some((-100, 7)));
    }
}
