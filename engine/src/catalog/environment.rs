//! A session, as the row evaluator sees it: the adapter between the catalog's state and `evaluate`.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use parking_lot::Mutex;

use super::relation::{Relation, RelationKind};
use crate::engine::Engine;
use crate::error::{Condition, Error, Result};
use crate::evaluate::{ActivityRow, ColumnInfo, Environment, FunctionInfo, KeyInfo, RelationInfo, SettingRow};
use crate::session::Session;
use crate::session::cancel::Limit;
use crate::session::transaction::Snapshot;
use crate::settings::{self, Context, Kind, SETTINGS, Scope, Settings};

/// The first of the object identifiers that stand for primary keys' constraints and indexes: relations never reach them.
const KEYS: u32 = 0x4000_0000;

/// What a statement sees of its session.
struct SessionEnvironment {
    engine: Engine,
    snapshot: Snapshot,
    database: String,
    user: String,
    pid: i32,
    search_path: Vec<String>,
    settings: Mutex<Settings>,
    changes: Arc<Mutex<Vec<(String, String, bool)>>>,
    zone: Tz,
    statement: DateTime<Utc>,
    transaction: DateTime<Utc>,
    client_address: Option<String>,
    limit: Limit,
}

impl Session {
    pub(crate) fn environment(&self) -> Arc<dyn Environment + Send + Sync> {
        let now = Utc::now();
        Arc::new(SessionEnvironment {
            engine: self.engine.clone(),
            snapshot: self.snapshot(),
            database: self.database.name.clone(),
            user: self.user.clone(),
            pid: self.pid,
            search_path: self.search_path(),
            settings: Mutex::new(self.settings.clone()),
            changes: Arc::clone(&self.pending_settings),
            zone: self.time_zone(),
            statement: now,
            transaction: self.transaction.as_ref().map_or(now, |t| t.began),
            client_address: self.client_address(),
            limit: self.limit(),
        })
    }

    /// Carries out what `set_config` asked for while a query ran.
    pub(crate) fn apply_pending_settings(&mut self) -> Result<()> {
        let changes = std::mem::take(&mut *self.pending_settings.lock());
        for (name, value, local) in changes {
            self.set(&name, &value, if local { Scope::Local } else { Scope::Session })?;
        }
        Ok(())
    }
}

fn bytes(relation: &Relation) -> i64 {
    match &relation.kind {
        RelationKind::Table { segments, .. } => segments.iter().map(|s| s.batch.get_array_memory_size() as i64).sum(),
        RelationKind::Files(provider) => {
            provider.statistics().and_then(|s| s.total_byte_size.get_value().copied()).map_or(0, |n| n as i64)
        }
        RelationKind::View { .. } => 0,
    }
}

fn micros(time: DateTime<Utc>) -> i64 {
    time.timestamp_micros()
}

impl Environment for SessionEnvironment {
    fn relations(&self) -> Vec<RelationInfo> {
        let all = self.snapshot.shared.relations.iter().chain(&self.snapshot.temp.relations);
        all.map(|(name, relation)| {
            let columns = relation.columns.iter().map(|c| ColumnInfo {
                name: c.name.clone(),
                sql_type: c.sql_type,
                nullable: c.nullable,
                default: c.default.clone(),
                comment: None,
            });
            let primary_key = (!relation.primary_key.is_empty()).then(|| KeyInfo {
                name: format!("{}_pkey", name.name),
                index_oid: KEYS + relation.oid,
                constraint_oid: KEYS * 2 + relation.oid,
                columns: relation.primary_key.clone(),
            });
            let definition = match &relation.kind {
                RelationKind::View { query } => Some(query.clone()),
                RelationKind::Table { .. } | RelationKind::Files(_) => None,
            };
            RelationInfo {
                oid: relation.oid,
                schema: name.schema.clone(),
                name: name.name.clone(),
                kind: if relation.noun() == "view" { 'v' } else { 'r' },
                temporary: name.schema.starts_with("pg_temp"),
                owner: relation.owner.clone(),
                columns: columns.collect(),
                primary_key,
                unique_keys: Vec::new(),
                rows: relation.rows().map_or(-1.0, |n| n as f64),
                bytes: bytes(relation),
                definition,
                comment: None,
            }
        })
        .collect()
    }

    fn schemas(&self) -> Vec<(u32, String)> {
        let mut schemas: Vec<(u32, String)> = self.snapshot.shared.schemas.iter().map(|(n, oid)| (*oid, n.clone())).collect();
        if !self.snapshot.temp.relations.is_empty() {
            schemas.push((KEYS - 1 - self.pid as u32 % 0x1000_0000, format!("pg_temp_{}", self.pid)));
        }
        schemas
    }

    fn databases(&self) -> Vec<(u32, String)> {
        self.engine.shared.databases.values().map(|d| (d.oid, d.name.clone())).collect()
    }

    fn roles(&self) -> Vec<(u32, String)> {
        let mut roles = vec![(10, "postgres".to_owned())];
        if self.user != "postgres" {
            roles.push((16000, self.user.clone()));
        }
        let owners = self.snapshot.shared.relations.values().chain(self.snapshot.temp.relations.values()).map(|r| &r.owner);
        for owner in owners {
            if !roles.iter().any(|(_, name)| name == owner) {
                roles.push((16000 + roles.len() as u32, owner.clone()));
            }
        }
        roles
    }

    fn current_database(&self) -> &str {
        &self.database
    }

    fn user(&self) -> &str {
        &self.user
    }

    fn search_path(&self) -> Vec<String> {
        let exists = |s: &String| self.snapshot.shared.schemas.contains_key(s) || s == "pg_catalog" || s == "information_schema";
        self.search_path.iter().filter(|s| exists(s)).cloned().collect()
    }

    fn settings(&self) -> Vec<SettingRow> {
        let current = self.settings.lock();
        SETTINGS
            .iter()
            .map(|s| {
                let (kind, unit, min, max, choices) = match s.kind {
                    Kind::Bool => ("bool", None, None, None, None),
                    Kind::Integer { min, max, unit } => {
                        let unit = (!unit.is_empty()).then(|| unit.to_owned());
                        ("integer", unit, Some(min.to_string()), Some(max.to_string()), None)
                    }
                    Kind::Real => ("real", None, None, None, None),
                    Kind::Choice(choices) => ("enum", None, None, None, Some(choices.iter().map(|c| (*c).to_owned()).collect())),
                    Kind::Text | Kind::TimeZone | Kind::DateStyle | Kind::Encoding => ("string", None, None, None, None),
                };
                SettingRow {
                    name: s.name.to_owned(),
                    value: current.get(s.name).unwrap_or_default(),
                    unit,
                    description: s.description.to_owned(),
                    context: match s.context {
                        Context::Internal => "internal",
                        Context::Postmaster => "postmaster",
                        Context::User => "user",
                    }
                    .to_owned(),
                    kind: kind.to_owned(),
                    default: s.default.to_owned(),
                    min,
                    max,
                    choices,
                }
            })
            .collect()
    }

    fn setting(&self, name: &str) -> Option<String> {
        self.settings.lock().show(name).ok()
    }

    fn set_setting(&self, name: &str, value: &str, local: bool) -> Result<String> {
        let scope = if local { Scope::Local } else { Scope::Session };
        let mut current = self.settings.lock();
        current.set(name, value, scope)?;
        self.changes.lock().push((name.to_owned(), value.to_owned(), local));
        current
            .get(name)
            .ok_or_else(|| Error::new(Condition::UndefinedObject, format!("unrecognized configuration parameter \"{name}\"")))
    }

    fn time_zone(&self) -> Tz {
        settings::parse_zone(&self.settings.lock().get("TimeZone").unwrap_or_default()).unwrap_or(self.zone)
    }

    fn statement_time(&self) -> i64 {
        micros(self.statement)
    }

    fn transaction_time(&self) -> i64 {
        micros(self.transaction)
    }

    fn server_start_time(&self) -> i64 {
        micros(self.engine.shared.began)
    }

    fn backend_pid(&self) -> i32 {
        self.pid
    }

    fn activity(&self) -> Vec<ActivityRow> {
        let sessions = self.engine.shared.sessions.list();
        sessions
            .into_iter()
            .map(|s| {
                let (address, port) = match s.client_address.as_deref().and_then(|a| a.parse::<std::net::SocketAddr>().ok()) {
                    Some(address) => (Some(address.ip().to_string()), Some(i32::from(address.port()))),
                    None => (s.client_address.clone(), None),
                };
                ActivityRow {
                    pid: s.pid,
                    database: s.database,
                    user: s.user,
                    application: s.application_name,
                    client_address: address,
                    client_port: port,
                    backend_start: Some(micros(s.began)),
                    transaction_start: s.transaction_began.map(micros),
                    query_start: s.query_began.map(micros),
                    state_change: s.query_began.map(micros),
                    state: s.state.to_owned(),
                    query: s.query,
                    copy: s.copy.map(|copy| (copy.relation, copy.bytes, copy.rows)),
                }
            })
            .collect()
    }

    fn cancel_backend(&self, pid: i32) -> bool {
        self.engine.shared.sessions.cancel_by_pid(pid)
    }

    fn terminate_backend(&self, pid: i32) -> bool {
        // The connection itself belongs to whoever serves it: its statement is what ends.
        self.engine.shared.sessions.cancel_by_pid(pid)
    }

    fn client_address(&self) -> Option<String> {
        self.client_address.clone()
    }

    fn interrupted(&self) -> Result<()> {
        self.limit.check()
    }

    fn functions(&self) -> Vec<FunctionInfo> {
        Vec::new()
    }
}
