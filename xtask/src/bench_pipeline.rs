//! `cargo xtask bench-pipeline`: how much of the engine's speed is left when a video is decoded and encoded around it.
//!
//! Each program is timed on a short and on a long clip, by turns; frames a second are the further frames over the further seconds, so
//! that starting up and loading, which a film pays once, do not count.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::demo::cartoon;
use crate::ffmpeg::Ffmpeg;
use crate::frame_server::FrameServer;
use crate::machine::{self, Conditions};
use crate::peers::{Environment, Peers};
use crate::performance_page::{self, median, table};
use crate::workspace::{Build, Workspace};
use crate::{cache, process};

const COMMAND: &str = "bench-pipeline";
const MODEL: &str = "compact-x2";
const SCALE: usize = 2;
const FRAMES_PER_SEC: usize = 24;
/// The least share of the engine's own speed that a whole video has to reach.
const SHARE_WANTED: f64 = 0.92;
const N_THREADS: usize = 2;
const ENCODER: [&str; 6] = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "18"];
/// How often the engine alone runs in a round.
const ENGINE_RUNS: usize = 3;

/// Options of `cargo xtask bench-pipeline`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// How many times each program takes its turn
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Frames of the short and of the long clip
    #[arg(long, value_name = "SHORT,LONG", value_delimiter = ',', default_values_t = [8, 48])]
    frames: Vec<usize>,
    /// Arithmetic of Pegbar
    #[arg(long, default_value = "fast", value_parser = ["fast", "exact"])]
    precision: String,
    /// Use a clip of this size, to try the comparison out; writes nothing
    #[arg(long, value_name = "WxH", value_parser = super::bench_peers::parse_size)]
    size: Option<(usize, usize)>,
    /// Print the result without writing docs/performance.md
    #[arg(long)]
    no_write: bool,
}

/// Frames a second, a number for each round.
#[derive(Default, Serialize, Deserialize)]
struct Results {
    conditions: Option<Conditions>,
    ffmpeg: String,
    peer: String,
    size: (usize, usize),
    n_frames: Vec<usize>,
    precision: String,
    engine: Vec<f64>,
    pegbar: Vec<f64>,
    encoder: Vec<f64>,
    peer_pipeline: Vec<f64>,
}

/// A clip, and its frames at the output's size as they come out of a decoder.
struct Clip {
    path: PathBuf,
    n_frames: usize,
    raw: PathBuf,
}

/// What the programs are run with.
struct Bench<'a> {
    ffmpeg: &'a Ffmpeg,
    peers: &'a Peers,
    pegbar: &'a Path,
    cores: &'a [usize],
    folder: PathBuf,
    size: (usize, usize),
    precision: &'a str,
}

/// Measures and writes the result down.
pub(crate) fn bench_pipeline(workspace: &Workspace, options: &Options) -> Result<()> {
    let &[n_short, n_long] = options.frames.as_slice() else { bail!("give two numbers of frames") };
    if n_short == 0 || n_long <= n_short || n_long > cartoon::N_FRAMES {
        bail!("the long clip needs more frames than the short one, {} at most", cartoon::N_FRAMES);
    }
    let cores = machine::allowed_cores();
    let Some(cores) = cores.get(..N_THREADS) else {
        bail!("this needs {N_THREADS} cores, and this machine lends {}", cores.len())
    };
    // Asked first: building the program makes the machine busy, too.
    let conditions = Conditions::now(workspace);
    let ffmpeg = Ffmpeg::ensure()?;
    let peers = Peers::prepare(workspace, false)?;
    let pegbar = workspace.build_pegbar(Build::Release)?;
    machine::warn_if_not_pinned();
    peers.make_models(&[MODEL], &[])?;
    let bench = Bench {
        ffmpeg: &ffmpeg,
        peers: &peers,
        pegbar: &pegbar,
        cores,
        folder: cache::folder("pipeline")?,
        size: options.size.unwrap_or((720, 480)),
        precision: &options.precision,
    };
    let clips = bench.clips([n_short, n_long])?;
    let mut results = Results {
        conditions: Some(conditions),
        ffmpeg: ffmpeg.version.clone(),
        peer: bench.peer_version()?,
        size: bench.size,
        n_frames: vec![n_short, n_long],
        precision: options.precision.clone(),
        ..Results::default()
    };
    bench.rounds(options.rounds.into(), &clips, &mut results)?;
    let section = section(&results);
    println!("\n{section}");
    if !options.no_write && options.size.is_none() {
        performance_page::write(workspace, COMMAND, &results, &section)?;
    }
    Ok(())
}

impl Bench<'_> {
    /// Cuts the clips out of a drawn cartoon, and enlarges their frames for the encoder to run alone.
    fn clips(&self, n_frames: [usize; 2]) -> Result<[Clip; 2]> {
        let drawn = self.folder.join("drawn-cartoon.mp4");
        if !drawn.is_file() {
            println!("drawing a cartoon");
            cartoon::write(self.ffmpeg, &drawn)?;
        }
        let (width, height) = self.size;
        let clip = |name: &str, n_frames: usize| -> Result<Clip> {
            let path = self.folder.join(format!("{name}.mp4"));
            let raw = self.folder.join(format!("{name}.yuv"));
            let seconds = n_frames as f64 / FRAMES_PER_SEC as f64;
            let mut cut = self.ffmpeg.command();
            cut.arg("-i").arg(&drawn).args(["-t", &seconds.to_string(), "-frames:v", &n_frames.to_string()]);
            cut.args(["-vf", &format!("scale={width}:{height}:flags=area"), "-pix_fmt", "yuv420p"]);
            cut.args(["-c:v", "libx264", "-crf", "16", "-preset", "fast", "-c:a", "copy"]).arg(&path);
            process::run(&mut cut)?;
            let facts = self.ffmpeg.facts(&path)?;
            if facts.n_frames != n_frames as u64 || facts.audio_hash.is_none() {
                bail!(
                    "{} has {} frames where {n_frames} and sound are needed",
                    path.display(),
                    facts.n_frames
                );
            }
            let mut enlarge = self.ffmpeg.command();
            enlarge
                .arg("-i")
                .arg(&path)
                .args(["-vf", &format!("scale={}:{}", width * SCALE, height * SCALE)]);
            enlarge.args(["-f", "rawvideo", "-pix_fmt", "yuv420p"]).arg(&raw);
            process::run(&mut enlarge)?;
            Ok(Clip { path, n_frames, raw })
        };
        Ok([clip("short", n_frames[0])?, clip("long", n_frames[1])?])
    }

    fn rounds(&self, n_rounds: usize, clips: &[Clip; 2], results: &mut Results) -> Result<()> {
        let (width, height) = self.size;
        let mut serve = machine::pinned(self.cores, self.pegbar);
        serve.arg("bench").arg(self.peers.weights(MODEL)).arg("--serve");
        serve.args(["--size", &format!("{width}x{height}"), "--threads", &N_THREADS.to_string()]);
        serve.args(["--precision", self.precision]);
        let mut engine = FrameServer::start(&mut serve)?;
        for round in 0..n_rounds {
            // The first place goes round.
            for turn in 0..4 {
                let (name, value) = match (round + turn) % 4 {
                    0 => {
                        let seconds: Vec<f64> =
                            (0..ENGINE_RUNS).map(|_| engine.run()).collect::<Result<_>>()?;
                        keep(&mut results.engine, "engine alone", 1.0 / median(&seconds))
                    }
                    1 => {
                        keep(&mut results.pegbar, "pegbar upscale", self.steady(clips, |c| self.upscale(c))?)
                    }
                    2 => {
                        let fps = self.steady(clips, |clip| self.encode(clip))?;
                        keep(&mut results.encoder, "encoder alone", fps)
                    }
                    _ => {
                        let fps = self.steady(clips, |clip| self.peer(clip))?;
                        keep(&mut results.peer_pipeline, "OpenVINO and pipes", fps)
                    }
                };
                println!("round {}: {name:<18} {value:.2} frames/s", round + 1);
            }
        }
        Ok(())
    }

    /// Further frames over further seconds of a program that is timed on both clips.
    fn steady(&self, clips: &[Clip; 2], command: impl Fn(&Clip) -> Command) -> Result<f64> {
        let mut seconds = [0.0; 2];
        for (clip, seconds) in clips.iter().zip(&mut seconds) {
            let start = Instant::now();
            process::stdout(&mut command(clip))?;
            *seconds = start.elapsed().as_secs_f64();
        }
        let further = seconds[1] - seconds[0];
        if further <= 0.0 {
            bail!("the long clip took no longer than the short one: give --frames further apart");
        }
        Ok((clips[1].n_frames - clips[0].n_frames) as f64 / further)
    }

    fn output(&self) -> PathBuf {
        self.folder.join("output.mp4")
    }

    fn upscale(&self, clip: &Clip) -> Command {
        let mut command = machine::pinned(self.cores, self.pegbar);
        command.arg("upscale").arg(&clip.path).arg("-m").arg(self.peers.weights(MODEL));
        command.arg("-o").arg(self.output()).args(["--overwrite", "--threads", &N_THREADS.to_string()]);
        command.args(["--precision", self.precision]);
        command.args(["--encode", "h264", "--preset", "veryfast", "--crf", "18"]);
        command
    }

    fn encode(&self, clip: &Clip) -> Command {
        let (width, height) = (self.size.0 * SCALE, self.size.1 * SCALE);
        let mut command = machine::pinned(self.cores, &self.ffmpeg.ffmpeg);
        command.args(["-hide_banner", "-nostdin", "-loglevel", "error", "-y"]);
        command.args(["-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", &format!("{width}x{height}")]);
        command.args(["-r", &FRAMES_PER_SEC.to_string(), "-i"]).arg(&clip.raw);
        command.args(ENCODER).arg(self.output());
        command
    }

    fn peer(&self, clip: &Clip) -> Command {
        let mut command = self.peers.script(Environment::Main, "pipeline_peer.py", self.cores);
        command.arg(self.peers.stem(MODEL)).arg(&clip.path).arg(self.output());
        command.args(["--size", &format!("{}x{}", self.size.0, self.size.1)]);
        command.args(["--rate", &FRAMES_PER_SEC.to_string(), "--threads", &N_THREADS.to_string()]);
        command.arg("--ffmpeg").arg(&self.ffmpeg.ffmpeg).arg("--encoder").args(ENCODER);
        command
    }

    fn peer_version(&self) -> Result<String> {
        let mut command = self.peers.python();
        command.args(["-c", "import openvino; print(openvino.__version__.split('-')[0])"]);
        let version = process::stdout(&mut command).context("OpenVINO does not start")?;
        Ok(format!("OpenVINO {}", version.trim()))
    }
}

fn keep(values: &mut Vec<f64>, name: &'static str, value: f64) -> (&'static str, f64) {
    values.push(value);
    (name, value)
}

/// The text for docs/performance.md.
fn section(results: &Results) -> String {
    let (width, height) = results.size;
    let engine = median(&results.engine);
    let pegbar = median(&results.pegbar);
    let encoder = median(&results.encoder);
    let share = pegbar / engine;
    let verdict = if share >= SHARE_WANTED { "met" } else { "not met" };
    // Where both keep the same cores busy, their times for a frame add up.
    let together = 1.0 / (1.0 / engine + 1.0 / encoder);
    let row = |name: String, values: &[f64]| {
        let fps = median(values);
        vec![name, format!("{fps:.2}"), format!("{:.2}", fps / engine)]
    };
    let mut rows = vec![["program", "frames/s", "of the engine alone"].map(str::to_owned).to_vec()];
    rows.push(row(
        format!("engine alone (`pegbar bench`, {}, {N_THREADS} threads)", results.precision),
        &results.engine,
    ));
    rows.push(row("`pegbar upscale`, H.264 to H.264 (x264 veryfast) with sound".to_owned(), &results.pegbar));
    rows.push(row(format!("encoder alone, {}x{}", width * SCALE, height * SCALE), &results.encoder));
    rows.push(row(
        format!("a script around {} bf16 with ffmpeg pipes, the same work", results.peer),
        &results.peer_pipeline,
    ));
    let n_rounds = results.pegbar.len();
    format!(
        "## A whole video\n\n\
         Compact 64/16 x2 on a {width}x{height} clip, all on the same {N_THREADS} cores; {n_rounds} rounds by turns, the middle counts. Each program is \
         timed on {} and on {} frames, and its frames/s are the further frames over the further seconds: starting up is left out for all \
         alike.\n\n\
         {} ffmpeg {}.\n\n\
         {}\n\n\
         Wanted: a whole video at {SHARE_WANTED} or more of the engine alone: {share:.2}, {verdict}. Encoding takes its time from the same \
         cores; engine and encoder after each other would make {together:.2} frames/s, {:.2} of the engine alone. Pegbar over the script: \
         {:.2}.",
        results.n_frames.first().copied().unwrap_or_default(),
        results.n_frames.last().copied().unwrap_or_default(),
        results.conditions.as_ref().map(Conditions::sentence).unwrap_or_default(),
        results.ffmpeg,
        table(1, &rows),
        together / engine,
        pegbar / median(&results.peer_pipeline),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_section_compares_with_the_engine_alone() {
        let results = Results {
            engine: vec![10.0],
            pegbar: vec![9.0],
            encoder: vec![90.0],
            peer_pipeline: vec![3.0],
            ..Results::default()
        };
        let section = section(&results);
        assert!(section.contains("engine alone: 0.90, not met"), "{section}");
        assert!(section.contains("make 9.00 frames/s, 0.90 of"), "{section}");
        assert!(section.contains("Pegbar over the script: 3.00"), "{section}");
    }
}
