//! `sum`: of `bigint` a numeric, as in PostgreSQL, since eight bytes may not hold it; otherwise DataFusion's.

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::Result;
use datafusion::functions_aggregate::sum::Sum as Inner;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, AggregateUDFImpl, GroupsAccumulator, ReversedUDAF, SetMonotonicity, Signature};

use super::error::wrap;
use crate::error::{Condition, Error};
use crate::types::SqlType;

/// `sum`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Sum {
    inner: Inner,
}

impl Sum {
    /// The function.
    pub fn new() -> Self {
        Self { inner: Inner::new() }
    }
}

impl Default for Sum {
    fn default() -> Self {
        Self::new()
    }
}

impl AggregateUDFImpl for Sum {
    fn name(&self) -> &str {
        "sum"
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [DataType::Int64 | DataType::UInt32] => Ok(vec![DataType::Decimal128(19, 0)]),
            [DataType::UInt64] => Ok(vec![DataType::Decimal128(20, 0)]),
            [argument]
                if argument.is_string() || matches!(argument, DataType::Boolean | DataType::Date32 | DataType::Timestamp(..)) =>
            {
                Err(wrap(
                    Error::new(
                        Condition::UndefinedFunction,
                        format!("function sum({}) does not exist", SqlType::of_arrow(argument).sql_name()),
                    )
                    .hint("No function matches the given name and argument types. You might need to add explicit type casts."),
                ))
            }
            _ => self.inner.coerce_types(types),
        }
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        self.inner.accumulator(args)
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        self.inner.state_fields(args)
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        self.inner.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        self.inner.create_groups_accumulator(args)
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        self.inner.create_sliding_accumulator(args)
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        self.inner.reverse_expr()
    }

    fn set_monotonicity(&self, data_type: &DataType) -> SetMonotonicity {
        self.inner.set_monotonicity(data_type)
    }
}
