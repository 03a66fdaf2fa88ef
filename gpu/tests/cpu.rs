//! The processor on inputs that are larger than a block, a morsel, a cache: what random programs are too small for. The
//! answers are computed here in plain Rust.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use arrow::buffer::Buffer;
use arrow::datatypes::ArrowNativeType;
use warpwise_gpu::column::{CHUNK_ROWS, Chunk, Column, Output};
use warpwise_gpu::program::{
    Aggregate, AggregateOp, Arithmetic, ColumnId, Domain, Expr, ExprId, Fault, Key, Order, ParameterId, Pipeline, Scalar, Sink,
    Statement, Strategy, Type, ValueType, Values,
};
use warpwise_gpu::{Cancel, Counters, Cpu, Device, Error, First, Result, Run};

const ROWS: usize = 700_000;

fn mixed(at: usize) -> u64 {
    let mixed = (at as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed ^ mixed >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 7
}

fn column<T: ArrowNativeType>(ty: Type, values: &[T], valid: Option<&[bool]>) -> Vec<Arc<Column>> {
    let chunk = |at: usize, part: &[T]| {
        let bits = valid.map(|valid| {
            let mut bytes = vec![0u8; part.len().div_ceil(8)];
            for row in 0..part.len() {
                bytes[row / 8] |= u8::from(valid[at * CHUNK_ROWS + row]) << (row % 8);
            }
            Buffer::from_vec(bytes)
        });
        let ty = ValueType { ty, nullable: valid.is_some() };
        Arc::new(Column::new(ty, part.len(), Buffer::from_slice_ref(part), bits))
    };
    values.chunks(CHUNK_ROWS).enumerate().map(|(at, part)| chunk(at, part)).collect()
}

fn chunks(columns: &[Vec<Arc<Column>>]) -> Vec<Chunk> {
    (0..columns[0].len())
        .map(|at| Chunk { rows: columns[0][at].rows, columns: columns.iter().map(|column| column[at].clone()).collect() })
        .collect()
}

fn pipeline(columns: &[Vec<Arc<Column>>], exprs: Vec<Expr>, condition: Option<u32>, sink: Sink) -> Pipeline {
    let emit = vec![Statement::Emit];
    let body = match condition {
        Some(condition) => vec![Statement::If { condition: ExprId(condition), then: emit }],
        None => emit,
    };
    let columns = columns.iter().map(|column| column[0].ty).collect();
    Pipeline { columns, parameters: vec![], tables: vec![], indexes: vec![], exprs, body, sink }
}

fn run(pipeline: &Pipeline, values: Values, chunks: &[Chunk], threads: usize) -> Result<(Output, Counters)> {
    let kernel = Cpu::find().compile(pipeline)?;
    let rows = chunks.iter().map(|chunk| chunk.rows as u64).sum();
    let mut execution = kernel.start(Run { values, rows, cancel: Cancel::default(), threads })?;
    let (first, rest) = chunks.split_at(chunks.len() / 2);
    execution.push(first)?;
    execution.push(rest)?;
    execution.finish()
}

fn values<T: ArrowNativeType>(output: &Output, column: usize) -> Vec<Option<T>> {
    let column = &output.columns[column];
    let values = column.values.typed_data::<T>();
    let valid = |row: usize| column.validity.as_ref().is_none_or(|bits| bits[row / 8] >> (row % 8) & 1 == 1);
    (0..column.rows).map(|row| valid(row).then(|| values[row])).collect()
}

fn aggregate(op: AggregateOp, input: Option<u32>) -> Aggregate {
    Aggregate { op, input: input.map(ExprId), filter: None }
}

fn key(expr: u32) -> Key {
    Key { expr: ExprId(expr), domain: None }
}

const SUM: AggregateOp = AggregateOp::Sum { ty: Type::I64, fault: None };

/// Many groups: tables are emptied into runs, and the same key is in several runs of several workers.
#[test]
fn many_groups_are_folded_together() {
    let cases = [(5, false), (20_000, false), (400_000, false), (300_000, true), (ROWS as u64, true), (0, false), (0, true)];
    for (groups, clustered) in cases {
        let key_of = |at: usize| match (groups, clustered) {
            // Keys that repeat come only behind ones that do not, or in front of them.
            (0, behind) if (at > ROWS / 2) == behind => at as u64 % 1000,
            (0, _) => at as u64,
            (groups, true) => at as u64 * groups / ROWS as u64,
            (groups, false) => mixed(at) % groups,
        };
        let keys: Vec<i64> = (0..ROWS).map(|at| key_of(at) as i64 * 1_000_003 - 77).collect();
        let seconds: Vec<u8> = (0..ROWS).map(|at| (key_of(at) % 3) as u8).collect();
        let present: Vec<bool> = (0..ROWS).map(|at| !key_of(at).is_multiple_of(11)).collect();
        let amounts: Vec<i32> = (0..ROWS).map(|at| mixed(at) as i32).collect();
        let mut expected: HashMap<(Option<i64>, u8), (i64, i64, i32)> = HashMap::new();
        for at in 0..ROWS {
            let group = expected.entry((present[at].then_some(keys[at]), seconds[at])).or_insert((0, 0, i32::MAX));
            *group = (group.0 + i64::from(amounts[at]), group.1 + 1, group.2.min(amounts[at]));
        }
        let columns =
            [column(Type::I64, &keys, Some(&present)), column(Type::U8, &seconds, None), column(Type::I32, &amounts, None)];
        let exprs = vec![Expr::Column(ColumnId(0)), Expr::Column(ColumnId(1)), Expr::Column(ColumnId(2))];
        let aggregates = vec![aggregate(SUM, Some(2)), aggregate(AggregateOp::Count, None), aggregate(AggregateOp::Min, Some(2))];
        let sink = Sink::Group { keys: vec![key(0), key(1)], aggregates, strategy: Strategy::Hash };
        let pipeline = pipeline(&columns, exprs, None, sink);
        for threads in [1, 2] {
            let (output, counters) = run(&pipeline, Values::default(), &chunks(&columns), threads).unwrap();
            assert_eq!(counters.rows, ROWS as u64);
            let (keys, seconds) = (values::<i64>(&output, 0), values::<u8>(&output, 1));
            let (sums, counts, least) = (values::<i64>(&output, 2), values::<i64>(&output, 3), values::<i32>(&output, 4));
            let found: HashMap<_, _> = (0..output.rows)
                .map(|row| {
                    let state = (sums[row].unwrap(), counts[row].unwrap(), least[row].unwrap());
                    ((keys[row], seconds[row].unwrap()), state)
                })
                .collect();
            assert_eq!(found.len(), output.rows, "a group comes twice");
            assert!(found == expected, "{groups} groups, clustered {clustered}, {threads} threads");
        }
    }
}

/// Few groups are split by group, some more are not, and filters of any selectivity lie before both.
/// Who says that only the first groups matter gets these, with all that are as good as the last; others are left out.
#[test]
fn the_first_groups_are_kept() {
    for groups in [40, 50_000, 400_000] {
        let keys: Vec<i64> = (0..ROWS).map(|at| (mixed(at) % groups * (mixed(at) >> 20 & 1)) as i64).collect();
        let mut counts: HashMap<i64, i64> = HashMap::new();
        keys.iter().for_each(|key| *counts.entry(*key).or_default() += 1);
        let columns = [column(Type::I64, &keys, None)];
        let aggregates = vec![aggregate(AggregateOp::Max, Some(0)), aggregate(AggregateOp::Count, None)];
        let sink = Sink::Group { keys: vec![key(0)], aggregates, strategy: Strategy::Hash };
        let pipeline = pipeline(&columns, vec![Expr::Column(ColumnId(0))], None, sink);
        for (descending, count, threads) in [(true, 10, 2), (true, 1, 1), (false, 25, 2), (true, 1_000_000, 2)] {
            let kernel = Cpu::find().compile(&pipeline).unwrap();
            let run = Run { values: Values::default(), rows: ROWS as u64, cancel: Cancel::default(), threads };
            let mut execution = kernel.start(run).unwrap();
            execution.keep_first(First { aggregate: 1, descending, count });
            execution.push(&chunks(&columns)).unwrap();
            let (output, _) = execution.finish().unwrap();
            let found: HashMap<i64, i64> = values::<i64>(&output, 0)
                .into_iter()
                .zip(values::<i64>(&output, 2))
                .map(|(key, count)| (key.unwrap(), count.unwrap()))
                .collect();
            assert_eq!(found.len(), output.rows);
            let mut order: Vec<i64> = counts.values().map(|count| if descending { -count } else { *count }).collect();
            order.sort_unstable();
            let worst = order[count.min(order.len()) - 1];
            for (key, count) in &counts {
                let needed = if descending { -count <= worst } else { *count <= worst };
                assert!(!needed || found.get(key) == Some(count), "{key}: {count} among {groups}");
            }
            assert!(found.iter().all(|(key, count)| counts[key] == *count));
            // One group has half of the rows: hardly any other is met before it.
            assert!(groups < 50_000 || count != 1 || found.len() < counts.len() / 4, "{} of {}", found.len(), counts.len());
        }
    }
}

#[test]
fn dense_groups_do_not_depend_on_their_number() {
    for (groups, low, high) in [(3u32, 0, 9), (32, 0, 4), (33, 0, 9), (4, 9, 9), (5000, 3, 8)] {
        let keys: Vec<u16> = (0..ROWS).map(|at| (mixed(at) % u64::from(groups)) as u16 + 400).collect();
        let present: Vec<bool> = (0..ROWS).map(|at| !mixed(at + 5).is_multiple_of(7)).collect();
        let tests: Vec<u8> = (0..ROWS).map(|at| (mixed(at + 9) % 10) as u8).collect();
        let amounts: Vec<i64> = (0..ROWS).map(|at| mixed(at) as i64 >> 20).collect();
        let mut expected: BTreeMap<Option<u16>, (i64, i64)> = BTreeMap::new();
        for at in (0..ROWS).filter(|at| (low..=high).contains(&tests[*at])) {
            let group = expected.entry(present[at].then_some(keys[at])).or_default();
            *group = (group.0 + amounts[at], group.1 + 1);
        }
        let columns =
            [column(Type::U16, &keys, Some(&present)), column(Type::U8, &tests, None), column(Type::I64, &amounts, None)];
        let exprs = vec![
            Expr::Column(ColumnId(0)),
            Expr::Column(ColumnId(1)),
            Expr::InRange { a: ExprId(1), low: ParameterId(0), high: ParameterId(1) },
            Expr::Column(ColumnId(2)),
        ];
        let keys = vec![Key { expr: ExprId(0), domain: Some(Domain { low: 400, size: groups }) }];
        let aggregates = vec![aggregate(SUM, Some(3)), aggregate(AggregateOp::Count, None)];
        let sink = Sink::Group { keys, aggregates, strategy: Strategy::Dense };
        let mut pipeline = pipeline(&columns, exprs, Some(2), sink);
        pipeline.parameters = vec![Type::U8, Type::U8];
        let bounds = Values { scalars: vec![Scalar::Int(low.into()), Scalar::Int(high.into())], tables: vec![], indexes: vec![] };
        for threads in [1, 2] {
            let (output, _) = run(&pipeline, bounds.clone(), &chunks(&columns), threads).unwrap();
            let (keys, sums, counts) = (values::<u16>(&output, 0), values::<i64>(&output, 1), values::<i64>(&output, 2));
            let found: BTreeMap<_, _> =
                (0..output.rows).map(|row| (keys[row], (sums[row].unwrap(), counts[row].unwrap()))).collect();
            assert_eq!(found, expected, "{groups} groups on {threads} threads");
        }
    }
}

/// That keys lie in their domain is the caller's promise: where it is broken, rows are in a wrong group or in none, and nowhere else.
#[test]
fn keys_outside_of_their_domain_stay_within_the_groups() {
    for (low, size) in [(10, 246), (10, 40), (0, 200), (200, 10)] {
        let keys: Vec<u8> = (0..ROWS).map(|at| mixed(at) as u8).collect();
        let columns = [column(Type::U8, &keys, None)];
        let by = vec![Key { expr: ExprId(0), domain: Some(Domain { low, size }) }];
        let sink = Sink::Group { keys: by, aggregates: vec![aggregate(AggregateOp::Count, None)], strategy: Strategy::Dense };
        let pipeline = pipeline(&columns, vec![Expr::Column(ColumnId(0))], None, sink);
        let none = Values { scalars: vec![], tables: vec![], indexes: vec![] };
        let (output, _) = run(&pipeline, none, &chunks(&columns), 2).unwrap();
        let counts: i64 = values::<i64>(&output, 1).into_iter().flatten().sum();
        assert!(counts <= ROWS as i64, "{size} groups from {low}: {counts} rows");
        assert!(output.rows <= size as usize, "{size} groups from {low}: {}", output.rows);
    }
}

#[test]
fn materialized_rows_keep_their_order() {
    let amounts: Vec<i32> = (0..ROWS).map(|at| mixed(at) as i32).collect();
    let marks: Vec<u8> = (0..ROWS).map(|at| (mixed(at + 3) % 4) as u8).collect();
    let columns = [column(Type::I32, &amounts, None), column(Type::U8, &marks, None)];
    let exprs = vec![
        Expr::Column(ColumnId(0)),
        Expr::Column(ColumnId(1)),
        Expr::Constant { ty: Type::U8, value: Some(Scalar::Int(2)) },
        Expr::Compare { op: warpwise_gpu::program::Comparison::Equal, a: ExprId(1), b: ExprId(2) },
        Expr::Cast { to: Type::I64, a: ExprId(0), fault: None },
        Expr::Arithmetic { op: Arithmetic::Add, a: ExprId(4), b: ExprId(4), fault: None },
    ];
    let pipeline = pipeline(&columns, exprs, Some(3), Sink::Materialize { columns: vec![ExprId(5)] });
    let expected: Vec<_> = (0..ROWS).filter(|at| marks[*at] == 2).map(|at| Some(2 * i64::from(amounts[at]))).collect();
    for threads in [1, 2] {
        let (output, _) = run(&pipeline, Values::default(), &chunks(&columns), threads).unwrap();
        assert!(values::<i64>(&output, 0) == expected);
    }
}

#[test]
fn the_first_rows_are_the_first() {
    let amounts: Vec<i64> = (0..ROWS).map(|at| mixed(at) as i64 - (1 << 56)).collect();
    let columns = [column(Type::I64, &amounts, None)];
    for (limit, descending) in [(0, false), (1, true), (10, false), (30_000, true), (2 * ROWS as u64, false)] {
        let order = vec![Order { expr: ExprId(0), descending, nulls_first: false }];
        let sink = Sink::TopK { order, columns: vec![ExprId(0)], limit };
        let pipeline = pipeline(&columns, vec![Expr::Column(ColumnId(0))], None, sink);
        let mut expected: Vec<_> = amounts.iter().copied().map(Some).collect();
        expected.sort_unstable();
        if descending {
            expected.reverse();
        }
        expected.truncate(limit as usize);
        for threads in [1, 2] {
            let (output, _) = run(&pipeline, Values::default(), &chunks(&columns), threads).unwrap();
            assert!(values::<i64>(&output, 0) == expected, "{limit} rows on {threads} threads");
        }
    }
}

/// Chunks say what lies in them, so that most are passed over; among equals the second key tells.
#[test]
fn the_first_rows_of_chunks_in_order_are_the_first() {
    let firsts: Vec<i32> = (0..ROWS).map(|at| (at / 900) as i32 - 300).collect();
    let seconds: Vec<u16> = (0..ROWS).map(|at| mixed(at) as u16).collect();
    let ranged = |mut columns: Vec<Arc<Column>>| {
        for (at, column) in columns.iter_mut().enumerate() {
            let part = &firsts[at * CHUNK_ROWS..firsts.len().min((at + 1) * CHUNK_ROWS)];
            Arc::get_mut(column).unwrap().range = Some((part[0].into(), part[part.len() - 1].into()));
        }
        columns
    };
    let columns = [ranged(column(Type::I32, &firsts, None)), column(Type::U16, &seconds, None)];
    let exprs = vec![Expr::Column(ColumnId(0)), Expr::Column(ColumnId(1))];
    for (limit, descending) in [(1, true), (10, false), (5_000, true), (100_000, false)] {
        let order = [(0, descending), (1, !descending)];
        let order = order.map(|(expr, descending)| Order { expr: ExprId(expr), descending, nulls_first: false }).to_vec();
        let sink = Sink::TopK { order, columns: vec![ExprId(0), ExprId(1)], limit };
        let pipeline = pipeline(&columns, exprs.clone(), None, sink);
        let mut expected: Vec<(i32, u16)> = firsts.iter().copied().zip(seconds.iter().copied()).collect();
        expected.sort_unstable_by_key(|(first, second)| match descending {
            true => (-first, i32::from(*second)),
            false => (*first, -i32::from(*second)),
        });
        expected.truncate(limit as usize);
        for threads in [1, 2] {
            let (output, _) = run(&pipeline, Values::default(), &chunks(&columns), threads).unwrap();
            let found = values::<i32>(&output, 0).into_iter().zip(values::<u16>(&output, 1));
            let found: Vec<(i32, u16)> = found.map(|(first, second)| (first.unwrap(), second.unwrap())).collect();
            assert!(found == expected, "{limit} rows on {threads} threads");
        }
    }
}

/// Only the total counts: a sum that leaves 64 bits and comes back is no fault.
#[test]
fn totals_may_pass_through_what_does_not_fit() {
    let amounts: Vec<i64> = (0..100_000).map(|at| if at < 50_000 { i64::MAX } else { -i64::MAX }).collect();
    let mut columns = [column(Type::I64, &amounts, None)];
    let op = AggregateOp::Sum { ty: Type::I64, fault: Some(Fault::BigintRange) };
    let sink = Sink::Group { keys: vec![], aggregates: vec![aggregate(op, Some(0))], strategy: Strategy::Single };
    let pipeline = pipeline(&columns, vec![Expr::Column(ColumnId(0))], None, sink);
    for threads in [1, 2] {
        let (output, _) = run(&pipeline, Values::default(), &chunks(&columns), threads).unwrap();
        assert_eq!(values::<i64>(&output, 0), [Some(0)]);
    }
    columns[0] = column(Type::I64, &amounts[..50_001], None);
    let found = run(&pipeline, Values::default(), &chunks(&columns), 2);
    assert_eq!(found.unwrap_err(), Error::Fault(Fault::BigintRange));
}

#[test]
fn a_fault_in_any_row_is_found() {
    for bad in [0, 20_000, 399_999, ROWS - 1] {
        let divisors: Vec<i32> = (0..ROWS).map(|at| i32::from(at != bad)).collect();
        let columns = [column(Type::I32, &divisors, None)];
        let exprs = vec![
            Expr::Column(ColumnId(0)),
            Expr::Arithmetic { op: Arithmetic::Divide, a: ExprId(0), b: ExprId(0), fault: Some(Fault::IntegerRange) },
        ];
        let sink = Sink::Group { keys: vec![], aggregates: vec![aggregate(SUM, Some(1))], strategy: Strategy::Single };
        let found = run(&pipeline(&columns, exprs, None, sink), Values::default(), &chunks(&columns), 2);
        assert_eq!(found.unwrap_err(), Error::Fault(Fault::DivisionByZero), "row {bad}");
    }
}

#[test]
fn a_run_that_is_cancelled_stops() {
    let amounts: Vec<i32> = vec![1; ROWS];
    let columns = [column(Type::I32, &amounts, None)];
    let pipeline = pipeline(&columns, vec![Expr::Column(ColumnId(0))], None, Sink::Materialize { columns: vec![ExprId(0)] });
    let kernel = Cpu::find().compile(&pipeline).unwrap();
    assert!(kernel.compile_time() > Duration::ZERO && kernel.text().contains("; materialize"));
    let cancel = Cancel::default();
    let run = Run { values: Values::default(), rows: ROWS as u64, cancel: cancel.clone(), threads: 0 };
    let mut execution = kernel.start(run).unwrap();
    cancel.cancel();
    assert_eq!(execution.push(&chunks(&columns)).unwrap_err(), Error::Cancelled);
    assert_eq!(execution.finish().unwrap_err(), Error::Cancelled);
}

/// What does not fit the pipeline is refused: compiled code would read past its end.
#[test]
fn chunks_that_do_not_fit_are_refused() {
    let columns = [column(Type::I32, &[1, 2, 3], None)];
    let pipeline = pipeline(&columns, vec![Expr::Column(ColumnId(0))], None, Sink::Materialize { columns: vec![ExprId(0)] });
    let none: [Vec<Arc<Column>>; 1] = [column(Type::I64, &[1i64, 2, 3], None)];
    let short = vec![Chunk { rows: 4, columns: vec![columns[0][0].clone()] }];
    for chunks in [chunks(&none), short] {
        assert!(matches!(run(&pipeline, Values::default(), &chunks, 0), Err(Error::Invalid(_))));
    }
}
