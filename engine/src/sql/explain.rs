//! EXPLAIN and EXPLAIN ANALYZE: the physical plan, operator by operator, one line each.

use std::sync::Arc;
use std::time::Instant;

use datafusion::common::ScalarValue;
use datafusion::physical_plan::display::DisplayableExecutionPlan;
use datafusion::physical_plan::{displayable, execute_stream};
use futures::StreamExt;
use sqlparser::ast::{self, AnalyzeFormat, AnalyzeFormatKind, Expr, UtilityOption};

use crate::error::{Condition, Error, Result};
use crate::exec::devices::Session;
use crate::exec::explain;
use crate::plan::failure::translate;
use crate::session::execute::{Body, Outcome, Prepared, lines};
use crate::session::rows::Rows;

/// What an EXPLAIN asks for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Request {
    analyze: bool,
    verbose: bool,
    timing: bool,
    codegen: bool,
}

fn flag(option: &UtilityOption) -> Result<bool> {
    match &option.arg {
        None => Ok(true),
        Some(arg) => {
            let text = match arg {
                Expr::Identifier(ident) => ident.value.to_lowercase(),
                other => other.to_string().trim_matches('\'').to_lowercase(),
            };
            match text.as_str() {
                "true" | "on" | "1" => Ok(true),
                "false" | "off" | "0" => Ok(false),
                _ => Err(Error::new(
                    Condition::SyntaxError,
                    format!("{} requires a Boolean value", option.name.value.to_lowercase()),
                )),
            }
        }
    }
}

impl Request {
    /// Reads the words and options of an EXPLAIN.
    pub fn new(
        analyze: bool,
        verbose: bool,
        format: Option<&AnalyzeFormatKind>,
        options: Option<&[UtilityOption]>,
    ) -> Result<Self> {
        let mut request = Self { analyze, verbose, timing: true, codegen: false };
        match format {
            None | Some(AnalyzeFormatKind::Keyword(AnalyzeFormat::TEXT) | AnalyzeFormatKind::Assignment(AnalyzeFormat::TEXT)) => {
            }
            Some(_) => return Err(Error::unsupported("EXPLAIN formats other than TEXT are not supported")),
        }
        for option in options.unwrap_or_default() {
            match option.name.value.to_lowercase().as_str() {
                "analyze" => request.analyze = flag(option)?,
                "verbose" => request.verbose = flag(option)?,
                "codegen" => request.codegen = flag(option)?,
                "timing" => request.timing = flag(option)?,
                "costs" | "buffers" | "settings" | "summary" | "wal" => {
                    flag(option)?;
                }
                "format" if option.arg.as_ref().is_some_and(|a| a.to_string().eq_ignore_ascii_case("text")) => {}
                "format" => return Err(Error::unsupported("EXPLAIN formats other than TEXT are not supported")),
                other => {
                    return Err(Error::new(Condition::SyntaxError, format!("unrecognized EXPLAIN option \"{other}\"")));
                }
            }
        }
        Ok(request)
    }
}

impl crate::session::Session {
    pub(crate) async fn explain(
        &mut self,
        prepared: &Prepared,
        inner: &ast::Statement,
        request: &Request,
        values: Vec<ScalarValue>,
    ) -> Result<Outcome> {
        self.transaction();
        let plan = match &prepared.body {
            Body::Query(plan) => Arc::clone(plan),
            Body::Catalog(_) => {
                let mut text = vec!["RowEvaluator: answered from the system catalogs, without DataFusion".to_owned()];
                if request.analyze {
                    let began = Instant::now();
                    let rows: usize = self.run(prepared, values).await?.collect().await?.iter().map(|b| b.num_rows()).sum();
                    text.push(format!("Rows: {rows}"));
                    text.push(format!("Execution Time: {:.3} ms", began.elapsed().as_secs_f64() * 1e3));
                }
                return Ok(self.plan_lines(text));
            }
            Body::Shared(..) | Body::Command => {
                return Err(Error::unsupported(format!(
                    "EXPLAIN of {} is not supported",
                    inner.to_string().split_whitespace().next().unwrap_or_default().to_uppercase()
                )));
            }
        };
        if request.analyze && !matches!(inner, ast::Statement::Query(_)) {
            return Err(Error::unsupported("EXPLAIN ANALYZE of a statement that writes is not supported"));
        }
        let mut planning = self.planning();
        let told = planning.note_refusals();
        let devices = Arc::clone(&self.engine.shared.devices);
        let analyze = request.analyze;
        let request = *request;
        let work = async move {
            let began = Instant::now();
            let ready = planning.instantiate_anew(&plan, values).await?;
            let planned = began.elapsed();
            let mut text: Vec<String> = Vec::new();
            let session = planning.state.config_options().extensions.get::<Session>().cloned().unwrap_or_default();
            let device = devices.rungs(&session.device).first().map_or_else(|| "off".to_owned(), |device| device.name());
            let left = explain::refusals(&device, &told.lock());
            if !analyze {
                let shown = displayable(ready.physical.as_ref()).indent(request.verbose).to_string();
                text.extend(explain::with_operators(&ready.physical, shown.lines().map(str::to_owned)));
                text.extend(left);
                if request.codegen {
                    text.extend(explain::programs(&ready.physical));
                }
                return Ok::<_, Error>(text);
            }
            let began = Instant::now();
            let mut stream = execute_stream(Arc::clone(&ready.physical), planning.state.task_ctx()).map_err(translate)?;
            let mut rows = 0;
            while let Some(batch) = stream.next().await {
                rows += batch.map_err(translate)?.num_rows();
            }
            let ran = began.elapsed();
            let shown = DisplayableExecutionPlan::with_metrics(ready.physical.as_ref()).indent(request.verbose).to_string();
            text.extend(explain::with_operators(&ready.physical, shown.lines().map(str::to_owned)));
            text.extend(left);
            if request.codegen {
                text.extend(explain::programs(&ready.physical));
            }
            text.push(format!("Rows: {rows}"));
            text.push(format!("Planning Time: {:.3} ms", planned.as_secs_f64() * 1e3));
            text.push(format!("Execution Time: {:.3} ms", ran.as_secs_f64() * 1e3));
            Ok(text)
        };
        let task = self.engine.shared.handle.spawn(work);
        let abort = task.abort_handle();
        let outcome = self.limit().run(task).await;
        if outcome.is_err() {
            abort.abort();
        }
        let text = outcome?.map_err(|e| Error::internal(format!("EXPLAIN failed: {e}")))??;
        Ok(self.plan_lines(text))
    }

    fn plan_lines(&self, text: Vec<String>) -> Outcome {
        let (columns, batch) = lines("QUERY PLAN", text);
        Outcome::Rows(Rows::ready(columns, vec![batch], "EXPLAIN", false, &self.clock()))
    }
}
