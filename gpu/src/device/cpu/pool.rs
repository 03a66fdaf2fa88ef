//! The threads of the processor, which all runs share, and who of them computes next.
//!
//! As many threads compute at once as there are cores: each has a seat. A run's own thread asks for one when it begins, and
//! between two morsels gives it to whoever waits and comes before it. Threads of the pool help those runs that want help,
//! while nobody waits for a seat.
//!
//! Who comes first is decided by stride scheduling with decaying weights (Wagner, Kohn, Neumann: Self-Tuning Query
//! Scheduling for Analytical Workloads, SIGMOD 2021): every run has a virtual time, the lowest is next, and it grows with
//! the time that the run has computed, at first slowly, then faster. So a short query is done before it counts for much,
//! a long one is never starved, and among equals each has its turn.

use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Once, OnceLock};
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::error::{Error, Result};

/// What a run's computing counts for at first, in parts of what it counts for in the end.
const DECAY: [(u64, u64); 5] = [(2_000_000, 1), (8_000_000, 2), (32_000_000, 4), (128_000_000, 8), (u64::MAX, 16)];

/// How far a run may get ahead of one that waits before it gives up its seat: about a millisecond of one that has computed
/// for long. Giving up a seat costs some microseconds.
const AHEAD: u64 = 16_000_000;

thread_local! {
    /// Whether this thread has a seat.
    static SEATED: Cell<bool> = const { Cell::new(false) };
}

/// Threads that are started when they are first needed. Clones share them.
#[derive(Clone)]
pub(crate) struct Pool {
    threads: usize,
    shared: Arc<Owned>,
}

/// What the pool's threads share; they end when no pool has it any more.
struct Owned(Arc<Shared>);

impl Drop for Owned {
    fn drop(&mut self) {
        self.0.desk.lock().closed = true;
        self.0.changed.notify_all();
    }
}

struct Shared {
    started: Once,
    desk: Mutex<Desk>,
    /// A seat is free, or a call wants help.
    changed: Condvar,
    /// Runs that wait for a seat.
    waiting: AtomicUsize,
    /// Runs that want help.
    calls: AtomicUsize,
}

/// Who sits, who waits, and who wants help.
struct Desk {
    free: usize,
    /// The virtual time of who sat down last.
    clock: u64,
    waiting: Vec<Arc<Waiting>>,
    calls: Vec<Arc<Call>>,
    arrivals: u64,
    closed: bool,
}

/// A run's own thread that waits for a seat.
struct Waiting {
    time: u64,
    arrival: u64,
    given: Mutex<bool>,
    came: Condvar,
}

/// What a run has computed so far: its place among the others.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// Nanoseconds.
    computed: AtomicU64,
    /// Virtual nanoseconds; 0 before it first sat.
    time: AtomicU64,
}

/// Something that other threads may help with.
struct Call {
    turn: Arc<Turn>,
    /// How many more may help.
    room: AtomicUsize,
    helpers: Mutex<Helpers>,
    left: Condvar,
    body: Body,
}

#[derive(Default)]
struct Helpers {
    closed: bool,
    inside: usize,
    panic: Option<Box<dyn Any + Send>>,
}

/// What helpers do; valid until the call is closed and nobody is inside.
struct Body(*const (dyn Fn(&Seat<'_>) + Sync));

// SAFETY: what it points to is shared between threads as its bound says, and outlives all who are inside.
unsafe impl Send for Body {}
// SAFETY: as above.
unsafe impl Sync for Body {}

/// The right to compute.
pub(super) struct Seat<'a> {
    shared: &'a Shared,
    turn: &'a Turn,
    /// Whether this is the run's own thread, which waits where a helper leaves.
    own: bool,
    /// Whether a helper left for others.
    gave_way: Cell<bool>,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pool({} threads)", self.threads)
    }
}

impl Turn {
    /// Counts what was computed.
    fn count(&self, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let before = self.computed.fetch_add(nanoseconds, Ordering::Relaxed);
        let (_, weight) = DECAY.iter().find(|(below, _)| before < *below).unwrap_or(&(0, 16));
        self.time.fetch_add(nanoseconds.saturating_mul(*weight), Ordering::Relaxed);
    }

    fn time(&self) -> u64 {
        self.time.load(Ordering::Relaxed)
    }
}

impl Seat<'_> {
    /// Between two morsels, of which the one before took so long: whether to go on. The run's own thread lets those who come
    /// before it go first; a helper gives way to them.
    pub(super) fn goes_on(&self, took: Duration) -> bool {
        self.turn.count(took);
        let alone = self.shared.calls.load(Ordering::Relaxed) < 2;
        if self.shared.waiting.load(Ordering::Relaxed) == 0 && (self.own || alone) {
            return true;
        }
        let mut desk = self.shared.desk.lock();
        let late = |time: u64| time.saturating_add(AHEAD) < self.turn.time();
        // A helper also gives way to a run that has less than its share of helpers.
        let hungry = !self.own && desk.calls.iter().any(|call| call.has_room() && late(call.turn.time()));
        if !hungry && !desk.first().is_some_and(|first| late(first.time)) {
            return true;
        }
        if !self.own {
            self.gave_way.set(true);
            return false;
        }
        let mine = desk.queue(self.turn.time());
        desk.free += 1;
        self.shared.hand_out(desk);
        mine.sit();
        true
    }
}

impl Waiting {
    fn sit(&self) {
        let mut given = self.given.lock();
        while !*given {
            self.came.wait(&mut given);
        }
    }
}

impl Call {
    fn has_room(&self) -> bool {
        self.room.load(Ordering::Relaxed) > 0
    }
}

impl Desk {
    /// Whether the pool has something to do.
    fn wants_help(&self) -> bool {
        self.free > 0 && self.waiting.is_empty() && self.calls.iter().any(|call| call.has_room())
    }

    /// Who is next.
    fn first(&self) -> Option<&Arc<Waiting>> {
        self.waiting.iter().min_by_key(|waiting| (waiting.time, waiting.arrival))
    }

    /// The virtual time from which on somebody competes who comes now: that of the least of those who compute and wait,
    /// for the clock stands still while a single run computes.
    fn now(&self, who: &Turn) -> u64 {
        let others = self.calls.iter().map(|call| &*call.turn).filter(|turn| !std::ptr::eq(*turn, who));
        let least = others.map(Turn::time).filter(|time| *time > 0).min().unwrap_or(0);
        self.clock.max(least)
    }

    fn queue(&mut self, time: u64) -> Arc<Waiting> {
        self.arrivals += 1;
        let waiting = Waiting { time, arrival: self.arrivals, given: Mutex::new(false), came: Condvar::new() };
        let waiting = Arc::new(waiting);
        self.waiting.push(Arc::clone(&waiting));
        waiting
    }

    /// The call to help with, where a seat is free and nobody waits for it.
    fn help(&mut self) -> Option<Arc<Call>> {
        if self.free == 0 || !self.waiting.is_empty() {
            return None;
        }
        let open = self.calls.iter().filter(|call| call.has_room());
        let call = Arc::clone(open.min_by_key(|call| call.turn.time())?);
        call.room.fetch_sub(1, Ordering::Relaxed);
        Some(call)
    }
}

impl Shared {
    /// Gives free seats to those who wait, and wakes the pool for what is left.
    fn hand_out(&self, mut desk: MutexGuard<'_, Desk>) {
        while desk.free > 0 {
            let Some(next) = desk.first().map(Arc::clone) else { break };
            desk.waiting.retain(|waiting| !Arc::ptr_eq(waiting, &next));
            desk.free -= 1;
            desk.clock = desk.clock.max(next.time);
            *next.given.lock() = true;
            next.came.notify_one();
        }
        self.waiting.store(desk.waiting.len(), Ordering::Relaxed);
        let wake = desk.wants_help();
        drop(desk);
        if wake {
            self.changed.notify_one();
        }
    }

    /// Waits for a seat.
    fn sit<'a>(&'a self, turn: &'a Turn) -> Seat<'a> {
        let mut desk = self.desk.lock();
        // Who was not here competes from now on, not from the beginning of time.
        turn.time.fetch_max(desk.now(turn), Ordering::Relaxed);
        let mine = desk.queue(turn.time());
        self.hand_out(desk);
        mine.sit();
        SEATED.set(true);
        Seat { shared: self, turn, own: true, gave_way: Cell::new(false) }
    }

    fn stand(&self) {
        SEATED.set(false);
        let mut desk = self.desk.lock();
        desk.free += 1;
        self.hand_out(desk);
    }

    /// What a thread of the pool does.
    fn serve(&self) {
        loop {
            let call = {
                let mut desk = self.desk.lock();
                loop {
                    if desk.closed {
                        return;
                    }
                    if let Some(call) = desk.help() {
                        let mut helpers = call.helpers.lock();
                        if !helpers.closed {
                            helpers.inside += 1;
                            drop(helpers);
                            desk.free -= 1;
                            if desk.wants_help() {
                                self.changed.notify_one();
                            }
                            break call;
                        }
                        continue;
                    }
                    self.changed.wait(&mut desk);
                }
            };
            SEATED.set(true);
            let seat = Seat { shared: self, turn: &call.turn, own: false, gave_way: Cell::new(false) };
            // SAFETY: the call waits for this thread, which is inside, before what it points to goes.
            let body = unsafe { &*call.body.0 };
            let done = catch_unwind(AssertUnwindSafe(|| body(&seat)));
            if seat.gave_way.get() {
                call.room.fetch_add(1, Ordering::Relaxed);
            }
            self.stand();
            let mut helpers = call.helpers.lock();
            helpers.inside -= 1;
            if let Err(panic) = done {
                helpers.panic = Some(panic);
            }
            drop(helpers);
            call.left.notify_all();
        }
    }
}

/// Ends a call however the thread that made it leaves: nobody is inside afterwards.
struct Ending<'a> {
    shared: &'a Shared,
    call: Arc<Call>,
}

impl Ending<'_> {
    fn wait(&self) -> Option<Box<dyn Any + Send>> {
        let mut desk = self.shared.desk.lock();
        desk.calls.retain(|call| !Arc::ptr_eq(call, &self.call));
        self.shared.calls.store(desk.calls.len(), Ordering::Relaxed);
        drop(desk);
        let mut helpers = self.call.helpers.lock();
        helpers.closed = true;
        while helpers.inside > 0 {
            self.call.left.wait(&mut helpers);
        }
        helpers.panic.take()
    }
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.wait();
    }
}

/// Gives a seat back.
struct Standing<'a>(&'a Shared);

impl Drop for Standing<'_> {
    fn drop(&mut self) {
        self.0.stand();
    }
}

impl Pool {
    /// The threads of this machine, a core each, which the whole process shares.
    pub(crate) fn of_machine() -> Self {
        static POOL: OnceLock<Pool> = OnceLock::new();
        POOL.get_or_init(|| Self::new(std::thread::available_parallelism().map_or(1, std::num::NonZero::get))).clone()
    }

    pub(super) fn new(threads: usize) -> Self {
        let threads = threads.max(1);
        let desk = Desk { free: threads, clock: 1, waiting: Vec::new(), calls: Vec::new(), arrivals: 0, closed: false };
        let shared = Shared {
            started: Once::new(),
            desk: Mutex::new(desk),
            changed: Condvar::new(),
            waiting: AtomicUsize::new(0),
            calls: AtomicUsize::new(0),
        };
        Self { threads, shared: Arc::new(Owned(Arc::new(shared))) }
    }

    pub(crate) fn threads(&self) -> usize {
        self.threads
    }

    /// Does the work on each of the items at once, on this thread and on the pool's. Work that looks at its seat may leave
    /// an item before it is done with it; whoever takes it next goes on.
    pub(super) fn each_in_turn<T: Send>(
        &self,
        turn: &Arc<Turn>,
        items: &mut [T],
        work: impl Fn(&mut T, &Seat<'_>) -> Result<()> + Sync,
    ) -> Result<()> {
        let shared: &Shared = &self.shared.0;
        let failed = OnceLock::<Error>::new();
        let others = items.len().saturating_sub(1);
        let items = Mutex::new(items.iter_mut().collect::<Vec<_>>());
        let one = |seat: &Seat<'_>| {
            let Some(item) = items.lock().pop() else { return false };
            if let Err(error) = work(item, seat) {
                // The first to fail says why; whoever stopped for it has nothing to add.
                let _ = failed.set(error);
            }
            if !seat.own {
                items.lock().push(item);
            }
            true
        };
        let all = |seat: &Seat<'_>| while one(seat) {};
        if SEATED.get() {
            // Work that has parts of its own does them itself: it would wait for a seat in its own.
            all(&Seat { shared, turn, own: true, gave_way: Cell::new(false) });
        } else if others == 0 {
            let seat = shared.sit(turn);
            let _standing = Standing(shared);
            all(&seat);
        } else {
            self.start();
            let help = |seat: &Seat<'_>| {
                one(seat);
            };
            let body: *const (dyn Fn(&Seat<'_>) + Sync + '_) = &help;
            // SAFETY: only the lifetime changes. `Ending` waits until nobody is inside of the call, and nobody enters it
            // afterwards; what the body borrows outlives that.
            let body = unsafe {
                std::mem::transmute::<*const (dyn Fn(&Seat<'_>) + Sync + '_), *const (dyn Fn(&Seat<'_>) + Sync + 'static)>(body)
            };
            let call = Arc::new(Call {
                turn: Arc::clone(turn),
                room: AtomicUsize::new(others),
                helpers: Mutex::default(),
                left: Condvar::new(),
                body: Body(body),
            });
            let ending = Ending { shared, call: Arc::clone(&call) };
            {
                let mut desk = shared.desk.lock();
                desk.calls.push(call);
                shared.calls.store(desk.calls.len(), Ordering::Relaxed);
            }
            {
                let seat = shared.sit(turn);
                let _standing = Standing(shared);
                all(&seat);
            }
            if let Some(panic) = ending.wait() {
                resume_unwind(panic);
            }
        }
        failed.into_inner().map_or(Ok(()), Err)
    }

    /// Does the work on each of the items at once, each by one thread to its end.
    pub(super) fn each<T: Send>(&self, items: &mut [T], work: impl Fn(&mut T) -> Result<()> + Sync) -> Result<()> {
        let mut once: Vec<(bool, &mut T)> = items.iter_mut().map(|item| (false, item)).collect();
        self.each_in_turn(
            &Arc::default(),
            &mut once,
            |(done, item), _| {
                if std::mem::replace(done, true) { Ok(()) } else { work(item) }
            },
        )
    }

    /// Does the work on every number below `count`, on at most so many threads, each with something of its own.
    pub(crate) fn parts<T: Default + Send>(
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

    /// Starts the threads; where the system gives none, runs have only their own.
    fn start(&self) {
        self.shared.0.started.call_once(|| {
            for at in 0..self.threads {
                let shared = Arc::clone(&self.shared.0);
                let builder = std::thread::Builder::new().name(format!("morsel-{at}"));
                if builder.spawn(move || shared.serve()).is_err() {
                    break;
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::time::Instant;

    use super::*;

    fn busy(for_so_long: Duration) -> Duration {
        let began = Instant::now();
        while began.elapsed() < for_so_long {
            std::hint::spin_loop();
        }
        began.elapsed()
    }

    #[test]
    fn every_item_is_done_once_and_an_error_is_told() {
        for threads in [1, 2, 5] {
            let pool = Pool::new(threads);
            for count in [0, 1, 2, 17] {
                let mut items = vec![0; count];
                pool.each(&mut items, |item| {
                    *item += 1;
                    Ok(())
                })
                .unwrap();
                assert_eq!(items, vec![1; count]);
            }
            let mut items: Vec<usize> = (0..9).collect();
            let done = pool.each(&mut items, |item| if *item == 4 { Err(Error::Cancelled) } else { Ok(()) });
            assert_eq!(done, Err(Error::Cancelled));
            let within = pool.parts(threads, 20, |_: &mut (), _| {
                let mut inner = [0; 3];
                pool.each(&mut inner, |item| {
                    *item = 1;
                    Ok(())
                })
            });
            assert_eq!(within, Ok(()), "work within work waits for nobody");
        }
    }

    #[test]
    fn a_panic_is_the_callers_and_the_pool_goes_on() {
        let pool = Pool::new(2);
        for culprit in 0..4 {
            let mut items = [0, 1, 2, 3];
            let work = |item: &mut i32| {
                busy(Duration::from_micros(200));
                assert_ne!(*item, culprit, "on purpose");
                Ok(())
            };
            let panicked = catch_unwind(AssertUnwindSafe(|| pool.each(&mut items, work)));
            assert!(panicked.is_err());
        }
        let mut items = [0; 4];
        pool.each(&mut items, |item| {
            *item = 1;
            Ok(())
        })
        .unwrap();
        assert_eq!((items, pool.shared.0.desk.lock().free), ([1; 4], 2));
    }

    #[test]
    fn a_short_run_does_not_wait_for_long_ones() {
        let pool = Pool::new(2);
        let stop = AtomicBool::new(false);
        let waited = std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let turn = Arc::default();
                    let work = |_: &mut (), seat: &Seat<'_>| {
                        loop {
                            if stop.load(Ordering::Relaxed) || !seat.goes_on(busy(Duration::from_micros(100))) {
                                return Ok(());
                            }
                        }
                    };
                    pool.each_in_turn(&turn, &mut [(); 2], work).unwrap();
                });
            }
            busy(Duration::from_millis(100));
            let mut waited = Vec::new();
            for _ in 0..9 {
                let began = Instant::now();
                pool.each(&mut [()], |()| Ok(())).unwrap();
                waited.push(began.elapsed());
            }
            stop.store(true, Ordering::Relaxed);
            waited.sort();
            waited
        });
        // Each of four long runs has computed for tens of milliseconds by then, and none would end by itself.
        assert!(waited[4] < Duration::from_millis(500), "{waited:?}");
        assert_eq!(pool.shared.0.desk.lock().free, 2);
    }
}
