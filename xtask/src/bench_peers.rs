//! `cargo xtask bench-peers`: the same networks, the same frames, the same cores: Pegbar against other engines, by turns.
//!
//! Engines live side by side and take turns frame by frame, so that a machine that slows down slows all of them, and the middle of
//! several rounds counts. What is compared stands in [`workload::WORKLOADS`], with whom in [`engine::PEERS`].

mod engine;
mod peak;
mod report;
mod results;
mod workload;

use std::path::Path;

use anyhow::{Result, bail};

use crate::machine::{self, Conditions};
use crate::peers::Peers;
use crate::performance_page;
use crate::turns::{self, Contest, Measurement};
use crate::workspace::{Build, Workspace};
use results::Results;
use workload::{WORKLOADS, Workload};

const COMMAND: &str = "bench-peers";

/// Options of `cargo xtask bench-peers`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Measure only these workloads; the others' rows stay as they are
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = WORKLOADS.map(|workload| workload.name))]
    only: Vec<String>,
    /// Compare only with these engines
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    engines: Vec<String>,
    /// How many times each engine takes its turn
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Numbers of threads to compare at, each pinned to as many cores
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = [1, 2])]
    threads: Vec<usize>,
    /// Use frames of this size, to try the comparison out; writes nothing
    #[arg(long, value_name = "WxH", value_parser = parse_size)]
    size: Option<(usize, usize)>,
    /// Print the result without writing docs/performance.md
    #[arg(long)]
    no_write: bool,
    /// Name the workloads and measure nothing
    #[arg(long)]
    list: bool,
}

/// What stays the same over all workloads.
struct Bench<'a> {
    peers: &'a Peers,
    /// Names of the peers that take part; all when empty.
    engines: &'a [String],
    pegbar: &'a Path,
    conditions: Conditions,
}

impl Bench<'_> {
    /// `size` may be smaller than the workload's, for a trial.
    fn measure(
        &self,
        workload: &Workload,
        size: (usize, usize),
        n_rounds: usize,
        cores: &[usize],
    ) -> Result<Measurement> {
        let contest = Contest {
            name: workload.name,
            threads: cores.len(),
            n_rounds,
            side_by_side: Workload::fits_side_by_side(size),
            conditions: &self.conditions,
            output_file: self.peers.folder.join("output.f32"),
        };
        let size = format!("{}x{}", size.0, size.1);
        let variants = engine::Variant::all(self.peers, self.engines);
        let entries =
            variants.into_iter().map(|variant| variant.entry(self, workload, &size, cores)).collect();
        turns::measure(&contest, entries)
    }
}

/// Measures and writes the result down.
pub(crate) fn bench_peers(workspace: &Workspace, options: &Options) -> Result<()> {
    if options.list {
        for workload in &WORKLOADS {
            println!("{:<18} {}", workload.name, workload.title);
        }
        return Ok(());
    }
    engine::check_names(&options.engines)?;
    let cores = machine::allowed_cores();
    if let Some(threads) = options.threads.iter().find(|&&threads| threads == 0 || threads > cores.len()) {
        bail!("{threads} threads cannot be measured: this machine lends {} cores", cores.len());
    }
    // Asked first: building the program makes the machine busy, too.
    let conditions = Conditions::now(workspace);
    let peers = Peers::prepare(workspace, engine::wants_pytorch(&options.engines))?;
    let pegbar = workspace.build_pegbar(Build::Release)?;
    let bench = Bench { peers: &peers, engines: &options.engines, pegbar: &pegbar, conditions };
    machine::warn_if_not_pinned();

    let wanted: Vec<&Workload> = WORKLOADS
        .iter()
        .filter(|workload| options.only.is_empty() || options.only.iter().any(|name| name == workload.name))
        .collect();
    let mut models: Vec<&str> = wanted.iter().map(|workload| workload.model).collect();
    models.sort_unstable();
    models.dedup();
    let size_of = |workload: &Workload| options.size.unwrap_or(workload.size);
    let frames: Vec<String> =
        wanted.iter().map(|workload| size_of(workload)).map(|(w, h)| format!("{w}x{h}")).collect();
    peers.make_models(&models, &frames)?;

    let is_trial = options.size.is_some();
    let mut results: Results =
        if is_trial { Results::default() } else { performance_page::kept(workspace, COMMAND)? };
    let peaks = peak::measure(workspace, cores[0])?;
    if !peaks.is_empty() {
        results.peaks = peaks;
    }
    for workload in wanted {
        for &threads in &options.threads {
            let n_rounds = options.rounds.into();
            let measured = bench.measure(workload, size_of(workload), n_rounds, &cores[..threads])?;
            results.workloads.entry(workload.name.to_owned()).or_default().insert(threads, measured);
            // After each, so that a run that is broken off leaves what it has.
            if !is_trial && !options.no_write {
                performance_page::write(workspace, COMMAND, &results, &report::section(&results))?;
            }
        }
    }
    println!("\n{}", report::section(&results));
    Ok(())
}

/// `720x480` to width and height.
pub(crate) fn parse_size(text: &str) -> Result<(usize, usize), String> {
    let side = |text: &str| text.parse().ok().filter(|&side: &usize| side > 0);
    text.split_once('x')
        .and_then(|(width, height)| Some((side(width)?, side(height)?)))
        .ok_or_else(|| format!("{text:?} is no size; write WIDTHxHEIGHT, such as 720x480"))
}
