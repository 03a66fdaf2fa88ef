//! Row programs on every device: the files of `programs/`, and random ones.
//!
//! `UPDATE=1` rewrites what the files expect; `RANDOM_SEED` and `RANDOM_COUNT` choose other random programs, or more;
//! `DEVICE` names the only device that they run on.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use warpwise_gpu::interpret::outcome;
use warpwise_gpu::program::{
    AggregateOp, Arithmetic, Bits, Comparison, DatePart, Expr, LoopKind, Math, MathPair, Pipeline, Sink, Statement, Strategy,
    Type,
};
use warpwise_gpu::testing::{Random, check_case, check_file, check_random, generate};
use warpwise_gpu::{Bandwidth, Cpu, Device, Emulated, Interpreter, Kernel, Kind, Memory, Result};

/// How many random programs run on each device where nobody says: fewer where the host's C++ compiler takes a tenth of a
/// second for each.
const RANDOM_COUNT: u64 = 400;
const RANDOM_COUNT_EMULATED: u64 = 60;

/// The devices that everything here runs on.
fn devices() -> Vec<Box<dyn Device>> {
    let all: Vec<Box<dyn Device>> = vec![Box::new(Interpreter), Box::new(Cpu::find()), Box::new(Emulated::default())];
    let wanted = std::env::var("DEVICE").ok();
    all.into_iter().filter(|device| wanted.as_ref().is_none_or(|name| *name == device.name())).collect()
}

/// Every `.program` file, in order, but for those that stand for what is generated of them and say no rows.
fn files() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs");
    let mut found = Vec::new();
    let mut folders = vec![root];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.extend(Some(path).filter(|path| !path.ends_with("generated")));
            } else if path.extension().is_some_and(|extension| extension == "program") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn number(name: &str, otherwise: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

#[test]
fn files_give_what_they_say() {
    let files = files();
    assert!(!files.is_empty(), "there are no files");
    for device in devices() {
        let mut cases = 0;
        let mut failures = Vec::new();
        for file in &files {
            match check_file(file, &*device) {
                Ok(count) => cases += count,
                Err(why) => failures.push(why),
            }
        }
        assert!(failures.is_empty(), "{}", failures.join("\n"));
        println!("{}: {} files, {cases} cases", device.name(), files.len());
    }
}

#[test]
fn random_programs_give_what_the_interpreter_does() {
    for device in devices() {
        let count = if device.kind() == Kind::Emulated { RANDOM_COUNT_EMULATED } else { RANDOM_COUNT };
        check_random(&*device, number("RANDOM_SEED", 1), number("RANDOM_COUNT", count));
    }
}

/// The random programs are worth running: every node, sink and aggregate comes up, with and without faults and rows.
#[test]
fn random_programs_have_everything() {
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let (mut raised, mut left, mut nulls) = (BTreeSet::new(), 0, 0);
    let count = 1000;
    for seed in 0..count {
        let case = generate(&mut Random::new(seed));
        for line in case.pipeline.to_string().lines() {
            let line = line.trim_start();
            let node = line.split_once(" = ").map_or(line, |(_, node)| node);
            seen.extend(node.split(' ').take(2).map(str::to_owned));
            seen.extend(node.split_once(" ! ").map(|_| format!("{} !", node.split(' ').next().unwrap_or_default())));
        }
        let found = outcome(&case.pipeline, &case.values, &case.chunks).unwrap();
        raised.extend(found.faults.first().map(|_| seed));
        left += u64::from(found.faults.is_empty() && found.rows.len() > 1);
        nulls += u64::from(found.rows.iter().flatten().any(Option::is_none));
    }
    let words = "column parameter constant negate in_range member lookup not and or is_null is_distinct select coalesce null_if \
                 cast date_part add_months place text_length text_match text_position text_slice text_trim probe current loop if stage emit materialize bitmap mark group top_k order key count sum min max \
                 count_distinct sum_distinct";
    let mut wanted: Vec<&str> = words.split(' ').collect();
    wanted.extend(["add !", "divide !", "multiply !", "negate !", "cast !", "sum !"]);
    wanted.extend(Arithmetic::ALL.map(Arithmetic::name));
    wanted.extend(Comparison::ALL.map(Comparison::name));
    wanted.extend(DatePart::ALL.map(DatePart::name));
    wanted.extend(Math::ALL.map(Math::name));
    wanted.extend(MathPair::ALL.map(MathPair::name));
    wanted.extend(Bits::ALL.map(Bits::name));
    wanted.extend(Type::ALL.map(Type::name));
    wanted.extend(Strategy::ALL.map(Strategy::name));
    let missing: Vec<_> = wanted.into_iter().filter(|word| !seen.contains(*word)).collect();
    assert!(missing.is_empty(), "no program has {missing:?}");
    let raised = raised.len() as u64;
    println!("of {count} programs {raised} raise, {left} leave rows, {nulls} leave NULLs");
    assert!(raised > count / 50 && raised < count / 3, "{raised} of {count} raise");
    assert!(left > count / 3, "{left} of {count} leave rows");
    assert!(nulls > count / 5, "{nulls} of {count} leave NULLs");
}

/// Tests go first, and nothing else changes.
#[test]
fn placing_stages_changes_no_row() {
    for seed in 5000..6000 {
        let case = generate(&mut Random::new(seed));
        let mut staged = case.clone();
        staged.pipeline.place_stages();
        let before = outcome(&case.pipeline, &case.values, &case.chunks).unwrap();
        let after = outcome(&staged.pipeline, &case.values, &case.chunks).unwrap();
        let context = || format!("seed {seed}\n{}\n{}", case.pipeline, staged.pipeline);
        assert!(after.faults.iter().all(|fault| before.faults.contains(fault)), "{}", context());
        if before.faults.is_empty() {
            // Debug output, because NaN is not equal to itself.
            assert_eq!(format!("{:?}", before.rows), format!("{:?}", after.rows), "{}", context());
        }
        let mut twice = staged.pipeline.clone();
        twice.place_stages();
        assert_eq!(twice, staged.pipeline, "{}", context());
    }
}

/// A device that is wrong about one thing.
#[derive(Debug)]
struct Wrong(Mistake);

/// What it takes a pipeline for.
type Mistake = fn(&mut Pipeline);

impl Device for Wrong {
    fn name(&self) -> String {
        "wrong".to_owned()
    }

    fn kind(&self) -> Kind {
        Kind::Cpu
    }

    fn model(&self) -> &'static str {
        "none"
    }

    fn memory(&self) -> Result<Memory> {
        Interpreter.memory()
    }

    fn describe(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    fn measure_bandwidth(&self) -> Result<Bandwidth> {
        Interpreter.measure_bandwidth()
    }

    fn compile(&self, pipeline: &Pipeline) -> Result<Arc<dyn Kernel>> {
        let mut pipeline = pipeline.clone();
        (self.0)(&mut pipeline);
        Interpreter.compile(&pipeline)
    }
}

/// The comparison is worth something: it finds devices that are wrong, in files and in random programs.
#[test]
fn wrong_devices_are_found() {
    let wrongs: [(&str, Mistake); 7] = [
        ("less", |pipeline| {
            each(pipeline, |expr| {
                if let Expr::Compare { op: op @ Comparison::Less, .. } = expr {
                    *op = Comparison::LessOrEqual;
                }
            });
        }),
        ("remainder", |pipeline| {
            each(pipeline, |expr| {
                if let Expr::Arithmetic { op: op @ Arithmetic::FloorRemainder, .. } = expr {
                    *op = Arithmetic::Remainder;
                }
            });
        }),
        ("coalesce", |pipeline| {
            each(pipeline, |expr| {
                if let Expr::Coalesce(a, b) = *expr {
                    *expr = Expr::Coalesce(b, a);
                }
            });
        }),
        ("week", |pipeline| {
            each(pipeline, |expr| {
                if let Expr::DatePart { part: part @ DatePart::IsoYear, .. } = expr {
                    *part = DatePart::Year;
                }
            });
        }),
        ("loop", |pipeline| {
            loops(&mut pipeline.body, &mut |kind| {
                if *kind == LoopKind::None {
                    *kind = LoopKind::Each;
                }
            });
        }),
        ("max", |pipeline| {
            if let Sink::Group { aggregates, .. } = &mut pipeline.sink {
                for aggregate in aggregates.iter_mut().filter(|aggregate| aggregate.op == AggregateOp::Max) {
                    aggregate.op = AggregateOp::Min;
                }
            }
        }),
        ("nulls first", |pipeline| {
            if let Sink::TopK { order, .. } = &mut pipeline.sink {
                order.iter_mut().for_each(|key| key.nulls_first = !key.nulls_first);
            }
        }),
    ];
    for (name, wrong) in wrongs {
        let device = Wrong(wrong);
        assert!(files().iter().any(|file| check_file(file, &device).is_err()), "the files do not see a wrong {name}");
        let found = (1..20_000).any(|seed| check_case(&device, &generate(&mut Random::new(seed))).is_err());
        assert!(found, "random programs do not see a wrong {name}");
    }
}

fn loops(block: &mut [Statement], change: &mut impl FnMut(&mut LoopKind)) {
    for statement in block {
        match statement {
            Statement::Loop { kind, then, .. } => {
                change(kind);
                loops(then, change);
            }
            Statement::If { then, .. } => loops(then, change),
            Statement::Stage | Statement::Emit => {}
        }
    }
}

fn each(pipeline: &mut Pipeline, change: impl FnMut(&mut Expr)) {
    pipeline.exprs.iter_mut().for_each(change);
}
