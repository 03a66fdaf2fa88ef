//! The command line: it parses, validates, and wires the crates together, nothing else.
//!
//! Each subcommand is a file of its own name. Standard output has what was asked for; everything else goes
//! to standard error. The exit status is 0 only where everything asked for held, 1 where something did not,
//! and 2 where the command line itself was wrong.

mod bench;
mod cli;
mod data;
mod devices;
mod failure;
mod local;
mod measure;
mod output;
mod password;
mod paths;
mod progress;
mod selftest;
mod serve;
mod sql;
mod tpch;

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use cli::{BenchCommand, Cli, Command, TpchCommand};
use failure::Failure;

#[cfg(not(feature = "system-allocator"))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_purge_delay` of mimalloc 3 (`mimalloc.h`).
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

/// Has memory that is free returned to the system soon: batches are made on one thread and freed on another, and would else
/// pile up between. Not at once: what is freed between two pages of a file is wanted again for the next, and asking the
/// system for it anew took a third of the time.
fn give_memory_back() {
    // SAFETY: the option exists in the version that is linked, and takes any number of milliseconds.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, 200) };
}

fn main() -> ExitCode {
    give_memory_back();
    let cli = Cli::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.report();
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Sql(arguments) => sql::run(arguments),
        Command::Tpch { command: TpchCommand::Generate(arguments) } => tpch::generate(&arguments),
        Command::Tpch { command: TpchCommand::Queries(arguments) } => tpch::queries(&arguments),
        Command::Tpch { command: TpchCommand::Run(arguments) } => tpch::run(&arguments),
        Command::Devices(arguments) => devices::run(&arguments),
        Command::Selftest(arguments) => selftest::run(&arguments),
        Command::Bench { command: BenchCommand::Taxi(arguments) } => bench::taxi(&arguments),
        Command::Bench { command: BenchCommand::Single(arguments) } => bench::single(&arguments),
        Command::Bench { command: BenchCommand::All(arguments) } => bench::all(&arguments),
        Command::Password(arguments) => password::run(&arguments),
    }
}
