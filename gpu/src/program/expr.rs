//! Expressions: a closed list of nodes, each with its rule of types and its meaning.

use super::bits::Bits;
use super::fault::Fault;
use super::math::{Math, MathPair};
use super::scalar::{Scalar, Type, ValueType};
use super::statement::LoopKind;
use super::string::{MatchOp, TextUnit, TrimSide};
use super::{ColumnId, IndexId, LoopId, ParameterId, Pipeline, TableId};

/// A node, by its place in [`Pipeline::exprs`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExprId(pub u32);

/// One node. Unless it says otherwise a node is strict: NULL of any operand that is NULL.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Expr {
    /// The row's value in a column, as it is stored.
    Column(ColumnId),
    /// A scalar of this run.
    Parameter(ParameterId),
    /// A literal that is structure; `None` is NULL. A text is none: it comes as a parameter.
    Constant {
        /// Its type.
        ty: Type,
        /// Its value.
        value: Option<Scalar>,
    },
    /// `a op b` of equal types, `I32`, `I64`, `I128`, `F32` or `F64`.
    ///
    /// Integers: with a fault, a result outside of the type raises it; without, the host has proved that
    /// there is none (a generator may wrap). `Divide` truncates towards zero and `Remainder` takes the
    /// dividend's sign; `FloorDivide` rounds down and `FloorRemainder` takes the divisor's sign;
    /// `RoundDivide` rounds to the nearest, halves away from zero. All five raise `DivisionByZero` for a divisor 0 in
    /// any case; `MIN / -1` raises `fault`, and `MIN % -1` is 0.
    ///
    /// Floats take `Add`, `Subtract`, `Multiply` and `Divide` alone. With any fault they are PostgreSQL's: an infinite
    /// result of finite operands raises `FloatOverflow`; a zero product of operands that are not zero, and a zero
    /// quotient of a dividend that is not zero by a finite divisor, raises `FloatUnderflow`; division by zero
    /// raises `DivisionByZero` unless the dividend is NaN. Without a fault they are IEEE 754's. Never fused, never reassociated.
    Arithmetic {
        /// What is computed.
        op: Arithmetic,
        /// The left operand.
        a: ExprId,
        /// The right operand.
        b: ExprId,
        /// What a result that does not fit raises.
        fault: Option<Fault>,
    },
    /// `-a`, of `I32`, `I64`, `I128` (raises `fault` for the least value), `F32`, `F64`.
    Negate {
        /// The operand.
        a: ExprId,
        /// What `-MIN` raises.
        fault: Option<Fault>,
    },
    /// `a op b` of equal types, any. Floats: NaN equals NaN and is greater than all else; -0 equals 0. `bool`: false < true.
    /// Texts: byte by byte, a shorter one before what it begins.
    Compare {
        /// What is asked.
        op: Comparison,
        /// The left operand.
        a: ExprId,
        /// The right operand.
        b: ExprId,
    },
    /// `low <= a AND a <= high`, the form of every comparison of a stored column with values known to the host: the
    /// bounds are bound to the column's stored type, and `low > high` is never. Any type but `bool`, in the order of
    /// `Compare`.
    InRange {
        /// What is tested.
        a: ExprId,
        /// The least that passes.
        low: ParameterId,
        /// The greatest that passes.
        high: ParameterId,
    },
    /// Whether `a`, an integer or a text, is among the elements of a table of its type, ascending and without NULLs.
    Member {
        /// What is looked for.
        a: ExprId,
        /// Where.
        table: TableId,
    },
    /// The table's element at `index`, an integer of at most 64 bits; NULL where the element is. Below 0 and past the end the
    /// value is false, 0, empty or NULL (where nullable).
    Lookup {
        /// The table.
        table: TableId,
        /// Where in it.
        index: ExprId,
    },
    /// `NOT a` of a `bool`.
    Not(ExprId),
    /// Three-valued AND. `b` is evaluated unless `a` is false.
    And(ExprId, ExprId),
    /// Three-valued OR. `b` is evaluated unless `a` is true.
    Or(ExprId, ExprId),
    /// Whether `a` is NULL; never NULL itself.
    IsNull(ExprId),
    /// Whether `a` and `b`, of equal types, differ, NULL being a value like others; never NULL itself.
    IsDistinct(ExprId, ExprId),
    /// `then` where the condition is true, else `otherwise`; only the one taken is evaluated. Both of equal types.
    Select {
        /// A `bool`; NULL is not true.
        condition: ExprId,
        /// Where it is true.
        then: ExprId,
        /// Where it is not.
        otherwise: ExprId,
    },
    /// `a` unless it is NULL, else `b`, which is evaluated only then.
    Coalesce(ExprId, ExprId),
    /// NULL where `a = b`, else `a`; NULL `b` changes nothing. Equal types.
    NullIf(ExprId, ExprId),
    /// `a` as another type. Between integers: with a fault, a value that does not fit raises it; without, the host has
    /// proved that it fits. `bool` to an integer: 0 or 1. Integer to float: the nearest, ties to even. Float to integer:
    /// the nearest, ties to even; NaN and what does not fit raise the fault, which must be there.
    /// `F64` to `F32`: with a fault, infinity of a finite value raises `FloatOverflow` and zero of one that is not raises
    /// `FloatUnderflow`. To the same type: nothing.
    Cast {
        /// The type wanted.
        to: Type,
        /// The operand.
        a: ExprId,
        /// What a value that does not fit raises.
        fault: Option<Fault>,
    },
    /// A part of a date, `I32` days since 1970-01-01 in the proleptic Gregorian calendar. Result `I32`.
    DatePart {
        /// Which part.
        part: DatePart,
        /// The date.
        a: ExprId,
    },
    /// The date `months` (`I32`) after the date `a` (`I32` days), the day cut to the month's last. Result `I32`. Raises
    /// `DateRange` where the year leaves -4713..=5874897.
    AddMonths {
        /// The date.
        a: ExprId,
        /// How many months, of either sign.
        months: ExprId,
    },
    /// How long a text is. Result `I32`.
    TextLength {
        /// The text.
        a: ExprId,
        /// What is counted.
        unit: TextUnit,
    },
    /// Whether a text matches a pattern.
    TextMatch {
        /// The text.
        a: ExprId,
        /// How.
        op: MatchOp,
        /// What it is matched with: a parameter of type text.
        pattern: ParameterId,
        /// Letters of ASCII match in either case, and only those: the pattern is ASCII, and the text's other characters are
        /// matched as they are.
        ignore_case: bool,
    },
    /// Where the pattern first begins in a text, counted in characters from 1; 0 where it does not, 1 of an empty pattern.
    /// Result `I32`.
    TextPosition {
        /// The text.
        a: ExprId,
        /// What is looked for: a parameter of type text.
        pattern: ParameterId,
    },
    /// The characters of a text from the one numbered `start`, counted from 1, on; `length` of them where it is given. Both
    /// are `I64`. Characters before the first count and are not there: those from -1, 3 of them, are the first.
    /// Raises `NegativeLength` for a length below 0.
    TextSlice {
        /// The text.
        a: ExprId,
        /// The number of the first character.
        start: ExprId,
        /// How many; all where it is `None`.
        length: Option<ExprId>,
    },
    /// A text without the characters at its ends that are among some.
    TextTrim {
        /// The text.
        a: ExprId,
        /// At which ends.
        side: TrimSide,
        /// Which characters: those of a parameter of type text.
        characters: ParameterId,
    },
    /// A function of an `F64`. Result `F64`.
    Math {
        /// Which.
        op: Math,
        /// The operand.
        a: ExprId,
    },
    /// A function of two `F64`. Result `F64`.
    MathPair {
        /// Which.
        op: MathPair,
        /// The first operand.
        a: ExprId,
        /// The second.
        b: ExprId,
    },
    /// `a op b` of the bits of two `I32` or two `I64`.
    Bits {
        /// What is computed.
        op: Bits,
        /// The left operand.
        a: ExprId,
        /// The right operand.
        b: ExprId,
    },
    /// The number, at least 0, that an index has for these keys, of the index's types. Result `I32`; NULL where it has none for
    /// them and where a key is NULL. Keys are equal as in `Compare`.
    Probe {
        /// The index.
        index: IndexId,
        /// What is looked for.
        keys: Vec<ExprId>,
    },
    /// The number that a loop around has reached. Result `I32`; NULL where a loop over each or none has met none. What
    /// depends on it is demanded by the loop's condition and its block alone.
    Current(LoopId),
    /// How many elements of a table are not greater than `a`: an `I32` or `I64`, and the table of its type, ascending and
    /// without NULLs. Result `I32`. With a table of the moments at which something changes it finds what holds at `a`.
    Place {
        /// What is looked for.
        a: ExprId,
        /// Where.
        table: TableId,
    },
}

/// What `Expr::Arithmetic` computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Arithmetic {
    /// `a + b`.
    Add,
    /// `a - b`.
    Subtract,
    /// `a * b`.
    Multiply,
    /// `a / b`, towards zero.
    Divide,
    /// `a % b`, with the sign of `a`.
    Remainder,
    /// `⌊a / b⌋`.
    FloorDivide,
    /// `a - ⌊a / b⌋ * b`.
    FloorRemainder,
    /// `a / b` to the nearest, halves away from zero.
    RoundDivide,
}

impl Arithmetic {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Add,
        Self::Subtract,
        Self::Multiply,
        Self::Divide,
        Self::Remainder,
        Self::FloorDivide,
        Self::FloorRemainder,
        Self::RoundDivide,
    ];

    /// Its name in the text form.
    pub fn name(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Subtract => "subtract",
            Self::Multiply => "multiply",
            Self::Divide => "divide",
            Self::Remainder => "remainder",
            Self::FloorDivide => "floor_divide",
            Self::FloorRemainder => "floor_remainder",
            Self::RoundDivide => "round_divide",
        }
    }
}

/// What `Expr::Compare` asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `<>`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

impl Comparison {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Equal, Self::NotEqual, Self::Less, Self::LessOrEqual, Self::Greater, Self::GreaterOrEqual];

    /// Its name in the text form.
    pub fn name(self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::NotEqual => "not_equal",
            Self::Less => "less",
            Self::LessOrEqual => "less_or_equal",
            Self::Greater => "greater",
            Self::GreaterOrEqual => "greater_or_equal",
        }
    }
}

/// A part of a date, as PostgreSQL's `extract` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DatePart {
    /// The year; the year before 1 is -1, as PostgreSQL counts.
    Year,
    /// 1 to 4.
    Quarter,
    /// 1 to 12.
    Month,
    /// The day of the month, from 1.
    Day,
    /// The day of the week, Sunday 0.
    DayOfWeek,
    /// The day of the week, Monday 1 to Sunday 7.
    IsoDayOfWeek,
    /// The day of the year, from 1.
    DayOfYear,
    /// ISO 8601's week, 1 to 53.
    Week,
    /// The year of ISO 8601's week; as `Year`, no year 0.
    IsoYear,
    /// The first day of the date's month, itself as days: `date_trunc('month', …)`.
    MonthStart,
    /// The first day of the date's quarter, as days.
    QuarterStart,
    /// The first day of the date's year, as days.
    YearStart,
}

impl DatePart {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Year,
        Self::Quarter,
        Self::Month,
        Self::Day,
        Self::DayOfWeek,
        Self::IsoDayOfWeek,
        Self::DayOfYear,
        Self::Week,
        Self::IsoYear,
        Self::MonthStart,
        Self::QuarterStart,
        Self::YearStart,
    ];

    /// Its name in the text form.
    pub fn name(self) -> &'static str {
        match self {
            Self::Year => "year",
            Self::Quarter => "quarter",
            Self::Month => "month",
            Self::Day => "day",
            Self::DayOfWeek => "day_of_week",
            Self::IsoDayOfWeek => "iso_day_of_week",
            Self::DayOfYear => "day_of_year",
            Self::Week => "week",
            Self::IsoYear => "iso_year",
            Self::MonthStart => "month_start",
            Self::QuarterStart => "quarter_start",
            Self::YearStart => "year_start",
        }
    }
}

impl Expr {
    /// The nodes that it refers to, in order.
    pub fn operands(&self) -> Vec<ExprId> {
        match *self {
            Self::Column(_) | Self::Parameter(_) | Self::Constant { .. } | Self::Current(_) => vec![],
            Self::Negate { a, .. }
            | Self::InRange { a, .. }
            | Self::Member { a, .. }
            | Self::Lookup { index: a, .. }
            | Self::Not(a)
            | Self::IsNull(a)
            | Self::Cast { a, .. }
            | Self::DatePart { a, .. }
            | Self::TextLength { a, .. }
            | Self::TextMatch { a, .. }
            | Self::TextPosition { a, .. }
            | Self::TextTrim { a, .. }
            | Self::Math { a, .. }
            | Self::Place { a, .. } => vec![a],
            Self::Arithmetic { a, b, .. }
            | Self::Compare { a, b, .. }
            | Self::And(a, b)
            | Self::Or(a, b)
            | Self::IsDistinct(a, b)
            | Self::Coalesce(a, b)
            | Self::NullIf(a, b)
            | Self::MathPair { a, b, .. }
            | Self::Bits { a, b, .. }
            | Self::AddMonths { a, months: b } => vec![a, b],
            Self::Select { condition, then, otherwise } => vec![condition, then, otherwise],
            Self::TextSlice { a, start, length: None } => vec![a, start],
            Self::TextSlice { a, start, length: Some(length) } => vec![a, start, length],
            Self::Probe { ref keys, .. } => keys.clone(),
        }
    }

    /// The same, to be changed.
    pub(crate) fn operands_mut(&mut self) -> Vec<&mut ExprId> {
        match self {
            Self::Column(_) | Self::Parameter(_) | Self::Constant { .. } | Self::Current(_) => vec![],
            Self::Negate { a, .. }
            | Self::InRange { a, .. }
            | Self::Member { a, .. }
            | Self::Lookup { index: a, .. }
            | Self::Not(a)
            | Self::IsNull(a)
            | Self::Cast { a, .. }
            | Self::DatePart { a, .. }
            | Self::TextLength { a, .. }
            | Self::TextMatch { a, .. }
            | Self::TextPosition { a, .. }
            | Self::TextTrim { a, .. }
            | Self::Math { a, .. }
            | Self::Place { a, .. } => vec![a],
            Self::Arithmetic { a, b, .. }
            | Self::Compare { a, b, .. }
            | Self::And(a, b)
            | Self::Or(a, b)
            | Self::IsDistinct(a, b)
            | Self::Coalesce(a, b)
            | Self::NullIf(a, b)
            | Self::MathPair { a, b, .. }
            | Self::Bits { a, b, .. }
            | Self::AddMonths { a, months: b } => vec![a, b],
            Self::Select { condition, then, otherwise } => vec![condition, then, otherwise],
            Self::TextSlice { a, start, length: None } => vec![a, start],
            Self::TextSlice { a, start, length: Some(length) } => vec![a, start, length],
            Self::Probe { keys, .. } => keys.iter_mut().collect(),
        }
    }

    /// Whether evaluating this node itself, its operands apart, can raise a fault.
    pub fn can_fault(&self) -> bool {
        match self {
            Self::Arithmetic { op, fault, .. } => match op {
                Arithmetic::Add | Arithmetic::Subtract | Arithmetic::Multiply => fault.is_some(),
                // Floats without a fault never raise; the generators know, and nobody loses by an honest maybe.
                Arithmetic::Divide
                | Arithmetic::Remainder
                | Arithmetic::FloorDivide
                | Arithmetic::FloorRemainder
                | Arithmetic::RoundDivide => true,
            },
            Self::Negate { fault, .. } | Self::Cast { fault, .. } => fault.is_some(),
            Self::AddMonths { .. } => true,
            Self::TextSlice { length, .. } => length.is_some(),
            Self::Math { op, .. } => !op.faults().is_empty(),
            Self::MathPair { op, .. } => !op.faults().is_empty(),
            Self::Column(_)
            | Self::Parameter(_)
            | Self::Constant { .. }
            | Self::Compare { .. }
            | Self::InRange { .. }
            | Self::Member { .. }
            | Self::Lookup { .. }
            | Self::Not(_)
            | Self::And(..)
            | Self::Or(..)
            | Self::IsNull(_)
            | Self::IsDistinct(..)
            | Self::Select { .. }
            | Self::Coalesce(..)
            | Self::NullIf(..)
            | Self::DatePart { .. }
            | Self::TextLength { .. }
            | Self::TextMatch { .. }
            | Self::TextPosition { .. }
            | Self::TextTrim { .. }
            | Self::Bits { .. }
            | Self::Probe { .. }
            | Self::Current(_)
            | Self::Place { .. } => false,
        }
    }

    /// The type of this node, given those of the nodes before it; or what is wrong with it.
    pub fn value_type(&self, pipeline: &Pipeline, before: &[ValueType]) -> Result<ValueType, String> {
        let of = |id: ExprId| before.get(id.0 as usize).copied().ok_or_else(|| format!("%{} is not defined before it", id.0));
        let boolean = |id: ExprId| match of(id)? {
            found if found.ty == Type::Bool => Ok(found),
            found => Err(format!("%{} is {}, not bool", id.0, found.ty.name())),
        };
        let equal = |a: ExprId, b: ExprId| match (of(a)?, of(b)?) {
            (a, b) if a.ty == b.ty => Ok(ValueType { ty: a.ty, nullable: a.nullable || b.nullable }),
            (a, b) => Err(format!("operands of types {} and {}", a.ty.name(), b.ty.name())),
        };
        let parameter = |id: ParameterId| {
            pipeline.parameters.get(id.0 as usize).copied().ok_or_else(|| format!("there is no parameter {}", id.0))
        };
        let text = |id: ExprId| match of(id)? {
            found if found.ty == Type::Text => Ok(found),
            found => Err(format!("%{} is {}, not text", id.0, found.ty.name())),
        };
        let text_parameter = |id: ParameterId| match parameter(id)? {
            Type::Text => Ok(()),
            found => Err(format!("parameter {} is {}, not text", id.0, found.name())),
        };
        let table =
            |id: TableId| pipeline.tables.get(id.0 as usize).copied().ok_or_else(|| format!("there is no table {}", id.0));
        match *self {
            Self::Column(id) => {
                pipeline.columns.get(id.0 as usize).copied().ok_or_else(|| format!("there is no column {}", id.0))
            }
            Self::Parameter(id) => Ok(ValueType::of(parameter(id)?)),
            Self::Constant { ty, ref value } => match value {
                None => Ok(ValueType::nullable(ty)),
                Some(Scalar::Text(_)) => Err("a text that is structure".to_owned()),
                Some(value) if value.is_of(ty) => Ok(ValueType::of(ty)),
                Some(value) => Err(format!("{value:?} is not of type {}", ty.name())),
            },
            Self::Arithmetic { op, a, b, .. } => {
                let found = equal(a, b)?;
                let simple = matches!(op, Arithmetic::Add | Arithmetic::Subtract | Arithmetic::Multiply | Arithmetic::Divide);
                if !found.ty.is_arithmetic() || (found.ty.is_float() && !simple) {
                    return Err(format!("{} does not take {}", op.name(), found.ty.name()));
                }
                Ok(found)
            }
            Self::Negate { a, .. } => match of(a)? {
                found if found.ty.is_arithmetic() => Ok(found),
                found => Err(format!("negate does not take {}", found.ty.name())),
            },
            Self::Compare { a, b, .. } => Ok(ValueType { ty: Type::Bool, ..equal(a, b)? }),
            Self::InRange { a, low, high } => {
                let found = of(a)?;
                if found.ty == Type::Bool || parameter(low)? != found.ty || parameter(high)? != found.ty {
                    return Err(format!("in_range of {} with other bounds, or of bool", found.ty.name()));
                }
                Ok(ValueType { ty: Type::Bool, ..found })
            }
            Self::Member { a, table: id } => {
                let (found, list) = (of(a)?, table(id)?);
                let listed = found.ty.is_integer() || found.ty == Type::Text;
                if !listed || list.element != found.ty || list.nullable {
                    return Err(format!("member of {} in a table of {}", found.ty.name(), list.element.name()));
                }
                Ok(ValueType { ty: Type::Bool, ..found })
            }
            Self::Lookup { table: id, index } => {
                let (found, list) = (of(index)?, table(id)?);
                if !found.ty.is_integer() || found.ty == Type::I128 {
                    return Err(format!("lookup by {}", found.ty.name()));
                }
                Ok(ValueType { ty: list.element, nullable: list.nullable || found.nullable })
            }
            Self::Not(a) => boolean(a),
            Self::And(a, b) | Self::Or(a, b) => {
                Ok(ValueType { ty: Type::Bool, nullable: boolean(a)?.nullable || boolean(b)?.nullable })
            }
            Self::IsNull(a) => of(a).map(|_| ValueType::of(Type::Bool)),
            Self::IsDistinct(a, b) => equal(a, b).map(|_| ValueType::of(Type::Bool)),
            Self::Select { condition, then, otherwise } => {
                boolean(condition)?;
                equal(then, otherwise)
            }
            Self::Coalesce(a, b) => {
                let found = equal(a, b)?;
                Ok(ValueType { ty: found.ty, nullable: of(a)?.nullable && of(b)?.nullable })
            }
            Self::NullIf(a, b) => Ok(ValueType::nullable(equal(a, b)?.ty)),
            Self::Cast { to, a, fault } => {
                let from = of(a)?;
                let fits = if from.ty == to {
                    true
                } else if from.ty == Type::Bool {
                    to.is_integer()
                } else if from.ty.is_float() {
                    to.is_float() || (to.is_integer() && fault.is_some())
                } else {
                    from.ty != Type::Text && to != Type::Bool && to != Type::Text
                };
                if !fits {
                    return Err(format!("cast of {} to {}", from.ty.name(), to.name()));
                }
                Ok(ValueType { ty: to, nullable: from.nullable })
            }
            Self::DatePart { a, .. } => match of(a)? {
                found if found.ty == Type::I32 => Ok(found),
                found => Err(format!("date_part of {}", found.ty.name())),
            },
            Self::AddMonths { a, months } => match equal(a, months)? {
                found if found.ty == Type::I32 => Ok(found),
                found => Err(format!("add_months of {}", found.ty.name())),
            },
            Self::TextLength { a, .. } => Ok(ValueType { ty: Type::I32, ..text(a)? }),
            Self::TextMatch { a, pattern, .. } => {
                text_parameter(pattern)?;
                Ok(ValueType { ty: Type::Bool, ..text(a)? })
            }
            Self::TextPosition { a, pattern } => {
                text_parameter(pattern)?;
                Ok(ValueType { ty: Type::I32, ..text(a)? })
            }
            Self::TextSlice { a, start, length } => {
                let mut found = text(a)?;
                for id in [Some(start), length].into_iter().flatten() {
                    let number = of(id)?;
                    if number.ty != Type::I64 {
                        return Err(format!("text_slice at {}", number.ty.name()));
                    }
                    found.nullable |= number.nullable;
                }
                Ok(found)
            }
            Self::TextTrim { a, characters, .. } => {
                text_parameter(characters)?;
                text(a)
            }
            Self::Math { op, a } => match of(a)? {
                found if found.ty == Type::F64 => Ok(found),
                found => Err(format!("{} of {}", op.name(), found.ty.name())),
            },
            Self::MathPair { op, a, b } => match equal(a, b)? {
                found if found.ty == Type::F64 => Ok(found),
                found => Err(format!("{} of {}", op.name(), found.ty.name())),
            },
            Self::Bits { op, a, b } => match equal(a, b)? {
                found if matches!(found.ty, Type::I32 | Type::I64) => Ok(found),
                found => Err(format!("{} of {}", op.name(), found.ty.name())),
            },
            Self::Probe { index, ref keys } => {
                let known = pipeline.indexes.get(index.0 as usize).ok_or_else(|| format!("there is no index {}", index.0))?;
                let found = keys.iter().map(|key| Ok(of(*key)?.ty)).collect::<Result<Vec<_>, String>>()?;
                if found.is_empty() || found != known.keys {
                    let names = |types: &[Type]| types.iter().map(|ty| ty.name()).collect::<Vec<_>>().join(", ");
                    return Err(format!("probe by ({}) of an index of ({})", names(&found), names(&known.keys)));
                }
                Ok(ValueType::nullable(Type::I32))
            }
            Self::Current(id) => match pipeline.loop_kind(id) {
                Some(kind) => Ok(ValueType { ty: Type::I32, nullable: kind == LoopKind::EachOrNone }),
                None => Err(format!("there is no loop {}", id.0)),
            },
            Self::Place { a, table: id } => {
                let (found, list) = (of(a)?, table(id)?);
                if !matches!(found.ty, Type::I32 | Type::I64) || list.element != found.ty || list.nullable {
                    return Err(format!("place of {} in a table of {}", found.ty.name(), list.element.name()));
                }
                Ok(ValueType { ty: Type::I32, ..found })
            }
        }
    }
}
