//! Bodies of frames as messages.
//!
//! pgwire decodes; since its decoders take a body's counts and lengths at their word and panic where they
//! lie, [`check`] walks the body first, and gives PostgreSQL's sentences. Text must be UTF-8.

use bytes::{Bytes, BytesMut};
use pgwire::messages::copy::CopyFail;
use pgwire::messages::extendedquery::{Bind, Close, Describe, Execute, Parse};
use pgwire::messages::simplequery::Query;
use pgwire::messages::startup::SASLInitialResponse;
use pgwire::messages::{DecodeContext, Message as _, ProtocolVersion};
use warpwise_engine::error::{Condition, Error, Result};

use crate::error::{guard_now, violation};
use crate::frames::Kind;

/// A message from a client that has started up.
#[derive(Debug)]
pub(crate) enum Message {
    Query(String),
    Parse(Parse),
    Bind(Bind),
    Describe(Target),
    Execute { portal: String, max_rows: i32 },
    Close(Target),
    Flush,
    Sync,
    Terminate,
    CopyData(Bytes),
    CopyDone,
    CopyFail(String),
    FunctionCall,
}

/// What Describe and Close are about.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Statement(String),
    Portal(String),
}

impl Message {
    /// Decodes the body of a frame.
    pub(crate) fn decode(kind: Kind, mut body: BytesMut) -> Result<Self> {
        check(kind, &body)?;
        let length = body.len() + 4;
        let context = DecodeContext::new(ProtocolVersion::PROTOCOL3_2);
        guard_now(|| {
            Ok(match kind {
                Kind::Query => Message::Query(decoded(Query::decode_body(&mut body, length, &context))?.query),
                Kind::Parse => Message::Parse(decoded(Parse::decode_body(&mut body, length, &context))?),
                Kind::Bind => Message::Bind(decoded(Bind::decode_body(&mut body, length, &context))?),
                Kind::Describe => {
                    let describe = decoded(Describe::decode_body(&mut body, length, &context))?;
                    Message::Describe(target("DESCRIBE", describe.target_type, describe.name)?)
                }
                Kind::Execute => {
                    let execute = decoded(Execute::decode_body(&mut body, length, &context))?;
                    Message::Execute { portal: execute.name.unwrap_or_default(), max_rows: execute.max_rows }
                }
                Kind::Close => {
                    let close = decoded(Close::decode_body(&mut body, length, &context))?;
                    Message::Close(target("CLOSE", close.target_type, close.name)?)
                }
                Kind::CopyFail => Message::CopyFail(decoded(CopyFail::decode_body(&mut body, length, &context))?.message),
                Kind::CopyData => Message::CopyData(std::mem::take(&mut body).freeze()),
                Kind::CopyDone => Message::CopyDone,
                Kind::Flush => Message::Flush,
                Kind::Sync => Message::Sync,
                Kind::Terminate => Message::Terminate,
                Kind::FunctionCall => Message::FunctionCall,
                Kind::Password => return Err(violation("no authentication is in progress")),
            })
        })
    }
}

/// Decodes the first answer to a SASL request: the mechanism chosen, and its first message.
pub(crate) fn sasl_initial_response(mut body: BytesMut) -> Result<(String, Option<Bytes>)> {
    let mut cursor = Cursor(&body);
    cursor.text()?;
    let length = cursor.i32()?;
    if length != -1 {
        cursor.skip(length as u32 as usize)?;
    }
    cursor.end()?;
    let full = body.len() + 4;
    let response = guard_now(|| {
        decoded(SASLInitialResponse::decode_body(&mut body, full, &DecodeContext::new(ProtocolVersion::PROTOCOL3_2)))
    })?;
    Ok((response.auth_method, response.data))
}

fn decoded<T>(result: pgwire::error::PgWireResult<T>) -> Result<T> {
    result.map_err(|error| violation("invalid message format").detail(error.to_string()))
}

fn target(message: &str, kind: u8, name: Option<String>) -> Result<Target> {
    let name = name.unwrap_or_default();
    match kind {
        b'S' => Ok(Target::Statement(name)),
        b'P' => Ok(Target::Portal(name)),
        other => Err(violation(format!("invalid {message} message subtype {other}"))),
    }
}

/// Walks a body: every string ends, every count is followed by what it counts, nothing is left over.
fn check(kind: Kind, body: &[u8]) -> Result<()> {
    let mut cursor = Cursor(body);
    match kind {
        Kind::Query | Kind::CopyFail => cursor.text()?,
        Kind::Parse => {
            cursor.text()?;
            cursor.text()?;
            cursor.array(4)?;
        }
        Kind::Bind => {
            cursor.text()?;
            cursor.text()?;
            cursor.array(2)?;
            for _ in 0..cursor.u16()? {
                match cursor.i32()? {
                    -1 => {}
                    length => cursor.skip(length as u32 as usize)?,
                }
            }
            cursor.array(2)?;
        }
        Kind::Describe | Kind::Close => {
            cursor.skip(1)?;
            cursor.text()?;
        }
        Kind::Execute => {
            cursor.text()?;
            cursor.i32()?;
        }
        Kind::Flush | Kind::Sync | Kind::CopyDone => {}
        Kind::Terminate | Kind::CopyData | Kind::FunctionCall | Kind::Password => return Ok(()),
    }
    cursor.end()
}

/// The part of a body that is not yet walked.
struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn skip(&mut self, bytes: usize) -> Result<()> {
        self.0 = self.0.get(bytes..).ok_or_else(|| violation("insufficient data left in message"))?;
        Ok(())
    }

    fn u16(&mut self) -> Result<u16> {
        let (value, rest) = self.0.split_first_chunk().ok_or_else(|| violation("insufficient data left in message"))?;
        self.0 = rest;
        Ok(u16::from_be_bytes(*value))
    }

    fn i32(&mut self) -> Result<i32> {
        let (value, rest) = self.0.split_first_chunk().ok_or_else(|| violation("insufficient data left in message"))?;
        self.0 = rest;
        Ok(i32::from_be_bytes(*value))
    }

    fn array(&mut self, width: usize) -> Result<()> {
        let count = usize::from(self.u16()?);
        self.skip(count * width)
    }

    fn text(&mut self) -> Result<()> {
        let end = self.0.iter().position(|byte| *byte == 0).ok_or_else(|| violation("invalid string in message"))?;
        utf8(&self.0[..end])?;
        self.0 = &self.0[end + 1..];
        Ok(())
    }

    fn end(&self) -> Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(violation("invalid message format")) }
    }
}

/// Text as PostgreSQL takes it: `22021` names the bytes of the first character that is none.
pub(crate) fn utf8(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|error| {
        let wrong = &bytes[error.valid_up_to()..];
        let length = match wrong.first() {
            Some(0xc0..=0xdf) => 2,
            Some(0xe0..=0xef) => 3,
            Some(0xf0..=0xf7) => 4,
            Some(_) | None => 1,
        };
        let shown: Vec<String> = wrong.iter().take(length).map(|byte| format!("0x{byte:02x}")).collect();
        let message = format!("invalid byte sequence for encoding \"UTF8\": {}", shown.join(" "));
        Error::new(Condition::CharacterNotInRepertoire, message)
    })
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::*;

    const KINDS: [Kind; 14] = [
        Kind::Query,
        Kind::Parse,
        Kind::Bind,
        Kind::Describe,
        Kind::Execute,
        Kind::Close,
        Kind::Flush,
        Kind::Sync,
        Kind::Terminate,
        Kind::CopyData,
        Kind::CopyDone,
        Kind::CopyFail,
        Kind::FunctionCall,
        Kind::Password,
    ];

    fn refusal(kind: Kind, body: &[u8]) -> String {
        Message::decode(kind, BytesMut::from(body)).unwrap_err().message
    }

    #[test]
    fn well_formed_messages_decode() {
        match Message::decode(Kind::Bind, BytesMut::from(&b"p\0s\0\0\x01\0\x01\0\x02\0\0\0\x02ab\xff\xff\xff\xff\0\x01\0\0"[..]))
            .unwrap()
        {
            Message::Bind(bind) => {
                assert_eq!(bind.portal_name.as_deref(), Some("p"));
                assert_eq!(bind.parameters, [Some(Bytes::from_static(b"ab")), None]);
                assert_eq!((bind.parameter_format_codes, bind.result_column_format_codes), (vec![1], vec![0]));
            }
            other => panic!("{other:?}"),
        }
        match Message::decode(Kind::Close, BytesMut::from(&b"S\0"[..])).unwrap() {
            Message::Close(target) => assert_eq!(target, Target::Statement(String::new())),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn malformed_messages_say_how() {
        assert_eq!(refusal(Kind::Query, b"select 1"), "invalid string in message");
        assert_eq!(refusal(Kind::Query, b"select\x001\0"), "invalid message format");
        assert_eq!(refusal(Kind::Parse, b"\0select\0\0\x02\0\0\0\x17"), "insufficient data left in message");
        assert_eq!(refusal(Kind::Bind, b"\0\0\0\0\0\x01\xff\xff\xff\xfe\0\0"), "insufficient data left in message");
        assert_eq!(refusal(Kind::Describe, b"Z\0"), "invalid DESCRIBE message subtype 90");
        assert_eq!(refusal(Kind::Sync, b"\0"), "invalid message format");
        assert_eq!(
            refusal(Kind::Query, b"select '\xe2\x28\xa1'\0"),
            "invalid byte sequence for encoding \"UTF8\": 0xe2 0x28 0xa1"
        );
    }

    #[test]
    fn no_body_panics() {
        let mut random = StdRng::seed_from_u64(7);
        for _ in 0..20_000 {
            let length = random.random_range(0..40);
            // Small numbers, so that counts and lengths are often nearly right.
            let body: Vec<u8> =
                (0..length).map(|_| if random.random_bool(0.8) { random.random_range(0..4) } else { random.random() }).collect();
            for kind in KINDS {
                if let Err(error) = Message::decode(kind, BytesMut::from(&body[..])) {
                    assert_ne!(error.condition, Condition::InternalError, "{kind:?} {body:?}");
                }
            }
            if let Err(error) = sasl_initial_response(BytesMut::from(&body[..])) {
                assert_ne!(error.condition, Condition::InternalError, "{body:?}");
            }
        }
    }
}
