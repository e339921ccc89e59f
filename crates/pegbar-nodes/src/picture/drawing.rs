//! Text on pictures, and pictures out of nothing.

use super::{in_size, refused, reshaped};
use crate::function::{BASE, IMAGE_OUT, Made, PICTURE, by, function, image_value, node};
use pegbar_chain::{Category, ImageInfo, Info, NodeType};
use pegbar_filters::picture::pattern::{self, Checkerboard, Gradient, SolidColour, TestPattern};
use pegbar_filters::picture::text::{self, Caption, TextOverlay};
use pegbar_filters::picture::{MAX_PIXELS, PictureError};
use pegbar_frame::PlanarImage;
use pegbar_params::Rgba;

const DRAWING: NodeType = NodeType { category: Category::Drawing, ..PICTURE };
const MADE: NodeType = NodeType { category: Category::Drawing, outputs: IMAGE_OUT, ..BASE };

/// Beside the picture.
pub(crate) static CAPTION: NodeType = NodeType {
    id: "image.caption",
    name: "Caption",
    doc: "Writes above or below the picture, which grows by the height of the text. Lines that are too long are \
          broken; \\n begins a new one.",
    params: text::CAPTION_PARAMS,
    role: function(|prepare| {
        reshaped(
            Caption::from_values(prepare.values),
            |caption, info| {
                let known = in_size(&info, |width, height| caption.result_size(width, height))?;
                let channels = match info.channels {
                    Some(n) => Some(caption.result_channels(n)),
                    None if caption.background.0[3] < 1.0 => Some(4),
                    None => None,
                };
                Ok(ImageInfo { channels, width: info.width, ..known })
            },
            Caption::apply,
        )
    }),
    example: &[("text", "Scene 12"), ("size", "16")],
    ..DRAWING
};

/// On the picture.
pub(crate) static TEXT_OVERLAY: NodeType = NodeType {
    id: "image.text_overlay",
    name: "Text Overlay",
    doc: "Writes on the picture, with an outline or a box so that it can be read on anything. Lines that are too \
          long are broken; \\n begins a new one. The text can be connected, such as to the number of the frame.",
    params: text::OVERLAY_PARAMS,
    role: function(|prepare| by(TextOverlay::from_values(prepare.values), TextOverlay::apply)),
    example: &[("text", "0:42"), ("size", "18"), ("position", "top-left"), ("margin", "4")],
    ..DRAWING
};

/// One colour.
pub(crate) static SOLID_COLOUR: NodeType = NodeType {
    id: "image.solid_colour",
    name: "Solid Colour",
    doc: "A picture of one colour. It has alpha where the colour is not opaque.",
    params: pattern::SOLID_PARAMS,
    role: function(|prepare| {
        let solid = SolidColour::from_values(prepare.values);
        made(solid.size, channels_of(&[solid.colour]), move || solid.make())
    }),
    example: &[("width", "240"), ("height", "160"), ("colour", "#d0a040")],
    ..MADE
};

/// Squares.
pub(crate) static CHECKERBOARD: NodeType = NodeType {
    id: "image.checkerboard",
    name: "Checkerboard",
    doc: "Squares in two colours, such as to show what is transparent.",
    params: pattern::CHECKERBOARD_PARAMS,
    role: function(|prepare| {
        let board = Checkerboard::from_values(prepare.values);
        made(board.size, channels_of(&board.colours), move || board.make())
    }),
    example: &[("width", "240"), ("height", "160"), ("cell", "20")],
    ..MADE
};

/// Colours that run.
pub(crate) static GRADIENT: NodeType = NodeType {
    id: "image.gradient",
    name: "Gradient",
    doc: "Colours that run into each other along a line, from the middle outwards, or around it.",
    params: pattern::GRADIENT_PARAMS,
    role: function(|prepare| {
        let gradient = Gradient::from_values(prepare.values).map_err(refused)?;
        made(gradient.size, 3, move || gradient.make())
    }),
    example: &[("width", "240"), ("height", "160"), ("colours", "#204080 #e0c060")],
    ..MADE
};

/// Something to test with.
pub(crate) static TEST_PATTERN: NodeType = NodeType {
    id: "image.test_pattern",
    name: "Test Pattern",
    doc: "Colour bars, rings, ramps or lines: shows what a chain, an encoder or a screen does to colour, banding \
          and sharpness.",
    params: pattern::TEST_PATTERN_PARAMS,
    role: function(|prepare| {
        let test = TestPattern::from_values(prepare.values);
        made(test.size, 3, move || test.make())
    }),
    example: &[("width", "240"), ("height", "160")],
    ..MADE
};

fn channels_of(colours: &[Rgba]) -> usize {
    if colours.iter().any(|colour| colour.0[3] < 1.0) { 4 } else { 3 }
}

/// A picture out of nothing, of a known size.
fn made(
    (width, height): (usize, usize),
    channels: usize,
    make: impl Fn() -> Result<PlanarImage, PictureError> + Send + Sync + 'static,
) -> Made {
    if width.saturating_mul(height) > MAX_PIXELS {
        return Err(refused(PictureError::TooLarge { operation: "pattern", width, height }));
    }
    node(
        move |_| {
            let info = ImageInfo { channels: Some(channels), ..ImageInfo::of_size(width, height) };
            Ok(vec![Info::image(info)])
        },
        move |_, _| Ok(vec![image_value(make().map_err(refused)?)]),
    )
}
