//! The one table of Arrow's types and what a device makes of them.
//!
//! | Arrow | form | unit |
//! |---|---|---|
//! | `Boolean` | bits | |
//! | `Int8` to `Int64`, `UInt8` to `UInt32` | integers | 1 |
//! | `Float32`, `Float64` | floats | |
//! | `Date32` | integers, days | 1 |
//! | `Timestamp`, any unit and zone | integers | Arrow's unit, thousand by thousand, second, minute, hour, day |
//! | `Time32`, `Time64`, `Duration` | integers | 1 |
//! | `Decimal32`, `Decimal64`, `Decimal128` | integers | a power of ten up to 10^scale |
//! | `Utf8`, `LargeUtf8`, `Utf8View`, a dictionary of one of them | strings: codes or texts | |
//!
//! All else is refused with a sentence: `UInt64`, `Date64` and `Decimal256` too, since nothing that PostgreSQL has needs
//! them and each would cost a case everywhere.

use arrow::datatypes::{DataType, TimeUnit};

use crate::error::{Error, Result};
use crate::program::{Fault, Type};

/// What a device makes of a type of Arrow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// A bit for each row.
    Bits,
    /// Floats, as they are.
    Floats(Type),
    /// Integers, in Arrow at this type.
    Integers(Type),
    /// Codes of a dictionary, or texts.
    Strings,
}

/// The form of a type; `Unsupported` names one that has none.
pub fn form(logical: &DataType) -> Result<Form> {
    Ok(match logical {
        DataType::Boolean => Form::Bits,
        DataType::Float32 => Form::Floats(Type::F32),
        DataType::Float64 => Form::Floats(Type::F64),
        DataType::Int8 => Form::Integers(Type::I8),
        DataType::Int16 => Form::Integers(Type::I16),
        DataType::Int32 | DataType::Date32 | DataType::Time32(_) | DataType::Decimal32(..) => Form::Integers(Type::I32),
        DataType::Int64 | DataType::Timestamp(..) | DataType::Time64(_) | DataType::Duration(_) | DataType::Decimal64(..) => {
            Form::Integers(Type::I64)
        }
        DataType::Decimal128(..) => Form::Integers(Type::I128),
        DataType::UInt8 => Form::Integers(Type::U8),
        DataType::UInt16 => Form::Integers(Type::U16),
        DataType::UInt32 => Form::Integers(Type::U32),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Form::Strings,
        DataType::Dictionary(_, value) if is_string(value) => Form::Strings,
        other => return Err(Error::Unsupported(format!("column type {other} has no device form"))),
    })
}

/// Whether a column declared as `logical` may come as arrays of type `found`: strings in any layout, decimals in any
/// width at the same scale, all else only as itself; any of them as a dictionary too.
pub fn accepts(logical: &DataType, found: &DataType) -> bool {
    if logical == found {
        return true;
    }
    if let DataType::Dictionary(_, entries) = found
        && !matches!(logical, DataType::Dictionary(..))
    {
        return accepts(logical, entries);
    }
    match (decimal(logical), decimal(found)) {
        (Some((_, scale)), Some((_, other))) => scale == other,
        (None, None) => matches!((form(logical), form(found)), (Ok(Form::Strings), Ok(Form::Strings))),
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// What a column of this type may be stored in multiples of, greatest first; each divides the one before it, so that the
/// common unit of two columns is the smaller one. The last is 1.
pub fn units(logical: &DataType) -> Vec<i128> {
    if let Some((_, scale)) = decimal(logical) {
        // 10^38 is the greatest power of ten in 128 bits.
        let digits = u32::try_from(scale).unwrap_or(0).min(38);
        return (0..=digits).rev().map(|power| 10i128.pow(power)).collect();
    }
    let DataType::Timestamp(unit, _) = logical else {
        return vec![1];
    };
    let second: i128 = match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    };
    let mut units = vec![86_400 * second, 3_600 * second, 60 * second];
    let mut below = second;
    while below > 1 {
        units.push(below);
        below /= 1_000;
    }
    units.push(1);
    units
}

/// Precision and scale of a decimal that has a form.
fn decimal(logical: &DataType) -> Option<(u8, i8)> {
    match logical {
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale) => Some((*precision, *scale)),
        _ => None,
    }
}

/// The least and the greatest value of a type of integers, and what one outside of it raises.
pub fn limits(logical: &DataType) -> Result<(i128, i128, Fault)> {
    let Form::Integers(ty) = form(logical)? else {
        return Err(Error::Invalid(format!("{logical} is not a type of integers")));
    };
    if let Some((precision, _)) = decimal(logical) {
        let bound = 10i128.pow(u32::from(precision).min(38)) - 1;
        return Ok((-bound, bound, Fault::NumericRange));
    }
    let fault = match logical {
        DataType::Int8 | DataType::UInt8 | DataType::Int16 => Fault::SmallintRange,
        DataType::UInt16 | DataType::Int32 => Fault::IntegerRange,
        DataType::Date32 => Fault::DateRange,
        DataType::Timestamp(..) => Fault::TimestampRange,
        _ => Fault::BigintRange,
    };
    let (low, high) = ty.range().unwrap_or((0, 0));
    Ok((low, high, fault))
}

/// Whether it is one of Arrow's three layouts of strings.
fn is_string(ty: &DataType) -> bool {
    matches!(ty, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::Field;

    use super::*;

    #[test]
    fn a_refusal_names_the_type() {
        let list = DataType::List(Arc::new(Field::new_list_field(DataType::Int32, false)));
        for ty in [DataType::UInt64, DataType::Date64, DataType::Decimal256(40, 2), DataType::Binary, list] {
            let found = form(&ty).unwrap_err();
            assert_eq!(found, Error::Unsupported(format!("column type {ty} has no device form")));
        }
    }

    #[test]
    fn each_unit_divides_the_one_before_it() {
        let seconds = [TimeUnit::Second, TimeUnit::Millisecond, TimeUnit::Microsecond, TimeUnit::Nanosecond];
        let times = seconds.map(|unit| DataType::Timestamp(unit, None));
        for ty in [DataType::Decimal128(38, 38), DataType::Decimal64(5, -3), DataType::Int32].iter().chain(&times) {
            let units = units(ty);
            assert_eq!(units.last(), Some(&1), "{ty}");
            assert!(units.windows(2).all(|pair| pair[0] > pair[1] && pair[0] % pair[1] == 0), "{ty}: {units:?}");
        }
        assert_eq!(units(&times[0]), [86_400, 3_600, 60, 1]);
        assert_eq!(units(&DataType::Decimal32(9, 2)), [100, 10, 1]);
    }
}
