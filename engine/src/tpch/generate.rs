//! Generation: the eight tables as Parquet, on all cores, all or nothing.
//!
//! ```text
//! parent/.sf1.lock           held meanwhile; a second process waits, and then finds the data there
//! parent/.sf1.partial-1234/  everything is written here, and synced; the manifest last
//! parent/sf1/                what it is renamed to
//! ```
//!
//! So a folder under its own name is whole, and one that was left behind goes with the next generation.
//! Tables are cut into parts by row count alone: the files do not depend on how many threads wrote them.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use arrow::record_batch::RecordBatchReader;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator, PartSuppGenerator, RegionGenerator,
    SupplierGenerator,
};
use tpchgen_arrow::{
    CustomerArrow, LineItemArrow, NationArrow, OrderArrow, PartArrow, PartSuppArrow, RegionArrow, SupplierArrow,
};

use super::manifest::{self, DataFile, Manifest, TableFiles};
use super::scale::Scale;
use super::schema::{TABLES, Table};
use crate::error::{Condition, Error, Result};

/// Rows in a part, about: enough that every core of a large machine has some at scale 1.
const PART_ROWS: u64 = 1 << 19;
/// A table has no more parts than this: beyond, they grow.
const MOST_PARTS: u64 = 512;
/// Rows in a row group.
const GROUP_ROWS: usize = 1 << 17;
/// Rows that are generated at a time.
const BATCH_ROWS: usize = 8192;
/// Bytes that scale 1 takes, for who must make room.
const BYTES_AT_ONE: f64 = 335e6;

/// Columns whose values hardly repeat: a dictionary of them would be built and thrown away.
const WITHOUT_DICTIONARY: &[&str] = &[
    "p_partkey",
    "p_name",
    "p_comment",
    "s_suppkey",
    "s_name",
    "s_address",
    "s_phone",
    "s_comment",
    "ps_supplycost",
    "ps_comment",
    "c_custkey",
    "c_name",
    "c_address",
    "c_phone",
    "c_acctbal",
    "c_comment",
    "o_orderkey",
    "o_custkey",
    "o_totalprice",
    "o_comment",
    "l_partkey",
    "l_extendedprice",
    "l_comment",
];

/// How far a generation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Another process generates the same folder; this one waits for it.
    Waiting,
    /// Rows have been written.
    Rows {
        /// The table that the latest of them belong to.
        table: &'static str,
        /// How many, of all tables.
        done: u64,
        /// How many there will be, about.
        total: u64,
    },
    /// All rows are written, and are now brought to the disk.
    Syncing,
}

/// What [`generate`] came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Generated {
    /// What the folder holds.
    pub manifest: Manifest,
    /// Whether it was there already.
    pub found: bool,
}

/// Makes sure that `folder` holds the tables at `scale`, on `threads` threads where they must be generated.
///
/// `progress` is called often, from any thread. Fails, and leaves nothing behind, where the disk is full (`53100`), where
/// the folder holds something else (`55000`), or where it cannot be written (`58030`).
pub fn generate(scale: Scale, folder: &Path, threads: usize, progress: &(dyn Fn(Progress) + Sync)) -> Result<Generated> {
    let place = Place::of(folder, scale)?;
    if let Some(manifest) = place.found()? {
        return Ok(Generated { manifest, found: true });
    }
    fs::create_dir_all(&place.parent).map_err(|error| place.failed(&place.parent, &error))?;
    let _lock = place.lock(progress)?;
    if let Some(manifest) = place.found()? {
        return Ok(Generated { manifest, found: true });
    }
    place.sweep();
    let partial = place.partial();
    let outcome = fill(&place, &partial, threads, progress).and_then(|manifest| {
        place.publish(&partial).map_err(|error| place.failed(&place.folder, &error))?;
        Ok(manifest)
    });
    if outcome.is_err() {
        // The reason for the failure matters more than what is left; the next generation sweeps it.
        let _ = fs::remove_dir_all(&partial);
    }
    Ok(Generated { manifest: outcome?, found: false })
}

/// Where a generation takes place.
struct Place {
    scale: Scale,
    folder: PathBuf,
    parent: PathBuf,
    name: String,
}

impl Place {
    fn of(folder: &Path, scale: Scale) -> Result<Self> {
        let whole = std::path::absolute(folder);
        let whole =
            whole.map_err(|error| Error::new(Condition::IoError, format!("no folder \"{}\": {error}", folder.display())))?;
        let parts = whole.parent().zip(whole.file_name()).zip(whole.components().next_back());
        let Some(((parent, name), std::path::Component::Normal(_))) = parts else {
            return Err(Error::new(Condition::IoError, format!("\"{}\" cannot hold the tables", folder.display()))
                .hint("Name a folder that is to be made."));
        };
        let (parent, name) = (parent.to_owned(), name.to_string_lossy().into_owned());
        Ok(Self { scale, folder: whole, parent, name })
    }

    /// The tables, where they are there already. An error where the folder is somebody else's.
    fn found(&self) -> Result<Option<Manifest>> {
        let taken = |what: String| {
            let error =
                Error::new(Condition::ObjectNotInPrerequisiteState, format!("folder \"{}\" {what}", self.folder.display()));
            Err(error.hint("Name another folder, or remove this one."))
        };
        match Manifest::read(&self.folder) {
            Some(manifest) if manifest.scale == self.scale => Ok(Some(manifest)),
            Some(manifest) => taken(format!("holds TPC-H at scale {}", manifest.scale)),
            // A damaged generation of ours may be replaced.
            None if self.folder.join(manifest::NAME).is_file() => Ok(None),
            None => match fs::read_dir(&self.folder) {
                Ok(mut entries) => {
                    if entries.next().is_none() {
                        Ok(None)
                    } else {
                        taken("is not empty".to_owned())
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(self.failed(&self.folder, &error)),
            },
        }
    }

    /// Waits until no other process generates this folder.
    fn lock(&self, progress: &(dyn Fn(Progress) + Sync)) -> Result<Lock> {
        let path = self.parent.join(format!(".{}.lock", self.name));
        let failed = |error: &io::Error| self.failed(&path, error);
        loop {
            let file = File::options().create(true).write(true).truncate(false).open(&path).map_err(|error| failed(&error))?;
            match file.try_lock() {
                Ok(()) => {}
                Err(fs::TryLockError::WouldBlock) => {
                    progress(Progress::Waiting);
                    file.lock().map_err(|error| failed(&error))?;
                }
                // A file system without locks: the rename at the end still lets only whole folders appear.
                Err(fs::TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {}
                Err(fs::TryLockError::Error(error)) => return Err(failed(&error)),
            }
            // Who held it before has removed it: then this is no longer the file that others lock.
            let same =
                file.metadata().ok().zip(fs::metadata(&path).ok()).is_some_and(|(a, b)| (a.dev(), a.ino()) == (b.dev(), b.ino()));
            if same {
                return Ok(Lock { path, _file: file });
            }
        }
    }

    fn prefix(&self) -> String {
        format!(".{}.partial-", self.name)
    }

    fn partial(&self) -> PathBuf {
        self.parent.join(format!("{}{}", self.prefix(), std::process::id()))
    }

    /// Removes what interrupted generations left. Only who holds the lock may.
    fn sweep(&self) {
        let prefix = self.prefix();
        for entry in fs::read_dir(&self.parent).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(&prefix) {
                // What cannot be removed does not stand in the way of a new folder.
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }

    /// Gives the whole folder its name.
    fn publish(&self, partial: &Path) -> io::Result<()> {
        let aside = self.parent.join(format!("{}old-{}", self.prefix(), std::process::id()));
        let replaces = self.folder.join(manifest::NAME).is_file();
        if replaces {
            fs::rename(&self.folder, &aside)?;
        }
        match fs::rename(partial, &self.folder) {
            // Without locks another process may have been first.
            Err(_) if manifest::is_complete(&self.folder, self.scale) => fs::remove_dir_all(partial)?,
            outcome => outcome?,
        }
        sync_folder(&self.parent)?;
        if replaces {
            let _ = fs::remove_dir_all(&aside);
        }
        Ok(())
    }

    /// A failure of the file system, in words that help.
    fn failed(&self, path: &Path, error: &io::Error) -> Error {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                let need = BYTES_AT_ONE * self.scale.factor();
                let need =
                    if need < 1e9 { format!("{:.0} MB", (need / 1e6).ceil()) } else { format!("{:.0} GB", (need / 1e9).ceil()) };
                let parent = self.parent.display();
                Error::new(Condition::DiskFull, format!("the disk is full: TPC-H at scale {} needs about {need} in {parent}", self.scale))
                    .hint("Make room there, choose a smaller scale, or another folder: tpch generate --out DIR, or XDG_DATA_HOME for serve.")
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Error::new(Condition::IoError, format!("may not write \"{}\": {error}", path.display()))
                    .hint("Choose another folder: tpch generate --out DIR, or XDG_DATA_HOME for serve.")
            }
            _ => Error::new(Condition::IoError, format!("could not write \"{}\": {error}", path.display())),
        }
    }
}

/// Held while a folder is generated; the file goes with it.
struct Lock {
    path: PathBuf,
    _file: File,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // A file that stays does no harm.
        let _ = fs::remove_file(&self.path);
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// One file's worth of a table.
struct Part {
    table: &'static Table,
    number: i32,
    count: i32,
}

impl Part {
    /// A table of one part is a file; otherwise it is a folder of them.
    fn path(&self) -> String {
        if self.count == 1 {
            return format!("{}.parquet", self.table.name);
        }
        let width = self.count.to_string().len().max(2);
        format!("{}/part-{:0width$}.parquet", self.table.name, self.number)
    }
}

/// Rows of a table at scale 1; those of lineitem are what they come to on average.
fn base_rows(table: &str) -> u64 {
    match table {
        "part" => 200_000,
        "supplier" => 10_000,
        "partsupp" => 800_000,
        "customer" => 150_000,
        "orders" => 1_500_000,
        "lineitem" => 6_000_000,
        _ => 0,
    }
}

fn expected_rows(table: &str, scale: Scale) -> u64 {
    match table {
        "nation" => 25,
        "region" => 5,
        _ => scale.rows(base_rows(table)),
    }
}

/// All parts, those of the largest tables first, so that the last ones to finish are small.
fn parts(scale: Scale) -> Vec<Part> {
    let mut tables: Vec<(u64, &'static Table)> = TABLES.iter().map(|table| (expected_rows(table.name, scale), table)).collect();
    tables.sort_by_key(|(rows, _)| std::cmp::Reverse(*rows));
    let of_table = |(rows, table): (u64, &'static Table)| {
        let count = rows.div_ceil(PART_ROWS).clamp(1, MOST_PARTS) as i32;
        (1..=count).map(move |number| Part { table, number, count })
    };
    tables.into_iter().flat_map(of_table).collect()
}

/// The rows of a part.
fn rows_of(part: &Part, scale: Scale) -> Result<Box<dyn RecordBatchReader>> {
    let (factor, number, count) = (scale.factor(), part.number, part.count);
    Ok(match part.table.name {
        "part" => Box::new(PartArrow::new(PartGenerator::new(factor, number, count)).with_batch_size(BATCH_ROWS)),
        "supplier" => Box::new(SupplierArrow::new(SupplierGenerator::new(factor, number, count)).with_batch_size(BATCH_ROWS)),
        "partsupp" => Box::new(PartSuppArrow::new(PartSuppGenerator::new(factor, number, count)).with_batch_size(BATCH_ROWS)),
        "customer" => Box::new(CustomerArrow::new(CustomerGenerator::new(factor, number, count)).with_batch_size(BATCH_ROWS)),
        "orders" => Box::new(OrderArrow::new(OrderGenerator::new(factor, number, count)).with_batch_size(BATCH_ROWS)),
        "lineitem" => Box::new(LineItemArrow::new(LineItemGenerator::new(factor, number, count)).with_batch_size(BATCH_ROWS)),
        "nation" => Box::new(NationArrow::new(NationGenerator::new(factor, number, count)).with_batch_size(BATCH_ROWS)),
        "region" => Box::new(RegionArrow::new(RegionGenerator::new(factor, number, count)).with_batch_size(BATCH_ROWS)),
        other => return Err(Error::internal(format!("no generator for table {other}"))),
    })
}

fn properties() -> WriterProperties {
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_statistics_enabled(EnabledStatistics::Chunk);
    let without = |properties: parquet::file::properties::WriterPropertiesBuilder, column: &&str| {
        properties.set_column_dictionary_enabled(ColumnPath::from(*column), false)
    };
    WITHOUT_DICTIONARY.iter().fold(properties, without).build()
}

/// Why a part was not written.
enum Fault {
    Io(io::Error),
    Other(String),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<ParquetError> for Fault {
    fn from(error: ParquetError) -> Self {
        match error {
            ParquetError::External(inner) => match inner.downcast::<io::Error>() {
                Ok(error) => Self::Io(*error),
                Err(inner) => Self::Other(inner.to_string()),
            },
            other => Self::Other(other.to_string()),
        }
    }
}

/// What all threads of a generation share.
struct Work<'a> {
    scale: Scale,
    folder: &'a Path,
    parts: Vec<Part>,
    next: AtomicU64,
    rows: AtomicU64,
    total: u64,
    stop: AtomicBool,
    fault: Mutex<Option<Error>>,
    written: Mutex<Vec<(usize, u64, DataFile)>>,
    progress: &'a (dyn Fn(Progress) + Sync),
}

impl Work<'_> {
    /// Writes parts until there are none left, or one of them failed.
    fn run(&self, place: &Place) {
        while !self.stop.load(Ordering::Relaxed) {
            let at = usize::try_from(self.next.fetch_add(1, Ordering::Relaxed)).unwrap_or(usize::MAX);
            let Some(part) = self.parts.get(at) else { return };
            let path = part.path();
            match self.write(part, &path) {
                Ok(Some((rows, bytes))) => lock(&self.written).push((at, rows, DataFile { path, bytes })),
                Ok(None) => return,
                Err(fault) => {
                    self.stop.store(true, Ordering::Relaxed);
                    let error = match fault {
                        Fault::Io(error) => place.failed(&self.folder.join(&path), &error),
                        Fault::Other(text) => Error::internal(format!("could not write table {}: {text}", part.table.name)),
                    };
                    lock(&self.fault).get_or_insert(error);
                    return;
                }
            }
        }
    }

    /// Writes one part: its rows and bytes, or none where it was stopped.
    fn write(&self, part: &Part, path: &str) -> std::result::Result<Option<(u64, u64)>, Fault> {
        let reader = rows_of(part, self.scale).map_err(|error| Fault::Other(error.message))?;
        let mut writer = ArrowWriter::try_new(File::create(self.folder.join(path))?, reader.schema(), Some(properties()))?;
        let mut rows = 0;
        for batch in reader {
            if self.stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let batch = batch.map_err(|error| Fault::Other(error.to_string()))?;
            writer.write(&batch)?;
            rows += batch.num_rows() as u64;
            let done = self.rows.fetch_add(batch.num_rows() as u64, Ordering::Relaxed) + batch.num_rows() as u64;
            (self.progress)(Progress::Rows { table: part.table.name, done, total: self.total.max(done) });
        }
        let file = writer.into_inner()?;
        file.sync_all()?;
        Ok(Some((rows, file.metadata()?.len())))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Writes everything into the folder `partial`.
fn fill(place: &Place, partial: &Path, threads: usize, progress: &(dyn Fn(Progress) + Sync)) -> Result<Manifest> {
    let failed = |error: &io::Error| place.failed(partial, error);
    fs::create_dir(partial).map_err(|error| failed(&error))?;
    let parts = parts(place.scale);
    for part in parts.iter().filter(|part| part.count > 1 && part.number == 1) {
        fs::create_dir(partial.join(part.table.name)).map_err(|error| failed(&error))?;
    }
    let work = Work {
        scale: place.scale,
        folder: partial,
        total: TABLES.iter().map(|table| expected_rows(table.name, place.scale)).sum(),
        parts,
        next: AtomicU64::new(0),
        rows: AtomicU64::new(0),
        stop: AtomicBool::new(false),
        fault: Mutex::new(None),
        written: Mutex::new(Vec::new()),
        progress,
    };
    let threads = threads.clamp(1, work.parts.len());
    let whole = thread::scope(|scope| {
        let work = &work;
        // A thread fewer than asked for is only slower: this one works too.
        let others: Vec<_> = (1..threads)
            .map_while(|_| thread::Builder::new().name("warpwise-tpch".to_owned()).spawn_scoped(scope, || work.run(place)).ok())
            .collect();
        work.run(place);
        others.into_iter().all(|thread| thread.join().is_ok())
    });
    if let Some(error) = lock(&work.fault).take() {
        return Err(error);
    }
    let mut written = std::mem::take(&mut *lock(&work.written));
    if !whole || written.len() != work.parts.len() {
        return Err(Error::internal("a thread that generates tables failed"));
    }
    progress(Progress::Syncing);
    written.sort_by_key(|(at, ..)| *at);
    let tables = TABLES.iter().map(|table| {
        let mine = written.iter().filter(|(at, ..)| work.parts[*at].table.name == table.name);
        let files = mine.clone().map(|(.., file)| file.clone()).collect();
        TableFiles { name: table.name.to_owned(), rows: mine.map(|(_, rows, _)| rows).sum(), files }
    });
    let manifest = Manifest { scale: place.scale, tables: tables.collect() };
    for part in work.parts.iter().filter(|part| part.count > 1 && part.number == 1) {
        sync_folder(&partial.join(part.table.name)).map_err(|error| failed(&error))?;
    }
    manifest.write(partial).and_then(|()| sync_folder(partial)).map_err(|error| failed(&error))?;
    Ok(manifest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder that goes with the test.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("warpwise-tpch-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&folder);
            Self(folder)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn small() -> Scale {
        Scale::new(0.001).unwrap()
    }

    #[test]
    fn a_generation_is_found_again_and_mended() {
        let folder = Folder::new("again");
        let target = folder.0.join("sf0.001");
        let last = Mutex::new(None);
        let made = generate(small(), &target, 2, &|progress| *last.lock().unwrap() = Some(progress)).unwrap();
        assert!(!made.found);
        assert_eq!(*last.lock().unwrap(), Some(Progress::Syncing));
        let rows = |name: &str| made.manifest.tables.iter().find(|table| table.name == name).unwrap().rows;
        assert_eq!([rows("region"), rows("nation"), rows("orders"), rows("lineitem")], [5, 25, 1500, 6005]);
        assert!(is_hidden_free(&folder.0), "something was left behind");

        let again = generate(small(), &target, 1, &|_| {}).unwrap();
        assert_eq!(again, Generated { manifest: made.manifest.clone(), found: true });

        fs::write(target.join("nation.parquet"), b"short").unwrap();
        assert!(!manifest::is_complete(&target, small()));
        assert_eq!(generate(small(), &target, 1, &|_| {}).unwrap(), made);
        assert!(manifest::is_complete(&target, small()));
        assert!(is_hidden_free(&folder.0), "something was left behind");
    }

    fn is_hidden_free(folder: &Path) -> bool {
        fs::read_dir(folder).unwrap().all(|entry| !entry.unwrap().file_name().to_string_lossy().starts_with('.'))
    }

    #[test]
    fn what_is_interrupted_is_swept() {
        let folder = Folder::new("swept");
        let left = folder.0.join(".data.partial-1");
        fs::create_dir_all(&left).unwrap();
        fs::write(left.join("lineitem.parquet"), b"half").unwrap();
        generate(small(), &folder.0.join("data"), 2, &|_| {}).unwrap();
        assert!(!left.exists());
    }

    #[test]
    fn two_at_once_are_safe() {
        let folder = Folder::new("two");
        let target = folder.0.join("data");
        let found: Vec<bool> = thread::scope(|scope| {
            let run = || generate(small(), &target, 1, &|_| {}).unwrap().found;
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(run)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(found.iter().filter(|found| !**found).count(), 1);
    }

    #[test]
    fn other_peoples_folders_stay() {
        let folder = Folder::new("others");
        fs::create_dir_all(&folder.0).unwrap();
        fs::write(folder.0.join("letter.txt"), b"dear").unwrap();
        let error = generate(small(), &folder.0, 1, &|_| {}).unwrap_err();
        assert!(error.message.ends_with("is not empty"), "{error}");
        assert!(folder.0.join("letter.txt").exists());
        let error = generate(small(), Path::new("/"), 1, &|_| {}).unwrap_err();
        assert_eq!(error.condition, Condition::IoError);
    }

    #[test]
    fn parts_depend_on_the_scale_alone() {
        let parts = parts(Scale::ONE);
        let lineitem: Vec<String> = parts.iter().filter(|part| part.table.name == "lineitem").map(Part::path).collect();
        assert_eq!(lineitem.len(), 12);
        assert_eq!(lineitem[0], "lineitem/part-01.parquet");
        assert_eq!(parts.last().unwrap().path(), "region.parquet");
    }
}
