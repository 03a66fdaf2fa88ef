//! Random values, columns, tables and chunks.

use std::sync::Arc;

use arrow::buffer::Buffer;

use super::known::Known;
use super::random::Random;
use crate::column::{Chunk, Column};
use crate::interpret::{Value, write_column_over};
use crate::join::Index;
use crate::program::values::padded;
use crate::program::{Scalar, Table, TableType, Type, ValueType};

/// Dates whose year, and that of a year's begin, is one of a date.
pub(super) const DATES: (i128, i128) = (-2_400_000, 2_145_000_000);

/// How the values of a column or parameter come about.
#[derive(Debug, Clone, Copy)]
pub(super) enum Profile {
    /// True and false.
    Bool,
    /// Evenly from a range.
    Between(i128, i128),
    /// Around the ends of a range, and around 0 where it lies inside.
    Edges(i128, i128),
    /// Numbers from 0 to 1,000 in steps of a sixteenth, and NaN and infinity where asked.
    Modest { special: bool },
    /// All kinds of floats.
    Wild,
    /// Short texts of few letters, so that they have much in common.
    Letters,
    /// All kinds of texts: of several bytes a character, long, with the same begin.
    Texts,
}

impl Profile {
    /// One for values of a type.
    pub(super) fn random(random: &mut Random, ty: Type) -> Self {
        let Some((low, high)) = ty.range() else {
            return match ty {
                Type::Bool => Self::Bool,
                Type::Text if random.percent(50) => Self::Letters,
                Type::Text => Self::Texts,
                _float => match random.below(10) {
                    0..=3 => Self::Modest { special: false },
                    4 | 5 => Self::Modest { special: true },
                    _ => Self::Wild,
                },
            };
        };
        let within = |low_wanted: i128, high_wanted: i128| (low.max(low_wanted), high.min(high_wanted));
        match random.below(10) {
            0..=2 => {
                let (low, high) = within(-5, 9);
                Self::Between(low, high)
            }
            3 | 4 => {
                let (low, high) = within(0, 200);
                Self::Between(low, high)
            }
            5 => {
                let (low, high) = within(1, 100);
                Self::Between(low, high)
            }
            6 => {
                let (low, high) = within(-1_000_000, 1_000_000);
                Self::Between(low, high)
            }
            7 if ty == Type::I32 => Self::Edges(DATES.0, DATES.1),
            7 | 8 if ty == Type::I32 => Self::Between(-800_000, 100_000),
            8 => Self::Between(low, high),
            _ => Self::Edges(low, high),
        }
    }

    pub(super) fn known(self) -> Known {
        match self {
            Self::Bool => Known::Bool,
            Self::Between(low, high) | Self::Edges(low, high) => Known::int(low, high),
            Self::Modest { special } => Known::Float { greatest: Some(1000.0), special },
            Self::Wild => Known::Float { greatest: None, special: true },
            Self::Letters | Self::Texts => Known::Text,
        }
    }

    /// A value of a type.
    pub(super) fn value(self, random: &mut Random, ty: Type) -> Scalar {
        match self {
            Self::Bool => Scalar::Bool(random.percent(50)),
            Self::Between(low, high) => Scalar::Int(random.between(low, high)),
            Self::Edges(low, high) => Scalar::Int(match random.below(5) {
                0 => low,
                1 => high,
                2 => low + random.between(0, 2.min(high - low)),
                3 => high - random.between(0, 2.min(high.saturating_sub(low))),
                _ => random.between(-2, 2).clamp(low, high),
            }),
            Self::Modest { special } if special && random.percent(5) => float(random.pick(&[f64::NAN, f64::INFINITY]), ty),
            Self::Modest { .. } => float(random.between(0, 16_000) as f64 / 16.0, ty),
            Self::Wild => wild(random, ty),
            Self::Letters => Scalar::Text((0..random.below(4)).map(|_| random.pick(&['a', 'b', 'B'])).collect::<String>().into()),
            Self::Texts => Scalar::Text(text(random).into()),
        }
    }
}

fn float(value: f64, ty: Type) -> Scalar {
    if ty == Type::F32 { Scalar::F32(value as f32) } else { Scalar::F64(value) }
}

/// A text of any kind.
pub(super) fn text(random: &mut Random) -> String {
    let few = |random: &mut Random, most: usize| -> String {
        (0..random.below(most))
            .map(|_| random.pick(&['a', 'b', 'B', ' ', '%', '_', '\\', 'é', 'É', '日', '🙂', '\0', '\u{7f}']))
            .collect()
    };
    match random.below(12) {
        0 => String::new(),
        1 => few(random, 40),
        2 => "a".repeat(random.pick(&[1, 7, 8, 15, 16, 17, 31, 32, 33, 64, 300])) + &few(random, 3),
        3 => "the same begin of all of these ".to_owned() + &few(random, 4),
        4 => few(random, 4) + " and the same end of these",
        5 => "日".repeat(random.below(40)) + &few(random, 3),
        _ => few(random, 9),
    }
}

/// A pattern for LIKE, often one that some texts match.
pub(super) fn pattern(random: &mut Random) -> String {
    let parts = ["%", "%", "_", "a", "b", "B", "ab", "é", "\\%", "\\_", "\\\\", "\\é", "日", "same"];
    (0..random.below(6)).map(|_| random.pick(&parts)).collect()
}

fn wild(random: &mut Random, ty: Type) -> Scalar {
    let any = match random.below(8) {
        0 => random.pick(&[f64::NAN, f64::INFINITY, f64::NEG_INFINITY]),
        1 => random.pick(&[0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -2.5]),
        2 => random.between(-20, 20) as f64 / 2.0,
        3 => random.between(i64::MIN.into(), i64::MAX.into()) as f64,
        4 => (random.between(-1000, 1000) as f64) * 1e-3,
        // Extremes of the type, the least of them not normal.
        5 if ty == Type::F32 => random.pick(&[f32::MAX, f32::MIN, f32::MIN_POSITIVE, -1e-45, 1e-45, 3e-39]).into(),
        5 => random.pick(&[f64::MAX, f64::MIN, f64::MIN_POSITIVE, -5e-324, 5e-324, 1e-310]),
        6 => random.pick(&[2_147_483_647.5, -2_147_483_648.5, 9_223_372_036_854_775_807.0, -9.3e18, 127.5, 255.5, 65_535.4]),
        _ => random.between(0, 1 << 52) as f64 * 1e-6 - 1e9,
    };
    float(any, ty)
}

/// What a chunk's column is drawn from.
#[derive(Debug, Clone, Copy)]
pub(super) struct ColumnPlan {
    pub(super) ty: ValueType,
    pub(super) profile: Profile,
}

impl ColumnPlan {
    pub(super) fn random(random: &mut Random, ty: Type) -> Self {
        Self { ty: ValueType { ty, nullable: random.percent(50) }, profile: Profile::random(random, ty) }
    }
}

/// Chunks of columns drawn from these plans: some empty, some of one row, some that are NULL throughout, some of a nullable
/// column without validity.
pub(super) fn chunks(random: &mut Random, plans: &[ColumnPlan]) -> Vec<Chunk> {
    let count = random.pick(&[0, 1, 1, 1, 1, 1, 2, 2, 3, 5]);
    let made = (0..count).map(|_| {
        let rows = match random.below(40) {
            0 => 20_000,
            1 | 2 => 0,
            3 | 4 => 1,
            5..=9 => random.pick(&[2, 7, 8, 9, 31, 32, 33, 63, 64, 65, 127, 128, 1023, 1024, 1025, 2049]),
            _ => random.below(300),
        };
        Chunk { rows, columns: plans.iter().map(|plan| Arc::new(column(random, *plan, rows))).collect() }
    });
    made.collect()
}

fn column(random: &mut Random, plan: ColumnPlan, rows: usize) -> Column {
    let nullable = plan.ty.nullable && random.percent(80);
    let nulls = if nullable { random.pick(&[0, 10, 50, 100]) } else { 0 };
    let values: Vec<Value> =
        (0..rows).map(|_| (!random.percent(nulls)).then(|| plan.profile.value(random, plan.ty.ty))).collect();
    // What stands where it is NULL is any value of the type: no device may trip over it.
    let ty = ValueType { ty: plan.ty.ty, nullable };
    let garbage: Vec<Scalar> = (0..8).map(|_| any(random, ty.ty)).collect();
    let mut made = write_column_over(ty, &values, |at| garbage[at % garbage.len()].clone());
    // Nor over the bits behind the last row.
    if ty.ty == Type::Bool {
        made.values = dirty(&made.values, rows);
    }
    made.validity = made.validity.map(|bits| dirty(&bits, rows));
    made
}

/// Any value of a type, its ends and zero often.
fn any(random: &mut Random, ty: Type) -> Scalar {
    match ty.range() {
        Some((low, high)) => Scalar::Int(random.pick(&[low, high, 0.clamp(low, high), (-1).clamp(low, high)])),
        None if ty == Type::Bool => Scalar::Bool(random.percent(50)),
        None if ty == Type::Text => Scalar::Text(text(random).into()),
        None => wild(random, ty),
    }
}

/// A bitmap whose bits behind the last are set.
fn dirty(bits: &Buffer, count: usize) -> Buffer {
    let mut bytes = arrow::buffer::MutableBuffer::with_capacity(bits.len());
    bytes.extend_from_slice(bits.as_slice());
    if !count.is_multiple_of(8)
        && let Some(last) = bytes.last_mut()
    {
        *last |= 0xffu8 << (count % 8);
    }
    bytes.into()
}

/// A table of values; NULLs only where its type has them.
pub(super) fn table(ty: TableType, values: &[Value]) -> Table {
    let written = ValueType { ty: ty.element, nullable: ty.nullable };
    let (buffer, bytes, validity) = crate::interpret::write(written, values, |_| crate::interpret::zero(ty.element));
    let pad = |buffer: Buffer| padded(buffer.as_slice().to_vec());
    Table { ty, len: values.len(), values: pad(buffer), bytes: bytes.map(pad), validity: validity.map(pad) }
}

/// An index of keys, the number of each its place among them; no two may be the same.
pub(super) fn index(types: &[Type], rows: &[Vec<Scalar>]) -> crate::error::Result<Index> {
    let column = |(at, ty): (usize, &Type)| {
        let values: Vec<Value> = rows.iter().map(|row| Some(row[at].clone())).collect();
        write_column_over(ValueType::of(*ty), &values, |_| crate::interpret::zero(*ty))
    };
    let columns: Vec<Column> = types.iter().enumerate().map(column).collect();
    Index::of_rows(&columns.iter().collect::<Vec<_>>())
}

/// The keys of an index in the order of their numbers.
pub(super) fn index_rows(index: &Index) -> Vec<Vec<Scalar>> {
    let mut entries = index.entries();
    entries.sort_by_key(|(_, number)| *number);
    entries.into_iter().map(|(keys, _)| keys).collect()
}

/// A table's values drawn from a profile; those that `member` looks in ascend, each once.
pub(super) fn table_values(random: &mut Random, ty: TableType, profile: Profile, ascending: bool) -> Vec<Value> {
    let len = random.pick(&[0, 1, 2, 3, 5, 8, 9, 17, 64, 100, 300]);
    let nulls = if ty.nullable { 20 } else { 0 };
    let mut values: Vec<Value> = (0..len).map(|_| (!random.percent(nulls)).then(|| profile.value(random, ty.element))).collect();
    if ascending {
        values.sort_by(|a, b| {
            a.as_ref().zip(b.as_ref()).map_or(std::cmp::Ordering::Equal, |(a, b)| crate::interpret::compare(a, b))
        });
        values.dedup();
    }
    values
}
