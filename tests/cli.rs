//! The command line: what it refuses, how it says so, and that it ends as asked.

mod support;

use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;
use support::process::{Output, run, warpwise};
use support::real_clients;
use support::server::Server;

const LIMIT: Duration = Duration::from_secs(60);

fn output(arguments: &[&str]) -> Output {
    let mut command = warpwise();
    command.args(arguments);
    run(command, LIMIT)
}

/// Fails with status 1, and says every one of `words` on standard error.
fn refused(arguments: &[&str], words: &[&str]) {
    let output = output(arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}\n{}", output.stdout, output.stderr);
    assert!(output.stderr.contains("warpwise: "), "{arguments:?}: {}", output.stderr);
    for word in words {
        assert!(output.stderr.contains(word), "{arguments:?} does not say {word:?}: {}", output.stderr);
    }
}

#[test]
fn help_teaches() {
    for arguments in [
        &["--help"][..],
        &["serve", "--help"],
        &["sql", "--help"],
        &["tpch", "--help"],
        &["tpch", "run", "--help"],
        &["devices", "--help"],
        &["selftest", "--help"],
        &["bench", "--help"],
        &["bench", "taxi", "--help"],
        &["bench", "single", "--help"],
        &["bench", "all", "--help"],
    ] {
        let output = output(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(output.stdout.contains("Usage"), "{arguments:?}: {}", output.stdout);
    }
    assert_eq!(output(&["nosuch"]).status.code(), Some(2));
    assert_eq!(output(&["serve", "--nosuch"]).status.code(), Some(2));
}

#[test]
fn a_busy_port_is_a_clear_error() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let address = taken.local_addr().expect("its address").to_string();
    let port = taken.local_addr().expect("its address").port().to_string();
    refused(&["serve", "--listen", &address], &[&port]);
}

#[test]
fn a_missing_folder_is_a_clear_error() {
    refused(&["serve", "--listen", "127.0.0.1:0", "--data", "/nosuch/folder"], &["/nosuch/folder"]);
    refused(&["sql", "--data", "/nosuch/folder", "-c", "select 1"], &["/nosuch/folder"]);
}

#[test]
fn a_bad_file_is_a_clear_error() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("broken.parquet"), "this is no Parquet").expect("a file");
    let path = folder.path().to_str().expect("a path in UTF-8");
    refused(&["sql", "--data", path, "-c", "select 1"], &["broken.parquet"]);
}

#[test]
fn beyond_loopback_needs_a_password_file() {
    refused(&["serve", "--listen", "0.0.0.0:0"], &["--password-file", "--insecure"]);
    refused(&["serve", "--listen", "127.0.0.1:0", "--password-file", "/nosuch/passwords"], &["/nosuch/passwords"]);
}

#[test]
fn an_in_process_query_is_answered() {
    let answered = output(&["sql", "-c", "select 1 as one, 'x' as t, null as n"]).expect_success("sql");
    assert_eq!(answered.stdout, " one | t | n \n-----+---+---\n   1 | x | \n(1 row)\n\n");
    let failed = output(&["sql", "-c", "select nosuch"]);
    assert_eq!(failed.status.code(), Some(1));
    assert!(failed.stderr.contains("ERROR:  column \"nosuch\" does not exist"), "{}", failed.stderr);
    assert!(failed.stderr.contains("LINE 1: select nosuch\n               ^"), "{}", failed.stderr);
}

/// What psql shows of a query and what the in-process shell shows are the same.
#[test]
fn the_shell_shows_what_psql_shows() {
    let server = Server::shared();
    let queries = [
        "select 1 as a, 2.50 as b, 'text' as c, true as d, null as e",
        "select g, g * 1.5 as h, repeat('x', g) as s from generate_series(1, 3) g",
        "select 1 where false",
        "select array[1, 2], date '2020-01-01', interval '1 day', '\\x01'::bytea",
        "select 'größe' as ä, '東京' as c",
    ];
    for query in queries {
        let Ok(mut psql) = real_clients::psql(server.address(), "postgres") else { return };
        psql.args(["-c", query]);
        let shown = run(psql, LIMIT).expect_success(query).stdout;
        // psql was told to echo; the shell does not.
        let shown = shown.strip_prefix(&format!("{query}\n")).unwrap_or(&shown).to_owned();
        assert_eq!(output(&["sql", "-c", query]).expect_success(query).stdout, shown, "{query}");
    }
}

#[test]
fn devices_are_listed() {
    let listed = output(&["devices"]).expect_success("devices");
    assert!(listed.stdout.contains("cpu"), "{}", listed.stdout);
    let json = output(&["devices", "--json"]).expect_success("devices --json");
    serde_json::from_str::<serde_json::Value>(&json.stdout).expect("one JSON object");
}

/// Ctrl-C ends a server at once, with status 0.
#[test]
fn an_interrupt_ends_the_server() {
    let mut command = warpwise();
    command.args(["serve", "--listen", "127.0.0.1:0"]).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::null());
    let mut child = command.spawn().expect("a server");
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().expect("its output")));
    assert!(lines.any(|line| line.is_ok_and(|line| line.starts_with("ready"))), "the server did not become ready");
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill");
    assert!(sent.success());
    let began = std::time::Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("its state") {
            assert_eq!(status.code(), Some(0), "ended with {status}");
            break;
        }
        if began.elapsed() > Duration::from_secs(10) {
            // It is ours, and it must not stay.
            let _ = child.kill();
            panic!("the server did not end within {:?}", began.elapsed());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The databases that there are, and the one that there is not.
#[test]
fn databases() {
    let server = Server::shared();
    for database in ["postgres", "tpch"] {
        assert_eq!(server.connect_to(database).value("select current_database()"), database);
    }
    let failure = support::client::Client::connect(server.address(), "nosuch").expect_err("no such database");
    assert_eq!(failure.to_string(), "3D000: database \"nosuch\" does not exist");
}
