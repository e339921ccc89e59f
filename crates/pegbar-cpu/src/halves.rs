//! Which values are stored as half floats.
//!
//! Half the bytes are half the traffic between the caches. A value is stored so when every step that makes or reads it can
//! do with halves, and when a convolution is among the readers that looks at all of it for the largest magnitude, or one makes it
//! and looks at what it stores, so that a value that leaves the range is noticed. The picture, the result and what is narrow stay single.

use crate::CpuPrecision;
use crate::kernels::winograd::Products;
use crate::memory::Element;
use crate::program::Program;
use crate::step::{Kind, Step};

/// Narrower values are too small to matter, and close to the picture.
const MIN_CHANNELS: usize = 16;

impl Program {
    /// Whether the (first) input of a step is stored as half floats.
    pub(crate) fn reads_halves(&self, step: usize) -> bool {
        let first = self.steps[step].inputs.first();
        first.is_some_and(|&value| self.buffers[self.values[value].buffer].element == Element::F16)
    }

    /// Chooses the element of every buffer.
    pub(crate) fn store_halves(&mut self) {
        if self.settings.precision != CpuPrecision::Fast {
            return;
        }
        // Where pixels are sorted, a rounding error may put one into another group.
        let sorts = self.steps.iter().any(|step| matches!(step.kind, Kind::SortedAttention(_)));
        let takes_halves = |step: &Step| if sorts { is_of_sums(step) } else { takes_halves(step) };
        let mut is_watched = vec![false; self.values.len()];
        let mut can_be_half: Vec<bool> =
            self.buffers.iter().map(|buffer| buffer.constant.is_none()).collect();
        for value in &self.values {
            can_be_half[value.buffer] &= value.channels >= MIN_CHANNELS;
        }
        for (index, step) in self.steps.iter().enumerate() {
            let is_out_of_range = self.settings.out_of_range.contains_key(&index);
            for value in step.reads() {
                let buffer = self.values[value].buffer;
                can_be_half[buffer] &=
                    takes_halves(step) && !(is_out_of_range && step.inputs.contains(&value));
                if step.inputs.contains(&value) && watches(step) {
                    for &part in &self.values[value].made_of {
                        is_watched[part] = true;
                    }
                }
            }
        }
        for (index, step) in self.steps.iter().enumerate() {
            if matches!(step.kind, Kind::Store { .. }) {
                continue;
            }
            let is_out_of_range = self.settings.out_of_range.contains_key(&index);
            let is_looked_at =
                is_watched[step.output] || (looks_at_result(step) && !is_out_of_range && !sorts);
            can_be_half[self.values[step.output].buffer] &= takes_halves(step) && is_looked_at;
        }
        for (buffer, can) in self.buffers.iter_mut().zip(can_be_half) {
            if can {
                buffer.element = Element::F16;
            }
        }
    }
}

/// Whether a step sees every value of its input.
fn watches(step: &Step) -> bool {
    match &step.kind {
        Kind::Winograd(conv) => conv.products() == Products::Int4,
        Kind::Direct { conv, .. } => !conv.shape().is_depthwise() && conv.reads_all(),
        Kind::Fourier { .. } => true,
        _ => false,
    }
}

/// Whether a step looks at every half float that it stores. What is drawn over them later only makes them smaller.
fn looks_at_result(step: &Step) -> bool {
    matches!(&step.kind, Kind::Direct { conv, .. } if !conv.epilogue().has_gate())
}

/// Whether a step reads and writes half floats as well as floats.
fn takes_halves(step: &Step) -> bool {
    match &step.kind {
        Kind::Direct { .. } | Kind::LayerNorm(_) | Kind::Attention(_) | Kind::ChannelAttention(_) => true,
        Kind::Unary(_) | Kind::Binary(_) | Kind::CurvedProduct(_) => true,
        _ => is_of_sums(step),
    }
}

/// Whether a step takes halves that is a convolution over channels, or copies: what sums over many values blurs their rounding errors.
fn is_of_sums(step: &Step) -> bool {
    match &step.kind {
        Kind::Winograd(conv) => conv.products() != Products::Float6,
        Kind::Direct { conv, .. } => !conv.shape().is_depthwise(),
        Kind::Copy | Kind::Fourier { .. } => true,
        _ => false,
    }
}
