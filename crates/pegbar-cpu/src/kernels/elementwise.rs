//! Functions of one or two values, element by element.
#![allow(unsafe_code, reason = "reads and writes rows of working memory, vector loads and stores")]

use super::epilogue::Curve;
use crate::memory::{Element, Row, Rows};
use crate::simd::{Half, Isa, Kernel, Simd, Single, Stored, dispatch, exp};
use pegbar_net::{BinaryOp, UnaryOp};

/// Pixels that rows can be walked by: whole rows where all of them are packed, else one.
fn pixels_at_once(rows: &[Row]) -> usize {
    if rows.iter().all(Row::is_packed) { rows[0].width } else { 1 }
}

/// One row of a function of one value.
pub(crate) fn unary_row(isa: Isa, op: UnaryOp, input: &Rows, output: &Rows, y: usize) {
    let (from, to) = (input.row(y), output.row(y));
    assert!(from.width == to.width && from.channels == to.channels);
    if [from.element, to.element].contains(&Element::F16) {
        return by_floats(isa, [from], to, |[from], to| dispatch(isa, Unary { op, from, to }));
    }
    let n = pixels_at_once(&[to, from]);
    for x in (0..to.width).step_by(n) {
        // SAFETY: no thread writes the input of a running step, and each row of a step belongs to one call.
        let (from, to) = unsafe { (from.pixels(x, n), to.pixels_mut(x, n)) };
        dispatch(isa, Unary { op, from, to });
    }
}

/// Values that are made floats of at once: two copies and the result lie in the first-level cache.
const FLOATS: usize = 2048;

/// One row of a function where some rows are of half floats: by way of copies in floats. Inputs of one pixel or one channel are
/// repeated, as in [`binary_row`].
fn by_floats<const N: usize>(
    isa: Isa,
    inputs: [Row; N],
    output: Row,
    apply: impl Fn([&[f32]; N], &mut [f32]),
) {
    let is_alike = |row: &Row| row.width == output.width && row.channels == output.channels;
    let mut rows = inputs.to_vec();
    rows.push(output);
    let whole = inputs.iter().all(is_alike) && rows.iter().all(Row::is_packed);
    let n = if whole { (FLOATS / output.channels).clamp(1, output.width) } else { 1 };
    let mut copies: [Vec<f32>; N] = std::array::from_fn(|_| Vec::new());
    let mut result = Vec::new();
    for x in (0..output.width).step_by(n) {
        let n = n.min(output.width - x);
        for (row, copy) in inputs.iter().zip(&mut copies) {
            let x = if row.width == 1 { 0 } else { x };
            copy.resize(n * row.channels, 0.0);
            // SAFETY: no thread writes the input of a running step.
            unsafe {
                match row.element {
                    Element::F32 => copy.copy_from_slice(row.pixels(x, n)),
                    Element::F16 => dispatch(isa, Widen(row.stored_pixels::<Half>(x, n), copy)),
                }
            }
        }
        result.resize(n * output.channels, 0.0);
        apply(std::array::from_fn(|i| &*copies[i]), &mut result);
        // SAFETY: each row of a step belongs to one call.
        unsafe {
            match output.element {
                Element::F32 => output.pixels_mut(x, n).copy_from_slice(&result),
                Element::F16 => dispatch(isa, Narrow(&result, output.stored_pixels_mut::<Half>(x, n))),
            }
        }
    }
}

/// Half floats to floats.
struct Widen<'a>(&'a [u16], &'a mut [f32]);

impl Kernel for Widen<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for (from, to) in self.0.chunks(S::LANES).zip(self.1.chunks_mut(S::LANES)) {
            assert_eq!(from.len(), to.len());
            // SAFETY: exactly the values of the chunks, at most a vector, are read and written.
            unsafe { s.store_first(to.as_mut_ptr(), s.load_half_first(from.as_ptr(), from.len()), to.len()) };
        }
    }
}

/// Floats to half floats.
struct Narrow<'a>(&'a [f32], &'a mut [u16]);

impl Kernel for Narrow<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for (from, to) in self.0.chunks(S::LANES).zip(self.1.chunks_mut(S::LANES)) {
            assert_eq!(from.len(), to.len());
            // SAFETY: exactly the values of the chunks, at most a vector, are read and written.
            unsafe { s.store_half_first(to.as_mut_ptr(), s.load_first(from.as_ptr(), from.len()), to.len()) };
        }
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
    if [a.element, b.element, to.element].contains(&Element::F16) {
        return by_floats(isa, [a, b], to, |[a, b], to| dispatch(isa, Binary { op, a, b, to }));
    }
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

/// One row of the curve of a value times another, all of one shape.
pub(crate) fn curved_product_row(isa: Isa, curve: Curve, a: &Rows, b: &Rows, output: &Rows, y: usize) {
    let (a, b, to) = (a.row(y), b.row(y), output.row(y));
    assert!([a, b].iter().all(|row| row.width == to.width && row.channels == to.channels));
    let n = pixels_at_once(&[to, a, b]);
    match [a.element, b.element, to.element] {
        [Element::F32, Element::F32, Element::F32] => curved_product::<Single>(isa, curve, a, b, to, n),
        [Element::F16, Element::F16, Element::F16] => curved_product::<Half>(isa, curve, a, b, to, n),
        _ => by_floats(isa, [a, b], to, |[a, b], to| {
            dispatch(isa, CurvedProduct::<Single> { curve, a, b, to });
        }),
    }
}

fn curved_product<E: Stored>(isa: Isa, curve: Curve, a: Row, b: Row, to: Row, n: usize) {
    for x in (0..to.width).step_by(n) {
        // SAFETY: no thread writes the inputs of a running step, and each row of a step belongs to one call.
        let (a, b, to) = unsafe {
            (a.stored_pixels::<E>(x, n), b.stored_pixels::<E>(x, n), to.stored_pixels_mut::<E>(x, n))
        };
        dispatch(isa, CurvedProduct::<E> { curve, a, b, to });
    }
}

struct CurvedProduct<'a, E: Stored> {
    curve: Curve,
    a: &'a [E::T],
    b: &'a [E::T],
    to: &'a mut [E::T],
}

impl<E: Stored> Kernel for CurvedProduct<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        assert!(self.a.len() == self.to.len() && self.b.len() == self.to.len());
        for start in (0..self.to.len()).step_by(S::LANES) {
            let n = S::LANES.min(self.to.len() - start);
            // SAFETY: n values from `start` on lie in all three slices, which are equally long.
            unsafe {
                let a = E::load_first(s, self.a.as_ptr().add(start), n);
                let b = E::load_first(s, self.b.as_ptr().add(start), n);
                let v = s.mul(self.curve.apply_for::<E, S>(s, a), b);
                E::store_first(s, self.to.as_mut_ptr().add(start), v, n);
            }
        }
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
