//! A benchmark over one generated table: the table, then its queries one after the other.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use warpwise_engine::Engine;
use warpwise_engine::dataset::{Dataset, write_parquet};

use super::queries::{Query, statement};
use super::record::Record;
use crate::cli::Generated;
use crate::data;
use crate::failure::Failure;
use crate::local::{Local, Row};
use crate::measure::{bandwidth, device_name, difference, once, operators};
use crate::output::{grouped, note, say, seconds};
use crate::progress::Meter;

/// The database that gets the table.
const DATABASE: &str = "postgres";

/// A table and the queries over it.
pub struct Suite<'a> {
    /// What it is called.
    pub name: &'static str,
    /// The table.
    pub dataset: &'a dyn Dataset,
    /// Which of its columns are made.
    pub columns: Vec<usize>,
    /// The queries.
    pub queries: &'static [Query],
    /// The text of a query's run, the first being 0.
    pub text: &'a dyn Fn(&'static str, u64) -> String,
}

impl Suite<'_> {
    /// Does what was asked for. It fails where any query did, or where an answer is not DataFusion's.
    pub fn run(&self, arguments: &Generated) -> Result<(), Failure> {
        let threads = data::threads(arguments.resources.threads);
        if let Some(folder) = &arguments.out {
            return Ok(say(&self.write(folder, threads)?)?);
        }
        let devices = data::discover(&arguments.device)?;
        let engine = data::start(&arguments.device, &arguments.resources)?;
        say(&devices.line())?;
        let mut session = Local::open(&engine, DATABASE)?;
        let rows = match &arguments.data {
            Some(folder) => {
                say(&data::load(&engine, folder)?)?;
                self.count(&mut session)?
            }
            None => {
                say(&self.fill(&engine, threads)?)?;
                self.dataset.rows()
            }
        };
        let mut json = match &arguments.json {
            Some(path) => Some((path, File::create(path).map_err(|error| Failure::of_file("write", path, &error))?)),
            None => None,
        };
        say(&format!("\n{}", Record::head()))?;
        let device = device_name(&arguments.device.choice, &devices);
        let peak = bandwidth(&devices, &device);
        let mut failed = 0;
        for &(name, text) in self.queries {
            let mut record =
                Record { suite: self.name, name, table_rows: rows, device: device.clone(), bandwidth: peak, ..Record::default() };
            if let Err(error) = self.query(arguments, &mut session, text, &mut record) {
                failed += 1;
                say(&format!("{name:<6}FAILED: {}", error.message))?;
                for more in [error.detail, error.hint].into_iter().flatten() {
                    note(&format!("    {more}"));
                }
                continue;
            }
            failed += usize::from(matches!(record.difference, Some(Err(_))));
            say(&record.line())?;
            if let Some((path, file)) = &mut json {
                writeln!(file, "{}", record.object()).map_err(|error| Failure::of_file("write", path, &error))?;
            }
        }
        match failed {
            0 => Ok(()),
            count => Err(Failure::new(format!("{count} of {} queries did not do what was asked", self.queries.len()))),
        }
    }

    /// All runs of one query.
    fn query(
        &self,
        arguments: &Generated,
        session: &mut Local,
        text: &'static str,
        record: &mut Record,
    ) -> Result<(), warpwise_engine::Error> {
        let mut last = String::new();
        let mut rows: Vec<Row> = Vec::new();
        for run in 0..arguments.runs.get() as u64 {
            last = statement(&(self.text)(text, run));
            let answer = once(session, &last)?;
            record.runs.push(answer.times);
            if arguments.verify && run + 1 == arguments.runs.get() as u64 {
                rows = answer.rows(session)?;
            }
        }
        // One more run, with every operator counted; its time is not taken.
        record.operators = operators(session, &last);
        if arguments.verify {
            let expected = off(session, &last)?;
            record.difference = Some(difference(&expected, &rows).map_or(Ok(()), Err));
        }
        Ok(())
    }

    /// Makes the table in memory; one line says so.
    fn fill(&self, engine: &Engine, threads: usize) -> Result<String, Failure> {
        let began = Instant::now();
        let meter = Meter::new(self.dataset.name());
        let rows = self.dataset.rows();
        let made = engine.fill_table(DATABASE, self.dataset, &self.columns, threads, &|done| meter.reached(done, rows, "rows"));
        meter.finish();
        made?;
        let (name, columns, time) = (self.dataset.name(), self.columns.len(), seconds(began.elapsed()));
        Ok(format!("{name}: {} rows, {columns} columns, generated in {time} in memory", grouped(rows)))
    }

    /// Writes the table as Parquet; one line says so.
    fn write(&self, folder: &Path, threads: usize) -> Result<String, Failure> {
        let began = Instant::now();
        let meter = Meter::new(self.dataset.name());
        let rows = self.dataset.rows();
        let written = write_parquet(self.dataset, &self.columns, folder, threads, &|done| meter.reached(done, rows, "rows"));
        meter.finish();
        let megabytes = grouped(written?.div_ceil(1_000_000));
        let (name, columns, time) = (self.dataset.name(), self.columns.len(), seconds(began.elapsed()));
        let place = folder.join(name);
        let rows = grouped(rows);
        Ok(format!("{name}: {rows} rows, {columns} columns, {megabytes} MB, generated in {time} into {}", place.display()))
    }

    /// Rows of a table that is there.
    fn count(&self, session: &mut Local) -> Result<u64, Failure> {
        let runtime = session.runtime();
        let (_, rows) = runtime.block_on(session.query(&format!("select count(*) from {}", self.dataset.name())))?;
        let count = rows.first().and_then(|row| row.first()?.as_deref()?.parse().ok());
        count.ok_or_else(|| Failure::new(format!("table {} could not be counted", self.dataset.name())))
    }
}

/// A query's rows under `--device off`.
pub fn off(session: &mut Local, text: &str) -> Result<Vec<Row>, warpwise_engine::Error> {
    with_device(session, "off", |session| once(session, text)?.rows(session))
}

/// Does something while the session asks for a device.
pub fn with_device<T>(
    session: &mut Local,
    device: &str,
    work: impl FnOnce(&mut Local) -> Result<T, warpwise_engine::Error>,
) -> Result<T, warpwise_engine::Error> {
    session.command(&format!("set warpwise.device = '{device}'"))?;
    let outcome = work(session);
    session.command("reset warpwise.device")?;
    outcome
}
