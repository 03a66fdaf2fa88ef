//! `FROM`: tables, subqueries, functions and joins.

use sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, Join, JoinConstraint, JoinOperator, ObjectName, TableAlias, TableFactor, TableWithJoins,
};

use super::scope::{Clause, Scope};
use super::{Analyzer, arrange};
use crate::catalog::pg_catalog;
use crate::error::{Condition, Error, Result};
use crate::evaluate::coerce::{self, Strength};
use crate::evaluate::expr::{Node, Typed};
use crate::evaluate::function::{Function, resolve_result};
use crate::evaluate::plan::{Column, FunctionSource, Item, Source};
use crate::evaluate::type_name::{fold, parts, resolve};
use crate::types::{Base, SqlType};

/// What a part of `FROM` is while it is put together.
pub(super) struct Part {
    pub(super) items: Vec<Item>,
    pub(super) conditions: Vec<Typed>,
    /// Where its columns begin and end.
    range: (usize, usize),
}

impl Analyzer<'_> {
    pub(super) fn frame(&self) -> usize {
        self.scopes.len() - 1
    }

    pub(super) fn scope(&mut self) -> &mut Scope {
        let at = self.scopes.len() - 1;
        &mut self.scopes[at]
    }

    pub(super) fn sources(&mut self, from: &[TableWithJoins]) -> Result<Part> {
        let start = self.scope().width;
        let mut all = Part { items: Vec::new(), conditions: Vec::new(), range: (start, start) };
        for item in from {
            let part = self.joined(item)?;
            all.items.extend(part.items);
            all.conditions.extend(part.conditions);
            all.range.1 = part.range.1;
        }
        Ok(all)
    }

    fn joined(&mut self, from: &TableWithJoins) -> Result<Part> {
        let first_visible = self.scope().visible.len();
        let mut left = self.factor(&from.relation)?;
        for join in &from.joins {
            left = self.join(left, join, first_visible)?;
        }
        Ok(left)
    }

    fn join(&mut self, left: Part, join: &Join, first_visible: usize) -> Result<Part> {
        let split = self.scope().visible.len();
        #[derive(PartialEq)]
        enum Kind {
            Inner,
            Left,
            Right,
            Full,
        }
        let none = JoinConstraint::None;
        let (kind, constraint) = match &join.join_operator {
            JoinOperator::Join(c) | JoinOperator::Inner(c) => (Kind::Inner, c),
            JoinOperator::Left(c) | JoinOperator::LeftOuter(c) => (Kind::Left, c),
            JoinOperator::Right(c) | JoinOperator::RightOuter(c) => (Kind::Right, c),
            JoinOperator::FullOuter(c) => (Kind::Full, c),
            JoinOperator::CrossJoin(_) => (Kind::Inner, &none),
            _ => return Err(Error::unsupported("this form of join is not supported")),
        };
        let right = self.factor(&join.relation)?;
        let mut conditions = Vec::new();
        match constraint {
            JoinConstraint::On(expr) => {
                self.scope().clause = Clause::On;
                // Inside ON only the joined tables are visible; the others of FROM are taken for visible too.
                let condition = self.boolean(expr, "JOIN/ON")?;
                self.scope().clause = Clause::From;
                arrange::conjuncts(condition, &mut conditions);
            }
            JoinConstraint::Using(names) => {
                let names: Vec<String> = names.iter().map(|n| parts(n).pop().unwrap_or_default()).collect();
                self.using(&names, first_visible, split, kind == Kind::Right, kind == Kind::Full, &mut conditions)?;
            }
            JoinConstraint::Natural => {
                let scope = self.scope();
                let names: Vec<String> = scope.visible[first_visible..split]
                    .iter()
                    .filter(|(n, _)| scope.visible[split..].iter().any(|(m, _)| m == n))
                    .map(|(n, _)| n.clone())
                    .collect();
                self.using(&names, first_visible, split, kind == Kind::Right, kind == Kind::Full, &mut conditions)?;
            }
            JoinConstraint::None => {}
        }
        let frame = self.frame();
        let range = (left.range.0, right.range.1);
        match kind {
            Kind::Inner => {
                let mut items = left.items;
                items.extend(right.items);
                let mut all = left.conditions;
                all.extend(right.conditions);
                all.extend(conditions);
                Ok(Part { items, conditions: all, range })
            }
            Kind::Left | Kind::Right => {
                let (outer, inner) = if kind == Kind::Left { (left, right) } else { (right, left) };
                let inner_range = inner.range;
                let outside = move |c: usize| !(inner_range.0..inner_range.1).contains(&c);
                let outer = self.single(outer, frame);
                let inner = self.inner_of_outer(inner, conditions, frame, &outside);
                Ok(self.part(Source::Left(Box::new(outer), Box::new(inner)), range))
            }
            Kind::Full => {
                let (left, right) = (self.single(left, frame), self.single(right, frame));
                Ok(self.part(Source::Full(Box::new(left), Box::new(right), conditions), range))
            }
        }
    }

    fn part(&mut self, source: Source, range: (usize, usize)) -> Part {
        let item = self.item(source, range.0, range.1 - range.0);
        Part { items: vec![item], conditions: Vec::new(), range }
    }

    fn item(&mut self, source: Source, start: usize, width: usize) -> Item {
        Item { source, start, width, filters: Vec::new(), lookup: Vec::new(), id: self.id(), needs: Vec::new() }
    }

    /// One item that stands for a whole part.
    fn single(&mut self, part: Part, frame: usize) -> Item {
        let range = part.range;
        // Columns of other parts may be there: an item that needs them is nested inside.
        let (mut items, rest) = arrange::arrange(part.items, part.conditions, frame, &|c| !(range.0..range.1).contains(&c));
        if items.len() == 1
            && let Some(mut item) = items.pop()
        {
            item.filters.extend(rest);
            return item;
        }
        let mut item = self.item(Source::Inner(items), range.0, range.1 - range.0);
        item.filters = rest;
        item
    }

    /// The optional side of an outer join: the join's conditions help to find its rows.
    fn inner_of_outer(&mut self, part: Part, conditions: Vec<Typed>, frame: usize, outside: &dyn Fn(usize) -> bool) -> Item {
        let range = part.range;
        let mut all = part.conditions;
        all.extend(conditions);
        let (mut items, rest) = arrange::arrange(part.items, all, frame, outside);
        if items.len() == 1
            && let Some(mut item) = items.pop()
        {
            item.filters.extend(rest);
            return item;
        }
        let mut item = self.item(Source::Inner(items), range.0, range.1 - range.0);
        item.filters = rest;
        item
    }

    fn using(
        &mut self,
        names: &[String],
        first: usize,
        split: usize,
        right: bool,
        full: bool,
        out: &mut Vec<Typed>,
    ) -> Result<()> {
        let mut merged = Vec::new();
        for name in names {
            let scope = self.scope();
            let side = |range: &[(String, Typed)], which: &str| -> Result<Typed> {
                let mut found = range.iter().filter(|(n, _)| n == name);
                let one = found.next().ok_or_else(|| {
                    Error::new(
                        Condition::UndefinedColumn,
                        format!("column \"{name}\" specified in USING clause does not exist in {which} table"),
                    )
                })?;
                if found.next().is_some() {
                    return Err(Error::new(
                        Condition::AmbiguousColumn,
                        format!("common column name \"{name}\" appears more than once in {which} table"),
                    ));
                }
                Ok(one.1.clone())
            };
            let l = side(&scope.visible[first..split], "left")?;
            let r = side(&scope.visible[split..], "right")?;
            out.push(self.binary("=", l.clone(), r.clone())?);
            let value = if full {
                let ty = coerce::common(&[l.ty, r.ty]).unwrap_or(l.ty);
                let (l, r) = (self.coerce(l, ty, Strength::Implicit)?, self.coerce(r, ty, Strength::Implicit)?);
                Typed::new(Node::Coalesce(vec![l, r]), ty)
            } else if right {
                r
            } else {
                l
            };
            merged.push((name.clone(), value));
        }
        let scope = self.scope();
        let rest: Vec<(String, Typed)> = scope.visible.drain(first..).filter(|(n, _)| !names.contains(n)).collect();
        scope.visible.extend(merged);
        scope.visible.extend(rest);
        Ok(())
    }

    fn factor(&mut self, factor: &TableFactor) -> Result<Part> {
        match factor {
            TableFactor::Table { name, alias, args: None, with_ordinality: false, sample: None, version: None, .. } => {
                self.table(name, alias.as_ref())
            }
            TableFactor::Table { name, alias, args: Some(args), with_ordinality, .. } => {
                self.function_item(name, &args.args, *with_ordinality, alias.as_ref())
            }
            TableFactor::Function { name, args, with_ordinality, alias, .. } => {
                self.function_item(name, args, *with_ordinality, alias.as_ref())
            }
            TableFactor::UNNEST { alias, array_exprs, with_ordinality, with_offset: false, .. } => {
                let mut calls = Vec::new();
                for array in array_exprs {
                    let arg = self.in_from(|a| a.expr(array))?;
                    calls.push(self.resolve_from_function("unnest", vec![arg])?);
                }
                self.functions(calls, *with_ordinality, alias.as_ref(), "unnest")
            }
            TableFactor::Derived { lateral, subquery, alias, sample: None } => self.derived(*lateral, subquery, alias.as_ref()),
            TableFactor::NestedJoin { table_with_joins, alias: None } => self.deeper(|a| a.joined(table_with_joins)),
            _ => Err(Error::unsupported("this form of FROM item is not supported")),
        }
    }

    fn renamed(columns: &mut [Column], alias: Option<&TableAlias>, name: &str) -> Result<()> {
        let Some(alias) = alias else { return Ok(()) };
        if alias.columns.len() > columns.len() {
            return Err(Error::new(
                Condition::InvalidColumnReference,
                format!("table \"{name}\" has {} columns available but {} columns specified", columns.len(), alias.columns.len()),
            ));
        }
        for (column, alias) in columns.iter_mut().zip(&alias.columns) {
            column.name = fold(&alias.name);
            if let Some(t) = &alias.data_type {
                column.ty = resolve(t)?;
            }
        }
        Ok(())
    }

    /// Names the next columns of the row and makes an item of a source; a catalog has a schema and an identifier.
    fn named(
        &mut self,
        source: Source,
        mut columns: Vec<Column>,
        name: &str,
        alias: Option<&TableAlias>,
        catalog: Option<(&str, u32)>,
        needs: Vec<usize>,
    ) -> Result<Part> {
        let shown = alias.map_or_else(|| name.to_owned(), |a| fold(&a.name));
        Self::renamed(&mut columns, alias, &shown)?;
        let frame = self.frame();
        let start = self.scope().width;
        let schema = if alias.is_some() { None } else { catalog.map(|(schema, _)| schema) };
        self.scope().add(frame, &shown, schema, &columns, catalog.map(|(_, oid)| oid))?;
        let mut part = self.part(source, (start, start + columns.len()));
        part.items[0].needs = needs;
        Ok(part)
    }

    fn table(&mut self, name: &ObjectName, alias: Option<&TableAlias>) -> Result<Part> {
        let names = parts(name);
        let (schema, table) = match names.as_slice() {
            [table] => (None, table.as_str()),
            [schema, table] => (Some(schema.as_str()), table.as_str()),
            [database, schema, table] => {
                if database != self.ctx.env.current_database() {
                    return Err(Error::unsupported(format!(
                        "cross-database references are not implemented: \"{}\"",
                        names.join(".")
                    )));
                }
                (Some(schema.as_str()), table.as_str())
            }
            _ => return Err(Error::syntax("improper qualified name (too many dotted names)")),
        };
        if schema.is_none()
            && let Some(cte) = self.ctes.iter().rev().find(|c| c.name == table)
        {
            let (source, columns) = (Source::Cte(cte.id), cte.columns.clone());
            return self.named(source, columns, table, alias, None, Vec::new());
        }
        let schema_matches = |own: &str| match schema {
            Some(schema) => schema == own,
            None => self.ctx.lookup_path().iter().any(|s| s == own),
        };
        if let Some(found) = pg_catalog::find(schema, table)
            && schema_matches(found.schema)
        {
            let columns = found.columns().iter().map(|c| Column { name: c.name.to_owned(), ty: c.ty, fields: None }).collect();
            return self.named(Source::Table(found), columns, table, alias, Some((found.schema, found.oid)), Vec::new());
        }
        let known =
            self.ctx.relations().iter().any(|r| r.name == table && (schema.is_none() || schema == Some(r.schema.as_str())));
        if known {
            return Err(Error::unsupported(format!("relation \"{table}\" is not a catalog")));
        }
        let shown = schema.map_or_else(|| table.to_owned(), |s| format!("{s}.{table}"));
        Err(Error::new(Condition::UndefinedTable, format!("relation \"{shown}\" does not exist")))
    }

    /// What an item's expressions name of the items beside it.
    fn outer_needs(&self, typed: &[&Typed]) -> Vec<usize> {
        let frame = self.frame();
        let mut needs = Vec::new();
        for t in typed {
            t.columns(frame, &mut |c| needs.push(c));
            if t.has_subquery() {
                // A subquery may name any column that is there.
                needs.extend(0..self.scopes[frame].width);
            }
        }
        needs
    }

    fn derived(&mut self, lateral: bool, query: &sqlparser::ast::Query, alias: Option<&TableAlias>) -> Result<Part> {
        let frame = self.frame();
        self.scope().hidden = !lateral;
        let result = self.subquery(query);
        self.scope().hidden = false;
        let (mut plan, correlated) = result?;
        self.settle(&mut plan)?;
        let columns = plan.columns.clone();
        let needs = if lateral && correlated { (0..self.scopes[frame].width).collect() } else { Vec::new() };
        let name = alias.map_or_else(|| format!("unnamed_subquery\u{1}{}", self.next_id), |a| fold(&a.name));
        if alias.is_none() {
            return Err(Error::syntax("subquery in FROM must have an alias").hint("For example, FROM (SELECT ...) [AS] foo."));
        }
        self.named(Source::Derived(Box::new(plan), correlated), columns, &name, alias, None, needs)
    }

    fn in_from<T>(&mut self, f: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let before = std::mem::replace(&mut self.scope().clause, Clause::From);
        let result = f(self);
        self.scope().clause = before;
        result
    }

    fn function_item(
        &mut self,
        name: &ObjectName,
        args: &[FunctionArg],
        ordinality: bool,
        alias: Option<&TableAlias>,
    ) -> Result<Part> {
        let plain: Result<Vec<&Expr>> = args
            .iter()
            .map(|a| match a {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(e)) => Ok(e),
                _ => Err(Error::unsupported("named arguments are not supported")),
            })
            .collect();
        let plain = plain?;
        let typed = self.in_from(|a| plain.iter().map(|e| a.expr(e)).collect::<Result<Vec<Typed>>>())?;
        let names = parts(name);
        let function = self.function_name(&names)?;
        let call = self.resolve_from_function(&function, typed)?;
        self.functions(vec![call], ordinality, alias, &function)
    }

    fn resolve_from_function(&mut self, name: &str, args: Vec<Typed>) -> Result<(FunctionSource, Vec<Column>)> {
        let single = |ty: SqlType| vec![Column { name: name.to_owned(), ty, fields: None }];
        match self.resolve_function(name, args)? {
            super::call::Resolved::Set(call) => {
                if call.function.columns.is_empty() {
                    let columns = single(call.result);
                    return Ok((FunctionSource::Set(call, false), columns));
                }
                let types: Vec<SqlType> = call.args.iter().map(|a| a.ty).collect();
                let columns = record_columns(call.function, &types)
                    .into_iter()
                    .map(|(name, ty)| Column { name, ty, fields: None })
                    .collect();
                Ok((FunctionSource::Set(call, true), columns))
            }
            super::call::Resolved::Scalar(typed) => {
                let columns = match &typed.fields {
                    Some(fields) => fields.iter().map(|(n, t)| Column { name: n.clone(), ty: *t, fields: None }).collect(),
                    None => single(typed.ty),
                };
                let spread = typed.fields.is_some();
                Ok((FunctionSource::Scalar(typed, spread), columns))
            }
        }
    }

    fn functions(
        &mut self,
        calls: Vec<(FunctionSource, Vec<Column>)>,
        ordinality: bool,
        alias: Option<&TableAlias>,
        name: &str,
    ) -> Result<Part> {
        let mut columns: Vec<Column> = Vec::new();
        let mut sources = Vec::new();
        let mut typed = Vec::new();
        let only = calls.len() == 1;
        for (source, mut own) in calls {
            if only
                && own.len() == 1
                && let Some(alias) = alias
            {
                // A function of one value names its column after the alias.
                own[0].name = fold(&alias.name);
            }
            columns.extend(own);
            match &source {
                FunctionSource::Set(call, _) => typed.extend(call.args.clone()),
                FunctionSource::Scalar(t, _) => typed.push(t.clone()),
            }
            sources.push(source);
        }
        if ordinality {
            columns.push(Column { name: "ordinality".to_owned(), ty: Base::Int8.into(), fields: None });
        }
        let needs = self.outer_needs(&typed.iter().collect::<Vec<_>>());
        self.named(Source::Functions(sources, ordinality), columns, name, alias, None, needs)
    }
}

/// The columns of the records that a function gives.
pub(super) fn record_columns(function: &Function, types: &[SqlType]) -> Vec<(String, SqlType)> {
    let element = types.iter().find_map(|t| crate::evaluate::function::element_of(*t));
    function
        .columns
        .iter()
        .map(|(name, arg)| (name.clone(), resolve_result(*arg, element, types).unwrap_or(Base::Text.into())))
        .collect()
}
