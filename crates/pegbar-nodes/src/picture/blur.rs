//! Blurs, sharpening, edges.

use super::{gray, recoloured};
use crate::function::{PICTURE, by, function};
use pegbar_chain::{Category, NodeType};
use pegbar_filters::picture::bilateral_blur::{self, BilateralBlur, SurfaceBlur};
use pegbar_filters::picture::blur::{self, BoxBlur, GaussianBlur, LensBlur, MotionBlur};
use pegbar_filters::picture::edge_detect::{self, Canny, EdgeDetect};
use pegbar_filters::picture::median_blur::{self, MedianBlur};
use pegbar_filters::picture::nl_means::{self, NlMeans};
use pegbar_filters::picture::sharpen::{self, HighBoost, HighPass, Sharpen};

const FILTER: NodeType = NodeType { category: Category::Filter, ..PICTURE };

/// The mean of a rectangle.
pub(crate) static BOX_BLUR: NodeType = NodeType {
    id: "image.box_blur",
    name: "Box Blur",
    doc: "Each pixel becomes the mean of a rectangle around it: the quickest blur, with square spots.",
    params: blur::BOX_PARAMS,
    role: function(|prepare| by(BoxBlur::from_values(prepare.values), BoxBlur::apply)),
    example: &[("radius-x", "3"), ("radius-y", "3")],
    ..FILTER
};

/// The plain one.
pub(crate) static GAUSSIAN_BLUR: NodeType = NodeType {
    id: "image.gaussian_blur",
    name: "Gaussian Blur",
    doc: "The plain blur: each pixel becomes a mean of those around it, the nearer the more.",
    params: blur::GAUSSIAN_PARAMS,
    role: function(|prepare| by(GaussianBlur::from_values(prepare.values), GaussianBlur::apply)),
    example: &[("sigma-x", "2"), ("sigma-y", "2")],
    ..FILTER
};

/// As if moved.
pub(crate) static MOTION_BLUR: NodeType = NodeType {
    id: "image.motion_blur",
    name: "Motion Blur",
    doc: "Blurs along a line, as a picture that moved while it was taken.",
    params: blur::MOTION_PARAMS,
    role: function(|prepare| by(MotionBlur::from_values(prepare.values), MotionBlur::apply)),
    example: &[("length", "12"), ("angle", "30")],
    ..FILTER
};

/// Out of focus.
pub(crate) static LENS_BLUR: NodeType = NodeType {
    id: "image.lens_blur",
    name: "Lens Blur",
    doc: "Blurs as a lens that is out of focus: each point becomes a disc or a polygon, and bright points can \
          outweigh dark ones.",
    params: blur::LENS_PARAMS,
    role: function(|prepare| by(LensBlur::from_values(prepare.values), LensBlur::apply)),
    example: &[("radius", "4"), ("highlights", "3")],
    ..FILTER
};

/// Specks out.
pub(crate) static MEDIAN_BLUR: NodeType = NodeType {
    id: "image.median_blur",
    name: "Median Blur",
    doc: "Each pixel becomes the median of a square around it: takes out specks and thin lines, and keeps edges.",
    params: median_blur::PARAMS,
    role: function(|prepare| by(MedianBlur::from_values(prepare.values), MedianBlur::apply)),
    example: &[("radius", "2")],
    ..FILTER
};

/// Edges kept, by colour and distance.
pub(crate) static BILATERAL_BLUR: NodeType = NodeType {
    id: "image.bilateral_blur",
    name: "Bilateral Blur",
    doc: "Blurs what is alike and stops at edges: a pixel counts by its distance and by how like its colour is.",
    params: bilateral_blur::PARAMS,
    role: function(|prepare| by(BilateralBlur::from_values(prepare.values), BilateralBlur::apply)),
    example: &[("radius", "6"), ("colour-sigma", "60")],
    ..FILTER
};

/// Edges kept, by colour.
pub(crate) static SURFACE_BLUR: NodeType = NodeType {
    id: "image.surface_blur",
    name: "Surface Blur",
    doc: "Blurs areas and leaves edges: pixels of a square count by how like their colour is, and not at all from \
          a difference on.",
    params: bilateral_blur::SURFACE_PARAMS,
    role: function(|prepare| by(SurfaceBlur::from_values(prepare.values), SurfaceBlur::apply)),
    example: &[("radius", "6"), ("threshold", "40")],
    ..FILTER
};

/// What looks alike.
pub(crate) static NL_MEANS: NodeType = NodeType {
    id: "image.nl_means",
    name: "Non-Local Means",
    doc: "Takes out noise: each pixel becomes a mean of those whose surroundings look alike, wherever they stand \
          near by. Slow; for film and tape the restoration nodes do better.",
    params: nl_means::PARAMS,
    role: function(|prepare| by(NlMeans::from_values(prepare.values), NlMeans::apply)),
    example: &[("luma", "12"), ("colour", "12"), ("search-radius", "7")],
    ..FILTER
};

/// The unsharp mask.
pub(crate) static SHARPEN: NodeType = NodeType {
    id: "image.sharpen",
    name: "Sharpen",
    doc: "The unsharp mask: adds what a blur takes off. Much of it leaves bright and dark rims along edges.",
    params: sharpen::PARAMS,
    role: function(|prepare| by(Sharpen::from_values(prepare.values), Sharpen::apply)),
    example: &[("amount", "2")],
    ..FILTER
};

/// Detail alone.
pub(crate) static HIGH_PASS: NodeType = NodeType {
    id: "image.high_pass",
    name: "High Pass",
    doc: "Detail alone, about a half gray: the picture less its blur. Blended over a picture as overlay or linear \
          light, it sharpens.",
    params: sharpen::HIGH_PASS_PARAMS,
    role: function(|prepare| by(HighPass::from_values(prepare.values), HighPass::apply)),
    ..FILTER
};

/// The nearest pixels.
pub(crate) static HIGH_BOOST: NodeType = NodeType {
    id: "image.high_boost",
    name: "High Boost",
    doc: "Sharpens by the nearest pixels: the finest detail is raised, and as an option less where the picture is \
          sharp already.",
    params: sharpen::HIGH_BOOST_PARAMS,
    role: function(|prepare| by(HighBoost::from_values(prepare.values), HighBoost::apply)),
    ..FILTER
};

/// Derivatives.
pub(crate) static EDGE_DETECT: NodeType = NodeType {
    id: "image.edge_detect",
    name: "Edge Detection",
    doc: "Shows edges by one of the usual derivatives, for each channel: bright where the picture changes.",
    params: edge_detect::PARAMS,
    role: function(|prepare| by(EdgeDetect::from_values(prepare.values), EdgeDetect::apply)),
    ..FILTER
};

/// Thin lines.
pub(crate) static CANNY: NodeType = NodeType {
    id: "image.canny",
    name: "Canny Edges",
    doc: "Thin white lines along edges on black (Canny, 1986): weak edges count where they go on from strong ones.",
    params: edge_detect::CANNY_PARAMS,
    role: function(|prepare| {
        recoloured(Canny::from_values(prepare.values), |_, info| gray(info), Canny::apply)
    }),
    ..FILTER
};
