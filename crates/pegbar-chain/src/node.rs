//! What a node does when it runs.

use crate::{Info, Value, ValueType};
use pegbar_filters::temporal::Reach;
use pegbar_frame::{PlanarImage, Rational};
use pegbar_net::Model;
use pegbar_params::{ParamError, ParamValues};
use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use thiserror::Error;

/// Why a node cannot do its work: a sentence without the node's name, which whoever runs it knows.
#[derive(Debug, Error, Clone, PartialEq)]
#[non_exhaustive]
pub enum NodeError {
    /// An input is not what is needed.
    #[error("input {port}: {message}")]
    Input {
        /// The input.
        port: String,
        /// What is wrong and what to do.
        message: String,
    },
    /// A parameter is not what is needed.
    #[error("parameter {param}: {message}")]
    Param {
        /// The parameter.
        param: String,
        /// What is wrong and what to do.
        message: String,
    },
    /// Anything else.
    #[error("{0}")]
    Failed(String),
    /// Somebody wants the work to end.
    #[error("cancelled")]
    Cancelled,
}

impl NodeError {
    /// About an input.
    pub fn input(port: &str, message: impl Into<String>) -> Self {
        Self::Input { port: port.into(), message: message.into() }
    }

    /// About a parameter.
    pub fn param(param: &str, message: impl Into<String>) -> Self {
        Self::Param { param: param.into(), message: message.into() }
    }

    /// From any error, with its causes.
    pub fn failed(error: &dyn std::error::Error) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let cause_text = cause.to_string();
            if !message.contains(&cause_text) {
                message += &format!(": {cause_text}");
            }
            source = cause.source();
        }
        Self::Failed(message)
    }
}

impl From<ParamError> for NodeError {
    fn from(error: ParamError) -> Self {
        let (ParamError::Type { id, .. } | ParamError::Range { id, .. }) = &error else {
            return Self::Failed(error.to_string());
        };
        let text = error.to_string();
        let message = text.strip_prefix(&format!("{id}: ")).unwrap_or(&text);
        Self::param(id, message)
    }
}

/// What a node is made of.
pub struct Prepare<'a> {
    /// Its parameters.
    pub values: &'a ParamValues,
    /// The folder that relative paths start from: that of the chain file.
    pub folder: &'a Path,
    /// What nodes of a run share.
    pub shared: &'a Shared,
}

impl Prepare<'_> {
    /// The path that a parameter holds, made absolute by the chain's folder; `None` where it is empty.
    pub fn path(&self, param: &str) -> Option<PathBuf> {
        let text = self.values.text(param);
        (!text.is_empty()).then(|| self.folder.join(text))
    }

    /// The same, which has to be there.
    ///
    /// # Errors
    /// [`NodeError::Param`] where it is empty.
    pub fn required_path(&self, param: &str) -> Result<PathBuf, NodeError> {
        self.path(param).ok_or_else(|| NodeError::param(param, "no path is given"))
    }
}

/// Things that nodes of one program share, one of each type: opened models, settings of the engine.
#[derive(Default)]
pub struct Shared(Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>);

impl Shared {
    /// The one of a type, made by its default if nobody has made it before.
    pub fn get<T: Default + Send + Sync + 'static>(&self) -> Arc<T> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let one = all.entry(TypeId::of::<T>()).or_insert_with(|| Arc::new(T::default())).clone();
        // The key says which type it is.
        one.downcast().unwrap_or_else(|_| Arc::new(T::default()))
    }

    /// Puts the one of a type, instead of any before.
    pub fn put<T: Send + Sync + 'static>(&self, one: T) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(TypeId::of::<T>(), Arc::new(one));
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
}

/// Tells work to end.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// From now on, work ends at the next node.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether work is to end.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Whether both end the same work: what runs at once and is cancelled at once is one run.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// # Errors
    /// [`NodeError::Cancelled`] when work is to end.
    pub fn check(&self) -> Result<(), NodeError> {
        if self.is_cancelled() { Err(NodeError::Cancelled) } else { Ok(()) }
    }
}

/// Which frame a node works on.
#[derive(Debug, Clone)]
pub struct FrameContext {
    /// Number of the frame in its stream, from 0.
    pub index: u64,
    /// Time stamp in ticks of the stream's time base.
    pub pts: i64,
    /// Seconds per tick.
    pub time_base: Rational,
    /// Whether other frames are worked on at the same time, so that a thread of one's own is all one should take.
    pub alone: bool,
    /// Asked now and then by long work.
    pub cancel: Cancel,
}

impl FrameContext {
    /// A picture by itself.
    pub fn still() -> Self {
        Self { index: 0, pts: 0, time_base: Rational::new(1, 1), alone: false, cancel: Cancel::default() }
    }
}

/// The values of a node's inputs.
#[derive(Debug)]
pub struct Inputs<'a> {
    node_type: &'static crate::NodeType,
    /// For each input of the declaration what came, none for one that is not connected.
    values: &'a [Vec<Value>],
}

impl<'a> Inputs<'a> {
    /// Of a node of a type: for each of its inputs the values, already converted to what it takes.
    pub fn new(node_type: &'static crate::NodeType, values: &'a [Vec<Value>]) -> Self {
        Self { node_type, values }
    }

    /// All values of an input.
    pub fn all(&self, id: &str) -> &'a [Value] {
        self.node_type.input(id).and_then(|i| self.values.get(i)).map_or(&[], Vec::as_slice)
    }

    /// The value of an input, if it is connected.
    pub fn get(&self, id: &str) -> Option<&'a Value> {
        self.all(id).first()
    }

    /// The value of an input.
    ///
    /// # Errors
    /// [`NodeError::Input`] where nothing is connected.
    pub fn value(&self, id: &str) -> Result<&'a Value, NodeError> {
        self.get(id).ok_or_else(|| NodeError::input(id, "nothing is connected"))
    }

    /// A picture.
    ///
    /// # Errors
    /// [`NodeError::Input`] where nothing is connected, or something else.
    pub fn image(&self, id: &str) -> Result<&'a Arc<PlanarImage>, NodeError> {
        as_image(id, self.value(id)?)
    }

    /// A picture, if one is connected.
    ///
    /// # Errors
    /// [`NodeError::Input`] for something else.
    pub fn optional_image(&self, id: &str) -> Result<Option<&'a Arc<PlanarImage>>, NodeError> {
        self.get(id).map(|value| as_image(id, value)).transpose()
    }

    /// All pictures of an input.
    ///
    /// # Errors
    /// [`NodeError::Input`] for something else.
    pub fn images(&self, id: &str) -> Result<Vec<&'a Arc<PlanarImage>>, NodeError> {
        self.all(id).iter().map(|value| as_image(id, value)).collect()
    }

    /// A model.
    ///
    /// # Errors
    /// [`NodeError::Input`] where nothing is connected, or something else.
    pub fn model(&self, id: &str) -> Result<&'a Arc<Model>, NodeError> {
        match self.value(id)? {
            Value::Model(model) => Ok(model),
            other => Err(wrong_type(id, ValueType::Model, other)),
        }
    }

    /// A number.
    ///
    /// # Errors
    /// [`NodeError::Input`] where nothing is connected, or something else.
    pub fn number(&self, id: &str) -> Result<f64, NodeError> {
        match self.value(id)?.clone().convert(ValueType::Number) {
            Some(Value::Number(number)) => Ok(number),
            _ => Err(wrong_type(id, ValueType::Number, self.value(id)?)),
        }
    }

    /// A text.
    ///
    /// # Errors
    /// [`NodeError::Input`] where nothing is connected, or something that is no text.
    pub fn text(&self, id: &str) -> Result<Arc<str>, NodeError> {
        match self.value(id)?.clone().convert(ValueType::Text) {
            Some(Value::Text(text)) => Ok(text),
            _ => Err(wrong_type(id, ValueType::Text, self.value(id)?)),
        }
    }
}

fn as_image<'a>(id: &str, value: &'a Value) -> Result<&'a Arc<PlanarImage>, NodeError> {
    match value {
        Value::Image(image) => Ok(image),
        other => Err(wrong_type(id, ValueType::Image, other)),
    }
}

fn wrong_type(id: &str, wanted: ValueType, got: &Value) -> NodeError {
    NodeError::input(id, format!("takes {wanted}, but {} came", got.value_type()))
}

/// A function of values, frame by frame. Called from several threads at once.
pub trait Node: Send + Sync {
    /// What is known of the results before anything runs: for each output. `inputs` holds for each input what is known of its
    /// values.
    ///
    /// # Errors
    /// What can already be said to be wrong.
    fn infer(&self, inputs: &[Vec<Info>]) -> Result<Vec<Info>, NodeError>;

    /// The results, for each output.
    ///
    /// # Errors
    /// What is wrong with inputs or parameters, or what has failed.
    fn run(&self, inputs: &Inputs<'_>, frame: &FrameContext) -> Result<Vec<Value>, NodeError>;

    /// Stands for what it has read outside of the chain, such as the size and date of a file: remembered results count as long as it
    /// is the same.
    fn stamp(&self) -> Option<String> {
        None
    }

    /// How many frames it can usefully work on side by side on so many threads, each on one thread: fewer where memory is
    /// short, 1 where all threads had better share a frame.
    fn frames_at_once(&self, inputs: &[Vec<Info>], threads: usize) -> usize {
        let _ = inputs;
        threads
    }
}

/// Tells of a picture and its neighbours in the stream: values, not a picture of its own. Called from several threads at once.
///
/// It sees over cuts, which may be what it looks for, and pictures of other sizes. The result depends on nothing but the window, so
/// it is the same wherever in the film work begins.
pub trait WindowNode: Send + Sync {
    /// How many frames before and after the one at work it looks at.
    fn reach(&self) -> Reach;

    /// What is known of the results, for each output.
    ///
    /// # Errors
    /// What can already be said to be wrong.
    fn infer(&self, image: &Info) -> Result<Vec<Info>, NodeError>;

    /// The results, for each output. `frames` are in order, fewer than it reaches for at the ends of the stream and where a frame
    /// has failed; the one at work is that of index `centre`.
    ///
    /// # Errors
    /// What is wrong with the pictures, or what has failed.
    fn run(&self, frames: &[&PlanarImage], centre: usize) -> Result<Vec<Value>, NodeError>;
}

/// A frame with its time.
#[derive(Debug, Clone)]
pub struct TimedImage {
    /// The picture.
    pub image: Arc<PlanarImage>,
    /// Time stamp in ticks of the time base in use.
    pub pts: i64,
}

/// Takes frames of a segment one after the other, and ends when it returns `false`.
pub type FrameTaker<'a> = dyn FnMut(TimedImage) -> bool + 'a;

/// Makes frames of frames, each segment by itself.
pub trait SegmentFilter: Send + Sync {
    /// What is known of the results.
    ///
    /// # Errors
    /// What can already be said to be wrong.
    fn infer(&self, image: &Info) -> Result<Info, NodeError>;

    /// Seconds per tick of the results.
    fn time_base(&self, of_input: Rational) -> Rational {
        of_input
    }

    /// Whether there is one result for each frame, at its time, so that the results may meet others of the same frames.
    fn keeps_frames(&self) -> bool;

    /// Runs over all frames of a segment. `time_base` is that of the input.
    ///
    /// # Errors
    /// What has failed.
    fn run(
        &self,
        time_base: Rational,
        frames: &mut (dyn Iterator<Item = TimedImage> + Send),
        taker: &mut FrameTaker<'_>,
        cancel: &Cancel,
    ) -> Result<(), NodeError>;
}

/// One round of a stream that a node begins: a value for each output.
pub type Round = Result<Vec<Value>, NodeError>;

/// The beginning of a stream.
pub trait FrameSource: Send + Sync {
    /// What is known of the values, for each output.
    ///
    /// # Errors
    /// What can already be said to be wrong, such as a folder that is not there.
    fn infer(&self) -> Result<Vec<Info>, NodeError>;

    /// How many rounds there will be, where known.
    fn len(&self) -> Option<u64>;

    /// Whether it is known that there will be no round.
    fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }

    /// Begins. An error is that of one round; the next may be good.
    ///
    /// # Errors
    /// What has failed for all of them.
    fn open(&self) -> Result<Box<dyn Iterator<Item = Round> + Send>, NodeError>;

    /// Whether the rounds are frames of one film, so that neighbours mean something.
    fn is_film(&self) -> bool {
        false
    }
}

/// Folds a stream.
pub trait Collector: Send {
    /// What is known of the results, for each output.
    ///
    /// # Errors
    /// What can already be said to be wrong.
    fn infer(&self, inputs: &[Vec<Info>]) -> Result<Vec<Info>, NodeError>;

    /// Takes the next round, in order.
    ///
    /// # Errors
    /// What is wrong with it.
    fn add(&mut self, inputs: &Inputs<'_>, frame: &FrameContext) -> Result<(), NodeError>;

    /// The results, for each output.
    ///
    /// # Errors
    /// What has failed.
    fn finish(self: Box<Self>) -> Result<Vec<Value>, NodeError>;
}
