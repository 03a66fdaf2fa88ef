//! A scan of a table.

use std::sync::Arc;

use super::plan::{Chain, Stage};
use super::refusal::Refusal;
use crate::exec::table_scan::{TableRows, TableScanExec};

/// The chain that begins with this scan.
pub fn scan(scan: &TableScanExec) -> Result<Chain, Refusal> {
    let table = scan.table();
    if let TableRows::Elsewhere(why) = &table.rows {
        return Err(Refusal::new(format!("scan of {}", table.name), *why));
    }
    if scan.limit().is_some() {
        return Err(Refusal::new(format!("scan of {}", table.name), "a scan with a limit streams from DataFusion"));
    }
    let schema = arrow::datatypes::Schema::new(
        scan.projection().iter().map(|at| Arc::clone(&table.schema.fields()[*at])).collect::<Vec<_>>(),
    );
    let mut chain = Chain {
        table: Arc::clone(table),
        projection: scan.projection().to_vec(),
        stages: vec![Stage::over(Arc::new(schema))],
        operators: Vec::new(),
    };
    chain.note("Scan", table.name.clone());
    Ok(chain)
}
