//! The extended protocol: Parse, Bind, Describe, Execute, Close.
//!
//! Statements live in the session, where SQL's PREPARE finds them too; portals live here. Nothing is sent
//! before Flush or Sync, but for rows, which stream. An error leaves as soon as it happens.

use pgwire::messages::extendedquery::{Bind, Parse};
use warpwise_engine::error::{Condition, Error};
use warpwise_engine::types::{Base, SqlType};
use warpwise_engine::{Outcome, Source, TransactionStatus};

use crate::backend;
use crate::connection::Connection;
use crate::encoding::Encoding;
use crate::error::{Failure, guard, guard_now};
use crate::message::Target;
use crate::portal::{Portal, State};
use crate::stream::{Progress, RowStream};

impl Connection {
    /// Parse: one statement, analyzed and kept under a name.
    pub(crate) async fn parse(&mut self, parse: Parse) -> Result<(), Failure> {
        self.session.begin_statement();
        let name = parse.name.unwrap_or_default();
        if name.is_empty() {
            // It is replaced, and gone also where the new one fails.
            self.session.close_statement("");
        }
        let mut statements = guard_now(|| self.session.parse(&parse.query))?;
        let statement = match (statements.pop(), statements.is_empty()) {
            (Some(statement), true) => statement,
            (Some(_), false) => return Err(Error::syntax("cannot insert multiple commands into a prepared statement").into()),
            // An empty text is one empty statement.
            (None, _) => return Err(Error::internal("a text gave no statement").into()),
        };
        let types: Vec<Option<SqlType>> = parse.type_oids.iter().map(|oid| declared(*oid)).collect();
        let prepared = guard(self.session.prepare(statement, &types)).await?;
        self.session.store_statement(&name, prepared)?;
        backend::parse_complete(&mut self.out.buffer);
        Ok(())
    }

    /// Bind: a statement and its parameters become a portal.
    pub(crate) fn bind(&mut self, bind: Bind) -> Result<(), Failure> {
        let prepared = self.session.statement(bind.statement_name.as_deref().unwrap_or_default())?;
        self.require_sound_transaction(prepared.ends_transaction())?;
        if let Some(name) = &bind.portal_name
            && self.portals.contains_key(name)
        {
            return Err(Error::new(Condition::DuplicateCursor, format!("cursor \"{name}\" already exists")).into());
        }
        let time_zone = self.session.time_zone();
        let portal = guard_now(|| Portal::bind(prepared, &bind, &time_zone))?;
        self.portals.insert(bind.portal_name.unwrap_or_default(), portal);
        backend::bind_complete(&mut self.out.buffer);
        Ok(())
    }

    /// Describe: types of parameters, columns of the result.
    pub(crate) fn describe(&mut self, target: Target) -> Result<(), Failure> {
        let (prepared, formats) = match target {
            Target::Statement(name) => (self.session.statement(&name)?, None),
            Target::Portal(name) if !self.portals.contains_key(&name) && self.session.described_cursor(&name).is_some() => {
                // Cursors that DECLARE made are portals too.
                if let Some(columns) = self.session.described_cursor(&name) {
                    backend::row_description(&mut self.out.buffer, &columns, |_| crate::encoding::Format::Text);
                }
                return Ok(());
            }
            Target::Portal(name) => {
                let portal = self.portals.get(&name).ok_or_else(|| no_portal(&name))?;
                (portal.prepared.clone(), Some(portal.formats.clone()))
            }
        };
        if prepared.columns().is_some() {
            self.require_sound_transaction(false)?;
        }
        let out = &mut self.out.buffer;
        if formats.is_none() {
            backend::parameter_description(out, prepared.parameters().iter().map(|sql_type| sql_type.oid()));
        }
        match prepared.columns() {
            // The formats of a statement are not yet known, and said to be text.
            Some(columns) => backend::row_description(out, columns, |i| {
                formats.as_ref().map_or(crate::encoding::Format::Text, |formats| formats.of(i))
            }),
            None => backend::no_data(out),
        }
        Ok(())
    }

    /// Execute: runs a portal, or goes on with it, for up to `max_rows` rows (0: all).
    pub(crate) async fn execute(&mut self, name: String, max_rows: i32) -> Result<(), Failure> {
        let Some(mut portal) = self.portals.remove(&name) else { return Err(no_portal(&name).into()) };
        self.session.begin_statement();
        let ran = self.run_portal(&name, &mut portal, max_rows).await;
        match &ran {
            Ok(()) => {
                if !self.close_portals() {
                    self.portals.insert(name, portal);
                }
            }
            Err(_) => {
                // Whether its name lives on is for the handling of the error to say.
                portal.abandon();
                self.portals.insert(name, portal);
            }
        }
        ran
    }

    async fn run_portal(&mut self, name: &str, portal: &mut Portal, max_rows: i32) -> Result<(), Failure> {
        self.require_sound_transaction(portal.prepared.ends_transaction())?;
        let limit = u64::try_from(max_rows).ok().filter(|limit| *limit > 0);
        let mut stream = match std::mem::replace(&mut portal.state, State::Spent) {
            State::Bound(parameters) => {
                let prepared = portal.prepared.clone();
                match guard(self.session.execute(&prepared, parameters, Source::Extended)).await? {
                    Outcome::Empty => {
                        self.notices();
                        backend::empty_query_response(&mut self.out.buffer);
                        portal.state = State::Drained(String::new());
                        return Ok(());
                    }
                    Outcome::Complete(tag) => {
                        self.complete(&tag);
                        return Ok(());
                    }
                    Outcome::CopyOut { rows, options } => {
                        let tag = self.copy_out(rows, options).await?;
                        self.complete(&tag);
                        return Ok(());
                    }
                    Outcome::CopyIn(copy) => {
                        let tag = self.copy_in(*copy).await?;
                        self.complete(&tag);
                        return Ok(());
                    }
                    Outcome::Rows(rows) => {
                        let columns = rows.columns().clone();
                        let encoding = Encoding::rows(&columns, &portal.formats, &self.session);
                        Box::new(RowStream::new(rows, encoding))
                    }
                }
            }
            State::Running(mut stream) => {
                stream.resume();
                stream
            }
            State::Drained(tag) => {
                if tag.is_empty() {
                    backend::empty_query_response(&mut self.out.buffer);
                } else {
                    backend::command_complete(&mut self.out.buffer, &tag);
                }
                portal.state = State::Drained(tag);
                return Ok(());
            }
            State::Spent | State::Abandoned => {
                let message = format!("portal \"{name}\" cannot be run");
                return Err(Error::new(Condition::ObjectNotInPrerequisiteState, message).into());
            }
        };
        match stream.send(limit, &mut self.out, &self.session.cancelled()).await? {
            Progress::Finished(sent) => {
                self.complete(&stream.tag(sent));
                portal.state = State::Drained(stream.tag(0).to_string());
            }
            Progress::Suspended => {
                self.notices();
                backend::portal_suspended(&mut self.out.buffer);
                portal.state = State::Running(stream);
            }
        }
        Ok(())
    }

    /// Close: a name is free again, whether or not it was taken.
    pub(crate) fn close(&mut self, target: Target) -> Result<(), Failure> {
        match target {
            Target::Statement(name) => self.session.close_statement(&name),
            Target::Portal(name) => {
                self.portals.remove(&name);
            }
        }
        backend::close_complete(&mut self.out.buffer);
        Ok(())
    }

    /// In a failed transaction, only what ends it goes through.
    fn require_sound_transaction(&self, ends_transaction: bool) -> Result<(), Error> {
        match self.session.transaction_status() {
            TransactionStatus::Failed if !ends_transaction => Err(Error::new(
                Condition::InFailedSqlTransaction,
                "current transaction is aborted, commands ignored until end of transaction block",
            )),
            TransactionStatus::Idle | TransactionStatus::InTransaction | TransactionStatus::Failed => Ok(()),
        }
    }
}

/// The type that a client declares for a parameter; None leaves it to the engine, as for types of extensions.
fn declared(oid: u32) -> Option<SqlType> {
    SqlType::of_oid(oid).filter(|sql_type| sql_type.base != Base::Unknown)
}

fn no_portal(name: &str) -> Error {
    Error::new(Condition::InvalidCursorName, format!("portal \"{name}\" does not exist"))
}
