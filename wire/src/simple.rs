//! The simple protocol: one text of any number of statements, results in text.
//!
//! A text that does not parse runs nothing. Statements run in turn within one implicit transaction, which
//! commits before the last CommandComplete is sent, so that a commit that fails is the last statement's
//! failure; an error ends the message.

use warpwise_engine::error::{Condition, Error};
use warpwise_engine::{Outcome, Source, Statement};

use crate::backend;
use crate::connection::Connection;
use crate::encoding::{Encoding, Format};
use crate::error::{Failure, guard, guard_now};
use crate::portal::Formats;
use crate::stream::{Progress, RowStream};

impl Connection {
    /// Runs the statements of a Query message; ReadyForQuery is left to the caller.
    pub(crate) async fn query(&mut self, text: &str) -> Result<(), Failure> {
        self.session.begin_statement();
        // As in PostgreSQL, the unnamed ones end here.
        self.portals.remove("");
        self.session.close_statement("");

        let mut statements = guard_now(|| self.session.parse(text))?;
        statements.retain(|statement| !statement.is_empty());
        let Some(last) = statements.pop() else {
            guard(self.session.sync()).await?;
            backend::empty_query_response(&mut self.out.buffer);
            return Ok(());
        };
        for statement in statements {
            self.statement(statement, false).await?;
        }
        self.statement(last, true).await
    }

    async fn statement(&mut self, statement: Statement, last: bool) -> Result<(), Failure> {
        let prepared = guard(self.session.prepare(statement, &[])).await?;
        if !prepared.parameters().is_empty() {
            return Err(Error::new(Condition::UndefinedParameter, "there is no parameter $1").into());
        }
        let tag = match guard(self.session.execute(&prepared, Vec::new(), Source::Simple)).await? {
            Outcome::Empty => None,
            Outcome::Complete(tag) => Some(tag),
            Outcome::Rows(rows) => {
                let columns = rows.columns().clone();
                backend::row_description(&mut self.out.buffer, &columns, |_| Format::Text);
                let encoding = Encoding::rows(&columns, &Formats::All(Format::Text), &self.session);
                let mut stream = RowStream::new(rows, encoding);
                let sent = match stream.send(None, &mut self.out, &self.session.cancelled()).await? {
                    Progress::Finished(sent) => sent,
                    // Without a limit there is no suspension.
                    Progress::Suspended => 0,
                };
                Some(stream.tag(sent))
            }
            Outcome::CopyOut { rows, options } => Some(self.copy_out(rows, options).await?),
            Outcome::CopyIn(copy) => Some(self.copy_in(*copy).await?),
        };
        if last {
            guard(self.session.sync()).await?;
        }
        self.close_portals();
        match tag {
            Some(tag) => self.complete(&tag),
            None => backend::empty_query_response(&mut self.out.buffer),
        }
        Ok(())
    }
}
