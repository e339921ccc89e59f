//! `pegbar run`: a chain over images, videos and folders.

mod chain_work;
mod film;
mod own;

use super::restore::{self, Request};
use super::session;
use crate::cli::{EngineArgs, RunArgs, TrustArgs};
use crate::exit::{Exit, UsageError};
use anyhow::{Context, Result, anyhow};
use chain_work::ChainWork;
use pegbar_chain::{Chain, ChainNode, Fault, Role, Shared};
use pegbar_nodes::{AllowFfmpegFiles, EngineSettings, NODES, check_encoder_options};
use pegbar_params::ParamValue;
use serde::Serialize;
use std::path::{Path, PathBuf};
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
        for assignment in settings {
            chain
                .set(&NODES, assignment)
                .map_err(|fault| UsageError(format!("--set {assignment}: {fault}")))?;
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Ok(Self { chain, path: path.to_owned(), folder: folder.to_owned(), shared: Arc::default() })
    }

    /// Lets nodes do what the user allows.
    pub(crate) fn trust(&self, args: &TrustArgs) {
        self.shared.put(AllowFfmpegFiles(args.allow_ffmpeg_files));
    }

    /// The nodes of a kind by their ids; those of groups do not count.
    fn nodes_of(&self, kind: &str) -> Vec<(&String, &ChainNode)> {
        self.chain.nodes.iter().filter(|(_, node)| !node.disabled && node.node_type == kind).collect()
    }
}

/// All faults of a chain as an error.
pub(crate) fn faulty(faults: Vec<Fault>) -> anyhow::Error {
    anyhow!(pegbar_chain::ChainError::Faults(faults))
}

/// Runs the command.
pub(crate) fn run(args: RunArgs) -> Result<Exit> {
    let opened = Opened::read(&args.chain, &args.set)?;
    let ends = Ends::of(&opened, &args)?;
    opened.trust(&args.trust);
    set_engine(&opened, &args.work.engine);
    let Some(ends) = ends else {
        // It brings its own beginnings and ends.
        return own::run(&opened, &args).with_context(|| args.chain.display().to_string());
    };
    let mut video = args.work.video.clone();
    ends.fill_in(&opened, &mut video, &args.trust)?;
    let prepared = restore::prepare(Request::new(&ends.inputs, &ends.output, &args.work, &video))?;
    let head = Head { chain: args.chain.display().to_string(), title: opened.chain.title.clone() };
    let work = ChainWork::new(&opened, &ends.source, &args.work.engine);
    // What is wrong with it whatever it is run on, is said once.
    work.check_anyway().with_context(|| args.chain.display().to_string())?;
    restore::run(prepared, &work, head)
}

/// Settings of models, for the nodes that do not have their own.
pub(crate) fn set_engine(opened: &Opened, args: &EngineArgs) {
    opened.shared.put(EngineSettings(session::options(args, crate::cli::PrecisionArg::Fast)));
}

/// Where frames come from and go to.
struct Ends {
    /// Id of the node that they come from.
    source: String,
    inputs: Vec<PathBuf>,
    output: PathBuf,
    /// Id of a node that says how to encode.
    save: Option<String>,
}

impl Ends {
    /// What the chain has, and what the command line says. `None` for a chain that needs neither input nor output.
    fn of(opened: &Opened, args: &RunArgs) -> Result<Option<Self>> {
        let usage = |message: String| anyhow::Error::from(UsageError(message));
        let one = |kinds: [&str; 2]| -> Result<Option<(String, String, ChainNode)>> {
            let mut all = Vec::new();
            for kind in kinds {
                let of_kind = opened.nodes_of(kind).into_iter();
                all.extend(of_kind.map(|(id, node)| (id.clone(), kind.to_owned(), node.clone())));
            }
            if all.len() > 1 {
                let ids: Vec<&str> = all.iter().map(|(id, ..)| id.as_str()).collect();
                return Err(usage(format!(
                    "{}: {} of {} cannot run at once; disable all but one",
                    opened.path.display(),
                    ids.join(" and "),
                    kinds.join(" and ")
                )));
            }
            Ok(all.pop())
        };
        let (source, sink) = (one(["input", "video.load"])?, one(["output", "video.save"])?);
        let path_of = |node: &ChainNode| match node.params.get("path") {
            Some(ParamValue::Text(text)) if !text.is_empty() => Some(opened.folder.join(text)),
            _ => None,
        };
        let (source, inputs) = match source {
            None if sink.is_none() => {
                if !args.inputs.is_empty() || args.output.is_some() {
                    let message = format!(
                        "{}: the chain has neither an input nor an output node; leave input and output out",
                        opened.path.display()
                    );
                    return Err(usage(message));
                }
                return Ok(None);
            }
            None => {
                return Err(usage(format!(
                    "{}: the chain has an output, but no input node",
                    opened.path.display()
                )));
            }
            Some((id, kind, node)) => match (kind.as_str(), path_of(&node)) {
                ("video.load", Some(path)) if args.inputs.is_empty() => (id, vec![path]),
                ("video.load", None) if args.inputs.is_empty() => {
                    return Err(usage(format!(
                        "node {id}, path: no path is given; set it: --set {id}.path=FILE"
                    )));
                }
                _ if args.inputs.is_empty() => {
                    let message = format!(
                        "{}: the chain has an input node: name what it is to run on: pegbar run CHAIN INPUT -o OUTPUT",
                        opened.path.display()
                    );
                    return Err(usage(message));
                }
                _ => (id, args.inputs.clone()),
            },
        };
        let (output, save) = match (sink, &args.output) {
            (None, _) => {
                return Err(usage(format!(
                    "{}: the chain has an input, but no output node",
                    opened.path.display()
                )));
            }
            (Some((id, kind, _)), Some(output)) => (output.clone(), (kind == "video.save").then_some(id)),
            (Some((id, kind, node)), None) => match path_of(&node) {
                Some(path) if kind == "video.save" => (path, Some(id)),
                _ if kind == "video.save" => {
                    return Err(usage(format!(
                        "node {id}, path: no path is given; set it, or give -o OUTPUT"
                    )));
                }
                _ => return Err(usage("where to? give -o OUTPUT".into())),
            },
        };
        Ok(Some(Self { source, inputs, output, save }))
    }

    /// Takes the settings of encoding from the chain, where the command line has none.
    ///
    /// # Errors
    /// Options of ffmpeg's in the chain that might touch files, where those are not allowed.
    fn fill_in(&self, opened: &Opened, video: &mut crate::cli::VideoArgs, trust: &TrustArgs) -> Result<()> {
        let Some((id, node)) = self.save.as_ref().and_then(|id| opened.chain.nodes.get_key_value(id)) else {
            return Ok(());
        };
        let text = |param: &str| match node.params.get(param) {
            Some(ParamValue::Text(text)) if !text.is_empty() => Some(text.clone()),
            _ => None,
        };
        for (option, param) in [
            (&mut video.encode, "encode"),
            (&mut video.crf, "crf"),
            (&mut video.preset, "preset"),
            (&mut video.pix_fmt, "pix-fmt"),
        ] {
            if option.is_some() {
                continue;
            }
            *option = text(param);
            if let (Some(options), "encode", false) = (&option, param, trust.allow_ffmpeg_files)
                && options.trim_start().starts_with('-')
            {
                check_encoder_options(options).map_err(|message| anyhow!("node {id}, encode: {message}"))?;
            }
        }
        Ok(())
    }
}

/// Whether a node is for whoever runs the chain.
pub(crate) fn is_host(role: Role) -> bool {
    matches!(role, Role::HostSource | Role::HostSink)
}
