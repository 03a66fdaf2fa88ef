//! Three-way merge of database states: how a transaction's changes meet what others committed meanwhile.

use std::sync::Arc;

use super::relation::{Relation, RelationKind, fresh};
use super::state::{Name, State};
use crate::error::{Condition, Error, Result};

/// Applies the difference between `base` and `work` to `newest`.
///
/// Rows that both sides appended to a table are both kept. Everything else that both sides
/// changed is a conflict: `40001`.
pub fn merge(base: &State, work: &State, newest: &State) -> Result<State> {
    let mut merged = newest.clone();
    for (schema, oid) in &work.schemas {
        if !base.schemas.contains_key(schema) {
            merged.schemas.insert(schema.clone(), *oid);
        }
    }
    for schema in base.schemas.keys() {
        if !work.schemas.contains_key(schema) {
            if newest.relations.keys().any(|n| n.schema == *schema && !base.relations.contains_key(n)) {
                return Err(conflict(schema));
            }
            merged.schemas.remove(schema);
        }
    }
    let names: std::collections::BTreeSet<&Name> = base.relations.keys().chain(work.relations.keys()).collect();
    for name in names {
        let (before, after, now) = (base.relations.get(name), work.relations.get(name), newest.relations.get(name));
        if same(before, after) {
            continue;
        }
        if same(before, now) {
            match after {
                Some(relation) => merged.relations.insert(name.clone(), Arc::clone(relation)),
                None => merged.relations.remove(name),
            };
            continue;
        }
        let (Some(before), Some(after), Some(now)) = (before, after, now) else { return Err(conflict(&name.to_string())) };
        let appended = append(before, after, now).ok_or_else(|| conflict(&name.to_string()))?;
        merged.relations.insert(name.clone(), Arc::new(appended));
    }
    Ok(merged)
}

fn same(a: Option<&Arc<Relation>>, b: Option<&Arc<Relation>>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a.version == b.version,
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

fn append(before: &Relation, after: &Relation, now: &Relation) -> Option<Relation> {
    let (
        RelationKind::Table { lineage: l0, segments: s0 },
        RelationKind::Table { lineage: l1, segments: s1 },
        RelationKind::Table { lineage: l2, segments: s2 },
    ) = (&before.kind, &after.kind, &now.kind)
    else {
        return None;
    };
    if l0 != l1 || l0 != l2 || after.columns != now.columns {
        return None;
    }
    let mut segments = Vec::clone(s2);
    segments.extend(s1.iter().skip(s0.len()).cloned());
    let mut merged = now.clone();
    merged.version = fresh();
    merged.kind = RelationKind::Table { lineage: l2.clone(), segments: Arc::new(segments) };
    Some(merged)
}

fn conflict(name: &str) -> Error {
    Error::new(Condition::SerializationFailure, "could not serialize access due to concurrent update")
        .detail(format!("\"{name}\" was changed by another transaction."))
        .hint("The transaction might succeed if retried.")
}
