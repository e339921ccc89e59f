//! `pegbar run`: a chain over images, videos and folders.

mod chain_work;
mod ends;
mod film;
mod own;

use super::restore::{self, Part, Request};
use super::session;
use crate::cli::{EngineArgs, RunArgs, TrustArgs};
use crate::exit::{Exit, UsageError};
use anyhow::{Context, Result, anyhow};
use chain_work::ChainWork;
use ends::Ends;
use pegbar_chain::{Chain, Fault, Shared};
use pegbar_nodes::{AllowFfmpegFiles, EngineSettings, NODES};
use serde::Serialize;
use std::collections::HashSet;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// What is reported of the chain.
#[derive(Debug, Serialize)]
struct Head {
    chain: String,
    title: String,
}

/// A chain as a run has it.
pub(crate) struct Opened {
    pub(crate) chain: Chain,
    pub(crate) path: PathBuf,
    /// Where its relative paths start.
    pub(crate) folder: PathBuf,
    pub(crate) shared: Arc<Shared>,
}

impl Opened {
    /// Reads a chain file and sets parameters.
    pub(crate) fn read(path: &Path, settings: &[String]) -> Result<Self> {
        let mut chain = Chain::read(path).with_context(|| path.display().to_string())?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // A path that is typed starts where it is typed, those of the chain where that lies.
        let here = way(folder, Path::new("."))?;
        for assignment in settings {
            chain
                .set(&NODES, assignment, &here)
                .map_err(|fault| UsageError(format!("--set {assignment}: {fault}")))?;
        }
        Ok(Self { chain, path: path.to_owned(), folder: folder.to_owned(), shared: Arc::default() })
    }

    /// Lets nodes do what the user allows.
    pub(crate) fn trust(&self, args: &TrustArgs) {
        self.shared.put(AllowFfmpegFiles(args.allow_ffmpeg_files));
    }
}

/// The way from a folder to another, relative where both have a root in common; empty where they are the same.
pub(crate) fn way(from: &Path, to: &Path) -> Result<PathBuf> {
    let whole = |folder: &Path| {
        folder
            .canonicalize()
            .or_else(|_| std::path::absolute(folder))
            .with_context(|| folder.display().to_string())
    };
    let (from, to) = (whole(from)?, whole(to)?);
    let n = from.components().zip(to.components()).take_while(|(a, b)| a == b).count();
    if n == 0 {
        return Ok(to);
    }
    let up = from.components().skip(n).map(|_| Component::ParentDir);
    Ok(up.chain(to.components().skip(n)).collect())
}

/// All faults of a chain as an error.
pub(crate) fn faulty(faults: Vec<Fault>) -> anyhow::Error {
    anyhow!(pegbar_chain::ChainError::Faults(faults))
}

/// Runs the command.
pub(crate) fn run(args: RunArgs) -> Result<Exit> {
    let opened = Opened::read(&args.chain, &args.set)?;
    opened.trust(&args.trust);
    set_engine(&opened, &args.work.engine);
    let ends = Ends::of(&opened, &args)?;
    if ends.is_empty() {
        // It brings its own beginnings and ends.
        return own::run(&opened, &args).with_context(|| args.chain.display().to_string());
    }
    let videos = ends.iter().map(|ends| ends.video_args(&opened, &args)).collect::<Result<Vec<_>>>()?;
    let outputs: Vec<PathBuf> = ends.iter().map(|ends| ends.output.clone()).collect();
    let (mut prepared, mut works) = (Vec::new(), Vec::new());
    // Nodes that act by themselves do so once for each input of a source, whatever number of outputs it has.
    let mut acted = HashSet::new();
    for (ends, video) in ends.iter().zip(&videos) {
        let part = restore::prepare(Request::new(&ends.inputs, &ends.output, &outputs, &args.work, video))?;
        let new = part.inputs().filter(|input| acted.insert((&ends.source, input.to_path_buf())));
        let acts_on: HashSet<PathBuf> = new.map(Path::to_path_buf).collect();
        let work = ChainWork::new(&opened, ends, acts_on, &args.work.engine);
        // What is wrong with it whatever it is run on, is said once.
        work.check_anyway().with_context(|| args.chain.display().to_string())?;
        works.push(work);
        prepared.push(part);
    }
    let head = Head { chain: args.chain.display().to_string(), title: opened.chain.title.clone() };
    let parts: Vec<Part> =
        prepared.into_iter().zip(&works).map(|(prepared, work)| Part { prepared, work }).collect();
    restore::run(&parts, head)
}

/// Settings of models, for the nodes that do not have their own.
pub(crate) fn set_engine(opened: &Opened, args: &EngineArgs) {
    opened.shared.put(EngineSettings(session::options(args, crate::cli::PrecisionArg::Fast)));
}
