//! Conditions over columns alone, which vector instructions test a block at a time.
//!
//! Not covered: comparisons of computed values, floats against one another, columns of different types.

use crate::program::{Arithmetic, Comparison, Expr, ExprId, Pipeline, TableId, Type};

/// What a row must be for its bit to be set: true, not merely not false.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// All of them.
    All(Vec<Test>),
    /// Any of them.
    Any(Vec<Test>),
    /// One, of a column that is not NULL; turned round where `flip`.
    Column {
        /// What is asked.
        ask: Ask,
        /// Which columns must not be NULL for it to be true or false.
        strict: [Option<u32>; 2],
        /// Whether it must be false.
        flip: bool,
    },
}

/// What is asked of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// `low <= column <= high`, both parameters.
    Range {
        /// The column.
        column: u32,
        /// Its type.
        ty: Type,
        /// The lower parameter.
        low: u32,
        /// The higher one.
        high: u32,
    },
    /// Whether it is in a table.
    Member {
        /// The column.
        column: u32,
        /// Its type.
        ty: Type,
        /// The table.
        table: TableId,
    },
    /// What a table of bits says of it, or of its distance from a parameter.
    Lookup {
        /// The column.
        column: u32,
        /// Its type.
        ty: Type,
        /// What is taken from it.
        less: Option<u32>,
        /// The table.
        table: TableId,
    },
    /// The column's own bit.
    Bit {
        /// The column.
        column: u32,
    },
    /// Whether it is not NULL.
    Valid {
        /// The column.
        column: u32,
    },
    /// `a op b` of two columns of one integer type.
    Compare {
        /// What is asked.
        op: Comparison,
        /// Their type.
        ty: Type,
        /// The left column.
        a: u32,
        /// The right column.
        b: u32,
    },
}

/// The test of whether a node is true (or false, where `wanted` is false), if it is one of columns alone.
pub fn test(pipeline: &Pipeline, id: ExprId, wanted: bool) -> Option<Test> {
    let column = |id: ExprId| match pipeline.expr(id) {
        Expr::Column(column) => Some((column.0, pipeline.columns[column.0 as usize].ty)),
        _other => None,
    };
    let nullable = |column: u32| pipeline.columns[column as usize].nullable.then_some(column);
    let one = |ask: Ask, column: u32| Some(Test::Column { ask, strict: [nullable(column), None], flip: !wanted });
    match *pipeline.expr(id) {
        Expr::Column(found) => one(Ask::Bit { column: found.0 }, found.0),
        Expr::InRange { a, low, high } => {
            let (column, ty) = column(a).filter(|(_, ty)| *ty != Type::Text)?;
            one(Ask::Range { column, ty, low: low.0, high: high.0 }, column)
        }
        Expr::Member { a, table } => {
            let (column, ty) = column(a).filter(|(_, ty)| *ty != Type::Text)?;
            one(Ask::Member { column, ty, table }, column)
        }
        Expr::Lookup { table, index } => {
            let found = pipeline.tables[table.0 as usize];
            if found.nullable || found.element != Type::Bool {
                return None;
            }
            let (of, less) = place(pipeline, index);
            let (column, ty) = column(of).filter(|(_, ty)| ty.is_integer() && ty.bits() <= 64)?;
            one(Ask::Lookup { column, ty, less, table }, column)
        }
        Expr::Compare { op, a, b } => {
            let ((a, ty), (b, _)) = (column(a)?, column(b)?);
            if !ty.is_integer() {
                return None;
            }
            Some(Test::Column { ask: Ask::Compare { op, ty, a, b }, strict: [nullable(a), nullable(b)], flip: !wanted })
        }
        Expr::Not(a) => test(pipeline, a, !wanted),
        Expr::And(a, b) => join(pipeline, a, b, wanted, wanted),
        Expr::Or(a, b) => join(pipeline, a, b, wanted, !wanted),
        Expr::IsNull(a) => {
            let (column, _) = column(a)?;
            Some(Test::Column { ask: Ask::Valid { column }, strict: [None, None], flip: wanted })
        }
        Expr::Parameter(_)
        | Expr::Constant { .. }
        | Expr::Arithmetic { .. }
        | Expr::Negate { .. }
        | Expr::IsDistinct(..)
        | Expr::Select { .. }
        | Expr::Coalesce(..)
        | Expr::NullIf(..)
        | Expr::Cast { .. }
        | Expr::DatePart { .. }
        | Expr::AddMonths { .. }
        | Expr::TextLength { .. }
        | Expr::TextMatch { .. }
        | Expr::TextPosition { .. }
        | Expr::TextSlice { .. }
        | Expr::TextTrim { .. }
        | Expr::Math { .. }
        | Expr::MathPair { .. }
        | Expr::Bits { .. }
        | Expr::Probe { .. }
        | Expr::Current(_)
        | Expr::Place { .. } => None,
    }
}

/// What a place in a table is the distance of, and the parameter that it is taken from, if any. Integers that are the same in
/// another type are looked through: that they fit is known of all rows that come so far.
fn place(pipeline: &Pipeline, index: ExprId) -> (ExprId, Option<u32>) {
    let bare = |mut id: ExprId| {
        while let Expr::Cast { to, a, fault: None } = *pipeline.expr(id)
            && to.is_integer()
        {
            id = a;
        }
        id
    };
    let index = bare(index);
    if let Expr::Arithmetic { op: Arithmetic::Subtract, a, b, fault: None } = *pipeline.expr(index)
        && let Expr::Parameter(less) = *pipeline.expr(b)
        && pipeline.parameters.get(less.0 as usize) == Some(&Type::I64)
    {
        return (bare(a), Some(less.0));
    }
    (index, None)
}

/// AND is true where both are, and false where any is; OR the other way round.
fn join(pipeline: &Pipeline, a: ExprId, b: ExprId, wanted: bool, all: bool) -> Option<Test> {
    let both = vec![test(pipeline, a, wanted)?, test(pipeline, b, wanted)?];
    Some(if all { Test::All(both) } else { Test::Any(both) })
}
