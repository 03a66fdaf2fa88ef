//! SQL files (sqllogictest) through a real server, over the simple and over the extended protocol.
//!
//! A record names its columns' types by the letters of [`Type`] and gives its rows one a line, values
//! divided by ` | `. Every expectation comes from PostgreSQL 15: with `UPDATE=1` and `WARPWISE_ORACLE`
//! the files are run against that server and rewritten.
//!
//! Adding a file: write records with empty expectations below `tests/slt/<feature>/`, in objects whose
//! names no other file uses, and let an update fill them in.

mod support;

use sqllogictest::{DB, DBOutput, Runner, strict_column_validator};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Mutex;
use support::binary::escape;
use support::client::{Client, Failure};
use support::server::Server;

/// What divides the values of a row.
const SEPARATOR: &str = " | ";

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

fn runner(address: SocketAddr, protocol: Protocol) -> Runner<Session, impl sqllogictest::MakeConnection<Conn = Session>> {
    let connect = move || async move { Ok(Session { client: Client::connect(address, "postgres")?, protocol }) };
    let mut runner = Runner::new(connect);
    runner.with_validator(same);
    runner.with_column_validator(strict_column_validator);
    runner
}

/// Runs every file over `protocol`, all of them also where one fails.
fn run(protocol: Protocol) {
    // On a server that is kept, the two would meet.
    static ONE: Mutex<()> = Mutex::new(());
    let _alone = ONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let folder = support::root().join("tests/slt");
    let files = support::files(&folder, "slt");
    if support::updating() {
        // One protocol suffices: both must give the same.
        if protocol == Protocol::Simple {
            let oracle = support::oracle::named().expect("an update needs WARPWISE_ORACLE");
            files.iter().for_each(|file| update(&oracle, file));
        }
        return;
    }
    let server = Server::start(&[]);
    let mut failures = Vec::new();
    for file in &files {
        reset(&server);
        let records = sqllogictest::parse_file::<Type>(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let mut runner = runner(server.address(), protocol);
        // All of a file, also behind a failure: what fails says its place.
        for record in records {
            if let Err(error) = runner.run(record) {
                failures.push(error.display(false).to_string());
            }
        }
    }
    let count = (failures.len(), files.len());
    assert!(failures.is_empty(), "{} of {} files failed\n\n{}\n\n{}", count.0, count.1, failures.join("\n\n"), server.log());
}

fn update(oracle: &Server, file: &Path) {
    reset(oracle);
    let mut runner = runner(oracle.address(), Protocol::Simple);
    let update = runner.update_test_file(file, SEPARATOR, same, |text| text.clone(), strict_column_validator);
    support::block_on(update).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
}

/// Files do not see one another's objects on a server that is kept: an oracle, or one that was named.
fn reset(server: &Server) {
    if server.resident().is_none() {
        server.connect().run("DROP SCHEMA public CASCADE; CREATE SCHEMA public; DROP SCHEMA IF EXISTS other CASCADE");
    }
}

#[test]
fn simple_protocol() {
    run(Protocol::Simple);
}

#[test]
fn extended_protocol() {
    run(Protocol::Extended);
}
