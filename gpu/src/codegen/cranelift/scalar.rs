//! Arithmetic, comparisons and casts of values in registers.

use cranelift::prelude::*;

use super::function::{Loop, is_signed, plain, register};
use crate::primitive::Primitive;
use crate::program::{Arithmetic, Comparison, Fault, Type as Ty};

/// What an operation is given besides its operands: how much of the checking was proved away.
#[derive(Debug, Clone, Copy)]
pub(super) struct Checks {
    /// What a result that does not fit raises; `None` where it fits.
    pub overflow: Option<Fault>,
    /// The divisor is neither 0 nor -1.
    pub safe_divisor: bool,
    /// The divisor is greater than 0.
    pub positive_divisor: bool,
    /// Whether the dividend is 0 or above.
    pub natural_dividend: bool,
    /// 1 where the operands are not NULL; a NULL raises nothing.
    pub valid: Option<Value>,
}

impl Loop<'_, '_> {
    /// Raises the fault where the condition holds and the operands are not NULL.
    pub fn raise(&mut self, condition: Value, fault: Fault, valid: Option<Value>) {
        let condition = match valid {
            Some(valid) => self.b.ins().band(condition, valid),
            None => condition,
        };
        self.fault_where(condition, fault);
    }

    /// `a op b` of integers or floats.
    pub fn arithmetic(&mut self, op: Arithmetic, ty: Ty, a: Value, b: Value, checks: Checks) -> Value {
        match ty {
            Ty::F32 | Ty::F64 => self.float_arithmetic(op, ty, a, b, checks),
            Ty::I128 => self.wide_arithmetic(op, a, b, checks),
            Ty::Bool | Ty::I8 | Ty::I16 | Ty::I32 | Ty::I64 | Ty::U8 | Ty::U16 | Ty::U32 | Ty::Text => {
                self.integer_arithmetic(op, ty, a, b, checks)
            }
        }
    }

    fn integer_arithmetic(&mut self, op: Arithmetic, ty: Ty, a: Value, b: Value, checks: Checks) -> Value {
        let simple = match op {
            Arithmetic::Add => match checks.overflow {
                None => return self.b.ins().iadd(a, b),
                Some(fault) => (self.b.ins().sadd_overflow(a, b), fault),
            },
            Arithmetic::Subtract => match checks.overflow {
                None => return self.b.ins().isub(a, b),
                Some(fault) => (self.b.ins().ssub_overflow(a, b), fault),
            },
            Arithmetic::Multiply => match checks.overflow {
                None => return self.b.ins().imul(a, b),
                Some(fault) => (self.b.ins().smul_overflow(a, b), fault),
            },
            Arithmetic::Divide
            | Arithmetic::Remainder
            | Arithmetic::FloorDivide
            | Arithmetic::FloorRemainder
            | Arithmetic::RoundDivide => return self.integer_division(op, ty, a, b, checks),
        };
        let ((value, overflow), fault) = simple;
        self.raise(overflow, fault, checks.valid);
        value
    }

    /// Divisions that round, of a dividend not below 0 by a divisor above 0: as unsigned numbers nothing overflows.
    fn division_of_natural(&mut self, op: Arithmetic, a: Value, b: Value) -> Value {
        if op == Arithmetic::RoundDivide {
            let half = self.b.ins().ushr_imm_u(b, 1);
            let raised = self.b.ins().iadd(a, half);
            return self.b.ins().udiv(raised, b);
        }
        let quotient = self.b.ins().udiv(a, b);
        if op == Arithmetic::FloorDivide {
            return quotient;
        }
        let product = self.b.ins().imul(quotient, b);
        self.b.ins().isub(a, product)
    }

    /// Divisions that round, by a divisor above 0, in unsigned division: of a constant divisor that is one multiplication.
    fn division_by_positive(&mut self, op: Arithmetic, a: Value, b: Value, reg: Type) -> Value {
        // All ones where the dividend is negative.
        let sign = self.b.ins().sshr_imm_u(a, i64::from(reg.bits()) - 1);
        let flipped = self.b.ins().bxor(a, sign);
        if op == Arithmetic::RoundDivide {
            // The magnitude, which as an unsigned number is right of MIN too.
            let size = self.b.ins().isub(flipped, sign);
            let half = self.b.ins().ushr_imm_u(b, 1);
            let size = self.b.ins().iadd(size, half);
            let quotient = self.b.ins().udiv(size, b);
            let quotient = self.b.ins().bxor(quotient, sign);
            return self.b.ins().isub(quotient, sign);
        }
        // Of a negative dividend `-1 - a` is divided, and the quotient is as far below -1 as that is above 0.
        let quotient = self.b.ins().udiv(flipped, b);
        let quotient = self.b.ins().bxor(quotient, sign);
        if op == Arithmetic::FloorDivide {
            return quotient;
        }
        let product = self.b.ins().imul(quotient, b);
        self.b.ins().isub(a, product)
    }

    /// The five forms of division. The machine's traps on a divisor 0 and on `MIN / -1`, so it never sees either.
    fn integer_division(&mut self, op: Arithmetic, ty: Ty, a: Value, b: Value, checks: Checks) -> Value {
        let reg = register(ty);
        if checks.positive_divisor && !matches!(op, Arithmetic::Divide | Arithmetic::Remainder) {
            return if checks.natural_dividend {
                self.division_of_natural(op, a, b)
            } else {
                self.division_by_positive(op, a, b, reg)
            };
        }
        let (divisor, negated) = if checks.safe_divisor {
            (b, None)
        } else {
            let zero = self.b.ins().icmp_imm_s(IntCC::Equal, b, 0);
            self.raise(zero, Fault::DivisionByZero, checks.valid);
            let minus = self.b.ins().icmp_imm_s(IntCC::Equal, b, -1);
            let quotient = matches!(op, Arithmetic::Divide | Arithmetic::FloorDivide | Arithmetic::RoundDivide);
            if let Some(fault) = checks.overflow.filter(|_| quotient) {
                let (least, _) = ty.range().unwrap_or((0, 0));
                let least = self.int(reg, least);
                let least = self.b.ins().icmp(IntCC::Equal, a, least);
                let both = self.b.ins().band(least, minus);
                self.raise(both, fault, checks.valid);
            }
            let odd = self.b.ins().bor(zero, minus);
            let one = self.int(reg, 1);
            (self.choose_value(odd, one, b), Some(minus))
        };
        // By -1 the quotient is -a, and every remainder 0: what 1 gives but for the sign.
        let finish = |this: &mut Self, quotient: Value| match negated {
            None => quotient,
            Some(minus) => {
                let opposite = this.b.ins().ineg(a);
                this.choose_value(minus, opposite, quotient)
            }
        };
        if op == Arithmetic::Remainder {
            return self.b.ins().srem(a, divisor);
        }
        let quotient = self.b.ins().sdiv(a, divisor);
        if op == Arithmetic::Divide {
            return finish(self, quotient);
        }
        let product = self.b.ins().imul(quotient, divisor);
        let rest = self.b.ins().isub(a, product);
        let some = self.b.ins().icmp_imm_s(IntCC::NotEqual, rest, 0);
        match op {
            Arithmetic::FloorDivide | Arithmetic::FloorRemainder => {
                let signs = self.b.ins().bxor(rest, divisor);
                let differ = self.b.ins().icmp_imm_s(IntCC::SignedLessThan, signs, 0);
                let down = self.b.ins().band(some, differ);
                if op == Arithmetic::FloorRemainder {
                    let raised = self.b.ins().iadd(rest, divisor);
                    return self.choose_value(down, raised, rest);
                }
                let lower = self.b.ins().iadd_imm_s(quotient, -1);
                let quotient = self.choose_value(down, lower, quotient);
                finish(self, quotient)
            }
            Arithmetic::RoundDivide => {
                // Magnitudes as unsigned numbers, so that MIN has one.
                let rest = self.b.ins().iabs(rest);
                let size = self.b.ins().iabs(divisor);
                let other = self.b.ins().isub(size, rest);
                let half = self.b.ins().icmp(IntCC::UnsignedGreaterThanOrEqual, rest, other);
                let away = self.b.ins().band(some, half);
                let signs = self.b.ins().bxor(a, divisor);
                let sign = self.b.ins().sshr_imm_u(signs, i64::from(reg.bits()) - 1);
                let step = self.b.ins().bor_imm_s(sign, 1);
                let farther = self.b.ins().iadd(quotient, step);
                let quotient = self.choose_value(away, farther, quotient);
                finish(self, quotient)
            }
            Arithmetic::Add | Arithmetic::Subtract | Arithmetic::Multiply | Arithmetic::Divide | Arithmetic::Remainder => {
                unreachable!("no rounding division")
            }
        }
    }

    fn wide_arithmetic(&mut self, op: Arithmetic, a: Value, b: Value, checks: Checks) -> Value {
        match (op, checks.overflow) {
            (Arithmetic::Add, overflow) => {
                let sum = self.b.ins().iadd(a, b);
                if let Some(fault) = overflow {
                    let outside = self.sum_overflows(a, b, sum);
                    self.raise(outside, fault, checks.valid);
                }
                sum
            }
            (Arithmetic::Subtract, overflow) => {
                let difference = self.b.ins().isub(a, b);
                if let Some(fault) = overflow {
                    // It overflowed where the operands' signs differ and the result's is not a's.
                    let (a, b, d) = (self.high(a), self.high(b), self.high(difference));
                    let differ = self.b.ins().bxor(a, b);
                    let left = self.b.ins().bxor(a, d);
                    let both = self.b.ins().band(differ, left);
                    let outside = self.b.ins().icmp_imm_s(IntCC::SignedLessThan, both, 0);
                    self.raise(outside, fault, checks.valid);
                }
                difference
            }
            (Arithmetic::Multiply, None) => self.b.ins().imul(a, b),
            (Arithmetic::Multiply, Some(fault)) => {
                let (value, overflow) = self.wide_call(Primitive::Multiply128, a, b);
                self.raise(overflow, fault, checks.valid);
                value
            }
            (
                Arithmetic::Divide
                | Arithmetic::Remainder
                | Arithmetic::FloorDivide
                | Arithmetic::FloorRemainder
                | Arithmetic::RoundDivide,
                overflow,
            ) => {
                let mut divisor = b;
                if !checks.safe_divisor {
                    let (low, high) = self.b.ins().isplit(b);
                    let any = self.b.ins().bor(low, high);
                    let zero = self.b.ins().icmp_imm_s(IntCC::Equal, any, 0);
                    self.raise(zero, Fault::DivisionByZero, checks.valid);
                    let one = self.int(types::I128, 1);
                    divisor = self.choose_value(zero, one, b);
                }
                let (value, outside) = self.wide_call(Primitive::Divide128(op), a, divisor);
                if let Some(fault) = overflow.filter(|_| !checks.safe_divisor) {
                    self.raise(outside, fault, checks.valid);
                }
                value
            }
        }
    }

    /// Whether the 128-bit sum of two numbers overflowed: their signs are equal, and its is another.
    pub fn sum_overflows(&mut self, a: Value, b: Value, sum: Value) -> Value {
        let (a, b, s) = (self.high(a), self.high(b), self.high(sum));
        let from_a = self.b.ins().bxor(a, s);
        let from_b = self.b.ins().bxor(b, s);
        let both = self.b.ins().band(from_a, from_b);
        self.b.ins().icmp_imm_s(IntCC::SignedLessThan, both, 0)
    }

    fn high(&mut self, a: Value) -> Value {
        self.b.ins().isplit(a).1
    }

    fn wide_call(&mut self, primitive: Primitive, a: Value, b: Value) -> (Value, Value) {
        let (a_low, a_high) = self.b.ins().isplit(a);
        let (b_low, b_high) = self.b.ins().isplit(b);
        let (_, address) = self.out();
        let overflow = self.call(primitive, &[a_low, a_high, b_low, b_high, address]);
        let low = self.b.ins().load(types::I64, plain(), address, 0);
        let high = self.b.ins().load(types::I64, plain(), address, 8);
        (self.b.ins().iconcat(low, high), overflow)
    }

    fn float_arithmetic(&mut self, op: Arithmetic, ty: Ty, a: Value, b: Value, checks: Checks) -> Value {
        let zero = self.zero(register(ty));
        let value = match op {
            Arithmetic::Add => self.b.ins().fadd(a, b),
            Arithmetic::Subtract => self.b.ins().fsub(a, b),
            Arithmetic::Multiply => self.b.ins().fmul(a, b),
            Arithmetic::Divide => self.b.ins().fdiv(a, b),
            Arithmetic::Remainder | Arithmetic::FloorDivide | Arithmetic::FloorRemainder | Arithmetic::RoundDivide => {
                unreachable!("floats have four operations")
            }
        };
        if checks.overflow.is_none() {
            return value;
        }
        if op == Arithmetic::Divide {
            let zero_divisor = self.b.ins().fcmp(FloatCC::Equal, b, zero);
            let number = self.b.ins().fcmp(FloatCC::Ordered, a, a);
            let bad = self.b.ins().band(zero_divisor, number);
            self.raise(bad, Fault::DivisionByZero, checks.valid);
        }
        let infinite = self.is_infinite(ty, value);
        let (a_infinite, b_infinite) = (self.is_infinite(ty, a), self.is_infinite(ty, b));
        // An infinite quotient by an infinite divisor there is none, and by zero was raised before.
        let given = self.b.ins().bor(a_infinite, b_infinite);
        let given = self.not(given);
        let overflow = self.b.ins().band(infinite, given);
        self.raise(overflow, Fault::FloatOverflow, checks.valid);
        let vanished = match op {
            Arithmetic::Multiply => {
                let a_some = self.b.ins().fcmp(FloatCC::NotEqual, a, zero);
                let b_some = self.b.ins().fcmp(FloatCC::NotEqual, b, zero);
                Some(self.b.ins().band(a_some, b_some))
            }
            Arithmetic::Divide => {
                let a_some = self.b.ins().fcmp(FloatCC::NotEqual, a, zero);
                let finite = self.not(b_infinite);
                Some(self.b.ins().band(a_some, finite))
            }
            Arithmetic::Add
            | Arithmetic::Subtract
            | Arithmetic::Remainder
            | Arithmetic::FloorDivide
            | Arithmetic::FloorRemainder
            | Arithmetic::RoundDivide => None,
        };
        if let Some(operands) = vanished {
            let nothing = self.b.ins().fcmp(FloatCC::Equal, value, zero);
            let underflow = self.b.ins().band(nothing, operands);
            self.raise(underflow, Fault::FloatUnderflow, checks.valid);
        }
        value
    }

    fn is_infinite(&mut self, ty: Ty, a: Value) -> Value {
        let size = self.b.ins().fabs(a);
        let infinity = if ty == Ty::F32 { self.b.ins().f32const(f32::INFINITY) } else { self.b.ins().f64const(f64::INFINITY) };
        self.b.ins().fcmp(FloatCC::Equal, size, infinity)
    }

    /// `a op b` as 0 or 1.
    pub fn compare(&mut self, op: Comparison, ty: Ty, a: Value, b: Value) -> Value {
        if ty.is_float() {
            return self.compare_floats(op, a, b);
        }
        if ty == Ty::Text {
            return self.compare_texts(op, a, b);
        }
        let signed = is_signed(ty);
        let code = match (op, signed) {
            (Comparison::Equal, _) => IntCC::Equal,
            (Comparison::NotEqual, _) => IntCC::NotEqual,
            (Comparison::Less, true) => IntCC::SignedLessThan,
            (Comparison::LessOrEqual, true) => IntCC::SignedLessThanOrEqual,
            (Comparison::Greater, true) => IntCC::SignedGreaterThan,
            (Comparison::GreaterOrEqual, true) => IntCC::SignedGreaterThanOrEqual,
            (Comparison::Less, false) => IntCC::UnsignedLessThan,
            (Comparison::LessOrEqual, false) => IntCC::UnsignedLessThanOrEqual,
            (Comparison::Greater, false) => IntCC::UnsignedGreaterThan,
            (Comparison::GreaterOrEqual, false) => IntCC::UnsignedGreaterThanOrEqual,
        };
        self.b.ins().icmp(code, a, b)
    }

    fn compare_floats(&mut self, op: Comparison, a: Value, b: Value) -> Value {
        match op {
            Comparison::Equal | Comparison::NotEqual => {
                let same = self.b.ins().fcmp(FloatCC::Equal, a, b);
                let a_nan = self.b.ins().fcmp(FloatCC::Unordered, a, a);
                let b_nan = self.b.ins().fcmp(FloatCC::Unordered, b, b);
                let nans = self.b.ins().band(a_nan, b_nan);
                let equal = self.b.ins().bor(same, nans);
                if op == Comparison::Equal { equal } else { self.not(equal) }
            }
            Comparison::GreaterOrEqual => self.at_least(a, b),
            Comparison::LessOrEqual => self.at_least(b, a),
            Comparison::Less => {
                let not = self.at_least(a, b);
                self.not(not)
            }
            Comparison::Greater => {
                let not = self.at_least(b, a);
                self.not(not)
            }
        }
    }

    /// `a >= b` of floats, NaN being the greatest.
    fn at_least(&mut self, a: Value, b: Value) -> Value {
        let ordered = self.b.ins().fcmp(FloatCC::GreaterThanOrEqual, a, b);
        let nan = self.b.ins().fcmp(FloatCC::Unordered, a, a);
        self.b.ins().bor(ordered, nan)
    }

    /// An integer or `bool` as 64 bits; of 128 the lower half.
    pub fn word_of(&mut self, ty: Ty, a: Value) -> Value {
        match ty {
            Ty::I64 => a,
            Ty::I128 | Ty::Text => self.b.ins().ireduce(types::I64, a),
            Ty::I8 | Ty::I16 | Ty::I32 => self.b.ins().sextend(types::I64, a),
            Ty::Bool | Ty::U8 | Ty::U16 | Ty::U32 => self.b.ins().uextend(types::I64, a),
            Ty::F32 => {
                let bits = self.b.ins().bitcast(types::I32, MemFlagsData::new(), a);
                self.b.ins().uextend(types::I64, bits)
            }
            Ty::F64 => self.b.ins().bitcast(types::I64, MemFlagsData::new(), a),
        }
    }

    /// An integer of one type as another's, unchecked.
    pub fn resize(&mut self, from: Ty, to: Ty, a: Value) -> Value {
        let (have, want) = (register(from), register(to));
        if have == want {
            a
        } else if have.bits() > want.bits() {
            self.b.ins().ireduce(want, a)
        } else if is_signed(from) {
            self.b.ins().sextend(want, a)
        } else {
            self.b.ins().uextend(want, a)
        }
    }

    /// `a` as another type.
    pub fn cast(&mut self, from: Ty, to: Ty, a: Value, fault: Option<Fault>, valid: Option<Value>) -> Value {
        if from == to {
            return a;
        }
        match (from.is_float(), to.is_float()) {
            (false, false) => {
                if let Some(fault) = fault {
                    self.check_range(from, to, a, fault, valid);
                }
                self.resize(from, to, a)
            }
            (false, true) => self.integer_to_float(from, to, a),
            (true, false) => self.float_to_integer(from, to, a, fault.unwrap_or(Fault::NumericRange), valid),
            (true, true) => {
                if to == Ty::F64 {
                    return self.b.ins().fpromote(types::F64, a);
                }
                let value = self.b.ins().fdemote(types::F32, a);
                if fault.is_some() {
                    let infinite = self.is_infinite(to, value);
                    let given = self.is_infinite(from, a);
                    let given = self.not(given);
                    let overflow = self.b.ins().band(infinite, given);
                    self.raise(overflow, Fault::FloatOverflow, valid);
                    let (small, large) = (self.zero(types::F32), self.zero(types::F64));
                    let nothing = self.b.ins().fcmp(FloatCC::Equal, value, small);
                    let something = self.b.ins().fcmp(FloatCC::NotEqual, a, large);
                    let underflow = self.b.ins().band(nothing, something);
                    self.raise(underflow, Fault::FloatUnderflow, valid);
                }
                value
            }
        }
    }

    /// Raises the fault where an integer lies outside of a type.
    fn check_range(&mut self, from: Ty, to: Ty, a: Value, fault: Fault, valid: Option<Value>) {
        let (Some((least, greatest)), Some((low, high))) = (from.range(), to.range()) else { return };
        let reg = register(from);
        let signed = is_signed(from);
        if low > least {
            let low = self.int(reg, low);
            let below = self.b.ins().icmp(IntCC::SignedLessThan, a, low);
            self.raise(below, fault, valid);
        }
        if high < greatest {
            let high = self.int(reg, high);
            let code = if signed { IntCC::SignedGreaterThan } else { IntCC::UnsignedGreaterThan };
            let above = self.b.ins().icmp(code, a, high);
            self.raise(above, fault, valid);
        }
    }

    fn integer_to_float(&mut self, from: Ty, to: Ty, a: Value) -> Value {
        let reg = register(to);
        if from == Ty::I128 {
            let (low, high) = self.b.ins().isplit(a);
            let primitive = if to == Ty::F32 { Primitive::ToF32 } else { Primitive::ToF64 };
            return self.call(primitive, &[low, high]);
        }
        let word = self.word_of(from, a);
        self.b.ins().fcvt_from_sint(reg, word)
    }

    /// To the nearest, ties to even.
    fn float_to_integer(&mut self, from: Ty, to: Ty, a: Value, fault: Fault, valid: Option<Value>) -> Value {
        let a = if from == Ty::F32 { self.b.ins().fpromote(types::F64, a) } else { a };
        if to == Ty::I128 {
            let (_, address) = self.out();
            let outside = self.call(Primitive::FromF64, &[a, address]);
            self.raise(outside, fault, valid);
            let low = self.b.ins().load(types::I64, plain(), address, 0);
            let high = self.b.ins().load(types::I64, plain(), address, 8);
            return self.b.ins().iconcat(low, high);
        }
        let rounded = self.b.ins().nearest(a);
        let (low, high) = to.range().unwrap_or((0, 0));
        // One past the greatest is a power of two, which a float holds exactly.
        let (low, past) = (self.b.ins().f64const(low as f64), self.b.ins().f64const((high + 1) as f64));
        let above = self.b.ins().fcmp(FloatCC::GreaterThanOrEqual, rounded, low);
        let below = self.b.ins().fcmp(FloatCC::LessThan, rounded, past);
        let inside = self.b.ins().band(above, below);
        let outside = self.not(inside);
        self.raise(outside, fault, valid);
        let word = self.b.ins().fcvt_to_sint_sat(types::I64, rounded);
        self.resize(Ty::I64, to, word)
    }
}
