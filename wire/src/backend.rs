//! The messages a server sends, written into one buffer.
//!
//! Rows are not here: whole DataRow frames come from `types`, errors and notices from `error`.

use bytes::{BufMut, BytesMut};
use warpwise_engine::{Column, TransactionStatus};

use crate::encoding::Format;

/// Appends one message: its type, its length (filled in afterwards) and what `body` writes.
///
/// Bodies here are far below the 2 GiB that the length can tell.
pub(crate) fn frame(out: &mut BytesMut, kind: u8, body: impl FnOnce(&mut BytesMut)) {
    out.put_u8(kind);
    let at = out.len();
    out.put_i32(0);
    body(out);
    let length = i32::try_from(out.len() - at).unwrap_or(i32::MAX);
    out[at..at + 4].copy_from_slice(&length.to_be_bytes());
}

/// Appends a zero-terminated string; what follows a zero within it cannot be sent and is left out.
pub(crate) fn put_cstring(out: &mut BytesMut, text: &str) {
    let end = text.bytes().position(|byte| byte == 0).unwrap_or(text.len());
    out.put_slice(&text.as_bytes()[..end]);
    out.put_u8(0);
}

/// A message of nothing but its type.
fn empty(out: &mut BytesMut, kind: u8) {
    out.put_slice(&[kind, 0, 0, 0, 4]);
}

/// AuthenticationOk.
pub(crate) fn authentication_ok(out: &mut BytesMut) {
    frame(out, b'R', |out| out.put_i32(0));
}

/// AuthenticationSASL: the mechanisms on offer.
pub(crate) fn authentication_sasl(out: &mut BytesMut, mechanisms: &[&str]) {
    frame(out, b'R', |out| {
        out.put_i32(10);
        for mechanism in mechanisms {
            put_cstring(out, mechanism);
        }
        out.put_u8(0);
    });
}

/// AuthenticationSASLContinue.
pub(crate) fn authentication_sasl_continue(out: &mut BytesMut, data: &str) {
    frame(out, b'R', |out| {
        out.put_i32(11);
        out.put_slice(data.as_bytes());
    });
}

/// AuthenticationSASLFinal.
pub(crate) fn authentication_sasl_final(out: &mut BytesMut, data: &str) {
    frame(out, b'R', |out| {
        out.put_i32(12);
        out.put_slice(data.as_bytes());
    });
}

/// NegotiateProtocolVersion: the version spoken from here on, and the options that are not known.
pub(crate) fn negotiate_protocol_version(out: &mut BytesMut, version: i32, unknown: &[String]) {
    frame(out, b'v', |out| {
        out.put_i32(version);
        // Options come from a startup packet of at most 10,000 bytes.
        out.put_i32(unknown.len() as i32);
        for option in unknown {
            put_cstring(out, option);
        }
    });
}

/// BackendKeyData: what a CancelRequest must show.
pub(crate) fn backend_key_data(out: &mut BytesMut, pid: i32, secret: &[u8]) {
    frame(out, b'K', |out| {
        out.put_i32(pid);
        out.put_slice(secret);
    });
}

/// ParameterStatus.
pub(crate) fn parameter_status(out: &mut BytesMut, name: &str, value: &str) {
    frame(out, b'S', |out| {
        put_cstring(out, name);
        put_cstring(out, value);
    });
}

/// ReadyForQuery.
pub(crate) fn ready_for_query(out: &mut BytesMut, status: TransactionStatus) {
    let status = match status {
        TransactionStatus::Idle => b'I',
        TransactionStatus::InTransaction => b'T',
        TransactionStatus::Failed => b'E',
    };
    frame(out, b'Z', |out| out.put_u8(status));
}

/// CommandComplete.
pub(crate) fn command_complete(out: &mut BytesMut, tag: &str) {
    frame(out, b'C', |out| put_cstring(out, tag));
}

/// EmptyQueryResponse.
pub(crate) fn empty_query_response(out: &mut BytesMut) {
    empty(out, b'I');
}

/// ParseComplete.
pub(crate) fn parse_complete(out: &mut BytesMut) {
    empty(out, b'1');
}

/// BindComplete.
pub(crate) fn bind_complete(out: &mut BytesMut) {
    empty(out, b'2');
}

/// CloseComplete.
pub(crate) fn close_complete(out: &mut BytesMut) {
    empty(out, b'3');
}

/// NoData: the statement returns no rows.
pub(crate) fn no_data(out: &mut BytesMut) {
    empty(out, b'n');
}

/// PortalSuspended: the row limit was reached.
pub(crate) fn portal_suspended(out: &mut BytesMut) {
    empty(out, b's');
}

/// CopyDone.
pub(crate) fn copy_done(out: &mut BytesMut) {
    empty(out, b'c');
}

/// CopyInResponse, for a text-like format.
pub(crate) fn copy_in_response(out: &mut BytesMut, columns: usize) {
    copy_response(out, b'G', columns);
}

/// CopyOutResponse, for a text-like format.
pub(crate) fn copy_out_response(out: &mut BytesMut, columns: usize) {
    copy_response(out, b'H', columns);
}

fn copy_response(out: &mut BytesMut, kind: u8, columns: usize) {
    frame(out, kind, |out| {
        out.put_i8(0);
        let columns = count(columns);
        out.put_i16(columns);
        out.put_bytes(0, 2 * columns.unsigned_abs() as usize);
    });
}

/// ParameterDescription: the types of a statement's parameters.
pub(crate) fn parameter_description(out: &mut BytesMut, oids: impl ExactSizeIterator<Item = u32>) {
    frame(out, b't', |out| {
        // A count here is unsigned: up to 65,535 parameters.
        out.put_u16(u16::try_from(oids.len()).unwrap_or(u16::MAX));
        for oid in oids {
            out.put_u32(oid);
        }
    });
}

/// RowDescription; `format` tells how column `i` will be sent.
pub(crate) fn row_description(out: &mut BytesMut, columns: &[Column], format: impl Fn(usize) -> Format) {
    frame(out, b'T', |out| {
        out.put_i16(count(columns.len()));
        for (i, column) in columns.iter().enumerate() {
            put_cstring(out, &column.name);
            out.put_u32(column.table_oid);
            out.put_i16(column.attribute);
            out.put_u32(column.sql_type.oid());
            out.put_i16(if column.sql_type.array { -1 } else { column.sql_type.base.row().length });
            out.put_i32(column.sql_type.typmod);
            out.put_i16(match format(i) {
                Format::Text => 0,
                Format::Binary => 1,
            });
        }
    });
}

fn count(columns: usize) -> i16 {
    // PostgreSQL ends at 1,664 result columns, and the engine before 32,768.
    i16::try_from(columns).unwrap_or(i16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_count_themselves_but_not_the_type() {
        let mut out = BytesMut::new();
        command_complete(&mut out, "SELECT 1");
        parse_complete(&mut out);
        ready_for_query(&mut out, TransactionStatus::Failed);
        assert_eq!(&out[..], b"C\0\0\0\x0dSELECT 1\x001\0\0\0\x04Z\0\0\0\x05E");
    }

    #[test]
    fn copy_responses_give_a_format_per_column() {
        let mut out = BytesMut::new();
        copy_out_response(&mut out, 2);
        assert_eq!(&out[..], b"H\0\0\0\x0b\0\0\x02\0\0\0\0");
    }
}
