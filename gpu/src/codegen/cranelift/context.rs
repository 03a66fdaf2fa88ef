//! What a worker hands to compiled code: addresses, in one place that the code knows the offsets of.

use crate::join::Index;

/// The addresses of a column's part that a block reads.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct ColumnView {
    /// The block's first value; of bits, the byte that holds the first.
    pub values: *const u8,
    /// The byte of the block's first validity bit; of a column without NULLs, bits that are all set.
    pub validity: *const u8,
    /// What the values of a column of texts lead into.
    pub bytes: *const u8,
    /// How many bytes can be read there.
    pub readable: usize,
}

impl ColumnView {
    /// One of nothing.
    pub const NONE: Self = Self { values: std::ptr::null(), validity: std::ptr::null(), bytes: std::ptr::null(), readable: 0 };
}

/// The addresses of a table parameter.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct TableView {
    /// The elements.
    pub values: *const u8,
    /// The bits of those that are not NULL.
    pub validity: *const u8,
    /// How many.
    pub len: u64,
    /// What the elements of a table of texts lead into.
    pub bytes: *const u8,
}

/// The parts of an index parameter that code reads itself.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct IndexView {
    /// The slots.
    pub slots: *const u8,
    /// What a hash is shifted down by to become the number of a slot.
    pub shift: u64,
    /// The number of slots less one.
    pub mask: u64,
    /// All of it, for the primitive that looks where keys lie apart.
    pub index: *const Index,
}

/// The number of a loop that has met none.
pub const NO_NUMBER: i64 = i64::MIN;

/// Where a loop over numbers goes on when its list is full, or it has tried many: written by the code, 0 at first.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Resume {
    /// The place in the list of rows that it reads; behind the last when it is done.
    pub place: u64,
    /// The first number that it has not tried yet.
    pub number: i64,
    /// Whether a number counted in that place.
    pub counted: u64,
}

impl Resume {
    /// At the first row.
    pub const BEGIN: Self = Self { place: 0, number: NO_NUMBER, counted: 0 };
}

/// What compiled code reads and writes. One for each worker.
#[derive(Debug)]
#[repr(C)]
pub struct Context {
    /// The number of the fault that a row raised; 0 of none.
    pub fault: u64,
    /// The parameters, 16 bytes each.
    pub parameters: *const u8,
    /// The patterns of the run.
    pub patterns: *const crate::primitive::pattern::Pattern,
    /// The tables.
    pub tables: *const TableView,
    /// The indexes.
    pub indexes: *const IndexView,
    /// For each loop around, the outer ones first, the numbers that the list's rows have reached.
    pub numbers: *const *mut i64,
    /// The same for the rows that a filter leaves.
    pub left: *const *mut i64,
    /// For each node that a loop kept the values of the block's rows.
    pub kept: *const *mut i32,
    /// For each of the places in memory that are to be fetched their numbers, row by row of the list.
    pub far: *const *mut u64,
    /// Where a loop over numbers goes on.
    pub resume: Resume,
    /// The columns of the block.
    pub columns: *const ColumnView,
    /// The columns that a materializing sink writes to.
    pub outputs: *const ColumnView,
    /// The rows of a top-k's buffer, the entries of a hash table, or the bytes that say which rows are marked.
    pub entries: *mut u8,
    /// How many of them are taken; how many rows may be marked.
    pub taken: u64,
    /// Where a hash table ends: its bytes.
    pub end: u64,
    /// What a hash is shifted down by to become a place.
    pub shift: u64,
    /// Bytes of a place; or 1, where the number of the place itself is wanted.
    pub step: u64,
    /// The packed keys of the block's rows.
    pub words: *mut u64,
    /// The places where the block's rows belong, in bytes from the first.
    pub homes: *mut u64,
    /// A top-k's worst row so far, its first two words: what is greater cannot be among the first.
    pub threshold: [u64; 2],
}

/// A compiled loop: context, rows of the block, how many, and what the kind of loop says. It returns a count.
pub type RowLoop = unsafe extern "C" fn(*mut Context, *const u16, u64, *mut u8) -> u64;
