//! Statements that differ in literals alone share a plan.
//!
//! Constants that a condition compares with are lifted out of a query: each becomes a parameter behind the client's own, and
//! what remains is the query's shape, by which its plan is found. A device binds the values as a kernel's parameters, so a
//! dashboard that asks the same with another date is neither planned nor compiled again.
//!
//! Only what cannot change a plan's meaning is lifted: operands of comparisons and of BETWEEN, members of IN lists, patterns of
//! LIKE, wherever they stand. A literal that comes again beside the same is the same parameter, so expressions that were equal
//! still are. The row evaluator computes constants (`date '1998-12-01' - interval '90' day` is one date), so a value's type is
//! part of the shape. Whether a shape is worth it shows when its plan is made: DataFusion prunes files by literals and not
//! by parameters, so only plans whose every scan runs on a device are shared.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::{Arc, LazyLock};

use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::physical_plan::ExecutionPlan;
use sqlparser::ast::{self, BinaryOperator, Expr, Query, SelectItem, SetExpr, UnaryOperator, Value, VisitMut, VisitorMut};

use crate::evaluate::{Datum, Environment};
use crate::exec::device_exec::DeviceExec;
use crate::types::{Base, SqlType};

/// The digits that a numeric constant's type has at least: one shape serves `9.5` and `10.5`.
const DIGITS: u8 = 9;
/// The most members of a list that are lifted.
const MEMBERS: usize = 64;
/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

/// A query without its literals.
#[derive(Debug)]
pub struct Lifted {
    /// The query, with parameters in the place of literals.
    pub query: Query,
    /// Its text: what its plan is found by.
    pub shape: String,
    /// The types of all parameters: the client's first. `None` takes the type of what it is compared with.
    pub types: Vec<Option<SqlType>>,
    /// The values behind the client's. A text whose type is open is of type text.
    pub values: Vec<ScalarValue>,
}

/// Takes a query's literals out; `None` where nothing is to be gained or anything is unusual. `types` are the types of the
/// client's `count` parameters.
pub fn lift(query: &Query, types: &[Option<SqlType>], count: usize, environment: &dyn Environment) -> Option<Lifted> {
    let mut found = Found { constants: Vec::new(), known: HashMap::new(), first: count + 1 };
    let mut shape = query.clone();
    let _ = VisitMut::visit(&mut shape, &mut found);
    if found.constants.is_empty() {
        return None;
    }
    let (lifted, values) = found.evaluate(environment)?;
    let mut types = types.to_vec();
    types.resize(count, None);
    types.extend(lifted);
    let text = shape.to_string();
    // A quote within quotes is printed as two, and so are two: such texts would be taken for one another.
    let ambiguous = ["''", "\"\""].iter().any(|quotes| text.contains(quotes));
    (!ambiguous).then_some(Lifted { shape: text, query: shape, types, values })
}

/// Whether every scan of a plan runs on a device.
pub fn runs_on_devices(plan: &Arc<dyn ExecutionPlan>) -> bool {
    let mut all = true;
    let walked = plan.apply(|node| {
        all &= !node.children().is_empty() || node.downcast_ref::<DeviceExec>().is_some();
        Ok(if all { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    });
    all && walked.is_ok()
}

/// `SELECT 1`, around which constants are evaluated.
static ONE: LazyLock<Option<Query>> = LazyLock::new(|| {
    let mut statements = crate::sql::parse::parse("SELECT 1").ok()?;
    match statements.pop()?.tree?.as_ref() {
        ast::Statement::Query(query) => Some(query.as_ref().clone()),
        _ => None,
    }
});

/// A literal that was taken out.
#[derive(Debug, Clone)]
enum Constant {
    /// Of a type that it has by itself.
    Typed(Box<Expr>),
    /// Quoted, its type open.
    Open(String),
    /// Quoted, and a text whatever stands beside it.
    Text(String),
}

/// The literals that were taken out of a query.
struct Found {
    constants: Vec<Constant>,
    /// Which of them a literal is, by its text and by what gives it its type.
    known: HashMap<(String, Option<String>), usize>,
    /// The number of the first one's parameter.
    first: usize,
}

impl VisitorMut for Found {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::BinaryOp { left, op, right } if is_comparison(op) => {
                self.operand(right, left);
                self.operand(left, right);
            }
            Expr::Between { expr, low, high, .. } => {
                self.operand(low, expr);
                self.operand(high, expr);
            }
            Expr::InList { expr, list, .. } if are_alike(list) => {
                for item in list {
                    self.operand(item, expr);
                }
            }
            Expr::Like { expr, pattern, escape_char: None, any: false, .. }
            | Expr::ILike { expr, pattern, escape_char: None, any: false, .. } => self.pattern(pattern, expr),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

impl Found {
    /// Lifts an operand if it is constant and what it is compared with is not.
    fn operand(&mut self, operand: &mut Expr, other: &Expr) {
        if is_constant(other) || matches!(other, Expr::Value(_)) {
            return;
        }
        match quoted(operand) {
            Some(text) if gives_its_type(other) => {
                let constant = Constant::Open(text.to_owned());
                self.lift(operand, constant, Some(other.to_string()));
            }
            None if is_constant(operand) => {
                let constant = Constant::Typed(Box::new(operand.clone()));
                self.lift(operand, constant, None);
            }
            _ => {}
        }
    }

    /// Lifts a pattern if it is constant and what is searched is not.
    fn pattern(&mut self, pattern: &mut Expr, searched: &Expr) {
        if gives_its_type(searched)
            && let Some(text) = quoted(pattern)
        {
            let constant = Constant::Text(text.to_owned());
            self.lift(pattern, constant, None);
        }
    }

    /// Puts a parameter in a literal's place.
    fn lift(&mut self, literal: &mut Expr, constant: Constant, beside: Option<String>) {
        let next = self.constants.len();
        let text = match &constant {
            Constant::Typed(expr) => expr.to_string(),
            Constant::Open(text) | Constant::Text(text) => format!("'{text}"),
        };
        let at = *self.known.entry((text, beside)).or_insert(next);
        if at == next {
            self.constants.push(constant);
        }
        *literal = Expr::Value(Value::Placeholder(format!("${}", self.first + at)).with_empty_span());
    }

    /// The constants' types and values.
    fn evaluate(self, environment: &dyn Environment) -> Option<(Vec<Option<SqlType>>, Vec<ScalarValue>)> {
        let mut query = ONE.as_ref()?.clone();
        let SetExpr::Select(select) = query.body.as_mut() else { return None };
        let typed = self.constants.iter().filter_map(|constant| match constant {
            Constant::Typed(expr) => Some(SelectItem::UnnamedExpr(expr.as_ref().clone())),
            Constant::Open(_) | Constant::Text(_) => None,
        });
        select.projection = typed.collect();
        let mut row = Vec::new();
        let mut types = Vec::new();
        if !select.projection.is_empty() {
            let analyzed = crate::evaluate::analyze(&query, &[], environment).ok()?;
            row = analyzed.run(&[], environment).ok()?.pop()?;
            types.extend(analyzed.columns().iter().map(|column| column.sql_type));
        }
        let mut evaluated = types.into_iter().zip(row);
        let mut out = (Vec::new(), Vec::new());
        for constant in &self.constants {
            let (ty, value) = match constant {
                Constant::Open(text) => (None, ScalarValue::Utf8(Some(text.clone()))),
                Constant::Text(text) => (Some(Base::Text.into()), ScalarValue::Utf8(Some(text.clone()))),
                Constant::Typed(expr) => {
                    let (ty, datum) = evaluated.next()?;
                    let (ty, value) = of_datum(ty, &datum, expr)?;
                    (Some(ty), value)
                }
            };
            out.0.push(ty);
            out.1.push(value);
        }
        Some(out)
    }
}

/// Whether a quoted literal beside a column of this type is surely what PostgreSQL takes it for, once converted to the type.
pub fn is_sure(ty: SqlType) -> bool {
    use Base as B;
    !ty.array && matches!(ty.base, B::Text | B::Varchar | B::Date | B::Timestamp | B::Int2 | B::Int4 | B::Int8)
}

fn is_comparison(op: &BinaryOperator) -> bool {
    use BinaryOperator as B;
    matches!(op, B::Eq | B::NotEq | B::Lt | B::LtEq | B::Gt | B::GtEq)
}

/// A quoted literal's text.
fn quoted(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => Some(text),
            _ => None,
        },
        _ => None,
    }
}

/// Whether a quoted literal beside an expression takes the type that the expression has: a column, or a part of a text.
fn gives_its_type(expr: &Expr) -> bool {
    matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::Substring { .. } | Expr::Trim { .. })
}

/// Whether the members of a list are literals of one form, and so of one type; and not so many that their number would be one
/// of many.
fn are_alike(list: &[Expr]) -> bool {
    if list.len() > MEMBERS {
        return false;
    }
    let whole =
        |expr: &Expr| matches!(expr, Expr::Value(v) if matches!(&v.value, Value::Number(n, _) if n.parse::<i32>().is_ok()));
    list.iter().all(|item| quoted(item).is_some()) || list.iter().all(whole)
}

/// Whether an expression is a constant whose type does not depend on what stands around it.
fn is_constant(expr: &Expr) -> bool {
    match expr {
        Expr::Value(value) => matches!(value.value, Value::Number(..)),
        Expr::TypedString(typed) => is_plain(&typed.data_type),
        Expr::Interval(_) => true,
        Expr::Nested(inner) => is_constant(inner),
        Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, expr } => is_constant(expr),
        Expr::BinaryOp { left, op, right } => {
            use BinaryOperator as B;
            matches!(op, B::Plus | B::Minus | B::Multiply | B::Divide) && is_constant(left) && is_constant(right)
        }
        Expr::Cast { kind: ast::CastKind::Cast | ast::CastKind::DoubleColon, expr, data_type, array: false, .. } => {
            let text = matches!(expr.as_ref(), Expr::Value(v) if matches!(v.value, Value::SingleQuotedString(_)));
            is_plain(data_type) && (text || is_constant(expr))
        }
        _ => false,
    }
}

/// Types whose constants mean the same in every session.
fn is_plain(data_type: &ast::DataType) -> bool {
    use ast::DataType as D;
    matches!(
        data_type,
        D::Date
            | D::Timestamp(_, ast::TimezoneInfo::None | ast::TimezoneInfo::WithoutTimeZone)
            | D::Int(_)
            | D::Integer(_)
            | D::BigInt(_)
            | D::SmallInt(_)
            | D::Numeric(_)
            | D::Decimal(_)
            | D::DoublePrecision
            | D::Real
    )
}

/// A value as plans take it; `None` for what is not lifted.
fn of_datum(ty: SqlType, datum: &Datum, expr: &Expr) -> Option<(SqlType, ScalarValue)> {
    Some(match datum {
        Datum::Int2(v) => (ty, ScalarValue::Int16(Some(*v))),
        Datum::Int4(v) => (ty, ScalarValue::Int32(Some(*v))),
        Datum::Int8(v) => (ty, ScalarValue::Int64(Some(*v))),
        Datum::Float4(v) => (ty, ScalarValue::Float32(Some(*v))),
        Datum::Float8(v) => (ty, ScalarValue::Float64(Some(*v))),
        Datum::Date(v) => (ty, ScalarValue::Date32(Some(*v))),
        // A day computed is compared as the day that it is: devices prune by it, and dates need no conversion.
        Datum::Timestamp(v) if v % DAY == 0 && matches!(unnested(expr), Expr::BinaryOp { .. }) => {
            (Base::Date.into(), ScalarValue::Date32(Some(i32::try_from(v / DAY).ok()?)))
        }
        Datum::Timestamp(v) => (ty, ScalarValue::TimestampMicrosecond(Some(*v), None)),
        Datum::Numeric(v) => {
            let scale = v.scale();
            let unscaled = v.to_i128(scale)?;
            let digits = unscaled.unsigned_abs().checked_ilog10().map_or(1, |d| d + 1);
            let precision = u8::try_from(digits.max(scale)).ok()?.max(DIGITS);
            let scale = i8::try_from(scale).ok()?;
            if precision > 38 {
                return None;
            }
            (SqlType::numeric(precision, scale), ScalarValue::Decimal128(Some(unscaled), precision, scale))
        }
        _ => return None,
    })
}

fn unnested(expr: &Expr) -> &Expr {
    match expr {
        Expr::Nested(inner) => unnested(inner),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::function::bridge::Alone;

    fn lifted(text: &str) -> Option<Lifted> {
        let statements = crate::sql::parse::parse(text).unwrap();
        let Some(ast::Statement::Query(query)) = statements[0].tree.as_deref() else { panic!("{text} is no query") };
        lift(query, &[], crate::plan::query::parameter_count(query), &Alone { zone: chrono_tz::Tz::UTC })
    }

    #[test]
    fn texts_that_differ_in_literals_alone_have_one_shape() {
        let query = |day: u32, least: &str, most: &str| {
            format!("SELECT count(*) FROM t WHERE d <= date '1998-12-01' - interval '{day}' day AND n BETWEEN {least} AND {most}")
        };
        let (a, b) = (lifted(&query(90, "0.05", "10.5")).unwrap(), lifted(&query(61, "0.06", "9.5")).unwrap());
        assert_eq!((&a.shape, &a.types), (&b.shape, &b.types));
        assert_eq!(a.shape, "SELECT count(*) FROM t WHERE d <= $1 AND n BETWEEN $2 AND $3");
        let decimal = |unscaled, scale| ScalarValue::Decimal128(Some(unscaled), 9, scale);
        assert_eq!(a.values, [ScalarValue::Date32(Some(10_471)), decimal(5, 2), decimal(105, 1)]);
        assert_eq!(b.values, [ScalarValue::Date32(Some(10_500)), decimal(6, 2), decimal(95, 1)]);
    }

    #[test]
    fn a_value_of_another_type_is_another_shape() {
        let types = |text: &str| lifted(text).unwrap().types;
        assert_ne!(types("SELECT 1 FROM t WHERE i < 5"), types("SELECT 1 FROM t WHERE i < 5000000000"));
        assert_ne!(types("SELECT 1 FROM t WHERE i < 5"), types("SELECT 1 FROM t WHERE i < 5.0"));
        assert_eq!(types("SELECT 1 FROM t WHERE i = '5'"), [None]);
    }

    #[test]
    fn literals_are_found_wherever_they_stand() {
        for (text, shape) in [
            ("SELECT 1 FROM t WHERE i IN (1, 2) AND s NOT IN ('a', 'b')", "i IN ($1, $2) AND s NOT IN ($3, $4)"),
            ("SELECT 1 FROM t WHERE s LIKE 'a%' OR s NOT ILIKE '%b'", "s LIKE $1 OR s NOT ILIKE $2"),
            ("SELECT 1 FROM t JOIN u ON t.i = u.i AND u.k > 7 WHERE t.i < 5", "t.i < $2"),
            ("SELECT 1 FROM t WHERE i < (SELECT max(k) FROM u WHERE k < 5) AND i > 1", "k < $1) AND i > $2"),
            ("WITH x AS (SELECT * FROM t WHERE i < 5) SELECT 1 FROM x WHERE i > 1", "i > $2"),
            ("SELECT sum(CASE WHEN s = 'a' THEN 1 ELSE 0 END) FROM t HAVING count(*) > 300", "count(*) > $2"),
            ("SELECT 1 FROM t WHERE substring(s FROM 1 FOR 2) IN ('13', '31')", "substring(s FROM 1 FOR 2) IN ($1, $2)"),
        ] {
            let found = lifted(text).unwrap().shape.to_lowercase();
            assert!(found.ends_with(&shape.to_lowercase()), "{found}");
        }
    }

    #[test]
    fn what_was_equal_stays_equal() {
        let found = lifted("SELECT i > 5 FROM t WHERE s = 'a' AND i < 7 OR s = 'a' AND k = 'a' GROUP BY i > 5").unwrap();
        assert_eq!(found.shape, "SELECT i > $1 FROM t WHERE s = $2 AND i < $3 OR s = $2 AND k = $4 GROUP BY i > $1");
        assert_eq!(found.values.len(), 4);
        let quotes = lifted("SELECT 1 FROM t WHERE s = 'a''b' OR s = 'a''''b'").unwrap();
        assert_eq!(quotes.shape, "SELECT 1 FROM t WHERE s = $1 OR s = $2");
        assert!(lifted("SELECT 1 FROM t WHERE s = 'a' AND replace(s, 'a''b', 'x') = 'y'").is_none());
        assert!(lifted("SELECT 1 FROM t AS \"a\"\"b\" WHERE s = 'a'").is_none());
    }

    #[test]
    fn a_client_s_parameters_keep_their_numbers() {
        let found = lifted("SELECT 1 FROM t WHERE i < $2 AND k < 5").unwrap();
        assert_eq!(found.shape, "SELECT 1 FROM t WHERE i < $2 AND k < $3");
        assert_eq!(found.types.len(), 3);
    }

    #[test]
    fn what_a_literal_means_for_the_plan_stays() {
        for text in [
            "SELECT i + 1 FROM t GROUP BY i + 1 ORDER BY 1 LIMIT 5",
            "SELECT 1 FROM t WHERE i IN (1, 2.5) OR i IN (1, NULL) OR i IN (k, 1)",
            "SELECT 1 FROM t WHERE s LIKE 'a%' ESCAPE '!' OR s LIKE k OR 'a' LIKE 'b'",
            "SELECT 1 FROM t WHERE i = NULL OR b = true",
            "SELECT 1 FROM t WHERE 1 < 2",
            "SELECT 1 FROM t WHERE extract(year FROM d) = '5'",
            "SELECT 1 FROM t WHERE i < 1 / 0",
            "SELECT 1 FROM t WHERE z < timestamptz '2020-01-01'",
        ] {
            assert!(lifted(text).is_none(), "{text}: {:?}", lifted(text));
        }
    }
}
