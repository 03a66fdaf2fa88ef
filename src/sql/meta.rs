//! The shell's own commands, which begin with a backslash.

use std::io::{self, Write};

use super::{Shell, aligned, println_out, report};
use crate::failure::Failure;
use crate::output::note;

/// What comes after a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The next line.
    Line,
    /// The end.
    Quit,
}

const HELP: &str = r"  \q                end
  \d                list tables and views
  \d NAME           the columns of one
  \dt               list tables
  \l                list databases
  \timing [on|off]  show how long statements take
  \?                this";

/// Kinds of relations, as `relkind` has them.
const TABLES: &str = "'r','p'";
const RELATIONS: &str = "'r','p','v','m','S','f'";

impl Shell {
    /// Carries out a line that begins with a backslash.
    pub(super) fn command(&mut self, line: &str) -> Result<Next, Failure> {
        let line = line.trim_end_matches(';').trim_end();
        let (name, argument) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let argument = argument.trim();
        match (name, argument) {
            ("\\q" | "\\quit", _) => return Ok(Next::Quit),
            ("\\?" | "\\h", _) => println_out(HELP)?,
            ("\\d" | "\\d+", "") => self.list(RELATIONS)?,
            ("\\dt" | "\\dt+", "") => self.list(TABLES)?,
            ("\\d" | "\\d+" | "\\dt" | "\\dt+", name) => self.describe(name)?,
            ("\\l", _) => {
                let text = "select datname as \"Name\", pg_catalog.pg_encoding_to_char(encoding) as \"Encoding\" \
                            from pg_catalog.pg_database order by 1";
                self.show("List of databases", text, None)?;
            }
            ("\\timing", _) => {
                self.timing = match argument {
                    "on" => true,
                    "off" => false,
                    _ => !self.timing,
                };
                println_out(if self.timing { "Timing is on." } else { "Timing is off." })?;
            }
            _ => {
                self.failed = true;
                note(&format!("invalid command {name}\nTry \\? for help."));
            }
        }
        Ok(Next::Line)
    }

    fn list(&mut self, kinds: &str) -> Result<(), Failure> {
        let text = format!(
            "select n.nspname as \"Schema\", c.relname as \"Name\", \
             case c.relkind when 'r' then 'table' when 'v' then 'view' when 'p' then 'partitioned table' \
             when 'm' then 'materialized view' when 'S' then 'sequence' when 'f' then 'foreign table' end as \"Type\", \
             pg_catalog.pg_get_userbyid(c.relowner) as \"Owner\" \
             from pg_catalog.pg_class c left join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
             where c.relkind in ({kinds}) and n.nspname <> 'pg_catalog' and n.nspname <> 'information_schema' \
             and pg_catalog.pg_table_is_visible(c.oid) order by 1, 2"
        );
        self.show("List of relations", &text, Some("Did not find any relations."))
    }

    fn describe(&mut self, name: &str) -> Result<(), Failure> {
        let (schema, table) = split_name(name);
        let within = match &schema {
            Some(schema) => format!("n.nspname = {}", literal(schema)),
            None => "pg_catalog.pg_table_is_visible(c.oid)".to_owned(),
        };
        let text = format!(
            "select a.attname as \"Column\", pg_catalog.format_type(a.atttypid, a.atttypmod) as \"Type\", \
             case when a.attnotnull then 'not null' else '' end as \"Nullable\" \
             from pg_catalog.pg_attribute a join pg_catalog.pg_class c on c.oid = a.attrelid \
             join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
             where c.relname = {} and {within} and a.attnum > 0 and not a.attisdropped order by a.attnum",
            literal(&table)
        );
        let shown = schema.map_or_else(|| table.clone(), |schema| format!("{schema}.{table}"));
        let missing = format!("Did not find any relation named \"{name}\".");
        self.show(&format!("Table \"{shown}\""), &text, Some(&missing))
    }

    /// Prints the rows of a query of the shell's own; `missing` instead where there are none.
    fn show(&mut self, title: &str, text: &str, missing: Option<&str>) -> Result<(), Failure> {
        let runtime = self.local.runtime();
        match runtime.block_on(self.local.query(text)) {
            Ok((_, rows)) if rows.is_empty() && missing.is_some() => {
                self.failed = true;
                note(missing.unwrap_or_default());
            }
            Ok((columns, rows)) => {
                let mut out = io::BufWriter::new(io::stdout());
                aligned::write(&mut out, Some(title), &aligned::headings(&columns), &rows)?;
                out.flush()?;
            }
            Err(error) => {
                self.failed = true;
                note(report::error(&error, text).trim_end());
            }
        }
        Ok(())
    }
}

/// Schema and name as a person types them: folded to lower case unless quoted.
fn split_name(text: &str) -> (Option<String>, String) {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    for character in text.chars() {
        match character {
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(String::new()),
            other => {
                let part = parts.last_mut();
                let folded = if quoted { other } else { other.to_ascii_lowercase() };
                if let Some(part) = part {
                    part.push(folded);
                }
            }
        }
    }
    let name = parts.pop().unwrap_or_default();
    (parts.pop(), name)
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_folded_unless_quoted() {
        assert_eq!(split_name("Lineitem"), (None, "lineitem".to_owned()));
        assert_eq!(split_name("public.\"My.Table\""), (Some("public".to_owned()), "My.Table".to_owned()));
        assert_eq!(literal("it's"), "'it''s'");
    }
}
