//! Which row groups of Parquet files a query needs, by what the files say of them.
//!
//! A file's statistics are a claim. They are believed where they tell that no row of a group can pass a filter, as
//! DataFusion's own scan believes them; how wide a column is stored follows what was read.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, UInt64Array};
use arrow::compute::concat;
use arrow::datatypes::{DataType, Field, SchemaRef};
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, ScalarValue};
use datafusion::physical_expr::expressions::lit;
use datafusion::physical_expr::utils::conjunction;
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::file::statistics::Statistics;
use warpwise_gpu::cache::SegmentRows;

use super::inputs::OpenFile;
use crate::offload::expr::constant;
use crate::offload::plan::{Chain, Step};

/// A row group of a file.
pub type Group = (Arc<OpenFile>, usize);

/// For each of some row groups, whether a row of it may pass the chain's first filters; none where nothing is known.
pub fn wanted(chain: &Chain, groups: &[Group], names: &[SegmentRows]) -> Option<Vec<bool>> {
    let stage = chain.stages.first()?;
    let filters = stage.steps.iter().map_while(|step| match step {
        Step::Filter(filter) => Some(Arc::clone(filter)),
        Step::Project(..) | Step::Pick(..) | Step::Join(_) => None,
    });
    let filters: Vec<_> = filters.collect();
    if filters.is_empty() {
        return None;
    }
    let known = conjunction(filters).transform_down(|expr| {
        Ok(match constant(&expr) {
            Ok(Some(value)) => Transformed::new(lit(value), true, TreeNodeRecursion::Jump),
            Ok(None) | Err(_) => Transformed::no(expr),
        })
    });
    let predicate = PruningPredicateBuilder::new().with_file_schema(Arc::clone(&stage.input)).try_build(known.ok()?.data).ok()?;
    if predicate.always_true() {
        return None;
    }
    predicate.prune(&Groups { groups, names, schema: &stage.input }).ok()
}

/// The statistics of some row groups.
struct Groups<'a> {
    groups: &'a [Group],
    names: &'a [SegmentRows],
    schema: &'a SchemaRef,
}

impl Groups<'_> {
    /// What each file says of its groups, one after the other.
    fn each(
        &self,
        column: &Column,
        of: impl for<'f> Fn(&StatisticsConverter<'f>, &'f OpenFile, &[usize]) -> Option<ArrayRef>,
    ) -> Option<ArrayRef> {
        let field = self.schema.field_with_name(&column.name).ok()?;
        // NaN is the greatest of all numbers here, and is in no statistics.
        if field.data_type().is_floating() {
            return None;
        }
        let mut arrays = Vec::new();
        for groups in self.groups.chunk_by(|(a, _), (b, _)| Arc::ptr_eq(a, b)) {
            let file: &OpenFile = &groups.first()?.0;
            let numbers: Vec<usize> = groups.iter().map(|(_, group)| *group).collect();
            let (name, schema) = (&column.name, file.metadata.schema());
            let found = schema.field_with_name(name).ok()?.data_type();
            let strings = found.is_string() && field.data_type().is_string();
            if found != field.data_type() && !strings {
                return None;
            }
            let converter = StatisticsConverter::try_new(name, schema, file.metadata.parquet_schema()).ok()?;
            let converter = converter.with_missing_null_counts_as_zero(false);
            let array = of(&converter, file, &numbers)?;
            arrays.push(if strings && array.data_type().is_string() {
                arrow::compute::cast(&array, field.data_type()).ok()?
            } else {
                array
            });
        }
        concat(&arrays.iter().map(AsRef::as_ref).collect::<Vec<_>>()).ok()
    }
}

impl PruningStatistics for Groups<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.each(column, |converter, file, groups| {
            let metadata = file.metadata.metadata();
            converter.row_group_mins(groups.iter().map(|group| metadata.row_group(*group))).ok()
        })
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.each(column, |converter, file, groups| {
            let metadata = file.metadata.metadata();
            converter.row_group_maxes(groups.iter().map(|group| metadata.row_group(*group))).ok()
        })
    }

    fn num_containers(&self) -> usize {
        self.groups.len()
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        self.each(column, |converter, file, groups| {
            let metadata = file.metadata.metadata();
            let counts = converter.row_group_null_counts(groups.iter().map(|group| metadata.row_group(*group))).ok()?;
            Some(Arc::new(counts))
        })
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        Some(Arc::new(self.names.iter().map(|(_, rows)| Some(*rows as u64)).collect::<UInt64Array>()))
    }

    fn contained(&self, _: &Column, _: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}

/// What a file says that the integers of a column of one of its groups lie between, as Arrow counts them.
pub fn integer_range(file: &OpenFile, group: usize, field: &Field) -> Option<(i128, i128)> {
    let root = file.metadata.schema().index_of(field.name()).ok()?;
    let stored = file.stored.as_ref()?.fields().get(root)?;
    let unsigned = matches!(field.data_type(), DataType::UInt8 | DataType::UInt16 | DataType::UInt32 | DataType::UInt64);
    if stored.data_type() != field.data_type() || unsigned {
        return None;
    }
    let schema = file.metadata.parquet_schema();
    let leaf = (0..schema.num_columns()).find(|leaf| schema.get_column_root_idx(*leaf) == root)?;
    let range = match file.metadata.metadata().row_group(group).column(leaf).statistics()? {
        Statistics::Int32(found) => Some(((*found.min_opt()?).into(), (*found.max_opt()?).into())),
        Statistics::Int64(found) => Some(((*found.min_opt()?).into(), (*found.max_opt()?).into())),
        _ => None,
    };
    range.filter(|(low, high)| low <= high)
}
