//! Columns in host memory at their physical types, within a budget.
//!
//! A table's column is made of segments, which never change; a snapshot is a list of them. What is kept is one entry
//! for each column of each segment, so a write leaves what it did not touch as it was. All entries of a column have one
//! encoding: a segment with values that it does not hold widens it, and entries that are narrower are encoded again,
//! from the entries themselves, when next asked for. What was found in a segment is kept when its data goes, so that
//! the encoding, and with it compiled code, stays.
//!
//! Over its budget the cache lets go of entries that no query holds, those not used for longest first. A request that is
//! larger than the budget is served all the same, and of it only what fits is kept. An entry that shares an
//! array's buffer counts with the bytes of its rows, and keeps alive all that the buffer has. What a load has in hand before it becomes an entry, what a
//! query still holds of an entry that was replaced by a wider one, and dictionaries, which are small, do not count.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use parking_lot::{Condvar, Mutex};

use super::load::Attempt;
use super::state::State;
use crate::column::{Chunk, Column, Facts};
use crate::error::{Error, Result};
use crate::memory::Budget;

/// A segment's name, which is never used again for other rows, and its number of rows.
pub type SegmentRows = (u64, usize);

/// One column of one snapshot of a table. The numbers mean nothing to the cache.
#[derive(Debug, Clone)]
pub struct ColumnRequest<'a> {
    /// The table through all its versions: a dictionary belongs to an owner and a column.
    pub owner: u64,
    /// Which column.
    pub column: u32,
    /// Arrow's type of it. Arrays may come with strings in another layout and decimals in another width.
    pub logical: DataType,
    /// Whether it is declared to hold NULL; where it is not and does, the request fails.
    pub nullable: bool,
    /// The snapshot's segments, in the order in which their chunks are wanted.
    pub segments: &'a [SegmentRows],
}

/// A column that is there.
#[derive(Debug, Clone)]
pub struct ResidentColumn {
    /// What is known of it, and what every chunk is.
    pub facts: Facts,
    /// The chunks of all segments in order; cut at the same rows for every column of the same segments.
    pub chunks: Vec<Arc<Column>>,
    /// Bytes that were encoded for this request; 0 where all was there.
    pub loaded: u64,
}

impl ResidentColumn {
    /// The chunks that columns of the same snapshot make, at least one column.
    pub fn chunks(columns: &[Self]) -> Result<Vec<Chunk>> {
        let rows = |column: &Self| column.chunks.iter().map(|chunk| chunk.rows).collect::<Vec<_>>();
        let cuts = columns.first().map(rows).unwrap_or_default();
        if columns.iter().any(|column| rows(column) != cuts) {
            return Err(Error::Invalid("columns of different snapshots side by side".to_owned()));
        }
        let chunk = |(at, rows): (usize, &usize)| Chunk {
            rows: *rows,
            columns: columns.iter().map(|column| Arc::clone(&column.chunks[at])).collect(),
        };
        Ok(cuts.iter().enumerate().map(chunk).collect())
    }
}

/// Reads some columns of one segment: the arrays of each, in the order asked for. The first argument is the segment's
/// place in the request, the second the places of the columns among the requests: each column that a segment lacks is
/// asked for once, by itself, so that it is encoded while others are read. It is called without any lock held,
/// from several threads at once, and must not ask this cache for anything.
pub type Loader<'a> = dyn Fn(usize, &[usize]) -> Result<Vec<Vec<ArrayRef>>> + Sync + 'a;

/// What the cache holds and did so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ColumnStatistics {
    /// Bytes held.
    pub bytes: u64,
    /// Bytes that may be held.
    pub budget: u64,
    /// Columns of segments that were there when asked for, or were being loaded for another request.
    pub hits: u64,
    /// Columns of segments that had to be loaded.
    pub misses: u64,
    /// Columns of segments that were encoded again because the column became wider.
    pub widened: u64,
    /// Columns of segments let go for others.
    pub evictions: u64,
}

/// The cache. Shared by reference; every method may be called from any thread.
pub struct ColumnCache {
    pub(super) budget: Budget,
    pub(super) state: Mutex<State>,
    /// Somebody published, or gave up, what others may wait for.
    pub(super) changed: Condvar,
    pub(super) hits: AtomicU64,
    pub(super) misses: AtomicU64,
    pub(super) widened: AtomicU64,
}

impl ColumnCache {
    /// One that keeps what fits a budget.
    pub fn new(budget: Budget) -> Self {
        Self {
            budget,
            state: Mutex::default(),
            changed: Condvar::new(),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            widened: AtomicU64::new(0),
        }
    }

    /// Changes the budget; what no longer fits goes at once, except what queries hold.
    pub fn set_budget(&self, bytes: u64) {
        self.budget.set_limit(bytes);
        let mut gone = Vec::new();
        self.state.lock().shrink(&self.budget, 0, &mut gone);
    }

    /// A column, loaded where it is not there. `load` reads it from the segment at a place in the request.
    pub fn resident(
        &self,
        request: &ColumnRequest<'_>,
        load: &(dyn Fn(usize) -> Result<Vec<ArrayRef>> + Sync),
    ) -> Result<ResidentColumn> {
        let columns = self.resident_many(std::slice::from_ref(request), 1, &|segment, _: &[usize]| Ok(vec![load(segment)?]))?;
        columns.into_iter().next().ok_or_else(|| Error::Invalid("no column came of a request for one".to_owned()))
    }

    /// Several columns of the same segments of one owner, several columns and segments at once, on at most `threads`
    /// threads.
    pub fn resident_many(
        &self,
        requests: &[ColumnRequest<'_>],
        threads: usize,
        load: &Loader<'_>,
    ) -> Result<Vec<ResidentColumn>> {
        self.resident_while(requests, threads, load, &|| Ok(()))
    }

    /// The same; while others load what is asked for, `go_on` says every now and then whether to wait any longer.
    pub fn resident_while(
        &self,
        requests: &[ColumnRequest<'_>],
        threads: usize,
        load: &Loader<'_>,
        go_on: &dyn Fn() -> Result<()>,
    ) -> Result<Vec<ResidentColumn>> {
        if let [first, rest @ ..] = requests
            && rest.iter().any(|other| other.owner != first.owner || other.segments != first.segments)
        {
            return Err(Error::Invalid("columns of different snapshots in one request".to_owned()));
        }
        loop {
            // A column that was forgotten meanwhile is begun again; that is rare, and then true of the next round only
            // if it is forgotten once more.
            if let Some(found) = Attempt::new(self, requests, threads.max(1), load).run(go_on)? {
                return Ok(found);
            }
        }
    }

    /// Takes note of what the values of a column are said to lie between, as Arrow counts them: it is stored in no narrower
    /// type from now on, so that what is loaded first need not be widened for what comes later. It is only a claim: a
    /// value outside of it widens the column as any other does.
    pub fn expect(&self, request: &ColumnRequest<'_>, range: (i128, i128)) -> Result<()> {
        self.state.lock().column(request)?.claim(range)
    }

    /// What is known of a column without loading anything; none until each of its segments was loaded once. A request
    /// that follows at once finds the same encoding.
    pub fn facts_if_known(&self, request: &ColumnRequest<'_>) -> Option<Facts> {
        self.state.lock().get((request.owner, request.column))?.known_facts(request)
    }

    /// Why a request cannot be answered, where an earlier one found out: loading again would find the same.
    pub fn refusal(&self, request: &ColumnRequest<'_>) -> Option<Error> {
        self.state.lock().get((request.owner, request.column))?.refusal(request)
    }

    /// Forgets all columns of an owner, with their dictionaries.
    pub fn forget_owner(&self, owner: u64) {
        let gone = self.state.lock().forget_owner(owner);
        drop(gone);
        self.changed.notify_all();
    }

    /// Forgets a segment that no snapshot names any more.
    pub fn forget_segment(&self, owner: u64, segment: u64) {
        let gone = self.state.lock().forget_segment(owner, segment);
        drop(gone);
        self.changed.notify_all();
    }

    /// What it holds and did so far.
    pub fn statistics(&self) -> ColumnStatistics {
        ColumnStatistics {
            bytes: self.budget.used(),
            budget: self.budget.limit(),
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            widened: self.widened.load(Ordering::Relaxed),
            evictions: self.state.lock().evictions,
        }
    }
}

impl fmt::Debug for ColumnCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ColumnCache {:?}", self.statistics())
    }
}
