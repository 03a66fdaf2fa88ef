//! AggregateExec: groups and what is kept of them.
//!
//! # Adding an aggregate
//!
//! An arm in [`Lowering::aggregate`] by the function's name in plans.

use std::rc::Rc;
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use warpwise_gpu::program::sink::DENSE_LIMIT;
use warpwise_gpu::program::{Aggregate, AggregateOp, BitOp, Domain, ExprId, Fault, Key, Sink, Strategy, Type};

use super::distinct::apart;
use super::expr::constant;
use super::formula::{Formula, Quantity};
use super::grouping_sets;
use super::lower::{Knowledge, Made, Shape};
use super::numbered::Numbered;
use super::plan::{Aggregated, Chain, End};
use super::refusal::Refusal;
use super::scope::{Lowering, Scope};
use super::statistic::Statistic;
use super::value::{Kind, Value};

/// The most values that DISTINCT keeps a bit of.
const DISTINCT: u64 = 1 << 16;
/// The most bits of DISTINCT over all dense groups.
const DISTINCT_BITS: u64 = 1 << 24;
/// The most bits of DISTINCT of a hashed group.
const DISTINCT_HASHED: u64 = 1 << 10;
/// The most bytes of state of a dense group, where it has more than [`FEW_STATES`].
const DENSE_BYTES: u64 = 1 << 24;
/// States that are few enough, however large they are.
const FEW_STATES: u64 = 1 << 16;
/// A dense group that is this small is dense whatever the number of rows.
const SMALL: u64 = 1 << 12;

/// What an aggregate runs over.
pub fn input(aggregate: &AggregateExec) -> &Arc<dyn ExecutionPlan> {
    match (aggregate.mode(), aggregate.input().downcast_ref::<AggregateExec>()) {
        (AggregateMode::Final | AggregateMode::FinalPartitioned, Some(partial)) if *partial.mode() == AggregateMode::Partial => {
            partial.input()
        }
        _ => aggregate.input(),
    }
}

/// The chain with this aggregate behind it; Partial and Final above one another are one.
pub fn aggregate(aggregate: &AggregateExec, mut chain: Chain) -> Result<Chain, Refusal> {
    let described = |a: &AggregateExec| {
        let keys = a.group_expr().expr().iter().map(|(e, _)| e.to_string()).collect::<Vec<_>>().join(", ");
        let made = a.aggr_expr().iter().map(|a| a.human_display().unwrap_or(a.name()).to_owned()).collect::<Vec<_>>().join(", ");
        if keys.is_empty() { made } else { format!("{made} by {keys}") }
    };
    let below = aggregate.input().downcast_ref::<AggregateExec>();
    let (of, partial) = match (aggregate.mode(), below) {
        (AggregateMode::Final | AggregateMode::FinalPartitioned, Some(below)) if *below.mode() == AggregateMode::Partial => {
            (below, false)
        }
        (AggregateMode::Single | AggregateMode::SinglePartitioned, _) => (aggregate, false),
        (AggregateMode::Partial, _) => (aggregate, true),
        (mode, _) => {
            return Err(Refusal::new(
                format!("aggregate {}", described(aggregate)),
                format!("a lone step {mode:?} runs in DataFusion"),
            ));
        }
    };
    let what = || format!("aggregate {}", described(of));
    if aggregate.limit_options().is_some_and(|limit| limit.descending().is_none()) {
        return Err(Refusal::new(what(), "an aggregate with a limit runs in DataFusion"));
    }
    let aggregates: Vec<Aggregated> = of.aggr_expr().iter().zip(of.filter_expr()).map(|(a, f)| aggregated(a, f)).collect();
    let (detail, output) = (described(of), aggregate.schema());
    if of.group_expr().has_grouping_set() {
        let stage = chain.open().clone();
        let stages = if partial { None } else { grouping_sets::stages(&stage, of.group_expr(), &aggregates, &output) };
        let stages = stages.ok_or_else(|| Refusal::new(what(), "these GROUPING SETS have no device form"))?;
        chain.stages.pop();
        chain.stages.extend(stages);
        chain.note("Aggregate", detail);
        return Ok(chain);
    }
    let keys: Vec<_> = of.group_expr().expr().iter().map(|(e, _)| Arc::clone(e)).collect();
    let stage = chain.open();
    stage.instead = if partial { None } else { apart(stage, &keys, &aggregates, &output) };
    stage.end = End::Group { keys, aggregates, partial };
    stage.output = output;
    chain.note("Aggregate", detail);
    Ok(chain)
}

/// An aggregate of a plan.
fn aggregated(expr: &AggregateFunctionExpr, filter: &Option<Arc<dyn PhysicalExpr>>) -> Aggregated {
    let name = expr.fun().name().to_owned();
    // These do not change where a value comes again.
    let idempotent = matches!(name.as_str(), "min" | "max" | "bool_and" | "bool_or" | "bit_and" | "bit_or");
    Aggregated {
        shown: expr.human_display().unwrap_or(expr.name()).to_owned(),
        arguments: expr.expressions(),
        distinct: expr.is_distinct() && !idempotent,
        ordered: !expr.order_bys().is_empty(),
        data_type: expr.field().data_type().clone(),
        filter: filter.clone(),
        name,
    }
}

/// How groups are found.
pub struct Grouping {
    /// The keys, with what they lie in where groups are dense.
    pub keys: Vec<Key>,
    /// How.
    pub strategy: Strategy,
    /// Keys that are numbers in the place of values.
    pub numbered: Vec<Numbered>,
    /// How many dense groups there can be.
    groups: Option<u64>,
}

/// A group sink in the making.
pub(super) struct Sinking {
    groups: u64,
    hashed: bool,
    /// At most so many rows come.
    pub(super) rows: u64,
    knowledge: Knowledge,
    keys: usize,
    aggregates: Vec<Aggregate>,
    /// Arguments and filters that were lowered, over the columns that they are over.
    lowered: Vec<(Arc<dyn PhysicalExpr>, Rc<Scope>, Value)>,
}

impl Sinking {
    /// The output column of an aggregate; equal ones are kept once.
    pub(super) fn place(&mut self, aggregate: Aggregate) -> usize {
        let known = self.aggregates.iter().position(|a| *a == aggregate);
        self.keys
            + known.unwrap_or_else(|| {
                self.aggregates.push(aggregate);
                self.aggregates.len() - 1
            })
    }
}

impl Lowering<'_> {
    /// The sink of an aggregate.
    pub fn group(
        &mut self,
        keys: &[Arc<dyn PhysicalExpr>],
        aggregates: &[Aggregated],
        scope: &Rc<Scope>,
        rows: u64,
        knowledge: Knowledge,
    ) -> Result<Shape, Refusal> {
        let mut values = Vec::new();
        for key in keys {
            values.push(self.expr(key, scope)?);
        }
        let (grouped, taking) = match self.by_partner(&values) {
            Some((grouped, taking)) => (grouped, Some(taking)),
            None => (values.clone(), None),
        };
        let grouping = self.grouping(&grouped, rows, aggregates.len());
        let mut made: Vec<Made> =
            values.into_iter().enumerate().map(|(at, value)| Made::Column { at, kind: value.kind }).collect();
        let hashed = grouping.strategy == Strategy::Hash;
        let groups = grouping.groups.unwrap_or(1);
        let (kept, lowered) = (Vec::new(), Vec::new());
        let mut sinking = Sinking { groups, hashed, rows, knowledge, keys: keys.len(), aggregates: kept, lowered };
        let following = self.following(aggregates, scope, &mut sinking);
        for (aggregate, following) in aggregates.iter().zip(following) {
            made.push(match following {
                Some(sum) => sum.place(&mut sinking),
                None => self.aggregate(aggregate, scope, &mut sinking)?,
            });
        }
        let sink = Sink::Group { keys: grouping.keys, aggregates: sinking.aggregates, strategy: grouping.strategy };
        Ok(Shape { sink, made, numbered: grouping.numbered, taking, sorting: None })
    }

    /// How at most `rows` rows are grouped by values, so many aggregates of each group being kept.
    pub fn grouping(&mut self, values: &[Value], rows: u64, aggregates: usize) -> Grouping {
        let mut keys = Vec::new();
        let mut all = Vec::new();
        let mut groups = Some(1u64);
        for (at, value) in values.iter().enumerate() {
            let (expr, domain) = match self.numbered(value.node, at) {
                Some((node, numbered)) => {
                    let domain = Domain { low: 0, size: numbered.values.len() as u32 };
                    all.push(numbered);
                    (node, Some(domain))
                }
                None => (value.node, self.domain(value)),
            };
            let size = domain.map(|d| u64::from(d.size) + u64::from(self.b.ty(expr).nullable));
            groups = groups.zip(size).and_then(|(a, b)| a.checked_mul(b)).filter(|n| *n <= DENSE_LIMIT);
            keys.push(Key { expr, domain });
        }
        // About a word for each aggregate, and one for the rows.
        let small = |groups: u64| groups <= FEW_STATES || groups * 8 * (1 + aggregates as u64) <= DENSE_BYTES;
        let groups = groups.filter(|n| *n <= SMALL.max(rows / 8) && small(*n));
        let strategy = match (keys.is_empty(), groups) {
            (true, _) => Strategy::Single,
            (false, Some(_)) => Strategy::Dense,
            (false, None) => Strategy::Hash,
        };
        if strategy == Strategy::Hash {
            keys = values.iter().map(|value| Key { expr: value.node, domain: None }).collect();
            all.clear();
        }
        Grouping { keys, strategy, numbered: all, groups }
    }

    /// What the values of a key lie in, where that is few enough.
    fn domain(&self, value: &Value) -> Option<Domain> {
        let (low, high) = match &value.kind {
            Kind::Text(words) => (0, words.len().max(1) as i128 - 1),
            Kind::Boolean => (0, 1),
            Kind::Integer | Kind::Decimal { .. } | Kind::Date | Kind::Timestamp { .. } => self.b.bounds(value.node)?,
            Kind::Float | Kind::Plain { .. } => return None,
        };
        let size = high.checked_sub(low)?.checked_add(1).filter(|size| (1..=i128::from(DENSE_LIMIT)).contains(size))?;
        Some(Domain { low: i64::try_from(low).ok()?, size: size as u32 })
    }

    fn aggregate(&mut self, aggregate: &Aggregated, scope: &Rc<Scope>, sinking: &mut Sinking) -> Result<Made, Refusal> {
        let name = aggregate.name.as_str();
        let refused = |missing: String| Refusal::new(&aggregate.shown, missing);
        if aggregate.ordered {
            return Err(refused(format!("{name} with ORDER BY has no device form")));
        }
        let filter = self.passing(aggregate, scope, sinking)?;
        if name == "count" && !aggregate.distinct {
            let count = self.counted(aggregate, filter, scope, sinking)?;
            return Ok(Made::Column { at: sinking.place(count), kind: Kind::Integer });
        }
        if let Some(statistic) = Statistic::of(name)
            && !aggregate.distinct
            && matches!(aggregate.data_type, DataType::Float64 | DataType::Int64)
        {
            return self.statistic(statistic, aggregate, filter, scope, sinking);
        }
        let [argument] = aggregate.arguments.as_slice() else {
            return Err(refused(format!("function {name} has no device form")));
        };
        let bits = BitOp::ALL.into_iter().find(|op| op.name() == name);
        let supported = bits.is_some() || matches!(name, "sum" | "min" | "max" | "avg" | "count" | "bool_and" | "bool_or");
        if !supported {
            return Err(refused(format!("function {name} has no device form")));
        }
        let value = self.once(argument, scope, sinking)?;
        let data_type = aggregate.data_type.clone();
        match name {
            "count" | "sum" if aggregate.distinct => {
                let domain = self.distinct(&value, sinking).map_err(|why| refused(format!("{name}(DISTINCT …) {why}")))?;
                let (op, kind) = match (name, &value.kind) {
                    ("count", _) => (AggregateOp::CountDistinct(domain), Kind::Integer),
                    (_, Kind::Integer | Kind::Decimal { .. }) => {
                        let far = domain.low.unsigned_abs().max(domain.low.saturating_add(i64::from(domain.size)).unsigned_abs());
                        if far.checked_mul(domain.size.into()).is_none_or(|sum| sum > i64::MAX as u64) {
                            return Err(refused("sum(DISTINCT …) of such large numbers has no device form".to_owned()));
                        }
                        (AggregateOp::SumDistinct(domain), value.kind.clone())
                    }
                    (_, kind) => return Err(refused(format!("sum(DISTINCT …) of {} has no device form", kind.name()))),
                };
                let at = sinking.place(Aggregate { op, input: Some(value.node), filter });
                Ok(Made::Column { at, kind })
            }
            "sum" => {
                let op = self
                    .sum(&value, &data_type, sinking)
                    .ok_or_else(|| refused(format!("sum of {} as {data_type} has no device form", value.kind.name())))?;
                let at = sinking.place(self.summed(&value, op, filter));
                Ok(Made::Column { at, kind: value.kind })
            }
            "avg" if !aggregate.distinct && matches!(value.kind, Kind::Float) && data_type == DataType::Float64 => {
                let sum = AggregateOp::Sum { ty: Type::F64, fault: None };
                let sum = sinking.place(Aggregate { op: sum, input: Some(value.node), filter });
                let count = sinking.place(Aggregate { op: AggregateOp::Count, input: Some(value.node), filter });
                Ok(Made::Computed(Formula { what: Quantity::Average, of: vec![sum, count] }))
            }
            "bool_and" | "bool_or" if matches!(value.kind, Kind::Boolean) => {
                let op = if name == "bool_and" { AggregateOp::Min } else { AggregateOp::Max };
                let at = sinking.place(Aggregate { op, input: Some(value.node), filter });
                Ok(Made::Column { at, kind: value.kind })
            }
            "bit_and" | "bit_or" | "bit_xor"
                if !aggregate.distinct && matches!(value.kind, Kind::Integer) && self.b.ty(value.node).ty != Type::I128 =>
            {
                let op = AggregateOp::Bits(bits.unwrap_or(BitOp::Xor));
                let at = sinking.place(Aggregate { op, input: Some(value.node), filter });
                Ok(Made::Column { at, kind: value.kind })
            }
            "min" | "max" => {
                let op = if name == "min" { AggregateOp::Min } else { AggregateOp::Max };
                let (input, kind) = match &value.kind {
                    Kind::Text(words) => (self.rank(value.node, words), Kind::Text(Arc::clone(words.in_order()))),
                    kind => (value.node, kind.clone()),
                };
                let at = sinking.place(Aggregate { op, input: Some(input), filter });
                Ok(Made::Column { at, kind })
            }
            _ => {
                let distinct = if aggregate.distinct { "(DISTINCT …)" } else { "" };
                Err(refused(format!("{name}{distinct} of {} has no device form", value.kind.name())))
            }
        }
    }

    /// The value of an argument or a filter. It is lowered once: what it takes from the host would else be other parameters
    /// each time, and what is equal would not be found to be.
    pub(super) fn once(
        &mut self,
        expr: &Arc<dyn PhysicalExpr>,
        scope: &Rc<Scope>,
        sinking: &mut Sinking,
    ) -> Result<Value, Refusal> {
        let known = sinking.lowered.iter().find(|(known, over, _)| Rc::ptr_eq(over, scope) && known.eq(expr));
        if let Some((_, _, value)) = known {
            return Ok(value.clone());
        }
        let value = self.expr(expr, scope)?;
        sinking.lowered.push((Arc::clone(expr), Rc::clone(scope), value.clone()));
        Ok(value)
    }

    /// The condition of an aggregate's rows.
    pub(super) fn passing(
        &mut self,
        aggregate: &Aggregated,
        scope: &Rc<Scope>,
        sinking: &mut Sinking,
    ) -> Result<Option<ExprId>, Refusal> {
        let Some(filter) = &aggregate.filter else { return Ok(None) };
        match self.once(filter, scope, sinking)? {
            Value { node, kind: Kind::Boolean } => Ok(Some(node)),
            Value { kind, .. } => Err(Refusal::new(filter, format!("it is {}, not boolean", kind.name()))),
        }
    }

    /// A count as it is kept.
    pub(super) fn counted(
        &mut self,
        aggregate: &Aggregated,
        filter: Option<ExprId>,
        scope: &Rc<Scope>,
        sinking: &mut Sinking,
    ) -> Result<Aggregate, Refusal> {
        let inputs = aggregate.arguments.iter().filter(|a| !matches!(constant(a), Ok(Some(value)) if !value.is_null()));
        let inputs: Vec<_> = inputs.collect();
        let input = match inputs.as_slice() {
            [] => None,
            [only] => {
                // There are as many values as there are of those that differ from them by a number.
                let value = match self.displaced(only, scope, sinking) {
                    Some(displaced) => displaced.others,
                    None => self.once(only, scope, sinking)?,
                };
                self.counting(value.node)
            }
            _ => return Err(Refusal::new(&aggregate.shown, "count of several arguments has no device form")),
        };
        Ok(Aggregate { op: AggregateOp::Count, input, filter })
    }

    /// What a count of a node's values takes: a stored column raises nothing; what is computed may, and is computed for that
    /// alone.
    pub(super) fn counting(&self, node: ExprId) -> Option<ExprId> {
        let plain = self.b.is_column(node) && !self.b.ty(node).nullable;
        (!plain).then_some(node)
    }

    /// A sum as it is kept.
    pub(super) fn summed(&mut self, value: &Value, op: AggregateOp, filter: Option<ExprId>) -> Aggregate {
        let input = match op {
            AggregateOp::Sum { ty, .. } if value.kind.is_exact() && self.b.ty(value.node).ty.bits() > ty.bits() => {
                self.b.cast(value.node, ty, None)
            }
            _ => value.node,
        };
        Aggregate { op, input: Some(input), filter }
    }

    /// What is kept of a sum.
    pub(super) fn sum(&self, value: &Value, data_type: &DataType, sinking: &Sinking) -> Option<AggregateOp> {
        if matches!(value.kind, Kind::Float) {
            return matches!(data_type, DataType::Float64 | DataType::Float32)
                .then_some(AggregateOp::Sum { ty: Type::F64, fault: None });
        }
        if !matches!(value.kind, Kind::Integer | Kind::Decimal { .. }) {
            return None;
        }
        let (low, high) = self.b.bounds(value.node)?;
        let far = low.unsigned_abs().max(high.unsigned_abs());
        let greatest = far.checked_mul(u128::from(sinking.rows.max(1)));
        let narrow = greatest.is_some_and(|sum| sum <= i64::MAX as u128);
        Some(match (narrow, data_type) {
            (true, DataType::Int64 | DataType::Decimal128(..)) => AggregateOp::Sum { ty: Type::I64, fault: None },
            (false, DataType::Int64) => AggregateOp::Sum { ty: Type::I64, fault: Some(Fault::BigintRange) },
            (false, DataType::Decimal128(..)) => {
                let proved = greatest.is_some_and(|sum| sum <= i128::MAX as u128);
                AggregateOp::Sum { ty: Type::I128, fault: (!proved).then_some(Fault::NumericRange) }
            }
            (_, _) => return None,
        })
    }

    /// The domain of what DISTINCT keeps bits of.
    fn distinct(&self, value: &Value, sinking: &Sinking) -> Result<Domain, String> {
        let few = self.domain(value).filter(|domain| {
            let size = u64::from(domain.size);
            size <= DISTINCT
                && if sinking.hashed { size <= DISTINCT_HASHED } else { size.saturating_mul(sinking.groups) <= DISTINCT_BITS }
        });
        if matches!(value.kind, Kind::Float) {
            return Err("of float has no device form".to_owned());
        }
        match (few, sinking.knowledge) {
            (Some(domain), _) => Ok(domain),
            (None, Knowledge::Types) => Ok(Domain { low: 0, size: 2 }),
            (None, Knowledge::Data) => Err(format!("over so many values of {} has no device form", value.kind.name())),
        }
    }
}
