//! Attention between pixels of like categories: the pixels of the whole picture are sorted, and groups of neighbours in
//! that order are windows.
#![allow(unsafe_code, reason = "reads rows of working memory")]

use super::attention::AttentionKernel;
use crate::CpuError;
use crate::memory::Rows;
use crate::simd::Isa;
use pegbar_net::{Attention, Scores, SortedAttention};

/// A compiled attention between sorted pixels.
#[derive(Debug)]
pub(crate) struct SortedAttentionKernel {
    op: SortedAttention,
    of_group: AttentionKernel,
}

impl SortedAttentionKernel {
    /// `channels` are those of the queries and of the values.
    pub(crate) fn new(op: SortedAttention, channels: [usize; 2]) -> Result<Self, CpuError> {
        let group = Attention::blocks(op.heads, [1, op.group], Scores::Dot(op.scale));
        Ok(Self { op, of_group: AttentionKernel::new(group, channels, None, None)? })
    }

    pub(crate) fn describe(&self) -> String {
        let SortedAttention { heads, group, .. } = self.op;
        format!("attention in groups of {group} sorted pixels, {heads} heads")
    }

    /// Floats of scratch memory a call needs; `None` when that overflows.
    pub(crate) fn scratch_floats(&self) -> Option<usize> {
        self.of_group.scratch_floats(0)
    }

    /// The groups of a picture: pixels `[row, column]` as queries and, some more, as keys.
    pub(crate) fn groups(&self, categories: &Rows) -> Vec<[Vec<[usize; 2]>; 2]> {
        let mut pixels: Vec<(usize, [usize; 2])> =
            Vec::with_capacity(categories.height() * categories.width());
        for y in 0..categories.height() {
            let row = categories.row(y);
            for x in 0..row.width {
                // SAFETY: no thread writes the input of a running step.
                let scores = unsafe { row.pixels(x, 1) };
                let better = |best: usize, c: usize| if scores[c] > scores[best] { c } else { best };
                pixels.push(((1..scores.len()).fold(0, better), [y, x]));
            }
        }
        // Stable: those of one category stay row by row.
        pixels.sort_by_key(|&(category, _)| category);
        let at = |range: std::ops::Range<usize>| pixels[range].iter().map(|&(_, at)| at);
        let group = |(own, more): (std::ops::Range<usize>, std::ops::Range<usize>)| {
            [at(own.clone()).collect(), at(own).chain(at(more).rev()).collect()]
        };
        self.op.groups(pixels.len()).map(group).collect()
    }

    /// Makes the results of one group.
    pub(crate) fn run(
        &self,
        isa: Isa,
        qkv: [&Rows; 3],
        output: &Rows,
        [queries, keys]: &[Vec<[usize; 2]>; 2],
        scratch: &mut [f32],
    ) {
        self.of_group.run_listed(isa, qkv, output, [queries, keys], scratch);
    }
}
