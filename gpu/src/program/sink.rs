//! What takes the rows of a pipeline, and what it leaves behind.
//!
//! Every sink leaves columns ([`Output`](crate::column::Output)). Those of a group sink are also its state
//! exported: a pipeline over them that sums sums and counts, and takes the least of minima, imports it. So
//! workers, several devices, spilling and DataFusion's Partial and Final are one mechanism.

use super::expr::ExprId;
use super::fault::Fault;
use super::scalar::Type;

/// The end of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Sink {
    /// Keeps every row. Output: the columns, rows in the source's order on the CPU, in any order elsewhere.
    Materialize {
        /// What is kept of a row.
        columns: Vec<ExprId>,
    },
    /// Marks every row of the source that reaches it. Output: one `bool` column as long as the source.
    Bitmap,
    /// Keeps a state for each distinct combination of keys. Output: a column for each key, then one for each
    /// aggregate, a row for each group in any order. Without keys there is one row, even of no input.
    Group {
        /// What rows are grouped by. NULLs are equal, NaNs are equal, and -0 equals 0.
        keys: Vec<Key>,
        /// What is kept of a group.
        aggregates: Vec<Aggregate>,
        /// How groups are found.
        strategy: Strategy,
    },
    /// Keeps the first `limit` rows in an order. Output: the columns, in that order; rows that the order
    /// holds equal come in any order, and which of them stay is open.
    TopK {
        /// The order, most significant first.
        order: Vec<Order>,
        /// What is kept of a row.
        columns: Vec<ExprId>,
        /// How many rows at most.
        limit: u64,
    },
}

/// One key of a group.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    /// Its value: any type.
    pub expr: ExprId,
    /// What its values are known to lie in; there for every key of a dense group.
    pub domain: Option<Domain>,
}

/// The values of an integer or `bool` key: from `low`, `size` of them. NULL, where the key is nullable, is one more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Domain {
    /// The least.
    pub low: i64,
    /// How many.
    pub size: u32,
}

/// How a group's state is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Strategy {
    /// No keys: one state, in registers.
    Single,
    /// A state for every combination of keys that can be: its number is computed from the keys,
    /// `((k0 - low0) * n1 + (k1 - low1)) * n2 …` with `n = size`, or `size + 1` where the key is nullable, NULL
    /// being the last. The product of all `n` is at most [`DENSE_LIMIT`].
    Dense,
    /// A hash table.
    Hash,
}

/// The most states of a dense group.
pub const DENSE_LIMIT: u64 = 1 << 16;

/// What is kept of a group.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Aggregate {
    /// What is kept.
    pub op: AggregateOp,
    /// Of what; `None` only for `Count`, which then counts rows. NULLs are passed over.
    pub input: Option<ExprId>,
    /// A `bool`: rows where it is not true are passed over. The input is then not evaluated.
    pub filter: Option<ExprId>,
}

/// What an aggregate keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AggregateOp {
    /// How many. Output `I64`, never NULL.
    Count,
    /// The sum, kept as `ty` (`I64`, `I128` or `F64`); the input is an integer of at most that width for the
    /// integers, and `F32` or `F64` for `F64`. With a fault, a sum of integers that passes the type raises it, in
    /// whatever order rows come: raising where another order would not have is allowed only for `I128`.
    /// Without, the host has proved that it cannot. Floats take infinity as any other value.
    /// Output `ty`, NULL where nothing was summed.
    Sum {
        /// The type of the sum.
        ty: Type,
        /// What a sum that does not fit raises.
        fault: Option<Fault>,
    },
    /// The least, of any type; NaN is greater than every number. Output: the input's type, NULL of nothing.
    Min,
    /// The greatest, likewise.
    Max,
    /// How many distinct values: an integer or `bool` input in a small domain, a bit each. Output `I64`.
    CountDistinct(Domain),
    /// The sum of the distinct values, likewise, as `I64`; NULL of nothing. The host has proved that it fits.
    SumDistinct(Domain),
}

/// One key of an order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Order {
    /// What is compared: any type; false before true, NaN last.
    pub expr: ExprId,
    /// Greatest first.
    pub descending: bool,
    /// NULLs before all others, whatever the direction; else behind all others.
    pub nulls_first: bool,
}
