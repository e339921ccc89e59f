//! `pegbar chain export`.

use super::write_text;
use crate::cli::ChainExportArgs;
use crate::commands::run::Opened;
use crate::exit::{Exit, UsageError};
use anyhow::Result;

/// Runs the command: the chain in the form that Pegbar writes, of the newest version, with parameters set.
pub(super) fn run(args: &ChainExportArgs) -> Result<Exit> {
    if args.output.extension().is_none_or(|extension| extension != "json") {
        let message = "a chain is written to .json; \"pegbar chain graph\" writes .svg and .mmd";
        return Err(UsageError(message.into()).into());
    }
    let opened = Opened::read(&args.file, &args.set)?;
    write_text(&args.output, &opened.chain.to_json(), args.overwrite)?;
    Ok(Exit::Done)
}
