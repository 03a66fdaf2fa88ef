//! Literals and symbols of expressions: what a token stands for.

use super::*;

pub(super) fn negate_if(typed: Typed, negated: bool) -> Typed {
    if negated { Typed::new(Node::Not(Box::new(typed)), Base::Bool) } else { typed }
}

pub(super) fn number(digits: &str) -> Result<Typed> {
    if let Ok(v) = digits.parse::<i32>() {
        return Ok(Typed::constant(Datum::Int4(v), Base::Int4));
    }
    if let Ok(v) = digits.parse::<i64>() {
        return Ok(Typed::constant(Datum::Int8(v), Base::Int8));
    }
    Ok(Typed::constant(Datum::numeric(Numeric::parse(digits)?), Base::Numeric))
}

pub(super) fn string_of(value: &Value) -> Option<String> {
    match value {
        Value::SingleQuotedString(s)
        | Value::EscapedStringLiteral(s)
        | Value::UnicodeStringLiteral(s)
        | Value::NationalStringLiteral(s) => Some(s.clone()),
        Value::DollarQuotedString(s) => Some(s.value.clone()),
        _ => None,
    }
}

/// An operator's symbol as PostgreSQL's catalog spells it.
pub(super) fn symbol(op: &BinaryOperator) -> Result<String> {
    Ok(match op {
        BinaryOperator::NotEq => "<>".to_owned(),
        BinaryOperator::PGLikeMatch => "~~".to_owned(),
        BinaryOperator::PGCustomBinaryOperator(parts) => match parts.as_slice() {
            [.., symbol] => {
                if symbol == "!=" {
                    "<>".to_owned()
                } else {
                    symbol.clone()
                }
            }
            [] => return Err(Error::syntax("an operator has no name")),
        },
        BinaryOperator::Xor
        | BinaryOperator::DuckIntegerDivide
        | BinaryOperator::MyIntegerDivide
        | BinaryOperator::Assignment => {
            return Err(Error::unsupported(format!("operator {op} is not supported")));
        }
        other => other.to_string(),
    })
}

pub(super) fn field_name(field: &DateTimeField) -> String {
    let text = match field {
        DateTimeField::Custom(ident) => fold(ident),
        other => other.to_string().to_lowercase(),
    };
    text.trim_matches('\'').to_owned()
}
