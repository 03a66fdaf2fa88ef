//! A device that fails costs time, not the answer: the emulated device fails its nth allocation, compilation, launch and
//! copy, for every n, in three queries. Rows stay the same, EXPLAIN ANALYZE says what happened, and nothing is kept.

use std::sync::Arc;

use arrow::util::display::{ArrayFormatter, FormatOptions};
use warpwise_engine::{Engine, Options, Outcome, Session, SessionOptions, Source};
use warpwise_gpu::{Device, DeviceChoice, Emulated, Faults};

/// The table that everything here reads.
const TABLE: &str = "create table t as select g as id, g % 7 as few, g * 37 % 1001 as many, g % 100 as price
    from generate_series(1, 5000) as s(g)";

/// A sum, dense groups, and hashed groups with a filter over them.
const QUERIES: [&str; 3] = [
    "select sum(price * few), count(*) from t where many between 10 and 500 and few < 5",
    "select few, count(*), sum(price), min(many), max(id) from t where price > 3 group by few order by few",
    "select id * 3 as k, sum(price) from t group by id * 3 having sum(price) > 97 order by k limit 20",
];

/// What fails at the nth time.
type Failing = fn(u64) -> Faults;

/// More allocations than any of the queries makes.
const ALLOCATIONS: u64 = 40;

/// More of one kind than any of the queries does.
const MOST: u64 = 200;

fn session(engine: &Engine) -> Session {
    let options = SessionOptions { database: "postgres".to_owned(), user: "tester".to_owned(), ..SessionOptions::default() };
    engine.session(options).unwrap()
}

/// All rows of a statement as text, one a line.
fn rows(engine: &Engine, session: &mut Session, text: &str) -> Result<Vec<String>, String> {
    engine.runtime().block_on(async {
        session.begin_statement();
        let statement = session.parse(text).unwrap().remove(0);
        let prepared = session.prepare(statement, &[]).await.map_err(|e| e.message.clone())?;
        let mut lines = Vec::new();
        let outcome = session.execute(&prepared, Vec::new(), Source::Simple).await.map_err(|e| e.message.clone())?;
        if let Outcome::Rows(mut found) = outcome {
            while let Some(batch) = found.next().await.map_err(|e| e.message.clone())? {
                let options = FormatOptions::default().with_null("null");
                let columns: Vec<_> = batch.columns().iter().map(|c| ArrayFormatter::try_new(c, &options).unwrap()).collect();
                for row in 0..batch.num_rows() {
                    lines.push(columns.iter().map(|c| c.value(row).to_string()).collect::<Vec<_>>().join("|"));
                }
            }
        }
        session.sync().await.map_err(|e| e.message.clone())?;
        Ok(lines)
    })
}

fn engine(device: Arc<dyn Device>) -> (Engine, Session) {
    let options = Options { device: DeviceChoice::Emulated, emulated: Some(device), threads: Some(2), ..Options::default() };
    let engine = Engine::start(options).unwrap();
    let mut session = session(&engine);
    rows(&engine, &mut session, TABLE).unwrap();
    (engine, session)
}

/// Whether this host can build what `emulated` runs.
fn can_emulate() -> bool {
    let (engine, mut session) = engine(Arc::new(Emulated::default()));
    let plan = rows(&engine, &mut session, &format!("explain analyze {}", QUERIES[0])).unwrap();
    if plan.iter().any(|line| line.contains("device=emulated")) {
        return true;
    }
    println!("not run: there is no C++ compiler to emulate CUDA with");
    assert!(std::env::var_os("WARPWISE_REQUIRE_CLIENTS").is_none(), "{plan:#?}");
    false
}

#[test]
fn a_device_that_fails_costs_no_answer() {
    if !can_emulate() {
        return;
    }
    let kinds: [(&str, Failing); 4] = [
        ("allocation", |n| Faults { allocation: Some(n), ..Faults::default() }),
        ("compile", |n| Faults { compile: Some(n), ..Faults::default() }),
        ("launch", |n| Faults { launch: Some(n), ..Faults::default() }),
        ("copy", |n| Faults { copy: Some(n), ..Faults::default() }),
    ];
    for query in QUERIES {
        let (sound, mut session) = engine(Arc::new(Emulated::default()));
        let expected = rows(&sound, &mut session, query).unwrap();
        let plan = rows(&sound, &mut session, &format!("explain {query}")).unwrap();
        assert!(plan.iter().any(|line| line.contains("DeviceExec: device=emulated")), "{plan:#?}");
        for (kind, faults) in kinds {
            let mut failures = 0;
            for n in 1..=MOST {
                let device = Arc::new(Emulated::new(faults(n), 1 << 24));
                let (engine, mut session) = engine(Arc::clone(&device) as Arc<dyn Device>);
                let plan = rows(&engine, &mut session, &format!("explain analyze {query}")).unwrap();
                let failed = plan.iter().any(|line| line.contains("not emulated: "));
                let on_cpu = plan.iter().any(|line| line.contains("DeviceExec: device=cpu"));
                assert_eq!(failed, on_cpu, "{kind} {n}: {plan:#?}");
                assert_eq!(rows(&engine, &mut session, query).unwrap(), expected, "{kind} {n} of {query}");
                assert_eq!(device.outstanding(), 0, "{kind} {n} of {query} leaks");
                if !failed && kind != "allocation" {
                    assert!(plan.iter().any(|line| line.contains("DeviceExec: device=emulated")), "{plan:#?}");
                    break;
                }
                failures += u64::from(failed);
                // An allocation that fails once is tried again without the columns that were only kept: nothing shows.
                if kind == "allocation" && n == ALLOCATIONS {
                    break;
                }
                assert!(n < MOST, "{kind}: {query} never ends");
            }
            assert!(failures > 0 || kind == "allocation", "{kind} never happened in {query}");
        }
    }
}

#[test]
fn an_error_of_the_user_is_the_same_on_every_device() {
    let (engine, mut session) = engine(Arc::new(Emulated::default()));
    let cases = [
        ("select sum(price / (few - 3)) from t", Err("division by zero")),
        ("select sum(price / (few - 3)) from t where few <> 3", Ok(())),
        ("select count(*) from t where 10 / (few - 3) > 1 and few > 100", Ok(())),
        ("select sum(id * 1000000) from t", Err("integer out of range")),
        ("select sum(case when id < 2000 then id * 1000000 else 0 end) from t", Ok(())),
        ("select max((id - 5001)::smallint - 32767::smallint) from t", Err("smallint out of range")),
        ("select min(id::bigint * 4611686018427387904) from t", Err("bigint out of range")),
    ];
    for (query, expected) in cases {
        for device in ["off", "cpu", "emulated"] {
            rows(&engine, &mut session, &format!("set warpwise.device = {device}")).unwrap();
            let found = rows(&engine, &mut session, query);
            session.fail();
            match expected {
                Ok(()) => assert!(found.is_ok(), "{query} on {device}: {found:?}"),
                Err(message) => assert_eq!(found, Err(message.to_owned()), "{query} on {device}"),
            }
        }
    }
}
