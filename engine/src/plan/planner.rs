//! Operators as PostgreSQL resolves them, while DataFusion plans a query's expressions.
//!
//! A quoted literal without a type takes the other operand's; numerics divide to 16 significant digits; dates and
//! intervals add up to timestamps; text is not compared with numbers.

use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::{BinaryExpr, Cast, Placeholder, ScalarFunction};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{Expr, ExprSchemable, Operator, ScalarUDF};
use sqlparser::ast::BinaryOperator;

use crate::error::{Condition, Error};
use crate::function::arithmetic::{self, Operation};
use crate::function::average::exact;
use crate::function::bridge::Bridged;
use crate::function::cast::PgCast;
use crate::function::error::wrap;
use crate::function::extract::Extract;
use crate::types::{Base, SqlType};

/// Our decisions about operators.
#[derive(Debug)]
pub struct PostgresOperators {
    cast: Arc<ScalarUDF>,
    extract: Arc<ScalarUDF>,
    divide: Arc<ScalarUDF>,
}

impl PostgresOperators {
    /// The planner.
    pub fn new() -> Self {
        Self {
            cast: Arc::new(ScalarUDF::from(PgCast::new())),
            extract: Arc::new(ScalarUDF::from(Extract::new(false))),
            divide: arithmetic::function(Operation::Divide),
        }
    }
}

impl Default for PostgresOperators {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether an expression is a quoted literal whose type is still open.
pub fn is_unknown(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(ScalarValue::Utf8(Some(_)) | ScalarValue::Utf8View(Some(_)), _))
}

fn untyped_parameter(expr: &Expr) -> bool {
    matches!(expr, Expr::Placeholder(Placeholder { field: None, .. }))
}

/// `pg_cast(expr, type)`.
pub fn cast_call(cast: &Arc<ScalarUDF>, expr: Expr, to: SqlType) -> Expr {
    let name = Expr::Literal(ScalarValue::Utf8(Some(to.sql_name())), None);
    Expr::ScalarFunction(ScalarFunction::new_udf(Arc::clone(cast), vec![expr, name]))
}

/// The type of an expression: what its field says beyond its Arrow type too.
pub fn type_of(expr: &Expr, schema: &DFSchema) -> Result<SqlType> {
    Ok(SqlType::of_field(&expr.to_field(schema)?.1))
}

/// The type that an open literal takes beside a value of type `other`.
pub fn literal_type(other: SqlType) -> Option<SqlType> {
    // A numeric literal keeps its own digits.
    let text = matches!(other.base, Base::Text | Base::Varchar | Base::Bpchar | Base::Name | Base::Unknown | Base::Char);
    (!text || other.array).then_some(SqlType { typmod: -1, ..other })
}

fn is_comparison(op: &BinaryOperator) -> bool {
    matches!(
        op,
        BinaryOperator::Eq
            | BinaryOperator::NotEq
            | BinaryOperator::Lt
            | BinaryOperator::LtEq
            | BinaryOperator::Gt
            | BinaryOperator::GtEq
    )
}

fn arithmetic_operator(op: &BinaryOperator) -> Option<Operator> {
    Some(match op {
        BinaryOperator::Plus => Operator::Plus,
        BinaryOperator::Minus => Operator::Minus,
        BinaryOperator::Multiply => Operator::Multiply,
        BinaryOperator::Divide => Operator::Divide,
        BinaryOperator::Modulo => Operator::Modulo,
        _ => return None,
    })
}

/// `42883`: `operator does not exist: integer = text`.
pub fn no_operator(left: &DataType, op: &str, right: &DataType) -> Error {
    Error::new(
        Condition::UndefinedFunction,
        format!("operator does not exist: {} {op} {}", SqlType::of_arrow(left).sql_name(), SqlType::of_arrow(right).sql_name()),
    )
    .hint("No operator matches the given name and argument types. You might need to add explicit type casts.")
}

fn is_decimal(t: &DataType) -> bool {
    matches!(t, DataType::Decimal128(..) | DataType::Decimal256(..) | DataType::Decimal64(..) | DataType::Decimal32(..))
}

/// A moment and an interval later, or earlier.
fn moment(moment: Expr, operator: Operator, interval: Expr) -> Expr {
    use crate::function::moment::{Operation, function};
    let operation = if operator == Operator::Minus { Operation::Subtract } else { Operation::Add };
    Expr::ScalarFunction(ScalarFunction::new_udf(function(operation), vec![moment, interval]))
}

fn is_constant(expr: &Expr) -> bool {
    expr.column_refs().is_empty()
}

impl PostgresOperators {
    /// Beside a `character(n)`, blanks at a literal's end say nothing.
    fn blank(&self, expr: Expr, beside: SqlType) -> Expr {
        match expr {
            Expr::Literal(ScalarValue::Utf8(Some(text)), metadata) if beside.base == Base::Bpchar => {
                Expr::Literal(ScalarValue::Utf8(Some(text.trim_end_matches(' ').to_owned())), metadata)
            }
            other => other,
        }
    }

    fn with_type(&self, expr: Expr, other: SqlType, op: &BinaryOperator, is_right: bool) -> Expr {
        // `date - '1 day'` and `timestamp + '1 day'` mean an interval.
        let instant = matches!(other.base, Base::Date | Base::Timestamp | Base::Timestamptz) && !other.array;
        let text = match &expr {
            Expr::Literal(value, _) => value.try_as_str().flatten().unwrap_or_default().to_owned(),
            _ => String::new(),
        };
        let spells_interval = text.chars().any(|c| c.is_ascii_alphabetic()) && !text.contains('-');
        if instant && is_right && (matches!(op, BinaryOperator::Plus) || (matches!(op, BinaryOperator::Minus) && spells_interval))
        {
            return cast_call(&self.cast, expr, Base::Interval.into());
        }
        match literal_type(other) {
            Some(to) => cast_call(&self.cast, expr, to),
            None => expr,
        }
    }
}

impl ExprPlanner for PostgresOperators {
    fn plan_binary_op(&self, mut expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let arithmetic = arithmetic_operator(&expr.op);
        if arithmetic.is_none() && !is_comparison(&expr.op) {
            return Ok(PlannerResult::Original(expr));
        }
        // A parameter without a type takes the other side's.
        let (left, right) = (expr.left.clone(), expr.right.clone());
        for (side, other) in [(&mut expr.left, right), (&mut expr.right, left)] {
            if let Expr::Placeholder(placeholder) = side
                && placeholder.field.is_none()
                && !is_unknown(&other)
                && !untyped_parameter(&other)
                && let Ok((_, field)) = other.to_field(schema)
            {
                let to = match SqlType::of_field(&field) {
                    t if t.base == Base::Varchar => SqlType { base: Base::Text, typmod: -1, ..t },
                    t => SqlType { typmod: -1, ..t },
                };
                let data_type = field.data_type().clone();
                placeholder.field = Some(Arc::new(to.field("", true).with_data_type(data_type)));
            }
        }
        let (Ok(left), Ok(right)) = (expr.left.get_type(schema), expr.right.get_type(schema)) else {
            return Ok(PlannerResult::Original(expr));
        };
        let (left_open, right_open) = (is_unknown(&expr.left), is_unknown(&expr.right));
        if left_open && !right_open {
            let beside = type_of(&expr.right, schema)?;
            expr.left = self.blank(self.with_type(expr.left, beside, &expr.op, false), beside);
        } else if right_open && !left_open {
            let beside = type_of(&expr.left, schema)?;
            expr.right = self.blank(self.with_type(expr.right, beside, &expr.op, true), beside);
        } else if (left.is_string() && !left_open && right.is_numeric())
            || (right.is_string() && !right_open && left.is_numeric())
        {
            return Err(wrap(no_operator(&left, &expr.op.to_string(), &right)));
        }
        let Some(operator) = arithmetic else {
            // A float beside a numeric compares as double precision: as a numeric it might not be finite.
            if (left.is_floating() && is_decimal(&right)) || (is_decimal(&left) && right.is_floating()) {
                let wide = |e: Expr| Expr::Cast(Cast::new(Box::new(e), DataType::Float64));
                (expr.left, expr.right) = (wide(expr.left), wide(expr.right));
            }
            // What has no time zone is taken by the session's clocks, beside a moment that has one.
            let zoned = |t: &DataType| matches!(t, DataType::Timestamp(_, Some(_)));
            let local = |t: &DataType| matches!(t, DataType::Timestamp(_, None) | DataType::Date32);
            if zoned(&left) && local(&right) {
                expr.right = cast_call(&self.cast, expr.right, Base::Timestamptz.into());
            } else if local(&left) && zoned(&right) {
                expr.left = cast_call(&self.cast, expr.left, Base::Timestamptz.into());
            }
            // Intervals compare by how long they are: '24 hours' is '1 day'.
            if matches!((&left, &right), (DataType::Interval(_), DataType::Interval(_))) {
                let span = |e: Expr| {
                    let function = Arc::new(ScalarUDF::from(crate::function::span::Span::new()));
                    Expr::ScalarFunction(ScalarFunction::new_udf(function, vec![e]))
                };
                (expr.left, expr.right) = (span(expr.left), span(expr.right));
            }
            return Ok(PlannerResult::Original(expr));
        };
        let (Ok(left), Ok(right)) = (expr.left.get_type(schema), expr.right.get_type(schema)) else {
            return Ok(PlannerResult::Original(expr));
        };
        if operator == Operator::Modulo && (left.is_floating() || right.is_floating()) {
            return Err(wrap(no_operator(&left, "%", &right)));
        }
        if operator == Operator::Divide
            && (is_decimal(&left) || is_decimal(&right))
            && let (Some(to_left), Some(to_right)) = (exact(&left), exact(&right))
        {
            let brought = |e: Expr, from: &DataType, to: DataType| {
                if *from == to { e } else { Expr::Cast(Cast::new(Box::new(e), to)) }
            };
            let args = vec![brought(expr.left, &left, to_left), brought(expr.right, &right, to_right)];
            return Ok(PlannerResult::Planned(Expr::ScalarFunction(ScalarFunction::new_udf(Arc::clone(&self.divide), args))));
        }
        let single = |t: &DataType| t == &DataType::Float32;
        if (single(&left) || single(&right)) && left.is_numeric() && right.is_numeric() && left != right {
            // real and any other number make a double precision.
            let wide = |e: Expr| Box::new(Expr::Cast(Cast::new(Box::new(e), DataType::Float64)));
            return Ok(PlannerResult::Planned(Expr::BinaryExpr(BinaryExpr::new(wide(expr.left), operator, wide(expr.right)))));
        }
        let binary = |left: Expr, right: Expr| Expr::BinaryExpr(BinaryExpr::new(Box::new(left), operator, Box::new(right)));
        let timestamp = DataType::Timestamp(TimeUnit::Microsecond, None);
        match (&left, operator, &right) {
            (DataType::Date32, Operator::Minus, DataType::Date32) => {
                let days = binary(expr.left, expr.right);
                Ok(PlannerResult::Planned(Expr::Cast(Cast::new(Box::new(days), DataType::Int32))))
            }
            (DataType::Timestamp(..), Operator::Minus, DataType::Timestamp(..) | DataType::Date32)
            | (DataType::Date32, Operator::Minus, DataType::Timestamp(..)) => {
                let zoned = |t: &DataType| matches!(t, DataType::Timestamp(_, Some(_)));
                let alike = |e: Expr, own: &DataType, other: &DataType| match zoned(other) && !zoned(own) {
                    true => cast_call(&self.cast, e, Base::Timestamptz.into()),
                    false => e,
                };
                let args = vec![alike(expr.left, &left, &right), alike(expr.right, &right, &left)];
                let function = Arc::new(ScalarUDF::from(crate::function::interval::Difference::new()));
                let call = ScalarFunction::new_udf(function, args);
                Ok(PlannerResult::Planned(Expr::ScalarFunction(call)))
            }
            (DataType::Interval(_), Operator::Multiply, t) | (t, Operator::Multiply, DataType::Interval(_)) if t.is_numeric() => {
                let (interval, factor) =
                    if matches!(left, DataType::Interval(_)) { (expr.left, expr.right) } else { (expr.right, expr.left) };
                let function = Arc::new(ScalarUDF::from(crate::function::interval::Scale::new(false)));
                let call = ScalarFunction::new_udf(function, vec![interval, factor]);
                Ok(PlannerResult::Planned(Expr::ScalarFunction(call)))
            }
            (DataType::Interval(_), Operator::Divide, t) if t.is_numeric() => {
                let function = Arc::new(ScalarUDF::from(crate::function::interval::Scale::new(true)));
                let call = ScalarFunction::new_udf(function, vec![expr.left, expr.right]);
                Ok(PlannerResult::Planned(Expr::ScalarFunction(call)))
            }
            (DataType::Timestamp(..), Operator::Plus | Operator::Minus, DataType::Interval(_)) => {
                Ok(PlannerResult::Planned(moment(expr.left, operator, expr.right)))
            }
            (DataType::Interval(_), Operator::Plus, DataType::Timestamp(..)) => {
                Ok(PlannerResult::Planned(moment(expr.right, operator, expr.left)))
            }
            // A date and an interval make a timestamp; between constants that stay whole days a date serves as well,
            // and lets statistics on date columns prune.
            (DataType::Date32, Operator::Plus | Operator::Minus, DataType::Interval(_))
                if !(is_constant(&expr.left) && is_constant(&expr.right)) =>
            {
                let left = Expr::Cast(Cast::new(Box::new(expr.left), timestamp));
                Ok(PlannerResult::Planned(moment(left, operator, expr.right)))
            }
            (DataType::Interval(_), Operator::Plus, DataType::Date32)
                if !(is_constant(&expr.left) && is_constant(&expr.right)) =>
            {
                let right = Expr::Cast(Cast::new(Box::new(expr.right), timestamp));
                Ok(PlannerResult::Planned(moment(right, operator, expr.left)))
            }
            (_, _, _) if (left.is_string() || right.is_string()) && !left.is_null() && !right.is_null() => {
                Err(wrap(no_operator(&left, &expr.op.to_string(), &right)))
            }
            (_, _, _) => Ok(PlannerResult::Original(expr)),
        }
    }

    fn plan_substring(&self, args: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        // `substring(text from 'pattern')` is another function than `substring(text from 2)`.
        if args.get(1).is_some_and(is_unknown) {
            let function = Arc::new(ScalarUDF::from(Bridged::new("substring")));
            return Ok(PlannerResult::Planned(Expr::ScalarFunction(ScalarFunction::new_udf(function, args))));
        }
        Ok(PlannerResult::Original(args))
    }

    fn plan_extract(&self, args: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        Ok(PlannerResult::Planned(Expr::ScalarFunction(ScalarFunction::new_udf(Arc::clone(&self.extract), args))))
    }
}
