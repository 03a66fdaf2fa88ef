//! Expressions: a node's value for the row at hand, each computed once where it is needed.

use cranelift::codegen::ir::BlockArg;
use cranelift::prelude::*;

use super::function::{Held, Loop, is_signed, plain, register};
use super::scalar::Checks;
use crate::primitive::Primitive;
use crate::program::{Arithmetic, Bits, Comparison, Expr, ExprId, Fault, Scalar, TableId, Type as Ty};

impl Loop<'_, '_> {
    /// A node's value.
    pub fn evaluate(&mut self, id: ExprId) -> Held {
        if let Some(held) = self.find(id) {
            return held;
        }
        let held = self.compute(id);
        self.keep(id, held);
        held
    }

    /// Whether a `bool` node is true: 0 where it is false or NULL.
    pub fn truth(&mut self, id: ExprId) -> Value {
        let held = self.evaluate(id);
        match held.valid {
            Some(valid) => self.b.ins().band(held.value, valid),
            None => held.value,
        }
    }

    fn compute(&mut self, id: ExprId) -> Held {
        if let Some(list) = self.kept(id) {
            return self.kept_number(list);
        }
        let ty = self.facts.ty(id).ty;
        let of = |value| Held { value, valid: None };
        match *self.pipeline.expr(id) {
            Expr::Column(column) => self.column(column.0),
            Expr::Parameter(parameter) => of(self.scalar(parameter.0)),
            Expr::Constant { ty, ref value } => self.constant(ty, value.as_ref()),
            Expr::Arithmetic { op, a, b, fault } => self.arithmetic_node(id, op, a, b, fault),
            Expr::Negate { a, fault } => {
                let held = self.evaluate(a);
                if ty.is_float() {
                    return Held { value: self.b.ins().fneg(held.value), valid: held.valid };
                }
                let least = ty.range().map_or(0, |(least, _)| least);
                if let Some(fault) = fault.filter(|_| self.facts.interval(a).is_none_or(|(low, _)| low == least)) {
                    let least = self.int(register(ty), least);
                    let is_least = self.b.ins().icmp(IntCC::Equal, held.value, least);
                    self.raise(is_least, fault, held.valid);
                }
                Held { value: self.b.ins().ineg(held.value), valid: held.valid }
            }
            Expr::Compare { op, a, b } => {
                let operand = self.facts.ty(a).ty;
                let (a, b) = (self.evaluate(a), self.evaluate(b));
                let valid = self.both(a.valid, b.valid);
                Held { value: self.compare(op, operand, a.value, b.value), valid }
            }
            Expr::InRange { a, low, high } => {
                let operand = self.facts.ty(a).ty;
                let held = self.evaluate(a);
                let (low, high) = (self.scalar(low.0), self.scalar(high.0));
                let above = self.compare(Comparison::GreaterOrEqual, operand, held.value, low);
                let below = self.compare(Comparison::LessOrEqual, operand, held.value, high);
                Held { value: self.b.ins().band(above, below), valid: held.valid }
            }
            Expr::Member { a, table } => {
                let operand = self.facts.ty(a).ty;
                let held = self.evaluate(a);
                let (values, _, length) = self.table(table.0);
                let primitive = Primitive::Member(operand);
                let value = if operand == Ty::I128 {
                    let (low, high) = self.b.ins().isplit(held.value);
                    self.call(primitive, &[values, length, low, high])
                } else if operand == Ty::Text {
                    let bytes = self.text_bytes(table.0, true);
                    let (at, bytes_of) = self.text_parts(held.value);
                    self.call(primitive, &[values, length, bytes, at, bytes_of])
                } else {
                    let word = self.word_of(operand, held.value);
                    self.call(primitive, &[values, length, word])
                };
                Held { value, valid: held.valid }
            }
            Expr::Lookup { table, index } => self.lookup(table, index),
            Expr::Not(a) => {
                let held = self.evaluate(a);
                Held { value: self.not(held.value), valid: held.valid }
            }
            Expr::And(a, b) => self.connective(a, b, true),
            Expr::Or(a, b) => self.connective(a, b, false),
            Expr::IsNull(a) => match self.evaluate(a).valid {
                Some(valid) => of(self.not(valid)),
                None => of(self.int(types::I8, 0)),
            },
            Expr::IsDistinct(a, b) => {
                let operand = self.facts.ty(a).ty;
                let (a, b) = (self.evaluate(a), self.evaluate(b));
                let differ = self.compare(Comparison::NotEqual, operand, a.value, b.value);
                let Some(both) = self.both(a.valid, b.valid) else { return of(differ) };
                let one = self.int(types::I8, 1);
                let (a, b) = (a.valid.unwrap_or(one), b.valid.unwrap_or(one));
                let differ = self.b.ins().band(differ, both);
                let one_null = self.b.ins().bxor(a, b);
                of(self.b.ins().bor(differ, one_null))
            }
            Expr::Select { condition, then, otherwise } => {
                let condition = self.truth(condition);
                self.choose(id, condition, then, otherwise)
            }
            Expr::Coalesce(a, b) => {
                let held = self.evaluate(a);
                match held.valid {
                    None => held,
                    Some(valid) => {
                        // Where it is chosen `a` is not NULL.
                        let chosen = Held { value: held.value, valid: None };
                        self.choose_held(id, valid, |_| chosen, |this| this.evaluate(b), self.facts.is_lazy(b))
                    }
                }
            }
            Expr::NullIf(a, b) => {
                let operand = self.facts.ty(a).ty;
                let (a, b) = (self.evaluate(a), self.evaluate(b));
                let differ = self.compare(Comparison::NotEqual, operand, a.value, b.value);
                let differ = match b.valid {
                    Some(valid) => {
                        let null = self.not(valid);
                        self.b.ins().bor(differ, null)
                    }
                    None => differ,
                };
                Held { value: a.value, valid: self.both(a.valid, Some(differ)) }
            }
            Expr::Cast { to, a, fault } => {
                let from = self.facts.ty(a).ty;
                let inside = match (self.facts.interval(a), to.range()) {
                    (Some((low, high)), Some((least, greatest))) => least <= low && high <= greatest,
                    (None, Some(_)) => from == Ty::Bool,
                    (_, None) => false,
                };
                let held = self.evaluate(a);
                let fault = fault.filter(|_| !inside);
                Held { value: self.cast(from, to, held.value, fault, held.valid), valid: held.valid }
            }
            Expr::DatePart { part, a } => {
                let held = self.evaluate(a);
                Held { value: self.call(Primitive::DatePart(part), &[held.value]), valid: held.valid }
            }
            Expr::AddMonths { a, months } => {
                let (a, months) = (self.evaluate(a), self.evaluate(months));
                let valid = self.both(a.valid, months.valid);
                let (_, address) = self.out();
                let outside = self.call(Primitive::AddMonths, &[a.value, months.value, address]);
                let value = self.b.ins().load(types::I32, plain(), address, 0);
                self.raise(outside, Fault::DateRange, valid);
                Held { value, valid }
            }
            Expr::TextLength { .. }
            | Expr::TextMatch { .. }
            | Expr::TextPosition { .. }
            | Expr::TextSlice { .. }
            | Expr::TextTrim { .. } => self.text_node(id),
            Expr::Math { op, a } => self.math(op, a),
            Expr::MathPair { op, a, b } => self.math_pair(op, a, b),
            Expr::Bits { op, a, b } => {
                let (a, b) = (self.evaluate(a), self.evaluate(b));
                let (x, y) = (a.value, b.value);
                let value = match op {
                    Bits::And => self.b.ins().band(x, y),
                    Bits::Or => self.b.ins().bor(x, y),
                    Bits::Xor => self.b.ins().bxor(x, y),
                    Bits::ShiftLeft => self.b.ins().ishl(x, y),
                    Bits::ShiftRight => self.b.ins().sshr(x, y),
                };
                Held { value, valid: self.both(a.valid, b.valid) }
            }
            Expr::Probe { index, ref keys } => self.probe(index, keys),
            Expr::Current(loop_id) => {
                // Of the loop that is being written the number is known; those around left theirs in lists.
                let (list, place) = (self.numbers(loop_id), self.place());
                let address = self.element(list, place, 8);
                let number = self.b.ins().load(types::I64, plain(), address, 0);
                self.number(id, number)
            }
            Expr::Place { a, table } => {
                let operand = self.facts.ty(a).ty;
                let held = self.evaluate(a);
                let (values, _, length) = self.table(table.0);
                let word = self.word_of(operand, held.value);
                Held { value: self.call(Primitive::Place(operand), &[values, length, word]), valid: held.valid }
            }
        }
    }

    fn column(&mut self, column: u32) -> Held {
        let ty = self.pipeline.columns[column as usize];
        let base = self.base(column, false);
        let value = if ty.ty == Ty::Bool {
            self.bit(base, self.row)
        } else if ty.ty == Ty::Text {
            let bytes = self.text_bytes(column, false);
            self.text_at(base, self.row, bytes)
        } else {
            let address = self.element(base, self.row, ty.ty.bytes());
            self.b.ins().load(register(ty.ty), plain(), address, 0)
        };
        let valid = ty.nullable.then(|| {
            let base = self.base(column, true);
            self.bit(base, self.row)
        });
        Held { value, valid }
    }

    fn constant(&mut self, ty: Ty, value: Option<&Scalar>) -> Held {
        match value {
            None => {
                let value = self.zero(register(ty));
                Held { value, valid: Some(self.int(types::I8, 0)) }
            }
            Some(value) => {
                let value = match *value {
                    // No text is structure: the verifier has seen to it.
                    Scalar::Text(_) => self.zero(register(ty)),
                    Scalar::Bool(value) => self.int(types::I8, value.into()),
                    Scalar::Int(value) => self.int(register(ty), value),
                    Scalar::F32(value) => self.b.ins().f32const(value),
                    Scalar::F64(value) => self.b.ins().f64const(value),
                };
                Held { value, valid: None }
            }
        }
    }

    fn arithmetic_node(&mut self, id: ExprId, op: Arithmetic, a: ExprId, b: ExprId, fault: Option<Fault>) -> Held {
        let ty = self.facts.ty(id).ty;
        let divisor = self.facts.interval(b);
        let safe_divisor = divisor.is_some_and(|(low, high)| low > 0 || high < -1);
        let positive_divisor = divisor.is_some_and(|(low, _)| low > 0);
        let fits = match op {
            Arithmetic::Add | Arithmetic::Subtract | Arithmetic::Multiply => self.facts.fits(op, a, b, ty),
            Arithmetic::Divide
            | Arithmetic::Remainder
            | Arithmetic::FloorDivide
            | Arithmetic::FloorRemainder
            | Arithmetic::RoundDivide => false,
        };
        let (a, b) = (self.evaluate(a), self.evaluate(b));
        let valid = self.both(a.valid, b.valid);
        let checks = Checks { overflow: fault.filter(|_| !fits), safe_divisor, positive_divisor, valid };
        Held { value: self.arithmetic(op, ty, a.value, b.value, checks), valid }
    }

    /// An element of a table; past the end zero, or NULL. The address is always inside.
    fn lookup(&mut self, table: TableId, index: ExprId) -> Held {
        let ty = self.pipeline.tables[table.0 as usize];
        let index_ty = self.facts.ty(index).ty;
        let held = self.evaluate(index);
        let (values, validity, length) = self.table(table.0);
        let index = self.word_of(index_ty, held.value);
        // A negative index is a very large one.
        let inside = self.b.ins().icmp(IntCC::UnsignedLessThan, index, length);
        let zero = self.int(types::I64, 0);
        let index = self.choose_value(inside, index, zero);
        let value = if ty.element == Ty::Bool {
            let bit = self.bit(values, index);
            self.b.ins().band(bit, inside)
        } else if ty.element == Ty::Text {
            let bytes = self.text_bytes(table.0, true);
            let found = self.text_at(values, index, bytes);
            // Not the null pointer, which is no value.
            let zero = self.int(types::I64, 0);
            let nothing = self.b.ins().iconcat(bytes, zero);
            self.choose_value(inside, found, nothing)
        } else {
            let address = self.element(values, index, ty.element.bytes());
            let found = self.b.ins().load(register(ty.element), plain(), address, 0);
            let nothing = self.zero(register(ty.element));
            self.choose_value(inside, found, nothing)
        };
        let valid = ty.nullable.then(|| {
            let bit = self.bit(validity, index);
            self.b.ins().band(bit, inside)
        });
        Held { value, valid: self.both(valid, held.valid) }
    }

    /// Three-valued AND, or OR.
    fn connective(&mut self, a: ExprId, b: ExprId, and: bool) -> Held {
        let lazy = self.facts.is_lazy(b);
        let first = self.evaluate(a);
        if !lazy {
            let second = self.evaluate(b);
            return self.combine(first, second, and);
        }
        // `b` is needed unless `a` settles it: false for AND, true for OR.
        let decided = if and { self.not(first.value) } else { first.value };
        let decided = self.both(Some(decided), first.valid).unwrap_or(decided);
        let nullable = first.valid.is_some() || self.facts.ty(b).nullable;
        let (more, join) = (self.b.create_block(), self.b.create_block());
        let value = self.b.append_block_param(join, types::I8);
        let valid = nullable.then(|| self.b.append_block_param(join, types::I8));
        let one = self.int(types::I8, 1);
        let settled = self.int(types::I8, i128::from(!and));
        let mut arguments: Vec<BlockArg> = vec![settled.into()];
        arguments.extend(nullable.then_some(BlockArg::from(one)));
        self.b.ins().brif(decided, join, &arguments, more, &[]);
        self.b.switch_to_block(more);
        let mark = self.mark();
        let second = self.evaluate(b);
        let result = self.combine(first, second, and);
        self.forget(mark);
        let mut arguments: Vec<BlockArg> = vec![result.value.into()];
        arguments.extend(nullable.then(|| BlockArg::from(result.valid.unwrap_or(one))));
        self.b.ins().jump(join, &arguments);
        self.b.switch_to_block(join);
        Held { value, valid }
    }

    fn combine(&mut self, a: Held, b: Held, and: bool) -> Held {
        let value = if and { self.b.ins().band(a.value, b.value) } else { self.b.ins().bor(a.value, b.value) };
        // Not NULL where both are not, or where one of them settles it alone.
        let mut settles = |held: Held| {
            let value = if and { self.not(held.value) } else { held.value };
            self.both(Some(value), held.valid).unwrap_or(value)
        };
        let valid = match (a.valid, b.valid) {
            (None, None) => None,
            (Some(valid), None) => {
                let other = settles(b);
                Some(self.b.ins().bor(valid, other))
            }
            (None, Some(valid)) => {
                let other = settles(a);
                Some(self.b.ins().bor(valid, other))
            }
            (Some(a_valid), Some(b_valid)) => {
                let (a_settles, b_settles) = (settles(a), settles(b));
                let both = self.b.ins().band(a_valid, b_valid);
                let either = self.b.ins().bor(a_settles, b_settles);
                Some(self.b.ins().bor(both, either))
            }
        };
        Held { value, valid }
    }

    fn choose(&mut self, id: ExprId, condition: Value, then: ExprId, otherwise: ExprId) -> Held {
        let lazy = self.facts.is_lazy(then) || self.facts.is_lazy(otherwise);
        self.choose_held(id, condition, |this| this.evaluate(then), |this| this.evaluate(otherwise), lazy)
    }

    /// One of two values; where `lazy`, only the one taken is computed.
    fn choose_held(
        &mut self,
        id: ExprId,
        condition: Value,
        then: impl FnOnce(&mut Self) -> Held,
        otherwise: impl FnOnce(&mut Self) -> Held,
        lazy: bool,
    ) -> Held {
        let ty = self.facts.ty(id);
        if !lazy {
            let (a, b) = (then(self), otherwise(self));
            let value = self.choose_value(condition, a.value, b.value);
            let valid = (a.valid.is_some() || b.valid.is_some()).then(|| {
                let one = self.int(types::I8, 1);
                self.choose_value(condition, a.valid.unwrap_or(one), b.valid.unwrap_or(one))
            });
            return Held { value, valid };
        }
        let (yes, no, join) = (self.b.create_block(), self.b.create_block(), self.b.create_block());
        let value = self.b.append_block_param(join, register(ty.ty));
        let valid = ty.nullable.then(|| self.b.append_block_param(join, types::I8));
        self.b.ins().brif(condition, yes, &[], no, &[]);
        self.b.switch_to_block(yes);
        let mark = self.mark();
        let taken = then(self);
        self.forget(mark);
        self.jump_with(join, taken, ty.nullable);
        self.b.switch_to_block(no);
        let mark = self.mark();
        let taken = otherwise(self);
        self.forget(mark);
        self.jump_with(join, taken, ty.nullable);
        self.b.switch_to_block(join);
        Held { value, valid }
    }

    fn jump_with(&mut self, join: Block, held: Held, nullable: bool) {
        let mut arguments: Vec<BlockArg> = vec![held.value.into()];
        if nullable {
            let valid = held.valid.unwrap_or_else(|| self.int(types::I8, 1));
            arguments.push(valid.into());
        }
        self.b.ins().jump(join, &arguments);
    }

    /// A float in the one form that stands for all that are equal to it: no -0, one NaN.
    pub fn canonical(&mut self, ty: Ty, a: Value) -> Value {
        let (zero, nan) = match ty {
            Ty::F32 => (self.b.ins().f32const(0.0), self.b.ins().f32const(f32::NAN)),
            Ty::F64 => (self.b.ins().f64const(0.0), self.b.ins().f64const(f64::NAN)),
            Ty::Bool | Ty::I8 | Ty::I16 | Ty::I32 | Ty::I64 | Ty::I128 | Ty::U8 | Ty::U16 | Ty::U32 | Ty::Text => return a,
        };
        let positive = self.b.ins().fadd(a, zero);
        let is_nan = self.b.ins().fcmp(FloatCC::Unordered, a, a);
        self.choose_value(is_nan, nan, positive)
    }

    /// A value as a number of 64 bits whose unsigned order is the value's; 128 bits as two, the higher first.
    pub fn ordered(&mut self, ty: Ty, a: Value) -> (Value, Option<Value>) {
        match ty {
            Ty::Bool | Ty::U8 | Ty::U16 | Ty::U32 => (self.word_of(ty, a), None),
            Ty::I8 | Ty::I16 | Ty::I32 | Ty::I64 => {
                let word = self.word_of(ty, a);
                let bits = i64::from(ty.bits());
                // The sign flipped, and what is above the type's bits cut off.
                let flipped = self.b.ins().bxor_imm_s(word, 1i64.wrapping_shl(bits as u32 - 1));
                if bits == 64 { (flipped, None) } else { (self.b.ins().band_imm_u(flipped, (1i64 << bits) - 1), None) }
            }
            Ty::I128 | Ty::Text => {
                let (low, high) = self.b.ins().isplit(a);
                (self.b.ins().bxor_imm_s(high, i64::MIN), Some(low))
            }
            Ty::F32 | Ty::F64 => {
                let a = self.canonical(ty, a);
                let bits = i64::from(ty.bits());
                let word = self.word_of(ty, a);
                let top = 1i64.wrapping_shl(bits as u32 - 1);
                let sign = self.b.ins().band_imm_u(word, top);
                // A negative number's bits all flip, another's sign alone.
                let all = if bits == 64 { -1 } else { (1i64 << bits) - 1 };
                let flipped = self.b.ins().bxor_imm_u(word, all);
                let raised = self.b.ins().bxor_imm_u(word, top);
                (self.choose_value(sign, flipped, raised), None)
            }
        }
    }

    /// The least of two values, or the greatest.
    pub fn extreme(&mut self, ty: Ty, a: Value, b: Value, least: bool) -> Value {
        let better = if ty == Ty::Text {
            self.text_is_better(a, b, least)
        } else if ty.is_float() {
            let op = if least { Comparison::Less } else { Comparison::Greater };
            self.compare(op, ty, a, b)
        } else if ty == Ty::I64 || ty == Ty::I32 || ty == Ty::U32 {
            return match (least, is_signed(ty)) {
                (true, true) => self.b.ins().smin(a, b),
                (true, false) => self.b.ins().umin(a, b),
                (false, true) => self.b.ins().smax(a, b),
                (false, false) => self.b.ins().umax(a, b),
            };
        } else {
            self.compare(if least { Comparison::Less } else { Comparison::Greater }, ty, a, b)
        };
        self.choose_value(better, a, b)
    }
}
