//! `bench all`: a record of one machine, within minutes.
//!
//! Each part is a process of its own, this program again or a Python. One that fails, hangs or brings itself down costs the
//! record its figures and nothing else. What is known is written after every part.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use warpwise_engine::dataset::{Taxi, batches, places, taxi::READ_BY_QUERIES};
use warpwise_engine::tpch::{Scale, queries, schema};
use warpwise_gpu::{Device, Discovery};

use super::duckdb::{self, Work};
use super::page;
use super::queries::{TAXI, statement};
use crate::cli::BenchAll;
use crate::data;
use crate::devices;
use crate::failure::Failure;
use crate::measure::device_name;
use crate::output::{grouped, note, say, seconds};
use crate::paths;

/// The commit that was built: `WARPWISE_COMMIT=$(git rev-parse HEAD) cargo build --release` says it.
const COMMIT: Option<&str> = option_env!("WARPWISE_COMMIT");

/// All rides of the public benchmark.
const MOST_RIDES: u64 = 1_100_000_000;
/// Rides that every engine has: those of DuckDB are read from Parquet.
const RIDES_OF_PEERS: u64 = 20_000_000;
/// Bytes of a ride in memory: as generated, and as queries read it.
const BYTES_OF_RIDE: u64 = 52 + 14;
/// Bytes of a ride on a device.
const BYTES_ON_DEVICE: u64 = 16;

/// The record as it grows.
struct Recorder<'a> {
    arguments: &'a BenchAll,
    /// Where raw results and what was printed are kept.
    parts: PathBuf,
    ends: Instant,
    record: Value,
    failed: Vec<String>,
}

/// Makes the record. It fails where a part did.
pub fn run(arguments: &BenchAll) -> Result<(), Failure> {
    let began = Instant::now();
    if !(0.05..=600.0).contains(&arguments.minutes) {
        return Err(Failure::new(format!("{} minutes are too few or too many: 1 to 600", arguments.minutes)));
    }
    let found = data::discover(&arguments.device)?;
    let device = device_name(&arguments.device.choice, &found);
    let parts = arguments.record.join("parts");
    std::fs::create_dir_all(&parts).map_err(|error| Failure::of_file("make folder", &parts, &error))?;
    let ends = began + Duration::from_secs_f64(arguments.minutes * 60.0);
    say(&found.line())?;
    let python = duckdb::python(arguments.python.as_deref());
    let threads = data::threads(arguments.threads);
    let rows = arguments.rows.unwrap_or_else(|| rides(&found, &device, threads, arguments.minutes));
    let scale = arguments.scale.unwrap_or_else(|| scale(threads, arguments.minutes));
    let record = json!({
        "date": page::today(),
        "commit": COMMIT.unwrap_or("unknown"),
        "version": env!("CARGO_PKG_VERSION"),
        "device": device,
        "threads": threads,
        "machine": devices::object(&found),
        "taxi_rows": rows,
        "tpch_scale": scale.to_string(),
        "duckdb": python.as_ref().err().map_or(json!("there"), |why| json!(format!("not run: {why}"))),
        "note": "TPC-H figures are derived from TPC-H, and not comparable with published results",
        "parts": [],
        "selftest": null,
        "queries": [],
    });
    let mut recorder = Recorder { arguments, parts, ends, record, failed: Vec::new() };
    recorder.write()?;
    say(&format!(
        "device {device}, {threads} threads, {} rides, TPC-H scale {scale}, {} minutes",
        grouped(rows),
        arguments.minutes
    ))?;
    if let Err(why) = &python {
        say(&format!("DuckDB: not run: {why}"))?;
    }
    recorder.selftest(&device)?;
    recorder.taxi(&device, rows, python.as_deref().ok(), threads)?;
    recorder.tpch(&device, scale, python.as_deref().ok(), threads)?;
    recorder.record["seconds"] = json!(began.elapsed().as_secs());
    recorder.write()?;
    say(&format!("{} and record.json are in {}, after {}", page::NAME, arguments.record.display(), seconds(began.elapsed())))?;
    match recorder.failed.as_slice() {
        [] => Ok(()),
        failed => Err(Failure::new(format!("these parts did not do what was asked: {}", failed.join(", ")))
            .hint(format!("what they said is in {}", recorder.parts.display()))),
    }
}

/// How many rides memory and time allow.
fn rides(found: &Discovery, device: &str, threads: usize, minutes: f64) -> u64 {
    let host = found.cpu.memory().map_or(8 << 30, |memory| memory.free) / 100 * 65 / BYTES_OF_RIDE;
    let of_device = found.devices().into_iter().find(|candidate| candidate.name() == device);
    let on_device =
        of_device.and_then(|device| device.memory().ok()).map_or(u64::MAX, |memory| memory.free / 100 * 70 / BYTES_ON_DEVICE);
    // A sample says how fast rides are made. Encoding and the queries take about as long again.
    let sample = Taxi::new(1, 1 << 20);
    let began = Instant::now();
    let made = places(&sample, &READ_BY_QUERIES).and_then(|columns| batches(&sample, &columns, threads, &|_| {}));
    let rate = made.map_or(0.0, |_| (1 << 20) as f64 / began.elapsed().as_secs_f64());
    let in_time = (rate * minutes * 60.0 * 0.12) as u64;
    let rides = MOST_RIDES.min(host).min(on_device).min(in_time).max(1_000_000);
    // Two digits are enough.
    let step = 10u64.pow(rides.ilog10().saturating_sub(1));
    rides / step * step
}

/// A scale whose 22 queries, generation included, take less than half of the time.
fn scale(threads: usize, minutes: f64) -> Scale {
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kilobytes = memory.split_whitespace().nth(1).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    let factor = if threads >= 12 && kilobytes >> 20 >= 48 && minutes >= 8.0 {
        10.0
    } else if kilobytes >> 20 >= 6 && minutes >= 3.0 {
        1.0
    } else {
        0.1
    };
    Scale::new(factor).unwrap_or(Scale::ONE)
}

impl Recorder<'_> {
    fn selftest(&mut self, device: &str) -> Result<(), Failure> {
        let part = format!("selftest-{device}");
        let mut command = self.own(&["selftest", "--json", "--random", "200", "--device", device])?;
        if self.arguments.minutes < 2.0 {
            command.args(["--rows", "20k"]);
        }
        let printed = self.part(&part, 0.3, command)?;
        self.record["selftest"] = printed.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or(Value::Null);
        self.write()
    }

    fn taxi(&mut self, device: &str, rows: u64, python: Option<&Path>, threads: usize) -> Result<(), Failure> {
        self.rides(device, rows, 0.45)?;
        let few = rows.min(RIDES_OF_PEERS);
        if few < rows {
            self.rides(device, few, 0.2)?;
        }
        if device != "cpu" {
            self.rides("cpu", few, 0.2)?;
        }
        let Some(python) = python else { return Ok(()) };
        let folder = self.parts.join("taxi");
        let _ = std::fs::remove_dir_all(&folder);
        let mut command = self.own(&["bench", "taxi", "--rows", &few.to_string()])?;
        command.arg("--out").arg(&folder);
        if self.part("taxi-parquet", 0.2, command)?.is_some() {
            let tables = vec![("trips".to_owned(), duckdb::files(&folder, "trips"))];
            let queries = TAXI.iter().map(|(name, text)| ((*name).to_owned(), statement(text))).collect();
            self.duckdb("taxi-duckdb", python, &Work { suite: "taxi", threads, runs: 6, tables, queries }, few)?;
        }
        let _ = std::fs::remove_dir_all(&folder);
        Ok(())
    }

    /// The taxi queries on one device.
    fn rides(&mut self, device: &str, rows: u64, share: f64) -> Result<(), Failure> {
        let part = format!("taxi-{device}-{rows}");
        let json = self.parts.join(format!("{part}.json"));
        let mut command = self.own(&["bench", "taxi", "--rows", &rows.to_string(), "--device", device, "--vary", "1"])?;
        command.arg("--json").arg(&json);
        self.part(&part, share, command)?;
        self.queries(&json, "taxi", Some(rows))
    }

    fn tpch(&mut self, device: &str, scale: Scale, python: Option<&Path>, threads: usize) -> Result<(), Failure> {
        let mut command = self.own(&["tpch", "generate", "--scale", &scale.to_string()])?;
        let folder = paths::tpch_folder(scale)?;
        command.arg("--out").arg(&folder);
        if self.part("tpch-generate", 0.5, command)?.is_none() {
            return Ok(());
        }
        for device in [device, "cpu"].into_iter().take(if device == "cpu" { 1 } else { 2 }) {
            let part = format!("tpch-{device}");
            let json = self.parts.join(format!("{part}.json"));
            let mut command = self.own(&["tpch", "run", "--scale", &scale.to_string(), "--runs", "4", "--device", device])?;
            if scale == Scale::ONE {
                command.arg("--verify");
            }
            command.arg("--json").arg(&json);
            self.part(&part, 0.5, command)?;
            self.queries(&json, "tpch", None)?;
        }
        let Some(python) = python else { return Ok(()) };
        let tables = schema::TABLES.iter().map(|table| (table.name.to_owned(), duckdb::files(&folder, table.name))).collect();
        let texts = (1..=queries::COUNT).filter_map(|number| queries::validation(number, scale));
        let texts = texts.map(|query| (query.name(), query.text)).collect();
        self.duckdb("tpch-duckdb", python, &Work { suite: "tpch", threads, runs: 4, tables, queries: texts }, 0)
    }

    fn duckdb(&mut self, part: &str, python: &Path, work: &Work<'_>, rows: u64) -> Result<(), Failure> {
        let command = work.command(python, &self.parts.join(format!("{part}.told.json")))?;
        let printed = self.part(part, 0.5, command)?.unwrap_or_default();
        let json = self.parts.join(format!("{part}.json"));
        std::fs::write(&json, printed).map_err(|error| Failure::of_file("write", &json, &error))?;
        self.queries(&json, work.suite, (rows > 0).then_some(rows))
    }

    /// This program, with the threads that were asked for.
    fn own(&self, arguments: &[&str]) -> Result<Command, Failure> {
        let program =
            std::env::current_exe().map_err(|error| Failure::new(format!("this program's file is unknown: {error}")))?;
        let mut command = Command::new(program);
        command.args(arguments);
        if let Some(threads) = self.arguments.threads {
            command.args(["--threads", &threads.to_string()]);
        }
        Ok(command)
    }

    /// Runs a part within its share of the time that is left, and gives what it printed; none where it failed.
    fn part(&mut self, name: &str, share: f64, mut command: Command) -> Result<Option<String>, Failure> {
        let left = self.ends.saturating_duration_since(Instant::now());
        let limit = left.mul_f64(share).max(Duration::from_secs(10)).min(left);
        let began = Instant::now();
        let (outcome, printed) = if left < Duration::from_secs(2) {
            (Err("no time was left for it".to_owned()), String::new())
        } else {
            note(&format!("{name} …"));
            run_within(&mut command, &self.parts.join(format!("{name}.txt")), limit)
        };
        let why = outcome.err();
        say(&format!("{name}: {}", why.as_ref().map_or_else(|| seconds(began.elapsed()), Clone::clone)))?;
        if let Some(parts) = self.record["parts"].as_array_mut() {
            parts.push(json!({ "part": name, "seconds": (began.elapsed().as_secs_f64() * 10.0).round() / 10.0, "held": why.is_none(), "why": why }));
        }
        if why.is_some() {
            self.failed.push(name.to_owned());
        }
        self.write()?;
        // The self-test says what did not hold in what it prints.
        Ok(if why.is_none() || name.starts_with("selftest") { Some(printed) } else { None })
    }

    /// Adds the queries of a file of JSON lines.
    fn queries(&mut self, path: &Path, suite: &str, rows: Option<u64>) -> Result<(), Failure> {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        for mut query in text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
            query["suite"] = json!(suite);
            query["table_rows"] = json!(rows);
            if let Some(all) = self.record["queries"].as_array_mut() {
                all.push(query);
            }
        }
        self.write()
    }

    /// Writes both pages.
    fn write(&self) -> Result<(), Failure> {
        let files = [("record.json", format!("{:#}\n", self.record)), (page::NAME, page::markdown(&self.record))];
        for (name, text) in files {
            let path = self.arguments.record.join(name);
            std::fs::write(&path, text).map_err(|error| Failure::of_file("write", &path, &error))?;
        }
        Ok(())
    }
}

/// Runs a program, what it prints going to a file; it is ended after `limit`.
fn run_within(command: &mut Command, output: &Path, limit: Duration) -> (Result<(), String>, String) {
    let began = Instant::now();
    let started = File::create(output).and_then(|file| command.stdout(Stdio::from(file)).spawn());
    let mut child = match started {
        Ok(child) => child,
        Err(error) => return (Err(format!("it could not be started: {error}")), String::new()),
    };
    let outcome = loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => break Ok(()),
            Ok(Some(status)) => break Err(format!("it ended with {status}")),
            Ok(None) if began.elapsed() > limit => {
                // It is ours; it may have ended in between.
                let _ = child.kill();
                let _ = child.wait();
                break Err(format!("it was ended after {}", seconds(limit)));
            }
            Ok(None) => std::thread::sleep(Duration::from_millis(20)),
            Err(error) => break Err(format!("it was lost: {error}")),
        }
    };
    (outcome, std::fs::read_to_string(output).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_ended_in_time() {
        let output = std::env::temp_dir().join(format!("warpwise-part-{}", std::process::id()));
        let (outcome, printed) = run_within(Command::new("echo").arg("hello"), &output, Duration::from_secs(10));
        assert_eq!((outcome, printed.as_str()), (Ok(()), "hello\n"));
        let (outcome, _) = run_within(Command::new("sleep").arg("60"), &output, Duration::from_millis(100));
        assert_eq!(outcome, Err("it was ended after 100 ms".to_owned()));
        assert!(run_within(&mut Command::new("false"), &output, Duration::from_secs(10)).0.unwrap_err().contains('1'));
        let (outcome, _) = run_within(&mut Command::new("/nosuch/program"), &output, Duration::from_secs(1));
        assert!(outcome.unwrap_err().starts_with("it could not be started"));
        let _ = std::fs::remove_file(output);
    }

    #[test]
    fn scales_follow_from_time() {
        assert_eq!(scale(2, 0.5).to_string(), "0.1");
        assert!(["1", "0.1"].contains(&scale(2, 9.0).to_string().as_str()));
    }
}
