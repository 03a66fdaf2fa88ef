//! The CUDA compiler that will turn kernels into machine code: whether it is there, and how to get it.
//!
//! It is looked for by setting, as a wheel from PyPI in Warpwise's data folder, and by the loader, in this
//! order. It is only found here: nothing in this release compiles a kernel.

use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

/// The variable that names the library.
const SETTING: &str = "WARPWISE_NVRTC";
/// Where the wheel is installed, inside the data folder.
const WHEELS: &str = "python";
/// Where the wheel keeps the library.
const IN_WHEEL: &str = "nvidia/cuda_nvrtc/lib/libnvrtc.so.12";
/// The wheel.
const WHEEL: &str = "nvidia-cuda-nvrtc-cu12";

/// Where the compiler is, if anywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nvrtc {
    /// The library, as a path or as the words `found by the loader`; none where there is none.
    pub library: Option<String>,
    /// The one line that installs it.
    pub install: String,
}

impl Nvrtc {
    /// Looks for it.
    pub(crate) fn find(data_folder: &Path) -> Self {
        let wheels = data_folder.join(WHEELS);
        let setting = std::env::var_os(SETTING).map(PathBuf::from);
        let file = setting.into_iter().chain([wheels.join(IN_WHEEL)]).find(|path| path.is_file());
        let library = file.map(|path| path.display().to_string()).or_else(|| {
            // SAFETY: opening a library runs its initializers; this is the system's own CUDA compiler.
            let opens = catch_unwind(|| unsafe { cudarc::nvrtc::sys::is_culib_present() });
            opens.unwrap_or(false).then(|| "found by the loader".to_owned())
        });
        Self { library, install: format!("pip install --target '{}' {WHEEL}", wheels.display()) }
    }
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
        std::fs::remove_dir_all(&folder).unwrap();
        if std::env::var_os(SETTING).is_none() {
            assert_eq!(found.library.as_deref(), library.to_str());
        }
        assert!(found.install.contains(WHEEL));
    }
}
