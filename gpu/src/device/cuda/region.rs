//! Device memory with an owner, and the columns that stay in it.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::interface::Driver;
use crate::error::Result;

/// Reserved device memory; given back when dropped.
#[derive(Debug)]
pub struct Region {
    driver: Arc<dyn Driver>,
    /// Where it begins.
    pub address: u64,
    /// How many bytes it has.
    pub bytes: usize,
}

impl Region {
    /// Reserves at least `bytes`, rounded up to 256: a kernel may read a vector past the last element.
    pub fn new(driver: &Arc<dyn Driver>, bytes: usize) -> Result<Self> {
        let bytes = bytes.max(1).next_multiple_of(256);
        Ok(Self { driver: Arc::clone(driver), address: driver.allocate(bytes)?, bytes })
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        self.driver.free(self.address);
    }
}

/// A column in device memory.
#[derive(Debug)]
pub struct Resident {
    /// Its values.
    pub values: Region,
    /// Its validity, where it has one.
    pub validity: Option<Region>,
}

impl Resident {
    fn bytes(&self) -> usize {
        self.values.bytes + self.validity.as_ref().map_or(0, |region| region.bytes)
    }
}

/// Columns in device memory, by key; those used longest ago go first. An execution that uses a column holds it,
/// which keeps its memory, whatever becomes of it here.
#[derive(Debug)]
pub struct Columns {
    budget: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    columns: HashMap<u64, (Arc<Resident>, u64)>,
    bytes: usize,
    clock: u64,
}

impl Columns {
    /// Keeps at most so many bytes.
    pub fn new(budget: usize) -> Self {
        Self { budget, kept: Mutex::default() }
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

    /// Keeps a column that the device has finished copying: any stream may read it.
    pub fn put(&self, key: u64, column: &Arc<Resident>) {
        let mut kept = self.kept.lock();
        let bytes = column.bytes();
        if bytes > self.budget || kept.columns.contains_key(&key) {
            return;
        }
        kept.clock += 1;
        let clock = kept.clock;
        kept.columns.insert(key, (Arc::clone(column), clock));
        kept.bytes += bytes;
        while kept.bytes > self.budget && kept.evict(key) {}
    }

    /// Lets go of what passes the budget: once a run does not hold its columns any more.
    pub fn trim(&self) {
        let mut kept = self.kept.lock();
        while kept.bytes > self.budget && kept.evict(u64::MAX) {}
    }

    /// Lets go of what no execution holds, so that its memory can be had; false if there was nothing.
    pub fn release(&self) -> bool {
        let mut kept = self.kept.lock();
        let mut any = false;
        while kept.evict(u64::MAX) {
            any = true;
        }
        any
    }
}

impl Kept {
    /// Drops the column used longest ago of those that nobody holds, but not this one.
    fn evict(&mut self, but: u64) -> bool {
        let free = self.columns.iter().filter(|(key, (column, _))| **key != but && Arc::strong_count(column) == 1);
        let Some(key) = free.min_by_key(|(_, (_, used))| *used).map(|(key, _)| *key) else { return false };
        if let Some((column, _)) = self.columns.remove(&key) {
            self.bytes -= column.bytes();
        }
        true
    }
}
