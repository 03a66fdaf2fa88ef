//! Rows written to device memory: materialize, and top-k behind its threshold.

use crate::codegen::cuda::Generator;
use crate::codegen::cuda::expr::chain;
use crate::codegen::cuda::scalar::stored_name;
use crate::codegen::cuda::text::Header;
use crate::program::{ExprId, Order, Type};

impl Generator<'_> {
    /// Every row of the mask gets a place, also one that raises a fault: no row is read of a run that fails.
    pub(super) fn materialize(&mut self, mask: &str, columns: &[ExprId]) {
        self.writer.need(Header::Compact);
        self.masks += 1;
        let place = format!("place{}", self.masks);
        self.writer.line(format!("u64 {place} = reserve(counter, (u32)__popc({mask}));"));
        self.row_open(mask);
        self.nodes.emit(&mut self.writer, columns);
        if let Some(fault) = chain(columns.iter().filter_map(|id| self.nodes.fault(*id)).collect()) {
            self.writer.line(format!("const u32 fault = {fault};"));
            self.writer.line("if (fault) raise(faults, fault);");
        }
        for (at, id) in columns.iter().enumerate() {
            let stored = stored_name(self.nodes.ty(*id).ty);
            self.writer.line(format!("o{at}[{place}] = ({stored})({});", self.nodes.value(*id)));
            if let Some(null) = self.nodes.null(*id) {
                self.writer.line(format!("o{at}_null[{place}] = (u8)({null});"));
            }
        }
        self.writer.line(format!("{place}++;"));
        self.row_close();
    }

    /// Drops the rows behind the threshold by the first key, then keeps the others. A fault is raised for every row that
    /// gets here: dropping must not hide it.
    pub(super) fn top_k(&mut self, mask: &str, order: &[Order], columns: &[ExprId]) {
        let keys: Vec<ExprId> = order.iter().map(|key| key.expr).collect();
        let all = [keys, columns.to_vec()].concat();
        let Some(first) = order.first() else {
            return self.materialize(mask, &all);
        };
        self.writer.need(Header::Order);
        self.writer.need(Header::TopK);
        self.masks += 1;
        let near = format!("m{}", self.masks);
        self.writer.line(format!("u32 {near} = 0;"));
        self.row_open(mask);
        let fault = chain(all.iter().filter_map(|id| self.nodes.fault(*id)).collect());
        self.nodes.emit(&mut self.writer, if fault.is_some() { &all } else { &all[..1] });
        if let Some(fault) = fault {
            self.writer.line(format!("const u32 fault = {fault};"));
            self.writer.line("if (fault) raise(faults, fault);");
        }
        let mut code = format!("order_code({})", self.nodes.value(first.expr));
        if self.nodes.ty(first.expr).ty == Type::Bool {
            code = format!("order_code((bool)({}))", self.nodes.value(first.expr));
        }
        if first.descending {
            code = format!("~{code}");
        }
        if let Some(null) = self.nodes.null(first.expr) {
            code = format!("sort_code({null} ? {}u : 1u, {code})", if first.nulls_first { 0 } else { 2 });
        }
        self.writer.line(format!("{near} |= (u32)({code} <= threshold) << i;"));
        self.row_close();
        self.materialize(&near, &all);
    }
}
