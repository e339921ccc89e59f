//! What a pixel of the output depends on: how far tiles must overlap to be exact.

use crate::{
    Attention, ChannelAttention, Dim, Net, Node, NodeId, Op, PadMode, Padding, Region, ResizeMode,
    ResizeTarget,
};

/// How far around its own place in the input a pixel of the output looks.
///
/// Cut the picture at multiples of `alignment`; give each piece this many rows and columns more on each side, up to the
/// picture's border and rounded up so that the piece still starts and ends at a multiple of `alignment` (and obeys
/// the size rule); run it; cut the same off the output, times the scale. The result is that of the whole picture,
/// exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct ReceptiveField {
    /// Rows above, in input pixels.
    pub top: usize,
    /// Columns to the left.
    pub left: usize,
    /// Rows below.
    pub bottom: usize,
    /// Columns to the right.
    pub right: usize,
    /// Pieces start and end at multiples of this.
    pub alignment: usize,
}

/// For a piece of the input from `p` to `q` along one axis, the part of a value that matters is
/// `p * scale + low ..= q * scale - 1 + high`, where `scale` is the value's own.
#[derive(Debug, Clone, Copy)]
struct Reach {
    low: i64,
    high: i64,
}

impl Reach {
    fn union(self, other: Self) -> Self {
        Self { low: self.low.min(other.low), high: self.high.max(other.high) }
    }
}

/// A window that moves along an axis: `stride`, padding before, and how far its last tap is from its first.
struct Window {
    stride: i64,
    before: i64,
    extent: i64,
}

impl Net {
    /// How far tiles must overlap to be exact; `None` when no overlap suffices (an operation sees the whole picture
    /// or depends on its size), or the graph is broken.
    pub fn receptive_field(&self) -> Option<ReceptiveField> {
        let shapes = self.infer_shapes().ok()?;
        let output = self.output?;
        let from_picture = self.depends_on_picture();
        let mut outer = [Reach { low: 0, high: 0 }; 2];
        let mut reach: Vec<Option<[Reach; 2]>> = vec![None; self.nodes.len()];
        reach[output.0 as usize] = Some([Reach { low: 0, high: 0 }; 2]);
        for (index, node) in self.nodes.iter().enumerate().rev() {
            let Some(wanted) = reach[index] else { continue };
            if !from_picture[index] {
                continue;
            }
            for (axis, wanted) in wanted.into_iter().enumerate() {
                outer[axis] = outer[axis].union(within_piece(shapes[index][2 + axis], wanted)?);
            }
            let offset = |axis: usize| {
                let input = node.inputs.first().map(|id| shapes[id.0 as usize][2 + axis]);
                input.and_then(|dim| if let Dim::Scaled { offset, .. } = dim { Some(offset) } else { None })
            };
            let through = |axis: usize, input: usize| {
                let needed = self.through(node, axis, input, wanted[axis])?;
                // At the picture's own border such an operation reads the border instead of what lies beyond.
                let at_border = border_reads(node, axis)
                    .zip(offset(axis))
                    .map(|((before, after), offset)| Reach { low: offset.min(0) - after, high: before });
                Some(at_border.map_or(needed, |at_border| needed.union(at_border)))
            };
            for (at, &NodeId(input)) in node.inputs.iter().enumerate() {
                let needed = [through(0, at)?, through(1, at)?];
                let known = &mut reach[input as usize];
                *known = Some(match *known {
                    Some(known) => [known[0].union(needed[0]), known[1].union(needed[1])],
                    None => needed,
                });
            }
        }
        reach[0]?;
        let [rows, columns] = outer;
        let outward = |distance: i64| usize::try_from(distance.max(0)).ok();
        Some(ReceptiveField {
            top: outward(-rows.low)?,
            left: outward(-columns.low)?,
            bottom: outward(rows.high)?,
            right: outward(columns.high)?,
            alignment: self.required_alignment().ok()?,
        })
    }

    /// What a node needs of an input along an axis (0 rows, 1 columns) to make `wanted`. `None` when that is everything.
    fn through(&self, node: &Node, axis: usize, input: usize, wanted: Reach) -> Option<Reach> {
        let before = |p: Padding| if axis == 0 { p.top as i64 } else { p.left as i64 };
        let taps = |weight| self.weight(weight).shape[2 + axis] as i64;
        let Reach { low, high } = wanted;
        Some(match &node.op {
            Op::Input { .. }
            | Op::Constant(_)
            | Op::PRelu { .. }
            | Op::ChannelAffine { .. }
            | Op::Unary(_)
            | Op::Binary(_)
            | Op::Concat { axis: 1 }
            | Op::Slice { axis: 1, .. }
            | Op::Softmax { axis: 1 }
            | Op::LayerNorm { .. } => wanted,
            // Pieces start at multiples of the block, so blocks lie in a piece as they do in the picture.
            Op::Attention(a @ Attention { region: Region::Blocks(block), .. }) => {
                let blocks = whole_blocks(wanted, block[axis], a.shift[axis]);
                if input == 0 {
                    blocks
                } else {
                    let (grown, factor) = (a.query_factor as i64, a.key_factor as i64);
                    let margin = a.key_margin[axis] as i64;
                    Reach {
                        low: (blocks.low * grown).div_euclid(factor) - margin,
                        high: -(-blocks.high * grown).div_euclid(factor) + margin,
                    }
                }
            }
            Op::ChannelAttention(ChannelAttention { region: Region::Blocks(block), .. })
            | Op::ChannelMix(ChannelAttention { region: Region::Blocks(block), .. }) => {
                whole_blocks(wanted, block[axis], 0)
            }
            Op::Conv2d { weight, stride, padding, dilation, .. } => {
                let extent = dilation[axis] as i64 * (taps(*weight) - 1);
                gather(wanted, &Window { stride: stride[axis] as i64, before: before(*padding), extent })
            }
            Op::Pool { kernel, stride, padding, .. } => {
                let extent = kernel[axis] as i64 - 1;
                gather(wanted, &Window { stride: stride[axis] as i64, before: before(*padding), extent })
            }
            Op::ConvTranspose2d { weight, stride, padding, dilation, .. } => {
                let extent = dilation[axis] as i64 * (taps(*weight) - 1);
                let (stride, before) = (stride[axis] as i64, before(*padding));
                Reach {
                    low: -(extent - before - low).div_euclid(stride),
                    high: (high - 1 + before).div_euclid(stride) + 1,
                }
            }
            Op::Pad { padding, .. } => Reach { low: low - before(*padding), high: high - before(*padding) },
            Op::Slice { axis: cut, start, .. } if *start >= 0 => {
                let start = if *cut == axis + 2 { *start } else { 0 };
                Reach { low: low + start, high: high + start }
            }
            Op::PixelShuffle { factor } => {
                let factor = *factor as i64;
                Reach { low: low.div_euclid(factor), high: (high - 1).div_euclid(factor) + 1 }
            }
            Op::PixelUnshuffle { factor } => Reach { low: low * *factor as i64, high: high * *factor as i64 },
            Op::Resize { mode, target: ResizeTarget::Scale { height, width } } => {
                let [num, den] = [*height, *width][axis].map(|n| n as i64);
                // Half-pixel centres: source = (2 * at + 1) * den / (2 * num) - 1/2, rounded down.
                let centre = |at: i64| ((2 * at + 1) * den - num).div_euclid(2 * num);
                match mode {
                    ResizeMode::Nearest => Reach {
                        low: (low * den).div_euclid(num),
                        high: ((high - 1) * den).div_euclid(num) + 1,
                    },
                    ResizeMode::Bilinear { align_corners: false } => {
                        Reach { low: centre(low), high: centre(high - 1) + 2 }
                    }
                    ResizeMode::Bicubic { align_corners: false, .. } => {
                        Reach { low: centre(low) - 1, high: centre(high - 1) + 3 }
                    }
                    ResizeMode::Bilinear { .. } | ResizeMode::Bicubic { .. } => return None,
                }
            }
            Op::Concat { .. }
            | Op::Slice { .. }
            | Op::Part { .. }
            | Op::Softmax { .. }
            | Op::Resize { .. }
            | Op::PadToMultiple { .. }
            | Op::Crop { .. }
            | Op::GridSample { .. }
            | Op::AdaptivePool { .. }
            | Op::GlobalPool { .. }
            | Op::GroupNorm { .. }
            | Op::Attention(_)
            | Op::ChannelAttention(_)
            | Op::SortedAttention(_)
            | Op::Tensors(_)
            | Op::ChannelMix(_)
            | Op::Linear { .. } => return None,
        })
    }

    fn depends_on_picture(&self) -> Vec<bool> {
        let mut depends: Vec<bool> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let any = node.inputs.iter().any(|id| depends[id.0 as usize]);
            depends.push(any || matches!(node.op, Op::Input { .. }));
        }
        depends
    }
}

/// How many pixels from the first and from the last an operation reads in place of what lies beyond the border; `None`
/// where it reads nothing there.
fn border_reads(node: &Node, axis: usize) -> Option<(i64, i64)> {
    match &node.op {
        Op::Pad { padding: p, mode: PadMode::Reflect } => {
            let (before, after) = if axis == 0 { (p.top, p.bottom) } else { (p.left, p.right) };
            Some((before as i64, after as i64))
        }
        Op::Pad { mode: PadMode::Replicate, .. } | Op::Resize { .. } => Some((0, 0)),
        _ => None,
    }
}

/// How far a piece of the input must go for what is wanted of a value to lie within the value's own part: an operation
/// that cuts borders cuts those of a piece as well.
fn within_piece(dim: Dim, wanted: Reach) -> Option<Reach> {
    let Dim::Scaled { num, den, offset, .. } = dim else { return None };
    let (num, den) = (i64::try_from(num).ok()?, i64::try_from(den).ok()?);
    Some(Reach {
        low: (wanted.low * den).div_euclid(num),
        high: -(-(wanted.high - offset) * den).div_euclid(num),
    })
}

/// The blocks that hold what is wanted; boundaries lie at `shift` and every `block` from there.
fn whole_blocks(wanted: Reach, block: usize, shift: usize) -> Reach {
    let (block, shift) = (block as i64, shift as i64);
    Reach {
        low: (wanted.low - shift).div_euclid(block) * block + shift,
        high: -(shift - wanted.high).div_euclid(block) * block + shift,
    }
}

fn gather(wanted: Reach, window: &Window) -> Reach {
    Reach {
        low: wanted.low * window.stride - window.before,
        high: (wanted.high - 1) * window.stride + 1 - window.before + window.extent,
    }
}
