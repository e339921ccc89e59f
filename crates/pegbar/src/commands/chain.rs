//! `pegbar chain`: what is in a chain, and what can be in one.

mod check;
mod explain;
mod export;
mod graph;
mod import;
mod new;
mod nodes;

use crate::cli::ChainCommand;
use crate::exit::Exit;
use crate::output::{Existing, PartialFile};
use anyhow::{Context, Result};
use pegbar_chain::{Chain, ImageInfo, Info, Role};
use pegbar_nodes::NODES;
use std::collections::HashMap;
use std::path::Path;

/// Runs the command.
pub(crate) fn run(command: ChainCommand) -> Result<Exit> {
    match command {
        ChainCommand::Check(args) => check::run(&args),
        ChainCommand::Explain(args) => explain::run(&args),
        ChainCommand::Graph(args) => graph::run(&args),
        ChainCommand::New(args) => new::run(&args),
        ChainCommand::Import(args) => import::run(&args),
        ChainCommand::Export(args) => export::run(&args),
        ChainCommand::Nodes(args) => nodes::run(&args),
    }
}

/// What is known of inputs when the size of their pictures is given.
fn host_sources(chain: &Chain, size: Option<(usize, usize)>) -> HashMap<String, Vec<Info>> {
    let mut sources = HashMap::new();
    let Some((width, height)) = size else { return sources };
    for (id, node) in &chain.nodes {
        let Some(kind) = NODES.get(&node.node_type).filter(|kind| matches!(kind.role, Role::HostSource))
        else {
            continue;
        };
        sources.insert(id.clone(), kind.output_infos(&ImageInfo::of_size(width, height)));
    }
    sources
}

/// Writes a text file, which appears when it is complete.
fn write_text(path: &Path, text: &str, overwrite: bool) -> Result<()> {
    let existing = if overwrite { Existing::Overwrite } else { Existing::Refuse };
    let partial = PartialFile::create(path, existing)?;
    std::fs::write(partial.temporary(), text)
        .with_context(|| format!("{}: cannot be written", path.display()))?;
    partial.finish()
}
