//! `pegbar chain graph`.

use super::{host_sources, write_text};
use crate::cli::ChainGraphArgs;
use crate::commands::run::Opened;
use crate::exit::{Exit, UsageError};
use anyhow::Result;
use pegbar_chain::{check, mermaid, svg};
use pegbar_nodes::NODES;

/// Runs the command.
pub(super) fn run(args: &ChainGraphArgs) -> Result<Exit> {
    let draw = match args.output.as_deref().map(|path| path.extension().and_then(|e| e.to_str())) {
        None | Some(Some("mmd" | "mermaid")) => mermaid,
        Some(Some("svg")) => svg,
        Some(_) => {
            let message = "a drawing is written to .svg, or to .mmd as Mermaid text; name the output so";
            return Err(UsageError(message.into()).into());
        }
    };
    let opened = Opened::read(&args.file, &[])?;
    opened.trust(&args.trust);
    let Opened { chain, folder, shared, .. } = opened;
    // What a check finds out is drawn, too; a chain that does not pass is drawn without it.
    let report = match check(&chain, &NODES, &folder, &shared, &host_sources(&chain, args.size)) {
        Ok(checked) => checked.report(),
        Err(faults) => {
            tracing::warn!(
                "{}: {} faults, so sizes are not known; \"pegbar chain check\" tells them",
                args.file.display(),
                faults.len()
            );
            Vec::new()
        }
    };
    let text = draw(&chain, &NODES, &report);
    match &args.output {
        Some(path) => write_text(path, &text, args.overwrite)?,
        None => out!("{text}"),
    }
    Ok(Exit::Done)
}
