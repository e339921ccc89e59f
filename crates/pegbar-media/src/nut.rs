//! NUT, the container our pipes to and from ffmpeg speak: the subset that one raw video stream needs.
//!
//! Source: "NUT Open Container Format" draft of 2013 (ffmpeg/nut, `docs/nut.txt`), version 3. Numbers are `v` (seven
//! bits a byte, most significant first, high bit set on all but the last), `s` (signed, folded into a `v`), `vb`
//! (length, then bytes) and big-endian fixed ones. A file is a row of packets: those with an eight-byte start code
//! (whose first byte is `N`), a length and a checksum; and frames, whose first byte is an index into a table in the
//! main header that says which fields follow.

mod checksum;
mod error;
mod number;
mod packet;
mod reader;
mod writer;

pub use error::NutError;
pub use reader::{NutFrame, NutReader};
pub use writer::NutWriter;

use pegbar_frame::Rational;

/// What opens a file.
const FILE_ID: &[u8] = b"nut/multimedia container\0";

const MAIN_STARTCODE: u64 = startcode(b'M', 0x7A56_1F5F_04AD);
const STREAM_STARTCODE: u64 = startcode(b'S', 0x1140_5BF2_F9DB);
const SYNCPOINT_STARTCODE: u64 = startcode(b'K', 0xE4AD_EECA_4569);
const INDEX_STARTCODE: u64 = startcode(b'X', 0xDD67_2F23_E64E);
const INFO_STARTCODE: u64 = startcode(b'I', 0xAB68_B596_BA78);

const fn startcode(kind: u8, rest: u64) -> u64 {
    ((b'N' as u64) << 56) | ((kind as u64) << 48) | rest
}

/// The frame is a key frame.
const FLAG_KEY: u64 = 1;
/// The time stamp is coded.
const FLAG_CODED_PTS: u64 = 8;
/// The stream is coded.
const FLAG_STREAM_ID: u64 = 16;
/// The upper part of the size is coded.
const FLAG_SIZE_MSB: u64 = 32;
/// The frame header ends with a checksum.
const FLAG_CHECKSUM: u64 = 64;
/// Reserved fields are counted.
const FLAG_RESERVED: u64 = 128;
/// Side data and metadata follow (version 4).
const FLAG_SM_DATA: u64 = 256;
/// The elided header is coded.
const FLAG_HEADER_IDX: u64 = 1024;
/// A match time is coded.
const FLAG_MATCH_TIME: u64 = 2048;
/// Flags are coded, to be combined by exclusive or.
const FLAG_CODED: u64 = 4096;
/// The frame code must not be used.
const FLAG_INVALID: u64 = 8192;

/// The one video stream of a NUT file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NutVideo {
    /// Codec tag, for raw video the pixel format; ffmpeg writes 4 bytes.
    pub fourcc: [u8; 4],
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Sample aspect ratio; `0:0` when unknown.
    pub sar: Rational,
    /// Seconds per tick of the time stamps.
    pub time_base: Rational,
}
