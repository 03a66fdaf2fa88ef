//! SQL functions that DataFusion lacks, or answers differently from PostgreSQL.
//!
//! # Adding a function
//!
//! Give it a file here (or a place in its family's file), add it to [`scalars`] or [`aggregates`], a line to
//! COMPAT.md, and a case to a file under `tests/slt/functions`.

pub mod arithmetic;
pub mod average;
pub mod bridge;
pub mod cast;
pub mod error;
pub mod extract;
pub mod interval;
pub mod math;
pub mod moment;
pub mod round;
pub mod span;
pub mod spread;
pub mod sum;

use std::sync::Arc;

use datafusion::logical_expr::{AggregateUDF, ScalarUDF};

/// Our scalar functions, in the place of DataFusion's of the same names.
pub fn scalars() -> Vec<Arc<ScalarUDF>> {
    let mut all = vec![
        Arc::new(ScalarUDF::from(cast::PgCast::new())),
        Arc::new(ScalarUDF::from(extract::Extract::new(false))),
        Arc::new(ScalarUDF::from(extract::Extract::new(true))),
    ];
    all.extend(arithmetic::all());
    all.extend(math::all());
    all.extend(moment::all());
    all.extend(round::all());
    all
}

/// Our aggregates, in the place of DataFusion's of the same names.
pub fn aggregates() -> Vec<Arc<AggregateUDF>> {
    let alias = |function: Arc<AggregateUDF>, name: &'static str| Arc::new(function.as_ref().clone().with_aliases([name]));
    let mut all = vec![
        Arc::new(AggregateUDF::from(average::Average::new())),
        Arc::new(AggregateUDF::from(sum::Sum::new())),
        alias(datafusion::functions_aggregate::bool_and_or::bool_and_udaf(), "every"),
    ];
    all.extend(spread::all());
    all
}
