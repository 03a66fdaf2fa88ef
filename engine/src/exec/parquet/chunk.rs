//! The pages of one column chunk, decoded into arrays: one for each run of pages of one encoding.

use std::fs::File;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanBufferBuilder};
use arrow::buffer::NullBuffer;
use arrow::datatypes::DataType;
use parquet::basic::Encoding;
use parquet::column::page::{Page, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::SerializedPageReader;

use super::bytes::Part;
use super::hybrid::{self, Key};
use super::values::{self, Stored, Values};

/// The values of a column of a row group; none where pages are of a kind that is not read here.
pub fn read(file: &File, metadata: &ParquetMetaData, group: usize, leaf: usize, ty: &DataType) -> Result<Option<Vec<ArrayRef>>> {
    let column = metadata.file_metadata().schema_descr().column(leaf);
    let Some(stored) = Stored::of(column.physical_type(), column.type_length(), ty) else { return Ok(None) };
    let group = metadata.row_group(group);
    let chunk = group.column(leaf);
    let other = |encoding: Encoding| {
        use Encoding::{BYTE_STREAM_SPLIT, DELTA_BINARY_PACKED, DELTA_BYTE_ARRAY, DELTA_LENGTH_BYTE_ARRAY};
        matches!(encoding, DELTA_BINARY_PACKED | DELTA_LENGTH_BYTE_ARRAY | DELTA_BYTE_ARRAY | BYTE_STREAM_SPLIT)
    };
    if chunk.encodings().any(other) {
        return Ok(None);
    }
    let rows = usize::try_from(group.num_rows()).map_err(|_| ParquetError::General("a row group of no size".to_owned()))?;
    let (start, length) = chunk.byte_range();
    let part = Arc::new(Part::read(file, start, length)?);
    let mut pages = SerializedPageReader::new(part, chunk, rows, None)?;
    let nullable = column.max_def_level() == 1;
    let mut reader = Reader { ty, stored, nullable, rows, entries: None, open: None, arrays: Vec::new(), read: 0 };
    while let Some(page) = pages.get_next_page()? {
        if reader.page(&page)?.is_none() {
            return Ok(None);
        }
    }
    reader.close()?;
    if reader.read != rows {
        return Err(ParquetError::General(format!("a column of {rows} rows has {}", reader.read)));
    }
    Ok(Some(reader.arrays))
}

/// Values that room is made for before they are seen.
const MOST_AT_ONCE: usize = 1 << 20;

/// The dictionary of the chunk.
struct Entries {
    array: ArrayRef,
    count: usize,
}

/// Pages of one encoding that follow each other.
struct Open {
    run: Run,
    nulls: Option<BooleanBufferBuilder>,
    rows: usize,
}

enum Run {
    Bytes(Vec<u8>),
    Shorts(Vec<u16>),
    Words(Vec<u32>),
    Plain(Values),
}

struct Reader<'a> {
    ty: &'a DataType,
    stored: Stored,
    nullable: bool,
    rows: usize,
    entries: Option<Entries>,
    open: Option<Open>,
    arrays: Vec<ArrayRef>,
    read: usize,
}

impl Reader<'_> {
    /// Takes a page; none where it is of a kind that is not read here.
    fn page(&mut self, page: &Page) -> Result<Option<()>> {
        match page {
            Page::DictionaryPage { buf, num_values, encoding, .. } => {
                // There is one, in front of all data.
                let first = self.entries.is_none() && self.read == 0;
                if !first || !matches!(encoding, Encoding::PLAIN | Encoding::PLAIN_DICTIONARY) {
                    return Ok(None);
                }
                let count = *num_values as usize;
                let mut values = self.stored.empty();
                if values.plain(buf, count).is_none() {
                    return Ok(None);
                }
                self.entries = values.finish(self.ty, None)?.map(|array| Entries { array, count });
                Ok(self.entries.as_ref().map(|_| ()))
            }
            Page::DataPage { buf, num_values, encoding, def_level_encoding, .. } => {
                let rows = *num_values as usize;
                let (levels, data) = match self.nullable {
                    false => (None, &buf[..]),
                    true if *def_level_encoding != Encoding::RLE => return Ok(None),
                    true => {
                        let Some((length, rest)) = buf.split_first_chunk::<4>() else { return Ok(None) };
                        let Some((levels, rest)) = rest.split_at_checked(u32::from_le_bytes(*length) as usize) else {
                            return Ok(None);
                        };
                        (Some(levels), rest)
                    }
                };
                self.data(rows, levels, data, *encoding)
            }
            Page::DataPageV2 { buf, num_values, encoding, def_levels_byte_len, rep_levels_byte_len, .. } => {
                let Some((_, rest)) = buf.split_at_checked(*rep_levels_byte_len as usize) else { return Ok(None) };
                let Some((levels, data)) = rest.split_at_checked(*def_levels_byte_len as usize) else { return Ok(None) };
                self.data(*num_values as usize, self.nullable.then_some(levels), data, *encoding)
            }
        }
    }

    fn data(&mut self, rows: usize, levels: Option<&[u8]>, data: &[u8], encoding: Encoding) -> Result<Option<()>> {
        if rows > self.rows - self.read {
            return Err(ParquetError::General("a column has more rows than its group".to_owned()));
        }
        self.read += rows;
        let mut valid: Vec<u8> = Vec::new();
        let mut count = rows;
        if let Some(levels) = levels {
            if hybrid::decode(levels, 1, rows, &mut valid).is_none() {
                return Ok(None);
            }
            count = valid.iter().map(|level| usize::from(*level)).sum();
        }
        let keys = match encoding {
            Encoding::PLAIN => None,
            Encoding::PLAIN_DICTIONARY | Encoding::RLE_DICTIONARY => match &self.entries {
                Some(entries) => Some(entries.count),
                None => return Ok(None),
            },
            _ => return Ok(None),
        };
        let same = match (&self.open, keys) {
            (Some(Open { run: Run::Plain(_), .. }), None) => true,
            (Some(Open { run: Run::Bytes(_) | Run::Shorts(_) | Run::Words(_), .. }), Some(_)) => true,
            (_, _) => false,
        };
        if !same {
            self.close()?;
        }
        // What a file says of its rows is a claim.
        let left = (self.rows - (self.read - rows)).min(MOST_AT_ONCE);
        let open = self.open.get_or_insert_with(|| {
            let run = match keys {
                None => Run::Plain(self.stored.with_room(left)),
                Some(..=0x100) => Run::Bytes(Vec::with_capacity(left)),
                Some(0x101..=0x1_0000) => Run::Shorts(Vec::with_capacity(left)),
                Some(_) => Run::Words(Vec::with_capacity(left)),
            };
            Open { run, nulls: None, rows: 0 }
        });
        if count < rows && open.nulls.is_none() {
            let mut nulls = BooleanBufferBuilder::new(left);
            nulls.append_n(open.rows, true);
            open.nulls = Some(nulls);
        }
        if let Some(nulls) = &mut open.nulls {
            match count == rows {
                true => nulls.append_n(rows, true),
                false => valid.iter().for_each(|level| nulls.append(*level != 0)),
            }
        }
        open.rows += rows;
        let valid = (count < rows).then_some(valid.as_slice());
        Ok(match &mut open.run {
            Run::Bytes(out) => unpack(data, count, valid, out),
            Run::Shorts(out) => unpack(data, count, valid, out),
            Run::Words(out) => unpack(data, count, valid, out),
            Run::Plain(out) => {
                let from = out.rows();
                let read = out.plain(data, count);
                if let Some(valid) = valid
                    && read.is_some()
                {
                    out.spread(from, valid);
                }
                read
            }
        })
    }

    /// Makes an array of the pages so far.
    fn close(&mut self) -> Result<()> {
        let Some(Open { run, nulls, .. }) = self.open.take() else { return Ok(()) };
        let nulls = nulls.map(|mut bits| NullBuffer::new(bits.finish()));
        let array = match run {
            Run::Plain(values) => values.finish(self.ty, nulls)?,
            Run::Bytes(keys) => self.keyed(keys, nulls, values::keyed::<arrow::datatypes::UInt8Type>)?,
            Run::Shorts(keys) => self.keyed(keys, nulls, values::keyed::<arrow::datatypes::UInt16Type>)?,
            Run::Words(keys) => self.keyed(keys, nulls, values::keyed::<arrow::datatypes::UInt32Type>)?,
        };
        self.arrays.extend(array);
        Ok(())
    }

    fn keyed<K>(
        &self,
        keys: Vec<K>,
        nulls: Option<NullBuffer>,
        array: fn(Vec<K>, Option<NullBuffer>, &ArrayRef) -> Result<ArrayRef>,
    ) -> Result<Option<ArrayRef>> {
        let entries = self.entries.as_ref().ok_or_else(|| ParquetError::General("keys without a dictionary".to_owned()))?;
        array(keys, nulls, &entries.array).map(Some)
    }
}

/// Appends the keys of a page, 0 where a row is NULL.
fn unpack<K: Key>(data: &[u8], count: usize, valid: Option<&[u8]>, out: &mut Vec<K>) -> Option<()> {
    let from = out.len();
    if count > 0 {
        let (width, runs) = data.split_first()?;
        hybrid::decode(runs, (*width).into(), count, out)?;
    }
    if let Some(valid) = valid {
        values::spread(out, from, valid);
    }
    Some(())
}
