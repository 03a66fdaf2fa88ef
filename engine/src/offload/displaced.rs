//! Sums of values that differ from others by a number: of `x + 1` and `x + 2` a device keeps the sum of `x` and how many there
//! are. What is missing is added behind it, once a group.
//!
//! That is so only where bounds prove that no `x + 1` leaves its type's range: no error goes missing.

use std::rc::Rc;
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{BinaryExpr, CastExpr, Column};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use warpwise_gpu::program::builder::power_of_ten;
use warpwise_gpu::program::values::padded;
use warpwise_gpu::program::{Aggregate, AggregateOp, Arithmetic, Bounds, Fault, Type, ValueType};
use warpwise_gpu::{Error, column};

use super::aggregate::Sinking;
use super::arithmetic::scale;
use super::compare::exact;
use super::expr::constant;
use super::formula::{Formula, Quantity};
use super::lower::Made;
use super::plan::Aggregated;
use super::refusal::Refusal;
use super::scope::{Lowering, Scope};
use super::value::{Kind, Value, limit};

/// How a sum follows from the sum and the count of other values, which differ by a number from those that are summed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Displacement {
    /// The number, counted as the sum is.
    pub by: i128,
    /// Digits behind the point that the sum has and the sum of the other values has not.
    pub digits: u32,
    /// Digits behind the point of the sum, where it is one of numerics.
    pub scale: Option<u32>,
    /// A type that the sum fits.
    pub ty: Type,
    /// What the sum lies in, as far as the size of the number tells.
    pub range: Option<Bounds>,
}

impl Displacement {
    /// How to read the sum.
    pub fn kind(self) -> Kind {
        match self.scale {
            Some(scale) => Kind::Decimal { scale },
            None => Kind::Integer,
        }
    }

    /// Whether the sum is that of the other values.
    fn is_nothing(self) -> bool {
        self.by == 0 && self.digits == 0
    }

    /// The sum of one group.
    fn sum(self, others: i128, count: i128) -> Option<i128> {
        let others = others.checked_mul(power_of_ten(self.digits)?)?;
        let (low, high) = self.ty.range()?;
        others.checked_add(self.by.checked_mul(count)?).filter(|sum| (low..=high).contains(sum))
    }

    /// The sums of all groups; NULL where that of the other values is.
    pub fn column(self, others: &column::Column, counts: &column::Column) -> Result<column::Column, Error> {
        let bytes = self.ty.bytes();
        let mut values = Vec::with_capacity(others.rows * bytes + 64);
        for row in 0..others.rows {
            let is_there = others.validity.as_ref().is_none_or(|bits| bits[row / 8] >> (row % 8) & 1 == 1);
            let sum = if is_there { self.sum(element(others, row), element(counts, row)) } else { Some(0) };
            // It was proved to fit before the program was made.
            let fault = if self.scale.is_some() { Fault::NumericRange } else { Fault::BigintRange };
            let sum = sum.ok_or(Error::Fault(fault))?;
            values.extend_from_slice(&sum.to_le_bytes()[..bytes]);
        }
        let ty = ValueType { ty: self.ty, nullable: others.validity.is_some() };
        Ok(column::Column::new(ty, others.rows, padded(values), others.validity.clone()))
    }
}

/// A sum or a count of a group.
fn element(column: &column::Column, row: usize) -> i128 {
    let bytes = &column.values[row * column.ty.ty.bytes()..];
    match column.ty.ty {
        Type::I128 => bytes.first_chunk().map_or(0, |word| i128::from_le_bytes(*word)),
        _ => bytes.first_chunk().map_or(0, |word| i128::from(i64::from_le_bytes(*word))),
    }
}

/// A number that the host knows.
#[derive(Debug)]
struct Number {
    value: i128,
    scale: u32,
    is_decimal: bool,
}

impl Number {
    fn of(value: &ScalarValue) -> Option<Self> {
        let is_decimal = !value.data_type().is_integer();
        // Of numbers that are not integers these are decimals alone.
        let (mut value, mut scale) = exact(&Kind::Integer, value)?;
        while scale > 0 && value % 10 == 0 {
            (value, scale) = (value / 10, scale - 1);
        }
        Some(Self { value, scale, is_decimal })
    }

    fn negated(self) -> Option<Self> {
        Some(Self { value: self.value.checked_neg()?, ..self })
    }
}

/// What happens to a value.
#[derive(Debug)]
enum Step {
    /// A number is added; the sum has a type.
    Add(Number, DataType),
    /// It becomes another type's.
    Cast(DataType),
}

/// An expression as steps over another one, the first of which adds a number.
#[derive(Debug)]
struct Stripped {
    base: Arc<dyn PhysicalExpr>,
    scope: Rc<Scope>,
    steps: Vec<Step>,
}

/// An expression without the numbers that are added to it; `None` where there are none.
fn stripped(expr: &Arc<dyn PhysicalExpr>, scope: &Rc<Scope>) -> Option<Stripped> {
    if let Some(column) = expr.downcast_ref::<Column>() {
        let (expr, below) = scope.computed(column.index())?;
        return stripped(expr, below);
    }
    if let Some(cast) = expr.downcast_ref::<CastExpr>() {
        let mut inner = stripped(cast.expr(), scope)?;
        inner.steps.push(Step::Cast(expr.data_type(&scope.schema).ok()?));
        return Some(inner);
    }
    let (of, number) = addition(expr)?;
    let mut inner =
        stripped(of, scope).unwrap_or_else(|| Stripped { base: Arc::clone(of), scope: Rc::clone(scope), steps: Vec::new() });
    inner.steps.push(Step::Add(number, expr.data_type(&scope.schema).ok()?));
    Some(inner)
}

/// What a number is added to, and which.
fn addition(expr: &Arc<dyn PhysicalExpr>) -> Option<(&Arc<dyn PhysicalExpr>, Number)> {
    let (subtracts, left, right) = if let Some(binary) = expr.downcast_ref::<BinaryExpr>() {
        let subtracts = match binary.op() {
            Operator::Plus => false,
            Operator::Minus => true,
            _ => return None,
        };
        (subtracts, binary.left(), binary.right())
    } else {
        let call = expr.downcast_ref::<ScalarFunctionExpr>()?;
        let subtracts = match call.fun().name() {
            "checked_add" => false,
            "checked_subtract" => true,
            _ => return None,
        };
        let [left, right] = call.args() else { return None };
        (subtracts, left, right)
    };
    let known = |operand: &Arc<dyn PhysicalExpr>| constant(operand).ok().flatten().and_then(|value| Number::of(&value));
    match (known(left), known(right)) {
        (None, Some(number)) if subtracts => Some((left, number.negated()?)),
        (None, Some(number)) => Some((left, number)),
        (Some(number), None) if !subtracts => Some((right, number)),
        (_, _) => None,
    }
}

fn within(inner: Bounds, outer: Bounds) -> bool {
    outer.0 <= inner.0 && inner.1 <= outer.1
}

/// Values that differ from others by a number.
#[derive(Debug)]
pub(super) struct Displaced {
    /// The others.
    pub(super) others: Value,
    by: i128,
    bounds: Bounds,
    scale: u32,
    is_decimal: bool,
}

impl Displaced {
    /// What a step makes of them; `None` where it may fail, or is not known to leave their distance as it is. A step is here what
    /// lowering makes of it.
    fn then(self, step: &Step) -> Option<Self> {
        let (low, high) = self.bounds;
        let is_integer = |data_type: &DataType| matches!(Kind::of(data_type), Some((Kind::Integer, _)));
        match step {
            Step::Add(number, data_type) if !self.is_decimal && !number.is_decimal && is_integer(data_type) => {
                let by = self.by.checked_add(number.value)?;
                let bounds = (low.checked_add(number.value)?, high.checked_add(number.value)?);
                within(bounds, limit(data_type).0.range()?).then_some(Self { by, bounds, ..self })
            }
            Step::Add(number, DataType::Decimal128(..)) => {
                let scale = self.scale.max(number.scale);
                let factor = power_of_ten(scale - self.scale)?;
                let more = number.value.checked_mul(power_of_ten(scale - number.scale)?)?;
                let moved = |value: i128| value.checked_mul(factor)?.checked_add(more);
                let (by, bounds) = (moved(self.by)?, (moved(low)?, moved(high)?));
                Some(Self { by, bounds, scale, is_decimal: true, ..self })
            }
            Step::Cast(DataType::Decimal128(precision, wanted)) => {
                // What is stored with fewer digits behind the point has fewer in all; with more it would be rounded.
                let fewer = u32::try_from(*wanted).ok()?.checked_sub(self.scale)?;
                let beyond = power_of_ten(u32::from(*precision).saturating_sub(fewer));
                let greatest = beyond.map_or(i128::MAX, |beyond| beyond - 1);
                within(self.bounds, (-greatest, greatest)).then_some(Self { is_decimal: true, ..self })
            }
            Step::Cast(to) if !self.is_decimal && is_integer(to) => within(self.bounds, limit(to).0.range()?).then_some(self),
            Step::Add(..) | Step::Cast(_) => None,
        }
    }
}

/// A sum as what follows from that of other values.
#[derive(Debug)]
pub(super) struct Following {
    sum: Aggregate,
    count: Aggregate,
    by: Displacement,
}

impl Following {
    /// The same among what a sink keeps.
    pub(super) fn place(self, sinking: &mut Sinking) -> Made {
        let sum = sinking.place(self.sum);
        if self.by.is_nothing() {
            return Made::Column { at: sum, kind: self.by.kind() };
        }
        let count = sinking.place(self.count);
        Made::Computed(Formula { what: Quantity::Displaced(self.by), of: vec![sum, count] })
    }
}

impl Lowering<'_> {
    /// An argument as what differs from other values by a number; `None` where it does not, or could fail where they do not.
    pub(super) fn displaced(
        &mut self,
        argument: &Arc<dyn PhysicalExpr>,
        scope: &Rc<Scope>,
        sinking: &mut Sinking,
    ) -> Option<Displaced> {
        let Stripped { base, scope, steps } = stripped(argument, scope)?;
        let others = self.once(&base, &scope, sinking).ok()?;
        let others = self.in_place(others)?;
        steps.iter().try_fold(others, |displaced, step| displaced.then(step))
    }

    /// Values that differ from themselves by nothing.
    fn in_place(&self, others: Value) -> Option<Displaced> {
        let is_decimal = match others.kind {
            Kind::Integer => false,
            Kind::Decimal { .. } => true,
            _ => return None,
        };
        let bounds = self.b.bounds(others.node)?;
        Some(Displaced { by: 0, bounds, scale: scale(&others.kind), is_decimal, others })
    }

    /// Sums that are kept as the sum of other values and how many these are; in the others' places `None`. A sum that shares
    /// neither with any aggregate beside it is kept as it is: a count is more to keep than an addition is to do.
    pub(super) fn following(
        &mut self,
        aggregates: &[Aggregated],
        scope: &Rc<Scope>,
        sinking: &mut Sinking,
    ) -> Vec<Option<Following>> {
        let adds = |a: &Aggregated| a.name == "sum" && a.arguments.iter().any(|argument| stripped(argument, scope).is_some());
        if !aggregates.iter().any(adds) {
            return aggregates.iter().map(|_| None).collect();
        }
        let mut sums: Vec<Option<Following>> = Vec::new();
        let mut counts: Vec<Aggregate> = Vec::new();
        for aggregate in aggregates {
            sums.push(self.following_sum(aggregate, scope, sinking));
            if aggregate.name == "count"
                && !aggregate.distinct
                && !aggregate.ordered
                && let Ok(filter) = self.passing(aggregate, scope, sinking)
            {
                counts.extend(self.counted(aggregate, filter, scope, sinking));
            }
        }
        let shares = |one: &Following| {
            let mut others = sums.iter().flatten();
            counts.contains(&one.count) || others.any(|other: &Following| other.sum == one.sum && other.by != one.by)
        };
        let wanted = |sum: &Option<Following>| sum.as_ref().is_some_and(|sum| sum.by.is_nothing() || shares(sum));
        let wanted: Vec<bool> = sums.iter().map(wanted).collect();
        sums.into_iter().zip(wanted).map(|(sum, wanted)| sum.filter(|_| wanted)).collect()
    }

    fn following_sum(&mut self, aggregate: &Aggregated, scope: &Rc<Scope>, sinking: &mut Sinking) -> Option<Following> {
        let [argument] = aggregate.arguments.as_slice() else { return None };
        if aggregate.name != "sum" || aggregate.distinct || aggregate.ordered {
            return None;
        }
        let filter = self.passing(aggregate, scope, sinking).ok()?;
        let displaced = match self.displaced(argument, scope, sinking) {
            Some(displaced) => displaced,
            None => {
                let whole = self.once(argument, scope, sinking).ok()?;
                self.in_place(whole)?
            }
        };
        let op = self.sum(&displaced.others, &aggregate.data_type, sinking)?;
        // One that may overflow could do so where the sum that is wanted does not.
        if !matches!(op, AggregateOp::Sum { fault: None, .. }) {
            return None;
        }
        let by = self.displacement(&displaced, &aggregate.data_type, sinking.rows)?;
        let count = Aggregate { op: AggregateOp::Count, input: self.counting(displaced.others.node), filter };
        Some(Following { sum: self.summed(&displaced.others, op, filter), count, by })
    }

    /// How the sum of at most so many values follows from that of the others; `None` where nothing proves that it fits.
    fn displacement(&mut self, displaced: &Displaced, data_type: &DataType, rows: u64) -> Option<Displacement> {
        let digits = displaced.scale - scale(&displaced.others.kind);
        let (factor, rows) = (power_of_ten(digits)?, i128::from(rows.max(1)));
        let (low, high) = self.b.bounds(displaced.others.node)?;
        let (low, high) = (low.checked_mul(factor)?, high.checked_mul(factor)?);
        let far = |(low, high): Bounds| low.checked_abs()?.max(high.checked_abs()?).checked_mul(rows);
        // Neither part of the sum passes 128 bits, nor do both together.
        far((low, high))?.checked_add(far((displaced.by, displaced.by))?)?;
        let long = Type::I64.range()?;
        let is_bigint = *data_type == DataType::Int64;
        if is_bigint && far(displaced.bounds)? > long.1 {
            return None;
        }
        // As where it is added to each value, only the number's size is structure in what follows.
        let number = self.b.integer(displaced.by);
        let number = self.b.bounds(number)?;
        let range = low.checked_add(number.0).zip(high.checked_add(number.1));
        let range = range.and_then(|(low, high)| low.min(0).checked_mul(rows).zip(high.max(0).checked_mul(rows)));
        let ty = if is_bigint || range.is_some_and(|range| within(range, long)) { Type::I64 } else { Type::I128 };
        let all = ty.range()?;
        let range = range.map(|(low, high)| (low.max(all.0), high.min(all.1)));
        Some(Displacement { by: displaced.by, digits, scale: displaced.is_decimal.then_some(displaced.scale), ty, range })
    }

    /// The sum in a stage that follows, over the inputs that have the sum of the other values and their count.
    pub(super) fn displaced_sum(&mut self, by: Displacement, of: &[usize]) -> Result<Value, Refusal> {
        let [others, count] = of else {
            return Err(Refusal::new("a sum", "it has not the parts that it is computed from"));
        };
        let (others, count) = (self.input(*others)?.node, self.input(*count)?.node);
        let others = self.b.scaled(others, by.digits, Type::I128, Fault::NumericRange);
        let others = others.ok_or_else(|| Refusal::new("a sum", "numeric with more than 38 digits has no device form"))?;
        let number = self.b.integer(by.by);
        let more = self.b.integers(Arithmetic::Multiply, count, number, Type::I128, Fault::NumericRange);
        let sum = self.b.integers(Arithmetic::Add, others, more, Type::I128, Fault::NumericRange);
        if let Some(range) = by.range {
            self.b.narrow(sum, range);
        }
        Ok(Value { node: self.b.cast(sum, by.ty, None), kind: by.kind() })
    }
}

#[cfg(test)]
mod tests {
    use super::super::built::Builds;
    use arrow::datatypes::{Field, Schema, SchemaRef};
    use datafusion::physical_expr::expressions::{col, lit};
    use warpwise_gpu::program::Sink;

    use super::super::lower::{Knowledge, Lowered, lower};
    use super::super::plan::{End, Stage};
    use super::super::value::InputColumn;
    use super::*;

    /// A column of integers from -100 to 2000.
    fn schema() -> SchemaRef {
        Arc::new(Schema::new(vec![Field::new("w", DataType::Int32, true)]))
    }

    fn input() -> InputColumn {
        InputColumn {
            name: "w".to_owned(),
            data_type: DataType::Int32,
            ty: ValueType::nullable(Type::I16),
            kind: Kind::Integer,
            range: Some((-100, 2000)),
            present: None,
            refused: None,
            formula: None,
        }
    }

    fn aggregated(name: &str, argument: Arc<dyn PhysicalExpr>) -> Aggregated {
        Aggregated {
            name: name.to_owned(),
            shown: name.to_owned(),
            arguments: vec![argument],
            distinct: false,
            ordered: false,
            data_type: DataType::Int64,
            filter: None,
        }
    }

    fn column() -> Arc<dyn PhysicalExpr> {
        col("w", &schema()).unwrap()
    }

    fn plus(number: i32) -> Arc<dyn PhysicalExpr> {
        Arc::new(BinaryExpr::new(column(), Operator::Plus, lit(number)))
    }

    fn lowered(aggregates: Vec<Aggregated>) -> Lowered {
        let fields: Vec<_> = (0..aggregates.len()).map(|at| Field::new(format!("a{at}"), DataType::Int64, true)).collect();
        let end = End::Group { keys: Vec::new(), aggregates, partial: false };
        let stage = Stage { end, output: Arc::new(Schema::new(fields)), ..Stage::over(schema()) };
        lower(&stage, &[input()], 1000, Knowledge::Data, &Builds::new()).unwrap()
    }

    fn kept(lowered: &Lowered) -> Vec<AggregateOp> {
        match &lowered.pipeline.sink {
            Sink::Group { aggregates, .. } => aggregates.iter().map(|aggregate| aggregate.op).collect(),
            other => panic!("{other:?}"),
        }
    }

    /// The numbers that are added to sums; `None` where nothing is computed.
    fn numbers(lowered: &Lowered) -> Vec<Option<i128>> {
        let each = lowered.leaves.made.iter().map(|made| match made {
            Made::Column { .. } => None,
            Made::Computed(Formula { what: Quantity::Displaced(by), .. }) => Some(by.by),
            Made::Computed(other) => panic!("{other:?}"),
        });
        each.collect()
    }

    const SUM: AggregateOp = AggregateOp::Sum { ty: Type::I64, fault: None };

    #[test]
    fn sums_of_one_column_share_a_sum_and_a_count() {
        let seven: Arc<dyn PhysicalExpr> = Arc::new(BinaryExpr::new(lit(7i32), Operator::Plus, column()));
        let less: Arc<dyn PhysicalExpr> = Arc::new(BinaryExpr::new(plus(1), Operator::Minus, lit(10i32)));
        let sums = [plus(0), plus(2), plus(100_000), seven, less, column()];
        let mut aggregates: Vec<Aggregated> = sums.into_iter().map(|argument| aggregated("sum", argument)).collect();
        aggregates.push(aggregated("count", plus(3)));
        let lowered = lowered(aggregates);
        assert_eq!(kept(&lowered), [SUM, AggregateOp::Count]);
        assert_eq!(numbers(&lowered), [None, Some(2), Some(100_000), Some(7), Some(-9), None, None]);
        assert!(lowered.values.scalars.is_empty(), "{:?}", lowered.values);
    }

    #[test]
    fn what_shares_nothing_or_may_overflow_is_kept_as_it_is() {
        let alone = lowered(vec![aggregated("sum", plus(5))]);
        assert_eq!((kept(&alone), numbers(&alone)), (vec![SUM], vec![None]));
        let beside = vec![aggregated("sum", plus(5)), aggregated("count", column())];
        assert_eq!(numbers(&lowered(beside)), [Some(5), None]);
        let overflows = lowered(vec![aggregated("sum", plus(5)), aggregated("sum", plus(i32::MAX - 1999))]);
        assert_eq!((kept(&overflows).len(), numbers(&overflows)), (2, vec![None, None]));
        let fits = lowered(vec![aggregated("sum", plus(5)), aggregated("sum", plus(i32::MAX - 2000))]);
        assert_eq!(numbers(&fits), [Some(5), Some(i128::from(i32::MAX - 2000))]);
    }

    #[test]
    fn numbers_are_added_to_what_is_not_null() {
        let bytes = |values: [i64; 3]| padded(values.into_iter().flat_map(i64::to_le_bytes).collect());
        let ty = ValueType::nullable(Type::I64);
        let others = column::Column::new(ty, 3, bytes([10, 99, -5]), Some(padded(vec![0b101])));
        let counts = column::Column::new(ValueType::of(Type::I64), 3, bytes([2, 0, 1]), None);
        let by = Displacement { by: -125, digits: 2, scale: Some(3), ty: Type::I64, range: None };
        let sums = by.column(&others, &counts).unwrap();
        assert_eq!([0, 1, 2].map(|row| element(&sums, row)), [1000 - 250, 0, -500 - 125]);
        let wide = Displacement { ty: Type::I128, by: i128::from(i64::MAX), digits: 0, scale: None, range: None };
        let sums = wide.column(&others, &counts).unwrap();
        assert_eq!([0, 1, 2].map(|row| element(&sums, row)), [10 + 2 * i128::from(i64::MAX), 0, i128::from(i64::MAX) - 5]);
        let narrow = Displacement { ty: Type::I64, ..wide };
        assert_eq!(narrow.column(&others, &counts).unwrap_err(), Error::Fault(Fault::BigintRange));
    }
}
