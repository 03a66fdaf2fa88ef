//! Cancelling a statement: by request, by timeout, and because the client is gone.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::error::{Condition, Error};

/// Reaches a session's statement in progress from outside.
#[derive(Debug, Clone, Default)]
pub struct CancelHandle(Arc<Mutex<CancellationToken>>);

impl CancelHandle {
    /// Cancels what the session runs now. Nothing happens to a session that runs nothing.
    pub fn cancel(&self) {
        self.0.lock().cancel();
    }

    /// A new statement begins: what was cancelled before does not concern it.
    pub fn renew(&self) {
        let mut token = self.0.lock();
        if token.is_cancelled() {
            *token = CancellationToken::new();
        }
    }

    /// Fires when the statement in progress is cancelled.
    pub fn token(&self) -> CancellationToken {
        self.0.lock().clone()
    }
}

/// When a statement must end.
#[derive(Debug, Clone)]
pub struct Limit {
    /// Fires when it is cancelled.
    pub token: CancellationToken,
    /// When its time is up.
    pub deadline: Option<Instant>,
}

impl Limit {
    /// A limit that begins now.
    pub fn new(token: CancellationToken, timeout_ms: i64) -> Self {
        let deadline = (timeout_ms > 0).then(|| Instant::now() + Duration::from_millis(timeout_ms as u64));
        Self { token, deadline }
    }

    /// `57014` where the limit is reached.
    pub fn check(&self) -> Result<(), Error> {
        if self.token.is_cancelled() {
            return Err(cancelled());
        }
        if self.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return Err(timed_out());
        }
        Ok(())
    }

    /// Waits for `future`, but no longer than the limit: `57014`.
    pub async fn run<T>(&self, future: impl Future<Output = T>) -> Result<T, Error> {
        // A future that is always ready would never let the clock be looked at.
        if self.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return Err(timed_out());
        }
        let expired = async {
            match self.deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.token.cancelled() => Err(cancelled()),
            value = future => Ok(value),
            () = expired => Err(timed_out()),
        }
    }
}

fn timed_out() -> Error {
    Error::new(Condition::QueryCanceled, "canceling statement due to statement timeout")
}

/// `57014`: by request.
pub fn cancelled() -> Error {
    Error::new(Condition::QueryCanceled, "canceling statement due to user request")
}
