//! A device's primary context, and the one way through which everything calls the driver in it.
//!
//! Some errors end a context: an illegal address, a corrupted memory. CUDA gives no way back but a new process, so
//! the first of them is remembered and answers every later call; the caller goes on without the device.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock, Weak};

use cudarc::driver::{DriverError, result, sys};
use parking_lot::Mutex;

use super::driver::{caught, failed, guarded};
use crate::error::{Error, Result};

/// The primary context of one device.
pub(super) struct Context {
    device: sys::CUdevice,
    context: sys::CUcontext,
    ordinal: usize,
    /// The error that ended it.
    ended: Mutex<Option<Error>>,
}

// SAFETY: a context may be used by any thread, and by several at once; `call` makes it the current thread's.
unsafe impl Send for Context {}
// SAFETY: as above.
unsafe impl Sync for Context {}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cuda:{}", self.ordinal)
    }
}

impl Context {
    /// That of a device: all who ask share one.
    pub(super) fn open(ordinal: usize) -> Result<Arc<Self>> {
        static OPEN: OnceLock<Mutex<HashMap<usize, Weak<Context>>>> = OnceLock::new();
        let mut open = OPEN.get_or_init(Mutex::default).lock();
        if let Some(context) = open.get(&ordinal).and_then(Weak::upgrade) {
            return context.alive().map(|()| context);
        }
        let context = Arc::new(guarded(|| {
            result::init().map_err(failed)?;
            let number = i32::try_from(ordinal).map_err(|_| Error::Absent(format!("there is no device cuda:{ordinal}")))?;
            let device = result::device::get(number).map_err(failed)?;
            // SAFETY: the driver has just given the device.
            let context = unsafe { result::primary_ctx::retain(device) }.map_err(failed)?;
            Ok(Self { device, context, ordinal, ended: Mutex::new(None) })
        })?);
        open.insert(ordinal, Arc::downgrade(&context));
        Ok(context)
    }

    /// The driver's handle of the device.
    pub(super) fn device(&self) -> sys::CUdevice {
        self.device
    }

    /// A number that describes the device.
    pub(super) fn attribute(&self, attribute: sys::CUdevice_attribute) -> Result<u32> {
        // SAFETY: the device is the driver's.
        let number = self.call("asking for an attribute", || unsafe { result::device::get_attribute(self.device, attribute) })?;
        Ok(u32::try_from(number).unwrap_or_default())
    }

    /// Calls the driver with this context current. An error that ends the context is remembered.
    pub(super) fn call<T>(&self, what: &str, work: impl FnOnce() -> Result<T, DriverError>) -> Result<T> {
        self.alive()?;
        self.call_ended(what, work)
    }

    /// As `call`, also in a context that ended: for giving back, which may fail.
    pub(super) fn call_ended<T>(&self, what: &str, work: impl FnOnce() -> Result<T, DriverError>) -> Result<T> {
        let mut ends = false;
        let outcome = caught(|| {
            // SAFETY: the context lives until this is dropped.
            let bound = unsafe { result::ctx::set_current(self.context) };
            bound.and_then(|()| work()).map_err(|error| {
                ends = ends_context(error);
                match failed(error) {
                    Error::Failed(text) => Error::Failed(format!("{what}: {text}")),
                    Error::OutOfMemory(text) => Error::OutOfMemory(format!("{what}: {text}")),
                    other => other,
                }
            })
        });
        if let (true, Err(error)) = (ends, &outcome) {
            let mut ended = self.ended.lock();
            let text = format!("cuda:{} runs nothing until the process starts again, after {error}", self.ordinal);
            ended.get_or_insert(Error::Failed(text));
        }
        outcome
    }

    /// An error once the context has ended.
    pub(super) fn alive(&self) -> Result<()> {
        self.ended.lock().clone().map_or(Ok(()), Err)
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: it was retained once, and is released once; what was made in it holds this, so it is gone.
        let _ = caught(|| unsafe { result::primary_ctx::release(self.device) }.map_err(failed));
    }
}

/// Whether the driver says of an error that the process must end to use the device again ("This leaves the process in
/// an inconsistent state", in the reference of CUresult), or that the device or the driver itself is lost.
fn ends_context(error: DriverError) -> bool {
    use sys::CUresult as Code;
    matches!(
        error.0,
        Code::CUDA_ERROR_DEINITIALIZED
            | Code::CUDA_ERROR_ECC_UNCORRECTABLE
            | Code::CUDA_ERROR_NVLINK_UNCORRECTABLE
            | Code::CUDA_ERROR_ILLEGAL_ADDRESS
            | Code::CUDA_ERROR_LAUNCH_TIMEOUT
            | Code::CUDA_ERROR_CONTEXT_IS_DESTROYED
            | Code::CUDA_ERROR_ASSERT
            | Code::CUDA_ERROR_HARDWARE_STACK_ERROR
            | Code::CUDA_ERROR_ILLEGAL_INSTRUCTION
            | Code::CUDA_ERROR_MISALIGNED_ADDRESS
            | Code::CUDA_ERROR_INVALID_ADDRESS_SPACE
            | Code::CUDA_ERROR_INVALID_PC
            | Code::CUDA_ERROR_LAUNCH_FAILED
            | Code::CUDA_ERROR_EXTERNAL_DEVICE
            | Code::CUDA_ERROR_MPS_CLIENT_TERMINATED
            | Code::CUDA_ERROR_UNKNOWN
    )
}
