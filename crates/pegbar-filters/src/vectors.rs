//! Vectors of samples, as wide as the machine has them.
//!
//! No operation adds and multiplies in one step, so results are the same for all widths.

use pulp::Simd;
use std::ops::{Add, Div, Mul, Sub};

/// As many samples as the instruction set `S` works on at once.
#[derive(Clone, Copy)]
pub(crate) struct Vector<S: Simd>(S, S::f32s);

impl<S: Simd> Vector<S> {
    /// Samples of a vector.
    pub(crate) const LANES: usize = S::F32_LANES;

    /// The same sample in all lanes.
    #[inline(always)]
    pub(crate) fn splat(s: S, sample: f32) -> Self {
        Self(s, s.splat_f32s(sample))
    }

    /// The first [`Vector::LANES`] of some samples.
    ///
    /// # Panics
    /// When there are fewer.
    #[inline(always)]
    pub(crate) fn load(s: S, samples: &[f32]) -> Self {
        Self(s, S::as_simd_f32s(&samples[..S::F32_LANES]).0[0])
    }

    /// Puts the samples into the first [`Vector::LANES`] of `to`.
    ///
    /// # Panics
    /// When there are fewer.
    #[inline(always)]
    pub(crate) fn store(self, to: &mut [f32]) {
        S::as_mut_simd_f32s(&mut to[..S::F32_LANES]).0[0] = self.1;
    }

    /// `then` in the lanes where this is larger than `limit`, `otherwise` in the others.
    #[inline(always)]
    pub(crate) fn where_larger(self, limit: Self, then: Self, otherwise: Self) -> Self {
        let Self(s, v) = self;
        Self(s, s.select_f32s(s.less_than_f32s(limit.1, v), then.1, otherwise.1))
    }
}

impl<S: Simd> Add for Vector<S> {
    type Output = Self;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(self.0, self.0.add_f32s(self.1, other.1))
    }
}

impl<S: Simd> Sub for Vector<S> {
    type Output = Self;

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self(self.0, self.0.sub_f32s(self.1, other.1))
    }
}

impl<S: Simd> Mul for Vector<S> {
    type Output = Self;

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        Self(self.0, self.0.mul_f32s(self.1, other.1))
    }
}

impl<S: Simd> Div for Vector<S> {
    type Output = Self;

    #[inline(always)]
    fn div(self, other: Self) -> Self {
        Self(self.0, self.0.div_f32s(self.1, other.1))
    }
}

impl<S: Simd> Mul<Vector<S>> for f32 {
    type Output = Vector<S>;

    #[inline(always)]
    fn mul(self, other: Vector<S>) -> Vector<S> {
        Vector::splat(other.0, self) * other
    }
}
