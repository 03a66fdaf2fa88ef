//! Stopping what runs: cancel requests, statement_timeout, and clients that go away.

mod support;

use std::time::{Duration, Instant};
use support::client::{self, Client, Failure};
use support::message::{self, Backend};
use support::server::Server;

/// How soon a stopped query must answer.
const SOON: Duration = Duration::from_millis(200);

/// A query that runs for minutes on any machine, and its table.
const TABLE: &str = "create table if not exists cancel_t as select g as id from generate_series(1, 200000) g";
const LONG: &str = "select count(*) from cancel_t a, cancel_t b where a.id + b.id < 0";

/// Others that spend their time elsewhere: in an aggregate, a sort, a window, a join that is built.
const LONG_ONES: [&str; 4] = [
    "select a.id % 1000 as k, sum(b.id) from cancel_t a, cancel_t b group by 1 order by 1",
    "select a.id + b.id as x from cancel_t a, cancel_t b where a.id < 2000 order by x desc limit 1",
    "select max(n) from (select row_number() over (partition by b.id % 7 order by a.id) as n from cancel_t a, cancel_t b where a.id < 1000) s",
    "select count(*) from cancel_t a join cancel_t b on a.id % 10 = b.id % 10 where a.id <> b.id",
];

/// The server of this binary, with the table in it; one test at a time, since they measure time.
fn server() -> (std::sync::MutexGuard<'static, ()>, &'static Server) {
    static ONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let alone = ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let server = Server::shared();
    server.connect().run(TABLE);
    (alone, server)
}

/// Waits until the backend `pid` runs something.
fn wait_until_active(server: &Server, pid: i32) {
    let mut watcher = server.connect();
    let query = format!("select count(*) from pg_stat_activity where pid = {pid} and state = 'active'");
    let give_up = Instant::now() + Duration::from_secs(20);
    while watcher.value(&query) != "1" {
        assert!(Instant::now() < give_up, "the query did not start");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Starts `sql` on a thread; the answer comes with the instant at which it came.
fn start(mut client: Client, sql: &str) -> std::thread::JoinHandle<(Client, Result<(), Failure>, Instant)> {
    let sql = sql.to_owned();
    std::thread::spawn(move || {
        let outcome = client.query(&sql).map(|_| ());
        (client, outcome, Instant::now())
    })
}

fn assert_cancelled(outcome: &Result<(), Failure>, message: &str) {
    match outcome {
        Err(Failure::Server(fields)) => assert_eq!((fields.code(), fields.message()), ("57014", message)),
        other => panic!("the query was not cancelled: {other:?}"),
    }
}

/// Cancels `sql` a while after it started, and returns how long the answer took.
fn cancel_one(server: &Server, sql: &str) -> Duration {
    let client = server.connect();
    let key = client.cancel_key();
    let running = start(client, sql);
    wait_until_active(server, key.1);
    std::thread::sleep(Duration::from_millis(200));
    let sent = Instant::now();
    client::cancel(key.0, key.1, &key.2).expect("a cancel request");
    let (mut client, outcome, answered) = running.join().expect("the query's thread");
    assert_cancelled(&outcome, "canceling statement due to user request");
    assert_eq!(client.value("select 'still here'"), "still here");
    answered.saturating_duration_since(sent)
}

#[test]
fn a_cancel_request_stops_a_query() {
    let (_alone, server) = server();
    for sql in [LONG].into_iter().chain(LONG_ONES) {
        let took = cancel_one(server, sql);
        assert!(took < SOON, "{sql}\nanswered {took:?} after the cancel request");
    }
}

/// A join that compares all with all lets go of the threads that others need.
#[test]
fn a_cancelled_join_without_an_equality_does_not_keep_others_waiting() {
    let (_alone, server) = server();
    let mut client = server.connect();
    client.run("create table if not exists cancel_large_t as select g as id from generate_series(1, 3000000) g");
    let join = "select count(*) from cancel_large_t a, cancel_large_t b where a.id + b.id < 0";
    for _ in 0..3 {
        cancel_one(server, join);
    }
    client.run("set warpwise.device = off");
    let began = Instant::now();
    assert_eq!(client.value("select count(*) from cancel_large_t where id > 0"), "3000000");
    assert!(began.elapsed() < Duration::from_secs(4), "answered after {:?}", began.elapsed());
    client.run("drop table cancel_large_t");
}

#[test]
fn a_timeout_stops_a_query() {
    let (_alone, server) = server();
    let mut client = server.connect();
    client.run("set statement_timeout = 300");
    for sql in [LONG].into_iter().chain(LONG_ONES) {
        let started = Instant::now();
        let outcome = client.query(sql).map(|_| ());
        let took = started.elapsed();
        assert_cancelled(&outcome, "canceling statement due to statement timeout");
        assert!(took >= Duration::from_millis(290) && took < Duration::from_millis(300) + SOON, "{sql}\nstopped after {took:?}");
    }
    client.run("set statement_timeout = 0");
    assert_eq!(client.value("select count(*) from cancel_t"), "200000");
}

#[test]
fn a_timeout_holds_in_the_extended_protocol() {
    let (_alone, server) = server();
    let mut client = server.connect();
    client.run("set statement_timeout = '300ms'");
    let started = Instant::now();
    let outcome = client.extended(LONG, &[], true).map(|_| ());
    let took = started.elapsed();
    assert_cancelled(&outcome, "canceling statement due to statement timeout");
    assert!(took < Duration::from_millis(300) + SOON, "stopped after {took:?}");
}

#[test]
fn cancel_and_timeout_hold_under_load() {
    let (_alone, server) = server();
    let busy: Vec<_> = (0..32)
        .map(|_| {
            let client = server.connect();
            let key = client.cancel_key();
            (key, start(client, LONG))
        })
        .collect();
    for (key, _) in &busy {
        wait_until_active(server, key.1);
    }

    let mut client = server.connect();
    client.run("set statement_timeout = 500");
    let started = Instant::now();
    assert_cancelled(&client.query(LONG).map(|_| ()), "canceling statement due to statement timeout");
    let took = started.elapsed();
    assert!(took < Duration::from_millis(500) + SOON, "the timeout of 500 ms struck after {took:?} under load");

    // Every one of them in turn, while the others still run.
    for (key, running) in busy {
        let sent = Instant::now();
        client::cancel(key.0, key.1, &key.2).expect("a cancel request");
        let (_, outcome, answered) = running.join().expect("the query's thread");
        assert_cancelled(&outcome, "canceling statement due to user request");
        let took = answered.saturating_duration_since(sent);
        assert!(took < SOON, "answered {took:?} after the cancel request, under load");
    }
}

#[test]
fn a_cancel_request_without_the_secret_is_ignored() {
    let (_alone, server) = server();
    let client = server.connect();
    let (address, pid, mut secret) = client.cancel_key();
    let running = start(client, LONG);
    wait_until_active(server, pid);
    for byte in &mut secret {
        *byte ^= 0x55;
    }
    client::cancel(address, pid, &secret).expect("a cancel request");
    std::thread::sleep(Duration::from_millis(500));
    assert!(!running.is_finished(), "a wrong secret cancelled the query");
    for byte in &mut secret {
        *byte ^= 0x55;
    }
    client::cancel(address, pid, &secret).expect("a cancel request");
    assert_cancelled(&running.join().expect("the query's thread").1, "canceling statement due to user request");
}

#[test]
fn a_cancel_request_for_an_idle_session_does_not_hurt_it() {
    let (_alone, server) = server();
    let mut client = server.connect();
    client.cancel().expect("a cancel request");
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(client.value("select 1"), "1");
}

/// The server is then blocked in writing to a socket that nobody reads.
#[test]
fn a_cancel_request_stops_a_result_that_is_not_read() {
    let (_alone, server) = server();
    for sql in ["select a.id, b.id from cancel_t a, cancel_t b", "copy (select a.id, b.id from cancel_t a, cancel_t b) to stdout"]
    {
        let mut client = server.connect();
        client.send(&message::query(sql)).expect("a query");
        std::thread::sleep(Duration::from_millis(500));
        let sent = Instant::now();
        client.cancel().expect("a cancel request");
        let outcome = client.answers().map(|_| ());
        assert_cancelled(&outcome, "canceling statement due to user request");
        // What was already on its way is read first, hence more time than a cancel has.
        assert!(sent.elapsed() < Duration::from_secs(5), "answered after {:?}", sent.elapsed());
        assert_eq!(client.value("select 1"), "1");
    }
}

#[test]
fn a_client_that_goes_away_stops_its_query() {
    let (_alone, server) = server();
    for sql in [LONG, "select a.id, b.id from cancel_t a, cancel_t b"] {
        let mut client = server.connect();
        let pid = client.pid;
        client.send(&message::query(sql)).expect("a query");
        wait_until_active(server, pid);
        client.stream().shutdown(std::net::Shutdown::Both).expect("a closed socket");
        drop(client);
        let mut watcher = server.connect();
        let gone = Instant::now();
        while watcher.value(&format!("select count(*) from pg_stat_activity where pid = {pid}")) != "0" {
            assert!(gone.elapsed() < Duration::from_secs(2), "{sql}\nstill runs {:?} after its client went", gone.elapsed());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

#[test]
fn a_cancelled_transaction_is_failed() {
    let (_alone, server) = server();
    let mut client = server.connect();
    client.run("begin");
    client.run("set local statement_timeout = 100");
    assert_cancelled(&client.query(LONG).map(|_| ()), "canceling statement due to statement timeout");
    assert_eq!(client.status, 'E');
    let failure = client.query("select 1").expect_err("a failed transaction");
    assert_eq!(failure.code(), "25P02");
    client.run("rollback");
    assert_eq!(client.status, 'I');
    assert_eq!(client.value("show statement_timeout"), "0");
}

/// A portal that is executed in pieces has the timeout anew for each.
#[test]
fn a_timeout_does_not_count_the_time_between_executes() {
    // A server of its own: what was cancelled on the shared one may still hold its threads for a while.
    let server = Server::start(&[]);
    let mut client = server.connect();
    client.run(TABLE);
    client.run("set statement_timeout = 400");
    client.run("begin");
    let mut bytes = message::parse("", "select id from cancel_t", &[]);
    bytes.extend(message::bind("piecewise", "", &[], &[], &[]));
    bytes.extend(message::sync());
    client.send(&bytes).expect("a statement");
    client.answers().expect("a portal");
    for _ in 0..3 {
        let mut bytes = message::execute("piecewise", 10);
        bytes.extend(message::sync());
        client.send(&bytes).expect("an execute");
        let mut rows = 0;
        loop {
            match client.read().expect("a message") {
                Backend::DataRow(_) => rows += 1,
                Backend::PortalSuspended => {}
                Backend::ReadyForQuery(_) => break,
                other => panic!("an unexpected message {other:?}"),
            }
        }
        assert_eq!(rows, 10);
        std::thread::sleep(Duration::from_millis(300));
    }
}
