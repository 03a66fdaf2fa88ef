//! Rows on their way out: batches in, whole frames into the output, slice by slice.
//!
//! No more than about twice [`FULL`] bytes wait for the socket, however large a batch is, and while the engine
//! works on the next batch, what is ready goes out. A cancel is heeded in every slice, also while the client
//! does not read; the engine's own error says why.

use std::pin::pin;
use std::time::Duration;

use arrow::record_batch::RecordBatch;
use tokio_util::sync::CancellationToken;
use warpwise_engine::error::{Condition, Error, Result};
use warpwise_engine::{Rows, Tag};

use crate::encoding::Encoding;
use crate::error::{Failure, guard, guard_now};
use crate::output::{FULL, Output};

/// How many bytes a slice aims at.
const SLICE: usize = FULL;
/// How long ready rows wait for company.
const LINGER: Duration = Duration::from_millis(2);

/// How a run of [`RowStream::send`] ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// At the row limit.
    Suspended,
    /// At the last row; how many this run sent.
    Finished(u64),
}

/// A result that is being sent.
pub(crate) struct RowStream {
    rows: Rows,
    encoding: Encoding,
    /// The batch in hand, and the first row of it that is not sent.
    batch: Option<(RecordBatch, usize)>,
    /// What a row takes, going by the last slice; None before the first.
    row_bytes: Option<usize>,
}

impl RowStream {
    /// A stream at its first row.
    pub(crate) fn new(rows: Rows, encoding: Encoding) -> Self {
        Self { rows, encoding, batch: None, row_bytes: None }
    }

    /// Goes on after a suspension: cancel and statement_timeout count anew.
    pub(crate) fn resume(&mut self) {
        self.rows.restart_clock();
    }

    /// The tag for a number of rows.
    pub(crate) fn tag(&self, rows: u64) -> Tag {
        self.rows.tag(rows)
    }

    /// Sends up to `limit` rows. The last of them may still be in the buffer when it returns.
    pub(crate) async fn send(
        &mut self,
        limit: Option<u64>,
        out: &mut Output,
        cancelled: &CancellationToken,
    ) -> Result<Progress, Failure> {
        let mut sent = 0;
        loop {
            let left = limit.map_or(u64::MAX, |limit| limit - sent);
            if left == 0 {
                return Ok(Progress::Suspended);
            }
            let (batch, from) = match self.batch.take() {
                Some(rest) => rest,
                None => match self.next(out, cancelled).await? {
                    Some(batch) => (batch, 0),
                    None => return Ok(Progress::Finished(sent)),
                },
            };
            let rows = self.slice(&batch).min(batch.num_rows() - from).min(usize::try_from(left).unwrap_or(usize::MAX));
            if rows == 0 {
                // An empty batch.
                continue;
            }
            let before = out.buffer.len();
            let encoded = guard_now(|| self.encoding.encode(&batch, from..from + rows, &mut out.buffer));
            if let Err(error) = encoded {
                out.buffer.truncate(before);
                return Err(error.into());
            }
            self.row_bytes = Some((out.buffer.len() - before) / rows);
            sent += rows as u64;
            if from + rows < batch.num_rows() {
                self.batch = Some((batch, from + rows));
            }
            if cancelled.is_cancelled() || (out.buffer.len() >= FULL && !out.flush_unless(cancelled).await?) {
                return Err(self.cancelled().await.into());
            }
        }
    }

    /// How many rows make a slice.
    fn slice(&self, batch: &RecordBatch) -> usize {
        let row_bytes = self.row_bytes.unwrap_or_else(|| batch.get_array_memory_size() / batch.num_rows().max(1));
        (SLICE / row_bytes.max(16)).max(1)
    }

    /// The next batch. What is buffered goes out where it takes its time.
    async fn next(&mut self, out: &mut Output, cancelled: &CancellationToken) -> Result<Option<RecordBatch>, Failure> {
        let mut next = pin!(guard(self.rows.next()));
        if out.buffer.is_empty() {
            return Ok(next.await?);
        }
        match tokio::time::timeout(LINGER, &mut next).await {
            Ok(batch) => Ok(batch?),
            Err(_) => {
                // Given up by a cancel, of which the engine tells at once.
                out.flush_unless(cancelled).await?;
                Ok(next.await?)
            }
        }
    }

    /// The engine's reason for a cancel that was noticed here.
    async fn cancelled(&mut self) -> Error {
        match guard(self.rows.next()).await {
            Err(error) => error,
            Ok(_) => Error::new(Condition::QueryCanceled, "canceling statement due to user request"),
        }
    }
}
