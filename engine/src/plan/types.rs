//! Type names in SQL.

use arrow::datatypes::FieldRef;
use datafusion::common::Result as DataFusionResult;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::planner::TypePlanner;
use sqlparser::ast::{ArrayElemTypeDef, CharacterLength, DataType, ExactNumberInfo, TimezoneInfo};

use crate::error::{Condition, Error, Result};
use crate::types::{Base, SqlType};

/// The PostgreSQL type that a type name in a statement means.
///
/// Fails with `42704` where there is no such type, and `22023` where its modifier is out of range.
pub fn sql_type(name: &DataType) -> Result<SqlType> {
    let plain = |base: Base| Ok(SqlType::from(base));
    match name {
        DataType::Boolean | DataType::Bool => plain(Base::Bool),
        DataType::SmallInt(_) | DataType::Int2(_) => plain(Base::Int2),
        DataType::Int(_) | DataType::Integer(_) | DataType::Int4(_) => plain(Base::Int4),
        DataType::BigInt(_) | DataType::Int8(_) => plain(Base::Int8),
        DataType::Real | DataType::Float4 => plain(Base::Float4),
        DataType::Float8 | DataType::DoublePrecision | DataType::Double(_) => plain(Base::Float8),
        DataType::Float(info) => match info {
            ExactNumberInfo::Precision(p) if *p < 1 => {
                Err(Error::new(Condition::InvalidParameterValue, "precision for type float must be at least 1 bit"))
            }
            ExactNumberInfo::Precision(p) if *p > 53 => {
                Err(Error::new(Condition::InvalidParameterValue, "precision for type float must be less than 54 bits"))
            }
            ExactNumberInfo::Precision(p) if *p < 25 => plain(Base::Float4),
            ExactNumberInfo::Precision(_) | ExactNumberInfo::PrecisionAndScale(..) | ExactNumberInfo::None => plain(Base::Float8),
        },
        DataType::Numeric(info) | DataType::Decimal(info) | DataType::Dec(info) => match info {
            ExactNumberInfo::None => plain(Base::Numeric),
            ExactNumberInfo::Precision(p) => numeric(*p as i64, 0),
            ExactNumberInfo::PrecisionAndScale(p, s) => numeric(*p as i64, *s),
        },
        DataType::Text | DataType::String(_) => plain(Base::Text),
        DataType::Varchar(length)
        | DataType::CharacterVarying(length)
        | DataType::CharVarying(length)
        | DataType::Nvarchar(length) => Ok(match limit(length.as_ref(), "varchar")? {
            Some(n) => SqlType::varchar(n),
            None => Base::Varchar.into(),
        }),
        DataType::Char(length) | DataType::Character(length) => {
            Ok(SqlType::from(Base::Bpchar).with_typmod(limit(length.as_ref(), "char")?.unwrap_or(1) + 4))
        }
        DataType::Bytea => plain(Base::Bytea),
        DataType::Date => plain(Base::Date),
        DataType::Time(precision, zone) => match zone {
            TimezoneInfo::None | TimezoneInfo::WithoutTimeZone => Ok(SqlType::from(Base::Time).with_typmod(digits(*precision))),
            TimezoneInfo::WithTimeZone | TimezoneInfo::Tz => {
                Err(Error::unsupported("type time with time zone is not supported").hint("Use timestamp with time zone."))
            }
        },
        DataType::Timestamp(precision, zone) => Ok(match zone {
            TimezoneInfo::None | TimezoneInfo::WithoutTimeZone => SqlType::from(Base::Timestamp),
            TimezoneInfo::WithTimeZone | TimezoneInfo::Tz => SqlType::from(Base::Timestamptz),
        }
        .with_typmod(digits(*precision))),
        DataType::Interval { .. } => plain(Base::Interval),
        DataType::Uuid => plain(Base::Uuid),
        DataType::JSON => plain(Base::Json),
        DataType::JSONB => plain(Base::Jsonb),
        DataType::Regclass => plain(Base::RegClass),
        DataType::Array(ArrayElemTypeDef::SquareBracket(element, _) | ArrayElemTypeDef::AngleBracket(element)) => {
            let element = sql_type(element)?;
            Ok(SqlType { array: true, ..element })
        }
        DataType::Custom(object, modifiers) => {
            let mut parts: Vec<String> =
                object.0.iter().filter_map(|p| p.as_ident()).map(super::super::sql::label::fold).collect();
            if parts.len() == 2 && parts[0] == "pg_catalog" {
                parts.remove(0);
            }
            let full = parts.join(".");
            let quoted = object.0.last().and_then(|p| p.as_ident()).is_some_and(|i| i.quote_style.is_some());
            let base = if quoted && full == "char" { Some(Base::Char) } else { Base::named(&full) };
            let base = base.ok_or_else(|| Error::new(Condition::UndefinedObject, format!("type \"{full}\" does not exist")))?;
            if modifiers.is_empty() {
                return plain(base);
            }
            SqlType::parse(&format!("{}({})", base.row().name, modifiers.join(",")))
                .ok_or_else(|| Error::new(Condition::InvalidParameterValue, format!("invalid type modifier for type {full}")))
        }
        other => {
            Err(Error::new(Condition::UndefinedObject, format!("type \"{}\" does not exist", other.to_string().to_lowercase())))
        }
    }
}

fn digits(precision: Option<u64>) -> i32 {
    precision.map_or(-1, |p| p.min(6) as i32)
}

fn numeric(precision: i64, scale: i64) -> Result<SqlType> {
    if !(1..=1000).contains(&precision) {
        return Err(Error::new(
            Condition::InvalidParameterValue,
            format!("NUMERIC precision {precision} must be between 1 and 1000"),
        ));
    }
    if !(0..=1000).contains(&scale) {
        return Err(Error::new(
            Condition::InvalidParameterValue,
            format!("NUMERIC scale {scale} must be between -1000 and 1000"),
        ));
    }
    if precision > 76 || scale > precision {
        return Err(Error::unsupported(format!("numeric({precision},{scale}) is not supported"))
            .hint("At most 76 digits, of which no more behind the point than there are."));
    }
    Ok(SqlType::numeric(precision as u8, scale as i8))
}

fn limit(length: Option<&CharacterLength>, name: &str) -> Result<Option<i32>> {
    match length {
        None | Some(CharacterLength::Max) => Ok(None),
        Some(CharacterLength::IntegerLength { length, .. }) => match i32::try_from(*length) {
            Ok(0) | Err(_) => {
                Err(Error::new(Condition::InvalidParameterValue, format!("length for type {name} must be at least 1")))
            }
            Ok(n) if n > 10_485_760 => {
                Err(Error::new(Condition::InvalidParameterValue, format!("length for type {name} cannot exceed 10485760")))
            }
            Ok(n) => Ok(Some(n)),
        },
    }
}

/// Tells DataFusion what type names mean.
#[derive(Debug)]
pub struct PostgresTypes;

impl TypePlanner for PostgresTypes {
    fn plan_type_field(&self, name: &DataType) -> DataFusionResult<Option<FieldRef>> {
        let sql_type = sql_type(name).map_err(|e| DataFusionError::External(Box::new(e)))?;
        Ok(Some(std::sync::Arc::new(sql_type.field("", true))))
    }
}
