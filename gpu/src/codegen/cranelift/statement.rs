//! The body of a pipeline, cut into what vector instructions test and into loops that leave a list of rows.

use std::collections::BTreeSet;
use std::mem::offset_of;

use cranelift::prelude::*;

use super::context::Context;
use super::function::{Loop, fixed, plain};
use super::mask::{self, Test};
use super::number;
use super::string::{self, TextTest};
use crate::codegen::analysis::Facts;
use crate::join::layout::Layout;
use crate::program::statement::{LoopHead, loops};
use crate::program::verify::loops_of_nodes;
use crate::program::{Expr, ExprId, LoopId, Pipeline, Statement};

/// A body as a block of rows runs through it: first the test, then each chain.
#[derive(Debug)]
pub(super) struct Shape {
    /// What vector instructions test first.
    pub test: Option<Test>,
    /// Each a way to an `emit`; without loops over numbers there is one, whatever the body.
    pub chains: Vec<Chain>,
    /// How often a row of a chain's list may be given to the sink.
    pub emits: usize,
}

/// What lies on a way to the sink: each filter runs over the rows that those before it left.
#[derive(Debug)]
pub(super) struct Chain {
    /// The filters, each with how many loops are around it whose numbers are known.
    pub filters: Vec<(Filter, usize)>,
    /// The nodes that are kept, in the order of their lists.
    pub kept: Vec<ExprId>,
}

/// A loop that leaves the rows that pass.
#[derive(Debug)]
pub(super) enum Filter {
    /// All conditions hold, tried in order.
    Conditions(Vec<ExprId>),
    /// A test of a stored text, without a loop of its own.
    Text(TextTest),
    /// A loop over numbers: a row is left for each number that counts.
    Numbers(LoopHead),
    /// Says where the next loops read memory, so that it can be fetched: probes, and lookups. It leaves all rows.
    Far(Vec<ExprId>),
    /// Keeps what a probe finds for each row, in the list of that number, for all loops behind it. It leaves all rows.
    Keep(ExprId, usize),
    /// The statements of a body of no simple form; a row is listed once for each time it is emitted.
    Body,
}

/// What a row passes on its way to an `emit`.
#[derive(Debug, Clone)]
enum Step {
    Condition(ExprId),
    Numbers(LoopHead),
    Stage,
}

impl Shape {
    /// Cuts the body.
    pub fn of(pipeline: &Pipeline, facts: &Facts) -> Self {
        let mut ways = vec![];
        find_ways(&pipeline.body, &mut vec![], &mut ways);
        let loops = !loops(&pipeline.body).is_empty();
        if !loops && ways.len() != 1 {
            let filters = vec![(Filter::Body, 0)];
            return Self { test: None, chains: vec![Chain { filters, kept: vec![] }], emits: emits(&pipeline.body) };
        }
        let mut test = vec![];
        let alone = ways.len() == 1;
        let mut chains: Vec<Chain> =
            ways.into_iter().map(|way| chain(pipeline, facts, way, alone.then_some(&mut test))).collect();
        if let [chain] = &mut chains[..] {
            // The sink is one for all chains: only where there is one it can rely on what that has kept.
            *chain = prepare(pipeline, facts, std::mem::take(&mut chain.filters));
        }
        let test = if test.is_empty() { None } else { Some(Test::All(test)) };
        Self { test, chains, emits: 1 }
    }
}

/// The filters of a way; what vector instructions can test in front of all goes to `tests`, where there is such.
fn chain(pipeline: &Pipeline, facts: &Facts, way: Vec<Step>, mut tests: Option<&mut Vec<Test>>) -> Chain {
    let (mut filters, mut open, mut depth) = (vec![], vec![], 0);
    // A test that cannot fault may be made before what cannot fault either.
    let mut may_move = true;
    for step in way {
        let mut conditions = vec![];
        match step {
            Step::Stage => conditions.push(None),
            Step::Condition(id) => split(pipeline, facts, id, &mut conditions),
            Step::Numbers(head) => {
                close(&mut filters, &mut open, depth);
                let nodes = [Some(head.from), Some(head.to), head.condition];
                may_move &= nodes.into_iter().flatten().all(|id| !facts.can_fault(id));
                filters.push((Filter::Numbers(head), depth));
                depth += usize::from(head.kind.has_current());
            }
        }
        for condition in conditions {
            let Some(id) = condition else {
                close(&mut filters, &mut open, depth);
                continue;
            };
            if let Some(tests) = &mut tests
                && may_move
                && let Some(found) = mask::test(pipeline, id, true)
            {
                tests.push(found);
                continue;
            }
            match string::test(pipeline, id, true) {
                // It leaves rows, and not the numbers beside them.
                Some(test) if depth == 0 => {
                    close(&mut filters, &mut open, depth);
                    filters.push((Filter::Text(test), depth));
                }
                _ => {
                    may_move &= !facts.can_fault(id);
                    open.push(id);
                }
            }
        }
    }
    close(&mut filters, &mut open, depth);
    Chain { filters, kept: vec![] }
}

/// Puts loops in front of those that probe an index: they say where it will be read, so that memory can be fetched for a whole
/// list at once, and keep what is found, so that it is looked for once. Likewise for the tables that say where a loop over
/// numbers begins and ends.
fn prepare(pipeline: &Pipeline, facts: &Facts, filters: Vec<(Filter, usize)>) -> Chain {
    let loops = loops_of_nodes(pipeline);
    let (mut made, mut kept) = (vec![], vec![]);
    let mut last = 0;
    for (filter, depth) in filters {
        last = depth;
        let filter = match filter {
            // What is probed for a condition is probed for rows that pass those in front of it.
            Filter::Conditions(conditions) => {
                let mut open = vec![];
                for condition in conditions {
                    if !probes(pipeline, facts, &loops, &[condition], &kept).is_empty() {
                        close(&mut made, &mut open, depth);
                        keep_probes(pipeline, facts, &loops, &[condition], depth, (&mut made, &mut kept));
                    }
                    open.push(condition);
                }
                close(&mut made, &mut open, depth);
                continue;
            }
            other => other,
        };
        let (roots, bounds) = match &filter {
            Filter::Numbers(head) => {
                ([Some(head.from), Some(head.to), head.condition].into_iter().flatten().collect(), vec![head.from, head.to])
            }
            Filter::Conditions(_) | Filter::Text(_) | Filter::Far(_) | Filter::Keep(..) | Filter::Body => (vec![], vec![]),
        };
        keep_probes(pipeline, facts, &loops, &roots, depth, (&mut made, &mut kept));
        let far: Vec<ExprId> = below(pipeline, &bounds, &kept)
            .into_iter()
            .filter(|id| matches!(pipeline.expr(*id), Expr::Lookup { index, .. } if !facts.can_fault(*index)))
            // What another lookup leads to is not known yet.
            .filter(|id| !below(pipeline, &pipeline.expr(*id).operands(), &kept).iter().any(|id| is_access(pipeline.expr(*id))))
            .collect();
        if !far.is_empty() {
            made.push((Filter::Far(far), depth));
        }
        made.push((filter, depth));
    }
    keep_probes(pipeline, facts, &loops, &pipeline.sink.operands(), last, (&mut made, &mut kept));
    Chain { filters: made, kept }
}

/// Whether a node reads what came with the run, at a place that depends on the row.
fn is_access(expr: &Expr) -> bool {
    matches!(expr, Expr::Lookup { .. } | Expr::Probe { .. })
}

/// Fetches and keeps those probes that some nodes are computed from and that depend on no loop.
fn keep_probes(
    pipeline: &Pipeline,
    facts: &Facts,
    loops: &[BTreeSet<LoopId>],
    roots: &[ExprId],
    depth: usize,
    (made, kept): (&mut Vec<(Filter, usize)>, &mut Vec<ExprId>),
) {
    for id in probes(pipeline, facts, loops, roots, kept) {
        let Expr::Probe { index, .. } = pipeline.expr(id) else { continue };
        if Layout::of(&pipeline.indexes[index.0 as usize].keys).texts() == 0 {
            made.push((Filter::Far(vec![id]), depth));
        }
        made.push((Filter::Keep(id, kept.len()), depth));
        kept.push(id);
    }
}

/// Those probes that some nodes are computed from, that depend on no loop, and that are not kept yet. They come in the order of the
/// nodes: a probe by what another one found comes behind it.
fn probes(pipeline: &Pipeline, facts: &Facts, loops: &[BTreeSet<LoopId>], roots: &[ExprId], kept: &[ExprId]) -> Vec<ExprId> {
    let is_wanted = |id: &ExprId| match pipeline.expr(*id) {
        Expr::Probe { keys, .. } => loops[id.0 as usize].is_empty() && !keys.iter().any(|key| facts.can_fault(*key)),
        _ => false,
    };
    below(pipeline, roots, kept).into_iter().filter(is_wanted).collect()
}

/// The nodes that some are computed from, themselves among them, in order; not those that only kept ones are.
fn below(pipeline: &Pipeline, roots: &[ExprId], kept: &[ExprId]) -> BTreeSet<ExprId> {
    let (mut found, mut open) = (BTreeSet::new(), roots.to_vec());
    while let Some(id) = open.pop() {
        if !kept.contains(&id) && found.insert(id) {
            open.extend(pipeline.expr(id).operands());
        }
    }
    found
}

/// Makes a filter of the conditions that are open.
fn close(filters: &mut Vec<(Filter, usize)>, open: &mut Vec<ExprId>, depth: usize) {
    if !open.is_empty() {
        filters.push((Filter::Conditions(std::mem::take(open)), depth));
    }
}

/// The ways to the emits of a block.
fn find_ways(block: &[Statement], way: &mut Vec<Step>, found: &mut Vec<Vec<Step>>) {
    let before = way.len();
    for statement in block {
        let (step, then) = match statement {
            Statement::Stage => {
                way.push(Step::Stage);
                continue;
            }
            Statement::Emit => {
                found.push(way.clone());
                continue;
            }
            Statement::If { condition, then } => (Step::Condition(*condition), then),
            Statement::Loop { id, from, to, kind, condition, then } => {
                let (id, from, to, kind, condition) = (*id, *from, *to, *kind, *condition);
                (Step::Numbers(LoopHead { id, from, to, kind, condition }), then)
            }
        };
        way.push(step);
        find_ways(then, way, found);
        way.pop();
    }
    way.truncate(before);
}

/// How often at most a row is given to the sink.
pub(super) fn emits(block: &[Statement]) -> usize {
    let each = block.iter().map(|statement| match statement {
        // Bodies with loops are cut into chains, of one emit each.
        Statement::If { then, .. } | Statement::Loop { then, .. } => emits(then),
        Statement::Stage => 0,
        Statement::Emit => 1,
    });
    each.sum()
}

/// The conjuncts of a condition. The second of an AND is evaluated for a NULL first one too, where it could fault.
fn split(pipeline: &Pipeline, facts: &Facts, id: ExprId, out: &mut Vec<Option<ExprId>>) {
    match pipeline.expr(id) {
        Expr::And(a, b) if !facts.can_fault(*b) || !facts.ty(*a).nullable => {
            split(pipeline, facts, *a, out);
            split(pipeline, facts, *b, out);
        }
        _other => out.push(Some(id)),
    }
}

/// The list of rows that a filter leaves, while it is being written.
pub(super) struct Append {
    /// How many there are.
    found: Variable,
    /// For each loop around the numbers of the rows that are read, and of those that are left.
    outer: Vec<(Value, Value)>,
    /// The numbers of the filter's own loop.
    own: Option<Value>,
}

impl Append {
    /// An empty list; `depth` loops are around, and one more where the filter is a loop with a number.
    pub fn new(this: &mut Loop<'_, '_>, depth: usize, own: bool) -> Self {
        let found = this.b.declare_var(types::I64);
        let zero = this.b.ins().iconst(types::I64, 0);
        this.b.def_var(found, zero);
        let mut lists = |field: usize, count: usize| -> Vec<Value> {
            if count == 0 {
                return vec![];
            }
            let lists = this.field(field, types::I64);
            (0..count).map(|at| this.b.ins().load(types::I64, fixed(), lists, at as i32 * 8)).collect()
        };
        let read = lists(offset_of!(Context, numbers), depth);
        let mut left = lists(offset_of!(Context, left), depth + usize::from(own));
        let own = if own { left.pop() } else { None };
        Self { found, outer: read.into_iter().zip(left).collect(), own }
    }

    /// How many rows there are.
    pub fn count(&self, this: &mut Loop<'_, '_>) -> Value {
        this.b.use_var(self.found)
    }

    /// Lists the row, with its number; says how many rows there are then.
    pub fn row(&self, this: &mut Loop<'_, '_>, number: Option<Value>) -> Value {
        let one = this.b.ins().iconst(types::I64, 1);
        if let (Some(list), Some(number)) = (self.own, number) {
            let count = this.b.use_var(self.found);
            let address = this.element(list, count, 8);
            this.b.ins().store(plain(), number, address, 0);
        }
        self.row_if(this, one)
    }

    /// Lists the row; it stays where the condition holds, and is written over where not.
    pub fn row_if(&self, this: &mut Loop<'_, '_>, passes: Value) -> Value {
        let count = this.b.use_var(self.found);
        if !self.outer.is_empty() {
            let place = this.place();
            for (read, left) in &self.outer {
                let from = this.element(*read, place, 8);
                let number = this.b.ins().load(types::I64, plain(), from, 0);
                let to = this.element(*left, count, 8);
                this.b.ins().store(plain(), number, to, 0);
            }
        }
        let address = this.element(this.extra, count, 2);
        this.b.ins().istore16(plain(), this.row, address, 0);
        let one =
            if this.b.func.dfg.value_type(passes) == types::I64 { passes } else { this.b.ins().uextend(types::I64, passes) };
        let count = this.b.ins().iadd(count, one);
        this.b.def_var(self.found, count);
        count
    }
}

/// Writes the loop of a filter with so many loops around. It leaves the rows in `extra`, and returns how many.
pub(super) fn write(mut this: Loop<'_, '_>, filter: &Filter, depth: usize, config: isa::TargetFrontendConfig) {
    match filter {
        Filter::Numbers(head) => return number::write(this, head, depth, config),
        Filter::Far(nodes) => return number::write_far(this, nodes, config),
        Filter::Keep(id, at) => return number::write_kept(this, *id, *at, config),
        Filter::Conditions(_) | Filter::Text(_) | Filter::Body => {}
    }
    let append = Append::new(&mut this, depth, false);
    this.begin();
    match filter {
        Filter::Conditions(conditions) => {
            let mut passes = None;
            for id in conditions {
                if this.facts.is_lazy(*id)
                    && let Some(before) = passes.take()
                {
                    let on = this.b.create_block();
                    let next = this.next_block();
                    this.b.ins().brif(before, on, &[], next, &[]);
                    this.b.switch_to_block(on);
                }
                let holds = this.truth(*id);
                passes = this.both(passes, Some(holds));
            }
            let passes = passes.unwrap_or_else(|| this.int(types::I64, 0));
            append.row_if(&mut this, passes);
        }
        // They have no loop, or one of their own.
        Filter::Text(_) | Filter::Numbers(_) | Filter::Far(_) | Filter::Keep(..) => {}
        Filter::Body => {
            let pipeline = this.pipeline;
            block(&mut this, &pipeline.body, &append);
        }
    }
    this.end();
    let result = append.count(&mut this);
    this.close(result, config);
}

fn block(this: &mut Loop<'_, '_>, statements: &[Statement], append: &Append) {
    for statement in statements {
        match statement {
            // Bodies with loops are cut into chains.
            Statement::Stage | Statement::Loop { .. } => {}
            Statement::Emit => {
                append.row(this, None);
            }
            Statement::If { condition, then } => {
                let holds = this.truth(*condition);
                let (yes, on) = (this.b.create_block(), this.b.create_block());
                this.b.ins().brif(holds, yes, &[], on, &[]);
                this.b.switch_to_block(yes);
                let mark = this.mark();
                block(this, then, append);
                this.forget(mark);
                this.b.ins().jump(on, &[]);
                this.b.switch_to_block(on);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::text::parse;

    /// The conditions that `%4 and %5` becomes.
    fn conjuncts(nullable: &str, second: &str) -> usize {
        let head = format!("pipeline\n  column 0 i64{nullable}\n  column 1 i64\n  %0 = column 0\n  %1 = column 1\n");
        let tests = format!("  %2 = constant i64 7\n  %3 = {second}\n  %4 = less %0 %2\n  %5 = less %3 %2\n  %6 = and %4 %5\n");
        let pipeline = parse(&format!("{head}{tests}  body\n    if %6\n      emit\n  materialize %0\n")).unwrap();
        let facts = Facts::of(&pipeline).unwrap();
        let mut found = vec![];
        split(&pipeline, &facts, ExprId(6), &mut found);
        found.len()
    }

    /// A condition is cut where its second part is not asked about a row that fails the first: unless that may be NULL, and the
    /// second could fail.
    #[test]
    fn conditions_are_cut_where_that_is_right() {
        assert_eq!(conjuncts("", "bit_and %1 %2"), 2);
        assert_eq!(conjuncts(" nullable", "bit_and %1 %2"), 2);
        assert_eq!(conjuncts("", "add %1 %2 ! bigint_range"), 2);
        assert_eq!(conjuncts(" nullable", "add %1 %2 ! bigint_range"), 1);
    }
}
