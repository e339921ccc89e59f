//! Layers that move values around: constants, concatenation, slices, borders, resizing, pixel shuffles.

use super::layer::Parameters;
use super::{Blob, Importer};
use crate::import::channels::{depth_to_space, select_channels, space_to_depth};
use crate::import::error::{OpError, problem};
use crate::import::resample::{factor, factor_between, resize};
use crate::{Dim, NodeId, Op, PadMode, Padding, ResizeMode, ResizeTarget};
use pegbar_formats::ncnn::NcnnLayer;
use std::rc::Rc;

/// In crops and reshapes: "as much as there is".
const REMAINING: i64 = -233;

/// The axis of `[N, C, H, W]` that an ncnn axis of a blob means.
pub(super) fn axis(blob: &Blob, axis: i64) -> Result<usize, OpError> {
    let rank = if matches!(blob, Blob::Vector(_)) { 1 } else { 3 };
    match if axis < 0 { axis + rank } else { axis } {
        axis if (0..rank).contains(&axis) => Ok(axis as usize + 1),
        _ => Err(problem!("axis {axis} is none of a blob of rank {rank}")),
    }
}

/// One past the last element, such that `len` elements from `start` of an axis of `dim` are kept at every picture size.
fn end_of(dim: Dim, start: i64, len: Dim) -> Result<i64, OpError> {
    let cut = |whole: i64, kept: i64| match whole.saturating_sub(kept).saturating_sub(start) {
        0 => Ok(i64::MAX),
        rest @ 1.. => Ok(-rest),
        _ => Err(problem!("keeps more than there is")),
    };
    match (dim, len) {
        (Dim::Fixed(whole), Dim::Fixed(kept)) => cut(whole as i64, kept as i64),
        (
            Dim::Scaled { axis: a, num: n, den: d, offset: whole },
            Dim::Scaled { axis: b, num: m, den: e, offset: kept },
        ) if (a, n, d) == (b, m, e) => cut(whole, kept),
        (Dim::Scaled { .. }, Dim::Fixed(kept)) => Ok(start.saturating_add(kept as i64)),
        _ => Err(problem!("keeps {len:?} of {dim:?}, which no picture size relates")),
    }
}

impl<'a> Importer<'a> {
    pub(super) fn memory_data(&mut self, layer: &'a NcnnLayer) -> Result<Blob, OpError> {
        if layer.integer(11, 0)? != 0 {
            return Err(problem!("holds a constant of rank 4"));
        }
        let (w, h, c) = (layer.size(0, 0)?, layer.size(1, 0)?, layer.size(2, 0)?);
        let shape: Vec<usize> = match (c, h) {
            (0, 0) => vec![w],
            (0, _) => vec![h, w],
            _ => vec![c, h, w],
        };
        let len = shape.iter().try_fold(1usize, |a, b| a.checked_mul(*b));
        let len = len.ok_or_else(|| problem!("is too large"))?;
        let data = Rc::new(layer.weight(0, "constant", len)?);
        Ok(Blob::Constant { name: layer.name.clone(), shape, data })
    }

    pub(super) fn concat(&mut self, layer: &'a NcnnLayer) -> Result<Blob, OpError> {
        let first = self.input(layer, 0)?;
        let axis = axis(&first, layer.integer(0, 0)?)?;
        let mut parts = Vec::with_capacity(layer.inputs.len());
        for index in 0..layer.inputs.len() {
            parts.push(match self.input(layer, index)? {
                Blob::Picture(id) if matches!(first, Blob::Picture(_)) => id,
                Blob::Vector(id) if matches!(first, Blob::Vector(_)) => id,
                _ => return Err(problem!("joins blobs of different rank")),
            });
        }
        if let [only] = parts[..] {
            return Ok(first.with(only));
        }
        Ok(first.with(self.builder.push(&layer.name, Op::Concat { axis }, &parts)?))
    }

    pub(super) fn slice(&mut self, layer: &'a NcnnLayer) -> Result<Vec<Blob>, OpError> {
        let input = self.input(layer, 0)?;
        let x = self.value(layer, 0)?;
        let axis = axis(&input, layer.integer(1, 0)?)?;
        let Dim::Fixed(whole) = self.builder.shape(x)[axis] else {
            return Err(problem!("cuts along an axis whose length depends on the picture"));
        };
        let whole = whole as i64;
        let n = layer.outputs.len();
        let sizes = layer.integers(0)?;
        let cuts = layer.integers(2)?;
        let mut parts = Vec::with_capacity(n);
        let mut start = 0i64;
        for index in 0..n {
            let end = if !cuts.is_empty() {
                match cuts.get(index) {
                    Some(cut) if *cut < 0 => whole + cut,
                    Some(cut) => *cut,
                    None => whole,
                }
            } else {
                match sizes.get(index) {
                    Some(&REMAINING) | None => start + (whole - start) / (n - index) as i64,
                    Some(size) => start.saturating_add(*size),
                }
            };
            if end <= start || end > whole {
                return Err(problem!("its part {} would be {start}..{end} of {whole}", index + 1));
            }
            parts.push(input.with(self.builder.slice(&layer.name, x, axis, start, end)?));
            start = end;
        }
        Ok(parts)
    }

    pub(super) fn crop(&mut self, layer: &'a NcnnLayer) -> Result<Blob, OpError> {
        let input = self.input(layer, 0)?;
        let x = self.value(layer, 0)?;
        let (starts, ends) = (layer.integers(9)?, layer.integers(10)?);
        if !starts.is_empty() || !ends.is_empty() {
            return self.crop_ranges(layer, input, x, &starts, &ends);
        }
        let mut result = x;
        // Parameters of channels, rows and columns: offset, size, offset from the end.
        for (axis, [offset, size, tail]) in [(1, [2, 5, 8]), (2, [1, 4, 7]), (3, [0, 3, 6])] {
            if axis > 1 && matches!(input, Blob::Vector(_)) {
                continue;
            }
            let start = layer.integer(offset, 0)?;
            if start < 0 {
                return Err(problem!("its offset {start} is taken from a reference blob"));
            }
            let end = if layer.inputs.len() > 1 {
                let reference = self.value(layer, 1)?;
                let dims = [result, reference].map(|id| self.builder.shape(id)[axis]);
                // Channels follow the reference only from the given offset on.
                end_of(dims[0], start, dims[1])?
            } else {
                let tail = layer.integer(tail, 0)?;
                match layer.integer(size, 0)? {
                    REMAINING if tail > 0 => -tail,
                    REMAINING => i64::MAX,
                    size @ 1.. => start.saturating_add(size),
                    size => return Err(problem!("keeps {size} elements of axis {axis}")),
                }
            };
            result = self.builder.slice(&layer.name, result, axis, start, end)?;
        }
        Ok(input.with(result))
    }

    /// A crop in the style of NumPy slices.
    fn crop_ranges(
        &mut self,
        layer: &NcnnLayer,
        input: Blob,
        x: NodeId,
        starts: &[i64],
        ends: &[i64],
    ) -> Result<Blob, OpError> {
        let mut axes = layer.integers(11)?;
        if axes.is_empty() {
            axes = (0..starts.len() as i64).collect();
        }
        if starts.len() != ends.len() || axes.len() != starts.len() {
            return Err(problem!("has {} starts, {} ends, {} axes", starts.len(), ends.len(), axes.len()));
        }
        let mut result = x;
        for ((&at, &start), &end) in axes.iter().zip(starts).zip(ends) {
            let start = if start == REMAINING { 0 } else { start };
            // 0 and anything beyond 32 bits stand for the end.
            let end = if matches!(end, REMAINING | 0) || end >= i64::from(i32::MAX) { i64::MAX } else { end };
            result = self.builder.slice(&layer.name, result, axis(&input, at)?, start, end)?;
        }
        Ok(input.with(result))
    }

    pub(super) fn padding(&mut self, layer: &'a NcnnLayer) -> Result<Blob, OpError> {
        let x = self.picture(layer, 0)?;
        if layer.inputs.len() > 1 {
            return Err(problem!("takes the width of the border from another blob"));
        }
        if layer.integer(6, 0)? != 0 {
            return Err(problem!("pads each channel with another value"));
        }
        if layer.integer(7, 0)? != 0 || layer.integer(8, 0)? != 0 {
            return Err(problem!("pads channels"));
        }
        let mode = match layer.integer(4, 0)? {
            0 => PadMode::Constant(layer.number(5, 0.0)?),
            1 => PadMode::Replicate,
            2 => PadMode::Reflect,
            other => return Err(problem!("its type {other} is unknown")),
        };
        let padding = Padding {
            top: layer.size(0, 0)?,
            bottom: layer.size(1, 0)?,
            left: layer.size(2, 0)?,
            right: layer.size(3, 0)?,
        };
        self.builder.pad(&layer.name, x, padding, mode).map(Blob::Picture)
    }

    pub(super) fn interp(&mut self, layer: &'a NcnnLayer) -> Result<Blob, OpError> {
        let x = self.value(layer, 0)?;
        let align_corners = layer.integer(6, 0)? != 0;
        let mode = match layer.integer(0, 0)? {
            1 => ResizeMode::Nearest,
            2 => ResizeMode::Bilinear { align_corners },
            3 => ResizeMode::Bicubic { align_corners, a: -0.75 },
            other => return Err(problem!("its resize type {other} is unknown")),
        };
        let from = self.builder.shape(x);
        let factors = if layer.inputs.len() > 1 {
            let to = self.builder.shape(self.value(layer, 1)?);
            [2, 3].map(|axis| factor_between(from[axis], to[axis]))
        } else if layer.integer(5, 0)? != 0 {
            return Err(problem!("takes its size from a blob that is not there"));
        } else {
            let (height, width) = (layer.size(3, 0)?, layer.size(4, 0)?);
            if height > 0 && width > 0 {
                let target = ResizeTarget::Size { height, width };
                return self.builder.push(&layer.name, Op::Resize { mode, target }, &[x]).map(Blob::Picture);
            }
            [layer.number(1, 1.0)?, layer.number(2, 1.0)?].map(|value| factor(f64::from(value)))
        };
        let [Some(height), Some(width)] = factors else {
            return Err(problem!("its factors are no simple fractions"));
        };
        resize(&mut self.builder, &layer.name, x, mode, [height, width]).map(Blob::Picture)
    }

    pub(super) fn pixel_shuffle(&mut self, layer: &'a NcnnLayer) -> Result<Blob, OpError> {
        let x = self.picture(layer, 0)?;
        let factor = layer.at_least_one(0, 1, "factor")?;
        let phase_first = layer.integer(1, 0)? != 0;
        depth_to_space(&mut self.builder, &layer.name, x, factor, phase_first).map(Blob::Picture)
    }

    pub(super) fn reorg(&mut self, layer: &'a NcnnLayer) -> Result<Blob, OpError> {
        let x = self.picture(layer, 0)?;
        let factor = layer.at_least_one(0, 1, "stride")?;
        let phase_first = layer.integer(1, 0)? != 0;
        space_to_depth(&mut self.builder, &layer.name, x, factor, phase_first).map(Blob::Picture)
    }

    pub(super) fn shuffle_channel(&mut self, layer: &'a NcnnLayer) -> Result<Blob, OpError> {
        let input = self.input(layer, 0)?;
        let x = self.value(layer, 0)?;
        let channels = self.builder.channels(x)?;
        let group = layer.at_least_one(0, 1, "group")?;
        if !channels.is_multiple_of(group) {
            return Err(problem!("{channels} channels are no multiple of {group}"));
        }
        let group = if layer.integer(1, 0)? != 0 { channels / group } else { group };
        let per_group = channels / group;
        let order: Vec<usize> = (0..channels).map(|i| (i % group) * per_group + i / group).collect();
        select_channels(&mut self.builder, &layer.name, x, &order).map(|id| input.with(id))
    }

    pub(super) fn permute(&mut self, layer: &'a NcnnLayer) -> Result<Blob, OpError> {
        match layer.integer(0, 0)? {
            0 => self.input(layer, 0),
            order => Err(problem!("swaps axes (order {order}), which Pegbar does not do")),
        }
    }

    /// Flatten, Reshape, Squeeze and ExpandDims between `[C, 1, 1]` and `[C]`, and the flattening before a fully
    /// connected layer.
    pub(super) fn reshape(&mut self, layer: &'a NcnnLayer) -> Result<Blob, OpError> {
        const DROPPED: i64 = -233;
        let input = self.input(layer, 0)?;
        let x = match input {
            Blob::Flat(id) => id,
            _ => self.value(layer, 0)?,
        };
        let is_vector = self.builder.is_vector(x);
        let channels = self.builder.channels(x)? as i64;
        let fits = |n: i64| n == -1 || n == channels;
        match layer.kind.as_str() {
            "Flatten" if is_vector => return Ok(Blob::Vector(x)),
            "Flatten" => return Ok(Blob::Flat(x)),
            "Squeeze" if is_vector && matches!(input, Blob::Picture(_)) => return Ok(Blob::Vector(x)),
            "ExpandDims" if matches!(input, Blob::Vector(_)) => {
                let mut axes = layer.integers(3)?;
                axes.sort_unstable();
                let flags = [0, 1, 2].map(|id| layer.integer(id, 0));
                let rows_and_columns = match &flags {
                    [Ok(1), Ok(1), Ok(0)] => axes.is_empty(),
                    [Ok(0), Ok(0), Ok(0)] => axes == [1, 2] || axes == [-2, -1],
                    _ => false,
                };
                if rows_and_columns {
                    return Ok(Blob::Picture(x));
                }
            }
            "Reshape" if layer.integer(3, 0)? == 0 && layer.integer(11, DROPPED)? == DROPPED => {
                let [w, h, c] = [0, 1, 2].map(|id| layer.integer(id, DROPPED));
                match [w?, h?, c?] {
                    [w, DROPPED, DROPPED] if is_vector && fits(w) => return Ok(Blob::Vector(x)),
                    [-1, DROPPED, DROPPED] => return Ok(Blob::Flat(x)),
                    [1, 1, c] if is_vector && fits(c) => return Ok(Blob::Picture(x)),
                    [-1, 1, c] | [1, -1, c] if is_vector && c == channels => return Ok(Blob::Picture(x)),
                    _ => {}
                }
            }
            _ => {}
        }
        Err(problem!("gives a value a shape that is neither a picture nor a vector of its channels"))
    }
}
