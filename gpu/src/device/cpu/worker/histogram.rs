//! Many groups of which rows alone are counted: a block's rows are numbered by vector instructions, and counted.

use super::{Shared, State, Way, Worker};
use crate::codegen::cranelift::stepwise::{Quotient, Steps};
use crate::codegen::cranelift::{Counted, SinkCode};
use crate::column::Chunk;
use crate::primitive::histogram::{self, By, Counts, Digit, Reciprocal, STEPS};
use crate::primitive::select::{BLOCK, Mask};
use crate::primitive::split::Width;
use crate::program::{Type, ValueType};

/// Room for the numbers of a block, and how they are made.
#[derive(Debug)]
pub(in crate::device::cpu) struct Histogram {
    numbers: Vec<u32>,
    digits: Vec<Digit>,
    /// Where each digit comes from.
    sources: Vec<Source>,
}

/// A column that a digit is made of.
#[derive(Debug)]
struct Source {
    column: u32,
    nullable: bool,
    /// What its values must lie in.
    of: Option<(i64, i64)>,
}

/// Steps that are looked for at most: each takes some thirty values to be computed, for each worker.
const MOST_STEPS: usize = 1 << 12;
/// Values of four bytes, at most, of which each has a number.
const RANGE: i64 = 1 << 18;

fn is_signed(ty: Type) -> bool {
    matches!(ty, Type::I8 | Type::I16 | Type::I32 | Type::I64)
}

/// How the values of a type become numbers by steps.
fn by_steps(steps: Steps, ty: Type) -> Option<By> {
    let signed = is_signed(ty);
    if ty.bits() <= 16 {
        return Some(By::table(Width::of(ty), spread(&steps, ty)));
    }
    if steps.numbers.len() <= STEPS {
        let numbers = std::array::from_fn(|at| steps.numbers.get(at).copied().unwrap_or(0).into());
        return Some(By::Steps { signed, bounds: steps.bounds, numbers });
    }
    let (base, end) = (steps.bounds.first()? - 1, steps.bounds.last()? + 1);
    if end - base > RANGE {
        return None;
    }
    let mut numbers = vec![steps.numbers[0]];
    for (step, begin) in steps.bounds.iter().enumerate() {
        let end = steps.bounds.get(step + 1).copied().unwrap_or(end);
        numbers.extend(std::iter::repeat_n(steps.numbers[step + 1], (end - begin) as usize));
    }
    Some(By::Range { signed, base, numbers })
}

/// The number of every value of a type of one or two bytes, by its bits.
fn spread(steps: &Steps, ty: Type) -> Vec<u16> {
    let values = 1i64 << ty.bits();
    let low = if matches!(ty, Type::I8 | Type::I16) { -(values / 2) } else { 0 };
    let mut numbers = vec![0; values as usize];
    let (mut begin, mut step) = (low, 0);
    while begin < low + values {
        let end = steps.bounds.get(step).map_or(low + values, |bound| (*bound).min(low + values));
        (begin..end).for_each(|value| numbers[(value & (values - 1)) as usize] = steps.numbers[step]);
        (begin, step) = (end, step + 1);
    }
    numbers
}

impl Histogram {
    /// How the keys of a run are counted; `None` where it must be otherwise.
    pub(super) fn of(shared: &Shared<'_>) -> Option<Self> {
        let SinkCode::Dense { counted: Some(counted), keys, .. } = &shared.code.sink else { return None };
        let (mut digits, mut sources) = (vec![], vec![]);
        for (counted, (key, _, count)) in counted.iter().zip(keys) {
            let (by, column, nullable, of) = match counted {
                Counted::Column { column, ty: ValueType { ty, nullable } } => {
                    let low = key.domain?.low as u32;
                    (By::Itself { width: Width::of(*ty), signed: is_signed(*ty), low }, *column, *nullable, None)
                }
                Counted::Steps(stepwise) if let Some(quotient) = stepwise.quotient(shared.values) => {
                    let Quotient { before, divisor, low } = quotient;
                    let by = Reciprocal::of(divisor)?;
                    let of = (0, Reciprocal::BELOW - 1 - i64::from(before));
                    (By::Quotient { before, by, low }, stepwise.column, false, Some(of))
                }
                Counted::Steps(stepwise) => {
                    let steps = stepwise.steps(shared.values, MOST_STEPS)?;
                    let of = steps.of;
                    (by_steps(steps, stepwise.ty)?, stepwise.column, false, Some(of))
                }
            };
            let nowhere = std::ptr::null();
            digits.push(Digit { by, count: u32::try_from(*count).ok()?, values: nowhere, validity: nowhere });
            sources.push(Source { column, nullable, of });
        }
        Some(Self { numbers: vec![0; BLOCK], digits, sources })
    }

    /// Whether all values of a chunk have numbers.
    pub(super) fn numbers(&self, chunk: &Chunk) -> bool {
        self.sources.iter().all(|Source { column, of, .. }| {
            let range = chunk.columns[*column as usize].range;
            of.is_none_or(|of| range.is_some_and(|range| i128::from(of.0) <= range.0 && range.1 <= i128::from(of.1)))
        })
    }
}

impl Worker {
    /// Counts the block's rows of the mask, or all; false where they are counted otherwise.
    pub(super) fn histogram(&mut self, way: Way<'_>, mask: Option<&Mask>) -> bool {
        let SinkCode::Dense { groups, lanes, .. } = &way.shared.code.sink else { return false };
        let State::States { memory, histogram: Some(histogram), .. } = &mut self.state else { return false };
        for (digit, Source { column, nullable, .. }) in histogram.digits.iter_mut().zip(&histogram.sources) {
            let view = self.views[*column as usize];
            digit.values = view.values;
            digit.validity = if *nullable { view.validity } else { std::ptr::null() };
        }
        let numbers = histogram.numbers.as_mut_ptr();
        let counts = Counts { first: memory.address().cast(), lanes: *lanes };
        // SAFETY: the views point at so many rows; every group has a state, which is a count alone.
        unsafe {
            histogram::number(&histogram.digits, way.rows, *groups, numbers);
            histogram::count(numbers, way.rows, mask, counts);
        }
        true
    }
}
