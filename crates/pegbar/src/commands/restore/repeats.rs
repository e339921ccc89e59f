//! Frames that repeat the one before: cartoons are drawn on twos and threes, and what was restored once need not be again.

use pegbar_frame::Frame;
use std::str::FromStr;
use std::sync::Arc;

/// Side of the squares that a near repeat is compared in: what moves may be small.
const SQUARE: usize = 16;

/// What counts as a repeat.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Dedupe {
    /// Nothing.
    Off,
    /// The same samples.
    Exact,
    /// No square of 16x16 samples differs by more than this on average, in codes of 8 bits.
    Near(f64),
}

impl FromStr for Dedupe {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{text:?} is no way to find repeats; write exact, off, or near:1.5 (codes of 8 bits, above 0 to 32)"
            )
        };
        match text {
            "off" => Ok(Self::Off),
            "exact" => Ok(Self::Exact),
            _ => {
                let threshold: f64 =
                    text.strip_prefix("near:").ok_or_else(wrong)?.parse().map_err(|_| wrong())?;
                if threshold > 0.0 && threshold <= 32.0 { Ok(Self::Near(threshold)) } else { Err(wrong()) }
            }
        }
    }
}

impl std::fmt::Display for Dedupe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Exact => f.write_str("exact"),
            Self::Near(threshold) => write!(f, "near:{threshold}"),
        }
    }
}

/// Finds repeats.
#[derive(Debug)]
pub(crate) struct Repeats {
    dedupe: Dedupe,
    /// The last frame that repeats none: near repeats are compared with it, so that small steps do not add up unseen.
    original: Option<Arc<Frame>>,
}

impl Repeats {
    pub(crate) fn new(dedupe: Dedupe) -> Self {
        Self { dedupe, original: None }
    }

    /// Whether the next frame repeats the one before; with `anew` it counts as one that does not.
    pub(crate) fn is_repeat(&mut self, frame: &Arc<Frame>, anew: bool) -> bool {
        let is_repeat = !anew
            && self.original.as_ref().is_some_and(|original| match self.dedupe {
                Dedupe::Off => false,
                Dedupe::Exact => is_same_kind(original, frame) && original.planes == frame.planes,
                Dedupe::Near(threshold) => {
                    is_same_kind(original, frame) && is_near(original, frame, threshold)
                }
            });
        if !is_repeat && self.dedupe != Dedupe::Off {
            self.original = Some(frame.clone());
        }
        is_repeat
    }
}

fn is_same_kind(a: &Frame, b: &Frame) -> bool {
    (a.format, a.width, a.height) == (b.format, b.width, b.height)
}

fn is_near(a: &Frame, b: &Frame, threshold: f64) -> bool {
    let bytes = a.format.bytes_per_sample();
    let most = threshold * f64::from(a.format.max_code()) / 255.0;
    a.planes.iter().zip(&b.planes).all(|(a, b)| {
        let row_bytes = (a.width * bytes).max(1);
        let strips = a.data.chunks(row_bytes * SQUARE).zip(b.data.chunks(row_bytes * SQUARE));
        strips.into_iter().all(|(a, b)| {
            // Of each square in this strip: the sum of differences, and how many samples it has.
            let mut squares = vec![(0u64, 0u64); a.len().min(row_bytes).div_ceil(SQUARE * bytes)];
            for (a, b) in a.chunks(row_bytes).zip(b.chunks(row_bytes)) {
                for ((a, b), square) in
                    a.chunks(SQUARE * bytes).zip(b.chunks(SQUARE * bytes)).zip(&mut squares)
                {
                    square.0 += difference(a, b, bytes);
                    square.1 += (a.len() / bytes) as u64;
                }
            }
            squares.iter().all(|&(sum, n)| sum as f64 <= most * n as f64)
        })
    })
}

fn difference(a: &[u8], b: &[u8], bytes: usize) -> u64 {
    if bytes == 1 {
        return a.iter().zip(b).map(|(&a, &b)| u64::from(a.abs_diff(b))).sum();
    }
    let sample = |pair: &[u8]| u16::from_le_bytes([pair[0], pair[1]]);
    a.chunks_exact(2).zip(b.chunks_exact(2)).map(|(a, b)| u64::from(sample(a).abs_diff(sample(b)))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pegbar_frame::{Colour, PixelFormat};

    fn frame(change: impl Fn(&mut [u8])) -> Arc<Frame> {
        let format = PixelFormat::YUV420P;
        let mut bytes: Vec<u8> = (0..format.frame_bytes(40, 36)).map(|i| (i * 7 % 200) as u8).collect();
        change(&mut bytes);
        Arc::new(Frame::from_bytes(format, 40, 36, 0, Colour::default(), &bytes).expect("a frame"))
    }

    #[test]
    fn one_sample_makes_a_new_frame() {
        let mut repeats = Repeats::new(Dedupe::Exact);
        let (still, moved) = (frame(|_| ()), frame(|bytes| *bytes.last_mut().expect("bytes") ^= 1));
        let answers = [&still, &still, &moved, &moved, &still].map(|f| repeats.is_repeat(f, false));
        assert_eq!(answers, [false, true, false, true, false]);
        assert!(!repeats.is_repeat(&still, true));
        let mut off = Repeats::new(Dedupe::Off);
        assert_eq!([&still, &still].map(|f| off.is_repeat(f, false)), [false, false]);
    }

    #[test]
    fn near_ones_are_compared_square_by_square_and_do_not_drift() {
        let noisy = |by: u8| frame(move |bytes| bytes.iter_mut().step_by(2).for_each(|b| *b += by));
        let speck = frame(|bytes| bytes[40 * 20..][..12].fill(255));
        let mut repeats = Repeats::new(Dedupe::Near(1.0));
        assert!(!repeats.is_repeat(&noisy(0), false));
        assert!(repeats.is_repeat(&noisy(1), false));
        assert!(repeats.is_repeat(&noisy(2), false));
        assert!(!repeats.is_repeat(&noisy(3), false), "1.5 codes on average from the first");
        assert!(repeats.is_repeat(&noisy(2), false));
        let mut repeats = Repeats::new(Dedupe::Near(1.0));
        assert!(!repeats.is_repeat(&noisy(0), false));
        assert!(!repeats.is_repeat(&speck, false), "small things that move are seen");
    }

    #[test]
    fn choices() {
        for text in ["off", "exact", "near:1.5"] {
            assert_eq!(text.parse::<Dedupe>().map(|d| d.to_string()), Ok(text.to_owned()));
        }
        for bad in ["", "near", "near:", "near:0", "near:-1", "near:nan", "near:99", "on"] {
            assert!(bad.parse::<Dedupe>().is_err(), "{bad}");
        }
    }
}
