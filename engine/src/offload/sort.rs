//! SortExec: the first rows in an order, or all of them.
//!
//! A sink keeps the first rows where they are few. Else rows are kept with what they are ordered by, and sorted when they have
//! all run.

use std::rc::Rc;
use std::sync::Arc;

use datafusion::physical_expr::PhysicalSortExpr;
use datafusion::physical_plan::sorts::sort::SortExec;
use warpwise_gpu::column::Output;
use warpwise_gpu::program::Sink;
use warpwise_gpu::sort::{Key, gather, order};
use warpwise_gpu::{Cancel, Result as DeviceResult};

use super::lower::{Left, Shape};
use super::plan::{Chain, End};
use super::refusal::Refusal;
use super::scope::{Lowering, Scope};
use super::top_k::MOST;
use super::value::Kind;
use super::words::Words;

/// The chain with this sort behind it.
pub fn sort(sort: &SortExec, mut chain: Chain) -> Result<Chain, Refusal> {
    let order = sort.expr().iter().cloned().collect();
    match sort.fetch() {
        Some(limit) if limit <= MOST => {
            chain.open().end = End::TopK { order, limit };
            chain.note("TopK", format!("{} limit {limit}", sort.expr()));
        }
        most => {
            chain.open().end = End::Sort { order, most };
            let limit = most.map_or_else(String::new, |most| format!(" limit {most}"));
            chain.note("Sort", format!("{}{limit}", sort.expr()));
        }
    }
    Ok(chain)
}

/// How kept rows are sorted.
#[derive(Debug)]
pub struct Sorting {
    keys: Vec<SortKey>,
    /// How many of them count, where not all.
    most: Option<usize>,
    /// Columns that go on; those behind them are there to be sorted by.
    columns: usize,
}

#[derive(Debug)]
struct SortKey {
    /// Which column of the kept ones.
    column: usize,
    /// What its codes stand for.
    words: Option<Arc<Words>>,
    descending: bool,
    nulls_first: bool,
}

impl Lowering<'_> {
    /// The sink that keeps all rows, with what they are sorted by.
    pub fn sort(
        &mut self,
        order: &[PhysicalSortExpr],
        most: Option<usize>,
        scope: &Rc<Scope>,
        kept: Vec<Left>,
    ) -> Result<Shape, Refusal> {
        let mut columns: Vec<_> = kept.iter().map(|left| left.node).collect();
        let mut keys = Vec::new();
        for by in order {
            let value = self.expr(&by.expr, scope)?;
            let column = columns.iter().position(|node| *node == value.node).unwrap_or_else(|| {
                columns.push(value.node);
                columns.len() - 1
            });
            let words = if let Kind::Text(words) = value.kind { Some(words) } else { None };
            keys.push(SortKey { column, words, descending: by.options.descending, nulls_first: by.options.nulls_first });
        }
        let sorting = Sorting { keys, most, columns: kept.len() };
        Ok(Shape { sorting: Some(sorting), ..Shape::keeping(Sink::Materialize { columns }, kept) })
    }
}

impl Sorting {
    /// The rows in their order, on at most so many threads (0: all).
    pub fn sorted(&self, output: &Output, threads: usize, cancel: &Cancel) -> DeviceResult<Output> {
        let keys: Vec<Key<'_>> = self
            .keys
            .iter()
            .map(|key| Key {
                column: &output.columns[key.column],
                ranks: key.words.as_ref().map(|words| words.ranks()),
                descending: key.descending,
                nulls_first: key.nulls_first,
            })
            .collect();
        let order = order(&keys, self.most.unwrap_or(usize::MAX), threads, cancel)?;
        let columns = output.columns[..self.columns].iter().map(|column| gather(column, &order, threads, cancel));
        Ok(Output { rows: order.rows().len(), columns: columns.collect::<DeviceResult<_>>()? })
    }
}
