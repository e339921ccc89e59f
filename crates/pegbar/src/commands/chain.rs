//! `pegbar chain`: what is in a chain, and what can be in one.

mod check;
mod nodes;

use crate::cli::ChainCommand;
use crate::exit::Exit;
use anyhow::Result;

/// Runs the command.
pub(crate) fn run(command: ChainCommand) -> Result<Exit> {
    match command {
        ChainCommand::Check(args) => check::run(&args),
        ChainCommand::Nodes(args) => nodes::run(&args),
    }
}
