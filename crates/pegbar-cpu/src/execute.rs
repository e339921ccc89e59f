//! Carries a plan out.
#![allow(unsafe_code, reason = "threads write disjoint rows of one result")]

use crate::guard::RangeGuard;
use crate::kernels::channel_attention::{ChannelAttentionKernel, Mix, Sums};
use crate::kernels::elementwise::{PerChannel, binary_row, per_channel_row, unary_row};
use crate::kernels::epilogue::{Epilogue, Residual};
use crate::kernels::norm::Moments;
use crate::kernels::pool::{fold_row, join_rows, linear, pool_row};
use crate::kernels::resize::{Interpolation, resize_row};
use crate::kernels::softmax::{softmax_column, softmax_row};
use crate::kernels::winograd::{ConvCall, WinogradConv};
use crate::kernels::{direct::DirectConv, rearrange};
use crate::memory::Rows;
use crate::net::Workspace;
use crate::plan::{Event, Plan};
use crate::program::Program;
use crate::simd::Isa;
use crate::step::{Kind, Step, ValueId, slice_start};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::{OnceLock, PoisonError};

/// Values that a step must make for threads to be worth waking.
const PARALLEL_FROM: usize = 16 << 10;

/// One run on one picture.
pub(crate) struct Run<'a> {
    pub(crate) program: &'a Program,
    pub(crate) plan: &'a Plan,
    pub(crate) isa: Isa,
    pub(crate) threads: usize,
    pub(crate) workspace: &'a Workspace,
    pub(crate) guard: &'a RangeGuard,
    /// Place in the batch, for constants that have a picture for each.
    pub(crate) image: usize,
}

impl Run<'_> {
    /// `picture` and `result` are CHW, of the sizes of the plan.
    pub(crate) fn picture(&self, picture: &[f32], result: &mut [f32]) {
        assert_eq!(picture.len(), self.plan.picture.iter().product::<usize>());
        assert_eq!(result.len(), self.plan.result.iter().product::<usize>());
        let result = ResultPlanes { base: result.as_mut_ptr(), shape: self.plan.result };
        for event in &self.plan.events {
            self.event(event, picture, &result);
        }
    }

    /// The rows of a value.
    fn rows(&self, value: ValueId) -> Rows {
        let mut layout = self.plan.layouts[value];
        match self.program.buffers[self.program.values[value].buffer].constant {
            None => Rows::new(&self.workspace.arena, layout),
            Some(constant) => {
                let constant = &self.program.constants[constant];
                let image = if constant.shape[0] == 1 { 0 } else { self.image };
                layout.offset += image * layout.height * layout.row_stride;
                Rows::new(&constant.data, layout)
            }
        }
    }

    /// Does `n` jobs, on all threads where they make enough values.
    fn jobs(&self, n: usize, values: usize, job: impl Fn(usize, &mut [f32]) + Sync) {
        let on_this_thread = |i: usize| {
            let thread = rayon::current_thread_index().unwrap_or(0) % self.workspace.scratch.len();
            let mut scratch = self.workspace.scratch[thread].lock().unwrap_or_else(PoisonError::into_inner);
            job(i, scratch.as_mut_slice());
        };
        if self.threads == 1 || n == 1 || values < PARALLEL_FROM {
            (0..n).for_each(on_this_thread);
        } else {
            (0..n).into_par_iter().with_max_len(1).for_each(on_this_thread);
        }
    }

    fn event(&self, event: &Event, picture: &[f32], result: &ResultPlanes) {
        let step = &self.program.steps[event.step];
        let output = self.rows(step.output);
        let rows = event.rows.clone();
        let values = rows.len() * output.width() * output.channels();
        let each_row = |row: &(dyn Fn(usize) + Sync)| {
            self.jobs(rows.len(), values, |i, _| row(rows.start + i));
        };
        let inputs: Vec<Rows> = step.inputs.iter().map(|&value| self.rows(value)).collect();
        let isa = self.isa;
        match &step.kind {
            Kind::Load => each_row(&|y| rearrange::load_row(picture, &output, y)),
            Kind::Store => each_row(&|y| {
                // SAFETY: each row of the result belongs to one job.
                let mut planes = unsafe { result.row(y) };
                rearrange::store_row(&inputs[0], y, &mut planes);
            }),
            Kind::Winograd(conv) => self.winograd(conv, event.step, inputs[0], output, rows),
            Kind::Direct { conv, .. } => self.direct(conv, event.step, inputs[0], output, rows, values),
            Kind::Transposed(conv) => self.jobs(rows.len(), values, |i, scratch| {
                conv.row(isa, &inputs[0], &output, rows.start + i, scratch);
            }),
            Kind::Unary(op) => each_row(&|y| unary_row(isa, *op, &inputs[0], &output, y)),
            Kind::PRelu(slope) => {
                each_row(&|y| per_channel_row(isa, PerChannel::PRelu { slope }, &inputs[0], &output, y));
            }
            Kind::Affine { scale, shift } => {
                each_row(&|y| {
                    per_channel_row(isa, PerChannel::Affine { scale, shift }, &inputs[0], &output, y)
                });
            }
            Kind::Binary(op) => each_row(&|y| binary_row(isa, *op, &inputs[0], &inputs[1], &output, y)),
            Kind::Copy => each_row(&|y| rearrange::copy_row(&inputs[0], y, 0, &output, y)),
            Kind::ConcatRows => each_row(&|y| {
                let mut from_y = y;
                for input in &inputs {
                    if from_y < input.height() {
                        rearrange::copy_row(input, from_y, 0, &output, y);
                        break;
                    }
                    from_y -= input.height();
                }
            }),
            Kind::ConcatColumns => each_row(&|y| rearrange::concat_columns_row(&inputs, &output, y)),
            Kind::SliceRows { start } => {
                let start = slice_start(*start, inputs[0].height());
                each_row(&|y| rearrange::copy_row(&inputs[0], y + start, 0, &output, y));
            }
            Kind::SliceColumns { start } => {
                let start = slice_start(*start, inputs[0].width());
                each_row(&|y| rearrange::copy_row(&inputs[0], y, start, &output, y));
            }
            Kind::Pad { mode, padding } => {
                each_row(&|y| rearrange::pad_row(*mode, *padding, &inputs[0], &output, y));
            }
            Kind::Resize { mode, target } => {
                let sizes = [[inputs[0].height(), output.height()], [inputs[0].width(), output.width()]];
                let axis = |i: usize| Interpolation::new(*mode, *target, i, sizes[i][0], sizes[i][1]);
                let (rows, columns) = (axis(0), axis(1).table());
                each_row(&|y| resize_row(isa, rows, &columns, &inputs[0], &output, y));
            }
            Kind::Shuffle(f) => each_row(&|y| rearrange::shuffle_row(*f, &inputs[0], &output, y)),
            Kind::Unshuffle(f) => each_row(&|y| rearrange::unshuffle_row(*f, &inputs[0], &output, y)),
            Kind::Pool(pooling) => each_row(&|y| pool_row(isa, pooling, &inputs[0], &output, y)),
            Kind::GlobalPool(kind) => {
                let rows: Vec<OnceLock<Vec<f32>>> = vec![OnceLock::new(); inputs[0].height()];
                let values = rows.len() * inputs[0].width() * inputs[0].channels();
                self.jobs(rows.len(), values, |y, _| {
                    rows[y].get_or_init(|| fold_row(isa, *kind, &inputs[0], y));
                });
                let rows: Vec<&Vec<f32>> = rows.iter().filter_map(OnceLock::get).collect();
                join_rows(*kind, &rows, inputs[0].width(), &output);
            }
            Kind::Linear { weight, bias } => linear(isa, weight, bias, &inputs[0], &output),
            Kind::Softmax { axis: 2 } => {
                self.jobs(output.width(), values, |x, _| softmax_column(isa, &inputs[0], &output, x));
            }
            Kind::Softmax { axis } => each_row(&|y| softmax_row(isa, *axis, &inputs[0], &output, y)),
            Kind::LayerNorm(norm) => each_row(&|y| norm.row(isa, &inputs[0], &output, y)),
            Kind::Attention(kernel) => {
                let n = kernel.calls(&rows, [output.height(), output.width()]);
                let qkv = [&inputs[0], &inputs[1], &inputs[2]];
                // A result costs far more than the value it is.
                self.jobs(n, usize::MAX, |i, scratch| kernel.run(isa, qkv, &output, &rows, i, scratch));
            }
            Kind::ChannelAttention(kernel) => {
                let qkv = [&inputs[0], &inputs[1], &inputs[2]];
                if kernel.is_global() {
                    let mix = self.channel_mix(kernel, qkv);
                    each_row(&|y| kernel.apply_row(isa, &mix, qkv[2], &output, y));
                } else {
                    let n = kernel.calls(&rows, [output.height(), output.width()]);
                    self.jobs(n, usize::MAX, |i, _| kernel.run(isa, qkv, &output, &rows, i));
                }
            }
            Kind::GroupNorm(norm) => {
                let moments = self.moments(&inputs[0]);
                let (scale, shift) =
                    norm.affine(&moments.iter().filter_map(OnceLock::get).collect::<Vec<_>>());
                let table = PerChannel::Affine { scale: &scale, shift: &shift };
                each_row(&|y| per_channel_row(isa, table, &inputs[0], &output, y));
            }
        }
    }

    /// Those of every row of a value.
    fn moments(&self, input: &Rows) -> Vec<OnceLock<Moments>> {
        let rows: Vec<OnceLock<Moments>> = vec![OnceLock::new(); input.height()];
        let values = input.height() * input.width() * input.channels();
        self.jobs(rows.len(), values, |y, _| {
            rows[y].get_or_init(|| Moments::of_row(self.isa, input, y));
        });
        rows
    }

    /// Weights of an attention between channels over the whole picture.
    fn channel_mix(&self, kernel: &ChannelAttentionKernel, qkv: [&Rows; 3]) -> Mix {
        let parts: Vec<OnceLock<Sums>> =
            vec![OnceLock::new(); ChannelAttentionKernel::parts(qkv[0].height())];
        self.jobs(parts.len(), usize::MAX, |part, _| {
            parts[part].get_or_init(|| kernel.sums_of_part(self.isa, qkv, part));
        });
        kernel.mix(self.isa, &parts.iter().filter_map(OnceLock::get).collect::<Vec<_>>())
    }

    /// What is added to a convolution, and what its gate adds.
    fn residuals(&self, step: &Step, epilogue: &Epilogue) -> (Vec<Residual>, Option<Rows>) {
        let all = step.residuals.iter().map(|&(value, scale)| Residual { rows: self.rows(value), scale });
        let mut all: Vec<Residual> = all.collect();
        let gate = if epilogue.has_gate() { all.pop().map(|residual| residual.rows) } else { None };
        (all, gate)
    }

    fn winograd(&self, conv: &WinogradConv, step: usize, input: Rows, output: Rows, rows: Range<usize>) {
        let (residuals, gate) = self.residuals(&self.program.steps[step], conv.epilogue());
        let tiles = conv.tiles(rows.len(), output.width());
        let chunk = conv.chunk_tiles(tiles, self.threads);
        let call = ConvCall { input, output, residuals: &residuals, gate, rows };
        // A tile costs far more than the values it makes.
        self.jobs(tiles.div_ceil(chunk), usize::MAX, |i, scratch| {
            let most = conv.run(self.isa, &call, i * chunk..((i + 1) * chunk).min(tiles), scratch);
            self.guard.saw(step, most);
        });
    }

    fn direct(
        &self,
        conv: &DirectConv,
        step: usize,
        input: Rows,
        output: Rows,
        rows: Range<usize>,
        values: usize,
    ) {
        let (residuals, gate) = self.residuals(&self.program.steps[step], conv.epilogue());
        let segments = DirectConv::segments(output.width());
        let first = rows.start;
        let n = rows.len() * segments;
        let call = ConvCall { input, output, residuals: &residuals, gate, rows };
        self.jobs(n, values, |i, scratch| {
            let most = conv.run(self.isa, &call, first + i / segments, i % segments, scratch);
            self.guard.saw(step, most);
        });
    }
}

/// The caller's result, which threads fill row by row.
struct ResultPlanes {
    base: *mut f32,
    /// `[C, H, W]`.
    shape: [usize; 3],
}

// SAFETY: it is the address of a slice that is borrowed exclusively for the run; `row` states who may write what.
unsafe impl Sync for ResultPlanes {}

impl ResultPlanes {
    /// Row `y` of every plane.
    ///
    /// # Safety
    /// Nobody else touches that row while the slices are in use.
    unsafe fn row<'a>(&self, y: usize) -> Vec<&'a mut [f32]> {
        let [channels, height, width] = self.shape;
        assert!(y < height);
        let plane = |c: usize| {
            // SAFETY: c < channels and y < height, so the row lies in the slice of channels * height * width values;
            // rows do not overlap, and the caller vouches that this one is used once.
            unsafe { std::slice::from_raw_parts_mut(self.base.add((c * height + y) * width), width) }
        };
        (0..channels).map(plane).collect()
    }
}
