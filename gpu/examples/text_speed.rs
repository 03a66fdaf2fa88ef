//! How fast the processor runs pipelines over plain strings: six million made-up texts of about 30 bytes, filtered by
//! patterns and comparisons, counted by character, grouped, ordered. The answers are checked.
//!
//! `cargo run --release -p warpwise-gpu --example text_speed [rows]`; `ONLY=like` runs the cases whose names begin so.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use arrow::buffer::Buffer;
use warpwise_gpu::column::{CHUNK_ROWS, Chunk, Column, Output};
use warpwise_gpu::program::text::parse;
use warpwise_gpu::program::{Scalar, Values};
use warpwise_gpu::{Cancel, Device, Discovery, Run};

const WORDS: [&str; 16] = [
    "carefully",
    "final",
    "special",
    "requests",
    "sleep",
    "furiously",
    "pending",
    "deposits",
    "along",
    "ironic",
    "the",
    "accounts",
    "quickly",
    "above",
    "regular",
    "packages",
];

/// Random numbers, the same every time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }
}

fn column(texts: &[String]) -> Vec<Arc<Column>> {
    let chunk = |part: &[String]| {
        let mut offsets = vec![0i32];
        let mut bytes = Vec::new();
        for text in part {
            bytes.extend_from_slice(text.as_bytes());
            offsets.push(bytes.len() as i32);
        }
        Arc::new(Column::texts(part.len(), Buffer::from_vec(offsets), Buffer::from_vec(bytes), None))
    };
    texts.chunks(CHUNK_ROWS).map(chunk).collect()
}

/// Time that the process has had on all processors: what a busy machine shows truly.
fn processor_seconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock writes the time, which lives.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

fn measure(name: &str, text: &str, texts: &[Arc<Column>], parameters: &[&str], check: impl Fn(&Output)) {
    if std::env::var("ONLY").is_ok_and(|only| !name.starts_with(&only)) {
        return;
    }
    let device = Discovery::find(Path::new("")).cpu;
    let pipeline = parse(text).expect("parses");
    let kernel = device.compile(&pipeline).expect("compiles");
    let chunks: Vec<Chunk> = texts.iter().map(|column| Chunk { rows: column.rows, columns: vec![column.clone()] }).collect();
    let rows: usize = chunks.iter().map(|chunk| chunk.rows).sum();
    let bytes: usize = texts.iter().map(|column| column.bytes()).sum();
    print!("{name:<22}");
    for threads in [1, 2] {
        let (mut best, mut least) = (f64::INFINITY, f64::INFINITY);
        for _ in 0..5 {
            let scalars = parameters.iter().map(|text| Scalar::Text((*text).into())).collect();
            let run = Run {
                values: Values { scalars, tables: vec![], indexes: vec![] },
                rows: rows as u64,
                cancel: Cancel::default(),
                threads,
            };
            let (began, used) = (Instant::now(), processor_seconds());
            let mut execution = kernel.clone().start(run).expect("starts");
            execution.push(&chunks).expect("runs");
            let (output, _) = execution.finish().expect("finishes");
            best = best.min(began.elapsed().as_secs_f64());
            least = least.min(processor_seconds() - used);
            check(&output);
        }
        let each = |seconds: f64| seconds * 1e9 / rows as f64;
        let rate = bytes as f64 / least / 1e9;
        print!(" | {threads} threads {:.2} ns/row, {:.2} of processor, {rate:.1} GB/s", each(best), each(least));
    }
    println!();
}

fn total(output: &Output, column: usize) -> i64 {
    output.columns[column].values.typed_data::<i64>().iter().sum()
}

fn main() {
    let rows: usize = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(6_000_000);
    let mut numbers = Numbers(0x2545_F491_4F6C_DD1D);
    let mut word = |count: u64| (0..count).map(|_| WORDS[numbers.below(16) as usize]).collect::<Vec<_>>().join(" ");
    let sentences: Vec<String> = (0..rows).map(|_| word(4)).collect();
    let mut numbers = Numbers(7);
    let urls = |distinct: u64, numbers: &mut Numbers| -> Vec<String> {
        (0..rows).map(|_| format!("https://example.com/page/{:08}", numbers.below(distinct))).collect()
    };
    let (many, few) = (urls(1_000_000, &mut numbers), urls(1_000, &mut numbers));
    let short: Vec<String> = (0..rows).map(|_| format!("item{}", numbers.below(1_000_000))).collect();
    let distinct = |texts: &[String]| texts.iter().collect::<std::collections::HashSet<_>>().len();
    let of = [&sentences, &many, &few, &short].map(|texts| column(texts));
    let filter = |node: &str, parameters: usize| {
        let declared: String = (0..parameters).map(|at| format!("  parameter {at} text\n")).collect();
        format!(
            "pipeline\n  column 0 text\n{declared}  %0 = column 0\n{node}  body\n    if %1\n      emit\n  group single\n    count\n"
        )
    };
    let count = |holds: &dyn Fn(&str) -> bool| sentences.iter().filter(|text| holds(text)).count() as i64;
    let check = |wanted: i64| move |output: &Output| assert_eq!(total(output, 0), wanted);
    let matched = |op: &str| filter(&format!("  %1 = text_match {op} %0 0\n"), 1);

    measure("like %special%", &matched("contains"), &of[0], &["special"], check(count(&|text| text.contains("special"))));
    measure("like %xyzzy%", &matched("contains"), &of[0], &["xyzzy"], check(0));
    let node = filter("  %1 = text_match contains %0 0 ignore_case\n", 1);
    measure("ilike %SPECIAL%", &node, &of[0], &["SPECIAL"], check(count(&|text| text.contains("special"))));
    let both = |text: &str| text.find("special").is_some_and(|at| text[at + 7..].contains("requests"));
    measure("like %special%requests%", &matched("like"), &of[0], &["%special%requests%"], check(count(&both)));
    let node = filter("  %1 = text_match like %0 0\n  %2 = not %1\n", 1).replace("if %1", "if %2");
    measure("not like %s%r%", &node, &of[0], &["%special%requests%"], check(count(&|text| !both(text))));
    measure("like final%", &matched("prefix"), &of[0], &["final"], check(count(&|text| text.starts_with("final"))));
    measure("like %packages", &matched("suffix"), &of[0], &["packages"], check(count(&|text| text.ends_with("packages"))));
    let compared = |op: &str| filter(&format!("  %1 = parameter 0\n  %2 = {op} %0 %1\n"), 1).replace("if %1", "if %2");
    measure("= url", &compared("equal"), &of[1], &["https://example.com/page/00000001"], |_| {});
    measure("< word", &compared("less"), &of[0], &["furiously"], check(count(&|text| text < "furiously")));
    let lengths = "pipeline\n  column 0 text\n  %0 = column 0\n  %1 = text_length characters %0\n  body\n    emit\n  group single\n    sum i64 %1\n";
    measure("sum(length)", lengths, &of[0], &[], check(sentences.iter().map(|text| text.len() as i64).sum()));
    let group = "pipeline\n  column 0 text\n  %0 = column 0\n  body\n    emit\n  group hash\n    key %0\n    count\n";
    for (name, at, texts) in [("group 1M urls", 1, &many), ("group 1K urls", 2, &few), ("group 1M short", 3, &short)] {
        let groups = distinct(texts);
        measure(name, group, &of[at], &[], |output| assert_eq!((output.rows, total(output, 1)), (groups, rows as i64)));
    }
    let extremes = "pipeline\n  column 0 text\n  %0 = column 0\n  body\n    emit\n  group single\n    min %0\n    max %0\n";
    measure("min, max", extremes, &of[1], &[], |output| assert_eq!(output.rows, 1));
    let top = "pipeline\n  column 0 text\n  %0 = column 0\n  body\n    emit\n  top_k 10\n    order %0\n    column %0\n";
    measure("top 10", top, &of[0], &[], |output| assert_eq!(output.rows, 10));
    let keep = "pipeline\n  column 0 text\n  %0 = column 0\n  body\n    emit\n  materialize %0\n";
    measure("materialize", keep, &of[1], &[], |output| assert_eq!(output.rows, rows));
}
