//! What EXPLAIN says of devices: below each DeviceExec the operators that it stands for, and what was refused.

use std::sync::Arc;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::physical_plan::ExecutionPlan;

use super::device_exec::{DeviceExec, device_nodes};
use super::devices::Devices;
use super::report::{BuildReport, Report, StageReport};
use crate::offload::Refusal;
use crate::offload::foresee::foresee;
use crate::offload::lower::Knowledge;
use crate::offload::plan::Chain;

/// The lines of a printed plan, with what its devices do below each of them.
pub fn with_operators(plan: &Arc<dyn ExecutionPlan>, lines: impl Iterator<Item = String>) -> Vec<String> {
    let nodes = device_nodes(plan);
    let mut nodes = nodes.iter().filter_map(|node| node.downcast_ref::<DeviceExec>());
    let mut text = Vec::new();
    let lines: Vec<String> = lines.collect();
    for line in with_exact_rows(plan, lines) {
        let indent = line.len() - line.trim_start().len();
        let is_device = line.trim_start().starts_with("DeviceExec");
        text.push(line);
        if let Some(node) = if is_device { nodes.next() } else { None } {
            text.extend(operators(node, indent));
        }
    }
    text
}

/// The lines of a plan, one for each node, with all digits of the rows that nodes gave: DataFusion prints three.
fn with_exact_rows(plan: &Arc<dyn ExecutionPlan>, lines: Vec<String>) -> Vec<String> {
    let mut rows = Vec::new();
    let _ = plan.apply(|node| {
        rows.push(node.metrics().and_then(|metrics| metrics.output_rows()));
        Ok(TreeNodeRecursion::Continue)
    });
    if rows.len() != lines.len() {
        return lines;
    }
    let exact = |(line, rows): (String, Option<usize>)| match (line.split_once("output_rows="), rows) {
        (Some((front, rest)), Some(rows)) => {
            let end = rest.find([',', ']']).unwrap_or(rest.len());
            format!("{front}output_rows={rows}{}", &rest[end..])
        }
        (_, _) => line,
    };
    lines.into_iter().zip(rows).map(exact).collect()
}

fn operators(node: &DeviceExec, indent: usize) -> Vec<String> {
    let report = node.report();
    let device = match &report {
        Some(report) if report.device.is_empty() => return vec![],
        Some(report) => report.device.clone(),
        None => node.device(),
    };
    let prefix = match device.split(':').next().unwrap_or_default() {
        "cpu" => "Cpu",
        "cuda" => "Cuda",
        "emulated" => "Emulated",
        _ => "Device",
    };
    let mut lines = Vec::new();
    Operators { devices: node.devices(), device: &device, prefix, lines: &mut lines }.of(
        node.chain(),
        report.as_ref(),
        indent + 2,
    );
    lines
}

/// The operators of chains, line by line.
struct Operators<'a> {
    devices: &'a Devices,
    device: &'a str,
    prefix: &'a str,
    lines: &'a mut Vec<String>,
}

impl Operators<'_> {
    /// Those of a chain from the last one down, each further in than the one above; below a join first its build side.
    fn of(&mut self, chain: &Chain, report: Option<&Report>, mut indent: usize) {
        for at in (0..chain.operators.len()).rev() {
            let operator = &chain.operators[at];
            let last_of_stage = chain.operators.get(at + 1).is_none_or(|next| next.stage != operator.stage);
            let mut line = format!("{:indent$}{}{}: {}", "", self.prefix, operator.name, operator.detail);
            if let Some(report) = report
                && last_of_stage
                && let Some(stage) = report.stages.get(operator.stage)
            {
                line.push_str(&measured(stage, self.devices, self.device));
            }
            if operator.name == "Scan" {
                line.push_str(&match report {
                    Some(report) => loaded(report),
                    None => unread(self.devices.inputs.unread(chain)),
                });
            }
            indent += 2;
            if let Some(union) = &operator.union {
                self.lines.push(line);
                let reports = report.and_then(|report| report.unions.get(&union.id));
                for (at, (_, other)) in union.others.iter().enumerate() {
                    self.of(other, reports.and_then(|reports| reports.get(at)), indent);
                }
                continue;
            }
            let Some(join) = &operator.join else {
                self.lines.push(line);
                continue;
            };
            let build = report.and_then(|report| report.builds.get(&join.id));
            if let Some(build) = build {
                line.push_str(&grouped(build, report.and_then(|report| report.stages.get(operator.stage))));
            }
            self.lines.push(line);
            self.of(&join.build, build.map(|build| &build.report), indent);
        }
    }
}

/// What a join met: `[build rows=1000 direct, grouped in 0.100 ms, probe rows=60175]`.
fn grouped(build: &BuildReport, stage: Option<&StageReport>) -> String {
    let probe = stage.map_or(String::new(), |stage| format!(", probe rows={}", stage.counters.rows));
    let time = build.group.as_secs_f64() * 1e3;
    let rows = if build.marks { "marked rows" } else { "build rows" };
    format!(" [{rows}={} {}, grouped in {time:.3} ms{probe}]", build.rows, build.form)
}

/// What one stage took: `[rows=4, time=12.1 ms, 11.0 MB, 5.4 GB/s, 40 % of peak, compile=0.6 ms]`.
fn measured(stage: &StageReport, devices: &Devices, device: &str) -> String {
    if stage.shared {
        return format!(" [rows={}, computed elsewhere in the plan]", stage.rows);
    }
    let seconds = stage.counters.time.as_secs_f64();
    let bytes = stage.counters.bytes as f64;
    let mut parts = vec![format!("rows={}", stage.rows), format!("time={:.3} ms", seconds * 1e3)];
    if bytes > 0.0 {
        parts.push(format!("{:.1} MB", bytes / 1e6));
        if seconds > 0.0 {
            let rate = bytes / seconds;
            parts.push(format!("{:.1} GB/s", rate / 1e9));
            if let Some(peak) = devices.bandwidth(device) {
                parts.push(format!("{:.0} % of peak", 100.0 * rate / peak));
            }
        }
    }
    parts.push(format!("compile={:.3} ms", stage.compile.as_secs_f64() * 1e3));
    if !stage.sort.is_zero() {
        parts.push(format!("sorted in {:.3} ms", stage.sort.as_secs_f64() * 1e3));
    }
    if stage.skipped > 0 {
        parts.push(format!("chunks skipped={}", stage.skipped));
    }
    if stage.counters.launches > 0 {
        parts.push(format!("launches={}", stage.counters.launches));
    }
    if stage.counters.streamed > 0 {
        parts.push(format!(
            "streamed={:.1} MB in {} chunks",
            stage.counters.streamed as f64 / 1e6,
            stage.counters.streamed_chunks
        ));
    }
    format!(" [{}]", parts.join(", "))
}

/// What a first run would read beforehand.
fn unread(bytes: u64) -> String {
    if bytes == 0 { String::new() } else { format!(" [reads up to {:.1} MB of files first]", bytes as f64 / 1e6) }
}

fn loaded(report: &Report) -> String {
    let mut parts = Vec::new();
    if report.loaded > 0 {
        parts.push(format!("loaded {:.1} MB in {:.1} ms", report.loaded as f64 / 1e6, report.load.as_secs_f64() * 1e3));
    }
    if report.parts > 0 {
        parts.push(format!("streamed {:.1} MB in {} parts", report.streamed as f64 / 1e6, report.parts));
    }
    if report.unwanted > 0 {
        parts.push(format!("row groups left out={} of {}", report.unwanted, report.segments));
    }
    if parts.is_empty() { String::new() } else { format!(" [{}]", parts.join(", ")) }
}

/// What stays with DataFusion, and why.
pub fn refusals(device: &str, refusals: &[Refusal]) -> Vec<String> {
    if refusals.is_empty() {
        return vec![];
    }
    let mut lines = vec![format!("Not on {device}:")];
    lines.extend(refusals.iter().map(|refusal| format!("  {refusal}")));
    lines
}

/// The row programs and the CUDA C++ of a plan, for EXPLAIN (CODEGEN).
pub fn programs(plan: &Arc<dyn ExecutionPlan>) -> Vec<String> {
    let mut text = Vec::new();
    for node in device_nodes(plan).iter().filter_map(|node| node.downcast_ref::<DeviceExec>()) {
        text.extend(chain_programs(node.chain(), node.devices()));
    }
    text
}

fn chain_programs(chain: &Chain, devices: &Devices) -> Vec<String> {
    let mut text = Vec::new();
    let mut knowledge = Knowledge::Data;
    let foreseen = foresee(chain, &devices.inputs, &mut knowledge);
    if knowledge == Knowledge::Types {
        text.push("-- not all columns are loaded yet: their types are the widest".to_owned());
    }
    let programs = match foreseen {
        Ok(Some(foreseen)) => foreseen.programs,
        Ok(None) => {
            text.push("-- no program: what lies in columns that are not loaded yet decides".to_owned());
            Vec::new()
        }
        Err(refusal) => {
            text.push(format!("-- no program: {refusal}"));
            Vec::new()
        }
    };
    for (at, (table, pipeline)) in programs.iter().enumerate() {
        text.push(format!("-- row program of pipeline {at} over {table}"));
        text.extend(pipeline.to_string().lines().map(str::to_owned));
        text.push(format!("-- CUDA C++ of pipeline {at}"));
        text.extend(cuda_text(pipeline).lines().map(str::to_owned));
    }
    text
}

fn cuda_text(pipeline: &warpwise_gpu::program::Pipeline) -> String {
    match warpwise_gpu::codegen::cuda::generate(pipeline) {
        Ok(source) => source.listing,
        Err(error) => format!("-- none: {error}"),
    }
}
