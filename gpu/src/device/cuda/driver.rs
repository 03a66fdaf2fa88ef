//! The driver's interface, behind one gate.
//!
//! cudarc opens the driver's library at the first call and panics where it, or a function in it, is
//! missing. So [`guarded`] first asks whether the library opens at all, and then runs what may still meet
//! a function that an old driver lacks inside `catch_unwind`; either way the caller gets an error, and
//! nothing is printed.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;
use std::time::Instant;

use cudarc::driver::{CudaContext, DriverError, result, sys};

use super::{CudaDevice, device_memory};
use crate::device::Memory;
use crate::error::{Error, Result};

/// Runs what calls the driver.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    // SAFETY: opening a library runs its initializers; this is the system's own CUDA driver, made for that.
    let opens = catch_unwind(|| unsafe { sys::is_culib_present() });
    if !opens.unwrap_or(false) {
        return Err(Error::Absent("no NVIDIA driver was found (libcuda does not open)".to_owned()));
    }
    caught(work)
}

/// Runs what calls the driver once it is known to open. What an old driver lacks is an error.
pub(super) fn caught<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    let outcome = quietly(|| catch_unwind(AssertUnwindSafe(work)));
    outcome.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        let text = text.unwrap_or_default();
        // cudarc: `Missing symbol ‹name›: ‹what the loader says›`.
        Err(Error::Failed(match text.strip_prefix("Missing symbol ").and_then(|rest| rest.split(':').next()) {
            Some(name) => format!("the NVIDIA driver is too old: it lacks {name}"),
            None => format!("calling the NVIDIA driver failed: {text}"),
        }))
    })
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`, of whose panics this thread prints nothing: they are expected, and answered for.
pub(super) fn quietly<T>(work: impl FnOnce() -> T) -> T {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = take_hook();
        set_hook(Box::new(move |panic| {
            if !QUIET.get() {
                usual(panic);
            }
        }));
    });
    let before = QUIET.replace(true);
    let value = work();
    QUIET.set(before);
    value
}

/// The driver's error, in its words.
pub(super) fn failed(error: DriverError) -> Error {
    let text = error.error_string().map_or_else(|_| error.to_string(), |text| text.to_string_lossy().into_owned());
    if error.0 == sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY {
        return Error::OutOfMemory(format!("the NVIDIA driver says: {text}"));
    }
    Error::Failed(format!("the NVIDIA driver says: {text}"))
}

/// The devices; an error says why there are none.
pub(super) fn devices() -> Result<Vec<CudaDevice>> {
    guarded(|| {
        result::init().map_err(failed)?;
        let count = result::device::get_count().map_err(failed)?;
        if count <= 0 {
            return Err(Error::Absent("the NVIDIA driver answers, but has no device".to_owned()));
        }
        let driver = version();
        (0..count).map(|ordinal| describe(ordinal, &driver)).collect()
    })
}

fn describe(ordinal: i32, driver: &str) -> Result<CudaDevice> {
    use sys::CUdevice_attribute as Attribute;
    let device = result::device::get(ordinal).map_err(failed)?;
    // SAFETY: `device` was given by the driver, which is initialized.
    let attribute = |attribute| unsafe { result::device::get_attribute(device, attribute) }.ok();
    let major = attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
    let minor = attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
    Ok(CudaDevice {
        ordinal: usize::try_from(ordinal).unwrap_or_default(),
        model: result::device::get_name(device).map_err(failed)?,
        // SAFETY: as above.
        total: unsafe { result::device::total_mem(device) }.ok().map(|bytes| bytes as u64),
        capability: major.zip(minor),
        processors: attribute(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT),
        driver: driver.to_owned(),
        compiler: Default::default(),
        budget: Default::default(),
        opened: Default::default(),
    })
}

/// The driver's version, and the newest CUDA that it speaks.
fn version() -> String {
    let mut number = 0;
    // SAFETY: the function writes one integer, for which there is room.
    let status = unsafe { sys::cuDriverGetVersion(&raw mut number) };
    let cuda = if status == sys::CUresult::CUDA_SUCCESS && number > 0 {
        format!("CUDA {}.{}", number / 1000, number % 1000 / 10)
    } else {
        "CUDA of unknown version".to_owned()
    };
    // Where the kernel's module says its own version, it is the one that people know.
    let module = std::fs::read_to_string("/sys/module/nvidia/version").unwrap_or_default();
    match module.trim() {
        "" => cuda,
        module => format!("{module}, {cuda}"),
    }
}

/// The memory of a device. Wakes it: it takes some hundred MiB and milliseconds the first time.
pub(super) fn memory(ordinal: usize) -> Result<Memory> {
    guarded(|| {
        let context = CudaContext::new(ordinal).map_err(failed)?;
        let (free, total) = context.mem_get_info().map_err(failed)?;
        let kept = device_memory::kept(context.cu_device());
        Ok(Memory { total: total as u64, free: (free as u64 + kept).min(total as u64) })
    })
}

/// The seconds that a copy of so many bytes within a device's memory takes, in the best of `repetitions`.
pub(super) fn time_copy(ordinal: usize, bytes: usize, repetitions: usize) -> Result<f64> {
    guarded(|| {
        let context = CudaContext::new(ordinal).map_err(failed)?;
        let stream = context.default_stream();
        let source = stream.alloc_zeros::<u8>(bytes).map_err(failed)?;
        let mut target = stream.alloc_zeros::<u8>(bytes).map_err(failed)?;
        stream.synchronize().map_err(failed)?;
        let mut best = f64::INFINITY;
        for _ in 0..repetitions.max(1) {
            let began = Instant::now();
            stream.memcpy_dtod(&source, &mut target).map_err(failed)?;
            stream.synchronize().map_err(failed)?;
            best = best.min(began.elapsed().as_secs_f64());
        }
        Ok(best)
    })
}
