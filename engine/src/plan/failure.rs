//! DataFusion's errors in PostgreSQL's words.
//!
//! An error of ours comes out as it went in. The rest is told apart by kind where DataFusion keeps one, and by
//! its sentence where it does not: the sentences are DataFusion 55's, and tests hold each to its SQLSTATE.

use std::sync::LazyLock;

use arrow::error::ArrowError;
use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;
use regex::Regex;

use crate::error::{Condition, Error};
use crate::types::SqlType;

static COERCE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"Cannot (?:coerce arithmetic expression|infer common argument type for comparison operation) ([\w(), ]+?) (\S+) ([\w(), ]+?)(?: to valid types|$|\.)").ok()
});
static FUNCTION: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"Invalid function '([^']+)'").ok());
static SIGNATURE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?:for function|Function) '?(\w+)'?").ok());
static AMBIGUOUS: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"Ambiguous reference to unqualified field "?([\w]+)"?"#).ok());
static GROUPED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"(?:Column in \w+(?: \w+)? must be in GROUP BY or an aggregate function: .*?column "([^"]+)"|expression "?([^"]+?)"? (?:cannot be resolved|must appear))"#).ok()
});

/// An error of DataFusion as a client sees it.
pub fn translate(error: DataFusionError) -> Error {
    if let Some(ours) = find(&error) {
        return ours.clone();
    }
    match error {
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => translate(*inner),
        DataFusionError::Shared(shared) => by_sentence(shared.as_ref()),
        DataFusionError::Collection(errors) => match errors.into_iter().next() {
            Some(first) => translate(first),
            None => Error::internal("several errors, none of them kept"),
        },
        DataFusionError::ArrowError(inner, _) => arrow(&inner),
        other => by_sentence(&other),
    }
}

/// Our own error, however deeply DataFusion and Arrow wrapped it.
fn find(error: &DataFusionError) -> Option<&Error> {
    let mut at: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(current) = at {
        if let Some(ours) = current.downcast_ref::<Error>() {
            return Some(ours);
        }
        at = match current.downcast_ref::<DataFusionError>() {
            Some(DataFusionError::External(inner)) => {
                if let Some(ours) = inner.downcast_ref::<Error>() {
                    return Some(ours);
                }
                Some(inner.as_ref())
            }
            Some(DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner)) => Some(inner.as_ref()),
            Some(DataFusionError::Shared(inner)) => Some(inner.as_ref()),
            Some(DataFusionError::ArrowError(inner, _)) => Some(inner.as_ref()),
            Some(DataFusionError::Collection(errors)) => errors.first().map(|e| e as _),
            _ => match current.downcast_ref::<ArrowError>() {
                Some(ArrowError::ExternalError(inner)) => {
                    if let Some(ours) = inner.downcast_ref::<Error>() {
                        return Some(ours);
                    }
                    Some(inner.as_ref())
                }
                _ => current.source(),
            },
        };
    }
    None
}

fn arrow(error: &ArrowError) -> Error {
    match error {
        ArrowError::DivideByZero => Error::division_by_zero(),
        ArrowError::ArithmeticOverflow(_) => Error::out_of_range("numeric"),
        ArrowError::ParseError(message) | ArrowError::CastError(message) => {
            Error::new(Condition::InvalidTextRepresentation, message.clone())
        }
        ArrowError::MemoryError(message) => Error::new(Condition::OutOfMemory, message.clone()),
        ArrowError::IoError(message, _) => Error::new(Condition::IoError, message.clone()),
        other => Error::new(Condition::DataException, other.to_string()),
    }
}

fn type_name(debug: &str) -> String {
    use arrow::datatypes::DataType;
    let plain = match debug.trim() {
        "Boolean" => DataType::Boolean,
        "Int16" => DataType::Int16,
        "Int32" => DataType::Int32,
        "Int64" => DataType::Int64,
        "Float32" => DataType::Float32,
        "Float64" => DataType::Float64,
        "Date32" | "Date" => DataType::Date32,
        "Utf8" | "Utf8View" | "LargeUtf8" => DataType::Utf8,
        other if other.starts_with("Decimal") => return "numeric".to_owned(),
        other if other.starts_with("Timestamp") && other.contains("None") => return "timestamp without time zone".to_owned(),
        other if other.starts_with("Timestamp") => return "timestamp with time zone".to_owned(),
        other if other.starts_with("Interval") => return "interval".to_owned(),
        other if other.starts_with("Time") => return "time without time zone".to_owned(),
        other => return other.to_lowercase(),
    };
    SqlType::of_arrow(&plain).sql_name()
}

const FUNCTION_HINT: &str = "No function matches the given name and argument types. You might need to add explicit type casts.";

fn by_sentence(error: &DataFusionError) -> Error {
    let capture = |regex: &LazyLock<Option<Regex>>, text: &str, group: usize| {
        regex.as_ref().and_then(|r| r.captures(text)).and_then(|c| c.get(group)).map(|m| m.as_str().to_owned())
    };
    match error {
        DataFusionError::SchemaError(schema, _) => schema_error(schema),
        DataFusionError::ResourcesExhausted(message) => Error::new(Condition::OutOfMemory, "out of memory")
            .detail(message.lines().next().unwrap_or_default().to_owned())
            .hint("Raise the server's --memory, or use a query with smaller intermediate results."),
        DataFusionError::ObjectStore(e) => Error::new(Condition::IoError, e.to_string()),
        DataFusionError::IoError(e) => Error::new(Condition::IoError, e.to_string()),
        DataFusionError::ParquetError(e) => Error::new(Condition::IoError, format!("could not read a Parquet file: {e}")),
        DataFusionError::NotImplemented(message) if message.contains("logical expression WindowFunction") => {
            Error::new(Condition::WindowingError, "window functions are not allowed in WHERE")
        }
        DataFusionError::NotImplemented(message) if message.contains("logical expression") => {
            Error::unsupported("a correlated subquery in this place is not supported")
                .detail(lower(message.split(['(', '{']).next().unwrap_or_default()))
                .hint("Write it as a join, or in WHERE.")
        }
        DataFusionError::NotImplemented(message) => Error::unsupported(lower(message)),
        DataFusionError::SQL(e, _) => Error::syntax(e.to_string()),
        DataFusionError::Plan(message) | DataFusionError::Execution(message) => {
            if let Some(regex) = COERCE.as_ref()
                && let Some(found) = regex.captures(message)
            {
                return Error::new(
                    Condition::UndefinedFunction,
                    format!("operator does not exist: {} {} {}", type_name(&found[1]), &found[2], type_name(&found[3])),
                )
                .hint("No operator matches the given name and argument types. You might need to add explicit type casts.");
            }
            if let Some(rest) = message.split_once("temporal operation ").map(|(_, rest)| rest) {
                let mut words = rest.split(':').next().unwrap_or_default().split_whitespace();
                if let (Some(left), Some(op), Some(right)) = (words.next(), words.next(), words.next()) {
                    return Error::new(
                        Condition::UndefinedFunction,
                        format!("operator does not exist: {} {op} {}", type_name(left), type_name(right)),
                    )
                    .hint("No operator matches the given name and argument types. You might need to add explicit type casts.");
                }
            }
            if let Some(name) = capture(&FUNCTION, message, 1)
                && WINDOW_ONLY.contains(&name.as_str())
            {
                return Error::new(Condition::WrongObjectType, format!("window function {name} requires an OVER clause"));
            }
            if let Some(name) = capture(&FUNCTION, message, 1) {
                return Error::new(Condition::UndefinedFunction, format!("function {name} does not exist")).hint(FUNCTION_HINT);
            }
            if let Some(name) = capture(&AMBIGUOUS, message, 1) {
                return Error::new(Condition::AmbiguousColumn, format!("column reference \"{name}\" is ambiguous"));
            }
            if message.contains("must be in GROUP BY") || message.contains("could not be resolved from available columns") {
                return Error::new(
                    Condition::GroupingError,
                    match capture(&GROUPED, message, 1) {
                        Some(column) => {
                            format!("column \"{column}\" must appear in the GROUP BY clause or be used in an aggregate function")
                        }
                        None => lower(message.lines().next().unwrap_or_default()),
                    },
                );
            }
            if let Some((_, rest)) = message.split_once("user-defined coercion failed with: External error: ") {
                let end = rest.find(" does not exist").map_or(rest.len(), |at| at + " does not exist".len());
                return Error::new(Condition::UndefinedFunction, &rest[..end]).hint(FUNCTION_HINT);
            }
            let known: &[(&str, Condition, &str)] = &[
                (
                    "ggregate function calls cannot be nested",
                    Condition::GroupingError,
                    "aggregate function calls cannot be nested",
                ),
                (
                    "ggregate functions are not allowed in the WHERE",
                    Condition::GroupingError,
                    "aggregate functions are not allowed in WHERE",
                ),
                (
                    "SELECT DISTINCT ON expressions must match",
                    Condition::InvalidColumnReference,
                    "SELECT DISTINCT ON expressions must match initial ORDER BY expressions",
                ),
                ("negative count not allowed", Condition::SubstringError, "negative substring length not allowed"),
                ("LIMIT must be >= 0", Condition::InvalidRowCountInLimitClause, "LIMIT must not be negative"),
                ("OFFSET must be >=0", Condition::InvalidRowCountInResultOffsetClause, "OFFSET must not be negative"),
                ("Too many columns! The subquery", Condition::SyntaxError, "subquery must return only one column"),
                (
                    "Correlated scalar subquery must be aggregated",
                    Condition::FeatureNotSupported,
                    "correlated scalar subqueries without an aggregate are not supported",
                ),
            ];
            if let Some((_, condition, text)) = known.iter().find(|(part, _, _)| message.contains(part)) {
                return Error::new(*condition, *text);
            }
            if let Some(position) =
                message.strip_prefix("Order by column out of bounds, specified: ").and_then(|m| m.split(',').next())
            {
                return Error::new(
                    Condition::InvalidColumnReference,
                    format!("ORDER BY position {position} is not in select list"),
                );
            }
            if message.starts_with("Cannot create filter with non-boolean predicate") {
                let given = message.rsplit("returning ").next().map(type_name).unwrap_or_default();
                return Error::new(
                    Condition::DatatypeMismatch,
                    format!("argument of WHERE must be type boolean, not type {given}"),
                );
            }
            if message.starts_with("For SELECT DISTINCT") {
                return Error::new(
                    Condition::InvalidColumnReference,
                    "for SELECT DISTINCT, ORDER BY expressions must appear in select list",
                );
            }
            if message.contains("returned more than one row") || message.contains("more than one row") {
                return Error::new(
                    Condition::CardinalityViolation,
                    "more than one row returned by a subquery used as an expression",
                );
            }
            if message.contains("Coercion from")
                || message.contains("Failed to coerce")
                || message.contains("does not support")
                || message.contains("expects")
            {
                let name = capture(&SIGNATURE, message, 1).unwrap_or_default();
                let types: Vec<String> = message
                    .split_once("Coercion from [")
                    .and_then(|(_, rest)| rest.split_once(']'))
                    .map(|(types, _)| types.split(", ").map(type_name).collect())
                    .unwrap_or_default();
                return Error::new(Condition::UndefinedFunction, format!("function {name}({}) does not exist", types.join(", ")))
                    .detail(lower(message.lines().next().unwrap_or_default()))
                    .hint(FUNCTION_HINT);
            }
            if message.contains("must have the same number of columns")
                || message.contains("different number of columns")
                || message.contains("have the same number of")
            {
                return Error::syntax("each UNION query must have the same number of columns");
            }
            if message.contains("table function '") && message.contains("not found") {
                let name = message.split('\'').nth(1).unwrap_or_default();
                return Error::new(Condition::UndefinedFunction, format!("function {name} does not exist")).hint(FUNCTION_HINT);
            }
            if message.contains("Cannot cast") || message.contains("Error parsing") {
                return Error::new(Condition::InvalidTextRepresentation, lower(message));
            }
            let condition =
                if matches!(error, DataFusionError::Plan(_)) { Condition::SyntaxError } else { Condition::DataException };
            Error::new(condition, lower(message.lines().next().unwrap_or_default()))
        }
        DataFusionError::Internal(message) => Error::internal(message.lines().next().unwrap_or_default()),
        other => Error::internal(other.strip_backtrace().lines().next().unwrap_or_default()),
    }
}

/// Functions that exist with OVER alone.
const WINDOW_ONLY: &[&str] = &[
    "row_number",
    "rank",
    "dense_rank",
    "percent_rank",
    "cume_dist",
    "ntile",
    "lag",
    "lead",
    "first_value",
    "last_value",
    "nth_value",
];

fn lower(message: &str) -> String {
    let mut characters = message.trim_end_matches('.').chars();
    match characters.next() {
        Some(first) => first.to_lowercase().collect::<String>() + characters.as_str(),
        None => String::new(),
    }
}

fn schema_error(error: &SchemaError) -> Error {
    match error {
        SchemaError::AmbiguousReference { field } => {
            Error::new(Condition::AmbiguousColumn, format!("column reference \"{}\" is ambiguous", field.name))
        }
        SchemaError::DuplicateQualifiedField { name, .. } | SchemaError::DuplicateUnqualifiedField { name } => {
            Error::new(Condition::AmbiguousColumn, format!("column reference \"{name}\" is ambiguous"))
        }
        SchemaError::FieldNotFound { field, valid_fields } => match &field.relation {
            Some(relation)
                if !valid_fields.iter().any(|f| f.relation.as_ref().is_some_and(|r| r.table() == relation.table())) =>
            {
                Error::new(Condition::UndefinedTable, format!("missing FROM-clause entry for table \"{}\"", relation.table()))
            }
            Some(relation) => {
                Error::new(Condition::UndefinedColumn, format!("column {}.{} does not exist", relation.table(), field.name))
            }
            None => Error::new(Condition::UndefinedColumn, format!("column \"{}\" does not exist", field.name)),
        },
    }
}
