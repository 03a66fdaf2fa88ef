//! A query's tree, brought into the form that DataFusion plans as PostgreSQL means it.
//!
//! What differs only in spelling is settled here, on the tree: integer literals are `int4` where they fit, casts follow
//! PostgreSQL's rules (by our own function, [`CAST`]), unnamed columns get PostgreSQL's names, FETCH FIRST is
//! LIMIT. What depends on types is settled in `plan::planner` and `plan::rules`.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;

use sqlparser::ast::{
    self, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, GroupByExpr, Ident, LimitClause,
    ObjectName, ObjectNamePart, OrderByKind, Query, SelectItem, SetExpr, Statement, TableFactor, UnaryOperator, Value,
    ValueWithSpan, VisitMut, VisitorMut,
};

use super::label::{MARK, fold, label};
use crate::error::{Condition, Error, Result};
use crate::plan::types::sql_type;
use crate::types::{Base, SqlType};

/// The function that casts as PostgreSQL does: `cast(value, 'type')`.
pub const CAST: &str = "pg_cast";

/// What a rewritten tree asks of its parameters: number (from 1) to the type that a cast or a clause demands.
pub type Demands = BTreeMap<usize, SqlType>;

/// Rewrites a query (or a statement around one). Parameter types already known are in `known`.
pub fn rewrite<T: VisitMut>(tree: &mut T, known: &[Option<SqlType>]) -> Result<Demands> {
    let mut pass = Dialect { demands: Demands::new(), known };
    match tree.visit(&mut pass) {
        ControlFlow::Continue(()) => Ok(pass.demands),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Dialect<'a> {
    demands: Demands,
    known: &'a [Option<SqlType>],
}

/// A call of one of our functions.
pub fn call(name: &str, args: Vec<Expr>) -> Expr {
    let args = args.into_iter().map(|a| FunctionArg::Unnamed(FunctionArgExpr::Expr(a))).collect();
    Expr::Function(Function {
        name: ObjectName(vec![ObjectNamePart::Identifier(Ident::new(name))]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList { duplicate_treatment: None, args, clauses: vec![] }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: vec![],
    })
}

fn text(value: impl Into<String>) -> Expr {
    Expr::Value(Value::SingleQuotedString(value.into()).with_empty_span())
}

fn internal_cast(expr: Expr, data_type: ast::DataType) -> Expr {
    Expr::Cast { kind: ast::CastKind::Cast, expr: Box::new(expr), data_type, array: false, format: None }
}

/// The number of a parameter: `$3` is 3.
fn parameter(expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Value(ValueWithSpan { value: Value::Placeholder(name), .. }) => name.strip_prefix('$')?.parse().ok(),
        Expr::Nested(inner) => parameter(inner),
        _ => None,
    }
}

/// Keeps a number as it stands: a column's position, a row count.
fn keep(expr: &mut Expr) {
    if let Expr::Value(ValueWithSpan { value: Value::Number(_, long), .. }) = expr {
        *long = true;
    }
}

/// The bounds of a window's frame are plain numbers to DataFusion.
fn keep_frame(spec: &mut ast::WindowSpec) {
    frame_bounds(spec, keep);
}

fn frame_bounds(spec: &mut ast::WindowSpec, mut change: impl FnMut(&mut Expr)) {
    let Some(frame) = &mut spec.window_frame else { return };
    for bound in std::iter::once(&mut frame.start_bound).chain(&mut frame.end_bound) {
        if let ast::WindowFrameBound::Preceding(Some(value)) | ast::WindowFrameBound::Following(Some(value)) = bound {
            change(value);
        }
    }
}

/// Takes the mark of [`keep`] off again.
fn release(expr: &mut Expr) {
    if let Expr::Value(ValueWithSpan { value: Value::Number(_, long), .. }) = expr {
        *long = false;
    }
}

/// `42712` where two tables of one FROM have the same name.
fn check_aliases(select: &ast::Select) -> Result<()> {
    let mut seen: Vec<String> = Vec::new();
    let factors = select.from.iter().flat_map(|f| std::iter::once(&f.relation).chain(f.joins.iter().map(|j| &j.relation)));
    for factor in factors {
        let name = match factor {
            TableFactor::Table { alias: Some(alias), .. }
            | TableFactor::Derived { alias: Some(alias), .. }
            | TableFactor::Function { alias: Some(alias), .. } => fold(&alias.name),
            TableFactor::Table { name, args: None, .. } if name.0.len() == 1 => {
                name.0.last().and_then(|p| p.as_ident()).map(fold).unwrap_or_default()
            }
            _ => continue,
        };
        if seen.contains(&name) {
            return Err(Error::new(Condition::DuplicateAlias, format!("table name \"{name}\" specified more than once")));
        }
        seen.push(name);
    }
    Ok(())
}

impl Dialect<'_> {
    fn demand(&mut self, number: usize, sql_type: SqlType) {
        if self.known.get(number.wrapping_sub(1)).copied().flatten().is_none() {
            self.demands.entry(number).or_insert(sql_type);
        }
    }

    fn row_count(&mut self, expr: &mut Expr) {
        keep(expr);
        if let Some(number) = parameter(expr) {
            self.demand(number, Base::Int8.into());
        }
    }

    fn body(&mut self, body: &mut SetExpr) -> Result<()> {
        match body {
            SetExpr::Select(select) => {
                if let GroupByExpr::Expressions(expressions, _) = &mut select.group_by {
                    expressions.iter_mut().for_each(keep);
                }
                if select.into.is_some() {
                    return Err(Error::unsupported("SELECT INTO is not supported").hint("Use CREATE TABLE AS."));
                }
                check_aliases(select)?;
                for join in select.from.iter().flat_map(|f| &f.joins) {
                    if let ast::JoinOperator::FullOuter(ast::JoinConstraint::Using(_) | ast::JoinConstraint::Natural) =
                        join.join_operator
                    {
                        return Err(Error::unsupported("FULL JOIN with USING or NATURAL is not supported")
                            .hint("Join with ON, and take coalesce(a.column, b.column)."));
                    }
                }
                name_columns(&mut select.projection);
            }
            SetExpr::SetOperation {
                op: op @ (ast::SetOperator::Intersect | ast::SetOperator::Except),
                set_quantifier: ast::SetQuantifier::All,
                ..
            } => {
                // DataFusion does not count how often a row stands on either side.
                return Err(Error::unsupported(format!("{op} ALL is not supported")));
            }
            SetExpr::SetOperation { left, right, .. } => {
                self.body(left)?;
                self.body(right)?;
            }
            // A nested query is visited as a query of its own.
            _ => {}
        }
        Ok(())
    }

    fn query(&mut self, query: &mut Query) -> Result<()> {
        if let Some(fetch) = query.fetch.take() {
            if fetch.with_ties || fetch.percent {
                return Err(Error::unsupported("FETCH FIRST with TIES or PERCENT is not supported"));
            }
            let one = || Expr::Value(Value::Number("1".to_owned(), true).with_empty_span());
            let quantity = fetch.quantity.unwrap_or_else(one);
            let quantity = match quantity {
                Expr::Nested(inner) => *inner,
                other => other,
            };
            query.limit_clause = match query.limit_clause.take() {
                Some(LimitClause::LimitOffset { limit: None, offset, limit_by }) => {
                    Some(LimitClause::LimitOffset { limit: Some(quantity), offset, limit_by })
                }
                None => Some(LimitClause::LimitOffset { limit: Some(quantity), offset: None, limit_by: vec![] }),
                Some(_) => return Err(Error::syntax("multiple LIMIT clauses not allowed")),
            };
        }
        match &mut query.limit_clause {
            Some(LimitClause::LimitOffset { limit, offset, .. }) => {
                if let Some(limit) = limit {
                    self.row_count(limit);
                }
                if let Some(offset) = offset {
                    self.row_count(&mut offset.value);
                }
            }
            Some(LimitClause::OffsetCommaLimit { .. }) => {
                return Err(Error::syntax("LIMIT #,# syntax is not supported").hint("Use separate LIMIT and OFFSET clauses."));
            }
            None => {}
        }
        if let Some(order_by) = &mut query.order_by
            && let OrderByKind::Expressions(expressions) = &mut order_by.kind
        {
            expressions.iter_mut().for_each(|e| keep(&mut e.expr));
        }
        query.locks.clear();
        self.body(&mut query.body)
    }

    fn expr(&mut self, expr: &mut Expr) -> Result<()> {
        match expr {
            Expr::Value(ValueWithSpan { value: Value::Number(digits, false), .. }) => {
                if let Some(replaced) = number(digits) {
                    *expr = replaced;
                }
            }
            Expr::UnaryOp { op: UnaryOperator::Minus, expr: inner } => {
                // The smallest integer is a negated constant that by itself would not fit.
                if let Expr::Value(ValueWithSpan { value: Value::Number(digits, _), .. }) = inner.as_ref()
                    && digits == "2147483648"
                {
                    *expr = internal_cast(expr.clone(), ast::DataType::Int(None));
                }
            }
            Expr::Cast { kind: ast::CastKind::Cast | ast::CastKind::DoubleColon, expr: inner, data_type, .. } => {
                let target = sql_type(data_type)?;
                if let Some(number) = parameter(inner) {
                    self.demand(number, target);
                }
                *expr = call(CAST, vec![inner.as_ref().clone(), text(target.sql_name())]);
            }
            Expr::TypedString(typed) => {
                let target = sql_type(&typed.data_type)?;
                let value = typed.value.clone().value.into_string().unwrap_or_default();
                *expr = call(CAST, vec![text(value), text(target.sql_name())]);
            }
            Expr::Interval(interval) if interval.leading_field.is_none() => {
                if let Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(value), .. }) = interval.value.as_ref()
                    && !is_common_interval(value)
                {
                    *expr = call(CAST, vec![text(value.clone()), text("interval")]);
                }
            }
            Expr::AtTimeZone { timestamp, time_zone } => {
                *expr = call("timezone", vec![time_zone.as_ref().clone(), timestamp.as_ref().clone()]);
            }
            Expr::BinaryOp { left, op: ast::BinaryOperator::PGExp, right } => {
                *expr = call("power", vec![left.as_ref().clone(), right.as_ref().clone()]);
            }
            Expr::UnaryOp {
                op: op @ (UnaryOperator::PGSquareRoot | UnaryOperator::PGCubeRoot | UnaryOperator::PGAbs),
                expr: inner,
            } => {
                let name = match op {
                    UnaryOperator::PGSquareRoot => "sqrt",
                    UnaryOperator::PGCubeRoot => "cbrt",
                    _ => "abs",
                };
                *expr = call(name, vec![inner.as_ref().clone()]);
            }
            Expr::UnaryOp { op: UnaryOperator::BitwiseNot, expr: inner } => {
                let ones = Expr::Value(Value::Number("1".to_owned(), false).with_empty_span());
                let ones = internal_cast(
                    Expr::UnaryOp { op: UnaryOperator::Minus, expr: Box::new(ones) },
                    ast::DataType::SmallInt(None),
                );
                *expr = binary(inner.as_ref().clone(), ast::BinaryOperator::PGBitwiseXor, ones);
            }
            // DataFusion knows no escape but the backslash.
            Expr::Like { pattern, escape_char, .. } | Expr::ILike { pattern, escape_char, .. } => {
                if let Some(escape) = escape_char.take() {
                    let escape = escape.value.into_string().unwrap_or_default();
                    **pattern = call("like_escape", vec![pattern.as_ref().clone(), text(escape)]);
                }
            }
            Expr::Collate { expr: inner, .. } => *expr = inner.as_ref().clone(),
            // Counts that DataFusion gives as unsigned.
            Expr::Function(function) => {
                if let Some(ast::WindowType::WindowSpec(spec)) = &mut function.over {
                    frame_bounds(spec, release);
                }
                let name = function.name.0.last().and_then(|p| p.as_ident()).map(fold).unwrap_or_default();
                let narrow = match name.as_str() {
                    // The operator by another name.
                    "mod" => {
                        if let Some([a, b]) = arguments(function) {
                            *expr = Expr::Nested(Box::new(binary(a, ast::BinaryOperator::Modulo, b)));
                        }
                        return Ok(());
                    }
                    "row_number" | "rank" | "dense_rank" if function.over.is_some() => ast::DataType::BigInt(None),
                    "ntile" if function.over.is_some() => ast::DataType::Int(None),
                    // An empty array has no length.
                    "array_length" => {
                        let zero = Expr::Value(Value::Number("0".to_owned(), false).with_empty_span());
                        let length = internal_cast(expr.clone(), ast::DataType::Int(None));
                        *expr = call("nullif", vec![length, internal_cast(zero, ast::DataType::Int(None))]);
                        return Ok(());
                    }
                    "cardinality" | "array_position" | "array_ndims" | "regexp_count" => ast::DataType::Int(None),
                    _ => return Ok(()),
                };
                *expr = internal_cast(expr.clone(), narrow);
            }
            Expr::BinaryOp { left, op: op @ (ast::BinaryOperator::Eq | ast::BinaryOperator::NotEq), right } => {
                if let (Some(a), Some(b)) = (row(left), row(right)) {
                    *expr = compare_rows(a, b, op.clone())?;
                }
            }
            Expr::InList { expr: value, list, negated } => {
                if let Some(value) = row(value) {
                    let mut any: Option<Expr> = None;
                    for item in list.iter() {
                        let Some(item) = row(item) else {
                            return Err(Error::unsupported("IN with a row on one side alone is not supported"));
                        };
                        let one = compare_rows(value, item, ast::BinaryOperator::Eq)?;
                        any = Some(match any {
                            Some(before) => binary(before, ast::BinaryOperator::Or, one),
                            None => one,
                        });
                    }
                    let any = Expr::Nested(Box::new(any.unwrap_or(Expr::Value(Value::Boolean(false).with_empty_span()))));
                    *expr = if *negated { Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(any) } } else { any };
                }
            }
            Expr::AnyOp { left, compare_op: ast::BinaryOperator::Eq, right, .. }
                if matches!(right.as_ref(), Expr::Subquery(_)) =>
            {
                if let Expr::Subquery(query) = right.as_ref() {
                    *expr = Expr::InSubquery { expr: left.clone(), subquery: query.clone(), negated: false };
                }
            }
            Expr::AllOp { left, compare_op: ast::BinaryOperator::NotEq, right }
                if matches!(right.as_ref(), Expr::Subquery(_)) =>
            {
                if let Expr::Subquery(query) = right.as_ref() {
                    *expr = Expr::InSubquery { expr: left.clone(), subquery: query.clone(), negated: true };
                }
            }
            // DataFusion answers these wrongly.
            Expr::AnyOp { compare_op, right, .. } if matches!(right.as_ref(), Expr::Subquery(_)) => {
                return Err(Error::unsupported(format!("{compare_op} ANY (subquery) is not supported"))
                    .hint("Compare with an aggregate: x > (SELECT min(y) ...)."));
            }
            Expr::AllOp { compare_op, right, .. } if matches!(right.as_ref(), Expr::Subquery(_)) => {
                return Err(Error::unsupported(format!("{compare_op} ALL (subquery) is not supported"))
                    .hint("Compare with an aggregate: x >= (SELECT max(y) ...)."));
            }
            _ => {}
        }
        Ok(())
    }
}

/// `count(1)` is `count(*)`, which DataFusion calls by the same name and then holds for another.
fn count_of_rows(function: &mut Function) {
    let is_count = function.name.0.last().and_then(|part| part.as_ident()).map(fold).is_some_and(|name| name == "count");
    if let FunctionArguments::List(FunctionArgumentList { duplicate_treatment: None, args, .. }) = &mut function.args
        && let [FunctionArg::Unnamed(argument)] = args.as_mut_slice()
        && let FunctionArgExpr::Expr(Expr::Value(ValueWithSpan { value, .. })) = argument
        && is_count
        && matches!(value, Value::Number(..) | Value::Boolean(_) | Value::SingleQuotedString(_))
    {
        *argument = FunctionArgExpr::Wildcard;
    }
}

/// The values of a row constructor.
fn row(expr: &Expr) -> Option<&[Expr]> {
    match expr {
        Expr::Tuple(values) => Some(values),
        _ => None,
    }
}

fn binary(left: Expr, op: ast::BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }
}

/// `(a, b) = (c, d)`, column by column.
fn compare_rows(a: &[Expr], b: &[Expr], op: ast::BinaryOperator) -> Result<Expr> {
    if a.len() != b.len() || a.is_empty() {
        return Err(Error::syntax("unequal number of entries in row expressions"));
    }
    let join = if op == ast::BinaryOperator::Eq { ast::BinaryOperator::And } else { ast::BinaryOperator::Or };
    let mut pairs = a.iter().zip(b).map(|(a, b)| {
        let operand = |e: &Expr| Expr::Nested(Box::new(e.clone()));
        binary(operand(a), op.clone(), operand(b))
    });
    let first = pairs.next().unwrap_or(Expr::Value(Value::Boolean(true).with_empty_span()));
    Ok(Expr::Nested(Box::new(pairs.fold(first, |all, pair| binary(all, join.clone(), pair)))))
}

/// The arguments of a plain call of two.
fn arguments(function: &Function) -> Option<[Expr; 2]> {
    let FunctionArguments::List(list) = &function.args else { return None };
    match list.args.as_slice() {
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(a)), FunctionArg::Unnamed(FunctionArgExpr::Expr(b))] => {
            Some([a.clone(), b.clone()])
        }
        _ => None,
    }
}

/// An integer literal in the type that PostgreSQL gives it; `None` where DataFusion's choice is the same.
fn number(digits: &str) -> Option<Expr> {
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return beyond_decimals(digits).then(|| internal_cast(text(digits), ast::DataType::DoublePrecision));
    }
    let plain = Expr::Value(Value::Number(digits.to_owned(), true).with_empty_span());
    if digits.parse::<i32>().is_ok() {
        return Some(internal_cast(plain, ast::DataType::Int(None)));
    }
    if digits.parse::<i64>().is_ok() {
        return None;
    }
    let precision = digits.len().clamp(1, 76) as u64;
    Some(internal_cast(text(digits), ast::DataType::Numeric(ast::ExactNumberInfo::PrecisionAndScale(precision, 0))))
}

/// Whether a number in exponent notation has more digits than a decimal, but is a float.
fn beyond_decimals(digits: &str) -> bool {
    let Some((mantissa, exponent)) = digits.split_once(['e', 'E']) else { return false };
    let Ok(exponent) = exponent.parse::<i64>() else { return false };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let (front, behind) = (whole.len() as i64 + exponent, fraction.len() as i64 - exponent);
    (front > 38 || behind > 38) && digits.parse::<f64>().is_ok_and(f64::is_finite)
}

/// Whether DataFusion reads an interval's text as PostgreSQL does.
fn is_common_interval(text: &str) -> bool {
    let known = arrow::compute::kernels::cast_utils::parse_interval_month_day_nano(text);
    let ours = crate::types::text::parse_interval(text);
    matches!((known, ours), (Ok(known), Ok((months, days, us)))
        if (known.months, known.days, Some(known.nanoseconds)) == (months, days, us.checked_mul(1000)))
}

/// Gives every unnamed column PostgreSQL's name, and sets equal names apart by [`MARK`].
fn name_columns(items: &mut [SelectItem]) {
    let mut seen: HashMap<String, usize> = HashMap::new();
    // What `*` brings may have any name.
    let stars = items.iter().any(|i| matches!(i, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..)));
    for item in items {
        let (name, plain) = match &*item {
            SelectItem::UnnamedExpr(expr @ (Expr::Identifier(_) | Expr::CompoundIdentifier(_))) => (label(expr), true),
            SelectItem::UnnamedExpr(expr) => (label(expr), false),
            SelectItem::ExprWithAlias { alias, .. } => (fold(alias), true),
            _ => continue,
        };
        let count = seen.entry(name.clone()).or_insert(0);
        *count += 1;
        if *count == 1 && plain && !(stars && matches!(item, SelectItem::UnnamedExpr(_))) {
            continue;
        }
        let unique = if *count == 1 && !stars { name } else { format!("{name}{MARK}{count}") };
        let alias = Ident::with_quote('"', unique);
        match item {
            SelectItem::UnnamedExpr(expr) => *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias },
            SelectItem::ExprWithAlias { alias: old, .. } => *old = alias,
            _ => {}
        }
    }
}

impl VisitorMut for Dialect<'_> {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        flow(self.query(query))
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        if let Expr::Function(function) = expr {
            count_of_rows(function);
            if let Some(ast::WindowType::WindowSpec(spec)) = &mut function.over {
                keep_frame(spec);
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut ast::Select) -> ControlFlow<Error> {
        for definition in &mut select.named_window {
            if let ast::NamedWindowExpr::WindowSpec(spec) = &mut definition.1 {
                keep_frame(spec);
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, select: &mut ast::Select) -> ControlFlow<Error> {
        for definition in &mut select.named_window {
            if let ast::NamedWindowExpr::WindowSpec(spec) = &mut definition.1 {
                frame_bounds(spec, release);
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        flow(self.expr(expr))
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        if let TableFactor::Table { sample: Some(_), .. } = factor {
            return ControlFlow::Break(Error::unsupported("TABLESAMPLE is not supported"));
        }
        // `generate_series(1, 3) g`: the function's one column is called as its alias.
        if let TableFactor::Table { args: Some(_), alias: Some(alias), .. } | TableFactor::Function { alias: Some(alias), .. } =
            factor
            && alias.columns.is_empty()
        {
            let name = alias.name.clone();
            alias.columns.push(ast::TableAliasColumnDef { name, data_type: None });
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_statement(&mut self, statement: &mut Statement) -> ControlFlow<Error> {
        // A statement inside a query (a data-modifying WITH) would run without our table handling.
        if let Statement::Insert(_) | Statement::Update(_) | Statement::Delete(_) | Statement::Merge(_) = statement
            && let Statement::Insert(insert) = statement
            && insert.on.is_some()
        {
            return ControlFlow::Break(Error::new(Condition::FeatureNotSupported, "ON CONFLICT is not supported"));
        }
        ControlFlow::Continue(())
    }
}

fn flow(result: Result<()>) -> ControlFlow<Error> {
    match result {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(error),
    }
}
