//! The README's transcript is what one sees.
//!
//! A fenced block behind the comment `<!-- transcript -->` is played: lines that begin with `$ ` are
//! commands, the lines below one are what it prints. `…` stands for anything within a line, and alone
//! in a line for any number of lines. `cargo run --release --` is the binary under test, a server stays
//! while the commands after it run, and it listens on a free port that reads as 5432. A command of a
//! program that is not installed is reported as not run; `git`, `cd` and `cargo test` are not played.

mod support;

use std::io::Write;
use std::process::Command;
use std::time::Duration;
use support::process::{run, warpwise, which};
use support::server::Server;

const LIMIT: Duration = Duration::from_secs(600);

/// A command, and what it has to print.
#[derive(Debug)]
struct Step {
    command: String,
    expected: Vec<String>,
}

fn readme() -> String {
    std::fs::read_to_string(support::root().join("README.md")).expect("README.md")
}

/// The steps of every block that is marked as a transcript.
fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let (mut marked, mut inside, mut continued) = (false, false, false);
    for line in text.lines() {
        if line.trim() == "<!-- transcript -->" {
            marked = true;
        } else if line.starts_with("```") {
            inside = marked && !inside;
            marked = false;
            continued = false;
        } else if inside {
            let (start, rest) = match line.strip_prefix("$ ") {
                Some(rest) => (true, rest),
                None => (false, line),
            };
            if start {
                steps.push(Step { command: String::new(), expected: Vec::new() });
            }
            let step = steps.last_mut().expect("a transcript begins with a command");
            if start || continued {
                continued = rest.ends_with('\\');
                step.command.push_str(rest.trim_end_matches('\\'));
            } else {
                step.expected.push(line.to_owned());
            }
        } else if !line.trim().is_empty() {
            marked = false;
        }
    }
    steps
}

/// Whether a line is what is expected, `…` standing for anything.
fn line_matches(expected: &str, actual: &str) -> bool {
    let mut parts = expected.trim_end().split('…');
    let actual = actual.trim_end();
    let Some(mut rest) = actual.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut last = None;
    for part in parts {
        let Some(place) = rest.find(part) else { return false };
        rest = &rest[place + part.len()..];
        last = Some(part);
    }
    match last {
        None => rest.is_empty(),
        Some(part) => part.is_empty() || actual.ends_with(part),
    }
}

/// Whether all lines are what is expected; a line that is only `…` stands for any number of them.
fn lines_match(expected: &[String], actual: &[&str]) -> bool {
    match expected.split_first() {
        None => actual.iter().all(|line| line.trim().is_empty()),
        Some((first, rest)) if first.trim() == "…" => (0..=actual.len()).any(|skip| lines_match(rest, &actual[skip..])),
        Some((first, rest)) if first.trim().is_empty() => lines_match(rest, actual),
        Some((first, rest)) => match actual.split_first() {
            Some((line, others)) if line.trim().is_empty() => lines_match(expected, others),
            Some((line, others)) => line_matches(first, line) && lines_match(rest, others),
            None => false,
        },
    }
}

/// The arguments of the binary under test, where a command runs it.
fn own_arguments(command: &str) -> Option<&str> {
    ["cargo run --release -- ", "target/release/warpwise ", "warpwise "].iter().find_map(|prefix| command.strip_prefix(prefix))
}

#[test]
fn transcript() {
    let steps = steps(&readme());
    assert!(!steps.is_empty(), "README.md has no block behind <!-- transcript -->");
    let mut server: Option<Server> = None;
    for step in &steps {
        let words: Vec<&str> = step.command.split_whitespace().collect();
        if matches!(words[..], ["git" | "cd", ..] | ["cargo", "test", ..]) {
            continue;
        }
        let actual = match own_arguments(&step.command) {
            Some(arguments) if arguments.starts_with("serve") => {
                let arguments: Vec<&str> = arguments.split_whitespace().skip(1).collect();
                let started = server.insert(Server::start(&arguments));
                started.log().lines().filter(|line| !line.starts_with("pid ")).collect::<Vec<_>>().join("\n")
            }
            own => {
                let port = server.as_ref().map_or(5432, |server| server.address().port());
                let program = words.first().copied().unwrap_or_default();
                if own.is_none() && which(program).is_none() {
                    assert!(!support::enabled("WARPWISE_REQUIRE_CLIENTS"), "not run: {}", step.command);
                    let _ = writeln!(std::io::stderr(), "not run: {program} is not installed: {}", step.command);
                    continue;
                }
                // A shell takes the quotes apart, with the binary under test in the place of cargo.
                let mut shell = Command::new("sh");
                let binary = warpwise();
                let line = match own {
                    Some(arguments) => format!("\"$WARPWISE\" {arguments}"),
                    None => step.command.replace("-p 5432", &format!("-p {port}")),
                };
                shell.args(["-c", &format!("{line} 2>&1")]).env("WARPWISE", binary.get_program()).current_dir(support::root());
                for (name, value) in binary.get_envs() {
                    if let Some(value) = value {
                        shell.env(name, value);
                    }
                }
                shell.env("PAGER", "cat").env("PSQLRC", "/dev/null").env("PGUSER", "postgres").env("LC_ALL", "C.UTF-8");
                run(shell, LIMIT).stdout
            }
        };
        let port = server.as_ref().map_or(5432, |server| server.address().port());
        let actual = actual.replace(&format!("-p {port}"), "-p 5432");
        let lines: Vec<&str> = actual.lines().collect();
        assert!(
            lines_match(&step.expected, &lines),
            "$ {}\nprints\n{actual}\n--- instead of\n{}",
            step.command,
            step.expected.join("\n")
        );
    }
}

/// The two commands that the project promises stand in it.
#[test]
fn the_two_commands() {
    let readme = readme();
    for command in ["cargo run --release -- serve --tpch 1", "cargo test --release --workspace"] {
        assert!(readme.contains(command), "README.md does not have `{command}`");
    }
    let served = steps(&readme).iter().any(|step| step.command.trim() == "cargo run --release -- serve --tpch 1");
    assert!(served, "the transcript does not start the server as promised");
}

#[test]
fn wildcards() {
    for (expected, actual, matches) in [
        ("ready in … s", "ready in 9 s", true),
        ("ready in … s", "ready in 9 m", false),
        ("a…b…c", "a--b--c", true),
        ("a…b…c", "a--c--b", false),
        ("…", "anything", true),
        ("exact", "exact", true),
        ("exact", "exactly", false),
        ("…end", "end end", true),
    ] {
        assert_eq!(line_matches(expected, actual), matches, "{expected} and {actual}");
    }
    let lines = |text: &[&str]| text.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
    assert!(lines_match(&lines(&["a", "…", "d"]), &["a", "b", "c", "d"]));
    assert!(!lines_match(&lines(&["a", "d"]), &["a", "b", "d"]));
    let text = "<!-- transcript -->\n```console\n$ one \\\n  two\nout\n$ three\n```\n```\n$ four\n```\n";
    let steps = steps(text);
    assert_eq!(steps.len(), 2);
    assert_eq!((steps[0].command.as_str(), steps[0].expected.as_slice()), ("one   two", &["out".to_owned()][..]));
}
