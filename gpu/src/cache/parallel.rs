//! A few threads over a list of tasks.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use crate::error::Result;

/// Runs tasks 0 to `count` on at most `threads` threads, this one among them, and gives their results in order. After
/// an error no further task begins; the first in order is returned.
pub(super) fn parallel<T: Send>(threads: usize, count: usize, task: impl Fn(usize) -> Result<T> + Sync) -> Result<Vec<T>> {
    let workers = threads.clamp(1, count.max(1));
    if workers == 1 {
        return (0..count).map(task).collect();
    }
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let work = || {
        let mut done = Vec::new();
        while !failed.load(Ordering::Relaxed) {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= count {
                break;
            }
            let result = task(at);
            failed.fetch_or(result.is_err(), Ordering::Relaxed);
            done.push((at, result));
        }
        done
    };
    let mut results = thread::scope(|scope| {
        let others: Vec<_> = (1..workers).map(|_| scope.spawn(work)).collect();
        let mut results = work();
        for other in others {
            match other.join() {
                Ok(more) => results.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        results
    });
    results.sort_unstable_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn results_come_in_order() {
        for threads in [0, 1, 3, 100] {
            assert_eq!(parallel(threads, 50, |at| Ok(at * at)).unwrap(), (0..50).map(|at| at * at).collect::<Vec<_>>());
            assert_eq!(parallel(threads, 0, Ok).unwrap(), Vec::<usize>::new());
            assert_eq!(parallel(threads, 5, |_| Err::<(), _>(Error::Cancelled)).unwrap_err(), Error::Cancelled);
        }
    }
}
