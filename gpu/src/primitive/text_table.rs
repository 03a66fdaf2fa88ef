//! Tables over a column of texts, a dictionary's entries: which of them match, how long each is.

use super::pattern::Matcher;
use super::select::BLOCK;
use super::text_select::{List, Texts};
use crate::column::Column;
use crate::column::element::of;
use crate::error::{Error, Result};
use crate::parallel::map;
use crate::program::values::padded;
use crate::program::{Table, TableType, TextUnit, Type};

/// Texts that a thread takes at once: whole bytes of bits.
const PART: usize = 16 * BLOCK;

/// A bit for each text, set where it matches; on at most so many threads (0: all). The column has no NULL.
pub fn matches(texts: &Column, matcher: &Matcher, threads: usize) -> Result<Table> {
    let bytes = checked(texts)?;
    let parts = map(threads, texts.rows.div_ceil(PART), |part| {
        let mut bits = vec![0u8; PART.min(texts.rows - part * PART).div_ceil(8)];
        let (all, mut kept): (Vec<u16>, _) = ((0..BLOCK as u16).collect(), vec![0u16; BLOCK]);
        for first in (0..PART.min(texts.rows - part * PART)).step_by(BLOCK) {
            let count = BLOCK.min(texts.rows - part * PART - first);
            let block = Texts {
                offsets: texts.values[(part * PART + first) * 4..].as_ptr().cast(),
                bytes: bytes.as_ptr(),
                readable: bytes.len(),
                validity: std::ptr::null(),
            };
            // SAFETY: the block has so many rows, and the list room for them.
            let found = unsafe { block.matching(matcher, true, List { from: all.as_ptr(), count, to: kept.as_mut_ptr() }) };
            kept[..found].iter().map(|row| first + usize::from(*row)).for_each(|row| bits[row / 8] |= 1 << (row % 8));
        }
        Ok(bits)
    })?;
    let ty = TableType { element: Type::Bool, nullable: false };
    Ok(Table { ty, len: texts.rows, values: padded(parts.concat()), bytes: None, validity: None })
}

/// The length of each text, as numbers of 32 bits, and the greatest; on at most so many threads (0: all). The column has no NULL.
pub fn lengths(texts: &Column, unit: TextUnit, threads: usize) -> Result<(Vec<u32>, u32)> {
    let bytes = checked(texts)?;
    let parts = map(threads, texts.rows.div_ceil(PART), |part| {
        let rows = part * PART..texts.rows.min((part + 1) * PART);
        let length = |row: usize| {
            let (begin, end) = (of::<u32>(&texts.values, row), of::<u32>(&texts.values, row + 1));
            match unit {
                TextUnit::Bytes => end - begin,
                // Every byte begins a character that does not go on with one.
                TextUnit::Characters => {
                    bytes[begin as usize..end as usize].iter().filter(|byte| **byte & 0xc0 != 0x80).count() as u32
                }
            }
        };
        Ok(rows.map(length).collect::<Vec<u32>>())
    })?;
    let lengths = parts.concat();
    let most = lengths.iter().copied().max().unwrap_or(0);
    Ok((lengths, most))
}

/// The bytes of texts, all of which can be read.
fn checked(texts: &Column) -> Result<&[u8]> {
    match &texts.bytes {
        Some(bytes) if texts.is_whole() && texts.validity.is_none() && texts.text_span().1 <= bytes.len() => Ok(bytes),
        _ => Err(Error::Invalid("no column of texts without NULL".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::MatchOp;

    #[test]
    fn tables_say_what_each_text_does() {
        for (words, rows) in [(&["", "abc", "xabcx", "ab", "long enough to be abc"][..], 3), (&["é", "abc", "日本abc"], 40_000)]
        {
            let texts: Vec<&str> = (0..rows).map(|row| words[row * 7 % words.len()]).collect();
            let offsets = Table::texts(false, texts.iter().map(|text| Some(*text)));
            let column = Column::texts(rows, offsets.values, offsets.bytes.unwrap_or_default(), None);
            for threads in [1, 2] {
                let matcher = Matcher::new(MatchOp::Contains, "abc", false);
                let table = matches(&column, &matcher, threads).unwrap();
                let bit = |row: usize| table.values[row / 8] >> (row % 8) & 1 == 1;
                assert!((0..rows).all(|row| bit(row) == texts[row].contains("abc")), "{words:?}");
                let (bytes, _) = lengths(&column, TextUnit::Bytes, threads).unwrap();
                assert!(bytes.iter().zip(&texts).all(|(length, text)| *length as usize == text.len()));
                let (characters, most) = lengths(&column, TextUnit::Characters, threads).unwrap();
                assert!(characters.iter().zip(&texts).all(|(length, text)| *length as usize == text.chars().count()));
                assert_eq!(most as usize, texts.iter().map(|text| text.chars().count()).max().unwrap());
            }
        }
        let numbers = Column::new(crate::program::ValueType::of(Type::I64), 0, padded(vec![]), None);
        assert!(lengths(&numbers, TextUnit::Bytes, 1).is_err());
    }
}
