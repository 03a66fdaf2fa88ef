//! Texts: a reference of 128 bits, the address in the lower half and the length in the upper one; calls of primitives; and
//! the tests of a stored column that need no loop of their own.

use std::mem::offset_of;

use cranelift::prelude::*;

use super::context::Context;
use super::function::{Held, Loop, fixed, plain};
use crate::primitive::Primitive;
use crate::primitive::pattern::{Matcher, Pattern, Set};
use crate::primitive::search::Finder;
use crate::program::{Comparison, Expr, ExprId, Fault, Pipeline, Scalar, TextUnit, TrimSide, Type as Ty, Values};

/// A test of a stored column of texts with values of the run, over a list of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextTest {
    /// Whether it matches.
    Match {
        /// The column.
        column: u32,
        /// The number of the pattern, in the order of [`bind`].
        pattern: usize,
        /// Whether it must.
        wanted: bool,
    },
    /// `column op parameter`.
    Compare {
        /// The column.
        column: u32,
        /// What is asked.
        op: Comparison,
        /// The parameter.
        parameter: u32,
        /// What the answer must be.
        wanted: bool,
    },
    /// `low <= column <= high`, both parameters.
    Range {
        /// The column.
        column: u32,
        /// The lower parameter.
        low: u32,
        /// The higher one.
        high: u32,
    },
}

impl TextTest {
    /// The column that is tested.
    pub fn column(&self) -> u32 {
        match self {
            Self::Match { column, .. } | Self::Compare { column, .. } | Self::Range { column, .. } => *column,
        }
    }
}

/// Whether an expression has a pattern of its own.
fn has_pattern(expr: &Expr) -> bool {
    matches!(expr, Expr::TextMatch { .. } | Expr::TextPosition { .. } | Expr::TextTrim { .. })
}

/// The number of an expression's pattern.
fn pattern_of(pipeline: &Pipeline, id: ExprId) -> usize {
    pipeline.exprs[..id.0 as usize].iter().filter(|expr| has_pattern(expr)).count()
}

/// The patterns of a run, one for each expression that has one, in order.
pub fn bind(pipeline: &Pipeline, values: &Values) -> Vec<Pattern> {
    let text = |id: crate::program::ParameterId| match &values.scalars[id.0 as usize] {
        Scalar::Text(text) => &**text,
        Scalar::Bool(_) | Scalar::Int(_) | Scalar::F32(_) | Scalar::F64(_) => "",
    };
    let patterns = pipeline.exprs.iter().filter(|expr| has_pattern(expr)).map(|expr| match *expr {
        Expr::TextMatch { op, pattern, ignore_case, .. } => Pattern::Match(Matcher::new(op, text(pattern), ignore_case)),
        Expr::TextTrim { characters, .. } => Pattern::Set(Set::new(text(characters))),
        Expr::TextPosition { pattern, .. } => Pattern::Find(Finder::new(text(pattern).as_bytes(), false)),
        _ => Pattern::Find(Finder::new(b"", false)),
    });
    patterns.collect()
}

/// The test of whether a node is true (or false, where `wanted` is false), if it is one of a stored text.
pub fn test(pipeline: &Pipeline, id: ExprId, wanted: bool) -> Option<TextTest> {
    let column = |id: ExprId| match pipeline.expr(id) {
        Expr::Column(column) if pipeline.columns[column.0 as usize].ty == Ty::Text => Some(column.0),
        _other => None,
    };
    let parameter = |id: ExprId| match pipeline.expr(id) {
        Expr::Parameter(parameter) => Some(parameter.0),
        _other => None,
    };
    match *pipeline.expr(id) {
        Expr::Not(a) => test(pipeline, a, !wanted),
        Expr::TextMatch { a, .. } => Some(TextTest::Match { column: column(a)?, pattern: pattern_of(pipeline, id), wanted }),
        Expr::InRange { a, low, high } if wanted => Some(TextTest::Range { column: column(a)?, low: low.0, high: high.0 }),
        Expr::Compare { op, a, b } => {
            if let (Some(column), Some(parameter)) = (column(a), parameter(b)) {
                return Some(TextTest::Compare { column, op, parameter, wanted });
            }
            Some(TextTest::Compare { column: column(b)?, op: turned(op), parameter: parameter(a)?, wanted })
        }
        _ => None,
    }
}

/// `a op b` as `b op a` asks it.
fn turned(op: Comparison) -> Comparison {
    match op {
        Comparison::Equal | Comparison::NotEqual => op,
        Comparison::Less => Comparison::Greater,
        Comparison::LessOrEqual => Comparison::GreaterOrEqual,
        Comparison::Greater => Comparison::Less,
        Comparison::GreaterOrEqual => Comparison::LessOrEqual,
    }
}

impl Loop<'_, '_> {
    /// The text at a row of offsets.
    pub fn text_at(&mut self, offsets: Value, row: Value, bytes: Value) -> Value {
        let address = self.element(offsets, row, 4);
        let begin = self.b.ins().uload32(plain(), address, 0);
        let end = self.b.ins().uload32(plain(), address, 4);
        let at = self.b.ins().iadd(bytes, begin);
        let length = self.b.ins().isub(end, begin);
        self.b.ins().iconcat(at, length)
    }

    /// Address and length.
    pub fn text_parts(&mut self, text: Value) -> (Value, Value) {
        self.b.ins().isplit(text)
    }

    /// `a op b` of texts, as 0 or 1.
    pub fn compare_texts(&mut self, op: Comparison, a: Value, b: Value) -> Value {
        let ((a_at, a_length), (b_at, b_length)) = (self.text_parts(a), self.text_parts(b));
        let arguments = [a_at, a_length, b_at, b_length];
        let code = match op {
            Comparison::Equal => return self.call(Primitive::TextEqual, &arguments),
            Comparison::NotEqual => {
                let same = self.call(Primitive::TextEqual, &arguments);
                return self.not(same);
            }
            Comparison::Less => IntCC::SignedLessThan,
            Comparison::LessOrEqual => IntCC::SignedLessThanOrEqual,
            Comparison::Greater => IntCC::SignedGreaterThan,
            Comparison::GreaterOrEqual => IntCC::SignedGreaterThanOrEqual,
        };
        let order = self.call(Primitive::TextCompare, &arguments);
        let zero = self.int(types::I32, 0);
        self.b.ins().icmp(code, order, zero)
    }

    /// Whether a text comes before the least so far, or behind the greatest; the null pointer is none.
    pub fn text_is_better(&mut self, text: Value, before: Value, least: bool) -> Value {
        if !least {
            return self.compare_texts(Comparison::Greater, text, before);
        }
        let less = self.compare_texts(Comparison::Less, text, before);
        let (at, _) = self.text_parts(before);
        let zero = self.int(types::I64, 0);
        let none = self.b.ins().icmp(IntCC::Equal, at, zero);
        self.b.ins().bor(less, none)
    }

    /// The address of an expression's pattern.
    fn pattern(&mut self, id: ExprId) -> Value {
        let patterns = self.b.ins().load(types::I64, fixed(), self.context, offset_of!(Context, patterns) as i32);
        let offset = pattern_of(self.pipeline, id) * size_of::<Pattern>();
        self.b.ins().iadd_imm_s(patterns, offset as i64)
    }

    /// The node of a text that is none of the general ones.
    pub fn text_node(&mut self, id: ExprId) -> Held {
        match *self.pipeline.expr(id) {
            Expr::TextLength { a, unit } => {
                let held = self.evaluate(a);
                let (at, length) = self.text_parts(held.value);
                let value = match unit {
                    TextUnit::Bytes => self.b.ins().ireduce(types::I32, length),
                    TextUnit::Characters => self.call(Primitive::TextCharacters, &[at, length]),
                };
                Held { value, valid: held.valid }
            }
            Expr::TextMatch { a, .. } => self.with_pattern(id, a, Primitive::TextMatch),
            Expr::TextPosition { a, .. } => self.with_pattern(id, a, Primitive::TextPosition),
            Expr::TextSlice { a, start, length } => {
                let (a, start) = (self.evaluate(a), self.evaluate(start));
                let mut valid = self.both(a.valid, start.valid);
                let mut first = start.value;
                let length = match length {
                    None => {
                        // From 1 on, so that the most there can be is all there is.
                        let one = self.int(types::I64, 1);
                        first = self.b.ins().smax(first, one);
                        self.int(types::I64, i64::MAX.into())
                    }
                    Some(length) => {
                        let held = self.evaluate(length);
                        valid = self.both(valid, held.valid);
                        let zero = self.int(types::I64, 0);
                        let negative = self.b.ins().icmp(IntCC::SignedLessThan, held.value, zero);
                        self.raise(negative, Fault::NegativeLength, valid);
                        held.value
                    }
                };
                let (at, bytes) = self.text_parts(a.value);
                let (_, out) = self.out();
                let bytes = self.call(Primitive::TextSlice, &[at, bytes, first, length, out]);
                Held { value: self.text_from(out, bytes), valid }
            }
            Expr::TextTrim { a, side, .. } => {
                let held = self.evaluate(a);
                let pattern = self.pattern(id);
                let (at, bytes) = self.text_parts(held.value);
                let sides = match side {
                    TrimSide::Leading => 1,
                    TrimSide::Trailing => 2,
                    TrimSide::Both => 3,
                };
                let sides = self.int(types::I64, sides);
                let (_, out) = self.out();
                let bytes = self.call(Primitive::TextTrim, &[pattern, at, bytes, sides, out]);
                Held { value: self.text_from(out, bytes), valid: held.valid }
            }
            // The caller knows which they are.
            _ => self.evaluate(id),
        }
    }

    fn with_pattern(&mut self, id: ExprId, a: ExprId, primitive: Primitive) -> Held {
        let held = self.evaluate(a);
        let pattern = self.pattern(id);
        let (at, length) = self.text_parts(held.value);
        Held { value: self.call(primitive, &[pattern, at, length]), valid: held.valid }
    }

    /// The text whose address a primitive has written.
    fn text_from(&mut self, out: Value, length: Value) -> Value {
        let at = self.b.ins().load(types::I64, plain(), out, 0);
        self.b.ins().iconcat(at, length)
    }

    /// The three words of a key: two as [`key`](crate::primitive::string) says, and the address of a long text.
    pub fn text_key(&mut self, text: Value) -> [Value; 3] {
        let (at, length) = self.text_parts(text);
        let (_, out) = self.out();
        let high = self.call(Primitive::TextKey, &[at, length, out]);
        let low = self.b.ins().load(types::I64, plain(), out, 0);
        let most = self.int(types::I64, crate::primitive::string::SHORT as i128);
        let long = self.b.ins().icmp(IntCC::UnsignedGreaterThan, length, most);
        let zero = self.int(types::I64, 0);
        let address = self.choose_value(long, at, zero);
        [low, high, address]
    }
}
