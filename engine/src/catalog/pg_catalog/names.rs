//! Names of objects and their identifiers: `reg*` in and out.

use super::{PG_CATALOG_OID, all, find, types};
use crate::error::{Condition, Error, Result};
use crate::evaluate::context::Context;
use crate::evaluate::function::{self, string::quote_ident};
use crate::types::{Base, SqlType};

/// The parts of a qualified name, folded as PostgreSQL folds them; `None` where it is none.
pub fn split_qualified(text: &str) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    let mut chars = text.trim().chars().peekable();
    loop {
        let mut part = String::new();
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        if chars.next_if_eq(&'"').is_some() {
            loop {
                match chars.next()? {
                    '"' if chars.next_if_eq(&'"').is_some() => part.push('"'),
                    '"' => break,
                    c => part.push(c),
                }
            }
        } else {
            while let Some(c) = chars.next_if(|c| c.is_alphanumeric() || matches!(c, '_' | '$')) {
                part.extend(c.to_lowercase());
            }
        }
        if part.is_empty() {
            return None;
        }
        parts.push(part);
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        match chars.next() {
            None => return Some(parts),
            Some('.') => {}
            Some(_) => return None,
        }
    }
}

/// An object that `pg_class` lists: identifier, schema, name.
#[derive(Debug, Clone)]
pub struct Class {
    /// `pg_class.oid`
    pub oid: u32,
    /// The schema.
    pub schema: String,
    /// The name.
    pub name: String,
}

/// Every relation and index.
pub fn classes(ctx: &Context<'_>) -> Vec<Class> {
    let catalogs = all().iter().map(|t| Class { oid: t.oid, schema: t.schema.to_owned(), name: t.name.to_owned() });
    let users = ctx.relations().iter().flat_map(|r| {
        let keys = r.primary_key.iter().chain(&r.unique_keys);
        let indexes = keys.map(|k| Class { oid: k.index_oid, schema: r.schema.clone(), name: k.name.clone() });
        std::iter::once(Class { oid: r.oid, schema: r.schema.clone(), name: r.name.clone() }).chain(indexes)
    });
    catalogs.chain(users).collect()
}

/// The relation or index of that identifier.
pub fn class(oid: u32, ctx: &Context<'_>) -> Option<Class> {
    if let Some(table) = all().iter().find(|t| t.oid == oid) {
        return Some(Class { oid, schema: table.schema.to_owned(), name: table.name.to_owned() });
    }
    classes(ctx).into_iter().find(|c| c.oid == oid)
}

/// The relation that a name means, by the search path where it has no schema.
pub fn find_class(parts: &[String], ctx: &Context<'_>) -> Option<u32> {
    let in_schema = |schema: &str, name: &str| {
        if let Some(table) = find(Some(schema), name) {
            return Some(table.oid);
        }
        let mine = ctx.relations().iter().filter(|r| r.schema == schema);
        mine.clone().find(|r| r.name == name).map(|r| r.oid).or_else(|| {
            mine.flat_map(|r| r.primary_key.iter().chain(&r.unique_keys)).find(|k| k.name == name).map(|k| k.index_oid)
        })
    };
    match parts {
        [name] => ctx.lookup_path().iter().find_map(|s| in_schema(s, name)),
        [schema, name] => in_schema(schema, name),
        [database, schema, name] if database == ctx.env.current_database() => in_schema(schema, name),
        _ => None,
    }
}

/// Whether an unqualified name finds this relation.
pub fn is_visible(class: &Class, ctx: &Context<'_>) -> bool {
    find_class(std::slice::from_ref(&class.name), ctx) == Some(class.oid)
}

/// The type that a type's name in text means.
pub fn find_type(text: &str) -> Option<u32> {
    let parts = text.trim();
    let plain = parts.strip_prefix("pg_catalog.").unwrap_or(parts);
    if let Some(inner) = plain.strip_prefix('"').and_then(|p| p.strip_suffix('"')) {
        return types::by_name(inner);
    }
    let lower = plain.to_lowercase();
    if lower == "char" {
        return Some(Base::Bpchar.row().oid);
    }
    SqlType::parse(&lower)
        .map(SqlType::oid)
        .or_else(|| types::by_name(&lower))
        .or_else(|| crate::evaluate::type_name::named(&lower).map(SqlType::oid))
}

/// Functions of that name.
fn find_procs(name: &str) -> Vec<u32> {
    let mut found: Vec<u32> = types::procs().iter().filter(|(_, n)| *n == name).map(|(oid, _)| *oid).collect();
    found.extend(function::named(name).iter().map(|f| f.oid));
    found
}

/// The name of a function, without its schema.
pub fn proc_name(oid: u32) -> Option<String> {
    let own = types::procs().iter().find(|(o, _)| *o == oid).map(|(_, n)| (*n).to_owned());
    own.or_else(|| function::all().iter().find(|f| f.oid == oid).map(|f| f.name.clone()))
}

/// The identifier that a `reg*` type's text means.
pub fn input(base: Base, text: &str, ctx: &Context<'_>) -> Result<u32> {
    let trimmed = text.trim();
    if trimmed == "-" {
        return Ok(0);
    }
    if !trimmed.is_empty() && trimmed.bytes().all(|b| b.is_ascii_digit()) {
        return crate::types::text::parse_oid(trimmed);
    }
    let invalid = || Error::new(Condition::InvalidName, "invalid name syntax");
    match base {
        Base::RegType => {
            find_type(trimmed).ok_or_else(|| Error::new(Condition::UndefinedObject, format!("type \"{trimmed}\" does not exist")))
        }
        Base::RegNamespace => {
            let parts = split_qualified(trimmed).ok_or_else(invalid)?;
            let [name] = parts.as_slice() else { return Err(invalid()) };
            ctx.schema_oid(name)
                .ok_or_else(|| Error::new(Condition::InvalidSchemaName, format!("schema \"{name}\" does not exist")))
        }
        Base::RegProc => {
            let name = trimmed.split('(').next().unwrap_or(trimmed);
            let parts = split_qualified(name).ok_or_else(invalid)?;
            let last = parts.last().map_or("", String::as_str);
            match find_procs(last).as_slice() {
                [] => Err(Error::new(Condition::UndefinedFunction, format!("function \"{trimmed}\" does not exist"))),
                [one] => Ok(*one),
                [first, ..] if trimmed.contains('(') => Ok(*first),
                _ => Err(Error::new(Condition::AmbiguousFunction, format!("more than one function named \"{trimmed}\""))),
            }
        }
        _ => {
            let parts = split_qualified(trimmed).ok_or_else(invalid)?;
            find_class(&parts, ctx)
                .ok_or_else(|| Error::new(Condition::UndefinedTable, format!("relation \"{}\" does not exist", parts.join("."))))
        }
    }
}

/// An identifier as a `reg*` type shows it.
pub fn output(base: Base, oid: u32, ctx: &Context<'_>) -> String {
    if oid == 0 {
        return "-".to_owned();
    }
    let name = match base {
        Base::RegType => types::format(oid, None),
        Base::RegNamespace => ctx.schema_name(oid).map(|n| quote_ident(&n)),
        Base::RegProc => proc_name(oid),
        _ => class(oid, ctx).map(|c| {
            if is_visible(&c, ctx) {
                quote_ident(&c.name)
            } else {
                format!("{}.{}", quote_ident(&c.schema), quote_ident(&c.name))
            }
        }),
    };
    name.unwrap_or_else(|| oid.to_string())
}

/// The schema that a catalog object without a schema of its own is in.
pub fn catalog_schema() -> u32 {
    PG_CATALOG_OID
}
