//! Catalogs of relations: tables, views, their columns, keys and comments. The catalogs are relations too.

use std::sync::LazyLock;

use super::{Filler, INFORMATION_SCHEMA_OID, PG_CATALOG_OID, all};
use crate::evaluate::context::{Context, Row};
use crate::evaluate::datum::Datum;
use crate::evaluate::environment::{KeyInfo, RelationInfo};
use crate::evaluate::function::string::quote_ident;
use crate::types::{Base, SqlType};

/// `pg_class.oid` of `pg_class` itself, for comments.
pub const PG_CLASS_OID: u32 = 1259;
/// `pg_am.oid` of the only kind of table.
const HEAP: u32 = 2;
/// `pg_am.oid` of the only kind of index.
const BTREE: u32 = 403;

fn text(value: &str) -> Datum {
    Datum::text(value)
}

fn schema_oid(schema: &str, ctx: &Context<'_>) -> u32 {
    ctx.schema_oid(schema).unwrap_or(0)
}

/// The keys of a relation, the primary one first.
pub fn keys(relation: &RelationInfo) -> impl Iterator<Item = (&KeyInfo, bool)> {
    relation.primary_key.iter().map(|k| (k, true)).chain(relation.unique_keys.iter().map(|k| (k, false)))
}

/// A key's columns as attribute numbers.
fn attributes(key: &KeyInfo) -> Vec<Datum> {
    key.columns.iter().map(|c| Datum::Int2(i16::try_from(c + 1).unwrap_or(i16::MAX))).collect()
}

/// The rows of `pg_class`.
pub fn pg_class(ctx: &Context<'_>) -> Vec<Row> {
    let filler = Filler::new("pg_catalog", "pg_class");
    let owner = ctx.owner_oid();
    let mut rows = Vec::new();
    for table in all() {
        let schema = if table.schema == "pg_catalog" { PG_CATALOG_OID } else { INFORMATION_SCHEMA_OID };
        let is_table = table.kind == 'r';
        rows.push(filler.row([
            ("oid", Datum::Oid(table.oid)),
            ("relname", text(table.name)),
            ("relnamespace", Datum::Oid(schema)),
            ("relowner", Datum::Oid(owner)),
            ("relam", Datum::Oid(if is_table { HEAP } else { 0 })),
            ("reltuples", Datum::Float4(-1.0)),
            ("relpersistence", text("p")),
            ("relkind", Datum::text(table.kind.to_string())),
            ("relnatts", Datum::Int2(i16::try_from(table.columns().len()).unwrap_or(i16::MAX))),
            ("relhasrules", Datum::Bool(!is_table)),
            ("relispopulated", Datum::Bool(true)),
            ("relreplident", text("n")),
        ]));
    }
    for relation in ctx.relations() {
        let schema = schema_oid(&relation.schema, ctx);
        let own = ctx.role_oid(&relation.owner).unwrap_or(owner);
        let is_table = relation.kind == 'r';
        let persistence = if relation.temporary { "t" } else { "p" };
        rows.push(filler.row([
            ("oid", Datum::Oid(relation.oid)),
            ("relname", text(&relation.name)),
            ("relnamespace", Datum::Oid(schema)),
            ("relowner", Datum::Oid(own)),
            ("relam", Datum::Oid(if is_table { HEAP } else { 0 })),
            ("relfilenode", Datum::Oid(if is_table { relation.oid } else { 0 })),
            ("reltuples", Datum::Float4(if is_table { relation.rows as f32 } else { -1.0 })),
            ("relhasindex", Datum::Bool(keys(relation).next().is_some())),
            ("relpersistence", text(persistence)),
            ("relkind", Datum::text(relation.kind.to_string())),
            ("relnatts", Datum::Int2(i16::try_from(relation.columns.len()).unwrap_or(i16::MAX))),
            ("relhasrules", Datum::Bool(!is_table)),
            ("relispopulated", Datum::Bool(true)),
            ("relreplident", text(if is_table { "d" } else { "n" })),
        ]));
        for (key, _) in keys(relation) {
            rows.push(filler.row([
                ("oid", Datum::Oid(key.index_oid)),
                ("relname", text(&key.name)),
                ("relnamespace", Datum::Oid(schema)),
                ("relowner", Datum::Oid(own)),
                ("relam", Datum::Oid(BTREE)),
                ("relfilenode", Datum::Oid(key.index_oid)),
                ("reltuples", Datum::Float4(relation.rows as f32)),
                ("relpersistence", text(persistence)),
                ("relkind", text("i")),
                ("relnatts", Datum::Int2(i16::try_from(key.columns.len()).unwrap_or(i16::MAX))),
                ("relispopulated", Datum::Bool(true)),
                ("relreplident", text("n")),
            ]));
        }
    }
    rows
}

/// Alignment and storage of a type, as `pg_type` has them.
fn layout(ty: SqlType) -> (bool, &'static str, &'static str) {
    let length = if ty.array { -1 } else { ty.base.row().length };
    match length {
        1 => (true, "c", "p"),
        2 => (true, "s", "p"),
        4 => (true, "i", "p"),
        8 => (true, "d", "p"),
        -1 if !ty.array && ty.base == Base::Numeric => (false, "i", "m"),
        // An array is aligned as its elements are.
        -1 if ty.array && matches!(ty.base.row().length, 8 | 16) && ty.base != Base::Uuid => (false, "d", "x"),
        -1 => (false, "i", "x"),
        64 | 16 if ty.base != Base::Interval => (false, "c", "p"),
        _ => (false, "d", "p"),
    }
}

fn collation(ty: SqlType) -> u32 {
    match ty.base {
        Base::Text | Base::Varchar | Base::Bpchar => 100,
        Base::Name | Base::NodeTree => 950,
        _ => 0,
    }
}

fn attribute(filler: &Filler, relation: u32, number: usize, name: &str, ty: SqlType, not_null: bool, has_default: bool) -> Row {
    let (by_value, align, storage) = layout(ty);
    filler.row([
        ("attrelid", Datum::Oid(relation)),
        ("attname", text(name)),
        ("atttypid", Datum::Oid(ty.oid())),
        ("attstattarget", Datum::Int4(-1)),
        ("attlen", Datum::Int2(if ty.array { -1 } else { ty.base.row().length })),
        ("attnum", Datum::Int2(i16::try_from(number).unwrap_or(i16::MAX))),
        ("attndims", Datum::Int4(i32::from(ty.array))),
        ("attcacheoff", Datum::Int4(-1)),
        ("atttypmod", Datum::Int4(ty.typmod)),
        ("attbyval", Datum::Bool(by_value)),
        ("attalign", text(align)),
        ("attstorage", text(storage)),
        ("attnotnull", Datum::Bool(not_null)),
        ("atthasdef", Datum::Bool(has_default)),
        ("attislocal", Datum::Bool(true)),
        ("attcollation", Datum::Oid(collation(ty))),
    ])
}

static CATALOG_ATTRIBUTES: LazyLock<Vec<Row>> = LazyLock::new(|| {
    let filler = Filler::new("pg_catalog", "pg_attribute");
    all()
        .iter()
        .flat_map(|t| t.columns().iter().enumerate().map(move |(at, c)| (t, at, c)))
        .map(|(t, at, c)| attribute(&filler, t.oid, at + 1, c.name, c.ty, c.not_null, false))
        .collect()
});

/// The rows of `pg_attribute`.
pub fn pg_attribute(ctx: &Context<'_>) -> Vec<Row> {
    let filler = Filler::new("pg_catalog", "pg_attribute");
    let mut rows = CATALOG_ATTRIBUTES.clone();
    for relation in ctx.relations() {
        for (at, column) in relation.columns.iter().enumerate() {
            rows.push(attribute(
                &filler,
                relation.oid,
                at + 1,
                &column.name,
                column.sql_type,
                !column.nullable,
                column.default.is_some(),
            ));
        }
        for (key, _) in keys(relation) {
            for (at, column) in key.columns.iter().enumerate() {
                if let Some(column) = relation.columns.get(*column) {
                    rows.push(attribute(&filler, key.index_oid, at + 1, &column.name, column.sql_type, false, false));
                }
            }
        }
    }
    rows
}

/// The rows of `pg_attrdef`.
pub fn pg_attrdef(ctx: &Context<'_>) -> Vec<Row> {
    let filler = Filler::new("pg_catalog", "pg_attrdef");
    let mut rows = Vec::new();
    for relation in ctx.relations() {
        for (at, column) in relation.columns.iter().enumerate() {
            if let Some(default) = &column.default {
                rows.push(filler.row([
                    // Distinct from every other identifier of this catalog; nothing refers to it.
                    ("oid", Datum::Oid(relation.oid.wrapping_mul(2048).wrapping_add(at as u32) | 0x8000_0000)),
                    ("adrelid", Datum::Oid(relation.oid)),
                    ("adnum", Datum::Int2(i16::try_from(at + 1).unwrap_or(i16::MAX))),
                    ("adbin", text(default)),
                ]));
            }
        }
    }
    rows
}

/// The rows of `pg_index`.
pub fn pg_index(ctx: &Context<'_>) -> Vec<Row> {
    let filler = Filler::new("pg_catalog", "pg_index");
    let mut rows = Vec::new();
    for relation in ctx.relations() {
        for (key, primary) in keys(relation) {
            let count = i16::try_from(key.columns.len()).unwrap_or(i16::MAX);
            let zeros = |base: Base| vec![if base == Base::Int2 { Datum::Int2(0) } else { Datum::Oid(0) }; key.columns.len()];
            rows.push(filler.row([
                ("indexrelid", Datum::Oid(key.index_oid)),
                ("indrelid", Datum::Oid(relation.oid)),
                ("indnatts", Datum::Int2(count)),
                ("indnkeyatts", Datum::Int2(count)),
                ("indisunique", Datum::Bool(true)),
                ("indisprimary", Datum::Bool(primary)),
                ("indimmediate", Datum::Bool(true)),
                ("indisvalid", Datum::Bool(true)),
                ("indisready", Datum::Bool(true)),
                ("indislive", Datum::Bool(true)),
                ("indkey", Datum::vector(Base::Int2, attributes(key))),
                ("indcollation", Datum::vector(Base::Oid, zeros(Base::Oid))),
                ("indclass", Datum::vector(Base::Oid, zeros(Base::Oid))),
                ("indoption", Datum::vector(Base::Int2, zeros(Base::Int2))),
            ]));
        }
    }
    rows
}

/// The rows of `pg_constraint`.
pub fn pg_constraint(ctx: &Context<'_>) -> Vec<Row> {
    let filler = Filler::new("pg_catalog", "pg_constraint");
    let mut rows = Vec::new();
    for relation in ctx.relations() {
        for (key, primary) in keys(relation) {
            rows.push(filler.row([
                ("oid", Datum::Oid(key.constraint_oid)),
                ("conname", text(&key.name)),
                ("connamespace", Datum::Oid(schema_oid(&relation.schema, ctx))),
                ("contype", text(if primary { "p" } else { "u" })),
                ("convalidated", Datum::Bool(true)),
                ("conrelid", Datum::Oid(relation.oid)),
                ("conindid", Datum::Oid(key.index_oid)),
                ("confupdtype", text(" ")),
                ("confdeltype", text(" ")),
                ("confmatchtype", text(" ")),
                ("conislocal", Datum::Bool(true)),
                ("connoinherit", Datum::Bool(true)),
                ("conkey", Datum::array(Base::Int2, attributes(key))),
            ]));
        }
    }
    rows
}

/// The rows of `pg_description`.
pub fn pg_description(ctx: &Context<'_>) -> Vec<Row> {
    let filler = Filler::new("pg_catalog", "pg_description");
    let row = |oid: u32, number: usize, comment: &str| {
        filler.row([
            ("objoid", Datum::Oid(oid)),
            ("classoid", Datum::Oid(PG_CLASS_OID)),
            ("objsubid", Datum::Int4(i32::try_from(number).unwrap_or(i32::MAX))),
            ("description", text(comment)),
        ])
    };
    let mut rows = Vec::new();
    for relation in ctx.relations() {
        rows.extend(relation.comment.as_ref().map(|c| row(relation.oid, 0, c)));
        for (at, column) in relation.columns.iter().enumerate() {
            rows.extend(column.comment.as_ref().map(|c| row(relation.oid, at + 1, c)));
        }
    }
    rows
}

/// The rows of `pg_tables`.
pub fn pg_tables(ctx: &Context<'_>) -> Vec<Row> {
    let filler = Filler::new("pg_catalog", "pg_tables");
    let no = || Datum::Bool(false);
    let owner = ctx.env.roles().into_iter().next().map_or_else(String::new, |(_, n)| n);
    let row = |schema: &str, name: &str, owner: &str, indexed: bool| {
        filler.row([
            ("schemaname", text(schema)),
            ("tablename", text(name)),
            ("tableowner", text(owner)),
            ("hasindexes", Datum::Bool(indexed)),
            ("hasrules", no()),
            ("hastriggers", no()),
            ("rowsecurity", no()),
        ])
    };
    let catalogs = all().iter().filter(|t| t.kind == 'r').map(|t| row(t.schema, t.name, &owner, false));
    let users = ctx.relations().iter().filter(|r| r.kind == 'r');
    catalogs.chain(users.map(|r| row(&r.schema, &r.name, &r.owner, keys(r).next().is_some()))).collect()
}

/// The rows of `pg_views`.
pub fn pg_views(ctx: &Context<'_>) -> Vec<Row> {
    let filler = Filler::new("pg_catalog", "pg_views");
    let owner = ctx.env.roles().into_iter().next().map_or_else(String::new, |(_, n)| n);
    let row = |schema: &str, name: &str, owner: &str, definition: Datum| {
        filler.row([
            ("schemaname", text(schema)),
            ("viewname", text(name)),
            ("viewowner", text(owner)),
            ("definition", definition),
        ])
    };
    let catalogs = all().iter().filter(|t| t.kind == 'v').map(|t| row(t.schema, t.name, &owner, Datum::Null));
    let users = ctx.relations().iter().filter(|r| r.kind == 'v');
    catalogs.chain(users.map(|r| row(&r.schema, &r.name, &r.owner, Datum::optional(r.definition.clone())))).collect()
}

/// `CREATE UNIQUE INDEX …` of a key, its table with or without its schema.
pub fn index_definition(relation: &RelationInfo, key: &KeyInfo, with_schema: bool) -> String {
    let schema = if with_schema { format!("{}.", quote_ident(&relation.schema)) } else { String::new() };
    format!(
        "CREATE UNIQUE INDEX {} ON {schema}{} USING btree ({})",
        quote_ident(&key.name),
        quote_ident(&relation.name),
        key_columns(relation, key)
    )
}

/// A key's columns as a list of names.
pub fn key_columns(relation: &RelationInfo, key: &KeyInfo) -> String {
    let names: Vec<String> = key.columns.iter().filter_map(|c| relation.columns.get(*c)).map(|c| quote_ident(&c.name)).collect();
    names.join(", ")
}

/// The rows of `pg_indexes`.
pub fn pg_indexes(ctx: &Context<'_>) -> Vec<Row> {
    let filler = Filler::new("pg_catalog", "pg_indexes");
    ctx.relations()
        .iter()
        .flat_map(|r| keys(r).map(move |(k, _)| (r, k)))
        .map(|(r, k)| {
            filler.row([
                ("schemaname", text(&r.schema)),
                ("tablename", text(&r.name)),
                ("indexname", text(&k.name)),
                ("indexdef", Datum::text(index_definition(r, k, true))),
            ])
        })
        .collect()
}

/// The rows of `pg_rewrite`: a view's rule.
pub fn pg_rewrite(ctx: &Context<'_>) -> Vec<Row> {
    let filler = Filler::new("pg_catalog", "pg_rewrite");
    ctx.relations()
        .iter()
        .filter(|r| r.kind == 'v')
        .map(|r| {
            filler.row([
                ("oid", Datum::Oid(r.oid | 0x4000_0000)),
                ("rulename", text("_RETURN")),
                ("ev_class", Datum::Oid(r.oid)),
                ("ev_type", text("1")),
                ("ev_enabled", text("O")),
                ("is_instead", Datum::Bool(true)),
            ])
        })
        .collect()
}

/// The rows of `pg_stat_user_tables`.
pub fn pg_stat_user_tables(ctx: &Context<'_>) -> Vec<Row> {
    let filler = Filler::new("pg_catalog", "pg_stat_user_tables");
    let zero = || Datum::Int8(0);
    ctx.relations()
        .iter()
        .filter(|r| r.kind == 'r')
        .map(|r| {
            filler.row([
                ("relid", Datum::Oid(r.oid)),
                ("schemaname", text(&r.schema)),
                ("relname", text(&r.name)),
                ("seq_scan", zero()),
                ("seq_tup_read", zero()),
                ("n_tup_ins", zero()),
                ("n_tup_upd", zero()),
                ("n_tup_del", zero()),
                ("n_tup_hot_upd", zero()),
                ("n_live_tup", Datum::Int8(r.rows.max(0.0) as i64)),
                ("n_dead_tup", zero()),
                ("n_mod_since_analyze", zero()),
                ("n_ins_since_vacuum", zero()),
                ("vacuum_count", zero()),
                ("autovacuum_count", zero()),
                ("analyze_count", zero()),
                ("autoanalyze_count", zero()),
            ])
        })
        .collect()
}

/// The rows of `pg_stat_user_indexes`.
pub fn pg_stat_user_indexes(ctx: &Context<'_>) -> Vec<Row> {
    let filler = Filler::new("pg_catalog", "pg_stat_user_indexes");
    let zero = || Datum::Int8(0);
    ctx.relations()
        .iter()
        .flat_map(|r| keys(r).map(move |(k, _)| (r, k)))
        .map(|(r, k)| {
            filler.row([
                ("relid", Datum::Oid(r.oid)),
                ("indexrelid", Datum::Oid(k.index_oid)),
                ("schemaname", text(&r.schema)),
                ("relname", text(&r.name)),
                ("indexrelname", text(&k.name)),
                ("idx_scan", zero()),
                ("idx_tup_read", zero()),
                ("idx_tup_fetch", zero()),
            ])
        })
        .collect()
}
