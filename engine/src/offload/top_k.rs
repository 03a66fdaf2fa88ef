//! The first rows in an order: a sink that keeps no more of them.

use std::rc::Rc;

use datafusion::physical_expr::PhysicalSortExpr;
use warpwise_gpu::program::{Order, Sink};

use super::lower::{Left, Shape};
use super::refusal::Refusal;
use super::scope::{Lowering, Scope};
use super::value::Kind;

/// The most rows that are kept so; more of them are sorted.
pub const MOST: usize = 1 << 16;

impl Lowering<'_> {
    /// The sink that keeps the first rows.
    pub fn top_k(
        &mut self,
        order: &[PhysicalSortExpr],
        limit: usize,
        scope: &Rc<Scope>,
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
