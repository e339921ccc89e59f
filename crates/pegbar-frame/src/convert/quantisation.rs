//! Codes of a given depth and range to real samples and back (H.273, section 8.3).

use crate::{PixelFormat, Range};

use super::Dither;

/// How the codes of one plane mean samples: `sample = (code - zero) / span`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Quantisation {
    /// The code of 0.
    zero: f32,
    /// Codes from 0 to 1.
    span: f32,
    /// The largest code the depth has.
    max_code: f32,
    two_bytes: bool,
}

impl Quantisation {
    /// Luma, gray, red, green, blue: 0 is black, 1 is white.
    pub(super) fn luma(format: PixelFormat, range: Range) -> Self {
        let unit = (1u32 << (format.depth_bits - 8)) as f32;
        match range {
            Range::Limited => Self::new(format, 16.0 * unit, 219.0 * unit),
            Range::Full => Self::new(format, 0.0, format.max_code() as f32),
        }
    }

    /// Colour differences: -0.5 to 0.5 around the middle code.
    pub(super) fn chroma(format: PixelFormat, range: Range) -> Self {
        let unit = (1u32 << (format.depth_bits - 8)) as f32;
        match range {
            Range::Limited => Self::new(format, 128.0 * unit, 224.0 * unit),
            Range::Full => Self::new(format, 128.0 * unit, format.max_code() as f32),
        }
    }

    /// Alpha: always the whole range, whatever the colour says.
    pub(super) fn alpha(format: PixelFormat) -> Self {
        Self::luma(format, Range::Full)
    }

    fn new(format: PixelFormat, zero: f32, span: f32) -> Self {
        let max_code = format.max_code() as f32;
        Self { zero, span, max_code, two_bytes: format.bytes_per_sample() == 2 }
    }

    /// Samples of one row. Nothing is clamped: foot- and headroom codes give samples outside `0..=1`.
    pub(super) fn decode_row(&self, codes: &[u8], out: &mut [f32]) {
        // A true division, so that the sample is the nearest f32 to the real quotient.
        let (zero, span) = (self.zero, self.span);
        if self.two_bytes {
            for (sample, code) in out.iter_mut().zip(codes.chunks_exact(2)) {
                *sample = (f32::from(u16::from_le_bytes([code[0], code[1]])) - zero) / span;
            }
        } else {
            for (sample, &code) in out.iter_mut().zip(codes) {
                *sample = (f32::from(code) - zero) / span;
            }
        }
    }

    /// Codes of row `y`: rounded half up, or dithered; clamped to the codes the depth has (so foot- and
    /// headroom survive), NaN to 0.
    pub(super) fn encode_row(&self, samples: &[f32], y: usize, dither: Dither, codes: &mut [u8]) {
        let thresholds = dither.thresholds(y);
        if self.two_bytes {
            self.encode_blocks::<2>(samples, thresholds, codes, |code| (code as u16).to_le_bytes());
        } else {
            self.encode_blocks::<1>(samples, thresholds, codes, |code| [code as u8]);
        }
    }

    fn encode_blocks<const BYTES: usize>(
        &self,
        samples: &[f32],
        thresholds: [f32; 8],
        codes: &mut [u8],
        to_bytes: impl Fn(u32) -> [u8; BYTES],
    ) {
        let Self { zero, span, max_code, .. } = *self;
        let code = |sample: f32, threshold: f32| {
            // Written so that each line is an instruction or two for a whole vector. NaN fails the comparison.
            let value = sample * span + zero;
            let value = if value > 0.0 { value } else { 0.0 };
            let value = if value < max_code { value } else { max_code };
            // The threshold is under 1, so the result cannot pass `max_code`.
            floor(value + threshold)
        };
        let (code_blocks, codes_rest) = codes.as_chunks_mut::<BYTES>();
        debug_assert!(codes_rest.is_empty());
        let (samples8, samples_rest) = samples.as_chunks::<8>();
        let (codes8, codes_rest) = code_blocks.as_chunks_mut::<8>();
        for (samples, codes) in samples8.iter().zip(codes8) {
            for i in 0..8 {
                codes[i] = to_bytes(code(samples[i], thresholds[i]));
            }
        }
        for ((&sample, bytes), threshold) in samples_rest.iter().zip(codes_rest).zip(thresholds) {
            *bytes = to_bytes(code(sample, threshold));
        }
    }
}

/// The low 16 bits are those of the largest integer that is not above `value`, which is in `0.0..65536.5`. A cast would
/// look after values that do not fit, at twice the price.
fn floor(value: f32) -> u32 {
    /// From here to its double, neighbouring floats are 1 apart.
    const WHOLE: f32 = (1 << 23) as f32;
    let nearest = value + WHOLE;
    nearest.to_bits().wrapping_sub(u32::from(nearest - WHOLE > value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_goes_round_at_every_depth() {
        for depth in [8, 9, 10, 12, 14, 16] {
            let format = PixelFormat::yuv(depth, 0, 0);
            for range in [Range::Limited, Range::Full] {
                for q in [Quantisation::luma(format, range), Quantisation::chroma(format, range)] {
                    for dither in [Dither::None, Dither::Ordered] {
                        let codes: Vec<u8> = match depth {
                            8 => (0..=255).collect(),
                            _ => (0..=format.max_code() as u16).flat_map(u16::to_le_bytes).collect(),
                        };
                        let mut samples = vec![0.0; codes.len() / format.bytes_per_sample()];
                        q.decode_row(&codes, &mut samples);
                        let mut back = vec![0; codes.len()];
                        q.encode_row(&samples, 3, dither, &mut back);
                        assert_eq!(back, codes, "{depth} bits {range:?} {dither:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn anchors_of_the_ranges() {
        let mut out = [0.0; 3];
        Quantisation::luma(PixelFormat::GRAY8, Range::Limited).decode_row(&[16, 235, 0], &mut out);
        assert_eq!(out, [0.0, 1.0, -16.0 / 219.0]);
        Quantisation::chroma(PixelFormat::YUV420P, Range::Limited).decode_row(&[16, 128, 240], &mut out);
        assert_eq!(out, [-0.5, 0.0, 0.5]);
        let mut ten = [0.0; 2];
        let codes: Vec<u8> = [64u16, 940].into_iter().flat_map(u16::to_le_bytes).collect();
        Quantisation::luma(PixelFormat::YUV420P10, Range::Limited).decode_row(&codes, &mut ten);
        assert_eq!(ten, [0.0, 1.0]);
    }

    #[test]
    fn halves_round_up_and_nothing_leaves_the_codes() {
        let q = Quantisation::luma(PixelFormat::GRAY8, Range::Full);
        let samples = [
            0.5 / 255.0,
            1.5 / 255.0,
            2.499 / 255.0,
            -9.0,
            9.0,
            f32::NAN,
            f32::INFINITY,
            f32::NEG_INFINITY,
            1.0,
        ];
        let mut codes = [7; 9];
        q.encode_row(&samples, 0, Dither::None, &mut codes);
        assert_eq!(codes, [1, 2, 2, 0, 255, 0, 255, 0, 255]);
        q.encode_row(&samples, 0, Dither::Ordered, &mut codes);
        assert_eq!(codes[3..], [0, 255, 0, 255, 0, 255]);
    }

    #[test]
    fn floor_is_that_of_the_standard_library() {
        let whole = (0..65536).map(|n| n as f32);
        for n in whole.chain([65535.996, 0.49999997, 0.99999994, 8191.9995]) {
            for value in [n, n + 0.25, n + 0.5, n + 0.75, n.next_up(), n.next_down().max(0.0)] {
                assert_eq!(floor(value) & 0xffff, value.floor() as u32 & 0xffff, "{value}");
            }
        }
    }
}
