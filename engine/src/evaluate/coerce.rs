//! Which type becomes which, and when: PostgreSQL's `pg_cast` and `parse_coerce.c`.

use crate::types::{Base, SqlType};

/// How much a conversion must be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strength {
    /// Happens by itself.
    Implicit,
    /// Happens where a value is stored.
    Assignment,
    /// Only where written as a cast.
    Explicit,
}

/// Object identifiers by name.
pub fn is_reg(base: Base) -> bool {
    matches!(base, Base::RegProc | Base::RegClass | Base::RegType | Base::RegNamespace)
}

fn number_rank(base: Base) -> Option<u8> {
    match base {
        Base::Int2 => Some(0),
        Base::Int4 => Some(1),
        Base::Int8 => Some(2),
        Base::Numeric => Some(3),
        Base::Float4 => Some(4),
        Base::Float8 => Some(5),
        _ => None,
    }
}

/// Types whose values are texts of any length.
pub fn is_string(base: Base) -> bool {
    matches!(base, Base::Text | Base::Varchar | Base::Bpchar | Base::Name | Base::Char)
}

/// `pg_type.typcategory` of a type.
pub fn category(t: SqlType) -> char {
    if t.array { 'A' } else { t.base.row().category }
}

/// Whether a type is preferred among those of its category.
pub fn is_preferred(t: SqlType) -> bool {
    !t.array && matches!(t.base, Base::Bool | Base::Text | Base::Float8 | Base::Oid | Base::Timestamptz | Base::Interval)
}

/// A type's name in messages: without its modifier.
pub fn shown(t: SqlType) -> String {
    let name = SqlType { typmod: -1, ..t }.sql_name();
    if t.base == Base::Bpchar { name.replacen("bpchar", "character", 1) } else { name }
}

/// The same type but for its modifier.
pub fn same(a: SqlType, b: SqlType) -> bool {
    a.base == b.base && a.array == b.array
}

/// The weakest request that brings `from` to `to`; `None` where nothing does.
pub fn strength(from: SqlType, to: SqlType) -> Option<Strength> {
    use Strength::{Assignment, Explicit, Implicit};
    if same(from, to) || (from.base == Base::Unknown && !from.array) {
        return Some(Implicit);
    }
    match (from.array, to.array) {
        (true, true) => return strength(SqlType { array: false, ..from }, SqlType { array: false, ..to }),
        (false, true) => {
            return match (from.base, to.base) {
                (Base::Int2Vector, Base::Int2) | (Base::OidVector, Base::Oid) => Some(Implicit),
                (f, _) if is_string(f) => Some(Explicit),
                (_, _) => None,
            };
        }
        (true, false) => {
            return match to.base {
                Base::Text | Base::Varchar | Base::Bpchar => Some(Assignment),
                Base::Int2Vector | Base::OidVector => Some(Explicit),
                _ => None,
            };
        }
        (false, false) => {}
    }
    let (f, t) = (from.base, to.base);
    if let (Some(a), Some(b)) = (number_rank(f), number_rank(t)) {
        return Some(if a < b { Implicit } else { Assignment });
    }
    let oidish = |b: Base| b == Base::Oid || is_reg(b);
    match (f, t) {
        (Base::Int2 | Base::Int4 | Base::Int8, _) if oidish(t) => Some(Implicit),
        (Base::Oid, Base::Int8) => Some(Implicit),
        (_, Base::Int4 | Base::Int8) if oidish(f) => Some(Assignment),
        (Base::Oid, _) if is_reg(t) => Some(Implicit),
        (_, Base::Oid) if is_reg(f) => Some(Implicit),
        (Base::Text | Base::Varchar, Base::RegClass) => Some(Implicit),
        (Base::Text, Base::Varchar | Base::Bpchar | Base::Name) | (Base::Varchar, Base::Text | Base::Bpchar | Base::Name) => {
            Some(Implicit)
        }
        (Base::Bpchar, Base::Text | Base::Varchar | Base::Name) => Some(Implicit),
        (Base::Name, Base::Text) | (Base::Char, Base::Text) | (Base::NodeTree, Base::Text) => Some(Implicit),
        (Base::Name | Base::Char, Base::Varchar | Base::Bpchar) => Some(Assignment),
        (Base::Text | Base::Varchar | Base::Bpchar, Base::Char) => Some(Assignment),
        (Base::Char, Base::Int4) | (Base::Int4, Base::Char) => Some(Explicit),
        (Base::Bool, Base::Int4) | (Base::Int4, Base::Bool) => Some(Explicit),
        (Base::Date, Base::Timestamp | Base::Timestamptz) | (Base::Timestamp, Base::Timestamptz) => Some(Implicit),
        (Base::Timestamp, Base::Date | Base::Time) | (Base::Timestamptz, Base::Date | Base::Time | Base::Timestamp) => {
            Some(Assignment)
        }
        (Base::Time, Base::Interval) => Some(Implicit),
        (Base::Interval, Base::Time) => Some(Assignment),
        (Base::Json, Base::Jsonb) | (Base::Jsonb, Base::Json) => Some(Assignment),
        (Base::Jsonb, Base::Bool | Base::Int2 | Base::Int4 | Base::Int8 | Base::Numeric | Base::Float4 | Base::Float8) => {
            Some(Explicit)
        }
        (Base::Void, _) | (_, Base::Void) => None,
        // The input and output functions of any type.
        (_, Base::Text | Base::Varchar | Base::Bpchar | Base::Name) => Some(Assignment),
        (_, Base::Record) | (Base::Record, _) => None,
        (f, _) if is_string(f) => Some(Explicit),
        (_, _) => None,
    }
}

/// Whether `from` becomes `to` where `asked` is what the place allows.
pub fn allowed(from: SqlType, to: SqlType, asked: Strength) -> bool {
    strength(from, to).is_some_and(|needed| needed <= asked)
}

/// `select_common_type`: the type that all of these become, for `UNION`, `CASE`, `ARRAY` and the like.
/// `Err` holds the two types that cannot be matched.
pub fn common(types: &[SqlType]) -> Result<SqlType, (SqlType, SqlType)> {
    let unknown = SqlType::from(Base::Unknown);
    let mut known = types.iter().copied().filter(|t| !same(*t, unknown));
    let Some(mut best) = known.next() else { return Ok(Base::Text.into()) };
    for next in known {
        if same(next, best) {
            if next.typmod != best.typmod {
                best.typmod = -1;
            }
            continue;
        }
        if category(next) != category(best) {
            return Err((best, next));
        }
        if !is_preferred(best) && allowed(best, next, Strength::Implicit) && !allowed(next, best, Strength::Implicit) {
            best = next;
        } else {
            best.typmod = -1;
        }
    }
    if types.iter().any(|t| same(*t, unknown)) || types.iter().any(|t| !same(*t, best)) {
        best.typmod = -1;
    }
    match types.iter().copied().find(|t| !allowed(*t, best, Strength::Implicit)) {
        Some(other) => Err((best, other)),
        None => Ok(best),
    }
}
