//! Errors, named as PostgreSQL names them.
//!
//! Every failure that a client can see is an [`Error`]: a [`Condition`] (PostgreSQL's condition name;
//! appendix A of its manual), and sentences in PostgreSQL's style: lower case, no full stop, the
//! offending value quoted. Which five characters a condition has on the wire is known to `wire` alone.

use std::fmt;

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// PostgreSQL's condition names, as far as Warpwise raises them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Condition {
    /// 08P01
    ProtocolViolation,
    /// 0A000
    FeatureNotSupported,
    /// 21000
    CardinalityViolation,
    /// 22000
    DataException,
    /// 22001
    StringDataRightTruncation,
    /// 22003
    NumericValueOutOfRange,
    /// 22004
    NullValueNotAllowed,
    /// 22007
    InvalidDatetimeFormat,
    /// 22008
    DatetimeFieldOverflow,
    /// 22009
    InvalidTimeZoneDisplacementValue,
    /// 2200F
    ZeroLengthCharacterString,
    /// 2201E
    InvalidArgumentForLogarithm,
    /// 2201F
    InvalidArgumentForPowerFunction,
    /// 2201G
    InvalidArgumentForWidthBucketFunction,
    /// 2201B
    InvalidRegularExpression,
    /// 2201W
    InvalidRowCountInLimitClause,
    /// 2201X
    InvalidRowCountInResultOffsetClause,
    /// 22011
    SubstringError,
    /// 22012
    DivisionByZero,
    /// 22015
    IntervalFieldOverflow,
    /// 22021
    CharacterNotInRepertoire,
    /// 22023
    InvalidParameterValue,
    /// 22025
    InvalidEscapeSequence,
    /// 2202E
    ArraySubscriptError,
    /// 22P02
    InvalidTextRepresentation,
    /// 22P03
    InvalidBinaryRepresentation,
    /// 22P04
    BadCopyFileFormat,
    /// 23502
    NotNullViolation,
    /// 24000
    InvalidCursorState,
    /// 25001
    ActiveSqlTransaction,
    /// 25006
    ReadOnlySqlTransaction,
    /// 25P01
    NoActiveSqlTransaction,
    /// 25P02
    InFailedSqlTransaction,
    /// 26000
    InvalidSqlStatementName,
    /// 28000
    InvalidAuthorizationSpecification,
    /// 28P01
    InvalidPassword,
    /// 2BP01
    DependentObjectsStillExist,
    /// 34000
    InvalidCursorName,
    /// 3B001
    InvalidSavepointSpecification,
    /// 3D000
    InvalidCatalogName,
    /// 3F000
    InvalidSchemaName,
    /// 40001
    SerializationFailure,
    /// 42501
    InsufficientPrivilege,
    /// 42601
    SyntaxError,
    /// 42602
    InvalidName,
    /// 42611
    InvalidColumnDefinition,
    /// 42622
    NameTooLong,
    /// 42701
    DuplicateColumn,
    /// 42702
    AmbiguousColumn,
    /// 42703
    UndefinedColumn,
    /// 42704
    UndefinedObject,
    /// 42710
    DuplicateObject,
    /// 42712
    DuplicateAlias,
    /// 42723
    DuplicateFunction,
    /// 42725
    AmbiguousFunction,
    /// 42803
    GroupingError,
    /// 42804
    DatatypeMismatch,
    /// 42809
    WrongObjectType,
    /// 42830
    InvalidForeignKey,
    /// 42846
    CannotCoerce,
    /// 42883
    UndefinedFunction,
    /// 42P01
    UndefinedTable,
    /// 42P02
    UndefinedParameter,
    /// 42P03
    DuplicateCursor,
    /// 42P05
    DuplicatePreparedStatement,
    /// 42P06
    DuplicateSchema,
    /// 42P07
    DuplicateTable,
    /// 42P08
    AmbiguousParameter,
    /// 42P10
    InvalidColumnReference,
    /// 42P18
    IndeterminateDatatype,
    /// 42P20
    WindowingError,
    /// 53100
    DiskFull,
    /// 53200
    OutOfMemory,
    /// 53300
    TooManyConnections,
    /// 53400
    ConfigurationLimitExceeded,
    /// 54000
    ProgramLimitExceeded,
    /// 54001
    StatementTooComplex,
    /// 55000
    ObjectNotInPrerequisiteState,
    /// 55P02
    CantChangeRuntimeParam,
    /// 57014
    QueryCanceled,
    /// 57P01
    AdminShutdown,
    /// 57P03
    CannotConnectNow,
    /// 58030
    IoError,
    /// 58P01
    UndefinedFile,
    /// XX000
    InternalError,
}

/// What went wrong, for the person who reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// PostgreSQL's name for it.
    pub condition: Condition,
    /// The primary sentence.
    pub message: String,
    /// More about this case.
    pub detail: Option<String>,
    /// What to do.
    pub hint: Option<String>,
    /// Where in the statement, in characters, from 1.
    pub position: Option<usize>,
    /// Where it arose, as `COPY t, line 3, column a: "x"`.
    pub context: Option<String>,
}

impl Error {
    /// What a row raised on a device, in PostgreSQL's words.
    pub fn fault(fault: warpwise_gpu::program::Fault) -> Self {
        use warpwise_gpu::program::Fault as F;
        let condition = match fault {
            F::SmallintRange
            | F::IntegerRange
            | F::BigintRange
            | F::NumericRange
            | F::FloatOverflow
            | F::FloatUnderflow
            | F::InputRange => Condition::NumericValueOutOfRange,
            F::LogarithmZero | F::LogarithmNegative => Condition::InvalidArgumentForLogarithm,
            F::SquareRootNegative | F::PowerZeroNegative | F::PowerComplex => Condition::InvalidArgumentForPowerFunction,
            F::DivisionByZero => return Self::division_by_zero(),
            F::DateRange | F::TimestampRange => Condition::DatetimeFieldOverflow,
        };
        Self::new(condition, fault.message())
    }

    /// An error of `condition` that says `message`.
    pub fn new(condition: Condition, message: impl Into<String>) -> Self {
        Self { condition, message: message.into(), detail: None, hint: None, position: None, context: None }
    }

    /// Adds what is particular to this case.
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Adds what the reader can do.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the place in the statement, in characters, from 1.
    pub fn at(mut self, position: usize) -> Self {
        self.position = Some(position);
        self
    }

    /// Adds where it arose.
    pub fn context(mut self, context: impl Into<String>) -> Self {
        self.context = Some(context.into());
        self
    }

    /// `0A000`: something that is not built.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(Condition::FeatureNotSupported, message)
    }

    /// `42601`.
    pub fn syntax(message: impl Into<String>) -> Self {
        Self::new(Condition::SyntaxError, message)
    }

    /// `22003`: `integer out of range`.
    pub fn out_of_range(type_name: &str) -> Self {
        Self::new(Condition::NumericValueOutOfRange, format!("{type_name} out of range"))
    }

    /// `22012`.
    pub fn division_by_zero() -> Self {
        Self::new(Condition::DivisionByZero, "division by zero")
    }

    /// `22P02`: `invalid input syntax for type integer: "abc"`.
    pub fn invalid_text(type_name: &str, value: &str) -> Self {
        Self::new(Condition::InvalidTextRepresentation, format!("invalid input syntax for type {type_name}: \"{value}\""))
    }

    /// `XX000`: a fault of ours.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Condition::InternalError, message)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
