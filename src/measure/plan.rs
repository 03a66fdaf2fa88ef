//! What EXPLAIN tells of a query's operators.

use std::collections::BTreeSet;

/// Who did a query's work.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Operators {
    /// DataFusion's operators in the plan, each once, by name.
    pub host: Vec<String>,
    /// Whether a device ran any part of it.
    pub on_device: bool,
    /// The most rows that any of them gave, where the plan was run.
    pub host_rows: Option<u64>,
    /// The bytes of columns that devices read, where the plan was run.
    pub bytes: u64,
    /// Devices that were to run a part and did not, and why.
    pub failures: Vec<String>,
}

impl Operators {
    /// Whether a device did all that takes more rows than the result has.
    pub fn offloaded(&self, rows: u64) -> bool {
        self.on_device && self.host_rows.is_none_or(|host| host <= rows)
    }
}

/// Reads the lines of a plan.
pub fn operators<'a>(lines: impl Iterator<Item = &'a str>) -> Operators {
    let mut host = BTreeSet::new();
    let (mut host_rows, mut on_device, mut root) = (None, false, true);
    let (mut bytes, mut failures) = (0, Vec::new());
    for line in lines {
        bytes += bytes_read(line);
        let name: String = line.trim_start().chars().take_while(char::is_ascii_alphanumeric).collect();
        if !name.ends_with("Exec") {
            continue;
        }
        if name == "DeviceExec" {
            failures.extend(line.split(", not ").skip(1).map(|why| why.split(", metrics=").next().unwrap_or(why).to_owned()));
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
    Operators { host: host.into_iter().collect(), on_device, host_rows, bytes, failures }
}

/// `output_rows=6001215` among a line's metrics.
fn output_rows(line: &str) -> Option<u64> {
    let (_, rest) = line.split_once("output_rows=")?;
    let end = rest.find([',', ']']).unwrap_or(rest.len());
    rest[..end].parse().ok()
}

/// `[rows=4, time=1.2 ms, 11.0 MB, …]` behind what a device did.
fn bytes_read(line: &str) -> u64 {
    let Some((_, rest)) = line.split_once("[rows=") else { return 0 };
    let megabytes = rest.split(", ").find_map(|part| part.strip_suffix(" MB")?.parse::<f64>().ok());
    (megabytes.unwrap_or(0.0) * 1e6) as u64
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
            "      DataSourceExec: file_groups={…}, metrics=[output_rows=6001215, elapsed_compute=1ms]",
            "Rows: 4",
        ];
        let found = operators(plan.into_iter());
        assert_eq!(found.host, ["AggregateExec", "DataSourceExec", "SortPreservingMergeExec"]);
        assert_eq!(found.host_rows, Some(6_001_215));
        assert_eq!(operators(["FilterExec: a > 1"].into_iter()).host_rows, None);
        let sorted = ["SortExec: expr=[a], metrics=[output_rows=1048]", "DeviceExec: device=cpu, metrics=[output_rows=1048]"];
        let sorted = operators(sorted.into_iter());
        assert!(sorted.offloaded(1048) && !sorted.offloaded(1047));
        assert_eq!(output_rows("output_rows="), None);
        let plan = [
            "DeviceExec: device=cpu, not cuda:0: out of memory, metrics=[output_rows=4]",
            "  CpuAggregate: count(*) [rows=4, time=12.100 ms, 11.0 MB, 5.4 GB/s, 40 % of peak, compile=0.600 ms]",
            "    CpuScan: lineitem [loaded 3.0 MB in 1.0 ms]",
        ];
        let found = operators(plan.into_iter());
        assert_eq!((found.bytes, found.failures, found.on_device), (11_000_000, vec!["cuda:0: out of memory".to_owned()], true));
    }
}
