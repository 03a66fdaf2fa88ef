//! How columns come to devices and go: seen through an engine and what its column cache counts.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{ArrayRef, Date32Array, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use warpwise_gpu::DeviceChoice;
use warpwise_gpu::cache::ColumnStatistics;

use crate::{Engine, Options, Outcome, Session, SessionOptions, Source};

/// A folder of Parquet files that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("warpwise-exec-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn write(&self, table: &str, batch: &RecordBatch, rows_of_a_group: usize) {
        let file = std::fs::File::create(self.0.join(format!("{table}.parquet"))).unwrap();
        let properties = WriterProperties::builder().set_max_row_group_row_count(Some(rows_of_a_group)).build();
        let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
        writer.write(batch).unwrap();
        writer.close().unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

struct Tested {
    engine: Engine,
    session: Session,
}

impl Tested {
    fn new(folder: Option<&Folder>, settings: &[(&str, &str)]) -> Self {
        let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let options = Options { device: DeviceChoice::Cpu, threads: Some(2), settings, ..Options::default() };
        let engine = Engine::start(options).unwrap();
        if let Some(folder) = folder {
            engine.load_folder(&folder.0).unwrap();
        }
        let options =
            SessionOptions { database: "postgres".to_owned(), user: "postgres".to_owned(), ..SessionOptions::default() };
        let session = engine.session(options).unwrap();
        Self { engine, session }
    }

    /// The rows of a text's last statement, values divided by commas.
    fn run(&mut self, text: &str) -> Vec<String> {
        let runtime = self.engine.runtime().clone();
        runtime.block_on(async {
            let mut found = Vec::new();
            self.session.begin_statement();
            for statement in self.session.parse(text).unwrap() {
                found.clear();
                let prepared = self.session.prepare(statement, &[]).await.unwrap();
                if let Outcome::Rows(mut rows) = self.session.execute(&prepared, Vec::new(), Source::Simple).await.unwrap() {
                    while let Some(batch) = rows.next().await.unwrap() {
                        let options = FormatOptions::default();
                        let columns = batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap());
                        let columns: Vec<_> = columns.collect();
                        found.extend(
                            (0..batch.num_rows()).map(|row| {
                                columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join(",")
                            }),
                        );
                    }
                }
            }
            self.session.sync().await.unwrap();
            self.session.idle();
            found
        })
    }

    /// A query's rows on the device, which must be those without one; and what EXPLAIN ANALYZE says of its scan.
    fn check(&mut self, query: &str) -> String {
        let found = self.run(query);
        self.run("set warpwise.device = off");
        assert_eq!(found, self.run(query), "{query}");
        self.run("reset warpwise.device");
        let plan = self.run(&format!("explain analyze {query}"));
        let scan = plan.iter().find(|line| line.contains("CpuScan"));
        scan.unwrap_or_else(|| panic!("{query} is not on the device:\n{}", plan.join("\n"))).clone()
    }

    fn columns(&self) -> ColumnStatistics {
        self.engine.shared.devices.inputs.statistics()
    }
}

/// Sales by day: `at` ascends, so each row group has days of its own; `price` is NaN now and then.
fn sales(rows: i64) -> RecordBatch {
    let numbers = || 0..rows;
    let kinds = ["cash", "card", "voucher"];
    let amounts = Decimal128Array::from_iter_values(numbers().map(|row| i128::from(row * 37 % 1000) * 100));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from_iter_values(numbers().map(|row| row * 3)))),
        ("at", Arc::new(Date32Array::from_iter_values(numbers().map(|row| 10_000 + (row / 1000) as i32)))),
        ("amount", Arc::new(amounts.with_precision_and_scale(12, 2).unwrap())),
        ("kind", Arc::new(StringArray::from_iter_values(numbers().map(|row| kinds[(row % 3) as usize])))),
        (
            "price",
            Arc::new(Float64Array::from_iter_values(numbers().map(|row| if row % 777 == 5 { f64::NAN } else { row as f64 }))),
        ),
        ("gap", Arc::new(numbers().map(|row| (row % 7 != 0).then_some(row % 11)).collect::<Int64Array>())),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true))).unwrap()
}

const ALL: &str =
    "select kind, count(*), sum(id), sum(amount), min(at), max(at), count(gap), sum(gap) from sales group by kind order by kind";

#[test]
fn row_groups_that_cannot_match_are_not_read() {
    let folder = Folder::new();
    folder.write("sales", &sales(50_000), 5_000);
    let mut tested = Tested::new(Some(&folder), &[]);
    let scan = tested.check("select count(*), sum(amount) from sales where at = date '1997-05-30'");
    assert!(scan.contains("row groups left out=9 of 10"), "{scan}");
    let loaded = tested.columns();
    assert_eq!((loaded.misses, loaded.widened), (2, 0), "two columns of one row group");
    // A parameter, another range, and ranges over text.
    let scan = tested.check("select sum(id) from sales where at between date '1997-05-25' and date '1997-06-03' and kind >= 'd'");
    assert!(scan.contains("row groups left out=7 of 10"), "{scan}");
    let scan = tested.check("select sum(id) from sales where kind = 'zloty'");
    assert!(scan.contains("row groups left out=10 of 10"), "{scan}");
    // NaN is the greatest number, and no statistics have it.
    let beyond = "select count(*) from sales where price > 1000000";
    assert_eq!(tested.run(beyond), ["65"]);
    let plan = tested.run(&format!("explain analyze {beyond}")).join("\n");
    assert!(plan.contains("CpuScan") && !plan.contains("left out"), "{plan}");
    let scan = tested.check("select count(*) from sales where gap is null and id < 12000");
    assert!(scan.contains("row groups left out=9 of 10"), "{scan}");
    // Once everything is there, chunks decide.
    tested.check(ALL);
    let scan = tested.check("select count(*), sum(amount) from sales where at = date '1997-05-30'");
    assert!(!scan.contains("left out"), "{scan}");
}

#[test]
fn what_files_say_of_a_column_chooses_its_width_at_once() {
    let folder = Folder::new();
    folder.write("sales", &sales(50_000), 5_000);
    let mut tested = Tested::new(Some(&folder), &[]);
    let explained =
        |tested: &mut Tested| tested.run(&format!("explain {ALL}")).iter().any(|line| line.contains("MB of files first"));
    assert!(explained(&mut tested), "a first run reads the file");
    tested.check(ALL);
    assert!(!explained(&mut tested));
    let found = tested.columns();
    assert_eq!((found.misses, found.widened), (50, 0), "five columns of ten row groups, none encoded twice");
}

#[test]
fn columns_beyond_the_memory_stream() {
    let folder = Folder::new();
    folder.write("sales", &sales(60_000), 4_000);
    let mut tested = Tested::new(Some(&folder), &[("warpwise.host_memory", "192kB")]);
    for _ in 0..2 {
        let scan = tested.check(ALL);
        let parts = scan.split("streamed ").nth(1).and_then(|rest| rest.split(' ').nth(3)?.parse::<usize>().ok());
        assert!(parts.is_some_and(|parts| parts > 2), "{scan}");
        assert!(tested.columns().bytes <= 192 << 10, "{:?}", tested.columns());
    }
    tested.check("select count(*) from sales where price > 59000 or gap = 4");
    tested.check("select id, kind from sales where amount = 370 and gap is not null order by id limit 5");
    tested.check("select count(*), sum(id) from sales where id < 0");
    // What fits stays.
    let scan = tested.check("select sum(gap) from sales");
    assert!(!scan.contains("streamed"), "{scan}");
    // Tables in memory have segments too.
    let rows = "select g, g::bigint * 1000003 % 1000, 'text ' || g % 50 from generate_series(1, 20000) g";
    tested.run("create table streamed_t (a bigint, b bigint, c text)");
    for _ in 0..6 {
        tested.run(&format!("insert into streamed_t {rows}"));
    }
    let scan = tested.check("select c, count(*), sum(a), max(b) from streamed_t group by c order by c limit 7");
    assert!(scan.contains("streamed"), "{scan}");
}

#[test]
fn lengths_are_of_bytes_while_all_texts_are_ascii() {
    let lengths = "select sum(length(s)), max(char_length(s)), count(*) filter (where length(s) > 9), sum(length(left(s, -2)))
        from ascii_t where id <> 7";
    let counts = |tested: &mut Tested| {
        let program = tested.run(&format!("explain (codegen) {lengths}")).join("\n");
        (program.contains("text_length bytes"), program.contains("text_length characters"))
    };
    let fill = |tested: &mut Tested, parts: i64| {
        tested.run("create table ascii_t (id int, s text)");
        for part in 0..parts {
            let (from, to) = (part * 80_000 / parts + 1, (part + 1) * 80_000 / parts);
            let rows = "select g, case when g % 10 > 0 then 'text ' || g end from generate_series";
            tested.run(&format!("insert into ascii_t {rows}({from}, {to}) g"));
        }
    };
    let beyond = "insert into ascii_t values (-1, 'größe'), (-2, ''), (-3, null), (-4, '日本語')";
    let mut tested = Tested::new(None, &[]);
    fill(&mut tested, 1);
    tested.check(lengths);
    assert_eq!(counts(&mut tested), (true, false));
    tested.run(beyond);
    tested.check(lengths);
    assert_eq!(counts(&mut tested), (false, true));
    // The same where columns are loaded part by part: a part may be ASCII where the whole is not.
    let mut tested = Tested::new(None, &[("warpwise.host_memory", "192kB")]);
    fill(&mut tested, 5);
    for more in [None, Some(beyond)] {
        if let Some(more) = more {
            tested.run(more);
        }
        let scan = tested.check(lengths);
        assert!(scan.contains("streamed"), "{scan}");
        assert_eq!(counts(&mut tested), (more.is_none(), more.is_some()));
    }
}

#[test]
fn what_is_kept_of_a_table_goes_with_it() {
    let mut tested = Tested::new(None, &[]);
    for end in ["drop table gone_t", "truncate gone_t", "drop table gone_t; create table gone_t (x text)"] {
        tested.run("drop table if exists gone_t; create table gone_t (a bigint, s text)");
        tested.run("insert into gone_t select g * 1000, 'a' || g % 10 from generate_series(1, 30000) g");
        tested.check("select s, sum(a) from gone_t group by s order by s");
        assert!(tested.columns().bytes > 0);
        // A transaction that began before still sees the table.
        let options =
            SessionOptions { database: "postgres".to_owned(), user: "postgres".to_owned(), ..SessionOptions::default() };
        let mut other = Tested { engine: tested.engine.clone(), session: tested.engine.session(options).unwrap() };
        other.run("begin; select count(*) from gone_t");
        tested.run(end);
        assert_eq!(other.run("select sum(a) from gone_t"), ["450015000000"]);
        other.run("commit");
        // A query's task may still be about to let go of its plan.
        for _ in 0..200 {
            if tested.columns().bytes > 0 {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
        }
        assert_eq!(tested.columns().bytes, 0, "{end}");
    }
}

#[test]
fn a_file_that_changed_leaves_nothing_of_before() {
    let folder = Folder::new();
    folder.write("sales", &sales(8_000), 4_000);
    let mut tested = Tested::new(Some(&folder), &[]);
    tested.check(ALL);
    let before = tested.columns().bytes;
    for rows in [6_000, 3_000] {
        folder.write("sales", &sales(rows), 4_000);
        tested.check(ALL);
        assert!(tested.columns().bytes <= before, "{:?} after {before}", tested.columns());
    }
    assert!(tested.columns().bytes < before / 2);
}

#[test]
fn copy_tells_how_far_it_is() {
    let mut tested = Tested::new(None, &[]);
    tested.run("create table copied_t (a bigint, b text)");
    let runtime = tested.engine.runtime().clone();
    let options = SessionOptions { database: "postgres".to_owned(), user: "postgres".to_owned(), ..SessionOptions::default() };
    let mut watching = Tested { engine: tested.engine.clone(), session: tested.engine.session(options).unwrap() };
    let progress = "select c.relname, p.command, p.type, p.bytes_processed, p.tuples_processed, p.datname
        from pg_stat_progress_copy p join pg_class c on c.oid = p.relid";
    let mut copy = runtime.block_on(async {
        tested.session.begin_statement();
        let statement = tested.session.parse("copy copied_t from stdin").unwrap().remove(0);
        let prepared = tested.session.prepare(statement, &[]).await.unwrap();
        match tested.session.execute(&prepared, Vec::new(), Source::Simple).await.unwrap() {
            Outcome::CopyIn(copy) => copy,
            other => panic!("{other:?}"),
        }
    });
    assert_eq!(watching.run(progress), ["copied_t,COPY FROM,PIPE,0,0,postgres"]);
    let data: String = (0..40_000).map(|row| format!("{row}\tx\n")).collect();
    runtime.block_on(copy.push(data.as_bytes())).unwrap();
    let found = watching.run(progress).remove(0);
    let parts: Vec<&str> = found.split(',').collect();
    assert_eq!((parts[0], parts[3]), ("copied_t", data.len().to_string().as_str()), "{found}");
    assert!(parts[4].parse::<u64>().unwrap() > 0, "{found}");
    runtime.block_on(copy.finish(&mut tested.session)).unwrap();
    runtime.block_on(tested.session.sync()).unwrap();
    assert_eq!(watching.run(progress), Vec::<String>::new());
    assert_eq!(watching.run("select count(*) from copied_t"), ["40000"]);
}

#[test]
fn a_join_says_what_it_met_and_how() {
    let mut tested = Tested::new(None, &[]);
    tested.run("create table small (k int, name text); insert into small values (1, 'one'), (2, 'two'), (9, null)");
    tested.run("create table large as select g as id, g % 4 as k, g % 7 as v from generate_series(1, 1000) g");
    tested
        .run("select count(id), count(k), count(v) from large where id > 0; select count(k), count(name) from small where k > 0");
    let plan = |tested: &mut Tested, query: &str| {
        tested.check(query);
        tested.run(&format!("explain analyze {query}"))
    };
    let lines = plan(&mut tested, "select name, sum(v) from large l join small s on l.k = s.k group by name order by name");
    let at = |text: &str| lines.iter().position(|line| line.contains(text)).unwrap_or_else(|| panic!("{text}: {lines:#?}"));
    assert!(lines[at("CpuHashJoin: inner on k@0 = k@")].contains("[build rows=3 direct, "), "{lines:#?}");
    assert!(at("CpuHashJoin") < at("CpuScan: small") && at("CpuScan: small") < at("CpuScan: large"), "{lines:#?}");
    let lines =
        plan(&mut tested, "select s.k, count(l.id) from small s left join large l on l.k = s.k group by s.k order by s.k");
    assert!(lines.iter().any(|line| line.contains("build rows=1000 direct, several rows of a key")), "{lines:#?}");
}

#[test]
fn the_other_side_marks_rows_where_it_is_larger() {
    let mut tested = Tested::new(None, &[]);
    tested.run("create table some as select g as k, g % 5 as v from generate_series(1, 3000) g");
    tested.run("create table many as select g % 5000 as k, g % 9 as w, g as id from generate_series(1, 200000) g");
    tested.run("select count(k), count(v) from some where k > 0; select count(k), count(w), count(id) from many where id > 0");
    let mut marks = |condition: &str| {
        let query = format!("select count(*), sum(s.k) from some s where s.k % 10 = 3 and {condition}");
        tested.check(&query);
        let plan = tested.run(&format!("explain analyze {query}")).join("\n");
        assert!(plan.contains("marked rows=300 direct") || plan.contains("bits, "), "{plan}");
    };
    for condition in ["m.k = s.k and m.w < s.v", "m.k = s.k", "m.k = s.k and m.w <> s.v and m.id > 1000"] {
        marks(&format!("exists (select 1 from many m where {condition})"));
        marks(&format!("not exists (select 1 from many m where {condition})"));
    }
    let query = "select s.k, (select sum(w) from many m where m.k = s.k) from some s where s.k % 1000 = 7 order by 1";
    tested.check(query);
    let plan = tested.run(&format!("explain analyze {query}")).join("\n");
    assert!(!plan.contains("HashJoinExec"), "{plan}");
}
