//! Keys of columns as an index holds them: packed into words, with their hashes, a run of rows at a time.

use std::ops::Range;

use super::layout::{Field, Layout, canonical_f32, canonical_f64, hash_end, hash_text, hash_word};
use crate::column::Column;
use crate::column::element::{bit, of};
use crate::program::Type;

/// The keys of some rows.
#[derive(Debug, Default)]
pub(super) struct Packed {
    /// The words of each row, one row behind the other. What stands where a key is NULL means nothing.
    pub(super) words: Vec<u64>,
    /// The hash of each.
    pub(super) hashes: Vec<u64>,
}

/// Packs the keys of some rows, in place of what was there.
pub(super) fn pack(keys: &[&Column], layout: &Layout, rows: Range<usize>, into: &mut Packed) {
    let width = layout.words;
    into.words.clear();
    into.words.resize(rows.len() * width, 0);
    for (column, field) in keys.iter().zip(&layout.fields) {
        pack_field(column, field, rows.clone(), &mut into.words, width);
    }
    into.hashes.clear();
    into.hashes.resize(rows.len(), 0);
    for at in 0..width {
        let text = layout.fields.iter().zip(keys).find(|(field, _)| field.word == at && field.text.is_some());
        match text.and_then(|(_, column)| column.bytes.as_ref()) {
            Some(bytes) => {
                for (hash, words) in into.hashes.iter_mut().zip(into.words.chunks_exact(width)) {
                    *hash = hash_word(*hash, hash_text(super::index::bytes_of(bytes, words[at])));
                }
            }
            None => {
                for (hash, words) in into.hashes.iter_mut().zip(into.words.chunks_exact(width)) {
                    *hash = hash_word(*hash, words[at]);
                }
            }
        }
    }
    into.hashes.iter_mut().for_each(|hash| *hash = hash_end(*hash));
}

/// Puts a value of every row into a word of it.
#[inline(always)]
fn put(words: &mut [u64], width: usize, (word, shift): (usize, u32), value: impl Fn(usize) -> u64) {
    if width == 1 {
        words.iter_mut().enumerate().for_each(|(at, packed)| *packed |= value(at) << shift);
        return;
    }
    for (at, words) in words.chunks_exact_mut(width).enumerate() {
        words[word] |= value(at) << shift;
    }
}

fn pack_field(column: &Column, field: &Field, rows: Range<usize>, words: &mut [u64], width: usize) {
    let (values, first) = (&column.values, rows.start);
    let place = (field.word, field.shift);
    match field.ty {
        Type::Bool => put(words, width, place, |at| u64::from(bit(values, first + at))),
        Type::I8 | Type::U8 => put(words, width, place, |at| values[first + at].into()),
        Type::I16 | Type::U16 => put(words, width, place, |at| of::<u16>(values, first + at).into()),
        Type::I32 | Type::U32 => put(words, width, place, |at| of::<u32>(values, first + at).into()),
        Type::I64 => put(words, width, place, |at| of::<u64>(values, first + at)),
        Type::I128 => {
            put(words, width, place, |at| of::<u128>(values, first + at) as u64);
            put(words, width, (place.0 + 1, 0), |at| (of::<u128>(values, first + at) >> 64) as u64);
        }
        Type::F32 => put(words, width, place, |at| canonical_f32(of::<u32>(values, first + at)).into()),
        Type::F64 => put(words, width, place, |at| canonical_f64(of::<u64>(values, first + at))),
        Type::Text => put(words, width, place, |at| {
            let (from, to) = (of::<u32>(values, first + at), of::<u32>(values, first + at + 1));
            u64::from(to - from) << 32 | u64::from(from)
        }),
    }
}
