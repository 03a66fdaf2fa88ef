//! HashJoinExec, NestedLoopJoinExec, CrossJoinExec: a step of the chain that goes on, with the other side as a chain of its own.
//!
//! DataFusion's left side is the one that it would build a table of. Where rows of the right side go on, or pairs, the right
//! side drives; where only rows of the left side do, the left one does, and nothing has to be remembered of it.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::common::{JoinSide, JoinType, NullEquality};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::utils::{ColumnIndex, JoinFilter, build_join_schema};
use datafusion::physical_plan::joins::{CrossJoinExec, HashJoinExec, NestedLoopJoinExec};

use super::plan::{Chain, Join, JoinKind, Joined, Residual, Step};
use super::push::into_build;
use super::refusal::Refusal;

/// What is equal: an expression over the left side, and one over the right.
type Equal = (Arc<dyn PhysicalExpr>, Arc<dyn PhysicalExpr>);

/// What a join of any kind is made of.
struct Parts<'a> {
    join_type: JoinType,
    sides: [&'a Arc<dyn ExecutionPlan>; 2],
    on: &'a [Equal],
    filter: Option<&'a JoinFilter>,
    null_equals_null: bool,
    null_aware: bool,
    projection: Option<&'a [usize]>,
    output: SchemaRef,
}

/// The chain of a hash join, of the chains of its left and its right side.
pub fn hash_join(node: &HashJoinExec, left: Chain, right: Chain) -> Result<Chain, Refusal> {
    if node.fetch().is_some() {
        return Err(Refusal::new("a join", "a join with a limit streams from DataFusion"));
    }
    let parts = Parts {
        join_type: *node.join_type(),
        sides: [node.left(), node.right()],
        on: node.on(),
        filter: node.filter(),
        null_equals_null: node.null_equality() == NullEquality::NullEqualsNull,
        null_aware: node.null_aware,
        projection: node.projection.as_deref(),
        output: node.schema(),
    };
    joined("HashJoin", &parts, left, right)
}

/// The chain of a join by a condition alone.
pub fn nested_loop_join(node: &NestedLoopJoinExec, left: Chain, right: Chain) -> Result<Chain, Refusal> {
    let parts = Parts {
        join_type: *node.join_type(),
        sides: [node.left(), node.right()],
        on: &[],
        filter: node.filter(),
        null_equals_null: false,
        null_aware: false,
        projection: node.projection().as_deref(),
        output: node.schema(),
    };
    joined("NestedLoopJoin", &parts, left, right)
}

/// The chain of a join of all rows with all rows.
pub fn cross_join(node: &CrossJoinExec, left: Chain, right: Chain) -> Result<Chain, Refusal> {
    let parts = Parts {
        join_type: JoinType::Inner,
        sides: [node.left(), node.right()],
        on: &[],
        filter: None,
        null_equals_null: false,
        null_aware: false,
        projection: None,
        output: node.schema(),
    };
    joined("CrossJoin", &parts, left, right)
}

fn joined(name: &'static str, parts: &Parts<'_>, left: Chain, right: Chain) -> Result<Chain, Refusal> {
    let refused = |missing: &str| Err(Refusal::new(format!("{} {}", parts.join_type, described(parts)), missing));
    let (kind, build_side) = match parts.join_type {
        JoinType::Inner => (JoinKind::Inner, JoinSide::Left),
        JoinType::Right => (JoinKind::Left, JoinSide::Left),
        JoinType::RightSemi => (JoinKind::Semi, JoinSide::Left),
        JoinType::RightAnti => (JoinKind::Anti, JoinSide::Left),
        JoinType::RightMark => (JoinKind::Mark, JoinSide::Left),
        JoinType::Left => (JoinKind::Left, JoinSide::Right),
        JoinType::LeftSemi => (JoinKind::Semi, JoinSide::Right),
        JoinType::LeftAnti if parts.null_aware => (JoinKind::NullAwareAnti, JoinSide::Right),
        JoinType::LeftAnti => (JoinKind::Anti, JoinSide::Right),
        JoinType::LeftMark => (JoinKind::Mark, JoinSide::Right),
        JoinType::Full => (JoinKind::Full, JoinSide::Left),
    };
    if kind == JoinKind::NullAwareAnti && (parts.filter.is_some() || parts.on.len() != 1) {
        return refused("NOT IN with a further condition has no device form");
    }
    let [left_schema, right_schema] = parts.sides.map(|side| side.schema());
    let (_, all) = build_join_schema(&left_schema, &right_schema, &parts.join_type);
    let place = |column: &ColumnIndex| match column.side {
        JoinSide::None => Joined::Mark,
        side if side == build_side => Joined::Build(column.index),
        _ => Joined::Probe(column.index),
    };
    let columns: Option<Vec<Joined>> = match parts.projection {
        None => Some(all.iter().map(place).collect()),
        Some(projection) => projection.iter().map(|at| all.get(*at).map(place)).collect(),
    };
    let Some(columns) = columns else { return refused("its columns are not those of its sides") };
    let filter = parts.filter.map(|filter| Residual {
        expr: Arc::clone(filter.expression()),
        columns: filter.column_indices().iter().map(place).collect(),
        schema: Arc::clone(filter.schema()),
    });
    let swapped = build_side == JoinSide::Right;
    let (mut build, mut probe) = if swapped { (right, left) } else { (left, right) };
    let build_schema = if swapped { &right_schema } else { &left_schema };
    let (of_build, of_probe): (Vec<_>, Vec<_>) = parts
        .on
        .iter()
        .map(|(l, r)| if swapped { (Arc::clone(r), Arc::clone(l)) } else { (Arc::clone(l), Arc::clone(r)) })
        .unzip();
    let keys = keys(&mut build, build_schema, &of_build)?;
    let on: Vec<_> = of_probe.into_iter().zip(keys).collect();
    let detail = format!("{} {}", kind.name(), described(parts)).trim_end().to_owned();
    if kind == JoinKind::Semi && filter.is_none() && into_build(&mut probe, &on, &build, parts.null_equals_null, &detail) {
        let columns = columns.iter().filter_map(|column| if let Joined::Probe(at) = column { Some(*at) } else { None });
        let picked = Step::Pick(columns.collect(), Arc::clone(&parts.output));
        let stage = probe.open();
        stage.steps.push(picked);
        stage.output = Arc::clone(&parts.output);
        return Ok(probe);
    }
    let join = Arc::new(Join {
        id: Join::fresh(),
        kind,
        build,
        on,
        null_equals_null: parts.null_equals_null,
        filter,
        columns,
        output: Arc::clone(&parts.output),
    });
    let stage = probe.open();
    stage.steps.push(Step::Join(Arc::clone(&join)));
    stage.output = Arc::clone(&parts.output);
    probe.note_join(name, detail, join);
    Ok(probe)
}

/// Which columns of the build side are its keys; those that are no columns yet are computed behind them.
fn keys(build: &mut Chain, schema: &SchemaRef, of_build: &[Arc<dyn PhysicalExpr>]) -> Result<Vec<usize>, Refusal> {
    let count = schema.fields().len();
    let mut computed: Vec<&Arc<dyn PhysicalExpr>> = Vec::new();
    let mut places = Vec::new();
    for key in of_build {
        places.push(match key.downcast_ref::<Column>() {
            Some(column) => column.index(),
            None => {
                computed.push(key);
                count + computed.len() - 1
            }
        });
    }
    if !computed.is_empty() {
        let column = |(at, field): (usize, &Arc<Field>)| Arc::new(Column::new(field.name(), at)) as Arc<dyn PhysicalExpr>;
        let mut exprs: Vec<_> = schema.fields().iter().enumerate().map(column).collect();
        let mut fields: Vec<Arc<Field>> = schema.fields().iter().cloned().collect();
        for (at, key) in computed.into_iter().enumerate() {
            let data_type = key.data_type(schema).map_err(|error| Refusal::new(key, error.strip_backtrace()))?;
            fields.push(Arc::new(Field::new(format!("key {at}"), data_type, true)));
            exprs.push(Arc::clone(key));
        }
        let output: SchemaRef = Arc::new(Schema::new(fields));
        let stage = build.open();
        stage.output = Arc::clone(&output);
        stage.steps.push(Step::Project(exprs, output));
    }
    Ok(places)
}

/// What is equal, and what holds besides.
fn described(parts: &Parts<'_>) -> String {
    let mut conditions: Vec<String> = parts.on.iter().map(|(left, right)| format!("{left} = {right}")).collect();
    conditions.extend(parts.filter.map(ToString::to_string));
    if conditions.is_empty() { String::new() } else { format!("on {}", conditions.join(" AND ")) }
}
