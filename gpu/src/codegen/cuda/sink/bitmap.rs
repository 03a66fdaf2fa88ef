//! A bit for each row of the source, or of another.

use crate::codegen::cuda::Generator;
use crate::codegen::cuda::text::Header;
use crate::program::ExprId;

impl Generator<'_> {
    pub(super) fn bitmap_before(&mut self) {
        self.writer.need(Header::Bitmap);
        self.writer.line("u32 marks = 0;");
    }

    pub(super) fn bitmap_emit(&mut self, mask: &str) {
        self.writer.line(format!("marks |= {mask};"));
    }

    pub(super) fn bitmap_after(&mut self) {
        self.writer.line("mark<ITEMS>(chunk[1], row, marks);");
    }

    /// Every row of the mask marks the row that it names.
    pub(super) fn mark_emit(&mut self, mask: &str, at: ExprId) {
        self.writer.need(Header::Join);
        self.row_open(mask);
        self.nodes.emit(&mut self.writer, &[at]);
        if let Some(fault) = self.nodes.fault(at) {
            self.writer.line(format!("if ({fault}) raise(faults, {fault});"));
        }
        let value = self.nodes.value(at);
        let condition = self.nodes.null(at).map_or(String::new(), |null| format!("if (!{null}) "));
        self.writer.line(format!("{condition}mark_row(marked, marked_rows, (i64){value});"));
        self.row_close();
    }
}
