//! psql's aligned format: a heading, a rule, rows, and how many there are.

use std::io::{self, Write};

use warpwise_engine::Column;
use warpwise_engine::types::Base;

use super::width;
use crate::local::Row;

/// A column's name, and whether its values stand at its right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heading {
    /// The name.
    pub name: String,
    /// Numbers stand at the right.
    pub right: bool,
}

/// The headings of a result's columns.
pub fn headings(columns: &[Column]) -> Vec<Heading> {
    let right = |column: &Column| {
        !column.sql_type.array
            && matches!(
                column.sql_type.base,
                Base::Int2 | Base::Int4 | Base::Int8 | Base::Float4 | Base::Float8 | Base::Numeric | Base::Oid | Base::Xid
            )
    };
    columns.iter().map(|column| Heading { name: column.name.clone(), right: right(column) }).collect()
}

/// A value as it stands in a cell: its lines, each with its width.
fn cell(text: &str) -> Vec<(String, usize)> {
    let plain = |byte: u8| (b' '..0x7f).contains(&byte);
    if text.bytes().all(plain) {
        return vec![(text.to_owned(), text.len())];
    }
    let mut lines = vec![(String::new(), 0)];
    for character in text.chars() {
        if character == '\n' {
            lines.push((String::new(), 0));
            continue;
        }
        let Some((line, columns)) = lines.last_mut() else { continue };
        match character {
            '\t' => {
                let spaces = 8 - *columns % 8;
                line.extend(std::iter::repeat_n(' ', spaces));
                *columns += spaces;
            }
            '\r' => {
                line.push_str("\\r");
                *columns += 2;
            }
            control if u32::from(control) < 0x20 || control == '\x7f' => {
                line.push_str(&format!("\\x{:02X}", u32::from(control)));
                *columns += 4;
            }
            other => {
                line.push(other);
                *columns += width::of_char(other);
            }
        }
    }
    lines
}

/// Writes a table.
pub fn write(out: &mut dyn Write, title: Option<&str>, headings: &[Heading], rows: &[Row]) -> io::Result<()> {
    let names: Vec<Vec<(String, usize)>> = headings.iter().map(|heading| cell(&heading.name)).collect();
    let cells: Vec<Vec<Vec<(String, usize)>>> =
        rows.iter().map(|row| row.iter().map(|value| cell(value.as_deref().unwrap_or_default())).collect()).collect();
    let widest = |lines: &[(String, usize)]| lines.iter().map(|(_, columns)| *columns).max().unwrap_or(0);
    let widths: Vec<usize> = (0..headings.len())
        .map(|column| {
            let values = cells.iter().filter_map(|row| row.get(column)).map(|lines| widest(lines));
            values.max().unwrap_or(0).max(widest(&names[column]))
        })
        .collect();
    if let Some(title) = title {
        let total = (widths.iter().sum::<usize>() + 3 * widths.len()).saturating_sub(1);
        let indent = total.saturating_sub(width::of(title)) / 2;
        writeln!(out, "{:indent$}{title}", "")?;
    }
    write_names(out, &names, &widths)?;
    let rules: Vec<String> = widths.iter().map(|columns| "-".repeat(columns + 2)).collect();
    writeln!(out, "{}", if rules.is_empty() { "--".to_owned() } else { rules.join("+") })?;
    for row in &cells {
        write_row(out, headings, row, &widths)?;
    }
    writeln!(out, "({} {})\n", rows.len(), if rows.len() == 1 { "row" } else { "rows" })
}

/// Names stand in the middle of their columns.
fn write_names(out: &mut dyn Write, names: &[Vec<(String, usize)>], widths: &[usize]) -> io::Result<()> {
    let height = names.iter().map(Vec::len).max().unwrap_or(0);
    for at in 0..height {
        for (column, lines) in names.iter().enumerate() {
            let (text, columns) = lines.get(at).map_or(("", 0), |(text, columns)| (text.as_str(), *columns));
            let space = widths[column] - columns;
            let last = if at + 1 < lines.len() { "+" } else { " " };
            write!(out, " {:left$}{text}{:right$}{last}", "", "", left = space / 2, right = space.div_ceil(2))?;
            if column + 1 < names.len() {
                out.write_all(b"|")?;
            }
        }
        writeln!(out)?;
    }
    Ok(())
}

fn write_row(out: &mut dyn Write, headings: &[Heading], row: &[Vec<(String, usize)>], widths: &[usize]) -> io::Result<()> {
    let height = row.iter().map(Vec::len).max().unwrap_or(0);
    for at in 0..height {
        for (column, lines) in row.iter().enumerate() {
            let last_column = column + 1 == row.len();
            let goes_on = at + 1 < lines.len();
            let (text, columns) = lines.get(at).map_or(("", 0), |(text, columns)| (text.as_str(), *columns));
            let space = widths[column] - columns;
            let right = headings.get(column).is_some_and(|heading| heading.right);
            out.write_all(b" ")?;
            if right && at < lines.len() {
                write!(out, "{:space$}{text}", "")?;
            } else {
                out.write_all(text.as_bytes())?;
                if !last_column || goes_on {
                    write!(out, "{:space$}", "")?;
                }
            }
            if goes_on {
                out.write_all(b"+")?;
            } else if !last_column {
                out.write_all(b" ")?;
            }
            if !last_column {
                out.write_all(b"|")?;
            }
        }
        writeln!(out)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(title: Option<&str>, names: &[(&str, bool)], rows: &[&[Option<&str>]]) -> String {
        let headings: Vec<Heading> =
            names.iter().map(|(name, right)| Heading { name: (*name).to_owned(), right: *right }).collect();
        let rows: Vec<Row> = rows.iter().map(|row| row.iter().map(|value| value.map(str::to_owned)).collect()).collect();
        let mut out = Vec::new();
        write(&mut out, title, &headings, &rows).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_stand_at_the_right() {
        let text = shown(None, &[("n", true), ("name", false)], &[&[Some("1"), Some("x")], &[Some("100"), None]]);
        assert_eq!(text, "  n  | name \n-----+------\n   1 | x\n 100 | \n(2 rows)\n\n");
    }

    #[test]
    fn one_row_and_none() {
        assert_eq!(shown(None, &[("a", false)], &[&[Some("b")]]), " a \n---\n b\n(1 row)\n\n");
        assert_eq!(shown(None, &[("abc", true)], &[]), " abc \n-----\n(0 rows)\n\n");
        assert_eq!(shown(None, &[], &[&[]]), "--\n(1 row)\n\n");
    }

    #[test]
    fn lines_and_control_characters() {
        let text = shown(None, &[("a", false), ("b", false)], &[&[Some("x\nyy"), Some("1\n2")]]);
        assert_eq!(text, " a  | b \n----+---\n x +| 1+\n yy | 2\n(1 row)\n\n");
        let text = shown(None, &[("a", false)], &[&[Some("a\tb\u{1}\r")]]);
        assert_eq!(text, "        a        \n-----------------\n a       b\\x01\\r\n(1 row)\n\n");
    }

    #[test]
    fn names_of_several_lines() {
        let names = [("a\nbcd", false), ("y", false), ("n", true), ("z", false)];
        let text = shown(None, &names, &[&[Some("x"), Some("p\n\nq"), Some("1"), Some("1\n2")]]);
        let lines = [
            "  a +| y | n | z ",
            " bcd |   |   |   ",
            "-----+---+---+---",
            " x   | p+| 1 | 1+",
            "     |  +|   | 2",
            "     | q |   | ",
            "(1 row)",
            "\n",
        ];
        assert_eq!(text, lines.join("\n"));
    }

    #[test]
    fn wide_characters_take_two_columns() {
        assert_eq!(
            shown(None, &[("a", false), ("b", false)], &[&[Some("日本"), Some("e\u{301}")]]),
            "  a   | b \n------+---\n 日本 | e\u{301}\n(1 row)\n\n"
        );
    }

    #[test]
    fn titles_stand_in_the_middle() {
        let text = shown(Some("T"), &[("abc", false)], &[]);
        assert_eq!(text, "  T\n abc \n-----\n(0 rows)\n\n");
    }
}
