//! Group states outside of compiled code: two folded into one, and states as columns.

use std::cell::Cell;

use super::output::Writer;
use crate::codegen::cranelift::layout::{Seen, Slot, SlotOp, StateLayout};
use crate::primitive::string::bytes;
use crate::program::sink::deviations_of;
use crate::program::{Fault, Type, ValueType};

/// A value of an unaligned place.
///
/// # Safety
///
/// A `T` lies there.
#[inline(always)]
unsafe fn get<T: Copy>(state: *const u8, offset: usize) -> T {
    // SAFETY: as this function's own.
    unsafe { state.add(offset).cast::<T>().read_unaligned() }
}

/// # Safety
///
/// There is room for a `T`.
#[inline(always)]
unsafe fn set<T>(state: *mut u8, offset: usize, value: T) {
    // SAFETY: as this function's own.
    unsafe { state.add(offset).cast::<T>().write_unaligned(value) }
}

/// `a < b` with NaN the greatest.
fn float_less(a: f64, b: f64) -> bool {
    a < b || (b.is_nan() && !a.is_nan())
}

/// Folds the state at `from` into the one at `into`.
///
/// # Safety
///
/// States of this layout lie at both.
pub(super) unsafe fn merge(layout: &StateLayout, into: *mut u8, from: *const u8) -> Result<(), Fault> {
    for slot in &layout.slots {
        // SAFETY: the slot is of this layout.
        unsafe { merge_slot(slot, into, from)? };
        if let Seen::Flag(flag) = slot.seen {
            // SAFETY: as above.
            unsafe { set(into, flag, get::<u8>(into, flag) | get::<u8>(from, flag)) };
        }
    }
    if let Some(flag) = layout.occupied {
        // SAFETY: as above.
        unsafe { set(into, flag, get::<u8>(into, flag) | get::<u8>(from, flag)) };
    }
    Ok(())
}

/// # Safety
///
/// As [`merge`].
unsafe fn merge_slot(slot: &Slot, into: *mut u8, from: *const u8) -> Result<(), Fault> {
    let at = slot.offset;
    // SAFETY: the slot says what lies there.
    unsafe {
        match slot.op {
            SlotOp::Rows | SlotOp::Count | SlotOp::Sum64 => {
                set(into, at, get::<i64>(into, at).wrapping_add(get::<i64>(from, at)));
            }
            SlotOp::Total64(_) | SlotOp::Sum128(None) => {
                set(into, at, get::<i128>(into, at).wrapping_add(get::<i128>(from, at)));
            }
            SlotOp::Sum128(Some(fault)) => {
                set(into, at, get::<i128>(into, at).checked_add(get::<i128>(from, at)).ok_or(fault)?);
            }
            SlotOp::SumFloat => set(into, at, get::<f64>(into, at) + get::<f64>(from, at)),
            SlotOp::Least(Type::Text) => {
                let none = |state: *const u8| get::<u64>(state, at) == 0;
                if !none(from) && (none(into) || less(Type::Text, from, into, at)) {
                    set(into, at, get::<u128>(from, at));
                }
            }
            SlotOp::Least(ty) => {
                if less(ty, from, into, at) {
                    std::ptr::copy_nonoverlapping(from.add(at), into.add(at), ty.bytes());
                }
            }
            SlotOp::Greatest(ty) => {
                if less(ty, into, from, at) {
                    std::ptr::copy_nonoverlapping(from.add(at), into.add(at), ty.bytes());
                }
            }
            SlotOp::Distinct { domain, .. } => {
                for word in 0..(domain.size as usize).div_ceil(64) {
                    let at = at + word * 8;
                    set(into, at, get::<u64>(into, at) | get::<u64>(from, at));
                }
            }
            SlotOp::Bits(op, _) => set(into, at, op.of(get::<u64>(into, at), get::<u64>(from, at))),
            SlotOp::Deviations { with } => merge_deviations(1 + usize::from(with.is_some()), into.add(at), from.add(at)),
        }
    }
    Ok(())
}

/// Folds a count, values to measure from, sums of distances and the sum of products into another, measured from that one's
/// values.
///
/// # Safety
///
/// Such states of so many inputs lie at both.
unsafe fn merge_deviations(inputs: usize, into: *mut u8, from: *const u8) {
    let words = 2 + 2 * inputs;
    // SAFETY: as this function's own, for all that follows.
    unsafe {
        let (before, more) = (get::<u64>(into, 0), get::<u64>(from, 0));
        if more == 0 {
            return;
        }
        if before == 0 {
            std::ptr::copy_nonoverlapping(from, into, words * 8);
            return;
        }
        let value = |state: *const u8, word: usize| get::<f64>(state, word * 8);
        let far: Vec<f64> = (0..inputs).map(|at| value(from, 1 + at) - value(into, 1 + at)).collect();
        let sums: Vec<f64> = (0..inputs).map(|at| value(from, 1 + inputs + at)).collect();
        let last = inputs - 1;
        let product = value(from, words - 1) + far[0] * sums[last] + far[last] * sums[0] + more as f64 * far[0] * far[last];
        for at in 0..inputs {
            let word = 1 + inputs + at;
            set(into, word * 8, value(into, word) + sums[at] + more as f64 * far[at]);
        }
        set(into, (words - 1) * 8, value(into, words - 1) + product);
        set(into, 0, before + more);
    }
}

/// # Safety
///
/// Values of the type lie at `at` of both.
unsafe fn less(ty: Type, a: *const u8, b: *const u8, at: usize) -> bool {
    // SAFETY: as this function's own, for every arm.
    unsafe {
        match ty {
            Type::Bool | Type::U8 => get::<u8>(a, at) < get::<u8>(b, at),
            Type::I8 => get::<i8>(a, at) < get::<i8>(b, at),
            Type::I16 => get::<i16>(a, at) < get::<i16>(b, at),
            Type::U16 => get::<u16>(a, at) < get::<u16>(b, at),
            Type::I32 => get::<i32>(a, at) < get::<i32>(b, at),
            Type::U32 => get::<u32>(a, at) < get::<u32>(b, at),
            Type::I64 => get::<i64>(a, at) < get::<i64>(b, at),
            Type::I128 => get::<i128>(a, at) < get::<i128>(b, at),
            Type::F32 => float_less(get::<f32>(a, at).into(), get::<f32>(b, at).into()),
            Type::F64 => float_less(get::<f64>(a, at), get::<f64>(b, at)),
            // The null pointer is an empty text.
            Type::Text => {
                let text = |state| bytes(get::<u64>(state, at) as *const u8, get::<u64>(state, at + 8));
                text(a) < text(b)
            }
        }
    }
}

/// The type of the column that a slot becomes.
pub(super) fn column_type(slot: &Slot) -> ValueType {
    let of = |ty| ValueType { ty, nullable: slot.seen != Seen::Always };
    match slot.op {
        SlotOp::Rows | SlotOp::Count | SlotOp::Distinct { sum: false, .. } => ValueType::of(Type::I64),
        // Emptiness shows in the bits.
        SlotOp::Distinct { sum: true, .. } => ValueType::nullable(Type::I64),
        SlotOp::Sum64 | SlotOp::Total64(_) => of(Type::I64),
        SlotOp::Sum128(_) => of(Type::I128),
        SlotOp::SumFloat => of(Type::F64),
        SlotOp::Least(ty) | SlotOp::Greatest(ty) | SlotOp::Bits(_, ty) => of(ty),
        // Emptiness shows in the count.
        SlotOp::Deviations { .. } => ValueType::nullable(Type::F64),
    }
}

/// The states of many groups: one after another, or wherever a list says.
#[derive(Debug, Clone, Copy)]
pub(super) struct States {
    base: *const u8,
    stride: usize,
    list: *const *const u8,
    count: usize,
}

impl States {
    /// So many states, `stride` bytes apart.
    pub(super) fn strided(base: *const u8, stride: usize, count: usize) -> Self {
        Self { base, stride, list: std::ptr::null(), count }
    }

    /// The states that lie `offset` bytes behind the addresses of a list.
    pub(super) fn listed(list: *const *const u8, offset: usize, count: usize) -> Self {
        Self { base: std::ptr::null(), stride: offset, list, count }
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// # Safety
    ///
    /// What the states were made of is still there, and `at` is less than their number.
    #[inline(always)]
    unsafe fn get(&self, at: usize) -> *const u8 {
        // SAFETY: as this function's own.
        unsafe { if self.list.is_null() { self.base.add(at * self.stride) } else { (*self.list.add(at)).add(self.stride) } }
    }

    /// Writes a value of each as rows of a column, from `first` on.
    ///
    /// # Safety
    ///
    /// As [`export`]; a `T` has the column's width.
    #[inline(always)]
    pub(super) unsafe fn write<T>(&self, writer: Writer, first: usize, value: impl Fn(*const u8) -> T) {
        debug_assert_eq!(size_of::<T>(), writer.bytes);
        // SAFETY: as this function's own.
        unsafe {
            let to = writer.values.cast::<T>().add(first);
            for at in 0..self.count {
                to.add(at).write_unaligned(value(self.get(at)));
            }
        }
    }

    /// Writes the validity of each.
    ///
    /// # Safety
    ///
    /// As [`export`].
    #[inline(always)]
    pub(super) unsafe fn write_valid(&self, writer: Writer, first: usize, valid: impl Fn(*const u8) -> bool) {
        if writer.validity.is_null() {
            return;
        }
        for at in 0..self.count {
            // SAFETY: as this function's own.
            unsafe { writer.set_valid(first + at, valid(self.get(at))) };
        }
    }
}

/// Writes a slot of many states as rows of a column, from `first` on.
///
/// # Safety
///
/// States of this layout lie at the addresses, and the rows are the caller's own.
pub(super) unsafe fn export(
    layout: &StateLayout,
    slot: &Slot,
    states: States,
    writer: Writer,
    first: usize,
) -> Result<(), Fault> {
    let at = slot.offset;
    // SAFETY: the slot says what lies in the state, for all that follows.
    unsafe {
        match slot.op {
            SlotOp::Rows | SlotOp::Count | SlotOp::Sum64 | SlotOp::SumFloat => {
                states.write(writer, first, |state| get::<u64>(state, at));
            }
            SlotOp::Sum128(_) => states.write(writer, first, |state| get::<u128>(state, at)),
            SlotOp::Least(ty) | SlotOp::Greatest(ty) | SlotOp::Bits(_, ty) => match ty.bytes() {
                1 => states.write(writer, first, |state| get::<u8>(state, at)),
                2 => states.write(writer, first, |state| get::<u16>(state, at)),
                4 => states.write(writer, first, |state| get::<u32>(state, at)),
                8 => states.write(writer, first, |state| get::<u64>(state, at)),
                _sixteen => states.write(writer, first, |state| get::<u128>(state, at)),
            },
            SlotOp::Deviations { .. } => {}
            SlotOp::Total64(fault) => {
                let fits = Cell::new(true);
                states.write(writer, first, |state| {
                    let total = get::<i128>(state, at);
                    fits.set(fits.get() & (i128::from(total as i64) == total));
                    total as i64
                });
                if !fits.get() {
                    return Err(fault);
                }
            }
            SlotOp::Distinct { domain, sum } => {
                let words = (domain.size as usize).div_ceil(64);
                let bits = |state: *const u8| (0..words).map(move |word| (word, get::<u64>(state, at + word * 8)));
                let count = |state| bits(state).map(|(_, bits)| i64::from(bits.count_ones())).sum::<i64>();
                if !sum {
                    states.write(writer, first, count);
                    return Ok(());
                }
                states.write(writer, first, |state| {
                    let mut total = 0i64;
                    for (word, mut bits) in bits(state) {
                        while bits != 0 {
                            let number = (word * 64) as i64 + i64::from(bits.trailing_zeros());
                            total = total.wrapping_add(domain.low.wrapping_add(number));
                            bits &= bits - 1;
                        }
                    }
                    total
                });
                states.write_valid(writer, first, |state| bits(state).any(|(_, bits)| bits != 0));
                return Ok(());
            }
        }
        if let SlotOp::Deviations { with } = slot.op {
            let sum = |state: *const u8| deviations(state.add(at), 1 + usize::from(with.is_some()));
            let fits = Cell::new(true);
            states.write(writer, first, |state| {
                let found = sum(state);
                fits.set(fits.get() & found.is_ok());
                found.unwrap_or(0.0)
            });
            if !fits.get() {
                return Err(Fault::FloatOverflow);
            }
            states.write_valid(writer, first, |state| get::<u64>(state, at) != 0);
            return Ok(());
        }
        match slot.seen {
            Seen::Always => states.write_valid(writer, first, |_| true),
            Seen::Flag(flag) => states.write_valid(writer, first, |state| get::<u8>(state, flag) != 0),
            Seen::Occupied => states.write_valid(writer, first, |state| is_occupied(layout, state)),
        }
    }
    Ok(())
}

/// The sum of products of deviations that a state of so many inputs stands for; 0 of an empty one.
///
/// # Safety
///
/// Such a state lies there.
unsafe fn deviations(state: *const u8, inputs: usize) -> Result<f64, Fault> {
    // SAFETY: as this function's own.
    unsafe {
        let value = |word: usize| get::<f64>(state, word * 8);
        deviations_of(get::<u64>(state, 0), value(1 + inputs), value(2 * inputs), value(1 + 2 * inputs), inputs == 1)
    }
}

/// Whether a row came to the state.
///
/// # Safety
///
/// A state of this layout lies there.
pub(super) unsafe fn is_occupied(layout: &StateLayout, state: *const u8) -> bool {
    if let Some(flag) = layout.occupied {
        // SAFETY: the layout says so.
        return unsafe { get::<u8>(state, flag) } != 0;
    }
    let rows = layout.slots.iter().find(|slot| slot.op == SlotOp::Rows);
    // SAFETY: as above.
    rows.is_none_or(|slot| unsafe { get::<i64>(state, slot.offset) } != 0)
}
