//! Keys as words that compare as the keys do.
//!
//! A level is what rows are compared by at once: some keys packed into one word of 64 bits, or what follows the first bytes of a
//! text. Levels stand in the order of the keys; the next one counts where all before are equal.

use super::Key;
use crate::column::Column;
use crate::column::element::{bit, of};
use crate::error::Result;
use crate::join::layout::{canonical_f32, canonical_f64};
use crate::parallel::{Work, range_of};
use crate::program::Type;

/// What rows are compared by at once.
#[derive(Debug)]
pub(super) enum Level {
    /// Fields of one word.
    Word(Vec<Field>),
    /// The text of a key behind bytes that are known to be equal.
    Text {
        /// Which key.
        key: usize,
        /// How many bytes.
        skip: usize,
    },
}

/// A part of a word.
#[derive(Debug, Clone)]
pub(super) struct Field {
    /// Which key.
    pub(super) key: usize,
    part: Part,
    bits: u32,
    shift: u32,
}

/// What of a key is in a field.
#[derive(Debug, Clone)]
enum Part {
    /// Whether there is a value.
    Known,
    /// An integer, from the least on.
    Integer { low: i128 },
    /// The upper half of an integer of 128 bits, with a sign that orders.
    Upper,
    /// Its lower half.
    Lower,
    /// A float.
    Float,
    /// The bytes of a text behind the first `skip`, zeros where there are none.
    Bytes { skip: usize },
}

/// The levels of keys.
pub(super) fn levels(work: &Work<'_>, keys: &[Key<'_>]) -> Result<Vec<Level>> {
    let mut all = Levels::default();
    for (at, key) in keys.iter().enumerate() {
        let column = key.column;
        let nulls = column.validity.as_ref().map_or(0, |bits| column.rows - bits.count_set_bits_offset(0, column.rows));
        if nulls > 0 {
            all.push(at, Part::Known, 1);
        }
        if nulls == column.rows {
            continue;
        }
        match column.ty.ty {
            Type::Text => {
                let skip = common(work, column, None)?;
                let room = 64 - all.used;
                // The first bytes alone tell rows apart best: fewer than two are not worth a place behind others.
                let bits = if room >= 16 { room / 8 * 8 } else { 64 };
                all.push(at, Part::Bytes { skip }, bits);
                all.text(at, skip + bits as usize / 8);
            }
            Type::F64 => all.push(at, Part::Float, 64),
            Type::F32 => all.push(at, Part::Float, 32),
            _ => {
                let (low, high) = match (key.ranks, column.range) {
                    (Some(ranks), _) => (0, ranks.len().saturating_sub(1) as i128),
                    (None, Some(range)) => range,
                    (None, None) => range_of(work, column)?,
                };
                match high.checked_sub(low).and_then(|span| u64::try_from(span).ok()) {
                    Some(0) => {}
                    Some(span) => all.push(at, Part::Integer { low }, u64::BITS - span.leading_zeros()),
                    None => {
                        all.push(at, Part::Upper, 64);
                        all.push(at, Part::Lower, 64);
                    }
                }
            }
        }
    }
    Ok(all.done())
}

/// Levels in the making: the last word has a place for more.
#[derive(Default)]
struct Levels {
    done: Vec<Level>,
    fields: Vec<Field>,
    used: u32,
}

impl Levels {
    fn push(&mut self, key: usize, part: Part, bits: u32) {
        if self.used + bits > 64 {
            self.close();
        }
        self.used += bits;
        self.fields.push(Field { key, part, bits, shift: 64 - self.used });
    }

    fn text(&mut self, key: usize, skip: usize) {
        self.close();
        self.done.push(Level::Text { key, skip });
    }

    fn close(&mut self) {
        if !self.fields.is_empty() {
            self.done.push(Level::Word(std::mem::take(&mut self.fields)));
        }
        self.used = 0;
    }

    fn done(mut self) -> Vec<Level> {
        self.close();
        self.done
    }
}

/// The word of a text's bytes behind the first ones, for rows whose texts are equal so far.
pub(super) fn behind(key: usize, skip: usize) -> Vec<Field> {
    vec![Field { key, part: Part::Bytes { skip }, bits: 64, shift: 0 }]
}

/// How many bytes all texts of some rows, or of all, begin with; rows that are NULL have none. At most so many are looked for as
/// make a difference.
pub(super) fn common(work: &Work<'_>, column: &Column, rows: Option<&[u32]>) -> Result<usize> {
    let count = rows.map_or(column.rows, <[u32]>::len);
    let row = |at: usize| rows.map_or(at, |rows| rows[at] as usize);
    let known = |row: usize| column.validity.as_ref().is_none_or(|bits| bit(bits, row));
    let Some(first) = (0..count).map(row).find(|row| known(*row)) else { return Ok(0) };
    let first = text(column, first);
    let length = std::sync::atomic::AtomicUsize::new(first.len());
    let relaxed = std::sync::atomic::Ordering::Relaxed;
    work.each_range(count, |range| {
        let mut least = length.load(relaxed);
        for row in range.map(row).filter(|row| known(*row)) {
            if least == 0 {
                break;
            }
            let text = text(column, row);
            if text.len() < least || text[..least] != first[..least] {
                least = text.iter().zip(&first[..least]).take_while(|(a, b)| a == b).count();
            }
        }
        length.fetch_min(least, relaxed);
        Ok(())
    })?;
    Ok(length.into_inner())
}

/// The text of a row.
#[inline(always)]
pub(super) fn text(column: &Column, row: usize) -> &[u8] {
    let Some(bytes) = &column.bytes else { return &[] };
    let (from, to) = (of::<i32>(&column.values, row), of::<i32>(&column.values, row + 1));
    &bytes[from as usize..to as usize]
}

/// Puts the words of some rows in the place of what was there.
pub(super) fn fill(fields: &[Field], keys: &[Key<'_>], rows: impl ExactSizeIterator<Item = usize> + Clone, words: &mut [u64]) {
    words.fill(0);
    for field in fields {
        put(field, &keys[field.key], rows.clone(), words);
    }
}

fn put(field: &Field, key: &Key<'_>, rows: impl Iterator<Item = usize>, words: &mut [u64]) {
    let (values, shift) = (&key.column.values, field.shift);
    let most = u64::MAX >> (64 - field.bits);
    // What turns an order round stays within the field's bits.
    let turn = if key.descending { most } else { 0 };
    let known = |row: usize| key.column.validity.as_ref().is_none_or(|bits| bit(bits, row));
    let nullable = key.column.validity.is_some();
    macro_rules! each {
        ($row:ident => $value:expr) => {
            if nullable {
                words.iter_mut().zip(rows).for_each(|(word, $row)| {
                    if known($row) {
                        *word |= ((($value) & most) ^ turn) << shift;
                    }
                })
            } else {
                words.iter_mut().zip(rows).for_each(|(word, $row)| *word |= ((($value) & most) ^ turn) << shift)
            }
        };
    }
    match (&field.part, key.ranks) {
        (Part::Known, _) => {
            let nulls = u64::from(!key.nulls_first);
            words.iter_mut().zip(rows).for_each(|(word, row)| *word |= (u64::from(known(row)) ^ nulls) << shift);
        }
        (Part::Integer { .. }, Some(ranks)) => match key.column.ty.ty {
            Type::Bool => each!(row => u64::from(ranks[usize::from(bit(values, row))])),
            Type::I8 | Type::U8 => each!(row => u64::from(ranks[usize::from(of::<u8>(values, row))])),
            Type::I16 | Type::U16 => each!(row => u64::from(ranks[usize::from(of::<u16>(values, row))])),
            _ => each!(row => u64::from(ranks[of::<u32>(values, row) as usize])),
        },
        (Part::Integer { low }, None) => {
            let base = *low as u64;
            match key.column.ty.ty {
                Type::Bool => each!(row => u64::from(bit(values, row)).wrapping_sub(base)),
                Type::I8 => each!(row => (i64::from(of::<i8>(values, row)) as u64).wrapping_sub(base)),
                Type::U8 => each!(row => u64::from(of::<u8>(values, row)).wrapping_sub(base)),
                Type::I16 => each!(row => (i64::from(of::<i16>(values, row)) as u64).wrapping_sub(base)),
                Type::U16 => each!(row => u64::from(of::<u16>(values, row)).wrapping_sub(base)),
                Type::I32 => each!(row => (i64::from(of::<i32>(values, row)) as u64).wrapping_sub(base)),
                Type::U32 => each!(row => u64::from(of::<u32>(values, row)).wrapping_sub(base)),
                Type::I64 => each!(row => of::<u64>(values, row).wrapping_sub(base)),
                // The difference fits 64 bits, so the lower halves have it.
                Type::I128 => each!(row => (of::<u128>(values, row) as u64).wrapping_sub(base)),
                Type::F32 | Type::F64 | Type::Text => {}
            }
        }
        (Part::Upper, _) => each!(row => (of::<u128>(values, row) >> 64) as u64 ^ (1 << 63)),
        (Part::Lower, _) => each!(row => of::<u128>(values, row) as u64),
        (Part::Float, _) => match key.column.ty.ty {
            Type::F32 => each!(row => u64::from(ordered_f32(of::<u32>(values, row)))),
            _ => each!(row => ordered_f64(of::<u64>(values, row))),
        },
        (Part::Bytes { skip }, _) => {
            let (skip, bits) = (*skip, field.bits);
            each!(row => first_bytes(text(key.column, row), skip) >> (64 - bits));
        }
    }
}

/// Eight bytes of a text behind the first ones, the first the most significant.
#[inline(always)]
fn first_bytes(text: &[u8], skip: usize) -> u64 {
    let rest = text.get(skip..).unwrap_or(&[]);
    match rest.first_chunk::<8>() {
        Some(bytes) => u64::from_be_bytes(*bytes),
        None => rest.iter().fold((0, 56), |(word, shift), byte| (word | u64::from(*byte) << shift, shift.max(8) - 8)).0,
    }
}

/// A float's bits as a number whose order is PostgreSQL's: NaN greatest, -0 as 0.
#[inline(always)]
fn ordered_f64(bits: u64) -> u64 {
    let bits = canonical_f64(bits);
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

/// The same of 32 bits.
#[inline(always)]
fn ordered_f32(bits: u32) -> u32 {
    let bits = canonical_f32(bits);
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}
