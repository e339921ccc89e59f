//! `cargo xtask bench-chain`: a chain of a denoiser over time, two networks and a mask, against each of its stages alone, with a second
//! network that is of the others' size and one that is far larger; on a film of three minutes its memory over time, and whether it goes
//! on to the same frames after it was killed.

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
/// The network for everything.
const SMALL: Network = Network { model: "ultra-x2", name: "Compact 24/8 x2" };
/// The one for lines: first the one that goes over the long film, too.
const LARGE: [Network; 2] = [
    Network { model: "compact-x2", name: "Compact 64/16 x2" },
    Network { model: "esrgan-6b-x4", name: "ESRGAN of 6 blocks x4" },
];
const N_THREADS: usize = 2;
/// The longest a chain should take, in times of its slowest stage alone.
const TIMES_WANTED: f64 = 1.1;
/// The film is so much shorter for the largest network.
const SHORTER: u32 = 5;
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

/// A network as the bench has it.
struct Network {
    model: &'static str,
    name: &'static str,
}

#[derive(Default, Serialize, Deserialize)]
struct Results {
    conditions: Option<Conditions>,
    size: (usize, usize),
    comparisons: Vec<Comparison>,
    /// Of the long film.
    long_seconds: u32,
    /// Resident bytes of the program at tenths of the long run, and the most.
    memory: Vec<u64>,
    most_memory: u64,
    /// Frames of the long film, of the result, and whether a killed run gave the same.
    n_frames: [usize; 2],
    same_after_kill: bool,
    same_with_one_thread: bool,
}

/// A chain against its stages.
#[derive(Default, Serialize, Deserialize)]
struct Comparison {
    large: String,
    film_seconds: u32,
    /// By chain, the whole one first.
    chains: Vec<Timed>,
}

/// A number for each round.
#[derive(Default, Serialize, Deserialize)]
struct Timed {
    name: String,
    seconds: Vec<f64>,
    /// Of all cores together, decoder and encoder included.
    cpu_seconds: Vec<f64>,
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
    peers.make_models(&[SMALL.model, LARGE[0].model, LARGE[1].model], &[])?;
    let bench = Bench { ffmpeg: &ffmpeg, pegbar: &pegbar, cores, folder: cache::folder("chain")? };
    let mut results = Results {
        conditions: Some(conditions),
        size: options.size,
        long_seconds: options.long,
        ..Results::default()
    };
    for (large, film_seconds) in LARGE.iter().zip([options.seconds, options.seconds.div_ceil(SHORTER)]) {
        println!("with {}", large.name);
        let chains = bench.chains(&peers, large)?;
        results.comparisons.push(bench.compare(&chains, large, film_seconds, options)?);
    }
    bench.long_run(&bench.chains(&peers, &LARGE[0])?[0].1, options, &mut results)?;
    let section = section(&results);
    println!("\n{section}");
    if !options.no_write {
        performance_page::write(workspace, COMMAND, &results, &section)?;
    }
    Ok(())
}

impl Bench<'_> {
    /// Lets chains take turns on a film.
    fn compare(
        &self,
        chains: &[(String, PathBuf)],
        large: &Network,
        film_seconds: u32,
        options: &Options,
    ) -> Result<Comparison> {
        let film = self.film("film", options.size, film_seconds)?;
        let timed = |(name, _): &(String, PathBuf)| Timed { name: name.clone(), ..Timed::default() };
        let mut chains_timed: Vec<Timed> = chains.iter().map(timed).collect();
        for round in 0..usize::from(options.rounds) {
            for turn in 0..chains.len() {
                let at = (round + turn) % chains.len();
                let (name, chain) = &chains[at];
                let (start, cpu_before) = (Instant::now(), cpu_seconds_of_children());
                process::stdout(&mut self.run(chain, &film, &self.output("timed"), N_THREADS))?;
                let seconds = start.elapsed().as_secs_f64();
                println!("round {}: {name:<24} {seconds:.2} s", round + 1);
                chains_timed[at].seconds.push(seconds);
                let cpu = cpu_seconds_of_children().zip(cpu_before).map(|(after, before)| after - before);
                chains_timed[at].cpu_seconds.extend(cpu);
            }
        }
        Ok(Comparison { large: large.name.to_owned(), film_seconds, chains: chains_timed })
    }

    /// The whole chain, and a chain of each of its stages that takes long: name and file.
    fn chains(&self, peers: &Peers, large: &Network) -> Result<Vec<(String, PathBuf)>> {
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
                    "flat-model": load(SMALL.model),
                    "flat": upscale("calm", "flat-model"),
                    "line-model": load(large.model),
                    "lines": upscale("calm", "line-model"),
                    "edges": { "type": "image.edge_mask", "params": { "expand": 2, "soften": 1.5 }, "inputs": { "image": "lines" } },
                    "mix": { "type": "image.mask_blend", "inputs": { "a": "flat", "b": "lines", "mask": "edges" } },
                    "out": output("mix"),
                }),
            ),
            ("denoiser alone", json!({ "in": { "type": "input" }, "calm": calm, "out": output("calm") })),
            (
                "small network alone",
                json!({ "in": { "type": "input" }, "model": load(SMALL.model), "flat": upscale("in", "model"), "out": output("flat") }),
            ),
            (
                "large network alone",
                json!({ "in": { "type": "input" }, "model": load(large.model), "lines": upscale("in", "model"), "out": output("lines") }),
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
        command.args(["--overwrite", "--threads", &threads.to_string()]);
        command.args(["--segment", "10"]);
        command.args(["--encode", "h264", "--preset", "veryfast", "--crf", "18"]);
        command
    }

    /// Watches the memory of a run over the long film; does it again, killed half-way; and again with one thread.
    fn long_run(&self, chain: &Path, options: &Options, results: &mut Results) -> Result<()> {
        let film = self.film("long-film", options.size, options.long)?;
        println!("a film of {} s", options.long);
        let whole = self.output("whole");
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
        let n = looks.len();
        results.memory = (1..10).filter_map(|tenth| looks.get(n * tenth / 10).copied()).collect();
        results.most_memory = looks.iter().copied().max().unwrap_or_default();

        println!("the same, killed half-way");
        let killed = self.output("killed");
        let job = PathBuf::from(format!("{}.pegbar-job", killed.display()));
        if job.exists() {
            fs::remove_dir_all(&job)?; // of a run of the bench that was broken off
        }
        let mut child = self.start(self.run(chain, &film, &killed, N_THREADS))?;
        let journal = job.join("journal.jsonl");
        while !is_half_done(&fs::read_to_string(&journal).unwrap_or_default()) {
            if child.try_wait()?.is_some() {
                bail!("the run was done before it could be killed; make the film longer");
            }
            sleep(LOOK_EVERY);
        }
        child.kill()?;
        child.wait()?;
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

/// Whether half of the frames of a job are in finished segments: the first line of its journal is about the job, each other about a segment.
fn is_half_done(journal: &str) -> bool {
    let n_frames = |line: &str| serde_json::from_str::<Value>(line).ok()?["n_frames"].as_u64();
    let mut lines = journal.lines().map(|line| n_frames(line).unwrap_or(0));
    let all = lines.next().unwrap_or(0);
    let done = lines.sum::<u64>();
    done > 0 && 2 * done >= all
}

/// What processes that were started, and what those started, have used of all cores, where the system tells.
fn cpu_seconds_of_children() -> Option<f64> {
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the program comes second, in brackets, and may hold spaces; what is wanted is 16th and 17th.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(13);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / TICKS_PER_SECOND)
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
    let in_mb = |bytes: &u64| format!("{:.0}", *bytes as f64 / 1e6);
    let memory: Vec<String> = results.memory.iter().map(in_mb).collect();
    let said = |yes: bool| if yes { "the same frames" } else { "OTHER FRAMES" };
    let n_rounds =
        results.comparisons.first().and_then(|c| Some(c.chains.first()?.seconds.len())).unwrap_or(0);
    let comparisons: Vec<String> = results.comparisons.iter().map(comparison).collect();
    format!(
        "## A chain\n\n\
         A denoiser over time, {} and a larger network after it, mixed by a mask of edges, from H.264 to H.264 (x264 veryfast), {width}x{height} to \
         {}x{}, {N_THREADS} threads on as many cores; {n_rounds} rounds by turns, the middle counts. Stages alone are chains, too, with decoder and encoder. \
         \"Busy\" is the part of the cores' time that was used.\n\n\
         {}\n\n\
         Wanted: a chain in {TIMES_WANTED} times its slowest stage alone. All stages share the same cores, and a network alone keeps all of them busy: so a chain \
         cannot be faster than its work divided by the cores, and only where one stage is far larger than the others the wish can be met.\n\n\
         {}\n\n\
         With {} on {} s of film ({} frames in, {} out) the program had resident, at each tenth of the run: {} MB, {} at most. Killed half-way and run again: {}; \
         with one thread: {}.",
        SMALL.name,
        width * 2,
        height * 2,
        results.conditions.as_ref().map(Conditions::sentence).unwrap_or_default(),
        comparisons.join("\n\n"),
        LARGE[0].name,
        results.long_seconds,
        results.n_frames[0],
        results.n_frames[1],
        memory.join(", "),
        in_mb(&results.most_memory),
        said(results.same_after_kill),
        said(results.same_with_one_thread),
    )
}

/// A chain against its stages, as text.
fn comparison(comparison: &Comparison) -> String {
    let medians: Vec<f64> = comparison.chains.iter().map(|chain| median(&chain.seconds)).collect();
    let whole = medians.first().copied().unwrap_or(f64::NAN);
    let slowest = medians.iter().skip(1).copied().fold(0.0, f64::max);
    let times = whole / slowest;
    let verdict = if times <= TIMES_WANTED { "met" } else { "not met" };
    let mut rows = vec![["chain", "s", "of the whole", "busy"].map(str::to_owned).to_vec()];
    for (chain, seconds) in comparison.chains.iter().zip(&medians) {
        let busy = match chain.cpu_seconds.as_slice() {
            [] => "unknown".to_owned(),
            cpu => format!("{:.0} %", 100.0 * median(cpu) / (seconds * N_THREADS as f64)),
        };
        rows.push(vec![chain.name.clone(), format!("{seconds:.2}"), format!("{:.2}", seconds / whole), busy]);
    }
    format!(
        "Large network {}, {} s of film: {times:.2} times the slowest stage, {verdict}.\n\n{}",
        comparison.large,
        comparison.film_seconds,
        table(1, &rows),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_is_compared_with_its_slowest_stage() {
        let timed = |(name, s): (&str, f64)| Timed {
            name: name.into(),
            seconds: vec![s],
            cpu_seconds: vec![1.5 * s],
        };
        let chains = [("the whole chain", 10.0), ("one", 4.0), ("other", 8.0)].map(timed).into();
        let comparison = Comparison { large: "X".into(), film_seconds: 3, chains };
        let results =
            Results { comparisons: vec![comparison], memory: vec![50_000_000; 9], ..Results::default() };
        let section = section(&results);
        assert!(section.contains("X, 3 s of film: 1.25 times the slowest stage, not met."), "{section}");
        assert!(section.contains("75 %"), "{section}");
        assert!(section.contains("run again: OTHER FRAMES"), "{section}");
    }

    #[test]
    fn a_journal_tells_of_half_a_job() {
        let job = r#"{"pegbar_job":1,"n_frames":20}"#;
        let segment = r#"{"segment":0,"n_frames":6}"#;
        assert!(!is_half_done("") && !is_half_done(job));
        assert!(!is_half_done(&[job, segment].join("\n")));
        assert!(is_half_done(&[job, segment, segment].join("\n")));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn children_take_their_time() {
        let before = cpu_seconds_of_children().expect("Linux tells");
        let busy =
            Command::new("sh").args(["-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"]).status();
        assert!(busy.expect("a shell").success());
        assert!(cpu_seconds_of_children() > Some(before), "a loop takes more than a tick");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_memory() {
        assert!(resident_bytes(std::process::id()) > Some(100_000));
    }
}
