//! What a row of the matrix says: how a source is made, what is written from it, and where the result may differ.

use crate::workbench::{Desk, ffmpeg};
use std::path::Path;

/// One source.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// Name of the source; its extension is the container's.
    pub(crate) file: &'static str,
    /// ffmpeg's encoders without which it cannot be made.
    pub(crate) needs: &'static [&'static str],
    pub(crate) make: Make,
    /// More options for `upscale`; they may name another encoder.
    pub(crate) options: &'static [&'static str],
    pub(crate) outcome: Outcome,
}

/// How a source is made.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Make {
    /// By ffmpeg with these arguments, `@0` being the source.
    By(&'static str),
    /// In steps.
    Steps(fn(&Desk, &Path)),
}

impl Make {
    pub(crate) fn run(self, desk: &Desk, source: &Path) {
        match self {
            Self::By(args) => ffmpeg(args, &[source]),
            Self::Steps(steps) => steps(desk, source),
        }
    }
}

/// What becomes of a source.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Outcome {
    /// Everything is kept but for the exceptions.
    Kept(&'static [Output]),
    /// The program refuses before any work, with a sentence of these words.
    Refused(&'static [&'static str]),
}

/// One output.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    /// Extension.
    pub(crate) container: &'static str,
    pub(crate) except: &'static [Except],
    /// Words of the warnings: each must be said, and nothing else.
    pub(crate) says: &'static [&'static str],
}

/// Where an output may differ from its source.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Except {
    /// A stream of this codec is rewritten as that one: the same text, the same samples.
    Rewritten(&'static str, &'static str),
    /// A stream of this codec is left out.
    Dropped(&'static str),
    /// Packets of this codec are wrapped in another way: the same samples.
    Rewrapped(&'static str),
    /// A stream of this codec keeps its packets and goes by that name: MP4 has one for all layers of MPEG audio.
    Called(&'static str, &'static str),
    /// Sound of this codec comes earlier by so many milliseconds at most: ffmpeg 5 reads the delay of Opus from Matroska, but
    /// forgets it when it writes.
    Early(&'static str, i128),
    /// A colour tag has this value.
    Tag(&'static str, &'static str),
    /// The display matrix is not written.
    Unturned,
    /// The source stamps no frame: they follow one another at this rate.
    Rate(i64, i64),
    /// The codec's mastering display is there, but this ffmpeg's decoder does not tell.
    HiddenMastering,
}

/// Everything is kept in both containers.
pub(crate) const BOTH: Outcome = Outcome::Kept(&[plain("mkv"), plain("mp4")]);
/// Everything is kept in Matroska.
pub(crate) const MKV: Outcome = Outcome::Kept(&[plain("mkv")]);

pub(crate) const fn plain(container: &'static str) -> Output {
    Output { container, except: &[], says: &[] }
}

/// A row that is kept in both containers.
pub(crate) const fn row(
    name: &'static str,
    file: &'static str,
    needs: &'static [&'static str],
    make: &'static str,
) -> Row {
    Row { name, file, needs, make: Make::By(make), options: &[], outcome: BOTH }
}

impl Row {
    pub(crate) const fn made(
        name: &'static str,
        file: &'static str,
        needs: &'static [&'static str],
        make: fn(&Desk, &Path),
    ) -> Self {
        Self { name, file, needs, make: Make::Steps(make), options: &[], outcome: BOTH }
    }

    pub(crate) const fn with(self, options: &'static [&'static str]) -> Self {
        Self { options, ..self }
    }

    pub(crate) const fn gives(self, outcome: Outcome) -> Self {
        Self { outcome, ..self }
    }
}
