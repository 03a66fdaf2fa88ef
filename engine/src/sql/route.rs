//! Who answers a query: DataFusion, or the row evaluator.
//!
//! The evaluator answers what touches system catalogs, and what touches nothing at all; DataFusion answers what touches
//! a user's relation. The syntax tree decides, never the text. `docs/architecture.md` says why there are two.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use sqlparser::ast::{ObjectName, Query, TableFactor, Visit, Visitor};

use super::label::fold;
use crate::catalog::pg_catalog;
use crate::session::transaction::Snapshot;

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// A user's relation is read.
    DataFusion,
    /// Rows come from a function alone: many, perhaps.
    DataFusionFirst,
    /// A catalog is read.
    Evaluator,
    /// Constants.
    EvaluatorFirst,
}

#[derive(Default)]
struct Relations {
    names: Vec<ObjectName>,
    common: BTreeSet<String>,
    functions: bool,
}

impl Visitor for Relations {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        if let Some(with) = &query.with {
            self.common.extend(with.cte_tables.iter().map(|c| fold(&c.alias.name)));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        match factor {
            TableFactor::Table { args: None, name, .. } => self.names.push(name.clone()),
            TableFactor::Table { args: Some(_), .. }
            | TableFactor::TableFunction { .. }
            | TableFactor::Function { .. }
            | TableFactor::UNNEST { .. } => self.functions = true,
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// Decides by the relations in a query's tree.
pub fn route(query: &Query, snapshot: &Snapshot, search_path: &[String]) -> Route {
    let mut relations = Relations::default();
    let _ = query.visit(&mut relations);
    let mut catalogs = false;
    for name in &relations.names {
        let parts: Vec<String> = name.0.iter().filter_map(|p| p.as_ident()).map(fold).collect();
        let (schema, bare) = match parts.as_slice() {
            [name] => (None, name.as_str()),
            [.., schema, name] => (Some(schema.as_str()), name.as_str()),
            [] => continue,
        };
        if schema.is_none() && relations.common.contains(bare) {
            continue;
        }
        // PostgreSQL looks into pg_catalog before the search path.
        if pg_catalog::find(Some(schema.unwrap_or("pg_catalog")), bare).is_some() {
            catalogs = true;
        } else if snapshot.find(schema, bare, search_path).is_some() || !catalogs {
            return Route::DataFusion;
        }
    }
    match (catalogs, relations.functions) {
        (true, _) => Route::Evaluator,
        (false, true) => Route::DataFusionFirst,
        (false, false) => Route::EvaluatorFirst,
    }
}
