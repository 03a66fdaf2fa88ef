//! Row programs: those that come with Warpwise, and random ones.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use warpwise_gpu::Device;
use warpwise_gpu::testing::{check_seed, check_text};

use super::Part;
use crate::cli::Selftest;
use crate::data;
use crate::failure::Failure;
use crate::output::grouped;
use crate::progress::Meter;

/// Every row-program file: its name and its text.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/programs.rs"));

/// More threads than these do not help a device that compiles for several at once.
const THREADS: usize = 16;

/// The files' cases give what is written beside them.
pub fn files(arguments: &Selftest, device: &dyn Device) -> Result<Part, Failure> {
    let name = format!("{}: row programs", device.name());
    let (count, failures) = each(arguments, &name, FILES.len() as u64, "files", &|at| {
        let (name, text) = FILES[at as usize];
        check_text(name, text, device)
    });
    let checked = format!("{} files, {} cases", FILES.len(), grouped(count as u64));
    Ok(Part { name: "row programs", checked, count, failures, ..Part::default() })
}

/// Random programs give what the interpreter does.
pub fn random(arguments: &Selftest, device: &dyn Device) -> Result<Part, Failure> {
    let name = format!("{}: random programs", device.name());
    let (count, failures) = each(arguments, &name, arguments.random, "programs", &|at| {
        check_seed(device, arguments.seed.wrapping_add(at)).map(|()| 1)
    });
    let checked = format!("{} from seed {}", grouped(arguments.random), arguments.seed);
    Ok(Part { name: "random programs", checked, count, failures, ..Part::default() })
}

/// Checks every number below `total` on several threads; gives how many things held, and what did not, in order.
fn each(
    arguments: &Selftest,
    name: &str,
    total: u64,
    unit: &str,
    check: &(dyn Fn(u64) -> Result<usize, String> + Sync),
) -> (usize, Vec<String>) {
    let meter = Meter::new(name);
    let (next, done, held) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let failures: Mutex<Vec<(u64, String)>> = Mutex::default();
    let work = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= total {
                return;
            }
            // A device that panics has failed, and the others are still to be checked.
            let outcome = catch_unwind(AssertUnwindSafe(|| check(at))).unwrap_or_else(|_| Err(format!("number {at} panicked")));
            match outcome {
                Ok(count) => {
                    held.fetch_add(count as u64, Ordering::Relaxed);
                }
                Err(why) => failures.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((at, why)),
            }
            meter.reached(done.fetch_add(1, Ordering::Relaxed) + 1, total, unit);
        }
    };
    let threads = data::threads(arguments.resources.threads).min(THREADS);
    std::thread::scope(|scope| {
        // A thread fewer than asked for is only slower: this one works too.
        let spawn = |_| std::thread::Builder::new().name("warpwise-selftest".to_owned()).spawn_scoped(scope, work).ok();
        let others: Vec<_> = (1..threads).map_while(spawn).collect();
        work();
        drop(others);
    });
    meter.finish();
    let mut failures = failures.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    failures.sort();
    (held.into_inner() as usize, failures.into_iter().map(|(_, why)| why).collect())
}
