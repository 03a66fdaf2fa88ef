//! What the evaluator sees of the engine.

use std::fmt;

use chrono_tz::Tz;

use crate::error::Result;
use crate::types::SqlType;

/// One column of a user's relation.
#[derive(Debug, Clone)]
pub struct ColumnInfo {
    /// Its name.
    pub name: String,
    /// Its type, with modifier.
    pub sql_type: SqlType,
    /// Whether it may be null.
    pub nullable: bool,
    /// The text of its default.
    pub default: Option<String>,
    /// What `COMMENT ON` said.
    pub comment: Option<String>,
}

/// A primary key or a unique constraint.
#[derive(Debug, Clone)]
pub struct KeyInfo {
    /// The name of the constraint and of its index.
    pub name: String,
    /// The index's object identifier.
    pub index_oid: u32,
    /// The constraint's object identifier.
    pub constraint_oid: u32,
    /// The columns, counted from 0.
    pub columns: Vec<usize>,
}

/// A user's table or view.
#[derive(Debug, Clone)]
pub struct RelationInfo {
    /// Its object identifier.
    pub oid: u32,
    /// The schema it is in.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// `pg_class.relkind`: `r` or `v`.
    pub kind: char,
    /// Whether it ends with the session.
    pub temporary: bool,
    /// Who owns it.
    pub owner: String,
    /// Its columns.
    pub columns: Vec<ColumnInfo>,
    /// Its primary key.
    pub primary_key: Option<KeyInfo>,
    /// Its other keys.
    pub unique_keys: Vec<KeyInfo>,
    /// About how many rows it has; negative where unknown.
    pub rows: f64,
    /// Bytes that it takes.
    pub bytes: i64,
    /// A view's query.
    pub definition: Option<String>,
    /// What `COMMENT ON` said.
    pub comment: Option<String>,
}

/// One row of `pg_settings`.
#[derive(Debug, Clone, Default)]
pub struct SettingRow {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// The unit of numbers.
    pub unit: Option<String>,
    /// What it is for.
    pub description: String,
    /// `user`, `internal` or `postmaster`.
    pub context: String,
    /// `bool`, `integer`, `real`, `string` or `enum`.
    pub kind: String,
    /// Its value at the start.
    pub default: String,
    /// The smallest number.
    pub min: Option<String>,
    /// The largest number.
    pub max: Option<String>,
    /// What an `enum` may be.
    pub choices: Option<Vec<String>>,
}

/// One row of `pg_stat_activity`.
#[derive(Debug, Clone, Default)]
pub struct ActivityRow {
    /// The backend's process identifier.
    pub pid: i32,
    /// Its database.
    pub database: String,
    /// Its user.
    pub user: String,
    /// `application_name`.
    pub application: String,
    /// The client's address.
    pub client_address: Option<String>,
    /// The client's port.
    pub client_port: Option<i32>,
    /// When it connected; microseconds since 1970.
    pub backend_start: Option<i64>,
    /// When its transaction began.
    pub transaction_start: Option<i64>,
    /// When its statement began.
    pub query_start: Option<i64>,
    /// When its state changed.
    pub state_change: Option<i64>,
    /// `active`, `idle`, `idle in transaction`, …
    pub state: String,
    /// The statement's text.
    pub query: String,
    /// Of a COPY that takes data: the relation's identifier, bytes and rows so far.
    pub copy: Option<(u32, u64, u64)>,
}

/// A function of the query engine.
#[derive(Debug, Clone)]
pub struct FunctionInfo {
    /// Its name.
    pub name: String,
    /// Its arguments' types.
    pub args: Vec<SqlType>,
    /// Its result's type.
    pub result: SqlType,
    /// `f` for a function, `a` for an aggregate, `w` for a window function.
    pub kind: char,
}

/// The rest of the engine, as the evaluator sees it. One statement sees one state.
pub trait Environment {
    /// The users' tables and views.
    fn relations(&self) -> Vec<RelationInfo>;
    /// Schemas other than `pg_catalog` and `information_schema`: identifier and name.
    fn schemas(&self) -> Vec<(u32, String)>;
    /// Databases: identifier and name.
    fn databases(&self) -> Vec<(u32, String)>;
    /// Roles: identifier and name; the owner of everything is the first.
    fn roles(&self) -> Vec<(u32, String)>;
    /// The session's database.
    fn current_database(&self) -> &str;
    /// The session's user.
    fn user(&self) -> &str;
    /// The schemas that unqualified names are looked up in, without the implicit `pg_catalog`.
    fn search_path(&self) -> Vec<String>;
    /// All settings.
    fn settings(&self) -> Vec<SettingRow>;
    /// One setting's value.
    fn setting(&self, name: &str) -> Option<String>;
    /// Sets a setting, until the transaction's end where `local`; the value it then has.
    fn set_setting(&self, name: &str, value: &str, local: bool) -> Result<String>;
    /// The session's time zone.
    fn time_zone(&self) -> Tz;
    /// When the statement began; microseconds since 1970.
    fn statement_time(&self) -> i64;
    /// When the transaction began.
    fn transaction_time(&self) -> i64;
    /// When the server began.
    fn server_start_time(&self) -> i64;
    /// The session's process identifier.
    fn backend_pid(&self) -> i32;
    /// All sessions.
    fn activity(&self) -> Vec<ActivityRow>;
    /// Cancels the statement that a session runs; false where there is no such session.
    fn cancel_backend(&self, pid: i32) -> bool;
    /// Ends a session; false where there is none.
    fn terminate_backend(&self, pid: i32) -> bool;
    /// The client's address, where it came over a network.
    fn client_address(&self) -> Option<String>;
    /// Fails where the statement shall end (cancelled, out of time); asked now and then while rows are made.
    fn interrupted(&self) -> Result<()> {
        Ok(())
    }
    /// The query engine's functions.
    fn functions(&self) -> Vec<FunctionInfo>;
}

impl fmt::Debug for dyn Environment + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Environment")
    }
}
