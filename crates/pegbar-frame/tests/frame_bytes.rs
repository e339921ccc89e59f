//! Frames to bytes and back in every format at odd sizes, and the sentences for what does not fit.
#![allow(clippy::unwrap_used, reason = "functions that tests call are tests too")]

use pegbar_frame::{Colour, Frame, FrameError, PixelFormat, PlanarImage, Plane, frame_to_rgb, rgb_to_frame};
use proptest::prelude::*;

fn noise(n: usize, seed: u32) -> Vec<u8> {
    let mut state = seed | 1;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 24) as u8
    })
    .take(n)
    .collect()
}

/// Random codes that the depth can hold.
fn codes(format: PixelFormat, width: usize, height: usize, seed: u32) -> Vec<u8> {
    let mut bytes = noise(format.frame_bytes(width, height), seed);
    if format.depth_bits > 8 {
        for code in bytes.chunks_exact_mut(2) {
            code[1] &= (format.max_code() >> 8) as u8;
        }
    }
    bytes
}

#[track_caller]
fn assert_goes_round(format: PixelFormat, width: usize, height: usize, seed: u32) {
    let bytes = codes(format, width, height, seed);
    let frame = Frame::from_bytes(format, width, height, 42, Colour::default(), &bytes).unwrap();
    frame.validate().unwrap();
    let mut back = vec![1, 2, 3];
    frame.write_bytes(&mut back);
    assert!(back[..3] == [1, 2, 3] && back[3..] == bytes, "{format} {width}x{height}");
    let wrong = Frame::from_bytes(format, width, height, 42, Colour::default(), &bytes[1..]).unwrap_err();
    assert!(matches!(wrong, FrameError::WrongByteCount { .. }), "{wrong:?}");

    // The samples are those of the size, and at 4:4:4 (gray and RGB too) the way back restores every code.
    let (image, alpha) = frame_to_rgb(&frame).unwrap();
    assert_eq!((image.width, image.height, alpha.is_some()), (width, height, format.alpha));
    let again = rgb_to_frame(&image, alpha.as_ref(), format, &frame.colour, frame.pts).unwrap();
    again.validate().unwrap();
    if format.log2_chroma_w + format.log2_chroma_h == 0 {
        assert!(again == frame, "{format} {width}x{height}: a code changed");
    } else {
        assert_eq!(again.planes.len(), frame.planes.len());
    }
}

#[test]
fn every_format_at_odd_sizes() {
    for (i, format) in PixelFormat::all().enumerate() {
        for (width, height) in [(1, 1), (3, 7), (7, 3), (2, 1), (1, 2), (5, 4)] {
            assert_goes_round(format, width, height, 1000 + i as u32);
        }
    }
    for format in [PixelFormat::YUV420P, PixelFormat::YUV410P, PixelFormat::YUVA444P, PixelFormat::YUV444P16]
    {
        assert_goes_round(format, 719, 405, 77);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_format_at_any_size(
        index in 0..PixelFormat::all().count(), width in 1usize..40, height in 1usize..40, seed: u32,
    ) {
        let format = PixelFormat::all().nth(index).unwrap();
        assert_goes_round(format, width, height, seed);
    }
}

#[test]
fn sentences_for_what_does_not_fit() {
    let new = |format, width, height, n: usize| {
        Frame::from_bytes(format, width, height, 0, Colour::default(), &vec![0; n]).unwrap_err().to_string()
    };
    assert_eq!(
        new(PixelFormat::YUV420P10, 3, 7, 99),
        "a 3x7 yuv420p10le picture takes 74 bytes, but 99 came"
    );
    assert_eq!(new(PixelFormat::GRAY8, 0, 7, 0), "the picture is 0x7: both sides must be at least 1 pixel");
    assert_eq!(
        new(PixelFormat::GBRP, usize::MAX, 3, 0),
        format!("a picture of {}x3 is too large to hold in memory", usize::MAX)
    );
    let odd = new(PixelFormat::yuv(11, 1, 1), 2, 2, 12);
    assert!(odd.starts_with("`yuv420p11le` is not a planar pixel format that ffmpeg knows"), "{odd}");
}

#[test]
fn frames_that_break_their_own_claim() {
    let good = Frame::zeros(PixelFormat::YUV420P, 4, 4, 0, Colour::default()).unwrap();
    let mut few = good.clone();
    few.planes.pop();
    assert_eq!(few.validate().unwrap_err().to_string(), "a yuv420p frame has 3 planes, but 2 came");
    let mut wide = good.clone();
    wide.planes[1] = Plane { width: 4, height: 2, data: vec![0; 8] };
    assert_eq!(
        frame_to_rgb(&wide).unwrap_err().to_string(),
        "plane 1 of a yuv420p frame must be 2x2 in 4 bytes, but is 4x2 in 8 bytes"
    );
    let mut taller = good;
    taller.height = 6;
    assert!(frame_to_rgb(&taller).is_err());
}

#[test]
fn samples_that_break_their_own_claim() {
    let colour = Colour::default();
    let convert = |image: &PlanarImage, alpha: Option<&PlanarImage>| {
        rgb_to_frame(image, alpha, PixelFormat::YUVA420P, &colour, 0)
    };
    let two = PlanarImage::zeros(2, 4, 4);
    assert_eq!(convert(&two, None), Err(FrameError::Channels { got: 2 }));
    let short = PlanarImage { data: vec![0.0; 7], ..PlanarImage::zeros(1, 4, 4) };
    assert_eq!(
        convert(&short, None).unwrap_err().to_string(),
        "1 channels of 4x4 take 16 samples, but 7 came"
    );
    let image = PlanarImage::zeros(3, 4, 4);
    assert_eq!(
        convert(&image, Some(&PlanarImage::zeros(1, 4, 5))).unwrap_err().to_string(),
        "the alpha plane must be 1 channel of 4x4, but is 1 of 5x4"
    );
    assert!(convert(&PlanarImage::zeros(3, 0, 4), None).is_err());
}
