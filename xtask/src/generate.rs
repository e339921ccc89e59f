//! `cargo xtask gen`: documents that are projections of a declaration in the code.
//!
//! Each is made by the program itself, so the page and the program cannot tell different stories: printed by the `pegbar` binary, or
//! by `pegbar-pages`, which runs every node for a picture of what it does.

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

/// The folder of the pages of nodes, from the workspace root.
const NODES: &str = "docs/nodes";

/// Builds the programs that make documents, then writes or checks every document.
pub(crate) fn generate(workspace: &Workspace, options: &Options, build: Build) -> Result<()> {
    let [pegbar, pages] = workspace.build_programs(build, ["pegbar", "pegbar-pages"])?;
    let documents = printed(workspace, &pegbar, options);
    let nodes = {
        let mut command = Command::new(&pages);
        command.arg(NODES).current_dir(&workspace.root);
        if options.check {
            command.arg("--check");
        }
        process::run(&mut command)
            .context("docs/nodes is not what the nodes make: run `cargo xtask gen` and commit the result")
    };
    documents.and(nodes)
}

/// Writes or checks the documents that the `pegbar` binary prints.
fn printed(workspace: &Workspace, pegbar: &Path, options: &Options) -> Result<()> {
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
