//! A queue of work on a GPU. Every copy goes through pinned memory, so the host waits only where it says so.

use std::collections::VecDeque;
use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arrow::buffer::Buffer;
use cudarc::driver::result::stream::StreamKind;
use cudarc::driver::{result, sys};
use parking_lot::Mutex;

use super::context::Context;
use super::device_memory::DeviceMemory;
use super::interface::{Module, Stream};
use super::nvidia::NvidiaModule;
use super::staging::{Pinned, SLOT, Slot, Staging};
use crate::error::{Error, Result};

/// Pinned memory of a lane, for small copies: values, chunk tables, counts.
const ARENA: usize = 1 << 20;
/// A copy up to this goes through the arena while there is room.
const SMALL: usize = 64 << 10;
/// From so many bytes on several threads fill slots: one is slower than the device's bus.
const LARGE: usize = 4 * SLOT;
/// So many threads.
const FILLERS: usize = 4;
/// From so many launches on, the time of those that are over is taken.
const TIMED: usize = 64;

/// What the streams of one device share.
#[derive(Debug)]
pub(super) struct Shared {
    // In the order in which they go.
    idle: Mutex<Vec<Lane>>,
    staging: Staging,
    pub(super) memory: DeviceMemory,
    pub(super) context: Arc<Context>,
}

/// A stream of the driver's and what belongs to it; the next query takes it over, as making one takes time.
#[derive(Debug)]
struct Lane {
    queue: Queue,
    arena: Pinned,
    /// Events that take the time, which nothing uses now.
    events: Vec<Event>,
}

#[derive(Debug, Clone, Copy)]
struct Queue(sys::CUstream);

#[derive(Debug, Clone, Copy)]
struct Event(sys::CUevent);

// SAFETY: any thread may put work into a stream, and several at once; it lives as long as `Shared`.
unsafe impl Send for Queue {}
// SAFETY: as above.
unsafe impl Sync for Queue {}
// SAFETY: any thread may use an event; whoever holds it alone does.
unsafe impl Send for Event {}

impl Shared {
    pub(super) fn new(context: Arc<Context>) -> Result<Self> {
        let memory = DeviceMemory::new(context.clone())?;
        Ok(Self { idle: Mutex::default(), staging: Staging::new(context.clone()), memory, context })
    }

    /// A new queue of work.
    pub(super) fn stream(self: &Arc<Self>) -> Result<NvidiaStream> {
        self.context.alive()?;
        let idle = self.idle.lock().pop();
        let lane = match idle {
            Some(lane) => lane,
            None => {
                let lane = self.context.call("making a stream", || {
                    let arena = Pinned::new(ARENA)?;
                    let queue = Queue(result::stream::create(StreamKind::NonBlocking)?);
                    Ok(Lane { queue, arena, events: Vec::new() })
                })?;
                self.memory.watch(lane.queue.0)?;
                lane
            }
        };
        Ok(NvidiaStream {
            queue: lane.queue,
            lane: Some(lane),
            shared: self.clone(),
            used: 0,
            timed: VecDeque::new(),
            modules: Vec::new(),
            time: Duration::ZERO,
        })
    }

    /// Puts the copy of at most a slot's bytes into the queue.
    fn send_slot(&self, queue: Queue, to: u64, bytes: &[u8]) -> Result<()> {
        let mut slot = self.staging.take()?;
        slot.part(bytes.len()).copy_from_slice(bytes);
        // SAFETY: the slot's bytes stay until the event that `mark` records; the caller vouches for the address.
        let sent = self.context.call("copying to the device", || unsafe {
            result::memcpy_htod_async(to, slot.part(bytes.len()), queue.0)?;
            slot.mark(queue.0)
        });
        match sent {
            Ok(()) => self.staging.give(slot),
            Err(_) => self.staging.lose(slot),
        }
        sent
    }

    /// Puts the copy of any number of bytes into the queue, in any order of its parts.
    fn send(&self, queue: Queue, to: u64, bytes: &[u8]) -> Result<()> {
        let next = AtomicUsize::new(0);
        let fill = || {
            loop {
                let from = next.fetch_add(SLOT, Ordering::Relaxed);
                let Some(rest) = bytes.get(from..).filter(|rest| !rest.is_empty()) else { return Ok(()) };
                self.send_slot(queue, to + from as u64, &rest[..rest.len().min(SLOT)])?;
            }
        };
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let fillers = if bytes.len() < LARGE { 1 } else { FILLERS.min(processors / 2).max(1) };
        std::thread::scope(|scope| {
            let others: Vec<_> = (1..fillers).map(|_| scope.spawn(fill)).collect();
            let own = fill();
            others.into_iter().fold(own, |all, other| {
                all.and(
                    other.join().unwrap_or_else(|_| Err(Error::Failed("a thread that copies to the device failed".to_owned()))),
                )
            })
        })
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        for lane in self.idle.get_mut().drain(..) {
            let _ = self.context.call("closing a stream", || {
                for event in lane.events {
                    // SAFETY: made by this module, and destroyed once.
                    unsafe { result::event::destroy(event.0) }?;
                }
                // SAFETY: as above; whoever used the stream has waited for it.
                unsafe { result::stream::destroy(lane.queue.0) }?;
                lane.arena.free()
            });
        }
    }
}

/// A queue of one query's work.
pub(super) struct NvidiaStream {
    queue: Queue,
    /// Taken when this is dropped.
    lane: Option<Lane>,
    shared: Arc<Shared>,
    /// Bytes of the arena that copies use that are not waited for.
    used: usize,
    /// Events before and behind launches whose time is not taken.
    timed: VecDeque<(Event, Event)>,
    /// Modules whose kernels may be running.
    modules: Vec<Arc<dyn Module>>,
    time: Duration,
}

impl NvidiaStream {
    /// Room in the arena, as an offset.
    fn reserve(&mut self, bytes: usize) -> Option<usize> {
        let from = self.used.next_multiple_of(64);
        if bytes > SMALL || from + bytes > ARENA {
            return None;
        }
        self.used = from + bytes;
        Some(from)
    }

    fn arena(&mut self, from: usize, bytes: usize) -> Option<&mut [u8]> {
        Some(self.lane.as_mut()?.arena.part(from..from + bytes))
    }

    /// An event that takes the time.
    fn event(&mut self) -> Result<Event> {
        match self.lane.as_mut().and_then(|lane| lane.events.pop()) {
            Some(event) => Ok(event),
            None => self
                .shared
                .context
                .call("making an event", || Ok(Event(result::event::create(sys::CUevent_flags::CU_EVENT_DEFAULT)?))),
        }
    }

    fn recycle(&mut self, events: [Event; 2]) {
        if let Some(lane) = &mut self.lane {
            lane.events.extend(events);
        }
    }

    /// Takes the time of launches that are over.
    fn take_time(&mut self) -> Result<()> {
        while let Some(&(start, end)) = self.timed.front() {
            // SAFETY: both were made with timing, and recorded in this stream one after the other.
            let passed = self.shared.context.call("taking the time", || unsafe {
                match sys::cuEventQuery(end.0) {
                    sys::CUresult::CUDA_ERROR_NOT_READY => Ok(None),
                    other => other.result().and_then(|()| result::event::elapsed(start.0, end.0)).map(Some),
                }
            })?;
            let Some(milliseconds) = passed else { break };
            self.time += Duration::from_secs_f64(f64::from(milliseconds.max(0.0)) / 1e3);
            self.timed.pop_front();
            self.recycle([start, end]);
        }
        Ok(())
    }

    /// Copies more than the arena holds into `data`, through two slots in turn where there are two.
    fn receive(&self, from: u64, bytes: usize, data: &mut Vec<u8>) -> Result<()> {
        let staging = &self.shared.staging;
        let mut idle = vec![staging.take()?];
        if bytes > SLOT {
            idle.extend(staging.try_take());
        }
        let mut under_way: VecDeque<(Slot, usize)> = VecDeque::new();
        let outcome = self.receive_through(&mut idle, &mut under_way, from, bytes, data);
        for slot in idle {
            staging.give(slot);
        }
        for (slot, _) in under_way {
            staging.lose(slot);
        }
        outcome
    }

    fn receive_through(
        &self,
        idle: &mut Vec<Slot>,
        under_way: &mut VecDeque<(Slot, usize)>,
        from: u64,
        bytes: usize,
        data: &mut Vec<u8>,
    ) -> Result<()> {
        let context = &self.shared.context;
        let mut at = 0;
        loop {
            while at < bytes {
                let Some(slot) = idle.pop() else { break };
                let size = (bytes - at).min(SLOT);
                under_way.push_back((slot, size));
                let Some((slot, _)) = under_way.back_mut() else { break };
                // SAFETY: the slot's bytes are not used before the event that `mark` records; the caller vouches for the address.
                context.call("copying from the device", || unsafe {
                    result::memcpy_dtoh_async(slot.part(size), from + at as u64, self.queue.0)?;
                    slot.mark(self.queue.0)
                })?;
                at += size;
            }
            let Some((slot, size)) = under_way.front_mut() else { return Ok(()) };
            slot.wait(context)?;
            data.extend_from_slice(slot.part(*size));
            idle.extend(under_way.pop_front().map(|(slot, _)| slot));
        }
    }
}

impl Stream for NvidiaStream {
    fn copy_in(&mut self, to: u64, from: &Buffer) -> Result<()> {
        let bytes = from.as_slice();
        if bytes.is_empty() {
            return Ok(());
        }
        let Some(offset) = self.reserve(bytes.len()) else {
            return self.shared.send(self.queue, to, bytes);
        };
        let (queue, context) = (self.queue, self.shared.context.clone());
        let Some(part) = self.arena(offset, bytes.len()) else { return Ok(()) };
        part.copy_from_slice(bytes);
        // SAFETY: this part of the arena is used again only after `synchronize`; the caller vouches for the address.
        context.call("copying to the device", || unsafe { result::memcpy_htod_async(to, part, queue.0) })
    }

    fn copy_out(&mut self, from: u64, bytes: usize) -> Result<Vec<u8>> {
        let mut data = Vec::new();
        data.try_reserve_exact(bytes).map_err(|error| Error::OutOfMemory(format!("copying from the device: {error}")))?;
        if bytes == 0 {
            return self.synchronize().map(|()| data);
        }
        let Some(offset) = self.reserve(bytes) else {
            self.receive(from, bytes, &mut data)?;
            return self.synchronize().map(|()| data);
        };
        let (queue, context) = (self.queue, self.shared.context.clone());
        if let Some(part) = self.arena(offset, bytes) {
            // SAFETY: this part of the arena is read only after `synchronize`; the caller vouches for the address.
            context.call("copying from the device", || unsafe { result::memcpy_dtoh_async(part, from, queue.0) })?;
        }
        self.synchronize()?;
        data.extend(self.arena(offset, bytes).into_iter().flat_map(|part| part.iter()));
        Ok(data)
    }

    fn fill(&mut self, at: u64, byte: u8, bytes: usize) -> Result<()> {
        if bytes == 0 {
            return Ok(());
        }
        let queue = self.queue;
        // SAFETY: the caller vouches for the address.
        self.shared.context.call("filling memory", || unsafe { result::memset_d8_async(at, byte, bytes, queue.0) })
    }

    fn launch(&mut self, module: &Arc<dyn Module>, kernel: &str, blocks: u32, threads: u32, arguments: &[u64]) -> Result<()> {
        let Some(code) = module.as_any().downcast_ref::<NvidiaModule>() else {
            return Err(Error::Invalid(format!("kernel {kernel} was compiled by another driver")));
        };
        let function = code.function(&self.shared.context, kernel, arguments.len())?;
        if blocks == 0 {
            return Ok(());
        }
        if self.timed.len() >= TIMED {
            self.take_time()?;
        }
        if self.modules.last().is_none_or(|last| !Arc::ptr_eq(last, module)) {
            self.modules.push(module.clone());
        }
        let (start, end) = (self.event()?, self.event()?);
        let mut words = arguments.to_vec();
        let mut pointers: Vec<*mut c_void> = words.iter_mut().map(|word| std::ptr::from_mut(word).cast()).collect();
        let queue = self.queue.0;
        // SAFETY: the module is kept until its kernels are waited for; it has as many parameters of 64 bits as there
        // are words; what the kernel does with addresses is the generated code's, for which the caller vouches.
        let launched = self.shared.context.call("launching a kernel", || unsafe {
            result::event::record(start.0, queue)?;
            result::launch_kernel(function, (blocks, 1, 1), (threads, 1, 1), 0, queue, &mut pointers)?;
            result::event::record(end.0, queue)
        });
        if launched.is_err() {
            self.recycle([start, end]);
            return launched;
        }
        self.timed.push_back((start, end));
        Ok(())
    }

    fn synchronize(&mut self) -> Result<()> {
        let queue = self.queue;
        // SAFETY: the stream lives as long as `Shared`.
        self.shared.context.call("waiting for the device", || unsafe { result::stream::synchronize(queue.0) })?;
        self.used = 0;
        self.modules.clear();
        self.take_time()
    }

    fn kernel_time(&self) -> Duration {
        self.time
    }
}

impl Drop for NvidiaStream {
    fn drop(&mut self) {
        // What was put in and not waited for still uses the arena and the modules. A stream that failed is not used again.
        let waited = self.synchronize();
        if let (Ok(()), Some(lane)) = (waited, self.lane.take()) {
            self.shared.idle.lock().push(lane);
        }
    }
}
