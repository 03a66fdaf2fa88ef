//! Evaluating nodes for one row: lazily, each at most once.

use std::collections::HashMap;
use std::sync::Arc;

use super::arithmetic;
use super::date;
use super::math;
use super::sink::{Comparable, comparable};
use super::string;
use super::value::{Value, compare};
use crate::join::Index;
use crate::program::{Comparison, Expr, ExprId, Fault, LoopId, Pipeline, Scalar, ValueType};

/// The numbers of an index by their keys.
pub(super) type Lookup = HashMap<Vec<Comparable>, i32>;

/// What an index holds.
pub(super) fn lookup_of(index: &Index) -> Lookup {
    index.entries().into_iter().map(|(keys, number)| (keys.iter().map(comparable).collect(), number)).collect()
}

/// Why a node has no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// It raised this.
    Fault(Fault),
    /// Something that the host promised of the data does not hold: what happens then is not defined.
    Promise(&'static str),
}

/// One row while it is looked at.
pub(super) struct Row<'a> {
    pub(super) pipeline: &'a Pipeline,
    pub(super) types: &'a [ValueType],
    pub(super) scalars: &'a [Scalar],
    pub(super) tables: &'a [Vec<Value>],
    pub(super) indexes: &'a [Lookup],
    /// For each loop the nodes that depend on it.
    pub(super) dependents: &'a [Vec<usize>],
    /// The number that each loop has reached.
    pub(super) currents: Vec<Value>,
    /// The chunk's columns, and where in them the row is.
    pub(super) columns: &'a [Vec<Value>],
    pub(super) at: usize,
    /// What was evaluated already.
    pub(super) memo: Vec<Option<Result<Value, Stop>>>,
    /// Every fault that was raised: a row can raise several, which of them a device reports is open.
    pub(super) raised: Vec<Fault>,
}

/// Three-valued truth of a node that the verifier found to be a `bool`.
fn truth(value: Value) -> Option<bool> {
    value.map(|value| matches!(value, Scalar::Bool(true)))
}

impl Row<'_> {
    /// Whether a condition is true: neither false nor NULL.
    pub(super) fn is_true(&mut self, id: ExprId) -> Result<bool, Stop> {
        Ok(truth(self.value(id)?) == Some(true))
    }

    /// Goes on to a loop's next number: what depended on the one before is evaluated anew.
    pub(super) fn turn(&mut self, id: LoopId, number: Value) {
        // Of a loop whose number nobody asks for nothing is kept.
        if let Some(dependents) = self.dependents.get(id.0 as usize) {
            dependents.iter().for_each(|at| self.memo[*at] = None);
            self.currents[id.0 as usize] = number;
        }
    }

    /// The value of a node.
    pub(super) fn value(&mut self, id: ExprId) -> Result<Value, Stop> {
        let at = id.0 as usize;
        if let Some(known) = &self.memo[at] {
            return known.clone();
        }
        let found = self.evaluate(id);
        if let Err(Stop::Fault(fault)) = found
            && !self.raised.contains(&fault)
        {
            self.raised.push(fault);
        }
        self.memo[at] = Some(found.clone());
        found
    }

    /// The values of both operands of a strict node; `None` where one is NULL. Both are evaluated in any case.
    fn both(&mut self, a: ExprId, b: ExprId) -> Result<Option<(Scalar, Scalar)>, Stop> {
        let (a, b) = (self.value(a), self.value(b));
        Ok(a?.zip(b?))
    }

    fn parameter(&self, id: crate::program::ParameterId) -> Scalar {
        self.scalars[id.0 as usize].clone()
    }

    fn text_parameter(&self, id: crate::program::ParameterId) -> Result<Arc<str>, Stop> {
        text_of(self.parameter(id))
    }

    fn evaluate(&mut self, id: ExprId) -> Result<Value, Stop> {
        let ty = self.types[id.0 as usize].ty;
        let boolean = |value: bool| Ok(Some(Scalar::Bool(value)));
        match *self.pipeline.expr(id) {
            Expr::Column(column) => Ok(self.columns[column.0 as usize][self.at].clone()),
            Expr::Parameter(id) => Ok(Some(self.parameter(id))),
            Expr::Constant { ty: _, ref value } => Ok(value.clone()),
            Expr::Arithmetic { op, a, b, fault } => match self.both(a, b)? {
                Some((a, b)) => arithmetic::arithmetic(op, a, b, ty, fault).map(Some),
                None => Ok(None),
            },
            Expr::Negate { a, fault } => match self.value(a)? {
                Some(a) => arithmetic::negate(a, ty, fault).map(Some),
                None => Ok(None),
            },
            Expr::Compare { op, a, b } => Ok(self.both(a, b)?.map(|(a, b)| {
                let order = compare(&a, &b);
                Scalar::Bool(match op {
                    Comparison::Equal => order.is_eq(),
                    Comparison::NotEqual => order.is_ne(),
                    Comparison::Less => order.is_lt(),
                    Comparison::LessOrEqual => order.is_le(),
                    Comparison::Greater => order.is_gt(),
                    Comparison::GreaterOrEqual => order.is_ge(),
                })
            })),
            Expr::InRange { a, low, high } => {
                let (low, high) = (self.parameter(low), self.parameter(high));
                Ok(self.value(a)?.map(|a| Scalar::Bool(compare(&low, &a).is_le() && compare(&a, &high).is_le())))
            }
            Expr::Member { a, table } => {
                let found = self.value(a)?;
                Ok(found.map(|a| Scalar::Bool(self.tables[table.0 as usize].contains(&Some(a)))))
            }
            Expr::Lookup { table, index } => match self.value(index)? {
                Some(Scalar::Int(index)) => {
                    let index = usize::try_from(index).unwrap_or(usize::MAX);
                    let table_type = self.pipeline.tables[table.0 as usize];
                    let past_the_end = (!table_type.nullable).then(|| super::value::zero(ty));
                    Ok(self.tables[table.0 as usize].get(index).cloned().unwrap_or(past_the_end))
                }
                Some(Scalar::Bool(_) | Scalar::F32(_) | Scalar::F64(_) | Scalar::Text(_)) => {
                    Err(Stop::Promise("a lookup by no integer"))
                }
                None => Ok(None),
            },
            Expr::Not(a) => Ok(truth(self.value(a)?).map(|a| Scalar::Bool(!a))),
            Expr::And(a, b) => match truth(self.value(a)?) {
                Some(false) => boolean(false),
                a @ (Some(true) | None) => Ok(match (a, truth(self.value(b)?)) {
                    (_, Some(false)) => Some(Scalar::Bool(false)),
                    (Some(true), Some(true)) => Some(Scalar::Bool(true)),
                    (_, _) => None,
                }),
            },
            Expr::Or(a, b) => match truth(self.value(a)?) {
                Some(true) => boolean(true),
                a @ (Some(false) | None) => Ok(match (a, truth(self.value(b)?)) {
                    (_, Some(true)) => Some(Scalar::Bool(true)),
                    (Some(false), Some(false)) => Some(Scalar::Bool(false)),
                    (_, _) => None,
                }),
            },
            Expr::IsNull(a) => boolean(self.value(a)?.is_none()),
            Expr::IsDistinct(a, b) => {
                let (a, b) = (self.value(a), self.value(b));
                boolean(match (a?, b?) {
                    (Some(a), Some(b)) => compare(&a, &b).is_ne(),
                    (a, b) => a.is_some() != b.is_some(),
                })
            }
            Expr::Select { condition, then, otherwise } => {
                let taken = if self.is_true(condition)? { then } else { otherwise };
                self.value(taken)
            }
            Expr::Coalesce(a, b) => match self.value(a)? {
                Some(a) => Ok(Some(a)),
                None => self.value(b),
            },
            Expr::NullIf(a, b) => {
                let (a, b) = (self.value(a), self.value(b));
                let (a, b) = (a?, b?);
                Ok(a.filter(|a| !b.is_some_and(|b| compare(a, &b).is_eq())))
            }
            Expr::Cast { to, a, fault } => {
                let from = self.types[a.0 as usize].ty;
                match self.value(a)? {
                    Some(a) => arithmetic::cast(a, from, to, fault).map(Some),
                    None => Ok(None),
                }
            }
            Expr::DatePart { part, a } => match self.value(a)? {
                Some(a) => date::part(part, days_of(a)?).map(|value| Some(Scalar::Int(value))),
                None => Ok(None),
            },
            Expr::AddMonths { a, months } => match self.both(a, months)? {
                Some((a, months)) => date::add_months(days_of(a)?, days_of(months)?).map(|value| Some(Scalar::Int(value))),
                None => Ok(None),
            },
            Expr::TextLength { a, unit } => match self.value(a)? {
                Some(a) => Ok(Some(Scalar::Int(string::length(&text_of(a)?, unit)))),
                None => Ok(None),
            },
            Expr::TextMatch { a, op, pattern, ignore_case } => match self.value(a)? {
                Some(a) => boolean(string::matches(op, &text_of(a)?, &self.text_parameter(pattern)?, ignore_case)),
                None => Ok(None),
            },
            Expr::TextPosition { a, pattern } => match self.value(a)? {
                Some(a) => Ok(Some(Scalar::Int(string::position(&text_of(a)?, &self.text_parameter(pattern)?)))),
                None => Ok(None),
            },
            Expr::TextSlice { a, start, length } => {
                let (a, start) = (self.value(a), self.value(start));
                let length = length.map(|length| self.value(length));
                match (a?, start?, length.transpose()?) {
                    (None, _, _) | (_, None, _) | (_, _, Some(None)) => Ok(None),
                    (Some(a), Some(start), length) => {
                        let length = length.flatten().map(number_of).transpose()?;
                        let found = string::slice(&text_of(a)?, number_of(start)?, length)?;
                        Ok(Some(Scalar::Text(found.into())))
                    }
                }
            }
            Expr::TextTrim { a, side, characters } => match self.value(a)? {
                Some(a) => {
                    let characters = self.text_parameter(characters)?;
                    Ok(Some(Scalar::Text(string::trim(&text_of(a)?, side, &characters).into())))
                }
                None => Ok(None),
            },
            Expr::Math { op, a } => match self.value(a)? {
                Some(a) => math::function(op, math::float(a)?).map(|value| Some(Scalar::F64(value))),
                None => Ok(None),
            },
            Expr::MathPair { op, a, b } => match self.both(a, b)? {
                Some((a, b)) => math::of_two(op, math::float(a)?, math::float(b)?).map(|value| Some(Scalar::F64(value))),
                None => Ok(None),
            },
            Expr::Bits { op, a, b } => match self.both(a, b)? {
                Some((a, b)) => arithmetic::bits(op, a, b, ty).map(Some),
                None => Ok(None),
            },
            Expr::Probe { index, ref keys } => {
                let found = keys.iter().map(|key| self.value(*key)).collect::<Vec<_>>();
                let found = found.into_iter().collect::<Result<Option<Vec<Scalar>>, Stop>>();
                let number = |keys: Vec<Scalar>| {
                    let keys: Vec<Comparable> = keys.iter().map(comparable).collect();
                    self.indexes[index.0 as usize].get(&keys).copied()
                };
                Ok(found?.and_then(number).map(|number| Scalar::Int(number.into())))
            }
            Expr::Current(id) => Ok(self.currents[id.0 as usize].clone()),
            Expr::Place { a, table } => {
                let found = self.value(a)?;
                let table = &self.tables[table.0 as usize];
                let not_above = |a: &Scalar| table.iter().flatten().filter(|entry| compare(entry, a).is_le()).count();
                Ok(found.map(|a| Scalar::Int(not_above(&a) as i128)))
            }
        }
    }
}

fn text_of(value: Scalar) -> Result<Arc<str>, Stop> {
    match value {
        Scalar::Text(text) => Ok(text),
        Scalar::Bool(_) | Scalar::Int(_) | Scalar::F32(_) | Scalar::F64(_) => Err(Stop::Promise("a text that is none")),
    }
}

fn number_of(value: Scalar) -> Result<i128, Stop> {
    match value {
        Scalar::Int(value) => Ok(value),
        Scalar::Bool(_) | Scalar::F32(_) | Scalar::F64(_) | Scalar::Text(_) => Err(Stop::Promise("a number that is none")),
    }
}

fn days_of(value: Scalar) -> Result<i64, Stop> {
    match value {
        Scalar::Int(value) => i64::try_from(value).map_err(|_| Stop::Promise("a date of more than 32 bits")),
        Scalar::Bool(_) | Scalar::F32(_) | Scalar::F64(_) | Scalar::Text(_) => Err(Stop::Promise("a date that is no integer")),
    }
}
