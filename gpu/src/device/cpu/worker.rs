//! One thread's part of a run: blocks of rows through the compiled loops, into a state of its own.

mod histogram;
mod split;

use self::histogram::Histogram;
use self::split::{Lists, totals_are_there};
use super::hash_table::{EntryLayout, HashTable};
use super::memory::{Memory, fetch};
use super::test::{Asked, Bound};
use super::top_k::TopRows;
use crate::codegen::cranelift::context::{ColumnView, Context, IndexView, Resume, RowLoop, TableView};
use crate::codegen::cranelift::string::TextTest;
use crate::codegen::cranelift::{Code, Far, FilterCode, Near, SinkCode};
use crate::column::Chunk;
use crate::device::run::Cancel;
use crate::error::{Error, Result};
use crate::primitive::pattern::Pattern;
use crate::primitive::select::{self, BLOCK, Mask, SLACK, WORDS};
use crate::primitive::text_select::{List, Texts};
use crate::primitive::totals;
use crate::program::{Comparison, Fault, Pipeline, Scalar, Type, ValueType, Values};

/// All rows of a block.
static EVERY: [u16; BLOCK] = {
    let mut rows = [0; BLOCK];
    let mut at = 0;
    while at < BLOCK {
        rows[at] = at as u16;
        at += 1;
    }
    rows
};

/// The validity of a block without NULLs.
static NO_NULLS: [u64; WORDS + 1] = [u64::MAX; WORDS + 1];

/// Rows of a group in a block, on average, from which on it pays to split the block.
const SPLIT_FROM: usize = 8;
/// One row of so many, at least, is counted for all of a block to be numbered.
const COUNTED_FROM: usize = 4;
/// How far ahead columns are asked for, in rows: what memory takes to answer. The processor's own guesses are
/// disturbed by the many columns, a little of each at a time.
const AHEAD: usize = 2 * BLOCK;
/// One in so many rows that reach the sink make it read nearly every line of its columns.
const SPARSE: usize = 16;
/// Bytes of a hash table that are likely to be near the processor already.
const NEAR: usize = 1 << 18;

/// What all workers of a run share.
#[derive(Debug)]
pub(super) struct Shared<'a> {
    pub(super) pipeline: &'a Pipeline,
    pub(super) code: &'a Code,
    pub(super) test: Option<Bound>,
    /// 16 bytes for each parameter.
    pub(super) parameters: &'a [[u64; 2]],
    pub(super) tables: &'a [TableView],
    pub(super) indexes: &'a [IndexView],
    /// The bytes of the rows that may be marked, and how many.
    pub(super) marks: (*mut u8, u64),
    pub(super) cancel: &'a Cancel,
    /// What texts are matched with.
    pub(super) patterns: &'a [Pattern],
    /// The parameters as the host gave them.
    pub(super) values: &'a Values,
}

// SAFETY: the addresses in it are of buffers that the run holds and nobody writes; but the marks, which threads set to one
// value, and nobody reads before all are done.
unsafe impl Sync for Shared<'_> {}

/// A worker's state.
#[derive(Debug)]
pub(super) struct Worker {
    context: Context,
    views: Vec<ColumnView>,
    /// The rows that are left, behind none, one, … of the loops over numbers that are around one another.
    levels: Vec<Level>,
    /// What loops kept of the block's rows.
    kept: Scratch<i32>,
    /// Places in memory that are to be fetched.
    far: Scratch<u64>,
    /// Which columns vector instructions test.
    tested: Vec<bool>,
    /// Which columns' values are small enough to be summed in 32 bits.
    small: Vec<bool>,
    /// Whether enough rows of the last block reached the sink for it to read nearly everything.
    reads_all: bool,
    /// Whether the chunk's rows are counted by their numbers.
    counts: bool,
    pub(super) state: State,
}

/// Lists of one length, and their addresses.
#[derive(Debug)]
struct Scratch<T> {
    lists: Vec<Vec<T>>,
    addresses: Vec<*mut T>,
}

impl<T: Clone + Default> Scratch<T> {
    fn new(count: usize, length: usize) -> Self {
        let mut lists = vec![vec![T::default(); length]; count];
        let addresses = lists.iter_mut().map(Vec::as_mut_ptr).collect();
        Self { lists, addresses }
    }
}

/// A list of rows, with the numbers that loops have reached for each.
#[derive(Debug)]
struct Level {
    rows: Vec<u16>,
    /// Held for the addresses below.
    _numbers: Vec<Vec<i64>>,
    /// Where the numbers of each loop are; of those that are not around, null.
    numbers: Vec<*mut i64>,
}

impl Level {
    fn new(room: usize, loops: usize, all: usize) -> Self {
        let mut numbers = vec![vec![0; room]; loops];
        let addresses = numbers.iter_mut().map(Vec::as_mut_ptr);
        let nowhere = std::iter::repeat(std::ptr::null_mut());
        // One more, so that there is an address where there is no loop.
        let list = addresses.chain(nowhere).take(all + 1).collect();
        Self { rows: vec![0; room], _numbers: numbers, numbers: list }
    }
}

/// What a block's rows run through, to its sink.
#[derive(Clone, Copy)]
struct Way<'a> {
    shared: &'a Shared<'a>,
    chain: &'a [FilterCode],
    /// How many rows the block has.
    rows: usize,
    mask: Option<&'a Mask>,
    splits: bool,
    /// Whether a filter has run already.
    filtered: bool,
    bitmap: *mut u64,
}

// SAFETY: the addresses in its context are of its own buffers, or of what its run shares.
unsafe impl Send for Worker {}

/// What a sink has of a worker.
#[derive(Debug)]
pub(super) enum State {
    Materialize {
        columns: Vec<Kept>,
        views: Vec<ColumnView>,
        segments: Vec<Segment>,
        rows: usize,
    },
    Bitmap,
    /// What the workers share.
    Mark,
    /// One state, or one for each combination of keys.
    States {
        memory: Memory,
        split: Option<Lists>,
        histogram: Option<Histogram>,
    },
    Hash {
        table: HashTable,
        words: Vec<u64>,
        homes: Vec<u64>,
    },
    TopK(TopRows),
}

/// A column of the rows that are kept, a byte for each `bool` and each validity.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) ty: ValueType,
    pub(super) values: Vec<u8>,
    pub(super) validity: Vec<u8>,
}

/// Rows that are kept of one morsel.
#[derive(Debug, Clone, Copy)]
pub(super) struct Segment {
    /// Which morsel of the run.
    pub(super) morsel: u64,
    /// The first of its rows among those kept.
    pub(super) first: usize,
    /// How many.
    pub(super) rows: usize,
}

/// A run of rows of a chunk.
#[derive(Debug, Clone, Copy)]
pub(super) struct Morsel {
    pub(super) number: u64,
    pub(super) chunk: usize,
    pub(super) begin: usize,
    pub(super) rows: usize,
}

impl Worker {
    pub(super) fn new(shared: &Shared<'_>) -> Result<Self> {
        let code = shared.code;
        let most = BLOCK * code.emits.max(1);
        let state = match &code.sink {
            SinkCode::Materialize { columns, .. } => State::Materialize {
                columns: columns.iter().map(|ty| Kept { ty: *ty, values: vec![], validity: vec![] }).collect(),
                views: vec![ColumnView::NONE; columns.len()],
                segments: vec![],
                rows: 0,
            },
            SinkCode::Bitmap => State::Bitmap,
            SinkCode::Mark { .. } => State::Mark,
            SinkCode::Single { state, .. } => State::States { memory: states(&state.empty, 1)?, split: None, histogram: None },
            SinkCode::Dense { state, groups, lanes, split, totals, .. } => {
                let by_totals = totals.is_some() && totals_are_there();
                let lists = || Lists::new(if by_totals { 0 } else { *groups });
                State::States {
                    memory: states(&state.empty, *groups * *lanes)?,
                    split: (by_totals || split.is_some()).then(lists),
                    histogram: if by_totals { None } else { Histogram::of(shared) },
                }
            }
            SinkCode::Hash { keys, state, .. } => State::Hash {
                table: HashTable::new(EntryLayout { keys, state })?,
                words: vec![0; most * keys.words],
                homes: vec![0; most],
            },
            SinkCode::TopK { limit, .. } => State::TopK(TopRows::new(*limit)?),
        };
        let context = Context {
            fault: 0,
            parameters: shared.parameters.as_ptr().cast(),
            patterns: shared.patterns.as_ptr(),
            tables: shared.tables.as_ptr(),
            indexes: shared.indexes.as_ptr(),
            numbers: std::ptr::null(),
            left: std::ptr::null(),
            kept: std::ptr::null(),
            far: std::ptr::null(),
            resume: Resume::BEGIN,
            columns: null_view(),
            outputs: null_view(),
            entries: std::ptr::null_mut(),
            taken: 0,
            end: 0,
            shift: 0,
            step: 0,
            words: std::ptr::null_mut(),
            homes: std::ptr::null_mut(),
            threshold: [u64::MAX; 2],
        };
        let views = vec![ColumnView::NONE; shared.pipeline.columns.len()];
        let mut tested = vec![false; shared.pipeline.columns.len()];
        if let Some(test) = &shared.test {
            test.columns(&mut |column| tested[column as usize] = true);
        }
        if let SinkCode::TopK { near: Some(near), .. } = &code.sink {
            tested[near.column as usize] = true;
        }
        for filter in code.chains.iter().flatten() {
            if let FilterCode::Text(test) = filter {
                tested[test.column() as usize] = true;
            }
        }
        let levels = (0..=code.depth).map(|loops| Level::new(most + SLACK, loops, code.depth)).collect();
        let most_far = code.chains.iter().flatten().map(|filter| match filter {
            FilterCode::Far { places, .. } => places.len(),
            FilterCode::Loop(_) | FilterCode::Text(_) | FilterCode::Numbers { .. } | FilterCode::Keep(_) => 0,
        });
        let far = Scratch::new(most_far.max().unwrap_or(0), most);
        let kept = Scratch::new(code.kept, BLOCK);
        let small = vec![false; tested.len()];
        Ok(Self { context, views, levels, kept, far, tested, small, reads_all: true, counts: false, state })
    }

    /// Folds a morsel into the state. `bitmap` has the words of the morsel's rows, for a sink that marks them.
    pub(super) fn run(&mut self, shared: &Shared<'_>, chunk: &Chunk, morsel: Morsel, bitmap: *mut u64) -> Result<()> {
        // The parameters may have moved with the run since the worker was made.
        for (small, column) in self.small.iter_mut().zip(&chunk.columns) {
            *small = column.range.is_some_and(|(low, high)| low > -totals::SMALL && high < totals::SMALL);
        }
        self.context.parameters = shared.parameters.as_ptr().cast();
        self.context.tables = shared.tables.as_ptr();
        self.context.indexes = shared.indexes.as_ptr();
        self.context.patterns = shared.patterns.as_ptr();
        self.context.kept = self.kept.addresses.as_ptr();
        self.context.far = self.far.addresses.as_ptr();
        if let Some((near, (low, high))) = self.near(shared.code)
            && let Some((least, greatest)) = chunk.columns[near.column as usize].range
            && (greatest < low || high < least)
        {
            return Ok(());
        }
        let kept_before = self.kept_rows();
        if let State::States { histogram: Some(histogram), .. } = &self.state {
            self.counts = histogram.numbers(chunk);
        }
        let end = morsel.begin + morsel.rows;
        let mut begin = morsel.begin;
        while begin < end {
            let rows = BLOCK.min(end - begin);
            self.look_at(chunk, begin);
            self.fetch_ahead(chunk, begin + AHEAD, end);
            // SAFETY: the morsel is of the chunk, so the block is.
            unsafe { self.block(shared, rows, bitmap.wrapping_add((begin - morsel.begin) / 64))? };
            begin += rows;
        }
        if let State::Materialize { segments, rows, .. } = &mut self.state
            && *rows > kept_before
        {
            segments.push(Segment { morsel: morsel.number, first: kept_before, rows: *rows - kept_before });
        }
        Ok(())
    }

    /// What the column that a top-k's order begins with has to lie in, once enough rows are kept.
    fn near<'a>(&self, code: &'a Code) -> Option<(&'a Near, (i128, i128))> {
        match (&code.sink, &self.state) {
            (SinkCode::TopK { near: Some(near), .. }, State::TopK(top)) if top.threshold != [u64::MAX; 2] => {
                Some((near, near.range(top.threshold[0])))
            }
            (_, _) => None,
        }
    }

    fn kept_rows(&self) -> usize {
        match &self.state {
            State::Materialize { rows, .. } => *rows,
            State::Bitmap | State::Mark | State::States { .. } | State::Hash { .. } | State::TopK(_) => 0,
        }
    }

    /// Points the views at a block. It begins at a multiple of 64 rows, so bits begin at a byte.
    fn look_at(&mut self, chunk: &Chunk, begin: usize) {
        for (view, column) in self.views.iter_mut().zip(&chunk.columns) {
            let offset = match column.ty.ty {
                Type::Bool => begin / 8,
                ty => begin * ty.stored_bits() as usize / 8,
            };
            if let Some(bytes) = &column.bytes {
                view.bytes = bytes.as_ptr();
                view.readable = bytes.len();
            }
            view.values = column.values.as_ptr().wrapping_add(offset);
            view.validity = match &column.validity {
                Some(bits) => bits.as_ptr().wrapping_add(begin / 8),
                None => NO_NULLS.as_ptr().cast(),
            };
        }
        self.context.columns = self.views.as_ptr();
    }

    /// Asks for the memory of a later block: of the columns that are tested, and of the others where most lines are read.
    fn fetch_ahead(&self, chunk: &Chunk, begin: usize, end: usize) {
        if begin >= end {
            return;
        }
        let rows = BLOCK.min(end - begin);
        for (column, tested) in chunk.columns.iter().zip(&self.tested) {
            if !tested && !self.reads_all {
                continue;
            }
            let bits = column.ty.ty.stored_bits() as usize;
            let first = column.values.as_ptr().wrapping_add(begin * bits / 8);
            for line in (0..rows * bits / 8).step_by(64) {
                fetch(first.wrapping_add(line));
            }
        }
    }

    /// # Safety
    ///
    /// The views point at a block of so many rows; `bitmap` at its words, where the sink marks rows.
    unsafe fn block(&mut self, shared: &Shared<'_>, rows: usize, bitmap: *mut u64) -> Result<()> {
        let code = shared.code;
        let mut mask: Option<Mask> = None;
        let mut count = rows;
        let near = self.near(code);
        if shared.test.is_some() || near.is_some() {
            let mut found = [0; WORDS];
            if let Some((near, (low, high))) = near {
                let ask = Asked::Range { column: near.column, ty: near.ty, low: Scalar::Int(low), high: Scalar::Int(high) };
                // SAFETY: as this function's own.
                unsafe { ask.mask(&select::all(rows), &self.views, rows, &mut found) };
                if found.iter().all(|word| *word == 0) {
                    return Ok(());
                }
            }
            if let Some(test) = &shared.test {
                let mut passing = [0; WORDS];
                // SAFETY: as this function's own.
                unsafe { test.mask(&self.views, rows, &mut passing) };
                match near {
                    Some(_) => found.iter_mut().zip(&passing).for_each(|(found, passing)| *found &= passing),
                    None => found = passing,
                }
            }
            count = select::count(&found);
            self.reads_all = count * SPARSE >= rows;
            if count == 0 {
                return Ok(());
            }
            if count < rows {
                mask = Some(found);
            }
        }
        let splits = match (&code.sink, &self.state) {
            (SinkCode::Dense { groups, .. }, State::States { split: Some(_), .. }) => count >= groups * SPLIT_FROM,
            // All rows of a block are numbered.
            (_, State::States { histogram: Some(_), .. }) => self.counts && count * COUNTED_FROM >= rows,
            _other => false,
        };
        for chain in &code.chains {
            let wants_mask = chain.is_empty() && (splits || matches!(code.sink, SinkCode::Bitmap));
            let (mut list, mut count): (*const u16, _) = (EVERY.as_ptr(), count);
            if let Some(mask) = mask.as_ref().filter(|_| !wants_mask) {
                // SAFETY: the list has room for a block.
                count = unsafe { select::list(mask, self.levels[0].rows.as_mut_ptr()) };
                list = self.levels[0].rows.as_ptr();
            }
            let way = Way { shared, chain, rows, mask: mask.as_ref(), splits, filtered: false, bitmap };
            // SAFETY: as this function's own.
            unsafe { self.filter(way, 0, list, count)? };
        }
        Ok(())
    }

    /// Runs the filters of a way over a list of a level, and gives what they leave to the sink.
    ///
    /// # Safety
    ///
    /// As [`Worker::block`]; the list has `count` rows of the block, of that level.
    unsafe fn filter(&mut self, way: Way<'_>, level: usize, mut list: *const u16, mut count: usize) -> Result<()> {
        let (shared, code) = (way.shared, way.shared.code);
        for (at, filter) in way.chain.iter().enumerate() {
            let out = self.levels[level].rows.as_mut_ptr();
            self.context.numbers = self.levels[level].numbers.as_ptr();
            self.context.left = self.context.numbers;
            count = match filter {
                FilterCode::Loop(run) => self.call(*run, list, count, out.cast())? as usize,
                // SAFETY: the views point at the block, whose rows the list has; there is room for a block.
                FilterCode::Text(test) => unsafe { self.texts(shared, test, List { from: list, count, to: out }) },
                FilterCode::Far { run, places } => {
                    self.fetch_far(shared, *run, places, list, count)?;
                    continue;
                }
                FilterCode::Keep(run) => {
                    self.call(*run, list, count, std::ptr::null_mut())?;
                    continue;
                }
                FilterCode::Numbers { run, deeper } => {
                    let rest = Way { chain: &way.chain[at + 1..], mask: None, splits: false, filtered: true, ..way };
                    // SAFETY: as this function's own.
                    return unsafe { self.numbers(rest, (*run, *deeper), level, list, count) };
                }
            };
            if count == 0 {
                return Ok(());
            }
            list = out;
        }
        self.context.numbers = self.levels[level].numbers.as_ptr();
        let mut mask = way.mask.copied();
        if (way.filtered || !way.chain.is_empty()) && code.emits <= 1 && (way.splits || matches!(code.sink, SinkCode::Bitmap)) {
            // SAFETY: the list has `count` rows of the block.
            mask = Some(unsafe { marked(list, count) });
        }
        // SAFETY: as this function's own; the list has `count` rows of the block.
        unsafe { self.sink(way, mask.as_ref(), list, count) }
    }

    /// Asks for memory that the loops behind will read, where it is likely to be far from the processor.
    fn fetch_far(&mut self, shared: &Shared<'_>, run: RowLoop, places: &[Far], list: *const u16, count: usize) -> Result<()> {
        let memory = |place: &Far| match *place {
            Far::Index(id) => {
                let index = &shared.values.indexes[id.0 as usize];
                let width = index.layout().form.words() * 8;
                (index.slots().as_ptr(), width, index.slots().len())
            }
            Far::Table(id) => {
                let table = &shared.values.tables[id.0 as usize];
                (table.values.as_ptr(), table.ty.element.stored_bits() as usize / 8, table.values.len())
            }
        };
        if places.iter().all(|place| memory(place).2 <= NEAR) {
            return Ok(());
        }
        self.call(run, list, count, std::ptr::null_mut())?;
        for (place, numbers) in places.iter().zip(&self.far.lists) {
            let (first, width, bytes) = memory(place);
            if bytes > NEAR {
                for number in &numbers[..count] {
                    // Of what lies outside nothing is read, and fetching it does no harm.
                    fetch(first.wrapping_add((*number as usize).wrapping_mul(width)));
                }
            }
        }
        Ok(())
    }

    /// Runs a loop over numbers over a list of a level, as often as it takes, and each list that it leaves through the rest of
    /// its way. A loop without a number leaves its rows in the list that it reads, in front of those not yet read.
    ///
    /// # Safety
    ///
    /// As [`Worker::filter`].
    unsafe fn numbers(
        &mut self,
        rest: Way<'_>,
        (run, deeper): (RowLoop, bool),
        level: usize,
        list: *const u16,
        count: usize,
    ) -> Result<()> {
        let above = level + usize::from(deeper);
        let mut resume = Resume::BEGIN;
        while resume.place < count as u64 {
            let out = self.levels[above].rows.as_mut_ptr();
            self.context.numbers = self.levels[level].numbers.as_ptr();
            self.context.left = self.levels[above].numbers.as_ptr();
            self.context.resume = resume;
            let found = self.call(run, list, count, out.cast())? as usize;
            resume = self.context.resume;
            if found > 0 {
                // SAFETY: as this function's own: the loop left so many rows of the block.
                unsafe { self.filter(rest, above, out, found)? };
            }
            rest.shared.cancel.check()?;
        }
        Ok(())
    }

    /// The rows of a list that pass a test of a stored text.
    ///
    /// # Safety
    ///
    /// The views point at the list's rows, and the list has room where it says so.
    unsafe fn texts(&self, shared: &Shared<'_>, test: &TextTest, list: List) -> usize {
        let column = test.column() as usize;
        let view = self.views[column];
        let nullable = shared.pipeline.columns[column].nullable;
        let validity = if nullable { view.validity } else { std::ptr::null() };
        let texts = Texts { offsets: view.values.cast(), bytes: view.bytes, readable: view.readable, validity };
        let parameter = |id: u32| match &shared.values.scalars[id as usize] {
            Scalar::Text(text) => text.as_bytes(),
            Scalar::Bool(_) | Scalar::Int(_) | Scalar::F32(_) | Scalar::F64(_) => &[],
        };
        // SAFETY: as this function's own.
        unsafe {
            match *test {
                TextTest::Match { pattern, wanted, .. } => match &shared.patterns[pattern] {
                    Pattern::Match(matcher) => texts.matching(matcher, wanted, list),
                    Pattern::Find(_) | Pattern::Set(_) => 0,
                },
                TextTest::Compare { op, parameter: id, wanted, .. } => texts.comparing(op, parameter(id), wanted, list),
                TextTest::Range { low, high, .. } => {
                    let count = texts.comparing(Comparison::GreaterOrEqual, parameter(low), true, list);
                    let list = List { from: list.to, count, to: list.to };
                    texts.comparing(Comparison::LessOrEqual, parameter(high), true, list)
                }
            }
        }
    }

    /// Runs a loop over a list, and raises what it has raised.
    fn call(&mut self, run: RowLoop, list: *const u16, count: usize, extra: *mut u8) -> Result<u64> {
        // SAFETY: the context's addresses are of this block, and the loop was compiled for this pipeline.
        let result = unsafe { run(&mut self.context, list, count as u64, extra) };
        if self.context.fault != 0 {
            let code = self.context.fault as u32;
            return Err(Fault::from_code(code).map_or_else(|| Error::Invalid(format!("fault {code}")), Error::Fault));
        }
        Ok(result)
    }

    /// # Safety
    ///
    /// As [`Worker::block`]; the list has `count` rows of the block; the mask has the same, or all where it is `None`.
    unsafe fn sink(&mut self, way: Way<'_>, mask: Option<&Mask>, list: *const u16, count: usize) -> Result<()> {
        let Way { shared, rows, bitmap, .. } = way;
        let code = shared.code;
        let splits = way.splits && code.emits <= 1;
        match &code.sink {
            SinkCode::Materialize { write, .. } => {
                if let State::Materialize { columns, views, rows, .. } = &mut self.state {
                    for (kept, view) in columns.iter_mut().zip(views.iter_mut()) {
                        let bytes = kept.ty.ty.bytes();
                        grow(&mut kept.values, (*rows + count) * bytes)?;
                        view.values = kept.values[*rows * bytes..].as_mut_ptr();
                        if kept.ty.nullable {
                            grow(&mut kept.validity, *rows + count)?;
                            view.validity = kept.validity[*rows..].as_mut_ptr();
                        }
                    }
                    *rows += count;
                    self.context.outputs = views.as_ptr();
                }
                self.call(*write, list, count, std::ptr::null_mut())?;
            }
            SinkCode::Bitmap => {
                let all;
                let mask = match mask {
                    Some(mask) => mask,
                    None if code.emits > 1 => {
                        // SAFETY: as this function's own.
                        all = unsafe { marked(list, count) };
                        &all
                    }
                    None => {
                        all = select::all(rows);
                        &all
                    }
                };
                for (at, word) in mask.iter().enumerate().take(rows.div_ceil(64)) {
                    // SAFETY: the bitmap has the words of the block.
                    unsafe { *bitmap.add(at) |= word };
                }
            }
            SinkCode::Mark { write } => {
                (self.context.entries, self.context.taken) = shared.marks;
                self.call(*write, list, count, std::ptr::null_mut())?;
            }
            SinkCode::Single { fold, .. } => {
                let State::States { memory, .. } = &self.state else { return Ok(()) };
                let state = memory.address();
                self.call(*fold, list, count, state)?;
            }
            SinkCode::Dense { totals: Some(totals), number, .. } if splits && totals_are_there() => {
                // SAFETY: as this function's own.
                let mask = unsafe { self.number(way, *number, mask, list, count)? };
                self.totals(way, &mask, totals);
            }
            SinkCode::Dense { .. } if splits && self.counts && self.histogram(way, mask) => {}
            SinkCode::Dense { fold, split, number, state, groups, lanes, .. } => {
                let State::States { memory, .. } = &self.state else { return Ok(()) };
                let states = memory.address();
                match split.filter(|_| splits) {
                    None => {
                        self.call(*fold, list, count, states)?;
                    }
                    Some(split) => {
                        // SAFETY: as this function's own.
                        let counts = unsafe { self.split(way, *number, mask, list, count)? };
                        for (group, count) in counts.iter().enumerate().take(*groups).filter(|(_, count)| **count > 0) {
                            let State::States { split: Some(lists), .. } = &self.state else { continue };
                            let list = lists.of(group);
                            // SAFETY: the group has a state.
                            let state = unsafe { states.add(group * *lanes * state.size) };
                            self.call(split, list, *count as usize, state)?;
                        }
                    }
                }
            }
            SinkCode::Hash { homes, fold, keys, state } => {
                let layout = EntryLayout { keys, state };
                if let State::Hash { table, words, homes } = &mut self.state {
                    table.reserve(layout, count as u64)?;
                    (self.context.shift, self.context.step) = table.homes(layout);
                    self.context.entries = if table.scatters() { std::ptr::null_mut() } else { table.entries() };
                    self.context.taken = table.taken;
                    self.context.end = table.bytes() as u64;
                    self.context.words = words.as_mut_ptr();
                    self.context.homes = homes.as_mut_ptr();
                }
                self.call(*homes, list, count, std::ptr::null_mut())?;
                let mut scattered = false;
                if let State::Hash { table, homes, .. } = &mut self.state {
                    let homes = &mut homes[..count];
                    scattered = table.scatters();
                    if scattered {
                        table.scatter(layout, homes)?;
                    } else if table.bytes() > NEAR {
                        homes.iter().for_each(|home| fetch(table.entries().wrapping_add(*home as usize)));
                        // The texts that keys lead to lie elsewhere again.
                        for address in &keys.addresses {
                            for home in homes.iter() {
                                let entry = table.entries().wrapping_add(*home as usize);
                                // SAFETY: the place is of the table, whose entries begin with their keys' words.
                                fetch(unsafe { entry.cast::<*const u8>().add(*address).read() });
                            }
                        }
                    }
                }
                let folded = self.call(*fold, list, count, std::ptr::null_mut());
                if let State::Hash { table, .. } = &mut self.state
                    && !scattered
                {
                    table.taken = self.context.taken;
                }
                folded?;
            }
            SinkCode::TopK { write, row, .. } => {
                if let State::TopK(top) = &mut self.state {
                    top.reserve(row, count)?;
                    self.context.entries = top.rows();
                    self.context.taken = top.taken as u64;
                    self.context.threshold = top.threshold;
                }
                self.call(*write, list, count, std::ptr::null_mut())?;
                if let State::TopK(top) = &mut self.state {
                    top.taken = self.context.taken as usize;
                }
            }
        }
        Ok(())
    }
}

/// Makes a list longer; a join may multiply rows beyond what memory holds.
fn grow(bytes: &mut Vec<u8>, length: usize) -> Result<()> {
    let more = length.saturating_sub(bytes.len());
    bytes.try_reserve(more).map_err(|_| Error::OutOfMemory(format!("there is no memory for {length} bytes of rows")))?;
    bytes.resize(length, 0);
    Ok(())
}

fn null_view() -> *const ColumnView {
    std::ptr::null()
}

/// So many empty states.
fn states(empty: &[u8], groups: usize) -> Result<Memory> {
    let memory = Memory::zeros(empty.len() * groups)?;
    if empty.iter().any(|byte| *byte != 0) {
        for group in 0..groups {
            // SAFETY: the memory has room for every group's state.
            unsafe {
                let state = memory.address().add(group * empty.len());
                std::ptr::copy_nonoverlapping(empty.as_ptr(), state, empty.len());
            }
        }
    }
    Ok(memory)
}

/// The rows of a list as a mask.
///
/// # Safety
///
/// The list has `count` rows of a block.
unsafe fn marked(list: *const u16, count: usize) -> Mask {
    let mut mask = [0u64; WORDS];
    for at in 0..count {
        // SAFETY: as this function's own.
        let row = unsafe { *list.add(at) } as usize;
        mask[row / 64] |= 1 << (row % 64);
    }
    mask
}
