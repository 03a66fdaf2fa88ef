//! Generated tables for benchmarks and for the self-test: the taxi rides and the page views.
//!
//! A [`Dataset`] makes any block of rows of any of its columns, the same for a seed on every machine. [`batches`] makes
//! them on all cores for a table in memory, [`write_parquet`] writes files that other engines read as well.
//!
//! What is deliberately absent: nothing here runs a query or knows DataFusion. TPC-H's data is in `tpch`.

mod arrays;
pub mod draw;
mod fill;
pub mod hits;
mod parquet;
pub mod taxi;

use std::ops::Range;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;

use crate::catalog::relation::schema_of;
use crate::error::{Error, Result};
use crate::types::SqlType;

pub use crate::catalog::relation::Column;
pub use fill::batches;
pub use hits::Hits;
pub use parquet::write_parquet;
pub use taxi::Taxi;

/// Rows that are made at a time, and that a segment in memory has.
pub const BLOCK_ROWS: u64 = 1 << 18;

/// A table that is made by a rule.
pub trait Dataset: Sync {
    /// The table's name.
    fn name(&self) -> &'static str;

    /// How many rows it has.
    fn rows(&self) -> u64;

    /// Its columns.
    fn columns(&self) -> Vec<Column>;

    /// Some rows of the column at a place.
    fn array(&self, column: usize, rows: Range<u64>) -> ArrayRef;
}

/// The places of columns by name; all of them where none is named.
pub fn places(dataset: &dyn Dataset, names: &[&str]) -> Result<Vec<usize>> {
    let columns = dataset.columns();
    if names.is_empty() {
        return Ok((0..columns.len()).collect());
    }
    let place = |name: &&str| {
        let found = columns.iter().position(|column| column.name == **name);
        found.ok_or_else(|| Error::internal(format!("{} has no column {name}", dataset.name())))
    };
    names.iter().map(place).collect()
}

/// The Arrow schema of some columns.
fn schema(dataset: &dyn Dataset, columns: &[usize]) -> SchemaRef {
    let all = dataset.columns();
    schema_of(&columns.iter().map(|at| all[*at].clone()).collect::<Vec<_>>())
}

/// A block of rows.
fn batch(dataset: &dyn Dataset, schema: &SchemaRef, columns: &[usize], rows: Range<u64>) -> Result<RecordBatch> {
    let count = (rows.end - rows.start) as usize;
    let arrays = columns.iter().map(|at| dataset.array(*at, rows.clone())).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(count));
    RecordBatch::try_new_with_options(schema.clone(), arrays, &options).map_err(|error| Error::internal(error.to_string()))
}

/// A column of a dataset, as its list has it: name, type, whether it takes NULL, and what makes it.
struct Entry<D> {
    name: &'static str,
    sql_type: SqlType,
    nullable: bool,
    make: fn(&D, Range<u64>) -> ArrayRef,
}

fn columns_of<D>(entries: &[Entry<D>]) -> Vec<Column> {
    let column = |entry: &Entry<D>| Column {
        name: entry.name.to_owned(),
        sql_type: entry.sql_type,
        nullable: entry.nullable,
        default: None,
    };
    entries.iter().map(column).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every block of every column is what the schema says, and does not depend on where blocks are cut.
    #[test]
    fn blocks_fit_the_schema() {
        let datasets: [&dyn Dataset; 2] = [&Taxi::new(1, 5000), &Hits::new(1, 5000)];
        for dataset in datasets {
            let all = places(dataset, &[]).unwrap();
            let schema = schema(dataset, &all);
            let whole = batch(dataset, &schema, &all, 0..5000).unwrap();
            let part = batch(dataset, &schema, &all, 1234..2234).unwrap();
            assert_eq!(whole.slice(1234, 1000), part, "{}", dataset.name());
            for (column, array) in dataset.columns().iter().zip(whole.columns()) {
                assert!(column.nullable || array.null_count() == 0, "{} has NULL", column.name);
                assert!(!column.nullable || array.null_count() > 0, "{} has no NULL", column.name);
            }
            let names: std::collections::BTreeSet<_> = dataset.columns().into_iter().map(|column| column.name).collect();
            assert_eq!(names.len(), all.len(), "{} has a name twice", dataset.name());
        }
        assert_eq!(Hits::new(1, 1).columns().len(), 40);
        assert_eq!(Taxi::new(1, 1).columns().len(), 51);
    }

    #[test]
    fn names_are_found() {
        let taxi = Taxi::new(1, 10);
        assert_eq!(places(&taxi, &["cab_type", "trip_id"]).unwrap(), [24, 0]);
        assert!(places(&taxi, &["nosuch"]).is_err());
    }
}
