//! Making a picture's channels fit a model's.

use crate::EngineError;
use pegbar_frame::PlanarImage;

/// How a picture is fed to a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Feed {
    /// As it is.
    Whole,
    /// The single plane three times; the mean of the result is the gray result.
    GrayAsRgb,
    /// Each plane by itself through a one-channel model.
    PlaneByPlane,
}

/// Chooses how a picture of `got` channels goes through a model of `input` -> `output` channels.
pub(crate) fn choose(got: usize, input: usize, output: usize) -> Result<Feed, EngineError> {
    match (got, input, output) {
        (g, i, o) if g == i && o == i => Ok(Feed::Whole),
        (1, 3, 3) => Ok(Feed::GrayAsRgb),
        (_, 1, 1) => Ok(Feed::PlaneByPlane),
        _ => Err(EngineError::Channels { expected: input, produced: output, got }),
    }
}

/// The single plane of `gray`, three times.
pub(crate) fn gray_to_rgb(gray: &PlanarImage) -> PlanarImage {
    let mut data = Vec::with_capacity(gray.data.len() * 3);
    for _ in 0..3 {
        data.extend_from_slice(&gray.data);
    }
    PlanarImage { channels: 3, data, ..*gray }
}

/// The mean of three planes.
pub(crate) fn mean_to_gray(rgb: &PlanarImage) -> PlanarImage {
    let data = rgb
        .plane(0)
        .iter()
        .zip(rgb.plane(1))
        .zip(rgb.plane(2))
        .map(|((r, g), b)| (r + g + b) * (1.0 / 3.0))
        .collect();
    PlanarImage { channels: 1, data, width: rgb.width, height: rgb.height }
}

/// One plane as a picture of its own.
pub(crate) fn single(image: &PlanarImage, channel: usize) -> PlanarImage {
    PlanarImage { channels: 1, data: image.plane(channel).to_vec(), width: image.width, height: image.height }
}

/// Pictures of equal size joined into one with all their planes.
pub(crate) fn join(planes: Vec<PlanarImage>) -> PlanarImage {
    let (width, height) = planes.first().map_or((0, 0), |p| (p.width, p.height));
    let channels = planes.iter().map(|p| p.channels).sum();
    let data = planes.into_iter().flat_map(|p| p.data).collect();
    PlanarImage { width, height, channels, data }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn feeds() {
        assert_eq!(choose(3, 3, 3).ok(), Some(Feed::Whole));
        assert_eq!(choose(1, 1, 1).ok(), Some(Feed::Whole));
        assert_eq!(choose(1, 3, 3).ok(), Some(Feed::GrayAsRgb));
        assert_eq!(choose(3, 1, 1).ok(), Some(Feed::PlaneByPlane));
        assert!(choose(3, 4, 4).is_err());
        assert!(choose(3, 3, 1).is_err());
    }

    #[test]
    fn gray_survives_the_round_trip() {
        let gray = PlanarImage { width: 2, height: 1, channels: 1, data: vec![0.25, 0.75] };
        assert_eq!(mean_to_gray(&gray_to_rgb(&gray)), gray);
    }
}
