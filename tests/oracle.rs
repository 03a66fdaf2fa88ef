//! One-line queries, answered as PostgreSQL 15 answers them: labels, type ids, type modifiers, values in
//! text and in binary, or the error with its code, message, detail, hint and position.
//!
//! Where PostgreSQL 15 is installed it is started and asked; elsewhere `one_liners.expected` stands for
//! it, which `UPDATE=1` with `WARPWISE_ORACLE` rewrites. A query that is to be answered differently is
//! listed in `expected_differences.txt` with the reason, and must then differ.

mod support;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use support::binary::{escape, hex};
use support::client::{Answer, Client, Failure};
use support::oracle::Oracle;
use support::server::Server;

/// More than this many differences are no longer exceptions.
const MOST_DIFFERENCES: usize = 15;

/// Fewer queries than this prove too little.
const FEWEST_QUERIES: usize = 150;

fn file(name: &str) -> PathBuf {
    support::root().join("tests/oracle").join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(file(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The lines that are neither empty nor comments.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim_end).filter(|line| !line.is_empty() && !line.starts_with("--"))
}

/// Everything that can be seen of a query's answer.
fn record(client: &mut Client, query: &str) -> String {
    let mut record = String::new();
    match client.query(query) {
        Ok(answers) => {
            let answer = answers.into_iter().next_back().unwrap_or_default();
            describe(&mut record, &answer, |bytes| escape(&String::from_utf8_lossy(bytes)));
        }
        Err(failure) => describe_failure(&mut record, &failure),
    }
    // The extended protocol must fail alike, and its binary values are compared byte by byte.
    let mut binary = String::new();
    match client.extended(query, &[], true) {
        Ok(answer) => {
            for row in &answer.rows {
                let values: Vec<String> =
                    row.iter().map(|value| value.as_deref().map_or_else(|| "NULL".to_owned(), hex)).collect();
                let _ = writeln!(binary, "binary {}", values.join(" | "));
            }
        }
        Err(failure) => describe_failure(&mut binary, &failure),
    }
    if binary != record {
        record.push_str(&binary);
    }
    record
}

fn describe(record: &mut String, answer: &Answer, text: impl Fn(&[u8]) -> String) {
    for column in answer.columns.iter().flatten() {
        let _ = writeln!(record, "column {} {} {}", escape(&column.name), column.type_oid, column.typmod);
    }
    for row in &answer.rows {
        let values: Vec<String> = row.iter().map(|value| value.as_deref().map_or_else(|| "NULL".to_owned(), &text)).collect();
        let _ = writeln!(record, "row {}", values.join(" | "));
    }
    let _ = writeln!(record, "tag {}", answer.tag);
}

fn describe_failure(record: &mut String, failure: &Failure) {
    match failure {
        Failure::Connection(_) => {
            let _ = writeln!(record, "{failure}");
        }
        Failure::Server(fields) => {
            let _ = writeln!(record, "error {} {}", fields.code(), escape(fields.message()));
            for (code, name) in [('D', "detail"), ('H', "hint"), ('P', "position")] {
                if let Some(value) = fields.0.get(&code) {
                    let _ = writeln!(record, "{name} {}", escape(value));
                }
            }
        }
    }
}

/// Asks a server every query, in a session of its own where the previous one broke.
fn ask(server: &Server, queries: &[&str]) -> Vec<String> {
    let connect = || {
        let mut client = server.connect();
        client.run("set timezone = 'UTC'");
        client
    };
    let mut client = connect();
    for statement in lines(&read("setup.sql")) {
        client.run(statement);
    }
    let mut records = Vec::new();
    for query in queries {
        let record = record(&mut client, query);
        if record.contains("the connection failed") {
            client = connect();
        }
        records.push(record);
    }
    for statement in lines(&read("teardown.sql")) {
        client.run(statement);
    }
    records
}

/// The recorded answers, by query.
fn recorded(text: &str) -> BTreeMap<String, String> {
    let mut records = BTreeMap::new();
    let mut query = None;
    for line in text.lines() {
        match line.strip_prefix("> ") {
            Some(line) => {
                records.insert(line.to_owned(), String::new());
                query = Some(line.to_owned());
            }
            None => {
                let record = query.as_ref().and_then(|query| records.get_mut(query)).expect("a record begins with its query");
                record.push_str(line);
                record.push('\n');
            }
        }
    }
    records
}

/// The queries that may differ, each with a reason: `query -- reason`, divided by the last ` -- `.
fn expected_differences(text: &str) -> BTreeMap<String, String> {
    let split = |line: &str| match line.rsplit_once(" -- ") {
        Some((query, reason)) if !reason.trim().is_empty() => (query.trim().to_owned(), reason.to_owned()),
        _ => panic!("a difference without a reason: {line}"),
    };
    lines(text).map(split).collect()
}

#[test]
fn one_liners() {
    let text = read("one_liners.sql");
    let queries: Vec<&str> = lines(&text).map(|line| line.trim_end_matches(';')).collect();
    assert!(queries.len() >= FEWEST_QUERIES, "{} queries are too few", queries.len());

    if support::updating() {
        let oracle = support::oracle::named().expect("an update needs WARPWISE_ORACLE");
        let records = ask(&oracle, &queries);
        let text: String = queries.iter().zip(&records).map(|(query, record)| format!("> {query}\n{record}")).collect();
        std::fs::write(file("one_liners.expected"), text).expect("cannot write one_liners.expected");
        return;
    }

    let expected: Vec<String> = match Oracle::find() {
        Some(oracle) => ask(&oracle.server, &queries),
        None => {
            println!("PostgreSQL 15 is not installed: comparing with its recorded answers");
            let recorded = recorded(&read("one_liners.expected"));
            let find = |query: &&str| recorded.get(*query).unwrap_or_else(|| panic!("no recorded answer to {query}")).clone();
            queries.iter().map(find).collect()
        }
    };
    let server = Server::start(&[]);
    let actual = ask(&server, &queries);
    let mut differences = expected_differences(&read("expected_differences.txt"));
    assert!(differences.len() <= MOST_DIFFERENCES, "{} expected differences are too many", differences.len());

    let mut failures = Vec::new();
    for ((query, expected), actual) in queries.iter().zip(&expected).zip(&actual) {
        match (expected == actual, differences.remove(*query)) {
            (true, None) | (false, Some(_)) => {}
            (false, None) => {
                failures.push(format!("{query}\n--- PostgreSQL\n{expected}--- Warpwise\n{actual}"));
            }
            (true, Some(reason)) => failures.push(format!("{query}\nno longer differs ({reason}): remove it from the list")),
        }
    }
    failures.extend(differences.keys().map(|query| format!("{query}\nis listed as a difference and is not asked")));
    assert!(failures.is_empty(), "{} of {} queries differ\n\n{}", failures.len(), queries.len(), failures.join("\n"));
}

/// The recorded answers are those to the queries, so that a machine without PostgreSQL tests as much.
#[test]
fn recorded_answers_are_complete() {
    if support::updating() {
        return;
    }
    let text = read("one_liners.sql");
    let recorded = recorded(&read("one_liners.expected"));
    let queries: Vec<&str> = lines(&text).map(|line| line.trim_end_matches(';')).collect();
    let missing: Vec<&&str> = queries.iter().filter(|query| !recorded.contains_key(**query)).collect();
    assert!(missing.is_empty(), "without a recorded answer: {missing:?}");
}
