//! Joins that are no step of one program: those in which rows are remembered that another side met.
//!
//! What decides whether a row goes on may lie on a side that is much larger. Then the row's side is run first and grouped by
//! its keys, and the larger one, as it runs, marks the rows that it meets: it is never kept. Where the other side groups a large
//! table by the keys, only rows are grouped whose keys are asked for. A full join is an outer join, and below it the rows of the
//! build side that nobody marked.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{Column as DataFusionColumn, NotExpr};
use warpwise_gpu::{Error, Result};

use super::branches::{stored, together};
use super::build::{built, present};
use super::report::{BuildReport, Report};
use super::run::{Held, Running, Source, held};
use crate::offload::built::Builds;
use crate::offload::lower::Made;
use crate::offload::plan::{Branch, Chain, End, Join, JoinKind, Joined, Stage, Step, Take};

/// Build sides of fewer rows are kept: nothing is gained.
const FEW: u64 = 1 << 16;
/// A build side is not kept where it has so many times the rows.
const MORE: u64 = 2;
/// A build side is narrowed where its table has so many times the rows.
const NARROWER: u64 = 8;

impl Running<'_> {
    /// Runs a stage with a join that is no step of a program; `None` where it has none.
    pub(super) fn in_parts(&mut self, stage: &Stage, next: Option<&Stage>, source: Source<'_>) -> Result<Option<Held>> {
        let all = match source {
            Source::Table => self.segments.rows(),
            Source::Stage(held, _) => held.output.rows as u64,
        };
        let found = stage.steps.iter().enumerate().find_map(|(at, step)| match step {
            Step::Join(join) => self.is_apart(join, &stage.steps[..at], all).then(|| (at, Arc::clone(join))),
            Step::Filter(_) | Step::Project(..) | Step::Pick(..) => None,
        });
        let Some((at, join)) = found else { return Ok(None) };
        if self.present(&join)? {
            return self.in_parts(stage, next, source);
        }
        let front = front(stage, at, &join)?;
        let kept = stored(&self.stage(&front, None, source)?)?;
        let kept = Kept { held: kept, schema: Arc::clone(&front.output) };
        if join.kind == JoinKind::Full {
            let both = self.full(&join, &kept)?;
            let rest = rest(stage, &join, Vec::new(), &join.output);
            return self.stage(&rest, next, Source::Stage(&both, &join.output)).map(Some);
        }
        let rows = kept.held.output.rows as u64;
        if !self.is_marked(&join, rows) {
            if let Some(narrow) = narrowing(&join)
                && self.rows_of(&join.build).is_some_and(|more| more >= rows.saturating_mul(NARROWER))
            {
                self.narrowed(&join, &kept, narrow)?;
            } else {
                // It is not as much larger as it seemed.
                self.report.decided.insert(join.id);
            }
            let steps = vec![Step::Join(Arc::clone(&join))];
            let rest = rest(stage, &join, steps, &kept.schema);
            return self.stage(&rest, next, Source::Stage(&kept.held, &kept.schema)).map(Some);
        }
        let marked = self.marked(&join, kept)?;
        let place = marked.schema.fields().len() - 1;
        let mark: Arc<dyn PhysicalExpr> = Arc::new(DataFusionColumn::new("mark", place));
        let mut steps = match join.kind {
            JoinKind::Anti => vec![Step::Filter(Arc::new(NotExpr::new(mark)))],
            JoinKind::Semi => vec![Step::Filter(mark)],
            _ => vec![],
        };
        let columns = join.columns.iter().map(|column| match column {
            Joined::Probe(at) => *at,
            Joined::Mark | Joined::Build(_) => place,
        });
        steps.push(Step::Pick(columns.collect(), Arc::clone(&join.output)));
        let rest = rest(stage, &join, steps, &marked.schema);
        self.stage(&rest, next, Source::Stage(&marked.held, &marked.schema)).map(Some)
    }

    /// Whether a join is run in parts, given what stands in front of it and how many rows come at most.
    fn is_apart(&self, join: &Join, front: &[Step], rows: u64) -> bool {
        if self.report.decided.contains(&join.id) || self.builds.contains_key(&join.id) {
            return false;
        }
        let reduced = front.iter().any(reduces);
        let narrows = || reduced && narrowing(join).is_some() && self.rows_of(&join.build).is_some_and(|more| more > FEW);
        match join.kind {
            JoinKind::NullAwareAnti => false,
            JoinKind::Inner | JoinKind::Left => narrows(),
            JoinKind::Full => true,
            JoinKind::Mark if join.filter.is_some() => true,
            JoinKind::Semi | JoinKind::Anti | JoinKind::Mark => {
                let more = self.streams(join).filter(|more| *more > FEW);
                more.is_some_and(|more| more >= rows.saturating_mul(MORE) || reduced) || narrows()
            }
        }
    }

    /// Runs a build side of which only one key is asked for, whether it is there: its rows leave a bit each, and are not kept.
    /// False where that cannot be.
    fn present(&mut self, join: &Join) -> Result<bool> {
        let ([(_, key)], None) = (join.on.as_slice(), &join.filter) else { return Ok(false) };
        let exists = matches!(join.kind, JoinKind::Semi | JoinKind::Anti | JoinKind::Mark) && !join.null_equals_null;
        if !exists || self.streams(join).is_none() || join.build.has_joins() {
            return Ok(false);
        }
        let mut chain = join.build.clone();
        let stage = chain.open();
        stage.end = End::Present(*key);
        stage.output = Arc::new(Schema::new(vec![Field::new("present", DataType::Boolean, false)]));
        let mut report = Report::default();
        match held(&chain, self.devices, self.device, (self.cancel, self.sharing), Builds::new(), &mut report) {
            Ok(marks) => {
                let built = present(&marks)?;
                let found = BuildReport { rows: built.rows as u64, form: "bits", marks: false, group: Duration::ZERO, report };
                self.report.builds.insert(join.id, found);
                self.builds.insert(join.id, Arc::new(built));
                Ok(true)
            }
            // Its keys are no integers, or too far from one another.
            Err(Error::Unsupported(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The rows of a build side that is one pass over a table.
    fn streams(&self, join: &Join) -> Option<u64> {
        let [only] = join.build.stages.as_slice() else { return None };
        if !only.is_open() || join.on.is_empty() {
            return None;
        }
        self.rows_of(&join.build)
    }

    /// The rows of the table at a chain's begin.
    fn rows_of(&self, chain: &Chain) -> Option<u64> {
        self.devices.inputs.segments(&chain.table).ok().map(|segments| segments.rows())
    }

    /// Runs a build side that groups rows, of those rows alone whose keys these rows have: nobody asks for other groups.
    fn narrowed(&mut self, join: &Join, kept: &Kept, narrow: Narrow) -> Result<()> {
        let first = kept.schema.fields().len() - join.on.len();
        let semi = Arc::new(Join {
            id: Join::fresh(),
            kind: JoinKind::Semi,
            build: join.build.clone(),
            on: narrow.keys.into_iter().map(|(key, which)| (key, first + which)).collect(),
            null_equals_null: join.null_equals_null,
            filter: None,
            columns: (0..narrow.schema.fields().len()).map(Joined::Probe).collect(),
            output: narrow.schema,
        });
        let own = built(&semi, &kept.held, self.devices.threads, self.cancel)?;
        let mut chain = join.build.clone();
        if let Some(stage) = chain.stages.first_mut() {
            stage.steps.insert(narrow.at, Step::Join(Arc::clone(&semi)));
        }
        let mut report = Report::default();
        let builds = Builds::from([(semi.id, Arc::new(own))]);
        let build = held(&chain, self.devices, self.device, (self.cancel, self.sharing), builds, &mut report)?;
        self.keep_build(join, &build, report)
    }

    /// Whether a join's other side marks these rows.
    fn is_marked(&self, join: &Join, rows: u64) -> bool {
        let must = join.kind == JoinKind::Mark && join.filter.is_some();
        must || self.streams(join).is_some_and(|more| more >= rows.saturating_mul(MORE))
    }

    /// The rows with a column behind them that says which of them the join's other side meets.
    fn marked(&mut self, join: &Join, kept: Kept) -> Result<Kept> {
        let mut chain = join.build.clone();
        let stage = chain.open();
        let (columns, schema) = (stage.output.fields().len(), Arc::clone(&stage.output));
        let turned = |column: &Joined| match column {
            Joined::Probe(at) => Joined::Build(*at),
            Joined::Build(at) => Joined::Probe(*at),
            Joined::Mark => Joined::Mark,
        };
        let mut on = Vec::new();
        for ((_, of_build), of_probe) in join.on.iter().zip(kept.schema.fields().len() - join.on.len()..) {
            if *of_build >= columns {
                return Err(Error::Invalid("a key that is no column".to_owned()));
            }
            let key: Arc<dyn PhysicalExpr> = Arc::new(DataFusionColumn::new(schema.field(*of_build).name(), *of_build));
            on.push((key, of_probe));
        }
        let mut filter = join.filter.clone();
        if let Some(filter) = &mut filter {
            filter.columns = filter.columns.iter().map(turned).collect();
        }
        let reversed = Arc::new(Join {
            id: Join::fresh(),
            kind: JoinKind::Inner,
            build: join.build.clone(),
            on,
            null_equals_null: join.null_equals_null,
            filter,
            columns: (0..columns).map(Joined::Probe).collect(),
            output: Arc::clone(&schema),
        });
        stage.steps.push(Step::Join(Arc::clone(&reversed)));
        stage.end = End::Mark;
        stage.output = Arc::new(Schema::new(vec![Field::new("mark", DataType::Boolean, false)]));
        let began = Instant::now();
        let own = Arc::new(built(&reversed, &kept.held, self.devices.threads, self.cancel)?);
        let group = began.elapsed();
        let builds = Builds::from([(reversed.id, Arc::clone(&own))]);
        let mut report = Report::default();
        let marks = held(&chain, self.devices, self.device, (self.cancel, self.sharing), builds, &mut report)?;
        let found = BuildReport { rows: own.rows as u64, form: own.form(), marks: true, group, report };
        self.report.builds.insert(join.id, found);
        with_marks(kept, &marks)
    }

    /// A full join of rows with those of its build side.
    fn full(&mut self, join: &Arc<Join>, kept: &Kept) -> Result<Held> {
        let mut report = Report::default();
        let build = held(&join.build, self.devices, self.device, (self.cancel, self.sharing), Builds::new(), &mut report)?;
        let build = stored(&build)?;
        self.keep_build(join, &build, report)?;
        let source = Source::Stage(&kept.held, &kept.schema);
        let part = |kind: JoinKind, end: End, output: SchemaRef| {
            let join = Join {
                id: join.id,
                kind,
                build: join.build.clone(),
                on: join.on.clone(),
                null_equals_null: join.null_equals_null,
                filter: join.filter.clone(),
                columns: join.columns.clone(),
                output: Arc::clone(&join.output),
            };
            let steps = vec![Step::Join(Arc::new(join))];
            Stage { steps, end, output, ..Stage::over(Arc::clone(&kept.schema)) }
        };
        let pairs = self.stage(&part(JoinKind::Left, End::Keep, Arc::clone(&join.output)), None, source)?;
        let one = Arc::new(Schema::new(vec![Field::new("mark", DataType::Boolean, false)]));
        let marks = self.stage(&part(JoinKind::Inner, End::Mark, one), None, source)?;
        let others = with_marks(Kept { held: build, schema: Arc::clone(join.build.output()) }, &marks)?;
        let place = others.schema.fields().len() - 1;
        let mark: Arc<dyn PhysicalExpr> = Arc::new(DataFusionColumn::new("mark", place));
        let mut alone = Stage::over(Arc::clone(&others.schema));
        alone.steps.push(Step::Filter(Arc::new(NotExpr::new(mark))));
        let alone = self.stage(&alone, None, Source::Stage(&others.held, &others.schema))?;
        let of_pairs = Branch { stages: vec![], columns: (0..join.columns.len()).map(Take::Column).collect() };
        let of_alone = join.columns.iter().map(|column| match column {
            Joined::Build(at) => Take::Column(*at),
            Joined::Probe(_) | Joined::Mark => Take::Null,
        });
        let of_alone = Branch { stages: vec![], columns: of_alone.collect() };
        together(&[(&pairs, &of_pairs), (&alone, &of_alone)])
    }
}

/// Whether a step may be expected to let few rows go on: a condition, or a join with a side that has one.
fn reduces(step: &Step) -> bool {
    match step {
        Step::Filter(_) => true,
        Step::Project(..) | Step::Pick(..) => false,
        Step::Join(join) => match join.kind {
            JoinKind::Inner | JoinKind::Semi => join.build.stages.iter().flat_map(|stage| &stage.steps).any(reduces),
            JoinKind::Left | JoinKind::Anti | JoinKind::NullAwareAnti | JoinKind::Mark | JoinKind::Full => false,
        },
    }
}

/// Where in a build side rows can be left out that nobody asks for.
struct Narrow {
    /// In front of which step of its first stage.
    at: usize,
    /// The columns there.
    schema: SchemaRef,
    /// Keys over these, and which of the join's keys each is.
    keys: Vec<(Arc<dyn PhysicalExpr>, usize)>,
}

/// How a build side can be narrowed to the keys that are asked for: where it groups rows by them, and only passes the groups on.
fn narrowing(join: &Join) -> Option<Narrow> {
    if join.on.is_empty() || matches!(join.kind, JoinKind::NullAwareAnti | JoinKind::Full) {
        return None;
    }
    let (stage, behind) = match join.build.stages.as_slice() {
        [stage] => (stage, &[][..]),
        [stage, behind] if behind.is_open() => (stage, behind.steps.as_slice()),
        _ => return None,
    };
    let End::Group { keys, partial: false, .. } = &stage.end else { return None };
    if stage.instead.is_some() {
        return None;
    }
    // From the join's keys to the keys of groups.
    let group_key = |column: usize| {
        let column = behind.iter().rev().try_fold(column, |column, step| match step {
            Step::Filter(_) => Some(column),
            Step::Pick(columns, _) => columns.get(column).copied(),
            Step::Project(exprs, _) => exprs.get(column)?.downcast_ref::<DataFusionColumn>().map(DataFusionColumn::index),
            Step::Join(_) => None,
        })?;
        let column = stage.picked.as_ref().map_or(Some(column), |picked| picked.get(column).copied())?;
        keys.get(column)
    };
    let found = join.on.iter().enumerate().filter_map(|(which, (_, column))| Some((Arc::clone(group_key(*column)?), which)));
    let mut found: Vec<(Arc<dyn PhysicalExpr>, usize)> = found.collect();
    if found.is_empty() {
        return None;
    }
    // As far to the front as the keys are columns there.
    let mut at = stage.steps.len();
    for step in stage.steps.iter().rev() {
        let below = found.iter().map(|(key, which)| {
            let column = key.downcast_ref::<DataFusionColumn>()?;
            let index = match step {
                Step::Filter(_) => column.index(),
                Step::Pick(columns, _) => *columns.get(column.index())?,
                Step::Project(exprs, _) => exprs.get(column.index())?.downcast_ref::<DataFusionColumn>()?.index(),
                Step::Join(join) if join.kind == JoinKind::Full => return None,
                Step::Join(join) => match join.columns.get(column.index())? {
                    Joined::Probe(index) => *index,
                    Joined::Build(_) | Joined::Mark => return None,
                },
            };
            Some((Arc::new(DataFusionColumn::new(column.name(), index)) as Arc<dyn PhysicalExpr>, *which))
        });
        let Some(below) = below.collect::<Option<Vec<_>>>() else { break };
        (found, at) = (below, at - 1);
    }
    Some(Narrow { at, schema: schema_at(stage, at), keys: found })
}

/// The columns in front of a step of a stage.
fn schema_at(stage: &Stage, at: usize) -> SchemaRef {
    let mut schema = &stage.input;
    for step in &stage.steps[..at] {
        match step {
            Step::Filter(_) => {}
            Step::Project(_, output) | Step::Pick(_, output) => schema = output,
            Step::Join(join) => schema = &join.output,
        }
    }
    Arc::clone(schema)
}

/// Rows that were kept, under the names of a schema.
struct Kept {
    held: Held,
    schema: SchemaRef,
}

/// The stage of what stands in front of a join, with the join's keys behind its columns.
fn front(stage: &Stage, at: usize, join: &Join) -> Result<Stage> {
    let schema = schema_at(stage, at);
    let column = |(at, field): (usize, &Arc<Field>)| Arc::new(DataFusionColumn::new(field.name(), at)) as Arc<dyn PhysicalExpr>;
    let mut exprs: Vec<_> = schema.fields().iter().enumerate().map(column).collect();
    let mut fields: Vec<Arc<Field>> = schema.fields().iter().cloned().collect();
    for (key, _) in &join.on {
        let data_type = key.data_type(&schema).map_err(|error| Error::Invalid(error.to_string()))?;
        fields.push(Arc::new(Field::new("key", data_type, true)));
        exprs.push(Arc::clone(key));
    }
    let output: SchemaRef = Arc::new(Schema::new(fields));
    let mut steps = stage.steps[..at].to_vec();
    steps.push(Step::Project(exprs, Arc::clone(&output)));
    Ok(Stage { steps, end: End::Keep, output, picked: None, instead: None, input: Arc::clone(&stage.input) })
}

/// A stage from behind a join on, over rows that `steps` bring into the form in which it leaves them.
fn rest(stage: &Stage, join: &Join, steps: Vec<Step>, input: &SchemaRef) -> Stage {
    let mut rest = stage.clone();
    let is_it = |step: &Step| matches!(step, Step::Join(other) if other.id == join.id);
    if let Some(at) = stage.steps.iter().position(is_it) {
        rest.steps = steps.iter().cloned().chain(stage.steps[at + 1..].iter().cloned()).collect();
        rest.input = Arc::clone(input);
    }
    let each = |stages: &[Stage]| stages.iter().map(|stage| self::rest(stage, join, steps.clone(), input)).collect::<Vec<_>>();
    rest.instead = stage.instead.as_deref().map(each);
    if let End::Branches(branches) = &stage.end {
        let each = |branch: &Branch| Branch { stages: each(&branch.stages), columns: branch.columns.clone() };
        rest.end = End::Branches(branches.iter().map(each).collect());
    }
    rest
}

/// Rows with a column of marks behind their columns.
fn with_marks(kept: Kept, marks: &Held) -> Result<Kept> {
    let Kept { mut held, schema } = kept;
    let Some(column) = marks.output.columns.first().filter(|column| column.rows == held.output.rows) else {
        return Err(Error::Invalid("marks of other rows".to_owned()));
    };
    let place = held.output.columns.len();
    held.leaves.types.push(column.ty);
    held.leaves.ranges.push(None);
    held.leaves.made.push(Made::Column { at: place, kind: crate::offload::value::Kind::Boolean });
    held.output.columns.push(column.clone());
    let mark = Arc::new(Field::new("mark", DataType::Boolean, false));
    let fields: Vec<_> = schema.fields().iter().cloned().chain([mark]).collect();
    Ok(Kept { held, schema: Arc::new(Schema::new(fields)) })
}
