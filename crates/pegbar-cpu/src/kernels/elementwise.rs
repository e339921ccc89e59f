//! Functions of one or two values, element by element.
#![allow(unsafe_code, reason = "reads and writes rows of working memory, vector loads and stores")]

use super::epilogue::Curve;
use crate::memory::{Row, Rows};
use crate::simd::{Isa, Kernel, Simd, dispatch, exp};
use pegbar_net::{BinaryOp, UnaryOp};

/// Pixels that rows can be walked by: whole rows where all of them are packed, else one.
fn pixels_at_once(rows: &[Row]) -> usize {
    if rows.iter().all(Row::is_packed) { rows[0].width } else { 1 }
}

/// One row of a function of one value.
pub(crate) fn unary_row(isa: Isa, op: UnaryOp, input: &Rows, output: &Rows, y: usize) {
    let (from, to) = (input.row(y), output.row(y));
    assert!(from.width == to.width && from.channels == to.channels);
    let n = pixels_at_once(&[to, from]);
    for x in (0..to.width).step_by(n) {
        // SAFETY: no thread writes the input of a running step, and each row of a step belongs to one call.
        let (from, to) = unsafe { (from.pixels(x, n), to.pixels_mut(x, n)) };
        dispatch(isa, Unary { op, from, to });
    }
}

/// A function of one value over a list.
pub(crate) fn unary_list(isa: Isa, op: UnaryOp, from: &[f32], to: &mut [f32]) {
    assert_eq!(from.len(), to.len());
    dispatch(isa, Unary { op, from, to });
}

struct Unary<'a> {
    op: UnaryOp,
    from: &'a [f32],
    to: &'a mut [f32],
}

impl Kernel for Unary<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { op, from, to } = self;
        if let Some(curve) = Curve::from_unary(op) {
            assert_eq!(from.len(), to.len());
            for start in (0..from.len()).step_by(S::LANES) {
                let n = S::LANES.min(from.len() - start);
                // SAFETY: n values from `start` on lie in both slices, which are equally long.
                unsafe {
                    let v = curve.apply(s, s.load_first(from.as_ptr().add(start), n));
                    s.store_first(to.as_mut_ptr().add(start), v, n);
                }
            }
            return;
        }
        match op {
            UnaryOp::Exp => {
                for start in (0..from.len()).step_by(S::LANES) {
                    let n = S::LANES.min(from.len() - start);
                    // Beyond the range of the vector function infinities and denormals are due.
                    if from[start..start + n].iter().any(|x| !(-87.0..88.0).contains(x)) {
                        apply_each(op, &from[start..start + n], &mut to[start..start + n]);
                        continue;
                    }
                    // SAFETY: n values from `start` on lie in both slices, which are equally long.
                    unsafe {
                        let v = exp(s, s.load_first(from.as_ptr().add(start), n));
                        s.store_first(to.as_mut_ptr().add(start), v, n);
                    }
                }
            }
            // Spelled out so that the compiler makes vectors of them.
            UnaryOp::Relu => each(from, to, |x| if x <= 0.0 { 0.0 } else { x }),
            UnaryOp::LeakyRelu(slope) => each(from, to, |x| if x >= 0.0 { x } else { x * slope }),
            UnaryOp::Abs => each(from, to, |x| x.abs()),
            UnaryOp::Neg => each(from, to, |x| -x),
            UnaryOp::Sqrt => each(from, to, |x| x.sqrt()),
            UnaryOp::Square => each(from, to, |x| x * x),
            UnaryOp::Reciprocal => each(from, to, |x| 1.0 / x),
            UnaryOp::ScaleShift { scale, shift } => each(from, to, |x| x * scale + shift),
            _ => apply_each(op, from, to),
        }
    }
}

#[inline(always)]
fn each(from: &[f32], to: &mut [f32], f: impl Fn(f32) -> f32) {
    for (to, &x) in to.iter_mut().zip(from) {
        *to = f(x);
    }
}

#[inline(never)]
fn apply_each(op: UnaryOp, from: &[f32], to: &mut [f32]) {
    each(from, to, |x| op.apply(x));
}

/// A table of numbers for each channel.
#[derive(Debug, Clone, Copy)]
pub(crate) enum PerChannel<'a> {
    /// `x < 0 ? x * slope : x`.
    PRelu { slope: &'a [f32] },
    /// `x * scale + shift`.
    Affine { scale: &'a [f32], shift: &'a [f32] },
}

/// One row of a function with a table for each channel.
pub(crate) fn per_channel_row(isa: Isa, table: PerChannel<'_>, input: &Rows, output: &Rows, y: usize) {
    let (from, to) = (input.row(y), output.row(y));
    assert!(from.width == to.width && from.channels == to.channels);
    let n = pixels_at_once(&[to, from]);
    for x in (0..to.width).step_by(n) {
        // SAFETY: no thread writes the input of a running step, and each row of a step belongs to one call.
        let (input, output) = unsafe { (from.pixels(x, n), to.pixels_mut(x, n)) };
        dispatch(isa, ByChannel { table, channels: to.channels, from: input, to: output });
    }
}

struct ByChannel<'a> {
    table: PerChannel<'a>,
    channels: usize,
    from: &'a [f32],
    to: &'a mut [f32],
}

impl Kernel for ByChannel<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let pixels = self.to.chunks_exact_mut(self.channels).zip(self.from.chunks_exact(self.channels));
        match self.table {
            PerChannel::PRelu { slope } => {
                for (to, from) in pixels {
                    for ((to, &x), &slope) in to.iter_mut().zip(from).zip(slope) {
                        *to = if x < 0.0 { x * slope } else { x };
                    }
                }
            }
            PerChannel::Affine { scale, shift } => {
                for (to, from) in pixels {
                    for (((to, &x), &scale), &shift) in to.iter_mut().zip(from).zip(scale).zip(shift) {
                        *to = x * scale + shift;
                    }
                }
            }
        }
    }
}

/// One row of a function of two values; sizes of one are repeated.
pub(crate) fn binary_row(isa: Isa, op: BinaryOp, a: &Rows, b: &Rows, output: &Rows, y: usize) {
    let (a, b, to) = (a.row_broadcast(y), b.row_broadcast(y), output.row(y));
    let same_width = a.width == to.width && b.width == to.width;
    let same_channels = a.channels == to.channels && b.channels == to.channels;
    let n = if same_width && same_channels { pixels_at_once(&[to, a, b]) } else { 1 };
    for x in (0..to.width).step_by(n) {
        let at = |row: &Row| if row.width == 1 { 0 } else { x };
        // SAFETY: no thread writes the inputs of a running step, and each row of a step belongs to one call.
        let (a, b, to) = unsafe { (a.pixels(at(&a), n), b.pixels(at(&b), n), to.pixels_mut(x, n)) };
        dispatch(isa, Binary { op, a, b, to });
    }
}

/// Operands are as long as the result, or one number.
struct Binary<'a> {
    op: BinaryOp,
    a: &'a [f32],
    b: &'a [f32],
    to: &'a mut [f32],
}

impl Kernel for Binary<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        match self.op {
            BinaryOp::Add => self.each(|a, b| a + b),
            BinaryOp::Sub => self.each(|a, b| a - b),
            BinaryOp::Mul => self.each(|a, b| a * b),
            BinaryOp::Div => self.each(|a, b| a / b),
            op => self.each(|a, b| op.apply(a, b)),
        }
    }
}

impl Binary<'_> {
    #[inline(always)]
    fn each(self, f: impl Fn(f32, f32) -> f32) {
        let Self { a, b, to, .. } = self;
        match (a.len() == to.len(), b.len() == to.len()) {
            (true, true) => {
                for ((to, &a), &b) in to.iter_mut().zip(a).zip(b) {
                    *to = f(a, b);
                }
            }
            (true, false) => each(a, to, |a| f(a, b[0])),
            (false, true) => each(b, to, |b| f(a[0], b)),
            (false, false) => to.fill(f(a[0], b[0])),
        }
    }
}
