//! A network of picture operations, compiled: its program, its plans, its working memory.

use crate::CpuError;
use crate::execute::Run;
use crate::guard::{RangeGuard, StepOutOfRange};
use crate::memory::AlignedBuffer;
use crate::plan::Plan;
use crate::program::{Program, Settings};
use pegbar_net::Net;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// Plans kept for sizes that may come again.
const MAX_PLANS: usize = 8;

/// A compiled net of picture operations. It brings no threads of its own.
#[derive(Debug)]
pub(crate) struct RowsNet {
    compiled: RwLock<Arc<Compiled>>,
    /// Working memory that no run uses at present.
    idle: Mutex<Vec<Workspace>>,
}

/// A program and its plans. Another takes its place when values leave the range it was made for.
#[derive(Debug)]
struct Compiled {
    program: Program,
    /// Plans of the latest sizes, the latest last: a film has one size, an image in tiles a handful.
    plans: Mutex<Vec<Arc<Plan>>>,
}

/// Working memory of one run.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) arena: AlignedBuffer,
    /// One for each thread. Threads never wait for each other's.
    pub(crate) scratch: Vec<Mutex<AlignedBuffer>>,
}

impl RowsNet {
    pub(crate) fn new(net: &Net, settings: Settings) -> Result<Self, CpuError> {
        Ok(Self { compiled: RwLock::new(Arc::new(Compiled::new(net, settings)?)), idle: Mutex::new(vec![]) })
    }

    /// Runs it on a batch, with the threads of a pool (all of which have nothing else to do) or on the caller's thread.
    pub(crate) fn run(
        &self,
        threads: Threads<'_>,
        shape: [usize; 4],
        input: &[f32],
        output: &mut Vec<f32>,
    ) -> Result<[usize; 4], CpuError> {
        loop {
            let compiled = self.compiled();
            let (shape, out_of_range) = self.run_compiled(&compiled, threads, shape, input, output)?;
            if out_of_range.is_empty() {
                return Ok(shape);
            }
            self.avoid(&compiled, out_of_range)?;
        }
    }

    /// Runs a program, and tells which of its steps left their range.
    fn run_compiled(
        &self,
        compiled: &Compiled,
        threads: Threads<'_>,
        shape: [usize; 4],
        input: &[f32],
        output: &mut Vec<f32>,
    ) -> Result<([usize; 4], Vec<StepOutOfRange>), CpuError> {
        let [n, channels, height, width] = shape;
        let program = &compiled.program;
        // Checks the batch against the shapes of constants, and that it is not empty. A net that does not look at its
        // picture makes one result whatever the batch.
        let sizes = program.net.infer_sizes(n, height, width)?;
        let n_results = program.net.output.map_or(n, |id| sizes[id.0 as usize][0]);
        let plan = compiled.plan(height, width)?;
        if channels != plan.picture[0] {
            return Err(CpuError::InputChannels { expected: plan.picture[0], found: channels });
        }
        let per_result: usize = plan.result.iter().product();
        let total = per_result.checked_mul(n_results).ok_or(CpuError::TooLarge { shape })?;
        // What is in it already is overwritten: clearing a large result takes longer than one would think.
        output.truncate(total);
        let bytes = total.saturating_mul(size_of::<f32>());
        output.try_reserve_exact(total - output.len()).map_err(|_| CpuError::OutOfMemory { bytes })?;
        output.resize(total, 0.0);

        let workspace = self.workspace(&plan, threads.count)?;
        let guard = RangeGuard::new(program);
        let per_picture: usize = plan.picture.iter().product();
        for (image, (picture, result)) in
            input.chunks_exact(per_picture).zip(output.chunks_exact_mut(per_result)).enumerate()
        {
            let run = Run {
                program,
                plan: &plan,
                isa: program.settings.isa,
                threads: threads.count,
                workspace: &workspace,
                guard: &guard,
                image,
            };
            run.picture(threads.pool, picture, result);
        }
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(workspace);
        let [result_channels, result_height, result_width] = plan.result;
        Ok(([n_results, result_channels, result_height, result_width], guard.out_of_range(program)))
    }

    fn compiled(&self) -> Arc<Compiled> {
        Arc::clone(&self.compiled.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Compiles again, with some steps in single precision.
    fn avoid(&self, old: &Compiled, steps: Vec<StepOutOfRange>) -> Result<(), CpuError> {
        let mut compiled = self.compiled.write().unwrap_or_else(PoisonError::into_inner);
        let mut settings = compiled.program.settings.clone();
        let n_known = settings.out_of_range.len();
        for &(step, reason) in &steps {
            settings.out_of_range.entry(step).or_insert(reason);
        }
        if settings.out_of_range.len() == n_known {
            return Ok(()); // another caller was faster
        }
        for (step, reason) in steps {
            tracing::debug!(
                "{}: computed in f32 from now on, {}",
                old.program.steps[step].name,
                reason.reason()
            );
        }
        *compiled = Arc::new(Compiled::new(&old.program.net, settings)?);
        Ok(())
    }

    /// Bytes of working memory for so many threads; `None` when that overflows.
    pub(crate) fn working_memory_bytes(
        &self,
        threads: usize,
        [n, h, w]: [usize; 3],
    ) -> Result<usize, CpuError> {
        let plan = self.compiled().plan(h, w)?;
        plan.bytes(threads).ok_or(CpuError::TooLarge { shape: [n, plan.picture[0], h, w] })
    }

    /// Bytes of packed convolution weights.
    pub(crate) fn weight_bytes(&self) -> usize {
        self.compiled().program.weight_bytes
    }

    /// One line for each step.
    pub(crate) fn explain(&self) -> Vec<String> {
        self.compiled().program.explain()
    }

    /// Frees the working memory of past runs.
    pub(crate) fn release_memory(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Working memory for a plan: that of an earlier run where it fits.
    fn workspace(&self, plan: &Plan, threads: usize) -> Result<Workspace, CpuError> {
        {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            // One made for another size is too small, or holds more than the caller counts with.
            idle.retain(|workspace| workspace.arena.len() == plan.arena_floats);
            let fits = |workspace: &Workspace| {
                let scratch =
                    workspace.scratch.iter().map(|s| s.lock().unwrap_or_else(PoisonError::into_inner).len());
                workspace.scratch.len() == threads && scratch.max() == Some(plan.scratch_floats)
            };
            if let Some(found) = idle.iter().position(fits) {
                return Ok(idle.swap_remove(found));
            }
        }
        let scratch = (0..threads).map(|_| AlignedBuffer::zeroed(plan.scratch_floats).map(Mutex::new));
        Ok(Workspace {
            arena: AlignedBuffer::zeroed(plan.arena_floats)?,
            scratch: scratch.collect::<Result<_, _>>()?,
        })
    }
}

impl Compiled {
    fn new(net: &Net, settings: Settings) -> Result<Self, CpuError> {
        Ok(Self { program: Program::new(net, settings)?, plans: Mutex::new(vec![]) })
    }

    fn plan(&self, height: usize, width: usize) -> Result<Arc<Plan>, CpuError> {
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        let plan = match plans.iter().position(|plan| plan.picture[1..] == [height, width]) {
            Some(known) => plans.remove(known),
            None => Arc::new(Plan::new(&self.program, height, width)?),
        };
        if plans.len() == MAX_PLANS {
            plans.remove(0);
        }
        plans.push(Arc::clone(&plan));
        Ok(plan)
    }
}

/// Who works on a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Threads<'a> {
    /// `None` where the caller's thread does all the work.
    pub(crate) pool: Option<&'a rayon::ThreadPool>,
    /// How many there are.
    pub(crate) count: usize,
}
