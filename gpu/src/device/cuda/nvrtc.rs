//! NVRTC, the compiler that turns CUDA C++ into machine code: where it is, how to get it, and calls of it.
//!
//! It is looked for by setting, as a wheel from PyPI in Warpwise's data folder, and by the loader, in this
//! order; [`Compiler::open`] opens what was found. It needs no driver and no GPU, so what a GPU will run is
//! compiled and read (see `cubin.rs`) on any machine.

use std::collections::HashMap;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::fmt;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use libloading::Library;
use parking_lot::Mutex;

use super::cubin::{self, KernelUse};
use super::driver::quietly;
use crate::error::{Error, Result};

/// The variable that names the library.
const SETTING: &str = "WARPWISE_NVRTC";
/// Where the wheel is installed, inside the data folder.
const WHEELS: &str = "python";
/// Where the wheel keeps the library.
const IN_WHEEL: &str = "nvidia/cuda_nvrtc/lib/libnvrtc.so.12";
/// The wheel.
const WHEEL: &str = "nvidia-cuda-nvrtc-cu12";
/// What stands for the library's path where the loader found it.
const BY_LOADER: &str = "found by the loader";
/// The stack of a thread that compiles. The compiler recurses over expressions and over chains of statements: on the
/// 2 MiB of a usual thread, 3,000 statements that each use the one before end the process.
const STACK: usize = 64 << 20;
/// Of a log that reports errors, an error quotes so many lines.
const QUOTED: usize = 6;

/// Where the compiler is, if anywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nvrtc {
    /// The library, as a path or as the words `found by the loader`; none where there is none.
    pub location: Option<String>,
    /// The one line that installs it.
    pub install: String,
}

impl Nvrtc {
    /// Looks for it. `data_folder` is where a compiler that was installed for Warpwise alone would be.
    pub fn find(data_folder: &Path) -> Self {
        let wheels = data_folder.join(WHEELS);
        let setting = std::env::var_os(SETTING).map(PathBuf::from);
        let file = setting.into_iter().chain([wheels.join(IN_WHEEL)]).find(|path| path.is_file());
        let location = file.map(|path| path.display().to_string()).or_else(|| {
            // SAFETY: opening a library runs its initializers; this is the system's own CUDA compiler.
            let opens = catch_unwind(|| unsafe { cudarc::nvrtc::sys::is_culib_present() });
            opens.unwrap_or(false).then(|| BY_LOADER.to_owned())
        });
        Self { location, install: format!("pip install --target '{}' {WHEEL}", wheels.display()) }
    }
}

/// What to compile for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Target {
    /// Machine code of devices with this compute capability, as two digits and more: 90 is 9.0.
    Cubin(u32),
    /// Assembly of this virtual architecture, which the driver compiles for any device that is as new or newer.
    Ptx(u32),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cubin(capability) => write!(f, "sm_{capability}"),
            Self::Ptx(capability) => write!(f, "compute_{capability}"),
        }
    }
}

/// What a compilation gave.
#[derive(Debug, Clone)]
pub struct Compiled {
    /// The machine code, an ELF file; for [`Target::Ptx`], text that ends in a zero byte.
    pub image: Vec<u8>,
    /// What the compiler said: warnings, and what the assembler reports of each kernel.
    pub log: String,
    /// How long it took.
    pub time: Duration,
}

impl Compiled {
    /// What each kernel takes of a multiprocessor. Of machine code only.
    pub fn kernels(&self) -> Result<Vec<KernelUse>> {
        let mut kernels = cubin::kernels(&self.image)?;
        cubin::add_spills(&mut kernels, &self.log);
        Ok(kernels)
    }
}

/// `nvrtcProgram`: opaque.
type Program = *mut c_void;
/// `nvrtcResult`, whose newer values have no name here.
type Status = c_int;
const SUCCESS: Status = 0;
const OUT_OF_MEMORY: Status = 1;
const COMPILATION: Status = 6;

/// Declares the table of functions, and how it is filled from a library.
macro_rules! functions {
    ($($field:ident = $symbol:literal ($($argument:ty),*);)*) => {
        #[derive(Clone, Copy)]
        struct Functions {
            $($field: unsafe extern "C" fn($($argument),*) -> Status,)*
        }

        impl Functions {
            fn load(library: &Library) -> Result<Self> {
                $(
                    // SAFETY: the type is that of nvrtc.h, where it has been the same since CUDA 11.2.
                    let $field = unsafe { library.get::<unsafe extern "C" fn($($argument),*) -> Status>($symbol) };
                    let $field = *$field.map_err(|_| Error::Absent(format!("NVRTC is too old: it lacks {}", $symbol)))?;
                )*
                Ok(Self { $($field),* })
            }
        }
    };
}

functions! {
    version = "nvrtcVersion" (*mut c_int, *mut c_int);
    count_architectures = "nvrtcGetNumSupportedArchs" (*mut c_int);
    architectures = "nvrtcGetSupportedArchs" (*mut c_int);
    create = "nvrtcCreateProgram" (*mut Program, *const c_char, *const c_char, c_int, *const *const c_char, *const *const c_char);
    destroy = "nvrtcDestroyProgram" (*mut Program);
    compile = "nvrtcCompileProgram" (Program, c_int, *const *const c_char);
    log_size = "nvrtcGetProgramLogSize" (Program, *mut usize);
    log = "nvrtcGetProgramLog" (Program, *mut c_char);
    cubin_size = "nvrtcGetCUBINSize" (Program, *mut usize);
    cubin = "nvrtcGetCUBIN" (Program, *mut c_char);
    ptx_size = "nvrtcGetPTXSize" (Program, *mut usize);
    ptx = "nvrtcGetPTX" (Program, *mut c_char);
}

/// NVRTC, opened. Threads may compile at the same time.
pub struct Compiler {
    functions: Functions,
    version: (i32, i32),
    /// The compute capabilities that it knows, ascending.
    architectures: Vec<u32>,
}

impl fmt::Debug for Compiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NVRTC {}", self.version())
    }
}

impl Compiler {
    /// Opens the library that was found, once in the life of the process. The error says how to get it.
    pub fn open(found: &Nvrtc) -> Result<Arc<Self>> {
        static OPENED: OnceLock<Mutex<HashMap<String, Arc<Compiler>>>> = OnceLock::new();
        let Some(name) = &found.location else {
            return Err(Error::Absent(format!("the CUDA compiler NVRTC was not found; to install it: {}", found.install)));
        };
        let mut opened = OPENED.get_or_init(Mutex::default).lock();
        if let Some(compiler) = opened.get(name) {
            return Ok(compiler.clone());
        }
        let compiler = Arc::new(Self::load(name)?);
        opened.insert(name.clone(), compiler.clone());
        Ok(compiler)
    }

    fn load(name: &str) -> Result<Self> {
        let library = if name == BY_LOADER {
            // SAFETY: opening a library runs its initializers; this is the system's own CUDA compiler.
            let library = quietly(|| catch_unwind(|| unsafe { cudarc::nvrtc::sys::culib() }));
            library.map_err(|_| Error::Absent("NVRTC was found by the loader, and no longer opens".to_owned()))?
        } else {
            // SAFETY: as above; the path is the user's setting, or a wheel of NVIDIA's in the user's own folder.
            let library = unsafe { Library::new(Path::new(name)) };
            let library = library.map_err(|error| Error::Absent(format!("NVRTC does not open: {error}")))?;
            // Its threads and tables outlive any moment at which it could be closed.
            Box::leak(Box::new(library))
        };
        let functions = Functions::load(library)?;
        let mut compiler = Self { functions, version: (0, 0), architectures: Vec::new() };
        // SAFETY: the function writes two integers, for which there is room.
        succeeded(unsafe { (functions.version)(&raw mut compiler.version.0, &raw mut compiler.version.1) }, "nvrtcVersion")?;
        let mut count = 0;
        // SAFETY: the function writes one integer, for which there is room.
        succeeded(unsafe { (functions.count_architectures)(&raw mut count) }, "nvrtcGetNumSupportedArchs")?;
        let mut known = vec![0; usize::try_from(count).unwrap_or_default()];
        // SAFETY: the function writes as many integers as it has just said.
        succeeded(unsafe { (functions.architectures)(known.as_mut_ptr()) }, "nvrtcGetSupportedArchs")?;
        compiler.architectures = known.into_iter().filter_map(|number| u32::try_from(number).ok()).collect();
        compiler.architectures.sort_unstable();
        Ok(compiler)
    }

    /// Its version, as `12.9`.
    pub fn version(&self) -> String {
        format!("{}.{}", self.version.0, self.version.1)
    }

    /// What to compile for so that a device of this compute capability runs it: machine code where the compiler
    /// knows the device, else assembly for the newest older device that it knows.
    pub fn target(&self, major: u32, minor: u32) -> Result<Target> {
        let capability = major * 10 + minor;
        if self.architectures.contains(&capability) {
            return Ok(Target::Cubin(capability));
        }
        let older = self.architectures.iter().rev().find(|known| **known < capability);
        older.map(|known| Target::Ptx(*known)).ok_or_else(|| {
            Error::Unsupported(format!(
                "NVRTC {} compiles for no device as old as compute capability {major}.{minor}",
                self.version()
            ))
        })
    }

    /// Compiles to machine code of one compute capability: 90 is 9.0.
    pub fn compile_cubin(&self, source: &str, capability: u32) -> Result<Compiled> {
        self.compile(source, Target::Cubin(capability))
    }

    /// Compiles. `Invalid` where the text is wrong, with the first lines of what the compiler says of it.
    pub fn compile(&self, source: &str, target: Target) -> Result<Compiled> {
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().name("nvrtc".to_owned()).stack_size(STACK);
            let started = thread.spawn_scoped(scope, || self.compile_here(source, target));
            let started = started.map_err(|error| Error::OutOfMemory(format!("no thread for NVRTC: {error}")))?;
            started.join().unwrap_or_else(|_| Err(Error::Failed("the thread that calls NVRTC failed".to_owned())))
        })
    }

    fn compile_here(&self, source: &str, target: Target) -> Result<Compiled> {
        let began = Instant::now();
        let text = CString::new(source).map_err(|_| Error::Invalid("CUDA C++ text holds a zero byte".to_owned()))?;
        let options: Vec<CString> = options(target).into_iter().filter_map(|option| CString::new(option).ok()).collect();
        let options: Vec<*const c_char> = options.iter().map(|option| option.as_ptr()).collect();
        let functions = &self.functions;
        let mut program = ptr::null_mut();
        // SAFETY: the texts end in zero and outlive the call, and no headers are given.
        let status =
            unsafe { (functions.create)(&raw mut program, text.as_ptr(), c"program.cu".as_ptr(), 0, ptr::null(), ptr::null()) };
        succeeded(status, "nvrtcCreateProgram")?;
        let program = Guard { program, functions };
        // SAFETY: the program was created and not destroyed; the options end in zero, are as many as said, and outlive the call.
        let status =
            unsafe { (functions.compile)(program.program, c_int::try_from(options.len()).unwrap_or(0), options.as_ptr()) };
        let log = program.bytes(functions.log_size, functions.log).map(|bytes| text_of(&bytes)).unwrap_or_default();
        if status == COMPILATION {
            return Err(Error::Invalid(format!("generated CUDA code does not compile for {target}: {}", first_lines(&log))));
        }
        succeeded(status, &format!("compiling for {target}: {}", first_lines(&log)))?;
        let image = match target {
            Target::Cubin(_) => program.bytes(functions.cubin_size, functions.cubin),
            Target::Ptx(_) => program.bytes(functions.ptx_size, functions.ptx),
        }?;
        Ok(Compiled { image, log, time: began.elapsed() })
    }
}

/// The options of every compilation. Part of what a cache's key is made of.
pub(super) fn options(target: Target) -> Vec<String> {
    vec![
        format!("--gpu-architecture={target}"),
        "--std=c++17".to_owned(),
        // A product and a sum round twice, as on the CPU: every device gives the same floating-point numbers.
        "--fmad=false".to_owned(),
        // The text is all device code, and 128-bit integers are decimals.
        "-default-device".to_owned(),
        "-device-int128".to_owned(),
        // The assembler reports registers and spills in the log.
        "--ptxas-options=-v".to_owned(),
    ]
}

/// A program, which is destroyed with this.
struct Guard<'a> {
    program: Program,
    functions: &'a Functions,
}

impl Guard<'_> {
    /// Bytes that one function gives the size of and another writes.
    fn bytes(
        &self,
        size: unsafe extern "C" fn(Program, *mut usize) -> Status,
        read: unsafe extern "C" fn(Program, *mut c_char) -> Status,
    ) -> Result<Vec<u8>> {
        let mut bytes = 0;
        // SAFETY: the program exists, and there is room for the one number that is written.
        succeeded(unsafe { size(self.program, &raw mut bytes) }, "asking for the size of NVRTC's output")?;
        let mut buffer = vec![0_u8; bytes];
        // SAFETY: the program exists, and there is room for as many bytes as it has just said.
        succeeded(unsafe { read(self.program, buffer.as_mut_ptr().cast()) }, "reading NVRTC's output")?;
        Ok(buffer)
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        // SAFETY: the program was created, and is destroyed here only.
        unsafe { (self.functions.destroy)(&raw mut self.program) };
    }
}

fn succeeded(status: Status, what: &str) -> Result<()> {
    match status {
        SUCCESS => Ok(()),
        OUT_OF_MEMORY => Err(Error::OutOfMemory(format!("NVRTC has no memory left: {what}"))),
        number => Err(Error::Failed(format!("NVRTC failed with status {number}: {what}"))),
    }
}

fn text_of(bytes: &[u8]) -> String {
    CStr::from_bytes_until_nul(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), CStr::to_string_lossy).trim().to_owned()
}

/// The first lines of a log that matter: from the first error on, if any line has one.
fn first_lines(log: &str) -> String {
    let lines: Vec<&str> = log.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    let from = lines.iter().position(|line| line.contains("error")).unwrap_or(0);
    lines[from..].iter().take(QUOTED).copied().collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wheel_in_the_data_folder_is_found() {
        let folder = std::env::temp_dir().join(format!("warpwise-nvrtc-{}", std::process::id()));
        let library = folder.join(WHEELS).join(IN_WHEEL);
        std::fs::create_dir_all(library.parent().unwrap()).unwrap();
        std::fs::write(&library, b"").unwrap();
        let found = Nvrtc::find(&folder);
        let opened = Compiler::open(&Nvrtc { location: Some(library.display().to_string()), install: String::new() });
        std::fs::remove_dir_all(&folder).unwrap();
        if std::env::var_os(SETTING).is_none() {
            assert_eq!(found.location.as_deref(), library.to_str());
        }
        assert!(found.install.contains(WHEEL));
        assert!(matches!(opened, Err(Error::Absent(text)) if text.starts_with("NVRTC does not open: ")));
    }

    #[test]
    fn where_it_is_absent_the_error_says_how_to_get_it() {
        let absent = Nvrtc { location: None, install: "pip install it".to_owned() };
        let error = Compiler::open(&absent).unwrap_err();
        assert!(error.to_string().ends_with("to install it: pip install it"), "{error}");
    }

    #[test]
    fn an_error_quotes_the_log_from_the_first_error_on() {
        let log =
            "program.cu(1): warning: unused\n\nprogram.cu(2): error: expected a \";\"\n  int x\n      ^\n\n1 error detected\n";
        assert_eq!(first_lines(log), "program.cu(2): error: expected a \";\"\n  int x\n      ^\n1 error detected");
        assert_eq!(first_lines("one\ntwo\n"), "one\ntwo");
        assert_eq!(first_lines(""), "");
    }
}
