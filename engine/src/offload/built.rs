//! What the build side of a join left: its columns as tables, and how its rows are found by their keys.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use warpwise_gpu::join::{Form, Grouped, Index};
use warpwise_gpu::program::{Bounds, Table, Type};

use super::value::Kind;

/// What the processor's nearer and farther caches hold, in bytes: about.
const CACHED: [f64; 2] = [262_144.0, 4_194_304.0];

/// Build sides by the [number](super::plan::Join::id) of their join.
pub type Builds = HashMap<u64, Arc<Built>>;

/// A build side.
#[derive(Debug)]
pub struct Built {
    /// How many rows it has.
    pub rows: usize,
    /// Its columns.
    pub columns: Vec<BuiltColumn>,
    /// How its rows are found; `None` of a join without keys, where each row is met.
    pub found: Option<Arc<Found>>,
    /// Which rows count; all where it is none.
    pub passing: Option<Passing>,
    /// Whether this is known before it has run: it has no rows then.
    pub foreseen: bool,
    /// Whether all is known of how its columns are stored.
    pub certain: bool,
}

/// Which rows of a build side count.
#[derive(Debug, Clone)]
pub struct Passing {
    /// A bit for each row.
    pub rows: Arc<Table>,
    /// How many do.
    pub count: u64,
    /// A bit for each key from the least on, of the rows that count; there where keys find their rows directly.
    pub keys: Option<Arc<Table>>,
}

/// A column of a build side.
#[derive(Debug, Clone)]
pub struct BuiltColumn {
    /// Its values, by row.
    pub table: Arc<Table>,
    /// How to read them.
    pub kind: Kind,
    /// What they lie in.
    pub range: Option<Bounds>,
}

/// How rows are found by keys.
#[derive(Debug)]
pub struct Found {
    /// The keys.
    pub keys: Vec<Key>,
    /// Whether all keys are one `I64`: the sum of their distances from their least values, each by its stride.
    pub packed: bool,
    /// The rows by key.
    pub grouped: Grouped,
    /// Which keys there are, a bit each from the least of the one number on; there where that is few bits and rejects many.
    pub bits: Option<Arc<Table>>,
    /// Of several keys: which values of each there are, a bit each from its least on, and how many; there where that is few bits
    /// and rejects many rows.
    pub each: Vec<Option<(Arc<Table>, u64)>>,
}

/// One key of a build side.
#[derive(Debug)]
pub struct Key {
    /// How to read it.
    pub kind: Kind,
    /// The type that it is stored in, which an index has it in, too.
    pub ty: Type,
    /// The least and the greatest of a number; nothing lies between 1 and 0.
    pub range: Bounds,
    /// By what a packed key is multiplied.
    pub stride: i64,
    /// Whether NULL is a value that rows have, and is met by NULL.
    pub null: bool,
    /// The words' numbers by their text, for texts that are no codes.
    pub words: OnceLock<Option<Arc<Index>>>,
}

impl Key {
    /// Whether it is an integer on devices: a number, a date, a moment, a boolean, a code.
    pub fn is_number(kind: &Kind) -> bool {
        kind.is_exact() || matches!(kind, Kind::Boolean | Kind::Text(_))
    }
}

impl Built {
    /// How many rows a row meets at most.
    pub fn longest(&self) -> u64 {
        self.found.as_ref().map_or(self.rows as u64, |found| found.grouped.longest.into())
    }

    /// The same, of which only some rows count.
    pub fn with(&self, passing: Passing) -> Self {
        Self {
            rows: self.rows,
            columns: self.columns.clone(),
            found: self.found.clone(),
            passing: Some(passing),
            foreseen: self.foreseen,
            certain: self.certain,
        }
    }

    /// Bytes that it takes.
    pub fn bytes(&self) -> u64 {
        let of_columns = self.columns.iter().map(|column| column.table.size());
        let of_index = self.found.as_ref().map_or(0, |found| {
            let order = found.grouped.order.as_ref();
            let order = order.map_or(0, |order| order.starts.size() + order.rows.as_ref().map_or(0, |rows| rows.size()));
            let form = match &found.grouped.form {
                Form::Direct { numbers, bits, .. } => numbers.as_ref().map_or(0, |numbers| numbers.size()) + bits.size(),
                Form::Hash { index } => index.size(),
            };
            let each: usize = found.each.iter().flatten().map(|(bits, _)| bits.size()).sum();
            order + form + each + found.bits.as_ref().map_or(0, |bits| bits.size())
        });
        of_columns.sum::<usize>() as u64 + of_index as u64
    }

    /// Whether no row meets more than one.
    pub fn is_unique(&self) -> bool {
        self.found.as_ref().is_some_and(|found| found.grouped.order.is_none())
    }

    /// Which share of rows may be expected to have a partner, where their key is one of so many values, and what it costs to
    /// ask: in units of a small table's lookup.
    pub fn selectivity(&self, domain: Option<f64>) -> (f64, f64) {
        use warpwise_gpu::join::Form;
        let Some(found) = &self.found else { return (1.0, 1.0) };
        let keep = domain.map_or(1.0, |domain| (found.grouped.groups as f64 / domain).min(1.0));
        let keep = keep * self.passing.as_ref().map_or(1.0, |passing| passing.count as f64 / self.rows.max(1) as f64);
        let by_key = self.passing.as_ref().and_then(|passing| passing.keys.as_ref());
        let values = match &found.grouped.form {
            // Most rows are told by these alone.
            Form::Hash { .. } if found.bits.is_some() => found.bits.as_ref().map_or(0, |bits| bits.len) as f64 / 8.0,
            Form::Direct { numbers: Some(numbers), .. } if by_key.is_none() => numbers.len as f64 * 4.0,
            Form::Direct { bits, .. } => bits.len as f64 / 8.0,
            // A slot and what else is touched.
            Form::Hash { .. } => found.grouped.groups as f64 * 64.0,
        };
        let cost = match values {
            bytes if bytes < CACHED[0] => 1.0,
            bytes if bytes < CACHED[1] => 3.0,
            _ => 10.0,
        };
        (keep, cost)
    }

    /// The form of what finds rows, for EXPLAIN.
    pub fn form(&self) -> &'static str {
        match self.found.as_deref() {
            None => "all rows",
            Some(Found { grouped: Grouped { form: Form::Direct { .. }, order, .. }, .. }) => {
                if order.is_some() {
                    "direct, several rows of a key"
                } else {
                    "direct"
                }
            }
            Some(Found { grouped: Grouped { form: Form::Hash { .. }, order, .. }, .. }) => {
                if order.is_some() {
                    "hash, several rows of a key"
                } else {
                    "hash"
                }
            }
        }
    }
}
