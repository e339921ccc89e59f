//! An engine that computes a frame when it is asked to: `pegbar bench --serve` or a script in `benches/peers`.
//!
//! Engines that live side by side can take turns frame by frame, loaded and warm. The protocol is a line on the engine's standard
//! input and a line of JSON in answer: `run` gives `seconds`, `write FILE` gives `bytes`.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::process;

/// A running engine; dropping it ends it.
pub(crate) struct FrameServer {
    command: String,
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// What the engine said of itself when it had warmed up.
    pub(crate) ready: Value,
}

impl FrameServer {
    /// Starts the engine and waits until it has computed its first, untimed frame.
    pub(crate) fn start(command: &mut Command) -> Result<FrameServer> {
        let shown = process::shown(command);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start `{shown}`"))?;
        let requests = child.stdin.take().context("the engine has no input")?;
        let answers = BufReader::new(child.stdout.take().context("the engine has no output")?);
        let mut server = FrameServer { command: shown, child, requests, answers, ready: Value::Null };
        server.ready = server.answer()?;
        Ok(server)
    }

    /// Computes a frame and returns the seconds it took.
    pub(crate) fn run(&mut self) -> Result<f64> {
        let answer = self.request("run")?;
        answer["seconds"].as_f64().with_context(|| format!("`{}` answered {answer}", self.command))
    }

    /// The frame's result: 32-bit floats, plane after plane. It goes through `file`, which is removed again.
    pub(crate) fn output(&mut self, file: &Path) -> Result<Vec<f32>> {
        self.request(&format!("write {}", file.display()))?;
        let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        fs::remove_file(file).with_context(|| format!("cannot remove {}", file.display()))?;
        Ok(bytes
            .chunks_exact(4)
            .map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]]))
            .collect())
    }

    /// The most memory that the process has had resident, where the operating system tells.
    pub(crate) fn peak_memory_bytes(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        Some(line.trim().trim_end_matches(" kB").trim().parse::<u64>().ok()? * 1024)
    }

    fn request(&mut self, request: &str) -> Result<Value> {
        // An engine that has ended says more by its missing answer than by the broken pipe.
        let _ = writeln!(self.requests, "{request}");
        self.answer()
    }

    fn answer(&mut self) -> Result<Value> {
        let mut line = String::new();
        let length = self.answers.read_line(&mut line)?;
        if length == 0 {
            let status = self.child.wait()?;
            bail!("`{}` ended without an answer ({status})", self.command);
        }
        serde_json::from_str(&line).with_context(|| format!("`{}` answered {line:?}", self.command))
    }
}

impl Drop for FrameServer {
    fn drop(&mut self) {
        // Nothing can be done about a process that has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
