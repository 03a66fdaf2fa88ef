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
                name_columns(&mut select.projection);
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
            Expr::Collate { expr: inner, .. } => *expr = inner.as_ref().clone(),
            _ => {}
        }
        Ok(())
    }
}

/// An integer literal in the type that PostgreSQL gives it; `None` where DataFusion's choice is the same.
fn number(digits: &str) -> Option<Expr> {
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
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

/// Gives every unnamed column PostgreSQL's name, and sets equal names apart by [`MARK`].
fn name_columns(items: &mut [SelectItem]) {
    let mut seen: HashMap<String, usize> = HashMap::new();
    for item in items {
        let (name, plain) = match &*item {
            SelectItem::UnnamedExpr(expr @ (Expr::Identifier(_) | Expr::CompoundIdentifier(_))) => (label(expr), true),
            SelectItem::UnnamedExpr(expr) => (label(expr), false),
            SelectItem::ExprWithAlias { alias, .. } => (fold(alias), true),
            _ => continue,
        };
        let count = seen.entry(name.clone()).or_insert(0);
        *count += 1;
        if *count == 1 && plain {
            continue;
        }
        let unique = if *count == 1 { name } else { format!("{name}{MARK}{count}") };
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
