//! The end of a run: the workers' states folded into one, and that as columns.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::hash_table::{EntryLayout, Folder, HashTable, PART_BITS, Spilled};
use super::memory::Memory;
use super::output::{Writer, Written, pack};
use super::pool::Pool;
use super::scatter::Scatter;
use super::state::{States, column_type, export, is_occupied, merge};
use super::top_k::TopRows;
use super::worker::{Kept, Segment, State, Worker};
use crate::codegen::cranelift::layout::{KeyField, Seen, SlotOp, StateLayout};
use crate::codegen::cranelift::{Code, SinkCode};
use crate::column::{Column, Output};
use crate::device::run::First;
use crate::error::{Error, Result};
use crate::primitive::string::LONG;
use crate::program::{Key, Type, ValueType, values::padded};

/// Bits that the workers share.
#[derive(Debug, Default)]
pub(super) struct Bits {
    /// Those of each chunk that was pushed, for a sink that marks rows of the source.
    pub(super) bitmaps: Vec<(usize, Vec<u64>)>,
    /// A byte for each row of another source that may be marked, and one more; and how many rows there are.
    pub(super) marks: Option<(Memory, usize)>,
}

/// What the workers leave.
pub(super) fn output(
    code: &Code,
    workers: Vec<Worker>,
    Bits { bitmaps, marks }: Bits,
    first: Option<First>,
    pool: &Pool,
    threads: usize,
) -> Result<Output> {
    let states: Vec<State> = workers.into_iter().map(|worker| worker.state).collect();
    match &code.sink {
        SinkCode::Materialize { columns, .. } => materialize(columns, &states, pool, threads),
        SinkCode::Bitmap => Ok(bitmap(&bitmaps)),
        SinkCode::Mark { .. } => {
            let (bytes, rows) = marks.as_ref().map_or((&[][..], 0), |(bytes, rows)| (&bytes.read()[..*rows], *rows));
            let column = Column::new(ValueType::of(Type::Bool), rows, padded(pack(bytes)), None);
            Ok(Output { rows, columns: vec![column] })
        }
        SinkCode::Single { state, .. } => {
            let first = fold(&states, state, (1, 1), true, pool, threads)?.addresses;
            let states = [Part(States::listed(first.as_ptr(), 0, first.len()))];
            write_groups(&[], state, &states, pool, threads, |_, _, _| {})
        }
        SinkCode::Dense { state, keys, groups, lanes, .. } => dense(keys, state, (*groups, *lanes), &states, pool, threads),
        SinkCode::Hash { keys, state, .. } => hashed(EntryLayout { keys, state }, states, first, pool, threads),
        SinkCode::TopK { row, limit, .. } => {
            let buffers: Vec<&TopRows> = states
                .iter()
                .filter_map(|state| match state {
                    State::TopK(rows) => Some(rows),
                    State::Materialize { .. } | State::Bitmap | State::Mark | State::States { .. } | State::Hash { .. } => None,
                })
                .collect();
            let rows = TopRows::first(&buffers, row, *limit);
            let mut columns = vec![];
            for column in &row.columns {
                let mut written = Written::new(column.ty, rows.len())?;
                let writer = written.writer();
                for (at, from) in rows.iter().enumerate() {
                    // SAFETY: a row of this layout lies there, and the buffers are still held.
                    unsafe {
                        writer.copy(at, from.add(column.offset));
                        writer.set_valid(at, column.valid.is_none_or(|valid| *from.add(valid) != 0));
                    }
                }
                columns.push(written.finish(pool, threads)?);
            }
            Ok(Output { rows: rows.len(), columns })
        }
    }
}

/// The kept rows of all morsels, in the order of the source.
fn materialize(types: &[ValueType], states: &[State], pool: &Pool, threads: usize) -> Result<Output> {
    let mut segments: Vec<(&[Kept], Segment)> = vec![];
    for state in states {
        if let State::Materialize { columns, segments: own, .. } = state {
            segments.extend(own.iter().map(|segment| (columns.as_slice(), *segment)));
        }
    }
    segments.sort_unstable_by_key(|(_, segment)| segment.morsel);
    let mut firsts = Vec::with_capacity(segments.len());
    let mut rows = 0;
    for (_, segment) in &segments {
        firsts.push(rows);
        rows += segment.rows;
    }
    let mut columns: Vec<Written> = types.iter().map(|ty| Written::new(*ty, rows)).collect::<Result<_>>()?;
    let writers: Vec<Writer> = columns.iter_mut().map(Written::writer).collect();
    pool.parts(threads, segments.len(), |(), at| {
        let (from, segment) = segments[at];
        for (kept, writer) in from.iter().zip(&writers) {
            let bytes = writer.bytes;
            // SAFETY: a segment's rows are nobody else's, and lie within both.
            unsafe {
                let values = kept.values[segment.first * bytes..].as_ptr();
                std::ptr::copy_nonoverlapping(values, writer.values.add(firsts[at] * bytes), segment.rows * bytes);
                if kept.ty.nullable {
                    let validity = kept.validity[segment.first..].as_ptr();
                    std::ptr::copy_nonoverlapping(validity, writer.validity.add(firsts[at]), segment.rows);
                }
            }
        }
        Ok(())
    })?;
    let columns = columns.into_iter().map(|column| column.finish(pool, threads)).collect::<Result<_>>()?;
    Ok(Output { rows, columns })
}

/// The chunks' bits one after another; a chunk need not end at a whole word.
fn bitmap(chunks: &[(usize, Vec<u64>)]) -> Output {
    let rows = chunks.iter().map(|(rows, _)| rows).sum::<usize>();
    let mut words = vec![0u64; rows.div_ceil(64) + 1];
    let mut at = 0;
    for (rows, bits) in chunks {
        let shift = at % 64;
        for (word, bits) in bits.iter().enumerate().take(rows.div_ceil(64)) {
            let to = at / 64 + word;
            words[to] |= bits << shift;
            if shift > 0 {
                words[to + 1] |= bits >> (64 - shift);
            }
        }
        at += rows;
    }
    let bytes = words.iter().flat_map(|word| word.to_le_bytes()).take(rows.div_ceil(8)).collect();
    let column = Column::new(ValueType::of(Type::Bool), rows, padded(bytes), None);
    Output { rows, columns: vec![column] }
}

/// The states of some groups that rows came to, by the groups' numbers.
#[derive(Debug, Default)]
struct Occupied {
    numbers: Vec<usize>,
    addresses: Vec<*const u8>,
}

// SAFETY: whoever has the addresses alone looks at the states.
unsafe impl Send for Occupied {}

/// Groups that one thread folds at once.
const GROUPS_AT_ONCE: usize = 1 << 13;

/// Folds all workers' states, so many copies of so many, into the first's first. Gives those that rows came to, or all of them.
fn fold(
    states: &[State],
    layout: &StateLayout,
    (groups, lanes): (usize, usize),
    every: bool,
    pool: &Pool,
    threads: usize,
) -> Result<Occupied> {
    let memories = states.iter().filter_map(|state| match state {
        State::States { memory, .. } => Some(memory),
        State::Materialize { .. } | State::Bitmap | State::Mark | State::Hash { .. } | State::TopK(_) => None,
    });
    let each = memories.flat_map(|memory| (0..lanes).map(move |lane| memory.address() as usize + lane * layout.size));
    let copies: Vec<usize> = each.collect();
    let Some((first, others)) = copies.split_first() else { return Ok(Occupied::default()) };
    let fold = |range: Range<usize>| -> Result<Occupied> {
        let mut found = Occupied::default();
        for group in range {
            let state = |copy: usize| (copy + group * lanes * layout.size) as *mut u8;
            let into = state(*first);
            // SAFETY: every copy has a state for every group, and nobody else looks at this group's any more.
            unsafe {
                for other in others {
                    if is_occupied(layout, state(*other)) {
                        merge(layout, into, state(*other)).map_err(Error::Fault)?;
                    }
                }
                if every || is_occupied(layout, into) {
                    found.numbers.push(group);
                    found.addresses.push(into);
                }
            }
        }
        Ok(found)
    };
    if groups <= GROUPS_AT_ONCE {
        return fold(0..groups);
    }
    let parts: Vec<Mutex<Occupied>> = (0..groups.div_ceil(GROUPS_AT_ONCE)).map(|_| Mutex::default()).collect();
    pool.parts(threads, parts.len(), |(), part| {
        let begin = part * GROUPS_AT_ONCE;
        *parts[part].lock() = fold(begin..groups.min(begin + GROUPS_AT_ONCE))?;
        Ok(())
    })?;
    let mut all = Occupied::default();
    for part in parts.into_iter().map(Mutex::into_inner) {
        all.numbers.extend(part.numbers);
        all.addresses.extend(part.addresses);
    }
    Ok(all)
}

/// A part of the groups.
#[derive(Clone, Copy)]
struct Part(States);

// SAFETY: nobody writes the states any more.
unsafe impl Sync for Part {}

fn dense(
    keys: &[(Key, ValueType, u64)],
    layout: &StateLayout,
    (groups, lanes): (usize, usize),
    states: &[State],
    pool: &Pool,
    threads: usize,
) -> Result<Output> {
    let Occupied { numbers, addresses } = fold(states, layout, (groups, lanes), false, pool, threads)?;
    let types: Vec<ValueType> = keys.iter().map(|(_, ty, _)| *ty).collect();
    let write_keys = |writers: &[Writer], first: usize, _: States| {
        for (row, number) in numbers.iter().enumerate() {
            let mut rest = *number as u64;
            for ((key, _, count), writer) in keys.iter().zip(writers).rev() {
                let digit = rest % count;
                rest /= count;
                let domain = key.domain.unwrap_or(crate::program::Domain { low: 0, size: 1 });
                let there = digit < u64::from(domain.size);
                let value = if there { i128::from(domain.low) + i128::from(digit) } else { 0 };
                // SAFETY: the row is of the column, and a value has 16 bytes.
                unsafe {
                    writer.copy(first + row, value.to_le_bytes().as_ptr());
                    writer.set_valid(first + row, there);
                }
            }
        }
    };
    let part = [Part(States::listed(addresses.as_ptr(), 0, addresses.len()))];
    write_groups(&types, layout, &part, pool, threads, write_keys)
}

/// The columns of groups that come in parts.
fn write_groups(
    keys: &[ValueType],
    layout: &StateLayout,
    parts: &[Part],
    pool: &Pool,
    threads: usize,
    write_keys: impl Fn(&[Writer], usize, States) + Sync,
) -> Result<Output> {
    let mut firsts = Vec::with_capacity(parts.len());
    let mut rows = 0;
    for part in parts {
        firsts.push(rows);
        rows += part.0.len();
    }
    let aggregates = layout.aggregates.iter().map(|slot| column_type(&layout.slots[*slot]));
    let types = keys.iter().copied().chain(aggregates);
    let mut columns: Vec<Written> = types.map(|ty| Written::new(ty, rows)).collect::<Result<_>>()?;
    let writers: Vec<Writer> = columns.iter_mut().map(Written::writer).collect();
    pool.parts(threads, parts.len(), |(), part| {
        let (states, first) = (parts[part].0, firsts[part]);
        write_keys(&writers[..keys.len()], first, states);
        for (slot, writer) in layout.aggregates.iter().zip(&writers[keys.len()..]) {
            // SAFETY: they are states of this layout, and a part's rows are nobody else's.
            unsafe { export(layout, &layout.slots[*slot], states, *writer, first).map_err(Error::Fault)? };
        }
        Ok(())
    })?;
    let columns = columns.into_iter().map(|column| column.finish(pool, threads)).collect::<Result<_>>()?;
    Ok(Output { rows, columns })
}

/// Which groups may be among the first by an aggregate. What is above the worst of the first that any thread has met so far
/// passes.
struct Sieve {
    /// Where the aggregate lies in a state: 64 bits that are never NULL.
    offset: usize,
    descending: bool,
    count: usize,
    worst: AtomicI64,
}

impl Sieve {
    fn of(layout: &StateLayout, first: First) -> Option<Self> {
        let slot = &layout.slots[*layout.aggregates.get(first.aggregate)?];
        let plain = matches!(slot.op, SlotOp::Rows | SlotOp::Count | SlotOp::Sum64) && slot.seen == Seen::Always;
        // A total that does not fit is seen when it becomes a column: of every group.
        let total = layout.slots.iter().any(|slot| matches!(slot.op, SlotOp::Total64(_)));
        let First { descending, count, .. } = first;
        let worst = AtomicI64::new(i64::MIN);
        (plain && !total && count > 0).then_some(Self { offset: slot.offset, descending, count, worst })
    }

    /// Keeps those of a list of entries that pass, in front; says how many.
    ///
    /// # Safety
    ///
    /// So many addresses of entries are in the list, with a state `words` bytes behind each.
    unsafe fn sift(&self, best: &mut BinaryHeap<Reverse<i64>>, list: *mut *const u8, all: usize, words: usize) -> usize {
        let mut kept = 0;
        for at in 0..all {
            // SAFETY: as this function's own; what is kept is never more than what was looked at.
            unsafe {
                let entry = *list.add(at);
                let value = entry.add(words + self.offset).cast::<i64>().read_unaligned();
                let value = if self.descending { value } else { !value };
                if value < self.worst.load(Ordering::Relaxed) {
                    continue;
                }
                *list.add(kept) = entry;
                kept += 1;
                if best.len() == self.count {
                    // Many are as good as the worst, and change nothing.
                    if best.peek().is_some_and(|Reverse(worst)| value <= *worst) {
                        continue;
                    }
                    best.pop();
                }
                best.push(Reverse(value));
                if let (Some(Reverse(worst)), true) = (best.peek(), best.len() == self.count) {
                    self.worst.fetch_max(*worst, Ordering::Relaxed);
                }
            }
        }
        kept
    }
}

/// Groups of a range of hashes, on average.
const RANGE: usize = 8192;

/// The groups of hash tables: the runs of all workers, folded range by range of hashes.
fn hashed(layout: EntryLayout<'_>, states: Vec<State>, first: Option<First>, pool: &Pool, threads: usize) -> Result<Output> {
    let sieve = first.and_then(|first| Sieve::of(layout.state, first));
    let mut tables: Vec<HashTable> = states
        .into_iter()
        .filter_map(|state| match state {
            State::Hash { table, .. } => Some(table),
            State::Materialize { .. } | State::Bitmap | State::Mark | State::States { .. } | State::TopK(_) => None,
        })
        .collect();
    pool.each(&mut tables, |table| table.spill(layout))?;
    let runs: Vec<&Spilled> = tables.iter().flat_map(|table| &table.runs).collect();
    let scatters: Vec<&Scatter> = tables.iter().map(|table| &table.scatter).filter(|scatter| scatter.len() > 0).collect();
    let total = runs.iter().map(|run| run.len()).chain(scatters.iter().map(|scatter| scatter.len())).sum::<usize>();
    let bits = (total / RANGE).max(1).next_power_of_two().trailing_zeros().min(PART_BITS);
    let parts = 1usize << bits;
    let ranges = |part: usize| part << (PART_BITS - bits)..(part + 1) << (PART_BITS - bits);
    let (stride, words) = (layout.stride(), layout.keys.words * 8);
    let mut list = None;
    let entries = |part: usize| -> Vec<(*mut u8, usize)> {
        let runs = runs.iter().map(|run| run.entries(layout, ranges(part)));
        runs.chain(scatters.iter().flat_map(|scatter| scatter.entries(layout, ranges(part)))).collect()
    };
    let states: Vec<Part> = if let ([run], [], None) = (&runs[..], &scatters[..], &sieve) {
        // One run has every key once.
        let of = |part| run.entries(layout, ranges(part));
        let strided = |(entries, count): (*mut u8, usize)| Part(States::strided(entries.wrapping_add(words), stride, count));
        (0..parts).map(|part| strided(of(part))).collect()
    } else {
        let memory = list.insert(Memory::zeros(total * size_of::<*const u8>())?);
        let mut begins = Vec::with_capacity(parts);
        let mut begin = 0;
        for part in 0..parts {
            begins.push(begin);
            begin += entries(part).iter().map(|(_, count)| count).sum::<usize>();
        }
        let memory = &*memory;
        let begin = |part: usize| memory.address().cast::<*const u8>().wrapping_add(begins[part]);
        let counts: Vec<AtomicUsize> = (0..parts).map(|_| AtomicUsize::new(0)).collect();
        pool.parts(threads, parts, |(folder, best): &mut (Folder, BinaryHeap<Reverse<i64>>), part| {
            let entries = entries(part);
            // SAFETY: a part's entries and its piece of the list are nobody else's.
            let left = unsafe {
                let left = folder.fold(layout, &entries, bits, begin(part))?;
                sieve.as_ref().map_or(left, |sieve| sieve.sift(best, begin(part), left, words))
            };
            counts[part].store(left, Ordering::Relaxed);
            Ok(())
        })?;
        let counts = counts.into_iter().map(AtomicUsize::into_inner);
        counts.enumerate().map(|(part, count)| Part(States::listed(begin(part), words, count))).collect()
    };
    let types: Vec<ValueType> = layout.keys.fields.iter().map(|field| field.ty).collect();
    let write_keys = |writers: &[Writer], first: usize, states: States| {
        for (field, writer) in layout.keys.fields.iter().zip(writers) {
            // SAFETY: an entry's keys lie in front of its state.
            unsafe { write_key(field, *writer, first, states, words) };
        }
    };
    let output = write_groups(&types, layout.state, &states, pool, threads, write_keys);
    drop(list);
    output
}

/// Writes a key of entries as rows of a column.
///
/// # Safety
///
/// The addresses are of states behind packed keys of `words` bytes; the rows are the caller's own.
unsafe fn write_key(field: &KeyField, writer: Writer, first: usize, states: States, words: usize) {
    // SAFETY: as this function's own, for all that follows.
    let word = |state: *const u8, at: usize| unsafe { state.sub(words).cast::<u64>().add(at).read_unaligned() };
    let left = 64 - field.bits.min(64);
    let value = |state| {
        let raised = word(state, field.word) << (left - field.shift);
        if field.signed { (raised as i64 >> left) as u64 } else { raised >> left }
    };
    let text = |state: *const u8| {
        let high = word(state, field.word + 1);
        let (at, length) = match high >= LONG {
            true => (word(state, field.word + 2), high & !LONG),
            // A short one's bytes are the words themselves.
            false => (state.wrapping_sub(words).wrapping_add(field.word * 8) as u64, high >> 56),
        };
        u128::from(length) << 64 | u128::from(at)
    };
    // SAFETY: as above.
    unsafe {
        match writer.bytes {
            _sixteen if field.ty.ty == Type::Text => states.write(writer, first, text),
            1 => states.write(writer, first, |state| value(state) as u8),
            2 => states.write(writer, first, |state| value(state) as u16),
            4 => states.write(writer, first, |state| value(state) as u32),
            8 => states.write(writer, first, value),
            _sixteen if field.bits == 128 => states.write(writer, first, |state| {
                u128::from(word(state, field.word + 1)) << 64 | u128::from(word(state, field.word))
            }),
            _sixteen if field.signed => states.write(writer, first, |state| i128::from(value(state) as i64)),
            _sixteen => states.write(writer, first, |state| u128::from(value(state))),
        }
        states.write_valid(writer, first, |state| field.null.is_none_or(|(at, shift)| word(state, at) >> shift & 1 == 0));
    }
}
