//! Names: which tables and columns an expression can see.

use sqlparser::ast::WindowSpec;

use crate::error::{Condition, Error, Result};
use crate::evaluate::datum::Datum;
use crate::evaluate::expr::{Node, Typed};
use crate::evaluate::plan::{AggregateCall, Column, SetCall, WindowCall};
use crate::types::{Base, SqlType};

/// Where an expression stands; says what is allowed in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clause {
    /// The select list.
    Select,
    /// `FROM`
    From,
    /// `ON`
    On,
    /// `WHERE`
    Where,
    /// `GROUP BY`
    GroupBy,
    /// `HAVING`
    Having,
    /// `ORDER BY`
    OrderBy,
    /// `LIMIT` and `OFFSET`
    Limit,
    /// `VALUES`
    Values,
    /// The arguments of an aggregate.
    Aggregate,
    /// A window's definition.
    Window,
}

impl Clause {
    /// As PostgreSQL's messages call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Select => "SELECT",
            Self::From => "functions in FROM",
            Self::On => "JOIN conditions",
            Self::Where => "WHERE",
            Self::GroupBy => "GROUP BY",
            Self::Having => "HAVING",
            Self::OrderBy => "ORDER BY",
            Self::Limit => "LIMIT",
            Self::Values => "VALUES",
            Self::Aggregate => "aggregate function calls",
            Self::Window => "window definitions",
        }
    }
}

/// One item of a `FROM` clause, as names see it.
#[derive(Debug, Clone)]
pub struct ScopeTable {
    /// Its alias or name.
    pub name: String,
    /// Its schema, where it has no alias.
    pub schema: Option<String>,
    /// Its columns.
    pub columns: Vec<(String, Typed)>,
    /// `tableoid`, where it is a table.
    pub oid: Option<u32>,
}

/// One query's names and what its expressions gather.
#[derive(Debug)]
pub struct Scope {
    /// The items of `FROM` that are visible by name.
    pub tables: Vec<ScopeTable>,
    /// What `*` stands for, and what unqualified names find.
    pub visible: Vec<(String, Typed)>,
    /// How many columns the row has so far.
    pub width: usize,
    /// Not seen from inside a subquery of `FROM` that is not `LATERAL`.
    pub hidden: bool,
    /// Where the expression in hand stands.
    pub clause: Clause,
    /// Aggregates met.
    pub aggregates: Vec<AggregateCall>,
    /// Window functions met.
    pub windows: Vec<WindowCall>,
    /// Set-returning functions met.
    pub sets: Vec<SetCall>,
    /// `WINDOW`
    pub named_windows: Vec<(String, WindowSpec)>,
}

impl Default for Scope {
    fn default() -> Self {
        Self::new()
    }
}

impl Scope {
    /// One without names.
    pub fn new() -> Self {
        Self {
            tables: Vec::new(),
            visible: Vec::new(),
            width: 0,
            hidden: false,
            clause: Clause::From,
            aggregates: Vec::new(),
            windows: Vec::new(),
            sets: Vec::new(),
            named_windows: Vec::new(),
        }
    }

    /// Adds an item of `FROM`; its columns take the next places of the row.
    pub fn add(&mut self, frame: usize, name: &str, schema: Option<&str>, columns: &[Column], oid: Option<u32>) -> Result<()> {
        if self.tables.iter().any(|t| t.name == name && t.schema.as_deref() == schema) {
            return Err(Error::new(Condition::DuplicateAlias, format!("table name \"{name}\" specified more than once")));
        }
        let columns: Vec<(String, Typed)> = columns
            .iter()
            .enumerate()
            .map(|(at, c)| {
                let node = Node::Column { frame, index: self.width + at };
                (c.name.clone(), Typed { node, ty: c.ty, fields: c.fields.clone() })
            })
            .collect();
        self.width += columns.len();
        self.visible.extend(columns.iter().cloned());
        self.tables.push(ScopeTable { name: name.to_owned(), schema: schema.map(str::to_owned), columns, oid });
        Ok(())
    }

    fn only<'s>(name: &str, mut found: impl Iterator<Item = &'s (String, Typed)>) -> Result<Option<Typed>> {
        let Some((_, first)) = found.next() else { return Ok(None) };
        if found.next().is_some() {
            return Err(Error::new(Condition::AmbiguousColumn, format!("column reference \"{name}\" is ambiguous")));
        }
        Ok(Some(first.clone()))
    }

    /// An unqualified column.
    pub fn column(&self, name: &str) -> Result<Option<Typed>> {
        if let Some(found) = Self::only(name, self.visible.iter().filter(|(n, _)| n == name))? {
            return Ok(Some(found));
        }
        let mut tables = self.tables.iter().filter(|t| t.oid.is_some());
        match (tables.next(), tables.next()) {
            (Some(table), None) => Ok(system_column(name, table)),
            (_, _) => Ok(None),
        }
    }

    /// A table by its name.
    pub fn table(&self, schema: Option<&str>, name: &str) -> Option<&ScopeTable> {
        self.tables.iter().find(|t| t.name == name && (schema.is_none() || t.schema.as_deref() == schema))
    }

    /// A column of a table.
    pub fn qualified(table: &ScopeTable, name: &str) -> Result<Option<Typed>> {
        Ok(Self::only(name, table.columns.iter().filter(|(n, _)| n == name))?.or_else(|| system_column(name, table)))
    }
}

/// Columns that every table has without naming them.
fn system_column(name: &str, table: &ScopeTable) -> Option<Typed> {
    let oid = table.oid?;
    let constant = |value: Datum, base: Base| Some(Typed::constant(value, SqlType::from(base)));
    match name {
        "tableoid" => constant(Datum::Oid(oid), Base::Oid),
        "xmin" => constant(Datum::Oid(1), Base::Xid),
        "xmax" | "cmin" | "cmax" => constant(Datum::Oid(0), Base::Xid),
        "ctid" => constant(Datum::text("(0,1)"), Base::Tid),
        _ => None,
    }
}
