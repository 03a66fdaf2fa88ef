//! Columns of tables, brought to where devices read them.
//!
//! A table is a list of segments: record batches in memory, row groups of Parquet files. Each has a name that is never used
//! for other rows again, so what is cached stays right whatever becomes of the table.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::DataType;
use parking_lot::Mutex;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReaderBuilder};
use warpwise_gpu::cache::{ColumnCache, ColumnRequest, ColumnStatistics, ResidentColumn, SegmentRows};
use warpwise_gpu::column::Facts;
use warpwise_gpu::memory::Budget;
use warpwise_gpu::program::Type;
use warpwise_gpu::{Error, Result};

use super::table_scan::{ScannedTable, TableRows};
use crate::catalog::relation::fresh;
use crate::offload::Refusal;
use crate::offload::lower::of_type;
use crate::offload::plan::Chain;
use crate::offload::value::{InputColumn, Kind};
use crate::offload::words::Words;

/// Rows that are decoded at once.
const BATCH: usize = 1 << 18;

/// A table's segments at one version.
#[derive(Debug)]
pub struct Segments {
    /// Their names and numbers of rows.
    pub names: Vec<SegmentRows>,
    places: Vec<Place>,
}

#[derive(Debug, Clone)]
enum Place {
    Memory(RecordBatch),
    Parquet { path: PathBuf, metadata: ArrowReaderMetadata, group: usize },
}

impl Segments {
    /// Rows of all of them.
    pub fn rows(&self) -> u64 {
        self.names.iter().map(|(_, rows)| *rows as u64).sum()
    }
}

/// A Parquet file as it was when it was opened.
struct OpenFile {
    changed: SystemTime,
    bytes: u64,
    metadata: ArrowReaderMetadata,
    groups: Vec<SegmentRows>,
}

/// The columns that the process keeps.
pub struct Inputs {
    columns: ColumnCache,
    threads: usize,
    files: Mutex<HashMap<PathBuf, Arc<OpenFile>>>,
    /// Columns that turned out to have no device form, by owner and number.
    refused: Mutex<HashMap<(u64, usize), String>>,
    /// How often something was loaded.
    loads: AtomicU64,
    /// How often a plan was made with a refusal of columns that nobody had loaded.
    unseen: AtomicU64,
}

impl Inputs {
    /// A cache of at most `memory` bytes, filled by at most `threads` threads for a query.
    pub fn new(memory: u64, threads: usize) -> Self {
        Self {
            columns: ColumnCache::new(Budget::new("host memory for columns", "warpwise.host_memory", memory)),
            threads,
            files: Mutex::default(),
            refused: Mutex::default(),
            loads: AtomicU64::new(0),
            unseen: AtomicU64::new(0),
        }
    }

    /// How often something was loaded: what is known of columns changes with it alone.
    pub fn loads(&self) -> u64 {
        self.loads.load(Ordering::Relaxed)
    }

    /// A device refused a part of a plan whose columns nobody had loaded.
    pub fn note_refusal_unseen(&self) {
        self.unseen.fetch_add(1, Ordering::Relaxed);
    }

    /// How often that happened.
    pub fn refusals_unseen(&self) -> u64 {
        self.unseen.load(Ordering::Relaxed)
    }

    /// What the cache holds and did.
    pub fn statistics(&self) -> ColumnStatistics {
        self.columns.statistics()
    }

    /// Changes how much the cache may hold.
    pub fn set_budget(&self, bytes: u64) {
        self.columns.set_budget(bytes);
    }

    /// The segments of a table now.
    pub fn segments(&self, table: &ScannedTable) -> Result<Segments> {
        let mut segments = Segments { names: Vec::new(), places: Vec::new() };
        match &table.rows {
            TableRows::Memory(batches) => {
                for segment in batches.iter() {
                    segments.names.push((segment.id, segment.batch.num_rows()));
                    segments.places.push(Place::Memory(segment.batch.clone()));
                }
            }
            TableRows::Parquet(paths) => {
                for path in paths {
                    let file = self.file(path)?;
                    for (group, name) in file.groups.iter().enumerate() {
                        segments.names.push(*name);
                        let (path, metadata) = (path.clone(), file.metadata.clone());
                        segments.places.push(Place::Parquet { path, metadata, group });
                    }
                }
            }
            TableRows::Elsewhere(why) => return Err(Error::Unsupported((*why).to_owned())),
        }
        Ok(segments)
    }

    fn file(&self, path: &Path) -> Result<Arc<OpenFile>> {
        let failed = |error: &dyn std::fmt::Display| Error::Failed(format!("could not read \"{}\": {error}", path.display()));
        let now = std::fs::metadata(path).map_err(|e| failed(&e))?;
        let (changed, bytes) = (now.modified().map_err(|e| failed(&e))?, now.len());
        if let Some(known) = self.files.lock().get(path)
            && known.changed == changed
            && known.bytes == bytes
        {
            return Ok(Arc::clone(known));
        }
        let file = File::open(path).map_err(|e| failed(&e))?;
        let metadata = ArrowReaderMetadata::load(&file, Default::default()).map_err(|e| failed(&e))?;
        let groups = metadata.metadata().row_groups().iter().map(|group| (fresh(), group.num_rows() as usize)).collect();
        let opened = Arc::new(OpenFile { changed, bytes, metadata, groups });
        self.files.lock().insert(path.to_owned(), Arc::clone(&opened));
        Ok(opened)
    }

    /// The segments of a chain's table now, or why it cannot be read this way.
    pub fn look(&self, chain: &Chain) -> Result<Segments, Refusal> {
        let refused = |error: Error| Refusal::new(format!("scan of {}", chain.table.name), error.to_string());
        self.segments(&chain.table).map_err(refused)
    }

    /// What is known of a chain's columns without reading any; and whether that is all there is to know.
    pub fn expected(&self, chain: &Chain, segments: &Segments) -> (Vec<InputColumn>, bool) {
        let mut complete = true;
        let columns = chain.projection.iter().map(|at| {
            let known = self.columns.facts_if_known(&request(&chain.table, *at, &segments.names));
            let mut column = match &known {
                Some(facts) => of_facts(&chain.table, *at, facts),
                None => {
                    let field = chain.table.schema.field(*at);
                    of_type(field.name(), field.data_type())
                }
            };
            if let Some(why) = self.refused.lock().get(&(chain.table.owner, *at)) {
                column.refused = Some(why.clone());
            }
            // What has no device form will never be loaded.
            complete &= known.is_some() || column.refused.is_some();
            column
        });
        (columns.collect(), complete)
    }

    /// Some columns of a table, read where they are not there.
    pub fn resident(&self, table: &ScannedTable, segments: &Segments, columns: &[usize]) -> Result<Vec<ResidentColumn>> {
        let requests: Vec<_> = columns.iter().map(|at| request(table, *at, &segments.names)).collect();
        let load = |segment: usize, places: &[usize]| {
            let columns: Vec<usize> = places.iter().map(|place| columns[*place]).collect();
            load(table, &segments.places[segment], &columns)
        };
        let found = self.columns.resident_many(&requests, self.threads, &load);
        if found.as_ref().map_or(true, |found| found.iter().any(|column| column.loaded > 0)) {
            self.loads.fetch_add(1, Ordering::Relaxed);
        }
        if let Err(Error::Unsupported(_)) = &found {
            self.blame(table, segments, columns);
        }
        found
    }

    /// Finds out which of several columns has no device form.
    fn blame(&self, table: &ScannedTable, segments: &Segments, columns: &[usize]) {
        for at in columns {
            let one = |segment: usize| load(table, &segments.places[segment], &[*at]).map(|mut arrays| arrays.swap_remove(0));
            if let Err(Error::Unsupported(why)) = self.columns.resident(&request(table, *at, &segments.names), &one) {
                self.refused.lock().insert((table.owner, *at), why);
            }
        }
    }
}

fn request<'a>(table: &ScannedTable, at: usize, segments: &'a [SegmentRows]) -> ColumnRequest<'a> {
    let field = table.schema.field(at);
    ColumnRequest {
        owner: table.owner,
        column: at as u32,
        logical: field.data_type().clone(),
        // Files may hold NULL where somebody declared that they do not.
        nullable: true,
        segments,
    }
}

/// Reads columns of a segment.
fn load(table: &ScannedTable, place: &Place, columns: &[usize]) -> Result<Vec<Vec<ArrayRef>>> {
    match place {
        Place::Memory(batch) => Ok(columns.iter().map(|at| vec![Arc::clone(batch.column(*at))]).collect()),
        Place::Parquet { path, metadata, group } => {
            let failed = |error: &dyn std::fmt::Display| Error::Failed(format!("could not read \"{}\": {error}", path.display()));
            let schema = metadata.schema();
            let roots = columns.iter().map(|at| {
                let name = table.schema.field(*at).name();
                schema.index_of(name).map_err(|_| Error::Unsupported(format!("\"{}\" has no column {name}", path.display())))
            });
            let roots = roots.collect::<Result<Vec<_>>>()?;
            let file = File::open(path).map_err(|e| failed(&e))?;
            let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata.clone());
            let mask = ProjectionMask::roots(builder.parquet_schema(), roots.iter().copied());
            let reader = builder.with_projection(mask).with_row_groups(vec![*group]).with_batch_size(BATCH).build();
            let mut arrays: Vec<Vec<ArrayRef>> = vec![Vec::new(); columns.len()];
            for batch in reader.map_err(|e| failed(&e))? {
                let batch = batch.map_err(|e| failed(&e))?;
                for (made, at) in arrays.iter_mut().zip(columns) {
                    let field = table.schema.field(*at);
                    let found = batch.column_by_name(field.name());
                    let found = found.ok_or_else(|| failed(&format!("column {} is missing", field.name())))?;
                    let same = found.data_type() == field.data_type() || strings(found.data_type(), field.data_type());
                    made.push(match same {
                        true => Arc::clone(found),
                        false => {
                            let strict = CastOptions { safe: false, ..CastOptions::default() };
                            cast_with_options(found, field.data_type(), &strict).map_err(|e| failed(&e))?
                        }
                    });
                }
            }
            Ok(arrays)
        }
    }
}

fn strings(a: &DataType, b: &DataType) -> bool {
    a.is_string() && b.is_string()
}

/// A column whose form is known.
pub fn of_facts(table: &ScannedTable, at: usize, facts: &Facts) -> InputColumn {
    let field = table.schema.field(at);
    let mut column = of_type(field.name(), field.data_type());
    column.ty = facts.ty;
    column.range = facts.range;
    column.kind = match (column.kind, &facts.words) {
        (Kind::Text(_), Some(words)) => Kind::Text(Words::of_column(words)),
        (Kind::Text(_), None) if facts.ty.ty == Type::Text => Kind::Plain,
        (Kind::Decimal { scale }, _) => Kind::Decimal { scale: scale.saturating_sub(facts.unit().max(1).ilog10()) },
        (Kind::Timestamp { tick, zoned, .. }, _) => Kind::Timestamp { unit: facts.unit(), tick, zoned },
        (kind, _) => kind,
    };
    column
}
