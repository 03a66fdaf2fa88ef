//! SET, SHOW and RESET.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use sqlparser::ast::{
    self, Expr, Ident, Reset, ResetStatement, Set, TransactionAccessMode, TransactionIsolationLevel, TransactionMode, Value,
};

use super::label::fold;
use crate::error::{Condition, Error, Result};
use crate::session::Session;
use crate::session::execute::{Outcome, lines};
use crate::session::rows::{Column, Rows, Tag};
use crate::settings::{SETTINGS, Scope, find};
use crate::types::Base;

/// The name under which SHOW shows a setting: PostgreSQL's spelling.
pub fn shown_name(variable: &[Ident]) -> (String, bool) {
    let words: Vec<String> = variable.iter().map(|i| i.value.to_lowercase()).collect();
    let joined = words.join(" ");
    let name = match joined.as_str() {
        "time zone" => "TimeZone".to_owned(),
        "transaction isolation level" => "transaction_isolation".to_owned(),
        "session authorization" => "session_authorization".to_owned(),
        _ => words.join("."),
    };
    let known = find(&name).map(|s| s.name.to_owned());
    (known.clone().unwrap_or(name), known.is_some())
}

/// SHOW ALL's columns.
pub fn show_all_columns() -> Arc<[Column]> {
    ["name", "setting", "description"].map(|n| Column::new(n, Base::Text.into())).into()
}

fn isolation(level: &TransactionIsolationLevel) -> &'static str {
    match level {
        TransactionIsolationLevel::ReadUncommitted => "read uncommitted",
        TransactionIsolationLevel::ReadCommitted => "read committed",
        TransactionIsolationLevel::RepeatableRead | TransactionIsolationLevel::Snapshot => "repeatable read",
        TransactionIsolationLevel::Serializable => "serializable",
    }
}

/// A value in a SET statement as text; `None` for DEFAULT.
fn value_text(value: &Expr) -> Result<Option<String>> {
    Ok(Some(match value {
        Expr::Identifier(ident) if ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("default") => return Ok(None),
        Expr::Identifier(ident) => match ident.quote_style {
            Some(_) => ident.value.clone(),
            None => ident.value.to_lowercase(),
        },
        Expr::CompoundIdentifier(parts) => parts.iter().map(fold).collect::<Vec<_>>().join("."),
        Expr::Value(value) => match &value.value {
            Value::Boolean(b) => if *b { "on" } else { "off" }.to_owned(),
            Value::Null => return Err(Error::syntax("syntax error at or near \"NULL\"")),
            Value::Number(n, _) => n.clone(),
            other => other.clone().into_string().unwrap_or_else(|| other.to_string()),
        },
        Expr::UnaryOp { op: ast::UnaryOperator::Minus, expr } => format!("-{}", value_text(expr)?.unwrap_or_default()),
        Expr::UnaryOp { op: ast::UnaryOperator::Plus, expr } | Expr::Nested(expr) => value_text(expr)?.unwrap_or_default(),
        Expr::Cast { expr, .. } => value_text(expr)?.unwrap_or_default(),
        Expr::TypedString(typed) => typed.value.clone().value.into_string().unwrap_or_default(),
        Expr::Interval(interval) => value_text(&interval.value)?.unwrap_or_default(),
        other => other.to_string(),
    }))
}

impl Session {
    fn set_or_reset(&mut self, name: &str, value: Option<String>, scope: Scope) -> Result<()> {
        // SET begins no transaction of its own, but is undone with one that is under way.
        if scope == Scope::Local && self.transaction.as_ref().is_none_or(|t| !t.explicit) {
            self.warn(Condition::NoActiveSqlTransaction, "SET LOCAL can only be used in transaction blocks");
            return Ok(());
        }
        match value {
            Some(value) => self.set(name, &value, scope),
            None => {
                self.settings.reset(name)?;
                self.refresh_state();
                Ok(())
            }
        }
    }

    /// Isolation and access modes for this transaction, or for those to come.
    pub(crate) fn set_modes(&mut self, modes: &[TransactionMode], session: bool) -> Result<()> {
        let scope = if session { Scope::Session } else { Scope::Local };
        let prefix = if session { "default_" } else { "" };
        for mode in modes {
            let (name, value) = match mode {
                TransactionMode::IsolationLevel(level) => ("transaction_isolation", isolation(level)),
                TransactionMode::AccessMode(TransactionAccessMode::ReadOnly) => ("transaction_read_only", "on"),
                TransactionMode::AccessMode(TransactionAccessMode::ReadWrite) => ("transaction_read_only", "off"),
            };
            self.set(&format!("{prefix}{name}"), value, scope)?;
        }
        Ok(())
    }

    pub(crate) fn set_statement(&mut self, set: &Set) -> Result<Outcome> {
        match set {
            Set::SingleAssignment { scope, variable, values, .. } => {
                let scope = match scope {
                    Some(ast::ContextModifier::Local) => Scope::Local,
                    Some(_) | None => Scope::Session,
                };
                let parts: Vec<String> = variable.0.iter().filter_map(|p| p.as_ident()).map(|i| i.value.to_lowercase()).collect();
                let name = match parts.join(".").as_str() {
                    "timezone" | "time zone" => "TimeZone".to_owned(),
                    "names" => "client_encoding".to_owned(),
                    other => other.to_owned(),
                };
                let texts: Vec<Option<String>> = values.iter().map(value_text).collect::<Result<_>>()?;
                let value = match texts.as_slice() {
                    [None] | [] => None,
                    [Some(one)] => Some(one.clone()),
                    many => {
                        let quote = |v: &Option<String>| {
                            let v = v.clone().unwrap_or_else(|| "default".to_owned());
                            let plain = v
                                .chars()
                                .all(|c| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit() || c.is_ascii_uppercase());
                            if plain || name == "datestyle" { v } else { format!("\"{v}\"") }
                        };
                        Some(many.iter().map(quote).collect::<Vec<_>>().join(", "))
                    }
                };
                self.set_or_reset(&name, value, scope)?;
            }
            Set::SetTimeZone { local, value } => {
                let scope = if *local { Scope::Local } else { Scope::Session };
                let value = value_text(value)?.filter(|v| !v.eq_ignore_ascii_case("local"));
                self.set_or_reset("TimeZone", value, scope)?;
            }
            Set::SetNames { charset_name, .. } => {
                self.set_or_reset("client_encoding", Some(charset_name.value.clone()), Scope::Session)?
            }
            Set::SetNamesDefault {} => self.set_or_reset("client_encoding", None, Scope::Session)?,
            Set::SetTransaction { modes, snapshot, session } => {
                if snapshot.is_some() {
                    return Err(Error::unsupported("SET TRANSACTION SNAPSHOT is not supported"));
                }
                if !session && self.transaction.as_ref().is_none_or(|t| !t.explicit) {
                    self.warn(Condition::NoActiveSqlTransaction, "SET TRANSACTION can only be used in transaction blocks");
                } else {
                    self.set_modes(modes, *session)?;
                }
            }
            Set::SetRole { role_name, .. } => {
                if let Some(role) = role_name
                    && fold(role) != self.user
                    && fold(role) != "none"
                {
                    return Err(Error::new(Condition::UndefinedObject, format!("role \"{}\" does not exist", fold(role))));
                }
            }
            Set::SetSessionAuthorization(_)
            | Set::SetSessionParam(_)
            | Set::ParenthesizedAssignments { .. }
            | Set::MultipleAssignments { .. } => {
                return Err(Error::unsupported(format!("{set} is not supported")));
            }
        }
        Ok(Outcome::Complete(Tag::plain("SET")))
    }

    pub(crate) fn reset_statement(&mut self, reset: &ResetStatement) -> Result<Outcome> {
        match &reset.reset {
            Reset::ALL => self.settings.reset_all(),
            Reset::ConfigurationParameter(name) => {
                let name = name.to_string().to_lowercase();
                self.settings.reset(if name == "time zone" { "TimeZone" } else { &name })?;
            }
        }
        self.refresh_state();
        Ok(Outcome::Complete(Tag::plain("RESET")))
    }

    pub(crate) fn show(&mut self, variable: &[Ident]) -> Result<Outcome> {
        let (name, _) = shown_name(variable);
        if name == "all" {
            let rows: Vec<(String, String, String)> = SETTINGS
                .iter()
                .map(|s| (s.name.to_owned(), self.settings.show(s.name).unwrap_or_default(), s.description.to_owned()))
                .collect();
            let column = |f: fn(&(String, String, String)) -> &String| -> ArrayRef {
                Arc::new(StringArray::from_iter_values(rows.iter().map(f)))
            };
            let batch = RecordBatch::try_from_iter([
                ("name", column(|r| &r.0)),
                ("setting", column(|r| &r.1)),
                ("description", column(|r| &r.2)),
            ]);
            let batch = batch.map_err(|e| Error::internal(e.to_string()))?;
            return Ok(Outcome::Rows(Rows::ready(show_all_columns(), vec![batch], "SHOW", false, &self.clock())));
        }
        let value = self.settings.show(&name)?;
        let (columns, batch) = lines(&name, vec![value]);
        Ok(Outcome::Rows(Rows::ready(columns, vec![batch], "SHOW", false, &self.clock())))
    }
}
