//! `pegbar chain export`.

use super::write_text;
use crate::cli::ChainExportArgs;
use crate::commands::run::{Opened, way};
use crate::exit::{Exit, UsageError};
use anyhow::Result;
use pegbar_nodes::NODES;
use std::path::Path;

/// Runs the command: the chain in the form that Pegbar writes, of the newest version, with parameters set.
pub(super) fn run(args: &ChainExportArgs) -> Result<Exit> {
    if args.output.extension().is_none_or(|extension| extension != "json") {
        let message = "a chain is written to .json; \"pegbar chain graph\" writes .svg and .mmd";
        return Err(UsageError(message.into()).into());
    }
    let mut opened = Opened::read(&args.file, &args.set)?;
    let folder =
        args.output.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    opened.chain.move_paths(&NODES, &way(folder, &opened.folder)?);
    write_text(&args.output, &opened.chain.to_json(), args.overwrite)?;
    Ok(Exit::Done)
}
