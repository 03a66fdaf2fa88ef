//! The command line: it parses, validates, and wires the crates together, nothing else.
//!
//! Each subcommand is a file of its own name. Standard output has what was asked for; everything else goes
//! to standard error. The exit status is 0 only where everything asked for held, 1 where something did not,
//! and 2 where the command line itself was wrong.

mod cli;
mod data;
mod devices;
mod failure;
mod local;
mod output;
mod password;
mod paths;
mod progress;
mod serve;
mod sql;
mod tpch;

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use cli::{Cli, Command, TpchCommand};
use failure::Failure;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
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
        Command::Password(arguments) => password::run(&arguments),
    }
}
