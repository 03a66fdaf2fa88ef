//! Every subcommand and flag, in one list. Help is generated from it.

mod bench;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use warpwise_engine::tpch::{Scale, queries};
use warpwise_gpu::DeviceChoice;

pub use bench::{BenchAll, BenchCommand, BenchSingle, BenchTaxi, Generated, Selftest};

/// An analytical SQL engine that speaks PostgreSQL.
#[derive(Debug, Parser)]
#[command(name = "warpwise", version, max_term_width = 100, subcommand_required = true, arg_required_else_help = true)]
#[command(after_help = "\
Examples:
  warpwise serve --tpch 1                    a PostgreSQL server with TPC-H at scale 1
  warpwise serve --data ./my-data            … with your Parquet, CSV, JSON and Arrow files
  warpwise sql --tpch 1                      the same tables in a shell of its own; no psql needed
  warpwise tpch run --scale 1 --verify       the 22 queries against the official answers
  warpwise selftest                          does this machine's GPU compute what it should?

warpwise COMMAND --help teaches one command.")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve tables to PostgreSQL clients: psql, JDBC, psycopg, …
    Serve(Serve),
    /// Run SQL in this process, from the command line, a file or a prompt
    Sql(Sql),
    /// Generate TPC-H, write its queries, run and verify them
    Tpch {
        /// What to do with it.
        #[command(subcommand)]
        command: TpchCommand,
    },
    /// Show the devices found, how fast their memory is, and why any is not used
    Devices(Devices),
    /// Check a device: its programs against an interpreter, its SQL against DataFusion
    Selftest(Selftest),
    /// Generate tables and time queries over them
    Bench {
        /// Which benchmark.
        #[command(subcommand)]
        command: BenchCommand,
    },
    /// Make a line for the password file of `serve`
    Password(Password),
}

/// `serve`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  warpwise serve --tpch 1
      Generates TPC-H at scale 1 the first time, finds it again later, then says how to connect.
  warpwise serve --data ./my-data --listen 127.0.0.1:6543
      Every Parquet, CSV, JSON or Arrow file in the folder, and every folder of such files, is a table.
  warpwise serve --listen 0.0.0.0:5432 --password-file users
      Other machines may connect, with the passwords of a file that `warpwise password` makes.

Without --listen it takes 127.0.0.1:5432, or the next free port. Ctrl-C ends it.")]
pub struct Serve {
    /// Where to listen [default: 127.0.0.1:5432, or the next free port]
    #[arg(long, value_name = "HOST:PORT")]
    pub listen: Option<String>,
    /// A folder whose data files become tables
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Have TPC-H at this scale; 1 is six million lineitem rows
    #[arg(long, value_name = "SF")]
    pub tpch: Option<Scale>,
    /// Where queries run
    #[command(flatten)]
    pub device: Device,
    /// Who may connect: a user and a SCRAM verifier a line (see `warpwise password --help`)
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// Let anyone who reaches the socket connect, also from other machines
    #[arg(long, conflicts_with = "password_file")]
    pub insecure: bool,
    /// How many clients may be connected at a time
    #[arg(long, value_name = "N", default_value = "400", value_parser = clap::value_parser!(u32).range(1..=262_143))]
    pub max_connections: u32,
    /// What all sessions have in common
    #[command(flatten)]
    pub resources: Resources,
}

/// `sql`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  warpwise sql --tpch 1
      A prompt over TPC-H at scale 1. Statements end with a semicolon; \\q ends it, \\? helps.
  warpwise sql --data ./my-data -c \"select count(*) from trips\"
      One answer, then the end.
  warpwise sql --tpch 0.01 -f report.sql --csv > report.csv
      The statements of a file, their rows as CSV.")]
pub struct Sql {
    /// Have TPC-H at this scale
    #[arg(long, value_name = "SF", conflicts_with = "data")]
    pub tpch: Option<Scale>,
    /// A folder whose data files become tables
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Run these statements and end; may be given more than once
    #[arg(short = 'c', long = "command", value_name = "SQL", conflicts_with = "file", allow_hyphen_values = true)]
    pub commands: Vec<String>,
    /// Run the statements of a file and end; - is standard input
    #[arg(short = 'f', long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Print rows as CSV instead of a table
    #[arg(long)]
    pub csv: bool,
    /// Where queries run
    #[command(flatten)]
    pub device: Device,
    /// What the session may use
    #[command(flatten)]
    pub resources: Resources,
}

/// `tpch`.
#[derive(Debug, Subcommand)]
pub enum TpchCommand {
    /// Write the eight tables as Parquet files
    Generate(TpchGenerate),
    /// Write the 22 query texts
    Queries(TpchQueries),
    /// Time the queries in this process, and verify their answers
    Run(TpchRun),
}

/// `tpch generate`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  warpwise tpch generate --scale 1 --out ./sf1
      About 330 MB. Other engines can read them too: one file or one folder of files a table.
  warpwise tpch run --data ./sf1 --verify
      Uses them.

The folder appears whole or not at all: an interrupted generation leaves nothing that looks finished.")]
pub struct TpchGenerate {
    /// The scale factor; 1 is six million lineitem rows
    #[arg(long, value_name = "SF")]
    pub scale: Scale,
    /// The folder to make
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// How many threads generate [default: one a core]
    #[arg(long, value_name = "N")]
    pub threads: Option<NonZeroUsize>,
}

/// `tpch queries`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  warpwise tpch queries --out ./queries
      q1.sql to q22.sql with the parameters of the specification's validation runs.
  warpwise tpch queries --vary 7 --out ./queries-7
      The same with parameters drawn from seed 7, by the specification's rules of substitution.")]
pub struct TpchQueries {
    /// Draw parameters from this seed
    #[arg(long, value_name = "SEED")]
    pub vary: Option<u64>,
    /// The scale that the texts are for: one parameter of Q11 depends on it
    #[arg(long, value_name = "SF", default_value = "1")]
    pub scale: Scale,
    /// The folder to write them to
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

/// `tpch run`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  warpwise tpch run --scale 1 --verify
      Runs all 22 and compares every value with the official answers.
  warpwise tpch run --scale 10 --queries 1,6 --runs 5 --json times.json
      One cold run and four hot ones of Q1 and Q6; a JSON object a line.
  warpwise tpch run --scale 1 --vary 7 --runs 3 --answers ./answers
      Run i uses the parameters that `warpwise tpch queries --vary 7+i` writes; rows go to CSV files.

Times are from SQL text to last row, planning included. The first run of each query is its cold one.
They are derived from TPC-H, and not comparable with published results.")]
pub struct TpchRun {
    /// The scale factor; generated the first time
    #[arg(long, value_name = "SF", conflicts_with = "data", default_value = "1")]
    pub scale: Scale,
    /// A folder with the eight tables, such as `tpch generate` makes
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Which queries, as 1,6 or 1-5,22 [default: all]
    #[arg(long, value_name = "LIST", value_parser = query_list)]
    pub queries: Option<QueryList>,
    /// How often each runs: once cold, then hot
    #[arg(long, value_name = "N", default_value = "1")]
    pub runs: NonZeroUsize,
    /// Compare every value with the official answers; they are for scale 1
    #[arg(long, conflicts_with = "vary")]
    pub verify: bool,
    /// Draw parameters: run i from this seed plus i
    #[arg(long, value_name = "SEED")]
    pub vary: Option<u64>,
    /// Write each query's rows as CSV into this folder
    #[arg(long, value_name = "DIR")]
    pub answers: Option<PathBuf>,
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

/// `devices`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  warpwise devices
  warpwise devices --json

Measuring takes a second or two, and up to a quarter of the free memory of each device for that time.")]
pub struct Devices {
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// `password`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  warpwise password --user ann >> users
      Asks for the password, and appends ann's line to the file.
  printf %s \"$SECRET\" | warpwise password --user ann >> users
  warpwise serve --listen 0.0.0.0:5432 --password-file users

The line holds no password, but what proves one: keep the file to the server alone.")]
pub struct Password {
    /// The user's name
    #[arg(long, value_name = "NAME")]
    pub user: String,
}

/// Where queries run.
#[derive(Debug, Args)]
pub struct Device {
    /// Where queries run: auto, cpu, cuda, cuda:0,1, emulated or off
    #[arg(long = "device", value_name = "D", default_value = "auto")]
    pub choice: DeviceChoice,
}

/// What an engine may use, and its settings.
#[derive(Debug, Args)]
pub struct Resources {
    /// Memory for queries, as 512MB or 8GB [default: three quarters of the machine's]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub memory: Option<usize>,
    /// Threads for queries [default: one a core]
    #[arg(long, value_name = "N")]
    pub threads: Option<NonZeroUsize>,
    /// A setting that every session starts with, as statement_timeout=30s; may be given more than once
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
    pub settings: Vec<(String, String)>,
}

/// Numbers of queries, ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryList(pub Vec<u8>);

fn query_list(text: &str) -> Result<QueryList, String> {
    let number = |text: &str| {
        let number = text.trim().trim_start_matches(['q', 'Q']).parse::<u8>().ok();
        number.filter(|number| (1..=queries::COUNT).contains(number)).ok_or_else(|| format!("there is no query \"{text}\""))
    };
    let mut all = Vec::new();
    for item in text.split(',') {
        match item.split_once('-') {
            Some((first, last)) => all.extend(number(first)?..=number(last)?),
            None => all.push(number(item)?),
        }
    }
    all.sort_unstable();
    all.dedup();
    if all.is_empty() { Err("the list is empty".to_owned()) } else { Ok(QueryList(all)) }
}

/// A number of bytes with PostgreSQL's units, which go by 1024.
fn size(text: &str) -> Result<usize, String> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let shift = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        _ => return Err(format!("\"{unit}\" is not a unit: kB, MB, GB or TB")),
    };
    let number: f64 = number.parse().map_err(|_| format!("\"{text}\" is not a size"))?;
    let bytes = number * (1u64 << shift) as f64;
    if !(1e6..1e18).contains(&bytes) {
        return Err(format!("\"{text}\" is not a sensible size: 64MB or more"));
    }
    Ok(bytes as usize)
}

fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.trim().to_owned())),
        Some(_) | None => Err("a setting is given as NAME=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_list_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn lists_of_queries() {
        assert_eq!(query_list("6,1,6").unwrap().0, [1, 6]);
        assert_eq!(query_list("q20-22, 3").unwrap().0, [3, 20, 21, 22]);
        for text in ["", "0", "23", "1,", "5-2", "x", "1-2-3"] {
            assert!(query_list(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(size("512MB"), Ok(512 << 20));
        assert_eq!(size("1.5 gb"), Ok(3 << 29));
        assert_eq!(size("67108864"), Ok(64 << 20));
        for text in ["", "MB", "12", "8XB", "-1GB", "1e30", "1.2.3GB", "999999999TB"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn settings_have_a_name() {
        assert_eq!(setting("a = b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert!(setting("a").is_err() && setting("=b").is_err());
    }
}
