//! The measured table, and its place in docs/performance.md.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};

use super::{Measurement, Timing};
use crate::process;
use crate::workspace::Workspace;

const PAGE: &str = "docs/performance.md";
const BEGIN: &str = "<!-- Written by `cargo xtask bench-peers`: do not edit by hand. -->";
const END: &str = "<!-- End of what `cargo xtask bench-peers` writes. -->";

/// What the page says before anybody has added to it.
const NEW_PAGE: &str = "# Performance\n\nRatios are of one run on one machine, engines by turns; times on another machine differ, ratios less so.\n\n";

/// The result as a Markdown table. A ratio is the peer's time over Pegbar's: above 1, Pegbar is faster.
pub(super) fn table(measurement: &Measurement) -> String {
    let mut lines = vec![
        "| threads | engine | version | seconds a frame (median) | best round | peer / Pegbar |".to_owned(),
        "| ---: | --- | --- | ---: | ---: | ---: |".to_owned(),
    ];
    for timing in &measurement.timings {
        let own = own_timing(&measurement.timings, timing.threads);
        let ratio = match own {
            Some(own) if own.engine != timing.engine => format!("{:.2}", timing.median() / own.median()),
            _ => String::new(),
        };
        lines.push(format!(
            "| {} | {} | {} | {:.3} | {:.3} | {ratio} |",
            timing.threads,
            timing.engine,
            timing.version,
            timing.median(),
            timing.best()
        ));
    }
    lines.join("\n")
}

fn own_timing(timings: &[Timing], threads: usize) -> Option<&Timing> {
    timings.iter().find(|timing| timing.threads == threads && timing.engine == "Pegbar")
}

/// Replaces the section on the page, and leaves what people wrote around it.
pub(super) fn write(workspace: &Workspace, measurement: &Measurement) -> Result<()> {
    let path = workspace.root.join(PAGE);
    let page = match fs::read_to_string(&path) {
        Ok(page) => page,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => NEW_PAGE.to_owned(),
        Err(error) => return Err(error).with_context(|| format!("cannot read {PAGE}")),
    };
    fs::write(&path, with_section(&page, &section(measurement)))
        .with_context(|| format!("cannot write {PAGE}"))?;
    println!("wrote {PAGE}");
    Ok(())
}

/// The text between the two marks.
fn section(measurement: &Measurement) -> String {
    let n_rounds = measurement.timings.iter().map(|timing| timing.seconds_per_frame.len()).min().unwrap_or(0);
    let differences: Vec<String> = measurement
        .differences
        .iter()
        .map(|(peer, difference)| format!("{difference:.1e} from {peer}"))
        .collect();
    format!(
        "## Against other engines\n\n\
         Compact, 64 features, 16 convolutions, x2, f32, one {} frame at a time; {n_rounds} rounds by turns, each engine pinned to as many\n\
         cores as it has threads. Largest difference of an output value (range 0 to 1): {}.\n\n\
         Machine: {}{}.\n\n\
         {}\n",
        measurement.size,
        differences.join(", "),
        machine(),
        measurement
            .load_before
            .map(|load| format!("; load average before the run {load:.1}"))
            .unwrap_or_default(),
        table(measurement)
    )
}

fn with_section(page: &str, section: &str) -> String {
    let block = format!("{BEGIN}\n{section}{END}");
    match (page.find(BEGIN), page.find(END)) {
        (Some(begin), Some(end)) if begin < end => {
            format!("{}{block}{}", &page[..begin], &page[end + END.len()..])
        }
        _ => format!("{}\n\n{block}\n", page.trim_end()),
    }
}

/// The package's version and the commit it was built from.
pub(super) fn own_version(workspace: &Workspace) -> String {
    let packages = workspace.metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let version = packages
        .iter()
        .find(|package| package["name"] == "pegbar")
        .and_then(|package| package["version"].as_str())
        .unwrap_or("unknown");
    let mut git = Command::new("git");
    git.args(["rev-parse", "--short", "HEAD"]).current_dir(&workspace.root);
    match process::stdout(&mut git) {
        Ok(commit) => format!("{version} ({})", commit.trim()),
        Err(_) => version.to_owned(),
    }
}

/// Processor, cores and memory, as far as this operating system tells.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let field = |path: &str, key: &str| -> Option<String> {
        let text = fs::read_to_string(path).ok()?;
        let line = text.lines().find(|line| line.starts_with(key))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let processor = field("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let memory = field("/proc/meminfo", "MemTotal")
        .and_then(|text| text.trim_end_matches(" kB").parse::<f64>().ok())
        .map(|kilobytes| format!(", {:.0} GiB of memory", kilobytes / 1024.0 / 1024.0));
    let vectors = vector_instructions();
    format!("{processor}, {cores} cores, {vectors}{}, {}", memory.unwrap_or_default(), std::env::consts::OS)
}

fn vector_instructions() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            "AVX-512"
        } else if is_x86_feature_detected!("avx2") {
            "AVX2"
        } else {
            "no AVX2"
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        if cfg!(target_arch = "aarch64") { "NEON" } else { "unknown vector instructions" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measurement() -> Measurement {
        let timing = |engine: &str, seconds: [f64; 3]| Timing {
            engine: engine.to_owned(),
            version: "1.0".to_owned(),
            threads: 1,
            seconds_per_frame: seconds.to_vec(),
        };
        Measurement {
            size: "720x480".to_owned(),
            load_before: None,
            timings: vec![timing("Pegbar", [2.0, 1.0, 2.5]), timing("Other", [5.0, 4.0, 3.0])],
            differences: vec![("Other", 1e-6)],
        }
    }

    #[test]
    fn the_ratio_is_the_peers_median_over_ours() {
        let table = table(&measurement());
        assert!(table.contains("| 1 | Pegbar | 1.0 | 2.000 | 1.000 |  |"), "{table}");
        assert!(table.contains("| 1 | Other | 1.0 | 4.000 | 3.000 | 2.00 |"), "{table}");
    }

    #[test]
    fn a_second_run_replaces_the_first_and_keeps_what_people_wrote() {
        let page = "# Performance\n\nBefore.\n";
        let once = with_section(page, "first\n");
        let with_note = format!("{once}\nAfter.\n");
        let twice = with_section(&with_note, "second\n");
        assert!(twice.starts_with("# Performance\n\nBefore.\n\n"), "{twice}");
        assert!(twice.contains("second") && !twice.contains("first"), "{twice}");
        assert!(twice.ends_with("\nAfter.\n"), "{twice}");
        assert_eq!(twice, with_section(&twice, "second\n"));
    }
}
