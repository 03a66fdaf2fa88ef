//! Who may connect: anyone, or who knows a password whose SCRAM verifier is on file.
//!
//! Passwords never reach the server, in a file or over a socket.

mod password_file;
mod scram;

use tokio::io::AsyncRead;
use warpwise_engine::error::{Condition, Error};

pub use password_file::PasswordFile;
pub use scram::scram_verifier;

use crate::error::Failure;
use crate::frames::FrameReader;
use crate::output::Output;

/// How clients prove who they are.
#[derive(Debug, Clone)]
pub enum Auth {
    /// They need not. For sockets that only this machine can reach.
    Trust,
    /// By SCRAM-SHA-256 against stored verifiers.
    Scram(PasswordFile),
}

impl Auth {
    /// Has the client prove that it is `user`. AuthenticationOk is left to the caller.
    pub(crate) async fn check<R: AsyncRead + Unpin>(
        &self,
        user: &str,
        reader: &mut FrameReader<R>,
        out: &mut Output,
    ) -> Result<(), Failure> {
        match self {
            Auth::Trust => Ok(()),
            Auth::Scram(file) => scram::exchange(file.secret(user), user, reader, out).await,
        }
    }
}

/// The one answer to a wrong password and to a user who does not exist.
fn refused(user: &str) -> Failure {
    Failure::fatal(Error::new(Condition::InvalidPassword, format!("password authentication failed for user \"{user}\"")))
}
