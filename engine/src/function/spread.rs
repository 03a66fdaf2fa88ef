//! Variances and standard deviations: of integers and numerics a numeric, from exact sums as PostgreSQL's; of floats DataFusion's.
//!
//! `plan::rules` splits those of numbers with few digits into sums, which are faster and run on devices; the accumulator below
//! serves the others, windows and DISTINCT.

use std::collections::HashSet;
use std::mem::size_of_val;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal256Array};
use arrow::datatypes::{DataType, Decimal128Type, Decimal256Type, Field, FieldRef, Int64Type, i256};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, ColumnarValue, GroupsAccumulator, ReturnFieldArgs, ScalarFunctionArgs,
    ScalarUDFImpl, Signature, Volatility,
};
use num_bigint::BigInt;

use super::average::exact;
use super::error::wrap;
use crate::error::{Condition, Error};
use crate::types::numeric::Numeric;
use crate::types::{QUOTIENT_KEY, SqlType};

/// Digits behind the point that a result is kept with.
const SCALE: i8 = 36;
/// The type of a result: squares of any number that fits 64 bits have room before the point.
const RESULT: DataType = DataType::Decimal256(76, SCALE);
/// The most digits of numbers whose squares can be summed in 128 bits, whatever the number of rows.
const FEW: u8 = 14;

/// One of the four functions.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Spread {
    /// DataFusion's, of floats.
    floats: Arc<AggregateUDF>,
    aliases: Vec<String>,
    /// Whether the values are a sample.
    pub sample: bool,
    /// Whether the square root is wanted.
    pub root: bool,
    signature: Signature,
}

/// All four.
pub fn all() -> Vec<Arc<AggregateUDF>> {
    use datafusion::functions_aggregate::{stddev, variance};
    let function = |floats: Arc<AggregateUDF>, aliases: &[&str], sample, root| {
        let aliases = floats.aliases().iter().cloned().chain(aliases.iter().map(|alias| (*alias).to_owned())).collect();
        let signature = Signature::user_defined(Volatility::Immutable);
        Arc::new(AggregateUDF::from(Spread { floats, aliases, sample, root, signature }))
    };
    vec![
        function(variance::var_samp_udaf(), &["variance"], true, false),
        function(variance::var_pop_udaf(), &[], false, false),
        function(stddev::stddev_udaf(), &[], true, true),
        function(stddev::stddev_pop_udaf(), &[], false, true),
    ]
}

/// The field of a result over values of so many digits behind the point.
fn result_field(name: &str, root: bool, scale: i8) -> Field {
    let form = if root { "deviation" } else { "variance" };
    let shown = format!("{form} {}", scale.max(0).saturating_mul(if root { 1 } else { 2 }));
    Field::new(name, RESULT, true).with_metadata([(QUOTIENT_KEY.to_owned(), shown)].into())
}

/// The result of a count, a sum and a sum of squares; NULL of too few.
fn spread(count: i64, sum: &Numeric, squares: &Numeric, sample: bool, root: bool) -> std::result::Result<Option<i256>, Error> {
    if count <= i64::from(sample) {
        return Ok(None);
    }
    let all = Numeric::from(count);
    let above = all.mul(squares)?.sub(&sum.mul(sum)?)?;
    if above.signum() <= 0 {
        return Ok(Some(i256::ZERO));
    }
    let below = if sample { all.mul(&all.sub(&Numeric::from(1i64))?)? } else { all.mul(&all)? };
    let variance = above.div(&below)?;
    let result = if root { deviation(&variance)? } else { variance };
    let kept = result.round(SCALE.into());
    let digits = kept.parts().map(|(digits, scale)| digits * BigInt::from(10).pow((SCALE as u32).saturating_sub(scale)));
    let kept = digits.and_then(|digits| i256::from_string(&digits.to_string()));
    kept.map(Some).ok_or_else(|| Error::out_of_range("numeric"))
}

/// The square root of a variance, with as many digits.
pub fn deviation(variance: &Numeric) -> std::result::Result<Numeric, Error> {
    let shown = i32::try_from(variance.scale()).unwrap_or(i32::MAX);
    // More digits than are shown, so that what is rounded is not rounded twice.
    Ok(variance.round(shown.saturating_add(16)).sqrt()?.round(shown))
}

fn numeric(value: i256, scale: i8) -> Numeric {
    match value.to_i128() {
        Some(narrow) => Numeric::from_i128(narrow, scale),
        None => Numeric::from_parts(value.to_string().parse().unwrap_or_default(), scale.max(0).unsigned_abs().into()),
    }
}

impl AggregateUDFImpl for Spread {
    fn name(&self) -> &str {
        self.floats.name()
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let [argument] = types else {
            let message = format!("function {} takes one argument", self.name());
            return Err(wrap(Error::new(Condition::UndefinedFunction, message)));
        };
        if let Some(exact) = exact(argument) {
            return Ok(vec![exact]);
        }
        match argument {
            DataType::Float16 | DataType::Float32 | DataType::Float64 | DataType::Null => Ok(vec![DataType::Float64]),
            other => Err(wrap(
                Error::new(
                    Condition::UndefinedFunction,
                    format!("function {}({}) does not exist", self.name(), SqlType::of_arrow(other).sql_name()),
                )
                .hint("No function matches the given name and argument types. You might need to add explicit type casts."),
            )),
        }
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match &types[0] {
            DataType::Decimal128(..) | DataType::Decimal256(..) => Ok(RESULT),
            _ => self.floats.return_type(types),
        }
    }

    fn return_field(&self, fields: &[FieldRef]) -> Result<FieldRef> {
        Ok(Arc::new(match fields[0].data_type() {
            DataType::Decimal128(_, scale) | DataType::Decimal256(_, scale) => result_field(self.name(), self.root, *scale),
            other => Field::new(self.name(), self.return_type(std::slice::from_ref(other))?, true),
        }))
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        match args.expr_fields[0].data_type() {
            DataType::Decimal128(_, scale) | DataType::Decimal256(_, scale) => Ok(Box::new(Exact {
                count: 0,
                sum: i256::ZERO,
                squares: i256::ZERO,
                scale: *scale,
                sample: self.sample,
                root: self.root,
                distinct: args.is_distinct.then(Default::default),
            })),
            _ => self.floats.accumulator(args),
        }
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let wide = |name: &str| Arc::new(Field::new(format_state_name(args.name, name), DataType::Decimal256(76, 0), true));
        match args.input_fields[0].data_type() {
            DataType::Decimal128(..) | DataType::Decimal256(..) if args.is_distinct => {
                let item = Field::new_list_field(DataType::Decimal256(76, 0), true);
                Ok(vec![Arc::new(Field::new_list(format_state_name(args.name, "distinct"), item, true))])
            }
            DataType::Decimal128(..) | DataType::Decimal256(..) => {
                let count = Arc::new(Field::new(format_state_name(args.name, "count"), DataType::Int64, true));
                Ok(vec![count, wide("sum"), wide("squares")])
            }
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
        match args.expr_fields[0].data_type() {
            DataType::Decimal128(..) | DataType::Decimal256(..) => self.accumulator(args),
            _ => self.floats.create_sliding_accumulator(args),
        }
    }
}

/// Exact sums, without the point.
#[derive(Debug)]
struct Exact {
    count: i64,
    sum: i256,
    squares: i256,
    scale: i8,
    sample: bool,
    root: bool,
    distinct: Option<HashSet<i256>>,
}

fn for_each(array: &ArrayRef, mut f: impl FnMut(i256) -> Result<()>) -> Result<()> {
    match array.data_type() {
        DataType::Decimal128(..) => {
            array.as_primitive::<Decimal128Type>().iter().flatten().try_for_each(|v| f(i256::from_i128(v)))
        }
        DataType::Decimal256(..) => array.as_primitive::<Decimal256Type>().iter().flatten().try_for_each(f),
        _ => Ok(()),
    }
}

fn too_large() -> datafusion::common::DataFusionError {
    wrap(Error::out_of_range("numeric"))
}

impl Exact {
    fn fold(&mut self, value: i256, back: bool) -> Result<()> {
        let square = value.checked_mul(value).ok_or_else(too_large)?;
        let (sum, squares) = if back {
            (self.sum.checked_sub(value), self.squares.checked_sub(square))
        } else {
            (self.sum.checked_add(value), self.squares.checked_add(square))
        };
        self.sum = sum.ok_or_else(too_large)?;
        self.squares = squares.ok_or_else(too_large)?;
        self.count += if back { -1 } else { 1 };
        Ok(())
    }
}

impl Accumulator for Exact {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for_each(&values[0], |value| match &mut self.distinct {
            Some(seen) => {
                seen.insert(value);
                Ok(())
            }
            None => self.fold(value, false),
        })
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for_each(&values[0], |value| self.fold(value, true))
    }

    fn supports_retract_batch(&self) -> bool {
        self.distinct.is_none()
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        if let Some(seen) = self.distinct.take() {
            (self.count, self.sum, self.squares) = (0, i256::ZERO, i256::ZERO);
            seen.iter().try_for_each(|value| self.fold(*value, false))?;
            self.distinct = Some(seen);
        }
        let squares = numeric(self.squares, self.scale.saturating_mul(2));
        let result = spread(self.count, &numeric(self.sum, self.scale), &squares, self.sample, self.root).map_err(wrap)?;
        Ok(ScalarValue::Decimal256(result, 76, SCALE))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.distinct.as_ref().map_or(0, |seen| seen.capacity() * 32)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let wide = |value| ScalarValue::Decimal256(Some(value), 76, 0);
        if let Some(seen) = &self.distinct {
            let values: Vec<ScalarValue> = seen.iter().map(|value| wide(*value)).collect();
            return Ok(vec![ScalarValue::List(ScalarValue::new_list_nullable(&values, &DataType::Decimal256(76, 0)))]);
        }
        Ok(vec![ScalarValue::Int64(Some(self.count)), wide(self.sum), wide(self.squares)])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        if let Some(seen) = &mut self.distinct {
            for list in states[0].as_list::<i32>().iter().flatten() {
                for_each(&list, |value| {
                    seen.insert(value);
                    Ok(())
                })?;
            }
            return Ok(());
        }
        self.count += states[0].as_primitive::<Int64Type>().iter().flatten().sum::<i64>();
        for_each(&states[1], |value| {
            self.sum = self.sum.checked_add(value).ok_or_else(too_large)?;
            Ok(())
        })?;
        for_each(&states[2], |value| {
            self.squares = self.squares.checked_add(value).ok_or_else(too_large)?;
            Ok(())
        })
    }
}

/// Whether values of a type have so few digits that their squares can be summed in 128 bits.
pub fn splits(argument: &DataType) -> bool {
    matches!(argument, DataType::Decimal128(precision, scale) if *precision <= FEW && *scale >= 0)
}

/// A sum of squares, a sum and a count as [`Spread`] of the values gives it: what the rule that splits puts in their place.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct OfSums {
    sample: bool,
    root: bool,
    scale: i8,
    signature: Signature,
}

impl OfSums {
    /// In the place of a function over values of so many digits behind the point.
    pub fn of(function: &Spread, scale: i8) -> Self {
        let signature = Signature::any(3, Volatility::Immutable);
        Self { sample: function.sample, root: function.root, scale, signature }
    }
}

impl ScalarUDFImpl for OfSums {
    fn name(&self) -> &str {
        if self.root { "deviation_of_sums" } else { "variance_of_sums" }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(RESULT)
    }

    fn return_field_from_args(&self, _args: ReturnFieldArgs) -> Result<FieldRef> {
        Ok(Arc::new(result_field(self.name(), self.root, self.scale)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let one = args.args.iter().all(|a| matches!(a, ColumnarValue::Scalar(_)));
        let rows = if one { 1 } else { args.number_rows };
        let arrays = args.args.iter().map(|a| a.to_array(rows)).collect::<Result<Vec<_>>>()?;
        let exact = |at: usize| -> Result<Vec<Option<Numeric>>> {
            let scale = match arrays[at].data_type() {
                DataType::Decimal128(_, scale) => *scale,
                other => return Err(wrap(Error::internal(format!("a variance of sums of {other}")))),
            };
            Ok(arrays[at].as_primitive::<Decimal128Type>().iter().map(|v| v.map(|v| Numeric::from_i128(v, scale))).collect())
        };
        let (squares, sums) = (exact(0)?, exact(1)?);
        let counts = arrays[2].as_primitive::<Int64Type>();
        let mut values = Vec::with_capacity(rows);
        for row in 0..rows {
            values.push(match (&squares[row], &sums[row]) {
                (Some(squares), Some(sum)) => spread(counts.value(row), sum, squares, self.sample, self.root).map_err(wrap)?,
                (_, _) => None,
            });
        }
        let values: Decimal256Array = values.into_iter().collect();
        let values: ArrayRef = Arc::new(values.with_precision_and_scale(76, SCALE)?);
        if one { Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&values, 0)?)) } else { Ok(ColumnarValue::Array(values)) }
    }
}
