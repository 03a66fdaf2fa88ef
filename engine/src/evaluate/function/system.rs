//! The server and the session.

use std::sync::Arc;

use super::{Call, Line, call, lax, set};
use crate::error::{Condition, Error, Result};
use crate::evaluate::datum::Datum;
use crate::types::numeric::Numeric;
use crate::types::{Base, SqlType};

/// The version of PostgreSQL whose behaviour this is.
pub const SERVER_VERSION: &str = "15.14";

/// What `version()` says.
pub fn version() -> String {
    format!(
        "PostgreSQL {SERVER_VERSION} (Warpwise {}) on {}-{}, compiled by rustc, 64-bit",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::ARCH,
        std::env::consts::OS
    )
}

fn t(value: impl Into<Arc<str>>) -> Result<Datum> {
    Ok(Datum::text(value))
}

fn yes(_: &Call<'_>, _: &[Datum]) -> Result<Datum> {
    Ok(Datum::Bool(true))
}

fn no(_: &Call<'_>, _: &[Datum]) -> Result<Datum> {
    Ok(Datum::Bool(false))
}

fn null(_: &Call<'_>, _: &[Datum]) -> Result<Datum> {
    Ok(Datum::Null)
}

fn void(_: &Call<'_>, _: &[Datum]) -> Result<Datum> {
    t("")
}

fn zero(_: &Call<'_>, _: &[Datum]) -> Result<Datum> {
    Ok(Datum::Int8(0))
}

/// The first schema of the path that exists.
fn current_schema(c: &Call<'_>, _: &[Datum]) -> Result<Datum> {
    let found = c.ctx.env.search_path().into_iter().find(|s| c.ctx.schema_oid(s).is_some());
    Ok(Datum::optional(found))
}

fn current_schemas(c: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    let mut path: Vec<String> = c.ctx.env.search_path().into_iter().filter(|s| c.ctx.schema_oid(s).is_some()).collect();
    if a[0].is_true() && !path.iter().any(|s| s == "pg_catalog") {
        path.insert(0, "pg_catalog".to_owned());
    }
    Ok(Datum::array(Base::Name, path.into_iter().map(Datum::text).collect()))
}

fn current_setting(c: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    match c.ctx.env.setting(a[0].str()) {
        Some(value) => t(value),
        None if a.get(1).is_some_and(Datum::is_true) => Ok(Datum::Null),
        None => Err(Error::new(Condition::UndefinedObject, format!("unrecognized configuration parameter \"{}\"", a[0].str()))),
    }
}

fn set_config(c: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    let Some(name) = a[0].as_str() else {
        return Err(Error::new(Condition::NullValueNotAllowed, "SET requires parameter name"));
    };
    t(c.ctx.env.set_setting(name, a[1].str(), a[2].is_true())?)
}

fn size_pretty(_: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    if let Datum::Numeric(n) = &a[0] {
        return Ok(n.to_i64().map_or(Datum::Null, |v| Datum::text(pretty(v))));
    }
    t(pretty(a[0].int()))
}

fn pretty(size: i64) -> String {
    // Each step divides by 1024; the last but one keeps one bit for rounding half away from zero.
    let limit = 10 * 1024;
    if size.unsigned_abs() < limit {
        return format!("{size} bytes");
    }
    let mut doubled = size >> 9;
    for unit in ["kB", "MB", "GB", "TB", "PB"] {
        if doubled.unsigned_abs() < 20 * 1024 - 1 || unit == "PB" {
            let rounded = if doubled < 0 { (doubled - 1) / 2 } else { (doubled + 1) / 2 };
            return format!("{rounded} {unit}");
        }
        doubled >>= 10;
    }
    format!("{size} bytes")
}

fn size_bytes(_: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    let text = a[0].str().trim();
    let bad = || Error::new(Condition::InvalidParameterValue, format!("invalid size: \"{text}\""));
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let number = Numeric::parse(text[..split].trim()).map_err(|_| bad())?;
    let power = match text[split..].trim().to_ascii_lowercase().as_str() {
        "" | "bytes" | "b" => 0,
        "kb" => 1,
        "mb" => 2,
        "gb" => 3,
        "tb" => 4,
        "pb" => 5,
        _ => return Err(bad().hint("Valid units are \"bytes\", \"B\", \"kB\", \"MB\", \"GB\", \"TB\", and \"PB\".")),
    };
    let value = number.mul(&Numeric::from(1024i64.pow(power)))?.to_i64().ok_or_else(|| Error::out_of_range("bigint"))?;
    Ok(Datum::Int8(value))
}

fn typeof_(c: &Call<'_>, _: &[Datum]) -> Result<Datum> {
    Ok(Datum::Oid(c.types.first().map_or(0, |t| t.oid())))
}

fn keywords(_: &Call<'_>, _: &[Datum]) -> Result<Vec<Datum>> {
    let text = |v: &str| (SqlType::from(Base::Text), Datum::text(v));
    Ok(KEYWORDS
        .iter()
        .map(|(word, code)| {
            let description = match code {
                'U' => "unreserved",
                'C' => "unreserved (cannot be function or type name)",
                'T' => "reserved (can be function or type name)",
                _ => "reserved",
            };
            let bare = !matches!(
                *word,
                "array"
                    | "as"
                    | "char"
                    | "character"
                    | "create"
                    | "day"
                    | "except"
                    | "fetch"
                    | "filter"
                    | "for"
                    | "from"
                    | "grant"
                    | "group"
                    | "having"
                    | "hour"
                    | "intersect"
                    | "into"
                    | "isnull"
                    | "limit"
                    | "minute"
                    | "month"
                    | "notnull"
                    | "offset"
                    | "on"
                    | "order"
                    | "over"
                    | "overlaps"
                    | "precision"
                    | "returning"
                    | "second"
                    | "to"
                    | "union"
                    | "varying"
                    | "where"
                    | "window"
                    | "with"
                    | "within"
                    | "without"
                    | "year"
            );
            let label = if bare { "can be bare label" } else { "requires AS" };
            Datum::Record(Arc::new(vec![
                text(word),
                (Base::Char.into(), Datum::text(code.to_string())),
                (Base::Bool.into(), Datum::Bool(bare)),
                text(description),
                text(label),
            ]))
        })
        .collect())
}

fn pid(a: &[Datum]) -> i32 {
    a[0].int4()
}

fn uuid(_: &Call<'_>, _: &[Datum]) -> Result<Datum> {
    use std::hash::{BuildHasher, Hasher};
    // The standard library's hasher keys are random; version 4 needs no more here.
    let half = |salt: u64| {
        let mut hasher = std::hash::RandomState::new().build_hasher();
        hasher.write_u64(salt ^ super::datetime::clock() as u64);
        hasher.finish()
    };
    let mut bytes = [0u8; 16];
    bytes[..8].copy_from_slice(&half(1).to_be_bytes());
    bytes[8..].copy_from_slice(&half(2).to_be_bytes());
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    Ok(Datum::Uuid(bytes))
}

/// The functions.
pub const ALL: &[Line] = &[
    call("version() text", |_, _| t(version())),
    call("current_database() name", |c, _| t(c.ctx.env.current_database())),
    call("current_schema() name", current_schema),
    call("current_schemas(bool) name[]", current_schemas),
    call("current_user() name", |c, _| t(c.ctx.env.user())),
    call("session_user() name", |c, _| t(c.ctx.env.user())),
    call("current_setting(text) text", current_setting),
    call("current_setting(text,bool) text", current_setting),
    lax("set_config(text,text,bool) text", set_config),
    call("pg_backend_pid() int4", |c, _| Ok(Datum::Int4(c.ctx.env.backend_pid()))),
    call("pg_postmaster_start_time() timestamptz", |c, _| Ok(Datum::Timestamptz(c.ctx.env.server_start_time()))),
    call("pg_conf_load_time() timestamptz", |c, _| Ok(Datum::Timestamptz(c.ctx.env.server_start_time()))),
    call("pg_is_in_recovery() bool", no),
    call("pg_is_in_backup() bool", no),
    call("pg_is_wal_replay_paused() bool", no),
    call("pg_cancel_backend(int4) bool", |c, a| Ok(Datum::Bool(c.ctx.env.cancel_backend(pid(a))))),
    call("pg_terminate_backend(int4) bool", |c, a| Ok(Datum::Bool(c.ctx.env.terminate_backend(pid(a))))),
    call("pg_terminate_backend(int4,int8) bool", |c, a| Ok(Datum::Bool(c.ctx.env.terminate_backend(pid(a))))),
    call("pg_reload_conf() bool", yes),
    call("pg_blocking_pids(int4) int4[]", |_, _| Ok(Datum::array(Base::Int4, Vec::new()))),
    call("inet_client_addr() text", |c, _| Ok(Datum::optional(c.ctx.env.client_address()))),
    call("inet_client_port() int4", null),
    call("inet_server_addr() text", null),
    call("inet_server_port() int4", |c, _| {
        Ok(c.ctx.env.setting("port").and_then(|p| p.parse().ok()).map_or(Datum::Null, Datum::Int4))
    }),
    call("txid_current() int8", |_, _| Ok(Datum::Int8(1000))),
    call("txid_current_if_assigned() int8", null),
    call("pg_current_xact_id() int8", |_, _| Ok(Datum::Int8(1000))),
    call("pg_current_xact_id_if_assigned() int8", null),
    call("pg_export_snapshot() text", |_, _| Err(Error::unsupported("exporting snapshots is not supported"))),
    call("pg_advisory_lock(int8) void", void),
    call("pg_advisory_lock(int4,int4) void", void),
    call("pg_advisory_lock_shared(int8) void", void),
    call("pg_advisory_xact_lock(int8) void", void),
    call("pg_advisory_xact_lock(int4,int4) void", void),
    call("pg_advisory_xact_lock_shared(int8) void", void),
    call("pg_try_advisory_lock(int8) bool", yes),
    call("pg_try_advisory_lock(int4,int4) bool", yes),
    call("pg_try_advisory_lock_shared(int8) bool", yes),
    call("pg_try_advisory_xact_lock(int8) bool", yes),
    call("pg_try_advisory_xact_lock(int4,int4) bool", yes),
    call("pg_advisory_unlock(int8) bool", yes),
    call("pg_advisory_unlock(int4,int4) bool", yes),
    call("pg_advisory_unlock_shared(int8) bool", yes),
    call("pg_advisory_unlock_all() void", void),
    call("pg_notify(text,text) void", void),
    set("pg_listening_channels() setof text", |_, _| Ok(Vec::new())),
    call("pg_size_pretty(int8) text", size_pretty),
    call("pg_size_pretty(numeric) text", size_pretty),
    call("pg_size_bytes(text) int8", size_bytes),
    lax("pg_typeof(any) regtype", typeof_),
    lax("pg_column_size(any) int4", |c, a| {
        if a[0].is_null() {
            return Ok(Datum::Null);
        }
        let length = c.types.first().map_or(-1, |t| if t.array { -1 } else { t.base.row().length });
        let text = crate::evaluate::cast::output(&a[0], c.types[0], c.ctx).len() + 1;
        Ok(Datum::Int4(if length > 0 { length.into() } else { i32::try_from(text).unwrap_or(i32::MAX) }))
    }),
    call("pg_encoding_to_char(int4) name", |_, a| {
        t(match a[0].int() {
            0 => "SQL_ASCII",
            6 => "UTF8",
            8 => "LATIN1",
            _ => "",
        })
    }),
    call("pg_char_to_encoding(name) int4", |_, a| {
        Ok(Datum::Int4(match a[0].str().to_ascii_uppercase().replace('-', "").as_str() {
            "SQL_ASCII" => 0,
            "UTF8" | "UNICODE" => 6,
            "LATIN1" => 8,
            _ => -1,
        }))
    }),
    call("pg_client_encoding() name", |c, _| t(c.ctx.env.setting("client_encoding").unwrap_or_else(|| "UTF8".to_owned()))),
    call("getdatabaseencoding() name", |_, _| t("UTF8")),
    set("pg_get_keywords() setof record(word text,catcode \"char\",barelabel bool,catdesc text,baredesc text)", keywords),
    call("gen_random_uuid() uuid", uuid),
    call("pg_sleep(float8) void", |_, a| {
        if a[0].float() > 0.0 { Err(Error::unsupported("pg_sleep belongs to the query engine")) } else { t("") }
    }),
    call("pg_stat_get_numscans(oid) int8", zero),
    call("pg_stat_get_live_tuples(oid) int8", zero),
    call("pg_stat_get_dead_tuples(oid) int8", zero),
    call("pg_stat_clear_snapshot() void", void),
    call("pg_jit_available() bool", no),
    call("pg_trigger_depth() int4", |_, _| Ok(Datum::Int4(0))),
    call("pg_my_temp_schema() oid", |c, _| {
        let found = c.ctx.relations().iter().find(|r| r.temporary).and_then(|r| c.ctx.schema_oid(&r.schema));
        Ok(Datum::Oid(found.unwrap_or(0)))
    }),
    call("pg_is_other_temp_schema(oid) bool", no),
];

/// PostgreSQL's keywords in order, and what each may be: `U`nreserved, a `C`olumn's name, a `T`ype's or function's,
/// `R`eserved.
#[rustfmt::skip]
pub const KEYWORDS: &[(&str, char)] = &[
    ("abort", 'U'), ("absolute", 'U'), ("access", 'U'), ("action", 'U'), ("add", 'U'), ("admin", 'U'), ("after", 'U'),
    ("aggregate", 'U'), ("all", 'R'), ("also", 'U'), ("alter", 'U'), ("always", 'U'), ("analyse", 'R'), ("analyze", 'R'),
    ("and", 'R'), ("any", 'R'), ("array", 'R'), ("as", 'R'), ("asc", 'R'), ("asensitive", 'U'), ("assertion", 'U'),
    ("assignment", 'U'), ("asymmetric", 'R'), ("at", 'U'), ("atomic", 'U'), ("attach", 'U'), ("attribute", 'U'),
    ("authorization", 'T'), ("backward", 'U'), ("before", 'U'), ("begin", 'U'), ("between", 'C'), ("bigint", 'C'),
    ("binary", 'T'), ("bit", 'C'), ("boolean", 'C'), ("both", 'R'), ("breadth", 'U'), ("by", 'U'), ("cache", 'U'),
    ("call", 'U'), ("called", 'U'), ("cascade", 'U'), ("cascaded", 'U'), ("case", 'R'), ("cast", 'R'), ("catalog", 'U'),
    ("chain", 'U'), ("char", 'C'), ("character", 'C'), ("characteristics", 'U'), ("check", 'R'), ("checkpoint", 'U'),
    ("class", 'U'), ("close", 'U'), ("cluster", 'U'), ("coalesce", 'C'), ("collate", 'R'), ("collation", 'T'), ("column",
    'R'), ("columns", 'U'), ("comment", 'U'), ("comments", 'U'), ("commit", 'U'), ("committed", 'U'), ("compression",
    'U'), ("concurrently", 'T'), ("configuration", 'U'), ("conflict", 'U'), ("connection", 'U'), ("constraint", 'R'),
    ("constraints", 'U'), ("content", 'U'), ("continue", 'U'), ("conversion", 'U'), ("copy", 'U'), ("cost", 'U'),
    ("create", 'R'), ("cross", 'T'), ("csv", 'U'), ("cube", 'U'), ("current", 'U'), ("current_catalog", 'R'),
    ("current_date", 'R'), ("current_role", 'R'), ("current_schema", 'T'), ("current_time", 'R'), ("current_timestamp",
    'R'), ("current_user", 'R'), ("cursor", 'U'), ("cycle", 'U'), ("data", 'U'), ("database", 'U'), ("day", 'U'),
    ("deallocate", 'U'), ("dec", 'C'), ("decimal", 'C'), ("declare", 'U'), ("default", 'R'), ("defaults", 'U'),
    ("deferrable", 'R'), ("deferred", 'U'), ("definer", 'U'), ("delete", 'U'), ("delimiter", 'U'), ("delimiters", 'U'),
    ("depends", 'U'), ("depth", 'U'), ("desc", 'R'), ("detach", 'U'), ("dictionary", 'U'), ("disable", 'U'), ("discard",
    'U'), ("distinct", 'R'), ("do", 'R'), ("document", 'U'), ("domain", 'U'), ("double", 'U'), ("drop", 'U'), ("each",
    'U'), ("else", 'R'), ("enable", 'U'), ("encoding", 'U'), ("encrypted", 'U'), ("end", 'R'), ("enum", 'U'), ("escape",
    'U'), ("event", 'U'), ("except", 'R'), ("exclude", 'U'), ("excluding", 'U'), ("exclusive", 'U'), ("execute", 'U'),
    ("exists", 'C'), ("explain", 'U'), ("expression", 'U'), ("extension", 'U'), ("external", 'U'), ("extract", 'C'),
    ("false", 'R'), ("family", 'U'), ("fetch", 'R'), ("filter", 'U'), ("finalize", 'U'), ("first", 'U'), ("float", 'C'),
    ("following", 'U'), ("for", 'R'), ("force", 'U'), ("foreign", 'R'), ("forward", 'U'), ("freeze", 'T'), ("from", 'R'),
    ("full", 'T'), ("function", 'U'), ("functions", 'U'), ("generated", 'U'), ("global", 'U'), ("grant", 'R'),
    ("granted", 'U'), ("greatest", 'C'), ("group", 'R'), ("grouping", 'C'), ("groups", 'U'), ("handler", 'U'), ("having",
    'R'), ("header", 'U'), ("hold", 'U'), ("hour", 'U'), ("identity", 'U'), ("if", 'U'), ("ilike", 'T'), ("immediate",
    'U'), ("immutable", 'U'), ("implicit", 'U'), ("import", 'U'), ("in", 'R'), ("include", 'U'), ("including", 'U'),
    ("increment", 'U'), ("index", 'U'), ("indexes", 'U'), ("inherit", 'U'), ("inherits", 'U'), ("initially", 'R'),
    ("inline", 'U'), ("inner", 'T'), ("inout", 'C'), ("input", 'U'), ("insensitive", 'U'), ("insert", 'U'), ("instead",
    'U'), ("int", 'C'), ("integer", 'C'), ("intersect", 'R'), ("interval", 'C'), ("into", 'R'), ("invoker", 'U'), ("is",
    'T'), ("isnull", 'T'), ("isolation", 'U'), ("join", 'T'), ("key", 'U'), ("label", 'U'), ("language", 'U'), ("large",
    'U'), ("last", 'U'), ("lateral", 'R'), ("leading", 'R'), ("leakproof", 'U'), ("least", 'C'), ("left", 'T'), ("level",
    'U'), ("like", 'T'), ("limit", 'R'), ("listen", 'U'), ("load", 'U'), ("local", 'U'), ("localtime", 'R'),
    ("localtimestamp", 'R'), ("location", 'U'), ("lock", 'U'), ("locked", 'U'), ("logged", 'U'), ("mapping", 'U'),
    ("match", 'U'), ("matched", 'U'), ("materialized", 'U'), ("maxvalue", 'U'), ("merge", 'U'), ("method", 'U'),
    ("minute", 'U'), ("minvalue", 'U'), ("mode", 'U'), ("month", 'U'), ("move", 'U'), ("name", 'U'), ("names", 'U'),
    ("national", 'C'), ("natural", 'T'), ("nchar", 'C'), ("new", 'U'), ("next", 'U'), ("nfc", 'U'), ("nfd", 'U'),
    ("nfkc", 'U'), ("nfkd", 'U'), ("no", 'U'), ("none", 'C'), ("normalize", 'C'), ("normalized", 'U'), ("not", 'R'),
    ("nothing", 'U'), ("notify", 'U'), ("notnull", 'T'), ("nowait", 'U'), ("null", 'R'), ("nullif", 'C'), ("nulls", 'U'),
    ("numeric", 'C'), ("object", 'U'), ("of", 'U'), ("off", 'U'), ("offset", 'R'), ("oids", 'U'), ("old", 'U'), ("on",
    'R'), ("only", 'R'), ("operator", 'U'), ("option", 'U'), ("options", 'U'), ("or", 'R'), ("order", 'R'),
    ("ordinality", 'U'), ("others", 'U'), ("out", 'C'), ("outer", 'T'), ("over", 'U'), ("overlaps", 'T'), ("overlay",
    'C'), ("overriding", 'U'), ("owned", 'U'), ("owner", 'U'), ("parallel", 'U'), ("parameter", 'U'), ("parser", 'U'),
    ("partial", 'U'), ("partition", 'U'), ("passing", 'U'), ("password", 'U'), ("placing", 'R'), ("plans", 'U'),
    ("policy", 'U'), ("position", 'C'), ("preceding", 'U'), ("precision", 'C'), ("prepare", 'U'), ("prepared", 'U'),
    ("preserve", 'U'), ("primary", 'R'), ("prior", 'U'), ("privileges", 'U'), ("procedural", 'U'), ("procedure", 'U'),
    ("procedures", 'U'), ("program", 'U'), ("publication", 'U'), ("quote", 'U'), ("range", 'U'), ("read", 'U'), ("real",
    'C'), ("reassign", 'U'), ("recheck", 'U'), ("recursive", 'U'), ("ref", 'U'), ("references", 'R'), ("referencing",
    'U'), ("refresh", 'U'), ("reindex", 'U'), ("relative", 'U'), ("release", 'U'), ("rename", 'U'), ("repeatable", 'U'),
    ("replace", 'U'), ("replica", 'U'), ("reset", 'U'), ("restart", 'U'), ("restrict", 'U'), ("return", 'U'),
    ("returning", 'R'), ("returns", 'U'), ("revoke", 'U'), ("right", 'T'), ("role", 'U'), ("rollback", 'U'), ("rollup",
    'U'), ("routine", 'U'), ("routines", 'U'), ("row", 'C'), ("rows", 'U'), ("rule", 'U'), ("savepoint", 'U'), ("schema",
    'U'), ("schemas", 'U'), ("scroll", 'U'), ("search", 'U'), ("second", 'U'), ("security", 'U'), ("select", 'R'),
    ("sequence", 'U'), ("sequences", 'U'), ("serializable", 'U'), ("server", 'U'), ("session", 'U'), ("session_user",
    'R'), ("set", 'U'), ("setof", 'C'), ("sets", 'U'), ("share", 'U'), ("show", 'U'), ("similar", 'T'), ("simple", 'U'),
    ("skip", 'U'), ("smallint", 'C'), ("snapshot", 'U'), ("some", 'R'), ("sql", 'U'), ("stable", 'U'), ("standalone",
    'U'), ("start", 'U'), ("statement", 'U'), ("statistics", 'U'), ("stdin", 'U'), ("stdout", 'U'), ("storage", 'U'),
    ("stored", 'U'), ("strict", 'U'), ("strip", 'U'), ("subscription", 'U'), ("substring", 'C'), ("support", 'U'),
    ("symmetric", 'R'), ("sysid", 'U'), ("system", 'U'), ("table", 'R'), ("tables", 'U'), ("tablesample", 'T'),
    ("tablespace", 'U'), ("temp", 'U'), ("template", 'U'), ("temporary", 'U'), ("text", 'U'), ("then", 'R'), ("ties",
    'U'), ("time", 'C'), ("timestamp", 'C'), ("to", 'R'), ("trailing", 'R'), ("transaction", 'U'), ("transform", 'U'),
    ("treat", 'C'), ("trigger", 'U'), ("trim", 'C'), ("true", 'R'), ("truncate", 'U'), ("trusted", 'U'), ("type", 'U'),
    ("types", 'U'), ("uescape", 'U'), ("unbounded", 'U'), ("uncommitted", 'U'), ("unencrypted", 'U'), ("union", 'R'),
    ("unique", 'R'), ("unknown", 'U'), ("unlisten", 'U'), ("unlogged", 'U'), ("until", 'U'), ("update", 'U'), ("user",
    'R'), ("using", 'R'), ("vacuum", 'U'), ("valid", 'U'), ("validate", 'U'), ("validator", 'U'), ("value", 'U'),
    ("values", 'C'), ("varchar", 'C'), ("variadic", 'R'), ("varying", 'U'), ("verbose", 'T'), ("version", 'U'), ("view",
    'U'), ("views", 'U'), ("volatile", 'U'), ("when", 'R'), ("where", 'R'), ("whitespace", 'U'), ("window", 'R'),
    ("with", 'R'), ("within", 'U'), ("without", 'U'), ("work", 'U'), ("wrapper", 'U'), ("write", 'U'), ("xml", 'U'),
    ("xmlattributes", 'C'), ("xmlconcat", 'C'), ("xmlelement", 'C'), ("xmlexists", 'C'), ("xmlforest", 'C'),
    ("xmlnamespaces", 'C'), ("xmlparse", 'C'), ("xmlpi", 'C'), ("xmlroot", 'C'), ("xmlserialize", 'C'), ("xmltable",
    'C'), ("year", 'U'), ("yes", 'U'), ("zone", 'U'),];
