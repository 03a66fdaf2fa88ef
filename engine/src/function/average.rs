//! `avg`: of integers and numerics a numeric, summed exactly; of floats DataFusion's.
//!
//! Plain aggregates never run the accumulator below: `plan::rules` splits them into `sum` and `count`, which
//! are faster and often shared. It serves windows and DISTINCT.

use std::mem::size_of_val;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Decimal128Type, Decimal256Type, Field, FieldRef, UInt64Type, i256};
use datafusion::common::{Result, ScalarValue};
use datafusion::functions_aggregate::average::Avg;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{
    Accumulator, AggregateUDFImpl, ColumnarValue, GroupsAccumulator, ReturnFieldArgs, ReversedUDAF, ScalarFunctionArgs,
    ScalarUDFImpl, Signature, Volatility,
};

use super::arithmetic::{divide, quotient, quotient_field, quotient_type};
use super::error::wrap;
use crate::error::{Condition, Error};
use crate::types::SqlType;

/// `avg`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Average {
    signature: Signature,
    floats: Avg,
}

impl Average {
    /// The function.
    pub fn new() -> Self {
        Self { signature: Signature::user_defined(Volatility::Immutable), floats: Avg::new() }
    }
}

impl Default for Average {
    fn default() -> Self {
        Self::new()
    }
}

/// The decimal type that holds every value of a numeric argument.
pub fn exact(data_type: &DataType) -> Option<DataType> {
    Some(match data_type {
        DataType::Int8 | DataType::UInt8 | DataType::Int16 => DataType::Decimal128(5, 0),
        DataType::UInt16 | DataType::Int32 => DataType::Decimal128(10, 0),
        DataType::UInt32 | DataType::Int64 => DataType::Decimal128(19, 0),
        DataType::UInt64 => DataType::Decimal128(20, 0),
        DataType::Decimal32(p, s) | DataType::Decimal64(p, s) => DataType::Decimal128(*p, *s),
        DataType::Decimal128(..) | DataType::Decimal256(..) => data_type.clone(),
        _ => return None,
    })
}

fn result_type(argument: &DataType) -> DataType {
    match argument {
        DataType::Decimal128(p, s) | DataType::Decimal256(p, s) => quotient_type((*p, *s), (19, 0)),
        other => other.clone(),
    }
}

impl AggregateUDFImpl for Average {
    fn name(&self) -> &str {
        "avg"
    }

    fn aliases(&self) -> &[String] {
        &[]
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let [argument] = types else {
            return Err(wrap(Error::new(Condition::UndefinedFunction, "function avg takes one argument")));
        };
        if let Some(exact) = exact(argument) {
            return Ok(vec![exact]);
        }
        match argument {
            DataType::Float16 | DataType::Float32 | DataType::Float64 | DataType::Null => Ok(vec![DataType::Float64]),
            DataType::Interval(_) => Err(wrap(Error::unsupported("avg(interval) is not supported"))),
            DataType::Duration(_) => Ok(vec![argument.clone()]),
            other => Err(wrap(
                Error::new(
                    Condition::UndefinedFunction,
                    format!("function avg({}) does not exist", SqlType::of_arrow(other).sql_name()),
                )
                .hint("No function matches the given name and argument types. You might need to add explicit type casts."),
            )),
        }
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match &types[0] {
            DataType::Decimal128(..) | DataType::Decimal256(..) => Ok(result_type(&types[0])),
            _ => self.floats.return_type(types),
        }
    }

    fn return_field(&self, fields: &[FieldRef]) -> Result<FieldRef> {
        let argument = fields[0].data_type();
        Ok(Arc::new(match argument {
            DataType::Decimal128(_, s) | DataType::Decimal256(_, s) => quotient_field("avg", result_type(argument), true, *s),
            other => Field::new("avg", self.return_type(std::slice::from_ref(other))?, true),
        }))
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let argument = args.expr_fields[0].data_type();
        match (argument, args.return_type()) {
            (DataType::Decimal128(_, scale) | DataType::Decimal256(_, scale), DataType::Decimal128(precision, to)) => {
                Ok(Box::new(ExactAverage {
                    sum: i256::ZERO,
                    count: 0,
                    scale: *scale,
                    result: (*precision, *to),
                    distinct: args.is_distinct.then(Default::default),
                }))
            }
            (_, _) => self.floats.accumulator(args),
        }
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        match args.input_fields[0].data_type() {
            DataType::Decimal128(_, scale) | DataType::Decimal256(_, scale) if args.is_distinct => {
                let item = Field::new_list_field(DataType::Decimal256(76, *scale), true);
                Ok(vec![Arc::new(Field::new_list(format_state_name(args.name, "avg distinct"), item, true))])
            }
            DataType::Decimal128(_, scale) | DataType::Decimal256(_, scale) => Ok(vec![
                Arc::new(Field::new(format_state_name(args.name, "count"), DataType::UInt64, true)),
                Arc::new(Field::new(format_state_name(args.name, "sum"), DataType::Decimal256(76, *scale), true)),
            ]),
            _ => self.floats.state_fields(args),
        }
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        matches!(args.return_type(), DataType::Float64) && self.floats.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        self.floats.create_groups_accumulator(args)
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        self.accumulator(args)
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }
}

#[derive(Debug)]
struct ExactAverage {
    sum: i256,
    count: u64,
    scale: i8,
    result: (u8, i8),
    distinct: Option<std::collections::HashSet<i256>>,
}

fn for_each(array: &ArrayRef, mut f: impl FnMut(i256)) {
    match array.data_type() {
        DataType::Decimal128(..) => {
            array.as_primitive::<Decimal128Type>().iter().flatten().for_each(|v| f(i256::from_i128(v)));
        }
        DataType::Decimal256(..) => array.as_primitive::<Decimal256Type>().iter().flatten().for_each(f),
        _ => {}
    }
}

impl Accumulator for ExactAverage {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        if let Some(seen) = &mut self.distinct {
            for_each(&values[0], |v| {
                seen.insert(v);
            });
            return Ok(());
        }
        self.count += (values[0].len() - values[0].null_count()) as u64;
        for_each(&values[0], |v| self.sum = self.sum.wrapping_add(v));
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.count -= (values[0].len() - values[0].null_count()) as u64;
        for_each(&values[0], |v| self.sum = self.sum.wrapping_sub(v));
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        self.distinct.is_none()
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let (precision, to) = self.result;
        let (sum, count) = match &self.distinct {
            Some(seen) => (seen.iter().fold(i256::ZERO, |sum, v| sum.wrapping_add(*v)), seen.len() as u64),
            None => (self.sum, self.count),
        };
        if count == 0 {
            return Ok(ScalarValue::Decimal128(None, precision, to));
        }
        let average = divide(sum, self.scale, i256::from_i128(i128::from(count)), 0, to);
        Ok(ScalarValue::Decimal128(Some(average.ok_or_else(|| wrap(Error::out_of_range("numeric")))?), precision, to))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.distinct.as_ref().map_or(0, |seen| seen.capacity() * 32)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        if let Some(seen) = &self.distinct {
            let values: Vec<ScalarValue> = seen.iter().map(|v| ScalarValue::Decimal256(Some(*v), 76, self.scale)).collect();
            return Ok(vec![ScalarValue::List(ScalarValue::new_list_nullable(&values, &DataType::Decimal256(76, self.scale)))]);
        }
        Ok(vec![ScalarValue::UInt64(Some(self.count)), ScalarValue::Decimal256(Some(self.sum), 76, self.scale)])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        if let Some(seen) = &mut self.distinct {
            for list in states[0].as_list::<i32>().iter().flatten() {
                for_each(&list, |v| {
                    seen.insert(v);
                });
            }
            return Ok(());
        }
        self.count += states[0].as_primitive::<UInt64Type>().iter().flatten().sum::<u64>();
        for_each(&states[1], |v| self.sum = self.sum.wrapping_add(v));
        Ok(())
    }
}

/// A sum by a count, as [`Average`] of values of one decimal type gives it: what the rule that splits averages puts in their place.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Mean {
    precision: u8,
    scale: i8,
    least: i8,
    signature: Signature,
}

impl Mean {
    /// For averages over values of that type.
    pub fn of(argument: &DataType) -> Result<Self> {
        match (argument, result_type(argument)) {
            (DataType::Decimal128(_, least) | DataType::Decimal256(_, least), DataType::Decimal128(precision, scale)) => {
                Ok(Self { precision, scale, least: *least, signature: Signature::any(2, Volatility::Immutable) })
            }
            (other, _) => Err(wrap(Error::internal(format!("a mean of {other}")))),
        }
    }
}

impl ScalarUDFImpl for Mean {
    fn name(&self) -> &str {
        "mean"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Decimal128(self.precision, self.scale))
    }

    fn return_field_from_args(&self, _args: ReturnFieldArgs) -> Result<FieldRef> {
        let data_type = DataType::Decimal128(self.precision, self.scale);
        Ok(Arc::new(quotient_field("mean", data_type, true, self.least)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let one = args.args.iter().all(|a| matches!(a, ColumnarValue::Scalar(_)));
        let rows = if one { 1 } else { args.number_rows };
        let sums = args.args[0].to_array(rows)?;
        let counts = arrow::compute::cast(&args.args[1].to_array(rows)?, &DataType::Decimal128(19, 0))?;
        let means: ArrayRef = quotient(&sums, &counts, self.precision, self.scale).map_err(wrap)?;
        if one { Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&means, 0)?)) } else { Ok(ColumnarValue::Array(means)) }
    }
}
