//! Colour conversion against zimg, ffmpeg's zscale filter.

mod chains;
mod steps;

use pegbar_frame::{
    ChromaLocation, Colour, Frame, Matrix, PixelFamily, PixelFormat, PlanarImage, Plane, Range,
};

use crate::process::{convert_all, noise};

const SIZE: (usize, usize) = (48, 32);

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

fn format(name: &str) -> PixelFormat {
    PixelFormat::from_ffmpeg(name).unwrap()
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

/// How zscale is shown a format that it does not take.
#[derive(Clone, Copy)]
struct StandIn {
    format: PixelFormat,
    size: (usize, usize),
    /// Columns for rows.
    on_its_side: bool,
}

impl StandIn {
    /// Gray is given neutral chroma. 4:4:0 of more than 8 bits is 4:2:2 on its side.
    fn of(format: PixelFormat) -> Self {
        let on_its_side = format.depth_bits > 8 && (format.log2_chroma_w, format.log2_chroma_h) == (0, 1);
        let size = if on_its_side { (SIZE.1, SIZE.0) } else { SIZE };
        let format = match format.family {
            PixelFamily::Gray => PixelFormat::yuv(format.depth_bits, 0, 0),
            _ if on_its_side => PixelFormat { log2_chroma_w: 1, log2_chroma_h: 0, ..format },
            _ => format,
        };
        Self { format, size, on_its_side }
    }

    /// A plane as zscale is to see it, or back from there.
    fn turned(self, plane: &[u8], width: usize, sample_bytes: usize) -> Vec<u8> {
        if !self.on_its_side {
            return plane.to_vec();
        }
        let samples: Vec<&[u8]> = plane.chunks_exact(sample_bytes).collect();
        (0..width).flat_map(|x| samples.iter().skip(x).step_by(width).copied().flatten().copied()).collect()
    }

    /// zscale's matrix, range and chroma location options with `in` or nothing appended to their names.
    fn options(self, colour: &Colour, direction: &str) -> String {
        let code = match self.format.family {
            PixelFamily::Rgb => 0,
            _ => MATRICES.iter().find(|(m, _)| Some(*m) == colour.matrix).unwrap().1,
        };
        let range = if colour.range == Some(Range::Full) { "full" } else { "limited" };
        let location = match colour.chroma_location.unwrap() {
            // Left has chroma between two rows, so on its side between two columns.
            ChromaLocation::Left if self.on_its_side => ChromaLocation::Center,
            location => location,
        };
        let location = location.ffmpeg_name();
        format!("matrix{direction}={code}:range{direction}={range}:chromal{direction}={location}")
    }
}

/// To float RGB, nothing clamped; to be followed by the options of the frame's side.
const TO_RGB: &str = "zscale=matrix=gbr:range=full:filter=bilinear:dither=none";
/// From float RGB.
const FROM_RGB: &str = "zscale=matrixin=gbr:rangein=full:filter=bilinear:dither=none";

/// What zscale makes of a frame, for each meaning of its codes. Gray gives three equal channels.
fn zscale_to_rgb(frame: &Frame, colours: &[Colour]) -> Vec<PlanarImage> {
    let (format, stand_in) = (frame.format, StandIn::of(frame.format));
    let sample_bytes = format.bytes_per_sample();
    let mut bytes: Vec<u8> =
        frame.planes.iter().flat_map(|p| stand_in.turned(&p.data, p.width, sample_bytes)).collect();
    if format.family == PixelFamily::Gray {
        let neutral = (1u16 << (format.depth_bits - 1)).to_le_bytes();
        bytes.extend(neutral[..sample_bytes].repeat(2 * SIZE.0 * SIZE.1));
    }
    let way = |c: &Colour| (format!("{TO_RGB}:{}", stand_in.options(c, "in")), "gbrpf32le".to_owned());
    let ways: Vec<_> = colours.iter().map(way).collect();
    let out = convert_all(&bytes, stand_in.size, &stand_in.format.ffmpeg_name(), &ways).unwrap();
    let image = |gbr: &Vec<u8>| {
        let n = gbr.len() / 3;
        let rgb = [2, 0, 1].map(|plane| stand_in.turned(&gbr[plane * n..][..n], stand_in.size.0, 4)).concat();
        let samples = rgb.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        PlanarImage::from_data(3, SIZE.1, SIZE.0, samples).unwrap()
    };
    out.iter().map(image).collect()
}

/// What zscale makes of float RGB: for each colour wanted, a frame of each picture.
fn zscale_from_rgb(images: &[PlanarImage], format: PixelFormat, colours: &[Colour]) -> Vec<Vec<Frame>> {
    let stand_in = StandIn::of(format);
    let way = |c: &Colour| (format!("{FROM_RGB}:{}", stand_in.options(c, "")), stand_in.format.ffmpeg_name());
    let ways: Vec<_> = colours.iter().map(way).collect();
    let mut bytes = Vec::new();
    for (image, plane) in images.iter().flat_map(|image| [1, 2, 0].map(|plane| (image, plane))) {
        let plane: Vec<u8> = image.plane(plane).iter().flat_map(|s| s.to_le_bytes()).collect();
        bytes.extend(stand_in.turned(&plane, SIZE.0, 4));
    }
    let out = convert_all(&bytes, stand_in.size, "gbrpf32le", &ways).unwrap();
    let frame = |bytes: &[u8]| {
        let (width, height) = stand_in.size;
        let seen = Frame::from_bytes(stand_in.format, width, height, 0, Colour::default(), bytes).unwrap();
        let turned = |p: &Plane| stand_in.turned(&p.data, p.width, format.bytes_per_sample());
        let planes: Vec<u8> = seen.planes[..format.n_planes()].iter().flat_map(turned).collect();
        Frame::from_bytes(format, SIZE.0, SIZE.1, 0, Colour::default(), &planes).unwrap()
    };
    let n_bytes = stand_in.format.frame_bytes(SIZE.0, SIZE.1);
    out.iter().map(|bytes| bytes.chunks_exact(n_bytes).map(frame).collect()).collect()
}

fn bytes_of(frame: &Frame) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame.write_bytes(&mut bytes);
    bytes
}

fn codes(frame: &Frame) -> impl Iterator<Item = u32> + '_ {
    let n = frame.format.bytes_per_sample();
    let code = move |b: &[u8]| b.iter().rev().fold(0, |code, &byte| code << 8 | u32::from(byte));
    frame.planes.iter().flat_map(move |p| p.data.chunks_exact(n).map(code))
}

/// The largest difference in codes, and the share of codes that differ.
fn code_difference(a: &Frame, b: &Frame) -> (u32, f64) {
    assert_eq!((a.format, a.width, a.height), (b.format, b.width, b.height));
    let (mut worst, mut n_different, mut n) = (0, 0, 0);
    for (a, b) in codes(a).zip(codes(b)) {
        worst = worst.max(a.abs_diff(b));
        n_different += usize::from(a != b);
        n += 1;
    }
    (worst, n_different as f64 / n as f64)
}
