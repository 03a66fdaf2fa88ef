//! What a lowered expression is: a node of the program, and how its numbers are to be read.

use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use warpwise_gpu::column::Present;
use warpwise_gpu::program::{Bounds, ExprId, Fault, Type, ValueType};

use super::formula::Formula;
use super::words::Words;

/// A lowered expression.
#[derive(Debug, Clone)]
pub struct Value {
    /// Its node.
    pub node: ExprId,
    /// How to read it.
    pub kind: Kind,
}

/// How a node's numbers are to be read.
#[derive(Debug, Clone)]
pub enum Kind {
    /// A `bool`.
    Boolean,
    /// An integer is itself.
    Integer,
    /// A decimal is the integer times 10^-scale. The scale may be less than the SQL type's: columns are stored without
    /// zeros that all their values end in.
    Decimal {
        /// Digits behind the point.
        scale: u32,
    },
    /// A float is itself.
    Float,
    /// Days since 1970-01-01.
    Date,
    /// A count of `unit` of its Arrow type's ticks since 1970-01-01: columns are stored in the coarsest unit that serves.
    Timestamp {
        /// Ticks that one stands for.
        unit: i128,
        /// What a tick is.
        tick: TimeUnit,
        /// Whether it has a time zone.
        zoned: bool,
    },
    /// A code.
    Text(Arc<Words>),
    /// A text is itself.
    Plain {
        /// Whether all of them are known to be ASCII: such have as many characters as bytes.
        ascii: bool,
    },
}

impl Kind {
    /// How values of an SQL type are read where nothing was rescaled; `None` where devices do not know the type.
    pub fn of(data_type: &DataType) -> Option<(Self, Type)> {
        Some(match data_type {
            DataType::Boolean => (Self::Boolean, Type::Bool),
            DataType::Int8 => (Self::Integer, Type::I8),
            DataType::Int16 => (Self::Integer, Type::I16),
            DataType::Int32 => (Self::Integer, Type::I32),
            DataType::Int64 => (Self::Integer, Type::I64),
            DataType::UInt8 => (Self::Integer, Type::U8),
            DataType::UInt16 => (Self::Integer, Type::U16),
            DataType::UInt32 => (Self::Integer, Type::U32),
            DataType::Float32 => (Self::Float, Type::F32),
            DataType::Float64 => (Self::Float, Type::F64),
            DataType::Date32 => (Self::Date, Type::I32),
            DataType::Timestamp(tick, zone) => (Self::Timestamp { unit: 1, tick: *tick, zoned: zone.is_some() }, Type::I64),
            DataType::Decimal32(p, s) | DataType::Decimal64(p, s) | DataType::Decimal128(p, s) if *s >= 0 => {
                let ty = match p {
                    ..=9 => Type::I32,
                    10..=18 => Type::I64,
                    _ => Type::I128,
                };
                (Self::Decimal { scale: *s as u32 }, ty)
            }
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
                (Self::Text(Words::new(arrow::array::StringArray::from(Vec::<&str>::new()))), Type::U32)
            }
            _ => return None,
        })
    }

    /// One word for it, for refusals.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Decimal { .. } => "numeric",
            Self::Float => "float",
            Self::Date => "date",
            Self::Timestamp { .. } => "timestamp",
            Self::Text(_) | Self::Plain { .. } => "text",
        }
    }

    /// Whether it is texts that are known to be ASCII.
    pub fn is_ascii(&self) -> bool {
        match self {
            Self::Plain { ascii } => *ascii,
            Self::Text(words) => words.is_ascii(),
            _ => false,
        }
    }

    /// Whether it is computed with as an integer.
    pub fn is_exact(&self) -> bool {
        matches!(self, Self::Integer | Self::Decimal { .. } | Self::Date | Self::Timestamp { .. })
    }
}

/// Ticks of a day.
pub fn ticks_of_day(tick: TimeUnit) -> i128 {
    86_400
        * match tick {
            TimeUnit::Second => 1,
            TimeUnit::Millisecond => 1_000,
            TimeUnit::Microsecond => 1_000_000,
            TimeUnit::Nanosecond => 1_000_000_000,
        }
}

/// The range of an SQL type that is computed with as an integer, and the error of leaving it.
pub fn limit(data_type: &DataType) -> (Type, Fault) {
    match data_type {
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => (Type::I16, Fault::SmallintRange),
        DataType::Int32 | DataType::UInt16 => (Type::I32, Fault::IntegerRange),
        DataType::Int64 | DataType::UInt32 | DataType::UInt64 => (Type::I64, Fault::BigintRange),
        DataType::Date32 => (Type::I32, Fault::DateRange),
        DataType::Timestamp(..) => (Type::I64, Fault::TimestampRange),
        _ => (Type::I128, Fault::NumericRange),
    }
}

impl InputColumn {
    /// Whether a program for the other serves this one: the same type, range, unit and dictionary, and ASCII where the other is.
    pub fn is_stored_as(&self, other: &Self) -> bool {
        self.is_counted_as(other)
            && self.ty == other.ty
            && self.range == other.range
            && self.present == other.present
            && self.refused == other.refused
    }

    /// Whether a stored value of this one is one of the other.
    pub fn is_counted_as(&self, other: &Self) -> bool {
        match (&self.kind, &other.kind) {
            (Kind::Text(a), Kind::Text(b)) => a.len() == b.len(),
            (Kind::Decimal { scale: a }, Kind::Decimal { scale: b }) => a == b,
            (Kind::Timestamp { unit: a, .. }, Kind::Timestamp { unit: b, .. }) => a == b,
            // What was made for any texts serves those of ASCII too, not the other way round.
            (Kind::Plain { ascii: a }, Kind::Plain { ascii: b }) => *a || !*b,
            (a, b) => std::mem::discriminant(a) == std::mem::discriminant(b),
        }
    }
}

/// One column of what a pipeline reads.
#[derive(Debug, Clone)]
pub struct InputColumn {
    /// Its name, for people.
    pub name: String,
    /// Its SQL type.
    pub data_type: DataType,
    /// How it is stored.
    pub ty: ValueType,
    /// How to read what is stored.
    pub kind: Kind,
    /// What stored values lie in.
    pub range: Option<Bounds>,
    /// Which stored values there are, where they are near one another and that is known.
    pub present: Option<Present>,
    /// Why no device has it.
    pub refused: Option<String>,
    /// How it is computed from other inputs, given by their numbers, where it is not stored.
    pub formula: Option<Formula>,
}
