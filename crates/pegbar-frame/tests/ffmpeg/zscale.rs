//! Colour conversion against zimg, ffmpeg's zscale filter.

use pegbar_frame::{
    ChromaLocation, Colour, Frame, Matrix, PixelFormat, PlanarImage, Range, frame_to_rgb, rgb_to_frame,
};

use crate::process::{convert_all, is_missing, noise};

const SIZE: (usize, usize) = (64, 48);

/// With the H.273 code, for zscale has no name, or a misspelt one, for some.
const MATRICES: [(Matrix, u8); 6] = [
    (Matrix::Bt709, 1),
    (Matrix::Fcc, 4),
    (Matrix::Bt470bg, 5),
    (Matrix::Smpte170m, 6),
    (Matrix::Smpte240m, 7),
    (Matrix::Bt2020Ncl, 9),
];

/// Every matrix in both ranges, chroma left.
fn matrices_and_ranges() -> Vec<Colour> {
    let both =
        |matrix| [Range::Limited, Range::Full].map(|range| colour(matrix, range, ChromaLocation::Left));
    MATRICES.iter().flat_map(|&(matrix, _)| both(matrix)).collect()
}

/// BT.709 limited with every chroma location.
fn locations() -> Vec<Colour> {
    ChromaLocation::ALL.map(|location| colour(Matrix::Bt709, Range::Limited, location)).to_vec()
}

fn colour(matrix: Matrix, range: Range, location: ChromaLocation) -> Colour {
    Colour { matrix: Some(matrix), range: Some(range), chroma_location: Some(location), ..Colour::default() }
}

/// zscale's matrix, range and chroma location options with `in` or nothing appended to their names.
fn zscale_options(colour: &Colour, direction: &str) -> String {
    let (matrix, range) = (colour.matrix.unwrap(), colour.range.unwrap());
    let code = MATRICES.iter().find(|(m, _)| *m == matrix).unwrap().1;
    let range = if range == Range::Full { "full" } else { "limited" };
    let location = colour.chroma_location.unwrap().ffmpeg_name();
    format!("matrix{direction}={code}:range{direction}={range}:chromal{direction}={location}")
}

/// Random codes, all that the depth has.
fn random_frame(format: PixelFormat, colour: Colour, seed: u32) -> Frame {
    let mut bytes = noise(format.frame_bytes(SIZE.0, SIZE.1), seed);
    if format.depth_bits > 8 {
        for code in bytes.chunks_exact_mut(2) {
            code[1] &= (format.max_code() >> 8) as u8;
        }
    }
    Frame::from_bytes(format, SIZE.0, SIZE.1, 0, colour, &bytes).unwrap()
}

fn bytes_of(frame: &Frame) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame.write_bytes(&mut bytes);
    bytes
}

/// To float RGB, nothing clamped; to be followed by the options of the YUV side.
const TO_RGB: &str = "zscale=matrix=gbr:range=full:filter=bilinear:dither=none";
/// From float RGB.
const FROM_RGB: &str = "zscale=matrixin=gbr:rangein=full:filter=bilinear:dither=none";

/// What zscale makes of a YUV frame, for each meaning of its codes.
fn zscale_to_rgb(frame: &Frame, colours: &[Colour]) -> Vec<PlanarImage> {
    let ways =
        colours.iter().map(|c| (format!("{TO_RGB}:{}", zscale_options(c, "in")), "gbrpf32le".to_owned()));
    let out =
        convert_all(&bytes_of(frame), SIZE, &frame.format.ffmpeg_name(), &ways.collect::<Vec<_>>()).unwrap();
    let image = |bytes: Vec<u8>| {
        let samples: Vec<f32> =
            bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        let n = SIZE.0 * SIZE.1;
        let data = [&samples[2 * n..], &samples[..n], &samples[n..2 * n]].concat();
        PlanarImage::from_data(3, SIZE.1, SIZE.0, data).unwrap()
    };
    out.into_iter().map(image).collect()
}

/// What zscale makes of float RGB, for each colour wanted.
fn zscale_to_yuv(image: &PlanarImage, format: PixelFormat, colours: &[Colour]) -> Vec<Frame> {
    let ways =
        colours.iter().map(|c| (format!("{FROM_RGB}:{}", zscale_options(c, "")), format.ffmpeg_name()));
    let planes = [image.plane(1), image.plane(2), image.plane(0)].concat();
    let bytes: Vec<u8> = planes.iter().flat_map(|s| s.to_le_bytes()).collect();
    let out = convert_all(&bytes, SIZE, "gbrpf32le", &ways.collect::<Vec<_>>()).unwrap();
    out.iter()
        .map(|bytes| Frame::from_bytes(format, SIZE.0, SIZE.1, 0, Colour::default(), bytes).unwrap())
        .collect()
}

fn largest_difference(a: &PlanarImage, b: &PlanarImage) -> f32 {
    assert_eq!(a.data.len(), b.data.len());
    a.data.iter().zip(&b.data).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

fn codes(frame: &Frame) -> Vec<u32> {
    let bytes = bytes_of(frame);
    match frame.format.bytes_per_sample() {
        1 => bytes.into_iter().map(u32::from).collect(),
        _ => bytes.chunks_exact(2).map(|b| u32::from(u16::from_le_bytes([b[0], b[1]]))).collect(),
    }
}

/// The largest difference in codes, and the share of codes that differ.
fn code_difference(a: &Frame, b: &Frame) -> (u32, f64) {
    let (a, b) = (codes(a), codes(b));
    assert_eq!(a.len(), b.len());
    let differences: Vec<u32> = a.iter().zip(&b).map(|(a, b)| a.abs_diff(*b)).collect();
    let share = differences.iter().filter(|&&d| d > 0).count() as f64 / a.len() as f64;
    (differences.into_iter().max().unwrap_or(0), share)
}

fn random_rgb(seed: u32) -> PlanarImage {
    frame_to_rgb(&random_frame(PixelFormat::GBRP16, Colour::default(), seed)).unwrap().0
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
    let rgb = random_rgb(13);
    for (colour, reference) in colours.iter().zip(zscale_to_yuv(&rgb, format, colours)) {
        let ours = rgb_to_frame(&rgb, None, format, colour, 0).unwrap();
        let (worst, share) = code_difference(&ours, &reference);
        assert!(worst <= 1 && share < 0.01, "{format} {colour:?} from RGB: {worst} in {share}");
    }
}

#[test]
fn every_matrix_and_range() {
    if is_missing("colour against zscale, matrix and range") {
        return;
    }
    for format in ["yuv444p", "yuv444p10le", "yuv444p16le", "yuv420p", "yuv422p12le"] {
        assert_like_zscale(PixelFormat::from_ffmpeg(format).unwrap(), &matrices_and_ranges());
    }
}

#[test]
fn every_chroma_location() {
    if is_missing("colour against zscale, chroma location") {
        return;
    }
    for format in ["yuv420p", "yuv420p10le", "yuv422p", "yuv411p", "yuv440p"] {
        assert_like_zscale(PixelFormat::from_ffmpeg(format).unwrap(), &locations());
    }
}

#[test]
fn to_rgb_and_back() {
    if is_missing("colour against zscale, there and back") {
        return;
    }
    for (format, tolerance) in [
        ("yuv420p", 1),
        ("yuv422p", 1),
        ("yuv444p", 0),
        ("yuv411p", 1),
        ("yuv420p10le", 1),
        ("yuv422p10le", 1),
    ] {
        let format = PixelFormat::from_ffmpeg(format).unwrap();
        let colours = [matrices_and_ranges(), locations()].concat();
        let frame = random_frame(format, Colour::default(), 71);
        let there_and_back = |c: &Colour| {
            let (there, back) = (zscale_options(c, "in"), zscale_options(c, ""));
            (format!("{TO_RGB}:{there},format=gbrpf32le,{FROM_RGB}:{back}"), format.ffmpeg_name())
        };
        let ways: Vec<_> = colours.iter().map(there_and_back).collect();
        let references = convert_all(&bytes_of(&frame), SIZE, &format.ffmpeg_name(), &ways).unwrap();
        for (colour, reference) in colours.iter().zip(references) {
            let frame = Frame { colour: colour.clone(), ..frame.clone() };
            let (rgb, _) = frame_to_rgb(&frame).unwrap();
            let ours = rgb_to_frame(&rgb, None, format, colour, 0).unwrap();
            let reference = Frame::from_bytes(format, SIZE.0, SIZE.1, 0, colour.clone(), &reference).unwrap();
            let (worst, share) = code_difference(&ours, &reference);
            // With left siting an eighth of the chroma samples come back on an exact half, which we round up
            // and zimg to even.
            assert!(worst <= tolerance && share < 0.06, "{format} {colour:?}: {worst} in {share}");
        }
    }
}
