//! Rows made anew between those above and below, along the edges that cross them.
//!
//! For each sample of the missing row the directions are weighed in which the rows around may be alike: the two next to it,
//! and each of them with the one beyond. Directions along a row are judged together, since an edge does not jump: what counts
//! for each is the cheapest path along the whole row that goes through it (the idea of EEDI3). The new sample is the mean over
//! all directions, the cheap ones first, so a doubtful direction does little harm.

use crate::picture::fast_exp::exp_negative;

/// How flat edges may run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EdgeRows {
    /// Columns to a row of the flattest edge.
    pub(crate) reach_px: usize,
}

/// Four rows: two above the missing one, two below it, in order.
pub(crate) type Around<'a> = [&'a Row; 4];

/// The share of each direction in each sample of a row: a row of shares for each direction, in order.
pub(crate) struct Shares {
    width: usize,
    shares: Vec<f32>,
}

/// What a slanted direction costs, for each half column, in samples of `0.0..=1.0`.
const SLANT: f32 = 0.004;
/// What each half column costs by which the direction changes from a sample to the next.
const BEND: f32 = 0.07;
/// What the likeness of the next rows with those beyond weighs against that of the next ones.
const BEYOND: f32 = 0.3;
/// A direction that costs so much more than the best one counts by 1 / e.
const SOFT: f32 = 0.06;
/// Samples that differ by this are unlike, and no more so if they differ by more.
const UNLIKE: f32 = 0.4;
/// Samples on both sides of a direction that are compared.
const SIDE: usize = 2;

impl EdgeRows {
    /// Samples that a [`Row`] has to be continued by at both ends.
    pub(crate) fn margin(self) -> usize {
        3 * self.reach_px + SIDE + 2
    }

    /// Half columns to the right to where each direction crosses the row above; as many to the left below.
    fn directions(self) -> impl DoubleEndedIterator<Item = isize> + Clone {
        // Flat edges are told apart by fewer steps than steep ones.
        const HALVES: [isize; 10] = [1, 2, 3, 4, 6, 8, 11, 15, 20, 24];
        let reach = 2 * self.reach_px as isize;
        let slanted = HALVES.into_iter().filter(move |h| *h <= reach);
        slanted.clone().rev().map(|h| -h).chain([0]).chain(slanted)
    }

    /// Weighs the directions at each sample of a row of `width`, by all planes alike: colours tell edges that luma does not.
    pub(crate) fn weigh(self, planes: &[Around<'_>], width: usize) -> Shares {
        let n = self.directions().count();
        let first = self.margin() - SIDE;
        let mut costs = vec![0.0f32; n * width];
        let mut differences = vec![0.0f32; width + 2 * SIDE];
        for (i, halves) in self.directions().enumerate() {
            differences.fill(0.0);
            for rows in planes {
                let next = rows[1].from(first, halves).iter().zip(rows[2].from(first, -halves));
                let above = rows[0].from(first, 3 * halves).iter().zip(rows[1].from(first, halves));
                let below = rows[3].from(first, -3 * halves).iter().zip(rows[2].from(first, -halves));
                for (v, ((next, above), below)) in differences.iter_mut().zip(next.zip(above).zip(below)) {
                    let beyond = (above.0 - above.1).abs() + (below.0 - below.1).abs();
                    *v += (next.0 - next.1).abs().min(UNLIKE) + BEYOND * beyond.min(UNLIKE);
                }
            }
            let slant = SLANT * halves.unsigned_abs() as f32;
            let scale = 1.0 / ((planes.len() * (2 * SIDE + 1)) as f32 * (1.0 + 2.0 * BEYOND));
            for (cost, d) in costs[i..].iter_mut().step_by(n).zip(differences.windows(2 * SIDE + 1)) {
                *cost = (d[0] + d[1] + d[2] + d[3] + d[4]) * scale + slant;
            }
        }
        let totals = path_costs(&costs, n);
        let mut shares = vec![0.0; n * width];
        let mut weights = vec![0.0; n];
        for (x, totals) in totals.chunks_exact(n).enumerate() {
            let least = totals.iter().copied().fold(f32::MAX, f32::min);
            for (w, total) in weights.iter_mut().zip(totals) {
                *w = exp_negative((least - total) * (1.0 / SOFT));
            }
            let scale = 1.0 / weights.iter().sum::<f32>();
            for (i, w) in weights.iter().enumerate() {
                shares[i * width + x] = w * scale;
            }
        }
        Shares { width, shares }
    }

    /// The row between the middle two, by shares that [`EdgeRows::weigh`] found.
    pub(crate) fn fill(self, rows: Around<'_>, shares: &Shares, out: &mut [f32]) {
        let margin = self.margin();
        let (mut low, mut high) = (vec![0.0; out.len()], vec![0.0; out.len()]);
        let next = rows[1].whole[margin - 1..].windows(3).zip(rows[2].whole[margin - 1..].windows(3));
        for ((low, high), (a, b)) in low.iter_mut().zip(&mut high).zip(next) {
            *low = a[0].min(a[1]).min(a[2]).min(b[0].min(b[1]).min(b[2]));
            *high = a[0].max(a[1]).max(a[2]).max(b[0].max(b[1]).max(b[2]));
        }
        out.fill(0.0);
        for (halves, shares) in self.directions().zip(shares.shares.chunks_exact(shares.width)) {
            let next = rows[1].from(margin, halves).iter().zip(rows[2].from(margin, -halves));
            let beyond = rows[0].from(margin, 3 * halves).iter().zip(rows[3].from(margin, -3 * halves));
            let limits = low.iter().zip(&high);
            for (((v, share), (next, beyond)), (low, high)) in
                out.iter_mut().zip(shares).zip(next.zip(beyond)).zip(limits)
            {
                // Cubic convolution with a = -0.5 in the middle of four samples along the edge.
                let cubic = 0.5625 * (next.0 + next.1) - 0.0625 * (beyond.0 + beyond.1);
                let (low, high) = (low.min(*next.0).min(*next.1), high.max(*next.0).max(*next.1));
                *v += share * cubic.max(low).min(high);
            }
        }
    }
}

/// Of `n` costs for each sample, for each of them the cost of the cheapest path along the row that goes through it.
fn path_costs(costs: &[f32], n: usize) -> Vec<f32> {
    // What it costs to arrive at each choice from the best one before: a step at a time, up and down.
    let spread = |sums: &mut [f32]| {
        for i in 1..n {
            sums[i] = sums[i].min(sums[i - 1] + BEND);
        }
        for i in (0..n - 1).rev() {
            sums[i] = sums[i].min(sums[i + 1] + BEND);
        }
    };
    let mut totals = costs.to_vec();
    let mut sums = vec![0.0; n];
    for (totals, costs) in totals.chunks_exact_mut(n).zip(costs.chunks_exact(n)) {
        spread(&mut sums);
        for ((total, sum), cost) in totals.iter_mut().zip(&mut sums).zip(costs) {
            *total += *sum;
            *sum += cost;
        }
    }
    sums.fill(0.0);
    for (totals, costs) in totals.chunks_exact_mut(n).zip(costs.chunks_exact(n)).rev() {
        spread(&mut sums);
        for ((total, sum), cost) in totals.iter_mut().zip(&mut sums).zip(costs) {
            *total += *sum;
            *sum += cost;
        }
    }
    totals
}

/// A row of samples with its ends continued, and the samples half a column to the right of each.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    whole: Vec<f32>,
    half: Vec<f32>,
}

impl Row {
    /// `margin` samples are put at both ends.
    pub(crate) fn new(row: &[f32], margin: usize) -> Self {
        let mut whole = Vec::with_capacity(row.len() + 2 * margin);
        whole.resize(margin, row[0]);
        whole.extend_from_slice(row);
        whole.resize(row.len() + 2 * margin, row[row.len() - 1]);
        let mut half = whole.clone();
        for (v, w) in half[1..].iter_mut().zip(whole.windows(4)) {
            *v = 0.5625 * (w[1] + w[2]) - 0.0625 * (w[0] + w[3]);
        }
        Self { whole, half }
    }

    /// All samples from one on that lies so many half columns to the right of a whole one.
    fn from(&self, index: usize, halves: isize) -> &[f32] {
        let samples = if halves & 1 == 0 { &self.whole } else { &self.half };
        &samples[(index as isize + (halves >> 1)) as usize..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The row between two pairs of rows across which an edge runs at `slope` columns a row.
    fn between(slope: f32) -> (Vec<f32>, Vec<f32>) {
        let edges = EdgeRows { reach_px: 2 };
        let row = |y: f32| -> Vec<f32> {
            (0..40).map(|x| (0.5 + 0.25 * (x as f32 - 20.0 - slope * y)).clamp(0.0, 1.0)).collect()
        };
        let rows = [-3.0, -1.0, 1.0, 3.0].map(|y| Row::new(&row(y), edges.margin()));
        let around = [&rows[0], &rows[1], &rows[2], &rows[3]];
        let mut out = vec![0.0; 40];
        edges.fill(around, &edges.weigh(&[around], 40), &mut out);
        (out, row(0.0))
    }

    #[test]
    fn an_edge_goes_on_where_it_runs() {
        for slope in [-1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0] {
            let (out, truth) = between(slope);
            let off = out.iter().zip(&truth).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(off < 0.06, "{slope}: {off}");
        }
    }

    #[test]
    fn paths_are_those_of_every_choice() {
        let n = 3;
        let costs: Vec<f32> = (0..5 * n).map(|i| (i * 7 % 11) as f32 * 0.05).collect();
        let totals = path_costs(&costs, n);
        let all =
            (0..n.pow(5)).map(|path| -> [usize; 5] { std::array::from_fn(|x| path / n.pow(x as u32) % n) });
        for (k, total) in totals.iter().enumerate() {
            let through = all.clone().filter(|path| path[k / n] == k % n);
            let cost = |path: [usize; 5]| {
                let steps: f32 = path.windows(2).map(|w| BEND * w[0].abs_diff(w[1]) as f32).sum();
                steps + (0..5).map(|x| costs[x * n + path[x]]).sum::<f32>()
            };
            let least = through.map(cost).fold(f32::MAX, f32::min);
            assert!((total - least).abs() < 1e-5, "{k}: {total} {least}");
        }
    }
}
