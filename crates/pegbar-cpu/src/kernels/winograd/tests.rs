//! Every level against plain sums in double precision, and against the scalar twin.

use super::*;
use crate::CpuLevel;
use crate::kernels::epilogue::Activation;
use crate::memory::RowLayout;

fn noise(n: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    };
    (0..n).map(|_| next()).collect()
}

struct Case {
    cin: usize,
    cout: usize,
    height: usize,
    width: usize,
    padding: [usize; 2],
    /// Channel of a wider buffer at which input and output begin.
    first_channel: usize,
}

/// A buffer of `height` rows whose pixels are wider than the channels looked at.
fn layout(channels: usize, height: usize, width: usize, first_channel: usize) -> RowLayout {
    let pixel_stride = first_channel + channels + 3;
    RowLayout {
        offset: first_channel,
        slots: height,
        pixel_stride,
        row_stride: pixel_stride * width + 5,
        height,
        width,
        channels,
    }
}

fn expected(
    case: &Case,
    out: [usize; 2],
    input: &[f32],
    weight: &[f32],
    bias: &[f32],
    slope: &[f32],
) -> Vec<f32> {
    let mut result = vec![];
    for y in 0..out[0] {
        for x in 0..out[1] {
            for o in 0..case.cout {
                let mut sum = f64::from(bias[o]);
                for i in 0..case.cin {
                    for ky in 0..3 {
                        for kx in 0..3 {
                            let (sy, sx) = (
                                (y + ky).wrapping_sub(case.padding[0]),
                                (x + kx).wrapping_sub(case.padding[1]),
                            );
                            if sy < case.height && sx < case.width {
                                let v = input[(sy * case.width + sx) * case.cin + i];
                                sum += f64::from(v) * f64::from(weight[(o * case.cin + i) * 9 + ky * 3 + kx]);
                            }
                        }
                    }
                }
                result.push(if sum < 0.0 { sum * f64::from(slope[o]) } else { sum } as f32);
            }
        }
    }
    result
}

/// Runs a case in calls of some rows and chunks of some tiles, and checks that nothing else was written.
fn run(level: CpuLevel, case: &Case, input: &[f32], weight: &[f32], bias: &[f32], slope: &[f32]) -> Vec<f32> {
    let isa = Isa::new(level).expect("listed as available");
    let epilogue = Epilogue::new(bias, Activation::Slope(slope.to_vec()));
    let conv = WinogradConv::new(isa, weight, case.cin, case.cout, case.padding, epilogue).expect("small");
    let (out_height, out_width) =
        (case.height + 2 * case.padding[0] - 2, case.width + 2 * case.padding[1] - 2);
    let in_layout = layout(case.cin, case.height, case.width, case.first_channel);
    let out_layout = layout(case.cout, out_height, out_width, case.first_channel);
    let mut from = AlignedBuffer::zeroed(in_layout.end().expect("small")).expect("small");
    from.as_mut_slice().fill(f32::NAN);
    for (i, &v) in input.iter().enumerate() {
        let (pixel, c) = (i / case.cin, i % case.cin);
        let (y, x) = (pixel / case.width, pixel % case.width);
        let at = in_layout.offset + y * in_layout.row_stride + x * in_layout.pixel_stride + c;
        from.as_mut_slice()[at] = v;
    }
    let mut to = AlignedBuffer::zeroed(out_layout.end().expect("small") + 16).expect("small");
    to.as_mut_slice().fill(-7.0);
    let mut scratch = vec![0.0; conv.scratch_floats()];
    let mut start = 0;
    for n_rows in [3, 4, 9].into_iter().cycle() {
        let rows = start..(start + n_rows).min(out_height);
        let call = ConvCall {
            input: Rows::new(&from, in_layout),
            output: Rows::new(&to, out_layout),
            residuals: &[],
            rows: rows.clone(),
        };
        let tiles = WinogradConv::tiles(rows.len(), out_width);
        let chunk = conv.chunk_tiles(tiles, 2);
        for first in (0..tiles).step_by(chunk) {
            conv.run(isa, &call, first..(first + chunk).min(tiles), &mut scratch);
        }
        start = rows.end;
        if start == out_height {
            break;
        }
    }
    let mut result = vec![];
    let mut untouched = to.len();
    for y in 0..out_height {
        for x in 0..out_width {
            let at = out_layout.offset + y * out_layout.row_stride + x * out_layout.pixel_stride;
            result.extend_from_slice(&to.as_slice()[at..at + case.cout]);
            untouched -= case.cout;
        }
    }
    assert_eq!(to.as_slice().iter().filter(|&&v| v == -7.0).count(), untouched, "{level} wrote outside");
    result
}

#[test]
fn all_levels_agree_with_plain_sums() {
    let sizes = [(1, 1), (1, 9), (4, 4), (5, 3), (7, 13), (18, 31)];
    let channels = [(16, 16), (17, 3), (24, 24), (33, 48), (64, 64), (20, 70), (48, 130), (16, 12)];
    for (i, (cin, cout)) in channels.into_iter().enumerate() {
        for (j, (height, width)) in sizes.into_iter().enumerate() {
            let padding = if (i + j) % 3 == 2 { [2, 1] } else { [1, 1] };
            let case = Case { cin, cout, height, width, padding, first_channel: (i + j) % 4 };
            let input = noise(cin * height * width, 1);
            let weight = noise(cin * cout * 9, 2);
            let (bias, slope) = (noise(cout, 3), noise(cout, 4));
            let out = [height + 2 * padding[0] - 2, width + 2 * padding[1] - 2];
            let expected = expected(&case, out, &input, &weight, &bias, &slope);
            let scale = (cin as f32).sqrt();
            let twin = run(CpuLevel::Scalar, &case, &input, &weight, &bias, &slope);
            for level in CpuLevel::available() {
                let result = run(level, &case, &input, &weight, &bias, &slope);
                for ((&y, &e), &t) in result.iter().zip(&expected).zip(&twin) {
                    let what = format!("{level} {cin} -> {cout}, {width}x{height}");
                    assert!((y - e).abs() < 2e-6 * scale, "{what}: {y}, plain sum {e}");
                    assert!((y - t).abs() < 2e-6 * scale, "{what}: {y}, scalar twin {t}");
                }
            }
        }
    }
}

#[test]
fn chunks_share_the_work_evenly() {
    let isa = Isa::new(CpuLevel::Scalar).expect("always there");
    let epilogue = Epilogue::new(&[0.0; 64], Activation::Linear);
    let conv = WinogradConv::new(isa, &vec![0.0; 64 * 64 * 9], 64, 64, [1, 1], epilogue).expect("small");
    for threads in 1..9 {
        for tiles in [1, 7, 24, 100, 360] {
            let chunk = conv.chunk_tiles(tiles, threads);
            assert!(chunk > 0 && chunk <= conv.max_chunk_tiles);
            let rounds = tiles.div_ceil(chunk).div_ceil(threads);
            assert!(rounds * chunk <= tiles.div_ceil(threads) + conv.max_chunk_tiles, "{tiles} by {threads}");
        }
    }
}
