//! The host as a CUDA device: memory from its allocator, streams that do at once what they are told.

use std::alloc::{Layout, alloc, dealloc};
use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use arrow::buffer::Buffer;
use libloading::Library;
use parking_lot::Mutex;

use super::build;
use crate::device::cuda::interface::{Driver, Module, Stream};
use crate::error::{Error, Result};

/// The stack of a fibre.
const STACK: usize = 64 << 10;
/// The most threads of a block.
const THREADS: usize = 1024;
/// What new memory is filled with, so that nobody relies on zeros.
const UNSET: u8 = 0xa5;

/// What fails, for tests: the first, second, … of each, counted from 1.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// An allocation, as if there were no memory.
    pub allocation: Option<u64>,
    /// A compilation.
    pub compile: Option<u64>,
    /// A launch.
    pub launch: Option<u64>,
    /// A copy, in either direction.
    pub copy: Option<u64>,
    /// Whether all that come later fail too, as memory that stays short.
    pub lasting: bool,
}

/// How often each was asked for, also what failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asked {
    /// Allocations.
    pub allocations: u64,
    /// Compilations.
    pub compiles: u64,
    /// Launches.
    pub launches: u64,
    /// Copies, in either direction.
    pub copies: u64,
}

/// The driver.
#[derive(Debug)]
pub struct Host {
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    asked: Mutex<(Asked, Faults)>,
    /// What was reserved: sizes by address.
    memory: Mutex<HashMap<u64, usize>>,
    /// The most bytes that were reserved at a time.
    peak: AtomicUsize,
    modules: Mutex<HashMap<String, Arc<Built>>>,
}

impl State {
    /// Counts what `which` picks, and says whether it is one that is to fail.
    fn fails(&self, which: impl FnOnce(&mut Asked, Faults) -> (&mut u64, Option<u64>)) -> bool {
        let (asked, faults) = &mut *self.asked.lock();
        let (number, failing) = which(asked, *faults);
        *number += 1;
        failing.is_some_and(|failing| *number == failing || faults.lasting && *number > failing)
    }

    /// Whether the bytes lie in reserved memory.
    fn check(&self, address: u64, bytes: usize) -> Result<()> {
        let memory = self.memory.lock();
        let inside = |(begin, size): (&u64, &usize)| *begin <= address && address + bytes as u64 <= begin + *size as u64;
        if memory.iter().any(inside) {
            return Ok(());
        }
        Err(Error::Failed(format!("emulated device: {bytes} bytes at {address:#x} are not reserved")))
    }

    fn copy(&self) -> Result<()> {
        if self.fails(|asked, faults| (&mut asked.copies, faults.copy)) {
            return Err(Error::Failed("emulated device: a copy fails".to_owned()));
        }
        Ok(())
    }
}

fn layout(bytes: usize) -> Result<Layout> {
    Layout::from_size_align(bytes.max(1), 256).map_err(|error| Error::OutOfMemory(format!("emulated device: {error}")))
}

impl Host {
    /// One that fails as told.
    pub fn new(faults: Faults) -> Self {
        let host = Self { state: Arc::default() };
        host.fail(faults);
        host
    }

    /// From now on fails as told, counted anew.
    pub fn fail(&self, faults: Faults) {
        *self.state.asked.lock() = (Asked::default(), faults);
    }

    /// What was asked for since it was told how to fail.
    pub fn asked(&self) -> Asked {
        self.state.asked.lock().0
    }

    /// The most bytes that were reserved at a time.
    pub fn peak(&self) -> usize {
        self.state.peak.load(Ordering::Relaxed)
    }

    /// Allocations not given back.
    pub fn outstanding(&self) -> usize {
        self.state.memory.lock().len()
    }
}

impl Driver for Host {
    fn compile(&self, source: &str) -> Result<Arc<dyn Module>> {
        if self.state.fails(|asked, faults| (&mut asked.compiles, faults.compile)) {
            return Err(Error::Failed("emulated device: a compilation fails".to_owned()));
        }
        if let Some(found) = self.state.modules.lock().get(source) {
            return Ok(Arc::new(Built { time: Duration::ZERO, ..Built::clone(found) }));
        }
        let (path, time) = build::library(source, build::Threads::Fibres)?;
        let built = Built { code: open(path)?, time };
        self.state.modules.lock().insert(source.to_owned(), Arc::new(built.clone()));
        Ok(Arc::new(built))
    }

    fn allocate(&self, bytes: usize) -> Result<u64> {
        let none = || Error::OutOfMemory(format!("emulated device: no memory for {bytes} bytes"));
        if self.state.fails(|asked, faults| (&mut asked.allocations, faults.allocation)) {
            return Err(none());
        }
        // SAFETY: the layout is not of size zero.
        let memory = unsafe { alloc(layout(bytes)?) };
        if memory.is_null() {
            return Err(none());
        }
        // SAFETY: so many bytes were just allocated.
        unsafe { memory.write_bytes(UNSET, bytes) };
        let mut all = self.state.memory.lock();
        all.insert(memory as u64, bytes);
        self.state.peak.fetch_max(all.values().sum(), Ordering::Relaxed);
        Ok(memory as u64)
    }

    fn free(&self, address: u64) {
        let bytes = self.state.memory.lock().remove(&address);
        if let Some(layout) = bytes.and_then(|bytes| layout(bytes).ok()) {
            // SAFETY: allocated above with this layout, and not freed before: it was in the map.
            unsafe { dealloc(address as *mut u8, layout) };
        }
    }

    fn stream(&self) -> Result<Box<dyn Stream>> {
        Ok(Box::new(Queue { state: Arc::clone(&self.state), time: Duration::ZERO }))
    }

    fn processors(&self) -> u32 {
        2
    }
}

impl Drop for State {
    fn drop(&mut self) {
        for (address, bytes) in self.memory.get_mut().drain() {
            if let Ok(layout) = layout(bytes) {
                // SAFETY: as in `free`.
                unsafe { dealloc(address as *mut u8, layout) };
            }
        }
    }
}

/// A library. Its fibres and its shared memory are one set: one launch at a time.
#[derive(Clone)]
struct Built {
    code: Arc<Mutex<Library>>,
    time: Duration,
}

impl fmt::Debug for Built {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Built").field("time", &self.time).finish_non_exhaustive()
    }
}

impl Module for Built {
    fn compile_time(&self) -> Duration {
        self.time
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Opens a library; one that is open already is the same library, whoever opened it, and has the same lock.
fn open(path: PathBuf) -> Result<Arc<Mutex<Library>>> {
    static OPEN: LazyLock<Mutex<HashMap<PathBuf, Arc<Mutex<Library>>>>> = LazyLock::new(Mutex::default);
    let mut all = OPEN.lock();
    if let Some(found) = all.get(&path) {
        return Ok(Arc::clone(found));
    }
    // SAFETY: the library was built from our own text in a folder that only we may write; it has no initializers.
    let library = unsafe { Library::new(&path) };
    let library = library.map_err(|error| Error::Failed(format!("emulated device: {}: {error}", path.display())))?;
    let library = Arc::new(Mutex::new(library));
    all.insert(path, Arc::clone(&library));
    Ok(library)
}

type Entry = unsafe extern "C" fn(*const u64, u32, u32, *mut u8, u64) -> u32;

/// A stream: nothing is ever left in it.
struct Queue {
    state: Arc<State>,
    time: Duration,
}

impl Stream for Queue {
    fn copy_in(&mut self, to: u64, from: &Buffer) -> Result<()> {
        self.state.copy()?;
        self.state.check(to, from.len())?;
        // SAFETY: the target is reserved memory of that size, and apart from the buffer.
        unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), to as *mut u8, from.len()) };
        Ok(())
    }

    fn copy_out(&mut self, from: u64, bytes: usize) -> Result<Vec<u8>> {
        self.state.copy()?;
        self.state.check(from, bytes)?;
        // SAFETY: reserved memory of that size, all of it written when it was reserved.
        Ok(unsafe { std::slice::from_raw_parts(from as *const u8, bytes) }.to_vec())
    }

    fn fill(&mut self, at: u64, byte: u8, bytes: usize) -> Result<()> {
        self.state.check(at, bytes)?;
        // SAFETY: reserved memory of that size.
        unsafe { (at as *mut u8).write_bytes(byte, bytes) };
        Ok(())
    }

    fn launch(&mut self, module: &Arc<dyn Module>, kernel: &str, blocks: u32, threads: u32, arguments: &[u64]) -> Result<()> {
        if self.state.fails(|asked, faults| (&mut asked.launches, faults.launch)) {
            return Err(Error::Failed("emulated device: a launch fails".to_owned()));
        }
        let module = module.as_any().downcast_ref::<Built>();
        let module = module.ok_or_else(|| Error::Invalid("emulated device: a module of another driver".to_owned()))?;
        if threads as usize > THREADS {
            return Err(Error::Invalid(format!("emulated device: {threads} threads in a block")));
        }
        let library = module.code.lock();
        // SAFETY: the text's entries all have this type; `build` wrote them.
        let entry = unsafe { library.get::<Entry>(build::entry(kernel).as_bytes()) };
        let entry = entry.map_err(|error| Error::Invalid(format!("emulated device: {error}")))?;
        let mut stacks = vec![0u8; threads as usize * STACK];
        let begin = Instant::now();
        // SAFETY: the arguments are as many as the kernel takes and name memory that it may use, as on a GPU; the stacks
        // are as large as is said; the lock keeps the library's fibres to this launch.
        let failed = unsafe { entry(arguments.as_ptr(), blocks, threads, stacks.as_mut_ptr(), STACK as u64) };
        self.time += begin.elapsed();
        if failed != 0 {
            return Err(Error::Failed(format!("emulated device: threads of {kernel} wait for different things")));
        }
        Ok(())
    }

    fn synchronize(&mut self) -> Result<()> {
        Ok(())
    }

    fn kernel_time(&self) -> Duration {
        self.time
    }
}
