//! `password`: a line for the password file, made where the password is typed, so that it goes nowhere else.

use std::io::{self, BufRead, IsTerminal, Write};
use std::process::{Command, Stdio};

use crate::cli;
use crate::failure::Failure;
use crate::output::{note, say};

/// Asks for a password and prints the user's line.
pub fn run(arguments: &cli::Password) -> Result<(), Failure> {
    if arguments.user.is_empty() || arguments.user.contains(['\n', '\r', '\0']) || arguments.user.starts_with('#') {
        return Err(Failure::new(format!("\"{}\" cannot be a user's name in a password file", arguments.user.escape_debug())));
    }
    let password = if io::stdin().is_terminal() { ask(&arguments.user)? } else { line()? };
    if password.is_empty() {
        return Err(Failure::new("an empty password proves nothing").hint("type one, or send one to standard input"));
    }
    Ok(say(&format!("{}:{}", arguments.user, warpwise_wire::scram_verifier(&password)))?)
}

/// One line of standard input.
fn line() -> Result<String, Failure> {
    let mut text = String::new();
    let read = io::stdin().lock().read_line(&mut text);
    read.map_err(|error| Failure::new(format!("could not read the password: {error}")))?;
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}

/// Asks twice, without showing what is typed.
fn ask(user: &str) -> Result<String, Failure> {
    let quiet = echo(false);
    let typed = prompt(&format!("Password for {user}: "), quiet).and_then(|first| Ok((first, prompt("Again: ", quiet)?)));
    if quiet {
        echo(true);
    } else {
        note("(the terminal could not be told to hide it)");
    }
    let (first, second) = typed?;
    if first != second {
        return Err(Failure::new("the two passwords differ").hint("try again"));
    }
    Ok(first)
}

fn prompt(text: &str, quiet: bool) -> Result<String, Failure> {
    let mut err = io::stderr().lock();
    // A prompt that cannot be shown does not stand in the way.
    let _ = write!(err, "{text}").and_then(|()| err.flush());
    let typed = line();
    if quiet {
        let _ = writeln!(err);
    }
    typed
}

/// Has the terminal show what is typed, or not; whether that worked.
fn echo(on: bool) -> bool {
    let mode = if on { "echo" } else { "-echo" };
    let status = Command::new("stty").arg(mode).stdin(Stdio::inherit()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}
