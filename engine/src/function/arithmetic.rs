//! Checked arithmetic: integers that overflow, floats that overflow, and divisions by zero are errors.
//!
//! These are functions rather than `BinaryExpr::with_fail_on_overflow`, because DataFusion folds constants by
//! planning them afresh, without that flag: `2147483647 + 1` would wrap before any pass of ours saw it.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Datum, Decimal128Array, PrimitiveArray, Scalar};
use arrow::compute::kernels::numeric;
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Decimal128Type, Decimal256Type, Field, FieldRef, Float32Type, Float64Type, i256,
};
use arrow::error::ArrowError;
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, Operator, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::error::wrap;
use crate::error::{Condition, Error};
use crate::types::{QUOTIENT_KEY, SqlType};

// A quotient's field has QUOTIENT_KEY in its metadata; the value is the smallest number of digits behind the point.
// Such a value is printed with 16 significant digits (`select_div_scale` in PostgreSQL's numeric.c).

/// Digits behind the point that a quotient is computed to.
const QUOTIENT_SCALE: i8 = 20;

/// An operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// `a + b`
    Add,
    /// `a - b`
    Subtract,
    /// `a * b`
    Multiply,
    /// `a / b`
    Divide,
    /// `a % b`
    Modulo,
    /// `-a`
    Negate,
}

impl Operation {
    /// The operation of a binary operator.
    pub fn of(operator: Operator) -> Option<Self> {
        Some(match operator {
            Operator::Plus => Self::Add,
            Operator::Minus => Self::Subtract,
            Operator::Multiply => Self::Multiply,
            Operator::Divide => Self::Divide,
            Operator::Modulo => Self::Modulo,
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Add => "checked_add",
            Self::Subtract => "checked_subtract",
            Self::Multiply => "checked_multiply",
            Self::Divide => "checked_divide",
            Self::Modulo => "checked_modulo",
            Self::Negate => "checked_negate",
        }
    }

    fn sign(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract | Self::Negate => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Modulo => "%",
        }
    }
}

/// A checked operation as a function. Both arguments have the same type, except that decimals may differ.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Arithmetic {
    operation: Operation,
    signature: Signature,
}

/// Every operation as a function.
pub fn all() -> Vec<Arc<ScalarUDF>> {
    use Operation::{Add, Divide, Modulo, Multiply, Negate, Subtract};
    [Add, Subtract, Multiply, Divide, Modulo, Negate].map(function).to_vec()
}

/// One operation as a function.
pub fn function(operation: Operation) -> Arc<ScalarUDF> {
    let arguments = if operation == Operation::Negate { 1 } else { 2 };
    Arc::new(ScalarUDF::from(Arithmetic { operation, signature: Signature::any(arguments, Volatility::Immutable) }))
}

impl Arithmetic {
    /// Which operation this is.
    pub fn operation(&self) -> Operation {
        self.operation
    }
}

/// Precision and scale of a quotient of decimals.
pub fn quotient_type(dividend: (u8, i8), divisor: (u8, i8)) -> DataType {
    let whole = i16::from(dividend.0) - i16::from(dividend.1) + i16::from(divisor.1);
    let wanted = QUOTIENT_SCALE.max(dividend.1).max(divisor.1);
    // A sum's type has room for more digits than sums have: a quotient over 10^19 is an error at run time.
    let room = (38 - whole.clamp(0, 19)) as i8;
    DataType::Decimal128(38, wanted.min(room.max(dividend.1.max(divisor.1)).min(38)))
}

/// A field that holds a quotient of values with at most `scale` digits behind the point.
pub fn quotient_field(name: &str, data_type: DataType, nullable: bool, scale: i8) -> Field {
    Field::new(name, data_type, nullable).with_metadata([(QUOTIENT_KEY.to_owned(), scale.to_string())].into())
}

fn decimal(data_type: &DataType) -> Option<(u8, i8)> {
    match data_type {
        DataType::Decimal128(p, s) | DataType::Decimal256(p, s) | DataType::Decimal64(p, s) | DataType::Decimal32(p, s) => {
            Some((*p, *s))
        }
        _ => None,
    }
}

impl ScalarUDFImpl for Arithmetic {
    fn name(&self) -> &str {
        self.operation.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        if let (Operation::Divide, Some(a), Some(b)) = (self.operation, decimal(&types[0]), types.get(1).and_then(decimal)) {
            return Ok(quotient_type(a, b));
        }
        Ok(types[0].clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let types: Vec<DataType> = args.arg_fields.iter().map(|f| f.data_type().clone()).collect();
        let nullable = args.arg_fields.iter().any(|f| f.is_nullable());
        let data_type = self.return_type(&types)?;
        Ok(Arc::new(match (self.operation, decimal(&types[0]), types.get(1).and_then(decimal)) {
            (Operation::Divide, Some(a), Some(b)) => quotient_field(self.name(), data_type, nullable, a.1.max(b.1)),
            (_, _, _) => Field::new(self.name(), data_type, nullable),
        }))
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        Ok(match args {
            [only] => format!("(- {})", only.schema_name()),
            [a, b] => format!("{} {} {}", a.schema_name(), self.operation.sign(), b.schema_name()),
            _ => self.name().to_owned(),
        })
    }

    fn display_name(&self, args: &[Expr]) -> Result<String> {
        Ok(match args {
            [only] => format!("(- {only})"),
            [a, b] => format!("{a} {} {b}", self.operation.sign()),
            _ => self.name().to_owned(),
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = args.args.iter().all(|a| matches!(a, ColumnarValue::Scalar(_)));
        let result = match args.args.as_slice() {
            [only] => negate(&only.to_array(if constant { 1 } else { args.number_rows })?),
            [a, b] => {
                let (a, b) = (datum(a)?, datum(b)?);
                match (self.operation, args.return_type()) {
                    (Operation::Divide, DataType::Decimal128(precision, scale)) => {
                        quotient(a.as_ref(), b.as_ref(), *precision, *scale)
                    }
                    (operation, _) => binary(operation, a.as_ref(), b.as_ref()),
                }
            }
            _ => return exec_err!("{} takes one or two arguments", self.name()),
        }
        .map_err(wrap)?;
        if constant {
            Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?))
        } else {
            Ok(ColumnarValue::Array(result))
        }
    }
}

fn datum(value: &ColumnarValue) -> Result<Box<dyn Datum>> {
    Ok(match value {
        ColumnarValue::Array(array) => Box::new(Arc::clone(array)),
        ColumnarValue::Scalar(scalar) => Box::new(Scalar::new(scalar.to_array()?)),
    })
}

fn failure(error: &ArrowError, data_type: &DataType) -> Error {
    match error {
        ArrowError::DivideByZero => Error::division_by_zero(),
        ArrowError::ArithmeticOverflow(_) => Error::out_of_range(&SqlType::of_arrow(data_type).sql_name()),
        other => Error::new(Condition::DataException, other.to_string()),
    }
}

fn binary(operation: Operation, a: &dyn Datum, b: &dyn Datum) -> Result<ArrayRef, Error> {
    let data_type = a.get().0.data_type().clone();
    let kernel = match operation {
        Operation::Add => numeric::add,
        Operation::Subtract => numeric::sub,
        Operation::Multiply => numeric::mul,
        Operation::Divide => numeric::div,
        Operation::Modulo => numeric::rem,
        Operation::Negate => return Err(Error::internal("negation of two values")),
    };
    let floating = matches!(data_type, DataType::Float32 | DataType::Float64);
    if floating && matches!(operation, Operation::Divide | Operation::Modulo) && has_zero(b, a) {
        return Err(Error::division_by_zero());
    }
    let result = kernel(a, b).map_err(|e| failure(&e, &data_type))?;
    if floating {
        check_range(operation, &result, a, b)?;
    }
    Ok(result)
}

/// Whether a divisor is zero in a row where the dividend is not NULL.
fn has_zero(divisor: &dyn Datum, dividend: &dyn Datum) -> bool {
    fn any<T: ArrowPrimitiveType>(divisor: &dyn Datum, dividend: &dyn Datum, zero: T::Native) -> bool {
        let ((divisor, one), (dividend, other)) = (divisor.get(), dividend.get());
        let values: &PrimitiveArray<T> = divisor.as_primitive();
        if one {
            return values.is_valid(0) && values.value(0) == zero && dividend.null_count() < dividend.len();
        }
        (0..values.len()).any(|i| values.is_valid(i) && values.value(i) == zero && dividend.is_valid(if other { 0 } else { i }))
    }
    match divisor.get().0.data_type() {
        DataType::Float32 => any::<Float32Type>(divisor, dividend, 0.0),
        DataType::Float64 => any::<Float64Type>(divisor, dividend, 0.0),
        _ => false,
    }
}

/// A float result that is infinite, or zero, must have come from an operand that was.
fn check_range(operation: Operation, result: &ArrayRef, a: &dyn Datum, b: &dyn Datum) -> Result<(), Error> {
    fn value(array: &dyn Array, at: usize) -> f64 {
        match array.data_type() {
            DataType::Float32 => f64::from(array.as_primitive::<Float32Type>().value(at)),
            _ => array.as_primitive::<Float64Type>().value(at),
        }
    }
    let suspect = match result.data_type() {
        DataType::Float32 => result.as_primitive::<Float32Type>().values().iter().any(|v| v.is_infinite() || *v == 0.0),
        _ => result.as_primitive::<Float64Type>().values().iter().any(|v| v.is_infinite() || *v == 0.0),
    };
    if !suspect {
        return Ok(());
    }
    let ((a, a_one), (b, b_one)) = (a.get(), b.get());
    for row in (0..result.len()).filter(|i| result.is_valid(*i)) {
        let outcome = value(result, row);
        let (x, y) = (value(a, if a_one { 0 } else { row }), value(b, if b_one { 0 } else { row }));
        if outcome.is_infinite() && x.is_finite() && y.is_finite() {
            return Err(Error::new(Condition::NumericValueOutOfRange, "value out of range: overflow"));
        }
        let vanishes = match operation {
            Operation::Multiply => x != 0.0 && y != 0.0,
            Operation::Divide => x != 0.0 && y.is_finite(),
            Operation::Add | Operation::Subtract | Operation::Modulo | Operation::Negate => false,
        };
        if outcome == 0.0 && vanishes {
            return Err(Error::new(Condition::NumericValueOutOfRange, "value out of range: underflow"));
        }
    }
    Ok(())
}

fn negate(array: &ArrayRef) -> Result<ArrayRef, Error> {
    numeric::neg(array.as_ref()).map_err(|e| failure(&e, array.data_type()))
}

/// `numerator / denominator`, both scaled integers, as a scaled integer of `scale` digits, rounded half away from zero.
pub fn divide(numerator: i256, numerator_scale: i8, denominator: i256, denominator_scale: i8, scale: i8) -> Option<i128> {
    let shift = i32::from(scale) - i32::from(numerator_scale) + i32::from(denominator_scale);
    let (numerator, denominator) = if shift >= 0 {
        (numerator.checked_mul(i256::from_i128(10).checked_pow(shift as u32)?)?, denominator)
    } else {
        (numerator, denominator.checked_mul(i256::from_i128(10).checked_pow(shift.unsigned_abs())?)?)
    };
    let quotient = numerator.checked_div(denominator)?;
    let remainder = numerator.checked_rem(denominator)?;
    let (remainder, half) = (remainder.wrapping_abs(), denominator.wrapping_abs());
    let up = remainder.checked_mul(i256::from_i128(2))? >= half;
    let away = if (numerator < i256::ZERO) == (denominator < i256::ZERO) { i256::ONE } else { i256::MINUS_ONE };
    let rounded = if up { quotient.checked_add(away)? } else { quotient };
    rounded.to_i128()
}

fn wide(array: &dyn Array) -> Result<(Vec<Option<i256>>, i8), Error> {
    let cast = |to: DataType| arrow::compute::cast(array, &to).map_err(|e| failure(&e, array.data_type()));
    match array.data_type() {
        DataType::Decimal128(_, scale) => {
            Ok((array.as_primitive::<Decimal128Type>().iter().map(|v| v.map(i256::from_i128)).collect(), *scale))
        }
        DataType::Decimal256(_, scale) => Ok((array.as_primitive::<Decimal256Type>().iter().collect(), *scale)),
        DataType::Decimal32(p, s) | DataType::Decimal64(p, s) => {
            let cast = cast(DataType::Decimal128(*p, *s))?;
            Ok((cast.as_primitive::<Decimal128Type>().iter().map(|v| v.map(i256::from_i128)).collect(), *s))
        }
        other => Err(Error::internal(format!("a numeric quotient of {other}"))),
    }
}

/// Powers of ten that fit 128 bits.
fn power_of_ten(exponent: i32) -> Option<i128> {
    (0..=38).contains(&exponent).then(|| 10i128.pow(exponent as u32))
}

/// The same in 128 bits, where everything fits.
fn divide_narrow(numerator: i128, denominator: i128, shift: i32) -> Option<i128> {
    let scaled = numerator.checked_mul(power_of_ten(shift)?)?;
    let (quotient, remainder) = (scaled.checked_div(denominator)?, scaled.checked_rem(denominator)?);
    let up = remainder.unsigned_abs().checked_mul(2)? >= denominator.unsigned_abs();
    let away = if (scaled < 0) == (denominator < 0) { 1 } else { -1 };
    Some(if up { quotient + away } else { quotient })
}

/// Quotients of decimals, NULL where either side is: `22012` where a divisor is zero.
pub fn quotient(a: &dyn Datum, b: &dyn Datum, precision: u8, scale: i8) -> Result<ArrayRef, Error> {
    let ((a, a_one), (b, b_one)) = (a.get(), b.get());
    let ((left, left_scale), (right, right_scale)) = (wide(a)?, wide(b)?);
    let rows = if a_one { right.len() } else { left.len() };
    let shift = i32::from(scale) - i32::from(left_scale) + i32::from(right_scale);
    let mut values = Vec::with_capacity(rows);
    for row in 0..rows {
        let (Some(x), Some(y)) = (left[if a_one { 0 } else { row }], right[if b_one { 0 } else { row }]) else {
            values.push(None);
            continue;
        };
        if y == i256::ZERO {
            return Err(Error::division_by_zero());
        }
        let narrow = match (x.to_i128(), y.to_i128()) {
            (Some(x), Some(y)) => divide_narrow(x, y, shift),
            (_, _) => None,
        };
        let value = narrow.or_else(|| divide(x, left_scale, y, right_scale, scale));
        values.push(Some(value.ok_or_else(|| Error::out_of_range("numeric"))?));
    }
    let array: Decimal128Array = values.into_iter().collect();
    let array = array.with_precision_and_scale(precision, scale).map_err(|e| Error::internal(e.to_string()))?;
    Ok(Arc::new(array))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotients_round_half_away() {
        let wide = i256::from_i128;
        assert_eq!(divide(wide(1), 0, wide(3), 0, 4), Some(3333));
        assert_eq!(divide(wide(-1), 0, wide(2), 0, 0), Some(-1));
        assert_eq!(divide(wide(5), 1, wide(10), 0, 1), Some(1));
        assert_eq!(divide_narrow(1, 3, 4), Some(3333));
        assert_eq!(divide_narrow(-1, 2, 0), Some(-1));
    }
}
