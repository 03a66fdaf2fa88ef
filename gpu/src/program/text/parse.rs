//! Parsing the text form; its syntax stands at the head of [`text`](super).

use std::fmt;
use std::str::FromStr;

use crate::program::{
    Aggregate, AggregateOp, Arithmetic, BitOp, Bits, Block, ColumnId, Comparison, DatePart, Domain, Expr, ExprId, Fault, IndexId,
    IndexType, Key, LoopId, LoopKind, MatchOp, Math, MathPair, Order, ParameterId, Pipeline, Program, Scalar, Sink, Source,
    Statement, Strategy, TableId, TableType, TextUnit, TrimSide, Type, ValueType,
};

/// Why a text is no pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong there.
    pub message: String,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

impl std::error::Error for ParseError {}

type Result<T> = std::result::Result<T, ParseError>;

/// The pipeline that a text says. Whether it is well formed is [`verify`](crate::program::verify::verify)'s to say.
pub fn parse(text: &str) -> Result<Pipeline> {
    let mut lines = Lines::of(text)?;
    let header = lines.expect(0, "\"pipeline\"")?;
    header.expect("pipeline")?;
    header.end()?;
    let pipeline = pipeline(&mut lines, 1)?;
    lines.end()?;
    Ok(pipeline)
}

/// The program that a text says.
pub fn parse_program(text: &str) -> Result<Program> {
    let mut lines = Lines::of(text)?;
    let header = lines.expect(0, "\"program\"")?;
    header.expect("program")?;
    header.end()?;
    let mut pipelines = Vec::new();
    while let Some(line) = lines.at(1)? {
        line.expect("pipeline")?;
        line.expect("from")?;
        let source = match line.word("input or output")? {
            "input" => Source::Input(line.number("its number")?),
            "output" => Source::Output(line.number("its number")?),
            other => return Err(line.error(format!("\"{other}\" where input or output was expected"))),
        };
        line.end()?;
        pipelines.push((source, pipeline(&mut lines, 2)?));
    }
    lines.end()?;
    Ok(Program { pipelines })
}

/// A value of a type, as `Display` of [`Scalar`] writes it.
pub fn parse_scalar(text: &str, ty: Type) -> Option<Scalar> {
    let value = match ty {
        Type::Bool => Scalar::Bool(text.parse().ok()?),
        Type::F32 => Scalar::F32(match text.strip_prefix("nan") {
            Some("") => f32::NAN,
            Some(bits) => Some(f32::from_bits(u32::from_str_radix(bits.strip_prefix(':')?, 16).ok()?)).filter(|v| v.is_nan())?,
            None => text.parse().ok()?,
        }),
        Type::F64 => Scalar::F64(match text.strip_prefix("nan") {
            Some("") => f64::NAN,
            Some(bits) => Some(f64::from_bits(u64::from_str_radix(bits.strip_prefix(':')?, 16).ok()?)).filter(|v| v.is_nan())?,
            None => text.parse().ok()?,
        }),
        Type::I8 | Type::I16 | Type::I32 | Type::I64 | Type::I128 | Type::U8 | Type::U16 | Type::U32 => {
            Scalar::Int(text.parse().ok()?)
        }
        Type::Text => Scalar::Text(parse_text(text)?.into()),
    };
    value.is_of(ty).then_some(value)
}

/// A text from its parts, each quoted and perhaps repeated.
fn parse_text(word: &str) -> Option<String> {
    let mut text = String::new();
    let mut rest = word;
    loop {
        let mut part = String::new();
        let mut characters = rest.strip_prefix('"')?.chars();
        loop {
            part.push(match characters.next()? {
                '"' => break,
                '\\' => match characters.next()? {
                    's' => ' ',
                    'u' => {
                        let (code, behind) = characters.as_str().strip_prefix('{')?.split_once('}')?;
                        characters = behind.chars();
                        char::from_u32(u32::from_str_radix(code, 16).ok()?)?
                    }
                    itself @ ('"' | '\\') => itself,
                    _ => return None,
                },
                other => other,
            });
        }
        rest = characters.as_str();
        let times = match rest.strip_prefix('*') {
            Some(count) => {
                let end = count.find('+').unwrap_or(count.len());
                rest = &count[end..];
                count[..end].parse().ok()?
            }
            None => 1,
        };
        text.push_str(&part.repeat(times));
        match rest.strip_prefix('+') {
            Some(next) => rest = next,
            None => return rest.is_empty().then_some(text),
        }
    }
}

/// The lines that say something.
struct Lines<'a> {
    lines: std::iter::Peekable<std::vec::IntoIter<Line<'a>>>,
    /// The last line taken.
    last: usize,
}

/// One line; its words are taken from the left.
struct Line<'a> {
    number: usize,
    level: usize,
    rest: std::cell::Cell<&'a str>,
}

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Result<Self> {
        let mut lines = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim_end();
            let words = line.trim_start_matches(' ');
            if words.is_empty() {
                continue;
            }
            let (number, blanks) = (at + 1, line.len() - words.len());
            if !blanks.is_multiple_of(2) {
                let message = "this line is not indented by a multiple of two blanks".to_owned();
                return Err(ParseError { line: number, message });
            }
            lines.push(Line { number, level: blanks / 2, rest: std::cell::Cell::new(words) });
        }
        Ok(Self { lines: lines.into_iter().peekable(), last: 1 })
    }

    /// The next line where it is at this level; `None` where it is further out or there is none.
    fn at(&mut self, level: usize) -> Result<Option<Line<'a>>> {
        match self.lines.peek() {
            Some(line) if line.level > level => Err(line.error("this line is not indented as those around it".to_owned())),
            Some(line) if line.level == level => {
                self.last = line.number;
                Ok(self.lines.next())
            }
            Some(_) | None => Ok(None),
        }
    }

    fn expect(&mut self, level: usize, what: &str) -> Result<Line<'a>> {
        let missing = match self.lines.peek() {
            Some(line) => line.error(format!("this line stands where {what} was expected")),
            None => ParseError { line: self.last, message: format!("the text ends where {what} was expected") },
        };
        self.at(level)?.ok_or(missing)
    }

    fn end(&mut self) -> Result<()> {
        self.lines.next().map_or(Ok(()), |line| line.end())
    }
}

impl<'a> Line<'a> {
    fn error(&self, message: String) -> ParseError {
        ParseError { line: self.number, message }
    }

    /// The next word, taken.
    fn next(&self) -> Option<&'a str> {
        let rest = self.rest.get().trim_start();
        let (word, rest) = rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len()));
        self.rest.set(rest);
        (!word.is_empty()).then_some(word)
    }

    /// The next word, taken only where it is this one.
    fn has(&self, word: &str) -> bool {
        let before = self.rest.get();
        let found = self.next() == Some(word);
        if !found {
            self.rest.set(before);
        }
        found
    }

    fn word(&self, what: &str) -> Result<&'a str> {
        self.next().ok_or_else(|| self.error(format!("the line ends where {what} was expected")))
    }

    fn expect(&self, word: &str) -> Result<()> {
        match self.word(&format!("\"{word}\""))? {
            found if found == word => Ok(()),
            found => Err(self.error(format!("\"{found}\" where \"{word}\" was expected"))),
        }
    }

    fn number<T: FromStr>(&self, what: &str) -> Result<T> {
        let word = self.word(what)?;
        word.parse().map_err(|_| self.error(format!("\"{word}\" where {what} was expected")))
    }

    /// One of a list of names.
    fn named<T: Copy>(&self, what: &str, find: impl Fn(&str) -> Option<T>) -> Result<T> {
        let word = self.word(what)?;
        find(word).ok_or_else(|| self.error(format!("there is no {what} \"{word}\"")))
    }

    fn ty(&self) -> Result<Type> {
        self.named("type", Type::named)
    }

    fn node(&self) -> Result<ExprId> {
        let word = self.word("a node")?;
        let number = word.strip_prefix('%').and_then(|digits| digits.parse().ok());
        number.map(ExprId).ok_or_else(|| self.error(format!("\"{word}\" where a node such as %0 was expected")))
    }

    /// The next word as a node, where it is one.
    fn node_if_any(&self) -> Result<Option<ExprId>> {
        if self.rest.get().trim_start().starts_with('%') { self.node().map(Some) } else { Ok(None) }
    }

    /// Whether no word is left.
    fn is_done(&self) -> bool {
        self.rest.get().trim_start().is_empty()
    }

    fn fault(&self) -> Result<Option<Fault>> {
        if self.has("!") { self.named("fault", Fault::named).map(Some) } else { Ok(None) }
    }

    fn domain(&self) -> Result<Domain> {
        Ok(Domain { low: self.number("the least value")?, size: self.number("the number of values")? })
    }

    fn end(&self) -> Result<()> {
        self.next().map_or(Ok(()), |word| Err(self.error(format!("\"{word}\" behind the end"))))
    }
}

/// What stands below a pipeline's first line.
fn pipeline(lines: &mut Lines<'_>, level: usize) -> Result<Pipeline> {
    let mut made = Pipeline {
        columns: Vec::new(),
        parameters: Vec::new(),
        tables: Vec::new(),
        indexes: Vec::new(),
        exprs: Vec::new(),
        body: Block::new(),
        sink: Sink::Bitmap,
    };
    loop {
        let line = lines.expect(level, "a declaration, a node or \"body\"")?;
        let numbered = |what: &str, expected: usize| match line.number::<usize>("a number")? {
            found if found == expected => Ok(()),
            found => Err(line.error(format!("{what} {found} where {what} {expected} was expected"))),
        };
        match line.word("a declaration, a node or \"body\"")? {
            "column" => {
                numbered("column", made.columns.len())?;
                made.columns.push(ValueType { ty: line.ty()?, nullable: line.has("nullable") });
            }
            "parameter" => {
                numbered("parameter", made.parameters.len())?;
                made.parameters.push(line.ty()?);
            }
            "table" => {
                numbered("table", made.tables.len())?;
                made.tables.push(TableType { element: line.ty()?, nullable: line.has("nullable") });
            }
            "index" => {
                numbered("index", made.indexes.len())?;
                let mut keys = vec![line.ty()?];
                while !line.is_done() {
                    keys.push(line.ty()?);
                }
                made.indexes.push(IndexType { keys });
            }
            "body" => {
                line.end()?;
                break;
            }
            node if node.starts_with('%') => {
                if node[1..].parse() != Ok(made.exprs.len()) {
                    return Err(line.error(format!("node {node} where node %{} was expected", made.exprs.len())));
                }
                line.expect("=")?;
                made.exprs.push(expr(&line)?);
            }
            other => return Err(line.error(format!("\"{other}\" where a declaration, a node or \"body\" was expected"))),
        }
        line.end()?;
    }
    made.body = block(lines, level + 1)?;
    made.sink = sink(lines, level)?;
    Ok(made)
}

fn expr(line: &Line<'_>) -> Result<Expr> {
    let name = line.word("a node's name")?;
    Ok(match name {
        "column" => Expr::Column(ColumnId(line.number("a column's number")?)),
        "parameter" => Expr::Parameter(ParameterId(line.number("a parameter's number")?)),
        "constant" => {
            let ty = line.ty()?;
            let value = match line.word("a value")? {
                "null" => None,
                word => {
                    let value = parse_scalar(word, ty);
                    Some(value.ok_or_else(|| line.error(format!("\"{word}\" is not a value of type {}", ty.name())))?)
                }
            };
            Expr::Constant { ty, value }
        }
        "negate" => Expr::Negate { a: line.node()?, fault: line.fault()? },
        "in_range" => Expr::InRange {
            a: line.node()?,
            low: ParameterId(line.number("a parameter's number")?),
            high: ParameterId(line.number("a parameter's number")?),
        },
        "member" => Expr::Member { a: line.node()?, table: TableId(line.number("a table's number")?) },
        "lookup" => Expr::Lookup { table: TableId(line.number("a table's number")?), index: line.node()? },
        "not" => Expr::Not(line.node()?),
        "and" => Expr::And(line.node()?, line.node()?),
        "or" => Expr::Or(line.node()?, line.node()?),
        "is_null" => Expr::IsNull(line.node()?),
        "is_distinct" => Expr::IsDistinct(line.node()?, line.node()?),
        "select" => Expr::Select { condition: line.node()?, then: line.node()?, otherwise: line.node()? },
        "coalesce" => Expr::Coalesce(line.node()?, line.node()?),
        "null_if" => Expr::NullIf(line.node()?, line.node()?),
        "cast" => Expr::Cast { to: line.ty()?, a: line.node()?, fault: line.fault()? },
        "date_part" => {
            let part = line.named("part of a date", |name| DatePart::ALL.into_iter().find(|part| part.name() == name))?;
            Expr::DatePart { part, a: line.node()? }
        }
        "add_months" => Expr::AddMonths { a: line.node()?, months: line.node()? },
        "text_length" => {
            let unit = line.named("unit", |name| TextUnit::ALL.into_iter().find(|unit| unit.name() == name))?;
            Expr::TextLength { a: line.node()?, unit }
        }
        "text_match" => {
            let op = line.named("match", |name| MatchOp::ALL.into_iter().find(|op| op.name() == name))?;
            let (a, pattern) = (line.node()?, ParameterId(line.number("a parameter's number")?));
            Expr::TextMatch { a, op, pattern, ignore_case: line.has("ignore_case") }
        }
        "text_position" => Expr::TextPosition { a: line.node()?, pattern: ParameterId(line.number("a parameter's number")?) },
        "text_slice" => Expr::TextSlice { a: line.node()?, start: line.node()?, length: line.node_if_any()? },
        "text_trim" => {
            let side = line.named("side", |name| TrimSide::ALL.into_iter().find(|side| side.name() == name))?;
            Expr::TextTrim { a: line.node()?, side, characters: ParameterId(line.number("a parameter's number")?) }
        }
        "probe" => {
            let index = IndexId(line.number("an index's number")?);
            let mut keys = Vec::new();
            while let Some(key) = line.node_if_any()? {
                keys.push(key);
            }
            Expr::Probe { index, keys }
        }
        "current" => Expr::Current(LoopId(line.number("a loop's number")?)),
        "place" => Expr::Place { a: line.node()?, table: TableId(line.number("a table's number")?) },
        name => {
            if let Some(op) = Arithmetic::ALL.into_iter().find(|op| op.name() == name) {
                Expr::Arithmetic { op, a: line.node()?, b: line.node()?, fault: line.fault()? }
            } else if let Some(op) = Comparison::ALL.into_iter().find(|op| op.name() == name) {
                Expr::Compare { op, a: line.node()?, b: line.node()? }
            } else if let Some(op) = Math::ALL.into_iter().find(|op| op.name() == name) {
                Expr::Math { op, a: line.node()? }
            } else if let Some(op) = MathPair::ALL.into_iter().find(|op| op.name() == name) {
                Expr::MathPair { op, a: line.node()?, b: line.node()? }
            } else if let Some(op) = Bits::ALL.into_iter().find(|op| op.name() == name) {
                Expr::Bits { op, a: line.node()?, b: line.node()? }
            } else {
                return Err(line.error(format!("there is no node \"{name}\"")));
            }
        }
    })
}

fn block(lines: &mut Lines<'_>, level: usize) -> Result<Block> {
    let mut made = Block::new();
    while let Some(line) = lines.at(level)? {
        made.push(match line.word("a statement")? {
            "if" => {
                let condition = line.node()?;
                line.end()?;
                Statement::If { condition, then: block(lines, level + 1)? }
            }
            "loop" => {
                let id = LoopId(line.number("a loop's number")?);
                let kind = line.named("kind of loop", |name| LoopKind::ALL.into_iter().find(|kind| kind.name() == name))?;
                let (from, to) = (line.node()?, line.node()?);
                let condition = if line.has("if") { Some(line.node()?) } else { None };
                line.end()?;
                Statement::Loop { id, from, to, kind, condition, then: block(lines, level + 1)? }
            }
            "stage" => Statement::Stage,
            "emit" => Statement::Emit,
            other => return Err(line.error(format!("there is no statement \"{other}\""))),
        });
        line.end()?;
    }
    Ok(made)
}

fn sink(lines: &mut Lines<'_>, level: usize) -> Result<Sink> {
    let line = lines.expect(level, "a sink")?;
    match line.word("a sink")? {
        "materialize" => {
            let mut columns = Vec::new();
            while let Some(column) = line.node_if_any()? {
                columns.push(column);
            }
            line.end()?;
            Ok(Sink::Materialize { columns })
        }
        "bitmap" => {
            line.end()?;
            Ok(Sink::Bitmap)
        }
        "mark" => {
            let (at, rows) = (line.node()?, ParameterId(line.number("a parameter's number")?));
            line.end()?;
            Ok(Sink::Mark { at, rows })
        }
        "group" => {
            let strategy = line.named("strategy", |name| Strategy::ALL.into_iter().find(|s| s.name() == name))?;
            line.end()?;
            group(lines, level + 1, strategy)
        }
        "top_k" => {
            let limit = line.number("how many rows")?;
            line.end()?;
            top_k(lines, level + 1, limit)
        }
        other => Err(line.error(format!("there is no sink \"{other}\""))),
    }
}

fn group(lines: &mut Lines<'_>, level: usize, strategy: Strategy) -> Result<Sink> {
    let (mut keys, mut aggregates) = (Vec::new(), Vec::new());
    while let Some(line) = lines.at(level)? {
        if line.has("key") {
            if !aggregates.is_empty() {
                return Err(line.error("a key behind an aggregate".to_owned()));
            }
            let expr = line.node()?;
            let domain = if line.has("domain") { Some(line.domain()?) } else { None };
            keys.push(Key { expr, domain });
        } else {
            aggregates.push(aggregate(&line)?);
        }
        line.end()?;
    }
    Ok(Sink::Group { keys, aggregates, strategy })
}

fn aggregate(line: &Line<'_>) -> Result<Aggregate> {
    let mut op = match line.word("an aggregate")? {
        "count" => AggregateOp::Count,
        "sum" => AggregateOp::Sum { ty: line.ty()?, fault: None },
        "min" => AggregateOp::Min,
        "max" => AggregateOp::Max,
        "count_distinct" => AggregateOp::CountDistinct(line.domain()?),
        "sum_distinct" => AggregateOp::SumDistinct(line.domain()?),
        "deviations" => AggregateOp::Deviations { with: None },
        other => match BitOp::ALL.into_iter().find(|op| op.name() == other) {
            Some(op) => AggregateOp::Bits(op),
            None => return Err(line.error(format!("there is no aggregate \"{other}\""))),
        },
    };
    let input = line.node_if_any()?;
    if let AggregateOp::Deviations { with } = &mut op {
        *with = line.node_if_any()?;
    }
    let filter = if line.has("if") { Some(line.node()?) } else { None };
    if let AggregateOp::Sum { fault, .. } = &mut op {
        *fault = line.fault()?;
    }
    Ok(Aggregate { op, input, filter })
}

fn top_k(lines: &mut Lines<'_>, level: usize, limit: u64) -> Result<Sink> {
    let (mut order, mut columns) = (Vec::new(), Vec::new());
    while let Some(line) = lines.at(level)? {
        match line.word("\"order\" or \"column\"")? {
            "order" if !columns.is_empty() => return Err(line.error("an order behind a column".to_owned())),
            "order" => {
                let expr = line.node()?;
                let descending = line.has("descending");
                let nulls_first = line.has("nulls");
                if nulls_first {
                    line.expect("first")?;
                }
                order.push(Order { expr, descending, nulls_first });
            }
            "column" => columns.push(line.node()?),
            other => return Err(line.error(format!("\"{other}\" where \"order\" or \"column\" was expected"))),
        }
        line.end()?;
    }
    Ok(Sink::TopK { order, columns, limit })
}
