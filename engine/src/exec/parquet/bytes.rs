//! The bytes of a column chunk, read from its file at once.

use std::fs::File;
use std::io::{Cursor, Read, Seek, SeekFrom};

use bytes::Bytes;
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};

/// A part of a file, addressed as in the file.
pub struct Part {
    start: u64,
    bytes: Bytes,
}

impl Part {
    /// Reads `length` bytes from `start` on.
    pub fn read(mut file: &File, start: u64, length: u64) -> Result<Self> {
        let end = file.metadata()?.len();
        // What a file says of itself asks for no memory beyond its size.
        if start.checked_add(length).is_none_or(|last| last > end) {
            return Err(ParquetError::EOF("a column lies beyond the end of the file".to_owned()));
        }
        let mut bytes = Vec::with_capacity(length as usize);
        file.seek(SeekFrom::Start(start))?;
        file.take(length).read_to_end(&mut bytes)?;
        Ok(Self { start, bytes: bytes.into() })
    }

    fn rest(&self, start: u64) -> Result<Bytes> {
        let at = start.checked_sub(self.start).and_then(|at| usize::try_from(at).ok()).filter(|at| *at <= self.bytes.len());
        at.map(|at| self.bytes.slice(at..)).ok_or_else(|| ParquetError::EOF("a page lies outside of its column".to_owned()))
    }
}

impl Length for Part {
    fn len(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

impl ChunkReader for Part {
    type T = Cursor<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        self.rest(start).map(Cursor::new)
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let bytes = self.rest(start)?;
        if length > bytes.len() {
            return Err(ParquetError::EOF("a page lies outside of its column".to_owned()));
        }
        Ok(bytes.slice(..length))
    }
}
