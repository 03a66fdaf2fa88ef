//! A relation: a table in memory, a view, or files that somebody else wrote.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::TableProvider;

use super::lineage::Lineage;
use crate::types::SqlType;

/// One column of a relation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its PostgreSQL type with modifier.
    pub sql_type: SqlType,
    /// Whether it takes NULL.
    pub nullable: bool,
    /// The SQL text of its default.
    pub default: Option<String>,
}

/// A run of rows that never changes. The identifier names it for good: caches may use it as a key.
#[derive(Debug)]
pub struct Segment {
    /// Unique in this process.
    pub id: u64,
    /// The rows.
    pub batch: RecordBatch,
}

impl Segment {
    /// Takes rows as a new segment.
    pub fn new(batch: RecordBatch) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Arc::new(Self { id: NEXT.fetch_add(1, Ordering::Relaxed), batch })
    }
}

/// What holds a relation's rows.
#[derive(Debug, Clone)]
pub enum RelationKind {
    /// A table in memory: a list of segments. `lineage` changes whenever rows go away, so that
    /// two states of one lineage differ by appended segments alone.
    Table {
        /// Which incarnation this is.
        lineage: Lineage,
        /// The rows.
        segments: Arc<Vec<Arc<Segment>>>,
    },
    /// A view: the text of its query.
    View {
        /// As the user wrote it, without `CREATE VIEW … AS`.
        query: String,
    },
    /// Files that are only read.
    Files(Arc<dyn TableProvider>),
}

/// A relation at one version.
#[derive(Debug, Clone)]
pub struct Relation {
    /// `pg_class.oid`.
    pub oid: u32,
    /// Changes whenever anything about the relation does; unique in this process.
    pub version: u64,
    /// The columns, in order.
    pub columns: Arc<[Column]>,
    /// The same as an Arrow schema with PostgreSQL's types in the metadata.
    pub schema: SchemaRef,
    /// The rows.
    pub kind: RelationKind,
    /// Positions of the primary key's columns.
    pub primary_key: Vec<usize>,
    /// Who made it.
    pub owner: String,
}

/// A number that this process has not used before.
pub fn fresh() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// The Arrow schema of `columns`.
pub fn schema_of(columns: &[Column]) -> SchemaRef {
    Arc::new(Schema::new(columns.iter().map(|c| c.sql_type.field(&c.name, c.nullable)).collect::<Vec<_>>()))
}

impl Relation {
    /// An empty table.
    pub fn table(oid: u32, columns: Vec<Column>, primary_key: Vec<usize>, owner: &str) -> Self {
        let schema = schema_of(&columns);
        let kind = RelationKind::Table { lineage: Lineage::fresh(), segments: Arc::default() };
        Self { oid, version: fresh(), columns: columns.into(), schema, kind, primary_key, owner: owner.to_owned() }
    }

    /// A view over `query`.
    pub fn view(oid: u32, columns: Vec<Column>, query: String, owner: &str) -> Self {
        let schema = schema_of(&columns);
        let kind = RelationKind::View { query };
        Self { oid, version: fresh(), columns: columns.into(), schema, kind, primary_key: Vec::new(), owner: owner.to_owned() }
    }

    /// Rows that the relation is known to hold, if that is known without reading.
    pub fn rows(&self) -> Option<u64> {
        match &self.kind {
            RelationKind::Table { segments, .. } => Some(segments.iter().map(|s| s.batch.num_rows() as u64).sum()),
            RelationKind::View { .. } => None,
            RelationKind::Files(provider) => {
                provider.statistics().and_then(|s| s.num_rows.get_value().copied()).map(|n| n as u64)
            }
        }
    }

    /// The same table with `batches` behind its rows.
    pub fn appended(&self, batches: Vec<RecordBatch>) -> Self {
        let mut next = self.clone();
        next.version = fresh();
        if let RelationKind::Table { segments, .. } = &mut next.kind {
            let segments = Arc::make_mut(segments);
            segments.extend(batches.into_iter().filter(|b| b.num_rows() > 0).map(Segment::new));
        }
        next
    }

    /// The same table without rows.
    pub fn truncated(&self) -> Self {
        let mut next = self.clone();
        next.version = fresh();
        if let RelationKind::Table { lineage, segments } = &mut next.kind {
            *lineage = Lineage::fresh();
            *segments = Arc::default();
        }
        next
    }

    /// What one calls this kind of relation in a sentence.
    pub fn noun(&self) -> &'static str {
        match self.kind {
            RelationKind::Table { .. } | RelationKind::Files(_) => "table",
            RelationKind::View { .. } => "view",
        }
    }
}
