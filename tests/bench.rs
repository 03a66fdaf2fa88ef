//! Generated tables, the queries over them, the self-test, and the record of a machine: small, and whole.

mod support;

use std::path::Path;
use std::time::Duration;

use support::process::{Output, run, warpwise};

const LIMIT: Duration = Duration::from_secs(300);

fn output(arguments: &[&str]) -> Output {
    let mut command = warpwise();
    command.args(arguments);
    run(command, LIMIT)
}

fn path(folder: &tempfile::TempDir, name: &str) -> String {
    folder.path().join(name).to_str().expect("a path in UTF-8").to_owned()
}

fn lines(file: impl AsRef<Path>) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(file).expect("a file of JSON lines");
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

/// The keys that a reader of `--json` relies on, and answers that hold.
#[test]
fn taxi_rides_in_memory() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = path(&folder, "taxi.json");
    let arguments =
        ["bench", "taxi", "--rows", "30k", "--runs", "3", "--device", "cpu", "--vary", "7", "--verify", "--json", &file];
    let shown = output(&arguments).expect_success("bench taxi");
    assert!(shown.stdout.contains("trips: 30,000 rows, 5 columns, generated in"), "{}", shown.stdout);
    let found = lines(file);
    assert_eq!(found.len(), 4, "{}", shown.stdout);
    for (line, name) in found.iter().zip(["q1", "q2", "q3", "q4"]) {
        assert_eq!((&line["query"], &line["table_rows"], &line["device"]), (&name.into(), &30_000.into(), &"cpu".into()));
        assert_eq!(line["verified"], true, "{line}");
        assert_eq!(line["hot_ms"].as_array().map(Vec::len), Some(2), "{line}");
        for key in ["cold_ms", "hot_median_ms", "compile_ms", "compiled_hot", "offloaded", "bytes", "bytes_per_second", "rows"] {
            assert!(line.get(key).is_some(), "no {key} in {line}");
        }
    }
    // Kinds of cab, and passengers of whom there are at least seven counts.
    assert_eq!(found[0]["rows"], 2);
    assert!(found[1]["rows"].as_u64().is_some_and(|rows| rows >= 7));
}

#[test]
fn tables_as_parquet_are_read_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = path(&folder, "data");
    let arguments = ["bench", "taxi", "--rows", "3000", "--all-columns", "--out", &place];
    let written = output(&arguments).expect_success("bench taxi --out");
    assert!(written.stdout.contains("trips: 3,000 rows, 51 columns"), "{}", written.stdout);
    output(&["bench", "single", "--rows", "2000", "--out", &place]).expect_success("bench single --out");
    let again = output(&arguments);
    assert_eq!(again.status.code(), Some(1));
    assert!(again.stderr.contains("exists already"), "{}", again.stderr);
    output(&["bench", "taxi", "--data", &place, "--runs", "2", "--verify"]).expect_success("bench taxi --data");
    let sql = "select count(*), count(distinct trip_id), min(pickup_datetime) >= timestamp '2009-01-01', max(length(pickup)) from trips";
    let counted = output(&["sql", "--data", &place, "--csv", "-c", sql]).expect_success("sql over rides");
    assert!(counted.stdout.ends_with("3000,3000,t,42\n"), "{}", counted.stdout);
    let typed = output(&[
        "sql",
        "--data",
        &place,
        "--csv",
        "-c",
        "select pg_typeof(total_amount), pg_typeof(cab_type) from trips limit 1",
    ]);
    assert!(typed.expect_success("types of rides").stdout.ends_with("numeric,character varying\n"));
}

#[test]
fn page_views_agree_with_datafusion() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = path(&folder, "single.json");
    let arguments = ["bench", "single", "--rows", "20k", "--runs", "2", "--device", "cpu", "--verify", "--json", &file];
    output(&arguments).expect_success("bench single");
    let found = lines(file);
    assert_eq!(found.len(), 30);
    assert!(found.iter().all(|line| line["verified"] == true));
    let empty: Vec<_> = found.iter().filter(|line| line["rows"] == 0).collect();
    assert!(empty.is_empty(), "these find nothing: {empty:?}");
}

#[test]
fn the_processor_passes_its_self_test() {
    let shown = output(&["selftest", "--device", "cpu", "--random", "20", "--rows", "5k", "--json"]).expect_success("selftest");
    let found: serde_json::Value = serde_json::from_str(&shown.stdout).expect("one JSON object");
    assert_eq!(found["held"], true);
    let parts = found["devices"][0]["parts"].as_array().expect("parts");
    let names: Vec<_> = parts.iter().map(|part| part["part"].as_str().unwrap_or_default()).collect();
    assert_eq!(names, ["row programs", "random programs", "sql"]);
    assert!(parts[0]["count"].as_u64().is_some_and(|count| count > 100), "{}", parts[0]);
}

#[test]
fn a_device_that_is_absent_is_not_tested() {
    for (device, words) in [("cuda:77", "device cuda:77"), ("off", "no device to check")] {
        let refused = output(&["selftest", "--device", device]);
        assert_eq!(refused.status.code(), Some(1), "{}", refused.stdout);
        assert!(refused.stderr.contains(words), "{}", refused.stderr);
    }
}

/// A record has every part, in both of its files.
#[test]
fn everything_is_recorded() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = path(&folder, "record");
    let arguments = [
        "bench",
        "all",
        "--record",
        &place,
        "--minutes",
        "1.9",
        "--rows",
        "20k",
        "--scale",
        "0.01",
        "--device",
        "cpu",
        "--python",
        "/nosuch",
    ];
    let shown = output(&arguments).expect_success("bench all");
    assert!(shown.stdout.contains("DuckDB: not run: /nosuch"), "{}", shown.stdout);
    let text = std::fs::read_to_string(folder.path().join("record/record.json")).expect("the record");
    let record: serde_json::Value = serde_json::from_str(&text).expect("one JSON object");
    for key in ["date", "commit", "version", "device", "machine", "seconds", "taxi_rows", "tpch_scale"] {
        assert!(!record[key].is_null(), "no {key} in {text}");
    }
    assert_eq!(record["selftest"]["held"], true);
    let count =
        |suite: &str| record["queries"].as_array().map_or(0, |all| all.iter().filter(|query| query["suite"] == suite).count());
    assert_eq!((count("taxi"), count("tpch")), (4, 22));
    let page = std::fs::read_to_string(folder.path().join("record/record.md")).expect("the page");
    for words in ["## Self-test", "## Taxi rides: 20,000 rows", "## TPC-H, scale 0.01", "| q22 |"] {
        assert!(page.contains(words), "{words} is missing:\n{page}");
    }
}
