//! Dither where depth drops: no bands, no grain where there is nothing between codes, the same bits every time.
#![allow(clippy::unwrap_used, reason = "functions that tests call are tests too")]

use pegbar_frame::{
    Colour, Dither, Frame, Matrix, PixelFormat, PlanarImage, Range, frame_to_rgb, rgb_to_frame_reusing,
};

fn colour(matrix: Matrix, range: Range) -> Colour {
    Colour { matrix: Some(matrix), range: Some(range), ..Colour::default() }
}

/// A frame of more than 8 bits whose codes are those of the function by plane, column and row.
fn deep_frame(
    format: PixelFormat,
    (width, height): (usize, usize),
    colour: Colour,
    code: impl Fn(usize, usize, usize) -> u16,
) -> Frame {
    let mut frame = Frame::zeros(format, width, height, 0, colour).unwrap();
    for (i, plane) in frame.planes.iter_mut().enumerate() {
        let width = plane.width;
        for (j, bytes) in plane.data.chunks_exact_mut(2).enumerate() {
            bytes.copy_from_slice(&code(i, j % width, j / width).to_le_bytes());
        }
    }
    frame
}

/// The frame in another format, with nothing in between.
fn stored(frame: &Frame, format: PixelFormat, dither: Dither) -> Frame {
    let (image, alpha) = frame_to_rgb(frame).unwrap();
    rgb_to_frame_reusing(None, &image, alpha.as_ref(), format, &frame.colour, frame.pts, dither).unwrap()
}

/// The largest mean error over windows of 8x8 codes of a plane, in 8-bit codes, against a frame of 10 bits.
fn worst_mean_error(shallow: &Frame, deep: &Frame, plane: usize) -> f64 {
    let (a, b) = (&shallow.planes[plane], &deep.planes[plane]);
    let codes_per_code = if deep.colour.range == Some(Range::Full) { 1023.0 / 255.0 } else { 4.0 };
    let error = |x: usize, y: usize| {
        let i = y * a.width + x;
        f64::from(a.data[i])
            - f64::from(u16::from_le_bytes([b.data[2 * i], b.data[2 * i + 1]])) / codes_per_code
    };
    // Chroma next to an edge is not a ramp any more: the picture is mirrored there.
    let windows = (8..a.width - 15).flat_map(|x| (0..a.height - 7).map(move |y| (x, y)));
    windows
        .map(|(x, y)| {
            let sum: f64 =
                (x..x + 8).flat_map(|x| (y..y + 8).map(move |y| (x, y))).map(|(x, y)| error(x, y)).sum();
            (sum / 64.0).abs()
        })
        .fold(0.0, f64::max)
}

#[test]
fn a_gentle_ramp_has_no_bands() {
    // One 10-bit code every 16 columns: a step of 8 bits every 64.
    for (format, range) in [
        (PixelFormat::YUV420P10, Range::Limited),
        (PixelFormat::YUV444P10, Range::Limited),
        (PixelFormat::GRAY10, Range::Full),
        (PixelFormat::GBRP10, Range::Full),
    ] {
        let frame = deep_frame(format, (512, 32), colour(Matrix::Bt709, range), |plane, x, _| {
            400 + 40 * plane as u16 + (x / 16) as u16
        });
        let eight = format.with_depth(8);
        let dithered = stored(&frame, eight, Dither::between(format, eight));
        let rounded = stored(&frame, eight, Dither::None);
        for plane in 0..frame.planes.len() {
            let [with, without] = [&dithered, &rounded].map(|f| worst_mean_error(f, &frame, plane));
            assert!(with < 0.05, "{format} plane {plane}: {with} with dither");
            assert!(without > 0.3, "{format} plane {plane}: {without} without");
        }
    }
}

#[test]
fn dither_keeps_the_mean_of_any_fraction() {
    for fraction in 0..128 {
        let wanted = 100.0 + fraction as f32 / 128.0;
        let image = PlanarImage { width: 8, height: 8, channels: 1, data: vec![wanted / 255.0; 64] };
        let frame = rgb_to_frame_reusing(
            None,
            &image,
            None,
            PixelFormat::GRAY8,
            &Colour::default(),
            0,
            Dither::Ordered,
        );
        let sum: f32 = frame.unwrap().planes[0].data.iter().map(|&code| f32::from(code)).sum();
        assert!((sum / 64.0 - wanted).abs() <= 1.01 / 128.0, "{wanted}: {}", sum / 64.0);
    }
}

#[test]
fn flat_codes_of_the_shallow_depth_have_no_grain() {
    // In limited range every code of 8 bits is a code of any greater depth, shifted.
    for (deep, shallow) in [(9, 8), (10, 8), (12, 8), (16, 8), (12, 10), (14, 12), (16, 14)] {
        for (matrix, (log2_w, log2_h)) in [
            (Matrix::Bt709, (1, 1)),
            (Matrix::Bt2020Ncl, (1, 1)),
            (Matrix::Smpte240m, (0, 0)),
            (Matrix::Fcc, (1, 0)),
        ] {
            let (format, target) =
                (PixelFormat::yuv(deep, log2_w, log2_h), PixelFormat::yuv(shallow, log2_w, log2_h));
            for codes in [[16u16, 128, 128], [81, 90, 240], [235, 128, 128], [130, 17, 201], [16, 16, 240]] {
                let shift = |depth: u8| codes.map(|code| code << (depth - 8));
                let tags = colour(matrix, Range::Limited);
                let frame = deep_frame(format, (19, 17), tags, |plane, _, _| shift(deep)[plane]);
                let made = stored(&frame, target, Dither::between(format, target));
                for (plane, code) in made.planes.iter().zip(shift(shallow)) {
                    let bytes = code.to_le_bytes();
                    let flat =
                        plane.data.chunks_exact(target.bytes_per_sample()).all(|c| *c == bytes[..c.len()]);
                    assert!(flat, "{format} in {target} {matrix:?} {codes:?}");
                }
            }
        }
    }
}

#[test]
fn frames_do_not_depend_on_those_before() {
    let ramp = |slope: usize| {
        deep_frame(PixelFormat::YUV420P10, (75, 43), Colour::default(), |plane, x, y| {
            (300 + 50 * plane + (x * slope + y) / 7) as u16
        })
    };
    let frames: Vec<Frame> = (0..4).map(ramp).collect();
    let store = |frame: &Frame| stored(frame, PixelFormat::YUV420P, Dither::Ordered);
    let first: Vec<Frame> = frames.iter().map(store).collect();
    // Backwards, on threads of their own, each in the memory of another.
    let again: Vec<Frame> = std::thread::scope(|scope| {
        let handles: Vec<_> = frames
            .iter()
            .zip(first.iter().rev())
            .rev()
            .map(|(frame, old)| {
                scope.spawn(move || {
                    let (image, _) = frame_to_rgb(frame).unwrap();
                    let (old, format) = (Some(old.clone()), PixelFormat::YUV420P);
                    rgb_to_frame_reusing(old, &image, None, format, &frame.colour, 0, Dither::Ordered)
                        .unwrap()
                })
            })
            .collect();
        handles.into_iter().rev().map(|handle| handle.join().unwrap()).collect()
    });
    assert!(first == again);
}
