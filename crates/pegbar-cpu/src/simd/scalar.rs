//! Plain Rust in the shape of a vector of four, which any compiler turns into whatever the target's baseline has.

use super::{Int16, Simd};
use half::f16;

/// The instruction set every processor has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scalar;

const LANES: usize = 4;
type V = [f32; LANES];

macro_rules! lanewise {
    ($($name:ident($($arg:ident),*) $value:expr;)*) => {$(
        #[inline(always)]
        fn $name(self, $($arg: V),*) -> V {
            let mut out = [0.0; LANES];
            for (i, o) in out.iter_mut().enumerate() {
                $(let $arg = $arg[i];)*
                *o = $value;
            }
            out
        }
    )*};
}

impl Simd for Scalar {
    type V = V;
    const LANES: usize = LANES;
    const REGISTERS: usize = 16;

    #[inline(always)]
    fn splat(self, x: f32) -> V {
        [x; LANES]
    }

    // No fused multiply-add: without the instruction `f32::mul_add` is a slow library call.
    lanewise! {
        add(a, b) a + b;
        sub(a, b) a - b;
        mul(a, b) a * b;
        div(a, b) a / b;
        max(a, b) if a > b { a } else { b };
        min(a, b) if a < b { a } else { b };
        mul_add(a, b, c) a * b + c;
        neg_mul_add(a, b, c) c - a * b;
        select_negative(x, negative, other) if x < 0.0 { negative } else { other };
        scale_by_power_of_two(x, k) x * f32::from_bits(((k as i32 + 127) << 23) as u32);
    }

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> V {
        // SAFETY: the caller vouches for LANES readable values; an array of f32 has the alignment of f32.
        unsafe { from.cast::<V>().read() }
    }

    #[inline(always)]
    unsafe fn load_first(self, from: *const f32, n: usize) -> V {
        debug_assert!(n <= LANES);
        let mut out = [0.0; LANES];
        for (i, o) in out.iter_mut().enumerate().take(n) {
            // SAFETY: the caller vouches for `n` readable values, and i < n.
            *o = unsafe { from.add(i).read() };
        }
        out
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, v: V) {
        // SAFETY: the caller vouches for LANES writable values.
        unsafe { to.cast::<V>().write(v) }
    }

    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, v: V, n: usize) {
        debug_assert!(n <= LANES);
        for (i, x) in v.into_iter().enumerate().take(n) {
            // SAFETY: the caller vouches for `n` writable values, and i < n.
            unsafe { to.add(i).write(x) }
        }
    }

    #[inline(always)]
    unsafe fn load_half(self, from: *const u16) -> V {
        // SAFETY: the caller vouches for LANES readable half floats.
        unsafe { self.load_half_first(from, LANES) }
    }

    #[inline(always)]
    unsafe fn load_half_first(self, from: *const u16, n: usize) -> V {
        debug_assert!(n <= LANES);
        let mut out = [0.0; LANES];
        for (i, o) in out.iter_mut().enumerate().take(n) {
            // SAFETY: the caller vouches for `n` readable half floats, and i < n.
            *o = f16::from_bits(unsafe { from.add(i).read() }).to_f32();
        }
        out
    }

    #[inline(always)]
    unsafe fn store_half(self, to: *mut u16, v: V) {
        // SAFETY: the caller vouches for LANES writable half floats.
        unsafe { self.store_half_first(to, v, LANES) }
    }

    #[inline(always)]
    unsafe fn store_half_first(self, to: *mut u16, v: V, n: usize) {
        debug_assert!(n <= LANES);
        for (i, x) in v.into_iter().enumerate().take(n) {
            // SAFETY: the caller vouches for `n` writable half floats, and i < n.
            unsafe { to.add(i).write(f16::from_f32(x).to_bits()) }
        }
    }

    #[inline(always)]
    fn prefetch<T>(self, _: *const T) {}

    #[inline(always)]
    fn prefetch_far<T>(self, _: *const T) {}

    #[inline(always)]
    fn prefetch_once<T>(self, _: *const T) {}
}

/// The two numbers of a pair.
#[inline(always)]
fn halves(pair: i32) -> [i16; 2] {
    [pair as i16, (pair >> 16) as i16]
}

#[inline(always)]
fn pair(low: i16, high: i16) -> i32 {
    i32::from(low as u16) | i32::from(high) << 16
}

impl Int16 for Scalar {
    type I = [i32; LANES];

    #[inline(always)]
    fn splat_pair(self, pair: i32) -> Self::I {
        [pair; LANES]
    }

    #[inline(always)]
    fn dot(self, sum: Self::I, a: Self::I, b: Self::I) -> Self::I {
        std::array::from_fn(|i| {
            let (a, b) = (halves(a[i]), halves(b[i]));
            let products = [i32::from(a[0]) * i32::from(b[0]), i32::from(a[1]) * i32::from(b[1])];
            sum[i].wrapping_add(products[0]).wrapping_add(products[1])
        })
    }

    #[inline(always)]
    fn to_float(self, v: Self::I) -> V {
        v.map(|x| x as f32)
    }

    #[inline(always)]
    fn quantize_pairs(self, a: V, b: V, scale: V) -> Self::I {
        std::array::from_fn(|i| {
            pair((a[i] * scale[i]).round_ties_even() as i16, (b[i] * scale[i]).round_ties_even() as i16)
        })
    }

    #[inline(always)]
    unsafe fn store_quantized(self, to: *mut i16, v: V, scale: V) {
        for i in 0..LANES {
            // SAFETY: the caller vouches for LANES writable integers.
            unsafe { to.add(i).write((v[i] * scale[i]).round_ties_even() as i16) }
        }
    }

    #[inline(always)]
    unsafe fn load_int(self, from: *const i32) -> Self::I {
        // SAFETY: the caller vouches for LANES readable integers; an array of i32 has the alignment of i32.
        unsafe { from.cast::<Self::I>().read() }
    }

    #[inline(always)]
    unsafe fn store_int(self, to: *mut i32, v: Self::I) {
        // SAFETY: the caller vouches for LANES writable integers.
        unsafe { to.cast::<Self::I>().write(v) }
    }

    #[inline(always)]
    fn magnitude(self, v: V) -> Self::I {
        v.map(|x| (x.to_bits() & 0x7fff_ffff) as i32)
    }

    #[inline(always)]
    fn with_bits(self, v: Self::I) -> V {
        v.map(|bits| f32::from_bits(bits as u32))
    }

    #[inline(always)]
    fn max_int(self, a: Self::I, b: Self::I) -> Self::I {
        std::array::from_fn(|i| a[i].max(b[i]))
    }

    #[inline(always)]
    fn largest(self, v: Self::I) -> i32 {
        v.into_iter().fold(i32::MIN, i32::max)
    }
}
