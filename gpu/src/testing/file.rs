//! Row-program files: programs in text, with inputs and expected results as comments.
//!
//! A file holds one program or several, each beginning with the line `pipeline`; behind each, in lines that begin with `#:`,
//! its cases. A column or table may go on over several lines that name it again.
//!
//! ```text
//! pipeline
//!   column 0 i32 nullable
//!   %0 = column 0
//!   body
//!     emit
//!   materialize %0
//! #: case what it shows
//! #: parameter 0 7
//! #: table 0 true false true
//! #: index 0 7 "a" | 9 "b"
//! #: chunk
//! #:   column 0 1 null 3
//! #: rows 1 | null | 3
//! ```
//!
//! - `chunk [ROWS]` begins a chunk; the number is needed where there is no column. A chunk's column has validity where it
//!   has a `null` or `nullable` stands before its values.
//! - `rows` is followed by the rows of the output, one a line or parted by `|`; `fault NAME` stands for them where a
//!   fault is expected. Rows come in any order, but for a bitmap's and top-k's; see [`compare`](super::compare).
//! - `index` is followed by the keys of its entries, parted by `|`; they are numbered from 0, and no two are the same.
//! - A case without a chunk has no input at all.
//!
//! `UPDATE=1` rewrites the rows and faults that the interpreter does not agree with.

use std::path::Path;
use std::sync::Arc;

use super::check::check_case;
use super::{Case, compare, data};
use crate::column::Chunk;
use crate::device::Device;
use crate::interpret::{Outcome, Value, outcome, write_column_over};
use crate::program::text::{parse, parse_scalar};
use crate::program::verify::{output_types, verify};
use crate::program::{Fault, Pipeline, Scalar, Type, ValueType, Values};

/// Lines of rows are filled up to this width.
const WIDTH: usize = 100;

type Result<T> = std::result::Result<T, String>;

/// Runs every case of a file on the interpreter, which must give what the file says, and on a device, which must give what
/// the interpreter does; each as it stands and once more with its stages placed. Returns how many cases there are.
pub fn check_file(path: &Path, device: &dyn Device) -> Result<usize> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let update = std::env::var_os("UPDATE").is_some_and(|value| value == "1");
    let (count, written) = check(&path.display().to_string(), &text, device, update)?;
    if update && written != text {
        std::fs::write(path, written).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(count)
}

/// The same for a file's text, which has that name in what is said of it.
pub fn check_text(name: &str, text: &str, device: &dyn Device) -> Result<usize> {
    check(name, text, device, false).map(|(count, _)| count)
}

/// Checks a file's text, and gives it as it should be.
fn check(name: &str, text: &str, device: &dyn Device, update: bool) -> Result<(usize, String)> {
    let named = |line: usize, why: String| format!("{name}:{}: {why}", line + 1);
    let cases = cases_of(text).map_err(|(line, why)| named(line, why))?;
    if cases.is_empty() {
        return Err(format!("{name}: a file without a case"));
    }
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    // From the last to the first, so that the places of those before stay what they are.
    for file_case in cases.iter().rev() {
        let named = |why: String| named(file_case.line, format!("case {}: {why}", file_case.name));
        let case = &file_case.case;
        let found = outcome(&case.pipeline, &case.values, &case.chunks).map_err(|error| named(error.to_string()))?;
        match expectation_holds(file_case, &found) {
            Ok(()) => {}
            Err(_) if update => {
                lines.splice(file_case.expected_lines.clone(), expectation(&found));
            }
            Err(why) => return Err(named(format!("the interpreter disagrees with the file: {why}"))),
        }
        check_case(device, case).map_err(|why| named(format!("{}: {why}", device.name())))?;
        let mut staged = case.clone();
        staged.pipeline.place_stages();
        if staged.pipeline != case.pipeline {
            let same = outcome(&staged.pipeline, &case.values, &case.chunks).map_err(|error| named(error.to_string()))?;
            if found.faults.is_empty() && (same.rows != found.rows || !same.faults.is_empty()) {
                return Err(named("placing stages changed the result".to_owned()));
            }
            check_case(device, &staged).map_err(|why| named(format!("{}, staged: {why}", device.name())))?;
        }
    }
    Ok((cases.len(), lines.join("\n") + "\n"))
}

struct FileCase {
    name: String,
    /// Where it begins, from 0.
    line: usize,
    case: Case,
    expected: Expected,
    /// The lines that say what is expected.
    expected_lines: std::ops::Range<usize>,
}

enum Expected {
    Nothing,
    Rows(Vec<Vec<Value>>),
    Fault(Fault),
}

fn expectation_holds(case: &FileCase, found: &Outcome) -> Result<()> {
    match &case.expected {
        Expected::Nothing => Err("it expects nothing".to_owned()),
        Expected::Fault(fault) if found.faults.contains(fault) => Ok(()),
        Expected::Fault(fault) => Err(format!("{:?} where {} was expected", found.faults, fault.name())),
        Expected::Rows(_) if !found.faults.is_empty() => Err(format!("{:?} where rows were expected", found.faults)),
        Expected::Rows(rows) => compare::check_rows(&case.case.pipeline.sink, found, rows),
    }
}

/// The lines of an expectation.
fn expectation(found: &Outcome) -> Vec<String> {
    if let Some(fault) = found.faults.first() {
        return vec![format!("#: fault {}", fault.name())];
    }
    let limit = found.limit.map_or(found.rows.len(), |limit| found.rows.len().min(limit as usize));
    let rows = found.rows[..limit].iter().map(|row| compare::show(row));
    let mut lines = vec!["#: rows".to_owned()];
    let mut last = String::new();
    for row in rows {
        if found.types.len() == 1 && !last.is_empty() && last.len() + row.len() < WIDTH {
            last = format!("{last} | {row}");
        } else {
            lines.extend((!last.is_empty()).then_some(last));
            last = format!("#:   {row}");
        }
    }
    lines.extend((!last.is_empty()).then_some(last));
    lines
}

/// The cases of a file's text; an error with its line, from 0.
fn cases_of(text: &str) -> std::result::Result<Vec<FileCase>, (usize, String)> {
    let lines: Vec<&str> = text.lines().collect();
    let begins: Vec<usize> = (0..lines.len()).filter(|at| lines[*at].trim_end() == "pipeline").collect();
    let mut cases = Vec::new();
    for (number, begin) in begins.iter().enumerate() {
        let end = begins.get(number + 1).copied().unwrap_or(lines.len());
        let section = &lines[*begin..end];
        let pipeline = parse(&section.join("\n")).map_err(|error| (begin + error.line - 1, error.message))?;
        let types = verify(&pipeline).map_err(|error| (*begin, error.to_string()))?;
        let types = output_types(&pipeline.sink, &types);
        let before = cases.len();
        let mut reader = Reader { pipeline: &pipeline, output: types, cases: &mut cases };
        for (at, line) in section.iter().enumerate() {
            if let Some(words) = line.strip_prefix("#:") {
                reader.line(begin + at, words).map_err(|why| (begin + at, why))?;
            }
        }
        if cases.len() == before {
            return Err((*begin, "a program without a case".to_owned()));
        }
    }
    for case in &mut cases {
        case.case.values.check(&case.case.pipeline).map_err(|why| (case.line, why))?;
    }
    Ok(cases)
}

struct Reader<'a> {
    pipeline: &'a Pipeline,
    output: Vec<ValueType>,
    cases: &'a mut Vec<FileCase>,
}

impl Reader<'_> {
    fn line(&mut self, at: usize, text: &str) -> Result<()> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let Some((first, rest)) = words.split_first() else { return Ok(()) };
        if *first == "case" {
            let case = Case { pipeline: self.pipeline.clone(), values: Values::default(), chunks: Vec::new() };
            let expected_lines = at + 1..at + 1;
            let name = rest.join(" ");
            self.cases.push(FileCase { name, line: at, case, expected: Expected::Nothing, expected_lines });
            return Ok(());
        }
        let pipeline = self.pipeline;
        let case = self.cases.last_mut().filter(|case| case.case.pipeline == *pipeline);
        let case = case.ok_or_else(|| "a line before any case".to_owned())?;
        let numbered = || -> Result<(usize, &[&str])> {
            let (number, rest) = rest.split_first().ok_or_else(|| "a number is missing".to_owned())?;
            Ok((number.parse().map_err(|_| format!("\"{number}\" is no number"))?, rest))
        };
        match *first {
            "parameter" => {
                let (number, rest) = numbered()?;
                let ty = *pipeline.parameters.get(number).ok_or_else(|| format!("there is no parameter {number}"))?;
                match (values(rest, ty)?.as_slice(), number == case.case.values.scalars.len()) {
                    ([Some(value)], true) => case.case.values.scalars.push(value.clone()),
                    _ => return Err("parameters have one value each and come in order".to_owned()),
                }
            }
            "table" => {
                let (number, rest) = numbered()?;
                let ty = *pipeline.tables.get(number).ok_or_else(|| format!("there is no table {number}"))?;
                let tables = &mut case.case.values.tables;
                let mut elements = tables.get(number).map_or(Vec::new(), |table| crate::interpret::read_table(table));
                elements.extend(values(rest, ty.element)?);
                if !ty.nullable && elements.contains(&None) {
                    return Err("a null in a table without".to_owned());
                }
                let table = Arc::new(data::table(ty, &elements));
                if number < tables.len() {
                    tables[number] = table;
                } else if number == tables.len() {
                    tables.push(table);
                } else {
                    return Err("tables come in order".to_owned());
                }
            }
            "index" => {
                let (number, rest) = numbered()?;
                let types = &pipeline.indexes.get(number).ok_or_else(|| format!("there is no index {number}"))?.keys;
                let indexes = &mut case.case.values.indexes;
                let mut rows = indexes.get(number).map_or(Vec::new(), |index| data::index_rows(index));
                let types_of: Vec<ValueType> = types.iter().map(|ty| ValueType::of(*ty)).collect();
                for row in self::rows(rest, &types_of)? {
                    rows.push(row.into_iter().collect::<Option<Vec<Scalar>>>().ok_or("a null in an index")?);
                }
                let index = data::index(types, &rows).map_err(|error| error.to_string())?;
                if index.len() != rows.len() {
                    return Err("two entries of an index have the same keys".to_owned());
                }
                if number < indexes.len() {
                    indexes[number] = Arc::new(index);
                } else if number == indexes.len() {
                    indexes.push(Arc::new(index));
                } else {
                    return Err("indexes come in order".to_owned());
                }
            }
            "chunk" => {
                let rows = rest.first().map_or(Ok(0), |rows| rows.parse().map_err(|_| format!("\"{rows}\" is no number")))?;
                let columns = pipeline.columns.iter().map(|ty| Arc::new(column(ValueType::of(ty.ty), &[]))).collect();
                case.case.chunks.push(Chunk { rows, columns });
            }
            "column" => {
                let (number, rest) = numbered()?;
                let ty = *pipeline.columns.get(number).ok_or_else(|| format!("there is no column {number}"))?;
                let chunk = case.case.chunks.last_mut().ok_or_else(|| "a column before any chunk".to_owned())?;
                let (nullable, rest) = match rest.split_first() {
                    Some((&"nullable", rest)) => (true, rest),
                    _ => (false, rest),
                };
                let before = &chunk.columns[number];
                let mut all = crate::interpret::read_column(before);
                all.extend(values(rest, ty.ty)?);
                let nullable = nullable || before.ty.nullable || all.contains(&None);
                chunk.rows = chunk.rows.max(all.len());
                chunk.columns[number] = Arc::new(column(ValueType { ty: ty.ty, nullable }, &all));
            }
            "rows" | "fault" if !matches!(case.expected, Expected::Nothing) => {
                return Err("a case has one expectation".to_owned());
            }
            "rows" => {
                case.expected = Expected::Rows(rows(rest, &self.output)?);
                case.expected_lines = at..at + 1;
            }
            "fault" => {
                let fault =
                    rest.first().and_then(|name| Fault::named(name)).ok_or_else(|| "there is no such fault".to_owned())?;
                case.expected = Expected::Fault(fault);
                case.expected_lines = at..at + 1;
            }
            other => match &mut case.expected {
                Expected::Rows(all) if case.expected_lines.end == at => {
                    all.extend(rows(&words, &self.output)?);
                    case.expected_lines.end = at + 1;
                }
                Expected::Rows(_) | Expected::Nothing | Expected::Fault(_) => return Err(format!("there is no \"{other}\"")),
            },
        }
        Ok(())
    }
}

fn value(word: &str, ty: Type) -> Result<Value> {
    match word {
        "null" => Ok(None),
        word => parse_scalar(word, ty).map(Some).ok_or_else(|| format!("\"{word}\" is not a value of type {}", ty.name())),
    }
}

fn values(words: &[&str], ty: Type) -> Result<Vec<Value>> {
    words.iter().map(|word| value(word, ty)).collect()
}

fn rows(words: &[&str], types: &[ValueType]) -> Result<Vec<Vec<Value>>> {
    let parts = words.split(|word| *word == "|").filter(|part| !part.is_empty());
    let row = |part: &[&str]| match part.len() == types.len() {
        true => part.iter().zip(types).map(|(word, ty)| value(word, ty.ty)).collect(),
        false => Err(format!("a row of {} values where {} were expected", part.len(), types.len())),
    };
    parts.map(row).collect()
}

/// A column whose rows that are NULL hold the values most likely to be tripped over: 0 and the least.
fn column(ty: ValueType, values: &[Value]) -> crate::column::Column {
    write_column_over(ty, values, |at| match ty.ty.range() {
        Some((low, _)) if at % 2 == 0 => Scalar::Int(low),
        Some(_) => Scalar::Int(0),
        None => match ty.ty {
            Type::Bool => Scalar::Bool(at % 2 == 0),
            Type::F32 => Scalar::F32(if at % 2 == 0 { f32::NAN } else { 0.0 }),
            Type::Text => Scalar::Text(if at % 2 == 0 { "\u{7f}garbage".into() } else { "".into() }),
            Type::F64 | Type::I8 | Type::I16 | Type::I32 | Type::I64 | Type::I128 | Type::U8 | Type::U16 | Type::U32 => {
                Scalar::F64(if at % 2 == 0 { f64::NAN } else { 0.0 })
            }
        },
    })
}
