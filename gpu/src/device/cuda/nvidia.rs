//! NVIDIA's driver, as the CUDA host code asks of one: [`open`].

use std::any::Any;
use std::collections::HashMap;
use std::ffi::{CStr, CString, c_void};
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cudarc::driver::{result, sys};
use parking_lot::Mutex;
use sys::CUdevice_attribute as Attribute;

use super::context::Context;
use super::cubin;
pub use super::cubin::{KernelUse, Limits};
use super::disk_cache::DiskCache;
pub use super::interface::{Driver, Module, Stream};
use super::nvrtc::{self, Nvrtc};
pub use super::nvrtc::{Compiled, Compiler, Target};
use super::stream::Shared;
use crate::error::{Error, Result};

/// Modules that are kept loaded; of more, those that were used longest ago go.
const LOADED: usize = 512;

/// Opens the driver for a device. `cache_folder` is where machine code is kept; without one it is compiled in every
/// process. `Absent` where there is no driver, no such device, or no NVRTC; the sentence says which.
pub fn open(ordinal: usize, nvrtc: &Nvrtc, cache_folder: Option<&Path>) -> Result<Arc<dyn Driver>> {
    let context = Context::open(ordinal)?;
    let compiler = Compiler::open(nvrtc)?;
    let major = context.attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?;
    let minor = context.attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?;
    Ok(Arc::new(Nvidia {
        target: compiler.target(major, minor)?,
        processors: context.attribute(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?.max(1),
        compiler,
        disk: cache_folder.and_then(DiskCache::open),
        loaded: Mutex::default(),
        uses: AtomicU64::new(0),
        shared: Arc::new(Shared::new(context)?),
    }))
}

struct Nvidia {
    compiler: Arc<Compiler>,
    target: Target,
    processors: u32,
    disk: Option<DiskCache>,
    /// By source, with the time of the last use, which counts uses.
    loaded: Mutex<HashMap<String, (u64, Arc<Loaded>)>>,
    uses: AtomicU64,
    shared: Arc<Shared>,
}

impl fmt::Debug for Nvidia {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} ({}, {:?})", self.shared.context, self.target, self.compiler)
    }
}

impl Nvidia {
    /// What machine code depends on.
    fn key(&self, source: &str) -> Vec<u8> {
        let options = nvrtc::options(self.target).join(" ");
        format!("NVRTC {} {options}\n{source}", self.compiler.version()).into_bytes()
    }

    fn load(&self, image: &[u8]) -> Result<Arc<Loaded>> {
        Loaded::new(self.shared.context.clone(), image, self.target).map(Arc::new)
    }
}

impl Driver for Nvidia {
    fn compile(&self, source: &str) -> Result<Arc<dyn Module>> {
        self.shared.context.alive()?;
        let now = self.uses.fetch_add(1, Ordering::Relaxed);
        if let Some((used, loaded)) = self.loaded.lock().get_mut(source) {
            *used = now;
            return Ok(Arc::new(NvidiaModule { loaded: loaded.clone(), compile_time: Duration::ZERO }));
        }
        let key = self.key(source);
        let kept = self.disk.as_ref().and_then(|disk| disk.get(&key)).and_then(|image| self.load(&image).ok());
        let (loaded, compile_time) = match kept {
            Some(loaded) => (loaded, Duration::ZERO),
            None => {
                let compiled = self.compiler.compile(source, self.target)?;
                let loaded = self.load(&compiled.image)?;
                if let Some(disk) = &self.disk {
                    disk.put(&key, &compiled.image);
                }
                (loaded, compiled.time)
            }
        };
        let mut all = self.loaded.lock();
        if all.len() >= LOADED {
            let oldest = all.iter().min_by_key(|(_, (used, _))| *used).map(|(source, _)| source.clone());
            oldest.and_then(|source| all.remove(&source));
        }
        all.insert(source.to_owned(), (now, loaded.clone()));
        Ok(Arc::new(NvidiaModule { loaded, compile_time }))
    }

    fn allocate(&self, bytes: usize) -> Result<u64> {
        self.shared.memory.allocate(bytes)
    }

    fn free(&self, address: u64) {
        self.shared.memory.free(address);
    }

    fn stream(&self) -> Result<Box<dyn Stream>> {
        Ok(Box::new(self.shared.stream()?))
    }

    fn processors(&self) -> u32 {
        self.processors
    }
}

/// Code on the device.
struct Loaded {
    context: Arc<Context>,
    module: sys::CUmodule,
    /// How many bytes of parameters each kernel takes.
    kernels: HashMap<String, usize>,
    functions: Mutex<HashMap<String, sys::CUfunction>>,
}

// SAFETY: the handles are the driver's, which any thread may use, and several at once; they live as long as this.
unsafe impl Send for Loaded {}
// SAFETY: as above.
unsafe impl Sync for Loaded {}

impl Loaded {
    fn new(context: Arc<Context>, image: &[u8], target: Target) -> Result<Self> {
        let kernels = match target {
            Target::Cubin(_) => cubin::kernels(image)?.into_iter().map(|kernel| (kernel.name, kernel.parameters)).collect(),
            Target::Ptx(_) => {
                let text = CStr::from_bytes_with_nul(image).ok().and_then(|text| text.to_str().ok());
                parameters(text.ok_or_else(|| Error::Failed("assembly is not text that ends in zero".to_owned()))?)
            }
        };
        // SAFETY: the image is an ELF file whose tables were read, or text that ends in zero.
        let module = context.call("loading kernels", || unsafe { result::module::load_data(image.as_ptr().cast::<c_void>()) })?;
        Ok(Self { context, module, kernels, functions: Mutex::default() })
    }
}

impl Drop for Loaded {
    fn drop(&mut self) {
        // SAFETY: loaded by `new` and unloaded once; streams keep modules until their kernels are over.
        let _ = self.context.call("unloading kernels", || unsafe { result::module::unload(self.module) });
    }
}

/// The bytes of parameters that each kernel of assembly takes: `.entry ‹name›( .param .u64 ‹name›, … )`.
fn parameters(assembly: &str) -> HashMap<String, usize> {
    let kernel = |text: &str| {
        let (name, rest) = text.split_once('(')?;
        let (list, _) = rest.split_once(')')?;
        let bits = |word: &str| word.trim_start_matches(|letter: char| !letter.is_ascii_digit()).parse::<usize>().ok();
        let mut words = list.split_whitespace();
        let mut bytes = 0;
        while let Some(word) = words.next() {
            if word == ".param" {
                bytes += words.next().and_then(bits)? / 8;
            }
        }
        Some((name.trim().to_owned(), bytes))
    };
    assembly.split(".entry ").skip(1).filter_map(kernel).collect()
}

/// Code on the device, and how long it took this time.
pub(super) struct NvidiaModule {
    loaded: Arc<Loaded>,
    compile_time: Duration,
}

impl fmt::Debug for NvidiaModule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names: Vec<&str> = self.loaded.kernels.keys().map(String::as_str).collect();
        names.sort_unstable();
        write!(f, "kernels of {:?}: {}", self.loaded.context, names.join(", "))
    }
}

impl NvidiaModule {
    /// The kernel of this name, which is to be launched with so many arguments in this context.
    pub(super) fn function(&self, context: &Arc<Context>, name: &str, arguments: usize) -> Result<sys::CUfunction> {
        let loaded = &self.loaded;
        if !Arc::ptr_eq(context, &loaded.context) {
            return Err(Error::Invalid(format!("kernel {name} was compiled for {:?}", loaded.context)));
        }
        // The driver reads as many arguments as the kernel has parameters, whether they were given or not.
        let takes = loaded.kernels.get(name).ok_or_else(|| Error::Invalid(format!("there is no kernel {name}")))?;
        if *takes != arguments * 8 {
            return Err(Error::Invalid(format!("kernel {name} takes {takes} bytes, and gets {arguments} words of 8")));
        }
        let mut functions = loaded.functions.lock();
        if let Some(function) = functions.get(name) {
            return Ok(*function);
        }
        let text = CString::new(name).map_err(|_| Error::Invalid("a kernel's name holds a zero byte".to_owned()))?;
        // SAFETY: the module is loaded.
        let function = context.call(name, || unsafe { result::module::get_function(loaded.module, text) })?;
        functions.insert(name.to_owned(), function);
        Ok(function)
    }
}

impl Module for NvidiaModule {
    fn compile_time(&self) -> Duration {
        self.compile_time
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_of_assembly_are_counted() {
        let text = ".version 8.8\n.visible .entry add(\n\t.param .u64 .ptr .align 1 add_param_0,\n\t.param .u32 add_param_1\n)\n\
                    .maxntid 256\n{\n\tret;\n}\n.visible .entry none()\n{\n\tret;\n}\n";
        let found = parameters(text);
        assert_eq!((found.len(), found["add"], found["none"]), (2, 12, 0));
        assert!(parameters("").is_empty());
    }
}
