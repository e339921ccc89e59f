//! `pegbar probe`: what a video file holds.

use crate::cli::ProbeArgs;
use crate::exit::Exit;
use crate::progress::clock;
use crate::report;
use anyhow::{Context, Result};
use pegbar_media::Tools;
use std::time::Duration;

/// Runs the command.
pub(crate) fn run(args: ProbeArgs) -> Result<Exit> {
    let tools = Tools::find()?;
    let probe = pegbar_media::probe(&tools, &args.file).with_context(|| args.file.display().to_string())?;
    if args.report.json {
        report::json(&probe)?;
        return Ok(Exit::Done);
    }
    let duration =
        probe.duration_secs.map_or("unknown".into(), |s| clock(Duration::from_secs_f64(s.max(0.0))));
    println!("{}: {}, {duration}", args.file.display(), probe.format);
    for stream in &probe.streams {
        println!("  {stream}");
    }
    if !probe.chapters.is_empty() {
        println!("  {} chapters", probe.chapters.len());
    }
    Ok(Exit::Done)
}
