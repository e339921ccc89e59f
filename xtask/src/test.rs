//! `cargo xtask test`: every check of the project, in the order in which it is cheapest to fail.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::ffmpeg::Ffmpeg;
use crate::workspace::{Build, Workspace};
use crate::{generate, layers, process, test_models};

/// Options of `cargo xtask test`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Run only this step (may be given several times)
    #[arg(long, value_name = "STEP", value_parser = STEPS.map(|step| step.name))]
    only: Vec<String>,
}

struct Step {
    name: &'static str,
    run: fn(&Workspace, &mut Tally) -> Result<()>,
}

const STEPS: [Step; 6] = [
    Step {
        name: "fmt",
        run: |workspace, _| process::run(&mut workspace.cargo(&["fmt", "--all", "--check"])),
    },
    Step { name: "layers", run: |workspace, _| layers::layers(workspace) },
    Step { name: "clippy", run: clippy },
    Step { name: "test", run: cargo_test },
    Step { name: "doc", run: doc },
    Step { name: "gen", run: generated },
];

/// How many tests ran, over all test programs.
#[derive(Debug, Default, PartialEq)]
struct Tally {
    n_passed: u64,
    n_failed: u64,
    n_ignored: u64,
}

/// Runs the steps; stops at the first that fails and names it.
pub(crate) fn test(workspace: &Workspace, options: &Options) -> Result<()> {
    prepare(workspace)?;
    let mut tally = Tally::default();
    let mut timings: Vec<(&str, Duration)> = Vec::new();
    for step in &STEPS {
        if !options.only.is_empty() && !options.only.iter().any(|name| name == step.name) {
            continue;
        }
        println!("== {}", step.name);
        let start = Instant::now();
        (step.run)(workspace, &mut tally).with_context(|| format!("step `{}` failed", step.name))?;
        println!("== {}: ok, {:.1} s", step.name, start.elapsed().as_secs_f64());
        timings.push((step.name, start.elapsed()));
    }
    println!();
    for (name, elapsed) in &timings {
        println!("{name:>8} {:>7.1} s", elapsed.as_secs_f64());
    }
    println!("   total {:>7.1} s", timings.iter().map(|(_, elapsed)| elapsed.as_secs_f64()).sum::<f64>());
    if timings.iter().any(|(name, _)| *name == "test") {
        println!("{} passed, {} failed, {} skipped", tally.n_passed, tally.n_failed, tally.n_ignored);
    }
    Ok(())
}

/// Installs what the tests need, and says what they will run on.
fn prepare(workspace: &Workspace) -> Result<()> {
    let ffmpeg = Ffmpeg::ensure()?;
    println!("ffmpeg {} ({})", ffmpeg.version, ffmpeg.ffmpeg.display());
    for (component, subcommand) in [("rustfmt", "fmt"), ("clippy", "clippy")] {
        let is_there = || process::succeeds(&mut workspace.cargo(&[subcommand, "--version"]));
        if !is_there() {
            // Best effort: without rustup, or without its server, the sentence below says what to do.
            let _ = process::stdout(Command::new("rustup").args(["component", "add", component]));
            if !is_there() {
                bail!(
                    "{component} is missing. Install it, then run this again:\n  rustup component add {component}"
                );
            }
        }
    }
    match workspace.shared() {
        Some(folder) => println!("reference data: {}", folder.display()),
        None => {
            println!("reference data: none (set PEGBAR_SHARED to its folder); tests that need it are skipped")
        }
    }
    Ok(())
}

fn clippy(workspace: &Workspace, _: &mut Tally) -> Result<()> {
    process::run(&mut workspace.cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))
}

fn doc(workspace: &Workspace, _: &mut Tally) -> Result<()> {
    process::run(workspace.cargo(&["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))
}

fn generated(workspace: &Workspace, _: &mut Tally) -> Result<()> {
    generate::generate(workspace, &generate::Options { check: true }, Build::Tested)
}

/// Runs the tests of the whole workspace and counts them on the way.
fn cargo_test(workspace: &Workspace, tally: &mut Tally) -> Result<()> {
    let mut command = workspace.cargo(&["test", "--workspace", "--no-fail-fast"]);
    if let Some(folder) = workspace.shared() {
        let folder = folder.canonicalize().with_context(|| format!("cannot find {}", folder.display()))?;
        command.env("PEGBAR_SHARED", folder);
    }
    if let Some(folder) = test_models::models()? {
        command.env("PEGBAR_MODELS", folder);
    }
    if let Some(package) = test_models::onnx()? {
        command.env("PEGBAR_ONNX_TESTS", package);
    }
    if let Some(python) = test_models::python(workspace)? {
        command.env("PEGBAR_PYTHON", python);
    }
    let mut child = command.stdout(Stdio::piped()).spawn().context("cannot start cargo test")?;
    let output = child.stdout.take().context("cargo test has no output")?;
    let mut terminal = std::io::stdout();
    for line in BufReader::new(output).split(b'\n') {
        let line = line.context("cannot read the output of cargo test")?;
        terminal.write_all(&line)?;
        terminal.write_all(b"\n")?;
        tally.add(&String::from_utf8_lossy(&line));
    }
    let status = child.wait().context("cannot wait for cargo test")?;
    if !status.success() {
        bail!(
            "`{}` failed ({status}): {} passed, {} failed",
            process::shown(&command),
            tally.n_passed,
            tally.n_failed
        );
    }
    if tally.n_passed == 0 {
        bail!("cargo test ran no test");
    }
    Ok(())
}

impl Tally {
    /// Adds the counts of a closing line of a test program: `test result: ok. 3 passed; 0 failed; 1 ignored; ...`.
    fn add(&mut self, line: &str) {
        let Some(counts) = line.strip_prefix("test result: ") else { return };
        for part in counts.split(['.', ';']) {
            let mut words = part.split_whitespace();
            let (Some(Ok(count)), Some(what)) = (words.next().map(str::parse::<u64>), words.next()) else {
                continue;
            };
            match what {
                "passed" => self.n_passed += count,
                "failed" => self.n_failed += count,
                "ignored" => self.n_ignored += count,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_add_up() {
        let mut tally = Tally::default();
        tally.add(
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.02s",
        );
        tally.add("test frame::tests::round_trip ... ok");
        tally.add("test result: FAILED. 4 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.20s");
        assert_eq!(tally, Tally { n_passed: 16, n_failed: 2, n_ignored: 1 });
    }
}
