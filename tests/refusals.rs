//! What devices refuse: EXPLAIN says so and names what is at fault, and the answer is DataFusion's.

mod support;

use std::io::Write;
use support::client::{Answer, Client, Failure};
use support::server::Server;

/// What a paragraph of the file begins with where it is a query that is refused.
const REFUSED: &str = "-- refused:";

/// Fewer shapes than this prove too little.
const FEWEST: usize = 30;

/// A statement of the file.
#[derive(Debug)]
struct Paragraph {
    /// What the refusal says; none where the statement only sets up.
    refusal: Option<String>,
    sql: String,
}

fn paragraphs() -> Vec<Paragraph> {
    let path = support::root().join("tests/refusals/shapes.sql");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let paragraph = |text: &str| {
        let refusal = text.lines().find_map(|line| line.strip_prefix(REFUSED)).map(|text| text.trim().to_owned());
        let sql: Vec<&str> = text.lines().filter(|line| !line.starts_with("--")).collect();
        Paragraph { refusal, sql: sql.join("\n") }
    };
    text.split("\n\n").map(paragraph).filter(|paragraph| !paragraph.sql.trim().is_empty()).collect()
}

/// All rows, in an order of their own, or the error.
fn answer(client: &mut Client, sql: &str) -> Result<Vec<Vec<String>>, String> {
    let rows = |answers: Vec<Answer>| {
        let mut rows: Vec<Vec<String>> = answers.iter().flat_map(Answer::text).collect();
        rows.sort_unstable();
        rows
    };
    client.query(sql).map(rows).map_err(|failure: Failure| failure.to_string())
}

/// What is wrong with a query that devices are to refuse.
fn problem(cpu: &mut Client, off: &mut Client, refusal: &str, sql: &str) -> Option<String> {
    let (on_cpu, without) = (answer(cpu, sql), answer(off, sql));
    if on_cpu != without {
        return Some(format!("{sql}\nanswers {on_cpu:?} with the device cpu and {without:?} without one"));
    }
    let plan = match cpu.query(&format!("EXPLAIN {sql}")) {
        Ok(answers) => answers.iter().flat_map(Answer::text).flatten().collect::<Vec<_>>().join("\n"),
        Err(failure) => return Some(format!("EXPLAIN {sql}\nfails: {failure}")),
    };
    let refused = plan.split_once("Not on cpu:").map(|(_, refused)| refused).unwrap_or_default();
    (!refused.contains(refusal)).then(|| format!("{sql}\nis not refused with \"{refusal}\":\n{plan}"))
}

#[test]
fn refusals_name_what_is_at_fault() {
    let server = Server::start(&[]);
    let (mut cpu, mut off) = (server.connect(), server.connect());
    cpu.run("SET warpwise.device = cpu");
    off.run("SET warpwise.device = off");
    let (mut problems, mut shapes) = (Vec::new(), 0);
    for paragraph in paragraphs() {
        match &paragraph.refusal {
            None => {
                cpu.run(&paragraph.sql);
            }
            Some(refusal) => {
                shapes += 1;
                problems.extend(problem(&mut cpu, &mut off, refusal, &paragraph.sql));
            }
        }
    }
    let _ = writeln!(std::io::stderr(), "{shapes} shapes are refused");
    assert!(problems.is_empty(), "{} problems\n\n{}\n\n{}", problems.len(), problems.join("\n\n"), server.log());
    assert!(shapes >= FEWEST, "only {shapes} shapes");
}

/// What EXPLAIN, or EXPLAIN ANALYZE, says.
fn explained(client: &mut Client, explain: &str) -> String {
    let answers = client.query(explain).unwrap_or_else(|failure| panic!("{explain}: {failure}"));
    answers.iter().flat_map(Answer::text).flatten().collect::<Vec<_>>().join("\n")
}

#[test]
fn the_first_run_finds_out_what_the_data_allow() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    client.run("SET warpwise.device = cpu");
    client.run("create table refusals_cold (few date, many bigint)");
    client.run(
        "insert into refusals_cold select date '2020-01-01' + g % 100, g * 1000003::bigint from generate_series(1, 50000) g",
    );
    let allowed = explained(&mut client, "EXPLAIN ANALYZE select count(*) from refusals_cold where to_char(few, 'MM') = '02'");
    assert!(allowed.contains("DeviceExec: device=cpu") && !allowed.contains("not cpu"), "{allowed}");
    let sql = "select count(*) from refusals_cold where to_char(many, '999') = ' 12'";
    let found_out = explained(&mut client, &format!("EXPLAIN ANALYZE {sql}"));
    assert!(found_out.contains("device=datafusion, not cpu") && found_out.contains("function to_char"), "{found_out}");
    let known = explained(&mut client, &format!("EXPLAIN {sql}"));
    assert!(known.contains("Not on cpu:") && !known.contains("DeviceExec"), "{known}");
    assert_eq!(answer(&mut client, sql), Ok(vec![vec!["0".to_owned()]]));
}
