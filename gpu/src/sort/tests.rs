//! Orders against those that comparing value by value gives.

use std::cmp::Ordering;

use super::*;
use crate::device::Cancel;
use crate::interpret::{Value, compare, read_column, write_column, write_column_over};
use crate::program::{Scalar, Type, ValueType};
use crate::testing::Random;

struct Case {
    values: Vec<Value>,
    column: Column,
    ranks: Option<Vec<u32>>,
    descending: bool,
    nulls_first: bool,
}

impl Case {
    fn new(random: &mut Random, ty: ValueType, values: Vec<Value>) -> Self {
        // What stands at a row that is NULL means nothing.
        let column = write_column_over(ty, &values, |at| match ty.ty {
            Type::Bool => Scalar::Bool(at % 2 == 0),
            Type::F32 => Scalar::F32(at as f32),
            Type::F64 => Scalar::F64(at as f64),
            Type::Text => Scalar::Text(at.to_string().into()),
            _ => Scalar::Int(at as i128 % 100),
        });
        Self { column, values, ranks: None, descending: random.percent(50), nulls_first: random.percent(50) }
    }

    fn key(&self) -> Key<'_> {
        let Self { column, descending, nulls_first, .. } = self;
        Key { column, ranks: self.ranks.as_deref(), descending: *descending, nulls_first: *nulls_first }
    }

    fn compare(&self, a: usize, b: usize) -> Ordering {
        let nulls = if self.nulls_first { Ordering::Less } else { Ordering::Greater };
        let value = |row: usize| match (&self.values[row], &self.ranks) {
            (Some(Scalar::Int(code)), Some(ranks)) => Some(Scalar::Int(ranks[*code as usize].into())),
            (value, _) => value.clone(),
        };
        match (value(a), value(b)) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => nulls,
            (Some(_), None) => nulls.reverse(),
            (Some(a), Some(b)) if self.descending => compare(&b, &a),
            (Some(a), Some(b)) => compare(&a, &b),
        }
    }
}

const TYPES: [Type; 12] = [
    Type::Bool,
    Type::I8,
    Type::U8,
    Type::I16,
    Type::U16,
    Type::I32,
    Type::U32,
    Type::I64,
    Type::I128,
    Type::F32,
    Type::F64,
    Type::Text,
];

/// What a column's values are like.
#[derive(Clone, Copy)]
enum Like {
    Few,
    Any,
    Skewed,
    Near,
}

fn value(random: &mut Random, ty: Type, like: Like) -> Scalar {
    let special = [0.0, -0.0, f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1.5, -1.5, f64::MIN_POSITIVE];
    let few = matches!(like, Like::Few) || matches!(like, Like::Skewed) && random.percent(97);
    match ty {
        Type::Bool => Scalar::Bool(random.percent(30)),
        Type::F32 if few => Scalar::F32(random.pick(&special) as f32),
        Type::F64 if few => Scalar::F64(random.pick(&special)),
        Type::F32 => Scalar::F32(f32::from_bits(random.bits() as u32)),
        Type::F64 => Scalar::F64(f64::from_bits(random.bits())),
        Type::Text => {
            let begin = ["", "a", "the same beginning of all of them ", "the same beginning of all of them and\0"];
            let mut text = match like {
                Like::Near => begin[2].to_owned(),
                _ => random.pick(&begin).to_owned(),
            };
            let more = if few { random.below(2) } else { random.below(12) };
            text.extend((0..more).map(|_| random.pick(&['a', 'b', 'ü', '\0', 'z'])));
            Scalar::Text(text.into())
        }
        _ => {
            let (low, high) = ty.range().unwrap();
            let (low, high) = match like {
                Like::Near => (high - 100, high),
                _ if few => (1, 3),
                Like::Few | Like::Any | Like::Skewed => (low, high),
            };
            Scalar::Int(random.between(low, high))
        }
    }
}

fn check(cases: &[Case], rows: usize, most: usize, threads: usize) {
    let mut expected: Vec<usize> = (0..rows).collect();
    expected.sort_by(|a, b| cases.iter().map(|case| case.compare(*a, *b)).find(|order| order.is_ne()).unwrap_or(a.cmp(b)));
    expected.truncate(most);
    let keys: Vec<Key<'_>> = cases.iter().map(Case::key).collect();
    let cancel = Cancel::default();
    let found = order(&keys, most, threads, &cancel).unwrap();
    let named: Vec<_> = cases.iter().map(|case| (case.column.ty, case.descending, case.nulls_first)).collect();
    let numbers: Vec<usize> = found.rows().iter().map(|row| *row as usize).collect();
    assert_eq!(numbers.len(), expected.len());
    let wrong = numbers.iter().zip(&expected).position(|(a, b)| a != b);
    assert_eq!(wrong, None, "{rows} rows, {most} of them, by {named:?}");
    for case in cases {
        let gathered = gather(&case.column, &found, threads, &cancel).unwrap();
        let wanted: Vec<Value> = expected.iter().map(|row| case.values[*row].clone()).collect();
        assert_eq!(format!("{:?}", read_column(&gathered)), format!("{wanted:?}"), "{:?}", case.column.ty);
    }
}

fn cases(random: &mut Random, rows: usize) -> Vec<Case> {
    let count = 1 + random.below(4);
    let each = (0..count).map(|_| {
        let ty = random.pick(&TYPES);
        let nulls = random.pick(&[0, 0, 10, 60, 100]);
        let like = random.pick(&[Like::Few, Like::Any, Like::Skewed, Like::Near]);
        let values: Vec<Value> =
            (0..rows).map(|_| if random.percent(nulls) { None } else { Some(value(random, ty, like)) }).collect();
        let ty = ValueType { ty, nullable: nulls > 0 };
        let mut case = Case::new(random, ty, values);
        if matches!(ty.ty, Type::U8 | Type::U16) && random.percent(40) {
            let mut ranks: Vec<u32> = (0..1 << ty.ty.bits()).collect();
            (1..ranks.len()).for_each(|at| ranks.swap(at, random.below(at + 1)));
            case.ranks = Some(ranks);
        }
        case
    });
    each.collect()
}

#[test]
fn rows_are_ordered_as_by_comparing_them() {
    let mut random = Random::new(7);
    for round in 0..400 {
        let rows = random.pick(&[0, 1, 2, 63, 64, 65, 700, 3000]);
        let cases = cases(&mut random, rows);
        let most = if round % 3 == 0 { random.below(rows + 2) } else { usize::MAX };
        check(&cases, rows, most, 1 + round % 3);
    }
}

#[test]
fn many_rows_are_ordered_in_parts() {
    let mut random = Random::new(11);
    for round in 0..12 {
        let rows = 70_000 + random.below(100_000);
        let cases = cases(&mut random, rows);
        let most = if round % 3 == 0 { random.below(rows) } else { usize::MAX };
        check(&cases, rows, most, round % 3);
    }
}

#[test]
fn texts_that_begin_alike_are_told_apart() {
    let mut random = Random::new(13);
    let rows = 90_000;
    let near: Vec<Value> = (0..rows)
        .map(|_| {
            let many = random.percent(95);
            let text = if many { format!("customer number {:09}", random.below(50)) } else { "customer".to_owned() };
            (!random.percent(3)).then_some(Scalar::Text(text.into()))
        })
        .collect();
    let zeros: Vec<Value> = (0..rows).map(|_| Some(Scalar::Text("\0".repeat(random.below(5)).into()))).collect();
    let near = Case::new(&mut random, ValueType::nullable(Type::Text), near);
    let zeros = Case::new(&mut random, ValueType::of(Type::Text), zeros);
    check(&[near, zeros], rows, usize::MAX, 2);
}

#[test]
fn long_texts_that_differ_late_are_told_apart() {
    let mut random = Random::new(17);
    let text = |at: usize| Some(Scalar::Text(format!("{}{}", "x".repeat(at % 4001), at % 7).into()));
    for rows in [9, 500, 3000] {
        let values: Vec<Value> = (0..rows).map(|at| text(at * 37)).collect();
        let texts = Case::new(&mut random, ValueType::of(Type::Text), values);
        check(&[texts], rows, usize::MAX, 1);
    }
}

/// Behind what all texts begin with stand equal bytes again, and more behind these.
#[test]
fn many_texts_that_differ_late_are_told_apart() {
    let mut random = Random::new(19);
    let rows = 80_000;
    let values: Vec<Value> = (0..rows)
        .map(|at| {
            let first = if at == 70 { "y" } else { "x" };
            Some(Scalar::Text(format!("{first}xxxxxxx{:08}{}", random.below(5), random.below(1000)).into()))
        })
        .collect();
    let texts = Case::new(&mut random, ValueType::of(Type::Text), values);
    check(&[texts], rows, usize::MAX, 2);
}

/// Many keys that are equal for long: no call stands too deep in others.
#[test]
fn many_keys_are_compared() {
    let mut random = Random::new(23);
    let cases: Vec<Case> = (0..90)
        .map(|_| {
            let values: Vec<Value> =
                (0..600).map(|_| Some(Scalar::Text(format!("{}{}", "z".repeat(1200), random.below(2) / 2).into()))).collect();
            Case::new(&mut random, ValueType::of(Type::Text), values)
        })
        .collect();
    let last: Vec<Value> = (0..600).map(|_| Some(Scalar::Int(random.between(0, 50)))).collect();
    let last = Case::new(&mut random, ValueType::of(Type::I32), last);
    let mut cases = cases;
    cases.push(last);
    check(&cases, 600, usize::MAX, 1);
}

#[test]
fn what_does_not_fit_is_refused() {
    let cancel = Cancel::default();
    let column = |rows: usize| write_column(ValueType::of(Type::I32), &vec![Some(Scalar::Int(1)); rows]);
    let (two, three) = (column(2), column(3));
    let key = |column| Key { column, ranks: None, descending: false, nulls_first: false };
    assert!(order(&[], usize::MAX, 1, &cancel).is_err());
    assert!(order(&[key(&two), key(&three)], usize::MAX, 1, &cancel).is_err());
    assert!(Order::of(vec![0, 2, 2], 2).is_err());
    assert_eq!(Order::of(vec![2, 0, 2], 3).unwrap().rows(), [2, 0, 2]);
    let found = order(&[key(&two)], usize::MAX, 1, &cancel).unwrap();
    assert!(gather(&three, &found, 1, &cancel).is_err());
    let cancelled = Cancel::default();
    cancelled.cancel();
    assert!(order(&[key(&two)], usize::MAX, 1, &cancelled).is_err());
}
