//! `cargo xtask bench-peers`.
use crate::workspace::Workspace;
use anyhow::Result;
/// Options.
#[derive(clap::Args)]
pub(crate) struct Options {}
pub(crate) fn bench_peers(_: &Workspace, _: &Options) -> Result<()> {
    Ok(())
}
