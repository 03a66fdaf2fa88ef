//! A server of our own, from the binary under test, that cannot outlive the test.

use super::client::{Client, Failure};
use super::process::data_home;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, ToSocketAddrs};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

/// Kills the server as soon as the test that started it is gone, however it went: the shell's standard
/// input is a pipe from the test, and the system closes it. Ends with the server where that goes first.
const KEEPER: &str = r#"
exec 3<&0
"$@" 3<&- & child=$!
echo "pid $child"
(cat <&3; kill -9 "$child") >/dev/null 2>&1 & watcher=$!
wait "$child"; status=$?
kill "$watcher" 2>/dev/null
exit "$status"
"#;

/// How long a server may take to start, TPC-H at a small scale included.
const START: Duration = Duration::from_secs(300);

/// A server that accepts connections.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    pid: Option<u32>,
    keeper: Option<(Child, Option<ChildStdin>)>,
    log: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// A server without tables, shared by the tests of one binary.
    pub fn shared() -> &'static Self {
        static SERVER: OnceLock<Server> = OnceLock::new();
        SERVER.get_or_init(|| Self::start(&[]))
    }

    /// A server with TPC-H at scale 0.01, shared by the tests of one binary.
    pub fn tpch() -> &'static Self {
        static SERVER: OnceLock<Server> = OnceLock::new();
        SERVER.get_or_init(|| Self::start(&["--tpch", "0.01"]))
    }

    /// Starts `warpwise serve` on a free port with further `arguments`, or takes the one that
    /// `WARPWISE_SERVER` names.
    pub fn start(arguments: &[&str]) -> Self {
        match std::env::var("WARPWISE_SERVER") {
            Ok(address) => Self::existing(&address),
            Err(_) => Self::spawn(arguments),
        }
    }

    /// A server that somebody else started.
    pub fn existing(address: &str) -> Self {
        let resolved = address.to_socket_addrs().unwrap_or_else(|error| panic!("{address}: {error}")).next();
        let address = resolved.unwrap_or_else(|| panic!("{address} has no address"));
        Self { address, pid: None, keeper: None, log: Arc::default() }
    }

    fn spawn(arguments: &[&str]) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", KEEPER, "keeper", env!("CARGO_BIN_EXE_warpwise"), "serve", "--listen", "127.0.0.1:0"]);
        command.args(arguments).env("XDG_DATA_HOME", data_home());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("cannot start sh");
        let stdin = child.stdin.take();

        let log = Arc::new(Mutex::new(Vec::new()));
        let (sender, lines) = std::sync::mpsc::channel();
        for pipe in [Pipe::Out(child.stdout.take()), Pipe::Err(child.stderr.take())] {
            let (log, sender) = (Arc::clone(&log), sender.clone());
            std::thread::spawn(move || pipe.read(&log, &sender));
        }
        drop(sender);

        let mut server = Self { address: SocketAddr::from(([127, 0, 0, 1], 0)), pid: None, keeper: Some((child, stdin)), log };
        let give_up = Instant::now() + START;
        while server.pid.is_none() || server.address.port() == 0 {
            let Ok(line) = lines.recv_timeout(give_up.saturating_duration_since(Instant::now())) else {
                panic!("the server did not become ready; it said:\n{}", server.log());
            };
            if let Some(pid) = line.strip_prefix("pid ") {
                server.pid = pid.parse().ok();
            } else if line.starts_with("ready") {
                let port = line.split_whitespace().skip_while(|word| *word != "-p").nth(1).and_then(|port| port.parse().ok());
                server.address.set_port(port.unwrap_or_else(|| panic!("no port in the line {line:?}")));
            }
        }
        server
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A new connection to the database `postgres`.
    pub fn connect(&self) -> Client {
        self.connect_to("postgres")
    }

    /// A new connection to `database`.
    pub fn connect_to(&self, database: &str) -> Client {
        Client::connect(self.address, database).unwrap_or_else(|failure| self.fail(&failure))
    }

    /// Panics with what the server wrote.
    pub fn fail(&self, failure: &Failure) -> ! {
        panic!("{failure}\nthe server said:\n{}", self.log())
    }

    /// Everything that the server wrote so far.
    pub fn log(&self) -> String {
        self.log.lock().map(|lines| lines.join("\n")).unwrap_or_default()
    }

    /// The memory that the server holds now, in bytes; none where it is not ours.
    pub fn resident(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid?)).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
        let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kilobytes * 1024)
    }

    /// Whether the process is still there.
    pub fn alive(&self) -> bool {
        self.pid.is_none_or(|pid| std::path::Path::new(&format!("/proc/{pid}/stat")).exists())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some((mut child, stdin)) = self.keeper.take() {
            drop(stdin);
            // It ends by itself; its status is that of a killed server.
            let _ = child.wait();
        }
    }
}

/// One of the child's two streams of lines.
enum Pipe {
    Out(Option<std::process::ChildStdout>),
    Err(Option<std::process::ChildStderr>),
}

impl Pipe {
    /// Keeps every line for the log, and passes those of standard output on.
    fn read(self, log: &Mutex<Vec<String>>, sender: &std::sync::mpsc::Sender<String>) {
        let (lines, pass): (Box<dyn BufRead>, bool) = match self {
            Self::Out(Some(pipe)) => (Box::new(BufReader::new(pipe)), true),
            Self::Err(Some(pipe)) => (Box::new(BufReader::new(pipe)), false),
            Self::Out(None) | Self::Err(None) => return,
        };
        for line in lines.lines().map_while(Result::ok) {
            if let Ok(mut log) = log.lock() {
                log.push(line.clone());
            }
            if pass {
                // Nobody listens any more once the server is ready.
                let _ = sender.send(line);
            }
        }
    }
}
