//! Patterns of LIKE: which of them are plain searches.

/// What a pattern asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// That a text is this.
    Exact(String),
    /// That it begins with this.
    Prefix(String),
    /// That it ends with this.
    Suffix(String),
    /// That this is in it.
    Contains(String),
    /// Anything else.
    General,
}

/// The form of a pattern whose escape is the backslash; `None` where one ends it, which is an error of rows that come so far.
pub fn form(pattern: &str) -> Option<Form> {
    let mut literal = String::new();
    // Whether `%` stands in front, and behind.
    let (mut before, mut behind) = (false, false);
    let mut general = false;
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        match character {
            '%' if literal.is_empty() && !behind => before = true,
            '%' => behind = true,
            '_' => general = true,
            other => {
                // Text behind the second `%`.
                general |= behind;
                literal.push(if other == '\\' { characters.next()? } else { other });
            }
        }
    }
    Some(match (general, before, behind) {
        // Nothing but `%`.
        (false, true, _) if literal.is_empty() => Form::Prefix(literal),
        (true, _, _) => Form::General,
        (false, false, false) => Form::Exact(literal),
        (false, false, true) => Form::Prefix(literal),
        (false, true, false) => Form::Suffix(literal),
        (false, true, true) => Form::Contains(literal),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_searches_are_found() {
        let text = |text: &str| text.to_owned();
        assert_eq!(form("abc"), Some(Form::Exact(text("abc"))));
        assert_eq!(form(""), Some(Form::Exact(text(""))));
        assert_eq!(form("abc%"), Some(Form::Prefix(text("abc"))));
        assert_eq!(form("abc%%"), Some(Form::Prefix(text("abc"))));
        assert_eq!(form("%abc"), Some(Form::Suffix(text("abc"))));
        assert_eq!(form("%%abc%"), Some(Form::Contains(text("abc"))));
        assert_eq!(form("%"), Some(Form::Prefix(text(""))));
        assert_eq!(form("%%"), Some(Form::Prefix(text(""))));
        assert_eq!(form(r"%a\%b\_\\c%"), Some(Form::Contains(text(r"a%b_\c"))));
        assert_eq!(form("a%b"), Some(Form::General));
        assert_eq!(form("%a%b%"), Some(Form::General));
        assert_eq!(form("%a_"), Some(Form::General));
        assert_eq!(form("_%"), Some(Form::General));
        assert_eq!(form(r"abc\"), None);
    }
}
