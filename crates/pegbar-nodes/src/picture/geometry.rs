//! Size, place and orientation of pictures.

use super::{in_size, most_channels, refused, reshaped};
use crate::function::{BASE, IMAGE_OUT, Made, PICTURE, by, function, image_value, node};
use pegbar_chain::{Category, Dim, ImageInfo, Info, Input, NodeType, Prepare};
use pegbar_filters::picture::PictureError;
use pegbar_filters::picture::align_size::{self, AlignSize};
use pegbar_filters::picture::crop::{self, Crop};
use pegbar_filters::picture::flip::{self, Flip};
use pegbar_filters::picture::pad::{self, Pad};
use pegbar_filters::picture::resize::{self, Resize, ResizeMode};
use pegbar_filters::picture::resize_to_side::{self, ResizeToSide};
use pegbar_filters::picture::rotate::{self, Rotate};
use pegbar_filters::picture::shift::{self, Shift};
use pegbar_filters::picture::stack::{self, Stack};
use pegbar_filters::picture::tile_fill::{self, TileFill};
use pegbar_frame::PlanarImage;
use std::sync::Arc;

const GEOMETRY: NodeType = NodeType { category: Category::Geometry, ..PICTURE };

/// Another size.
pub(crate) static RESIZE: NodeType = NodeType {
    id: "image.resize",
    name: "Resize",
    doc: "Changes the size of the picture, in percent or to a number of pixels, with the kernel that suits: sharp \
          ones for enlarging, the mean of the pixels for shrinking, hard steps for pixel art. It adds no detail; \
          Upscale does.",
    params: resize::PARAMS,
    role: function(|prepare| {
        reshaped(
            Resize::from_values(prepare.values),
            |resize, info| Ok(size_known(resize, info)),
            Resize::apply,
        )
    }),
    example: &[("percent", "50"), ("filter", "box")],
    ..GEOMETRY
};

/// A length for one side.
pub(crate) static RESIZE_TO_SIDE: NodeType = NodeType {
    id: "image.resize_to_side",
    name: "Resize to Side",
    doc: "Resizes the picture so that one of its sides has a length; the other follows from its shape. It can \
          leave pictures alone that are small or large enough.",
    params: resize_to_side::PARAMS,
    role: function(|prepare| {
        reshaped(
            ResizeToSide::from_values(prepare.values),
            |resize, info| in_size(&info, |width, height| Ok(resize.size(width, height))),
            ResizeToSide::apply,
        )
    }),
    example: &[("target", "80")],
    ..GEOMETRY
};

/// A part.
pub(crate) static CROP: NodeType = NodeType {
    id: "image.crop",
    name: "Crop",
    doc: "Cuts off what surrounds a part of the picture: so many pixels at each side, or all but an area of a size.",
    params: crop::PARAMS,
    role: function(|prepare| {
        reshaped(
            Crop::from_values(prepare.values),
            |crop, info| in_size(&info, |width, height| crop.result_size(width, height)),
            Crop::apply,
        )
    }),
    example: &[("left", "24"), ("right", "24"), ("top", "8"), ("bottom", "8")],
    ..GEOMETRY
};

/// A border.
pub(crate) static PAD: NodeType = NodeType {
    id: "image.pad",
    name: "Pad",
    doc: "Puts a border around the picture: of a colour, transparent, or made of the picture itself, repeated or \
          mirrored.",
    params: pad::PARAMS,
    role: function(|prepare| {
        reshaped(
            Pad::from_values(prepare.values),
            |pad, info| {
                let mut known = in_size(&info, |width, height| pad.result_size(width, height))?;
                if pad.fill.makes_alpha(pad.colour) {
                    known.channels = Some(4);
                }
                Ok(known)
            },
            Pad::apply,
        )
    }),
    example: &[("mode", "border"), ("amount", "12"), ("fill", "mirror")],
    ..GEOMETRY
};

/// A turn.
pub(crate) static ROTATE: NodeType = NodeType {
    id: "image.rotate",
    name: "Rotate",
    doc: "Turns the picture clockwise about its middle. Quarter turns move pixels as they are; other angles make \
          them anew between those that were there.",
    params: rotate::PARAMS,
    role: function(|prepare| reshaped(Rotate::from_values(prepare.values), turned, Rotate::apply)),
    example: &[("angle", "12"), ("colour", "#e0e0e0")],
    ..GEOMETRY
};

/// A mirror.
pub(crate) static FLIP: NodeType = NodeType {
    id: "image.flip",
    name: "Flip",
    doc: "Mirrors the picture: left and right change places, or top and bottom, or both.",
    params: flip::PARAMS,
    role: function(|prepare| by(Flip::from_values(prepare.values), Flip::apply)),
    ..GEOMETRY
};

/// Several in a row.
pub(crate) static STACK: NodeType = NodeType {
    id: "image.stack",
    name: "Stack",
    doc: "Puts pictures side by side or one below the other, such as a picture and what became of it.",
    inputs: &[Input::image("images", "The pictures, in order.").many()],
    outputs: IMAGE_OUT,
    category: Category::Geometry,
    params: stack::PARAMS,
    role: function(stacked),
    example: &[("gap", "6")],
    ..BASE
};

/// Another place.
pub(crate) static SHIFT: NodeType = NodeType {
    id: "image.shift",
    name: "Shift",
    doc: "Moves the picture within its frame. What leaves at one side is lost or comes in again at the other.",
    params: shift::PARAMS,
    role: function(|prepare| {
        super::recoloured(
            Shift::from_values(prepare.values),
            |shift, info| {
                let alpha = shift.offset != (0, 0) && shift.fill.makes_alpha(shift.colour);
                if alpha { super::with_alpha(info) } else { info }
            },
            Shift::apply,
        )
    }),
    example: &[("x", "30"), ("y", "12")],
    ..GEOMETRY
};

/// Many copies.
pub(crate) static TILE_FILL: NodeType = NodeType {
    id: "image.tile_fill",
    name: "Tile Fill",
    doc: "Fills an area with copies of the picture from the top left corner on.",
    params: tile_fill::PARAMS,
    role: function(|prepare| {
        reshaped(
            TileFill::from_values(prepare.values),
            |tile, info| {
                let (width, height) = tile.size;
                Ok(ImageInfo { channels: info.channels, ..ImageInfo::of_size(width, height) })
            },
            TileFill::apply,
        )
    }),
    example: &[("width", "360"), ("height", "240"), ("mode", "mirror")],
    ..GEOMETRY
};

/// Sides that codecs like.
pub(crate) static ALIGN_SIZE: NodeType = NodeType {
    id: "image.align_size",
    name: "Align Size",
    doc: "Makes both sides of the picture multiples of a number, as codecs and some networks ask: by padding, \
          cropping or resizing.",
    params: align_size::PARAMS,
    role: function(|prepare| {
        reshaped(
            AlignSize::from_values(prepare.values),
            |align, info| in_size(&info, |width, height| align.result_size(width, height)),
            AlignSize::apply,
        )
    }),
    example: &[("multiple", "50"), ("method", "pad-mirror")],
    ..GEOMETRY
};

/// What is known of a resized picture; of a film of unknown size the factor.
fn size_known(resize: &Resize, info: ImageInfo) -> ImageInfo {
    if let Some((width, height)) = info.size() {
        let (width, height) = resize.size(width, height);
        return ImageInfo { width: Dim::Known(width), height: Dim::Known(height), ..info };
    }
    let side = |n: usize| if n == 0 { Dim::Unknown } else { Dim::Known(n) };
    let hundredths = (resize.percent * 100.0).round();
    match resize.mode {
        ResizeMode::Percent if (hundredths - resize.percent * 100.0).abs() < 1e-9 => {
            info.scaled(hundredths as usize, 10_000)
        }
        ResizeMode::Percent => ImageInfo { width: Dim::Unknown, height: Dim::Unknown, ..info },
        ResizeMode::Exact if (resize.width, resize.height) == (0, 0) => info,
        ResizeMode::Exact => ImageInfo { width: side(resize.width), height: side(resize.height), ..info },
    }
}

/// What is known of a turned picture.
fn turned(rotate: &Rotate, info: ImageInfo) -> Result<ImageInfo, PictureError> {
    let clear = rotate.colour.0[3] < 1.0;
    if let Some((width, height)) = info.size() {
        let known = in_size(&info, |width, height| rotate.result_size(width, height))?;
        let corners = rotate.quarters(width, height).is_none();
        return Ok(if clear && corners { super::with_alpha(known) } else { known });
    }
    Ok(match rotate.quarters(1, 2) {
        // So for every shape.
        Some(n) if n % 2 == 0 => info,
        Some(_) => ImageInfo { width: info.height, height: info.width, channels: info.channels },
        None if clear => ImageInfo { channels: None, ..ImageInfo::UNKNOWN },
        None => ImageInfo { channels: info.channels, ..ImageInfo::UNKNOWN },
    })
}

fn stacked(prepare: &Prepare<'_>) -> Made {
    let stack = Arc::new(Stack::from_values(prepare.values));
    let same = stack.clone();
    node(
        move |inputs| {
            let infos: Vec<ImageInfo> = inputs.iter().flatten().map(Info::as_image).collect();
            let sizes: Option<Vec<(usize, usize)>> = infos.iter().map(ImageInfo::size).collect();
            let mut known = match sizes {
                Some(sizes) => {
                    let (width, height) = same.result_size(&sizes).map_err(refused)?;
                    ImageInfo::of_size(width, height)
                }
                None => ImageInfo::UNKNOWN,
            };
            known.channels = most_channels(infos.iter()).map(|most| same.result_channels(most));
            Ok(vec![Info::image(known)])
        },
        move |inputs, _| {
            let images = inputs.images("images")?;
            let images: Vec<&PlanarImage> = images.iter().map(|image| &***image).collect();
            Ok(vec![image_value(stack.apply(&images).map_err(refused)?)])
        },
    )
}
