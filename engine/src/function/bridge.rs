//! The row evaluator's functions inside DataFusion's plans.
//!
//! A function that DataFusion lacks, or answers differently (`to_char` with PostgreSQL's patterns), is computed here value by
//! value with the evaluator's own code: slower than a kernel, and exact. Its type is the one that the evaluator gives.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field, FieldRef};
use chrono_tz::Tz;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};
use sqlparser::ast;

use super::cast::{cast, to_text};
use super::error::wrap;
use crate::error::{Condition, Error};
use crate::evaluate::function;
use crate::evaluate::{
    ActivityRow, Analyzed, Datum, Environment, FunctionInfo, RelationInfo, SettingRow, analyze, from_text, to_batch,
};
use crate::sql::parse;
use crate::types::{Base, QUOTIENT_KEY, SqlType, TRIM, TYPE_KEY};

/// Functions that are computed here although DataFusion has one of the same name: its patterns, digits, or errors differ.
pub const OVERRIDES: &[&str] = &[
    "age",
    "format",
    "justify_days",
    "justify_hours",
    "justify_interval",
    "regexp_match",
    "regexp_replace",
    "to_char",
    "to_date",
    "to_number",
    "to_timestamp",
];

/// Functions whose answer depends on the session, of which a plan's expression knows nothing.
const OF_THE_SESSION: &[&str] = &[
    "current_catalog",
    "current_database",
    "current_query",
    "current_role",
    "current_schema",
    "current_schemas",
    "current_setting",
    "current_user",
    "inet_client_addr",
    "inet_client_port",
    "inet_server_addr",
    "inet_server_port",
    "session_user",
    "set_config",
    "to_regclass",
    "to_regnamespace",
    "to_regproc",
    "to_regrole",
    "txid_current",
    "user",
];

/// Functions that answer differently each time.
const VOLATILE: &[&str] = &[
    "clock_timestamp",
    "gen_random_uuid",
    "localtime",
    "localtimestamp",
    "statement_timestamp",
    "timeofday",
    "transaction_timestamp",
];

/// One of the evaluator's functions.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Bridged {
    name: String,
    signature: Signature,
}

impl Bridged {
    /// By that name.
    pub fn new(name: &str) -> Self {
        let signature = TypeSignature::OneOf(vec![TypeSignature::VariadicAny, TypeSignature::Nullary]);
        let volatility = if VOLATILE.contains(&name) { Volatility::Volatile } else { Volatility::Immutable };
        Self { name: name.to_owned(), signature: Signature::new(signature, volatility) }
    }

    /// The call with arguments of these types, understood; a constant text is an open literal, as in SQL.
    fn analyzed(&self, types: &[SqlType], zone: Tz) -> Result<Analyzed, Error> {
        let of_the_session =
            self.name.starts_with("pg_") || self.name.starts_with("has_") || OF_THE_SESSION.contains(&self.name.as_str());
        if of_the_session && !function::named(&self.name).is_empty() {
            return Err(Error::unsupported(format!("function {} is not supported beside a table's rows", self.name))
                .hint("Select it in a statement of its own."));
        }
        if function::named(&self.name).iter().any(|f| !matches!(f.body, function::Body::Scalar(_))) {
            return Err(Error::unsupported(format!("function {} is not supported on a table's rows", self.name)));
        }
        let parameters: Vec<String> = (1..=types.len()).map(|n| format!("${n}")).collect();
        let quoted = self.name.replace('"', "\"\"");
        let text = format!("SELECT \"{quoted}\"({})", parameters.join(", "));
        let tree = parse::parse(&text)?.first().and_then(|s| s.tree.clone());
        let Some(ast::Statement::Query(query)) = tree.as_deref() else {
            return Err(Error::internal("a call that is no query"));
        };
        let known: Vec<Option<SqlType>> = types.iter().map(|t| Some(*t)).collect();
        analyze(query, &known, &Alone { zone })
    }

    /// The call's type; what the evaluator says where there is no such function.
    pub fn result(&self, types: &[SqlType]) -> Result<SqlType, Error> {
        let analyzed = self.analyzed(types, Tz::UTC)?;
        analyzed.columns().first().map(|c| c.sql_type).ok_or_else(|| Error::internal("a call without a result"))
    }
}

fn argument_types(fields: &[FieldRef], scalars: &[Option<&ScalarValue>]) -> Vec<SqlType> {
    let one = |(at, field): (usize, &FieldRef)| match (scalars.get(at).copied().flatten(), field.data_type()) {
        (_, DataType::Null) => Base::Text.into(),
        (_, _) => SqlType { typmod: -1, ..SqlType::of_field(field) },
    };
    fields.iter().enumerate().map(one).collect()
}

/// The type in which results travel: a numeric gets a scale, since a column needs one.
fn carried(result: SqlType) -> Field {
    let field = result.field("", true);
    if result.base == Base::Numeric && !result.array {
        let metadata = [(TYPE_KEY.to_owned(), "numeric".to_owned()), (QUOTIENT_KEY.to_owned(), TRIM.to_owned())];
        return Field::new("", DataType::Decimal128(38, 16), true).with_metadata(metadata.into());
    }
    field
}

impl ScalarUDFImpl for Bridged {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let types: Vec<SqlType> = types.iter().map(SqlType::of_arrow).collect();
        Ok(carried(self.result(&types).map_err(wrap)?).data_type().clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let types = argument_types(args.arg_fields, args.scalar_arguments);
        let result = self.result(&types).map_err(|e| {
            // Constants of text stand for open literals in the message.
            let shown: Vec<String> = types
                .iter()
                .zip(args.scalar_arguments)
                .map(|(t, s)| match s {
                    Some(ScalarValue::Utf8(_) | ScalarValue::Null) => "unknown".to_owned(),
                    _ => t.sql_name(),
                })
                .collect();
            match e.condition {
                Condition::UndefinedFunction => wrap(
                    Error::new(
                        Condition::UndefinedFunction,
                        format!("function {}({}) does not exist", self.name, shown.join(", ")),
                    )
                    .hint("No function matches the given name and argument types. You might need to add explicit type casts."),
                ),
                _ => wrap(e),
            }
        })?;
        Ok(Arc::new(carried(result)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let zone = args.config_options.execution.time_zone.as_deref().and_then(|z| z.parse().ok()).unwrap_or(Tz::UTC);
        let one = args.args.iter().all(|a| matches!(a, ColumnarValue::Scalar(_)));
        let rows = if one { 1 } else { args.number_rows };
        let columns: Vec<ArrayRef> = args.args.iter().map(|a| a.to_array(rows)).collect::<Result<_>>()?;
        let types = argument_types(&args.arg_fields, &[]);
        let result = self.compute(&columns, &types, rows, args.return_type(), zone).map_err(wrap)?;
        if one { Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?)) } else { Ok(ColumnarValue::Array(result)) }
    }
}

impl Bridged {
    fn compute(&self, columns: &[ArrayRef], types: &[SqlType], rows: usize, to: &DataType, zone: Tz) -> Result<ArrayRef, Error> {
        let environment = Alone { zone };
        let analyzed = self.analyzed(types, zone)?;
        // Values come by way of their text; a value that stays the same is read once.
        let mut texts = Vec::new();
        for (column, sql_type) in columns.iter().zip(types) {
            texts.push(to_text(column, *sql_type, zone)?);
        }
        let mut last: Vec<(Option<String>, Datum)> = types.iter().map(|_| (None, Datum::Null)).collect();
        let mut results: Vec<Vec<Datum>> = Vec::with_capacity(rows);
        for row in 0..rows {
            for (at, text) in texts.iter().enumerate() {
                let text = text.as_string::<i32>();
                let value = text.is_valid(row).then(|| text.value(row));
                if last[at].0.as_deref() != value || row == 0 {
                    let datum = match value {
                        Some(value) => from_text(value, types[at], &environment)?,
                        None => Datum::Null,
                    };
                    last[at] = (value.map(str::to_owned), datum);
                }
            }
            let values: Vec<Datum> = last.iter().map(|(_, datum)| datum.clone()).collect();
            let mut result = analyzed.run(&values, &environment)?;
            results.push(result.pop().unwrap_or_else(|| vec![Datum::Null]));
        }
        let batch = to_batch(analyzed.columns(), &results)?;
        let column = batch.column(0);
        if column.data_type() == to {
            return Ok(Arc::clone(column));
        }
        let from = SqlType::of_arrow(column.data_type());
        let target = analyzed.columns().first().map_or(Base::Text.into(), |c| c.sql_type);
        cast(column, from, target, to, zone)
    }
}

/// A world without relations: all that a function of its arguments needs.
pub(crate) struct Alone {
    /// The session's time zone.
    pub(crate) zone: Tz,
}

impl Environment for Alone {
    fn relations(&self) -> Vec<RelationInfo> {
        Vec::new()
    }

    fn schemas(&self) -> Vec<(u32, String)> {
        Vec::new()
    }

    fn databases(&self) -> Vec<(u32, String)> {
        Vec::new()
    }

    fn roles(&self) -> Vec<(u32, String)> {
        Vec::new()
    }

    fn current_database(&self) -> &str {
        ""
    }

    fn user(&self) -> &str {
        ""
    }

    fn search_path(&self) -> Vec<String> {
        Vec::new()
    }

    fn settings(&self) -> Vec<SettingRow> {
        Vec::new()
    }

    fn setting(&self, name: &str) -> Option<String> {
        crate::settings::find(name).map(|s| s.default.to_owned())
    }

    fn set_setting(&self, _name: &str, _value: &str, _local: bool) -> Result<String, Error> {
        Err(Error::unsupported("set_config is not supported on a table's rows"))
    }

    fn time_zone(&self) -> Tz {
        self.zone
    }

    fn statement_time(&self) -> i64 {
        chrono::Utc::now().timestamp_micros()
    }

    fn transaction_time(&self) -> i64 {
        chrono::Utc::now().timestamp_micros()
    }

    fn server_start_time(&self) -> i64 {
        0
    }

    fn backend_pid(&self) -> i32 {
        0
    }

    fn activity(&self) -> Vec<ActivityRow> {
        Vec::new()
    }

    fn cancel_backend(&self, _pid: i32) -> bool {
        false
    }

    fn terminate_backend(&self, _pid: i32) -> bool {
        false
    }

    fn client_address(&self) -> Option<String> {
        None
    }

    fn functions(&self) -> Vec<FunctionInfo> {
        Vec::new()
    }
}
