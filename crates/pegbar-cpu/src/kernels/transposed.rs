//! Transposed convolution: every output row gathers the input rows whose kernel reaches it.
#![allow(unsafe_code, reason = "reads and writes rows of working memory")]

use super::resize::add_scaled;
use crate::memory::Rows;
use crate::simd::{Isa, Kernel, Simd, dispatch};
use std::ops::Range;

/// A compiled transposed convolution.
#[derive(Debug)]
pub(crate) struct TransposedConv {
    cin: usize,
    cout: usize,
    groups: usize,
    kernel: [usize; 2],
    stride: [usize; 2],
    dilation: [usize; 2],
    /// Cut above and left.
    padding: [usize; 2],
    /// `[ky][kx][cin][cout / groups]`.
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
    pub(crate) padding: [usize; 2],
}

impl TransposedConv {
    /// `weight` is `[cin][cout / groups][kh][kw]`.
    pub(crate) fn new(shape: TransposedShape, weight: &[f32], bias: Vec<f32>) -> Self {
        let TransposedShape { cin, cout, groups, kernel, stride, dilation, padding } = shape;
        let (per_group, taps) = (cout / groups, kernel[0] * kernel[1]);
        assert!(weight.len() == cin * per_group * taps && bias.len() == cout);
        let mut weights = vec![0.0; weight.len()];
        for (i, of_input) in weight.chunks_exact(per_group * taps).enumerate() {
            for (o, kernel) in of_input.chunks_exact(taps).enumerate() {
                for (tap, &w) in kernel.iter().enumerate() {
                    weights[(tap * cin + i) * per_group + o] = w;
                }
            }
        }
        Self { cin, cout, groups, kernel, stride, dilation, padding, weights, bias }
    }

    pub(crate) fn describe(&self) -> String {
        let Self { kernel: [kh, kw], cin, cout, .. } = self;
        format!("transposed {kh}x{kw}, {cin} -> {cout} channels (general path)")
    }

    /// Input rows that some output rows are made of (an empty range at row zero where there are none).
    pub(crate) fn sources(&self, rows: Range<usize>, height: usize) -> Range<usize> {
        let reach = (self.kernel[0] - 1) * self.dilation[0];
        let first = (rows.start + self.padding[0]).saturating_sub(reach).div_ceil(self.stride[0]);
        let end = ((rows.end - 1 + self.padding[0]) / self.stride[0] + 1).min(height);
        if first < end { first..end } else { 0..0 }
    }

    /// One output row.
    pub(crate) fn row(&self, isa: Isa, input: &Rows, output: &Rows, y: usize) {
        assert!(input.channels() == self.cin && output.channels() == self.cout);
        dispatch(isa, TransposedRow { conv: self, input, output, y });
    }

    /// The input place whose tap `tap` reaches an output place.
    fn source(&self, axis: usize, at: usize, tap: usize, size: usize) -> Option<usize> {
        let at = (at + self.padding[axis]).checked_sub(tap * self.dilation[axis])?;
        (at.is_multiple_of(self.stride[axis]) && at / self.stride[axis] < size)
            .then(|| at / self.stride[axis])
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
        let (per_group_in, per_group_out) = (conv.cin / conv.groups, conv.cout / conv.groups);
        for x in 0..to.width {
            // SAFETY: each row of a step belongs to one call.
            let to = unsafe { to.pixels_mut(x, 1) };
            to.copy_from_slice(&conv.bias);
            for ky in 0..conv.kernel[0] {
                let Some(from_y) = conv.source(0, y, ky, input.height()) else { continue };
                let from = input.row(from_y);
                for kx in 0..conv.kernel[1] {
                    let Some(from_x) = conv.source(1, x, kx, input.width()) else { continue };
                    // SAFETY: no thread writes the input of a running step.
                    let pixel = unsafe { from.pixels(from_x, 1) };
                    let weights = &conv.weights[(ky * conv.kernel[1] + kx) * conv.cin * per_group_out..];
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
