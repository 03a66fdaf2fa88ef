//! The CUDA C++ with a thread of the host for each of CUDA's, watched by ThreadSanitizer: what finds races.
//!
//! ThreadSanitizer must be there from a process's first moment on, so kernels and their memory are in a process of its own,
//! `watch.cpp`, which does what this driver asks. Everything above [`Driver`] is the code that a GPU runs too, so that
//! what comes out is checked as on any device.

use std::any::Any;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use arrow::buffer::Buffer;
use parking_lot::Mutex;

use super::build::{self, Threads, failed};
use crate::device::cuda::execution::compile;
use crate::device::cuda::interface::{Driver, Module, Stream};
use crate::device::cuda::region::Columns;
use crate::device::{Bandwidth, Cpu, Device, Kernel, Kind, Memory};
use crate::error::{Error, Result};
use crate::program::Pipeline;

/// Blocks that run at once.
const AT_ONCE: usize = 2;
/// Bytes of columns that stay in the process between runs.
const COLUMNS: usize = 1 << 20;
/// What a report begins with.
const WARNING: &str = "WARNING: ThreadSanitizer: ";
/// No failure; a history that reaches back some hundred thousand accesses of each thread.
const OPTIONS: &str = "exitcode=0:halt_on_error=0:history_size=1:report_thread_leaks=0:report_signal_unsafe=0";

/// What becomes of a text before it is built: tests take a barrier away.
pub type Edit = fn(&str) -> String;

/// The watched device.
#[derive(Debug)]
pub struct Watched {
    process: Arc<Process>,
    edit: Edit,
    columns: Arc<Columns>,
}

impl Watched {
    /// Starts a process. `Absent` where there is no compiler, or it has no ThreadSanitizer.
    pub fn start(edit: Edit) -> Result<Self> {
        let program = build::watch().map_err(|error| Error::Absent(format!("ThreadSanitizer: {error}")))?;
        let process = Arc::new(Process::start(&program)?);
        let device = Self { process, edit, columns: Arc::new(Columns::new(COLUMNS)) };
        // A process that ThreadSanitizer ends at once, as it does where memory is not mapped as it likes, answers nothing.
        let address = device.process.allocate(1).map_err(|error| Error::Absent(error.to_string()))?;
        device.process.free(address);
        Ok(device)
    }

    /// The reports since this was last asked.
    pub fn races(&self) -> Result<Vec<String>> {
        let text = self.process.said()?;
        Ok(text.split("==================").filter(|part| part.contains(WARNING)).map(|part| part.trim().to_owned()).collect())
    }
}

impl Device for Watched {
    fn name(&self) -> String {
        "watched".to_owned()
    }

    fn kind(&self) -> Kind {
        Kind::Emulated
    }

    fn model(&self) -> &str {
        "CUDA C++ built by the host's compiler, watched by ThreadSanitizer"
    }

    fn memory(&self) -> Result<Memory> {
        Cpu::find().memory()
    }

    fn describe(&self) -> Vec<(&'static str, String)> {
        vec![("compiler", build::compiler())]
    }

    fn measure_bandwidth(&self) -> Result<Bandwidth> {
        Err(Error::Absent("the watched device has no memory of its own".to_owned()))
    }

    fn compile(&self, pipeline: &Pipeline) -> Result<Arc<dyn Kernel>> {
        let driver: Arc<dyn Driver> = Arc::new(Host { process: Arc::clone(&self.process), edit: self.edit });
        compile(&driver, &self.columns, pipeline)
    }

    fn unused_because(&self) -> Option<&'static str> {
        Some("it is for tests")
    }
}

/// What the process is asked, by number.
#[derive(Debug, Clone, Copy)]
enum Order {
    Open = 1,
    Allocate,
    Free,
    Write,
    Read,
    Fill,
    Launch,
}

/// The process, and what it writes beside its answers.
#[derive(Debug)]
struct Process {
    child: Mutex<(Child, ChildStdin, ChildStdout)>,
    said: Mutex<File>,
}

impl Process {
    fn start(program: &PathBuf) -> Result<Self> {
        let path = build::folder().map_err(|error| failed("the folder of built kernels", error))?.join(build::own());
        let log = File::create(&path).and_then(|log| Ok((log, File::open(&path)?)));
        let (log, said) = log.map_err(|error| failed("a file for reports", error))?;
        let _ = std::fs::remove_file(&path);
        let mut command = Command::new(program);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).env("TSAN_OPTIONS", OPTIONS);
        // SAFETY: one call of the system, which touches nothing of this process.
        unsafe {
            command.pre_exec(|| {
                // ThreadSanitizer wants memory where it is without randomization. Where that is refused, it may start yet.
                libc::personality(libc::ADDR_NO_RANDOMIZE as libc::c_ulong);
                Ok(())
            })
        };
        let mut child = command.spawn().map_err(|error| failed("the watched process", error))?;
        let (Some(orders), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Error::Failed("emulated device: the watched process has no pipes".to_owned()));
        };
        Ok(Self { child: Mutex::new((child, orders, answers)), said: Mutex::new(said) })
    }

    fn said(&self) -> Result<String> {
        let mut text = Vec::new();
        self.said.lock().read_to_end(&mut text).map_err(|error| failed("reading reports", error))?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// Sends an order with its words and bytes, and takes the bytes of the answer.
    fn ask(&self, order: Order, words: &[u64], bytes: &[u8], answer: usize) -> Result<Vec<u8>> {
        let mut child = self.child.lock();
        let (_, orders, answers) = &mut *child;
        let mut message = (order as u64).to_ne_bytes().to_vec();
        message.extend(words.iter().flat_map(|word| word.to_ne_bytes()));
        message.extend_from_slice(bytes);
        let mut got = vec![0; answer];
        let done = orders.write_all(&message).and_then(|()| orders.flush()).and_then(|()| answers.read_exact(&mut got));
        done.map_err(|error| {
            let said = self.said().unwrap_or_default();
            Error::Failed(format!("emulated device: the watched process ended: {error}\n{said}"))
        })?;
        Ok(got)
    }

    fn allocate(&self, bytes: usize) -> Result<u64> {
        match word(&self.ask(Order::Allocate, &[bytes as u64], &[], 8)?) {
            0 => Err(Error::OutOfMemory(format!("emulated device: no memory for {bytes} bytes"))),
            address => Ok(address),
        }
    }

    fn free(&self, address: u64) {
        // A process that has ended has no memory to give back.
        let _ = self.ask(Order::Free, &[address], &[], 0);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let (child, _, _) = self.child.get_mut();
        let _ = child.kill();
        let _ = child.wait();
    }
}

fn word(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |all, byte| all << 8 | u64::from(*byte))
}

/// A text as the process takes it: its length, then its bytes.
fn text(of: &str) -> Vec<u8> {
    [&(of.len() as u64).to_ne_bytes()[..], of.as_bytes()].concat()
}

/// The driver.
#[derive(Debug)]
struct Host {
    process: Arc<Process>,
    edit: Edit,
}

impl Driver for Host {
    fn compile(&self, source: &str) -> Result<Arc<dyn Module>> {
        let (library, time) = build::library(&(self.edit)(source), Threads::Watched)?;
        let mut copies = vec![];
        for number in 0..AT_ONCE {
            copies.extend(text(&build::copy(&library, number)?.to_string_lossy()));
        }
        let number = word(&self.process.ask(Order::Open, &[AT_ONCE as u64], &copies, 8)?);
        Ok(Arc::new(Unit { number, time }))
    }

    fn allocate(&self, bytes: usize) -> Result<u64> {
        self.process.allocate(bytes)
    }

    fn free(&self, address: u64) {
        self.process.free(address);
    }

    fn stream(&self) -> Result<Box<dyn Stream>> {
        Ok(Box::new(Orders(Arc::clone(&self.process))))
    }

    fn processors(&self) -> u32 {
        2
    }
}

/// A library that the process has opened.
#[derive(Debug)]
struct Unit {
    number: u64,
    time: Duration,
}

impl Module for Unit {
    fn compile_time(&self) -> Duration {
        self.time
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A stream: the process does one order after the other.
struct Orders(Arc<Process>);

impl Stream for Orders {
    fn copy_in(&mut self, to: u64, from: &Buffer) -> Result<()> {
        self.0.ask(Order::Write, &[to, from.len() as u64], from.as_slice(), 0).map(drop)
    }

    fn copy_out(&mut self, from: u64, bytes: usize) -> Result<Vec<u8>> {
        self.0.ask(Order::Read, &[from, bytes as u64], &[], bytes)
    }

    fn fill(&mut self, at: u64, byte: u8, bytes: usize) -> Result<()> {
        self.0.ask(Order::Fill, &[at, byte.into(), bytes as u64], &[], 0).map(drop)
    }

    fn launch(&mut self, module: &Arc<dyn Module>, kernel: &str, blocks: u32, threads: u32, arguments: &[u64]) -> Result<()> {
        let unit = module.as_any().downcast_ref::<Unit>();
        let unit = unit.ok_or_else(|| Error::Invalid("emulated device: a module of another driver".to_owned()))?;
        let mut rest = text(&build::entry(kernel));
        let words = [u64::from(blocks), threads.into(), arguments.len() as u64];
        rest.extend(words.iter().chain(arguments).flat_map(|word| word.to_ne_bytes()));
        self.0.ask(Order::Launch, &[unit.number], &rest, 8).map(drop)
    }

    fn synchronize(&mut self) -> Result<()> {
        Ok(())
    }

    fn kernel_time(&self) -> Duration {
        Duration::ZERO
    }
}
