//! Leaving chunks out: a chunk whose least and greatest values show that no row of it passes the filters is not read.

use super::expr::{Expr, ExprId};
use super::scalar::Scalar;
use super::statement::Statement;
use super::values::Values;
use super::{ColumnId, Pipeline};
use crate::column::Chunk;

/// Whether any row of a chunk may pass the conditions that stand around all the rest of the body.
pub fn may_match(pipeline: &Pipeline, values: &Values, chunk: &Chunk) -> bool {
    let mut block = &pipeline.body;
    loop {
        let mut statements = block.iter().filter(|statement| **statement != Statement::Stage);
        match (statements.next(), statements.next()) {
            (Some(Statement::If { condition, then }), None) => {
                if !can_be_true(pipeline, values, chunk, *condition) {
                    return false;
                }
                block = then;
            }
            (_, _) => return true,
        }
    }
}

/// Whether a condition can be true of any row.
fn can_be_true(pipeline: &Pipeline, values: &Values, chunk: &Chunk, condition: ExprId) -> bool {
    match *pipeline.expr(condition) {
        Expr::And(a, b) => can_be_true(pipeline, values, chunk, a) && can_be_true(pipeline, values, chunk, b),
        Expr::Or(a, b) => can_be_true(pipeline, values, chunk, a) || can_be_true(pipeline, values, chunk, b),
        Expr::InRange { a, low, high } => {
            let Expr::Column(ColumnId(column)) = *pipeline.expr(a) else { return true };
            let (Some(Scalar::Int(low)), Some(Scalar::Int(high))) =
                (values.scalars.get(low.0 as usize), values.scalars.get(high.0 as usize))
            else {
                return true;
            };
            match chunk.columns[column as usize].range {
                Some((least, greatest)) => low <= high && *low <= greatest && least <= *high,
                None => low <= high,
            }
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::column::Column;
    use crate::program::{Builder, Sink, Type, ValueType};

    #[test]
    fn a_chunk_out_of_range_is_left_out() {
        let chunk = |low: u8, high: u8| {
            let mut column = Column::new(ValueType::of(Type::U8), 2, vec![low, high].into(), None);
            column.range = Some((low.into(), high.into()));
            Chunk { rows: 2, columns: vec![Arc::new(column)] }
        };
        let mut b = Builder::new();
        let (_, column) = b.column(ValueType::of(Type::U8), None);
        let condition = b.in_range(column, Some(10), Some(20));
        let body = vec![Statement::If { condition, then: vec![Statement::Stage, Statement::Emit] }];
        let (pipeline, values, _) = b.finish(body, Sink::Bitmap);
        assert!(may_match(&pipeline, &values, &chunk(0, 10)));
        assert!(may_match(&pipeline, &values, &chunk(20, 255)));
        assert!(!may_match(&pipeline, &values, &chunk(0, 9)));
        assert!(!may_match(&pipeline, &values, &chunk(21, 30)));
    }
}
