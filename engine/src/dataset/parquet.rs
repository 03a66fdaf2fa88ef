//! A dataset as Parquet files: a folder of parts that appears whole or not at all.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use super::fill::each;
use super::{Dataset, batch, schema};
use crate::error::{Condition, Error, Result};

/// Rows of a file: a multiple of the rows of a group.
const PART_ROWS: u64 = 1 << 21;
/// Rows of a row group.
const GROUP_ROWS: u64 = 1 << 17;
/// Rows that are made at a time.
const BATCH_ROWS: u64 = 1 << 14;

/// Writes some columns into the folder `folder/NAME`, and says how many bytes they take. `progress` is told how many rows
/// there are so far. The files do not depend on how many threads wrote them.
pub fn write_parquet(
    dataset: &dyn Dataset,
    columns: &[usize],
    folder: &Path,
    threads: usize,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<u64> {
    let target = folder.join(dataset.name());
    if target.exists() {
        return Err(Error::new(Condition::IoError, format!("\"{}\" exists already", target.display()))
            .hint("Remove it, or choose another folder."));
    }
    let partial = folder.join(format!(".{}.partial-{}", dataset.name(), std::process::id()));
    let failed = |path: &Path, error: &io::Error| {
        let condition = if error.kind() == io::ErrorKind::StorageFull { Condition::DiskFull } else { Condition::IoError };
        Error::new(condition, format!("could not write \"{}\": {error}", path.display()))
    };
    fs::create_dir_all(&partial).map_err(|error| failed(&partial, &error))?;
    let written = write_parts(dataset, columns, &partial, threads, progress);
    let renamed = written.and_then(|bytes| {
        fs::rename(&partial, &target).map_err(|error| failed(&target, &error))?;
        Ok(bytes)
    });
    if renamed.is_err() {
        // What is left of it is in nobody's way but the disk's.
        let _ = fs::remove_dir_all(&partial);
    }
    renamed
}

fn write_parts(
    dataset: &dyn Dataset,
    columns: &[usize],
    folder: &Path,
    threads: usize,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<u64> {
    let schema = schema(dataset, columns);
    let rows = dataset.rows();
    let parts = rows.div_ceil(PART_ROWS).max(1);
    let width = parts.to_string().len().max(2);
    let (done, bytes) = (AtomicU64::new(0), AtomicU64::new(0));
    each(parts, threads, &|part| {
        let path = folder.join(format!("part-{:0width$}.parquet", part + 1));
        let failed = |error: &dyn std::fmt::Display| {
            Error::new(Condition::IoError, format!("could not write \"{}\": {error}", path.display()))
        };
        let file = File::create(&path).map_err(|error| failed(&error))?;
        let mut writer = ArrowWriter::try_new(file, schema.clone(), Some(properties())).map_err(|error| failed(&error))?;
        let (mut from, end) = (part * PART_ROWS, rows.min((part + 1) * PART_ROWS));
        while from < end {
            let to = end.min(from + BATCH_ROWS);
            writer.write(&batch(dataset, &schema, columns, from..to)?).map_err(|error| failed(&error))?;
            progress(done.fetch_add(to - from, Ordering::Relaxed) + to - from);
            from = to;
        }
        let file = writer.into_inner().map_err(|error| failed(&error))?;
        bytes.fetch_add(file.metadata().map_err(|error| failed(&error))?.len(), Ordering::Relaxed);
        Ok(())
    })?;
    Ok(bytes.into_inner())
}

fn properties() -> WriterProperties {
    WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_max_row_group_row_count(Some(GROUP_ROWS as usize))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{Hits, places};

    #[test]
    fn a_folder_is_written_once() {
        let folder = std::env::temp_dir().join(format!("warpwise-dataset-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        let hits = Hits::new(1, 3000);
        let all = places(&hits, &[]).unwrap();
        let last = AtomicU64::new(0);
        let bytes = write_parquet(&hits, &all, &folder, 2, &|done| last.store(done, Ordering::Relaxed)).unwrap();
        assert_eq!(fs::metadata(folder.join("hits/part-01.parquet")).unwrap().len(), bytes);
        assert_eq!(last.into_inner(), 3000);
        let again = write_parquet(&hits, &all, &folder, 2, &|_| {}).unwrap_err();
        assert!(again.message.contains("exists already"), "{again}");
        fs::remove_dir_all(&folder).unwrap();
    }
}
