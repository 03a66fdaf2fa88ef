//! SQL files (sqllogictest) through a real server, over the simple and over the extended protocol, on each device.
//!
//! The files below the folders of [`ON_DEVICES`] are there for devices: EXPLAIN of each of their queries must show that a
//! device runs it. A file whose head has the line `# refused: TEXT` says instead that devices refuse its queries with that
//! text, and one with `# streams` that DataFusion runs them by design. A record behind `skipif off` is not run without a
//! device: DataFusion alone answers it otherwise.
//!
//! A record names its columns' types by the letters of [`Type`] and gives its rows one a line, values
//! divided by ` | `. Every expectation comes from PostgreSQL 15: with `UPDATE=1` and `WARPWISE_ORACLE`
//! the files are run against that server and rewritten.
//!
//! Adding a file: write records with empty expectations below `tests/slt/<feature>/`, in objects whose
//! names no other file uses, and let an update fill them in. What DataFusion or a device needs to know of a column shows
//! when it was loaded, so a file for devices begins with a query that counts all columns.

mod support;

use sqllogictest::{DB, DBOutput, QueryExpect, Record, Runner, strict_column_validator};
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};
use support::binary::escape;
use support::client::{Answer, Client, Failure};
use support::process::which;
use support::server::Server;

/// What divides the values of a row.
const SEPARATOR: &str = " | ";

/// The folders below `tests/slt` whose queries devices run.
const ON_DEVICES: [&str; 8] = ["scan", "filter", "project", "aggregate", "top_k", "join", "sort", "union"];

/// Fewer queries than this prove too little of devices.
const FEWEST_QUERIES: usize = 1000;

/// Of so many queries one runs on the emulated device, where every program goes through a C++ compiler first; all of them do
/// where `WARPWISE_EMULATE_ALL=1`.
const EMULATED_ONE_OF: usize = 12;

/// How a statement reaches the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Simple,
    Extended,
}

/// PostgreSQL's types by one letter each; an array is `A` whatever its elements are.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Type(char);

impl sqllogictest::ColumnType for Type {
    fn from_char(value: char) -> Option<Self> {
        value.is_ascii_uppercase().then_some(Self(value))
    }

    fn to_char(&self) -> char {
        self.0
    }
}

impl Type {
    fn of(oid: u32) -> Self {
        Self(match oid {
            16 => 'B',
            21 => 'S',
            23 => 'I',
            20 => 'L',
            26 => 'O',
            700 => 'R',
            701 => 'F',
            1700 => 'N',
            25 => 'T',
            1043 => 'V',
            1042 => 'C',
            19 => 'M',
            17 => 'Y',
            1082 => 'D',
            1083 => 'H',
            1114 => 'P',
            1184 => 'Z',
            1186 => 'E',
            2950 => 'U',
            114 | 3802 => 'J',
            1000..=1041 | 1115 | 1182 | 1183 | 1185 | 1187 | 1231 | 2951 | 199 | 3807 => 'A',
            _ => 'X',
        })
    }
}

/// A session as sqllogictest wants it.
struct Session {
    client: Client,
    protocol: Protocol,
}

impl DB for Session {
    type Error = Failure;
    type ColumnType = Type;

    fn run(&mut self, sql: &str) -> Result<DBOutput<Type>, Failure> {
        let answer = match self.protocol {
            Protocol::Simple => self.client.query(sql)?.into_iter().next_back().unwrap_or_default(),
            Protocol::Extended => self.client.extended(sql, &[], false)?,
        };
        let Some(columns) = &answer.columns else {
            let rows = answer.tag.rsplit(' ').next().and_then(|rows| rows.parse().ok());
            return Ok(DBOutput::StatementComplete(rows.unwrap_or(0)));
        };
        let types = columns.iter().map(|column| Type::of(column.type_oid)).collect();
        let value = |text: String| if text.is_empty() { "(empty)".to_owned() } else { escape(&text) };
        let rows = answer.text().into_iter().map(|row| row.into_iter().map(value).collect()).collect();
        Ok(DBOutput::Rows { types, rows })
    }

    fn engine_name(&self) -> &str {
        "postgresql"
    }

    fn error_sql_state(error: &Failure) -> Option<String> {
        Some(error.code().to_owned())
    }
}

/// Exact, character by character.
fn same(_: fn(&String) -> String, actual: &[Vec<String>], expected: &[String]) -> bool {
    actual.iter().map(|row| row.join(SEPARATOR)).eq(expected.iter().cloned())
}

/// The folder of the SQL files.
fn folder() -> PathBuf {
    support::root().join("tests/slt")
}

/// The files for devices.
fn device_files() -> Vec<PathBuf> {
    ON_DEVICES.iter().flat_map(|name| support::files(&folder().join(name), "slt")).collect()
}

fn records(file: &Path) -> Vec<Record<Type>> {
    sqllogictest::parse_file::<Type>(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// A session whose queries run on `device`; on a server that knows no devices where none is named.
fn connect(address: SocketAddr, device: Option<&str>) -> Result<Client, Failure> {
    let Some(device) = device else { return Client::connect(address, "postgres") };
    let options = format!("-c warpwise.device={device}");
    Client::connect_with(address, &[("user", "postgres"), ("database", "postgres"), ("options", options.as_str())])
}

fn runner(
    address: SocketAddr,
    protocol: Protocol,
    device: Option<&'static str>,
) -> Runner<Session, impl sqllogictest::MakeConnection<Conn = Session>> {
    let session = move || async move { Ok(Session { client: connect(address, device)?, protocol }) };
    let mut runner = Runner::new(session);
    runner.with_validator(same);
    runner.with_column_validator(strict_column_validator);
    if let Some(device) = device {
        runner.add_label(device);
    }
    runner
}

/// On a server that is kept, two tests would meet.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Runs files over `protocol` on `device`, all of them also where one fails; of their queries one of `one_of`. The server has
/// `options` beside.
fn run(files: &[PathBuf], protocol: Protocol, device: &'static str, one_of: usize, options: &[&str]) {
    let _alone = alone();
    let server = Server::start(options);
    let mut failures = Vec::new();
    let mut queries = 0usize;
    for file in files {
        reset(&server);
        let mut runner = runner(server.address(), protocol, Some(device));
        // All of a file, also behind a failure: what fails says its place.
        for record in records(file) {
            if matches!(record, Record::Query { .. }) {
                queries += 1;
                if !queries.is_multiple_of(one_of) {
                    continue;
                }
            }
            if let Err(error) = runner.run(record) {
                failures.push(error.display(false).to_string());
            }
        }
    }
    assert!(
        failures.is_empty(),
        "on {device}: {} records of {} files failed\n\n{}\n\n{}",
        failures.len(),
        files.len(),
        failures.join("\n\n"),
        server.log()
    );
}

/// Runs all files.
fn run_all(protocol: Protocol, device: &'static str) {
    if !support::updating() {
        run(&support::files(&folder(), "slt"), protocol, device, 1, &[]);
    }
}

fn update(oracle: &Server, file: &Path) {
    reset(oracle);
    let mut runner = runner(oracle.address(), Protocol::Simple, None);
    let update = runner.update_test_file(file, SEPARATOR, same, |text| text.clone(), strict_column_validator);
    support::block_on(update).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
}

/// Files do not see one another's objects on a server that is kept: an oracle, or one that was named.
fn reset(server: &Server) {
    if server.resident().is_none() {
        server.connect().run("DROP SCHEMA public CASCADE; CREATE SCHEMA public; DROP SCHEMA IF EXISTS other CASCADE");
    }
}

/// What EXPLAIN must say of a file's queries.
#[derive(Debug)]
enum Explained {
    /// A device runs them.
    Device,
    /// Devices refuse them with this text.
    Refused(String),
    /// DataFusion runs them by design.
    Streams,
}

impl Explained {
    /// What the head of a file says.
    fn of(file: &Path) -> Self {
        let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let mut head = text.lines().map_while(|line| line.strip_prefix('#')).map(str::trim);
        let said = head.find_map(|line| match line.strip_prefix("refused:") {
            Some(text) => Some(Self::Refused(text.trim().to_owned())),
            None => (line == "streams").then_some(Self::Streams),
        });
        said.unwrap_or(Self::Device)
    }

    /// What is wrong with a plan of a query in a folder.
    fn problem(&self, plan: &str, folder: &str) -> Option<String> {
        let refused = plan.split_once("Not on ").map(|(_, refused)| refused).unwrap_or_default();
        // A device that fails hands its part of the plan on, and EXPLAIN ANALYZE says so.
        let nodes: Vec<&str> = plan.lines().filter(|line| line.contains("DeviceExec: device=")).collect();
        let on_device = !nodes.is_empty() && nodes.iter().all(|line| line.contains("device=cpu") && !line.contains(", not "));
        // It may hide behind what a device does below it.
        let mut of_devices = vec!["HashJoinExec", "NestedLoopJoinExec", "CrossJoinExec", "SortMergeJoinExec"];
        match folder {
            "sort" => of_devices.extend(["SortExec", "SortPreservingMergeExec"]),
            "union" => of_devices.push("UnionExec"),
            _ => {}
        }
        let hidden = of_devices.iter().find(|name| plan.lines().any(|line| line.trim_start().starts_with(**name)));
        match self {
            Self::Device if hidden.is_some() => hidden.map(|name| format!("no device runs {name}")),
            Self::Device => (!on_device).then(|| "no device runs it".to_owned()),
            Self::Refused(text) => (!refused.contains(text.as_str())).then(|| format!("it is not refused with \"{text}\"")),
            Self::Streams => (!nodes.is_empty()).then(|| "it does not stream".to_owned()),
        }
    }
}

/// The text of EXPLAIN's answer.
fn plan(answers: &[Answer]) -> String {
    answers.iter().flat_map(Answer::text).flatten().collect::<Vec<_>>().join("\n")
}

/// The queries of a file that do not run where its head says; and how many there are.
fn elsewhere(server: &Server, file: &Path) -> (Vec<String>, usize) {
    reset(server);
    let expected = Explained::of(file);
    let folder = file.parent().and_then(Path::file_name).and_then(|name| name.to_str()).unwrap_or_default();
    let mut client = connect(server.address(), Some("cpu")).unwrap_or_else(|failure| server.fail(&failure));
    let (mut problems, mut queries) = (Vec::new(), 0);
    for record in records(file) {
        let (sql, place) = match record {
            Record::Statement { sql, .. } => (sql, None),
            Record::Query { sql, loc, expected: QueryExpect::Error(_), .. } => (sql, Some((loc, "EXPLAIN"))),
            Record::Query { sql, loc, expected: QueryExpect::Results { .. }, .. } => (sql, Some((loc, "EXPLAIN ANALYZE"))),
            _ => continue,
        };
        // It runs first, so that the plan is made with what is known of loaded columns. Some records expect an error.
        let _ = client.query(&sql);
        let Some((place, explain)) = place else { continue };
        queries += 1;
        match client.query(&format!("{explain} {sql}")) {
            Ok(answers) => {
                let plan = plan(&answers);
                problems.extend(expected.problem(&plan, folder).map(|problem| format!("{place}: {problem}\n{sql}\n{plan}")));
            }
            Err(failure) => problems.push(format!("{place}: {explain} fails: {failure}\n{sql}")),
        }
    }
    (problems, queries)
}

/// Expectations come from PostgreSQL: one protocol suffices, since both must give the same.
#[test]
fn expectations_are_updated() {
    if support::updating() {
        let _alone = alone();
        let oracle = support::oracle::named().expect("an update needs WARPWISE_ORACLE");
        support::files(&folder(), "slt").iter().for_each(|file| update(&oracle, file));
    }
}

#[test]
fn simple_protocol_on_the_cpu() {
    run_all(Protocol::Simple, "cpu");
}

#[test]
fn extended_protocol_on_the_cpu() {
    run_all(Protocol::Extended, "cpu");
}

#[test]
fn extended_protocol_without_a_device() {
    run_all(Protocol::Extended, "off");
}

/// Code for processors that lack the widest vector instructions of this one, or all of them.
#[test]
fn simple_protocol_with_narrower_instructions() {
    if support::updating() {
        return;
    }
    for level in ["portable", "avx2"] {
        let setting = format!("warpwise.vector_instructions={level}");
        run(&device_files(), Protocol::Simple, "cpu", 1, &["--set", &setting]);
    }
}

#[test]
fn simple_protocol_on_the_emulated_device() {
    if support::updating() {
        return;
    }
    if !["c++", "g++", "clang++"].iter().any(|name| which(name).is_some()) {
        let _ = writeln!(std::io::stderr(), "not run: SQL files on the emulated device: there is no C++ compiler");
        return;
    }
    let one_of = if support::enabled("WARPWISE_EMULATE_ALL") { 1 } else { EMULATED_ONE_OF };
    run(&device_files(), Protocol::Simple, "emulated", one_of, &[]);
}

/// A file for devices that no device runs would prove nothing.
#[test]
fn files_for_devices_run_there() {
    if support::updating() {
        return;
    }
    let _alone = alone();
    let server = Server::start(&[]);
    let (problems, counts): (Vec<_>, Vec<_>) = device_files().iter().map(|file| elsewhere(&server, file)).unzip();
    let problems = problems.concat();
    assert!(problems.is_empty(), "{} queries\n\n{}\n\n{}", problems.len(), problems.join("\n\n"), server.log());
    let queries: usize = counts.into_iter().sum();
    assert!(queries >= FEWEST_QUERIES, "only {queries} queries");
}
