//! Resize, and Upsample as it was called before.

use super::size::{Ratio, Size};
use super::{Importer, Value, node};
use crate::import::error::{OpError, problem};
use crate::import::resample::{
    Coordinates, Factor, Rounding, factor, is_plain_nearest, resize, resize_asymmetric_linear, whole,
};
use crate::{Dim, NodeId, Op, ResizeMode, ResizeTarget};
use pegbar_formats::onnx::OnnxNode;

/// How far to resize.
enum Extent {
    Factors([Factor; 2]),
    Size { height: usize, width: usize },
}

impl<'a> Importer<'a> {
    pub(super) fn resize(&mut self, node: &'a OnnxNode) -> Result<Value, OpError> {
        let x = self.picture_input(node, 0)?;
        if node::int(node, "antialias", 0)? != 0 {
            return Err(problem!("antialias is not supported"));
        }
        match node::string(node, "keep_aspect_ratio_policy", "stretch")? {
            "stretch" => {}
            other => return Err(problem!("keep_aspect_ratio_policy {other:?} is not supported")),
        }
        let extent = self.resize_extent(node, x)?;
        if let Extent::Factors([[1, 1], [1, 1]]) = extent {
            return Ok(self.as_picture(x));
        }
        let result = match node::string(node, "mode", "nearest")? {
            "nearest" => self.resize_nearest(node, x, extent)?,
            "linear" | "bilinear" => self.resize_linear(node, x, extent)?,
            "cubic" => self.resize_cubic(node, x, extent)?,
            other => return Err(problem!("mode {other:?} is not supported")),
        };
        Ok(self.as_picture(result))
    }

    /// Factors or size from attributes or inputs, whichever this version of the operator has.
    fn resize_extent(&mut self, node: &'a OnnxNode, x: NodeId) -> Result<Extent, OpError> {
        let (scales_input, sizes_input) = match (node.op_type.as_str(), self.opset) {
            ("Upsample", ..=8) => (usize::MAX, usize::MAX),
            ("Upsample", _) | (_, ..=10) => (1, usize::MAX),
            _ => (2, 3),
        };
        let axes = match node::ints(node, "axes")? {
            Some(axes) => axes.into_iter().map(|axis| Self::axis(axis, 4)).collect::<Result<Vec<_>, _>>()?,
            None => vec![0, 1, 2, 3],
        };
        let spread = |values: &[Size]| -> Result<[Option<Size>; 4], OpError> {
            if values.len() != axes.len() {
                return Err(problem!("has {} factors or sizes for {} axes", values.len(), axes.len()));
            }
            let mut all = [None; 4];
            for (axis, value) in axes.iter().zip(values) {
                all[*axis] = Some(*value);
            }
            Ok(all)
        };
        let scales = match self.optional_constant(node, scales_input)? {
            // The input is empty when sizes are given.
            Some(scales) if scales.len() > 0 => Some(scales.to_sizes()?),
            _ => node::floats(node, "scales")?.map(|scales| {
                let ratio = |s: &f32| Ratio::from_f32(*s).map_or(Size::Opaque, |n| Size::Affine(None, n));
                std::rc::Rc::new(scales.iter().map(ratio).collect())
            }),
        };
        if let Some(scales) = scales {
            let scales = spread(&scales)?.map(|scale| scale.unwrap_or(Size::ONE));
            if scales[0] != Size::ONE || scales[1] != Size::ONE {
                return Err(problem!("resizes the channels"));
            }
            let mut factors = [[1, 1]; 2];
            for (to, scale) in factors.iter_mut().zip(&scales[2..]) {
                *to = scale
                    .number()
                    .and_then(Ratio::terms)
                    .and_then(|[num, den]| factor(num as f64 / den as f64))
                    .ok_or_else(|| problem!("its factors are no simple fractions"))?;
            }
            return Ok(Extent::Factors(factors));
        }
        let Some(sizes) = self.optional_constant(node, sizes_input)? else {
            return Err(problem!("has neither factors nor sizes"));
        };
        let sizes = spread(sizes.to_sizes()?.as_ref())?;
        let shape = self.builder.shape(x);
        let channels = Size::from_dim(shape[1]);
        if sizes[1].is_some_and(|size| !size.same(channels, self.picture)) {
            return Err(problem!("resizes the channels"));
        }
        let mut factors = [None; 2];
        let mut numbers = [None; 2];
        for axis in 0..2 {
            let dim = shape[2 + axis];
            let from = Size::from_dim(dim);
            let to = sizes[2 + axis].unwrap_or(from);
            let number = |size: Size| self.whole(size).map(Size::whole);
            factors[axis] =
                to.ratio_to(from).or_else(|| number(to)?.ratio_to(number(from)?)).and_then(Ratio::terms);
            numbers[axis] = match (to.as_whole(), dim) {
                (Some(n), Dim::Scaled { .. }) if self.picture.is_none() => usize::try_from(n).ok(),
                _ => None,
            };
        }
        match (factors, numbers) {
            ([Some(height), Some(width)], _) => Ok(Extent::Factors([height, width])),
            (_, [Some(height), Some(width)]) => Ok(Extent::Size { height, width }),
            _ => Err(problem!("its size is no multiple of its input's at every size of the picture")),
        }
    }

    fn coordinates(&self, node: &'a OnnxNode) -> Result<(Coordinates, &'a str), OpError> {
        let default = if self.opset < 11 { "asymmetric" } else { "half_pixel" };
        let name = node::string(node, "coordinate_transformation_mode", default)?;
        Ok((
            match name {
                // They differ from half_pixel only where a side shrinks to 1, or where the size is rounded, which the
                // size rule of the net rules out.
                "half_pixel" | "pytorch_half_pixel" | "half_pixel_symmetric" => Coordinates::HalfPixel,
                "asymmetric" => Coordinates::Asymmetric,
                "align_corners" => Coordinates::AlignCorners,
                "tf_half_pixel_for_nn" => Coordinates::HalfPixelUnshifted,
                other => return Err(problem!("coordinate_transformation_mode {other:?} is not supported")),
            },
            name,
        ))
    }

    fn resize_nearest(&mut self, node: &'a OnnxNode, x: NodeId, extent: Extent) -> Result<NodeId, OpError> {
        let (coordinates, coordinates_name) = self.coordinates(node)?;
        let rounding_name = node::string(node, "nearest_mode", "round_prefer_floor")?;
        let factors = match extent {
            Extent::Factors(factors) => factors,
            Extent::Size { .. } if coordinates == Coordinates::Asymmetric && rounding_name == "floor" => {
                return self.resize_as(node, x, ResizeMode::Nearest, extent);
            }
            Extent::Size { .. } => {
                return Err(problem!("nearest_mode {rounding_name:?} to a fixed size is not supported"));
            }
        };
        for factor in factors {
            let rounding = match rounding_name {
                // Before opset 11 the mode was not stated: down when enlarging, up when shrinking.
                _ if self.opset < 11 && factor[0] >= factor[1] => Rounding::Floor,
                _ if self.opset < 11 => Rounding::Ceil,
                "floor" => Rounding::Floor,
                "ceil" => Rounding::Ceil,
                "round_prefer_floor" => Rounding::HalfDown,
                "round_prefer_ceil" => Rounding::HalfUp,
                other => return Err(problem!("nearest_mode {other:?} is unknown")),
            };
            if !is_plain_nearest(coordinates, rounding, factor) {
                return Err(problem!(
                    "nearest with {coordinates_name:?} and {rounding_name:?} at a factor of {}/{} is not supported",
                    factor[0],
                    factor[1]
                ));
            }
        }
        self.resize_as(node, x, ResizeMode::Nearest, extent)
    }

    fn resize_linear(&mut self, node: &'a OnnxNode, x: NodeId, extent: Extent) -> Result<NodeId, OpError> {
        let (coordinates, name) = self.coordinates(node)?;
        let align_corners = match (coordinates, &extent) {
            (Coordinates::HalfPixel, _) => false,
            (Coordinates::AlignCorners, _) => true,
            (Coordinates::Asymmetric, Extent::Factors([height, width])) if height == width => {
                let scale = whole(*height)?;
                return resize_asymmetric_linear(&mut self.builder, node::name(node), x, scale);
            }
            _ => return Err(problem!("linear with {name:?} is not supported here")),
        };
        self.resize_as(node, x, ResizeMode::Bilinear { align_corners }, extent)
    }

    fn resize_cubic(&mut self, node: &'a OnnxNode, x: NodeId, extent: Extent) -> Result<NodeId, OpError> {
        let (coordinates, name) = self.coordinates(node)?;
        let align_corners = match coordinates {
            Coordinates::HalfPixel => false,
            Coordinates::AlignCorners => true,
            _ => return Err(problem!("cubic with {name:?} is not supported")),
        };
        if node::int(node, "exclude_outside", 0)? != 0 {
            return Err(problem!("exclude_outside is not supported"));
        }
        let a = node::float(node, "cubic_coeff_a", -0.75)?;
        self.resize_as(node, x, ResizeMode::Bicubic { align_corners, a }, extent)
    }

    fn resize_as(
        &mut self,
        node: &OnnxNode,
        x: NodeId,
        mode: ResizeMode,
        extent: Extent,
    ) -> Result<NodeId, OpError> {
        let name = node::name(node);
        match extent {
            Extent::Factors(factors) => resize(&mut self.builder, name, x, mode, factors),
            Extent::Size { height, width } => {
                let target = ResizeTarget::Size { height, width };
                self.builder.push(name, Op::Resize { mode, target }, &[x])
            }
        }
    }
}
