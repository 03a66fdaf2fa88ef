//! Arrow's arrays to columns of devices and back: every type, the encodings chosen, dictionaries. The cache that keeps
//! columns has tests of its own, in `column_cache.rs`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::*;
use arrow::compute::{cast, concat};
use arrow::datatypes::*;
use warpwise_gpu::cache::{ColumnCache, ColumnRequest, ResidentColumn, SegmentRows};
use warpwise_gpu::column::{Broken, CHUNK_ROWS, Column, Decode, Dictionary, Encoding, Facts, Prepared, recode};
use warpwise_gpu::memory::Budget;
use warpwise_gpu::program::{Fault, Type, ValueType};
use warpwise_gpu::{Error, Result};

/// A cache with room for everything.
fn roomy() -> ColumnCache {
    ColumnCache::new(Budget::new("the column cache", "warpwise.cache_memory", 1 << 32))
}

/// Column 0 of owner 1, of these segments, each some arrays. Segment `i` is named `i`.
fn resident(cache: &ColumnCache, logical: &DataType, segments: &[Vec<ArrayRef>]) -> Result<ResidentColumn> {
    let rows = |arrays: &Vec<ArrayRef>| arrays.iter().map(|array| array.len()).sum();
    let names: Vec<SegmentRows> = segments.iter().enumerate().map(|(at, arrays)| (at as u64, rows(arrays))).collect();
    let request = ColumnRequest { owner: 1, column: 0, logical: logical.clone(), nullable: true, segments: &names };
    cache.resident(&request, &|at| Ok(segments[at].clone()))
}

/// The column as one array again.
fn decoded(column: &ResidentColumn) -> ArrayRef {
    let decode = Decode::of(&column.facts);
    let arrays: Vec<ArrayRef> = column.chunks.iter().map(|chunk| decode.array(chunk).unwrap()).collect();
    if arrays.is_empty() {
        return new_empty_array(&column.facts.logical);
    }
    concat(&arrays.iter().map(|array| array.as_ref()).collect::<Vec<_>>()).unwrap()
}

/// What every column that the cache gives must be.
fn check_chunks(column: &ResidentColumn) {
    let facts = &column.facts;
    assert_eq!(column.chunks.iter().map(|chunk| chunk.rows).sum::<usize>(), facts.rows);
    for chunk in &column.chunks {
        assert!(chunk.rows <= CHUNK_ROWS && chunk.rows > 0);
        assert_eq!(chunk.ty.ty, facts.ty.ty);
        assert_eq!(chunk.ty.nullable, chunk.validity.is_some());
        assert!(facts.ty.nullable || !chunk.ty.nullable);
        assert!(chunk.values.len() * 8 >= chunk.rows * chunk.ty.ty.bits() as usize);
        assert!(chunk.validity.as_ref().is_none_or(|bits| bits.len() * 8 >= chunk.rows));
        assert_eq!(chunk.values.as_ptr().align_offset(chunk.ty.ty.bytes()), 0);
        if let Some((low, high)) = chunk.range {
            let (least, greatest) = facts.range.unwrap();
            assert!(least <= low && low <= high && high <= greatest);
        }
    }
}

/// Encodes an array whole, in slices, in several arrays and in several segments, and decodes it.
fn round_trip(array: ArrayRef) {
    let logical = array.data_type().clone();
    let n = array.len();
    let cut = |at: usize, to: usize| array.slice(at.min(n), to.min(n) - at.min(n));
    let shapes: Vec<Vec<Vec<ArrayRef>>> = vec![
        vec![vec![array.clone()]],
        vec![vec![cut(1, n)]],
        vec![vec![cut(3, 11)]],
        vec![vec![cut(8, n)]],
        vec![vec![cut(0, 0)]],
        vec![vec![]],
        vec![vec![cut(0, 5), cut(5, 6), cut(6, n)]],
        vec![vec![cut(0, 5)], vec![cut(5, 6), cut(6, 9)], vec![], vec![cut(9, n)]],
        vec![vec![new_null_array(&logical, 70)]],
        vec![vec![new_null_array(&logical, 3), array.clone()], vec![new_null_array(&logical, 1)]],
    ];
    for segments in shapes {
        let expected: Vec<&dyn Array> = segments.iter().flatten().map(|array| array.as_ref()).collect();
        let expected = if expected.is_empty() { new_empty_array(&logical) } else { concat(&expected).unwrap() };
        let cache = roomy();
        for again in [false, true] {
            let column = resident(&cache, &logical, &segments).unwrap();
            check_chunks(&column);
            let found = decoded(&column);
            assert_eq!(found.data_type(), &logical);
            assert_eq!(column.facts.nulls, expected.logical_null_count());
            if let DataType::Dictionary(_, value) = &logical {
                // The entries of two dictionaries may differ where what they say is the same.
                assert_eq!(&cast(&found, value).unwrap(), &cast(&expected, value).unwrap());
            } else {
                assert_eq!(&found, &expected);
            }
            assert_eq!(column.loaded > 0, !again && !expected.is_empty(), "{logical}: loaded {}", column.loaded);
        }
    }
}

/// Values with every third NULL, and the same without NULLs.
fn both<T: ArrowPrimitiveType>(values: &[T::Native], ty: DataType) {
    let some = values.iter().enumerate().map(|(at, value)| (at % 3 != 1).then_some(*value));
    round_trip(Arc::new(some.collect::<PrimitiveArray<T>>().with_data_type(ty.clone())));
    round_trip(Arc::new(PrimitiveArray::<T>::from_iter_values(values.iter().copied()).with_data_type(ty)));
}

macro_rules! integers {
    ($($ty:ty),*) => {
        $({
            type N = <$ty as ArrowPrimitiveType>::Native;
            let small: Vec<N> = (0..100u8).map(|v| v as N).collect();
            let mut extreme = small.clone();
            extreme[7] = N::MIN;
            extreme[9] = N::MAX;
            both::<$ty>(&small, <$ty>::DATA_TYPE);
            both::<$ty>(&extreme, <$ty>::DATA_TYPE);
            both::<$ty>(&[N::MIN; 20], <$ty>::DATA_TYPE);
        })*
    };
}

#[test]
fn every_integer_comes_back() {
    integers!(Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, Date32Type);
    integers!(Time32SecondType, Time32MillisecondType, Time64MicrosecondType, Time64NanosecondType);
    integers!(DurationSecondType, DurationNanosecondType, TimestampSecondType, TimestampMillisecondType);
    integers!(TimestampMicrosecondType, TimestampNanosecondType);
    let zoned = DataType::Timestamp(TimeUnit::Microsecond, Some("Europe/Berlin".into()));
    both::<TimestampMicrosecondType>(&[0, -3_600_000_000, 7_200_000_000, 0, 0, 0, 1, 2, 3, 4, 5, 6], zoned);
}

#[test]
fn every_decimal_comes_back() {
    both::<Decimal32Type>(&[0, 999_999_999, -999_999_999, 100, 200, -5, 7, 8, 9, 10, 11, 12], DataType::Decimal32(9, 2));
    both::<Decimal64Type>(&[0, 100, -100, 250_000, 1_000, 0, 0, 300, 9_900, 0, 0, 700], DataType::Decimal64(18, 2));
    for (precision, scale) in [(38, 0), (38, 38), (38, 10), (15, 2), (10, -2)] {
        let bound = 10i128.pow(precision.into()) - 1;
        let ty = DataType::Decimal128(precision, scale);
        both::<Decimal128Type>(&[bound, -bound, 0, 1, -1, 10, 100, 1_000, 7, 8, 9, 10, 11, 12], ty.clone());
        both::<Decimal128Type>(&[0; 15], ty.clone());
        both::<Decimal128Type>(&[10_000, -20_000, 0, 30_000, 0, 0, 0, 0, 10_000, 500, 0, 0], ty);
    }
    // Around the bounds of 64 bits, where blocks go another way.
    let edge = i128::from(i64::MAX);
    both::<Decimal128Type>(&[edge, edge + 1, -edge - 1, -edge - 2, 0, 1, 2, 3, 4, 5, 6, 7], DataType::Decimal128(38, 2));
}

#[test]
fn floats_and_booleans_come_back() {
    both::<Float32Type>(&[0.0, -0.0, f32::MAX, f32::INFINITY, f32::MIN_POSITIVE, 1.5, 2.0, 3.0, 4.0, 5.0], DataType::Float32);
    both::<Float64Type>(&[0.0, -0.0, f64::MIN, f64::NEG_INFINITY, 5e-324, 1.5, 2.0, 3.0, 4.0, 5.0], DataType::Float64);
    let bits = |n: usize| (0..n).map(|at| at * at % 7 < 3);
    round_trip(Arc::new(BooleanArray::from_iter(bits(200).map(Some))));
    round_trip(Arc::new(BooleanArray::from_iter(bits(200).enumerate().map(|(at, bit)| (at % 5 != 0).then_some(bit)))));
    round_trip(Arc::new(BooleanArray::from(vec![true; 20])));
}

#[test]
fn a_nan_keeps_its_bits() {
    let nan = f64::from_bits(0x7ff8_0000_dead_beef);
    let array: ArrayRef = Arc::new(Float64Array::from(vec![nan]));
    let column = resident(&roomy(), &DataType::Float64, &[vec![array]]).unwrap();
    assert_eq!(decoded(&column).as_primitive::<Float64Type>().value(0).to_bits(), nan.to_bits());
}

#[test]
fn every_layout_of_strings_comes_back() {
    let texts = ["", "a", "\0", "\0\0", "exactly12byt", "exactly 13 by", "fifteen bytes..", "sixteen bytes...", "ä€𝄞", "a"];
    let long = "a much longer text that no view holds inline and no key either, with a tail";
    let all = || texts.iter().copied().chain((0..40).map(|at| if at % 2 == 0 { long } else { &long[..17 + at] }));
    let some = || all().enumerate().map(|(at, text)| (at % 4 != 2).then_some(text));
    for array in [Arc::new(StringArray::from_iter_values(all())), Arc::new(StringArray::from_iter(some()))] {
        let array: ArrayRef = array;
        let dictionary = |key, value| DataType::Dictionary(Box::new(key), Box::new(value));
        for ty in [
            DataType::Utf8,
            DataType::LargeUtf8,
            DataType::Utf8View,
            dictionary(DataType::Int8, DataType::Utf8),
            dictionary(DataType::UInt64, DataType::LargeUtf8),
            dictionary(DataType::Int32, DataType::Utf8View),
        ] {
            round_trip(cast(&array, &ty).unwrap());
        }
    }
}

#[test]
fn a_dictionary_array_may_have_null_and_unused_values() {
    let values: ArrayRef = Arc::new(StringArray::from(vec![Some("x"), None, Some("unused"), Some("y")]));
    let keys = Int32Array::from(vec![Some(3), Some(1), None, Some(0), Some(3)]);
    let array: ArrayRef = Arc::new(DictionaryArray::new(keys, values));
    let column = resident(&roomy(), &DataType::Utf8, &[vec![array]]).unwrap();
    assert_eq!(decoded(&column).as_string::<i32>(), &StringArray::from(vec![Some("y"), None, None, Some("x"), Some("y")]));
    assert_eq!(column.facts.words.unwrap().code_of("unused"), None);
}

#[test]
fn large_columns_come_back() {
    let n = 3 * CHUNK_ROWS + 12_345;
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter((0..n as i64).map(|v| (v % 11 != 4).then_some(v * v - 7 * v))));
    let texts: ArrayRef =
        Arc::new(StringArray::from_iter((0..n).map(|v| (v % 13 != 5).then(|| format!("text {}", v * 31 % 999)))));
    for array in [numbers, texts] {
        let batches: Vec<ArrayRef> = (0..n).step_by(8_192).map(|at| array.slice(at, 8_192.min(n - at))).collect();
        for segments in [vec![vec![array.clone()]], vec![batches.clone()], batches.chunks(41).map(<[_]>::to_vec).collect()] {
            let column = resident(&roomy(), array.data_type(), &segments).unwrap();
            check_chunks(&column);
            assert_eq!(&decoded(&column), &array);
        }
    }
}

#[test]
fn refusals_name_the_type() {
    let array: ArrayRef = Arc::new(UInt64Array::from(vec![1]));
    let error = resident(&roomy(), &DataType::UInt64, &[vec![array]]).unwrap_err();
    assert_eq!(error, Error::Unsupported("column type UInt64 has no device form".to_owned()));
}

#[test]
fn strings_with_many_values_become_texts() {
    let many: ArrayRef = Arc::new(StringArray::from_iter((0..90_000).map(|v| (v % 7 > 0).then(|| format!("é{v}")))));
    let small: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None, Some("b")]));
    let (cache, loads) = (roomy(), AtomicUsize::new(0));
    let load = |segments: &[(u64, usize)], at: usize| {
        loads.fetch_add(1, Ordering::Relaxed);
        Ok(vec![if segments[at].0 == 0 { small.clone() } else { many.clone() }])
    };
    let request = |segments: &'static [(u64, usize)]| ColumnRequest {
        owner: 1,
        column: 0,
        logical: DataType::Utf8,
        nullable: true,
        segments,
    };
    let ask = |segments: &'static [(u64, usize)]| cache.resident(&request(segments), &|at| load(segments, at)).unwrap();
    // A dictionary at first; the codes become texts once another segment has too many values.
    let first = ask(&[(0, 3)]);
    assert_eq!((first.facts.ty.ty, first.facts.words.as_ref().unwrap().len()), (Type::U8, 2));
    let both = ask(&[(0, 3), (1, 90_000)]);
    assert_eq!(both.facts.encoding, Encoding::Text);
    assert_eq!((both.facts.ty, both.facts.range, both.facts.nulls), (ValueType::nullable(Type::Text), None, 12_859));
    assert!(both.facts.words.is_none() && both.chunks.iter().all(|chunk| chunk.ty.ty == Type::Text));
    assert!(!first.facts.ascii && !both.facts.ascii);
    assert_eq!(decoded(&both).as_ref(), concat(&[small.as_ref(), many.as_ref()]).unwrap().as_ref());
    assert_eq!(decoded(&ask(&[(0, 3)])).as_ref(), small.as_ref());
    assert_eq!(decoded(&first).as_ref(), small.as_ref());
    // The array's own bytes, not a copy.
    assert_eq!(both.chunks[1].bytes.as_ref().unwrap().as_ptr(), many.as_string::<i32>().values().as_ptr());
    assert_eq!(loads.load(Ordering::Relaxed), 2);
    let known = cache.facts_if_known(&request(&[(0, 3)])).unwrap();
    assert!(known.words.is_none() && known.ascii);
}

#[test]
fn texts_of_every_layout_read_back() {
    let rows = |count: usize| (0..count).map(|v| (v % 5 > 0).then(|| format!("{}{v}", "日".repeat(v % 40))));
    let plain: ArrayRef = Arc::new(StringArray::from_iter(rows(3000)));
    for ty in [DataType::LargeUtf8, DataType::Utf8View, dictionary_type()] {
        let array = cast(&plain, &ty).unwrap().slice(1000, 1500);
        for pieces in [vec![array.clone()], vec![array.slice(0, 700), array.slice(700, 0), array.slice(700, 800)]] {
            let prepared = Prepared::new(&ty, &pieces, None).unwrap();
            let summary = prepared.summary(&ty);
            let encoding = summary.encoding(&ty).unwrap();
            assert_eq!((encoding, summary.nulls), (Encoding::Text, 300));
            let facts = Facts::new(ty.clone(), encoding, &summary, None);
            let column = prepared.encode(encoding).unwrap();
            assert!(!summary.ascii && !facts.ascii && !column.is_ascii());
            let found = Decode::of(&facts).array(&column).unwrap();
            assert_eq!(&cast(&found, &DataType::Utf8).unwrap(), &plain.slice(1000, 1500));
            assert_eq!(found.data_type(), &ty);
        }
        // Bytes in front of an array's texts and behind them are not its own; a NULL has none.
        let (none, some) = (array.slice(0, 1), array.slice(1, 1));
        for (pieces, ascii) in [(vec![none.clone()], true), (vec![some.clone()], false), (vec![none, some], false)] {
            let prepared = Prepared::new(&ty, &pieces, None).unwrap();
            assert_eq!((prepared.summary(&ty).ascii, prepared.encode(Encoding::Text).unwrap().is_ascii()), (ascii, ascii));
        }
    }
}

fn dictionary_type() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

fn encoding(array: ArrayRef) -> (Encoding, Option<(i128, i128)>) {
    let facts = resident(&roomy(), array.data_type(), &[vec![array.clone()]]).unwrap().facts;
    (facts.encoding, facts.range)
}

fn narrow(ty: Type, unit: i128) -> Encoding {
    Encoding::Narrow { ty, unit }
}

#[test]
fn the_narrowest_type_and_the_greatest_unit_are_taken() {
    let int = |values: Vec<i64>| encoding(Arc::new(Int64Array::from(values)));
    assert_eq!(int(vec![0, 255]), (narrow(Type::U8, 1), Some((0, 255))));
    assert_eq!(int(vec![-1, 127]), (narrow(Type::I8, 1), Some((-1, 127))));
    assert_eq!(int(vec![-1, 128]).0, narrow(Type::I16, 1));
    assert_eq!(int(vec![65_535]).0, narrow(Type::U16, 1));
    assert_eq!(int(vec![0, 65_536]).0, narrow(Type::U32, 1));
    assert_eq!(int(vec![1_000, 2_000]).0, narrow(Type::U16, 1), "plain integers have no unit");
    assert_eq!(int(vec![i64::MIN]).0, narrow(Type::I64, 1));
    let dates = encoding(Arc::new(Date32Array::from(vec![8_035, 10_591])));
    assert_eq!(dates, (narrow(Type::U16, 1), Some((8_035, 10_591))));

    let decimal = |values: Vec<i128>, precision, scale| {
        encoding(Arc::new(Decimal128Array::from(values).with_precision_and_scale(precision, scale).unwrap()))
    };
    assert_eq!(decimal(vec![100, 5_000], 15, 2), (narrow(Type::U8, 100), Some((1, 50))));
    assert_eq!(decimal(vec![100, 5_010], 15, 2), (narrow(Type::U16, 10), Some((10, 501))));
    assert_eq!(decimal(vec![-4, 0, 10], 15, 2), (narrow(Type::I8, 1), Some((-4, 10))));
    assert_eq!(decimal(vec![1_000, 7_000], 15, 0), (narrow(Type::U16, 1), Some((1_000, 7_000))));
    let big = 10i128.pow(37);
    assert_eq!(decimal(vec![big, -3 * big], 38, 38), (narrow(Type::I8, big), Some((-3, 1))));
    assert_eq!(decimal(vec![big, -3 * big], 38, 2), (narrow(Type::I128, 100), Some((-3 * big / 100, big / 100))));
    assert_eq!(decimal(vec![big, 1], 38, 2).0, narrow(Type::I128, 1));

    let second = 1_000_000;
    let time = |values: Vec<i64>| encoding(Arc::new(TimestampMicrosecondArray::from(values)));
    let day = 86_400 * second;
    assert_eq!(time(vec![day, 20_000 * day]), (narrow(Type::U16, i128::from(day)), Some((1, 20_000))));
    assert_eq!(time(vec![day, 3_600 * second]).0, narrow(Type::U8, 3_600_000_000));
    assert_eq!(time(vec![60 * second, -second]).0, narrow(Type::I8, 1_000_000));
    assert_eq!(time(vec![1_000, 3_000]).0, narrow(Type::U8, 1_000));
    assert_eq!(time(vec![1, 60 * second]).0, narrow(Type::U32, 1));

    assert_eq!(encoding(Arc::new(BooleanArray::from(vec![true, true]))), (Encoding::Bits, Some((1, 1))));
    assert_eq!(encoding(Arc::new(BooleanArray::from(vec![Some(false), None]))), (Encoding::Bits, Some((0, 0))));
    assert_eq!(encoding(new_null_array(&DataType::Boolean, 3)).1, None);
    assert_eq!(encoding(Arc::new(Float32Array::from(vec![1.0]))), (Encoding::Plain(Type::F32), None));
    let words = encoding(Arc::new(StringArray::from_iter_values((0..300).map(|v| v.to_string()))));
    assert_eq!(words, (Encoding::Dictionary { ty: Type::U16 }, Some((0, 299))));
}

#[test]
fn what_stands_at_a_null_counts_for_nothing() {
    let values = vec![100i128, 17, i128::from(i64::MAX) * 9, 300];
    let nulls = vec![true, false, false, true].into();
    let array = Decimal128Array::new(values.into(), Some(nulls)).with_precision_and_scale(38, 2).unwrap();
    assert_eq!(encoding(Arc::new(array)), (narrow(Type::U8, 100), Some((1, 3))));
}

#[test]
fn decimals_may_come_in_another_width() {
    let logical = DataType::Decimal128(15, 2);
    let segments: Vec<Vec<ArrayRef>> = vec![vec![
        Arc::new(Decimal64Array::from(vec![100, 250]).with_precision_and_scale(15, 2).unwrap()),
        Arc::new(Decimal128Array::from(vec![7]).with_precision_and_scale(15, 2).unwrap()),
    ]];
    let column = resident(&roomy(), &logical, &segments).unwrap();
    let expected = Decimal128Array::from(vec![100, 250, 7]).with_precision_and_scale(15, 2).unwrap();
    assert_eq!(decoded(&column).as_primitive::<Decimal128Type>(), &expected);
    let other: ArrayRef = Arc::new(Decimal64Array::from(vec![1]).with_precision_and_scale(15, 3).unwrap());
    assert!(matches!(resident(&roomy(), &logical, &[vec![other]]), Err(Error::Invalid(_))));
}

#[test]
fn the_plain_encoding_shares_arrows_buffers() {
    let n = CHUNK_ROWS + 1_000;
    let valid = |at: usize| !at.is_multiple_of(3);
    let floats: ArrayRef = Arc::new(Float64Array::from_iter((0..n).map(|at| valid(at).then_some(at as f64))));
    let longs: ArrayRef = Arc::new(Int64Array::from_iter((0..n).map(|at| valid(at).then_some((at as i64) << 30))));
    // Unsigned in the column, signed in Arrow, the same bytes.
    let ints: ArrayRef = Arc::new(Int32Array::from_iter((0..n).map(|at| valid(at).then_some(at as i32 * 3_000))));
    for array in [floats, longs, ints] {
        let data = array.to_data();
        let width = array.data_type().primitive_width().unwrap();
        for from in [0, 8, 16, 3] {
            let part = array.slice(from, n - from);
            let column = resident(&roomy(), array.data_type(), &[vec![part.clone()]]).unwrap();
            assert_eq!(column.chunks.len(), 2);
            for (at, chunk) in column.chunks.iter().enumerate() {
                let row = from + at * CHUNK_ROWS;
                assert_eq!(chunk.values.as_ptr(), data.buffers()[0].as_ptr().wrapping_add(row * width));
                let shared = data.nulls().unwrap().buffer().as_ptr().wrapping_add(row / 8);
                let validity = chunk.validity.as_ref().unwrap().as_ptr();
                assert_eq!(validity == shared, from % 8 == 0, "validity is copied only where its bits do not begin at a byte");
                let back = Decode::of(&column.facts).array(chunk).unwrap();
                assert_eq!(back.to_data().buffers()[0].as_ptr(), chunk.values.as_ptr(), "decoding shares them too");
            }
            assert_eq!(&decoded(&column), &part);
        }
    }
    let bits = BooleanArray::from((0..n).map(|at| at % 5 == 0).collect::<Vec<_>>());
    let column = resident(&roomy(), &DataType::Boolean, &[vec![Arc::new(bits.clone())]]).unwrap();
    assert_eq!(column.chunks[1].values.as_ptr(), bits.values().inner().as_ptr().wrapping_add(CHUNK_ROWS / 8));
    assert_eq!(column.chunks[1].validity, None);
}

#[test]
fn a_broken_claim_is_found() {
    let array: ArrayRef = Arc::new(Int64Array::from(vec![Some(1_000), None, Some(-3)]));
    let prepared = Prepared::new(&DataType::Int64, &[array], None).unwrap();
    let encode = |ty, unit| prepared.encode(narrow(ty, unit));
    assert_eq!(encode(Type::I8, 1).unwrap_err(), Broken);
    assert_eq!(encode(Type::U16, 1).unwrap_err(), Broken);
    assert_eq!(encode(Type::I16, 10).unwrap_err(), Broken, "no multiple");
    assert_eq!(prepared.encode(Encoding::Bits).unwrap_err(), Broken);
    assert_eq!(prepared.encode(Encoding::Plain(Type::F64)).unwrap_err(), Broken);
    let stored = encode(Type::I16, 1).unwrap();
    assert_eq!((stored.range, stored.ty), (Some((-3, 1_000)), ValueType::nullable(Type::I16)));
    // The same width without a conversion is checked as well.
    let array: ArrayRef = Arc::new(Int32Array::from(vec![-1]));
    let prepared = Prepared::new(&DataType::Int32, &[array], None).unwrap();
    assert_eq!(prepared.encode(narrow(Type::U32, 1)).unwrap_err(), Broken);
}

#[test]
fn a_stored_chunk_becomes_wider_without_its_source() {
    let array = Decimal128Array::from(vec![Some(300), None, Some(500)]).with_precision_and_scale(9, 2).unwrap();
    let array: ArrayRef = Arc::new(array);
    let prepared = Prepared::new(array.data_type(), std::slice::from_ref(&array), None).unwrap();
    let first = narrow(Type::U8, 100);
    let stored = prepared.encode(first).unwrap();
    for (to, range) in [(narrow(Type::U8, 10), (30, 50)), (narrow(Type::I64, 1), (300, 500)), (narrow(Type::I128, 100), (3, 5))] {
        let wider = recode(&stored, first, to).unwrap();
        assert_eq!(wider.range, Some(range));
        let decode = Decode { logical: array.data_type().clone(), multiplier: to.unit(), words: None };
        assert_eq!(&decode.array(&wider).unwrap(), &array);
        assert_eq!(recode(&wider, to, first).unwrap().values.as_slice()[0], 3, "and back");
    }
    assert_eq!(recode(&stored, first, narrow(Type::U8, 1)).unwrap_err(), Broken);
}

#[test]
fn outputs_are_rescaled_and_checked() {
    let sums: Vec<i128> = vec![1, -5, 0, 10i128.pow(20)];
    let column = Column::new(ValueType::of(Type::I128), 4, arrow::buffer::Buffer::from_vec(sums), None);
    let decode = |logical, multiplier| Decode { logical, multiplier, words: None }.array(&column);
    let found = decode(DataType::Decimal128(38, 6), 1_000_000).unwrap();
    assert_eq!(found.as_primitive::<Decimal128Type>().values(), &[1_000_000, -5_000_000, 0, 10i128.pow(26)]);
    assert_eq!(decode(DataType::Decimal128(20, 0), 1).unwrap_err(), Error::Fault(Fault::NumericRange));
    assert_eq!(decode(DataType::Decimal128(38, 0), 10i128.pow(18)).unwrap_err(), Error::Fault(Fault::NumericRange));
    assert_eq!(decode(DataType::Decimal128(38, 0), 10i128.pow(30)).unwrap_err(), Error::Fault(Fault::NumericRange));
    assert_eq!(decode(DataType::Int64, 1).unwrap_err(), Error::Fault(Fault::BigintRange));
    assert!(matches!(decode(DataType::Float64, 1), Err(Error::Invalid(_))));
    assert!(matches!(decode(DataType::Utf8, 1), Err(Error::Invalid(_))));
    // A buffer that begins anywhere, and a value at a NULL that would not fit.
    let bytes: Vec<u8> = [0u8; 3].into_iter().chain([7i64, i64::MAX].iter().flat_map(|v| v.to_le_bytes())).collect();
    let values = arrow::buffer::Buffer::from_vec(bytes).slice(3);
    let column = Column::new(ValueType::nullable(Type::I64), 2, values, Some(vec![0b01u8].into()));
    let found = Decode::plain(DataType::Int16).array(&column).unwrap();
    assert_eq!(found.as_primitive::<Int16Type>(), &Int16Array::from(vec![Some(7), None]));
    assert_eq!(Decode::plain(DataType::Int64).array(&column).unwrap().len(), 2);
}

/// Columns with many rows may have many entries; where most rows are different, that shows early.
#[test]
fn dictionaries_hold_what_rows_repeat() {
    let rows = 2_000_000;
    let encode = |distinct: u64| {
        let dictionary = Dictionary::default();
        dictionary.expect(rows as u64);
        let mut done = 0;
        while done < rows {
            let drawn = |row: usize| {
                let mut word = (row as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
                word ^ word >> 31
            };
            let texts = (done..done + 100_000).map(|row| format!("https://example.org/{}", drawn(row) % distinct));
            let array: ArrayRef = Arc::new(StringArray::from_iter_values(texts));
            match Prepared::new(&DataType::Utf8, &[array], Some(&dictionary)) {
                Ok(_) => done += 100_000,
                Err(Error::Unsupported(why)) => return Err((done, why)),
                Err(other) => panic!("{other}"),
            }
        }
        Ok(Arc::new(dictionary).words())
    };
    let words = encode(400_000).unwrap();
    let values = words.values();
    assert!((380_000..=400_000).contains(&words.len()) && values.len() == words.len(), "{}", words.len());
    assert!((0..words.len()).all(|code| words.code_of(values.value(code)) == Some(code as u32)));
    let (done, why) = encode(4_000_000).unwrap_err();
    assert_eq!((done, why.as_str()), (0, "more than 500000 distinct values"), "nearly all of the first rows are different");
    let few = Dictionary::default();
    let array: ArrayRef = Arc::new(StringArray::from_iter_values((0..70_000).map(|row| row.to_string())));
    assert!(matches!(Prepared::new(&DataType::Utf8, &[array], Some(&few)), Err(Error::Unsupported(_))));
}

#[test]
fn codes_and_ranks_survive_growth() {
    let dictionary = Arc::new(Dictionary::default());
    let encode = |texts: &[&str]| {
        let array: ArrayRef = Arc::new(StringArray::from(texts.to_vec()));
        Prepared::new(&DataType::Utf8, &[array], Some(&dictionary)).unwrap();
    };
    encode(&["RAIL", "AIR", "SHIP", "AIR"]);
    let old = dictionary.words();
    assert_eq!(old.len(), 3);
    assert_eq!(old.sorted(1).ranks[..], [1, 0, 2]);
    encode(&["", "ä", "Z", "a", "MAIL", "AIR"]);
    let new = dictionary.words();
    assert_eq!((old.len(), new.len()), (3, 8));
    assert_eq!(old.sorted(1).ranks[..], [1, 0, 2], "a version stays as it was");
    assert_eq!(old.values(), StringArray::from(vec!["RAIL", "AIR", "SHIP"]));
    assert_eq!((old.code_of("MAIL"), new.code_of("MAIL")), (None, Some(7)));
    assert_eq!((new.code_of("RAIL"), new.code_of("x")), (Some(0), None));
    let sorted = new.sorted(2);
    let in_order = StringArray::from(vec!["", "AIR", "MAIL", "RAIL", "SHIP", "Z", "a", "ä"]);
    assert_eq!(sorted.strings, in_order, "bytes decide");
    assert!((0..8).all(|code| in_order.value(sorted.ranks[code] as usize) == new.values().value(code)));
    assert!(Arc::ptr_eq(&sorted.ranks, &dictionary.words().sorted(2).ranks), "made once");
    assert!(!new.is_ascii() && old.is_ascii());
    assert_eq!(new.views(), StringViewArray::from(&new.values()));
    // Through many growths of the index, among them strings of all lengths.
    let many: Vec<String> = (0..50_000).map(|v| format!("{}{v}", "x".repeat(v % 40))).collect();
    encode(&many.iter().map(String::as_str).collect::<Vec<_>>());
    let words = dictionary.words();
    let values = words.values();
    assert_eq!(words.len(), 50_008);
    assert!((0..words.len()).all(|code| dictionary.code_of(values.value(code)) == Some(code as u32)));
    assert_eq!(dictionary.code_of("RAIL"), Some(0));
}
