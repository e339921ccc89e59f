//! Pictures made of rows and columns of another: cropping, padding, flipping, tiling, shifting.

use pegbar_frame::PlanarImage;
use pegbar_params::Rgba;

use super::border::Border;
use super::choices::choices;
use super::samples::{colour_samples, with_channels};

choices! {
    /// What fills the area beyond a picture.
    Fill {
        Colour = "colour", "A colour; one that is not opaque makes a picture with alpha.";
        Transparent = "transparent", "Nothing: the picture gets alpha.";
        Edge = "edge", "The outermost row or column repeated.";
        Mirror = "mirror", "The picture mirrored about its outermost row or column, which is not repeated.";
        MirrorRepeat = "mirror-repeat", "The picture mirrored about its edge.";
        Wrap = "wrap", "The picture from the other side.";
    }
}

impl Fill {
    fn border(self) -> Option<Border> {
        match self {
            Self::Colour | Self::Transparent => None,
            Self::Edge => Some(Border::Replicate),
            Self::Mirror => Some(Border::Mirror),
            Self::MirrorRepeat => Some(Border::MirrorRepeat),
            Self::Wrap => Some(Border::Wrap),
        }
    }

    /// Whether a picture that is filled by it gets alpha, `colour` being that of [`Fill::Colour`].
    pub fn makes_alpha(self, colour: Rgba) -> bool {
        self == Self::Transparent || self == Self::Colour && colour.0[3] < 1.0
    }
}

/// The part of the plane of a picture that begins at `left`, `top` (which may be negative) and is `width` x `height`
/// large; what lies beyond the picture is filled.
pub(crate) fn window(
    image: &PlanarImage,
    (left, top): (isize, isize),
    (width, height): (usize, usize),
    fill: Fill,
    colour: Rgba,
) -> PlanarImage {
    let colour = if fill == Fill::Transparent { Rgba([0.0; 4]) } else { colour };
    let image = if fill.makes_alpha(colour) { &with_channels(image, 4) } else { image };
    let axis = |start: isize, n: usize, n_source: usize| -> Vec<Option<usize>> {
        let positions = (0..n as isize).map(|i| i + start);
        match fill.border() {
            Some(border) => positions.map(|i| Some(border.index(i, n_source))).collect(),
            None => positions.map(|i| usize::try_from(i).ok().filter(|i| *i < n_source)).collect(),
        }
    };
    let samples = colour_samples(colour, image.channels);
    gather(image, &axis(left, width, image.width), &axis(top, height, image.height), &samples)
}

/// The picture whose column `x` is column `xs[x]` of another and row `y` is row `ys[y]`; `fill` has a sample for each
/// channel and stands where there is none.
pub(crate) fn gather(
    image: &PlanarImage,
    xs: &[Option<usize>],
    ys: &[Option<usize>],
    fill: &[f32],
) -> PlanarImage {
    let mut out = PlanarImage::zeros(image.channels, ys.len(), xs.len());
    // Columns that follow each other are copied in runs: (first column here, first column there, length).
    let mut runs: Vec<(usize, usize, usize)> = Vec::new();
    for (x, source) in xs.iter().enumerate() {
        let Some(source) = *source else { continue };
        match runs.last_mut() {
            Some((here, there, n)) if *here + *n == x && *there + *n == source => *n += 1,
            _ => runs.push((x, source, 1)),
        }
    }
    for (channel, &fill) in fill.iter().enumerate().take(image.channels) {
        let source = image.plane(channel);
        let plane = out.plane_mut(channel);
        plane.fill(fill);
        if xs.is_empty() {
            continue;
        }
        for (row, y) in plane.chunks_exact_mut(xs.len()).zip(ys) {
            let Some(y) = *y else { continue };
            let source = &source[y * image.width..(y + 1) * image.width];
            for &(here, there, n) in &runs {
                row[here..here + n].copy_from_slice(&source[there..there + n]);
            }
        }
    }
    out
}
