//! `cargo xtask bench-chain`: a chain of a denoiser over time, two networks and a mask on a film of three minutes, against each of its
//! stages alone; its memory over time; and whether it goes on to the same frames after it was killed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::demo::cartoon;
use crate::ffmpeg::Ffmpeg;
use crate::machine::{self, Conditions};
use crate::peers::Peers;
use crate::performance_page::{self, median, table};
use crate::workspace::{Build, Workspace};
use crate::{cache, process};

const COMMAND: &str = "bench-chain";
/// The network for everything, and the one for lines.
const MODELS: [&str; 2] = ["ultra-x2", "compact-x2"];
const N_THREADS: usize = 2;
/// The longest a chain should take, in times of its slowest stage alone.
const TIMES_WANTED: f64 = 1.1;
/// Between two looks at the memory.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Options of `cargo xtask bench-chain`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// How many times each chain takes its turn
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Length of the film that is timed
    #[arg(long, value_name = "SECONDS", default_value_t = 15)]
    seconds: u32,
    /// Length of the film whose memory is watched, and that is killed half-way
    #[arg(long, value_name = "SECONDS", default_value_t = 180)]
    long: u32,
    /// Size of the film
    #[arg(long, value_name = "WxH", default_value = "128x72", value_parser = super::bench_peers::parse_size)]
    size: (usize, usize),
    /// Print the result without writing docs/performance.md
    #[arg(long)]
    no_write: bool,
}

#[derive(Default, Serialize, Deserialize)]
struct Results {
    conditions: Option<Conditions>,
    size: (usize, usize),
    /// Seconds of the film that is timed, and of the long one.
    film_seconds: [u32; 2],
    /// Seconds by chain, the whole one first: a number for each round.
    seconds: Vec<(String, Vec<f64>)>,
    /// Resident bytes of the program at tenths of the long run, and the most.
    memory: Vec<u64>,
    most_memory: u64,
    /// Frames of the long film, of the result, and whether a killed run gave the same.
    n_frames: [usize; 2],
    same_after_kill: bool,
    same_with_one_thread: bool,
}

struct Bench<'a> {
    ffmpeg: &'a Ffmpeg,
    pegbar: &'a Path,
    cores: &'a [usize],
    folder: PathBuf,
}

/// Measures and writes the result down.
pub(crate) fn bench_chain(workspace: &Workspace, options: &Options) -> Result<()> {
    let cores = machine::allowed_cores();
    let Some(cores) = cores.get(..N_THREADS) else {
        bail!("this needs {N_THREADS} cores, and this machine lends {}", cores.len())
    };
    let conditions = Conditions::now(workspace);
    let ffmpeg = Ffmpeg::ensure()?;
    let peers = Peers::prepare(workspace, false)?;
    let pegbar = workspace.build_pegbar(Build::Release)?;
    peers.make_models(&MODELS, &[])?;
    let bench = Bench { ffmpeg: &ffmpeg, pegbar: &pegbar, cores, folder: cache::folder("chain")? };
    let chains = bench.chains(&peers)?;
    let film = bench.film("film", options.size, options.seconds)?;
    let mut results = Results {
        conditions: Some(conditions),
        size: options.size,
        film_seconds: [options.seconds, options.long],
        seconds: chains.iter().map(|(name, _)| (name.clone(), vec![])).collect(),
        ..Results::default()
    };
    for round in 0..usize::from(options.rounds) {
        for turn in 0..chains.len() {
            let (name, chain) = &chains[(round + turn) % chains.len()];
            let start = Instant::now();
            process::stdout(&mut bench.run(chain, &film, &bench.output("timed"), N_THREADS))?;
            let seconds = start.elapsed().as_secs_f64();
            println!("round {}: {name:<24} {seconds:.2} s", round + 1);
            results.seconds[(round + turn) % chains.len()].1.push(seconds);
        }
    }
    bench.long_run(&chains[0].1, options, &mut results)?;
    let section = section(&results);
    println!("\n{section}");
    if !options.no_write {
        performance_page::write(workspace, COMMAND, &results, &section)?;
    }
    Ok(())
}

impl Bench<'_> {
    /// The whole chain, and a chain of each of its stages that takes long: name and file.
    fn chains(&self, peers: &Peers) -> Result<Vec<(String, PathBuf)>> {
        let upscale = |image: &str, model: &str| json!({ "type": "image.upscale", "params": { "target": "factor", "factor": 2.0 }, "inputs": { "image": image, "model": model } });
        let load = |model: &str| json!({ "type": "model.load", "params": { "path": peers.weights(model) } });
        let calm = json!({ "type": "temporal.denoise", "inputs": { "image": "in" } });
        let output = |image: &str| json!({ "type": "output", "inputs": { "image": image } });
        let chains = [
            (
                "the whole chain",
                json!({
                    "in": { "type": "input" },
                    "calm": calm,
                    "flat-model": load(MODELS[0]),
                    "flat": upscale("calm", "flat-model"),
                    "line-model": load(MODELS[1]),
                    "lines": upscale("calm", "line-model"),
                    "edges": { "type": "image.edge_mask", "params": { "expand": 2, "soften": 1.5 }, "inputs": { "image": "lines" } },
                    "mix": { "type": "image.mask_blend", "inputs": { "a": "flat", "b": "lines", "mask": "edges" } },
                    "out": output("mix"),
                }),
            ),
            ("denoiser alone", json!({ "in": { "type": "input" }, "calm": calm, "out": output("calm") })),
            (
                "small network alone",
                json!({ "in": { "type": "input" }, "model": load(MODELS[0]), "flat": upscale("in", "model"), "out": output("flat") }),
            ),
            (
                "large network alone",
                json!({ "in": { "type": "input" }, "model": load(MODELS[1]), "lines": upscale("in", "model"), "out": output("lines") }),
            ),
        ];
        let write = |(name, nodes): (&str, Value)| -> Result<(String, PathBuf)> {
            let path = self.folder.join(format!("{}.json", name.replace(' ', "-")));
            let file = json!({ "pegbar": 1, "title": name, "nodes": nodes });
            fs::write(&path, serde_json::to_string_pretty(&file)?)
                .with_context(|| format!("cannot write {}", path.display()))?;
            Ok((name.to_owned(), path))
        };
        chains.into_iter().map(write).collect()
    }

    /// A cartoon that is repeated until it is long enough, with noise that is not.
    fn film(&self, name: &str, (width, height): (usize, usize), seconds: u32) -> Result<PathBuf> {
        let drawn = self.folder.join("drawn-cartoon.mp4");
        if !drawn.is_file() {
            println!("drawing a cartoon");
            cartoon::write(self.ffmpeg, &drawn)?;
        }
        let path = self.folder.join(format!("{name}.mp4"));
        let mut make = self.ffmpeg.command();
        make.args(["-stream_loop", "-1", "-i"]).arg(&drawn).args(["-t", &seconds.to_string(), "-an"]);
        make.args([
            "-vf",
            &format!("scale={width}:{height}:flags=area,noise=alls=8:allf=t"),
            "-pix_fmt",
            "yuv420p",
        ]);
        make.args(["-c:v", "libx264", "-crf", "12", "-preset", "veryfast"]).arg(&path);
        process::run(&mut make)?;
        Ok(path)
    }

    fn output(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.mkv"))
    }

    fn run(&self, chain: &Path, film: &Path, output: &Path, threads: usize) -> Command {
        let mut command = machine::pinned(self.cores, self.pegbar);
        command.env("PEGBAR_STATE", self.folder.join("state"));
        command.arg("run").arg(chain).arg(film).arg("-o").arg(output);
        command.args(["--overwrite", "--threads", &threads.to_string(), "--segment", "10"]);
        command.args(["--encode", "h264", "--preset", "veryfast", "--crf", "18"]);
        command
    }

    /// Watches the memory of a run over the long film; does it again, killed half-way; and again with one thread.
    fn long_run(&self, chain: &Path, options: &Options, results: &mut Results) -> Result<()> {
        let film = self.film("long-film", options.size, options.long)?;
        println!("a film of {} s", options.long);
        let whole = self.output("whole");
        let start = Instant::now();
        let mut looks = Vec::new();
        let mut child = self.start(self.run(chain, &film, &whole, N_THREADS))?;
        let pid = child.id();
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            looks.extend(resident_bytes(pid));
            sleep(LOOK_EVERY);
        };
        if !status.success() {
            bail!("the chain failed on the long film");
        }
        let took = start.elapsed();
        let n = looks.len();
        results.memory = (1..10).filter_map(|tenth| looks.get(n * tenth / 10).copied()).collect();
        results.most_memory = looks.iter().copied().max().unwrap_or_default();

        println!("the same, killed after {:.0} s", took.as_secs_f64() / 2.0);
        let killed = self.output("killed");
        let mut child = self.start(self.run(chain, &film, &killed, N_THREADS))?;
        sleep(took / 2);
        child.kill()?;
        child.wait()?;
        if killed.exists() {
            bail!("the run was done before it was killed");
        }
        process::stdout(&mut self.run(chain, &film, &killed, N_THREADS))?;
        let alone = self.output("one-thread");
        process::stdout(&mut self.run(chain, &film, &alone, 1))?;

        let [of_film, of_whole, of_killed, of_alone] =
            [self.frames(&film)?, self.frames(&whole)?, self.frames(&killed)?, self.frames(&alone)?];
        results.n_frames = [of_film.len(), of_whole.len()];
        results.same_after_kill = of_killed == of_whole;
        results.same_with_one_thread = of_alone == of_whole;
        Ok(())
    }

    fn start(&self, mut command: Command) -> Result<Child> {
        command.stdout(Stdio::null()).stderr(Stdio::null()).stdin(Stdio::null());
        command.spawn().context("cannot start Pegbar")
    }

    /// Time and hash of every frame.
    fn frames(&self, film: &Path) -> Result<Vec<String>> {
        let mut command = self.ffmpeg.command();
        command.arg("-i").arg(film).args(["-map", "0:v", "-f", "framemd5", "-"]);
        let text = process::stdout(&mut command)?;
        Ok(text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect())
    }
}

/// Resident memory of a process, where the system tells.
fn resident_bytes(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// The text for docs/performance.md.
fn section(results: &Results) -> String {
    let (width, height) = results.size;
    let medians: Vec<f64> = results.seconds.iter().map(|(_, seconds)| median(seconds)).collect();
    let (whole, stages) =
        medians.split_first().map_or((f64::NAN, &[][..]), |(whole, stages)| (*whole, stages));
    let (slowest, sum) = (stages.iter().copied().fold(0.0, f64::max), stages.iter().sum::<f64>());
    let times = whole / slowest;
    let verdict = if times <= TIMES_WANTED { "met" } else { "not met" };
    let mut rows = vec![["chain", "s", "of the whole"].map(str::to_owned).to_vec()];
    for ((name, _), seconds) in results.seconds.iter().zip(&medians) {
        rows.push(vec![name.clone(), format!("{seconds:.2}"), format!("{:.2}", seconds / whole)]);
    }
    let in_mb = |bytes: &u64| format!("{:.0}", *bytes as f64 / 1e6);
    let memory: Vec<String> = results.memory.iter().map(in_mb).collect();
    let said = |yes: bool| if yes { "the same frames" } else { "OTHER FRAMES" };
    format!(
        "## A chain\n\n\
         A denoiser over time, Compact 24/8 x2 and 64/16 x2 after it, mixed by a mask of edges, from H.264 to H.264 (x264 veryfast), {width}x{height} to \
         {}x{}, {N_THREADS} threads on as many cores; {} s of film, {} rounds by turns, the middle counts. Stages alone are chains, too, with decoder and encoder.\n\n\
         {}\n\n\
         {}\n\n\
         Wanted: a chain in {TIMES_WANTED} times its slowest stage alone: {times:.2}, {verdict}. All stages share the same cores, so the chain cannot be faster \
         than their work together; the sum of the stages alone is {sum:.2} s.\n\n\
         On {} s of film ({} frames in, {} out) the program had resident, at each tenth of the run: {} MB, {} at most. Killed half-way and run again: {}; with one thread: {}.",
        width * 2,
        height * 2,
        results.film_seconds[0],
        results.seconds.first().map_or(0, |(_, seconds)| seconds.len()),
        results.conditions.as_ref().map(Conditions::sentence).unwrap_or_default(),
        table(1, &rows),
        results.film_seconds[1],
        results.n_frames[0],
        results.n_frames[1],
        memory.join(", "),
        in_mb(&results.most_memory),
        said(results.same_after_kill),
        said(results.same_with_one_thread),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_is_compared_with_its_slowest_stage() {
        let seconds = [("the whole chain", 10.0), ("one", 4.0), ("other", 8.0)];
        let seconds = seconds.map(|(name, s)| (name.to_owned(), vec![s])).to_vec();
        let results = Results { seconds, memory: vec![50_000_000; 9], ..Results::default() };
        let section = section(&results);
        assert!(section.contains("slowest stage alone: 1.25, not met"), "{section}");
        assert!(section.contains("stages alone is 12.00 s"), "{section}");
        assert!(section.contains("run again: OTHER FRAMES"), "{section}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_memory() {
        assert!(resident_bytes(std::process::id()) > Some(100_000));
    }
}
