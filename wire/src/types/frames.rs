//! Cells side by side: the frames of a block of rows.
//!
//! Frames are laid out in a buffer that is large enough beforehand, so that nothing is checked or grown per value but
//! the bounds that slices check. Short values are copied with whatever stands after them, 32 bytes at a time: the
//! next value overwrites the surplus.

use arrow::array::{Array, ByteView, StringViewArray};
use bytes::{BufMut, BytesMut};
use warpwise_engine::error::{Condition, Error, Result};

use super::cells::{HEAD, NULL, SHORT, Source, WIDE};

/// How far a copy may write past its value.
const SLACK: usize = 64;
/// More than this is not kept for the next block.
const KEEP: usize = 4 << 20;

/// Shrinks a buffer that a block of long values made large.
pub(super) fn give_back(buffer: &mut Vec<u8>) {
    if buffer.len() > KEEP {
        *buffer = Vec::new();
    }
}

impl Source<'_> {
    /// At least the bytes that `rows` values take, lengths included.
    fn room(&self, rows: usize) -> usize {
        match self {
            Source::Absent => rows * HEAD,
            Source::Short(_) => rows * SHORT,
            Source::Wide(_) => rows * WIDE,
            Source::Long(_, bytes) => bytes.len(),
            Source::Utf8(strings) => {
                let offsets = strings.value_offsets();
                rows * HEAD + (offsets[rows] - offsets[0]) as usize
            }
            Source::LargeUtf8(strings) => {
                let offsets = strings.value_offsets();
                rows * HEAD + (offsets[rows] - offsets[0]) as usize
            }
            Source::View(strings) => rows * HEAD + strings.views().iter().map(|view| *view as u32 as usize).sum::<usize>(),
        }
    }

    /// Writes the length and bytes of a value at `at`; returns where they end.
    #[inline]
    fn put(&self, row: usize, out: &mut [u8], at: usize) -> usize {
        match self {
            Source::Absent => put_null(out, at),
            Source::Short(slots) => {
                let slot = &slots[row];
                put_chunk(slot, out, at);
                at + HEAD + count(slot)
            }
            Source::Wide(slots) => {
                let slot = &slots[row];
                put_chunk(slot, out, at);
                at + HEAD + count(slot)
            }
            Source::Long(ends, bytes) => {
                let start = if row == 0 { 0 } else { ends[row - 1] };
                put_part(bytes, start, ends[row], out, at)
            }
            Source::Utf8(strings) => {
                if strings.is_null(row) {
                    return put_null(out, at);
                }
                let offsets = strings.value_offsets();
                put_value(strings.value_data(), offsets[row] as usize, offsets[row + 1] as usize, out, at)
            }
            Source::LargeUtf8(strings) => {
                if strings.is_null(row) {
                    return put_null(out, at);
                }
                let offsets = strings.value_offsets();
                put_value(strings.value_data(), offsets[row] as usize, offsets[row + 1] as usize, out, at)
            }
            Source::View(strings) => {
                if strings.is_null(row) {
                    return put_null(out, at);
                }
                put_view(strings, row, out, at)
            }
        }
    }

    /// Writes the bytes of a value, or `null`, at `at`; returns where they end.
    #[inline]
    fn put_bare(&self, row: usize, null: &[u8], out: &mut [u8], at: usize) -> usize {
        match self {
            Source::Short(slots) => {
                let (head, value) = split_slot::<SHORT, { SHORT - HEAD }>(&slots[row]);
                if head != NULL {
                    put_chunk(value, out, at);
                    return at + u32::from_be_bytes(head) as usize;
                }
            }
            Source::Wide(slots) => {
                let (head, value) = split_slot::<WIDE, { WIDE - HEAD }>(&slots[row]);
                if head != NULL {
                    put_chunk(value, out, at);
                    return at + u32::from_be_bytes(head) as usize;
                }
            }
            Source::Long(ends, bytes) => {
                let start = if row == 0 { 0 } else { ends[row - 1] };
                if bytes[start..start + HEAD] != NULL {
                    return put_part(bytes, start + HEAD, ends[row], out, at);
                }
            }
            Source::Utf8(strings) => {
                if strings.is_valid(row) {
                    let offsets = strings.value_offsets();
                    return put_part(strings.value_data(), offsets[row] as usize, offsets[row + 1] as usize, out, at);
                }
            }
            Source::View(strings) => {
                if strings.is_valid(row) {
                    let view = strings.views()[row];
                    let length = view as u32 as usize;
                    if length <= 12 {
                        put_chunk(&(view >> 32).to_le_bytes(), out, at);
                        return at + length;
                    }
                    let view = ByteView::from(view);
                    let start = view.offset as usize;
                    return put_part(&strings.data_buffers()[view.buffer_index as usize], start, start + length, out, at);
                }
            }
            Source::Absent | Source::LargeUtf8(_) => {
                if let Some(value) = self.get(row) {
                    return put_part(value, 0, value.len(), out, at);
                }
            }
        }
        put_part(null, 0, null.len(), out, at)
    }
}

/// Copies a number of bytes that the compiler knows, which takes no call. There is room for them: see [`SLACK`].
#[inline(always)]
fn put_chunk<const N: usize>(bytes: &[u8; N], out: &mut [u8], at: usize) {
    match out[at..].first_chunk_mut::<N>() {
        Some(room) => *room = *bytes,
        None => debug_assert!(false, "no room for {N} bytes"),
    }
}

/// A slot's length and what follows it.
#[inline(always)]
fn split_slot<const N: usize, const M: usize>(slot: &[u8; N]) -> ([u8; HEAD], &[u8; M]) {
    const { assert!(N == M + HEAD) };
    match (slot.first_chunk::<HEAD>(), slot.last_chunk::<M>()) {
        (Some(head), Some(value)) => (*head, value),
        _ => (NULL, &[0; M]),
    }
}

#[inline]
fn count(slot: &[u8]) -> usize {
    // -1, for NULL, counts as nothing.
    i32::from_be_bytes([slot[0], slot[1], slot[2], slot[3]]).max(0) as usize
}

#[inline]
fn put_null(out: &mut [u8], at: usize) -> usize {
    put_chunk(&NULL, out, at);
    at + HEAD
}

/// Copies `from[start..end]` to `at`; returns where it ends there.
#[inline]
fn put_part(from: &[u8], start: usize, end: usize, out: &mut [u8], at: usize) -> usize {
    let count = end - start;
    if count <= 32
        && let Some(chunk) = from[start..].first_chunk::<32>()
    {
        put_chunk(chunk, out, at);
    } else if count <= 64
        && let Some(chunk) = from[start..].first_chunk::<64>()
    {
        put_chunk(chunk, out, at);
    } else {
        out[at..at + count].copy_from_slice(&from[start..end]);
    }
    at + count
}

#[inline]
fn put_value(from: &[u8], start: usize, end: usize, out: &mut [u8], at: usize) -> usize {
    put_chunk(&((end - start) as u32).to_be_bytes(), out, at);
    put_part(from, start, end, out, at + HEAD)
}

#[inline]
fn put_view(strings: &StringViewArray, row: usize, out: &mut [u8], at: usize) -> usize {
    let view = strings.views()[row];
    let length = view as u32 as usize;
    if length <= 12 {
        put_chunk(&(length as u32).to_be_bytes(), out, at);
        // A short string stands in the view itself, after its length.
        put_chunk(&(view >> 32).to_le_bytes(), out, at + HEAD);
        return at + HEAD + length;
    }
    let view = ByteView::from(view);
    let start = view.offset as usize;
    put_value(&strings.data_buffers()[view.buffer_index as usize], start, start + length, out, at)
}

fn too_long() -> Error {
    Error::new(Condition::ProgramLimitExceeded, "a row exceeds 2 GB")
}

fn enlarge(frames: &mut Vec<u8>, room: usize) {
    if frames.len() < room {
        frames.resize(room, 0);
    }
}

/// DataRow frames of `rows` rows at the start of `frames`; returns their length.
pub(super) fn data_rows(sources: &[Source<'_>], rows: usize, frames: &mut Vec<u8>) -> Result<usize> {
    let columns = u16::try_from(sources.len()).map_err(|_| Error::internal("a result of more than 65535 columns"))?;
    enlarge(frames, rows * 7 + sources.iter().map(|source| source.room(rows)).sum::<usize>() + SLACK);
    let out = frames.as_mut_slice();
    let mut at = 0;
    for row in 0..rows {
        let start = at;
        at += 7;
        for source in sources {
            at = source.put(row, out, at);
        }
        let length = i32::try_from(at - start - 1).map_err(|_| too_long())?;
        out[start] = b'D';
        out[start + 1..start + 5].copy_from_slice(&length.to_be_bytes());
        out[start + 5..start + 7].copy_from_slice(&columns.to_be_bytes());
    }
    Ok(at)
}

/// CopyData frames of `rows` lines at the start of `frames`; returns their length.
pub(super) fn copy_rows(sources: &[Source<'_>], rows: usize, delimiter: u8, null: &[u8], frames: &mut Vec<u8>) -> Result<usize> {
    let room = |source: &Source<'_>| source.room(rows) + rows * (1 + null.len());
    enlarge(frames, rows * 7 + sources.iter().map(room).sum::<usize>() + SLACK);
    let out = frames.as_mut_slice();
    let mut at = 0;
    for row in 0..rows {
        let start = at;
        at += 5;
        for source in sources {
            at = source.put_bare(row, null, out, at);
            out[at] = delimiter;
            at += 1;
        }
        // The last delimiter gives way to the line's end.
        if sources.is_empty() {
            at += 1;
        }
        out[at - 1] = b'\n';
        let length = i32::try_from(at - start - 1).map_err(|_| too_long())?;
        out[start] = b'd';
        out[start + 1..start + 5].copy_from_slice(&length.to_be_bytes());
    }
    Ok(at)
}

/// Appends one CopyData frame.
pub(super) fn copy_data(payload: &[u8], out: &mut BytesMut) -> Result<()> {
    let length = i32::try_from(payload.len() + 4).map_err(|_| too_long())?;
    out.put_u8(b'd');
    out.put_i32(length);
    out.extend_from_slice(payload);
    Ok(())
}
