//! A database: a name, an identifier, and the newest state.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::RwLock;

use super::merge::merge;
use super::state::{FIRST_USER_OID, State};
use crate::error::Result;

/// One database.
#[derive(Debug)]
pub struct Database {
    /// `pg_database.oid`.
    pub oid: u32,
    /// Its name.
    pub name: String,
    state: RwLock<Arc<State>>,
    next_oid: AtomicU32,
}

impl Database {
    /// An empty database.
    pub fn new(oid: u32, name: &str) -> Self {
        Self { oid, name: name.to_owned(), state: RwLock::new(Arc::new(State::new())), next_oid: AtomicU32::new(FIRST_USER_OID) }
    }

    /// The newest committed state.
    pub fn state(&self) -> Arc<State> {
        Arc::clone(&self.state.read())
    }

    /// An object identifier that nothing else in this database has.
    pub fn fresh_oid(&self) -> u32 {
        self.next_oid.fetch_add(1, Ordering::Relaxed)
    }

    /// Makes what a transaction did to `base`, giving `work`, part of the newest state, or fails with
    /// `40001` and changes nothing.
    pub fn commit(&self, base: &Arc<State>, work: &Arc<State>) -> Result<()> {
        if Arc::ptr_eq(base, work) {
            return Ok(());
        }
        let mut newest = self.state.write();
        *newest = if Arc::ptr_eq(&newest, base) { Arc::clone(work) } else { Arc::new(merge(base, work, &newest)?) };
        Ok(())
    }

    /// Changes the newest state outside any transaction (at start-up).
    pub fn update(&self, change: impl FnOnce(&mut State)) {
        change(Arc::make_mut(&mut self.state.write()));
    }
}
