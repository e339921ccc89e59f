//! Runs the example of a node, and takes what went into the node and what came out.

use crate::scene::{Scene, View, scene};
use crate::{example_files, without_folder};
use anyhow::{Context, Result, anyhow, bail};
use pegbar_chain::{
    Cancel, Chain, Checked, ImageInfo, Info, NodeType, Prepared, Preview, PreviewFrame, ResultCache, Role,
    TimedImage, Value, check,
};
use pegbar_frame::{PlanarImage, Rational};
use pegbar_nodes::NODES;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// Frames per second of drawn clips.
const FRAME_RATE: i64 = 24;
const TIME_BASE: Rational = Rational::new(1, FRAME_RATE);
/// Rounds of a stream that are told.
const MOST_ROUNDS: usize = 6;

/// Why a node has nothing to show: everything else does, and a test says so.
pub(crate) fn gives_nothing(kind: &NodeType) -> Option<&'static str> {
    Some(match kind.id {
        "input" | "output" | "video.load" | "video.save" => {
            "It stands for a file that the command line names, so there is nothing to show."
        }
        "structure.placeholder" => "A check refuses a chain with one, so there is nothing to show.",
        "structure.note" | "structure.view" => "It changes nothing, so there is nothing to show.",
        "structure.pass_through" => "What comes out is what went in.",
        "model.load" | "model.interpolate" => {
            "What comes out is a model, which [Upscale](image.upscale.md) runs on pictures."
        }
        _ => return None,
    })
}

/// A picture with a name.
pub(crate) struct Panel {
    pub(crate) caption: String,
    pub(crate) image: PlanarImage,
}

/// What a run has shown.
pub(crate) struct Ran {
    pub(crate) chain: Chain,
    /// What the pictures show, a sentence; empty where nothing need be said.
    pub(crate) on: &'static str,
    pub(crate) view: View,
    /// Pictures that went in.
    pub(crate) before: Vec<Panel>,
    /// Pictures that came out.
    pub(crate) after: Vec<Panel>,
    /// Other values that came out: output, and value as text.
    pub(crate) values: Vec<(&'static str, String)>,
}

/// Runs the example of a node: all nodes of its chain.
fn example_in(kind: &'static NodeType, folder: &Path) -> Result<Ran> {
    let (chain, id) = pegbar_nodes::example(kind);
    let Scene { on, frames, centre, view } = scene(kind);
    let mut ran = Ran { chain, on, view, before: Vec::new(), after: Vec::new(), values: Vec::new() };
    let chain = &ran.chain;
    let mut sources: HashMap<String, Vec<Info>> = HashMap::new();
    for (id, node) in &chain.nodes {
        let declared = NODES.get(&node.node_type).with_context(|| node.node_type.clone())?;
        if let (Role::HostSource, Some(frame)) = (declared.role, frames.first()) {
            let mut infos = declared.output_infos(&ImageInfo::of_size(frame.width, frame.height));
            infos[0] = Info::of_value(&Value::Image(Arc::new(frame.clone())));
            sources.insert(id.clone(), infos);
        }
    }
    let checked = match check(chain, &NODES, folder, &Arc::default(), &sources) {
        Ok(checked) => checked,
        Err(_) if matches!(kind.role, Role::Placeholder) => return Ok(ran),
        Err(faults) => {
            let said: Vec<String> = faults.iter().map(ToString::to_string).collect();
            bail!("its example does not pass a check: {}", said.join("; "));
        }
    };
    let wanted = checked.graph.find(id).with_context(|| format!("there is no node {id}"))?;
    let rounds = rounds(&checked, &frames)?;
    let n_rounds = rounds.values().map(Vec::len).max().unwrap_or(1);
    let cache = ResultCache::new(1 << 28);
    let own_rounds: Vec<Arc<Vec<Value>>> =
        rounds.get(&wanted).into_iter().flatten().map(|frame| Arc::new(frame.values.clone())).collect();
    let preview = Preview::new(&checked, &cache, rounds, TIME_BASE, Cancel::default());
    let centre = centre.min(n_rounds - 1);

    // The whole chain, so that all of it is known to run.
    for (n, node) in checked.graph.nodes.iter().enumerate() {
        match node.kind.role {
            Role::HostSink => drop(preview.inputs(n, centre)?),
            _ => drop(preview.node(n, centre)?),
        }
    }
    if gives_nothing(kind).is_some() {
        return Ok(ran);
    }

    let shown: Vec<usize> = match view {
        View::Frames(n) => (centre.saturating_sub(n / 2)..).take(n).collect(),
        View::Mean => (0..n_rounds).collect(),
        _ => vec![centre],
    };
    if let (View::Strip, Prepared::Segment(filter)) = (view, &checked.prepared[wanted]) {
        let given = frames
            .iter()
            .enumerate()
            .map(|(i, image)| TimedImage { image: Arc::new(image.clone()), pts: i as i64 });
        let given: Vec<TimedImage> = given.collect();
        let mut made = Vec::new();
        let mut take = |frame| {
            made.push(frame);
            true
        };
        filter
            .run(TIME_BASE, &mut given.clone().into_iter(), &mut take, &Cancel::default())
            .map_err(|error| anyhow!("{error}"))?;
        let seconds =
            |frame: &TimedImage, base: Rational| format!("{:.2} s", frame.pts as f64 * base.as_f64());
        let panels = |frames: &[TimedImage], base: Rational| -> Vec<Panel> {
            let panel =
                |frame: &TimedImage| Panel { caption: seconds(frame, base), image: (*frame.image).clone() };
            frames.iter().map(panel).collect()
        };
        ran.before = panels(&given, TIME_BASE);
        ran.after = panels(&made, filter.time_base(TIME_BASE));
        return Ok(ran);
    }

    let (mut before, mut after) = (Vec::new(), Vec::new());
    for t in shown {
        if !matches!(kind.role, Role::Source { .. } | Role::Collector { .. }) {
            for (input, values) in kind.inputs.iter().zip(preview.inputs(wanted, t)?) {
                before.extend(values.iter().filter_map(|value| panel(input.id, value)));
            }
        }
        for (output, value) in kind.outputs.iter().zip(preview.node(wanted, t)?.iter()) {
            after.extend(panel(output.id, value));
            if own_rounds.is_empty() && !matches!(value, Value::Image(_) | Value::Model(_)) {
                ran.values.push((output.id, told(value, folder)));
            }
        }
    }
    // What a stream begins with, round by round.
    for (o, output) in kind.outputs.iter().enumerate().filter(|_| !own_rounds.is_empty()) {
        let values = own_rounds.iter().filter_map(|round| round.get(o));
        if values.clone().any(|value| matches!(value, Value::Image(_) | Value::Model(_))) {
            continue;
        }
        let mut said: Vec<String> = values.map(|value| told(value, folder)).collect();
        if said.len() > MOST_ROUNDS {
            said.truncate(MOST_ROUNDS);
            said.push("...".into());
        }
        ran.values.push((output.id, said.join(", ")));
    }
    if view == View::Mean {
        (before, after) = (mean(before), mean(after));
    }
    if before.len() == 1 {
        before[0].caption = "before".into();
    }
    if after.len() == 1 {
        after[0].caption = if before.is_empty() { "result" } else { "after" }.into();
    }
    (ran.before, ran.after) = (before, after);
    Ok(ran)
}

/// The same in a folder of its own, with the files that examples name.
pub(crate) fn example(kind: &'static NodeType) -> Result<Ran> {
    let folder = tempfile::tempdir().context("a temporary folder cannot be made")?;
    example_files::write(folder.path())?;
    example_in(kind, folder.path())
}

/// What each source of the chain gives.
fn rounds(checked: &Checked, frames: &[PlanarImage]) -> Result<HashMap<usize, Vec<PreviewFrame>>> {
    let mut all = HashMap::new();
    for (n, node) in checked.graph.nodes.iter().enumerate() {
        let values: Vec<Vec<Value>> = match (&checked.prepared[n], node.kind.role) {
            (_, Role::HostSource) => frames.iter().enumerate().map(|(i, frame)| given(frame, i)).collect(),
            (Prepared::Source(source), _) => {
                let rounds = source.open().map_err(|error| anyhow!("{error}"))?;
                rounds.collect::<Result<_, _>>().map_err(|error| anyhow!("{error}"))?
            }
            _ => continue,
        };
        let numbered = values.into_iter().enumerate().map(|(i, values)| PreviewFrame {
            index: i as u64,
            pts: i as i64,
            ..PreviewFrame::of_values(values)
        });
        all.insert(n, numbered.collect());
    }
    Ok(all)
}

/// A frame as the node `input` gives it.
fn given(frame: &PlanarImage, index: usize) -> Vec<Value> {
    vec![
        Value::Image(Arc::new(frame.clone())),
        Value::Number(index as f64),
        Value::Number(index as f64 / FRAME_RATE as f64),
        Value::Text("episode".into()),
        Value::Directory(Path::new("films").into()),
    ]
}

fn panel(port: &str, value: &Value) -> Option<Panel> {
    match value {
        Value::Image(image) => Some(Panel { caption: port.into(), image: (**image).clone() }),
        _ => None,
    }
}

/// A value as a page tells it: numbers are rounded, since their last digits differ between processors.
fn told(value: &Value, folder: &Path) -> String {
    match value {
        Value::Number(number) if number.fract() != 0.0 => {
            let text = format!("{number:.3}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        Value::Text(text) => format!("{:?}", without_folder(text, folder)),
        other => without_folder(&other.to_string(), folder),
    }
}

/// The mean of pictures of one size.
fn mean(panels: Vec<Panel>) -> Vec<Panel> {
    let n = panels.len() as f32;
    let mut all = panels.into_iter();
    let Some(mut sum) = all.next() else { return Vec::new() };
    for panel in all {
        sum.image.data.iter_mut().zip(&panel.image.data).for_each(|(sum, sample)| *sum += sample);
    }
    sum.image.data.iter_mut().for_each(|sample| *sample /= n);
    vec![sum]
}
