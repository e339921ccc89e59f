//! `cargo xtask bench-peers`: the same network, the same frame size, the same cores: Pegbar against other engines, by turns.
//!
//! Engines take turns round by round, so that a machine that slows down slows all of them, and the middle of several rounds counts.
//! A new peer is a line in [`PEERS`], its pinned package in `benches/peers/requirements.txt` and a script beside it.

mod report;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::python::Python;
use crate::workspace::{Build, Workspace};
use crate::{cache, process};

/// Options of `cargo xtask bench-peers`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// How many times each engine takes its turn
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Numbers of threads to compare at, each pinned to as many cores
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2])]
    threads: Vec<usize>,
    /// Width and height of the frame
    #[arg(long, default_value = "720x480")]
    size: String,
    /// Print the result without writing docs/performance.md
    #[arg(long)]
    no_write: bool,
}

/// An engine to compare with.
struct Peer {
    name: &'static str,
    /// In `benches/peers`. `SCRIPT MODEL.onnx --size WxH --threads N --runs N` prints `{"version", "seconds_per_frame"}`;
    /// with `--golden FILE` it writes the tensors `input` and `output` instead of timing.
    script: &'static str,
}

const PEERS: &[Peer] = &[Peer { name: "ONNX Runtime", script: "onnxruntime_peer.py" }];

/// The largest difference between two f32 engines on a network of this depth that is still only rounding.
const TOLERANCE: f64 = 1e-3;

/// f32 throughout, as the peers compute.
const PRECISION: &str = "exact";

/// How often an engine runs in one turn, after a run that is not timed.
const RUNS_A_TURN: &str = "2";

/// The times of one engine at one number of threads.
struct Timing {
    engine: String,
    version: String,
    threads: usize,
    seconds_per_frame: Vec<f64>,
}

/// What was measured, ready to be written down.
struct Measurement {
    size: String,
    /// How busy the machine was before, where the operating system tells.
    load_before: Option<f64>,
    timings: Vec<Timing>,
    /// Largest absolute difference between Pegbar's output and each peer's.
    differences: Vec<(&'static str, f64)>,
}

/// The engines on this machine.
struct Bench<'a> {
    workspace: &'a Workspace,
    python: PathBuf,
    pegbar: PathBuf,
    folder: PathBuf,
    size: &'a str,
}

/// Measures and writes the result down.
pub(crate) fn bench_peers(workspace: &Workspace, options: &Options) -> Result<()> {
    // Asked first: building the program makes the machine busy, too.
    let load_before = load();
    let requirements = workspace.root.join("benches/peers/requirements.txt");
    let folder = cache::folder("peers")?;
    // Named by its content, so that other pins get another environment.
    let environment = folder.join(format!("environment-{}", &cache::sha256(&requirements)?[..12]));
    let python = Python::find()?.environment(&environment, &requirements)?;
    let pegbar = workspace.build_pegbar(Build::Release)?;
    let bench = Bench { workspace, python, pegbar, folder, size: &options.size };

    process::run(Command::new(&bench.python).arg(bench.script("make_compact.py")).arg(&bench.folder))?;
    let cores = allowed_cores();
    let mut measurement =
        Measurement { size: options.size.clone(), load_before, timings: Vec::new(), differences: Vec::new() };
    for peer in PEERS {
        let difference = bench.difference(peer)?;
        println!("largest difference from {}: {difference:.1e}", peer.name);
        measurement.differences.push((peer.name, difference));
    }
    for &threads in &options.threads {
        if threads == 0 || threads > cores.len() {
            println!("{threads} threads: left out, this machine lends {} cores", cores.len());
            continue;
        }
        measurement.timings.extend(bench.rounds(options.rounds, threads, &cores[..threads])?);
    }
    if measurement.timings.is_empty() {
        bail!("nothing was measured: no number of threads fits this machine");
    }
    println!("\n{}", report::table(&measurement));
    if !options.no_write {
        report::write(workspace, &measurement)?;
    }
    Ok(())
}

impl Bench<'_> {
    fn script(&self, name: &str) -> PathBuf {
        self.workspace.root.join("benches/peers").join(name)
    }

    fn weights(&self) -> PathBuf {
        self.folder.join("compact.safetensors")
    }

    fn peer_command(&self, peer: &Peer, wrapper: &[String]) -> Command {
        let mut command = wrapped(wrapper, &self.python);
        command
            .arg(self.script(peer.script))
            .arg(self.folder.join("compact.onnx"))
            .args(["--size", self.size]);
        command
    }

    /// Lets the peer compute a frame and Pegbar verify it.
    fn difference(&self, peer: &Peer) -> Result<f64> {
        let golden = self.folder.join("golden.safetensors");
        process::stdout(self.peer_command(peer, &[]).arg("--golden").arg(&golden))?;
        let mut verify = Command::new(&self.pegbar);
        verify.args(["models", "verify"]).arg(self.weights()).arg("--golden").arg(&golden);
        verify.args(["--precision", PRECISION, "--tolerance", &TOLERANCE.to_string(), "--json"]);
        let answer = process::stdout(&mut verify).with_context(|| {
            format!("Pegbar and {} disagree, so a ratio of times would mean nothing", peer.name)
        })?;
        fs::remove_file(&golden).with_context(|| format!("cannot remove {}", golden.display()))?;
        number(&answer, "max_abs_err")
    }

    /// All engines by turns on the same cores; the first place in a round goes round, too.
    fn rounds(&self, n_rounds: u32, threads: usize, cores: &[usize]) -> Result<Vec<Timing>> {
        let wrapper = pin(cores);
        let mut timings = vec![Timing {
            engine: "Pegbar".to_owned(),
            version: report::own_version(self.workspace),
            threads,
            seconds_per_frame: Vec::new(),
        }];
        timings.extend(PEERS.iter().map(|peer| Timing {
            engine: peer.name.to_owned(),
            version: String::new(),
            threads,
            seconds_per_frame: Vec::new(),
        }));
        for round in 0..n_rounds as usize {
            for turn in 0..timings.len() {
                let engine = (round + turn) % timings.len();
                let mut command = match engine.checked_sub(1) {
                    None => {
                        let mut command = wrapped(&wrapper, &self.pegbar);
                        command.arg("bench").arg(self.weights()).args(["--size", self.size]);
                        command.args(["--precision", PRECISION, "--runs", RUNS_A_TURN, "--json"]);
                        command
                    }
                    Some(peer) => {
                        let mut command = self.peer_command(&PEERS[peer], &wrapper);
                        command.args(["--runs", RUNS_A_TURN]);
                        command
                    }
                };
                let answer = process::stdout(command.args(["--threads", &threads.to_string()]))?;
                let seconds = number(&answer, "seconds_per_frame")?;
                let timing = &mut timings[engine];
                timing.seconds_per_frame.push(seconds);
                if engine > 0 {
                    timing.version = text(&answer, "version")?;
                }
                println!(
                    "{threads} thread{}, round {}: {:<14} {seconds:.3} s",
                    if threads == 1 { "" } else { "s" },
                    round + 1,
                    timing.engine
                );
            }
        }
        Ok(timings)
    }
}

impl Timing {
    /// The middle of the rounds.
    fn median(&self) -> f64 {
        let mut sorted = self.seconds_per_frame.clone();
        sorted.sort_by(f64::total_cmp);
        let (lower, upper) = ((sorted.len() - 1) / 2, sorted.len() / 2);
        (sorted[lower] + sorted[upper]) / 2.0
    }

    fn best(&self) -> f64 {
        self.seconds_per_frame.iter().copied().fold(f64::INFINITY, f64::min)
    }
}

/// What to write before a command so that it stays on these cores; nothing where there is no taskset.
fn pin(cores: &[usize]) -> Vec<String> {
    if process::on_path("taskset").is_none() {
        println!("no taskset here: the engines are not pinned to cores");
        return Vec::new();
    }
    let list = cores.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
    vec!["taskset".to_owned(), "--cpu-list".to_owned(), list]
}

fn wrapped(wrapper: &[String], program: &Path) -> Command {
    match wrapper.split_first() {
        None => Command::new(program),
        Some((first, rest)) => {
            let mut command = Command::new(first);
            command.args(rest).arg(program);
            command
        }
    }
}

/// Programs that were running or waiting for a core, averaged over the last minute.
fn load() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
}

/// The cores that this process may run on.
fn allowed_cores() -> Vec<usize> {
    let listed = fs::read_to_string("/proc/self/status").ok().and_then(|status| {
        let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?.trim().to_owned();
        parse_cores(&list)
    });
    listed.unwrap_or_else(|| (0..std::thread::available_parallelism().map_or(1, usize::from)).collect())
}

/// Reads a list such as `0-3,8,10-11`.
fn parse_cores(list: &str) -> Option<Vec<usize>> {
    let mut cores = Vec::new();
    for part in list.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        cores.extend(first.parse::<usize>().ok()?..=last.parse().ok()?);
    }
    Some(cores)
}

fn number(json: &str, key: &str) -> Result<f64> {
    let answer: Value = serde_json::from_str(json).with_context(|| format!("no JSON: {json}"))?;
    answer[key].as_f64().with_context(|| format!("the answer has no {key}: {json}"))
}

fn text(json: &str, key: &str) -> Result<String> {
    let answer: Value = serde_json::from_str(json).with_context(|| format!("no JSON: {json}"))?;
    answer[key].as_str().map(str::to_owned).with_context(|| format!("the answer has no {key}: {json}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn core_lists() {
        assert_eq!(parse_cores("0-3,8,10-11"), Some(vec![0, 1, 2, 3, 8, 10, 11]));
        assert_eq!(parse_cores("none"), None);
    }

    #[test]
    fn the_middle_of_an_even_number_of_rounds() {
        let timing = |seconds: &[f64]| Timing {
            engine: String::new(),
            version: String::new(),
            threads: 1,
            seconds_per_frame: seconds.to_vec(),
        };
        assert_eq!(timing(&[3.0, 1.0, 9.0]).median(), 3.0);
        assert_eq!(timing(&[4.0, 1.0, 9.0, 2.0]).median(), 3.0);
    }
}
