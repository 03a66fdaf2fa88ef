//! Builds a text as a library, once: libraries are kept by what they were built from.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// As strict about floats as NVRTC is told to be: nothing fused, nothing reassociated.
const FLAGS: [&str; 8] =
    ["-std=c++17", "-O1", "-w", "-fPIC", "-ffp-contract=off", "-fno-strict-aliasing", "-fwrapv", "-fno-stack-protector"];
/// Of a library.
const LIBRARY: [&str; 4] = ["-shared", "-fno-exceptions", "-fcf-protection=none", "-fno-gnu-unique"];
/// What ThreadSanitizer watches, with lines for its reports.
const WATCHED: [&str; 2] = ["-fsanitize=thread", "-g1"];

/// How the threads of a block run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threads {
    /// As fibres.
    Fibres,
    /// As threads of the host, which ThreadSanitizer watches.
    Watched,
}

impl Threads {
    /// What stands before a text.
    fn before(self) -> &'static str {
        match self {
            Self::Fibres => concat!(include_str!("fibres.hpp"), include_str!("shim.hpp")),
            Self::Watched => concat!(include_str!("threads.hpp"), include_str!("shim.hpp")),
        }
    }

    /// The types of an entry's parameters behind the kernel's words.
    fn rest(self) -> &'static [&'static str] {
        match self {
            Self::Fibres => &["unsigned", "unsigned", "char*", "emulated::u64"],
            Self::Watched => &["unsigned", "unsigned", "unsigned", "unsigned"],
        }
    }

    fn flags(self) -> Vec<&'static str> {
        let watched: &[&str] = match self {
            Self::Fibres => &[],
            Self::Watched => &WATCHED,
        };
        [&FLAGS[..], &LIBRARY, watched].concat()
    }
}

/// The compiler's name.
pub fn compiler() -> String {
    std::env::var("CXX").unwrap_or_else(|_| "c++".to_owned())
}

/// The kernels of a text: the names behind `__global__`.
pub fn kernels(text: &str) -> Vec<String> {
    let declared = text.split("__global__ void").skip(1);
    let names = declared.filter_map(|rest| {
        let rest = rest.trim_start();
        let rest = match rest.strip_prefix("__launch_bounds__(") {
            Some(bounds) => bounds.split_once(')')?.1,
            None => rest,
        };
        Some(rest.split_once('(')?.0.trim().to_owned())
    });
    names.collect()
}

/// The name under which a kernel is called.
pub fn entry(kernel: &str) -> String {
    format!("emulate_{kernel}")
}

/// Builds a text as a library, or finds it built; how long building took.
pub fn library(text: &str, threads: Threads) -> Result<(PathBuf, Duration)> {
    let mut whole = format!("{}\n{text}\n", threads.before());
    for kernel in kernels(text) {
        let rest = threads.rest();
        let parameters: Vec<String> = rest.iter().enumerate().map(|(at, ty)| format!("{ty} r{at}")).collect();
        let arguments: Vec<String> = (0..rest.len()).map(|at| format!("r{at}")).collect();
        whole.push_str(&format!(
            "extern \"C\" unsigned {}(const emulated::u64* words, {}) {{ return emulated::run({kernel}, words, {}); }}\n",
            entry(&kernel),
            parameters.join(", "),
            arguments.join(", ")
        ));
    }
    build(&whole, &threads.flags(), "so")
}

/// Builds the process that is watched by ThreadSanitizer, or finds it built.
pub fn watch() -> Result<PathBuf> {
    let flags = [&FLAGS[..], &WATCHED, &["-ldl", "-pthread"]].concat();
    build(include_str!("watch.cpp"), &flags, "run").map(|(path, _)| path)
}

/// A copy of a library, which is opened as another one.
pub fn copy(library: &Path, number: usize) -> Result<PathBuf> {
    let copy = library.with_extension(format!("{number}.so"));
    if !copy.is_file() {
        let made = library.with_extension(format!("{number}.{}", own()));
        let copied = fs::copy(library, &made).and_then(|_| fs::rename(&made, &copy));
        copied.map_err(|error| failed("copying a kernel", error))?;
    }
    Ok(copy)
}

/// A part of a name that nobody else has.
pub fn own() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

pub fn failed(what: &str, error: io::Error) -> Error {
    Error::Failed(format!("emulated device: {what}: {error}"))
}

fn build(whole: &str, flags: &[&str], extension: &str) -> Result<(PathBuf, Duration)> {
    let folder = folder().map_err(|error| failed("the folder of built kernels", error))?;
    let path = folder.join(format!("{}.{extension}", key(whole, flags)));
    if path.is_file() {
        return Ok((path, Duration::ZERO));
    }
    let begin = Instant::now();
    let own = own();
    let (source, made) = (folder.join(format!("{own}.cpp")), folder.join(format!("{own}.{extension}")));
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&source);
    let written = file.as_mut().map_err(|error| io::Error::from(error.kind())).and_then(|file| file.write_all(whole.as_bytes()));
    written.map_err(|error| failed("writing a kernel", error))?;
    let built = Command::new(compiler()).arg(&source).args(flags).arg("-o").arg(&made).output();
    let _ = fs::remove_file(&source);
    let built = built.map_err(|error| Error::Absent(format!("emulated device: {} does not start: {error}", compiler())))?;
    if !built.status.success() {
        let said = String::from_utf8_lossy(&built.stderr);
        return Err(Error::Invalid(format!("a generated kernel does not compile:\n{said}")));
    }
    // Whoever builds the same at the same time puts the same file there.
    fs::rename(&made, &path).map_err(|error| failed("keeping a kernel", error))?;
    Ok((path, begin.elapsed()))
}

fn key(whole: &str, flags: &[&str]) -> String {
    let part = |seed: u8| {
        let mut hasher = DefaultHasher::new();
        (seed, whole, flags, compiler()).hash(&mut hasher);
        hasher.finish()
    };
    format!("{:016x}{:016x}", part(0), part(1))
}

/// Where libraries are kept: a folder that only its owner may write, as they are opened and run.
pub fn folder() -> io::Result<PathBuf> {
    let own = fs::metadata("/proc/self").map(|of| of.uid()).unwrap_or(0);
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache"));
    let base = cache.or_else(home).filter(|base| base.is_absolute());
    let tries = base.map(|base| base.join("warpwise/emulated"));
    let otherwise = std::env::temp_dir().join(format!("warpwise-emulated-{own}"));
    let made = tries.into_iter().chain([otherwise]).find(|folder| {
        let _ = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
        fs::symlink_metadata(folder).is_ok_and(|of| of.is_dir() && of.uid() == own && of.mode() & 0o022 == 0)
    });
    made.ok_or_else(|| io::Error::other("none that only its owner may write"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_are_found() {
        let text = "extern \"C\" __global__ void __launch_bounds__(BLOCK, 4)\npipeline(u64 a) {}\n__global__ void b (u64 c) {}";
        assert_eq!(kernels(text), ["pipeline", "b"]);
    }
}
