//! Values of any rank as views of pictures.
//!
//! A net's values have rank 4. Exported graphs reshape and transpose on the way: the 6-dimensional detour of a pixel
//! shuffle, `[N, C]` inside squeeze-and-excitation, `[N, H, W, C]` around a matrix product. A [`View`] keeps track of
//! where each part of the four axes of a picture is, and only when an operation needs a picture again
//! ([`View::to_picture`]) is the detour recognised as a permutation of channels, a pixel shuffle or unshuffle, or
//! nothing at all.

use super::size::{FixedPicture, Size};
use crate::import::builder::GraphBuilder;
use crate::import::channels::select_channels;
use crate::import::error::{OpError, problem};
use crate::{Dim, NodeId, Op};
use std::collections::VecDeque;
use std::fmt;

/// A factor of one axis of the picture. Factors of 1 do not exist.
type Piece = usize;

/// The batch, which is never split nor dropped.
const BATCH: Piece = 0;

/// A picture seen in another shape.
#[derive(Debug, Clone)]
pub(super) struct View {
    /// The picture.
    pub(super) node: NodeId,
    /// The pieces of each axis of the picture, outermost first.
    axes: [Vec<Piece>; 4],
    /// Length of each piece.
    sizes: Vec<Size>,
    /// The pieces of each dimension of the view, outermost first.
    dims: Vec<Vec<Piece>>,
}

/// A wanted dimension.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Target {
    /// Of this size.
    Size(Size),
    /// As large as what is left.
    Rest,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Size(size) => write!(f, "{size:?}"),
            Self::Rest => f.write_str("-1"),
        }
    }
}

impl View {
    /// The picture as it is.
    pub(super) fn picture(builder: &GraphBuilder, node: NodeId) -> Self {
        Self::arranged(builder, node, &[Some(0), Some(1), Some(2), Some(3)])
    }

    /// The picture with its axes in another order; `None` is a dimension of 1. Axes left out must have length 1.
    pub(super) fn arranged(builder: &GraphBuilder, node: NodeId, layout: &[Option<usize>]) -> Self {
        let shape = builder.shape(node);
        let mut axes = [vec![BATCH], vec![], vec![], vec![]];
        let mut sizes = vec![Size::BATCH];
        for axis in 1..4 {
            if shape[axis] != Dim::Fixed(1) {
                axes[axis].push(sizes.len());
                sizes.push(Size::from_dim(shape[axis]));
            }
        }
        let dims = layout.iter().map(|axis| axis.map_or(vec![], |axis| axes[axis].clone())).collect();
        Self { node, axes, sizes, dims }
    }

    /// The same view of another picture of the same shape.
    pub(super) fn of(&self, node: NodeId) -> Self {
        Self { node, ..self.clone() }
    }

    pub(super) fn rank(&self) -> usize {
        self.dims.len()
    }

    /// Size of each dimension.
    pub(super) fn shape(&self) -> Vec<Size> {
        let product = |pieces: &Vec<Piece>| pieces.iter().fold(Size::ONE, |n, p| n.times(self.sizes[*p]));
        self.dims.iter().map(product).collect()
    }

    /// For each dimension the axis of the picture that it is, when every dimension is a whole axis (or of length 1:
    /// the axis in that place, if that has length 1 too).
    pub(super) fn layout(&self) -> Option<Vec<Option<usize>>> {
        let natural = self.rank() == 4;
        let axis_of = |(index, pieces): (usize, &Vec<Piece>)| {
            if pieces.is_empty() {
                return Some((natural && self.axes[index].is_empty()).then_some(index));
            }
            (0..4).find(|axis| self.axes[*axis] == *pieces).map(Some)
        };
        self.dims.iter().enumerate().map(axis_of).collect()
    }

    /// Whether the dimension holds nothing, that is has length 1.
    pub(super) fn is_single(&self, dim: usize) -> bool {
        self.dims[dim].is_empty()
    }

    /// Whether the view is `[N, C * H * W]` with everything in the order of the picture.
    pub(super) fn is_flat(&self) -> bool {
        self.dims == [vec![BATCH], self.axes[1..].concat()]
    }

    /// With the dimensions in another order.
    pub(super) fn transpose(&self, order: &[usize]) -> Result<Self, OpError> {
        let mut sorted = order.to_vec();
        sorted.sort_unstable();
        if sorted != (0..self.rank()).collect::<Vec<_>>() {
            return Err(problem!("its permutation {order:?} is none of {} dimensions", self.rank()));
        }
        let dims = order.iter().map(|dim| self.dims[*dim].clone()).collect();
        Ok(Self { dims, ..self.clone() })
    }

    /// Without the given dimensions, which must have length 1.
    pub(super) fn squeeze(&self, mut dims: Vec<usize>) -> Result<Self, OpError> {
        dims.sort_unstable();
        dims.dedup();
        let mut view = self.clone();
        for dim in dims.into_iter().rev() {
            if !view.dims.get(dim).is_some_and(Vec::is_empty) {
                return Err(problem!("drops dimension {dim}, whose length is not known to be 1"));
            }
            view.dims.remove(dim);
        }
        Ok(view)
    }

    /// With dimensions of length 1 at the given places of the result.
    pub(super) fn unsqueeze(&self, mut dims: Vec<usize>) -> Result<Self, OpError> {
        dims.sort_unstable();
        let mut view = self.clone();
        for dim in dims {
            if dim > view.rank() {
                return Err(problem!("adds dimension {dim} to {}", view.rank()));
            }
            view.dims.insert(dim, vec![]);
        }
        Ok(view)
    }

    /// With the dimensions before `dim` joined to one and the others to another.
    pub(super) fn flatten(&self, dim: usize) -> Result<Self, OpError> {
        let Some((outer, inner)) = self.dims.split_at_checked(dim) else {
            return Err(problem!("flattens from dimension {dim} of {}", self.rank()));
        };
        Ok(Self { dims: vec![outer.concat(), inner.concat()], ..self.clone() })
    }

    /// In another shape of as many elements.
    pub(super) fn reshape(&self, targets: &[Target], picture: FixedPicture) -> Result<Self, OpError> {
        self.try_reshape(targets, picture)
            .ok_or_else(|| problem!("gives a value of shape {:?} the shape {targets:?}", self.shape()))
    }

    fn try_reshape(&self, targets: &[Target], picture: FixedPicture) -> Option<Self> {
        let mut view = self.clone();
        let mut queue: VecDeque<Piece> = self.dims.concat().into();
        let rest = targets.iter().position(|target| *target == Target::Rest);
        let mut dims = vec![vec![]; targets.len()];
        for (index, target) in targets[..rest.unwrap_or(targets.len())].iter().enumerate() {
            let Target::Size(size) = *target else { return None };
            // The batch of graphs exported for a batch of 1 is written as 1.
            dims[index] = if index == 0 && queue.front() == Some(&BATCH) && size.as_whole() == Some(1) {
                vec![queue.pop_front()?]
            } else {
                view.take(&mut queue, size, picture, false)?
            };
        }
        if let Some(rest) = rest {
            for index in (rest + 1..targets.len()).rev() {
                let Target::Size(size) = targets[index] else { return None };
                dims[index] = view.take(&mut queue, size, picture, true)?;
            }
            dims[rest] = queue.drain(..).collect();
        }
        view.dims = dims;
        queue.is_empty().then_some(view)
    }

    /// Takes pieces that multiply to `size` from one end of the queue, splitting the last one where needed.
    fn take(
        &mut self,
        queue: &mut VecDeque<Piece>,
        size: Size,
        picture: FixedPicture,
        from_back: bool,
    ) -> Option<Vec<Piece>> {
        let mut need = size;
        let mut taken = VecDeque::new();
        while !need.same(Size::ONE, picture) {
            let piece = if from_back { queue.pop_back()? } else { queue.pop_front()? };
            let length = self.sizes[piece];
            if let Some(quotient) = need.divided_exactly(length, picture) {
                need = quotient;
                if from_back {
                    taken.push_front(piece)
                } else {
                    taken.push_back(piece)
                }
                continue;
            }
            if piece == BATCH {
                return None;
            }
            let (outer, inner) = self.split(piece, need, picture, from_back)?;
            if from_back {
                taken.push_front(inner);
                queue.push_back(outer);
            } else {
                taken.push_back(outer);
                queue.push_front(inner);
            }
            break;
        }
        Some(taken.into())
    }

    /// Splits a piece in two, of which the inner one has length `need`, or else the outer one.
    fn split(
        &mut self,
        piece: Piece,
        need: Size,
        picture: FixedPicture,
        need_inner: bool,
    ) -> Option<(Piece, Piece)> {
        let length = self.sizes[piece];
        let other = length.divided_exactly(need, picture)?;
        let (mut outer, mut inner) = if need_inner { (other, need) } else { (need, other) };
        if let (Some(_), None, None) = (picture, length.number(), inner.number()) {
            // In a graph of one size every length is a number; it is the outer one that follows the picture.
            inner = Size::whole(inner.at(picture)?);
        }
        if length.number().is_none() && outer.number().is_some() && inner.number().is_some() {
            outer = length.divided_exactly(inner, picture)?;
        }
        let (outer_id, inner_id) = (self.sizes.len(), self.sizes.len() + 1);
        self.sizes.extend([outer, inner]);
        let replace = |pieces: &mut Vec<Piece>| {
            if let Some(at) = pieces.iter().position(|p| *p == piece) {
                pieces.splice(at..=at, [outer_id, inner_id]);
            }
        };
        self.axes.iter_mut().for_each(replace);
        Some((outer_id, inner_id))
    }

    /// The picture `[N, C, H, W]` that the view shows.
    pub(super) fn to_picture(&self, builder: &mut GraphBuilder, name: &str) -> Result<NodeId, OpError> {
        let strange = || {
            problem!(
                "needs a picture, but reads one whose axes were rearranged in a way Pegbar cannot follow"
            )
        };
        let [batch, channels, rows, columns] = &self.dims[..] else {
            return Err(problem!("needs a picture, but reads a value of rank {}", self.rank()));
        };
        if *batch != [BATCH] {
            return Err(strange());
        }
        let [_, own_channels, own_rows, own_columns] = &self.axes;
        let is_own_channel = |piece: &Piece| own_channels.contains(piece);

        if let (Some(dy), Some(dx)) =
            (rows.strip_prefix(own_rows.as_slice()), columns.strip_prefix(own_columns.as_slice()))
        {
            // Channels move among themselves, or into rows and columns.
            let order = [channels, dy, dx].concat();
            if order.len() != own_channels.len() || !order.iter().all(is_own_channel) {
                return Err(strange());
            }
            let selected = select_channels(builder, name, self.node, &self.channel_order(&order)?)?;
            let [dy, dx] = [self.product(dy)?, self.product(dx)?];
            return match (dy, dx) {
                (1, 1) => Ok(selected),
                (dy, dx) if dy == dx => builder.push(name, Op::PixelShuffle { factor: dy }, &[selected]),
                _ => Err(problem!("moves channels to {dy} rows and {dx} columns; both must be equal")),
            };
        }
        if let (Some(dy), Some(dx)) =
            (own_rows.strip_prefix(rows.as_slice()), own_columns.strip_prefix(columns.as_slice()))
        {
            // Rows and columns move into channels.
            let [height, width] = [self.product(dy)?, self.product(dx)?];
            if height != width {
                return Err(problem!(
                    "moves {height} rows and {width} columns to channels; both must be equal"
                ));
            }
            let unshuffled = builder.push(name, Op::PixelUnshuffle { factor: height }, &[self.node])?;
            let mut view = self.clone();
            view.axes[1] = [own_channels, dy, dx].concat();
            if channels.len() != view.axes[1].len() || !channels.iter().all(|p| view.axes[1].contains(p)) {
                return Err(strange());
            }
            return select_channels(builder, name, unshuffled, &view.channel_order(channels)?);
        }
        Err(strange())
    }

    /// Product of the lengths of pieces that do not follow the picture.
    fn product(&self, pieces: &[Piece]) -> Result<usize, OpError> {
        pieces.iter().try_fold(1usize, |n, piece| {
            let length = self.sizes[*piece].as_whole().and_then(|n| usize::try_from(n).ok());
            length
                .and_then(|length| n.checked_mul(length))
                .ok_or_else(|| problem!("moves an axis that depends on the picture's size"))
        })
    }

    /// For each channel of `pieces` in that order, its place among the channels of the picture.
    fn channel_order(&self, pieces: &[Piece]) -> Result<Vec<usize>, OpError> {
        let own = &self.axes[1];
        if pieces == own {
            // Most shuffles keep the order; counting from 0 is enough.
            return Ok((0..self.product(own)?).collect());
        }
        let mut order = vec![0usize];
        for piece in pieces {
            let inner = own.iter().skip_while(|p| *p != piece).skip(1).copied().collect::<Vec<_>>();
            let (length, step) = (self.product(&[*piece])?, self.product(&inner)?);
            order = order.iter().flat_map(|base| (0..length).map(move |i| base + i * step)).collect();
        }
        Ok(order)
    }
}
