//! What a run took, for EXPLAIN ANALYZE and for records.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use warpwise_gpu::Counters;

/// What one stage took.
#[derive(Debug, Clone, Default)]
pub struct StageReport {
    /// Rows that it left.
    pub rows: u64,
    /// What the device counted.
    pub counters: Counters,
    /// How long compiling took; zero where the code was there.
    pub compile: Duration,
    /// Whether it was compiled for this run.
    pub compiled: bool,
    /// Whether another part of the plan had computed it.
    pub shared: bool,
    /// Chunks left out because no row of theirs can match.
    pub skipped: usize,
    /// How long its rows were sorted, on the host; zero where they are not.
    pub sort: Duration,
}

impl StageReport {
    /// Adds what a part of the stage took; the rows are those that the last part left.
    pub fn add(&mut self, part: Self) {
        self.rows = part.rows;
        self.counters.add(&part.counters);
        self.compile += part.compile;
        self.compiled |= part.compiled;
        self.skipped += part.skipped;
        self.sort += part.sort;
    }
}

/// What a run took.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The device that gave the answer; empty where DataFusion did.
    pub device: String,
    /// Bytes that were encoded because the columns were not there.
    pub loaded: u64,
    /// How long the columns were waited for.
    pub load: Duration,
    /// Parts in which columns were loaded and let go, since there is no room for all of them.
    pub parts: usize,
    /// Bytes of columns in those parts.
    pub streamed: u64,
    /// Segments of the table: row groups of its files, or what was appended to it at a time.
    pub segments: usize,
    /// Segments that were left out before anything of them was read, because their files say that no row can match.
    pub unwanted: usize,
    /// The stages in order.
    pub stages: Vec<StageReport>,
    /// The build sides of its joins, by the joins' numbers.
    pub builds: HashMap<u64, BuildReport>,
    /// The other chains of its unions, by the unions' numbers.
    pub unions: HashMap<u64, Vec<Report>>,
    /// Joins of which it showed that they are steps of a program.
    pub decided: HashSet<u64>,
    /// Devices that did not do it, and why.
    pub failures: Vec<(String, String)>,
}

/// What a build side took.
#[derive(Debug, Clone, Default)]
pub struct BuildReport {
    /// Rows that it has.
    pub rows: u64,
    /// How they are found.
    pub form: &'static str,
    /// Whether those rows are the join's own, and the other side marked them.
    pub marks: bool,
    /// How long they were grouped by their keys.
    pub group: Duration,
    /// What it took to run it.
    pub report: Report,
}
