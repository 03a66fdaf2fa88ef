//! A bit for each row of the source.

use crate::codegen::cuda::Generator;
use crate::codegen::cuda::text::Header;

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
}
