//! Every way in which threads of a kernel meet, under ThreadSanitizer: no race, the right rows; and a barrier taken away
//! is found.
//!
//! Where there is no compiler or no ThreadSanitizer the tests say so and pass, unless `WARPWISE_REQUIRE_TSAN=1`.

use std::sync::Arc;

use warpwise_gpu::column::{Chunk, Column};
use warpwise_gpu::interpret::outcome;
use warpwise_gpu::program::text::parse;
use warpwise_gpu::program::values::padded;
use warpwise_gpu::program::{Pipeline, Type, ValueType, Values};
use warpwise_gpu::testing::compare;
use warpwise_gpu::{Cancel, Device, Error, Run, Watched};

/// What reads the columns below: a small key, a key of many values, numbers of each kind, conditions.
const HEAD: &str = "pipeline
  column 0 u8
  column 1 i32
  column 2 i64 nullable
  column 3 f64
  column 4 i128
  column 5 bool nullable
  %0 = column 0
  %1 = column 1
  %2 = column 2
  %3 = column 3
  %4 = column 4
  %5 = column 5
";

/// Every cell that a group may have; of 64 bits first, then of 128.
const CELLS: &str = "    count
    count %2
    sum i64 %1
    sum i128 %2 ! numeric_range
    sum f64 %3
    min %1
    max %3
    min %2 if %5
";
const WIDE_CELLS: &str = "    count
    sum i128 %4 ! numeric_range
    max %4
    min %4 if %5
    sum i128 %1
";
const SETS: &str = "    count_distinct 0 200 %0
    sum_distinct 0 200 %0 if %5
    count
";

/// Every kind of kernel that has threads meet. The body reads the sink's rows behind a filter in some.
fn programs() -> Vec<(&'static str, String)> {
    let emit = "  body\n    emit\n";
    let filtered = "  body\n    if %5\n      stage\n      emit\n";
    let group = |body: &str, strategy: &str, keys: &str, cells: &str| format!("{HEAD}{body}  group {strategy}\n{keys}{cells}");
    let few = "    key %0 domain 0 6\n";
    let many = "    key %0 domain 0 250\n    key %5\n".replace("key %5\n", "key %5 domain 0 2\n");
    vec![
        ("single", group(filtered, "single", "", CELLS)),
        ("single, 128 bits", group(emit, "single", "", WIDE_CELLS)),
        ("single, sets", group(emit, "single", "", SETS)),
        ("dense, shared", group(filtered, "dense", few, CELLS)),
        ("dense, shared, 128 bits", group(emit, "dense", few, WIDE_CELLS)),
        ("dense, one copy", group(emit, "dense", "    key %0 domain 0 250\n", CELLS)),
        ("dense, device", group(emit, "dense", &many, &format!("{CELLS}{WIDE_CELLS}"))),
        ("dense, sets", group(emit, "dense", few, SETS)),
        ("hash, packed", group(emit, "hash", "    key %1\n", CELLS)),
        ("hash, wide", group(filtered, "hash", "    key %1\n    key %2\n    key %4\n", CELLS)),
        ("hash, few groups", group(emit, "hash", "    key %0\n    key %5\n", &format!("{WIDE_CELLS}{SETS}"))),
        ("hash, few groups of wide keys", group(emit, "hash", "    key %0\n    key %4\n", WIDE_CELLS)),
        ("materialize", format!("{HEAD}{filtered}  materialize %0 %2 %4 %5\n")),
        ("bitmap of wide rows", format!("{HEAD}  %6 = greater %4 %4\n  %7 = or %6 %5\n  body\n    if %7\n      emit\n  bitmap\n")),
        ("bitmap", "pipeline\n  column 0 u8\n  %0 = column 0\n  %1 = constant u8 2\n  %2 = less %0 %1\n  body\n    if %2\n      emit\n  bitmap\n".to_owned()),
        ("top_k", format!("{HEAD}{emit}  top_k 5\n    order %2 descending\n    column %1\n")),
        ("fault", format!("{HEAD}  %6 = constant i32 2147483647\n  %7 = add %1 %6 ! int_range\n{emit}  materialize %7\n")),
    ]
}

/// A number that looks random.
fn mix(at: u64) -> u64 {
    let mut a = at.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    a ^= a >> 29;
    a = a.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    a ^ a >> 32
}

fn column(ty: ValueType, number: u32, from: usize, rows: usize) -> Arc<Column> {
    let (mut values, mut validity) = (Vec::new(), vec![0u8; rows.div_ceil(8)]);
    if ty.ty == Type::Bool {
        values = vec![0u8; rows.div_ceil(8)];
    }
    for at in 0..rows {
        let random = mix((from + at) as u64 * 8 + u64::from(number));
        validity[at / 8] |= u8::from(random >> 50 & 7 != 0) << (at % 8);
        match ty.ty {
            Type::Bool => values[at / 8] |= u8::from(random & 3 != 0) << (at % 8),
            Type::F64 => values.extend(((random % 1000) as f64 / 8.0).to_le_bytes()),
            Type::U8 => values.push((random % 6) as u8),
            Type::I128 => values.extend((i128::from(random % 900) << 64).to_le_bytes()),
            Type::I8
            | Type::I16
            | Type::I32
            | Type::I64
            | Type::U16
            | Type::U32
            | Type::F32 => values.extend_from_slice(&(random % 1500).to_le_bytes()[..ty.ty.bytes()]),
        }
    }
    Arc::new(Column::new(ty, rows, padded(values), ty.nullable.then(|| padded(validity))))
}

/// A few tiles and a rest, in two launches of several blocks; in more, where a hash table grows.
fn chunks(pipeline: &Pipeline) -> Vec<Chunk> {
    let mut from = 0;
    let sizes = [450, 2100, 1, 700];
    let chunks = sizes.map(|rows| {
        let each = pipeline.columns.iter().enumerate();
        let columns = each.map(|(at, ty)| column(*ty, at as u32, from, rows)).collect();
        from += rows;
        Chunk { rows, columns }
    });
    chunks.to_vec()
}

/// The device, if there is one.
fn watched(edit: fn(&str) -> String) -> Option<Watched> {
    match Watched::start(edit) {
        Ok(device) => Some(device),
        Err(error @ Error::Absent(_)) => {
            assert!(std::env::var_os("WARPWISE_REQUIRE_TSAN").is_none_or(|value| value != "1"), "{error}");
            println!("not run: {}", error.to_string().lines().next().unwrap_or_default());
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// Runs a program; its launches, and what is wrong with the rows.
fn run(device: &Watched, pipeline: &Pipeline) -> (u64, Result<(), String>) {
    let chunks = chunks(pipeline);
    let expected = outcome(pipeline, &Values::default(), &chunks).unwrap();
    // Says that few rows come, so that hash tables begin small.
    let run = Run { values: Values::default(), rows: 1, cancel: Cancel::default(), threads: 0 };
    let mut execution = device.compile(pipeline).unwrap().start(run).unwrap();
    execution.push(&chunks[..1]).unwrap();
    execution.push(&chunks[1..]).unwrap();
    let mut launches = 0;
    let got = execution.finish().map(|(output, counters)| {
        launches = counters.launches;
        output
    });
    (launches, compare::check(&pipeline.sink, &expected, &got))
}

#[test]
fn kernels_have_no_races() {
    let Some(device) = watched(str::to_owned) else { return };
    for (name, text) in programs() {
        let pipeline = parse(&text).unwrap_or_else(|error| panic!("{name}: {error}\n{text}"));
        let begin = std::time::Instant::now();
        let (launches, checked) = run(&device, &pipeline);
        let races = device.races().unwrap();
        assert!(races.is_empty(), "{name}: {} reports\n{}", races.len(), races.join("\n\n"));
        checked.unwrap_or_else(|why| panic!("{name}: {why}"));
        println!("{name}: {launches} launches, {:?}", begin.elapsed());
        if name == "hash, packed" || name == "hash, wide" {
            assert!(launches > 3, "{name}: the table did not grow, in {launches} launches");
        }
    }
}

/// The text without the last barrier behind a place.
fn without_barrier(text: &str, place: &str) -> String {
    const BARRIER: &str = "__syncthreads();";
    let from = text.find(place).unwrap_or_else(|| panic!("no {place} in\n{text}"));
    let at = from + text[from..].find(BARRIER).unwrap_or_else(|| panic!("no barrier behind {place}"));
    format!("{}{}", &text[..at], &text[at + BARRIER.len()..])
}

#[test]
fn a_missing_barrier_is_found() {
    let plants: [(&str, &str, fn(&str) -> String); 5] = [
        ("before the partials of a block are read", "single", |text| {
            without_barrier(text, "if (lane() == 0) partials[warp()] = a;")
        }),
        ("before the partials are written again", "single", |text| without_barrier(text, "T* partials = (T*)scratch;")),
        ("before the flush", "dense, shared", |text| without_barrier(text, "atomicAdd(own_32")),
        ("behind the zeros", "dense, shared", |text| without_barrier(text, "shared_32[k] = 0;")),
        ("an atomic of two blocks", "single", |text| {
            text.replace("if (value) atomicAdd(cell, value);", "if (value) *cell += value;")
        }),
    ];
    for (what, name, edit) in plants {
        let Some(device) = watched(edit) else { return };
        let (_, text) = programs().into_iter().find(|program| program.0 == name).unwrap();
        // Whether the rows are right is chance.
        let _ = run(&device, &parse(&text).unwrap());
        let races = device.races().unwrap();
        assert!(!races.is_empty(), "{what}: no race was found");
        assert!(races[0].contains("data race"), "{what}: {}", races[0]);
        println!("{what}: {} reports", races.len());
    }
}
