//! Our rules among DataFusion's analyzer rules, and why each stands where it does.
//!
//! 1. [`OpenLiterals`], before type coercion: quoted literals in IN lists and BETWEEN take the type of what they are
//!    compared with; coercion would turn the column into text instead.
//! 2. DataFusion's `ResolveGroupingFunction` and `TypeCoercion`.
//! 3. [`CheckedArithmetic`], after coercion: both operands have one type by now.
//! 4. [`SplitAverages`]: `avg` becomes `sum` and `count`, whose arguments are coerced already; variances likewise.
//! 5. [`ShownDigits`], last: what is computed from quotients shows as many digits as they do.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::functions_aggregate::count::count_udaf;
use datafusion::logical_expr::expr::{AggregateFunction, Alias, BinaryExpr, ScalarFunction};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::logical_plan::Aggregate;
use datafusion::logical_expr::{AggregateUDF, Expr, ExprSchemable, LogicalPlan, Operator, Projection, ScalarUDF};
use datafusion::optimizer::analyzer::{Analyzer, AnalyzerRule};

use super::planner::{cast_call, is_unknown, literal_type, no_operator, type_of};
use crate::error::{Condition, Error};
use crate::function::arithmetic::{self, Operation};
use crate::function::average::{Average, Mean};
use crate::function::cast::PgCast;
use crate::function::error::wrap;
use crate::function::spread::{self, OfSums, Spread};
use crate::function::sum::Sum;
use crate::types::{QUOTIENT_KEY, SqlType};

/// DataFusion's analyzer rules with ours among them.
pub fn analyzer_rules() -> Vec<Arc<dyn AnalyzerRule + Send + Sync>> {
    let mut rules: Vec<Arc<dyn AnalyzerRule + Send + Sync>> = vec![Arc::new(OpenLiterals::new())];
    rules.extend(Analyzer::new().rules);
    rules.push(Arc::new(CheckedArithmetic));
    rules.push(Arc::new(SplitAverages));
    rules.push(Arc::new(ShownDigits));
    rules
}

/// Rewrites the expressions of every node, in subqueries too, keeping output names.
fn rewrite_expressions(
    plan: LogicalPlan,
    rewrite: impl Fn(Expr, &datafusion::common::DFSchema) -> Result<Transformed<Expr>>,
) -> Result<LogicalPlan> {
    plan.transform_up_with_subqueries(|plan| {
        let mut schema = datafusion::common::DFSchema::empty();
        for input in plan.inputs() {
            schema.merge(input.schema());
        }
        if let LogicalPlan::TableScan(scan) = &plan {
            schema
                .merge(&datafusion::common::DFSchema::try_from_qualified_schema(scan.table_name.clone(), &scan.source.schema())?);
        }
        let names = NamePreserver::new(&plan);
        let rewritten = plan.map_expressions(|expr| {
            let saved = names.save(&expr);
            let rewritten = expr.transform_up(|e| rewrite(e, &schema))?;
            Ok(rewritten.update_data(|e| saved.restore(e)))
        })?;
        if rewritten.transformed { Ok(Transformed::yes(rewritten.data.recompute_schema()?)) } else { Ok(rewritten) }
    })
    .map(|t| t.data)
}

/// What values are brought to before they are compared, where DataFusion would choose otherwise than PostgreSQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Alike {
    /// Floats beside numerics.
    Double,
    /// Moments without a time zone beside such that have one.
    Zoned,
    /// Intervals, by how long they are.
    Span,
}

fn comparable(types: [&DataType; 3]) -> Option<Alike> {
    let any = |test: fn(&DataType) -> bool| types.iter().any(|t| test(t));
    if types.iter().all(|t| matches!(t, DataType::Interval(_))) {
        Some(Alike::Span)
    } else if any(|t| t.is_floating()) && any(|t| matches!(t, DataType::Decimal128(..) | DataType::Decimal256(..))) {
        Some(Alike::Double)
    } else if any(|t| matches!(t, DataType::Timestamp(_, Some(_))))
        && any(|t| matches!(t, DataType::Timestamp(_, None) | DataType::Date32))
    {
        Some(Alike::Zoned)
    } else {
        None
    }
}

/// Rule 1.
#[derive(Debug)]
struct OpenLiterals {
    cast: Arc<ScalarUDF>,
}

impl OpenLiterals {
    fn new() -> Self {
        Self { cast: Arc::new(ScalarUDF::from(PgCast::new())) }
    }

    fn brought(&self, expr: Expr, from: &DataType, alike: Alike) -> Expr {
        match alike {
            Alike::Double if from == &DataType::Float64 => expr,
            Alike::Double => Expr::Cast(datafusion::logical_expr::Cast::new(Box::new(expr), DataType::Float64)),
            Alike::Zoned if matches!(from, DataType::Timestamp(_, Some(_))) => expr,
            Alike::Zoned => cast_call(&self.cast, expr, crate::types::Base::Timestamptz.into()),
            Alike::Span => {
                let span = Arc::new(ScalarUDF::from(crate::function::span::Span::new()));
                Expr::ScalarFunction(ScalarFunction::new_udf(span, vec![expr]))
            }
        }
    }

    fn literal(&self, expr: Expr, beside: SqlType) -> Result<Expr> {
        if !is_unknown(&expr) {
            return Ok(expr);
        }
        Ok(match literal_type(beside) {
            Some(to) => cast_call(&self.cast, expr, to),
            None => expr,
        })
    }
}

impl AnalyzerRule for OpenLiterals {
    fn name(&self) -> &str {
        "open_literals"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        rewrite_expressions(plan, |expr, schema| match expr {
            Expr::InList(mut list) => {
                let Ok(beside) = list.expr.get_type(schema) else { return Ok(Transformed::no(Expr::InList(list))) };
                let settled = type_of(&list.expr, schema)?;
                let numeric = |e: &Expr| e.get_type(schema).is_ok_and(|t| matches!(t, DataType::Decimal128(..)));
                if beside.is_floating() && list.list.iter().any(numeric) {
                    // As in PostgreSQL, a float beside numerics is a double precision, and so are they.
                    let wide = |e: Expr| Expr::Cast(datafusion::logical_expr::Cast::new(Box::new(e), DataType::Float64));
                    list.expr = Box::new(wide(*list.expr));
                    list.list = list.list.into_iter().map(wide).collect();
                    return Ok(Transformed::yes(Expr::InList(list)));
                }
                let zoned = |t: &DataType| matches!(t, DataType::Timestamp(_, Some(_)));
                let mixed = |e: &Expr| e.get_type(schema).is_ok_and(|t| t.is_temporal() && zoned(&t) != zoned(&beside));
                if matches!(beside, DataType::Timestamp(..) | DataType::Date32) && list.list.iter().any(mixed) {
                    // What has no time zone is taken by the session's clocks.
                    let of = |e: &Expr| e.get_type(schema).unwrap_or(DataType::Null);
                    let brought = |e: Expr| match of(&e) {
                        t if t.is_temporal() => self.brought(e, &t, Alike::Zoned),
                        _ => e,
                    };
                    list.expr = Box::new(brought(*list.expr));
                    list.list = list.list.into_iter().map(brought).collect();
                }
                if beside.is_string()
                    || !list.list.iter().any(|e| is_unknown(e) || e.get_type(schema).is_ok_and(|t| t.is_string()))
                {
                    return Ok(Transformed::no(Expr::InList(list)));
                }
                for item in &mut list.list {
                    if !is_unknown(item) && beside.is_numeric() && item.get_type(schema).is_ok_and(|t| t.is_string()) {
                        return Err(wrap(no_operator(&beside, "=", &DataType::Utf8)));
                    }
                    *item = self.literal(std::mem::take(item), settled)?;
                }
                Ok(Transformed::yes(Expr::InList(list)))
            }
            Expr::Between(mut between) => {
                let Ok(beside) = type_of(&between.expr, schema) else { return Ok(Transformed::no(Expr::Between(between))) };
                let mut changed = false;
                if literal_type(beside).is_some() && (is_unknown(&between.low) || is_unknown(&between.high)) {
                    between.low = Box::new(self.literal(*between.low, beside)?);
                    between.high = Box::new(self.literal(*between.high, beside)?);
                    changed = true;
                }
                let three = [&between.expr, &between.low, &between.high].map(|e| e.get_type(schema));
                let [Ok(a), Ok(b), Ok(c)] = three else {
                    return Ok(if changed {
                        Transformed::yes(Expr::Between(between))
                    } else {
                        Transformed::no(Expr::Between(between))
                    });
                };
                let alike = comparable([&a, &b, &c]);
                changed |= alike.is_some();
                if let Some(alike) = alike {
                    between.expr = Box::new(self.brought(*between.expr, &a, alike));
                    between.low = Box::new(self.brought(*between.low, &b, alike));
                    between.high = Box::new(self.brought(*between.high, &c, alike));
                }
                Ok(if changed { Transformed::yes(Expr::Between(between)) } else { Transformed::no(Expr::Between(between)) })
            }
            Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::IsDistinctFrom | Operator::IsNotDistinctFrom), right }) => {
                let (of_left, of_right) = (type_of(&left, schema)?, type_of(&right, schema)?);
                let left = Box::new(self.literal(*left, of_right)?);
                let right = Box::new(self.literal(*right, of_left)?);
                Ok(Transformed::yes(Expr::BinaryExpr(BinaryExpr { left, op, right })))
            }
            Expr::Case(mut case) => {
                if let Some(operand) = &case.expr {
                    let beside = type_of(operand, schema)?;
                    for (when, _) in &mut case.when_then_expr {
                        **when = self.literal(std::mem::take(when.as_mut()), beside)?;
                    }
                }
                let results = case.when_then_expr.iter().map(|(_, then)| then.as_ref()).chain(case.else_expr.as_deref());
                if let Some(beside) = typed(results, schema) {
                    for (_, then) in &mut case.when_then_expr {
                        **then = self.literal(std::mem::take(then.as_mut()), beside)?;
                    }
                    if let Some(other) = &mut case.else_expr {
                        **other = self.literal(std::mem::take(other.as_mut()), beside)?;
                    }
                }
                Ok(Transformed::yes(Expr::Case(case)))
            }
            Expr::ScalarFunction(mut call) if matches!(call.name(), "coalesce" | "nullif" | "greatest" | "least") => {
                let Some(beside) = typed(call.args.iter(), schema) else {
                    return Ok(Transformed::no(Expr::ScalarFunction(call)));
                };
                for argument in &mut call.args {
                    *argument = self.literal(std::mem::take(argument), beside)?;
                }
                Ok(Transformed::yes(Expr::ScalarFunction(call)))
            }
            other => Ok(Transformed::no(other)),
        })
    }
}

/// The type that settles what open literals among `expressions` mean; `None` where none is open, or nothing settles it.
fn typed<'a>(expressions: impl Iterator<Item = &'a Expr>, schema: &datafusion::common::DFSchema) -> Option<SqlType> {
    let (mut open, mut settled) = (false, None);
    for expression in expressions {
        if is_unknown(expression) {
            open = true;
        } else if expression.get_type(schema).is_ok_and(|t| !t.is_null())
            && let Ok(sql_type) = type_of(expression, schema)
        {
            settled.get_or_insert(sql_type);
        }
    }
    settled.filter(|t| open && literal_type(*t).is_some())
}

/// Rule 3.
#[derive(Debug)]
struct CheckedArithmetic;

impl AnalyzerRule for CheckedArithmetic {
    fn name(&self) -> &str {
        "checked_arithmetic"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        rewrite_expressions(plan, |expr, schema| match expr {
            // A physical plan takes these for operators that may be NULL, and is refused above a logical one that knows better.
            Expr::IsTrue(tested) => Ok(Transformed::yes(tested_for(tested, Operator::IsNotDistinctFrom, true))),
            Expr::IsNotTrue(tested) => Ok(Transformed::yes(tested_for(tested, Operator::IsDistinctFrom, true))),
            Expr::IsFalse(tested) => Ok(Transformed::yes(tested_for(tested, Operator::IsNotDistinctFrom, false))),
            Expr::IsNotFalse(tested) => Ok(Transformed::yes(tested_for(tested, Operator::IsDistinctFrom, false))),
            Expr::IsUnknown(tested) => Ok(Transformed::yes(Expr::IsNull(tested))),
            Expr::IsNotUnknown(tested) => Ok(Transformed::yes(Expr::IsNotNull(tested))),
            Expr::BinaryExpr(BinaryExpr {
                left,
                op: op @ (Operator::Plus | Operator::Minus | Operator::Multiply | Operator::Divide | Operator::Modulo),
                right,
            }) => {
                let checked = match (left.get_type(schema), right.get_type(schema)) {
                    (Ok(l), Ok(r)) => l == r && (l.is_integer() || l.is_floating()),
                    (_, _) => false,
                };
                match (checked, Operation::of(op)) {
                    (true, Some(operation)) => {
                        let call = ScalarFunction::new_udf(arithmetic::function(operation), vec![*left, *right]);
                        Ok(Transformed::yes(Expr::ScalarFunction(call)))
                    }
                    (_, _) => Ok(Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right }))),
                }
            }
            // A number is no text unless one says so; DataFusion would make it one.
            Expr::ScalarFunction(call)
                if !matches!(call.name(), "concat" | "concat_ws" | "coalesce" | "nullif")
                    && call.args.iter().any(|a| made_text(a, schema)) =>
            {
                let types: Vec<String> = call
                    .args
                    .iter()
                    .map(|a| match a {
                        Expr::Cast(cast) => cast.expr.get_type(schema),
                        other => other.get_type(schema),
                    })
                    .map(|t| t.map_or_else(|_| "unknown".to_owned(), |t| SqlType::of_arrow(&t).sql_name()))
                    .collect();
                Err(wrap(
                    Error::new(
                        Condition::UndefinedFunction,
                        format!("function {}({}) does not exist", call.name(), types.join(", ")),
                    )
                    .hint("No function matches the given name and argument types. You might need to add explicit type casts."),
                ))
            }
            Expr::Negative(inner) if inner.get_type(schema).is_ok_and(|t| t.is_integer()) => {
                let call = ScalarFunction::new_udf(arithmetic::function(Operation::Negate), vec![*inner]);
                Ok(Transformed::yes(Expr::ScalarFunction(call)))
            }
            other => Ok(Transformed::no(other)),
        })
    }
}

/// A test for a truth value, as an operator.
fn tested_for(tested: Box<Expr>, op: Operator, value: bool) -> Expr {
    Expr::BinaryExpr(BinaryExpr { left: tested, op, right: Box::new(datafusion::logical_expr::lit(value)) })
}

/// Whether coercion turned a number into text here.
fn made_text(argument: &Expr, schema: &datafusion::common::DFSchema) -> bool {
    matches!(argument, Expr::Cast(cast) if cast.field.data_type().is_string() && cast.expr.get_type(schema).is_ok_and(|t| t.is_numeric()))
}

/// Rule 4.
#[derive(Debug)]
struct SplitAverages;

/// The variance or standard deviation that an output of an aggregation is, if it is one that splits.
fn exact_spread<'a>(expr: &'a Expr, input: &datafusion::common::DFSchema) -> Option<(&'a AggregateFunction, &'a Spread)> {
    match expr {
        Expr::Alias(alias) => exact_spread(&alias.expr, input),
        Expr::AggregateFunction(f) if !f.params.distinct && f.params.order_by.is_empty() => {
            let spread = f.func.inner().downcast_ref::<Spread>()?;
            f.params.args[0].get_type(input).is_ok_and(|t| spread::splits(&t)).then_some((f, spread))
        }
        _ => None,
    }
}

/// The average that an output of an aggregation is, if it is one that splits.
fn exact_average(expr: &Expr) -> Option<&AggregateFunction> {
    match expr {
        Expr::Alias(alias) => exact_average(&alias.expr),
        Expr::AggregateFunction(f) if f.func.inner().is::<Average>() && f.params.order_by.is_empty() => Some(f),
        _ => None,
    }
}

impl AnalyzerRule for SplitAverages {
    fn name(&self) -> &str {
        "split_averages"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|plan| match plan {
            LogicalPlan::Aggregate(aggregate) => split(aggregate),
            other => Ok(Transformed::no(other)),
        })
        .map(|t| t.data)
    }
}

fn split(aggregate: Aggregate) -> Result<Transformed<LogicalPlan>> {
    let input = aggregate.input.schema();
    let splits = |expr: &Expr| {
        exact_average(expr).is_some_and(|f| f.params.args[0].get_type(input).is_ok_and(|t| matches!(t, DataType::Decimal128(..))))
    };
    if !aggregate.aggr_expr.iter().any(|expr| splits(expr) || exact_spread(expr, input).is_some()) {
        return Ok(Transformed::no(LogicalPlan::Aggregate(aggregate)));
    }
    let sum = Arc::new(AggregateUDF::from(Sum::new()));
    let mut parts: Vec<Expr> = Vec::new();
    let mut place = |expr: Expr| match parts.iter().position(|p| *p == expr) {
        Some(at) => at,
        None => {
            parts.push(expr);
            parts.len() - 1
        }
    };
    enum Output {
        Part(usize),
        Mean { sum: usize, count: usize, function: Mean },
        Spread { squares: usize, sum: usize, count: usize, function: OfSums },
    }
    let mut outputs = Vec::new();
    for expr in &aggregate.aggr_expr {
        if let Some((whole, spread)) = exact_spread(expr, input) {
            let argument = whole.params.args[0].clone();
            let scale = match argument.get_type(input)? {
                DataType::Decimal128(_, scale) => scale,
                _ => 0,
            };
            let part = |func: Arc<AggregateUDF>, argument: Expr| {
                let mut part = whole.clone();
                (part.func, part.params.args) = (func, vec![argument]);
                Expr::AggregateFunction(part)
            };
            let square = Box::new(argument.clone());
            let square = Expr::BinaryExpr(BinaryExpr { left: square.clone(), op: Operator::Multiply, right: square });
            outputs.push(Output::Spread {
                squares: place(part(Arc::clone(&sum), square)),
                sum: place(part(Arc::clone(&sum), argument.clone())),
                count: place(part(count_udaf(), argument)),
                function: OfSums::of(spread, scale),
            });
            continue;
        }
        let Some(average) = exact_average(expr).filter(|_| splits(expr)) else {
            outputs.push(Output::Part(place(expr.clone())));
            continue;
        };
        let part = |func: &Arc<AggregateUDF>| {
            let mut part = average.clone();
            part.func = Arc::clone(func);
            Expr::AggregateFunction(part)
        };
        let function = Mean::of(&average.params.args[0].get_type(input)?)?;
        outputs.push(Output::Mean { sum: place(part(&sum)), count: place(part(&count_udaf())), function });
    }
    let old = Arc::clone(&aggregate.schema);
    let groups = old.fields().len() - aggregate.aggr_expr.len();
    // Parts may have the same name and different types: a sum of integers beside the exact sum of an average.
    let parts = parts.into_iter().enumerate().map(|(at, part)| part.unalias().alias(format!("part {at}"))).collect();
    let inner = LogicalPlan::Aggregate(Aggregate::try_new(Arc::clone(&aggregate.input), aggregate.group_expr.clone(), parts)?);
    let column = |at: usize| Expr::Column(datafusion::common::Column::from(inner.schema().qualified_field(at)));
    let mut projection: Vec<Expr> = (0..groups).map(column).collect();
    for (at, output) in outputs.into_iter().enumerate() {
        let (qualifier, field) = old.qualified_field(groups + at);
        let expr = match output {
            Output::Part(part) => column(groups + part),
            Output::Spread { squares, sum, count, function } => {
                let function = Arc::new(ScalarUDF::from(function));
                let of = [squares, sum, count].map(|at| column(groups + at));
                Expr::ScalarFunction(ScalarFunction::new_udf(function, of.to_vec()))
            }
            Output::Mean { sum, count, function } => {
                let function = Arc::new(ScalarUDF::from(function));
                Expr::ScalarFunction(ScalarFunction::new_udf(function, vec![column(groups + sum), column(groups + count)]))
            }
        };
        let same = matches!(&expr, Expr::Column(c) if c.name == *field.name() && c.relation.as_ref() == qualifier);
        projection.push(if same { expr } else { Expr::Alias(Alias::new(expr, qualifier.cloned(), field.name().clone())) });
    }
    Ok(Transformed::yes(LogicalPlan::Projection(Projection::try_new(projection, Arc::new(inner))?)))
}

/// Rule 5.
#[derive(Debug)]
struct ShownDigits;

/// What the operands of an arithmetic expression say of the digits to show.
fn inherited(expr: &Expr, schema: &datafusion::common::DFSchema) -> Option<String> {
    let own = |e: &Expr| e.to_field(schema).ok().and_then(|(_, field)| field.metadata().get(QUOTIENT_KEY).cloned());
    match expr {
        Expr::Alias(alias) => inherited(&alias.expr, schema),
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Plus | Operator::Minus | Operator::Multiply, right }) => {
            inherited(left, schema).or_else(|| inherited(right, schema))
        }
        Expr::Cast(cast) if matches!(cast.field.data_type(), DataType::Decimal128(..)) => inherited(&cast.expr, schema),
        Expr::Negative(inner) => inherited(inner, schema),
        Expr::Column(_) | Expr::ScalarFunction(_) => own(expr),
        _ => None,
    }
}

impl AnalyzerRule for ShownDigits {
    fn name(&self) -> &str {
        "shown_digits"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|plan| {
            let LogicalPlan::Projection(projection) = plan else { return Ok(Transformed::no(plan)) };
            let schema = projection.input.schema();
            let mut changed = false;
            let mut expressions = Vec::with_capacity(projection.expr.len());
            for expr in &projection.expr {
                let (qualifier, field) = expr.to_field(schema)?;
                let computed =
                    matches!(field.data_type(), DataType::Decimal128(..)) && !field.metadata().contains_key(QUOTIENT_KEY);
                match inherited(expr, schema).filter(|_| computed) {
                    Some(digits) => {
                        changed = true;
                        let metadata = std::collections::BTreeMap::from([(QUOTIENT_KEY.to_owned(), digits)]);
                        let alias = Alias::new(expr.clone().unalias(), qualifier, field.name().clone());
                        expressions.push(Expr::Alias(alias.with_metadata(Some(metadata.into()))));
                    }
                    None => expressions.push(expr.clone()),
                }
            }
            if !changed {
                return Ok(Transformed::no(LogicalPlan::Projection(projection)));
            }
            Ok(Transformed::yes(LogicalPlan::Projection(Projection::try_new(expressions, Arc::clone(&projection.input))?)))
        })
        .map(|t| t.data)
    }
}
