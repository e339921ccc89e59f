//! `pegbar doctor`: what Pegbar finds on this machine, and what is missing.

use crate::cli::ReportArgs;
use crate::exit::Exit;
use crate::report;
use anyhow::Result;
use pegbar_cpu::CpuLevel;
use pegbar_media::{ENCODERS, Tools};
use serde::Serialize;

#[derive(Debug, Serialize)]
struct Diagnosis {
    version: &'static str,
    cpu_level: Option<String>,
    cores: usize,
    memory_available_mib: usize,
    gpu: Option<String>,
    ffmpeg: Option<Ffmpeg>,
    problems: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Ffmpeg {
    path: String,
    ffprobe_path: String,
    version: String,
    encoders: Vec<Encoder>,
}

#[derive(Debug, Serialize)]
struct Encoder {
    name: &'static str,
    present: bool,
}

/// Runs the command. Exit code 1 when something is missing that restoring a video needs.
pub(crate) fn run(args: ReportArgs) -> Result<Exit> {
    let mut problems = Vec::new();
    let mut essential = true;
    let cpu_level = match CpuLevel::from_env() {
        Ok(level) => Some(level.name().to_owned()),
        Err(error) => {
            problems.push(error.to_string());
            essential = false;
            None
        }
    };
    let ffmpeg = match Tools::find() {
        Ok(tools) => {
            let encoders: Vec<Encoder> = ENCODERS
                .iter()
                .map(|&name| Encoder { name, present: tools.has_encoder(name).unwrap_or(false) })
                .collect();
            for missing in encoders.iter().filter(|e| !e.present) {
                problems.push(format!("ffmpeg has no encoder {}", missing.name));
            }
            Some(Ffmpeg {
                path: tools.ffmpeg.display().to_string(),
                ffprobe_path: tools.ffprobe.display().to_string(),
                version: tools.version.to_string(),
                encoders,
            })
        }
        Err(error) => {
            problems.push(error.to_string());
            essential = false;
            None
        }
    };
    let diagnosis = Diagnosis {
        version: env!("CARGO_PKG_VERSION"),
        cpu_level,
        cores: std::thread::available_parallelism().map_or(1, |n| n.get()),
        memory_available_mib: pegbar_engine::available_memory_bytes() >> 20,
        gpu: None,
        ffmpeg,
        problems,
    };
    if args.json {
        report::json(&diagnosis)?;
    } else {
        let d = &diagnosis;
        outln!("pegbar   {}", d.version);
        outln!(
            "CPU      {}, {} cores, {} MiB of memory free",
            d.cpu_level.as_deref().unwrap_or("-"),
            d.cores,
            d.memory_available_mib
        );
        outln!("GPU      not used: this version runs on the CPU");
        match &d.ffmpeg {
            Some(f) => {
                outln!("ffmpeg   {} ({})", f.version, f.path);
                let present: Vec<_> = f.encoders.iter().filter(|e| e.present).map(|e| e.name).collect();
                outln!("encoders {}", present.join(", "));
            }
            None => outln!("ffmpeg   not usable"),
        }
        for problem in &d.problems {
            outln!("problem: {problem}");
        }
        if d.problems.is_empty() {
            outln!("all is well");
        }
    }
    Ok(if essential { Exit::Done } else { Exit::Failed })
}
