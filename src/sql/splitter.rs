//! Where statements end: at semicolons outside of quotes, comments and parentheses.
//!
//! It follows psql's scanner as far as that matters for splitting, a line at a time, and never looks at a byte twice.

/// What the text is in the middle of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum State {
    #[default]
    Plain,
    /// `'…'`; in `E'…'` a backslash hides the next byte.
    Quote { escapes: bool },
    /// `"…"`
    Name,
    /// `$tag$…$tag$`
    Dollar(String),
    /// `/* … */`, nested so deep.
    Comment(usize),
}

/// Cuts lines into statements.
#[derive(Debug, Default)]
pub struct Splitter {
    text: String,
    state: State,
    /// Open parentheses.
    depth: usize,
}

fn continues_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

impl Splitter {
    /// Whether nothing but white space waits for its semicolon.
    pub fn is_empty(&self) -> bool {
        self.state == State::Plain && self.text.trim().is_empty()
    }

    /// The sign of the prompt: what the next line continues.
    pub fn prompt(&self) -> &'static str {
        match &self.state {
            State::Plain if self.depth > 0 => "(",
            State::Plain if self.text.trim().is_empty() => "=",
            State::Plain => "-",
            State::Quote { .. } => "'",
            State::Name => "\"",
            State::Dollar(_) => "$",
            State::Comment(_) => "*",
        }
    }

    /// Takes a line, its end included, and gives the statements that it completes, without their semicolons.
    pub fn push(&mut self, line: &str) -> Vec<String> {
        let bytes = line.as_bytes();
        let mut statements = Vec::new();
        let (mut at, mut start) = (0, 0);
        while at < bytes.len() {
            let rest = &bytes[at..];
            match &mut self.state {
                State::Plain => match rest {
                    [b';', ..] if self.depth == 0 => {
                        self.text.push_str(&line[start..at]);
                        let statement = std::mem::take(&mut self.text);
                        if !statement.trim().is_empty() {
                            statements.push(statement.trim().to_owned());
                        }
                        start = at + 1;
                        at += 1;
                    }
                    [b'-', b'-', ..] => at = bytes.len(),
                    [b'/', b'*', ..] => {
                        self.state = State::Comment(1);
                        at += 2;
                    }
                    [b'\'', ..] => {
                        let before = |back: usize| at.checked_sub(back).map(|at| bytes[at]);
                        let escapes = matches!(before(1), Some(b'e' | b'E')) && !before(2).is_some_and(continues_name);
                        self.state = State::Quote { escapes };
                        at += 1;
                    }
                    [b'"', ..] => {
                        self.state = State::Name;
                        at += 1;
                    }
                    [b'$', ..] if at == 0 || !continues_name(bytes[at - 1]) => match dollar_tag(&line[at..]) {
                        Some(tag) => {
                            at += tag.len();
                            self.state = State::Dollar(tag.to_owned());
                        }
                        None => at += 1,
                    },
                    [b'(', ..] => {
                        self.depth += 1;
                        at += 1;
                    }
                    [b')', ..] => {
                        self.depth = self.depth.saturating_sub(1);
                        at += 1;
                    }
                    _ => at += 1,
                },
                State::Quote { escapes: true } if rest[0] == b'\\' => at += 2,
                State::Quote { .. } => {
                    if rest[0] == b'\'' {
                        self.state = State::Plain;
                    }
                    at += 1;
                }
                State::Name => {
                    if rest[0] == b'"' {
                        self.state = State::Plain;
                    }
                    at += 1;
                }
                State::Dollar(tag) => match line.get(at..).and_then(|rest| rest.find(tag.as_str())) {
                    Some(end) => {
                        at += end + tag.len();
                        self.state = State::Plain;
                    }
                    None => at = bytes.len(),
                },
                State::Comment(depth) => match rest {
                    [b'/', b'*', ..] => {
                        *depth += 1;
                        at += 2;
                    }
                    [b'*', b'/', ..] => {
                        *depth -= 1;
                        if *depth == 0 {
                            self.state = State::Plain;
                        }
                        at += 2;
                    }
                    _ => at += 1,
                },
            }
        }
        self.text.push_str(&line[start..]);
        if self.state == State::Plain && self.text.trim().is_empty() {
            self.text.clear();
        }
        statements
    }

    /// What is left without a semicolon.
    pub fn finish(self) -> String {
        self.text
    }
}

/// The `$tag$` that a text begins with.
fn dollar_tag(text: &str) -> Option<&str> {
    let end = text[1..].find('$')? + 2;
    let tag = &text[1..end - 1];
    let first_fits = !tag.starts_with(|c: char| c.is_ascii_digit());
    (first_fits && tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80)).then_some(&text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> (Vec<String>, String) {
        let mut splitter = Splitter::default();
        let statements = text.split_inclusive('\n').flat_map(|line| splitter.push(line)).collect();
        (statements, splitter.finish())
    }

    #[test]
    fn semicolons_end_statements() {
        assert_eq!(split("select 1; select\n 2 ;\n"), (vec!["select 1".to_owned(), "select\n 2".to_owned()], String::new()));
        assert_eq!(split(";;\n; \n"), (vec![], String::new()));
        assert_eq!(split("select 1"), (vec![], "select 1".to_owned()));
    }

    #[test]
    fn semicolons_elsewhere_do_not() {
        for text in [
            "select ';'",
            "select 'it''s; '",
            "select 'a\n;b'",
            "select E'\\';'",
            "select E'\\\\'",
            "select \";\"",
            "select $$;$$",
            "select $a$;$$;$a$",
            "select $ü$;$ü$",
            "select 1 -- ;\n + 1",
            "select /* ; /* ; */ ; */ 1",
            "select (1;2)",
            "select 'ü;'",
            "select a$b, $1",
        ] {
            assert_eq!(split(&format!("{text};\n")), (vec![text.to_owned()], String::new()), "{text}");
        }
        // Not an escape string: the name ends in e.
        assert_eq!(split("select date'\\'; x").0, ["select date'\\'"]);
    }

    #[test]
    fn prompts_say_what_is_open() {
        for (text, prompt) in
            [("", "="), ("a\n", "-"), ("(\n", "("), ("'\n", "'"), ("\"\n", "\""), ("$$\n", "$"), ("/*\n", "*"), ("E'\\\n", "'")]
        {
            let mut splitter = Splitter::default();
            splitter.push(text);
            assert_eq!(splitter.prompt(), prompt, "{text}");
        }
    }
}
