//! A program divided into stages.

use super::nets;
use super::prepare::{Prepared, data_inputs, is_known};
use super::products::Packs;
use super::split::{Need, needs};
use crate::CpuError;
use crate::program::Settings;
use crate::rows_net::RowsNet;
use crate::simd::Isa;
use pegbar_net::tensor::{Kernel, TensorProgram, ValueId};
use std::collections::HashMap;
use std::sync::Arc;

/// Bytes that one piece of a run of steps may touch: the third-level cache of a thread, where the second-level one is too
/// small for a single window.
const MAX_PIECE_BYTES: usize = 8 << 20;
/// Bytes of what lives at once in a piece that pieces are made of several units up to: half a second-level cache.
const CACHE_BYTES: usize = 512 << 10;
/// An axis of so many is worth cutting.
const MIN_UNITS: usize = 16;

/// What is done for pictures of one size.
#[derive(Debug)]
pub(crate) struct TensorPlan {
    /// `[height, width]` of the picture.
    pub(crate) size: [usize; 2],
    pub(crate) program: TensorProgram,
    pub(crate) stages: Vec<Stage>,
    /// For each value the last stage that reads it.
    pub(crate) last_stage: Vec<usize>,
    /// `[C, H, W]` of the result.
    pub(crate) result: [usize; 3],
}

#[derive(Debug)]
pub(crate) enum Stage {
    /// Some steps, piece by piece.
    Pieces(Pieces),
    /// A net of picture operations.
    Net { net: Arc<RowsNet>, input: ValueId, output: ValueId, steps: usize },
    /// One step, by the evaluator.
    Whole(usize),
}

/// A run of steps that is done piece by piece.
#[derive(Debug)]
pub(crate) struct Pieces {
    pub(crate) steps: std::ops::Range<usize>,
    /// Parts that may be done by themselves, and how many a piece consists of.
    pub(crate) units: usize,
    pub(crate) per_piece: usize,
    pub(crate) works: Vec<Work>,
    /// Whole tensors that are made.
    pub(crate) outputs: Vec<ValueId>,
    /// Values that are others in another shape: itself, and what it is made of.
    pub(crate) aliases: Vec<(ValueId, ValueId)>,
    /// Floats that a thread needs: for values, and for scratch.
    pub(crate) arena_len: usize,
    pub(crate) scratch_len: usize,
}

/// Where a piece of a tensor is: `outer` runs, each of `unit` elements for each unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cut {
    pub(crate) outer: usize,
    /// Elements for one unit in each run.
    pub(crate) unit: usize,
}

/// One thing to do for a piece.
#[derive(Debug)]
pub(crate) enum Work {
    /// Copies the piece of a tensor, which is in several runs, to a place in the arena.
    Load { value: ValueId, cut: Cut, to: usize },
    /// Computes a step for pieces of the usual length, and for the shorter last one.
    Compute { prepared: Box<[Prepared; 2]>, inputs: Vec<Source>, to: Target, unit: usize },
    /// Copies a piece from the arena into a tensor, in several runs.
    Store { from: usize, value: ValueId, cut: Cut },
}

/// Where an input of a step is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Source {
    /// All of a tensor.
    Whole(ValueId),
    /// A piece of a tensor, in one run of so many elements for each unit.
    Piece { value: ValueId, unit: usize },
    /// In the arena, so many elements for each unit.
    Local { at: usize, unit: usize },
}

/// Where a step writes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target {
    Piece(ValueId),
    Local(usize),
}

impl TensorPlan {
    pub(crate) fn new(
        program: TensorProgram,
        size: [usize; 2],
        settings: &Settings,
        packs: &Packs,
    ) -> Result<Self, CpuError> {
        let last_uses = program.last_uses();
        let mut planner = Planner { program: &program, isa: settings.isa, packs, last_uses: &last_uses };
        let mut stages = vec![];
        let mut at = 0;
        while at < program.steps.len() {
            if let Some(found) = nets::at(&program, &last_uses, at) {
                let net = packs.net(&found, settings)?;
                let steps = found.steps;
                stages.push(Stage::Net { net, input: found.input, output: found.output, steps });
                at += steps;
            } else if is_known(&program, &program.steps[at]) {
                let run = planner.longest_run(at, &program)?;
                at = run.steps.end;
                stages.push(Stage::Pieces(run));
            } else {
                stages.push(Stage::Whole(at));
                at += 1;
            }
        }
        let mut last_stage = vec![0; program.values.len()];
        let mut first = 0;
        for (index, stage) in stages.iter().enumerate() {
            let n = match stage {
                Stage::Pieces(run) => run.steps.len(),
                Stage::Net { steps, .. } => *steps,
                Stage::Whole(_) => 1,
            };
            for id in program.steps[first..first + n].iter().flat_map(|step| &step.inputs) {
                last_stage[id.0 as usize] = index;
            }
            first += n;
        }
        last_stage[program.output.0 as usize] = usize::MAX;
        let &[_, c, h, w] = &program.value(program.output).shape[..] else {
            return Err(CpuError::TooLarge { shape: [1, 0, size[0], size[1]] });
        };
        Ok(Self { size, stages, last_stage, result: [c, h, w], program })
    }

    /// Bytes of working memory: the most that lives at once, and the arenas of the threads.
    pub(crate) fn bytes(&self, threads: usize) -> usize {
        let len = |id: ValueId| self.program.value(id).shape.iter().product::<usize>();
        let known: usize = self
            .program
            .values
            .iter()
            .filter_map(|value| value.known.as_ref())
            .map(|array| array.n_elements())
            .sum();
        let (mut live, mut most) = (len(self.program.input), 0);
        let mut ends: HashMap<usize, usize> = HashMap::new();
        *ends.entry(self.last_stage[self.program.input.0 as usize]).or_default() += live;
        for (index, stage) in self.stages.iter().enumerate() {
            let (made, beside): (Vec<ValueId>, usize) = match stage {
                Stage::Pieces(run) => (run.outputs.clone(), threads * (run.arena_len + run.scratch_len)),
                Stage::Net { net, input, output, .. } => {
                    let shape = &self.program.value(*input).shape;
                    let bytes = net
                        .working_memory_bytes(threads, [shape[0], shape[2], shape[3]])
                        .unwrap_or(usize::MAX);
                    (vec![*output], bytes / size_of::<f32>())
                }
                Stage::Whole(step) => (vec![self.program.steps[*step].output], 0),
            };
            for &id in &made {
                // What is known by another name lives as long as that.
                let mut end = self.last_stage[id.0 as usize];
                if let Stage::Pieces(run) = stage {
                    let names = run.aliases.iter().filter(|(_, base)| *base == id);
                    end = names.map(|(name, _)| self.last_stage[name.0 as usize]).fold(end, usize::max);
                }
                *ends.entry(end).or_default() += len(id);
                live += len(id);
            }
            most = most.max(live.saturating_add(beside));
            live -= ends.remove(&index).unwrap_or(0);
        }
        most.saturating_add(known).saturating_mul(size_of::<f32>())
    }

    /// One line for each stage.
    pub(crate) fn explain(&self) -> Vec<String> {
        let name = |step: usize| &self.program.steps[step];
        let line = |stage: &Stage| match stage {
            Stage::Pieces(run) => {
                let mut kernels: Vec<(&str, usize)> = vec![];
                for step in run.steps.clone() {
                    match kernels.last_mut() {
                        Some((last, n)) if *last == name(step).kernel.name() => *n += 1,
                        _ => kernels.push((name(step).kernel.name(), 1)),
                    }
                }
                let kernels: Vec<&str> = kernels.iter().map(|(kernel, _)| *kernel).collect();
                format!(
                    "{}: {} in {} pieces of {} KiB",
                    name(run.steps.start).node,
                    kernels.join(", "),
                    run.units.div_ceil(run.per_piece),
                    (run.arena_len + run.scratch_len) / 256
                )
            }
            Stage::Net { net, .. } => net.explain().join("; "),
            Stage::Whole(step) => format!(
                "{}: {}, general path, {:?}",
                name(*step).node,
                name(*step).kernel.name(),
                self.program.value(name(*step).output).shape
            ),
        };
        self.stages.iter().map(line).collect()
    }
}

struct Planner<'a> {
    program: &'a TensorProgram,
    isa: Isa,
    packs: &'a Packs,
    last_uses: &'a [usize],
}

/// A run of steps while it grows.
struct Growing {
    start: usize,
    units: usize,
    /// The axis that values of the run are cut along.
    axes: HashMap<ValueId, usize>,
    /// How values from outside are read: `None` whole.
    outside: HashMap<ValueId, Option<usize>>,
    elements: usize,
}

impl Planner<'_> {
    fn shape(&self, id: ValueId) -> &[usize] {
        &self.program.value(id).shape
    }

    /// The longest run of steps from one on that have an axis in common.
    fn longest_run(&mut self, start: usize, program: &TensorProgram) -> Result<Pieces, CpuError> {
        let mut run = Growing { start, units: 0, axes: HashMap::new(), outside: HashMap::new(), elements: 0 };
        let mut end = start;
        while end < program.steps.len() && is_known(program, &program.steps[end]) && self.joins(&mut run, end)
        {
            end += 1;
            // A net of picture operations is faster where it can begin.
            if end < program.steps.len() && nets::begins(program, end) {
                break;
            }
        }
        if end == start {
            // One step that has no axis to cut is one piece.
            run.units = 1;
            end += 1;
        }
        self.finish(run, end)
    }

    /// Makes a step part of the run if it can be done in the same pieces.
    fn joins(&self, run: &mut Growing, index: usize) -> bool {
        let step = &self.program.steps[index];
        let output = self.shape(step.output);
        let read = data_inputs(step);
        let inputs: Vec<&[usize]> = read.iter().map(|&id| self.shape(id)).collect();
        let is_first = index == run.start;
        // From the outside in: pieces along outer axes are in one run.
        let mut axes: Vec<usize> = (0..output.len()).filter(|&axis| output[axis] > 1).collect();
        if is_first {
            // The first axis that has enough, or the longest.
            axes.sort_by_key(|&axis| {
                if output[axis] >= MIN_UNITS { (0, axis) } else { (1, usize::MAX - output[axis]) }
            });
        }
        for axis in axes {
            let Some(needs) = needs(&step.kernel, &inputs, output, axis) else { continue };
            let mut units = if is_first { output[axis] } else { gcd(run.units, output[axis]) };
            let mut fits = true;
            let mut has_inner = false;
            let mut outside = vec![];
            for ((&id, need), shape) in read.iter().zip(&needs).zip(&inputs) {
                let known_whole = step.kernel == Kernel::MatMul
                    && *need == Need::Axis(shape.len() - 1)
                    && id == step.inputs[1]
                    && self.program.value(id).known.is_some();
                fits &= !known_whole;
                match (run.axes.get(&id), need) {
                    (Some(axis), Need::Axis(wanted)) => {
                        has_inner = true;
                        fits &= axis == wanted;
                    }
                    (Some(_), Need::Whole) => fits = false,
                    (None, need) => {
                        let axis = if let Need::Axis(axis) = need { Some(*axis) } else { None };
                        if let Some(axis) = axis {
                            units = gcd(units, shape[axis]);
                        }
                        fits &= run.outside.get(&id).is_none_or(|known| *known == axis);
                        outside.push((id, axis));
                    }
                }
            }
            // Beside the others, only where it does not make the pieces larger.
            fits &= is_first || has_inner || units == run.units;
            fits &= is_first || units == run.units || units >= MIN_UNITS;
            let made = if step.kernel == Kernel::Reshape { 0 } else { output.iter().product::<usize>() };
            let bytes = (run.elements + made) / units.max(1) * size_of::<f32>();
            fits &= units > 1 && (is_first || bytes <= MAX_PIECE_BYTES);
            if fits {
                run.units = units;
                run.elements += made;
                run.axes.insert(step.output, axis);
                run.outside.extend(outside);
                return true;
            }
        }
        false
    }

    /// Where pieces of a value are.
    fn cut(&self, units: usize, id: ValueId, axis: Option<usize>) -> Cut {
        let shape = self.shape(id);
        match axis {
            Some(axis) => Cut {
                outer: shape[..axis].iter().product(),
                unit: shape[axis..].iter().product::<usize>() / units,
            },
            None => Cut { outer: 1, unit: shape.iter().product::<usize>() / units },
        }
    }

    /// Finds places for all values, and prepares the kernels.
    fn finish(&self, run: Growing, end: usize) -> Result<Pieces, CpuError> {
        let steps = run.start..end;
        let units = run.units;
        let axis_of = |id: &ValueId| run.axes.get(id).copied();
        // What a value is another name of.
        let mut base: HashMap<ValueId, ValueId> = HashMap::new();
        let base_of = |base: &HashMap<ValueId, ValueId>, id: ValueId| base.get(&id).copied().unwrap_or(id);
        let mut aliases = vec![];
        let is_made = |id: ValueId| self.program.steps[steps.clone()].iter().any(|step| step.output == id);
        // How many steps of the run read each base, and which bases are wanted outside.
        let mut last_read: HashMap<ValueId, usize> = HashMap::new();
        let mut outputs: Vec<ValueId> = vec![];
        for index in steps.clone() {
            let step = &self.program.steps[index];
            for &id in data_inputs(step) {
                last_read.insert(base_of(&base, id), index);
            }
            let is_alias = step.kernel == Kernel::Reshape;
            if is_alias {
                base.insert(step.output, base_of(&base, step.inputs[0]));
            }
            let is_wanted = self.last_uses[step.output.0 as usize] >= end;
            if is_wanted {
                let from = base_of(&base, step.output);
                if is_alias {
                    aliases.push((step.output, from));
                }
                if is_made(from) && !outputs.contains(&from) {
                    outputs.push(from);
                }
            }
        }
        let mut places = Places::default();
        let mut works: Vec<(usize, Work)> = vec![];
        let mut sources: HashMap<ValueId, Source> = HashMap::new();
        let mut pending: Vec<(usize, Vec<Source>, Target, usize)> = vec![];
        for index in steps.clone() {
            let step = &self.program.steps[index];
            let mut inputs = vec![];
            for &id in data_inputs(step) {
                let from = base_of(&base, id);
                let source = match sources.get(&from) {
                    Some(&source) => source,
                    None => {
                        // From outside.
                        let axis = run.outside.get(&from).copied().flatten();
                        let cut = self.cut(units, from, axis);
                        match axis {
                            None => Source::Whole(from),
                            Some(_) if cut.outer == 1 => Source::Piece { value: from, unit: cut.unit },
                            Some(_) => {
                                let unit = cut.outer * cut.unit;
                                let at = places.take(unit);
                                works.push((index, Work::Load { value: from, cut, to: at }));
                                let source = Source::Local { at, unit };
                                sources.insert(from, source);
                                source
                            }
                        }
                    }
                };
                inputs.push(source);
            }
            if step.kernel == Kernel::Reshape {
                if !sources.contains_key(&base_of(&base, step.output)) {
                    // Of a tensor from outside that is read in one run.
                    let from = base_of(&base, step.output);
                    sources.insert(from, inputs[0]);
                }
                continue;
            }
            let cut = self.cut(units, step.output, axis_of(&step.output));
            let is_wanted = outputs.contains(&step.output);
            let unit = cut.outer * cut.unit;
            let target = if is_wanted && cut.outer == 1 {
                sources.insert(step.output, Source::Piece { value: step.output, unit });
                Target::Piece(step.output)
            } else {
                let at = places.take(unit);
                sources.insert(step.output, Source::Local { at, unit });
                Target::Local(at)
            };
            pending.push((index, inputs, target, unit));
            works.push((index, Work::Store { from: usize::MAX, value: step.output, cut }));
            // What nothing reads any more makes room.
            for &id in data_inputs(step) {
                let from = base_of(&base, id);
                if last_read.get(&from) == Some(&index)
                    && let Some(&Source::Local { at, unit }) = sources.get(&from)
                {
                    places.free(at, unit);
                }
            }
        }
        let per_piece =
            (CACHE_BYTES / size_of::<f32>() / places.most.max(1)).clamp(1, units.div_ceil(8).max(1));
        let mut scratch_len = 0;
        let mut done = vec![];
        let mut pending = pending.into_iter();
        for (index, work) in works {
            match work {
                Work::Load { value, cut, to } => done.push(Work::Load { value, cut, to: to * per_piece }),
                Work::Store { value, cut, .. } => {
                    let Some((_, inputs, target, unit)) = pending.next() else { continue };
                    let prepared = self.prepare(index, &run, [per_piece, units % per_piece])?;
                    scratch_len =
                        prepared.iter().map(|p| p.scratch_len(self.isa)).fold(scratch_len, usize::max);
                    let scaled = |source: Source| match source {
                        Source::Local { at, unit } => Source::Local { at: at * per_piece, unit },
                        other => other,
                    };
                    let to = match target {
                        Target::Local(at) => Target::Local(at * per_piece),
                        piece => piece,
                    };
                    let inputs = inputs.into_iter().map(scaled).collect();
                    done.push(Work::Compute { prepared: Box::new(prepared), inputs, to, unit });
                    if let Target::Local(from) = to
                        && outputs.contains(&value)
                    {
                        done.push(Work::Store { from, value, cut });
                    }
                }
                Work::Compute { .. } => {}
            }
        }
        let arena_len = places.most * per_piece;
        Ok(Pieces { steps, units, per_piece, works: done, outputs, aliases, arena_len, scratch_len })
    }

    /// The kernel of a step for pieces of two lengths, in units.
    fn prepare(&self, index: usize, run: &Growing, lengths: [usize; 2]) -> Result<[Prepared; 2], CpuError> {
        let step = &self.program.steps[index];
        let piece = |id: ValueId, axis: Option<usize>, length: usize| {
            let mut shape = self.shape(id).to_vec();
            if let Some(axis) = axis {
                shape[axis] = shape[axis] / run.units * length;
            }
            shape
        };
        let axis_of = |id: ValueId| match run.axes.get(&id) {
            Some(&axis) => Some(axis),
            None => run.outside.get(&id).copied().flatten(),
        };
        let known = step.inputs.get(1).filter(|&&id| axis_of(id).is_none());
        let known = known.and_then(|&id| self.program.value(id).known.as_ref());
        let prepare = |length: usize| {
            let inputs: Vec<Vec<usize>> =
                data_inputs(step).iter().map(|&id| piece(id, axis_of(id), length)).collect();
            let output = piece(step.output, axis_of(step.output), length);
            Prepared::new(self.isa, self.packs, &step.kernel, &inputs, &output, known)
        };
        Ok([prepare(lengths[0])?, if lengths[1] == 0 { Prepared::Alias } else { prepare(lengths[1])? }])
    }
}

/// Places in the arena of one unit: the first gap that is large enough.
#[derive(Debug, Default)]
struct Places {
    /// Starts and lengths of what is in use, in order.
    used: Vec<(usize, usize)>,
    most: usize,
}

/// Places begin at whole cache lines.
const LINE: usize = crate::memory::LINE;

impl Places {
    fn take(&mut self, len: usize) -> usize {
        let len = len.next_multiple_of(LINE);
        let mut at = 0;
        let mut place = self.used.len();
        for (i, &(start, used)) in self.used.iter().enumerate() {
            if start - at >= len {
                place = i;
                break;
            }
            at = start + used;
        }
        self.used.insert(place, (at, len));
        self.most = self.most.max(at + len);
        at
    }

    fn free(&mut self, at: usize, len: usize) {
        let len = len.next_multiple_of(LINE);
        self.used.retain(|&used| used != (at, len));
    }
}

fn gcd(mut a: usize, mut b: usize) -> usize {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}
