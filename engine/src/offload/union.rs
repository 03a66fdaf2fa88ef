//! UnionExec: the rows of several chains, one below the other.
//!
//! The chain goes on with the first one's rows; the others run when their rows are asked for, and stand below them. Tables store
//! the same SQL type in different ways: codes of their own dictionaries, decimals with fewer digits behind the point,
//! timestamps in coarser units, integers of fewer bits. [`Alignment`] says in what all of them are the same.

use std::sync::Arc;

use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::union::UnionExec;
use warpwise_gpu::program::builder::power_of_ten;
use warpwise_gpu::program::{Bounds, Type, ValueType};

use super::built::{Built, BuiltColumn};
use super::lower::{Leaves, Made};
use super::plan::{Chain, End, Join, Operator, Union};
use super::refusal::Refusal;
use super::value::Kind;
use super::words::Words;

/// The first chain with the rows of the others below its own.
pub fn union(node: &UnionExec, chains: Vec<Chain>) -> Result<Chain, Refusal> {
    let mut chains = chains.into_iter();
    let Some(mut chain) = chains.next() else { return Err(Refusal::new("a union", "there is nothing in it")) };
    let union = Arc::new(Union { id: Join::fresh(), others: chains.map(|chain| (Join::fresh(), chain)).collect() });
    let stage = chain.open();
    stage.end = End::Union(Arc::clone(&union));
    stage.output = node.schema();
    let at = chain.stages.len() - 1;
    let detail = format!("rows of {} inputs", union.others.len() + 1);
    chain.operators.push(Operator { name: "Union", detail, stage: at, join: None, union: Some(union) });
    Ok(chain)
}

/// What the columns of several are together.
#[derive(Debug)]
pub struct Alignment {
    /// One for each column: how to read it, and the type that it is stored in, nullable where any is.
    pub columns: Vec<Described>,
    /// For each of the several, what becomes of its columns.
    pub changes: Vec<Vec<Change>>,
}

/// What becomes of a column's values.
#[derive(Debug, Clone)]
pub enum Change {
    /// They are multiplied.
    Times(i128),
    /// Codes become others.
    Codes(Arc<[u32]>),
    /// Codes become what they stand for.
    Spelled(Arc<Words>),
}

/// The kind, the type and the range of a column that is there.
fn column(leaves: &Leaves, at: usize) -> Described {
    match &leaves.made[at] {
        Made::Column { at, kind } => (kind.clone(), leaves.types[*at], leaves.ranges[*at]),
        Made::Computed(formula) => (formula.what.kind(), formula.what.ty(), formula.what.range()),
    }
}

/// In what several are the same.
pub fn aligned(parts: &[&Leaves]) -> Result<Alignment, Refusal> {
    let count = parts.first().map_or(0, |leaves| leaves.made.len());
    if parts.iter().any(|leaves| leaves.made.len() != count) {
        return Err(Refusal::new("a union", "its inputs have different numbers of columns"));
    }
    let mut all = Alignment { columns: Vec::new(), changes: vec![Vec::new(); parts.len()] };
    for at in 0..count {
        let columns: Vec<_> = parts.iter().map(|leaves| column(leaves, at)).collect();
        let (kind, changes) = common(&columns)?;
        let nullable = columns.iter().any(|(_, ty, _)| ty.nullable);
        let (ty, range) = stored(&kind, &columns, &changes);
        all.columns.push((kind, ValueType { ty, nullable }, range));
        all.changes.iter_mut().zip(changes).for_each(|(all, change)| all.push(change));
    }
    Ok(all)
}

/// How to read a column, the type that it is stored in, and what it lies in.
pub type Described = (Kind, ValueType, Option<Bounds>);
type Columns = [Described];

/// The kind of all, and what becomes of each.
fn common(columns: &Columns) -> Result<(Kind, Vec<Change>), Refusal> {
    let kinds = || columns.iter().map(|(kind, ..)| kind);
    let same = || columns.iter().map(|_| Change::Times(1)).collect();
    let Some(first) = kinds().next() else { return Err(Refusal::new("a union", "there is nothing in it")) };
    let texts = kinds().all(|kind| matches!(kind, Kind::Text(_) | Kind::Plain { .. }));
    if texts && kinds().any(|kind| matches!(kind, Kind::Plain { .. })) {
        let ascii = kinds().all(|kind| match kind {
            Kind::Text(words) => words.is_ascii(),
            other => other.is_ascii(),
        });
        let each =
            kinds().map(|kind| if let Kind::Text(words) = kind { Change::Spelled(Arc::clone(words)) } else { Change::Times(1) });
        return Ok((Kind::Plain { ascii }, each.collect()));
    }
    if let Some(other) = kinds().find(|kind| std::mem::discriminant(*kind) != std::mem::discriminant(first)) {
        return Err(Refusal::new("a union", format!("{} beside {}", first.name(), other.name())));
    }
    match first {
        Kind::Decimal { .. } => {
            let scale_of = |kind: &Kind| if let Kind::Decimal { scale } = kind { *scale } else { 0 };
            let scale = kinds().map(scale_of).max().unwrap_or(0);
            let each = kinds().map(|kind| power_of_ten(scale - scale_of(kind)).map(Change::Times));
            let each = each.collect::<Option<_>>().ok_or_else(|| Refusal::new("a union", "decimals of very different scales"))?;
            Ok((Kind::Decimal { scale }, each))
        }
        Kind::Timestamp { tick, zoned, .. } => {
            let unit_of = |kind: &Kind| match kind {
                Kind::Timestamp { unit, tick: other, zoned: also } if (other, also) == (tick, zoned) => Some(*unit),
                _ => None,
            };
            let units: Option<Vec<i128>> = kinds().map(unit_of).collect();
            let units = units.ok_or_else(|| Refusal::new("a union", "timestamps of several units"))?;
            let unit = units.iter().copied().fold(0, divisor).max(1);
            let each = units.iter().map(|of| Change::Times(of / unit)).collect();
            Ok((Kind::Timestamp { unit, tick: *tick, zoned: *zoned }, each))
        }
        Kind::Text(words) => {
            let others: Vec<_> =
                kinds().map(|kind| if let Kind::Text(words) = kind { Arc::clone(words) } else { Words::of("") }).collect();
            if others.iter().all(|other| other.same(words)) {
                return Ok((first.clone(), same()));
            }
            let mut merged = Arc::clone(words);
            for other in &others {
                merged = Words::merged(&merged, other).0;
            }
            let each = others.iter().map(|other| {
                let codes = merged.places(other).into_iter().map(|place| place.unwrap_or(0));
                Change::Codes(codes.collect())
            });
            let each = each.collect();
            Ok((Kind::Text(merged), each))
        }
        Kind::Boolean | Kind::Integer | Kind::Float | Kind::Date | Kind::Plain { .. } => Ok((first.clone(), same())),
    }
}

fn divisor(a: i128, b: i128) -> i128 {
    if b == 0 { a } else { divisor(b, a % b) }
}

/// The type that holds all, and what they lie in.
fn stored(kind: &Kind, columns: &Columns, changes: &[Change]) -> (Type, Option<Bounds>) {
    match kind {
        Kind::Plain { .. } => return (Type::Text, None),
        Kind::Text(words) => {
            let last = words.len().saturating_sub(1) as i128;
            let ty = [Type::U8, Type::U16].into_iter().find(|ty| ty.range().is_some_and(|(_, most)| last <= most));
            return (ty.unwrap_or(Type::U32), Some((0, last)));
        }
        Kind::Boolean | Kind::Integer | Kind::Decimal { .. } | Kind::Float | Kind::Date | Kind::Timestamp { .. } => {}
    }
    let types = || columns.iter().map(|(_, ty, _)| ty.ty);
    let widest = types().max_by_key(|ty| ty.bits()).unwrap_or(Type::I64);
    if !types().all(Type::is_integer) {
        return (widest, None);
    }
    let times = |change: &Change| if let Change::Times(by) = change { *by } else { 1 };
    let scaled = |(low, high): Bounds, change: &Change| Some((low.checked_mul(times(change))?, high.checked_mul(times(change))?));
    let hull = |of: &dyn Fn(&Described) -> Option<Bounds>| {
        let each = columns.iter().zip(changes).map(|(column, change)| scaled(of(column)?, change));
        let each: Option<Vec<Bounds>> = each.collect();
        each?.into_iter().reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    };
    let range = hull(&|(_, _, range)| *range);
    let held = range.or_else(|| hull(&|(_, ty, _)| ty.ty.range()));
    let holds = |ty: &Type| ty.range().zip(held).is_some_and(|((low, high), (least, most))| low <= least && most <= high);
    let of_all = [widest, Type::I8, Type::I16, Type::I32, Type::I64].into_iter().find(holds);
    (of_all.unwrap_or(Type::I128), range)
}

impl Alignment {
    /// What they leave together.
    pub fn leaves(&self) -> Leaves {
        let made = self.columns.iter().enumerate().map(|(at, (kind, ..))| Made::Column { at, kind: kind.clone() });
        Leaves {
            made: made.collect(),
            types: self.columns.iter().map(|(_, ty, _)| *ty).collect(),
            ranges: self.columns.iter().map(|(.., range)| *range).collect(),
        }
    }
}

/// What a chain leaves, as it stands among the builds before it has run.
pub fn foreseen(built: &Built) -> Leaves {
    let column = |(at, column): (usize, &BuiltColumn)| Made::Column { at, kind: column.kind.clone() };
    let ty = |column: &BuiltColumn| ValueType { ty: column.table.ty.element, nullable: column.table.ty.nullable };
    Leaves {
        made: built.columns.iter().enumerate().map(column).collect(),
        types: built.columns.iter().map(ty).collect(),
        ranges: built.columns.iter().map(|column| column.range).collect(),
    }
}
