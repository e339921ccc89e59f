//! Every instruction set against plain arithmetic, at every level the machine has.

use super::*;

/// Some awkward values, then a ramp.
fn samples() -> Vec<f32> {
    let mut values = vec![0.0, -0.0, 1.0, -1.0, 0.5, -88.0, 88.0, 3.25e-5, -7.0e6, f32::MIN_POSITIVE];
    values.extend((0..246).map(|i| (i as f32 - 120.3) * 0.37));
    values
}

struct Apply<'a, F> {
    input: &'a [f32],
    function: F,
}

trait Function {
    fn apply<S: Simd>(&self, s: S, x: S::V) -> S::V;
}

impl<F: Function> Kernel for Apply<'_, F> {
    type Output = Vec<f32>;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Vec<f32> {
        let mut out = vec![-77.0; self.input.len()];
        for start in (0..self.input.len()).step_by(S::LANES) {
            let n = (self.input.len() - start).min(S::LANES);
            // SAFETY: n values from `start` on lie within both vectors, which are equally long.
            unsafe {
                let x = s.load_first(self.input.as_ptr().add(start), n);
                s.store_first(out.as_mut_ptr().add(start), self.function.apply(s, x), n);
            }
        }
        out
    }
}

fn at_every_level<F: Function + Copy>(function: F, expected: impl Fn(f32) -> f32, relative: f32) {
    let input = samples();
    for level in CpuLevel::available() {
        let isa = Isa::new(level).expect("listed as available");
        for n in [1, 3, 7, 15, 16, 17, 33, input.len()] {
            for start in 0..3.min(input.len() - n + 1) {
                let input = &input[start..start + n];
                let out = dispatch(isa, Apply { input, function });
                for (&x, &y) in input.iter().zip(&out) {
                    let e = expected(x);
                    assert!((y - e).abs() <= relative * e.abs(), "{level} f({x}) = {y}, expected {e}");
                }
            }
        }
    }
}

macro_rules! function {
    ($name:ident($s:ident, $x:ident) $value:expr) => {
        #[derive(Clone, Copy)]
        struct $name;
        impl Function for $name {
            #[inline(always)]
            fn apply<S: Simd>(&self, $s: S, $x: S::V) -> S::V {
                $value
            }
        }
    };
}

function!(Identity(_s, x) x);
function!(Polynomial(s, x) s.mul_add(x, s.add(x, s.splat(2.0)), s.sub(x, s.splat(4.0))));
function!(NegMulAdd(s, x) s.neg_mul_add(x, s.splat(3.0), s.splat(1.0)));
function!(Limit(s, x) s.min(s.splat(3.0), s.max(s.splat(-2.0), x)));
function!(Leaky(s, x) s.select_negative(x, s.mul(x, s.splat(0.25)), x));
function!(Half(s, x) s.div(s.splat(1.0), s.add(s.mul(x, x), s.splat(1.0))));
function!(Power(s, x) s.scale_by_power_of_two(x, s.splat(-5.0)));
function!(Exp(s, x) exp(s, x));
function!(Sigmoid(s, x) sigmoid(s, x));
function!(SoftExp(s, x) exp_of_negative(s, s.min(s.splat(0.0), x)));
function!(Erf(s, x) math::erf(s, x));
function!(Tanh(s, x) tanh(s, x));
function!(Gelu(s, x) gelu(s, x));
function!(GeluOfHalf(s, x) gelu_of_half(s, x));
function!(Mish(s, x) mish(s, x));
function!(Total(s, x) s.splat(sum_of_lanes(s, s.add(s.splat(1.0), s.sub(x, x)))));
function!(Largest(s, x) s.splat(max_of_lanes(s, s.max(x, s.splat(7.0e6)))));

#[test]
fn arithmetic_agrees_with_plain_rust() {
    at_every_level(Identity, |x| x, 0.0);
    at_every_level(Polynomial, |x| (f64::from(x) * f64::from(x + 2.0) + f64::from(x - 4.0)) as f32, 1e-5);
    at_every_level(NegMulAdd, |x| (1.0 - 3.0 * f64::from(x)) as f32, 1e-6);
    at_every_level(Limit, |x| x.clamp(-2.0, 3.0), 0.0);
    at_every_level(Leaky, |x| if x < 0.0 { 0.25 * x } else { x }, 0.0);
    at_every_level(Half, |x| 1.0 / (x * x + 1.0), 1e-6);
    at_every_level(Power, |x| x / 32.0, 0.0);
}

#[test]
fn exponentials_are_accurate() {
    let exp_of = |x: f32| f64::from(x.clamp(-87.33, 88.37)).exp();
    at_every_level(Exp, |x| exp_of(x) as f32, 3e-7);
    at_every_level(Sigmoid, |x| (1.0 / (1.0 + exp_of(-x))) as f32, 4e-7);
}

#[test]
fn error_functions_are_accurate() {
    at_every_level(SoftExp, |x| f64::from(x.clamp(-87.33, 0.0)).exp() as f32, 6e-6);
    at_every_level(Tanh, |x| f64::from(x).tanh() as f32, 6e-7);
    // The reference function of GELU gives the error function: gelu(x) = x * (1 + erf(x / sqrt 2)) / 2.
    let exact_gelu = |x: f32| pegbar_net::UnaryOp::Gelu.apply(x);
    let erf = |x: f32| {
        let wide = f64::from(x) * std::f64::consts::SQRT_2;
        (2.0 * f64::from(exact_gelu(wide as f32)) / wide - 1.0) as f32
    };
    for (x, y) in [(0.5, 0.520_499_9), (1.0, 0.842_700_8), (2.0, 0.995_322_3), (-1.0, -0.842_700_8)] {
        assert!((erf(x) - y).abs() < 1e-6);
        for level in CpuLevel::available() {
            let isa = Isa::new(level).expect("listed as available");
            let out = dispatch(isa, Apply { input: &[x], function: Erf });
            assert!((out[0] - y).abs() < 5e-7, "{level}: erf({x}) = {}", out[0]);
        }
    }
    for level in CpuLevel::available() {
        let isa = Isa::new(level).expect("listed as available");
        let input: Vec<f32> =
            (-6000..6000).map(|i| i as f32 * 1e-3).chain([-1e4, -50.0, 50.0, 1e4]).collect();
        for (&x, y) in input.iter().zip(dispatch(isa, Apply { input: &input, function: Gelu })) {
            assert!((y - exact_gelu(x)).abs() <= 4e-7 * x.abs().max(1.0), "{level}: gelu({x}) = {y}");
            assert!(x > -6.0 || y == 0.0, "{level}: gelu({x}) = {y}");
        }
        for (&x, y) in input.iter().zip(dispatch(isa, Apply { input: &input, function: GeluOfHalf })) {
            assert!(
                (y - exact_gelu(x)).abs() <= x.abs() / 8192.0,
                "{level}: gelu({x}) = {y} as a half float"
            );
        }
        for (&x, y) in input.iter().zip(dispatch(isa, Apply { input: &input, function: Mish })) {
            let exact = pegbar_net::UnaryOp::Mish.apply(x);
            assert!(
                (y - exact).abs() <= 6e-7 * x.abs().clamp(1.0, 100.0),
                "{level}: mish({x}) = {y}, not {exact}"
            );
        }
    }
}

#[test]
fn lanes_are_folded() {
    for level in CpuLevel::available() {
        let isa = Isa::new(level).expect("listed as available");
        let lanes = isa.geometry().lanes;
        let input = vec![3.0; lanes];
        assert!(dispatch(isa, Apply { input: &input, function: Total }).iter().all(|&v| v == lanes as f32));
        for at in 0..lanes {
            let mut input = input.clone();
            input[at] = 8.0e6;
            let out = dispatch(isa, Apply { input: &input, function: Largest });
            assert!(out.iter().all(|&v| v == 8.0e6), "{level}");
        }
    }
}

#[test]
fn matrices_are_turned() {
    for (rows, columns) in [(4, 4), (16, 32), (8, 12)] {
        let from: Vec<f32> = (0..rows * columns).map(|i| i as f32).collect();
        let mut to = vec![-1.0; from.len()];
        transpose([rows, columns], &from, &mut to);
        assert!((0..from.len()).all(|i| to[i % columns * rows + i / columns] == from[i]));
    }
}

#[test]
fn nan_survives() {
    for level in CpuLevel::available() {
        let isa = Isa::new(level).expect("listed as available");
        let input = [1.0, f32::NAN, 2.0];
        for out in [
            dispatch(isa, Apply { input: &input, function: Limit }),
            dispatch(isa, Apply { input: &input, function: Leaky }),
            dispatch(isa, Apply { input: &input, function: Sigmoid }),
            dispatch(isa, Apply { input: &input, function: Gelu }),
            dispatch(isa, Apply { input: &input, function: Tanh }),
        ] {
            assert!(out[1].is_nan() && !out[0].is_nan() && !out[2].is_nan(), "{level}: {out:?}");
        }
    }
}

#[test]
fn partial_stores_leave_the_rest_alone() {
    struct StoreFirst(usize);
    impl Kernel for StoreFirst {
        type Output = Vec<f32>;
        #[inline(always)]
        fn run<S: Simd>(self, s: S) -> Vec<f32> {
            let mut out = vec![9.0; S::LANES + 1];
            // SAFETY: at most LANES values are written from index 1 on.
            unsafe { s.store_first(out.as_mut_ptr().add(1), s.splat(1.0), self.0) };
            out
        }
    }
    for level in CpuLevel::available() {
        let isa = Isa::new(level).expect("listed as available");
        for n in 0..=isa.geometry().lanes {
            let out = dispatch(isa, StoreFirst(n));
            let expected: Vec<f32> =
                (0..out.len()).map(|i| if (1..=n).contains(&i) { 1.0 } else { 9.0 }).collect();
            assert_eq!(out, expected, "{level}");
        }
    }
}
