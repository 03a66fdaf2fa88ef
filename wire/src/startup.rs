//! From an accepted socket to a session: encryption requests, the startup packet, limits, authentication.
//!
//! Encryption is declined (`N`); a cancel request ends here. Protocol 3.0 and 3.2 are spoken; a newer minor
//! version, or a `_pq_.` option, is answered with NegotiateProtocolVersion. Order of refusals as PostgreSQL:
//! packet, number of clients, password, database, settings.

use std::net::SocketAddr;

use bytes::BytesMut;
use pgwire::messages::startup::{GssEncRequest, SslRequest, Startup};
use pgwire::messages::{DecodeContext, Message as _, ProtocolVersion};
use tokio::io::AsyncRead;
use tokio::sync::OwnedSemaphorePermit;
use warpwise_engine::error::{Condition, Error, Result};
use warpwise_engine::{Session, SessionOptions};

use crate::backend;
use crate::cancel;
use crate::error::{Failure, guard_now, violation};
use crate::frames::{FrameReader, ReadError};
use crate::message::utf8;
use crate::output::Output;
use crate::server::Shared;

/// The newest minor version of protocol 3 that is spoken.
const NEWEST_MINOR: u16 = 2;

/// A client that may send statements.
pub(crate) struct Admitted {
    pub(crate) session: Session,
    /// Its share of the limit on connections.
    pub(crate) slot: OwnedSemaphorePermit,
}

/// What a startup packet asks for.
#[derive(Debug, PartialEq, Eq)]
struct Request {
    minor: u16,
    user: String,
    database: String,
    settings: Vec<(String, String)>,
    /// `_pq_.` options, none of which is known.
    unknown: Vec<String>,
}

/// Leads a client to a session. None where it came for something else.
pub(crate) async fn admit<R: AsyncRead + Unpin>(
    reader: &mut FrameReader<R>,
    out: &mut Output,
    peer: SocketAddr,
    shared: &Shared,
) -> Result<Option<Admitted>, Failure> {
    let Some(packet) = startup_packet(reader, out, shared).await? else { return Ok(None) };
    let request = parse(packet).map_err(Failure::fatal)?;
    let minor = request.minor.min(NEWEST_MINOR);
    // 3.1 was never given out.
    let minor = if minor == 1 { 0 } else { minor };
    if minor != request.minor || !request.unknown.is_empty() {
        backend::negotiate_protocol_version(&mut out.buffer, (3 << 16) | i32::from(minor), &request.unknown);
    }
    let Ok(slot) = shared.slots.clone().try_acquire_owned() else {
        return Err(Failure::fatal(Error::new(Condition::TooManyConnections, "sorry, too many clients already")));
    };
    shared.auth.check(&request.user, reader, out).await?;
    backend::authentication_ok(&mut out.buffer);

    let secret = cancel::secret(minor);
    let options = SessionOptions {
        database: request.database,
        user: request.user,
        settings: request.settings,
        client_address: Some(peer.ip().to_string()),
        secret: secret.clone(),
    };
    let session = guard_now(|| shared.engine.session(options)).map_err(Failure::fatal)?;
    for (name, value) in session.reported_settings() {
        backend::parameter_status(&mut out.buffer, &name, &value);
    }
    backend::backend_key_data(&mut out.buffer, session.pid(), &secret);
    Ok(Some(Admitted { session, slot }))
}

/// The packet that starts a session; None after a cancel request.
async fn startup_packet<R: AsyncRead + Unpin>(
    reader: &mut FrameReader<R>,
    out: &mut Output,
    shared: &Shared,
) -> Result<Option<BytesMut>, Failure> {
    let (mut ssl_asked, mut gss_asked) = (false, false);
    loop {
        let packet = match reader.startup_packet().await {
            Ok(packet) => packet,
            Err(ReadError::Closed) => return Err(Failure::Gone),
            Err(ReadError::Violation(error)) => return Err(Failure::Fatal(error)),
        };
        // A packet has at least these four bytes.
        let Some(code) = packet.first_chunk::<4>().map(|code| u32::from_be_bytes(*code)) else { return Err(Failure::Gone) };
        if code == cancel::CANCEL_REQUEST {
            cancel::cancel(&shared.engine, &packet[4..]);
            return Ok(None);
        }
        let declined = if code == SslRequest::BODY_MAGIC_NUMBER as u32 {
            std::mem::replace(&mut ssl_asked, true)
        } else if code == GssEncRequest::BODY_MAGIC_NUMBER as u32 {
            std::mem::replace(&mut gss_asked, true)
        } else {
            let (major, minor) = (code >> 16, code & 0xffff);
            if major != 3 {
                let message = format!("unsupported frontend protocol {major}.{minor}: server supports 3.0 to 3.{NEWEST_MINOR}");
                return Err(Failure::fatal(Error::unsupported(message)));
            }
            return Ok(Some(packet));
        };
        if declined {
            return Err(Failure::fatal(violation("encryption was already declined")));
        }
        out.buffer.extend_from_slice(b"N");
        out.flush().await?;
    }
}

/// Reads a startup packet of protocol 3: version, then names and values.
fn parse(mut packet: BytesMut) -> Result<Request> {
    let layout = || violation("invalid startup packet layout: expected terminator as last byte");
    if packet.len() < 5 || packet.last() != Some(&0) {
        return Err(layout());
    }
    for text in packet[4..].split(|byte| *byte == 0) {
        utf8(text)?;
    }
    let length = packet.len() + 4;
    let context = DecodeContext::new(ProtocolVersion::PROTOCOL3_2);
    let startup = guard_now(|| Startup::decode_body(&mut packet, length, &context).map_err(|_| layout()))?;
    // What the decoder leaves stands behind an empty name.
    if !packet.is_empty() {
        return Err(layout());
    }

    let mut parameters = startup.parameters;
    let user = parameters.remove("user").filter(|user| !user.is_empty());
    let user = user.ok_or_else(|| {
        Error::new(Condition::InvalidAuthorizationSpecification, "no PostgreSQL user name specified in startup packet")
    })?;
    let database = parameters.remove("database").filter(|name| !name.is_empty()).unwrap_or_else(|| user.clone());
    if let Some(value) = parameters.remove("replication")
        && !matches!(value.to_ascii_lowercase().as_str(), "false" | "off" | "no" | "0" | "f" | "n")
    {
        return Err(Error::unsupported("replication connections are not supported"));
    }
    let mut settings = parameters.remove("options").map_or_else(|| Ok(Vec::new()), |options| command_line(&options))?;
    let (unknown, named): (Vec<_>, Vec<_>) = parameters.into_iter().partition(|(name, _)| name.starts_with("_pq_."));
    settings.extend(named);
    Ok(Request {
        minor: startup.protocol_number_minor,
        user,
        database,
        settings,
        unknown: unknown.into_iter().map(|(name, _)| name).collect(),
    })
}

/// The settings in `options`: `-c name=value`, `-cname=value` and `--name=value`.
fn command_line(options: &str) -> Result<Vec<(String, String)>> {
    let mut settings = Vec::new();
    let mut words = words(options).into_iter();
    while let Some(word) = words.next() {
        let (shown, assignment) = match (word.strip_prefix("--"), word.strip_prefix("-c")) {
            (Some(assignment), _) => (format!("--{assignment}"), assignment.to_owned()),
            (None, Some("")) => {
                let assignment = words.next().ok_or_else(|| Error::syntax("option requires an argument: -c"))?;
                (format!("-c {assignment}"), assignment)
            }
            (None, Some(assignment)) => (format!("-c {assignment}"), assignment.to_owned()),
            (None, None) => return Err(Error::syntax(format!("invalid command-line argument for server process: {word}"))),
        };
        let (name, value) = assignment.split_once('=').ok_or_else(|| Error::syntax(format!("{shown} requires a value")))?;
        settings.push((name.replace('-', "_"), value.to_owned()));
    }
    Ok(settings)
}

/// Splits at white space; a backslash takes the next character as it is.
fn words(options: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = options.chars();
    while let Some(character) = characters.next() {
        match character {
            ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c' => words.extend(word.take()),
            '\\' => word.get_or_insert_default().extend(characters.next()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(minor: u8, rest: &[u8]) -> BytesMut {
        let mut packet = BytesMut::from(&[0, 3, 0, minor][..]);
        packet.extend_from_slice(rest);
        packet
    }

    fn pairs(settings: &[(&str, &str)]) -> Vec<(String, String)> {
        settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn parameters_become_a_request() {
        let rest = b"user\0ann\0options\0-c a=b --work-mem=4MB -cx=y\\ z\0application_name\0\0_pq_.new\x001\0TimeZone\0UTC\0\0";
        let request = parse(packet(2, rest)).unwrap();
        assert_eq!((request.minor, request.user.as_str(), request.database.as_str()), (2, "ann", "ann"));
        let expected = [("a", "b"), ("work_mem", "4MB"), ("x", "y z"), ("TimeZone", "UTC"), ("application_name", "")];
        assert_eq!(request.settings, pairs(&expected));
        assert_eq!(request.unknown, ["_pq_.new"]);
    }

    #[test]
    fn bad_packets_are_refused() {
        let message = |rest: &[u8]| parse(packet(0, rest)).unwrap_err().message;
        assert_eq!(message(b""), "invalid startup packet layout: expected terminator as last byte");
        assert_eq!(message(b"user\0ann\0\0x"), "invalid startup packet layout: expected terminator as last byte");
        assert_eq!(message(b"user\0ann\0\0x\0"), "invalid startup packet layout: expected terminator as last byte");
        assert_eq!(message(b"database\0d\0\0"), "no PostgreSQL user name specified in startup packet");
        assert_eq!(message(b"user\0\xff\0\0"), "invalid byte sequence for encoding \"UTF8\": 0xff");
        assert_eq!(message(b"user\0u\0replication\0true\0\0"), "replication connections are not supported");
        assert_eq!(message(b"user\0u\0options\0-x\0\0"), "invalid command-line argument for server process: -x");
        assert_eq!(message(b"user\0u\0options\0-c\0\0"), "option requires an argument: -c");
        assert_eq!(message(b"user\0u\0options\0-c a\0\0"), "-c a requires a value");
    }
}
