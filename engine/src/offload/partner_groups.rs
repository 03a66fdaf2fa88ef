//! Groups by columns of a join's partner, its key among them, are groups by the partner: its number is the one key, and its columns
//! are taken for each group when all rows are grouped. So no text is hashed, and nothing is looked up for each row.

use std::sync::Arc;

use warpwise_gpu::column::{Column, Output};
use warpwise_gpu::program::{Bounds, ExprId, Table, Type, ValueType};
use warpwise_gpu::sort::{Order, gather};
use warpwise_gpu::{Cancel, Error, Result};

use super::scope::Lowering;
use super::value::{Kind, Value};

/// Where the columns of a sink's output come from, where some are taken from a partner.
#[derive(Debug)]
pub struct Taking {
    /// The keys, in their order.
    pub keys: Vec<Key>,
    /// Keys that the sink has.
    pub of_sink: usize,
}

/// Where a key comes from.
#[derive(Debug)]
pub enum Key {
    /// A key of the sink.
    Own(usize),
    /// A column of a partner, at the row whose number is a key of the sink.
    Taken {
        /// Which key.
        at: usize,
        /// The column.
        table: Arc<Table>,
        /// What it lies in.
        range: Option<Bounds>,
    },
}

impl Lowering<'_> {
    /// What is grouped by in the place of values, and where these come from; `None` where no partner stands for several.
    pub fn by_partner(&mut self, values: &[Value]) -> Option<(Vec<Value>, Taking)> {
        for partner in 0..self.partners.len() {
            let Some(columns) = self.columns_of(partner, values) else { continue };
            if columns.iter().filter(|column| column.is_some()).count() < 2 {
                continue;
            }
            let row = Value { node: self.partners[partner].row(), kind: Kind::Integer };
            let mut kept = vec![row];
            let keys = values.iter().zip(&columns).map(|(value, column)| match column {
                Some(column) => {
                    let (table, range) = self.partners[partner].column(*column);
                    Key::Taken { at: 0, table, range }
                }
                None => {
                    kept.push(value.clone());
                    Key::Own(kept.len() - 1)
                }
            });
            let keys = keys.collect();
            let of_sink = kept.len();
            return Some((kept, Taking { keys, of_sink }));
        }
        None
    }

    /// Which column of a partner each value is; `None` where the values do not tell one partner from another.
    fn columns_of(&mut self, partner: usize, values: &[Value]) -> Option<Vec<Option<usize>>> {
        let keys = self.partners[partner].told_by()?.to_vec();
        let read = self.partners[partner].read();
        let mut nodes: Vec<(ExprId, usize)> = Vec::new();
        for column in read {
            nodes.push((self.partner_column(partner, column).ok()?.node, column));
        }
        let mut told = 0;
        for (own, column) in &keys {
            let of_build = nodes.iter().find(|(_, known)| known == column).map(|(node, _)| *node);
            if !values.iter().any(|value| value.node == *own || of_build == Some(value.node)) {
                return None;
            }
            told += 1;
        }
        if told == 0 {
            return None;
        }
        let place = |value: &Value| {
            let known = nodes.iter().find(|(node, _)| *node == value.node).map(|(_, column)| *column);
            // What is equal to an integer of the partner is that integer.
            let exact = matches!(value.kind, Kind::Integer | Kind::Date);
            known.or_else(|| keys.iter().find(|(own, _)| exact && *own == value.node).map(|(_, column)| *column))
        };
        let places: Vec<Option<usize>> = values.iter().map(place).collect();
        let same = |(value, column): (&Value, &Option<usize>)| match column {
            Some(column) => {
                let kind = self.partners[partner].kind(*column);
                kind.is_some_and(|kind| std::mem::discriminant(kind) == std::mem::discriminant(&value.kind))
            }
            None => true,
        };
        values.iter().zip(&places).all(same).then_some(places)
    }
}

impl Taking {
    /// What the columns of the sink mean for the whole: their types and what they lie in.
    pub fn described(&self, types: &[ValueType], ranges: &[Option<Bounds>]) -> (Vec<ValueType>, Vec<Option<Bounds>>) {
        let of_keys = self.keys.iter().map(|key| match key {
            Key::Own(at) => (types[*at], ranges[*at]),
            Key::Taken { table, range, .. } => (ValueType { ty: table.ty.element, nullable: table.ty.nullable }, *range),
        });
        let rest = types[self.of_sink..].iter().copied().zip(ranges[self.of_sink..].iter().copied());
        of_keys.chain(rest).unzip()
    }

    /// The output with what is taken from the partner.
    pub fn taken(&self, output: Output, threads: usize, cancel: &Cancel) -> Result<Output> {
        let keys = self.keys.iter().map(|key| match key {
            Key::Own(at) => Ok(output.columns[*at].clone()),
            Key::Taken { at, table, .. } => at_rows(table, &output.columns[*at], threads, cancel),
        });
        let mut columns = keys.collect::<Result<Vec<_>>>()?;
        columns.extend_from_slice(&output.columns[self.of_sink..]);
        Ok(Output { rows: output.rows, columns })
    }
}

/// A table's elements at rows whose numbers are a column.
fn at_rows(table: &Table, rows: &Column, threads: usize, cancel: &Cancel) -> Result<Column> {
    if rows.validity.is_some() || rows.ty.ty != Type::I32 {
        return Err(Error::Invalid(format!("rows by {}", rows.ty.ty.name())));
    }
    // A number below 0 is no row's.
    let numbers = rows.values.typed_data::<i32>()[..rows.rows].iter().map(|row| u32::try_from(*row).unwrap_or(u32::MAX));
    let order = Order::of(numbers.collect(), table.len)?;
    let (values, validity) = (table.values.clone(), table.validity.clone());
    let elements = match &table.bytes {
        Some(bytes) => Column::texts(table.len, values, bytes.clone(), validity),
        None => Column::new(ValueType { ty: table.ty.element, nullable: table.ty.nullable }, table.len, values, validity),
    };
    gather(&elements, &order, threads, cancel)
}
