//! Conversion between frames and samples: exact round trips, known colours, siting when the size changes.
#![allow(clippy::unwrap_used, reason = "functions that tests call are tests too")]

use pegbar_frame::{
    ChromaLocation, Colour, Filter, Frame, Matrix, PixelFormat, PlanarImage, Range, frame_to_rgb, resize,
    rgb_to_frame,
};

const MATRICES: [Matrix; 6] =
    [Matrix::Bt709, Matrix::Fcc, Matrix::Bt470bg, Matrix::Smpte170m, Matrix::Smpte240m, Matrix::Bt2020Ncl];
const RANGES: [Range; 2] = [Range::Limited, Range::Full];

fn colour(matrix: Matrix, range: Range) -> Colour {
    Colour { matrix: Some(matrix), range: Some(range), ..Colour::default() }
}

fn code_at(frame: &Frame, plane: usize, x: usize, y: usize) -> u32 {
    let p = &frame.planes[plane];
    let i = y * p.width + x;
    match frame.format.bytes_per_sample() {
        1 => u32::from(p.data[i]),
        _ => u32::from(u16::from_le_bytes([p.data[2 * i], p.data[2 * i + 1]])),
    }
}

fn frame_of(
    format: PixelFormat,
    width: usize,
    height: usize,
    colour: Colour,
    code: impl Fn(usize, usize, usize) -> u32,
) -> Frame {
    let mut bytes = Vec::new();
    for plane in 0..format.n_planes() {
        let (w, h) = format.plane_size(plane, width, height);
        for y in 0..h {
            for x in 0..w {
                bytes.extend_from_slice(
                    &(code(plane, x, y) as u16).to_le_bytes()[..format.bytes_per_sample()],
                );
            }
        }
    }
    Frame::from_bytes(format, width, height, 0, colour, &bytes).unwrap()
}

fn solid(r: f32, g: f32, b: f32, width: usize, height: usize) -> PlanarImage {
    let mut image = PlanarImage::zeros(3, height, width);
    for (channel, sample) in [r, g, b].into_iter().enumerate() {
        image.plane_mut(channel).fill(sample);
    }
    image
}

#[test]
fn colour_bars_have_the_published_codes() {
    // 75 % bars at 8 bits, limited: BT.601 from SMPTE EG 1, BT.709 from SMPTE RP 219.
    let cases = [
        (Matrix::Smpte170m, [0.75, 0.75, 0.0], [162, 44, 142]),
        (Matrix::Smpte170m, [0.75, 0.0, 0.75], [84, 184, 198]),
        (Matrix::Bt709, [0.75, 0.75, 0.0], [168, 44, 136]),
        (Matrix::Bt709, [0.0, 0.75, 0.75], [145, 147, 44]),
        (Matrix::Bt709, [0.75, 0.0, 0.0], [51, 109, 212]),
        (Matrix::Bt709, [1.0, 1.0, 1.0], [235, 128, 128]),
    ];
    for (matrix, [r, g, b], codes) in cases {
        let colour = colour(matrix, Range::Limited);
        let frame = rgb_to_frame(&solid(r, g, b, 5, 3), None, PixelFormat::YUV420P, &colour, 9).unwrap();
        let got = [0, 1, 2].map(|plane| code_at(&frame, plane, 0, 0));
        assert_eq!(got, codes, "{matrix:?} {r} {g} {b}");
        assert_eq!((frame.pts, &frame.colour), (9, &colour));
    }
}

#[test]
fn every_yuv444_code_triple_goes_round() {
    // 64 x 64 chroma codes and 32 luma codes of each depth, edges and out-of-gamut corners among them.
    for depth in [8, 9, 10, 12, 14, 16] {
        let format = PixelFormat::yuv(depth, 0, 0);
        let max = format.max_code() as usize;
        for matrix in MATRICES {
            for range in RANGES {
                let frame = frame_of(format, 64 * 32, 64, colour(matrix, range), |plane, x, y| {
                    (match plane {
                        0 => (x / 64) * max / 31,
                        1 => (x % 64) * max / 63,
                        _ => y * max / 63,
                    }) as u32
                });
                let (rgb, alpha) = frame_to_rgb(&frame).unwrap();
                assert!(alpha.is_none());
                let back = rgb_to_frame(&rgb, None, format, &frame.colour, 0).unwrap();
                assert!(back == frame, "{format} {matrix:?} {range:?}");
            }
        }
    }
}

#[test]
fn flat_colours_go_round_in_any_format() {
    for format in PixelFormat::all() {
        let max = format.max_code();
        for matrix in MATRICES {
            for range in RANGES {
                for location in ChromaLocation::ALL {
                    let colour = Colour { chroma_location: Some(location), ..colour(matrix, range) };
                    for codes in
                        [[0, 0, max], [max / 3, max / 5, max / 2 + 7], [max, max / 2, 1], [max / 2; 3]]
                    {
                        let frame = frame_of(format, 9, 7, colour.clone(), |plane, _, _| {
                            *codes.get(plane).unwrap_or(&max)
                        });
                        let (rgb, alpha) = frame_to_rgb(&frame).unwrap();
                        let back = rgb_to_frame(&rgb, alpha.as_ref(), format, &colour, 0).unwrap();
                        assert!(back == frame, "{format} {matrix:?} {range:?} {location:?} {codes:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn chroma_stays_in_place_when_the_picture_grows() {
    // A picture whose colours are linear in the pixel position, before and after doubling: whatever the siting,
    // filters that keep ramps must put every chroma code of the large frame where the large ramp has it.
    let ramp = |x: f32, y: f32| [0.4 + 0.004 * x, 0.5 - 0.003 * y, 0.45 + 0.002 * x + 0.002 * y];
    let ramp_image = |width: usize, height: usize, step: f32| {
        let mut image = PlanarImage::zeros(3, height, width);
        for y in 0..height {
            for x in 0..width {
                let at = |i: usize| (i as f32 + 0.5) * step;
                for (channel, sample) in ramp(at(x), at(y)).into_iter().enumerate() {
                    image.plane_mut(channel)[y * width + x] = sample;
                }
            }
        }
        image
    };
    for location in ChromaLocation::ALL {
        for format in
            [PixelFormat::YUV420P16, PixelFormat::YUV422P16, PixelFormat::YUV420P, PixelFormat::YUV411P]
        {
            let colour = Colour { chroma_location: Some(location), ..colour(Matrix::Bt709, Range::Limited) };
            let small = rgb_to_frame(&ramp_image(48, 40, 1.0), None, format, &colour, 0).unwrap();
            let (rgb, _) = frame_to_rgb(&small).unwrap();
            let large = resize(&rgb, 96, 80, Filter::Bilinear).unwrap();
            let large = rgb_to_frame(&large, None, format, &colour, 0).unwrap();
            let want = rgb_to_frame(&ramp_image(96, 80, 0.5), None, format, &colour, 0).unwrap();
            let unit = 1 << (format.depth_bits - 8);
            for plane in 0..3 {
                let (w, h) = format.plane_size(plane, 96, 80);
                let border = 24 * w / 96;
                for (x, y) in
                    (border..w - border).flat_map(|x| (20 * h / 80..h - 20 * h / 80).map(move |y| (x, y)))
                {
                    let (a, b) = (code_at(&large, plane, x, y), code_at(&want, plane, x, y));
                    // One code for the small frame's rounding at 8 bits; a mis-sited ramp is 0.1 codes a pixel
                    // off, 25 times the tolerance at 16 bits.
                    let tolerance = if unit == 1 { 1 } else { 2 };
                    assert!(
                        a.abs_diff(b) <= tolerance,
                        "{format} {location:?} plane {plane} at {x},{y}: {a} {b}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_wrong_location_is_seen() {
    let image = {
        let mut image = PlanarImage::zeros(3, 8, 32);
        for (i, sample) in image.plane_mut(0).iter_mut().enumerate() {
            *sample = (i % 32) as f32 / 32.0;
        }
        image
    };
    let at = |location| {
        let colour = Colour { chroma_location: Some(location), ..colour(Matrix::Bt709, Range::Full) };
        code_at(&rgb_to_frame(&image, None, PixelFormat::YUV420P16, &colour, 0).unwrap(), 2, 8, 2)
    };
    // Half a luma pixel of a ramp of R / 32: V moves by half of (1 - Kr) / (2 - 2 Kr) / 32 = 1/128 of full scale.
    assert_eq!(at(ChromaLocation::Center).abs_diff(at(ChromaLocation::Left)), 512);
    assert_eq!(at(ChromaLocation::Left), at(ChromaLocation::TopLeft));
}

#[test]
fn gray_and_colour_mix() {
    let tags = colour(Matrix::Bt709, Range::Limited);
    let gray = PlanarImage::from_data(1, 2, 3, vec![0.0, 0.25, 0.5, 0.75, 1.0, 1.1]).unwrap();
    let yuv = rgb_to_frame(&gray, None, PixelFormat::YUV422P10, &tags, 0).unwrap();
    assert_eq!([0, 1].map(|y| code_at(&yuv, 0, 0, y)), [64, 721]);
    assert!((0..2).all(|y| (0..2).all(|x| code_at(&yuv, 1, x, y) == 512 && code_at(&yuv, 2, x, y) == 512)));
    let rgb = rgb_to_frame(&gray, None, PixelFormat::GBRP, &Colour::default(), 0).unwrap();
    assert!(rgb.planes.iter().all(|p| p.data == [0, 64, 128, 191, 255, 255]));
    let luma = rgb_to_frame(&solid(1.0, 0.0, 0.0, 3, 2), None, PixelFormat::GRAY16, &tags, 0).unwrap();
    assert_eq!(code_at(&luma, 0, 1, 1), (4096.0 + 0.2126 * 56064.0_f64).round() as u32);
    // Untagged gray is full range, as ffmpeg's scaler has it; a tag is heeded.
    let black = Frame::zeros(PixelFormat::GRAY8, 1, 1, 0, Colour::default()).unwrap();
    assert_eq!(frame_to_rgb(&black).unwrap().0.data, [0.0]);
    let limited = Frame { colour: tags, ..black };
    assert_eq!(frame_to_rgb(&limited).unwrap().0.data, [-16.0 / 219.0]);
}

#[test]
fn rgb_planes_and_alpha_keep_their_order() {
    let frame = frame_of(PixelFormat::GBRAP, 2, 1, Colour::default(), |plane, x, _| {
        [10, 20, 30, 255][plane] - x as u32
    });
    let (rgb, alpha) = frame_to_rgb(&frame).unwrap();
    let codes: Vec<f32> = rgb.data.iter().map(|s| (s * 255.0).round()).collect();
    assert_eq!(codes, [30.0, 29.0, 10.0, 9.0, 20.0, 19.0]);
    assert_eq!(alpha.as_ref().unwrap().data, [1.0, 254.0 / 255.0]);
    let back = rgb_to_frame(&rgb, alpha.as_ref(), PixelFormat::GBRAP, &frame.colour, 0).unwrap();
    assert_eq!(back, frame);
    let opaque = rgb_to_frame(&rgb, None, PixelFormat::YUVA420P.with_depth(10), &frame.colour, 0).unwrap();
    assert_eq!(opaque.planes[3].data, [0xff, 0x03, 0xff, 0x03]);
    let dropped = rgb_to_frame(&rgb, alpha.as_ref(), PixelFormat::GBRP, &frame.colour, 0).unwrap();
    assert_eq!(dropped.planes, frame.planes[..3]);
}

#[test]
fn deeper_formats_hold_every_code() {
    for (family, range) in [PixelFormat::gray, PixelFormat::rgb, |depth| PixelFormat::yuv(depth, 0, 0)]
        .into_iter()
        .flat_map(|family| RANGES.map(|range| (family, range)))
    {
        for (shallow, deep) in [(8, 9), (8, 10), (8, 16), (9, 10), (10, 12), (12, 14), (14, 16)] {
            let max = family(shallow).max_code() as usize;
            let frame = frame_of(family(shallow), 128, 128, colour(Matrix::Bt709, range), |plane, x, y| {
                ([y * 128 + x, x * 128 + y, (x ^ y) * 128 + x][plane] % (max + 1)) as u32
            });
            let (rgb, _) = frame_to_rgb(&frame).unwrap();
            let deeper = rgb_to_frame(&rgb, None, family(deep), &frame.colour, 0).unwrap();
            let (rgb, _) = frame_to_rgb(&deeper).unwrap();
            let back = rgb_to_frame(&rgb, None, frame.format, &frame.colour, 0).unwrap();
            assert!(back == frame, "{} in {} {range:?}", family(shallow), family(deep));
        }
    }
}

#[test]
fn hdr_signals_stay_encoded() {
    // PQ and HLG codes are what is handed on: the same samples as of any other transfer, nothing clamped, and the
    // same codes and tags back. Codes 64 and 940 are 0 and 1 of the signal, 1023 is headroom.
    let sdr = Colour { primaries: Some("bt2020".to_owned()), ..colour(Matrix::Bt2020Ncl, Range::Limited) };
    let frame = frame_of(PixelFormat::YUV444P10, 3, 1, sdr.clone(), |plane, x, _| match plane {
        0 => [64, 940, 1023][x],
        _ => 512,
    });
    let (want, _) = frame_to_rgb(&frame).unwrap();
    assert_eq!(want.plane(1), [0.0, 1.0, 959.0 / 876.0]);
    for transfer in ["smpte2084", "arib-std-b67"] {
        let hdr = Colour { transfer: Some(transfer.to_owned()), ..sdr.clone() };
        let frame = Frame { colour: hdr.clone(), ..frame.clone() };
        let (samples, _) = frame_to_rgb(&frame).unwrap();
        assert_eq!(samples, want, "{transfer}");
        assert_eq!(rgb_to_frame(&samples, None, frame.format, &hdr, 0).unwrap(), frame, "{transfer}");
    }
}
