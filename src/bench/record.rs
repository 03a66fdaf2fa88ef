//! What is known of one query of a benchmark: a line of the table, and a JSON object.

use std::time::Duration;

use serde_json::{Value, json};

use crate::measure::{Operators, Times, median, milliseconds};

/// All runs of one query.
#[derive(Debug, Default)]
pub struct Record {
    /// Which benchmark.
    pub suite: &'static str,
    /// `q1`.
    pub name: &'static str,
    /// Rows of the table.
    pub table_rows: u64,
    /// The first run and those after it.
    pub runs: Vec<Times>,
    /// The device that was asked for.
    pub device: String,
    /// The bytes a second that its memory gives.
    pub bandwidth: Option<f64>,
    /// Who did the work.
    pub operators: Operators,
    /// How the answer differs from DataFusion's, where that was asked for.
    pub difference: Option<Result<(), String>>,
}

impl Record {
    /// The first line of a table of records.
    pub fn head() -> String {
        format!(
            "{:<6}{:>11}{:>11}{:>12}{:>9}{:>11}{:>9}{:>9}{:>9}",
            "query", "first ms", "hot ms", "compile ms", "device", "offloaded", "GB/s", "of peak", "rows"
        )
    }

    fn first(&self) -> Times {
        self.runs.first().copied().unwrap_or_default()
    }

    /// The median of the hot runs.
    pub fn hot(&self) -> Option<Duration> {
        let hot: Vec<Duration> = self.runs.iter().skip(1).map(|run| run.total).collect();
        median(&hot)
    }

    /// Whether a device did all that takes more rows than the result has.
    fn offloaded(&self) -> bool {
        let rows = self.first().rows as u64;
        self.operators.offloaded(rows)
    }

    /// Bytes of columns that the device read, a second of the whole query in its hot median.
    fn rate(&self) -> Option<f64> {
        let hot = self.hot().filter(|hot| !hot.is_zero())?;
        (self.operators.bytes > 0).then(|| self.operators.bytes as f64 / hot.as_secs_f64())
    }

    fn share(&self) -> Option<f64> {
        Some(self.rate()? / self.bandwidth?)
    }

    /// One line for a person.
    pub fn line(&self) -> String {
        let first = self.first();
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let mut line = format!(
            "{:<6}{:>11.1}{:>11}{:>12.1}{:>9}{:>11}{:>9}{:>9}{:>9}",
            self.name,
            milliseconds(first.total),
            or_dash(self.hot().map(|hot| format!("{:.2}", milliseconds(hot)))),
            milliseconds(first.compile),
            self.device,
            if self.offloaded() { "yes" } else { "no" },
            or_dash(self.rate().map(|rate| format!("{:.1}", rate / 1e9))),
            or_dash(self.share().map(|share| format!("{:.0} %", share * 100.0))),
            first.rows,
        );
        match &self.difference {
            None => {}
            Some(Ok(())) => line.push_str("  verified"),
            Some(Err(why)) => line.push_str(&format!("  WRONG: {why}")),
        }
        line
    }

    /// One object.
    pub fn object(&self) -> Value {
        let first = self.first();
        let hot: Vec<f64> = self.runs.iter().skip(1).map(|run| milliseconds(run.total)).collect();
        json!({
            "suite": self.suite,
            "query": self.name,
            "table_rows": self.table_rows,
            "device": self.device,
            "cold_ms": milliseconds(first.total),
            "hot_ms": hot,
            "hot_median_ms": self.hot().map(milliseconds),
            "plan_ms": milliseconds(self.runs.last().copied().unwrap_or_default().plan),
            "compile_ms": milliseconds(first.compile),
            "compiled_hot": self.runs.iter().skip(1).map(|run| run.compiled).sum::<u64>(),
            "rows": first.rows,
            "offloaded": self.offloaded(),
            "host_rows": self.operators.host_rows,
            "left_to_datafusion": if self.operators == Operators::default() { vec!["all".to_owned()] } else { self.operators.host.clone() },
            "device_failures": self.operators.failures,
            "bytes": self.operators.bytes,
            "bytes_per_second": self.rate().map(f64::round),
            "share_of_bandwidth": self.share().map(|share| (share * 1e4).round() / 1e4),
            "verified": self.difference.as_ref().map(Result::is_ok),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_says_what_it_knows() {
        let run = |ms| Times { total: Duration::from_millis(ms), rows: 2, ..Times::default() };
        let operators = Operators { on_device: true, bytes: 20_000_000, ..Operators::default() };
        let record = Record {
            suite: "taxi",
            name: "q1",
            table_rows: 20_000_000,
            runs: vec![run(100), run(12), run(10), run(11)],
            device: "cpu".to_owned(),
            bandwidth: Some(1e10),
            operators,
            difference: Some(Ok(())),
        };
        let object = record.object();
        assert_eq!(object["hot_median_ms"], json!(11.0));
        assert_eq!(object["bytes_per_second"], json!(1_818_181_818.0));
        assert_eq!((&object["verified"], &object["offloaded"]), (&json!(true), &json!(true)));
        assert!(record.line().contains("1.8") && record.line().ends_with("verified"), "{}", record.line());
        assert_eq!(Record::head().len(), Record::default().line().len());
    }
}
