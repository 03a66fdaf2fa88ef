//! Lists the row-program files, which `warpwise selftest` carries in itself.

use std::fmt::Write;
use std::path::{Path, PathBuf};

fn main() {
    // Asked for when it runs: one that was built for another checkout may run for this one.
    let root = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).unwrap_or_default().join("gpu/programs");
    println!("cargo:rerun-if-changed=build.rs");
    let mut files: Vec<PathBuf> = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        // Files that come and go change their folder.
        println!("cargo:rerun-if-changed={}", folder.display());
        for entry in std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.unwrap_or_else(|error| panic!("{}: {error}", folder.display())).path();
            if path.is_dir() {
                // Those that stand for what is generated of them say no rows.
                folders.extend(Some(path).filter(|path| !path.ends_with("generated")));
            } else if path.extension().is_some_and(|extension| extension == "program") {
                files.push(path);
            }
        }
    }
    files.sort();
    let mut list = String::from("&[\n");
    for file in &files {
        let name = file.strip_prefix(&root).unwrap_or(file).display().to_string();
        // Writing to a string cannot fail.
        let _ = writeln!(list, "    ({name:?}, include_str!({:?})),", file.display().to_string());
    }
    list.push_str("]\n");
    let out = std::env::var_os("OUT_DIR").unwrap_or_else(|| panic!("cargo names no folder"));
    let path = Path::new(&out).join("programs.rs");
    std::fs::write(&path, list).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}
