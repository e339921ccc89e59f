//! What becomes of decoded frames before they are delivered: fields made into frames, borders cut off or added.
//!
//! ffmpeg's own filters do it, in the process that decodes; only dropping the fifth frame after field matching and
//! adding borders are done here. ffmpeg's `decimate` makes up time stamps from the frame rate, so that sound runs away
//! after the first gap, and its `pad` knows only the black of the limited range.

use std::fmt;

use pegbar_frame::{PixelFormat, Rational};
use serde::Serialize;

use crate::MediaError;
use crate::scan::FieldOrder;

/// Filters of a [`Decoder`](crate::Decoder). The default does nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PictureFilters {
    /// What becomes of fields.
    pub fields: FieldFilter,
    /// The part of the picture to keep.
    pub crop: Option<Crop>,
    /// Width and height to fill up to with black, the picture in the middle; after cropping.
    pub pad: Option<(usize, usize)>,
}

/// What becomes of fields.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FieldFilter {
    /// Frames stay what they are.
    #[default]
    Keep,
    /// The missing lines of each field are made up.
    Deinterlace {
        /// How.
        deinterlacer: Deinterlacer,
        /// A frame of each frame, or of each field.
        rate: FieldRate,
        /// The field order of the frames, whatever their flags say.
        order: FieldOrder,
    },
    /// Fields are put back together with their partners (`fieldmatch`); frames that stay combed are deinterlaced.
    Ivtc {
        /// The field order of the frames, whatever their flags say.
        order: FieldOrder,
        /// Whether one frame of five, the most superfluous, is dropped: 2:3 pulldown. The others are spread over its time.
        decimate: bool,
    },
}

/// A deinterlacer of ffmpeg's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deinterlacer {
    /// Bob Weaver: looks at two frames before and after.
    Bwdif,
    /// Yet another: looks at one.
    Yadif,
    /// Martin Weston's three-field filter of the BBC: never looks at motion.
    W3fdif,
}

/// How many frames a deinterlacer makes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FieldRate {
    /// One of each frame.
    #[default]
    Frame,
    /// One of each field: twice as many, as smooth as the source was.
    Field,
}

/// A rectangle of a picture in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Crop {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Columns to its left.
    pub x: usize,
    /// Rows above it.
    pub y: usize,
}

/// ffmpeg keeps time bases in 32 bits.
const LARGEST_DEN: i64 = i32::MAX as i64;

impl PictureFilters {
    /// No filters.
    pub const NONE: Self = Self { fields: FieldFilter::Keep, crop: None, pad: None };

    /// Size of the frames that come out for frames of this size.
    pub fn output_size(&self, width: usize, height: usize) -> (usize, usize) {
        self.pad.or(self.crop.map(|c| (c.width, c.height))).unwrap_or((width, height))
    }

    /// The time base of the frames that come out for a source with this one.
    ///
    /// At the field rate, frames lie halfway between time stamps; where one frame of five is dropped, the other four lie
    /// at quarters of the way. So ticks are half or a quarter as long, and all times are exact. (Where they would be
    /// shorter than ffmpeg can count, a source with ticks of a nanosecond, they stay and times are rounded.)
    pub fn time_base(&self, source: Rational) -> Rational {
        match self.fields {
            FieldFilter::Deinterlace { rate: FieldRate::Field, .. } => finer(source, 2),
            FieldFilter::Ivtc { decimate: true, .. } => finer(source, crate::decimate::PARTS),
            _ => source,
        }
    }

    /// The time base on the pipe, which is before frames are dropped.
    pub(crate) fn pipe_time_base(&self, source: Rational) -> Rational {
        match self.fields {
            FieldFilter::Ivtc { .. } => source,
            _ => self.time_base(source),
        }
    }

    /// Frames that come out for each that goes in.
    pub fn frames_per_frame(&self) -> Rational {
        match self.fields {
            FieldFilter::Deinterlace { rate: FieldRate::Field, .. } => Rational::new(2, 1),
            FieldFilter::Ivtc { decimate: true, .. } => Rational::new(4, 5),
            _ => Rational::new(1, 1),
        }
    }

    /// The frame rate that comes out.
    pub fn frame_rate(&self, source: Rational) -> Rational {
        let factor = self.frames_per_frame();
        Rational::new(source.num.saturating_mul(factor.num), source.den.saturating_mul(factor.den))
    }

    /// Whether frames are dropped after ffmpeg.
    pub(crate) fn decimates(&self) -> bool {
        matches!(self.fields, FieldFilter::Ivtc { decimate: true, .. })
    }

    /// ffmpeg's filter graph for frames in the pixel format `pipe_name`, `None` where there is nothing to do. The
    /// format is stated, so that ffmpeg cannot put conversions between filters.
    pub(crate) fn graph(&self, pipe_name: &str, scaler_flags: &str) -> Option<String> {
        let mut filters = Vec::new();
        match self.fields {
            FieldFilter::Keep => {}
            FieldFilter::Deinterlace { deinterlacer, rate, order } => {
                filters.push(deinterlacer.filter(rate, order, "all"));
            }
            FieldFilter::Ivtc { order, .. } => {
                filters.push(format!("fieldmatch=order={}:combmatch=full", id(order)));
                filters.push(Deinterlacer::Bwdif.filter(FieldRate::Frame, order, "interlaced"));
            }
        }
        if let Some(Crop { width, height, x, y }) = self.crop {
            filters.push(format!("crop={width}:{height}:{x}:{y}:exact=1"));
        }
        (!filters.is_empty())
            .then(|| format!("scale=flags={scaler_flags},format={pipe_name},{}", filters.join(",")))
    }

    /// Checks the sizes against the frames.
    ///
    /// # Errors
    /// [`MediaError::Settings`].
    pub(crate) fn check(&self, format: PixelFormat, width: usize, height: usize) -> Result<(), MediaError> {
        let (step_x, step_y) = (1 << format.log2_chroma_w, 1 << format.log2_chroma_h);
        let refuse = |text: String| Err(MediaError::Settings(text));
        let steps = |width_like: usize, height_like: usize| {
            width_like.is_multiple_of(step_x) && height_like.is_multiple_of(step_y)
        };
        let rule = format!(
            "{} stores colour for blocks of {step_x}x{step_y} pixels: columns must be multiples of {step_x} and rows \
             multiples of {step_y}",
            format.ffmpeg_name()
        );
        let (mut inner_width, mut inner_height) = (width, height);
        if let Some(crop) = self.crop {
            if crop.width == 0 || crop.height == 0 {
                return refuse(format!("a crop to {crop} leaves nothing"));
            }
            if crop.x.saturating_add(crop.width) > width || crop.y.saturating_add(crop.height) > height {
                return refuse(format!(
                    "a crop to {crop} (W:H:X:Y) reaches out of the picture of {width}x{height}"
                ));
            }
            // Up to the very edge, an odd size is that of the picture itself.
            let right = if crop.x + crop.width == width { step_x } else { crop.width };
            let bottom = if crop.y + crop.height == height { step_y } else { crop.height };
            if !steps(crop.x, crop.y) || !steps(right, bottom) {
                let x = crop.x / step_x * step_x;
                let y = crop.y / step_y * step_y;
                let near = Crop {
                    width: (crop.width.next_multiple_of(step_x)).min(width - x),
                    height: (crop.height.next_multiple_of(step_y)).min(height - y),
                    x,
                    y,
                };
                return refuse(format!("a crop to {crop} is not possible: {rule}; {near} is near"));
            }
            (inner_width, inner_height) = (crop.width, crop.height);
        }
        if let Some((pad_width, pad_height)) = self.pad {
            if pad_width < inner_width || pad_height < inner_height {
                return refuse(format!(
                    "padding to {pad_width}:{pad_height} would make the picture of {inner_width}x{inner_height} smaller; \
                     give at least its size, or crop it first"
                ));
            }
            if pad_width > MOST_PX || pad_height > MOST_PX {
                return refuse(format!(
                    "padding to {pad_width}:{pad_height} is too large: {MOST_PX} a side at most"
                ));
            }
            if !steps(pad_width, pad_height) {
                return refuse(format!("padding to {pad_width}:{pad_height} is not possible: {rule}"));
            }
        }
        Ok(())
    }
}

/// What encoders take at most.
const MOST_PX: usize = 32768;

impl FieldFilter {
    /// The filter of ffmpeg's that it rests on.
    pub(crate) fn filter_name(self) -> &'static str {
        match self {
            Self::Ivtc { .. } => "fieldmatch",
            Self::Deinterlace { deinterlacer, .. } => deinterlacer.name(),
            Self::Keep => "crop",
        }
    }
}

impl Deinterlacer {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bwdif => "bwdif",
            Self::Yadif => "yadif",
            Self::W3fdif => "w3fdif",
        }
    }

    fn filter(self, rate: FieldRate, order: FieldOrder, which: &str) -> String {
        let prefix = if self == Self::W3fdif { "" } else { "send_" };
        let what = if rate == FieldRate::Field { "field" } else { "frame" };
        format!("{}=mode={prefix}{what}:parity={}:deint={which}", self.name(), id(order))
    }
}

fn id(order: FieldOrder) -> &'static str {
    match order {
        FieldOrder::Tff => "tff",
        FieldOrder::Bff => "bff",
    }
}

pub(crate) fn finer(time_base: Rational, parts: i64) -> Rational {
    match time_base.den.checked_mul(parts) {
        Some(den) if den <= LARGEST_DEN => Rational::new(time_base.num, den),
        _ => time_base,
    }
}

/// As typed: `W:H:X:Y`.
impl fmt::Display for Crop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}:{}", self.width, self.height, self.x, self.y)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crop(width: usize, height: usize, x: usize, y: usize) -> PictureFilters {
        PictureFilters { crop: Some(Crop { width, height, x, y }), ..PictureFilters::NONE }
    }

    #[test]
    fn nothing_to_do_is_no_graph() {
        assert_eq!(PictureFilters::NONE.graph("yuv420p", "x"), None);
        let padded = PictureFilters { pad: Some((64, 64)), ..PictureFilters::NONE };
        assert_eq!(padded.graph("yuv420p", "x"), None);
        assert_eq!(padded.output_size(10, 10), (64, 64));
    }

    #[test]
    fn crops_that_colour_does_not_allow() {
        let check = |filters: PictureFilters, format| filters.check(format, 321, 240);
        assert!(check(crop(160, 120, 2, 4), PixelFormat::YUV420P).is_ok());
        // 321 columns: the last one has colour of its own.
        assert!(check(crop(319, 120, 2, 4), PixelFormat::YUV420P).is_ok());
        let error = check(crop(159, 120, 3, 4), PixelFormat::YUV420P).unwrap_err().to_string();
        assert!(error.contains("multiples of 2") && error.contains("160:120:2:4 is near"), "{error}");
        assert!(check(crop(159, 119, 3, 5), PixelFormat::YUV444P).is_ok());
        assert!(check(crop(158, 120, 2, 0), PixelFormat::YUV411P).is_err());
        for bad in [crop(0, 10, 0, 0), crop(320, 10, 2, 0), crop(10, usize::MAX, 0, 2)] {
            assert!(check(bad, PixelFormat::YUV420P).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn paddings_that_make_no_sense() {
        let pad = |w, h| PictureFilters { pad: Some((w, h)), ..PictureFilters::NONE };
        assert!(pad(320, 240).check(PixelFormat::YUV420P, 320, 240).is_ok());
        for (w, h) in [(318, 240), (321, 240), (100_000, 240)] {
            assert!(pad(w, h).check(PixelFormat::YUV420P, 320, 240).is_err(), "{w}x{h}");
        }
    }

    #[test]
    fn time_bases_get_finer_as_long_as_ffmpeg_can_count() {
        let fields = FieldFilter::Ivtc { order: FieldOrder::Tff, decimate: true };
        let filters = PictureFilters { fields, ..PictureFilters::NONE };
        assert_eq!(filters.time_base(Rational::new(1001, 30000)), Rational::new(1001, 120_000));
        assert_eq!(filters.pipe_time_base(Rational::new(1, 1000)), Rational::new(1, 1000));
        let nanoseconds = Rational::new(1, 1_000_000_000);
        assert_eq!(filters.time_base(nanoseconds), nanoseconds);
        assert_eq!(filters.frame_rate(Rational::new(30000, 1001)), Rational::new(120_000, 5005));
    }
}
