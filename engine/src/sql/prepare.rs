//! PREPARE, EXECUTE and DEALLOCATE. Statements prepared so and by the protocol share one namespace.

use std::sync::Arc;

use arrow::array::ArrayRef;
use sqlparser::ast::{self, DataType, Expr, Ident, ObjectName};

use super::label::fold;
use super::parse::Statement;
use crate::error::{Condition, Error, Result};
use crate::plan::types::sql_type;
use crate::session::Session;
use crate::session::execute::{Outcome, Prepared, Source};
use crate::session::rows::Tag;

/// The query that a statement runs.
pub fn query_of(statement: &Statement) -> Option<ast::Query> {
    fn inside(tree: &ast::Statement) -> Option<ast::Query> {
        match tree {
            ast::Statement::Query(query) => Some(query.as_ref().clone()),
            ast::Statement::Explain { statement, .. } => inside(statement),
            _ => None,
        }
    }
    inside(statement.tree.as_deref()?)
}

impl Session {
    pub(crate) async fn prepare_statement(
        &mut self,
        name: &Ident,
        types: &[DataType],
        inner: &ast::Statement,
        statement: &Statement,
    ) -> Result<Outcome> {
        if !matches!(inner, ast::Statement::Query(_) | ast::Statement::Insert(_)) {
            let verb = inner.to_string().split_whitespace().next().unwrap_or_default().to_owned();
            return Err(
                Error::syntax(format!("syntax error at or near \"{verb}\"")).hint("PREPARE takes SELECT, INSERT and VALUES.")
            );
        }
        let types = types.iter().map(|t| sql_type(t).map(Some)).collect::<Result<Vec<_>>>()?;
        let prepared = self.prepare(statement.part(inner.clone()), &types).await?;
        self.store_statement(&fold(name), prepared)?;
        Ok(Outcome::Complete(Tag::plain("PREPARE")))
    }

    /// The statement that EXECUTE names.
    pub(crate) fn executed(&self, name: &ObjectName) -> Result<Arc<Prepared>> {
        let name = name.0.last().and_then(|p| p.as_ident()).map(fold).unwrap_or_default();
        self.statement(&name)
    }

    pub(crate) async fn execute_statement(
        &mut self,
        name: Option<&ObjectName>,
        arguments: &[Expr],
        _statement: &Statement,
    ) -> Result<Outcome> {
        let Some(name) = name else { return Err(Error::syntax("EXECUTE wants a name")) };
        let prepared = self.executed(name)?;
        let wanted = prepared.parameters().len();
        if arguments.len() != wanted {
            return Err(Error::syntax(format!("wrong number of parameters for prepared statement \"{name}\""))
                .detail(format!("Expected {wanted} parameters but got {}.", arguments.len())));
        }
        let mut values: Vec<ArrayRef> = Vec::new();
        for argument in arguments {
            let value = self.constant(&argument.to_string()).await?;
            values.push(value.to_array().map_err(|e| Error::internal(e.to_string()))?);
        }
        Box::pin(self.execute(&prepared, values, Source::Simple)).await
    }

    pub(crate) fn deallocate(&mut self, name: &Ident) -> Result<Outcome> {
        if name.quote_style.is_none() && name.value.eq_ignore_ascii_case("all") {
            self.statements.clear();
            return Ok(Outcome::Complete(Tag::plain("DEALLOCATE ALL")));
        }
        let name = fold(name);
        if self.statements.remove(&name).is_none() {
            return Err(Error::new(Condition::InvalidSqlStatementName, format!("prepared statement \"{name}\" does not exist")));
        }
        Ok(Outcome::Complete(Tag::plain("DEALLOCATE")))
    }
}
