//! A semi join that asks about the build side of another join is one of that build side: fewer rows are built.
//!
//! `orders JOIN lineitem … WHERE o_orderkey IN (few)` as planned builds a table of all orders, and asks of every pair whether its
//! key is among the few. Asked of the orders alone, the table has few rows, and the scan of the other side is filtered by them.

use std::sync::Arc;

use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;

use super::plan::{Chain, Join, JoinKind, Joined, Step};

/// Which of the steps is the inner join whose build side alone the keys are of, and which of its columns they are; `None` where
/// the keys are of more than one side, or of the table itself.
fn build_of_keys(steps: &[Step], keys: &[Arc<dyn PhysicalExpr>]) -> Option<(usize, Vec<usize>)> {
    let mut places = keys.iter().map(place_of).collect::<Option<Vec<_>>>().filter(|places| !places.is_empty())?;
    for (at, step) in steps.iter().enumerate().rev() {
        places = match step {
            Step::Filter(_) => places,
            Step::Pick(columns, _) => places.iter().map(|place| columns.get(*place).copied()).collect::<Option<_>>()?,
            Step::Project(exprs, _) => places.iter().map(|place| exprs.get(*place).and_then(place_of)).collect::<Option<_>>()?,
            // What leaves rows of the other side without a partner has to see all of this one.
            Step::Join(join) if join.kind == JoinKind::Full => return None,
            Step::Join(join) => {
                let sides = places.iter().map(|place| join.columns.get(*place).copied()).collect::<Option<Vec<_>>>()?;
                let of_build: Option<Vec<usize>> =
                    sides.iter().map(|side| if let Joined::Build(at) = side { Some(*at) } else { None }).collect();
                match of_build {
                    Some(columns) => return (join.kind == JoinKind::Inner).then_some((at, columns)),
                    None => {
                        let of_probe = sides.iter().map(|side| if let Joined::Probe(at) = side { Some(*at) } else { None });
                        of_probe.collect::<Option<_>>()?
                    }
                }
            }
        };
    }
    None
}

/// Which column an expression is, where it is one.
fn place_of(expr: &Arc<dyn PhysicalExpr>) -> Option<usize> {
    expr.downcast_ref::<Column>().map(Column::index)
}

/// Makes a semi join of `build` a step of the build side that its keys are of. False where they are not of one.
pub fn into_build(
    chain: &mut Chain,
    on: &[(Arc<dyn PhysicalExpr>, usize)],
    build: &Chain,
    null_equals_null: bool,
    detail: &str,
) -> bool {
    let Some(stage) = chain.stages.last_mut().filter(|stage| stage.is_open()) else { return false };
    let keys: Vec<_> = on.iter().map(|(key, _)| Arc::clone(key)).collect();
    let Some((at, columns)) = build_of_keys(&stage.steps, &keys) else { return false };
    let Step::Join(outer) = &stage.steps[at] else { return false };
    let outer = Arc::clone(outer);
    let mut narrowed = outer.build.clone();
    // What was grouped is a source of its own, which the new step stands behind.
    let output = Arc::clone(narrowed.output());
    let of_build = |(column, (_, key)): (&usize, &(Arc<dyn PhysicalExpr>, usize))| {
        (Arc::new(Column::new(output.field(*column).name(), *column)) as Arc<dyn PhysicalExpr>, *key)
    };
    let semi = Arc::new(Join {
        id: Join::fresh(),
        kind: JoinKind::Semi,
        build: build.clone(),
        on: columns.iter().zip(on).map(of_build).collect(),
        null_equals_null,
        filter: None,
        columns: (0..output.fields().len()).map(Joined::Probe).collect(),
        output: Arc::clone(&output),
    });
    let open = narrowed.open();
    open.steps.push(Step::Join(Arc::clone(&semi)));
    open.output = output;
    narrowed.note_join("HashJoin", detail.to_owned(), semi);
    let join = Arc::new(Join {
        id: Join::fresh(),
        kind: outer.kind,
        build: narrowed,
        on: outer.on.clone(),
        null_equals_null: outer.null_equals_null,
        filter: outer.filter.clone(),
        columns: outer.columns.clone(),
        output: Arc::clone(&outer.output),
    });
    stage.steps[at] = Step::Join(Arc::clone(&join));
    for operator in &mut chain.operators {
        if operator.join.as_ref().is_some_and(|known| known.id == outer.id) {
            operator.join = Some(Arc::clone(&join));
        }
    }
    true
}
