//! A PostgreSQL client over a plain socket.
//!
//! It adds nothing to what the server says: values stay bytes, and messages can be read one by one.

use super::message::{self, Backend, Field, Fields};
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long a test waits for any one answer.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A connection that has been let in.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    address: SocketAddr,
    input: Vec<u8>,
    start: usize,
    /// What the server reported about itself, as of now.
    pub parameters: BTreeMap<String, String>,
    /// The server's notices since they were last taken.
    pub notices: Vec<Fields>,
    /// The transaction status of the last ReadyForQuery.
    pub status: char,
    /// The backend's process id.
    pub pid: i32,
    /// What a cancel request must show.
    pub secret: Vec<u8>,
}

/// Why something did not work.
#[derive(Debug)]
pub enum Failure {
    /// The server said so.
    Server(Fields),
    /// The connection ended, or what came over it is not the protocol.
    Connection(io::Error),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(fields) => write!(f, "{fields}"),
            Self::Connection(error) => write!(f, "the connection failed: {error}"),
        }
    }
}

impl std::error::Error for Failure {}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Connection(error)
    }
}

impl Failure {
    /// The SQLSTATE, empty where the server did not speak.
    pub fn code(&self) -> &str {
        match self {
            Self::Server(fields) => fields.code(),
            Self::Connection(_) => "",
        }
    }
}

/// What one statement answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// The columns; none where the statement returns no rows.
    pub columns: Option<Vec<Field>>,
    /// The values as they came.
    pub rows: Vec<Vec<Option<Vec<u8>>>>,
    /// The command tag; empty for an empty query.
    pub tag: String,
}

impl Answer {
    /// The rows as text, NULL as `NULL`.
    pub fn text(&self) -> Vec<Vec<String>> {
        let text = |value: &Option<Vec<u8>>| match value {
            None => "NULL".to_owned(),
            Some(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        };
        self.rows.iter().map(|row| row.iter().map(text).collect()).collect()
    }
}

impl Client {
    /// Connects to `database` as the user `postgres`.
    pub fn connect(address: SocketAddr, database: &str) -> Result<Self, Failure> {
        Self::connect_with(address, &[("user", "postgres"), ("database", database)])
    }

    /// Connects with these start-up parameters.
    pub fn connect_with(address: SocketAddr, parameters: &[(&str, &str)]) -> Result<Self, Failure> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        let mut client = Self {
            stream,
            address,
            input: Vec::new(),
            start: 0,
            parameters: BTreeMap::new(),
            notices: Vec::new(),
            status: '?',
            pid: 0,
            secret: Vec::new(),
        };
        client.send(&message::startup(3 << 16, parameters))?;
        loop {
            match client.read()? {
                Backend::Authentication(0, _) => {}
                Backend::Authentication(code, _) => {
                    return Err(io::Error::other(format!("the server asks for authentication {code}")).into());
                }
                Backend::BackendKeyData(pid, secret) => (client.pid, client.secret) = (pid, secret),
                Backend::ReadyForQuery(_) => return Ok(client),
                Backend::ErrorResponse(fields) => return Err(Failure::Server(fields)),
                Backend::ParameterStatus(..) | Backend::NoticeResponse(_) => {}
                other => return Err(unexpected(&other)),
            }
        }
    }

    /// The socket, for what a test does to it.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Reads one message; what the server reports about itself is noted, and returned too.
    pub fn read(&mut self) -> io::Result<Backend> {
        let (tag, start, end) = self.read_frame()?;
        let message = Backend::parse(tag, &self.input[start..end])?;
        match &message {
            Backend::ParameterStatus(name, value) => {
                self.parameters.insert(name.clone(), value.clone());
            }
            Backend::NoticeResponse(fields) => self.notices.push(fields.clone()),
            Backend::ReadyForQuery(status) => self.status = *status,
            _ => {}
        }
        Ok(message)
    }

    /// Reads one message and returns only its type byte and the length of its body.
    pub fn skip(&mut self) -> io::Result<(u8, usize)> {
        let (tag, start, end) = self.read_frame()?;
        Ok((tag, end - start))
    }

    /// Reads until a whole frame is there: its type byte, and where its body stands in the input.
    fn read_frame(&mut self) -> io::Result<(u8, usize, usize)> {
        self.fill(5)?;
        let head = &self.input[self.start..self.start + 5];
        let tag = head[0];
        let length = i32::from_be_bytes([head[1], head[2], head[3], head[4]]);
        let length = usize::try_from(length).ok().filter(|length| (4..1 << 30).contains(length));
        let length = length.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a message has an impossible length"))?;
        self.fill(length + 1)?;
        let start = self.start;
        self.start += length + 1;
        Ok((tag, start + 5, start + length + 1))
    }

    /// Reads until `count` bytes wait.
    fn fill(&mut self, count: usize) -> io::Result<()> {
        while self.input.len() - self.start < count {
            if self.start > 0 {
                self.input.drain(..self.start);
                self.start = 0;
            }
            let length = self.input.len();
            self.input.resize(length + count.max(64 * 1024), 0);
            let outcome = self.stream.read(&mut self.input[length..]);
            self.input.truncate(length + outcome.as_ref().copied().unwrap_or(0));
            match outcome {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Runs `sql` by the simple protocol: one answer per statement.
    pub fn query(&mut self, sql: &str) -> Result<Vec<Answer>, Failure> {
        self.send(&message::query(sql))?;
        self.answers()
    }

    /// Runs `sql` by the simple protocol and panics where it fails.
    pub fn run(&mut self, sql: &str) -> Vec<Answer> {
        self.query(sql).unwrap_or_else(|failure| panic!("{sql}\nfailed: {failure}"))
    }

    /// The first value of the first row that `sql` gives, as text.
    pub fn value(&mut self, sql: &str) -> String {
        let answers = self.run(sql);
        let text = answers.last().map(Answer::text).unwrap_or_default();
        text.first().and_then(|row| row.first()).unwrap_or_else(|| panic!("{sql}\nhas no value")).clone()
    }

    /// Runs one statement by the extended protocol, its results in text or binary.
    pub fn extended(&mut self, sql: &str, parameters: &[Option<Vec<u8>>], binary: bool) -> Result<Answer, Failure> {
        let mut bytes = message::parse("", sql, &[]);
        bytes.extend(message::bind("", "", &[], parameters, &[i16::from(binary)]));
        bytes.extend(message::describe(b'P', ""));
        bytes.extend(message::execute("", 0));
        bytes.extend(message::sync());
        self.send(&bytes)?;
        Ok(self.answers()?.into_iter().next().unwrap_or_default())
    }

    /// Reads up to ReadyForQuery: the answers, or the first error.
    pub fn answers(&mut self) -> Result<Vec<Answer>, Failure> {
        let mut answers = Vec::new();
        let mut answer = Answer::default();
        let mut failure = None;
        loop {
            match self.read()? {
                Backend::RowDescription(columns) => answer.columns = Some(columns),
                Backend::DataRow(values) => answer.rows.push(values),
                Backend::CommandComplete(tag) => {
                    answer.tag = tag;
                    answers.push(std::mem::take(&mut answer));
                }
                Backend::EmptyQueryResponse => answers.push(std::mem::take(&mut answer)),
                Backend::ErrorResponse(fields) => {
                    if fields.severity() == "FATAL" {
                        return Err(Failure::Server(fields));
                    }
                    failure = failure.or(Some(fields));
                }
                Backend::ReadyForQuery(_) => {
                    return match failure {
                        Some(fields) => Err(Failure::Server(fields)),
                        None => Ok(answers),
                    };
                }
                // One row per CopyData, so that COPY … TO STDOUT has an answer too.
                Backend::CopyData(bytes) => answer.rows.push(vec![Some(bytes)]),
                Backend::NoticeResponse(_)
                | Backend::ParameterStatus(..)
                | Backend::NotificationResponse(..)
                | Backend::ParseComplete
                | Backend::BindComplete
                | Backend::CloseComplete
                | Backend::NoData
                | Backend::PortalSuspended
                | Backend::ParameterDescription(_)
                | Backend::CopyOutResponse(..)
                | Backend::CopyDone => {}
                other @ (Backend::Authentication(..)
                | Backend::BackendKeyData(..)
                | Backend::CopyInResponse(..)
                | Backend::NegotiateProtocolVersion(..)) => return Err(unexpected(&other)),
            }
        }
    }

    /// Sends a cancel request for what this connection runs, over a connection of its own.
    pub fn cancel(&self) -> io::Result<()> {
        cancel(self.address, self.pid, &self.secret)
    }

    /// What [`Client::cancel`] needs, for another thread.
    pub fn cancel_key(&self) -> (SocketAddr, i32, Vec<u8>) {
        (self.address, self.pid, self.secret.clone())
    }
}

/// Sends a cancel request and waits until the server has closed the connection, as libpq does.
pub fn cancel(address: SocketAddr, pid: i32, secret: &[u8]) -> io::Result<()> {
    let mut body = 80_877_102i32.to_be_bytes().to_vec();
    body.extend_from_slice(&pid.to_be_bytes());
    body.extend_from_slice(secret);
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(&message::untyped(&body))?;
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest)?;
    if rest.is_empty() { Ok(()) } else { Err(io::Error::other("a cancel request was answered")) }
}

fn unexpected(message: &Backend) -> Failure {
    Failure::Connection(io::Error::new(io::ErrorKind::InvalidData, format!("an unexpected message: {message:?}")))
}

impl Drop for Client {
    fn drop(&mut self) {
        // The server may be gone already, which is then no matter.
        let _ = self.stream.write_all(&message::terminate());
    }
}
