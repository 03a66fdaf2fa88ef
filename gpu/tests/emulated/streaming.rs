//! Columns that are larger than the memory that a device may take pass through it, and the rows are the same.

use warpwise_gpu::column::{Chunk, Output};
use warpwise_gpu::interpret::{Outcome, outcome};
use warpwise_gpu::program::*;
use warpwise_gpu::testing::compare;
use warpwise_gpu::{Cancel, Counters, Device, Emulated, Error, Run};

use crate::programs;
use crate::run::{Q1, Q6, by_key, chunk, greatest, integers, lines, mix};

/// What a device may take, and rows of a chunk: a chunk's columns pass through beside those that stay.
const BUDGET: usize = 1 << 20;
const ROWS: usize = 8_000;

struct Case {
    name: &'static str,
    pipeline: Pipeline,
    scalars: &'static [i128],
    chunks: Vec<Chunk>,
}

impl Case {
    fn values(&self) -> Values {
        Values { scalars: self.scalars.iter().map(|value| Scalar::Int(*value)).collect(), tables: vec![] }
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
        self.chunks.iter().flat_map(|chunk| &chunk.columns).map(|column| column.rows as u64 * column.ty.ty.bytes() as u64).sum()
    }
}

/// Every kind of sink, over columns of three times the budget.
fn cases() -> Vec<Case> {
    let (_, parts) = lines(&[ROWS; 48]);
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
    let keyed: Vec<Chunk> = (0..48).map(|at| keyed(at * ROWS)).collect();
    let wide =
        |chunk: &Chunk| integers(Type::U32, (0..chunk.rows).map(|at| i128::from(mix(at as u64 ^ chunk.columns[0].key) >> 40)));
    let single: Vec<Chunk> =
        keyed.iter().chain(&keyed).map(|chunk| Chunk { rows: chunk.rows, columns: vec![wide(chunk)] }).collect();
    let ranges = &[700, 1064, 5, 7, 0, 23];
    vec![
        Case { name: "single", pipeline: programs::q6(), scalars: ranges, chunks: of(&Q6) },
        Case { name: "dense", pipeline: programs::q1(), scalars: &[0, 2400], chunks: of(&Q1) },
        Case { name: "bitmap", pipeline: marks, scalars: ranges, chunks: of(&Q6) },
        Case { name: "materialize", pipeline: kept, scalars: ranges, chunks: of(&Q6) },
        Case { name: "hash", pipeline: by_key(Type::U32), scalars: &[], chunks: keyed },
        Case { name: "top_k", pipeline: greatest(), scalars: &[], chunks: single },
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
            assert!(round == 0 || counters.streamed + BUDGET as u64 / 4 < all, "{name}: {counters:?} of {all}");
            assert!(device.peak() <= BUDGET, "{name}: {} bytes taken", device.peak());
        }
        // Without a budget again, all of it stays.
        device.set_memory_budget(0);
        let (_, first) = case.run(&device).unwrap();
        let (_, second) = case.run(&device).unwrap();
        assert_eq!((first.streamed, first.streamed_chunks), (0, 0), "{name}");
        assert!(second.copied_in < 20_000, "{name}: {second:?}");
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
        device.set_memory_budget(20_000);
        let Err(Error::OutOfMemory(text)) = case.run(&device) else { panic!("{}: it ran", case.name) };
        assert!(text.contains("warpwise.device_memory"), "{text}");
        assert_eq!(device.outstanding(), 0, "{}", case.name);
    }
}
