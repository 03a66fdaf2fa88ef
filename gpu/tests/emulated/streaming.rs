//! Columns that are larger than the memory that a device may take pass through it, and the rows are the same.

use std::sync::Arc;

use arrow::buffer::Buffer;
use warpwise_gpu::column::{Chunk, Column, Output};
use warpwise_gpu::interpret::{Outcome, outcome};
use warpwise_gpu::program::text::parse;
use warpwise_gpu::program::*;
use warpwise_gpu::testing::compare;
use warpwise_gpu::{Cancel, Counters, Device, Emulated, Error, Run};

use crate::programs;
use crate::run::{Q1, Q6, by_key, chunk, greatest, integers, lines, mix};

/// What a device may take, and rows of a chunk: a chunk's columns pass through beside those that stay.
const BUDGET: usize = 1 << 20;
const ROWS: usize = 2_000;
/// Chunks of the columns of numbers.
const CHUNKS: usize = 140;

struct Case {
    name: &'static str,
    pipeline: Pipeline,
    scalars: &'static [i128],
    chunks: Vec<Chunk>,
}

impl Case {
    fn values(&self) -> Values {
        // The number of a text's end, where the program wants a text.
        let of = |(value, ty): (&i128, &Type)| {
            if *ty == Type::Text { Scalar::Text(value.to_string().into()) } else { Scalar::Int(*value) }
        };
        Values { scalars: self.scalars.iter().zip(&self.pipeline.parameters).map(of).collect(), tables: vec![], indexes: vec![] }
    }

    fn run(&self, device: &Emulated) -> Result<(Output, Counters), Error> {
        let rows = self.chunks.iter().map(|chunk| chunk.rows as u64).sum();
        let run = Run { values: self.values(), rows, cancel: Cancel::default(), threads: 0 };
        let mut execution = device.compile(&self.pipeline)?.start(run)?;
        for some in self.chunks.chunks(37) {
            execution.push(some)?;
        }
        execution.finish()
    }

    fn expected(&self) -> Outcome {
        outcome(&self.pipeline, &self.values(), &self.chunks).unwrap()
    }

    fn bytes(&self) -> u64 {
        self.chunks.iter().flat_map(|chunk| &chunk.columns).map(|column| column.bytes() as u64).sum()
    }
}

/// A column of texts: of `distinct` values, of all lengths up to some thirty bytes.
fn texts(from: usize, rows: usize, distinct: u64) -> Arc<Column> {
    let (mut offsets, mut bytes) = (vec![0i32], Vec::new());
    for at in from..from + rows {
        let number = mix(at as u64) % distinct;
        bytes.extend(format!("{}{number}", "as others begin ".repeat((number % 3) as usize)).into_bytes());
        offsets.push(bytes.len() as i32);
    }
    Arc::new(Column::texts(rows, Buffer::from_vec(offsets), Buffer::from_vec(bytes), None))
}

/// Every kind of sink, over columns of more than twice the budget.
fn cases() -> Vec<Case> {
    let (_, parts) = lines(&[ROWS; CHUNKS]);
    let of = |columns: &[_]| parts.iter().map(|rows| chunk(rows, columns)).collect::<Vec<_>>();
    let mut marks = programs::q6();
    marks.sink = Sink::Bitmap;
    let mut kept = programs::q6();
    let price = kept.exprs.iter().position(|expr| *expr == Expr::Column(ColumnId(3))).unwrap();
    kept.sink = Sink::Materialize { columns: vec![ExprId(price as u32)] };
    let keyed = |from: usize| {
        let column = |most: u64| integers(Type::U32, (from..from + ROWS).map(|at| i128::from(mix(at as u64) % most)));
        Chunk { rows: ROWS, columns: [1500, 999].map(column).to_vec() }
    };
    let keyed: Vec<Chunk> = (0..CHUNKS).map(|at| keyed(at * ROWS)).collect();
    let wide =
        |chunk: &Chunk| integers(Type::U32, (0..chunk.rows).map(|at| i128::from(mix(at as u64 ^ chunk.columns[0].key) >> 40)));
    let single: Vec<Chunk> =
        keyed.iter().chain(&keyed).map(|chunk| Chunk { rows: chunk.rows, columns: vec![wide(chunk)] }).collect();
    let texts: Vec<Chunk> = (0..24)
        .map(|at| Chunk { rows: ROWS, columns: vec![texts(at * ROWS, ROWS, 500), texts(at * ROWS, ROWS, 1 << 40)] })
        .collect();
    let of_texts = |sink: &str| {
        let head = "pipeline\n  column 0 text\n  column 1 text\n  parameter 0 text\n  %0 = column 0\n  %1 = column 1\n";
        parse(&format!("{head}  %2 = text_match suffix %1 0\n  body\n    if %2\n      emit\n  {sink}")).unwrap()
    };
    let text_case = |name, sink: &str| Case { name, pipeline: of_texts(sink), scalars: &[7], chunks: texts.clone() };
    let ranges = &[700, 1064, 5, 7, 0, 23];
    vec![
        Case { name: "single", pipeline: programs::q6(), scalars: ranges, chunks: of(&Q6) },
        Case { name: "dense", pipeline: programs::q1(), scalars: &[0, 2400], chunks: of(&Q1) },
        Case { name: "bitmap", pipeline: marks, scalars: ranges, chunks: of(&Q6) },
        Case { name: "materialize", pipeline: kept, scalars: ranges, chunks: of(&Q6) },
        Case { name: "hash", pipeline: by_key(Type::U32), scalars: &[], chunks: keyed },
        Case { name: "top_k", pipeline: greatest(), scalars: &[], chunks: single },
        text_case("texts, hash", "group hash\n    key %0\n    count\n    max %1\n"),
        text_case("texts, single", "group single\n    min %1\n    max %1\n    max %0\n"),
        text_case("texts, materialize", "materialize %1\n"),
        text_case("texts, top_k", "top_k 10\n    order %1\n    column %0\n    column %1\n"),
    ]
}

#[test]
fn columns_larger_than_memory_pass_through() {
    for case in cases() {
        let name = case.name;
        let expected = case.expected();
        let all = case.bytes();
        assert!(all > 2 * BUDGET as u64, "{name}: {all} bytes are too few");
        let device = Emulated::default();
        device.set_memory_budget(BUDGET as u64);
        for round in 0..3 {
            let (output, counters) = case.run(&device).unwrap_or_else(|error| panic!("{name}: {error}"));
            compare::check(&case.pipeline.sink, &expected, &Ok(output)).unwrap_or_else(|why| panic!("{name}: {why}"));
            assert!(counters.streamed > 0 && counters.streamed_chunks > 0, "{name}: {counters:?}");
            assert!(counters.streamed_chunks < case.chunks.len() as u64, "{name}: {counters:?}");
            // What stays, stays: the next run need not copy it again.
            // (A hash table that grows takes their place.)
            let grows = name.contains("hash");
            assert!(round == 0 || grows || counters.streamed + BUDGET as u64 / 4 < all, "{name}: {counters:?} of {all}");
            assert!(device.peak() <= BUDGET, "{name}: {} bytes taken", device.peak());
        }
        // Without a budget again, all of it stays.
        device.set_memory_budget(0);
        let (_, first) = case.run(&device).unwrap();
        let (_, second) = case.run(&device).unwrap();
        assert_eq!((first.streamed, first.streamed_chunks), (0, 0), "{name}");
        // Some of a result goes back and forth, and no column.
        assert!(second.copied_in < all / 4, "{name}: {second:?} of {all}");
        assert_eq!(device.outstanding(), 0, "{name}");
    }
}

#[test]
fn a_lower_budget_lets_columns_go() {
    let case = cases().remove(0);
    let device = Emulated::default();
    let (_, all) = case.run(&device).unwrap();
    assert_eq!(all.streamed, 0);
    device.set_memory_budget(BUDGET as u64);
    let (_, less) = case.run(&device).unwrap();
    assert!(less.streamed > 0 && less.copied_in < all.copied_in, "{less:?}");
}

/// Memory that cannot hold even a chunk, or the state, is an error that says which setting changes it.
#[test]
fn too_little_memory_is_told() {
    for case in cases() {
        let device = Emulated::default();
        device.set_memory_budget(6_000);
        let Err(Error::OutOfMemory(text)) = case.run(&device) else { panic!("{}: it ran", case.name) };
        assert!(text.contains("warpwise.device_memory"), "{text}");
        assert_eq!(device.outstanding(), 0, "{}", case.name);
    }
}
