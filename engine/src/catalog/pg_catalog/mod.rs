//! The system catalogs: what clients read to learn what there is.
//!
//! [`all`] lists every relation of `pg_catalog` and `information_schema` with PostgreSQL 15's columns
//! (`columns.txt`: schema, name, identifier, kind, columns; `!` marks a column that is never null). A relation without a
//! rows function is empty: there is nothing of its kind.
//!
//! # Adding rows to a catalog
//!
//! Add the relation to [`rows_of`] and a function beside its like that makes rows with [`Filler`]: columns that are not
//! set have their type's zero, or null where they may.

pub mod functions;
pub mod names;
pub mod relations;
pub mod server;
pub mod types;

use std::collections::HashMap;
use std::sync::{LazyLock, OnceLock};

use crate::catalog::information_schema;
use crate::evaluate::context::{Context, Row};
use crate::evaluate::datum::Datum;
use crate::types::{Base, SqlType};

/// What makes a catalog's rows.
pub type Rows = fn(&Context<'_>) -> Vec<Row>;

/// One column of a catalog.
#[derive(Debug, Clone, Copy)]
pub struct CatalogColumn {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub ty: SqlType,
    /// Whether it is never null.
    pub not_null: bool,
}

/// One catalog.
#[derive(Debug)]
pub struct Table {
    /// `pg_catalog` or `information_schema`.
    pub schema: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Its object identifier, as in PostgreSQL 15.
    pub oid: u32,
    /// `r` or `v`.
    pub kind: char,
    text: &'static str,
    columns: OnceLock<Vec<CatalogColumn>>,
    /// Its rows.
    pub rows: Rows,
}

impl PartialEq for Table {
    fn eq(&self, other: &Self) -> bool {
        self.oid == other.oid
    }
}

impl Table {
    /// Its columns.
    pub fn columns(&self) -> &[CatalogColumn] {
        self.columns.get_or_init(|| self.text.split(", ").filter_map(parse_column).collect())
    }

    /// The place of a column.
    pub fn position(&self, column: &str) -> Option<usize> {
        self.columns().iter().position(|c| c.name == column)
    }
}

fn parse_column(text: &'static str) -> Option<CatalogColumn> {
    let (name, rest) = text.split_once(' ')?;
    let (type_name, not_null) = rest.strip_suffix('!').map_or((rest, false), |t| (t, true));
    let (element, array) = type_name.strip_suffix("[]").map_or((type_name, false), |t| (t, true));
    let ty = match element {
        "\"char\"" => Base::Char.into(),
        _ => crate::evaluate::type_name::named(element).or_else(|| SqlType::parse(element)).unwrap_or(Base::Text.into()),
    };
    Some(CatalogColumn { name, ty: SqlType { array, ..ty }, not_null })
}

fn nothing(_: &Context<'_>) -> Vec<Row> {
    Vec::new()
}

/// What makes the rows of a relation of `pg_catalog`.
fn rows_of(name: &str) -> Rows {
    match name {
        "pg_class" => relations::pg_class,
        "pg_attribute" => relations::pg_attribute,
        "pg_attrdef" => relations::pg_attrdef,
        "pg_index" => relations::pg_index,
        "pg_constraint" => relations::pg_constraint,
        "pg_description" => relations::pg_description,
        "pg_tables" => relations::pg_tables,
        "pg_views" => relations::pg_views,
        "pg_indexes" => relations::pg_indexes,
        "pg_rewrite" => relations::pg_rewrite,
        "pg_stat_user_tables" | "pg_stat_all_tables" => relations::pg_stat_user_tables,
        "pg_stat_user_indexes" | "pg_stat_all_indexes" => relations::pg_stat_user_indexes,
        "pg_namespace" => server::pg_namespace,
        "pg_database" => server::pg_database,
        "pg_roles" => server::pg_roles,
        "pg_user" => server::pg_user,
        "pg_settings" => server::pg_settings,
        "pg_stat_activity" => server::pg_stat_activity,
        "pg_stat_progress_copy" => server::pg_stat_progress_copy,
        "pg_stat_database" => server::pg_stat_database,
        "pg_tablespace" => server::pg_tablespace,
        "pg_am" => server::pg_am,
        "pg_language" => server::pg_language,
        "pg_collation" => server::pg_collation,
        "pg_shdescription" => server::pg_shdescription,
        "pg_extension" => server::pg_extension,
        "pg_timezone_names" => server::pg_timezone_names,
        "pg_type" => types::pg_type,
        "pg_cast" => types::pg_cast,
        "pg_proc" => functions::pg_proc,
        "pg_operator" => functions::pg_operator,
        "pg_aggregate" => functions::pg_aggregate,
        _ => nothing,
    }
}

static TABLES: LazyLock<Vec<Table>> = LazyLock::new(|| {
    include_str!("columns.txt")
        .lines()
        .filter_map(|line| {
            let mut parts = line.splitn(5, '|');
            let (schema, name) = (parts.next()?, parts.next()?);
            let (oid, kind, text) = (parts.next()?.parse().ok()?, parts.next()?.chars().next()?, parts.next()?);
            let rows = if schema == "pg_catalog" { rows_of(name) } else { information_schema::rows_of(name).unwrap_or(nothing) };
            Some(Table { schema, name, oid, kind, text, columns: OnceLock::new(), rows })
        })
        .collect()
});

static BY_NAME: LazyLock<HashMap<(&'static str, &'static str), usize>> =
    LazyLock::new(|| TABLES.iter().enumerate().map(|(at, t)| ((t.schema, t.name), at)).collect());

/// Every catalog.
pub fn all() -> &'static [Table] {
    &TABLES
}

/// The catalog of that name; without a schema, those of `pg_catalog` come first.
pub fn find(schema: Option<&str>, name: &str) -> Option<&'static Table> {
    let schemas: &[&str] = match schema {
        Some("pg_catalog") => &["pg_catalog"],
        Some("information_schema") => &["information_schema"],
        Some(_) => &[],
        None => &["pg_catalog", "information_schema"],
    };
    schemas.iter().find_map(|s| BY_NAME.get(&(*s, name)).map(|at| &TABLES[*at]))
}

/// `pg_namespace.oid` of `pg_catalog`.
pub const PG_CATALOG_OID: u32 = 11;
/// `pg_namespace.oid` of `information_schema`.
pub const INFORMATION_SCHEMA_OID: u32 = 13_207;

/// Every schema: identifier and name.
pub fn schemas(ctx: &Context<'_>) -> Vec<(u32, String)> {
    let mut all = vec![
        (PG_CATALOG_OID, "pg_catalog".to_owned()),
        (99, "pg_toast".to_owned()),
        (INFORMATION_SCHEMA_OID, "information_schema".to_owned()),
    ];
    for (oid, name) in ctx.env.schemas() {
        if !all.iter().any(|(_, n)| *n == name) {
            all.push((oid, name));
        }
    }
    all
}

/// Makes rows of one catalog by the names of its columns.
#[derive(Debug)]
pub struct Filler {
    columns: HashMap<&'static str, usize>,
    blank: Row,
}

impl Filler {
    /// For the relation of that name.
    pub fn new(schema: &str, name: &str) -> Self {
        let Some(table) = find(Some(schema), name) else { return Self { columns: HashMap::new(), blank: Vec::new() } };
        let blank = table.columns().iter().map(|c| if c.not_null { zero(c.ty) } else { Datum::Null }).collect();
        let columns = table.columns().iter().enumerate().map(|(at, c)| (c.name, at)).collect();
        Self { columns, blank }
    }

    /// A row with these columns set.
    pub fn row<const N: usize>(&self, values: [(&str, Datum); N]) -> Row {
        let mut row = self.blank.clone();
        for (name, value) in values {
            debug_assert!(self.columns.contains_key(name), "no column {name}");
            if let Some(at) = self.columns.get(name) {
                row[*at] = value;
            }
        }
        row
    }
}

fn zero(ty: SqlType) -> Datum {
    if ty.array {
        return Datum::array(ty.base, Vec::new());
    }
    match ty.base {
        Base::Bool => Datum::Bool(false),
        Base::Int2 => Datum::Int2(0),
        Base::Int4 => Datum::Int4(0),
        Base::Int8 => Datum::Int8(0),
        Base::Float4 => Datum::Float4(0.0),
        Base::Float8 => Datum::Float8(0.0),
        Base::Oid | Base::Xid | Base::RegProc | Base::RegClass | Base::RegType | Base::RegNamespace => Datum::Oid(0),
        Base::Int2Vector => Datum::vector(Base::Int2, Vec::new()),
        Base::OidVector => Datum::vector(Base::Oid, Vec::new()),
        _ => Datum::text(""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_parse() {
        let class = find(None, "pg_class").unwrap();
        assert_eq!(class.columns().len(), 33);
        assert_eq!(class.columns()[1].ty, SqlType::from(Base::Name));
        assert!(find(Some("public"), "pg_class").is_none());
    }
}
