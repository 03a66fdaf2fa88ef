//! Other programs: whether they are there, and running them within a time.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// What a program left behind.
#[derive(Debug)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl Output {
    /// Panics with everything that is known, unless the program ended well.
    pub fn expect_success(self, what: &str) -> Self {
        assert!(self.status.success(), "{what}: {}\n--- stdout\n{}\n--- stderr\n{}", self.status, self.stdout, self.stderr);
        self
    }
}

/// The program `name` on the PATH.
pub fn which(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?).map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// The warpwise binary under test.
pub fn warpwise() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_warpwise"));
    command.env("XDG_DATA_HOME", data_home()).env_remove("RUST_LOG");
    command
}

/// Where generated data is kept between tests.
pub fn data_home() -> &'static Path {
    Path::new(concat!(env!("CARGO_TARGET_TMPDIR"), "/data"))
}

/// Runs `command` to its end, or kills it after `limit` and panics.
pub fn run(mut command: Command, limit: Duration) -> Output {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let started = Instant::now();
    let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    let stdout = drain(child.stdout.take());
    let stderr = drain(child.stderr.take());
    let (status, late) = loop {
        if let Some(status) = child.try_wait().expect("the state of a child process") {
            break (status, false);
        }
        if started.elapsed() > limit {
            // It may have ended in between; then the wait has its status.
            let _ = child.kill();
            break (child.wait().expect("the state of a child process"), true);
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let read = |thread: std::thread::JoinHandle<Vec<u8>>| String::from_utf8_lossy(&thread.join().expect("a reader")).into_owned();
    let output = Output { status, stdout: read(stdout), stderr: read(stderr) };
    assert!(!late, "{command:?} took more than {limit:?}\n--- stdout\n{}\n--- stderr\n{}", output.stdout, output.stderr);
    output
}

/// Reads a pipe to its end on a thread of its own, so that neither pipe can block the child.
fn drain<R: Read + Send + 'static>(pipe: Option<R>) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // What was read before a failure is still worth showing.
            let _ = pipe.read_to_end(&mut bytes);
        }
        bytes
    })
}
