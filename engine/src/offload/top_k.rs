//! SortExec with a limit: the first rows in an order.

use datafusion::physical_plan::sorts::sort::SortExec;
use warpwise_gpu::program::{Order, Sink};

use super::lower::{Left, Shape};
use super::plan::{Chain, End};
use super::refusal::Refusal;
use super::scope::{Lowering, Scope};
use super::value::Kind;

/// The most rows that are kept.
const MOST: usize = 1 << 16;

/// The chain with this sort behind it.
pub fn top_k(sort: &SortExec, mut chain: Chain) -> Result<Chain, Refusal> {
    let Some(limit) = sort.fetch().filter(|limit| *limit <= MOST) else {
        return Err(Refusal::new(
            format!("sort by {}", sort.expr()),
            format!("a sort that keeps more than {MOST} rows runs in DataFusion"),
        ));
    };
    chain.open().end = End::TopK { order: sort.expr().iter().cloned().collect(), limit };
    chain.note("TopK", format!("{} limit {limit}", sort.expr()));
    Ok(chain)
}

impl Lowering<'_> {
    /// The sink that keeps the first rows.
    pub fn top_k(
        &mut self,
        order: &[datafusion::physical_expr::PhysicalSortExpr],
        limit: usize,
        scope: &std::rc::Rc<Scope>,
        kept: Vec<Left>,
    ) -> Result<Shape, Refusal> {
        let mut keys = Vec::new();
        for by in order {
            let value = self.expr(&by.expr, scope)?;
            let expr = match &value.kind {
                Kind::Text(words) => self.rank(value.node, words),
                _ => value.node,
            };
            keys.push(Order { expr, descending: by.options.descending, nulls_first: by.options.nulls_first });
        }
        let columns = kept.iter().map(|left| left.node).collect();
        Ok(Shape::keeping(Sink::TopK { order: keys, columns, limit: limit as u64 }, kept))
    }
}
