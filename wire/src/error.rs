//! Errors and notices as bytes, and what may end a message's handling.
//!
//! The engine names a [`Condition`]; the five characters that clients branch on are known here alone.
//! Where in a COPY an error arose goes to the `W` field; source file, line and routine are not sent.

use std::any::Any;
use std::io;
use std::panic::AssertUnwindSafe;

use bytes::BytesMut;
use futures::FutureExt;
use warpwise_engine::error::{Condition, Error, Result};
use warpwise_engine::{Notice, Severity};

use crate::backend::{frame, put_cstring};

/// The SQLSTATE of a condition.
pub(crate) fn sqlstate(condition: Condition) -> &'static str {
    match condition {
        Condition::ProtocolViolation => "08P01",
        Condition::FeatureNotSupported => "0A000",
        Condition::CardinalityViolation => "21000",
        Condition::DataException => "22000",
        Condition::StringDataRightTruncation => "22001",
        Condition::NumericValueOutOfRange => "22003",
        Condition::NullValueNotAllowed => "22004",
        Condition::InvalidDatetimeFormat => "22007",
        Condition::DatetimeFieldOverflow => "22008",
        Condition::InvalidTimeZoneDisplacementValue => "22009",
        Condition::ZeroLengthCharacterString => "2200F",
        Condition::InvalidArgumentForLogarithm => "2201E",
        Condition::InvalidArgumentForPowerFunction => "2201F",
        Condition::InvalidArgumentForWidthBucketFunction => "2201G",
        Condition::InvalidRegularExpression => "2201B",
        Condition::InvalidRowCountInLimitClause => "2201W",
        Condition::InvalidRowCountInResultOffsetClause => "2201X",
        Condition::SubstringError => "22011",
        Condition::DivisionByZero => "22012",
        Condition::IntervalFieldOverflow => "22015",
        Condition::CharacterNotInRepertoire => "22021",
        Condition::InvalidParameterValue => "22023",
        Condition::InvalidEscapeSequence => "22025",
        Condition::ArraySubscriptError => "2202E",
        Condition::InvalidTextRepresentation => "22P02",
        Condition::InvalidBinaryRepresentation => "22P03",
        Condition::BadCopyFileFormat => "22P04",
        Condition::NotNullViolation => "23502",
        Condition::InvalidCursorState => "24000",
        Condition::ActiveSqlTransaction => "25001",
        Condition::ReadOnlySqlTransaction => "25006",
        Condition::NoActiveSqlTransaction => "25P01",
        Condition::InFailedSqlTransaction => "25P02",
        Condition::InvalidSqlStatementName => "26000",
        Condition::InvalidAuthorizationSpecification => "28000",
        Condition::InvalidPassword => "28P01",
        Condition::DependentObjectsStillExist => "2BP01",
        Condition::InvalidCursorName => "34000",
        Condition::InvalidSavepointSpecification => "3B001",
        Condition::InvalidCatalogName => "3D000",
        Condition::InvalidSchemaName => "3F000",
        Condition::SerializationFailure => "40001",
        Condition::InsufficientPrivilege => "42501",
        Condition::SyntaxError => "42601",
        Condition::InvalidName => "42602",
        Condition::InvalidColumnDefinition => "42611",
        Condition::NameTooLong => "42622",
        Condition::DuplicateColumn => "42701",
        Condition::AmbiguousColumn => "42702",
        Condition::UndefinedColumn => "42703",
        Condition::UndefinedObject => "42704",
        Condition::DuplicateObject => "42710",
        Condition::DuplicateAlias => "42712",
        Condition::DuplicateFunction => "42723",
        Condition::AmbiguousFunction => "42725",
        Condition::GroupingError => "42803",
        Condition::DatatypeMismatch => "42804",
        Condition::WrongObjectType => "42809",
        Condition::InvalidForeignKey => "42830",
        Condition::CannotCoerce => "42846",
        Condition::UndefinedFunction => "42883",
        Condition::UndefinedTable => "42P01",
        Condition::UndefinedParameter => "42P02",
        Condition::DuplicateCursor => "42P03",
        Condition::DuplicatePreparedStatement => "42P05",
        Condition::DuplicateSchema => "42P06",
        Condition::DuplicateTable => "42P07",
        Condition::AmbiguousParameter => "42P08",
        Condition::InvalidColumnReference => "42P10",
        Condition::IndeterminateDatatype => "42P18",
        Condition::WindowingError => "42P20",
        Condition::DiskFull => "53100",
        Condition::OutOfMemory => "53200",
        Condition::TooManyConnections => "53300",
        Condition::ConfigurationLimitExceeded => "53400",
        Condition::ProgramLimitExceeded => "54000",
        Condition::StatementTooComplex => "54001",
        Condition::ObjectNotInPrerequisiteState => "55000",
        Condition::CantChangeRuntimeParam => "55P02",
        Condition::QueryCanceled => "57014",
        Condition::AdminShutdown => "57P01",
        Condition::CannotConnectNow => "57P03",
        Condition::IoError => "58030",
        Condition::UndefinedFile => "58P01",
        Condition::InternalError => "XX000",
    }
}

/// How grave an ErrorResponse is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gravity {
    /// This statement failed.
    Error,
    /// The connection ends.
    Fatal,
}

/// Appends an ErrorResponse.
pub(crate) fn put_error(out: &mut BytesMut, gravity: Gravity, error: &Error) {
    let severity = match gravity {
        Gravity::Error => "ERROR",
        Gravity::Fatal => "FATAL",
    };
    frame(out, b'E', |out| {
        put_fields(out, severity, sqlstate(error.condition), &error.message, error.detail.as_deref(), error.hint.as_deref());
        if let Some(position) = error.position {
            put_field(out, b'P', &position.to_string());
        }
        if let Some(context) = &error.context {
            put_field(out, b'W', context);
        }
        out.extend_from_slice(&[0]);
    });
}

/// Appends a NoticeResponse.
pub(crate) fn put_notice(out: &mut BytesMut, notice: &Notice) {
    let (severity, default) = match notice.severity {
        Severity::Notice => ("NOTICE", "00000"),
        Severity::Warning => ("WARNING", "01000"),
        Severity::Info => ("INFO", "00000"),
        Severity::Log => ("LOG", "00000"),
    };
    let code = notice.condition.map_or(default, sqlstate);
    frame(out, b'N', |out| {
        put_fields(out, severity, code, &notice.message, notice.detail.as_deref(), notice.hint.as_deref());
        out.extend_from_slice(&[0]);
    });
}

fn put_fields(out: &mut BytesMut, severity: &str, code: &str, message: &str, detail: Option<&str>, hint: Option<&str>) {
    put_field(out, b'S', severity);
    put_field(out, b'V', severity);
    put_field(out, b'C', code);
    put_field(out, b'M', message);
    if let Some(detail) = detail {
        put_field(out, b'D', detail);
    }
    if let Some(hint) = hint {
        put_field(out, b'H', hint);
    }
}

fn put_field(out: &mut BytesMut, field: u8, text: &str) {
    out.extend_from_slice(&[field]);
    put_cstring(out, text);
}

/// `08P01`.
pub(crate) fn violation(message: impl Into<String>) -> Error {
    Error::new(Condition::ProtocolViolation, message)
}

/// Why the handling of a message ended early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The statement failed; the connection goes on.
    Statement(Box<Error>),
    /// The client is told and the connection ends.
    Fatal(Box<Error>),
    /// The client is no longer there.
    Gone,
}

impl Failure {
    /// A failure that ends the connection.
    pub(crate) fn fatal(error: Error) -> Self {
        Failure::Fatal(Box::new(error))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Statement(Box::new(error))
    }
}

impl From<io::Error> for Failure {
    fn from(_: io::Error) -> Self {
        Failure::Gone
    }
}

/// Runs a call into the engine so that a panic there, a fault of ours, fails one statement and not the server.
pub(crate) async fn guard<T>(call: impl Future<Output = Result<T>>) -> Result<T> {
    AssertUnwindSafe(call).catch_unwind().await.unwrap_or_else(|panic| Err(panicked(panic.as_ref())))
}

/// [`guard`] for calls that do not wait.
pub(crate) fn guard_now<T>(call: impl FnOnce() -> Result<T>) -> Result<T> {
    std::panic::catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| Err(panicked(panic.as_ref())))
}

fn panicked(panic: &(dyn Any + Send)) -> Error {
    let reason = match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (None, Some(text)) => text.as_str(),
        (None, None) => "no reason given",
    };
    tracing::error!(reason, "a statement panicked");
    Error::internal(format!("internal error: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_terminated_and_nul_free() {
        let mut out = BytesMut::new();
        let error = Error::new(Condition::SyntaxError, "syntax error at \"a\0b\"").at(3).hint("h");
        put_error(&mut out, Gravity::Error, &error);
        let expected = b"SERROR\0VERROR\0C42601\0Msyntax error at \"a\0Hh\0P3\0\0";
        assert_eq!(&out[5..], expected);
        assert_eq!(out[..5], [b'E', 0, 0, 0, (expected.len() + 4) as u8]);
    }

    #[test]
    fn panics_become_errors() {
        let error = guard_now(|| -> Result<()> { panic!("at {}", 7) }).unwrap_err();
        assert_eq!((error.condition, error.message.as_str()), (Condition::InternalError, "internal error: at 7"));
    }
}
