//! Group sinks: one state, a state for each combination of keys, a hash table.
//!
//! A hash table takes a block in two loops. The first packs every row's keys into words and finds the place where they
//! belong, so that the worker can fetch the places from memory; the second looks there, and folds. The worker may choose other
//! places in between, new ones: then each row becomes an entry of its own.

use std::mem::offset_of;

use cranelift::prelude::*;

use super::aggregate::Place;
use super::context::Context;
use super::function::{Loop, plain, register};
use super::layout::{KeyField, KeyLayout, StateLayout, TAKEN};
use crate::primitive::Primitive;
use crate::primitive::string::LONG;
use crate::program::{Key, Type as Ty};

/// Multipliers that mix the bits of a key (Fibonacci hashing, and one of Stafford's).
pub const MIX: [u64; 2] = [0x9E37_79B9_7F4A_7C15, 0xD6E8_FEB8_6659_FD93];

/// One state, at `extra`.
pub(super) fn write_single(mut this: Loop<'_, '_>, layout: &StateLayout, config: isa::TargetFrontendConfig) {
    let state = this.extra;
    let place = this.load_state(layout, state);
    this.begin();
    this.fold(layout, &place);
    this.end();
    this.store_state(layout, &place);
    let zero = this.int(types::I64, 0);
    this.close(zero, config);
}

/// A state for each combination of keys, the first at `extra`: so many copies of each side by side.
pub(super) fn write_dense(
    mut this: Loop<'_, '_>,
    keys: &[Key],
    layout: &StateLayout,
    lanes: usize,
    config: isa::TargetFrontendConfig,
) {
    this.begin();
    let mut number = this.group_number(keys);
    if lanes > 1 {
        let lane = this.b.ins().band_imm_u(this.row, lanes as i64 - 1);
        let first = this.b.ins().imul_imm_u(number, lanes as i64);
        number = this.b.ins().bor(first, lane);
    }
    let address = this.element(this.extra, number, layout.size);
    this.fold(layout, &Place::Memory(address));
    this.end();
    let zero = this.int(types::I64, 0);
    this.close(zero, config);
}

/// The number of every row's group, a byte, at `extra` plus the row.
pub(super) fn write_numbers(mut this: Loop<'_, '_>, keys: &[Key], config: isa::TargetFrontendConfig) {
    this.begin();
    let number = this.group_number(keys);
    let address = this.b.ins().iadd(this.extra, this.row);
    this.b.ins().istore8(plain(), number, address, 0);
    this.end();
    let zero = this.int(types::I64, 0);
    this.close(zero, config);
}

/// How many numbers a dense key takes.
pub fn numbers(key: &Key, nullable: bool) -> u64 {
    key.domain.map_or(1, |domain| u64::from(domain.size)) + u64::from(nullable)
}

impl Loop<'_, '_> {
    /// The number of the row's group, always one that exists.
    fn group_number(&mut self, keys: &[Key]) -> Value {
        let mut total = 1;
        let mut number: Option<Value> = None;
        let mut proved = true;
        for key in keys {
            let ty = self.facts.ty(key.expr);
            let domain = key.domain.unwrap_or(crate::program::Domain { low: 0, size: 1 });
            let count = numbers(key, ty.nullable);
            let held = self.evaluate(key.expr);
            let word = self.word_of(ty.ty, held.value);
            let mut digit = if domain.low == 0 { word } else { self.b.ins().iadd_imm_s(word, domain.low.wrapping_neg()) };
            if let Some(valid) = held.valid {
                let null = self.b.ins().iconst(types::I64, i64::from(domain.size));
                digit = self.choose_value(valid, digit, null);
            }
            let interval = if ty.ty == Ty::Bool { Some((0, 1)) } else { self.facts.interval(key.expr) };
            let (low, past) = (i128::from(domain.low), i128::from(domain.low) + i128::from(domain.size));
            proved &= interval.is_some_and(|found| low <= found.0 && found.1 < past);
            total *= count;
            number = Some(match number {
                None => digit,
                Some(before) => {
                    let raised = self.b.ins().imul_imm_u(before, count as i64);
                    self.b.ins().iadd(raised, digit)
                }
            });
        }
        let number = number.unwrap_or_else(|| self.int(types::I64, 0));
        if proved {
            return number;
        }
        // The host vouches for the domain; memory is safe without its word.
        let last = self.b.ins().iconst(types::I64, total as i64 - 1);
        self.b.ins().umin(number, last)
    }

    /// The row's keys as words.
    fn pack(&mut self, keys: &KeyLayout) -> Vec<Value> {
        let mut words: Vec<Option<Value>> = vec![None; keys.words];
        words[0] = Some(self.b.ins().iconst(types::I64, TAKEN as i64));
        for field in &keys.fields {
            let held = self.evaluate(field.expr);
            for (word, value) in self.pack_field(field, held.value, held.valid) {
                words[word] = Some(match words[word] {
                    None => value,
                    Some(before) => self.b.ins().bor(before, value),
                });
            }
        }
        let words: Vec<Option<Value>> = words;
        words.into_iter().map(|word| word.unwrap_or_else(|| self.int(types::I64, 0))).collect()
    }

    fn pack_field(&mut self, field: &KeyField, value: Value, valid: Option<Value>) -> Vec<(usize, Value)> {
        let mut parts = vec![];
        let mut value = self.canonical(field.ty.ty, value);
        if let Some(valid) = valid {
            // All NULLs look the same.
            let zero = self.zero(register(field.ty.ty));
            value = self.choose_value(valid, value, zero);
            if let Some((word, shift)) = field.null {
                let null = self.not(valid);
                let null = self.b.ins().uextend(types::I64, null);
                parts.push((word, self.b.ins().ishl_imm_u(null, i64::from(shift))));
            }
        }
        if field.ty.ty == Ty::Text {
            let words = self.text_key(value);
            parts.extend(words.into_iter().enumerate().map(|(at, word)| (field.word + at, word)));
            return parts;
        }
        if field.bits == 128 {
            let (low, high) = self.b.ins().isplit(value);
            parts.extend([(field.word, low), (field.word + 1, high)]);
            return parts;
        }
        let mut word = self.word_of(field.ty.ty, value);
        if field.signed && field.bits < 64 {
            word = self.b.ins().band_imm_u(word, ((1u64 << field.bits) - 1) as i64);
        }
        parts.push((field.word, self.b.ins().ishl_imm_u(word, i64::from(field.shift))));
        parts
    }
}

/// Packs the keys of the list's rows and finds their places: `words` and `homes` of the context.
pub(super) fn write_homes(mut this: Loop<'_, '_>, keys: &KeyLayout, config: isa::TargetFrontendConfig) {
    let words_at = this.field(offset_of!(Context, words), types::I64);
    let homes_at = this.field(offset_of!(Context, homes), types::I64);
    let shift = this.field(offset_of!(Context, shift), types::I64);
    let step = this.field(offset_of!(Context, step), types::I64);
    this.begin();
    let words = this.pack(keys);
    let place = this.place();
    let at = this.element(words_at, place, keys.words * 8);
    for (number, word) in words.iter().enumerate() {
        this.b.ins().store(plain(), *word, at, number as i32 * 8);
    }
    let mut hash: Option<Value> = None;
    for (_, word) in words.iter().enumerate().filter(|(at, _)| !keys.addresses.contains(at)) {
        let mixed = match hash {
            Some(before) => this.b.ins().bxor(before, *word),
            None => *word,
        };
        let mixed = this.b.ins().imul_imm_s(mixed, MIX[0] as i64);
        let upper = this.b.ins().ushr_imm_u(mixed, 32);
        hash = Some(this.b.ins().bxor(mixed, upper));
    }
    let hash = hash.unwrap_or(place);
    let hash = this.b.ins().imul_imm_s(hash, MIX[1] as i64);
    let home = this.b.ins().ushr(hash, shift);
    let home = this.b.ins().imul(home, step);
    let at = this.element(homes_at, place, 8);
    this.b.ins().store(plain(), home, at, 0);
    this.end();
    let zero = this.int(types::I64, 0);
    this.close(zero, config);
}

/// Finds every row's entry from its home on, makes it where there is none, and folds the row into it.
pub(super) fn write_hash(mut this: Loop<'_, '_>, keys: &KeyLayout, layout: &StateLayout, config: isa::TargetFrontendConfig) {
    let words_at = this.field(offset_of!(Context, words), types::I64);
    let homes_at = this.field(offset_of!(Context, homes), types::I64);
    let entries = this.field(offset_of!(Context, entries), types::I64);
    let end = this.field(offset_of!(Context, end), types::I64);
    let stride = keys.words * 8 + layout.size;
    this.begin();
    let place = this.place();
    let at = this.element(words_at, place, keys.words * 8);
    let words: Vec<Value> = (0..keys.words).map(|number| this.b.ins().load(types::I64, plain(), at, number as i32 * 8)).collect();
    let at = this.element(homes_at, place, 8);
    let home = this.b.ins().load(types::I64, plain(), at, 0);
    let (probe, other, insert, collide, found) =
        (this.b.create_block(), this.b.create_block(), this.b.create_block(), this.b.create_block(), this.b.create_block());
    let offset = this.b.append_block_param(probe, types::I64);
    this.b.ins().jump(probe, &[home.into()]);
    this.b.switch_to_block(probe);
    let entry = this.b.ins().iadd(entries, offset);
    let mut same: Option<Value> = None;
    for (number, word) in words.iter().enumerate().filter(|(at, _)| !keys.addresses.contains(at)) {
        let there = this.b.ins().load(types::I64, plain(), entry, number as i32 * 8);
        let equal = this.b.ins().icmp(IntCC::Equal, there, *word);
        same = this.both(same, Some(equal));
    }
    let same = same.unwrap_or(offset);
    let mut holds = this.b.create_block();
    this.b.ins().brif(same, if keys.addresses.is_empty() { found } else { holds }, &[], other, &[]);
    // Long texts whose hashes and lengths are the same are most likely the same.
    for (at, number) in keys.addresses.iter().enumerate() {
        this.b.switch_to_block(holds);
        let there = this.b.ins().load(types::I64, plain(), entry, *number as i32 * 8);
        let differ = this.b.ins().icmp(IntCC::NotEqual, there, words[*number]);
        holds = if at + 1 == keys.addresses.len() { found } else { this.b.create_block() };
        let compare = this.b.create_block();
        this.b.ins().brif(differ, compare, &[], holds, &[]);
        this.b.switch_to_block(compare);
        let length = this.b.ins().band_imm_u(words[*number - 1], !LONG as i64);
        let same = this.call(Primitive::TextEqual, &[there, length, words[*number], length]);
        this.b.ins().brif(same, holds, &[], other, &[]);
    }
    this.b.switch_to_block(other);
    let first = this.b.ins().load(types::I64, plain(), entry, 0);
    this.b.ins().brif(first, collide, &[], insert, &[]);

    this.b.switch_to_block(collide);
    let next = this.b.ins().iadd_imm_s(offset, stride as i64);
    let past = this.b.ins().icmp(IntCC::Equal, next, end);
    let first = this.b.ins().iconst(types::I64, 0);
    let next = this.b.ins().select(past, first, next);
    this.b.ins().jump(probe, &[next.into()]);

    this.b.switch_to_block(insert);
    for (number, word) in words.iter().enumerate() {
        this.b.ins().store(plain(), *word, entry, number as i32 * 8);
    }
    // New tables are all zeros.
    for (number, bytes) in layout.empty.as_chunks::<8>().0.iter().enumerate() {
        let value = i64::from_le_bytes(*bytes);
        if value != 0 {
            let value = this.b.ins().iconst(types::I64, value);
            this.b.ins().store(plain(), value, entry, ((keys.words + number) * 8) as i32);
        }
    }
    let taken = this.field(offset_of!(Context, taken), types::I64);
    let taken = this.b.ins().iadd_imm_s(taken, 1);
    this.set_field(offset_of!(Context, taken), taken);
    this.b.ins().jump(found, &[]);

    this.b.switch_to_block(found);
    let state = this.b.ins().iadd_imm_s(entry, keys.words as i64 * 8);
    this.fold(layout, &Place::Memory(state));
    this.end();
    let zero = this.int(types::I64, 0);
    this.close(zero, config);
}
