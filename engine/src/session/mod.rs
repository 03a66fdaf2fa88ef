//! A session: one client's settings, transaction, prepared statements and cursors, over what all sessions share.

pub mod activity;
pub mod cancel;
pub mod execute;
pub mod rows;
pub mod transaction;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chrono::Utc;
use datafusion::common::config::ConfigOptions;
use datafusion::execution::session_state::SessionState;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::catalog::{Database, Name, Relation, State};
use crate::engine::Engine;
use crate::error::{Condition, Error, Result};
use crate::exec::devices;
use crate::plan::query::Planning;
use crate::plan::single_pass;
use crate::settings::{Scope, Settings};
use crate::sql::cursor::Cursor;
use crate::sql::label;
use crate::sql::parse::{self, Statement};
use activity::Activity;
use cancel::{CancelHandle, Limit};
use execute::Prepared;
use rows::Clock;
use transaction::{Snapshot, Transaction, TransactionStatus};

/// Who opens a session, and how.
#[derive(Debug, Clone, Default)]
pub struct SessionOptions {
    /// The database.
    pub database: String,
    /// The user.
    pub user: String,
    /// Settings that the client asks for at the start.
    pub settings: Vec<(String, String)>,
    /// Where the client is.
    pub client_address: Option<String>,
    /// What a cancel request must know.
    pub secret: Vec<u8>,
}

/// How much a notice matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// For the curious.
    Log,
    /// `NOTICE`
    Notice,
    /// `WARNING`
    Warning,
    /// `INFO`, which is always sent.
    Info,
}

/// Something to tell the client that is no error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// How much it matters.
    pub severity: Severity,
    /// Its condition, where it is not simply a success.
    pub condition: Option<Condition>,
    /// The sentence.
    pub message: String,
    /// More about it.
    pub detail: Option<String>,
    /// What to do.
    pub hint: Option<String>,
}

/// A client's session. One task uses it at a time; dropping it stops what it runs.
pub struct Session {
    pub(crate) engine: Engine,
    pub(crate) database: Arc<Database>,
    pub(crate) user: String,
    pub(crate) pid: i32,
    pub(crate) settings: Settings,
    pub(crate) temp: Arc<State>,
    pub(crate) transaction: Option<Transaction>,
    pub(crate) statements: HashMap<String, Arc<Prepared>>,
    pub(crate) cursors: BTreeMap<String, Cursor>,
    pub(crate) portals_closed: bool,
    pub(crate) pending_settings: Arc<Mutex<Vec<(String, String, bool)>>>,
    state: Arc<SessionState>,
    single_pass: Arc<ConfigOptions>,
    state_zone: String,
    state_device: String,
    notices: Vec<Notice>,
    told: BTreeMap<String, String>,
    cancel: CancelHandle,
    limit: Limit,
    pub(crate) activity: Arc<Mutex<Activity>>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.cancel.cancel();
        self.engine.shared.sessions.remove(self.pid);
        if let Some(transaction) = self.transaction.take() {
            self.forget_plans(&transaction.base, &transaction.work, &transaction.base.temp);
        }
        let temporary: Vec<_> = self.temp.relations.keys().collect();
        if !temporary.is_empty() {
            self.engine.shared.plans.forget(&self.database.name, &temporary);
        }
    }
}

impl Session {
    pub(crate) fn open(engine: &Engine, options: SessionOptions) -> Result<Self> {
        let shared = &engine.shared;
        let Some(database) = shared.databases.get(&options.database) else {
            return Err(Error::new(Condition::InvalidCatalogName, format!("database \"{}\" does not exist", options.database)));
        };
        let mut settings = shared.settings.clone();
        settings.force("session_authorization", &options.user);
        for (name, value) in &options.settings {
            settings.start_with(name, value)?;
        }
        let pid = shared.sessions.fresh_pid();
        let cancel = CancelHandle::default();
        let activity = Arc::new(Mutex::new(Activity {
            pid,
            database: options.database.clone(),
            user: options.user.clone(),
            application_name: settings.get("application_name").unwrap_or_default(),
            client_address: options.client_address,
            began: Utc::now(),
            transaction_began: None,
            query_began: None,
            state: "idle",
            query: String::new(),
            copy: None,
        }));
        shared.sessions.add(&activity, &cancel, options.secret);
        let mut session = Self {
            engine: engine.clone(),
            database: Arc::clone(database),
            user: options.user,
            pid,
            told: settings.reported().into_iter().collect(),
            settings,
            temp: Arc::new(State::default()),
            transaction: None,
            statements: HashMap::new(),
            cursors: BTreeMap::new(),
            portals_closed: false,
            pending_settings: Arc::default(),
            state: Arc::new(shared.template.clone()),
            single_pass: Arc::default(),
            state_zone: String::new(),
            state_device: String::new(),
            notices: Vec::new(),
            limit: Limit::new(cancel.token(), 0),
            cancel,
            activity,
        };
        session.refresh_state();
        Ok(session)
    }

    /// This session's number.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// The database's name.
    pub fn database_name(&self) -> &str {
        &self.database.name
    }

    /// The user's name.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// All statements of a text: `42601` where any is malformed.
    pub fn parse(&self, text: &str) -> Result<Vec<Statement>> {
        parse::parse(text)
    }

    /// A new message begins: an earlier cancel does not concern it, and `statement_timeout` counts from now.
    pub fn begin_statement(&mut self) {
        self.cancel.renew();
        self.limit = Limit::new(self.cancel.token(), self.settings.integer("statement_timeout"));
    }

    /// Fires when the statement in progress is cancelled.
    pub fn cancelled(&self) -> CancellationToken {
        self.cancel.token()
    }

    pub(crate) fn clock(&self) -> Clock {
        Clock { cancel: self.cancel.clone(), timeout_ms: self.settings.integer("statement_timeout"), limit: self.limit.clone() }
    }

    pub(crate) fn limit(&self) -> Limit {
        self.limit.clone()
    }

    /// Notes for `pg_stat_activity` what runs.
    pub(crate) fn active(&mut self, query: &str) {
        let mut activity = self.activity.lock();
        activity.state = "active";
        activity.query = query.to_owned();
        activity.query_began = Some(Utc::now());
        activity.transaction_began = self.transaction.as_ref().map(|t| t.began);
    }

    /// Nothing runs any more.
    pub fn idle(&mut self) {
        let state = match self.transaction_status() {
            TransactionStatus::Idle => "idle",
            TransactionStatus::InTransaction => "idle in transaction",
            TransactionStatus::Failed => "idle in transaction (aborted)",
        };
        let mut activity = self.activity.lock();
        activity.state = state;
        activity.transaction_began = self.transaction.as_ref().map(|t| t.began);
        activity.application_name = self.settings.get("application_name").unwrap_or_default();
    }

    /// Where the client is.
    pub(crate) fn client_address(&self) -> Option<String> {
        self.activity.lock().client_address.clone()
    }

    /// A setting's text.
    pub fn setting(&self, name: &str) -> Option<String> {
        self.settings.get(name)
    }

    /// The session's time zone.
    pub fn time_zone(&self) -> chrono_tz::Tz {
        self.settings.time_zone()
    }

    /// What clients are told at the start.
    pub fn reported_settings(&self) -> Vec<(String, String)> {
        self.settings.reported()
    }

    /// Reported settings that changed since this was asked last.
    pub fn take_reports(&mut self) -> Vec<(String, String)> {
        let now = self.settings.reported();
        let changed: Vec<_> = now.into_iter().filter(|(name, value)| self.told.get(name) != Some(value)).collect();
        self.told.extend(changed.iter().cloned());
        changed
    }

    /// Notices since this was asked last, as far as `client_min_messages` lets them through.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        let least = match self.settings.get("client_min_messages").as_deref() {
            Some("error") => Severity::Info,
            Some("warning") => Severity::Warning,
            Some("notice") | None => Severity::Notice,
            Some(_) => Severity::Log,
        };
        self.notices.drain(..).filter(|n| n.severity >= least).collect()
    }

    pub(crate) fn notice(&mut self, message: impl Into<String>) {
        self.tell(Severity::Notice, None, message);
    }

    pub(crate) fn warn(&mut self, condition: Condition, message: impl Into<String>) {
        self.tell(Severity::Warning, Some(condition), message);
    }

    fn tell(&mut self, severity: Severity, condition: Option<Condition>, message: impl Into<String>) {
        self.notices.push(Notice { severity, condition, message: message.into(), detail: None, hint: None });
    }

    /// Whether portals must go: once after DISCARD ALL, CLOSE ALL, or the end of a transaction.
    pub fn take_closed_portals(&mut self) -> bool {
        std::mem::take(&mut self.portals_closed)
    }

    // Prepared statements.

    /// Keeps a prepared statement: the unnamed one is replaced, a named one must be new (`42P05`).
    pub fn store_statement(&mut self, name: &str, prepared: Prepared) -> Result<()> {
        if !name.is_empty() && self.statements.contains_key(name) {
            return Err(Error::new(
                Condition::DuplicatePreparedStatement,
                format!("prepared statement \"{name}\" already exists"),
            ));
        }
        self.statements.insert(name.to_owned(), Arc::new(prepared));
        Ok(())
    }

    /// A prepared statement: `26000` where there is none.
    pub fn statement(&self, name: &str) -> Result<Arc<Prepared>> {
        self.statements.get(name).cloned().ok_or_else(|| {
            let message = if name.is_empty() {
                "unnamed prepared statement does not exist".to_owned()
            } else {
                format!("prepared statement \"{name}\" does not exist")
            };
            Error::new(Condition::InvalidSqlStatementName, message)
        })
    }

    /// Forgets a prepared statement, if there is one.
    pub fn close_statement(&mut self, name: &str) {
        self.statements.remove(name);
    }

    // Names.

    /// Schemas in which a bare name is looked up, in order.
    pub(crate) fn search_path(&self) -> Vec<String> {
        let path = self.settings.get("search_path").unwrap_or_default();
        path.split(',')
            .map(str::trim)
            .filter(|s| !s.is_empty())
            .map(|s| match s.strip_prefix('"').and_then(|s| s.strip_suffix('"')) {
                Some("$user") => self.user.clone(),
                Some(quoted) => quoted.replace("\"\"", "\""),
                None if s == "$user" => self.user.clone(),
                None => s.trim_matches('\'').to_lowercase(),
            })
            .collect()
    }

    /// The name of this session's temporary schema.
    pub(crate) fn temp_schema(&self) -> String {
        format!("pg_temp_{}", self.pid)
    }

    /// Schema and name of a name in a statement.
    pub(crate) fn split_name(&self, name: &sqlparser::ast::ObjectName) -> Result<(Option<String>, String)> {
        let parts: Vec<String> = name.0.iter().filter_map(|p| p.as_ident()).map(label::fold).collect();
        match parts.as_slice() {
            [name] => Ok((None, name.clone())),
            [schema, name] => Ok((Some(schema.clone()), name.clone())),
            [database, schema, name] if *database == self.database.name => Ok((Some(schema.clone()), name.clone())),
            [_, _, _] => Err(Error::unsupported(format!("cross-database references are not implemented: \"{name}\""))),
            _ => Err(Error::syntax(format!("improper qualified name (too many dotted names): {name}"))),
        }
    }

    /// A relation: `42P01` where there is none.
    pub(crate) fn relation(&self, name: &sqlparser::ast::ObjectName) -> Result<(Name, Arc<Relation>)> {
        let (schema, bare) = self.split_name(name)?;
        self.snapshot().find(schema.as_deref(), &bare, &self.search_path()).ok_or_else(|| {
            let shown = schema.map_or(bare.clone(), |s| format!("{s}.{bare}"));
            Error::new(Condition::UndefinedTable, format!("relation \"{shown}\" does not exist"))
        })
    }

    // Transactions.

    /// What a statement reads now.
    pub(crate) fn snapshot(&self) -> Snapshot {
        match &self.transaction {
            Some(transaction) => transaction.work.clone(),
            None => Snapshot { shared: self.database.state(), temp: Arc::clone(&self.temp) },
        }
    }

    /// The transaction in progress; one begins where there is none.
    pub(crate) fn transaction(&mut self) -> &mut Transaction {
        let fresh = Snapshot { shared: self.database.state(), temp: Arc::clone(&self.temp) };
        if self.transaction.is_none() {
            self.settings.begin();
        }
        self.transaction.get_or_insert_with(|| Transaction::new(fresh, false))
    }

    /// Refuses to change anything in a read-only transaction.
    pub(crate) fn check_writable(&self, command: &str) -> Result<()> {
        if self.settings.on("transaction_read_only") || self.settings.on("default_transaction_read_only") {
            return Err(Error::new(
                Condition::ReadOnlySqlTransaction,
                format!("cannot execute {command} in a read-only transaction"),
            ));
        }
        Ok(())
    }

    /// Commits the transaction in progress.
    pub(crate) fn commit(&mut self) -> Result<()> {
        let Some(transaction) = self.transaction.take() else { return Ok(()) };
        self.end_cursors(true);
        if let Err(error) = self.database.commit(&transaction.base.shared, &transaction.work.shared) {
            self.settings.end(false);
            return Err(error);
        }
        self.forget_plans(&transaction.base, &transaction.work, &transaction.work.temp);
        self.temp = transaction.work.temp;
        self.settings.end(true);
        self.refresh_state();
        Ok(())
    }

    /// Forgets what the transaction in progress did.
    pub(crate) fn rollback(&mut self) {
        if let Some(transaction) = self.transaction.take() {
            self.forget_plans(&transaction.base, &transaction.work, &transaction.base.temp);
            self.end_cursors(false);
            self.settings.end(false);
            self.refresh_state();
        }
    }

    /// Lets go of plans over tables that a transaction saw when it began or made itself, and that nobody sees any more who
    /// begins now.
    fn forget_plans(&self, base: &Snapshot, work: &Snapshot, temp: &State) {
        let newest = self.database.state();
        if !Arc::ptr_eq(&base.shared, &work.shared) {
            self.engine.shared.plans.forget_absent(&self.database.name, &newest);
        }
        let mut gone = base.shared.ended(&newest);
        gone.extend(work.shared.ended(&newest));
        gone.extend(base.temp.ended(temp));
        gone.extend(work.temp.ended(temp));
        if !gone.is_empty() {
            self.engine.shared.plans.forget(&self.database.name, &gone);
        }
    }

    fn end_cursors(&mut self, committed: bool) {
        self.cursors.retain(|_, cursor| cursor.survives(committed));
        self.portals_closed = true;
    }

    /// The end of a simple message, or Sync: an implicit transaction is committed.
    pub async fn sync(&mut self) -> Result<()> {
        match &self.transaction {
            Some(transaction) if !transaction.explicit => self.commit(),
            Some(_) | None => Ok(()),
        }
    }

    /// A statement failed: an implicit transaction is rolled back, an explicit one is failed from now on.
    pub fn fail(&mut self) {
        match &mut self.transaction {
            Some(transaction) if transaction.explicit => transaction.failed = true,
            Some(_) => self.rollback(),
            None => {}
        }
    }

    /// What ReadyForQuery says.
    pub fn transaction_status(&self) -> TransactionStatus {
        match &self.transaction {
            Some(t) if t.explicit && t.failed => TransactionStatus::Failed,
            Some(t) if t.explicit => TransactionStatus::InTransaction,
            Some(_) | None => TransactionStatus::Idle,
        }
    }

    // DataFusion's side.

    /// Follows a change of settings that DataFusion must know.
    pub(crate) fn refresh_state(&mut self) {
        let zone = self.settings.time_zone().name().to_owned();
        let mut changed = false;
        if zone != self.state_zone {
            changed = true;
            let state = Arc::make_mut(&mut self.state);
            state.config_mut().options_mut().execution.time_zone = Some(zone.clone());
            self.state_zone = zone;
        }
        let device = self.settings.get("warpwise.device").unwrap_or_default();
        if device != self.state_device {
            let state = Arc::make_mut(&mut self.state);
            let choice = device.parse().unwrap_or_default();
            state.config_mut().options_mut().extensions.insert(devices::Session { device: choice, refusals: None });
            self.state_device = device;
            changed = true;
        }
        if changed {
            // Functions in a physical plan read the settings from here.
            let state = Arc::make_mut(&mut self.state);
            let options = Arc::clone(state.config_options());
            state.execution_props_mut().config_options = Some(options);
            self.single_pass = single_pass::options(&self.state);
        }
    }

    pub(crate) fn set(&mut self, name: &str, value: &str, scope: Scope) -> Result<()> {
        self.settings.set(name, value, scope)?;
        self.refresh_state();
        Ok(())
    }

    /// What planning needs to know now, for plans that may depend on the moment. It costs a copy of DataFusion's state.
    pub(crate) fn planning(&self) -> Planning {
        let mut planning = self.timeless_planning();
        let began = self.transaction.as_ref().map_or_else(Utc::now, |t| t.began);
        Arc::make_mut(&mut planning.state).execution_props_mut().query_execution_start_time = Some(began);
        planning
    }

    /// The same for what does not: analysis, and plans that are kept.
    pub(crate) fn timeless_planning(&self) -> Planning {
        Planning {
            state: Arc::clone(&self.state),
            single_pass: Arc::clone(&self.single_pass),
            snapshot: self.snapshot(),
            database: self.database.name.clone(),
            search_path: self.search_path(),
            fingerprint: self.settings.fingerprint(),
            cache: Arc::clone(&self.engine.shared.plans),
            devices: Arc::clone(&self.engine.shared.devices),
        }
    }
}
