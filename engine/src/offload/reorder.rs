//! Which side of inner joins is built of, and in which order: the largest table is read once, and nothing is built of it.
//!
//! Joins come in the order of a query's text. `lineitem ⋈ (orders ⋈ customer)` as written builds a table of pairs anew for every
//! query; with lineitem in front each of its rows asks orders, and then customer, both of which are kept as tables as they
//! stand. What only narrows a small table, as a nation does suppliers, is asked when that table is built: few of the suppliers
//! are there then, and rows of the largest table are rejected by one bit. The order of what is left is found when the program
//! is made ([`order`](super::order)), by what is known then of every build side.
//!
//! A join that is expected to leave more rows than come to it is no better for being moved: with one, all stays as it is. So it
//! does where nothing is known yet of the columns that are compared.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{JoinSide, JoinType, NullEquality, Result};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::joins::{HashJoinExec, PartitionMode};
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};

use super::with_children;
use crate::exec::inputs::Inputs;
use crate::exec::table_scan::TableScanExec;

/// A table is narrowed by another one when it is built if the largest has so many times its rows: to build it anew for every
/// query is then less than to ask for it.
const SMALLER: u64 = 64;
/// A table that is grouped is expected to leave one in so many rows.
const GROUPED: u64 = 4;

/// More partners of a row than this, and a join is not moved.
const PARTNERS: f64 = 1.5;

/// What is known of tables.
pub struct Statistics<'a> {
    inputs: &'a Inputs,
    /// Whether something was asked for that will only be known when it is loaded.
    pub unseen: Cell<bool>,
    /// What was found, by the table's owner: to find it again takes looking at all its files.
    rows: RefCell<HashMap<u64, Option<u64>>>,
    values: RefCell<HashMap<(u64, usize), Option<u64>>>,
}

impl<'a> Statistics<'a> {
    /// Of the tables behind these.
    pub fn new(inputs: &'a Inputs) -> Self {
        Self { inputs, unseen: Cell::new(false), rows: RefCell::default(), values: RefCell::default() }
    }

    /// About how many rows are read for a plan; `None` where that is not known.
    fn rows(&self, plan: &Arc<dyn ExecutionPlan>) -> Option<u64> {
        if let Some(scan) = plan.downcast_ref::<TableScanExec>() {
            let mut rows = self.rows.borrow_mut();
            let count = || self.inputs.segments(scan.table()).ok().map(|segments| segments.rows());
            return *rows.entry(scan.table().owner).or_insert_with(count);
        }
        if let Some(join) = plan.downcast_ref::<HashJoinExec>() {
            use JoinType as J;
            match join.join_type() {
                J::LeftSemi | J::LeftAnti | J::LeftMark => return self.rows(join.left()),
                J::RightSemi | J::RightAnti | J::RightMark => return self.rows(join.right()),
                J::Inner | J::Left | J::Right | J::Full => {}
            }
        }
        let below = plan.children().into_iter().map(|child| self.rows(child)).collect::<Option<Vec<_>>>()?;
        let most = below.into_iter().max()?;
        let most = match plan.downcast_ref::<AggregateExec>() {
            Some(aggregate) if aggregate.group_expr().is_empty() => 1,
            Some(_) => most / GROUPED,
            None => most,
        };
        Some(plan.fetch().map_or(most, |fetch| most.min(fetch as u64)))
    }

    /// How many values a column of a plan has at most, where that is known to be few.
    fn values(&self, plan: &Arc<dyn ExecutionPlan>, column: usize) -> Option<u64> {
        if let Some(scan) = plan.downcast_ref::<TableScanExec>() {
            let column = *scan.projection().get(column)?;
            let mut values = self.values.borrow_mut();
            let count = || self.inputs.values(scan.table(), column);
            let known = *values.entry((scan.table().owner, column)).or_insert_with(count);
            self.unseen.set(self.unseen.get() || known.is_none());
            return known;
        }
        if let Some(filter) = plan.downcast_ref::<FilterExec>() {
            let column = filter.projection().as_ref().map_or(Some(column), |picked| picked.get(column).copied())?;
            return self.values(filter.input(), column);
        }
        let project = plan.downcast_ref::<ProjectionExec>()?;
        self.values(project.input(), project.expr().get(column)?.expr.downcast_ref::<Column>()?.index())
    }
}

/// The same plan with its inner joins in a better order.
pub fn reordered(plan: &Arc<dyn ExecutionPlan>, known: &Statistics<'_>) -> Result<Arc<dyn ExecutionPlan>> {
    // What DataFusion does not take stays as it is.
    if let Some(region) = Region::of(plan, known)
        && let Ok(Some(better)) = region.joined(plan)
    {
        return Ok(better);
    }
    with_children(Arc::clone(plan), |child| reordered(&child, known))
}

/// A plan that is joined with others.
struct Relation {
    plan: Arc<dyn ExecutionPlan>,
    /// Its columns' numbers begin here.
    first: usize,
    /// About how many rows are read for it.
    rows: u64,
    /// Whether a condition leaves rows out.
    reduces: bool,
}

/// Two expressions, of one relation each, that are equal.
struct Equal {
    sides: [(usize, Arc<dyn PhysicalExpr>); 2],
}

/// Relations that are joined with one another, and how. Expressions are over all their columns, one relation's behind the other's.
struct Region<'a> {
    known: &'a Statistics<'a>,
    relations: Vec<Relation>,
    equal: Vec<Equal>,
    /// What holds besides.
    filters: Vec<Arc<dyn PhysicalExpr>>,
    /// The columns that the whole leaves.
    output: Vec<usize>,
    columns: usize,
}

/// Some relations, joined.
struct Tree {
    plan: Arc<dyn ExecutionPlan>,
    /// Which columns it leaves.
    columns: Vec<usize>,
    relations: BTreeSet<usize>,
    reduces: bool,
}

/// An inner join by equality.
fn inner(plan: &Arc<dyn ExecutionPlan>) -> Option<&HashJoinExec> {
    let join = plan.downcast_ref::<HashJoinExec>()?;
    let plain = *join.join_type() == JoinType::Inner
        && join.null_equality() == NullEquality::NullEqualsNothing
        && !join.null_aware
        && join.fetch().is_none();
    plain.then_some(join)
}

/// Whether a condition leaves rows of a plan out.
fn reduces(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.is::<FilterExec>() || plan.children().into_iter().any(reduces)
}

/// An expression with other numbers of columns, under the names that they have in a plan, if one is given; `None` where one has
/// none.
fn renumbered(
    expr: &Arc<dyn PhysicalExpr>,
    plan: Option<&Arc<dyn ExecutionPlan>>,
    number: impl Fn(usize) -> Option<usize>,
) -> Option<Arc<dyn PhysicalExpr>> {
    let mut known = true;
    let schema = plan.map(|plan| plan.schema());
    let changed = Arc::clone(expr).transform(|expr| {
        let Some(column) = expr.downcast_ref::<Column>() else { return Ok(Transformed::no(expr)) };
        match number(column.index()) {
            Some(at) => {
                let name = schema.as_ref().map_or(column.name(), |schema| schema.field(at).name());
                Ok(Transformed::yes(Arc::new(Column::new(name, at)) as Arc<dyn PhysicalExpr>))
            }
            None => {
                known = false;
                Ok(Transformed::no(expr))
            }
        }
    });
    changed.ok().filter(|_| known).map(|changed| changed.data)
}

/// The numbers of the columns of an expression.
fn numbers(expr: &Arc<dyn PhysicalExpr>) -> impl Iterator<Item = usize> {
    collect_columns(expr).into_iter().map(|column| column.index())
}

impl<'a> Region<'a> {
    /// The relations that are joined at the root of a plan, where another order may be better.
    fn of(plan: &Arc<dyn ExecutionPlan>, known: &'a Statistics<'a>) -> Option<Self> {
        inner(plan)?;
        let mut region =
            Self { known, relations: Vec::new(), equal: Vec::new(), filters: Vec::new(), output: Vec::new(), columns: 0 };
        region.output = region.flatten(plan)?;
        // Two of which the larger one is not built of stay as they are.
        let as_wanted = matches!(region.relations.as_slice(), [built, read] if built.rows <= read.rows);
        (!as_wanted).then_some(region)
    }

    /// Takes a plan apart; the numbers of its columns. `None` where it cannot be understood.
    fn flatten(&mut self, plan: &Arc<dyn ExecutionPlan>) -> Option<Vec<usize>> {
        let picked = |columns: Vec<usize>, projection: Option<&[usize]>| match projection {
            Some(projection) => projection.iter().map(|at| columns.get(*at).copied()).collect(),
            None => Some(columns),
        };
        if let Some(join) = inner(plan) {
            let left = self.flatten(join.left())?;
            let right = self.flatten(join.right())?;
            for (of_left, of_right) in join.on() {
                let of_left = renumbered(of_left, None, |at| left.get(at).copied())?;
                let of_right = renumbered(of_right, None, |at| right.get(at).copied())?;
                let sides = [(self.relation_of(&of_left)?, of_left), (self.relation_of(&of_right)?, of_right)];
                self.equal.push(Equal { sides });
            }
            if let Some(filter) = join.filter() {
                let number = |at: usize| {
                    let column = filter.column_indices().get(at)?;
                    match column.side {
                        JoinSide::Left => left.get(column.index).copied(),
                        JoinSide::Right => right.get(column.index).copied(),
                        JoinSide::None => None,
                    }
                };
                self.filters.push(renumbered(filter.expression(), None, number)?);
            }
            return picked(left.into_iter().chain(right).collect(), join.projection.as_deref());
        }
        if let Some(project) = plan.downcast_ref::<ProjectionExec>()
            && let Some(places) =
                project.expr().iter().map(|e| Some(e.expr.downcast_ref::<Column>()?.index())).collect::<Option<Vec<_>>>()
            && holds_join(project.input())
        {
            let below = self.flatten(project.input())?;
            return picked(below, Some(&places));
        }
        if let Some(filter) = plan.downcast_ref::<FilterExec>()
            && filter.fetch().is_none()
            && holds_join(filter.input())
        {
            let below = self.flatten(filter.input())?;
            self.filters.push(renumbered(filter.predicate(), None, |at| below.get(at).copied())?);
            return picked(below, filter.projection().as_deref());
        }
        let first = self.columns;
        self.columns += plan.schema().fields().len();
        self.relations.push(Relation { plan: Arc::clone(plan), first, rows: self.known.rows(plan)?, reduces: reduces(plan) });
        Some((first..self.columns).collect())
    }

    /// The relation that a column is of.
    fn owner(&self, column: usize) -> usize {
        self.relations.partition_point(|relation| relation.first <= column) - 1
    }

    /// The one relation that an expression's columns are of.
    fn relation_of(&self, expr: &Arc<dyn PhysicalExpr>) -> Option<usize> {
        let owners: BTreeSet<usize> = numbers(expr).map(|column| self.owner(column)).collect();
        owners.first().copied().filter(|_| owners.len() == 1)
    }

    /// The relations that one is joined with.
    fn neighbours(&self, of: usize) -> BTreeSet<usize> {
        let other = |equal: &Equal| match [equal.sides[0].0, equal.sides[1].0] {
            [a, b] if a == of => Some(b),
            [a, b] if b == of => Some(a),
            _ => None,
        };
        self.equal.iter().filter_map(other).collect()
    }

    /// How many rows of a relation are expected to be partners of a row of others that has one.
    fn partners(&self, of: usize, others: &BTreeSet<usize>) -> f64 {
        let relation = &self.relations[of];
        let mut values = 1.0;
        for Equal { sides: [a, b] } in &self.equal {
            let own = match (a.0 == of && others.contains(&b.0), b.0 == of && others.contains(&a.0)) {
                (true, _) => &a.1,
                (_, true) => &b.1,
                _ => continue,
            };
            let column = own.downcast_ref::<Column>().map(|column| column.index() - relation.first);
            match column.and_then(|column| self.known.values(&relation.plan, column)) {
                Some(few) => values *= few.max(1) as f64,
                None => return 1.0,
            }
        }
        (relation.rows as f64 / values).max(1.0)
    }

    /// All of them joined, from the largest on; `None` where some are joined with no other.
    fn joined(&self, plan: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let largest = (0..self.relations.len()).rev().max_by_key(|at| self.relations[*at].rows);
        let Some(largest) = largest else { return Ok(None) };
        let mut tree = self.leaf(largest)?;
        while tree.relations.len() < self.relations.len() {
            // Of those that leave a row alone, the larger one: what is compared with more than one is left for last.
            let meets = |at: &usize| !tree.relations.contains(at) && !self.neighbours(*at).is_disjoint(&tree.relations);
            let candidates = (0..self.relations.len()).filter(meets);
            let next = candidates.filter(|at| self.partners(*at, &tree.relations) <= PARTNERS);
            let Some(next) = next.max_by_key(|at| self.relations[*at].rows) else { return Ok(None) };
            let build = self.grown(next, &tree.relations, largest)?;
            tree = self.join(build, tree)?;
        }
        let place = |column: usize| tree.columns.iter().position(|known| *known == column);
        for filter in &self.filters {
            let Some(filter) = renumbered(filter, Some(&tree.plan), place) else { return Ok(None) };
            tree.plan = Arc::new(FilterExec::try_new(filter, tree.plan)?);
        }
        let schema = plan.schema();
        let mut exprs = Vec::new();
        for (column, field) in self.output.iter().zip(schema.fields()) {
            let Some(at) = place(*column) else { return Ok(None) };
            let own = tree.plan.schema().field(at).name().clone();
            exprs.push(ProjectionExpr { expr: Arc::new(Column::new(&own, at)), alias: field.name().clone() });
        }
        let better: Arc<dyn ExecutionPlan> = Arc::new(ProjectionExec::try_new(exprs, tree.plan)?);
        Ok((better.schema() == schema).then_some(better))
    }

    fn leaf(&self, at: usize) -> Result<Tree> {
        let relation = &self.relations[at];
        let columns = relation.first..relation.first + relation.plan.schema().fields().len();
        Ok(Tree {
            plan: reordered(&relation.plan, self.known)?,
            columns: columns.collect(),
            relations: BTreeSet::from([at]),
            reduces: relation.reduces,
        })
    }

    /// A relation, narrowed by those that are joined with nothing else but it and leave rows out, if it is small.
    fn grown(&self, at: usize, known: &BTreeSet<usize>, largest: usize) -> Result<Tree> {
        let mut tree = self.leaf(at)?;
        if self.relations[at].rows.saturating_mul(SMALLER) > self.relations[largest].rows {
            return Ok(tree);
        }
        for child in self.neighbours(at) {
            let alone = BTreeSet::from([at]);
            let new = !known.contains(&child) && !tree.relations.contains(&child) && self.hangs_on(child, at, known);
            if !new || self.partners(child, &alone) > PARTNERS {
                continue;
            }
            let known = known.union(&tree.relations).copied().collect();
            let narrower = self.grown(child, &known, largest)?;
            if narrower.reduces {
                tree = self.join(narrower, tree)?;
            }
        }
        Ok(tree)
    }

    /// Whether a relation, and all that is joined with it, is joined with no other but by way of `by`.
    fn hangs_on(&self, at: usize, by: usize, known: &BTreeSet<usize>) -> bool {
        let mut seen = BTreeSet::from([at]);
        let mut open = vec![at];
        while let Some(next) = open.pop() {
            for neighbour in self.neighbours(next) {
                if known.contains(&neighbour) && neighbour != by || next != at && neighbour == by {
                    return false;
                }
                if neighbour != by && seen.insert(neighbour) {
                    open.push(neighbour);
                }
            }
        }
        true
    }

    /// Two trees joined by all that is equal of them; the columns stay that anything asks for later.
    fn join(&self, build: Tree, probe: Tree) -> Result<Tree> {
        let relations: BTreeSet<usize> = build.relations.union(&probe.relations).copied().collect();
        let mut on = Vec::new();
        let mut wanted: BTreeSet<usize> = self.output.iter().copied().collect();
        wanted.extend(self.filters.iter().flat_map(numbers));
        for Equal { sides: [a, b] } in &self.equal {
            let (of_build, of_probe) = match () {
                () if build.relations.contains(&a.0) && probe.relations.contains(&b.0) => (a, b),
                () if build.relations.contains(&b.0) && probe.relations.contains(&a.0) => (b, a),
                () if relations.contains(&a.0) && relations.contains(&b.0) => continue,
                () => {
                    wanted.extend(numbers(&a.1).chain(numbers(&b.1)));
                    continue;
                }
            };
            let local = |tree: &Tree, expr: &Arc<dyn PhysicalExpr>| {
                let found = renumbered(expr, Some(&tree.plan), |column| tree.columns.iter().position(|known| *known == column));
                found.ok_or_else(|| datafusion::common::internal_datafusion_err!("a join's key {expr} is not there"))
            };
            on.push((local(&build, &of_build.1)?, local(&probe, &of_probe.1)?));
        }
        let all: Vec<usize> = build.columns.iter().chain(&probe.columns).copied().collect();
        let kept: Vec<usize> = (0..all.len()).filter(|at| wanted.contains(&all[*at])).collect();
        let columns = kept.iter().map(|at| all[*at]).collect();
        let mode = PartitionMode::CollectLeft;
        let nulls = NullEquality::NullEqualsNothing;
        let join = HashJoinExec::try_new(build.plan, probe.plan, on, None, &JoinType::Inner, Some(kept), mode, nulls, false)?;
        Ok(Tree { plan: Arc::new(join), columns, relations, reduces: build.reduces || probe.reduces })
    }
}

/// Whether an inner join is at the root of a plan, but for what picks columns and conditions.
fn holds_join(plan: &Arc<dyn ExecutionPlan>) -> bool {
    if let Some(project) = plan.downcast_ref::<ProjectionExec>() {
        let bare = project.expr().iter().all(|e| e.expr.is::<Column>());
        return bare && holds_join(project.input());
    }
    match plan.downcast_ref::<FilterExec>() {
        Some(filter) => holds_join(filter.input()),
        None => inner(plan).is_some(),
    }
}
