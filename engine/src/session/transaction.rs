//! Transactions: a snapshot to read, a private copy to change, and one merge at the end.
//!
//! A transaction sees the database as it was when it began, and its own changes (stronger than PostgreSQL's default,
//! READ COMMITTED, which may see others' commits between two statements).

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::catalog::state::State;
use crate::catalog::{Name, Relation};

/// What a statement reads: the database and the session's temporary relations.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The database.
    pub shared: Arc<State>,
    /// The session's temporary schema.
    pub temp: Arc<State>,
}

impl Snapshot {
    /// A relation, temporary ones first where no schema is named.
    pub fn find(&self, schema: Option<&str>, name: &str, search_path: &[String]) -> Option<(Name, Arc<Relation>)> {
        let get = |state: &State, schema: &str| {
            let full = Name::new(schema, name);
            state.relations.get(&full).map(|r| (full, Arc::clone(r)))
        };
        match schema {
            Some(schema) if schema == "pg_temp" || schema.starts_with("pg_temp_") => {
                self.temp.relations.iter().find(|(n, _)| n.name == name).map(|(n, r)| (n.clone(), Arc::clone(r)))
            }
            Some(schema) => get(&self.shared, schema),
            None => {
                let temporary = self.temp.relations.iter().find(|(n, _)| n.name == name).map(|(n, r)| (n.clone(), Arc::clone(r)));
                temporary.or_else(|| search_path.iter().find_map(|schema| get(&self.shared, schema)))
            }
        }
    }

    /// The state that holds relations of that schema, to change it.
    pub fn state_of(&mut self, name: &Name) -> &mut State {
        if name.schema.starts_with("pg_temp") { Arc::make_mut(&mut self.temp) } else { Arc::make_mut(&mut self.shared) }
    }
}

/// A transaction in progress.
#[derive(Debug)]
pub struct Transaction {
    /// What it began with.
    pub base: Snapshot,
    /// That, with its own changes.
    pub work: Snapshot,
    /// Whether the client said BEGIN.
    pub explicit: bool,
    /// Whether a statement failed: only the end is accepted then.
    pub failed: bool,
    /// Savepoints, oldest first.
    pub savepoints: Vec<(String, Snapshot)>,
    /// When it began: what now() says.
    pub began: DateTime<Utc>,
}

impl Transaction {
    /// A transaction over a snapshot.
    pub fn new(snapshot: Snapshot, explicit: bool) -> Self {
        Self { base: snapshot.clone(), work: snapshot, explicit, failed: false, savepoints: Vec::new(), began: Utc::now() }
    }
}

/// What ReadyForQuery says of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionStatus {
    /// Outside a transaction block.
    Idle,
    /// Inside one.
    InTransaction,
    /// Inside one that failed.
    Failed,
}
