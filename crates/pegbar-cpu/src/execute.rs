//! Carries a plan out.
#![allow(unsafe_code, reason = "threads write disjoint rows of one result")]

use crate::guard::RangeGuard;
use crate::kernels::channel_attention::{ChannelAttentionKernel, Mix, Sums};
use crate::kernels::elementwise::{PerChannel, binary_row, curved_product_row, per_channel_row, unary_row};
use crate::kernels::epilogue::{Epilogue, Residual};
use crate::kernels::norm::Moments;
use crate::kernels::pool::{fold_row, join_rows, linear, pool_row};
use crate::kernels::resize::{Interpolation, resize_row};
use crate::kernels::softmax::{softmax_column, softmax_row};
use crate::kernels::winograd::{ConvCall, WinogradConv};
use crate::kernels::{direct::DirectConv, fourier::FourierConv, rearrange};
use crate::memory::{AlignedBuffer, Rows};
use crate::plan::{Event, Plan};
use crate::program::Program;
use crate::rows_net::Workspace;
use crate::simd::Isa;
use crate::step::{Kind, Step, ValueId};
use crate::team::{Area, Broken, Division, Team};
use rayon::prelude::*;
use std::ops::{DerefMut, Range};
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
    /// `picture` and `result` are CHW, of the sizes of the plan. `pool` has `threads` threads, and nothing else to do.
    pub(crate) fn picture(&self, pool: Option<&rayon::ThreadPool>, picture: &[f32], result: &mut [f32]) {
        assert_eq!(picture.len(), self.plan.picture.iter().product::<usize>());
        assert_eq!(result.len(), self.plan.result.iter().product::<usize>());
        let result = ResultPlanes { base: result.as_mut_ptr(), shape: self.plan.result };
        let walk = |team: Option<(&Team, usize)>| {
            for at in 0..self.plan.events.len() {
                let place = Place { team, at };
                if self.event(&place, picture, &result).is_err() {
                    return; // the thread that panicked tells why
                }
            }
        };
        match pool {
            Some(pool) => {
                let team = Team::new(self.threads, self.plan.events.len());
                pool.broadcast(|thread| {
                    let _alarm = team.alarm();
                    walk(Some((&team, thread.index())));
                });
            }
            None => walk(None),
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

    /// Scratch memory of this thread. Never held while jobs are waited for.
    fn scratch(&self) -> impl DerefMut<Target = AlignedBuffer> {
        let thread = rayon::current_thread_index().unwrap_or(0) % self.workspace.scratch.len();
        self.workspace.scratch[thread].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does `n` jobs inside one part of an event, on all threads that have nothing else to do where they make enough values.
    fn jobs(&self, n: usize, values: usize, job: impl Fn(usize) + Sync) {
        if self.threads == 1 || n == 1 || values < PARALLEL_FROM {
            (0..n).for_each(&job);
        } else {
            (0..n).into_par_iter().with_max_len(1).for_each(&job);
        }
    }

    /// How the threads divide an event.
    fn division(&self, event: &Event) -> Division {
        let step = &self.program.steps[event.step];
        let output = &self.plan.layouts[step.output];
        let rows = event.rows.clone();
        let (n_rows, width) = (rows.len(), output.width);
        match &step.kind {
            Kind::Winograd(conv) => {
                let strip = conv.strip_tiles(n_rows, width, self.threads);
                return Division::columns(rows, width, conv.products().tile()).in_parts_of(strip);
            }
            Kind::Fourier { conv, .. } => {
                let strip = conv.strip_pairs(n_rows, width, self.threads);
                return Division::columns(rows, width, conv.pair_columns()).in_parts_of(strip);
            }
            Kind::Attention(kernel) => {
                return Division::unordered(rows.clone(), width, kernel.calls(&rows, [output.height, width]));
            }
            Kind::ChannelAttention(kernel) if !kernel.is_global() => {
                return Division::unordered(rows.clone(), width, kernel.calls(&rows, [output.height, width]));
            }
            // They have several stages, each of which is divided by itself.
            Kind::GlobalPool(_)
            | Kind::Linear { .. }
            | Kind::GroupNorm(_)
            | Kind::ChannelAttention(_)
            | Kind::SortedAttention(_) => {
                return Division::unordered(rows, width, 1);
            }
            _ => {}
        }
        let division = match &step.kind {
            Kind::Direct { .. } if DirectConv::segments(width) >= 2 * self.threads => {
                Division::columns(rows, width, DirectConv::SEGMENT)
            }
            Kind::Softmax { axis: 2 } => Division::unordered(rows, width, width),
            _ => Division::rows(rows, width),
        };
        if n_rows * output.width * output.channels < PARALLEL_FROM { division.undivided() } else { division }
    }

    /// Does the parts of an event that this thread gets, each an area.
    fn share(&self, place: &Place<'_>, work: impl Fn(Area)) -> Result<(), Broken> {
        self.share_units(place, |division, part| work(division.area_of(part)))
    }

    /// As [`Run::share`], told in units.
    fn share_units(&self, place: &Place<'_>, work: impl Fn(&Division, usize)) -> Result<(), Broken> {
        let &Place { team, at } = place;
        let event = &self.plan.events[at];
        let division = self.division(event);
        let Some((team, thread)) = team else {
            (0..division.parts()).for_each(|part| work(&division, part));
            return Ok(());
        };
        if at >= 2 {
            team.wait(at - 2, 0..self.division(&self.plan.events[at - 2]).parts())?;
        }
        let before = at.checked_sub(1).map(|before| Before::new(self, event, &self.plan.events[before]));
        while let Some(part) = team.take(at, division.parts(), thread) {
            if let Some(before) = &before {
                team.wait(at - 1, before.parts_needed(self, event, &division.area_of(part)))?;
            }
            work(&division, part);
            team.finish(at, part);
        }
        Ok(())
    }

    fn event(&self, place: &Place<'_>, picture: &[f32], result: &ResultPlanes) -> Result<(), Broken> {
        let event = &self.plan.events[place.at];
        let step = &self.program.steps[event.step];
        let output = self.rows(step.output);
        let rows = event.rows.clone();
        let values = rows.len() * output.width() * output.channels();
        let each = |row: &dyn Fn(usize)| {
            self.share_units(place, |division, part| division.units_of(part).for_each(row))
        };
        let each_row = |row: &dyn Fn(usize)| each(&|i| row(rows.start + i));
        // Of a kind that is not divided, but has stages that are.
        let whole = |work: &dyn Fn()| self.share(place, |_| work());
        let inputs: Vec<Rows> = step.inputs.iter().map(|&value| self.rows(value)).collect();
        let isa = self.isa;
        match &step.kind {
            Kind::Load => each_row(&|y| rearrange::load_row(picture, &output, y)),
            Kind::Store { shuffle } => each_row(&|y| {
                // SAFETY: each row of the result belongs to one job.
                let mut planes = unsafe { result.row(y) };
                rearrange::store_row(*shuffle, &inputs[0], inputs.get(1), y, &mut planes);
            }),
            Kind::Winograd(conv) => self.winograd(place, conv, inputs[0], output),
            Kind::Direct { conv, .. } => self.direct(place, conv, inputs[0], output),
            Kind::Fourier { conv, .. } => self.fourier(place, conv, inputs[0], output),
            Kind::Transposed(conv) => each_row(&|y| {
                conv.row(isa, &inputs[0], &output, y, self.scratch().as_mut_slice());
            }),
            Kind::Unary(op) => each_row(&|y| unary_row(isa, *op, &inputs[0], &output, y)),
            Kind::PRelu(slope) => {
                each_row(&|y| per_channel_row(isa, PerChannel::PRelu { slope }, &inputs[0], &output, y))
            }
            Kind::Affine { scale, shift } => each_row(&|y| {
                per_channel_row(isa, PerChannel::Affine { scale, shift }, &inputs[0], &output, y)
            }),
            Kind::CurvedProduct(curve) => {
                each_row(&|y| curved_product_row(isa, *curve, &inputs[0], &inputs[1], &output, y))
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
                let start = start.of(inputs[0].height());
                each_row(&|y| rearrange::copy_row(&inputs[0], y + start, 0, &output, y))
            }
            Kind::SliceColumns { start } => {
                let start = start.of(inputs[0].width());
                each_row(&|y| rearrange::copy_row(&inputs[0], y, start, &output, y))
            }
            Kind::Pad { mode, padding } => {
                each_row(&|y| rearrange::pad_row(*mode, *padding, &inputs[0], &output, y))
            }
            Kind::Resize { mode, target } => {
                let sizes = [[inputs[0].height(), output.height()], [inputs[0].width(), output.width()]];
                let axis = |i: usize| Interpolation::new(*mode, *target, i, sizes[i][0], sizes[i][1]);
                let (rows, columns) = (axis(0), axis(1).table());
                each_row(&|y| resize_row(isa, rows, &columns, &inputs[0], &output, y))
            }
            Kind::GridSample(sampling) => each_row(&|y| sampling.row(&inputs[0], &inputs[1], &output, y)),
            Kind::Shuffle(f) => each_row(&|y| rearrange::shuffle_row(*f, &inputs[0], &output, y)),
            Kind::Unshuffle(f) => each_row(&|y| rearrange::unshuffle_row(*f, &inputs[0], &output, y)),
            Kind::Pool(pooling) => each_row(&|y| pool_row(isa, pooling, &inputs[0], &output, y)),
            Kind::GlobalPool(kind) => whole(&|| {
                let rows: Vec<OnceLock<Vec<f32>>> = vec![OnceLock::new(); inputs[0].height()];
                let values = rows.len() * inputs[0].width() * inputs[0].channels();
                self.jobs(rows.len(), values, |y| {
                    rows[y].get_or_init(|| fold_row(isa, *kind, &inputs[0], y));
                });
                let rows: Vec<&Vec<f32>> = rows.iter().filter_map(OnceLock::get).collect();
                join_rows(*kind, &rows, inputs[0].width(), &output);
            }),
            Kind::Linear { weight, bias } => whole(&|| linear(isa, weight, bias, &inputs[0], &output)),
            Kind::Softmax { axis: 2 } => each(&|x| softmax_column(isa, &inputs[0], &output, x)),
            Kind::Softmax { axis } => each_row(&|y| softmax_row(isa, *axis, &inputs[0], &output, y)),
            Kind::LayerNorm(norm) => each_row(&|y| norm.row(isa, &inputs[0], &output, y)),
            Kind::Attention(kernel) => {
                let qkv = [&inputs[0], &inputs[1], &inputs[2]];
                each(&|i| kernel.run(isa, qkv, &output, &rows, i, self.scratch().as_mut_slice()))
            }
            Kind::ChannelAttention(kernel) => {
                let qkv = [&inputs[0], &inputs[1], &inputs[2]];
                if kernel.is_global() {
                    whole(&|| {
                        let mix = self.channel_mix(kernel, qkv);
                        self.jobs(rows.len(), values, |i| {
                            kernel.apply_row(isa, &mix, qkv[2], &output, rows.start + i);
                        });
                    })
                } else {
                    each(&|i| kernel.run(isa, qkv, &output, &rows, i))
                }
            }
            Kind::SortedAttention(kernel) => whole(&|| {
                let groups = kernel.groups(&inputs[3]);
                let qkv = [&inputs[0], &inputs[1], &inputs[2]];
                self.jobs(groups.len(), values, |i| {
                    kernel.run(isa, qkv, &output, &groups[i], self.scratch().as_mut_slice());
                });
            }),
            Kind::GroupNorm(norm) => whole(&|| {
                let moments = self.moments(&inputs[0]);
                let (scale, shift) =
                    norm.affine(&moments.iter().filter_map(OnceLock::get).collect::<Vec<_>>());
                let table = PerChannel::Affine { scale: &scale, shift: &shift };
                self.jobs(rows.len(), values, |i| {
                    per_channel_row(isa, table, &inputs[0], &output, rows.start + i);
                })
            }),
        }
    }

    /// Those of every row of a value.
    fn moments(&self, input: &Rows) -> Vec<OnceLock<Moments>> {
        let rows: Vec<OnceLock<Moments>> = vec![OnceLock::new(); input.height()];
        let values = input.height() * input.width() * input.channels();
        self.jobs(rows.len(), values, |y| {
            rows[y].get_or_init(|| Moments::of_row(self.isa, input, y));
        });
        rows
    }

    /// Weights of an attention between channels over the whole picture.
    fn channel_mix(&self, kernel: &ChannelAttentionKernel, qkv: [&Rows; 3]) -> Mix {
        let parts: Vec<OnceLock<Sums>> =
            vec![OnceLock::new(); ChannelAttentionKernel::parts(qkv[0].height())];
        self.jobs(parts.len(), usize::MAX, |part| {
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

    fn winograd(
        &self,
        place: &Place<'_>,
        conv: &WinogradConv,
        input: Rows,
        output: Rows,
    ) -> Result<(), Broken> {
        let Event { step, rows } = self.plan.events[place.at].clone();
        let (residuals, gate) = self.residuals(&self.program.steps[step], conv.epilogue());
        let n_rows = rows.len();
        let call = ConvCall { input, output, residuals: &residuals, gate, rows };
        self.share_units(place, |division, part| {
            let mut scratch = self.scratch();
            for tiles in conv.chunks(n_rows, division.units_of(part)) {
                let most = conv.run(&call, &tiles, scratch.as_mut_slice());
                self.guard.saw(step, most);
            }
        })
    }

    fn fourier(
        &self,
        place: &Place<'_>,
        conv: &FourierConv,
        input: Rows,
        output: Rows,
    ) -> Result<(), Broken> {
        let Event { step, rows } = self.plan.events[place.at].clone();
        let (residuals, gate) = self.residuals(&self.program.steps[step], conv.epilogue());
        let n_rows = rows.len();
        let call = ConvCall { input, output, residuals: &residuals, gate, rows };
        self.share_units(place, |division, part| {
            let mut scratch = self.scratch();
            for pairs in conv.chunks(n_rows, division.units_of(part)) {
                let most = conv.run(&call, &pairs, scratch.as_mut_slice());
                self.guard.saw(step, most);
            }
        })
    }

    fn direct(&self, place: &Place<'_>, conv: &DirectConv, input: Rows, output: Rows) -> Result<(), Broken> {
        let Event { step, rows } = self.plan.events[place.at].clone();
        let (residuals, gate) = self.residuals(&self.program.steps[step], conv.epilogue());
        let call = ConvCall { input, output, residuals: &residuals, gate, rows };
        self.share(place, |area| {
            let mut scratch = self.scratch();
            for y in area.rows {
                for segment in DirectConv::segments_of(area.columns.clone()) {
                    let magnitudes = conv.run(self.isa, &call, y, segment, scratch.as_mut_slice());
                    self.guard.saw(step, magnitudes.read);
                    self.guard.saw_written(step, magnitudes.written);
                }
            }
        })
    }
}

/// Where a thread is on its way through the events, and with whom.
struct Place<'a> {
    /// The team and the thread's number in it; none where it works alone.
    team: Option<(&'a Team, usize)>,
    at: usize,
}

/// What an event must know of the event before it, which may not be done yet.
struct Before {
    division: Division,
    /// Inputs (by number) that it makes rows of, and their widths.
    inputs: Vec<(usize, usize)>,
    /// Heights of all inputs.
    heights: Vec<usize>,
    /// Whether nothing may be written before all of it is done: it still reads or writes there.
    is_in_the_way: bool,
}

impl Before {
    fn new(run: &Run<'_>, event: &Event, before: &Event) -> Self {
        let Run { program, plan, .. } = *run;
        let (step, step_before) = (&program.steps[event.step], &program.steps[before.step]);
        let made = (!matches!(step_before.kind, Kind::Store { .. })).then_some(step_before.output);
        let makes = |value: &ValueId| made.is_some_and(|made| program.values[*value].made_of.contains(&made));
        let inputs = step.reads().enumerate().filter(|(_, value)| makes(value));
        let inputs = inputs.map(|(input, value)| (input, plan.layouts[value].width));
        let writes = (!matches!(step.kind, Kind::Store { .. })).then_some(step.output);
        let collides = |value: ValueId| writes.is_some_and(|writes| plan.collide(program, writes, value));
        Self {
            division: run.division(before),
            inputs: inputs.collect(),
            heights: step.inputs.iter().map(|&value| plan.layouts[value].height).collect(),
            is_in_the_way: step_before.reads().any(collides) || made.is_some_and(collides),
        }
    }

    /// The parts of it that must be done before an area of `event` can be made.
    fn parts_needed(&self, run: &Run<'_>, event: &Event, area: &Area) -> Range<usize> {
        if self.is_in_the_way {
            return 0..self.division.parts();
        }
        let step = &run.program.steps[event.step];
        let height = run.plan.layouts[step.output].height;
        let mut needed = 0..0;
        for &(input, width) in &self.inputs {
            let rows = step.kind.sources(input, &self.heights, height, area.rows.clone());
            let columns = step.kind.source_columns(input, width, area.columns.clone());
            let parts = self.division.parts_of(&Area { rows, columns });
            if needed.is_empty() {
                needed = parts;
            } else if !parts.is_empty() {
                needed = needed.start.min(parts.start)..needed.end.max(parts.end);
            }
        }
        needed
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
