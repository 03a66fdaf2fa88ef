//! The column cache: one encoding for a column, one load for all who ask, and a budget that holds.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use arrow::array::*;
use arrow::compute::concat;
use arrow::datatypes::*;
use warpwise_gpu::cache::{ColumnCache, ColumnRequest, ResidentColumn, SegmentRows};
use warpwise_gpu::column::{Decode, Encoding};
use warpwise_gpu::memory::Budget;
use warpwise_gpu::program::{Type, ValueType};
use warpwise_gpu::{Error, Result};

fn cache(bytes: u64) -> ColumnCache {
    ColumnCache::new(Budget::new("the column cache", "warpwise.cache_memory", bytes))
}

/// One with room for everything.
fn roomy() -> ColumnCache {
    cache(1 << 32)
}

fn request(column: u32, logical: DataType, nullable: bool, segments: &[SegmentRows]) -> ColumnRequest<'_> {
    ColumnRequest { owner: 1, column, logical, nullable, segments }
}

/// The column as one array again.
fn decoded(column: &ResidentColumn) -> ArrayRef {
    let decode = Decode::of(&column.facts);
    let arrays: Vec<ArrayRef> = column.chunks.iter().map(|chunk| decode.array(chunk).unwrap()).collect();
    concat(&arrays.iter().map(|array| array.as_ref()).collect::<Vec<_>>()).unwrap()
}

fn ints(column: &ResidentColumn) -> Vec<i32> {
    decoded(column).as_primitive::<Int32Type>().values().to_vec()
}

#[test]
fn an_appended_segment_widens_what_is_there() {
    let logical = DataType::Decimal128(15, 2);
    let trillion = 10i128.pow(12);
    let values = [vec![100, 200, 300], vec![-5, trillion]];
    let segments = [(0, 3), (1, 2)];
    let cache = roomy();
    let get = |count: usize| {
        let load = |at: usize| -> Result<Vec<ArrayRef>> {
            Ok(vec![Arc::new(Decimal128Array::from(values[at].clone()).with_precision_and_scale(15, 2).unwrap())])
        };
        cache.resident(&request(0, logical.clone(), true, &segments[..count]), &load).unwrap()
    };
    let first = get(1);
    assert_eq!(first.facts.encoding, Encoding::Narrow { ty: Type::U8, unit: 100 });
    let second = get(2);
    assert_eq!(second.facts.encoding, Encoding::Narrow { ty: Type::I64, unit: 1 });
    assert_eq!(second.facts.range, Some((-5, trillion)));
    assert_eq!(decoded(&second).as_primitive::<Decimal128Type>().values(), &[100, 200, 300, -5, trillion]);
    assert_eq!(decoded(&first).as_primitive::<Decimal128Type>().values(), &[100, 200, 300], "who held the old one has it");
    let statistics = cache.statistics();
    assert_eq!((statistics.misses, statistics.widened), (2, 1), "nothing was loaded twice");
    // An older snapshot now has the wider type as well, with its own range.
    let old = get(1);
    assert_eq!((old.facts.ty, old.facts.range), (ValueType::of(Type::I64), Some((100, 300))));
    assert_eq!((cache.statistics().misses, cache.statistics().widened), (2, 1));
}

#[test]
fn a_dictionary_that_grows_widens_its_codes() {
    let cache = roomy();
    let segments = [(0, 200), (1, 200)];
    let load = |at: usize| -> Result<Vec<ArrayRef>> {
        Ok(vec![Arc::new(StringArray::from_iter_values((at * 200..at * 200 + 200).map(|v| format!("v{v}"))))])
    };
    let first = cache.resident(&request(0, DataType::Utf8, false, &segments[..1]), &load).unwrap();
    assert_eq!(first.facts.encoding, Encoding::Dictionary { ty: Type::U8 });
    let second = cache.resident(&request(0, DataType::Utf8View, false, &segments), &load).unwrap();
    assert_eq!(second.facts.encoding, Encoding::Dictionary { ty: Type::U16 });
    let expected = StringViewArray::from_iter_values((0..400).map(|v| format!("v{v}")));
    assert_eq!(decoded(&second).as_string_view(), &expected, "strings of another layout share the entries");
    assert_eq!(decoded(&first).as_string::<i32>().value(199), "v199");
    assert_eq!(cache.statistics().misses, 2);
}

#[test]
fn texts_are_ascii_where_those_of_every_segment_are() {
    let cache = roomy();
    let many = |from: usize| (from..from + 70_000).map(|v| v.to_string());
    let arrays: [ArrayRef; 4] = [
        Arc::new(StringArray::from(vec![Some(""), None, Some("z")])),
        Arc::new(StringArray::from_iter_values(many(0))),
        Arc::new(StringArray::from_iter_values(many(70_000))),
        Arc::new(StringArray::from_iter_values(many(140_000).chain(["é".to_owned()]))),
    ];
    let is_ascii = |wanted: &[usize]| {
        let segments: Vec<SegmentRows> = wanted.iter().map(|at| (*at as u64, arrays[*at].len())).collect();
        let request = request(0, DataType::Utf8, true, &segments);
        let found = cache.resident(&request, &|at| Ok(vec![arrays[wanted[at]].clone()])).unwrap().facts.ascii;
        assert_eq!(cache.facts_if_known(&request).unwrap().ascii, found);
        found
    };
    assert!(!is_ascii(&[0]), "codes are not looked at");
    assert!(is_ascii(&[1]));
    assert!(is_ascii(&[0]) && is_ascii(&[0, 1]), "they are once they became texts");
    assert!(is_ascii(&[0, 1, 2]));
    assert!(!is_ascii(&[3]) && !is_ascii(&[0, 1, 2, 3]));
    assert!(is_ascii(&[1, 2]), "an older snapshot is what it was");
    // What is known stays, and is found again.
    cache.set_budget(0);
    assert_eq!(cache.statistics().bytes, 0);
    assert!(is_ascii(&[0, 2]) && !is_ascii(&[3, 1]));
}

#[test]
fn facts_are_known_before_a_load_and_after_an_eviction() {
    let cache = roomy();
    let segments = [(0, 3)];
    let request = request(0, DataType::Int32, true, &segments);
    assert!(cache.facts_if_known(&request).is_none());
    let array: ArrayRef = Arc::new(Int32Array::from(vec![Some(-4), None, Some(4)]));
    let column = cache.resident(&request, &|_| Ok(vec![array.clone()])).unwrap();
    let known = cache.facts_if_known(&request).unwrap();
    assert_eq!((known.ty, known.range, known.rows, known.nulls), (column.facts.ty, Some((-4, 4)), 3, 1));
    drop(column);
    cache.set_budget(0);
    let statistics = cache.statistics();
    assert_eq!((statistics.bytes, statistics.evictions), (0, 1));
    assert_eq!(cache.facts_if_known(&request).unwrap().ty, ValueType::nullable(Type::I8));
    cache.forget_segment(1, 0);
    assert!(cache.facts_if_known(&request).is_none());
    cache.forget_owner(1);
    assert!(cache.facts_if_known(&request).is_none());
}

#[test]
fn a_small_budget_evicts_the_coldest_and_serves_all() {
    // Entries of 1,000 bytes each.
    let array: ArrayRef = Arc::new(UInt8Array::from_iter_values((0..1_000).map(|at| at as u8)));
    let cache = cache(3_500);
    let get = |segments: &[u64]| {
        let names: Vec<SegmentRows> = segments.iter().map(|id| (*id, 1_000)).collect();
        let column = cache.resident(&request(0, DataType::UInt8, false, &names), &|_| Ok(vec![array.clone()])).unwrap();
        assert_eq!(column.chunks.len(), segments.len());
        assert!(cache.statistics().bytes <= 3_500);
        column
    };
    for segment in [1, 2, 3, 1, 4] {
        get(&[segment]);
    }
    let statistics = cache.statistics();
    assert_eq!((statistics.evictions, statistics.misses, statistics.hits), (1, 4, 1));
    get(&[1, 3, 4]);
    assert_eq!(cache.statistics().misses, 4, "2 was the coldest");
    let held = get(&[3]);
    let all = get(&[5, 6, 7, 8, 9]);
    assert_eq!(all.facts.rows, 5_000, "more than the budget is served");
    assert_eq!(cache.statistics().bytes, 3_000, "and what fits is kept");
    let before = cache.statistics().misses;
    get(&[3]);
    assert_eq!(cache.statistics().misses, before, "what a query holds stays");
    drop((held, all));
    cache.set_budget(1_000);
    assert_eq!(cache.statistics().bytes, 1_000);
}

#[test]
fn one_load_serves_all_who_ask_at_once() {
    let cache = roomy();
    let (loads, ready) = (AtomicUsize::new(0), Barrier::new(6));
    let array: ArrayRef = Arc::new(StringArray::from_iter_values((0..1_000).map(|v| (v % 17).to_string())));
    std::thread::scope(|scope| {
        for thread in 0..6usize {
            let (cache, loads, ready, array) = (&cache, &loads, &ready, &array);
            scope.spawn(move || {
                // In both orders: nobody may wait in a circle.
                let mut segments = [(0, 1_000), (1, 1_000)];
                segments.rotate_left(thread % 2);
                let of = |column| request(column, DataType::Utf8, false, &segments);
                ready.wait();
                let load = |_: usize, columns: &[usize]| {
                    loads.fetch_add(columns.len(), Ordering::Relaxed);
                    std::thread::sleep(Duration::from_millis(20));
                    Ok(vec![vec![array.clone()]; columns.len()])
                };
                let found = cache.resident_many(&[of(0), of(1)], 2, &load).unwrap();
                assert_eq!(decoded(&found[1]).slice(1_000, 1_000).as_string::<i32>(), array.as_string::<i32>());
            });
        }
    });
    assert_eq!(loads.load(Ordering::Relaxed), 4, "two columns of two segments");
    let statistics = cache.statistics();
    assert_eq!((statistics.misses, statistics.hits), (4, 20));
}

#[test]
fn threads_share_a_dictionary() {
    let text = |thread: usize, at: usize| format!("value {}", (at * 7 + thread * 1_001) % 3_000);
    let array = |thread| StringArray::from_iter_values((0..40_000).map(|at| text(thread, at)));
    let arrays: Vec<ArrayRef> = (0..4).map(|thread| Arc::new(array(thread)) as _).collect();
    let segments: Vec<SegmentRows> = (0..4).map(|at| (at, 40_000)).collect();
    let request = request(0, DataType::Utf8, false, &segments);
    let columns = roomy().resident_many(&[request], 4, &|segment, _| Ok(vec![vec![arrays[segment].clone()]])).unwrap();
    assert_eq!(columns[0].facts.words.as_ref().unwrap().len(), 3_000);
    let expected = concat(&arrays.iter().map(|array| array.as_ref()).collect::<Vec<_>>()).unwrap();
    assert_eq!(&decoded(&columns[0]), &expected);
}

#[test]
fn a_segment_forgotten_under_a_request_is_still_served() {
    let cache = roomy();
    let segments = [(0, 2), (1, 1)];
    let array = |at: usize| -> ArrayRef { Arc::new(Int32Array::from([vec![1, 2], vec![100_000]][at].clone())) };
    let get = |count: usize, forget: bool| {
        let load = |at: usize| {
            if forget {
                cache.forget_segment(1, 0);
            }
            Ok(vec![array(at)])
        };
        ints(&cache.resident(&request(0, DataType::Int32, false, &segments[..count]), &load).unwrap())
    };
    assert_eq!(get(1, false), [1, 2]);
    // The second segment's load forgets the first, which the request has in hand and must make wider.
    assert_eq!(get(2, true), [1, 2, 100_000]);
    assert!(cache.facts_if_known(&request(0, DataType::Int32, false, &segments)).is_some());
    assert_eq!(get(2, false), [1, 2, 100_000]);
}

#[test]
fn requests_at_random_agree_with_their_source() {
    // Segments that widen the columns one after the other, a budget that holds half of them, several threads, and one
    // that forgets: whatever happens, a request has its rows.
    let values = |column: u32, segment: u64| -> Vec<i64> {
        (0..500).map(|at| (at - 250) * i64::from(column + 1) * 7i64.pow(segment as u32)).collect()
    };
    let cache = cache(6 * 3 * 500 * 4);
    std::thread::scope(|scope| {
        for thread in 0..4u64 {
            let (cache, values) = (&cache, &values);
            scope.spawn(move || {
                let mut state = thread + 1;
                let mut draw = |below: u64| {
                    state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                    (state >> 33) % below
                };
                for _ in 0..300 {
                    let mut segments: Vec<SegmentRows> = (0..12).filter(|_| draw(3) == 0).map(|id| (id, 500)).collect();
                    segments.push((draw(12), 500));
                    segments.dedup(); // A segment may still come twice.
                    let columns: Vec<u32> = (0..3).filter(|_| draw(2) == 0).collect();
                    let texts = draw(2) == 0;
                    let logical = if texts { DataType::Utf8 } else { DataType::Int64 };
                    let base = if texts { 10 } else { 0 };
                    let requests: Vec<_> = columns.iter().map(|c| request(c + base, logical.clone(), false, &segments)).collect();
                    let load = |at: usize, places: &[usize]| {
                        let read = |place: &usize| -> Vec<ArrayRef> {
                            let found = values(columns[*place], segments[at].0);
                            if texts {
                                vec![Arc::new(StringArray::from_iter_values(found.iter().map(|v| v.to_string())))]
                            } else {
                                vec![Arc::new(Int64Array::from(found))]
                            }
                        };
                        Ok(places.iter().map(read).collect())
                    };
                    let found = cache.resident_many(&requests, 2, &load).unwrap();
                    for (column, found) in columns.iter().zip(&found) {
                        let expected: Vec<i64> = segments.iter().flat_map(|(id, _)| values(*column, *id)).collect();
                        let got: Vec<i64> = if texts {
                            decoded(found).as_string::<i32>().iter().map(|v| v.unwrap().parse().unwrap()).collect()
                        } else {
                            decoded(found).as_primitive::<Int64Type>().values().to_vec()
                        };
                        assert_eq!(got, expected);
                    }
                    match draw(40) {
                        0 => cache.forget_owner(1),
                        1 => cache.forget_segment(1, draw(12)),
                        _ => {}
                    }
                }
            });
        }
    });
    let statistics = cache.statistics();
    assert!(statistics.evictions > 0 && statistics.widened > 0 && statistics.hits > 0, "{statistics:?}");
    cache.forget_owner(1);
    assert_eq!(cache.statistics().bytes, 0);
}

#[test]
fn a_dictionary_that_overflows_while_others_use_it_costs_no_answer() {
    // Segment 0 has too many values. While it fills the dictionary others may find it full, and what they have as codes becomes
    // texts; whoever asks has its own rows, and nobody waits for ever.
    let full: ArrayRef = Arc::new(StringArray::from_iter_values((0..66_000).map(|v| v.to_string())));
    let text = |segment: u64, at: usize| format!("{segment} {}", at % 100);
    let small = |segment| -> ArrayRef { Arc::new(StringArray::from_iter_values((0..5_000).map(|at| text(segment, at)))) };
    let check = |found: &ResidentColumn, segments: &[SegmentRows]| {
        let arrays: Vec<ArrayRef> = segments.iter().map(|(id, _)| if *id == 0 { full.clone() } else { small(*id) }).collect();
        let expected = concat(&arrays.iter().map(|array| array.as_ref()).collect::<Vec<_>>()).unwrap();
        assert_eq!(&decoded(found), &expected);
    };
    for _ in 0..20 {
        let cache = roomy();
        let ask = |segments: &[SegmentRows]| {
            let load = |at: usize| Ok(vec![if segments[at].0 == 0 { full.clone() } else { small(segments[at].0) }]);
            cache.resident(&request(0, DataType::Utf8, false, segments), &load)
        };
        std::thread::scope(|scope| {
            for thread in 0..4u64 {
                let (ask, check) = (&ask, &check);
                scope.spawn(move || {
                    for round in 0..4 {
                        let mut segments: Vec<SegmentRows> = (1..4).map(|id| ((id + thread) % 3 + 1, 5_000)).collect();
                        if (thread + round) % 2 == 0 {
                            segments.insert(thread as usize % 3, (0, 66_000));
                        }
                        check(&ask(&segments).unwrap(), &segments);
                    }
                });
            }
        });
        cache.forget_owner(1);
        let segments = [(3, 5_000), (1, 5_000)];
        check(&ask(&segments).unwrap(), &segments);
    }
}

#[test]
fn each_column_that_a_segment_lacks_is_read_once() {
    let cache = roomy();
    let segments = [(0, 2), (1, 1)];
    let load_as = |numbers: &[i32], segment: usize, places: &[usize]| -> Result<Vec<Vec<ArrayRef>>> {
        let values = |place: &usize| vec![segment as i32 * 10 + numbers[*place]; segments[segment].1];
        Ok(places.iter().map(|place| vec![Arc::new(Int32Array::from(values(place))) as ArrayRef]).collect())
    };
    let of = |column| request(column, DataType::Int32, false, &segments);
    cache.resident_many(&[of(0), of(1)], 2, &|segment, places| load_as(&[0, 1], segment, places)).unwrap();
    let asked = parking_lot::Mutex::new(Vec::new());
    let load = |segment: usize, places: &[usize]| {
        asked.lock().push((segment, places.to_vec()));
        load_as(&[0, 2, 1], segment, places)
    };
    let found = cache.resident_many(&[of(0), of(2), of(1)], 2, &load).unwrap();
    let mut asked = asked.into_inner();
    asked.sort();
    assert_eq!(asked, [(0, vec![1]), (1, vec![1])], "places among the requests");
    assert_eq!(found.iter().map(ints).collect::<Vec<_>>(), [[0, 0, 10], [2, 2, 12], [1, 1, 11]]);
    assert_eq!((found[0].loaded, found[1].loaded), (0, 3));
    let chunks = ResidentColumn::chunks(&found).unwrap();
    assert_eq!(chunks.iter().map(|chunk| (chunk.rows, chunk.columns.len())).collect::<Vec<_>>(), [(2, 3), (1, 3)]);
    let other = ColumnRequest { owner: 2, ..of(0) };
    let error = cache.resident_many(&[of(0), other], 1, &|_, _| Ok(vec![])).unwrap_err();
    assert!(matches!(error, Error::Invalid(_)));
}

#[test]
fn a_failed_load_leaves_nothing_behind() {
    let cache = roomy();
    let segments = [(0, 2)];
    let request = request(0, DataType::Int32, false, &segments);
    let array = |values: Vec<Option<i32>>| -> Result<Vec<ArrayRef>> { Ok(vec![Arc::new(Int32Array::from(values))]) };
    let error = cache.resident(&request, &|_| Err(Error::Failed("no disk".to_owned()))).unwrap_err();
    assert_eq!(error.to_string(), "no disk");
    let panicking = || cache.resident(&request, &|_| panic!("on purpose"));
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(panicking)).is_err());
    for wrong in [vec![Some(1)], vec![None, Some(1)]] {
        assert!(matches!(cache.resident(&request, &|_| array(wrong.clone())), Err(Error::Invalid(_))));
    }
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["a", "b"]));
    assert!(matches!(cache.resident(&request, &|_| Ok(vec![texts.clone()])), Err(Error::Invalid(_))));
    let found = cache.resident(&request, &|_| array(vec![Some(7), Some(8)])).unwrap();
    assert_eq!(ints(&found), [7, 8]);
}
