//! How fast rows are grouped by key, and how fast a pipeline on the processor finds them again.
//!
//! `cargo run --release -p warpwise-gpu --example join_speed [THREADS]`. The best of several runs, in milliseconds; what is
//! found is counted and compared.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::buffer::Buffer;
use warpwise_gpu::column::{CHUNK_ROWS, Chunk, Column};
use warpwise_gpu::join::{Form, Grouped, Wants, group};
use warpwise_gpu::program::{
    Aggregate, AggregateOp, Arithmetic, Builder, Comparison, Expr, ExprId, Fault, LoopKind, Sink, Statement, Strategy, Table,
    Type, ValueType,
};
use warpwise_gpu::{Cancel, Cpu, Device, Run};

const REPETITIONS: usize = 7;

/// A permutation of the numbers below `count`, whose greatest common divisor with the factor is 1.
fn shuffled(at: i64, count: i64) -> i64 {
    (at * 7_368_787) % count
}

fn i64s(values: impl Iterator<Item = i64>) -> Column {
    let values: Vec<i64> = values.collect();
    let mut column = Column::new(ValueType::of(Type::I64), values.len(), Buffer::from_vec(values.clone()), None);
    column.range = values.iter().min().zip(values.iter().max()).map(|(low, high)| ((*low).into(), (*high).into()));
    column
}

fn i32s(values: impl Iterator<Item = i64>) -> Column {
    let values: Vec<i32> = values.map(|value| value as i32).collect();
    let mut column = Column::new(ValueType::of(Type::I32), values.len(), Buffer::from_vec(values.clone()), None);
    column.range = values.iter().min().zip(values.iter().max()).map(|(low, high)| ((*low).into(), (*high).into()));
    column
}

fn best<T>(mut run: impl FnMut() -> T) -> (Duration, T) {
    let mut least = Duration::MAX;
    let mut last = None;
    for _ in 0..REPETITIONS {
        let began = Instant::now();
        last = Some(run());
        least = least.min(began.elapsed());
    }
    (least, last.expect("there are repetitions"))
}

fn chunks(column: &Column) -> Vec<Chunk> {
    let width = column.ty.ty.bytes();
    let part = |begin: usize| {
        let rows = CHUNK_ROWS.min(column.rows - begin);
        let values = column.values.slice_with_length(begin * width, rows * width);
        Chunk { rows, columns: vec![Arc::new(Column::new(column.ty, rows, values, None))] }
    };
    (0..column.rows).step_by(CHUNK_ROWS).map(part).collect()
}

/// Looks for the values of a column among the groups, and sums a payload over all that is found.
fn probe(threads: usize, found: &Grouped, payload: &Arc<Table>, probes: &Column) -> (Duration, i128) {
    let mut b = Builder::new();
    let (_, key) = b.column(probes.ty, None);
    let one = b.constant(Type::I32, 1);
    let lookup = |b: &mut Builder, table: &Arc<Table>, index: ExprId| {
        let table = b.shared_table(Arc::clone(table));
        b.push(Expr::Lookup { table, index })
    };
    let (group, inside) = match &found.form {
        Form::Direct { low, high, .. } => {
            let inside = b.in_range(key, Some(*low), Some(*high));
            let low = b.integer(*low);
            let low = b.cast(low, probes.ty.ty, None);
            (b.push(Expr::Arithmetic { op: Arithmetic::Subtract, a: key, b: low, fault: None }), Some(inside))
        }
        Form::Hash { index } => {
            let index = b.index(Arc::clone(index));
            (b.probe(index, vec![key]), None)
        }
    };
    let (row, body) = match (&found.order, &found.form) {
        (Some(order), _) => {
            let (id, current) = b.new_loop(LoopKind::Each);
            let from = lookup(&mut b, &order.starts, group);
            let one = b.cast(one, b.ty(group).ty, None);
            let next = b.push(Expr::Arithmetic { op: Arithmetic::Add, a: group, b: one, fault: None });
            let to = lookup(&mut b, &order.starts, next);
            let row = order.rows.as_ref().map_or(current, |rows| lookup(&mut b, rows, current));
            (row, Statement::Loop { id, from, to, kind: LoopKind::Each, condition: None, then: vec![Statement::Emit] })
        }
        (None, Form::Direct { numbers: Some(numbers), .. }) => {
            let number = lookup(&mut b, numbers, group);
            let row = b.push(Expr::Arithmetic { op: Arithmetic::Subtract, a: number, b: one, fault: None });
            let zero = b.constant(Type::I32, 0);
            let condition = b.compare(Comparison::Greater, number, zero);
            (row, Statement::If { condition, then: vec![Statement::Stage, Statement::Emit] })
        }
        (None, _) => {
            let null = b.push(Expr::IsNull(group));
            let condition = b.not(null);
            (group, Statement::If { condition, then: vec![Statement::Stage, Statement::Emit] })
        }
    };
    let body = match inside {
        Some(condition) => vec![Statement::If { condition, then: vec![Statement::Stage, body] }],
        None => vec![body],
    };
    let value = lookup(&mut b, payload, row);
    let sum =
        Aggregate { op: AggregateOp::Sum { ty: Type::I64, fault: Some(Fault::BigintRange) }, input: Some(value), filter: None };
    let sink = Sink::Group { keys: vec![], aggregates: vec![sum], strategy: Strategy::Single };
    let (mut pipeline, values, _) = b.finish(body, sink);
    pipeline.place_stages();
    let kernel = Cpu::find().compile(&pipeline).expect("a pipeline that compiles");
    let chunks = chunks(probes);
    let (time, output) = best(|| {
        let run = Run { values: values.clone(), rows: probes.rows as u64, cancel: Cancel::default(), threads };
        let mut execution = Arc::clone(&kernel).start(run).expect("a run");
        execution.push(&chunks).expect("rows");
        execution.finish().expect("an output").0
    });
    let total = output.columns[0].values.typed_data::<i64>()[0];
    (time, i128::from(total))
}

fn main() {
    let threads = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(0);
    let million = 1_000_000i64;
    let orders = 3 * million / 2;
    let cases: Vec<(&str, Column, Column)> = vec![
        ("direct, unique, ascending", i32s((0..orders).map(|at| at * 4)), i32s((0..4 * orders).map(|at| at / 4 * 4))),
        (
            "direct, unique, shuffled",
            i32s((0..orders).map(|at| shuffled(at, orders))),
            i32s((0..4 * orders).map(|at| shuffled(at, 4 * orders) / 4)),
        ),
        ("direct, 4 rows each, ascending", i32s((0..4 * orders).map(|at| at / 4)), i32s(0..orders)),
        (
            "direct, 4 rows each, shuffled",
            i32s((0..4 * orders).map(|at| shuffled(at, 4 * orders) / 4)),
            i32s((0..orders).map(|at| shuffled(at, orders))),
        ),
        (
            "hash of 32 bits, unique",
            i32s((0..orders).map(|at| shuffled(at, orders) * 1000 + 7)),
            i32s((0..4 * orders).map(|at| shuffled(at, 4 * orders) / 4 * 1000 + 7)),
        ),
        (
            "hash of 64 bits, unique",
            i64s((0..orders).map(|at| shuffled(at, orders) * million)),
            i64s((0..4 * orders).map(|at| shuffled(at, 4 * orders) / 4 * million)),
        ),
        (
            "hash of 64 bits, half found",
            i64s((0..orders).map(|at| shuffled(at, orders) * million)),
            i64s((0..4 * orders).map(|at| shuffled(at, 4 * orders) / 2 * million)),
        ),
        (
            "hash of 64 bits, 4 rows each",
            i64s((0..4 * orders).map(|at| shuffled(at, 4 * orders) / 4 * million)),
            i64s((0..orders).map(|at| shuffled(at, orders) * million)),
        ),
        ("hash of 64 bits, few keys", i64s((0..25).map(|at| at * million)), i64s((0..4 * orders).map(|at| at % 50 * million))),
    ];
    println!("{:<34}{:>10}{:>10}{:>10}{:>10}", "", "build", "ms", "probe", "ms");
    for (name, keys, probes) in cases {
        let (built, found) = best(|| group(&[&keys], Wants::Rows, threads, &Cancel::default()).expect("groups"));
        let payload = Arc::new(Table::integers(Type::I64, false, (0..keys.rows).map(|row| Some(row as i128 % 1000))));
        let (probed, total) = probe(threads, &found, &payload, &probes);
        let (build, ms) = (keys.rows, |time: Duration| time.as_secs_f64() * 1e3);
        println!("{name:<34}{build:>10}{:>10.2}{:>10}{:>10.2}  {total}", ms(built), probes.rows, ms(probed));
    }
}
