//! Plain Rust in the shape of a vector of four, which any compiler turns into whatever the target's baseline has.

use super::Simd;

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
    fn prefetch(self, _: *const f32) {}
}
