//! What has arrived and waits to be handled.
//!
//! A task of its own reads frames ahead of the connection. It is bounded by the bytes it holds, and it notices
//! the end of the stream even while a query runs and even while it has no room to read. Statements that
//! were sent in full just before a client closed its side get a moment to finish, as a COMMIT sent as the last
//! thing should; then the connection is [gone](Inbox::gone) and what still runs is dropped.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::Interest;
use tokio::net::tcp::OwnedReadHalf;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use warpwise_engine::error::Error;

use crate::frames::{FrameReader, Kind, ReadError};

/// Bytes that may wait; one frame above it waits alone.
const ROOM: usize = 1 << 20;
/// What a frame counts at least, so that empty ones are bounded too.
const LEAST: usize = 256;
/// How long statements may go on after the client has closed its side.
const GRACE: Duration = Duration::from_millis(50);
/// How often a full inbox looks whether the client is still there.
const LOOK: Duration = Duration::from_millis(50);

/// A message, not yet decoded. It occupies its room until it is dropped.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: Kind,
    pub(crate) body: BytesMut,
    _room: OwnedSemaphorePermit,
}

/// What comes out of an inbox.
#[derive(Debug)]
pub(crate) enum Arrival {
    Frame(Frame),
    /// No frame can follow.
    Violation(Box<Error>),
}

/// The receiving end.
pub(crate) struct Inbox {
    arrivals: UnboundedReceiver<Arrival>,
    gone: CancellationToken,
    task: JoinHandle<()>,
}

impl Inbox {
    /// Starts reading ahead.
    pub(crate) fn start(reader: FrameReader<OwnedReadHalf>) -> Self {
        let (sender, arrivals) = unbounded_channel();
        let gone = CancellationToken::new();
        let task = tokio::spawn(pump(reader, sender, gone.clone()));
        Self { arrivals, gone, task }
    }

    /// The next arrival; None when the stream has ended and all was handled.
    pub(crate) async fn next(&mut self) -> Option<Arrival> {
        self.arrivals.recv().await
    }

    /// Fires when the client is no longer there.
    pub(crate) fn gone(&self) -> CancellationToken {
        self.gone.clone()
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pump(mut reader: FrameReader<OwnedReadHalf>, sender: UnboundedSender<Arrival>, gone: CancellationToken) {
    let room = Arc::new(Semaphore::new(ROOM));
    loop {
        match next(&mut reader, &room).await {
            Ok(frame) => {
                if sender.send(Arrival::Frame(frame)).is_err() {
                    return;
                }
            }
            Err(ReadError::Closed) => break,
            Err(ReadError::Violation(error)) => {
                // Unread bytes would turn the farewell into a reset that the client may see in its stead.
                if sender.send(Arrival::Violation(error)).is_ok() {
                    reader.discard().await;
                }
                break;
            }
        }
    }
    drop(sender);
    tokio::time::sleep(GRACE).await;
    gone.cancel();
}

async fn next(reader: &mut FrameReader<OwnedReadHalf>, room: &Arc<Semaphore>) -> Result<Frame, ReadError> {
    let header = reader.header().await?.ok_or(ReadError::Closed)?;
    let share = header.body.clamp(LEAST, ROOM) as u32;
    let waiting = Arc::clone(room).acquire_many_owned(share);
    tokio::pin!(waiting);
    let room = loop {
        tokio::select! {
            biased;
            permit = &mut waiting => break permit.map_err(|_| ReadError::Closed)?,
            () = tokio::time::sleep(LOOK) => {
                let state = reader.source().ready(Interest::READABLE | Interest::WRITABLE).await;
                if state.map_or(true, |state| state.is_read_closed()) {
                    return Err(ReadError::Closed);
                }
            }
        }
    };
    let body = reader.body(header.body).await?;
    Ok(Frame { kind: header.kind, body, _room: room })
}
