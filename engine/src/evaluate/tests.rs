//! What a query gives, as PostgreSQL 15 gives it.

use chrono_tz::Tz;
use sqlparser::ast::Statement;
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

use super::{
    ActivityRow, Analyzed, ColumnInfo, Datum, Environment, FunctionInfo, KeyInfo, RelationInfo, SettingRow, analyze, to_batch,
    to_text,
};
use crate::error::{Condition, Error, Result};
use crate::types::{Base, SqlType};

struct World;

fn column(name: &str, sql_type: &str, nullable: bool) -> ColumnInfo {
    ColumnInfo { name: name.to_owned(), sql_type: SqlType::parse(sql_type).unwrap(), nullable, default: None, comment: None }
}

impl Environment for World {
    fn relations(&self) -> Vec<RelationInfo> {
        vec![RelationInfo {
            oid: 16_388,
            schema: "public".to_owned(),
            name: "nation".to_owned(),
            kind: 'r',
            temporary: false,
            owner: "postgres".to_owned(),
            columns: vec![column("n_key", "integer", false), column("n_name", "character(25)", false)],
            primary_key: Some(KeyInfo {
                name: "nation_pkey".to_owned(),
                index_oid: 16_391,
                constraint_oid: 16_392,
                columns: vec![0],
            }),
            unique_keys: Vec::new(),
            rows: 25.0,
            bytes: 8192,
            definition: None,
            comment: Some("the nations".to_owned()),
        }]
    }
    fn schemas(&self) -> Vec<(u32, String)> {
        vec![(2200, "public".to_owned())]
    }
    fn databases(&self) -> Vec<(u32, String)> {
        vec![(5, "postgres".to_owned())]
    }
    fn roles(&self) -> Vec<(u32, String)> {
        vec![(10, "postgres".to_owned())]
    }
    fn current_database(&self) -> &str {
        "postgres"
    }
    fn user(&self) -> &str {
        "postgres"
    }
    fn search_path(&self) -> Vec<String> {
        vec!["public".to_owned()]
    }
    fn settings(&self) -> Vec<SettingRow> {
        Vec::new()
    }
    fn setting(&self, name: &str) -> Option<String> {
        (name == "server_version").then(|| "15.14".to_owned())
    }
    fn set_setting(&self, _: &str, value: &str, _: bool) -> Result<String> {
        Ok(value.to_owned())
    }
    fn time_zone(&self) -> Tz {
        Tz::UTC
    }
    fn statement_time(&self) -> i64 {
        0
    }
    fn transaction_time(&self) -> i64 {
        0
    }
    fn server_start_time(&self) -> i64 {
        0
    }
    fn backend_pid(&self) -> i32 {
        1
    }
    fn activity(&self) -> Vec<ActivityRow> {
        Vec::new()
    }
    fn cancel_backend(&self, _: i32) -> bool {
        false
    }
    fn terminate_backend(&self, _: i32) -> bool {
        false
    }
    fn client_address(&self) -> Option<String> {
        None
    }
    fn functions(&self) -> Vec<FunctionInfo> {
        Vec::new()
    }
}

fn understand(sql: &str, params: &[Option<SqlType>]) -> Result<Analyzed> {
    let statements = Parser::parse_sql(&PostgreSqlDialect {}, sql).map_err(|e| Error::syntax(e.to_string()))?;
    match statements.first() {
        Some(Statement::Query(query)) => analyze(query, params, &World),
        _ => Err(Error::syntax("no query")),
    }
}

fn shown_with(sql: &str, params: &[Datum]) -> Result<String> {
    let analyzed = understand(sql, &[])?;
    let rows = analyzed.run(params, &World)?;
    to_batch(analyzed.columns(), &analyzed.run_for_output(params, &World)?)?;
    let line = |row: &Vec<Datum>| {
        let values =
            row.iter().zip(analyzed.columns()).map(|(v, c)| to_text(v, c.sql_type, &World).unwrap_or_else(|| "NULL".to_owned()));
        values.collect::<Vec<_>>().join("|")
    };
    Ok(rows.iter().map(line).collect::<Vec<_>>().join("\n"))
}

fn check(sql: &str, expected: &str) {
    assert_eq!(shown_with(sql, &[]).unwrap_or_else(|e| format!("{:?}: {e}", e.condition)), expected, "{sql}");
}

#[test]
fn numbers() {
    check("select 1/3.0, 10/4, -7%3, 2^10, 2::numeric^3", "0.33333333333333333333|2|-1|1024|8.0000000000000000");
    check("select 2147483647+1", "NumericValueOutOfRange: integer out of range");
    check("select 1/0", "DivisionByZero: division by zero");
    check("select 2.5::int, 2.5::float8::int, 3.5::float8::int", "3|2|4");
    check("select 1 + 'a'::text", "UndefinedFunction: operator does not exist: integer + text");
    check("select avg(x), stddev(x), sum(x) from generate_series(1,4) x", "2.5000000000000000|1.2909944487358056|10");
}

#[test]
fn texts_and_dates() {
    check("select 'a' || 1, upper('abc'), 'abc' like 'a%', substring('foobar' from 'o(.)b')", "a1|ABC|t|o");
    check("select date '2024-01-31' + interval '1 month', date '2024-03-01' - date '2024-02-01'", "2024-02-29 00:00:00|29");
    check("select extract(epoch from timestamp '2024-01-01 00:00:01.5')", "1704067201.500000");
    check("select to_char(1234567.891,'9,999,999.99')", " 1,234,567.89");
    check("select to_char(timestamp '2024-05-06 17:08:09', 'FMDay, DD Mon YYYY HH12:MI AM')", "Monday, 06 May 2024 05:08 PM");
}

#[test]
fn queries() {
    check("select generate_series(1,2), unnest(array['a','b','c'])", "1|a\n2|b\nNULL|c");
    check("with recursive t(n) as (values (1) union all select n+1 from t where n < 5) select sum(n) from t", "15");
    check("select x, (select count(*) from generate_series(1,x)) from generate_series(1,2) x", "1|1\n2|2");
    check("select a.x, b.y from (values (1),(2)) a(x) left join (values (2,'q')) b(x,y) on a.x=b.x order by 1", "1|NULL\n2|q");
    check(
        "select x from generate_series(1,5) x group by x%2",
        "GroupingError: column \"x.x\" must appear in the GROUP BY clause or be used in an aggregate function",
    );
    check("select (information_schema._pg_expandarray(array['a','b'])).n", "1\n2");
    check("select row_number() over (order by x desc), x from generate_series(1,2) x order by 2", "2|1\n1|2");
}

#[test]
fn catalogs() {
    check("select relname, relkind from pg_class where relnamespace = 2200 order by 1", "nation|r\nnation_pkey|i");
    check("select 'nation'::regclass::oid, 16388::regclass, 'int4'::regtype", "16388|nation|integer");
    check("select obj_description('nation'::regclass, 'pg_class')", "the nations");
    check(
        "select attname, format_type(atttypid, atttypmod) from pg_attribute where attrelid = 'nation'::regclass and attnum > 0 order by attnum",
        "n_key|integer\nn_name|character(25)",
    );
    check("select pg_get_indexdef(16391)", "CREATE UNIQUE INDEX nation_pkey ON public.nation USING btree (n_key)");
    check("select proname from pg_proc p join pg_type t on t.typreceive = p.oid where t.typname = '_int4'", "array_recv");
    check("select * from nation", "FeatureNotSupported: relation \"nation\" is not a catalog");
    check("select * from nope", "UndefinedTable: relation \"nope\" does not exist");
}

#[test]
fn parameters() {
    let types = |sql: &str| understand(sql, &[]).unwrap().params().iter().map(|t| t.sql_name()).collect::<Vec<_>>().join(",");
    assert_eq!(types("select $1 + 1"), "integer");
    assert_eq!(types("select $1"), "text");
    assert_eq!(types("select 1 where 1 = any($1)"), "integer[]");
    assert_eq!(types("select relname from pg_class where oid = $1 and relname like $2 limit $3"), "oid,text,bigint");
    assert_eq!(types("select now() - $1::interval"), "interval");
    assert_eq!(shown_with("select $1 + 1, $1", &[Datum::Int4(41)]).unwrap(), "42|41");
    assert_eq!(understand("select $1", &[Some(Base::Int8.into())]).unwrap().columns()[0].sql_type, Base::Int8.into());
    assert_eq!(understand("select $1", &[]).unwrap().run(&[], &World).unwrap_err().condition, Condition::ProtocolViolation);
}

#[test]
fn labels_and_types() {
    let analyzed =
        understand("select count(*), 1, 1::text, case when true then 1 end, exists(select 1), now(), relname from pg_class", &[]);
    // Wrong on purpose: a column beside an aggregate.
    assert_eq!(analyzed.unwrap_err().condition, Condition::GroupingError);
    let analyzed =
        understand("select 1, 1::text, case when true then 1 end, exists(select 1), coalesce(1,2), null", &[]).unwrap();
    let labels: Vec<&str> = analyzed.columns().iter().map(|c| c.name.as_str()).collect();
    assert_eq!(labels, ["?column?", "text", "case", "exists", "coalesce", "?column?"]);
    assert_eq!(analyzed.columns()[5].sql_type, Base::Text.into());
}

#[test]
fn depth_is_bounded() {
    let long = format!("select {}", vec!["1"; 2000].join("+"));
    assert_eq!(understand(&long, &[]).unwrap_err().condition, Condition::StatementTooComplex);
    let ors = format!("select {}", vec!["true"; 2000].join(" or "));
    assert!(understand(&ors, &[]).unwrap().run(&[], &World).is_ok());
}
