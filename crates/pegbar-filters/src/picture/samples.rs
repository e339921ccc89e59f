//! Samples of a picture by what they mean: colour, luma, alpha.

use pegbar_frame::PlanarImage;
use pegbar_params::Rgba;
use rayon::prelude::*;

/// Weights of red, green and blue in the luma of BT.601, which SD video and JPEG use.
pub(crate) const LUMA_BT601: [f32; 3] = [0.299, 0.587, 0.114];

/// How many planes hold colour: all but alpha.
pub(crate) fn n_colours(image: &PlanarImage) -> usize {
    image.channels.min(3)
}

/// Every sample of colour through a function; alpha as it is.
pub(crate) fn map_colour(image: &PlanarImage, f: impl Fn(f32) -> f32) -> PlanarImage {
    let mut out = image.clone();
    let n = n_colours(image) * image.width * image.height;
    out.data[..n].iter_mut().for_each(|s| *s = f(*s));
    out
}

/// Every plane of colour through a function that keeps the size; alpha as it is.
pub(crate) fn map_planes(image: &PlanarImage, f: impl Fn(&[f32]) -> Vec<f32>) -> PlanarImage {
    let mut out = image.clone();
    for channel in 0..n_colours(image) {
        out.plane_mut(channel).copy_from_slice(&f(image.plane(channel)));
    }
    out
}

/// Every pixel's red, green and blue through a function; alpha as it is. A gray picture is passed as three equal
/// samples and takes the first of the result.
pub(crate) fn map_pixels(image: &PlanarImage, f: impl Fn([f32; 3]) -> [f32; 3] + Sync) -> PlanarImage {
    const PIXELS: usize = 8192;
    let mut out = image.clone();
    if out.channels < 3 {
        out.data.iter_mut().for_each(|s| *s = f([*s; 3])[0]);
        return out;
    }
    let [r, g, b] = rgb_mut(&mut out);
    let parts = r.par_chunks_mut(PIXELS).zip(g.par_chunks_mut(PIXELS)).zip(b.par_chunks_mut(PIXELS));
    parts.for_each(|((r, g), b)| {
        for ((r, g), b) in r.iter_mut().zip(g).zip(b) {
            [*r, *g, *b] = f([*r, *g, *b]);
        }
    });
    out
}

/// The planes of red, green and blue of a picture of three or more channels.
pub(crate) fn rgb_mut(image: &mut PlanarImage) -> [&mut [f32]; 3] {
    let n = image.width * image.height;
    let (r, rest) = image.data.split_at_mut(n);
    let (g, rest) = rest.split_at_mut(n);
    [r, g, &mut rest[..n]]
}

/// Luma by [`LUMA_BT601`]; the samples of a gray picture.
pub(crate) fn luma(image: &PlanarImage) -> Vec<f32> {
    weighted(image, LUMA_BT601)
}

/// The weighted sum of red, green and blue; the samples of a gray picture.
pub(crate) fn weighted(image: &PlanarImage, [wr, wg, wb]: [f32; 3]) -> Vec<f32> {
    if image.channels < 3 {
        return image.plane(0).to_vec();
    }
    let rgb = image.plane(0).iter().zip(image.plane(1)).zip(image.plane(2));
    rgb.map(|((r, g), b)| wr * r + wg * g + wb * b).collect()
}

/// The picture with 1, 3 or 4 channels: gray is repeated, colour becomes luma, alpha is dropped or 1.
pub(crate) fn with_channels(image: &PlanarImage, channels: usize) -> PlanarImage {
    if image.channels == channels {
        return image.clone();
    }
    let n = image.width * image.height;
    let mut out = PlanarImage { channels, data: Vec::with_capacity(channels * n), ..*image };
    if channels == 1 {
        out.data = luma(image);
        return out;
    }
    for channel in 0..3 {
        out.data.extend_from_slice(image.plane(if image.channels < 3 { 0 } else { channel }));
    }
    if channels == 4 {
        out.data.resize(4 * n, 1.0);
    }
    out
}

/// A picture of one channel.
pub(crate) fn gray(width: usize, height: usize, data: Vec<f32>) -> PlanarImage {
    PlanarImage { width, height, channels: 1, data }
}

/// The samples of a colour in a picture of 1, 3 or 4 channels.
pub(crate) fn colour_samples(colour: Rgba, channels: usize) -> Vec<f32> {
    let Rgba([r, g, b, a]) = colour;
    match channels {
        1 => vec![LUMA_BT601[0] * r + LUMA_BT601[1] * g + LUMA_BT601[2] * b],
        3 => vec![r, g, b],
        _ => vec![r, g, b, a],
    }
}

/// Made pictures for tests.
#[cfg(test)]
pub(crate) mod made {
    use super::*;

    /// Smooth hills with a hard edge, different in each channel; alpha is a ramp.
    pub(crate) fn picture(channels: usize, width: usize, height: usize) -> PlanarImage {
        let mut image = PlanarImage::zeros(channels, height, width);
        for c in 0..channels {
            for y in 0..height {
                for x in 0..width {
                    let (fx, fy) = (x as f32 / width as f32, y as f32 / height as f32);
                    let hills = 0.5 + 0.3 * (7.0 * fx + c as f32).sin() * (5.0 * fy).cos();
                    let edge = if x * 2 > width { 0.15 } else { 0.0 };
                    image.data[(c * height + y) * width + x] =
                        if c == 3 { (fx + fy) / 2.0 } else { hills + edge };
                }
            }
        }
        image
    }

    /// The sizes that break filters.
    pub(crate) const SIZES: [(usize, usize); 6] = [(1, 1), (3, 2), (1, 9), (8, 1), (17, 13), (40, 33)];

    /// Runs an operation on every small size and number of channels, asks that the shape holds and alpha is untouched.
    #[track_caller]
    pub(crate) fn keeps_shape_and_alpha(f: impl Fn(&PlanarImage) -> PlanarImage) {
        for (width, height) in SIZES {
            for channels in [1, 3, 4] {
                let image = picture(channels, width, height);
                let out = f(&image);
                assert_eq!((out.channels, out.width, out.height), (channels, width, height));
                assert_eq!(out.data.len(), image.data.len());
                assert!(out.data.iter().all(|s| s.is_finite()), "{width}x{height}x{channels}");
                if channels == 4 {
                    assert_eq!(out.plane(3), image.plane(3), "alpha");
                }
                let mut broken = image.clone();
                broken.data[0] = f32::NAN;
                f(&broken);
            }
        }
    }

    /// Asks that two lists of samples agree within a tolerance.
    #[track_caller]
    pub(crate) fn close(got: &[f32], want: &[f32], tolerance: f32) {
        assert_eq!(got.len(), want.len());
        for (i, (g, w)) in got.iter().zip(want).enumerate() {
            assert!((g - w).abs() <= tolerance, "sample {i}: {g} is not {w}");
        }
    }
}
