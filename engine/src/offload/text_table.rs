//! What is asked of columns with many codes: which entry is this text, which match, how long each is. The dictionary's index finds
//! one, and the entries' bytes are looked through as those of a column of texts would be.
//!
//! Everything else about one such column is [tabulated](super::tabulate) by DataFusion, which takes longer for each entry.

use std::rc::Rc;
use std::sync::Arc;

use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{BinaryExpr, CastExpr, Column, InListExpr, LikeExpr, NotExpr};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use warpwise_gpu::primitive::pattern::Matcher;
use warpwise_gpu::primitive::text_table;
use warpwise_gpu::program::{Expr, ExprId, MatchOp, Table, TextUnit, Type};

use super::expr::constant;
use super::pattern::form;
use super::refusal::Refusal;
use super::scope::{Lowering, Scope};
use super::value::Kind;
use super::words::{Asked, Words};

/// Entries of a dictionary that are better asked for than all shown to DataFusion.
const MANY: usize = 1 << 12;

/// A text that is known beforehand.
fn known(expr: &Arc<dyn PhysicalExpr>) -> Option<String> {
    constant(expr).ok().flatten().and_then(|value| value.try_as_str().flatten().map(str::to_owned))
}

impl Words {
    /// Whether they are so many that what can be asked of them is.
    pub fn are_many(&self) -> bool {
        self.len() > MANY
    }
}

impl Lowering<'_> {
    /// Whether an expression is made of what can be asked of columns with many codes, so that it is lowered operand by operand.
    pub fn asks_words(&mut self, expr: &Arc<dyn PhysicalExpr>, scope: &Rc<Scope>) -> bool {
        if let Some(cast) = expr.downcast_ref::<CastExpr>() {
            return self.measures(cast.expr(), scope);
        }
        if let Some(not) = expr.downcast_ref::<NotExpr>() {
            return self.asks_words(not.arg(), scope);
        }
        if let Some(binary) = expr.downcast_ref::<BinaryExpr>() {
            let (left, right) = (binary.left(), binary.right());
            return match binary.op() {
                Operator::And | Operator::Or => self.asks_words(left, scope) && self.asks_words(right, scope),
                Operator::Eq | Operator::NotEq if known(right).is_some() => self.has_many(left, scope),
                Operator::Eq | Operator::NotEq if known(left).is_some() => self.has_many(right, scope),
                _ => false,
            };
        }
        if let Some(list) = expr.downcast_ref::<InListExpr>() {
            return list.list().iter().all(|item| known(item).is_some()) && self.has_many(list.expr(), scope);
        }
        if let Some(like) = expr.downcast_ref::<LikeExpr>() {
            let pattern = known(like.pattern()).filter(|pattern| !like.case_insensitive() && form(pattern).is_some());
            return pattern.is_some() && self.has_many(like.expr(), scope);
        }
        if let Some(call) = expr.downcast_ref::<ScalarFunctionExpr>()
            && let [text, pattern] = call.args()
            && matches!(call.name(), "starts_with" | "ends_with" | "contains")
        {
            return known(pattern).is_some() && self.has_many(text, scope);
        }
        self.measures(expr, scope)
    }

    /// Whether an expression is the length of a column with many codes.
    fn measures(&mut self, expr: &Arc<dyn PhysicalExpr>, scope: &Rc<Scope>) -> bool {
        let Some(call) = expr.downcast_ref::<ScalarFunctionExpr>() else { return false };
        matches!(call.name(), "character_length" | "octet_length") && matches!(call.args(), [text] if self.has_many(text, scope))
    }

    fn has_many(&mut self, expr: &Arc<dyn PhysicalExpr>, scope: &Rc<Scope>) -> bool {
        let Some(column) = expr.downcast_ref::<Column>() else { return false };
        self.column(column.index(), scope).is_ok_and(|value| matches!(value.kind, Kind::Text(words) if words.are_many()))
    }

    /// Whether what a code stands for matches.
    pub fn code_matches(&mut self, code: ExprId, words: &Words, op: MatchOp, pattern: &str) -> Result<ExprId, Refusal> {
        let table = words.asked(Asked::Match(op, pattern.to_owned()), |texts, threads| {
            text_table::matches(texts, &Matcher::new(op, pattern, false), threads)
        });
        self.of_code(code, table)
    }

    /// How long the text is that a code stands for.
    pub fn code_length(&mut self, code: ExprId, words: &Words, unit: TextUnit) -> Result<ExprId, Refusal> {
        // As many characters as bytes.
        let unit = if words.is_ascii() { TextUnit::Bytes } else { unit };
        let table = words.asked(Asked::Length(unit), |texts, threads| {
            let (lengths, most) = text_table::lengths(texts, unit, threads)?;
            let ty = Type::narrowest(0, most.into());
            Ok(Table::integers(ty, false, lengths.into_iter().map(|length| Some(length.into()))))
        });
        let most = table.as_ref().ok().and_then(|table| table.ty.element.range()).map_or(i128::from(u32::MAX), |(_, most)| most);
        let length = self.of_code(code, table)?;
        self.b.narrow(length, (0, most));
        Ok(self.b.cast(length, Type::I32, None))
    }

    fn of_code(&mut self, code: ExprId, table: warpwise_gpu::Result<Table>) -> Result<ExprId, Refusal> {
        let table = self.b.table(table.map_err(|error| Refusal::new("a dictionary", error.to_string()))?);
        Ok(self.b.push(Expr::Lookup { table, index: code }))
    }
}
