//! Texts and bytes.

use super::{Call, Line, call, lax, set};
use crate::error::{Condition, Error, Result};
use crate::evaluate::cast::output;
use crate::evaluate::datum::Datum;
use crate::types::Base;

fn t(value: impl Into<String>) -> Result<Datum> {
    Ok(Datum::text(value.into()))
}

fn int(value: usize) -> Result<Datum> {
    i32::try_from(value).map(Datum::Int4).map_err(|_| Error::out_of_range("integer"))
}

/// Longer texts than PostgreSQL's are refused before they are built.
const MAX_TEXT: usize = 1 << 30;

fn substring(_: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    let start = i64::from(a[1].int4());
    let end = match a.get(2) {
        Some(length) if length.int() < 0 => {
            return Err(Error::new(Condition::SubstringError, "negative substring length not allowed"));
        }
        Some(length) => start.saturating_add(length.int()),
        None => i64::MAX,
    };
    let from = start.max(1);
    let skip = usize::try_from(from - 1).unwrap_or(usize::MAX);
    let take = usize::try_from(end.saturating_sub(from).max(0)).unwrap_or(usize::MAX);
    Ok(match &a[0] {
        Datum::Bytea(bytes) => Datum::Bytea(bytes.iter().copied().skip(skip).take(take).collect::<Vec<u8>>().into()),
        text => Datum::text(text.str().chars().skip(skip).take(take).collect::<String>()),
    })
}

fn overlay(c: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    let from = a[2].int();
    if from <= 0 {
        return Err(Error::new(Condition::SubstringError, "negative substring length not allowed"));
    }
    let length = a.get(3).map_or(a[1].str().chars().count() as i64, Datum::int);
    let head: String = a[0].str().chars().take(from as usize - 1).collect();
    let tail = substring(c, &[a[0].clone(), Datum::Int4(i32::try_from(from.saturating_add(length)).unwrap_or(i32::MAX))])?;
    t(format!("{head}{}{}", a[1].str(), tail.str()))
}

fn trimmed(a: &[Datum], left: bool, right: bool) -> Result<Datum> {
    let set: Vec<char> = a.get(1).map_or(vec![' '], |s| s.str().chars().collect());
    let mut text = a[0].str();
    if left {
        text = text.trim_start_matches(|c| set.contains(&c));
    }
    if right {
        text = text.trim_end_matches(|c| set.contains(&c));
    }
    t(text)
}

fn pad(a: &[Datum], left: bool) -> Result<Datum> {
    let length = usize::try_from(a[1].int().max(0)).unwrap_or(0);
    if length > MAX_TEXT / 4 {
        return Err(Error::new(Condition::ProgramLimitExceeded, "requested length too large"));
    }
    let fill: Vec<char> = a.get(2).map_or(vec![' '], |f| f.str().chars().collect());
    let text: Vec<char> = a[0].str().chars().take(length).collect();
    let missing = if fill.is_empty() { 0 } else { length - text.len() };
    let filling: String = fill.iter().cycle().take(missing).collect();
    let text: String = text.into_iter().collect();
    t(if left { format!("{filling}{text}") } else { format!("{text}{filling}") })
}

fn repeat(_: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    let times = usize::try_from(a[1].int().max(0)).unwrap_or(0);
    if a[0].str().len().saturating_mul(times) > MAX_TEXT {
        return Err(Error::new(Condition::ProgramLimitExceeded, "requested length too large"));
    }
    t(a[0].str().repeat(times))
}

fn initcap(text: &str) -> String {
    let mut inside = false;
    text.chars()
        .flat_map(|c| {
            let cased: Vec<char> = if inside { c.to_lowercase().collect() } else { c.to_uppercase().collect() };
            inside = c.is_alphanumeric();
            cased
        })
        .collect()
}

fn split_part(_: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    let (text, by, n) = (a[0].str(), a[1].str(), a[2].int());
    if n == 0 {
        return Err(Error::new(Condition::InvalidParameterValue, "field position must not be zero"));
    }
    let parts: Vec<&str> = if by.is_empty() || text.is_empty() { vec![text] } else { text.split(by).collect() };
    let at = if n > 0 { n - 1 } else { parts.len() as i64 + n };
    t(usize::try_from(at).ok().and_then(|i| parts.get(i).copied()).unwrap_or(""))
}

fn side(a: &[Datum], left: bool) -> Result<Datum> {
    let count = a[0].str().chars().count() as i64;
    let n = a[1].int();
    let keep = usize::try_from(if n < 0 { count + n } else { n.min(count) }.max(0)).unwrap_or(0);
    let skip = if left { 0 } else { count as usize - keep };
    t(a[0].str().chars().skip(skip).take(keep).collect::<String>())
}

fn position(text: &str, what: &str) -> Result<Datum> {
    int(text.find(what).map_or(0, |at| text[..at].chars().count() + 1))
}

fn translate(_: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    let from: Vec<char> = a[1].str().chars().collect();
    let to: Vec<char> = a[2].str().chars().collect();
    t(a[0]
        .str()
        .chars()
        .filter_map(|c| match from.iter().position(|f| *f == c) {
            Some(at) => to.get(at).copied(),
            None => Some(c),
        })
        .collect::<String>())
}

/// A value as `concat` shows it.
pub fn shown(c: &Call<'_>, a: &[Datum], at: usize) -> String {
    let t = c.types.get(at).copied().unwrap_or(Base::Text.into());
    output(&a[at], t, c.ctx)
}

fn concat(c: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    t((0..a.len()).map(|i| shown(c, a, i)).collect::<String>())
}

fn concat_ws(c: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    if a[0].is_null() {
        return Ok(Datum::Null);
    }
    t((1..a.len()).filter(|&i| !a[i].is_null()).map(|i| shown(c, a, i)).collect::<Vec<_>>().join(a[0].str()))
}

/// PostgreSQL's reserved words, which `quote_ident` quotes (all but the unreserved).
fn is_reserved(word: &str) -> bool {
    super::system::KEYWORDS.binary_search_by_key(&word, |(w, _)| w).is_ok_and(|at| super::system::KEYWORDS[at].1 != 'U')
}

/// An identifier in quotes where it needs them.
pub fn quote_ident(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !is_reserved(name);
    if plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

/// A literal in quotes.
pub fn quote_literal(text: &str) -> String {
    let doubled = text.replace('\'', "''");
    if text.contains('\\') { format!("E'{}'", doubled.replace('\\', "\\\\")) } else { format!("'{doubled}'") }
}

fn ascii(_: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    Ok(Datum::Int4(a[0].str().chars().next().map_or(0, |c| c as i32)))
}

fn chr(_: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    let code = a[0].int();
    if code == 0 {
        return Err(Error::new(Condition::ProgramLimitExceeded, "null character not permitted"));
    }
    if code < 0 {
        return Err(Error::new(Condition::InvalidParameterValue, "character number must be positive"));
    }
    let c = u32::try_from(code).ok().and_then(char::from_u32);
    t(c.ok_or_else(|| {
        Error::new(Condition::ProgramLimitExceeded, format!("requested character too large for encoding: {code}"))
    })?
    .to_string())
}

fn bytes(value: &Datum) -> &[u8] {
    match value {
        Datum::Bytea(bytes) => bytes,
        other => other.str().as_bytes(),
    }
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn encode(_: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    let data = bytes(&a[0]);
    let mut out = String::new();
    match a[1].str().to_ascii_lowercase().as_str() {
        "hex" => data.iter().for_each(|b| out.push_str(&format!("{b:02x}"))),
        "base64" => {
            let mut line = 0;
            for chunk in data.chunks(3) {
                let group = chunk.iter().fold(0u32, |g, b| g << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
                for i in 0..4 {
                    out.push(if i <= chunk.len() { char::from(BASE64[(group >> (18 - 6 * i) & 63) as usize]) } else { '=' });
                }
                line += 4;
                if line == 76 {
                    out.push('\n');
                    line = 0;
                }
            }
            if out.ends_with('\n') {
                out.pop();
            }
        }
        "escape" => {
            for b in data {
                match b {
                    b'\\' => out.push_str("\\\\"),
                    0 | 128.. => out.push_str(&format!("\\{b:03o}")),
                    b => out.push(char::from(*b)),
                }
            }
        }
        other => return Err(Error::new(Condition::InvalidParameterValue, format!("unrecognized encoding: \"{other}\""))),
    }
    t(out)
}

fn decode(_: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    let text = a[0].str();
    let value = match a[1].str().to_ascii_lowercase().as_str() {
        "hex" => crate::types::text::parse_bytea(&format!("\\x{text}"))?,
        "base64" => {
            let (mut out, mut group, mut bits) = (Vec::new(), 0u32, 0);
            for b in text.bytes().filter(|b| !b.is_ascii_whitespace() && *b != b'=') {
                let value = BASE64.iter().position(|c| *c == b).ok_or_else(|| {
                    Error::new(
                        Condition::InvalidParameterValue,
                        format!("invalid symbol \"{}\" found while decoding base64 sequence", char::from(b)),
                    )
                })?;
                group = group << 6 | value as u32;
                bits += 6;
                if bits >= 8 {
                    bits -= 8;
                    out.push((group >> bits) as u8);
                    group &= (1 << bits) - 1;
                }
            }
            out
        }
        "escape" => crate::types::text::parse_bytea(text)?,
        other => return Err(Error::new(Condition::InvalidParameterValue, format!("unrecognized encoding: \"{other}\""))),
    };
    Ok(Datum::Bytea(value.into()))
}

/// RFC 1321.
pub fn md5(data: &[u8]) -> String {
    const SHIFTS: [u32; 16] = [7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21];
    let mut state: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
    let mut padded = data.to_vec();
    padded.push(0x80);
    while padded.len() % 64 != 56 {
        padded.push(0);
    }
    padded.extend((data.len() as u64).wrapping_mul(8).to_le_bytes());
    for block in padded.chunks_exact(64) {
        let words: Vec<u32> = block.chunks_exact(4).map(|w| u32::from_le_bytes([w[0], w[1], w[2], w[3]])).collect();
        let [mut a, mut b, mut c, mut d] = state;
        for i in 0..64usize {
            let (f, g) = match i / 16 {
                0 => ((b & c) | (!b & d), i),
                1 => ((d & b) | (!d & c), (5 * i + 1) % 16),
                2 => (b ^ c ^ d, (3 * i + 5) % 16),
                _ => (c ^ (b | !d), (7 * i) % 16),
            };
            let k = (((i + 1) as f64).sin().abs() * 4_294_967_296.0) as u32;
            let rotated = a.wrapping_add(f).wrapping_add(k).wrapping_add(words[g]).rotate_left(SHIFTS[i / 16 * 4 + i % 4]);
            (a, d, c, b) = (d, c, b, b.wrapping_add(rotated));
        }
        for (s, v) in state.iter_mut().zip([a, b, c, d]) {
            *s = s.wrapping_add(v);
        }
    }
    state.iter().flat_map(|s| s.to_le_bytes()).map(|b| format!("{b:02x}")).collect()
}

fn string_to_list(a: &[Datum]) -> Vec<Datum> {
    if a[0].is_null() {
        return Vec::new();
    }
    let text = a[0].str();
    let null = a.get(2).and_then(Datum::as_str);
    let parts: Vec<String> = match a[1].as_str() {
        None => text.chars().map(String::from).collect(),
        Some(_) if text.is_empty() => Vec::new(),
        Some("") => vec![text.to_owned()],
        Some(by) => text.split(by).map(str::to_owned).collect(),
    };
    parts.into_iter().map(|p| if null == Some(p.as_str()) { Datum::Null } else { Datum::text(p) }).collect()
}

fn string_to_array(_: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    Ok(if a[0].is_null() { Datum::Null } else { Datum::array(Base::Text, string_to_list(a)) })
}

fn parse_ident(_: &Call<'_>, a: &[Datum]) -> Result<Datum> {
    let text = a[0].str();
    let bad = || Error::new(Condition::InvalidParameterValue, format!("string is not a valid identifier: \"{text}\""));
    let parts = crate::catalog::pg_catalog::names::split_qualified(text).ok_or_else(bad)?;
    Ok(Datum::array(Base::Text, parts.into_iter().map(Datum::text).collect()))
}

/// The functions.
pub const ALL: &[Line] = &[
    call("length(text) int4", |_, a| int(a[0].str().chars().count())),
    call("length(bpchar) int4", |_, a| int(a[0].str().trim_end_matches(' ').chars().count())),
    call("length(bytea) int4", |_, a| int(bytes(&a[0]).len())),
    call("char_length(text) int4", |_, a| int(a[0].str().chars().count())),
    call("char_length(bpchar) int4", |_, a| int(a[0].str().trim_end_matches(' ').chars().count())),
    call("character_length(text) int4", |_, a| int(a[0].str().chars().count())),
    call("character_length(bpchar) int4", |_, a| int(a[0].str().trim_end_matches(' ').chars().count())),
    call("octet_length(text) int4", |_, a| int(a[0].str().len())),
    call("octet_length(bytea) int4", |_, a| int(bytes(&a[0]).len())),
    call("bit_length(text) int4", |_, a| int(a[0].str().len() * 8)),
    call("lower(text) text", |_, a| t(a[0].str().to_lowercase())),
    call("upper(text) text", |_, a| t(a[0].str().to_uppercase())),
    call("initcap(text) text", |_, a| t(initcap(a[0].str()))),
    call("substring(text,int4) text", substring),
    call("substring(text,int4,int4) text", substring),
    call("substring(bytea,int4) bytea", substring),
    call("substring(bytea,int4,int4) bytea", substring),
    call("substr(text,int4) text", substring),
    call("substr(text,int4,int4) text", substring),
    call("substr(bytea,int4) bytea", substring),
    call("substr(bytea,int4,int4) bytea", substring),
    call("overlay(text,text,int4) text", overlay),
    call("overlay(text,text,int4,int4) text", overlay),
    call("btrim(text) text", |_, a| trimmed(a, true, true)),
    call("btrim(text,text) text", |_, a| trimmed(a, true, true)),
    call("ltrim(text) text", |_, a| trimmed(a, true, false)),
    call("ltrim(text,text) text", |_, a| trimmed(a, true, false)),
    call("rtrim(text) text", |_, a| trimmed(a, false, true)),
    call("rtrim(text,text) text", |_, a| trimmed(a, false, true)),
    call("lpad(text,int4) text", |_, a| pad(a, true)),
    call("lpad(text,int4,text) text", |_, a| pad(a, true)),
    call("rpad(text,int4) text", |_, a| pad(a, false)),
    call("rpad(text,int4,text) text", |_, a| pad(a, false)),
    call("left(text,int4) text", |_, a| side(a, true)),
    call("right(text,int4) text", |_, a| side(a, false)),
    call("repeat(text,int4) text", repeat),
    call("reverse(text) text", |_, a| t(a[0].str().chars().rev().collect::<String>())),
    call("replace(text,text,text) text", |_, a| {
        t(if a[1].str().is_empty() { a[0].str().to_owned() } else { a[0].str().replace(a[1].str(), a[2].str()) })
    }),
    call("split_part(text,text,int4) text", split_part),
    call("strpos(text,text) int4", |_, a| position(a[0].str(), a[1].str())),
    call("position(text,text) int4", |_, a| position(a[0].str(), a[1].str())),
    call("starts_with(text,text) bool", |_, a| Ok(Datum::Bool(a[0].str().starts_with(a[1].str())))),
    call("translate(text,text,text) text", translate),
    lax("concat(variadic any) text", concat),
    lax("concat_ws(text,variadic any) text", concat_ws),
    call("quote_ident(text) text", |_, a| t(quote_ident(a[0].str()))),
    call("quote_literal(text) text", |_, a| t(quote_literal(a[0].str()))),
    call("quote_literal(anyelement) text", |c, a| t(quote_literal(&shown(c, a, 0)))),
    lax("quote_nullable(text) text", |_, a| t(a[0].as_str().map_or("NULL".to_owned(), quote_literal))),
    lax("quote_nullable(anyelement) text", |c, a| {
        t(if a[0].is_null() { "NULL".to_owned() } else { quote_literal(&shown(c, a, 0)) })
    }),
    call("ascii(text) int4", ascii),
    call("chr(int4) text", chr),
    call("to_hex(int4) text", |_, a| t(format!("{:x}", a[0].int4() as u32))),
    call("to_hex(int8) text", |_, a| t(format!("{:x}", a[0].int()))),
    call("md5(text) text", |_, a| t(md5(a[0].str().as_bytes()))),
    call("md5(bytea) text", |_, a| t(md5(bytes(&a[0])))),
    call("encode(bytea,text) text", encode),
    call("decode(text,text) bytea", decode),
    call("convert_to(text,name) bytea", |_, a| Ok(Datum::Bytea(a[0].str().as_bytes().into()))),
    call("convert_from(bytea,name) text", |_, a| match std::str::from_utf8(bytes(&a[0])) {
        Ok(text) => t(text),
        Err(_) => Err(Error::new(Condition::CharacterNotInRepertoire, "invalid byte sequence for encoding \"UTF8\"")),
    }),
    lax("string_to_array(text,text) text[]", string_to_array),
    lax("string_to_array(text,text,text) text[]", string_to_array),
    set("string_to_table(text,text) setof text", |_, a| Ok(string_to_list(a))),
    set("string_to_table(text,text,text) setof text", |_, a| Ok(string_to_list(a))),
    call("parse_ident(text) text[]", parse_ident),
    call("parse_ident(text,bool) text[]", parse_ident),
    call("unistr(text) text", |_, a| Ok(a[0].clone())),
    call("text(name) text", |_, a| Ok(a[0].clone())),
    call("text(bpchar) text", |_, a| t(a[0].str().trim_end_matches(' '))),
    call("text(\"char\") text", |_, a| Ok(a[0].clone())),
    call("name(text) name", |_, a| Ok(a[0].clone())),
];
