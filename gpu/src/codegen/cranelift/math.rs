//! Functions of floats: an instruction where there is one, else a call.

use cranelift::prelude::*;

use super::function::{Held, Loop, plain};
use crate::primitive::Primitive;
use crate::program::{ExprId, Fault, Math, MathPair};

impl Loop<'_, '_> {
    /// A function of one float.
    pub fn math(&mut self, op: Math, a: ExprId) -> Held {
        let Held { value: a, valid } = self.evaluate(a);
        let value = match op {
            Math::Sqrt => {
                let zero = self.b.ins().f64const(0.0);
                let negative = self.b.ins().fcmp(FloatCC::LessThan, a, zero);
                self.raise(negative, Fault::SquareRootNegative, valid);
                self.b.ins().sqrt(a)
            }
            Math::Abs => self.b.ins().fabs(a),
            Math::Floor => self.b.ins().floor(a),
            Math::Ceil => self.b.ins().ceil(a),
            Math::Round => self.b.ins().nearest(a),
            Math::Trunc => self.b.ins().trunc(a),
            Math::Sign => {
                let (zero, one) = (self.b.ins().f64const(0.0), self.b.ins().f64const(1.0));
                let minus_one = self.b.ins().f64const(-1.0);
                let above = self.b.ins().fcmp(FloatCC::GreaterThan, a, zero);
                let below = self.b.ins().fcmp(FloatCC::LessThan, a, zero);
                let otherwise = self.b.ins().select(below, minus_one, zero);
                self.b.ins().select(above, one, otherwise)
            }
            Math::Cbrt
            | Math::Exp
            | Math::Ln
            | Math::Log10
            | Math::Sin
            | Math::Cos
            | Math::Tan
            | Math::Cot
            | Math::Asin
            | Math::Acos
            | Math::Atan
            | Math::Sinh
            | Math::Cosh
            | Math::Tanh
            | Math::Asinh
            | Math::Acosh
            | Math::Atanh => self.called(Primitive::Math(op), &[a], op.faults(), valid),
        };
        Held { value, valid }
    }

    /// A function of two.
    pub fn math_pair(&mut self, op: MathPair, a: ExprId, b: ExprId) -> Held {
        let (a, b) = (self.evaluate(a), self.evaluate(b));
        let valid = self.both(a.valid, b.valid);
        Held { value: self.called(Primitive::MathPair(op), &[a.value, b.value], op.faults(), valid), valid }
    }

    /// What a primitive gives, or leaves behind where it can raise faults.
    fn called(&mut self, primitive: Primitive, arguments: &[Value], faults: &[Fault], valid: Option<Value>) -> Value {
        if faults.is_empty() {
            return self.call(primitive, arguments);
        }
        let (_, address) = self.out();
        let code = self.call(primitive, &[arguments, &[address]].concat());
        for fault in faults {
            let raised = self.b.ins().icmp_imm_u(IntCC::Equal, code, i64::from(*fault as u32));
            self.raise(raised, *fault, valid);
        }
        self.b.ins().load(types::F64, plain(), address, 0)
    }
}
