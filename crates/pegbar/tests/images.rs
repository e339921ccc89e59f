//! Still pictures through the built binary.

mod workbench;

use pegbar_frame::PlanarImage;
use pegbar_media::still::{self, Format, StillImage, WriteOptions};
use std::path::Path;
use workbench::{Desk, picture};

/// Upscales one file to another and reads the result.
fn upscale(desk: &Desk, input: &Path, output: &str, more: &[&str]) -> StillImage {
    let (ran, output) = desk.upscale(input, output, more);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    still::read(&output).expect("a readable result")
}

fn write(path: &Path, still: &StillImage) {
    let format = Format::from_path(path).expect("known extension");
    still::write(path, still, &WriteOptions::new(format, 95)).expect("written");
}

/// Mean of a plane.
fn mean(image: &PlanarImage, channel: usize) -> f32 {
    image.plane(channel).iter().sum::<f32>() / image.plane(channel).len() as f32
}

#[test]
fn every_format_in_and_out() {
    let desk = Desk::new();
    for input in ["a.png", "a.jpg", "a.webp", "a.tiff", "a.bmp"] {
        picture(&desk.at(input), 20, 14, 3);
        for output in ["b.png", "b.jpg", "b.webp", "b.tiff", "b.bmp"] {
            let still = upscale(&desk, &desk.at(input), output, &["--overwrite"]);
            assert_eq!(
                (still.image.width, still.image.height, still.image.channels),
                (40, 28, 3),
                "{input} {output}"
            );
        }
    }
}

#[test]
fn the_result_resembles_the_input() {
    let desk = Desk::new();
    picture(&desk.at("a.png"), 33, 21, 3);
    let before = still::read(&desk.at("a.png")).expect("readable").image;
    let after = upscale(&desk, &desk.at("a.png"), "b.png", &[]).image;
    for c in 0..3 {
        // The small model adds little to the enlarged input.
        assert!((mean(&before, c) - mean(&after, c)).abs() < 0.08, "channel {c}");
    }
}

#[test]
fn sixteen_bits_stay() {
    let desk = Desk::new();
    let mut image = PlanarImage::zeros(3, 8, 8);
    image.data.iter_mut().enumerate().for_each(|(i, v)| *v = 0.3 + i as f32 / 65535.0);
    write(&desk.at("deep.png"), &StillImage { image, alpha: None, depth_bits: 16, icc_profile: None });
    for output in ["deep-out.png", "deep-out.tiff"] {
        assert_eq!(upscale(&desk, &desk.at("deep.png"), output, &[]).depth_bits, 16, "{output}");
    }
}

#[test]
fn gray_stays_gray_and_alpha_is_upscaled_apart() {
    let desk = Desk::new();
    picture(&desk.at("gray.png"), 10, 12, 1);
    assert_eq!(upscale(&desk, &desk.at("gray.png"), "gray-out.png", &[]).image.channels, 1);

    // Left half opaque, right half clear; the colour is the same everywhere and must not show the edge.
    let mut alpha = PlanarImage::zeros(1, 16, 16);
    alpha.data.iter_mut().enumerate().for_each(|(i, v)| *v = if i % 16 < 8 { 1.0 } else { 0.0 });
    let image = PlanarImage { width: 16, height: 16, channels: 3, data: vec![0.5; 768] };
    write(&desk.at("alpha.png"), &StillImage { image, alpha: Some(alpha), depth_bits: 8, icc_profile: None });
    let out = upscale(&desk, &desk.at("alpha.png"), "alpha-out.png", &[]);
    let alpha = out.alpha.expect("an alpha plane");
    assert_eq!((alpha.width, alpha.height), (32, 32));
    let row = &alpha.plane(0)[16 * 32..17 * 32];
    assert!(row[4] > 0.9 && row[27] < 0.1, "{row:?}");
    let colours = &out.image.plane(0)[16 * 32 + 6..16 * 32 + 26];
    assert!(colours.iter().all(|v| (v - colours[0]).abs() < 0.02), "{colours:?}");

    let image = PlanarImage { width: 4, height: 4, channels: 3, data: vec![0.5; 48] };
    let half = PlanarImage { width: 4, height: 4, channels: 1, data: vec![128.0 / 255.0; 16] };
    write(&desk.at("flat.png"), &StillImage { image, alpha: Some(half), depth_bits: 8, icc_profile: None });
    let alpha = upscale(&desk, &desk.at("flat.png"), "flat-out.png", &[]).alpha.expect("an alpha plane");
    assert!(alpha.data.iter().all(|&v| v == 128.0 / 255.0), "a flat alpha stays as it is");
}

#[test]
fn colour_profile_is_kept() {
    let desk = Desk::new();
    // Only the header's colour space is looked at; the rest must pass through untouched.
    let mut profile: Vec<u8> = (0..600u32).map(|i| (i * 37 % 251) as u8).collect();
    profile[16..20].copy_from_slice(b"RGB ");
    let image = PlanarImage { width: 8, height: 8, channels: 3, data: vec![0.5; 192] };
    let still = StillImage { image, alpha: None, depth_bits: 8, icc_profile: Some(profile.clone()) };
    write(&desk.at("icc.png"), &still);
    for output in ["icc-out.png", "icc-out.jpg"] {
        let out = upscale(&desk, &desk.at("icc.png"), output, &[]);
        assert_eq!(out.icc_profile.as_deref(), Some(profile.as_slice()), "{output}");
    }
}

#[test]
fn camera_orientation_is_applied() {
    let desk = Desk::new();
    picture(&desk.at("plain.jpg"), 24, 16, 3);
    let jpeg = std::fs::read(desk.at("plain.jpg")).expect("read");
    // An EXIF segment with one entry: orientation 6, turned by 90 degrees.
    let exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    let mut turned = jpeg[..2].to_vec();
    turned.extend([0xff, 0xe1]);
    turned.extend((exif.len() as u16 + 2).to_be_bytes());
    turned.extend(exif);
    turned.extend(&jpeg[2..]);
    std::fs::write(desk.at("turned.jpg"), turned).expect("written");
    let out = upscale(&desk, &desk.at("turned.jpg"), "upright.png", &[]).image;
    assert_eq!((out.width, out.height), (32, 48));
    let flat = upscale(&desk, &desk.at("plain.jpg"), "flat.png", &[]).image;
    // The top left corner of the stored picture is at the top right of the upright one.
    let (stored, upright) = (flat.plane(0)[0], out.plane(0)[31]);
    assert!((stored - upright).abs() < 0.1, "{stored} {upright}");
}

#[test]
fn tiles_leave_no_trace() {
    let desk = Desk::new();
    picture(&desk.at("a.png"), 150, 97, 3);
    let whole = upscale(&desk, &desk.at("a.png"), "whole.tiff", &["--tile=off"]);
    let tiled = upscale(&desk, &desk.at("a.png"), "tiled.tiff", &["--tile=32", "--threads=1"]);
    assert_eq!(whole.image, tiled.image);
}
