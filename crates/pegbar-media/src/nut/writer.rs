//! Writing a NUT stream of one raw video stream.

use std::io::Write;

use super::number::{put_s, put_v, put_vb};
use super::{
    FILE_ID, FLAG_CHECKSUM, FLAG_CODED_PTS, FLAG_INVALID, FLAG_KEY, FLAG_SIZE_MSB, INFO_STARTCODE,
    MAIN_STARTCODE, NutError, NutVideo, STREAM_STARTCODE, SYNCPOINT_STARTCODE, checksum,
};
use pegbar_frame::Rational;

/// Bytes after which a sync point must come; the format's limit, smaller than most frames, so each frame gets one.
const MAX_DISTANCE: u64 = 65536;

/// Low bits of a time stamp that may stand for the whole. We always write the whole.
const MSB_PTS_SHIFT: u32 = 7;

/// The one frame code in use: everything about the frame is written out, and protected by a checksum.
const FRAME_CODE: u8 = 1;
const FRAME_FLAGS: u64 = FLAG_KEY | FLAG_CODED_PTS | FLAG_SIZE_MSB | FLAG_CHECKSUM;

/// Writes frames as a NUT stream.
pub struct NutWriter<W> {
    inner: W,
    /// Sync point and frame header, put together here to be written at once.
    head: Vec<u8>,
}

impl<W: Write> NutWriter<W> {
    /// Writes the headers. `frame_rate` is a hint for encoders, time stamps are what counts.
    ///
    /// # Errors
    /// [`NutError::Invalid`] when a size or the time base does not fit the format; [`NutError::Io`].
    pub fn new(mut inner: W, video: &NutVideo, frame_rate: Option<Rational>) -> Result<Self, NutError> {
        let time_base = reduced_time_base(video.time_base)?;
        let mut bytes = FILE_ID.to_vec();
        put_packet(&mut bytes, MAIN_STARTCODE, &main_header(time_base));
        put_packet(&mut bytes, STREAM_STARTCODE, &stream_header(video)?);
        if let Some(rate) = frame_rate.filter(|r| r.is_positive()) {
            put_packet(&mut bytes, INFO_STARTCODE, &frame_rate_info(rate));
        }
        inner.write_all(&bytes)?;
        Ok(Self { inner, head: Vec::new() })
    }

    /// Writes one frame, whose data is `parts` one after another.
    ///
    /// # Errors
    /// [`NutError::TimeStamp`] when `pts` is negative, which the format cannot hold; [`NutError::Io`].
    pub fn write_frame(&mut self, pts: i64, parts: &[&[u8]]) -> Result<(), NutError> {
        let ticks = u64::try_from(pts).ok().filter(|&t| t < u64::MAX >> 2).ok_or(NutError::TimeStamp(pts))?;
        let n_bytes = parts.iter().map(|p| p.len() as u64).sum();
        self.head.clear();
        let mut sync = Vec::with_capacity(16);
        put_v(&mut sync, ticks); // time base 0 of 1
        put_v(&mut sync, 0); // every frame stands alone, so the way back is none
        put_packet(&mut self.head, SYNCPOINT_STARTCODE, &sync);
        let start = self.head.len();
        self.head.push(FRAME_CODE);
        put_v(&mut self.head, ticks + (1 << MSB_PTS_SHIFT));
        put_v(&mut self.head, n_bytes);
        let crc = checksum::update(0, &self.head[start..]);
        self.head.extend_from_slice(&crc.to_be_bytes());
        self.inner.write_all(&self.head)?;
        for part in parts {
            self.inner.write_all(part)?;
        }
        Ok(())
    }

    /// Flushes and gives back what was written to. The format needs no trailer.
    ///
    /// # Errors
    /// [`NutError::Io`].
    pub fn finish(mut self) -> Result<W, NutError> {
        self.inner.flush()?;
        Ok(self.inner)
    }
}

fn put_packet(out: &mut Vec<u8>, startcode: u64, body: &[u8]) {
    let start = out.len();
    out.extend_from_slice(&startcode.to_be_bytes());
    let length = body.len() as u64 + 4;
    put_v(out, length);
    if length > 4096 {
        let crc = checksum::update(0, &out[start..]);
        out.extend_from_slice(&crc.to_be_bytes());
    }
    out.extend_from_slice(body);
    out.extend_from_slice(&checksum::update(0, body).to_be_bytes());
}

fn main_header(time_base: (u64, u64)) -> Vec<u8> {
    let mut body = Vec::new();
    put_v(&mut body, 3); // version
    put_v(&mut body, 1); // streams
    put_v(&mut body, MAX_DISTANCE);
    put_v(&mut body, 1); // time bases
    put_v(&mut body, time_base.0);
    put_v(&mut body, time_base.1);
    // Code 0 is invalid as ffmpeg has it, 1 is ours, the rest ('N' is passed over uncounted) is invalid.
    for (flags, count) in [(FLAG_INVALID, 1), (FRAME_FLAGS, 1), (FLAG_INVALID, 253)] {
        put_v(&mut body, flags);
        put_v(&mut body, 6); // fields that follow
        put_s(&mut body, 0); // pts_delta
        put_v(&mut body, 1); // size factor
        put_v(&mut body, 0); // stream
        put_v(&mut body, 0); // low part of the size
        put_v(&mut body, 0); // reserved fields
        put_v(&mut body, count);
    }
    put_v(&mut body, 0); // elided headers
    body
}

fn stream_header(video: &NutVideo) -> Result<Vec<u8>, NutError> {
    let mut body = Vec::new();
    put_v(&mut body, 0); // stream id
    put_v(&mut body, 0); // video
    put_vb(&mut body, &video.fourcc);
    put_v(&mut body, 0); // time base id
    put_v(&mut body, u64::from(MSB_PTS_SHIFT));
    put_v(&mut body, 1 << 20); // max_pts_distance: every header has a checksum, so it has no effect
    put_v(&mut body, 0); // decode delay
    put_v(&mut body, 0); // stream flags
    put_vb(&mut body, b""); // codec data
    let field = |what, value: i64, least: i64| {
        let valid = (least..=i64::from(i32::MAX)).contains(&value);
        if valid { Ok(value as u64) } else { Err(NutError::Invalid { what, value: value as u64 }) }
    };
    put_v(&mut body, field("the width", i64::try_from(video.width).unwrap_or(i64::MAX), 1)?);
    put_v(&mut body, field("the height", i64::try_from(video.height).unwrap_or(i64::MAX), 1)?);
    let sar = if video.sar.is_positive() { video.sar } else { Rational::new(0, 0) };
    put_v(&mut body, field("the sample aspect ratio", sar.num, 0)?);
    put_v(&mut body, field("the sample aspect ratio", sar.den, 0)?);
    put_v(&mut body, 0); // colour space: unknown; ffmpeg ignores it, options tell it
    Ok(body)
}

/// An info packet with the frame rate, in the form ffmpeg's own muxer writes it.
fn frame_rate_info(rate: Rational) -> Vec<u8> {
    let mut body = Vec::new();
    put_v(&mut body, 1); // of stream 0
    put_s(&mut body, 0); // no chapter
    put_v(&mut body, 0); // chapter start
    put_v(&mut body, 0); // chapter length
    put_v(&mut body, 1); // one entry
    put_vb(&mut body, b"r_frame_rate");
    put_s(&mut body, -1); // its type: text
    put_vb(&mut body, rate.to_string().as_bytes());
    body
}

/// ffmpeg refuses time bases with a common factor. Ticks keep their length when it is divided out.
fn reduced_time_base(time_base: Rational) -> Result<(u64, u64), NutError> {
    let (num, den) = (time_base.num.max(0) as u64, time_base.den.max(0) as u64);
    let (mut a, mut b) = (num, den);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    let (num, den) = (num / a.max(1), den / a.max(1));
    let valid = 1..=i32::MAX as u64;
    if valid.contains(&num) && valid.contains(&den) {
        Ok((num, den))
    } else {
        Err(NutError::Invalid { what: "the time base", value: time_base.den as u64 })
    }
}

#[cfg(test)]
mod tests {
    use super::super::NutReader;
    use super::*;

    pub(crate) fn video() -> NutVideo {
        NutVideo {
            fourcc: *b"I420",
            width: 4,
            height: 2,
            sar: Rational::new(16, 15),
            time_base: Rational::new(1001, 30000),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let mut writer = NutWriter::new(Vec::new(), &video(), Some(Rational::new(30000, 1001))).unwrap();
        let stamps = [0, 1, 5, 1 << 40, (1 << 40) + 1];
        for pts in stamps {
            writer.write_frame(pts, &[&[pts as u8; 8], &[1; 2], &[2; 2]]).unwrap();
        }
        let bytes = writer.finish().unwrap();
        let mut reader = NutReader::new(&bytes[..]).unwrap();
        assert_eq!(*reader.video(), video());
        for pts in stamps {
            let frame = reader.next_frame().unwrap().unwrap();
            assert_eq!((frame.pts, frame.n_bytes, frame.key), (pts, 12, true));
            let mut luma = [0; 8];
            reader.read_data(&mut luma).unwrap();
            assert_eq!(luma, [pts as u8; 8]);
        }
        assert_eq!(reader.next_frame().unwrap(), None);
    }

    #[test]
    fn damage_is_an_error_never_a_panic() {
        let mut writer = NutWriter::new(Vec::new(), &video(), None).unwrap();
        for pts in 0..3 {
            writer.write_frame(pts * 1000, &[&[7; 12]]).unwrap();
        }
        let bytes = writer.finish().unwrap();
        let read = |bytes: &[u8]| -> Result<usize, NutError> {
            let mut reader = NutReader::new(bytes)?;
            let mut n = 0;
            while let Some(frame) = reader.next_frame()? {
                let mut data = vec![0; frame.n_bytes.min(12) as usize];
                reader.read_data(&mut data)?;
                n += 1;
            }
            Ok(n)
        };
        assert_eq!(read(&bytes).unwrap(), 3);
        for length in 0..bytes.len() {
            assert!(read(&bytes[..length]).map_or(true, |n| n < 3), "cut to {length}");
        }
        let mut damaged = bytes.clone();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                damaged[at] ^= 1 << bit;
                // Samples carry no checksum; everything else is found out.
                if let Ok(n) = read(&damaged) {
                    assert_eq!(n, 3);
                }
                damaged[at] = bytes[at];
            }
        }
    }

    #[test]
    fn what_the_format_cannot_hold_is_refused() {
        let mut writer = NutWriter::new(Vec::new(), &video(), None).unwrap();
        assert!(matches!(writer.write_frame(-1, &[&[0; 12]]), Err(NutError::TimeStamp(-1))));
        for time_base in [Rational::new(0, 1), Rational::new(1, 0), Rational::new(1, 1 << 40)] {
            assert!(NutWriter::new(Vec::new(), &NutVideo { time_base, ..video() }, None).is_err());
        }
        assert!(NutWriter::new(Vec::new(), &NutVideo { width: 0, ..video() }, None).is_err());
        let twice = NutVideo { time_base: Rational::new(2, 50), ..video() };
        let bytes = NutWriter::new(Vec::new(), &twice, None).unwrap().finish().unwrap();
        assert_eq!(NutReader::new(&bytes[..]).unwrap().video().time_base, Rational::new(1, 25));
    }
}
