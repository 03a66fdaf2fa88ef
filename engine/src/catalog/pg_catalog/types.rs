//! `pg_type` and `pg_cast`; the input and output functions of types.
//!
//! `types.txt` holds PostgreSQL 15's rows of the types that there are; columns as named in [`pg_type`].

use std::sync::LazyLock;

use super::{Filler, PG_CATALOG_OID};
use crate::evaluate::coerce::{self, Strength};
use crate::evaluate::context::{Context, Row};
use crate::evaluate::datum::Datum;
use crate::types::{SqlType, TYPES};

static LINES: LazyLock<Vec<Vec<&'static str>>> =
    LazyLock::new(|| include_str!("types.txt").lines().map(|l| l.split(' ').collect()).collect());

/// Where the pairs of identifier and name of support functions stand in a line.
const PROCS: [usize; 8] = [10, 12, 14, 16, 18, 20, 22, 24];

static PROC_LIST: LazyLock<Vec<(u32, &'static str)>> = LazyLock::new(|| {
    let mut all: Vec<(u32, &'static str)> = LINES
        .iter()
        .flat_map(|l| PROCS.iter().filter_map(|at| Some((l.get(*at)?.parse().ok()?, *l.get(at + 1)?))))
        .filter(|(oid, _)| *oid != 0)
        .collect();
    all.sort_unstable();
    all.dedup();
    all
});

/// The types' support functions: identifier and name.
pub fn procs() -> &'static [(u32, &'static str)] {
    &PROC_LIST
}

/// The identifier of the type with that `typname`.
pub fn by_name(name: &str) -> Option<u32> {
    LINES.iter().find(|l| l.get(1) == Some(&name)).and_then(|l| l[0].parse().ok())
}

/// `format_type(oid, typmod)`; a modifier of -1 is not the same as none: `bpchar` and `character`.
pub fn format(oid: u32, typmod: Option<i32>) -> Option<String> {
    if let Some(t) = SqlType::of_oid(oid) {
        return Some(match typmod {
            Some(typmod) => t.with_typmod(typmod).sql_name(),
            None => coerce::shown(t),
        });
    }
    LINES.iter().find(|l| l[0].parse() == Ok(oid)).map(|l| match l[1] {
        "any" => "\"any\"".to_owned(),
        name => name.to_owned(),
    })
}

/// The rows of `pg_type`.
pub fn pg_type(ctx: &Context<'_>) -> Vec<Row> {
    let filler = Filler::new("pg_catalog", "pg_type");
    let owner = ctx.owner_oid();
    LINES
        .iter()
        .filter(|l| l.len() >= 29)
        .map(|l| {
            let number = |at: usize| l[at].parse::<i64>().unwrap_or(0);
            let oid = |at: usize| Datum::Oid(u32::try_from(number(at)).unwrap_or(0));
            let flag = |at: usize| Datum::Bool(l[at] == "t");
            filler.row([
                ("oid", oid(0)),
                ("typname", Datum::text(l[1])),
                ("typnamespace", Datum::Oid(PG_CATALOG_OID)),
                ("typowner", Datum::Oid(owner)),
                ("typlen", Datum::Int2(number(2) as i16)),
                ("typbyval", flag(3)),
                ("typtype", Datum::text(l[4])),
                ("typcategory", Datum::text(l[5])),
                ("typispreferred", flag(6)),
                ("typisdefined", Datum::Bool(true)),
                ("typdelim", Datum::text(l[7])),
                ("typelem", oid(8)),
                ("typarray", oid(9)),
                ("typinput", oid(10)),
                ("typoutput", oid(12)),
                ("typreceive", oid(14)),
                ("typsend", oid(16)),
                ("typmodin", oid(18)),
                ("typmodout", oid(20)),
                ("typsubscript", oid(22)),
                ("typanalyze", oid(24)),
                ("typalign", Datum::text(l[26])),
                ("typstorage", Datum::text(l[27])),
                ("typtypmod", Datum::Int4(-1)),
                ("typcollation", oid(28)),
            ])
        })
        .collect()
}

/// The rows of `pg_cast`.
pub fn pg_cast(_: &Context<'_>) -> Vec<Row> {
    let filler = Filler::new("pg_catalog", "pg_cast");
    let mut rows = Vec::new();
    for from in TYPES {
        for to in TYPES {
            let (f, t) = (SqlType::from(from.base), SqlType::from(to.base));
            if from.base == to.base || from.category == 'X' || to.category == 'X' {
                continue;
            }
            let Some(strength) = coerce::strength(f, t) else { continue };
            // Conversions by input and output functions are not listed.
            if coerce::is_string(from.base) != coerce::is_string(to.base) && strength != Strength::Implicit {
                continue;
            }
            rows.push(filler.row([
                ("oid", Datum::Oid(11_000 + rows.len() as u32)),
                ("castsource", Datum::Oid(from.oid)),
                ("casttarget", Datum::Oid(to.oid)),
                (
                    "castcontext",
                    Datum::text(match strength {
                        Strength::Implicit => "i",
                        Strength::Assignment => "a",
                        Strength::Explicit => "e",
                    }),
                ),
                ("castmethod", Datum::text(if from.length == to.length { "b" } else { "f" })),
            ]));
        }
    }
    rows
}
