//! DISCARD: a session as it was at its start.

use sqlparser::ast::DiscardObject;

use crate::catalog::State;
use crate::error::{Condition, Error, Result};
use crate::session::Session;
use crate::session::execute::Outcome;
use crate::session::rows::Tag;

impl Session {
    pub(crate) fn discard(&mut self, object: DiscardObject) -> Result<Outcome> {
        match object {
            DiscardObject::PLANS => Ok(Outcome::Complete(Tag::plain("DISCARD PLANS"))),
            DiscardObject::SEQUENCES => Ok(Outcome::Complete(Tag::plain("DISCARD SEQUENCES"))),
            DiscardObject::TEMP => {
                self.transaction().work.temp = State::default().into();
                Ok(Outcome::Complete(Tag::plain("DISCARD TEMP")))
            }
            DiscardObject::ALL => {
                if self.transaction.as_ref().is_some_and(|t| t.explicit) {
                    return Err(Error::new(Condition::ActiveSqlTransaction, "DISCARD ALL cannot run inside a transaction block"));
                }
                self.settings.reset_all();
                self.statements.clear();
                self.cursors.clear();
                self.portals_closed = true;
                self.transaction().work.temp = State::default().into();
                self.refresh_state();
                Ok(Outcome::Complete(Tag::plain("DISCARD ALL")))
            }
        }
    }
}
