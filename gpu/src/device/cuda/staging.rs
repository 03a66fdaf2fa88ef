//! Pinned host memory, through which everything is copied: the device reads and writes it without the processor.
//!
//! A few slots go around. Whoever copies takes one, waits until the device is done with its last use, and gives it
//! back with an event behind the next, so the host fills one slot while the device empties another.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use cudarc::driver::{result, sys};
use parking_lot::{Condvar, Mutex};

use super::context::Context;
use super::device_memory::new_mark;
use crate::error::Result;

/// Bytes of a slot.
pub(super) const SLOT: usize = 8 << 20;
/// Slots at most: 64 MiB, which are made as they are needed.
const SLOTS: usize = 8;

/// The slots of one device.
#[derive(Debug)]
pub(super) struct Staging {
    context: Arc<Context>,
    slots: Mutex<Slots>,
    given_back: Condvar,
}

#[derive(Debug, Default)]
struct Slots {
    /// In the order in which they were used.
    idle: VecDeque<Slot>,
    made: usize,
}

/// A piece of pinned memory.
#[derive(Debug)]
pub(super) struct Slot {
    memory: Pinned,
    /// Behind the last copy.
    copied: sys::CUevent,
}

/// Pinned memory, of which the processor reads as fast as of any other.
#[derive(Debug)]
pub(super) struct Pinned {
    address: *mut u8,
    bytes: usize,
}

// SAFETY: memory and event belong to no thread; whoever holds the slot alone uses them.
unsafe impl Send for Slot {}
// SAFETY: as above.
unsafe impl Send for Pinned {}

impl Pinned {
    /// Must be called in a context.
    pub(super) fn new(bytes: usize) -> Result<Self, cudarc::driver::DriverError> {
        // SAFETY: without flags, the processor's caches hold it as any memory: write-combined memory would be slow to read.
        let address = unsafe { result::malloc_host(bytes, 0) }?.cast::<u8>();
        // SAFETY: so many bytes were just allocated.
        unsafe { address.write_bytes(0, bytes) };
        Ok(Self { address, bytes })
    }

    /// A part of it, which the device must not be copying from or to.
    pub(super) fn part(&mut self, range: Range<usize>) -> &mut [u8] {
        assert!(range.start <= range.end && range.end <= self.bytes, "a part of pinned memory lies within it");
        // SAFETY: within what `new` allocated and initialized, and borrowed from this alone.
        unsafe { std::slice::from_raw_parts_mut(self.address.add(range.start), range.len()) }
    }

    /// Frees it. Must be called in its context, after the device is done with it.
    pub(super) fn free(self) -> Result<(), cudarc::driver::DriverError> {
        // SAFETY: allocated by `new`, and freed once.
        unsafe { result::free_host(self.address.cast()) }
    }
}

impl Slot {
    /// Its first bytes. Not to be used between a copy that was put into a stream and its end.
    pub(super) fn part(&mut self, bytes: usize) -> &mut [u8] {
        self.memory.part(0..bytes)
    }

    /// Marks that a copy of this slot was just put into the stream.
    pub(super) fn mark(&self, stream: sys::CUstream) -> Result<(), cudarc::driver::DriverError> {
        // SAFETY: the event is this slot's, and the stream the caller's.
        unsafe { result::event::record(self.copied, stream) }
    }

    /// Waits for the copy that was marked.
    pub(super) fn wait(&self, context: &Context) -> Result<()> {
        // SAFETY: the event is this slot's. One that was never recorded is complete.
        context.call("waiting for a copy", || unsafe { result::event::synchronize(self.copied) })
    }

    fn ready(&self, context: &Context) -> bool {
        // SAFETY: as above.
        context.call("asking for a copy", || Ok(unsafe { sys::cuEventQuery(self.copied) })) == Ok(sys::CUresult::CUDA_SUCCESS)
    }
}

impl Staging {
    pub(super) fn new(context: Arc<Context>) -> Self {
        Self { context, slots: Mutex::default(), given_back: Condvar::new() }
    }

    /// A slot that the device is done with. Waits for one where all are in use, so a thread that has one must not
    /// ask here for another.
    pub(super) fn take(&self) -> Result<Slot> {
        let mut slots = self.slots.lock();
        loop {
            if slots.idle.front().is_some_and(|slot| slot.ready(&self.context))
                && let Some(slot) = slots.idle.pop_front()
            {
                return Ok(slot);
            }
            if slots.made < SLOTS {
                slots.made += 1;
                drop(slots);
                return self.make();
            }
            if let Some(slot) = slots.idle.pop_front() {
                drop(slots);
                let waited = slot.wait(&self.context);
                return match waited {
                    Ok(()) => Ok(slot),
                    Err(error) => {
                        self.lose(slot);
                        Err(error)
                    }
                };
            }
            self.given_back.wait(&mut slots);
        }
    }

    /// A slot if there is one at once.
    pub(super) fn try_take(&self) -> Option<Slot> {
        let mut slots = self.slots.lock();
        if slots.idle.front().is_some_and(|slot| slot.ready(&self.context)) {
            return slots.idle.pop_front();
        }
        if slots.made == SLOTS {
            return None;
        }
        slots.made += 1;
        drop(slots);
        self.make().ok()
    }

    /// Gives a slot back, whose copies are marked.
    pub(super) fn give(&self, slot: Slot) {
        self.slots.lock().idle.push_back(slot);
        self.given_back.notify_one();
    }

    /// Forgets a slot that the device may still be copying: its memory stays allocated.
    pub(super) fn lose(&self, _slot: Slot) {
        self.slots.lock().made -= 1;
        self.given_back.notify_one();
    }

    fn make(&self) -> Result<Slot> {
        let made = self.context.call("allocating pinned memory", || {
            let copied = new_mark()?;
            match Pinned::new(SLOT) {
                Ok(memory) => Ok(Slot { memory, copied }),
                Err(error) => {
                    // SAFETY: the event was just made, and nothing uses it.
                    let _ = unsafe { result::event::destroy(copied) };
                    Err(error)
                }
            }
        });
        made.inspect_err(|_| {
            self.slots.lock().made -= 1;
            self.given_back.notify_one();
        })
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        for slot in self.slots.get_mut().idle.drain(..) {
            let _ = self.context.call("freeing pinned memory", || {
                // SAFETY: the event is this slot's; once the copy is behind it, nothing uses the slot.
                unsafe {
                    result::event::synchronize(slot.copied)?;
                    result::event::destroy(slot.copied)?;
                }
                slot.memory.free()
            });
        }
    }
}
