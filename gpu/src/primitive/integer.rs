//! 128-bit arithmetic that the generator has no instructions for.

use crate::program::Arithmetic;

fn join(low: u64, high: u64) -> i128 {
    (u128::from(high) << 64 | u128::from(low)) as i128
}

fn store(out: *mut i128, (value, overflowed): (i128, bool)) -> u8 {
    // SAFETY: compiled code passes the address of a slot of 16 bytes in its frame, which need not be aligned.
    unsafe { out.write_unaligned(value) };
    overflowed.into()
}

/// `a * b`.
pub(super) extern "C" fn multiply(a_low: u64, a_high: u64, b_low: u64, b_high: u64, out: *mut i128) -> u8 {
    store(out, join(a_low, a_high).overflowing_mul(join(b_low, b_high)))
}

/// `⌊a / b⌋`, and whether it overflowed.
pub fn floor_divide(a: i128, b: i128) -> (i128, bool) {
    let (quotient, overflowed) = a.overflowing_div(b);
    let rest = a.wrapping_rem(b);
    (if rest != 0 && (rest < 0) != (b < 0) { quotient - 1 } else { quotient }, overflowed)
}

/// `a - ⌊a / b⌋ * b`.
pub fn floor_remainder(a: i128, b: i128) -> i128 {
    let rest = a.wrapping_rem(b);
    if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest }
}

/// `a / b` to the nearest, halves away from zero, and whether it overflowed.
pub fn round_divide(a: i128, b: i128) -> (i128, bool) {
    let (quotient, overflowed) = a.overflowing_div(b);
    let rest = a.wrapping_rem(b).unsigned_abs();
    let away = rest != 0 && rest >= b.unsigned_abs() - rest;
    let step = if (a < 0) == (b < 0) { 1 } else { -1 };
    (if away { quotient + step } else { quotient }, overflowed)
}

extern "C" fn truncate(a_low: u64, a_high: u64, b_low: u64, b_high: u64, out: *mut i128) -> u8 {
    store(out, join(a_low, a_high).overflowing_div(join(b_low, b_high)))
}

extern "C" fn remainder(a_low: u64, a_high: u64, b_low: u64, b_high: u64, out: *mut i128) -> u8 {
    store(out, (join(a_low, a_high).wrapping_rem(join(b_low, b_high)), false))
}

extern "C" fn floor(a_low: u64, a_high: u64, b_low: u64, b_high: u64, out: *mut i128) -> u8 {
    store(out, floor_divide(join(a_low, a_high), join(b_low, b_high)))
}

extern "C" fn floor_rest(a_low: u64, a_high: u64, b_low: u64, b_high: u64, out: *mut i128) -> u8 {
    store(out, (floor_remainder(join(a_low, a_high), join(b_low, b_high)), false))
}

extern "C" fn round(a_low: u64, a_high: u64, b_low: u64, b_high: u64, out: *mut i128) -> u8 {
    store(out, round_divide(join(a_low, a_high), join(b_low, b_high)))
}

/// The function of a form of division; multiplication's for what is none.
pub(super) fn divide(op: Arithmetic) -> *const u8 {
    match op {
        Arithmetic::Divide => truncate as *const u8,
        Arithmetic::Remainder => remainder as *const u8,
        Arithmetic::FloorDivide => floor as *const u8,
        Arithmetic::FloorRemainder => floor_rest as *const u8,
        Arithmetic::RoundDivide => round as *const u8,
        Arithmetic::Add | Arithmetic::Subtract | Arithmetic::Multiply => multiply as *const u8,
    }
}

/// The nearest `f64`.
pub(super) extern "C" fn to_f64(low: u64, high: u64) -> f64 {
    join(low, high) as f64
}

/// The nearest `f32`.
pub(super) extern "C" fn to_f32(low: u64, high: u64) -> f32 {
    join(low, high) as f32
}

/// The nearest integer, ties to even.
pub(super) extern "C" fn from_f64(value: f64, out: *mut i128) -> u8 {
    let value = value.round_ties_even();
    // 2^127 itself does not fit; -2^127 does.
    let fits = value >= -(2f64.powi(127)) && value < 2f64.powi(127);
    store(out, (value as i128, !fits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn division_rounds_as_it_says() {
        for a in -30..=30i128 {
            for b in (-7..=7i128).filter(|b| *b != 0) {
                let real = a as f64 / b as f64;
                assert_eq!(floor_divide(a, b), (real.floor() as i128, false), "{a} {b}");
                assert_eq!(floor_remainder(a, b), a - real.floor() as i128 * b, "{a} {b}");
                assert_eq!(round_divide(a, b), (real.round() as i128, false), "{a} {b}");
            }
        }
        assert!(floor_divide(i128::MIN, -1).1 && round_divide(i128::MIN, -1).1);
        assert_eq!(round_divide(i128::MIN, i128::MIN), (1, false));
    }

    #[test]
    fn floats_become_integers_where_they_fit() {
        let mut out = 0;
        assert_eq!((from_f64(2.5, &mut out), out), (0, 2));
        assert_eq!((from_f64(-3.5, &mut out), out), (0, -4));
        assert_eq!(from_f64(2f64.powi(127), &mut out), 1);
        assert_eq!((from_f64(-(2f64.powi(127)), &mut out), out), (0, i128::MIN));
        assert_eq!(from_f64(f64::NAN, &mut out), 1);
    }
}
