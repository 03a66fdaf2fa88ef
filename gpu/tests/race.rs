//! Every way in which threads of a kernel meet, under ThreadSanitizer: no race, the right rows; and a barrier taken away
//! is found.
//!
//! Where there is no compiler or no ThreadSanitizer the tests say so and pass, unless `WARPWISE_REQUIRE_TSAN=1`.

use std::sync::Arc;

use arrow::buffer::Buffer;
use warpwise_gpu::column::{Chunk, Column};
use warpwise_gpu::interpret::outcome;
use warpwise_gpu::program::text::parse;
use warpwise_gpu::program::values::padded;
use warpwise_gpu::program::{Pipeline, Scalar, Type, ValueType, Values};
use warpwise_gpu::testing::{Random, check_case, compare, generate};
use warpwise_gpu::{Cancel, Device, Error, Run, Watched};

/// How many random programs run where nobody says.
const RANDOM_COUNT: u64 = 8;

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

/// The same for texts: one of few values, one of many, a number, a condition.
const TEXT_HEAD: &str = "pipeline
  column 0 text
  column 1 text nullable
  column 2 i32
  column 3 bool nullable
  %0 = column 0
  %1 = column 1
  %2 = column 2
  %3 = column 3
";
const TEXT_CELLS: &str = "    min %0
    max %1
    min %1 if %3
    count
    sum i64 %2
";

/// Every kind of kernel that has threads meet, with words of its text that show that it is that kind. The body reads
/// the sink's rows behind a filter in some.
fn programs() -> Vec<(&'static str, &'static str, String)> {
    let emit = "  body\n    emit\n";
    let filtered = "  body\n    if %5\n      stage\n      emit\n";
    let group = |body: &str, strategy: &str, keys: &str, cells: &str| format!("{HEAD}{body}  group {strategy}\n{keys}{cells}");
    let filtered_text = "  body\n    if %3\n      stage\n      emit\n";
    let text_group =
        |body: &str, strategy: &str, keys: &str, cells: &str| format!("{TEXT_HEAD}{body}  group {strategy}\n{keys}{cells}");
    let few_numbers = "    key %3 domain 0 2\n";
    let few = "    key %0 domain 0 6\n";
    let more = "    key %0 domain 0 250\n";
    let many = "    key %0 domain 0 250\n    key %5 domain 0 2\n";
    let wide = "  %6 = cast i128 %0\n";
    let all = format!("{CELLS}{WIDE_CELLS}");
    let parameter = HEAD.replacen("  %0", "  parameter 0 i64\n  %0", 1);
    let numbers = "  %6 = constant i32 0\n  %7 = cast i32 %0\n  %8 = current 0\n  body\n    \
                   loop 0 each_or_none %6 %7\n      emit\n";
    vec![
        ("single", "block_reduce<Sum, f64>", group(filtered, "single", "", CELLS)),
        ("single, 128 bits", "block_reduce<Greatest, u128>", group(emit, "single", "", WIDE_CELLS)),
        ("single, sets", "global_bit(state", group(emit, "single", "", SETS)),
        ("dense, shared", "COPIES = 32", group(filtered, "dense", few, CELLS)),
        ("dense, shared, 128 bits", "gather_wide_128", group(emit, "dense", few, WIDE_CELLS)),
        ("dense, few copies", "COPIES = 2", group(emit, "dense", more, CELLS)),
        ("dense, device", "global_max_wide(cells", group(emit, "dense", many, &all)),
        ("dense, sets", "global_bit(cells", group(emit, "dense", few, SETS)),
        ("hash, packed", "find_packed", group(emit, "hash", "    key %1\n", CELLS)),
        ("hash, wide", "find_wide", group(filtered, "hash", "    key %1\n    key %2\n    key %4\n", CELLS)),
        ("hash, few groups", "find_packed", group(emit, "hash", "    key %0\n    key %5\n", &format!("{WIDE_CELLS}{SETS}"))),
        ("hash, few groups of wide keys", "find_wide", group(&format!("{wide}{emit}"), "hash", "    key %6\n", &all)),
        ("materialize", "reserve(", format!("{HEAD}{filtered}  materialize %0 %2 %4 %5\n")),
        (
            "bitmap",
            "ITEMS = 8",
            "pipeline\n  column 0 u8\n  %0 = column 0\n  %1 = constant u8 2\n  %2 = less %0 %1\n  body\n    if %2\n      \
             emit\n  bitmap\n"
                .to_owned(),
        ),
        (
            "bitmap of wide rows",
            "ITEMS = 2",
            format!("{HEAD}  %6 = greater %2 %2\n  %7 = or %6 %5\n  body\n    if %7\n      emit\n  bitmap\n"),
        ),
        ("top_k", "threshold", format!("{HEAD}{emit}  top_k 5\n    order %2 descending\n    column %1\n")),
        ("single, texts", "ExtremeText<false>", text_group(emit, "single", "", TEXT_CELLS)),
        ("dense, texts", "global_extreme_text<true>(cells", text_group(filtered_text, "dense", few_numbers, TEXT_CELLS)),
        ("hash, a text", "find_texts<WIDTH, 1ull>", text_group(emit, "hash", "    key %0\n", TEXT_CELLS)),
        ("hash, texts", "find_texts", text_group(filtered_text, "hash", "    key %1\n    key %2\n    key %0\n", TEXT_CELLS)),
        ("materialize, texts", "texts(", format!("{TEXT_HEAD}{filtered_text}  materialize %0 %1 %2\n")),
        (
            "top_k, texts",
            "order_code(",
            format!("{TEXT_HEAD}{emit}  top_k 5\n    order %1 descending\n    order %0\n    column %1\n"),
        ),
        ("mark", "mark_row(", format!("{parameter}  %6 = cast i32 %1\n{emit}  mark %6 0\n")),
        ("materialize, numbers", "count(", format!("{HEAD}{numbers}  materialize %2 %8\n")),
        (
            "hash, numbers",
            "find_wide",
            format!("{HEAD}{numbers}  group hash\n    key %1\n    key %8\n    count\n    sum i64 %8\n"),
        ),
        (
            "fault",
            "raise(",
            format!("{HEAD}  %6 = constant i32 2147483647\n  %7 = add %1 %6 ! integer_range\n{emit}  materialize %7\n"),
        ),
    ]
}

/// A number that looks random.
fn mix(at: u64) -> u64 {
    let mut a = at.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    a ^= a >> 29;
    a = a.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    a ^ a >> 32
}

/// Texts of up to 40 bytes with much in common: a few of them, or nearly as many as rows.
fn texts(ty: ValueType, number: u32, from: usize, rows: usize) -> Arc<Column> {
    let (mut offsets, mut bytes, mut validity) = (vec![0i32], Vec::<u8>::new(), vec![0u8; rows.div_ceil(8)]);
    for at in 0..rows {
        let random = mix((from + at) as u64 * 8 + u64::from(number));
        validity[at / 8] |= u8::from(random >> 50 & 7 != 0) << (at % 8);
        let most = if number == 0 { 9 } else { 1500 };
        let text = format!("{}{}", "the same begin of all ".repeat((random >> 30 & 1) as usize), random % most);
        bytes.extend(text.as_bytes());
        offsets.push(bytes.len() as i32);
    }
    let offsets = Buffer::from_vec(offsets);
    Arc::new(Column::texts(rows, offsets, Buffer::from_vec(bytes), ty.nullable.then(|| padded(validity))))
}

fn column(ty: ValueType, number: u32, from: usize, rows: usize) -> Arc<Column> {
    if ty.ty == Type::Text {
        return texts(ty, number, from, rows);
    }
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
            Type::I8 | Type::I16 | Type::I32 | Type::I64 | Type::U16 | Type::U32 | Type::F32 | Type::Text => {
                values.extend_from_slice(&(random % 1500).to_le_bytes()[..ty.ty.bytes()])
            }
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
            println!("not run: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// Runs a program; its launches, and what is wrong with the rows.
fn run(device: &Watched, pipeline: &Pipeline) -> (u64, Result<(), String>) {
    let chunks = chunks(pipeline);
    let scalars = pipeline.parameters.iter().map(|_| Scalar::Int(1400)).collect();
    let values = Values { scalars, ..Values::default() };
    let expected = outcome(pipeline, &values, &chunks).unwrap();
    // Says that few rows come, so that hash tables begin small.
    let run = Run { values, rows: 1, cancel: Cancel::default(), threads: 0 };
    let mut execution = device.compile(pipeline).unwrap().start(run).unwrap();
    let pushed = execution.push(&chunks[..1]).and_then(|()| execution.push(&chunks[1..]));
    let mut launches = 0;
    let got = pushed.and_then(|()| execution.finish()).map(|(output, counters)| {
        launches = counters.launches;
        output
    });
    (launches, compare::check(&pipeline.sink, &expected, &got))
}

/// `ONLY` chooses programs whose names have it.
#[test]
fn kernels_have_no_races() {
    let Some(device) = watched(str::to_owned) else { return };
    let only = std::env::var("ONLY").unwrap_or_default();
    for (name, words, text) in programs().into_iter().filter(|program| program.0.contains(&only)) {
        let pipeline = parse(&text).unwrap_or_else(|error| panic!("{name}: {error}\n{text}"));
        let kernel = device.compile(&pipeline).unwrap().text();
        assert!(kernel.contains(words), "{name}: no {words} in\n{kernel}");
        assert!(name != "dense, device" || !kernel.contains("__shared__"), "{name}: in shared memory");
        let (launches, checked) = run(&device, &pipeline);
        let races = device.races().unwrap();
        assert!(races.is_empty(), "{name}: {} reports\n{}", races.len(), races.join("\n\n"));
        checked.unwrap_or_else(|why| panic!("{name}: {why}"));
        if ["hash, packed", "hash, wide", "hash, texts"].contains(&name) {
            assert!(launches > 3, "{name}: the table did not grow, in {launches} launches");
        }
    }
}

/// Random programs too; `RANDOM_SEED` and `RANDOM_COUNT` choose others, or more.
#[test]
fn random_programs_have_no_races() {
    let Some(device) = watched(str::to_owned) else { return };
    let number = |name: &str, otherwise| std::env::var(name).map_or(otherwise, |text| text.parse::<u64>().unwrap());
    let first = number("RANDOM_SEED", 1);
    for seed in first..first + number("RANDOM_COUNT", RANDOM_COUNT) {
        let case = generate(&mut Random::new(seed));
        check_case(&device, &case).unwrap_or_else(|why| panic!("seed {seed}: {why}\n{}", case.pipeline));
        let races = device.races().unwrap();
        assert!(races.is_empty(), "seed {seed}: {} reports\n{}\n{}", races.len(), races.join("\n\n"), case.pipeline);
    }
}

/// The text with something else in place of the first `what` behind `place`.
fn instead(text: &str, place: &str, what: &str, by: &str) -> String {
    let from = text.find(place).unwrap_or_else(|| panic!("no {place} in\n{text}"));
    let at = from + text[from..].find(what).unwrap_or_else(|| panic!("no {what} behind {place}"));
    format!("{}{by}{}", &text[..at], &text[at + what.len()..])
}

const BARRIER: &str = "__syncthreads();";
const SHUFFLE: &str = "return __shfl_sync(ALL_LANES, base, 0) + before;";

/// What lane 0 has, through shared memory instead of a shuffle.
fn through_memory(text: &str, wait: &str) -> String {
    let by = format!(
        "__shared__ u64 bases[WARPS]; if (lane() == 0) bases[warp()] = base; {wait}; base = bases[warp()]; __syncwarp(); \
         return base + before;"
    );
    instead(text, "reserve(u64* counter", SHUFFLE, &by)
}

/// What is planted, in which program, and how.
type Plant = (&'static str, &'static str, fn(&str) -> String);

#[test]
fn what_is_planted_is_found() {
    let plants: [Plant; 9] = [
        ("no barrier before the partials of a block are read", "single", |text| {
            instead(text, "if (lane() == 0) partials[warp()] = a;", BARRIER, "")
        }),
        ("no barrier before the partials are written again", "single", |text| {
            instead(text, "T* partials = (T*)scratch;", BARRIER, "")
        }),
        ("no barrier before the flush", "dense, shared", |text| instead(text, "atomicAdd(own_32", BARRIER, "")),
        ("no barrier behind the zeros", "dense, shared", |text| instead(text, "shared_32[k] = 0;", BARRIER, "")),
        ("no atomic where blocks add", "single", |text| {
            instead(text, "void global_add(", "atomicAdd(cell, value)", "*cell += value")
        }),
        ("no atomic where threads of a block add", "dense, shared", |text| {
            instead(text, "void shared_add(", "atomicAdd(at, low)", "*at; *at += low")
        }),
        ("no atomic where threads share a word of marks", "bitmap of wide rows", |text| {
            instead(text, "void mark(", "atomicOr((u32*)bitmap + row / 32,", "*((u32*)bitmap + row / 32) |= (")
        }),
        ("no atomic where threads mark rows", "mark", |text| {
            instead(text, "void mark_row(", "atomicOr(word, bit)", "*word |= bit")
        }),
        ("a ballot, which orders no memory", "materialize", |text| through_memory(text, "__ballot_sync(ALL_LANES, 1)")),
    ];
    for (what, name, edit) in plants {
        let Some(device) = watched(edit) else { return };
        let races = reports(&device, name);
        assert!(!races.is_empty(), "{what}: no race was found");
        assert!(races[0].contains("data race"), "{what}: {}", races[0]);
    }
    // And what does order memory is not taken for a race.
    let Some(device) = watched(|text| through_memory(text, "__syncwarp()")) else { return };
    let races = reports(&device, "materialize");
    assert!(races.is_empty(), "{}", races.join("\n\n"));
}

/// What is said of a program. Whether its rows are right is chance.
fn reports(device: &Watched, name: &str) -> Vec<String> {
    let (_, _, text) = programs().into_iter().find(|program| program.0 == name).unwrap();
    let _ = run(device, &parse(&text).unwrap());
    device.races().unwrap()
}
