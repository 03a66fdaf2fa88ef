//! Functions over the catalogs: definitions, visibility, privileges, sizes, comments, names.

use super::{Call, Line, call, lax};
use crate::catalog::pg_catalog::functions::{arg_oid, kind};
use crate::catalog::pg_catalog::{self, names, relations, types};
use crate::error::{Condition, Error, Result};
use crate::evaluate::datum::Datum;
use crate::evaluate::environment::{KeyInfo, RelationInfo};
use crate::types::Base;

fn t(value: impl Into<String>) -> Result<Datum> {
    Ok(Datum::text(value.into()))
}

fn optional(value: Option<String>) -> Result<Datum> {
    Ok(Datum::optional(value))
}

fn yes(_: &Call<'_>, _: &[Datum]) -> Result<Datum> {
    Ok(Datum::Bool(true))
}

fn null(_: &Call<'_>, _: &[Datum]) -> Result<Datum> {
    Ok(Datum::Null)
}

fn table_is_visible(c: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    Ok(names::class(a[0].oid(), c.ctx).map_or(Datum::Null, |class| Datum::Bool(names::is_visible(&class, c.ctx))))
}

fn format_type(_: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    if a[0].is_null() {
        return Ok(Datum::Null);
    }
    let oid = a[0].oid();
    if oid == 0 {
        return t("-");
    }
    t(types::format(oid, (!a[1].is_null()).then(|| a[1].int4())).unwrap_or_else(|| "???".to_owned()))
}

fn key<'r>(c: &'r Call<'_>, oid: u32, by_constraint: bool) -> Option<(&'r RelationInfo, &'r KeyInfo, bool)> {
    c.ctx.relations().iter().find_map(|r| {
        relations::keys(r)
            .find(|(k, _)| if by_constraint { k.constraint_oid == oid } else { k.index_oid == oid })
            .map(|(k, p)| (r, k, p))
    })
}

fn index_definition(c: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    let Some((relation, key, _)) = key(c, a[0].oid(), false) else { return Ok(Datum::Null) };
    match a.get(1).map(Datum::int) {
        None | Some(0) => {
            // The pretty form leaves out the schema of what is visible.
            let class = names::Class { oid: relation.oid, schema: relation.schema.clone(), name: relation.name.clone() };
            let short = a.get(2).is_some_and(Datum::is_true) && names::is_visible(&class, c.ctx);
            t(relations::index_definition(relation, key, !short))
        }
        Some(n) => {
            let column = usize::try_from(n - 1).ok().and_then(|i| key.columns.get(i)).and_then(|i| relation.columns.get(*i));
            t(column.map_or_else(String::new, |c| super::string::quote_ident(&c.name)))
        }
    }
}

fn constraint_definition(c: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    let Some((relation, key, primary)) = key(c, a[0].oid(), true) else { return Ok(Datum::Null) };
    t(format!("{} ({})", if primary { "PRIMARY KEY" } else { "UNIQUE" }, relations::key_columns(relation, key)))
}

fn view_definition(c: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    let oid = match &a[0] {
        Datum::Text(name) => names::input(Base::RegClass, name, c.ctx)?,
        other => other.oid(),
    };
    optional(c.ctx.relations().iter().find(|r| r.oid == oid).and_then(|r| r.definition.clone()))
}

fn user_by_id(c: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    let oid = a[0].oid();
    let found = c.ctx.env.roles().into_iter().find(|(o, _)| *o == oid).map(|(_, n)| n);
    t(found.unwrap_or_else(|| format!("unknown (OID={oid})")))
}

fn argument_list(oid: u32) -> Option<String> {
    let function = super::all().iter().find(|f| f.oid == oid)?;
    let last = function.args.len().saturating_sub(1);
    let args = function.args.iter().enumerate().map(|(at, arg)| {
        let name = types::format(arg_oid(*arg), None).unwrap_or_default();
        if function.variadic && at == last { format!("VARIADIC {name}") } else { name }
    });
    Some(args.collect::<Vec<_>>().join(", "))
}

fn function_arguments(_: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    let support = types::procs().iter().any(|(oid, _)| *oid == a[0].oid());
    optional(argument_list(a[0].oid()).or_else(|| support.then(|| "internal".to_owned())))
}

fn function_result(_: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    let Some(function) = super::all().iter().find(|f| f.oid == a[0].oid()) else { return Ok(Datum::Null) };
    let name = types::format(arg_oid(function.result), None).unwrap_or_default();
    t(if function.is_set() { format!("SETOF {name}") } else { name })
}

fn function_definition(_: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    let Some(function) = super::all().iter().find(|f| f.oid == a[0].oid()) else { return Ok(Datum::Null) };
    if kind(function) != "f" {
        return Err(Error::new(Condition::WrongObjectType, format!("\"{}\" is an aggregate function", function.name)));
    }
    t(format!(
        "CREATE OR REPLACE FUNCTION pg_catalog.{}({})\n RETURNS {}\n LANGUAGE internal\nAS $function${}$function$\n",
        function.name,
        argument_list(function.oid).unwrap_or_default(),
        types::format(arg_oid(function.result), None).unwrap_or_default(),
        function.name
    ))
}

fn comment(c: &Call<'_>, oid: u32, number: usize) -> Option<String> {
    let relation = c.ctx.relations().iter().find(|r| r.oid == oid)?;
    match number.checked_sub(1) {
        None => relation.comment.clone(),
        Some(at) => relation.columns.get(at)?.comment.clone(),
    }
}

fn object_comment(c: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    if a.get(1).is_some_and(|class| class.str() != "pg_class") {
        return Ok(Datum::Null);
    }
    optional(comment(c, a[0].oid(), 0))
}

fn column_comment(c: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    optional(usize::try_from(a[1].int()).ok().filter(|n| *n > 0).and_then(|n| comment(c, a[0].oid(), n)))
}

fn size(c: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    let oid = a[0].oid();
    if let Some(relation) = c.ctx.relations().iter().find(|r| r.oid == oid) {
        return Ok(Datum::Int8(relation.bytes));
    }
    Ok(if names::class(oid, c.ctx).is_some() { Datum::Int8(0) } else { Datum::Null })
}

fn database_size(c: &Call<'_>, _: &[Datum]) -> Result<Datum> {
    Ok(Datum::Int8(c.ctx.relations().iter().map(|r| r.bytes).sum()))
}

fn no_size(_: &Call<'_>, _: &[Datum]) -> Result<Datum> {
    Ok(Datum::Int8(0))
}

/// `to_reg*`: null where there is no such object.
fn to_reg(c: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    match names::input(c.result.base, a[0].str(), c.ctx) {
        Ok(oid) => Ok(Datum::Oid(oid)),
        Err(e) if e.condition == Condition::InvalidName => Err(e),
        Err(_) => Ok(Datum::Null),
    }
}

/// A table by name or identifier, for a privilege; fails where a name finds nothing.
fn table_privilege(c: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    let table = &a[a.len() - 2];
    match table.as_str() {
        Some(name) => {
            names::input(Base::RegClass, name, c.ctx)?;
            Ok(Datum::Bool(true))
        }
        None => Ok(names::class(table.oid(), c.ctx).map_or(Datum::Null, |_| Datum::Bool(true))),
    }
}

fn schema_privilege(c: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    let schema = &a[a.len() - 2];
    match schema.as_str() {
        Some(name) if c.ctx.schema_oid(name).is_none() => {
            Err(Error::new(Condition::InvalidSchemaName, format!("schema \"{name}\" does not exist")))
        }
        Some(_) => Ok(Datum::Bool(true)),
        None => Ok(c.ctx.schema_name(schema.oid()).map_or(Datum::Null, |_| Datum::Bool(true))),
    }
}

fn identify(c: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    let (class, oid) = (a[0].oid(), a[1].oid());
    if class != relations::PG_CLASS_OID {
        return Ok(Datum::Null);
    }
    optional(names::class(oid, c.ctx).map(|k| {
        let kind = if c.ctx.relations().iter().any(|r| r.oid == oid && r.kind == 'v') { "view" } else { "table" };
        format!("{kind} {}", if names::is_visible(&k, c.ctx) { k.name } else { format!("{}.{}", k.schema, k.name) })
    }))
}

/// The functions.
pub const ALL: &[Line] = &[
    call("pg_table_is_visible(oid) bool", table_is_visible),
    call("pg_type_is_visible(oid) bool", yes),
    call("pg_function_is_visible(oid) bool", yes),
    call("pg_operator_is_visible(oid) bool", yes),
    call("pg_collation_is_visible(oid) bool", yes),
    call("pg_opclass_is_visible(oid) bool", yes),
    call("pg_opfamily_is_visible(oid) bool", yes),
    call("pg_conversion_is_visible(oid) bool", yes),
    call("pg_statistics_obj_is_visible(oid) bool", yes),
    call("pg_ts_config_is_visible(oid) bool", yes),
    call("pg_ts_dict_is_visible(oid) bool", yes),
    call("pg_ts_parser_is_visible(oid) bool", yes),
    call("pg_ts_template_is_visible(oid) bool", yes),
    lax("format_type(oid,int4) text", format_type),
    call("pg_get_userbyid(oid) name", user_by_id),
    call("pg_get_expr(pg_node_tree,oid) text", |_, a| Ok(a[0].clone())),
    call("pg_get_expr(pg_node_tree,oid,bool) text", |_, a| Ok(a[0].clone())),
    call("pg_get_indexdef(oid) text", index_definition),
    call("pg_get_indexdef(oid,int4,bool) text", index_definition),
    call("pg_get_constraintdef(oid) text", constraint_definition),
    call("pg_get_constraintdef(oid,bool) text", constraint_definition),
    call("pg_get_viewdef(oid) text", view_definition),
    call("pg_get_viewdef(oid,bool) text", view_definition),
    call("pg_get_viewdef(oid,int4) text", view_definition),
    call("pg_get_viewdef(text) text", view_definition),
    call("pg_get_viewdef(text,bool) text", view_definition),
    call("pg_get_ruledef(oid) text", null),
    call("pg_get_ruledef(oid,bool) text", null),
    call("pg_get_triggerdef(oid) text", null),
    call("pg_get_triggerdef(oid,bool) text", null),
    call("pg_get_partkeydef(oid) text", null),
    call("pg_get_partition_constraintdef(oid) text", null),
    call("pg_get_statisticsobjdef(oid) text", null),
    call("pg_get_statisticsobjdef_columns(oid) text", null),
    call("pg_get_serial_sequence(text,text) text", null),
    call("pg_get_replica_identity_index(regclass) regclass", null),
    call("pg_get_function_arguments(oid) text", function_arguments),
    call("pg_get_function_identity_arguments(oid) text", function_arguments),
    call("pg_get_function_result(oid) text", function_result),
    call("pg_get_functiondef(oid) text", function_definition),
    call("pg_get_function_sqlbody(oid) text", null),
    call("pg_get_function_arg_default(oid,int4) text", null),
    call("obj_description(oid,name) text", object_comment),
    call("obj_description(oid) text", object_comment),
    call("col_description(oid,int4) text", column_comment),
    call("shobj_description(oid,name) text", null),
    call("pg_describe_object(oid,oid,int4) text", identify),
    call("pg_relation_size(regclass) int8", size),
    call("pg_relation_size(regclass,text) int8", size),
    call("pg_table_size(regclass) int8", size),
    call("pg_total_relation_size(regclass) int8", size),
    call("pg_indexes_size(regclass) int8", no_size),
    call("pg_database_size(name) int8", database_size),
    call("pg_database_size(oid) int8", database_size),
    call("pg_tablespace_size(name) int8", database_size),
    call("pg_tablespace_size(oid) int8", database_size),
    call("pg_tablespace_location(oid) text", |_, _| t("")),
    call("pg_relation_filenode(regclass) oid", |_, a| Ok(a[0].clone())),
    call("pg_relation_is_updatable(regclass,bool) int4", |c, a| {
        let table = c.ctx.relations().iter().any(|r| r.oid == a[0].oid() && r.kind == 'r');
        Ok(Datum::Int4(if table { 28 } else { 0 }))
    }),
    call("pg_column_is_updatable(regclass,int2,bool) bool", |c, a| {
        Ok(Datum::Bool(c.ctx.relations().iter().any(|r| r.oid == a[0].oid() && r.kind == 'r')))
    }),
    call("to_regclass(text) regclass", to_reg),
    call("to_regtype(text) regtype", to_reg),
    call("to_regproc(text) regproc", to_reg),
    call("to_regprocedure(text) regproc", to_reg),
    call("to_regnamespace(text) regnamespace", to_reg),
    call("to_regrole(text) oid", |c, a| Ok(c.ctx.role_oid(a[0].str()).map_or(Datum::Null, Datum::Oid))),
    call("has_table_privilege(text,text) bool", table_privilege),
    call("has_table_privilege(oid,text) bool", table_privilege),
    call("has_table_privilege(name,text,text) bool", table_privilege),
    call("has_table_privilege(name,oid,text) bool", table_privilege),
    call("has_table_privilege(oid,oid,text) bool", table_privilege),
    call("has_any_column_privilege(text,text) bool", table_privilege),
    call("has_any_column_privilege(oid,text) bool", table_privilege),
    call("has_any_column_privilege(name,text,text) bool", table_privilege),
    call("has_any_column_privilege(name,oid,text) bool", table_privilege),
    call("has_column_privilege(text,text,text) bool", yes),
    call("has_column_privilege(oid,text,text) bool", yes),
    call("has_column_privilege(oid,int2,text) bool", yes),
    call("has_column_privilege(name,text,text,text) bool", yes),
    call("has_schema_privilege(text,text) bool", schema_privilege),
    call("has_schema_privilege(oid,text) bool", schema_privilege),
    call("has_schema_privilege(name,text,text) bool", schema_privilege),
    call("has_schema_privilege(name,oid,text) bool", schema_privilege),
    call("has_schema_privilege(oid,oid,text) bool", schema_privilege),
    call("has_database_privilege(text,text) bool", yes),
    call("has_database_privilege(oid,text) bool", yes),
    call("has_database_privilege(name,text,text) bool", yes),
    call("has_database_privilege(name,oid,text) bool", yes),
    call("has_function_privilege(text,text) bool", yes),
    call("has_function_privilege(oid,text) bool", yes),
    call("has_function_privilege(name,oid,text) bool", yes),
    call("has_sequence_privilege(text,text) bool", yes),
    call("has_sequence_privilege(oid,text) bool", yes),
    call("has_language_privilege(oid,text) bool", yes),
    call("has_type_privilege(oid,text) bool", yes),
    call("has_tablespace_privilege(oid,text) bool", yes),
    call("has_tablespace_privilege(text,text) bool", yes),
    call("pg_has_role(name,text) bool", yes),
    call("pg_has_role(oid,text) bool", yes),
    call("pg_has_role(name,name,text) bool", yes),
    call("pg_has_role(name,oid,text) bool", yes),
    call("pg_has_role(oid,oid,text) bool", yes),
    call("row_security_active(oid) bool", |_, _| Ok(Datum::Bool(false))),
    call("pg_relation_is_publishable(regclass) bool", yes),
    call("pg_index_column_has_property(regclass,int4,text) bool", yes),
    call("pg_indexam_has_property(oid,text) bool", yes),
    call("_pg_char_max_length(oid,int4) int4", |_, a| {
        let text = [Base::Bpchar.row().oid, Base::Varchar.row().oid].contains(&a[0].oid());
        Ok(if text && a[1].int() > 4 { Datum::Int4(a[1].int4() - 4) } else { Datum::Null })
    }),
    call("_pg_numeric_precision(oid,int4) int4", |_, a| {
        Ok(match a[0].oid() {
            21 => Datum::Int4(16),
            23 => Datum::Int4(32),
            20 => Datum::Int4(64),
            700 => Datum::Int4(24),
            701 => Datum::Int4(53),
            1700 if a[1].int() >= 4 => Datum::Int4((a[1].int4() - 4) >> 16 & 0xffff),
            _ => Datum::Null,
        })
    }),
    call("_pg_numeric_scale(oid,int4) int4", |_, a| {
        Ok(match a[0].oid() {
            20 | 21 | 23 => Datum::Int4(0),
            1700 if a[1].int() >= 4 => Datum::Int4((a[1].int4() - 4) & 0x7ff),
            _ => Datum::Null,
        })
    }),
    call("_pg_datetime_precision(oid,int4) int4", |_, a| {
        Ok(match a[0].oid() {
            1082 => Datum::Int4(0),
            1083 | 1114 | 1184 | 1186 | 1266 => Datum::Int4(if a[1].int() < 0 { 6 } else { a[1].int4() }),
            _ => Datum::Null,
        })
    }),
    call("_pg_truetypid(record,record) oid", |_, a| Ok(record_field(&a[0], pg_catalog::find(None, "pg_attribute"), "atttypid"))),
    call("_pg_truetypmod(record,record) int4", |_, a| {
        Ok(record_field(&a[0], pg_catalog::find(None, "pg_attribute"), "atttypmod"))
    }),
];

fn record_field(record: &Datum, table: Option<&pg_catalog::Table>, name: &str) -> Datum {
    let (Datum::Record(fields), Some(at)) = (record, table.and_then(|t| t.position(name))) else { return Datum::Null };
    fields.get(at).map_or(Datum::Null, |(_, v)| v.clone())
}
