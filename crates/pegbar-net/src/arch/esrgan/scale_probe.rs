//! Tells a 3x network from a 2x one where the keys do not, by what it makes of a ramp.
//!
//! A trained network turns a ramp into a ramp, but only at its own scale. Between nearest-neighbour enlargement and the
//! picture stand 3x3 convolutions. Trained behind a doubling they put the two copies of a pixel a quarter of a
//! pixel to either side of it; enlarge three times instead, and the copies lie at -1/4, 0 and +1/4, so the ramp climbs by
//! 1/4, 1/4 and 1/2 in turn. Trained behind a tripling they put the copies at -1/3, 0 and +1/3; enlarge twice, and
//! the ramp climbs by 2/3 and 1/3 in turn. Even steps at three and uneven ones at two are the mark of a 3x network.
//! Weights that are not trained (or not finite) have even steps at neither.

use crate::{Net, Op, Value, interpret};

/// Size of the ramp: its ends, where the zeros around the picture show, are left out.
const WIDTH: usize = 16;
const HEIGHT: usize = 6;
const MARGIN: usize = 5;
const FIRST: f32 = 0.3;
const LAST: f32 = 0.7;

/// (largest - smallest step) / mean step: 0 where it is the network's own scale, 0.67 and 0.75 where it is not.
const EVEN: f32 = 0.3;
const UNEVEN: f32 = 0.4;

/// The output must climb about as fast as the input, or the network is no trained enlarger.
const MEAN_STEP: std::ops::Range<f32> = 0.7..1.3;

/// Networks beyond this many weights would keep the reader waiting; no 2x or 3x model comes near.
const MAX_PARAMETERS: usize = 1 << 26;

/// Given the network up to its trunk, and what may stand behind it with the factor it enlarges by, `Some(3)` where the
/// one with 3 is right beyond doubt.
pub(super) fn factor_by_ramp(body: &Net, tails: &[(usize, Net)]) -> Option<usize> {
    let Op::Input { channels } = body.nodes.first()?.op else { return None };
    if body.parameters() > MAX_PARAMETERS {
        return None;
    }
    let mut ramp = Value::filled([1, channels, HEIGHT, WIDTH], 0.0);
    for (index, value) in ramp.data.iter_mut().enumerate() {
        *value = FIRST + (LAST - FIRST) * (index % WIDTH) as f32 / (WIDTH - 1) as f32;
    }
    let trunk = interpret(body, &ramp).ok()?;
    let unevenness = |wanted: usize| {
        let (factor, tail) = tails.iter().find(|(factor, _)| *factor == wanted)?;
        unevenness(&interpret(tail, &trunk).ok()?, *factor)
    };
    (unevenness(3)? < EVEN && unevenness(2)? > UNEVEN).then_some(3)
}

/// How much the steps of the enlarged ramp differ by their place within a pixel. `None` when it does not climb as the
/// input does.
fn unevenness(output: &Value, factor: usize) -> Option<f32> {
    let [_, channels, height, width] = output.shape;
    let rows = height / 2 - factor..height / 2 + factor;
    // Steps from the last copy of a pixel to the first of the next are counted with the others, so whole pixels.
    let columns = MARGIN * factor..(WIDTH - MARGIN) * factor;
    let mut steps = vec![0.0f32; factor];
    for plane in 0..channels {
        for y in rows.clone() {
            let row = &output.data[(plane * height + y) * width..][..width];
            for x in columns.clone() {
                steps[x % factor] += row[x + 1] - row[x];
            }
        }
    }
    let n_samples = (channels * rows.len() * columns.len() / factor) as f32;
    let input_step = (LAST - FIRST) / (WIDTH - 1) as f32 / factor as f32;
    let relative: Vec<f32> = steps.iter().map(|sum| sum / n_samples / input_step).collect();
    let mean = relative.iter().sum::<f32>() / factor as f32;
    if !MEAN_STEP.contains(&mean) {
        return None;
    }
    let (min, max) =
        relative.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(min, max), &s| (min.min(s), max.max(s)));
    Some((max - min) / mean)
}
