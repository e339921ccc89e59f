//! What a measurement has to say about where it was taken, and keeping it on its cores.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::process;
use crate::workspace::Workspace;

/// Under what conditions something was measured.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Conditions {
    /// Processor, cores, vector instructions, memory, operating system.
    pub(crate) machine: String,
    /// Version and commit of Pegbar.
    pub(crate) version: String,
    /// Programs that were running or waiting for a core before the run, where the operating system tells.
    pub(crate) load_before: Option<f64>,
}

impl Conditions {
    /// Those of now. Ask before building: that makes the machine busy, too.
    pub(crate) fn now(workspace: &Workspace) -> Conditions {
        Conditions { machine: machine(), version: own_version(workspace), load_before: load() }
    }

    /// As a sentence for the page.
    pub(crate) fn sentence(&self) -> String {
        let load = self.load_before.map(|load| format!(", load average before the run {load:.1}"));
        format!("Machine: {}; Pegbar {}{}.", self.machine, self.version, load.unwrap_or_default())
    }
}

/// The cores that this process may run on.
pub(crate) fn allowed_cores() -> Vec<usize> {
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

/// A command that stays on these cores; anywhere where there is no taskset. The process is the program's own, not a parent's.
pub(crate) fn pinned(cores: &[usize], program: &Path) -> Command {
    if cores.is_empty() || process::on_path("taskset").is_none() {
        return Command::new(program);
    }
    let list = cores.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", &list]).arg(program);
    command
}

/// Says so where a comparison cannot be held to its cores.
pub(crate) fn warn_if_not_pinned() {
    if process::on_path("taskset").is_none() {
        println!("no taskset here: nothing is pinned to cores");
    }
}

/// Programs that were running or waiting for a core, averaged over the last minute.
fn load() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
}

/// The package's version and the commit it was built from.
fn own_version(workspace: &Workspace) -> String {
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
        if is_x86_feature_detected!("avx512vnni") {
            "AVX-512 VNNI"
        } else if is_x86_feature_detected!("avx512f") {
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

    #[test]
    fn core_lists() {
        assert_eq!(parse_cores("0-3,8,10-11"), Some(vec![0, 1, 2, 3, 8, 10, 11]));
        assert_eq!(parse_cores("none"), None);
    }
}
