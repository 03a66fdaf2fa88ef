//! Real clients: psql, psycopg 3, SQLAlchemy and the PostgreSQL JDBC driver.
//!
//! A client that is not installed is reported as not run; with `WARPWISE_REQUIRE_CLIENTS=1` that is a
//! failure. `WARPWISE_PYTHON` names the Python that has psycopg, `WARPWISE_JDBC` the driver's jar.

mod support;

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use support::process::{Output, run};
use support::real_clients::{self, Missing};
use support::server::Server;

/// How long any one client may take.
const LIMIT: Duration = Duration::from_secs(180);

fn file(name: &str) -> PathBuf {
    support::root().join("tests/clients").join(name)
}

/// Says that a client is missing, also where the test harness keeps what tests print.
fn not_run(missing: &Missing) {
    assert!(!support::enabled("WARPWISE_REQUIRE_CLIENTS"), "not run: {missing}");
    let _ = writeln!(std::io::stderr(), "not run: {missing}");
}

/// Runs `command` against `server`, and returns what it said.
fn play(command: Command, server: &Server, what: &str) -> Output {
    let output = run(command, LIMIT);
    assert!(
        output.status.success(),
        "{what}: {}\n{}\n{}\nthe server said:\n{}",
        output.status,
        output.stdout,
        output.stderr,
        server.log()
    );
    output
}

/// psql plays a script through a pipe, its two streams in one.
fn psql_script(server: &Server, database: &str, script: &str) -> Result<String, Missing> {
    let psql = real_clients::psql(server.address(), database)?;
    let mut command = Command::new("sh");
    command.args(["-c", "file=$1; shift; exec \"$@\" < \"$file\" 2>&1", "sh"]).arg(file(script));
    command.arg(psql.get_program()).args(psql.get_args());
    for (name, value) in psql.get_envs() {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    Ok(play(command, server, script).stdout)
}

#[test]
fn psql() {
    let expected = file("psql.expected");
    if support::updating() {
        let oracle = support::oracle::named().expect("an update needs WARPWISE_ORACLE");
        oracle.connect().run("drop schema public cascade; create schema public");
        let text = psql_script(&oracle, "postgres", "psql.sql").unwrap_or_else(|missing| panic!("{missing}"));
        fs::write(expected, text).expect("cannot write psql.expected");
        return;
    }
    // A server of its own: the lists of tables are compared.
    let server = Server::start(&[]);
    match psql_script(&server, "postgres", "psql.sql") {
        Err(missing) => not_run(&missing),
        Ok(actual) => {
            let expected = fs::read_to_string(expected).expect("psql.expected");
            let same = expected.lines().zip(actual.lines()).take_while(|(expected, actual)| expected == actual).count();
            let rest = |text: &str| text.lines().skip(same).take(12).collect::<Vec<_>>().join("\n");
            assert!(
                expected == actual,
                "psql shows something else from line {} of psql.expected:\n{}\n--- instead of\n{}\n--- the server said\n{}",
                same + 1,
                rest(&actual),
                rest(&expected),
                server.log()
            );
        }
    }
}

/// Lists whose contents are ours: what must stand in them.
#[test]
fn psql_lists() {
    if support::updating() {
        return;
    }
    let server = Server::tpch();
    let commands = [
        (r"\l", vec![" postgres ", " tpch ", "UTF8"]),
        (r"\dt", vec!["lineitem", "orders", "region", "table"]),
        (r"\d lineitem", vec!["l_orderkey", "numeric(15,2)", "l_shipdate", "date", "character varying(44)"]),
        (r"\d+ nation", vec!["n_nationkey", "n_comment"]),
        (r"\dt+", vec!["lineitem"]),
        (r"\dn", vec!["public"]),
        (r"\df lower", vec!["pg_catalog", "lower", "text", "func"]),
        (r"\dT text", vec!["text"]),
        (r"\du", vec!["postgres"]),
        (r"\conninfo", vec!["tpch"]),
        (r"\copy (select r_name from region order by 1) to stdout csv", vec!["AFRICA", "MIDDLE EAST"]),
        (r"\copy region to '/dev/null'", vec!["COPY 5"]),
    ];
    for (command, expected) in commands {
        let mut psql = match real_clients::psql(server.address(), "tpch") {
            Err(missing) => return not_run(&missing),
            Ok(psql) => psql,
        };
        psql.args(["-c", command]);
        let output = play(psql, server, command);
        assert!(output.stderr.is_empty(), "{command}: {}", output.stderr);
        for text in expected {
            assert!(output.stdout.contains(text), "{command} does not show {text:?}:\n{}", output.stdout);
        }
    }
}

fn python_script(script: &str, modules: &[&str]) {
    let server = Server::shared();
    match real_clients::python(server.address(), "postgres", modules) {
        Err(missing) => not_run(&missing),
        Ok(mut python) => {
            python.arg(file(script));
            play(python, server, script);
        }
    }
}

#[test]
fn psycopg() {
    python_script("psycopg_client.py", &["psycopg"]);
}

#[test]
fn sqlalchemy() {
    python_script("sqlalchemy_client.py", &["psycopg", "sqlalchemy"]);
}

#[test]
fn jdbc() {
    let server = Server::shared();
    match real_clients::java(&file("Jdbc.java"), server.address(), "postgres") {
        Err(missing) => not_run(&missing),
        Ok(java) => {
            let output = play(java, server, "Jdbc.java");
            assert!(output.stdout.contains("ok: simple query mode"), "{}", output.stdout);
        }
    }
}
