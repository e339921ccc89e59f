//! Masks and morphology.

use super::{gray, recoloured, with_alpha};
use crate::function::{PICTURE, by, function};
use pegbar_chain::{Category, NodeType};
use pegbar_filters::picture::distance::{self, DistanceTransform};
use pegbar_filters::picture::masks::{self, ColourKey, EdgeMask, FlatMask, KeyOutput, LumaMask};
use pegbar_filters::picture::morphology::{self, Morphology};

const MASK: NodeType = NodeType { category: Category::Mask, ..PICTURE };

/// Edges.
pub(crate) static EDGE_MASK: NodeType = NodeType {
    id: "image.edge_mask",
    name: "Edge Mask",
    doc: "A mask that is white along edges: for keeping lines as they are while the rest is cleaned, or the other \
          way round.",
    params: masks::EDGE_PARAMS,
    role: function(|prepare| {
        recoloured(EdgeMask::from_values(prepare.values), |_, info| gray(info), EdgeMask::apply)
    }),
    ..MASK
};

/// Dark or light.
pub(crate) static LUMA_MASK: NodeType = NodeType {
    id: "image.luma_mask",
    name: "Luma Mask",
    doc: "A mask that is white where luma lies in a range, such as that of dark lines.",
    params: masks::LUMA_PARAMS,
    role: function(|prepare| {
        recoloured(LumaMask::from_values(prepare.values), |_, info| gray(info), LumaMask::apply)
    }),
    ..MASK
};

/// Areas.
pub(crate) static FLAT_MASK: NodeType = NodeType {
    id: "image.flat_mask",
    name: "Flat Mask",
    doc: "A mask that is white where surroundings are flat, which is where banding shows and noise is seen first.",
    params: masks::FLAT_PARAMS,
    role: function(|prepare| {
        recoloured(FlatMask::from_values(prepare.values), |_, info| gray(info), FlatMask::apply)
    }),
    ..MASK
};

/// A colour.
pub(crate) static COLOUR_KEY: NodeType = NodeType {
    id: "image.colour_key",
    name: "Colour Key",
    doc: "A mask of a colour, or the picture with that colour made transparent, such as the green behind a drawing.",
    params: masks::COLOUR_KEY_PARAMS,
    role: function(|prepare| {
        recoloured(
            ColourKey::from_values(prepare.values),
            |key, info| if key.output == KeyOutput::Mask { gray(info) } else { with_alpha(info) },
            ColourKey::apply,
        )
    }),
    example: &[("colour", "#d12924"), ("tolerance", "6")],
    ..MASK
};

/// Growing and shrinking.
pub(crate) static MORPHOLOGY: NodeType = NodeType {
    id: "image.morphology",
    name: "Morphology",
    doc: "Lets light or dark shapes grow or shrink: dilating, eroding, opening, closing, outlines, and the small \
          spots that these take off. On a mask, or on each channel of a picture.",
    params: morphology::PARAMS,
    role: function(|prepare| by(Morphology::from_values(prepare.values), Morphology::apply)),
    example: &[("operation", "erode")],
    ..MASK
};

/// How far.
pub(crate) static DISTANCE_TRANSFORM: NodeType = NodeType {
    id: "image.distance_transform",
    name: "Distance Transform",
    doc: "How far pixels are from a shape, as a gray picture: a mask with a soft rim of any width, or a signed \
          distance field.",
    params: distance::PARAMS,
    role: function(|prepare| {
        recoloured(
            DistanceTransform::from_values(prepare.values),
            |_, info| gray(info),
            DistanceTransform::apply,
        )
    }),
    example: &[("spread", "16")],
    ..MASK
};
