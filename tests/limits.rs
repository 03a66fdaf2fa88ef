//! Limits: how many clients are let in, and how much memory answering them takes.

mod support;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use support::client::{Client, Failure};
use support::message;
use support::server::Server;

const MIB: u64 = 1 << 20;

#[test]
fn one_client_too_many_gets_a_sentence() {
    let server = Server::start(&["--max-connections", "3"]);
    let mut clients: Vec<Client> = (0..3).map(|_| server.connect()).collect();
    match Client::connect(server.address(), "postgres") {
        Err(Failure::Server(fields)) => {
            assert_eq!((fields.severity(), fields.code()), ("FATAL", "53300"));
            assert_eq!(fields.message(), "sorry, too many clients already");
        }
        other => panic!("a fourth client was not refused: {other:?}"),
    }
    for client in &mut clients {
        assert_eq!(client.value("select 1"), "1");
    }
    clients.pop();
    let give_up = Instant::now() + Duration::from_secs(2);
    while let Err(failure) = Client::connect(server.address(), "postgres") {
        assert!(Instant::now() < give_up, "no place became free: {failure}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Watches a server's memory while `work` runs: by how much it grew at most.
fn growth(server: &Server, work: impl FnOnce()) -> u64 {
    let before = server.resident().unwrap_or(0);
    let (peak, done) = (AtomicU64::new(before), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                peak.fetch_max(server.resident().unwrap_or(0), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        // The watcher must end also where the work fails.
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        done.store(true, Ordering::Relaxed);
        if let Err(panic) = outcome {
            std::panic::resume_unwind(panic);
        }
    });
    peak.load(Ordering::Relaxed) - before
}

/// Reads a result without keeping it: the number of rows.
fn count_rows(client: &mut Client) -> u64 {
    let mut rows = 0;
    loop {
        match client.skip().expect("a message") {
            (b'D' | b'd', _) => rows += 1,
            (b'E', _) => panic!("the query failed"),
            (b'Z', _) => return rows,
            _ => {}
        }
    }
}

#[test]
fn a_large_result_streams() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    client.run("create table limits_t as select g as id, 'some text of row ' || g as s from generate_series(1, 2500) g");
    let sql = "select a.id, b.id, a.s, b.s from limits_t a, limits_t b";
    // Once before, so that what is allocated once is there.
    client.run("select count(*) from limits_t a, limits_t b where a.id = b.id");

    let all = 2500 * 2500;
    let simple = growth(&server, || {
        client.send(&message::query(sql)).expect("a query");
        assert_eq!(count_rows(&mut client), all);
    });
    assert!(simple < 150 * MIB, "the simple protocol took {} MiB for {all} rows", simple / MIB);

    let extended = growth(&server, || {
        let mut bytes = message::parse("", sql, &[]);
        bytes.extend(message::bind("", "", &[], &[], &[1]));
        bytes.extend(message::execute("", 0));
        bytes.extend(message::sync());
        client.send(&bytes).expect("a query");
        assert_eq!(count_rows(&mut client), all);
    });
    assert!(extended < 150 * MIB, "the extended protocol took {} MiB for {all} rows", extended / MIB);

    let copy = growth(&server, || {
        client.send(&message::query(&format!("copy ({sql}) to stdout"))).expect("a query");
        assert_eq!(count_rows(&mut client), all);
    });
    assert!(copy < 150 * MIB, "COPY took {} MiB for {all} rows", copy / MIB);

    // In pieces, as a driver with a fetch size does.
    let pieces = growth(&server, || {
        client.run("begin");
        let mut bytes = message::parse("", sql, &[]);
        bytes.extend(message::bind("pieces", "", &[], &[], &[1]));
        bytes.extend(message::sync());
        client.send(&bytes).expect("a portal");
        assert_eq!(count_rows(&mut client), 0);
        for _ in 0..200 {
            let mut bytes = message::execute("pieces", 1000);
            bytes.extend(message::sync());
            client.send(&bytes).expect("an execute");
            assert_eq!(count_rows(&mut client), 1000);
        }
        client.run("rollback");
    });
    assert!(pieces < 150 * MIB, "fetching in pieces took {} MiB", pieces / MIB);
}

/// A result that is not read must not pile up in the server.
#[test]
fn a_slow_reader_does_not_fill_the_server() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    client.run("create table limits_s as select g as id, repeat('x', 100) as s from generate_series(1, 5000) g");
    client.run("select count(*) from limits_s a, limits_s b where a.id = b.id");
    let grown = growth(&server, || {
        client.send(&message::query("select a.s, b.s from limits_s a, limits_s b")).expect("a query");
        std::thread::sleep(Duration::from_secs(3));
    });
    assert!(grown < 150 * MIB, "a result that nobody reads took {} MiB", grown / MIB);
}

/// A message that is too long ends the connection, before it is read.
#[test]
fn a_message_over_the_limit_is_refused() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    let mut header = vec![b'Q'];
    header.extend_from_slice(&(1i32 << 30).to_be_bytes());
    let grown = growth(&server, || {
        client.send(&header).expect("a header");
        // The server may close while we still send: then the rest has no one to go to.
        let block = vec![b' '; 1 << 20];
        for _ in 0..256 {
            if client.send(&block).is_err() {
                break;
            }
        }
        let failure = client.answers().expect_err("a message of a gibibyte");
        if let Failure::Server(fields) = failure {
            assert_eq!((fields.severity(), fields.code()), ("FATAL", "08P01"));
        }
    });
    assert!(grown < 64 * MIB, "a message that was refused took {} MiB", grown / MIB);
    assert_eq!(server.connect().value("select 1"), "1");
}

/// A megabyte of SQL is within the limit.
#[test]
fn a_long_statement_is_answered() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    let text = "x".repeat(1 << 20);
    assert_eq!(client.value(&format!("select length('{text}')")), (1 << 20).to_string());
    let list: Vec<String> = (0..20_000).map(|number| number.to_string()).collect();
    client.run("create table limits_l as select g as id from generate_series(1, 100) g");
    assert_eq!(client.value(&format!("select count(*) from limits_l where id in ({})", list.join(","))), "100");
}

/// What nests within reason is parsed and planned in a time that grows with its length, not with a power of its depth. COALESCE
/// within COALESCE is not among it: DataFusion writes its operands twice at each level.
#[test]
fn nesting_costs_no_more_than_its_length() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    client.run("create table limits_nested as select 1::double precision as f, true as b");
    client.run("set statement_timeout = '20s'");
    for depth in [20, 45] {
        for (open, close) in [("abs(", ")"), ("(", ")"), ("case when b then ", " else 0 end"), ("-(", ")")] {
            let sql = format!("select {}f{} from limits_nested", open.repeat(depth), close.repeat(depth));
            let began = std::time::Instant::now();
            client.run(&sql);
            let took = began.elapsed();
            assert!(took.as_secs() < 10, "{depth} times {open}…{close} took {took:?}");
        }
    }
}

/// Nesting that no stack holds is an error, not a crash.
#[test]
fn deep_nesting_is_refused() {
    let server = Server::start(&[]);
    for sql in [
        format!("select {}1{}", "(".repeat(100_000), ")".repeat(100_000)),
        format!("select {}1", "- ".repeat(100_000)),
        format!("select 1{}", " + 1".repeat(100_000)),
        format!("select {}1", "not ".repeat(100_000)),
        format!("select * from {}t{}", "(select * from ".repeat(10_000), ") x".repeat(10_000)),
        format!("select {}1{}", "case when true then ".repeat(20_000), " end".repeat(20_000)),
        format!("select 1{}", " union all select 1".repeat(20_000)),
        format!("select {}1{}", "array[".repeat(20_000), "]".repeat(20_000)),
        format!("select '{}'::json", "[".repeat(100_000)),
        format!("select '{}'::int[]", "{".repeat(100_000)),
    ] {
        // It may also be answered; what matters is that the server goes on.
        let outcome = server.connect().query(&sql);
        if let Err(failure @ Failure::Connection(_)) = outcome {
            panic!("{}…\n{failure}\n{}", sql.chars().take(60).collect::<String>(), server.log());
        }
        assert!(server.alive(), "the server died of {}…\n{}", sql.chars().take(60).collect::<String>(), server.log());
    }
    assert_eq!(server.connect().value("select 1"), "1");
}
