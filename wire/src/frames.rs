//! Frames off a socket: type, length, body, checked before anything is allocated for them.
//!
//! A header that cannot be right ends the connection, since what follows cannot be told apart. Buffers grow
//! with the bytes that have arrived, never with the length that a client announces. What is inside a
//! body is `message`'s affair.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};
use warpwise_engine::error::Error;

use crate::error::violation;

/// The longest startup packet, as PostgreSQL has it.
const MAX_STARTUP_PACKET: usize = 10_000;
/// The longest body of a message that carries neither a statement nor data, as PostgreSQL has it.
const MAX_SMALL_BODY: usize = 10_000;
/// The longest answer to an authentication request, as PostgreSQL has it.
const MAX_PASSWORD_BODY: usize = 65_535;
/// How much is asked of the socket at a time.
const READ_SIZE: usize = 16 << 10;
/// Bodies above this get a buffer of their own, so that the shared one stays small.
const LARGE_BODY: usize = 64 << 10;

/// The messages that a client may send once it has started up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Query,
    Parse,
    Bind,
    Describe,
    Execute,
    Close,
    Flush,
    Sync,
    Terminate,
    CopyData,
    CopyDone,
    CopyFail,
    FunctionCall,
    Password,
}

impl Kind {
    fn of(byte: u8) -> Option<Self> {
        Some(match byte {
            b'Q' => Kind::Query,
            b'P' => Kind::Parse,
            b'B' => Kind::Bind,
            b'D' => Kind::Describe,
            b'E' => Kind::Execute,
            b'C' => Kind::Close,
            b'H' => Kind::Flush,
            b'S' => Kind::Sync,
            b'X' => Kind::Terminate,
            b'd' => Kind::CopyData,
            b'c' => Kind::CopyDone,
            b'f' => Kind::CopyFail,
            b'F' => Kind::FunctionCall,
            b'p' => Kind::Password,
            _ => return None,
        })
    }

    /// The byte that it has on the wire.
    pub(crate) fn byte(self) -> u8 {
        match self {
            Kind::Query => b'Q',
            Kind::Parse => b'P',
            Kind::Bind => b'B',
            Kind::Describe => b'D',
            Kind::Execute => b'E',
            Kind::Close => b'C',
            Kind::Flush => b'H',
            Kind::Sync => b'S',
            Kind::Terminate => b'X',
            Kind::CopyData => b'd',
            Kind::CopyDone => b'c',
            Kind::CopyFail => b'f',
            Kind::FunctionCall => b'F',
            Kind::Password => b'p',
        }
    }

    /// Whether an error in it makes the server skip to the next Sync.
    pub(crate) fn skips_to_sync(self) -> bool {
        match self {
            Kind::Parse | Kind::Bind | Kind::Describe | Kind::Execute | Kind::Close | Kind::Flush => true,
            Kind::Query
            | Kind::Sync
            | Kind::Terminate
            | Kind::CopyData
            | Kind::CopyDone
            | Kind::CopyFail
            | Kind::FunctionCall
            | Kind::Password => false,
        }
    }

    fn longest_body(self, limit: usize) -> usize {
        match self {
            Kind::Query | Kind::Parse | Kind::Bind | Kind::CopyData | Kind::FunctionCall => limit,
            Kind::Password => MAX_PASSWORD_BODY.min(limit),
            Kind::Describe
            | Kind::Execute
            | Kind::Close
            | Kind::Flush
            | Kind::Sync
            | Kind::Terminate
            | Kind::CopyDone
            | Kind::CopyFail => MAX_SMALL_BODY.min(limit),
        }
    }
}

/// What stands before a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    /// Bytes of the body that follows.
    pub(crate) body: usize,
}

/// Why there is no frame.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// The socket ended or failed.
    Closed,
    /// What arrived is no frame, and nothing after it can be.
    Violation(Box<Error>),
}

impl ReadError {
    fn violation(message: impl Into<String>) -> Self {
        ReadError::Violation(Box::new(violation(message)))
    }
}

/// Cuts a stream of bytes into frames.
pub(crate) struct FrameReader<R> {
    source: R,
    buffer: BytesMut,
    max_message: usize,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    /// A reader that takes no body above `max_message` bytes.
    pub(crate) fn new(source: R, max_message: usize) -> Self {
        Self { source, buffer: BytesMut::new(), max_message }
    }

    /// Where the bytes come from.
    pub(crate) fn source(&self) -> &R {
        &self.source
    }

    /// Reads until `wanted` bytes are in the buffer; false where the stream ends before.
    async fn fill(&mut self, wanted: usize) -> Result<bool, ReadError> {
        while self.buffer.len() < wanted {
            self.buffer.reserve(READ_SIZE);
            match self.source.read_buf(&mut self.buffer).await {
                Ok(0) | Err(_) => return Ok(false),
                Ok(_) => {}
            }
        }
        Ok(true)
    }

    /// The next packet without a type, as clients send before they have started up; without its length.
    pub(crate) async fn startup_packet(&mut self) -> Result<BytesMut, ReadError> {
        if !self.fill(4).await? {
            return Err(ReadError::Closed);
        }
        let length = self.buffer.get_u32() as usize;
        if !(8..=MAX_STARTUP_PACKET).contains(&length) {
            return Err(ReadError::violation("invalid length of startup packet"));
        }
        if !self.fill(length - 4).await? {
            return Err(ReadError::Closed);
        }
        Ok(self.buffer.split_to(length - 4))
    }

    /// The next header; None where the stream ended between two frames.
    pub(crate) async fn header(&mut self) -> Result<Option<Header>, ReadError> {
        if !self.fill(1).await? {
            return Ok(None);
        }
        let byte = self.buffer[0];
        let kind = Kind::of(byte).ok_or_else(|| ReadError::violation(format!("invalid frontend message type {byte}")))?;
        if !self.fill(5).await? {
            return Err(ReadError::Closed);
        }
        self.buffer.advance(1);
        let length = self.buffer.get_i32();
        let body = match usize::try_from(length) {
            Ok(length) if length >= 4 => length - 4,
            Ok(_) | Err(_) => return Err(ReadError::violation("invalid message length")),
        };
        let longest = kind.longest_body(self.max_message);
        if body > longest {
            return Err(ReadError::violation(format!("message of {body} bytes exceeds the limit of {longest} bytes")));
        }
        Ok(Some(Header { kind, body }))
    }

    /// The body that a header announced.
    pub(crate) async fn body(&mut self, length: usize) -> Result<BytesMut, ReadError> {
        if length <= LARGE_BODY {
            return if self.fill(length).await? { Ok(self.buffer.split_to(length)) } else { Err(ReadError::Closed) };
        }
        // Doubles with what has arrived, and ends at exactly `length`.
        let mut body = Vec::new();
        let ready = self.buffer.len().min(length);
        body.reserve_exact(LARGE_BODY.max(ready));
        body.extend_from_slice(&self.buffer.split_to(ready));
        while body.len() < length {
            let missing = length - body.len();
            if body.len() == body.capacity() {
                body.reserve_exact(missing.min(body.len()));
            }
            let room = missing.min(body.capacity() - body.len());
            match self.source.read_buf(&mut (&mut body).limit(room)).await {
                Ok(0) | Err(_) => return Err(ReadError::Closed),
                Ok(_) => {}
            }
        }
        Ok(BytesMut::from(Bytes::from(body)))
    }

    /// Reads and forgets until the stream ends.
    pub(crate) async fn discard(&mut self) {
        loop {
            self.buffer.clear();
            self.buffer.reserve(READ_SIZE);
            if matches!(self.source.read_buf(&mut self.buffer).await, Ok(0) | Err(_)) {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(bytes: &[u8]) -> FrameReader<&[u8]> {
        FrameReader::new(bytes, 1 << 20)
    }

    async fn refusal(bytes: &[u8]) -> String {
        match reader(bytes).header().await {
            Err(ReadError::Violation(error)) => error.message,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn frames_are_cut_where_their_lengths_say() {
        let mut reader = reader(b"Q\0\0\0\x09abcd\0S\0\0\0\x04");
        assert_eq!(reader.header().await.unwrap(), Some(Header { kind: Kind::Query, body: 5 }));
        assert_eq!(&reader.body(5).await.unwrap()[..], b"abcd\0");
        assert_eq!(reader.header().await.unwrap(), Some(Header { kind: Kind::Sync, body: 0 }));
        assert!(reader.body(0).await.unwrap().is_empty());
        assert_eq!(reader.header().await.unwrap(), None);
    }

    #[tokio::test]
    async fn impossible_headers_are_refused_before_their_body() {
        assert_eq!(refusal(b"\x01").await, "invalid frontend message type 1");
        assert_eq!(refusal(b"Q\0\0\0\x03").await, "invalid message length");
        assert_eq!(refusal(b"Q\xff\xff\xff\xff").await, "invalid message length");
        assert_eq!(refusal(b"Q\x7f\xff\xff\xff").await, "message of 2147483643 bytes exceeds the limit of 1048576 bytes");
        assert_eq!(refusal(b"S\0\0\x27\x15").await, "message of 10001 bytes exceeds the limit of 10000 bytes");
    }

    #[tokio::test]
    async fn a_cut_frame_is_a_closed_socket() {
        assert!(matches!(reader(b"Q\0\0").header().await, Err(ReadError::Closed)));
        assert!(matches!(reader(b"ab").body(3).await, Err(ReadError::Closed)));
        assert!(matches!(reader(b"ab").body(1 << 20).await, Err(ReadError::Closed)));
        assert!(matches!(reader(b"\0\0\0\x09abc").startup_packet().await, Err(ReadError::Closed)));
        assert!(matches!(reader(b"GET / HTTP/1.1\r\n").startup_packet().await, Err(ReadError::Violation(_))));
    }

    #[tokio::test]
    async fn large_bodies_take_no_more_than_they_are_long() {
        let length = 300_000;
        let mut bytes: Vec<u8> = (0..length).map(|i| i as u8).collect();
        bytes.extend_from_slice(b"X\0\0\0\x04");
        let mut reader = reader(&bytes);
        let body = reader.body(length).await.unwrap();
        assert_eq!(&body[..], &bytes[..length]);
        assert!(body.capacity() <= length);
        assert_eq!(reader.header().await.unwrap(), Some(Header { kind: Kind::Terminate, body: 0 }));
    }
}
