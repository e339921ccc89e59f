//! Resizing of planar pictures. Pictures map edge to edge: output position `x` (in pixels, centres at halves)
//! reads source position `x * source width / output width`. Filters with negative lobes may leave the range
//! of the samples; nothing is clamped.

mod area;

use std::fmt::Display;

use fast_image_resize as fir;
use fir::images::{TypedImage, TypedImageRef};
use fir::pixels::F32;

use crate::{FrameError, PlanarImage};

/// How a picture is resampled. `Bilinear`, `Bicubic` and `Lanczos3` widen when the picture shrinks, so nothing
/// aliases; beyond the edges they have no weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Filter {
    /// The sample whose pixel the position lies in.
    Nearest,
    /// Triangle.
    Bilinear,
    /// Cubic convolution of Keys (1981) with a = -0.5, also called Catmull-Rom; as Pillow's and MATLAB's bicubic,
    /// softer than the a = -0.75 of OpenCV and PyTorch.
    Bicubic,
    /// Sinc windowed by a sinc, three lobes.
    Lanczos3,
    /// The mean over the area that an output pixel covers, partly covered pixels by their share; as OpenCV's
    /// `INTER_AREA` when shrinking.
    Area,
}

/// Resizes every channel to `width` x `height`. The same size gives the same samples.
///
/// # Errors
/// When a side is zero before or after, the samples do not fill the picture, or a side is beyond `u32`.
pub fn resize(
    image: &PlanarImage,
    width: usize,
    height: usize,
    filter: Filter,
) -> Result<PlanarImage, FrameError> {
    image.validate()?;
    if width == 0 || height == 0 {
        return Err(FrameError::Empty { width, height });
    }
    width
        .checked_mul(height)
        .and_then(|n| n.checked_mul(image.channels * size_of::<f32>()))
        .filter(|&bytes| isize::try_from(bytes).is_ok())
        .ok_or(FrameError::TooLarge { width, height })?;
    if (width, height) == (image.width, image.height) {
        return Ok(image.clone());
    }
    let algorithm = match filter {
        Filter::Area => return Ok(area::resize(image, width, height)),
        Filter::Nearest => fir::ResizeAlg::Nearest,
        Filter::Bilinear => fir::ResizeAlg::Convolution(fir::FilterType::Bilinear),
        Filter::Bicubic => fir::ResizeAlg::Convolution(fir::FilterType::CatmullRom),
        Filter::Lanczos3 => fir::ResizeAlg::Convolution(fir::FilterType::Lanczos3),
    };
    let refused = |reason: &dyn Display| FrameError::Resize {
        from_width: image.width,
        from_height: image.height,
        width,
        height,
        reason: reason.to_string(),
    };
    let side = |n: usize| u32::try_from(n).map_err(|e| refused(&e));
    let (from, to) = ((side(image.width)?, side(image.height)?), (side(width)?, side(height)?));

    let options = fir::ResizeOptions::new().resize_alg(algorithm);
    let mut resizer = fir::Resizer::new();
    let mut out = PlanarImage::zeros(image.channels, height, width);
    for channel in 0..image.channels {
        let samples: &[u8] = bytemuck::cast_slice(image.plane(channel));
        let source = TypedImageRef::<F32>::from_buffer(from.0, from.1, samples).map_err(|e| refused(&e))?;
        let samples: &mut [u8] = bytemuck::cast_slice_mut(out.plane_mut(channel));
        let mut target = TypedImage::<F32>::from_buffer(to.0, to.1, samples).map_err(|e| refused(&e))?;
        // Typed: the untyped call would compile the kernels of every pixel type into this crate.
        resizer.resize_typed(&source, &mut target, &options).map_err(|e| refused(&e))?;
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILTERS: [Filter; 5] =
        [Filter::Nearest, Filter::Bilinear, Filter::Bicubic, Filter::Lanczos3, Filter::Area];

    fn row(samples: &[f32]) -> PlanarImage {
        PlanarImage::from_data(1, 1, samples.len(), samples.to_vec()).unwrap()
    }

    #[track_caller]
    fn assert_close(got: &[f32], want: &[f32]) {
        assert_eq!(got.len(), want.len());
        for (g, w) in got.iter().zip(want) {
            assert!((g - w).abs() < 1e-6, "{got:?} is not {want:?}");
        }
    }

    #[test]
    fn flat_stays_flat_at_any_size() {
        for filter in FILTERS {
            for (w, h) in [(1, 1), (3, 7), (8, 2), (16, 33)] {
                for (to_w, to_h) in [(1, 1), (5, 4), (16, 3), (40, 90)] {
                    let image = PlanarImage { width: w, height: h, channels: 3, data: vec![0.7; 3 * w * h] };
                    let out = resize(&image, to_w, to_h, filter).unwrap();
                    assert_eq!(
                        (out.width, out.height, out.channels, out.data.len()),
                        (to_w, to_h, 3, 3 * to_w * to_h)
                    );
                    assert_close(&out.data, &vec![0.7; out.data.len()]);
                }
            }
        }
    }

    #[test]
    fn the_published_kernels() {
        let image = row(&[0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
        let doubled = |filter| resize(&image, 14, 1, filter).unwrap().data;
        assert_close(&doubled(Filter::Nearest)[4..10], &[0.0, 0.0, 1.0, 1.0, 0.0, 0.0]);
        assert_close(&doubled(Filter::Area), &doubled(Filter::Nearest));
        assert_close(&doubled(Filter::Bilinear)[4..10], &[0.0, 0.25, 0.75, 0.75, 0.25, 0.0]);
        // Keys' kernel at 1.75, 1.25, 0.75 and 0.25 with a = -0.5.
        let keys = [-0.023_437_5, -0.070_312_5, 0.226_562_5, 0.867_187_5, 0.867_187_5, 0.226_562_5];
        assert_close(&doubled(Filter::Bicubic)[3..9], &keys);
        let halved =
            |filter| resize(&row(&[0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]), 4, 1, filter).unwrap().data;
        assert_close(&halved(Filter::Bilinear), &[0.0, 0.375, 0.125, 0.0]);
        assert_close(&halved(Filter::Area), &[0.0, 0.5, 0.0, 0.0]);
    }

    #[test]
    fn area_counts_partly_covered_pixels() {
        let out = resize(&row(&[3.0, 6.0, 9.0]), 2, 1, Filter::Area).unwrap();
        assert_close(&out.data, &[4.0, 8.0]);
        let column = PlanarImage::from_data(1, 5, 1, vec![5.0, 10.0, 15.0, 20.0, 25.0]).unwrap();
        assert_close(&resize(&column, 1, 2, Filter::Area).unwrap().data, &[9.0, 21.0]);
        let up = resize(&row(&[0.0, 1.0]), 3, 1, Filter::Area).unwrap();
        assert_close(&up.data, &[0.0, 0.5, 1.0]);
    }

    #[test]
    fn channels_do_not_mix() {
        let mut image = PlanarImage::zeros(3, 4, 4);
        image.plane_mut(1).fill(1.0);
        for filter in FILTERS {
            let out = resize(&image, 3, 9, filter).unwrap();
            assert!(out.plane(0).iter().chain(out.plane(2)).all(|&s| s == 0.0), "{filter:?}");
            assert!(out.plane(1).iter().all(|&s| (s - 1.0).abs() < 1e-6), "{filter:?}");
        }
    }

    #[test]
    fn sizes_that_cannot_be() {
        let image = PlanarImage::zeros(1, 2, 2);
        assert_eq!(resize(&image, 0, 5, Filter::Area), Err(FrameError::Empty { width: 0, height: 5 }));
        let huge = resize(&image, usize::MAX, 2, Filter::Bilinear);
        assert!(matches!(huge, Err(FrameError::TooLarge { .. })), "{huge:?}");
        let empty = PlanarImage::zeros(1, 0, 2);
        assert!(matches!(resize(&empty, 2, 2, Filter::Nearest), Err(FrameError::Empty { .. })));
        let short = PlanarImage { data: vec![0.0; 3], ..image };
        assert!(matches!(resize(&short, 4, 4, Filter::Nearest), Err(FrameError::SampleCount { .. })));
    }
}
