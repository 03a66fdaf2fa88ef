//! `tpch run`: the queries in this process, timed, verified, and written down.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use warpwise_engine::tpch::{Manifest, Query, Scale, queries, verify};
use warpwise_engine::{Column, Engine, Error};
use warpwise_gpu::Discovery;

use super::record::Record;
use super::{make_folder, text};
use crate::cli::TpchRun;
use crate::data;
use crate::failure::Failure;
use crate::local::{Local, Row};
use crate::measure::{device_name, once, operators};
use crate::output::{note, say, seconds};
use crate::sql::write_csv_row;

/// The database that has the tables.
const DATABASE: &str = "tpch";

/// Runs what was asked for. It fails where any query did, or its answer is not the official one.
pub fn run(arguments: &TpchRun) -> Result<(), Failure> {
    let devices = data::discover(&arguments.device)?;
    let engine = data::start(&arguments.device, &arguments.resources)?;
    say(&devices.line())?;
    let scale = open(arguments, &engine)?;
    if arguments.verify && scale != Scale::ONE {
        return Err(Failure::new(format!("the official answers are for scale 1, and these tables have scale {scale}"))
            .hint("tpch run --scale 1 --verify"));
    }
    if let Some(folder) = &arguments.answers {
        make_folder(folder)?;
    }
    let mut json = match &arguments.json {
        Some(path) => Some((path, File::create(path).map_err(|error| Failure::of_file("write", path, &error))?)),
        None => None,
    };
    let mut session = Local::open(&engine, DATABASE)?;
    let all: Vec<u8> = (1..=queries::COUNT).collect();
    let numbers = arguments.queries.as_ref().map_or(all.as_slice(), |list| &list.0);
    let mut records: Vec<Record> = Vec::new();
    let mut failed = 0;
    for &number in numbers {
        match query(arguments, &devices, &mut session, number, scale)? {
            Ok(record) => {
                say(&record.line())?;
                if let Some(verdict) = &record.verdict {
                    failed += usize::from(!verdict.holds());
                    verdict.differences.iter().for_each(|difference| note(&format!("    {difference}")));
                }
                if let Some((path, file)) = &mut json {
                    writeln!(file, "{}", record.object()).map_err(|error| Failure::of_file("write", path, &error))?;
                }
                records.push(record);
            }
            Err(error) => {
                failed += 1;
                say(&format!("q{number:<3}FAILED: {}", error.message))?;
                for more in [error.detail, error.hint].into_iter().flatten() {
                    note(&format!("    {more}"));
                }
            }
        }
    }
    say(&summary(arguments, &records, numbers.len()))?;
    say("derived from TPC-H, not comparable with published results")?;
    match failed {
        0 => Ok(()),
        count => Err(Failure::new(format!("{count} of {} queries did not do what was asked", numbers.len()))),
    }
}

/// Opens the tables, and says at which scale they are.
fn open(arguments: &TpchRun, engine: &Engine) -> Result<Scale, Failure> {
    let Some(folder) = &arguments.data else {
        let (folder, line) = data::tpch(arguments.scale, data::threads(arguments.resources.threads))?;
        say(&line)?;
        engine.open_tpch(&folder)?;
        return Ok(arguments.scale);
    };
    engine.open_tpch(folder)?;
    let scale = match Manifest::read(folder) {
        Some(manifest) => manifest.scale,
        None => measure_scale(engine)?,
    };
    say(&format!("tpch scale {scale}: found in {}", folder.display()))?;
    Ok(scale)
}

/// The scale of tables that somebody else generated: ten thousand suppliers each.
fn measure_scale(engine: &Engine) -> Result<Scale, Failure> {
    let mut session = Local::open(engine, DATABASE)?;
    let runtime = session.runtime();
    let (_, rows) = runtime.block_on(session.query("select count(*) from supplier"))?;
    let count = rows.first().and_then(|row| row.first().cloned().flatten()).and_then(|text| text.parse::<f64>().ok());
    Ok(Scale::new(count.unwrap_or(0.0) / 10_000.0)?)
}

/// All runs of one query. The outer error ends everything, the inner one this query.
fn query(
    arguments: &TpchRun,
    devices: &Discovery,
    session: &mut Local,
    number: u8,
    scale: Scale,
) -> Result<Result<Record, Error>, Failure> {
    let mut record =
        Record { name: format!("q{number}"), device: device_name(&arguments.device.choice, devices), ..Record::default() };
    for run in 0..arguments.runs.get() {
        let seed = arguments.vary.map(|seed| seed.wrapping_add(run as u64));
        let query = text(number, seed, scale)?;
        let answer = match once(session, &query.text) {
            Ok(answer) => answer,
            Err(error) => return Ok(Err(error)),
        };
        record.runs.push(answer.times);
        let (first, last) = (run == 0, run + 1 == arguments.runs.get());
        let keep = arguments.answers.as_deref().filter(|_| first || last || seed.is_some());
        if keep.is_none() && !(first && arguments.verify) {
            continue;
        }
        let rows = match answer.rows(session) {
            Ok(rows) => rows,
            Err(error) => return Ok(Err(error)),
        };
        if let Some(folder) = keep {
            write_answer(folder, &query, run, &answer.columns, &rows)?;
        }
        if first && arguments.verify {
            record.verdict = verify::verify(number, &rows);
        }
    }
    if arguments.json.is_some() {
        // One more run, with every operator counted; its time is not taken.
        let query = text(number, arguments.vary, scale)?;
        record.operators = operators(session, &query.text);
    }
    Ok(Ok(record))
}

/// `q1.csv`; the last run too, as `q1-2.csv`, and with drawn parameters all between.
fn write_answer(folder: &Path, query: &Query, run: usize, columns: &[Column], rows: &[Row]) -> Result<(), Failure> {
    let name = if run == 0 { format!("{}.csv", query.name()) } else { format!("{}-{run}.csv", query.name()) };
    let path = folder.join(name);
    let write = || {
        let mut file = BufWriter::new(File::create(&path)?);
        write_csv_row(&mut file, columns.iter().map(|column| Some(column.name.as_str())))?;
        for row in rows {
            write_csv_row(&mut file, row.iter().map(Option::as_deref))?;
        }
        file.flush()
    };
    write().map_err(|error: std::io::Error| Failure::of_file("write", &path, &error))
}

/// The last line: how many, how long, how many of them verified.
fn summary(arguments: &TpchRun, records: &[Record], asked: usize) -> String {
    let cold: Duration = records.iter().filter_map(|record| record.runs.first()).map(|run| run.total).sum();
    let mut line = format!("{} of {asked} queries in {}", records.len(), seconds(cold));
    let hot: Vec<Duration> = records.iter().filter_map(Record::hot).collect();
    if !hot.is_empty() {
        line.push_str(&format!(", hot in {}", seconds(hot.iter().sum())));
    }
    if arguments.verify {
        let verified = records.iter().filter(|record| record.verdict.as_ref().is_some_and(verify::Verdict::holds)).count();
        line.push_str(&format!(", verified {verified} of {asked} against the official answers"));
    }
    line
}
