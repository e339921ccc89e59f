//! The order in which rows are made for one size of picture, and where they lie meanwhile.
//!
//! The picture enters a few rows at a time, and each step goes as far as the rows it reads allow before the next ones
//! enter: depth first. A value therefore keeps only the rows that some step has yet to read (for a chain of 3x3
//! convolutions, those of one round and two more), so memory grows with the width of the picture but not with its
//! height, and rows are read while they are in the cache. Nothing is computed twice. A step that needs
//! all rows of its input (global pooling) makes that input, and what waits beside it, keep all of them.
//!
//! The order depends on the size of the picture alone, not on the number of threads: results do not either.

use crate::CpuError;
use crate::memory::{RowLayout, row_stride};
use crate::program::{BufferDef, Program};
use crate::step::{Kind, Step};
use std::ops::Range;

/// Pixels of the picture that enter in one round, at least, for each row of a tile. With fewer the weights, read once a round
/// by every step, cost more than a few percent; and threads have too little to share.
const ROUND_PIXELS: usize = 1024;
/// Rows of a round that are whole tiles for every step, at most.
const MAX_WHOLE_TILES: usize = 72;
/// Rounds in a plan, at most: pictures taller than any real one enter in larger pieces, or the plan would be larger
/// than they are.
const MAX_ROUNDS: usize = 1 << 14;

/// A step makes some rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) step: usize,
    pub(crate) rows: Range<usize>,
}

/// Everything that depends on the size of the picture.
#[derive(Debug)]
pub(crate) struct Plan {
    /// `[C, H, W]` of the picture.
    pub(crate) picture: [usize; 3],
    /// `[C, H, W]` of the result.
    pub(crate) result: [usize; 3],
    pub(crate) events: Vec<Event>,
    /// By value; those of constants count from the start of the constant, the others from the start of the arena.
    pub(crate) layouts: Vec<RowLayout>,
    /// Floats of working memory that values share.
    pub(crate) arena_floats: usize,
    /// Floats of scratch memory for each thread.
    pub(crate) scratch_floats: usize,
}

impl Plan {
    /// Bytes of working memory with `threads` threads.
    pub(crate) fn bytes(&self, threads: usize) -> Option<usize> {
        self.scratch_floats
            .checked_mul(threads)?
            .checked_add(self.arena_floats)?
            .checked_mul(size_of::<f32>())
    }

    /// Whether two values, which may be the same, have memory in common.
    pub(crate) fn collide(&self, program: &Program, a: usize, b: usize) -> bool {
        let (buffer_a, buffer_b) = (program.values[a].buffer, program.values[b].buffer);
        let (a, b) = (&self.layouts[a], &self.layouts[b]);
        let overlap = |a: Range<usize>, b: Range<usize>| a.start < b.end && b.start < a.end;
        if buffer_a == buffer_b {
            let channels = |layout: &RowLayout| layout.first_channel..layout.first_channel + layout.channels;
            return overlap(channels(a), channels(b));
        }
        let is_constant = |buffer: usize| program.buffers[buffer].constant.is_some();
        let floats = |layout: &RowLayout| layout.offset..layout.offset + layout.slots * layout.row_stride;
        !is_constant(buffer_a) && !is_constant(buffer_b) && overlap(floats(a), floats(b))
    }

    /// Plans for pictures of `height` rows and `width` columns.
    ///
    /// # Errors
    /// [`CpuError::Net`] when the network does not take that size, [`CpuError::TooLarge`].
    pub(crate) fn new(program: &Program, height: usize, width: usize) -> Result<Self, CpuError> {
        let sizes = program.net.infer_sizes(1, height, width)?;
        let too_large = || CpuError::TooLarge { shape: [1, sizes[0][1], height, width] };
        let heights: Vec<usize> = program.values.iter().map(|value| sizes[value.node][2]).collect();
        let schedule = Schedule::new(program, &heights, round_rows(program, &heights, height, width));
        let events = schedule.run();
        let uses = Uses::new(program, &heights, &events);

        let mut buffers = Vec::with_capacity(program.buffers.len());
        for (index, buffer) in program.buffers.iter().enumerate() {
            let [_, _, height, width] = sizes[buffer.node];
            let slots = if buffer.constant.is_some() { height } else { uses.slots[index] };
            let row_stride = row_stride(buffer.element, buffer.pixel_stride, width).ok_or_else(too_large)?;
            let floats = row_stride.checked_mul(slots).ok_or_else(too_large)?;
            let life = if buffer.constant.is_some() { None } else { uses.lives[index].clone() };
            buffers.push(Block { row_stride, slots, floats, life, offset: 0 });
        }
        let arena_floats = arrange(&mut buffers).ok_or_else(too_large)?;

        let layouts = program.values.iter().map(|value| {
            let [_, _, height, width] = sizes[value.node];
            let buffer = &buffers[value.buffer];
            let BufferDef { element, pixel_stride, .. } = program.buffers[value.buffer];
            // A value that no event makes is never looked at, but its layout must be one.
            let slots = buffer.slots.max(1);
            RowLayout {
                element,
                offset: buffer.offset,
                first_channel: value.first_channel,
                slots,
                pixel_stride,
                row_stride: buffer.row_stride,
                height,
                width,
                channels: value.channels,
            }
        });
        let layouts: Vec<RowLayout> = layouts.collect();
        let scratch_floats = program.steps.iter().try_fold(0, |most: usize, step| match &step.kind {
            Kind::Winograd(conv) => Some(most.max(conv.scratch_floats())),
            Kind::Fourier { conv, .. } => Some(most.max(conv.scratch_floats())),
            Kind::Direct { conv, .. } => conv.scratch_floats(layouts[step.output].width).map(|n| most.max(n)),
            Kind::Transposed(conv) => conv.scratch_floats(layouts[step.output].width).map(|n| most.max(n)),
            Kind::Attention(kernel) => {
                let keys = &layouts[step.inputs[1]];
                let floats = keys.height.checked_mul(keys.width).and_then(|n| kernel.scratch_floats(n));
                floats.map(|n| most.max(n))
            }
            Kind::SortedAttention(kernel) => kernel.scratch_floats().map(|n| most.max(n)),
            _ => Some(most),
        });
        let result = program.steps.last().map_or(layouts[0], |store| layouts[store.output]);
        let plan = Self {
            picture: [sizes[0][1], height, width],
            result: [result.channels, result.height, result.width],
            events,
            layouts,
            arena_floats,
            scratch_floats: scratch_floats.ok_or_else(too_large)?,
        };
        plan.bytes(1).ok_or_else(too_large)?;
        Ok(plan)
    }
}

/// Rows of the picture that enter in one round.
fn round_rows(program: &Program, heights: &[usize], height: usize, width: usize) -> usize {
    // Rows of a round are whole tiles.
    let tile = whole_tiles(program);
    let by_pixels = (ROUND_PIXELS * winograd_tile(program).max(4)).div_ceil(width).next_multiple_of(tile);
    // Where the network shrinks the picture, a round still fills the tiles of its smallest convolution.
    let smallest = program
        .steps
        .iter()
        .filter(|step| step.kind.preferred_rows() > 1)
        .map(|step| heights[step.output])
        .min()
        .unwrap_or(height);
    let by_tiles = (tile * height).div_ceil(smallest.max(1));
    by_pixels.max(by_tiles).max(height.div_ceil(MAX_ROUNDS)).min(height.max(1))
}

/// Rows that are whole tiles for every step, or for most where these would be many.
fn whole_tiles(program: &Program) -> usize {
    let mut tiles: Vec<usize> = program.steps.iter().map(|step| step.kind.preferred_rows()).collect();
    tiles.sort_unstable();
    tiles.dedup();
    let largest = tiles.last().copied().unwrap_or(1);
    let common = tiles.into_iter().fold(1, lcm);
    if common <= MAX_WHOLE_TILES { common } else { largest }
}

/// Rows of the tiles of 3x3 convolutions, where there are any.
fn winograd_tile(program: &Program) -> usize {
    let tile = |step: &Step| matches!(step.kind, Kind::Winograd(_)).then(|| step.kind.preferred_rows());
    program.steps.iter().filter_map(tile).max().unwrap_or(1)
}

/// The least common multiple of two positive numbers, without what overflows.
fn lcm(a: usize, b: usize) -> usize {
    let (mut x, mut y) = (a, b);
    while y != 0 {
        (x, y) = (y, x % y);
    }
    (a / x).saturating_mul(b)
}

/// Simulates the rounds.
struct Schedule<'a> {
    program: &'a Program,
    heights: &'a [usize],
    /// Rows each step makes in one event at most.
    limits: Vec<usize>,
    /// Rows made so far, by value.
    made: Vec<usize>,
    /// Rows stored so far, by step; differs from `made` for the last step, which makes no value.
    done: Vec<usize>,
}

impl<'a> Schedule<'a> {
    fn new(program: &'a Program, heights: &'a [usize], round_rows: usize) -> Self {
        let picture_height = program.steps.first().map_or(1, |step| heights[step.output]);
        let limits = program.steps.iter().map(|step| {
            if step.kind.makes_all_rows() {
                return usize::MAX;
            }
            let rows = (round_rows as u128 * heights[step.output] as u128).div_ceil(picture_height as u128);
            usize::try_from(rows).unwrap_or(usize::MAX).max(step.kind.preferred_rows())
        });
        let made = program
            .values
            .iter()
            .zip(heights)
            .map(|(value, &height)| if program.buffers[value.buffer].constant.is_some() { height } else { 0 })
            .collect();
        Self { program, heights, limits: limits.collect(), made, done: vec![0; program.steps.len()] }
    }

    fn run(mut self) -> Vec<Event> {
        let mut events = vec![];
        let last = self.program.steps.len().saturating_sub(1);
        loop {
            let before = events.len();
            for step in 0..self.program.steps.len() {
                if let Some(rows) = self.next_rows(step) {
                    self.done[step] = rows.end;
                    if !matches!(self.program.steps[step].kind, Kind::Store { .. }) {
                        self.made[self.program.steps[step].output] = rows.end;
                    }
                    events.push(Event { step, rows });
                }
            }
            if self.done[last] == self.heights[self.program.steps[last].output] {
                return events;
            }
            // Each step reads only values made before it, so the first unfinished one can always go on.
            assert!(events.len() > before, "the schedule stands still");
        }
    }

    /// Rows available of a value.
    fn available(&self, value: usize) -> usize {
        self.program.values[value].made_of.iter().map(|&part| self.made[part]).min().unwrap_or(0)
    }

    /// The rows a step makes next, if any.
    fn next_rows(&self, index: usize) -> Option<Range<usize>> {
        let step = &self.program.steps[index];
        let (start, height) = (self.done[index], self.heights[step.output]);
        if start == height {
            return None;
        }
        let heights: Vec<usize> = step.inputs.iter().map(|&value| self.heights[value]).collect();
        let available: Vec<usize> = step.reads().map(|value| self.available(value)).collect();
        let feasible = |end: usize| {
            available
                .iter()
                .enumerate()
                .all(|(input, &rows)| step.kind.sources(input, &heights, height, start..end).end <= rows)
        };
        let most = step.kind.round_up(start.saturating_add(self.limits[index]).min(height), height);
        let whole = |end: usize| {
            if end == height { end } else { end - (end - start) % step.kind.whole_rows() }
        };
        let end = if feasible(most) {
            whole(most)
        } else if step.kind.makes_all_rows() {
            return None;
        } else {
            // The largest feasible end lies in low..high.
            let (mut low, mut high) = (start, most);
            while high - low > 1 {
                let middle = low + (high - low) / 2;
                if feasible(middle) { low = middle } else { high = middle }
            }
            whole(low)
        };
        // A step begins with what there is, and so is in step with its inputs from then on; after that it waits for
        // the rows of a tile.
        let enough = start == 0 || end - start >= step.kind.preferred_rows() || end == height;
        (end > start && enough).then_some(start..end)
    }
}

/// When each buffer is written and read, and how many rows it must keep.
struct Uses {
    slots: Vec<usize>,
    /// First and last event that touches it.
    lives: Vec<Option<Range<usize>>>,
}

impl Uses {
    fn new(program: &Program, heights: &[usize], events: &[Event]) -> Self {
        let n_buffers = program.buffers.len();
        let mut uses = Self { slots: vec![0; n_buffers], lives: vec![None; n_buffers] };
        // From the last event back: the first row of each made value that some later event reads.
        let mut still_read: Vec<usize> = vec![usize::MAX; program.values.len()];
        for (at, event) in events.iter().enumerate().rev() {
            let step = &program.steps[event.step];
            if !matches!(step.kind, Kind::Store { .. }) {
                let value = &program.values[step.output];
                let first = still_read[step.output].min(event.rows.start);
                let slots = event.rows.end - first;
                uses.slots[value.buffer] = uses.slots[value.buffer].max(slots);
                uses.touch(value.buffer, at);
            }
            let input_heights: Vec<usize> = step.inputs.iter().map(|&value| heights[value]).collect();
            for (input, value) in step.reads().enumerate() {
                let rows = step.kind.sources(input, &input_heights, heights[step.output], event.rows.clone());
                let value = &program.values[value];
                uses.touch(value.buffer, at);
                if !rows.is_empty() {
                    for &part in &value.made_of {
                        still_read[part] = still_read[part].min(rows.start);
                    }
                }
            }
        }
        uses
    }

    fn touch(&mut self, buffer: usize, at: usize) {
        let life = self.lives[buffer].get_or_insert(at..at + 1);
        *life = life.start.min(at)..life.end.max(at + 1);
    }
}

/// Memory of one buffer.
struct Block {
    row_stride: usize,
    slots: usize,
    floats: usize,
    /// None: it takes no room.
    life: Option<Range<usize>>,
    offset: usize,
}

/// Gives each block an offset so that blocks that live at the same time do not overlap: the largest first, each at the
/// lowest offset that is free. Returns the size of it all.
fn arrange(blocks: &mut [Block]) -> Option<usize> {
    let mut order: Vec<usize> = (0..blocks.len()).filter(|&i| blocks[i].life.is_some()).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(blocks[i].floats));
    let mut placed: Vec<usize> = vec![];
    let mut total = 0;
    for i in order {
        let Some(life) = blocks[i].life.clone() else { continue };
        let mut offset = 0usize;
        // `placed` is sorted by offset, so the first gap is the lowest.
        for &other in &placed {
            let block = &blocks[other];
            let together = block.life.as_ref().is_some_and(|l| l.start < life.end && life.start < l.end);
            if together {
                if block.offset >= offset.checked_add(blocks[i].floats)? {
                    break;
                }
                offset = offset.max(block.offset.checked_add(block.floats)?);
            }
        }
        blocks[i].offset = offset;
        total = total.max(offset.checked_add(blocks[i].floats)?);
        let at = placed.partition_point(|&other| blocks[other].offset <= offset);
        placed.insert(at, i);
    }
    Some(total)
}

#[cfg(test)]
mod tests;
