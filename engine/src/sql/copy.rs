//! COPY … TO STDOUT and COPY … FROM STDIN. The server's own files are neither read nor written for a client.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, RecordBatch, new_null_array};
use parking_lot::Mutex;
use sqlparser::ast::{self, CopyLegacyCsvOption, CopyLegacyOption, CopyOption, CopySource, CopyTarget, Ident};

use super::insert::finish;
use super::label::fold;
use super::parse::Statement;
use super::table::read_only;
use crate::catalog::Name;
use crate::catalog::relation::{Relation, RelationKind};
use crate::copy::{CopyOptions, Decoder, Direction, OptionValue};
use crate::error::{Condition, Error, Result};
use crate::session::Session;
use crate::session::activity::{Activity, CopyProgress};
use crate::session::cancel::Limit;
use crate::session::execute::Outcome;
use crate::session::rows::Tag;
use crate::types::SqlType;

/// How often the log says how far a COPY is.
const TOLD_EVERY: Duration = Duration::from_secs(5);

/// What others see of a COPY while its data comes.
struct Watched {
    activity: Arc<Mutex<Activity>>,
    table: String,
    progress: CopyProgress,
    told: Instant,
}

impl Watched {
    fn new(session: &Session, table: &Name, relation: &Relation) -> Self {
        let progress = CopyProgress { relation: relation.oid, bytes: 0, rows: 0 };
        session.activity.lock().copy = Some(progress);
        Self { activity: Arc::clone(&session.activity), table: table.to_string(), progress, told: Instant::now() }
    }

    fn came(&mut self, bytes: usize, rows: u64) {
        self.progress.bytes += bytes as u64;
        self.progress.rows = rows;
        self.activity.lock().copy = Some(self.progress);
        if self.told.elapsed() >= TOLD_EVERY {
            self.told = Instant::now();
            tracing::info!("COPY into {}: {:.1} MB, {rows} rows so far", self.table, self.progress.bytes as f64 / 1e6);
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.activity.lock().copy = None;
    }
}

/// A COPY FROM STDIN that waits for its data. Nothing is in the table before [`CopyIn::finish`].
pub struct CopyIn {
    name: Name,
    relation: Arc<Relation>,
    columns: Vec<usize>,
    decoder: Decoder,
    options: CopyOptions,
    batches: Vec<RecordBatch>,
    rows: u64,
    limit: Limit,
    watched: Watched,
}

impl std::fmt::Debug for CopyIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CopyIn").field("name", &self.name).field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl CopyIn {
    /// How many columns a row of the data has.
    pub fn column_count(&self) -> usize {
        self.columns.len()
    }

    /// The format.
    pub fn options(&self) -> &CopyOptions {
        &self.options
    }

    /// Takes bytes of the data.
    pub async fn push(&mut self, bytes: &[u8]) -> Result<()> {
        self.limit.run(std::future::ready(())).await?;
        let decoded = self.decoder.push(bytes)?;
        self.keep(decoded)?;
        self.watched.came(bytes.len(), self.rows);
        Ok(())
    }

    fn keep(&mut self, decoded: Vec<RecordBatch>) -> Result<()> {
        for batch in decoded {
            let rows = batch.num_rows();
            let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.relation.columns.len());
            for (at, column) in self.relation.columns.iter().enumerate() {
                columns.push(match self.columns.iter().position(|c| *c == at) {
                    Some(place) => Arc::clone(batch.column(place)),
                    None => new_null_array(&column.sql_type.arrow(), rows),
                });
            }
            self.batches.push(finish(columns, rows, &self.relation, &self.name.name)?);
            self.rows += rows as u64;
        }
        Ok(())
    }

    /// The data is complete: its rows are in the table, as far as the transaction goes.
    pub async fn finish(mut self, session: &mut Session) -> Result<Tag> {
        let decoded = self.decoder.finish()?;
        self.keep(decoded)?;
        let schema = Arc::clone(&self.relation.schema);
        let whole = arrow::compute::concat_batches(&schema, &self.batches).map_err(|e| Error::internal(e.to_string()))?;
        // The table may have grown since, in this very transaction.
        let current = session.snapshot().state_of(&self.name).relations.get(&self.name).cloned();
        let Some(current) = current.filter(|c| c.oid == self.relation.oid) else {
            return Err(Error::new(Condition::UndefinedTable, format!("relation \"{}\" does not exist", self.name.name)));
        };
        session.put_relation(self.name, current.appended(vec![whole]));
        Ok(Tag { verb: "COPY", rows: Some(self.rows) })
    }

    /// The client gave up: `57014`.
    pub fn abort(self, message: &str) -> Error {
        Error::new(Condition::QueryCanceled, format!("COPY from stdin failed: {message}"))
    }
}

fn names(list: &[Ident]) -> OptionValue {
    OptionValue::List(list.iter().map(fold).collect())
}

/// The options of a COPY, new spelling and old, as one list.
fn options_of(options: &[CopyOption], legacy: &[CopyLegacyOption], direction: Direction) -> Result<CopyOptions> {
    let mut list: Vec<(String, OptionValue)> = Vec::new();
    let mut add = |name: &str, value: OptionValue| list.push((name.to_owned(), value));
    let text = |t: &str| OptionValue::Text(t.to_owned());
    for option in options {
        match option {
            CopyOption::Format(name) => add("format", OptionValue::Text(fold(name))),
            CopyOption::Freeze(on) => add("freeze", text(if *on { "on" } else { "off" })),
            CopyOption::Delimiter(c) => add("delimiter", text(&c.to_string())),
            CopyOption::Null(null) => add("null", text(null)),
            CopyOption::Header(on) => add("header", text(if *on { "on" } else { "off" })),
            CopyOption::Quote(c) => add("quote", text(&c.to_string())),
            CopyOption::Escape(c) => add("escape", text(&c.to_string())),
            CopyOption::ForceQuote(columns) => add("force_quote", names(columns)),
            CopyOption::ForceNotNull(columns) => add("force_not_null", names(columns)),
            CopyOption::ForceNull(columns) => add("force_null", names(columns)),
            CopyOption::Encoding(encoding) => add("encoding", text(encoding)),
        }
    }
    for option in legacy {
        match option {
            CopyLegacyOption::Binary => add("format", text("binary")),
            CopyLegacyOption::Delimiter(c) => add("delimiter", text(&c.to_string())),
            CopyLegacyOption::Null(null) => add("null", text(null)),
            CopyLegacyOption::Header => add("header", OptionValue::None),
            CopyLegacyOption::Csv(parts) => {
                add("format", text("csv"));
                for part in parts {
                    match part {
                        CopyLegacyCsvOption::Header => add("header", OptionValue::None),
                        CopyLegacyCsvOption::Quote(c) => add("quote", text(&c.to_string())),
                        CopyLegacyCsvOption::Escape(c) => add("escape", text(&c.to_string())),
                        CopyLegacyCsvOption::ForceQuote(columns) => add("force_quote", names(columns)),
                        CopyLegacyCsvOption::ForceNotNull(columns) => add("force_not_null", names(columns)),
                    }
                }
            }
            other => return Err(Error::syntax(format!("option \"{}\" not recognized", other.to_string().to_lowercase()))),
        }
    }
    CopyOptions::from_list(&list, direction)
}

impl Session {
    pub(crate) async fn copy(
        &mut self,
        source: &CopySource,
        to: bool,
        target: &CopyTarget,
        options: &[CopyOption],
        legacy: &[CopyLegacyOption],
        statement: &Statement,
    ) -> Result<Outcome> {
        match target {
            CopyTarget::File { .. } => {
                return Err(Error::new(
                    Condition::InsufficientPrivilege,
                    format!("permission denied to COPY {} a file", if to { "to" } else { "from" }),
                )
                .detail("Clients do not reach the server's files.")
                .hint("Use COPY to stdout or from stdin. psql's \\copy command also works for anyone."));
            }
            CopyTarget::Program { .. } => {
                return Err(Error::new(
                    Condition::InsufficientPrivilege,
                    format!("permission denied to COPY {} an external program", if to { "to" } else { "from" }),
                )
                .hint("Use COPY to stdout or from stdin. psql's \\copy command also works for anyone."));
            }
            CopyTarget::Stdin | CopyTarget::Stdout => {}
        }
        let direction = if to { Direction::To } else { Direction::From };
        let options = options_of(options, legacy, direction)?;
        self.transaction();
        if to { self.copy_out(source, options, statement).await } else { self.copy_in(source, options) }
    }

    async fn copy_out(&mut self, source: &CopySource, options: CopyOptions, statement: &Statement) -> Result<Outcome> {
        let query = match source {
            CopySource::Query(query) => query.as_ref().clone(),
            CopySource::Table { table_name, columns } => {
                let (name, relation) = self.relation(table_name)?;
                if relation.noun() == "view" {
                    return Err(Error::new(Condition::WrongObjectType, format!("cannot copy from view \"{}\"", name.name))
                        .hint("Try the COPY (SELECT ...) TO variant."));
                }
                let quoted = |i: &Ident| format!("\"{}\"", fold(i).replace('"', "\"\""));
                let list =
                    if columns.is_empty() { "*".to_owned() } else { columns.iter().map(quoted).collect::<Vec<_>>().join(", ") };
                let text = format!("SELECT {list} FROM {table_name}");
                match super::parse::parse(&text)?.first().and_then(|s| s.tree.as_deref().cloned()) {
                    Some(ast::Statement::Query(query)) => *query,
                    Some(_) | None => return Err(Error::internal("COPY's query did not parse")),
                }
            }
        };
        let part = statement.part(ast::Statement::Query(Box::new(query.clone())));
        let prepared = self.prepare_query(part, &query, &[], &Default::default())?;
        let rows = self.run(&prepared, Vec::new()).await?;
        Ok(Outcome::CopyOut { rows, options })
    }

    fn copy_in(&mut self, source: &CopySource, options: CopyOptions) -> Result<Outcome> {
        self.check_writable("COPY FROM")?;
        let CopySource::Table { table_name, columns } = source else {
            return Err(Error::syntax("syntax error at or near \"FROM\""));
        };
        let (name, relation) = self.relation(table_name)?;
        match relation.kind {
            RelationKind::Table { .. } => {}
            RelationKind::Files(_) => return Err(read_only(&name)),
            RelationKind::View { .. } => {
                return Err(Error::new(Condition::WrongObjectType, format!("cannot copy to view \"{}\"", name.name)));
            }
        }
        let mut targets = Vec::new();
        for column in columns {
            let column = fold(column);
            let Some(at) = relation.columns.iter().position(|c| c.name == column) else {
                return Err(Error::new(
                    Condition::UndefinedColumn,
                    format!("column \"{column}\" of relation \"{}\" does not exist", name.name),
                ));
            };
            if targets.contains(&at) {
                return Err(Error::new(Condition::DuplicateColumn, format!("column \"{column}\" specified more than once")));
            }
            targets.push(at);
        }
        if columns.is_empty() {
            targets = (0..relation.columns.len()).collect();
        }
        if let Some(default) = relation.columns.iter().enumerate().find(|(at, c)| c.default.is_some() && !targets.contains(at)) {
            return Err(Error::unsupported(format!("COPY FROM does not fill the default of column \"{}\"", default.1.name)));
        }
        let described: Vec<(String, SqlType)> =
            targets.iter().map(|at| (relation.columns[*at].name.clone(), relation.columns[*at].sql_type)).collect();
        let decoder = Decoder::new(&described, options.clone())?.for_relation(&name.name).in_zone(self.time_zone());
        let limit = self.limit();
        let watched = Watched::new(self, &name, &relation);
        Ok(Outcome::CopyIn(Box::new(CopyIn {
            watched,
            limit,
            name,
            relation,
            columns: targets,
            decoder,
            options,
            batches: Vec::new(),
            rows: 0,
        })))
    }
}
