//! Each half of a chain against zscale: frame to RGB, and RGB to frame.

use pegbar_frame::{Colour, Frame, PixelFormat, PlanarImage, frame_to_rgb, rgb_to_frame};

use super::{
    code_difference, format, locations, matrices_and_ranges, random_frame, zscale_from_rgb, zscale_to_rgb,
};
use crate::process::is_missing;

fn largest_difference(a: &PlanarImage, b: &PlanarImage) -> f32 {
    assert_eq!(a.data.len(), b.data.len());
    a.data.iter().zip(&b.data).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// Bounds: float against float, a few ulps; code against code, equal but for samples within an ulp of a half.
#[track_caller]
fn assert_like_zscale(format: PixelFormat, colours: &[Colour]) {
    let frame = random_frame(format, Colour::default(), 31);
    for (colour, reference) in colours.iter().zip(zscale_to_rgb(&frame, colours)) {
        let (rgb, _) = frame_to_rgb(&Frame { colour: colour.clone(), ..frame.clone() }).unwrap();
        let worst = largest_difference(&rgb, &reference);
        assert!(worst < 1e-6, "{format} {colour:?} to RGB: {worst}");
    }
    let rgb = [frame_to_rgb(&random_frame(PixelFormat::GBRP16, Colour::default(), 13)).unwrap().0];
    for (colour, reference) in colours.iter().zip(zscale_from_rgb(&rgb, format, colours)) {
        let ours = rgb_to_frame(&rgb[0], None, format, colour, 0).unwrap();
        let (worst, share) = code_difference(&ours, &reference[0]);
        assert!(worst <= 1 && share < 0.01, "{format} {colour:?} from RGB: {worst} in {share}");
    }
}

#[test]
fn every_matrix_and_range() {
    if is_missing("colour against zscale, matrix and range") {
        return;
    }
    for name in ["yuv444p", "yuv444p10le", "yuv444p16le", "yuv420p", "yuv422p12le"] {
        assert_like_zscale(format(name), &matrices_and_ranges());
    }
}

#[test]
fn every_chroma_location() {
    if is_missing("colour against zscale, chroma location") {
        return;
    }
    for name in ["yuv420p", "yuv420p10le", "yuv422p", "yuv411p", "yuv440p"] {
        assert_like_zscale(format(name), &locations());
    }
}
