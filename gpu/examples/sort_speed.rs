//! How fast rows are sorted on the host, and columns taken in the order.
//!
//! `cargo run --release -p warpwise-gpu --example sort_speed [THREADS]`. The best of several runs, in milliseconds.

use std::time::{Duration, Instant};

use arrow::buffer::Buffer;
use warpwise_gpu::column::Column;
use warpwise_gpu::program::{Type, ValueType};
use warpwise_gpu::sort::{Key, gather, order};
use warpwise_gpu::{Cancel, Result};

const ROWS: usize = 6_000_000;
const REPETITIONS: usize = 5;

/// The same numbers in any order, each once.
fn shuffled(at: usize) -> usize {
    at * 7_368_787 % ROWS
}

fn i64s(value: impl Fn(usize) -> i64) -> Column {
    let values: Vec<i64> = (0..ROWS).map(value).collect();
    Column::new(ValueType::of(Type::I64), ROWS, Buffer::from_vec(values), None)
}

fn f64s(value: impl Fn(usize) -> f64) -> Column {
    let values: Vec<f64> = (0..ROWS).map(value).collect();
    Column::new(ValueType::of(Type::F64), ROWS, Buffer::from_vec(values), None)
}

fn texts(value: impl Fn(usize) -> String) -> Column {
    let (mut offsets, mut bytes) = (vec![0i32], Vec::new());
    for at in 0..ROWS {
        bytes.extend_from_slice(value(at).as_bytes());
        offsets.push(bytes.len() as i32);
    }
    Column::texts(ROWS, Buffer::from_vec(offsets), Buffer::from_vec(bytes), None)
}

fn best<T>(mut run: impl FnMut() -> Result<T>) -> Result<(Duration, T)> {
    let mut found = None;
    let mut least = Duration::MAX;
    for _ in 0..REPETITIONS {
        let began = Instant::now();
        found = Some(run()?);
        least = least.min(began.elapsed());
    }
    Ok((least, found.expect("there are repetitions")))
}

fn main() -> Result<()> {
    let threads = std::env::args().nth(1).and_then(|threads| threads.parse().ok()).unwrap_or(0);
    let cancel = Cancel::default();
    let few = i64s(|at| (shuffled(at) % 2526) as i64);
    let all = i64s(|at| shuffled(at) as i64);
    let wide = i64s(|at| (shuffled(at) as i64).wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as i64));
    let sorted = i64s(|at| at as i64);
    let floats = f64s(|at| 1.0 / (1 + shuffled(at)) as f64);
    let words = texts(|at| format!("{:x} and so on", shuffled(at).wrapping_mul(0x9e37_79b9)));
    let alike = texts(|at| format!("Customer#{:018}", shuffled(at)));
    println!("{ROWS} rows");
    println!("{:38}{:>10}{:>12}", "key", "order", "and taken");
    let cases: [(&str, &[&Column]); 8] = [
        ("integers of 2,526 values", &[&few]),
        ("integers, each once", &[&all]),
        ("integers of 64 bits", &[&wide]),
        ("integers in order", &[&sorted]),
        ("two keys", &[&few, &wide]),
        ("floats", &[&floats]),
        ("texts", &[&words]),
        ("texts that begin alike", &[&alike]),
    ];
    for (name, columns) in cases {
        let keys: Vec<Key<'_>> =
            columns.iter().map(|column| Key { column, ranks: None, descending: false, nulls_first: false }).collect();
        let (time, found) = best(|| order(&keys, usize::MAX, threads, &cancel))?;
        let (taking, _) = best(|| gather(columns[0], &found, threads, &cancel))?;
        println!("{name:38}{:>7.1} ms{:>9.1} ms", time.as_secs_f64() * 1e3, taking.as_secs_f64() * 1e3);
    }
    Ok(())
}
