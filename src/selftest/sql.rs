//! SQL over generated tables: the device's rows are DataFusion's, and the device did give them.

use warpwise_engine::dataset::{Dataset, Hits, Taxi, places};
use warpwise_engine::{Engine, Error};
use warpwise_gpu::{Device, DeviceChoice};

use super::Part;
use crate::bench::queries::{SINGLE, TAXI, statement};
use crate::bench::with_device;
use crate::cli::{self, Selftest};
use crate::data;
use crate::failure::Failure;
use crate::local::{Local, Row};
use crate::measure::{difference, once, operators};
use crate::progress::Meter;

/// The database that gets the tables.
const DATABASE: &str = "postgres";

/// Queries that the benchmarks do not have, a paragraph each.
const MORE: &str = include_str!("queries.sql");

/// The queries of the benchmarks, and more.
pub fn queries(arguments: &Selftest, device: &dyn Device) -> Result<Part, Failure> {
    let choice: DeviceChoice = device.name().parse()?;
    let engine = data::start(&cli::Device { choice }, &arguments.resources)?;
    fill(arguments, &engine)?;
    let mut session = Local::open(&engine, DATABASE)?;
    let texts = texts();
    let meter = Meter::new(format!("{}: sql", device.name()));
    let (mut failures, mut ran) = (Vec::new(), 0);
    for (at, text) in texts.iter().enumerate() {
        match check(&mut session, &device.name(), text) {
            Ok(on_device) => ran += usize::from(on_device),
            Err(why) => failures.push(format!("{why}\n{text}")),
        }
        meter.reached(at as u64 + 1, texts.len() as u64, "queries");
    }
    meter.finish();
    if ran == 0 && failures.is_empty() {
        failures.push("no query ran on the device".to_owned());
    }
    let checked = format!("{} queries, {ran} of them on the device", texts.len());
    Ok(Part { name: "sql", checked, count: texts.len() - failures.len(), failures, ..Part::default() })
}

fn texts() -> Vec<String> {
    let files = TAXI.iter().chain(SINGLE).map(|(_, text)| statement(text));
    files.chain(MORE.split("\n\n").map(statement).filter(|text| !text.is_empty())).collect()
}

/// The tables of rides and of page views, whole.
fn fill(arguments: &Selftest, engine: &Engine) -> Result<(), Failure> {
    let (taxi, hits) = (Taxi::new(arguments.seed, arguments.rows), Hits::new(arguments.seed, arguments.rows));
    let threads = data::threads(arguments.resources.threads);
    let datasets: [&dyn Dataset; 2] = [&taxi, &hits];
    for dataset in datasets {
        engine.fill_table(DATABASE, dataset, &places(dataset, &[])?, threads, &|_| {})?;
    }
    Ok(())
}

/// Says whether a device took part in a query; an error where its answer is wrong, or where it failed and another answered.
fn check(session: &mut Local, device: &str, text: &str) -> Result<bool, String> {
    let rows = |session: &mut Local, device: &str| -> Result<Vec<Row>, Error> {
        with_device(session, device, |session| once(session, text)?.rows(session))
    };
    let expected = rows(session, "off");
    let found = rows(session, device);
    match (&expected, &found) {
        (Ok(expected), Ok(found)) => {
            if let Some(why) = difference(expected, found) {
                return Err(why);
            }
        }
        (Err(expected), Err(found)) if expected.condition == found.condition => return Ok(true),
        (Ok(_), Err(error)) => return Err(format!("it fails: {}", error.message)),
        (Err(error), _) => return Err(format!("without the device it fails differently: {}", error.message)),
    }
    let found = with_device(session, device, |session| Ok(operators(session, text))).map_err(|error| error.message)?;
    match found.failures.first() {
        Some(why) => Err(format!("the device did not run it: {why}")),
        None => Ok(found.on_device),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_texts() {
        let texts = texts();
        assert!(texts.len() > 60, "{}", texts.len());
        assert!(texts.iter().all(|text| text.starts_with("select ") && !text.contains(';')), "{texts:?}");
    }
}
