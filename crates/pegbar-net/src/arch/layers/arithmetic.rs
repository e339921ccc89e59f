//! What has no weights: functions of values, channels apart and together, other sizes.

use super::Layers;
use crate::{BinaryOp, NodeId, Op, PoolKind, ResizeMode, ResizeTarget, UnaryOp};
use std::ops::Range;

impl Layers<'_> {
    /// A function of one value, named after the layer it follows.
    pub(in crate::arch) fn unary(&mut self, after: &str, op: UnaryOp, x: NodeId) -> NodeId {
        self.push(format!("{after}/{}", op.name()), Op::Unary(op), &[x])
    }

    /// `x * scale + shift`.
    pub(in crate::arch) fn scale_shift(&mut self, after: &str, x: NodeId, scale: f32, shift: f32) -> NodeId {
        self.unary(after, UnaryOp::ScaleShift { scale, shift }, x)
    }

    pub(in crate::arch) fn binary(
        &mut self,
        name: impl Into<String>,
        op: BinaryOp,
        a: NodeId,
        b: NodeId,
    ) -> NodeId {
        self.push(name, Op::Binary(op), &[a, b])
    }

    pub(in crate::arch) fn add(&mut self, name: impl Into<String>, a: NodeId, b: NodeId) -> NodeId {
        self.binary(name, BinaryOp::Add, a, b)
    }

    pub(in crate::arch) fn sub(&mut self, name: impl Into<String>, a: NodeId, b: NodeId) -> NodeId {
        self.binary(name, BinaryOp::Sub, a, b)
    }

    pub(in crate::arch) fn mul(&mut self, name: impl Into<String>, a: NodeId, b: NodeId) -> NodeId {
        self.binary(name, BinaryOp::Mul, a, b)
    }

    /// `b + (a - b) * share`.
    pub(in crate::arch) fn mix(&mut self, name: &str, [a, b]: [NodeId; 2], share: NodeId) -> NodeId {
        let difference = self.sub(format!("{name}/difference"), a, b);
        let part = self.mul(format!("{name}/part"), difference, share);
        self.add(name, b, part)
    }

    /// Joins channels.
    pub(in crate::arch) fn concat(&mut self, name: impl Into<String>, values: &[NodeId]) -> NodeId {
        self.push(name, Op::Concat { axis: 1 }, values)
    }

    /// Some of the channels.
    pub(in crate::arch) fn channels(
        &mut self,
        name: impl Into<String>,
        x: NodeId,
        range: Range<usize>,
    ) -> NodeId {
        self.push(name, Op::Slice { axis: 1, start: range.start as i64, end: range.end as i64 }, &[x])
    }

    /// `N` runs of channels, `len` each: queries, keys and values that one layer made, say.
    pub(in crate::arch) fn chunks<const N: usize>(
        &mut self,
        name: &str,
        x: NodeId,
        len: usize,
    ) -> [NodeId; N] {
        std::array::from_fn(|i| self.channels(format!("{name}/{i}"), x, i * len..(i + 1) * len))
    }

    /// The mean of each channel over the picture.
    pub(in crate::arch) fn global_mean(&mut self, name: impl Into<String>, x: NodeId) -> NodeId {
        self.push(name, Op::GlobalPool { kind: PoolKind::Average { count_pad: true } }, &[x])
    }

    /// A pixel shuffle; nothing, where the factor is 1.
    pub(in crate::arch) fn shuffle(&mut self, name: impl Into<String>, x: NodeId, factor: usize) -> NodeId {
        if factor == 1 { x } else { self.push(name, Op::PixelShuffle { factor }, &[x]) }
    }

    /// The inverse of a pixel shuffle; nothing, where the factor is 1.
    pub(in crate::arch) fn unshuffle(&mut self, name: impl Into<String>, x: NodeId, factor: usize) -> NodeId {
        if factor == 1 { x } else { self.push(name, Op::PixelUnshuffle { factor }, &[x]) }
    }

    /// Interpolates to `num / den` of the size.
    pub(in crate::arch) fn resize(
        &mut self,
        name: impl Into<String>,
        x: NodeId,
        mode: ResizeMode,
        factor: [usize; 2],
    ) -> NodeId {
        let target = ResizeTarget::Scale { height: factor, width: factor };
        self.push(name, Op::Resize { mode, target }, &[x])
    }

    /// Enlarges by a whole factor, to the nearest.
    pub(in crate::arch) fn nearest(&mut self, name: impl Into<String>, x: NodeId, factor: usize) -> NodeId {
        self.resize(name, x, ResizeMode::Nearest, [factor, 1])
    }

    /// Interpolates bilinearly to the size of another value.
    pub(in crate::arch) fn bilinear_like(
        &mut self,
        name: impl Into<String>,
        x: NodeId,
        like: NodeId,
    ) -> NodeId {
        let mode = ResizeMode::Bilinear { align_corners: false };
        self.push(name, Op::Resize { mode, target: ResizeTarget::Like }, &[x, like])
    }

    /// Cuts `n` rows and columns off all sides.
    pub(in crate::arch) fn cut(&mut self, name: &str, x: NodeId, n: usize) -> NodeId {
        let n = n as i64;
        let rows = self.push(format!("{name}/rows"), Op::Slice { axis: 2, start: n, end: -n }, &[x]);
        self.push(format!("{name}/columns"), Op::Slice { axis: 3, start: n, end: -n }, &[rows])
    }
}
