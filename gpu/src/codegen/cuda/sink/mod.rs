//! Sinks: what a kernel does with the rows that `emit` reaches.
//!
//! | sink | words behind the tables | where |
//! |---|---|---|
//! | group without keys, dense | the state | `group.rs` |
//! | group by hash | the slots, their number less one, the count of groups | `hash.rs` (keys), `group.rs` (cells) |
//! | materialize | the count of rows, for each column its values and, where it can be NULL, its NULL bytes | `rows.rs` |
//! | top-k | the threshold, then as materialize, the order's keys first | `rows.rs` |
//! | bitmap | none: the chunk table says where | `bitmap.rs` |
//! | mark | the bits, the number of rows | `bitmap.rs` |
//!
//! The kernel that counts has, in place of these, where it counts (`count.rs`).

mod bitmap;
mod count;
mod group;
mod hash;
mod rows;

use super::layout::{State, reference_words};
use super::scalar::stored_name;
use super::text::Header;
use super::{Generator, KEEP, MEASURE, TEXTS};
use crate::program::{Aggregate, AggregateOp, ExprId, Key, Sink, Type};

impl Generator<'_> {
    /// The nodes that the sink reads of a row.
    pub(super) fn sink_inputs(&self) -> Vec<ExprId> {
        match &self.pipeline.sink {
            Sink::Materialize { columns } => columns.clone(),
            Sink::Bitmap => vec![],
            Sink::Mark { at, .. } => vec![*at],
            Sink::Group { keys, aggregates, .. } => {
                let keys = keys.iter().map(|key| key.expr);
                let inputs = aggregates
                    .iter()
                    .flat_map(|aggregate| aggregate.filter.into_iter().chain(aggregate.input).chain(aggregate.op.second()));
                keys.chain(inputs).collect()
            }
            Sink::TopK { order, columns, .. } => order.iter().map(|key| key.expr).chain(columns.iter().copied()).collect(),
        }
    }

    /// About how many instructions a row takes in the sink.
    pub(super) fn sink_weight(&self) -> u32 {
        match (&self.pipeline.sink, &self.state) {
            (Sink::Group { keys, aggregates, .. }, _) => 4 + 6 * keys.len() as u32 + 16 * aggregates.len() as u32,
            (Sink::Materialize { .. } | Sink::TopK { .. } | Sink::Bitmap | Sink::Mark { .. }, State::Rows { columns }) => {
                4 * columns.len() as u32
            }
            (
                Sink::Materialize { .. } | Sink::TopK { .. } | Sink::Bitmap | Sink::Mark { .. },
                State::Groups { .. } | State::Bitmap | State::Marked,
            ) => 2,
        }
    }

    /// The sink's words, as parameters of the kernel.
    pub(super) fn sink_words(&self) -> Vec<String> {
        match &self.state {
            State::Groups { place, .. } => self.group_words(place),
            State::Rows { columns } => {
                let mut words = Vec::new();
                if matches!(self.pipeline.sink, Sink::TopK { .. }) {
                    words.push("u64 threshold".to_owned());
                }
                words.push("u64* counter".to_owned());
                for (at, column) in columns.iter().enumerate() {
                    words.push(format!("{}* o{at}", stored_name(column.ty)));
                    if column.nullable {
                        words.push(format!("u8* o{at}_null"));
                    }
                }
                words
            }
            State::Bitmap => vec![],
            State::Marked => vec!["u64* marked".to_owned(), "u64 marked_rows".to_owned()],
        }
    }

    /// Before the loop over tiles.
    pub(super) fn sink_before(&mut self) {
        if self.state.has_texts() {
            self.writer.need(Header::TextState);
        }
        match &self.state {
            State::Groups { .. } => self.group_before(),
            State::Rows { .. } | State::Bitmap | State::Marked => {}
        }
    }

    /// At the beginning of a tile.
    pub(super) fn tile_before(&mut self) {
        match &self.state {
            State::Bitmap => self.bitmap_before(),
            State::Groups { .. } | State::Rows { .. } | State::Marked => {}
        }
    }

    /// The rows of a mask reach the sink. Every thread of the block comes here.
    pub(super) fn emit(&mut self, mask: &str) {
        if self.counting {
            return self.count_emit(mask);
        }
        let pipeline = self.pipeline;
        match &pipeline.sink {
            Sink::Materialize { columns } => self.materialize(mask, columns),
            Sink::Bitmap => self.bitmap_emit(mask),
            Sink::Mark { at, .. } => self.mark_emit(mask, *at),
            Sink::Group { keys, aggregates, .. } => self.group_emit(mask, keys, aggregates),
            Sink::TopK { order, columns, .. } => self.top_k(mask, order, columns),
        }
    }

    /// At the end of a tile.
    pub(super) fn tile_after(&mut self) {
        match &self.state {
            State::Bitmap => self.bitmap_after(),
            State::Groups { .. } | State::Rows { .. } | State::Marked => {}
        }
    }

    /// Behind the loop over tiles.
    pub(super) fn sink_after(&mut self) {
        match &self.state {
            State::Groups { .. } => self.group_after(),
            State::Rows { .. } | State::Bitmap | State::Marked => {}
        }
    }

    /// Kernels besides `pipeline`.
    pub(super) fn extras(&mut self) {
        match &self.state {
            State::Groups { .. } => self.hash_extras(),
            State::Rows { .. } | State::Bitmap | State::Marked => {}
        }
        if self.state.has_texts() {
            self.text_extras();
        }
    }

    /// The texts that the sink keeps references to.
    pub(super) fn kept_texts(&self) -> Vec<ExprId> {
        let all = match &self.pipeline.sink {
            Sink::Group { keys, aggregates, .. } => {
                let extreme = |aggregate: &&Aggregate| matches!(aggregate.op, AggregateOp::Min | AggregateOp::Max);
                let inputs = aggregates.iter().filter(extreme).filter_map(|aggregate| aggregate.input);
                keys.iter().map(|key| key.expr).chain(inputs).collect()
            }
            Sink::Materialize { .. } | Sink::Bitmap | Sink::Mark { .. } | Sink::TopK { .. } => self.sink_inputs(),
        };
        all.into_iter().filter(|id| self.nodes.ty(*id).ty == Type::Text).collect()
    }

    /// The kernels that copy the bytes of texts.
    fn text_extras(&mut self) {
        let references = match &self.state {
            State::Groups { place, cells } => reference_words(place, cells),
            State::Rows { .. } | State::Bitmap | State::Marked => vec![],
        };
        let width = match &self.state {
            State::Groups { place, cells } => place.head() + cells.words,
            State::Rows { .. } | State::Bitmap | State::Marked => 0,
        };
        self.extra(TEXTS, "const u64* references, const u64* offsets, u64 to, u64 count");
        self.writer.line("copy_texts(references, offsets, to, count);");
        self.writer.close();
        if references.is_empty() {
            return;
        }
        let loop_over = "for (u64 i = (u64)blockIdx.x * BLOCK + threadIdx.x; i < capacity; i += (u64)gridDim.x * BLOCK)";
        self.extra(MEASURE, "const u64* slots, u64 capacity, u64* bytes");
        self.writer.line("u64 sum = 0;");
        self.writer.open(loop_over);
        for word in &references {
            self.writer.line(format!("sum += kept_bytes(slots + i * {width} + {word});"));
        }
        self.writer.close();
        self.writer.line("if (sum) atomicAdd(bytes, sum);");
        self.writer.close();
        self.extra(KEEP, "u64* slots, u64 capacity, u64 to, u64* used");
        self.writer.open(loop_over);
        for word in &references {
            self.writer.line(format!("keep_text(slots + i * {width} + {word}, to, used);"));
        }
        self.writer.close();
        self.writer.close();
    }

    /// Opens another kernel.
    fn extra(&mut self, name: &str, parameters: &str) {
        self.writer.line("");
        self.writer.line("extern \"C\" __global__ void __launch_bounds__(BLOCK, 4)");
        self.writer.open(format!("{name}({parameters})"));
    }

    /// The first fault of a group's row, in the order in which the sink evaluates.
    fn group_fault(&self, keys: &[Key], aggregates: &[Aggregate]) -> Option<String> {
        let mut all: Vec<String> = keys.iter().filter_map(|key| self.nodes.fault(key.expr)).collect();
        for aggregate in aggregates {
            all.extend(aggregate.filter.and_then(|filter| self.nodes.fault(filter)));
            for fault in aggregate.input.into_iter().chain(aggregate.op.second()).filter_map(|input| self.nodes.fault(input)) {
                let taken = aggregate.filter.map(|filter| self.nodes.is_true(filter));
                all.push(taken.map_or(fault.clone(), |taken| format!("({taken} ? {fault} : 0u)")));
            }
        }
        super::expr::chain(all)
    }
}
