//! Kernels for shapes that are numbers: loops joined, weights packed.

use super::moves::Move;
use super::pairs::Pairs;
use super::products::{Packed, Packs, Product, multiply, pack, packed_len};
use super::rows::{self, Normalize};
use super::split::contiguous;
use crate::CpuError;
use crate::kernels::elementwise::unary_list;
use crate::simd::Isa;
use pegbar_net::tensor::{
    Array, ArrayData, ElementKind, Kernel, PadFill, Reduction, Step, TensorProgram, Unary, ValueId,
    broadcast_strides, row_major_strides,
};
use std::sync::Arc;

/// A kernel that is ready to run on lists of floats.
#[derive(Debug, Clone)]
pub(crate) enum Prepared {
    /// The same elements, which need not be moved.
    Alias,
    Unary(Unary),
    Pairs(Pairs),
    Move(Move),
    /// So many rows, each of runs from one input after the other.
    Concat {
        rows: usize,
        runs: Vec<usize>,
    },
    Product {
        /// Starts of each pair of matrices.
        batches: Vec<[usize; 2]>,
        m: usize,
        k: usize,
        n: usize,
        /// The second matrix, where it is a weight.
        packed: Option<Arc<Packed>>,
    },
    Softmax {
        n: usize,
    },
    Normalize {
        n: usize,
        eps: f32,
        center: bool,
    },
    Reduce {
        function: Reduction,
        n: usize,
        inner: usize,
    },
    /// Runs of `inner` at some places of an axis of `n`.
    Gather {
        n: usize,
        inner: usize,
        places: Vec<usize>,
    },
    /// Where along each axis elements come from, as offsets; `None` for the border.
    Pad {
        tables: Vec<Vec<Option<usize>>>,
        border: f32,
    },
}

/// The inputs of a step that hold what it works on: all but parameters that are part of the prepared kernel.
pub(crate) fn data_inputs(step: &Step) -> &[ValueId] {
    match step.kernel {
        Kernel::Gather { .. } | Kernel::Pad { .. } => &step.inputs[..1],
        _ => &step.inputs,
    }
}

/// Whether there is a kernel for a step here.
pub(crate) fn is_known(program: &TensorProgram, step: &Step) -> bool {
    let is_float = |id| program.value(id).kind == ElementKind::Float;
    if !is_float(step.output) || !data_inputs(step).iter().all(|&id| is_float(id)) {
        return false;
    }
    if program.value(step.output).shape.contains(&0) {
        return false;
    }
    match &step.kernel {
        Kernel::Reshape
        | Kernel::Unary(_)
        | Kernel::Binary(_)
        | Kernel::Transpose { .. }
        | Kernel::Expand
        | Kernel::Concat { .. }
        | Kernel::MatMul
        | Kernel::Normalize { .. } => true,
        // Places are checked where they are known.
        Kernel::Gather { axis } => {
            let n = program.value(step.inputs[0]).shape[*axis] as i64;
            let known = program.value(step.inputs[1]).known.as_ref().and_then(Array::as_ints);
            known.is_some_and(|places| places.iter().all(|&at| (-n..n).contains(&at)))
        }
        Kernel::Pad { fill: PadFill::Wrap, .. } => false,
        Kernel::Pad { .. } => {
            step.inputs.get(1).is_none_or(|&id| program.value(id).known.is_some())
                && !program.value(step.inputs[0]).shape.contains(&0)
        }
        Kernel::Slice { steps, .. } => steps.iter().all(|&by| by >= 1),
        Kernel::Softmax { axis, log: false } => *axis + 1 == program.value(step.output).shape.len(),
        Kernel::Reduce { function, axes } => contiguous(axes) && rows::is_fast(*function),
        _ => false,
    }
}

impl Prepared {
    /// Prepares a kernel that is known here. `known` is the second input where that is a whole constant.
    pub(crate) fn new(
        isa: Isa,
        packs: &Packs,
        kernel: &Kernel,
        inputs: &[Vec<usize>],
        output: &[usize],
        known: Option<&Array>,
    ) -> Result<Self, CpuError> {
        Ok(match kernel {
            Kernel::Reshape => Self::Alias,
            Kernel::Unary(op) => Self::Unary(*op),
            Kernel::Binary(op) => Self::Pairs(Pairs::new(
                *op,
                output,
                &broadcast_strides(&inputs[0], output),
                &broadcast_strides(&inputs[1], output),
            )),
            Kernel::Transpose { permutation } => {
                let own = row_major_strides(&inputs[0]);
                let strides: Vec<usize> = permutation.iter().map(|&axis| own[axis]).collect();
                Self::moved(0, output, &strides)
            }
            Kernel::Expand => Self::moved(0, output, &broadcast_strides(&inputs[0], output)),
            Kernel::Slice { starts, steps } => {
                let own = row_major_strides(&inputs[0]);
                let start = starts.iter().zip(&own).map(|(start, stride)| start * stride).sum();
                let strides: Vec<usize> =
                    own.iter().zip(steps).map(|(stride, &by)| stride.saturating_mul(by as usize)).collect();
                Self::moved(start, output, &strides)
            }
            Kernel::Concat { axis } => {
                let inner: usize = output[axis + 1..].iter().product();
                let runs = inputs.iter().map(|shape| shape[*axis] * inner).collect();
                Self::Concat { rows: output[..*axis].iter().product(), runs }
            }
            Kernel::MatMul => Self::product(isa, packs, inputs, output, known)?,
            Kernel::Softmax { .. } => Self::Softmax { n: output.last().copied().unwrap_or(1) },
            Kernel::Normalize { axis, eps, center } => {
                Self::Normalize { n: output[*axis..].iter().product(), eps: *eps, center: *center }
            }
            Kernel::Reduce { function, axes } => {
                let (first, last) = (axes.first().copied().unwrap_or(0), axes.last().copied().unwrap_or(0));
                Self::Reduce {
                    function: *function,
                    n: inputs[0][first..=last].iter().product(),
                    inner: inputs[0][last + 1..].iter().product(),
                }
            }
            Kernel::Gather { axis } => {
                let n = inputs[0][*axis];
                let counted = |&at: &i64| (if at < 0 { at + n as i64 } else { at }) as usize;
                let places = known.and_then(Array::as_ints).unwrap_or_default();
                let inner = inputs[0][axis + 1..].iter().product();
                Self::Gather { n, inner, places: places.iter().map(counted).collect() }
            }
            Kernel::Pad { fill, before } => {
                let border = known.and_then(Array::as_floats).and_then(|list| list.first());
                Self::Pad {
                    tables: pad_tables(*fill, before, &inputs[0], output),
                    border: border.copied().unwrap_or(0.0),
                }
            }
            other => return Err(CpuError::UnknownOp { op: other.name(), node: String::new() }),
        })
    }

    fn moved(start: usize, shape: &[usize], strides: &[usize]) -> Self {
        let moved = Move::new(start, shape, strides);
        if moved.is_plain() { Self::Alias } else { Self::Move(moved) }
    }

    fn product(
        isa: Isa,
        packs: &Packs,
        inputs: &[Vec<usize>],
        output: &[usize],
        known: Option<&Array>,
    ) -> Result<Self, CpuError> {
        let (a, b, rank) = (&inputs[0], &inputs[1], output.len());
        let (mut m, n, k) = (output[rank - 2], output[rank - 1], a[a.len() - 1]);
        let outer = &output[..rank - 2];
        let mut batches = vec![[0, 0]];
        if b[..b.len() - 2].iter().all(|&d| d == 1)
            && a[..a.len() - 2].iter().product::<usize>() == outer.iter().product::<usize>()
        {
            // One matrix for all: the rows of all the others are those of one.
            m *= outer.iter().product::<usize>();
        } else {
            let strides = [a, b].map(|shape| broadcast_strides(&shape[..shape.len() - 2], outer));
            let own = row_major_strides(outer);
            let at = |batch: usize, strides: &[usize]| -> usize {
                (0..outer.len()).map(|d| batch / own[d] % outer[d] * strides[d]).sum()
            };
            batches = (0..outer.iter().product())
                .map(|batch| [at(batch, &strides[0]) * m * k, at(batch, &strides[1]) * k * n])
                .collect();
        }
        let packed = match known.map(Array::data) {
            Some(ArrayData::Float(weight)) if batches.len() == 1 => Some(packs.get(isa, weight, k, n)?),
            _ => None,
        };
        Ok(Self::Product { batches, m, k, n, packed })
    }

    /// Floats of scratch memory it needs.
    pub(crate) fn scratch_len(&self, isa: Isa) -> usize {
        match self {
            Self::Product { packed: None, k, n, .. } => packed_len(isa, *k, *n),
            _ => 0,
        }
    }

    /// Computes it.
    pub(crate) fn run(&self, isa: Isa, inputs: &[&[f32]], to: &mut [f32], scratch: &mut [f32]) {
        match self {
            Self::Alias => to.copy_from_slice(&inputs[0][..to.len()]),
            Self::Unary(Unary::Shared(op)) => unary_list(isa, *op, inputs[0], to),
            Self::Unary(op) => {
                for (to, &v) in to.iter_mut().zip(inputs[0]) {
                    *to = op.apply(v);
                }
            }
            Self::Pairs(pairs) => pairs.run(isa, inputs[0], inputs[1], to),
            Self::Move(moved) => moved.run(inputs[0], to),
            Self::Concat { rows, runs } => {
                let mut to = to;
                for row in 0..*rows {
                    for (from, &run) in inputs.iter().zip(runs) {
                        let (part, rest) = to.split_at_mut(run);
                        part.copy_from_slice(&from[row * run..(row + 1) * run]);
                        to = rest;
                    }
                }
            }
            Self::Product { batches, m, k, n, packed } => {
                let (m, k, n) = (*m, *k, *n);
                let bias = inputs.get(2).copied();
                for ([a, b], to) in batches.iter().zip(to.chunks_exact_mut((m * n).max(1))) {
                    let panels = match packed {
                        Some(packed) => packed.panels(),
                        None => {
                            pack(isa, &inputs[1][*b..*b + k * n], k, n, scratch);
                            &*scratch
                        }
                    };
                    let a = &inputs[0][*a..*a + m * k];
                    multiply(isa, Product { a, b: panels, bias, to, m, k, n });
                }
            }
            Self::Softmax { n } => rows::softmax(isa, *n, inputs[0], to),
            Self::Normalize { n, eps, center } => {
                let how = Normalize {
                    n: *n,
                    eps: *eps,
                    center: *center,
                    factors: inputs.get(1).copied(),
                    summands: inputs.get(2).copied(),
                };
                rows::normalize(isa, how, inputs[0], to);
            }
            Self::Gather { n, inner, places } => {
                let mut to = to.chunks_exact_mut((*inner).max(1));
                for from in inputs[0].chunks_exact((n * inner).max(1)) {
                    for (&at, to) in places.iter().zip(&mut to) {
                        to.copy_from_slice(&from[at * inner..(at + 1) * inner]);
                    }
                }
            }
            Self::Pad { tables, border } => pad(tables, *border, inputs[0], to),
            Self::Reduce { function, n, inner } => rows::reduce(isa, *function, [*n, *inner], inputs[0], to),
        }
    }
}

/// Where along each axis the elements of a padded tensor come from.
fn pad_tables(fill: PadFill, before: &[i64], from: &[usize], to: &[usize]) -> Vec<Vec<Option<usize>>> {
    let own = row_major_strides(from);
    let table = |axis: usize| {
        let n = from[axis] as i64;
        let source = |at: usize| {
            let at = at as i64 - before[axis];
            let place = match fill {
                PadFill::Constant if !(0..n).contains(&at) => return None,
                PadFill::Reflect if at < 0 => -at,
                PadFill::Reflect if at >= n => 2 * (n - 1) - at,
                _ => at,
            };
            Some(place.clamp(0, n - 1) as usize * own[axis])
        };
        (0..to[axis]).map(source).collect()
    };
    (0..to.len()).map(table).collect()
}

fn pad(tables: &[Vec<Option<usize>>], border: f32, from: &[f32], to: &mut [f32]) {
    let Some((last, outer)) = tables.split_last() else { return to.copy_from_slice(from) };
    // Whatever comes from somewhere.
    let first = last.iter().position(Option::is_some).unwrap_or(last.len());
    let mut index = vec![0; outer.len()];
    for row in to.chunks_exact_mut(last.len().max(1)) {
        let start: Option<usize> = index.iter().zip(outer).map(|(&at, table)| table[at]).sum();
        match start {
            None => row.fill(border),
            Some(start) => {
                row[..first].fill(border);
                for (to, place) in row.iter_mut().zip(last).skip(first) {
                    *to = place.map_or(border, |place| from[start + place]);
                }
            }
        }
        for axis in (0..outer.len()).rev() {
            index[axis] += 1;
            if index[axis] < outer[axis].len() {
                break;
            }
            index[axis] = 0;
        }
    }
}
