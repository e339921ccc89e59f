//! The threads of the pool: what is done to one frame.

use super::plan::{Stage, StreamPlan};
use super::pool::Queue;
use super::window::{MeasureTask, WindowTask};
use super::{Done, Finish, Finished, MakeValues, Packet, Task};
use crate::evaluate::{Evaluator, NodeFailure};
use crate::{Cancel, FrameContext, NodeError, Prepared, Value};
use crossbeam_channel::Sender;
use pegbar_filters::temporal::Window;
use pegbar_frame::{PlanarImage, Rational};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

/// Works on frames until the queue is closed.
pub(super) struct Worker<'a, T, O> {
    pub(super) evaluator: &'a Evaluator<'a>,
    pub(super) plan: &'a StreamPlan,
    pub(super) queue: &'a Queue<Task<T, O>>,
    pub(super) time_bases: &'a [Rational],
    pub(super) cancel: Cancel,
    pub(super) alone: bool,
    pub(super) finish: &'a Finish<'a, O>,
}

impl<T, O> Worker<'_, T, O> {
    pub(super) fn work(&self, to_driver: &Sender<Done<T, O>>) {
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
                    let result = guarded(n, || self.window(n, &task));
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

    fn window(&self, n: usize, task: &WindowTask) -> Result<Vec<Value>, NodeFailure> {
        let started = Instant::now();
        let frames: Vec<&PlanarImage> = task.frames.iter().map(Arc::as_ref).collect();
        let result = match &self.evaluator.checked.prepared[n] {
            Prepared::Temporal(filter) => {
                let measures: Vec<&[f32]> = task.measures.iter().map(|measure| measure.as_slice()).collect();
                let window = Window {
                    frames: &frames,
                    centre: task.centre,
                    measures: &measures,
                    measure_centre: task.measure_centre,
                };
                vec![Value::Image(Arc::new(filter.apply(&window)))]
            }
            Prepared::Window(node) => {
                node.run(&frames, task.centre).map_err(|error| NodeFailure { node: n, error })?
            }
            _ => vec![Value::Image(task.frames[task.centre].clone())],
        };
        self.evaluator.count(n, started, &[]);
        Ok(result)
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
