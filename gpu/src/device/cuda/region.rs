//! Device memory with an owner, the budget that it is taken from, and the columns that stay in it.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::interface::Driver;
use crate::error::Result;
use crate::memory::{Budget, Reservation};

/// The setting that bounds a device's memory.
const SETTING: &str = "warpwise.device_memory";
/// The share of a device's memory that columns may take.
pub const COLUMNS: f64 = 0.7;
/// The most bytes of columns that pass through at once, and are not kept.
const WINDOW: u64 = 1 << 30;

/// Reserved device memory; given back when dropped.
#[derive(Debug)]
pub struct Region {
    driver: Arc<dyn Driver>,
    /// Where it begins.
    pub address: u64,
    /// How many bytes it has.
    pub bytes: usize,
    _share: Reservation,
}

impl Drop for Region {
    fn drop(&mut self) {
        self.driver.free(self.address);
    }
}

/// The bytes that a region for so many has: a kernel may read a vector past the last element.
fn rounded(bytes: usize) -> usize {
    bytes.max(1).next_multiple_of(256)
}

/// A column in device memory.
#[derive(Debug)]
pub struct Resident {
    /// Its values.
    pub values: Region,
    /// The bytes of texts, from the first that an offset leads to on; and that offset.
    pub bytes: Option<(Region, u64)>,
    /// Its validity, where it has one.
    pub validity: Option<Region>,
    /// Its share of the memory for columns; none where it passes through.
    pub _share: Option<Reservation>,
}

impl Resident {
    /// Bytes that it takes of the device.
    pub fn size(&self) -> usize {
        let bytes = self.bytes.as_ref().map(|(region, _)| region);
        [Some(&self.values), bytes, self.validity.as_ref()].into_iter().flatten().map(|region| region.bytes).sum()
    }
}

/// The memory of a device: how much may be taken, and the columns in it, by key. Columns used longest ago go first. An
/// execution that uses a column holds it, which keeps its memory, whatever becomes of it here.
///
/// A run whose columns are more than there is room for keeps those that it met first, and lets the others pass through:
/// letting go of the first for the last would leave none of them for the next run.
#[derive(Debug)]
pub struct Columns {
    /// All that is taken of the device.
    memory: Budget,
    /// What columns take that stay.
    budget: Budget,
    /// The limit of `budget` where nobody sets one.
    default: u64,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    columns: HashMap<u64, (Arc<Resident>, u64)>,
    clock: u64,
}

impl Columns {
    /// Keeps at most so many bytes of columns; all else is bounded by the device alone.
    pub fn new(budget: usize) -> Self {
        let default = budget as u64;
        let memory = Budget::new("device memory", SETTING, u64::MAX);
        let budget = Budget::new("device memory for columns", SETTING, default);
        Self { memory, budget, default, kept: Mutex::default() }
    }

    /// Takes at most so many bytes of the device from now on; 0 is as many as it has.
    pub fn set_limit(&self, bytes: u64) {
        let (memory, columns) = match bytes {
            0 => (u64::MAX, self.default),
            bytes => (bytes, self.default.min((bytes as f64 * COLUMNS) as u64)),
        };
        if (self.memory.limit(), self.budget.limit()) != (memory, columns) {
            self.memory.set_limit(memory);
            self.budget.set_limit(columns);
            self.trim();
        }
    }

    /// Reserves at least `bytes`.
    pub fn region(&self, driver: &Arc<dyn Driver>, bytes: usize) -> Result<Region> {
        let bytes = rounded(bytes);
        let share = self.memory.reserve(bytes as u64)?;
        Ok(Region { driver: Arc::clone(driver), address: driver.allocate(bytes)?, bytes, _share: share })
    }

    /// Bytes of columns that may pass through at once.
    pub fn window(&self) -> u64 {
        self.rest().min(WINDOW)
    }

    /// Bytes that a sink's state should begin with at most.
    pub fn state(&self) -> u64 {
        if self.memory.limit() == u64::MAX { u64::MAX } else { self.rest() }
    }

    /// Half of what columns that stay leave.
    fn rest(&self) -> u64 {
        match self.memory.limit() {
            u64::MAX => self.budget.limit() / 4,
            limit => limit.saturating_sub(self.budget.limit()) / 2,
        }
    }

    /// The time by which a run knows what was used before it.
    pub fn now(&self) -> u64 {
        let mut kept = self.kept.lock();
        kept.clock += 1;
        kept.clock
    }

    /// Room for a column of buffers of such sizes that will stay, if need be in place of columns that nobody used since
    /// `since`.
    pub fn admit(&self, sizes: impl Iterator<Item = usize>, since: u64) -> Option<Reservation> {
        let bytes = sizes.map(|bytes| rounded(bytes) as u64).sum::<u64>();
        let mut kept = self.kept.lock();
        loop {
            let free = self.memory.limit().saturating_sub(self.memory.used());
            // What passes through needs room beside it.
            if free >= bytes.saturating_add(self.window())
                && let Ok(share) = self.budget.reserve(bytes)
            {
                return Some(share);
            }
            kept.evict(since)?;
        }
    }

    /// The column with this key, if it is here.
    pub fn get(&self, key: u64) -> Option<Arc<Resident>> {
        let mut kept = self.kept.lock();
        kept.clock += 1;
        let clock = kept.clock;
        let (column, used) = kept.columns.get_mut(&key)?;
        *used = clock;
        Some(Arc::clone(column))
    }

    /// Keeps a column that was admitted and that the device has finished copying: any stream may read it.
    pub fn put(&self, key: u64, column: &Arc<Resident>) {
        let mut kept = self.kept.lock();
        kept.clock += 1;
        let clock = kept.clock;
        kept.columns.entry(key).or_insert_with(|| (Arc::clone(column), clock));
    }

    /// Lets go of what passes the budget, once a run does not hold its columns any more; of what was used last first, since
    /// the next run meets the others before it.
    pub fn trim(&self) {
        let mut kept = self.kept.lock();
        while self.budget.used() > self.budget.limit() && kept.evict_last().is_some() {}
    }

    /// Lets go of what no execution holds, up to so many bytes, so that its memory can be had.
    pub fn release(&self, bytes: usize) {
        let mut kept = self.kept.lock();
        let mut released = 0;
        while released < bytes {
            let Some(more) = kept.evict(u64::MAX) else { return };
            released += more;
        }
    }
}

impl Kept {
    /// Drops the column used longest ago of those that nobody holds and that were not used since; its bytes.
    fn evict(&mut self, since: u64) -> Option<usize> {
        let free = self.free().filter(|(_, used)| *used < since);
        let key = free.min_by_key(|(_, used)| *used)?.0;
        self.remove(key)
    }

    /// Drops the column used last of those that nobody holds; its bytes.
    fn evict_last(&mut self) -> Option<usize> {
        let key = self.free().max_by_key(|(_, used)| *used)?.0;
        self.remove(key)
    }

    /// The columns that nobody holds, by key, with the time at which each was used.
    fn free(&self) -> impl Iterator<Item = (u64, u64)> {
        let free = self.columns.iter().filter(|(_, (column, _))| Arc::strong_count(column) == 1);
        free.map(|(key, (_, used))| (*key, *used))
    }

    fn remove(&mut self, key: u64) -> Option<usize> {
        self.columns.remove(&key).map(|(column, _)| column.size())
    }
}
