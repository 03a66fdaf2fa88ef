//! What the column cache knows, behind its one lock.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::DataType;

use super::columns::ColumnRequest;
use crate::column::{Column, Dictionary, Encoding, Facts, Summary, hull};
use crate::error::{Error, Result};
use crate::memory::{Budget, Reservation};
use crate::types::{Form, accepts, form};

/// An owner's column.
pub(super) type Key = (u64, u32);

/// The whole of it.
#[derive(Debug, Default)]
pub(super) struct State {
    columns: HashMap<Key, ColumnState>,
    tick: u64,
    pub(super) evictions: u64,
}

/// One column of one owner, over all its segments ever asked for.
#[derive(Debug)]
pub(super) struct ColumnState {
    /// Names this state: a column that was forgotten and came back has another.
    pub(super) id: u64,
    logical: DataType,
    pub(super) dictionary: Option<Arc<Dictionary>>,
    /// Of all segments, also those that no request names any more: it only widens, so that code compiled for the
    /// column stays right for as long as it can.
    known: Summary,
    /// What its values are said to lie between.
    claim: Option<(i128, i128)>,
    /// What `known` and the claim ask for. The encoding of the column's chunks, or what they are to become.
    pub(super) encoding: Encoding,
    pub(super) segments: HashMap<u64, SegmentState>,
}

/// One column of one segment.
#[derive(Debug, Default)]
pub(super) struct SegmentState {
    /// What it holds; stays when its data goes.
    pub(super) summary: Option<Summary>,
    /// Its data, while it is kept.
    pub(super) data: Option<(Arc<Entry>, Reservation)>,
    /// Which request loads or widens it. That one alone may change `data` and `summary`.
    pub(super) claimed: Option<u64>,
    /// Why it has no device form.
    pub(super) refused: Option<Error>,
    used: u64,
}

/// The chunks of one column of one segment.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) encoding: Encoding,
    /// What the chunks hold.
    pub(super) summary: Summary,
    pub(super) chunks: Vec<Arc<Column>>,
}

impl Entry {
    pub(super) fn bytes(&self) -> u64 {
        self.chunks.iter().map(|chunk| chunk.bytes() as u64).sum()
    }
}

impl State {
    pub(super) fn tick(&mut self) -> u64 {
        self.tick += 1;
        self.tick
    }

    pub(super) fn get(&self, key: Key) -> Option<&ColumnState> {
        self.columns.get(&key)
    }

    /// The column if it is still the one with this identifier.
    pub(super) fn same(&mut self, key: Key, id: u64) -> Option<&mut ColumnState> {
        self.columns.get_mut(&key).filter(|column| column.id == id)
    }

    /// The column of a request, new if there is none, or if its type changed.
    pub(super) fn column(&mut self, request: &ColumnRequest<'_>) -> Result<&mut ColumnState> {
        let id = self.tick();
        let strings = form(&request.logical)? == Form::Strings;
        let known = Summary::empty(&request.logical);
        let fresh = || -> Result<ColumnState> {
            Ok(ColumnState {
                id,
                logical: request.logical.clone(),
                dictionary: strings.then(Arc::default),
                known,
                claim: None,
                encoding: known.encoding(&request.logical)?,
                segments: HashMap::new(),
            })
        };
        let key = (request.owner, request.column);
        if self.columns.get(&key).is_none_or(|column| !accepts(&column.logical, &request.logical)) {
            self.columns.insert(key, fresh()?);
        }
        let column = self.columns.get_mut(&key);
        let column = column.ok_or_else(|| Error::Invalid("a column that was just made is gone".to_owned()))?;
        if let Some(dictionary) = &column.dictionary {
            dictionary.expect(request.segments.iter().map(|(_, rows)| *rows as u64).sum());
        }
        Ok(column)
    }

    /// Takes `bytes`, letting go of what was not used for longest and is not in use now. What went is pushed to `gone`,
    /// to be dropped without the lock.
    pub(super) fn reserve(&mut self, budget: &Budget, bytes: u64, gone: &mut Vec<Arc<Entry>>) -> Option<Reservation> {
        if let Ok(reservation) = budget.reserve(bytes) {
            return Some(reservation);
        }
        // What cannot succeed lets nothing go.
        let idle: u64 = self.idle().iter().filter_map(|segment| Some(segment.data.as_ref()?.1.bytes())).sum();
        if budget.used().saturating_sub(idle).saturating_add(bytes) > budget.limit() {
            return None;
        }
        self.shrink(budget, bytes, gone);
        budget.reserve(bytes).ok()
    }

    /// The segments whose data nobody uses.
    fn idle(&mut self) -> Vec<&mut SegmentState> {
        let idle =
            |entry: &Arc<Entry>| Arc::strong_count(entry) == 1 && entry.chunks.iter().all(|chunk| Arc::strong_count(chunk) == 1);
        let all = self.columns.values_mut().flat_map(|column| column.segments.values_mut());
        all.filter(|segment| segment.data.as_ref().is_some_and(|(entry, _)| idle(entry))).collect()
    }

    /// Lets go of entries until `room` bytes of the budget are free, or nothing more can go.
    pub(super) fn shrink(&mut self, budget: &Budget, room: u64, gone: &mut Vec<Arc<Entry>>) {
        let mut evicted = 0;
        let mut segments = self.idle();
        segments.sort_unstable_by_key(|segment| segment.used);
        for segment in segments {
            if budget.used().saturating_add(room) <= budget.limit() {
                break;
            }
            if let Some((entry, reservation)) = segment.data.take() {
                drop(reservation);
                gone.push(entry);
                evicted += 1;
            }
        }
        self.evictions += evicted;
    }

    /// Forgets every column of an owner.
    pub(super) fn forget_owner(&mut self, owner: u64) -> Vec<ColumnState> {
        self.columns.extract_if(|(of, _), _| *of == owner).map(|(_, column)| column).collect()
    }

    /// Forgets one segment of an owner.
    pub(super) fn forget_segment(&mut self, owner: u64, segment: u64) -> Vec<SegmentState> {
        let columns = self.columns.iter_mut().filter(|((of, _), _)| *of == owner);
        columns.filter_map(|(_, column)| column.segments.remove(&segment)).collect()
    }
}

impl ColumnState {
    /// The segment's state, new if there is none; it counts as used now.
    pub(super) fn segment(&mut self, id: u64, tick: u64) -> &mut SegmentState {
        let segment = self.segments.entry(id).or_default();
        segment.used = tick;
        segment
    }

    /// Whether anything but NULL was seen, so that `encoding` is more than a guess.
    pub(super) fn is_known(&self) -> bool {
        self.known.range.is_some() || self.known.text
    }

    /// Takes note that a segment has no device form. A snapshot without it is served all the same, and one with it by other
    /// means.
    pub(super) fn refuse(&mut self, segment: u64, error: &Error) {
        self.segments.entry(segment).or_default().refused = Some(error.clone());
    }

    /// Takes note that the dictionary is full: all segments become texts. The dictionary stays for those that are codes yet.
    pub(super) fn outgrow(&mut self) {
        self.known.text = true;
        self.encoding = Encoding::Text;
    }

    /// Why a request cannot be answered, where that is known.
    pub(super) fn refusal(&self, request: &ColumnRequest<'_>) -> Option<Error> {
        request.segments.iter().find_map(|(id, _)| self.segments.get(id)?.refused.clone())
    }

    /// Takes note of what a segment holds.
    pub(super) fn learn(&mut self, summary: Summary) -> Result<Encoding> {
        self.known = self.known.merge(summary);
        self.choose()?;
        Ok(self.encoding)
    }

    /// Takes note of what values are said to lie between.
    pub(super) fn claim(&mut self, range: (i128, i128)) -> Result<()> {
        self.claim = hull(self.claim, Some(range));
        if self.is_known() { self.choose() } else { Ok(()) }
    }

    fn choose(&mut self) -> Result<()> {
        let expected = Summary { range: hull(self.known.range, self.claim), ..self.known };
        self.encoding = if self.is_known() { expected.encoding(&self.logical)? } else { self.known.encoding(&self.logical)? };
        Ok(())
    }

    /// What is known of a request's column, once all its segments were seen.
    pub(super) fn known_facts(&self, request: &ColumnRequest<'_>) -> Option<Facts> {
        let mut sum = Summary::empty(&request.logical);
        for (id, rows) in request.segments {
            if *rows > 0 {
                sum = sum.merge(self.segments.get(id)?.summary?);
            }
        }
        Some(self.facts(request, &sum))
    }

    /// What is known of a request's column whose segments hold this.
    pub(super) fn facts(&self, request: &ColumnRequest<'_>, sum: &Summary) -> Facts {
        let words = self.dictionary.as_ref().map(|dictionary| dictionary.words());
        Facts::new(request.logical.clone(), self.encoding, sum, words)
    }
}
