//! Where in a statement an error lies, where the error itself does not know.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, Ident, ObjectName, Spanned, Visit, Visitor};
use sqlparser::tokenizer::{Token, Tokenizer};

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
    if let Some(at) = by_token(&error, &statement.source) {
        return error.at(at);
    }
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

/// Finds the token that an error is about where its message quotes it: a literal, an operator, a type, a cast.
fn by_token(error: &Error, text: &str) -> Option<usize> {
    let tokens = Tokenizer::new(&super::grammar::Postgres, text).tokenize_with_location().ok()?;
    let tokens: Vec<_> = tokens.iter().filter(|t| !matches!(t.token, Token::Whitespace(_) | Token::EOF)).collect();
    let place = |at: usize| tokens.get(at).and_then(|t| position::of_span(text, t.span));
    let word = |at: usize, wanted: &str| matches!(&tokens[at].token, Token::Word(w) if w.value.eq_ignore_ascii_case(wanted));
    let all = 0..tokens.len();
    match error.condition {
        Condition::InvalidTextRepresentation
        | Condition::InvalidDatetimeFormat
        | Condition::DatetimeFieldOverflow
        | Condition::NumericValueOutOfRange => {
            let quoted = error.message.split_once('"').map_or("", |(_, quoted)| quoted);
            let quoted = quoted.rsplit_once('"').map_or(quoted, |(value, _)| value);
            let is_literal = |at: &usize| match &tokens[*at].token {
                Token::SingleQuotedString(value) | Token::EscapedStringLiteral(value) => value == quoted,
                _ => false,
            };
            let literals: Vec<usize> = all
                .clone()
                .filter(|at| matches!(tokens[*at].token, Token::SingleQuotedString(_) | Token::EscapedStringLiteral(_)))
                .collect();
            let cast = |at: usize| tokens.get(at + 1).is_some_and(|t| t.token == Token::DoubleColon);
            let only = literals.first().copied().filter(|at| literals.len() == 1 && cast(*at));
            place(all.clone().find(is_literal).or(only)?)
        }
        Condition::UndefinedFunction => {
            let types = error.message.strip_prefix("operator does not exist: ")?;
            let symbol = types.split_whitespace().find(|w| !w.chars().any(char::is_alphanumeric))?;
            place(all.clone().find(|at| tokens[*at].token.to_string() == symbol)?)
        }
        Condition::CannotCoerce => place(all.clone().find(|at| tokens[*at].token == Token::DoubleColon || word(*at, "cast"))?),
        Condition::UndefinedObject => {
            let name = error.message.strip_prefix("type \"")?.split('"').next()?;
            place(all.clone().find(|at| word(*at, name))?)
        }
        Condition::InvalidParameterValue => {
            let name = error.message.strip_prefix("length for type ")?.split(' ').next()?;
            place(all.clone().find(|at| word(*at, name))?)
        }
        Condition::DatatypeMismatch if error.message.starts_with("argument of WHERE") => {
            place(all.clone().find(|at| word(*at, "where"))? + 1)
        }
        Condition::GroupingError if error.message.contains("not allowed in WHERE") => {
            let clause = all.clone().find(|at| word(*at, "where"))?;
            place((clause..tokens.len().saturating_sub(1)).find(|at| {
                tokens[at + 1].token == Token::LParen && matches!(&tokens[*at].token, Token::Word(_)) && !word(*at, "where")
            })?)
        }
        Condition::InvalidColumnReference if error.message.starts_with("ORDER BY position") => {
            let number = error.message.split(' ').nth(3)?;
            let clause = all.clone().rfind(|at| word(*at, "order"))?;
            place((clause..tokens.len()).find(|at| tokens[*at].token.to_string() == number)?)
        }
        _ => None,
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
