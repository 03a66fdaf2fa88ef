//! Every file of `examples/` is run, as its head says, and does not fail.

mod support;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use support::process::{Output, run, warpwise};
use support::real_clients::{self, Missing};
use support::server::Server;

const LIMIT: Duration = Duration::from_secs(300);

fn example(name: &str) -> PathBuf {
    support::root().join("examples").join(name)
}

/// Runs an example where its client is installed; its output must hold `expected`.
fn check(name: &str, command: Result<Command, Missing>, expected: &[&str]) -> Option<Output> {
    let command = match command {
        Ok(command) => command,
        Err(missing) => {
            assert!(!support::enabled("WARPWISE_REQUIRE_CLIENTS"), "not run: {name}: {missing}");
            let _ = writeln!(std::io::stderr(), "not run: {name}: {missing}");
            return None;
        }
    };
    let output = run(command, LIMIT).expect_success(name);
    for text in expected {
        assert!(output.stdout.contains(text), "{name} does not show {text:?}:\n{}\n{}", output.stdout, output.stderr);
    }
    Some(output)
}

/// Runs a file of SQL in process.
fn in_process(name: &str, arguments: &[&str], expected: &[&str]) {
    let mut command = warpwise();
    command.arg("sql").args(arguments).arg("-f").arg(example(name));
    check(name, Ok(command), expected);
}

/// psql with the file, so that an error in it is one of psql's.
fn psql(server: &Server, database: &str, file: &Path) -> Result<Command, Missing> {
    let mut psql = real_clients::psql(server.address(), database)?;
    psql.args(["-v", "ON_ERROR_STOP=1", "-f"]).arg(file);
    Ok(psql)
}

/// The folder that `own_parquet.sql` describes.
fn shop() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = warpwise();
    command.args(["tpch", "generate", "--scale", "0.01", "--out"]).arg(folder.path().join("shop"));
    run(command, LIMIT).expect_success("tpch generate");
    let campaign = folder.path().join("shop/campaign.csv");
    std::fs::write(campaign, "segment,discount\nBUILDING,0.10\nMACHINERY,0.05\n").expect("a CSV file");
    folder
}

const TPCH: [&str; 4] = ["15000", "percent", "BUILDING", "1193053.2253"];
const OWN_PARQUET: [&str; 5] = ["campaign", "lineitem", "MACHINERY", "granted", "Customer#"];

#[test]
fn tpch_sql() {
    in_process("tpch.sql", &["--tpch", "0.01"], &TPCH);
    check("tpch.sql", psql(Server::tpch(), "tpch", &example("tpch.sql")), &TPCH);
}

#[test]
fn own_parquet_sql() {
    let folder = shop();
    let shop = folder.path().join("shop");
    let shop = shop.to_str().expect("a path in UTF-8");
    in_process("own_parquet.sql", &["--data", shop], &OWN_PARQUET);
    let server = Server::start(&["--data", shop]);
    check("own_parquet.sql", psql(&server, "postgres", &example("own_parquet.sql")), &OWN_PARQUET);
}

#[test]
fn python_py() {
    let python = real_clients::python(Server::tpch().address(), "tpch", &["psycopg"]).map(|mut python| {
        python.arg(example("python.py"));
        python
    });
    check("python.py", python, &["shipped until 1998-09-02", "all orders together: 2127396830.02", "MACHINERY,0.05"]);
}

#[test]
fn jdbc_java() {
    let java = real_clients::java(&example("Jdbc.java"), Server::tpch().address(), "tpch");
    check("Jdbc.java", java, &["1997:", "1-URGENT", "all orders together: 2127396830.02"]);
}

/// A file that nobody runs is no example.
#[test]
fn every_example_has_a_test() {
    let tested = ["tpch.sql", "own_parquet.sql", "python.py", "Jdbc.java"];
    for entry in std::fs::read_dir(support::root().join("examples")).expect("the folder examples") {
        let name = entry.expect("an entry").file_name();
        let name = name.to_string_lossy();
        assert!(tested.contains(&name.as_ref()) || name == "README.md", "examples/{name} has no test");
    }
}
