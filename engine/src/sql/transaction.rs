//! BEGIN, COMMIT, ROLLBACK and savepoints.

use sqlparser::ast::{Ident, TransactionMode};

use super::label::fold;
use crate::error::{Condition, Error, Result};
use crate::session::Session;
use crate::session::execute::Outcome;
use crate::session::rows::Tag;

impl Session {
    pub(crate) fn begin(&mut self, modes: &[TransactionMode]) -> Result<Outcome> {
        if self.transaction.as_ref().is_some_and(|t| t.explicit) {
            self.warn(Condition::ActiveSqlTransaction, "there is already a transaction in progress");
        } else {
            self.transaction().explicit = true;
        }
        self.set_modes(modes, false)?;
        Ok(Outcome::Complete(Tag::plain("BEGIN")))
    }

    pub(crate) fn commit_statement(&mut self, chain: bool) -> Result<Outcome> {
        let verb = match &self.transaction {
            Some(t) if t.explicit && t.failed => {
                self.rollback();
                "ROLLBACK"
            }
            Some(t) if t.explicit => {
                self.commit()?;
                "COMMIT"
            }
            Some(_) | None => {
                self.warn(Condition::NoActiveSqlTransaction, "there is no transaction in progress");
                self.commit()?;
                "COMMIT"
            }
        };
        if chain {
            self.transaction().explicit = true;
        }
        Ok(Outcome::Complete(Tag::plain(verb)))
    }

    pub(crate) fn rollback_statement(&mut self, chain: bool, savepoint: Option<&Ident>) -> Result<Outcome> {
        if let Some(name) = savepoint {
            let at = self.savepoint_index(name, "ROLLBACK TO SAVEPOINT")?;
            if let Some(transaction) = &mut self.transaction {
                transaction.savepoints.truncate(at + 1);
                transaction.work = transaction.savepoints[at].1.clone();
                transaction.failed = false;
            }
            return Ok(Outcome::Complete(Tag::plain("ROLLBACK")));
        }
        if self.transaction.as_ref().is_none_or(|t| !t.explicit) {
            self.warn(Condition::NoActiveSqlTransaction, "there is no transaction in progress");
        }
        self.rollback();
        if chain {
            self.transaction().explicit = true;
        }
        Ok(Outcome::Complete(Tag::plain("ROLLBACK")))
    }

    pub(crate) fn savepoint(&mut self, name: &Ident) -> Result<Outcome> {
        match &mut self.transaction {
            Some(t) if t.explicit => {
                let snapshot = t.work.clone();
                t.savepoints.push((fold(name), snapshot));
                Ok(Outcome::Complete(Tag::plain("SAVEPOINT")))
            }
            Some(_) | None => {
                Err(Error::new(Condition::NoActiveSqlTransaction, "SAVEPOINT can only be used in transaction blocks"))
            }
        }
    }

    pub(crate) fn release(&mut self, name: &Ident) -> Result<Outcome> {
        let at = self.savepoint_index(name, "RELEASE SAVEPOINT")?;
        if let Some(transaction) = &mut self.transaction {
            transaction.savepoints.truncate(at);
        }
        Ok(Outcome::Complete(Tag::plain("RELEASE")))
    }

    fn savepoint_index(&self, name: &Ident, command: &str) -> Result<usize> {
        let name = fold(name);
        match &self.transaction {
            Some(t) if t.explicit => t.savepoints.iter().rposition(|(n, _)| *n == name).ok_or_else(|| {
                Error::new(Condition::InvalidSavepointSpecification, format!("savepoint \"{name}\" does not exist"))
            }),
            Some(_) | None => {
                Err(Error::new(Condition::NoActiveSqlTransaction, format!("{command} can only be used in transaction blocks")))
            }
        }
    }
}
