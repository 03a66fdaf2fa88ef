//! Tables of somebody's files: Parquet, CSV, JSON and Arrow, single or in folders. They are read, never written.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::arrow::ArrowFormat;
use datafusion::datasource::file_format::csv::CsvFormat;
use datafusion::datasource::file_format::json::JsonFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::execution::session_state::SessionState;

use super::database::Database;
use super::provider::FileTableProvider;
use super::relation::{Column, Relation, RelationKind, fresh, schema_of};
use super::state::Name;
use crate::error::{Condition, Error, Result};
use crate::exec::table_scan::{ScannedTable, TableRows};
use crate::tpch::schema;
use crate::types::{SqlType, TYPE_KEY};

/// A table found in a folder.
#[derive(Debug, Clone)]
pub struct FileTable {
    /// Its name: the file's or folder's, in lower case.
    pub name: String,
    /// Its columns with PostgreSQL's types.
    pub columns: Vec<Column>,
    /// Positions of its primary key's columns.
    pub primary_key: Vec<usize>,
    /// What scans it.
    pub provider: Arc<dyn TableProvider>,
    /// How many files it has.
    pub files: usize,
}

/// A format by a file's ending.
fn format_of(path: &Path) -> Option<(Arc<dyn FileFormat>, &'static str)> {
    let ending = path.extension()?.to_str()?.to_ascii_lowercase();
    Some(match ending.as_str() {
        "parquet" | "pq" => (Arc::new(ParquetFormat::default()), if ending == "pq" { "pq" } else { "parquet" }),
        "csv" => (Arc::new(CsvFormat::default().with_has_header(true)), "csv"),
        "tsv" => (Arc::new(CsvFormat::default().with_has_header(true).with_delimiter(b'\t')), "tsv"),
        "json" | "ndjson" | "jsonl" => (
            Arc::new(JsonFormat::default()),
            match ending.as_str() {
                "json" => "json",
                "ndjson" => "ndjson",
                _ => "jsonl",
            },
        ),
        "arrow" | "ipc" | "feather" => (
            Arc::new(ArrowFormat),
            match ending.as_str() {
                "arrow" => "arrow",
                "ipc" => "ipc",
                _ => "feather",
            },
        ),
        _ => return None,
    })
}

fn read_error(path: &Path, error: &std::io::Error) -> Error {
    let condition = if error.kind() == std::io::ErrorKind::NotFound { Condition::UndefinedFile } else { Condition::IoError };
    Error::new(condition, format!("could not read \"{}\": {error}", path.display()))
}

fn sorted_entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|e| read_error(folder, &e))? {
        let path = entry.map_err(|e| read_error(folder, &e))?.path();
        let hidden = path.file_name().and_then(|n| n.to_str()).is_none_or(|n| n.starts_with(['.', '_']));
        if !hidden {
            entries.push(path);
        }
    }
    entries.sort();
    Ok(entries)
}

/// Every table in a folder: a data file is one, and so is a folder of data files of one kind.
pub async fn discover(state: &SessionState, folder: &Path) -> Result<Vec<FileTable>> {
    if !folder.is_dir() {
        return Err(Error::new(Condition::UndefinedFile, format!("there is no folder \"{}\"", folder.display()))
            .hint("Give --data a folder that holds Parquet, CSV, JSON or Arrow files."));
    }
    let mut tables: Vec<FileTable> = Vec::new();
    for path in sorted_entries(folder)? {
        let (files, named_by) = if path.is_dir() {
            let inside: Vec<PathBuf> =
                sorted_entries(&path)?.into_iter().filter(|p| p.is_file() && format_of(p).is_some()).collect();
            (inside, path.file_name())
        } else if format_of(&path).is_some() {
            (vec![path.clone()], path.file_stem())
        } else {
            continue;
        };
        let Some(first) = files.first() else { continue };
        let Some((_, ending)) = format_of(first) else { continue };
        if let Some(other) = files.iter().find(|f| format_of(f).is_none_or(|(_, e)| e != ending)) {
            return Err(Error::new(
                Condition::DataException,
                format!("\"{}\" and \"{}\" are files of two kinds in one table's folder", first.display(), other.display()),
            )
            .hint("Keep one kind of file in a folder."));
        }
        let name = named_by.and_then(|n| n.to_str()).unwrap_or("unnamed").to_lowercase();
        if tables.iter().any(|t| t.name == name) {
            return Err(Error::new(
                Condition::DuplicateTable,
                format!("two files or folders under \"{}\" would both be table \"{name}\"", folder.display()),
            )
            .hint("Rename one of them."));
        }
        let provider = open(state, &name, &files, None).await?;
        tables.push(FileTable { name, columns: columns_of(&provider), primary_key: Vec::new(), provider, files: files.len() });
    }
    if tables.is_empty() {
        return Err(Error::new(
            Condition::UndefinedFile,
            format!("\"{}\" holds no Parquet, CSV, JSON or Arrow file", folder.display()),
        )
        .hint("Files are told apart by their endings: .parquet, .csv, .tsv, .json, .ndjson, .jsonl, .arrow, .ipc, .feather."));
    }
    Ok(tables)
}

/// Columns with the types that the files' own schema gives.
fn columns_of(provider: &Arc<dyn TableProvider>) -> Vec<Column> {
    let schema = provider.schema();
    let column = |field: &Arc<arrow::datatypes::Field>| Column {
        name: field.name().clone(),
        sql_type: match (SqlType::of_field(field), field.data_type()) {
            (t, arrow::datatypes::DataType::Decimal128(p, s) | arrow::datatypes::DataType::Decimal256(p, s)) if t.typmod < 0 => {
                SqlType::numeric(*p, *s)
            }
            (t, _) => t,
        },
        nullable: field.is_nullable(),
        default: None,
    };
    schema.fields().iter().map(column).collect()
}

/// Opens files of one kind as a table. With columns given, their PostgreSQL types are declared.
async fn open(
    state: &SessionState,
    name: &str,
    files: &[PathBuf],
    declared: Option<&[Column]>,
) -> Result<Arc<dyn TableProvider>> {
    let first = files.first().ok_or_else(|| Error::internal("a table without files"))?;
    let (format, ending) = format_of(first).ok_or_else(|| Error::internal("a file of no known kind"))?;
    let failed = |e: datafusion::error::DataFusionError| {
        let why = e.strip_backtrace();
        Error::new(
            Condition::IoError,
            format!(
                "could not read \"{}\" as {}: {}",
                first.display(),
                ending.to_uppercase(),
                why.lines().next().unwrap_or_default()
            ),
        )
        .hint("Move the file out of the folder, or mend it.")
    };
    let (mut urls, mut paths) = (Vec::new(), Vec::new());
    for file in files {
        let whole = std::fs::canonicalize(file).map_err(|e| read_error(file, &e))?;
        let text =
            whole.to_str().ok_or_else(|| Error::new(Condition::IoError, format!("\"{}\" is not UTF-8", file.display())))?;
        urls.push(ListingTableUrl::parse(text).map_err(failed)?);
        paths.push(whole.clone());
    }
    let options = ListingOptions::new(format).with_file_extension(ending);
    let config = ListingTableConfig::new_with_multi_paths(urls).with_listing_options(options);
    let mut config = config.infer_schema(state).await.map_err(failed)?;
    if let Some(declared) = declared {
        let inferred = config.file_schema.clone().ok_or_else(|| Error::internal("files without a schema"))?;
        let fields: Vec<_> = inferred
            .fields()
            .iter()
            .map(|field| match declared.iter().find(|c| c.name == *field.name()) {
                Some(column) => {
                    let mut metadata = field.metadata().clone();
                    metadata.insert(TYPE_KEY.to_owned(), column.sql_type.sql_name());
                    field.as_ref().clone().with_metadata(metadata).with_nullable(column.nullable)
                }
                None => field.as_ref().clone(),
            })
            .collect();
        config = config.with_schema(Arc::new(arrow::datatypes::Schema::new(fields)));
    }
    let table = ListingTable::try_new(config).map_err(failed)?;
    let cache = state.runtime_env().cache_manager.get_file_statistic_cache();
    let rows = match ending {
        "parquet" | "pq" => TableRows::Parquet(paths.clone()),
        "csv" | "tsv" => TableRows::Elsewhere("CSV files are read by DataFusion"),
        "json" | "ndjson" | "jsonl" => TableRows::Elsewhere("JSON files are read by DataFusion"),
        _ => TableRows::Elsewhere("Arrow files are read by DataFusion"),
    };
    let scanned = ScannedTable { name: name.to_owned(), owner: fresh(), lineage: None, schema: table.schema(), rows };
    Ok(Arc::new(FileTableProvider::new(scanned, paths, table.with_cache(cache))))
}

/// The eight TPC-H tables under a folder, each a file or a folder of files.
pub async fn tpch(state: &SessionState, folder: &Path) -> Result<Vec<FileTable>> {
    let mut tables = Vec::new();
    for table in schema::TABLES {
        let single = folder.join(format!("{}.parquet", table.name));
        let files = if single.is_file() {
            vec![single]
        } else {
            let parts = folder.join(table.name);
            let inside = if parts.is_dir() { sorted_entries(&parts)? } else { Vec::new() };
            inside.into_iter().filter(|p| p.extension().is_some_and(|e| e == "parquet")).collect()
        };
        if files.is_empty() {
            return Err(Error::new(Condition::UndefinedFile, format!("\"{}\" has no table {}", folder.display(), table.name))
                .hint("Generate the data again: warpwise tpch generate --scale 1 --out DIR"));
        }
        let columns: Vec<Column> = table
            .columns
            .iter()
            .map(|c| Column { name: c.name.to_owned(), sql_type: c.sql_type, nullable: false, default: None })
            .collect();
        let provider = open(state, table.name, &files, Some(&columns)).await?;
        tables.push(FileTable {
            name: table.name.to_owned(),
            columns,
            primary_key: table.primary_key.to_vec(),
            provider,
            files: files.len(),
        });
    }
    Ok(tables)
}

/// Puts a table of files into a database's schema `public`.
pub fn install(database: &Database, table: &FileTable) {
    let relation = Relation {
        oid: database.fresh_oid(),
        version: fresh(),
        schema: schema_of(&table.columns),
        columns: table.columns.clone().into(),
        kind: RelationKind::Files(Arc::clone(&table.provider)),
        primary_key: table.primary_key.clone(),
        owner: "postgres".to_owned(),
    };
    database.update(|state| {
        state.relations.insert(Name::new("public", table.name.clone()), Arc::new(relation));
    });
}
