//! Integers from one width and unit to another, in blocks that stay in the first cache.
//!
//! A block is brought to 64 bits, where nearly everything fits; its least and greatest value are found, and with them
//! one test decides for the whole block that nothing overflows. What is left are plain loops. A block with a value that
//! 64 bits do not hold goes the same way in 128 bits, slowly.

use arrow::buffer::{Buffer, MutableBuffer, NullBuffer};
use arrow::datatypes::ArrowNativeType;

use super::encoding::Present;
use crate::program::Type;

/// Rows of a block: with 8 bytes each a quarter of a first-level cache.
const BLOCK: usize = 1024;

/// A value has no form in the type or unit that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Misfit;

/// What happens to a value on the way. Factors are positive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    /// It is multiplied.
    Multiply(i128),
    /// It is divided, and must be a multiple.
    Divide(i128),
}

impl Scale {
    /// The value scaled; none where it overflows or is no multiple.
    pub(crate) fn of(self, value: i128) -> Option<i128> {
        match self {
            Self::Multiply(by) => value.checked_mul(by),
            Self::Divide(by) => (value % by == 0).then(|| value / by),
        }
    }
}

/// A run of integers, with NULLs among them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Integers<'a> {
    /// Their type.
    pub(crate) ty: Type,
    /// At least `rows` of them, aligned to the type.
    pub(crate) values: &'a Buffer,
    /// Which are NULL.
    pub(crate) nulls: Option<&'a NullBuffer>,
    /// How many.
    pub(crate) rows: usize,
}

/// A few values, NULLs replaced by one that is not.
enum Block<'a> {
    Low(&'a mut [i64]),
    Wide(&'a mut [i128]),
}

/// The integer types, with casts that truncate.
trait Native: ArrowNativeType {
    fn low(self) -> i64;
    fn wide(self) -> i128;
    fn from_low(value: i64) -> Self;
    fn from_wide(value: i128) -> Self;
}

macro_rules! native {
    ($($native:ty),*) => {
        $(impl Native for $native {
            fn low(self) -> i64 {
                self as i64
            }
            fn wide(self) -> i128 {
                self as i128
            }
            fn from_low(value: i64) -> Self {
                value as Self
            }
            fn from_wide(value: i128) -> Self {
                value as Self
            }
        })*
    };
}

native!(i8, i16, i32, i64, i128, u8, u16, u32);

/// Evaluates an expression with `$native` standing for the Rust type of an integer type.
macro_rules! with_native {
    ($ty:expr, $native:ident => $body:expr) => {
        match $ty {
            Type::I8 => {
                type $native = i8;
                $body
            }
            Type::I16 => {
                type $native = i16;
                $body
            }
            Type::I32 => {
                type $native = i32;
                $body
            }
            Type::I64 => {
                type $native = i64;
                $body
            }
            Type::I128 => {
                type $native = i128;
                $body
            }
            Type::U8 => {
                type $native = u8;
                $body
            }
            Type::U16 => {
                type $native = u16;
                $body
            }
            Type::U32 => {
                type $native = u32;
                $body
            }
            Type::Bool | Type::F32 | Type::F64 | Type::Text => unreachable!("integers of type {}", $ty.name()),
        }
    };
}

impl Integers<'_> {
    /// The least and the greatest that is not NULL, and the greatest of `units` that divides them all. `units` as
    /// [`units`](crate::types::units) gives them; of no value, the first.
    pub(crate) fn summary(&self, units: &[i128]) -> (Option<(i128, i128)>, i128) {
        let mut range = None;
        let mut at = 0;
        let finished = self.each_block(&mut |_, block| {
            range = hull(range, Some(block.range()));
            while at + 1 < units.len() && !block.divisible(units[at]) {
                at += 1;
            }
            Ok(())
        });
        debug_assert_eq!(finished, Ok(()));
        (range, units.get(at).copied().unwrap_or(1))
    }

    /// Which there are, by their lowest byte; what stands at rows that are NULL may be among them.
    pub(crate) fn present(&self) -> Present {
        let mut seen = [false; 256];
        with_native!(self.ty, T => {
            for value in &self.values.typed_data::<T>()[..self.rows] {
                seen[usize::from(value.low() as u8)] = true;
            }
        });
        std::array::from_fn(|word| (0..64).fold(0, |bits, at| bits | u64::from(seen[word * 64 + at]) << at))
    }

    /// Writes the values, scaled, at `ty` into `out` from row `at` on, which must have room. The result is their least
    /// and greatest; one outside of `allowed`, or no multiple, is a misfit. Where a row is NULL, a value of another row
    /// or 0 is written.
    pub(crate) fn convert(
        &self,
        scale: Scale,
        ty: Type,
        allowed: (i128, i128),
        out: &mut MutableBuffer,
        at: usize,
    ) -> Result<Option<(i128, i128)>, Misfit> {
        let by = match scale {
            Scale::Multiply(by) | Scale::Divide(by) => i64::try_from(by).ok(),
        };
        let mut range = None;
        let scaled = |value: i128| scale.of(value).filter(|found| allowed.0 <= *found && *found <= allowed.1);
        self.each_block(&mut |first, block| {
            match (block, by) {
                (Block::Low(values), Some(by)) => {
                    let (low, high) = least_and_greatest(values);
                    let (low, high) = match scale {
                        Scale::Multiply(_) => (i128::from(low) * i128::from(by), i128::from(high) * i128::from(by)),
                        Scale::Divide(_) if all_divisible(values, by) => ((low / by).into(), (high / by).into()),
                        Scale::Divide(_) => return Err(Misfit),
                    };
                    if low < allowed.0 || high > allowed.1 {
                        return Err(Misfit);
                    }
                    range = hull(range, Some((low, high)));
                    let fits = i64::try_from(low).is_ok() && i64::try_from(high).is_ok();
                    match scale {
                        Scale::Multiply(1) | Scale::Divide(1) => {}
                        Scale::Multiply(_) if !fits => {
                            let wide: Vec<i128> = values.iter().map(|v| i128::from(*v) * i128::from(by)).collect();
                            with_native!(ty, T => store(&wide, &mut out.typed_data_mut::<T>()[at + first..], T::from_wide));
                            return Ok(());
                        }
                        Scale::Multiply(_) => values.iter_mut().for_each(|v| *v = v.wrapping_mul(by)),
                        Scale::Divide(_) => divide_all(values, by),
                    }
                    with_native!(ty, T => store(values, &mut out.typed_data_mut::<T>()[at + first..], T::from_low));
                }
                (block, _) => {
                    let mut wide = match block {
                        Block::Low(values) => values.iter().map(|v| i128::from(*v)).collect(),
                        Block::Wide(values) => values.to_vec(),
                    };
                    for value in &mut wide {
                        *value = scaled(*value).ok_or(Misfit)?;
                    }
                    range = hull(range, Some(Block::Wide(&mut wide).range()));
                    with_native!(ty, T => store(&wide, &mut out.typed_data_mut::<T>()[at + first..], T::from_wide));
                }
            }
            Ok(())
        })?;
        Ok(range)
    }

    /// Gives every block of rows, with the number of its first; none where every row is NULL.
    fn each_block(&self, each: &mut dyn FnMut(usize, Block<'_>) -> Result<(), Misfit>) -> Result<(), Misfit> {
        with_native!(self.ty, T => blocks::<T>(&self.values.typed_data::<T>()[..self.rows], self.nulls, each))
    }
}

/// Writes the entries that keys of an unsigned type stand for into `out` from row `at` on. Keys of rows that are NULL may
/// be any; one that no entry has gives 0.
pub(crate) fn look_up(keys: &Integers<'_>, ty: Type, entries: &Buffer, count: usize, out: &mut MutableBuffer, at: usize) {
    with_native!(ty, T => {
        let entries = &entries.typed_data::<T>()[..count];
        let out = &mut out.typed_data_mut::<T>()[at..at + keys.rows];
        match keys.ty {
            Type::U8 => {
                // As many as there are keys, so that none has to be compared with their number.
                let mut all = [T::from_low(0); 256];
                all[..count.min(256)].copy_from_slice(&entries[..count.min(256)]);
                for (to, key) in out.iter_mut().zip(keys.values.as_slice()) {
                    *to = all[usize::from(*key)];
                }
            }
            Type::U16 => {
                for (to, key) in out.iter_mut().zip(keys.values.typed_data::<u16>()) {
                    *to = entries.get(usize::from(*key)).copied().unwrap_or(T::from_low(0));
                }
            }
            _ => {
                for (to, key) in out.iter_mut().zip(keys.values.typed_data::<u32>()) {
                    *to = entries.get(*key as usize).copied().unwrap_or(T::from_low(0));
                }
            }
        }
    });
}

impl Block<'_> {
    fn range(&self) -> (i128, i128) {
        match self {
            Self::Low(values) => {
                let (low, high) = least_and_greatest(values);
                (low.into(), high.into())
            }
            Self::Wide(values) => values.iter().fold((i128::MAX, i128::MIN), |(low, high), v| (low.min(*v), high.max(*v))),
        }
    }

    fn divisible(&self, by: i128) -> bool {
        match self {
            Self::Low(values) => match i64::try_from(by) {
                Ok(by) => all_divisible(values, by),
                Err(_) => values.iter().all(|v| *v == 0),
            },
            Self::Wide(values) => values.iter().all(|v| *v % by == 0),
        }
    }
}

/// The range that holds both.
pub(crate) fn hull(a: Option<(i128, i128)>, b: Option<(i128, i128)>) -> Option<(i128, i128)> {
    match (a, b) {
        (Some((low, high)), Some((least, greatest))) => Some((low.min(least), high.max(greatest))),
        (one, None) | (None, one) => one,
    }
}

fn blocks<T: Native>(
    values: &[T],
    nulls: Option<&NullBuffer>,
    each: &mut dyn FnMut(usize, Block<'_>) -> Result<(), Misfit>,
) -> Result<(), Misfit> {
    let nulls = nulls.filter(|nulls| nulls.null_count() > 0);
    // What stands at a row that is NULL could be anything; a value that stands elsewhere changes no range and no unit.
    let substitute = match nulls.map(|nulls| nulls.valid_indices().next()) {
        None => 0,
        Some(None) => return Ok(()),
        Some(Some(row)) => values[row].wide(),
    };
    let mut low = [0i64; BLOCK];
    for (number, part) in values.chunks(BLOCK).enumerate() {
        let first = number * BLOCK;
        let nulls = nulls.map(|nulls| nulls.slice(first, part.len())).filter(|nulls| nulls.null_count() > 0);
        let low = &mut low[..part.len()];
        let mut fits = true;
        for (to, from) in low.iter_mut().zip(part) {
            *to = from.low();
            // For all but the widest type this is a constant.
            fits &= i128::from(*to) == from.wide();
        }
        match i64::try_from(substitute) {
            Ok(substitute) if fits => {
                replace(low, nulls.as_ref(), substitute);
                each(first, Block::Low(low))?;
            }
            Ok(_) | Err(_) => {
                let mut wide: Vec<i128> = part.iter().map(|v| v.wide()).collect();
                replace(&mut wide, nulls.as_ref(), substitute);
                each(first, Block::Wide(&mut wide))?;
            }
        }
    }
    Ok(())
}

fn replace<V: Copy>(values: &mut [V], nulls: Option<&NullBuffer>, substitute: V) {
    let Some(nulls) = nulls else { return };
    for (at, value) in values.iter_mut().enumerate() {
        if nulls.is_null(at) {
            *value = substitute;
        }
    }
}

fn store<V: Copy, T>(values: &[V], out: &mut [T], cast: impl Fn(V) -> T) {
    for (to, from) in out.iter_mut().zip(values) {
        *to = cast(*from);
    }
}

fn least_and_greatest(values: &[i64]) -> (i64, i64) {
    values.iter().fold((i64::MAX, i64::MIN), |(low, high), v| (low.min(*v), high.max(*v)))
}

/// A positive divisor as an odd one's inverse modulo 2^64 and a shift (Warren, Hacker's Delight, 10-16 and 10-17): a
/// multiplication tells whether a value is a multiple, and divides one that is.
struct Divisor {
    inverse: u64,
    shift: u32,
    greatest: u64,
}

impl Divisor {
    fn new(by: i64) -> Self {
        let by = by.unsigned_abs();
        let shift = by.trailing_zeros();
        let odd = by >> shift;
        let mut inverse = odd;
        // Newton's method doubles the bits that are right: 3, 6, 12, 24, 48, 96.
        for _ in 0..5 {
            inverse = inverse.wrapping_mul(2u64.wrapping_sub(odd.wrapping_mul(inverse)));
        }
        Self { inverse, shift, greatest: u64::MAX / by }
    }
}

fn all_divisible(values: &[i64], by: i64) -> bool {
    if by == 1 {
        return true;
    }
    let d = Divisor::new(by);
    values.iter().fold(true, |all, v| all & (v.unsigned_abs().wrapping_mul(d.inverse).rotate_right(d.shift) <= d.greatest))
}

/// Divides values that are all multiples.
fn divide_all(values: &mut [i64], by: i64) {
    let d = Divisor::new(by);
    for value in values {
        *value = (*value >> d.shift).wrapping_mul(d.inverse as i64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_division_agrees_with_the_processors() {
        let divisors = [1i64, 2, 3, 7, 10, 100, 1_000, 60_000_000, 86_400_000_000, 1 << 40, 1_000_000_000_000_000_000, i64::MAX];
        let mut state = 1u64;
        for by in divisors {
            for _ in 0..2_000 {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                let value = (state as i64) >> (state >> 58);
                assert_eq!(all_divisible(&[value], by), value % by == 0, "{value} by {by}");
                let multiple = value / by * by;
                let mut exact = [multiple];
                assert!(all_divisible(&exact, by));
                divide_all(&mut exact, by);
                assert_eq!(exact[0], multiple / by, "{multiple} by {by}");
            }
            assert_eq!(all_divisible(&[i64::MIN], by), i64::MIN % by == 0);
        }
    }

    #[test]
    fn values_past_64_bits_go_the_slow_way() {
        let big = 10i128.pow(30);
        let values = Buffer::from_vec(vec![3 * big, -big, 0, 700]);
        let integers = Integers { ty: Type::I128, values: &values, nulls: None, rows: 4 };
        assert_eq!(integers.summary(&[1_000, 100, 10, 1]), (Some((-big, 3 * big)), 100));
        let mut out = MutableBuffer::from_len_zeroed(4 * 16);
        let all = (i128::MIN, i128::MAX);
        assert_eq!(integers.convert(Scale::Divide(100), Type::I128, all, &mut out, 0), Ok(Some((-big / 100, 3 * big / 100))));
        assert_eq!(out.typed_data::<i128>(), [3 * big / 100, -big / 100, 0, 7]);
        assert_eq!(integers.convert(Scale::Divide(1_000), Type::I128, all, &mut out, 0), Err(Misfit));
        assert_eq!(integers.convert(Scale::Multiply(10i128.pow(9)), Type::I128, all, &mut out, 0), Err(Misfit));
    }

    #[test]
    fn products_past_64_bits_are_exact() {
        let values = Buffer::from_vec(vec![i64::MAX, -5]);
        let integers = Integers { ty: Type::I64, values: &values, nulls: None, rows: 2 };
        let mut out = MutableBuffer::from_len_zeroed(2 * 16);
        let by = 1_000_000;
        let range = integers.convert(Scale::Multiply(by), Type::I128, (i128::MIN, i128::MAX), &mut out, 0);
        assert_eq!(range, Ok(Some((-5 * by, i128::from(i64::MAX) * by))));
        assert_eq!(out.typed_data::<i128>(), [i128::from(i64::MAX) * by, -5 * by]);
    }
}
