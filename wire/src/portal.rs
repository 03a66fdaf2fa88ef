//! Portals: a prepared statement with its parameters, and how far it has run.

use std::sync::Arc;

use arrow::array::ArrayRef;
use pgwire::messages::extendedquery::Bind;
use warpwise_engine::Prepared;
use warpwise_engine::error::{Condition, Error, Result};

use crate::encoding::{Format, parameter};
use crate::error::violation;
use crate::stream::RowStream;

/// In which formats a portal's columns are sent: one of Bind's three ways to say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Formats {
    /// All columns alike.
    All(Format),
    /// One for each column.
    Each(Vec<Format>),
}

impl Formats {
    /// From Bind's codes: none is text, one is for all, otherwise one each.
    fn of_codes(codes: &[i16]) -> Result<Self> {
        match codes {
            [] => Ok(Formats::All(Format::Text)),
            [one] => Ok(Formats::All(format(*one)?)),
            each => Ok(Formats::Each(each.iter().map(|code| format(*code)).collect::<Result<_>>()?)),
        }
    }

    /// The format of column or parameter `i`.
    pub(crate) fn of(&self, i: usize) -> Format {
        match self {
            Formats::All(format) => *format,
            Formats::Each(formats) => formats.get(i).copied().unwrap_or(Format::Text),
        }
    }
}

fn format(code: i16) -> Result<Format> {
    match code {
        0 => Ok(Format::Text),
        1 => Ok(Format::Binary),
        other => Err(Error::new(Condition::InvalidParameterValue, format!("unsupported format code: {other}"))),
    }
}

/// How far a portal has run.
pub(crate) enum State {
    /// Not begun; its parameters.
    Bound(Vec<ArrayRef>),
    /// Some of its rows are sent.
    Running(Box<RowStream>),
    /// All its rows are sent; the tag of a further Execute, which gives none.
    Drained(String),
    /// It was a command, which runs once.
    Spent,
    /// Its transaction failed.
    Abandoned,
}

/// What Bind makes and Execute runs.
pub(crate) struct Portal {
    pub(crate) prepared: Arc<Prepared>,
    pub(crate) formats: Formats,
    pub(crate) state: State,
}

impl Portal {
    /// Binds the parameters that a Bind message has to the statement that it names.
    pub(crate) fn bind(prepared: Arc<Prepared>, bind: &Bind, time_zone: &chrono_tz::Tz) -> Result<Self> {
        let Bind { parameter_format_codes: parameter_codes, parameters, result_column_format_codes: result_codes, .. } = bind;
        let types = prepared.parameters();
        if parameter_codes.len() > 1 && parameter_codes.len() != parameters.len() {
            return Err(violation(format!(
                "bind message has {} parameter formats but {} parameters",
                parameter_codes.len(),
                parameters.len()
            )));
        }
        if parameters.len() != types.len() {
            return Err(violation(format!(
                "bind message supplies {} parameters, but prepared statement \"{}\" requires {}",
                parameters.len(),
                bind.statement_name.as_deref().unwrap_or_default(),
                types.len()
            )));
        }
        let parameter_formats = Formats::of_codes(parameter_codes)?;
        let bound: Result<Vec<ArrayRef>> = (0..)
            .zip(types.iter().zip(parameters))
            .map(|(i, (sql_type, value))| {
                let format = parameter_formats.of(i);
                parameter(i, *sql_type, format, value.as_deref(), time_zone)
                    .map_err(|error| error.context(place(bind.portal_name.as_deref(), i, format)))
            })
            .collect();
        let bound = bound?;
        // Formats of a statement without rows mean nothing, and are let pass.
        let formats = match prepared.columns() {
            Some(columns) if result_codes.len() > 1 && result_codes.len() != columns.len() => {
                return Err(violation(format!(
                    "bind message has {} result formats but query has {} columns",
                    result_codes.len(),
                    columns.len()
                )));
            }
            Some(_) => Formats::of_codes(result_codes)?,
            None => Formats::All(Format::Text),
        };
        Ok(Self { prepared, formats, state: State::Bound(bound) })
    }

    /// Stops what runs.
    pub(crate) fn abandon(&mut self) {
        self.state = State::Abandoned;
    }
}

/// Where a value was wrong, as PostgreSQL says it. It does not repeat the value, which may be a secret.
fn place(portal: Option<&str>, i: usize, format: Format) -> String {
    let portal = portal.map_or_else(|| "unnamed portal".to_owned(), |name| format!("portal \"{name}\""));
    let value = match format {
        Format::Text => " = '...'",
        Format::Binary => "",
    };
    format!("{portal} parameter ${}{value}", i + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_said_as_postgresql_says_them() {
        assert_eq!(place(None, 0, Format::Text), "unnamed portal parameter $1 = '...'");
        assert_eq!(place(Some("p"), 1, Format::Binary), "portal \"p\" parameter $2");
    }

    #[test]
    fn codes_are_none_one_or_each() {
        assert_eq!(Formats::of_codes(&[]).unwrap().of(3), Format::Text);
        assert_eq!(Formats::of_codes(&[1]).unwrap().of(3), Format::Binary);
        assert_eq!(Formats::of_codes(&[0, 1]).unwrap().of(1), Format::Binary);
        assert_eq!(Formats::of_codes(&[2]).unwrap_err().message, "unsupported format code: 2");
    }
}
