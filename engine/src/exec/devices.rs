//! The devices that an engine runs on, and which of them a session asks for.

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use datafusion::common::Result;
use datafusion::common::config::{ConfigEntry, ConfigExtension, ExtensionOptions};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use parking_lot::Mutex;
use warpwise_gpu::cache::KernelCache;
use warpwise_gpu::{Device, DeviceChoice, Discovery};

use super::inputs::Inputs;
use crate::offload::Refusal;

/// What a session says of devices, as DataFusion's configuration carries it.
#[derive(Debug, Clone, Default)]
pub struct Session {
    /// Which devices it asks for.
    pub device: DeviceChoice,
    /// Where planning notes what it left to DataFusion.
    pub refusals: Option<Arc<Mutex<Vec<Refusal>>>>,
}

impl ConfigExtension for Session {
    const PREFIX: &'static str = "warpwise";
}

impl ExtensionOptions for Session {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn cloned(&self) -> Box<dyn ExtensionOptions> {
        Box::new(self.clone())
    }

    fn set(&mut self, key: &str, value: &str) -> Result<()> {
        match (key, value.parse()) {
            ("device", Ok(choice)) => {
                self.device = choice;
                Ok(())
            }
            _ => datafusion::common::config_err!("there is no warpwise.{key} = {value}"),
        }
    }

    fn entries(&self) -> Vec<ConfigEntry> {
        vec![ConfigEntry {
            key: format!("{}.device", Self::PREFIX),
            value: Some(self.device.to_string()),
            description: "where queries run",
        }]
    }
}

/// The devices of a process, with what they keep from query to query.
pub struct Devices {
    emulated: OnceLock<Arc<dyn Device>>,
    found: OnceLock<Found>,
    data_folder: PathBuf,
    /// What `auto` means where nobody says.
    default: DeviceChoice,
    /// What a GPU's memory is to be used of; 0 is all.
    device_memory: u64,
    /// Threads that a query may use on the CPU.
    pub threads: usize,
    /// Compiled code.
    pub kernels: KernelCache,
    /// Columns.
    pub inputs: Inputs,
    bandwidths: Mutex<HashMap<String, Option<f64>>>,
    /// DataFusion's rules behind ours: what a subtree still needs before DataFusion can run it alone.
    pub rules_behind: OnceLock<Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>>>,
}

struct Found {
    cpu: Arc<dyn Device>,
    cuda: Vec<(usize, Arc<dyn Device>)>,
}

impl fmt::Debug for Devices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Devices").field("default", &self.default).field("threads", &self.threads).finish_non_exhaustive()
    }
}

/// Kernels kept, over all devices.
const KERNELS: usize = 1024;

impl Devices {
    /// The devices of this machine; they are looked for when the first is asked for. Columns may take `memory` bytes.
    pub fn new(
        default: DeviceChoice,
        data_folder: PathBuf,
        threads: usize,
        memory: u64,
        emulated: Option<Arc<dyn Device>>,
    ) -> Self {
        Self {
            emulated: emulated.map_or_else(OnceLock::new, Into::into),
            found: OnceLock::new(),
            data_folder,
            default,
            device_memory: 0,
            threads,
            kernels: KernelCache::new(KERNELS),
            inputs: Inputs::new(memory, threads),
            bandwidths: Mutex::default(),
            rules_behind: OnceLock::new(),
        }
    }

    /// The same with so much of a GPU's memory; 0 is all.
    pub fn with_device_memory(self, bytes: u64) -> Self {
        Self { device_memory: bytes, ..self }
    }

    /// Looks for the devices that queries use where nobody says otherwise, and readies them, on a thread of its own: the first
    /// query finds that done or waits for the rest of it.
    pub fn warm_up(self: &Arc<Self>) {
        let devices = Arc::clone(self);
        let work = move || devices.rungs(&DeviceChoice::Auto).iter().for_each(|device| device.warm_up());
        // Where there is no thread, the first query does it.
        let _ = std::thread::Builder::new().name("warpwise-warm-up".to_owned()).spawn(work);
    }

    fn found(&self) -> &Found {
        self.found.get_or_init(|| {
            let discovery = Discovery::find(&self.data_folder);
            let cuda = discovery.cuda.into_iter().flatten().filter(|device| device.unused_because().is_none());
            let cuda = cuda.map(|device| (device.ordinal(), Arc::new(device) as Arc<dyn Device>)).collect();
            Found { cpu: Arc::new(discovery.cpu), cuda }
        })
    }

    /// The devices to try for a choice, one after the other where one fails; none is DataFusion alone.
    pub fn rungs(&self, choice: &DeviceChoice) -> Vec<Arc<dyn Device>> {
        let choice = if *choice == DeviceChoice::Auto { &self.default } else { choice };
        let found = || self.found();
        let numbered = |numbers: &[usize]| {
            let chosen = found().cuda.iter().filter(|(n, _)| numbers.is_empty() || numbers.contains(n));
            chosen.map(|(_, device)| Arc::clone(device)).take(1).collect::<Vec<_>>()
        };
        let mut rungs = match choice {
            DeviceChoice::Off => return Vec::new(),
            DeviceChoice::Cpu => Vec::new(),
            DeviceChoice::Auto => numbered(&[]),
            DeviceChoice::Cuda(numbers) => numbered(numbers),
            DeviceChoice::Emulated => vec![self.emulated()],
        };
        rungs.push(Arc::clone(&found().cpu));
        rungs.iter().for_each(|device| device.set_memory_budget(self.device_memory));
        rungs
    }

    /// The bandwidth of a device's memory in bytes a second, measured when it is asked for first.
    pub fn bandwidth(&self, name: &str) -> Option<f64> {
        if let Some(known) = self.bandwidths.lock().get(name) {
            return *known;
        }
        let found = self.found();
        let all = std::iter::once(&found.cpu).chain(found.cuda.iter().map(|(_, device)| device));
        let mut all = all;
        let device = all.find(|device| device.name() == name);
        let measured = device.and_then(|device| device.measure_bandwidth().ok()).map(|b| b.bytes_per_second);
        self.bandwidths.lock().insert(name.to_owned(), measured);
        measured
    }

    /// The emulated device. Where the host has no C++ compiler it fails when it compiles, and the next rung runs.
    fn emulated(&self) -> Arc<dyn Device> {
        Arc::clone(self.emulated.get_or_init(|| Arc::new(warpwise_gpu::Emulated::default())))
    }
}
