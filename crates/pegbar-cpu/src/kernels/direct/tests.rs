//! Every level against plain sums in double precision.

use super::*;
use crate::CpuLevel;
use crate::kernels::epilogue::Activation;
use crate::memory::{Element, RowLayout, Rows};

fn noise(n: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    };
    (0..n).map(|_| next()).collect()
}

fn layout(channels: usize, height: usize, width: usize, gap: usize) -> RowLayout {
    let pixel_stride = channels + gap;
    RowLayout {
        element: Element::F32,
        offset: 0,
        first_channel: gap,
        slots: height,
        pixel_stride,
        row_stride: pixel_stride * width,
        height,
        width,
        channels,
    }
}

fn check(shape: ConvShape, height: usize, width: usize, gap: usize) {
    let ConvShape { cin, cout, groups, kernel: [kh, kw], stride, dilation, padding } = shape;
    let (per_in, per_out) = (cin / groups, cout / groups);
    let side = |n: usize, pad: usize, k: usize, d: usize, s: usize| (n + 2 * pad - (k - 1) * d - 1) / s + 1;
    let out_height = side(height, padding[0], kh, dilation[0], stride[0]);
    let out_width = side(width, padding[1], kw, dilation[1], stride[1]);
    let (input, weight) = (noise(cin * height * width, 1), noise(cout * per_in * kh * kw, 2));
    let (bias, slope) = (noise(cout, 3), noise(cout, 4));
    for level in CpuLevel::available() {
        let isa = Isa::new(level).expect("listed as available");
        let epilogue = Epilogue::new(&bias, Activation::Slope(slope.clone()));
        let conv = DirectConv::new(isa, &weight, shape, epilogue).expect("small");
        let (in_layout, out_layout) =
            (layout(cin, height, width, gap), layout(cout, out_height, out_width, gap));
        let mut from = AlignedBuffer::zeroed(in_layout.end().expect("small")).expect("small");
        from.as_mut_slice().fill(f32::NAN);
        for (i, &v) in input.iter().enumerate() {
            from.as_mut_slice()[gap + i / cin * in_layout.pixel_stride + i % cin] = v;
        }
        let mut to = AlignedBuffer::zeroed(out_layout.end().expect("small") + 16).expect("small");
        to.as_mut_slice().fill(-7.0);
        let mut scratch = vec![0.0; conv.scratch_floats(out_width).expect("small")];
        let call = ConvCall {
            input: Rows::new(&from, in_layout),
            output: Rows::new(&to, out_layout),
            residuals: &[],
            gate: None,
            rows: 0..out_height,
        };
        for y in 0..out_height {
            for segment in 0..DirectConv::segments(out_width) {
                conv.run(isa, &call, y, segment, &mut scratch);
            }
        }
        let mut written = 0;
        for y in 0..out_height {
            for x in 0..out_width {
                for o in 0..cout {
                    let mut sum = f64::from(bias[o]);
                    for i in 0..per_in {
                        for ky in 0..kh {
                            for kx in 0..kw {
                                let sy = (y * stride[0] + ky * dilation[0]).wrapping_sub(padding[0]);
                                let sx = (x * stride[1] + kx * dilation[1]).wrapping_sub(padding[1]);
                                if sy < height && sx < width {
                                    let v = input[(sy * width + sx) * cin + o / per_out * per_in + i];
                                    let w = weight[((o * per_in + i) * kh + ky) * kw + kx];
                                    sum += f64::from(v) * f64::from(w);
                                }
                            }
                        }
                    }
                    let expected = if sum < 0.0 { sum * f64::from(slope[o]) } else { sum } as f32;
                    let at = gap + (y * out_width + x) * out_layout.pixel_stride + o;
                    let result = to.as_slice()[at];
                    let tolerance = 1e-6 * ((per_in * kh * kw) as f32).sqrt().max(1.0);
                    assert!(
                        (result - expected).abs() < tolerance,
                        "{level} {shape:?}: {result}, plain sum {expected}"
                    );
                    written += 1;
                }
            }
        }
        let untouched = to.as_slice().iter().filter(|&&v| v == -7.0).count();
        assert_eq!(untouched, to.len() - written, "{level} {shape:?} wrote outside");
    }
}

#[test]
fn all_levels_agree_with_plain_sums() {
    let plain = ConvShape {
        cin: 3,
        cout: 64,
        groups: 1,
        kernel: [3, 3],
        stride: [1, 1],
        dilation: [1, 1],
        padding: [1, 1],
    };
    for (height, width) in [(1, 1), (2, 5), (6, 97), (3, 205)] {
        for gap in [0, 2] {
            check(plain, height, width, gap);
        }
        check(ConvShape { cin: 5, cout: 12, ..plain }, height, width, 1);
        check(ConvShape { cin: 40, cout: 33, kernel: [1, 1], padding: [0, 0], ..plain }, height, width, 0);
        check(ConvShape { cin: 6, cout: 50, kernel: [5, 4], padding: [2, 3], ..plain }, height, width, 3);
        check(
            ConvShape { cin: 4, cout: 7, stride: [2, 3], kernel: [4, 2], padding: [2, 1], ..plain },
            height,
            width,
            0,
        );
        check(ConvShape { cin: 8, cout: 9, dilation: [2, 3], padding: [2, 3], ..plain }, height, width, 0);
        check(ConvShape { cin: 12, cout: 54, groups: 3, ..plain }, height, width, 1);
        check(ConvShape { cin: 37, cout: 37, groups: 37, ..plain }, height, width, 0);
        for k in [1, 5, 7, 9, 11, 13, 17] {
            let depthwise = ConvShape { cin: 20, cout: 20, groups: 20, kernel: [k; 2], ..plain };
            check(ConvShape { padding: [k / 2; 2], ..depthwise }, height, width, 1);
        }
        check(
            ConvShape {
                cin: 16,
                cout: 16,
                groups: 16,
                stride: [2, 2],
                kernel: [5, 5],
                padding: [2, 2],
                ..plain
            },
            height,
            width,
            1,
        );
    }
}

/// A 1x1 convolution by integers of one row, in every instruction set, against plain sums: the largest error, in parts of the largest
/// magnitude that sums could have.
fn error_of_integers(cin: usize, cout: usize, width: usize, input: &[f32], weight: &[f32]) -> f64 {
    let shape =
        ConvShape { cin, cout, groups: 1, kernel: [1, 1], stride: [1, 1], dilation: [1, 1], padding: [0, 0] };
    let bias = noise(cout, 3);
    let mut worst = 0.0f64;
    for isa in CpuLevel::available().into_iter().flat_map(Isa::all) {
        let epilogue = Epilogue::new(&bias, Activation::Linear);
        let conv = DirectConv::with_integers(isa, weight, shape, epilogue).expect("small");
        assert!(conv.has_integers());
        let (in_layout, out_layout) = (layout(cin, 1, width, 3), layout(cout, 1, width, 0));
        let mut from = AlignedBuffer::zeroed(in_layout.end().expect("small")).expect("small");
        from.as_mut_slice().fill(f32::NAN);
        for (i, &v) in input.iter().enumerate() {
            from.as_mut_slice()[3 + i / cin * in_layout.pixel_stride + i % cin] = v;
        }
        let to = AlignedBuffer::zeroed(out_layout.end().expect("small")).expect("small");
        let mut scratch = vec![0.0; conv.scratch_floats(width).expect("small")];
        let call = ConvCall {
            input: Rows::new(&from, in_layout),
            output: Rows::new(&to, out_layout),
            residuals: &[],
            gate: None,
            rows: 0..1,
        };
        let mut read = 0f32;
        for segment in 0..DirectConv::segments(width) {
            read = read.max(conv.run(isa, &call, 0, segment, &mut scratch).read);
        }
        let largest = input.iter().fold(0f32, |most, v| most.max(v.abs()));
        assert_eq!(read, largest, "{}", isa.name());
        for x in 0..width {
            for o in 0..cout {
                let terms =
                    || (0..cin).map(|i| (f64::from(input[x * cin + i]), f64::from(weight[o * cin + i])));
                let expected = f64::from(bias[o]) + terms().map(|(v, w)| v * w).sum::<f64>();
                let bound = f64::from(largest) * terms().map(|(_, w)| w.abs()).sum::<f64>();
                let error = (f64::from(to.as_slice()[x * cout + o]) - expected).abs();
                worst = worst.max(error / bound);
            }
        }
    }
    worst
}

#[test]
fn products_of_integers_agree_with_plain_sums() {
    for (cin, cout, width) in
        [(12, 12, 1), (60, 180, 97), (120, 60, 6), (33, 40, 20), (64, 16, 200), (17, 49, 5)]
    {
        let (input, weight) = (noise(cin * width, 1), noise(cin * cout, 2));
        let error = error_of_integers(cin, cout, width, &input, &weight);
        assert!(error < 3e-4, "{cin} -> {cout}: {error}");
        assert!(error > 1e-9, "floats, not integers: {cin} -> {cout}: {error}");
    }
}

#[test]
fn the_largest_sums_of_integers_do_not_overflow() {
    for cin in [12, 60, 250, 500] {
        let input: Vec<f32> = (0..cin * 7).map(|i| if i / cin % 2 == 0 { 3.0 } else { -3.0 }).collect();
        let error = error_of_integers(cin, 16, 7, &input, &vec![0.25; cin * 16]);
        // All weights round alike, so their errors add up; a sum that wraps around would be off by more than all of it.
        assert!(error < 1e-2, "{cin}: {error}");
    }
}

#[test]
fn weights_that_rounding_would_swallow_stay_floats() {
    let shape = ConvShape {
        cin: 64,
        cout: 16,
        groups: 1,
        kernel: [1, 1],
        stride: [1, 1],
        dilation: [1, 1],
        padding: [0, 0],
    };
    let isa = Isa::new(CpuLevel::Scalar).expect("always there");
    let make = |weight: &[f32]| {
        let epilogue = Epilogue::new(&[0.0; 16], Activation::Linear);
        DirectConv::with_integers(isa, weight, shape, epilogue).expect("small").has_integers()
    };
    let mut weight = noise(64 * 16, 2);
    assert!(make(&weight));
    weight[5] = f32::NAN;
    assert!(!make(&weight));
}
