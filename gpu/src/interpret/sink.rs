//! What becomes of the rows that `emit` reaches.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::expr::{Row, Stop};
use super::value::{Value, compare};
use crate::program::{Aggregate, AggregateOp, BitOp, Domain, Fault, Key, Order, Scalar, Sink, Type};

/// The state of a sink.
pub(super) enum State {
    Materialize {
        rows: Vec<Vec<Value>>,
    },
    /// Whether each row of the source was reached.
    Bitmap {
        marks: Vec<bool>,
    },
    /// Whether each row of another source was named.
    Mark {
        marks: Vec<bool>,
    },
    Group {
        /// The place of each group, by its keys made comparable.
        places: HashMap<Vec<Option<Comparable>>, usize>,
        groups: Vec<Group>,
    },
    /// The values of the order, and those of the columns.
    TopK {
        rows: Vec<(Vec<Value>, Vec<Value>)>,
    },
}

pub(super) struct Group {
    keys: Vec<Value>,
    kept: Vec<Kept>,
}

/// What an aggregate keeps.
enum Kept {
    Count(i64),
    /// The exact sum of integers; `None` once it has passed 128 bits.
    Integers(Option<Option<i128>>),
    Floats(Option<f64>),
    Extreme(Value),
    Distinct(BTreeSet<i128>),
    Bits(Option<i128>),
    /// The pairs; a value alone is beside itself.
    Deviations(Vec<(f64, f64)>),
}

/// What an aggregate takes of a row: its input, and the one that stands in its operation.
type Fed = Option<(Scalar, Option<Scalar>)>;

/// What a sink leaves: rows, and for top-k how many of them, in their order, are equal in it.
pub(super) struct Left {
    pub(super) rows: Vec<Vec<Value>>,
    pub(super) ties: Vec<usize>,
    pub(super) raised: Vec<Fault>,
}

impl State {
    pub(super) fn new(sink: &Sink, scalars: &[Scalar]) -> Self {
        match sink {
            Sink::Materialize { .. } => Self::Materialize { rows: Vec::new() },
            Sink::Bitmap => Self::Bitmap { marks: Vec::new() },
            Sink::Mark { rows, .. } => {
                let rows = match scalars[rows.0 as usize] {
                    Scalar::Int(rows) => usize::try_from(rows).unwrap_or(0),
                    Scalar::Bool(_) | Scalar::F32(_) | Scalar::F64(_) | Scalar::Text(_) => 0,
                };
                Self::Mark { marks: vec![false; rows] }
            }
            Sink::Group { keys, aggregates, .. } => {
                let mut made = (HashMap::new(), Vec::new());
                if keys.is_empty() {
                    made.0.insert(Vec::new(), 0);
                    made.1.push(Group::new(Vec::new(), aggregates));
                }
                Self::Group { places: made.0, groups: made.1 }
            }
            Sink::TopK { .. } => Self::TopK { rows: Vec::new() },
        }
    }

    /// Makes room for a source's row, whether or not it is reached.
    pub(super) fn begin_row(&mut self) {
        if let Self::Bitmap { marks } = self {
            marks.push(false);
        }
    }

    /// Takes a row.
    pub(super) fn emit(&mut self, sink: &Sink, row: &mut Row<'_>) -> Result<(), Stop> {
        match (self, sink) {
            (Self::Materialize { rows }, Sink::Materialize { columns }) => {
                rows.push(all(columns.iter().map(|id| row.value(*id)))?);
            }
            (Self::Bitmap { marks }, Sink::Bitmap) => {
                if let Some(mark) = marks.last_mut() {
                    *mark = true;
                }
            }
            (Self::Mark { marks }, Sink::Mark { at, rows: _ }) => {
                if let Some(Scalar::Int(number)) = row.value(*at)?
                    && let Some(mark) = usize::try_from(number).ok().and_then(|number| marks.get_mut(number))
                {
                    *mark = true;
                }
            }
            (Self::Group { places, groups }, Sink::Group { keys, aggregates, .. }) => {
                let key_values = all(keys.iter().map(|key| key_value(key, row)));
                let inputs = all(aggregates.iter().map(|aggregate| input(aggregate, row)));
                let (key_values, inputs) = (key_values?, inputs?);
                let comparable = key_values.iter().map(|value| value.as_ref().map(comparable)).collect();
                let place = *places.entry(comparable).or_insert(groups.len());
                if place == groups.len() {
                    groups.push(Group::new(key_values, aggregates));
                }
                for ((kept, aggregate), input) in groups[place].kept.iter_mut().zip(aggregates).zip(inputs) {
                    if let Some((value, second)) = input {
                        kept.add(aggregate.op, value, second)?;
                    }
                }
            }
            (Self::TopK { rows }, Sink::TopK { order, columns, limit: _ }) => {
                let keys = all(order.iter().map(|key| row.value(key.expr)));
                let kept = all(columns.iter().map(|id| row.value(*id)));
                rows.push((keys?, kept?));
            }
            (Self::Materialize { .. } | Self::Bitmap { .. } | Self::Mark { .. } | Self::Group { .. } | Self::TopK { .. }, _) => {
                return Err(Stop::Promise("the state of another sink"));
            }
        }
        Ok(())
    }

    pub(super) fn finish(self, sink: &Sink) -> Result<Left, Stop> {
        match (self, sink) {
            (Self::Materialize { rows }, _) => Ok(Left { rows, ties: Vec::new(), raised: Vec::new() }),
            (Self::Bitmap { marks } | Self::Mark { marks }, _) => {
                let rows = marks.into_iter().map(|mark| vec![Some(Scalar::Bool(mark))]).collect();
                Ok(Left { rows, ties: Vec::new(), raised: Vec::new() })
            }
            (Self::Group { groups, .. }, Sink::Group { aggregates, .. }) => {
                let mut left = Left { rows: Vec::new(), ties: Vec::new(), raised: Vec::new() };
                for group in groups {
                    let mut row = group.keys;
                    for (kept, aggregate) in group.kept.into_iter().zip(aggregates) {
                        match kept.value(aggregate.op) {
                            Ok(value) => row.push(value),
                            Err(Stop::Fault(fault)) => left.raised.push(fault),
                            Err(broken) => return Err(broken),
                        }
                    }
                    left.rows.push(row);
                }
                Ok(left)
            }
            (Self::TopK { mut rows }, Sink::TopK { order, .. }) => {
                rows.sort_by(|a, b| compare_orders(order, &a.0, &b.0));
                let ties = rows.chunk_by(|a, b| compare_orders(order, &a.0, &b.0).is_eq()).map(<[_]>::len).collect();
                Ok(Left { rows: rows.into_iter().map(|(_, kept)| kept).collect(), ties, raised: Vec::new() })
            }
            (Self::Group { .. } | Self::TopK { .. }, _) => Err(Stop::Promise("the state of another sink")),
        }
    }
}

/// Every value, all of them evaluated even where one stops: a device may raise any of their faults.
fn all<T>(values: impl Iterator<Item = Result<T, Stop>>) -> Result<Vec<T>, Stop> {
    values.collect::<Vec<_>>().into_iter().collect()
}

/// What is equal where a group holds values equal.
#[derive(PartialEq, Eq, Hash)]
pub(super) enum Comparable {
    Bits(u128),
    Text(Arc<str>),
}

pub(super) fn comparable(value: &Scalar) -> Comparable {
    Comparable::Bits(match value {
        Scalar::Text(text) => return Comparable::Text(Arc::clone(text)),
        Scalar::Bool(value) => (*value).into(),
        Scalar::Int(value) => *value as u128,
        // `+ 0.0` makes -0 to 0.
        Scalar::F32(value) => if value.is_nan() { f32::NAN } else { value + 0.0 }.to_bits().into(),
        Scalar::F64(value) => if value.is_nan() { f64::NAN } else { value + 0.0 }.to_bits().into(),
    })
}

fn in_domain(value: &Scalar, domain: Domain) -> Result<i128, Stop> {
    let value = match value {
        Scalar::Bool(value) => (*value).into(),
        Scalar::Int(value) => *value,
        Scalar::F32(_) | Scalar::F64(_) | Scalar::Text(_) => return Err(Stop::Promise("a domain of no integers")),
    };
    let low = i128::from(domain.low);
    if low <= value && value < low + i128::from(domain.size) {
        Ok(value)
    } else {
        Err(Stop::Promise("a value lies outside of its domain"))
    }
}

fn key_value(key: &Key, row: &mut Row<'_>) -> Result<Value, Stop> {
    let value = row.value(key.expr)?;
    if let (Some(value), Some(domain)) = (&value, key.domain) {
        in_domain(value, domain)?;
    }
    Ok(value)
}

/// What an aggregate is to take of a row; `None` where it passes over it. A count of rows takes a `true`.
fn input(aggregate: &Aggregate, row: &mut Row<'_>) -> Result<Fed, Stop> {
    if let Some(filter) = aggregate.filter
        && !row.is_true(filter)?
    {
        return Ok(None);
    }
    let first = aggregate.input.map_or(Ok(Some(Scalar::Bool(true))), |id| row.value(id));
    let Some(second) = aggregate.op.second() else { return Ok(first?.map(|first| (first, None))) };
    let (first, second) = (first, row.value(second));
    Ok(first?.zip(second?).map(|(first, second)| (first, Some(second))))
}

fn compare_orders(order: &[Order], a: &[Value], b: &[Value]) -> Ordering {
    let each = order.iter().zip(a.iter().zip(b)).map(|(key, (a, b))| match (a, b) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) if key.nulls_first => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) if key.nulls_first => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(a), Some(b)) if key.descending => compare(b, a),
        (Some(a), Some(b)) => compare(a, b),
    });
    each.into_iter().find(|ordering| ordering.is_ne()).unwrap_or(Ordering::Equal)
}

impl Group {
    fn new(keys: Vec<Value>, aggregates: &[Aggregate]) -> Self {
        let kept = aggregates.iter().map(|aggregate| match aggregate.op {
            AggregateOp::Count => Kept::Count(0),
            AggregateOp::Sum { ty: Type::F64, .. } => Kept::Floats(None),
            AggregateOp::Sum { .. } => Kept::Integers(None),
            AggregateOp::Min | AggregateOp::Max => Kept::Extreme(None),
            AggregateOp::CountDistinct(_) | AggregateOp::SumDistinct(_) => Kept::Distinct(BTreeSet::new()),
            AggregateOp::Bits(_) => Kept::Bits(None),
            AggregateOp::Deviations { .. } => Kept::Deviations(Vec::new()),
        });
        Self { keys, kept: kept.collect() }
    }
}

impl Kept {
    fn add(&mut self, op: AggregateOp, value: Scalar, second: Option<Scalar>) -> Result<(), Stop> {
        match (self, op, value) {
            (Self::Count(count), _, _) => *count += 1,
            (Self::Integers(sum), _, Scalar::Int(value)) => {
                *sum = Some(sum.unwrap_or(Some(0)).and_then(|sum| sum.checked_add(value)));
            }
            (Self::Floats(sum), _, Scalar::F32(value)) => *sum = Some(sum.unwrap_or(0.0) + f64::from(value)),
            (Self::Floats(sum), _, Scalar::F64(value)) => *sum = Some(sum.unwrap_or(0.0) + value),
            (Self::Extreme(found), AggregateOp::Min, value) => {
                if found.as_ref().is_none_or(|found| compare(&value, found).is_lt()) {
                    *found = Some(value);
                }
            }
            (Self::Extreme(found), _, value) => {
                if found.as_ref().is_none_or(|found| compare(&value, found).is_gt()) {
                    *found = Some(value);
                }
            }
            (Self::Distinct(found), AggregateOp::CountDistinct(domain) | AggregateOp::SumDistinct(domain), value) => {
                found.insert(in_domain(&value, domain)?);
            }
            (Self::Bits(kept), AggregateOp::Bits(op), Scalar::Int(value)) => {
                *kept = Some(kept.map_or(value, |kept| match op {
                    BitOp::And => kept & value,
                    BitOp::Or => kept | value,
                    BitOp::Xor => kept ^ value,
                }));
            }
            (Self::Deviations(pairs), _, Scalar::F64(value)) => match second.unwrap_or(Scalar::F64(value)) {
                Scalar::F64(second) => pairs.push((value, second)),
                Scalar::Bool(_) | Scalar::Int(_) | Scalar::F32(_) | Scalar::Text(_) => {
                    return Err(Stop::Promise("deviations of another type"));
                }
            },
            (Self::Integers(_) | Self::Floats(_) | Self::Distinct(_) | Self::Bits(_) | Self::Deviations(_), _, _) => {
                return Err(Stop::Promise("an aggregate of another type"));
            }
        }
        Ok(())
    }

    fn value(self, op: AggregateOp) -> Result<Value, Stop> {
        let too_large = Stop::Promise("a sum that was proved to fit its type does not");
        match self {
            Self::Count(count) => Ok(Some(Scalar::Int(count.into()))),
            Self::Integers(None) => Ok(None),
            Self::Integers(Some(sum)) => {
                let (ty, fault) = match op {
                    AggregateOp::Sum { ty, fault } => (ty, fault),
                    AggregateOp::Count
                    | AggregateOp::Min
                    | AggregateOp::Max
                    | AggregateOp::CountDistinct(_)
                    | AggregateOp::SumDistinct(_)
                    | AggregateOp::Bits(_)
                    | AggregateOp::Deviations { .. } => (Type::I64, None),
                };
                match sum.map(Scalar::Int).filter(|sum| sum.is_of(ty)) {
                    Some(sum) => Ok(Some(sum)),
                    None => Err(fault.map_or(too_large, Stop::Fault)),
                }
            }
            Self::Floats(sum) => Ok(sum.map(Scalar::F64)),
            Self::Extreme(found) => Ok(found),
            Self::Bits(kept) => Ok(kept.map(Scalar::Int)),
            Self::Deviations(pairs) => deviations(&pairs),
            Self::Distinct(found) => match op {
                AggregateOp::SumDistinct(_) if found.is_empty() => Ok(None),
                AggregateOp::SumDistinct(_) => {
                    let sum = Scalar::Int(found.iter().sum());
                    if sum.is_of(Type::I64) { Ok(Some(sum)) } else { Err(too_large) }
                }
                AggregateOp::Count
                | AggregateOp::Sum { .. }
                | AggregateOp::Min
                | AggregateOp::Max
                | AggregateOp::Bits(_)
                | AggregateOp::Deviations { .. }
                | AggregateOp::CountDistinct(_) => Ok(Some(Scalar::Int(found.len() as i128))),
            },
        }
    }
}

/// The sum of the products of what both are from their means.
fn deviations(pairs: &[(f64, f64)]) -> Result<Value, Stop> {
    let Some(first) = pairs.first() else { return Ok(None) };
    let count = pairs.len() as f64;
    // Measured from one of them: values that are all the same are 0 from their mean, large ones lose nothing.
    let far: Vec<(f64, f64)> = pairs.iter().map(|pair| (pair.0 - first.0, pair.1 - first.1)).collect();
    let mean = |of: fn(&(f64, f64)) -> f64| far.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|pair| pair.0), mean(|pair| pair.1));
    let sum = far.iter().map(|pair| (pair.0 - x) * (pair.1 - y)).sum::<f64>();
    if pairs.iter().any(|pair| !pair.0.is_finite() || !pair.1.is_finite()) {
        return Ok(Some(Scalar::F64(f64::NAN)));
    }
    if sum.is_finite() { Ok(Some(Scalar::F64(sum))) } else { Err(Stop::Fault(Fault::FloatOverflow)) }
}
