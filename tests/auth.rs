//! Who may connect: SCRAM by a password file, played with psql, and anyone on loopback without one.

mod support;

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;
use support::client::{Client, Failure};
use support::process::{Output, run, warpwise};
use support::real_clients;
use support::server::Server;

const LIMIT: Duration = Duration::from_secs(30);

/// The password file's line for a user, as `warpwise password` makes it.
fn line(user: &str, password: &str) -> String {
    let mut command = warpwise();
    command.args(["password", "--user", user]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("warpwise password");
    child.stdin.take().expect("its input").write_all(password.as_bytes()).expect("a password");
    let output = child.wait_with_output().expect("its end");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let line = String::from_utf8(output.stdout).expect("text");
    assert!(line.starts_with(&format!("{user}:SCRAM-SHA-256$")), "{line}");
    assert!(!line.contains(password), "the line holds the password");
    line
}

/// A server that asks for passwords, and the folder with its file.
fn server() -> (Server, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("users");
    std::fs::write(&path, line("ann", "correct horse") + &line("bob", "größe ✓")).expect("the password file");
    let server = Server::start(&["--password-file", path.to_str().expect("a path in UTF-8")]);
    (server, folder)
}

fn login(mut psql: Command, user: &str, password: Option<&str>) -> Output {
    psql.args(["-w", "-A", "-t", "-q", "-c", "select current_user"]).env("PGUSER", user).env("PGPASSFILE", "/dev/null");
    if let Some(password) = password {
        psql.env("PGPASSWORD", password);
    }
    run(psql, LIMIT)
}

#[test]
fn passwords_are_asked_for() {
    let (server, _folder) = server();
    let psql = || real_clients::psql(server.address(), "postgres");
    if let Err(missing) = psql() {
        assert!(!support::enabled("WARPWISE_REQUIRE_CLIENTS"), "not run: {missing}");
        return;
    }
    let psql = || psql().expect("psql, which was there before");
    for (user, password) in [("ann", "correct horse"), ("bob", "größe ✓")] {
        let output = login(psql(), user, Some(password)).expect_success("a login");
        assert!(output.stdout.lines().any(|line| line == user), "{}", output.stdout);
    }
    for (user, password) in [("ann", "wrong"), ("ann", "größe ✓"), ("nobody", "correct horse"), ("postgres", "")] {
        let output = login(psql(), user, Some(password).filter(|password| !password.is_empty()));
        assert!(!output.status.success(), "{user} was let in");
        let reason = if password.is_empty() {
            "no password supplied".to_owned()
        } else {
            format!("FATAL:  password authentication failed for user \"{user}\"")
        };
        assert!(output.stderr.contains(&reason), "{user}: {}", output.stderr);
    }
}

/// A client that answers nothing sensible gets nowhere, and neither does one that skips the answer.
#[test]
fn a_query_before_the_password_is_refused() {
    let (server, _folder) = server();
    match Client::connect(server.address(), "postgres") {
        Err(Failure::Connection(error)) => assert!(error.to_string().contains("authentication 10"), "{error}"),
        other => panic!("no SCRAM was asked for: {other:?}"),
    }
    let mut stream = std::net::TcpStream::connect(server.address()).expect("a connection");
    stream.set_read_timeout(Some(LIMIT)).expect("a timeout");
    let mut bytes = support::message::startup(3 << 16, &[("user", "ann"), ("database", "postgres")]);
    bytes.extend(support::message::query("select 'let in'"));
    stream.write_all(&bytes).expect("a query");
    let mut answer = Vec::new();
    // A reset instead of an end is as good.
    let _ = std::io::Read::read_to_end(&mut stream, &mut answer);
    assert!(!answer.windows(6).any(|window| window == b"let in"), "a query was answered without a password");
    // 'R' with the mechanisms, then an error: nothing that comes behind a login.
    let mut rest = answer.as_slice();
    while let [tag, a, b, c, d, ..] = *rest {
        assert!(matches!(tag, b'R' | b'E'), "the server sent {:?} before it saw a password", char::from(tag));
        let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX).saturating_add(1);
        rest = rest.get(length..).unwrap_or_default();
    }
}

#[test]
fn anyone_on_loopback_may_connect_without_a_password_file() {
    let server = Server::shared();
    for user in ["ann", "postgres", "somebody else"] {
        let mut client =
            Client::connect_with(server.address(), &[("user", user), ("database", "postgres")]).expect("a connection");
        assert_eq!(client.value("select current_user"), user);
    }
}
