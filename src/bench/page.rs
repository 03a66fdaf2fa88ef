//! The record as a page for a person.

use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::output::grouped;

/// The page's name.
pub const NAME: &str = "record.md";

/// The page of a record.
pub fn markdown(record: &Value) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut page = String::new();
    let mut line = |line: String| {
        page.push_str(&line);
        page.push('\n');
    };
    let device = text(&record["device"]);
    line(format!("# Warpwise {} on {}\n", text(&record["version"]), model(record, &device)));
    line("| | |\n|---|---|".to_owned());
    line(format!("| date | {} |", text(&record["date"])));
    line(format!("| commit | {} |", text(&record["commit"])));
    line(format!("| device | `{device}`: {} |", model(record, &device)));
    for (name, value) in properties(record, &device) {
        line(format!("| {name} | {value} |"));
    }
    line(format!("| processor | {}, {} threads |", model(record, "cpu"), record["threads"]));
    line(format!("| seconds | {} |", record["seconds"]));
    line(format!("\n## Self-test\n\n{}", selftest(&record["selftest"])));
    let all = record["queries"].as_array().map_or(&[][..], Vec::as_slice);
    let mut sizes: Vec<u64> =
        all.iter().filter(|query| query["suite"] == "taxi").filter_map(|query| query["table_rows"].as_u64()).collect();
    sizes.sort_unstable();
    sizes.dedup();
    for rows in sizes.into_iter().rev() {
        line(format!("\n## Taxi rides: {} rows\n", grouped(rows)));
        let of_size: Vec<&Value> = all.iter().filter(|query| query["suite"] == "taxi" && query["table_rows"] == rows).collect();
        line(table(&of_size));
    }
    let tpch: Vec<&Value> = all.iter().filter(|query| query["suite"] == "tpch").collect();
    if !tpch.is_empty() {
        line(format!(
            "\n## TPC-H, scale {}\n\nDerived from TPC-H, and not comparable with published results.\n",
            text(&record["tpch_scale"])
        ));
        line(table(&tpch));
    }
    line("\n## Parts\n\n| part | seconds | |\n|---|---|---|".to_owned());
    for part in record["parts"].as_array().into_iter().flatten() {
        let why = part["why"].as_str().unwrap_or("held");
        line(format!("| {} | {} | {why} |", text(&part["part"]), part["seconds"]));
    }
    line("\nTimes are milliseconds from SQL text to last row, planning included: the first run, with loading and compiling, and the \
          median of the runs after it. GB/s are the bytes of columns that the device read, in the time of the whole query; the share \
          is of the bandwidth that `warpwise devices` measures. A query is offloaded where DataFusion handles no more rows than the \
          result has."
        .to_owned());
    page
}

fn of_device<'a>(record: &'a Value, name: &str) -> Option<&'a Value> {
    record["machine"]["devices"].as_array()?.iter().find(|device| device["name"] == name)
}

fn model(record: &Value, name: &str) -> String {
    of_device(record, name).and_then(|device| device["model"].as_str()).unwrap_or(name).to_owned()
}

/// What is said of a device: its driver among it, and what its memory gives.
fn properties(record: &Value, name: &str) -> Vec<(String, String)> {
    let Some(device) = of_device(record, name) else { return Vec::new() };
    let described = device["properties"].as_object().into_iter().flatten();
    let mut found: Vec<(String, String)> =
        described.map(|(name, value)| (name.replace('_', " "), value.as_str().unwrap_or_default().to_owned())).collect();
    if let Some(rate) = device["bytes_per_second"].as_f64() {
        found.push(("bandwidth, measured".to_owned(), format!("{:.1} GB/s", rate / 1e9)));
    }
    if let Some(bytes) = device["memory_bytes"].as_u64() {
        found.push(("memory".to_owned(), warpwise_gpu::gibibytes(bytes)));
    }
    found
}

fn selftest(found: &Value) -> String {
    let Some(devices) = found["devices"].as_array() else { return "It gave no result.".to_owned() };
    // Writing to a string cannot fail.
    let mut text = String::from("| device | part | checked | |\n|---|---|---|---|");
    for device in devices {
        for part in device["parts"].as_array().into_iter().flatten() {
            let verdict = if part["held"] == true {
                "held".to_owned()
            } else {
                format!("{} failures", part["failures"].as_array().map_or(0, Vec::len))
            };
            let cell = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let _ = write!(
                text,
                "\n| `{}` | {} | {} | {verdict} |",
                cell(&device["device"]),
                cell(&part["part"]),
                cell(&part["checked"])
            );
        }
    }
    text
}

/// Queries down, and for each device its times across.
fn table(queries: &[&Value]) -> String {
    let mut devices: Vec<&str> = Vec::new();
    let mut names: Vec<&str> = Vec::new();
    for query in queries {
        for (list, name) in [(&mut devices, &query["device"]), (&mut names, &query["query"])] {
            let name = name.as_str().unwrap_or_default();
            if !list.contains(&name) {
                list.push(name);
            }
        }
    }
    let mut text = String::from("| query |");
    for device in &devices {
        let columns = if device.starts_with("DuckDB") {
            " first | hot |".to_owned()
        } else {
            " first | hot | compile | GB/s | share | offloaded |".to_owned()
        };
        let _ = write!(text, "{}", columns.replacen(' ', &format!(" {device}: "), 1));
    }
    let columns = text.matches('|').count() - 1;
    let _ = write!(text, "\n|{}", "---|".repeat(columns));
    for name in names {
        let _ = write!(text, "\n| {name} |");
        for device in &devices {
            let found = queries.iter().find(|query| query["query"] == name && query["device"] == *device);
            let number = |key: &str, unit: f64, digits: usize| {
                found.and_then(|query| query[key].as_f64()).map_or_else(String::new, |value| format!("{:.digits$}", value / unit))
            };
            let hot = found.and_then(|query| hot(query)).map_or_else(String::new, |hot| format!("{hot:.2}"));
            let _ = write!(text, " {} | {hot} |", number("cold_ms", 1.0, 1));
            if !device.starts_with("DuckDB") {
                let share = found
                    .and_then(|query| query["share_of_bandwidth"].as_f64())
                    .map_or_else(String::new, |share| format!("{:.0} %", share * 100.0));
                let offloaded = match found.and_then(|query| query["offloaded"].as_bool()) {
                    Some(true) => "yes",
                    Some(false) => "no",
                    None => "",
                };
                let _ = write!(
                    text,
                    " {} | {} | {share} | {offloaded} |",
                    number("compile_ms", 1.0, 1),
                    number("bytes_per_second", 1e9, 1)
                );
            }
        }
    }
    text
}

/// The median of a query's hot runs.
fn hot(query: &Value) -> Option<f64> {
    let mut times: Vec<f64> = query["hot_ms"].as_array()?.iter().filter_map(Value::as_f64).collect();
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied()
}

/// Today's date, in UTC.
pub fn today() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    date(seconds / 86_400)
}

/// A day since 1970 as `2026-11-21`.
fn date(days: u64) -> String {
    let length =
        |year: u64| if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) { 366 } else { 365 };
    let (mut year, mut day) = (1970, days);
    while day >= length(year) {
        day -= length(year);
        year += 1;
    }
    let february = if length(year) == 366 { 29 } else { 28 };
    let mut month = 1;
    for days in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if day < days {
            break;
        }
        day -= days;
        month += 1;
    }
    format!("{year}-{month:02}-{:02}", day + 1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn days_have_dates() {
        assert_eq!(
            [0, 59, 11_016, 20_778, 19_782].map(date),
            ["1970-01-01", "1970-03-01", "2000-02-29", "2026-11-21", "2024-02-29"]
        );
    }

    #[test]
    fn a_page_has_what_is_known() {
        let query = |device: &str, hot: f64| json!({"suite": "taxi", "query": "q1", "table_rows": 1000, "device": device, "cold_ms": 9.0, "hot_ms": [hot], "offloaded": true});
        let record = json!({
            "date": "2026-11-21", "commit": "abc", "version": "0.1.0", "device": "cuda:0", "threads": 2, "seconds": 5,
            "machine": {"devices": [{"name": "cuda:0", "model": "H200", "properties": {"driver": "570"}, "bytes_per_second": 4.2e12}]},
            "selftest": {"devices": [{"device": "cuda:0", "parts": [{"part": "sql", "checked": "60 queries", "held": true}]}]},
            "queries": [query("cuda:0", 1.5), query("DuckDB 2.0", 30.0)],
            "parts": [{"part": "taxi", "seconds": 1.0, "held": true, "why": null}],
        });
        let page = markdown(&record);
        for words in [
            "on H200",
            "| driver | 570 |",
            "4200.0 GB/s",
            "| `cuda:0` | sql | 60 queries | held |",
            "1,000 rows",
            "| q1 | 9.0 | 1.50 |",
            "DuckDB 2.0: first",
            "| taxi | 1.0 | held |",
        ] {
            assert!(page.contains(words), "{words} is missing:\n{page}");
        }
        // Nothing measured yet is a page as well.
        assert!(markdown(&json!({"device": "cpu", "parts": []})).contains("It gave no result."));
    }
}
