//! Reading a NUT stream of one video stream: sequentially, from a pipe, with no memory of what went by.

use std::io::Read;

use super::packet::{Body, Source};
use super::{
    FILE_ID, FLAG_CHECKSUM, FLAG_CODED, FLAG_CODED_PTS, FLAG_HEADER_IDX, FLAG_INVALID, FLAG_KEY,
    FLAG_MATCH_TIME, FLAG_RESERVED, FLAG_SIZE_MSB, FLAG_SM_DATA, FLAG_STREAM_ID, INDEX_STARTCODE,
    INFO_STARTCODE, MAIN_STARTCODE, NutError, NutVideo, STREAM_STARTCODE, SYNCPOINT_STARTCODE,
};
use pegbar_frame::Rational;

/// Bytes that all elided headers together may take (a limit of the format).
const ELIDED_BYTES: usize = 1024;

/// Bytes of the largest frame whose first bytes may be elided (a limit of the format).
const LARGEST_ELIDED: u64 = 4096;

/// Reserved fields a frame may have before we call it damage.
const RESERVED_FIELDS: u64 = 256;

/// The head of a frame; its data comes next in the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NutFrame {
    /// Time stamp in ticks of the stream's time base.
    pub pts: i64,
    /// Bytes of data.
    pub n_bytes: u64,
    /// Whether it is a key frame.
    pub key: bool,
}

/// Reads the frames of a NUT stream. Memory use is bounded by the format's own limits, whatever the stream says.
pub struct NutReader<R> {
    source: Source<R>,
    main: MainHeader,
    video: NutVideo,
    stream: StreamState,
    /// Elided bytes and stream bytes of the current frame that have not been read.
    elided: Vec<u8>,
    n_left: u64,
}

struct MainHeader {
    time_bases: Vec<Rational>,
    frame_codes: Vec<FrameCode>,
    elided_headers: Vec<Vec<u8>>,
    broadcast: bool,
}

#[derive(Clone, Copy)]
struct FrameCode {
    flags: u64,
    pts_delta: i64,
    size_mul: u64,
    size_lsb: u64,
    n_reserved: u64,
    header_idx: u64,
}

const INVALID_CODE: FrameCode =
    FrameCode { flags: FLAG_INVALID, pts_delta: 0, size_mul: 1, size_lsb: 0, n_reserved: 0, header_idx: 0 };

struct StreamState {
    msb_pts_shift: u32,
    last_pts: i64,
}

impl<R: Read> NutReader<R> {
    /// Reads the headers.
    ///
    /// # Errors
    /// [`NutError`] when this is no NUT stream, or holds other than one video stream.
    pub fn new(inner: R) -> Result<Self, NutError> {
        let mut source = Source { inner, crc: 0 };
        let mut id = [0; FILE_ID.len()];
        source.fill(&mut id, "the file id")?;
        if id != *FILE_ID {
            return Err(NutError::NotNut);
        }
        const MAIN: &str = "the main header";
        if startcode(&mut source, MAIN)? != MAIN_STARTCODE {
            return Err(NutError::NotNut);
        }
        let main = MainHeader::parse(&source.body(MAIN_STARTCODE, MAIN)?)?;
        const STREAM: &str = "the stream header";
        loop {
            match startcode(&mut source, STREAM)? {
                STREAM_STARTCODE => break,
                code @ (INFO_STARTCODE | INDEX_STARTCODE) => source.skip_body(code, STREAM)?,
                value => {
                    return Err(NutError::Invalid { what: "the start code of the stream header", value });
                }
            }
        }
        let (video, stream) = parse_stream_header(&source.body(STREAM_STARTCODE, STREAM)?, &main)?;
        Ok(Self { source, main, video, stream, elided: Vec::new(), n_left: 0 })
    }

    /// The stream.
    pub fn video(&self) -> &NutVideo {
        &self.video
    }

    /// Goes on to the next frame, past what is left of the current one. `None` at the end of the stream.
    ///
    /// # Errors
    /// [`NutError`] on damage; the stream cannot be read on after it.
    pub fn next_frame(&mut self) -> Result<Option<NutFrame>, NutError> {
        self.source.skip(self.n_left, "a frame")?;
        self.n_left = 0;
        self.elided.clear();
        loop {
            self.source.crc = 0;
            let Some(first) = self.source.byte_or_end()? else { return Ok(None) };
            if first != b'N' {
                return self.frame_header(first).map(Some);
            }
            let what = "a packet";
            let mut rest = [0; 7];
            self.source.fill(&mut rest, what)?;
            let code = rest.iter().fold(u64::from(first), |code, &byte| (code << 8) | u64::from(byte));
            match code {
                SYNCPOINT_STARTCODE => {
                    let body = self.source.body(code, "a sync point")?;
                    self.sync(&body)?;
                }
                // ffmpeg repeats the headers now and then, for those who seek.
                MAIN_STARTCODE | STREAM_STARTCODE | INFO_STARTCODE | INDEX_STARTCODE => {
                    self.source.skip_body(code, what)?;
                }
                value => return Err(NutError::Invalid { what: "a start code", value }),
            }
        }
    }

    /// Fills `bytes` with the next part of the current frame's data.
    ///
    /// # Errors
    /// [`NutError::Truncated`] when the frame or the stream has less.
    pub fn read_data(&mut self, bytes: &mut [u8]) -> Result<(), NutError> {
        const FRAME: &str = "a frame";
        let n_elided = self.elided.len().min(bytes.len());
        let (elided, rest) = bytes.split_at_mut(n_elided);
        elided.copy_from_slice(&self.elided[..n_elided]);
        self.elided.drain(..n_elided);
        self.n_left = self.n_left.checked_sub(rest.len() as u64).ok_or(NutError::Truncated(FRAME))?;
        self.source.fill(rest, FRAME)
    }

    fn frame_header(&mut self, first: u8) -> Result<NutFrame, NutError> {
        const HEADER: &str = "a frame header";
        let code = self.main.frame_codes[usize::from(first)];
        let mut flags = code.flags;
        if flags & FLAG_INVALID != 0 {
            return Err(NutError::Invalid { what: "a frame code", value: u64::from(first) });
        }
        let source = &mut self.source;
        if flags & FLAG_CODED != 0 {
            flags ^= source.v(HEADER)?;
        }
        if flags & FLAG_SM_DATA != 0 {
            return Err(NutError::Unsupported("side data of frames"));
        }
        if flags & FLAG_STREAM_ID != 0 && source.v(HEADER)? != 0 {
            return Err(NutError::Unsupported("a second stream"));
        }
        let pts = if flags & FLAG_CODED_PTS != 0 {
            self.stream.pts(source.v(HEADER)?)?
        } else {
            self.stream.last_pts.wrapping_add(code.pts_delta)
        };
        let mut n_bytes = code.size_lsb;
        if flags & FLAG_SIZE_MSB != 0 {
            let msb = source.v(HEADER)?;
            n_bytes = msb
                .checked_mul(code.size_mul)
                .and_then(|n| n.checked_add(n_bytes))
                .ok_or(NutError::Invalid { what: "the size of a frame", value: msb })?;
        }
        if flags & FLAG_MATCH_TIME != 0 {
            source.v(HEADER)?;
        }
        let header_idx = if flags & FLAG_HEADER_IDX != 0 { source.v(HEADER)? } else { code.header_idx };
        let n_reserved = if flags & FLAG_RESERVED != 0 { source.v(HEADER)? } else { code.n_reserved };
        if n_reserved > RESERVED_FIELDS {
            return Err(NutError::Invalid { what: "the number of reserved fields", value: n_reserved });
        }
        for _ in 0..n_reserved {
            source.v(HEADER)?;
        }
        if flags & FLAG_CHECKSUM != 0 {
            source.u32(HEADER)?;
            if source.crc != 0 {
                return Err(NutError::Checksum(HEADER));
            }
        }
        // Large frames never have their first bytes elided, whatever the table says.
        let index = if n_bytes > LARGEST_ELIDED { 0 } else { header_idx };
        let elided = usize::try_from(index).ok().and_then(|i| self.main.elided_headers.get(i));
        let elided =
            elided.ok_or(NutError::Invalid { what: "the elided header of a frame", value: header_idx })?;
        self.n_left = n_bytes
            .checked_sub(elided.len() as u64)
            .ok_or(NutError::Invalid { what: "the size of a frame", value: n_bytes })?;
        self.elided.extend_from_slice(elided);
        self.stream.last_pts = pts;
        Ok(NutFrame { pts, n_bytes, key: flags & FLAG_KEY != 0 })
    }

    /// A sync point sets the time stamp that the following ones are relative to.
    fn sync(&mut self, body: &[u8]) -> Result<(), NutError> {
        let mut body = Body { bytes: body, what: "a sync point" };
        let global_key_pts = body.v()?;
        body.v()?;
        if self.main.broadcast {
            body.v()?;
        }
        let n = self.main.time_bases.len() as u64;
        // Both parts are in range: there is at least one time base, and the remainder is below their number.
        let from = self.main.time_bases[(global_key_pts % n) as usize];
        let to = self.video.time_base;
        let ticks = i128::from(global_key_pts / n) * i128::from(from.num) * i128::from(to.den);
        let pts = ticks.div_euclid(i128::from(from.den) * i128::from(to.num));
        self.stream.last_pts = i64::try_from(pts)
            .map_err(|_| NutError::Invalid { what: "the time of a sync point", value: global_key_pts })?;
        Ok(())
    }
}

impl StreamState {
    /// A coded time stamp is either complete, or the low bits of one near the last.
    fn pts(&self, coded: u64) -> Result<i64, NutError> {
        let full = 1u64 << self.msb_pts_shift;
        if coded >= full {
            let value = coded - full;
            return i64::try_from(value).map_err(|_| NutError::Invalid { what: "a time stamp", value });
        }
        let mask = (full - 1) as i64;
        let delta = self.last_pts.wrapping_sub(mask / 2);
        Ok(((coded as i64).wrapping_sub(delta) & mask).wrapping_add(delta))
    }
}

fn startcode<R: Read>(source: &mut Source<R>, what: &'static str) -> Result<u64, NutError> {
    let mut bytes = [0; 8];
    source.fill(&mut bytes, what)?;
    Ok(u64::from_be_bytes(bytes))
}

/// Largest value of a field that ffmpeg keeps in an `int`.
const INT_MAX: u64 = i32::MAX as u64;

impl MainHeader {
    fn parse(body: &[u8]) -> Result<Self, NutError> {
        let mut body = Body { bytes: body, what: "the main header" };
        let version = body.v_in("the version", 2..=4)?;
        if version > 3 {
            body.v()?; // minor version
        }
        if body.v()? != 1 {
            return Err(NutError::Unsupported("more than one stream"));
        }
        body.v()?; // max_distance: only for seeking
        // Each takes two bytes at least, so the body's size bounds the allocation.
        let n_time_bases = body.v_in("the number of time bases", 1..=(body.bytes.len() / 2).max(1) as u64)?;
        let mut time_bases = Vec::with_capacity(n_time_bases as usize);
        for _ in 0..n_time_bases {
            let num = body.v_in("a time base", 1..=INT_MAX)?;
            let den = body.v_in("a time base", 1..=INT_MAX)?;
            time_bases.push(Rational::new(num as i64, den as i64));
        }
        let frame_codes = parse_frame_codes(&mut body)?;
        let mut elided_headers = vec![Vec::new()];
        let mut broadcast = false;
        if !body.bytes.is_empty() {
            for _ in 0..body.v_in("the number of elided headers", 0..=127)? {
                let header = body.vb()?;
                let total: usize = elided_headers.iter().map(Vec::len).sum();
                if total + header.len() > ELIDED_BYTES {
                    return Err(NutError::Invalid {
                        what: "the size of elided headers",
                        value: header.len() as u64,
                    });
                }
                elided_headers.push(header.to_vec());
            }
            if version > 3 && !body.bytes.is_empty() {
                broadcast = body.v()? & 1 != 0;
            }
        }
        Ok(Self { time_bases, frame_codes, elided_headers, broadcast })
    }
}

/// The table of frame codes, run-length coded: a run shares its fields, the size counts up within it.
fn parse_frame_codes(body: &mut Body<'_>) -> Result<Vec<FrameCode>, NutError> {
    let mut codes = Vec::with_capacity(256);
    let (mut pts_delta, mut size_mul, mut header_idx) = (0, 1, 0);
    while codes.len() < 256 {
        let flags = body.v()?;
        let n_fields = body.v()?;
        if n_fields > 0 {
            pts_delta = body.s()?;
        }
        if n_fields > 1 {
            size_mul = body.v_in("the size factor of a frame code", 0..=1 << 14)?;
        }
        if n_fields > 2 {
            body.v_in("the stream of a frame code", 0..=0)?;
        }
        let size_lsb = if n_fields > 3 { body.v_in("the size of a frame code", 0..=1 << 14)? } else { 0 };
        let n_reserved = if n_fields > 4 { body.v()? } else { 0 };
        let count = if n_fields > 5 { body.v()? } else { size_mul.saturating_sub(size_lsb) };
        if n_fields > 6 {
            body.s()?; // match_time_delta
        }
        if n_fields > 7 {
            header_idx = body.v()?;
        }
        for _ in 8..n_fields {
            body.v()?;
        }
        // The place of 'N', the first byte of every start code, is passed over without being counted.
        let n_free = 256 - codes.len() as u64 - u64::from(codes.len() <= usize::from(b'N'));
        if !(1..=n_free).contains(&count) {
            return Err(NutError::Invalid { what: "the length of a run of frame codes", value: count });
        }
        for j in 0..count {
            if codes.len() == usize::from(b'N') {
                codes.push(INVALID_CODE);
            }
            codes.push(FrameCode {
                flags,
                pts_delta,
                size_mul,
                size_lsb: size_lsb + j,
                n_reserved,
                header_idx,
            });
        }
    }
    Ok(codes)
}

fn parse_stream_header(body: &[u8], main: &MainHeader) -> Result<(NutVideo, StreamState), NutError> {
    let mut body = Body { bytes: body, what: "the stream header" };
    body.v_in("the stream id", 0..=0)?;
    if body.v()? != 0 {
        return Err(NutError::Unsupported("a stream other than video"));
    }
    let fourcc = body.vb()?;
    let fourcc =
        fourcc.try_into().map_err(|_| NutError::Unsupported("a codec tag of other than four bytes"))?;
    let time_base_id = body.v_in("the time base of the stream", 0..=main.time_bases.len() as u64 - 1)?;
    let msb_pts_shift = body.v_in("the time stamp shift", 0..=15)? as u32;
    body.v()?; // max_pts_distance
    body.v()?; // decode_delay
    body.v()?; // stream_flags
    body.vb()?; // codec_specific_data
    let width = body.v_in("the width", 1..=INT_MAX)?;
    let height = body.v_in("the height", 1..=INT_MAX)?;
    let sar = (
        body.v_in("the sample aspect ratio", 0..=INT_MAX)?,
        body.v_in("the sample aspect ratio", 0..=INT_MAX)?,
    );
    let video = NutVideo {
        fourcc,
        width: width as usize,
        height: height as usize,
        sar: Rational::new(sar.0 as i64, sar.1 as i64),
        time_base: main.time_bases[time_base_id as usize],
    };
    Ok((video, StreamState { msb_pts_shift, last_pts: 0 }))
}
