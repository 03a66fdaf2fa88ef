//! From syntax tree to plan: names, types, operators, as PostgreSQL's parser decides them.

mod arrange;
mod call;
mod expr;
mod from;
pub mod relations;
pub mod scope;
mod select;

use sqlparser::ast::{Expr, LimitClause, OrderBy, OrderByExpr, OrderByKind, Query, SetExpr, SetOperator, SetQuantifier, Value};

use super::OutColumn;
use super::cast;
use super::coerce::{self, Strength};
use super::context::Context;
use super::expr::{Node, Typed};
use super::plan::{Body, Column, CtePlan, Distinct, QueryPlan, SetOp, SortKey};
use super::type_name::fold;
use crate::error::{Condition, Error, Result};
use crate::types::{Base, SqlType};
use scope::{Clause, Scope};

/// How deeply expressions and queries may nest.
const DEPTH: usize = 250;

/// Understands a query: its plan, its columns and its parameters' types.
pub fn analyze_query(
    query: &Query,
    params: &[Option<SqlType>],
    ctx: &Context<'_>,
) -> Result<(QueryPlan, Vec<OutColumn>, Vec<SqlType>)> {
    let mut analyzer =
        Analyzer { ctx, params: params.to_vec(), scopes: Vec::new(), ctes: Vec::new(), next_id: 0, lowest: usize::MAX, depth: 0 };
    let mut plan = analyzer.query(query)?;
    analyzer.settle(&mut plan)?;
    let columns = plan.columns.iter().map(|c| OutColumn { name: c.name.clone(), sql_type: c.ty }).collect();
    let params = analyzer.params.iter().map(|p| p.unwrap_or(Base::Text.into())).collect();
    Ok((plan, columns, params))
}

/// A query of a `WITH` clause that names can refer to.
#[derive(Debug, Clone)]
struct CteScope {
    name: String,
    id: usize,
    columns: Vec<Column>,
}

struct Analyzer<'a> {
    ctx: &'a Context<'a>,
    /// The parameters' types as far as they are known.
    params: Vec<Option<SqlType>>,
    /// The queries around the expression in hand, outermost first.
    scopes: Vec<Scope>,
    ctes: Vec<CteScope>,
    next_id: usize,
    /// The outermost query whose columns were named since this was last reset.
    lowest: usize,
    depth: usize,
}

fn kind_mismatch(op: &str, (a, b): (SqlType, SqlType)) -> Error {
    Error::new(Condition::DatatypeMismatch, format!("{op} types {} and {} cannot be matched", coerce::shown(a), coerce::shown(b)))
}

impl Analyzer<'_> {
    fn id(&mut self) -> usize {
        self.next_id += 1;
        self.next_id
    }

    fn deeper<T>(&mut self, f: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth >= DEPTH {
            return Err(Error::new(Condition::StatementTooComplex, "stack depth limit exceeded"));
        }
        self.depth += 1;
        let result = f(self);
        self.depth -= 1;
        result
    }

    /// A query inside another; whether it depends on rows outside it.
    fn subquery(&mut self, query: &Query) -> Result<(QueryPlan, bool)> {
        let height = self.scopes.len();
        let before = std::mem::replace(&mut self.lowest, usize::MAX);
        let plan = self.query(query);
        let own = std::mem::replace(&mut self.lowest, before);
        self.lowest = self.lowest.min(own);
        Ok((plan?, own < height))
    }

    /// A query whose literals may still lack a type.
    fn query(&mut self, query: &Query) -> Result<QueryPlan> {
        self.deeper(|a| a.query_inner(query))
    }

    fn query_inner(&mut self, query: &Query) -> Result<QueryPlan> {
        if query.for_clause.is_some()
            || query.settings.is_some()
            || query.format_clause.is_some()
            || !query.pipe_operators.is_empty()
        {
            return Err(Error::unsupported("this form of query is not supported"));
        }
        let visible_ctes = self.ctes.len();
        let ctes = match &query.with {
            Some(with) => with.cte_tables.iter().map(|cte| self.cte(cte, with.recursive)).collect::<Result<Vec<CtePlan>>>()?,
            None => Vec::new(),
        };
        let mut plan = match (&*query.body, &query.order_by) {
            (SetExpr::Select(select), order) => self.select(select, order.as_ref())?,
            (body, order) => {
                let mut plan = self.body(body)?;
                if let Some(order) = order {
                    if !plan.sort.is_empty() || plan.limit.is_some() || plan.offset.is_some() {
                        plan = QueryPlan {
                            columns: plan.columns.clone(),
                            body: Body::Query(Box::new(plan)),
                            ctes: Vec::new(),
                            distinct: None,
                            sort: Vec::new(),
                            limit: None,
                            offset: None,
                            with_ties: false,
                        };
                    }
                    self.settle(&mut plan)?;
                    for item in order_items(order)? {
                        let index = output_position(&item.expr, &plan.columns)?.ok_or_else(|| {
                            Error::unsupported("invalid UNION/INTERSECT/EXCEPT ORDER BY clause")
                                .detail("Only result column names can be used, not expressions or functions.")
                                .hint("Add the expression/function to every SELECT, or move the UNION into a FROM clause.")
                        })?;
                        plan.sort.push(sort_key(index, item));
                    }
                }
                plan
            }
        };
        let mut ctes = ctes;
        ctes.append(&mut plan.ctes);
        plan.ctes = ctes;
        if query.limit_clause.is_some() || query.fetch.is_some() {
            if plan.limit.is_some() || plan.offset.is_some() {
                plan = QueryPlan {
                    columns: plan.columns.clone(),
                    ctes: std::mem::take(&mut plan.ctes),
                    body: Body::Query(Box::new(plan)),
                    distinct: None,
                    sort: Vec::new(),
                    limit: None,
                    offset: None,
                    with_ties: false,
                };
            }
            self.limits(query, &mut plan)?;
        }
        self.ctes.truncate(visible_ctes);
        Ok(plan)
    }

    fn limits(&mut self, query: &Query, plan: &mut QueryPlan) -> Result<()> {
        let (limit, offset) = match &query.limit_clause {
            Some(LimitClause::LimitOffset { limit, offset, limit_by }) if limit_by.is_empty() => {
                (limit.as_ref(), offset.as_ref().map(|o| &o.value))
            }
            Some(_) => {
                return Err(Error::syntax("LIMIT #,# syntax is not supported").hint("Use separate LIMIT and OFFSET clauses."));
            }
            None => (None, None),
        };
        let one = Expr::value(Value::Number("1".to_owned(), false));
        let limit = match &query.fetch {
            Some(fetch) if fetch.percent => return Err(Error::unsupported("FETCH … PERCENT is not supported")),
            Some(fetch) => {
                plan.with_ties = fetch.with_ties;
                Some(fetch.quantity.as_ref().unwrap_or(&one))
            }
            None => limit,
        };
        plan.limit = limit.map(|e| self.count(e, "LIMIT")).transpose()?;
        plan.offset = offset.map(|e| self.count(e, "OFFSET")).transpose()?;
        Ok(())
    }

    fn count(&mut self, expr: &Expr, what: &str) -> Result<Typed> {
        self.scopes.push(Scope { clause: Clause::Limit, ..Scope::new() });
        let typed = self.expr(expr);
        self.scopes.pop();
        let typed = typed?;
        let ty = typed.ty;
        self.coerce(typed, Base::Int8.into(), Strength::Assignment).map_err(|e| match e.condition {
            Condition::DatatypeMismatch => Error::new(
                Condition::DatatypeMismatch,
                format!("argument of {what} must be type bigint, not type {}", coerce::shown(ty)),
            ),
            _ => e,
        })
    }

    fn body(&mut self, body: &SetExpr) -> Result<QueryPlan> {
        self.deeper(|a| match body {
            SetExpr::Select(select) => a.select(select, None),
            SetExpr::Query(query) => a.query(query),
            SetExpr::Values(values) => a.values(values),
            SetExpr::SetOperation { left, op, set_quantifier, right } => {
                let all = match set_quantifier {
                    SetQuantifier::All => true,
                    SetQuantifier::Distinct | SetQuantifier::None => false,
                    SetQuantifier::ByName | SetQuantifier::AllByName | SetQuantifier::DistinctByName => {
                        return Err(Error::unsupported("BY NAME is not supported"));
                    }
                };
                let (op, name) = match op {
                    SetOperator::Union => (SetOp::Union, "UNION"),
                    SetOperator::Intersect => (SetOp::Intersect, "INTERSECT"),
                    SetOperator::Except | SetOperator::Minus => (SetOp::Except, "EXCEPT"),
                };
                let (left, right) = (a.body(left)?, a.body(right)?);
                a.set_operation(op, name, all, left, right)
            }
            SetExpr::Table(_) | SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                Err(Error::unsupported("this form of query is not supported"))
            }
        })
    }

    fn set_operation(
        &mut self,
        op: SetOp,
        name: &str,
        all: bool,
        mut left: QueryPlan,
        mut right: QueryPlan,
    ) -> Result<QueryPlan> {
        if left.columns.len() != right.columns.len() {
            return Err(Error::syntax(format!("each {name} query must have the same number of columns")));
        }
        let mut columns = Vec::new();
        for (l, r) in left.columns.iter().zip(&right.columns) {
            let ty = coerce::common(&[l.ty, r.ty]).map_err(|types| kind_mismatch(name, types))?;
            columns.push(Column { name: l.name.clone(), ty, fields: l.fields.clone() });
        }
        let types: Vec<SqlType> = columns.iter().map(|c| c.ty).collect();
        self.convert(&mut left, &types)?;
        self.convert(&mut right, &types)?;
        Ok(QueryPlan {
            ctes: Vec::new(),
            body: Body::Set { op, all, left: Box::new(left), right: Box::new(right) },
            columns,
            distinct: None,
            sort: Vec::new(),
            limit: None,
            offset: None,
            with_ties: false,
        })
    }

    /// Makes a query's visible columns have these types.
    fn convert(&mut self, plan: &mut QueryPlan, types: &[SqlType]) -> Result<()> {
        for (at, ty) in types.iter().enumerate() {
            if plan.columns[at].ty == *ty {
                continue;
            }
            self.convert_body(&mut plan.body, at, *ty)?;
            plan.columns[at].ty = *ty;
        }
        Ok(())
    }

    fn convert_body(&mut self, body: &mut Body, at: usize, ty: SqlType) -> Result<()> {
        let change = |a: &mut Self, slot: &mut Typed| -> Result<()> {
            let old = std::mem::replace(slot, Typed::constant(super::Datum::Null, ty));
            *slot = a.coerce(old, ty, Strength::Implicit)?;
            Ok(())
        };
        match body {
            Body::Select(select) => change(self, &mut select.output[at]),
            Body::Values(rows) => rows.iter_mut().try_for_each(|row| change(self, &mut row[at])),
            Body::Query(query) => {
                self.convert_body(&mut query.body, at, ty)?;
                query.columns[at].ty = ty;
                Ok(())
            }
            Body::Set { left, right, .. } => {
                for side in [left, right] {
                    self.convert_body(&mut side.body, at, ty)?;
                    side.columns[at].ty = ty;
                }
                Ok(())
            }
        }
    }

    /// Gives literals and parameters that nothing decided the type `text`.
    fn settle(&mut self, plan: &mut QueryPlan) -> Result<()> {
        let types: Vec<SqlType> = plan
            .columns
            .iter()
            .map(|c| if c.ty.base == Base::Unknown && !c.ty.array { Base::Text.into() } else { c.ty })
            .collect();
        self.convert(plan, &types)
    }

    fn values(&mut self, values: &sqlparser::ast::Values) -> Result<QueryPlan> {
        self.scopes.push(Scope { clause: Clause::Values, ..Scope::new() });
        let rows: Result<Vec<Vec<Typed>>> =
            values.rows.iter().map(|row| row.content.iter().map(|e| self.expr(e)).collect::<Result<Vec<Typed>>>()).collect();
        self.scopes.pop();
        let mut rows = rows?;
        let width = rows.first().map_or(0, Vec::len);
        if rows.iter().any(|r| r.len() != width) {
            return Err(Error::syntax("VALUES lists must all be the same length"));
        }
        let mut columns = Vec::new();
        for at in 0..width {
            let types: Vec<SqlType> = rows.iter().map(|r| r[at].ty).collect();
            let all_unknown = rows.iter().all(|r| r[at].is_unknown());
            let ty = if all_unknown {
                Base::Unknown.into()
            } else {
                coerce::common(&types).map_err(|t| kind_mismatch("VALUES", t))?
            };
            let fields = rows.first().and_then(|r| r[at].fields.clone());
            if !all_unknown {
                for row in &mut rows {
                    let old = std::mem::replace(&mut row[at], Typed::constant(super::Datum::Null, ty));
                    row[at] = self.coerce(old, ty, Strength::Implicit)?;
                }
            }
            columns.push(Column { name: format!("column{}", at + 1), ty, fields });
        }
        Ok(QueryPlan {
            ctes: Vec::new(),
            body: Body::Values(rows),
            columns,
            distinct: None,
            sort: Vec::new(),
            limit: None,
            offset: None,
            with_ties: false,
        })
    }

    fn cte(&mut self, cte: &sqlparser::ast::Cte, recursive: bool) -> Result<CtePlan> {
        let name = fold(&cte.alias.name);
        let id = self.id();
        let rename = |columns: &mut Vec<Column>| -> Result<()> {
            let aliases = &cte.alias.columns;
            if aliases.len() > columns.len() {
                return Err(Error::new(
                    Condition::InvalidColumnReference,
                    format!(
                        "WITH query \"{name}\" has {} columns available but {} columns specified",
                        columns.len(),
                        aliases.len()
                    ),
                ));
            }
            for (column, alias) in columns.iter_mut().zip(aliases) {
                column.name = fold(&alias.name);
            }
            Ok(())
        };
        if recursive
            && let SetExpr::SetOperation { left, op: SetOperator::Union, set_quantifier, right } = &*cte.query.body
            && cte.query.order_by.is_none()
            && cte.query.with.is_none()
        {
            let mut first = self.body(left)?;
            self.settle(&mut first)?;
            let mut columns = first.columns.clone();
            rename(&mut columns)?;
            let height = self.ctes.len();
            self.ctes.push(CteScope { name: name.clone(), id, columns: columns.clone() });
            let mut again = self.body(right)?;
            if again.columns.len() != columns.len() {
                return Err(Error::syntax("each UNION query must have the same number of columns"));
            }
            for (at, (c, r)) in columns.iter().zip(&again.columns).enumerate() {
                let common = coerce::common(&[c.ty, r.ty]).map_err(|types| kind_mismatch("UNION", types))?;
                if !coerce::same(common, c.ty) {
                    return Err(Error::new(
                        Condition::DatatypeMismatch,
                        format!(
                            "recursive query \"{name}\" column {} has type {} in non-recursive term but type {} overall",
                            at + 1,
                            coerce::shown(c.ty),
                            coerce::shown(common)
                        ),
                    )
                    .hint("Cast the output of the non-recursive term to the correct type."));
                }
            }
            let types: Vec<SqlType> = columns.iter().map(|c| c.ty).collect();
            self.convert(&mut again, &types)?;
            self.ctes.truncate(height);
            self.ctes.push(CteScope { name, id, columns });
            let all = matches!(set_quantifier, SetQuantifier::All);
            return Ok(CtePlan { id, plan: first, recursive: Some((again, all)) });
        }
        let mut plan = self.query(&cte.query)?;
        self.settle(&mut plan)?;
        let mut columns = plan.columns.clone();
        rename(&mut columns)?;
        self.ctes.push(CteScope { name, id, columns });
        Ok(CtePlan { id, plan, recursive: None })
    }

    /// Brings an expression to a type, or fails as PostgreSQL does where the place allows no such conversion.
    fn coerce(&mut self, typed: Typed, to: SqlType, asked: Strength) -> Result<Typed> {
        if typed.is_unknown() && to.base == Base::Unknown && !to.array {
            // An argument that may be of any type; a parameter is then a text.
            return if let Node::Param(_) = typed.node { self.coerce(typed, Base::Text.into(), asked) } else { Ok(typed) };
        }
        if typed.is_unknown() {
            return match typed.node {
                Node::Const(value) => {
                    let value = match value.as_str() {
                        Some(text) => {
                            let explicit = asked == Strength::Explicit;
                            cast::modify(cast::input(text, to, self.ctx)?, to, explicit)?
                        }
                        None => super::Datum::Null,
                    };
                    Ok(Typed::constant(value, to))
                }
                Node::Param(index) => {
                    let plain = SqlType { typmod: -1, ..to };
                    match self.params[index] {
                        None => {
                            self.params[index] = Some(plain);
                            let param = Typed::new(Node::Param(index), plain);
                            if to.typmod >= 0 { self.coerce(param, to, asked) } else { Ok(param) }
                        }
                        Some(known) => self.coerce(Typed::new(Node::Param(index), known), to, asked),
                    }
                }
                node => Ok(Typed {
                    node: Node::Cast { arg: Box::new(Typed { node, ..typed }), explicit: true },
                    ty: to,
                    fields: None,
                }),
            };
        }
        if coerce::same(typed.ty, to) && (to.typmod < 0 || to.typmod == typed.ty.typmod) {
            return Ok(typed);
        }
        if !coerce::allowed(typed.ty, to, asked) {
            let (condition, message) = if asked == Strength::Explicit {
                (Condition::CannotCoerce, format!("cannot cast type {} to {}", coerce::shown(typed.ty), coerce::shown(to)))
            } else {
                (Condition::DatatypeMismatch, format!("cannot convert type {} to {}", coerce::shown(typed.ty), coerce::shown(to)))
            };
            return Err(Error::new(condition, message));
        }
        let fields = typed.fields.clone();
        // Arrays of any type have one representation; vectors become arrays without a change of values.
        Ok(Typed { node: Node::Cast { arg: Box::new(typed), explicit: asked == Strength::Explicit }, ty: to, fields })
    }
}

fn order_items(order: &OrderBy) -> Result<&[OrderByExpr]> {
    match &order.kind {
        OrderByKind::Expressions(items) if order.interpolate.is_none() => Ok(items),
        _ => Err(Error::unsupported("ORDER BY ALL is not supported")),
    }
}

fn sort_key(index: usize, item: &OrderByExpr) -> SortKey {
    let descending = item.options.asc == Some(false);
    SortKey { index, descending, nulls_first: item.options.nulls_first.unwrap_or(descending) }
}

/// The output column that an `ORDER BY` or `GROUP BY` item names by number or label.
fn output_position(expr: &Expr, columns: &[Column]) -> Result<Option<usize>> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(text, _) => match text.parse::<usize>() {
                Ok(n) if (1..=columns.len()).contains(&n) => Ok(Some(n - 1)),
                Ok(n) => {
                    Err(Error::new(Condition::InvalidColumnReference, format!("ORDER BY position {n} is not in select list")))
                }
                Err(_) => Err(Error::syntax("non-integer constant in ORDER BY")),
            },
            Value::SingleQuotedString(_) => Err(Error::syntax("non-integer constant in ORDER BY")),
            _ => Ok(None),
        },
        Expr::Identifier(ident) => {
            let name = fold(ident);
            let mut found = columns.iter().enumerate().filter(|(_, c)| c.name == name);
            let first = found.next().map(|(at, _)| at);
            Ok(first)
        }
        Expr::Collate { expr, .. } => output_position(expr, columns),
        _ => Ok(None),
    }
}

/// `DISTINCT` over a select list.
fn plain_distinct() -> Option<Distinct> {
    Some(Distinct::All)
}
