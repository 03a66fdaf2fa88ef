//! Tables as DataFusion scans them: in memory, and of files. Either scan says which table it reads, for the devices.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{Result, Statistics};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;

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
    pub fn new(name: &str, lineage: u64, schema: SchemaRef, segments: Arc<Vec<Arc<Segment>>>) -> Self {
        let rows = TableRows::Memory(Arc::clone(&segments));
        let table = ScannedTable { name: name.to_owned(), owner: lineage, schema: Arc::clone(&schema), rows };
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
#[derive(Debug)]
pub struct FileTableProvider {
    inner: Arc<dyn TableProvider>,
    table: Arc<ScannedTable>,
}

impl FileTableProvider {
    /// Wraps the provider of `table`.
    pub fn new(table: ScannedTable, inner: Arc<dyn TableProvider>) -> Self {
        Self { inner, table: Arc::new(table) }
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
        let scan = self.inner.scan(state, projection, filters, limit).await?;
        Ok(Arc::new(TableScanExec::new(Arc::clone(&self.table), projection, limit, scan)))
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        self.inner.supports_filters_pushdown(filters)
    }

    fn statistics(&self) -> Option<Statistics> {
        self.inner.statistics()
    }
}
