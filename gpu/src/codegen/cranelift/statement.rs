//! The body of a pipeline, cut into what vector instructions test and into loops that leave a list of rows.

use cranelift::prelude::*;

use super::function::{Loop, plain};
use super::mask::{self, Test};
use super::string::{self, TextTest};
use crate::codegen::analysis::Facts;
use crate::program::{Expr, ExprId, Pipeline, Statement};

/// A body as a block of rows runs through it: first the test, then each filter over the rows that are left.
#[derive(Debug)]
pub(super) struct Shape {
    /// What vector instructions test first.
    pub test: Option<Test>,
    /// Loops in turn, each with the conditions that a row must pass.
    pub filters: Vec<Filter>,
    /// How often a row may be given to the sink.
    pub emits: usize,
}

/// A loop that leaves the rows that pass.
#[derive(Debug)]
pub(super) enum Filter {
    /// All conditions hold, tried in order.
    Conditions(Vec<ExprId>),
    /// A test of a stored text, without a loop of its own.
    Text(TextTest),
    /// The statements of a body of no simple form; a row is listed once for each time it is emitted.
    Body,
}

/// What a row passes on its way to the only `emit`.
enum Step {
    Condition(ExprId),
    Stage,
}

impl Shape {
    /// Cuts the body.
    pub fn of(pipeline: &Pipeline, facts: &Facts) -> Self {
        let mut steps = vec![];
        if !chain(&pipeline.body, &mut steps) {
            return Self { test: None, filters: vec![Filter::Body], emits: emits(&pipeline.body) };
        }
        let mut conditions = vec![];
        for step in steps {
            match step {
                Step::Stage => conditions.push(None),
                Step::Condition(id) => split(pipeline, facts, id, &mut conditions),
            }
        }
        let (mut test, mut filters, mut open) = (vec![], vec![], vec![]);
        // A test that cannot fault may be made before what cannot fault either.
        let mut may_move = true;
        for condition in conditions {
            let Some(id) = condition else {
                if !open.is_empty() {
                    filters.push(Filter::Conditions(std::mem::take(&mut open)));
                }
                continue;
            };
            match mask::test(pipeline, id, true).filter(|_| may_move) {
                Some(found) => test.push(found),
                None => match string::test(pipeline, id, true) {
                    Some(test) => {
                        if !open.is_empty() {
                            filters.push(Filter::Conditions(std::mem::take(&mut open)));
                        }
                        filters.push(Filter::Text(test));
                    }
                    None => {
                        may_move &= !facts.can_fault(id);
                        open.push(id);
                    }
                },
            }
        }
        if !open.is_empty() {
            filters.push(Filter::Conditions(open));
        }
        let test = if test.is_empty() { None } else { Some(Test::All(test)) };
        Self { test, filters, emits: 1 }
    }
}

/// Whether the block is conditions one within the other with one `emit` at the end; then its steps.
fn chain(block: &[Statement], steps: &mut Vec<Step>) -> bool {
    let mut rest = block.iter();
    let last = loop {
        match rest.next() {
            Some(Statement::Stage) => steps.push(Step::Stage),
            Some(last) => break last,
            None => return false,
        }
    };
    if rest.any(|statement| *statement != Statement::Stage) {
        return false;
    }
    match last {
        Statement::Loop { .. } => false,
        Statement::Emit | Statement::Stage => true,
        Statement::If { condition, then } => {
            steps.push(Step::Condition(*condition));
            chain(then, steps)
        }
    }
}

/// How often at most a row is given to the sink.
pub(super) fn emits(block: &[Statement]) -> usize {
    let each = block.iter().map(|statement| match statement {
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

/// Writes the loop of a filter. It leaves the rows in `extra`, and returns how many.
pub(super) fn write(mut this: Loop<'_, '_>, filter: &Filter, config: isa::TargetFrontendConfig) {
    let found = this.b.declare_var(types::I64);
    let zero = this.b.ins().iconst(types::I64, 0);
    this.b.def_var(found, zero);
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
            let passes = passes.unwrap_or(zero);
            append(&mut this, found, passes);
        }
        // It has no loop.
        Filter::Text(_) => {}
        Filter::Body => {
            let pipeline = this.pipeline;
            block(&mut this, &pipeline.body, found);
        }
    }
    this.end();
    let result = this.b.use_var(found);
    this.close(result, config);
}

/// Lists the row; it stays where the condition holds, and is written over where not.
fn append(this: &mut Loop<'_, '_>, found: Variable, passes: Value) {
    let count = this.b.use_var(found);
    let address = this.element(this.extra, count, 2);
    this.b.ins().istore16(plain(), this.row, address, 0);
    let one = if this.b.func.dfg.value_type(passes) == types::I64 { passes } else { this.b.ins().uextend(types::I64, passes) };
    let count = this.b.ins().iadd(count, one);
    this.b.def_var(found, count);
}

fn block(this: &mut Loop<'_, '_>, statements: &[Statement], found: Variable) {
    for statement in statements {
        match statement {
            Statement::Stage | Statement::Loop { .. } => {}
            Statement::Emit => {
                let one = this.b.ins().iconst(types::I64, 1);
                append(this, found, one);
            }
            Statement::If { condition, then } => {
                let holds = this.truth(*condition);
                let (yes, on) = (this.b.create_block(), this.b.create_block());
                this.b.ins().brif(holds, yes, &[], on, &[]);
                this.b.switch_to_block(yes);
                let mark = this.mark();
                block(this, then, found);
                this.forget(mark);
                this.b.ins().jump(on, &[]);
                this.b.switch_to_block(on);
            }
        }
    }
}
