//! Hand-made programs on the emulated device, against plain Rust.

use std::sync::Arc;
use std::time::Instant;

use warpwise_gpu::column::{Chunk, Column, Output};
use warpwise_gpu::program::values::padded;
use warpwise_gpu::program::*;
use warpwise_gpu::{Cancel, Counters, Device, Emulated, Error, Faults, Run};

use crate::programs::{self, Builder, aggregate, count, group, key, sum};

/// A column of integers of a type.
pub fn integers(ty: Type, values: impl Iterator<Item = i128>) -> Arc<Column> {
    let mut bytes = Vec::new();
    let mut rows = 0;
    for value in values {
        bytes.extend_from_slice(&value.to_le_bytes()[..ty.bytes()]);
        rows += 1;
    }
    Arc::new(Column::new(ValueType::of(ty), rows, padded(bytes), None))
}

/// A number that looks random.
pub fn mix(at: u64) -> u64 {
    let mut a = at.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    a ^= a >> 29;
    a = a.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    a ^ a >> 32
}

pub fn start(device: &Emulated, pipeline: &Pipeline, scalars: &[i128], chunks: &[Chunk]) -> Result<(Output, Counters), Error> {
    let scalars = scalars.iter().map(|value| Scalar::Int(*value)).collect();
    let rows = chunks.iter().map(|chunk| chunk.rows as u64).sum();
    let values = Values { scalars, tables: vec![], indexes: vec![] };
    let mut run = device.compile(pipeline)?.start(Run { values, rows, cancel: Cancel::default(), threads: 0 })?;
    run.push(chunks)?;
    run.finish()
}

fn word(column: &Column, row: usize) -> i128 {
    let width = column.ty.ty.bytes();
    let bytes = &column.values.as_slice()[row * width..(row + 1) * width];
    let value = bytes.iter().rev().fold(0u128, |all, byte| all << 8 | u128::from(*byte));
    match column.ty.ty {
        Type::I64 => i128::from(value as i64),
        _ => value as i128,
    }
}

/// Columns like lineitem's: date, flag, status, quantity, price, discount, tax.
pub fn lines(sizes: &[usize]) -> (Vec<[u64; 7]>, Vec<Vec<[u64; 7]>>) {
    let mut all = Vec::new();
    let mut chunks = Vec::new();
    for size in sizes {
        let rows: Vec<[u64; 7]> = (0..*size)
            .map(|_| {
                let at = all.len() as u64;
                let r = mix(at);
                let row = [
                    r % 2557,
                    r >> 12 & 1 | (r >> 13 & 1),
                    r >> 14 & 1,
                    1 + (r >> 16) % 50,
                    90_000 + (r >> 20) % 10_000_000,
                    (r >> 45) % 11,
                    (r >> 50) % 9,
                ];
                all.push(row);
                row
            })
            .collect();
        chunks.push(rows);
    }
    (all, chunks)
}

pub fn chunk(rows: &[[u64; 7]], columns: &[(Type, usize)]) -> Chunk {
    let column = |(ty, at): &(Type, usize)| integers(*ty, rows.iter().map(|row| row[*at].into()));
    Chunk { rows: rows.len(), columns: columns.iter().map(column).collect() }
}

pub const Q6: [(Type, usize); 4] = [(Type::U16, 0), (Type::U8, 5), (Type::U8, 3), (Type::U32, 4)];
pub const Q1: [(Type, usize); 7] =
    [(Type::U16, 0), (Type::U8, 1), (Type::U8, 2), (Type::U8, 3), (Type::U32, 4), (Type::U8, 5), (Type::U8, 6)];

#[test]
fn q6_sums_what_rust_sums() {
    let (all, parts) = lines(&[10_000, 1, 7, 0, 70_001, 2048]);
    let chunks: Vec<Chunk> = parts.iter().map(|rows| chunk(rows, &Q6)).collect();
    let device = Emulated::default();
    let (output, counters) = start(&device, &programs::q6(), &[700, 1064, 5, 7, 0, 23], &chunks).unwrap();
    let passes = |row: &&[u64; 7]| (700..=1064).contains(&row[0]) && (5..=7).contains(&row[5]) && row[3] <= 23;
    let expected: u64 = all.iter().filter(passes).map(|row| row[4] * row[5]).sum();
    assert!(expected > 0);
    assert_eq!(word(&output.columns[0], 0), i128::from(expected));
    assert_eq!((counters.launches, counters.rows, counters.bytes), (1, all.len() as u64, 8 * all.len() as u64));
    // The fault and the state: nothing else is waited for.
    assert_eq!(counters.synchronizations, 2);
    let (_, again) = start(&device, &programs::q6(), &[700, 1064, 5, 7, 0, 23], &chunks).unwrap();
    assert!(again.copied_in < 1000, "columns were copied again: {again:?}");
    assert_eq!(device.outstanding(), 0);
}

/// A lookup at every node of a long program: no name that a node takes is a type's, as `i8`, `i16`, `i32` and `i64` are.
#[test]
fn a_node_of_any_number_can_be_a_lookup() {
    let mut b = Builder::new(&[ValueType::of(Type::U8)]);
    let ty = TableType { element: Type::I64, nullable: true };
    b.0.tables = vec![ty];
    let mut last = b.column(0);
    for _ in 1..130 {
        last = b.add(Expr::Lookup { table: TableId(0), index: last });
    }
    b.0.body = vec![Statement::Emit];
    b.0.sink = Sink::Materialize { columns: vec![last] };
    // A table that leads every number to the next one, in a circle of seven.
    let values = padded((0..7i64).flat_map(|at| ((at + 1) % 7).to_le_bytes()).collect());
    let table = Arc::new(Table { ty, len: 7, values, bytes: None, validity: Some(padded(vec![0x7f])) });
    let chunk = Chunk { rows: 7, columns: vec![integers(Type::U8, 0..7)] };
    let run = Run {
        values: Values { scalars: vec![], tables: vec![table], indexes: vec![] },
        rows: 7,
        cancel: Cancel::default(),
        threads: 0,
    };
    let mut execution = Emulated::default().compile(&b.0).unwrap().start(run).unwrap();
    execution.push(&[chunk]).unwrap();
    let (output, _) = execution.finish().unwrap();
    let mut found: Vec<i128> = (0..7).map(|row| word(&output.columns[0], row)).collect();
    found.sort_unstable();
    assert_eq!(found, [0, 1, 2, 3, 4, 5, 6]);
}

/// Rows pushed in one part, and in several: a launch for each, and nothing waits before the end.
#[test]
fn a_push_is_one_launch_and_waits_for_nothing() {
    let (_, parts) = lines(&[2100, 300, 0, 1, 5000, 70]);
    let all = [("q6", programs::q6(), &Q6[..], &[700, 1064, 5, 7, 0, 23][..]), ("q1", programs::q1(), &Q1[..], &[0, 2400][..])];
    for (name, pipeline, columns, scalars) in all {
        let chunks: Vec<Chunk> = parts.iter().map(|rows| chunk(rows, columns)).collect();
        let values =
            Values { scalars: scalars.iter().map(|value| Scalar::Int(*value)).collect(), tables: vec![], indexes: vec![] };
        for parts in [vec![6], vec![2, 4], vec![1, 1, 3, 1]] {
            let device = Emulated::default();
            let run = Run { values: values.clone(), rows: 7471, cancel: Cancel::default(), threads: 0 };
            let mut execution = device.compile(&pipeline).unwrap().start(run).unwrap();
            let mut from = 0;
            for (at, part) in parts.iter().enumerate() {
                execution.push(&chunks[from..from + part]).unwrap();
                from += part;
                assert_eq!(device.asked().launches, at as u64 + 1, "{name}, {parts:?}");
            }
            let (_, counters) = execution.finish().unwrap();
            // The fault and the state, both at the end: as many waits whatever was pushed, so none of them in a push.
            assert_eq!((counters.launches, counters.synchronizations), (parts.len() as u64, 2), "{name}, {parts:?}");
        }
    }
}

#[test]
fn q1_sums_what_rust_sums() {
    let (all, parts) = lines(&[30_000, 5_001]);
    let chunks: Vec<Chunk> = parts.iter().map(|rows| chunk(rows, &Q1)).collect();
    let (output, _) = start(&Emulated::default(), &programs::q1(), &[0, 2400], &chunks).unwrap();
    assert_eq!(output.rows, 4);
    for at in 0..output.rows {
        let of = |column: usize| word(&output.columns[column], at) as u64;
        let rows = || all.iter().filter(|row| row[0] <= 2400 && row[1] == of(0) && row[2] == of(1));
        assert_eq!(of(2), rows().map(|row| row[3]).sum::<u64>());
        assert_eq!(of(3), rows().map(|row| row[4]).sum::<u64>());
        assert_eq!(of(4), rows().map(|row| row[4] * (100 - row[5])).sum::<u64>());
        assert_eq!(of(5), rows().map(|row| row[4] * (100 - row[5]) * (100 + row[6])).sum::<u64>());
        assert_eq!(of(6), rows().map(|row| row[5]).sum::<u64>());
        assert_eq!(of(7), rows().count() as u64);
    }
}

/// A group by one hashed column that sums another.
pub fn by_key(ty: Type) -> Pipeline {
    let mut b = Builder::new(&[ValueType::of(ty), ValueType::of(Type::U32)]);
    let [k, v] = [0, 1].map(|at| b.column(at));
    b.0.body = vec![Statement::Emit];
    b.0.sink = group(vec![key(k, None)], vec![sum(Type::I64, v), count(), aggregate(AggregateOp::Max, Some(v))], Strategy::Hash);
    b.0
}

#[test]
fn a_hash_table_grows_between_launches() {
    for ty in [Type::I32, Type::I128] {
        let rows = 300_000u64;
        let keys = |at: u64| mix(at) % 100_000;
        let chunks: Vec<Chunk> = (0..6)
            .map(|part| {
                let range = part * rows / 6..(part + 1) * rows / 6;
                let columns = vec![
                    integers(ty, range.clone().map(|at| keys(at).into())),
                    integers(Type::U32, range.clone().map(|at| at.into())),
                ];
                Chunk { rows: (rows / 6) as usize, columns }
            })
            .collect();
        // Says that few rows come, so that the table begins small.
        let kernel = Emulated::default().compile(&by_key(ty)).unwrap();
        let mut run = kernel.start(Run { values: Values::default(), rows: 1, cancel: Cancel::default(), threads: 0 }).unwrap();
        run.push(&chunks).unwrap();
        let (output, counters) = run.finish().unwrap();
        assert!(counters.launches > 3, "{counters:?}");
        let mut expected = std::collections::HashMap::<u64, (u64, u64, u64)>::new();
        for at in 0..rows {
            let entry = expected.entry(keys(at)).or_default();
            *entry = (entry.0 + at, entry.1 + 1, at);
        }
        assert_eq!(output.rows, expected.len());
        for row in 0..output.rows {
            let of = |column: usize| word(&output.columns[column], row) as u64;
            assert_eq!(expected[&of(0)], (of(1), of(2), of(3)));
        }
    }
}

/// The ten greatest of a column.
pub fn greatest() -> Pipeline {
    let mut b = Builder::new(&[ValueType::of(Type::U32)]);
    let v = b.column(0);
    b.0.body = vec![Statement::Emit];
    b.0.sink = Sink::TopK { order: vec![Order { expr: v, descending: true, nulls_first: false }], columns: vec![v], limit: 10 };
    b.0
}

#[test]
fn the_threshold_of_a_top_k_drops_rows() {
    let chunks: Vec<Chunk> = (0..20u64)
        .map(|part| {
            let values = (0..30_000).map(|at| i128::from(mix(part * 30_000 + at) >> 40));
            Chunk { rows: 30_000, columns: vec![integers(Type::U32, values)] }
        })
        .collect();
    let (output, counters) = start(&Emulated::default(), &greatest(), &[], &chunks).unwrap();
    let mut all: Vec<u64> = (0..600_000).map(|at| mix(at) >> 40).collect();
    all.sort_unstable_by(|a, b| b.cmp(a));
    let got: Vec<u64> = (0..output.rows).map(|row| word(&output.columns[0], row) as u64).collect();
    assert_eq!(got, all[..10]);
    // The first launch's rows, as order and as column, and few behind them.
    assert!(counters.copied_out < 300_000 * 8, "{counters:?}");
}

#[test]
fn a_run_can_be_cancelled() {
    let device = Emulated::default();
    let cancel = Cancel::default();
    let values = Values { scalars: [700, 1064, 5, 7, 0, 23].map(Scalar::Int).to_vec(), tables: vec![], indexes: vec![] };
    let mut run =
        device.compile(&programs::q6()).unwrap().start(Run { values, rows: 100, cancel: cancel.clone(), threads: 0 }).unwrap();
    let (_, parts) = lines(&[100]);
    cancel.cancel();
    assert_eq!(run.push(&[chunk(&parts[0], &Q6)]), Err(Error::Cancelled));
}

#[test]
fn columns_past_the_budget_go() {
    let (_, parts) = lines(&[20_000; 8]);
    let chunks: Vec<Chunk> = parts.iter().map(|rows| chunk(rows, &Q6)).collect();
    let device = Emulated::new(Faults::default(), 300_000);
    let run = || start(&device, &programs::q6(), &[700, 1064, 5, 7, 0, 23], &chunks).unwrap();
    let (first, second) = (run(), run());
    assert_eq!(word(&first.0.columns[0], 0), word(&second.0.columns[0], 0));
    assert!(second.1.copied_in > 600_000, "{:?}", second.1);
}

#[test]
#[ignore = "a measurement: how fast emulation is"]
fn speed() {
    let (_, parts) = lines(&[1 << 18; 4]);
    for (name, pipeline, columns, scalars) in
        [("q6", programs::q6(), &Q6[..], &[700, 1064, 5, 7, 0, 23][..]), ("q1", programs::q1(), &Q1[..], &[0, 2400][..])]
    {
        let chunks: Vec<Chunk> = parts.iter().map(|rows| chunk(rows, columns)).collect();
        let device = Emulated::default();
        let begin = Instant::now();
        let kernel = device.compile(&pipeline).unwrap();
        let compiled = begin.elapsed();
        let (_, counters) = start(&device, &pipeline, scalars, &chunks).unwrap();
        println!(
            "{name}: built in {:?} (with cache {compiled:?}), {} rows in {:?}",
            kernel.compile_time(),
            counters.rows,
            counters.time
        );
    }
}
