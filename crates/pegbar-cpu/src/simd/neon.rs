//! NEON of 64-bit ARM: vectors of four, thirty-two registers.
#![allow(
    unused_unsafe,
    reason = "64-bit ARM has NEON by default, which makes most of these intrinsics safe to call"
)]

use super::{Kernel, Simd};
use crate::CpuLevel;
use std::arch::aarch64::*;

/// Proof that the processor has NEON.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Neon(());

const LANES: usize = 4;

impl Neon {
    pub(crate) fn new() -> Option<Self> {
        CpuLevel::Neon.is_available().then_some(Self(()))
    }

    #[inline]
    pub(super) fn call<K: Kernel>(self, kernel: K) -> K::Output {
        #[target_feature(enable = "neon")]
        fn inner<K: Kernel>(simd: Neon, kernel: K) -> K::Output {
            kernel.run(simd)
        }
        // SAFETY: the token exists only if the processor has NEON.
        unsafe { inner(self, kernel) }
    }
}

macro_rules! instructions {
    ($($name:ident($($arg:ident),*) $value:expr;)*) => {$(
        #[inline(always)]
        fn $name(self, $($arg: float32x4_t),*) -> float32x4_t {
            // SAFETY: register-only instructions; the token vouches that the processor has them.
            unsafe { $value }
        }
    )*};
}

impl Simd for Neon {
    type V = float32x4_t;
    const LANES: usize = LANES;
    const REGISTERS: usize = 32;

    #[inline(always)]
    fn splat(self, x: f32) -> float32x4_t {
        // SAFETY: a register-only instruction; the token vouches that the processor has it.
        unsafe { vdupq_n_f32(x) }
    }

    // max and min by comparison: the instructions of that name return NaN where either operand is NaN.
    instructions! {
        add(a, b) vaddq_f32(a, b);
        sub(a, b) vsubq_f32(a, b);
        mul(a, b) vmulq_f32(a, b);
        div(a, b) vdivq_f32(a, b);
        max(a, b) vbslq_f32(vcgtq_f32(a, b), a, b);
        min(a, b) vbslq_f32(vcltq_f32(a, b), a, b);
        mul_add(a, b, c) vfmaq_f32(c, a, b);
        neg_mul_add(a, b, c) vfmsq_f32(c, a, b);
        select_negative(x, negative, other) vbslq_f32(vcltzq_f32(x), negative, other);
        scale_by_power_of_two(x, k) vmulq_f32(
            x,
            vreinterpretq_f32_s32(vshlq_n_s32::<23>(vaddq_s32(vcvtq_s32_f32(k), vdupq_n_s32(127))))
        );
    }

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> float32x4_t {
        // SAFETY: the caller vouches for LANES readable values, the token for the instruction.
        unsafe { vld1q_f32(from) }
    }

    #[inline(always)]
    unsafe fn load_first(self, from: *const f32, n: usize) -> float32x4_t {
        assert!(n <= LANES);
        let mut lanes = [0.0f32; LANES];
        // SAFETY: the caller vouches for `n` readable values, and n <= LANES; the array is readable.
        unsafe {
            std::ptr::copy_nonoverlapping(from, lanes.as_mut_ptr(), n);
            vld1q_f32(lanes.as_ptr())
        }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, v: float32x4_t) {
        // SAFETY: the caller vouches for LANES writable values, the token for the instruction.
        unsafe { vst1q_f32(to, v) }
    }

    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, v: float32x4_t, n: usize) {
        assert!(n <= LANES);
        let mut lanes = [0.0f32; LANES];
        // SAFETY: the array is writable; the caller vouches for `n` writable values, and n <= LANES.
        unsafe {
            vst1q_f32(lanes.as_mut_ptr(), v);
            std::ptr::copy_nonoverlapping(lanes.as_ptr(), to, n);
        }
    }

    // Conversions between half and single precision are plain Rust: the instructions are not available everywhere.
    #[inline(always)]
    unsafe fn load_half(self, from: *const u16) -> float32x4_t {
        // SAFETY: the caller vouches for LANES readable half floats.
        unsafe { self.load_half_first(from, LANES) }
    }

    #[inline(always)]
    unsafe fn load_half_first(self, from: *const u16, n: usize) -> float32x4_t {
        assert!(n <= LANES);
        let mut lanes = [0.0f32; LANES];
        // SAFETY: the caller vouches for `n` readable half floats; the array is readable.
        unsafe {
            for (i, lane) in lanes.iter_mut().enumerate().take(n) {
                *lane = half::f16::from_bits(from.add(i).read()).to_f32();
            }
            vld1q_f32(lanes.as_ptr())
        }
    }

    #[inline(always)]
    unsafe fn store_half(self, to: *mut u16, v: float32x4_t) {
        // SAFETY: the caller vouches for LANES writable half floats.
        unsafe { self.store_half_first(to, v, LANES) }
    }

    #[inline(always)]
    unsafe fn store_half_first(self, to: *mut u16, v: float32x4_t, n: usize) {
        assert!(n <= LANES);
        let mut lanes = [0.0f32; LANES];
        // SAFETY: the array is writable; the caller vouches for `n` writable half floats.
        unsafe {
            vst1q_f32(lanes.as_mut_ptr(), v);
            for (i, &lane) in lanes.iter().enumerate().take(n) {
                to.add(i).write(half::f16::from_f32(lane).to_bits());
            }
        }
    }

    #[inline(always)]
    fn prefetch<T>(self, _: *const T) {}

    #[inline(always)]
    fn prefetch_far<T>(self, _: *const T) {}

    #[inline(always)]
    fn prefetch_once<T>(self, _: *const T) {}
}
