//! What is computed from several columns of a sink: averages, variances, correlations, and sums that differ by a number.
//!
//! Where the result follows, the host computes it, a value a group; where another stage follows, the stage does.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use arrow::datatypes::{Float64Type, Int64Type};
use warpwise_gpu::program::{Arithmetic, Bounds, Comparison, Expr, ExprId, Math, Scalar, Type, ValueType};

use super::displaced::Displacement;
use super::refusal::Refusal;
use super::scope::Lowering;
use super::value::{Kind, Value};

/// A quantity of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Formula {
    /// Which.
    pub what: Quantity,
    /// What it is computed from, as the quantity says.
    pub of: Vec<usize>,
}

/// What is computed, and from what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantity {
    /// A sum over a count.
    Average,
    /// Deviations over a count, or over one less, of samples; a covariance likewise.
    Variance {
        /// Whether the values are a sample.
        sample: bool,
    },
    /// The square root of that.
    Spread {
        /// Whether the values are a sample.
        sample: bool,
    },
    /// Deviations of both, of the first, of the second: the coefficient of correlation.
    Correlation,
    /// Deviations of both, of the independent: the slope of the line of least squares.
    Slope,
    /// Deviations of both, of the independent, the sums of the dependent and of the independent, and the count: where that
    /// line meets the axis.
    Intercept,
    /// Deviations of both, of the dependent, of the independent: the square of the coefficient of correlation.
    Determination,
    /// A sum of integers or decimals and a count: the sum of values that differ from those by a number.
    Displaced(Displacement),
}

impl Quantity {
    /// How to read its values.
    pub fn kind(self) -> Kind {
        match self {
            Self::Displaced(by) => by.kind(),
            _ => Kind::Float,
        }
    }

    /// The type that its values are kept in.
    pub fn ty(self) -> ValueType {
        match self {
            Self::Displaced(by) => ValueType::nullable(by.ty),
            _ => ValueType::nullable(Type::F64),
        }
    }

    /// What its values lie in, where that is known.
    pub fn range(self) -> Option<Bounds> {
        match self {
            Self::Displaced(by) => by.range,
            _ => None,
        }
    }

    /// The value for one group, as PostgreSQL has it.
    fn value(self, of: &[Option<f64>]) -> Option<f64> {
        let at = |at: usize| of.get(at).copied().flatten();
        match self {
            Self::Average => at(1).filter(|count| *count > 0.0).and_then(|count| Some(at(0)? / count)),
            Self::Variance { sample } => {
                let count = at(1)? - f64::from(u8::from(sample));
                (count > 0.0).then_some(at(0)? / count)
            }
            Self::Spread { sample } => Self::Variance { sample }.value(of).map(f64::sqrt),
            Self::Correlation => {
                let (both, first, second) = (at(0)?, at(1)?, at(2)?);
                (first != 0.0 && second != 0.0).then(|| both / (first * second).sqrt())
            }
            Self::Slope => {
                let (both, independent) = (at(0)?, at(1)?);
                (independent != 0.0).then(|| both / independent)
            }
            Self::Intercept => {
                let (both, independent, y, x, count) = (at(0)?, at(1)?, at(2)?, at(3)?, at(4)?);
                (independent != 0.0).then(|| (y - x * both / independent) / count)
            }
            Self::Determination => {
                let (both, dependent, independent) = (at(0)?, at(1)?, at(2)?);
                match (independent == 0.0, dependent == 0.0) {
                    (true, _) => None,
                    (false, true) => Some(1.0),
                    (false, false) => Some((both * both) / (independent * dependent)),
                }
            }
            // It is exact: `Displacement::column` computes it.
            Self::Displaced(_) => None,
        }
    }

    /// The values of a quantity of floats for many groups: `of` are columns of floats or of counts.
    pub fn values(self, of: &[ArrayRef]) -> ArrayRef {
        let columns: Vec<Vec<Option<f64>>> = of.iter().map(floats).collect();
        let rows = of.first().map_or(0, |first| first.len());
        let mut row = vec![None; columns.len()];
        let each = (0..rows).map(|at| {
            row.iter_mut().zip(&columns).for_each(|(value, column)| *value = column[at]);
            self.value(&row)
        });
        Arc::new(each.collect::<Float64Array>())
    }
}

fn floats(array: &ArrayRef) -> Vec<Option<f64>> {
    match array.as_primitive_opt::<Int64Type>() {
        Some(counts) => counts.iter().map(|count| count.map(|count| count as f64)).collect(),
        None => array.as_primitive::<Float64Type>().iter().collect(),
    }
}

impl Lowering<'_> {
    /// A formula over other inputs.
    pub fn formula(&mut self, formula: &Formula) -> Result<Value, Refusal> {
        if let Quantity::Displaced(by) = formula.what {
            return self.displaced_sum(by, &formula.of);
        }
        let mut of = Vec::new();
        for at in &formula.of {
            let value = self.input(*at)?;
            of.push(self.b.cast(value.node, Type::F64, None));
        }
        let quotient =
            |this: &mut Self, a: ExprId, b: ExprId| this.b.push(Expr::Arithmetic { op: Arithmetic::Divide, a, b, fault: None });
        let one = |this: &mut Self| this.b.push(Expr::Constant { ty: Type::F64, value: Some(Scalar::F64(1.0)) });
        let zero = |this: &mut Self| this.b.push(Expr::Constant { ty: Type::F64, value: Some(Scalar::F64(0.0)) });
        let node = match (formula.what, of.as_slice()) {
            // Of nothing the sum is NULL.
            (Quantity::Average | Quantity::Variance { sample: false }, [sum, count]) => quotient(self, *sum, *count),
            (Quantity::Variance { sample: true }, [sum, count]) => {
                let one = one(self);
                let less = self.b.push(Expr::Arithmetic { op: Arithmetic::Subtract, a: *count, b: one, fault: None });
                let condition = self.b.push(Expr::Compare { op: Comparison::Greater, a: *count, b: one });
                let (then, otherwise) = (quotient(self, *sum, less), self.b.null(Type::F64));
                self.b.push(Expr::Select { condition, then, otherwise })
            }
            (Quantity::Slope, [both, independent]) => {
                let zero = zero(self);
                let divisor = self.b.push(Expr::NullIf(*independent, zero));
                quotient(self, *both, divisor)
            }
            (Quantity::Spread { sample }, _) => {
                let variance = Formula { what: Quantity::Variance { sample }, of: formula.of.clone() };
                let a = self.formula(&variance)?.node;
                self.b.push(Expr::Math { op: Math::Sqrt, a })
            }
            (Quantity::Correlation, [both, first, second]) => {
                let zero = zero(self);
                let product = |this: &mut Self, a: ExprId, b: ExprId| this.of_floats(Arithmetic::Multiply, a, b);
                let (a, b) = (self.b.push(Expr::NullIf(*first, zero)), self.b.push(Expr::NullIf(*second, zero)));
                let a = product(self, a, b);
                let root = self.b.push(Expr::Math { op: Math::Sqrt, a });
                quotient(self, *both, root)
            }
            (Quantity::Intercept, [both, independent, y, x, count]) => {
                let zero = zero(self);
                let divisor = self.b.push(Expr::NullIf(*independent, zero));
                let product = self.of_floats(Arithmetic::Multiply, *x, *both);
                let rise = quotient(self, product, divisor);
                let left = self.of_floats(Arithmetic::Subtract, *y, rise);
                quotient(self, left, *count)
            }
            (Quantity::Determination, [both, dependent, independent]) => {
                let (zero, one) = (zero(self), one(self));
                let divisor = self.b.push(Expr::NullIf(*independent, zero));
                let below = self.of_floats(Arithmetic::Multiply, divisor, *dependent);
                let above = self.of_floats(Arithmetic::Multiply, *both, *both);
                let share = quotient(self, above, below);
                // Without a divisor it is NULL, whatever the dependent is.
                let there = self.of_floats(Arithmetic::Multiply, divisor, zero);
                let one = self.of_floats(Arithmetic::Add, one, there);
                let condition = self.b.push(Expr::Compare { op: Comparison::Equal, a: *dependent, b: zero });
                self.b.push(Expr::Select { condition, then: one, otherwise: share })
            }
            (_, _) => return Err(Refusal::new("a formula", "it has not the parts that it is computed from")),
        };
        Ok(Value { node, kind: Kind::Float })
    }

    fn of_floats(&mut self, op: Arithmetic, a: ExprId, b: ExprId) -> ExprId {
        self.b.push(Expr::Arithmetic { op, a, b, fault: None })
    }
}
