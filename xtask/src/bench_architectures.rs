//! `cargo xtask bench-architectures`: networks with attention and large kernels, Pegbar against PyTorch, by turns.
//!
//! The networks are those of the package spandrel in their published sizes. PyTorch takes part in every way it can be run on a
//! processor (plain, channels last, traced, compiled; f32 and bf16), and its fastest counts. A result in f32 has to agree with Pegbar's
//! exact one before a time is taken.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Result, bail};

use crate::machine::{self, Conditions};
use crate::peers::PyTorch;
use crate::performance_page::{self, table};
use crate::process;
use crate::turns::tables::{self, Row};
use crate::turns::{self, Contest, Entry, Measurement, Precision};
use crate::workspace::{Build, Workspace};

const COMMAND: &str = "bench-architectures";

/// One network.
struct Network {
    /// A name that `architectures.py` knows.
    name: &'static str,
    title: &'static str,
}

/// In the order of the table.
const NETWORKS: [Network; 4] = [
    Network { name: "dat-light-x2", title: "DAT light x2" },
    Network { name: "swinir-light-x2", title: "SwinIR light x2" },
    Network { name: "omnisr-x2", title: "OmniSR x2" },
    Network { name: "realplksr-x2", title: "RealPLKSR x2" },
];

/// A way PyTorch is run, as `architecture_peer.py` calls it.
const MODES: [&str; 4] = ["channels-last", "eager", "traced", "compiled"];

/// What PyTorch computes in.
const PRECISIONS: [Precision; 2] = [Precision::F32, Precision::Bf16];

/// Options of `cargo xtask bench-architectures`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Measure only these networks; the others' rows stay as they are
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = NETWORKS.map(|network| network.name))]
    only: Vec<String>,
    /// Run PyTorch only in these ways
    #[arg(long, value_name = "MODE", value_delimiter = ',', value_parser = MODES, default_values_t = MODES.map(str::to_owned))]
    modes: Vec<String>,
    /// Run PyTorch only in these precisions
    #[arg(long, value_name = "PRECISION", value_delimiter = ',', value_parser = PRECISIONS.map(Precision::name), default_values_t = PRECISIONS.map(|precision| precision.name().to_owned()))]
    precisions: Vec<String>,
    /// How many times each engine takes its turn
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Numbers of threads to compare at, each pinned to as many cores
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = [1, 2])]
    threads: Vec<usize>,
    /// Size of the frame; any other than 256x256 is a trial and writes nothing
    #[arg(long, value_name = "WxH", default_value = "256x256", value_parser = super::bench_peers::parse_size)]
    size: (usize, usize),
    /// Print the result without writing docs/performance.md
    #[arg(long)]
    no_write: bool,
}

const SIZE: (usize, usize) = (256, 256);

/// By network, then by number of threads.
type Results = BTreeMap<String, BTreeMap<usize, Measurement>>;

/// What stays the same over all networks.
struct Bench<'a> {
    pytorch: &'a PyTorch,
    pegbar: &'a Path,
    conditions: Conditions,
    modes: &'a [String],
    precisions: &'a [String],
    size: String,
}

/// Measures and writes the result down.
pub(crate) fn bench_architectures(workspace: &Workspace, options: &Options) -> Result<()> {
    let cores = machine::allowed_cores();
    if let Some(threads) = options.threads.iter().find(|&&threads| threads == 0 || threads > cores.len()) {
        bail!("{threads} threads cannot be measured: this machine lends {} cores", cores.len());
    }
    // Asked first: building the program makes the machine busy, too.
    let conditions = Conditions::now(workspace);
    let pytorch = PyTorch::prepare(workspace)?;
    let pegbar = workspace.build_pegbar(Build::Release)?;
    machine::warn_if_not_pinned();
    let size = format!("{}x{}", options.size.0, options.size.1);
    let wanted: Vec<&Network> = NETWORKS
        .iter()
        .filter(|network| options.only.is_empty() || options.only.iter().any(|name| name == network.name))
        .collect();
    let mut make = pytorch.tool("make_architectures.py");
    make.arg("--models").args(wanted.iter().map(|network| network.name)).args(["--frames", &size]);
    process::run(&mut make)?;

    let bench = Bench {
        pytorch: &pytorch,
        pegbar: &pegbar,
        conditions,
        modes: &options.modes,
        precisions: &options.precisions,
        size: size.clone(),
    };
    let is_trial = options.size != SIZE;
    let mut results: Results =
        if is_trial { Results::default() } else { performance_page::kept(workspace, COMMAND)? };
    for network in wanted {
        for &threads in &options.threads {
            let measured = bench.measure(network, options.rounds.into(), &cores[..threads])?;
            results.entry(network.name.to_owned()).or_default().insert(threads, measured);
            // After each, so that a run that is broken off leaves what it has.
            if !is_trial && !options.no_write {
                performance_page::write(workspace, COMMAND, &results, &section(&results, &size))?;
            }
        }
    }
    println!("\n{}", section(&results, &size));
    Ok(())
}

impl Bench<'_> {
    fn measure(&self, network: &Network, n_rounds: usize, cores: &[usize]) -> Result<Measurement> {
        let contest = Contest {
            name: network.name,
            threads: cores.len(),
            n_rounds,
            side_by_side: true,
            conditions: &self.conditions,
            output_file: self.pytorch.folder.join("output.f32"),
        };
        turns::measure(&contest, self.entries(network, cores))
    }

    fn entries<'a>(&'a self, network: &'a Network, cores: &'a [usize]) -> Vec<Entry<'a>> {
        let entry = |engine: String, precision, command| Entry {
            engine,
            precision,
            left_out: None,
            not_counted: None,
            command,
        };
        let mut entries: Vec<Entry<'a>> = Vec::new();
        for precision in [Precision::Exact, Precision::Fast] {
            let command = Box::new(move || {
                let mut command = machine::pinned(cores, self.pegbar);
                command.arg("bench").arg(self.weights(network)).arg("--serve");
                self.with_options(command, precision, cores)
            });
            entries.push(entry("Pegbar".to_owned(), precision, command));
        }
        for mode in self.modes {
            for precision in
                PRECISIONS.into_iter().filter(|p| self.precisions.iter().any(|name| name == p.name()))
            {
                let command = Box::new(move || {
                    let mut command = self.pytorch.script("architecture_peer.py", cores);
                    command.arg(self.pytorch.folder.join(network.name)).args(["--mode", mode]);
                    self.with_options(command, precision, cores)
                });
                entries.push(entry(format!("PyTorch {mode}"), precision, command));
            }
        }
        entries
    }

    fn weights(&self, network: &Network) -> std::path::PathBuf {
        self.pytorch.folder.join(format!("{}.safetensors", network.name))
    }

    /// What all engines are told.
    fn with_options(
        &self,
        mut command: std::process::Command,
        precision: Precision,
        cores: &[usize],
    ) -> std::process::Command {
        command.args(["--size", &self.size, "--threads", &cores.len().to_string()]);
        command.args(["--precision", precision.name()]);
        command.arg("--frame").arg(self.pytorch.folder.join(format!("frame-{}.f32", self.size)));
        command
    }
}

/// The text for docs/performance.md.
fn section(results: &Results, size: &str) -> String {
    let rows: Vec<Row<'_>> = NETWORKS
        .iter()
        .filter_map(|network| Some((network.title, results.get(network.name)?)))
        .flat_map(|(title, by_threads)| {
            by_threads.iter().map(move |(&threads, measurement)| Row { title, threads, measurement })
        })
        .collect();
    let mut parts = vec![
        "## Other architectures".to_owned(),
        format!(
            "Networks with attention or large kernels, of the package spandrel in their published sizes, on a frame of {size}: Pegbar \
             against PyTorch, which can be run plainly, with channels last, traced and compiled, in f32 and in bf16; a \"-\" stands for a way that \
             was not run. All are pinned to as many cores as they have threads and take turns frame by frame; seconds are the middle of the \
             rounds. A ratio is the time of PyTorch's fastest way over Pegbar's. Where PyTorch runs in f32, it is checked that its result \
             equals Pegbar's exact one but for rounding before a time is taken. Compiling, a quarter of an hour and more for a transformer, \
             is not counted."
        ),
        tables::conditions(&rows),
        ratios(&rows),
        "Seconds a frame. One number in brackets is one round only: after it this way could not be the fastest of its precision any more, \
         being behind by more than twice."
            .to_owned(),
        tables::seconds(&rows),
    ];
    let notes = tables::notes(&rows);
    if !notes.is_empty() {
        parts.push(notes);
    }
    parts.push(
        "Accuracy: PSNR in dB against Pegbar's exact result, peak 1, with random weights; with trained weights it depends on the picture."
            .to_owned(),
    );
    parts.push(tables::psnr(&rows));
    parts.join("\n\n")
}

/// The comparison in short.
fn ratios(rows: &[Row<'_>]) -> String {
    let head = [
        "work",
        "threads",
        "rounds",
        "fast s",
        "fastest PyTorch",
        "s",
        "ratio",
        "exact s",
        "fastest f32 PyTorch",
        "s",
        "ratio",
    ];
    let mut lines = vec![head.map(str::to_owned).to_vec()];
    for Row { title, threads, measurement } in rows {
        let n_rounds = measurement.own(Precision::Fast).map_or(0, |timing| timing.seconds.len());
        let mut line = vec![(*title).to_owned(), threads.to_string(), n_rounds.to_string()];
        line.extend(tables::ratio_cells(measurement, Precision::Fast));
        line.extend(tables::ratio_cells(measurement, Precision::Exact));
        lines.push(line);
    }
    table(1, &lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::turns::example;

    #[test]
    fn the_section_compares_with_the_fastest_way() {
        let mut results = Results::default();
        results.entry("omnisr-x2".to_owned()).or_default().insert(2, example());
        let section = section(&results, "256x256");
        let row =
            "| OmniSR x2 | 2 | 3 | 1.00 | OpenVINO bf16 | 3.00 | 3.00 | 2.00 | OpenVINO f32 | 4.00 | 2.00 |";
        assert!(section.contains(row), "{section}");
    }
}
