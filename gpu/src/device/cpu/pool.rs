//! The threads of the processor, which all runs share.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use crate::error::{Error, Result};

/// Threads that are started when they are first needed. Clones share them.
#[derive(Clone)]
pub(super) struct Pool {
    threads: usize,
    started: Arc<OnceLock<Option<rayon::ThreadPool>>>,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pool({} threads)", self.threads)
    }
}

impl Pool {
    pub(super) fn new(threads: usize) -> Self {
        Self { threads: threads.max(1), started: Arc::default() }
    }

    pub(super) fn threads(&self) -> usize {
        self.threads
    }

    /// Does the work on each of the items at once: the first on this thread, the others on the pool's.
    pub(super) fn each<T: Send>(&self, items: &mut [T], work: impl Fn(&mut T) -> Result<()> + Sync) -> Result<()> {
        let Some((first, others)) = items.split_first_mut() else { return Ok(()) };
        let pool = if others.is_empty() { None } else { self.pool() };
        let Some(pool) = pool else {
            work(first)?;
            return others.iter_mut().try_for_each(work);
        };
        let failed = OnceLock::<Error>::new();
        let keep = |done: Result<()>| {
            if let Err(error) = done {
                // The first to fail says why; whoever stopped for it has nothing to add.
                let _ = failed.set(error);
            }
        };
        let (work, keep) = (&work, &keep);
        pool.in_place_scope(|scope| {
            for item in others {
                scope.spawn(move |_| keep(work(item)));
            }
            keep(work(first));
        });
        failed.into_inner().map_or(Ok(()), Err)
    }

    /// Does the work on every number below `count`, on at most so many threads, each with something of its own.
    pub(super) fn parts<T: Default + Send>(
        &self,
        threads: usize,
        count: usize,
        work: impl Fn(&mut T, usize) -> Result<()> + Sync,
    ) -> Result<()> {
        let next = AtomicUsize::new(0);
        let mut hands: Vec<T> = (0..threads.clamp(1, count.max(1))).map(|_| T::default()).collect();
        self.each(&mut hands, |own| {
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                if at >= count {
                    return Ok(());
                }
                work(own, at)?;
            }
        })
    }

    /// The threads; none where the system gives none.
    fn pool(&self) -> Option<&rayon::ThreadPool> {
        let start = || {
            let builder = rayon::ThreadPoolBuilder::new().num_threads(self.threads);
            builder.thread_name(|at| format!("morsel-{at}")).build().ok()
        };
        self.started.get_or_init(start).as_ref()
    }
}
