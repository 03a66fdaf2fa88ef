//! The strings behind codes.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::datatypes::DataType;
use warpwise_gpu::column::Column;
use warpwise_gpu::program::values::padded;

/// Distinct strings by code, and their ranks in byte order.
#[derive(Debug)]
pub struct Words {
    values: StringArray,
    /// The column's dictionary, where these are one's strings: it keeps their ranks from query to query.
    dictionary: Option<warpwise_gpu::column::Words>,
    sorted: OnceLock<Sorted>,
}

#[derive(Debug)]
struct Sorted {
    ranks: Arc<[u32]>,
    values: Arc<Words>,
}

impl Words {
    /// The strings of codes 0, 1, 2 …; none is NULL.
    pub fn new(values: StringArray) -> Arc<Self> {
        Arc::new(Self { values, dictionary: None, sorted: OnceLock::new() })
    }

    /// The strings of a column's dictionary.
    pub fn of_column(dictionary: &warpwise_gpu::column::Words) -> Arc<Self> {
        Arc::new(Self { values: dictionary.values(), dictionary: Some(dictionary.clone()), sorted: OnceLock::new() })
    }

    /// One string, of code 0.
    pub fn of(value: &str) -> Arc<Self> {
        Self::new(StringArray::from(vec![value]))
    }

    /// Distinct strings of an array, and each row's code.
    pub fn distinct(array: &ArrayRef) -> Result<(Arc<Self>, Vec<Option<u32>>), arrow::error::ArrowError> {
        let array = arrow::compute::cast(array, &DataType::Utf8)?;
        let strings = array.as_string::<i32>();
        let mut known: HashMap<&str, u32> = HashMap::new();
        let mut values: Vec<&str> = Vec::new();
        let mut codes = Vec::with_capacity(strings.len());
        for row in strings {
            codes.push(row.map(|text| {
                *known.entry(text).or_insert_with(|| {
                    values.push(text);
                    values.len() as u32 - 1
                })
            }));
        }
        Ok((Self::new(StringArray::from(values)), codes))
    }

    /// The strings, by code.
    pub fn values(&self) -> &StringArray {
        &self.values
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Where each string of others is among these; nothing where it is not.
    pub fn places(&self, others: &Self) -> Vec<Option<u32>> {
        let known: HashMap<&str, u32> = (0..self.len()).map(|at| (self.values.value(at), at as u32)).collect();
        (0..others.len()).map(|at| known.get(others.values.value(at)).copied()).collect()
    }

    /// The strings as a column of texts.
    pub fn column(&self) -> Column {
        let offsets = self.values.offsets().inner().inner().clone();
        Column::texts(self.len(), padded(offsets.to_vec()), padded(self.values.value_data().to_vec()), None)
    }

    fn sorted(&self) -> &Sorted {
        self.sorted.get_or_init(|| {
            let (order, ranks) = match &self.dictionary {
                Some(dictionary) => (dictionary.order(), dictionary.ranks()),
                None => {
                    let mut order: Vec<u32> = (0..self.len() as u32).collect();
                    order.sort_unstable_by_key(|code| self.values.value(*code as usize));
                    let mut ranks = vec![0; order.len()];
                    for (rank, code) in order.iter().enumerate() {
                        ranks[*code as usize] = rank as u32;
                    }
                    (order.into(), ranks.into())
                }
            };
            let values = order.iter().map(|code| self.values.value(*code as usize)).collect::<Vec<_>>();
            Sorted { ranks, values: Words::new(StringArray::from(values)) }
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

    /// Strings of both, each once, and where the codes of either are among them.
    pub fn merged(a: &Self, b: &Self) -> (Arc<Self>, Vec<u32>, Vec<u32>) {
        let mut known: HashMap<&str, u32> = HashMap::new();
        let mut values: Vec<&str> = Vec::new();
        let mut place = |text| {
            *known.entry(text).or_insert_with(|| {
                values.push(text);
                values.len() as u32 - 1
            })
        };
        let of_a = (0..a.len()).map(|at| place(a.values.value(at))).collect();
        let of_b = (0..b.len()).map(|at| place(b.values.value(at))).collect();
        (Self::new(StringArray::from(values)), of_a, of_b)
    }
}
