//! Names in a query, resolved against a transaction's snapshot.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::catalog::TableFunctionArgs;
use datafusion::catalog::view::ViewTable;
use datafusion::common::config::ConfigOptions;
use datafusion::common::{DFSchema, Result as DataFusionResult, TableReference};
use datafusion::datasource::{cte_worktable::CteWorkTable, provider_as_source};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::planner::{ContextProvider, ExprPlanner, RelationPlanner, TypePlanner};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{
    AggregateUDF, Expr, ExprSchemable, HigherOrderUDF, LogicalPlan, LogicalPlanBuilder, ScalarUDF, TableSource, WindowUDF,
};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::sql::planner::{ParserOptions, PlannerContext, SqlToRel};
use datafusion::sql::sqlparser::ast;
use parking_lot::Mutex;

use super::failure::translate;
use super::types::PostgresTypes;
use super::union::with_common_types;
use crate::catalog::provider::SegmentTable;
use crate::catalog::{Name, RelationKind};
use crate::error::{Condition, Error, Result};
use crate::function::bridge::{Bridged, OVERRIDES};
use crate::function::cast::PgCast;
use crate::function::error::wrap;
use crate::session::transaction::Snapshot;
use crate::sql::{dialect, parse};

/// How deeply views may stand on views.
const VIEW_DEPTH: usize = 32;

/// The parser's options: decimals for decimal literals, names folded as PostgreSQL folds them.
pub fn parser_options() -> ParserOptions {
    ParserOptions {
        parse_float_as_decimal: true,
        enable_ident_normalization: true,
        support_varchar_with_length: true,
        map_string_types_to_utf8view: false,
        ..ParserOptions::new()
    }
}

/// Everything that names in one statement are looked up in.
pub struct Context<'a> {
    state: &'a SessionState,
    snapshot: &'a Snapshot,
    database: &'a str,
    search_path: &'a [String],
    types: Arc<PostgresTypes>,
    cast: Arc<ScalarUDF>,
    touched: Mutex<BTreeMap<Name, u64>>,
    depth: AtomicUsize,
}

impl<'a> Context<'a> {
    /// Names of a session.
    pub fn new(state: &'a SessionState, snapshot: &'a Snapshot, database: &'a str, search_path: &'a [String]) -> Self {
        Self {
            state,
            snapshot,
            database,
            search_path,
            types: Arc::new(PostgresTypes),
            cast: Arc::new(ScalarUDF::from(PgCast::new())),
            touched: Mutex::default(),
            depth: AtomicUsize::new(0),
        }
    }

    /// The relations that were looked up, with their versions.
    pub fn touched(&self) -> BTreeMap<Name, u64> {
        self.touched.lock().clone()
    }

    /// A query's logical plan. Types of parameters that are known are given; the others are inferred where that is possible.
    pub fn plan(&self, query: &ast::Query, types: &[Option<crate::types::SqlType>]) -> Result<LogicalPlan> {
        let fields = types.iter().map(|t| t.map(|t| Arc::new(t.field("", true)))).collect();
        let mut planning = PlannerContext::new().with_prepare_param_data_types(fields);
        let statement = ast::Statement::Query(Box::new(query.clone()));
        let planner = SqlToRel::new_with_options(self, parser_options());
        let plan = planner.sql_statement_to_plan_with_context(statement, &mut planning).map_err(translate)?;
        with_common_types(plan, &self.cast).map_err(translate)
    }

    fn view(&self, name: &Name, text: &str) -> Result<LogicalPlan> {
        if self.depth.fetch_add(1, Ordering::Relaxed) >= VIEW_DEPTH {
            return Err(Error::new(Condition::StatementTooComplex, format!("view {name} stands on too many others")));
        }
        let statements = parse::parse(text)?;
        let tree = statements.first().and_then(|s| s.tree.as_deref().cloned());
        let Some(ast::Statement::Query(mut query)) = tree else {
            return Err(Error::internal(format!("view {name} is no query")));
        };
        dialect::rewrite(query.as_mut(), &[])?;
        let plan = self.plan(&query, &[])?;
        self.depth.fetch_sub(1, Ordering::Relaxed);
        Ok(plan)
    }
}

/// Words that DataFusion's planner understands as functions without looking them up.
const SYNTAX: &[&str] = &["struct", "grouping", "unnest"];

/// `42P01`.
pub fn undefined_table(name: &TableReference) -> Error {
    let shown = match (name.schema(), name.table()) {
        (Some(schema), table) => format!("{schema}.{table}"),
        (None, table) => table.to_owned(),
    };
    Error::new(Condition::UndefinedTable, format!("relation \"{shown}\" does not exist"))
}

impl ContextProvider for Context<'_> {
    fn get_table_source(&self, name: TableReference) -> DataFusionResult<Arc<dyn TableSource>> {
        if let Some(catalog) = name.catalog()
            && catalog != self.database
        {
            let shown = format!("\"{catalog}.{}.{}\"", name.schema().unwrap_or_default(), name.table());
            return Err(wrap(Error::unsupported(format!("cross-database references are not implemented: {shown}"))));
        }
        let Some((full, relation)) = self.snapshot.find(name.schema(), name.table(), self.search_path) else {
            return Err(wrap(undefined_table(&name)));
        };
        self.touched.lock().insert(full.clone(), relation.version);
        Ok(match &relation.kind {
            RelationKind::Table { lineage, segments } => {
                let (schema, segments) = (Arc::clone(&relation.schema), Arc::clone(segments));
                provider_as_source(Arc::new(SegmentTable::new(&full.name, lineage, schema, segments)))
            }
            RelationKind::Files(provider) => provider_as_source(Arc::clone(provider)),
            RelationKind::View { query } => {
                let plan = self.view(&full, query).map_err(wrap)?;
                provider_as_source(Arc::new(ViewTable::new(plan, Some(query.clone()))))
            }
        })
    }

    fn get_table_function_source(&self, name: &str, args: Vec<Expr>) -> DataFusionResult<Arc<dyn TableSource>> {
        let Some(function) = self.state.table_functions().get(name).cloned() else {
            return Err(wrap(
                Error::new(Condition::UndefinedFunction, format!("function {name} does not exist"))
                    .hint("No function matches the given name and argument types. You might need to add explicit type casts."),
            ));
        };
        let simplifier =
            ExprSimplifier::new(SimplifyContext::builder().with_config_options(Arc::clone(self.state.config_options())).build());
        let schema = DFSchema::empty();
        let series = matches!(name, "generate_series" | "range");
        let narrow = series && !args.is_empty() && args.iter().all(|a| a.get_type(&schema).is_ok_and(|t| t == DataType::Int32));
        let args: Vec<Expr> = args
            .into_iter()
            .map(|arg| {
                let arg = if narrow { arg.cast_to(&DataType::Int64, &schema)? } else { arg };
                simplifier.coerce(arg, &schema).and_then(|e| simplifier.simplify(e))
            })
            .collect::<DataFusionResult<_>>()?;
        let source = provider_as_source(function.create_table_provider_with_args(TableFunctionArgs::new(&args, self.state))?);
        if !series {
            return Ok(source);
        }
        // The column is called as the function, and a series of int4 is int4.
        let scan = LogicalPlanBuilder::scan(name, Arc::clone(&source), None)?;
        let values = Expr::Column(scan.schema().columns().remove(0));
        let values = if narrow { values.cast_to(&DataType::Int32, scan.schema())? } else { values };
        let plan = scan.project([values.alias(name)])?.build()?;
        Ok(provider_as_source(Arc::new(ViewTable::new(plan, None))))
    }

    fn create_cte_work_table(&self, name: &str, schema: SchemaRef) -> DataFusionResult<Arc<dyn TableSource>> {
        Ok(provider_as_source(Arc::new(CteWorkTable::new(name, schema))))
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        self.state.expr_planners()
    }

    fn get_relation_planners(&self) -> &[Arc<dyn RelationPlanner>] {
        self.state.relation_planners()
    }

    fn get_type_planner(&self) -> Option<Arc<dyn TypePlanner>> {
        Some(Arc::clone(&self.types) as Arc<dyn TypePlanner>)
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        if OVERRIDES.contains(&name) {
            return Some(Arc::new(ScalarUDF::from(Bridged::new(name))));
        }
        if let Some(function) = self.state.scalar_functions().get(name) {
            return Some(Arc::clone(function));
        }
        let elsewhere = self.state.aggregate_functions().contains_key(name)
            || self.state.window_functions().contains_key(name)
            || self.state.higher_order_functions().contains_key(name)
            || SYNTAX.contains(&name);
        // The evaluator has it, or says with the arguments' types that nobody has.
        (!elsewhere).then(|| Arc::new(ScalarUDF::from(Bridged::new(name))))
    }

    fn get_higher_order_meta(&self, name: &str) -> Option<Arc<HigherOrderUDF>> {
        self.state.higher_order_functions().get(name).cloned()
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.state.aggregate_functions().get(name).cloned()
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        self.state.window_functions().get(name).cloned()
    }

    fn get_variable_type(&self, _names: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        self.state.config_options()
    }

    fn udf_names(&self) -> Vec<String> {
        self.state.scalar_functions().keys().cloned().collect()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        self.state.higher_order_functions().keys().cloned().collect()
    }

    fn udaf_names(&self) -> Vec<String> {
        self.state.aggregate_functions().keys().cloned().collect()
    }

    fn udwf_names(&self) -> Vec<String> {
        self.state.window_functions().keys().cloned().collect()
    }
}
