//! Every level against plain sums in double precision.

use super::*;
use crate::CpuLevel;
use crate::kernels::epilogue::{Activation, Residual};
use crate::memory::{RowLayout, Rows};
use half::f16;

fn noise(n: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    };
    (0..n).map(|_| next()).collect()
}

fn layout(element: Element, [channels, height, width]: [usize; 3], gap: usize) -> RowLayout {
    let pixel_stride = channels + gap;
    let row_stride = (pixel_stride * width * element.bytes()).div_ceil(4);
    let (offset, first_channel, slots) = (0, gap, height);
    RowLayout { element, offset, first_channel, slots, pixel_stride, row_stride, height, width, channels }
}

/// A value in memory of its own, each with `gap` channels of something else before it.
struct Value {
    memory: AlignedBuffer,
    layout: RowLayout,
}

const ELSE: f32 = -7.0;

impl Value {
    fn new(element: Element, shape: [usize; 3], gap: usize) -> Self {
        let layout = layout(element, shape, gap);
        let mut memory = AlignedBuffer::zeroed(layout.end().expect("small") + 16).expect("small");
        let filling = match element {
            Element::F32 => ELSE,
            Element::F16 => {
                let bits = u32::from(f16::from_f32(ELSE).to_bits());
                f32::from_bits(bits << 16 | bits)
            }
        };
        memory.as_mut_slice().fill(filling);
        Self { memory, layout }
    }

    fn rows(&self) -> Rows {
        Rows::new(&self.memory, self.layout)
    }

    /// Element `i` of a row from its start on.
    fn get(&self, y: usize, i: usize) -> f32 {
        let row = &self.memory.as_slice()[y * self.layout.row_stride..];
        match self.layout.element {
            Element::F32 => row[i],
            Element::F16 => f16::from_bits((row[i / 2].to_bits() >> (16 * (i % 2))) as u16).to_f32(),
        }
    }

    /// Sets a channel, and gives what can be read back.
    #[allow(unsafe_code, reason = "nobody else holds the memory")]
    fn set(&mut self, [y, x, c]: [usize; 3], v: f32) -> f32 {
        let row = self.rows().row(y);
        // SAFETY: the channel is one of the pixel, and nobody else holds the memory.
        unsafe {
            match self.layout.element {
                Element::F32 => row.stored_at::<Single>(x).add(c).write(v),
                Element::F16 => row.stored_at::<Half>(x).add(c).write(f16::from_f32(v).to_bits()),
            }
        }
        self.get(y, x * self.layout.pixel_stride + self.layout.first_channel + c)
    }
}

/// What is tested beside the sizes.
#[derive(Debug, Clone, Copy)]
struct How {
    side: usize,
    elements: [Element; 2],
    gap: usize,
    /// Rows that a call makes.
    rows: usize,
    /// Pairs that a strip is wide.
    strip: usize,
}

fn check(shape: ConvShape, [height, width]: [usize; 2], how: How) {
    let ConvShape { cin, cout, groups, kernel: [kh, kw], padding, .. } = shape;
    let (per_in, per_out) = (cin / groups, cout / groups);
    // As much beyond bottom and right as above and left.
    let out = [height + 2 * padding[0] + 1 - kh, width + 2 * padding[1] + 1 - kw];
    let [from_element, to_element] = how.elements;
    let (picture, weight) = (noise(cin * height * width, 1), noise(cout * per_in * kh * kw, 2));
    let (bias, slope, added) = (noise(cout, 3), noise(cout, 4), noise(cout * out[0] * out[1], 5));
    for level in CpuLevel::available() {
        let isa = Isa::new(level).expect("listed as available");
        let epilogue = Epilogue::new(&bias, Activation::Slope(slope.clone()));
        let conv = FourierConv::new(isa, how.side, &weight, shape, epilogue).expect("small");
        let mut from = Value::new(from_element, [cin, height, width], how.gap);
        let mut input = vec![0.0; picture.len()];
        for (i, v) in input.iter_mut().enumerate() {
            *v = from.set([i / cin / width, i / cin % width, i % cin], picture[i]);
        }
        let mut residual = Value::new(Element::F32, [cout, out[0], out[1]], 0);
        for (i, &v) in added.iter().enumerate() {
            residual.set([i / cout / out[1], i / cout % out[1], i % cout], v);
        }
        let to = Value::new(to_element, [cout, out[0], out[1]], how.gap);
        let mut scratch = vec![f32::NAN; conv.scratch_floats()];
        let residuals = [Residual { rows: residual.rows(), scale: 0.5 }];
        let mut most = 0f32;
        for first in (0..out[0]).step_by(how.rows) {
            let rows = first..(first + how.rows).min(out[0]);
            let n_rows = rows.len();
            let (input, output) = (from.rows(), to.rows());
            let call = ConvCall { input, output, residuals: &residuals, gate: None, rows };
            let across = out[1].div_ceil(conv.pair_columns());
            for left in (0..across).step_by(how.strip) {
                for pairs in conv.chunks(n_rows, left..(left + how.strip).min(across)) {
                    most = most.max(conv.run(&call, &pairs, &mut scratch));
                }
            }
        }
        if from_element == Element::F16 {
            assert_eq!(most, input.iter().fold(0.0, |most: f32, v| most.max(v.abs())), "{level} {shape:?}");
        }
        let tolerance = 1e-6 * ((per_in * kh * kw) as f32).sqrt().max(1.0);
        // Half a unit in the last place of eleven bits.
        let rounding = if to_element == Element::F16 { 1.0 / 2048.0 } else { 0.0 };
        for y in 0..out[0] {
            for x in 0..out[1] {
                for o in 0..cout {
                    let mut sum = f64::from(bias[o]);
                    for i in 0..per_in {
                        let channel = o / per_out * per_in + i;
                        let kernel = &weight[(o * per_in + i) * kh * kw..][..kh * kw];
                        for ky in 0..kh {
                            let sy = (y + ky).wrapping_sub(padding[0]);
                            for kx in 0..kw {
                                let sx = (x + kx).wrapping_sub(padding[1]);
                                if sy < height && sx < width {
                                    let v = f64::from(input[(sy * width + sx) * cin + channel]);
                                    sum += v * f64::from(kernel[ky * kw + kx]);
                                }
                            }
                        }
                    }
                    let bent = if sum < 0.0 { sum * f64::from(slope[o]) } else { sum };
                    let expected = bent as f32 + 0.5 * added[(y * out[1] + x) * cout + o];
                    let result = to.get(y, x * to.layout.pixel_stride + how.gap + o);
                    assert!(
                        (result - expected).abs() < tolerance + rounding * expected.abs(),
                        "{level} {shape:?} {how:?} at {x}, {y}, {o}: {result}, plain sum {expected}"
                    );
                }
            }
        }
        let gaps = (0..out[0]).flat_map(|y| (0..out[1]).map(move |x| (y, x * to.layout.pixel_stride)));
        let is_untouched = gaps.flat_map(|(y, at)| (0..how.gap).map(move |i| (y, at + i)));
        assert!(is_untouched.clone().all(|(y, i)| to.get(y, i) == ELSE), "{level} {shape:?} wrote outside");
    }
}

fn conv(cin: usize, cout: usize, kernel: [usize; 2]) -> ConvShape {
    let padding = kernel.map(|k| k / 2);
    ConvShape { cin, cout, groups: 1, kernel, stride: [1, 1], dilation: [1, 1], padding }
}

#[test]
fn all_levels_agree_with_plain_sums() {
    let floats = How { side: 32, elements: [Element::F32; 2], gap: 0, rows: 16, strip: 1 };
    // Smaller than the kernel, of one tile, of some and a rest.
    for size in [[1, 1], [5, 3], [16, 32], [19, 70]] {
        check(conv(16, 16, [17, 17]), size, floats);
        check(conv(5, 7, [9, 9]), size, How { gap: 3, rows: 24, strip: 2, ..floats });
    }
    check(conv(19, 35, [13, 13]), [23, 45], How { gap: 1, rows: 20, strip: 3, ..floats });
    check(conv(3, 20, [5, 11]), [40, 50], How { rows: 28, ..floats });
    check(conv(2, 2, [31, 31]), [7, 9], floats);
    check(conv(4, 3, [7, 7]), [90, 70], How { rows: 48, ..floats });
}

#[test]
fn large_transforms_agree_with_plain_sums() {
    let floats = How { side: 64, elements: [Element::F32; 2], gap: 2, rows: 36, strip: 1 };
    check(conv(3, 5, [29, 27]), [50, 85], floats);
    check(conv(17, 4, [33, 33]), [11, 70], floats);
}

#[test]
fn depthwise_kernels_agree_with_plain_sums() {
    let floats = How { side: 32, elements: [Element::F32; 2], gap: 1, rows: 16, strip: 2 };
    for channels in [2, 16, 37] {
        check(ConvShape { groups: channels, ..conv(channels, channels, [17, 17]) }, [21, 75], floats);
    }
    let halves = How { elements: [Element::F16; 2], ..floats };
    check(ConvShape { groups: 20, ..conv(20, 20, [13, 13]) }, [21, 75], halves);
}

#[test]
fn halves_are_read_and_written() {
    for elements in [[Element::F16, Element::F16], [Element::F16, Element::F32], [Element::F32, Element::F16]]
    {
        let how = How { side: 32, elements, gap: 4, rows: 16, strip: 1 };
        check(conv(16, 16, [17, 17]), [17, 41], how);
        check(conv(18, 5, [9, 9]), [17, 81], how);
    }
}

#[test]
fn padding_may_differ_from_half_the_kernel() {
    let floats = How { side: 32, elements: [Element::F32; 2], gap: 0, rows: 16, strip: 1 };
    check(ConvShape { padding: [0, 0], ..conv(4, 4, [17, 17]) }, [40, 50], floats);
    check(ConvShape { padding: [16, 3], ..conv(4, 4, [17, 17]) }, [9, 50], floats);
}

#[test]
fn what_is_no_number_is_reported() {
    for bad in [f32::NAN, f32::INFINITY] {
        for level in CpuLevel::available() {
            let isa = Isa::new(level).expect("listed as available");
            let shape = conv(16, 16, [17, 17]);
            let epilogue = Epilogue::new(&[0.0; 16], Activation::Linear);
            let conv = FourierConv::new(isa, 32, &vec![0.1; 16 * 16 * 289], shape, epilogue).expect("small");
            let mut from = Value::new(Element::F16, [16, 20, 50], 0);
            from.set([13, 47, 9], bad);
            let to = Value::new(Element::F32, [16, 20, 50], 0);
            let (input, output) = (from.rows(), to.rows());
            let call = ConvCall { input, output, residuals: &[], gate: None, rows: 0..20 };
            let mut scratch = vec![0.0; conv.scratch_floats()];
            let most = conv.chunks(20, 0..2).map(|pairs| conv.run(&call, &pairs, &mut scratch));
            assert_eq!(most.fold(0.0, f32::max), f32::INFINITY, "{level} {bad}");
        }
    }
}

#[test]
fn large_kernels_take_transforms_and_small_ones_do_not() {
    for level in CpuLevel::available() {
        let isa = Isa::new(level).expect("listed as available");
        for k in [9, 13, 17, 31] {
            let dense = conv(16, 16, [k, k]);
            assert!(FourierConv::side_for(isa, &dense).is_some(), "{level} {k}");
            let depthwise = ConvShape { groups: 16, ..dense };
            assert_eq!(FourierConv::side_for(isa, &depthwise).is_some(), k > 10, "{level} {k}");
        }
        // Nothing but a large transform has room for it.
        assert_eq!(FourierConv::side_for(isa, &conv(16, 16, [41, 41])), Some(64), "{level}");
        // It would take too much memory.
        assert_eq!(FourierConv::side_for(isa, &conv(64, 64, [13, 13])), Some(32), "{level}");
        assert_eq!(FourierConv::side_for(isa, &conv(16, 16, [65, 65])), None, "{level}");
        assert_eq!(FourierConv::side_for(isa, &conv(64, 64, [1, 1])), None);
        assert_eq!(FourierConv::side_for(isa, &conv(3, 8, [3, 3])), None);
        let strided = ConvShape { stride: [2, 2], ..conv(16, 16, [17, 17]) };
        assert_eq!(FourierConv::side_for(isa, &strided), None);
    }
}
