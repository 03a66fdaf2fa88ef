//! Rows grouped by key on the host: what the build side of a join becomes before the other side looks for it.
//!
//! [`group`] looks at key columns and makes an index of their rows. A key in a small domain is its own index
//! ([`Form::Direct`]): tables that `Expr::Lookup` reads. Any other keys become an [`Index`], which `Expr::Probe` asks.
//! Where no two rows have the same key, a key leads to its row; else to a group, whose rows stand together in an
//! [`Order`], and a `Statement::Loop` goes through them. A row with a NULL in a key is in no group.
//!
//! Files: `direct.rs` and `hash.rs` make the two forms, `layout.rs` says how keys and slots lie, `index.rs` is the index,
//! `words.rs` packs keys.

mod direct;
mod hash;
mod index;
pub mod layout;
mod words;

use std::sync::Arc;

use arrow::buffer::Buffer;

use crate::column::Column;
use crate::column::element::bit;
use crate::device::Cancel;
use crate::error::{Error, Result};
use crate::parallel::Work;
use crate::program::{Table, Type};
pub use index::Index;

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

/// A bit for each key of a column of integers from `low` on, set where a row has it that is not NULL, on at most so many threads
/// (0: all). All such keys lie within `domain` of `low`.
///
/// It is quick where keys mostly ascend. `Invalid`: the key is no integer.
pub fn present(key: &Column, low: i128, domain: usize, threads: usize, cancel: &Cancel) -> Result<Arc<Table>> {
    check(&[key], key.rows)?;
    if !key.ty.ty.is_integer() {
        return Err(Error::Invalid("bits of keys that are no integers".to_owned()));
    }
    direct::bits(&Work::new(threads, cancel), key, low, domain)
}

/// Groups rows by their keys, on at most so many threads of the processor (0: all).
///
/// Keys are columns of any type and equal length, at least one. `Unsupported`: more rows than numbers of 32 bits name.
pub fn group(keys: &[&Column], wants: Wants, threads: usize, cancel: &Cancel) -> Result<Grouped> {
    let all = keys.first().map_or(0, |key| key.rows);
    check(keys, all)?;
    let work = Work::new(threads, cancel);
    let rows = valid_rows(keys, all);
    if let [key] = keys
        && (key.ty.ty.is_integer() || key.ty.ty == Type::Bool)
        && let Some(found) = direct::group(&work, key, rows, wants)?
    {
        return Ok(found);
    }
    hash::group(&work, keys, rows, wants)
}

/// How many rows have no NULL among their keys.
fn valid_rows(keys: &[&Column], rows: usize) -> usize {
    let bits: Vec<&Buffer> = keys.iter().filter_map(|key| key.validity.as_ref()).collect();
    match bits[..] {
        [] => rows,
        [bits] => bits.count_set_bits_offset(0, rows),
        _ => (0..rows).filter(|row| bits.iter().all(|bits| bit(bits, *row))).count(),
    }
}

fn check(keys: &[&Column], rows: usize) -> Result<()> {
    if keys.is_empty() || keys.iter().any(|key| key.rows != rows) {
        return Err(Error::Invalid("rows are grouped by columns of one length, at least one".to_owned()));
    }
    if i32::try_from(rows).is_err() {
        return Err(Error::Unsupported(format!("{rows} rows in the build side of a join")));
    }
    match keys.iter().find(|key| !key.is_whole()) {
        Some(key) => Err(Error::Invalid(format!("a key of {} rows whose buffers are too short", key.rows))),
        None => Ok(()),
    }
}

impl Index {
    /// An index of rows whose keys are all different, rows with a NULL apart: the number of a key is its row. Of keys that
    /// are the same the first row counts.
    pub fn of_rows(keys: &[&Column]) -> Result<Self> {
        let all = keys.first().map_or(0, |key| key.rows);
        check(keys, all)?;
        let cancel = Cancel::default();
        match hash::group(&Work::new(1, &cancel), keys, valid_rows(keys, all), Wants::Existence)?.form {
            Form::Hash { index } => Ok(Arc::unwrap_or_clone(index)),
            Form::Direct { .. } => Err(Error::Invalid("keys that are their own index".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests;
