//! What a worker hands to compiled code: addresses, in one place that the code knows the offsets of.

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
    /// The columns of the block.
    pub columns: *const ColumnView,
    /// The columns that a materializing sink writes to.
    pub outputs: *const ColumnView,
    /// The rows of a top-k's buffer, or the entries of a hash table.
    pub entries: *mut u8,
    /// How many of them are taken.
    pub taken: u64,
    /// A hash table's places less one.
    pub mask: u64,
    /// What a hash is shifted down by to become a place.
    pub shift: u64,
    /// The packed keys of the block's rows.
    pub words: *mut u64,
    /// The places where the block's rows belong.
    pub homes: *mut u64,
    /// A top-k's worst row so far, its first two words: what is greater cannot be among the first.
    pub threshold: [u64; 2],
}

/// A compiled loop: context, rows of the block, how many, and what the kind of loop says. It returns a count.
pub type RowLoop = unsafe extern "C" fn(*mut Context, *const u16, u64, *mut u8) -> u64;
