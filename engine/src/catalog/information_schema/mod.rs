//! `information_schema`: the standard's view of the same objects. Its relations and their columns are listed with
//! those of `pg_catalog`; the rows are made here.

use crate::catalog::pg_catalog::{self, Filler, Rows, relations::keys};
use crate::evaluate::context::{Context, Row};
use crate::evaluate::datum::Datum;
use crate::types::{Base, SqlType};

/// What makes the rows of a relation; `None` where there are none.
pub fn rows_of(name: &str) -> Option<Rows> {
    Some(match name {
        "tables" => tables,
        "columns" => columns,
        "views" => views,
        "schemata" => schemata,
        "table_constraints" => table_constraints,
        "key_column_usage" => key_column_usage,
        "constraint_column_usage" => constraint_column_usage,
        "character_sets" => character_sets,
        "enabled_roles" => enabled_roles,
        "information_schema_catalog_name" => information_schema_catalog_name,
        "role_table_grants" | "table_privileges" => role_table_grants,
        _ => return None,
    })
}

fn text(value: &str) -> Datum {
    Datum::text(value)
}

fn yes(value: bool) -> Datum {
    text(if value { "YES" } else { "NO" })
}

fn database(ctx: &Context<'_>) -> Datum {
    text(ctx.env.current_database())
}

fn tables(ctx: &Context<'_>) -> Vec<Row> {
    let filler = Filler::new("information_schema", "tables");
    let row = |schema: &str, name: &str, kind: &str, insertable: bool| {
        filler.row([
            ("table_catalog", database(ctx)),
            ("table_schema", text(schema)),
            ("table_name", text(name)),
            ("table_type", text(kind)),
            ("is_insertable_into", yes(insertable)),
            ("is_typed", yes(false)),
        ])
    };
    let kind = |k: char| if k == 'r' { "BASE TABLE" } else { "VIEW" };
    let catalogs = pg_catalog::all().iter().map(|t| row(t.schema, t.name, kind(t.kind), t.kind == 'r'));
    let users = ctx.relations().iter().map(|r| {
        let kind = if r.temporary { "LOCAL TEMPORARY" } else { kind(r.kind) };
        row(&r.schema, &r.name, kind, r.kind == 'r')
    });
    catalogs.chain(users).collect()
}

/// One column; `relation` is its schema and name.
struct Described<'a> {
    relation: (&'a str, &'a str),
    name: &'a str,
    number: usize,
    ty: SqlType,
    nullable: bool,
    default: Option<&'a str>,
    updatable: bool,
}

fn column(filler: &Filler, ctx: &Context<'_>, c: &Described<'_>) -> Row {
    let t = c.ty;
    let int = |v: i32| Datum::Int4(v);
    let none = || Datum::Null;
    let length = match t.base {
        Base::Varchar | Base::Bpchar if t.typmod >= 4 && !t.array => Some(t.typmod - 4),
        _ => None,
    };
    let octets = match t.base {
        _ if t.array => none(),
        Base::Text | Base::Varchar | Base::Bpchar => int(length.map_or(1_073_741_824, |l| l.saturating_mul(4))),
        _ => none(),
    };
    let (precision, radix, scale) = match t.base {
        _ if t.array => (none(), none(), none()),
        Base::Int2 => (int(16), int(2), int(0)),
        Base::Int4 => (int(32), int(2), int(0)),
        Base::Int8 => (int(64), int(2), int(0)),
        Base::Float4 => (int(24), int(2), none()),
        Base::Float8 => (int(53), int(2), none()),
        Base::Numeric => match t.precision_scale() {
            Some((p, s)) => (int(p.into()), int(10), int(s.into())),
            None => (none(), int(10), none()),
        },
        _ => (none(), none(), none()),
    };
    let moment = match t.base {
        _ if t.array => none(),
        Base::Date => int(0),
        Base::Time | Base::Timestamp | Base::Timestamptz | Base::Interval => int(if t.typmod < 0 { 6 } else { t.typmod }),
        _ => none(),
    };
    let data_type = match t.base {
        _ if t.array => "ARRAY".to_owned(),
        Base::Bpchar => "character".to_owned(),
        base => base.row().sql_name.to_owned(),
    };
    let udt = if t.array { format!("_{}", t.base.row().name) } else { t.base.row().name.to_owned() };
    let no_zone_in_name = data_type;
    filler.row([
        ("table_catalog", database(ctx)),
        ("table_schema", text(c.relation.0)),
        ("table_name", text(c.relation.1)),
        ("column_name", text(c.name)),
        ("ordinal_position", int(i32::try_from(c.number).unwrap_or(i32::MAX))),
        ("column_default", Datum::optional(c.default)),
        ("is_nullable", yes(c.nullable)),
        ("data_type", Datum::text(no_zone_in_name)),
        ("character_maximum_length", length.map_or(Datum::Null, Datum::Int4)),
        ("character_octet_length", octets),
        ("numeric_precision", precision),
        ("numeric_precision_radix", radix),
        ("numeric_scale", scale),
        ("datetime_precision", moment),
        ("udt_catalog", database(ctx)),
        ("udt_schema", text("pg_catalog")),
        ("udt_name", Datum::text(udt)),
        ("dtd_identifier", Datum::text(c.number.to_string())),
        ("is_self_referencing", yes(false)),
        ("is_identity", yes(false)),
        ("identity_cycle", yes(false)),
        ("is_generated", text("NEVER")),
        ("is_updatable", yes(c.updatable)),
    ])
}

fn columns(ctx: &Context<'_>) -> Vec<Row> {
    let filler = Filler::new("information_schema", "columns");
    let mut rows = Vec::new();
    for table in pg_catalog::all() {
        for (at, c) in table.columns().iter().enumerate() {
            rows.push(column(
                &filler,
                ctx,
                &Described {
                    relation: (table.schema, table.name),
                    name: c.name,
                    number: at + 1,
                    ty: c.ty,
                    nullable: !c.not_null,
                    default: None,
                    updatable: table.kind == 'r',
                },
            ));
        }
    }
    for relation in ctx.relations() {
        for (at, c) in relation.columns.iter().enumerate() {
            rows.push(column(
                &filler,
                ctx,
                &Described {
                    relation: (&relation.schema, &relation.name),
                    name: &c.name,
                    number: at + 1,
                    ty: c.sql_type,
                    nullable: c.nullable,
                    default: c.default.as_deref(),
                    updatable: relation.kind == 'r',
                },
            ));
        }
    }
    rows
}

fn views(ctx: &Context<'_>) -> Vec<Row> {
    let filler = Filler::new("information_schema", "views");
    let row = |schema: &str, name: &str, definition: Datum| {
        filler.row([
            ("table_catalog", database(ctx)),
            ("table_schema", text(schema)),
            ("table_name", text(name)),
            ("view_definition", definition),
            ("check_option", text("NONE")),
            ("is_updatable", yes(false)),
            ("is_insertable_into", yes(false)),
            ("is_trigger_updatable", yes(false)),
            ("is_trigger_deletable", yes(false)),
            ("is_trigger_insertable_into", yes(false)),
        ])
    };
    let catalogs = pg_catalog::all().iter().filter(|t| t.kind == 'v').map(|t| row(t.schema, t.name, Datum::Null));
    let users = ctx.relations().iter().filter(|r| r.kind == 'v');
    catalogs.chain(users.map(|r| row(&r.schema, &r.name, Datum::optional(r.definition.clone())))).collect()
}

fn schemata(ctx: &Context<'_>) -> Vec<Row> {
    let filler = Filler::new("information_schema", "schemata");
    let owner = ctx.env.roles().into_iter().next().map_or_else(String::new, |(_, n)| n);
    pg_catalog::schemas(ctx)
        .into_iter()
        .map(|(_, name)| {
            filler.row([("catalog_name", database(ctx)), ("schema_name", Datum::text(name)), ("schema_owner", text(&owner))])
        })
        .collect()
}

fn table_constraints(ctx: &Context<'_>) -> Vec<Row> {
    let filler = Filler::new("information_schema", "table_constraints");
    let mut rows = Vec::new();
    for r in ctx.relations() {
        let row = |name: &str, kind: &str, nulls_distinct: Datum| {
            filler.row([
                ("constraint_catalog", database(ctx)),
                ("constraint_schema", text(&r.schema)),
                ("constraint_name", text(name)),
                ("table_catalog", database(ctx)),
                ("table_schema", text(&r.schema)),
                ("table_name", text(&r.name)),
                ("constraint_type", text(kind)),
                ("is_deferrable", yes(false)),
                ("initially_deferred", yes(false)),
                ("enforced", yes(true)),
                ("nulls_distinct", nulls_distinct),
            ])
        };
        for (key, primary) in keys(r) {
            rows.push(if primary { row(&key.name, "PRIMARY KEY", Datum::Null) } else { row(&key.name, "UNIQUE", yes(true)) });
        }
        for (at, _) in r.columns.iter().enumerate().filter(|(_, c)| !c.nullable) {
            let schema = ctx.schema_oid(&r.schema).unwrap_or(0);
            rows.push(row(&format!("{schema}_{}_{}_not_null", r.oid, at + 1), "CHECK", Datum::Null));
        }
    }
    rows
}

fn key_column_usage(ctx: &Context<'_>) -> Vec<Row> {
    let filler = Filler::new("information_schema", "key_column_usage");
    let mut rows = Vec::new();
    for r in ctx.relations() {
        for (key, _) in keys(r) {
            for (number, column) in key.columns.iter().filter_map(|c| r.columns.get(*c)).enumerate() {
                rows.push(filler.row([
                    ("constraint_catalog", database(ctx)),
                    ("constraint_schema", text(&r.schema)),
                    ("constraint_name", text(&key.name)),
                    ("table_catalog", database(ctx)),
                    ("table_schema", text(&r.schema)),
                    ("table_name", text(&r.name)),
                    ("column_name", text(&column.name)),
                    ("ordinal_position", Datum::Int4(i32::try_from(number + 1).unwrap_or(i32::MAX))),
                ]));
            }
        }
    }
    rows
}

fn constraint_column_usage(ctx: &Context<'_>) -> Vec<Row> {
    let filler = Filler::new("information_schema", "constraint_column_usage");
    let mut rows = Vec::new();
    for r in ctx.relations() {
        for (key, _) in keys(r) {
            for column in key.columns.iter().filter_map(|c| r.columns.get(*c)) {
                rows.push(filler.row([
                    ("table_catalog", database(ctx)),
                    ("table_schema", text(&r.schema)),
                    ("table_name", text(&r.name)),
                    ("column_name", text(&column.name)),
                    ("constraint_catalog", database(ctx)),
                    ("constraint_schema", text(&r.schema)),
                    ("constraint_name", text(&key.name)),
                ]));
            }
        }
    }
    rows
}

fn character_sets(ctx: &Context<'_>) -> Vec<Row> {
    let filler = Filler::new("information_schema", "character_sets");
    vec![filler.row([
        ("character_set_name", text("UTF8")),
        ("character_repertoire", text("UCS")),
        ("form_of_use", text("UTF8")),
        ("default_collate_catalog", database(ctx)),
        ("default_collate_schema", text("pg_catalog")),
        ("default_collate_name", text("default")),
    ])]
}

fn enabled_roles(ctx: &Context<'_>) -> Vec<Row> {
    ctx.env.roles().into_iter().map(|(_, name)| vec![Datum::text(name)]).collect()
}

fn information_schema_catalog_name(ctx: &Context<'_>) -> Vec<Row> {
    vec![vec![database(ctx)]]
}

fn role_table_grants(ctx: &Context<'_>) -> Vec<Row> {
    let filler = Filler::new("information_schema", "role_table_grants");
    let mut rows = Vec::new();
    for r in ctx.relations() {
        for privilege in ["INSERT", "SELECT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"] {
            rows.push(filler.row([
                ("grantor", text(&r.owner)),
                ("grantee", text(&r.owner)),
                ("table_catalog", database(ctx)),
                ("table_schema", text(&r.schema)),
                ("table_name", text(&r.name)),
                ("privilege_type", text(privilege)),
                ("is_grantable", yes(true)),
                ("with_hierarchy", yes(privilege == "SELECT")),
            ]));
        }
    }
    rows
}
