//! What a row can do wrong: the errors that a program raises for its user.

/// An error that the data of a surviving row caused. The host words it as PostgreSQL does.
///
/// The numbers are what kernels store: they never change meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u32)]
pub enum Fault {
    /// 22003 `smallint out of range`.
    SmallintRange = 1,
    /// 22003 `integer out of range`.
    IntegerRange = 2,
    /// 22003 `bigint out of range`.
    BigintRange = 3,
    /// 22003, a decimal that passes its digits: `numeric field overflow`.
    NumericRange = 4,
    /// 22003 `value out of range: overflow`.
    FloatOverflow = 5,
    /// 22003 `value out of range: underflow`.
    FloatUnderflow = 6,
    /// 22012 `division by zero`.
    DivisionByZero = 7,
    /// 22008 `date out of range`.
    DateRange = 8,
    /// 22008 `timestamp out of range`.
    TimestampRange = 9,
    /// 2201E `cannot take logarithm of zero`.
    LogarithmZero = 20,
    /// 2201E `cannot take logarithm of a negative number`.
    LogarithmNegative = 21,
    /// 2201F `cannot take square root of a negative number`.
    SquareRootNegative = 22,
    /// 2201F `zero raised to a negative power is undefined`.
    PowerZeroNegative = 23,
    /// 2201F `a negative number raised to a non-integer power yields a complex result`.
    PowerComplex = 24,
    /// 22003 `input is out of range`.
    InputRange = 25,
    /// 22011 `negative substring length not allowed`.
    NegativeLength = 30,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::SmallintRange,
        Self::IntegerRange,
        Self::BigintRange,
        Self::NumericRange,
        Self::FloatOverflow,
        Self::FloatUnderflow,
        Self::DivisionByZero,
        Self::DateRange,
        Self::TimestampRange,
        Self::LogarithmZero,
        Self::LogarithmNegative,
        Self::SquareRootNegative,
        Self::PowerZeroNegative,
        Self::PowerComplex,
        Self::InputRange,
        Self::NegativeLength,
    ];

    /// The one with this number.
    pub fn from_code(code: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| *fault as u32 == code)
    }

    /// Its name in the text form.
    pub fn name(self) -> &'static str {
        match self {
            Self::SmallintRange => "smallint_range",
            Self::IntegerRange => "integer_range",
            Self::BigintRange => "bigint_range",
            Self::NumericRange => "numeric_range",
            Self::FloatOverflow => "float_overflow",
            Self::FloatUnderflow => "float_underflow",
            Self::DivisionByZero => "division_by_zero",
            Self::DateRange => "date_range",
            Self::TimestampRange => "timestamp_range",
            Self::LogarithmZero => "logarithm_zero",
            Self::LogarithmNegative => "logarithm_negative",
            Self::SquareRootNegative => "square_root_negative",
            Self::PowerZeroNegative => "power_zero_negative",
            Self::PowerComplex => "power_complex",
            Self::InputRange => "input_range",
            Self::NegativeLength => "negative_length",
        }
    }

    /// PostgreSQL's message for it.
    pub fn message(self) -> &'static str {
        match self {
            Self::SmallintRange => "smallint out of range",
            Self::IntegerRange => "integer out of range",
            Self::BigintRange => "bigint out of range",
            Self::NumericRange => "numeric field overflow",
            Self::FloatOverflow => "value out of range: overflow",
            Self::FloatUnderflow => "value out of range: underflow",
            Self::DivisionByZero => "division by zero",
            Self::DateRange => "date out of range",
            Self::TimestampRange => "timestamp out of range",
            Self::LogarithmZero => "cannot take logarithm of zero",
            Self::LogarithmNegative => "cannot take logarithm of a negative number",
            Self::SquareRootNegative => "cannot take square root of a negative number",
            Self::PowerZeroNegative => "zero raised to a negative power is undefined",
            Self::PowerComplex => "a negative number raised to a non-integer power yields a complex result",
            Self::InputRange => "input is out of range",
            Self::NegativeLength => "negative substring length not allowed",
        }
    }
}
