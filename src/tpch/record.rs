//! What is known of one query's runs, for a person and as JSON.

use std::time::Duration;

use serde_json::{Value, json};
use warpwise_engine::tpch::verify::Verdict;

use crate::measure::{Operators, Times, milliseconds};

/// All runs of one query.
#[derive(Debug, Default)]
pub struct Record {
    /// `q1`.
    pub name: String,
    /// The first run and those after it.
    pub runs: Vec<Times>,
    /// The device: `cpu` or `off`.
    pub device: String,
    /// Who did the work.
    pub operators: Operators,
    /// What the comparison with the official answer came to, where one was asked for.
    pub verdict: Option<Verdict>,
}

impl Record {
    /// The shortest of the hot runs.
    pub fn hot(&self) -> Option<Duration> {
        self.runs.iter().skip(1).map(|run| run.total).min()
    }

    /// One line for a person.
    pub fn line(&self) -> String {
        let first = self.runs.first().copied().unwrap_or_default();
        let mut line = format!("{:<4}{:>10.1} ms", self.name, milliseconds(first.total));
        if let Some(hot) = self.hot() {
            line.push_str(&format!("  hot {:>10.1} ms", milliseconds(hot)));
        }
        let unit = if first.rows == 1 { "row " } else { "rows" };
        line.push_str(&format!("  {:>6} {unit}", first.rows));
        if let Some(verdict) = &self.verdict {
            if verdict.holds() {
                let unit = if verdict.cells == 1 { "value" } else { "values" };
                line.push_str(&format!("  verified: {} {unit}, {} to the last digit", verdict.cells, verdict.exact));
            } else {
                line.push_str(&format!("  WRONG: {} differences", verdict.wrong));
            }
        }
        line
    }

    /// Whether a device did all that takes more rows than the result has.
    fn offloaded(&self) -> bool {
        let rows = self.runs.first().map_or(0, |run| run.rows) as u64;
        self.operators.offloaded(rows)
    }

    /// One object. `compile_ms` is of the first run, and so is `compiled` where there is one run alone; of several, it counts
    /// what the runs after the first compiled: 0 where code serves all parameters.
    pub fn object(&self) -> Value {
        let first = self.runs.first().copied().unwrap_or_default();
        let hot: Vec<f64> = self.runs.iter().skip(1).map(|run| milliseconds(run.total)).collect();
        json!({
            "query": self.name,
            "cold_ms": milliseconds(first.total),
            "hot_ms": hot,
            "plan_ms": milliseconds(first.plan),
            "compile_ms": milliseconds(first.compile),
            "compiled": match self.runs.as_slice() {
                [] => 0,
                [only] => only.compiled,
                [_, hot @ ..] => hot.iter().map(|run| run.compiled).sum(),
            },
            "rows": first.rows,
            "device": self.device,
            "offloaded": self.offloaded(),
            "host_rows": self.operators.host_rows,
            "left_to_datafusion": if self.operators == Operators::default() { vec!["all".to_owned()] } else { self.operators.host.clone() },
            "verified": self.verdict.as_ref().map(Verdict::holds),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_object_has_its_keys() {
        let run = |ms| Times { total: Duration::from_millis(ms), plan: Duration::from_micros(1500), rows: 4, ..Times::default() };
        let record =
            Record { name: "q1".to_owned(), runs: vec![run(20), run(9), run(7)], device: "off".to_owned(), ..Record::default() };
        let object = record.object();
        let mut keys: Vec<&str> = object.as_object().unwrap().keys().map(String::as_str).collect();
        keys.sort_unstable();
        let mut wanted = [
            "query",
            "cold_ms",
            "hot_ms",
            "plan_ms",
            "compile_ms",
            "compiled",
            "rows",
            "device",
            "offloaded",
            "host_rows",
            "left_to_datafusion",
            "verified",
        ];
        wanted.sort_unstable();
        assert_eq!(keys, wanted);
        assert_eq!(object["hot_ms"], json!([9.0, 7.0]));
        assert_eq!(object["left_to_datafusion"], json!(["all"]));
        assert_eq!(object["verified"], Value::Null);
        assert_eq!(record.line(), "q1        20.0 ms  hot        7.0 ms       4 rows");
    }
}
