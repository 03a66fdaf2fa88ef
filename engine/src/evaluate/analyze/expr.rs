//! Expressions.

use std::sync::Arc;

use sqlparser::ast::{
    AccessExpr, BinaryOperator, CastKind, CeilFloorKind, DateTimeField, Expr, FunctionArg, FunctionArgExpr, Ident, Interval,
    ObjectName, Query, Subscript, TrimWhereField, UnaryOperator, Value,
};

use super::scope::Scope;
use super::{Analyzer, kind_mismatch};
use crate::error::{Condition, Error, Result};
use crate::evaluate::coerce::{self, Strength};
use crate::evaluate::datum::Datum;
use crate::evaluate::expr::{Comparison, Node, Subquery, Typed};
use crate::evaluate::function::{self, Choice, element_of};
use crate::evaluate::type_name::{fold, parts, resolve};
use crate::types::numeric::Numeric;
use crate::types::{Base, SqlType};

fn text(value: impl Into<Arc<str>>) -> Typed {
    Typed::constant(Datum::text(value), Base::Text)
}

fn unknown(value: impl Into<Arc<str>>) -> Typed {
    Typed::constant(Datum::text(value), Base::Unknown)
}

impl Analyzer<'_> {
    /// A condition; `what` names its place in the error where it is none.
    pub(super) fn boolean(&mut self, expr: &Expr, what: &str) -> Result<Typed> {
        let typed = self.expr(expr)?;
        self.as_boolean(typed, what)
    }

    fn as_boolean(&mut self, typed: Typed, what: &str) -> Result<Typed> {
        if typed.is_unknown() || (typed.ty.base == Base::Bool && !typed.ty.array) {
            return self.coerce(typed, Base::Bool.into(), Strength::Implicit);
        }
        Err(Error::new(
            Condition::DatatypeMismatch,
            format!("argument of {what} must be type boolean, not type {}", coerce::shown(typed.ty)),
        ))
    }

    pub(super) fn expr(&mut self, expr: &Expr) -> Result<Typed> {
        self.deeper(|a| a.expr_inner(expr))
    }

    fn boxed(&mut self, expr: &Expr) -> Result<Box<Typed>> {
        self.expr(expr).map(Box::new)
    }

    fn expr_inner(&mut self, expr: &Expr) -> Result<Typed> {
        match expr {
            Expr::Identifier(ident) => self.identifier(ident),
            Expr::CompoundIdentifier(idents) => self.compound(&idents.iter().map(fold).collect::<Vec<_>>()),
            Expr::CompoundFieldAccess { root, access_chain } => self.access(root, access_chain),
            Expr::Nested(inner) => self.expr(inner),
            Expr::Collate { expr, collation } => self.collate(expr, collation),
            Expr::Value(value) => self.value(&value.value),
            Expr::TypedString(typed) => {
                let ty = resolve(&typed.data_type)?;
                let text =
                    string_of(&typed.value.value).ok_or_else(|| Error::syntax("a string is expected behind a type's name"))?;
                self.coerce(unknown(text), ty, Strength::Explicit)
            }
            Expr::Interval(interval) => self.interval(interval),
            Expr::Cast { kind, expr, data_type, format: None, .. } => {
                if !matches!(kind, CastKind::Cast | CastKind::DoubleColon) {
                    return Err(Error::unsupported("TRY_CAST is not supported"));
                }
                let ty = resolve(data_type)?;
                let typed = match (&**expr, ty.array) {
                    (Expr::Array(array), true) => self.array(&array.elem, Some(SqlType { array: false, ..ty }))?,
                    _ => self.expr(expr)?,
                };
                self.coerce(typed, ty, Strength::Explicit)
            }
            Expr::BinaryOp { left, op, right } => self.binary_op(left, op, right),
            Expr::UnaryOp { op, expr } => self.unary_op(op, expr),
            Expr::IsNull(inner) => self.is_null(inner, false),
            Expr::IsNotNull(inner) => self.is_null(inner, true),
            Expr::IsTrue(inner) => self.is_bool(inner, Some(true), false, "IS TRUE"),
            Expr::IsNotTrue(inner) => self.is_bool(inner, Some(true), true, "IS NOT TRUE"),
            Expr::IsFalse(inner) => self.is_bool(inner, Some(false), false, "IS FALSE"),
            Expr::IsNotFalse(inner) => self.is_bool(inner, Some(false), true, "IS NOT FALSE"),
            Expr::IsUnknown(inner) => self.is_bool(inner, None, false, "IS UNKNOWN"),
            Expr::IsNotUnknown(inner) => self.is_bool(inner, None, true, "IS NOT UNKNOWN"),
            Expr::IsDistinctFrom(left, right) => self.distinct(left, right, false),
            Expr::IsNotDistinctFrom(left, right) => self.distinct(left, right, true),
            Expr::InList { expr, list, negated } => self.in_list(expr, list, *negated),
            Expr::InSubquery { expr, subquery, negated } => {
                let found = self.any_all_of(expr, &BinaryOperator::Eq, subquery, false)?;
                Ok(negate_if(found, *negated))
            }
            Expr::Between { expr, negated, low, high } => {
                let (value, low, high) = (self.expr(expr)?, self.expr(low)?, self.expr(high)?);
                let from = self.binary(">=", value.clone(), low)?;
                let to = self.binary("<=", value, high)?;
                Ok(negate_if(Typed::new(Node::And(vec![from, to]), Base::Bool), *negated))
            }
            Expr::Like { negated, any: false, expr, pattern, escape_char } => {
                let escape = escape_char.as_ref().and_then(|e| string_of(&e.value));
                self.like(expr, pattern, escape, if *negated { "!~~" } else { "~~" })
            }
            Expr::ILike { negated, any: false, expr, pattern, escape_char } => {
                let escape = escape_char.as_ref().and_then(|e| string_of(&e.value));
                self.like(expr, pattern, escape, if *negated { "!~~*" } else { "~~*" })
            }
            Expr::SimilarTo { negated, expr, pattern, escape_char } => {
                let (value, pattern) = (self.expr(expr)?, self.expr(pattern)?);
                let mut args = vec![pattern];
                args.extend(escape_char.as_ref().and_then(|e| string_of(&e.value)).map(text));
                let regex = self.invoke("similar_to_escape", args)?;
                self.binary(if *negated { "!~" } else { "~" }, value, regex)
            }
            Expr::AnyOp { left, compare_op, right, .. } => self.any_all(left, compare_op, right, false),
            Expr::AllOp { left, compare_op, right } => self.any_all(left, compare_op, right, true),
            Expr::AtTimeZone { timestamp, time_zone } => {
                let (value, zone) = (self.expr(timestamp)?, self.expr(time_zone)?);
                self.invoke("timezone", vec![zone, value])
            }
            Expr::Extract { field, expr, .. } => {
                let value = self.expr(expr)?;
                self.invoke("extract", vec![text(field_name(field)), value])
            }
            Expr::Ceil { expr, field } => self.rounding("ceil", expr, field),
            Expr::Floor { expr, field } => self.rounding("floor", expr, field),
            Expr::Position { expr, r#in } => {
                let (what, within) = (self.expr(expr)?, self.expr(r#in)?);
                self.invoke("position", vec![within, what])
            }
            Expr::Substring { expr, substring_from, substring_for, .. } => {
                let mut args = vec![self.expr(expr)?];
                match (substring_from, substring_for) {
                    (Some(from), length) => {
                        args.push(self.expr(from)?);
                        if let Some(length) = length {
                            args.push(self.expr(length)?);
                        }
                    }
                    (None, Some(length)) => {
                        args.push(Typed::constant(Datum::Int4(1), Base::Int4));
                        args.push(self.expr(length)?);
                    }
                    (None, None) => {}
                }
                self.invoke("substring", args)
            }
            Expr::Trim { trim_where, trim_what, expr, trim_characters } => {
                let name = match trim_where {
                    Some(TrimWhereField::Leading) => "ltrim",
                    Some(TrimWhereField::Trailing) => "rtrim",
                    Some(TrimWhereField::Both) | None => "btrim",
                };
                let mut args = vec![self.expr(expr)?];
                for what in trim_what.iter().map(|w| &**w).chain(trim_characters.iter().flatten()) {
                    args.push(self.expr(what)?);
                }
                self.invoke(name, args)
            }
            Expr::Overlay { expr, overlay_what, overlay_from, overlay_for } => {
                let mut args = vec![self.expr(expr)?, self.expr(overlay_what)?, self.expr(overlay_from)?];
                if let Some(length) = overlay_for {
                    args.push(self.expr(length)?);
                }
                self.invoke("overlay", args)
            }
            Expr::Function(call) => self.function(call),
            Expr::Case { operand, conditions, else_result, .. } => {
                self.case(operand.as_deref(), conditions, else_result.as_deref())
            }
            Expr::Exists { subquery, negated } => {
                let query = self.nested(subquery, None)?.0;
                Ok(negate_if(Typed::new(Node::Exists(query), Base::Bool), *negated))
            }
            Expr::Subquery(query) => {
                let (query, column) = self.nested(query, Some(1))?;
                Ok(Typed { node: Node::Scalar(query), ty: column.ty, fields: column.fields })
            }
            Expr::Tuple(items) => {
                let items = items.iter().map(|e| self.expr(e)).collect::<Result<Vec<Typed>>>()?;
                self.row(items)
            }
            Expr::Array(array) => self.array(&array.elem, None),
            _ => Err(Error::unsupported(format!("this form of expression is not supported: {expr}"))),
        }
    }

    fn row(&mut self, items: Vec<Typed>) -> Result<Typed> {
        let items = items
            .into_iter()
            .map(|i| if i.is_unknown() { self.coerce(i, Base::Text.into(), Strength::Implicit) } else { Ok(i) })
            .collect::<Result<Vec<Typed>>>()?;
        let fields = items.iter().enumerate().map(|(i, t)| (format!("f{}", i + 1), t.ty)).collect();
        Ok(Typed { node: Node::Row(items), ty: Base::Record.into(), fields: Some(Arc::new(fields)) })
    }

    fn value(&mut self, value: &Value) -> Result<Typed> {
        Ok(match value {
            Value::Number(digits, _) => number(digits)?,
            Value::Boolean(b) => Typed::constant(Datum::Bool(*b), Base::Bool),
            Value::Null => Typed::constant(Datum::Null, Base::Unknown),
            Value::Placeholder(name) => return self.param(name),
            other => match string_of(other) {
                Some(text) => unknown(text),
                None => return Err(Error::unsupported(format!("this form of literal is not supported: {other}"))),
            },
        })
    }

    fn param(&mut self, name: &str) -> Result<Typed> {
        let number: usize = name
            .strip_prefix('$')
            .and_then(|n| n.parse().ok())
            .filter(|n| (1..=65_535).contains(n))
            .ok_or_else(|| Error::new(Condition::UndefinedParameter, format!("there is no parameter {name}")))?;
        if self.params.len() < number {
            self.params.resize(number, None);
        }
        let ty = self.params[number - 1].filter(|t| t.base != Base::Unknown).unwrap_or(Base::Unknown.into());
        Ok(Typed::new(Node::Param(number - 1), ty))
    }

    fn identifier(&mut self, ident: &Ident) -> Result<Typed> {
        let name = fold(ident);
        if ident.quote_style.is_none() && super::call::is_keyword_function(&name) {
            return self.keyword_function(&name);
        }
        for at in (0..self.scopes.len()).rev() {
            let scope = &self.scopes[at];
            if scope.hidden {
                continue;
            }
            if let Some(found) = scope.column(&name)? {
                self.lowest = self.lowest.min(at);
                return Ok(found);
            }
        }
        for at in (0..self.scopes.len()).rev() {
            if let Some(row) = self.table_row(at, None, &name) {
                return Ok(row);
            }
        }
        Err(Error::new(Condition::UndefinedColumn, format!("column \"{name}\" does not exist")))
    }

    fn table_row(&mut self, at: usize, schema: Option<&str>, name: &str) -> Option<Typed> {
        let scope = &self.scopes[at];
        let table = if scope.hidden { None } else { scope.table(schema, name) }?;
        let items: Vec<Typed> = table.columns.iter().map(|(_, t)| t.clone()).collect();
        let fields = table.columns.iter().map(|(n, t)| (n.clone(), t.ty)).collect();
        self.lowest = self.lowest.min(at);
        Some(Typed { node: Node::Row(items), ty: Base::Record.into(), fields: Some(Arc::new(fields)) })
    }

    /// `t.*` as an argument.
    pub(super) fn whole_row(&mut self, name: &ObjectName) -> Result<Typed> {
        let names = parts(name);
        let (schema, table) = match names.as_slice() {
            [table] => (None, table.as_str()),
            [.., schema, table] => (Some(schema.as_str()), table.as_str()),
            [] => (None, ""),
        };
        for at in (0..self.scopes.len()).rev() {
            if let Some(row) = self.table_row(at, schema, table) {
                return Ok(row);
            }
        }
        Err(Error::new(Condition::UndefinedTable, format!("missing FROM-clause entry for table \"{table}\"")))
    }

    fn compound(&mut self, names: &[String]) -> Result<Typed> {
        let (schema, table, column) = match names {
            [column] => return self.identifier(&Ident::with_quote('"', column.clone())),
            [table, column] => (None, table, column),
            [schema, table, column] => (Some(schema.as_str()), table, column),
            [_, schema, table, column] => (Some(schema.as_str()), table, column),
            _ => return Err(Error::syntax("improper qualified name (too many dotted names)")),
        };
        for at in (0..self.scopes.len()).rev() {
            let scope = &self.scopes[at];
            if scope.hidden {
                continue;
            }
            let Some(found) = scope.table(schema, table) else { continue };
            let typed = Scope::qualified(found, column)?
                .ok_or_else(|| Error::new(Condition::UndefinedColumn, format!("column {table}.{column} does not exist")))?;
            self.lowest = self.lowest.min(at);
            return Ok(typed);
        }
        if let [first, second] = names {
            // A column of a composite type, as in `(x).n` without the parentheses: only where it is one.
            let ident = Ident::with_quote('"', first.clone());
            if let Ok(typed) = self.identifier(&ident)
                && typed.fields.is_some()
            {
                return self.field(typed, second);
            }
        }
        let hint = self.scopes.iter().any(|s| s.hidden && s.table(schema, table).is_some());
        let error = if hint {
            Error::new(Condition::UndefinedTable, format!("invalid reference to FROM-clause entry for table \"{table}\"")).hint(
                format!("There is an entry for table \"{table}\", but it cannot be referenced from this part of the query."),
            )
        } else {
            Error::new(Condition::UndefinedTable, format!("missing FROM-clause entry for table \"{table}\""))
        };
        Err(error)
    }

    fn field(&mut self, typed: Typed, name: &str) -> Result<Typed> {
        let Some(fields) = typed.fields.clone() else {
            return Err(Error::new(
                Condition::WrongObjectType,
                format!("column notation .{name} applied to type {}, which is not a composite type", coerce::shown(typed.ty)),
            ));
        };
        let index = fields.iter().position(|(n, _)| n == name).ok_or_else(|| {
            Error::new(Condition::UndefinedColumn, format!("could not identify column \"{name}\" in record data type"))
        })?;
        if let Node::Row(items) = typed.node {
            return items.into_iter().nth(index).ok_or_else(|| Error::internal("a row lacks a field"));
        }
        Ok(Typed::new(Node::Field { arg: Box::new(typed), index }, fields[index].1))
    }

    fn access(&mut self, root: &Expr, chain: &[AccessExpr]) -> Result<Typed> {
        let mut names = match root {
            Expr::Identifier(ident) => vec![fold(ident)],
            Expr::CompoundIdentifier(idents) => idents.iter().map(fold).collect(),
            _ => Vec::new(),
        };
        let mut rest = chain;
        let mut typed = if names.is_empty() {
            self.expr(root)?
        } else {
            while let [AccessExpr::Dot(Expr::Identifier(ident)), tail @ ..] = rest {
                names.push(fold(ident));
                rest = tail;
            }
            self.compound(&names)?
        };
        for access in rest {
            typed = match access {
                AccessExpr::Dot(Expr::Identifier(ident)) => self.field(typed, &fold(ident))?,
                AccessExpr::Dot(_) => return Err(Error::unsupported("this form of field access is not supported")),
                AccessExpr::Subscript(subscript) => self.subscript(typed, subscript)?,
            };
        }
        Ok(typed)
    }

    fn bound(&mut self, expr: &Expr) -> Result<Typed> {
        let typed = self.expr(expr)?;
        self.coerce(typed, Base::Int4.into(), Strength::Assignment)
    }

    fn subscript(&mut self, typed: Typed, subscript: &Subscript) -> Result<Typed> {
        let Some(element) = element_of(typed.ty) else {
            return Err(Error::new(
                Condition::DatatypeMismatch,
                format!("cannot subscript type {} because it does not support subscripting", coerce::shown(typed.ty)),
            ));
        };
        let array = SqlType { array: true, ..element };
        match subscript {
            Subscript::Index { index } => {
                let index = Box::new(self.bound(index)?);
                Ok(Typed { fields: typed.fields.clone(), node: Node::Subscript { arg: Box::new(typed), index }, ty: element })
            }
            Subscript::Slice { lower_bound, upper_bound, stride: None } => {
                let lower = lower_bound.as_ref().map(|b| self.bound(b).map(Box::new)).transpose()?;
                let upper = upper_bound.as_ref().map(|b| self.bound(b).map(Box::new)).transpose()?;
                Ok(Typed::new(Node::Slice { arg: Box::new(typed), lower, upper }, array))
            }
            Subscript::Slice { .. } => Err(Error::unsupported("slices with a stride are not supported")),
        }
    }

    fn collate(&mut self, expr: &Expr, collation: &ObjectName) -> Result<Typed> {
        let typed = self.expr(expr)?;
        let name = parts(collation).pop().unwrap_or_default();
        if !matches!(
            name.as_str(),
            "default" | "C" | "POSIX" | "C.UTF-8" | "C.utf8" | "ucs_basic" | "en_US" | "en_US.utf8" | "en-x-icu"
        ) {
            return Err(Error::new(
                Condition::UndefinedObject,
                format!("collation \"{name}\" for encoding \"UTF8\" does not exist"),
            ));
        }
        if typed.is_unknown() { self.coerce(typed, Base::Text.into(), Strength::Implicit) } else { Ok(typed) }
    }

    fn interval(&mut self, interval: &Interval) -> Result<Typed> {
        let Expr::Value(value) = &*interval.value else {
            return Err(Error::syntax("a string is expected behind INTERVAL"));
        };
        let mut text = string_of(&value.value).ok_or_else(|| Error::syntax("a string is expected behind INTERVAL"))?;
        let mut cut = None;
        if let Some(field) = &interval.leading_field {
            let last = interval.last_field.as_ref();
            let unit = field_name(last.unwrap_or(field));
            if text.trim().parse::<f64>().is_ok() {
                text = format!("{text} {unit}");
            }
            cut = Some(unit);
        }
        let mut typed = self.coerce(unknown(text), Base::Interval.into(), Strength::Explicit)?;
        if let (Some(unit), Node::Const(Datum::Interval(v))) = (cut, &mut typed.node) {
            // Fields behind the last one that is named are dropped.
            let keep_us = |unit: i64| v.us / unit * unit;
            match unit.as_str() {
                "year" => (v.months, v.days, v.us) = (v.months / 12 * 12, 0, 0),
                "month" => (v.days, v.us) = (0, 0),
                "day" => v.us = 0,
                "hour" => v.us = keep_us(3_600_000_000),
                "minute" => v.us = keep_us(60_000_000),
                _ => {}
            }
        }
        Ok(typed)
    }

    fn is_null(&mut self, inner: &Expr, negated: bool) -> Result<Typed> {
        let arg = self.boxed(inner)?;
        Ok(Typed::new(Node::IsNull { arg, negated }, Base::Bool))
    }

    fn is_bool(&mut self, inner: &Expr, value: Option<bool>, negated: bool, what: &str) -> Result<Typed> {
        let arg = Box::new(self.boolean(inner, what)?);
        Ok(Typed::new(Node::IsBool { arg, value, negated }, Base::Bool))
    }

    fn distinct(&mut self, left: &Expr, right: &Expr, negated: bool) -> Result<Typed> {
        let (left, right) = (self.expr(left)?, self.expr(right)?);
        let equal = self.binary("=", left, right)?;
        let Node::Call { args, .. } = &equal.node else { return Err(Error::internal("an operator is no call")) };
        let (left, right) = (Box::new(args[0].clone()), Box::new(args[1].clone()));
        Ok(Typed::new(Node::Distinct { equal: Box::new(equal.clone()), left, right, negated }, Base::Bool))
    }

    /// How `left op element` compares, and what brings the left side and the elements to the operator.
    fn comparison(&mut self, symbol: &str, left: SqlType, right: SqlType) -> Result<Comparison> {
        match function::choose(function::operator(symbol), &[left, right], true) {
            Choice::One(operator, targets, result) if result.base == Base::Bool => {
                Ok(Comparison { operator, left: (left, targets[0]), right: (right, targets[1]) })
            }
            Choice::One(..) => {
                Err(Error::new(Condition::WrongObjectType, "op ANY/ALL (array) requires operator to yield boolean"))
            }
            Choice::None | Choice::Several => Err(Error::new(
                Condition::UndefinedFunction,
                format!("operator does not exist: {} {symbol} {}", coerce::shown(left), coerce::shown(right)),
            )
            .hint("No operator matches the given name and argument types. You might need to add explicit type casts.")),
        }
    }

    fn in_list(&mut self, expr: &Expr, list: &[Expr], negated: bool) -> Result<Typed> {
        if let Expr::Tuple(left) = expr {
            let mut any = Vec::new();
            for item in list {
                let Expr::Tuple(right) = item else { return Err(Error::unsupported("IN over rows needs rows")) };
                any.push(self.row_compare("=", left, right)?);
            }
            return Ok(negate_if(Typed::new(Node::Or(any), Base::Bool), negated));
        }
        let left = self.expr(expr)?;
        let items = list.iter().map(|e| self.expr(e)).collect::<Result<Vec<Typed>>>()?;
        let types: Vec<SqlType> = items.iter().map(|i| i.ty).chain([left.ty]).collect();
        let found = match coerce::common(&types) {
            Ok(common) => {
                let common = SqlType { typmod: -1, ..common };
                let items =
                    items.into_iter().map(|i| self.coerce(i, common, Strength::Implicit)).collect::<Result<Vec<Typed>>>()?;
                let left = if left.is_unknown() { self.coerce(left, common, Strength::Implicit)? } else { left };
                let comparison = self.comparison("=", left.ty, common)?;
                let items = items
                    .into_iter()
                    .map(|i| self.coerce(i, comparison.right.1, Strength::Implicit))
                    .collect::<Result<Vec<Typed>>>()?;
                let left = self.coerce(left, comparison.left.1, Strength::Implicit)?;
                Typed::new(Node::In { left: Box::new(left), list: items, comparison }, Base::Bool)
            }
            Err(_) => {
                let any = items.into_iter().map(|i| self.binary("=", left.clone(), i)).collect::<Result<Vec<Typed>>>()?;
                Typed::new(Node::Or(any), Base::Bool)
            }
        };
        Ok(negate_if(found, negated))
    }

    fn row_compare(&mut self, symbol: &str, left: &[Expr], right: &[Expr]) -> Result<Typed> {
        if left.len() != right.len() {
            return Err(Error::syntax("unequal number of entries in row expressions"));
        }
        let mut pairs = Vec::new();
        for (l, r) in left.iter().zip(right) {
            let (l, r) = (self.expr(l)?, self.expr(r)?);
            pairs.push((l, r));
        }
        match symbol {
            "=" | "<>" => {
                let parts = pairs.into_iter().map(|(l, r)| self.binary(symbol, l, r)).collect::<Result<Vec<Typed>>>()?;
                Ok(Typed::new(if symbol == "=" { Node::And(parts) } else { Node::Or(parts) }, Base::Bool))
            }
            _ => {
                // (a, b) < (c, d): the first pair that differs decides.
                let strict = symbol.trim_end_matches('=');
                let mut result: Option<Typed> = None;
                for (l, r) in pairs.into_iter().rev() {
                    let before = self.binary(if result.is_none() { symbol } else { strict }, l.clone(), r.clone())?;
                    result = Some(match result {
                        None => before,
                        Some(rest) => {
                            let same = self.binary("=", l, r)?;
                            let then = Typed::new(Node::And(vec![same, rest]), Base::Bool);
                            Typed::new(Node::Or(vec![before, then]), Base::Bool)
                        }
                    });
                }
                result.ok_or_else(|| Error::syntax("cannot compare rows of zero length"))
            }
        }
    }

    fn like(&mut self, expr: &Expr, pattern: &Expr, escape: Option<String>, symbol: &str) -> Result<Typed> {
        let (value, pattern) = (self.expr(expr)?, self.expr(pattern)?);
        let pattern = match escape {
            Some(escape) => self.invoke("like_escape", vec![pattern, text(escape)])?,
            None => pattern,
        };
        self.binary(symbol, value, pattern)
    }

    fn any_all(&mut self, left: &Expr, op: &BinaryOperator, right: &Expr, all: bool) -> Result<Typed> {
        let mut inner = right;
        while let Expr::Nested(nested) = inner {
            inner = nested;
        }
        if let Expr::Subquery(query) = inner {
            return self.any_all_of(left, op, query, all);
        }
        let symbol = symbol(op)?;
        let left = self.expr(left)?;
        let array = self.expr(right)?;
        let array = if array.is_unknown() {
            // A literal or a parameter is an array of what stands on the left.
            let element = if left.is_unknown() { Base::Text.into() } else { left.ty };
            let element = if element.array { element_of(element).unwrap_or(element) } else { element };
            let base = if element.base == Base::Varchar { Base::Text } else { element.base };
            self.coerce(array, SqlType::array(base), Strength::Implicit)?
        } else {
            array
        };
        let element = element_of(array.ty)
            .ok_or_else(|| Error::new(Condition::WrongObjectType, "op ANY/ALL (array) requires array on right side"))?;
        let comparison = self.comparison(&symbol, left.ty, element)?;
        let left = Box::new(self.coerce(left, comparison.left.1, Strength::Implicit)?);
        Ok(Typed::new(Node::AnyAll { left, array: Box::new(array), comparison, all }, Base::Bool))
    }

    fn any_all_of(&mut self, left: &Expr, op: &BinaryOperator, query: &Query, all: bool) -> Result<Typed> {
        let symbol = symbol(op)?;
        let mut inner = left;
        while let Expr::Nested(nested) = inner {
            inner = nested;
        }
        let left: Vec<Typed> = match inner {
            Expr::Tuple(items) => items.iter().map(|e| self.expr(e)).collect::<Result<_>>()?,
            other => vec![self.expr(other)?],
        };
        let (mut plan, correlated) = self.subquery(query)?;
        self.settle(&mut plan)?;
        if plan.columns.len() != left.len() {
            let what = if plan.columns.len() > left.len() { "many" } else { "few" };
            return Err(Error::syntax(format!("subquery has too {what} columns")));
        }
        let mut comparisons = Vec::new();
        let mut values = Vec::new();
        for (typed, column) in left.into_iter().zip(&plan.columns) {
            let comparison = self.comparison(&symbol, typed.ty, column.ty)?;
            values.push(self.coerce(typed, comparison.left.1, Strength::Implicit)?);
            comparisons.push(comparison);
        }
        let query = Subquery { plan: Arc::new(plan), id: self.id(), correlated };
        Ok(Typed::new(Node::AnyAllOf { left: values, query, comparisons, all }, Base::Bool))
    }

    fn nested(&mut self, query: &Query, width: Option<usize>) -> Result<(Subquery, crate::evaluate::plan::Column)> {
        let (mut plan, correlated) = self.subquery(query)?;
        self.settle(&mut plan)?;
        if width.is_some_and(|w| plan.columns.len() != w) {
            return Err(Error::syntax("subquery must return only one column"));
        }
        let column = plan.columns.first().cloned().unwrap_or(crate::evaluate::plan::Column {
            name: String::new(),
            ty: Base::Text.into(),
            fields: None,
        });
        Ok((Subquery { plan: Arc::new(plan), id: self.id(), correlated }, column))
    }

    fn array(&mut self, elements: &[Expr], want: Option<SqlType>) -> Result<Typed> {
        let items = elements.iter().map(|e| self.expr(e)).collect::<Result<Vec<Typed>>>()?;
        if items.is_empty() && want.is_none() {
            return Err(Error::new(Condition::IndeterminateDatatype, "cannot determine type of empty array")
                .hint("Explicitly cast to the desired type, for example ARRAY[]::integer[]."));
        }
        let types: Vec<SqlType> = items.iter().map(|i| i.ty).collect();
        let (element, strength) = match want {
            Some(want) => (want, Strength::Explicit),
            None => (coerce::common(&types).map_err(|t| kind_mismatch("ARRAY", t))?, Strength::Implicit),
        };
        if element.array {
            return Err(Error::unsupported("multidimensional arrays are not supported"));
        }
        let fields = items.first().and_then(|i| i.fields.clone());
        let items = items.into_iter().map(|i| self.coerce(i, element, strength)).collect::<Result<Vec<Typed>>>()?;
        Ok(Typed { node: Node::Array(items), ty: SqlType { array: true, ..element }, fields })
    }

    fn case(
        &mut self,
        operand: Option<&Expr>,
        conditions: &[sqlparser::ast::CaseWhen],
        otherwise: Option<&Expr>,
    ) -> Result<Typed> {
        let operand = operand.map(|o| self.expr(o)).transpose()?;
        let mut whens = Vec::new();
        for case in conditions {
            let when = match &operand {
                Some(operand) => {
                    let value = self.expr(&case.condition)?;
                    self.binary("=", operand.clone(), value)?
                }
                None => self.boolean(&case.condition, "CASE/WHEN")?,
            };
            whens.push((when, self.expr(&case.result)?));
        }
        let default = otherwise.map(|e| self.expr(e)).transpose()?;
        let types: Vec<SqlType> = default.iter().map(|d| d.ty).chain(whens.iter().map(|(_, t)| t.ty)).collect();
        let ty = coerce::common(&types).map_err(|t| kind_mismatch("CASE", t))?;
        let fields = whens.iter().find_map(|(_, t)| t.fields.clone());
        let whens = whens
            .into_iter()
            .map(|(when, then)| Ok((when, self.coerce(then, ty, Strength::Implicit)?)))
            .collect::<Result<Vec<_>>>()?;
        let default = default.map(|d| self.coerce(d, ty, Strength::Implicit).map(Box::new)).transpose()?;
        Ok(Typed { node: Node::Case { whens, default }, ty, fields })
    }

    fn rounding(&mut self, name: &str, expr: &Expr, field: &CeilFloorKind) -> Result<Typed> {
        if !matches!(field, CeilFloorKind::DateTimeField(DateTimeField::NoDateTime)) {
            return Err(Error::unsupported(format!("this form of {name} is not supported")));
        }
        let value = self.expr(expr)?;
        self.invoke(name, vec![value])
    }

    fn unary_op(&mut self, op: &UnaryOperator, expr: &Expr) -> Result<Typed> {
        if let (UnaryOperator::Minus, Expr::Value(value)) = (op, expr)
            && let Value::Number(digits, _) = &value.value
        {
            // The least bigint has no positive counterpart.
            return number(&format!("-{digits}"));
        }
        let symbol = match op {
            UnaryOperator::Not => {
                let arg = self.boolean(expr, "NOT")?;
                return Ok(Typed::new(Node::Not(Box::new(arg)), Base::Bool));
            }
            UnaryOperator::Minus => "-",
            UnaryOperator::Plus => "+",
            UnaryOperator::BitwiseNot => "~",
            UnaryOperator::PGAbs => "@",
            UnaryOperator::PGSquareRoot => "|/",
            UnaryOperator::PGCubeRoot => "||/",
            _ => return Err(Error::unsupported(format!("operator {op} is not supported"))),
        };
        let arg = self.expr(expr)?;
        self.unary(symbol, arg)
    }

    fn binary_op(&mut self, left: &Expr, op: &BinaryOperator, right: &Expr) -> Result<Typed> {
        // A chain leans to the left: it is walked, not descended into, so that its length is no depth.
        let mut chain = vec![(op, right)];
        let mut first = left;
        while let Expr::BinaryOp { left, op, right } = first {
            chain.push((op, right));
            first = left;
            if chain.len() > 5_000 {
                return Err(Error::new(Condition::StatementTooComplex, "stack depth limit exceeded"));
            }
        }
        if chain.len() > 400 && !chain.iter().all(|(op, _)| *op == &BinaryOperator::And || *op == &BinaryOperator::Or) {
            let plain = chain.iter().filter(|(op, _)| !matches!(op, BinaryOperator::And | BinaryOperator::Or)).count();
            if plain > 400 {
                return Err(Error::new(Condition::StatementTooComplex, "stack depth limit exceeded"));
            }
        }
        let (op, right) = chain.pop().unwrap_or((op, right));
        let mut result = self.one_binary(first, None, op, right)?;
        while let Some((op, right)) = chain.pop() {
            result = self.one_binary(first, Some(result), op, right)?;
        }
        Ok(result)
    }

    /// One operator; its left side is `done` where that is analyzed already.
    fn one_binary(&mut self, left: &Expr, done: Option<Typed>, op: &BinaryOperator, right: &Expr) -> Result<Typed> {
        if let BinaryOperator::And | BinaryOperator::Or = op {
            let what = if *op == BinaryOperator::And { "AND" } else { "OR" };
            let left = match done {
                Some(done) => self.as_boolean(done, what)?,
                None => self.boolean(left, what)?,
            };
            let right = self.boolean(right, what)?;
            return Ok(match (op, left.node) {
                (BinaryOperator::And, Node::And(mut parts)) => {
                    parts.push(right);
                    Typed::new(Node::And(parts), Base::Bool)
                }
                (BinaryOperator::Or, Node::Or(mut parts)) => {
                    parts.push(right);
                    Typed::new(Node::Or(parts), Base::Bool)
                }
                (BinaryOperator::And, node) => {
                    Typed::new(Node::And(vec![Typed { node, ..Typed::constant(Datum::Null, Base::Bool) }, right]), Base::Bool)
                }
                (_, node) => {
                    Typed::new(Node::Or(vec![Typed { node, ..Typed::constant(Datum::Null, Base::Bool) }, right]), Base::Bool)
                }
            });
        }
        if *op == BinaryOperator::Overlaps {
            let (Expr::Tuple(a), Expr::Tuple(b)) = (left, right) else {
                return Err(Error::syntax("OVERLAPS needs two pairs"));
            };
            let args = a.iter().chain(b).map(|e| self.expr(e)).collect::<Result<Vec<Typed>>>()?;
            return self.invoke("overlaps", args);
        }
        let symbol = symbol(op)?;
        if done.is_none()
            && let (Expr::Tuple(l), Expr::Tuple(r)) = (left, right)
            && matches!(symbol.as_str(), "=" | "<>" | "<" | "<=" | ">" | ">=")
        {
            return self.row_compare(&symbol, l, r);
        }
        let left = match done {
            Some(done) => done,
            None => self.expr(left)?,
        };
        let right = self.expr(right)?;
        self.binary(&symbol, left, right)
    }

    /// `CURRENT_DATE` and its like.
    pub(super) fn keyword_function(&mut self, name: &str) -> Result<Typed> {
        let now = self.invoke("now", Vec::new())?;
        match name {
            "current_timestamp" => Ok(now),
            "localtimestamp" => self.coerce(now, Base::Timestamp.into(), Strength::Explicit),
            "current_date" => self.coerce(now, Base::Date.into(), Strength::Explicit),
            "localtime" => self.coerce(now, Base::Time.into(), Strength::Explicit),
            "current_time" => Err(Error::unsupported("type time with time zone is not supported")),
            "current_user" | "current_role" | "user" => self.invoke("current_user", Vec::new()),
            "current_catalog" => {
                let name = self.invoke("current_database", Vec::new())?;
                Ok(name)
            }
            other => self.invoke(other, Vec::new()),
        }
    }

    /// What looks like a function and is part of the grammar.
    pub(super) fn special(&mut self, name: &str, exprs: &[&Expr]) -> Result<Option<Typed>> {
        let extreme = match name {
            "coalesce" => None,
            "greatest" => Some(true),
            "least" => Some(false),
            "nullif" => {
                let [left, right] = exprs else { return Ok(None) };
                let (left, right) = (self.expr(left)?, self.expr(right)?);
                let equal = self.binary("=", left, right)?;
                let Node::Call { args, .. } = &equal.node else { return Ok(None) };
                let value = args[0].clone();
                let ty = value.ty;
                return Ok(Some(Typed::new(Node::NullIf { equal: Box::new(equal.clone()), value: Box::new(value) }, ty)));
            }
            "row" => {
                let items = exprs.iter().map(|e| self.expr(e)).collect::<Result<Vec<Typed>>>()?;
                return self.row(items).map(Some);
            }
            "array" => {
                let [Expr::Subquery(query)] = exprs else { return Ok(None) };
                return self.array_of(query).map(Some);
            }
            _ => return Ok(None),
        };
        let items = exprs.iter().map(|e| self.expr(e)).collect::<Result<Vec<Typed>>>()?;
        if items.is_empty() {
            return Err(Error::syntax("syntax error at or near \")\""));
        }
        let types: Vec<SqlType> = items.iter().map(|i| i.ty).collect();
        let ty = coerce::common(&types).map_err(|t| kind_mismatch(&name.to_uppercase(), t))?;
        let fields = items.iter().find_map(|i| i.fields.clone());
        let args = items.into_iter().map(|i| self.coerce(i, ty, Strength::Implicit)).collect::<Result<Vec<Typed>>>()?;
        let node = match extreme {
            None => Node::Coalesce(args),
            Some(greatest) => Node::Extreme { args, greatest },
        };
        Ok(Some(Typed { node, ty, fields }))
    }

    /// `ARRAY(SELECT …)`
    pub(super) fn array_of(&mut self, query: &Query) -> Result<Typed> {
        let (query, column) = self.nested(query, Some(1))?;
        if column.ty.array {
            return Err(Error::unsupported("multidimensional arrays are not supported"));
        }
        Ok(Typed { node: Node::ArrayOf(query), ty: SqlType { array: true, typmod: -1, ..column.ty }, fields: None })
    }

    /// `make_interval(days => 1)`
    pub(super) fn make_interval(&mut self, args: &[FunctionArg]) -> Result<Typed> {
        const NAMES: [&str; 7] = ["years", "months", "weeks", "days", "hours", "mins", "secs"];
        let mut values: Vec<Typed> = (0..7).map(|_| Typed::constant(Datum::Int4(0), Base::Int4)).collect();
        for (at, arg) in args.iter().enumerate() {
            let (at, expr) = match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => (Some(at), expr),
                FunctionArg::Named { name, arg: FunctionArgExpr::Expr(expr), .. } => {
                    let name = fold(name);
                    (NAMES.iter().position(|n| *n == name), expr)
                }
                FunctionArg::ExprNamed { name: Expr::Identifier(name), arg: FunctionArgExpr::Expr(expr), .. } => {
                    let name = fold(name);
                    (NAMES.iter().position(|n| *n == name), expr)
                }
                _ => return Err(Error::unsupported("named arguments are not supported")),
            };
            let slot = at.and_then(|i| values.get_mut(i)).map(|_| at.unwrap_or(0)).ok_or_else(|| {
                Error::new(Condition::UndefinedFunction, "function make_interval does not have such an argument")
            })?;
            values[slot] = self.expr(expr)?;
        }
        self.invoke("make_interval", values)
    }
}

#[path = "expr_literal.rs"]
mod literal;

use literal::{field_name, negate_if, number, string_of, symbol};
