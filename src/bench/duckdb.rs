//! DuckDB beside Warpwise, where a Python has it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::failure::Failure;

/// What runs there.
const SCRIPT: &str = include_str!("duckdb.py");

/// A Python that has the package `duckdb`: the one that was asked for, or `python3`. The error says what is missing.
pub fn python(asked: Option<&Path>) -> Result<PathBuf, String> {
    let path = asked.unwrap_or(Path::new("python3"));
    let tried = Command::new(path).args(["-c", "import duckdb"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    match tried {
        Ok(status) if status.success() => Ok(path.to_owned()),
        Ok(_) => Err(format!("{} has no package duckdb (pip install duckdb, and --python PATH)", path.display())),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

/// Runs of queries in DuckDB.
pub struct Work<'a> {
    /// Which benchmark.
    pub suite: &'a str,
    /// How many threads it has.
    pub threads: usize,
    /// How often each query runs.
    pub runs: usize,
    /// The tables and the files of each.
    pub tables: Vec<(String, Vec<PathBuf>)>,
    /// The queries by name.
    pub queries: Vec<(String, String)>,
}

impl Work<'_> {
    /// The command that does it: what it is told goes to its standard input from `told`.
    pub fn command(&self, python: &Path, told: &Path) -> Result<Command, Failure> {
        let tables: serde_json::Map<String, Value> =
            self.tables.iter().map(|(name, files)| (name.clone(), json!(files))).collect();
        let text = json!({
            "suite": self.suite, "threads": self.threads, "runs": self.runs, "tables": tables, "queries": self.queries,
        });
        std::fs::write(told, text.to_string()).map_err(|error| Failure::of_file("write", told, &error))?;
        let input = std::fs::File::open(told).map_err(|error| Failure::of_file("read", told, &error))?;
        let mut command = Command::new(python);
        command.args(["-c", SCRIPT]).stdin(input);
        Ok(command)
    }
}

/// The Parquet files of a table below a folder: one file, or a folder of parts.
pub fn files(folder: &Path, table: &str) -> Vec<PathBuf> {
    let single = folder.join(format!("{table}.parquet"));
    if single.is_file() {
        return vec![single];
    }
    let entries = std::fs::read_dir(folder.join(table)).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "parquet"))
        .collect();
    found.sort();
    found
}
