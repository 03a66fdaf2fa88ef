//! An incarnation of a table, and who keeps things by its number.
//!
//! Caches name what they keep of a table by a number that all versions of the table share. They hold on to that for as
//! long as some snapshot or plan may ask for it: until nobody has the lineage any more.

use std::fmt;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::relation::fresh;

/// Whoever keeps things by the number of a lineage.
pub trait Keeper: Send + Sync {
    /// Nobody will ask for anything of this lineage again.
    fn forget(&self, lineage: u64);
}

/// An incarnation of a table: all versions that differ by appended rows alone. Clones are the same.
#[derive(Clone)]
pub struct Lineage(Arc<Inner>);

struct Inner {
    number: u64,
    keepers: Mutex<Vec<Weak<dyn Keeper>>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        for keeper in std::mem::take(self.keepers.get_mut()) {
            if let Some(keeper) = keeper.upgrade() {
                keeper.forget(self.number);
            }
        }
    }
}

impl Lineage {
    /// A new one.
    pub fn fresh() -> Self {
        Self(Arc::new(Inner { number: fresh(), keepers: Mutex::default() }))
    }

    /// Its number, which nothing else in this process has.
    pub fn number(&self) -> u64 {
        self.0.number
    }

    /// Takes note that somebody keeps things by its number.
    pub fn kept_by(&self, keeper: &Weak<dyn Keeper>) {
        let mut keepers = self.0.keepers.lock();
        if !keepers.iter().any(|known| Weak::ptr_eq(known, keeper)) {
            keepers.push(Weak::clone(keeper));
        }
    }
}

impl PartialEq for Lineage {
    fn eq(&self, other: &Self) -> bool {
        self.0.number == other.0.number
    }
}

impl Eq for Lineage {}

impl fmt::Debug for Lineage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lineage({})", self.0.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Noted(Mutex<Vec<u64>>);

    impl Keeper for Noted {
        fn forget(&self, lineage: u64) {
            self.0.lock().push(lineage);
        }
    }

    #[test]
    fn the_last_who_lets_go_tells_every_keeper_once() {
        let noted = Arc::new(Noted(Mutex::default()));
        let keeper: Arc<dyn Keeper> = Arc::clone(&noted) as Arc<dyn Keeper>;
        let lineage = Lineage::fresh();
        lineage.kept_by(&Arc::downgrade(&keeper));
        lineage.kept_by(&Arc::downgrade(&keeper));
        let other = lineage.clone();
        let number = lineage.number();
        drop(lineage);
        assert!(noted.0.lock().is_empty());
        drop(other);
        assert_eq!(*noted.0.lock(), [number]);
    }
}
