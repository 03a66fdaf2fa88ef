//! How many rows of each chunk reach the sink, so that the host can make room for them.

use crate::codegen::cuda::Generator;
use crate::codegen::cuda::text::Header;

impl Generator<'_> {
    pub(in crate::codegen::cuda) fn count_before(&mut self) {
        self.writer.need(Header::Reduce);
        self.writer.line("u64 count = 0;");
    }

    pub(super) fn count_emit(&mut self, mask: &str) {
        self.writer.line(format!("count += (u64)__popc({mask});"));
    }

    /// A tile is of one chunk, so that all lanes of a warp count for the same.
    pub(in crate::codegen::cuda) fn count_after(&mut self) {
        self.writer.line("count = warp_reduce<Sum>(count);");
        self.writer.line("if (lane() == 0 && count) atomicAdd(counts + number, count);");
    }
}
