//! Carries a plan out.
#![allow(unsafe_code, reason = "threads write disjoint pieces of one tensor")]

use super::moves::copy;
use super::plan::{Pieces, Source, Stage, Target, TensorPlan, Work};
use crate::CpuError;
use crate::rows_net::Threads;
use crate::simd::Isa;
use pegbar_net::NetError;
use pegbar_net::tensor::{Array, ElementKind, ValueId, evaluate};
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Memory of tensors and arenas that nothing uses at present.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    free: Mutex<Vec<Vec<f32>>>,
}

/// How many buffers are kept: more than are ever free at once in a network.
const MAX_FREE: usize = 32;

impl Buffers {
    /// So many floats of any value.
    fn take(&self, len: usize) -> Result<Vec<f32>, CpuError> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        // The smallest that is large enough, and not much too large.
        let fitting = (0..free.len()).filter(|&i| free[i].len() >= len && free[i].len() / 2 <= len);
        if let Some(found) = fitting.min_by_key(|&i| free[i].len()) {
            let mut buffer = free.swap_remove(found);
            buffer.truncate(len);
            return Ok(buffer);
        }
        drop(free);
        let bytes = len.saturating_mul(size_of::<f32>());
        let mut buffer = Vec::new();
        buffer.try_reserve_exact(len).map_err(|_| CpuError::OutOfMemory { bytes })?;
        buffer.resize(len, 0.0);
        Ok(buffer)
    }

    fn give_back(&self, buffer: Vec<f32>) {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() == MAX_FREE {
            free.remove(0);
        }
        free.push(buffer);
    }

    pub(crate) fn clear(&self) {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Runs a plan on one picture. `picture` and `result` are CHW, of the sizes of the plan.
pub(crate) fn picture(
    plan: &TensorPlan,
    buffers: &Buffers,
    threads: Threads<'_>,
    isa: Isa,
    picture: &[f32],
    result: &mut [f32],
) -> Result<(), CpuError> {
    let program = &plan.program;
    let mut values: Vec<Option<Array>> = program.values.iter().map(|value| value.known.clone()).collect();
    let mut input = buffers.take(picture.len())?;
    input.copy_from_slice(picture);
    values[program.input.0 as usize] = Some(Array::floats(program.value(program.input).shape.clone(), input));
    for (index, stage) in plan.stages.iter().enumerate() {
        match stage {
            Stage::Pieces(run) => pieces(plan, run, buffers, threads, isa, &mut values)?,
            Stage::Net { net, input, output, .. } => {
                let from = floats(&values, *input)?;
                let shape = &program.value(*input).shape;
                let shape = [shape[0], shape[1], shape[2], shape[3]];
                let len = program.value(*output).shape.iter().product();
                let mut made = buffers.take(len)?;
                net.run(threads, shape, from, &mut made)?;
                values[output.0 as usize] = Some(Array::floats(program.value(*output).shape.clone(), made));
            }
            Stage::Whole(step) => {
                let step = &program.steps[*step];
                let inputs: Vec<&Array> =
                    step.inputs.iter().filter_map(|id| values[id.0 as usize].as_ref()).collect();
                let made = evaluate(&step.kernel, &inputs, &program.value(step.output).shape).map_err(
                    |problem| NetError::Graph { problem: format!("node {:?}: {problem}", step.node) },
                )?;
                values[step.output.0 as usize] = Some(made);
            }
        }
        for (value, &last) in values.iter_mut().zip(&plan.last_stage) {
            if last <= index
                && let Some(array) = value.take_if(|array| array.kind() == ElementKind::Float)
                && let Some(buffer) = array.into_unshared_floats()
            {
                buffers.give_back(buffer);
            }
        }
    }
    result.copy_from_slice(floats(&values, program.output)?);
    for array in values.into_iter().flatten() {
        if let Some(buffer) = array.into_unshared_floats() {
            buffers.give_back(buffer);
        }
    }
    Ok(())
}

fn floats(values: &[Option<Array>], id: ValueId) -> Result<&[f32], CpuError> {
    let found = values[id.0 as usize].as_ref().and_then(Array::as_floats);
    found.ok_or_else(|| {
        NetError::Graph { problem: format!("value {} is read before it is made", id.0) }.into()
    })
}

/// Memory that several threads write, each its own pieces.
#[derive(Clone, Copy)]
struct Shared {
    start: *mut f32,
    len: usize,
}

// SAFETY: it is an address with a length; whoever writes through it states the rules.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    /// # Safety
    /// Nobody else may touch these elements meanwhile.
    #[allow(clippy::mut_from_ref, reason = "the caller states that the parts are disjoint")]
    unsafe fn part(&self, start: usize, len: usize) -> &mut [f32] {
        assert!(start + len <= self.len);
        // SAFETY: the part lies within the memory, as asserted, and nobody else touches it, as the caller states.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(start), len) }
    }

    /// # Safety
    /// Nobody may write these elements meanwhile.
    unsafe fn read(&self, start: usize, len: usize) -> &[f32] {
        assert!(start + len <= self.len);
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts(self.start.add(start), len) }
    }
}

/// Does a run of steps, piece by piece.
fn pieces(
    plan: &TensorPlan,
    run: &Pieces,
    buffers: &Buffers,
    threads: Threads<'_>,
    isa: Isa,
    values: &mut [Option<Array>],
) -> Result<(), CpuError> {
    let program = &plan.program;
    let mut made: Vec<(ValueId, Vec<f32>)> = vec![];
    for &id in &run.outputs {
        made.push((id, buffers.take(program.value(id).shape.iter().product())?));
    }
    if !run.works.is_empty() {
        let shared: HashMap<ValueId, Shared> = made
            .iter_mut()
            .map(|(id, list)| (*id, Shared { start: list.as_mut_ptr(), len: list.len() }))
            .collect();
        let mut outside: HashMap<ValueId, &[f32]> = HashMap::new();
        for id in run.works.iter().flat_map(Work::reads).filter(|id| !shared.contains_key(id)) {
            outside.insert(id, floats(values, id)?);
        }
        let n_pieces = run.units.div_ceil(run.per_piece);
        let n_threads = threads.count.min(n_pieces);
        let mut arenas: Vec<Mutex<Vec<f32>>> = vec![];
        for _ in 0..if threads.pool.is_some() { threads.count } else { 1 } {
            arenas.push(Mutex::new(buffers.take(run.arena_len + run.scratch_len)?));
        }
        let next = AtomicUsize::new(0);
        let work = |thread: usize| {
            let mut memory = arenas[thread].lock().unwrap_or_else(PoisonError::into_inner);
            let (arena, scratch) = memory.split_at_mut(run.arena_len);
            let arena = Shared { start: arena.as_mut_ptr(), len: arena.len() };
            loop {
                let piece = next.fetch_add(1, Ordering::Relaxed);
                if piece >= n_pieces {
                    return;
                }
                let first = piece * run.per_piece;
                let piece = Piece { first, length: run.per_piece.min(run.units - first), run, isa };
                piece.run(arena, scratch, &shared, &outside);
            }
        };
        match threads.pool {
            Some(pool) if n_threads > 1 => {
                pool.broadcast(|context| work(context.index()));
            }
            _ => work(0),
        }
        for arena in arenas {
            buffers.give_back(arena.into_inner().unwrap_or_else(PoisonError::into_inner));
        }
    }
    for (id, list) in made {
        values[id.0 as usize] = Some(Array::floats(program.value(id).shape.clone(), list));
    }
    for &(name, base) in &run.aliases {
        let array =
            values[base.0 as usize].as_ref().map(|array| array.reshaped(program.value(name).shape.clone()));
        values[name.0 as usize] = array;
    }
    Ok(())
}

impl Work {
    /// Tensors that it reads.
    fn reads(&self) -> impl Iterator<Item = ValueId> + '_ {
        let (loaded, sources): (Option<ValueId>, &[Source]) = match self {
            Self::Load { value, .. } => (Some(*value), &[]),
            Self::Compute { inputs, .. } => (None, inputs),
            Self::Store { .. } => (None, &[]),
        };
        let tensors = sources.iter().filter_map(|source| match source {
            Source::Whole(id) | Source::Piece { value: id, .. } => Some(*id),
            Source::Local { .. } => None,
        });
        loaded.into_iter().chain(tensors)
    }
}

/// Some units of a run.
struct Piece<'a> {
    first: usize,
    length: usize,
    run: &'a Pieces,
    isa: Isa,
}

impl Piece<'_> {
    fn run(
        &self,
        arena: Shared,
        scratch: &mut [f32],
        shared: &HashMap<ValueId, Shared>,
        outside: &HashMap<ValueId, &[f32]>,
    ) {
        let &Self { first, length, run, isa } = self;
        for work in &run.works {
            match work {
                Work::Load { value, cut, to } => {
                    let from = outside[value];
                    let n = cut.unit * length;
                    for row in 0..cut.outer {
                        // SAFETY: the arena is this thread's, and nothing else in it is borrowed here.
                        let to = unsafe { arena.part(to + row * n, n) };
                        let start = (row * run.units + first) * cut.unit;
                        copy(&from[start..start + n], to);
                    }
                }
                Work::Compute { prepared, inputs, to, unit } => {
                    let inputs: Vec<&[f32]> = inputs
                        .iter()
                        .map(|source| match *source {
                            Source::Whole(id) => outside[&id],
                            Source::Piece { value, unit } => match outside.get(&value) {
                                Some(list) => &list[first * unit..(first + length) * unit],
                                // SAFETY: this piece of the tensor was made by this thread before, and is only read now.
                                None => unsafe { shared[&value].read(first * unit, length * unit) },
                            },
                            // SAFETY: the arena is this thread's; the plan gives the result of a step a place that no
                            // input of it has.
                            Source::Local { at, unit } => unsafe { arena.read(at, length * unit) },
                        })
                        .collect();
                    // SAFETY: pieces of one tensor do not overlap and are made by one thread each; the arena is this
                    // thread's, and the place is none that an input has.
                    let to = unsafe {
                        match *to {
                            Target::Piece(value) => shared[&value].part(first * unit, length * unit),
                            Target::Local(at) => arena.part(at, length * unit),
                        }
                    };
                    let prepared = &prepared[usize::from(length != run.per_piece)];
                    prepared.run(isa, &inputs, to, scratch);
                }
                Work::Store { from, value, cut } => {
                    let n = cut.unit * length;
                    let whole = shared[value];
                    for row in 0..cut.outer {
                        // SAFETY: the arena is this thread's and is only read here; the pieces of one tensor do not overlap.
                        let (from, to) = unsafe {
                            (
                                arena.read(from + row * n, n),
                                whole.part((row * run.units + first) * cut.unit, n),
                            )
                        };
                        copy(from, to);
                    }
                }
            }
        }
    }
}
