//! COPY's conversation: CopyData frames one way or the other, within a simple or an extended query.
//!
//! What a client sends after its COPY has failed is skipped by the connection's loop: data messages have no
//! meaning there, and in the extended protocol nothing has until Sync.

use warpwise_engine::copy::CopyOptions;
use warpwise_engine::error::{Condition, Error};
use warpwise_engine::{CopyIn, Rows, Tag};

use crate::backend;
use crate::connection::Connection;
use crate::encoding::Encoding;
use crate::error::{Failure, guard, guard_now, violation};
use crate::frames::Kind;
use crate::inbox::Arrival;
use crate::message::Message;
use crate::stream::{Progress, RowStream};

impl Connection {
    /// COPY ... TO STDOUT; CommandComplete is left to the caller.
    pub(crate) async fn copy_out(&mut self, rows: Rows, options: CopyOptions) -> Result<Tag, Failure> {
        let columns = rows.columns().clone();
        let encoding = guard_now(|| Encoding::copy(&columns, options, &self.session))?;
        backend::copy_out_response(&mut self.out.buffer, columns.len());
        encoding.start(&mut self.out.buffer)?;
        let mut stream = RowStream::new(rows, encoding);
        let sent = match stream.send(None, &mut self.out, &self.session.cancelled()).await? {
            Progress::Finished(sent) => sent,
            // Without a limit there is no suspension.
            Progress::Suspended => 0,
        };
        backend::copy_done(&mut self.out.buffer);
        Ok(Tag { verb: "COPY", rows: Some(sent) })
    }

    /// COPY ... FROM STDIN; CommandComplete is left to the caller.
    pub(crate) async fn copy_in(&mut self, mut copy: CopyIn) -> Result<Tag, Failure> {
        backend::copy_in_response(&mut self.out.buffer, copy.column_count());
        self.out.flush().await?;
        let cancelled = self.session.cancelled();
        loop {
            let arrival = tokio::select! {
                biased;
                () = cancelled.cancelled() => {
                    // The engine knows whether a client or a timeout did it.
                    guard(copy.push(&[])).await?;
                    return Err(Error::new(Condition::QueryCanceled, "canceling statement due to user request").into());
                }
                arrival = self.inbox.next() => arrival,
            };
            let frame = match arrival {
                Some(Arrival::Frame(frame)) => frame,
                Some(Arrival::Violation(error)) => return Err(Failure::Fatal(error)),
                None => return Err(Failure::Gone),
            };
            match frame.kind {
                Kind::CopyData | Kind::CopyDone | Kind::CopyFail => match Message::decode(frame.kind, frame.body)? {
                    Message::CopyData(data) => guard(copy.push(&data)).await?,
                    Message::CopyDone => return Ok(guard(copy.finish(&mut self.session)).await?),
                    Message::CopyFail(reason) => return Err(copy.abort(&reason).into()),
                    other => return Err(Error::internal(format!("a message of COPY was decoded as {other:?}")).into()),
                },
                Kind::Flush | Kind::Sync => {}
                Kind::Terminate => return Err(Failure::Gone),
                Kind::Query
                | Kind::Parse
                | Kind::Bind
                | Kind::Describe
                | Kind::Execute
                | Kind::Close
                | Kind::FunctionCall
                | Kind::Password => {
                    let message = format!("unexpected message type 0x{:02X} during COPY from stdin", frame.kind.byte());
                    return Err(violation(message).into());
                }
            }
        }
    }
}
