//! A budget of bytes, and shares of it that give themselves back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::device::gibibytes;
use crate::error::{Error, Result};

/// So many bytes for one purpose. Clones share it.
#[derive(Debug, Clone)]
pub struct Budget(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// What it is for, as a sentence has it: `the column cache`.
    name: String,
    /// What changes it.
    setting: String,
    limit: AtomicU64,
    used: AtomicU64,
}

impl Budget {
    /// One of `limit` bytes for `name` ("the column cache"), which `setting` ("warpwise.cache_memory") changes.
    pub fn new(name: &str, setting: &str, limit: u64) -> Self {
        let (name, setting) = (name.to_owned(), setting.to_owned());
        Self(Arc::new(Inner { name, setting, limit: AtomicU64::new(limit), used: AtomicU64::new(0) }))
    }

    /// The most that may be taken.
    pub fn limit(&self) -> u64 {
        self.0.limit.load(Ordering::Relaxed)
    }

    /// What is taken; more than the limit for a while after the limit fell.
    pub fn used(&self) -> u64 {
        self.0.used.load(Ordering::Relaxed)
    }

    /// Changes the limit. What is taken stays taken.
    pub fn set_limit(&self, bytes: u64) {
        self.0.limit.store(bytes, Ordering::Relaxed);
    }

    /// Takes `bytes`, or says which budget has too little and what changes it.
    pub fn reserve(&self, bytes: u64) -> Result<Reservation> {
        let mut reservation = Reservation { budget: self.clone(), bytes: 0 };
        reservation.resize(bytes)?;
        Ok(reservation)
    }

    /// Takes `more` bytes, or says why not.
    fn take(&self, more: u64) -> Result<()> {
        let limit = self.limit();
        let fits = |used: u64| used.checked_add(more).filter(|sum| *sum <= limit);
        match self.0.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits) {
            Ok(_) => Ok(()),
            Err(used) => Err(Error::OutOfMemory(format!(
                "{} has {} of {} left, and {} were asked for; the setting {} changes this",
                self.0.name,
                gibibytes(limit.saturating_sub(used)),
                gibibytes(limit),
                gibibytes(more),
                self.0.setting,
            ))),
        }
    }
}

/// A share of a [`Budget`], given back when it is dropped.
#[derive(Debug)]
pub struct Reservation {
    budget: Budget,
    bytes: u64,
}

impl Reservation {
    /// How much it is.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Makes it this large. Growing may fail, and then nothing changes; shrinking does not.
    pub fn resize(&mut self, bytes: u64) -> Result<()> {
        match bytes.checked_sub(self.bytes) {
            Some(more) => self.budget.take(more)?,
            None => {
                self.budget.0.used.fetch_sub(self.bytes - bytes, Ordering::Relaxed);
            }
        }
        self.bytes = bytes;
        Ok(())
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.0.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_come_back() {
        let budget = Budget::new("the column cache", "warpwise.cache_memory", 100 << 20);
        let mut share = budget.reserve(60 << 20).unwrap();
        let message = budget.reserve(50 << 20).unwrap_err().to_string();
        assert_eq!(
            message,
            "the column cache has 40 MiB of 100 MiB left, and 50 MiB were asked for; the setting warpwise.cache_memory changes this"
        );
        share.resize(10 << 20).unwrap();
        assert!(share.resize(u64::MAX).is_err());
        assert_eq!((share.bytes(), budget.used()), (10 << 20, 10 << 20));
        drop(share);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn a_lower_limit_takes_nothing_away() {
        let budget = Budget::new("a", "b", 10);
        let share = budget.reserve(10).unwrap();
        budget.set_limit(5);
        assert_eq!((budget.used(), budget.limit()), (10, 5));
        assert!(budget.reserve(1).is_err());
        drop(share);
        assert!(budget.reserve(5).is_ok());
    }
}
