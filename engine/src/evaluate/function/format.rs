//! `format()`.

use super::string::{quote_ident, quote_literal, shown};
use super::{Call, Line, lax};
use crate::error::{Condition, Error, Result};
use crate::evaluate::datum::Datum;

fn bad(message: impl Into<String>) -> Error {
    Error::new(Condition::InvalidParameterValue, message)
}

fn number(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<usize> {
    let mut value = None;
    while let Some(d) = chars.peek().and_then(|c| c.to_digit(10)) {
        chars.next();
        value = Some(value.unwrap_or(0usize).saturating_mul(10).saturating_add(d as usize));
    }
    value
}

fn format(c: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    if a[0].is_null() {
        return Ok(Datum::Null);
    }
    let mut out = String::new();
    let mut chars = a[0].str().chars().peekable();
    let mut next = 1;
    while let Some(ch) = chars.next() {
        if ch != '%' {
            out.push(ch);
            continue;
        }
        if chars.next_if_eq(&'%').is_some() {
            out.push('%');
            continue;
        }
        let mut width = number(&mut chars);
        let mut position = None;
        if width.is_some() && chars.next_if_eq(&'$').is_some() {
            position = width.take();
        }
        let left = chars.next_if_eq(&'-').is_some();
        let mut left = left;
        if chars.next_if_eq(&'*').is_some() {
            let given = a.get(next).ok_or_else(|| bad("too few arguments for format()"))?.int();
            next += 1;
            left |= given < 0;
            width = usize::try_from(given.unsigned_abs()).ok();
        } else if width.is_none() {
            width = number(&mut chars);
        }
        let kind =
            chars.next().ok_or_else(|| bad("unterminated format() type specifier").hint("For a single \"%\" use \"%%\"."))?;
        if !matches!(kind, 's' | 'I' | 'L') {
            return Err(bad(format!("unrecognized format() type specifier \"{kind}\"")).hint("For a single \"%\" use \"%%\"."));
        }
        let at = match position {
            Some(0) => return Err(bad("format specifies argument 0, but arguments are numbered from 1")),
            Some(n) => n,
            None => next,
        };
        next = at + 1;
        let value = a.get(at).ok_or_else(|| bad("too few arguments for format()"))?;
        let text = match kind {
            's' => shown(c, a, at),
            'I' if value.is_null() => {
                return Err(Error::new(Condition::NullValueNotAllowed, "null values cannot be formatted as an SQL identifier"));
            }
            'I' => quote_ident(&shown(c, a, at)),
            _ if value.is_null() => "NULL".to_owned(),
            _ => quote_literal(&shown(c, a, at)),
        };
        let missing = width.unwrap_or(0).min(1 << 20).saturating_sub(text.chars().count());
        if !left {
            out.extend(std::iter::repeat_n(' ', missing));
        }
        out.push_str(&text);
        if left {
            out.extend(std::iter::repeat_n(' ', missing));
        }
    }
    Ok(Datum::text(out))
}

/// The functions.
pub const ALL: &[Line] = &[lax("format(text) text", format), lax("format(text,variadic any) text", format)];
