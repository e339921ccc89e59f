//! Blocks of neighbouring pixels by vectors of output channels.
#![allow(unsafe_code, reason = "vector loads and stores at computed addresses")]

use super::{Line, Segment};
use crate::kernels::epilogue::bend;
use crate::memory::Element;
use crate::simd::{Geometry, Half, Kernel, Simd, Stored, max_of_lanes};
use std::marker::PhantomData;

/// Vectors of output channels that are computed together.
pub(super) fn panel_vectors(geometry: Geometry, cout: usize) -> usize {
    let all = cout.div_ceil(geometry.lanes);
    if geometry.registers >= 32 { all.min(4) } else { all.min(2) }
}

/// The general convolution, to results of an element. Returns as [`store`], of all of them.
pub(super) struct Blocks<'a, O>(pub(super) Segment<'a>, pub(super) PhantomData<O>);

impl<O: Stored> Kernel for Blocks<'_, O> {
    type Output = f32;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f32 {
        let segment = self.0;
        let conv = segment.conv;
        assert_eq!(conv.geometry, Geometry { lanes: S::LANES, registers: S::REGISTERS });
        let shape = conv.shape;
        let (cin, cout) = (shape.cin_per_group(), shape.cout_per_group());
        let taps = shape.kernel[0] * shape.kernel[1];
        let all_vectors = cout.div_ceil(S::LANES);
        let panel = panel_vectors(conv.geometry, cout);
        let group_floats = taps * cin * all_vectors * S::LANES;
        assert!(conv.weights.len() >= shape.groups * group_floats);
        let mut most = s.splat(0.0);
        for group in 0..shape.groups {
            let mut vector = 0;
            while vector < all_vectors {
                let vectors = panel.min(all_vectors - vector);
                let task = Panel {
                    weights: conv.weights.as_slice()[group * group_floats + vector * S::LANES * taps * cin..]
                        .as_ptr(),
                    first_input: group * cin,
                    first_output: group * cout + vector * S::LANES,
                    n_outputs: (cout - vector * S::LANES).min(vectors * S::LANES),
                };
                if S::REGISTERS >= 32 {
                    match vectors {
                        1 => row::<S, O, 14, 1>(s, &segment, &task, &mut most),
                        2 => row::<S, O, 12, 2>(s, &segment, &task, &mut most),
                        3 => row::<S, O, 8, 3>(s, &segment, &task, &mut most),
                        _ => row::<S, O, 6, 4>(s, &segment, &task, &mut most),
                    }
                } else {
                    match vectors {
                        1 => row::<S, O, 12, 1>(s, &segment, &task, &mut most),
                        _ => row::<S, O, 6, 2>(s, &segment, &task, &mut most),
                    }
                }
                vector += vectors;
            }
        }
        max_of_lanes(s, most)
    }
}

/// Some output channels of a group.
pub(super) struct Panel {
    pub(super) weights: *const f32,
    pub(super) first_input: usize,
    pub(super) first_output: usize,
    pub(super) n_outputs: usize,
}

/// All pixels of a segment: whole blocks, then ever smaller ones.
#[inline(always)]
fn row<S: Simd, O: Stored, const PIXELS: usize, const VECTORS: usize>(
    s: S,
    segment: &Segment<'_>,
    panel: &Panel,
    most: &mut S::V,
) {
    let n = segment.columns.len();
    let mut x = 0;
    while x + PIXELS <= n {
        block::<S, O, PIXELS, VECTORS>(s, segment, panel, x, most);
        x += PIXELS;
    }
    while x + 4 <= n {
        block::<S, O, 4, VECTORS>(s, segment, panel, x, most);
        x += 4;
    }
    while x < n {
        block::<S, O, 1, VECTORS>(s, segment, panel, x, most);
        x += 1;
    }
}

#[inline(always)]
fn block<S: Simd, O: Stored, const PIXELS: usize, const VECTORS: usize>(
    s: S,
    segment: &Segment<'_>,
    panel: &Panel,
    x: usize,
    most: &mut S::V,
) {
    let shape = &segment.conv.shape;
    let cin = shape.cin_per_group();
    let (kw, step, spacing) = (shape.kernel[1], shape.stride[1], shape.dilation[1]);
    assert!(x + PIXELS <= segment.columns.len());
    assert!(panel.first_input + cin <= shape.cin && panel.first_output + panel.n_outputs <= shape.cout);
    assert!(panel.n_outputs > (VECTORS - 1) * S::LANES && panel.n_outputs <= VECTORS * S::LANES);

    let epilogue = &segment.conv.epilogue;
    let mut sums = [[s.splat(0.0); PIXELS]; VECTORS];
    for (j, sums) in sums.iter_mut().enumerate() {
        *sums = [epilogue.bias(s, panel.first_output + j * S::LANES); PIXELS];
    }
    for line in segment.lines {
        let Line { tap, start, pixel_stride } = *line;
        // Neighbouring taps of a packed row are one run of floats.
        let merged = spacing == 1 && pixel_stride == cin;
        let (runs, length) = if merged { (1, kw * cin) } else { (kw, cin) };
        for run in 0..runs {
            // SAFETY: the line covers the input columns of the whole segment, `reach(n)` of them; pixel x + PIXELS - 1
            // with the last tap ends at `reach(x + PIXELS)` at most, and the channels of the group are within `cin`
            // of the shape as asserted. The panel's weights hold kh * kw * cin vectors.
            unsafe {
                let from = start.add((x * step + run * spacing) * pixel_stride + panel.first_input);
                let weights = panel.weights.add((tap * kw + run) * cin * VECTORS * S::LANES);
                for k in 0..length {
                    let mut w = [s.splat(0.0); VECTORS];
                    for (j, w) in w.iter_mut().enumerate() {
                        *w = s.load(weights.add((k * VECTORS + j) * S::LANES));
                    }
                    #[allow(clippy::needless_range_loop, reason = "the sums are walked across")]
                    for p in 0..PIXELS {
                        let value = s.splat(from.add(p * step * pixel_stride + k).read());
                        for j in 0..VECTORS {
                            sums[j][p] = s.mul_add(value, w[j], sums[j][p]);
                        }
                    }
                }
            }
        }
    }
    // In a copy, so that the sums themselves are only ever named by constants and stay in registers; otherwise each product
    // above is stored as well.
    let done = sums;
    store::<S, O, PIXELS, VECTORS>(s, segment, panel, x, done, most);
}

/// What follows the sums of products and bias: slopes, residual sums, the store. Where half floats are stored, `most` is raised to
/// their magnitudes.
#[inline(always)]
pub(super) fn store<S: Simd, O: Stored, const PIXELS: usize, const VECTORS: usize>(
    s: S,
    segment: &Segment<'_>,
    panel: &Panel,
    x: usize,
    mut done: [[S::V; PIXELS]; VECTORS],
    most: &mut S::V,
) {
    let shape = &segment.conv.shape;
    let epilogue = &segment.conv.epilogue;
    let call = segment.call;
    let output = call.output.row(segment.y);
    for (j, sums) in done.iter_mut().enumerate() {
        let channel = panel.first_output + j * S::LANES;
        let n = S::LANES.min(panel.n_outputs - j * S::LANES);
        let slope = epilogue.slope(s, channel);
        for sum in &mut *sums {
            *sum = bend(s, *sum, slope);
        }
        for residual in call.residuals {
            assert_eq!(residual.rows.channels(), shape.cout);
            let row = residual.rows.row(segment.y);
            let scale = s.splat(residual.scale);
            for (p, sum) in sums.iter_mut().enumerate() {
                // SAFETY: the pixel is in the row (`at` asserts it), and n channels from `channel` on are within
                // `cout`; no thread writes an input of a running step.
                let add = unsafe {
                    let column = segment.columns.start + x + p;
                    match row.element {
                        Element::F32 => s.load_first(row.at(column).add(channel), n),
                        Element::F16 => s.load_half_first(row.stored_at::<Half>(column).add(channel), n),
                    }
                };
                *sum = s.mul_add(scale, add, *sum);
            }
        }
        for (p, &mut sum) in sums.iter_mut().enumerate() {
            raise::<S, O>(s, most, sum, n);
            // SAFETY: the pixel is in the row (`at` asserts it), and n channels from `channel` on are within `cout`;
            // each segment of a step belongs to one call.
            unsafe {
                let to = output.stored_at::<O>(segment.columns.start + x + p).add(channel);
                if n == S::LANES { O::store(s, to, sum) } else { O::store_first(s, to, sum, n) }
            }
        }
    }
}

/// Raises `most` to the magnitudes of what is stored as half floats; values that are no numbers are left out. Lanes from `n` on
/// hold what is not stored: nothing but zeros.
#[inline(always)]
pub(super) fn raise<S: Simd, O: Stored>(s: S, most: &mut S::V, v: S::V, n: usize) {
    if O::ELEMENT == Element::F16 && n > 0 {
        *most = s.max(s.max(v, s.sub(s.splat(0.0), v)), *most);
    }
}
