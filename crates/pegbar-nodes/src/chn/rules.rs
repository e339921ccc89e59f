//! The table: kinds of nodes of chaiNNer, and what they are in Pegbar.

use super::convert::Convert::{self, Bool, Choice, Colour, Number, Path, Text, Whole};
use super::special::{self, Special};
use Place::{Nothing, Param, Port, Read};

/// What one kind of node becomes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    /// chaiNNer's id without `chainner:`.
    pub(super) schema: &'static str,
    /// Pegbar's id.
    pub(super) to: &'static str,
    /// Inputs by their ids.
    pub(super) inputs: &'static [(u32, Place)],
    /// An input that takes all from an id on that are not among `inputs`.
    pub(super) rest: Option<(u32, &'static str)>,
    /// Outputs by their ids.
    pub(super) outputs: &'static [(u32, &'static str)],
    /// Parameters that are always set, as typed.
    pub(super) fixed: &'static [(&'static str, &'static str)],
    /// What the table cannot say.
    pub(super) special: Option<Special>,
}

/// Where an input leads.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    /// To an input; a stored value becomes a node of its own.
    Port(&'static str),
    /// To a parameter.
    Param(&'static str, Convert),
    /// The special function reads it.
    Read,
    /// It means nothing here: Pegbar does it by itself, or not at all.
    Nothing,
}

const fn rule(
    schema: &'static str,
    to: &'static str,
    inputs: &'static [(u32, Place)],
    outputs: &'static [(u32, &'static str)],
) -> Rule {
    Rule { schema, to, inputs, rest: None, outputs, fixed: &[], special: None }
}

/// A picture out of a picture: input 0 is the picture, output 0 the result.
const fn picture(schema: &'static str, to: &'static str, inputs: &'static [(u32, Place)]) -> Rule {
    rule(schema, to, inputs, IMAGE)
}

const IMAGE: &[(u32, &str)] = &[(0, "image")];
const MODEL_FILE: &[(u32, &str)] = &[(0, "model"), (2, "directory"), (1, "name")];
const MODEL_FILES: &[(u32, &str)] =
    &[(0, "model"), (1, "directory"), (2, "subdirectory"), (3, "name"), (4, "index")];

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

const UPSCALE: &[(u32, Place)] =
    &[(1, Port("image")), (0, Port("model")), (2, Read), (3, Read), (4, Nothing)];

const INTERPOLATE: &[(u32, Place)] = &[(0, Port("a")), (1, Port("b")), (2, Param("weight", Number))];

const LOAD_MODELS: &[(u32, Place)] =
    &[(0, Param("directory", Path)), (1, Nothing), (2, Nothing), (3, Nothing)];

/// All rules.
pub(super) static RULES: &[Rule] = &[
    // Input and output.
    rule(
        "image:load",
        "image.load",
        &[(0, Param("path", Path))],
        &[(0, "image"), (1, "directory"), (2, "name")],
    ),
    Rule {
        special: Some(special::save_image),
        ..rule(
            "image:save",
            "image.save",
            &[
                (0, Port("image")),
                (1, Param("directory", Path)),
                (2, Param("subdirectory", Text)),
                (3, Param("name", Text)),
                (4, Read),
                (5, Param("quality", Whole)),
                (11, Nothing),
                (12, Nothing),
                (14, Read),
                (15, Read),
                (16, Read),
                (1000, Read),
            ],
            &[],
        )
    },
    Rule {
        special: Some(special::load_images),
        ..rule(
            "image:load_images",
            "folder.load",
            &[
                (0, Param("directory", Path)),
                (1, Read),
                (2, Param("recursive", Bool)),
                (3, Read),
                (4, Read),
                (5, Read),
                (6, Read),
            ],
            &[(0, "image"), (1, "directory"), (2, "subdirectory"), (3, "name"), (4, "index")],
        )
    },
    Rule {
        special: Some(special::load_video),
        ..rule(
            "image:load_video",
            "video.load",
            &[(0, Param("path", Path)), (1, Read), (2, Read)],
            &[(0, "image"), (1, "index"), (2, "directory"), (3, "name")],
        )
    },
    Rule {
        special: Some(special::save_video),
        ..rule(
            "image:save_video",
            "video.save",
            &[
                (0, Port("image")),
                (1, Read),
                (2, Read),
                (3, Read),
                (4, Read),
                (8, Read),
                (9, Read),
                (10, Nothing),
                (12, Read),
                (13, Read),
                (14, Read),
                (15, Nothing),
                (16, Read),
                (17, Read),
                (18, Read),
            ],
            &[],
        )
    },
    rule("image:view", "structure.view", &[(0, Port("image"))], &[]),
    rule("image:view_external", "structure.view", &[(0, Port("image"))], &[]),
    // Models.
    rule("pytorch:load_model", "model.load", &[(0, Param("path", Path))], MODEL_FILE),
    rule("ncnn:load_model", "model.load", &[(0, Param("path", Path)), (1, Nothing)], MODEL_FILE),
    rule("onnx:load_model", "model.load", &[(0, Param("path", Path))], MODEL_FILE),
    rule("pytorch:load_models", "folder.load_models", LOAD_MODELS, MODEL_FILES),
    rule("ncnn:load_models", "folder.load_models", LOAD_MODELS, MODEL_FILES),
    rule("onnx:load_models", "folder.load_models", LOAD_MODELS, MODEL_FILES),
    Rule {
        special: Some(special::upscale_pytorch),
        ..picture(
            "pytorch:upscale_image",
            "image.upscale",
            &[
                (1, Port("image")),
                (0, Port("model")),
                (2, Read),
                (3, Nothing),
                (4, Read),
                (5, Read),
                (6, Read),
                (7, Nothing),
            ],
        )
    },
    Rule { special: Some(special::upscale), ..picture("ncnn:upscale_image", "image.upscale", UPSCALE) },
    Rule { special: Some(special::upscale), ..picture("onnx:upscale_image", "image.upscale", UPSCALE) },
    Rule { special: Some(special::upscale), ..picture("tensorrt:upscale_image", "image.upscale", UPSCALE) },
    rule("pytorch:interpolate_models", "model.interpolate", INTERPOLATE, &[(0, "model")]),
    rule("ncnn:interpolate_models", "model.interpolate", INTERPOLATE, &[(0, "model")]),
    rule("onnx:interpolate_models", "model.interpolate", INTERPOLATE, &[(0, "model")]),
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
                        ("mean-std", "mean-std"),
                        ("linear-histogram", "linear-histogram"),
                        ("principal-color", "principal"),
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
    rule(
        "image:split_transparency",
        "image.split_alpha",
        &[(0, Port("image"))],
        &[(0, "image"), (1, "alpha")],
    ),
    picture("image:merge_transparency", "image.merge_alpha", &[(0, Port("image")), (1, Port("alpha"))]),
    picture("image:opacity", "image.opacity", &[(0, Port("image")), (1, Param("opacity", Number))]),
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
    // Numbers, texts, decisions.
    rule("utility:number", "value.number", &[(0, Param("value", Number))], &[(0, "number")]),
    rule("utility:percent", "value.number", &[(0, Param("value", Number))], &[(0, "number")]),
    rule("utility:text", "value.text", &[(0, Param("value", Text))], &[(0, "text")]),
    rule("utility:bool", "value.bool", &[(0, Param("value", Bool))], &[(0, "bool")]),
    rule("utility:color", "value.colour", &[(0, Param("value", Colour))], &[(0, "colour")]),
    rule("utility:directory", "value.directory", &[(0, Param("path", Path))], &[(0, "directory")]),
    rule(
        "utility:into_directory",
        "path.join",
        &[(0, Param("directory", Path)), (1, Param("name", Text))],
        &[(0, "directory")],
    ),
    rule(
        "utility:back_directory",
        "path.parent",
        &[(0, Param("path", Path)), (1, Param("levels", Whole))],
        &[(0, "directory")],
    ),
    Rule {
        special: Some(special::math),
        ..rule(
            "utility:math",
            "value.math",
            &[
                (0, Param("a", Number)),
                (
                    1,
                    Param(
                        "operation",
                        Choice(&[
                            ("add", "add"),
                            ("sub", "subtract"),
                            ("mul", "multiply"),
                            ("div", "divide"),
                            ("pow", "power"),
                            ("log", "log"),
                            ("max", "max"),
                            ("min", "min"),
                            ("mod", "modulo"),
                            ("percent", "percent"),
                        ]),
                    ),
                ),
                (2, Param("b", Number)),
            ],
            &[(0, "result")],
        )
    },
    rule(
        "utility:math_expression",
        "value.math_expression",
        &[
            (0, Param("expression", Text)),
            (1, Param("a", Number)),
            (2, Param("b", Number)),
            (3, Param("c", Number)),
            (4, Param("d", Number)),
            (5, Param("e", Number)),
            (6, Param("f", Number)),
            (7, Param("g", Number)),
            (8, Param("h", Number)),
        ],
        &[(0, "result")],
    ),
    rule(
        "utility:compare",
        "value.compare",
        &[
            (
                0,
                Param(
                    "operation",
                    Choice(&[
                        ("0", "equal"),
                        ("1", "not-equal"),
                        ("2", "greater"),
                        ("3", "less"),
                        ("4", "greater-or-equal"),
                        ("5", "less-or-equal"),
                    ]),
                ),
            ),
            (1, Param("a", Text)),
            (2, Param("b", Text)),
        ],
        &[(0, "result")],
    ),
    rule(
        "utility:conditional",
        "value.conditional",
        &[(0, Param("condition", Bool)), (1, Port("then")), (2, Port("else"))],
        &[(0, "value")],
    ),
    Rule {
        rest: Some((1, "values")),
        ..rule("utility:switch", "value.switch", &[(0, Param("index", Whole))], &[(0, "value")])
    },
    Rule {
        rest: Some((1, "texts")),
        ..rule("utility:text_append", "text.join", &[(0, Param("separator", Text))], &[(0, "text")])
    },
    rule(
        "utility:text_pattern",
        "text.pattern",
        &[
            (0, Param("pattern", Text)),
            (1, Param("1", Text)),
            (2, Param("2", Text)),
            (3, Param("3", Text)),
            (4, Param("4", Text)),
            (5, Param("5", Text)),
            (6, Param("6", Text)),
            (7, Param("7", Text)),
            (8, Param("8", Text)),
            (9, Param("9", Text)),
        ],
        &[(0, "text")],
    ),
    rule(
        "utility:text_replace",
        "text.replace",
        &[
            (0, Param("text", Text)),
            (1, Param("find", Text)),
            (2, Param("replacement", Text)),
            (3, Param("count", Choice(&[("0", "all"), ("1", "first")]))),
        ],
        &[(0, "text")],
    ),
    rule(
        "utility:regex_replace",
        "text.regex_replace",
        &[
            (0, Param("text", Text)),
            (1, Param("regex", Text)),
            (2, Param("replacement", Text)),
            (3, Param("count", Choice(&[("0", "all"), ("1", "first")]))),
        ],
        &[(0, "text")],
    ),
    rule("utility:text_length", "text.length", &[(0, Param("text", Text))], &[(0, "length")]),
    rule(
        "utility:parse_number",
        "text.parse_number",
        &[(0, Param("text", Text)), (1, Param("base", Whole))],
        &[(0, "number")],
    ),
    Rule {
        special: Some(special::range),
        ..rule(
            "utility:range",
            "sequence.range",
            &[
                (0, Param("start", Number)),
                (1, Read),
                (2, Param("stop", Number)),
                (3, Param("inclusive", Bool)),
            ],
            &[(0, "number"), (1, "index")],
        )
    },
    // The first of its values; the others go round it.
    rule("utility:pass_through", "structure.pass_through", &[(0, Port("value"))], &[(0, "value")]),
];

/// The rule for a kind of node.
pub(super) fn rule_for(schema: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.schema == schema)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NODES;
    use pegbar_params::{ParamKind, ParamValue};

    /// The kinds of nodes that the rules lead to and that Pegbar does not have. Empty when all of them are there.
    #[rustfmt::skip]
    const NOT_THERE: &[&str] = &[];

    /// The parameters that a rule and its special function set are there, and take what they are set to.
    fn params_fit(rule: &Rule, params: &[pegbar_params::Param]) {
        let declared = |id: &str| {
            let found = params.iter().find(|param| param.id == id);
            found.unwrap_or_else(|| panic!("{}: {} has no parameter {id}", rule.schema, rule.to))
        };
        for (_, place) in rule.inputs {
            let Param(param, convert) = place else { continue };
            let declared = declared(param);
            let fits = match (convert, declared.kind) {
                (Whole, ParamKind::Int { .. })
                | (Number, ParamKind::Float { .. })
                | (Bool, ParamKind::Bool { .. })
                | (Text, ParamKind::Text { .. })
                | (Path, ParamKind::Path { .. })
                | (Colour, ParamKind::Colour { .. }) => true,
                (Choice(choices), ParamKind::Choice { .. }) => {
                    choices.iter().all(|(_, ours)| declared.check(&ParamValue::Text((*ours).into())).is_ok())
                }
                _ => false,
            };
            assert!(fits, "{}: {convert:?} does not fit {}.{param}", rule.schema, rule.to);
        }
        for (param, text) in rule.fixed {
            assert!(declared(param).parse(text).is_ok(), "{}: {param} = {text}", rule.schema);
        }
        for (_, param, values) in special::SETS.iter().filter(|sets| sets.0 == rule.to) {
            for value in *values {
                assert!(declared(param).parse(value).is_ok(), "{}.{param} = {value}", rule.to);
            }
        }
    }

    #[test]
    fn every_rule_fits_the_node_it_leads_to() {
        let mut missing: Vec<&str> = Vec::new();
        for (i, rule) in RULES.iter().enumerate() {
            let schema = rule.schema;
            assert!(RULES[..i].iter().all(|other| other.schema != schema), "{schema} is there twice");
            for (id, _) in rule.inputs {
                assert_eq!(rule.inputs.iter().filter(|(other, _)| other == id).count(), 1, "{schema} {id}");
            }
            let Some(kind) = NODES.get(rule.to) else {
                missing.push(rule.to);
                // Its parameters are those of the filter all the same.
                let filter = rule.to.strip_prefix("image.").unwrap_or_default();
                let tables = pegbar_filters::picture::TABLES;
                if let Some((_, params)) = tables.iter().find(|(id, _)| *id == filter) {
                    params_fit(rule, params);
                }
                continue;
            };
            params_fit(rule, kind.params);
            assert_eq!(kind.id, rule.to, "{schema} leads to a former id");
            for (_, place) in rule.inputs {
                if let Port(port) = place {
                    assert!(kind.input(port).is_some(), "{schema}: {} has no {port}", rule.to);
                }
            }
            if let Some((_, port)) = rule.rest {
                assert!(kind.input(port).is_some(), "{schema}: {} has no {port}", rule.to);
            }
            for (_, output) in rule.outputs {
                assert!(kind.output(output).is_some(), "{schema}: {} has no output {output}", rule.to);
            }
        }
        missing.sort_unstable();
        missing.dedup();
        assert_eq!(missing, NOT_THERE, "kinds of nodes that are not in the table");
    }
}
