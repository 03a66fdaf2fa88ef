//! Memory of a device: taken from the driver's pool, and given back once every stream has passed its last use.
//!
//! Two streams of its own order this. One takes memory and does nothing else, so that waiting for it takes
//! microseconds; what it took is then for every stream. The other gives memory back: it first waits, on the
//! device, for what all streams hold at that moment. The pool keeps what it has had, until an allocation fails.

use std::ffi::c_void;
use std::sync::Arc;

use cudarc::driver::result::stream::StreamKind;
use cudarc::driver::{DriverError, result, sys};
use parking_lot::Mutex;
use sys::CUdevice_attribute as Attribute;
use sys::CUmemPool_attribute as PoolAttribute;

use super::context::Context;
use crate::device::gibibytes;
use crate::error::{Error, Result};

/// The memory of one device.
#[derive(Debug)]
pub(super) struct DeviceMemory {
    context: Arc<Context>,
    pool: Option<Pool>,
    /// Every stream that work is put in, with an event of its own for giving back.
    streams: Mutex<Vec<Watched>>,
}

/// Present where the device has pools. Without one, the driver's older functions wait for the whole device.
#[derive(Debug)]
struct Pool {
    pool: sys::CUmemoryPool,
    taking: sys::CUstream,
    giving: sys::CUstream,
}

#[derive(Debug, Clone, Copy)]
struct Watched {
    stream: sys::CUstream,
    event: sys::CUevent,
}

// SAFETY: the handles are the driver's, which any thread may use, and several at once; they live as long as this.
unsafe impl Send for DeviceMemory {}
// SAFETY: as above. The events, which must not be recorded by two threads at once, are used under the lock.
unsafe impl Sync for DeviceMemory {}

impl DeviceMemory {
    pub(super) fn new(context: Arc<Context>) -> Result<Self> {
        let pools = context.attribute(Attribute::CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED)?;
        let pool = if pools == 0 {
            None
        } else {
            Some(context.call("preparing the memory pool", || {
                // SAFETY: the device is the driver's, and has pools.
                let pool = unsafe { result::device::get_mem_pool(context.device()) }?;
                let set = |attribute: PoolAttribute, mut value: u64| {
                    // SAFETY: the value is at least as wide as any attribute's, and little endian.
                    unsafe { result::mem_pool::set_attribute(pool, attribute, (&raw mut value).cast::<c_void>()) }
                };
                set(PoolAttribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, u64::MAX)?;
                // Taking never waits on the device for what is still to be given back.
                set(PoolAttribute::CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES, 0)?;
                let taking = result::stream::create(StreamKind::NonBlocking)?;
                let giving = result::stream::create(StreamKind::NonBlocking)?;
                Ok(Pool { pool, taking, giving })
            })?)
        };
        Ok(Self { context, pool, streams: Mutex::new(Vec::new()) })
    }

    /// Takes memory; it is there for every stream when this returns.
    pub(super) fn allocate(&self, bytes: usize) -> Result<u64> {
        let bytes = bytes.max(1);
        match self.take(bytes) {
            Err(Error::OutOfMemory(_)) => {
                // What is on its way back may be enough.
                self.settle()?;
                self.take(bytes).map_err(|error| match error {
                    Error::OutOfMemory(text) => {
                        Error::OutOfMemory(format!("there is no room for {} on the device: {text}", gibibytes(bytes as u64)))
                    }
                    other => other,
                })
            }
            other => other,
        }
    }

    fn take(&self, bytes: usize) -> Result<u64> {
        self.context.call("allocating", || {
            let Some(pool) = &self.pool else {
                // SAFETY: what is in the memory is for kernels to write first.
                return unsafe { result::malloc_sync(bytes) };
            };
            // SAFETY: the pool and the stream live as long as this.
            let address = unsafe { result::mem_pool::alloc_async(pool.pool, bytes, pool.taking) }?;
            // SAFETY: as above.
            unsafe { result::stream::synchronize(pool.taking) }.map(|()| address)
        })
    }

    /// Waits until all that was given back is back, and lets go of what the pool keeps.
    fn settle(&self) -> Result<()> {
        self.context.call("waiting for memory", || {
            let Some(pool) = &self.pool else { return Ok(()) };
            // SAFETY: the stream and the pool live as long as this.
            unsafe {
                result::stream::synchronize(pool.giving)?;
                result::mem_pool::trim_to(pool.pool, 0)
            }
        })
    }

    /// Gives memory back once every stream has passed what is in it now. Where that fails, the memory is lost.
    pub(super) fn free(&self, address: u64) {
        let streams = self.streams.lock();
        let _ = self.context.call("giving memory back", || {
            let Some(pool) = &self.pool else {
                // SAFETY: the address is one that `take` gave; the driver waits for all work of the device.
                return unsafe { result::free_sync(address) };
            };
            for watched in streams.iter() {
                // SAFETY: streams and events are destroyed only with this; the event is this lock's.
                unsafe {
                    if sys::cuStreamQuery(watched.stream) == sys::CUresult::CUDA_SUCCESS {
                        continue;
                    }
                    // An error of the stream's own work shows here, and the memory is then not touched.
                    result::event::record(watched.event, watched.stream)?;
                    result::stream::wait_event(pool.giving, watched.event, sys::CUevent_wait_flags::CU_EVENT_WAIT_DEFAULT)?;
                }
            }
            // SAFETY: the address is one that `take` gave, and this stream is behind every use of it.
            unsafe { result::free_async(address, pool.giving) }
        });
    }

    /// From now on memory is given back only after this stream's work. It must live as long as this.
    pub(super) fn watch(&self, stream: sys::CUstream) -> Result<()> {
        let event = self.context.call("making an event", new_mark)?;
        self.streams.lock().push(Watched { stream, event });
        Ok(())
    }
}

impl Drop for DeviceMemory {
    fn drop(&mut self) {
        let watched = std::mem::take(self.streams.get_mut());
        let _ = self.context.call("giving the memory pool back", || {
            for Watched { event, .. } in watched {
                // SAFETY: made by `watch`, and destroyed once.
                unsafe { result::event::destroy(event) }?;
            }
            let Some(pool) = &self.pool else { return Ok(()) };
            // SAFETY: made by `new`, and destroyed once, after all that was put into them.
            unsafe {
                result::stream::synchronize(pool.giving)?;
                result::mem_pool::trim_to(pool.pool, 0)?;
                result::stream::destroy(pool.taking)?;
                result::stream::destroy(pool.giving)
            }
        });
    }
}

/// An event that only orders.
pub(super) fn new_mark() -> Result<sys::CUevent, DriverError> {
    result::event::create(sys::CUevent_flags::CU_EVENT_DISABLE_TIMING)
}

/// Bytes that the pool of a device keeps and nobody uses: free, though the driver does not say so. The primary
/// context must be current, and the device have pools.
pub(super) fn kept(device: sys::CUdevice) -> u64 {
    // SAFETY: the device is the driver's.
    let Ok(pool) = (unsafe { result::device::get_mem_pool(device) }) else { return 0 };
    let number = |attribute: PoolAttribute| {
        let mut value = 0_u64;
        // SAFETY: these attributes are 64 bits wide.
        let answer = unsafe { result::mem_pool::get_attribute(pool, attribute, (&raw mut value).cast::<c_void>()) };
        answer.map_or(0, |()| value)
    };
    let reserved = number(PoolAttribute::CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT);
    reserved.saturating_sub(number(PoolAttribute::CU_MEMPOOL_ATTR_USED_MEM_CURRENT))
}
