//! Blocks of rows on all cores, in order.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arrow::array::RecordBatch;

use super::{BLOCK_ROWS, Dataset, batch, schema};
use crate::error::{Error, Result};

/// All rows of some columns, a record batch for each block. `progress` is told how many rows there are so far.
pub fn batches(
    dataset: &dyn Dataset,
    columns: &[usize],
    threads: usize,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Vec<RecordBatch>> {
    let schema = schema(dataset, columns);
    let rows = dataset.rows();
    let made: Mutex<Vec<(u64, RecordBatch)>> = Mutex::default();
    let done = AtomicU64::new(0);
    each(rows.div_ceil(BLOCK_ROWS), threads, &|block| {
        let range = block * BLOCK_ROWS..rows.min((block + 1) * BLOCK_ROWS);
        let count = range.end - range.start;
        let batch = batch(dataset, &schema, columns, range)?;
        made.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((block, batch));
        progress(done.fetch_add(count, Ordering::Relaxed) + count);
        Ok(())
    })?;
    let mut made = made.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    made.sort_by_key(|(block, _)| *block);
    Ok(made.into_iter().map(|(_, batch)| batch).collect())
}

/// Calls `work` for every number below `count`, on several threads; the first failure ends it.
pub(super) fn each(count: u64, threads: usize, work: &(dyn Fn(u64) -> Result<()> + Sync)) -> Result<()> {
    let (next, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let failure: Mutex<Option<Error>> = Mutex::default();
    let run = || {
        while !stop.load(Ordering::Relaxed) {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= count {
                return;
            }
            if let Err(error) = work(at) {
                stop.store(true, Ordering::Relaxed);
                failure.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get_or_insert(error);
            }
        }
    };
    let whole = std::thread::scope(|scope| {
        // A thread fewer than asked for is only slower: this one works too.
        let spawn = |_| std::thread::Builder::new().name("warpwise-generate".to_owned()).spawn_scoped(scope, run).ok();
        let others: Vec<_> = (1..threads.max(1)).map_while(spawn).collect();
        run();
        others.into_iter().all(|thread| thread.join().is_ok())
    });
    match failure.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner) {
        Some(error) => Err(error),
        None if !whole => Err(Error::internal("a thread that generates rows failed")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Taxi;

    #[test]
    fn rows_do_not_depend_on_threads() {
        let taxi = Taxi::new(3, 2 * BLOCK_ROWS + 17);
        let last = AtomicU64::new(0);
        let one = batches(&taxi, &[0, 10], 1, &|done| last.store(done, Ordering::Relaxed)).unwrap();
        assert_eq!(one.iter().map(RecordBatch::num_rows).sum::<usize>(), taxi.rows() as usize);
        assert_eq!(last.load(Ordering::Relaxed), taxi.rows());
        assert_eq!(one, batches(&taxi, &[0, 10], 3, &|_| {}).unwrap());
    }

    #[test]
    fn a_failure_ends_it() {
        let work = |at| if at == 5 { Err(Error::internal("five")) } else { Ok(()) };
        assert!(each(100, 2, &work).unwrap_err().message.contains("five"));
        assert!(each(0, 2, &work).is_ok());
    }
}
