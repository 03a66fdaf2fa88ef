//! Large blocks of zeros, straight from the system: in large pages where it has them, and given back at once.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::NonNull;
use std::sync::Arc;

use arrow::buffer::Buffer;

use crate::error::{Error, Result};

/// Zeros at first. The address is a multiple of 64.
#[derive(Debug)]
pub(crate) struct Memory {
    address: NonNull<u8>,
    bytes: usize,
    mapped: bool,
}

// SAFETY: it owns its bytes.
unsafe impl Send for Memory {}
// SAFETY: reading is through `&self`; who writes through the address sees to it that nobody else does.
unsafe impl Sync for Memory {}

/// From here on a block has large pages. A block that is smaller would often have none anyway.
const LARGE_PAGES: usize = 2 << 20;
/// From here on a block is a mapping of its own.
const MAPPED: usize = 1 << 20;

impl Memory {
    /// So many bytes of zeros.
    pub(crate) fn zeros(bytes: usize) -> Result<Self> {
        let failed = || Error::OutOfMemory(format!("there is no memory for {bytes} bytes of state"));
        if bytes >= MAPPED
            && let Some(address) = map(bytes)
        {
            return Ok(Self { address, bytes, mapped: true });
        }
        let layout = Layout::from_size_align(bytes.max(64), 64).map_err(|_| failed())?;
        // SAFETY: the size is not zero.
        let address = NonNull::new(unsafe { alloc_zeroed(layout) }).ok_or_else(failed)?;
        Ok(Self { address, bytes, mapped: false })
    }

    pub(crate) fn address(&self) -> *mut u8 {
        self.address.as_ptr()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What lies there, when all writing is done.
    pub(crate) fn read(&self) -> &[u8] {
        // SAFETY: it is that long, and was zeros at least.
        unsafe { std::slice::from_raw_parts(self.address.as_ptr(), self.bytes) }
    }

    /// The same bytes as Arrow holds them.
    pub(crate) fn into_buffer(self) -> Buffer {
        let (address, bytes) = (self.address, self.bytes);
        // SAFETY: the bytes live as long as this value, which the buffer holds.
        unsafe { Buffer::from_custom_allocation(address, bytes, Arc::new(self)) }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if self.mapped {
            unmap(self.address, self.bytes);
            return;
        }
        // SAFETY: it was allocated with this layout, which was valid then.
        unsafe { dealloc(self.address.as_ptr(), Layout::from_size_align_unchecked(self.bytes.max(64), 64)) };
    }
}

#[cfg(target_os = "linux")]
fn map(bytes: usize) -> Option<NonNull<u8>> {
    // SAFETY: a new private mapping touches nothing that exists.
    unsafe {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        let address = libc::mmap(std::ptr::null_mut(), bytes, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0);
        if address == libc::MAP_FAILED {
            return None;
        }
        // Advice: whether it is taken changes nothing but the time.
        if bytes >= LARGE_PAGES {
            libc::madvise(address, bytes, libc::MADV_HUGEPAGE);
        }
        NonNull::new(address.cast())
    }
}

#[cfg(target_os = "linux")]
fn unmap(address: NonNull<u8>, bytes: usize) {
    // SAFETY: the mapping is ours, and whole.
    unsafe { libc::munmap(address.as_ptr().cast(), bytes) };
}

#[cfg(not(target_os = "linux"))]
fn map(_bytes: usize) -> Option<NonNull<u8>> {
    None
}

#[cfg(not(target_os = "linux"))]
fn unmap(_address: NonNull<u8>, _bytes: usize) {}
