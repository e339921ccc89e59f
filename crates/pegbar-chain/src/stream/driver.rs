//! The thread that drives: it lets frames in, passes them on in their order, and hands them out.

use super::plan::StreamPlan;
use super::pool::Queue;
use super::segment::{Event, SegmentBarrier};
use super::window::WindowBarrier;
use super::{Arrival, Barrier, Delivery, Done, MakeValues, Packet, StreamReport, Task};
use crate::evaluate::{Evaluator, NodeFailure};
use crate::{Cancel, ChainError, Collector, FrameContext, Inputs, NodeError, Prepare, Prepared, Role, Value};
use crossbeam_channel::{Receiver, Select, Sender};
use pegbar_frame::Rational;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::thread;

/// Lets frames in, passes them on, hands them out.
pub(super) struct Driver<'a, T, O> {
    evaluator: &'a Evaluator<'a>,
    plan: &'a StreamPlan,
    queue: &'a Queue<Task<T, O>>,
    time_bases: &'a [Rational],
    cancel: &'a Cancel,
    to_driver: Sender<Done<T, O>>,
    pub(super) barriers: Vec<Barrier<T, O>>,
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
    pub(super) fn new(
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
                Prepared::Window(node) => {
                    let barrier = WindowBarrier::of_values(&**node);
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

    pub(super) fn drive<'scope>(
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
            for (mut packet, outputs) in out {
                if packet.failed.is_none() {
                    packet.present[node] = Some(outputs);
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
                    let tells = matches!(self.evaluator.checked.prepared[node], Prepared::Window(_));
                    let by_segments = self.plan.by_segments && at >= self.plan.n_over_segments;
                    let cut = packet.starts_scene && !tells || by_segments && packet.starts_segment;
                    let age = packet.number;
                    if let Some(task) = barrier.push(packet, image, cut) {
                        self.queue.push((age, usize::MAX - at), Task::Measure { barrier: at, task });
                    }
                }
                None => barrier.push_failed(packet),
            },
            Barrier::Segment(barrier) => {
                self.in_zone[self.zone_of_stage[at]] -= 1;
                if packet.is_lead {
                    // It is of the segment before.
                    return Ok(());
                }
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
    pub(super) fn finish(mut self) -> Result<StreamReport, ChainError> {
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
