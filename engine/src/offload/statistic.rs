//! Variances, covariances and the line of least squares, of floats.

use std::rc::Rc;

use arrow::datatypes::DataType;
use warpwise_gpu::program::{Aggregate, AggregateOp, Expr, ExprId, Type};

use super::aggregate::Sinking;
use super::formula::{Formula, Quantity};
use super::lower::Made;
use super::plan::Aggregated;
use super::refusal::Refusal;
use super::scope::{Lowering, Scope};
use super::value::Kind;

/// What an aggregate of floats is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statistic {
    /// Of one argument.
    Variance {
        /// Whether its values are a sample.
        sample: bool,
        /// Whether the square root is wanted.
        root: bool,
    },
    /// Of two arguments, the dependent before the independent.
    Pair(Pair),
}

/// An aggregate of two arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pair {
    /// How they vary together.
    Covariance {
        /// Whether the values are a sample.
        sample: bool,
    },
    /// The coefficient of correlation.
    Correlation,
    /// The slope of the line of least squares.
    Slope,
    /// Where it meets the axis.
    Intercept,
    /// The square of the coefficient of correlation.
    Determination,
    /// The mean of the dependent.
    AverageY,
    /// The mean of the independent.
    AverageX,
    /// Squared deviations of the dependent.
    SquaresY,
    /// Squared deviations of the independent.
    SquaresX,
    /// Products of both deviations.
    Products,
    /// How many pairs.
    Count,
}

impl Statistic {
    /// The statistic of a function's name in plans.
    pub fn of(name: &str) -> Option<Self> {
        let variance = |sample, root| Some(Self::Variance { sample, root });
        let pair = |pair| Some(Self::Pair(pair));
        match name {
            "var" | "var_samp" | "variance" => variance(true, false),
            "var_pop" => variance(false, false),
            "stddev" | "stddev_samp" => variance(true, true),
            "stddev_pop" => variance(false, true),
            "covar" | "covar_samp" => pair(Pair::Covariance { sample: true }),
            "covar_pop" => pair(Pair::Covariance { sample: false }),
            "corr" => pair(Pair::Correlation),
            "regr_slope" => pair(Pair::Slope),
            "regr_intercept" => pair(Pair::Intercept),
            "regr_r2" => pair(Pair::Determination),
            "regr_avgy" => pair(Pair::AverageY),
            "regr_avgx" => pair(Pair::AverageX),
            "regr_syy" => pair(Pair::SquaresY),
            "regr_sxx" => pair(Pair::SquaresX),
            "regr_sxy" => pair(Pair::Products),
            "regr_count" => pair(Pair::Count),
            _ => None,
        }
    }
}

impl Lowering<'_> {
    /// What a statistic keeps of a group.
    pub(super) fn statistic(
        &mut self,
        statistic: Statistic,
        aggregate: &Aggregated,
        filter: Option<ExprId>,
        scope: &Rc<Scope>,
        sinking: &mut Sinking,
    ) -> Result<Made, Refusal> {
        let mut inputs = Vec::new();
        for argument in &aggregate.arguments {
            let value = self.expr(argument, scope)?;
            if !matches!(value.kind, Kind::Float) {
                let missing = format!("{} of {} has no device form", aggregate.name, value.kind.name());
                return Err(Refusal::new(&aggregate.shown, missing));
            }
            inputs.push(self.b.cast(value.node, Type::F64, None));
        }
        match (statistic, inputs.as_slice()) {
            (Statistic::Variance { sample, root }, [input]) => {
                let deviations = AggregateOp::Deviations { with: None };
                let deviations = sinking.place(Aggregate { op: deviations, input: Some(*input), filter });
                let count = sinking.place(Aggregate { op: AggregateOp::Count, input: Some(*input), filter });
                let what = if root { Quantity::Spread { sample } } else { Quantity::Variance { sample } };
                Ok(Made::Computed(Formula { what, of: vec![deviations, count] }))
            }
            (Statistic::Pair(pair), [y, x]) => self.pair(pair, *y, *x, aggregate, filter, sinking),
            (Statistic::Variance { .. } | Statistic::Pair(_), _) => {
                Err(Refusal::new(&aggregate.shown, format!("function {} has no device form", aggregate.name)))
            }
        }
    }

    fn pair(
        &mut self,
        pair: Pair,
        y: ExprId,
        x: ExprId,
        aggregate: &Aggregated,
        filter: Option<ExprId>,
        sinking: &mut Sinking,
    ) -> Result<Made, Refusal> {
        // A row counts where neither is NULL.
        let mut filter = filter;
        for input in [y, x] {
            if self.b.ty(input).nullable {
                let null = self.b.push(Expr::IsNull(input));
                let there = self.b.not(null);
                filter = Some(match filter {
                    Some(before) => self.b.push(Expr::And(before, there)),
                    None => there,
                });
            }
        }
        let mut place = |op, input| sinking.place(Aggregate { op, input, filter });
        let deviations = |with| AggregateOp::Deviations { with };
        let sum = AggregateOp::Sum { ty: Type::F64, fault: None };
        let column = |at, kind| Ok(Made::Column { at, kind });
        let computed = |what, of| Ok(Made::Computed(Formula { what, of }));
        match pair {
            Pair::Covariance { sample } => {
                let of = vec![place(deviations(Some(x)), Some(y)), place(AggregateOp::Count, None)];
                computed(Quantity::Variance { sample }, of)
            }
            Pair::Correlation => {
                let of =
                    vec![place(deviations(Some(x)), Some(y)), place(deviations(None), Some(y)), place(deviations(None), Some(x))];
                computed(Quantity::Correlation, of)
            }
            Pair::Slope => {
                let of = vec![place(deviations(Some(x)), Some(y)), place(deviations(None), Some(x))];
                computed(Quantity::Slope, of)
            }
            Pair::Intercept => {
                let of = vec![
                    place(deviations(Some(x)), Some(y)),
                    place(deviations(None), Some(x)),
                    place(sum, Some(y)),
                    place(sum, Some(x)),
                    place(AggregateOp::Count, None),
                ];
                computed(Quantity::Intercept, of)
            }
            Pair::Determination => {
                let of =
                    vec![place(deviations(Some(x)), Some(y)), place(deviations(None), Some(y)), place(deviations(None), Some(x))];
                computed(Quantity::Determination, of)
            }
            Pair::AverageY => computed(Quantity::Average, vec![place(sum, Some(y)), place(AggregateOp::Count, None)]),
            Pair::AverageX => computed(Quantity::Average, vec![place(sum, Some(x)), place(AggregateOp::Count, None)]),
            Pair::SquaresY => column(place(deviations(None), Some(y)), Kind::Float),
            Pair::SquaresX => column(place(deviations(None), Some(x)), Kind::Float),
            Pair::Products => column(place(deviations(Some(x)), Some(y)), Kind::Float),
            Pair::Count if aggregate.data_type == DataType::Int64 => column(place(AggregateOp::Count, None), Kind::Integer),
            Pair::Count => {
                let missing = format!("{} as {} has no device form", aggregate.name, aggregate.data_type);
                Err(Refusal::new(&aggregate.shown, missing))
            }
        }
    }
}
