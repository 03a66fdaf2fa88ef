//! Where in a statement an error lies, where the error itself does not know.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, Ident, ObjectName, Spanned, Visit, Visitor};

use super::label::fold;
use super::parse::Statement;
use super::position;
use crate::error::{Condition, Error};

/// Adds the position of the column, relation or function that an error names.
pub fn place(error: Error, statement: &Statement) -> Error {
    if error.position.is_some() {
        return error;
    }
    let Some(tree) = statement.tree.as_deref() else { return error };
    let wanted = match error.condition {
        Condition::UndefinedColumn | Condition::AmbiguousColumn | Condition::GroupingError => Wanted::Column,
        Condition::UndefinedTable => Wanted::Relation,
        Condition::UndefinedFunction if error.message.starts_with("function ") => Wanted::Function,
        _ => return error,
    };
    let Some(name) = named(&error.message) else { return error };
    let mut finder = Finder { wanted, name, found: None };
    let _ = tree.visit(&mut finder);
    match finder.found.and_then(|span| position::of_span(&statement.source, span)) {
        Some(at) => error.at(at),
        None => error,
    }
}

/// The name that a message is about: the last part of what it quotes, or of the word behind its first.
fn named(message: &str) -> Option<String> {
    let full = match message.split('"').nth(1) {
        Some(quoted) => quoted,
        None => message.split_whitespace().nth(1)?.split('(').next()?,
    };
    Some(full.rsplit('.').next()?.to_owned())
}

#[derive(Clone, Copy, PartialEq)]
enum Wanted {
    Column,
    Relation,
    Function,
}

struct Finder {
    wanted: Wanted,
    name: String,
    found: Option<sqlparser::tokenizer::Span>,
}

impl Finder {
    fn check(&mut self, last: Option<&Ident>, span: sqlparser::tokenizer::Span) -> ControlFlow<()> {
        if last.is_some_and(|i| fold(i) == self.name) && span.start.line > 0 {
            self.found = Some(span);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

impl Visitor for Finder {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Identifier(ident) if self.wanted == Wanted::Column => self.check(Some(ident), ident.span),
            // A missing FROM entry is named by the qualifier.
            Expr::CompoundIdentifier(parts) => {
                let span = parts.first().map(|p| p.span).unwrap_or(sqlparser::tokenizer::Span::empty());
                match self.wanted {
                    Wanted::Column => self.check(parts.last(), span),
                    Wanted::Relation => self.check(parts.first(), span),
                    Wanted::Function => ControlFlow::Continue(()),
                }
            }
            Expr::Function(function) if self.wanted == Wanted::Function => {
                self.check(function.name.0.last().and_then(|p| p.as_ident()), function.name.span())
            }
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_relation(&mut self, name: &ObjectName) -> ControlFlow<()> {
        if self.wanted == Wanted::Relation {
            return self.check(name.0.last().and_then(|p| p.as_ident()), name.span());
        }
        ControlFlow::Continue(())
    }
}
