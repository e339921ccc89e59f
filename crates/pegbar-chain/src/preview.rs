//! Runs a chain for one frame, remembering what it made: a picture, or a look at one frame of a film.
//!
//! Every result is remembered under a hash of the node's kind and parameters and of the hashes of what it takes, so after a change
//! of one node only what depends on it is made again.

use crate::evaluate::{Evaluator, NodeFailure, Outputs, lock};
use crate::{
    Cancel, ChainError, Checked, Flow, FrameContext, Inputs, NodeCost, NodeError, Prepare, Prepared, Role,
    Source, TimedImage, Value,
};
use pegbar_filters::temporal::Window;
use pegbar_frame::{PlanarImage, Rational};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};

/// A hash that stands for a result.
type Key = [u8; 32];

/// Results of nodes, up to a size; what was not used for longest is dropped first.
#[derive(Debug)]
pub struct ResultCache {
    state: Mutex<CacheState>,
    most_bytes: usize,
}

#[derive(Debug, Default)]
struct CacheState {
    results: HashMap<Key, Remembered>,
    bytes: usize,
    clock: u64,
}

#[derive(Debug)]
struct Remembered {
    outputs: Outputs,
    bytes: usize,
    used: u64,
}

impl ResultCache {
    /// An empty one that keeps up to so many bytes.
    pub fn new(most_bytes: usize) -> Self {
        Self { state: Mutex::new(CacheState::default()), most_bytes }
    }

    fn get(&self, key: &Key) -> Option<Outputs> {
        let mut state = lock(&self.state);
        state.clock += 1;
        let now = state.clock;
        let found = state.results.get_mut(key)?;
        found.used = now;
        Some(found.outputs.clone())
    }

    fn put(&self, key: Key, outputs: Outputs) {
        let bytes = outputs.iter().map(Value::memory_bytes).sum::<usize>() + size_of::<Remembered>();
        if bytes > self.most_bytes {
            return;
        }
        let mut state = lock(&self.state);
        state.clock += 1;
        let remembered = Remembered { outputs, bytes, used: state.clock };
        if let Some(old) = state.results.insert(key, remembered) {
            state.bytes -= old.bytes;
        }
        state.bytes += bytes;
        while state.bytes > self.most_bytes {
            let Some(oldest) = state.results.iter().min_by_key(|(_, r)| r.used).map(|(key, _)| *key) else {
                break;
            };
            if let Some(old) = state.results.remove(&oldest) {
                state.bytes -= old.bytes;
            }
        }
    }
}

/// What a source gives for one frame.
#[derive(Debug, Clone)]
pub struct PreviewFrame {
    /// Values of its outputs.
    pub values: Vec<Value>,
    /// Stands for them: the same for the same values, different for others.
    pub hash: [u8; 32],
    /// Number of the frame in its film.
    pub index: u64,
    /// Time stamp.
    pub pts: i64,
}

impl PreviewFrame {
    /// A picture and whatever else its source gives, hashed by its samples.
    pub fn of_values(values: Vec<Value>) -> Self {
        let mut hash = Sha256::new();
        for value in &values {
            hash_value(&mut hash, value);
        }
        Self { values, hash: hash.finalize().into(), index: 0, pts: 0 }
    }
}

fn hash_value(hash: &mut Sha256, value: &Value) {
    match value {
        Value::Image(image) => {
            for side in [image.channels, image.height, image.width] {
                hash.update((side as u64).to_le_bytes());
            }
            for sample in &image.data {
                hash.update(sample.to_le_bytes());
            }
        }
        other => {
            hash.update(other.value_type().to_string());
            hash.update(other.to_string());
            hash.update([0]);
        }
    }
}

/// A chain at one frame.
///
/// Frames around it are given, too, as far as nodes look at neighbours; they are of one scene.
pub struct Preview<'a> {
    evaluator: Evaluator<'a>,
    checked: &'a Checked,
    cache: &'a ResultCache,
    /// For each source by node: frames in order.
    frames: HashMap<usize, Vec<PreviewFrame>>,
    time_base: Rational,
    cancel: Cancel,
    /// Results of this run, for each frame by node.
    made: Mutex<HashMap<(usize, usize), (Outputs, Key)>>,
}

impl<'a> Preview<'a> {
    /// `frames` are, for each node that begins a stream, the frames around the one wanted, of one number for all sources.
    pub fn new(
        checked: &'a Checked,
        cache: &'a ResultCache,
        frames: HashMap<usize, Vec<PreviewFrame>>,
        time_base: Rational,
        cancel: Cancel,
    ) -> Self {
        let evaluator = Evaluator::new(checked);
        Self { evaluator, checked, cache, frames, time_base, cancel, made: Mutex::default() }
    }

    /// The results of a node at a frame (an index of the frames given).
    ///
    /// # Errors
    /// [`ChainError::Node`], [`ChainError::Cancelled`].
    pub fn node(&self, node: usize, frame: usize) -> Result<Arc<Vec<Value>>, ChainError> {
        self.made_at(node, frame).map(|(outputs, _)| outputs).map_err(|failure| self.evaluator.error(failure))
    }

    /// The values of a node's inputs at a frame.
    ///
    /// # Errors
    /// [`ChainError::Node`], [`ChainError::Cancelled`].
    pub fn inputs(&self, node: usize, frame: usize) -> Result<Vec<Vec<Value>>, ChainError> {
        self.inputs_at(node, frame).map(|(values, _)| values).map_err(|failure| self.evaluator.error(failure))
    }

    /// What each node that ran has cost.
    pub fn costs(&self) -> Vec<NodeCost> {
        self.evaluator.costs()
    }

    fn value_at(&self, source: Source, t: usize) -> Result<(Value, Key), NodeFailure> {
        let (outputs, key) = self.made_at(source.node, t)?;
        let value = outputs.get(source.output).cloned().ok_or_else(|| NodeFailure {
            node: source.node,
            error: NodeError::Failed("it gave fewer results than it declares".into()),
        })?;
        let mut hash = Sha256::new();
        hash.update(key);
        hash.update((source.output as u64).to_le_bytes());
        Ok((value, hash.finalize().into()))
    }

    fn inputs_at(&self, n: usize, t: usize) -> Result<(Vec<Vec<Value>>, Vec<Key>), NodeFailure> {
        let node = &self.checked.graph.nodes[n];
        let mut keys = Vec::new();
        let mut came = Vec::new();
        for sources in &node.inputs {
            let mut port = Vec::new();
            for source in sources {
                let (value, key) = self.value_at(*source, t)?;
                port.push(value);
                keys.push(key);
            }
            // Ports do not run together.
            keys.push([0; 32]);
            came.push(port);
        }
        Ok((crate::check::converted(node, came), keys))
    }

    fn made_at(&self, n: usize, t: usize) -> Result<(Outputs, Key), NodeFailure> {
        let fail = |error| NodeFailure { node: n, error };
        // What is the same for all frames is made once.
        let t = if self.checked.flows[n] == Flow::Constant { 0 } else { t };
        if let Some(made) = lock(&self.made).get(&(n, t)) {
            return Ok(made.clone());
        }
        self.cancel.check().map_err(fail)?;
        let made = self.make(n, t)?;
        lock(&self.made).insert((n, t), made.clone());
        Ok(made)
    }

    fn make(&self, n: usize, t: usize) -> Result<(Outputs, Key), NodeFailure> {
        let node = &self.checked.graph.nodes[n];
        let fail = |error| NodeFailure { node: n, error };
        let mut hash = Sha256::new();
        hash.update(node.kind.id);
        hash.update([0]);
        if let Some(frames) = self.frames.get(&n) {
            let frame =
                frames.get(t).ok_or_else(|| fail(NodeError::Failed("there is no such frame".into())))?;
            return Ok((Arc::new(frame.values.clone()), frame.hash));
        }
        let mut values = node.values.clone();
        for driven in &node.driven {
            let (value, _) = self.value_at(driven.from, t)?;
            crate::check::drive(&mut values, driven.param, &value).map_err(fail)?;
        }
        for (param, value) in values.iter() {
            hash.update(param.id);
            hash.update([0]);
            hash.update(value.to_string());
            hash.update([0]);
        }
        let frame = self.frame(t);
        let (function, varies, acts) = match node.kind.role {
            Role::Choice { choose } => {
                let lengths: Vec<usize> = node.inputs.iter().map(Vec::len).collect();
                let (port, i) = choose(&values, &lengths).map_err(fail)?;
                let source = node.inputs.get(port).and_then(|sources| sources.get(i)).copied();
                let source = source.ok_or_else(|| {
                    fail(NodeError::Failed("it would take an input that is not connected".into()))
                })?;
                let (value, key) = self.value_at(source, t)?;
                return Ok((Arc::new(vec![value]), key));
            }
            Role::Temporal { .. } => return self.window(n, t, hash),
            Role::Window { .. } => return self.values_of_window(n, t, hash),
            Role::Segment { .. } => return self.segment(n, t, hash),
            Role::Collector { prepare } => {
                let how = self.how(&values);
                let mut collector = prepare(&how).map_err(fail)?;
                for t in 0..self.n_frames() {
                    let (came, keys) = self.inputs_at(n, t)?;
                    keys.iter().for_each(|key| hash.update(key));
                    collector.add(&Inputs::new(node.kind, &came), &self.frame(t)).map_err(fail)?;
                }
                return Ok((Arc::new(collector.finish().map_err(fail)?), hash.finalize().into()));
            }
            Role::Function { varies, acts, prepare } => match &self.checked.prepared[n] {
                Prepared::Function(function) => (function.clone(), varies, acts),
                _ => (prepare(&self.how(&values)).map_err(fail)?.into(), varies, acts),
            },
            _ => return Err(fail(NodeError::Failed("it gives nothing here".into()))),
        };
        let (came, keys) = self.inputs_at(n, t)?;
        keys.iter().for_each(|key| hash.update(key));
        if varies {
            hash.update(frame.index.to_le_bytes());
        }
        if let Some(stamp) = function.stamp() {
            hash.update(stamp);
        }
        let key: Key = hash.finalize().into();
        if !acts && let Some(outputs) = self.cache.get(&key) {
            return Ok((outputs, key));
        }
        let started = std::time::Instant::now();
        let outputs = function.run(&Inputs::new(node.kind, &came), &frame).map_err(fail)?;
        self.evaluator.count(n, started, &outputs);
        let outputs = Arc::new(outputs);
        if !acts {
            self.cache.put(key, outputs.clone());
        }
        Ok((outputs, key))
    }

    fn how<'b>(&'b self, values: &'b pegbar_params::ParamValues) -> Prepare<'b> {
        Prepare { values, folder: &self.checked.folder, shared: &self.checked.shared }
    }

    fn n_frames(&self) -> usize {
        self.frames.values().map(Vec::len).max().unwrap_or(1)
    }

    fn frame(&self, t: usize) -> FrameContext {
        let frame = self.frames.values().find_map(|frames| frames.get(t));
        FrameContext {
            index: frame.map_or(0, |frame| frame.index),
            pts: frame.map_or(0, |frame| frame.pts),
            time_base: self.time_base,
            alone: false,
            cancel: self.cancel.clone(),
        }
    }

    fn picture_at(&self, n: usize, t: usize) -> Result<(Arc<PlanarImage>, Key), NodeFailure> {
        let source = self.checked.graph.nodes[n].inputs.first().and_then(|sources| sources.first());
        let missing = || NodeFailure { node: n, error: NodeError::input("image", "no picture came") };
        match self.value_at(*source.ok_or_else(missing)?, t)? {
            (Value::Image(image), key) => Ok((image, key)),
            _ => Err(missing()),
        }
    }

    /// A node that looks at neighbours.
    fn window(&self, n: usize, t: usize, hash: Sha256) -> Result<(Outputs, Key), NodeFailure> {
        let Prepared::Temporal(filter) = &self.checked.prepared[n] else {
            return Err(NodeFailure { node: n, error: NodeError::Failed("it was not made".into()) });
        };
        let (reach, measured) = (filter.reach(), filter.measure_reach());
        // A measure may look at the frame before.
        let first = t.saturating_sub(reach.before.max(measured.before) + 1);
        let last = (t + reach.after.max(measured.after) + 1).min(self.n_frames());
        let (pictures, key) = self.pictures_around(n, t, first..last, hash)?;
        if let Some(outputs) = self.cache.get(&key) {
            return Ok((outputs, key));
        }
        let started = std::time::Instant::now();
        let measures: Vec<Vec<f32>> = (0..pictures.len())
            .map(|i| filter.measure(i.checked_sub(1).map(|i| &*pictures[i]), &pictures[i]))
            .collect();
        let at = t - first;
        let span =
            |before: usize, after: usize| at.saturating_sub(before)..(at + after + 1).min(pictures.len());
        let (seen, told) = (span(reach.before, reach.after), span(measured.before, measured.after));
        let result = filter.apply(&Window {
            frames: &pictures[seen.clone()].iter().map(|picture| &**picture).collect::<Vec<_>>(),
            centre: at - seen.start,
            measures: &measures[told.clone()].iter().map(Vec::as_slice).collect::<Vec<_>>(),
            measure_centre: at - told.start,
        });
        let outputs = Arc::new(vec![Value::Image(Arc::new(result))]);
        self.evaluator.count(n, started, &outputs);
        self.cache.put(key, outputs.clone());
        Ok((outputs, key))
    }

    /// What a node takes of some frames, of which `t` is one, and the key of what it makes of them.
    fn pictures_around(
        &self,
        n: usize,
        t: usize,
        frames: Range<usize>,
        mut hash: Sha256,
    ) -> Result<(Vec<Arc<PlanarImage>>, Key), NodeFailure> {
        let before = t - frames.start;
        let mut pictures = Vec::new();
        for t in frames {
            let (picture, key) = self.picture_at(n, t)?;
            hash.update(key);
            pictures.push(picture);
        }
        hash.update((before as u64).to_le_bytes());
        Ok((pictures, hash.finalize().into()))
    }

    /// A node that tells of a picture and its neighbours.
    fn values_of_window(&self, n: usize, t: usize, hash: Sha256) -> Result<(Outputs, Key), NodeFailure> {
        let fail = |error| NodeFailure { node: n, error };
        let Prepared::Window(node) = &self.checked.prepared[n] else {
            return Err(fail(NodeError::Failed("it was not made".into())));
        };
        let reach = node.reach();
        let first = t.saturating_sub(reach.before);
        let last = (t + reach.after + 1).min(self.n_frames().max(t + 1));
        let (pictures, key) = self.pictures_around(n, t, first..last, hash)?;
        if let Some(outputs) = self.cache.get(&key) {
            return Ok((outputs, key));
        }
        let started = std::time::Instant::now();
        let frames: Vec<&PlanarImage> = pictures.iter().map(|picture| &**picture).collect();
        let outputs = Arc::new(node.run(&frames, t - first).map_err(fail)?);
        self.evaluator.count(n, started, &outputs);
        self.cache.put(key, outputs.clone());
        Ok((outputs, key))
    }

    /// A node that runs over segments: over the frames that are there. Where it changes their number, the nearest in time is shown.
    fn segment(&self, n: usize, t: usize, mut hash: Sha256) -> Result<(Outputs, Key), NodeFailure> {
        let fail = |error| NodeFailure { node: n, error };
        let Prepared::Segment(filter) = &self.checked.prepared[n] else {
            return Err(fail(NodeError::Failed("it was not made".into())));
        };
        let mut frames = Vec::new();
        for t in 0..self.n_frames() {
            let (image, key) = self.picture_at(n, t)?;
            hash.update(key);
            frames.push(TimedImage { image, pts: self.frame(t).pts });
        }
        hash.update((t as u64).to_le_bytes());
        let key: Key = hash.finalize().into();
        if let Some(outputs) = self.cache.get(&key) {
            return Ok((outputs, key));
        }
        let started = std::time::Instant::now();
        let mut results = Vec::new();
        let mut taker = |result| {
            results.push(result);
            true
        };
        filter.run(self.time_base, &mut frames.into_iter(), &mut taker, &self.cancel).map_err(fail)?;
        let result_base = filter.time_base(self.time_base);
        let wanted_secs = self.frame(t).pts as f64 * self.time_base.as_f64();
        let distance = |result: &TimedImage| (result.pts as f64 * result_base.as_f64() - wanted_secs).abs();
        let nearest = if filter.keeps_frames() && results.len() > t {
            Some(results.swap_remove(t))
        } else {
            results.into_iter().min_by(|a, b| distance(a).total_cmp(&distance(b)))
        };
        let nearest = nearest.ok_or_else(|| fail(NodeError::Failed("it gave no frame".into())))?;
        let outputs = Arc::new(vec![Value::Image(nearest.image)]);
        self.evaluator.count(n, started, &outputs);
        self.cache.put(key, outputs.clone());
        Ok((outputs, key))
    }
}
