//! Numbers: what an index has for keys, and loops over ranges of them.
//!
//! A loop over numbers reads a list of rows and leaves another, of a row for each number that counts, beside lists of the
//! numbers of all loops around. When that list is full the code returns, and goes on where it was when it is called again
//! ([`Resume`]).

use std::mem::offset_of;

use cranelift::codegen::ir::BlockArg;
use cranelift::prelude::*;

use super::context::{Context, NO_NUMBER, Resume};
use super::function::{Held, Loop, plain};
use super::statement::Append;
use crate::join::layout::{Form, Layout, MIX};
use crate::primitive::Primitive;
use crate::primitive::select::BLOCK;
use crate::program::statement::LoopHead;
use crate::program::{Expr, ExprId, IndexId, LoopKind, Type as Ty};

/// Numbers after which a loop with a condition returns, so that a run can be stopped.
const TURNS: i64 = 1 << 20;

impl Loop<'_, '_> {
    /// The number that an index has for keys; -1, and NULL, where it has none.
    pub(super) fn probe(&mut self, index: IndexId, keys: &[ExprId]) -> Held {
        let layout = Layout::of(&self.pipeline.indexes[index.0 as usize].keys);
        let mut valid = None;
        let mut values = Vec::with_capacity(keys.len());
        for key in keys {
            let held = self.evaluate(*key);
            valid = self.both(valid, held.valid);
            values.push(held.value);
        }
        let number = match layout.form {
            Form::Narrow | Form::Wide => self.probe_slots(index, &layout, &values),
            Form::Apart => self.probe_apart(index, &layout, &values),
        };
        let found = self.b.ins().icmp_imm_s(IntCC::SignedGreaterThanOrEqual, number, 0);
        Held { value: number, valid: self.both(valid, Some(found)) }
    }

    /// Keys as the words of an index, and behind these the addresses of texts.
    fn key_words(&mut self, layout: &Layout, values: &[Value]) -> Vec<Value> {
        let mut words: Vec<Option<Value>> = vec![None; layout.words + layout.texts()];
        for (field, value) in layout.fields.iter().zip(values) {
            if field.ty == Ty::I128 || field.ty == Ty::Text {
                let (low, high) = self.b.ins().isplit(*value);
                match field.text {
                    Some(which) => {
                        words[field.word] = Some(high);
                        words[layout.words + which] = Some(low);
                    }
                    None => (words[field.word], words[field.word + 1]) = (Some(low), Some(high)),
                }
                continue;
            }
            let canonical = self.canonical(field.ty, *value);
            let mut word = self.word_of(field.ty, canonical);
            if field.ty.bits() < 64 {
                // Signs end where the key does.
                word = self.b.ins().band_imm_u(word, (1i64 << field.ty.bits()) - 1);
            }
            let word = self.b.ins().ishl_imm_u(word, i64::from(field.shift));
            words[field.word] = Some(match words[field.word] {
                None => word,
                Some(before) => self.b.ins().bor(before, word),
            });
        }
        words.into_iter().map(|word| word.unwrap_or_else(|| self.int(types::I64, 0))).collect()
    }

    fn probe_slots(&mut self, index: IndexId, layout: &Layout, values: &[Value]) -> Value {
        let parts = self.index(index.0);
        let word = self.key_words(layout, values)[0];
        let home = self.home_of(index, &[word]);
        let (look, other, on, done) =
            (self.b.create_block(), self.b.create_block(), self.b.create_block(), self.b.create_block());
        let at = self.b.append_block_param(look, types::I64);
        let number = self.b.append_block_param(done, types::I64);
        self.b.ins().jump(look, &[home.into()]);
        self.b.switch_to_block(look);
        let (key, found) = match layout.form {
            Form::Narrow | Form::Apart => {
                let address = self.element(parts.slots, at, 8);
                let slot = self.b.ins().load(types::I64, plain(), address, 0);
                (self.b.ins().band_imm_u(slot, i64::from(u32::MAX)), self.b.ins().ushr_imm_u(slot, 32))
            }
            Form::Wide => {
                let address = self.element(parts.slots, at, 16);
                let key = self.b.ins().load(types::I64, plain(), address, 0);
                (key, self.b.ins().load(types::I64, plain(), address, 8))
            }
        };
        let same = self.b.ins().icmp(IntCC::Equal, key, word);
        // The key of an empty slot is 0, and its number is 0 too: there is none.
        self.b.ins().brif(same, done, &[found.into()], other, &[]);
        self.b.switch_to_block(other);
        self.b.ins().brif(found, on, &[], done, &[found.into()]);
        self.b.switch_to_block(on);
        let next = self.b.ins().iadd_imm_s(at, 1);
        let next = self.b.ins().band(next, parts.mask);
        self.b.ins().jump(look, &[next.into()]);
        self.b.switch_to_block(done);
        let number = self.b.ins().ireduce(types::I32, number);
        self.b.ins().iadd_imm_s(number, -1)
    }

    fn probe_apart(&mut self, index: IndexId, layout: &Layout, values: &[Value]) -> Value {
        let parts = self.index(index.0);
        let words = self.key_words(layout, values);
        let bytes = (words.len() * 8) as u32;
        let slot = self.b.create_sized_stack_slot(StackSlotData::new(StackSlotKind::ExplicitSlot, bytes, 3));
        let address = self.b.ins().stack_addr(types::I64, slot, 0);
        for (at, word) in words.iter().enumerate() {
            self.b.ins().store(plain(), *word, address, at as i32 * 8);
        }
        self.call(Primitive::Probe, &[parts.index, address])
    }

    /// What an earlier loop found for the row: a number, or -1.
    pub(super) fn kept_number(&mut self, list: Value) -> Held {
        let address = self.element(list, self.row, 4);
        let value = self.b.ins().load(types::I32, plain(), address, 0);
        let valid = self.b.ins().icmp_imm_s(IntCC::SignedGreaterThanOrEqual, value, 0);
        Held { value, valid: Some(valid) }
    }

    /// The number of the slot that looking for keys begins with, where it is computed without a call.
    fn home(&mut self, index: IndexId, keys: &[ExprId]) -> Value {
        let layout = Layout::of(&self.pipeline.indexes[index.0 as usize].keys);
        let values: Vec<Value> = keys.iter().map(|key| self.evaluate(*key).value).collect();
        let words = self.key_words(&layout, &values);
        self.home_of(index, &words)
    }

    fn home_of(&mut self, index: IndexId, words: &[Value]) -> Value {
        let mut hash: Option<Value> = None;
        for word in words {
            let mixed = match hash {
                Some(before) => self.b.ins().bxor(before, *word),
                None => *word,
            };
            let mixed = self.b.ins().imul_imm_s(mixed, MIX[0] as i64);
            let upper = self.b.ins().ushr_imm_u(mixed, 32);
            hash = Some(self.b.ins().bxor(mixed, upper));
        }
        let hash = hash.unwrap_or_else(|| self.int(types::I64, 0));
        let hash = self.b.ins().imul_imm_s(hash, MIX[1] as i64);
        let parts = self.index(index.0);
        self.b.ins().ushr(hash, parts.shift)
    }

    /// A loop's number, of 64 bits, as the node that is it.
    pub(super) fn number(&mut self, id: ExprId, number: Value) -> Held {
        let valid = self.facts.ty(id).nullable.then(|| {
            let none = self.int(types::I64, NO_NUMBER.into());
            self.b.ins().icmp(IntCC::NotEqual, number, none)
        });
        Held { value: self.b.ins().ireduce(types::I32, number), valid }
    }

    /// Evaluates those nodes below a condition that every turn of a loop demands and none changes.
    fn evaluate_ahead(&mut self, id: ExprId, depends: &[bool]) {
        if !depends[id.0 as usize] {
            self.evaluate(id);
            return;
        }
        let (pipeline, facts) = (self.pipeline, self.facts);
        let demanded = match *pipeline.expr(id) {
            Expr::And(a, b) | Expr::Or(a, b) | Expr::Coalesce(a, b) if facts.is_lazy(b) => vec![a],
            Expr::Select { condition, then, otherwise } if facts.is_lazy(then) || facts.is_lazy(otherwise) => vec![condition],
            ref expr => expr.operands(),
        };
        demanded.into_iter().for_each(|operand| self.evaluate_ahead(operand, depends));
    }
}

/// For each node whether it depends on a loop's number.
fn dependents(exprs: &[Expr], head: &LoopHead) -> Vec<bool> {
    let mut found: Vec<bool> = Vec::with_capacity(exprs.len());
    for expr in exprs {
        let own = *expr == Expr::Current(head.id) || expr.operands().iter().any(|id| found[id.0 as usize]);
        found.push(own);
    }
    found
}

/// Writes a loop that says which places in memory are read next: slots of indexes, elements of tables.
pub(super) fn write_far(mut this: Loop<'_, '_>, nodes: &[ExprId], config: isa::TargetFrontendConfig) {
    let lists = this.field(offset_of!(Context, far), types::I64);
    let lists: Vec<Value> = (0..nodes.len()).map(|at| this.b.ins().load(types::I64, plain(), lists, at as i32 * 8)).collect();
    this.begin();
    let place = this.place();
    for (id, list) in nodes.iter().zip(lists) {
        let pipeline = this.pipeline;
        let number = match *pipeline.expr(*id) {
            Expr::Probe { index, ref keys } => this.home(index, keys),
            ref other => {
                let index = other.operands()[0];
                let held = this.evaluate(index);
                this.word_of(this.facts.ty(index).ty, held.value)
            }
        };
        let address = this.element(list, place, 8);
        this.b.ins().store(plain(), number, address, 0);
    }
    this.end();
    let zero = this.int(types::I64, 0);
    this.close(zero, config);
}

/// Writes a loop that keeps the numbers that an index has for the list's rows, in the list of that number.
pub(super) fn write_kept(mut this: Loop<'_, '_>, id: ExprId, at: usize, config: isa::TargetFrontendConfig) {
    let lists = this.field(offset_of!(Context, kept), types::I64);
    let list = this.b.ins().load(types::I64, plain(), lists, at as i32 * 8);
    this.begin();
    let held = this.evaluate(id);
    let mut number = held.value;
    if let Some(valid) = held.valid {
        let none = this.int(types::I32, -1);
        number = this.choose_value(valid, number, none);
    }
    let address = this.element(list, this.row, 4);
    this.b.ins().store(plain(), number, address, 0);
    this.end();
    let zero = this.int(types::I64, 0);
    this.close(zero, config);
}

/// Writes a loop over numbers: it leaves the rows, each with its number if the block sees one, and returns how many.
pub(super) fn write(mut this: Loop<'_, '_>, head: &LoopHead, depth: usize, config: isa::TargetFrontendConfig) {
    let resume = offset_of!(Context, resume);
    let place = this.field(resume + offset_of!(Resume, place), types::I64);
    let least = this.field(resume + offset_of!(Resume, number), types::I64);
    let counted = this.field(resume + offset_of!(Resume, counted), types::I64);
    let append = Append::new(&mut this, depth, head.kind.has_current());
    let (zero, none) = (this.int(types::I64, 0), this.int(types::I64, NO_NUMBER.into()));
    // What the code goes on with in its first row; from the second on it begins anew.
    let [least_of, counted_of, turns_of] = [least, counted, zero].map(|first| {
        let variable = this.b.declare_var(types::I64);
        this.b.def_var(variable, first);
        variable
    });
    let own = this.pipeline.exprs.iter().position(|expr| *expr == Expr::Current(head.id)).map(|at| ExprId(at as u32));
    let depends = dependents(&this.pipeline.exprs, head);

    this.begin_from(place);
    let (from, to) = (this.evaluate(head.from), this.evaluate(head.to));
    let begin = this.b.ins().sextend(types::I64, from.value);
    let least = this.b.use_var(least_of);
    let begin = this.b.ins().smax(begin, least);
    let mut end = this.b.ins().sextend(types::I64, to.value);
    if let Some(valid) = this.both(from.valid, to.valid) {
        end = this.choose_value(valid, end, begin);
    }
    let (enter, turn, hit, on, through, next) = (
        this.b.create_block(),
        this.b.create_block(),
        this.b.create_block(),
        this.b.create_block(),
        this.b.create_block(),
        this.next_block(),
    );
    let row_done = this.b.create_block();
    let number = this.b.append_block_param(turn, types::I64);
    let any = this.b.ins().icmp(IntCC::SignedLessThan, begin, end);
    this.b.ins().brif(any, enter, &[], through, &[]);

    this.b.switch_to_block(enter);
    let outside = this.mark();
    if let Some(condition) = head.condition {
        this.evaluate_ahead(condition, &depends);
        let turns = this.b.use_var(turns_of);
        let more = this.b.ins().isub(end, begin);
        let turns = this.b.ins().iadd(turns, more);
        this.b.def_var(turns_of, turns);
    }
    this.b.ins().jump(turn, &[begin.into()]);

    this.b.switch_to_block(turn);
    let inside = this.mark();
    if let Some(id) = own {
        let held = this.number(id, number);
        this.keep(id, held);
    }
    match head.condition {
        Some(condition) => {
            let holds = this.truth(condition);
            this.b.ins().brif(holds, hit, &[], on, &[]);
        }
        None => {
            this.b.ins().jump(hit, &[]);
        }
    }
    this.forget(inside);

    this.b.switch_to_block(hit);
    match head.kind {
        LoopKind::None => {
            this.b.ins().jump(row_done, &[]);
        }
        LoopKind::Any => {
            append.row(&mut this, Some(number));
            this.b.ins().jump(row_done, &[]);
        }
        LoopKind::Each | LoopKind::EachOrNone => {
            let one = this.int(types::I64, 1);
            this.b.def_var(counted_of, one);
            let count = append.row(&mut this, Some(number));
            let full = this.b.ins().icmp_imm_s(IntCC::Equal, count, BLOCK as i64);
            let stop = this.b.create_block();
            this.b.ins().brif(full, stop, &[], on, &[]);
            this.b.switch_to_block(stop);
            let place = this.place();
            let after = this.b.ins().iadd_imm_s(number, 1);
            leave(&mut this, &append, [place, after, one]);
        }
    }

    this.b.switch_to_block(on);
    let after = this.b.ins().iadd_imm_s(number, 1);
    let more = this.b.ins().icmp(IntCC::SignedLessThan, after, end);
    let arguments: [BlockArg; 1] = [after.into()];
    this.b.ins().brif(more, turn, &arguments, through, &[]);
    this.forget(outside);

    // Every number was tried.
    this.b.switch_to_block(through);
    match head.kind {
        LoopKind::Each | LoopKind::Any => {
            this.b.ins().jump(row_done, &[]);
        }
        LoopKind::None => {
            append.row(&mut this, None);
            this.b.ins().jump(row_done, &[]);
        }
        LoopKind::EachOrNone => {
            let alone = this.b.create_block();
            let counted = this.b.use_var(counted_of);
            this.b.ins().brif(counted, row_done, &[], alone, &[]);
            this.b.switch_to_block(alone);
            append.row(&mut this, Some(none));
            this.b.ins().jump(row_done, &[]);
        }
    }

    this.b.switch_to_block(row_done);
    this.b.def_var(least_of, none);
    this.b.def_var(counted_of, zero);
    let count = append.count(&mut this);
    let mut stops = this.b.ins().icmp_imm_s(IntCC::Equal, count, BLOCK as i64);
    if head.condition.is_some() {
        let turns = this.b.use_var(turns_of);
        let many = this.b.ins().icmp_imm_s(IntCC::SignedGreaterThan, turns, TURNS);
        stops = this.b.ins().bor(stops, many);
    }
    let stop = this.b.create_block();
    this.b.ins().brif(stops, stop, &[], next, &[]);
    this.b.switch_to_block(stop);
    let place = this.place();
    let after = this.b.ins().iadd_imm_s(place, 1);
    leave(&mut this, &append, [after, none, zero]);
    this.end_from();
    let count = this.count;
    set_resume(&mut this, [count, none, zero]);
    let result = append.count(&mut this);
    this.close(result, config);
}

/// Returns, to go on there.
fn leave(this: &mut Loop<'_, '_>, append: &Append, resume: [Value; 3]) {
    set_resume(this, resume);
    let result = append.count(this);
    this.b.ins().return_(&[result]);
}

fn set_resume(this: &mut Loop<'_, '_>, [place, number, counted]: [Value; 3]) {
    let resume = offset_of!(Context, resume);
    this.set_field(resume + offset_of!(Resume, place), place);
    this.set_field(resume + offset_of!(Resume, number), number);
    this.set_field(resume + offset_of!(Resume, counted), counted);
}
