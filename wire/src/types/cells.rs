//! A block of one column, printed: each value's length and bytes as a DataRow has them.

use arrow::array::{Array, ArrayRef, AsArray, ByteView, GenericStringArray, StringViewArray};
use arrow::buffer::NullBuffer;
use warpwise_engine::copy;
use warpwise_engine::error::{Error, Result};

/// The length that stands for NULL.
pub(super) const NULL: [u8; 4] = (-1i32).to_be_bytes();

/// Bytes of a value before which its length stands.
pub(super) const HEAD: usize = 4;
/// A value that takes at most 28 bytes, its length before it.
pub(super) const SHORT: usize = 32;
/// A value that takes at most 60 bytes, its length before it.
pub(super) const WIDE: usize = 64;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Shape {
    /// Every value is NULL.
    #[default]
    Absent,
    /// In slots of [`SHORT`] bytes.
    Short,
    /// In slots of [`WIDE`] bytes.
    Wide,
    /// End to end.
    Long,
    /// Where they were: in an array of strings.
    Direct,
}

/// Where the values of a block are; its buffers are used again for the next.
#[derive(Default)]
pub(super) struct Cells {
    shape: Shape,
    rows: usize,
    short: Vec<[u8; SHORT]>,
    wide: Vec<[u8; WIDE]>,
    /// Where the values in `bytes` end.
    ends: Vec<usize>,
    bytes: Vec<u8>,
    direct: Option<ArrayRef>,
}

/// Cells as the frame writer reads them.
pub(super) enum Source<'a> {
    Absent,
    Short(&'a [[u8; SHORT]]),
    Wide(&'a [[u8; WIDE]]),
    Long(&'a [usize], &'a [u8]),
    Utf8(&'a GenericStringArray<i32>),
    LargeUtf8(&'a GenericStringArray<i64>),
    View(&'a StringViewArray),
}

fn length(count: usize) -> Result<[u8; 4]> {
    match i32::try_from(count) {
        Ok(count) => Ok(count.to_be_bytes()),
        Err(_) => Err(Error::new(warpwise_engine::error::Condition::ProgramLimitExceeded, "a value exceeds 2 GB")),
    }
}

fn fill_slots<const N: usize>(
    slots: &mut Vec<[u8; N]>,
    rows: usize,
    nulls: Option<&NullBuffer>,
    mut put: impl FnMut(usize, &mut [u8]) -> usize,
) {
    slots.resize(rows, [0; N]);
    let mut fill = |row: usize, slot: &mut [u8; N]| {
        if let Some((head, body)) = slot.split_first_chunk_mut::<HEAD>() {
            *head = (put(row, body) as u32).to_be_bytes();
        }
    };
    match nulls.filter(|nulls| nulls.null_count() > 0) {
        None => slots.iter_mut().enumerate().for_each(|(row, slot)| fill(row, slot)),
        Some(nulls) => {
            for (row, slot) in slots.iter_mut().enumerate() {
                if nulls.is_valid(row) {
                    fill(row, slot);
                } else {
                    slot[..HEAD].copy_from_slice(&NULL);
                }
            }
        }
    }
}

impl Cells {
    /// How many values there are.
    pub(super) fn len(&self) -> usize {
        self.rows
    }

    /// All values are NULL.
    pub(super) fn fill_absent(&mut self, rows: usize) {
        self.shape = Shape::Absent;
        self.rows = rows;
    }

    /// `put` writes the value of a row at the start of 28 bytes and returns its length.
    pub(super) fn fill_short(&mut self, rows: usize, nulls: Option<&NullBuffer>, put: impl FnMut(usize, &mut [u8]) -> usize) {
        self.shape = Shape::Short;
        self.rows = rows;
        fill_slots(&mut self.short, rows, nulls, put);
    }

    /// `put` writes the value of a row at the start of 60 bytes and returns its length.
    pub(super) fn fill_wide(&mut self, rows: usize, nulls: Option<&NullBuffer>, put: impl FnMut(usize, &mut [u8]) -> usize) {
        self.shape = Shape::Wide;
        self.rows = rows;
        fill_slots(&mut self.wide, rows, nulls, put);
    }

    /// `write` appends the value of a row.
    pub(super) fn fill_long(
        &mut self,
        rows: usize,
        nulls: Option<&NullBuffer>,
        mut write: impl FnMut(usize, &mut Vec<u8>) -> Result<()>,
    ) -> Result<()> {
        self.shape = Shape::Long;
        self.rows = rows;
        self.ends.clear();
        self.bytes.clear();
        for row in 0..rows {
            let start = self.bytes.len();
            self.bytes.extend_from_slice(&NULL);
            if nulls.is_none_or(|nulls| nulls.is_valid(row)) {
                write(row, &mut self.bytes)?;
                let head = length(self.bytes.len() - start - HEAD)?;
                self.bytes[start..start + HEAD].copy_from_slice(&head);
            }
            self.ends.push(self.bytes.len());
        }
        Ok(())
    }

    /// The values are the strings of `array` (`Utf8`, `LargeUtf8` or `Utf8View`).
    pub(super) fn fill_direct(&mut self, array: &ArrayRef) {
        self.shape = Shape::Direct;
        self.rows = array.len();
        self.direct = Some(ArrayRef::clone(array));
    }

    /// For the frame writer.
    pub(super) fn source(&self) -> Source<'_> {
        match self.shape {
            Shape::Absent => Source::Absent,
            Shape::Short => Source::Short(&self.short),
            Shape::Wide => Source::Wide(&self.wide),
            Shape::Long => Source::Long(&self.ends, &self.bytes),
            Shape::Direct => match &self.direct {
                Some(array) => {
                    if let Some(strings) = array.as_string_opt::<i32>() {
                        Source::Utf8(strings)
                    } else if let Some(strings) = array.as_string_view_opt() {
                        Source::View(strings)
                    } else {
                        array.as_string_opt::<i64>().map_or(Source::Absent, Source::LargeUtf8)
                    }
                }
                None => Source::Absent,
            },
        }
    }

    /// The value of a row without its length; `None` is NULL.
    pub(super) fn get(&self, row: usize) -> Option<&[u8]> {
        self.source().get(row)
    }

    /// Escapes or quotes the values for COPY. `plain` says that they consist of digits, letters and the like.
    pub(super) fn escape(&mut self, encoder: &copy::Encoder, column: usize, plain: bool) {
        if plain && encoder.is_plain(column) || self.shape == Shape::Absent || self.stand_as_they_are(encoder, column) {
            return;
        }
        let mut escaped = Self::default();
        for row in 0..self.rows {
            let start = escaped.bytes.len();
            escaped.bytes.extend_from_slice(&NULL);
            if let Some(value) = self.get(row) {
                encoder.value(column, value, &mut escaped.bytes);
                let count = (escaped.bytes.len() - start - HEAD) as u32;
                escaped.bytes[start..start + HEAD].copy_from_slice(&count.to_be_bytes());
            }
            escaped.ends.push(escaped.bytes.len());
        }
        self.shape = Shape::Long;
        self.ends = escaped.ends;
        self.bytes = escaped.bytes;
    }

    /// Whether a block of strings has nothing to escape: one look over all its bytes.
    fn stand_as_they_are(&self, encoder: &copy::Encoder, column: usize) -> bool {
        if self.shape != Shape::Direct || !encoder.goes_by_bytes(column) {
            return false;
        }
        let empty_is_null = encoder.options().null.is_empty();
        // Written so that it is done for many bytes at a time.
        let clean = |bytes: &[u8]| !bytes.iter().fold(false, |found, byte| found | encoder.is_special(*byte));
        match self.source() {
            Source::Utf8(strings) => {
                let offsets = strings.value_offsets();
                let (first, last) = (offsets[0] as usize, offsets[strings.len()] as usize);
                let empty = |row: usize| offsets[row] == offsets[row + 1] && strings.is_valid(row);
                clean(&strings.value_data()[first..last]) && !(empty_is_null && (0..strings.len()).any(empty))
            }
            Source::View(strings) => strings.views().iter().enumerate().all(|(row, view)| {
                let length = *view as u32 as usize;
                if length <= 12 {
                    // Of a NULL the view may be anything.
                    let short = (view >> 32).to_le_bytes();
                    return strings.is_null(row) || clean(&short[..length]) && !(empty_is_null && length == 0);
                }
                if strings.is_null(row) {
                    return true;
                }
                let view = ByteView::from(*view);
                let rest = &strings.data_buffers()[view.buffer_index as usize][view.offset as usize..];
                // A fixed number of bytes is quicker to look at, though what follows the value is among them.
                match rest.first_chunk::<32>() {
                    Some(chunk) if length <= 32 => clean(chunk) || clean(&rest[..length]),
                    _ => clean(&rest[..length]),
                }
            }),
            Source::Absent | Source::Short(_) | Source::Wide(_) | Source::Long(..) | Source::LargeUtf8(_) => false,
        }
    }
}

/// The value in a slot.
fn in_slot(slot: &[u8]) -> Option<&[u8]> {
    let (head, body) = slot.split_first_chunk::<HEAD>()?;
    let count = i32::from_be_bytes(*head);
    body.get(..usize::try_from(count).ok()?)
}

impl<'a> Source<'a> {
    /// The value of a row without its length; `None` is NULL.
    pub(super) fn get(&self, row: usize) -> Option<&'a [u8]> {
        match self {
            Source::Absent => None,
            Source::Short(slots) => in_slot(&slots[row]),
            Source::Wide(slots) => in_slot(&slots[row]),
            Source::Long(ends, bytes) => {
                let start = if row == 0 { 0 } else { ends[row - 1] };
                in_slot(&bytes[start..ends[row]])
            }
            Source::Utf8(strings) => strings.is_valid(row).then(|| strings.value(row).as_bytes()),
            Source::LargeUtf8(strings) => strings.is_valid(row).then(|| strings.value(row).as_bytes()),
            Source::View(strings) => strings.is_valid(row).then(|| strings.value(row).as_bytes()),
        }
    }
}
