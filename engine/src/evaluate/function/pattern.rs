//! Patterns: `LIKE`, `SIMILAR TO`, regular expressions.
//!
//! Regular expressions are PostgreSQL's advanced ones as far as the `regex` crate has them: no back references and no
//! look-around.

use regex::{Regex, RegexBuilder};

use super::{Call, Line, call, lax, set};
use crate::error::{Condition, Error, Result};
use crate::evaluate::datum::Datum;
use crate::types::Base;

/// Whether `text` is `LIKE` `pattern`.
pub fn like(text: &str, pattern: &str, escape: Option<char>) -> Result<bool> {
    let text: Vec<char> = text.chars().collect();
    let mut items = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        items.push(if Some(c) == escape {
            Item::Char(
                chars.next().ok_or_else(|| {
                    Error::new(Condition::InvalidEscapeSequence, "LIKE pattern must not end with escape character")
                })?,
            )
        } else if c == '%' {
            Item::Many
        } else if c == '_' {
            Item::One
        } else {
            Item::Char(c)
        });
    }
    // The last `%` is the only place to come back to: linear in practice, quadratic at worst.
    let (mut t, mut p, mut retry) = (0, 0, None);
    while t < text.len() {
        match items.get(p) {
            Some(Item::Many) => {
                retry = Some((p, t));
                p += 1;
            }
            Some(Item::One) => {
                t += 1;
                p += 1;
            }
            Some(Item::Char(c)) if *c == text[t] => {
                t += 1;
                p += 1;
            }
            _ => match &mut retry {
                Some((many, from)) => {
                    *from += 1;
                    t = *from;
                    p = *many + 1;
                }
                None => return Ok(false),
            },
        }
    }
    Ok(items[p..].iter().all(|i| matches!(i, Item::Many)))
}

enum Item {
    Char(char),
    One,
    Many,
}

/// Whether `text` is `ILIKE` `pattern`.
pub fn ilike(text: &str, pattern: &str, escape: Option<char>) -> Result<bool> {
    like(&text.to_lowercase(), &pattern.to_lowercase(), escape)
}

/// Turns what POSIX and PostgreSQL write differently into the crate's syntax.
fn translate(pattern: &str) -> String {
    if let Some(rest) = pattern.strip_prefix("***=") {
        return regex::escape(rest);
    }
    let pattern = pattern.strip_prefix("***:").unwrap_or(pattern);
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut chars = pattern.chars().peekable();
    let mut in_class = false;
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('m') if !in_class => out.push_str(r"\b{start}"),
                Some('M') if !in_class => out.push_str(r"\b{end}"),
                Some('y') if !in_class => out.push_str(r"\b"),
                Some('Y') if !in_class => out.push_str(r"\B"),
                Some('Z') if !in_class => out.push_str(r"\z"),
                Some('e') => out.push_str(r"\x1b"),
                Some(c) if c.is_ascii_alphanumeric() => out.extend(['\\', c]),
                Some(c) if c.is_ascii_punctuation() => out.extend(['\\', c]),
                Some(c) => out.push(c),
                None => out.push('\\'),
            },
            '[' if in_class => {
                // A class's name stays; any other bracket inside a class is itself.
                if matches!(chars.peek(), Some(':')) {
                    out.push('[')
                } else {
                    out.push_str("\\[")
                }
                if matches!(chars.peek(), Some(':')) {
                    for c in chars.by_ref() {
                        out.push(c);
                        if c == ']' {
                            break;
                        }
                    }
                }
            }
            '[' => {
                in_class = true;
                out.push('[');
                if chars.next_if_eq(&'^').is_some() {
                    out.push('^');
                }
                if chars.next_if_eq(&']').is_some() {
                    out.push_str("\\]");
                }
            }
            ']' if in_class => {
                in_class = false;
                out.push(']');
            }
            '&' | '~' | '-' if in_class && chars.peek() == Some(&c) => out.extend(['\\', c]),
            '{' if !in_class && !matches!(chars.peek(), Some('0'..='9')) => out.push_str("\\{"),
            c => out.push(c),
        }
    }
    out
}

/// Compiles a pattern with PostgreSQL's flags.
pub fn compile(pattern: &str, flags: &str) -> Result<Regex> {
    let (mut insensitive, mut multi, mut dot, mut extended, mut literal) = (false, false, true, false, false);
    for flag in flags.chars() {
        match flag {
            'g' => {}
            'i' => insensitive = true,
            'c' => insensitive = false,
            'n' | 'm' => {
                multi = true;
                dot = false;
            }
            'p' => dot = false,
            'w' => multi = true,
            's' => {
                multi = false;
                dot = true;
            }
            'x' => extended = true,
            'q' => literal = true,
            't' | 'e' | 'b' => {}
            other => {
                return Err(Error::new(
                    Condition::InvalidParameterValue,
                    format!("invalid regular expression option: \"{other}\""),
                ));
            }
        }
    }
    let (pattern, embedded) = match pattern.strip_prefix("(?").and_then(|r| r.split_once(')')) {
        Some((options, rest)) if !options.is_empty() && options.chars().all(|c| c.is_ascii_alphabetic()) => (rest, options),
        _ => (pattern, ""),
    };
    insensitive |= embedded.contains('i');
    let text = if literal { regex::escape(pattern) } else { translate(pattern) };
    RegexBuilder::new(&text)
        .case_insensitive(insensitive)
        .multi_line(multi)
        .dot_matches_new_line(dot)
        .ignore_whitespace(extended)
        .size_limit(16 << 20)
        .build()
        .map_err(|e| {
            let what = match &e {
                regex::Error::Syntax(m) if m.contains("unclosed group") || m.contains("unopened group") => {
                    "parentheses () not balanced"
                }
                regex::Error::Syntax(m) if m.contains("unclosed character class") => "brackets [] not balanced",
                regex::Error::Syntax(m) if m.contains("repetition operator missing") => "quantifier operand invalid",
                regex::Error::CompiledTooBig(_) => "regular expression is too complex",
                _ => "invalid regular expression syntax",
            };
            Error::new(Condition::InvalidRegularExpression, format!("invalid regular expression: {what}"))
        })
}

/// Whether a regular expression is found in `text`.
pub fn matches(text: &str, pattern: &str, flags: &str) -> Result<bool> {
    use std::cell::RefCell;
    use std::collections::HashMap;
    // The same pattern meets every row of a query.
    thread_local!(static CACHE: RefCell<HashMap<(String, bool), Regex>> = RefCell::new(HashMap::new()));
    CACHE.with_borrow_mut(|cache| {
        let key = (pattern.to_owned(), flags.contains('i'));
        if let Some(regex) = cache.get(&key) {
            return Ok(regex.is_match(text));
        }
        let regex = compile(pattern, flags)?;
        let found = regex.is_match(text);
        if cache.len() >= 64 {
            cache.clear();
        }
        cache.insert(key, regex);
        Ok(found)
    })
}

/// `SIMILAR TO`'s pattern as a regular expression.
pub fn similar(pattern: &str, escape: Option<char>) -> String {
    let mut out = String::from("^(?:");
    let mut chars = pattern.chars();
    let mut in_class = false;
    while let Some(c) = chars.next() {
        match c {
            c if Some(c) == escape => {
                if let Some(next) = chars.next() {
                    out.push_str(&regex::escape(&next.to_string()));
                }
            }
            '[' => {
                in_class = true;
                out.push(c);
            }
            ']' => {
                in_class = false;
                out.push(c);
            }
            '%' if !in_class => out.push_str(".*"),
            '_' if !in_class => out.push('.'),
            '.' | '^' | '$' | '\\' if !in_class => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out.push_str(")$");
    out
}

/// PostgreSQL's `\1` and `\&` as the crate's `${1}` and `${0}`.
fn replacement(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '$' => out.push_str("$$"),
            '\\' => match chars.next() {
                Some(d @ '0'..='9') => out.push_str(&format!("${{{d}}}")),
                Some('&') => out.push_str("${0}"),
                Some('\\') | None => out.push('\\'),
                Some(other) => out.extend(['\\', other]),
            },
            c => out.push(c),
        }
    }
    out
}

fn replace(_: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    let flags = a.get(3).map_or("", Datum::str);
    let regex = compile(a[1].str(), flags)?;
    let with = replacement(a[2].str());
    Ok(Datum::text(if flags.contains('g') {
        regex.replace_all(a[0].str(), with.as_str()).into_owned()
    } else {
        regex.replace(a[0].str(), with.as_str()).into_owned()
    }))
}

fn groups(captures: &regex::Captures<'_>) -> Datum {
    let from = usize::from(captures.len() > 1);
    let items = captures.iter().skip(from).map(|m| Datum::optional(m.map(|m| m.as_str()))).collect();
    Datum::array(Base::Text, items)
}

fn regexp_matches(_: &Call<'_>, a: &[Datum]) -> Result<Vec<Datum>> {
    let flags = a.get(2).map_or("", Datum::str);
    let regex = compile(a[1].str(), flags)?;
    let most = if flags.contains('g') { usize::MAX } else { 1 };
    Ok(regex.captures_iter(a[0].str()).take(most).map(|c| groups(&c)).collect())
}

fn regexp_match(_: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    let flags = a.get(2).map_or("", Datum::str);
    if flags.contains('g') {
        return Err(Error::new(Condition::InvalidParameterValue, "regexp_match() does not support the \"global\" option")
            .hint("Use the regexp_matches function instead."));
    }
    Ok(compile(a[1].str(), flags)?.captures(a[0].str()).map_or(Datum::Null, |c| groups(&c)))
}

fn split(a: &[Datum]) -> Result<Vec<Datum>> {
    let regex = compile(a[1].str(), a.get(2).map_or("", Datum::str))?;
    let text = a[0].str();
    let (mut out, mut from) = (Vec::new(), 0);
    for found in regex.find_iter(text) {
        // An empty match at either end splits nothing off.
        if found.is_empty() && (found.start() == from || found.end() == text.len()) {
            continue;
        }
        out.push(Datum::text(&text[from..found.start()]));
        from = found.end();
    }
    out.push(Datum::text(&text[from..]));
    Ok(out)
}

/// The text that a regular expression finds: its first group, if it has one.
pub fn found(text: &str, pattern: &str) -> Result<Option<String>> {
    let regex = compile(pattern, "")?;
    Ok(regex.captures(text).and_then(|c| {
        let group = if c.len() > 1 { c.get(1) } else { c.get(0) };
        group.map(|g| g.as_str().to_owned())
    }))
}

/// The functions.
pub const ALL: &[Line] = &[
    call("like(text,text) bool", |_, a| Ok(Datum::Bool(like(a[0].str(), a[1].str(), Some('\\'))?))),
    call("notlike(text,text) bool", |_, a| Ok(Datum::Bool(!like(a[0].str(), a[1].str(), Some('\\'))?))),
    call("texteq(text,text) bool", |_, a| Ok(Datum::Bool(a[0] == a[1]))),
    call("regexp_replace(text,text,text) text", replace),
    call("regexp_replace(text,text,text,text) text", replace),
    set("regexp_matches(text,text) setof text[]", regexp_matches),
    set("regexp_matches(text,text,text) setof text[]", regexp_matches),
    call("regexp_match(text,text) text[]", regexp_match),
    call("regexp_match(text,text,text) text[]", regexp_match),
    call("regexp_like(text,text) bool", |_, a| Ok(Datum::Bool(compile(a[1].str(), "")?.is_match(a[0].str())))),
    call("regexp_like(text,text,text) bool", |_, a| Ok(Datum::Bool(compile(a[1].str(), a[2].str())?.is_match(a[0].str())))),
    call("regexp_count(text,text) int4", |_, a| Ok(Datum::Int4(compile(a[1].str(), "")?.find_iter(a[0].str()).count() as i32))),
    call("regexp_substr(text,text) text", |_, a| {
        Ok(Datum::optional(compile(a[1].str(), "")?.find(a[0].str()).map(|m| m.as_str())))
    }),
    call("regexp_instr(text,text) int4", |_, a| {
        let at = compile(a[1].str(), "")?.find(a[0].str()).map_or(0, |m| a[0].str()[..m.start()].chars().count() + 1);
        Ok(Datum::Int4(i32::try_from(at).unwrap_or(0)))
    }),
    call("regexp_split_to_array(text,text) text[]", |_, a| Ok(Datum::array(Base::Text, split(a)?))),
    call("regexp_split_to_array(text,text,text) text[]", |_, a| Ok(Datum::array(Base::Text, split(a)?))),
    set("regexp_split_to_table(text,text) setof text", |_, a| split(a)),
    set("regexp_split_to_table(text,text,text) setof text", |_, a| split(a)),
    lax("similar_to_escape(text) text", |_, a| {
        Ok(if a[0].is_null() { Datum::Null } else { Datum::text(similar(a[0].str(), Some('\\'))) })
    }),
    lax("similar_to_escape(text,text) text", |_, a| {
        Ok(if a[0].is_null() { Datum::Null } else { Datum::text(similar(a[0].str(), a[1].str().chars().next())) })
    }),
    lax("like_escape(text,text) text", |_, a| {
        if a[0].is_null() || a[1].is_null() {
            return Ok(Datum::Null);
        }
        let mut escapes = a[1].str().chars();
        let escape = escapes.next();
        if escapes.next().is_some() {
            return Err(Error::new(Condition::InvalidEscapeSequence, "invalid escape string")
                .hint("Escape string must be empty or one character."));
        }
        let mut out = String::new();
        let mut chars = a[0].str().chars();
        while let Some(c) = chars.next() {
            if Some(c) == escape {
                out.push('\\');
                out.extend(chars.next());
            } else if c == '\\' {
                out.push_str("\\\\");
            } else {
                out.push(c);
            }
        }
        Ok(Datum::text(out))
    }),
    call("substring(text,text) text", |_, a| Ok(Datum::optional(found(a[0].str(), a[1].str())?))),
];
