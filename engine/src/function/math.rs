//! Functions of double precision, with PostgreSQL's errors. A numeric argument takes those that are exact to the evaluator's.
//!
//! The values are those that devices compute, by the same code.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};
use warpwise_gpu::primitive::math::{pair, value};
use warpwise_gpu::program::{Fault, Math, MathPair};

use super::bridge::Bridged;
use super::error::wrap;
use crate::error::{Condition, Error};
use crate::types::SqlType;

/// What is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// A function of one number.
    One(Math),
    /// A function of two.
    Two(MathPair),
    /// Radians as degrees.
    Degrees,
    /// Degrees as radians.
    Radians,
}

/// How many radians a degree has: what PostgreSQL divides and multiplies by.
pub const RADIANS_PER_DEGREE: f64 = 0.017_453_292_519_943_295;

impl Operation {
    /// The operation of a function of this name in plans.
    pub fn named(name: &str) -> Option<Self> {
        let one = Math::ALL.into_iter().find(|op| op.name() == name).map(Self::One);
        let two = MathPair::ALL.into_iter().find(|op| op.name() == name).map(Self::Two);
        one.or(two).or(match name {
            "log" => Some(Self::One(Math::Log10)),
            "degrees" => Some(Self::Degrees),
            "radians" => Some(Self::Radians),
            _ => None,
        })
    }

    /// Its value for doubles.
    pub fn compute(self, a: f64, b: f64) -> Result<f64, Fault> {
        let checked = |value: f64, lost: bool| match value {
            v if v.is_infinite() && a.is_finite() => Err(Fault::FloatOverflow),
            v if v == 0.0 && lost => Err(Fault::FloatUnderflow),
            v => Ok(v),
        };
        match self {
            Self::One(op) => value(op, a),
            Self::Two(op) => pair(op, a, b),
            Self::Degrees => checked(a / RADIANS_PER_DEGREE, a != 0.0),
            Self::Radians => checked(a * RADIANS_PER_DEGREE, a != 0.0),
        }
    }

    fn arguments(self) -> usize {
        if matches!(self, Self::Two(_)) { 2 } else { 1 }
    }
}

/// Functions that numerics have too, exact to their digits.
const EXACT: &[&str] = &["sqrt", "exp", "ln", "log", "log10", "power"];

#[derive(Debug, PartialEq, Eq, Hash)]
struct Function {
    operation: Operation,
    name: &'static str,
    aliases: Vec<String>,
    signature: Signature,
    exact: Option<Bridged>,
}

/// The functions of this file.
pub fn all() -> Vec<Arc<ScalarUDF>> {
    // Those that numerics round exactly are in `round.rs`.
    let rounds = |op: &Math| matches!(op, Math::Abs | Math::Sign | Math::Floor | Math::Ceil | Math::Round | Math::Trunc);
    let one = Math::ALL.into_iter().filter(|op| !rounds(op)).map(Math::name);
    let names = one.chain(MathPair::ALL.map(MathPair::name)).chain(["log", "degrees", "radians"]);
    let function = |name: &'static str| {
        let operation = Operation::named(name)?;
        let aliases = if name == "power" { vec!["pow".to_owned()] } else { vec![] };
        let signature = TypeSignature::OneOf(vec![TypeSignature::VariadicAny, TypeSignature::Nullary]);
        let signature = Signature::new(signature, Volatility::Immutable);
        let exact = EXACT.contains(&name).then(|| Bridged::new(name));
        Some(Arc::new(ScalarUDF::from(Function { operation, name, aliases, signature, exact })))
    };
    names.filter_map(function).collect()
}

impl Function {
    /// The function of numerics, where arguments of these types ask for it.
    fn exact(&self, fields: &[FieldRef]) -> Option<&Bridged> {
        let floating = fields.iter().any(|f| f.data_type().is_floating());
        let decimal = fields.iter().any(|f| matches!(f.data_type(), DataType::Decimal128(..) | DataType::Decimal256(..)));
        // `log` of two arguments there is for numerics alone.
        let pair = self.name == "log" && fields.len() == 2;
        self.exact.as_ref().filter(|_| pair || (decimal && !floating))
    }

    fn undefined(&self, fields: &[FieldRef]) -> Error {
        let types: Vec<String> = fields.iter().map(|f| SqlType::of_field(f).sql_name()).collect();
        Error::new(Condition::UndefinedFunction, format!("function {}({}) does not exist", self.name, types.join(", ")))
            .hint("No function matches the given name and argument types. You might need to add explicit type casts.")
    }
}

impl ScalarUDFImpl for Function {
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
        Ok(DataType::Float64)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        if let Some(exact) = self.exact(args.arg_fields) {
            return exact.return_field_from_args(args);
        }
        let number = |f: &FieldRef| f.data_type().is_numeric() || f.data_type().is_null() || f.data_type().is_string();
        // Text is a number only as a literal, whose type is open.
        let open = |at: usize, f: &FieldRef| !f.data_type().is_string() || args.scalar_arguments[at].is_some();
        let fits = args.arg_fields.iter().enumerate().all(|(at, f)| number(f) && open(at, f));
        if args.arg_fields.len() != self.operation.arguments() || !fits {
            return Err(wrap(self.undefined(args.arg_fields)));
        }
        Ok(Arc::new(Field::new(self.name, DataType::Float64, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if let Some(exact) = self.exact(&args.arg_fields) {
            return exact.invoke_with_args(args);
        }
        let one = args.args.iter().all(|a| matches!(a, ColumnarValue::Scalar(_)));
        let rows = if one { 1 } else { args.number_rows };
        let columns: Vec<ArrayRef> =
            args.args.iter().map(|a| Ok(cast(&a.to_array(rows)?, &DataType::Float64)?)).collect::<Result<_>>()?;
        let failed = |fault: Fault| wrap(Error::fault(fault));
        let operation = self.operation;
        let result: Float64Array = match columns.as_slice() {
            [a] => a.as_primitive::<Float64Type>().try_unary(|a| operation.compute(a, 0.0).map_err(failed))?,
            [a, b] => {
                let (a, b) = (a.as_primitive::<Float64Type>(), b.as_primitive::<Float64Type>());
                let each = a.iter().zip(b.iter()).map(|(a, b)| a.zip(b).map(|(a, b)| operation.compute(a, b)).transpose());
                each.collect::<Result<Float64Array, Fault>>().map_err(failed)?
            }
            _ => return Err(wrap(self.undefined(&args.arg_fields))),
        };
        if one {
            Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?))
        } else {
            Ok(ColumnarValue::Array(Arc::new(result)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn degrees_lose_nothing_silently() {
        assert_eq!(Operation::Degrees.compute(std::f64::consts::PI, 0.0), Ok(180.0));
        assert_eq!(Operation::Degrees.compute(1e308, 0.0), Err(Fault::FloatOverflow));
        assert_eq!(Operation::Radians.compute(5e-324, 0.0), Err(Fault::FloatUnderflow));
        assert_eq!(Operation::Radians.compute(f64::INFINITY, 0.0), Ok(f64::INFINITY));
        assert_eq!(Operation::named("log"), Some(Operation::One(Math::Log10)));
    }
}
