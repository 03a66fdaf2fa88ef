//! The engine: what all sessions of a process share.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::execution::SessionStateDefaults;
use datafusion::execution::cache::cache_manager::CacheManagerConfig;
use datafusion::execution::disk_manager::DiskManagerBuilder;
use datafusion::execution::memory_pool::{FairSpillPool, GreedyMemoryPool, MemoryPool, TrackConsumersPool};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::planner::ExprPlanner;
use datafusion::prelude::SessionConfig;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use warpwise_gpu::primitive::select;
use warpwise_gpu::{Device, DeviceChoice};

use crate::catalog::{Database, Name, Relation, files};
use crate::dataset::{self, Dataset};
use crate::error::{Condition, Error, Result};
use crate::exec::devices::Devices;
use crate::function;
use crate::plan::cache::PlanCache;
use crate::plan::optimizer_rules::optimizer_rules;
use crate::plan::physical_rules::physical_rules;
use crate::plan::planner::PostgresOperators;
use crate::plan::rules::analyzer_rules;
use crate::plan::types::PostgresTypes;
use crate::session::activity::Sessions;
use crate::session::{Session, SessionOptions};
use crate::settings::Settings;

/// How an engine is set up.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// How many bytes queries may hold together; the default is three quarters of the machine's memory.
    pub memory_limit: Option<usize>,
    /// How many threads run queries; the default is one for each core.
    pub threads: Option<usize>,
    /// Where queries run.
    pub device: DeviceChoice,
    /// What settings are for every session at its start.
    pub settings: Vec<(String, String)>,
    /// Where a CUDA compiler that was installed for Warpwise alone would be, and where compiled code is kept.
    pub data_folder: PathBuf,
    /// What `emulated` is; the default is a device that never fails. For tests of what happens when one does.
    pub emulated: Option<Arc<dyn Device>>,
}

/// Queries that may be on devices at once. Each has a thread, which mostly waits for its turn.
const DEVICE_RUNS: usize = 32;

/// What all sessions share.
pub(crate) struct Shared {
    runtime: Option<Runtime>,
    pub(crate) handle: tokio::runtime::Handle,
    pub(crate) databases: BTreeMap<String, Arc<Database>>,
    pub(crate) template: SessionState,
    pub(crate) plans: Arc<PlanCache>,
    pub(crate) sessions: Sessions,
    pub(crate) admission: Arc<Semaphore>,
    /// For queries that run on devices alone: who computes next is decided morsel by morsel, so a short one need not wait
    /// for a long one's end.
    pub(crate) device_admission: Arc<Semaphore>,
    pub(crate) began: chrono::DateTime<chrono::Utc>,
    pub(crate) device: DeviceChoice,
    pub(crate) devices: Arc<Devices>,
    pub(crate) settings: Settings,
}

impl Drop for Shared {
    fn drop(&mut self) {
        // A runtime must not be dropped by one of its own tasks, nor wait here for what is blocked.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// An engine. Clones are the same engine.
#[derive(Clone)]
pub struct Engine {
    pub(crate) shared: Arc<Shared>,
}

/// A table made of somebody's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedTable {
    /// Its name.
    pub name: String,
    /// How many files it has.
    pub files: usize,
}

/// The machine's memory in bytes, as the kernel says it; 8 GiB where it does not.
fn machine_memory() -> usize {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find(|l| l.starts_with("MemTotal:"));
    let kib = line.and_then(|l| l.split_whitespace().nth(1)).and_then(|n| n.parse::<usize>().ok());
    kib.map_or(8 << 30, |k| k * 1024)
}

fn runtime_env(limit: usize) -> Result<Arc<RuntimeEnv>> {
    // A fair share for operators that can spill; joins, which cannot, are held to the limit alone.
    let pool: Arc<dyn MemoryPool> = if limit >= 1 << 30 {
        Arc::new(TrackConsumersPool::new(GreedyMemoryPool::new(limit), std::num::NonZeroUsize::MIN))
    } else {
        Arc::new(TrackConsumersPool::new(FairSpillPool::new(limit), std::num::NonZeroUsize::MIN))
    };
    RuntimeEnvBuilder::new()
        .with_memory_pool(pool)
        .with_disk_manager_builder(DiskManagerBuilder::default())
        // A listing would never be looked at again; tables keep their own, and see when a file changed.
        .with_cache_manager(CacheManagerConfig::default().with_list_files_cache_limit(0))
        .build_arc()
        .map_err(|e| Error::internal(e.to_string()))
}

fn config(threads: usize) -> SessionConfig {
    let mut config = SessionConfig::new().with_target_partitions(threads).with_information_schema(false);
    let options = config.options_mut();
    options.sql_parser.dialect = datafusion::common::config::Dialect::PostgreSQL;
    options.sql_parser.parse_float_as_decimal = true;
    options.sql_parser.map_string_types_to_utf8view = false;
    options.execution.time_zone = Some("UTC".into());
    options.execution.collect_statistics = true;
    // Of a UNION of varchar(10) and varchar(20) its logical plan says neither length, its physical one the first: both are text.
    options.execution.skip_physical_aggregate_schema_check = true;
    options.execution.parquet.pushdown_filters = false;
    options.optimizer.prefer_existing_sort = true;
    config
}

impl Engine {
    /// Starts an engine: DataFusion's runtime, and the databases `postgres` and `tpch`.
    pub fn start(options: Options) -> Result<Engine> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let threads = options.threads.unwrap_or(cores).max(1);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("warpwise-query")
            .thread_stack_size(64 << 20)
            // Files are read on these; each keeps memory of its own that it has once used.
            .max_blocking_threads(threads * 2 + 2 + DEVICE_RUNS)
            .enable_all()
            .build()
            .map_err(|e| Error::new(Condition::IoError, format!("could not start the query threads: {e}")))?;
        let limit = options.memory_limit.unwrap_or_else(|| machine_memory() / 4 * 3);
        let mut planners: Vec<Arc<dyn ExprPlanner>> = vec![Arc::new(PostgresOperators::new())];
        planners.extend(SessionStateDefaults::default_expr_planners());
        let mut settings = Settings::default();
        for (name, value) in &options.settings {
            settings.start_with(name, value)?;
        }
        let columns = match u64::try_from(settings.integer("warpwise.host_memory")).unwrap_or(0) {
            0 => limit as u64 / 3,
            kilobytes => kilobytes * 1024,
        };
        select::use_at_most(match settings.get("warpwise.vector_instructions").as_deref() {
            Some("portable") => select::Level::Portable,
            Some("avx2") => select::Level::Avx2,
            _ => select::Level::Avx512,
        });
        let of_device = u64::try_from(settings.integer("warpwise.device_memory")).unwrap_or(0) * 1024;
        let devices = Devices::new(options.device.clone(), options.data_folder, threads, columns, options.emulated);
        let devices = Arc::new(devices.with_device_memory(of_device));
        devices.warm_up();
        let mut template = SessionStateBuilder::new()
            .with_config(config(threads))
            .with_runtime_env(runtime_env(limit)?)
            .with_default_features()
            .with_expr_planners(planners)
            .with_type_planner(Arc::new(PostgresTypes))
            .with_analyzer_rules(analyzer_rules())
            .with_optimizer_rules(optimizer_rules())
            .with_physical_optimizer_rules(physical_rules(&devices))
            .build();
        for function in function::scalars() {
            datafusion::execution::FunctionRegistry::register_udf(&mut template, function)
                .map_err(|e| Error::internal(e.to_string()))?;
        }
        for function in function::aggregates() {
            datafusion::execution::FunctionRegistry::register_udaf(&mut template, function)
                .map_err(|e| Error::internal(e.to_string()))?;
        }
        // PostgreSQL's own identifier of `postgres`; `tpch` is the first of the users' databases.
        let databases = [("postgres", 5u32), ("tpch", 16383)];
        let shared = Shared {
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
            databases: databases.map(|(name, oid)| (name.to_owned(), Arc::new(Database::new(oid, name)))).into(),
            template,
            plans: Arc::default(),
            sessions: Sessions::default(),
            admission: Arc::new(Semaphore::new(threads * 2)),
            device_admission: Arc::new(Semaphore::new(DEVICE_RUNS)),
            began: chrono::Utc::now(),
            device: options.device,
            devices,
            settings,
        };
        Ok(Engine { shared: Arc::new(shared) })
    }

    /// Opens a session. Fails with `3D000` where there is no such database, and with what SET says of a bad setting.
    pub fn session(&self, options: SessionOptions) -> Result<Session> {
        Session::open(self, options)
    }

    /// Makes a table of every data file, or folder of data files, in `folder`, in every database.
    ///
    /// Fails with `58P01` where there is no such folder, and with the file's name where one cannot be read.
    pub fn load_folder(&self, folder: &Path) -> Result<Vec<LoadedTable>> {
        let found = self.shared.handle.block_on(files::discover(&self.shared.template, folder))?;
        let mut loaded = Vec::new();
        for table in found {
            loaded.push(LoadedTable { name: table.name.clone(), files: table.files });
            for database in self.shared.databases.values() {
                files::install(database, &table);
            }
        }
        Ok(loaded)
    }

    /// Opens the eight TPC-H tables under `folder` in the databases `tpch` and `postgres`, with the specification's types.
    pub fn open_tpch(&self, folder: &Path) -> Result<()> {
        let tables = self.shared.handle.block_on(files::tpch(&self.shared.template, folder))?;
        for table in tables {
            for database in self.shared.databases.values() {
                files::install(database, &table);
            }
        }
        Ok(())
    }

    /// Makes a table in memory of some columns of generated rows, in the place of one of that name in a database's schema
    /// `public`. `progress` is told how many rows there are so far.
    pub fn fill_table(
        &self,
        database: &str,
        dataset: &dyn Dataset,
        columns: &[usize],
        threads: usize,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<()> {
        let missing = || Error::new(Condition::InvalidCatalogName, format!("database \"{database}\" does not exist"));
        let database = self.shared.databases.get(database).ok_or_else(missing)?;
        let batches = dataset::batches(dataset, columns, threads, progress)?;
        let all = dataset.columns();
        let columns = columns.iter().filter_map(|at| all.get(*at).cloned()).collect();
        let table = Relation::table(database.fresh_oid(), columns, Vec::new(), "postgres").appended(batches);
        database.update(|state| {
            state.relations.insert(Name::new("public", dataset.name()), Arc::new(table));
        });
        Ok(())
    }

    /// Cancels the statement of the session with that number, where the secret is its own.
    pub fn cancel(&self, pid: i32, secret: &[u8]) -> bool {
        self.shared.sessions.cancel(pid, secret)
    }

    /// Where queries run.
    pub fn device(&self) -> &DeviceChoice {
        &self.shared.device
    }

    /// Kernels that were compiled so far, and how long that took.
    pub fn compiled(&self) -> (u64, std::time::Duration) {
        let statistics = self.shared.devices.kernels.statistics();
        (statistics.compiled, statistics.compile_time)
    }

    /// Cancels what runs.
    pub fn shutdown(&self) {
        self.shared.sessions.cancel_all();
    }

    /// The runtime of the query threads.
    pub fn runtime(&self) -> &tokio::runtime::Handle {
        &self.shared.handle
    }
}
