//! The types of UNION's columns: DataFusion takes the first input's until its analyzer coerces them, and what is planned above a
//! union, the columns that a client is told too, would have that type. So inputs are brought to PostgreSQL's common type first
//! (PostgreSQL 15, section 10.5: UNION, CASE, and Related Constructs).

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::common::metadata::FieldMetadata;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, Result, ScalarValue};
use datafusion::logical_expr::logical_plan::Union;
use datafusion::logical_expr::{Expr, Literal, LogicalPlan, Projection, ScalarUDF};

use super::planner::{cast_call, is_unknown};
use crate::types::{Base, SqlType, TYPE_KEY};

/// Types of which the later ones take the values of those before.
const NUMBERS: [Base; 6] = [Base::Int2, Base::Int4, Base::Int8, Base::Numeric, Base::Float4, Base::Float8];
const MOMENTS: [Base; 3] = [Base::Date, Base::Timestamp, Base::Timestamptz];
const TEXTS: [Base; 3] = [Base::Bpchar, Base::Varchar, Base::Text];

/// The same plan, with every union's inputs of one type, where there is one.
pub fn with_common_types(plan: LogicalPlan, cast: &Arc<ScalarUDF>) -> Result<LogicalPlan> {
    let mut changed = false;
    let plan = plan.transform_up_with_subqueries(|plan| {
        let plan = match plan {
            LogicalPlan::Union(union) => {
                let inputs = common(&union.inputs, cast)?;
                changed |= inputs.is_some();
                let inputs = inputs.unwrap_or(union.inputs);
                LogicalPlan::Union(Union::try_new_with_loose_types(inputs)?)
            }
            plan if changed => plan.recompute_schema()?,
            plan => return Ok(Transformed::no(plan)),
        };
        Ok(Transformed::yes(plan))
    });
    plan.map(|plan| plan.data)
}

/// What a column of an input is.
#[derive(Clone, Copy)]
enum Given {
    /// A value of a type.
    Value(SqlType),
    /// A quoted literal, which takes any type.
    Open,
    /// NULL, which does too.
    Null,
}

fn given(input: &LogicalPlan, at: usize) -> Given {
    let field = input.schema().field(at);
    if field.data_type().is_null() {
        return Given::Null;
    }
    let is_null = |expr: &Expr| matches!(expr.clone().unalias(), Expr::Literal(value, _) if value.is_null());
    match input {
        LogicalPlan::Projection(projection) if is_null(&projection.expr[at]) => Given::Null,
        LogicalPlan::Projection(projection) if is_unknown(&projection.expr[at].clone().unalias()) => Given::Open,
        LogicalPlan::Values(values) if values.values.iter().all(|row| is_unknown(&row[at])) => Given::Open,
        _ => Given::Value(SqlType::of_field(field)),
    }
}

/// The inputs with their columns brought to the common types; `None` where nothing changes.
fn common(inputs: &[Arc<LogicalPlan>], cast: &Arc<ScalarUDF>) -> Result<Option<Vec<Arc<LogicalPlan>>>> {
    let count = inputs.first().map_or(0, |input| input.schema().fields().len());
    let types: Vec<Option<SqlType>> = (0..count)
        .map(|at| {
            let known = inputs.iter().map(|input| given(input, at));
            let values = known.filter_map(|given| if let Given::Value(ty) = given { Some(ty) } else { None });
            values.map(Some).reduce(|a, b| of_two(a?, b?)).flatten()
        })
        .collect();
    let mut changed = false;
    let mut brought = Vec::new();
    for input in inputs {
        let columns = input.schema().columns().into_iter().zip(&types).enumerate();
        let mut own = false;
        let exprs: Vec<Expr> = columns
            .map(|(at, (column, ty))| match ty.and_then(|ty| change(input, at, &column, ty, cast)) {
                Some(expr) => {
                    own = true;
                    expr
                }
                None => Expr::Column(column),
            })
            .collect();
        changed |= own;
        brought.push(match own {
            true => Arc::new(LogicalPlan::Projection(Projection::try_new(exprs, Arc::clone(input))?)),
            false => Arc::clone(input),
        });
    }
    Ok(changed.then_some(brought))
}

/// A column of an input as a value of the common type; `None` where it is one.
fn change(input: &LogicalPlan, at: usize, column: &Column, ty: SqlType, cast: &Arc<ScalarUDF>) -> Option<Expr> {
    let field = input.schema().field(at);
    let own = match given(input, at) {
        Given::Null if *field.data_type() == ty.arrow() => return None,
        Given::Null => return ScalarValue::try_new_null(&ty.arrow()).ok().map(|null| null.lit().alias(column.name())),
        Given::Open => SqlType::from(Base::Text),
        Given::Value(own) => own,
    };
    let expr = Expr::Column(column.clone());
    if own == ty {
        return None;
    }
    if *field.data_type() == ty.arrow() {
        let said = BTreeMap::from([(TYPE_KEY.to_owned(), ty.sql_name())]);
        return Some(expr.alias_with_metadata(column.name(), Some(FieldMetadata::from(said))));
    }
    Some(cast_call(cast, expr, ty).alias(column.name()))
}

/// The type that two become, where DataFusion is told which.
fn of_two(a: SqlType, b: SqlType) -> Option<SqlType> {
    if a == b {
        return Some(a);
    }
    if a.array || b.array {
        return None;
    }
    let place = |ladder: &[Base], ty: SqlType| ladder.iter().position(|base| *base == ty.base);
    let higher = |ladder: &[Base]| Some(ladder[place(ladder, a)?.max(place(ladder, b)?)]);
    if let Some(base) = higher(&NUMBERS) {
        // Digits of numerics are DataFusion's to bring together.
        return (base != Base::Numeric).then(|| base.into());
    }
    if let Some(base) = higher(&MOMENTS) {
        return Some(base.into());
    }
    higher(&TEXTS).map(|higher| if higher == Base::Text { higher } else { a.base }.into())
}
