//! What takes the rows of a pipeline, and what it leaves behind.
//!
//! Every sink leaves columns ([`Output`](crate::column::Output)). Those of a group sink are also its state
//! exported: a pipeline over them that sums sums and counts, and takes the least of minima, imports it. So
//! workers, several devices, spilling and DataFusion's Partial and Final are one mechanism.

use super::ParameterId;
use super::expr::ExprId;
use super::fault::Fault;
use super::scalar::Type;

/// The end of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Sink {
    /// Keeps every row. Output: the columns, rows in the source's order on the CPU (where the body has loops, if it has one
    /// `emit`; numbers ascend then), in any order elsewhere.
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
    /// Marks rows of another source by their numbers. Output: one `bool` column of `rows` rows, true where a row named that
    /// number.
    Mark {
        /// The number, an `I32`; one that is NULL or outside of the rows is nothing.
        at: ExprId,
        /// How many rows there are: a parameter of type `I64`, from 0 to 2^31.
        rows: ParameterId,
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
    /// Every value's bits combined, of any integer type but `I128`. Output: the input's type, NULL of nothing.
    Bits(BitOp),
    /// How far values are from their mean: the sum of `(x - mean of x)²`, of an `F64` input. With another, the sum of
    /// `(x - mean of x) (y - mean of y)` over rows where neither is NULL. Computed about a value of the group, so that
    /// nothing is lost where values are large and near one another. Output `F64`, NULL of nothing; NaN where an input is
    /// not finite. Finite inputs of which the sum is not raise `FloatOverflow`.
    Deviations {
        /// The second input.
        with: Option<ExprId>,
    },
}

impl AggregateOp {
    /// The input that stands in it, beside the aggregate's own.
    pub fn second(self) -> Option<ExprId> {
        match self {
            Self::Deviations { with } => with,
            Self::Count
            | Self::Sum { .. }
            | Self::Min
            | Self::Max
            | Self::CountDistinct(_)
            | Self::SumDistinct(_)
            | Self::Bits(_) => None,
        }
    }

    /// The same, to be changed.
    pub(crate) fn second_mut(&mut self) -> Option<&mut ExprId> {
        match self {
            Self::Deviations { with } => with.as_mut(),
            Self::Count
            | Self::Sum { .. }
            | Self::Min
            | Self::Max
            | Self::CountDistinct(_)
            | Self::SumDistinct(_)
            | Self::Bits(_) => None,
        }
    }
}

/// `Deviations` of so many pairs, given the sums of their distances from any fixed pair and the sum of the products of
/// those. `square`: both are the same, and what rounding leaves below 0 is 0.
pub(crate) fn deviations_of(count: u64, first: f64, second: f64, products: f64, square: bool) -> Result<f64, Fault> {
    if count == 0 {
        return Ok(0.0);
    }
    // In this order whole numbers stay whole for longest.
    let sum = match first * second {
        both if both.is_finite() => products - both / count as f64,
        _too_large => products - first * (second / count as f64),
    };
    if !sum.is_finite() && first.is_finite() && second.is_finite() {
        // An input that is not finite shows in the sums of distances.
        return Err(Fault::FloatOverflow);
    }
    Ok(match (square && sum < 0.0, sum.is_finite()) {
        (true, _) => 0.0,
        (false, true) => sum,
        (false, false) => f64::NAN,
    })
}

/// How bits are combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BitOp {
    /// Set where all are.
    And,
    /// Set where one is.
    Or,
    /// Set where an odd number is.
    Xor,
}

impl BitOp {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::And, Self::Or, Self::Xor];

    /// The aggregate's name in the text form.
    pub fn name(self) -> &'static str {
        match self {
            Self::And => "bit_and",
            Self::Or => "bit_or",
            Self::Xor => "bit_xor",
        }
    }

    /// Two values combined.
    pub fn of(self, a: u64, b: u64) -> u64 {
        match self {
            Self::And => a & b,
            Self::Or => a | b,
            Self::Xor => a ^ b,
        }
    }

    /// What changes nothing.
    pub fn identity(self) -> u64 {
        match self {
            Self::And => u64::MAX,
            Self::Or | Self::Xor => 0,
        }
    }
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
