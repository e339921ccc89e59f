//! What can go wrong with media files and with ffmpeg, in sentences.

use std::path::PathBuf;

use crate::nut::NutError;

/// Anything that went wrong in this crate. Messages do not repeat the path of the file asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MediaError {
    /// ffmpeg or ffprobe is not there.
    #[error("{program} was not found {searched}; install it: {install}")]
    ToolMissing {
        /// `ffmpeg` or `ffprobe`.
        program: &'static str,
        /// Where it was looked for.
        searched: String,
        /// The line that installs it here.
        install: String,
    },
    /// The program is older than we can work with.
    #[error("{program} {version} is too old, version 5.0 or newer is needed; update it: {install}")]
    ToolTooOld {
        /// `ffmpeg` or `ffprobe`.
        program: &'static str,
        /// What it says its version is.
        version: String,
        /// The line that installs it here.
        install: String,
    },
    /// The program is there but does not run as it should.
    #[error("{path} does not work: {reason}", path = .path.display())]
    ToolBroken {
        /// The program.
        path: PathBuf,
        /// What happened.
        reason: String,
    },
    /// ffmpeg was built without the encoder.
    #[error("this ffmpeg has no encoder {encoder}, which {codec} needs; {advice}")]
    EncoderMissing {
        /// The encoder, or all that would do.
        encoder: String,
        /// What was asked for.
        codec: String,
        /// What to do about it.
        advice: String,
    },
    /// The file does not exist, is a directory, or may not be read.
    #[error("{reason}")]
    Unreadable {
        /// A sentence.
        reason: String,
    },
    /// ffprobe makes nothing of the file.
    #[error("this is no video file that ffmpeg can read ({reason})")]
    NotMedia {
        /// ffprobe's reason.
        reason: String,
    },
    /// ffprobe's answer makes no sense.
    #[error("ffprobe's answer could not be understood: {reason}")]
    ProbeOutput {
        /// What is wrong in it.
        reason: String,
    },
    /// The file has no such video stream.
    #[error("{reason}")]
    NoVideo {
        /// A sentence.
        reason: String,
    },
    /// Samples that nothing here can hold exactly.
    #[error(
        "the pixel format {name} is not supported; convert the video with ffmpeg first (-pix_fmt yuv444p16le)"
    )]
    UnsupportedPixelFormat {
        /// ffmpeg's name.
        name: String,
    },
    /// A filter of ffmpeg's that does not take the video's pixel format.
    #[error(
        "{filter} of this ffmpeg does not take {format} as it is, and nothing is converted unasked; try another \
         deinterlacer or a newer ffmpeg, or convert the video first (ffmpeg -pix_fmt yuv420p)"
    )]
    FilterFormat {
        /// The filter.
        filter: &'static str,
        /// The video's pixel format.
        format: String,
    },
    /// A filter graph that does not take a pixel format.
    #[error("the filter does not take pictures in {format} as they are, and nothing is converted unasked")]
    GraphFormat {
        /// ffmpeg's name of the pixel format.
        format: String,
    },
    /// A filter graph that ffmpeg does not take.
    #[error("ffmpeg does not take this filter: {reason}")]
    Graph {
        /// ffmpeg's reason.
        reason: String,
    },
    /// A filter graph that ended with an error.
    #[error("the filter failed after {n_frames} frames: {reason}")]
    Filter {
        /// Frames that it had made.
        n_frames: u64,
        /// ffmpeg's reason.
        reason: String,
    },
    /// Colours in coefficients that are not converted here: taken for others, they would come out wrong.
    #[error(
        "the colour matrix {name} is not supported; convert the video with ffmpeg first (-vf zscale=matrix=709, for \
         BT.2020 -vf zscale=matrix=2020_ncl)"
    )]
    UnsupportedMatrix {
        /// ffmpeg's name.
        name: String,
    },
    /// An option or combination of options that cannot work.
    #[error("{0}")]
    Settings(String),
    /// Decoding ended with an error.
    #[error("decoding failed after {n_frames} frames: {reason}")]
    Decode {
        /// Frames delivered before.
        n_frames: u64,
        /// ffmpeg's reason.
        reason: String,
    },
    /// The picture changes size within the stream.
    #[error(
        "the picture changes size after {n_frames} frames (it was {width}x{height}); cut the video there and restore \
         the parts one by one"
    )]
    SizeChanged {
        /// Frames delivered before.
        n_frames: u64,
        /// Width until then.
        width: usize,
        /// Height until then.
        height: usize,
    },
    /// The time stamps begin anew within the stream.
    #[error(
        "the time jumps back after {n_frames} frames, at {at_secs:.2} s: several recordings were joined; give them one \
         time with ffmpeg first (ffmpeg -fflags +genpts -i INPUT -map 0 -c copy OUTPUT.mkv)"
    )]
    TimeJumpsBack {
        /// Frames before.
        n_frames: u64,
        /// Time stamp of the last one.
        at_secs: f64,
    },
    /// The pipe from ffmpeg carries something unexpected.
    #[error("the stream from ffmpeg is damaged after {n_frames} frames: {source}")]
    Pipe {
        /// Frames delivered before.
        n_frames: u64,
        /// What is wrong.
        source: NutError,
    },
    /// Encoding ended with an error.
    #[error("encoding failed after {n_frames} frames: {reason}")]
    Encode {
        /// Frames written before.
        n_frames: u64,
        /// ffmpeg's reason.
        reason: String,
    },
    /// A frame that does not belong to this stream.
    #[error("frame {n_frames} cannot be encoded: {reason}")]
    WrongFrame {
        /// Its number, from 0.
        n_frames: u64,
        /// What does not fit.
        reason: String,
    },
    /// [`crate::kill_all_children`] was called.
    #[error("interrupted")]
    Interrupted,
    /// A file or a pipe failed.
    #[error("{doing}: {source}")]
    Io {
        /// What was tried.
        doing: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A still image that cannot be read or written.
    #[error("{0}")]
    Still(String),
}

impl MediaError {
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }
}
