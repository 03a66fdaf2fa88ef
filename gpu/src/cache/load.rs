//! How a request of the column cache is answered.
//!
//! In rounds: under the lock, take what is there and claim what is not and nobody else has claimed; without the lock,
//! load and encode what was claimed, and publish it; wait for what others have claimed. Nobody waits with a claim in
//! hand, so nobody waits in a circle. The last round finds everything in the column's encoding, and ends.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use arrow::array::Array;
use parking_lot::MutexGuard;

use super::columns::{ColumnCache, ColumnRequest, Loader, ResidentColumn};
use super::parallel::parallel;
use super::state::{Entry, Key, SegmentState, State};
use crate::column::{Column, Dictionary, Encoding, Prepared, Summary, chunks, recode, spell};
use crate::error::{Error, Result};
use crate::program::Type;

/// How long one waits for others before asking whether to go on.
const PATIENCE: Duration = Duration::from_millis(50);

/// A request on its way.
pub(super) struct Attempt<'a> {
    cache: &'a ColumnCache,
    requests: &'a [ColumnRequest<'a>],
    threads: usize,
    load: &'a Loader<'a>,
    /// What this request's claims are marked with.
    token: u64,
    /// The identifier and the dictionary of each column, since the first round.
    columns: Vec<(u64, Option<Arc<Dictionary>>)>,
    /// What is there, by column and segment. Holding it keeps it from being let go.
    entries: Vec<Vec<Option<Arc<Entry>>>>,
    loaded: Vec<u64>,
}

/// One column of one segment, by their places in the request.
#[derive(Debug, Clone, Copy)]
struct Place {
    column: usize,
    segment: usize,
}

/// What a round is to do.
#[derive(Default)]
struct Round {
    /// By segment, the columns to load.
    load: BTreeMap<usize, Vec<usize>>,
    /// Entries to bring to another encoding.
    widen: Vec<(Place, Arc<Entry>, Encoding)>,
    /// Whether somebody else does something that this request needs.
    wait: bool,
}

/// What became of one place.
struct Done {
    place: Place,
    entry: Arc<Entry>,
    loaded: bool,
}

/// A chunk that was encoded at once, or waits for its segment's others.
enum Chunk {
    Stored(Arc<Column>, Encoding),
    Waiting(Prepared),
}

impl<'a> Attempt<'a> {
    pub(super) fn new(cache: &'a ColumnCache, requests: &'a [ColumnRequest<'a>], threads: usize, load: &'a Loader<'a>) -> Self {
        let entries = requests.iter().map(|request| vec![None; request.segments.len()]).collect();
        let token = cache.state.lock().tick();
        Self { cache, requests, threads, load, token, columns: Vec::new(), entries, loaded: vec![0; requests.len()] }
    }

    /// The columns; none where one of them was forgotten meanwhile.
    pub(super) fn run(mut self, go_on: &dyn Fn() -> Result<()>) -> Result<Option<Vec<ResidentColumn>>> {
        let mut first = true;
        loop {
            let mut state = self.cache.state.lock();
            let Some(round) = self.look(&mut state, first)? else { return Ok(None) };
            first = false;
            if !round.load.is_empty() || !round.widen.is_empty() {
                drop(state);
                self.work(round)?;
            } else if round.wait {
                // Nothing is claimed here, so that one may leave.
                let _ = self.cache.changed.wait_for(&mut state, PATIENCE);
                drop(state);
                go_on()?;
            } else {
                return Ok(self.result(state));
            }
        }
    }

    /// Takes what is there, and claims what is not. On an error and at a column that is gone, nothing stays claimed.
    fn look(&mut self, state: &mut State, first: bool) -> Result<Option<Round>> {
        let found = self.claim(state, first);
        if !matches!(found, Ok(Some(_))) {
            self.unclaim(state);
        }
        found
    }

    fn claim(&mut self, state: &mut State, first: bool) -> Result<Option<Round>> {
        let mut round = Round::default();
        let (mut hits, mut misses) = (0, 0);
        let tick = state.tick();
        for (at, request) in self.requests.iter().enumerate() {
            let column = if first {
                let column = state.column(request)?;
                self.columns.push((column.id, column.dictionary.clone()));
                column
            } else {
                match state.same(key(request), self.columns[at].0) {
                    Some(column) => column,
                    None => return Ok(None),
                }
            };
            let encoding = column.encoding;
            for (place, (id, rows)) in request.segments.iter().enumerate() {
                let mine = &mut self.entries[at][place];
                if mine.as_ref().is_some_and(|entry| entry.encoding == encoding) {
                    continue;
                }
                if *rows == 0 {
                    let summary = Summary::empty(&request.logical);
                    *mine = Some(Arc::new(Entry { encoding, summary, chunks: Vec::new() }));
                    continue;
                }
                let segment = column.segment(*id, tick);
                if let Some(error) = &segment.refused {
                    return Err(error.clone());
                }
                if let Some((entry, _)) = &segment.data
                    && entry.encoding == encoding
                {
                    hits += u64::from(mine.is_none());
                    *mine = Some(Arc::clone(entry));
                    continue;
                }
                if segment.claimed.is_some() {
                    round.wait = true;
                    continue;
                }
                segment.claimed = Some(self.token);
                let here = Place { column: at, segment: place };
                match segment.data.as_ref().map(|(entry, _)| entry).or(mine.as_ref()) {
                    Some(entry) => round.widen.push((here, Arc::clone(entry), encoding)),
                    None => {
                        misses += 1;
                        round.load.entry(place).or_default().push(at);
                    }
                }
            }
        }
        self.cache.hits.fetch_add(hits, Ordering::Relaxed);
        self.cache.misses.fetch_add(misses, Ordering::Relaxed);
        Ok(Some(round))
    }

    /// Does what was claimed. Whatever happens, nothing stays claimed.
    fn work(&mut self, round: Round) -> Result<()> {
        let results = {
            let this = &*self;
            let _claims = Claims(this);
            // A column of a segment is encoded by the thread that read it, while others read.
            let tasks: Vec<_> =
                round.load.iter().flat_map(|(segment, columns)| columns.iter().map(|column| (*segment, *column))).collect();
            let inner = (this.threads / tasks.len().max(1)).max(1);
            let loaded = parallel(this.threads, tasks.len(), |at| this.load_segment(tasks[at].0, tasks[at].1, inner))?;
            let widened = parallel(this.threads, round.widen.len(), |at| {
                let (place, entry, encoding) = &round.widen[at];
                this.widen(*place, entry, *encoding)
            })?;
            self.cache.widened.fetch_add(widened.len() as u64, Ordering::Relaxed);
            loaded.into_iter().chain(widened).collect::<Vec<_>>()
        };
        for Done { place, entry, loaded } in results {
            self.loaded[place.column] += if loaded { entry.bytes() } else { 0 };
            self.entries[place.column][place.segment] = Some(entry);
        }
        Ok(())
    }

    /// Loads a column of a segment.
    fn load_segment(&self, segment: usize, column: usize, threads: usize) -> Result<Done> {
        let mut arrays = (self.load)(segment, &[column])?;
        let wanted = self.requests[column].segments[segment].1;
        let arrays = match (arrays.pop(), arrays.is_empty()) {
            (Some(found), true) if found.iter().map(|array| array.len()).sum::<usize>() == wanted => found,
            _ => {
                return Err(Error::Invalid(format!("a segment of {wanted} rows came with another number of rows or of columns")));
            }
        };
        let tasks = chunks(&arrays);
        drop(arrays);
        let guess = self.guess(column);
        // First what each chunk is: stored at once if the column's encoding holds it, else summed up.
        let mut first = parallel(threads, tasks.len(), |at| self.first_pass(column, segment, &tasks[at], guess))?;
        // Where strings became texts on the way, the chunks that are codes become texts too while their arrays are there.
        if self.guess(column) == Some(Encoding::Text) {
            let codes: Vec<usize> = (0..first.len()).filter(|at| !first[*at].0.text).collect();
            let text = Some(Encoding::Text);
            let again = parallel(threads, codes.len(), |at| self.first_pass(column, segment, &tasks[codes[at]], text))?;
            codes.into_iter().zip(again).for_each(|(at, chunk)| first[at] = chunk);
        }
        drop(tasks);
        // Then what the segment is, and with it what the column becomes.
        let summary = first.iter().fold(Summary::empty(&self.requests[column].logical), |sum, (found, _)| sum.merge(*found));
        let encoding = self.learn(column, summary)?;
        let chunks = parallel(threads, first.len(), |at| self.second_pass(column, &first[at].1, encoding))?;
        let spelled = encoding == Encoding::Text && !first.iter().all(|(found, _)| found.text);
        drop(first);
        let summary = if spelled { spelled_out(summary, &chunks) } else { summary };
        let place = Place { column, segment };
        let entry = Arc::new(Entry { encoding, summary, chunks });
        self.publish(place, &entry);
        Ok(Done { place, entry, loaded: true })
    }

    fn first_pass(
        &self,
        column: usize,
        segment: usize,
        arrays: &[arrow::array::ArrayRef],
        guess: Option<Encoding>,
    ) -> Result<(Summary, Chunk)> {
        let request = &self.requests[column];
        let dictionary = self.columns[column].1.as_deref().filter(|_| guess != Some(Encoding::Text));
        let prepared = match (Prepared::new(&request.logical, arrays, dictionary), dictionary) {
            // The dictionary is full: the column's strings are texts from now on.
            (Err(Error::Unsupported(_)), Some(_)) => {
                self.outgrow(column);
                return self.first_pass(column, segment, arrays, Some(Encoding::Text));
            }
            (prepared, _) => prepared.inspect_err(|error| self.refuse(column, segment, error))?,
        };
        if !request.nullable && prepared.nulls() > 0 {
            return Err(Error::Invalid(format!("column {} is declared without NULL and holds some", request.column)));
        }
        if let Some(guess) = guess
            && let Ok(stored) = prepared.encode(guess)
        {
            let unit = guess.unit();
            let range = stored.range.map(|(low, high)| (low * unit, high * unit));
            let text = guess == Encoding::Text;
            let ascii = text && stored.is_ascii();
            let present = prepared.present(&stored).filter(|_| unit == 1);
            let summary = Summary { rows: stored.rows, nulls: prepared.nulls(), range, present, unit, text, ascii };
            return Ok((summary, Chunk::Stored(Arc::new(stored), guess)));
        }
        Ok((prepared.summary(&request.logical), Chunk::Waiting(prepared)))
    }

    fn widen(&self, place: Place, entry: &Entry, encoding: Encoding) -> Result<Done> {
        let chunks = entry
            .chunks
            .iter()
            .map(|chunk| self.second_pass(place.column, &Chunk::Stored(Arc::clone(chunk), entry.encoding), encoding));
        let chunks = chunks.collect::<Result<Vec<_>>>()?;
        let summary = if encoding == Encoding::Text { spelled_out(entry.summary, &chunks) } else { entry.summary };
        let entry = Arc::new(Entry { encoding, summary, chunks });
        self.publish(place, &entry);
        Ok(Done { place, entry, loaded: false })
    }

    /// The encoding that the column has so far.
    fn guess(&self, column: usize) -> Option<Encoding> {
        let mut state = self.cache.state.lock();
        let known = state.same(key(&self.requests[column]), self.columns[column].0)?;
        known.is_known().then_some(known.encoding)
    }

    fn learn(&self, column: usize, summary: Summary) -> Result<Encoding> {
        let request = &self.requests[column];
        let mut state = self.cache.state.lock();
        match state.same(key(request), self.columns[column].0) {
            Some(known) => known.learn(summary),
            // It was forgotten, and the next round will notice.
            None => summary.encoding(&request.logical),
        }
    }

    /// Takes note that a column's dictionary does not hold its strings.
    fn outgrow(&self, column: usize) {
        let mut state = self.cache.state.lock();
        if let Some(known) = state.same(key(&self.requests[column]), self.columns[column].0) {
            known.outgrow();
        }
    }

    /// Takes note that a segment has no device form. An error of the loader says nothing about the segment.
    fn refuse(&self, column: usize, segment: usize, error: &Error) {
        let Error::Unsupported(_) = error else { return };
        let request = &self.requests[column];
        let mut state = self.cache.state.lock();
        if let Some(column) = state.same(key(request), self.columns[column].0) {
            column.refuse(request.segments[segment].0, error);
        }
        drop(state);
        self.cache.changed.notify_all();
    }

    fn second_pass(&self, column: usize, chunk: &Chunk, encoding: Encoding) -> Result<Arc<Column>> {
        let words = self.columns[column].1.as_ref().map(Dictionary::words);
        let stored = match (chunk, &words) {
            (Chunk::Stored(column, from), _) if *from == encoding => return Ok(Arc::clone(column)),
            (Chunk::Stored(column, Encoding::Dictionary { .. }), Some(words)) if encoding == Encoding::Text => {
                spell(column, words)
            }
            (Chunk::Stored(column, from), _) => recode(column, *from, encoding),
            (Chunk::Waiting(prepared), words) => prepared.encode(encoding).or_else(|broken| match words {
                Some(words) if encoding == Encoding::Text => {
                    prepared.encode(Encoding::Dictionary { ty: Type::U32 }).and_then(|codes| spell(&codes, words))
                }
                _ => Err(broken),
            }),
        };
        stored.map(Arc::new).map_err(|_| Error::Invalid(format!("{encoding:?} does not hold what a column was seen to hold")))
    }

    /// Keeps an entry for others if the budget has room, in place of what was there. Where the segment, or the whole
    /// column, was forgotten since this request claimed it, the entry is this request's alone.
    fn publish(&self, place: Place, entry: &Arc<Entry>) {
        let request = &self.requests[place.column];
        let (segment, id) = (request.segments[place.segment].0, self.columns[place.column].0);
        let mut gone = Vec::new();
        let mut state = self.cache.state.lock();
        let Some(claimed) = self.claimed(&mut state, key(request), id, segment) else { return };
        if let Some((entry, reservation)) = claimed.data.take() {
            drop(reservation);
            gone.push(entry);
        }
        let reservation = state.reserve(&self.cache.budget, entry.bytes(), &mut gone);
        if let Some(claimed) = self.claimed(&mut state, key(request), id, segment) {
            claimed.data = reservation.map(|reservation| (Arc::clone(entry), reservation));
            claimed.summary = Some(entry.summary);
            claimed.claimed = None;
        }
        drop(state);
        self.cache.changed.notify_all();
    }

    /// A segment that this request has claimed.
    fn claimed<'s>(&self, state: &'s mut State, key: Key, id: u64, segment: u64) -> Option<&'s mut SegmentState> {
        state.same(key, id)?.segments.get_mut(&segment).filter(|segment| segment.claimed == Some(self.token))
    }

    fn unclaim(&self, state: &mut State) {
        for (request, (id, _)) in self.requests.iter().zip(&self.columns) {
            let Some(column) = state.same(key(request), *id) else { continue };
            for (segment, _) in request.segments {
                if let Some(segment) = column.segments.get_mut(segment)
                    && segment.claimed == Some(self.token)
                {
                    segment.claimed = None;
                }
            }
        }
        self.cache.changed.notify_all();
    }

    /// Everything is there, and the lock still held since that was seen. What is known comes from the entries
    /// themselves: their segments may have been forgotten meanwhile.
    fn result(&self, mut state: MutexGuard<'_, State>) -> Option<Vec<ResidentColumn>> {
        let mut found = Vec::with_capacity(self.requests.len());
        for (at, request) in self.requests.iter().enumerate() {
            let entries = || self.entries[at].iter().flatten();
            let sum = entries().fold(Summary::empty(&request.logical), |sum, entry| sum.merge(entry.summary));
            let facts = state.same(key(request), self.columns[at].0)?.facts(request, &sum);
            let chunks = entries().flat_map(|entry| entry.chunks.iter().cloned()).collect();
            found.push(ResidentColumn { facts, chunks, loaded: self.loaded[at] });
        }
        Some(found)
    }
}

/// Gives back what a request claimed and did not publish, also where loading failed or panicked.
struct Claims<'a, 'b>(&'a Attempt<'b>);

impl Drop for Claims<'_, '_> {
    fn drop(&mut self) {
        let mut state = self.0.cache.state.lock();
        self.0.unclaim(&mut state);
    }
}

/// What is known of codes that became texts.
fn spelled_out(summary: Summary, chunks: &[Arc<Column>]) -> Summary {
    Summary { ascii: chunks.iter().all(|chunk| chunk.is_ascii()), ..summary }
}

fn key(request: &ColumnRequest<'_>) -> Key {
    (request.owner, request.column)
}
