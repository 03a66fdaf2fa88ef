//! Folding a row into the state of its group: the state in registers across the loop, or in memory.

use cranelift::prelude::*;

use super::function::{Loop, plain, register};
use super::layout::{Seen, Slot, SlotOp, StateLayout};
use crate::primitive::select::BLOCK;
use crate::program::{BitOp, ExprId, Type as Ty};

/// Where the state is.
pub(super) enum Place {
    /// Each slot in a variable, for the length of the loop; the address it is kept at in between.
    Registers(Value, Vec<Kept>),
    /// At an address.
    Memory(Value),
}

/// A slot in registers.
pub(super) struct Kept {
    value: Option<Variable>,
    seen: Option<Variable>,
    /// A sum of 128 bits of which this loop's part fits 64.
    narrow: bool,
}

/// What a value that a loop sums in 64 bits stays below, and how many rows that loop has at most.
const SMALL: i128 = 1 << 49;
const SMALL_ROWS: usize = 1 << 13;

impl Loop<'_, '_> {
    /// Whether the sum of a loop's rows fits 64 bits.
    fn is_small(&self, input: Option<ExprId>) -> bool {
        let interval = input.and_then(|id| self.facts.interval(id));
        let rows = BLOCK * super::statement::emits(&self.pipeline.body);
        rows <= SMALL_ROWS && interval.is_some_and(|(low, high)| low > -SMALL && high < SMALL)
    }

    /// Loads the state into variables, in front of the loop.
    pub fn load_state(&mut self, layout: &StateLayout, address: Value) -> Place {
        let mut kept = vec![];
        for slot in &layout.slots {
            let narrow = matches!(slot.op, SlotOp::Total64(_) | SlotOp::Sum128(_)) && self.is_small(slot.input);
            let ty = match slot.op {
                SlotOp::Rows | SlotOp::Distinct { .. } | SlotOp::Deviations { .. } => None,
                SlotOp::Count | SlotOp::Sum64 | SlotOp::Bits(..) => Some(types::I64),
                SlotOp::Total64(_) | SlotOp::Sum128(_) => Some(if narrow { types::I64 } else { types::I128 }),
                SlotOp::SumFloat => Some(types::F64),
                SlotOp::Least(ty) | SlotOp::Greatest(ty) => Some(register(ty)),
            };
            let value = ty.map(|ty| {
                let variable = self.b.declare_var(ty);
                let before = if narrow {
                    self.b.ins().iconst(types::I64, 0)
                } else {
                    self.b.ins().load(ty, plain(), address, slot.offset as i32)
                };
                self.b.def_var(variable, before);
                variable
            });
            let seen = match slot.seen {
                Seen::Flag(offset) => {
                    let variable = self.b.declare_var(types::I8);
                    let before = self.b.ins().load(types::I8, plain(), address, offset as i32);
                    self.b.def_var(variable, before);
                    Some(variable)
                }
                Seen::Always | Seen::Occupied => None,
            };
            kept.push(Kept { value, seen, narrow });
        }
        Place::Registers(address, kept)
    }

    /// Writes the variables back, behind the loop.
    pub fn store_state(&mut self, layout: &StateLayout, place: &Place) {
        let Place::Registers(address, kept) = place else { return };
        for (slot, kept) in layout.slots.iter().zip(kept) {
            let offset = slot.offset as i32;
            if slot.op == SlotOp::Rows {
                let before = self.b.ins().load(types::I64, plain(), *address, offset);
                let after = self.b.ins().iadd(before, self.count);
                self.b.ins().store(plain(), after, *address, offset);
            }
            if let Some(variable) = kept.value {
                let mut value = self.b.use_var(variable);
                if kept.narrow {
                    let part = self.b.ins().sextend(types::I128, value);
                    value = self.add_wide(slot, part, *address);
                }
                self.b.ins().store(plain(), value, *address, offset);
            }
            if let (Seen::Flag(flag), Some(variable)) = (slot.seen, kept.seen) {
                let value = self.b.use_var(variable);
                self.b.ins().store(plain(), value, *address, flag as i32);
            }
        }
        if let Some(offset) = layout.occupied {
            let one = self.b.ins().iconst(types::I8, 1);
            self.b.ins().store(plain(), one, *address, offset as i32);
        }
    }

    /// The sum in memory and `part`, checked where the slot says so.
    fn add_wide(&mut self, slot: &Slot, part: Value, address: Value) -> Value {
        let before = self.b.ins().load(types::I128, plain(), address, slot.offset as i32);
        let after = self.b.ins().iadd(before, part);
        if let SlotOp::Sum128(Some(fault)) = slot.op {
            let outside = self.sum_overflows(before, part, after);
            self.fault_where(outside, fault);
        }
        after
    }

    /// Folds the row into the state.
    pub fn fold(&mut self, layout: &StateLayout, place: &Place) {
        for (at, slot) in layout.slots.iter().enumerate() {
            let filter = slot.filter.map(|id| self.truth(id));
            match filter {
                // The input of a row that is passed over is not evaluated, where that could be noticed.
                Some(passes) if slot.input.into_iter().chain(slot.op.second()).any(|id| self.facts.is_lazy(id)) => {
                    let (yes, on) = (self.b.create_block(), self.b.create_block());
                    self.b.ins().brif(passes, yes, &[], on, &[]);
                    self.b.switch_to_block(yes);
                    let mark = self.mark();
                    self.fold_slot(slot, at, place, None);
                    self.forget(mark);
                    self.b.ins().jump(on, &[]);
                    self.b.switch_to_block(on);
                }
                filter => self.fold_slot(slot, at, place, filter),
            }
        }
        if let (Some(offset), Place::Memory(address)) = (layout.occupied, place) {
            let one = self.b.ins().iconst(types::I8, 1);
            self.b.ins().store(plain(), one, *address, offset as i32);
        }
    }

    fn fold_slot(&mut self, slot: &Slot, at: usize, place: &Place, filter: Option<Value>) {
        let input = slot.input.map(|id| (self.evaluate(id), self.facts.ty(id).ty));
        let passes = self.both(filter, input.and_then(|(held, _)| held.valid));
        let offset = slot.offset as i32;
        let value = input.map(|(held, ty)| (held.value, ty));
        match (slot.op, value) {
            (SlotOp::Rows, _) => {
                if let Place::Memory(address) = place {
                    let before = self.b.ins().load(types::I64, plain(), *address, offset);
                    let after = self.b.ins().iadd_imm_s(before, 1);
                    self.b.ins().store(plain(), after, *address, offset);
                }
            }
            (SlotOp::Count, _) => {
                let one = match passes {
                    Some(passes) => self.b.ins().uextend(types::I64, passes),
                    None => self.b.ins().iconst(types::I64, 1),
                };
                let before = self.read(slot, at, place, types::I64);
                let after = self.b.ins().iadd(before, one);
                self.write_back(slot, at, place, after);
            }
            (SlotOp::Sum64, Some((value, ty))) => {
                let value = self.word_of(ty, value);
                let value = self.or_zero(value, types::I64, passes);
                let before = self.read(slot, at, place, types::I64);
                let after = self.b.ins().iadd(before, value);
                self.write_back(slot, at, place, after);
            }
            (SlotOp::Total64(_) | SlotOp::Sum128(_), Some((value, ty))) => {
                let narrow = match place {
                    Place::Registers(_, kept) => kept[at].narrow,
                    Place::Memory(_) => false,
                };
                let reg = if narrow { types::I64 } else { types::I128 };
                let value = self.resize(ty, if narrow { Ty::I64 } else { Ty::I128 }, value);
                let value = self.or_zero(value, reg, passes);
                let before = self.read(slot, at, place, reg);
                let after = self.b.ins().iadd(before, value);
                if let (SlotOp::Sum128(Some(fault)), false) = (slot.op, narrow) {
                    let outside = self.sum_overflows(before, value, after);
                    self.fault_where(outside, fault);
                }
                self.write_back(slot, at, place, after);
            }
            (SlotOp::SumFloat, Some((value, ty))) => {
                let value = if ty == Ty::F32 { self.b.ins().fpromote(types::F64, value) } else { value };
                let value = self.or_zero(value, types::F64, passes);
                let before = self.read(slot, at, place, types::F64);
                let after = self.b.ins().fadd(before, value);
                self.write_back(slot, at, place, after);
            }
            (SlotOp::Least(kind) | SlotOp::Greatest(kind), Some((value, _))) => {
                let least = matches!(slot.op, SlotOp::Least(_));
                let before = self.read(slot, at, place, register(kind));
                let mut after = self.extreme(kind, value, before, least);
                if let Some(passes) = passes {
                    after = self.choose_value(passes, after, before);
                }
                self.write_back(slot, at, place, after);
            }
            (SlotOp::Distinct { domain, .. }, Some((value, ty))) => {
                let address = match place {
                    Place::Registers(address, _) | Place::Memory(address) => *address,
                };
                let word = self.word_of(ty, value);
                let number = self.b.ins().iadd_imm_s(word, domain.low.wrapping_neg());
                // Never beyond the bits, whatever the host has claimed.
                let inside = self.b.ins().icmp_imm_u(IntCC::UnsignedLessThan, number, i64::from(domain.size));
                let marked = self.both(Some(inside), passes).unwrap_or(inside);
                let zero = self.b.ins().iconst(types::I64, 0);
                let number = self.choose_value(marked, number, zero);
                let byte = self.b.ins().ushr_imm_u(number, 3);
                let address = self.b.ins().iadd(address, byte);
                let shift = self.b.ins().ireduce(types::I32, number);
                let shift = self.b.ins().band_imm_u(shift, 7);
                let bit = self.b.ins().uextend(types::I32, marked);
                let bit = self.b.ins().ishl(bit, shift);
                let before = self.b.ins().uload8(types::I32, plain(), address, offset);
                let after = self.b.ins().bor(before, bit);
                self.b.ins().istore8(plain(), after, address, offset);
            }
            (SlotOp::Bits(op, _), Some((value, ty))) => {
                let mut value = self.word_of(ty, value);
                if let Some(passes) = passes {
                    let nothing = self.b.ins().iconst(types::I64, op.identity() as i64);
                    value = self.choose_value(passes, value, nothing);
                }
                let before = self.read(slot, at, place, types::I64);
                let after = match op {
                    BitOp::And => self.b.ins().band(before, value),
                    BitOp::Or => self.b.ins().bor(before, value),
                    BitOp::Xor => self.b.ins().bxor(before, value),
                };
                self.write_back(slot, at, place, after);
            }
            (SlotOp::Deviations { with }, Some((value, _))) => {
                let address = match place {
                    Place::Registers(address, _) | Place::Memory(address) => *address,
                };
                self.fold_deviations(value, with, passes, address, offset);
            }
            // Only a count of rows has no input: the verifier has seen to it.
            (
                SlotOp::Sum64
                | SlotOp::Total64(_)
                | SlotOp::Sum128(_)
                | SlotOp::SumFloat
                | SlotOp::Least(_)
                | SlotOp::Greatest(_)
                | SlotOp::Distinct { .. }
                | SlotOp::Bits(..)
                | SlotOp::Deviations { .. },
                None,
            ) => {}
        }
        self.mark_seen(slot, at, place, passes);
    }

    /// Adds the row's distances from the state's own first values, and their product.
    fn fold_deviations(&mut self, value: Value, with: Option<ExprId>, passes: Option<Value>, state: Value, offset: i32) {
        let second = with.map(|id| self.evaluate(id));
        let passes = self.both(passes, second.and_then(|held| held.valid));
        let count = self.b.ins().load(types::I64, plain(), state, offset);
        // Until a row has passed, the value to measure from is replaced by every row's.
        let first = self.b.ins().icmp_imm_u(IntCC::Equal, count, 0);
        let values: Vec<Value> = [Some(value), second.map(|held| held.value)].into_iter().flatten().collect();
        let mut distances = vec![];
        for (at, value) in values.iter().enumerate() {
            let shift_at = offset + 8 * (1 + at as i32);
            let sum_at = shift_at + 8 * values.len() as i32;
            let shift = self.b.ins().load(types::F64, plain(), state, shift_at);
            let shift = self.choose_value(first, *value, shift);
            self.b.ins().store(plain(), shift, state, shift_at);
            let distance = self.b.ins().fsub(*value, shift);
            let distance = self.or_zero(distance, types::F64, passes);
            let sum = self.b.ins().load(types::F64, plain(), state, sum_at);
            let sum = self.b.ins().fadd(sum, distance);
            self.b.ins().store(plain(), sum, state, sum_at);
            distances.push(distance);
        }
        let product = self.b.ins().fmul(distances[0], distances[distances.len() - 1]);
        let product_at = offset + 8 * (1 + 2 * values.len() as i32);
        let sum = self.b.ins().load(types::F64, plain(), state, product_at);
        let sum = self.b.ins().fadd(sum, product);
        self.b.ins().store(plain(), sum, state, product_at);
        let one = match passes {
            Some(passes) => self.b.ins().uextend(types::I64, passes),
            None => self.b.ins().iconst(types::I64, 1),
        };
        let count = self.b.ins().iadd(count, one);
        self.b.ins().store(plain(), count, state, offset);
    }

    fn or_zero(&mut self, value: Value, ty: Type, passes: Option<Value>) -> Value {
        match passes {
            None => value,
            Some(passes) => {
                let zero = self.zero(ty);
                self.choose_value(passes, value, zero)
            }
        }
    }

    fn mark_seen(&mut self, slot: &Slot, at: usize, place: &Place, passes: Option<Value>) {
        let Seen::Flag(offset) = slot.seen else { return };
        let passes = passes.unwrap_or_else(|| self.int(types::I8, 1));
        match place {
            Place::Registers(_, kept) => {
                if let Some(variable) = kept[at].seen {
                    let before = self.b.use_var(variable);
                    let after = self.b.ins().bor(before, passes);
                    self.b.def_var(variable, after);
                }
            }
            Place::Memory(address) => {
                let before = self.b.ins().load(types::I8, plain(), *address, offset as i32);
                let after = self.b.ins().bor(before, passes);
                self.b.ins().store(plain(), after, *address, offset as i32);
            }
        }
    }

    fn read(&mut self, slot: &Slot, at: usize, place: &Place, ty: Type) -> Value {
        match place {
            Place::Registers(address, kept) => match kept[at].value {
                Some(variable) => self.b.use_var(variable),
                None => self.b.ins().load(ty, plain(), *address, slot.offset as i32),
            },
            Place::Memory(address) => self.b.ins().load(ty, plain(), *address, slot.offset as i32),
        }
    }

    fn write_back(&mut self, slot: &Slot, at: usize, place: &Place, value: Value) {
        match place {
            Place::Registers(address, kept) => match kept[at].value {
                Some(variable) => self.b.def_var(variable, value),
                None => {
                    self.b.ins().store(plain(), value, *address, slot.offset as i32);
                }
            },
            Place::Memory(address) => {
                self.b.ins().store(plain(), value, *address, slot.offset as i32);
            }
        }
    }
}
