//! The messages of protocol 3 as a client sends and reads them.
//!
//! The frames are written and parsed by hand, so that a fault in the server's codec cannot hide behind
//! the same fault here.

use std::collections::BTreeMap;
use std::fmt;
use std::io;

/// A message from the server, by PostgreSQL's names.
#[allow(clippy::enum_variant_names)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Backend {
    /// `R`: the code and what follows it.
    Authentication(i32, Vec<u8>),
    /// `K`
    BackendKeyData(i32, Vec<u8>),
    /// `S`
    ParameterStatus(String, String),
    /// `Z`: `I`, `T` or `E`.
    ReadyForQuery(char),
    /// `T`
    RowDescription(Vec<Field>),
    /// `D`
    DataRow(Vec<Option<Vec<u8>>>),
    /// `C`
    CommandComplete(String),
    /// `I`
    EmptyQueryResponse,
    /// `E`
    ErrorResponse(Fields),
    /// `N`
    NoticeResponse(Fields),
    /// `1`
    ParseComplete,
    /// `2`
    BindComplete,
    /// `3`
    CloseComplete,
    /// `n`
    NoData,
    /// `s`
    PortalSuspended,
    /// `t`
    ParameterDescription(Vec<u32>),
    /// `G`: the overall format and one per column.
    CopyInResponse(u8, Vec<i16>),
    /// `H`: the overall format and one per column.
    CopyOutResponse(u8, Vec<i16>),
    /// `d`
    CopyData(Vec<u8>),
    /// `c`
    CopyDone,
    /// `v`: the newest minor version, and the options that were not understood.
    NegotiateProtocolVersion(i32, Vec<String>),
    /// `A`: process, channel, payload.
    NotificationResponse(i32, String, String),
}

/// A column of a row description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The label.
    pub name: String,
    /// The table's object id, or 0.
    pub table: u32,
    /// The column's number in its table, or 0.
    pub attribute: i16,
    /// The type's object id.
    pub type_oid: u32,
    /// The type's size, negative where it varies.
    pub size: i16,
    /// The type modifier, or -1.
    pub typmod: i32,
    /// 0 for text, 1 for binary.
    pub format: i16,
}

/// The fields of an error or a notice, by their one-letter codes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields(pub BTreeMap<char, String>);

impl Fields {
    /// The field `code`, empty where it was not sent.
    pub fn get(&self, code: char) -> &str {
        self.0.get(&code).map_or("", String::as_str)
    }

    /// `ERROR`, `FATAL`, `NOTICE` …
    pub fn severity(&self) -> &str {
        self.get('S')
    }

    /// The SQLSTATE.
    pub fn code(&self) -> &str {
        self.get('C')
    }

    /// The primary sentence.
    pub fn message(&self) -> &str {
        self.get('M')
    }
}

impl fmt::Display for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code(), self.message())
    }
}

/// Reads a body from front to back.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> io::Result<&'a [u8]> {
        let Some((head, tail)) = self.0.split_at_checked(count) else {
            return Err(malformed("a message is shorter than its fields"));
        };
        self.0 = tail;
        Ok(head)
    }

    fn byte(&mut self) -> io::Result<u8> {
        Ok(self.take(1)?[0])
    }

    fn int16(&mut self) -> io::Result<i16> {
        let bytes = self.take(2)?;
        Ok(i16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn int32(&mut self) -> io::Result<i32> {
        let bytes = self.take(4)?;
        Ok(i32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    fn oid(&mut self) -> io::Result<u32> {
        Ok(self.int32()?.cast_unsigned())
    }

    fn text(&mut self) -> io::Result<String> {
        let end = self.0.iter().position(|&byte| byte == 0).ok_or_else(|| malformed("a string has no end"))?;
        let text = String::from_utf8(self.take(end)?.to_vec()).map_err(|_| malformed("a string is not UTF-8"))?;
        self.take(1)?;
        Ok(text)
    }

    fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0).to_vec()
    }
}

/// The error of a server that breaks the protocol.
fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

impl Backend {
    /// Parses the body of a message with the type byte `tag`; a byte too few or too many is an error.
    pub fn parse(tag: u8, body: &[u8]) -> io::Result<Self> {
        let mut reader = Reader(body);
        let message = match tag {
            b'R' => Self::Authentication(reader.int32()?, reader.rest()),
            b'K' => Self::BackendKeyData(reader.int32()?, reader.rest()),
            b'S' => Self::ParameterStatus(reader.text()?, reader.text()?),
            b'Z' => Self::ReadyForQuery(char::from(reader.byte()?)),
            b'T' => {
                let count = reader.int16()?;
                let fields = (0..count).map(|_| Field::parse(&mut reader)).collect::<io::Result<_>>()?;
                Self::RowDescription(fields)
            }
            b'D' => {
                let count = reader.int16()?;
                let values = (0..count).map(|_| value(&mut reader)).collect::<io::Result<_>>()?;
                Self::DataRow(values)
            }
            b'C' => Self::CommandComplete(reader.text()?),
            b'I' => Self::EmptyQueryResponse,
            b'E' => Self::ErrorResponse(fields(&mut reader)?),
            b'N' => Self::NoticeResponse(fields(&mut reader)?),
            b'1' => Self::ParseComplete,
            b'2' => Self::BindComplete,
            b'3' => Self::CloseComplete,
            b'n' => Self::NoData,
            b's' => Self::PortalSuspended,
            b't' => {
                let count = reader.int16()?;
                Self::ParameterDescription((0..count).map(|_| reader.oid()).collect::<io::Result<_>>()?)
            }
            b'G' | b'H' => {
                let format = reader.byte()?;
                let count = reader.int16()?;
                let columns = (0..count).map(|_| reader.int16()).collect::<io::Result<_>>()?;
                if tag == b'G' { Self::CopyInResponse(format, columns) } else { Self::CopyOutResponse(format, columns) }
            }
            b'd' => Self::CopyData(reader.rest()),
            b'c' => Self::CopyDone,
            b'v' => {
                let minor = reader.int32()?;
                let count = reader.int32()?;
                Self::NegotiateProtocolVersion(minor, (0..count).map(|_| reader.text()).collect::<io::Result<_>>()?)
            }
            b'A' => Self::NotificationResponse(reader.int32()?, reader.text()?, reader.text()?),
            other => return Err(malformed(&format!("an unknown message {:?}", char::from(other)))),
        };
        if reader.0.is_empty() {
            Ok(message)
        } else {
            Err(malformed(&format!("{} bytes too many in {message:?}", reader.0.len())))
        }
    }
}

impl Field {
    fn parse(reader: &mut Reader<'_>) -> io::Result<Self> {
        Ok(Self {
            name: reader.text()?,
            table: reader.oid()?,
            attribute: reader.int16()?,
            type_oid: reader.oid()?,
            size: reader.int16()?,
            typmod: reader.int32()?,
            format: reader.int16()?,
        })
    }
}

fn value(reader: &mut Reader<'_>) -> io::Result<Option<Vec<u8>>> {
    match reader.int32()? {
        -1 => Ok(None),
        length => match usize::try_from(length) {
            Ok(length) => Ok(Some(reader.take(length)?.to_vec())),
            Err(_) => Err(malformed("a value has a negative length")),
        },
    }
}

fn fields(reader: &mut Reader<'_>) -> io::Result<Fields> {
    let mut fields = BTreeMap::new();
    loop {
        match reader.byte()? {
            0 => return Ok(Fields(fields)),
            code => fields.insert(char::from(code), reader.text()?),
        };
    }
}

/// A message to the server: its type byte, its length, its body.
pub fn frame(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = i32::try_from(body.len() + 4).expect("a test's message is small");
    let mut frame = Vec::with_capacity(body.len() + 5);
    frame.push(tag);
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(body);
    frame
}

/// A start-up packet, which has no type byte.
pub fn startup(version: i32, parameters: &[(&str, &str)]) -> Vec<u8> {
    let mut body = version.to_be_bytes().to_vec();
    for (name, value) in parameters {
        put_text(&mut body, name);
        put_text(&mut body, value);
    }
    body.push(0);
    untyped(&body)
}

/// A packet without a type byte.
pub fn untyped(body: &[u8]) -> Vec<u8> {
    frame(0, body).split_off(1)
}

/// `Q`
pub fn query(sql: &str) -> Vec<u8> {
    let mut body = Vec::new();
    put_text(&mut body, sql);
    frame(b'Q', &body)
}

/// `P`
pub fn parse(name: &str, sql: &str, types: &[u32]) -> Vec<u8> {
    let mut body = Vec::new();
    put_text(&mut body, name);
    put_text(&mut body, sql);
    put_count(&mut body, types.len());
    for oid in types {
        body.extend_from_slice(&oid.to_be_bytes());
    }
    frame(b'P', &body)
}

/// `B`
pub fn bind(portal: &str, statement: &str, formats: &[i16], values: &[Option<Vec<u8>>], results: &[i16]) -> Vec<u8> {
    let mut body = Vec::new();
    put_text(&mut body, portal);
    put_text(&mut body, statement);
    put_count(&mut body, formats.len());
    for format in formats {
        body.extend_from_slice(&format.to_be_bytes());
    }
    put_count(&mut body, values.len());
    for value in values {
        match value {
            None => body.extend_from_slice(&(-1i32).to_be_bytes()),
            Some(bytes) => {
                body.extend_from_slice(&i32::try_from(bytes.len()).expect("a test's value is small").to_be_bytes());
                body.extend_from_slice(bytes);
            }
        }
    }
    put_count(&mut body, results.len());
    for format in results {
        body.extend_from_slice(&format.to_be_bytes());
    }
    frame(b'B', &body)
}

/// `D`: `kind` is `S` or `P`.
pub fn describe(kind: u8, name: &str) -> Vec<u8> {
    named(b'D', kind, name)
}

/// `C`: `kind` is `S` or `P`.
pub fn close(kind: u8, name: &str) -> Vec<u8> {
    named(b'C', kind, name)
}

/// `E`
pub fn execute(portal: &str, max_rows: i32) -> Vec<u8> {
    let mut body = Vec::new();
    put_text(&mut body, portal);
    body.extend_from_slice(&max_rows.to_be_bytes());
    frame(b'E', &body)
}

/// `S`
pub fn sync() -> Vec<u8> {
    frame(b'S', &[])
}

/// `H`
pub fn flush() -> Vec<u8> {
    frame(b'H', &[])
}

/// `X`
pub fn terminate() -> Vec<u8> {
    frame(b'X', &[])
}

/// `d`
pub fn copy_data(bytes: &[u8]) -> Vec<u8> {
    frame(b'd', bytes)
}

/// `c`
pub fn copy_done() -> Vec<u8> {
    frame(b'c', &[])
}

/// `f`
pub fn copy_fail(reason: &str) -> Vec<u8> {
    let mut body = Vec::new();
    put_text(&mut body, reason);
    frame(b'f', &body)
}

fn named(tag: u8, kind: u8, name: &str) -> Vec<u8> {
    let mut body = vec![kind];
    put_text(&mut body, name);
    frame(tag, &body)
}

fn put_text(body: &mut Vec<u8>, text: &str) {
    body.extend_from_slice(text.as_bytes());
    body.push(0);
}

fn put_count(body: &mut Vec<u8>, count: usize) {
    body.extend_from_slice(&u16::try_from(count).expect("a test's list is short").to_be_bytes());
}
