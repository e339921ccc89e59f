//! The compiled network, ready to run.

use crate::program::Settings;
use crate::rows_net::{RowsNet, Threads};
use crate::simd::Isa;
use crate::tensors::TensorNet;
use crate::{CpuError, CpuLevel};
use pegbar_net::Net;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

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

/// A network compiled for this processor. It can be run from several threads at once.
#[derive(Debug)]
pub struct CpuNet {
    body: Body,
    options: CpuOptions,
    /// None where the caller's thread does all the work.
    pool: Option<rayon::ThreadPool>,
    /// Held by the run that has the pool: runs that share threads would only wait for each other.
    turn: Mutex<()>,
}

/// The two kinds of networks.
#[derive(Debug)]
enum Body {
    /// Operations on pictures, rows of pixels at a time.
    Rows(RowsNet),
    /// Operations on tensors of any rank.
    Tensors(TensorNet),
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
        let body = match net.tensors() {
            Some(graph) => Body::Tensors(TensorNet::new(graph, settings)),
            None => Body::Rows(RowsNet::new(net, settings)?),
        };
        Ok(Self { body, options: options.clone(), pool, turn: Mutex::new(()) })
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
        let pool = self.pool.as_ref().filter(|_| threads > 1);
        let _turn = pool.map(|_| self.turn.lock().unwrap_or_else(PoisonError::into_inner));
        let threads = Threads { pool, count: threads };
        match &self.body {
            Body::Rows(net) => net.run(threads, shape, input, output),
            Body::Tensors(net) => net.run(threads, shape, input, output),
        }
    }

    /// Bytes of working memory a run on pictures of this size takes, beside the caller's input and output and the
    /// weights. For operations on pictures it grows with the width, hardly with the height, and not with the batch.
    ///
    /// # Errors
    /// As [`CpuNet::run`].
    pub fn working_memory_bytes(&self, n: usize, h: usize, w: usize) -> Result<usize, CpuError> {
        self.working_memory_with(self.options.threads, [n, h, w])
    }

    /// As [`CpuNet::working_memory_bytes`], for each caller of [`CpuNet::run_alone`].
    ///
    /// # Errors
    /// As [`CpuNet::run`].
    pub fn working_memory_alone_bytes(&self, n: usize, h: usize, w: usize) -> Result<usize, CpuError> {
        self.working_memory_with(1, [n, h, w])
    }

    fn working_memory_with(&self, threads: usize, size: [usize; 3]) -> Result<usize, CpuError> {
        match &self.body {
            Body::Rows(net) => net.working_memory_bytes(threads, size),
            Body::Tensors(net) => net.working_memory_bytes(threads, size),
        }
    }

    /// Bytes of packed convolution weights. Operations on tensors pack theirs when the first picture comes.
    pub fn weight_bytes(&self) -> usize {
        match &self.body {
            Body::Rows(net) => net.weight_bytes(),
            Body::Tensors(_) => 0,
        }
    }

    /// One line for each step: node, kernel, sizes, what is fused into it, `general path` where no special kernel exists,
    /// and why where a step is not computed as the precision asked for (some are only found out by running). Operations on
    /// tensors have steps only for sizes of pictures, so these are those of the latest one.
    pub fn explain(&self) -> Vec<String> {
        match &self.body {
            Body::Rows(net) => net.explain(),
            Body::Tensors(net) => net.explain(),
        }
    }

    /// Frees the working memory of past runs.
    pub fn release_memory(&self) {
        match &self.body {
            Body::Rows(net) => net.release_memory(),
            Body::Tensors(net) => net.release_memory(),
        }
    }
}
