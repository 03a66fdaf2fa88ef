//! References to texts in device memory, turned into bytes.
//!
//! The host lays the texts out one behind the other by their lengths, a kernel copies them there, and all of them are read
//! at once: a part at a time, where they are many.

use arrow::buffer::Buffer;

use super::queue::Queue;
use crate::codegen::cuda::{BLOCK, TEXTS};
use crate::column::Column;
use crate::error::{Error, Result};

/// The most bytes of a part, but for a single text that has more.
const PART: u64 = 256 << 20;
/// The most texts of a part.
const ROWS: usize = 1 << 22;
/// Lanes of a warp: each copies a byte at a time.
const WARP: u32 = 32;

/// Texts one behind the other.
#[derive(Debug, Default)]
pub struct Texts {
    /// Where each ends.
    ends: Vec<u64>,
    bytes: Vec<u8>,
}

impl Texts {
    /// The bytes of a text.
    pub fn get(&self, at: usize) -> &[u8] {
        let begin = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.bytes[begin as usize..self.ends[at] as usize]
    }

    /// Adds a text.
    pub fn push(&mut self, text: &[u8]) {
        self.bytes.extend_from_slice(text);
        self.ends.push(self.bytes.len() as u64);
    }

    /// Adds the texts that references lead to, an address and a length each; a NULL is no bytes.
    pub fn read(&mut self, queue: &mut Queue, references: &[Option<(u64, u64)>]) -> Result<()> {
        let most = PART.min(queue.state_room());
        let mut rest = references;
        while !rest.is_empty() {
            let mut bytes = 0;
            let fits = |reference: &&Option<(u64, u64)>| {
                bytes += reference.map_or(0, |(_, length)| length);
                bytes <= most
            };
            let count = rest.iter().take(ROWS).take_while(fits).count().max(1);
            self.read_part(queue, &rest[..count])?;
            rest = &rest[count..];
        }
        Ok(())
    }

    fn read_part(&mut self, queue: &mut Queue, references: &[Option<(u64, u64)>]) -> Result<()> {
        let before = self.bytes.len() as u64;
        let mut words = Vec::with_capacity(2 * references.len());
        let mut offsets = vec![0];
        let mut total = 0;
        for reference in references {
            let (address, length) = reference.unwrap_or((0, 0));
            words.extend([address, length]);
            total += length;
            offsets.push(total);
            self.ends.push(before + total);
        }
        if total == 0 {
            return Ok(());
        }
        let words = queue.upload(&Buffer::from_vec(words))?;
        let offsets = queue.upload(&Buffer::from_vec(offsets))?;
        let to = queue.reserve(total as usize)?;
        let count = references.len() as u64;
        let arguments = [words.address, offsets.address, to.address, count];
        queue.launch(TEXTS, count.div_ceil(u64::from(BLOCK / WARP)), &arguments)?;
        self.bytes.extend(queue.copy_out(to.address, total as usize)?);
        Ok(())
    }

    /// A column of them.
    pub fn column(self, validity: Option<Buffer>) -> Result<Column> {
        let rows = self.ends.len();
        let offset = |end: u64| i32::try_from(end);
        let offsets = std::iter::once(Ok(0)).chain(self.ends.into_iter().map(offset)).collect::<Result<Vec<i32>, _>>();
        let offsets = offsets.map_err(|_| Error::Unsupported("more than 2 GiB of text in one column of a result".to_owned()))?;
        Ok(Column::texts(rows, Buffer::from_vec(offsets), Buffer::from_vec(self.bytes), validity))
    }
}
