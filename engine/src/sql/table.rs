//! CREATE TABLE [AS], CREATE SCHEMA, DROP and TRUNCATE.

use std::sync::Arc;

use sqlparser::ast::{self, ColumnOption, CreateTable, ObjectName, ObjectType, TableConstraint};

use super::label::{fold, visible};
use super::parse::Statement;
use crate::catalog::relation::{Column, Relation, RelationKind};
use crate::catalog::{Name, State};
use crate::error::{Condition, Error, Result};
use crate::plan::types::sql_type;
use crate::session::Session;
use crate::session::execute::Outcome;
use crate::session::rows::Tag;
use crate::types::{Base, SqlType};

/// The type in which a result's column is stored: a numeric keeps the precision that its values have.
pub fn stored_type(column: &crate::session::rows::Column, data_type: &arrow::datatypes::DataType) -> SqlType {
    use arrow::datatypes::DataType;
    match (column.sql_type.base, data_type) {
        (Base::Numeric, DataType::Decimal128(p, s) | DataType::Decimal256(p, s)) => SqlType::numeric(*p, *s),
        (Base::Unknown, _) => Base::Text.into(),
        (_, _) => column.sql_type,
    }
}

impl Session {
    /// The full name that a new relation gets: `3F000` where its schema does not exist.
    pub(crate) fn new_name(&mut self, name: &ObjectName, temporary: bool) -> Result<Name> {
        let (schema, bare) = self.split_name(name)?;
        let temp_schema = self.temp_schema();
        let names_temporary = schema.as_deref().is_some_and(|s| s == "pg_temp" || s == temp_schema);
        if temporary || names_temporary {
            if schema.is_some() && !names_temporary {
                return Err(Error::new(Condition::InvalidSchemaName, "cannot create temporary relation in non-temporary schema"));
            }
            return Ok(Name::new(temp_schema, bare));
        }
        let snapshot = self.snapshot();
        let schema = match schema {
            Some(schema) => schema,
            None => self
                .search_path()
                .into_iter()
                .find(|s| snapshot.shared.schemas.contains_key(s))
                .ok_or_else(|| Error::new(Condition::InvalidSchemaName, "no schema has been selected to create in"))?,
        };
        if schema == "pg_catalog" || schema == "information_schema" {
            return Err(Error::new(Condition::InsufficientPrivilege, format!("permission denied to create \"{schema}.{bare}\""))
                .detail("System catalog modifications are currently disallowed."));
        }
        if !snapshot.shared.schemas.contains_key(&schema) {
            return Err(Error::new(Condition::InvalidSchemaName, format!("schema \"{schema}\" does not exist")));
        }
        Ok(Name::new(schema, bare))
    }

    /// Adds or replaces a relation in the transaction.
    pub(crate) fn put_relation(&mut self, name: Name, relation: Relation) {
        let state: &mut State = self.transaction().work.state_of(&name);
        state.relations.insert(name, Arc::new(relation));
    }

    /// Says once that a table lives as long as the server.
    pub(crate) fn notice_of_memory(&mut self, name: &Name) {
        if !name.schema.starts_with("pg_temp") {
            self.notice(format!("table \"{}\" is kept in memory and ends with the server", name.name));
        }
    }

    pub(crate) async fn create_table(&mut self, create: &CreateTable, statement: &Statement) -> Result<Outcome> {
        self.check_writable("CREATE TABLE")?;
        if create.external || create.location.is_some() || create.file_format.is_some() {
            return Err(Error::unsupported("CREATE EXTERNAL TABLE is not supported")
                .hint("The server's own files are opened with --data when it starts."));
        }
        let refused = [
            (create.partition_by.is_some() || create.partition_of.is_some(), "partitioned tables"),
            (create.inherits.is_some(), "INHERITS"),
            (create.like.is_some(), "CREATE TABLE LIKE"),
            (create.or_replace, "CREATE OR REPLACE TABLE"),
        ];
        if let Some((_, what)) = refused.iter().find(|(present, _)| *present) {
            return Err(Error::unsupported(format!("{what} is not supported")));
        }
        if matches!(create.on_commit, Some(ast::OnCommit::Drop | ast::OnCommit::DeleteRows)) {
            return Err(Error::unsupported("ON COMMIT DROP and ON COMMIT DELETE ROWS are not supported"));
        }
        let name = self.new_name(&create.name, create.temporary)?;
        let verb = if create.query.is_some() { "CREATE TABLE AS" } else { "CREATE TABLE" };
        let snapshot = self.snapshot();
        let state = if name.schema.starts_with("pg_temp") { &snapshot.temp } else { &snapshot.shared };
        if state.relations.contains_key(&name) {
            if create.if_not_exists {
                let message = format!("relation \"{}\" already exists, skipping", name.name);
                self.warn_as_notice(Condition::DuplicateTable, message);
                return Ok(Outcome::Complete(Tag::plain(verb)));
            }
            return Err(Error::new(Condition::DuplicateTable, format!("relation \"{}\" already exists", name.name)));
        }
        let oid = self.database.fresh_oid();
        let owner = self.user.clone();
        if let Some(query) = &create.query {
            return self.create_table_as(name, oid, query, create, statement).await;
        }
        let (columns, primary_key) = definition(create)?;
        self.put_relation(name.clone(), Relation::table(oid, columns, primary_key, &owner));
        self.notice_of_memory(&name);
        Ok(Outcome::Complete(Tag::plain("CREATE TABLE")))
    }

    async fn create_table_as(
        &mut self,
        name: Name,
        oid: u32,
        query: &ast::Query,
        create: &CreateTable,
        statement: &Statement,
    ) -> Result<Outcome> {
        let owner = self.user.clone();
        let part = statement.part(ast::Statement::Query(Box::new(query.clone())));
        let prepared = self.prepare_query(part, query, &[], &Default::default())?;
        let rows = self.run(&prepared, Vec::new()).await?;
        let described = Arc::clone(rows.columns());
        let mut batches = rows.collect().await?;
        let mut columns = Vec::new();
        for (at, column) in described.iter().enumerate() {
            let given = create.columns.get(at).map(|c| fold(&c.name));
            let data_type = batches.first().map(|b| b.column(at).data_type().clone());
            let data_type = data_type.unwrap_or_else(|| column.sql_type.arrow());
            columns.push(Column {
                name: given.unwrap_or_else(|| visible(&column.name).to_owned()),
                sql_type: stored_type(column, &data_type),
                nullable: true,
                default: None,
            });
        }
        if create.columns.len() > columns.len() {
            return Err(Error::syntax("too many column names were specified"));
        }
        check_names(&columns)?;
        if statement.no_data {
            batches.clear();
        }
        let table = Relation::table(oid, columns, Vec::new(), &owner);
        let zone = self.time_zone();
        let for_rows = table.clone();
        let bare = name.name.clone();
        let work = move || -> Result<(u64, Relation)> {
            let stored: Vec<_> =
                batches.iter().map(|b| super::insert::assign(b, &for_rows, &bare, zone, true)).collect::<Result<_>>()?;
            let count = stored.iter().map(|b| b.num_rows() as u64).sum();
            Ok((count, for_rows.appended(stored)))
        };
        let task = self.engine.shared.handle.spawn_blocking(work);
        let (count, filled) = self.limit().run(task).await?.map_err(|e| Error::internal(e.to_string()))??;
        self.put_relation(name.clone(), filled);
        self.notice_of_memory(&name);
        if statement.no_data {
            return Ok(Outcome::Complete(Tag::plain("CREATE TABLE AS")));
        }
        Ok(Outcome::Complete(Tag { verb: "SELECT", rows: Some(count) }))
    }

    pub(crate) fn warn_as_notice(&mut self, _condition: Condition, message: String) {
        self.notice(message);
    }

    pub(crate) fn create_schema(&mut self, name: &ast::SchemaName, if_not_exists: bool) -> Result<Outcome> {
        self.check_writable("CREATE SCHEMA")?;
        let schema = match name {
            ast::SchemaName::Simple(name) | ast::SchemaName::NamedAuthorization(name, _) => self.split_name(name)?.1,
            ast::SchemaName::UnnamedAuthorization(ident) => fold(ident),
        };
        if schema.starts_with("pg_") {
            return Err(Error::new(Condition::InvalidName, format!("unacceptable schema name \"{schema}\""))
                .detail("The prefix \"pg_\" is reserved for system schemas."));
        }
        let exists = self.snapshot().shared.schemas.contains_key(&schema) || schema == "information_schema";
        if exists && if_not_exists {
            self.notice(format!("schema \"{schema}\" already exists, skipping"));
        } else if exists {
            return Err(Error::new(Condition::DuplicateSchema, format!("schema \"{schema}\" already exists")));
        } else {
            let oid = self.database.fresh_oid();
            Arc::make_mut(&mut self.transaction().work.shared).schemas.insert(schema, oid);
        }
        Ok(Outcome::Complete(Tag::plain("CREATE SCHEMA")))
    }

    pub(crate) fn drop_objects(
        &mut self,
        kind: &ObjectType,
        if_exists: bool,
        names: &[ObjectName],
        cascade: bool,
    ) -> Result<Outcome> {
        let (verb, noun) = match kind {
            ObjectType::Table => ("DROP TABLE", "table"),
            ObjectType::View => ("DROP VIEW", "view"),
            ObjectType::Schema => ("DROP SCHEMA", "schema"),
            other => return Err(Error::unsupported(format!("DROP {other} is not supported"))),
        };
        self.check_writable(verb)?;
        for name in names {
            if noun == "schema" {
                self.drop_schema(&self.split_name(name)?.1, if_exists, cascade)?;
                continue;
            }
            let (schema, bare) = self.split_name(name)?;
            let Some((full, relation)) = self.snapshot().find(schema.as_deref(), &bare, &self.search_path()) else {
                if if_exists {
                    self.notice(format!("{noun} \"{bare}\" does not exist, skipping"));
                    continue;
                }
                return Err(Error::new(
                    Condition::UndefinedTable,
                    format!("{noun} \"{}\" does not exist", name_text(schema.as_deref(), &bare)),
                ));
            };
            if relation.noun() != noun {
                let article = if noun == "table" { "a table" } else { "a view" };
                return Err(Error::new(Condition::WrongObjectType, format!("\"{bare}\" is not {article}")).hint(format!(
                    "Use DROP {} to remove a {}.",
                    relation.noun().to_uppercase(),
                    relation.noun()
                )));
            }
            let dependents = self.views_on(&full);
            if !dependents.is_empty() && !cascade {
                let list: Vec<String> = dependents.iter().map(|v| format!("view {} depends on {noun} {bare}", v.name)).collect();
                return Err(Error::new(
                    Condition::DependentObjectsStillExist,
                    format!("cannot drop {noun} {bare} because other objects depend on it"),
                )
                .detail(list.join("\n"))
                .hint("Use DROP ... CASCADE to drop the dependent objects too."));
            }
            for view in dependents {
                self.notice(format!("drop cascades to view {}", view.name));
                self.transaction().work.state_of(&view).relations.remove(&view);
            }
            self.transaction().work.state_of(&full).relations.remove(&full);
        }
        Ok(Outcome::Complete(Tag::plain(verb)))
    }

    /// Views that read a relation, directly or through others.
    fn views_on(&self, relation: &Name) -> Vec<Name> {
        let snapshot = self.snapshot();
        let mut found: Vec<Name> = Vec::new();
        let mut targets = vec![relation.clone()];
        while let Some(target) = targets.pop() {
            for (name, candidate) in snapshot.shared.relations.iter().chain(&snapshot.temp.relations) {
                if let RelationKind::View { query } = &candidate.kind
                    && !found.contains(name)
                    && super::view::reads(query, &target, &snapshot, &self.search_path())
                {
                    found.push(name.clone());
                    targets.push(name.clone());
                }
            }
        }
        found
    }

    fn drop_schema(&mut self, schema: &str, if_exists: bool, cascade: bool) -> Result<()> {
        let snapshot = self.snapshot();
        if !snapshot.shared.schemas.contains_key(schema) {
            if if_exists {
                self.notice(format!("schema \"{schema}\" does not exist, skipping"));
                return Ok(());
            }
            return Err(Error::new(Condition::InvalidSchemaName, format!("schema \"{schema}\" does not exist")));
        }
        let inside: Vec<Name> = snapshot.shared.relations.keys().filter(|n| n.schema == schema).cloned().collect();
        if !inside.is_empty() && !cascade {
            return Err(Error::new(
                Condition::DependentObjectsStillExist,
                format!("cannot drop schema {schema} because other objects depend on it"),
            )
            .detail(inside.iter().map(|n| format!("table {n} depends on schema {schema}")).collect::<Vec<_>>().join("\n"))
            .hint("Use DROP ... CASCADE to drop the dependent objects too."));
        }
        let shared = Arc::make_mut(&mut self.transaction().work.shared);
        for name in inside {
            shared.relations.remove(&name);
        }
        shared.schemas.remove(schema);
        Ok(())
    }

    pub(crate) fn truncate(&mut self, truncate: &ast::Truncate) -> Result<Outcome> {
        self.check_writable("TRUNCATE TABLE")?;
        for target in &truncate.table_names {
            let (name, relation) = self.relation(&target.name)?;
            match relation.kind {
                RelationKind::Table { .. } => self.put_relation(name, relation.truncated()),
                RelationKind::View { .. } => {
                    return Err(Error::new(Condition::WrongObjectType, format!("\"{}\" is not a table", name.name)));
                }
                RelationKind::Files(_) => return Err(read_only(&name)),
            }
        }
        Ok(Outcome::Complete(Tag::plain("TRUNCATE TABLE")))
    }
}

fn name_text(schema: Option<&str>, bare: &str) -> String {
    schema.map_or_else(|| bare.to_owned(), |s| format!("{s}.{bare}"))
}

/// `42809`: a table of files is not written.
pub fn read_only(name: &Name) -> Error {
    Error::new(Condition::WrongObjectType, format!("cannot change table \"{}\"", name.name))
        .detail("Its rows are in files that are only read.")
        .hint(format!("Copy it first: CREATE TABLE my_{0} AS SELECT * FROM {0}", name.name))
}

fn check_names(columns: &[Column]) -> Result<()> {
    for (at, column) in columns.iter().enumerate() {
        if columns[..at].iter().any(|c| c.name == column.name) {
            return Err(Error::new(Condition::DuplicateColumn, format!("column \"{}\" specified more than once", column.name)));
        }
    }
    Ok(())
}

/// Columns and primary key of CREATE TABLE.
fn definition(create: &CreateTable) -> Result<(Vec<Column>, Vec<usize>)> {
    let mut columns = Vec::new();
    let mut keys: Vec<String> = Vec::new();
    for definition in &create.columns {
        let name = fold(&definition.name);
        let mut column = Column { sql_type: sql_type(&definition.data_type)?, name, nullable: true, default: None };
        if matches!(column.sql_type.base, Base::Unknown | Base::Record | Base::Void) {
            let shown = column.sql_type.sql_name();
            return Err(Error::new(
                Condition::InvalidColumnDefinition,
                format!("column \"{}\" has pseudo-type {shown}", column.name),
            ));
        }
        for option in &definition.options {
            match &option.option {
                ColumnOption::Null => column.nullable = true,
                ColumnOption::NotNull => column.nullable = false,
                ColumnOption::Default(expr) => column.default = Some(expr.to_string()),
                ColumnOption::PrimaryKey(_) => {
                    column.nullable = false;
                    keys.push(column.name.clone());
                }
                other => return Err(Error::unsupported(format!("column option {other} is not supported"))),
            }
        }
        columns.push(column);
    }
    for constraint in &create.constraints {
        match constraint {
            TableConstraint::PrimaryKey(key) => {
                for part in &key.columns {
                    keys.push(match &part.column.expr {
                        ast::Expr::Identifier(ident) => fold(ident),
                        other => other.to_string(),
                    });
                }
            }
            other => return Err(Error::unsupported(format!("constraint {other} is not supported"))),
        }
    }
    check_names(&columns)?;
    let mut primary_key = Vec::new();
    for key in keys {
        let Some(at) = columns.iter().position(|c| c.name == key) else {
            return Err(Error::new(Condition::UndefinedColumn, format!("column \"{key}\" named in key does not exist")));
        };
        columns[at].nullable = false;
        primary_key.push(at);
    }
    Ok((columns, primary_key))
}
