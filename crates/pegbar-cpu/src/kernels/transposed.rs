//! Transposed convolution. With a stride `s` the results `y = s * i + phase` of each phase are a plain convolution of the
//! input with every `s`-th tap, so there are as many of those as phases; where that does not work out, every output row
//! gathers the input rows whose kernel reaches it.
#![allow(unsafe_code, reason = "reads and writes rows of working memory")]

use super::direct::{ConvShape, DirectConv};
use super::epilogue::{Activation, Epilogue};
use super::resize::add_scaled;
use super::winograd::ConvCall;
use crate::CpuError;
use crate::memory::Rows;
use crate::simd::{Isa, Kernel, Simd, dispatch};
use std::ops::Range;

/// A compiled transposed convolution.
#[derive(Debug)]
pub(crate) struct TransposedConv {
    shape: TransposedShape,
    /// `[phase of rows][phase of columns]`; none where a phase is no convolution.
    phases: Option<Vec<DirectConv>>,
    /// `[ky][kx][cin][cout / groups]`; empty where there are phases.
    weights: Vec<f32>,
    bias: Vec<f32>,
}

/// Sizes of a transposed convolution, as [`pegbar_net::Op::ConvTranspose2d`] has them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TransposedShape {
    pub(crate) cin: usize,
    pub(crate) cout: usize,
    pub(crate) groups: usize,
    pub(crate) kernel: [usize; 2],
    pub(crate) stride: [usize; 2],
    pub(crate) dilation: [usize; 2],
    /// Cut above and left.
    pub(crate) padding: [usize; 2],
}

/// The taps of a phase along one axis, and the padding of the convolution they make.
struct Phase {
    /// From the last tap to the first: that is the order of a convolution.
    taps: Vec<usize>,
    padding: usize,
}

impl TransposedShape {
    /// None where the phase has no taps, or its first result looks beyond the input's first place.
    fn phase(&self, axis: usize, phase: usize) -> Option<Phase> {
        let (kernel, stride) = (self.kernel[axis], self.stride[axis]);
        if self.dilation[axis] != 1 {
            return None;
        }
        let at = phase + self.padding[axis];
        let taps: Vec<usize> = (at % stride..kernel).step_by(stride).rev().collect();
        // Result `i` of the phase meets input `i + at / stride - j` with the j-th tap from the front.
        let padding = taps.len().checked_sub(1)?.checked_sub(at / stride)?;
        Some(Phase { taps, padding })
    }

    /// `weight` is `[cin][cout / groups][kh][kw]`.
    fn phases(&self, isa: Isa, weight: &[f32], bias: &[f32]) -> Result<Option<Vec<DirectConv>>, CpuError> {
        let Self { cin, cout, groups, kernel: [kh, kw], stride, .. } = *self;
        let (per_in, per_out) = (cin / groups, cout / groups);
        let mut phases = vec![];
        for row in 0..stride[0] {
            for column in 0..stride[1] {
                let (Some(rows), Some(columns)) = (self.phase(0, row), self.phase(1, column)) else {
                    return Ok(None);
                };
                let mut weights = Vec::with_capacity(cout * per_in * rows.taps.len() * columns.taps.len());
                for o in 0..cout {
                    for i in 0..per_in {
                        let from = (o / per_out * per_in + i) * per_out + o % per_out;
                        let kernel = &weight[from * kh * kw..][..kh * kw];
                        for ky in &rows.taps {
                            weights.extend(columns.taps.iter().map(|kx| kernel[ky * kw + kx]));
                        }
                    }
                }
                let shape = ConvShape {
                    cin,
                    cout,
                    groups,
                    kernel: [rows.taps.len(), columns.taps.len()],
                    stride: [1, 1],
                    dilation: [1, 1],
                    padding: [rows.padding, columns.padding],
                };
                let epilogue = Epilogue::new(bias, Activation::Linear);
                phases.push(DirectConv::new(isa, &weights, shape, epilogue)?);
            }
        }
        Ok(Some(phases))
    }
}

impl TransposedConv {
    /// `weight` is `[cin][cout / groups][kh][kw]`.
    pub(crate) fn new(
        isa: Isa,
        shape: TransposedShape,
        weight: &[f32],
        bias: Vec<f32>,
    ) -> Result<Self, CpuError> {
        let TransposedShape { cin, cout, groups, kernel, .. } = shape;
        let (per_group, taps) = (cout / groups, kernel[0] * kernel[1]);
        assert!(weight.len() == cin * per_group * taps && bias.len() == cout);
        let phases = shape.phases(isa, weight, &bias)?;
        let mut weights = vec![];
        if phases.is_none() {
            weights.resize(weight.len(), 0.0);
            for (i, of_input) in weight.chunks_exact(per_group * taps).enumerate() {
                for (o, kernel) in of_input.chunks_exact(taps).enumerate() {
                    for (tap, &w) in kernel.iter().enumerate() {
                        weights[(tap * cin + i) * per_group + o] = w;
                    }
                }
            }
        }
        Ok(Self { shape, phases, weights, bias })
    }

    pub(crate) fn describe(&self) -> String {
        let TransposedShape { kernel: [kh, kw], cin, cout, stride, .. } = self.shape;
        let path = if self.phases.is_some() { "" } else { " (general path)" };
        format!("transposed {kh}x{kw}, {cin} -> {cout} channels, stride {}x{}{path}", stride[0], stride[1])
    }

    /// Bytes of packed weights.
    pub(crate) fn weight_bytes(&self) -> usize {
        let phases = self.phases.iter().flatten().map(DirectConv::weight_bytes).sum::<usize>();
        phases + self.weights.len() * size_of::<f32>()
    }

    /// Floats of scratch memory a call needs; `None` when that overflows.
    pub(crate) fn scratch_floats(&self, width: usize) -> Option<usize> {
        let mut phases = self.phases.iter().flatten();
        phases.try_fold(0, |most: usize, conv| Some(most.max(conv.scratch_floats(width)?)))
    }

    /// Input rows that some output rows are made of (an empty range at row zero where there are none).
    pub(crate) fn sources(&self, rows: Range<usize>, height: usize) -> Range<usize> {
        let TransposedShape { kernel, dilation, padding, stride, .. } = self.shape;
        let reach = (kernel[0] - 1) * dilation[0];
        let first = (rows.start + padding[0]).saturating_sub(reach).div_ceil(stride[0]);
        let end = ((rows.end - 1 + padding[0]) / stride[0] + 1).min(height);
        if first < end { first..end } else { 0..0 }
    }

    /// One output row.
    pub(crate) fn row(&self, isa: Isa, input: &Rows, output: &Rows, y: usize, scratch: &mut [f32]) {
        assert!(input.channels() == self.shape.cin && output.channels() == self.shape.cout);
        let Some(phases) = &self.phases else {
            dispatch(isa, TransposedRow { conv: self, input, output, y });
            return;
        };
        let [down, across] = self.shape.stride;
        for (column, conv) in phases[y % down * across..][..across].iter().enumerate() {
            if column < output.width() {
                let output = output.every_column(column, across);
                let call = ConvCall { input: *input, output, residuals: &[], gate: None, rows: y..y + 1 };
                for segment in 0..DirectConv::segments(output.width()) {
                    conv.run_as(isa, &call, [y / down, y], segment, scratch);
                }
            }
        }
    }

    /// The input place whose tap `tap` reaches an output place.
    fn source(&self, axis: usize, at: usize, tap: usize, size: usize) -> Option<usize> {
        let TransposedShape { dilation, padding, stride, .. } = self.shape;
        let at = (at + padding[axis]).checked_sub(tap * dilation[axis])?;
        (at.is_multiple_of(stride[axis]) && at / stride[axis] < size).then(|| at / stride[axis])
    }
}

struct TransposedRow<'a> {
    conv: &'a TransposedConv,
    input: &'a Rows,
    output: &'a Rows,
    y: usize,
}

impl Kernel for TransposedRow<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Self { conv, input, output, y } = self;
        let to = output.row(y);
        let TransposedShape { cin, cout, groups, kernel, .. } = conv.shape;
        let (per_group_in, per_group_out) = (cin / groups, cout / groups);
        for x in 0..to.width {
            // SAFETY: each row of a step belongs to one call.
            let to = unsafe { to.pixels_mut(x, 1) };
            to.copy_from_slice(&conv.bias);
            for ky in 0..kernel[0] {
                let Some(from_y) = conv.source(0, y, ky, input.height()) else { continue };
                let from = input.row(from_y);
                for kx in 0..kernel[1] {
                    let Some(from_x) = conv.source(1, x, kx, input.width()) else { continue };
                    // SAFETY: no thread writes the input of a running step.
                    let pixel = unsafe { from.pixels(from_x, 1) };
                    let weights = &conv.weights[(ky * kernel[1] + kx) * cin * per_group_out..];
                    for (i, (&v, weights)) in
                        pixel.iter().zip(weights.chunks_exact(per_group_out)).enumerate()
                    {
                        let first = i / per_group_in * per_group_out;
                        add_scaled(weights, v, &mut to[first..first + per_group_out]);
                    }
                }
            }
        }
    }
}
