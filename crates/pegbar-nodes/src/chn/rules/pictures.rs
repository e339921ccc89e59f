//! Nodes that make pictures of pictures, or out of nothing, and measures.

use super::Place::{Nothing, Param, Port, Read};
use super::{Place, Rule, picture, rule};
use crate::chn::convert::Convert::{self, Bool, Choice, Colour, Number, Text, Whole};
use crate::chn::special;

const FILTERS: Convert = Choice(&[
    ("-1", "auto"),
    ("0", "nearest"),
    ("1", "lanczos"),
    ("2", "linear"),
    ("3", "catrom"),
    ("4", "box"),
    ("5", "hermite"),
    ("6", "mitchell"),
    ("7", "b-spline"),
    ("8", "hamming"),
    ("9", "hann"),
    ("10", "lagrange"),
    ("11", "gauss"),
]);

const BLEND_MODES: Convert = Choice(&[
    ("0", "normal"),
    ("1", "multiply"),
    ("2", "darken"),
    ("3", "lighten"),
    ("4", "add"),
    ("5", "colour-burn"),
    ("6", "colour-dodge"),
    ("7", "reflect"),
    ("8", "glow"),
    ("9", "overlay"),
    ("10", "difference"),
    ("11", "negation"),
    ("12", "screen"),
    ("13", "xor"),
    ("14", "subtract"),
    ("15", "divide"),
    ("16", "exclusion"),
    ("17", "soft-light"),
    ("18", "hard-light"),
    ("19", "vivid-light"),
    ("20", "linear-light"),
    ("21", "pin-light"),
    ("22", "linear-burn"),
]);

const POSITIONS: Convert = Choice(&[
    ("top_left", "top-left"),
    ("top_centered", "top"),
    ("top_right", "top-right"),
    ("centered_left", "left"),
    ("centered", "centre"),
    ("centered_right", "right"),
    ("bottom_left", "bottom-left"),
    ("bottom_centered", "bottom"),
    ("bottom_right", "bottom-right"),
    ("percent_offset", "percent"),
    ("pixel_offset", "pixels"),
]);

const SHAPES: Convert = Choice(&[("0", "rectangle"), ("1", "cross"), ("2", "ellipse")]);

const MORPHOLOGY: &[(u32, Place)] = &[
    (0, Port("image")),
    (1, Param("shape", SHAPES)),
    (2, Param("radius", Whole)),
    (3, Param("iterations", Whole)),
];

const ARITHMETIC: &[(u32, Place)] = &[(0, Port("image")), (1, Read)];

/// The rules.
pub(super) static RULES: &[Rule] = &[
    // Colour by another picture.
    picture(
        "pytorch:wavelet_color_fix",
        "image.wavelet_colour_fix",
        &[(0, Port("image")), (1, Port("reference")), (2, Param("levels", Whole))],
    ),
    picture(
        "image:average_color_fix",
        "image.average_colour_fix",
        &[(0, Port("image")), (1, Port("reference")), (2, Param("scale", Number))],
    ),
    picture(
        "image:color_transfer",
        "image.colour_transfer",
        &[
            (0, Port("image")),
            (1, Port("reference")),
            (2, Param("space", Choice(&[("L*a*b*", "lab"), ("RGB", "rgb")]))),
            (3, Param("overflow", Choice(&[("1", "clip"), ("0", "scale")]))),
            (4, Param("reciprocal", Bool)),
            (
                5,
                Param(
                    "method",
                    Choice(&[
                        ("mean_std", "mean-std"),
                        ("linear_histogram", "linear-histogram"),
                        ("principal_color", "principal"),
                    ]),
                ),
            ),
        ],
    ),
    // Size and place.
    picture(
        "image:resize",
        "image.resize",
        &[
            (0, Port("image")),
            (1, Param("mode", Choice(&[("0", "percent"), ("1", "exact")]))),
            (2, Param("percent", Number)),
            (3, Param("width", Whole)),
            (4, Param("height", Whole)),
            (5, Param("filter", FILTERS)),
            (6, Param("separate-alpha", Bool)),
        ],
    ),
    picture(
        "image:resize_to_side",
        "image.resize_to_side",
        &[
            (0, Port("image")),
            (1, Param("target", Whole)),
            (
                2,
                Param(
                    "side",
                    Choice(&[
                        ("width", "width"),
                        ("height", "height"),
                        ("shorter side", "shorter"),
                        ("longer side", "longer"),
                    ]),
                ),
            ),
            (3, Param("filter", FILTERS)),
            (
                4,
                Param(
                    "condition",
                    Choice(&[
                        ("both", "always"),
                        ("upscale", "only-if-smaller"),
                        ("downscale", "only-if-larger"),
                    ]),
                ),
            ),
        ],
    ),
    picture(
        "image:crop",
        "image.crop",
        &[
            (0, Port("image")),
            (1, Param("mode", Choice(&[("0", "border"), ("1", "edges"), ("2", "offsets")]))),
            (2, Param("amount", Whole)),
            (3, Param("top", Whole)),
            (4, Param("left", Whole)),
            (5, Param("bottom", Whole)),
            (6, Param("right", Whole)),
            (7, Param("height", Whole)),
            (8, Param("width", Whole)),
        ],
    ),
    Rule {
        special: Some(special::pad),
        ..picture(
            "image:pad",
            "image.pad",
            &[
                (0, Port("image")),
                (1, Read),
                (2, Read),
                (3, Param("mode", Choice(&[("0", "border"), ("1", "edges"), ("2", "size")]))),
                (4, Param("amount", Whole)),
                (5, Param("left", Whole)),
                (6, Param("top", Whole)),
                (7, Param("right", Whole)),
                (8, Param("bottom", Whole)),
                (9, Param("width", Whole)),
                (10, Param("height", Whole)),
            ],
        )
    },
    picture(
        "image:flip",
        "image.flip",
        &[
            (0, Port("image")),
            (
                1,
                Param(
                    "axis",
                    Choice(&[("1", "horizontal"), ("0", "vertical"), ("-1", "both"), ("2", "none")]),
                ),
            ),
        ],
    ),
    Rule {
        special: Some(special::rotate),
        ..picture(
            "image:rotate",
            "image.rotate",
            &[
                (0, Port("image")),
                (1, Read),
                (2, Param("filter", Choice(&[("3", "cubic"), ("2", "linear"), ("0", "nearest")]))),
                (3, Param("size", Choice(&[("1", "expand"), ("0", "keep")]))),
                (4, Read),
            ],
        )
    },
    Rule {
        special: Some(special::shift),
        ..picture(
            "image:shift",
            "image.shift",
            &[(0, Port("image")), (1, Read), (2, Read), (3, Read), (4, Read), (5, Read), (6, Read)],
        )
    },
    picture(
        "image:tile_fill",
        "image.tile_fill",
        &[
            (0, Port("image")),
            (1, Param("width", Whole)),
            (2, Param("height", Whole)),
            (3, Param("mode", Choice(&[("0", "tile"), ("1", "mirror")]))),
        ],
    ),
    // Compositing.
    picture(
        "image:blend",
        "image.blend",
        &[
            (0, Port("base")),
            (1, Port("overlay")),
            (2, Param("mode", BLEND_MODES)),
            (3, Param("position", POSITIONS)),
            (4, Param("x-percent", Number)),
            (5, Param("y-percent", Number)),
            (6, Param("x", Whole)),
            (7, Param("y", Whole)),
            (8, Param("crop", Bool)),
            // The opacity of the upper picture in files of before 0.11.
            (100, Param("opacity", Number)),
        ],
    ),
    Rule {
        rest: Some((0, "images")),
        ..picture(
            "image:stack",
            "image.stack",
            &[(4, Param("orientation", Choice(&[("horizontal", "horizontal"), ("vertical", "vertical")])))],
        )
    },
    rule(
        "image:split_channels",
        "image.split_channels",
        &[(0, Port("image"))],
        &[(2, "red"), (1, "green"), (0, "blue"), (3, "alpha")],
    ),
    picture(
        "image:combine_rgba",
        "image.combine_channels",
        &[(0, Port("red")), (1, Port("green")), (2, Port("blue")), (3, Port("alpha"))],
    ),
    // Before it was told apart which channels come in.
    Rule {
        special: Some(special::merge_channels),
        ..picture(
            "image:merge_channels",
            "image.combine_channels",
            &[(0, Port("blue")), (1, Port("green")), (2, Port("red")), (3, Port("alpha"))],
        )
    },
    rule(
        "image:split_transparency",
        "image.split_alpha",
        &[(0, Port("image"))],
        &[(0, "image"), (1, "alpha")],
    ),
    picture("image:merge_transparency", "image.merge_alpha", &[(0, Port("image")), (1, Port("alpha"))]),
    picture("image:opacity", "image.opacity", &[(0, Port("image")), (1, Param("opacity", Number))]),
    picture(
        "image:premultiplied_alpha",
        "image.premultiply",
        &[
            (0, Port("image")),
            (
                1,
                Param(
                    "direction",
                    Choice(&[
                        ("Straight -> Premultiplied", "premultiply"),
                        ("Premultiplied -> Straight", "unpremultiply"),
                    ]),
                ),
            ),
        ],
    ),
    Rule {
        fixed: &[("threshold", "5"), ("iterations", "1000")],
        ..picture(
            "image:fill_alpha",
            "image.fill_alpha",
            &[(0, Port("image")), (1, Param("method", Choice(&[("1", "smooth"), ("2", "extend")])))],
        )
    },
    Rule {
        fixed: &[("output", "alpha")],
        special: Some(special::chroma_key),
        ..picture(
            "image:chroma_key",
            "image.colour_key",
            &[
                (0, Port("image")),
                (1, Param("colour", Colour)),
                (2, Read),
                (3, Read),
                (4, Read),
                (5, Read),
                (6, Nothing),
                (7, Nothing),
                (8, Nothing),
            ],
        )
    },
    // Blur, sharpen, edges, noise.
    picture(
        "image:fast_nlmeans",
        "image.nl_means",
        &[
            (0, Port("image")),
            (1, Param("luma", Number)),
            (2, Param("colour", Number)),
            (3, Param("patch-radius", Whole)),
            (4, Param("search-radius", Whole)),
        ],
    ),
    picture(
        "image:sharpen",
        "image.sharpen",
        &[
            (0, Port("image")),
            (1, Param("radius", Number)),
            (2, Param("amount", Number)),
            (3, Param("threshold", Number)),
        ],
    ),
    picture(
        "image:blur",
        "image.box_blur",
        &[(0, Port("image")), (1, Param("radius-x", Number)), (2, Param("radius-y", Number))],
    ),
    picture(
        "image:gaussian_blur",
        "image.gaussian_blur",
        &[(0, Port("image")), (1, Param("sigma-x", Number)), (2, Param("sigma-y", Number))],
    ),
    picture("image:median_blur", "image.median_blur", &[(0, Port("image")), (1, Param("radius", Whole))]),
    picture(
        "image:bilateral_blur",
        "image.bilateral_blur",
        &[
            (0, Port("image")),
            (1, Param("radius", Whole)),
            (2, Param("colour-sigma", Number)),
            (3, Param("space-sigma", Number)),
        ],
    ),
    Rule {
        fixed: &[("blur", "0")],
        ..picture(
            "image:canny_edge_detection",
            "image.canny",
            &[(0, Port("image")), (1, Param("low", Number)), (2, Param("high", Number))],
        )
    },
    Rule {
        special: Some(special::lens_blur),
        ..picture(
            "image:lens_blur",
            "image.lens_blur",
            &[(0, Port("image")), (1, Param("radius", Number)), (2, Nothing), (3, Read)],
        )
    },
    picture(
        "image:high_pass",
        "image.high_pass",
        &[(0, Port("image")), (1, Param("radius", Number)), (2, Param("contrast", Number))],
    ),
    picture(
        "image:sharpen_hbf",
        "image.high_boost",
        &[
            (0, Port("image")),
            (1, Param("kernel", Choice(&[("0", "normal"), ("1", "strong")]))),
            (2, Param("amount", Number)),
            (3, Param("contrast-adaptive", Bool)),
            (4, Param("bias", Number)),
        ],
    ),
    picture(
        "image:edge_detection",
        "image.edge_detect",
        &[
            (0, Port("image")),
            (1, Param("amount", Number)),
            (
                2,
                Param(
                    "method",
                    Choice(&[
                        ("1", "sobel"),
                        ("2", "scharr"),
                        ("3", "gradient"),
                        ("4", "differential"),
                        ("5", "roberts"),
                        ("6", "prewitt-compass"),
                        ("7", "laplacian"),
                        ("8", "laplacian-denoise"),
                        ("9", "difference-of-gaussians"),
                    ]),
                ),
            ),
            (3, Param("component", Choice(&[("1", "magnitude"), ("2", "x"), ("3", "y")]))),
            (4, Param("radius-1", Number)),
            (5, Param("radius-2", Number)),
        ],
    ),
    picture(
        "image:distance_transform",
        "image.distance_transform",
        &[(0, Port("image")), (1, Param("spread", Number)), (2, Nothing)],
    ),
    Rule { fixed: &[("operation", "dilate")], ..picture("image:dilate", "image.morphology", MORPHOLOGY) },
    Rule { fixed: &[("operation", "erode")], ..picture("image:erode", "image.morphology", MORPHOLOGY) },
    picture(
        "image:add_noise",
        "image.add_noise",
        &[
            (0, Port("image")),
            (
                1,
                Param(
                    "kind",
                    Choice(&[
                        ("gaussian", "gaussian"),
                        ("uniform", "uniform"),
                        ("salt_and_pepper", "salt-and-pepper"),
                        ("speckle", "speckle"),
                        ("poisson", "poisson"),
                    ]),
                ),
            ),
            (2, Param("colour", Choice(&[("gray", "gray"), ("rgb", "rgb")]))),
            (3, Param("amount", Number)),
            (4, Param("seed", Whole)),
        ],
    ),
    // Colour and tone.
    picture(
        "image:color_levels",
        "image.levels",
        &[
            (0, Port("image")),
            (1, Param("red", Bool)),
            (2, Param("green", Bool)),
            (3, Param("blue", Bool)),
            (4, Param("alpha", Bool)),
            (5, Param("in-black", Number)),
            (6, Param("in-white", Number)),
            (7, Param("gamma", Number)),
            (8, Param("out-black", Number)),
            (9, Param("out-white", Number)),
        ],
    ),
    picture(
        "image:hue_and_saturation",
        "image.hue_saturation",
        &[
            (0, Port("image")),
            (1, Param("hue", Number)),
            (2, Param("saturation", Number)),
            (3, Param("lightness", Number)),
        ],
    ),
    picture(
        "image:brightness_and_contrast",
        "image.brightness_contrast",
        &[(0, Port("image")), (1, Param("brightness", Number)), (2, Param("contrast", Number))],
    ),
    picture(
        "image:gamma",
        "image.gamma",
        &[(0, Port("image")), (1, Param("gamma", Number)), (2, Param("invert", Bool))],
    ),
    picture("image:invert", "image.invert", &[(0, Port("image"))]),
    picture(
        "image:clamp",
        "image.clamp",
        &[(0, Port("image")), (1, Param("low", Number)), (2, Param("high", Number))],
    ),
    Rule {
        special: Some(special::threshold),
        ..picture(
            "image:threshold",
            "image.threshold",
            &[
                (0, Port("image")),
                (1, Read),
                (2, Param("white", Number)),
                (
                    3,
                    Param(
                        "kind",
                        Choice(&[
                            ("0", "binary"),
                            ("1", "binary-inverse"),
                            ("2", "truncate"),
                            ("3", "to-zero"),
                            ("4", "to-zero-inverse"),
                        ]),
                    ),
                ),
                (4, Read),
            ],
        )
    },
    picture(
        "image:threshold_adaptive",
        "image.adaptive_threshold",
        &[
            (0, Port("image")),
            (1, Param("white", Number)),
            (2, Param("method", Choice(&[("0", "mean"), ("1", "gaussian")]))),
            (3, Param("invert", Bool)),
            (4, Param("radius", Whole)),
            (5, Param("offset", Number)),
        ],
    ),
    rule(
        "image:generate_threshold",
        "measure.threshold",
        &[(0, Port("image")), (1, Param("method", Choice(&[("0", "otsu")])))],
        &[(0, "threshold")],
    ),
    Rule {
        special: Some(special::change_colorspace),
        ..picture(
            "image:change_colorspace",
            "image.colour_space",
            &[(0, Port("image")), (1, Read), (2, Read), (3, Read)],
        )
    },
    Rule {
        special: Some(special::stretch_contrast),
        ..picture(
            "image:stretch_contrast",
            "image.normalize",
            &[(0, Port("image")), (1, Read), (2, Read), (3, Read), (4, Read), (5, Read)],
        )
    },
    Rule { special: Some(special::add), ..picture("image:add", "image.arithmetic", ARITHMETIC) },
    Rule {
        fixed: &[("operation", "multiply")],
        special: Some(special::each_colour),
        ..picture("image:multiply", "image.arithmetic", ARITHMETIC)
    },
    Rule {
        fixed: &[("operation", "divide")],
        special: Some(special::each_colour),
        ..picture("image:divide", "image.arithmetic", ARITHMETIC)
    },
    Rule {
        special: Some(special::dither),
        ..picture(
            "image:dither",
            "image.dither",
            &[
                (0, Port("image")),
                (1, Param("levels", Whole)),
                (2, Read),
                (3, Read),
                (4, Read),
                (5, Param("history", Whole)),
            ],
        )
    },
    Rule {
        special: Some(special::palette_dither),
        ..picture(
            "image:palette_dither",
            "image.dither",
            &[(0, Port("image")), (1, Port("palette")), (2, Read), (3, Read), (4, Param("history", Whole))],
        )
    },
    // Drawing and measures.
    picture(
        "image:caption",
        "image.caption",
        &[
            (0, Port("image")),
            (1, Param("text", Text)),
            (2, Param("size", Number)),
            (3, Param("position", Choice(&[("top", "top"), ("bottom", "bottom")]))),
        ],
    ),
    picture(
        "image:create_color",
        "image.solid_colour",
        &[(0, Param("colour", Colour)), (1, Param("width", Whole)), (2, Param("height", Whole))],
    ),
    picture(
        "image:create_checkerboard",
        "image.checkerboard",
        &[
            (0, Param("width", Whole)),
            (1, Param("height", Whole)),
            (2, Param("colour-1", Colour)),
            (3, Param("colour-2", Colour)),
            (4, Param("cell", Whole)),
        ],
    ),
    Rule {
        special: Some(special::create_gradient),
        ..picture(
            "image:create_gradient",
            "image.gradient",
            &[
                (0, Param("width", Whole)),
                (1, Param("height", Whole)),
                (2, Read),
                (3, Read),
                (4, Read),
                (5, Read),
                (6, Read),
                (7, Read),
                (8, Read),
                (9, Read),
                (10, Read),
            ],
        )
    },
    rule(
        "image:get_dims",
        "image.dimensions",
        &[(0, Port("image"))],
        &[(0, "width"), (1, "height"), (2, "channels")],
    ),
    rule(
        "image:image_metrics",
        "image.metrics",
        &[(1, Port("image")), (0, Port("reference"))],
        &[(0, "mse"), (1, "psnr"), (2, "ssim")],
    ),
];
