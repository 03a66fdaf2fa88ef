//! What the black-box tests share: a real server, a plain PostgreSQL client, and golden files.
//!
//! Nothing here knows a crate of the workspace: a test sees the server as a stranger does, through its
//! command line and its socket. Three variables steer a run:
//!
//! * `UPDATE=1` rewrites golden files instead of comparing with them;
//! * `WARPWISE_ORACLE=host:port` names a PostgreSQL 15 server whose answers are the truth for an update;
//! * `WARPWISE_SERVER=host:port` tests a server that already runs, instead of starting one.

// Every test binary compiles this module for itself and uses a part of it.
#![allow(dead_code)]

pub mod binary;
pub mod client;
pub mod message;
pub mod oracle;
pub mod process;
pub mod random;
pub mod real_clients;
pub mod server;

use std::path::{Path, PathBuf};

/// Whether golden files are to be rewritten.
pub fn updating() -> bool {
    std::env::var("UPDATE").is_ok_and(|value| value == "1")
}

/// Whether `name` is set to `1`.
pub fn enabled(name: &str) -> bool {
    std::env::var(name).is_ok_and(|value| value == "1")
}

/// The root of the checkout.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All files below `folder` with the extension `extension`, in the order of their paths.
pub fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("cannot read {}: {error}", folder.display()));
        for entry in entries {
            let path = entry.expect("a folder entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "no .{extension} file below {}", folder.display());
    found
}

/// Runs a future that never waits, as those of synchronous code behind an async trait.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    loop {
        if let std::task::Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        std::thread::yield_now();
    }
}
