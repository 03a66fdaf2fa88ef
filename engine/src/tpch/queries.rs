//! The 22 query texts, ready to run on PostgreSQL and on Warpwise.
//!
//! They are the specification's functional definitions (clause 2.4), as `tpchgen` has them, with parameters filled
//! in and rows limited (clause 2.1.2.9). Two differ in form: Q1's interval loses its precision, which PostgreSQL does not
//! take, and Q15's view is a common table expression, so that a query is one statement (the specification allows both).

use tpchgen::q_and_a::queries;

use super::parameters;
use super::scale::Scale;

/// How many queries there are.
pub const COUNT: u8 = 22;

/// One query, ready to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// From 1 to 22.
    pub number: u8,
    /// One statement, without a semicolon.
    pub text: String,
    /// What was filled in.
    pub parameters: Vec<String>,
}

impl Query {
    /// `q1`.
    pub fn name(&self) -> String {
        format!("q{}", self.number)
    }

    /// The text as a file that psql runs.
    pub fn file(&self) -> String {
        format!("-- TPC-H query {}, parameters: {}\n{};\n", self.number, self.parameters.join(", "), self.text)
    }
}

/// A query with the parameters of a validation run; none where there is no such query.
pub fn validation(number: u8, scale: Scale) -> Option<Query> {
    query(number, parameters::validation(number, scale))
}

/// A query with parameters drawn from a seed; none where there is no such query.
pub fn varied(number: u8, seed: u64, scale: Scale) -> Option<Query> {
    query(number, parameters::drawn(number, seed, scale))
}

/// To how many rows a query's result is cut (clause 2.1.2.9).
fn limit(number: u8) -> Option<u32> {
    match number {
        2 | 18 | 21 => Some(100),
        3 => Some(10),
        10 => Some(20),
        _ => None,
    }
}

fn query(number: u8, parameters: Vec<String>) -> Option<Query> {
    let template = queries::query(i32::from(number))?;
    let template = match number {
        1 => template.replace("day (3)", "day"),
        15 => without_view(template)?,
        _ => template.to_owned(),
    };
    let mut text = fill(template.trim().trim_end_matches(';'), &parameters);
    if let Some(rows) = limit(number) {
        text.push_str(&format!("\nlimit\n\t{rows}"));
    }
    Some(Query { number, text, parameters })
}

/// `create view revenue:s (…) as …; select …; drop view …` as `with revenue (…) as (…) select …`.
fn without_view(template: &str) -> Option<String> {
    let mut statements = template.split(';').map(str::trim);
    let (view, select) = (statements.next()?, statements.next()?);
    let (head, body) = view.strip_prefix("create view revenue:s")?.split_once(" as\n")?;
    Some(format!("with revenue{head} as (\n{body}\n)\n{}", select.replace("revenue:s", "revenue")))
}

/// Puts each parameter where its number stands behind a colon.
fn fill(template: &str, parameters: &[String]) -> String {
    let mut text = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(colon) = rest.find(':') {
        let (before, after) = (&rest[..colon], &rest[colon + 1..]);
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        let value = after[..digits].parse::<usize>().ok().and_then(|number| parameters.get(number.checked_sub(1)?));
        text.push_str(before);
        match value {
            Some(value) => text.push_str(value),
            None => text.push_str(&rest[colon..colon + 1 + digits]),
        }
        rest = &after[digits..];
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_query_is_filled_and_one_statement() {
        for number in 1..=COUNT {
            for query in [validation(number, Scale::ONE).unwrap(), varied(number, 7, Scale::ONE).unwrap()] {
                assert!(!query.text.contains([':', ';']), "{}", query.text);
                assert!(
                    query.text.starts_with("select") || query.text.starts_with("with revenue (supplier_no"),
                    "{}",
                    query.text
                );
                assert!(query.parameters.iter().all(|value| query.text.contains(value.as_str())), "{query:?}");
            }
        }
        assert_eq!(validation(0, Scale::ONE), None);
        assert_eq!(validation(23, Scale::ONE), None);
    }

    #[test]
    fn numbers_of_two_digits_are_whole() {
        let ten: Vec<String> = ('a'..='j').map(String::from).collect();
        assert_eq!(fill("(:1, :10) :x :11 :", &ten), "(a, j) :x :11 :");
    }

    #[test]
    fn results_are_cut() {
        assert!(validation(10, Scale::ONE).unwrap().text.ends_with("revenue desc\nlimit\n\t20"));
        assert!(validation(1, Scale::ONE).unwrap().file().contains("interval '90' day\n"));
        assert!(validation(15, Scale::ONE).unwrap().text.contains("max(total_revenue)\n\t\tfrom\n\t\t\trevenue\n"));
    }
}
