//! Running a query and seeing what it took: its times, its rows, and who did the work.

mod plan;

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::record_batch::RecordBatch;
use warpwise_engine::{Column, Error, Outcome, Source};
use warpwise_gpu::{Device, DeviceChoice, Discovery};

use crate::local::{Local, Row};

pub use plan::Operators;

/// One run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Times {
    /// From SQL text to last row.
    pub total: Duration,
    /// Of that, up to the analyzed and optimized statement.
    pub plan: Duration,
    /// How many rows there were.
    pub rows: usize,
    /// Kernels that were compiled for it.
    pub compiled: u64,
    /// How long that took.
    pub compile: Duration,
}

/// A result as it came.
pub struct Answer {
    /// Its columns.
    pub columns: Arc<[Column]>,
    /// Its rows.
    pub batches: Vec<RecordBatch>,
    /// What it took.
    pub times: Times,
}

impl Answer {
    /// Its rows as text.
    pub fn rows(&self, session: &Local) -> Result<Vec<Row>, Error> {
        let mut printer = session.printer(&self.columns);
        let mut rows = Vec::new();
        for batch in &self.batches {
            rows.extend(printer.rows(batch)?);
        }
        Ok(rows)
    }
}

/// Runs a query from its text to its last row.
pub fn once(session: &mut Local, text: &str) -> Result<Answer, Error> {
    let runtime = session.runtime();
    session.session.begin_statement();
    let work = async {
        let before = session.compiled();
        let began = Instant::now();
        let statement = session.session.parse(text)?.into_iter().next();
        let statement = statement.ok_or_else(|| Error::syntax("there is no statement"))?;
        let prepared = session.session.prepare(statement, &[]).await?;
        let planned = began.elapsed();
        let Outcome::Rows(mut rows) = session.session.execute(&prepared, Vec::new(), Source::Simple).await? else {
            return Err(Error::internal("a query gave no rows"));
        };
        let columns = Arc::clone(rows.columns());
        let mut batches = Vec::new();
        while let Some(batch) = rows.next().await? {
            batches.push(batch);
        }
        let total = began.elapsed();
        let after = session.compiled();
        let times = Times {
            total,
            plan: planned,
            rows: batches.iter().map(RecordBatch::num_rows).sum(),
            compiled: after.0 - before.0,
            compile: after.1.saturating_sub(before.1),
        };
        drop(rows);
        session.session.sync().await?;
        Ok(Answer { columns, batches, times })
    };
    let outcome = runtime.block_on(work);
    if outcome.is_err() {
        session.session.fail();
    }
    outcome
}

/// Who does a query's work, by EXPLAIN ANALYZE; nothing where that fails.
pub fn operators(session: &mut Local, text: &str) -> Operators {
    let runtime = session.runtime();
    match runtime.block_on(session.query(&format!("explain analyze {text}"))) {
        Ok((_, rows)) => plan::operators(rows.iter().filter_map(|row| row.first()?.as_deref())),
        Err(error) => {
            tracing::warn!(%error, "could not explain a query");
            Operators::default()
        }
    }
}

/// The device on which the queries of a choice run first; `off` where it is none.
pub fn device_name(choice: &DeviceChoice, found: &Discovery) -> String {
    let usable = || found.cuda.iter().flatten().filter(|device| device.unused_because().is_none());
    let first = match choice {
        DeviceChoice::Off | DeviceChoice::Cpu | DeviceChoice::Emulated => None,
        DeviceChoice::Auto => Some(usable().next().map_or_else(|| "cpu".to_owned(), Device::name)),
        DeviceChoice::Cuda(numbers) => {
            usable().find(|device| numbers.is_empty() || numbers.contains(&device.ordinal())).map(Device::name)
        }
    };
    first.unwrap_or_else(|| choice.to_string())
}

/// The bytes a second of the memory of a device of that name, measured now.
pub fn bandwidth(found: &Discovery, name: &str) -> Option<f64> {
    let device = found.devices().into_iter().find(|device| device.name() == name)?;
    device.measure_bandwidth().ok().map(|bandwidth| bandwidth.bytes_per_second)
}

/// A time in milliseconds, to the microsecond.
pub fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

/// The time in the middle; of an even number, the later of the two.
pub fn median(times: &[Duration]) -> Option<Duration> {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied()
}

/// Says how two answers differ; rows are compared in no order, numbers to nine digits where their text differs.
pub fn difference(expected: &[Row], found: &[Row]) -> Option<String> {
    if expected.len() != found.len() {
        return Some(format!("{} rows where {} were expected", found.len(), expected.len()));
    }
    let sorted = |rows: &[Row]| {
        let mut sorted = rows.to_vec();
        sorted.sort_by_cached_key(|row| key(row));
        sorted
    };
    let (expected, found) = (sorted(expected), sorted(found));
    let differs =
        |(a, b): &(&Row, &Row)| a.len() != b.len() || a.iter().zip(b.iter()).any(|(a, b)| !same(a.as_deref(), b.as_deref()));
    let (expected, found) = expected.iter().zip(&found).find(differs)?;
    Some(format!("{} where {} was expected", shown(found), shown(expected)))
}

/// What rows are sorted by: numbers with a point are cut short, since their last digits may differ.
fn key(row: &[Option<String>]) -> Vec<Option<String>> {
    let short = |text: &String| match text.parse::<f64>() {
        Ok(number) if text.contains(['.', 'e', 'E']) => format!("{number:.6e}"),
        Ok(_) | Err(_) => text.clone(),
    };
    row.iter().map(|value| value.as_ref().map(short)).collect()
}

fn same(a: Option<&str>, b: Option<&str>) -> bool {
    if a == b {
        return true;
    }
    let number =
        |text: Option<&str>| text.filter(|text| text.contains(['.', 'e', 'E'])).and_then(|text| text.parse::<f64>().ok());
    match (number(a).or_else(|| a?.parse().ok()), number(b).or_else(|| b?.parse().ok())) {
        // Whole numbers that are not equal as text are not equal.
        (Some(x), Some(y)) if number(a).is_some() || number(b).is_some() => (x - y).abs() <= 1e-9 * x.abs().max(y.abs()),
        (_, _) => false,
    }
}

fn shown(row: &[Option<String>]) -> String {
    let values: Vec<&str> = row.iter().map(|value| value.as_deref().unwrap_or("null")).collect();
    format!("({})", values.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(of: &[&[Option<&str>]]) -> Vec<Row> {
        of.iter().map(|row| row.iter().map(|value| value.map(str::to_owned)).collect()).collect()
    }

    #[test]
    fn answers_are_compared() {
        let a = rows(&[&[Some("1"), Some("0.1234567891")], &[None, Some("x")]]);
        let b = rows(&[&[None, Some("x")], &[Some("1"), Some("0.12345678910000001")]]);
        assert_eq!(difference(&a, &b), None);
        let wrong = rows(&[&[None, Some("x")], &[Some("1"), Some("0.1234")]]);
        assert!(difference(&a, &wrong).unwrap().contains("0.1234"));
        assert_eq!(difference(&a, &a[..1]).unwrap(), "1 rows where 2 were expected");
        let (large, larger) = (rows(&[&[Some("9007199254740993")]]), rows(&[&[Some("9007199254740992")]]));
        assert!(difference(&large, &larger).is_some());
    }

    #[test]
    fn the_middle_of_times() {
        let times = [3, 1, 2].map(Duration::from_millis);
        assert_eq!(median(&times), Some(Duration::from_millis(2)));
        assert_eq!(median(&[]), None);
    }
}
