//! CREATE VIEW.

use std::ops::ControlFlow;

use sqlparser::ast::{self, CreateView, ObjectName, Visit, Visitor};

use super::label::fold;
use super::parse::{self, Statement};
use super::table::stored_type;
use crate::catalog::Name;
use crate::catalog::relation::{Column, Relation};
use crate::error::{Condition, Error, Result};
use crate::session::Session;
use crate::session::execute::{Body, Outcome};
use crate::session::rows::Tag;
use crate::session::transaction::Snapshot;

impl Session {
    pub(crate) fn create_view(&mut self, create: &CreateView, statement: &Statement) -> Result<Outcome> {
        self.check_writable("CREATE VIEW")?;
        if create.materialized {
            return Err(Error::unsupported("CREATE MATERIALIZED VIEW is not supported").hint("Use CREATE TABLE AS."));
        }
        let name = self.new_name(&create.name, create.temporary)?;
        let snapshot = self.snapshot();
        let state = if name.schema.starts_with("pg_temp") { &snapshot.temp } else { &snapshot.shared };
        let existing = state.relations.get(&name).cloned();
        if let Some(existing) = &existing {
            if create.if_not_exists {
                self.notice(format!("relation \"{}\" already exists, skipping", name.name));
                return Ok(Outcome::Complete(Tag::plain("CREATE VIEW")));
            }
            if !create.or_replace {
                return Err(Error::new(Condition::DuplicateTable, format!("relation \"{}\" already exists", name.name)));
            }
            if existing.noun() != "view" {
                return Err(Error::new(Condition::WrongObjectType, format!("\"{}\" is not a view", name.name)));
            }
        }
        let mut query = create.query.as_ref().clone();
        if !create.columns.is_empty() {
            rename(&mut query, &create.columns.iter().map(|c| c.name.clone()).collect::<Vec<_>>())?;
        }
        let part = statement.part(ast::Statement::Query(Box::new(query.clone())));
        let prepared = self.prepare_query(part, &query, &[], &Default::default())?;
        if !prepared.parameters.is_empty() {
            return Err(Error::new(Condition::UndefinedParameter, "there is no parameter $1"));
        }
        if matches!(prepared.body, Body::Catalog(_)) && !query_reads_nothing(&query) {
            return Err(Error::unsupported("views over system catalogs are not supported"));
        }
        let described = prepared.columns.clone().unwrap_or_else(|| [].into());
        let columns: Vec<Column> = described
            .iter()
            .map(|c| Column {
                name: c.name.clone(),
                sql_type: stored_type(c, &c.sql_type.arrow()),
                nullable: true,
                default: None,
            })
            .collect();
        for (at, column) in columns.iter().enumerate() {
            if columns[..at].iter().any(|c| c.name == column.name) {
                return Err(Error::new(
                    Condition::DuplicateColumn,
                    format!("column \"{}\" specified more than once", column.name),
                ));
            }
        }
        let oid = existing.map_or_else(|| self.database.fresh_oid(), |e| e.oid);
        let owner = self.user.clone();
        self.put_relation(name, Relation::view(oid, columns, query.to_string(), &owner));
        Ok(Outcome::Complete(Tag::plain("CREATE VIEW")))
    }
}

/// `CREATE VIEW v (a, b) AS query`: the query's columns get these names.
fn rename(query: &mut ast::Query, names: &[ast::Ident]) -> Result<()> {
    let inner = query.clone();
    let text = format!(
        "SELECT * FROM ({inner}) AS v ({})",
        names.iter().map(|n| format!("\"{}\"", fold(n).replace('"', "\"\""))).collect::<Vec<_>>().join(", ")
    );
    match parse::parse(&text)?.first().and_then(|s| s.tree.as_deref().cloned()) {
        Some(ast::Statement::Query(renamed)) => {
            *query = *renamed;
            Ok(())
        }
        Some(_) | None => Err(Error::internal("a view's query did not parse again")),
    }
}

struct Names(Vec<ObjectName>);

impl Visitor for Names {
    type Break = ();

    fn pre_visit_relation(&mut self, name: &ObjectName) -> ControlFlow<()> {
        self.0.push(name.clone());
        ControlFlow::Continue(())
    }
}

fn query_reads_nothing(query: &ast::Query) -> bool {
    let mut names = Names(Vec::new());
    let _ = query.visit(&mut names);
    names.0.is_empty()
}

/// Whether a view's query reads a relation.
pub fn reads(query: &str, target: &Name, snapshot: &Snapshot, search_path: &[String]) -> bool {
    let Ok(statements) = parse::parse(query) else { return false };
    let mut names = Names(Vec::new());
    for tree in statements.iter().filter_map(|s| s.tree.as_deref()) {
        let _ = tree.visit(&mut names);
    }
    names.0.iter().any(|name| {
        let parts: Vec<String> = name.0.iter().filter_map(|p| p.as_ident()).map(fold).collect();
        let found = match parts.as_slice() {
            [name] => snapshot.find(None, name, search_path),
            [.., schema, name] => snapshot.find(Some(schema), name, search_path),
            [] => None,
        };
        found.is_some_and(|(full, _)| full == *target)
    })
}
