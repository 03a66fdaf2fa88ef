//! A small, naive, complete SQL evaluator over single rows, with PostgreSQL's semantics.
//!
//! It answers two kinds of query: those that only touch `pg_catalog` and `information_schema`, and those
//! without a table. Clients write such queries in all of PostgreSQL's dialect (correlated subqueries,
//! set-returning functions in the select list, composite values, `reg*` casts), on few rows: nested loops over
//! at most some ten thousand rows do, and nothing is ever recognised by its text.
//!
//! Typing is static, as PostgreSQL's: [`analyze`] gives every expression a type before a row is read, so that
//! a statement can be described without running. What is not built answers `0A000`, and the caller may
//! try the query engine.
//!
//! Not here: users' tables (DataFusion reads them), statements other than queries, text forms of values
//! (`types/text.rs`), the rows of catalogs (`catalog/pg_catalog`, `catalog/information_schema`).
//!
//! # Reading order
//!
//! [`datum`] (values), [`coerce`] and [`cast`] (conversions), [`function`] (the registry of functions and
//! operators; "Adding a function"), [`expr`] (typed expressions), [`analyze`](mod@analyze) (syntax tree to plan), [`plan`] and
//! [`run`] (plans and how they run), [`batch`] (rows to Arrow).

pub mod aggregate;
pub mod analyze;
pub mod batch;
pub mod cast;
pub mod coerce;
pub mod context;
pub mod datum;
pub mod environment;
pub mod expr;
pub mod function;
pub mod label;
pub mod operator;
pub mod plan;
pub mod run;
pub mod type_name;

use sqlparser::ast::Query;

pub use batch::to_batch;
pub use datum::Datum;
pub use environment::{ActivityRow, ColumnInfo, Environment, FunctionInfo, KeyInfo, RelationInfo, SettingRow};

use crate::error::{Condition, Error, Result};
use crate::types::{Base, SqlType};
use context::Context;

/// One column of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutColumn {
    /// Its label.
    pub name: String,
    /// Its type.
    pub sql_type: SqlType,
}

/// A query that has been understood: its columns and parameters are known, and it can run any number of times.
#[derive(Debug)]
pub struct Analyzed {
    plan: plan::QueryPlan,
    columns: Vec<OutColumn>,
    params: Vec<SqlType>,
}

/// Understands a query. `params` are the types that the client gave its parameters.
///
/// Fails with `0A000` where the query is not for the evaluator or uses what is not built here; with PostgreSQL's
/// errors where it is wrong.
pub fn analyze(query: &Query, params: &[Option<SqlType>], env: &dyn Environment) -> Result<Analyzed> {
    let ctx = Context::new(env);
    let (plan, columns, params) = analyze::analyze_query(query, params, &ctx)?;
    Ok(Analyzed { plan, columns, params })
}

impl Analyzed {
    /// The result's columns.
    pub fn columns(&self) -> &[OutColumn] {
        &self.columns
    }

    /// The parameters' types, as given or inferred.
    pub fn params(&self) -> &[SqlType] {
        &self.params
    }

    /// Runs the query with one value for each parameter.
    pub fn run(&self, params: &[Datum], env: &dyn Environment) -> Result<Vec<Vec<Datum>>> {
        if params.len() < self.params.len() {
            return Err(Error::new(
                Condition::ProtocolViolation,
                format!(
                    "bind message supplies {} parameters, but prepared statement requires {}",
                    params.len(),
                    self.params.len()
                ),
            ));
        }
        let ctx = Context::new(env);
        let mut rows = run::Run::new(&ctx, params).query(&self.plan)?;
        for row in &mut rows {
            row.truncate(self.columns.len());
        }
        Ok(rows)
    }

    /// As [`Analyzed::run`], with `reg*` values replaced by the names that PostgreSQL prints for them, so that
    /// [`to_batch`] can carry them without a catalog.
    pub fn run_for_output(&self, params: &[Datum], env: &dyn Environment) -> Result<Vec<Vec<Datum>>> {
        let mut rows = self.run(params, env)?;
        let ctx = Context::new(env);
        for (at, column) in self.columns.iter().enumerate() {
            let named = coerce::is_reg(column.sql_type.base) || column.sql_type.base == Base::Record;
            if !named {
                continue;
            }
            for row in &mut rows {
                if let Some(value) = row.get_mut(at)
                    && !value.is_null()
                    && value.as_str().is_none()
                {
                    *value = Datum::text(cast::output(value, column.sql_type, &ctx));
                }
            }
        }
        Ok(rows)
    }
}

/// A value as PostgreSQL's text output shows it; `None` for null.
pub fn to_text(value: &Datum, sql_type: SqlType, env: &dyn Environment) -> Option<String> {
    (!value.is_null()).then(|| cast::output(value, sql_type, &Context::new(env)))
}

/// A value from PostgreSQL's text form, as a client sends a parameter.
pub fn from_text(text: &str, sql_type: SqlType, env: &dyn Environment) -> Result<Datum> {
    cast::input(text, sql_type, &Context::new(env))
}

/// Whether every relation that a query names is a catalog (or none is named): such queries are for [`analyze`].
///
/// `is_user_relation` answers for a schema, if one is written, and a name.
pub fn touches_only_catalogs(query: &Query, is_user_relation: &dyn Fn(Option<&str>, &str) -> bool) -> bool {
    analyze::relations::only_catalogs(query, is_user_relation)
}

#[cfg(test)]
mod tests;
