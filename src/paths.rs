//! Where things are kept: below the user's data folder (XDG_DATA_HOME, or ~/.local/share).

use std::path::PathBuf;

use warpwise_engine::tpch::Scale;

use crate::failure::Failure;

/// Warpwise's own folder.
pub fn data_folder() -> Result<PathBuf, Failure> {
    let folder = dirs::data_dir().ok_or_else(|| {
        Failure::new("there is no folder to keep data in: this user has no home folder")
            .hint("set XDG_DATA_HOME to a folder with some room")
    })?;
    Ok(folder.join("warpwise"))
}

/// Where TPC-H at a scale is kept.
pub fn tpch_folder(scale: Scale) -> Result<PathBuf, Failure> {
    Ok(data_folder()?.join("tpch").join(format!("sf{scale}")))
}
