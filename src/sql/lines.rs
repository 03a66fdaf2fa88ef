//! Lines of input, as text or as bytes.

use std::io::{self, BufRead};

/// What a shell reads.
pub struct Lines<'a>(Box<dyn BufRead + 'a>);

impl<'a> Lines<'a> {
    /// Lines of a reader.
    pub fn new(reader: impl BufRead + 'a) -> Self {
        Self(Box::new(reader))
    }

    /// The next line with its line end; none at the end.
    pub fn next(&mut self) -> io::Result<Option<String>> {
        let Some(bytes) = self.next_bytes()? else { return Ok(None) };
        String::from_utf8(bytes).map(Some).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "a line is not UTF-8"))
    }

    /// The next line with its line end, whatever its bytes are.
    pub fn next_bytes(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        self.0.read_until(b'\n', &mut line)?;
        Ok((!line.is_empty()).then_some(line))
    }
}
