//! `round`, `trunc`, `ceil`, `floor`, `abs` and `sign`: exact on numerics, DataFusion's on floats.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Float64Array, PrimitiveArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Decimal128Type, FieldRef, Float64Type, Int64Type, i256};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::error::wrap;
use crate::error::{Condition, Error};
use crate::types::SqlType;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Mode {
    Round,
    Truncate,
    Ceil,
    Floor,
    Abs,
    Sign,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Round {
    mode: Mode,
    name: &'static str,
    aliases: Vec<String>,
    signature: Signature,
}

/// The functions of this file.
pub fn all() -> Vec<Arc<ScalarUDF>> {
    let one = |mode, name, aliases: &[&str]| {
        let aliases = aliases.iter().map(|a| (*a).to_owned()).collect();
        Arc::new(ScalarUDF::from(Round { mode, name, aliases, signature: Signature::variadic_any(Volatility::Immutable) }))
    };
    vec![
        one(Mode::Round, "round", &[]),
        one(Mode::Truncate, "trunc", &[]),
        one(Mode::Ceil, "ceil", &["ceiling"]),
        one(Mode::Floor, "floor", &[]),
        one(Mode::Abs, "abs", &[]),
        one(Mode::Sign, "sign", &[]),
    ]
}

impl Round {
    fn undefined(&self, fields: &[FieldRef]) -> Error {
        let types: Vec<String> = fields.iter().map(|f| SqlType::of_field(f).sql_name()).collect();
        Error::new(Condition::UndefinedFunction, format!("function {}({}) does not exist", self.name, types.join(", ")))
            .hint("No function matches the given name and argument types. You might need to add explicit type casts.")
    }

    /// The result's type, and the type that the argument is brought to.
    fn shape(&self, fields: &[FieldRef], scalars: &[Option<&ScalarValue>]) -> Result<DataType, Error> {
        let digits = match fields.len() {
            1 => Some(0),
            2 if matches!(self.mode, Mode::Round | Mode::Truncate) => match scalars[1] {
                Some(value) => value.cast_to(&DataType::Int64).ok().and_then(|v| match v {
                    ScalarValue::Int64(n) => n,
                    _ => None,
                }),
                None => None,
            },
            _ => return Err(self.undefined(fields)),
        };
        let source = fields[0].data_type();
        let integer = source.is_integer();
        match source {
            DataType::Decimal128(precision, scale) => {
                match self.mode {
                    Mode::Abs => return Ok(source.clone()),
                    Mode::Sign => return Ok(DataType::Decimal128(1, 0)),
                    Mode::Round | Mode::Truncate | Mode::Ceil | Mode::Floor => {}
                }
                let kept = match digits {
                    // As many digits as asked for, unless those in front of the point need the room.
                    Some(n) => n.clamp(0, i64::from((37 - *precision as i8 + *scale).max(*scale))) as i8,
                    None if scalars.get(1).copied().flatten().is_some() => 0,
                    None => *scale,
                };
                // One more digit in front: 9.5 rounds to 10.
                let precision = (i16::from(*precision) - i16::from(*scale) + i16::from(kept) + 1).clamp(1, 38);
                Ok(DataType::Decimal128(precision as u8, kept))
            }
            DataType::Decimal256(_, scale) => {
                let kept = digits.unwrap_or(i64::from(*scale)).clamp(0, i64::from(*scale)) as i8;
                Ok(DataType::Decimal128(
                    38,
                    match self.mode {
                        Mode::Abs => *scale,
                        Mode::Sign => 0,
                        Mode::Round | Mode::Truncate | Mode::Ceil | Mode::Floor => kept,
                    },
                ))
            }
            DataType::Null => Ok(DataType::Float64),
            DataType::Float32 if self.mode == Mode::Abs => Ok(DataType::Float32),
            DataType::Float16 | DataType::Float32 | DataType::Float64 if fields.len() == 1 => Ok(DataType::Float64),
            _ if integer && self.mode == Mode::Abs => Ok(source.clone()),
            // round(int, n) is round(numeric, n); round(int) is round(double precision).
            _ if integer && fields.len() == 2 => {
                let kept = digits.unwrap_or(0).clamp(0, 18) as i8;
                Ok(DataType::Decimal128(20 + kept as u8, kept))
            }
            _ if integer => Ok(DataType::Float64),
            _ => Err(self.undefined(fields)),
        }
    }
}

impl ScalarUDFImpl for Round {
    fn name(&self) -> &str {
        self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Err(wrap(Error::internal(format!("{}'s type depends on its arguments", self.name))))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        if args.arg_fields.is_empty() {
            return Err(wrap(self.undefined(args.arg_fields)));
        }
        let data_type = self.shape(args.arg_fields, args.scalar_arguments).map_err(wrap)?;
        Ok(Arc::new(arrow::datatypes::Field::new(self.name, data_type, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let one = args.args.iter().all(|a| matches!(a, ColumnarValue::Scalar(_)));
        let rows = if one { 1 } else { args.number_rows };
        let input = args.args[0].to_array(rows)?;
        let digits = match args.args.get(1) {
            Some(digits) => Some(cast(&digits.to_array(rows)?, &DataType::Int64)?),
            None => None,
        };
        let result = compute(self.mode, &input, digits.as_ref(), args.return_type()).map_err(wrap)?;
        if one { Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?)) } else { Ok(ColumnarValue::Array(result)) }
    }
}

fn compute(mode: Mode, input: &ArrayRef, digits: Option<&ArrayRef>, to: &DataType) -> Result<ArrayRef, Error> {
    let internal = |e: arrow::error::ArrowError| Error::internal(e.to_string());
    if input.data_type() == &DataType::Null {
        return Ok(arrow::array::new_null_array(to, input.len()));
    }
    match to {
        DataType::Decimal128(precision, scale) => {
            let from = match input.data_type() {
                DataType::Decimal128(_, s) | DataType::Decimal256(_, s) => *s,
                _ => 0,
            };
            let wide = cast(input, &DataType::Decimal256(76, from)).map_err(internal)?;
            let wide = wide.as_primitive::<arrow::datatypes::Decimal256Type>();
            let digits = digits.map(|d| d.as_primitive::<Int64Type>());
            let mut values = Vec::with_capacity(wide.len());
            for row in 0..wide.len() {
                if wide.is_null(row) || digits.is_some_and(|d| d.is_null(row)) {
                    values.push(None);
                    continue;
                }
                let kept = digits.map_or(0, |d| d.value(row)).clamp(-76, i64::from(from)) as i32;
                let value = decimal(mode, wide.value(row), from, kept, *scale).and_then(i256::to_i128);
                values.push(Some(value.ok_or_else(|| Error::out_of_range("numeric"))?));
            }
            let array: Decimal128Array = values.into_iter().collect();
            Ok(Arc::new(array.with_precision_and_scale(*precision, *scale).map_err(internal)?))
        }
        DataType::Float64 => {
            let floats = cast(input, &DataType::Float64).map_err(internal)?;
            let floats = floats.as_primitive::<Float64Type>();
            let operation: fn(f64) -> f64 = match mode {
                Mode::Round => f64::round_ties_even,
                Mode::Truncate => f64::trunc,
                Mode::Ceil => f64::ceil,
                Mode::Floor => f64::floor,
                Mode::Abs => f64::abs,
                Mode::Sign => |v| f64::from(i8::from(v > 0.0) - i8::from(v < 0.0)),
            };
            let values: Float64Array = floats.unary(operation);
            Ok(Arc::new(values))
        }
        DataType::Float32 => {
            let values: PrimitiveArray<arrow::datatypes::Float32Type> =
                input.as_primitive::<arrow::datatypes::Float32Type>().unary(f32::abs);
            Ok(Arc::new(values))
        }
        _ => {
            let wide = cast(input, &DataType::Decimal128(38, 0)).map_err(internal)?;
            let values: PrimitiveArray<Decimal128Type> = wide.as_primitive::<Decimal128Type>().unary(i128::abs);
            let values: ArrayRef = Arc::new(values.with_precision_and_scale(38, 0).map_err(internal)?);
            let options = arrow::compute::CastOptions { safe: false, ..Default::default() };
            arrow::compute::cast_with_options(&values, to, &options)
                .map_err(|_| Error::out_of_range(&SqlType::of_arrow(to).sql_name()))
        }
    }
}

/// Keeps `kept` digits behind the point (before it, where negative) of a scaled integer, as one of scale `to`.
fn decimal(mode: Mode, value: i256, from: i8, kept: i32, to: i8) -> Option<i256> {
    let ten = i256::from_i128(10);
    if mode == Mode::Abs {
        return Some(value.wrapping_abs());
    }
    if mode == Mode::Sign {
        return Some(value.signum());
    }
    let dropped = i32::from(from) - kept;
    let unit = ten.checked_pow(dropped.max(0) as u32)?;
    let (quotient, remainder) = (value.checked_div(unit)?, value.checked_rem(unit)?);
    let adjust = match mode {
        Mode::Round if remainder.wrapping_abs().checked_mul(i256::from_i128(2))? >= unit && remainder != i256::ZERO => {
            if value < i256::ZERO { i256::MINUS_ONE } else { i256::ONE }
        }
        Mode::Ceil if remainder > i256::ZERO => i256::ONE,
        Mode::Floor if remainder < i256::ZERO => i256::MINUS_ONE,
        Mode::Round | Mode::Ceil | Mode::Floor | Mode::Truncate | Mode::Abs | Mode::Sign => i256::ZERO,
    };
    let kept_value = quotient.checked_add(adjust)?;
    let shift = i32::from(to) - kept;
    if shift >= 0 {
        kept_value.checked_mul(ten.checked_pow(shift as u32)?)
    } else {
        kept_value.checked_div(ten.checked_pow(shift.unsigned_abs())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_round_half_away() {
        let round =
            |v: i128, from, kept, to| decimal(Mode::Round, i256::from_i128(v), from, kept, to).unwrap().to_i128().unwrap();
        assert_eq!(round(25, 1, 0, 0), 3);
        assert_eq!(round(-25, 1, 0, 0), -3);
        assert_eq!(round(12345, 2, -1, 0), 120);
        assert_eq!(round(12345, 2, 1, 1), 1235);
        assert_eq!(decimal(Mode::Floor, i256::from_i128(-11), 1, 0, 0).unwrap(), i256::from_i128(-2));
    }
}
