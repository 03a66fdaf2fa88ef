//! Rows as CSV, quoted where they must be, as psql's `--csv` does.

use std::io::{self, Write};

/// Writes one row; NULL is nothing.
pub fn write_row<'a>(out: &mut dyn Write, values: impl Iterator<Item = Option<&'a str>>) -> io::Result<()> {
    for (at, value) in values.enumerate() {
        if at > 0 {
            out.write_all(b",")?;
        }
        let value = value.unwrap_or_default();
        if value.contains([',', '"', '\n', '\r']) || value == "\\." {
            write!(out, "\"{}\"", value.replace('"', "\"\""))?;
        } else {
            out.write_all(value.as_bytes())?;
        }
    }
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_quoted_where_they_must_be() {
        let mut out = Vec::new();
        write_row(&mut out, [Some("a b"), None, Some("x,y"), Some("q\"q"), Some("l\nl"), Some("\\."), Some("")].into_iter())
            .unwrap();
        assert_eq!(out, b"a b,,\"x,y\",\"q\"\"q\",\"l\nl\",\"\\.\",\n");
    }
}
