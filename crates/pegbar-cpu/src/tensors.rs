//! Operations on tensors of any rank.
//!
//! For each size of picture a [`pegbar_net::tensor::TensorProgram`] is divided into stages. Most steps of a transformer
//! leave some axis alone: windows do not see each other, pixels of a matrix product do not. A run of such steps is done
//! piece by piece along that axis ([`split`]), each piece by one thread, so that what is between the steps stays in the
//! cache and never becomes a whole tensor. Convolutions are nets of picture operations, with the kernels of those.
//! Whatever is neither is computed by the evaluator of `pegbar-net`, on one thread.

mod moves;
mod nets;
mod pairs;
mod plan;
mod prepare;
mod products;
mod rows;
mod run;
mod split;

use crate::CpuError;
use crate::program::Settings;
use crate::rows_net::Threads;
use pegbar_net::NetError;
use pegbar_net::tensor::TensorGraph;
use plan::TensorPlan;
use products::Packs;
use run::Buffers;
use std::sync::{Arc, Mutex, PoisonError};

/// Plans kept for sizes that may come again. They hold masks and packed weights, so few.
const MAX_PLANS: usize = 3;

/// A graph of operations on tensors, ready to run. It brings no threads of its own.
#[derive(Debug)]
pub(crate) struct TensorNet {
    graph: Arc<TensorGraph>,
    settings: Settings,
    /// Plans of the latest sizes, the latest last.
    plans: Mutex<Vec<Arc<TensorPlan>>>,
    /// Packed weights, which all plans share.
    packs: Packs,
    /// Working memory that no run uses at present.
    buffers: Buffers,
}

impl TensorNet {
    pub(crate) fn new(graph: &Arc<TensorGraph>, settings: Settings) -> Self {
        Self {
            graph: Arc::clone(graph),
            settings,
            plans: Mutex::new(vec![]),
            packs: Packs::default(),
            buffers: Buffers::default(),
        }
    }

    /// Runs it on a batch, one picture after the other.
    pub(crate) fn run(
        &self,
        threads: Threads<'_>,
        shape: [usize; 4],
        input: &[f32],
        output: &mut Vec<f32>,
    ) -> Result<[usize; 4], CpuError> {
        let [n, channels, height, width] = shape;
        if channels != self.graph.input_channels() {
            return Err(CpuError::InputChannels { expected: self.graph.input_channels(), found: channels });
        }
        if n == 0 || height == 0 || width == 0 {
            let found = format!("{n} pictures of {width} x {height}");
            return Err(NetError::Input { expected: "at least one pixel".into(), found }.into());
        }
        let plan = self.plan(height, width)?;
        let per_result: usize = plan.result.iter().product();
        let total = per_result.checked_mul(n).ok_or(CpuError::TooLarge { shape })?;
        output.truncate(total);
        let bytes = total.saturating_mul(size_of::<f32>());
        output.try_reserve_exact(total - output.len()).map_err(|_| CpuError::OutOfMemory { bytes })?;
        output.resize(total, 0.0);
        let pictures = input.chunks_exact(channels * height * width);
        for (picture, result) in pictures.zip(output.chunks_exact_mut(per_result)) {
            run::picture(&plan, &self.buffers, threads, self.settings.isa, picture, result)?;
        }
        let [channels, height, width] = plan.result;
        Ok([n, channels, height, width])
    }

    pub(crate) fn working_memory_bytes(
        &self,
        threads: usize,
        [_, h, w]: [usize; 3],
    ) -> Result<usize, CpuError> {
        Ok(self.plan(h, w)?.bytes(threads))
    }

    /// One line for each stage of the latest plan.
    pub(crate) fn explain(&self) -> Vec<String> {
        let plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        match plans.last() {
            Some(plan) => plan.explain(),
            None => vec!["operations on tensors; they are divided when the first picture comes".into()],
        }
    }

    pub(crate) fn release_memory(&self) {
        self.buffers.clear();
    }

    fn plan(&self, height: usize, width: usize) -> Result<Arc<TensorPlan>, CpuError> {
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        let plan = match plans.iter().position(|plan| plan.size == [height, width]) {
            Some(known) => plans.remove(known),
            None => {
                let program = self.graph.program(height, width)?;
                Arc::new(TensorPlan::new(program, [height, width], &self.settings, &self.packs)?)
            }
        };
        if plans.len() == MAX_PLANS {
            plans.remove(0);
        }
        plans.push(Arc::clone(&plan));
        Ok(plan)
    }
}
