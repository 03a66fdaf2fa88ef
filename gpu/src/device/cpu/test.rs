//! Tests of columns with the values of a run: a block at a time, as masks.

use std::sync::Arc;

use crate::codegen::cranelift::context::ColumnView;
use crate::codegen::cranelift::mask::{Ask, Test};
use crate::primitive::member;
use crate::primitive::select::{self, Element, Lanes, Mask, WORDS};
use crate::program::{Comparison, Scalar, Table, Type, Values};

/// A test with the run's values in it.
#[derive(Debug)]
pub(super) enum Bound {
    All(Vec<Bound>),
    Any(Vec<Bound>),
    Column { ask: Asked, strict: [Option<u32>; 2], flip: bool },
}

/// What is asked of a column.
#[derive(Debug)]
pub(super) enum Asked {
    Range {
        column: u32,
        ty: Type,
        low: Scalar,
        high: Scalar,
    },
    /// Bit `value - low` of the bits.
    Bits {
        column: u32,
        ty: Type,
        low: i64,
        bits: Arc<Table>,
    },
    Member {
        column: u32,
        ty: Type,
        table: Arc<Table>,
    },
    Bit {
        column: u32,
    },
    Valid {
        column: u32,
    },
    Compare {
        op: Comparison,
        ty: Type,
        a: u32,
        b: u32,
    },
}

impl Bound {
    /// Puts the run's values in.
    pub(super) fn of(test: &Test, values: &Values) -> Self {
        match test {
            Test::All(tests) => Self::All(tests.iter().map(|test| Self::of(test, values)).collect()),
            Test::Any(tests) => Self::Any(tests.iter().map(|test| Self::of(test, values)).collect()),
            Test::Column { ask, strict, flip } => Self::Column { ask: Asked::of(ask, values), strict: *strict, flip: *flip },
        }
    }

    /// Hands every column that is read to `each`.
    pub(super) fn columns(&self, each: &mut impl FnMut(u32)) {
        match self {
            Self::All(tests) | Self::Any(tests) => tests.iter().for_each(|test| test.columns(each)),
            Self::Column { ask, .. } => match *ask {
                Asked::Range { column, .. }
                | Asked::Bits { column, .. }
                | Asked::Member { column, .. }
                | Asked::Bit { column }
                | Asked::Valid { column } => each(column),
                Asked::Compare { a, b, .. } => {
                    each(a);
                    each(b);
                }
            },
        }
    }

    /// The mask of the block's rows for which it holds.
    ///
    /// # Safety
    ///
    /// The views are of a block of `rows` rows, of columns of the pipeline's types.
    pub(super) unsafe fn mask(&self, views: &[ColumnView], rows: usize, out: &mut Mask) {
        // SAFETY: as this function's own.
        unsafe { self.mask_within(&select::all(rows), views, rows, out) };
    }

    /// The same, of some rows alone; what is said of others may be anything.
    ///
    /// # Safety
    ///
    /// As [`Self::mask`].
    unsafe fn mask_within(&self, within: &Mask, views: &[ColumnView], rows: usize, out: &mut Mask) {
        match self {
            Self::All(tests) => {
                *out = *within;
                for test in tests {
                    let mut found = [0; WORDS];
                    // SAFETY: as this function's own.
                    unsafe { test.mask_within(out, views, rows, &mut found) };
                    let mut any = 0;
                    for (out, found) in out.iter_mut().zip(&found) {
                        *out &= found;
                        any |= *out;
                    }
                    if any == 0 {
                        return;
                    }
                }
            }
            Self::Any(tests) => {
                *out = [0; WORDS];
                for test in tests {
                    let mut found = [0; WORDS];
                    // SAFETY: as this function's own.
                    unsafe { test.mask_within(within, views, rows, &mut found) };
                    out.iter_mut().zip(&found).for_each(|(out, found)| *out |= found);
                }
            }
            Self::Column { ask, strict, flip } => {
                *out = [0; WORDS];
                // SAFETY: as this function's own.
                unsafe { ask.mask(within, views, rows, out) };
                if *flip {
                    let all = select::all(rows);
                    out.iter_mut().zip(&all).for_each(|(out, all)| *out = all & !*out);
                }
                for column in strict.iter().flatten() {
                    // SAFETY: as this function's own.
                    unsafe { select::keep(out, rows, views[*column as usize].validity, false) };
                }
            }
        }
    }
}

/// Runs a generic expression with `$T` as the Rust type of an integer type.
macro_rules! with_integer {
    ($ty:expr, $T:ident => $body:expr) => {
        match $ty {
            Type::Bool | Type::U8 | Type::F32 | Type::F64 | Type::Text => {
                type $T = u8;
                $body
            }
            Type::I8 => {
                type $T = i8;
                $body
            }
            Type::I16 => {
                type $T = i16;
                $body
            }
            Type::I32 => {
                type $T = i32;
                $body
            }
            Type::I64 => {
                type $T = i64;
                $body
            }
            Type::I128 => {
                type $T = i128;
                $body
            }
            Type::U16 => {
                type $T = u16;
                $body
            }
            Type::U32 => {
                type $T = u32;
                $body
            }
        }
    };
}

impl Asked {
    fn of(ask: &Ask, values: &Values) -> Self {
        match *ask {
            Ask::Range { column, ty, low, high } => {
                let value = |parameter: u32| values.scalars[parameter as usize].clone();
                Self::Range { column, ty, low: value(low), high: value(high) }
            }
            Ask::Member { column, ty, table } => {
                let table = values.tables[table.0 as usize].clone();
                match ty.range().filter(|_| ty.bits() <= 16) {
                    // All values there are: a bit each.
                    Some((low, high)) => {
                        let is_member = |value: i128| {
                            // SAFETY: the run's values were checked against the pipeline's types.
                            unsafe { member::contains(ty, table.values.as_ptr(), table.len, value) }
                        };
                        let all: Vec<bool> = (low..=high).map(is_member).collect();
                        Self::Bits { column, ty, low: low as i64, bits: Arc::new(Table::bits(all.into_iter())) }
                    }
                    None => Self::Member { column, ty, table },
                }
            }
            Ask::Lookup { column, ty, less, table } => {
                let low = match less.map(|less| &values.scalars[less as usize]) {
                    Some(Scalar::Int(low)) => *low as i64,
                    _ => 0,
                };
                Self::Bits { column, ty, low, bits: values.tables[table.0 as usize].clone() }
            }
            Ask::Bit { column } => Self::Bit { column },
            Ask::Valid { column } => Self::Valid { column },
            Ask::Compare { op, ty, a, b } => Self::Compare { op, ty, a, b },
        }
    }

    /// # Safety
    ///
    /// As [`Bound::mask_within`].
    pub(super) unsafe fn mask(&self, within: &Mask, views: &[ColumnView], rows: usize, out: &mut Mask) {
        let values = |column: u32| views[column as usize].values;
        match self {
            Self::Range { column, ty, low, high } => {
                let values = values(*column);
                match (low, high) {
                    (Scalar::Int(low), Scalar::Int(high)) => with_integer!(*ty, T => {
                        // SAFETY: the column holds so many values of this type; the bounds are of it.
                        unsafe { select::range::<T>(values.cast(), rows, *low as T, *high as T, out) }
                    }),
                    // SAFETY: as above.
                    (Scalar::F32(low), Scalar::F32(high)) => unsafe { float(values.cast::<f32>(), rows, *low, *high, out) },
                    // SAFETY: as above.
                    (Scalar::F64(low), Scalar::F64(high)) => unsafe { float(values.cast::<f64>(), rows, *low, *high, out) },
                    (Scalar::Int(_) | Scalar::F32(_) | Scalar::F64(_) | Scalar::Bool(_) | Scalar::Text(_), _) => {}
                }
            }
            Self::Bits { column, ty, low, bits } => {
                let values = values(*column);
                let (table, length) = (bits.values.as_ptr(), bits.len as u64);
                if *ty == Type::U8 && *low == 0 && bits.len <= 64 {
                    // SAFETY: a table has 64 bytes at least.
                    let word = u64::from_le(unsafe { table.cast::<u64>().read_unaligned() });
                    let keep = if length == 64 { u64::MAX } else { (1u64 << length) - 1 };
                    let word = word & keep;
                    // SAFETY: the column holds so many values.
                    select::test(rows, out, |at| unsafe {
                        let value = *values.add(at);
                        (value < 64) & (word >> (value & 63) & 1 == 1)
                    });
                    return;
                }
                let bits = select::Bits { bytes: &bits.values, length, low: *low };
                with_integer!(*ty, T => {
                    // SAFETY: the column holds so many values of this type.
                    unsafe { bits.test::<T>(values.cast(), rows, within, out) }
                });
            }
            Self::Member { column, ty, table } => {
                let values = values(*column);
                #[expect(clippy::unnecessary_cast, reason = "only of one of the types")]
                let () = with_integer!(*ty, T => {
                    let values = values.cast::<T>();
                    if table.len <= 8 {
                        let mut list = [T::default(); 8];
                        for (at, slot) in list.iter_mut().enumerate() {
                            // The first element again fills the places that are free.
                            let at = if at < table.len { at } else { 0 };
                            // SAFETY: a table has 64 bytes at least, and the element is of it.
                            *slot = unsafe { table.values.as_ptr().cast::<T>().add(at).read_unaligned() };
                        }
                        if table.len > 0 {
                            // SAFETY: the column holds so many values.
                            select::test(rows, out, |at| unsafe {
                                let value = values.add(at).read_unaligned();
                                list.iter().fold(false, |found, element| found | (*element == value))
                            });
                        }
                    } else {
                        // SAFETY: the column holds so many values, and so does the table.
                        select::test(rows, out, |at| unsafe {
                            let value = values.add(at).read_unaligned();
                            member::contains(*ty, table.values.as_ptr(), table.len, value as i128)
                        });
                    }
                });
            }
            Self::Bit { column } => {
                *out = select::all(rows);
                // SAFETY: the column holds so many bits.
                unsafe { select::keep(out, rows, values(*column), false) };
            }
            Self::Valid { column } => {
                *out = select::all(rows);
                // SAFETY: a column's validity holds so many bits.
                unsafe { select::keep(out, rows, views[*column as usize].validity, false) };
            }
            Self::Compare { op, ty, a, b } => {
                let (a, b) = (values(*a), values(*b));
                with_integer!(*ty, T => {
                    let (a, b) = (a.cast::<T>(), b.cast::<T>());
                    // SAFETY: the columns hold so many values.
                    let pair = |at: usize| unsafe { (a.add(at).read_unaligned(), b.add(at).read_unaligned()) };
                    match op {
                        Comparison::Equal => select::test(rows, out, |at| { let (a, b) = pair(at); a == b }),
                        Comparison::NotEqual => select::test(rows, out, |at| { let (a, b) = pair(at); a != b }),
                        Comparison::Less => select::test(rows, out, |at| { let (a, b) = pair(at); a < b }),
                        Comparison::LessOrEqual => select::test(rows, out, |at| { let (a, b) = pair(at); a <= b }),
                        Comparison::Greater => select::test(rows, out, |at| { let (a, b) = pair(at); a > b }),
                        Comparison::GreaterOrEqual => select::test(rows, out, |at| { let (a, b) = pair(at); a >= b }),
                    }
                });
            }
        }
    }
}

/// # Safety
///
/// As [`select::range`].
unsafe fn float<T: Element + Lanes>(values: *const T, rows: usize, low: T, high: T, out: &mut Mask) {
    // SAFETY: as this function's own.
    unsafe { select::range(values, rows, low, high, out) }
}
