//! What the tests of this crate share: reference data, padding to a size rule, comparison.
#![allow(dead_code, reason = "each test binary uses its own part")]

pub(crate) mod graphs;

use pegbar_net::{Net, SizeFill, SizeRule, Value, interpret};
use std::path::PathBuf;

/// A folder of the reference data, or `None` with a note where it is not to be had.
pub(crate) fn shared(what: &str, folder: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PEGBAR_SHARED").map(|root| PathBuf::from(root).join(folder));
    if path.as_ref().is_some_and(|path| path.is_dir()) {
        return path;
    }
    eprintln!("skipped: {what} (PEGBAR_SHARED is not set)");
    None
}

/// Numbers that look random and are the same on every machine.
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn next(&mut self) -> u64 {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() >> 33) as usize % n
    }

    /// `-1.0..1.0`.
    pub(crate) fn signed(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }

    pub(crate) fn value(&mut self, shape: [usize; 4]) -> Value {
        Value { shape, data: (0..shape.iter().product()).map(|_| self.signed() * 0.5 + 0.5).collect() }
    }
}

pub(crate) fn max_abs_err(a: &Value, b: &Value) -> f32 {
    assert_eq!(a.shape, b.shape);
    a.data
        .iter()
        .zip(&b.data)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, |max, d| if d > max || d.is_nan() { d } else { max })
}

/// Part of a value, by rows and columns.
pub(crate) fn crop(v: &Value, top: usize, left: usize, height: usize, width: usize) -> Value {
    let [n, c, _, w] = v.shape;
    let mut data = Vec::with_capacity(n * c * height * width);
    for plane in v.data.chunks_exact(v.shape[2] * w) {
        for y in top..top + height {
            data.extend_from_slice(&plane[y * w + left..][..width]);
        }
    }
    Value { shape: [n, c, height, width], data }
}

/// Runs a net on a picture of any size: padded on the right and bottom to the size rule, the result cropped.
pub(crate) fn run_padded(net: &Net, input: &Value, scale: usize) -> Value {
    let [n, c, h, w] = input.shape;
    let rule = net.size_rule;
    let side = |size: usize| size.max(rule.minimum).next_multiple_of(rule.multiple_of);
    let (mut high, mut wide) = (side(h), side(w));
    if rule.square {
        (high, wide) = (high.max(wide), high.max(wide));
    }
    let mut data = Vec::with_capacity(n * c * high * wide);
    for plane in input.data.chunks_exact(h * w) {
        for y in 0..high {
            for x in 0..wide {
                let source = source(y, h, &rule).zip(source(x, w, &rule));
                data.push(source.map_or(0.0, |(y, x)| plane[y * w + x]));
            }
        }
    }
    let output = interpret(net, &Value { shape: [n, c, high, wide], data }).expect("runs");
    crop(&output, 0, 0, h * scale, w * scale)
}

/// The pixel of `size` that stands at `at` after padding; `None` for a zero.
fn source(at: usize, size: usize, rule: &SizeRule) -> Option<usize> {
    let mirrored = |at: usize, size: usize| match at.checked_sub(size) {
        None => at,
        // What mirroring cannot reach repeats the last mirrored pixel, which is the first of the picture.
        Some(beyond) => (size - 1).saturating_sub(beyond + 1),
    };
    let least = size.max(rule.minimum);
    let at = match (at < least, rule.fill) {
        (true, _) => at,
        (false, SizeFill::Mirror) => mirrored(at, least),
        (false, SizeFill::Symmetric) => (2 * least - 1).saturating_sub(at),
        (false, SizeFill::Edge) => least - 1,
        (false, SizeFill::Zeros) => return None,
    };
    Some(mirrored(at, size))
}
