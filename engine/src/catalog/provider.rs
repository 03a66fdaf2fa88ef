//! Tables as DataFusion scans them: in memory, and of files. Either scan says which table it reads, for the devices.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{Result, Statistics};
use datafusion::datasource::listing::{ListingTable, ListingTableUrl};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;

use parking_lot::Mutex;

use super::lineage::Lineage;
use super::relation::Segment;
use crate::exec::table_scan::{ScannedTable, TableRows, TableScanExec};

/// One version of a table in memory: what a transaction's snapshot sees of it.
#[derive(Debug)]
pub struct SegmentTable {
    schema: SchemaRef,
    segments: Arc<Vec<Arc<Segment>>>,
    table: Arc<ScannedTable>,
}

impl SegmentTable {
    /// A scan of exactly these segments of the table with that name and lineage.
    pub fn new(name: &str, lineage: &Lineage, schema: SchemaRef, segments: Arc<Vec<Arc<Segment>>>) -> Self {
        let rows = TableRows::Memory(Arc::clone(&segments));
        let (owner, lineage) = (lineage.number(), Some(lineage.clone()));
        let table = ScannedTable { name: name.to_owned(), owner, lineage, schema: Arc::clone(&schema), rows };
        Self { schema, segments, table: Arc::new(table) }
    }

    fn rows(&self) -> usize {
        self.segments.iter().map(|s| s.batch.num_rows()).sum()
    }

    /// Deals the segments out so that every partition gets about as many rows.
    fn partitions(&self, wanted: usize) -> Vec<Vec<RecordBatch>> {
        let rows = self.rows();
        let wanted = wanted.clamp(1, rows.div_ceil(8192).max(1));
        let share = rows.div_ceil(wanted).max(1);
        let mut partitions: Vec<Vec<RecordBatch>> = vec![Vec::new()];
        let mut room = share;
        for segment in self.segments.iter() {
            let mut at = 0;
            while at < segment.batch.num_rows() {
                let take = room.min(segment.batch.num_rows() - at);
                if let Some(last) = partitions.last_mut() {
                    last.push(segment.batch.slice(at, take));
                }
                at += take;
                room -= take;
                if room == 0 && partitions.len() < wanted {
                    partitions.push(Vec::new());
                    room = share;
                } else if room == 0 {
                    room = usize::MAX;
                }
            }
        }
        partitions
    }
}

#[async_trait]
impl TableProvider for SegmentTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let partitions = self.partitions(state.config().target_partitions());
        let source = MemorySourceConfig::try_new(&partitions, self.schema(), projection.cloned())?.with_limit(limit);
        let scan = datafusion::datasource::source::DataSourceExec::from_data_source(source);
        Ok(Arc::new(TableScanExec::new(Arc::clone(&self.table), projection, limit, scan)))
    }

    fn statistics(&self) -> Option<Statistics> {
        let mut statistics = Statistics::new_unknown(&self.schema);
        statistics.num_rows = Precision::Exact(self.rows());
        Some(statistics)
    }
}

/// A table of files: DataFusion's own, which also says which table it reads.
///
/// Listing files again for every query takes a millisecond; so what was listed serves as long as every file has the time and
/// the size that it had then.
#[derive(Debug)]
pub struct FileTableProvider {
    inner: Arc<ListingTable>,
    table: Arc<ScannedTable>,
    paths: Vec<PathBuf>,
    listed: Mutex<Option<Arc<Listed>>>,
}

/// A file's time of change and its size.
type Stamp = (SystemTime, u64);

#[derive(Debug)]
struct Listed {
    stamps: Vec<Stamp>,
    groups: Vec<FileGroup>,
    statistics: Statistics,
}

impl FileTableProvider {
    /// Wraps the provider of `table`, which has these files.
    pub fn new(table: ScannedTable, paths: Vec<PathBuf>, inner: ListingTable) -> Self {
        Self { inner: Arc::new(inner), table: Arc::new(table), paths, listed: Mutex::default() }
    }

    /// The files as they are now; `None` where one cannot be looked at, which DataFusion then says better.
    fn stamps(&self) -> Option<Vec<Stamp>> {
        let stamp = |path: &PathBuf| {
            let found = std::fs::metadata(path).ok()?;
            Some((found.modified().ok()?, found.len()))
        };
        self.paths.iter().map(stamp).collect()
    }

    async fn listed(&self, state: &dyn Session) -> Result<Option<Arc<Listed>>> {
        let Some(stamps) = self.stamps() else { return Ok(None) };
        let known = self.listed.lock().clone().filter(|known| known.stamps == stamps);
        if known.is_some() {
            return Ok(known);
        }
        let found = self.inner.list_files_for_scan(state, &[], None).await?;
        if found.file_groups.is_empty() || found.grouped_by_partition {
            return Ok(None);
        }
        let listed = Arc::new(Listed { stamps, groups: found.file_groups, statistics: found.statistics });
        *self.listed.lock() = Some(Arc::clone(&listed));
        Ok(Some(listed))
    }

    /// DataFusion's scan of what is listed.
    async fn scan_listed(
        &self,
        state: &dyn Session,
        listed: &Listed,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let Some(url) = self.inner.table_paths().first().map(ListingTableUrl::object_store) else {
            return self.inner.scan(state, projection, filters, None).await;
        };
        let format = &self.inner.options().format;
        let source = format.file_source(TableSchema::from(self.inner.schema()));
        let config = FileScanConfigBuilder::new(url, source)
            .with_file_groups(listed.groups.clone())
            .with_statistics(listed.statistics.clone())
            .with_projection_indices(projection.cloned())?
            .build();
        format.create_physical_plan(state, config).await
    }
}

#[async_trait]
impl TableProvider for FileTableProvider {
    fn schema(&self) -> SchemaRef {
        self.inner.schema()
    }

    fn table_type(&self) -> TableType {
        self.inner.table_type()
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let listed = if limit.is_none() { self.listed(state).await? } else { None };
        let scan = match listed {
            Some(listed) => self.scan_listed(state, &listed, projection, filters).await?,
            None => self.inner.scan(state, projection, filters, limit).await?,
        };
        Ok(Arc::new(TableScanExec::new(Arc::clone(&self.table), projection, limit, scan)))
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        self.inner.supports_filters_pushdown(filters)
    }

    fn statistics(&self) -> Option<Statistics> {
        self.inner.statistics()
    }
}
