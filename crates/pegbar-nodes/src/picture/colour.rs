//! Colour and tone.

use super::{Two, coloured, gray, of_two, recoloured, refused};
use crate::function::{Made, PICTURE, by, first_image, function, image_value, node};
use pegbar_chain::{
    Category, FrameContext, ImageInfo, Info, Input, Inputs, Node, NodeError, NodeType, Output, Prepare,
    Value, ValueType, same_size,
};
use pegbar_filters::picture::colour_fix::{self, AverageColourFix, WaveletColourFix};
use pegbar_filters::picture::colour_space::{self, ConvertColourSpace};
use pegbar_filters::picture::colour_transfer::{self, ColourTransfer, MatchHistogram};
use pegbar_filters::picture::curves::{self, Curves};
use pegbar_filters::picture::dither::{self, Dither, DitherColours, Quantize};
use pegbar_filters::picture::grayscale::{self, Colourise, GradientMap, Grayscale};
use pegbar_filters::picture::hue_saturation::{self, HueSaturation, Vibrance};
use pegbar_filters::picture::levels::{self, Levels};
use pegbar_filters::picture::lut::{self, Lut};
use pegbar_filters::picture::threshold::{self, AdaptiveThreshold, LevelSource, Threshold};
use pegbar_filters::picture::tone::{self, BrightnessContrast, Clamp, Gamma, Invert, Normalize};
use pegbar_filters::picture::white_balance::{self, WhiteBalance};
use pegbar_params::{Choice, Param, ParamValues};
use std::path::Path;

const COLOUR: NodeType = NodeType { category: Category::Colour, ..PICTURE };

/// What nodes that take colours from another picture have in common.
const WITH_REFERENCE: NodeType = NodeType {
    inputs: &[
        Input::image("image", "The picture."),
        Input::image("reference", "The picture whose colours are taken."),
    ],
    ..COLOUR
};

/// What nodes that leave few colours have in common.
const WITH_PALETTE: NodeType = NodeType {
    inputs: &[
        Input::image("image", "The picture."),
        Input::optional_image("palette", "A picture whose colours are those that are left, of any size."),
    ],
    ..COLOUR
};

/// Other coordinates.
pub(crate) static COLOUR_SPACE: NodeType = NodeType {
    id: "image.colour_space",
    name: "Convert Colour Space",
    doc: "The values of another colour space in place of red, green and blue, or back: to work on lightness and \
          colour apart, or on light itself. Values are stored between 0 and 1.",
    params: colour_space::PARAMS,
    role: function(|prepare| {
        recoloured(
            ConvertColourSpace::from_values(prepare.values),
            |convert, info| if convert.from == convert.to { info } else { coloured(info) },
            ConvertColourSpace::apply,
        )
    }),
    example: &[("to", "ycbcr-601")],
    ..COLOUR
};

/// Black and white points.
pub(crate) static LEVELS: NodeType = NodeType {
    id: "image.levels",
    name: "Levels",
    doc: "Sets what becomes black and white, and how light the middle is, for all channels or some: brings faded \
          pictures back to their full range.",
    params: levels::PARAMS,
    role: function(|prepare| by(Levels::from_values(prepare.values), Levels::apply)),
    example: &[("in-black", "0.24"), ("in-white", "0.7")],
    ..COLOUR
};

/// A curve.
pub(crate) static CURVES: NodeType = NodeType {
    id: "image.curves",
    name: "Curves",
    doc: "Tone curves through points, for all channels and for each: smooth, and never turning between points.",
    params: curves::PARAMS,
    role: function(|prepare| by(Curves::from_values(prepare.values).map_err(refused)?, Curves::apply)),
    example: &[("all", "0,0 0.25,0.1 0.75,0.9 1,1"), ("blue", "0,0.15 1,0.8")],
    ..COLOUR
};

/// A power.
pub(crate) static GAMMA: NodeType = NodeType {
    id: "image.gamma",
    name: "Gamma",
    doc: "Raises samples to a power: lightens or darkens the middle and leaves black and white.",
    params: tone::GAMMA_PARAMS,
    role: function(|prepare| by(Gamma::from_values(prepare.values), Gamma::apply)),
    example: &[("gamma", "0.5")],
    ..COLOUR
};

/// More light.
pub(crate) static BRIGHTNESS_CONTRAST: NodeType = NodeType {
    id: "image.brightness_contrast",
    name: "Brightness and Contrast",
    doc: "Makes the picture lighter or darker, and spreads its tones or draws them together.",
    params: tone::BRIGHTNESS_PARAMS,
    role: function(|prepare| by(BrightnessContrast::from_values(prepare.values), BrightnessContrast::apply)),
    example: &[("brightness", "10"), ("contrast", "40")],
    ..COLOUR
};

/// A negative.
pub(crate) static INVERT: NodeType = NodeType {
    id: "image.invert",
    name: "Invert",
    doc: "The negative: black becomes white, each colour its opposite.",
    params: tone::INVERT_PARAMS,
    role: function(|prepare| by(Invert::from_values(prepare.values), Invert::apply)),
    ..COLOUR
};

/// Limits.
pub(crate) static CLAMP: NodeType = NodeType {
    id: "image.clamp",
    name: "Clamp",
    doc: "Keeps samples within a range. Nodes carry values below black and above white on; this is where they end.",
    params: tone::CLAMP_PARAMS,
    role: function(|prepare| by(Clamp::from_values(prepare.values), Clamp::apply)),
    example: &[("low", "0.2"), ("high", "0.7")],
    ..COLOUR
};

/// The whole range.
pub(crate) static NORMALIZE: NodeType = NodeType {
    id: "image.normalize",
    name: "Normalize",
    doc: "Stretches the tones that the picture has to the full range. Of a film, each frame is stretched by \
          itself, which may flicker: Levels does the same for all.",
    params: tone::NORMALIZE_PARAMS,
    role: function(|prepare| by(Normalize::from_values(prepare.values), Normalize::apply)),
    example: &[("low", "2"), ("high", "2")],
    ..COLOUR
};

/// Other colours.
pub(crate) static HUE_SATURATION: NodeType = NodeType {
    id: "image.hue_saturation",
    name: "Hue and Saturation",
    doc: "Turns hues, makes colours stronger or paler, and the picture lighter or darker.",
    params: hue_saturation::PARAMS,
    role: function(|prepare| by(HueSaturation::from_values(prepare.values), HueSaturation::apply)),
    example: &[("hue", "120")],
    ..COLOUR
};

/// Pale colours first.
pub(crate) static VIBRANCE: NodeType = NodeType {
    id: "image.vibrance",
    name: "Vibrance",
    doc: "Makes pale colours stronger and spares those that are strong already.",
    params: hue_saturation::VIBRANCE_PARAMS,
    role: function(|prepare| by(Vibrance::from_values(prepare.values), Vibrance::apply)),
    example: &[("vibrance", "100")],
    ..COLOUR
};

/// No cast.
pub(crate) static WHITE_BALANCE: NodeType = NodeType {
    id: "image.white_balance",
    name: "White Balance",
    doc: "Takes a colour cast off the picture: found from its mean or its lightest parts, or given as a \
          temperature. Of a film, what is found differs from frame to frame; a temperature does not.",
    params: white_balance::PARAMS,
    role: function(|prepare| by(WhiteBalance::from_values(prepare.values), WhiteBalance::apply)),
    example: &[("method", "temperature"), ("temperature", "4000")],
    ..COLOUR
};

/// No colour.
pub(crate) static GRAYSCALE: NodeType = NodeType {
    id: "image.grayscale",
    name: "Grayscale",
    doc: "A gray picture, by one of the usual weights of red, green and blue. It has one channel and no alpha, \
          unless channels are kept.",
    params: grayscale::PARAMS,
    role: function(|prepare| {
        let keeps = prepare.values.bool("keep-channels");
        let known: fn(&Grayscale, ImageInfo) -> ImageInfo =
            if keeps { |_, info| info } else { |_, info| gray(info) };
        recoloured(Grayscale::from_values(prepare.values), known, Grayscale::apply)
    }),
    ..COLOUR
};

/// One colour.
pub(crate) static COLOURISE: NodeType = NodeType {
    id: "image.colourise",
    name: "Colourise",
    doc: "Gives the picture the hue and saturation of one colour, as a toned print.",
    params: grayscale::COLOURISE_PARAMS,
    role: function(|prepare| {
        recoloured(
            Colourise::from_values(prepare.values),
            |colourise, info| if colourise.strength == 0.0 { info } else { coloured(info) },
            Colourise::apply,
        )
    }),
    ..COLOUR
};

/// Colours for grays.
pub(crate) static GRADIENT_MAP: NodeType = NodeType {
    id: "image.gradient_map",
    name: "Gradient Map",
    doc: "Replaces each gray by a colour of a gradient, from black to white.",
    params: grayscale::GRADIENT_MAP_PARAMS,
    role: function(|prepare| {
        recoloured(
            GradientMap::from_values(prepare.values).map_err(refused)?,
            |map, info| if map.strength == 0.0 { info } else { coloured(info) },
            GradientMap::apply,
        )
    }),
    example: &[("colours", "#102040 #c04060 #ffe0a0")],
    ..COLOUR
};

/// Black and white.
pub(crate) static THRESHOLD: NodeType = NodeType {
    id: "image.threshold",
    name: "Threshold",
    doc: "Makes what is lighter than a level white and the rest black, or cuts off at the level. The level is \
          given or found from the picture.",
    params: threshold::PARAMS,
    role: function(|prepare| {
        recoloured(
            Threshold::from_values(prepare.values),
            |threshold, info| if threshold.luma { gray(info) } else { info },
            Threshold::apply,
        )
    }),
    example: &[("luma", "true")],
    ..COLOUR
};

/// A level to be known.
pub(crate) static FIND_THRESHOLD: NodeType = NodeType {
    id: "measure.threshold",
    name: "Find Threshold",
    category: Category::Measure,
    doc: "The level that parts the light of a picture from its dark, for calculations, or for the level of a Threshold node that works \
          on another picture.",
    outputs: &[Output::of(ValueType::Number, "threshold", "The level, from 0 to 100.")],
    params: &[Param::choice(
        "method",
        "How it is found.",
        &[
            Choice { id: "otsu", doc: "The level that parts light and dark best (Otsu)." },
            Choice { id: "mean", doc: "The mean of the picture." },
        ],
        "otsu",
    )],
    role: function(|prepare| {
        let source = match prepare.values.text("method") {
            "mean" => LevelSource::Mean,
            _ => LevelSource::Otsu,
        };
        let threshold =
            Threshold { source, ..Threshold::from_values(&ParamValues::defaults(threshold::PARAMS)) };
        node(
            |_| Ok(vec![Info::of_type(ValueType::Number)]),
            move |inputs, _| {
                let level = threshold.level_for(inputs.image("image")?);
                if !level.is_finite() {
                    return Err(NodeError::input("image", "some samples of the picture are no numbers"));
                }
                Ok(vec![Value::Number(f64::from(level) * 100.0)])
            },
        )
    }),
    ..PICTURE
};

/// By surroundings.
pub(crate) static ADAPTIVE_THRESHOLD: NodeType = NodeType {
    id: "image.adaptive_threshold",
    name: "Adaptive Threshold",
    doc: "Makes what is lighter than its surroundings white and the rest black: drawings on paper that is not lit \
          evenly.",
    params: threshold::ADAPTIVE_PARAMS,
    role: function(|prepare| by(AdaptiveThreshold::from_values(prepare.values), AdaptiveThreshold::apply)),
    ..COLOUR
};

/// Few colours.
pub(crate) static QUANTIZE: NodeType = NodeType {
    id: "image.quantize",
    name: "Quantize",
    doc: "Leaves few colours, each sample taking the nearest: levels of each channel, a palette made from the \
          picture, or the colours of another picture.",
    params: dither::QUANTIZE_PARAMS,
    role: function(|prepare| {
        let quantize = Quantize::from_values(prepare.values);
        let colours = quantize.colours;
        node(
            move |inputs| Ok(vec![Info::image(with_few_colours(colours, inputs))]),
            move |inputs, _| {
                let palette = inputs.optional_image("palette")?.map(|palette| &**palette);
                Ok(vec![image_value(quantize.apply(inputs.image("image")?, palette))])
            },
        )
    }),
    example: &[("count", "5")],
    ..WITH_PALETTE
};

/// Few colours, patterns.
pub(crate) static DITHER: NodeType = NodeType {
    id: "image.dither",
    name: "Dither",
    doc: "Leaves few colours and makes those between by patterns: ordered, or by passing errors on to neighbours.",
    params: dither::PARAMS,
    role: function(|prepare| {
        let dither = Dither::from_values(prepare.values);
        let colours = dither.quantize.colours;
        node(
            move |inputs| Ok(vec![Info::image(with_few_colours(colours, inputs))]),
            move |inputs, _| {
                let palette = inputs.optional_image("palette")?.map(|palette| &**palette);
                Ok(vec![image_value(dither.apply(inputs.image("image")?, palette))])
            },
        )
    }),
    example: &[("levels", "2")],
    ..WITH_PALETTE
};

/// A table.
pub(crate) static LUT: NodeType = NodeType {
    id: "image.lut",
    name: "Look-Up Table",
    doc: "Looks colours up in a table, a .cube file of a grading program: 1D curves or a 3D cube. A relative path \
          starts at the folder of the chain.",
    params: lut::PARAMS,
    role: function(looked_up),
    example: &[("file", "grade.cube")],
    ..COLOUR
};

/// Coarse colours.
pub(crate) static AVERAGE_COLOUR_FIX: NodeType = NodeType {
    id: "image.average_colour_fix",
    name: "Average Colour Fix",
    doc: "Gives the picture the coarse colours of another of any size, compared at a small size: for models that \
          shift colours, with their input as reference.",
    params: colour_fix::AVERAGE_PARAMS,
    role: function(|prepare| {
        let two = Two { ports: ["image", "reference"], of_one_size: false };
        of_two(
            two,
            AverageColourFix::from_values(prepare.values),
            |_, image, _| Ok(image),
            AverageColourFix::apply,
        )
    }),
    ..WITH_REFERENCE
};

/// Coarse colours, fine detail.
pub(crate) static WAVELET_COLOUR_FIX: NodeType = NodeType {
    id: "image.wavelet_colour_fix",
    name: "Wavelet Colour Fix",
    doc: "Takes the coarse part of another picture of the same size and the fine part of this one: for models that \
          shift colours, with their input, enlarged, as reference.",
    params: colour_fix::WAVELET_PARAMS,
    role: function(|prepare| {
        let two = Two { ports: ["image", "reference"], of_one_size: true };
        of_two(
            two,
            WaveletColourFix::from_values(prepare.values),
            |_, image, _| Ok(image),
            WaveletColourFix::apply,
        )
    }),
    example: &[("levels", "3")],
    ..WITH_REFERENCE
};

/// Means and spreads.
pub(crate) static COLOUR_TRANSFER: NodeType = NodeType {
    id: "image.colour_transfer",
    name: "Colour Transfer",
    doc: "Gives the picture the mean and spread of the colours of another of any size, such as a frame of a better \
          copy.",
    params: colour_transfer::PARAMS,
    role: function(|prepare| {
        let two = Two { ports: ["image", "reference"], of_one_size: false };
        of_two(
            two,
            ColourTransfer::from_values(prepare.values),
            |_, image, _| Ok(coloured(image)),
            ColourTransfer::apply,
        )
    }),
    ..WITH_REFERENCE
};

/// The whole distribution.
pub(crate) static MATCH_HISTOGRAM: NodeType = NodeType {
    id: "image.match_histogram",
    name: "Match Histogram",
    doc: "Gives the picture the distribution of colours or of luma that another of any size has.",
    params: colour_transfer::HISTOGRAM_PARAMS,
    role: function(|prepare| {
        let two = Two { ports: ["image", "reference"], of_one_size: false };
        of_two(
            two,
            MatchHistogram::from_values(prepare.values),
            |_, image, _| Ok(image),
            MatchHistogram::apply,
        )
    }),
    ..WITH_REFERENCE
};

/// What is known of a picture of few colours: palettes are of colours, levels are of each channel.
fn with_few_colours(colours: DitherColours, inputs: &[Vec<Info>]) -> ImageInfo {
    let has_palette = inputs.get(1).is_some_and(|port| !port.is_empty());
    let image = first_image(inputs, 0);
    if has_palette || colours == DitherColours::Palette { coloured(image) } else { image }
}

/// A table that was read.
struct LookUp {
    lut: Lut,
    colours_gray: bool,
    stamp: String,
}

fn looked_up(prepare: &Prepare<'_>) -> Made {
    let path = prepare.required_path("file")?;
    let wrong = |error: lut::LutError| {
        let text = NodeError::failed(&error).to_string();
        NodeError::param("file", text.strip_prefix("lut: ").unwrap_or(&text))
    };
    let stamp = stamp_of(&path);
    let lut = Lut::read(&path, prepare.values).map_err(wrong)?;
    Ok(Box::new(LookUp { colours_gray: lut.colours_gray(), lut, stamp }))
}

/// Path, size and date of a file: one that has others has been changed.
fn stamp_of(path: &Path) -> String {
    let size_and_date = path.metadata().ok().map(|metadata| (metadata.len(), metadata.modified().ok()));
    format!("{} {size_and_date:?}", path.display())
}

impl Node for LookUp {
    fn infer(&self, inputs: &[Vec<Info>]) -> Result<Vec<Info>, NodeError> {
        let image = same_size(inputs);
        Ok(vec![Info::image(if self.colours_gray { coloured(image) } else { image })])
    }

    fn run(&self, inputs: &Inputs<'_>, _: &FrameContext) -> Result<Vec<Value>, NodeError> {
        Ok(vec![image_value(self.lut.apply(inputs.image("image")?))])
    }

    fn stamp(&self) -> Option<String> {
        Some(self.stamp.clone())
    }
}
