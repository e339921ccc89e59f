//! How a film was scanned: whole pictures, pairs of fields, or film spread over fields; and where the picture lies
//! within black borders.
//!
//! What the flags say is often wrong and always cheap, so the pictures themselves are asked: a few samples spread over
//! the film are decoded, some hundred frames in all, and each frame is compared with its neighbours (`combing.rs`).

mod black_border;
mod combing;
mod flags;
mod samples;
mod tally;

use std::fmt;
use std::path::Path;
use std::thread::{self, ScopedJoinHandle};

use serde::Serialize;

pub use combing::FieldOrder;
pub use flags::FieldFlags;
pub use tally::FieldTally;

use crate::picture_filters::Crop;
use crate::{DecodeOptions, InputOptions, MediaError, Tools, VideoInfo};
use black_border::BlackBorder;
use combing::Luma;
use samples::Samples;

/// So many samples are looked at side by side: a decoder of a large film takes much memory.
const AT_ONCE: usize = 4;

/// What a film's frames are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ScanType {
    /// Each frame is one picture; also where flags ask the player to repeat fields (soft telecine).
    Progressive,
    /// Each field is a picture of its own.
    Interlaced,
    /// Film at 24 frames a second, spread over 60 fields: two frames of five hold fields of two pictures.
    Telecined,
    /// Each field has its partner in a neighbouring frame, but no frame is too many: film whose fields were shifted, or
    /// of which few fields are repeated, as with PAL.
    FieldShifted,
    /// Samples differ.
    Mixed,
    /// Too little moves, there are too few frames, or what they say makes no sense.
    Unknown,
}

/// What was found, and why.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scan {
    /// What the frames are made of.
    #[serde(rename = "type")]
    pub scan_type: ScanType,
    /// Which field comes first; `None` where no field does, or where it could not be told.
    pub field_order: Option<FieldOrder>,
    /// The picture within black borders, if there are any in all samples.
    pub picture: Option<Crop>,
    /// What the frames say, over all samples.
    pub fields: FieldTally,
    /// Samples taken.
    pub n_samples: usize,
    /// What the flags of the stream say.
    pub flags: FieldFlags,
}

/// Looks at samples of a video, or of the part of it that `part` names; its filters are not applied. Takes some seconds
/// at most, and gives up on what takes longer.
///
/// # Errors
/// [`MediaError::Interrupted`]. What cannot be decoded is left out; without any frame the type is unknown.
pub fn scan(
    tools: &Tools,
    path: &Path,
    video: &VideoInfo,
    duration_secs: Option<f64>,
    part: &DecodeOptions,
) -> Result<Scan, MediaError> {
    let samples = Samples::plan(video, duration_secs, part);
    let look = |n: usize| look_at(&samples, n, tools, path, (video, &part.input));
    let ways = AT_ONCE.min(samples.len());
    let way = |first: usize| (first..samples.len()).step_by(ways).map(look).collect::<Vec<_>>();
    let (looks, flags) = thread::scope(|scope| {
        let flags = scope.spawn(|| flags::read(tools, path, (video, &part.input), &samples));
        // Most of the time goes by until a program has started.
        let way = &way;
        let looks: Vec<_> = (0..ways).map(|first| scope.spawn(move || way(first))).collect();
        (looks.into_iter().flat_map(join).collect::<Vec<_>>(), join(flags))
    });
    let (mut tallies, mut border) = (Vec::new(), BlackBorder::default());
    for look in looks {
        let (tally, border_of_sample) = look?;
        border.merge(&border_of_sample);
        tallies.push(tally);
    }
    tallies.retain(|t| t.n_frames > 0);
    let flags = flags?;
    let (scan_type, field_order) = tally::verdict(&tallies);
    let mut fields = FieldTally::default();
    tallies.iter().for_each(|t| fields.merge(t));
    let picture = border.picture(video);
    Ok(Scan { scan_type, field_order, picture, fields, n_samples: tallies.len(), flags })
}

/// What the frames of a sample say.
fn look_at(
    samples: &Samples,
    n: usize,
    tools: &Tools,
    path: &Path,
    video: (&VideoInfo, &InputOptions),
) -> Result<(FieldTally, BlackBorder), MediaError> {
    let (mut tally, mut border) = (FieldTally::default(), BlackBorder::default());
    let mut last: Vec<Luma> = Vec::new();
    tally.n_frames = samples.visit(n, tools, path, video, &mut |k, frame| {
        if k.is_multiple_of(black_border::EVERY) {
            border.add(frame);
        }
        let luma = Luma::of(frame);
        if let [before, middle] = last.as_slice() {
            tally.add(combing::read(before, middle, &luma));
            last.remove(0);
        }
        last.push(luma);
    })?;
    tally.finish();
    tracing::debug!(n, ?tally, "sample");
    Ok((tally, border))
}

/// What a thread has made; its panic goes on here.
fn join<R>(thread: ScopedJoinHandle<'_, R>) -> R {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

impl Scan {
    /// Which field comes first: what the pictures say, else the flags.
    pub fn order(&self) -> Option<FieldOrder> {
        self.field_order.or(self.flags.order())
    }

    /// Whether frames hold fields of different moments.
    pub fn is_combed(&self) -> bool {
        match self.scan_type {
            ScanType::Progressive | ScanType::Unknown => false,
            ScanType::Mixed => self.fields.ordered().1 > 0,
            _ => true,
        }
    }
}

impl fmt::Display for FieldOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tff => "top field first",
            Self::Bff => "bottom field first",
        })
    }
}

impl fmt::Display for ScanType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Progressive => "progressive",
            Self::Interlaced => "interlaced",
            Self::Telecined => "telecined (2:3)",
            Self::FieldShifted => "film with shifted fields",
            Self::Mixed => "partly progressive, partly interlaced or telecined",
            Self::Unknown => "of unknown scan type",
        })
    }
}

/// The finding and its reasons as a fragment of a sentence, to follow "the video is".
impl fmt::Display for Scan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.scan_type)?;
        if let Some(order) = self.field_order {
            write!(f, ", {order}")?;
        }
        let t = &self.fields;
        write!(f, " (of {} frames in {} sample(s), ", t.n_frames, self.n_samples)?;
        if t.n_moving() == 0 {
            write!(f, "none moves enough")?;
        } else {
            write!(
                f,
                "{} move: {} are whole, {} hold two moments",
                t.n_moving(),
                t.n_whole,
                t.n_tff + t.n_bff
            )?;
        }
        if t.n_repeated > 0 && self.scan_type == ScanType::Telecined {
            write!(f, ", {} repeat a field", t.n_repeated)?;
        }
        write!(f, "; {})", self.flags)
    }
}
