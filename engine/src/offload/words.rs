//! The strings behind codes.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use arrow::array::{Array, ArrayRef, StringArray, StringBuilder, StringViewArray};
use parking_lot::Mutex;
use warpwise_gpu::column::{self, Column, Dictionary};
use warpwise_gpu::program::values::padded;
use warpwise_gpu::program::{MatchOp, Table, TextUnit};

/// Distinct strings by code, and their ranks in byte order.
#[derive(Debug)]
pub struct Words {
    values: StringArray,
    /// The column's dictionary, where these are one's strings: it finds them fast, and keeps their order from query to query.
    dictionary: Option<column::Words>,
    /// How many threads may work on them; 0 is all.
    threads: usize,
    sorted: OnceLock<Sorted>,
    /// What was asked of all of them.
    asked: Mutex<Vec<(Asked, Table)>>,
}

/// A question that each string answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// Whether it matches.
    Match(MatchOp, String),
    /// How long it is.
    Length(TextUnit),
}

/// Answers that are kept: a query asks the same more than once, when it is planned and when it runs.
const ANSWERS: usize = 8;

#[derive(Debug)]
struct Sorted {
    ranks: Arc<[u32]>,
    values: Arc<Words>,
}

impl Words {
    /// The strings of codes 0, 1, 2 …; none is NULL.
    pub fn new(values: StringArray) -> Arc<Self> {
        Arc::new(Self { values, dictionary: None, threads: 1, sorted: OnceLock::new(), asked: Mutex::default() })
    }

    /// The strings of a dictionary, on which so many threads may work (0: all).
    pub fn of_dictionary(dictionary: &column::Words, threads: usize) -> Arc<Self> {
        let (values, dictionary) = (dictionary.values(), Some(dictionary.clone()));
        Arc::new(Self { values, dictionary, threads, sorted: OnceLock::new(), asked: Mutex::default() })
    }

    /// One string, of code 0.
    pub fn of(value: &str) -> Arc<Self> {
        Self::new(StringArray::from(vec![value]))
    }

    /// Distinct strings of an array, on which so many threads may work, and each row's code: any where `array` is NULL.
    pub fn distinct(array: &ArrayRef, threads: usize) -> warpwise_gpu::Result<(Arc<Self>, Vec<u32>)> {
        let dictionary = Arc::new(Dictionary::with_limit(usize::MAX));
        let codes = dictionary.encode(array)?;
        Ok((Self::of_dictionary(&dictionary.words(), threads), codes))
    }

    /// The strings, by code.
    pub fn values(&self) -> &StringArray {
        &self.values
    }

    /// The same as views.
    pub fn views(&self) -> StringViewArray {
        self.dictionary.as_ref().map_or_else(|| StringViewArray::from(&self.values), column::Words::views)
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Whether the same codes stand for the same strings.
    pub fn same(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
            || matches!((&self.dictionary, &other.dictionary), (Some(a), Some(b)) if a == b)
            || self.values == other.values
    }

    /// Where each string of others is among these; nothing where it is not.
    pub fn places(&self, others: &Self) -> Vec<Option<u32>> {
        let others = (0..others.len()).map(|at| others.values.value(at));
        if let Some(dictionary) = &self.dictionary {
            return others.map(|text| dictionary.code_of(text)).collect();
        }
        let known: HashMap<&str, u32> = (0..self.len()).map(|at| (self.values.value(at), at as u32)).collect();
        others.map(|text| known.get(text).copied()).collect()
    }

    /// The code of a string; nothing where it has none.
    pub fn code_of(&self, text: &str) -> Option<u32> {
        match &self.dictionary {
            Some(dictionary) => dictionary.code_of(text),
            None => (0..self.len()).find(|at| self.values.value(*at) == text).map(|at| at as u32),
        }
    }

    /// The codes of those of some strings that have one.
    pub fn codes_of(&self, texts: &[&str]) -> Vec<u32> {
        if let Some(dictionary) = &self.dictionary {
            return texts.iter().filter_map(|text| dictionary.code_of(text)).collect();
        }
        let wanted: HashSet<&str> = texts.iter().copied().collect();
        (0..self.len()).filter(|at| wanted.contains(self.values.value(*at))).map(|at| at as u32).collect()
    }

    /// The strings as a column of texts.
    pub fn column(&self) -> Column {
        if let Some(dictionary) = &self.dictionary {
            return dictionary.column();
        }
        let offsets = self.values.offsets().inner().inner().clone();
        Column::texts(self.len(), padded(offsets.to_vec()), padded(self.values.value_data().to_vec()), None)
    }

    /// How many threads may work on them; 0 is all.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// The answer of each string, kept for a while.
    pub fn asked(
        &self,
        question: Asked,
        answer: impl FnOnce(&Column, usize) -> warpwise_gpu::Result<Table>,
    ) -> warpwise_gpu::Result<Table> {
        let mut asked = self.asked.lock();
        if let Some((_, table)) = asked.iter().find(|(before, _)| *before == question) {
            return Ok(table.clone());
        }
        let table = answer(&self.column(), self.threads)?;
        if asked.len() == ANSWERS {
            asked.remove(0);
        }
        asked.push((question, table.clone()));
        Ok(table)
    }

    /// Whether every string is ASCII.
    pub fn is_ascii(&self) -> bool {
        self.dictionary.as_ref().map_or_else(|| self.values.value_data().is_ascii(), column::Words::is_ascii)
    }

    fn sorted(&self) -> &Sorted {
        self.sorted.get_or_init(|| {
            if let Some(dictionary) = &self.dictionary {
                let column::Sorted { ranks, strings } = dictionary.sorted(self.threads);
                return Sorted { ranks, values: Self::new(strings) };
            }
            let mut order: Vec<u32> = (0..self.len() as u32).collect();
            order.sort_unstable_by_key(|code| self.values.value(*code as usize));
            let mut ranks = vec![0; order.len()];
            for (rank, code) in order.iter().enumerate() {
                ranks[*code as usize] = rank as u32;
            }
            let values = order.iter().map(|code| self.values.value(*code as usize)).collect::<Vec<_>>();
            Sorted { ranks: ranks.into(), values: Self::new(StringArray::from(values)) }
        })
    }

    /// Each code's place in byte order, which is collation C's.
    pub fn ranks(&self) -> &[u32] {
        &self.sorted().ranks
    }

    /// The strings in that order: by rank.
    pub fn in_order(&self) -> &Arc<Words> {
        &self.sorted().values
    }

    /// Strings of both, each once, and where the codes of either are among them: those of the longer where they are.
    pub fn merged(a: &Arc<Self>, b: &Arc<Self>) -> (Arc<Self>, Vec<u32>, Vec<u32>) {
        if a.len() < b.len() {
            let (words, of_b, of_a) = Self::merged(b, a);
            return (words, of_a, of_b);
        }
        if let (Some(of_a), Some(of_b)) = (&a.dictionary, &b.dictionary)
            && Arc::ptr_eq(of_a.dictionary(), of_b.dictionary())
        {
            // Two versions: a code never changes meaning.
            return (Arc::clone(a), (0..a.len() as u32).collect(), (0..b.len() as u32).collect());
        }
        let places = a.places(b);
        let new: Vec<usize> = (0..b.len()).filter(|at| places[*at].is_none()).collect();
        let mut last = a.len() as u32;
        let of_b = places.into_iter().map(|place| {
            place.unwrap_or_else(|| {
                last += 1;
                last - 1
            })
        });
        let of_b = of_b.collect();
        let words = if new.is_empty() {
            Arc::clone(a)
        } else {
            let bytes = |of: &Self| of.values.value_data().len();
            let mut values = StringBuilder::with_capacity(a.len() + new.len(), bytes(a) + bytes(b));
            let each = (0..a.len()).map(|at| a.values.value(at)).chain(new.iter().map(|at| b.values.value(*at)));
            each.for_each(|text| values.append_value(text));
            Self::new(values.finish())
        };
        (words, (0..a.len() as u32).collect(), of_b)
    }
}
