//! `SELECT`: its list, its groups and its order.

use sqlparser::ast::{
    self, Expr, GroupByExpr, NamedWindowExpr, OrderBy, Select, SelectItem, SelectItemQualifiedWildcardKind, Value,
    WildcardAdditionalOptions,
};

use super::scope::{Clause, Scope};
use super::{Analyzer, arrange, order_items, output_position, plain_distinct, sort_key};
use crate::error::{Condition, Error, Result};
use crate::evaluate::coerce;
use crate::evaluate::coerce::Strength;
use crate::evaluate::expr::{Node, Typed};
use crate::evaluate::label::label;
use crate::evaluate::plan::{Body, Column, Distinct, Grouping, QueryPlan, SelectPlan};
use crate::evaluate::type_name::{fold, parts};
use crate::types::Base;

impl Analyzer<'_> {
    pub(super) fn select(&mut self, select: &Select, order: Option<&OrderBy>) -> Result<QueryPlan> {
        if select.into.is_some()
            || select.top.is_some()
            || select.prewhere.is_some()
            || select.qualify.is_some()
            || select.exclude.is_some()
            || select.value_table_mode.is_some()
            || !select.lateral_views.is_empty()
            || !select.connect_by.is_empty()
            || !select.cluster_by.is_empty()
            || !select.distribute_by.is_empty()
            || !select.sort_by.is_empty()
            || select.flavor != ast::SelectFlavor::Standard
        {
            return Err(Error::unsupported("this form of SELECT is not supported"));
        }
        self.scopes.push(Scope::new());
        let result = self.deeper(|a| a.select_inner(select, order));
        self.scopes.pop();
        result
    }

    fn select_inner(&mut self, select: &Select, order: Option<&OrderBy>) -> Result<QueryPlan> {
        let frame = self.frame();
        let from = self.sources(&select.from)?;
        for ast::NamedWindowDefinition(name, definition) in &select.named_window {
            let NamedWindowExpr::WindowSpec(spec) = definition else {
                return Err(Error::unsupported("this form of WINDOW is not supported"));
            };
            let name = fold(name);
            self.scope().named_windows.push((name, spec.clone()));
        }
        let mut conditions = from.conditions;
        if let Some(selection) = &select.selection {
            self.scope().clause = Clause::Where;
            let condition = self.boolean(selection, "WHERE")?;
            arrange::conjuncts(condition, &mut conditions);
        }
        self.scope().clause = Clause::Select;
        let mut columns = Vec::new();
        let mut output = Vec::new();
        for item in &select.projection {
            self.select_item(item, &mut columns, &mut output)?;
        }
        let visible = output.len();
        self.scope().clause = Clause::GroupBy;
        let keys = self.group_keys(&select.group_by, select, &columns, &output)?;
        let having = match &select.having {
            Some(having) => {
                self.scope().clause = Clause::Having;
                Some(self.boolean(having, "HAVING")?)
            }
            None => None,
        };
        self.scope().clause = Clause::OrderBy;
        let mut sort = Vec::new();
        let plain_distinct_list = matches!(select.distinct, Some(ast::Distinct::Distinct));
        for item in order.map_or(Ok(&[][..]), order_items)? {
            let index = self.order_index(&item.expr, &columns, &mut output)?;
            if plain_distinct_list && index >= visible {
                return Err(Error::new(
                    Condition::InvalidColumnReference,
                    "for SELECT DISTINCT, ORDER BY expressions must appear in select list",
                ));
            }
            sort.push(sort_key(index, item));
        }
        let distinct = match &select.distinct {
            None | Some(ast::Distinct::All) => None,
            Some(ast::Distinct::Distinct) => plain_distinct(),
            Some(ast::Distinct::On(exprs)) => {
                let mut on = Vec::new();
                for expr in exprs {
                    on.push(self.order_index(expr, &columns, &mut output)?);
                }
                for key in sort.iter().take(on.len()) {
                    if !on.contains(&key.index) {
                        return Err(Error::new(
                            Condition::InvalidColumnReference,
                            "SELECT DISTINCT ON expressions must match initial ORDER BY expressions",
                        ));
                    }
                }
                Some(Distinct::On(on))
            }
        };
        // What is sorted by or compared needs a type at last.
        for (at, typed) in output.iter_mut().enumerate() {
            let needed = sort.iter().any(|k| k.index == at) || distinct.is_some();
            if needed && typed.is_unknown() {
                let old = std::mem::replace(typed, Typed::constant(crate::evaluate::Datum::Null, Base::Text));
                *typed = self.coerce(old, Base::Text.into(), Strength::Implicit)?;
                if let Some(column) = columns.get_mut(at) {
                    let column: &mut Column = column;
                    column.ty = Base::Text.into();
                }
            }
        }
        let scope = self.scope();
        let width = scope.width;
        let aggregates = std::mem::take(&mut scope.aggregates);
        let windows = std::mem::take(&mut scope.windows);
        let sets = std::mem::take(&mut scope.sets);
        let grouped = !keys.is_empty() || !aggregates.is_empty() || having.is_some();
        if grouped {
            let windowed =
                windows.iter().flat_map(|w| w.partition.iter().chain(w.order.iter().map(|(t, ..)| t)).chain(&w.call.args));
            for typed in output.iter().chain(having.as_ref()).chain(windowed).chain(sets.iter().flat_map(|s| &s.args)) {
                self.check_grouped(typed, &keys)?;
            }
        }
        let grouping = grouped.then_some(Grouping { keys, aggregates, having });
        let (items, filters) = arrange::arrange(from.items, conditions, frame, &|_| false);
        Ok(QueryPlan {
            ctes: Vec::new(),
            body: Body::Select(Box::new(SelectPlan { frame, width, from: items, filters, grouping, windows, sets, output })),
            columns,
            distinct,
            sort,
            limit: None,
            offset: None,
            with_ties: false,
        })
    }

    fn order_index(&mut self, expr: &Expr, columns: &[Column], output: &mut Vec<Typed>) -> Result<usize> {
        if let Some(index) = output_position(expr, columns)? {
            return Ok(index);
        }
        let typed = self.expr(expr)?;
        if let Some(same) = output.iter().position(|o| *o == typed) {
            return Ok(same);
        }
        output.push(typed);
        Ok(output.len() - 1)
    }

    fn select_item(&mut self, item: &SelectItem, columns: &mut Vec<Column>, output: &mut Vec<Typed>) -> Result<()> {
        let mut push = |name: String, typed: Typed| {
            columns.push(Column { name, ty: typed.ty, fields: typed.fields.clone() });
            output.push(typed);
        };
        match item {
            SelectItem::UnnamedExpr(expr) => {
                let typed = self.expr(expr)?;
                push(label(expr), typed);
            }
            SelectItem::ExprWithAlias { expr, alias } => {
                let typed = self.expr(expr)?;
                push(fold(alias), typed);
            }
            SelectItem::Wildcard(options) => {
                plain_wildcard(options)?;
                let scope = self.scope();
                if scope.tables.is_empty() {
                    return Err(Error::syntax("SELECT * with no tables specified is not valid"));
                }
                for (name, typed) in scope.visible.clone() {
                    push(name, typed);
                }
            }
            SelectItem::QualifiedWildcard(kind, options) => {
                plain_wildcard(options)?;
                match kind {
                    SelectItemQualifiedWildcardKind::ObjectName(name) => {
                        let names = parts(name);
                        let (schema, table) = match names.as_slice() {
                            [table] => (None, table),
                            [.., schema, table] => (Some(schema.as_str()), table),
                            [] => return Err(Error::syntax("improper qualified name")),
                        };
                        let found = self.scopes.iter().rev().find_map(|s| s.table(schema, table)).ok_or_else(|| {
                            Error::new(Condition::UndefinedTable, format!("missing FROM-clause entry for table \"{table}\""))
                        })?;
                        for (name, typed) in found.columns.clone() {
                            push(name, typed);
                        }
                    }
                    SelectItemQualifiedWildcardKind::Expr(expr) => {
                        let typed = self.expr(expr)?;
                        let fields = typed.fields.clone().ok_or_else(|| {
                            Error::new(Condition::WrongObjectType, format!("type {} is not composite", coerce::shown(typed.ty)))
                        })?;
                        for (index, (name, ty)) in fields.iter().enumerate() {
                            push(name.clone(), Typed::new(Node::Field { arg: Box::new(typed.clone()), index }, *ty));
                        }
                    }
                }
            }
            SelectItem::ExprWithAliases { .. } => {
                return Err(Error::unsupported("several aliases of one expression are not supported"));
            }
        }
        Ok(())
    }

    fn group_keys(
        &mut self,
        group_by: &GroupByExpr,
        select: &Select,
        columns: &[Column],
        output: &[Typed],
    ) -> Result<Vec<Typed>> {
        let exprs = match group_by {
            GroupByExpr::Expressions(exprs, modifiers) if modifiers.is_empty() => exprs,
            GroupByExpr::Expressions(..) | GroupByExpr::All(_) => {
                return Err(Error::unsupported("this form of GROUP BY is not supported"));
            }
        };
        let mut keys = Vec::new();
        for expr in exprs {
            match expr {
                Expr::GroupingSets(_) | Expr::Cube(_) | Expr::Rollup(_) => {
                    return Err(Error::unsupported("grouping sets are not supported here"));
                }
                Expr::Tuple(parts) => {
                    for part in parts {
                        keys.push(self.expr(part)?);
                    }
                    continue;
                }
                Expr::Value(value) if matches!(value.value, Value::Number(..)) => {
                    let at = output_position(expr, columns)
                        .map_err(|e| Error { message: e.message.replace("ORDER BY", "GROUP BY"), ..e })?;
                    keys.push(
                        at.and_then(|i| output.get(i).cloned())
                            .ok_or_else(|| Error::syntax("non-integer constant in GROUP BY"))?,
                    );
                    continue;
                }
                Expr::Identifier(ident) => {
                    // A column of FROM goes before a label of the select list.
                    let name = fold(ident);
                    let is_column = self.scope().column(&name).ok().flatten().is_some();
                    if !is_column
                        && let Some(at) = columns.iter().position(|c| c.name == name)
                        && select.projection.len() == columns.len()
                    {
                        keys.push(output[at].clone());
                        continue;
                    }
                }
                _ => {}
            }
            keys.push(self.expr(expr)?);
        }
        for key in &keys {
            if has_aggregate(key) {
                return Err(Error::new(Condition::GroupingError, "aggregate functions are not allowed in GROUP BY"));
            }
        }
        Ok(keys)
    }

    /// Fails with `42803` where a column stands outside of the group's keys.
    fn check_grouped(&self, typed: &Typed, keys: &[Typed]) -> Result<()> {
        if keys.contains(typed) {
            return Ok(());
        }
        let frame = self.frame();
        if let Node::Column { frame: of, index } = typed.node {
            if of != frame {
                return Ok(());
            }
            let scope = &self.scopes[frame];
            let is = |t: &Typed| matches!(t.node, Node::Column { frame: f, index: i } if f == frame && i == index);
            let owner = scope.tables.iter().find(|t| t.columns.iter().any(|(_, c)| is(c)));
            if let Some(owner) = owner {
                // A catalog's oid decides all of its row.
                let decided = owner.oid.is_some() && owner.columns.iter().any(|(n, c)| n == "oid" && keys.contains(c));
                if decided {
                    return Ok(());
                }
                let column = owner.columns.iter().find(|(_, c)| is(c)).map_or("", |(n, _)| n.as_str());
                return Err(Error::new(
                    Condition::GroupingError,
                    format!(
                        "column \"{}.{column}\" must appear in the GROUP BY clause or be used in an aggregate function",
                        owner.name
                    ),
                ));
            }
        }
        let mut result = Ok(());
        typed.children(&mut |child| {
            if result.is_ok() {
                result = self.check_grouped(child, keys);
            }
        });
        result
    }
}

fn has_aggregate(typed: &Typed) -> bool {
    if matches!(typed.node, Node::Aggregate(_)) {
        return true;
    }
    let mut found = false;
    typed.children(&mut |c| found |= has_aggregate(c));
    found
}

fn plain_wildcard(options: &WildcardAdditionalOptions) -> Result<()> {
    let plain = options.opt_ilike.is_none()
        && options.opt_exclude.is_none()
        && options.opt_except.is_none()
        && options.opt_replace.is_none()
        && options.opt_rename.is_none();
    if plain { Ok(()) } else { Err(Error::unsupported("options of * are not supported")) }
}
