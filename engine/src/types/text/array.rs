//! One-dimensional arrays: `{1,NULL,"a b"}`.

use super::is_space;
use crate::error::{Condition, Error, Result};

/// Appends one element, in quotes where PostgreSQL quotes it.
pub fn write_array_element(out: &mut Vec<u8>, text: &[u8]) {
    let special = |b: &u8| matches!(b, b'"' | b'\\' | b'{' | b'}' | b',') || is_space(*b);
    if !text.is_empty() && !text.eq_ignore_ascii_case(b"null") && !text.iter().any(special) {
        return out.extend_from_slice(text);
    }
    out.push(b'"');
    for &byte in text {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
}

fn malformed(text: &str, detail: &str) -> Error {
    Error::new(Condition::InvalidTextRepresentation, format!("malformed array literal: \"{text}\"")).detail(detail)
}

/// The elements of an array's text; `None` is NULL. More dimensions than one, and bounds, are refused.
pub fn parse_array(text: &str) -> Result<Vec<Option<String>>> {
    let mut chars = text.char_indices().peekable();
    let blank = |c: char| c.is_ascii() && is_space(c as u8);
    while chars.next_if(|(_, c)| blank(*c)).is_some() {}
    match chars.next() {
        Some((_, '{')) => {}
        Some((_, '[')) => return Err(Error::unsupported("arrays with bounds are not supported")),
        _ => return Err(malformed(text, "Array value must start with \"{\" or dimension information.")),
    }
    let mut elements = Vec::new();
    let end = || malformed(text, "Unexpected end of input.");
    loop {
        while chars.next_if(|(_, c)| blank(*c)).is_some() {}
        let &(_, first) = chars.peek().ok_or_else(end)?;
        let mut element = String::new();
        match first {
            '}' if elements.is_empty() => {
                chars.next();
                break;
            }
            '}' => return Err(malformed(text, "Unexpected \"}\" character.")),
            ',' => return Err(malformed(text, "Unexpected \",\" character.")),
            '{' => return Err(Error::unsupported("multidimensional arrays are not supported")),
            '"' => {
                chars.next();
                loop {
                    match chars.next().ok_or_else(end)?.1 {
                        '"' => break,
                        '\\' => element.push(chars.next().ok_or_else(end)?.1),
                        c => element.push(c),
                    }
                }
                while chars.next_if(|(_, c)| blank(*c)).is_some() {}
                if !matches!(chars.peek(), None | Some((_, ',' | '}'))) {
                    return Err(malformed(text, "Unexpected array element."));
                }
                elements.push(Some(element));
            }
            _ => {
                // White space at the end is no part of the element unless it was escaped.
                let mut kept = 0;
                let mut escaped = false;
                while let Some((_, c)) = chars.next_if(|(_, c)| !matches!(c, ',' | '}')) {
                    match c {
                        '"' => return Err(malformed(text, "Unexpected array element.")),
                        '{' => return Err(malformed(text, "Unexpected \"{\" character.")),
                        '\\' => {
                            element.push(chars.next().ok_or_else(end)?.1);
                            escaped = true;
                            kept = element.len();
                        }
                        c => {
                            element.push(c);
                            if !blank(c) {
                                kept = element.len();
                            }
                        }
                    }
                }
                element.truncate(kept);
                let null = !escaped && element.eq_ignore_ascii_case("null");
                elements.push((!null).then_some(element));
            }
        }
        match chars.next().ok_or_else(end)?.1 {
            ',' => {}
            _ => break,
        }
    }
    if chars.all(|(_, c)| blank(c)) { Ok(elements) } else { Err(malformed(text, "Junk after closing right brace.")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        let elements = ["", "null", "a b", "x\"y", "back\\slash", "{", "}", ",", "plain", "ü"];
        let mut out = vec![b'{'];
        for (at, element) in elements.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            write_array_element(&mut out, element.as_bytes());
        }
        out.push(b'}');
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, r#"{"","null","a b","x\"y","back\\slash","{","}",",",plain,ü}"#);
        let expected: Vec<_> = elements.iter().map(|e| Some((*e).to_owned())).collect();
        assert_eq!(parse_array(&text), Ok(expected));
    }

    #[test]
    fn input() {
        let some = |texts: &[&str]| texts.iter().map(|t| Some((*t).to_owned())).collect::<Vec<_>>();
        assert_eq!(parse_array(" { a b , c } "), Ok(some(&["a b", "c"])));
        assert_eq!(parse_array("{}"), Ok(Vec::new()));
        assert_eq!(parse_array("{Null,\"NULL\",nul\\l}"), Ok(vec![None, Some("NULL".into()), Some("null".into())]));
        for (text, detail) in [
            ("1", "Array value must start with \"{\" or dimension information."),
            ("", "Array value must start with \"{\" or dimension information."),
            ("{1,x", "Unexpected end of input."),
            ("{\"x", "Unexpected end of input."),
            ("{", "Unexpected end of input."),
            ("{1}x", "Junk after closing right brace."),
            ("{1,}", "Unexpected \"}\" character."),
            ("{,}", "Unexpected \",\" character."),
            ("{a{}", "Unexpected \"{\" character."),
            ("{x\"y}", "Unexpected array element."),
        ] {
            let error = parse_array(text).unwrap_err();
            assert_eq!(error.message, format!("malformed array literal: \"{text}\""));
            assert_eq!(error.detail.as_deref(), Some(detail), "{text}");
        }
        assert_eq!(parse_array("{{1},{2}}").unwrap_err().condition, Condition::FeatureNotSupported);
    }
}
