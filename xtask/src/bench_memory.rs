//! `cargo xtask bench-memory`: the most memory that Pegbar has resident, by frame size, threads and precision.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::frame_server::FrameServer;
use crate::machine::{self, Conditions};
use crate::peers::Peers;
use crate::performance_page::{self, table};
use crate::workspace::{Build, Workspace};

const COMMAND: &str = "bench-memory";
const MODEL: &str = "compact-x2";
const SCALE: usize = 2;
const N_CHANNELS: usize = 3;
const PRECISIONS: [&str; 2] = ["fast", "exact"];

/// Options of `cargo xtask bench-memory`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Sizes of the frame
    #[arg(long, value_name = "WxH", value_delimiter = ',', value_parser = super::bench_peers::parse_size,
          default_values = ["720x480", "1920x1080", "3840x2160"])]
    sizes: Vec<(usize, usize)>,
    /// Numbers of threads
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = [1, 2])]
    threads: Vec<usize>,
    /// Print the result without writing docs/performance.md
    #[arg(long)]
    no_write: bool,
}

/// Bytes by precision.
type Peaks = BTreeMap<String, u64>;

#[derive(Default, Serialize, Deserialize)]
struct Results {
    conditions: Option<Conditions>,
    /// Size, threads, peaks.
    rows: Vec<((usize, usize), usize, Peaks)>,
}

/// Measures and writes the result down.
pub(crate) fn bench_memory(workspace: &Workspace, options: &Options) -> Result<()> {
    let peers = Peers::prepare(workspace, false)?;
    let conditions = Conditions::now(workspace);
    let pegbar = workspace.build_pegbar(Build::Release)?;
    peers.make_models(&[MODEL], &[])?;
    let mut results = Results { conditions: Some(conditions), rows: Vec::new() };
    for &(width, height) in &options.sizes {
        for &threads in &options.threads {
            let mut peaks = Peaks::new();
            for precision in PRECISIONS {
                let mut command = machine::pinned(&[], &pegbar);
                command.arg("bench").arg(peers.weights(MODEL)).arg("--serve");
                command.args(["--size", &format!("{width}x{height}"), "--threads", &threads.to_string()]);
                command.args(["--precision", precision]);
                // It has run a frame when it is ready, and holds on to what a second one would need.
                let server = FrameServer::start(&mut command)?;
                let bytes =
                    server.peak_memory_bytes().context("this operating system does not tell peak memory")?;
                println!("{width}x{height}, {threads} thread(s), {precision}: {:.1} MB", bytes as f64 / 1e6);
                peaks.insert(precision.to_owned(), bytes);
            }
            results.rows.push(((width, height), threads, peaks));
        }
    }
    let section = section(&results);
    println!("\n{section}");
    if !options.no_write {
        performance_page::write(workspace, COMMAND, &results, &section)?;
    }
    Ok(())
}

/// The text for docs/performance.md.
fn section(results: &Results) -> String {
    let mut head: Vec<String> = ["frame", "threads", "frame and result"].map(str::to_owned).to_vec();
    for precision in PRECISIONS {
        head.extend([precision.to_owned(), format!("{precision} besides")]);
    }
    let mut rows = vec![head];
    for ((width, height), threads, peaks) in &results.rows {
        let frames = width * height * N_CHANNELS * size_of::<f32>() * (1 + SCALE * SCALE);
        let mut row = vec![format!("{width}x{height}"), threads.to_string(), in_mb(frames as f64)];
        for precision in PRECISIONS {
            match peaks.get(precision) {
                Some(&bytes) => row.extend([in_mb(bytes as f64), in_mb(bytes as f64 - frames as f64)]),
                None => row.extend(["-".to_owned(), "-".to_owned()]),
            }
        }
        rows.push(row);
    }
    format!(
        "## Memory\n\n\
         The most that `pegbar bench` had resident after a frame of Compact 64/16 x2, in MB (10^6 bytes), and how much of it is neither the \
         frame nor its result (both 32-bit floats): program, weights and working memory.\n\n\
         {}\n\n\
         {}",
        results.conditions.as_ref().map(Conditions::sentence).unwrap_or_default(),
        table(1, &rows)
    )
}

fn in_mb(bytes: f64) -> String {
    format!("{:.0}", bytes / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frame_and_its_result_are_taken_off() {
        let peaks = Peaks::from([("fast".to_owned(), 100_000_000)]);
        let results = Results { conditions: None, rows: vec![((1000, 1000), 1, peaks)] };
        let section = section(&results);
        assert!(section.contains("| 1000x1000 | 1 | 60 | 100 | 40 | - | - |"), "{section}");
    }
}
