//! Convolution, transposed convolution, matrix product.

use super::Value;
use crate::{Padding, WeightTensor};

/// How a kernel moves over a picture.
pub(super) struct Window {
    pub(super) stride: [usize; 2],
    pub(super) padding: Padding,
    pub(super) dilation: [usize; 2],
    pub(super) groups: usize,
}

/// Columns `x` of the output for which `x * stride + shift` lies within `0..width`.
fn inside(out_width: usize, width: usize, stride: usize, shift: i64) -> std::ops::Range<usize> {
    let stride = stride as i64;
    let first = (-shift).max(0).div_euclid(stride) + i64::from((-shift).max(0) % stride != 0);
    let last = (width as i64 - 1 - shift).div_euclid(stride) + 1;
    let last = last.clamp(0, out_width as i64);
    first.min(last) as usize..last as usize
}

pub(super) fn conv2d(
    x: &Value,
    kernel: &WeightTensor,
    bias: Option<&[f32]>,
    window: &Window,
    out: [usize; 4],
) -> Value {
    let (kh, kw) = (kernel.shape[2], kernel.shape[3]);
    let per_group_in = kernel.shape[1];
    let per_group_out = out[1] / window.groups;
    let [_, _, height, width] = x.shape;
    let mut data = Vec::with_capacity(out.iter().product());
    let mut sums = vec![0.0f64; out[2] * out[3]];
    for n in 0..out[0] {
        for oc in 0..out[1] {
            sums.fill(bias.map_or(0.0, |b| f64::from(b[oc])));
            let first_in = oc / per_group_out * per_group_in;
            for ic in 0..per_group_in {
                let plane = x.plane(n, first_in + ic);
                for ky in 0..kh {
                    let shift_y = (ky * window.dilation[0]) as i64 - window.padding.top as i64;
                    for kx in 0..kw {
                        let weight = f64::from(kernel.data[((oc * per_group_in + ic) * kh + ky) * kw + kx]);
                        let shift_x = (kx * window.dilation[1]) as i64 - window.padding.left as i64;
                        let columns = inside(out[3], width, window.stride[1], shift_x);
                        if columns.is_empty() {
                            continue;
                        }
                        let first_x = (columns.start * window.stride[1]) as i64 + shift_x;
                        for oy in inside(out[2], height, window.stride[0], shift_y) {
                            let iy = ((oy * window.stride[0]) as i64 + shift_y) as usize;
                            let row = &plane[iy * width..][..width][first_x as usize..];
                            let to = &mut sums[oy * out[3]..][..out[3]][columns.clone()];
                            if window.stride[1] == 1 {
                                for (sum, &v) in to.iter_mut().zip(row) {
                                    *sum += weight * f64::from(v);
                                }
                            } else {
                                for (sum, &v) in to.iter_mut().zip(row.iter().step_by(window.stride[1])) {
                                    *sum += weight * f64::from(v);
                                }
                            }
                        }
                    }
                }
            }
            data.extend(sums.iter().map(|&s| s as f32));
        }
    }
    Value { shape: out, data }
}

/// Every input value is spread over the output through the kernel.
pub(super) fn conv_transpose2d(
    x: &Value,
    kernel: &WeightTensor,
    bias: Option<&[f32]>,
    window: &Window,
    out: [usize; 4],
) -> Value {
    let (per_group_out, kh, kw) = (kernel.shape[1], kernel.shape[2], kernel.shape[3]);
    let per_group_in = x.shape[1] / window.groups;
    let [_, _, height, width] = x.shape;
    let mut data = Vec::with_capacity(out.iter().product());
    let mut sums = vec![0.0f64; out[2] * out[3]];
    for n in 0..out[0] {
        for oc in 0..out[1] {
            sums.fill(bias.map_or(0.0, |b| f64::from(b[oc])));
            let group = oc / per_group_out;
            for ic in group * per_group_in..(group + 1) * per_group_in {
                let plane = x.plane(n, ic);
                for ky in 0..kh {
                    for kx in 0..kw {
                        let weight =
                            kernel.data[((ic * per_group_out + oc % per_group_out) * kh + ky) * kw + kx];
                        let shift_y = (ky * window.dilation[0]) as i64 - window.padding.top as i64;
                        let shift_x = (kx * window.dilation[1]) as i64 - window.padding.left as i64;
                        for iy in inside(height, out[2], window.stride[0], shift_y) {
                            let oy = ((iy * window.stride[0]) as i64 + shift_y) as usize;
                            for ix in inside(width, out[3], window.stride[1], shift_x) {
                                let ox = ((ix * window.stride[1]) as i64 + shift_x) as usize;
                                sums[oy * out[3] + ox] +=
                                    f64::from(weight) * f64::from(plane[iy * width + ix]);
                            }
                        }
                    }
                }
            }
            data.extend(sums.iter().map(|&s| s as f32));
        }
    }
    Value { shape: out, data }
}

pub(super) fn linear(x: &Value, matrix: &[f32], bias: Option<&[f32]>, out: [usize; 4]) -> Value {
    let flat = x.shape[1] * x.shape[2] * x.shape[3];
    Value::generate(out, |n, c, _, _| {
        let row = &matrix[c * flat..][..flat];
        let picture = &x.data[n * flat..][..flat];
        let sum: f64 = row.iter().zip(picture).map(|(&w, &v)| f64::from(w) * f64::from(v)).sum();
        (sum + bias.map_or(0.0, |b| f64::from(b[c]))) as f32
    })
}
