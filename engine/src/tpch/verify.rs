//! Rows against the official answers at scale 1, by the rules of clause 2.1.3.5 of the specification.
//!
//! | what | rule |
//! |---|---|
//! | values that are in a table, counts, grouping columns | equal |
//! | ratios and averages | rounded to 1/100, within 1 % of the answer |
//! | sums | within 100 of the answer |
//!
//! Every value is compared, in the order of the answer; rows that ORDER BY leaves in any order may come in any. Beside the
//! rules it is counted how many values have exactly the digits that the answer prints.
//!
//! The answer to Q11, as `tpchgen` has it, shows of its keys only the first four of six columns (`1297` for 129760,
//! ` 344` for 34452): they are compared as far as they are shown, and their sums in full.

use tpchgen::q_and_a::QueryAndAnswer;

/// How far a value may be from the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// The same text, but for spaces at its ends.
    Text,
    /// The same number.
    Number,
    /// The same number, as far as the answer shows it.
    CutNumber,
    /// A sum.
    Sum,
    /// A ratio or an average.
    Ratio,
}

use Rule::{CutNumber, Number, Ratio, Sum, Text};

/// What is known of a query's result: a rule for each column, and the columns of its ORDER BY.
struct Shape {
    columns: &'static [Rule],
    order: &'static [usize],
}

const fn shape(columns: &'static [Rule], order: &'static [usize]) -> Shape {
    Shape { columns, order }
}

/// The queries' shapes, from Q1 on.
const SHAPES: [Shape; 22] = [
    shape(&[Text, Text, Sum, Sum, Sum, Sum, Ratio, Ratio, Ratio, Number], &[0, 1]),
    shape(&[Number, Text, Text, Number, Text, Text, Text, Text], &[0, 2, 1, 3]),
    shape(&[Number, Sum, Text, Number], &[1, 2]),
    shape(&[Text, Number], &[0]),
    shape(&[Text, Sum], &[1]),
    shape(&[Sum], &[]),
    shape(&[Text, Text, Number, Sum], &[0, 1, 2]),
    shape(&[Number, Ratio], &[0]),
    shape(&[Text, Number, Sum], &[0, 1]),
    shape(&[Number, Text, Sum, Number, Text, Text, Text, Text], &[2]),
    shape(&[CutNumber, Sum], &[1]),
    shape(&[Text, Number, Number], &[0]),
    shape(&[Number, Number], &[1, 0]),
    shape(&[Ratio], &[]),
    shape(&[Number, Text, Text, Text, Sum], &[0]),
    shape(&[Text, Text, Number, Number], &[3, 0, 1, 2]),
    shape(&[Ratio], &[]),
    shape(&[Text, Number, Number, Text, Number, Sum], &[4, 3]),
    shape(&[Sum], &[]),
    shape(&[Text, Text], &[0]),
    shape(&[Text, Number], &[1, 0]),
    shape(&[Text, Number, Sum], &[0]),
];

/// By how much a sum may differ.
const SUM_TOLERANCE: f64 = 100.0;
/// Differences beyond these are only counted.
const SHOWN: usize = 5;

/// What a comparison came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Rows in the result.
    pub rows: usize,
    /// Values compared.
    pub cells: usize,
    /// Values with exactly the digits of the answer.
    pub exact: usize,
    /// Values outside the rules, and rows too many or too few.
    pub wrong: usize,
    /// The first of the differences, in sentences.
    pub differences: Vec<String>,
}

impl Verdict {
    /// Whether the result is the official answer.
    pub fn holds(&self) -> bool {
        self.wrong == 0
    }

    fn differ(&mut self, sentence: impl FnOnce() -> String) {
        self.wrong += 1;
        if self.differences.len() < SHOWN {
            self.differences.push(sentence());
        }
    }
}

/// The official answer to a query at scale 1: its rows as text, trimmed. None where there is no such query.
pub fn answer(number: u8) -> Option<Vec<Vec<String>>> {
    let answer = QueryAndAnswer::new(i32::from(number), 1.0).ok()?;
    let lines = answer.answer().lines().filter(|line| !line.trim().is_empty()).skip(1);
    Some(lines.map(|line| line.split('|').map(|cell| cell.trim().to_owned()).collect()).collect())
}

/// Compares the rows of a query at scale 1, values as PostgreSQL's text, with the official answer.
///
/// None where there is no such query.
pub fn verify(number: u8, rows: &[Vec<Option<String>>]) -> Option<Verdict> {
    let shape = SHAPES.get(usize::from(number).checked_sub(1)?)?;
    Some(compare(shape, &answer(number)?, rows))
}

fn compare(shape: &Shape, answer: &[Vec<String>], rows: &[Vec<Option<String>>]) -> Verdict {
    let mut verdict = Verdict { rows: rows.len(), ..Verdict::default() };
    if rows.len() != answer.len() {
        verdict.differ(|| format!("{} rows instead of {}", rows.len(), answer.len()));
    }
    if let Some(row) = rows.iter().find(|row| row.len() != shape.columns.len()) {
        verdict.differ(|| format!("{} columns instead of {}", row.len(), shape.columns.len()));
        return verdict;
    }
    let both = answer.len().min(rows.len());
    let mut start = 0;
    while start < both {
        let key = |row: &Vec<String>| shape.order.iter().map(|column| row.get(*column).cloned()).collect::<Vec<_>>();
        let first = key(&answer[start]);
        let ties = answer[start..both].iter().take_while(|row| key(row) == first).count().max(1);
        let mut expected: Vec<(usize, &Vec<String>)> = (start..).zip(&answer[start..start + ties]).collect();
        let mut found: Vec<&Vec<Option<String>>> = rows[start..start + ties].iter().collect();
        if ties > 1 {
            expected.sort_by_cached_key(|(_, row)| tie_key(shape, |column| row.get(column).map(String::as_str)));
            found.sort_by_cached_key(|row| tie_key(shape, |column| row.get(column).and_then(Option::as_deref)));
        }
        for ((at, expected), found) in expected.into_iter().zip(found) {
            compare_row(shape, at, expected, found, &mut verdict);
        }
        start += ties;
    }
    verdict
}

/// What puts tied rows in one order on both sides: values that must be equal before those that may differ.
fn tie_key<'a>(shape: &Shape, cell: impl Fn(usize) -> Option<&'a str>) -> Vec<String> {
    let canonical = |column: usize, rule: Rule| {
        let text = cell(column).unwrap_or_default().trim();
        match rule {
            // A cut number stands where the whole one does.
            Text | CutNumber => text.to_owned(),
            Number | Sum | Ratio => canonical_number(text).unwrap_or_else(|| text.to_owned()),
        }
    };
    let columns = || shape.columns.iter().copied().enumerate();
    let strict = columns().filter(|(_, rule)| matches!(rule, Text | Number | CutNumber));
    let loose = columns().filter(|(_, rule)| matches!(rule, Sum | Ratio));
    strict.chain(loose).map(|(column, rule)| canonical(column, rule)).collect()
}

fn compare_row(shape: &Shape, at: usize, expected: &[String], found: &[Option<String>], verdict: &mut Verdict) {
    for (column, rule) in shape.columns.iter().enumerate() {
        let wanted = expected.get(column).map(String::as_str).unwrap_or_default();
        let place = || format!("row {}, column {}", at + 1, column + 1);
        verdict.cells += 1;
        let Some(value) = found[column].as_deref().map(str::trim) else {
            verdict.differ(|| format!("{}: NULL instead of {wanted}", place()));
            continue;
        };
        let (within, exact) = judge(*rule, wanted, value);
        verdict.exact += usize::from(exact);
        if !within {
            verdict.differ(|| format!("{}: {value} instead of {wanted}", place()));
        }
    }
}

/// Whether a value is within its rule, and whether it has the digits of the answer.
fn judge(rule: Rule, wanted: &str, value: &str) -> (bool, bool) {
    match rule {
        Text => (wanted == value, wanted == value),
        Number => {
            let equal = canonical_number(wanted).is_some_and(|number| canonical_number(value) == Some(number));
            (equal, equal)
        }
        CutNumber => {
            let equal = !wanted.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) && cut(value) == wanted;
            (equal, equal)
        }
        Sum | Ratio => {
            let (Some(wanted_cents), Some(value_cents)) = (cents(wanted), cents(value)) else { return (false, false) };
            let within = match (rule, wanted.parse::<f64>(), value.parse::<f64>()) {
                (Sum, Ok(wanted), Ok(value)) => (wanted - value).abs() <= SUM_TOLERANCE,
                (Ratio, Ok(_), Ok(_)) => {
                    let (low, high) = (99 * wanted_cents, 101 * wanted_cents);
                    (low.min(high)..=low.max(high)).contains(&(100 * value_cents))
                }
                (_, _, _) => false,
            };
            (within, wanted_cents == value_cents)
        }
    }
}

/// The first four of the six columns in which a number stands at the right.
fn cut(number: &str) -> &str {
    number.get(..number.len().saturating_sub(2)).filter(|_| number.len() <= 6).unwrap_or(number)
}

/// A plain decimal's sign, digits before the point and digits behind it.
fn digits(text: &str) -> Option<(bool, &str, &str)> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    (!(whole.is_empty() && fraction.is_empty()) && all_digits(whole) && all_digits(fraction))
        .then_some((negative, whole, fraction))
}

/// One text for each number: `+007.50` has none, `007.50` is `7.5`.
fn canonical_number(text: &str) -> Option<String> {
    let (negative, whole, fraction) = digits(text)?;
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    let sign = if negative && !(whole.is_empty() && fraction.is_empty()) { "-" } else { "" };
    let whole = if whole.is_empty() { "0" } else { whole };
    Some(if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") })
}

/// A number in hundredths, rounded half away from zero. Floats may have an exponent.
fn cents(text: &str) -> Option<i128> {
    let expanded;
    let (negative, whole, fraction) = match digits(text) {
        Some(parts) => parts,
        None => {
            expanded = format!("{:.6}", text.parse::<f64>().ok().filter(|value| value.is_finite() && value.abs() < 1e30)?);
            digits(&expanded)?
        }
    };
    let digit = |at: usize| fraction.as_bytes().get(at).map_or(0, |byte| i128::from(byte - b'0'));
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let unsigned =
        whole.checked_mul(100).filter(|value| *value < i128::MAX / 1000)? + digit(0) * 10 + digit(1) + i128::from(digit(2) >= 5);
    Some(if negative { -unsigned } else { unsigned })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(answer: &[Vec<String>]) -> Vec<Vec<Option<String>>> {
        answer.iter().map(|row| row.iter().cloned().map(Some).collect()).collect()
    }

    /// A result that is the answer.
    fn result(number: u8, answer: &[Vec<String>]) -> Vec<Vec<Option<String>>> {
        let mut rows = rows(answer);
        if number == 11 {
            rows.iter_mut().for_each(|row| row[0].iter_mut().for_each(|key| key.push_str("07")));
        }
        rows
    }

    #[test]
    fn every_answer_verifies_itself() {
        for number in 1..=22 {
            let answer = answer(number).unwrap();
            let verdict = verify(number, &result(number, &answer)).unwrap();
            assert!(verdict.holds(), "q{number}: {verdict:?}");
            assert_eq!(verdict.cells, answer.len() * SHAPES[usize::from(number) - 1].columns.len());
            assert_eq!(verdict.exact, verdict.cells, "q{number}");
        }
        assert_eq!(verify(0, &[]), None);
        assert_eq!(verify(23, &[]), None);
    }

    #[test]
    fn any_other_value_is_noticed() {
        for number in 1..=22 {
            let answer = answer(number).unwrap();
            for column in 0..answer[0].len() {
                let mut changed = result(number, &answer);
                changed[0][column] = Some(format!("1{}", answer[0][column]));
                assert!(!verify(number, &changed).unwrap().holds(), "q{number} column {column}");
                changed[0][column] = None;
                assert!(!verify(number, &changed).unwrap().holds(), "q{number} column {column}");
            }
            let mut fewer = result(number, &answer);
            fewer.pop();
            assert!(!verify(number, &fewer).unwrap().holds(), "q{number}");
            if answer.len() > 1 {
                let mut turned = result(number, &answer);
                turned.reverse();
                assert!(!verify(number, &turned).unwrap().holds(), "q{number}: the order does not matter");
            }
        }
    }

    #[test]
    fn the_rules_of_precision() {
        assert_eq!(judge(Sum, "123141078.23", "123141078.2283"), (true, true));
        assert_eq!(judge(Sum, "123141078.23", "123141178.22"), (true, false));
        assert_eq!(judge(Sum, "123141078.23", "123141178.24"), (false, false));
        assert_eq!(judge(Ratio, "0.03", "0.03443589040665479743"), (true, true));
        assert_eq!(judge(Ratio, "0.03", "0.036"), (false, false));
        assert_eq!(judge(Ratio, "25.52", "25.7"), (true, false));
        assert_eq!(judge(Ratio, "25.52", "2.552e1"), (true, true));
        assert_eq!(judge(Number, "1995", "1995.0"), (true, true));
        assert_eq!(judge(Number, "1995", "1995.01"), (false, false));
        assert_eq!(judge(Number, "1995", "abc"), (false, false));
        assert_eq!(judge(CutNumber, "1297", "129760"), (true, true));
        assert_eq!(judge(CutNumber, "344", "34452"), (true, true));
        assert_eq!(judge(CutNumber, "344", "344"), (false, false));
        assert_eq!(judge(CutNumber, "1297", "1297607"), (false, false));
        assert_eq!(judge(Text, "13", "13"), (true, true));
        for odd in ["", "-", ".", "NaN", "Infinity", "1e999", &"9".repeat(60)] {
            assert!(!judge(Sum, "1.00", odd).0 && !judge(Ratio, "1.00", odd).0, "{odd}");
        }
    }

    #[test]
    fn rounding_is_half_away_from_zero() {
        assert_eq!(
            [cents("0.005"), cents("-0.005"), cents("1.994999"), cents(".5"), cents("7")].map(Option::unwrap),
            [1, -1, 199, 50, 700]
        );
    }

    #[test]
    fn tied_rows_may_come_in_any_order() {
        let shape = shape(&[Number, Sum], &[1]);
        let answer = [["1", "5.00"], ["2", "5.00"], ["3", "4.00"]].map(|row| row.map(str::to_owned).to_vec());
        let mut rows = rows(&answer);
        rows.swap(0, 1);
        assert!(compare(&shape, &answer, &rows).holds());
        rows.swap(1, 2);
        assert!(!compare(&shape, &answer, &rows).holds());
    }
}
