//! What the sessions of a process are doing: `pg_stat_activity`, and the way to cancel one from another.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use chrono::{DateTime, Utc};
use parking_lot::Mutex;

use super::cancel::CancelHandle;

/// One session, as others see it.
#[derive(Debug, Clone)]
pub struct Activity {
    /// Its number.
    pub pid: i32,
    /// Its database.
    pub database: String,
    /// Its user.
    pub user: String,
    /// What the client calls itself.
    pub application_name: String,
    /// Where the client is.
    pub client_address: Option<String>,
    /// When it began.
    pub began: DateTime<Utc>,
    /// When its transaction began.
    pub transaction_began: Option<DateTime<Utc>>,
    /// When its latest statement began.
    pub query_began: Option<DateTime<Utc>>,
    /// `active`, `idle`, `idle in transaction`.
    pub state: &'static str,
    /// Its latest statement.
    pub query: String,
    /// How far the COPY that it takes data of is.
    pub copy: Option<CopyProgress>,
}

/// How far a COPY … FROM STDIN is: a row of `pg_stat_progress_copy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CopyProgress {
    /// The table's `pg_class.oid`.
    pub relation: u32,
    /// Bytes of the data that came so far.
    pub bytes: u64,
    /// Rows that were made of them.
    pub rows: u64,
}

/// A registered session.
#[derive(Debug)]
struct Entry {
    activity: Arc<Mutex<Activity>>,
    cancel: CancelHandle,
    secret: Vec<u8>,
}

/// All sessions of a process.
#[derive(Debug, Default)]
pub struct Sessions {
    entries: Mutex<BTreeMap<i32, Entry>>,
    next: AtomicI32,
}

impl Sessions {
    /// A number for a new session.
    pub fn fresh_pid(&self) -> i32 {
        // Wraps into the positive numbers: clients print it as a process identifier.
        (self.next.fetch_add(1, Ordering::Relaxed) & 0x3fff_ffff) + 1
    }

    /// Makes a session known.
    pub fn add(&self, activity: &Arc<Mutex<Activity>>, cancel: &CancelHandle, secret: Vec<u8>) {
        let pid = activity.lock().pid;
        let entry = Entry { activity: Arc::clone(activity), cancel: cancel.clone(), secret };
        self.entries.lock().insert(pid, entry);
    }

    /// Forgets a session.
    pub fn remove(&self, pid: i32) {
        self.entries.lock().remove(&pid);
    }

    /// Cancels a session's statement where the secret is right.
    pub fn cancel(&self, pid: i32, secret: &[u8]) -> bool {
        let entries = self.entries.lock();
        let Some(entry) = entries.get(&pid) else { return false };
        // Compared without leaving early, so that time tells nothing of the secret.
        let same = entry.secret.len() == secret.len()
            && entry.secret.iter().zip(secret).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0;
        if same {
            entry.cancel.cancel();
        }
        same
    }

    /// `pg_cancel_backend`.
    pub fn cancel_by_pid(&self, pid: i32) -> bool {
        let entries = self.entries.lock();
        entries.get(&pid).map(|e| e.cancel.cancel()).is_some()
    }

    /// Cancels everything.
    pub fn cancel_all(&self) {
        self.entries.lock().values().for_each(|e| e.cancel.cancel());
    }

    /// What everyone is doing.
    pub fn list(&self) -> Vec<Activity> {
        self.entries.lock().values().map(|e| e.activity.lock().clone()).collect()
    }
}
