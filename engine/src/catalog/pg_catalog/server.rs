//! Catalogs of the server itself: databases, roles, settings, sessions.

use super::{Filler, PG_CATALOG_OID, schemas};
use crate::evaluate::context::{Context, Row};
use crate::evaluate::datum::{Datum, Interval};
use crate::types::Base;

fn text(value: &str) -> Datum {
    Datum::text(value)
}

/// The rows of `pg_namespace`.
pub fn pg_namespace(ctx: &Context<'_>) -> Vec<Row> {
    let filler = Filler::new("pg_catalog", "pg_namespace");
    let owner = ctx.owner_oid();
    let row = |(oid, name): (u32, String)| {
        filler.row([("oid", Datum::Oid(oid)), ("nspname", Datum::text(name)), ("nspowner", Datum::Oid(owner))])
    };
    schemas(ctx).into_iter().map(row).collect()
}

/// The rows of `pg_database`.
pub fn pg_database(ctx: &Context<'_>) -> Vec<Row> {
    let filler = Filler::new("pg_catalog", "pg_database");
    let owner = ctx.owner_oid();
    ctx.env
        .databases()
        .into_iter()
        .map(|(oid, name)| {
            filler.row([
                ("oid", Datum::Oid(oid)),
                ("datname", Datum::text(name)),
                ("datdba", Datum::Oid(owner)),
                ("encoding", Datum::Int4(6)),
                ("datlocprovider", text("c")),
                ("datallowconn", Datum::Bool(true)),
                ("datconnlimit", Datum::Int4(-1)),
                ("dattablespace", Datum::Oid(1663)),
                ("datcollate", text("C.UTF-8")),
                ("datctype", text("C.UTF-8")),
            ])
        })
        .collect()
}

/// The rows of `pg_roles`.
pub fn pg_roles(ctx: &Context<'_>) -> Vec<Row> {
    let filler = Filler::new("pg_catalog", "pg_roles");
    let yes = || Datum::Bool(true);
    let row = |(oid, name): (u32, String)| {
        filler.row([
            ("rolname", Datum::text(name)),
            ("rolsuper", yes()),
            ("rolinherit", yes()),
            ("rolcreaterole", yes()),
            ("rolcreatedb", yes()),
            ("rolcanlogin", yes()),
            ("rolreplication", yes()),
            ("rolconnlimit", Datum::Int4(-1)),
            ("rolpassword", text("********")),
            ("rolbypassrls", yes()),
            ("oid", Datum::Oid(oid)),
        ])
    };
    ctx.env.roles().into_iter().map(row).collect()
}

/// The rows of `pg_user`.
pub fn pg_user(ctx: &Context<'_>) -> Vec<Row> {
    let filler = Filler::new("pg_catalog", "pg_user");
    let yes = || Datum::Bool(true);
    let row = |(oid, name): (u32, String)| {
        filler.row([
            ("usename", Datum::text(name)),
            ("usesysid", Datum::Oid(oid)),
            ("usecreatedb", yes()),
            ("usesuper", yes()),
            ("userepl", yes()),
            ("usebypassrls", yes()),
            ("passwd", text("********")),
        ])
    };
    ctx.env.roles().into_iter().map(row).collect()
}

/// The rows of `pg_settings`.
pub fn pg_settings(ctx: &Context<'_>) -> Vec<Row> {
    let filler = Filler::new("pg_catalog", "pg_settings");
    let mut settings = ctx.env.settings();
    settings.sort_by_key(|s| s.name.to_lowercase());
    settings
        .into_iter()
        .map(|s| {
            let changed = s.value != s.default;
            filler.row([
                ("name", Datum::text(s.name)),
                ("setting", Datum::text(s.value)),
                ("unit", Datum::optional(s.unit)),
                ("category", text("Client Connection Defaults / Statement Behavior")),
                ("short_desc", Datum::text(s.description)),
                ("context", Datum::text(s.context)),
                ("vartype", Datum::text(s.kind)),
                ("source", text(if changed { "session" } else { "default" })),
                ("min_val", Datum::optional(s.min)),
                ("max_val", Datum::optional(s.max)),
                (
                    "enumvals",
                    s.choices.map_or(Datum::Null, |c| Datum::array(Base::Text, c.into_iter().map(Datum::text).collect())),
                ),
                ("boot_val", Datum::text(s.default.clone())),
                ("reset_val", Datum::text(s.default)),
                ("pending_restart", Datum::Bool(false)),
            ])
        })
        .collect()
}

/// The rows of `pg_stat_activity`.
pub fn pg_stat_activity(ctx: &Context<'_>) -> Vec<Row> {
    let filler = Filler::new("pg_catalog", "pg_stat_activity");
    let moment = |us: Option<i64>| us.map_or(Datum::Null, Datum::Timestamptz);
    let databases = ctx.env.databases();
    ctx.env
        .activity()
        .into_iter()
        .map(|a| {
            let database = databases.iter().find(|(_, n)| *n == a.database).map_or(Datum::Null, |(oid, _)| Datum::Oid(*oid));
            let role = ctx.role_oid(&a.user).map_or(Datum::Null, Datum::Oid);
            let active = a.state == "active";
            filler.row([
                ("datid", database),
                ("datname", Datum::text(a.database)),
                ("pid", Datum::Int4(a.pid)),
                ("usesysid", role),
                ("usename", Datum::text(a.user)),
                ("application_name", Datum::text(a.application)),
                ("client_addr", Datum::optional(a.client_address)),
                ("client_port", a.client_port.map_or(Datum::Int4(-1), Datum::Int4)),
                ("backend_start", moment(a.backend_start)),
                ("xact_start", moment(a.transaction_start)),
                ("query_start", moment(a.query_start)),
                ("state_change", moment(a.state_change)),
                ("wait_event_type", if active { Datum::Null } else { text("Client") }),
                ("wait_event", if active { Datum::Null } else { text("ClientRead") }),
                ("state", Datum::text(a.state)),
                ("query", Datum::text(a.query)),
                ("backend_type", text("client backend")),
            ])
        })
        .collect()
}

/// The rows of `pg_stat_progress_copy`. A client does not say how much it will send.
pub fn pg_stat_progress_copy(ctx: &Context<'_>) -> Vec<Row> {
    let filler = Filler::new("pg_catalog", "pg_stat_progress_copy");
    let databases = ctx.env.databases();
    let number = |count: u64| Datum::Int8(i64::try_from(count).unwrap_or(i64::MAX));
    let row = |a: crate::evaluate::ActivityRow| {
        let (relation, bytes, rows) = a.copy?;
        let database = databases.iter().find(|(_, n)| *n == a.database).map_or(Datum::Null, |(oid, _)| Datum::Oid(*oid));
        Some(filler.row([
            ("pid", Datum::Int4(a.pid)),
            ("datid", database),
            ("datname", Datum::text(a.database)),
            ("relid", Datum::Oid(relation)),
            ("command", text("COPY FROM")),
            ("type", text("PIPE")),
            ("bytes_processed", number(bytes)),
            ("bytes_total", number(0)),
            ("tuples_processed", number(rows)),
            ("tuples_excluded", number(0)),
        ]))
    };
    ctx.env.activity().into_iter().filter_map(row).collect()
}

/// The rows of `pg_stat_database`.
pub fn pg_stat_database(ctx: &Context<'_>) -> Vec<Row> {
    let filler = Filler::new("pg_catalog", "pg_stat_database");
    let activity = ctx.env.activity();
    ctx.env
        .databases()
        .into_iter()
        .map(|(oid, name)| {
            let sessions = activity.iter().filter(|a| a.database == name).count();
            filler.row([
                ("datid", Datum::Oid(oid)),
                ("datname", Datum::text(name)),
                ("numbackends", Datum::Int4(i32::try_from(sessions).unwrap_or(i32::MAX))),
            ])
        })
        .collect()
}

/// The rows of `pg_tablespace`.
pub fn pg_tablespace(ctx: &Context<'_>) -> Vec<Row> {
    let filler = Filler::new("pg_catalog", "pg_tablespace");
    [(1663, "pg_default"), (1664, "pg_global")]
        .into_iter()
        .map(|(oid, name)| {
            filler.row([("oid", Datum::Oid(oid)), ("spcname", text(name)), ("spcowner", Datum::Oid(ctx.owner_oid()))])
        })
        .collect()
}

/// The rows of `pg_am`.
pub fn pg_am(_: &Context<'_>) -> Vec<Row> {
    let filler = Filler::new("pg_catalog", "pg_am");
    [(2, "heap", "t"), (403, "btree", "i"), (405, "hash", "i")]
        .into_iter()
        .map(|(oid, name, kind)| filler.row([("oid", Datum::Oid(oid)), ("amname", text(name)), ("amtype", text(kind))]))
        .collect()
}

/// The rows of `pg_language`.
pub fn pg_language(ctx: &Context<'_>) -> Vec<Row> {
    let filler = Filler::new("pg_catalog", "pg_language");
    [(12, "internal"), (14, "sql")]
        .into_iter()
        .map(|(oid, name)| {
            filler.row([
                ("oid", Datum::Oid(oid)),
                ("lanname", text(name)),
                ("lanowner", Datum::Oid(ctx.owner_oid())),
                ("lanpltrusted", Datum::Bool(name == "sql")),
            ])
        })
        .collect()
}

/// The rows of `pg_collation`.
pub fn pg_collation(ctx: &Context<'_>) -> Vec<Row> {
    let filler = Filler::new("pg_catalog", "pg_collation");
    [(100, "default", "d", -1), (950, "C", "c", -1), (951, "POSIX", "c", -1), (12_340, "ucs_basic", "c", 6)]
        .into_iter()
        .map(|(oid, name, provider, encoding)| {
            let locale = match name {
                "default" => Datum::Null,
                "ucs_basic" => text("C"),
                name => text(name),
            };
            filler.row([
                ("oid", Datum::Oid(oid)),
                ("collname", text(name)),
                ("collnamespace", Datum::Oid(PG_CATALOG_OID)),
                ("collowner", Datum::Oid(ctx.owner_oid())),
                ("collprovider", text(provider)),
                ("collisdeterministic", Datum::Bool(true)),
                ("collencoding", Datum::Int4(encoding)),
                ("collcollate", locale.clone()),
                ("collctype", locale),
            ])
        })
        .collect()
}

/// The rows of `pg_shdescription`: none, but the relation is joined often.
pub fn pg_shdescription(_: &Context<'_>) -> Vec<Row> {
    Vec::new()
}

/// The rows of `pg_extension`.
pub fn pg_extension(_: &Context<'_>) -> Vec<Row> {
    Vec::new()
}

/// The rows of `pg_timezone_names`.
pub fn pg_timezone_names(ctx: &Context<'_>) -> Vec<Row> {
    use chrono::{Offset, TimeZone};
    use chrono_tz::OffsetComponents;
    let filler = Filler::new("pg_catalog", "pg_timezone_names");
    let now = chrono::DateTime::from_timestamp_micros(ctx.env.transaction_time()).unwrap_or_default().naive_utc();
    chrono_tz::TZ_VARIANTS
        .iter()
        .map(|zone| {
            let offset = zone.offset_from_utc_datetime(&now);
            let us = i64::from(offset.fix().local_minus_utc()) * 1_000_000;
            filler.row([
                ("name", text(zone.name())),
                ("abbrev", Datum::text(offset.to_string())),
                ("utc_offset", Datum::Interval(Interval { months: 0, days: 0, us })),
                ("is_dst", Datum::Bool(!offset.dst_offset().is_zero())),
            ])
        })
        .collect()
}
