//! How a column is stored, and what is known of it.

use arrow::datatypes::DataType;

use super::dictionary::Words;
use super::integers::hull;
use crate::error::Result;
use crate::program::{Type, ValueType};
use crate::types::{Form, form, units};

/// How the values of a column are stored. One encoding holds for all chunks of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// A bit for each row.
    Bits,
    /// Floats, as Arrow has them.
    Plain(Type),
    /// A value is what is stored times `unit`. At Arrow's own width with unit 1, Arrow's buffer itself.
    Narrow {
        /// The narrowest type of integers that all of them fit.
        ty: Type,
        /// What every value is a multiple of, counted as Arrow counts.
        unit: i128,
    },
    /// Codes of the column's dictionary.
    Dictionary {
        /// The narrowest type that all codes in use fit.
        ty: Type,
    },
    /// Strings with too many distinct values for a dictionary: offsets and bytes, as Arrow's `Utf8` has them.
    Text,
}

impl Encoding {
    /// The type of what is stored.
    pub fn ty(self) -> Type {
        match self {
            Self::Bits => Type::Bool,
            Self::Text => Type::Text,
            Self::Plain(ty) | Self::Narrow { ty, .. } | Self::Dictionary { ty } => ty,
        }
    }

    /// What a stored value is multiplied by to be Arrow's; 1 where it is Arrow's already, or a code.
    pub fn unit(self) -> i128 {
        match self {
            Self::Narrow { unit, .. } => unit,
            Self::Bits | Self::Plain(_) | Self::Dictionary { .. } | Self::Text => 1,
        }
    }
}

/// Which values there are, where all lie within 256 of one another: a bit for each value of their lowest byte. A bit may be
/// set of a value that no row has.
pub type Present = [u64; 4];

/// What was found in a run of values, as Arrow counts them (strings: as codes). Two add up to that of both runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// How many rows.
    pub rows: usize,
    /// How many of them are NULL.
    pub nulls: usize,
    /// The least and the greatest value; none of floats, and where all are NULL.
    pub range: Option<(i128, i128)>,
    /// Which integers there are, where they are near one another; it means something only while `range` is that narrow.
    pub present: Option<Present>,
    /// The greatest unit of the type that divides every value.
    pub unit: i128,
    /// Of strings: whether some were texts, and not codes. Then the others must become texts too.
    pub text: bool,
    /// Whether all were texts, and every byte of them is ASCII. What codes stand for is not looked at until they become texts.
    pub ascii: bool,
}

impl Summary {
    /// That of no rows of a column of this type.
    pub fn empty(logical: &DataType) -> Self {
        let unit = units(logical).first().copied().unwrap_or(1);
        Self { rows: 0, nulls: 0, range: None, present: Some([0; 4]), unit, text: false, ascii: true }
    }

    /// That of both.
    pub fn merge(self, other: Self) -> Self {
        Self {
            rows: self.rows + other.rows,
            nulls: self.nulls + other.nulls,
            range: hull(self.range, other.range),
            present: self.present.zip(other.present).map(|(a, b)| std::array::from_fn(|at| a[at] | b[at])),
            // Each unit of a type divides the next greater.
            unit: self.unit.min(other.unit),
            text: self.text || other.text,
            ascii: self.ascii && other.ascii,
        }
    }

    /// The narrowest encoding that holds a column of this type with these values.
    pub fn encoding(&self, logical: &DataType) -> Result<Encoding> {
        let (low, high) = self.range.unwrap_or((0, 0));
        Ok(match form(logical)? {
            Form::Bits => Encoding::Bits,
            Form::Floats(ty) => Encoding::Plain(ty),
            Form::Integers(_) => Encoding::Narrow { ty: Type::narrowest(low / self.unit, high / self.unit), unit: self.unit },
            Form::Strings if self.text => Encoding::Text,
            Form::Strings => Encoding::Dictionary { ty: Type::narrowest(low, high) },
        })
    }
}

/// What is known of one column of one snapshot: what a program over it is compiled and bound by.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Arrow's type.
    pub logical: DataType,
    /// How it is stored.
    pub encoding: Encoding,
    /// What is stored; nullable exactly where some row is NULL.
    pub ty: ValueType,
    /// The least and the greatest stored value over all chunks: of integers, codes and bits.
    pub range: Option<(i128, i128)>,
    /// Of stored values that lie within 256 of one another: which there are. No row has another.
    pub present: Option<Present>,
    /// How many rows.
    pub rows: usize,
    /// How many of them are NULL.
    pub nulls: usize,
    /// The dictionary of a column of strings, with at least every code that its chunks hold; none where they are texts.
    pub words: Option<Words>,
    /// Of texts: whether every byte of them is known to be ASCII, so that they have as many characters as bytes.
    pub ascii: bool,
}

impl Facts {
    /// What a column with this summary is, stored in this encoding.
    pub fn new(logical: DataType, encoding: Encoding, summary: &Summary, words: Option<Words>) -> Self {
        let unit = encoding.unit();
        Self {
            logical,
            encoding,
            ty: ValueType { ty: encoding.ty(), nullable: summary.nulls > 0 },
            range: summary.range.filter(|_| encoding != Encoding::Text).map(|(low, high)| (low / unit, high / unit)),
            present: summary.present.filter(|_| {
                let near = summary.range.is_some_and(|(low, high)| high - low < 256);
                near && unit == 1 && matches!(encoding, Encoding::Narrow { .. } | Encoding::Dictionary { .. })
            }),
            rows: summary.rows,
            nulls: summary.nulls,
            words: words.filter(|_| encoding != Encoding::Text),
            ascii: encoding == Encoding::Text && summary.ascii,
        }
    }

    /// What a stored value is multiplied by to be Arrow's.
    pub fn unit(&self) -> i128 {
        self.encoding.unit()
    }
}
