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
    Array, ArrayData, ElementKind, Kernel, Reduction, Step, TensorProgram, Unary, broadcast_strides,
    row_major_strides,
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
    Concat { rows: usize, runs: Vec<usize> },
    Product {
        /// Starts of each pair of matrices.
        batches: Vec<[usize; 2]>,
        m: usize,
        k: usize,
        n: usize,
        /// The second matrix, where it is a weight.
        packed: Option<Arc<Packed>>,
    },
    Softmax { n: usize },
    Normalize { n: usize, eps: f32, center: bool },
    Reduce { function: Reduction, n: usize, inner: usize },
}

/// Whether there is a kernel for a step here.
pub(crate) fn is_known(program: &TensorProgram, step: &Step) -> bool {
    let is_float = |id| program.value(id).kind == ElementKind::Float;
    if !is_float(step.output) || !step.inputs.iter().all(|&id| is_float(id)) {
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
        if b[..b.len() - 2].iter().all(|&d| d == 1) && a[..a.len() - 2].iter().product::<usize>() == outer.iter().product::<usize>() {
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
            Self::Reduce { function, n, inner } => rows::reduce(isa, *function, [*n, *inner], inputs[0], to),
        }
    }
}
