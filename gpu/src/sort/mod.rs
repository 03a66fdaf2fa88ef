//! Sorting on the host: the order of rows by key columns, and columns in that order.
//!
//! [`order`] packs the keys of a row into words that compare as PostgreSQL orders rows: NULLs where they are wanted, NaN greatest,
//! -0 as 0, texts byte by byte. The most significant words decide first: rows are scattered by their upper bits to parts that fit
//! a core's cache, which threads then sort one by one; only where words are equal the next ones are looked at. Rows with equal
//! keys keep their order. [`gather`] then takes each column's values in that order.
//!
//! Files: `word.rs` packs keys, `order.rs` orders rows by them, `gather.rs` takes columns in an order.

mod gather;
mod order;
mod word;

use arrow::buffer::Buffer;

use crate::column::Column;
use crate::error::{Error, Result};

pub use gather::gather;
pub use order::order;

/// A key, and how rows are ordered by it.
#[derive(Debug, Clone)]
pub struct Key<'a> {
    /// Its values: any type.
    pub column: &'a Column,
    /// Of codes: each code's place in the order of what the codes stand for. Every code that occurs has one.
    pub ranks: Option<&'a [u32]>,
    /// Whether the greatest comes first.
    pub descending: bool,
    /// Whether NULL comes first.
    pub nulls_first: bool,
}

/// Numbers of rows in an order: all of those that were ordered, the first of them, or any.
#[derive(Debug, Clone)]
pub struct Order {
    numbers: Buffer,
    /// How many of them count.
    count: usize,
    /// How many rows there were.
    of: usize,
}

impl Order {
    /// Rows in any order, each any number of times, out of so many; `Invalid` where one is not there.
    pub fn of(numbers: Vec<u32>, of: usize) -> Result<Self> {
        if numbers.iter().any(|row| *row as usize >= of) {
            return Err(Error::Invalid("a row that is not there".to_owned()));
        }
        Ok(Self { count: numbers.len(), numbers: Buffer::from_vec(numbers), of })
    }

    /// The rows' numbers, the first row's first.
    pub fn rows(&self) -> &[u32] {
        &self.numbers.typed_data()[..self.count]
    }
}

#[cfg(test)]
mod tests;
