//! Several pictures to one, one to several.

use super::{Two, gray, most_channels, of_two, recoloured, refused, with_alpha};
use crate::function::{Made, PICTURE, by, first_image, function, image_value, node, same_sizes};
use pegbar_chain::{Category, ImageInfo, Info, Input, NodeType, Output, Prepare};
use pegbar_filters::picture::alpha::{self, FillAlpha, Opacity, Premultiply};
use pegbar_filters::picture::arithmetic::{self, Arithmetic};
use pegbar_filters::picture::blend::{self, Blend};
use pegbar_filters::picture::channels::{
    self, CombineChannels, ExtractChannel, MergeAlpha, SplitAlpha, SplitChannels,
};
use pegbar_filters::picture::mix::{self, MaskBlend, Mix};

const COMPOSITING: NodeType = NodeType { category: Category::Compositing, ..PICTURE };

/// One over another.
pub(crate) static BLEND: NodeType = NodeType {
    id: "image.blend",
    name: "Blend",
    doc: "Lays one picture over another: anywhere on it, with any opacity, colours meeting in one of many ways \
          (multiply, screen, overlay). Alpha of both is respected.",
    inputs: &[
        Input::image("base", "The lower picture."),
        Input::image("overlay", "The upper picture, of any size."),
    ],
    params: blend::PARAMS,
    role: function(|prepare| {
        let two = Two { ports: ["base", "overlay"], of_one_size: false };
        of_two(
            two,
            Blend::from_values(prepare.values),
            |blend, base, overlay| {
                let sizes = base.size().zip(overlay.size());
                let size = sizes.map(|(lower, upper)| blend.result_size(lower, upper)).transpose()?;
                let grows = size.is_some() && size != base.size();
                let colours = |info: &ImageInfo| info.channels.map(|n| n.min(3));
                let channels = match base.channels {
                    Some(4) => Some(4),
                    _ if grows => Some(4),
                    _ if !blend.crop && size.is_none() => None,
                    _ => colours(&base).zip(colours(&overlay)).map(|(a, b)| a.max(b)),
                };
                Ok(match size {
                    Some((width, height)) => ImageInfo { channels, ..ImageInfo::of_size(width, height) },
                    None if blend.crop => ImageInfo { channels, ..base },
                    None => ImageInfo { channels, ..ImageInfo::UNKNOWN },
                })
            },
            Blend::apply,
        )
    }),
    example: &[("mode", "multiply"), ("position", "centre")],
    ..COMPOSITING
};

/// A mean.
pub(crate) static MIX: NodeType = NodeType {
    id: "image.mix",
    name: "Mix",
    doc: "The weighted mean of two pictures of one size, such as a restored one and the original. Weights beyond \
          100 % go on past the second picture.",
    inputs: &[
        Input::image("a", "The first picture."),
        Input::image("b", "The second picture, of the same size."),
    ],
    params: mix::PARAMS,
    role: function(|prepare| {
        let two = Two { ports: ["a", "b"], of_one_size: true };
        of_two(
            two,
            Mix::from_values(prepare.values),
            |_, a, b| Ok(ImageInfo { channels: most_channels([&a, &b].into_iter()), ..a }),
            Mix::apply,
        )
    }),
    ..COMPOSITING
};

/// One here, another there.
pub(crate) static MASK_BLEND: NodeType = NodeType {
    id: "image.mask_blend",
    name: "Blend by Mask",
    doc: "Shows the first picture where a mask is black and the second where it is white, such as the original on \
          lines and a cleaned picture between them.",
    inputs: &[
        Input::image("a", "The picture where the mask is black."),
        Input::image("b", "The picture where the mask is white, of the same size."),
        Input::image("mask", "The mask, of the same size; its luma counts."),
    ],
    params: mix::MASK_PARAMS,
    role: function(mask_blend),
    ..COMPOSITING
};

/// Numbers on samples.
pub(crate) static ARITHMETIC: NodeType = NodeType {
    id: "image.arithmetic",
    name: "Arithmetic",
    doc: "Adds, subtracts, multiplies, divides, raises or compares the samples of the picture with a number for \
          each channel, or with the samples of another picture where one is connected. Black is 0, white is 1; \
          alpha stays.",
    inputs: &[
        Input::image("image", "The picture."),
        Input::optional_image("other", "A picture of the same size in place of the numbers."),
    ],
    params: arithmetic::PARAMS,
    role: function(|prepare| {
        let arithmetic = Arithmetic::from_values(prepare.values);
        node(
            |inputs| {
                same_sizes(inputs, &["image", "other"])?;
                let (image, other) = (first_image(inputs, 0), first_image(inputs, 1));
                let channels = match (image.channels, inputs.get(1).is_some_and(|port| !port.is_empty())) {
                    (Some(1), true) => other.channels.map(|n| n.min(3)),
                    (own, _) => own,
                };
                Ok(vec![Info::image(ImageInfo { channels, ..image })])
            },
            move |inputs, _| {
                let image = inputs.image("image")?;
                let made = match inputs.optional_image("other")? {
                    Some(other) => arithmetic.apply_with(image, other).map_err(refused)?,
                    None => arithmetic.apply(image),
                };
                Ok(vec![image_value(made)])
            },
        )
    }),
    example: &[
        ("operation", "multiply"),
        ("red", "1.2"),
        ("green", "0.9"),
        ("blue", "0.6"),
        ("clip", "true"),
    ],
    ..COMPOSITING
};

/// One to four.
pub(crate) static SPLIT_CHANNELS: NodeType = NodeType {
    id: "image.split_channels",
    name: "Split Channels",
    doc: "Takes the picture apart into its channels, each a gray picture.",
    outputs: &[
        Output::image("red", "Red."),
        Output::image("green", "Green."),
        Output::image("blue", "Blue."),
        Output::image("alpha", "Alpha; white where the picture has none."),
    ],
    params: channels::NO_PARAMS,
    role: function(|_| {
        node(
            |inputs| Ok(vec![Info::image(gray(first_image(inputs, 0))); 4]),
            |inputs, _| Ok(SplitChannels.apply(inputs.image("image")?).map(image_value).into()),
        )
    }),
    ..COMPOSITING
};

/// Four to one.
pub(crate) static COMBINE_CHANNELS: NodeType = NodeType {
    id: "image.combine_channels",
    name: "Combine Channels",
    doc: "Makes a picture whose red, green, blue and perhaps alpha are the lumas of other pictures of one size.",
    inputs: &[
        Input::image("red", "What becomes red."),
        Input::image("green", "What becomes green."),
        Input::image("blue", "What becomes blue."),
        Input::optional_image("alpha", "What becomes alpha; without, the picture has none."),
    ],
    params: channels::NO_PARAMS,
    role: function(|_| {
        node(
            |inputs| {
                same_sizes(inputs, &["red", "green", "blue", "alpha"])?;
                let n = 3 + inputs.get(3).map_or(0, Vec::len);
                Ok(vec![Info::image(ImageInfo { channels: Some(n), ..first_image(inputs, 0) })])
            },
            |inputs, _| {
                let colours = [inputs.image("red")?, inputs.image("green")?, inputs.image("blue")?];
                let alpha = inputs.optional_image("alpha")?;
                let made = CombineChannels.apply(colours.map(|image| &**image), alpha.map(|image| &**image));
                Ok(vec![image_value(made.map_err(refused)?)])
            },
        )
    }),
    ..COMPOSITING
};

/// One of four.
pub(crate) static EXTRACT_CHANNEL: NodeType = NodeType {
    id: "image.extract_channel",
    name: "Extract Channel",
    doc: "One channel of the picture as a gray picture: red, green, blue, alpha, luma, or the largest or smallest \
          of the colours.",
    params: channels::EXTRACT_PARAMS,
    role: function(|prepare| {
        recoloured(ExtractChannel::from_values(prepare.values), |_, info| gray(info), ExtractChannel::apply)
    }),
    example: &[("channel", "red")],
    ..COMPOSITING
};

/// Colour and alpha.
pub(crate) static SPLIT_ALPHA: NodeType = NodeType {
    id: "image.split_alpha",
    name: "Split Alpha",
    doc: "Takes colour and alpha of the picture apart, to work on each alone.",
    outputs: &[
        Output::image("image", "The picture without alpha."),
        Output::image("alpha", "Alpha as a gray picture; white where the picture has none."),
    ],
    params: channels::NO_PARAMS,
    role: function(|_| {
        node(
            |inputs| {
                let image = first_image(inputs, 0);
                let colour = ImageInfo { channels: image.channels.map(|n| n.min(3)), ..image.clone() };
                Ok(vec![Info::image(colour), Info::image(gray(image))])
            },
            |inputs, _| {
                let (colour, alpha) = SplitAlpha.apply(inputs.image("image")?);
                Ok(vec![image_value(colour), image_value(alpha)])
            },
        )
    }),
    ..COMPOSITING
};

/// Colour with alpha.
pub(crate) static MERGE_ALPHA: NodeType = NodeType {
    id: "image.merge_alpha",
    name: "Merge Alpha",
    doc: "Gives the picture another one's luma as alpha, in place of any that it has.",
    inputs: &[
        Input::image("image", "The picture whose colours are taken."),
        Input::image("alpha", "What becomes alpha, of the same size."),
    ],
    params: channels::NO_PARAMS,
    role: function(|_| {
        let two = Two { ports: ["image", "alpha"], of_one_size: true };
        of_two(two, MergeAlpha, |_, image, _| Ok(with_alpha(image)), MergeAlpha::apply)
    }),
    ..COMPOSITING
};

/// Alpha in colours.
pub(crate) static PREMULTIPLY: NodeType = NodeType {
    id: "image.premultiply",
    name: "Premultiply Alpha",
    doc: "Multiplies colours by alpha, or takes that out again, for pictures of programs that keep them so. A \
          picture without alpha stays as it is.",
    params: alpha::PREMULTIPLY_PARAMS,
    role: function(|prepare| by(Premultiply::from_values(prepare.values), Premultiply::apply)),
    ..COMPOSITING
};

/// Less of it.
pub(crate) static OPACITY: NodeType = NodeType {
    id: "image.opacity",
    name: "Opacity",
    doc: "Makes the picture more transparent: its alpha is multiplied.",
    params: alpha::OPACITY_PARAMS,
    role: function(|prepare| {
        recoloured(
            Opacity::from_values(prepare.values),
            |opacity, info| if opacity.opacity == 1.0 { info } else { with_alpha(info) },
            Opacity::apply,
        )
    }),
    example: &[("opacity", "40")],
    ..COMPOSITING
};

/// Something behind.
pub(crate) static FILL_ALPHA: NodeType = NodeType {
    id: "image.fill_alpha",
    name: "Fill Alpha",
    doc: "Gives transparent pixels a colour: one behind the whole picture, or those of the visible pixels around. \
          A picture without alpha stays as it is.",
    params: alpha::FILL_PARAMS,
    role: function(|prepare| {
        recoloured(
            FillAlpha::from_values(prepare.values),
            |fill, info| match info.channels {
                Some(4) if fill.drop_alpha => ImageInfo { channels: Some(3), ..info },
                _ => info,
            },
            FillAlpha::apply,
        )
    }),
    example: &[("method", "colour"), ("colour", "#c04020")],
    ..COMPOSITING
};

fn mask_blend(prepare: &Prepare<'_>) -> Made {
    let blend = MaskBlend::from_values(prepare.values);
    node(
        |inputs| {
            same_sizes(inputs, &["a", "b", "mask"])?;
            let (a, b) = (first_image(inputs, 0), first_image(inputs, 1));
            let channels = most_channels([&a, &b].into_iter());
            Ok(vec![Info::image(ImageInfo { channels, ..a })])
        },
        move |inputs, _| {
            let [a, b, mask] = [inputs.image("a")?, inputs.image("b")?, inputs.image("mask")?];
            Ok(vec![image_value(blend.apply(a, b, mask).map_err(refused)?)])
        },
    )
}
