//! What follows a convolution: bias, activation, residual sums.
//!
//! Activations that bend at zero are a slope per channel and applied before the store, as are the sums. Curves
//! (sigmoid and the like) are drawn over the stored values while they are in the first-level cache: inlined in every
//! kernel they would multiply its code for no gain.
#![allow(unsafe_code, reason = "vector loads from padded tables and from rows of working memory")]

use super::winograd::ConvCall;
use crate::memory::{Element, LINE, Row, Rows};
use crate::simd::{
    Half, Isa, Kernel, Simd, Single, Stored, dispatch, exp, gelu, gelu_of_half, mish, sigmoid,
    sigmoid_of_half, tanh,
};
use pegbar_net::UnaryOp;
use std::marker::PhantomData;
use std::ops::Range;

/// An activation that a convolution computes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Activation {
    /// None.
    Linear,
    /// `x < 0 ? x * slope : x`, a slope for each channel.
    Slope(Vec<f32>),
    Curve(Curve),
}

impl Activation {
    /// Whether it has a form for this operation.
    pub(crate) fn takes(op: UnaryOp) -> bool {
        Self::is_slope(op) || Curve::from_unary(op).is_some()
    }

    /// Whether that form is a slope.
    pub(crate) fn is_slope(op: UnaryOp) -> bool {
        matches!(op, UnaryOp::Relu | UnaryOp::LeakyRelu(_))
    }

    /// The form of an operation that [`Activation::takes`] is true for.
    pub(crate) fn from_unary(op: UnaryOp, channels: usize) -> Self {
        match op {
            UnaryOp::Relu => Self::Slope(vec![0.0; channels]),
            UnaryOp::LeakyRelu(slope) => Self::Slope(vec![slope; channels]),
            op => Curve::from_unary(op).map_or(Self::Linear, Self::Curve),
        }
    }
}

/// A function with a vector form.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Curve {
    Sigmoid,
    Silu,
    Clip { min: f32, max: f32 },
    HardSigmoid { alpha: f32, beta: f32 },
    HardSwish { alpha: f32, beta: f32 },
    Elu(f32),
    Gelu,
    Mish,
    Tanh,
}

impl Curve {
    /// The vector form of an operation, if it has one.
    pub(crate) fn from_unary(op: UnaryOp) -> Option<Self> {
        Some(match op {
            UnaryOp::Sigmoid => Self::Sigmoid,
            UnaryOp::Silu => Self::Silu,
            UnaryOp::Clip { min, max } => Self::Clip { min, max },
            UnaryOp::HardSigmoid { alpha, beta } => Self::HardSigmoid { alpha, beta },
            UnaryOp::HardSwish { alpha, beta } => Self::HardSwish { alpha, beta },
            UnaryOp::Elu(alpha) => Self::Elu(alpha),
            UnaryOp::Gelu => Self::Gelu,
            UnaryOp::Mish => Self::Mish,
            UnaryOp::Tanh => Self::Tanh,
            _ => return None,
        })
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sigmoid => "sigmoid",
            Self::Silu => "silu",
            Self::Clip { .. } => "clip",
            Self::HardSigmoid { .. } => "hard sigmoid",
            Self::HardSwish { .. } => "hard swish",
            Self::Elu(_) => "elu",
            Self::Gelu => "gelu",
            Self::Mish => "mish",
            Self::Tanh => "tanh",
        }
    }

    /// One vector of it, to be stored as `E`.
    #[inline(always)]
    pub(crate) fn apply_for<E: Stored, S: Simd>(self, s: S, x: S::V) -> S::V {
        match self {
            Self::Sigmoid => sigmoid_for::<E, S>(s, x),
            Self::Silu => s.mul(x, sigmoid_for::<E, S>(s, x)),
            Self::Gelu if E::ELEMENT == Element::F16 => gelu_of_half(s, x),
            _ => self.apply(s, x),
        }
    }

    /// One vector of it.
    #[inline(always)]
    pub(crate) fn apply<S: Simd>(self, s: S, x: S::V) -> S::V {
        match self {
            Self::Sigmoid => sigmoid(s, x),
            Self::Silu => s.mul(x, sigmoid(s, x)),
            Self::Clip { min, max } => s.max(s.splat(min), s.min(s.splat(max), x)),
            Self::HardSigmoid { alpha, beta } => hard_sigmoid(s, x, alpha, beta),
            Self::HardSwish { alpha, beta } => s.mul(x, hard_sigmoid(s, x, alpha, beta)),
            Self::Elu(alpha) => {
                let negative = s.mul(s.splat(alpha), s.sub(exp(s, x), s.splat(1.0)));
                s.select_negative(x, negative, x)
            }
            Self::Gelu => gelu(s, x),
            Self::Mish => mish(s, x),
            Self::Tanh => tanh(s, x),
        }
    }
}

/// As exact as a value of that kind can be.
#[inline(always)]
fn sigmoid_for<E: Stored, S: Simd>(s: S, x: S::V) -> S::V {
    match E::ELEMENT {
        Element::F32 => sigmoid(s, x),
        Element::F16 => sigmoid_of_half(s, x),
    }
}

#[inline(always)]
fn hard_sigmoid<S: Simd>(s: S, x: S::V, alpha: f32, beta: f32) -> S::V {
    s.max(s.splat(0.0), s.min(s.splat(1.0), s.mul_add(x, s.splat(alpha), s.splat(beta))))
}

/// Bias and activation of a convolution. Tables are padded to whole vectors.
#[derive(Debug, Clone)]
pub(crate) struct Epilogue {
    bias: Vec<f32>,
    /// Ones where there is no activation, or a curve.
    slope: Vec<f32>,
    is_linear: bool,
    curve: Option<Curve>,
    gate: Option<Gate>,
}

/// `(y + residual) * (scale * sigmoid(y) + shift)`.
#[derive(Debug, Clone, Copy)]
struct Gate {
    scale: f32,
    shift: f32,
}

impl Epilogue {
    /// `bias` has a value for each channel, as have slopes.
    pub(crate) fn new(bias: &[f32], activation: Activation) -> Self {
        let padded = |mut values: Vec<f32>| {
            assert_eq!(values.len(), bias.len());
            // Beyond the last whole vector by one more, so that a group of channels may start anywhere.
            values.resize(bias.len().next_multiple_of(LINE) + LINE, 0.0);
            values
        };
        let is_linear = activation == Activation::Linear;
        let (slope, curve) = match activation {
            Activation::Linear => (vec![1.0; bias.len()], None),
            Activation::Slope(slope) => (slope, None),
            Activation::Curve(curve) => (vec![1.0; bias.len()], Some(curve)),
        };
        Self { bias: padded(bias.to_vec()), slope: padded(slope), is_linear, curve, gate: None }
    }

    /// With a gate, whose residual comes with each call.
    pub(crate) fn gated(self, scale: f32, shift: f32) -> Self {
        Self { gate: Some(Gate { scale, shift }), ..self }
    }

    pub(crate) fn has_gate(&self) -> bool {
        self.gate.is_some()
    }

    /// What the explanation calls its activation.
    pub(crate) fn activation_name(&self) -> Option<&'static str> {
        match self.curve {
            _ if self.gate.is_some() => Some("gate"),
            Some(curve) => Some(curve.name()),
            None if self.is_linear => None,
            None => Some("slope"),
        }
    }

    /// Whether [`Epilogue::finish`] does anything.
    pub(crate) fn has_finish(&self) -> bool {
        self.curve.is_some() || self.gate.is_some()
    }

    /// Bias of the vector that starts at a channel.
    #[inline(always)]
    pub(crate) fn bias<S: Simd>(&self, s: S, channel: usize) -> S::V {
        assert!(channel + S::LANES <= self.bias.len());
        // SAFETY: a whole vector from `channel` on lies in the table, as asserted.
        unsafe { s.load(self.bias.as_ptr().add(channel)) }
    }

    /// Slopes of the vector that starts at a channel.
    #[inline(always)]
    pub(crate) fn slope<S: Simd>(&self, s: S, channel: usize) -> S::V {
        assert!(channel + S::LANES <= self.slope.len());
        // SAFETY: a whole vector from `channel` on lies in the table, as asserted.
        unsafe { s.load(self.slope.as_ptr().add(channel)) }
    }

    /// Draws the curve or the gate, if there is one, over results just stored.
    pub(crate) fn finish(&self, isa: Isa, call: &ConvCall<'_>, y: usize, columns: Range<usize>) {
        let output = call.output.row(y);
        match (self.curve, self.gate, &call.gate) {
            (_, Some(gate), Some(residual)) => {
                let residual = residual.row(y);
                match (output.element, residual.element) {
                    (Element::F32, Element::F32) => {
                        dispatch(
                            isa,
                            Pass { gate, output, residual, columns, kinds: PhantomData::<(Single, Single)> },
                        );
                    }
                    (Element::F32, Element::F16) => {
                        dispatch(
                            isa,
                            Pass { gate, output, residual, columns, kinds: PhantomData::<(Single, Half)> },
                        );
                    }
                    (Element::F16, Element::F32) => {
                        dispatch(
                            isa,
                            Pass { gate, output, residual, columns, kinds: PhantomData::<(Half, Single)> },
                        );
                    }
                    (Element::F16, Element::F16) => {
                        dispatch(
                            isa,
                            Pass { gate, output, residual, columns, kinds: PhantomData::<(Half, Half)> },
                        );
                    }
                }
            }
            (Some(curve), ..) => match output.element {
                Element::F32 => {
                    dispatch(isa, Draw { curve, output, columns, element: PhantomData::<Single> })
                }
                Element::F16 => dispatch(isa, Draw { curve, output, columns, element: PhantomData::<Half> }),
            },
            _ => {}
        }
    }
}

impl Gate {
    #[inline(always)]
    fn apply<O: Stored, S: Simd>(self, s: S, y: S::V, residual: S::V) -> S::V {
        let attention = s.mul_add(sigmoid_for::<O, S>(s, y), s.splat(self.scale), s.splat(self.shift));
        s.mul(s.add(y, residual), attention)
    }
}

/// Bends a value at zero.
#[inline(always)]
pub(crate) fn bend<S: Simd>(s: S, x: S::V, slope: S::V) -> S::V {
    s.select_negative(x, s.mul(x, slope), x)
}

struct Draw<E> {
    curve: Curve,
    output: Row,
    columns: Range<usize>,
    element: PhantomData<E>,
}

impl<E: Stored> Kernel for Draw<E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let row = self.output;
        for x in self.columns {
            // SAFETY: these pixels belong to the call that has just stored them.
            let pixel = unsafe { row.stored_pixels_mut::<E>(x, 1) };
            for chunk in pixel.chunks_mut(S::LANES) {
                // SAFETY: exactly the values of the chunk, at most a vector, are read and written.
                unsafe {
                    if chunk.len() == S::LANES {
                        let v = self.curve.apply_for::<E, S>(s, E::load(s, chunk.as_ptr()));
                        E::store(s, chunk.as_mut_ptr(), v);
                    } else {
                        let v =
                            self.curve.apply_for::<E, S>(s, E::load_first(s, chunk.as_ptr(), chunk.len()));
                        E::store_first(s, chunk.as_mut_ptr(), v, chunk.len());
                    }
                }
            }
        }
    }
}

struct Pass<O, R> {
    gate: Gate,
    output: Row,
    residual: Row,
    columns: Range<usize>,
    kinds: PhantomData<(O, R)>,
}

impl<O: Stored, R: Stored> Kernel for Pass<O, R> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { gate, output, residual, columns, .. } = self;
        assert_eq!(output.channels, residual.channels);
        for x in columns {
            // SAFETY: these pixels belong to the call that has just stored them, and no thread writes the residual.
            let (to, from) =
                unsafe { (output.stored_pixels_mut::<O>(x, 1), residual.stored_pixels::<R>(x, 1)) };
            for (to, from) in to.chunks_mut(S::LANES).zip(from.chunks(S::LANES)) {
                // SAFETY: exactly the values of the chunks, at most a vector, are read and written.
                unsafe {
                    if to.len() == S::LANES {
                        let y = O::load(s, to.as_ptr());
                        let v = gate.apply::<O, S>(s, y, R::load(s, from.as_ptr()));
                        O::store(s, to.as_mut_ptr(), v);
                    } else {
                        let y = O::load_first(s, to.as_ptr(), to.len());
                        let v = gate.apply::<O, S>(s, y, R::load_first(s, from.as_ptr(), from.len()));
                        O::store_first(s, to.as_mut_ptr(), v, to.len());
                    }
                }
            }
        }
    }
}

/// A value of the shape of the result that is added to it after the activation, times a factor.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Residual {
    pub(crate) rows: Rows,
    pub(crate) scale: f32,
}
