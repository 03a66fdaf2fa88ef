//! `sum`: of `smallint` and `integer` a bigint, of `bigint` a numeric, since eight bytes may not hold it; otherwise DataFusion's.
//!
//! DataFusion's own `sum` widens its argument first, by coercion. Coercion runs more than once, and a widened integer would be
//! widened again; so the argument keeps its type here, and the values are widened on their way into DataFusion's accumulators.

use arrow::array::{ArrayRef, BooleanArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::functions_aggregate::sum::Sum as Inner;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDFImpl, EmitTo, GroupsAccumulator, ReversedUDAF, SetMonotonicity, Signature, Volatility,
};

use super::error::wrap;
use crate::error::{Condition, Error};
use crate::types::{QUOTIENT_KEY, SqlType};

/// `sum`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Sum {
    inner: Inner,
    signature: Signature,
}

impl Sum {
    /// The function.
    pub fn new() -> Self {
        Self { inner: Inner::new(), signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl Default for Sum {
    fn default() -> Self {
        Self::new()
    }
}

/// The type that integers are summed in; `None` for what is summed as it is.
fn widened(argument: &DataType) -> Option<DataType> {
    match argument {
        DataType::Int8 | DataType::UInt8 | DataType::Int16 | DataType::UInt16 | DataType::Int32 => Some(DataType::Int64),
        DataType::UInt32 | DataType::Int64 | DataType::UInt64 => Some(DataType::Decimal128(38, 0)),
        _ => None,
    }
}

impl AggregateUDFImpl for Sum {
    fn name(&self) -> &str {
        "sum"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let [argument] = types else {
            return Err(wrap(Error::new(Condition::UndefinedFunction, "function sum takes one argument")));
        };
        Ok(vec![match argument {
            DataType::Null => DataType::Int32,
            DataType::Float16 | DataType::Float32 | DataType::Float64 => DataType::Float64,
            DataType::Decimal32(..)
            | DataType::Decimal64(..)
            | DataType::Decimal128(..)
            | DataType::Decimal256(..)
            | DataType::Duration(_) => argument.clone(),
            integer if widened(integer).is_some() => integer.clone(),
            other => {
                return Err(wrap(
                    Error::new(
                        Condition::UndefinedFunction,
                        format!("function sum({}) does not exist", SqlType::of_arrow(other).sql_name()),
                    )
                    .hint("No function matches the given name and argument types. You might need to add explicit type casts."),
                ));
            }
        }])
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match widened(&types[0]) {
            Some(wide) => Ok(wide),
            None => self.inner.return_type(types),
        }
    }

    fn return_field(&self, fields: &[FieldRef]) -> Result<FieldRef> {
        let field = arrow::datatypes::Field::new("sum", self.return_type(&[fields[0].data_type().clone()])?, true);
        // Digits are shown as in what is summed.
        let digits = fields[0].metadata().get(QUOTIENT_KEY).map(|digits| (QUOTIENT_KEY.to_owned(), digits.clone()));
        Ok(std::sync::Arc::new(field.with_metadata(digits.into_iter().collect())))
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let wide = widened(args.expr_fields[0].data_type());
        let inner = self.inner.accumulator(args)?;
        Ok(match wide {
            Some(wide) => Box::new(Widening { inner, wide }),
            None => inner,
        })
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        self.inner.state_fields(args)
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        self.inner.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        let wide = widened(args.expr_fields[0].data_type());
        let inner = self.inner.create_groups_accumulator(args)?;
        Ok(match wide {
            Some(wide) => Box::new(Widening { inner, wide }),
            None => inner,
        })
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let wide = widened(args.expr_fields[0].data_type());
        let inner = self.inner.create_sliding_accumulator(args)?;
        Ok(match wide {
            Some(wide) => Box::new(Widening { inner, wide }),
            None => inner,
        })
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        self.inner.reverse_expr()
    }

    fn set_monotonicity(&self, _data_type: &DataType) -> SetMonotonicity {
        SetMonotonicity::NotMonotonic
    }
}

/// An accumulator whose values are widened first. Its state is that of the accumulator inside.
#[derive(Debug)]
struct Widening<A> {
    inner: A,
    wide: DataType,
}

impl<A> Widening<A> {
    fn widen(&self, values: &[ArrayRef]) -> Result<Vec<ArrayRef>> {
        values.iter().map(|v| Ok(cast(v, &self.wide)?)).collect()
    }
}

impl Accumulator for Widening<Box<dyn Accumulator>> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let values = self.widen(values)?;
        self.inner.update_batch(&values)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let values = self.widen(values)?;
        self.inner.retract_batch(&values)
    }

    fn supports_retract_batch(&self) -> bool {
        self.inner.supports_retract_batch()
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.inner.evaluate()
    }

    fn size(&self) -> usize {
        self.inner.size() + size_of::<DataType>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.inner.state()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.inner.merge_batch(states)
    }
}

impl GroupsAccumulator for Widening<Box<dyn GroupsAccumulator>> {
    fn update_batch(&mut self, values: &[ArrayRef], groups: &[usize], filter: Option<&BooleanArray>, total: usize) -> Result<()> {
        let values = self.widen(values)?;
        self.inner.update_batch(&values, groups, filter, total)
    }

    fn evaluate(&mut self, emit: EmitTo) -> Result<ArrayRef> {
        self.inner.evaluate(emit)
    }

    fn state(&mut self, emit: EmitTo) -> Result<Vec<ArrayRef>> {
        self.inner.state(emit)
    }

    fn merge_batch(&mut self, values: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.inner.merge_batch(values, groups, total)
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        self.inner.convert_to_state(&self.widen(values)?, filter)
    }

    fn size(&self) -> usize {
        self.inner.size() + size_of::<DataType>()
    }
}
