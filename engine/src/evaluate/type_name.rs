//! The type that a type name in a statement means, `reg*` and other catalog types among them.

use sqlparser::ast::{ArrayElemTypeDef, CharacterLength, DataType, ExactNumberInfo, Ident, ObjectName, TimezoneInfo};

use crate::error::{Condition, Error, Result};
use crate::types::{Base, SqlType};

/// An identifier as PostgreSQL folds it.
pub fn fold(ident: &Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}

/// The folded parts of a qualified name.
pub fn parts(name: &ObjectName) -> Vec<String> {
    name.0.iter().filter_map(|p| p.as_ident()).map(fold).collect()
}

/// The type that a name stands for, without quotes or modifiers; information_schema's domains are their base types.
pub fn named(name: &str) -> Option<SqlType> {
    let name = name.strip_prefix("pg_catalog.").or_else(|| name.strip_prefix("information_schema.")).unwrap_or(name);
    if let Some(base) = Base::named(name) {
        return Some(base.into());
    }
    if let Some(element) = name.strip_prefix('_') {
        return Base::named(element).map(SqlType::array);
    }
    match name {
        "cardinal_number" => Some(Base::Int4.into()),
        "sql_identifier" => Some(Base::Name.into()),
        "character_data" => Some(Base::Varchar.into()),
        "yes_or_no" => Some(SqlType::varchar(3)),
        "time_stamp" => Some(Base::Timestamptz.into()),
        "regprocedure" => Some(Base::RegProc.into()),
        "regrole" => Some(Base::Oid.into()),
        "xid8" => Some(Base::Int8.into()),
        "cid" => Some(Base::Xid.into()),
        _ => None,
    }
}

/// Fails with `42704` where there is no such type and `22023` where its modifier is out of range.
pub fn resolve(name: &DataType) -> Result<SqlType> {
    let plain = |base: Base| Ok(SqlType::from(base));
    match name {
        DataType::Boolean | DataType::Bool => plain(Base::Bool),
        DataType::SmallInt(_) | DataType::Int2(_) => plain(Base::Int2),
        DataType::Int(_) | DataType::Integer(_) | DataType::Int4(_) => plain(Base::Int4),
        DataType::BigInt(_) | DataType::Int8(_) => plain(Base::Int8),
        DataType::Real | DataType::Float4 => plain(Base::Float4),
        DataType::Float8 | DataType::DoublePrecision | DataType::Double(_) => plain(Base::Float8),
        DataType::Float(ExactNumberInfo::Precision(p)) if *p < 25 => plain(Base::Float4),
        DataType::Float(_) => plain(Base::Float8),
        DataType::Numeric(info) | DataType::Decimal(info) | DataType::Dec(info) => numeric(info),
        DataType::Text | DataType::String(_) => plain(Base::Text),
        DataType::Varchar(length)
        | DataType::CharacterVarying(length)
        | DataType::CharVarying(length)
        | DataType::Nvarchar(length) => Ok(limit(length.as_ref(), "varchar")?.map_or(Base::Varchar.into(), SqlType::varchar)),
        DataType::Char(length) | DataType::Character(length) => {
            Ok(SqlType::from(Base::Bpchar).with_typmod(limit(length.as_ref(), "char")?.unwrap_or(1) + 4))
        }
        DataType::Bytea => plain(Base::Bytea),
        DataType::Date => plain(Base::Date),
        DataType::Time(precision, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => {
            Ok(SqlType::from(Base::Time).with_typmod(digits(*precision)))
        }
        DataType::Time(_, TimezoneInfo::WithTimeZone | TimezoneInfo::Tz) => {
            Err(Error::unsupported("type time with time zone is not supported"))
        }
        DataType::Timestamp(precision, zone) => Ok(SqlType::from(match zone {
            TimezoneInfo::None | TimezoneInfo::WithoutTimeZone => Base::Timestamp,
            TimezoneInfo::WithTimeZone | TimezoneInfo::Tz => Base::Timestamptz,
        })
        .with_typmod(digits(*precision))),
        DataType::Interval { .. } => plain(Base::Interval),
        DataType::Uuid => plain(Base::Uuid),
        DataType::JSON => plain(Base::Json),
        DataType::JSONB => plain(Base::Jsonb),
        DataType::Regclass => plain(Base::RegClass),
        DataType::Array(ArrayElemTypeDef::SquareBracket(element, _) | ArrayElemTypeDef::AngleBracket(element)) => {
            Ok(SqlType { array: true, ..resolve(element)? })
        }
        DataType::Custom(object, modifiers) => custom(object, modifiers),
        other => Err(undefined(&other.to_string().to_lowercase())),
    }
}

fn undefined(name: &str) -> Error {
    Error::new(Condition::UndefinedObject, format!("type \"{name}\" does not exist"))
}

fn custom(object: &ObjectName, modifiers: &[String]) -> Result<SqlType> {
    let all = parts(object);
    let quoted = object.0.last().and_then(|p| p.as_ident()).is_some_and(|i| i.quote_style.is_some());
    let name = match all.as_slice() {
        [schema, name] if matches!(schema.as_str(), "pg_catalog" | "information_schema") => name.clone(),
        _ => all.join("."),
    };
    if name == "char" && (quoted || all.len() == 2) {
        return Ok(Base::Char.into());
    }
    let plain = named(&name).ok_or_else(|| undefined(&name))?;
    if modifiers.is_empty() {
        return Ok(plain);
    }
    SqlType::parse(&format!("{}({})", plain.base.row().name, modifiers.join(",")))
        .ok_or_else(|| Error::new(Condition::InvalidParameterValue, format!("invalid type modifier for type {name}")))
}

fn digits(precision: Option<u64>) -> i32 {
    precision.map_or(-1, |p| i32::try_from(p.min(6)).unwrap_or(6))
}

fn numeric(info: &ExactNumberInfo) -> Result<SqlType> {
    let (precision, scale) = match info {
        ExactNumberInfo::None => return Ok(Base::Numeric.into()),
        ExactNumberInfo::Precision(p) => (*p, 0),
        ExactNumberInfo::PrecisionAndScale(p, s) => (*p, *s),
    };
    let bad = |m: String| Err(Error::new(Condition::InvalidParameterValue, m));
    if !(1..=1000).contains(&precision) {
        return bad(format!("NUMERIC precision {precision} must be between 1 and 1000"));
    }
    if !(-1000..=1000).contains(&scale) {
        return bad(format!("NUMERIC scale {scale} must be between -1000 and 1000"));
    }
    let typmod = (i32::try_from(precision).unwrap_or(1000) << 16 | (i32::try_from(scale).unwrap_or(0) & 0x7ff)) + 4;
    Ok(SqlType::from(Base::Numeric).with_typmod(typmod))
}

fn limit(length: Option<&CharacterLength>, name: &str) -> Result<Option<i32>> {
    let Some(CharacterLength::IntegerLength { length, .. }) = length else { return Ok(None) };
    let bad = |m: String| Err(Error::new(Condition::InvalidParameterValue, m));
    match i32::try_from(*length) {
        Ok(0) => bad(format!("length for type {name} must be at least 1")),
        Ok(n) if n <= 10_485_760 => Ok(Some(n)),
        Ok(_) | Err(_) => bad(format!("length for type {name} cannot exceed 10485760")),
    }
}
