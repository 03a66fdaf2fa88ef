//! Build sides that are a table as it stands, but for a filter: kept from one query to the next, as columns are.
//!
//! What finds the rows of an immutable table by a key depends on nothing that a query brings along, so it is made once and kept
//! with the table's columns, for as long as there is room and the table is there. A query's filter then only says which of the
//! table's rows count: a bit each. Where that is few of them, they are better kept alone, near one another.

use std::sync::Arc;

use arrow::buffer::buffer_bin_and;
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::physical_expr::expressions::Column as DataFusionColumn;
use parking_lot::Mutex;
use warpwise_gpu::column::Column;
use warpwise_gpu::join::{Form, present};
use warpwise_gpu::program::{Table, ValueType};
use warpwise_gpu::{Error, Kind, Result};

use super::build::built;
use super::report::{BuildReport, Report};
use super::run::{Running, held};
use crate::offload::built::{Builds, Built, Passing};
use crate::offload::plan::{Chain, End, Join, JoinKind, Stage, Step};

/// Tables of fewer rows are grouped as quickly as they are found again.
const FEW: u64 = 1 << 14;
/// Fewer than one in so many rows are better kept alone.
const SELECTIVE: u64 = 8;
/// The part of the memory for columns that is there for what is kept, as a divisor.
const SHARE: u64 = 6;

/// What a kept build side is told from others by.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Name {
    /// The table, and its segments.
    owner: u64,
    segments: Vec<u64>,
    /// The table's columns, in the build side's order.
    columns: Vec<usize>,
    /// Which of them are keys.
    keys: Vec<usize>,
    null_equals_null: bool,
    /// Whether its rows are in the table's order: a GPU leaves them in any.
    in_order: bool,
}

#[derive(Debug)]
struct Entry {
    name: Name,
    built: Arc<Built>,
    bytes: u64,
    used: u64,
}

/// Build sides that are kept.
#[derive(Debug, Default)]
pub struct Wholes {
    entries: Mutex<(Vec<Entry>, u64)>,
}

impl Wholes {
    /// Lets go of what is a table's.
    pub fn forget(&self, owner: u64) {
        self.entries.lock().0.retain(|entry| entry.name.owner != owner);
    }

    fn get(&self, name: &Name) -> Option<Arc<Built>> {
        let mut entries = self.entries.lock();
        entries.1 += 1;
        let now = entries.1;
        let found = entries.0.iter_mut().find(|entry| entry.name == *name)?;
        found.used = now;
        Some(Arc::clone(&found.built))
    }

    /// Keeps a build side if it has room within so many bytes, in the place of what was not used for longest.
    fn keep(&self, name: Name, built: &Arc<Built>, most: u64) {
        let bytes = built.bytes();
        if bytes > most {
            return;
        }
        let mut entries = self.entries.lock();
        entries.1 += 1;
        let used = entries.1;
        // Of a table that has other segments now, the old ones will not be asked for again.
        entries.0.retain(|entry| entry.name != name && (entry.name.owner != name.owner || entry.name.segments == name.segments));
        while entries.0.iter().map(|entry| entry.bytes).sum::<u64>() + bytes > most {
            let Some(oldest) = (0..entries.0.len()).min_by_key(|at| entries.0[*at].used) else { break };
            entries.0.swap_remove(oldest);
        }
        entries.0.push(Entry { name, built: Arc::clone(built), bytes, used });
    }
}

impl Running<'_> {
    /// The build side of a join, where it is a table as it stands and most of its rows count; `None` where it is to be built.
    pub(super) fn whole(&mut self, join: &Join) -> Result<bool> {
        let ([stage], JoinKind::Inner | JoinKind::Left) = (join.build.stages.as_slice(), join.kind) else { return Ok(false) };
        let Some(columns) = plain_columns(&join.build, stage) else { return Ok(false) };
        if join.on.is_empty() || stage.picked.is_some() || stage.instead.is_some() {
            return Ok(false);
        }
        let inputs = &self.devices.inputs;
        let segments = inputs.segments(&join.build.table)?;
        let rows = segments.rows();
        if !(FEW..=i32::MAX as u64).contains(&rows) {
            return Ok(false);
        }
        let mut report = Report::default();
        let last = stage.steps.iter().rposition(|step| matches!(step, Step::Filter(_)));
        let in_order = self.device.kind() == Kind::Cpu;
        let passing = match last {
            None => None,
            // Which of them count is told by their place in the table.
            Some(_) if !in_order => return Ok(false),
            Some(last) => {
                let Some((passing, count)) = self.passing(join, stage, last, rows, &mut report)? else { return Ok(false) };
                if count * SELECTIVE < rows {
                    return Ok(false);
                }
                Some((passing, count))
            }
        };
        let name = Name {
            owner: join.build.table.owner,
            segments: segments.names.iter().map(|(name, _)| *name).collect(),
            columns,
            keys: join.on.iter().map(|(_, at)| *at).collect(),
            null_equals_null: join.null_equals_null,
            in_order,
        };
        let whole = match inputs.wholes().get(&name) {
            Some(whole) => whole,
            None => {
                let mut chain = join.build.clone();
                chain.stages[0].steps.retain(|step| !matches!(step, Step::Filter(_)));
                let held = held(&chain, self.devices, self.device, (self.cancel, self.sharing), Builds::new(), &mut report);
                // Without its filter it may be what has no device form.
                let whole = match held.and_then(|held| built(join, &held, self.devices.threads, self.cancel)) {
                    Err(Error::Unsupported(_)) => return Ok(false),
                    whole => Arc::new(whole?),
                };
                if whole.rows as u64 != rows {
                    return Ok(false);
                }
                inputs.wholes().keep(name, &whole, inputs.budget() / SHARE);
                whole
            }
        };
        let rows = passing.as_ref().map_or(rows, |(_, count)| *count);
        let passing = match passing {
            Some((passing, count)) => {
                let keys = self.passing_keys(&whole, &passing, join)?;
                Some(Passing { rows: Arc::new(passing), count, keys })
            }
            None => None,
        };
        let found = BuildReport { rows, form: whole.form(), report, ..BuildReport::default() };
        self.report.builds.insert(join.id, found);
        let built = match passing {
            None => whole,
            Some(passing) => Arc::new(whole.with(passing)),
        };
        self.builds.insert(join.id, built);
        Ok(true)
    }

    /// The keys of the rows that pass, a bit each; `None` where a key does not lead to its row directly. A row of the other side
    /// is then rejected by one bit, where it would have to find its partner to ask whether that counts.
    fn passing_keys(&self, whole: &Built, passing: &Table, join: &Join) -> Result<Option<Arc<Table>>> {
        let asks = join.kind == JoinKind::Inner;
        let Some(found) = whole.found.as_ref().filter(|found| asks && !found.packed) else { return Ok(None) };
        let (Form::Direct { low, numbers: Some(_), bits, .. }, None, [(_, key)]) =
            (&found.grouped.form, &found.grouped.order, join.on.as_slice())
        else {
            return Ok(None);
        };
        let Some(key) = whole.columns.get(*key) else { return Ok(None) };
        let values = key.table.values.clone();
        let validity = match &key.table.validity {
            Some(valid) => buffer_bin_and(valid, 0, &passing.values, 0, whole.rows),
            None => passing.values.clone(),
        };
        let ty = ValueType { ty: key.table.ty.element, nullable: true };
        if !ty.ty.is_integer() {
            return Ok(None);
        }
        let column = Column::new(ty, whole.rows, values, Some(validity));
        present(&column, *low, bits.len, self.devices.threads, self.cancel).map(Some)
    }

    /// Which of a table's rows pass the filters up to a step, a bit each, and how many do; `None` where that has no device form.
    fn passing(&self, join: &Join, stage: &Stage, last: usize, rows: u64, report: &mut Report) -> Result<Option<(Table, u64)>> {
        let mut chain = join.build.clone();
        chain.stages = vec![Stage {
            steps: stage.steps[..=last].to_vec(),
            end: End::Passing,
            output: Arc::new(Schema::new(vec![Field::new("passes", DataType::Boolean, false)])),
            ..Stage::over(Arc::clone(&stage.input))
        }];
        let held = match held(&chain, self.devices, self.device, (self.cancel, self.sharing), Builds::new(), report) {
            Err(Error::Unsupported(_)) => return Ok(None),
            held => held?,
        };
        let Some(bits) = held.output.columns.first().filter(|_| held.output.rows as u64 == rows) else { return Ok(None) };
        let count = bits.values.count_set_bits_offset(0, bits.rows);
        Ok(Some((Table::of_column(bits), count as u64)))
    }
}

/// The table's columns that a stage's columns are, where each is one and the stage only filters besides.
fn plain_columns(chain: &Chain, stage: &Stage) -> Option<Vec<usize>> {
    if !stage.is_open() {
        return None;
    }
    let mut columns = chain.projection.clone();
    for step in &stage.steps {
        columns = match step {
            Step::Filter(_) => columns,
            Step::Pick(picked, _) => picked.iter().map(|at| columns[*at]).collect(),
            Step::Project(exprs, _) => {
                let each = exprs.iter().map(|expr| Some(columns[expr.downcast_ref::<DataFusionColumn>()?.index()]));
                each.collect::<Option<_>>()?
            }
            Step::Join(_) => return None,
        };
    }
    Some(columns)
}
