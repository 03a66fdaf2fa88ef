//! What one run reads besides its rows: the environment and the catalogs derived from it, each built when first asked for.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

use chrono_tz::Tz;

use super::datum::Datum;
use super::environment::{Environment, RelationInfo};
use crate::catalog::pg_catalog::{self, Table};

/// One row.
pub type Row = Vec<Datum>;

/// One run's view of the world; one statement sees one state.
pub struct Context<'a> {
    /// The engine.
    pub env: &'a dyn Environment,
    /// The session's time zone.
    pub zone: Tz,
    relations: OnceCell<Vec<RelationInfo>>,
    tables: RefCell<HashMap<u32, Arc<Vec<Row>>>>,
}

impl std::fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("zone", &self.zone).finish_non_exhaustive()
    }
}

impl<'a> Context<'a> {
    /// The world as it is now.
    pub fn new(env: &'a dyn Environment) -> Self {
        Self { env, zone: env.time_zone(), relations: OnceCell::new(), tables: RefCell::new(HashMap::new()) }
    }

    /// The users' relations.
    pub fn relations(&self) -> &[RelationInfo] {
        self.relations.get_or_init(|| self.env.relations())
    }

    /// A catalog's rows.
    pub fn rows(&self, table: &'static Table) -> Arc<Vec<Row>> {
        if let Some(rows) = self.tables.borrow().get(&table.oid) {
            return Arc::clone(rows);
        }
        // Built without the borrow held: a catalog's rows may need another catalog.
        let rows = Arc::new((table.rows)(self));
        self.tables.borrow_mut().insert(table.oid, Arc::clone(&rows));
        rows
    }

    /// The schemas that unqualified names are looked up in, `pg_catalog` first.
    pub fn lookup_path(&self) -> Vec<String> {
        let mut path = self.env.search_path();
        if !path.iter().any(|s| s == "pg_catalog") {
            path.insert(0, "pg_catalog".to_owned());
        }
        path
    }

    /// The identifier of a schema.
    pub fn schema_oid(&self, name: &str) -> Option<u32> {
        pg_catalog::schemas(self).into_iter().find(|(_, n)| n == name).map(|(oid, _)| oid)
    }

    /// The name of a schema.
    pub fn schema_name(&self, oid: u32) -> Option<String> {
        pg_catalog::schemas(self).into_iter().find(|(o, _)| *o == oid).map(|(_, name)| name)
    }

    /// The role that owns what the server made.
    pub fn owner_oid(&self) -> u32 {
        self.env.roles().first().map_or(10, |(oid, _)| *oid)
    }

    /// The identifier of a role.
    pub fn role_oid(&self, name: &str) -> Option<u32> {
        self.env.roles().into_iter().find(|(_, n)| n == name).map(|(oid, _)| oid)
    }
}
