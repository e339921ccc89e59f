//! Runs a chain over a stream of frames.
//!
//! One thread drives: it lets frames in, hands work to a pool of threads, and passes finished frames on in their order. How many
//! frames are under way at once is bounded, so memory does not grow with the length of the film. A node that looks at neighbours
//! sees those of its frame's scene; a node that runs over segments begins anew with each.

mod driver;
mod plan;
mod pool;
mod segment;
mod window;
mod worker;

use crate::evaluate::{Evaluator, NodeFailure, Outputs};
use crate::graph::Source;
use crate::{Cancel, ChainError, Checked, NodeCost, NodeError, Prepared, Role, Value};
use crossbeam_channel::{Receiver, unbounded};
use driver::Driver;
use pegbar_frame::{PlanarImage, Rational};
use plan::StreamPlan;
use pool::Queue;
use segment::SegmentBarrier;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::thread;
use window::{MeasureTask, WindowBarrier, WindowTask};
use worker::Worker;

/// Stack of a thread that computes nodes: each that waits for another takes a few kilobytes, up to [`MOST_DEPTH`](crate::graph::MOST_DEPTH).
const STACK_BYTES: usize = 16 << 20;

/// Makes the values of a source's outputs for one frame; called on a thread of the pool.
pub type MakeValues = Box<dyn FnOnce() -> Result<Vec<Value>, NodeError> + Send>;

/// A frame that comes in.
pub struct Arrival<T> {
    /// Makes the values of the source's outputs.
    pub make: MakeValues,
    /// Number of the frame in its film, from 0.
    pub index: u64,
    /// Time stamp.
    pub pts: i64,
    /// Whether it is the first after a cut.
    pub starts_scene: bool,
    /// Whether it is the first of a segment.
    pub starts_segment: bool,
    /// Whether it is only looked at from later frames: nothing acts on it, and it is not handed out.
    pub is_lead: bool,
    /// Comes back with the result.
    pub tag: T,
}

/// A frame that goes out.
#[derive(Debug)]
pub struct Delivery<T, O> {
    /// What came with it. Where a node changed the number of frames, the first of a segment has that of the first that came.
    pub tag: Option<T>,
    /// Number of the frame in its film. Where a node changed the number of frames, they count from that of the segment's first.
    pub index: u64,
    /// Time stamp.
    pub pts: i64,
    /// What was made of it.
    pub result: Result<O, ChainError>,
}

/// The end of the way of a frame, still on a thread of the pool.
#[derive(Debug)]
pub struct Finished {
    /// For each of the chain's outputs ([`StreamInfo::sinks`]) the values of its inputs.
    pub sinks: Vec<Vec<Vec<Value>>>,
    /// Time stamp.
    pub pts: i64,
}

/// Makes what is handed out of the values that the chain's outputs take.
pub type Finish<'a, O> = dyn Fn(Finished) -> Result<O, NodeError> + Sync + 'a;

/// How to run.
#[derive(Debug, Clone)]
pub struct StreamOptions {
    /// Threads.
    pub threads: usize,
    /// Seconds per tick of the source's time stamps.
    pub time_base: Rational,
    /// Ends the work.
    pub cancel: Cancel,
}

/// What is known of a chain's stream before it runs.
#[derive(Debug, Clone)]
pub struct StreamInfo {
    /// Nodes that are the ends of it for whoever runs it.
    pub sinks: Vec<usize>,
    /// Whether any node looks at neighbouring frames.
    pub looks_around: bool,
    /// How many frames before one its result may depend on, without regard to cuts.
    pub reach_before: usize,
    /// Whether a node runs over segments by themselves; then no node sees over their borders, but those that only tell of frames as
    /// they come.
    pub by_segments: bool,
    /// Whether results depend on more than the frames: a frame equal to the one before may have another result.
    pub varies: bool,
    /// Whether values are collected over the whole stream, so that it cannot begin in the middle.
    pub collects: bool,
    /// Seconds per tick of the results, for one of the source's.
    pub time_base: Rational,
    /// Whether there is one result for each frame that comes.
    pub keeps_frames: bool,
}

/// What a run has cost.
#[derive(Debug, Clone)]
pub struct StreamReport {
    /// Each node, the dearest first.
    pub costs: Vec<NodeCost>,
    /// Frames that went out.
    pub n_frames: u64,
    /// Most frames under way at once.
    pub most_in_flight: usize,
}

/// What is known of the stream that a source begins. `time_base` is that of its time stamps.
///
/// # Errors
/// [`ChainError::Faults`] where no order of nodes leads to all results.
pub fn stream_info(checked: &Checked, source: usize, time_base: Rational) -> Result<StreamInfo, ChainError> {
    let plan = plan_of(checked, source)?;
    let mut info = StreamInfo {
        looks_around: false,
        reach_before: 0,
        by_segments: plan.by_segments,
        varies: false,
        collects: !plan.collectors.is_empty(),
        time_base,
        keeps_frames: true,
        sinks: plan.sinks,
    };
    let mut reach_over = 0;
    for (at, &n) in plan.barriers.iter().enumerate() {
        match &checked.prepared[n] {
            Prepared::Window(node) => {
                info.looks_around = true;
                info.reach_before += node.reach().before;
                if at < plan.n_over_segments {
                    reach_over = reach_over.max(node.reach().before);
                }
            }
            Prepared::Temporal(filter) => {
                info.looks_around = true;
                // To measure a frame, the one before it is looked at.
                info.reach_before += filter.reach().before.max(filter.measure_reach().before) + 1;
            }
            Prepared::Segment(filter) => {
                info.time_base = filter.time_base(info.time_base);
                info.keeps_frames &= filter.keeps_frames();
            }
            _ => {}
        }
    }
    if info.by_segments {
        info.reach_before = reach_over;
    }
    info.varies = checked.graph.order.iter().any(|&n| {
        let node = &checked.graph.nodes[n];
        matches!(node.kind.role, Role::Function { varies: true, .. })
            || node.sources().any(|source| counts_frames(checked, source))
    });
    Ok(info)
}

/// Whether an output of a source differs from frame to frame though the picture may not: its number and its time.
fn counts_frames(checked: &Checked, source: Source) -> bool {
    let kind = checked.graph.nodes[source.node].kind;
    matches!(kind.role, Role::HostSource | Role::Source { .. })
        && kind.outputs.get(source.output).is_some_and(|output| matches!(output.id, "index" | "seconds"))
}

fn plan_of(checked: &Checked, source: usize) -> Result<StreamPlan, ChainError> {
    StreamPlan::new(checked, source)
        .map_err(|message| ChainError::Faults(vec![crate::Fault::new(crate::FaultKind::Stream, message, "")]))
}

/// A frame on its way.
struct Packet<T, O> {
    /// In order of the stream.
    number: u64,
    index: u64,
    pts: i64,
    starts_scene: bool,
    starts_segment: bool,
    is_lead: bool,
    tag: Option<T>,
    present: Vec<Option<Outputs>>,
    output: Option<O>,
    failed: Option<NodeFailure>,
}

impl<T, O> Packet<T, O> {
    /// The same frame without its values.
    fn shell(&self) -> Self {
        Self { tag: None, present: vec![None; self.present.len()], output: None, failed: None, ..*self }
    }
}

/// A frame with what a barrier has made of its picture.
type Made<T, O> = (Packet<T, O>, Arc<PlanarImage>);

enum Task<T, O> {
    Stage { stage: usize, packet: Packet<T, O>, make: Option<MakeValues> },
    Measure { barrier: usize, task: MeasureTask },
    Window { barrier: usize, task: WindowTask },
}

enum Done<T, O> {
    Stage {
        stage: usize,
        packet: Packet<T, O>,
    },
    Measure {
        barrier: usize,
        number: u64,
        measure: Result<Vec<f32>, NodeFailure>,
    },
    Window {
        barrier: usize,
        number: u64,
        result: Result<Vec<Value>, NodeFailure>,
    },
    /// A node that runs over segments has taken a frame.
    Pulled,
}

enum Barrier<T, O> {
    Window(WindowBarrier<T, O>),
    Segment(SegmentBarrier<T, O>),
}

/// Runs the stream that a node begins. Arrivals come until their channel is closed; `finish` makes what
/// is handed out of the values that the chain's outputs take, and `deliver` takes it in order, until it
/// breaks off. Returns when all is done, and with it what comes after the stream: collected values, and nodes that act on them.
///
/// # Errors
/// [`ChainError::Faults`] where no order of nodes leads to all results; [`ChainError::Node`] for a node that looks at more than one
/// frame, or that comes after the stream; [`ChainError::Cancelled`], also when `deliver` has broken off. What goes wrong with one frame is in its [`Delivery`].
pub fn run_stream<T: Send + 'static, O: Send + 'static>(
    checked: &Checked,
    source: usize,
    arrivals: &Receiver<Arrival<T>>,
    options: &StreamOptions,
    finish: &Finish<'_, O>,
    deliver: &mut dyn FnMut(Delivery<T, O>) -> ControlFlow<()>,
) -> Result<StreamReport, ChainError> {
    let plan = plan_of(checked, source)?;
    let evaluator = Evaluator::new(checked);
    let (n_workers, alone) = workers(checked, &plan, options.threads);
    tracing::debug!("{n_workers} frame(s) at once on {} thread(s)", options.threads);
    let queue = Queue::new();
    let (to_driver, done) = unbounded();
    let time_bases = time_bases(checked, &plan, options.time_base);
    let mut driver =
        Driver::new(&evaluator, &plan, &queue, &time_bases, &options.cancel, n_workers, to_driver.clone())?;
    thread::scope(|scope| {
        for _ in 0..n_workers {
            let worker = Worker {
                evaluator: &evaluator,
                plan: &plan,
                queue: &queue,
                time_bases: &time_bases,
                cancel: options.cancel.clone(),
                alone,
                finish,
            };
            let to_driver = to_driver.clone();
            let thread = thread::Builder::new().stack_size(STACK_BYTES);
            thread.spawn_scoped(scope, move || worker.work(&to_driver)).map_err(|error| {
                let message = format!("no thread can be started: {error}");
                ChainError::Faults(vec![crate::Fault::new(crate::FaultKind::Resource, message, "")])
            })?;
        }
        let driven = driver.drive(arrivals, &done, deliver, scope);
        queue.close();
        // Filters of segments wait for frames, or for somebody to take their results.
        driver.barriers.clear();
        driven
    })?;
    driver.finish()
}

/// Seconds per tick before the first barrier, between each and the next, behind the last.
fn time_bases(checked: &Checked, plan: &StreamPlan, time_base: Rational) -> Vec<Rational> {
    let mut all = vec![time_base];
    for &n in &plan.barriers {
        let before = all[all.len() - 1];
        all.push(match &checked.prepared[n] {
            Prepared::Segment(filter) => filter.time_base(before),
            _ => before,
        });
    }
    all
}

/// How many frames are worked on side by side, and whether each is on a thread alone.
fn workers(checked: &Checked, plan: &StreamPlan, threads: usize) -> (usize, bool) {
    let needed = checked.needed(
        &plan
            .stages
            .iter()
            .flat_map(|stage| stage.targets.iter().map(|s| s.node).chain(stage.acting.iter().copied()))
            .collect::<Vec<_>>(),
    );
    let at_once = needed
        .iter()
        .filter_map(|&n| match &checked.prepared[n] {
            Prepared::Function(node) => Some(node.frames_at_once(&checked.input_infos(n), threads)),
            _ => None,
        })
        .min()
        .unwrap_or(threads)
        .clamp(1, threads.max(1));
    // Where all threads share a frame, two take turns: one does what cannot be shared while the threads work for the other.
    if at_once > 1 || threads <= 1 { (at_once, true) } else { (2, false) }
}
