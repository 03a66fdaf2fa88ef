//! Group states outside of compiled code: two folded into one, and states as columns.

use super::output::Writer;
use crate::codegen::cranelift::layout::{Seen, Slot, SlotOp, StateLayout};
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
        }
    }
    Ok(())
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
        SlotOp::Least(ty) | SlotOp::Greatest(ty) => of(ty),
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
    states: &[*const u8],
    writer: Writer,
    first: usize,
) -> Result<(), Fault> {
    let at = slot.offset;
    let flag = match slot.seen {
        Seen::Always => None,
        Seen::Flag(flag) => Some(flag),
        Seen::Occupied => layout.occupied,
    };
    let rows = layout.slots.iter().find(|slot| slot.op == SlotOp::Rows).map(|slot| slot.offset);
    for (row, state) in states.iter().enumerate() {
        let row = first + row;
        // SAFETY: the slot says what lies in the state.
        unsafe {
            match slot.op {
                SlotOp::Rows | SlotOp::Count | SlotOp::Sum64 | SlotOp::SumFloat | SlotOp::Sum128(_) => {
                    writer.copy(row, state.add(at));
                }
                SlotOp::Least(_) | SlotOp::Greatest(_) => writer.copy(row, state.add(at)),
                SlotOp::Total64(fault) => {
                    let total = i64::try_from(get::<i128>(*state, at)).map_err(|_| fault)?;
                    writer.copy(row, total.to_ne_bytes().as_ptr());
                }
                SlotOp::Distinct { domain, sum } => {
                    let (mut count, mut total) = (0i64, 0i64);
                    for word in 0..(domain.size as usize).div_ceil(64) {
                        let mut bits = get::<u64>(*state, at + word * 8);
                        count += i64::from(bits.count_ones());
                        while sum && bits != 0 {
                            let value = domain.low.wrapping_add((word * 64) as i64 + i64::from(bits.trailing_zeros()));
                            total = total.wrapping_add(value);
                            bits &= bits - 1;
                        }
                    }
                    writer.copy(row, (if sum { total } else { count }).to_ne_bytes().as_ptr());
                    writer.set_valid(row, count > 0);
                    continue;
                }
            }
            let valid = match (flag, rows) {
                (Some(flag), _) => get::<u8>(*state, flag) != 0,
                // A count of rows says what no flag needs to.
                (None, Some(rows)) => slot.seen == Seen::Always || get::<i64>(*state, rows) != 0,
                (None, None) => true,
            };
            writer.set_valid(row, valid);
        }
    }
    Ok(())
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
