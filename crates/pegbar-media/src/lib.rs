//! Video through ffmpeg and ffprobe as processes, and still image files.
//!
//! ffmpeg decodes, encodes and muxes; frames travel between it and us as NUT over pipes, which carries raw planes
//! *and* their time stamps both ways. A [`Decoder`] gives the frames of one video stream exactly as the codec made
//! them, with the source's own time stamps; an [`Encoder`] encodes frames and copies every other stream of the source
//! beside them. Error messages do not repeat the path of the file that was asked for: the caller adds it.
#![forbid(unsafe_code)]

mod animation;
mod child;
mod codec;
mod colour_options;
mod container;
mod decimate;
mod decoder;
mod encode_settings;
mod encoder;
mod error;
mod filter_process;
mod hdr_metadata;
mod input_options;
mod install;
pub mod nut;
mod nut_tag;
mod pad;
mod picture_filters;
mod picture_options;
mod probe;
mod scan;
mod sequence;
mod shell_words;
pub mod still;
mod stream_plan;
mod temporary;
mod time_offset;
mod time_order;
mod tools;

pub use animation::{Playback, is_animated_image, is_animated_webp, unpack_webp};
pub use child::kill_all_children;
pub use codec::{CODECS, CodecSpec, ENCODERS, EncoderSpec, encode_reference};
pub use container::Container;
pub use decoder::{DecodeOptions, Decoder, ResumePoint};
pub use encode_settings::{Codec, EncodeSettings};
pub use encoder::{
    BrokenStream, CopySource, EncodeReport, Encoder, Instead, Segment, StreamParams, check_animation,
    check_copies, join_animation, join_segments,
};
pub use error::MediaError;
pub use filter_process::{FilterSettings, check_filter, decimated_time_base, field_time_base, run_filter};
pub use hdr_metadata::{ContentLight, HdrMetadata, MasteringDisplay};
pub use input_options::InputOptions;
pub use install::install_line;
pub use picture_filters::{Crop, Deinterlacer, FieldFilter, FieldRate, PictureFilters};
pub use picture_options::{PICTURE_PARAMS, PictureChoice, PictureOptions};
pub use probe::{Chapter, Probe, StreamInfo, StreamKind, VideoInfo, parse_probe, probe, probe_sequence};
pub use scan::{FieldFlags, FieldOrder, FieldTally, Scan, ScanType, scan};
pub use sequence::{Sequence, SequencePattern};
pub use stream_plan::check_container;
pub use tools::{Tools, Version};
