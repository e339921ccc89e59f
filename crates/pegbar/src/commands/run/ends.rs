//! Where the frames of a chain come from and go to: its input and output nodes, and what the command line names.

use super::{Opened, faulty};
use crate::cli::{RunArgs, VideoArgs};
use crate::exit::UsageError;
use anyhow::{Result, anyhow};
use pegbar_chain::{ChainNode, Graph, Role, check_id};
use pegbar_nodes::{NODES, check_encoder_options};
use pegbar_params::ParamValue;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// One output of a chain, and where it comes from. A chain with several is run for each of them.
pub(super) struct Ends {
    /// Id of the node that frames come from.
    pub(super) source: String,
    /// Id of the node that they go to.
    pub(super) sink: String,
    pub(super) inputs: Vec<PathBuf>,
    pub(super) output: PathBuf,
    /// Whether it is one of several of its chain.
    pub(super) of_several: bool,
}

/// An input or output node of a chain.
#[derive(Clone, Copy)]
struct End<'a> {
    id: &'a str,
    node: &'a ChainNode,
}

/// Kinds of nodes that films and pictures come from, and go to.
const SOURCES: [&str; 2] = ["input", "video.load"];
const SINKS: [&str; 2] = ["output", "video.save"];

impl Ends {
    /// What the chain has, and what the command line says: an entry for each output. Empty for a chain that needs neither input nor
    /// output.
    ///
    /// # Errors
    /// A [`UsageError`] where nodes and command line do not fit together; the faults of a chain whose outputs cannot be told apart.
    pub(super) fn of(opened: &Opened, args: &RunArgs) -> Result<Vec<Self>> {
        let (mut sources, sinks) = (ends(opened, SOURCES), ends(opened, SINKS));
        // Those that no choice takes are not needed.
        let graph = Graph::build(&opened.chain, &NODES);
        if let Ok(graph) = &graph {
            sources.retain(|end| graph.find(end.id).is_none_or(|n| graph.order.contains(&n)));
        }
        let wrong = |message: &str| Err(UsageError(format!("{}: {message}", opened.path.display())).into());
        match (sources.as_slice(), sinks.as_slice()) {
            ([], []) if args.inputs.is_empty() && args.output.is_empty() => return Ok(Vec::new()),
            ([], []) => {
                return wrong(
                    "the chain has neither an input nor an output node; leave input and output out",
                );
            }
            ([], _) => return wrong("the chain has an output, but no input node"),
            (_, []) => {
                return wrong(
                    "the chain has an input, but no output node; put one where the picture is the result of the run, or load \
                     pictures with image.load, folder.load or video.load in place of the input",
                );
            }
            _ => {}
        }
        let inputs = inputs(opened, &sources, &args.inputs)?;
        let outputs = outputs(opened, &sinks, &args.output)?;
        let pairs: Vec<(usize, usize)> = match (sources.as_slice(), sinks.as_slice()) {
            // What is wrong between them is told with more knowledge later.
            ([_], [_]) => vec![(0, 0)],
            _ => {
                let told = |faults| faulty(faults).context(opened.path.display().to_string());
                pairs(opened, &graph.map_err(told)?, &sources, &sinks)?
            }
        };
        if let Some(left) = (0..sources.len()).find(|&at| !pairs.iter().any(|(source, _)| *source == at)) {
            let id = sources[left].id;
            return wrong(&format!("nothing of {id} reaches an output; connect it, or disable it"));
        }
        let mut all: Vec<Self> = Vec::new();
        let of_several = pairs.len() > 1;
        for (source, sink) in pairs {
            let source_id = sources[source].id;
            all.push(Self {
                source: source_id.to_owned(),
                sink: sinks[sink].id.to_owned(),
                inputs: inputs[source].clone(),
                output: outputs[sink].clone(),
                of_several,
            });
        }
        Ok(all)
    }

    /// How videos are made: as the command line says, and where it does not, as the output node says.
    ///
    /// # Errors
    /// Options of ffmpeg's in the chain that might touch files, where those are not allowed.
    pub(super) fn video_args(&self, opened: &Opened, args: &RunArgs) -> Result<VideoArgs> {
        let mut video = args.work.video.clone();
        let Some(node) = opened.chain.nodes.get(&self.sink) else { return Ok(video) };
        for (option, param) in [
            (&mut video.encode, "encode"),
            (&mut video.crf, "crf"),
            (&mut video.preset, "preset"),
            (&mut video.pix_fmt, "pix-fmt"),
        ] {
            if option.is_some() {
                continue;
            }
            *option = text(node, param).map(str::to_owned);
            if let (Some(options), "encode", false) = (&option, param, args.trust.allow_ffmpeg_files)
                && options.trim_start().starts_with('-')
            {
                check_encoder_options(options)
                    .map_err(|message| anyhow!("node {}, encode: {message}", self.sink))?;
            }
        }
        Ok(video)
    }
}

/// The nodes of some kinds that are not disabled; those of groups do not count.
fn ends<'a>(opened: &'a Opened, kinds: [&str; 2]) -> Vec<End<'a>> {
    let nodes = opened.chain.nodes.iter();
    let of_kind = nodes.filter(|(_, node)| !node.disabled && kinds.contains(&node.node_type.as_str()));
    of_kind.map(|(id, node)| End { id, node }).collect()
}

/// A text parameter that is not empty.
fn text<'a>(node: &'a ChainNode, param: &str) -> Option<&'a str> {
    match node.params.get(param) {
        Some(ParamValue::Text(text)) if !text.is_empty() => Some(text),
        _ => None,
    }
}

/// What the command line names for each of the nodes, and what it names for none. `NODE=PATH` is for a node where one has that id;
/// where there are several nodes, what looks like it has to be.
fn named(ends: &[End<'_>], paths: &[PathBuf], what: &str) -> Result<(Vec<Vec<PathBuf>>, Vec<PathBuf>)> {
    let mut of_nodes = vec![Vec::new(); ends.len()];
    let mut others = Vec::new();
    for path in paths {
        let text = path.to_string_lossy();
        let name = text.split_once('=').map(|(name, _)| name).filter(|_| !path.exists());
        match name.and_then(|name| ends.iter().position(|end| end.id == name)) {
            Some(at) => of_nodes[at].push(without_name(path, ends[at].id)),
            None if ends.len() > 1 && name.is_some_and(|name| check_id(name).is_ok()) => {
                let ids: Vec<&str> = ends.iter().map(|end| end.id).collect();
                let message = format!("{text}: there is no such {what}; the chain has {}", ids.join(" and "));
                return Err(UsageError(message).into());
            }
            None => others.push(path.clone()),
        }
    }
    Ok((of_nodes, others))
}

/// The path of `NODE=PATH`.
fn without_name(path: &Path, id: &str) -> PathBuf {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        // An id is UTF-8, the path need not be.
        OsStr::from_bytes(&path.as_os_str().as_bytes()[id.len() + 1..]).into()
    }
    #[cfg(not(unix))]
    {
        path.to_string_lossy()[id.len() + 1..].into()
    }
}

/// The node that paths without a name are for: the only one, or the only one that has none yet.
fn unnamed(ends: &[End<'_>], has_path: impl Fn(usize) -> bool, what: &str) -> Result<usize> {
    if ends.len() == 1 {
        return Ok(0);
    }
    let open: Vec<usize> = (0..ends.len()).filter(|&at| !has_path(at)).collect();
    match open.as_slice() {
        [one] => Ok(*one),
        _ => {
            let ids: Vec<&str> = ends.iter().map(|end| end.id).collect();
            let message =
                format!("the chain has several {what}s, {}; say which: {}=PATH", ids.join(" and "), ids[0]);
            Err(UsageError(message).into())
        }
    }
}

/// The inputs of each source.
fn inputs(opened: &Opened, sources: &[End<'_>], paths: &[PathBuf]) -> Result<Vec<Vec<PathBuf>>> {
    let own = |at: usize| text(sources[at].node, "path").map(|path| opened.folder.join(path));
    let (mut inputs, unnamed_paths) = named(sources, paths, "input")?;
    if !unnamed_paths.is_empty() {
        let at = unnamed(sources, |at| !inputs[at].is_empty() || own(at).is_some(), "input")?;
        inputs[at].extend(unnamed_paths);
    }
    for (at, End { id, node }) in sources.iter().enumerate() {
        if !inputs[at].is_empty() {
            continue;
        }
        let message = match own(at) {
            Some(path) => {
                inputs[at].push(path);
                continue;
            }
            None if node.node_type == "video.load" => {
                format!("node {id}, path: no path is given; set it: --set {id}.path=FILE")
            }
            None if sources.len() > 1 => format!(
                "{}: nothing is named for the input {id}: pegbar run CHAIN {id}=INPUT ... -o OUTPUT",
                opened.path.display()
            ),
            None => format!(
                "{}: the chain has an input node: name what it is to run on: pegbar run CHAIN INPUT -o OUTPUT",
                opened.path.display()
            ),
        };
        return Err(UsageError(message).into());
    }
    Ok(inputs)
}

/// The output of each sink.
fn outputs(opened: &Opened, sinks: &[End<'_>], paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let own = |at: usize| text(sinks[at].node, "path").map(|path| opened.folder.join(path));
    let (mut outputs, unnamed_paths) = named(sinks, paths, "output")?;
    if !unnamed_paths.is_empty() {
        let at = unnamed(sinks, |at| !outputs[at].is_empty() || own(at).is_some(), "output")?;
        outputs[at].extend(unnamed_paths);
    }
    let mut all = Vec::new();
    for (at, End { id, node }) in sinks.iter().enumerate() {
        let message = match (outputs[at].as_slice(), own(at)) {
            ([one], _) => {
                all.push(one.clone());
                continue;
            }
            ([], Some(path)) => {
                all.push(path);
                continue;
            }
            ([first, second, ..], _) => {
                format!(
                    "{} and {} are both named for the output {id}; one is enough",
                    first.display(),
                    second.display()
                )
            }
            ([], None) if node.node_type == "video.save" => {
                format!("node {id}, path: no path is given; set it, or give -o OUTPUT")
            }
            ([], None) if sinks.len() > 1 => format!("where to with {id}? give -o {id}=OUTPUT"),
            ([], None) => "where to? give -o OUTPUT".to_owned(),
        };
        return Err(UsageError(message).into());
    }
    Ok(all)
}

/// For each sink the source whose frames reach it, as indices.
fn pairs(
    opened: &Opened,
    graph: &Graph,
    sources: &[End<'_>],
    sinks: &[End<'_>],
) -> Result<Vec<(usize, usize)>> {
    let mut pairs = Vec::new();
    for (sink, end) in sinks.iter().enumerate() {
        let Some(source) = source_of(graph, end.id) else {
            let path = opened.path.display();
            let message =
                format!("{path}: nothing of an input reaches {}; connect it, or disable it", end.id);
            return Err(UsageError(message).into());
        };
        pairs.extend(sources.iter().position(|end| end.id == source).map(|source| (source, sink)));
    }
    Ok(pairs)
}

/// Id of the node that the frames of another come from.
fn source_of<'a>(graph: &'a Graph, sink: &str) -> Option<&'a str> {
    let at = graph.find(sink)?;
    let mut before = graph.needed(&[at]).into_iter();
    let found = before.find(|&n| matches!(graph.nodes[n].kind.role, Role::HostSource))?;
    Some(&graph.nodes[found].id)
}
