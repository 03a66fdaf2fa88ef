//! Whether a value is among the elements of an ascending table.

use crate::program::Type;

/// Binary search without branches but the loop's.
///
/// # Safety
///
/// `values` points at `length` elements, ascending.
unsafe fn search<T: Copy + Ord>(values: *const T, length: usize, value: T) -> u8 {
    let (mut base, mut size) = (0usize, length);
    if size == 0 {
        return 0;
    }
    while size > 1 {
        let half = size / 2;
        // SAFETY: base + half < length.
        let probe = unsafe { values.add(base + half).read_unaligned() };
        base = if probe <= value { base + half } else { base };
        size -= half;
    }
    // SAFETY: base < length.
    u8::from(unsafe { values.add(base).read_unaligned() } == value)
}

macro_rules! members {
    ($($name:ident $ty:ty),*) => {$(
        /// # Safety
        ///
        /// `values` points at `length` elements, ascending.
        pub(super) unsafe extern "C" fn $name(values: *const $ty, length: u64, value: u64) -> u8 {
            // SAFETY: as this function's own.
            unsafe { search(values, length as usize, value as $ty) }
        }
    )*};
}

members!(of_i8 i8, of_i16 i16, of_i32 i32, of_i64 i64, of_u8 u8, of_u16 u16, of_u32 u32);

unsafe extern "C" fn of_i128(values: *const i128, length: u64, low: u64, high: u64) -> u8 {
    let value = (u128::from(high) << 64 | u128::from(low)) as i128;
    // SAFETY: the caller passes a table of that many elements.
    unsafe { search(values, length as usize, value) }
}

/// How many of the elements are not greater than `value`.
///
/// # Safety
///
/// `values` points at `length` elements, ascending.
unsafe fn not_above<T: Copy + Ord>(values: *const T, length: usize, value: T) -> i32 {
    let (mut base, mut size) = (0usize, length);
    while size > 0 {
        let half = size / 2;
        // SAFETY: base + half < length.
        let probe = unsafe { values.add(base + half).read_unaligned() };
        (base, size) = if probe <= value { (base + half + 1, size - half - 1) } else { (base, half) };
    }
    base as i32
}

unsafe extern "C" fn place_i32(values: *const i32, length: u64, value: u64) -> i32 {
    // SAFETY: the caller passes a table of that many elements.
    unsafe { not_above(values, length as usize, value as i32) }
}

unsafe extern "C" fn place_i64(values: *const i64, length: u64, value: u64) -> i32 {
    // SAFETY: the caller passes a table of that many elements.
    unsafe { not_above(values, length as usize, value as i64) }
}

/// The function that finds a place among elements of a type: 32 bits, or else 64.
pub(super) fn place(ty: Type) -> *const u8 {
    if ty == Type::I32 { place_i32 as *const u8 } else { place_i64 as *const u8 }
}

/// The function for elements of a type.
pub(super) fn address(ty: Type) -> *const u8 {
    match ty {
        Type::I8 => of_i8 as *const u8,
        Type::I16 => of_i16 as *const u8,
        Type::I32 => of_i32 as *const u8,
        Type::I64 => of_i64 as *const u8,
        Type::I128 => of_i128 as *const u8,
        Type::U8 | Type::Bool => of_u8 as *const u8,
        Type::U16 => of_u16 as *const u8,
        // Floats have no members: the verifier has seen to it.
        Type::U32 | Type::F32 | Type::F64 => of_u32 as *const u8,
        Type::Text => super::string::member as *const u8,
    }
}

/// Whether `value`, of type `ty`, is among `length` elements at `values`.
///
/// # Safety
///
/// `values` points at `length` elements of `ty`, ascending.
pub unsafe fn contains(ty: Type, values: *const u8, length: usize, value: i128) -> bool {
    let found = match ty {
        // SAFETY: as this function's own, for every arm.
        Type::I8 => unsafe { search(values.cast::<i8>(), length, value as i8) },
        // SAFETY: as above.
        Type::I16 => unsafe { search(values.cast::<i16>(), length, value as i16) },
        // SAFETY: as above.
        Type::I32 => unsafe { search(values.cast::<i32>(), length, value as i32) },
        // SAFETY: as above.
        Type::I64 => unsafe { search(values.cast::<i64>(), length, value as i64) },
        // SAFETY: as above.
        Type::I128 => unsafe { search(values.cast::<i128>(), length, value) },
        // SAFETY: as above.
        Type::U8 | Type::Bool => unsafe { search(values, length, value as u8) },
        // SAFETY: as above.
        Type::U16 => unsafe { search(values.cast::<u16>(), length, value as u16) },
        // SAFETY: as above.
        Type::U32 | Type::F32 | Type::F64 | Type::Text => unsafe { search(values.cast::<u32>(), length, value as u32) },
    };
    found != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_what_is_not_greater() {
        for length in 0..20usize {
            let table: Vec<i64> = (0..length as i64).map(|v| v / 2 * 6 - 20).collect();
            for value in -30..60i64 {
                // SAFETY: the table has that many elements, ascending.
                let found = unsafe { not_above(table.as_ptr(), length, value) };
                assert_eq!(found as usize, table.iter().filter(|v| **v <= value).count(), "{value} in {table:?}");
            }
        }
    }

    #[test]
    fn members_are_found_and_others_are_not() {
        for length in 0..20usize {
            let table: Vec<i16> = (0..length as i16).map(|v| v * 3 - 20).collect();
            for value in -30..60i16 {
                // SAFETY: the table has that many elements, ascending.
                let found = unsafe { contains(Type::I16, table.as_ptr().cast(), length, value.into()) };
                assert_eq!(found, table.contains(&value), "{value} in {table:?}");
            }
        }
    }
}
