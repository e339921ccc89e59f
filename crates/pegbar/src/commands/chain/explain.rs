//! `pegbar chain explain`.

use super::host_sources;
use crate::cli::ChainExplainArgs;
use crate::commands::run::{Opened, faulty};
use crate::exit::Exit;
use anyhow::{Context, Result};
use pegbar_chain::{check, explain};
use pegbar_nodes::NODES;

/// Runs the command.
pub(super) fn run(args: &ChainExplainArgs) -> Result<Exit> {
    let opened = Opened::read(&args.file, &args.set)?;
    opened.trust(&args.trust);
    let Opened { chain, folder, shared, .. } = opened;
    let checked = check(&chain, &NODES, &folder, &shared, &host_sources(&chain, args.size))
        .map_err(faulty)
        .with_context(|| args.file.display().to_string())?;
    out!("{}", explain(&chain, &checked));
    Ok(Exit::Done)
}
