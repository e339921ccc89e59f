//! Steps that only move values: between the caller's planes and rows of pixels, between windows of channels, borders,
//! pixel shuffle.
#![allow(unsafe_code, reason = "reads and writes rows of working memory")]

use crate::memory::{Element, LINE, Rows};
use crate::simd::Half;
use half::f16;
use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};
use pegbar_net::{PadMode, Padding};

/// One row of the picture, from planes.
pub(crate) fn load_row(picture: &[f32], output: &Rows, y: usize) {
    let row = output.row(y);
    let plane = output.height() * row.width;
    // Lines of planes are read once each: where planes are a power of two apart, the cache keeps few of them.
    for x in (0..row.width).step_by(LINE) {
        let n = LINE.min(row.width - x);
        let first = row.at(x);
        for c in 0..row.channels {
            let from = &picture[c * plane + y * row.width + x..][..n];
            for (i, &v) in from.iter().enumerate() {
                // SAFETY: x + i is a pixel of the row, c a channel of it; each row of a step belongs to one call.
                unsafe { first.wrapping_add(i * row.pixel_stride + c).write(v) };
            }
        }
    }
}

/// One row of the result, to the rows of its planes: `planes[channel]` is that row of that channel. The input is shuffled by
/// a factor, and `base`, if there is one, enlarged by the same factor and added.
pub(crate) fn store_row(f: usize, input: &Rows, base: Option<&Rows>, y: usize, planes: &mut [&mut [f32]]) {
    match f {
        1 => store_row_by::<1>(f, input, base, y, planes),
        2 => store_row_by::<2>(f, input, base, y, planes),
        3 => store_row_by::<3>(f, input, base, y, planes),
        4 => store_row_by::<4>(f, input, base, y, planes),
        _ => store_row_by::<0>(f, input, base, y, planes),
    }
}

/// `KNOWN` is the factor, or 0 for any.
fn store_row_by<const KNOWN: usize>(
    f: usize,
    input: &Rows,
    base: Option<&Rows>,
    y: usize,
    planes: &mut [&mut [f32]],
) {
    let f = if KNOWN == 0 { f } else { KNOWN };
    let from = input.row(y / f);
    let base = base.map(|base| base.row(y / f));
    assert_eq!(planes.len() * f * f, from.channels);
    assert!(base.is_none_or(|base| base.channels == planes.len() && base.width == from.width));
    if KNOWN == 1 && base.is_none() {
        // As in `load_row`, with lines of pixels.
        assert!(planes.iter().all(|plane| plane.len() == from.width));
        for x in (0..from.width).step_by(LINE) {
            let first = from.at(x);
            for (c, plane) in planes.iter_mut().enumerate() {
                for (i, to) in plane[x..].iter_mut().take(LINE).enumerate() {
                    // SAFETY: x + i is a pixel of the row, which is as wide as the plane, and c below its channels, both
                    // as asserted; no thread writes the inputs of a running step.
                    *to = unsafe { first.wrapping_add(i * from.pixel_stride + c).read() };
                }
            }
        }
        return;
    }
    for (c, plane) in planes.iter_mut().enumerate() {
        assert_eq!(plane.len(), from.width * f);
        let first = from.at(0).wrapping_add(c * f * f + y % f * f);
        for (x, to) in plane.chunks_exact_mut(f).enumerate() {
            let pixel = first.wrapping_add(x * from.pixel_stride);
            // SAFETY: x is below the widths, c below the channels of the base, and what is read of the pixel lies below
            // its channels, all as asserted; no thread writes the inputs of a running step.
            unsafe {
                let add = base.map_or(0.0, |base| base.at(x).add(c).read());
                for (dx, to) in to.iter_mut().enumerate() {
                    let v = pixel.add(dx).read();
                    *to = if base.is_some() { v + add } else { v };
                }
            }
        }
    }
}

/// One row of a copy whose pixels start at column `left` of the input's row `from_y`; elements may differ.
pub(crate) fn copy_row(input: &Rows, from_y: usize, left: usize, output: &Rows, y: usize) {
    let (from, to) = (input.row(from_y), output.row(y));
    assert_eq!(from.channels, to.channels);
    for x in 0..to.width {
        // SAFETY: no thread writes the input of a running step, and each row of a step belongs to one call.
        unsafe {
            match (from.element, to.element) {
                (Element::F32, Element::F32) => to.pixels_mut(x, 1).copy_from_slice(from.pixels(left + x, 1)),
                (Element::F16, Element::F16) => to
                    .stored_pixels_mut::<Half>(x, 1)
                    .copy_from_slice(from.stored_pixels::<Half>(left + x, 1)),
                (Element::F16, Element::F32) => {
                    let halves: &[f16] = from.stored_pixels::<Half>(left + x, 1).reinterpret_cast();
                    halves.convert_to_f32_slice(to.pixels_mut(x, 1));
                }
                (Element::F32, Element::F16) => {
                    let halves: &mut [f16] = to.stored_pixels_mut::<Half>(x, 1).reinterpret_cast_mut();
                    halves.convert_from_f32_slice(from.pixels(left + x, 1));
                }
            }
        }
    }
}

/// One row of a concatenation side by side.
pub(crate) fn concat_columns_row(inputs: &[Rows], output: &Rows, y: usize) {
    let to = output.row(y);
    let mut left = 0;
    for input in inputs {
        let from = input.row(y);
        assert_eq!(from.channels, to.channels);
        for x in 0..from.width {
            // SAFETY: no thread writes the inputs of a running step, and each row of a step belongs to one call.
            unsafe { to.pixels_mut(left + x, 1).copy_from_slice(from.pixels(x, 1)) };
        }
        left += from.width;
    }
}

/// Where a place of a bordered axis comes from; none for a constant border.
pub(crate) fn border_source(mode: PadMode, at: usize, before: usize, size: usize) -> Option<usize> {
    let (at, last) = (at as isize - before as isize, size as isize - 1);
    let source = match mode {
        PadMode::Constant(_) => return (0..=last).contains(&at).then_some(at as usize),
        PadMode::Replicate => at.clamp(0, last),
        PadMode::Reflect if at < 0 => -at,
        PadMode::Reflect if at > last => 2 * last - at,
        PadMode::Reflect => at,
    };
    Some(source as usize)
}

/// One row of a picture with a border.
pub(crate) fn pad_row(mode: PadMode, padding: Padding, input: &Rows, output: &Rows, y: usize) {
    let to = output.row(y);
    let border = if let PadMode::Constant(value) = mode { value } else { 0.0 };
    let from = border_source(mode, y, padding.top, input.height()).map(|y| input.row(y));
    for x in 0..to.width {
        // SAFETY: each row of a step belongs to one call.
        let pixel = unsafe { to.pixels_mut(x, 1) };
        match (&from, border_source(mode, x, padding.left, input.width())) {
            // SAFETY: no thread writes the input of a running step.
            (Some(from), Some(x)) => pixel.copy_from_slice(unsafe { from.pixels(x, 1) }),
            _ => pixel.fill(border),
        }
    }
}

/// One row of a pixel shuffle: channel `c * f * f + dy * f + dx` becomes pixel `(dy, dx)` of a block.
pub(crate) fn shuffle_row(f: usize, input: &Rows, output: &Rows, y: usize) {
    let (from, to) = (input.row(y / f), output.row(y));
    assert!(from.channels == to.channels * f * f && to.width == from.width * f);
    for x in 0..from.width {
        // SAFETY: no thread writes the input of a running step.
        let pixel = unsafe { from.pixels(x, 1) };
        for dx in 0..f {
            // SAFETY: each row of a step belongs to one call.
            let to = unsafe { to.pixels_mut(x * f + dx, 1) };
            for (to, &v) in to.iter_mut().zip(pixel[y % f * f + dx..].iter().step_by(f * f)) {
                *to = v;
            }
        }
    }
}

/// One row of the inverse of a pixel shuffle.
pub(crate) fn unshuffle_row(f: usize, input: &Rows, output: &Rows, y: usize) {
    let to = output.row(y);
    assert!(to.channels == input.channels() * f * f && input.width() == to.width * f);
    for dy in 0..f {
        let from = input.row(y * f + dy);
        for x in 0..from.width {
            // SAFETY: no thread writes the input of a running step, and each row of a step belongs to one call.
            let (pixel, to) = unsafe { (from.pixels(x, 1), to.pixels_mut(x / f, 1)) };
            for (to, &v) in to[dy * f + x % f..].iter_mut().step_by(f * f).zip(pixel) {
                *to = v;
            }
        }
    }
}
