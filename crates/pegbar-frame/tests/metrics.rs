//! The metrics against numbers from elsewhere: PSNR and SSIM from scikit-image 0.26 (`gaussian_weights=True`,
//! `sigma=1.5`, `use_sample_covariance=False`, mean of the channels), MS-SSIM from an independent program in numpy,
//! on pictures that a formula draws.
#![allow(clippy::unwrap_used, reason = "functions that tests call are tests too")]

use pegbar_frame::PlanarImage;
use pegbar_frame::metrics::{MetricError, compare, ms_ssim, mse, psnr, ssim};

#[derive(Clone, Copy)]
enum Kind {
    Original,
    Noisy,
    Inverted,
}

fn picture(channels: usize, height: usize, width: usize, kind: Kind) -> PlanarImage {
    let mut image = PlanarImage::zeros(channels, height, width);
    for c in 0..channels {
        for y in 0..height {
            for x in 0..width {
                let original = (x * (5 + c) + y * 3 + ((x / 16) ^ (y / 16)) * 29) % 256;
                let code = match kind {
                    Kind::Original => original,
                    Kind::Noisy => (original * 6 + (x * 31 + y * 17 + c * 53) % 97 * 2) / 8,
                    Kind::Inverted => 255 - original,
                };
                image.data[(c * height + y) * width + x] = code as f32 / 255.0;
            }
        }
    }
    image
}

#[track_caller]
fn assert_close(got: f64, want: f64, tolerance: f64) {
    assert!((got - want).abs() <= tolerance, "{got} is not {want}");
}

#[test]
fn agrees_with_scikit_image_and_numpy() {
    use Kind::{Inverted, Noisy};
    for (channels, height, width, kind, want_psnr, want_ssim, want_ms_ssim) in [
        (3, 187, 211, Noisy, 19.06515601390499, 0.859083957844866, Some(0.9532045171001279)),
        (3, 187, 211, Inverted, 4.76386003224397, -0.5181743012237571, Some(0.0)),
        (1, 176, 320, Noisy, 19.115222553732917, 0.8440406001363694, Some(0.9522249165472598)),
        (1, 176, 320, Inverted, 4.950766239810181, -0.48687752514932103, Some(0.0)),
        (3, 23, 40, Noisy, 19.56208825269631, 0.8510812994878009, None),
        (3, 23, 40, Inverted, 5.301626442272429, -0.5365606743675323, None),
    ] {
        let a = picture(channels, height, width, Kind::Original);
        let b = picture(channels, height, width, kind);
        let all = compare(&a, &b).unwrap();
        assert_close(all.psnr, want_psnr, 1e-9);
        assert_close(all.ssim.unwrap(), want_ssim, 2e-6);
        assert_eq!(all.ms_ssim.is_some(), want_ms_ssim.is_some());
        if let (Some(got), Some(want)) = (all.ms_ssim, want_ms_ssim) {
            assert_close(got, want, 2e-6);
            assert_eq!(ms_ssim(&a, &b).unwrap(), got);
        }
        assert_eq!((psnr(&a, &b).unwrap(), ssim(&a, &b).unwrap()), (all.psnr, all.ssim.unwrap()));
        assert_close(ssim(&b, &a).unwrap(), want_ssim, 2e-6);
    }
}

#[test]
fn identical_pictures() {
    let a = picture(3, 180, 177, Kind::Original);
    let all = compare(&a, &a).unwrap();
    assert_eq!((all.psnr, all.ssim, all.ms_ssim), (f64::INFINITY, Some(1.0), Some(1.0)));
}

#[test]
fn a_known_error() {
    let black = PlanarImage::zeros(3, 4, 9);
    let gray = PlanarImage { data: vec![0.1; black.data.len()], ..black.clone() };
    assert_close(psnr(&black, &gray).unwrap(), 20.0, 1e-6);
    assert!(
        psnr(&black, &PlanarImage { data: vec![f32::NAN; black.data.len()], ..black.clone() })
            .unwrap()
            .is_nan()
    );
}

#[test]
fn pictures_that_cannot_be_compared() {
    let a = PlanarImage::zeros(3, 175, 200);
    let shape = psnr(&a, &PlanarImage::zeros(1, 175, 200)).unwrap_err();
    assert_eq!(shape.to_string(), "the pictures differ in size: 3 channels of 200x175 against 1 of 200x175");
    let small = ms_ssim(&a, &a).unwrap_err();
    assert!(matches!(small, MetricError::TooSmall { minimum: 176, .. }), "{small:?}");
    assert_eq!(small.to_string(), "MS-SSIM needs pictures of at least 176x176 pixels, these are 200x175");
    let tiny = PlanarImage::zeros(3, 10, 200);
    assert!(matches!(ssim(&tiny, &tiny), Err(MetricError::TooSmall { minimum: 11, .. })));
    let all = compare(&tiny, &tiny).unwrap();
    assert_eq!((all.psnr, all.ssim, all.ms_ssim), (f64::INFINITY, None, None));
    let short = PlanarImage { data: vec![0.0; 5], ..tiny.clone() };
    assert!(matches!(compare(&tiny, &short), Err(MetricError::Picture(_))));
}

#[test]
fn mean_squared_error_by_hand() {
    let picture = |data: [f32; 4]| PlanarImage::from_data(1, 2, 2, data.to_vec()).unwrap();
    let (a, b) = (picture([0.0, 0.5, 1.0, 0.25]), picture([0.5, 0.5, 0.75, 0.25]));
    assert_eq!(mse(&a, &b), Ok(0.078_125));
    assert_eq!(mse(&a, &a), Ok(0.0));
    assert!((psnr(&a, &b).unwrap() - 11.072_1).abs() < 1e-4);
    assert!(mse(&a, &PlanarImage::zeros(1, 2, 3)).is_err());
}
