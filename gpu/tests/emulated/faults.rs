//! Whatever fails on a device, a run says so, leaves nothing behind, and the next one is right.

use warpwise_gpu::column::{Chunk, Output};
use warpwise_gpu::interpret::{Outcome, outcome};
use warpwise_gpu::program::*;
use warpwise_gpu::testing::compare;
use warpwise_gpu::{Asked, Cancel, Device, Emulated, Error, Faults, Run};

use crate::programs;
use crate::run::{Q1, Q6, by_key, chunk, greatest, integers, lines, mix};

/// A program with its input, and what comes of it.
struct Case {
    name: &'static str,
    pipeline: Pipeline,
    values: Values,
    chunks: Vec<Chunk>,
    expected: Outcome,
}

impl Case {
    fn new(name: &'static str, pipeline: Pipeline, scalars: &[i128], chunks: Vec<Chunk>) -> Self {
        let values =
            Values { scalars: scalars.iter().map(|value| Scalar::Int(*value)).collect(), tables: vec![], indexes: vec![] };
        let expected = outcome(&pipeline, &values, &chunks).unwrap();
        assert!(expected.faults.is_empty() && !expected.rows.is_empty());
        Self { name, pipeline, values, chunks, expected }
    }

    /// Two pushes. Says that one row comes, so that a hash table begins small.
    fn run(&self, device: &Emulated) -> Result<Output, Error> {
        let run = Run { values: self.values.clone(), rows: 1, cancel: Cancel::default(), threads: 0 };
        let mut execution = device.compile(&self.pipeline)?.start(run)?;
        execution.push(&self.chunks[..1])?;
        execution.push(&self.chunks[1..])?;
        execution.finish().map(|(output, _)| output)
    }

    fn check(&self, context: &str, got: &Result<Output, Error>) {
        compare::check(&self.pipeline.sink, &self.expected, got).unwrap_or_else(|why| panic!("{}, {context}: {why}", self.name));
    }
}

fn cases() -> [Case; 5] {
    let (_, parts) = lines(&[900, 0, 700]);
    let of = |columns: &[_]| parts.iter().map(|rows| chunk(rows, columns)).collect::<Vec<_>>();
    let keyed = |from: u64| {
        let column = |most: u64| integers(Type::U32, (from..from + 800).map(|at| i128::from(mix(at) % most)));
        Chunk { rows: 800, columns: [1500, 999].map(column).to_vec() }
    };
    let mut marks = programs::q6();
    marks.sink = Sink::Bitmap;
    [
        Case::new("bitmap", marks, &[700, 1064, 5, 7, 0, 23], of(&Q6)),
        Case::new(
            "top_k",
            greatest(),
            &[],
            [0, 800].map(keyed).map(|chunk| Chunk { columns: chunk.columns[..1].to_vec(), ..chunk }).to_vec(),
        ),
        Case::new("single", programs::q6(), &[700, 1064, 5, 7, 0, 23], of(&Q6)),
        Case::new("dense", programs::q1(), &[0, 2400], of(&Q1)),
        Case::new("hash", by_key(Type::U32), &[], [0, 800, 1600].map(keyed).to_vec()),
    ]
}

/// What may fail, and how often it was asked for.
type Kind = (&'static str, fn(&mut Faults) -> &mut Option<u64>, fn(Asked) -> u64);

const KINDS: [Kind; 4] = [
    ("allocation", |faults| &mut faults.allocation, |asked| asked.allocations),
    ("compilation", |faults| &mut faults.compile, |asked| asked.compiles),
    ("launch", |faults| &mut faults.launch, |asked| asked.launches),
    ("copy", |faults| &mut faults.copy, |asked| asked.copies),
];

#[test]
fn every_failure_is_told_and_nothing_stays() {
    for case in cases() {
        let clean = Emulated::default();
        case.check("clean", &case.run(&clean));
        if case.name == "hash" {
            assert!(clean.asked().launches > 4, "the table did not grow: {:?}", clean.asked());
        }
        for (kind, place, count) in KINDS {
            for lasting in [false, true] {
                let (mut failed, mut nth) = (0, 1);
                loop {
                    let context = format!("{kind} {nth}{}", if lasting { " and all later" } else { "" });
                    let mut faults = Faults { lasting, ..Faults::default() };
                    *place(&mut faults) = Some(nth);
                    let device = Emulated::new(faults, 1 << 20);
                    let got = case.run(&device);
                    let met = count(device.asked()) >= nth;
                    match &got {
                        // Memory that is short once is asked for again.
                        Ok(_) => {
                            assert!(!met || kind == "allocation" && !lasting, "{}, {context}: it was hidden", case.name);
                            case.check(&context, &got);
                        }
                        Err(Error::OutOfMemory(_)) if kind == "allocation" && met => failed += 1,
                        Err(Error::Failed(_)) if kind != "allocation" && met => failed += 1,
                        Err(error) => panic!("{}, {context}: {error:?}", case.name),
                    }
                    assert_eq!(device.outstanding(), 0, "{}, {context}", case.name);
                    device.fail(Faults::default());
                    case.check(&format!("behind {context}"), &case.run(&device));
                    assert_eq!(device.outstanding(), 0, "{}, behind {context}", case.name);
                    if !met {
                        break;
                    }
                    nth += 1;
                }
                assert_eq!(nth - 1, count(clean.asked()), "{}, {kind}: not each was tried", case.name);
                let all = kind != "allocation" || lasting;
                assert_eq!(failed, if all { nth - 1 } else { 0 }, "{}, {kind}", case.name);
            }
        }
    }
}
