//! One value of a row. Its type travels apart, in the typed expression ([`super::expr::Typed`]).

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::types::numeric::Numeric;
use crate::types::text::{USECS_PER_DAY, is_space};
use crate::types::{Base, SqlType};

/// An `interval`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Interval {
    /// Months, twelve of them a year.
    pub months: i32,
    /// Days.
    pub days: i32,
    /// Microseconds.
    pub us: i64,
}

impl Interval {
    /// The length that PostgreSQL compares by: 30 days a month, 24 hours a day.
    pub fn length(self) -> i128 {
        let days = i128::from(self.months) * 30 + i128::from(self.days);
        days * i128::from(USECS_PER_DAY) + i128::from(self.us)
    }
}

impl PartialEq for Interval {
    fn eq(&self, other: &Self) -> bool {
        self.length() == other.length()
    }
}

/// A one-dimensional array.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// The elements' type.
    pub element: Base,
    /// The subscript of the first element.
    pub lower: i32,
    /// The elements.
    pub items: Vec<Datum>,
}

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub enum Datum {
    /// SQL's null.
    Null,
    /// `boolean`
    Bool(bool),
    /// `smallint`
    Int2(i16),
    /// `integer`
    Int4(i32),
    /// `bigint`
    Int8(i64),
    /// `oid`, `xid` and the `reg*` types
    Oid(u32),
    /// `real`
    Float4(f32),
    /// `double precision`
    Float8(f64),
    /// `numeric`
    Numeric(Arc<Numeric>),
    /// Every type whose values are texts.
    Text(Arc<str>),
    /// `bytea`
    Bytea(Arc<[u8]>),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since midnight.
    Time(i64),
    /// Microseconds since 1970-01-01 00:00.
    Timestamp(i64),
    /// Microseconds since 1970-01-01 00:00 UTC.
    Timestamptz(i64),
    /// `interval`
    Interval(Interval),
    /// `uuid`
    Uuid([u8; 16]),
    /// An array, `int2vector` or `oidvector`.
    Array(Arc<Array>),
    /// A row with the types of its fields.
    Record(Arc<Vec<(SqlType, Datum)>>),
}

impl Datum {
    /// A text.
    pub fn text(value: impl Into<Arc<str>>) -> Self {
        Self::Text(value.into())
    }

    /// A `numeric`.
    pub fn numeric(value: Numeric) -> Self {
        Self::Numeric(Arc::new(value))
    }

    /// An array whose subscripts begin with 1.
    pub fn array(element: Base, items: Vec<Datum>) -> Self {
        Self::Array(Arc::new(Array { element, lower: 1, items }))
    }

    /// An array whose subscripts begin with 0, as those of `int2vector` and `oidvector` do.
    pub fn vector(element: Base, items: Vec<Datum>) -> Self {
        Self::Array(Arc::new(Array { element, lower: 0, items }))
    }

    /// The text, or null.
    pub fn optional(value: Option<impl Into<Arc<str>>>) -> Self {
        value.map_or(Self::Null, |v| Self::Text(v.into()))
    }

    /// Whether it is null.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Whether it is `true`, null being not.
    pub fn is_true(&self) -> bool {
        matches!(self, Self::Bool(true))
    }

    /// The text of a textual value.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The text of a textual value, empty for any other.
    pub fn str(&self) -> &str {
        self.as_str().unwrap_or("")
    }

    /// A whole number of any width.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Int2(v) => Some(i64::from(*v)),
            Self::Int4(v) => Some(i64::from(*v)),
            Self::Int8(v) => Some(*v),
            Self::Oid(v) => Some(i64::from(*v)),
            _ => None,
        }
    }

    /// A whole number of any width, 0 for anything else.
    pub fn int(&self) -> i64 {
        self.as_i64().unwrap_or(0)
    }

    /// A whole number cut to 32 bits at its range's ends.
    pub fn int4(&self) -> i32 {
        let value = self.int();
        i32::try_from(value).unwrap_or(if value < 0 { i32::MIN } else { i32::MAX })
    }

    /// An object identifier, 0 for anything else.
    pub fn oid(&self) -> u32 {
        match self {
            Self::Oid(v) => *v,
            other => other.as_i64().and_then(|v| u32::try_from(v).ok()).unwrap_or(0),
        }
    }

    /// A floating point number, 0 for anything else.
    pub fn float(&self) -> f64 {
        match self {
            Self::Float4(v) => f64::from(*v),
            Self::Float8(v) => *v,
            Self::Numeric(v) => v.to_f64(),
            other => other.int() as f64,
        }
    }

    /// The `numeric`, 0 for anything else.
    pub fn num(&self) -> Numeric {
        match self {
            Self::Numeric(v) => (**v).clone(),
            other => Numeric::from(other.int()),
        }
    }

    /// An array's elements, none for anything else.
    pub fn items(&self) -> &[Datum] {
        match self {
            Self::Array(array) => &array.items,
            _ => &[],
        }
    }

    /// The interval, an empty one for anything else.
    pub fn interval(&self) -> Interval {
        match self {
            Self::Interval(v) => *v,
            _ => Interval::default(),
        }
    }

    /// The number inside a date, a time or a timestamp; a date counts days.
    pub fn ticks(&self) -> i64 {
        match self {
            Self::Date(v) => i64::from(*v),
            Self::Time(v) | Self::Timestamp(v) | Self::Timestamptz(v) => *v,
            _ => 0,
        }
    }

    /// Appends a form of the value that is equal for equal values of one type.
    pub fn hash_key(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.push(0),
            Self::Bool(v) => out.extend([1, u8::from(*v)]),
            Self::Int2(_) | Self::Int4(_) | Self::Int8(_) | Self::Oid(_) => {
                out.push(2);
                out.extend(self.int().to_le_bytes());
            }
            Self::Float4(_) | Self::Float8(_) => {
                let value = self.float();
                let value = if value == 0.0 { 0.0 } else { value };
                out.push(3);
                out.extend(if value.is_nan() { u64::MAX } else { value.to_bits() }.to_le_bytes());
            }
            Self::Numeric(v) => {
                out.push(4);
                push_bytes(out, v.trim_scale().to_string().as_bytes());
            }
            Self::Text(v) => {
                out.push(5);
                push_bytes(out, v.as_bytes());
            }
            Self::Bytea(v) => {
                out.push(6);
                push_bytes(out, v);
            }
            Self::Date(_) | Self::Time(_) | Self::Timestamp(_) | Self::Timestamptz(_) => {
                out.push(7);
                out.extend(self.ticks().to_le_bytes());
            }
            Self::Interval(v) => {
                out.push(8);
                out.extend(v.length().to_le_bytes());
            }
            Self::Uuid(v) => {
                out.push(9);
                out.extend(v);
            }
            Self::Array(v) => {
                out.push(10);
                out.extend((v.items.len() as u64).to_le_bytes());
                v.items.iter().for_each(|i| i.hash_key(out));
            }
            Self::Record(v) => {
                out.push(11);
                v.iter().for_each(|(_, i)| i.hash_key(out));
            }
        }
    }
}

fn push_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend((bytes.len() as u64).to_le_bytes());
    out.extend(bytes);
}

/// A row's columns as a key of a hash table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key(Vec<u8>);

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl Key {
    /// The key of these values.
    pub fn of<'a>(values: impl IntoIterator<Item = &'a Datum>) -> Self {
        let mut bytes = Vec::new();
        values.into_iter().for_each(|v| v.hash_key(&mut bytes));
        Self(bytes)
    }
}

fn compare_floats(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

/// Without the blanks at its end, which `character` does not compare.
pub fn trim_blanks(text: &str) -> &str {
    text.trim_end_matches(' ')
}

/// PostgreSQL's order of two values of one type; nulls come last, as in an ascending sort.
pub fn compare(a: &Datum, b: &Datum) -> Ordering {
    match (a, b) {
        (Datum::Null, Datum::Null) => Ordering::Equal,
        (Datum::Null, _) => Ordering::Greater,
        (_, Datum::Null) => Ordering::Less,
        (Datum::Bool(x), Datum::Bool(y)) => x.cmp(y),
        (Datum::Text(x), Datum::Text(y)) => x.as_bytes().cmp(y.as_bytes()),
        (Datum::Bytea(x), Datum::Bytea(y)) => x.cmp(y),
        (Datum::Numeric(x), Datum::Numeric(y)) => x.compare(y),
        (Datum::Float4(_) | Datum::Float8(_), _) | (_, Datum::Float4(_) | Datum::Float8(_)) => {
            compare_floats(a.float(), b.float())
        }
        (Datum::Interval(x), Datum::Interval(y)) => x.length().cmp(&y.length()),
        (Datum::Uuid(x), Datum::Uuid(y)) => x.cmp(y),
        (Datum::Array(x), Datum::Array(y)) => {
            let by_item = x.items.iter().zip(&y.items).map(|(p, q)| compare(p, q)).find(|o| o.is_ne());
            by_item.unwrap_or_else(|| x.items.len().cmp(&y.items.len()))
        }
        (Datum::Record(x), Datum::Record(y)) => {
            let by_item = x.iter().zip(y.iter()).map(|((_, p), (_, q))| compare(p, q)).find(|o| o.is_ne());
            by_item.unwrap_or_else(|| x.len().cmp(&y.len()))
        }
        (Datum::Date(_) | Datum::Time(_) | Datum::Timestamp(_) | Datum::Timestamptz(_), _) => a.ticks().cmp(&b.ticks()),
        (_, _) => a.int().cmp(&b.int()),
    }
}

/// White space as C's `isspace` has it in the default locale.
pub fn is_blank(c: char) -> bool {
    c.is_ascii() && is_space(c as u8)
}
