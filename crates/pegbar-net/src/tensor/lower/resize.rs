//! Interpolation.

use super::super::attributes::{Call, axis_of};
use super::super::program::ValueId;
use super::super::{ElementKind, Kernel, PadFill, Taps};
use super::Lowering;
use crate::import::error::{OpError, problem};
use ElementKind::Float;
use std::sync::Arc;

type Made = Result<Vec<ValueId>, OpError>;

/// How places of the result are found in the source, and what is made of the elements around.
#[derive(Debug, Clone, Copy)]
struct Method<'a> {
    mode: &'a str,
    coordinates: &'a str,
    rounding: &'a str,
    cubic_a: f64,
    antialias: bool,
    exclude_outside: bool,
}

pub(super) fn resize(l: &mut Lowering<'_>, call: &Call<'_>) -> Made {
    let mut x = call.input(0)?;
    let from = l.shape(x).to_vec();
    let is_upsample = call.node.op_type == "Upsample";
    let (scales, sizes) = if is_upsample && call.opset < 9 {
        (call.floats("scales")?, None)
    } else if is_upsample || call.opset < 11 {
        (Some(l.known(call.input(1)?, 1)?.to_floats()), None)
    } else {
        let scales = call.optional(2).map(|id| l.known(id, 2).map(|array| array.to_floats())).transpose()?;
        (
            scales.filter(|scales| !scales.is_empty()),
            call.optional_ints(l, 3)?.filter(|sizes| !sizes.is_empty()),
        )
    };
    let axes = match call.ints("axes")? {
        Some(axes) => axes.iter().map(|&axis| axis_of(axis, from.len())).collect::<Result<Vec<_>, _>>()?,
        None => (0..from.len()).collect(),
    };
    let old = is_upsample || call.opset < 11;
    let mode = match call.string("mode", "nearest")? {
        "bilinear" => "linear",
        mode => mode,
    };
    let method = Method {
        mode,
        coordinates: if old {
            "asymmetric"
        } else {
            call.string("coordinate_transformation_mode", "half_pixel")?
        },
        rounding: if old { "floor" } else { call.string("nearest_mode", "round_prefer_floor")? },
        cubic_a: f64::from(call.float("cubic_coeff_a", -0.75)?),
        antialias: call.flag("antialias", false)?,
        exclude_outside: call.flag("exclude_outside", false)?,
    };
    if !matches!(method.mode, "nearest" | "linear" | "cubic") {
        return Err(problem!("interpolates by {:?}, which Pegbar does not know", method.mode));
    }
    let given = scales.as_ref().map_or_else(|| sizes.as_ref().map_or(0, Vec::len), Vec::len);
    if given != axes.len() {
        return Err(problem!("has {given} sizes for {} axes", axes.len()));
    }
    let policy = call.string("keep_aspect_ratio_policy", "stretch")?;
    let mut factors: Vec<(usize, f64)> = vec![];
    if let Some(scales) = &scales {
        for (&axis, &scale) in axes.iter().zip(scales) {
            let size = (from[axis] as f64 * f64::from(scale) + 1e-4).floor();
            if !(0.0..=(1u64 << 24) as f64).contains(&size) {
                return Err(problem!("makes {} elements into {size}", from[axis]));
            }
            factors.push((size as usize, f64::from(scale)));
        }
    } else if let Some(sizes) = &sizes {
        let sizes = super::layout::sizes(sizes)?;
        let ratios = axes.iter().zip(&sizes).map(|(&axis, &size)| size as f64 / from[axis].max(1) as f64);
        let one = match policy {
            "stretch" => None,
            "not_larger" => Some(ratios.fold(f64::INFINITY, f64::min)),
            "not_smaller" => Some(ratios.fold(0.0, f64::max)),
            other => return Err(problem!("its keep_aspect_ratio_policy is {other:?}")),
        };
        for (&axis, &size) in axes.iter().zip(&sizes) {
            factors.push(match one {
                None => (size, size as f64 / from[axis].max(1) as f64),
                Some(ratio) => ((from[axis] as f64 * ratio + 0.5).floor().min(1e7) as usize, ratio),
            });
        }
    }
    for (&axis, &(size, factor)) in axes.iter().zip(&factors) {
        if size == from[axis] && factor == 1.0 {
            continue;
        }
        l.expect_kind(x, Float)?;
        if from[axis] == 0 {
            return Err(problem!("makes {size} elements out of none"));
        }
        l.spend(size.saturating_mul(8))?;
        let taps = method.taps(from[axis], size, factor)?;
        let mut shape = l.shape(x).to_vec();
        shape[axis] = size;
        x = l.emit(Kernel::Resample { axis, taps: Arc::new(taps) }, &[x], shape, Float)?;
    }
    Ok(vec![x])
}

impl Method<'_> {
    fn taps(&self, n: usize, size: usize, factor: f64) -> Result<Taps, OpError> {
        let last = n as i64 - 1;
        let mut taps = Vec::with_capacity(size);
        // The length of the result before it was rounded down.
        let exact = n as f64 * factor;
        for at in 0..size {
            let at = at as f64;
            let place = match self.coordinates {
                "half_pixel" => (at + 0.5) / factor - 0.5,
                "pytorch_half_pixel" if exact <= 1.0 => 0.0,
                "pytorch_half_pixel" => (at + 0.5) / factor - 0.5,
                "half_pixel_symmetric" => {
                    let adjustment = size as f64 / exact;
                    let centre = n as f64 / 2.0;
                    centre * (1.0 - adjustment) + (at + 0.5) / factor - 0.5
                }
                "align_corners" if exact <= 1.0 => 0.0,
                "align_corners" => at * (n as f64 - 1.0) / (exact - 1.0),
                "asymmetric" => at / factor,
                "tf_half_pixel_for_nn" => (at + 0.5) / factor,
                other => return Err(problem!("finds places by {other:?}, which Pegbar does not know")),
            };
            let clamp = |i: i64| i.clamp(0, last) as usize;
            taps.push(match self.mode {
                "nearest" => {
                    let rounded = match self.rounding {
                        "round_prefer_floor" => (place - 0.5).ceil(),
                        "round_prefer_ceil" => (place + 0.5).floor(),
                        "floor" => place.floor(),
                        "ceil" => place.ceil(),
                        other => return Err(problem!("rounds by {other:?}, which Pegbar does not know")),
                    };
                    vec![(clamp(rounded as i64), 1.0)]
                }
                mode => {
                    // Where the picture shrinks, the kernel is stretched so that everything counts.
                    let stretch = if self.antialias { factor.min(1.0) } else { 1.0 };
                    let reach = if mode == "linear" { 1.0 } else { 2.0 } / stretch;
                    let first = (place - reach).floor() as i64 + 1;
                    let end = (place + reach).ceil() as i64;
                    let weigh = |i: i64| {
                        let distance = (i as f64 - place).abs() * stretch;
                        if mode == "linear" { (1.0 - distance).max(0.0) } else { self.cubic(distance) }
                    };
                    let mut list: Vec<(i64, f64)> =
                        (first..end.max(first + 1)).map(|i| (i, weigh(i))).collect();
                    if self.exclude_outside {
                        list.retain(|(i, _)| (0..=last).contains(i));
                    }
                    let sum: f64 = list.iter().map(|(_, weight)| weight).sum();
                    let divisor = if self.antialias || self.exclude_outside { sum } else { 1.0 };
                    let mut joined: Vec<(usize, f32)> = vec![];
                    for (i, weight) in list {
                        let (i, weight) = (clamp(i), (weight / divisor) as f32);
                        match joined.last_mut() {
                            Some(known) if known.0 == i => known.1 += weight,
                            _ if weight == 0.0 => {}
                            _ => joined.push((i, weight)),
                        }
                    }
                    joined
                }
            });
        }
        Ok(Taps(taps))
    }

    /// Keys' cubic convolution kernel.
    fn cubic(&self, x: f64) -> f64 {
        let a = self.cubic_a;
        if x <= 1.0 {
            ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
        } else if x < 2.0 {
            ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a
        } else {
            0.0
        }
    }
}

pub(super) fn grid_sample(l: &mut Lowering<'_>, call: &Call<'_>) -> Made {
    let (x, places) = (call.input(0)?, call.input(1)?);
    l.expect_kind(x, Float)?;
    l.expect_kind(places, Float)?;
    let (&[n, c, ..], &[n2, h, w, 2]) = (l.shape(x), l.shape(places)) else {
        return Err(problem!("samples {:?} at {:?}; pictures are needed", l.shape(x), l.shape(places)));
    };
    if l.rank(x) != 4 || n != n2 {
        return Err(problem!("samples {:?} at {:?}; pictures are needed", l.shape(x), l.shape(places)));
    }
    let order = match call.string("mode", "linear")? {
        "nearest" => 0,
        "linear" | "bilinear" => 1,
        "cubic" | "bicubic" => 3,
        other => return Err(problem!("interpolates by {other:?}, which Pegbar does not know")),
    };
    let beyond = match call.string("padding_mode", "zeros")? {
        "zeros" => PadFill::Constant,
        "border" => PadFill::Edge,
        "reflection" => PadFill::Reflect,
        other => return Err(problem!("continues by {other:?}, which Pegbar does not know")),
    };
    let kernel = Kernel::GridSample { order, beyond, align_corners: call.flag("align_corners", false)? };
    Ok(vec![l.emit(kernel, &[x, places], vec![n, c, h, w], Float)?])
}

/// The discrete Fourier transform.
pub(super) fn dft(l: &mut Lowering<'_>, call: &Call<'_>) -> Made {
    let mut x = call.input(0)?;
    l.expect_kind(x, Float)?;
    let rank = l.rank(x);
    let axis = if call.opset < 20 {
        call.int("axis", 1)?
    } else {
        call.optional_ints(l, 2)?.and_then(|values| values.first().copied()).unwrap_or(-2)
    };
    let axis = axis_of(axis, rank)?;
    let (inverse, onesided) = (call.flag("inverse", false)?, call.flag("onesided", false)?);
    let mut shape = l.shape(x).to_vec();
    if axis + 1 == rank || !matches!(shape[rank - 1], 1 | 2) || (inverse && onesided) {
        return Err(problem!("transforms axis {axis} of {shape:?}"));
    }
    if let Some(length) = call.optional_ints(l, 1)?.and_then(|values| values.first().copied()) {
        let length = usize::try_from(length).unwrap_or(0);
        if length < shape[axis] {
            x = l.slice_axis(x, axis, 0, length)?;
        } else if length > shape[axis] {
            let mut padded = shape.clone();
            padded[axis] = length;
            x =
                l.emit(Kernel::Pad { fill: PadFill::Constant, before: vec![0; rank] }, &[x], padded, Float)?;
        }
        shape[axis] = length;
    }
    let n = shape[axis];
    shape[rank - 1] = 2;
    let made = l.emit(Kernel::Dft { axis, inverse }, &[x], shape, Float)?;
    Ok(vec![if onesided { l.slice_axis(made, axis, 0, n / 2 + 1)? } else { made }])
}
