//! Columns that are more than the memory for columns holds: they are loaded part by part, used, and let go.
//!
//! What a program is made from must be known before the first row runs: so columns of which nothing is known yet are read
//! once to learn it. From then on the cache knows, and a run reads them once. While a part runs, the next is loaded.

use std::thread;
use std::time::Instant;

use warpwise_gpu::cache::ResidentColumn;
use warpwise_gpu::column::Chunk;
use warpwise_gpu::program::prune::may_match;
use warpwise_gpu::{Cancel, Error, Execution, Result};

use super::inputs::{Inputs, Segments, of_facts};
use super::report::{Report, StageReport};
use super::run::of_segments;
use crate::offload::lower::Lowered;
use crate::offload::plan::Chain;
use crate::offload::value::{InputColumn, Kind};

/// Parts of the memory for columns that one part of the rows may take: two are in hand at a time, and others have columns.
const SHARE: u64 = 4;

/// A source that is read part by part.
pub struct Streamed {
    parts: Vec<Segments>,
    /// Which of the chain's columns are read, in the program's order, and how they are stored.
    reads: Vec<(usize, InputColumn)>,
}

/// Columns of a chain, by their place in it, and how they are stored as far as is known.
pub type Read<'a> = (usize, &'a InputColumn);

/// Whether columns of a chain are more than there is room for.
pub fn is_too_much(inputs: &Inputs, chain: &Chain, segments: &Segments, columns: &[Read<'_>]) -> bool {
    weights(inputs, chain, segments, columns).iter().sum::<u64>() > inputs.budget()
}

/// Bytes that columns take in memory, by segment.
fn weights(inputs: &Inputs, chain: &Chain, segments: &Segments, columns: &[Read<'_>]) -> Vec<u64> {
    let bits: u64 = columns.iter().map(|(_, column)| u64::from(column.ty.ty.bits()) + u64::from(column.ty.nullable)).sum();
    let mut weights: Vec<u64> = segments.names.iter().map(|(_, rows)| (*rows as u64).saturating_mul(bits) / 8).collect();
    for (at, _) in columns {
        let texts = inputs.text_bytes(chain, segments, *at);
        weights.iter_mut().zip(texts).for_each(|(weight, bytes)| *weight = weight.saturating_add(bytes));
    }
    weights
}

/// Segments in parts of which each takes a share of the memory for columns, as far as segments can be parted.
fn parts(inputs: &Inputs, chain: &Chain, columns: &[Read<'_>], segments: &Segments) -> Vec<Segments> {
    let most = inputs.budget() / SHARE;
    let (mut parts, mut from, mut taken) = (Vec::new(), 0, 0u64);
    for (at, more) in weights(inputs, chain, segments, columns).into_iter().enumerate() {
        if at > from && taken.saturating_add(more) > most {
            parts.push(segments.part(from..at));
            (from, taken) = (at, 0);
        }
        taken = taken.saturating_add(more);
    }
    parts.push(segments.part(from..segments.len()));
    parts
}

/// Reads columns of which something is not known, to learn it; nothing is kept beyond what there is room for.
pub fn survey(
    chain: &Chain,
    inputs: &Inputs,
    segments: &Segments,
    columns: &[Read<'_>],
    cancel: &Cancel,
    report: &mut Report,
) -> Result<()> {
    let numbers: Vec<usize> = columns.iter().map(|(at, _)| chain.projection[*at]).collect();
    for part in parts(inputs, chain, columns, segments) {
        let found = inputs.resident(&chain.table, &part, &numbers, cancel)?;
        report.loaded += found.iter().map(|column| column.loaded).sum::<u64>();
    }
    Ok(())
}

impl Streamed {
    /// A source of the columns that a program reads, which are stored as it was made for.
    pub fn new(inputs: &Inputs, chain: &Chain, segments: &Segments, reads: Vec<(usize, InputColumn)>) -> Self {
        let stored: Vec<Read<'_>> = reads.iter().map(|(at, column)| (*at, column)).collect();
        Self { parts: parts(inputs, chain, &stored, segments), reads }
    }

    /// Gives all rows to a run.
    pub fn push(
        &self,
        chain: &Chain,
        inputs: &Inputs,
        lowered: &Lowered,
        execution: &mut dyn Execution,
        cancel: &Cancel,
        (report, stage): (&mut Report, &mut StageReport),
    ) -> Result<()> {
        let began = Instant::now();
        let load = |part: &Segments| self.load(chain, inputs, lowered, part, cancel);
        let mut next = self.parts.first().map(load).transpose()?;
        report.load += began.elapsed();
        let mut at = 0;
        while let Some((chunks, loaded)) = next.take() {
            at += 1;
            report.loaded += loaded;
            report.parts += 1;
            let all = chunks.len();
            let chunks: Vec<Chunk> =
                chunks.into_iter().filter(|chunk| may_match(&lowered.pipeline, &lowered.values, chunk)).collect();
            stage.skipped += all - chunks.len();
            let bytes = chunks.iter().flat_map(|chunk| &chunk.columns).map(|column| column.bytes() as u64);
            report.streamed += bytes.sum::<u64>();
            let following = self.parts.get(at);
            let (pushed, loaded) = thread::scope(|scope| {
                let loading = following.map(|part| scope.spawn(move || load(part)));
                let pushed = execution.push(&chunks);
                drop(chunks);
                (pushed, loading.map(|thread| thread.join()))
            });
            pushed?;
            next = match loaded {
                Some(Ok(part)) => Some(part?),
                Some(Err(_)) => return Err(Error::Failed("loading columns failed inside".to_owned())),
                None => None,
            };
        }
        Ok(())
    }

    fn load(
        &self,
        chain: &Chain,
        inputs: &Inputs,
        lowered: &Lowered,
        part: &Segments,
        cancel: &Cancel,
    ) -> Result<(Vec<Chunk>, u64)> {
        let numbers: Vec<usize> = self.reads.iter().map(|(at, _)| chain.projection[*at]).collect();
        let found = inputs.resident(&chain.table, part, &numbers, cancel)?;
        let loaded = found.iter().map(|column| column.loaded).sum();
        for ((at, expected), column) in self.reads.iter().zip(&found) {
            let now = of_facts(&chain.table, chain.projection[*at], &column.facts, 1);
            // Another query met values that need more room since this one was compiled. More words in the dictionary change
            // no code of these rows.
            let grown = matches!((&now.kind, &expected.kind), (Kind::Text(now), Kind::Text(then)) if now.len() >= then.len());
            if now.ty.ty != expected.ty.ty || !(grown || now.is_counted_as(expected)) {
                return Err(Error::Failed("a column came to be stored in another way meanwhile".to_owned()));
            }
        }
        let resident: std::collections::HashMap<usize, ResidentColumn> =
            self.reads.iter().map(|(at, _)| *at).zip(found).collect();
        Ok((of_segments(lowered, &resident, part), loaded))
    }
}
