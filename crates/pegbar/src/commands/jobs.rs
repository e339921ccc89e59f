//! `pegbar jobs`: videos that are not finished.

use crate::cli::{CleanArgs, JobArgs, JobsArgs, JobsCommand};
use crate::exit::Exit;
use crate::progress::clock;
use crate::report;
use anyhow::{Context, Result, bail};
use pegbar_job::{JobState, JobStatus, Registry, folder_of, status};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What `clean` reports.
#[derive(Debug, Default, Serialize)]
struct Cleaned {
    removed: Vec<PathBuf>,
    bytes: u64,
    failed: Vec<String>,
}

/// Runs the command.
pub(crate) fn run(args: JobsArgs) -> Result<Exit> {
    match args.command {
        None => list(args.report.json),
        Some(JobsCommand::List(report)) => list(report.json),
        Some(JobsCommand::Show(args)) => show(&args),
        Some(JobsCommand::Clean(args)) => clean(&args),
    }
}

fn list(json: bool) -> Result<Exit> {
    let jobs: Vec<JobStatus> =
        Registry::of_user().jobs().iter().filter_map(|folder| status(folder)).collect();
    if json {
        report::json(&jobs)?;
    } else if jobs.is_empty() {
        outln!("no unfinished jobs");
    }
    for job in jobs.iter().filter(|_| !json) {
        outln!("{}", line(job));
    }
    Ok(Exit::Done)
}

/// `film-2x.mkv: interrupted 2:03:04 ago, 120 of about 480 frames in 3 segments, 12.3 MB`.
fn line(job: &JobStatus) -> String {
    let idle = job
        .idle_seconds
        .map_or_else(String::new, |secs| format!(" {} ago", clock(Duration::from_secs(secs))));
    let state = match job.state {
        JobState::Running => "running".to_owned(),
        JobState::Interrupted => format!("interrupted{idle}"),
    };
    let of = job.frames_total.map_or_else(String::new, |n| format!(" of about {n}"));
    format!(
        "{}: {state}, {}{of} frames in {} segments, {:.1} MB",
        job.output.display(),
        job.frames_done,
        job.segments,
        job.bytes as f64 / 1e6
    )
}

fn show(args: &JobArgs) -> Result<Exit> {
    let job = find(&args.job)?;
    if args.report.json {
        report::json(&job)?;
        return Ok(Exit::Done);
    }
    outln!("{}", line(&job));
    outln!("  input: {}", job.input.display());
    outln!("  folder: {}", job.folder.display());
    outln!("  time so far: {}", clock(Duration::from_secs_f64(job.seconds_spent)));
    if let Some(secs) = job.seconds_left {
        outln!("  time left at that pace: {}", clock(Duration::from_secs_f64(secs)));
    }
    for (name, value) in &job.settings {
        outln!("  {name}: {value}");
    }
    Ok(Exit::Done)
}

fn clean(args: &CleanArgs) -> Result<Exit> {
    let registry = Registry::of_user();
    let mut cleaned = Cleaned::default();
    let named = args.jobs.iter().map(|job| find(job));
    let all = registry.jobs();
    let listed = all.iter().filter(|_| args.all).filter_map(|folder| status(folder)).map(Ok);
    for job in named.chain(listed) {
        let removed = job.and_then(|job| {
            if job.state == JobState::Running {
                bail!("{}: pegbar is working on it; interrupt that first", job.output.display());
            }
            std::fs::remove_dir_all(&job.folder)
                .with_context(|| format!("{}: cannot be removed", job.folder.display()))?;
            registry.remove(&job.folder);
            Ok(job)
        });
        match removed {
            Ok(job) => {
                cleaned.bytes += job.bytes;
                cleaned.removed.push(job.folder);
            }
            Err(error) => {
                let sentence = crate::exit::sentence(&error);
                errln!("pegbar: {sentence}");
                cleaned.failed.push(sentence);
            }
        }
    }
    if args.report.json {
        report::json(&cleaned)?;
    } else {
        outln!("{} job(s) removed, {:.1} MB", cleaned.removed.len(), cleaned.bytes as f64 / 1e6);
    }
    Ok(match (cleaned.failed.is_empty(), cleaned.removed.is_empty()) {
        (true, _) => Exit::Done,
        (false, true) => Exit::Failed,
        (false, false) => Exit::Partial,
    })
}

/// The job of an output, or in a folder.
fn find(job: &Path) -> Result<JobStatus> {
    status(job).or_else(|| status(&folder_of(job))).with_context(|| {
        format!("{}: there is no unfinished job of this name; \"pegbar jobs\" lists them", job.display())
    })
}
