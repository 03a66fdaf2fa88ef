//! Sinks: what a kernel does with the rows that `emit` reaches.
//!
//! | sink | words behind the tables | where |
//! |---|---|---|
//! | group without keys, dense | the state | `group.rs` |
//! | group by hash | the slots, their number less one, the count of groups | `hash.rs` (keys), `group.rs` (cells) |
//! | materialize | the count of rows, for each column its values and, where it can be NULL, its NULL bytes | `rows.rs` |
//! | top-k | the threshold, then as materialize, the order's keys first | `rows.rs` |
//! | bitmap | none: the chunk table says where | `bitmap.rs` |

mod bitmap;
mod group;
mod hash;
mod rows;

use super::Generator;
use super::layout::State;
use super::scalar::stored_name;
use crate::program::{Aggregate, ExprId, Key, Sink};

impl Generator<'_> {
    /// The nodes that the sink reads of a row.
    pub(super) fn sink_inputs(&self) -> Vec<ExprId> {
        match &self.pipeline.sink {
            Sink::Materialize { columns } => columns.clone(),
            Sink::Bitmap => vec![],
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
            (Sink::Materialize { .. } | Sink::TopK { .. } | Sink::Bitmap, State::Rows { columns }) => 4 * columns.len() as u32,
            (Sink::Materialize { .. } | Sink::TopK { .. } | Sink::Bitmap, State::Groups { .. } | State::Bitmap) => 2,
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
        }
    }

    /// Before the loop over tiles.
    pub(super) fn sink_before(&mut self) {
        match &self.state {
            State::Groups { .. } => self.group_before(),
            State::Rows { .. } | State::Bitmap => {}
        }
    }

    /// At the beginning of a tile.
    pub(super) fn tile_before(&mut self) {
        match &self.state {
            State::Bitmap => self.bitmap_before(),
            State::Groups { .. } | State::Rows { .. } => {}
        }
    }

    /// The rows of a mask reach the sink. Every thread of the block comes here.
    pub(super) fn emit(&mut self, mask: &str) {
        let pipeline = self.pipeline;
        match &pipeline.sink {
            Sink::Materialize { columns } => self.materialize(mask, columns),
            Sink::Bitmap => self.bitmap_emit(mask),
            Sink::Group { keys, aggregates, .. } => self.group_emit(mask, keys, aggregates),
            Sink::TopK { order, columns, .. } => self.top_k(mask, order, columns),
        }
    }

    /// At the end of a tile.
    pub(super) fn tile_after(&mut self) {
        match &self.state {
            State::Bitmap => self.bitmap_after(),
            State::Groups { .. } | State::Rows { .. } => {}
        }
    }

    /// Behind the loop over tiles.
    pub(super) fn sink_after(&mut self) {
        match &self.state {
            State::Groups { .. } => self.group_after(),
            State::Rows { .. } | State::Bitmap => {}
        }
    }

    /// Kernels besides `pipeline`.
    pub(super) fn extras(&mut self) {
        match &self.state {
            State::Groups { .. } => self.hash_extras(),
            State::Rows { .. } | State::Bitmap => {}
        }
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
