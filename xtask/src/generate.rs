//! `cargo xtask gen`: documents that are projections of a declaration in the code.
//!
//! Each is printed by the `pegbar` binary itself, so the page and the program cannot tell different stories.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process;
use crate::workspace::{Build, Workspace};

/// Options of `cargo xtask gen`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Write nothing; fail when a document is not what the binary prints
    #[arg(long)]
    pub(crate) check: bool,
}

/// A generated document: its path from the workspace root, and the arguments with which `pegbar` prints it.
const DOCUMENTS: &[(&str, &[&str])] = &[("docs/cli.md", &["docs"])];

/// Builds the binary, then writes or checks every document.
pub(crate) fn generate(workspace: &Workspace, options: &Options) -> Result<()> {
    generate_with(workspace, &workspace.build_pegbar(Build::Dev)?, options)
}

/// The same with a binary that is built already.
pub(crate) fn generate_with(workspace: &Workspace, pegbar: &Path, options: &Options) -> Result<()> {
    let mut stale = Vec::new();
    for (path, arguments) in DOCUMENTS {
        let text = process::stdout(Command::new(pegbar).args(*arguments).env("COLUMNS", "100"))?;
        let text = format!("{}\n", text.trim_end());
        let target = workspace.root.join(path);
        let is_current = fs::read_to_string(&target).is_ok_and(|found| found.replace("\r\n", "\n") == text);
        if is_current {
            println!("gen: {path} is current");
        } else if options.check {
            stale.push(*path);
        } else {
            fs::write(&target, text).with_context(|| format!("cannot write {path}"))?;
            println!("gen: wrote {path}");
        }
    }
    if !stale.is_empty() {
        bail!(
            "{} is not what the binary prints: run `cargo xtask gen` and commit the result",
            stale.join(", ")
        );
    }
    Ok(())
}
