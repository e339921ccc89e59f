//! A chain, run on pictures and films.

use super::ends::Ends;
use super::{Opened, faulty, film};
use crate::cli::EngineArgs;
use crate::commands::restore::{FilmWork, Outcome, Source, Work, fingerprint, model_files};
use crate::commands::session;
use anyhow::{Context, Result, anyhow, bail};
use pegbar_chain::{
    Cancel, Checked, Graph, ImageInfo, Info, NodeCost, Preview, PreviewFrame, ResultCache, Role, StreamInfo,
    Value, check_graph, stream_info,
};
use pegbar_engine::available_memory_bytes;
use pegbar_frame::{PixelFamily, PlanarImage, Rational};
use pegbar_job::Fingerprint;
use pegbar_media::still::StillImage;
use pegbar_nodes::{NODES, Selection};
use pegbar_params::{ParamKind, ParamValue, PathTarget};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// A chain that frames or pictures go through.
pub(super) struct ChainWork<'a> {
    opened: &'a Opened,
    /// The nodes that they come from and go to.
    ends: &'a Ends,
    /// Inputs on which nodes act that do so by themselves.
    acts_on: HashSet<PathBuf>,
    /// Whether they do on the input at hand.
    acts: Cell<bool>,
    engine: &'a EngineArgs,
    /// The chain, checked for the film at hand.
    checked: RefCell<Option<Arc<Checked>>>,
    costs: RefCell<Vec<NodeCost>>,
    /// Which frames of a film are taken.
    selection: Cell<Selection>,
}

impl<'a> ChainWork<'a> {
    pub(super) fn new(
        opened: &'a Opened,
        ends: &'a Ends,
        acts_on: HashSet<PathBuf>,
        engine: &'a EngineArgs,
    ) -> Self {
        let (selection, acts) = (Cell::new(Selection::ALL), Cell::new(true));
        Self {
            opened,
            ends,
            acts_on,
            acts,
            engine,
            checked: RefCell::default(),
            costs: RefCell::default(),
            selection,
        }
    }

    /// Checks the chain without knowing what it is run on.
    pub(super) fn check_anyway(&self) -> Result<()> {
        let checked = self.checked_with(&HashMap::new())?;
        let node = &checked.graph.nodes[self.source_of(&checked)?];
        let mut values = node.values.clone();
        for driven in &node.driven {
            // A check refuses what is not known before.
            let known = checked.info(driven.from).known.as_ref();
            if let Some(value) = known.and_then(|value| value.to_param(&driven.param.kind)) {
                values.set(driven.param.id, value).map_err(|error| anyhow!("node {}: {error}", node.id))?;
            }
        }
        self.selection.set(Selection::from_values(&values));
        Ok(())
    }

    /// Checks the chain for pictures of a size.
    fn check(&self, width: usize, height: usize, channels: Option<usize>) -> Result<Arc<Checked>> {
        let source = &self.ends.source;
        let node_type = self.opened.chain.nodes.get(source).map_or("input", |node| node.node_type.as_str());
        let kind = NODES.get(node_type).context("the table of nodes has inputs")?;
        let image = ImageInfo { channels, ..ImageInfo::of_size(width, height) };
        Ok(Arc::new(self.checked_with(&HashMap::from([(source.clone(), kind.output_infos(&image))]))?))
    }

    /// The chain as far as it leads to the output, checked with what is known of inputs.
    fn checked_with(&self, infos: &HashMap<String, Vec<Info>>) -> Result<Checked> {
        let Opened { chain, folder, shared, .. } = self.opened;
        let mut graph = Graph::build(chain, &NODES).map_err(faulty)?;
        let Ends { source, sink, .. } = self.ends;
        let is_wanted = |&root: &usize| {
            let nodes = &graph.nodes;
            let of_other_input = |n: usize| nodes[n].kind.role.is_host() && nodes[n].id != *source;
            match nodes[root].kind.role {
                Role::HostSink => nodes[root].id == *sink,
                _ => self.acts.get() && !graph.needed(&[root]).into_iter().any(of_other_input),
            }
        };
        let wanted: Vec<usize> = graph.roots().into_iter().filter(is_wanted).collect();
        graph.end_in(&wanted);
        check_graph(graph, folder, shared, infos).map_err(faulty)
    }

    /// Index of the node that frames come from.
    fn source_of(&self, checked: &Checked) -> Result<usize> {
        checked.graph.find(&self.ends.source).context("the input has been taken out of the chain")
    }

    /// The picture that the chain makes of one; what acts outside of it acts only where it `acts`.
    fn make(&self, checked: &Checked, values: Vec<Value>, acts: bool) -> Result<Arc<PlanarImage>> {
        let source = self.source_of(checked)?;
        let info = stream_info(checked, source, Rational::new(1, 1))?;
        let sink = sink_of(&info)?;
        let cache = ResultCache::new(0);
        let frames = HashMap::from([(source, vec![PreviewFrame::of_values(values)])]);
        let preview = Preview::new(checked, &cache, frames, Rational::new(1, 1), Cancel::default());
        let inputs = preview.inputs(sink, 0);
        // What acts by itself acts on pictures, too.
        if inputs.is_ok() && acts {
            for root in checked.roots().into_iter().filter(|&root| root != sink) {
                preview.node(root, 0)?;
            }
        }
        self.costs.replace(preview.costs());
        first_image(&inputs?)
    }

    /// A test picture of a size, through the chain. Nothing is done with it.
    fn make_gray(
        &self,
        checked: &Checked,
        (width, height): (usize, usize),
        channels: usize,
    ) -> Result<Arc<PlanarImage>> {
        let image = PlanarImage { width, height, channels, data: vec![0.5; channels * width * height] };
        let made = self.make(checked, source_values(image, 0, 0.0, Path::new("picture")), false);
        self.costs.take();
        made
    }
}

/// The output that the stream leads to.
pub(super) fn sink_of(info: &StreamInfo) -> Result<usize> {
    match info.sinks.as_slice() {
        [sink] => Ok(*sink),
        _ => bail!(
            "no frame of the input reaches the output: it is not connected, or what comes there is made when the stream has ended \
             and is saved by image.save"
        ),
    }
}

/// The picture that an output takes.
pub(super) fn first_image(inputs: &[Vec<Value>]) -> Result<Arc<PlanarImage>> {
    match inputs.first().and_then(|port| port.first()) {
        Some(Value::Image(image)) => Ok(image.clone()),
        _ => bail!("no picture reached the output"),
    }
}

/// The values of an input's outputs.
pub(super) fn source_values(image: PlanarImage, index: u64, secs: f64, path: &Path) -> Vec<Value> {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    vec![
        Value::Image(Arc::new(image)),
        Value::Number(index as f64),
        Value::Number(secs),
        Value::Text(name.as_ref().into()),
        Value::Directory(path.parent().unwrap_or(Path::new("")).into()),
    ]
}

/// Colours and alpha as one picture.
pub(super) fn with_alpha(image: PlanarImage, alpha: Option<PlanarImage>) -> PlanarImage {
    let Some(alpha) = alpha else { return image };
    let mut data = image.data;
    if image.channels == 1 {
        let gray = data.clone();
        data.extend_from_slice(&gray);
        data.extend_from_slice(&gray);
    }
    data.extend(alpha.data);
    PlanarImage { channels: 4, data, ..image }
}

/// Colours and alpha apart.
pub(super) fn without_alpha(image: &PlanarImage) -> (PlanarImage, Option<PlanarImage>) {
    let pixels = image.width * image.height;
    let part = |channels: usize, from: usize| PlanarImage {
        channels,
        data: image.data[from * pixels..(from + channels) * pixels].to_vec(),
        ..*image
    };
    match image.channels {
        4 => (part(3, 0), Some(part(1, 3))),
        1 | 3 => (image.clone(), None),
        // Two channels are gray and alpha, of others the first three count.
        2 => (part(1, 0), Some(part(1, 1))),
        _ => (part(3, 0), None),
    }
}

impl Work for ChainWork<'_> {
    fn treats_combing(&self) -> bool {
        let treats = |kind: &str| matches!(kind, "video.deinterlace" | "video.ivtc" | "temporal.decomb");
        Graph::build(&self.opened.chain, &NODES)
            .is_ok_and(|graph| graph.order.iter().any(|&n| treats(graph.nodes[n].kind.id)))
    }

    fn outcome(&self, source: &Source) -> Result<Outcome> {
        let &Source { format, width, height, time_base } = source;
        // What channels a picture file has is known when it has been read.
        let channels = match (time_base, format.family, format.alpha) {
            (None, ..) => None,
            (_, _, true) => Some(4),
            (_, PixelFamily::Gray, false) => Some(1),
            _ => Some(3),
        };
        let checked = self.check(width, height, channels)?;
        let at = self.source_of(&checked)?;
        let info = stream_info(&checked, at, time_base.unwrap_or(Rational::new(1, 1)))?;
        let sink = sink_of(&info)?;
        let known = checked.input_infos(sink).first().and_then(|port| port.first().map(Info::as_image));
        let known = known.unwrap_or(ImageInfo::UNKNOWN);
        let may_gain_colour = known.channels.is_none() && format.family == PixelFamily::Gray;
        let ((out_w, out_h), out_channels) = match (known.size(), known.channels) {
            (Some(size), n) if !may_gain_colour || time_base.is_none() => (size, n),
            // Nothing but trying tells.
            _ if time_base.is_some() => {
                let made = self.make_gray(&checked, (width, height), channels.unwrap_or(3))?;
                ((made.width, made.height), Some(made.channels))
            }
            (_, n) => ((width, height), n),
        };
        let needed = (width * height + out_w.saturating_mul(out_h)).saturating_mul(4 * size_of::<f32>());
        if needed > available_memory_bytes() {
            bail!(
                "{width}x{height} to {out_w}x{out_h} pixels takes more memory than is free; crop or shrink it"
            );
        }
        let outcome = Outcome {
            width: out_w,
            height: out_h,
            time_base: time_base.map(|_| info.time_base),
            keeps_frames: info.keeps_frames,
            n_before: info.reach_before * self.selection.get().step as usize,
            channels: out_channels,
        };
        self.checked.replace(Some(checked));
        Ok(outcome)
    }

    fn begin(&self, input: &Path) {
        self.acts.set(self.acts_on.contains(input));
    }

    fn selection(&self) -> Selection {
        self.selection.get()
    }

    fn picture(&self, input: &Path, picture: StillImage) -> Result<StillImage> {
        let StillImage { image, alpha, depth_bits, icc_profile } = picture;
        let image = with_alpha(image, alpha);
        let checked = self.check(image.width, image.height, Some(image.channels))?;
        let made = self.make(&checked, source_values(image, 0, 0.0, input), true)?;
        let (image, alpha) = without_alpha(&made);
        Ok(StillImage { image, alpha, depth_bits, icc_profile })
    }

    fn film(&self, work: FilmWork<'_, '_>) -> Result<Vec<String>> {
        let checked = self.checked.borrow().clone().context("a film is looked at before it is run")?;
        let source = self.source_of(&checked)?;
        let threads = session::threads(self.engine);
        let (warnings, report) = film::run(&checked, source, threads, self.selection.get().step, work)?;
        self.costs.replace(report.costs);
        Ok(warnings)
    }

    fn identity(&self, settings: &mut BTreeMap<String, String>) -> Result<Fingerprint> {
        if let Some(precision) = self.engine.precision {
            settings.insert("--precision".into(), format!("{precision:?}").to_lowercase());
        }
        let chain = Fingerprint::of_text(&self.opened.chain.to_json());
        settings.insert(
            "the chain".into(),
            serde_json::to_value(&chain)?.as_str().unwrap_or_default().to_owned(),
        );
        if self.ends.of_several {
            settings.insert("the output".into(), self.ends.sink.clone());
        }
        // Every file that the chain names: models, tables of colours.
        let checked = self.checked.borrow();
        let mut files = Vec::new();
        let graph = checked.as_ref().map(|checked| &checked.graph);
        for node in graph.iter().flat_map(|graph| graph.order.iter().map(|&n| &graph.nodes[n])) {
            for (param, value) in node.values.iter() {
                if let (ParamKind::Path { target: PathTarget::File }, ParamValue::Text(text)) =
                    (param.kind, value)
                {
                    let path = self.opened.folder.join(text);
                    if !text.is_empty() && path.is_file() && !node.kind.role.is_host() {
                        files.extend(model_files(&path));
                    }
                }
            }
        }
        let all = files.iter().map(|path| fingerprint(path)).collect::<Result<Vec<_>>>()?;
        Ok(Fingerprint::of_all(&all))
    }

    fn frames_per_second(&self, width: usize, height: usize) -> Result<f64> {
        let checked = self.check(width, height, Some(3))?;
        self.make_gray(&checked, (width, height), 3)?; // compiles models
        let started = Instant::now();
        self.make_gray(&checked, (width, height), 3)?;
        Ok(1.0 / started.elapsed().as_secs_f64().max(1e-9))
    }

    fn costs(&self) -> Vec<NodeCost> {
        self.costs.take()
    }
}
