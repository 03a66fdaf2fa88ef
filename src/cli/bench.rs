//! `bench` and `selftest`: their flags.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use warpwise_engine::tpch::Scale;

use super::{Device, Resources};

/// `bench`.
#[derive(Debug, Subcommand)]
pub enum BenchCommand {
    /// The four queries of the benchmark over 1.1 billion taxi rides, over as many generated rides as asked for
    Taxi(BenchTaxi),
    /// Thirty queries over one generated table of page views with 40 columns
    Single(BenchSingle),
    /// The self-test, the taxi rides and TPC-H within minutes; one JSON and one Markdown page
    All(BenchAll),
}

/// What the benchmarks over one generated table have in common.
#[derive(Debug, Args)]
pub struct Generated {
    /// The seed of the rows
    #[arg(long, value_name = "SEED", default_value = "1")]
    pub seed: u64,
    /// Write the table as Parquet into this folder, and run nothing
    #[arg(long, value_name = "DIR", conflicts_with_all = ["data", "verify", "json"])]
    pub out: Option<PathBuf>,
    /// Read the table from a folder that --out wrote, in the place of generating it in memory
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// How often each query runs: once cold, then hot
    #[arg(long, value_name = "N", default_value = "6")]
    pub runs: NonZeroUsize,
    /// Compare every answer with that of `--device off`
    #[arg(long)]
    pub verify: bool,
    /// Write one JSON object a query, a line each
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Where queries run
    #[command(flatten)]
    pub device: Device,
    /// What the session may use
    #[command(flatten)]
    pub resources: Resources,
}

/// `bench taxi`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  warpwise bench taxi --rows 20M
      Generates 20 million rides in memory, with the columns that the four queries read, and runs each
      query six times: once cold, with loading and compiling, and five times hot.
  warpwise bench taxi --rows 1.1B --device cuda --verify
      All of the public benchmark's rides on a GPU; answers compared with those of the CPU's DataFusion.
      Four columns of a ride take about 52 bytes in memory and 14 where queries read them.
  warpwise bench taxi --rows 20M --out ./taxi
      The same rides as Parquet, in ./taxi/trips, for other engines; --data ./taxi reads them again.

Values are drawn: the same seed gives the same rides on every machine. They have the public table's columns
and types; years, hours, passengers, distances and amounts are distributed plausibly, and are not its own.")]
pub struct BenchTaxi {
    /// How many rides, as 20M or 1.1B
    #[arg(long, value_name = "N", default_value = "20M", value_parser = count, conflicts_with = "data")]
    pub rows: u64,
    /// Generate all 51 columns, also those that no query reads
    #[arg(long)]
    pub all_columns: bool,
    /// Draw a condition for every run, from this seed and the run's number, so that no answer is known before
    #[arg(long, value_name = "SEED")]
    pub vary: Option<u64>,
    /// What it shares with others
    #[command(flatten)]
    pub generated: Generated,
}

/// `bench single`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  warpwise bench single --rows 1M --verify
      Generates a million page views in memory, runs thirty queries, and compares with `--device off`.
  warpwise bench single --rows 10M --out ./single
      Writes them as Parquet, in ./single/hits, for other engines; --data ./single reads them again.

The queries are in the manner of the public web analytics benchmarks: filters, LIKE, groups of strings and
numbers with few and with many values, distinct counts, the largest groups, times in steps, HAVING.")]
pub struct BenchSingle {
    /// How many page views, as 10M
    #[arg(long, value_name = "N", default_value = "10M", value_parser = count, conflicts_with = "data")]
    pub rows: u64,
    /// What it shares with others
    #[command(flatten)]
    pub generated: Generated,
}

/// `bench all`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  warpwise bench all --record ./record
      Everything on the best device, and beside it on the CPU; results in ./record/record.json and
      ./record/record.md, which name the device, its driver, the date and the commit.
  warpwise bench all --record ./record --device cuda --python venv/bin/python
      … on a GPU, and in DuckDB on the same cores, where that Python has it (pip install duckdb).

Each part runs in a process of its own, within its share of the minutes; a part that fails or takes too long
is named in the record, and the others run. The number of rides follows from the memory of the machine and
of the device, and from how fast rides are generated.")]
pub struct BenchAll {
    /// The folder for the record
    #[arg(long, value_name = "DIR")]
    pub record: PathBuf,
    /// How long all of it may take
    #[arg(long, value_name = "N", default_value = "9")]
    pub minutes: f64,
    /// How many taxi rides, as 100M [default: as many as memory and time allow, at most 1.1B]
    #[arg(long, value_name = "N", value_parser = count)]
    pub rows: Option<u64>,
    /// TPC-H's scale [default: 10 on a large machine, else 1, less for few minutes]
    #[arg(long, value_name = "SF")]
    pub scale: Option<Scale>,
    /// A Python with the package duckdb, to run the same queries in DuckDB [default: python3, where it has it]
    #[arg(long, value_name = "PATH")]
    pub python: Option<PathBuf>,
    /// Where queries run
    #[command(flatten)]
    pub device: Device,
    /// Threads for queries, and for DuckDB [default: one a core]
    #[arg(long, value_name = "N")]
    pub threads: Option<NonZeroUsize>,
}

/// `selftest`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  warpwise selftest
      Checks every device that is found: a line for each part, and what differed. It takes a minute.
  warpwise selftest --device cuda:0 --random 2000
      A GPU alone, with more random programs. Where it is not there, that is said, and the status is 1.
  warpwise selftest --device emulated
      The GPU's code without a GPU, built by the host's C++ compiler.

Three parts: the row programs that come with Warpwise, whose results are written beside them; random row programs,
compared with a slow and obvious interpreter; and SQL over generated tables, compared with DataFusion alone.
Status 0 says that all of it held.")]
pub struct Selftest {
    /// What to check: auto (every device found), cpu, cuda, cuda:0 or emulated
    #[command(flatten)]
    pub device: Device,
    /// How many random programs
    #[arg(long, value_name = "N", default_value = "300")]
    pub random: u64,
    /// The seed of the first random program, and of the tables
    #[arg(long, value_name = "SEED", default_value = "1")]
    pub seed: u64,
    /// Rows of each table for SQL, as 200k
    #[arg(long, value_name = "N", default_value = "200k", value_parser = count)]
    pub rows: u64,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    /// What a session may use
    #[command(flatten)]
    pub resources: Resources,
}

/// A number of rows: 1000, 200k, 20M or 1.1B.
fn count(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let (number, factor) = match text.as_bytes().last() {
        Some(b'k' | b'K') => (&text[..text.len() - 1], 1e3),
        Some(b'm' | b'M') => (&text[..text.len() - 1], 1e6),
        Some(b'b' | b'B') => (&text[..text.len() - 1], 1e9),
        Some(_) | None => (text, 1.0),
    };
    let wrong = || format!("\"{text}\" is not a number of rows, such as 1000, 200k, 20M or 1.1B");
    let number = number.replace([',', '_'], "");
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return Err(wrong());
    }
    let rows = number.parse::<f64>().map_err(|_| wrong())? * factor;
    // A ride's number is an integer of 32 bits.
    if (1.0..=2_147_483_647.0).contains(&rows) {
        Ok(rows.round() as u64)
    } else {
        Err(format!("{text} is not between 1 and 2,147,483,647"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_letters() {
        assert_eq!(
            ["1000", "200k", "20M", "1.1B", "1_000", "20,000"].map(count),
            [1000, 200_000, 20_000_000, 1_100_000_000, 1000, 20_000].map(Ok)
        );
        for text in ["", "k", "-1", "0", "3B", "x", "1.2.3", "1e5", "nan"] {
            assert!(count(text).is_err(), "{text}");
        }
    }
}
