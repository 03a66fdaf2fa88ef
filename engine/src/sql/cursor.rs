//! DECLARE, FETCH, MOVE and CLOSE: a query whose rows are taken a few at a time.

use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::common::ScalarValue;
use sqlparser::ast::{self, CloseCursor, Declare, FetchDirection, Ident, ValueWithSpan};

use super::label::fold;
use crate::error::{Condition, Error, Result};
use crate::session::Session;
use crate::session::execute::{Outcome, Prepared};
use crate::session::rows::{Column, Rows, Tag};

/// An open cursor.
#[derive(Debug)]
pub struct Cursor {
    rows: Rows,
    rest: Option<RecordBatch>,
    hold: bool,
    /// Whether the transaction that declared it has committed.
    committed: bool,
    /// What `pg_cursors` shows.
    pub text: String,
}

impl Cursor {
    /// Whether it outlives a transaction's end.
    pub fn survives(&mut self, committed: bool) -> bool {
        if self.hold && committed {
            self.committed = true;
        }
        self.committed
    }

    /// Up to `count` further rows.
    async fn take(&mut self, count: u64) -> Result<Vec<RecordBatch>> {
        let mut taken = Vec::new();
        let mut missing = usize::try_from(count).unwrap_or(usize::MAX);
        while missing > 0 {
            let batch = match self.rest.take() {
                Some(batch) => batch,
                None => match self.rows.next().await? {
                    Some(batch) => batch,
                    None => break,
                },
            };
            if batch.num_rows() > missing {
                taken.push(batch.slice(0, missing));
                self.rest = Some(batch.slice(missing, batch.num_rows() - missing));
                missing = 0;
            } else {
                missing -= batch.num_rows();
                taken.push(batch);
            }
        }
        Ok(taken)
    }
}

fn undefined(name: &str) -> Error {
    Error::new(Condition::InvalidCursorName, format!("cursor \"{name}\" does not exist"))
}

fn number(value: &ValueWithSpan) -> Result<i64> {
    value.value.to_string().parse().map_err(|_| Error::syntax(format!("syntax error at or near \"{}\"", value.value)))
}

/// How many rows a direction asks for.
fn count(direction: &FetchDirection) -> Result<u64> {
    let backwards = || {
        Error::new(Condition::ObjectNotInPrerequisiteState, "cursor can only scan forward")
            .hint("Declare it with SCROLL option to enable backward scan.")
    };
    match direction {
        FetchDirection::Next | FetchDirection::Forward { limit: None } => Ok(1),
        FetchDirection::Count { limit } | FetchDirection::Forward { limit: Some(limit) } => {
            u64::try_from(number(limit)?).map_err(|_| backwards())
        }
        FetchDirection::All | FetchDirection::ForwardAll => Ok(u64::MAX),
        FetchDirection::Relative { limit } if number(limit)? == 1 => Ok(1),
        FetchDirection::Prior
        | FetchDirection::First
        | FetchDirection::Last
        | FetchDirection::Absolute { .. }
        | FetchDirection::Relative { .. }
        | FetchDirection::Backward { .. }
        | FetchDirection::BackwardAll => Err(backwards()),
    }
}

impl Session {
    pub(crate) async fn declare(
        &mut self,
        declarations: &[Declare],
        prepared: &Prepared,
        values: Vec<ScalarValue>,
    ) -> Result<Outcome> {
        let [declare] = declarations else { return Err(Error::syntax("DECLARE takes one cursor")) };
        let (Some(name), Some(query)) = (declare.names.first().map(fold), &declare.for_query) else {
            return Err(Error::unsupported("DECLARE is supported for cursors alone"));
        };
        if declare.scroll == Some(true) {
            return Err(Error::unsupported("scrollable cursors are not supported").hint("Declare it with NO SCROLL."));
        }
        if declare.binary == Some(true) {
            return Err(Error::unsupported("binary cursors are not supported").hint("Use the extended protocol's binary format."));
        }
        let hold = declare.hold == Some(true);
        if !hold && self.transaction.as_ref().is_none_or(|t| !t.explicit) {
            return Err(Error::new(Condition::NoActiveSqlTransaction, "DECLARE CURSOR can only be used in transaction blocks"));
        }
        if self.cursors.contains_key(&name) {
            return Err(Error::new(Condition::DuplicateCursor, format!("cursor \"{name}\" already exists")));
        }
        self.transaction();
        let part = prepared.statement.part(ast::Statement::Query(query.clone()));
        let types: Vec<_> = prepared.parameters.iter().copied().map(Some).collect();
        let inner = self.prepare_query(part, query, &types, &Default::default())?;
        let rows = self.run(&inner, values).await?;
        let cursor = Cursor { rows, rest: None, hold, committed: false, text: prepared.text().to_owned() };
        self.cursors.insert(name, cursor);
        Ok(Outcome::Complete(Tag::plain("DECLARE CURSOR")))
    }

    /// The columns of the cursor of that name, which the protocol may describe as a portal; `None` where there is none.
    pub fn described_cursor(&self, name: &str) -> Option<Arc<[Column]>> {
        self.cursors.get(name).map(|c| Arc::clone(c.rows.columns()))
    }

    pub(crate) fn cursor_columns(&self, name: &Ident) -> Result<Arc<[Column]>> {
        let name = fold(name);
        self.cursors.get(&name).map(|c| Arc::clone(c.rows.columns())).ok_or_else(|| undefined(&name))
    }

    pub(crate) async fn fetch(&mut self, name: &Ident, direction: &FetchDirection, is_move: bool) -> Result<Outcome> {
        let name = fold(name);
        let clock = self.clock();
        let cursor = self.cursors.get_mut(&name).ok_or_else(|| undefined(&name))?;
        let count = count(direction)?;
        cursor.rows.restart_clock();
        let batches = cursor.take(count).await?;
        if is_move {
            let rows = batches.iter().map(|b| b.num_rows() as u64).sum();
            return Ok(Outcome::Complete(Tag { verb: "MOVE", rows: Some(rows) }));
        }
        let columns = Arc::clone(cursor.rows.columns());
        Ok(Outcome::Rows(Rows::ready(columns, batches, "FETCH", true, &clock)))
    }

    pub(crate) fn close_cursor(&mut self, cursor: &CloseCursor) -> Result<Outcome> {
        match cursor {
            CloseCursor::All => {
                self.cursors.clear();
                self.portals_closed = true;
                Ok(Outcome::Complete(Tag::plain("CLOSE CURSOR ALL")))
            }
            CloseCursor::Specific { name } => {
                let name = fold(name);
                if name == "all" {
                    return self.close_cursor(&CloseCursor::All);
                }
                self.cursors.remove(&name).ok_or_else(|| undefined(&name))?;
                Ok(Outcome::Complete(Tag::plain("CLOSE CURSOR")))
            }
        }
    }
}
