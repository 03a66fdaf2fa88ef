//! What is on its way to the client: one buffer of whole messages, and the socket.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::OwnedWriteHalf;
use tokio_util::sync::CancellationToken;

/// From this many bytes on, the buffer is sent.
pub(crate) const FULL: usize = 128 << 10;
/// A buffer above this is given back between queries, so that idle connections stay small.
const KEPT: usize = 64 << 10;
/// How long a client may take for a farewell.
const FAREWELL: Duration = Duration::from_secs(1);

/// The sending side of a connection.
///
/// Only whole messages are appended to the buffer; a part of it may have been sent when a send is given up, and
/// the rest goes out with the next one. So a message can always be added.
pub(crate) struct Output {
    socket: OwnedWriteHalf,
    pub(crate) buffer: BytesMut,
}

impl Output {
    /// An empty buffer before `socket`.
    pub(crate) fn new(socket: OwnedWriteHalf) -> Self {
        Self { socket, buffer: BytesMut::new() }
    }

    /// Sends all that is buffered. Safe to give up and to call again.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        while !self.buffer.is_empty() {
            if self.socket.write_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }

    /// [`flush`](Self::flush), given up when `token` fires; false in that case.
    pub(crate) async fn flush_unless(&mut self, token: &CancellationToken) -> io::Result<bool> {
        tokio::select! {
            biased;
            done = self.flush() => done.map(|()| true),
            () = token.cancelled() => Ok(false),
        }
    }

    /// Gives a large buffer back once it is empty.
    pub(crate) fn shrink(&mut self) {
        if self.buffer.is_empty() && self.buffer.capacity() > KEPT {
            self.buffer = BytesMut::new();
        }
    }

    /// Sends what is buffered and ends the stream, as far as the client takes it in time.
    pub(crate) async fn finish(&mut self) {
        let farewell = async {
            self.flush().await?;
            self.socket.shutdown().await
        };
        // Nothing is left to tell a client that did not take it.
        let _ = tokio::time::timeout(FAREWELL, farewell).await;
    }
}
