//! Runs a chain over a stream of frames.
//!
//! One thread drives: it lets frames in, hands work to a pool of threads, and passes finished frames on in their order. How many
//! frames are under way at once is bounded, so memory does not grow with the length of the film. A node that looks at neighbours
//! sees those of its frame's scene; a node that runs over segments begins anew with each.

mod plan;
mod pool;
mod segment;
mod window;

use crate::evaluate::{Evaluator, NodeFailure, Outputs};
use crate::{
    Cancel, ChainError, Checked, Collector, FrameContext, Inputs, NodeCost, NodeError, Prepare, Prepared,
    Role, Value,
};
use crossbeam_channel::{Receiver, Select, Sender, unbounded};
use pegbar_filters::temporal::Window;
use pegbar_frame::{PlanarImage, Rational};
use plan::{Stage, StreamPlan};
use pool::Queue;
use segment::{Event, SegmentBarrier};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Instant;
use window::{MeasureTask, WindowBarrier, WindowTask};

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
    /// Whether a node runs over segments by themselves; then no node sees over their borders.
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
    for &n in &plan.barriers {
        match &checked.prepared[n] {
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
        info.reach_before = 0;
    }
    info.varies = checked.graph.order.iter().any(|&n| {
        let node = &checked.graph.nodes[n];
        matches!(node.kind.role, Role::Function { varies: true, .. })
    });
    Ok(info)
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
        result: Result<PlanarImage, NodeFailure>,
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
            scope.spawn(move || worker.work(&to_driver));
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

/// Works on frames until the queue is closed.
struct Worker<'a, T, O> {
    evaluator: &'a Evaluator<'a>,
    plan: &'a StreamPlan,
    queue: &'a Queue<Task<T, O>>,
    time_bases: &'a [Rational],
    cancel: Cancel,
    alone: bool,
    finish: &'a Finish<'a, O>,
}

impl<T, O> Worker<'_, T, O> {
    fn work(&self, to_driver: &Sender<Done<T, O>>) {
        while let Some(task) = self.queue.pop() {
            let done = match task {
                Task::Stage { stage, mut packet, make } => {
                    if packet.failed.is_none() {
                        let ran = guarded(self.plan.source, || self.stage(stage, &mut packet, make));
                        packet.failed = ran.err();
                    }
                    Done::Stage { stage, packet }
                }
                Task::Measure { barrier, task } => {
                    let n = self.plan.barriers[barrier];
                    let measure = guarded(n, || Ok(self.measure(n, &task)));
                    Done::Measure { barrier, number: task.number, measure }
                }
                Task::Window { barrier, task } => {
                    let n = self.plan.barriers[barrier];
                    let result = guarded(n, || Ok(self.window(n, &task)));
                    Done::Window { barrier, number: task.number, result }
                }
            };
            if to_driver.send(done).is_err() {
                return;
            }
        }
    }

    /// What is done frame by frame between two barriers.
    fn stage(
        &self,
        stage: usize,
        packet: &mut Packet<T, O>,
        make: Option<MakeValues>,
    ) -> Result<(), NodeFailure> {
        if let Some(make) = make {
            let made = make().map_err(|error| NodeFailure { node: self.plan.source, error })?;
            packet.present[self.plan.source] = Some(Arc::new(made));
        }
        let frame = FrameContext {
            index: packet.index,
            pts: packet.pts,
            time_base: self.time_bases[stage],
            alone: self.alone,
            cancel: self.cancel.clone(),
        };
        let Stage { targets, acting, keep, .. } = &self.plan.stages[stage];
        for target in targets {
            self.evaluator.node(target.node, &mut packet.present, &frame)?;
        }
        if !packet.is_lead {
            for &n in acting {
                self.evaluator.node(n, &mut packet.present, &frame)?;
            }
            if stage == self.plan.barriers.len() {
                let of_sink = |&n: &usize| self.evaluator.inputs(n, &mut packet.present, &frame);
                let sinks = self.plan.sinks.iter().map(of_sink).collect::<Result<Vec<_>, _>>()?;
                let node = self.plan.sinks.first().copied().unwrap_or(self.plan.source);
                let output = (self.finish)(Finished { sinks, pts: packet.pts });
                packet.output = Some(output.map_err(|error| NodeFailure { node, error })?);
            }
        }
        for (n, outputs) in packet.present.iter_mut().enumerate() {
            if !keep.contains(&n) {
                *outputs = None;
            }
        }
        Ok(())
    }

    fn measure(&self, n: usize, task: &MeasureTask) -> Vec<f32> {
        let Prepared::Temporal(filter) = &self.evaluator.checked.prepared[n] else { return Vec::new() };
        let started = Instant::now();
        let measure = filter.measure(task.previous.as_deref(), &task.image);
        self.evaluator.count(n, started, &[]);
        measure
    }

    fn window(&self, n: usize, task: &WindowTask) -> PlanarImage {
        let Prepared::Temporal(filter) = &self.evaluator.checked.prepared[n] else {
            return (*task.frames[task.centre]).clone();
        };
        let started = Instant::now();
        let frames: Vec<&PlanarImage> = task.frames.iter().map(Arc::as_ref).collect();
        let measures: Vec<&[f32]> = task.measures.iter().map(|measure| measure.as_slice()).collect();
        let window = Window {
            frames: &frames,
            centre: task.centre,
            measures: &measures,
            measure_centre: task.measure_centre,
        };
        let result = filter.apply(&window);
        self.evaluator.count(n, started, &[]);
        result
    }
}

/// A defect in a node ends the run with a sentence, not the program.
fn guarded<R>(node: usize, work: impl FnOnce() -> Result<R, NodeFailure>) -> Result<R, NodeFailure> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it gave no reason");
        Err(NodeFailure { node, error: NodeError::Failed(format!("a defect in Pegbar: {text}")) })
    })
}

/// Lets frames in, passes them on, hands them out.
struct Driver<'a, T, O> {
    evaluator: &'a Evaluator<'a>,
    plan: &'a StreamPlan,
    queue: &'a Queue<Task<T, O>>,
    time_bases: &'a [Rational],
    cancel: &'a Cancel,
    to_driver: Sender<Done<T, O>>,
    barriers: Vec<Barrier<T, O>>,
    /// For each stage: what is made and waits for its turn, the number whose turn it is, how many are being made.
    made: Vec<BTreeMap<u64, Packet<T, O>>>,
    turn: Vec<u64>,
    n_working: Vec<usize>,
    /// Frames that may be under way in each zone: zones lie between nodes that run over segments.
    zone_of_stage: Vec<usize>,
    in_zone: Vec<usize>,
    zone_capacity: Vec<usize>,
    n_arrived: u64,
    source_ended: bool,
    collectors: Vec<(usize, Box<dyn Collector>)>,
    n_frames: u64,
    most_in_flight: usize,
}

impl<'a, T: Send + 'static, O: Send + 'static> Driver<'a, T, O> {
    fn new(
        evaluator: &'a Evaluator<'a>,
        plan: &'a StreamPlan,
        queue: &'a Queue<Task<T, O>>,
        time_bases: &'a [Rational],
        cancel: &'a Cancel,
        n_workers: usize,
        to_driver: Sender<Done<T, O>>,
    ) -> Result<Self, ChainError> {
        let checked = evaluator.checked;
        let mut zone_of_stage = vec![0];
        let mut zone_capacity = vec![2 * n_workers + 2];
        let mut barriers = Vec::new();
        for (at, &n) in plan.barriers.iter().enumerate() {
            barriers.push(match &checked.prepared[n] {
                Prepared::Segment(filter) => {
                    zone_capacity.push(2 * n_workers + 2);
                    Barrier::Segment(SegmentBarrier::new(filter.clone(), time_bases[at]))
                }
                Prepared::Temporal(filter) => {
                    let barrier = WindowBarrier::new(&**filter);
                    let zone = zone_capacity.len() - 1;
                    zone_capacity[zone] += barrier.n_waiting_at_most();
                    Barrier::Window(barrier)
                }
                _ => continue,
            });
            zone_of_stage.push(zone_capacity.len() - 1);
        }
        let mut collectors = Vec::new();
        for &n in &plan.collectors {
            let node = &checked.graph.nodes[n];
            if let Role::Collector { prepare } = node.kind.role {
                let how = Prepare { values: &node.values, folder: &checked.folder, shared: &checked.shared };
                let made = prepare(&how).map_err(|error| evaluator.error(NodeFailure { node: n, error }))?;
                collectors.push((n, made));
            }
        }
        let n_stages = plan.stages.len();
        Ok(Self {
            evaluator,
            plan,
            queue,
            time_bases,
            cancel,
            to_driver,
            barriers,
            made: (0..n_stages).map(|_| BTreeMap::new()).collect(),
            turn: vec![0; n_stages],
            n_working: vec![0; n_stages],
            in_zone: vec![0; zone_capacity.len()],
            zone_of_stage,
            zone_capacity,
            n_arrived: 0,
            source_ended: false,
            collectors,
            n_frames: 0,
            most_in_flight: 0,
        })
    }

    fn drive<'scope>(
        &mut self,
        arrivals: &Receiver<Arrival<T>>,
        done: &Receiver<Done<T, O>>,
        deliver: &mut dyn FnMut(Delivery<T, O>) -> ControlFlow<()>,
        scope: &'scope thread::Scope<'scope, '_>,
    ) -> Result<(), ChainError> {
        loop {
            if self.cancel.is_cancelled() {
                return Err(ChainError::Cancelled);
            }
            match self.pass_on(deliver, scope) {
                Ok(Progress::Open) => {}
                Ok(Progress::Done) => return Ok(()),
                // Whoever takes the frames knows why.
                Ok(Progress::Unwanted) => return Err(ChainError::Cancelled),
                Err(failure) => return Err(self.evaluator.error(failure)),
            }
            let in_flight = self.in_zone.iter().sum::<usize>();
            self.most_in_flight = self.most_in_flight.max(in_flight);
            let next = self.next_event(arrivals, done);
            match next {
                Next::Arrival(Some(arrival)) => self.let_in(arrival),
                Next::Arrival(None) => self.source_ended = true,
                Next::Done(done) => self.note(done).map_err(|failure| self.evaluator.error(failure))?,
                Next::Segment(barrier, event) => {
                    self.take_segment(barrier, event).map_err(|failure| self.evaluator.error(failure))?;
                }
                Next::Nothing => {}
            }
        }
    }

    /// Waits for whatever comes first of what there is room for.
    fn next_event(&self, arrivals: &Receiver<Arrival<T>>, done: &Receiver<Done<T, O>>) -> Next<T, O> {
        let mut select = Select::new();
        let done_at = select.recv(done);
        let waiting = |zone: usize| -> usize {
            let at_end = self.barriers.iter().enumerate().find_map(|(at, barrier)| match barrier {
                Barrier::Segment(barrier) if self.zone_of_stage[at] == zone => Some(barrier.n_waiting()),
                _ => None,
            });
            self.in_zone[zone] + at_end.unwrap_or(0)
        };
        let has_room = |zone: usize| waiting(zone) < self.zone_capacity[zone];
        let arrivals_at = (!self.source_ended && has_room(0)).then(|| select.recv(arrivals));
        let mut segments_at = Vec::new();
        for (at, barrier) in self.barriers.iter().enumerate() {
            if let Barrier::Segment(barrier) = barrier
                && let Some(results) = barrier.results()
                && has_room(self.zone_of_stage[at + 1])
            {
                segments_at.push((select.recv(results), at, results));
            }
        }
        let operation = select.select();
        let index = operation.index();
        if index == done_at {
            return operation.recv(done).map_or(Next::Nothing, Next::Done);
        }
        if Some(index) == arrivals_at {
            return Next::Arrival(operation.recv(arrivals).ok());
        }
        match segments_at.into_iter().find(|(i, ..)| *i == index) {
            Some((_, at, results)) => operation.recv(results).map_or_else(
                |_| Next::Segment(at, Event::End(Err(NodeError::Failed("its thread died".into())))),
                |event| Next::Segment(at, event),
            ),
            None => Next::Nothing,
        }
    }

    fn let_in(&mut self, arrival: Arrival<T>) {
        let Arrival { make, index, pts, starts_scene, starts_segment, is_lead, tag } = arrival;
        let packet = Packet {
            number: self.n_arrived,
            index,
            pts,
            starts_scene,
            starts_segment,
            is_lead,
            tag: Some(tag),
            present: vec![None; self.evaluator.checked.graph.nodes.len()],
            output: None,
            failed: None,
        };
        self.n_arrived += 1;
        self.in_zone[0] += 1;
        self.begin_stage(0, packet, Some(make));
    }

    fn begin_stage(&mut self, stage: usize, packet: Packet<T, O>, make: Option<MakeValues>) {
        self.n_working[stage] += 1;
        self.queue.push((packet.number, usize::MAX - stage), Task::Stage { stage, packet, make });
    }

    fn note(&mut self, done: Done<T, O>) -> Result<(), NodeFailure> {
        match done {
            Done::Stage { stage, packet } => {
                self.n_working[stage] -= 1;
                self.made[stage].insert(packet.number, packet);
            }
            Done::Measure { barrier, number, measure } => {
                if let Barrier::Window(barrier) = &mut self.barriers[barrier] {
                    barrier.measured(number, measure?);
                }
            }
            Done::Window { barrier, number, result } => {
                if let Barrier::Window(barrier) = &mut self.barriers[barrier] {
                    barrier.applied(number, result?);
                }
            }
            Done::Pulled => {}
        }
        Ok(())
    }

    fn take_segment(&mut self, at: usize, event: Event) -> Result<(), NodeFailure> {
        let node = self.plan.barriers[at];
        let Barrier::Segment(barrier) = &mut self.barriers[at] else { return Ok(()) };
        let taken = barrier.take(event).map_err(|error| NodeFailure { node, error })?;
        if let Some((mut packet, image)) = taken {
            packet.present[node] = Some(Arc::new(vec![Value::Image(image)]));
            self.in_zone[self.zone_of_stage[at + 1]] += 1;
            self.begin_stage(at + 1, packet, None);
        }
        Ok(())
    }

    /// Passes on whatever can be passed on.
    fn pass_on<'scope>(
        &mut self,
        deliver: &mut dyn FnMut(Delivery<T, O>) -> ControlFlow<()>,
        scope: &'scope thread::Scope<'scope, '_>,
    ) -> Result<Progress, NodeFailure> {
        let last = self.barriers.len();
        // Whether more may come into the stage at hand.
        let mut open = !self.source_ended;
        for stage in 0..=last {
            while let Some(packet) = self.made[stage].remove(&self.turn[stage]) {
                self.turn[stage] += 1;
                if stage < last {
                    self.enter_barrier(stage, packet, scope)?;
                } else if self.hand_out(packet, deliver)?.is_break() {
                    return Ok(Progress::Unwanted);
                }
            }
            open |= self.n_working[stage] > 0 || !self.made[stage].is_empty();
            if stage == last {
                break;
            }
            let node = self.plan.barriers[stage];
            let mut out = Vec::new();
            match &mut self.barriers[stage] {
                Barrier::Window(barrier) => {
                    if !open {
                        barrier.end();
                    }
                    while let Some(task) = barrier.next_window() {
                        self.queue
                            .push((task.age, usize::MAX - stage), Task::Window { barrier: stage, task });
                    }
                    while let Some(made) = barrier.pop() {
                        out.push(made);
                    }
                    open |= !barrier.is_drained();
                }
                Barrier::Segment(barrier) => {
                    if !open {
                        barrier.end();
                    }
                    open |= !barrier.is_drained();
                }
            }
            open |= !out.is_empty();
            for (mut packet, image) in out {
                if packet.failed.is_none() {
                    packet.present[node] = Some(Arc::new(vec![Value::Image(image)]));
                }
                self.begin_stage(stage + 1, packet, None);
            }
        }
        Ok(if open { Progress::Open } else { Progress::Done })
    }

    fn enter_barrier<'scope>(
        &mut self,
        at: usize,
        mut packet: Packet<T, O>,
        scope: &'scope thread::Scope<'scope, '_>,
    ) -> Result<(), NodeFailure> {
        let node = self.plan.barriers[at];
        let image = if packet.failed.is_some() {
            None
        } else {
            let input =
                self.evaluator.checked.graph.nodes[node].inputs.first().and_then(|sources| sources.first());
            let frame = FrameContext::still();
            match input.map(|source| self.evaluator.value(*source, &mut packet.present, &frame)) {
                Some(Ok(Value::Image(image))) => Some(image),
                Some(Err(failure)) => {
                    packet.failed = Some(failure);
                    None
                }
                _ => {
                    let error = NodeError::input("image", "no picture came");
                    packet.failed = Some(NodeFailure { node, error });
                    None
                }
            }
        };
        let behind = &self.plan.stages[at].keep_behind;
        for (n, outputs) in packet.present.iter_mut().enumerate() {
            if !behind.contains(&n) {
                *outputs = None;
            }
        }
        match &mut self.barriers[at] {
            Barrier::Window(barrier) => match image {
                Some(image) => {
                    let cut = packet.starts_scene || self.plan.by_segments && packet.starts_segment;
                    let age = packet.number;
                    let task = barrier.push(packet, image, cut);
                    self.queue.push((age, usize::MAX - at), Task::Measure { barrier: at, task });
                }
                None => barrier.push_failed(packet),
            },
            Barrier::Segment(barrier) => {
                self.in_zone[self.zone_of_stage[at]] -= 1;
                match (image, packet.failed.take()) {
                    (Some(image), _) => {
                        let to_driver = self.to_driver.clone();
                        barrier.push(packet, image, scope, self.cancel, move || {
                            drop(to_driver.send(Done::Pulled))
                        });
                    }
                    // Without a frame the segment would be another one.
                    (None, Some(failure)) => return Err(failure),
                    (None, None) => {}
                }
            }
        }
        Ok(())
    }

    /// Hands out a frame that has gone all the way.
    fn hand_out(
        &mut self,
        mut packet: Packet<T, O>,
        deliver: &mut dyn FnMut(Delivery<T, O>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, NodeFailure> {
        let zone = self.in_zone.len() - 1;
        self.in_zone[zone] -= 1;
        let frame = FrameContext {
            index: packet.index,
            pts: packet.pts,
            time_base: self.time_bases[self.time_bases.len() - 1],
            alone: true,
            cancel: self.cancel.clone(),
        };
        if packet.is_lead && packet.failed.is_none() {
            return Ok(ControlFlow::Continue(()));
        }
        let evaluator = self.evaluator;
        let no_output =
            || NodeFailure { node: self.plan.source, error: NodeError::Failed("it was lost".into()) };
        let mut result = match packet.failed.take() {
            Some(failure) => Err(failure),
            None => packet.output.take().ok_or_else(no_output),
        };
        if result.is_ok() {
            for (n, collector) in &mut self.collectors {
                let kind = evaluator.checked.graph.nodes[*n].kind;
                let added = evaluator.inputs(*n, &mut packet.present, &frame).and_then(|came| {
                    collector
                        .add(&Inputs::new(kind, &came), &frame)
                        .map_err(|error| NodeFailure { node: *n, error })
                });
                if let Err(failure) = added {
                    result = Err(failure);
                    break;
                }
            }
        }
        self.n_frames += 1;
        let delivery = Delivery {
            tag: packet.tag,
            index: packet.index,
            pts: packet.pts,
            result: result.map_err(|failure| evaluator.error(failure)),
        };
        Ok(deliver(delivery))
    }

    /// What comes after the stream.
    fn finish(mut self) -> Result<StreamReport, ChainError> {
        let evaluator = self.evaluator;
        for (n, collector) in std::mem::take(&mut self.collectors) {
            let values =
                collector.finish().map_err(|error| evaluator.error(NodeFailure { node: n, error }))?;
            evaluator.set_constant(n, values);
        }
        let after = |&n: &usize| evaluator.checked.flows[n] == crate::Flow::After(self.plan.source);
        for n in evaluator.checked.roots().into_iter().filter(after) {
            let mut nothing = vec![None; evaluator.checked.graph.nodes.len()];
            evaluator
                .node(n, &mut nothing, &FrameContext::still())
                .map_err(|failure| evaluator.error(failure))?;
        }
        Ok(StreamReport {
            costs: evaluator.costs(),
            n_frames: self.n_frames,
            most_in_flight: self.most_in_flight,
        })
    }
}

/// How far the stream is.
enum Progress {
    /// Something is still to come.
    Open,
    /// All has been handed out.
    Done,
    /// Nobody wants more.
    Unwanted,
}

/// What comes next.
enum Next<T, O> {
    Arrival(Option<Arrival<T>>),
    Done(Done<T, O>),
    Segment(usize, Event),
    Nothing,
}
