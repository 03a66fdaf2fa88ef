//! The text form of pipelines and programs: printing and parsing.
//!
//! `parse(&pipeline.to_string())` is the pipeline again, always. Structure is indentation by two spaces; words are
//! separated by blanks; `#` begins a comment that lasts to the end of the line; blank lines mean nothing.
//!
//! ```text
//! pipeline
//!   column N TYPE [nullable]                what it reads, numbered from 0
//!   parameter N TYPE
//!   table N TYPE [nullable]
//!   index N TYPE …                          the types of its keys
//!   %N = …                                  one line for each node, numbered from 0
//!   body
//!     if %C                                 the block stands below it, two blanks further in
//!       stage
//!       emit
//!     loop N KIND %FROM %TO [if %C]         each, any, none or each_or_none; its block likewise
//!       emit
//!   SINK
//! ```
//!
//! A node is one of
//!
//! ```text
//! column N                                  parameter N
//! constant TYPE VALUE                       `constant i32 7`, `constant f64 null`, `constant bool true`
//! add %A %B [! FAULT]                       likewise subtract multiply divide remainder floor_divide
//!                                           floor_remainder round_divide
//! negate %A [! FAULT]
//! equal %A %B                               likewise not_equal less less_or_equal greater greater_or_equal
//! in_range %A LOW HIGH                      numbers of two parameters
//! member %A TABLE                           lookup TABLE %INDEX
//! not %A                                    and %A %B          or %A %B
//! is_null %A                                is_distinct %A %B
//! select %CONDITION %THEN %OTHERWISE        coalesce %A %B     null_if %A %B
//! cast TYPE %A [! FAULT]
//! date_part PART %A                         add_months %DATE %MONTHS
//! text_length bytes|characters %A           text_position %A PATTERN
//! text_match prefix|suffix|contains|like %A PATTERN [ignore_case]
//! text_slice %A %START [%LENGTH]            text_trim both|leading|trailing %A CHARACTERS
//! sqrt %A                                   every function of `math.rs` by its name, likewise
//! power %A %B                               atan2 %A %B
//! bit_and %A %B                             likewise bit_or bit_xor shift_left shift_right
//! place %A TABLE                            probe INDEX %A …          current LOOP
//! ```
//!
//! and a sink one of
//!
//! ```text
//! materialize %A %B …
//! bitmap
//! group single|dense|hash
//!   key %A [domain LOW SIZE]
//!   count [%A] [if %F]
//!   sum TYPE %A [if %F] [! FAULT]
//!   min %A [if %F]                          max likewise
//!   count_distinct LOW SIZE %A [if %F]      sum_distinct likewise
//! top_k LIMIT
//!   order %A [descending] [nulls first]
//!   column %A
//! mark %A ROWS                              the number of a parameter
//! ```
//!
//! Floats are written so that they read back to the same bits: the shortest decimal that does, `inf`, `-inf`, `nan`, and
//! `nan:BITS`, in hexadecimal, for a NaN that is not the usual one. Texts, which are values of cases and never stand in a
//! pipeline, are words as in Rust, quoted, with `\s` for a blank and escapes for whatever else would not be one word;
//! `"a"*300` is what stands between the quotes 300 times, and `+` joins such parts. PATTERN and CHARACTERS are numbers of
//! parameters. A program is its pipelines, each with its source:
//!
//! ```text
//! program
//!   pipeline from input 0
//!     …
//!   pipeline from output 0
//!     …
//! ```

use std::fmt;

use super::{
    Aggregate, AggregateOp, Domain, Expr, ExprId, Fault, Pipeline, Program, Scalar, Sink, Source, Statement, Strategy, Type,
};

mod parse;

pub use parse::{ParseError, parse, parse_program, parse_scalar};

impl fmt::Display for ExprId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "%{}", self.0)
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::F32(value) if !value.is_nan() => write!(f, "{value:?}"),
            Self::F32(value) if value.to_bits() == f32::NAN.to_bits() => f.write_str("nan"),
            Self::F32(value) => write!(f, "nan:{:x}", value.to_bits()),
            Self::F64(value) if !value.is_nan() => write!(f, "{value:?}"),
            Self::F64(value) if value.to_bits() == f64::NAN.to_bits() => f.write_str("nan"),
            Self::F64(value) => write!(f, "nan:{:x}", value.to_bits()),
            Self::Text(value) => write_text(f, value),
        }
    }
}

/// A character that comes so often in a row is written once, with how often.
const RUN: usize = 32;

/// A text as one word.
fn write_text(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    let mut rest = text;
    let mut first = true;
    while first || !rest.is_empty() {
        f.write_str(if first { "" } else { "+" })?;
        first = false;
        let run = |rest: &str| {
            let wanted = rest.chars().next();
            rest.chars().take_while(|found| Some(*found) == wanted).count()
        };
        let mut end = 0;
        while end < rest.len() && run(&rest[end..]) < RUN {
            end += rest[end..].chars().next().map_or(1, char::len_utf8);
        }
        let (part, times) = match (end, rest.chars().next()) {
            (0, Some(character)) => (&rest[..character.len_utf8()], run(rest)),
            (_, _) => (&rest[..end], 1),
        };
        f.write_str("\"")?;
        for character in part.chars() {
            match character {
                ' ' => f.write_str("\\s")?,
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '#' => f.write_str("\\u{23}")?,
                other if other.is_whitespace() || other.is_control() => write!(f, "{}", other.escape_unicode())?,
                other => write!(f, "{other}")?,
            }
        }
        f.write_str("\"")?;
        if times > 1 {
            write!(f, "*{times}")?;
        }
        rest = &rest[part.len() * times..];
    }
    Ok(())
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("program\n")?;
        for (source, pipeline) in &self.pipelines {
            match source {
                Source::Input(number) => writeln!(f, "  pipeline from input {number}")?,
                Source::Output(number) => writeln!(f, "  pipeline from output {number}")?,
            }
            write_pipeline(f, pipeline, 2)?;
        }
        Ok(())
    }
}

impl fmt::Display for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("pipeline\n")?;
        write_pipeline(f, self, 1)
    }
}

/// Two blanks for each level.
fn indent(f: &mut fmt::Formatter<'_>, level: usize) -> fmt::Result {
    (0..level).try_for_each(|_| f.write_str("  "))
}

/// What stands below a pipeline's first line.
fn write_pipeline(f: &mut fmt::Formatter<'_>, pipeline: &Pipeline, level: usize) -> fmt::Result {
    let nullable = |yes: bool| if yes { " nullable" } else { "" };
    for (at, column) in pipeline.columns.iter().enumerate() {
        indent(f, level)?;
        writeln!(f, "column {at} {}{}", column.ty.name(), nullable(column.nullable))?;
    }
    for (at, parameter) in pipeline.parameters.iter().enumerate() {
        indent(f, level)?;
        writeln!(f, "parameter {at} {}", parameter.name())?;
    }
    for (at, table) in pipeline.tables.iter().enumerate() {
        indent(f, level)?;
        writeln!(f, "table {at} {}{}", table.element.name(), nullable(table.nullable))?;
    }
    for (at, index) in pipeline.indexes.iter().enumerate() {
        indent(f, level)?;
        write!(f, "index {at}")?;
        index.keys.iter().try_for_each(|ty| write!(f, " {}", ty.name()))?;
        f.write_str("\n")?;
    }
    for (at, expr) in pipeline.exprs.iter().enumerate() {
        indent(f, level)?;
        write!(f, "%{at} = ")?;
        write_expr(f, expr)?;
        f.write_str("\n")?;
    }
    indent(f, level)?;
    f.write_str("body\n")?;
    write_block(f, &pipeline.body, level + 1)?;
    write_sink(f, &pipeline.sink, level)
}

fn write_fault(f: &mut fmt::Formatter<'_>, fault: Option<Fault>) -> fmt::Result {
    fault.map_or(Ok(()), |fault| write!(f, " ! {}", fault.name()))
}

fn write_expr(f: &mut fmt::Formatter<'_>, expr: &Expr) -> fmt::Result {
    match *expr {
        Expr::Column(id) => write!(f, "column {}", id.0),
        Expr::Parameter(id) => write!(f, "parameter {}", id.0),
        Expr::Constant { ty, value: None } => write!(f, "constant {} null", ty.name()),
        Expr::Constant { ty, value: Some(ref value) } => write!(f, "constant {} {value}", ty.name()),
        Expr::Arithmetic { op, a, b, fault } => {
            write!(f, "{} {a} {b}", op.name())?;
            write_fault(f, fault)
        }
        Expr::Negate { a, fault } => {
            write!(f, "negate {a}")?;
            write_fault(f, fault)
        }
        Expr::Compare { op, a, b } => write!(f, "{} {a} {b}", op.name()),
        Expr::InRange { a, low, high } => write!(f, "in_range {a} {} {}", low.0, high.0),
        Expr::Member { a, table } => write!(f, "member {a} {}", table.0),
        Expr::Lookup { table, index } => write!(f, "lookup {} {index}", table.0),
        Expr::Not(a) => write!(f, "not {a}"),
        Expr::And(a, b) => write!(f, "and {a} {b}"),
        Expr::Or(a, b) => write!(f, "or {a} {b}"),
        Expr::IsNull(a) => write!(f, "is_null {a}"),
        Expr::IsDistinct(a, b) => write!(f, "is_distinct {a} {b}"),
        Expr::Select { condition, then, otherwise } => write!(f, "select {condition} {then} {otherwise}"),
        Expr::Coalesce(a, b) => write!(f, "coalesce {a} {b}"),
        Expr::NullIf(a, b) => write!(f, "null_if {a} {b}"),
        Expr::Cast { to, a, fault } => {
            write!(f, "cast {} {a}", to.name())?;
            write_fault(f, fault)
        }
        Expr::DatePart { part, a } => write!(f, "date_part {} {a}", part.name()),
        Expr::AddMonths { a, months } => write!(f, "add_months {a} {months}"),
        Expr::TextLength { a, unit } => write!(f, "text_length {} {a}", unit.name()),
        Expr::TextMatch { a, op, pattern, ignore_case } => {
            let ignore_case = if ignore_case { " ignore_case" } else { "" };
            write!(f, "text_match {} {a} {}{ignore_case}", op.name(), pattern.0)
        }
        Expr::TextPosition { a, pattern } => write!(f, "text_position {a} {}", pattern.0),
        Expr::TextSlice { a, start, length: None } => write!(f, "text_slice {a} {start}"),
        Expr::TextSlice { a, start, length: Some(length) } => write!(f, "text_slice {a} {start} {length}"),
        Expr::TextTrim { a, side, characters } => write!(f, "text_trim {} {a} {}", side.name(), characters.0),
        Expr::Math { op, a } => write!(f, "{} {a}", op.name()),
        Expr::MathPair { op, a, b } => write!(f, "{} {a} {b}", op.name()),
        Expr::Bits { op, a, b } => write!(f, "{} {a} {b}", op.name()),
        Expr::Place { a, table } => write!(f, "place {a} {}", table.0),
        Expr::Probe { index, ref keys } => {
            write!(f, "probe {}", index.0)?;
            keys.iter().try_for_each(|key| write!(f, " {key}"))
        }
        Expr::Current(id) => write!(f, "current {}", id.0),
    }
}

fn write_block(f: &mut fmt::Formatter<'_>, block: &[Statement], level: usize) -> fmt::Result {
    for statement in block {
        indent(f, level)?;
        match statement {
            Statement::If { condition, then } => {
                writeln!(f, "if {condition}")?;
                write_block(f, then, level + 1)?;
            }
            Statement::Loop { id, from, to, kind, condition, then } => {
                write!(f, "loop {} {} {from} {to}", id.0, kind.name())?;
                if let Some(condition) = condition {
                    write!(f, " if {condition}")?;
                }
                f.write_str("\n")?;
                write_block(f, then, level + 1)?;
            }
            Statement::Stage => f.write_str("stage\n")?,
            Statement::Emit => f.write_str("emit\n")?,
        }
    }
    Ok(())
}

fn write_sink(f: &mut fmt::Formatter<'_>, sink: &Sink, level: usize) -> fmt::Result {
    indent(f, level)?;
    match sink {
        Sink::Materialize { columns } => {
            f.write_str("materialize")?;
            columns.iter().try_for_each(|column| write!(f, " {column}"))?;
            f.write_str("\n")
        }
        Sink::Bitmap => f.write_str("bitmap\n"),
        Sink::Mark { at, rows } => writeln!(f, "mark {at} {}", rows.0),
        Sink::Group { keys, aggregates, strategy } => {
            writeln!(f, "group {}", strategy.name())?;
            for key in keys {
                indent(f, level + 1)?;
                write!(f, "key {}", key.expr)?;
                if let Some(Domain { low, size }) = key.domain {
                    write!(f, " domain {low} {size}")?;
                }
                f.write_str("\n")?;
            }
            for aggregate in aggregates {
                indent(f, level + 1)?;
                write_aggregate(f, aggregate)?;
            }
            Ok(())
        }
        Sink::TopK { order, columns, limit } => {
            writeln!(f, "top_k {limit}")?;
            for key in order {
                indent(f, level + 1)?;
                let descending = if key.descending { " descending" } else { "" };
                let nulls_first = if key.nulls_first { " nulls first" } else { "" };
                writeln!(f, "order {}{descending}{nulls_first}", key.expr)?;
            }
            for column in columns {
                indent(f, level + 1)?;
                writeln!(f, "column {column}")?;
            }
            Ok(())
        }
    }
}

fn write_aggregate(f: &mut fmt::Formatter<'_>, aggregate: &Aggregate) -> fmt::Result {
    let fault = match aggregate.op {
        AggregateOp::Count => {
            f.write_str("count")?;
            None
        }
        AggregateOp::Sum { ty, fault } => {
            write!(f, "sum {}", ty.name())?;
            fault
        }
        AggregateOp::Min => {
            f.write_str("min")?;
            None
        }
        AggregateOp::Max => {
            f.write_str("max")?;
            None
        }
        AggregateOp::CountDistinct(Domain { low, size }) => {
            write!(f, "count_distinct {low} {size}")?;
            None
        }
        AggregateOp::SumDistinct(Domain { low, size }) => {
            write!(f, "sum_distinct {low} {size}")?;
            None
        }
        AggregateOp::Bits(op) => {
            f.write_str(op.name())?;
            None
        }
        AggregateOp::Deviations { .. } => {
            f.write_str("deviations")?;
            None
        }
    };
    for input in aggregate.input.into_iter().chain(aggregate.op.second()) {
        write!(f, " {input}")?;
    }
    if let Some(filter) = aggregate.filter {
        write!(f, " if {filter}")?;
    }
    write_fault(f, fault)?;
    f.write_str("\n")
}

impl Strategy {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Single, Self::Dense, Self::Hash];

    /// Its name in the text form.
    pub fn name(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Dense => "dense",
            Self::Hash => "hash",
        }
    }
}

impl Type {
    /// The type of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|ty| ty.name() == name)
    }
}

impl Fault {
    /// The fault of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::{LoopKind, ValueType};

    /// One of everything: not well formed, which the text form does not ask.
    const EVERYTHING: &str = "\
pipeline
  column 0 u16
  column 1 i128 nullable
  parameter 0 bool
  table 0 f64 nullable
  index 0 i32
  index 1 text i64
  %0 = column 0
  %1 = parameter 0
  %2 = constant i32 -7
  %3 = constant f64 null
  %4 = constant f32 0.1
  %5 = constant f64 -0.0
  %6 = constant f64 1e300
  %7 = constant f64 -inf
  %8 = constant f32 nan
  %9 = constant f64 nan:fff8000000000001
  %10 = constant bool true
  %11 = add %0 %1 ! bigint_range
  %12 = round_divide %0 %1
  %13 = negate %0 ! integer_range
  %14 = less_or_equal %0 %1
  %15 = in_range %0 0 1
  %16 = member %0 2
  %17 = lookup 3 %0
  %18 = not %0
  %19 = and %0 %1
  %20 = or %0 %1
  %21 = is_null %0
  %22 = is_distinct %0 %1
  %23 = select %0 %1 %2
  %24 = coalesce %0 %1
  %25 = null_if %0 %1
  %26 = cast i64 %0 ! bigint_range
  %27 = date_part iso_day_of_week %0
  %28 = add_months %0 %1
  %29 = constant i128 -170141183460469231731687303715884105728
  %30 = constant text null
  %31 = text_length bytes %0
  %32 = text_match like %0 1 ignore_case
  %33 = text_match prefix %0 1
  %34 = text_position %0 2
  %35 = text_slice %0 %1
  %36 = text_slice %0 %1 %2
  %37 = text_trim leading %0 3
  %38 = sqrt %0
  %39 = log10 %0
  %40 = power %0 %1
  %41 = shift_right %0 %1
  %42 = place %0 2
  %43 = probe 1 %0 %1
  %44 = current 0
  body
    stage
    if %10
      stage
      if %1
        emit
    loop 0 each %0 %1
      loop 1 any %1 %2 if %3
        emit
    loop 2 none %0 %1 if %2
      stage
    loop 3 each_or_none %0 %0
    emit
";

    fn round_trip(text: &str) -> Pipeline {
        let parsed = parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert_eq!(parsed.to_string(), text);
        assert_eq!(parse(&parsed.to_string()).unwrap(), parsed);
        parsed
    }

    #[test]
    fn every_form_parses_back() {
        for sink in [
            "  materialize\n",
            "  materialize %1 %2 %3\n",
            "  bitmap\n",
            "  mark %1 0\n",
            "  group single\n",
            "  group hash\n    key %1\n    key %2 domain -5 10\n    count\n    count %1\n    count %1 if %2\n    count if %2\n",
            "  group dense\n    key %2 domain 0 2\n    sum i64 %3 if %4 ! bigint_range\n    sum f64 %3\n    min %1\n    \
             max %2 if %1\n    count_distinct -3 8 %1\n    sum_distinct 0 2 %1 if %2\n",
            "  top_k 10\n",
            "  top_k 18446744073709551615\n    order %1\n    order %2 descending\n    order %3 nulls first\n    \
             order %4 descending nulls first\n    column %1\n    column %2\n",
        ] {
            round_trip(&format!("{EVERYTHING}{sink}"));
        }
        assert_eq!(round_trip("pipeline\n  body\n  bitmap\n").columns, Vec::<ValueType>::new());
    }

    #[test]
    fn every_name_is_known_and_its_own() {
        let names = |all: Vec<&'static str>| {
            let mut sorted = all.clone();
            sorted.sort_unstable();
            sorted.dedup();
            assert_eq!(sorted.len(), all.len());
        };
        names(Type::ALL.iter().map(|ty| ty.name()).collect());
        names(Fault::ALL.iter().map(|fault| fault.name()).collect());
        names(LoopKind::ALL.iter().map(|kind| kind.name()).collect());
        names(Strategy::ALL.iter().map(|strategy| strategy.name()).collect());
        assert!(Type::ALL.iter().all(|ty| Type::named(ty.name()) == Some(*ty)));
        assert!(Fault::ALL.iter().all(|fault| Fault::named(fault.name()) == Some(*fault)));
    }

    #[test]
    fn texts_are_words() {
        let long = format!("{}b c{}", "a".repeat(70_000), "é".repeat(33));
        for text in ["", "a", " ", "a b", "\"\\", "#|", "\n\t\u{a0}\0", "日本", "null", &long, &"x".repeat(32)] {
            let value = Scalar::Text(text.into());
            let word = value.to_string();
            assert!(!word.contains(char::is_whitespace) && word.len() < 100, "{word}");
            assert_eq!(parse_scalar(&word, Type::Text), Some(value), "{word}");
        }
        for wrong in ["a", "\"a", "\"a\"*", "\"a\"+", "\"a\"b", "\"\\q\"", "\"\\"] {
            assert_eq!(parse_scalar(wrong, Type::Text), None, "{wrong}");
        }
    }

    #[test]
    fn programs_parse_back() {
        let text = "program\n  pipeline from input 3\n    column 0 i8\n    %0 = column 0\n    body\n      emit\n    materialize %0\n  \
                    pipeline from output 0\n    body\n      emit\n    group single\n      count\n";
        let parsed = parse_program(text).unwrap();
        assert_eq!(parsed.pipelines.len(), 2);
        assert_eq!(parsed.to_string(), text);
        assert_eq!(parse_program("program\n").unwrap().pipelines, Vec::new());
    }

    #[test]
    fn comments_and_blank_lines_mean_nothing() {
        let text = "# first\n\npipeline # here\n  # there\n\n  body\n    emit#x\n# at the edge\n  bitmap\n\n# last\n";
        assert_eq!(parse(text).unwrap(), parse("pipeline\n  body\n    emit\n  bitmap\n").unwrap());
    }

    #[test]
    fn errors_name_their_line() {
        for (text, line, message) in [
            ("", 1, "the text ends where \"pipeline\" was expected"),
            ("pipelin\n", 1, "\"pipelin\" where \"pipeline\" was expected"),
            ("pipeline\n  body\n", 2, "the text ends where a sink was expected"),
            ("pipeline\n  column 1 i32\n", 2, "column 1 where column 0 was expected"),
            ("pipeline\n  column 0 i33\n", 2, "there is no type \"i33\""),
            ("pipeline\n  %1 = column 0\n", 2, "node %1 where node %0 was expected"),
            ("pipeline\n  %0 = adds 0\n", 2, "there is no node \"adds\""),
            ("pipeline\n  %0 = column 0 0\n", 2, "\"0\" behind the end"),
            ("pipeline\n  %0 = constant i8 128\n", 2, "\"128\" is not a value of type i8"),
            ("pipeline\n  %0 = add %0 %0 ! worse\n", 2, "there is no fault \"worse\""),
            ("pipeline\n  %0 = add %0 0\n", 2, "\"0\" where a node such as %0 was expected"),
            ("pipeline\n  body\n      emit\n  bitmap\n", 3, "this line is not indented as those around it"),
            ("pipeline\n  body\n   emit\n  bitmap\n", 3, "this line is not indented by a multiple of two blanks"),
            ("pipeline\n  body\n    leave\n  bitmap\n", 3, "there is no statement \"leave\""),
            ("pipeline\n  body\n  pour\n", 3, "there is no sink \"pour\""),
            ("pipeline\n  body\n  group fast\n", 3, "there is no strategy \"fast\""),
            ("pipeline\n  body\n  group hash\n    mean %0\n", 4, "there is no aggregate \"mean\""),
            ("pipeline\n  body\n  group hash\n    count\n    key %0\n", 5, "a key behind an aggregate"),
            ("pipeline\n  body\n  bitmap\n  bitmap\n", 4, "\"bitmap\" behind the end"),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!((error.line, error.message.as_str()), (line, message), "{text}");
        }
    }
}
