//! `pegbar probe`: what a video file holds.

use super::film::{Film, SEQUENCE_RATE};
use crate::cli::ProbeArgs;
use crate::exit::Exit;
use crate::progress::clock;
use crate::report;
use anyhow::{Context, Result};
use pegbar_media::{DecodeOptions, Probe, Scan, Tools};
use serde::Serialize;
use std::time::Duration;

/// The report, with what was found in the pictures if that was asked.
#[derive(Debug, Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    probe: &'a Probe,
    #[serde(skip_serializing_if = "Option::is_none")]
    scan: Option<&'a Scan>,
}

/// Runs the command.
pub(crate) fn run(args: ProbeArgs) -> Result<Exit> {
    let tools = Tools::find()?;
    let film =
        Film::open(&tools, &args.file, SEQUENCE_RATE).with_context(|| args.file.display().to_string())?;
    let probe = &film.probe;
    let scan = match args.scan {
        true => {
            let video = probe.video(0).with_context(|| args.file.display().to_string())?;
            let whole = DecodeOptions { input: film.input.clone(), ..DecodeOptions::WHOLE };
            Some(pegbar_media::scan(&tools, &film.path, video, probe.duration_secs, &whole)?)
        }
        false => None,
    };
    if args.report.json {
        report::json(&Report { probe, scan: scan.as_ref() })?;
        return Ok(Exit::Done);
    }
    let duration =
        probe.duration_secs.map_or("unknown".into(), |s| clock(Duration::from_secs_f64(s.max(0.0))));
    outln!("{}: {}, {duration}", args.file.display(), probe.format);
    for stream in &probe.streams {
        outln!("  {stream}");
    }
    if !probe.chapters.is_empty() {
        outln!("  {} chapters", probe.chapters.len());
    }
    if let Some(scan) = scan {
        outln!("  the video is {scan}");
        if let Some(picture) = scan.picture {
            outln!("  black borders around {}x{} pixels (--crop {picture})", picture.width, picture.height);
        }
    }
    Ok(Exit::Done)
}
