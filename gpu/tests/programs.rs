//! Row programs on every device: the files of `programs/`, and random ones.
//!
//! `UPDATE=1` rewrites what the files expect; `RANDOM_SEED` and `RANDOM_COUNT` choose other random programs, or more.

use std::path::{Path, PathBuf};

use warpwise_gpu::testing::{check_file, check_random};
use warpwise_gpu::{Device, Emulated, Interpreter};

/// How many random programs run on each device where nobody says.
const RANDOM_COUNT: u64 = 400;

/// The devices that everything here runs on.
fn devices() -> Vec<Box<dyn Device>> {
    vec![Box::new(Interpreter), Box::new(Emulated::default())]
}

/// Every `.program` file, in order.
fn files() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs");
    let mut found = Vec::new();
    let mut folders = vec![root];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "program") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn number(name: &str, otherwise: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

#[test]
fn files_give_what_they_say() {
    let files = files();
    assert!(!files.is_empty(), "there are no files");
    for device in devices() {
        let mut cases = 0;
        let mut failures = Vec::new();
        for file in &files {
            match check_file(file, &*device) {
                Ok(count) => cases += count,
                Err(why) => failures.push(why),
            }
        }
        assert!(failures.is_empty(), "{}", failures.join("\n"));
        println!("{}: {} files, {cases} cases", device.name(), files.len());
    }
}

#[test]
fn random_programs_give_what_the_interpreter_does() {
    for device in devices() {
        check_random(&*device, number("RANDOM_SEED", 1), number("RANDOM_COUNT", RANDOM_COUNT));
    }
}
