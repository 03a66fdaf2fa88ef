//! Whether chains do the same: what is named twice in a query, a common table expression for one, is planned twice.

use std::sync::Arc;

use datafusion::physical_expr::{PhysicalExpr, PhysicalSortExpr};

use super::plan::{Aggregated, Branch, Chain, End, Join, Residual, Stage, Step};

/// Whether two chains leave the same rows. It may say no of chains that do.
pub fn same(a: &Chain, b: &Chain) -> bool {
    starts_same(a, b) && a.stages.len() == b.stages.len() && same_stages(&a.stages, &b.stages)
}

/// Whether two chains begin with the same columns of the same rows.
pub fn starts_same(a: &Chain, b: &Chain) -> bool {
    a.table.same_rows(&b.table) && a.projection == b.projection
}

/// Whether stages do the same with the same rows, up to which of the last one's columns are wanted.
pub fn same_stages(a: &[Stage], b: &[Stage]) -> bool {
    let last = a.len().saturating_sub(1);
    let same = |(at, (a, b)): (usize, (&Stage, &Stage))| {
        (at == last || a.picked == b.picked) && same_list(&a.steps, &b.steps, same_step) && same_end(&a.end, &b.end)
    };
    a.len() == b.len() && a.iter().zip(b).enumerate().all(same)
}

fn same_list<T>(a: &[T], b: &[T], same: impl Fn(&T, &T) -> bool) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
}

fn same_option<T>(a: &Option<T>, b: &Option<T>, same: impl Fn(&T, &T) -> bool) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => same(a, b),
        (Some(_), None) | (None, Some(_)) => false,
    }
}

fn same_expr(a: &Arc<dyn PhysicalExpr>, b: &Arc<dyn PhysicalExpr>) -> bool {
    a.eq(b)
}

fn same_step(a: &Step, b: &Step) -> bool {
    match (a, b) {
        (Step::Filter(a), Step::Filter(b)) => same_expr(a, b),
        (Step::Project(a, _), Step::Project(b, _)) => same_list(a, b, same_expr),
        (Step::Pick(a, _), Step::Pick(b, _)) => a == b,
        (Step::Join(a), Step::Join(b)) => same_join(a, b),
        (Step::Filter(_) | Step::Project(..) | Step::Pick(..) | Step::Join(_), _) => false,
    }
}

fn same_join(a: &Join, b: &Join) -> bool {
    let filters = |a: &Residual, b: &Residual| same_expr(&a.expr, &b.expr) && a.columns == b.columns;
    a.kind == b.kind
        && a.null_equals_null == b.null_equals_null
        && a.columns == b.columns
        && same_list(&a.on, &b.on, |(a, of_a), (b, of_b)| same_expr(a, b) && of_a == of_b)
        && same_option(&a.filter, &b.filter, filters)
        && same_whole(&a.build, &b.build)
}

/// Whether two chains leave the same columns of the same rows.
fn same_whole(a: &Chain, b: &Chain) -> bool {
    let picked = |chain: &Chain| chain.stages.last().and_then(|last| last.picked.clone());
    same(a, b) && picked(a) == picked(b)
}

fn same_end(a: &End, b: &End) -> bool {
    match (a, b) {
        (End::Keep, End::Keep) | (End::Passing, End::Passing) | (End::Mark, End::Mark) => true,
        (
            End::Group { keys: a, aggregates: of_a, partial: part_a },
            End::Group { keys: b, aggregates: of_b, partial: part_b },
        ) => part_a == part_b && same_list(a, b, same_expr) && same_list(of_a, of_b, same_aggregate),
        (End::Merge { keys: a, folded: of_a }, End::Merge { keys: b, folded: of_b }) => a == b && of_a == of_b,
        (End::Present(a), End::Present(b)) => a == b,
        (End::Branches(a), End::Branches(b)) => same_list(a, b, same_branch),
        (End::Union(a), End::Union(b)) => same_list(&a.others, &b.others, |(_, a), (_, b)| same_whole(a, b)),
        (End::TopK { order: a, limit: of_a }, End::TopK { order: b, limit: of_b }) => of_a == of_b && same_order(a, b),
        (End::Sort { order: a, most: of_a }, End::Sort { order: b, most: of_b }) => of_a == of_b && same_order(a, b),
        (
            End::Keep
            | End::Group { .. }
            | End::Merge { .. }
            | End::Passing
            | End::Mark
            | End::Present(_)
            | End::Branches(_)
            | End::Union(_)
            | End::TopK { .. }
            | End::Sort { .. },
            _,
        ) => false,
    }
}

fn same_aggregate(a: &Aggregated, b: &Aggregated) -> bool {
    same_option(&a.filter, &b.filter, same_expr)
        && a.name == b.name
        && a.distinct == b.distinct
        && a.ordered == b.ordered
        && a.data_type == b.data_type
        && same_list(&a.arguments, &b.arguments, same_expr)
}

fn same_branch(a: &Branch, b: &Branch) -> bool {
    let picked = |branch: &Branch| branch.stages.last().and_then(|last| last.picked.clone());
    a.columns == b.columns && same_stages(&a.stages, &b.stages) && picked(a) == picked(b)
}

fn same_order(a: &[PhysicalSortExpr], b: &[PhysicalSortExpr]) -> bool {
    same_list(a, b, |a, b| same_expr(&a.expr, &b.expr) && a.options == b.options)
}
