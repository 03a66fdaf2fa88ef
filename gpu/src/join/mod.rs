//! Rows grouped by key on the host: what the build side of a join becomes before the other side looks for it.
//!
//! [`group`] looks at key columns and makes an index of their rows. A key in a small domain is its own index
//! ([`Form::Direct`]): tables that `Expr::Lookup` reads. Any other keys become an [`Index`], which `Expr::Probe` asks.
//! Where no two rows have the same key, a key leads to its row; else to a group, whose rows stand together in an
//! [`Order`], and a `Statement::Loop` goes through them. A row with a NULL in a key is in no group.
//!
//! Files: `layout.rs` says how keys and slots lie, `index.rs` is the index, `words.rs` packs keys.

mod index;
pub mod layout;
mod words;

use std::sync::Arc;

use arrow::buffer::Buffer;

use crate::column::Column;
use crate::device::Cancel;
use crate::error::{Error, Result};
use crate::program::{Table, Type};
pub use index::Index;
use index::bits_of;
use layout::Layout;
use words::{Packed, bit, pack};

/// What is asked of the groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wants {
    /// Whether there are rows of a key.
    Existence,
    /// Which rows they are.
    Rows,
}

/// The rows of key columns, grouped.
#[derive(Debug, Clone)]
pub struct Grouped {
    /// Rows without a NULL among their keys.
    pub rows: usize,
    /// Distinct keys.
    pub groups: usize,
    /// The most rows of one key; of existence alone, 1 at most.
    pub longest: u32,
    /// Whether a row had a NULL among its keys.
    pub has_null: bool,
    /// How a key finds its group.
    pub form: Form,
    /// The rows in the order of their groups, where some key has several and they are wanted.
    pub order: Option<Order>,
}

/// How a key finds its group.
#[derive(Debug, Clone)]
pub enum Form {
    /// By itself: one key of integers, or `bool`, in a small domain.
    Direct {
        /// The least key.
        low: i128,
        /// The greatest.
        high: i128,
        /// `I32`: at `key - low` the key's row and 1, or 0 where there is none. There where rows are wanted and no key has
        /// several; else the order's `starts` are those of `key - low`.
        numbers: Option<Arc<Table>>,
        /// `Bool`: at `key - low` whether there is a row of it.
        bits: Arc<Table>,
    },
    /// By an index, for `Expr::Probe`: its number is the row where no key has several, else that of the group among the order's
    /// `starts`.
    Hash {
        /// The index.
        index: Arc<Index>,
    },
}

/// Rows in the order of their groups, those of a group ascending.
#[derive(Debug, Clone)]
pub struct Order {
    /// `I32`: group `g` is `starts[g]..starts[g + 1]`. There may be numbers that no key leads to.
    pub starts: Arc<Table>,
    /// `I32`: the rows. `None`: the rows themselves are in that order, and a place is a row.
    pub rows: Option<Arc<Table>>,
}

/// The most values of a domain that is its own index, for each row.
const SPREAD: usize = 4;
/// The same where there is a bit for each value.
const BIT_SPREAD: usize = 32;
/// Up to here a domain is small in any case.
const SMALL: usize = 1 << 16;
/// No domain beyond this is.
const LARGEST: i128 = 1 << 28;

/// Groups rows by their keys, on at most so many threads of the processor (0: all).
///
/// Keys are columns of any type and equal length, at least one. `Unsupported`: more rows than numbers of 32 bits name.
pub fn group(keys: &[&Column], wants: Wants, threads: usize, cancel: &Cancel) -> Result<Grouped> {
    let _ = threads;
    cancel.check()?;
    let rows = keys.first().map_or(0, |key| key.rows);
    check(keys, rows)?;
    let valid: Vec<u32> = (0..rows as u32)
        .filter(|row| keys.iter().all(|key| key.validity.as_ref().is_none_or(|bits| bit(bits, *row as usize))))
        .collect();
    let has_null = valid.len() < rows;
    if let [key] = keys
        && (key.ty.ty.is_integer() || key.ty.ty == Type::Bool)
        && let Some(found) = direct(key, &valid, wants, has_null)
    {
        return Ok(found);
    }
    hashed(keys, &valid, wants, has_null)
}

fn check(keys: &[&Column], rows: usize) -> Result<()> {
    if keys.is_empty() || keys.iter().any(|key| key.rows != rows) {
        return Err(Error::Invalid("rows are grouped by columns of one length, at least one".to_owned()));
    }
    if i32::try_from(rows).is_err() {
        return Err(Error::Unsupported(format!("{rows} rows in the build side of a join")));
    }
    let short = |key: &&&Column| {
        let offsets = usize::from(key.ty.ty == Type::Text && rows > 0);
        key.values.len() < ((rows + offsets) * key.ty.ty.stored_bits() as usize).div_ceil(8)
            || key.validity.as_ref().is_some_and(|bits| bits.len() < rows.div_ceil(8))
            || key.bytes.is_some() != (key.ty.ty == Type::Text)
    };
    match keys.iter().find(short) {
        Some(key) => Err(Error::Invalid(format!("a key of {} rows whose buffers are too short", key.rows))),
        None => Ok(()),
    }
}

fn integers(values: impl ExactSizeIterator<Item = i32>) -> Arc<Table> {
    Arc::new(Table::integers(Type::I32, false, values.map(|value| Some(value.into()))))
}

fn direct(key: &Column, valid: &[u32], wants: Wants, has_null: bool) -> Option<Grouped> {
    let values = crate::interpret::read_column(key);
    let value = |row: &u32| match values[*row as usize] {
        Some(crate::program::Scalar::Int(value)) => value,
        Some(crate::program::Scalar::Bool(value)) => value.into(),
        _ => 0,
    };
    let (low, high) = valid.iter().map(value).fold((i128::MAX, i128::MIN), |(low, high), v| (low.min(v), high.max(v)));
    let (low, high) = if valid.is_empty() { (0, 0) } else { (low, high) };
    let domain = high.checked_sub(low)?.checked_add(1)?;
    let spread = match wants {
        Wants::Existence => BIT_SPREAD,
        Wants::Rows => SPREAD,
    };
    if domain > LARGEST || domain > (valid.len() * spread).max(SMALL) as i128 {
        return None;
    }
    let domain = domain as usize;
    let mut counts = vec![0u32; domain];
    for row in valid {
        counts[(value(row) - low) as usize] += 1;
    }
    let groups = counts.iter().filter(|count| **count > 0).count();
    let longest = counts.iter().copied().max().unwrap_or(0);
    let bits = Arc::new(Table::bits(counts.iter().map(|count| *count > 0)));
    let form = |numbers| Form::Direct { low, high, numbers, bits: Arc::clone(&bits) };
    let done = |longest, form, order| Some(Grouped { rows: valid.len(), groups, longest, has_null, form, order });
    if wants == Wants::Existence {
        return done(longest.min(1), form(None), None);
    }
    if longest <= 1 {
        let mut numbers = vec![0i32; domain];
        valid.iter().for_each(|row| numbers[(value(row) - low) as usize] = *row as i32 + 1);
        return done(longest, form(Some(integers(numbers.into_iter()))), None);
    }
    let mut places: Vec<Vec<i32>> = vec![vec![]; domain];
    valid.iter().for_each(|row| places[(value(row) - low) as usize].push(*row as i32));
    done(longest, form(None), Some(order_of(&places)))
}

fn order_of(places: &[Vec<i32>]) -> Order {
    let mut starts = vec![0];
    let mut rows = vec![];
    for place in places {
        rows.extend(place);
        starts.push(rows.len() as i32);
    }
    Order { starts: integers(starts.into_iter()), rows: Some(integers(rows.into_iter())) }
}

fn hashed(keys: &[&Column], valid: &[u32], wants: Wants, has_null: bool) -> Result<Grouped> {
    let types: Vec<Type> = keys.iter().map(|key| key.ty.ty).collect();
    let layout = Layout::of(&types);
    let mut packed = Packed::default();
    pack(keys, &layout, 0..keys[0].rows, &mut packed);
    let bits = bits_of(valid.len());
    let mask = (1usize << bits) - 1;
    let width = layout.words;
    let mut places = vec![u32::MAX; mask + 1];
    let mut groups: Vec<Vec<i32>> = vec![];
    let same = |a: u32, b: u32| {
        let (a, b) = (&packed.words[a as usize * width..][..width], &packed.words[b as usize * width..][..width]);
        (0..width).all(|at| {
            let text = layout.fields.iter().zip(keys).find(|(field, _)| field.word == at && field.text.is_some());
            match text.and_then(|(_, key)| key.bytes.as_ref()) {
                Some(bytes) => index::bytes_of(bytes, a[at]) == index::bytes_of(bytes, b[at]),
                None => a[at] == b[at],
            }
        })
    };
    for row in valid {
        let mut at = (packed.hashes[*row as usize] >> (64 - bits)) as usize;
        loop {
            match places[at] {
                u32::MAX => {
                    places[at] = groups.len() as u32;
                    groups.push(vec![*row as i32]);
                    break;
                }
                found if same(groups[found as usize][0] as u32, *row) => {
                    groups[found as usize].push(*row as i32);
                    break;
                }
                _ => at = (at + 1) & mask,
            }
        }
    }
    let longest = groups.iter().map(Vec::len).max().unwrap_or(0) as u32;
    let unique = longest <= 1 || wants == Wants::Existence;
    let mut slots = vec![0u64; layout.form.words() << bits];
    let mut entries = vec![0u64; if layout.form == layout::Form::Apart { keys[0].rows.max(1) * width } else { 8 }];
    for (at, group) in places.iter().enumerate().filter(|(_, group)| **group != u32::MAX) {
        let row = groups[*group as usize][0] as usize;
        let number = if unique { row } else { *group as usize };
        let words = &packed.words[row * width..][..width];
        match layout.form {
            layout::Form::Narrow => slots[at] = words[0] | (number as u64 + 1) << 32,
            layout::Form::Wide => slots[2 * at..2 * at + 2].copy_from_slice(&[words[0], number as u64 + 1]),
            layout::Form::Apart => {
                slots[at] = u64::from(packed.hashes[row] as u32) | (number as u64 + 1) << 32;
                entries[number * width..][..width].copy_from_slice(words);
            }
        }
    }
    let mut index = Index::new(&types, layout, bits, Buffer::from_vec(slots));
    index.len = groups.len();
    index.entries = Buffer::from_vec(entries);
    index.texts = keys.iter().filter_map(|key| key.bytes.clone()).collect();
    let order = (!unique).then(|| order_of(&groups));
    let longest = if wants == Wants::Existence { longest.min(1) } else { longest };
    Ok(Grouped { rows: valid.len(), groups: groups.len(), longest, has_null, form: Form::Hash { index: Arc::new(index) }, order })
}

impl Index {
    /// An index of rows whose keys are all different, rows with a NULL apart: the number of a key is its row. Of keys that
    /// are the same the first row counts.
    pub fn of_rows(keys: &[&Column]) -> Result<Self> {
        let rows = keys.first().map_or(0, |key| key.rows);
        check(keys, rows)?;
        let valid: Vec<u32> = (0..rows as u32)
            .filter(|row| keys.iter().all(|key| key.validity.as_ref().is_none_or(|bits| bit(bits, *row as usize))))
            .collect();
        match hashed(keys, &valid, Wants::Existence, false)?.form {
            Form::Hash { index } => Ok(Arc::unwrap_or_clone(index)),
            Form::Direct { .. } => Err(Error::Invalid("an index that is none".to_owned())),
        }
    }
}
