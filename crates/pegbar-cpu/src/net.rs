//! The compiled network, ready to run.

use crate::execute::Run;
use crate::guard::{RangeGuard, StepOutOfRange};
use crate::memory::AlignedBuffer;
use crate::plan::Plan;
use crate::program::{Program, Settings};
use crate::simd::Isa;
use crate::{CpuError, CpuLevel};
use pegbar_net::Net;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// How exactly convolutions are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum CpuPrecision {
    /// `f32` throughout.
    Exact,
    /// 16-bit integers in the products of 3x3 convolutions and half floats between steps, where that loses less than
    /// a picture shows; `f32` elsewhere.
    #[default]
    Fast,
}

/// How a network is compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CpuOptions {
    /// Threads that share one picture, at least one. With one thread the caller's own is used, so that
    /// callers may run several pictures side by side.
    pub threads: usize,
    /// Vector instructions to use.
    pub level: CpuLevel,
    /// How exactly to compute.
    pub precision: CpuPrecision,
}

impl Default for CpuOptions {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { threads, level: CpuLevel::detect(), precision: CpuPrecision::default() }
    }
}

/// Plans kept for sizes that may come again.
const MAX_PLANS: usize = 8;

/// A network compiled for this processor. It can be run from several threads at once.
#[derive(Debug)]
pub struct CpuNet {
    compiled: RwLock<Arc<Compiled>>,
    options: CpuOptions,
    /// None where the caller's thread does all the work.
    pool: Option<rayon::ThreadPool>,
    /// Held by the run that has the pool.
    turn: Mutex<()>,
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

impl CpuNet {
    /// Compiles a network: simplifies it, fuses its steps, packs its weights.
    ///
    /// # Errors
    /// [`CpuError::LevelUnavailable`] when the processor lacks the level, [`CpuError::Net`] for a broken graph,
    /// [`CpuError::OutOfMemory`], [`CpuError::NoThreads`], [`CpuError::Threads`].
    pub fn compile(net: &Net, options: &CpuOptions) -> Result<Self, CpuError> {
        let isa = Isa::new(options.level)
            .ok_or_else(|| CpuError::LevelUnavailable { level: options.level, best: CpuLevel::best() })?;
        let pool = match options.threads {
            0 => return Err(CpuError::NoThreads),
            1 => None,
            threads => {
                let builder = rayon::ThreadPoolBuilder::new().num_threads(threads);
                let builder = builder.thread_name(|index| format!("pegbar-cpu-{index}"));
                let pool = builder.build();
                Some(pool.map_err(|error| CpuError::Threads { threads, reason: error.to_string() })?)
            }
        };
        let settings = Settings { isa, precision: options.precision, out_of_range: BTreeMap::new() };
        Ok(Self {
            compiled: RwLock::new(Arc::new(Compiled::new(net, settings)?)),
            options: options.clone(),
            pool,
            turn: Mutex::new(()),
            idle: Mutex::new(vec![]),
        })
    }

    /// How it was compiled.
    pub fn options(&self) -> &CpuOptions {
        &self.options
    }

    /// Runs the network on a batch of pictures.
    ///
    /// `shape` is `[N, C, H, W]` and `input` its values in that order; the result replaces what is in `output`, and its
    /// shape is returned. The size rule of the network is not applied: any size whose shapes work out is taken. The
    /// result does not depend on the number of threads.
    ///
    /// # Errors
    /// [`CpuError::InputLength`], [`CpuError::InputChannels`], [`CpuError::Net`] when the network does not take the
    /// size, [`CpuError::TooLarge`], [`CpuError::OutOfMemory`].
    pub fn run(
        &self,
        shape: [usize; 4],
        input: &[f32],
        output: &mut Vec<f32>,
    ) -> Result<[usize; 4], CpuError> {
        self.run_with(self.options.threads, shape, input, output)
    }

    /// As [`CpuNet::run`], but all on the caller's thread, whatever was compiled for: several callers that each bring a
    /// picture lose no time in waiting for one another, at the price of working memory for each. The result is the same.
    ///
    /// # Errors
    /// As [`CpuNet::run`].
    pub fn run_alone(
        &self,
        shape: [usize; 4],
        input: &[f32],
        output: &mut Vec<f32>,
    ) -> Result<[usize; 4], CpuError> {
        self.run_with(1, shape, input, output)
    }

    fn run_with(
        &self,
        threads: usize,
        shape: [usize; 4],
        input: &[f32],
        output: &mut Vec<f32>,
    ) -> Result<[usize; 4], CpuError> {
        let expected = shape.iter().try_fold(1usize, |all, &d| all.checked_mul(d));
        let expected = expected.ok_or(CpuError::TooLarge { shape })?;
        if input.len() != expected {
            return Err(CpuError::InputLength { shape, expected, found: input.len() });
        }
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
        threads: usize,
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

        let workspace = self.workspace(&plan, threads)?;
        let guard = RangeGuard::new(program);
        let per_picture: usize = plan.picture.iter().product();
        for (image, (picture, result)) in
            input.chunks_exact(per_picture).zip(output.chunks_exact_mut(per_result)).enumerate()
        {
            let run = Run {
                program,
                plan: &plan,
                isa: program.settings.isa,
                threads,
                workspace: &workspace,
                guard: &guard,
                image,
            };
            let pool = self.pool.as_ref().filter(|_| threads > 1);
            // Runs that share threads would only wait for each other.
            let _turn = pool.map(|_| self.turn.lock().unwrap_or_else(PoisonError::into_inner));
            run.picture(pool, picture, result);
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

    /// Bytes of working memory a run on pictures of this size takes, beside the caller's input and output and the
    /// weights. It grows with the width, hardly with the height, and not with the batch.
    ///
    /// # Errors
    /// As [`CpuNet::run`].
    pub fn working_memory_bytes(&self, n: usize, h: usize, w: usize) -> Result<usize, CpuError> {
        let plan = self.compiled().plan(h, w)?;
        let shape = [n, plan.picture[0], h, w];
        plan.bytes(self.options.threads).ok_or(CpuError::TooLarge { shape })
    }

    /// As [`CpuNet::working_memory_bytes`], for each caller of [`CpuNet::run_alone`].
    ///
    /// # Errors
    /// As [`CpuNet::run`].
    pub fn working_memory_alone_bytes(&self, n: usize, h: usize, w: usize) -> Result<usize, CpuError> {
        let plan = self.compiled().plan(h, w)?;
        plan.bytes(1).ok_or(CpuError::TooLarge { shape: [n, plan.picture[0], h, w] })
    }

    /// Bytes of packed convolution weights.
    pub fn weight_bytes(&self) -> usize {
        self.compiled().program.weight_bytes
    }

    /// One line for each step: node, kernel, sizes, what is fused into it, `general path` where no special kernel exists,
    /// and why where a step is not computed as the precision asked for (some are only found out by running).
    pub fn explain(&self) -> Vec<String> {
        self.compiled().program.explain()
    }

    /// Frees the working memory of past runs.
    pub fn release_memory(&self) {
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
