//! TPC-H: the 22 answers at scale 0.01 in every run, and at scale 1 against the official ones where
//! `WARPWISE_TPCH_SCALE1=1`.
//!
//! The answers at scale 0.01 come from PostgreSQL 15, with DuckDB agreeing (`tests/tpch/make_answers.py`).

mod support;

use std::path::Path;
use std::process::Command;
use std::time::Duration;
use support::process::{run, warpwise};
use support::server::Server;

/// Generating, running and verifying at scale 1 on a slow machine.
const LIMIT: Duration = Duration::from_secs(900);

/// Rows of CSV; quotes may hold commas and newlines. A row of one empty value is an empty line.
fn parse_csv(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell) = (Vec::new(), Vec::new(), String::new());
    let (mut quoted, mut characters) = (false, text.chars().peekable());
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                cell.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut cell)),
            '\n' if !quoted => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            '\r' if !quoted => {}
            other => cell.push(other),
        }
    }
    if !cell.is_empty() || !row.is_empty() {
        row.push(cell);
        rows.push(row);
    }
    rows
}

/// Text, dates and integers exactly; other numbers to nine digits, which is tighter than any rule of
/// the specification's and leaves room for the last digits of a quotient.
fn same(expected: &str, actual: &str) -> bool {
    if expected == actual {
        return true;
    }
    match (expected.parse::<f64>(), actual.parse::<f64>()) {
        (Ok(number), Ok(other)) if expected.contains('.') => (number - other).abs() <= number.abs() * 1e-9,
        _ => false,
    }
}

fn answers(folder: &Path, query: u32) -> Vec<Vec<String>> {
    let path = folder.join(format!("q{query}.csv"));
    parse_csv(&std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

/// Compares all of a query's rows, in their order.
fn compare(query: u32, expected: &[Vec<String>], actual: &[Vec<String>]) -> Result<(), String> {
    if expected.len() != actual.len() {
        return Err(format!("q{query}: {} lines instead of {}", actual.len(), expected.len()));
    }
    for (line, (expected, actual)) in expected.iter().zip(actual).enumerate() {
        let equal = expected.len() == actual.len() && expected.iter().zip(actual).all(|(left, right)| same(left, right));
        if !equal {
            return Err(format!("q{query}, line {}: {actual:?} instead of {expected:?}", line + 1));
        }
    }
    Ok(())
}

/// Runs `warpwise tpch run` with answers, and compares them with the expected ones.
fn check_answers(arguments: &[&str]) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = warpwise();
    command.args(["tpch", "run"]).args(arguments).arg("--answers").arg(folder.path());
    run(command, LIMIT).expect_success("tpch run");
    let expected = support::root().join("tests/tpch/answers_0.01");
    let compare = |query| compare(query, &answers(&expected, query), &answers(folder.path(), query)).err();
    let failures: Vec<String> = (1..=22).filter_map(compare).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Devices answer all of it, the second time too, when plans are made with what is known of the columns; and leave nothing to
/// DataFusion but the order of the result.
fn check_devices(device: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("run.json");
    let mut command = warpwise();
    command.args(["tpch", "run", "--scale", "0.01", "--runs", "3", "--device", device, "--answers"]).arg(folder.path());
    command.arg("--json").arg(&file);
    run(command, LIMIT).expect_success("tpch run");
    let expected = support::root().join("tests/tpch/answers_0.01");
    let mut failures = Vec::new();
    for query in 1..=22 {
        let expected = answers(&expected, query);
        for name in [format!("q{query}.csv"), format!("q{query}-2.csv")] {
            let text = std::fs::read_to_string(folder.path().join(&name)).expect("an answer");
            failures.extend(compare(query, &expected, &parse_csv(&text)).err().map(|why| format!("{name}: {why}")));
        }
    }
    let text = std::fs::read_to_string(file).expect("the JSON");
    for line in text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("a line of JSON")) {
        let above = line["host_rows"].as_u64().is_some_and(|host| Some(host) > line["rows"].as_u64());
        if line["offloaded"] != true || above {
            failures.push(format!("{}: offloaded {}, host_rows {}", line["query"], line["offloaded"], line["host_rows"]));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn answers_of_the_processor() {
    check_devices("cpu");
}

#[test]
fn answers_of_generated_kernels() {
    check_devices("emulated");
}

#[test]
fn answers_at_scale_0_01() {
    check_answers(&["--scale", "0.01"]);
}

#[test]
fn answers_without_a_device() {
    check_answers(&["--scale", "0.01", "--device", "off"]);
}

/// The same texts over a connection give the same.
#[test]
fn answers_over_the_wire() {
    let expected = support::root().join("tests/tpch/answers_0.01");
    let mut client = Server::tpch().connect_to("tpch");
    for query in 1..=22 {
        let path = support::root().join(format!("tests/tpch/queries_0.01/q{query}.sql"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let answer = client
            .extended(text.trim_end().trim_end_matches(';'), &[], false)
            .unwrap_or_else(|failure| panic!("q{query}: {failure}"));
        let columns = answer.columns.as_deref().unwrap_or_default();
        let mut rows = vec![columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>()];
        let text = |value: &Option<Vec<u8>>| value.as_deref().map(String::from_utf8_lossy).unwrap_or_default().into_owned();
        rows.extend(answer.rows.iter().map(|row| row.iter().map(text).collect()));
        compare(query, &answers(&expected, query), &rows).unwrap_or_else(|reason| panic!("{reason}"));
    }
}

/// Drawn parameters: two runs with a seed draw the same, and another seed others.
#[test]
fn drawn_parameters_are_repeatable() {
    let draw = |seed: &str| {
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = warpwise();
        command.args(["tpch", "queries", "--vary", seed, "--out"]).arg(folder.path());
        run(command, LIMIT).expect_success("tpch queries --vary");
        (1..=22)
            .map(|query| std::fs::read_to_string(folder.path().join(format!("q{query}.sql"))).expect("a query"))
            .collect::<Vec<_>>()
    };
    assert_eq!(draw("7"), draw("7"));
    assert_ne!(draw("7"), draw("8"));
}

/// The keys that a reader of `--json` relies on.
#[test]
fn json_has_a_line_per_query() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("run.json");
    let mut command = warpwise();
    command.args(["tpch", "run", "--scale", "0.01", "--queries", "1,6", "--runs", "3"]);
    command.args(["--vary", "5", "--device", "cpu", "--json"]).arg(&file);
    run(command, LIMIT).expect_success("tpch run --json");
    let text = std::fs::read_to_string(file).expect("the JSON");
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    assert_eq!(lines.len(), 2, "{text}");
    for (line, name) in lines.iter().zip(["q1", "q6"]) {
        assert_eq!(line["query"], name);
        // The first run is the cold one.
        assert_eq!(line["hot_ms"].as_array().map(Vec::len), Some(2), "{line}");
        // Other parameters of the same kind run the code that is there.
        assert_eq!(line["compiled"], 0, "{line}");
        for key in [
            "cold_ms",
            "plan_ms",
            "compile_ms",
            "compiled",
            "rows",
            "device",
            "offloaded",
            "host_rows",
            "left_to_datafusion",
            "verified",
        ] {
            assert!(line.get(key).is_some(), "no {key} in {line}");
        }
    }
}

/// An interrupted generation does not count as data.
#[test]
fn an_interrupted_generation_is_begun_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let target = folder.path().join("sf");
    let generate = |command: &mut Command| {
        command.args(["tpch", "generate", "--scale", "0.1", "--out"]).arg(&target);
    };
    let mut first = warpwise();
    generate(&mut first);
    let mut child = first.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().expect("a generation");
    std::thread::sleep(Duration::from_millis(150));
    child.kill().expect("to interrupt it");
    child.wait().expect("its end");
    let mut second = warpwise();
    generate(&mut second);
    run(second, LIMIT).expect_success("a generation after an interrupted one");
    let mut command = warpwise();
    command.args(["sql", "--data"]).arg(&target).args(["--csv", "-c", "select count(*) as n from lineitem"]);
    let output = run(command, LIMIT).expect_success("a query");
    assert!(output.stdout.contains("600572"), "{}", output.stdout);
}

#[test]
fn scale_1_is_verified() {
    if !support::enabled("WARPWISE_TPCH_SCALE1") {
        return;
    }
    let mut command = warpwise();
    command.args(["tpch", "run", "--scale", "1", "--verify", "--device", "off"]);
    let output = run(command, LIMIT).expect_success("tpch run --scale 1 --verify");
    let said = format!("{}{}", output.stdout, output.stderr);
    assert!(said.contains("22 of 22"), "{said}");
}

/// The queries whose kernels are kept: joins with a group, with six tables, with a group within, and with marks.
const KEPT: [u32; 4] = [3, 9, 18, 21];

/// What devices are given for joins is kept for readers and compilers: the row programs of some queries, as EXPLAIN shows
/// them. `UPDATE=1` rewrites them; the kernels made of them stand beside (gpu's own tests).
#[test]
fn programs_of_joins_are_as_stored() {
    let folder = support::root().join("gpu/programs/generated");
    let mut wrong = Vec::new();
    for query in KEPT {
        let path = support::root().join(format!("tests/tpch/queries_0.01/q{query}.sql"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let script = tempfile::NamedTempFile::new().expect("a file");
        // The first run loads the columns, so that the plan is made with what is known of them.
        std::fs::write(script.path(), format!("{text}\nexplain (codegen) {text}")).expect("a script");
        let mut command = warpwise();
        command.args(["sql", "--tpch", "0.01", "--device", "emulated", "-f"]).arg(script.path());
        let shown = run(command, LIMIT).expect_success("explain (codegen)").stdout;
        let mut found: Vec<String> = Vec::new();
        let mut inside = false;
        for line in shown.lines().map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end()) {
            if let Some(title) = line.strip_prefix("-- row program of pipeline ") {
                let table = title.split_once(" over ").map_or("", |(_, table)| table);
                found.push(format!("# Query {query} of TPC-H at scale 0.01, over {table}.\n\n"));
                inside = true;
            } else if line.starts_with("-- ") || line.starts_with('(') {
                inside = false;
            } else if let Some(last) = found.last_mut().filter(|_| inside) {
                last.push_str(line);
                last.push('\n');
            }
        }
        assert!(found.len() > 2, "q{query}: {shown}");
        for (at, program) in found.iter().enumerate() {
            let path = folder.join(format!("q{query}-{at}.program"));
            if std::env::var_os("UPDATE").is_some() {
                std::fs::write(&path, program).expect("a file");
            }
            if std::fs::read_to_string(&path).unwrap_or_default() != *program {
                wrong.push(format!("{} is not what is made now; UPDATE=1 rewrites it", path.display()));
            }
        }
        let behind = folder.join(format!("q{query}-{}.program", found.len()));
        assert!(!behind.exists(), "{} is of no pipeline", behind.display());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
