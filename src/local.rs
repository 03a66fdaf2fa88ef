//! A session in this process, and its rows as text.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use tokio::runtime::Handle;
use warpwise_engine::{Column, Condition, Engine, Error, Outcome, Result, Session, SessionOptions, Source, Statement};
use warpwise_wire::types::{Format, RowEncoder};

use crate::failure::Failure;

/// What a cancel from within this process shows. It never leaves it.
const SECRET: &[u8] = b"in process";

/// A row's values as PostgreSQL prints them; NULL is none.
pub type Row = Vec<Option<String>>;

/// A session of an engine in this process.
pub struct Local {
    engine: Engine,
    /// The session.
    pub session: Session,
}

impl Local {
    /// Opens a session on a database.
    pub fn open(engine: &Engine, database: &str) -> Result<Self, Failure> {
        let options = SessionOptions {
            database: database.to_owned(),
            user: std::env::var("USER").ok().filter(|user| !user.is_empty()).unwrap_or_else(|| "postgres".to_owned()),
            secret: SECRET.to_vec(),
            ..SessionOptions::default()
        };
        Ok(Self { engine: engine.clone(), session: engine.session(options)? })
    }

    /// Where its queries run; also where to wait for them.
    pub fn runtime(&self) -> Handle {
        self.engine.runtime().clone()
    }

    /// What cancels the statement in progress, from any thread.
    pub fn canceller(&self) -> impl Fn() + Send + 'static {
        let (engine, pid) = (self.engine.clone(), self.session.pid());
        move || {
            engine.cancel(pid, SECRET);
        }
    }

    /// Kernels that the process compiled so far, and how long that took.
    pub fn compiled(&self) -> (u64, std::time::Duration) {
        self.engine.compiled()
    }

    /// Begins a statement.
    pub async fn begin(&mut self, statement: Statement) -> Result<Outcome> {
        let prepared = self.session.prepare(statement, &[]).await?;
        if !prepared.parameters().is_empty() {
            return Err(Error::new(Condition::UndefinedParameter, "there is no parameter $1"));
        }
        self.session.execute(&prepared, Vec::new(), Source::Simple).await
    }

    /// What turns batches of these columns into text.
    pub fn printer(&self, columns: &[Column]) -> Printer {
        let digits = self.session.setting("extra_float_digits").and_then(|digits| digits.parse().ok()).unwrap_or(1);
        let columns = columns.iter().map(|column| (column.sql_type, Format::Text)).collect();
        Printer(RowEncoder::new(columns, self.session.time_zone(), digits))
    }

    /// All rows of one query, for what the shell asks on its own behalf.
    pub async fn query(&mut self, text: &str) -> Result<(Arc<[Column]>, Vec<Row>)> {
        self.session.begin_statement();
        let outcome = self.query_within(text).await;
        match &outcome {
            Ok(_) => self.session.sync().await?,
            Err(_) => self.session.fail(),
        }
        outcome
    }

    /// Runs a statement that gives no rows.
    pub fn command(&mut self, text: &str) -> Result<()> {
        let runtime = self.runtime();
        self.session.begin_statement();
        let outcome = runtime.block_on(async {
            let statement = self.session.parse(text)?.into_iter().next();
            self.begin(statement.ok_or_else(|| Error::syntax("there is no statement"))?).await?;
            self.session.sync().await
        });
        if outcome.is_err() {
            self.session.fail();
        }
        outcome
    }

    async fn query_within(&mut self, text: &str) -> Result<(Arc<[Column]>, Vec<Row>)> {
        let statement = self.session.parse(text)?.into_iter().next();
        let statement = statement.ok_or_else(|| Error::syntax("there is no statement"))?;
        let Outcome::Rows(mut rows) = self.begin(statement).await? else {
            return Err(Error::internal("a query gave no rows"));
        };
        let columns = Arc::clone(rows.columns());
        let mut printer = self.printer(&columns);
        let mut all = Vec::new();
        while let Some(batch) = rows.next().await? {
            all.extend(printer.rows(&batch)?);
        }
        Ok((columns, all))
    }
}

/// Turns batches into text, as psql would get it.
pub struct Printer(RowEncoder);

impl Printer {
    /// The rows of a batch.
    pub fn rows(&mut self, batch: &RecordBatch) -> Result<Vec<Row>> {
        let mut rows = vec![Row::with_capacity(batch.num_columns()); batch.num_rows()];
        self.0.each_value(batch, 0..batch.num_rows(), |row, _, value| {
            rows[row].push(value.map(|bytes| String::from_utf8_lossy(bytes).into_owned()));
        })?;
        Ok(rows)
    }
}
