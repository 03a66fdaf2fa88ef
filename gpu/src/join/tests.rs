//! Groups against those that a map makes.

use std::collections::BTreeMap;

use super::*;
use crate::interpret::{Value, read_table, write_column};
use crate::program::{Scalar, ValueType};
use crate::testing::Random;

/// A value as a key of a map.
fn name(value: &Scalar) -> String {
    match value {
        Scalar::F32(value) if *value == 0.0 => "0.0".to_owned(),
        Scalar::F64(value) if *value == 0.0 => "0.0".to_owned(),
        Scalar::F32(value) if value.is_nan() => "nan".to_owned(),
        Scalar::F64(value) if value.is_nan() => "nan".to_owned(),
        other => other.to_string(),
    }
}

fn numbers(table: &Table) -> Vec<i128> {
    let each = read_table(table).into_iter();
    each.map(|value| if let Some(Scalar::Int(value)) = value { value } else { panic!("no number") }).collect()
}

/// The rows of every group, ascending, as the found groups have them.
fn rows_of(found: &Grouped, keys: &[Vec<Value>]) -> BTreeMap<Vec<String>, Vec<i128>> {
    let order = found.order.as_ref().map(|order| {
        let starts = numbers(&order.starts);
        let most = *starts.last().unwrap();
        let rows = order.rows.as_ref().map_or_else(|| (0..most).collect(), |rows| numbers(rows));
        assert!(starts.windows(2).all(|pair| pair[0] <= pair[1]), "{starts:?}");
        assert_eq!(rows.len() as i128, most);
        (starts, rows)
    });
    let group = |number: i128| match &order {
        None => vec![number],
        Some((starts, rows)) => rows[starts[number as usize] as usize..starts[number as usize + 1] as usize].to_vec(),
    };
    let mut all = BTreeMap::new();
    match &found.form {
        Form::Direct { low, high, numbers: rows, bits } => {
            let bits = read_table(bits);
            assert_eq!(bits.len() as i128, high - low + 1);
            let rows = rows.as_ref().map(|rows| numbers(rows));
            for (at, bit) in bits.iter().enumerate() {
                let there = *bit == Some(Scalar::Bool(true));
                let key = match keys[0].iter().flatten().next() {
                    Some(Scalar::Bool(_)) => Scalar::Bool(low + at as i128 == 1),
                    _ => Scalar::Int(low + at as i128),
                };
                match &rows {
                    Some(rows) => {
                        assert_eq!(there, rows[at] > 0);
                        if there {
                            all.insert(vec![name(&key)], vec![rows[at] - 1]);
                        }
                    }
                    None if order.is_some() => {
                        let group = group(at as i128);
                        assert_eq!(there, !group.is_empty());
                        if there {
                            all.insert(vec![name(&key)], group);
                        }
                    }
                    None if there => {
                        all.insert(vec![name(&key)], vec![]);
                    }
                    None => {}
                }
            }
        }
        Form::Hash { index } => {
            let entries = index.entries();
            assert_eq!((entries.len(), index.len()), (found.groups, found.groups));
            for (key, number) in entries {
                assert!(all.insert(key.iter().map(name).collect(), group(number.into())).is_none());
            }
        }
    }
    all
}

fn check(keys: &[(ValueType, Vec<Value>)], context: &str) {
    let columns: Vec<Column> = keys.iter().map(|(ty, values)| write_column(*ty, values)).collect();
    let values: Vec<Vec<Value>> = keys.iter().map(|(_, values)| values.clone()).collect();
    let mut expected: BTreeMap<Vec<String>, Vec<i128>> = BTreeMap::new();
    let mut nulls = false;
    for row in 0..values[0].len() {
        match values.iter().map(|column| column[row].as_ref().map(name)).collect::<Option<Vec<String>>>() {
            Some(key) => expected.entry(key).or_default().push(row as i128),
            None => nulls = true,
        }
    }
    let columns: Vec<&Column> = columns.iter().collect();
    for threads in [1, 0] {
        for wants in [Wants::Rows, Wants::Existence] {
            let found = group(&columns, wants, threads, &Cancel::default()).unwrap();
            let rows = expected.values().map(Vec::len).sum::<usize>();
            assert_eq!((found.rows, found.groups, found.has_null), (rows, expected.len(), nulls), "{context}");
            let longest = expected.values().map(Vec::len).max().unwrap_or(0);
            let longest = if wants == Wants::Rows { longest } else { longest.min(1) };
            assert_eq!(found.longest as usize, longest, "{context}");
            let got = rows_of(&found, &values);
            match wants {
                Wants::Rows => assert_eq!(got, expected, "{context}"),
                Wants::Existence => assert!(got.keys().eq(expected.keys()), "{context}"),
            }
        }
    }
}

fn integers(values: impl Iterator<Item = i128>) -> Vec<Value> {
    values.map(|value| Some(Scalar::Int(value))).collect()
}

#[test]
fn keys_of_every_type_are_grouped() {
    let mut random = Random::new(7);
    for ty in Type::ALL {
        for (rows, distinct) in [(0, 1), (1, 1), (50, 3), (300, 300), (3000, 40)] {
            for nullable in [false, true] {
                let value = |random: &mut Random| {
                    let which = random.between(0, distinct);
                    match ty {
                        Type::Bool => Scalar::Bool(which % 2 == 1),
                        Type::F32 => Scalar::F32(if which == 0 { -0.0 } else { which as f32 / 4.0 }),
                        Type::F64 => Scalar::F64(if which == 1 { f64::NAN } else { which as f64 / 4.0 }),
                        Type::Text => Scalar::Text("x".repeat(which as usize % 30).into()),
                        other => {
                            let (low, high) = other.range().unwrap();
                            // Half of them from either end.
                            Scalar::Int(if which % 2 == 0 { low + (which % 120) } else { high - (which % 120) })
                        }
                    }
                };
                let values = (0..rows).map(|_| (!nullable || !random.percent(20)).then(|| value(&mut random))).collect();
                check(&[(ValueType { ty, nullable }, values)], &format!("{ty:?} {rows} rows"));
            }
        }
    }
}

#[test]
fn small_domains_are_direct() {
    let of = |values: Vec<Value>| {
        let column = write_column(ValueType::of(Type::I64), &values);
        check(&[(ValueType::of(Type::I64), values)], "a domain");
        group(&[&column], Wants::Rows, 0, &Cancel::default()).unwrap()
    };
    let rows = 200_000;
    let direct = |found: &Grouped| matches!(found.form, Form::Direct { .. });
    let unique = of(integers((0..rows).map(|row| (row * 7919) % rows * 3 - 1000)));
    assert!(direct(&unique) && unique.order.is_none());
    let ascending = of(integers((0..rows).map(|row| row / 3 * 2 + 5)));
    assert!(direct(&ascending) && ascending.order.is_some_and(|order| order.rows.is_none()));
    let mixed = of(integers((0..rows).map(|row| (row * 7919) % rows / 4)));
    assert!(direct(&mixed) && mixed.order.is_some_and(|order| order.rows.is_some()));
    let wide = of(integers((0..rows).map(|row| (row * 7919) % rows * 1_000_000)));
    assert!(!direct(&wide) && wide.order.is_none());
    let wide = of(integers((0..rows).map(|row| (row * 7919) % rows / 2 * 1_000_000)));
    assert!(!direct(&wide) && wide.longest == 2);
}

#[test]
fn keys_of_several_columns_are_grouped() {
    let mut random = Random::new(11);
    for (rows, distinct) in [(0, 1), (500, 4), (5000, 60), (70_000, 400)] {
        let column = |random: &mut Random, ty: Type, nullable: bool| -> (ValueType, Vec<Value>) {
            let value = |random: &mut Random| {
                let which = random.between(0, distinct);
                if ty == Type::Text { Scalar::Text(format!("key {which} of many").into()) } else { Scalar::Int(which) }
            };
            let values = (0..rows).map(|_| (!nullable || !random.percent(5)).then(|| value(random))).collect();
            (ValueType { ty, nullable }, values)
        };
        let types: [&[(Type, bool)]; 4] = [
            &[(Type::I32, false), (Type::I32, true)],
            &[(Type::I16, false), (Type::I16, false)],
            &[(Type::I64, false), (Type::I32, false)],
            &[(Type::Text, true), (Type::I128, false), (Type::Text, false)],
        ];
        for types in types {
            let keys: Vec<_> = types.iter().map(|(ty, nullable)| column(&mut random, *ty, *nullable)).collect();
            check(&keys, &format!("{types:?} {rows} rows"));
        }
    }
}

/// What an index says is what its entries are, also of keys that it has not.
#[test]
fn what_is_looked_for_is_found() {
    let values = integers((0..3000).map(|row| row * row * 1_000_003));
    let column = write_column(ValueType::of(Type::I128), &values);
    let index = Index::of_rows(&[&column]).unwrap();
    for (row, value) in values.iter().flatten().enumerate() {
        let Scalar::Int(value) = value else { panic!("no number") };
        let words = |value: i128| [value as u64, (value >> 64) as u64];
        // SAFETY: the words are those of one key of 128 bits.
        unsafe {
            assert_eq!(index.find(words(*value).as_ptr()), Some(row as i32));
            assert_eq!(index.find(words(value + 1).as_ptr()), (*value == 0).then_some(()).and(None));
        }
    }
}

#[test]
fn a_cancelled_run_ends() {
    let column = write_column(ValueType::of(Type::I32), &integers(0..100));
    let cancel = Cancel::default();
    cancel.cancel();
    assert_eq!(group(&[&column], Wants::Rows, 0, &cancel).unwrap_err(), Error::Cancelled);
}

#[test]
fn bits_of_keys_are_those_of_a_set() {
    let mut random = Random::new(11);
    for (ty, domain) in [(Type::I16, 300), (Type::U32, 100_000), (Type::I64, 5), (Type::I32, 70_000)] {
        for rows in [0, 1, 63, 64, 65, 1000, 100_000] {
            for ascends in [false, true] {
                let low = if matches!(ty, Type::U32) { 7 } else { -3 };
                let mut keys: Vec<i128> = (0..rows).map(|_| low + random.below(domain) as i128).collect();
                if ascends {
                    keys.sort_unstable();
                }
                let values: Vec<Value> = keys.iter().map(|key| (random.below(3) > 0).then_some(Scalar::Int(*key))).collect();
                let column = write_column(ValueType { ty, nullable: true }, &values);
                let bits = present(&column, low, domain, 2, &Cancel::default()).unwrap();
                let there: std::collections::BTreeSet<i128> =
                    values.iter().flatten().map(|value| if let Scalar::Int(key) = value { *key } else { 0 }).collect();
                for (at, bit) in read_table(&bits).iter().enumerate() {
                    assert_eq!(*bit == Some(Scalar::Bool(true)), there.contains(&(low + at as i128)), "{ty:?} {rows} {at}");
                }
            }
        }
    }
    let texts = write_column(ValueType { ty: Type::Text, nullable: true }, &[None]);
    assert!(matches!(present(&texts, 0, 1, 1, &Cancel::default()), Err(Error::Invalid(_))));
}
