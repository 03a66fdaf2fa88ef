//! What `WITH (…)` says, checked as PostgreSQL checks it.

use crate::error::{Condition, Error, Result};

/// Which way a COPY goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// COPY … FROM
    From,
    /// COPY … TO
    To,
}

/// How rows are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Columns by tabs, backslash escapes.
    Text,
    /// Columns by commas, quotes.
    Csv,
}

/// What the first line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header {
    /// A row.
    Off,
    /// Column names; skipped when read.
    On,
    /// Column names, which must be those of the table when read.
    Match,
}

/// Which columns an option is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnList {
    /// None of them.
    None,
    /// All of them.
    All,
    /// These.
    Named(Vec<String>),
}

/// An option's value as the statement gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OptionValue {
    /// No value: `HEADER`.
    None,
    /// A word, string or number.
    Text(String),
    /// `*`
    Star,
    /// `(a, b)`
    List(Vec<String>),
}

/// How a COPY reads or writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyOptions {
    /// text or csv.
    pub format: Format,
    /// Stands between columns.
    pub delimiter: u8,
    /// Stands for NULL.
    pub null: String,
    /// What the first line is.
    pub header: Header,
    /// Encloses values (csv).
    pub quote: u8,
    /// Stands before a quote that is data (csv).
    pub escape: u8,
    /// Columns that are written in quotes (csv).
    pub force_quote: ColumnList,
    /// Columns where the NULL text is a value (csv).
    pub force_not_null: ColumnList,
    /// Columns where the NULL text is NULL even in quotes (csv).
    pub force_null: ColumnList,
    /// As the statement names it; the bytes are UTF-8 whatever it says.
    pub encoding: String,
}

fn refused(message: &str) -> Error {
    Error::unsupported(message)
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(Condition::InvalidParameterValue, message)
}

/// The one byte of an option that must be one.
fn one_byte(text: &str, what: &str) -> Result<u8> {
    match text.as_bytes() {
        [byte] => Ok(*byte),
        _ => Err(refused(&format!("COPY {what} must be a single one-byte character"))),
    }
}

fn text(name: &str, value: &OptionValue) -> Result<String> {
    match value {
        OptionValue::Text(text) => Ok(text.clone()),
        OptionValue::None => Err(Error::syntax(format!("{name} requires a parameter"))),
        OptionValue::Star | OptionValue::List(_) => Err(Error::syntax(format!("{name} requires a string value"))),
    }
}

fn columns(name: &str, value: &OptionValue, star: bool) -> Result<ColumnList> {
    match value {
        OptionValue::Star if star => Ok(ColumnList::All),
        OptionValue::List(names) => Ok(ColumnList::Named(names.clone())),
        _ => Err(invalid(format!("argument to option \"{name}\" must be a list of column names"))),
    }
}

fn header(value: &OptionValue, direction: Direction) -> Result<Header> {
    let word = match value {
        OptionValue::None => return Ok(Header::On),
        OptionValue::Text(word) => word.to_ascii_lowercase(),
        OptionValue::Star | OptionValue::List(_) => String::new(),
    };
    match word.as_str() {
        "true" | "on" | "1" => Ok(Header::On),
        "false" | "off" | "0" => Ok(Header::Off),
        "match" if direction == Direction::To => Err(refused("cannot use \"match\" with HEADER in COPY TO")),
        "match" => Ok(Header::Match),
        _ => Err(Error::syntax("header requires a Boolean value or \"match\"")),
    }
}

fn boolean(name: &str, value: &OptionValue) -> Result<bool> {
    let word = match value {
        OptionValue::None => return Ok(true),
        OptionValue::Text(word) => word.to_ascii_lowercase(),
        OptionValue::Star | OptionValue::List(_) => String::new(),
    };
    match word.as_str() {
        "true" | "on" | "1" => Ok(true),
        "false" | "off" | "0" => Ok(false),
        _ => Err(Error::syntax(format!("{name} requires a Boolean value"))),
    }
}

/// Whether bytes in that encoding can be taken for UTF-8.
fn check_encoding(name: &str) -> Result<()> {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    const KNOWN: &[&str] = &[
        "big5",
        "euccn",
        "eucjp",
        "eucjis2004",
        "euckr",
        "euctw",
        "gb18030",
        "gbk",
        "iso88595",
        "iso88596",
        "iso88597",
        "iso88598",
        "johab",
        "koi8",
        "koi8r",
        "koi8u",
        "latin1",
        "iso88591",
        "latin2",
        "iso88592",
        "latin3",
        "iso88593",
        "latin4",
        "iso88594",
        "latin5",
        "iso88599",
        "latin6",
        "iso885910",
        "latin7",
        "iso885913",
        "latin8",
        "iso885914",
        "latin9",
        "iso885915",
        "latin10",
        "iso885916",
        "muleinternal",
        "sjis",
        "shiftjis",
        "mskanji",
        "win932",
        "shiftjis2004",
        "uhc",
        "win866",
        "alt",
        "win874",
        "win1250",
        "win1251",
        "win",
        "win1252",
        "win1253",
        "win1254",
        "win1255",
        "win1256",
        "abc",
        "tcvn",
        "tcvn5712",
        "vscii",
        "win1258",
        "win1257",
        "windows949",
        "windows936",
        "windows950",
        "win949",
        "win936",
        "win950",
    ];
    match plain.as_str() {
        "utf8" | "unicode" | "sqlascii" => Ok(()),
        known if KNOWN.contains(&known) => Err(refused(&format!("encoding \"{name}\" is not supported for COPY"))),
        _ => Err(invalid("argument to option \"encoding\" must be a valid encoding name")),
    }
}

impl CopyOptions {
    /// What holds where the statement says nothing.
    pub fn new(format: Format) -> Self {
        let (delimiter, null) = match format {
            Format::Text => (b'\t', "\\N"),
            Format::Csv => (b',', ""),
        };
        Self {
            format,
            delimiter,
            null: null.to_owned(),
            header: Header::Off,
            quote: b'"',
            escape: b'"',
            force_quote: ColumnList::None,
            force_not_null: ColumnList::None,
            force_null: ColumnList::None,
            encoding: "UTF8".to_owned(),
        }
    }

    /// From the options of a statement, their names in lower case (`format`, `delimiter`, `force_quote`, …).
    pub fn from_list(options: &[(String, OptionValue)], direction: Direction) -> Result<Self> {
        let given = |name: &str| options.iter().find(|(given, _)| given == name).map(|(_, value)| value);
        for (at, (name, _)) in options.iter().enumerate() {
            if options[..at].iter().any(|(earlier, _)| earlier == name) {
                return Err(Error::syntax("conflicting or redundant options"));
            }
            match name.as_str() {
                "format" | "delimiter" | "null" | "header" | "quote" | "escape" | "force_quote" | "force_not_null"
                | "force_null" | "encoding" | "freeze" => {}
                other => return Err(Error::syntax(format!("option \"{other}\" not recognized"))),
            }
        }
        let format = match given("format") {
            None => Format::Text,
            Some(value) => match text("format", value)?.as_str() {
                "text" => Format::Text,
                "csv" => Format::Csv,
                "binary" => return Err(refused("COPY BINARY is not supported")),
                other => return Err(invalid(format!("COPY format \"{other}\" not recognized"))),
            },
        };
        let mut result = Self::new(format);
        if let Some(value) = given("freeze") {
            boolean("freeze", value)?;
        }
        if let Some(value) = given("header") {
            result.header = header(value, direction)?;
        }
        if let Some(value) = given("force_quote") {
            result.force_quote = columns("force_quote", value, true)?;
        }
        if let Some(value) = given("force_not_null") {
            result.force_not_null = columns("force_not_null", value, false)?;
        }
        if let Some(value) = given("force_null") {
            result.force_null = columns("force_null", value, false)?;
        }
        if let Some(value) = given("encoding") {
            result.encoding = text("encoding", value)?;
            check_encoding(&result.encoding)?;
        }
        let delimiter = given("delimiter").map(|value| text("delimiter", value)).transpose()?;
        let quote = given("quote").map(|value| text("quote", value)).transpose()?;
        let escape = given("escape").map(|value| text("escape", value)).transpose()?;
        if let Some(value) = given("null") {
            result.null = text("null", value)?;
        }
        result.check(delimiter.as_deref(), quote.as_deref(), escape.as_deref(), direction)?;
        Ok(result)
    }

    /// PostgreSQL's checks in PostgreSQL's order.
    fn check(&mut self, delimiter: Option<&str>, quote: Option<&str>, escape: Option<&str>, direction: Direction) -> Result<()> {
        let csv = self.format == Format::Csv;
        if let Some(delimiter) = delimiter {
            self.delimiter = one_byte(delimiter, "delimiter")?;
        }
        if matches!(self.delimiter, b'\n' | b'\r') {
            return Err(invalid("COPY delimiter cannot be newline or carriage return"));
        }
        if self.null.contains(['\n', '\r']) {
            return Err(invalid("COPY null representation cannot use newline or carriage return"));
        }
        let spoken_for = matches!(self.delimiter, b'\\' | b'.' | b'a'..=b'z' | b'0'..=b'9');
        if !csv && spoken_for {
            return Err(invalid(format!("COPY delimiter cannot be \"{}\"", char::from(self.delimiter))));
        }
        if !csv && quote.is_some() {
            return Err(refused("COPY quote available only in CSV mode"));
        }
        if let Some(quote) = quote {
            self.quote = one_byte(quote, "quote")?;
        }
        if csv && self.delimiter == self.quote {
            return Err(invalid("COPY delimiter and quote must be different"));
        }
        if !csv && escape.is_some() {
            return Err(refused("COPY escape available only in CSV mode"));
        }
        self.escape = match escape {
            Some(escape) => one_byte(escape, "escape")?,
            None => self.quote,
        };
        for (list, name, only) in [
            (&self.force_quote, "force quote", Direction::To),
            (&self.force_not_null, "force not null", Direction::From),
            (&self.force_null, "force null", Direction::From),
        ] {
            if *list == ColumnList::None {
                continue;
            }
            if !csv {
                return Err(refused(&format!("COPY {name} available only in CSV mode")));
            }
            if direction != only {
                let side = match only {
                    Direction::From => "FROM",
                    Direction::To => "TO",
                };
                return Err(refused(&format!("COPY {name} only available using COPY {side}")));
            }
        }
        if self.null.as_bytes().contains(&self.delimiter) {
            return Err(refused("COPY delimiter must not appear in the NULL specification"));
        }
        if csv && self.null.as_bytes().contains(&self.quote) {
            return Err(refused("CSV quote character must not appear in the NULL specification"));
        }
        Ok(())
    }
}

impl ColumnList {
    /// One flag a column; an error names a column that is not among them. `option` is as in `FORCE_QUOTE`.
    pub(super) fn flags(&self, names: &[&str], option: &str) -> Result<Vec<bool>> {
        match self {
            Self::None => Ok(vec![false; names.len()]),
            Self::All => Ok(vec![true; names.len()]),
            Self::Named(wanted) => {
                if let Some(stranger) = wanted.iter().find(|name| !names.contains(&name.as_str())) {
                    let message = format!("{option} column \"{stranger}\" not referenced by COPY");
                    return Err(Error::new(Condition::InvalidColumnReference, message));
                }
                Ok(names.iter().map(|name| wanted.iter().any(|wanted| wanted == name)).collect())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(list: &[(&str, &str)], direction: Direction) -> Result<CopyOptions> {
        let list: Vec<_> = list
            .iter()
            .map(|(name, value)| {
                let value = match *value {
                    "" => OptionValue::None,
                    "*" => OptionValue::Star,
                    value => match value.strip_prefix('(') {
                        Some(names) => OptionValue::List(names.trim_end_matches(')').split(',').map(str::to_owned).collect()),
                        None => OptionValue::Text(value.to_owned()),
                    },
                };
                ((*name).to_owned(), value)
            })
            .collect();
        CopyOptions::from_list(&list, direction)
    }

    #[test]
    fn defaults() {
        let text = options(&[], Direction::From).unwrap();
        assert_eq!((text.delimiter, text.null.as_str()), (b'\t', "\\N"));
        let csv = options(&[("format", "csv"), ("quote", "'"), ("header", "")], Direction::To).unwrap();
        assert_eq!((csv.delimiter, csv.null.as_str(), csv.quote, csv.escape, csv.header), (b',', "", b'\'', b'\'', Header::On));
    }

    /// What PostgreSQL 15 answered.
    #[test]
    fn refusals() {
        use Condition::{FeatureNotSupported, InvalidParameterValue, SyntaxError};
        let from = Direction::From;
        let to = Direction::To;
        let csv = ("format", "csv");
        for (list, direction, condition, message) in [
            (&[("foo", "1")][..], from, SyntaxError, "option \"foo\" not recognized"),
            (&[csv, csv], from, SyntaxError, "conflicting or redundant options"),
            (&[("format", "xyz")], from, InvalidParameterValue, "COPY format \"xyz\" not recognized"),
            (&[("header", "5")], from, SyntaxError, "header requires a Boolean value or \"match\""),
            (&[("header", "match")], to, FeatureNotSupported, "cannot use \"match\" with HEADER in COPY TO"),
            (&[("delimiter", "ab")], from, FeatureNotSupported, "COPY delimiter must be a single one-byte character"),
            (&[("delimiter", "ü")], from, FeatureNotSupported, "COPY delimiter must be a single one-byte character"),
            (&[("delimiter", "a")], from, InvalidParameterValue, "COPY delimiter cannot be \"a\""),
            (&[("delimiter", "\n")], from, InvalidParameterValue, "COPY delimiter cannot be newline or carriage return"),
            (&[("quote", "a")], from, FeatureNotSupported, "COPY quote available only in CSV mode"),
            (&[csv, ("quote", ",")], from, InvalidParameterValue, "COPY delimiter and quote must be different"),
            (&[csv, ("escape", "ab")], from, FeatureNotSupported, "COPY escape must be a single one-byte character"),
            (&[csv, ("force_null", "(a)")], to, FeatureNotSupported, "COPY force null only available using COPY FROM"),
            (&[csv, ("force_quote", "(a)")], from, FeatureNotSupported, "COPY force quote only available using COPY TO"),
            (&[("force_quote", "*")], to, FeatureNotSupported, "COPY force quote available only in CSV mode"),
            (
                &[csv, ("force_quote", "a")],
                to,
                InvalidParameterValue,
                "argument to option \"force_quote\" must be a list of column names",
            ),
            (&[("encoding", "zz")], from, InvalidParameterValue, "argument to option \"encoding\" must be a valid encoding name"),
            (&[("null", "a\n")], from, InvalidParameterValue, "COPY null representation cannot use newline or carriage return"),
            (&[("null", "a\tb")], from, FeatureNotSupported, "COPY delimiter must not appear in the NULL specification"),
            (
                &[csv, ("null", "a\"b")],
                from,
                FeatureNotSupported,
                "CSV quote character must not appear in the NULL specification",
            ),
        ] {
            let error = options(list, direction).unwrap_err();
            assert_eq!((error.condition, error.message.as_str()), (condition, message));
        }
    }
}
