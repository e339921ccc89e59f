//! How each zone of a picture has moved from one frame to the next, and how far that is to be trusted.

use crate::luma_chroma::luma;
use crate::temporal::motion::{BLOCK, MotionField, SearchPicture, Vector, densest};
use pegbar_frame::PlanarImage;

/// Most zones across and down.
const MOST_ZONES: (usize, usize) = (6, 4);

/// Least side of a zone, in blocks of the motion search.
const ZONE_BLOCKS: usize = 6;

/// An edge that differs by more moves otherwise.
const MOST_RESIDUE: f32 = 10.0 / 255.0;

/// The sum of squared slopes from which half of the trust comes: about that of an upright edge of 60 codes, 40 rows
/// high.
const HALF_TRUST: f64 = 0.3;

/// The move of one zone since the frame before.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct ZoneStep {
    /// To the right and down, in pixels.
    pub(super) step: [f32; 2],
    /// `0.0..=1.0` for each direction: 0 where the zone has nothing to see it by, or where what it has does not fit.
    pub(super) trust: [f32; 2],
}

impl ZoneStep {
    /// As a measure of a frame: four numbers to a zone.
    pub(super) fn measure(zones: &[Self]) -> Vec<f32> {
        zones.iter().flat_map(|z| [z.step[0], z.step[1], z.trust[0], z.trust[1]]).collect()
    }

    /// The zones of a measure; none of that of a scene's first frame.
    pub(super) fn all(measure: &[f32]) -> Vec<Self> {
        let zones = measure.as_chunks::<4>().0;
        zones.iter().map(|&[dx, dy, x, y]| Self { step: [dx, dy], trust: [x, y] }).collect()
    }
}

/// The moves of all zones, row by row, to a few hundredths of a pixel.
///
/// In each zone the motion of blocks votes for a whole move; least squares on luma then find the fraction, without
/// what moves otherwise.
pub(super) fn zone_steps(previous: &PlanarImage, frame: &PlanarImage) -> Vec<ZoneStep> {
    let (width, height) = (frame.width, frame.height);
    let (before, now) = (luma(previous), luma(frame));
    let picture = |luma: &[f32]| SearchPicture::of_luma(luma, width, height);
    let field = MotionField::search(&picture(&before), &picture(&now));
    let structure = structure_of_blocks(&before, width, field.columns, field.rows);
    let planes = Planes { before: softened(&before, width), now: softened(&now, width), width, height };
    let n_across = (field.columns / ZONE_BLOCKS).clamp(1, MOST_ZONES.0);
    let n_down = (field.rows / ZONE_BLOCKS).clamp(1, MOST_ZONES.1);
    let span = |i: usize, n: usize, blocks: usize| i * blocks / n..(i + 1) * blocks / n;
    let mut zones = Vec::with_capacity(n_across * n_down);
    for j in 0..n_down {
        let rows = span(j, n_down, field.rows);
        for i in 0..n_across {
            let columns = span(i, n_across, field.columns);
            let vectors: Vec<Vector> = rows
                .clone()
                .flat_map(|r| columns.clone().map(move |c| r * field.columns + c))
                .filter(|&at| structure[at])
                .map(|at| field.vectors[at])
                .collect();
            let zone = Zone {
                x: (columns.start * BLOCK, (columns.end * BLOCK).min(width)),
                y: (rows.start * BLOCK, (rows.end * BLOCK).min(height)),
            };
            zones.push(planes.step(&zone, &vectors));
        }
    }
    zones
}

/// Which blocks have structure: a flat sky stands still in any pan.
fn structure_of_blocks(luma: &[f32], width: usize, columns: usize, rows: usize) -> Vec<bool> {
    const LEAST_RANGE: f32 = 12.0 / 255.0;
    let ranged = |i: usize| {
        let (x, y) = (i % columns * BLOCK, i / columns * BLOCK);
        let rows = luma.chunks_exact(width).skip(y).take(BLOCK);
        let samples = rows.flat_map(|row| &row[x..(x + BLOCK).min(width)]);
        let (least, most) = samples.fold((f32::MAX, f32::MIN), |(a, b), v| (a.min(*v), b.max(*v)));
        most - least > LEAST_RANGE
    };
    (0..columns * rows).map(ranged).collect()
}

/// Columns and rows of a zone, from the first to before the last.
struct Zone {
    x: (usize, usize),
    y: (usize, usize),
}

/// Softened luma of two frames.
struct Planes {
    before: Vec<f32>,
    now: Vec<f32>,
    width: usize,
    height: usize,
}

/// The normal equations of a displacement, and how large what is left of the edges is.
struct Fit {
    xx: f64,
    xy: f64,
    yy: f64,
    xe: f64,
    ye: f64,
    ee: f64,
    /// Median of the differences on edges.
    typical: f32,
}

impl Planes {
    fn step(&self, zone: &Zone, vectors: &[Vector]) -> ZoneStep {
        let (mut dx, mut dy) = densest(vectors);
        let mut found = None;
        let mut scale = MOST_RESIDUE;
        for _ in 0..6 {
            let Some(fit) = self.fit(zone, (dx, dy), scale) else { break };
            scale = (4.0 * fit.typical).clamp(1.5 / 255.0, MOST_RESIDUE);
            let determinant = fit.xx * fit.yy - fit.xy * fit.xy;
            // Where all edges run one way, nothing is known of the move along them, and the blocks' is kept.
            let sure = determinant > 1e-4 * (fit.xx + fit.yy).powi(2);
            let step = if sure {
                let across = -(fit.yy * fit.xe - fit.xy * fit.ye) / determinant;
                let down = -(fit.xx * fit.ye - fit.xy * fit.xe) / determinant;
                ((across as f32).clamp(-1.0, 1.0), (down as f32).clamp(-1.0, 1.0))
            } else {
                let along = |e: f64, slopes: f64| {
                    if slopes > 0.2 * (fit.xx + fit.yy) {
                        ((-e / slopes) as f32).clamp(-1.0, 1.0)
                    } else {
                        0.0
                    }
                };
                (along(fit.xe, fit.xx), along(fit.ye, fit.yy))
            };
            (dx, dy) = (dx + step.0, dy + step.1);
            found = Some(fit);
            if step.0.hypot(step.1) < 0.002 {
                break;
            }
        }
        let Some(fit) = found.filter(|_| dx.is_finite() && dy.is_finite()) else {
            return ZoneStep::default();
        };
        // Noise has slopes as well, but no move makes them fit.
        let fitting = (1.0 - 2.0 * fit.ee / (fit.xx + fit.yy)).max(0.0);
        let trust = |own: f64, other: f64| {
            let known = (own - fit.xy * fit.xy / other.max(1e-12)).max(0.0);
            (fitting * known / (known + HALF_TRUST)) as f32
        };
        ZoneStep { step: [dx, dy], trust: [trust(fit.xx, fit.yy), trust(fit.yy, fit.xx)] }
    }

    /// How `now` differs from `before` at a displacement, within the zone; `None` where nothing is to be seen.
    fn fit(&self, zone: &Zone, (dx, dy): (f32, f32), scale: f32) -> Option<Fit> {
        let Self { before, now, width, height } = self;
        let (width, height) = (*width, *height);
        let (ix, iy) = (dx.floor(), dy.floor());
        let (fx, fy) = (dx - ix, dy - iy);
        let (ix, iy) = (ix as isize, iy as isize);
        let range = |shift: isize, (from, to): (usize, usize), n: usize| {
            (
                (2 - shift).max(2).max(from as isize),
                (n as isize - 3 - shift).min(n as isize - 3).min(to as isize),
            )
        };
        let ((x0, x1), (y0, y1)) = (range(ix, zone.x, width), range(iy, zone.y, height));
        if x1 - x0 < 8 || y1 - y0 < 8 {
            return None;
        }
        let mut fit = Fit { xx: 0.0, xy: 0.0, yy: 0.0, xe: 0.0, ye: 0.0, ee: 0.0, typical: 0.0 };
        let mut left = Vec::new();
        for y in (y0..y1).step_by(2) {
            for x in x0..x1 {
                let at = y as usize * width + x as usize;
                let (gx, gy) = (
                    0.5 * (before[at + 1] - before[at - 1]),
                    0.5 * (before[at + width] - before[at - width]),
                );
                if gx * gx + gy * gy < 2e-5 {
                    continue;
                }
                let other = (y + iy) as usize * width + (x + ix) as usize;
                let top = now[other] * (1.0 - fx) + now[other + 1] * fx;
                let bottom = now[other + width] * (1.0 - fx) + now[other + width + 1] * fx;
                // What lies here lay there before: now(x + d) = before(x).
                let e = top * (1.0 - fy) + bottom * fy - before[at];
                if x % 3 == 0 {
                    left.push(e.abs());
                }
                let u = e / scale;
                let weight = f64::from((1.0 - u * u).max(0.0).powi(2));
                let (gx, gy, e) = (f64::from(gx), f64::from(gy), f64::from(e));
                (fit.xx, fit.xy, fit.yy) =
                    (fit.xx + weight * gx * gx, fit.xy + weight * gx * gy, fit.yy + weight * gy * gy);
                (fit.xe, fit.ye) = (fit.xe + weight * gx * e, fit.ye + weight * gy * e);
                fit.ee += weight * e * e;
            }
        }
        let slopes = fit.xx + fit.yy;
        if left.is_empty() || slopes <= 0.0 || !slopes.is_finite() {
            return None;
        }
        let middle = left.len() / 2;
        fit.typical = *left.select_nth_unstable_by(middle, f32::total_cmp).1;
        Some(fit)
    }
}

/// Weights 1 2 1 both ways, so that reading between samples changes nothing more.
fn softened(plane: &[f32], width: usize) -> Vec<f32> {
    let height = plane.len() / width;
    let mut out = Vec::with_capacity(plane.len());
    let mut column = vec![0.0f32; width + 2];
    for y in 0..height {
        let row = |y: usize| &plane[y * width..(y + 1) * width];
        let (above, here, below) = (row(y.saturating_sub(1)), row(y), row((y + 1).min(height - 1)));
        for (v, ((a, b), c)) in column[1..].iter_mut().zip(above.iter().zip(here).zip(below)) {
            *v = a + 2.0 * b + c;
        }
        column[0] = column[1];
        column[width + 1] = column[width];
        out.extend(column.windows(3).map(|w| (w[0] + 2.0 * w[1] + w[2]) / 16.0));
    }
    out
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Waves that are shifted to the right and down.
    pub(in super::super) fn picture(dx: f32, dy: f32) -> PlanarImage {
        let (width, height) = (160, 120);
        let mut image = PlanarImage::zeros(1, height, width);
        for y in 0..height {
            for x in 0..width {
                let (u, v) = (x as f32 - dx, y as f32 - dy);
                image.data[y * width + x] = 0.5
                    + 0.2 * (u * 0.3 + (v * 0.13).sin()).sin()
                    + 0.2 * (v * 0.27 + (u * 0.05).cos() * 3.0).sin();
            }
        }
        image
    }

    #[test]
    fn steps_are_found_to_hundredths() {
        for (dx, dy) in [(0.0, 0.0), (0.3, -0.7), (2.45, 1.2), (-5.1, 0.08)] {
            for zone in zone_steps(&picture(0.0, 0.0), &picture(dx, dy)) {
                let [x, y] = zone.step;
                assert!((x - dx).abs() < 0.05 && (y - dy).abs() < 0.05, "{x}, {y} for {dx}, {dy}");
                assert!(zone.trust.iter().all(|t| (0.5..=1.0).contains(t)), "{:?}", zone.trust);
            }
        }
        let zones = zone_steps(&picture(0.0, 0.0), &picture(1.0, 0.0));
        assert_eq!(ZoneStep::all(&ZoneStep::measure(&zones)), zones);
    }

    #[test]
    fn what_shows_no_move_is_not_trusted() {
        let noise = |seed: u32| {
            let mut state = seed;
            let mut image = PlanarImage::zeros(1, 120, 160);
            image.data.iter_mut().for_each(|v| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                *v = 0.5 + 0.1 * (state >> 8) as f32 / 16_777_216.0;
            });
            image
        };
        assert!(zone_steps(&noise(1), &noise(2)).iter().all(|zone| zone.trust[0].max(zone.trust[1]) < 0.1));
        // Upright stripes say nothing of up and down.
        let stripes = |dx: f32| {
            let mut image = PlanarImage::zeros(1, 120, 160);
            image
                .data
                .iter_mut()
                .enumerate()
                .for_each(|(i, v)| *v = 0.5 + 0.3 * ((i % 160) as f32 * 0.3 - dx).sin());
            image
        };
        for zone in zone_steps(&stripes(0.0), &stripes(0.2)) {
            assert!(
                (zone.step[0] - 0.667).abs() < 0.1 && zone.trust[0] > 0.5 && zone.trust[1] < 0.05,
                "{zone:?}"
            );
        }
    }
}
