//! What follows a convolution before its result is stored: bias, activation, residual sums.
#![allow(unsafe_code, reason = "vector loads from padded tables")]

use crate::memory::{LINE, Rows};
use crate::simd::{Simd, exp, sigmoid};
use pegbar_net::UnaryOp;

/// An activation that vectors can compute.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Activation {
    None,
    /// Slope of the negative half for each channel, from [`Epilogue::slope`].
    PRelu,
    Leaky(f32),
    Sigmoid,
    Silu,
    Clip {
        min: f32,
        max: f32,
    },
    HardSigmoid {
        alpha: f32,
        beta: f32,
    },
    HardSwish {
        alpha: f32,
        beta: f32,
    },
    Elu(f32),
}

impl Activation {
    /// The vector form of an operation, if it has one.
    pub(crate) fn from_unary(op: UnaryOp) -> Option<Self> {
        Some(match op {
            UnaryOp::Relu => Self::Leaky(0.0),
            UnaryOp::LeakyRelu(slope) => Self::Leaky(slope),
            UnaryOp::Sigmoid => Self::Sigmoid,
            UnaryOp::Silu => Self::Silu,
            UnaryOp::Clip { min, max } => Self::Clip { min, max },
            UnaryOp::HardSigmoid { alpha, beta } => Self::HardSigmoid { alpha, beta },
            UnaryOp::HardSwish { alpha, beta } => Self::HardSwish { alpha, beta },
            UnaryOp::Elu(alpha) => Self::Elu(alpha),
            _ => return None,
        })
    }

    /// Its name in explanations.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "",
            Self::PRelu => "prelu",
            Self::Leaky(0.0) => "relu",
            Self::Leaky(_) => "leaky relu",
            Self::Sigmoid => "sigmoid",
            Self::Silu => "silu",
            Self::Clip { .. } => "clip",
            Self::HardSigmoid { .. } => "hard sigmoid",
            Self::HardSwish { .. } => "hard swish",
            Self::Elu(_) => "elu",
        }
    }

    /// Applies it to vectors that all belong to the same channels; `slope` is theirs.
    #[inline(always)]
    pub(crate) fn apply<S: Simd, const N: usize>(self, s: S, v: &mut [S::V; N], slope: S::V) {
        match self {
            Self::None => {}
            Self::PRelu => {
                for x in v {
                    *x = s.select_negative(*x, s.mul(*x, slope), *x);
                }
            }
            Self::Leaky(slope) => {
                let slope = s.splat(slope);
                for x in v {
                    *x = s.select_negative(*x, s.mul(*x, slope), *x);
                }
            }
            Self::Sigmoid => {
                for x in v {
                    *x = sigmoid(s, *x);
                }
            }
            Self::Silu => {
                for x in v {
                    *x = s.mul(*x, sigmoid(s, *x));
                }
            }
            Self::Clip { min, max } => {
                for x in v {
                    *x = s.max(s.splat(min), s.min(s.splat(max), *x));
                }
            }
            Self::HardSigmoid { alpha, beta } => {
                for x in v {
                    *x = hard_sigmoid(s, *x, alpha, beta);
                }
            }
            Self::HardSwish { alpha, beta } => {
                for x in v {
                    *x = s.mul(*x, hard_sigmoid(s, *x, alpha, beta));
                }
            }
            Self::Elu(alpha) => {
                for x in v {
                    let negative = s.mul(s.splat(alpha), s.sub(exp(s, *x), s.splat(1.0)));
                    *x = s.select_negative(*x, negative, *x);
                }
            }
        }
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
    slope: Vec<f32>,
    pub(crate) activation: Activation,
}

impl Epilogue {
    /// `bias` has a value per channel, `slope` too where the activation is [`Activation::PRelu`].
    pub(crate) fn new(bias: &[f32], activation: Activation, slope: &[f32]) -> Self {
        assert!(activation != Activation::PRelu || slope.len() == bias.len());
        let padded = |values: &[f32]| {
            let mut padded = values.to_vec();
            // Beyond the last whole vector by one more, so that a group of channels may start anywhere.
            padded.resize(bias.len().next_multiple_of(LINE) + LINE, 0.0);
            padded
        };
        Self { bias: padded(bias), slope: padded(slope), activation }
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
}

/// A value of the shape of the result that is added to it after the activation, times a factor.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Residual {
    pub(crate) rows: Rows,
    pub(crate) scale: f32,
}
