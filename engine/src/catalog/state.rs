//! The contents of one database at one moment.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::relation::{Relation, RelationKind};

/// The first object identifier that PostgreSQL gives to users' objects.
pub const FIRST_USER_OID: u32 = 16384;
/// `pg_namespace.oid` of `public` in PostgreSQL.
pub const PUBLIC_OID: u32 = 2200;

/// A relation's full name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// Its schema.
    pub schema: String,
    /// Its name in the schema.
    pub name: String,
}

impl Name {
    /// `schema.name`.
    pub fn new(schema: impl Into<String>, name: impl Into<String>) -> Self {
        Self { schema: schema.into(), name: name.into() }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
    }
}

/// Schemas and relations of a database (or of a session's temporary schema).
#[derive(Debug, Clone, Default)]
pub struct State {
    /// Schemas with their object identifiers.
    pub schemas: BTreeMap<String, u32>,
    /// Relations by full name.
    pub relations: BTreeMap<Name, Arc<Relation>>,
}

impl State {
    /// A database as it is born: the schema `public`.
    pub fn new() -> Self {
        Self { schemas: [("public".to_owned(), PUBLIC_OID)].into(), relations: BTreeMap::new() }
    }

    /// Tables whose rows a later state no longer has, not even as a part of more.
    pub fn ended(&self, later: &Self) -> Vec<&Name> {
        let lineage = |relation: &Arc<Relation>| match &relation.kind {
            RelationKind::Table { lineage, .. } => Some(lineage.number()),
            RelationKind::View { .. } | RelationKind::Files(_) => None,
        };
        let ended = |(name, relation): &(&Name, &Arc<Relation>)| {
            let now = later.relations.get(*name);
            !now.is_some_and(|now| Arc::ptr_eq(now, relation)) && lineage(relation) != now.and_then(lineage)
        };
        self.relations.iter().filter(ended).map(|(name, _)| name).collect()
    }
}
