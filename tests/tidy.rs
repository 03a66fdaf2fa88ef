//! The project's conventions, held by a test.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A file longer than this has more than one concept.
const LONGEST: usize = 900;

/// Folders of sources, tests, and what users read.
const FOLDERS: [&str; 9] = ["src", "engine", "gpu", "wire", "tests", "benches", "examples", "docs", ".ci"];

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All files below the folders of the project, by their paths from its root.
fn project_files() -> Vec<PathBuf> {
    let root = support::root();
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = FOLDERS.iter().map(|folder| root.join(folder)).filter(|folder| folder.is_dir()).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("an entry").path();
            let name = path.file_name().unwrap_or_default();
            if path.is_dir() {
                if name != "target" && name != "__pycache__" {
                    folders.push(path);
                }
            } else {
                found.push(path.strip_prefix(&root).expect("a path below the root").to_path_buf());
            }
        }
    }
    for entry in fs::read_dir(&root).expect("the root") {
        let path = entry.expect("an entry").path();
        let is_text = path.extension().is_some_and(|extension| extension == "md" || extension == "toml");
        if path.is_file() && is_text {
            found.push(PathBuf::from(path.file_name().unwrap_or_default()));
        }
    }
    found.sort();
    found
}

fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    path.extension().and_then(|extension| extension.to_str()).is_some_and(|extension| extensions.contains(&extension))
}

/// The names of the crates that a manifest depends on, outside of its tests.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let text = read(&support::root().join(manifest));
    let mut names = BTreeSet::new();
    let mut inside = false;
    for line in text.lines() {
        let line = line.trim();
        if line.starts_with('[') {
            let table = line.trim_matches(['[', ']']);
            inside = table == "dependencies" || (table.starts_with("target.") && table.ends_with(".dependencies"));
        } else if inside {
            let name = line.split(['=', '.', ' ']).next().unwrap_or_default().trim_matches('"');
            if !name.is_empty() && !name.starts_with('#') {
                names.insert(name.to_owned());
            }
        }
    }
    names
}

/// wire → engine → gpu, and each knows only its own part of the world.
#[test]
fn crates_depend_in_one_direction() {
    let forbidden: [(&str, &[&str]); 4] = [
        ("gpu/Cargo.toml", &["warpwise-engine", "warpwise-wire", "warpwise", "datafusion", "sqlparser", "pgwire", "tokio"]),
        ("engine/Cargo.toml", &["warpwise-wire", "warpwise", "pgwire"]),
        ("wire/Cargo.toml", &["warpwise", "warpwise-gpu", "datafusion", "sqlparser", "parquet", "object_store"]),
        ("Cargo.toml", &["datafusion", "pgwire", "sqlparser"]),
    ];
    for (manifest, names) in forbidden {
        let found = dependencies(manifest);
        assert!(!found.is_empty(), "{manifest} has no dependencies that could be read");
        for name in names {
            assert!(!found.contains(*name), "{manifest} depends on {name}");
        }
    }
}

#[test]
fn files_are_small() {
    let mut long = Vec::new();
    for path in project_files() {
        if has_extension(&path, &["rs", "py", "java", "sh", "cuh", "cu", "md"]) {
            let lines = read(&support::root().join(&path)).lines().count();
            if lines > LONGEST {
                long.push(format!("{} has {lines} lines", path.display()));
            }
        }
    }
    assert!(long.is_empty(), "more than {LONGEST} lines are more than one concept:\n{}", long.join("\n"));
}

/// Nothing names the place where it was written.
#[test]
fn no_file_names_a_workplace() {
    // In two halves, since this file is looked at too.
    let words = [concat!("/wo", "rk/"), concat!("/ro", "ot/")];
    for path in project_files() {
        let Ok(text) = fs::read_to_string(support::root().join(&path)) else { continue };
        for word in words {
            let line = text.lines().position(|line| line.contains(word));
            assert!(line.is_none(), "{}:{} names {word}", path.display(), line.unwrap_or_default() + 1);
        }
    }
}

/// Modules open with a paragraph on what they are for.
#[test]
fn modules_open_with_their_purpose() {
    for path in project_files() {
        if has_extension(&path, &["rs"]) {
            let text = read(&support::root().join(&path));
            assert!(text.starts_with("//!"), "{} does not open with its purpose", path.display());
        }
    }
}

fn architecture() -> String {
    read(&support::root().join("docs/architecture.md"))
}

#[test]
fn architecture_names_every_source_folder() {
    let text = architecture();
    let mut missing = BTreeSet::new();
    for path in project_files() {
        let in_sources = path.components().any(|part| part.as_os_str() == "src");
        if has_extension(&path, &["rs"]) && in_sources {
            let folder = path.parent().unwrap_or(Path::new("")).display().to_string();
            if !text.contains(&format!("{folder}/")) && !text.contains(&format!("`{folder}`")) {
                missing.insert(folder);
            }
        }
    }
    assert!(missing.is_empty(), "docs/architecture.md does not name {missing:?}");
}

/// What looks like a path in backticks is one.
#[test]
fn paths_in_documents_exist() {
    let root = support::root();
    let mut missing = Vec::new();
    for document in project_files().iter().filter(|path| has_extension(path, &["md"])) {
        for (number, line) in read(&root.join(document)).lines().enumerate() {
            for word in line.split('`').skip(1).step_by(2) {
                let plain = word.chars().all(|character| character.is_ascii_alphanumeric() || "/_.-".contains(character));
                let first = word.split('/').next().unwrap_or_default();
                if plain && word.contains('/') && FOLDERS.contains(&first) && !root.join(word).exists() {
                    missing.push(format!("{}:{}: {word}", document.display(), number + 1));
                }
            }
        }
    }
    assert!(missing.is_empty(), "these do not exist:\n{}", missing.join("\n"));
}

/// Every command of the README's is played by `tests/readme.rs`, or says that it is not.
#[test]
fn readme_commands_are_played() {
    let mut played = false;
    let mut inside = false;
    let mut excused = false;
    for (number, line) in read(&support::root().join("README.md")).lines().enumerate() {
        if line.trim() == "<!-- transcript -->" {
            played = true;
        } else if line.trim().starts_with("<!-- not played:") {
            excused = true;
        } else if line.starts_with("```") {
            if inside {
                (played, excused) = (false, false);
            }
            inside = !inside;
        } else if inside && line.starts_with("$ ") {
            assert!(played || excused, "README.md:{}: {line} is not in a transcript", number + 1);
        }
    }
}

#[test]
fn transcripts_and_sql_files_end_with_a_newline() {
    for path in project_files() {
        if has_extension(&path, &["rs", "slt", "pt", "sql", "py", "java", "md", "toml"]) {
            let text = read(&support::root().join(&path));
            assert!(text.is_empty() || text.ends_with('\n'), "{} does not end with a newline", path.display());
        }
    }
}
