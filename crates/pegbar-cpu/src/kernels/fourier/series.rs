//! Fourier transforms of 32 or 64 complex numbers, each number a vector of channels.
//!
//! A series of N is taken as 8 by N / 8 (Cooley and Tukey): transforms of 8 numbers N / 8 apart, a turn of each result, and
//! transforms of N / 8 of these. The inverse is the same with real and imaginary parts in each other's place.
#![allow(unsafe_code, reason = "vector loads and stores at computed addresses")]

use crate::simd::Simd;

/// `[real, imaginary]`.
pub(super) type Complex<V> = [V; 2];

/// Numbers that a first transform takes.
const FIRST: usize = 8;

/// Where the numbers of a series come from, and where its frequencies go.
pub(super) trait Series<S: Simd> {
    /// Number `n`.
    ///
    /// # Safety
    /// As the maker of the series states; `n` must be less than the length of the series.
    unsafe fn get(&mut self, s: S, n: usize) -> Complex<S::V>;

    /// Frequency `k`.
    ///
    /// # Safety
    /// As the maker of the series states; `k` must be less than the length of the series.
    unsafe fn put(&mut self, s: S, k: usize, value: Complex<S::V>);
}

/// The turns between the two steps: `[n][k]` cosine and sine, for numbers `n` of N / 8 and frequencies `k` of 8.
pub(super) fn turns(side: usize) -> Vec<f32> {
    let angle = |n: usize, k: usize| -std::f64::consts::TAU * (n * k) as f64 / side as f64;
    let all = (0..side / FIRST).flat_map(|n| (0..FIRST).map(move |k| angle(n, k)));
    all.flat_map(|angle| [angle.cos() as f32, angle.sin() as f32]).collect()
}

/// Floats that [`transform`] needs between its steps.
pub(super) fn between_floats(side: usize, lanes: usize) -> usize {
    side * 2 * lanes
}

/// Transforms a series of N numbers.
///
/// # Safety
/// `turns` must hold what [`turns`] makes for N, and [`between_floats`] must be writable at `between`; and as the series
/// demands.
#[inline(always)]
pub(super) unsafe fn transform<S: Simd, T: Series<S>, const N: usize>(
    s: S,
    turns: &[f32],
    between: *mut f32,
    series: &mut T,
) {
    const { assert!(N == 32 || N == 64) }
    let second = N / FIRST;
    assert!(turns.len() == 2 * N);
    for n in 0..second {
        // SAFETY: n + 7 * second < N; the turns and the room between hold N pairs and N pairs of vectors.
        unsafe {
            let a = [
                series.get(s, n),
                series.get(s, n + second),
                series.get(s, n + 2 * second),
                series.get(s, n + 3 * second),
                series.get(s, n + 4 * second),
                series.get(s, n + 5 * second),
                series.get(s, n + 6 * second),
                series.get(s, n + 7 * second),
            ];
            let [a0, a1, a2, a3, a4, a5, a6, a7] = eight(s, a);
            let turns = turns.as_ptr().add(n * FIRST * 2);
            let to = between.add(n * 2 * S::LANES);
            store(s, to, a0);
            let step = second * 2 * S::LANES;
            store(s, to.add(step), turned(s, a1, turns.add(2)));
            store(s, to.add(2 * step), turned(s, a2, turns.add(4)));
            store(s, to.add(3 * step), turned(s, a3, turns.add(6)));
            store(s, to.add(4 * step), turned(s, a4, turns.add(8)));
            store(s, to.add(5 * step), turned(s, a5, turns.add(10)));
            store(s, to.add(6 * step), turned(s, a6, turns.add(12)));
            store(s, to.add(7 * step), turned(s, a7, turns.add(14)));
        }
    }
    for k in 0..FIRST {
        // SAFETY: the room between holds N pairs of vectors, of which these are `second`; k + 8 * (second - 1) < N.
        unsafe {
            let from = between.add(k * second * 2 * S::LANES);
            let at = |n: usize| load(s, from.add(n * 2 * S::LANES));
            if N == 32 {
                let [a0, a1, a2, a3] = four(s, [at(0), at(1), at(2), at(3)]);
                series.put(s, k, a0);
                series.put(s, k + FIRST, a1);
                series.put(s, k + 2 * FIRST, a2);
                series.put(s, k + 3 * FIRST, a3);
            } else {
                let a = [at(0), at(1), at(2), at(3), at(4), at(5), at(6), at(7)];
                let [a0, a1, a2, a3, a4, a5, a6, a7] = eight(s, a);
                series.put(s, k, a0);
                series.put(s, k + FIRST, a1);
                series.put(s, k + 2 * FIRST, a2);
                series.put(s, k + 3 * FIRST, a3);
                series.put(s, k + 4 * FIRST, a4);
                series.put(s, k + 5 * FIRST, a5);
                series.put(s, k + 6 * FIRST, a6);
                series.put(s, k + 7 * FIRST, a7);
            }
        }
    }
}

/// Reads a real and an imaginary vector, one after the other.
///
/// # Safety
/// Both must be readable.
#[inline(always)]
pub(super) unsafe fn load<S: Simd>(s: S, from: *const f32) -> Complex<S::V> {
    // SAFETY: the caller vouches for it.
    unsafe { [s.load(from), s.load(from.add(S::LANES))] }
}

/// Writes a real and an imaginary vector, one after the other.
///
/// # Safety
/// Both must be writable.
#[inline(always)]
pub(super) unsafe fn store<S: Simd>(s: S, to: *mut f32, value: Complex<S::V>) {
    // SAFETY: the caller vouches for it.
    unsafe {
        s.store(to, value[0]);
        s.store(to.add(S::LANES), value[1]);
    }
}

/// `a` times the cosine and sine at `turn`.
///
/// # Safety
/// Two floats must be readable.
#[inline(always)]
unsafe fn turned<S: Simd>(s: S, a: Complex<S::V>, turn: *const f32) -> Complex<S::V> {
    // SAFETY: the caller vouches for it.
    let (cos, sin) = unsafe { (s.splat(turn.read()), s.splat(turn.add(1).read())) };
    [s.neg_mul_add(a[1], sin, s.mul(a[0], cos)), s.mul_add(a[0], sin, s.mul(a[1], cos))]
}

#[inline(always)]
fn add<S: Simd>(s: S, a: Complex<S::V>, b: Complex<S::V>) -> Complex<S::V> {
    [s.add(a[0], b[0]), s.add(a[1], b[1])]
}

#[inline(always)]
fn sub<S: Simd>(s: S, a: Complex<S::V>, b: Complex<S::V>) -> Complex<S::V> {
    [s.sub(a[0], b[0]), s.sub(a[1], b[1])]
}

/// `a + i b`.
#[inline(always)]
fn add_i<S: Simd>(s: S, a: Complex<S::V>, b: Complex<S::V>) -> Complex<S::V> {
    [s.sub(a[0], b[1]), s.add(a[1], b[0])]
}

/// `a - i b`.
#[inline(always)]
fn sub_i<S: Simd>(s: S, a: Complex<S::V>, b: Complex<S::V>) -> Complex<S::V> {
    [s.add(a[0], b[1]), s.sub(a[1], b[0])]
}

/// The transform of four numbers.
#[inline(always)]
fn four<S: Simd>(s: S, [a, b, c, d]: [Complex<S::V>; 4]) -> [Complex<S::V>; 4] {
    let (even, odd) = ([add(s, a, c), sub(s, a, c)], [add(s, b, d), sub(s, b, d)]);
    [add(s, even[0], odd[0]), sub_i(s, even[1], odd[1]), sub(s, even[0], odd[0]), add_i(s, even[1], odd[1])]
}

/// The transform of eight numbers.
#[inline(always)]
fn eight<S: Simd>(s: S, [a, b, c, d, e, f, g, h]: [Complex<S::V>; 8]) -> [Complex<S::V>; 8] {
    let [e0, e1, e2, e3] = four(s, [a, c, e, g]);
    let [o0, o1, o2, o3] = four(s, [b, d, f, h]);
    // An eighth turn is a quarter of one and none, added and times the root of one half.
    let root = s.splat(std::f32::consts::FRAC_1_SQRT_2);
    let (p, q) = (s.add(o1[0], o1[1]), s.sub(o1[1], o1[0]));
    let (t, u) = (s.sub(o3[1], o3[0]), s.add(o3[0], o3[1]));
    [
        add(s, e0, o0),
        [s.mul_add(root, p, e1[0]), s.mul_add(root, q, e1[1])],
        sub_i(s, e2, o2),
        [s.mul_add(root, t, e3[0]), s.neg_mul_add(root, u, e3[1])],
        sub(s, e0, o0),
        [s.neg_mul_add(root, p, e1[0]), s.neg_mul_add(root, q, e1[1])],
        add_i(s, e2, o2),
        [s.neg_mul_add(root, t, e3[0]), s.mul_add(root, u, e3[1])],
    ]
}
