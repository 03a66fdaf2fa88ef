//! The registry of functions, operators and aggregates, and PostgreSQL's choice among them.
//!
//! # Adding a function
//!
//! Add a line to the list of the family's file: the signature as PostgreSQL would write it
//! (`lpad(text,int4,text) text`, `unnest(anyarray) setof anyelement`, `concat(variadic any) text`) and a body.
//! [`call`] returns null where an argument is null without asking the body; [`lax`] asks it. Resolution,
//! `pg_proc` and `\df` follow from the line.

pub mod aggregates;
pub mod array;
pub mod catalog;
pub mod datetime;
pub mod format;
pub mod json;
pub mod math;
pub mod pattern;
pub mod string;
pub mod system;
pub mod template;

use std::collections::HashMap;
use std::sync::LazyLock;

use super::coerce::{self, Strength};
use super::context::Context;
use super::datum::Datum;
use super::expr::Fields;
use super::type_name;
use crate::error::Result;
use crate::types::{Base, SqlType};

/// What a body sees besides its arguments.
#[derive(Debug)]
pub struct Call<'a> {
    /// The world.
    pub ctx: &'a Context<'a>,
    /// The arguments' types.
    pub types: &'a [SqlType],
    /// The result's type.
    pub result: SqlType,
    /// The fields of the first argument, where it is composite.
    pub fields: Option<&'a Fields>,
}

/// What a declared argument accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arg {
    /// One type.
    Is(SqlType),
    /// Any type.
    Any,
    /// Any type that is no array.
    NonArray,
    /// Any type, the same for all of these.
    Element,
    /// An array of the type of [`Arg::Element`].
    Array,
}

/// How a function computes.
#[derive(Debug, Clone, Copy)]
pub enum Body {
    /// One value.
    Scalar(fn(&Call<'_>, &[Datum]) -> Result<Datum>),
    /// Rows of one value, which is a record where there are several columns.
    Set(fn(&Call<'_>, &[Datum]) -> Result<Vec<Datum>>),
    /// One value of many rows of arguments.
    Aggregate(fn(&Call<'_>, &[Vec<Datum>]) -> Result<Datum>),
    /// A value for each row of a partition; see `run.rs`.
    Window,
}

/// One function, operator, aggregate or window function.
#[derive(Debug)]
pub struct Function {
    /// Its name, or an operator's symbol.
    pub name: String,
    /// What it accepts.
    pub args: Vec<Arg>,
    /// Whether the last argument stands for any number of them.
    pub variadic: bool,
    /// What it gives.
    pub result: Arg,
    /// The columns of a record that it gives.
    pub columns: Vec<(String, Arg)>,
    /// Whether null arguments give null unasked; an aggregate skips them.
    pub strict: bool,
    /// How.
    pub body: Body,
    /// `pg_proc.oid`.
    pub oid: u32,
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Function {
    /// Whether it gives rows.
    pub fn is_set(&self) -> bool {
        matches!(self.body, Body::Set(_))
    }
}

/// One line of a family's list.
#[derive(Debug, Clone, Copy)]
pub struct Line {
    signature: &'static str,
    strict: bool,
    body: Body,
}

/// A function that is null where an argument is.
pub const fn call(signature: &'static str, body: fn(&Call<'_>, &[Datum]) -> Result<Datum>) -> Line {
    Line { signature, strict: true, body: Body::Scalar(body) }
}

/// A function that sees its null arguments.
pub const fn lax(signature: &'static str, body: fn(&Call<'_>, &[Datum]) -> Result<Datum>) -> Line {
    Line { signature, strict: false, body: Body::Scalar(body) }
}

/// A set-returning function; null arguments give no row.
pub const fn set(signature: &'static str, body: fn(&Call<'_>, &[Datum]) -> Result<Vec<Datum>>) -> Line {
    Line { signature, strict: true, body: Body::Set(body) }
}

/// An aggregate that skips rows with a null argument.
pub const fn aggregate(signature: &'static str, body: fn(&Call<'_>, &[Vec<Datum>]) -> Result<Datum>) -> Line {
    Line { signature, strict: true, body: Body::Aggregate(body) }
}

/// An aggregate that sees nulls.
pub const fn lax_aggregate(signature: &'static str, body: fn(&Call<'_>, &[Vec<Datum>]) -> Result<Datum>) -> Line {
    Line { signature, strict: false, body: Body::Aggregate(body) }
}

/// A window function.
pub const fn window(signature: &'static str) -> Line {
    Line { signature, strict: false, body: Body::Window }
}

fn arg(name: &str) -> Option<Arg> {
    Some(match name {
        "any" | "\"any\"" => Arg::Any,
        "anynonarray" => Arg::NonArray,
        "anyelement" | "anycompatible" => Arg::Element,
        "anyarray" | "anycompatiblearray" => Arg::Array,
        "\"char\"" => Arg::Is(Base::Char.into()),
        _ => match name.strip_suffix("[]") {
            Some(element) => Arg::Is(SqlType { array: true, ..type_name::named(element)? }),
            None => Arg::Is(type_name::named(name)?),
        },
    })
}

fn parse(line: &Line, oid: u32) -> Option<Function> {
    let open = line.signature.find('(')?;
    let close = line.signature.find(')')?;
    let mut variadic = false;
    let mut args = Vec::new();
    for part in line.signature[open + 1..close].split(',').map(str::trim).filter(|p| !p.is_empty()) {
        let part = part.strip_prefix("variadic ").inspect(|_| variadic = true).unwrap_or(part);
        args.push(arg(part)?);
    }
    let result = line.signature[close + 1..].trim();
    let result = result.strip_prefix("setof ").unwrap_or(result);
    let (result, columns) = match result.strip_prefix("record(") {
        Some(columns) => {
            let columns: Option<Vec<(String, Arg)>> = columns
                .trim_end_matches(')')
                .split(',')
                .map(|c| c.trim().split_once(' ').and_then(|(name, t)| Some((name.to_owned(), arg(t)?))))
                .collect();
            (Arg::Is(Base::Record.into()), columns?)
        }
        None => (arg(result)?, Vec::new()),
    };
    Some(Function {
        name: line.signature[..open].to_owned(),
        args,
        variadic,
        result,
        columns,
        strict: line.strict,
        body: line.body,
        oid,
    })
}

/// `pg_proc.oid` of the first function of the registry.
const FIRST_OID: u32 = 13_000;
/// `pg_operator.oid` of the first operator of the registry.
const FIRST_OPERATOR_OID: u32 = 15_000;

fn build(lines: impl Iterator<Item = Line>, first: u32) -> Vec<Function> {
    lines.zip(first..).filter_map(|(line, oid)| parse(&line, oid)).collect()
}

static FUNCTIONS: LazyLock<Vec<Function>> = LazyLock::new(|| {
    let families = [
        math::ALL,
        string::ALL,
        pattern::ALL,
        format::ALL,
        datetime::ALL,
        template::ALL,
        array::ALL,
        json::ALL,
        system::ALL,
        catalog::ALL,
        aggregates::ALL,
    ];
    build(families.into_iter().flatten().copied(), FIRST_OID)
});

static OPERATORS: LazyLock<Vec<Function>> = LazyLock::new(|| build(super::operator::all().into_iter(), FIRST_OPERATOR_OID));

fn index(functions: &'static [Function]) -> HashMap<&'static str, Vec<&'static Function>> {
    let mut index: HashMap<&'static str, Vec<&'static Function>> = HashMap::new();
    for function in functions {
        index.entry(&function.name).or_default().push(function);
    }
    index
}

static BY_NAME: LazyLock<HashMap<&'static str, Vec<&'static Function>>> = LazyLock::new(|| index(&FUNCTIONS));
static BY_SYMBOL: LazyLock<HashMap<&'static str, Vec<&'static Function>>> = LazyLock::new(|| index(&OPERATORS));

/// Every function, aggregate and window function.
pub fn all() -> &'static [Function] {
    &FUNCTIONS
}

/// Every operator.
pub fn operators() -> &'static [Function] {
    &OPERATORS
}

/// The functions of that name.
pub fn named(name: &str) -> &'static [&'static Function] {
    BY_NAME.get(name).map_or(&[], Vec::as_slice)
}

/// The operators of that symbol.
pub fn operator(symbol: &str) -> &'static [&'static Function] {
    BY_SYMBOL.get(symbol).map_or(&[], Vec::as_slice)
}

/// The type of an array's elements; vectors are arrays.
pub fn element_of(t: SqlType) -> Option<SqlType> {
    match t.base {
        _ if t.array => Some(SqlType { array: false, ..t }),
        Base::Int2Vector => Some(Base::Int2.into()),
        Base::OidVector => Some(Base::Oid.into()),
        _ => None,
    }
}

/// What a choice among candidates came to.
#[derive(Debug)]
pub enum Choice {
    /// One, with the types that its arguments take and that of its result.
    One(&'static Function, Vec<SqlType>, SqlType),
    /// None fits.
    None,
    /// Several fit as well as each other.
    Several,
}

/// The type that an argument takes where the candidate is chosen; `None` where it does not fit.
fn target(declared: Arg, given: SqlType, element: Option<SqlType>) -> Option<SqlType> {
    let unknown = given.base == Base::Unknown && !given.array;
    match declared {
        Arg::Is(t) => coerce::allowed(given, t, Strength::Implicit).then_some(t),
        Arg::NonArray if given.array => None,
        Arg::Any => Some(given),
        Arg::NonArray => Some(if unknown { Base::Text.into() } else { given }),
        Arg::Element => match element {
            Some(element) => coerce::allowed(given, element, Strength::Implicit).then_some(element),
            None => Some(if unknown { Base::Text.into() } else { given }),
        },
        Arg::Array => match element {
            Some(element) if unknown => Some(SqlType { array: true, ..element }),
            Some(element) => {
                let own = element_of(given)?;
                if coerce::same(own, element) { Some(given) } else { Some(SqlType { array: true, ..element }) }
            }
            None if unknown => Some(SqlType::array(Base::Text)),
            None => element_of(given).map(|_| given),
        },
    }
}

/// The arguments' and the result's types where `function` is called with arguments of `types`.
fn fit(function: &'static Function, types: &[SqlType]) -> Option<(Vec<SqlType>, SqlType)> {
    let declared = expand(function, types.len())?;
    // The element type that all polymorphic arguments share.
    let mut elements = Vec::new();
    for (declared, given) in declared.iter().zip(types) {
        match declared {
            Arg::Element => elements.push(*given),
            Arg::Array if given.base == Base::Unknown && !given.array => {}
            Arg::Array => elements.push(element_of(*given)?),
            Arg::Is(_) | Arg::Any | Arg::NonArray => {}
        }
    }
    let element = if elements.is_empty() { None } else { Some(SqlType { typmod: -1, ..coerce::common(&elements).ok()? }) };
    let targets: Option<Vec<SqlType>> = declared.iter().zip(types).map(|(d, t)| target(*d, *t, element)).collect();
    let targets = targets?;
    let result = resolve_result(function.result, element, types)?;
    Some((targets, result))
}

/// The type that a polymorphic result takes.
pub fn resolve_result(declared: Arg, element: Option<SqlType>, types: &[SqlType]) -> Option<SqlType> {
    match declared {
        Arg::Is(t) => Some(t),
        Arg::Any | Arg::NonArray => types.first().copied(),
        Arg::Element => element.or(Some(Base::Text.into())),
        Arg::Array => match element {
            Some(element) if element.array => None,
            Some(element) => Some(SqlType { array: true, typmod: -1, ..element }),
            None => Some(SqlType::array(Base::Text)),
        },
    }
}

fn expand(function: &Function, count: usize) -> Option<Vec<Arg>> {
    if !function.variadic {
        return (function.args.len() == count).then(|| function.args.clone());
    }
    let fixed = function.args.len() - 1;
    if count < function.args.len() {
        return None;
    }
    let last = match function.args.last()? {
        Arg::Is(t) => Arg::Is(SqlType { array: false, ..*t }),
        Arg::Array => Arg::Element,
        other => *other,
    };
    let mut args = function.args[..fixed].to_vec();
    args.resize(count, last);
    Some(args)
}

/// PostgreSQL's choice (`func_select_candidate`) among `candidates` for arguments of `types`.
pub fn choose(candidates: &'static [&'static Function], types: &[SqlType], is_operator: bool) -> Choice {
    let unknown: Vec<bool> = types.iter().map(|t| t.base == Base::Unknown && !t.array).collect();
    let one = |function: &'static Function, types: &[SqlType]| match fit(function, types) {
        Some((targets, result)) => Choice::One(function, targets, result),
        None => Choice::None,
    };
    let is_exact = |function: &Function, types: &[SqlType]| {
        expand(function, types.len())
            .is_some_and(|args| args.iter().zip(types).all(|(a, t)| matches!(a, Arg::Is(d) if coerce::same(*d, *t))))
    };
    if is_operator && types.len() == 2 && unknown[0] != unknown[1] {
        // A literal beside a known type is first taken for the same type.
        let known = if unknown[0] { types[1] } else { types[0] };
        if let Some(function) = candidates.iter().copied().find(|f| is_exact(f, &[known, known])) {
            return one(function, &[known, known]);
        }
    }
    if let Some(function) = candidates.iter().copied().find(|f| is_exact(f, types)) {
        return one(function, types);
    }
    let mut left: Vec<(&'static Function, Vec<SqlType>, Vec<Arg>)> = candidates
        .iter()
        .copied()
        .filter_map(|f| {
            let (targets, _) = fit(f, types)?;
            Some((f, targets, expand(f, types.len())?))
        })
        .collect();
    if left.iter().any(|(f, ..)| !f.variadic) {
        left.retain(|(f, ..)| !f.variadic);
    }
    let keep_best = |left: &mut Vec<(&'static Function, Vec<SqlType>, Vec<Arg>)>, score: &dyn Fn(&[Arg], &[SqlType]) -> usize| {
        let best = left.iter().map(|(_, t, a)| score(a, t)).max().unwrap_or(0);
        left.retain(|(_, t, a)| score(a, t) == best);
    };
    let matches = |preferred: bool| {
        let unknown = unknown.clone();
        move |args: &[Arg], _: &[SqlType]| {
            (0..types.len())
                .filter(|&i| !unknown[i])
                .filter(|&i| match args[i] {
                    Arg::Is(t) => {
                        coerce::same(t, types[i])
                            || (preferred && coerce::is_preferred(t) && coerce::category(t) == coerce::category(types[i]))
                    }
                    Arg::Any | Arg::NonArray | Arg::Element | Arg::Array => false,
                })
                .count()
        }
    };
    if left.len() > 1 {
        keep_best(&mut left, &matches(false));
    }
    if left.len() > 1 {
        keep_best(&mut left, &matches(true));
    }
    if left.len() > 1 && unknown.iter().any(|u| *u) {
        narrow_unknown(&mut left, &unknown);
    }
    if left.len() > 1 {
        // Known arguments of one type: take the literals for that type too.
        let mut known = types.iter().zip(&unknown).filter(|(_, u)| !**u).map(|(t, _)| *t);
        if let Some(first) = known.next()
            && known.all(|t| coerce::same(t, first))
            && unknown.iter().any(|u| *u)
        {
            let fits = |args: &[Arg]| {
                args.iter().zip(&unknown).all(|(a, u)| {
                    !*u || match a {
                        Arg::Is(t) => coerce::allowed(first, *t, Strength::Implicit),
                        Arg::Any | Arg::NonArray | Arg::Element | Arg::Array => true,
                    }
                })
            };
            if left.iter().filter(|(_, _, a)| fits(a)).count() == 1 {
                left.retain(|(_, _, a)| fits(a));
            }
        }
    }
    match left.as_slice() {
        [] => Choice::None,
        [(function, ..)] => one(function, types),
        [(first, ..), ..] => {
            // Polymorphic duplicates are as good as each other.
            if left.iter().all(|(_, _, a)| a.iter().any(|a| !matches!(a, Arg::Is(_)))) {
                one(first, types)
            } else {
                Choice::Several
            }
        }
    }
}

fn narrow_unknown(left: &mut Vec<(&'static Function, Vec<SqlType>, Vec<Arg>)>, unknown: &[bool]) {
    // What accepts any type is of the category of pseudo-types.
    let category = |arg: Arg| if let Arg::Is(t) = arg { coerce::category(t) } else { 'P' };
    let is_preferred = |arg: Arg| matches!(arg, Arg::Is(t) if coerce::is_preferred(t));
    let mut categories = Vec::new();
    for at in (0..unknown.len()).filter(|&i| unknown[i]) {
        let of: Vec<char> = left.iter().map(|(_, _, a)| category(a[at])).collect();
        let chosen = if of.contains(&'S') {
            'S'
        } else if of.iter().all(|c| *c == of[0]) {
            of[0]
        } else {
            return;
        };
        let preferred = left.iter().any(|(_, _, a)| category(a[at]) == chosen && is_preferred(a[at]));
        categories.push((at, chosen, preferred));
    }
    let fits = |args: &[Arg]| {
        categories.iter().all(|(at, chosen, preferred)| category(args[*at]) == *chosen && (!preferred || is_preferred(args[*at])))
    };
    if left.iter().any(|(_, _, a)| fits(a)) {
        left.retain(|(_, _, a)| fits(a));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signature_parses() {
        let lines: usize = [
            math::ALL,
            string::ALL,
            pattern::ALL,
            format::ALL,
            datetime::ALL,
            template::ALL,
            array::ALL,
            json::ALL,
            system::ALL,
            catalog::ALL,
            aggregates::ALL,
        ]
        .iter()
        .map(|f| f.len())
        .sum();
        assert_eq!(all().len(), lines);
        assert_eq!(operators().len(), super::super::operator::all().len());
    }
}
