//! Errors, notices and times in psql's words.

use std::time::Duration;

use warpwise_engine::{Error, Notice, Severity};

use super::width;

/// How many columns of the statement are shown at most, and how many at least behind the place.
const SHOWN: usize = 60;
const BEHIND: usize = 10;

/// An error, with the line of the statement where its place is known.
pub fn error(error: &Error, statement: &str) -> String {
    let mut text = format!("ERROR:  {}\n", error.message);
    if let Some(place) = error.position.and_then(|position| place(statement, position)) {
        text.push_str(&place);
    }
    for (label, more) in [("DETAIL", &error.detail), ("HINT", &error.hint), ("CONTEXT", &error.context)] {
        if let Some(more) = more {
            text.push_str(&format!("{label}:  {more}\n"));
        }
    }
    text
}

/// A notice.
pub fn notice(notice: &Notice) -> String {
    let severity = match notice.severity {
        Severity::Log => "LOG",
        Severity::Notice => "NOTICE",
        Severity::Warning => "WARNING",
        Severity::Info => "INFO",
    };
    let mut text = format!("{severity}:  {}\n", notice.message);
    for (label, more) in [("DETAIL", &notice.detail), ("HINT", &notice.hint)] {
        if let Some(more) = more {
            text.push_str(&format!("{label}:  {more}\n"));
        }
    }
    text
}

/// `Time: 12.345 ms`, and in larger units from a second on.
pub fn time(time: Duration) -> String {
    let milliseconds = time.as_secs_f64() * 1e3;
    let all = format!("Time: {milliseconds:.3} ms");
    if milliseconds < 1000.0 {
        return all;
    }
    let seconds = milliseconds / 1e3;
    let (minutes, rest) = ((seconds / 60.0).floor(), seconds % 60.0);
    if minutes < 60.0 {
        return format!("{all} ({minutes:02.0}:{rest:06.3})");
    }
    let (hours, minutes) = ((minutes / 60.0).floor(), minutes % 60.0);
    if hours < 24.0 {
        return format!("{all} ({hours:02.0}:{minutes:02.0}:{rest:06.3})");
    }
    format!("{all} ({:.0} d {:02.0}:{minutes:02.0}:{rest:06.3})", (hours / 24.0).floor(), hours % 24.0)
}

/// `LINE 1: …` with a caret below the character at `position` (from 1), as libpq draws it.
fn place(statement: &str, position: usize) -> Option<String> {
    // One past the end is a place too: where something is missing.
    let characters: Vec<char> = statement.chars().map(|c| if c == '\t' { ' ' } else { c }).collect();
    let at = position.checked_sub(1).filter(|at| *at <= characters.len())?;
    let line_end = |c: &char| matches!(c, '\n' | '\r');
    let begin = characters[..at].iter().rposition(line_end).map_or(0, |end| end + 1);
    let end = characters[at..].iter().position(line_end).map_or(characters.len(), |end| at + end);
    let number = 1 + statement.chars().take(begin).filter(|c| *c == '\n').count();

    let columns = |from: usize, to: usize| characters[from..to].iter().map(|c| width::of_char(*c)).sum::<usize>();
    let (mut first, mut last) = (begin, end);
    let (mut cut_before, mut cut_behind) = (false, false);
    if columns(first, last) > SHOWN {
        if columns(first, at) + BEHIND <= SHOWN {
            while columns(first, last) > SHOWN {
                last -= 1;
            }
            cut_behind = true;
        } else {
            while last > at && columns(at, last) > BEHIND {
                last -= 1;
                cut_behind = true;
            }
            while columns(first, last) > SHOWN {
                first += 1;
                cut_before = true;
            }
        }
    }
    let head = format!("LINE {number}: {}", if cut_before { "..." } else { "" });
    let shown: String = characters[first..last].iter().collect();
    let indent = width::of(&head) + columns(first, at);
    Some(format!("{head}{shown}{}\n{:indent$}^\n", if cut_behind { "..." } else { "" }, ""))
}

#[cfg(test)]
mod tests {
    use warpwise_engine::Condition;

    use super::*;

    fn at(statement: &str, position: usize) -> String {
        error(&Error::new(Condition::SyntaxError, "m").at(position), statement)
    }

    #[test]
    fn the_place_is_marked() {
        assert_eq!(at("selec 1", 1), "ERROR:  m\nLINE 1: selec 1\n        ^\n");
        assert_eq!(at("select\n\tx\nfrom y", 9), "ERROR:  m\nLINE 2:  x\n         ^\n");
        assert_eq!(at("select 'ü', y", 13), "ERROR:  m\nLINE 1: select 'ü', y\n                    ^\n");
        assert_eq!(at("select (", 9), "ERROR:  m\nLINE 1: select (\n                ^\n");
        assert_eq!(at("", 1), "ERROR:  m\nLINE 1: \n        ^\n");
        assert_eq!(at("x", 99), "ERROR:  m\n");
        assert_eq!(at("x", 0), "ERROR:  m\n");
    }

    #[test]
    fn long_lines_are_cut() {
        // As psql 15 shows them.
        let behind = format!("select repeat('a',20) from nosuch where {} = 1", "a".repeat(52));
        let shown = format!("LINE 1: select repeat('a',20) from nosuch where {}...\n{}^\n", "a".repeat(20), " ".repeat(35));
        assert_eq!(at(&behind, 28), format!("ERROR:  m\n{shown}"));
        let before = format!("select '{}', {}, d", "b".repeat(81), "c".repeat(34));
        let shown = format!("LINE 1: ...{}', {}...\n{}^\n", "b".repeat(47), "c".repeat(10), " ".repeat(61));
        assert_eq!(at(&before, 93), format!("ERROR:  m\n{shown}"));
    }

    #[test]
    fn times_have_psqls_units() {
        assert_eq!(time(Duration::from_micros(12_345)), "Time: 12.345 ms");
        assert_eq!(time(Duration::from_millis(61_500)), "Time: 61500.000 ms (01:01.500)");
        assert_eq!(time(Duration::from_secs(3600 * 25 + 61)), "Time: 90061000.000 ms (1 d 01:01:01.000)");
    }
}
