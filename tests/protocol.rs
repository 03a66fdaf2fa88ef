//! Protocol transcripts: what a client sends, and every message that must come back.
//!
//! The files below `tests/wire/` are in the manner of Materialize's pgtest. A block begins with a
//! directive and ends with an empty line; what follows `----` is what the server has to say:
//!
//! ```text
//! send
//! Parse {"query": "select $1::int"}
//! Bind {"values": ["1"]}
//! Execute
//! Sync
//!
//! until
//! ReadyForQuery
//! ----
//! ParseComplete
//! BindComplete
//! DataRow {"fields":["1"]}
//! CommandComplete {"tag":"SELECT 1"}
//! ReadyForQuery {"status":"I"}
//! ```
//!
//! `until` lists the messages at which to stop, one a line, in turn. `connect NAME` opens, or returns
//! to, another connection; the first is called `main`. Notices are left out unless the directive is
//! `until with notices`; table ids are never shown. Expectations come from PostgreSQL 15: with `UPDATE=1`
//! and `WARPWISE_ORACLE` the files are run against that server and rewritten.

mod support;

use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::fmt::Write;
use std::path::Path;
use support::binary::{hex, unhex};
use support::client::Client;
use support::message::{self, Backend, Field, Fields};
use support::server::Server;

#[test]
fn transcripts() {
    let folder = support::root().join("tests/wire");
    let server =
        if support::updating() { support::oracle::named().expect("an update needs WARPWISE_ORACLE") } else { Server::start(&[]) };
    let mut failures = Vec::new();
    for file in support::files(&folder, "pt") {
        let written = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        match run(&server, &written) {
            Err(reason) => failures.push(format!("{}: {reason}", file.display())),
            Ok(actual) if actual == written => {}
            Ok(actual) if support::updating() => {
                std::fs::write(&file, actual).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            }
            Ok(actual) => failures.push(difference(&file, &written, &actual)),
        }
    }
    assert!(failures.is_empty(), "{}\n\nthe server said:\n{}", failures.join("\n\n"), server.log());
}

/// The first lines that differ, with a few before them.
fn difference(file: &Path, expected: &str, actual: &str) -> String {
    let same = expected.lines().zip(actual.lines()).take_while(|(expected, actual)| expected == actual).count();
    let mut text = format!("{}:{}: the server answers differently\n", file.display(), same + 1);
    for line in expected.lines().take(same).skip(same.saturating_sub(6)) {
        let _ = writeln!(text, "    {line}");
    }
    for (sign, lines) in [('-', expected), ('+', actual)] {
        for line in lines.lines().skip(same).take(6) {
            let _ = writeln!(text, "  {sign} {line}");
        }
    }
    text
}

/// Plays a transcript and returns it with the server's actual words in it.
fn run(server: &Server, transcript: &str) -> Result<String, String> {
    let mut clients = HashMap::from([("main".to_owned(), server.connect())]);
    let mut current = "main".to_owned();
    let mut blocks = Vec::new();
    for block in transcript.trim_end().split("\n\n") {
        let mut played = String::new();
        let mut lines = block.lines().skip_while(|line| line.starts_with('#') || line.is_empty());
        for line in block.lines().take_while(|line| line.starts_with('#') || line.is_empty()) {
            let _ = writeln!(played, "{line}");
        }
        let Some(directive) = lines.next() else {
            blocks.push(played.trim_end().to_owned());
            continue;
        };
        let body: Vec<&str> = lines.take_while(|line| *line != "----").collect();
        let _ = writeln!(played, "{directive}");
        for line in &body {
            let _ = writeln!(played, "{line}");
        }
        if let Some(name) = directive.strip_prefix("connect ") {
            current = name.to_owned();
            clients.entry(current.clone()).or_insert_with(|| server.connect());
        } else {
            let client = clients.get_mut(&current).ok_or("no such connection")?;
            match directive {
                "send" => send(client, &body)?,
                "until" | "until with notices" => {
                    let notices = directive == "until with notices";
                    let _ = writeln!(played, "----\n{}", receive(client, &body, notices)?.trim_end());
                }
                other => return Err(format!("an unknown directive {other:?}")),
            }
        }
        blocks.push(played.trim_end().to_owned());
    }
    Ok(blocks.join("\n\n") + "\n")
}

/// Sends the messages of a block at once.
fn send(client: &mut Client, lines: &[&str]) -> Result<(), String> {
    let mut bytes = Vec::new();
    for line in lines {
        let (name, body) = line.split_once(' ').unwrap_or((line, "{}"));
        let body: Value = serde_json::from_str(body).map_err(|error| format!("{line}: {error}"))?;
        let body = body.as_object().ok_or_else(|| format!("{line}: not an object"))?;
        bytes.extend(encode(name, body).map_err(|reason| format!("{line}: {reason}"))?);
    }
    client.send(&bytes).map_err(|error| error.to_string())
}

/// A frontend message from its name and its fields; what is not named is empty.
fn encode(name: &str, body: &Map<String, Value>) -> Result<Vec<u8>, String> {
    let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default();
    let number = |key: &str| body.get(key).and_then(Value::as_i64).unwrap_or_default();
    let numbers = |key: &str| -> Vec<i64> {
        body.get(key).and_then(Value::as_array).map(|list| list.iter().filter_map(Value::as_i64).collect()).unwrap_or_default()
    };
    let formats = |key: &str| -> Result<Vec<i16>, String> {
        numbers(key).into_iter().map(|format| i16::try_from(format).map_err(|error| error.to_string())).collect()
    };
    let kind = || match text("variant") {
        "" | "S" => Ok(b'S'),
        "P" => Ok(b'P'),
        other => Err(format!("an unknown variant {other:?}")),
    };
    Ok(match name {
        "Query" => message::query(text("query")),
        "Parse" => {
            let types = numbers("types").into_iter().map(|oid| u32::try_from(oid).map_err(|error| error.to_string()));
            message::parse(text("name"), text("query"), &types.collect::<Result<Vec<_>, _>>()?)
        }
        "Bind" => {
            let values = body.get("values").and_then(Value::as_array).cloned().unwrap_or_default();
            let values = values.iter().map(value).collect::<Result<Vec<_>, _>>()?;
            message::bind(text("portal"), text("statement"), &formats("formats")?, &values, &formats("results")?)
        }
        "Describe" => message::describe(kind()?, text("name")),
        "Close" => message::close(kind()?, text("name")),
        "Execute" => message::execute(text("portal"), i32::try_from(number("max_rows")).map_err(|error| error.to_string())?),
        "Sync" => message::sync(),
        "Flush" => message::flush(),
        "CopyData" => message::copy_data(text("data").as_bytes()),
        "CopyDone" => message::copy_done(),
        "CopyFail" => message::copy_fail(text("reason")),
        "Terminate" => message::terminate(),
        other => return Err(format!("an unknown message {other:?}")),
    })
}

/// A parameter: NULL, text, or bytes as `{"hex": "…"}`.
fn value(value: &Value) -> Result<Option<Vec<u8>>, String> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.as_bytes().to_vec())),
        Value::Object(object) => match object.get("hex").and_then(Value::as_str).and_then(unhex) {
            Some(bytes) => Ok(Some(bytes)),
            None => Err(format!("{value} is not {{\"hex\": …}}")),
        },
        other => Err(format!("{other} is no parameter")),
    }
}

/// Reads until the messages `stops` have come in turn, and prints everything on the way.
fn receive(client: &mut Client, stops: &[&str], notices: bool) -> Result<String, String> {
    let mut printed = String::new();
    // The formats of the columns decide how values print.
    let mut binary: Vec<bool> = Vec::new();
    for stop in stops {
        loop {
            let message = match client.read() {
                Ok(message) => message,
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                    let _ = writeln!(printed, "(the server closes the connection)");
                    return Ok(printed);
                }
                Err(error) => return Err(format!("waiting for {stop}: {error}; so far:\n{printed}")),
            };
            if let Backend::RowDescription(fields) = &message {
                binary = fields.iter().map(|field| field.format == 1).collect();
            }
            let (name, body) = describe(&message, &binary);
            if name != "NoticeResponse" || notices {
                let _ = writeln!(printed, "{}", format!("{name} {body}").trim_end());
            }
            if name == *stop {
                break;
            }
        }
    }
    Ok(printed)
}

/// A message's name, and what is worth seeing of it as JSON; empty where that is nothing.
fn describe(message: &Backend, binary: &[bool]) -> (&'static str, String) {
    let nothing = String::new;
    match message {
        Backend::Authentication(code, _) => ("Authentication", object(&[("code", json!(code))])),
        Backend::BackendKeyData(..) => ("BackendKeyData", nothing()),
        Backend::ParameterStatus(name, value) => ("ParameterStatus", object(&[("name", json!(name)), ("value", json!(value))])),
        Backend::ReadyForQuery(status) => ("ReadyForQuery", object(&[("status", json!(status.to_string()))])),
        Backend::RowDescription(fields) => {
            let fields: Vec<String> = fields.iter().map(describe_field).collect();
            ("RowDescription", format!("{{\"fields\":[{}]}}", fields.join(",")))
        }
        Backend::DataRow(values) => {
            let value = |(index, value): (usize, &Option<Vec<u8>>)| match value {
                None => Value::Null,
                Some(bytes) if binary.get(index).copied().unwrap_or(false) => json!({ "hex": hex(bytes) }),
                Some(bytes) => json!(String::from_utf8_lossy(bytes)),
            };
            ("DataRow", object(&[("fields", values.iter().enumerate().map(value).collect())]))
        }
        Backend::CommandComplete(tag) => ("CommandComplete", object(&[("tag", json!(tag))])),
        Backend::EmptyQueryResponse => ("EmptyQueryResponse", nothing()),
        Backend::ErrorResponse(fields) => ("ErrorResponse", describe_error(fields)),
        Backend::NoticeResponse(fields) => ("NoticeResponse", describe_error(fields)),
        Backend::ParseComplete => ("ParseComplete", nothing()),
        Backend::BindComplete => ("BindComplete", nothing()),
        Backend::CloseComplete => ("CloseComplete", nothing()),
        Backend::NoData => ("NoData", nothing()),
        Backend::PortalSuspended => ("PortalSuspended", nothing()),
        Backend::ParameterDescription(types) => ("ParameterDescription", object(&[("types", json!(types))])),
        Backend::CopyInResponse(format, columns) => ("CopyInResponse", describe_copy(*format, columns)),
        Backend::CopyOutResponse(format, columns) => ("CopyOutResponse", describe_copy(*format, columns)),
        Backend::CopyData(bytes) => ("CopyData", object(&[("data", json!(String::from_utf8_lossy(bytes)))])),
        Backend::CopyDone => ("CopyDone", nothing()),
        Backend::NegotiateProtocolVersion(minor, options) => {
            ("NegotiateProtocolVersion", object(&[("minor", json!(minor)), ("options", json!(options))]))
        }
        Backend::NotificationResponse(_, channel, payload) => {
            ("NotificationResponse", object(&[("channel", json!(channel)), ("payload", json!(payload))]))
        }
    }
}

/// An object with its fields in this order, which a map of serde_json's need not keep.
fn object(fields: &[(&str, Value)]) -> String {
    let fields: Vec<String> = fields.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
    format!("{{{}}}", fields.join(","))
}

fn describe_field(field: &Field) -> String {
    object(&[
        ("name", json!(field.name)),
        ("type", json!(field.type_oid)),
        ("size", json!(field.size)),
        ("typmod", json!(field.typmod)),
        ("format", json!(field.format)),
    ])
}

fn describe_copy(format: u8, columns: &[i16]) -> String {
    object(&[("format", json!(format)), ("columns", json!(columns))])
}

/// What an error says, without the place in PostgreSQL's sources.
fn describe_error(fields: &Fields) -> String {
    let keys = [('S', "severity"), ('C', "code"), ('M', "message"), ('D', "detail"), ('H', "hint"), ('P', "position")];
    let fields: Vec<_> = keys.iter().filter_map(|(code, key)| Some((*key, json!(fields.0.get(code)?)))).collect();
    object(&fields)
}
