//! PostgreSQL 15 as the judge: the one that `WARPWISE_ORACLE` names, or Debian's, started for the test.

use super::server::Server;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Where Debian keeps the server's programs.
const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";

/// A PostgreSQL server.
pub struct Oracle {
    /// Where it listens.
    pub server: Server,
    own: Option<Own>,
}

/// One that this test started.
struct Own {
    child: std::process::Child,
    folder: tempfile::TempDir,
}

/// The oracle that the environment names, for updates.
pub fn named() -> Option<Server> {
    std::env::var("WARPWISE_ORACLE").ok().map(|address| Server::existing(&address))
}

impl Oracle {
    /// The oracle that is to be had: none where PostgreSQL 15 is not installed.
    pub fn find() -> Option<Self> {
        if let Some(server) = named() {
            return Some(Self { server, own: None });
        }
        if !Path::new(PROGRAMS).join("postgres").is_file() {
            return None;
        }
        match Self::start() {
            Ok(oracle) => Some(oracle),
            Err(reason) => panic!("PostgreSQL 15 is installed and does not start: {reason}"),
        }
    }

    fn start() -> Result<Self, String> {
        let folder = tempfile::Builder::new().prefix("warpwise-oracle-").tempdir_in("/tmp").map_err(|error| error.to_string())?;
        let data = folder.path().join("data");
        // PostgreSQL refuses to run as root: then the user that Debian's package made runs it.
        let user = is_root().then_some("postgres");
        if user.is_some() {
            let owner = format!("{}:", user.unwrap_or_default());
            run(Command::new("chown").arg(owner).arg(folder.path()))?;
        }
        run(as_user(user, "initdb", folder.path())
            .args(["--locale=C", "--encoding=UTF8", "--auth=trust", "--username=postgres", "--no-sync", "-D"])
            .arg(&data))?;

        let port = free_port()?;
        let mut command = as_user(user, "postgres", folder.path());
        command.arg("-D").arg(&data).arg("-p").arg(port.to_string()).arg("-k").arg(folder.path());
        for setting in ["listen_addresses=127.0.0.1", "fsync=off", "jit=off", "timezone=UTC", "max_connections=100"] {
            command.args(["-c", setting]);
        }
        let log = fs::File::create(folder.path().join("log")).map_err(|error| error.to_string())?;
        let errors = log.try_clone().map_err(|error| error.to_string())?;
        command.stdin(std::process::Stdio::null()).stdout(log).stderr(errors);
        let child = command.spawn().map_err(|error| error.to_string())?;

        let oracle = Self { server: Server::existing(&format!("127.0.0.1:{port}")), own: Some(Own { child, folder }) };
        let give_up = Instant::now() + Duration::from_secs(60);
        while super::client::Client::connect(oracle.server.address(), "postgres").is_err() {
            if Instant::now() > give_up {
                return Err(format!("not ready within a minute\n{}", oracle.log()));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(oracle)
    }

    fn log(&self) -> String {
        self.own.as_ref().and_then(|own| fs::read_to_string(own.folder.path().join("log")).ok()).unwrap_or_default()
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        let Some(own) = &mut self.own else { return };
        // The first line of postmaster.pid is the process that is PostgreSQL itself, not the one that
        // changed users for it. SIGQUIT ends it at once.
        let pid = fs::read_to_string(own.folder.path().join("data/postmaster.pid")).unwrap_or_default();
        if let Some(pid) = pid.lines().next() {
            let _ = Command::new("kill").args(["-QUIT", pid]).status();
        } else {
            let _ = own.child.kill();
        }
        let _ = own.child.wait();
    }
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// `program` of PostgreSQL's, as `user` where one is given.
fn as_user(user: Option<&str>, program: &str, folder: &Path) -> Command {
    let path: PathBuf = Path::new(PROGRAMS).join(program);
    let mut command = match user {
        Some(user) => {
            let mut command = Command::new("setpriv");
            command.args(["--reuid", user, "--regid", user, "--clear-groups", "--pdeathsig", "KILL", "--"]).arg(path);
            command
        }
        None => {
            let mut command = Command::new("setpriv");
            command.args(["--pdeathsig", "KILL", "--"]).arg(path);
            command
        }
    };
    command.current_dir(folder).env("TZ", "UTC").env("LC_ALL", "C");
    command
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() { Ok(()) } else { Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr))) }
}

fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(|error| error.to_string())?;
    listener.local_addr().map(|address| address.port()).map_err(|error| error.to_string())
}
