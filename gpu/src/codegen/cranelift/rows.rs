//! Sinks that keep rows: materialize, and the first rows of an order.

use std::mem::offset_of;

use cranelift::prelude::*;

use super::context::{ColumnView, Context};
use super::function::{Loop, fixed, plain};
use super::layout::RowLayout;
use crate::primitive::Primitive;
use crate::program::ExprId;

/// Writes the columns of the list's rows, one after another, to the context's outputs. `bool` and validity take a byte.
pub(super) fn write_materialize(mut this: Loop<'_, '_>, columns: &[ExprId], config: isa::TargetFrontendConfig) {
    let outputs = this.field(offset_of!(Context, outputs), types::I64);
    let views: Vec<_> = (0..columns.len())
        .map(|at| {
            let at = at * size_of::<ColumnView>();
            let mut load = |offset: usize| this.b.ins().load(types::I64, fixed(), outputs, (at + offset) as i32);
            (load(offset_of!(ColumnView, values)), load(offset_of!(ColumnView, validity)))
        })
        .collect();
    this.begin();
    let place = this.place();
    for (id, (values, validity)) in columns.iter().zip(views) {
        let ty = this.facts.ty(*id);
        let held = this.evaluate(*id);
        let address = this.element(values, place, ty.ty.bytes());
        this.b.ins().store(plain(), held.value, address, 0);
        if ty.nullable {
            let valid = held.valid.unwrap_or_else(|| this.int(types::I8, 1));
            let address = this.b.ins().iadd(validity, place);
            this.b.ins().store(plain(), valid, address, 0);
        }
    }
    this.end();
    let zero = this.int(types::I64, 0);
    this.close(zero, config);
}

/// Marks the rows that the list's rows name: sets their bytes.
pub(super) fn write_mark(mut this: Loop<'_, '_>, at: ExprId, config: isa::TargetFrontendConfig) {
    let marks = this.field(offset_of!(Context, entries), types::I64);
    let rows = this.field(offset_of!(Context, taken), types::I64);
    this.begin();
    let held = this.evaluate(at);
    // A number below 0 is a very large one. What names no row marks a byte behind the last.
    let number = this.b.ins().sextend(types::I64, held.value);
    let mut number = this.b.ins().umin(number, rows);
    if let Some(valid) = held.valid {
        number = this.choose_value(valid, number, rows);
    }
    let one = this.int(types::I8, 1);
    let address = this.b.ins().iadd(marks, number);
    this.b.ins().store(plain(), one, address, 0);
    this.end();
    let zero = this.int(types::I64, 0);
    this.close(zero, config);
}

/// Appends to the context's entries the rows that may be among the first.
pub(super) fn write_top_k(mut this: Loop<'_, '_>, layout: &RowLayout, config: isa::TargetFrontendConfig) {
    let entries = this.field(offset_of!(Context, entries), types::I64);
    let threshold = this.field(offset_of!(Context, threshold), types::I64);
    // Where rows agree in the first word, as counts often do, the second tells; an address tells nothing.
    let second = layout.words > 1 && layout.texts.iter().all(|(address, _)| *address > 1);
    let second = second.then(|| this.field(offset_of!(Context, threshold) + 8, types::I64));
    let taken = this.b.declare_var(types::I64);
    let before = this.field(offset_of!(Context, taken), types::I64);
    this.b.def_var(taken, before);
    this.begin();
    let mut words: Vec<Option<Value>> = vec![None; layout.words];
    for field in &layout.order {
        let held = this.evaluate(field.order.expr);
        let text = field.ty.ty == crate::program::Type::Text;
        let (mut value, mut lower) = if text {
            let (at, length) = this.text_parts(held.value);
            let begin = this.call(Primitive::TextPrefix, &[at, length]);
            (this.b.ins().ushr_imm_u(begin, i64::from(64 - field.bits)), None)
        } else {
            this.ordered(field.ty.ty, held.value)
        };
        if field.order.descending {
            let bits = i64::from(field.bits.min(64));
            let mask = if bits == 64 { -1 } else { (1i64 << bits) - 1 };
            value = this.b.ins().bxor_imm_u(value, mask);
            lower = lower.map(|lower| this.b.ins().bnot(lower));
        }
        let mut parts = vec![];
        if let (Some(valid), Some((word, shift))) = (held.valid, field.null) {
            let zero = this.int(types::I64, 0);
            value = this.choose_value(valid, value, zero);
            lower = lower.map(|lower| this.choose_value(valid, lower, zero));
            let last = if field.order.nulls_first { valid } else { this.not(valid) };
            let last = this.b.ins().uextend(types::I64, last);
            parts.push((word, shift, last));
        }
        if text {
            let mut whole = held.value;
            if let Some(valid) = held.valid {
                // All NULLs are the same.
                let none = this.zero(types::I128);
                whole = this.choose_value(valid, whole, none);
            }
            let (at, length) = this.text_parts(whole);
            parts.extend([(field.word + 1, 0, at), (field.word + 2, 0, length)]);
        }
        parts.push((field.word, field.shift, value));
        parts.extend(lower.map(|lower| (field.word + 1, 0, lower)));
        for (word, shift, value) in parts {
            let value = this.b.ins().ishl_imm_u(value, i64::from(shift));
            words[word] = Some(match words[word] {
                None => value,
                Some(before) => this.b.ins().bor(before, value),
            });
        }
    }
    let words: Vec<Value> = words.into_iter().map(|word| word.unwrap_or_else(|| this.int(types::I64, 0))).collect();
    // What can raise a fault raises it for every row, not only for those that stay.
    for column in &layout.columns {
        if this.facts.can_fault(column.expr) {
            this.evaluate(column.expr);
        }
    }
    let stays = this.b.create_block();
    let next = this.next_block();
    let near = match second {
        None => this.b.ins().icmp(IntCC::UnsignedLessThanOrEqual, words[0], threshold),
        Some(second) => {
            let nearer = this.b.ins().icmp(IntCC::UnsignedLessThan, words[0], threshold);
            let same = this.b.ins().icmp(IntCC::Equal, words[0], threshold);
            let within = this.b.ins().icmp(IntCC::UnsignedLessThanOrEqual, words[1], second);
            let both = this.b.ins().band(same, within);
            this.b.ins().bor(nearer, both)
        }
    };
    this.b.ins().brif(near, stays, &[], next, &[]);
    this.b.switch_to_block(stays);
    let at = this.b.use_var(taken);
    let row = this.element(entries, at, layout.stride);
    for (number, word) in words.iter().enumerate() {
        this.b.ins().store(plain(), *word, row, number as i32 * 8);
    }
    for column in &layout.columns {
        let held = this.evaluate(column.expr);
        this.b.ins().store(plain(), held.value, row, column.offset as i32);
        if let Some(offset) = column.valid {
            let valid = held.valid.unwrap_or_else(|| this.int(types::I8, 1));
            this.b.ins().store(plain(), valid, row, offset as i32);
        }
    }
    let at = this.b.ins().iadd_imm_s(at, 1);
    this.b.def_var(taken, at);
    this.end();
    let after = this.b.use_var(taken);
    this.set_field(offset_of!(Context, taken), after);
    let zero = this.int(types::I64, 0);
    this.close(zero, config);
}
