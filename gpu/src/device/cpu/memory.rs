//! Blocks of zeros: large ones straight from the system, in large pages where it has them, and given back at once; those of a
//! middle size come again. A page that is new costs a fault, and another where it is read before it is written, of which every
//! other core is told: for the tables of a short query that is more than to fill them with zeros anew.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::NonNull;
use std::sync::Arc;

use arrow::buffer::Buffer;
use parking_lot::Mutex;

use crate::error::{Error, Result};

/// Asks for the memory at an address, any at all.
#[inline(always)]
pub(crate) fn fetch(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: fetching changes nothing, and an address that is nowhere is passed over.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

/// Zeros at first. The address is a multiple of 64.
#[derive(Debug)]
pub(crate) struct Memory {
    address: NonNull<u8>,
    bytes: usize,
    kind: Kind,
}

/// Where a block comes from, and goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Nowhere.
    None,
    /// The allocator.
    Allocated,
    /// The blocks of its size that come again.
    Recycled,
    /// A mapping of its own.
    Mapped,
}

// SAFETY: it owns its bytes.
unsafe impl Send for Memory {}
// SAFETY: reading is through `&self`; who writes through the address sees to it that nobody else does.
unsafe impl Sync for Memory {}

/// From here on a block has large pages. A block that is smaller would often have none anyway.
const LARGE_PAGES: usize = 2 << 20;
/// From here on a block is a mapping of its own.
const MAPPED: usize = 4 << 20;
/// From here on blocks come again, in sizes that are powers of two.
const RECYCLED: usize = 64 << 10;
/// Bytes of blocks that wait to come again, at most.
const WAITING: usize = 64 << 20;

/// Blocks that wait to come again.
static FREE: Mutex<Vec<Block>> = Mutex::new(Vec::new());

/// A mapping of the size that its bytes are rounded up to.
struct Block {
    address: NonNull<u8>,
    size: usize,
}

// SAFETY: it is a mapping that nobody else knows of.
unsafe impl Send for Block {}

/// A block of so many zeros that comes again.
fn recycled(bytes: usize) -> Option<NonNull<u8>> {
    let size = bytes.next_power_of_two();
    let mut free = FREE.lock();
    let found = free.iter().rposition(|block| block.size == size).map(|at| free.swap_remove(at));
    drop(free);
    match found {
        Some(block) => {
            // SAFETY: the mapping has that many bytes, and nobody else knows of it.
            unsafe { block.address.as_ptr().write_bytes(0, bytes) };
            Some(block.address)
        }
        None => map(size),
    }
}

/// Keeps a block of so many bytes to come again, where not too many wait already.
fn recycle(address: NonNull<u8>, bytes: usize) {
    let size = bytes.next_power_of_two();
    let mut free = FREE.lock();
    if free.iter().map(|block| block.size).sum::<usize>() + size <= WAITING {
        free.push(Block { address, size });
        return;
    }
    drop(free);
    unmap(address, size);
}

impl Memory {
    /// So many bytes of zeros.
    pub(crate) fn zeros(bytes: usize) -> Result<Self> {
        let failed = || Error::OutOfMemory(format!("there is no memory for {bytes} bytes of state"));
        if bytes >= MAPPED
            && let Some(address) = map(bytes)
        {
            return Ok(Self { address, bytes, kind: Kind::Mapped });
        }
        if (RECYCLED..MAPPED).contains(&bytes)
            && let Some(address) = recycled(bytes)
        {
            return Ok(Self { address, bytes, kind: Kind::Recycled });
        }
        let layout = Layout::from_size_align(bytes.max(64), 64).map_err(|_| failed())?;
        // SAFETY: the size is not zero.
        let address = NonNull::new(unsafe { alloc_zeroed(layout) }).ok_or_else(failed)?;
        Ok(Self { address, bytes, kind: Kind::Allocated })
    }

    /// No bytes.
    pub(crate) fn none() -> Self {
        Self { address: NonNull::dangling(), bytes: 0, kind: Kind::None }
    }

    /// The same, for what is looked at before it is written, nearly all of it: its pages are there from the start.
    pub(crate) fn touched(bytes: usize) -> Result<Self> {
        let memory = Self::zeros(bytes)?;
        if memory.kind == Kind::Mapped {
            populate(memory.address, bytes);
        }
        Ok(memory)
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
        match self.kind {
            Kind::None => {}
            Kind::Mapped => unmap(self.address, self.bytes),
            Kind::Recycled => recycle(self.address, self.bytes),
            // SAFETY: it was allocated with this layout, which was valid then.
            Kind::Allocated => unsafe {
                dealloc(self.address.as_ptr(), Layout::from_size_align_unchecked(self.bytes.max(64), 64));
            },
        }
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

#[cfg(target_os = "linux")]
fn populate(address: NonNull<u8>, bytes: usize) {
    // SAFETY: the mapping is ours. Advice: an older system refuses it, and pages come one by one.
    unsafe { libc::madvise(address.as_ptr().cast(), bytes, libc::MADV_POPULATE_WRITE) };
}

#[cfg(not(target_os = "linux"))]
fn populate(_address: NonNull<u8>, _bytes: usize) {}

#[cfg(not(target_os = "linux"))]
fn map(_bytes: usize) -> Option<NonNull<u8>> {
    None
}

#[cfg(not(target_os = "linux"))]
fn unmap(_address: NonNull<u8>, _bytes: usize) {}
