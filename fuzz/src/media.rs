//! What ffprobe and ffmpeg send: a program between us and the file does not make the bytes trustworthy.

use pegbar_frame::Rational;
use pegbar_media::nut::{NutReader, NutVideo, NutWriter};

/// Keys whose values are parsed further.
pub(crate) const PROBE_DICTIONARY: &[&[u8]] = &[
    b"\"time_base\":\"1/0\"",
    b"\"sample_aspect_ratio\":\"0:1\"",
    b"\"avg_frame_rate\":\"9223372036854775807/1\"",
    b"\"width\":-1",
    b"\"rotation\":1e308",
    b"\"N/A\"",
    b"null",
    b"[[[[",
];

/// Start codes and lengths.
pub(crate) const NUT_DICTIONARY: &[&[u8]] = &[
    b"NM\x7a\x56\x1f\x5f\x04\xad",
    b"NS\x11\x40\x5b\xf2\xf9\xdb",
    b"NK\xe4\xad\xee\xca\x45\x69",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
    b"I420",
];

/// ffprobe's JSON.
pub(crate) fn run_probe(bytes: &[u8]) {
    if let Ok(probe) = pegbar_media::parse_probe(bytes) {
        let _ = probe.video(0);
        drop(probe.streams.iter().map(ToString::to_string).collect::<String>());
    }
}

/// A NUT stream, its frames skipped over as a reader of small frames would.
pub(crate) fn run_nut(bytes: &[u8]) {
    let Ok(mut reader) = NutReader::new(bytes) else { return };
    let mut data = [0; 64];
    while let Ok(Some(frame)) = reader.next_frame() {
        let mut left = frame.n_bytes;
        while left > 0 {
            let n = left.min(data.len() as u64) as usize;
            if reader.read_data(&mut data[..n]).is_err() {
                return;
            }
            left -= n as u64;
        }
    }
}

/// A file with two streams and a chapter.
pub(crate) fn probes() -> Vec<Vec<u8>> {
    vec![
        br#"{"streams":[{"index":0,"codec_name":"h264","codec_type":"video","codec_tag_string":"avc1","width":64,"height":48,"pix_fmt":"yuv420p","sample_aspect_ratio":"16:15","color_range":"tv","color_space":"bt709","time_base":"1/12800","avg_frame_rate":"25/1","r_frame_rate":"25/1","start_pts":0,"start_time":"0.000000","nb_frames":"25","disposition":{"default":1,"attached_pic":0},"tags":{"language":"eng"},"side_data_list":[{"side_data_type":"Display Matrix","rotation":-90}]},{"index":1,"codec_name":"aac","codec_type":"audio","sample_rate":"44100","channels":2,"time_base":"1/44100","r_frame_rate":"0/0","avg_frame_rate":"0/0","disposition":{"default":1}}],"chapters":[{"id":0,"time_base":"1/1000","start":0,"start_time":"0.0","end":500,"end_time":"0.5","tags":{"title":"One"}}],"format":{"filename":"a.mp4","nb_streams":2,"format_name":"mov,mp4,m4a,3gp,3g2,mj2","start_time":"0.000000","duration":"1.000000","size":"12345","bit_rate":"98760","tags":{"title":"A film"}}}"#
            .to_vec(),
    ]
}

/// Three 4x2 frames of 4:2:0.
pub(crate) fn nuts() -> Vec<Vec<u8>> {
    let video = NutVideo {
        fourcc: *b"I420",
        width: 4,
        height: 2,
        sar: Rational::new(1, 1),
        time_base: Rational::new(1, 25),
    };
    let whole = NutWriter::new(Vec::new(), &video, Some(Rational::new(25, 1))).and_then(|mut writer| {
        for pts in [0, 1, 7] {
            writer.write_frame(pts, &[&[9; 8], &[8; 2], &[7; 2]])?;
        }
        writer.finish()
    });
    // Writing to memory cannot fail; an empty corpus would, in the test that all of it is valid.
    whole.into_iter().collect()
}
