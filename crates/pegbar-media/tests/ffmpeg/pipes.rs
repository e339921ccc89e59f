//! NUT written by ffmpeg is read by us and the other way round, in every pixel format.

use std::process::{Command, Stdio};

use pegbar_frame::{Colour, Frame, PixelFormat, Rational};
use pegbar_media::nut::{NutReader, NutVideo, NutWriter};
use pegbar_media::{Container, DecodeOptions, Decoder, Encoder, StreamParams};

use crate::support::{ffmpeg, folder, settings, tools, video};

/// A frame of numbers that are all different from their neighbours'.
fn noise(format: PixelFormat, width: usize, height: usize, pts: i64) -> Frame {
    let n_bytes = format.frame_bytes(width, height);
    let mut state = pts as u32 * 977 + 1;
    let mask = (format.max_code() >> 8) as u8;
    let bytes: Vec<u8> = (0..n_bytes)
        .map(|i| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let byte = (state >> 24) as u8;
            if format.depth_bits > 8 && i % 2 == 1 { byte & mask } else { byte }
        })
        .collect();
    Frame::from_bytes(format, width, height, pts, Colour::default(), &bytes).unwrap()
}

#[test]
fn every_format_reaches_ffmpeg_and_comes_back_bit_for_bit() {
    let Some(tools) = tools() else { return };
    let folder = folder();
    let mut n_formats = 0;
    for format in PixelFormat::all() {
        // Nut keeps raw video as it is.
        let path = folder.path().join("x.nut");
        let params = StreamParams {
            width: 7,
            height: 5,
            format,
            time_base: Rational::new(1, 30),
            frame_rate: Some(Rational::new(30, 1)),
            sar: Rational::new(4, 3),
            colour: Colour::default(),
            hdr: None,
        };
        let raw = settings("-c:v rawvideo");
        let Ok(mut encoder) = Encoder::create(tools, &path, Container::Nut, &raw, &params, None) else {
            // Those without a tag; no decoder gives them, see the unit tests.
            assert!(format.log2_chroma_h > format.log2_chroma_w || format.depth_bits == 14, "{format}");
            continue;
        };
        n_formats += 1;
        let written: Vec<Frame> = [0, 1, 5].map(|pts| noise(format, 7, 5, pts)).into();
        for frame in &written {
            encoder.write_frame(frame).unwrap();
        }
        encoder.finish().unwrap();
        let video = video(&path);
        assert_eq!(video.pix_fmt, format.ffmpeg_name());
        let decoder = Decoder::open(tools, &path, &video, &DecodeOptions::default()).unwrap();
        let mut read: Vec<Frame> = decoder.map(Result::unwrap).collect();
        for frame in &mut read {
            frame.colour = Colour::default();
            // ffmpeg keeps NUT in a finer time base.
            frame.pts = (frame.pts as f64 * video.time_base.as_f64() * 30.0).round() as i64;
        }
        assert!(read == written, "{format}");
    }
    assert!(n_formats > 45, "{n_formats}");
}

#[test]
fn what_ffmpeg_writes_is_read_whole() {
    let Some(_) = tools() else { return };
    let folder = folder();
    // Frames so small that ffmpeg elides their first bytes where it can, and large enough not to.
    for (size, n) in [("3x7", 50), ("2x2", 300), ("320x180", 30)] {
        let path = folder.path().join("x.nut");
        let lavfi =
            format!("-f lavfi -i testsrc=s={size}:r=30000/1001 -frames:v {n} -c:v rawvideo -pix_fmt yuv420p");
        ffmpeg(&lavfi, &path);
        let bytes = std::fs::read(&path).unwrap();
        let mut reader = NutReader::new(&bytes[..]).unwrap();
        let video = reader.video().clone();
        assert_eq!(&video.fourcc, b"I420");
        let mut seen = 0;
        let mut data = vec![0; PixelFormat::YUV420P.frame_bytes(video.width, video.height)];
        let per_frame = (1001.0 / 30000.0) / video.time_base.as_f64();
        while let Some(frame) = reader.next_frame().unwrap() {
            assert_eq!(frame.n_bytes, data.len() as u64);
            assert_eq!(frame.pts, (f64::from(seen) * per_frame).round() as i64);
            reader.read_data(&mut data).unwrap();
            seen += 1;
        }
        assert_eq!(seen, n, "{size}");
        // Cut anywhere, it is an error or fewer frames, never a panic.
        for cut in (0..bytes.len()).step_by(bytes.len() / 97 + 1) {
            let Ok(mut reader) = NutReader::new(&bytes[..cut]) else { continue };
            while let Ok(Some(_)) = reader.next_frame() {}
        }
    }
}

#[test]
fn time_stamps_of_all_kinds_reach_ffmpeg() {
    let Some(tools) = tools() else { return };
    for time_base in [(1, 1000), (1, 90000), (1001, 30000), (1, 12800), (1, 1_000_000), (3, 100)] {
        let video = NutVideo {
            fourcc: *b"Y800",
            width: 4,
            height: 4,
            sar: Rational::new(0, 0),
            time_base: Rational::new(time_base.0, time_base.1),
        };
        let stamps = [0, 1, 2, 40, 41, 1000, 1_000_000];
        let mut writer = NutWriter::new(Vec::new(), &video, None).unwrap();
        for pts in stamps {
            writer.write_frame(pts, &[&[0; 16]]).unwrap();
        }
        let bytes = writer.finish().unwrap();
        let mut ffprobe = Command::new(&tools.ffprobe)
            .args(["-v", "error", "-f", "nut", "-show_entries", "packet=pts", "-of", "csv=p=0", "pipe:0"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut ffprobe.stdin.take().unwrap(), &bytes).unwrap();
        let says = String::from_utf8(ffprobe.wait_with_output().unwrap().stdout).unwrap();
        let read: Vec<i64> = says.lines().filter_map(|l| l.trim_end_matches(',').parse().ok()).collect();
        assert_eq!(read, stamps, "{time_base:?}");
    }
}
