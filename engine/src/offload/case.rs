//! CASE.

use std::rc::Rc;
use std::sync::Arc;

use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::CaseExpr;
use warpwise_gpu::program::{Comparison, Expr, ExprId};

use super::refusal::Refusal;
use super::scope::{Lowering, Scope};
use super::value::Value;

impl Lowering<'_> {
    /// `CASE WHEN … THEN … ELSE … END`, with or without an operand.
    pub fn case(&mut self, case: &CaseExpr, whole: &Arc<dyn PhysicalExpr>, scope: &Rc<Scope>) -> Result<Value, Refusal> {
        let mut branches = Vec::new();
        for (when, then) in case.when_then_expr() {
            let condition: ExprId = match case.expr() {
                None => self.boolean(when, scope)?.node,
                Some(operand) => self.compare(Comparison::Equal, operand, when, whole, scope)?,
            };
            branches.push((condition, self.expr(then, scope)?));
        }
        let mut result = match case.else_expr() {
            Some(otherwise) => self.expr(otherwise, scope)?,
            None => {
                let Some((_, first)) = branches.first() else {
                    return Err(Refusal::new(whole, "CASE without branches"));
                };
                let ty = self.b.ty(first.node).ty;
                Value { node: self.b.null(ty), kind: first.kind.clone() }
            }
        };
        for (condition, then) in branches.into_iter().rev() {
            let (a, b) = self.unified(then, result, whole)?;
            let node = self.b.push(Expr::Select { condition, then: a.node, otherwise: b.node });
            result = Value { node, kind: a.kind };
        }
        Ok(result)
    }
}
