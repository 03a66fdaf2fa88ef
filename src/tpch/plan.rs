//! What EXPLAIN tells of a query's operators.

use std::collections::BTreeSet;

/// Who did a query's work.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Operators {
    /// DataFusion's operators in the plan, each once, by name.
    pub host: Vec<String>,
    /// Whether a device ran any part of it.
    pub on_device: bool,
    /// The most rows that any of them gave, where the plan was run: a plan prints large numbers with three digits.
    pub host_rows: Option<u64>,
}

/// Reads the lines of a plan.
pub fn operators<'a>(lines: impl Iterator<Item = &'a str>) -> Operators {
    let mut host = BTreeSet::new();
    let (mut host_rows, mut on_device, mut root) = (None, false, true);
    for line in lines {
        let name: String = line.trim_start().chars().take_while(char::is_ascii_alphanumeric).collect();
        if !name.ends_with("Exec") {
            continue;
        }
        if name == "DeviceExec" && !line.contains("device=datafusion") {
            on_device = true;
            if !root {
                // DataFusion's operator above takes these rows.
                host_rows = host_rows.max(output_rows(line));
            }
            root = false;
            continue;
        }
        if name == "CooperativeExec" || name == "OutputRequirementExec" {
            // They pass rows on.
            continue;
        }
        root = false;
        host_rows = host_rows.max(output_rows(line));
        host.insert(name);
    }
    Operators { host: host.into_iter().collect(), on_device, host_rows }
}

/// `output_rows=6.00 M` among a line's metrics.
fn output_rows(line: &str) -> Option<u64> {
    let (_, rest) = line.split_once("output_rows=")?;
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    let number: f64 = rest[..end].parse().ok()?;
    let factor = match rest[end..].trim_start().chars().next() {
        Some('K') => 1e3,
        Some('M') => 1e6,
        Some('B') => 1e9,
        Some('T') => 1e12,
        Some(_) | None => 1.0,
    };
    Some((number * factor).round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_and_rows_are_read() {
        let plan = [
            "SortPreservingMergeExec: [a@0 ASC], metrics=[output_rows=4, elapsed_compute=1.2us]",
            "  AggregateExec: mode=Final, metrics=[output_rows=4, elapsed_compute=1ms]",
            "    AggregateExec: mode=Partial, metrics=[output_rows=8]",
            "      DataSourceExec: file_groups={…}, metrics=[output_rows=6.00 M, elapsed_compute=1ms]",
            "Rows: 4",
        ];
        let found = operators(plan.into_iter());
        assert_eq!(found.host, ["AggregateExec", "DataSourceExec", "SortPreservingMergeExec"]);
        assert_eq!(found.host_rows, Some(6_000_000));
        assert_eq!(operators(["FilterExec: a > 1"].into_iter()).host_rows, None);
        assert_eq!(output_rows("output_rows=1.53 K]"), Some(1530));
        assert_eq!(output_rows("output_rows="), None);
    }
}
