//! What EXPLAIN says of devices: below each DeviceExec the operators that it stands for, and what was refused.

use std::sync::Arc;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::physical_plan::ExecutionPlan;

use super::device_exec::DeviceExec;
use super::devices::Devices;
use super::report::{Report, StageReport};
use crate::offload::Refusal;
use crate::offload::branches::lower_into;
use crate::offload::lower::Knowledge;
use crate::offload::plan::Chain;

/// Every DeviceExec of a plan, in the order in which it is printed.
fn device_nodes(plan: &Arc<dyn ExecutionPlan>) -> Vec<Arc<dyn ExecutionPlan>> {
    let mut found = Vec::new();
    let _ = plan.apply(|node| {
        if node.downcast_ref::<DeviceExec>().is_some() {
            found.push(Arc::clone(node));
        }
        Ok(TreeNodeRecursion::Continue)
    });
    found
}

/// The lines of a printed plan, with what its devices do below each of them.
pub fn with_operators(plan: &Arc<dyn ExecutionPlan>, lines: impl Iterator<Item = String>) -> Vec<String> {
    let nodes = device_nodes(plan);
    let mut nodes = nodes.iter().filter_map(|node| node.downcast_ref::<DeviceExec>());
    let mut text = Vec::new();
    for line in lines {
        let indent = line.len() - line.trim_start().len();
        let is_device = line.trim_start().starts_with("DeviceExec");
        text.push(line);
        if let Some(node) = if is_device { nodes.next() } else { None } {
            text.extend(operators(node, indent));
        }
    }
    text
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
    let chain = node.chain();
    let mut lines = Vec::new();
    for (depth, at) in (0..chain.operators.len()).rev().enumerate() {
        let operator = &chain.operators[at];
        let last_of_stage = chain.operators.get(at + 1).is_none_or(|next| next.stage != operator.stage);
        let mut line = format!("{:indent$}{prefix}{}: {}", "", operator.name, operator.detail, indent = indent + 2 * (depth + 1));
        if let Some(report) = &report
            && last_of_stage
            && let Some(stage) = report.stages.get(operator.stage)
        {
            line.push_str(&measured(stage, node.devices(), &device));
        }
        if operator.name == "Scan" {
            line.push_str(&match &report {
                Some(report) => loaded(report),
                None => unread(node.devices().inputs.unread(chain)),
            });
        }
        lines.push(line);
    }
    lines
}

/// What one stage took: `[rows=4, time=12.1 ms, 11.0 MB, 5.4 GB/s, 40 % of peak, compile=0.6 ms]`.
fn measured(stage: &StageReport, devices: &Devices, device: &str) -> String {
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
    let segments = match devices.inputs.look(chain) {
        Ok(segments) => segments,
        Err(refusal) => return vec![format!("-- no program: {refusal}")],
    };
    let (inputs, complete) = devices.inputs.expected(chain, &segments);
    let knowledge = if complete { Knowledge::Data } else { Knowledge::Types };
    let rows = segments.rows();
    let mut text = Vec::new();
    if !complete {
        text.push("-- not all columns are loaded yet: their types are the widest".to_owned());
    }
    let mut lowered = Vec::new();
    if let Err(refusal) = lower_into(&chain.stages, &inputs, rows, knowledge, &mut lowered) {
        text.push(format!("-- pipeline {} is refused: {refusal}", lowered.len()));
    }
    for (at, pipeline) in lowered.iter().enumerate() {
        text.push(format!("-- row program of pipeline {at} over {}", chain.table.name));
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
