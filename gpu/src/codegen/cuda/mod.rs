//! CUDA C++ from a row program: one text that holds everything, and how its kernels are called.
//!
//! The kernel `pipeline` runs a grid-stride loop over tiles of a launch's chunks (`kernels/scan.cuh`); a thread has
//! `ITEMS` consecutive rows of a tile. Its words, in order: the chunk table, how many tiles there are, how many tiles lie
//! between the beginnings of two chunks, the fault's word, one or two for each scalar, for each table its values, the bytes of
//! texts, its validity where it has one, and its length, for each index its slots, what a hash is shifted by, the slots' number
//! less one, where keys lie apart their words, and the bytes of each text; then those of the sink ([`sink`]).
//!
//! The text depends on the pipeline alone. It needs no fused multiply-add (`-fmad=false`) and 128-bit integers
//! (`--device-int128`).
//!
//! # Adding an operator
//!
//! An expression: its arm in `expr.rs`, its function in `gpu/kernels`. A sink: a file in `sink/`, its state in `layout.rs`.

mod expr;
pub mod layout;
mod scalar;
mod sink;
mod statement;
mod text;

pub use scalar::to_words;

use crate::join::layout::{Form, Layout};
use crate::program::statement::loops;
use crate::program::{ExprId, Pipeline, Sink, Strategy, Type, ValueType};
use expr::Nodes;
use layout::{Place, State};
use text::{Header, Writer};

/// Threads of a block, in every kernel.
pub const BLOCK: u32 = 256;
/// The kernel that runs the body.
pub const PIPELINE: &str = "pipeline";
/// The kernel that moves a hash table to a larger one: from, capacity, to, the new capacity less one.
pub const GROW: &str = "grow";
/// The kernel that lists the groups of a hash table: from, capacity, to, where it counts.
pub const GATHER: &str = "gather";

/// The kernel that counts how many rows of each chunk reach the sink: as [`PIPELINE`], with where it counts, a word for each
/// chunk, in place of the sink's words.
pub const COUNT: &str = "count";
/// The kernel that copies the bytes of texts: references, where each begins, to, how many texts.
pub const TEXTS: &str = "texts";
/// The kernel that adds up the bytes of the texts that groups keep: the slots, how many, the sum.
pub const MEASURE: &str = "measure";
/// The kernel that copies the texts that groups keep: the slots, how many, to, how many bytes were used.
pub const KEEP: &str = "keep";

/// What was generated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The whole text, headers included.
    pub text: String,
    /// The text with headers named, not quoted: what a person reads.
    pub listing: String,
    /// Consecutive rows that a thread has.
    pub items: u32,
    /// What the sink keeps in device memory.
    pub state: State,
    /// Words of a chunk in the chunk table.
    pub chunk_words: usize,
    /// For each column whether the sink keeps references into it.
    pub kept: Vec<bool>,
    /// Whether a row may reach the sink any number of times, and room for it has to be made: then there is [`COUNT`].
    pub counts: bool,
}

impl Source {
    /// Rows of a tile.
    pub fn tile(&self) -> u64 {
        u64::from(self.items * BLOCK)
    }
}

/// Generates the text of a verified pipeline; an error says what is wrong with one that is not.
pub fn generate(pipeline: &Pipeline) -> Result<Source, String> {
    let nodes = Nodes::new(pipeline)?;
    let state = State::new(pipeline, &nodes);
    if let State::Groups { place: Place::Wide { keys, words }, .. } = &state
        && (keys.len() > 64 || (*words > 64 && keys.iter().any(|key| key.ty == Type::Text)))
    {
        return Err("a group of more than 64 keys".to_owned());
    }
    let repeats = loops(&pipeline.body).iter().any(|head| head.kind.repeats());
    let counts = repeats && state.needs_room();
    let mut generator = Generator { pipeline, nodes, state, writer: Writer::default(), masks: 0, items: 8, counting: false };
    generator.items = generator.items();
    generator.kernel();
    generator.extras();
    if counts {
        generator.counting = true;
        generator.kernel();
    }
    let into = generator.nodes.columns(&generator.kept_texts());
    let kept = (0..pipeline.columns.len() as u32).map(|at| into.contains(&at)).collect();
    let chunk_words = chunk_words(&pipeline.columns);
    let (text, listing) = generator.writer.finish();
    Ok(Source { text, listing, items: generator.items, state: generator.state, chunk_words, kept, counts })
}

/// Words of a chunk with such columns: rows, bits, and for each its values, the bytes of texts, and its validity where it can
/// be NULL.
fn chunk_words(columns: &[ValueType]) -> usize {
    2 + columns.iter().map(|column| 1 + usize::from(column.ty == Type::Text) + usize::from(column.nullable)).sum::<usize>()
}

/// A text in the making.
struct Generator<'a> {
    pipeline: &'a Pipeline,
    nodes: Nodes<'a>,
    state: State,
    writer: Writer,
    /// Masks made so far.
    masks: u32,
    items: u32,
    /// Whether rows that reach the sink are counted, and no more.
    counting: bool,
}

/// Bytes of columns that a thread has in registers at most: a quarter of its 64 registers and a little more.
const COLUMN_BYTES: f64 = 96.0;
/// Instructions of an unrolled row at most, over all rows of a thread: it bounds how long compiling takes.
const WEIGHT: u32 = 800;

impl Generator<'_> {
    /// Rows of a thread: as many as registers and code size allow. Eight rows of a narrow column are one load; a hash table
    /// waits for memory in any case, and its code is long.
    fn items(&self) -> u32 {
        let bytes = self.pipeline.bytes_per_row().max(0.125);
        let body: u32 = (0..self.pipeline.exprs.len()).map(|at| self.nodes.weight(ExprId(at as u32))).sum();
        let weight = (body + self.sink_weight()).max(1);
        let most = match &self.pipeline.sink {
            // A warp goes through as many numbers as its longest row has.
            _ if !loops(&self.pipeline.body).is_empty() => 1,
            Sink::Group { strategy: Strategy::Hash, .. } => 2,
            Sink::Group { strategy: Strategy::Single | Strategy::Dense, .. }
            | Sink::Materialize { .. }
            | Sink::Bitmap
            | Sink::Mark { .. }
            | Sink::TopK { .. } => 8,
        };
        [8, 4, 2].into_iter().find(|n| *n <= most && f64::from(*n) * bytes <= COLUMN_BYTES && n * weight <= WEIGHT).unwrap_or(1)
    }

    /// The words of the chunk table that hold a column's values, the bytes of texts, and its validity.
    fn column_words(&self, column: u32) -> (usize, Option<usize>, Option<usize>) {
        let (before, rest) = self.pipeline.columns.split_at(column as usize);
        let (at, text) = (chunk_words(before), usize::from(rest[0].ty == Type::Text));
        (at, (text > 0).then_some(at + 1), rest[0].nullable.then_some(at + 1 + text))
    }

    fn kernel(&mut self) {
        for header in [Header::Prelude, Header::Scan] {
            self.writer.need(header);
        }
        if self.pipeline.has_texts() {
            self.writer.need(Header::Text);
        }
        let mut words = Vec::new();
        let mut lines = Vec::new();
        for (at, ty) in self.pipeline.parameters.iter().enumerate() {
            let first = words.len();
            words.extend((0..scalar::words(*ty)).map(|k| format!("u64 w{}", first + k)));
            lines.push(format!("const {} p{at} = {};", scalar::type_name(*ty), scalar::from_words(*ty, first)));
        }
        for (at, table) in self.pipeline.tables.iter().enumerate() {
            words.push(format!("u64 t{at}"));
            if table.element == Type::Text {
                words.push(format!("u64 t{at}_bytes"));
            }
            if table.nullable {
                words.push(format!("u64 t{at}_validity"));
            }
            words.push(format!("u64 t{at}_length"));
        }
        for (at, index) in self.pipeline.indexes.iter().enumerate() {
            let layout = Layout::of(&index.keys);
            words.extend(["", "_shift", "_mask"].map(|part| format!("u64 x{at}{part}")));
            if layout.form == Form::Apart {
                words.push(format!("u64 x{at}_entries"));
            }
            words.extend((0..layout.texts()).map(|text| format!("u64 x{at}_text{text}")));
        }
        if self.counting {
            words.push("u64* counts".to_owned());
        } else {
            words.extend(self.sink_words());
        }

        if !self.counting {
            self.constants();
        }
        let w = &mut self.writer;
        w.line("");
        w.line("extern \"C\" __global__ void __launch_bounds__(BLOCK, 4)");
        let all = ["const u64* chunks", "u64 tiles", "u64 stride", "u32* faults"].map(str::to_owned).into_iter().chain(words);
        let name = if self.counting { COUNT } else { PIPELINE };
        w.open(format!("{name}({})", all.collect::<Vec<_>>().join(", ")));
        lines.iter().for_each(|line| w.line(line));
        if !self.counting {
            self.sink_before();
        }
        self.writer.open("for (u32 tile = blockIdx.x; tile < (u32)tiles; tile += gridDim.x)");
        let w = &mut self.writer;
        w.line("const u32 number = tile / (u32)stride;");
        w.line("const u64* chunk = chunks + (u64)number * CHUNK_WORDS;");
        w.line("const u32 rows = (u32)chunk[0];");
        w.line("const u32 begin = (tile - number * (u32)stride) * TILE;");
        w.line("if (begin >= rows) continue;");
        w.line("const u32 row = begin + threadIdx.x * ITEMS;");
        w.line("const u32 m0 = rows_mask<ITEMS>(row, rows);");
        self.declare_columns();
        if self.counting {
            self.count_before();
            self.body();
            self.count_after();
            self.writer.close();
        } else {
            self.tile_before();
            self.body();
            self.tile_after();
            self.writer.close();
            self.sink_after();
        }
        self.writer.close();
    }

    /// What all kernels of the text share.
    fn constants(&mut self) {
        let stride = chunk_words(&self.pipeline.columns);
        let w = &mut self.writer;
        w.line(format!("enum : u32 {{ ITEMS = {}, TILE = BLOCK * ITEMS, CHUNK_WORDS = {stride} }};", self.items));
        if let State::Groups { place, cells } = &self.state
            && place.head() > 0
        {
            w.line(format!("enum : u32 {{ WIDTH = {} }};", place.head() + cells.words));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::text::parse;

    /// A pipeline over columns of these types, the first of them its first node.
    fn pipeline(columns: &[&str], rest: &str) -> Pipeline {
        let columns = columns.iter().enumerate().map(|(at, ty)| format!("  column {at} {ty}\n"));
        let text = format!("pipeline\n{}  %0 = column 0\n{rest}", columns.collect::<String>());
        parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    /// The rows of a thread.
    fn items(columns: &[&str], rest: &str) -> u32 {
        generate(&pipeline(columns, rest)).unwrap().items
    }

    #[test]
    fn a_thread_has_as_many_rows_as_its_registers_hold() {
        let of = |columns: &[&str]| items(columns, "  body\n    emit\n  bitmap\n");
        for (columns, rows) in [
            ("bool", 8),
            ("u8", 8),
            ("i64 i32", 8),
            ("i64 i32 u8", 4),
            ("i128 i64", 4),
            ("i128 i64 u8", 2),
            ("i128 i128 i128", 2),
            ("i128 i128 i128 u8", 1),
        ] {
            assert_eq!(of(&columns.split(' ').collect::<Vec<_>>()), rows, "{columns}");
        }
    }

    #[test]
    fn a_thread_has_fewer_rows_where_each_takes_much_code() {
        let aggregates = |strategy: &str, count: usize| {
            items(&["u8"], &format!("  body\n    emit\n  group {strategy}\n{}", "    max %0\n".repeat(count)))
        };
        let single = [1, 5, 6, 12, 13, 24, 25].map(|count| aggregates("single", count));
        assert_eq!(single, [8, 8, 4, 4, 2, 2, 1]);
        // A key weighs less than an aggregate, but something.
        assert_eq!(
            [2, 3].map(|keys| aggregates(&format!("dense\n{}", "    key %0 domain 0 2\n".repeat(keys).trim_end()), 5)),
            [8, 4]
        );
        // Who finds groups by hash waits in any case.
        assert_eq!([1, 24, 25].map(|count| aggregates("hash\n    key %0", count)), [2, 2, 1]);

        let rows = |nodes: usize, columns: usize| {
            let nodes: String = (1..=nodes).map(|at| format!("  %{at} = null_if %0 %0\n")).collect();
            items(&["u8"], &format!("{nodes}  body\n    emit\n  materialize{}\n", " %0".repeat(columns)))
        };
        assert_eq!([(0, 1), (0, 24), (0, 25), (0, 49), (0, 50)].map(|(nodes, columns)| rows(nodes, columns)), [8, 8, 4, 4, 2]);
        assert_eq!([(1, 24), (2, 24)].map(|(nodes, columns)| rows(nodes, columns)), [8, 4]);
        let sorted = |columns: usize| {
            items(&["u8"], &format!("  body\n    emit\n  top_k 5\n    order %0\n{}", "    column %0\n".repeat(columns)))
        };
        assert_eq!([1, 23, 24].map(sorted), [8, 8, 4]);
    }

    /// A condition is a mask for each part that may be tried alone, so that rows are dropped early. The right side of a
    /// conjunction is evaluated for a NULL on the left too: if it may raise, the two stay together.
    #[test]
    fn conjunctions_are_parted_where_nothing_is_lost() {
        let columns = ["bool", "bool nullable", "bool", "bool nullable", "i32"];
        let nodes =
            "  %1 = column 1\n  %2 = column 2\n  %3 = column 3\n  %4 = column 4\n  %5 = divide %4 %4\n  %6 = less %4 %5\n";
        for (condition, masks) in [
            ("and %0 %2", 2),
            ("and %1 %2", 2),
            ("and %1 %3", 2),
            ("and %0 %6", 2),
            ("and %6 %1", 2),
            ("and %1 %6", 1),
            ("or %0 %2", 1),
            ("and %0 %1\n  %8 = and %7 %2", 3),
            ("and %0 %1\n  %8 = and %2 %7", 3),
            ("and %1 %6\n  %8 = and %0 %7", 2),
            ("and %0 %1\n  %8 = and %7 %6", 1),
        ] {
            let last = 7 + condition.matches('=').count();
            let rest = format!("{nodes}  %7 = {condition}\n  body\n    if %{last}\n      emit\n  materialize %0\n");
            let listing = generate(&pipeline(&columns, &rest)).unwrap().listing;
            assert_eq!(listing.matches("    u32 m").count(), masks, "{condition}\n{listing}");
        }
    }

    /// A dense group's states lie in shared memory as often as 40 KiB hold them, up to once for each lane.
    #[test]
    fn few_groups_have_many_copies() {
        for (groups, aggregates, copies) in [
            // 4 bytes.
            (320, "count", Some(32)),
            (321, "count", Some(16)),
            (640, "count", Some(16)),
            (5120, "count", Some(2)),
            (10_240, "count", Some(1)),
            (10_241, "count", None),
            // 12 bytes, and 4 more that tell whether there was a value.
            (106, "sum i64 %0", Some(32)),
            (107, "sum i64 %0", Some(16)),
            (80, "sum i64 %0 if %1", Some(32)),
            (81, "sum i64 %0 if %1", Some(16)),
            (106, "max %0", Some(32)),
            (107, "max %0", Some(16)),
            // 28 bytes.
            (45, "sum i64 %0\n    max %0\n    sum f64 %2", Some(32)),
            (46, "sum i64 %0\n    max %0\n    sum f64 %2", Some(16)),
            // Sets of values are kept in device memory alone.
            (320, "count_distinct 0 5 %0", Some(32)),
        ] {
            let nodes = "  %1 = column 1\n  %2 = column 2\n";
            let rest = format!("{nodes}  body\n    emit\n  group dense\n    key %0 domain 0 {groups}\n    {aggregates}\n");
            let listing = generate(&pipeline(&["i32", "bool", "f64"], &rest)).unwrap().listing;
            let declared = listing.split_once("COPIES = ").and_then(|(_, rest)| rest.split_once(' ')?.0.parse::<u32>().ok());
            assert_eq!(declared, copies, "{groups} groups of {aggregates}");
        }
    }
}
