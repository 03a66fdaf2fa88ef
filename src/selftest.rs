//! `selftest`: whether a device of this machine computes what it should.
//!
//! Row programs with known results, random ones against the interpreter, and SQL against DataFusion alone. A device that
//! fails in SQL would be caught by the next one, and the answer would be right all the same; here that is a failure.

mod programs;
mod sql;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use warpwise_gpu::{Device, DeviceChoice, Discovery, Emulated};

use crate::cli::Selftest;
use crate::data;
use crate::failure::Failure;
use crate::output::{note, say, seconds};

/// Failures that are printed of one part.
const SHOWN: usize = 5;

/// What a part of the test came to.
#[derive(Debug, Default)]
pub struct Part {
    /// What it is called.
    pub name: &'static str,
    /// What was checked, in words.
    pub checked: String,
    /// How many things were checked.
    pub count: usize,
    /// What did not hold.
    pub failures: Vec<String>,
    /// How long it took.
    pub time: Duration,
}

impl Part {
    fn line(&self) -> String {
        let verdict = match self.failures.len() {
            0 => "held".to_owned(),
            1 => "1 FAILURE".to_owned(),
            count => format!("{count} FAILURES"),
        };
        format!("  {:<17}{:<44}{verdict:<12}{}", self.name, self.checked, seconds(self.time))
    }

    fn object(&self) -> Value {
        json!({
            "part": self.name,
            "checked": self.checked,
            "count": self.count,
            "held": self.failures.is_empty(),
            "failures": self.failures,
            "seconds": (self.time.as_secs_f64() * 1e3).round() / 1e3,
        })
    }
}

/// Checks what was asked for. It fails where anything did not hold.
pub fn run(arguments: &Selftest) -> Result<(), Failure> {
    if arguments.device.choice == DeviceChoice::Off {
        return Err(Failure::new("with off there is no device to check").hint("warpwise selftest checks every device found"));
    }
    // A device that is asked for by name and is absent ends it here, with the reason.
    let found = data::discover(&arguments.device)?;
    let emulated = Emulated::default();
    let devices = chosen(&arguments.device.choice, &found, &emulated);
    let absent = if arguments.device.choice == DeviceChoice::Auto { absent(&found) } else { Vec::new() };
    let print = |line: &str| if arguments.json { Ok(()) } else { say(line) };
    let mut objects = Vec::new();
    let mut failed = 0;
    for device in &devices {
        print(&format!("{}: {}", device.name(), device.model()))?;
        let mut parts = Vec::new();
        for check in [programs::files, programs::random, sql::queries] {
            let began = Instant::now();
            let mut part = check(arguments, *device)?;
            part.time = began.elapsed();
            print(&part.line())?;
            for failure in part.failures.iter().take(SHOWN) {
                note(&format!("    {}", failure.replace('\n', "\n    ")));
            }
            if part.failures.len() > SHOWN {
                note(&format!("    … and {} more", part.failures.len() - SHOWN));
            }
            failed += part.failures.len();
            parts.push(part.object());
        }
        let properties: serde_json::Map<String, Value> =
            device.describe().into_iter().map(|(name, value)| (name.replace(' ', "_"), Value::String(value))).collect();
        objects.push(json!({ "device": device.name(), "model": device.model(), "properties": properties, "parts": parts }));
    }
    for (name, why) in &absent {
        print(&format!("{name}: not run: {why}"))?;
    }
    if arguments.json {
        let not_run: Vec<Value> = absent.iter().map(|(name, why)| json!({ "device": name, "why": why })).collect();
        let object = json!({ "held": failed == 0, "seed": arguments.seed, "devices": objects, "not_run": not_run });
        say(&format!("{object:#}"))?;
    } else if failed == 0 {
        let names: Vec<String> = devices.iter().map(|device| device.name()).collect();
        say(&format!("everything held on {}", names.join(", ")))?;
    }
    match failed {
        0 => Ok(()),
        count => Err(Failure::new(format!("the self-test found {count} failures"))
            .hint("a driver or a compiler of another version may differ; --device cpu and --device off go without the device")),
    }
}

fn chosen<'a>(choice: &DeviceChoice, found: &'a Discovery, emulated: &'a Emulated) -> Vec<&'a dyn Device> {
    let usable = found.devices().into_iter().filter(|device| device.unused_because().is_none());
    let gpus = |numbers: &[usize]| {
        let named = found.cuda.iter().flatten().filter(|device| numbers.is_empty() || numbers.contains(&device.ordinal()));
        named.map(|device| device as &dyn Device).collect()
    };
    match choice {
        DeviceChoice::Auto => usable.collect(),
        DeviceChoice::Cpu => vec![&found.cpu],
        DeviceChoice::Cuda(numbers) => gpus(numbers),
        DeviceChoice::Emulated => vec![emulated],
        DeviceChoice::Off => Vec::new(),
    }
}

/// What cannot be checked on this machine, and why.
fn absent(found: &Discovery) -> Vec<(String, String)> {
    match &found.cuda {
        Err(why) => vec![("cuda".to_owned(), why.clone())],
        Ok(devices) if devices.is_empty() => vec![("cuda".to_owned(), "the machine has no NVIDIA GPU".to_owned())],
        Ok(devices) => {
            let unused = devices.iter().filter_map(|device| {
                let why = device.unused_because()?;
                Some((device.name(), format!("{why}; {}", found.nvrtc.install)))
            });
            unused.collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_a_line_and_an_object() {
        let part =
            Part { name: "sql", checked: "3 queries".to_owned(), count: 3, time: Duration::from_secs(2), ..Part::default() };
        assert!(
            part.line().starts_with("  sql              3 queries ") && part.line().ends_with("held        2 s"),
            "{}",
            part.line()
        );
        let wrong = Part { failures: vec!["x".to_owned()], ..part };
        assert!(wrong.line().contains("1 FAILURE") && wrong.object()["held"] == json!(false));
    }
}
