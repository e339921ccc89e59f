//! One file per command.

mod bench;
mod chain;
mod docs;
mod doctor;
pub(crate) mod film;
mod jobs;
mod metrics;
mod models;
mod probe;
pub(crate) mod restore;
mod run;
mod session;
mod upscale;

use crate::cli::Command;
use crate::exit::Exit;

/// Runs a command to its exit code.
pub(crate) fn run(command: Command) -> anyhow::Result<Exit> {
    match command {
        Command::Upscale(args) => upscale::run(*args),
        Command::Run(args) => run::run(*args),
        Command::Chain(command) => chain::run(command),
        Command::Models(command) => models::run(command),
        Command::Probe(args) => probe::run(args),
        Command::Metrics(args) => metrics::run(args),
        Command::Bench(args) => bench::run(args),
        Command::Jobs(args) => jobs::run(args),
        Command::Doctor(args) => doctor::run(args),
        Command::Docs => docs::run(),
    }
}
