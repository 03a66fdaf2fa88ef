//! Whether a device's answer is one of those that the interpreter allows.
//!
//! Rows are compared as multisets, but for a bitmap, whose rows are the source's, and for top-k, whose rows come in order: of
//! rows that are equal in the order any may come first, and any may stay. Floats of a group are equal within 1e-9 of the
//! greater, and -0 is 0; elsewhere the sign of zero counts. NaN equals NaN. Where the interpreter met a fault a device
//! raises one of those that it met.

use std::cmp::Ordering;

use crate::column::Output;
use crate::error::{Error, Result};
use crate::interpret::{Outcome, Value, compare, read_column};
use crate::program::{Scalar, Sink};

/// How far floats may be apart, as a share of the greater.
const TOLERANCE: f64 = 1e-9;

/// Says how an answer is not one that the interpreter allows.
pub fn check(sink: &Sink, expected: &Outcome, got: &Result<Output>) -> std::result::Result<(), String> {
    match (expected.faults.is_empty(), got) {
        (true, Ok(output)) => {
            let types: Vec<_> = output.columns.iter().map(|column| column.ty.ty).collect();
            let wanted: Vec<_> = expected.types.iter().map(|ty| ty.ty).collect();
            if types != wanted {
                return Err(format!("columns of types {types:?} where {wanted:?} were expected"));
            }
            check_rows(sink, expected, &rows_of(output)?)
        }
        (false, Err(Error::Fault(fault))) if expected.faults.contains(fault) => Ok(()),
        (false, Ok(output)) => Err(format!("{} rows where a fault of {:?} was expected", output.rows, expected.faults)),
        (false, Err(error)) => Err(format!("{error:?} where a fault of {:?} was expected", expected.faults)),
        (true, Err(error)) => Err(format!("{error:?} where {} rows were expected", expected.rows.len())),
    }
}

/// The rows of an output; an error where its columns are not as long as it says.
pub fn rows_of(output: &Output) -> std::result::Result<Vec<Vec<Value>>, String> {
    for (at, column) in output.columns.iter().enumerate() {
        if column.rows != output.rows || column.validity.is_some() != column.ty.nullable {
            return Err(format!(
                "column {at} has {} rows of {}, type {:?}, validity {}",
                column.rows,
                output.rows,
                column.ty,
                column.validity.is_some()
            ));
        }
    }
    let columns: Vec<Vec<Value>> = output.columns.iter().map(read_column).collect();
    Ok((0..output.rows).map(|at| columns.iter().map(|column| column[at].clone()).collect()).collect())
}

/// Says how rows are not those that the interpreter allows.
pub fn check_rows(sink: &Sink, expected: &Outcome, got: &[Vec<Value>]) -> std::result::Result<(), String> {
    let count = expected.limit.map_or(expected.rows.len(), |limit| expected.rows.len().min(limit as usize));
    if got.len() != count {
        return Err(format!("{} rows where {count} were expected", got.len()));
    }
    match sink {
        Sink::Bitmap | Sink::Mark { .. } => match expected.rows.iter().zip(got).position(|(expected, got)| expected != got) {
            Some(at) => Err(format!("row {at} is {} where {} was expected", show(&got[at]), show(&expected.rows[at]))),
            None => Ok(()),
        },
        Sink::Materialize { .. } => multiset(&expected.rows, got, false),
        Sink::Group { .. } => multiset(&expected.rows, got, true),
        Sink::TopK { .. } => {
            let mut from = 0;
            for ties in &expected.ties {
                let (equal, taken) = (&expected.rows[from..from + ties], &got[from.min(count)..(from + ties).min(count)]);
                if taken.len() == *ties {
                    multiset(equal, taken, false).map_err(|why| format!("behind row {from}: {why}"))?;
                } else {
                    part_of(equal, taken).map_err(|why| format!("behind row {from}: {why}"))?;
                }
                from += ties;
            }
            Ok(())
        }
    }
}

/// A row as a person reads it.
pub fn show(row: &[Value]) -> String {
    row.iter().map(|value| value.as_ref().map_or("null".to_owned(), ToString::to_string)).collect::<Vec<_>>().join(" ")
}

fn sorted(rows: &[Vec<Value>]) -> Vec<&Vec<Value>> {
    let mut sorted: Vec<_> = rows.iter().collect();
    sorted.sort_by(|a, b| order(a, b));
    sorted
}

/// An order of rows that holds only the same ones equal, zeros of both signs apart.
fn order(a: &[Value], b: &[Value]) -> Ordering {
    let each = a.iter().zip(b).map(|(a, b)| match (a, b) {
        (Some(a), Some(b)) => compare(a, b),
        (a, b) => a.is_none().cmp(&b.is_none()),
    });
    let signs = || a.iter().map(negative_zero).cmp(b.iter().map(negative_zero));
    each.into_iter().find(|ordering| ordering.is_ne()).unwrap_or_else(signs)
}

fn negative_zero(value: &Value) -> bool {
    match value {
        Some(Scalar::F32(value)) => *value == 0.0 && value.is_sign_negative(),
        Some(Scalar::F64(value)) => *value == 0.0 && value.is_sign_negative(),
        Some(Scalar::Bool(_) | Scalar::Int(_) | Scalar::Text(_)) | None => false,
    }
}

fn multiset(expected: &[Vec<Value>], got: &[Vec<Value>], lenient: bool) -> std::result::Result<(), String> {
    // The keys of a group stand first and differ from one group to the next, so inexact floats never decide the order.
    for (at, (expected, got)) in sorted(expected).into_iter().zip(sorted(got)).enumerate() {
        let same = expected.len() == got.len() && expected.iter().zip(got).all(|(a, b)| same(a, b, lenient));
        if !same {
            return Err(format!("of the sorted rows, row {at} is {} where {} was expected", show(got), show(expected)));
        }
    }
    Ok(())
}

/// Whether the rows `got` are among `all`, each as often at most.
fn part_of(all: &[Vec<Value>], got: &[Vec<Value>]) -> std::result::Result<(), String> {
    let mut all = sorted(all).into_iter().peekable();
    for row in sorted(got) {
        while all.peek().is_some_and(|candidate| order(candidate, row).is_lt()) {
            all.next();
        }
        if !all.next().is_some_and(|found| found.iter().zip(row).all(|(a, b)| same(a, b, false))) {
            return Err(format!("the row {} is not among those that may stay", show(row)));
        }
    }
    Ok(())
}

fn same(a: &Value, b: &Value, lenient: bool) -> bool {
    match (a, b) {
        (Some(Scalar::F32(a)), Some(Scalar::F32(b))) => same_floats((*a).into(), (*b).into(), lenient),
        (Some(Scalar::F64(a)), Some(Scalar::F64(b))) => same_floats(*a, *b, lenient),
        (a, b) => a == b,
    }
}

fn same_floats(a: f64, b: f64, lenient: bool) -> bool {
    if a == b {
        return lenient || a.is_sign_negative() == b.is_sign_negative();
    }
    let near = a.is_finite() && b.is_finite() && (a - b).abs() <= TOLERANCE * a.abs().max(b.abs());
    near || (a.is_nan() && b.is_nan())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::Order;
    use crate::program::{ExprId, Type, ValueType};

    fn row(values: &[f64]) -> Vec<Value> {
        values.iter().map(|value| Some(Scalar::F64(*value))).collect()
    }

    fn outcome(rows: &[f64], ties: &[usize], limit: Option<u64>) -> Outcome {
        let types = vec![ValueType::of(Type::F64)];
        Outcome { types, rows: rows.iter().map(|value| row(&[*value])).collect(), ties: ties.to_vec(), limit, faults: vec![] }
    }

    fn rows(values: &[f64]) -> Vec<Vec<Value>> {
        values.iter().map(|value| row(&[*value])).collect()
    }

    #[test]
    fn rows_in_another_order_are_the_same() {
        let sink = Sink::Materialize { columns: vec![] };
        let expected = outcome(&[1.0, f64::NAN, -0.0, 0.0, 1.0], &[], None);
        assert_eq!(check_rows(&sink, &expected, &rows(&[0.0, f64::NAN, 1.0, 1.0, -0.0])), Ok(()));
        assert!(check_rows(&sink, &expected, &rows(&[0.0, f64::NAN, 1.0, 1.0, 0.0])).is_err());
        assert!(check_rows(&sink, &expected, &rows(&[0.0, f64::NAN, 1.0, -0.0, -0.0])).is_err());
        assert!(check_rows(&sink, &expected, &rows(&[0.0, f64::NAN, 1.0, 1.0])).is_err());
    }

    #[test]
    fn ties_are_open_and_the_rest_is_not() {
        let order = Order { expr: ExprId(0), descending: false, nulls_first: false };
        let sink = Sink::TopK { order: vec![order], columns: vec![], limit: 4 };
        let expected = outcome(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &[1, 2, 3], Some(4));
        assert_eq!(check_rows(&sink, &expected, &rows(&[1.0, 2.0, 3.0, 4.0])), Ok(()));
        assert_eq!(check_rows(&sink, &expected, &rows(&[1.0, 3.0, 2.0, 6.0])), Ok(()));
        assert!(check_rows(&sink, &expected, &rows(&[1.0, 3.0, 3.0, 6.0])).is_err());
        assert!(check_rows(&sink, &expected, &rows(&[1.0, 3.0, 2.0, 7.0])).is_err());
        assert!(check_rows(&sink, &expected, &rows(&[2.0, 3.0, 1.0, 4.0])).is_err());
    }

    #[test]
    fn groups_are_lenient_with_floats() {
        let sink = Sink::Group { keys: vec![], aggregates: vec![], strategy: crate::program::Strategy::Single };
        let expected = outcome(&[1e6], &[], None);
        assert_eq!(check_rows(&sink, &expected, &rows(&[1e6 + 1e-4])), Ok(()));
        assert!(check_rows(&sink, &expected, &rows(&[1e6 + 1e-2])).is_err());
        assert_eq!(check_rows(&sink, &outcome(&[0.0], &[], None), &rows(&[-0.0])), Ok(()));
    }
}
