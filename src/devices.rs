//! `devices`: what was found, what it measures, and why anything found is not used.

use serde_json::{Map, Value, json};
use warpwise_gpu::{Device, Discovery, Kind, Traffic, gibibytes};

use crate::cli;
use crate::failure::Failure;
use crate::output::say;
use crate::paths;

/// The width of the names of properties.
const NAMES: usize = 20;

/// Prints everything known about this machine's devices.
pub fn run(arguments: &cli::Devices) -> Result<(), Failure> {
    let found = Discovery::find(&paths::data_folder().unwrap_or_default());
    if arguments.json {
        return Ok(say(&format!("{:#}", object(&found)))?);
    }
    say(&found.line())?;
    for device in found.devices() {
        say(&format!("\n{:<width$}{}", device.name(), device.model(), width = NAMES + 2))?;
        for (name, value) in lines(device) {
            say(&format!("  {name:<NAMES$}{value}"))?;
        }
    }
    if let Err(reason) = &found.cuda {
        say(&format!("\n{:<width$}none: {reason}", "cuda", width = NAMES + 2))?;
    }
    let nvrtc = match &found.nvrtc.location {
        Some(place) => place.clone(),
        None => format!("not found; this installs it: {}", found.nvrtc.install),
    };
    Ok(say(&format!("\n{:<width$}{nvrtc}", "nvrtc", width = NAMES + 2))?)
}

fn lines(device: &dyn Device) -> Vec<(&'static str, String)> {
    let mut lines = device.describe();
    lines.push(match device.memory() {
        Ok(memory) => ("memory", format!("{}, {} free", gibibytes(memory.total), gibibytes(memory.free))),
        Err(error) => ("memory", error.to_string()),
    });
    lines.push(match device.measure_bandwidth() {
        Ok(bandwidth) => ("bandwidth, measured", bandwidth.to_string()),
        Err(error) => ("bandwidth", format!("not measured: {error}")),
    });
    if let Some(reason) = device.unused_because() {
        lines.push((if device.kind() == Kind::Cpu { "use" } else { "not used" }, reason.to_owned()));
    }
    lines
}

/// Everything known as one JSON object.
pub fn object(found: &Discovery) -> Value {
    let devices: Vec<Value> = found.devices().into_iter().map(device_object).collect();
    json!({
        "devices": devices,
        "no_cuda_because": found.cuda.as_ref().err(),
        "nvrtc": found.nvrtc.location,
        "nvrtc_install": found.nvrtc.install,
    })
}

fn device_object(device: &dyn Device) -> Value {
    let memory = device.memory().ok();
    let bandwidth = device.measure_bandwidth();
    let kind = match device.kind() {
        Kind::Cpu => "cpu",
        Kind::Cuda => "cuda",
        Kind::Emulated => "emulated",
    };
    let traffic = bandwidth.as_ref().ok().map(|bandwidth| match bandwidth.traffic {
        Traffic::Read => "read",
        Traffic::Copy => "copy",
    });
    let properties: Map<String, Value> =
        device.describe().into_iter().map(|(name, value)| (name.replace(' ', "_"), Value::String(value))).collect();
    json!({
        "name": device.name(),
        "kind": kind,
        "model": device.model(),
        "memory_bytes": memory.map(|memory| memory.total),
        "free_bytes": memory.map(|memory| memory.free),
        "bytes_per_second": bandwidth.as_ref().ok().map(|bandwidth| bandwidth.bytes_per_second.round()),
        "bandwidth_of": traffic,
        "bandwidth_error": bandwidth.as_ref().err().map(ToString::to_string),
        "properties": properties,
        "unused_because": device.unused_because(),
    })
}
