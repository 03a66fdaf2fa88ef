//! Texts that are not codes: columns with many distinct values, and what is made of them without new bytes.
//!
//! What depends on one dictionary column alone never comes here: it is [tabulated](super::tabulate).
//!
//! # Adding a function of texts
//!
//! An arm in [`Lowering::text_call`] by the name that the function has in plans.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::physical_expr::PhysicalExpr;
use warpwise_gpu::program::{
    Arithmetic, Comparison, Expr, ExprId, Fault, MatchOp, ParameterId, Scalar, Table, TextUnit, TrimSide, Type,
};

use super::expr::constant;
use super::pattern::{Form, form};
use super::refusal::Refusal;
use super::scope::{Lowering, Scope};
use super::value::{Kind, Value};
use super::words::Words;

/// What is said of functions whose results are in no column.
pub const NEW_TEXT: &str = "it makes new text, which has no device form";
/// What is said of regular expressions.
pub const REGULAR: &str = "regular expressions over texts with many distinct values run in DataFusion";

/// An argument that must be known beforehand.
enum Known<T> {
    /// It is.
    Value(T),
    /// It is NULL.
    Null,
}

fn number(node: ExprId) -> Value {
    Value { node, kind: Kind::Integer }
}

fn boolean(node: ExprId) -> Value {
    Value { node, kind: Kind::Boolean }
}

fn text(node: ExprId, ascii: bool) -> Value {
    Value { node, kind: Kind::Plain { ascii } }
}

/// A lowered argument that is texts.
#[derive(Debug, Clone, Copy)]
struct Text {
    node: ExprId,
    /// Whether they are known to be ASCII.
    ascii: bool,
}

/// A text that is known beforehand.
fn known_text(expr: &Arc<dyn PhysicalExpr>, whole: &Arc<dyn PhysicalExpr>) -> Result<Known<String>, Refusal> {
    match constant(expr)? {
        Some(value) if value.is_null() => Ok(Known::Null),
        Some(value) => match value.try_as_str().flatten() {
            Some(text) => Ok(Known::Value(text.to_owned())),
            None => Err(Refusal::new(whole, format!("a pattern of type {} has no device form", value.data_type()))),
        },
        None => Err(Refusal::new(whole, format!("{expr} is no text known beforehand"))),
    }
}

/// An integer that is known beforehand.
fn known_integer(expr: &Arc<dyn PhysicalExpr>, whole: &Arc<dyn PhysicalExpr>) -> Result<Known<i64>, Refusal> {
    let Some(value) = constant(expr)? else {
        return Err(Refusal::new(whole, format!("{expr} is no number known beforehand")));
    };
    if value.is_null() {
        return Ok(Known::Null);
    }
    match value.cast_to(&DataType::Int64) {
        Ok(ScalarValue::Int64(Some(value))) => Ok(Known::Value(value)),
        _ => Err(Refusal::new(whole, format!("{value} is no integer"))),
    }
}

impl Lowering<'_> {
    /// A text as itself, whether it is or a code stands for it.
    pub fn spelled(&mut self, value: &Value, whole: &Arc<dyn PhysicalExpr>) -> Result<ExprId, Refusal> {
        if self.b.is_null_constant(value.node) {
            return Ok(self.b.null(Type::Text));
        }
        match &value.kind {
            Kind::Plain { .. } => Ok(value.node),
            Kind::Text(words) => Ok(self.entry(value.node, words)),
            kind => Err(Refusal::new(whole, format!("{} beside text has no device form", kind.name()))),
        }
    }

    /// The text that a code stands for.
    fn entry(&mut self, code: ExprId, words: &Arc<Words>) -> ExprId {
        if words.len() == 1 && !self.b.ty(code).nullable {
            return self.b.parameter_node(Type::Text, Scalar::Text(words.values().value(0).into()));
        }
        let known = self.entries.iter().find(|(of, _)| of.same(words)).map(|(_, table)| *table);
        let table = known.unwrap_or_else(|| {
            let table = self.b.table(Table::of_column(&words.column()));
            self.entries.push((Arc::clone(words), table));
            table
        });
        self.b.push(Expr::Lookup { table, index: code })
    }

    fn text_parameter(&mut self, text: &str) -> ParameterId {
        self.b.parameter(Type::Text, Scalar::Text(text.into()))
    }

    /// Whether a text is among some that the host knows.
    pub fn text_member(
        &mut self,
        node: ExprId,
        members: &[ScalarValue],
        whole: &Arc<dyn PhysicalExpr>,
    ) -> Result<ExprId, Refusal> {
        let texts: Option<BTreeSet<&str>> = members.iter().map(|member| member.try_as_str().flatten()).collect();
        let texts = texts.ok_or_else(|| Refusal::new(whole, "IN compares text with something else"))?;
        let texts: Vec<Option<&str>> = texts.into_iter().map(Some).collect();
        let table = self.b.table(Table::texts(false, texts.into_iter()));
        Ok(self.b.push(Expr::Member { a: node, table }))
    }

    /// `a LIKE pattern`, `a ILIKE pattern`.
    pub fn like(
        &mut self,
        a: &Arc<dyn PhysicalExpr>,
        pattern: &Arc<dyn PhysicalExpr>,
        (negated, ignore_case): (bool, bool),
        whole: &Arc<dyn PhysicalExpr>,
        scope: &Rc<Scope>,
    ) -> Result<Value, Refusal> {
        let Known::Value(pattern) = known_text(pattern, whole)? else {
            return Ok(boolean(self.b.null(Type::Bool)));
        };
        if ignore_case && !pattern.is_ascii() {
            return Err(Refusal::new(whole, "ILIKE of a pattern with letters beyond ASCII has no device form"));
        }
        let found = form(&pattern).ok_or_else(|| Refusal::new(whole, "the pattern ends with an escape character"))?;
        let value = self.expr(a, scope)?;
        let test = match found {
            Form::Exact(text) if !ignore_case && matches!(value.kind, Kind::Text(_)) => {
                self.compare_known(Comparison::Equal, value, &ScalarValue::Utf8(Some(text)), whole)?
            }
            Form::Exact(text) if !ignore_case => {
                let node = self.spelled(&value, whole)?;
                let text = self.b.parameter_node(Type::Text, Scalar::Text(text.into()));
                self.b.compare(Comparison::Equal, node, text)
            }
            Form::Exact(_) | Form::General => self.matched(&value, (MatchOp::Like, &pattern, ignore_case), whole)?,
            Form::Prefix(text) => self.matched(&value, (MatchOp::Prefix, &text, ignore_case), whole)?,
            Form::Suffix(text) => self.matched(&value, (MatchOp::Suffix, &text, ignore_case), whole)?,
            Form::Contains(text) => self.matched(&value, (MatchOp::Contains, &text, ignore_case), whole)?,
        };
        Ok(boolean(if negated { self.b.not(test) } else { test }))
    }

    /// Whether a text matches a pattern, in either case or as it is.
    fn matched(
        &mut self,
        value: &Value,
        (op, pattern, ignore_case): (MatchOp, &str, bool),
        whole: &Arc<dyn PhysicalExpr>,
    ) -> Result<ExprId, Refusal> {
        if let Kind::Text(words) = &value.kind
            && words.are_many()
            && !ignore_case
        {
            return self.code_matches(value.node, words, op, pattern);
        }
        let a = self.spelled(value, whole)?;
        let pattern = self.text_parameter(pattern);
        Ok(self.b.push(Expr::TextMatch { a, op, pattern, ignore_case }))
    }

    /// A function of texts; `None` where it is none of them.
    pub fn text_call(
        &mut self,
        name: &str,
        args: &[Arc<dyn PhysicalExpr>],
        whole: &Arc<dyn PhysicalExpr>,
        scope: &Rc<Scope>,
    ) -> Result<Option<Value>, Refusal> {
        let [first, rest @ ..] = args else { return Ok(None) };
        let value = match (name, rest) {
            ("character_length" | "octet_length" | "bit_length", []) => {
                let value = self.expr(first, scope)?;
                let length = match (name, &value.kind) {
                    (_, Kind::Text(words)) if words.are_many() => {
                        let unit = if name == "character_length" { TextUnit::Characters } else { TextUnit::Bytes };
                        self.code_length(value.node, words, unit)?
                    }
                    ("character_length", kind) => {
                        let ascii = kind.is_ascii();
                        let node = self.spelled(&value, whole)?;
                        self.characters_of(Text { node, ascii })
                    }
                    _ => {
                        let a = self.spelled(&value, whole)?;
                        self.b.push(Expr::TextLength { a, unit: TextUnit::Bytes })
                    }
                };
                if name != "bit_length" {
                    return Ok(Some(number(length)));
                }
                let eight = self.b.constant(Type::I32, 8);
                number(self.b.integers(Arithmetic::Multiply, length, eight, Type::I32, Fault::IntegerRange))
            }
            ("starts_with" | "ends_with" | "contains", [pattern]) => {
                let op = match name {
                    "starts_with" => MatchOp::Prefix,
                    "ends_with" => MatchOp::Suffix,
                    _ => MatchOp::Contains,
                };
                match known_text(pattern, whole)? {
                    Known::Null => boolean(self.b.null(Type::Bool)),
                    Known::Value(pattern) => {
                        let value = self.expr(first, scope)?;
                        boolean(self.matched(&value, (op, &pattern, false), whole)?)
                    }
                }
            }
            ("strpos", [pattern]) => match known_text(pattern, whole)? {
                Known::Null => number(self.b.null(Type::I32)),
                Known::Value(pattern) => {
                    let a = self.text_argument(first, whole, scope)?;
                    let pattern = self.text_parameter(&pattern);
                    number(self.b.push(Expr::TextPosition { a: a.node, pattern }))
                }
            },
            ("btrim" | "ltrim" | "rtrim", [] | [_]) => {
                let characters = match rest.first() {
                    Some(characters) => known_text(characters, whole)?,
                    None => Known::Value(" ".to_owned()),
                };
                let side = match name {
                    "ltrim" => TrimSide::Leading,
                    "rtrim" => TrimSide::Trailing,
                    _ => TrimSide::Both,
                };
                match characters {
                    Known::Null => text(self.b.null(Type::Text), true),
                    Known::Value(characters) => {
                        let a = self.text_argument(first, whole, scope)?;
                        let characters = self.text_parameter(&characters);
                        text(self.b.push(Expr::TextTrim { a: a.node, side, characters }), a.ascii)
                    }
                }
            }
            ("substr", [start] | [start, _]) => {
                let a = self.text_argument(first, whole, scope)?;
                let start = self.position(start, whole, scope)?;
                let length = rest.get(1).map(|length| self.position(length, whole, scope)).transpose()?;
                text(self.b.push(Expr::TextSlice { a: a.node, start, length }), a.ascii)
            }
            ("left" | "right", [count]) => match known_integer(count, whole)? {
                Known::Null => text(self.b.null(Type::Text), true),
                Known::Value(count) => {
                    let a = self.text_argument(first, whole, scope)?;
                    text(if name == "left" { self.left(a, count) } else { self.right(a, count) }, a.ascii)
                }
            },
            (
                "upper" | "lower" | "concat" | "concat_ws" | "replace" | "lpad" | "rpad" | "repeat" | "reverse" | "initcap"
                | "translate" | "overlay" | "split_part" | "to_hex" | "chr",
                _,
            ) => return Err(Refusal::new(whole, format!("function {name} has no device form: {NEW_TEXT}"))),
            ("regexp_like" | "regexp_replace" | "regexp_match" | "regexp_count" | "regexp_instr" | "substring", _) => {
                return Err(Refusal::new(whole, format!("function {name} has no device form: {REGULAR}")));
            }
            (_, _) => return Ok(None),
        };
        Ok(Some(value))
    }

    fn text_argument(
        &mut self,
        expr: &Arc<dyn PhysicalExpr>,
        whole: &Arc<dyn PhysicalExpr>,
        scope: &Rc<Scope>,
    ) -> Result<Text, Refusal> {
        let value = self.expr(expr, scope)?;
        Ok(Text { node: self.spelled(&value, whole)?, ascii: value.kind.is_ascii() })
    }

    /// The length in characters. Of texts that are ASCII it is that in bytes, which no byte of them need be read for; what is
    /// known of types alone says nothing of that.
    fn characters_of(&mut self, a: Text) -> ExprId {
        let unit = if a.ascii && self.certain { TextUnit::Bytes } else { TextUnit::Characters };
        self.b.push(Expr::TextLength { a: a.node, unit })
    }

    /// A number of characters, in 64 bits.
    fn position(
        &mut self,
        expr: &Arc<dyn PhysicalExpr>,
        whole: &Arc<dyn PhysicalExpr>,
        scope: &Rc<Scope>,
    ) -> Result<ExprId, Refusal> {
        let value = self.expr(expr, scope)?;
        match value.kind {
            Kind::Integer => Ok(self.b.cast(value.node, Type::I64, None)),
            kind => Err(Refusal::new(whole, format!("characters counted by {} have no device form", kind.name()))),
        }
    }

    /// A number of this run, in 64 bits.
    fn characters(&mut self, count: i64) -> ExprId {
        self.b.parameter_node(Type::I64, Scalar::Int(count.into()))
    }

    /// The length in characters, less a number.
    fn shortened(&mut self, a: Text, by: i64) -> ExprId {
        let length = self.characters_of(a);
        let by = self.b.integer(by.into());
        let left = self.b.integers(Arithmetic::Subtract, length, by, Type::I64, Fault::BigintRange);
        self.b.cast(left, Type::I64, None)
    }

    /// The first characters; of a negative number all but the last.
    fn left(&mut self, a: Text, count: i64) -> ExprId {
        let start = self.b.constant(Type::I64, 1);
        let length = if count >= 0 {
            self.characters(count)
        } else {
            let rest = self.shortened(a, count.saturating_neg());
            let zero = self.b.constant(Type::I64, 0);
            let condition = self.b.in_range(rest, Some(0), None);
            self.b.push(Expr::Select { condition, then: rest, otherwise: zero })
        };
        self.b.push(Expr::TextSlice { a: a.node, start, length: Some(length) })
    }

    /// The last characters; of a negative number all but the first.
    fn right(&mut self, a: Text, count: i64) -> ExprId {
        let start =
            if count >= 0 { self.shortened(a, count - 1) } else { self.characters(count.saturating_neg().saturating_add(1)) };
        self.b.push(Expr::TextSlice { a: a.node, start, length: None })
    }
}
