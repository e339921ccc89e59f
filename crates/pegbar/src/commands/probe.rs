//! `pegbar probe`: what a video file holds.

use crate::cli::ProbeArgs;
use crate::exit::Exit;
use crate::progress::clock;
use crate::report;
use anyhow::{Context, Result};
use pegbar_media::{StreamInfo, Tools};
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
        println!("  {}", describe(stream));
    }
    if !probe.chapters.is_empty() {
        println!("  {} chapters", probe.chapters.len());
    }
    Ok(Exit::Done)
}

/// One line about a stream: `0 video h264, 720x480, yuv420p, 23.976 frames/s, SAR 8:9, bt709`.
fn describe(stream: &StreamInfo) -> String {
    let kind = format!("{:?}", stream.kind).to_lowercase();
    let mut parts = vec![format!("{} {kind} {}", stream.index, stream.codec)];
    if let Some(video) = &stream.video {
        parts.push(format!("{}x{}", video.width, video.height));
        parts.push(video.pix_fmt.clone());
        parts.extend(
            video.avg_frame_rate.map(|r| format!("{} frames/s", (r.as_f64() * 1000.0).round() / 1000.0)),
        );
        if video.sar.num != video.sar.den {
            parts.push(format!("SAR {}:{}", video.sar.num, video.sar.den));
        }
        parts.extend(video.colour.matrix.map(|m| m.ffmpeg_name().to_owned()));
        parts.extend(video.field_order.clone().filter(|order| order != "progressive"));
        if video.attached_pic {
            parts.push("cover".into());
        }
    }
    parts.extend(stream.sample_rate.map(|rate| format!("{rate} Hz")));
    parts.extend(stream.channels.map(|n| format!("{n} channels")));
    parts.extend(["language", "title", "filename"].iter().filter_map(|tag| stream.tags.get(*tag)).cloned());
    parts.join(", ")
}
