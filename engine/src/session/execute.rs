//! From statement to outcome: which kind it is, and who carries it out.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use datafusion::common::ScalarValue;
use datafusion::physical_plan::execute_stream;
use futures::{FutureExt, StreamExt};
use sqlparser::ast;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::Session;
use super::rows::{Column, Rows, Tag};
use super::transaction::TransactionStatus;
use crate::copy::CopyOptions;
use crate::error::{Condition, Error, Result};
use crate::evaluate::Analyzed;
use crate::plan::cache::{QueryPlan, Ready, Sharing};
use crate::plan::failure::translate;
use crate::plan::literals;
use crate::plan::query::{Planning, bound_value};
use crate::sql::copy::CopyIn;
use crate::sql::dialect::Demands;
use crate::sql::parse::Statement;
use crate::types::{Base, SqlType};

/// How a statement came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// As text in a Query message.
    Simple,
    /// By Parse, Bind and Execute.
    Extended,
}

/// What carries a prepared statement out.
#[derive(Debug, Clone)]
pub(crate) enum Body {
    /// DataFusion.
    Query(Arc<QueryPlan>),
    /// DataFusion, by a plan that serves other literals too, with this text's literals.
    Shared(Arc<QueryPlan>, Arc<[ScalarValue]>),
    /// The row evaluator.
    Catalog(Arc<Analyzed>),
    /// The statement's own code.
    Command,
}

/// A statement, analyzed: its parameters and its result's columns are known.
#[derive(Debug, Clone)]
pub struct Prepared {
    pub(crate) statement: Statement,
    pub(crate) parameters: Vec<SqlType>,
    pub(crate) columns: Option<Arc<[Column]>>,
    pub(crate) body: Body,
}

impl Prepared {
    /// The parameters' types.
    pub fn parameters(&self) -> &[SqlType] {
        &self.parameters
    }

    /// The result's columns; `None` for a statement without a result.
    pub fn columns(&self) -> Option<&Arc<[Column]>> {
        self.columns.as_ref()
    }

    /// The statement's text.
    pub fn text(&self) -> &str {
        self.statement.text()
    }

    /// Whether it ends a transaction: such a statement is accepted in a failed one.
    pub fn ends_transaction(&self) -> bool {
        self.statement.tree.as_deref().is_some_and(ends_transaction)
    }

    fn command(statement: Statement) -> Self {
        Self { statement, parameters: Vec::new(), columns: None, body: Body::Command }
    }
}

fn ends_transaction(tree: &ast::Statement) -> bool {
    matches!(tree, ast::Statement::Commit { .. } | ast::Statement::Rollback { .. })
}

/// What a statement came to.
#[derive(Debug)]
pub enum Outcome {
    /// There was no statement.
    Empty,
    /// It is done.
    Complete(Tag),
    /// It gives rows.
    Rows(Rows),
    /// It gives rows in COPY's format.
    CopyOut {
        /// The rows.
        rows: Rows,
        /// The format.
        options: CopyOptions,
    },
    /// It takes data in COPY's format.
    CopyIn(Box<CopyIn>),
}

/// A column of lines, as EXPLAIN and SHOW give them.
pub(crate) fn lines(name: &str, lines: Vec<String>) -> (Arc<[Column]>, RecordBatch) {
    let columns: Arc<[Column]> = [Column::new(name, Base::Text.into())].into();
    let array: ArrayRef = Arc::new(StringArray::from(lines));
    let batch = RecordBatch::try_from_iter_with_nullable([(name, array, true)]);
    (columns, batch.unwrap_or_else(|_| RecordBatch::new_empty(Arc::new(arrow::datatypes::Schema::empty()))))
}

impl Session {
    fn check_not_failed(&self, tree: Option<&ast::Statement>) -> Result<()> {
        if self.transaction_status() == TransactionStatus::Failed && !tree.is_none_or(ends_transaction) {
            return Err(Error::new(
                Condition::InFailedSqlTransaction,
                "current transaction is aborted, commands ignored until end of transaction block",
            ));
        }
        Ok(())
    }

    /// Analyzes a statement. `types` are the parameter types that the client gave.
    pub async fn prepare(&mut self, statement: Statement, types: &[Option<SqlType>]) -> Result<Prepared> {
        let Some(tree) = statement.tree.clone() else { return Ok(Prepared::command(statement)) };
        self.check_not_failed(Some(&tree))?;
        let result = self.analyze(statement.clone(), &tree, types);
        result.map_err(|e| crate::sql::place::place(e, &statement))
    }

    fn analyze(&mut self, statement: Statement, tree: &ast::Statement, types: &[Option<SqlType>]) -> Result<Prepared> {
        match tree {
            ast::Statement::Query(query) => match self.prepare_shared(&statement, query, types) {
                Some(prepared) => Ok(prepared),
                None => self.prepare_query(statement, query, types, &Demands::new()),
            },
            ast::Statement::Insert(insert) => self.prepare_insert(statement.clone(), insert, types),
            ast::Statement::Explain { statement: inner, .. } => {
                let part = statement.part(inner.as_ref().clone());
                let inner = match inner.as_ref() {
                    // A plan is shown with its literals.
                    ast::Statement::Query(query) => self.prepare_query(part, query, types, &Demands::new())?,
                    inner => self.analyze(part, inner, types)?,
                };
                let (columns, _) = lines("QUERY PLAN", Vec::new());
                Ok(Prepared { statement, columns: Some(columns), ..inner })
            }
            ast::Statement::Declare { stmts } => {
                let Some(query) = stmts.first().and_then(|d| d.for_query.as_deref()) else {
                    return Ok(Prepared::command(statement));
                };
                let part = statement.part(ast::Statement::Query(Box::new(query.clone())));
                let inner = self.prepare_query(part, query, types, &Demands::new())?;
                Ok(Prepared { statement, columns: None, ..inner })
            }
            ast::Statement::ShowVariable { variable } => {
                let (name, _) = crate::sql::set::shown_name(variable);
                let mut prepared = Prepared::command(statement);
                prepared.columns =
                    Some(if name == "all" { crate::sql::set::show_all_columns() } else { lines(&name, Vec::new()).0 });
                Ok(prepared)
            }
            ast::Statement::Fetch { name, .. } if !statement.is_move => {
                let columns = self.cursor_columns(name)?;
                let mut prepared = Prepared::command(statement);
                prepared.columns = Some(columns);
                Ok(prepared)
            }
            ast::Statement::Execute { name, .. } => {
                let columns = match name {
                    Some(name) => self.executed(name)?.columns.clone(),
                    None => None,
                };
                let mut prepared = Prepared::command(statement);
                prepared.columns = columns;
                Ok(prepared)
            }
            _ => Ok(Prepared::command(statement)),
        }
    }

    /// Analyzes a query that may share its plan with others; `None` where it is to be analyzed by itself.
    fn prepare_shared(&self, statement: &Statement, query: &ast::Query, types: &[Option<SqlType>]) -> Option<Prepared> {
        let planning = self.timeless_planning();
        if !planning.uses_devices() {
            return None;
        }
        let route = crate::sql::route::route(query, &planning.snapshot, &planning.search_path);
        if route != crate::sql::route::Route::DataFusion {
            return None;
        }
        let (plan, literals) = planning.prepare_shared(query, types, self.time_zone(), &*self.environment())?;
        let given = plan.parameters.len() - literals.len();
        Some(Prepared {
            statement: statement.clone(),
            parameters: plan.parameters[..given].to_vec(),
            columns: Some(Arc::clone(&plan.columns)),
            body: Body::Shared(plan, literals),
        })
    }

    /// Analyzes a query, whoever will answer it.
    pub(crate) fn prepare_query(
        &mut self,
        statement: Statement,
        query: &ast::Query,
        types: &[Option<SqlType>],
        demands: &Demands,
    ) -> Result<Prepared> {
        let planning = self.timeless_planning();
        let text: Arc<str> = Arc::clone(&statement.text);
        let by_datafusion = || -> Result<(Body, Vec<SqlType>, Arc<[Column]>)> {
            let plan = planning.prepare(&text, query, types, demands)?;
            Ok((Body::Query(Arc::clone(&plan)), plan.parameters.clone(), Arc::clone(&plan.columns)))
        };
        let by_evaluator = || -> Result<(Body, Vec<SqlType>, Arc<[Column]>)> {
            let mut known = types.to_vec();
            known.resize(known.len().max(crate::plan::query::parameter_count(query)), None);
            for (number, sql_type) in demands {
                if let Some(slot) = known.get_mut(number - 1) {
                    slot.get_or_insert(*sql_type);
                }
            }
            let analyzed = crate::evaluate::analyze(query, &known, &*self.environment())?;
            let columns: Arc<[Column]> = analyzed.columns().iter().map(|c| Column::new(c.name.clone(), c.sql_type)).collect();
            Ok((Body::Catalog(Arc::new(analyzed)), self.padded(&known, query), columns))
        };
        let (body, parameters, columns) = match crate::sql::route::route(query, &planning.snapshot, &planning.search_path) {
            crate::sql::route::Route::DataFusion => by_datafusion()?,
            crate::sql::route::Route::DataFusionFirst => by_datafusion().or_else(|error| by_evaluator().map_err(|_| error))?,
            crate::sql::route::Route::Evaluator => by_evaluator()?,
            crate::sql::route::Route::EvaluatorFirst => match by_evaluator() {
                Err(error) if matches!(error.condition, Condition::FeatureNotSupported | Condition::UndefinedFunction) => {
                    by_datafusion().map_err(|second| match (error.condition, second.condition) {
                        (Condition::FeatureNotSupported, _) => second,
                        (_, _) => error,
                    })?
                }
                other => other?,
            },
        };
        let parameters = match &body {
            Body::Catalog(analyzed) => analyzed.params().to_vec(),
            Body::Query(_) | Body::Shared(..) | Body::Command => parameters,
        };
        Ok(Prepared { statement, parameters, columns: Some(columns), body })
    }

    fn padded(&self, known: &[Option<SqlType>], _query: &ast::Query) -> Vec<SqlType> {
        known.iter().map(|t| t.unwrap_or_else(|| Base::Text.into())).collect()
    }

    /// Carries a statement out, or begins to.
    pub async fn execute(&mut self, prepared: &Prepared, parameters: Vec<ArrayRef>, source: Source) -> Result<Outcome> {
        let Some(tree) = prepared.statement.tree.clone() else { return Ok(Outcome::Empty) };
        self.check_not_failed(Some(&tree))?;
        self.active(prepared.statement.text());
        let limit = self.limit();
        limit.run(std::future::ready(())).await?;
        let values = self.bind(prepared, &parameters)?;
        let outcome = self.dispatch(prepared, &tree, values, source).await;
        outcome.map_err(|e| crate::sql::place::place(e, &prepared.statement))
    }

    fn bind(&self, prepared: &Prepared, parameters: &[ArrayRef]) -> Result<Vec<ScalarValue>> {
        let zone = self.time_zone();
        if matches!(prepared.body, Body::Catalog(_)) {
            // The evaluator takes numerics of any scale as they are.
            let exact = |v: &ArrayRef| ScalarValue::try_from_array(v, 0).map_err(|e| Error::internal(e.to_string()));
            return parameters.iter().map(exact).collect();
        }
        prepared.parameters.iter().zip(parameters).map(|(t, v)| bound_value(v, *t, zone)).collect()
    }

    async fn dispatch(
        &mut self,
        prepared: &Prepared,
        tree: &ast::Statement,
        values: Vec<ScalarValue>,
        _source: Source,
    ) -> Result<Outcome> {
        use ast::Statement as S;
        match tree {
            S::Query(_) => {
                self.transaction();
                Ok(Outcome::Rows(self.run(prepared, values).await?.of(prepared.statement.clone())))
            }
            S::Insert(insert) => self.insert(prepared, insert, values).await,
            S::CreateTable(create) => self.create_table(create, &prepared.statement).await,
            S::CreateView(create) => self.create_view(create, &prepared.statement),
            S::CreateSchema { schema_name, if_not_exists, .. } => self.create_schema(schema_name, *if_not_exists),
            S::Drop { object_type, if_exists, names, cascade, .. } => self.drop_objects(object_type, *if_exists, names, *cascade),
            S::Truncate(truncate) => self.truncate(truncate),
            S::Copy { source, to, target, options, legacy_options, .. } => {
                self.copy(source, *to, target, options, legacy_options, &prepared.statement).await
            }
            S::Set(set) => self.set_statement(set),
            S::Reset(reset) => self.reset_statement(reset),
            S::ShowVariable { variable } => self.show(variable),
            S::StartTransaction { modes, .. } => self.begin(modes),
            S::Commit { chain, .. } => self.commit_statement(*chain),
            S::Rollback { chain, savepoint } => self.rollback_statement(*chain, savepoint.as_ref()),
            S::Savepoint { name } => self.savepoint(name),
            S::ReleaseSavepoint { name } => self.release(name),
            S::Declare { stmts } => self.declare(stmts, prepared, values).await,
            S::Fetch { name, direction, .. } => self.fetch(name, direction, prepared.statement.is_move).await,
            S::Close { cursor } => self.close_cursor(cursor),
            S::Discard { object_type } => self.discard(*object_type),
            S::Prepare { name, data_types, statement } => {
                self.prepare_statement(name, data_types, statement, &prepared.statement).await
            }
            S::Execute { name, parameters, .. } => self.execute_statement(name.as_ref(), parameters, &prepared.statement).await,
            S::Deallocate { name, .. } => self.deallocate(name),
            S::Explain { statement, analyze, verbose, format, options, .. } => {
                let request = crate::sql::explain::Request::new(*analyze, *verbose, format.as_ref(), options.as_deref())?;
                self.explain(prepared, statement, &request, values).await
            }
            S::Analyze(_) => Ok(Outcome::Complete(Tag::plain("ANALYZE"))),
            S::Vacuum(_) => Ok(Outcome::Complete(Tag::plain("VACUUM"))),
            S::UNLISTEN { .. } => Ok(Outcome::Complete(Tag::plain("UNLISTEN"))),
            S::Lock(_) => Ok(Outcome::Complete(Tag::plain("LOCK TABLE"))),
            S::Update(_) | S::Delete(_) | S::Merge(_) => {
                let verb = tree.to_string().split_whitespace().next().unwrap_or_default().to_uppercase();
                Err(Error::unsupported(format!("{verb} is not supported"))
                    .hint("Tables take INSERT, COPY and TRUNCATE; make a changed copy with CREATE TABLE AS."))
            }
            other => {
                let text = other.to_string();
                let words: Vec<&str> = text.split_whitespace().take(2).collect();
                Err(Error::unsupported(format!("{} is not supported", words.join(" ").to_uppercase())))
            }
        }
    }

    /// Starts a prepared query; its rows come as they are made.
    pub(crate) async fn run(&mut self, prepared: &Prepared, values: Vec<ScalarValue>) -> Result<Rows> {
        match &prepared.body {
            Body::Query(plan) => {
                let planning = self.timeless_planning();
                let current = plan.is_current(&planning.snapshot) && plan.settings == planning.fingerprint;
                if current {
                    return self.start(Arc::clone(plan), values, None).await;
                }
                // A table changed since: plan again, and hold the result to what was described.
                let Some(query) = crate::sql::prepare::query_of(&prepared.statement) else {
                    return Err(Error::internal("a plan without a query"));
                };
                let types: Vec<Option<SqlType>> = prepared.parameters.iter().copied().map(Some).collect();
                let fresh = planning.prepare(prepared.statement.text(), &query, &types, &Demands::new())?;
                let described = prepared.columns.as_deref().unwrap_or_default();
                if prepared.body_describes_itself() && !same_shape(described, &fresh.columns) {
                    return Err(Error::unsupported("cached plan must not change result type"));
                }
                self.start(fresh, values, None).await
            }
            Body::Shared(plan, literals) => {
                let planning = self.timeless_planning();
                if plan.is_current(&planning.snapshot)
                    && plan.settings == planning.fingerprint
                    && plan.sharing.get() != Sharing::Useless
                {
                    let own = (prepared.statement.clone(), values.clone());
                    let values = values.into_iter().chain(literals.iter().cloned()).collect();
                    return self.start(Arc::clone(plan), values, Some(own)).await;
                }
                // A table changed since, or the plan turned out not to be worth sharing.
                let Some(query) = crate::sql::prepare::query_of(&prepared.statement) else {
                    return Err(Error::internal("a plan without a query"));
                };
                let types: Vec<Option<SqlType>> = prepared.parameters.iter().copied().map(Some).collect();
                let own = planning.prepare(prepared.statement.text(), &query, &types, &Demands::new())?;
                if !same_shape(prepared.columns.as_deref().unwrap_or_default(), &own.columns) {
                    return Err(Error::unsupported("cached plan must not change result type"));
                }
                self.start(own, values, None).await
            }
            Body::Catalog(analyzed) => {
                let analyzed = Arc::clone(analyzed);
                let environment = self.environment();
                let zone = self.time_zone();
                let work = move || -> Result<RecordBatch> {
                    let mut data = Vec::new();
                    for (value, sql_type) in values.iter().zip(analyzed.params()) {
                        data.push(datum(value, *sql_type, zone, &*environment)?);
                    }
                    let rows = analyzed.run_for_output(&data, &*environment)?;
                    crate::evaluate::to_batch(analyzed.columns(), &rows)
                };
                let limit = self.limit();
                let task = self.engine.shared.handle.spawn_blocking(work);
                let batch = limit.run(task).await?.map_err(|e| Error::internal(format!("a catalog query failed: {e}")))??;
                self.apply_pending_settings()?;
                let columns = prepared.columns.clone().unwrap_or_else(|| [].into());
                Ok(Rows::ready(columns, vec![batch], "SELECT", true, &self.clock()))
            }
            Body::Command => Err(Error::internal("a command has no rows")),
        }
    }

    /// Starts a planned query. Where the plan is shared, `own` is the statement itself, with the client's values alone.
    async fn start(
        &mut self,
        plan: Arc<QueryPlan>,
        values: Vec<ScalarValue>,
        own: Option<(Statement, Vec<ScalarValue>)>,
    ) -> Result<Rows> {
        let planning = if plan.stable { self.timeless_planning() } else { self.planning() };
        let clock = self.clock();
        let shared = Arc::clone(&self.engine.shared);
        let columns = Arc::clone(&plan.columns);
        let (sender, receiver) = mpsc::channel(2);
        let (told, planned) = oneshot::channel();
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let guard = stop.drop_guard();
        let admissions = [Arc::clone(&shared.admission), Arc::clone(&shared.device_admission)];
        // One task plans and runs: every change of threads costs a short query dearly.
        shared.handle.spawn(async move {
            let failed = sender.clone();
            let work = async {
                let (plan, ready) = match instantiate(&planning, plan, values, own).await {
                    Ok(ready) => ready,
                    Err(error) => return drop(told.send(Err(error))),
                };
                let context = planning.state.task_ctx();
                drop(told.send(Ok(())));
                // At most a few queries compute at once; one that already sends rows goes at its client's pace.
                let [admission, of_devices] = admissions;
                let admission = if literals::runs_on_devices(&ready.physical) { of_devices } else { admission };
                let mut permit = Some(admission.acquire_owned().await);
                let mut stream = match execute_stream(Arc::clone(&ready.physical), context) {
                    Ok(stream) => stream,
                    Err(error) => return drop(sender.send(Err(translate(error))).await),
                };
                while let Some(item) = stream.next().await {
                    permit.take();
                    let failed = item.is_err();
                    if sender.send(item.map_err(translate)).await.is_err() || failed {
                        return;
                    }
                }
                drop(stream);
                plan.give_back(ready);
            };
            tokio::select! {
                biased;
                () = stopped.cancelled() => {}
                outcome = AssertUnwindSafe(work).catch_unwind() => {
                    if outcome.is_err() {
                        tracing::error!("a query's task panicked");
                        let _ = failed.send(Err(Error::internal("the query failed inside; the server goes on"))).await;
                    }
                }
            }
        });
        let told = clock.limit.run(planned).await?;
        told.map_err(|_| Error::internal("planning failed; the server goes on"))??;
        Ok(Rows::running(columns, receiver, guard, "SELECT", &clock))
    }
}

/// A plan that can run: the shared one, or the statement's own where sharing shows itself useless.
async fn instantiate(
    planning: &Planning,
    plan: Arc<QueryPlan>,
    values: Vec<ScalarValue>,
    own: Option<(Statement, Vec<ScalarValue>)>,
) -> Result<(Arc<QueryPlan>, Ready)> {
    let Some((statement, given)) = own.filter(|_| plan.sharing.get() == Sharing::Untried) else {
        let ready = planning.instantiate(&plan, values).await?;
        return Ok((plan, ready));
    };
    if let Ok(ready) = planning.instantiate(&plan, values).await
        && ready.reusable
        && literals::runs_on_devices(&ready.physical)
    {
        plan.sharing.set(Sharing::Useful);
        return Ok((plan, ready));
    }
    plan.sharing.set(Sharing::Useless);
    let query = crate::sql::prepare::query_of(&statement).ok_or_else(|| Error::internal("a plan without a query"))?;
    let types: Vec<Option<SqlType>> = plan.parameters[..given.len()].iter().copied().map(Some).collect();
    let own = planning.prepare(statement.text(), &query, &types, &Demands::new())?;
    let ready = planning.instantiate(&own, given).await?;
    Ok((own, ready))
}

impl Prepared {
    fn body_describes_itself(&self) -> bool {
        matches!(self.statement.tree.as_deref(), Some(ast::Statement::Query(_)))
    }
}

/// A bound value, as the evaluator takes it: by way of its text.
fn datum(
    value: &ScalarValue,
    to: SqlType,
    zone: chrono_tz::Tz,
    environment: &dyn crate::evaluate::Environment,
) -> Result<crate::evaluate::Datum> {
    if value.is_null() {
        return Ok(crate::evaluate::Datum::Null);
    }
    let array = value.to_array().map_err(|e| Error::internal(e.to_string()))?;
    let own = SqlType::of_arrow(array.data_type());
    let from = if array.data_type() == &to.arrow() { to } else { own };
    let text = crate::function::cast::to_text(&array, from, zone)?;
    let text = arrow::array::AsArray::as_string::<i32>(&text);
    crate::evaluate::from_text(text.value(0), to, environment)
}

fn same_shape(a: &[Column], b: &[Column]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.sql_type == b.sql_type && a.name == b.name)
}
