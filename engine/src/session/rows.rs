//! Rows on their way to whoever asked: a stream that can be cancelled, and that stops its query when it is dropped.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use tokio::sync::mpsc;
use tokio_util::sync::DropGuard;

use super::cancel::{CancelHandle, Limit};
use crate::error::Result;
use crate::sql::parse::Statement;
use crate::sql::place::place;
use crate::types::SqlType;

/// A result's column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its label.
    pub name: String,
    /// Its type.
    pub sql_type: SqlType,
    /// The table that it comes from; 0 where it is computed.
    pub table_oid: u32,
    /// Its number in that table; 0 where it is computed.
    pub attribute: i16,
}

impl Column {
    /// A computed column.
    pub fn new(name: impl Into<String>, sql_type: SqlType) -> Self {
        Self { name: name.into(), sql_type, table_oid: 0, attribute: 0 }
    }
}

/// What a statement did, as its command tag says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tag {
    /// `SELECT`, `INSERT 0`, `CREATE TABLE`, …
    pub verb: &'static str,
    /// How many rows, where that is said.
    pub rows: Option<u64>,
}

impl Tag {
    /// A tag without a count.
    pub fn plain(verb: &'static str) -> Self {
        Self { verb, rows: None }
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.rows {
            Some(rows) => write!(f, "{} {rows}", self.verb),
            None => f.write_str(self.verb),
        }
    }
}

enum Source {
    Ready(VecDeque<RecordBatch>),
    Running { batches: mpsc::Receiver<Result<RecordBatch>>, _stop: DropGuard },
}

/// A result's rows. Dropping it stops the query behind it.
pub struct Rows {
    columns: Arc<[Column]>,
    verb: &'static str,
    counted: bool,
    source: Source,
    limit: Limit,
    cancel: CancelHandle,
    timeout_ms: i64,
    statement: Option<Statement>,
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows").field("columns", &self.columns).field("verb", &self.verb).finish_non_exhaustive()
    }
}

/// What the parts of a session that make rows have in common.
#[derive(Debug, Clone)]
pub struct Clock {
    /// Reaches the session's statement.
    pub cancel: CancelHandle,
    /// `statement_timeout`, in milliseconds; 0 is none.
    pub timeout_ms: i64,
    /// The limit of the statement in progress.
    pub limit: Limit,
}

impl Rows {
    /// Rows that are there already.
    pub fn ready(columns: Arc<[Column]>, batches: Vec<RecordBatch>, verb: &'static str, counted: bool, clock: &Clock) -> Self {
        Self::new(columns, Source::Ready(batches.into()), verb, counted, clock)
    }

    /// Rows that a task sends; `stop` ends that task.
    pub fn running(
        columns: Arc<[Column]>,
        batches: mpsc::Receiver<Result<RecordBatch>>,
        stop: DropGuard,
        verb: &'static str,
        clock: &Clock,
    ) -> Self {
        Self::new(columns, Source::Running { batches, _stop: stop }, verb, true, clock)
    }

    fn new(columns: Arc<[Column]>, source: Source, verb: &'static str, counted: bool, clock: &Clock) -> Self {
        Self {
            columns,
            verb,
            counted,
            source,
            limit: clock.limit.clone(),
            cancel: clock.cancel.clone(),
            timeout_ms: clock.timeout_ms,
            statement: None,
        }
    }

    /// Names the statement, so that an error can say where in it it lies.
    pub(crate) fn of(mut self, statement: Statement) -> Self {
        self.statement = Some(statement);
        self
    }

    /// The columns.
    pub fn columns(&self) -> &Arc<[Column]> {
        &self.columns
    }

    /// The next rows; `None` behind the last. `57014` where the statement was cancelled or its time is up.
    pub async fn next(&mut self) -> Result<Option<RecordBatch>> {
        match &mut self.source {
            Source::Ready(batches) => {
                self.limit.run(std::future::ready(())).await?;
                Ok(batches.pop_front())
            }
            Source::Running { batches, .. } => {
                let batch = self.limit.run(batches.recv()).await?.transpose();
                batch.map_err(|error| match &self.statement {
                    Some(statement) => place(error, statement),
                    None => error,
                })
            }
        }
    }

    /// A suspended portal is executed again: cancel and timeout count anew.
    pub fn restart_clock(&mut self) {
        self.limit = Limit::new(self.cancel.token(), self.timeout_ms);
    }

    /// The command tag after that many rows.
    pub fn tag(&self, rows: u64) -> Tag {
        Tag { verb: self.verb, rows: self.counted.then_some(rows) }
    }

    /// All rows at once, for small results inside the engine.
    pub async fn collect(mut self) -> Result<Vec<RecordBatch>> {
        let mut all = Vec::new();
        while let Some(batch) = self.next().await? {
            all.push(batch);
        }
        Ok(all)
    }
}
