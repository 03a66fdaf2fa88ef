//! Columns of tables, brought to where devices read them.
//!
//! A table is a list of segments: record batches in memory, row groups of Parquet files. Each has a name that is never used
//! for other rows again, so what is cached stays right whatever becomes of the table.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant, SystemTime};

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::Schema;
use parking_lot::Mutex;
use parquet::arrow::arrow_reader::ArrowReaderMetadata;
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};
use warpwise_gpu::cache::{ColumnCache, ColumnRequest, ColumnStatistics, ResidentColumn, SegmentRows};
use warpwise_gpu::column::Facts;
use warpwise_gpu::memory::Budget;
use warpwise_gpu::program::Type;
use warpwise_gpu::{Cancel, Error, Result};

use super::parquet::{ColumnPlace, stored_schema};
use super::prune;
use super::table_scan::{ScannedTable, TableRows};
use super::whole::Wholes;
use crate::catalog::lineage::Keeper;
use crate::catalog::relation::fresh;
use crate::offload::Refusal;
use crate::offload::lower::of_type;
use crate::offload::plan::Chain;
use crate::offload::value::{InputColumn, Kind};
use crate::offload::words::Words;

/// How often the log says how far a load is.
const TOLD_EVERY: Duration = Duration::from_secs(5);

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
    Parquet { file: Arc<OpenFile>, group: usize },
}

impl Segments {
    /// Rows of all of them.
    pub fn rows(&self) -> u64 {
        self.names.iter().map(|(_, rows)| *rows as u64).sum()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Some of them.
    pub fn part(&self, range: std::ops::Range<usize>) -> Self {
        Self { names: self.names[range.clone()].to_vec(), places: self.places[range].to_vec() }
    }

    /// Those that are wanted.
    fn only(&self, wanted: &[bool]) -> Self {
        let names = self.names.iter().zip(wanted).filter(|(_, wanted)| **wanted).map(|(name, _)| *name).collect();
        let places = self.places.iter().zip(wanted).filter(|(_, wanted)| **wanted).map(|(place, _)| place.clone()).collect();
        Self { names, places }
    }
}

/// A Parquet file as it was when it was opened.
#[derive(Debug)]
pub struct OpenFile {
    path: PathBuf,
    changed: SystemTime,
    bytes: u64,
    /// What its end says of it.
    pub metadata: ArrowReaderMetadata,
    /// What its columns are without the schema of Arrow's that it may carry.
    pub stored: Option<Schema>,
    groups: Vec<SegmentRows>,
}

/// The columns that the process keeps.
pub struct Inputs {
    kept: Arc<Kept>,
    keeper: Weak<dyn Keeper>,
    threads: usize,
    files: Mutex<HashMap<PathBuf, Arc<OpenFile>>>,
    /// How often something was loaded.
    loads: AtomicU64,
    /// How often a plan was made with a refusal of columns that nobody had loaded.
    unseen: AtomicU64,
}

/// What is kept by the numbers of tables.
struct Kept {
    columns: ColumnCache,
    /// Columns that turned out to have no device form, by owner and number.
    refused: Mutex<HashMap<(u64, usize), String>>,
    /// Build sides of joins.
    wholes: Wholes,
}

impl Keeper for Kept {
    fn forget(&self, lineage: u64) {
        self.columns.forget_owner(lineage);
        self.wholes.forget(lineage);
        self.refused.lock().retain(|(owner, _), _| *owner != lineage);
    }
}

impl Inputs {
    /// A cache of at most `memory` bytes, filled by at most `threads` threads for a query.
    pub fn new(memory: u64, threads: usize) -> Self {
        let columns = ColumnCache::new(Budget::new("host memory for columns", "warpwise.host_memory", memory));
        let kept = Arc::new(Kept { columns, refused: Mutex::default(), wholes: Wholes::default() });
        let keeper: Arc<dyn Keeper> = Arc::clone(&kept) as Arc<dyn Keeper>;
        let (loads, unseen) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { keeper: Arc::downgrade(&keeper), kept, threads, files: Mutex::default(), loads, unseen }
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

    /// Build sides of joins that are kept.
    pub fn wholes(&self) -> &Wholes {
        &self.kept.wholes
    }

    /// What the cache holds and did.
    pub fn statistics(&self) -> ColumnStatistics {
        self.kept.columns.statistics()
    }

    /// Changes how much the cache may hold.
    pub fn set_budget(&self, bytes: u64) {
        self.kept.columns.set_budget(bytes);
    }

    /// How much the cache may hold.
    pub fn budget(&self) -> u64 {
        self.statistics().budget
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
                    let file = self.file(table.owner, path)?;
                    for (group, name) in file.groups.iter().enumerate() {
                        segments.names.push(*name);
                        segments.places.push(Place::Parquet { file: Arc::clone(&file), group });
                    }
                }
            }
            TableRows::Elsewhere(why) => return Err(Error::Unsupported((*why).to_owned())),
        }
        Ok(segments)
    }

    fn file(&self, owner: u64, path: &Path) -> Result<Arc<OpenFile>> {
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
        let sound = |group: &RowGroupMetaData| {
            let places = |column: &ColumnChunkMetaData| {
                column.compressed_size() >= 0 && column.dictionary_page_offset().unwrap_or(column.data_page_offset()) >= 0
            };
            (0..=i64::from(i32::MAX)).contains(&group.num_rows()) && group.columns().iter().all(places)
        };
        if !metadata.metadata().row_groups().iter().all(sound) {
            return Err(failed(&"its footer is damaged"));
        }
        let groups = metadata.metadata().row_groups().iter().map(|group| (fresh(), group.num_rows() as usize)).collect();
        let stored = stored_schema(&metadata);
        let opened = Arc::new(OpenFile { path: path.to_owned(), changed, bytes, metadata, stored, groups });
        let before = {
            let mut files = self.files.lock();
            // Somebody else may have opened it meanwhile.
            if let Some(known) = files.get(path).filter(|known| known.changed == changed && known.bytes == bytes) {
                return Ok(Arc::clone(known));
            }
            files.insert(path.to_owned(), Arc::clone(&opened))
        };
        // Nobody asks again for what the file was before.
        for (segment, _) in before.iter().flat_map(|before| &before.groups) {
            self.kept.columns.forget_segment(owner, *segment);
        }
        Ok(opened)
    }

    /// Bytes of the texts of a chain's column by segment, where they are stored one by one or nobody knows yet: of files what
    /// these say, which is little where few texts come again and again.
    pub fn text_bytes(&self, chain: &Chain, segments: &Segments, at: usize) -> Vec<u64> {
        let field = chain.table.schema.field(chain.projection[at]);
        let coded = || self.known(chain, segments, at).is_some_and(|column| matches!(column.kind, Kind::Text(_)));
        if !field.data_type().is_string() || coded() {
            return vec![0; segments.len()];
        }
        let of_place = |place: &Place| match place {
            Place::Memory(batch) => batch.column_by_name(field.name()).map_or(0, |array| array.get_buffer_memory_size() as u64),
            Place::Parquet { file, group } => {
                let columns = file.metadata.metadata().row_group(*group).columns().iter();
                let read = columns.filter(|c| c.column_path().parts().first().is_some_and(|name| name == field.name()));
                read.map(|column| u64::try_from(column.uncompressed_size()).unwrap_or(0)).sum()
            }
        };
        segments.places.iter().map(of_place).collect()
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
            let known = self.kept.columns.facts_if_known(&request(&chain.table, *at, &segments.names));
            let mut column = match &known {
                Some(facts) => of_facts(&chain.table, *at, facts, self.threads),
                None => {
                    let field = chain.table.schema.field(*at);
                    of_type(field.name(), field.data_type())
                }
            };
            if let Some(why) = self.kept.refused.lock().get(&(chain.table.owner, *at)) {
                column.refused = Some(why.clone());
            }
            // What has no device form will never be loaded.
            complete &= known.is_some() || column.refused.is_some();
            column
        });
        (columns.collect(), complete)
    }

    /// Bytes of files that hold columns of a chain of which nothing is known yet: at most so many would be read first.
    pub fn unread(&self, chain: &Chain) -> u64 {
        let Ok(segments) = self.segments(&chain.table) else { return 0 };
        let segments = self.wanted(chain, segments);
        let unknown = (0..chain.projection.len()).filter(|column| self.known(chain, &segments, *column).is_none());
        let unknown: Vec<&str> =
            unknown.map(|column| chain.table.schema.field(chain.projection[column]).name().as_str()).collect();
        let of_place = |place: &Place| match place {
            Place::Parquet { file, group } => {
                let columns = file.metadata.metadata().row_group(*group).columns().iter();
                let read = columns
                    .filter(|column| column.column_path().parts().first().is_some_and(|name| unknown.contains(&name.as_str())));
                read.map(|column| u64::try_from(column.compressed_size()).unwrap_or(0)).sum()
            }
            Place::Memory(_) => 0,
        };
        segments.places.iter().map(of_place).sum()
    }

    /// A column of a chain, where all is known of it that loading it would tell.
    pub fn known(&self, chain: &Chain, segments: &Segments, column: usize) -> Option<InputColumn> {
        let at = chain.projection[column];
        let facts = self.kept.columns.facts_if_known(&request(&chain.table, at, &segments.names))?;
        Some(of_facts(&chain.table, at, &facts, self.threads))
    }

    /// How many values a column of a table has at most, as far as it is known to be few; `None` where nothing is known yet.
    pub fn values(&self, table: &ScannedTable, column: usize) -> Option<u64> {
        let segments = self.segments(table).ok()?;
        let within = |(low, high): (i128, i128)| u64::try_from(high.checked_sub(low)?.checked_add(1)?).ok();
        match self.kept.columns.facts_if_known(&request(table, column, &segments.names)) {
            Some(facts) => {
                let words = facts.words.as_ref().map(|words| words.len() as u64);
                Some(words.or(facts.range.and_then(within)).unwrap_or(u64::MAX))
            }
            // It will never be loaded.
            None if self.kept.refused.lock().contains_key(&(table.owner, column)) => Some(u64::MAX),
            None => claim(table, &segments, column).and_then(within),
        }
    }

    /// The segments of which a row may pass the filters that stand before all else, as the statistics of their files tell.
    /// Where every column is there already it is not asked: chunks know more.
    pub fn wanted(&self, chain: &Chain, segments: Segments) -> Segments {
        if segments.len() < 2 || !segments.places.iter().all(|place| matches!(place, Place::Parquet { .. })) {
            return segments;
        }
        let (_, complete) = self.expected(chain, &segments);
        if complete {
            return segments;
        }
        let groups = segments.places.iter().filter_map(|place| match place {
            Place::Parquet { file, group } => Some((Arc::clone(file), *group)),
            Place::Memory(_) => None,
        });
        match prune::wanted(chain, &groups.collect::<Vec<_>>(), &segments.names) {
            Some(wanted) => segments.only(&wanted),
            None => segments,
        }
    }

    /// Some columns of a table, read where they are not there.
    pub fn resident(
        &self,
        table: &ScannedTable,
        segments: &Segments,
        columns: &[usize],
        cancel: &Cancel,
    ) -> Result<Vec<ResidentColumn>> {
        if let Some(lineage) = &table.lineage {
            lineage.kept_by(&self.keeper);
        }
        let requests: Vec<_> = columns.iter().map(|at| request(table, *at, &segments.names)).collect();
        for (request, at) in requests.iter().zip(columns) {
            if self.kept.columns.facts_if_known(request).is_none()
                && let Some(range) = claim(table, segments, *at)
            {
                self.kept.columns.expect(request, range)?;
            }
        }
        let progress = Progress::of(table, segments.len() * columns.len());
        let load = |segment: usize, places: &[usize]| {
            cancel.check()?;
            progress.tell(places.len());
            places.iter().map(|place| load(table, &segments.places[segment], columns[*place])).collect()
        };
        let found = self.kept.columns.resident_while(&requests, self.threads, &load, &|| cancel.check());
        if found.as_ref().map_or(true, |found| found.iter().any(|column| column.loaded > 0)) {
            self.loads.fetch_add(1, Ordering::Relaxed);
        }
        if let Err(Error::Unsupported(_)) = &found {
            self.blame(table, segments, columns, cancel);
        }
        found
    }

    /// Finds out which of several columns has no device form.
    fn blame(&self, table: &ScannedTable, segments: &Segments, columns: &[usize], cancel: &Cancel) {
        // Who was refused is mostly known by now, without loading the others.
        let known = columns.iter().filter_map(|at| {
            let why = self.kept.columns.refusal(&request(table, *at, &segments.names))?;
            if let Error::Unsupported(why) = why { Some((*at, why)) } else { None }
        });
        let known: Vec<_> = known.collect();
        if !known.is_empty() {
            self.kept.refused.lock().extend(known.into_iter().map(|(at, why)| ((table.owner, at), why)));
            return;
        }
        for at in columns {
            if cancel.check().is_err() {
                return;
            }
            let one = |segment: usize| {
                cancel.check()?;
                load(table, &segments.places[segment], *at)
            };
            if let Err(Error::Unsupported(why)) = self.kept.columns.resident(&request(table, *at, &segments.names), &one) {
                self.kept.refused.lock().insert((table.owner, *at), why);
            }
        }
    }
}

/// How far loading is, for the log of whoever waits long.
struct Progress<'a> {
    table: &'a str,
    of: usize,
    done: AtomicUsize,
    told: Mutex<Instant>,
}

impl<'a> Progress<'a> {
    fn of(table: &'a ScannedTable, of: usize) -> Self {
        Self { table: &table.name, of, done: AtomicUsize::new(0), told: Mutex::new(Instant::now()) }
    }

    /// More is begun.
    fn tell(&self, more: usize) {
        let done = self.done.fetch_add(more, Ordering::Relaxed);
        if let Some(mut told) = self.told.try_lock()
            && told.elapsed() >= TOLD_EVERY
        {
            *told = Instant::now();
            tracing::info!("loading {}: {} % of {} column parts", self.table, 100 * done / self.of.max(1), self.of);
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

/// Reads a column of a segment.
fn load(table: &ScannedTable, place: &Place, column: usize) -> Result<Vec<ArrayRef>> {
    match place {
        Place::Memory(batch) => Ok(vec![Arc::clone(batch.column(column))]),
        Place::Parquet { file, group } => {
            let (metadata, stored) = (&file.metadata, file.stored.as_ref());
            ColumnPlace { path: &file.path, metadata, stored, group: *group }.read(table.schema.field(column))
        }
    }
}

/// What the files of some segments say that the integers of a column lie between.
fn claim(table: &ScannedTable, segments: &Segments, column: usize) -> Option<(i128, i128)> {
    let mut all: Option<(i128, i128)> = None;
    for place in &segments.places {
        let Place::Parquet { file, group } = place else { return None };
        let (low, high) = prune::integer_range(file, *group, table.schema.field(column))?;
        all = Some(all.map_or((low, high), |(least, greatest)| (least.min(low), greatest.max(high))));
    }
    all
}

/// A column whose form is known, on whose dictionary so many threads may work (0: all).
pub fn of_facts(table: &ScannedTable, at: usize, facts: &Facts, threads: usize) -> InputColumn {
    let field = table.schema.field(at);
    let mut column = of_type(field.name(), field.data_type());
    column.ty = facts.ty;
    column.range = facts.range;
    column.present = facts.present;
    column.kind = match (column.kind, &facts.words) {
        (Kind::Text(_), Some(words)) => Kind::Text(Words::of_dictionary(words, threads)),
        (Kind::Text(_), None) if facts.ty.ty == Type::Text => Kind::Plain { ascii: facts.ascii },
        (Kind::Decimal { scale }, _) => Kind::Decimal { scale: scale.saturating_sub(facts.unit().max(1).ilog10()) },
        (Kind::Timestamp { tick, zoned, .. }, _) => Kind::Timestamp { unit: facts.unit(), tick, zoned },
        (kind, _) => kind,
    };
    column
}
