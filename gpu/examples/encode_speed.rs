//! How fast columns are encoded and decoded: `cargo run --release -p warpwise-gpu --example encode_speed`.
//!
//! Six million rows of each type, first without anything known of the column, then with the cache already knowing its
//! encoding, then decoded again. Arguments: rows of an array (all in one), and threads (1).

use std::sync::Arc;
use std::time::Instant;

use arrow::array::{ArrayRef, Date32Array, Decimal128Array, Float64Array, Int64Array, StringArray, StringViewArray};
use warpwise_gpu::cache::{ColumnCache, ColumnRequest};
use warpwise_gpu::column::Decode;
use warpwise_gpu::memory::Budget;

const ROWS: usize = 6_000_000;

fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<usize>().expect("a number"));
    let batch = arguments.next().unwrap_or(ROWS).clamp(1, ROWS);
    let threads = arguments.next().unwrap_or(1);
    let mut state = 1u64;
    let mut next = move |below: u64| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) % below
    };
    let modes = ["REG AIR", "AIR", "RAIL", "SHIP", "TRUCK", "MAIL", "FOB"];
    let instructions = ["DELIVER IN PERSON", "COLLECT COD", "NONE", "TAKE BACK RETURN"];
    let mut draw = |below: u64| -> Vec<u64> { (0..ROWS).map(|_| next(below)).collect() };
    let some = |values: Vec<u64>, of: fn(u64) -> i64| -> Vec<Option<i64>> {
        values.into_iter().map(|v| (v % 10 != 3).then(|| of(v))).collect()
    };
    let decimal = |values: Vec<i128>| -> ArrayRef {
        Arc::new(Decimal128Array::from(values).with_precision_and_scale(15, 2).expect("a valid precision"))
    };
    let clerk: Vec<String> = draw(10_000).iter().map(|v| format!("Clerk#{v:09}")).collect();
    let word: Vec<String> = draw(10_000).iter().map(|v| format!("Word{v:05}")).collect();
    let arrays: Vec<(&str, ArrayRef)> = vec![
        ("Int64 to u32", Arc::new(Int64Array::from(draw(6_000_000).iter().map(|v| *v as i64).collect::<Vec<_>>()))),
        ("Int64 shared", Arc::new(Int64Array::from((0..ROWS as i64).map(|v| v << 20).collect::<Vec<_>>()))),
        ("Int64, a tenth NULL, to u32", Arc::new(Int64Array::from(some(draw(6_000_000), |v| v as i64)))),
        ("Decimal128 price, to u32", decimal(draw(10_000_000).iter().map(|v| i128::from(*v)).collect())),
        ("Decimal128 quantity, unit 100, to u8", decimal(draw(50).iter().map(|v| i128::from(*v) * 100).collect())),
        ("Date32 to u16", Arc::new(Date32Array::from(draw(2_526).iter().map(|v| 8_000 + *v as i32).collect::<Vec<_>>()))),
        ("Float64 shared", Arc::new(Float64Array::from(draw(1_000).iter().map(|v| *v as f64).collect::<Vec<_>>()))),
        ("Utf8, 7 values", Arc::new(StringArray::from_iter_values(draw(7).iter().map(|v| modes[*v as usize])))),
        (
            "Utf8, 4 values to 17 bytes",
            Arc::new(StringArray::from_iter_values(draw(4).iter().map(|v| instructions[*v as usize]))),
        ),
        ("Utf8View, 7 values", Arc::new(StringViewArray::from_iter_values(draw(7).iter().map(|v| modes[*v as usize])))),
        (
            "Utf8View, 4 values to 17 bytes",
            Arc::new(StringViewArray::from_iter_values(draw(4).iter().map(|v| instructions[*v as usize]))),
        ),
        ("Utf8, 10,000 values of 15 bytes", Arc::new(StringArray::from_iter_values(&clerk))),
        ("Utf8View, 10,000 values of 9 bytes", Arc::new(StringViewArray::from_iter_values(&word))),
    ];
    println!("{:<38} {:>9} {:>10} {:>10} {:>10}  {:?}", "6,000,000 rows", "MB", "cold ms", "known ms", "decode ms", "encoding");
    for (name, array) in arrays {
        let cache = ColumnCache::new(Budget::new("the column cache", "none", 1 << 34));
        let batches: Vec<ArrayRef> = (0..ROWS).step_by(batch).map(|at| array.slice(at, batch.min(ROWS - at))).collect();
        let run = |segment: u64| {
            let segments = [(segment, ROWS)];
            let logical = array.data_type().clone();
            let request = ColumnRequest { owner: 1, column: 0, logical, nullable: true, segments: &segments };
            let start = Instant::now();
            let load = |_: usize, _: &[usize]| Ok(vec![batches.clone()]);
            let mut columns = cache.resident_many(&[request], threads, &load).expect("the column loads");
            (columns.remove(0), start.elapsed().as_secs_f64() * 1e3)
        };
        let (_, cold) = run(0);
        let known = (1..4).map(|segment| run(segment).1).fold(f64::MAX, f64::min);
        let (column, _) = run(0);
        let decode = Decode::of(&column.facts);
        let start = Instant::now();
        let rows: usize = column.chunks.iter().map(|chunk| decode.array(chunk).expect("it decodes").len()).sum();
        let decoded = start.elapsed().as_secs_f64() * 1e3;
        assert_eq!(rows, ROWS);
        let size: usize = column.chunks.iter().map(|chunk| chunk.bytes()).sum();
        println!("{name:<38} {:>9.1} {cold:>10.1} {known:>10.1} {decoded:>10.1}  {:?}", size as f64 / 1e6, column.facts.encoding);
    }
}
