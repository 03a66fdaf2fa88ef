//! The processor: its cores, its vector instructions, and the memory that it reads.

mod execution;
mod finish;
mod hash_table;
mod kernel;
pub(crate) mod memory;
mod output;
pub(crate) mod pool;
mod scatter;
mod state;
mod test;
mod top_k;
mod worker;

use std::hint::black_box;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use super::{Bandwidth, Device, Kernel, Kind, Memory, Traffic};
use crate::error::{Error, Result};
use crate::program::Pipeline;
use kernel::CpuKernel;
use pool::Pool;

/// What is read to measure the memory: larger than nearly every cache, where there is room for it.
const BUFFER: u64 = 1 << 30;
/// The share of the free memory that a measurement may take.
const SHARE: u64 = 4;
/// The best of so many counts: others may use the memory meanwhile.
const REPETITIONS: usize = 4;
/// Sums that do not wait for one another, enough for any vector width.
const LANES: usize = 32;

/// The processor.
#[derive(Debug, Clone)]
pub struct Cpu {
    cores: usize,
    vector: &'static str,
    model: String,
    pool: Pool,
}

impl Cpu {
    /// Looks at the processor. Its threads start when a run first needs them.
    pub fn find() -> Self {
        let pool = Pool::of_machine();
        Self { cores: pool.threads(), vector: vector_extension(), model: model(), pool }
    }

    /// How many threads run at once.
    pub fn cores(&self) -> usize {
        self.cores
    }

    /// The widest vector instructions: `AVX-512`, `AVX2`, `NEON`, …
    pub fn vector_extension(&self) -> &'static str {
        self.vector
    }

    /// `2 cores, AVX-512`.
    pub(super) fn summary(&self) -> String {
        format!("{} {}, {}", self.cores, if self.cores == 1 { "core" } else { "cores" }, self.vector)
    }
}

impl Device for Cpu {
    fn name(&self) -> String {
        "cpu".to_owned()
    }

    fn kind(&self) -> Kind {
        Kind::Cpu
    }

    fn model(&self) -> &str {
        &self.model
    }

    fn memory(&self) -> Result<Memory> {
        let text = std::fs::read_to_string("/proc/meminfo");
        let text = text.map_err(|error| Error::Failed(format!("cannot read /proc/meminfo: {error}")))?;
        memory_of(&text).ok_or_else(|| Error::Failed("/proc/meminfo does not say how much memory there is".to_owned()))
    }

    fn describe(&self) -> Vec<(&'static str, String)> {
        vec![("cores", self.cores.to_string()), ("vector instructions", self.vector.to_owned())]
    }

    fn measure_bandwidth(&self) -> Result<Bandwidth> {
        let free = self.memory().map_or(BUFFER, |memory| memory.free);
        measure(BUFFER.min(free / SHARE), self.cores)
    }

    fn compile(&self, pipeline: &Pipeline) -> Result<Arc<dyn Kernel>> {
        Ok(Arc::new(CpuKernel::compile(pipeline, self.pool.clone())?))
    }

    fn warm_up(&self) {
        let _ = crate::codegen::cranelift::warm_up::warm_up();
    }
}

/// Sums a buffer of `bytes` on `threads` threads, each its own part.
fn measure(bytes: u64, threads: usize) -> Result<Bandwidth> {
    let threads = threads.max(1);
    let words = usize::try_from(bytes / 8).unwrap_or(usize::MAX) / threads;
    let words = words.max(LANES);
    // Each thread fills its own part, so that it lies in memory near to it.
    let parts = on_threads(&vec![(); threads], |()| {
        let mut part: Vec<u64> = Vec::new();
        part.try_reserve_exact(words).map_err(|_| Error::OutOfMemory("not enough memory to measure the memory".to_owned()))?;
        part.resize(words, 1);
        Ok(part)
    })?;
    let parts = parts.into_iter().collect::<Result<Vec<_>>>()?;
    let mut best = f64::INFINITY;
    for _ in 0..REPETITIONS {
        let began = Instant::now();
        let sums = on_threads(&parts, |part| sum(black_box(part)))?;
        let seconds = began.elapsed().as_secs_f64();
        if sums.iter().any(|sum| *sum != words as u64) {
            return Err(Error::Failed("the memory gave back other values than were written".to_owned()));
        }
        best = best.min(seconds);
    }
    let bytes = (words * 8 * threads) as f64;
    Ok(Bandwidth { bytes_per_second: bytes / best.max(1e-9), traffic: Traffic::Read })
}

/// Runs `work` on each input at once, a thread each.
fn on_threads<I: Sync, T: Send>(inputs: &[I], work: impl Fn(&I) -> T + Sync) -> Result<Vec<T>> {
    let work = &work;
    thread::scope(|scope| {
        let mut running = Vec::with_capacity(inputs.len());
        for input in inputs {
            let spawned = thread::Builder::new().spawn_scoped(scope, move || work(input));
            running.push(spawned.map_err(|error| Error::Failed(format!("cannot start a thread: {error}")))?);
        }
        let joined = running.into_iter().map(|thread| thread.join().map_err(|_| Error::Failed("a thread failed".to_owned())));
        joined.collect()
    })
}

fn sum(words: &[u64]) -> u64 {
    let mut sums = [0u64; LANES];
    let (chunks, rest) = words.as_chunks::<LANES>();
    for chunk in chunks {
        for (sum, word) in sums.iter_mut().zip(chunk) {
            *sum = sum.wrapping_add(*word);
        }
    }
    sums.iter().chain(rest).fold(0, |sum, word| sum.wrapping_add(*word))
}

#[cfg(any(target_arch = "x86_64", target_arch = "x86"))]
fn vector_extension() -> &'static str {
    if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("avx512vl") {
        "AVX-512"
    } else if is_x86_feature_detected!("avx2") {
        "AVX2"
    } else if is_x86_feature_detected!("avx") {
        "AVX"
    } else if is_x86_feature_detected!("sse4.2") {
        "SSE4.2"
    } else {
        "SSE2"
    }
}

#[cfg(target_arch = "aarch64")]
fn vector_extension() -> &'static str {
    if std::arch::is_aarch64_feature_detected!("sve2") {
        "SVE2"
    } else if std::arch::is_aarch64_feature_detected!("sve") {
        "SVE"
    } else {
        "NEON"
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "x86", target_arch = "aarch64")))]
fn vector_extension() -> &'static str {
    "no known vector instructions"
}

/// What the kernel calls the processor; its architecture where the kernel does not say.
fn model() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    line.map(|(_, name)| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}

/// `MemTotal` and `MemAvailable` of the kernel's table.
fn memory_of(table: &str) -> Option<Memory> {
    let kilobytes = |name: &str| {
        let line = table.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
    };
    let total = kilobytes("MemTotal")?;
    Some(Memory { total, free: kilobytes("MemAvailable").or_else(|| kilobytes("MemFree"))?.min(total) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_table_is_read() {
        let table = "MemTotal:       24536072 kB\nMemFree:        100 kB\nMemAvailable:   23000000 kB\n";
        assert_eq!(memory_of(table), Some(Memory { total: 24_536_072 * 1024, free: 23_000_000 * 1024 }));
        assert_eq!(memory_of("MemTotal: x kB\n"), None);
        assert_eq!(memory_of(""), None);
    }

    #[test]
    fn a_small_measurement_has_a_result() {
        let measured = measure(1 << 20, 3).unwrap();
        assert_eq!(measured.traffic, Traffic::Read);
        assert!(measured.bytes_per_second > 1e6 && measured.bytes_per_second.is_finite());
        assert!(measured.to_string().ends_with(" GB/s read"));
    }
}
