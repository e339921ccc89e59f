//! The search itself.

use super::picture::{BORDER, Plane, SearchPicture};
use super::{BLOCK, MotionField, Vector};

/// Side of the window that is compared at the finest level: the block and half a block around it.
const WINDOW: usize = 2 * BLOCK;

/// Pixels of the coarsest level that the full search goes in each direction.
const COARSE_RANGE: i32 = 5;

/// How often a vector may be improved by a step of one pixel.
const MAX_STEPS: usize = 8;

/// What another vector than the expected one must gain at least, in codes for each pixel.
const LEAST_GAIN: u32 = 4; // a sixteenth of this, that is 0.25

/// A vector in whole pixels.
type Whole = (i32, i32);

pub(super) fn search(from: &SearchPicture, to: &SearchPicture) -> MotionField {
    let coarsest = from.levels.len() - 1;
    let mut field = coarse_field(&from.levels[coarsest], &to.levels[coarsest]);
    for level in (0..coarsest).rev() {
        let (a, b) = (&from.levels[level], &to.levels[level]);
        field = if level == 0 { refine::<WINDOW>(a, b, &field) } else { refine::<BLOCK>(a, b, &field) };
    }
    if coarsest == 0 {
        let doubled = Grid { vectors: vec![(0, 0)], columns: 1, rows: 1 };
        let found = std::mem::replace(&mut field, doubled);
        field = refine_from::<WINDOW>(&from.levels[0], &to.levels[0], |c, r| [found.at(c, r); 5]);
    }
    finish(from, to, &field)
}

/// Vectors of the blocks of a level.
struct Grid {
    columns: i32,
    rows: i32,
    vectors: Vec<Whole>,
}

impl Grid {
    fn of(plane: &Plane) -> Self {
        let (columns, rows) = (plane.width.div_ceil(BLOCK), plane.height.div_ceil(BLOCK));
        Self { columns: columns as i32, rows: rows as i32, vectors: vec![(0, 0); columns * rows] }
    }

    /// The vector of a block, or of the one nearest to it within the picture.
    fn at(&self, column: i32, row: i32) -> Whole {
        let (c, r) = (column.clamp(0, self.columns - 1), row.clamp(0, self.rows - 1));
        self.vectors[(r * self.columns + c) as usize]
    }
}

/// Full search around no motion.
fn coarse_field(from: &Plane, to: &Plane) -> Grid {
    let mut grid = Grid::of(from);
    for i in 0..grid.vectors.len() {
        let block = Place::new::<BLOCK>(i as i32 % grid.columns, i as i32 / grid.columns, from);
        let still = block.difference::<BLOCK>(from, to, (0, 0));
        let mut best = (still, (0, 0));
        for dy in -COARSE_RANGE..=COARSE_RANGE {
            for dx in -COARSE_RANGE..=COARSE_RANGE {
                let vector = block.clamp((dx, dy));
                let cost =
                    block.difference::<BLOCK>(from, to, vector) + penalty::<BLOCK>(still, vector, (0, 0));
                if cost < best.0 {
                    best = (cost, vector);
                }
            }
        }
        grid.vectors[i] = best.1;
    }
    grid
}

fn refine<const SIDE: usize>(from: &Plane, to: &Plane, coarse: &Grid) -> Grid {
    refine_from::<SIDE>(from, to, |c, r| {
        let (pc, pr) = (c / 2, r / 2);
        let double = |(x, y): Whole| (2 * x, 2 * y);
        // The parent, and the parents of the block's neighbours on the side where it lies.
        let (side, end) =
            (if c % 2 == 0 { pc - 1 } else { pc + 1 }, if r % 2 == 0 { pr - 1 } else { pr + 1 });
        let others = if side > pc { pc - 1 } else { pc + 1 };
        [(pc, pr), (side, pr), (pc, end), (side, end), (others, pr)].map(|(c, r)| double(coarse.at(c, r)))
    })
}

/// Improves what `hints` gives for each block.
fn refine_from<const SIDE: usize>(from: &Plane, to: &Plane, hints: impl Fn(i32, i32) -> [Whole; 5]) -> Grid {
    let mut grid = Grid::of(from);
    for row in 0..grid.rows {
        for column in 0..grid.columns {
            let block = Place::new::<SIDE>(column, row, from);
            let hints = hints(column, row);
            let done = |c: i32, r: i32, known: bool| if known { grid.at(c, r) } else { hints[0] };
            let left = done(column - 1, row, column > 0);
            let above = done(column, row - 1, row > 0);
            let right = done(column + 1, row - 1, row > 0 && column + 1 < grid.columns);
            let expected = block.clamp((median(left.0, above.0, right.0), median(left.1, above.1, right.1)));

            let still = block.difference::<SIDE>(from, to, (0, 0));
            let as_expected = block.difference::<SIDE>(from, to, expected);
            let free = still.min(as_expected);
            let (mut best, mut cost) =
                if still <= as_expected { ((0, 0), still) } else { (expected, as_expected) };
            if free == 0 {
                grid.vectors[(row * grid.columns + column) as usize] = best;
                continue;
            }
            let consider = |vector: Whole, best: &mut Whole, cost: &mut u32| -> bool {
                let vector = block.clamp(vector);
                if vector == *best {
                    return false;
                }
                let c = block.difference::<SIDE>(from, to, vector) + penalty::<SIDE>(free, vector, expected);
                let better = c < *cost;
                if better {
                    (*best, *cost) = (vector, c);
                }
                better
            };
            let mut seen = [expected; 8];
            for (i, hint) in hints.into_iter().chain([left, above, right]).enumerate() {
                if hint != (0, 0) && !seen[..i].contains(&hint) {
                    consider(hint, &mut best, &mut cost);
                }
                seen[i] = hint;
            }
            for _ in 0..MAX_STEPS {
                let (x, y) = best;
                let mut moved = false;
                for step in [(x - 1, y), (x + 1, y), (x, y - 1), (x, y + 1)] {
                    moved |= consider(step, &mut best, &mut cost);
                }
                if !moved {
                    for step in [(x - 1, y - 1), (x + 1, y - 1), (x - 1, y + 1), (x + 1, y + 1)] {
                        moved |= consider(step, &mut best, &mut cost);
                    }
                }
                if !moved {
                    break;
                }
            }
            grid.vectors[(row * grid.columns + column) as usize] = best;
        }
    }
    grid
}

/// What a vector pays that is not the expected one: a sixteenth of what the best free one differs by, more for one far off.
fn penalty<const SIDE: usize>(free: u32, vector: Whole, expected: Whole) -> u32 {
    if vector == expected || vector == (0, 0) {
        return 0;
    }
    let far = ((vector.0 - expected.0).unsigned_abs() + (vector.1 - expected.1).unsigned_abs()).min(16);
    let unit = (free + LEAST_GAIN * (SIDE * SIDE) as u32) / 16;
    unit * (16 + far) / 16
}

fn median(a: i32, b: i32, c: i32) -> i32 {
    a.max(b).min(a.min(b).max(c))
}

/// Where a window stands, and how far it may move.
struct Place {
    x: i32,
    y: i32,
    least: Whole,
    most: Whole,
}

impl Place {
    fn new<const SIDE: usize>(column: i32, row: i32, plane: &Plane) -> Self {
        let (block, side, border) = (BLOCK as i32, SIDE as i32, BORDER as i32);
        let around = (side - block) / 2;
        let (x, y) = (column * block - around, row * block - around);
        let inner = |n: usize| (n.div_ceil(BLOCK) * BLOCK) as i32;
        // One pixel less on each side, so that half pixels around it exist as well.
        let most = |at: i32, n: usize| inner(n) + border - side - 1 - at;
        let least = |at: i32| 1 - border - at;
        Self { x, y, least: (least(x), least(y)), most: (most(x, plane.width), most(y, plane.height)) }
    }

    fn clamp(&self, (dx, dy): Whole) -> Whole {
        (dx.clamp(self.least.0, self.most.0), dy.clamp(self.least.1, self.most.1))
    }

    fn difference<const SIDE: usize>(&self, from: &Plane, to: &Plane, (dx, dy): Whole) -> u32 {
        let (a, b) = (from.index(self.x, self.y), to.index(self.x + dx, self.y + dy));
        absolute_difference::<SIDE>(&from.samples[a..], &to.samples[b..], from.stride)
    }

    /// Difference at a vector in half pixels.
    fn difference_halves<const SIDE: usize>(
        &self,
        from: &SearchPicture,
        to: &SearchPicture,
        (hx, hy): Whole,
    ) -> u32 {
        let plane = match (hx & 1, hy & 1) {
            (0, 0) => &to.levels[0],
            (1, 0) => &to.halves[0],
            (0, _) => &to.halves[1],
            _ => &to.halves[2],
        };
        self.difference::<SIDE>(&from.levels[0], plane, (hx >> 1, hy >> 1))
    }
}

/// Sum of absolute differences of two windows.
fn absolute_difference<const SIDE: usize>(a: &[u8], b: &[u8], stride: usize) -> u32 {
    let mut sum = 0u32;
    for r in 0..SIDE {
        let (a, b) = (&a[r * stride..r * stride + SIDE], &b[r * stride..r * stride + SIDE]);
        let mut row = 0u32;
        for i in 0..SIDE {
            row += u32::from(a[i].abs_diff(b[i]));
        }
        sum += row;
    }
    sum
}

/// Finds the fraction of a pixel, then lets each block choose among its own and its neighbours' vectors.
fn finish(from: &SearchPicture, to: &SearchPicture, grid: &Grid) -> MotionField {
    let mut field = MotionField::still(from.width(), from.height());
    let whole = &from.levels[0];
    let mut fine = Vec::with_capacity(field.vectors.len());
    for i in 0..grid.vectors.len() as i32 {
        let (column, row) = (i % grid.columns, i / grid.columns);
        let block = Place::new::<WINDOW>(column, row, whole);
        fine.push(fraction(&block, from, to, grid.at(column, row)));
    }
    for i in 0..grid.vectors.len() as i32 {
        let (column, row) = (i % grid.columns, i / grid.columns);
        let block = Place::new::<BLOCK>(column, row, whole);
        let own = fine[i as usize];
        let difference = |(dx, dy): (f32, f32)| {
            let halves = ((2.0 * dx).round() as i32, (2.0 * dy).round() as i32);
            let (x, y) = block.clamp((halves.0 >> 1, halves.1 >> 1));
            block.difference_halves::<BLOCK>(from, to, (2 * x + (halves.0 & 1), 2 * y + (halves.1 & 1)))
        };
        let mut best = (difference(own), own);
        // As above: what is not its own has to be better by more than noise.
        let limit = best.0 - (best.0 / 8).min(best.0);
        let limit = limit.saturating_sub((BLOCK * BLOCK) as u32 / 2);
        let mut reached = limit;
        for (c, r) in [(-1, 0), (1, 0), (0, -1), (0, 1)] {
            let (c, r) = ((column + c).clamp(0, grid.columns - 1), (row + r).clamp(0, grid.rows - 1));
            let other = fine[(r * grid.columns + c) as usize];
            if other != own && best.0 > 0 {
                let d = difference(other);
                if d < reached {
                    reached = d;
                    best = (d, other);
                }
            }
        }
        let error = best.0 as f32 / (255 * BLOCK * BLOCK) as f32;
        field.vectors[i as usize] = Vector { dx: best.1.0, dy: best.1.1, error };
    }
    field
}

/// The vector to a fraction of a pixel: half pixels by search, smaller ones by the parabola through three of them.
fn fraction(block: &Place, from: &SearchPicture, to: &SearchPicture, (x, y): Whole) -> (f32, f32) {
    let at = |halves: Whole| block.difference_halves::<WINDOW>(from, to, halves);
    let start = (2 * x, 2 * y);
    let whole = at(start);
    // A quarter of a code for each pixel: it is the same picture.
    if whole < (WINDOW * WINDOW) as u32 / 4 {
        return (x as f32, y as f32);
    }
    // Reading between samples softens noise, which alone makes a difference smaller by some percent.
    let (mut best, mut least) = (start, whole - whole / 32);
    for (i, j) in [(-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (1, -1), (-1, 1), (1, 1)] {
        let halves = (start.0 + i, start.1 + j);
        let d = at(halves);
        if d < least {
            (best, least) = (halves, d);
        }
    }
    let centre = at(best) as f32;
    let inside = block.clamp((best.0 >> 1, best.1 >> 1)) == (best.0 >> 1, best.1 >> 1);
    let offset = |before: u32, after: u32| -> f32 {
        let (before, after) = (before as f32, after as f32);
        let curvature = before + after - 2.0 * centre;
        if curvature <= 0.02 * centre { 0.0 } else { (0.5 * (before - after) / curvature).clamp(-0.5, 0.5) }
    };
    let edge = |v: i32, least: i32, most: i32| v >> 1 <= least || v >> 1 >= most;
    let at_edge = edge(best.0, block.least.0, block.most.0) || edge(best.1, block.least.1, block.most.1);
    if at_edge || !inside {
        return (x as f32, y as f32);
    }
    let across = offset(at((best.0 - 1, best.1)), at((best.0 + 1, best.1)));
    let down = offset(at((best.0, best.1 - 1)), at((best.0, best.1 + 1)));
    ((best.0 as f32 + across) / 2.0, (best.1 as f32 + down) / 2.0)
}
