//! Functions and operators: names and arguments to the one that is meant.

use sqlparser::ast::{
    DuplicateTreatment, Expr, Function as AstFunction, FunctionArg, FunctionArgExpr, FunctionArgumentClause, FunctionArguments,
    OrderByExpr, WindowFrameBound, WindowSpec, WindowType,
};

use super::Analyzer;
use super::from::record_columns;
use super::scope::Clause;
use crate::error::{Condition, Error, Result};
use crate::evaluate::coerce;
use crate::evaluate::coerce::Strength;
use crate::evaluate::expr::{Node, Typed};
use crate::evaluate::function::{self, Body, Choice, Function};
use crate::evaluate::plan::{AggregateCall, SetCall, WindowCall};
use crate::evaluate::type_name::{fold, named, parts};
use crate::types::{Base, SqlType};

/// What a call came to.
pub(super) enum Resolved {
    /// A value.
    Scalar(Typed),
    /// Rows.
    Set(SetCall),
}

const CAST_HINT: &str = "No operator matches the given name and argument types. You might need to add explicit type casts.";

impl Analyzer<'_> {
    /// A function's name without the schemas that we keep ours in.
    pub(super) fn function_name(&self, names: &[String]) -> Result<String> {
        match names {
            [name] => Ok(name.clone()),
            [schema, name] if matches!(schema.as_str(), "pg_catalog" | "information_schema") => Ok(name.clone()),
            [schema, name] if self.ctx.schema_oid(schema).is_some() => {
                Err(Error::unsupported(format!("function {schema}.{name} is not known here")))
            }
            [schema, _] => Err(Error::new(Condition::InvalidSchemaName, format!("schema \"{schema}\" does not exist"))),
            _ => Err(Error::syntax("improper qualified name (too many dotted names)")),
        }
    }

    fn coerce_all(&mut self, args: Vec<Typed>, targets: &[SqlType]) -> Result<Vec<Typed>> {
        args.into_iter().zip(targets).map(|(a, t)| self.coerce(a, SqlType { typmod: -1, ..*t }, Strength::Implicit)).collect()
    }

    fn no_function(&self, name: &str, types: &[SqlType]) -> Error {
        if self.ctx.env.functions().iter().any(|f| f.name == name) {
            return Error::unsupported(format!("function {name} belongs to the query engine"));
        }
        let list: Vec<String> = types.iter().map(|t| coerce::shown(*t)).collect();
        Error::new(Condition::UndefinedFunction, format!("function {name}({}) does not exist", list.join(", ")))
            .hint("No function matches the given name and argument types. You might need to add explicit type casts.")
    }

    pub(super) fn choose_function(&mut self, name: &str, args: Vec<Typed>) -> Result<(&'static Function, Vec<Typed>, SqlType)> {
        let types: Vec<SqlType> = args.iter().map(|a| a.ty).collect();
        match function::choose(function::named(name), &types, false) {
            Choice::One(function, targets, result) => Ok((function, self.coerce_all(args, &targets)?, result)),
            Choice::None => Err(self.no_function(name, &types)),
            Choice::Several => {
                let list: Vec<String> = types.iter().map(|t| coerce::shown(*t)).collect();
                Err(Error::new(Condition::AmbiguousFunction, format!("function {name}({}) is not unique", list.join(", ")))
                    .hint("Could not choose a best candidate function. You might need to add explicit type casts."))
            }
        }
    }

    /// A function that is no aggregate. A type's name with one argument is a cast.
    pub(super) fn resolve_function(&mut self, name: &str, args: Vec<Typed>) -> Result<Resolved> {
        if let [only] = args.as_slice()
            && function::named(name).is_empty()
            && let Some(ty) = named(name)
        {
            let arg = only.clone();
            return Ok(Resolved::Scalar(self.coerce(arg, ty, Strength::Explicit)?));
        }
        let (function, args, result) = self.choose_function(name, args)?;
        match function.body {
            Body::Set(_) => Ok(Resolved::Set(SetCall { function, result, args })),
            Body::Scalar(_) => Ok(Resolved::Scalar(Typed::new(Node::Call { function, args }, result))),
            Body::Aggregate(_) => {
                Err(Error::new(Condition::GroupingError, "aggregate functions are not allowed in functions in FROM"))
            }
            Body::Window => Err(Error::new(Condition::WindowingError, format!("window function {name} requires an OVER clause"))),
        }
    }

    /// A call of a function by name with typed arguments, in an expression.
    pub(super) fn invoke(&mut self, name: &str, args: Vec<Typed>) -> Result<Typed> {
        match self.resolve_function(name, args)? {
            Resolved::Scalar(typed) => Ok(typed),
            Resolved::Set(call) => self.set_in_list(call),
        }
    }

    fn set_in_list(&mut self, call: SetCall) -> Result<Typed> {
        let clause = self.scope().clause;
        if !matches!(clause, Clause::Select | Clause::OrderBy | Clause::GroupBy) {
            return Err(Error::unsupported(format!("set-returning functions are not allowed in {}", clause.name())));
        }
        if call.args.iter().any(has_set) {
            return Err(Error::unsupported("nested set-returning functions are not supported"));
        }
        let types: Vec<SqlType> = call.args.iter().map(|a| a.ty).collect();
        let columns = record_columns(call.function, &types);
        let ty = call.result;
        let scope = self.scope();
        scope.sets.push(call);
        let at = scope.sets.len() - 1;
        Ok(Typed { node: Node::Set(at), ty, fields: (!columns.is_empty()).then(|| std::sync::Arc::new(columns)) })
    }

    /// A call as written.
    pub(super) fn function(&mut self, call: &AstFunction) -> Result<Typed> {
        let names = parts(&call.name);
        let name = self.function_name(&names)?;
        if !matches!(call.parameters, FunctionArguments::None) || call.null_treatment.is_some() {
            return Err(Error::unsupported("this form of function call is not supported"));
        }
        if !call.within_group.is_empty() {
            return Err(Error::unsupported(format!("ordered-set aggregate {name} is not supported here")));
        }
        let mut exprs: Vec<&Expr> = Vec::new();
        let mut star = false;
        let distinct;
        let mut order: &[OrderByExpr] = &[];
        let mut whole_rows = Vec::new();
        match &call.args {
            FunctionArguments::None => {
                // CURRENT_DATE and its like have no parentheses.
                return self.keyword_function(&name);
            }
            FunctionArguments::Subquery(query) if name == "array" => return self.array_of(query),
            FunctionArguments::Subquery(_) => return Err(Error::unsupported("this form of function call is not supported")),
            FunctionArguments::List(list) => {
                distinct = matches!(list.duplicate_treatment, Some(DuplicateTreatment::Distinct));
                for clause in &list.clauses {
                    match clause {
                        FunctionArgumentClause::OrderBy(items) => order = items,
                        _ => return Err(Error::unsupported("this form of function call is not supported")),
                    }
                }
                for arg in &list.args {
                    match arg {
                        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => exprs.push(expr),
                        FunctionArg::Unnamed(FunctionArgExpr::Wildcard) => star = true,
                        FunctionArg::Unnamed(FunctionArgExpr::QualifiedWildcard(name)) => whole_rows.push(name.clone()),
                        FunctionArg::Named { .. } | FunctionArg::ExprNamed { .. } if name == "make_interval" => {
                            return self.make_interval(&list.args);
                        }
                        _ => return Err(Error::unsupported("named arguments are not supported")),
                    }
                }
            }
        }
        if matches!(name.as_str(), "localtimestamp" | "current_timestamp" | "localtime" | "current_time") && exprs.len() == 1 {
            let moment = self.keyword_function(&name)?;
            let Expr::Value(value) = exprs[0] else { return Err(Error::syntax("syntax error in precision")) };
            let digits = value.value.to_string().parse::<i32>().unwrap_or(6).clamp(0, 6);
            let ty = moment.ty.with_typmod(digits);
            return self.coerce(moment, ty, Strength::Explicit);
        }
        if names.len() == 1 && !star && exprs.is_empty() && is_keyword_function(&name) {
            return self.keyword_function(&name);
        }
        if names.len() == 1
            && let Some(special) = self.special(&name, &exprs)?
        {
            return Ok(special);
        }
        let candidates = function::named(&name);
        let is_aggregate = candidates.iter().any(|f| matches!(f.body, Body::Aggregate(_)));
        let is_window = candidates.iter().any(|f| matches!(f.body, Body::Window));
        if !is_aggregate && !is_window {
            if call.over.is_some() {
                if candidates.is_empty() {
                    return Err(Error::unsupported(format!("window function {name} is not supported here")));
                }
                return Err(Error::new(
                    Condition::WrongObjectType,
                    format!("OVER specified, but {name} is not a window function nor an aggregate function"),
                ));
            }
            if distinct || !order.is_empty() || call.filter.is_some() || star {
                if candidates.is_empty() {
                    return Err(self.no_function(&name, &[]));
                }
                return Err(Error::new(Condition::WrongObjectType, format!("{name} is not an aggregate function")));
            }
            let mut args = exprs.iter().map(|e| self.expr(e)).collect::<Result<Vec<Typed>>>()?;
            for row in &whole_rows {
                args.push(self.whole_row(row)?);
            }
            return self.invoke(&name, args);
        }
        self.aggregate(&name, &exprs, star, distinct, order, call)
    }

    fn aggregate(
        &mut self,
        name: &str,
        exprs: &[&Expr],
        star: bool,
        distinct: bool,
        order: &[OrderByExpr],
        call: &AstFunction,
    ) -> Result<Typed> {
        let clause = self.scope().clause;
        let windowed = call.over.is_some();
        if windowed && !matches!(clause, Clause::Select | Clause::OrderBy) {
            return Err(Error::new(Condition::WindowingError, format!("window functions are not allowed in {}", clause.name())));
        }
        if !windowed && !matches!(clause, Clause::Select | Clause::OrderBy | Clause::Having | Clause::Window) {
            let message = match clause {
                Clause::Aggregate => "aggregate function calls cannot be nested".to_owned(),
                other => format!("aggregate functions are not allowed in {}", other.name()),
            };
            return Err(Error::new(Condition::GroupingError, message));
        }
        // An aggregate of a window function's call may stand inside it; an aggregate inside an aggregate may not.
        self.scope().clause = if windowed { Clause::Window } else { Clause::Aggregate };
        let result = self.aggregate_parts(name, exprs, star, distinct, order, call);
        self.scope().clause = clause;
        let (aggregate, over) = result?;
        let ty = aggregate.result;
        let fields = aggregate.args.first().and_then(|a| a.fields.clone()).filter(|_| ty.base == Base::Record && !ty.array);
        let scope = self.scope();
        let node = match over {
            Some((partition, order)) => {
                scope.windows.push(WindowCall { call: aggregate, partition, order });
                Node::Window(scope.windows.len() - 1)
            }
            None => {
                scope.aggregates.push(aggregate);
                Node::Aggregate(scope.aggregates.len() - 1)
            }
        };
        Ok(Typed { node, ty, fields })
    }

    #[allow(clippy::type_complexity)]
    fn aggregate_parts(
        &mut self,
        name: &str,
        exprs: &[&Expr],
        star: bool,
        distinct: bool,
        order: &[OrderByExpr],
        call: &AstFunction,
    ) -> Result<(AggregateCall, Option<(Vec<Typed>, Vec<(Typed, bool, bool)>)>)> {
        if exprs.is_empty() && !star && name == "count" {
            return Err(Error::new(
                Condition::WrongObjectType,
                "count(*) must be used to call a parameterless aggregate function",
            ));
        }
        let args = exprs.iter().map(|e| self.expr(e)).collect::<Result<Vec<Typed>>>()?;
        let (function, args, result) = self.choose_function(name, args)?;
        let filter = call.filter.as_ref().map(|f| self.boolean(f, "FILTER")).transpose()?;
        let order = self.order_list(order)?;
        if distinct && order.iter().any(|(o, ..)| !args.contains(o)) {
            return Err(Error::new(
                Condition::InvalidColumnReference,
                "in an aggregate with DISTINCT, ORDER BY expressions must appear in argument list",
            ));
        }
        let aggregate = AggregateCall { function, result, args, distinct, order, filter };
        let over = match &call.over {
            None => {
                if matches!(function.body, Body::Window) {
                    return Err(Error::new(Condition::WindowingError, format!("window function {name} requires an OVER clause")));
                }
                None
            }
            Some(WindowType::NamedWindow(window)) => {
                let window = fold(window);
                let found = self.scope().named_windows.iter().find(|(n, _)| *n == window).map(|(_, s)| s.clone());
                let spec =
                    found.ok_or_else(|| Error::new(Condition::UndefinedObject, format!("window \"{window}\" does not exist")))?;
                Some(self.window(&spec)?)
            }
            Some(WindowType::WindowSpec(spec)) => Some(self.window(spec)?),
        };
        Ok((aggregate, over))
    }

    #[allow(clippy::type_complexity)]
    fn window(&mut self, spec: &WindowSpec) -> Result<(Vec<Typed>, Vec<(Typed, bool, bool)>)> {
        if spec.window_name.is_some() {
            return Err(Error::unsupported("windows that refine others are not supported here"));
        }
        if let Some(frame) = &spec.window_frame {
            let default = frame.units == sqlparser::ast::WindowFrameUnits::Range
                && matches!(frame.start_bound, WindowFrameBound::Preceding(None))
                && matches!(frame.end_bound, None | Some(WindowFrameBound::CurrentRow));
            if !default {
                return Err(Error::unsupported("window frames are not supported here"));
            }
        }
        let partition = spec.partition_by.iter().map(|e| self.expr(e)).collect::<Result<Vec<Typed>>>()?;
        Ok((partition, self.order_list(&spec.order_by)?))
    }

    fn order_list(&mut self, items: &[OrderByExpr]) -> Result<Vec<(Typed, bool, bool)>> {
        items
            .iter()
            .map(|item| {
                let typed = self.expr(&item.expr)?;
                let typed = if typed.is_unknown() { self.coerce(typed, Base::Text.into(), Strength::Implicit)? } else { typed };
                let descending = item.options.asc == Some(false);
                Ok((typed, descending, item.options.nulls_first.unwrap_or(descending)))
            })
            .collect()
    }

    /// A binary operator on typed operands.
    pub(super) fn binary(&mut self, symbol: &str, left: Typed, right: Typed) -> Result<Typed> {
        let types = [left.ty, right.ty];
        match function::choose(function::operator(symbol), &types, true) {
            Choice::One(function, targets, result) => {
                let args = self.coerce_all(vec![left, right], &targets)?;
                Ok(Typed::new(Node::Call { function, args }, result))
            }
            Choice::None => Err(Error::new(
                Condition::UndefinedFunction,
                format!("operator does not exist: {} {symbol} {}", coerce::shown(types[0]), coerce::shown(types[1])),
            )
            .hint(CAST_HINT)),
            Choice::Several => Err(Error::new(
                Condition::AmbiguousFunction,
                format!("operator is not unique: {} {symbol} {}", coerce::shown(types[0]), coerce::shown(types[1])),
            )
            .hint("Could not choose a best candidate operator. You might need to add explicit type casts.")),
        }
    }

    /// A prefix operator.
    pub(super) fn unary(&mut self, symbol: &str, arg: Typed) -> Result<Typed> {
        let types = [arg.ty];
        match function::choose(function::operator(symbol), &types, true) {
            Choice::One(function, targets, result) => {
                let args = self.coerce_all(vec![arg], &targets)?;
                Ok(Typed::new(Node::Call { function, args }, result))
            }
            Choice::None => Err(Error::new(
                Condition::UndefinedFunction,
                format!("operator does not exist: {symbol} {}", coerce::shown(types[0])),
            )
            .hint("No operator matches the given name and argument type. You might need to add an explicit type cast.")),
            Choice::Several => Err(Error::new(
                Condition::AmbiguousFunction,
                format!("operator is not unique: {symbol} {}", coerce::shown(types[0])),
            )
            .hint("Could not choose a best candidate operator. You might need to add explicit type casts.")),
        }
    }
}

fn has_set(typed: &Typed) -> bool {
    if matches!(typed.node, Node::Set(_)) {
        return true;
    }
    let mut found = false;
    typed.children(&mut |c| found |= has_set(c));
    found
}

/// Functions that are called without parentheses.
pub(super) fn is_keyword_function(name: &str) -> bool {
    matches!(
        name,
        "current_date"
            | "current_time"
            | "current_timestamp"
            | "localtime"
            | "localtimestamp"
            | "current_user"
            | "session_user"
            | "user"
            | "current_role"
            | "current_catalog"
            | "current_schema"
    )
}
