//! Columns of Parquet files, as near to how devices store them as they lie in the file.
//!
//! A flat column of numbers or strings is decoded here, page by page: dictionary pages become the entries of an array, data
//! pages its keys, and nothing is done for each row but unpacking its key; decimals come in 32 or 64 bits as they are
//! stored. Whatever is not read this way (nested columns, booleans, delta encodings, types that a file stores in another
//! form) is read by the reader that Arrow has for all of it.

mod bytes;
mod chunk;
mod hybrid;
#[cfg(test)]
mod tests;
mod values;

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use arrow::array::ArrayRef;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, Schema};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReaderBuilder};
use parquet::arrow::{ProjectionMask, parquet_to_arrow_schema};
use parquet::schema::types::SchemaDescriptor;
use warpwise_gpu::{Error, Result};

/// Rows that Arrow's reader decodes at once.
const BATCH: usize = 1 << 18;

/// What a file's columns are without the schema of Arrow's that it may carry: what its bytes mean by themselves.
pub fn stored_schema(metadata: &ArrowReaderMetadata) -> Option<Schema> {
    parquet_to_arrow_schema(metadata.metadata().file_metadata().schema_descr(), None).ok()
}

/// Where one column of one row group lies.
#[derive(Debug, Clone, Copy)]
pub struct ColumnPlace<'a> {
    /// The file.
    pub path: &'a Path,
    /// What its end says of it.
    pub metadata: &'a ArrowReaderMetadata,
    /// What [`stored_schema`] says of it.
    pub stored: Option<&'a Schema>,
    /// Which row group.
    pub group: usize,
}

impl ColumnPlace<'_> {
    fn failed(&self, error: &dyn std::fmt::Display) -> Error {
        Error::Failed(format!("could not read \"{}\": {error}", self.path.display()))
    }

    /// The column of the group that the table calls `field`.
    ///
    /// # Errors
    /// Where the file cannot be read, has no such column, or is damaged.
    pub fn read(&self, field: &Field) -> Result<Vec<ArrayRef>> {
        // Of damaged files, some make the parquet crate panic.
        let read = catch_unwind(AssertUnwindSafe(|| self.decode(field)));
        read.unwrap_or_else(|_| Err(self.failed(&"the file is damaged")))
    }

    fn decode(&self, field: &Field) -> Result<Vec<ArrayRef>> {
        let name = field.name();
        let absent = |_| Error::Unsupported(format!("\"{}\" has no column {name}", self.path.display()));
        let root = self.metadata.schema().index_of(name).map_err(absent)?;
        let file = File::open(self.path).map_err(|e| self.failed(&e))?;
        if let Some(stored) = self.stored.and_then(|schema| schema.fields().get(root))
            && same(stored.data_type(), field.data_type())
            && let Some(leaf) = flat(self.metadata.parquet_schema(), root)
            && let Some(arrays) =
                chunk::read(&file, self.metadata.metadata(), self.group, leaf, stored.data_type()).map_err(|e| self.failed(&e))?
        {
            return Ok(arrays);
        }
        self.read_by_arrow(file, root, field)
    }

    fn read_by_arrow(&self, file: File, root: usize, field: &Field) -> Result<Vec<ArrayRef>> {
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone());
        let mask = ProjectionMask::roots(builder.parquet_schema(), [root]);
        let reader = builder.with_projection(mask).with_row_groups(vec![self.group]).with_batch_size(BATCH).build();
        let mut arrays = Vec::new();
        for batch in reader.map_err(|e| self.failed(&e))? {
            let batch = batch.map_err(|e| self.failed(&e))?;
            let found = batch.column_by_name(field.name());
            let found = found.ok_or_else(|| self.failed(&format!("column {} is missing", field.name())))?;
            arrays.push(if same(found.data_type(), field.data_type()) {
                ArrayRef::clone(found)
            } else {
                let strict = CastOptions { safe: false, ..CastOptions::default() };
                cast_with_options(found, field.data_type(), &strict).map_err(|e| self.failed(&e))?
            });
        }
        Ok(arrays)
    }
}

/// Whether a column of one type can stand for one of the other.
fn same(a: &DataType, b: &DataType) -> bool {
    a == b || (a.is_string() && b.is_string())
}

/// The one leaf of a root that is a flat column.
fn flat(schema: &SchemaDescriptor, root: usize) -> Option<usize> {
    let leaf = (0..schema.num_columns()).find(|leaf| schema.get_column_root_idx(*leaf) == root)?;
    let column = schema.column(leaf);
    (column.path().parts().len() == 1 && column.max_rep_level() == 0 && column.max_def_level() <= 1).then_some(leaf)
}
