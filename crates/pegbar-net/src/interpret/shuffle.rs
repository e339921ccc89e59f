//! Operations that only move values.

use super::Value;

pub(super) fn concat(inputs: &[&Value], axis: usize, out: [usize; 4]) -> Value {
    let outer: usize = out[..axis].iter().product();
    let mut data = Vec::with_capacity(out.iter().product());
    for o in 0..outer {
        for value in inputs {
            let run: usize = value.shape[axis..].iter().product();
            data.extend_from_slice(&value.data[o * run..][..run]);
        }
    }
    Value { shape: out, data }
}

pub(super) fn slice(x: &Value, axis: usize, first: usize, out: [usize; 4]) -> Value {
    let inner: usize = out[axis + 1..].iter().product();
    let outer: usize = out[..axis].iter().product();
    let mut data = Vec::with_capacity(out.iter().product());
    for o in 0..outer {
        data.extend_from_slice(&x.data[(o * x.shape[axis] + first) * inner..][..out[axis] * inner]);
    }
    Value { shape: out, data }
}

pub(super) fn pixel_shuffle(x: &Value, f: usize, out: [usize; 4]) -> Value {
    Value::generate(out, |n, c, y, xx| x.at(n, c * f * f + y % f * f + xx % f, y / f, xx / f))
}

pub(super) fn pixel_unshuffle(x: &Value, f: usize, out: [usize; 4]) -> Value {
    Value::generate(out, |n, c, y, xx| x.at(n, c / (f * f), y * f + c / f % f, xx * f + c % f))
}
