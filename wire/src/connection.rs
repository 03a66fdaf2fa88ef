//! One client, from its first byte to its last.
//!
//! The loop takes one message at a time. Each ends in one of three ways: done; failed, which the client
//! is told, whereupon a simple query is over and an extended one skips to its Sync; or the connection is
//! over. A client that goes away, and a server that ends, drop the loop wherever it waits, and with it
//! the query that runs.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use warpwise_engine::error::{Condition, Error};
use warpwise_engine::{Session, Tag, TransactionStatus};

use crate::backend;
use crate::error::{Failure, Gravity, guard, put_error, put_notice, violation};
use crate::frames::{FrameReader, Kind};
use crate::inbox::{Arrival, Frame, Inbox};
use crate::message::Message;
use crate::output::Output;
use crate::portal::Portal;
use crate::server::Shared;
use crate::startup::{self, Admitted};

/// How long a client may take until it has a session.
const STARTUP: Duration = Duration::from_secs(10);

/// Serves a client to its end.
pub(crate) async fn serve(socket: TcpStream, peer: SocketAddr, shared: Arc<Shared>) {
    prepare(&socket);
    let (reading, writing) = socket.into_split();
    let mut reader = FrameReader::new(reading, shared.max_message);
    let mut out = Output::new(writing);

    let admitted = tokio::select! {
        biased;
        () = shared.stop.cancelled() => return,
        admitted = tokio::time::timeout(STARTUP, startup::admit(&mut reader, &mut out, peer, &shared)) => admitted,
    };
    let Admitted { session, slot } = match admitted {
        Ok(Ok(Some(admitted))) => admitted,
        // A cancel request, or a client that was slower than it may be or went away.
        Ok(Ok(None)) | Err(_) | Ok(Err(Failure::Gone)) => return,
        Ok(Err(Failure::Statement(error) | Failure::Fatal(error))) => {
            tracing::debug!(%peer, %error, "refused");
            put_error(&mut out.buffer, Gravity::Fatal, &error);
            out.finish().await;
            return;
        }
    };
    tracing::debug!(%peer, pid = session.pid(), "connected");

    let inbox = Inbox::start(reader);
    let gone = inbox.gone();
    let mut connection = Connection { session, out, inbox, portals: HashMap::new(), skipping: false };
    let end = tokio::select! {
        biased;
        () = gone.cancelled() => Failure::Gone,
        () = shared.stop.cancelled() => {
            Failure::fatal(Error::new(Condition::AdminShutdown, "terminating connection due to administrator command"))
        }
        end = connection.run() => end,
    };
    tracing::debug!(%peer, pid = connection.session.pid(), ?end, "disconnected");
    match end {
        Failure::Gone => {}
        Failure::Statement(error) | Failure::Fatal(error) => connection.farewell(*error).await,
    }
    drop(slot);
}

fn prepare(socket: &TcpStream) {
    // Answers are written whole. A socket that refuses either option still works.
    let _ = socket.set_nodelay(true);
    let _ = socket2::SockRef::from(socket).set_keepalive(true);
}

/// A client's session and what the protocol keeps beside it.
pub(crate) struct Connection {
    pub(crate) session: Session,
    pub(crate) out: Output,
    pub(crate) inbox: Inbox,
    pub(crate) portals: HashMap<String, Portal>,
    /// After an error in the extended protocol, until Sync.
    skipping: bool,
}

impl Connection {
    /// Handles messages until the connection is over; why it is.
    async fn run(&mut self) -> Failure {
        if let Err(failure) = self.ready().await {
            return failure;
        }
        loop {
            let frame = match self.inbox.next().await {
                Some(Arrival::Frame(frame)) => frame,
                Some(Arrival::Violation(error)) => return Failure::Fatal(error),
                None => return Failure::Gone,
            };
            if let Err(failure) = self.handle(frame).await {
                return failure;
            }
        }
    }

    /// Handles one message, its failure as a statement included.
    async fn handle(&mut self, frame: Frame) -> Result<(), Failure> {
        let kind = frame.kind;
        match kind {
            Kind::Terminate => return Err(Failure::Gone),
            Kind::Password => {
                return Err(Failure::fatal(violation(format!("invalid frontend message type {}", kind.byte()))));
            }
            // What a client still sends after its COPY has failed.
            Kind::CopyData | Kind::CopyDone | Kind::CopyFail => return Ok(()),
            Kind::Sync => self.skipping = false,
            Kind::Query
            | Kind::Parse
            | Kind::Bind
            | Kind::Describe
            | Kind::Execute
            | Kind::Close
            | Kind::Flush
            | Kind::FunctionCall => {
                if self.skipping {
                    return Ok(());
                }
            }
        }
        let handled = match Message::decode(kind, frame.body) {
            Ok(message) => self.dispatch(message).await,
            Err(error) => Err(error.into()),
        };
        match handled {
            Ok(()) => Ok(()),
            Err(Failure::Statement(error)) => {
                self.report(&error);
                if kind.skips_to_sync() {
                    self.skipping = true;
                    Ok(self.out.flush().await?)
                } else {
                    self.ready().await
                }
            }
            Err(failure) => Err(failure),
        }
    }

    async fn dispatch(&mut self, message: Message) -> Result<(), Failure> {
        match message {
            Message::Query(text) => {
                self.query(&text).await?;
                self.ready().await
            }
            Message::Parse(parse) => self.parse(parse).await,
            Message::Bind(bind) => self.bind(bind),
            Message::Describe(target) => self.describe(target),
            Message::Execute { portal, max_rows } => self.execute(portal, max_rows).await,
            Message::Close(target) => self.close(target),
            Message::Flush => Ok(self.out.flush().await?),
            Message::Sync => {
                guard(self.session.sync()).await?;
                // Outside a transaction block, portals end here also where no transaction was begun.
                if !self.close_portals() && matches!(self.session.transaction_status(), TransactionStatus::Idle) {
                    self.portals.clear();
                }
                self.ready().await
            }
            Message::FunctionCall => Err(Error::unsupported("function calls by protocol message are not supported").into()),
            Message::Terminate => Err(Failure::Gone),
            Message::CopyData(_) | Message::CopyDone | Message::CopyFail(_) => Ok(()),
        }
    }

    /// ReadyForQuery, settings that changed before it; everything is sent.
    async fn ready(&mut self) -> Result<(), Failure> {
        self.notices();
        for (name, value) in self.session.take_reports() {
            backend::parameter_status(&mut self.out.buffer, &name, &value);
        }
        self.session.idle();
        backend::ready_for_query(&mut self.out.buffer, self.session.transaction_status());
        self.out.flush().await?;
        self.out.shrink();
        Ok(())
    }

    /// Tells the client of an error, and the session that its statement failed.
    fn report(&mut self, error: &Error) {
        self.notices();
        self.session.fail();
        self.close_portals();
        match self.session.transaction_status() {
            TransactionStatus::Idle | TransactionStatus::InTransaction => self.portals.clear(),
            // Their names stay known until the transaction ends; their queries stop.
            TransactionStatus::Failed => self.portals.values_mut().for_each(Portal::abandon),
        }
        put_error(&mut self.out.buffer, Gravity::Error, error);
    }

    /// CommandComplete, notices before it.
    pub(crate) fn complete(&mut self, tag: &Tag) {
        self.notices();
        backend::command_complete(&mut self.out.buffer, &tag.to_string());
    }

    /// Sends what a statement had to say.
    pub(crate) fn notices(&mut self) {
        for notice in self.session.take_notices() {
            put_notice(&mut self.out.buffer, &notice);
        }
    }

    /// Drops the portals where their transaction ended; whether it did.
    pub(crate) fn close_portals(&mut self) -> bool {
        let closed = self.session.take_closed_portals();
        if closed {
            self.portals.clear();
        }
        closed
    }

    /// Tells the client why the connection ends.
    async fn farewell(&mut self, error: Error) {
        self.portals.clear();
        self.session.fail();
        put_error(&mut self.out.buffer, Gravity::Fatal, &error);
        self.out.finish().await;
    }
}
