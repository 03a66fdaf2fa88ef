//! Groups, aggregates and window functions over rows that are all there.

use std::collections::{HashMap, HashSet};

use super::datum::{Datum, Key, compare};
use super::expr::Typed;
use super::function::{Body, Call};
use super::plan::{AggregateCall, Grouping, WindowCall};
use super::run::{Extras, Run, order_by};
use crate::error::{Error, Result};
use crate::types::SqlType;

/// One group: a row that stands for it, and the arguments that its aggregates have seen.
struct Group {
    row: Vec<Datum>,
    inputs: Vec<Vec<Input>>,
}

/// One row of an aggregate's arguments and what it is ordered by.
struct Input {
    args: Vec<Datum>,
    order: Vec<Datum>,
}

impl Run<'_> {
    /// Collects rows into groups; each becomes a row that stands for it and its aggregates' results.
    pub(super) fn group(
        &mut self,
        frame: usize,
        width: usize,
        grouping: &Grouping,
        rows: Vec<Vec<Datum>>,
    ) -> Result<Vec<(Vec<Datum>, Extras)>> {
        let mut groups: Vec<Group> = Vec::new();
        let mut index: HashMap<Key, usize> = HashMap::new();
        for row in rows {
            self.set_row(frame, row);
            let keys = grouping.keys.iter().map(|k| self.eval(k)).collect::<Result<Vec<Datum>>>()?;
            let at = *index.entry(Key::of(&keys)).or_insert_with(|| {
                groups.push(Group {
                    row: self.row(frame).to_vec(),
                    inputs: grouping.aggregates.iter().map(|_| Vec::new()).collect(),
                });
                groups.len() - 1
            });
            for (aggregate, inputs) in grouping.aggregates.iter().zip(&mut groups[at].inputs) {
                inputs.extend(self.aggregate_input(aggregate)?);
            }
        }
        if groups.is_empty() && grouping.keys.is_empty() {
            groups
                .push(Group { row: vec![Datum::Null; width], inputs: grouping.aggregates.iter().map(|_| Vec::new()).collect() });
        }
        let mut out = Vec::new();
        for group in groups {
            self.set_row(frame, group.row.clone());
            let mut aggregates = Vec::new();
            for (aggregate, inputs) in grouping.aggregates.iter().zip(group.inputs) {
                aggregates.push(self.finish(aggregate, inputs)?);
            }
            let extras = Extras { aggregates, ..Extras::default() };
            self.set_extras(frame, extras.clone());
            let keep = match &grouping.having {
                Some(having) => self.eval(having)?.is_true(),
                None => true,
            };
            if keep {
                out.push((group.row, extras));
            }
        }
        Ok(out)
    }

    fn aggregate_input(&mut self, aggregate: &AggregateCall) -> Result<Option<Input>> {
        if let Some(filter) = &aggregate.filter
            && !self.eval(filter)?.is_true()
        {
            return Ok(None);
        }
        let args = aggregate.args.iter().map(|a| self.eval(a)).collect::<Result<Vec<Datum>>>()?;
        if aggregate.function.strict && args.iter().any(Datum::is_null) {
            return Ok(None);
        }
        let order = aggregate.order.iter().map(|(o, ..)| self.eval(o)).collect::<Result<Vec<Datum>>>()?;
        Ok(Some(Input { args, order }))
    }

    fn finish(&mut self, aggregate: &AggregateCall, mut inputs: Vec<Input>) -> Result<Datum> {
        if aggregate.distinct {
            // Sorted, as PostgreSQL does to find duplicates.
            inputs.sort_by(|a, b| {
                a.args.iter().zip(&b.args).map(|(x, y)| compare(x, y)).find(|o| o.is_ne()).unwrap_or(std::cmp::Ordering::Equal)
            });
            let mut seen = HashSet::new();
            inputs.retain(|i| seen.insert(Key::of(&i.args)));
        }
        if !aggregate.order.is_empty() {
            inputs.sort_by(|a, b| order_by(&a.order, &b.order, aggregate.order.iter().map(|(_, d, n)| (*d, *n))));
        }
        let rows: Vec<Vec<Datum>> = inputs.into_iter().map(|i| i.args).collect();
        self.reduce(aggregate, &rows)
    }

    fn reduce(&mut self, aggregate: &AggregateCall, rows: &[Vec<Datum>]) -> Result<Datum> {
        let types: Vec<SqlType> = aggregate.args.iter().map(|a| a.ty).collect();
        let Body::Aggregate(body) = aggregate.function.body else { return Err(Error::internal("no aggregate")) };
        let fields = aggregate.args.first().and_then(|a| a.fields.as_ref());
        body(&Call { ctx: self.ctx, types: &types, result: aggregate.result, fields }, rows)
    }

    /// Adds the window functions' results to each row.
    pub(super) fn windows(&mut self, frame: usize, calls: &[WindowCall], rows: &mut [(Vec<Datum>, Extras)]) -> Result<()> {
        for call in calls {
            let mut partitions: HashMap<Key, Vec<(usize, Vec<Datum>)>> = HashMap::new();
            for (at, (row, extras)) in rows.iter().enumerate() {
                self.set_row(frame, row.clone());
                self.set_extras(frame, extras.clone());
                let key = self.values(&call.partition)?;
                let order = call.order.iter().map(|(o, ..)| self.eval(o)).collect::<Result<Vec<Datum>>>()?;
                partitions.entry(Key::of(&key)).or_default().push((at, order));
            }
            let mut results = vec![Datum::Null; rows.len()];
            for mut partition in partitions.into_values() {
                partition.sort_by(|a, b| order_by(&a.1, &b.1, call.order.iter().map(|(_, d, n)| (*d, *n))));
                self.window(frame, call, &partition, rows, &mut results)?;
            }
            for ((_, extras), result) in rows.iter_mut().zip(results) {
                extras.windows.push(result);
            }
        }
        Ok(())
    }

    fn values(&mut self, exprs: &[Typed]) -> Result<Vec<Datum>> {
        exprs.iter().map(|e| self.eval(e)).collect()
    }

    fn window(
        &mut self,
        frame: usize,
        call: &WindowCall,
        partition: &[(usize, Vec<Datum>)],
        rows: &[(Vec<Datum>, Extras)],
        results: &mut [Datum],
    ) -> Result<()> {
        // The end of each row's peers: rows of the same order.
        let mut ends = vec![partition.len(); partition.len()];
        for at in (0..partition.len().saturating_sub(1)).rev() {
            ends[at] = if call.order.is_empty() || Key::of(&partition[at].1) == Key::of(&partition[at + 1].1) {
                ends[at + 1]
            } else {
                at + 1
            };
        }
        let mut arguments = Vec::new();
        for (at, _) in partition {
            let (row, extras) = &rows[*at];
            self.set_row(frame, row.clone());
            self.set_extras(frame, extras.clone());
            arguments.push(match call.call.function.body {
                Body::Window => Some(Input { args: self.values(&call.call.args)?, order: Vec::new() }),
                Body::Aggregate(_) | Body::Scalar(_) | Body::Set(_) => self.aggregate_input(&call.call)?,
            });
        }
        let argument =
            |at: usize| arguments.get(at).and_then(Option::as_ref).and_then(|i| i.args.first()).cloned().unwrap_or(Datum::Null);
        let (mut rank, mut dense) = (1, 0);
        for at in 0..partition.len() {
            let first_peer = at == 0 || ends[at - 1] == at;
            if first_peer {
                rank = at as i64 + 1;
                dense += 1;
            }
            let value = match (call.call.function.body, call.call.function.name.as_str()) {
                (Body::Window, "row_number") => Datum::Int8(at as i64 + 1),
                (Body::Window, "rank") => Datum::Int8(rank),
                (Body::Window, "dense_rank") => Datum::Int8(dense),
                (Body::Window, "lag") => at.checked_sub(1).map_or(Datum::Null, argument),
                (Body::Window, "lead") => argument(at + 1),
                (Body::Window, "first_value") => argument(0),
                (Body::Window, "last_value") => argument(ends[at] - 1),
                (_, _) if !first_peer => results[partition[at - 1].0].clone(),
                (_, _) => {
                    let seen: Vec<Vec<Datum>> = arguments[..ends[at]].iter().flatten().map(|i| i.args.clone()).collect();
                    self.reduce(&call.call, &seen)?
                }
            };
            results[partition[at].0] = value;
        }
        Ok(())
    }
}
