//! Text to syntax trees, in PostgreSQL's dialect, with PostgreSQL's syntax errors.

use std::sync::Arc;

use sqlparser::ast;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer, Word};

use super::grammar::Postgres;
use super::position;
use crate::error::{Condition, Error, Result};

/// How deeply expressions and queries may nest.
const DEPTH: usize = 200;

/// One statement of a text.
#[derive(Debug, Clone)]
pub struct Statement {
    /// The whole text that it came in: positions count from its beginning.
    pub source: Arc<str>,
    /// The statement's own text.
    pub text: Arc<str>,
    /// Its tree; `None` for an empty statement.
    pub tree: Option<Arc<ast::Statement>>,
    /// `MOVE`: a `FETCH` that returns no rows.
    pub is_move: bool,
    /// `CREATE TABLE … AS … WITH NO DATA`.
    pub no_data: bool,
}

impl Statement {
    /// The statement's own text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether there is nothing to do: a comment, or nothing at all.
    pub fn is_empty(&self) -> bool {
        self.tree.is_none()
    }

    /// A statement around a tree that is part of another statement.
    pub fn part(&self, tree: ast::Statement) -> Self {
        Self {
            source: Arc::clone(&self.source),
            text: tree.to_string().into(),
            tree: Some(Arc::new(tree)),
            is_move: false,
            no_data: false,
        }
    }
}

/// All statements of a text. A text without any gives one empty statement.
///
/// Fails with `42601` and a position where any of them is malformed: PostgreSQL runs nothing of such a text.
pub fn parse(text: &str) -> Result<Vec<Statement>> {
    let dialect = Postgres;
    let tokens = Tokenizer::new(&dialect, text).tokenize_with_location().map_err(|e| {
        let at = position::of_location(text, e.location).unwrap_or(1);
        let rest: String = text.chars().skip(at.saturating_sub(1)).collect();
        let what = match e.message.as_str() {
            m if m.contains("Unterminated string literal") => "unterminated quoted string",
            m if m.contains("Unterminated dollar-quoted") => "unterminated dollar-quoted string",
            m if m.contains("multi-line comment") => "unterminated /* comment",
            m if m.contains("delimiter '\"'") || m.contains("close delimiter") => "unterminated quoted identifier",
            _ => "syntax error",
        };
        Error::syntax(format!("{what} at or near \"{rest}\"")).at(at)
    })?;
    let source: Arc<str> = text.into();
    let mut statements = Vec::new();
    for run in tokens.split(|t| t.token == Token::SemiColon) {
        let mut run: Vec<TokenWithSpan> = run.iter().filter(|t| !matches!(t.token, Token::EOF)).cloned().collect();
        let (Some(first), Some(last)) =
            (run.iter().find(|t| !is_space(&t.token)), run.iter().rev().find(|t| !is_space(&t.token)))
        else {
            continue;
        };
        let from = position::of_span(text, first.span).unwrap_or(1);
        let to = position::of_location(text, last.span.end).unwrap_or(usize::MAX);
        let own: String = text.chars().skip(from - 1).take(to.saturating_sub(from)).collect();
        let is_move = first_word(&run).is_some_and(|w| w.eq_ignore_ascii_case("move"));
        check_chains(&run)?;
        substitute(&mut run);
        let no_data = strip_data(&mut run);
        let tree = parse_one(&dialect, text, run)?;
        statements.push(Statement {
            source: Arc::clone(&source),
            text: own.into(),
            tree: Some(Arc::new(tree)),
            is_move,
            no_data,
        });
    }
    if statements.is_empty() {
        statements.push(Statement { source: Arc::clone(&source), text: "".into(), tree: None, is_move: false, no_data: false });
    }
    Ok(statements)
}

fn is_space(token: &Token) -> bool {
    matches!(token, Token::Whitespace(_))
}

fn first_word(run: &[TokenWithSpan]) -> Option<&str> {
    match &run.iter().find(|t| !is_space(&t.token))?.token {
        Token::Word(Word { value, quote_style: None, .. }) => Some(value),
        _ => None,
    }
}

/// Spells what the parser does not know in words that it knows: ABORT is ROLLBACK, MOVE walks like FETCH,
/// END is COMMIT, `TABLE t` is `SELECT * FROM t`.
fn substitute(run: &mut Vec<TokenWithSpan>) {
    let Some(at) = run.iter().position(|t| !is_space(&t.token)) else { return };
    let Token::Word(word) = &run[at].token else { return };
    let (with, more): (&str, &[&str]) = match word.value.to_ascii_lowercase().as_str() {
        "abort" => ("ROLLBACK", &[]),
        "move" => ("FETCH", &[]),
        "table" => ("SELECT", &["*", "FROM"]),
        "fetch" => ("FETCH", &[]),
        _ => return,
    };
    let span = run[at].span;
    run[at].token = Token::make_keyword(with);
    for (offset, text) in more.iter().enumerate() {
        let token = if *text == "*" { Token::Mul } else { Token::make_keyword(text) };
        run.insert(at + 1 + offset, TokenWithSpan { token, span });
    }
    if with == "FETCH" {
        fetch_next(run, at);
    }
}

/// How many operators may follow one another at one level: each is a level of the tree, which is walked recursively.
const CHAIN: usize = 1500;

fn check_chains(run: &[TokenWithSpan]) -> Result<()> {
    let mut levels = vec![0usize];
    for token in run {
        match &token.token {
            Token::LParen | Token::LBracket => levels.push(0),
            Token::RParen | Token::RBracket => {
                levels.pop();
                if levels.is_empty() {
                    levels.push(0);
                }
            }
            Token::Comma => {
                if let Some(last) = levels.last_mut() {
                    *last = 0;
                }
            }
            Token::Word(word) => {
                let chains = matches!(
                    word.value.to_ascii_lowercase().as_str(),
                    "and"
                        | "or"
                        | "not"
                        | "case"
                        | "union"
                        | "intersect"
                        | "except"
                        | "is"
                        | "like"
                        | "ilike"
                        | "between"
                        | "collate"
                        | "join"
                );
                if let (true, Some(last)) = (chains && word.quote_style.is_none(), levels.last_mut()) {
                    *last += 1;
                }
            }
            Token::Whitespace(_)
            | Token::Number(..)
            | Token::SingleQuotedString(_)
            | Token::EscapedStringLiteral(_)
            | Token::Placeholder(_)
            | Token::Period
            | Token::SemiColon
            | Token::EOF => {}
            _ => {
                if let Some(last) = levels.last_mut() {
                    *last += 1;
                }
            }
        }
        if levels.len() > 2 * DEPTH || levels.last().is_some_and(|n| *n > CHAIN) {
            return Err(too_deep());
        }
    }
    Ok(())
}

fn too_deep() -> Error {
    Error::new(Condition::StatementTooComplex, "stack depth limit exceeded")
        .hint(format!("Nest expressions and queries less than {DEPTH} deep, and chain less than {CHAIN} operators."))
}

/// `FETCH c` and `FETCH FROM c` mean the next row.
fn fetch_next(run: &mut Vec<TokenWithSpan>, at: usize) {
    let words: Vec<(usize, String)> = run[at + 1..]
        .iter()
        .enumerate()
        .filter(|(_, t)| !is_space(&t.token))
        .map(|(offset, t)| (at + 1 + offset, t.token.to_string().to_ascii_lowercase()))
        .collect();
    let Some((first, word)) = words.first() else { return };
    let span = run[at].span;
    let mut insert = |place: usize, text: &str| run.insert(place, TokenWithSpan { token: Token::make_keyword(text), span });
    if word == "from" || word == "in" {
        insert(*first, "NEXT");
    } else if words.len() == 1 {
        insert(*first, "FROM");
        insert(*first, "NEXT");
    }
}

/// Takes `WITH [NO] DATA` off the end of CREATE TABLE AS; whether it said NO.
fn strip_data(run: &mut Vec<TokenWithSpan>) -> bool {
    if !first_word(run).is_some_and(|w| w.eq_ignore_ascii_case("create")) {
        return false;
    }
    let words: Vec<(usize, String)> = run
        .iter()
        .enumerate()
        .filter(|(_, t)| !is_space(&t.token))
        .map(|(at, t)| (at, t.token.to_string().to_ascii_lowercase()))
        .collect();
    let tail: Vec<&str> = words.iter().rev().take(3).map(|(_, w)| w.as_str()).collect();
    let (length, no) = match tail.as_slice() {
        ["data", "no", "with"] => (3, true),
        ["data", "with", ..] => (2, false),
        _ => return false,
    };
    run.truncate(words[words.len() - length].0);
    no
}

/// A sign binds more tightly than `^`: `-2 ^ 2` is 4.
fn bind_signs(statement: &mut ast::Statement) {
    let _ = ast::visit_expressions_mut(statement, |expr| {
        if let ast::Expr::UnaryOp { op: sign @ (ast::UnaryOperator::Minus | ast::UnaryOperator::Plus), expr: inner } = expr
            && let ast::Expr::BinaryOp { left, op: ast::BinaryOperator::PGExp, right } = inner.as_mut()
        {
            let signed = ast::Expr::UnaryOp { op: *sign, expr: left.clone() };
            *expr = ast::Expr::BinaryOp { left: Box::new(signed), op: ast::BinaryOperator::PGExp, right: right.clone() };
        }
        std::ops::ControlFlow::<()>::Continue(())
    });
}

fn parse_one(dialect: &Postgres, text: &str, mut run: Vec<TokenWithSpan>) -> Result<ast::Statement> {
    let end = run.last().map_or(sqlparser::tokenizer::Location::new(0, 0), |t| t.span.end);
    let copies = first_word(&run).is_some_and(|w| w.eq_ignore_ascii_case("copy"));
    if copies {
        // The parser wants the semicolon behind COPY … FROM STDIN, after which psql's data would follow.
        run.push(TokenWithSpan { token: Token::SemiColon, span: sqlparser::tokenizer::Span::new(end, end) });
    }
    let mut parser = Parser::new(dialect).with_recursion_limit(DEPTH).with_tokens_with_locations(run);
    let mut statement = parser.parse_statement().map_err(|e| syntax_error(text, &e))?;
    bind_signs(&mut statement);
    let mut rest = parser.peek_token();
    if rest.token == Token::SemiColon {
        parser.next_token();
        rest = parser.peek_token();
    }
    if rest.token == Token::EOF {
        return Ok(statement);
    }
    Err(near(text, position::of_span(text, rest.span).unwrap_or(1)))
}

/// `syntax error at or near "x"`, x being the token at `at`.
fn near(text: &str, at: usize) -> Error {
    let rest: String = text.chars().skip(at.saturating_sub(1)).collect();
    let token = match Tokenizer::new(&Postgres, &rest).tokenize_with_location() {
        Ok(tokens) => {
            let first = tokens.iter().find(|t| !is_space(&t.token));
            first.and_then(|t| {
                let from = position::of_location(&rest, t.span.start)?;
                let to = position::of_location(&rest, t.span.end)?;
                Some(rest.chars().skip(from - 1).take(to.saturating_sub(from)).collect::<String>())
            })
        }
        Err(_) => None,
    };
    match token {
        Some(token) if !token.is_empty() => Error::syntax(format!("syntax error at or near \"{token}\"")).at(at),
        Some(_) | None => Error::syntax("syntax error at end of input").at(text.chars().count() + 1),
    }
}

fn syntax_error(text: &str, error: &ParserError) -> Error {
    let message = match error {
        ParserError::RecursionLimitExceeded => {
            return too_deep();
        }
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => message,
    };
    let place = message.rsplit_once(" at Line: ").and_then(|(_, place)| {
        let (line, column) = place.split_once(", Column: ")?;
        Some((line.trim().parse().ok()?, column.trim().parse().ok()?))
    });
    match place {
        Some((line, column)) if !message.contains("found: EOF") => near(text, position::of(text, line, column)),
        Some(_) => Error::syntax("syntax error at end of input").at(text.chars().count() + 1),
        None if message.contains("found: EOF") => Error::syntax("syntax error at end of input").at(text.chars().count() + 1),
        None => Error::syntax(format!("syntax error: {message}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_and_keeps_texts() {
        let texts: Vec<String> =
            parse(" select 1 ; /* x */ ; select ';' -- c\n").unwrap().iter().map(|s| s.text.to_string()).collect();
        assert_eq!(texts, ["select 1", "select ';'"]);
        assert!(parse("-- ping").unwrap()[0].is_empty());
    }

    #[test]
    fn errors_have_a_place() {
        let error = parse("select 1 fro m").unwrap_err();
        assert_eq!((error.message.as_str(), error.position), ("syntax error at or near \"m\"", Some(14)));
        assert_eq!(parse("select (1").unwrap_err().message, "syntax error at end of input");
        assert_eq!(parse("selec 1").unwrap_err().position, Some(1));
        assert!(parse("select 'abc").unwrap_err().message.starts_with("unterminated quoted string"));
    }

    #[test]
    fn depth_is_bounded() {
        let text = format!("select {}1{}", "(".repeat(10_000), ")".repeat(10_000));
        assert_eq!(parse(&text).unwrap_err().condition, Condition::StatementTooComplex);
    }
}
