//! Nodes over the operations of [`pegbar_filters::picture`], and the vocabulary that they are written in.

pub(crate) mod blur;
pub(crate) mod colour;
pub(crate) mod compositing;
pub(crate) mod drawing;
pub(crate) mod geometry;
pub(crate) mod mask;
pub(crate) mod noise;

use crate::function::{Made, first_image, image_value, node, resized, same_sizes, try_resized};
use pegbar_chain::{Dim, ImageInfo, Info, NodeError};
use pegbar_filters::picture::PictureError;
use pegbar_frame::PlanarImage;
use std::sync::Arc;

/// Why an operation was refused, told by a node, whose name is told by others.
pub(crate) fn refused(error: PictureError) -> NodeError {
    let text = error.to_string();
    let message = text.split_once(": ").map_or(text.as_str(), |(_, message)| message);
    match error {
        PictureError::Text { param, .. } => {
            NodeError::param(param, message.strip_prefix(param).unwrap_or(message).trim_start())
        }
        _ => NodeError::Failed(message.into()),
    }
}

/// What is known of a picture of a known size that has been brought to another.
fn in_size(
    info: &ImageInfo,
    size: impl FnOnce(usize, usize) -> Result<(usize, usize), PictureError>,
) -> Result<ImageInfo, PictureError> {
    let (width, height) = match info.size() {
        Some((width, height)) => {
            let (width, height) = size(width, height)?;
            (Dim::Known(width), Dim::Known(height))
        }
        None => (Dim::Unknown, Dim::Unknown),
    };
    Ok(ImageInfo { width, height, channels: info.channels })
}

/// A gray picture of the same size.
fn gray(info: ImageInfo) -> ImageInfo {
    ImageInfo { channels: Some(1), ..info }
}

/// The same picture, of three channels at least.
fn coloured(info: ImageInfo) -> ImageInfo {
    ImageInfo { channels: info.channels.map(|n| n.max(3)), ..info }
}

/// The same picture with alpha.
fn with_alpha(info: ImageInfo) -> ImageInfo {
    ImageInfo { channels: Some(4), ..info }
}

/// The channels of the one of some pictures that has most: four where one is known to have so many.
fn most_channels<'a>(infos: impl Iterator<Item = &'a ImageInfo> + Clone) -> Option<usize> {
    let has_alpha = infos.clone().any(|info| info.channels == Some(4));
    let all: Option<Vec<usize>> = infos.map(|info| info.channels).collect();
    if has_alpha { Some(4) } else { all?.into_iter().max() }
}

/// A picture of a picture, of the same size and perhaps other channels.
fn recoloured<S: Send + Sync + 'static>(
    settings: S,
    known: fn(&S, ImageInfo) -> ImageInfo,
    apply: fn(&S, &PlanarImage) -> PlanarImage,
) -> Made {
    let settings = Arc::new(settings);
    let same = settings.clone();
    resized(move |info| known(&same, info), move |image| apply(&settings, image))
}

/// A picture of a picture, of another size.
fn reshaped<S: Send + Sync + 'static>(
    settings: S,
    known: fn(&S, ImageInfo) -> Result<ImageInfo, PictureError>,
    apply: fn(&S, &PlanarImage) -> Result<PlanarImage, PictureError>,
) -> Made {
    let settings = Arc::new(settings);
    let same = settings.clone();
    try_resized(
        move |info| known(&same, info).map_err(refused),
        move |image| apply(&settings, image).map_err(refused),
    )
}

/// The two inputs of a node, and whether their pictures have to be of one size.
struct Two {
    ports: [&'static str; 2],
    of_one_size: bool,
}

/// A picture of two.
fn of_two<S: Send + Sync + 'static>(
    two: Two,
    settings: S,
    known: fn(&S, ImageInfo, ImageInfo) -> Result<ImageInfo, PictureError>,
    apply: fn(&S, &PlanarImage, &PlanarImage) -> Result<PlanarImage, PictureError>,
) -> Made {
    let Two { ports, of_one_size } = two;
    let settings = Arc::new(settings);
    let same = settings.clone();
    node(
        move |inputs| {
            if of_one_size {
                same_sizes(inputs, &ports)?;
            }
            let known = known(&same, first_image(inputs, 0), first_image(inputs, 1));
            Ok(vec![Info::image(known.map_err(refused)?)])
        },
        move |inputs, _| {
            let made = apply(&settings, inputs.image(ports[0])?, inputs.image(ports[1])?);
            Ok(vec![image_value(made.map_err(refused)?)])
        },
    )
}
