//! Compiled pipelines by structure, for each device.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::device::{Device, Kernel};
use crate::error::Result;
use crate::program::Pipeline;

/// Kernels kept where nothing else is said: some hundred statements of a few pipelines each.
const KEPT: usize = 1_024;

/// Compiled code, found by device and pipeline. Parameters are not part of a pipeline, so one kernel serves all of them.
#[derive(Debug)]
pub struct KernelCache {
    capacity: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// By the device's name first, so that looking up copies nothing.
    devices: HashMap<String, HashMap<Arc<Pipeline>, Slot>>,
    ready: usize,
    tick: u64,
    statistics: KernelStatistics,
}

#[derive(Debug)]
enum Slot {
    /// Somebody compiles it.
    Compiling,
    /// It is there, and was last asked for at this tick.
    Ready(Arc<dyn Kernel>, u64),
}

/// What the cache did so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KernelStatistics {
    /// Kernels held now.
    pub kernels: usize,
    /// Requests that found a kernel, or one being compiled.
    pub hits: u64,
    /// Requests that compiled.
    pub compiled: u64,
    /// How long that took, all together.
    pub compile_time: Duration,
    /// Compilations that failed; they are tried again when next asked for.
    pub failed: u64,
    /// Kernels let go for others.
    pub evictions: u64,
}

impl Default for KernelCache {
    fn default() -> Self {
        Self::new(KEPT)
    }
}

impl KernelCache {
    /// One that keeps at most `capacity` kernels, at least one, those asked for last.
    pub fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(1), state: Mutex::default(), changed: Condvar::new() }
    }

    /// The kernel of a verified pipeline on a device, and whether it was compiled for this request. Requests for one
    /// that is being compiled wait for it; if that fails, one of them tries.
    pub fn get_or_compile(&self, device: &dyn Device, pipeline: &Pipeline) -> Result<(Arc<dyn Kernel>, bool)> {
        let name = device.name();
        let mut state = self.state.lock();
        loop {
            state.tick += 1;
            let tick = state.tick;
            match state.devices.get_mut(&name).and_then(|kernels| kernels.get_mut(pipeline)) {
                Some(Slot::Ready(kernel, used)) => {
                    *used = tick;
                    let kernel = Arc::clone(kernel);
                    state.statistics.hits += 1;
                    return Ok((kernel, false));
                }
                Some(Slot::Compiling) => self.changed.wait(&mut state),
                None => break,
            }
        }
        let key = Arc::new(pipeline.clone());
        state.devices.entry(name.clone()).or_default().insert(Arc::clone(&key), Slot::Compiling);
        drop(state);
        // Takes the mark away and wakes the others whatever happens, a panic in a code generator included.
        let mut claim = Claim { cache: self, name: &name, key: &key, kernel: None };
        let kernel = device.compile(pipeline)?;
        claim.kernel = Some(Arc::clone(&kernel));
        Ok((kernel, true))
    }

    /// Lets everything go, such as after a setting changed what a device generates. What is being compiled stays.
    pub fn clear(&self) {
        let mut state = self.state.lock();
        for kernels in state.devices.values_mut() {
            kernels.retain(|_, slot| matches!(slot, Slot::Compiling));
        }
        state.ready = 0;
    }

    /// What it did so far.
    pub fn statistics(&self) -> KernelStatistics {
        let state = self.state.lock();
        KernelStatistics { kernels: state.ready, ..state.statistics }
    }
}

impl State {
    /// Lets the one go that was not asked for longest.
    fn evict(&mut self) {
        let all = self.devices.values().flat_map(|kernels| kernels.values());
        let oldest = all.filter_map(|slot| if let Slot::Ready(_, used) = slot { Some(*used) } else { None }).min();
        for kernels in self.devices.values_mut() {
            kernels.retain(|_, slot| !matches!(slot, Slot::Ready(_, used) if Some(*used) == oldest));
        }
        self.ready -= 1;
        self.statistics.evictions += 1;
    }
}

/// The right and the duty to compile one pipeline.
struct Claim<'a> {
    cache: &'a KernelCache,
    name: &'a str,
    key: &'a Arc<Pipeline>,
    kernel: Option<Arc<dyn Kernel>>,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let mut state = self.cache.state.lock();
        match self.kernel.take() {
            None => {
                state.statistics.failed += 1;
                if let Some(kernels) = state.devices.get_mut(self.name) {
                    kernels.remove(self.key);
                }
            }
            Some(kernel) => {
                if state.ready >= self.cache.capacity {
                    state.evict();
                }
                state.tick += 1;
                state.statistics.compile_time += kernel.compile_time();
                let slot = Slot::Ready(kernel, state.tick);
                state.devices.entry(self.name.to_owned()).or_default().insert(Arc::clone(self.key), slot);
                state.ready += 1;
                state.statistics.compiled += 1;
            }
        }
        drop(state);
        self.cache.changed.notify_all();
    }
}
