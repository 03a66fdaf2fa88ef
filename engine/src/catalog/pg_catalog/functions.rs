//! `pg_proc`, `pg_operator`, `pg_aggregate`: the registry of functions, as a catalog.

use super::{Filler, PG_CATALOG_OID, types};
use crate::evaluate::context::{Context, Row};
use crate::evaluate::datum::Datum;
use crate::evaluate::function::{self, Arg, Body, Function};
use crate::types::Base;

/// `pg_language.oid` of `internal`.
const INTERNAL: u32 = 12;
/// `pg_proc.oid` of the query engine's first function.
pub const ENGINE_OID: u32 = 14_200;

/// The type of an argument as `pg_proc` lists it.
pub fn arg_oid(arg: Arg) -> u32 {
    match arg {
        Arg::Is(t) => t.oid(),
        Arg::Any => 2276,
        Arg::NonArray => 2776,
        Arg::Element => 2283,
        Arg::Array => 2277,
    }
}

/// `pg_proc.prokind`
pub fn kind(function: &Function) -> &'static str {
    match function.body {
        Body::Scalar(_) | Body::Set(_) => "f",
        Body::Aggregate(_) => "a",
        Body::Window => "w",
    }
}

fn oids(args: &[u32]) -> Datum {
    Datum::vector(Base::Oid, args.iter().map(|o| Datum::Oid(*o)).collect())
}

/// The rows of `pg_proc`.
pub fn pg_proc(ctx: &Context<'_>) -> Vec<Row> {
    let filler = Filler::new("pg_catalog", "pg_proc");
    let owner = ctx.owner_oid();
    let row = |oid: u32, name: &str, args: &[u32], result: u32, kind: &str, is_set: bool, strict: bool, variadic: u32| {
        filler.row([
            ("oid", Datum::Oid(oid)),
            ("proname", Datum::text(name)),
            ("pronamespace", Datum::Oid(PG_CATALOG_OID)),
            ("proowner", Datum::Oid(owner)),
            ("prolang", Datum::Oid(INTERNAL)),
            ("procost", Datum::Float4(1.0)),
            ("prorows", Datum::Float4(if is_set { 1000.0 } else { 0.0 })),
            ("provariadic", Datum::Oid(variadic)),
            ("prokind", Datum::text(kind)),
            ("proisstrict", Datum::Bool(strict)),
            ("proretset", Datum::Bool(is_set)),
            ("provolatile", Datum::text("i")),
            ("proparallel", Datum::text("s")),
            ("pronargs", Datum::Int2(i16::try_from(args.len()).unwrap_or(i16::MAX))),
            ("prorettype", Datum::Oid(result)),
            ("proargtypes", oids(args)),
            ("prosrc", Datum::text(name)),
        ])
    };
    let support = types::procs().iter().map(|(oid, name)| row(*oid, name, &[2281], 2281, "f", false, true, 0));
    let own = function::all().iter().map(|f| {
        let args: Vec<u32> = f.args.iter().map(|a| arg_oid(*a)).collect();
        let variadic = if f.variadic { args.last().copied().unwrap_or(0) } else { 0 };
        row(f.oid, &f.name, &args, arg_oid(f.result), kind(f), f.is_set(), f.strict, variadic)
    });
    let known: std::collections::HashSet<&str> = function::all().iter().map(|f| f.name.as_str()).collect();
    let engine = ctx.env.functions();
    let engine = engine.iter().zip(ENGINE_OID..).filter(|(f, _)| !known.contains(f.name.as_str())).map(|(f, oid)| {
        let args: Vec<u32> = f.args.iter().map(|t| t.oid()).collect();
        row(oid, &f.name, &args, f.result.oid(), &f.kind.to_string(), false, true, 0)
    });
    support.chain(own).chain(engine).collect()
}

/// The rows of `pg_operator`.
pub fn pg_operator(ctx: &Context<'_>) -> Vec<Row> {
    let filler = Filler::new("pg_catalog", "pg_operator");
    let owner = ctx.owner_oid();
    function::operators()
        .iter()
        .map(|f| {
            let args: Vec<u32> = f.args.iter().map(|a| arg_oid(*a)).collect();
            let (left, right) = match args.as_slice() {
                [right] => (0, *right),
                [left, right, ..] => (*left, *right),
                [] => (0, 0),
            };
            filler.row([
                ("oid", Datum::Oid(f.oid)),
                ("oprname", Datum::text(f.name.as_str())),
                ("oprnamespace", Datum::Oid(PG_CATALOG_OID)),
                ("oprowner", Datum::Oid(owner)),
                ("oprkind", Datum::text(if args.len() == 1 { "l" } else { "b" })),
                ("oprcanhash", Datum::Bool(f.name == "=")),
                ("oprcanmerge", Datum::Bool(f.name == "=")),
                ("oprleft", Datum::Oid(left)),
                ("oprright", Datum::Oid(right)),
                ("oprresult", Datum::Oid(arg_oid(f.result))),
            ])
        })
        .collect()
}

/// The rows of `pg_aggregate`.
pub fn pg_aggregate(_: &Context<'_>) -> Vec<Row> {
    let filler = Filler::new("pg_catalog", "pg_aggregate");
    function::all()
        .iter()
        .filter(|f| matches!(f.body, Body::Aggregate(_)))
        .map(|f| filler.row([("aggfnoid", Datum::Oid(f.oid)), ("aggkind", Datum::text("n"))]))
        .collect()
}
