//! Whole chains against zscale: a frame to RGB, and the RGB to a frame that may differ in matrix, range, subsampling,
//! chroma location and depth.

use pegbar_frame::{
    ChromaLocation, Colour, Frame, Matrix, PixelFamily, PixelFormat, Range, frame_to_rgb, rgb_to_frame,
};

use super::{
    SIZE, StandIn, bytes_of, code_difference, colour, format, locations, matrices_and_ranges, random_frame,
    zscale_from_rgb, zscale_to_rgb,
};
use crate::process::{convert_all, is_missing};

/// Codes between our end of a chain and zscale's, at any depth.
const TOLERANCE: u32 = 1;
/// The share of codes that may differ by that much: those that rounding in `f32` moves across a half.
const FEW: f64 = 0.02;
/// The same where values stand on a half exactly, of which zimg rounds every other one down: between depths of one
/// matrix, and where chroma is halfway between codes.
const HALVES: f64 = 0.4;

/// A format and what its codes may mean.
struct Side {
    format: PixelFormat,
    colours: Vec<Colour>,
}

impl Side {
    fn each(&self) -> impl Iterator<Item = (PixelFormat, &Colour)> {
        self.colours.iter().map(|colour| (self.format, colour))
    }
}

fn assert_like_zscale(
    made: &Frame,
    reference: &Frame,
    source: (PixelFormat, &Colour),
    target: (PixelFormat, &Colour),
) {
    let (worst, share) = code_difference(made, reference);
    let most = if mixes_channels(source, target) { FEW } else { HALVES };
    assert!(
        worst <= TOLERANCE && share < most,
        "{} {:?} -> {} {:?}: {worst} in {share}",
        source.0,
        source.1,
        target.0,
        target.1
    );
}

/// Whether YUV goes to YUV of other luma weights.
fn mixes_channels(source: (PixelFormat, &Colour), target: (PixelFormat, &Colour)) -> bool {
    let weights = |(format, colour): (PixelFormat, &Colour)| match (format.family, colour.matrix) {
        (PixelFamily::Yuv, Some(matrix)) => matrix.luma_weights(),
        _ => None,
    };
    weights(source).zip(weights(target)).is_some_and(|(a, b)| a != b)
}

/// Every source with every target. The pictures are noise of all codes: nothing is harder for filters and clipping.
fn assert_chains(sides: &[Side]) {
    let (mut ours, mut references) = (Vec::new(), Vec::new());
    for (seed, side) in (71..).zip(sides) {
        let frame = random_frame(side.format, Colour::default(), seed);
        references.extend(zscale_to_rgb(&frame, &side.colours));
        ours.extend(
            side.each().map(|(_, colour)| {
                frame_to_rgb(&Frame { colour: colour.clone(), ..frame.clone() }).unwrap().0
            }),
        );
    }
    for side in sides {
        let frames = zscale_from_rgb(&references, side.format, &side.colours);
        for (target, references) in side.each().zip(frames) {
            assert_eq!(references.len(), ours.len());
            let sources = sides.iter().flat_map(Side::each);
            for ((image, reference), source) in ours.iter().zip(&references).zip(sources) {
                let made = rgb_to_frame(image, None, target.0, target.1, 0).unwrap();
                assert_like_zscale(&made, reference, source, target);
            }
        }
    }
}

/// Every subsampling that ffmpeg has at the depth, and gray, with every meaning.
fn subsamplings(depth_bits: u8) -> impl Iterator<Item = Side> {
    let yuv = [(1, 1), (1, 0), (0, 0), (0, 1), (2, 0)].map(|(w, h)| PixelFormat::yuv(depth_bits, w, h));
    let formats = yuv.into_iter().chain([PixelFormat::gray(depth_bits)]).filter(PixelFormat::is_supported);
    formats.map(|format| Side { format, colours: matrices_and_ranges() })
}

/// RGB in full range, the only one in which zscale takes it.
fn rgb(depth_bits: u8) -> Side {
    let full = colour(Matrix::Rgb, Range::Full, ChromaLocation::Left);
    Side { format: PixelFormat::rgb(depth_bits), colours: vec![full] }
}

#[test]
fn every_pair_of_matrix_range_and_subsampling() {
    if is_missing("chains against zscale, matrix, range, subsampling") {
        return;
    }
    let sides: Vec<Side> = subsamplings(8).chain(subsamplings(10)).chain([rgb(8), rgb(10)]).collect();
    assert_chains(&sides);
}

#[test]
fn every_pair_of_chroma_locations() {
    if is_missing("chains against zscale, chroma location") {
        return;
    }
    let names = ["yuv420p", "yuv420p10le", "yuv422p", "yuv411p", "yuv440p"];
    let sides = names.map(|name| Side { format: format(name), colours: locations() });
    assert_chains(&sides);
}

#[test]
fn every_pair_of_depths() {
    if is_missing("chains against zscale, depth") {
        return;
    }
    let two = || {
        [(Matrix::Bt709, Range::Limited), (Matrix::Bt2020Ncl, Range::Full)]
            .map(|(matrix, range)| colour(matrix, range, ChromaLocation::Left))
            .to_vec()
    };
    let sides: Vec<Side> = [8, 9, 10, 12, 14, 16]
        .into_iter()
        .flat_map(|depth| {
            let formats =
                [PixelFormat::gray(depth), PixelFormat::yuv(depth, 1, 1), PixelFormat::yuv(depth, 0, 0)];
            formats.map(|format| Side { format, colours: two() }).into_iter().chain([rgb(depth)])
        })
        .collect();
    assert_chains(&sides);
}

/// zscale's own way from codes to codes. Where the luma weights do not change, it does without RGB, and chroma that need
/// not change is not resampled; so those chains are compared above only.
#[test]
fn zscale_in_one_step() {
    if is_missing("chains against zscale in one step") {
        return;
    }
    let names = [
        "yuv420p",
        "yuv422p",
        "yuv444p",
        "yuv440p",
        "yuv411p",
        "yuv420p10le",
        "yuv422p10le",
        "yuv444p10le",
        "yuv420p16le",
    ];
    let formats = names.map(format);
    let colours = matrices_and_ranges();
    let pairs = || colours.iter().flat_map(|a| colours.iter().map(move |b| (a, b)));
    for (i, source) in formats.into_iter().enumerate() {
        // Target formats by turns: each meets each source format with a dozen pairs of colours.
        let targets = formats.into_iter().cycle().skip(i);
        let chains: Vec<_> = pairs()
            .zip(targets)
            .map(|((a, b), target)| ((source, a), (target, b)))
            .filter(|&(a, b)| mixes_channels(a, b))
            .collect();
        let ways: Vec<_> = chains
            .iter()
            .map(|(a, b)| {
                let (there, back) = (StandIn::of(a.0).options(a.1, "in"), StandIn::of(b.0).options(b.1, ""));
                (format!("zscale=filter=bilinear:dither=none:{there}:{back}"), b.0.ffmpeg_name())
            })
            .collect();
        let frame = random_frame(source, Colour::default(), 5);
        let references = convert_all(&bytes_of(&frame), SIZE, &source.ffmpeg_name(), &ways).unwrap();
        for ((source, target), reference) in chains.into_iter().zip(references) {
            let (image, _) = frame_to_rgb(&Frame { colour: source.1.clone(), ..frame.clone() }).unwrap();
            let made = rgb_to_frame(&image, None, target.0, target.1, 0).unwrap();
            let reference =
                Frame::from_bytes(target.0, SIZE.0, SIZE.1, 0, target.1.clone(), &reference).unwrap();
            assert_like_zscale(&made, &reference, source, target);
        }
    }
}
