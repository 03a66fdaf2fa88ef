//! Which relations a query names, without understanding the query.

use std::ops::ControlFlow;

use sqlparser::ast::{ObjectName, Query, Visit, Visitor};

use crate::catalog::pg_catalog;
use crate::evaluate::type_name::parts;

struct Names<'a> {
    ctes: Vec<String>,
    is_user_relation: &'a dyn Fn(Option<&str>, &str) -> bool,
}

impl Visitor for Names<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        // Not scoped: a name that any WITH of the statement defines is not taken for a table.
        for cte in query.with.iter().flat_map(|w| &w.cte_tables) {
            self.ctes.push(crate::evaluate::type_name::fold(&cte.alias.name));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        let names = parts(relation);
        let (schema, name) = match names.as_slice() {
            [name] => (None, name),
            [.., schema, name] => (Some(schema.as_str()), name),
            [] => return ControlFlow::Continue(()),
        };
        if schema.is_none() && self.ctes.contains(name) {
            return ControlFlow::Continue(());
        }
        let is_catalog = pg_catalog::find(schema, name).is_some();
        if is_catalog && !(schema.is_none() && !name.starts_with("pg_") && (self.is_user_relation)(None, name)) {
            return ControlFlow::Continue(());
        }
        if (self.is_user_relation)(schema, name) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// Whether no user's relation is named.
pub fn only_catalogs(query: &Query, is_user_relation: &dyn Fn(Option<&str>, &str) -> bool) -> bool {
    let mut names = Names { ctes: Vec::new(), is_user_relation };
    query.visit(&mut names).is_continue()
}
