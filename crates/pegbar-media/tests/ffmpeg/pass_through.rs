//! Decode, encode, and nothing has changed.

use std::path::Path;

use pegbar_frame::{Frame, Range};
use pegbar_media::DecodeOptions;

use crate::support::{
    FAST_H264, decoder, ffmpeg, ffprobe_says, folder, frame_hashes, frames, packet_hashes, pass_through,
    probed, probed_pts, same_time, shared_media, tools, video,
};

const WHOLE: DecodeOptions = DecodeOptions::WHOLE;

/// Every frame of `output` has the time of its twin in `source`, exactly, or to the container's millisecond.
fn assert_same_times(source: &Path, output: &Path) {
    let (source_base, output_base) = (video(source).time_base, video(output).time_base);
    let source_pts: Vec<i64> = frames(source).iter().map(|f| f.pts).collect();
    // Our own time stamps of the source are those that ffprobe knows.
    let known = probed_pts(source);
    assert_eq!(known.len(), source_pts.len());
    for (known, ours) in known.iter().zip(&source_pts) {
        assert!(known.is_none_or(|k| k == *ours), "{known:?} is not {ours}");
    }
    let output_pts: Vec<i64> = probed_pts(output).into_iter().map(Option::unwrap).collect();
    assert_eq!(output_pts.len(), source_pts.len());
    for (&a, &b) in source_pts.iter().zip(&output_pts) {
        if output.extension().unwrap() == "mkv" {
            let apart = a as f64 * source_base.as_f64() - b as f64 * output_base.as_f64();
            assert!(apart.abs() <= 0.000_501, "{a} became {b}");
        } else {
            assert!(same_time(a, source_base, b, output_base), "{a}*{source_base} became {b}*{output_base}");
        }
    }
}

/// Lossless, so every frame is bit-identical; everything else is there as well.
fn assert_identical(source: &Path, output: &Path) {
    assert_eq!(frame_hashes(source, 0), frame_hashes(output, 0));
    assert_same_times(source, output);
    let (a, b) = (video(source), video(output));
    assert_eq!((a.width, a.height, a.sar), (b.width, b.height, b.sar));
    let mut colour = b.colour;
    if a.colour.range.is_none() && b.codec == "ffv1" && colour.range == Some(Range::Limited) {
        // Newer encoders of FFV1 say of themselves that untagged YUV is limited, which it is.
        colour.range = None;
    }
    assert_eq!(a.colour, colour);
    assert_eq!(a.pix_fmt.trim_start_matches("yuvj"), b.pix_fmt.trim_start_matches("yuvj"));
}

#[test]
fn clips_of_every_kind_are_bit_identical() {
    let Some(_) = tools() else { return };
    let folder = folder();
    let x264 = "-c:v libx264 -preset ultrafast -qp 10 -bf 2";
    let cases = [
        ("yuv420p", "320x180", "yuv420p", x264, "mp4"),
        ("yuv444p", "320x180", "yuv444p", x264, "mkv"),
        ("yuv420p10", "320x180", "yuv420p10le", x264, "mp4"),
        ("odd", "719x405", "yuv420p", "-c:v ffv1", "mkv"),
        ("odd10", "719x405", "yuv420p10le", "-c:v ffv1", "mkv"),
        ("tiny", "3x7", "yuv420p", "-c:v ffv1 -slices 1 -level 1", "mkv"),
        ("pixel", "1x1", "yuv444p", "-c:v ffv1 -slices 1 -level 1", "mkv"),
        ("gray", "64x48", "gray", "-c:v ffv1", "mkv"),
        ("gray16", "64x48", "gray16le", "-c:v ffv1", "mkv"),
        ("yuv411", "64x48", "yuv411p", "-c:v ffv1", "mkv"),
        ("yuv422-12", "64x48", "yuv422p12le", "-c:v ffv1", "mkv"),
        ("alpha", "64x48", "yuva420p", "-c:v ffv1", "mkv"),
        ("gbrp10", "64x48", "gbrp10le", "-c:v ffv1", "mkv"),
    ];
    for (name, size, pix_fmt, codec, extension) in cases {
        let source = folder.path().join(format!("{name}.{extension}"));
        let output = folder.path().join(format!("{name}-out.mkv"));
        ffmpeg(&format!("-f lavfi -i testsrc2=s={size}:r=25,format={pix_fmt} -frames:v 6 {codec}"), &source);
        let report = pass_through(&source, &output, "ffv1", &WHOLE).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!((report.n_frames, &report.warnings[..]), (6, &[][..]), "{name}");
        assert_eq!(video(&source).pix_fmt, pix_fmt, "{name}");
        assert_identical(&source, &output);
    }
}

#[test]
fn packed_formats_keep_every_sample() {
    let Some(_) = tools() else { return };
    let folder = folder();
    for (pix_fmt, size) in [
        ("rgb24", "65x49"),
        ("bgr0", "64x48"),
        ("yuyv422", "64x48"),
        ("nv12", "65x49"),
        ("rgba64le", "33x17"),
    ] {
        let source = folder.path().join("source.nut");
        let output = folder.path().join("output.mkv");
        ffmpeg(
            &format!("-f lavfi -i testsrc2=s={size}:r=25,format={pix_fmt} -frames:v 3 -c:v rawvideo"),
            &source,
        );
        assert_eq!(video(&source).pix_fmt, pix_fmt);
        pass_through(&source, &output, "ffv1", &WHOLE).unwrap();
        // Back in the packed format the samples are what they were.
        let back = folder.path().join("back.nut");
        ffmpeg(&format!("-i {} -c:v rawvideo -pix_fmt {pix_fmt}", output.display()), &back);
        assert_eq!(frame_hashes(&source, 0), frame_hashes(&back, 0), "{pix_fmt}");
    }
}

#[test]
fn colour_tags_and_aspect_ratio_are_kept() {
    let Some(_) = tools() else { return };
    let folder = folder();
    let cases = [
        ("bt470bg", "bt470bg", "gamma28", "tv", "left", "16/15"),
        ("smpte170m", "smpte170m", "smpte170m", "pc", "center", "8/9"),
        ("bt2020nc", "bt2020", "smpte2084", "tv", "topleft", "1/1"),
        ("bt709", "bt709", "iec61966-2-1", "pc", "left", "64/45"),
    ];
    for (i, (matrix, primaries, transfer, range, location, sar)) in cases.into_iter().enumerate() {
        let source = folder.path().join(format!("{i}.mp4"));
        let tags = format!(
            "-colorspace {matrix} -color_primaries {primaries} -color_trc {transfer} -color_range {range} \
             -chroma_sample_location {location}"
        );
        // Said of the frames as well: newer versions take it from there.
        let named = match transfer {
            "gamma28" => "bt470bg",
            other => other,
        };
        let set = format!(
            "setsar={sar},setparams=range={range}:colorspace={matrix}:color_primaries={primaries}:color_trc={named}"
        );
        ffmpeg(
            &format!(
                "-f lavfi -i testsrc2=s=64x48:r=25,format=yuv420p,{set} -frames:v 5 {tags} -c:v libx264 -qp 12"
            ),
            &source,
        );
        assert!(video(&source).colour.matrix.is_some() && video(&source).colour.transfer.is_some());
        for (name, encode) in [("out.mkv", "ffv1"), ("out.mp4", "-c:v libx264 -qp 0 -preset ultrafast")] {
            let output = folder.path().join(name);
            pass_through(&source, &output, encode, &WHOLE).unwrap();
            assert_eq!(video(&output).colour, video(&source).colour, "{name} {matrix}");
            assert_eq!(video(&output).sar, video(&source).sar, "{name}");
            assert_eq!(frame_hashes(&output, 0), frame_hashes(&source, 0), "{name} {matrix} {range}");
        }
    }
}

#[test]
fn full_range_jpeg_frames_are_not_squeezed() {
    let Some(_) = tools() else { return };
    let folder = folder();
    let source = folder.path().join("source.mkv");
    let output = folder.path().join("output.mkv");
    ffmpeg("-f lavfi -i testsrc2=s=64x48:r=25 -frames:v 3 -c:v mjpeg -pix_fmt yuvj420p -q:v 2", &source);
    pass_through(&source, &output, "ffv1", &WHOLE).unwrap();
    assert_eq!(video(&output).colour.range, Some(Range::Full));
    assert_eq!(frame_hashes(&source, 0), frame_hashes(&output, 0));
}

#[test]
fn variable_frame_rate_and_late_starts_are_kept() {
    let Some(_) = tools() else { return };
    let folder = folder();
    let vfr = "-f lavfi -i testsrc2=s=64x48:r=24000/1001,select='not(mod(n\\,3))+not(mod(n\\,5))' \
               -fps_mode passthrough -enc_time_base 1:90000 -frames:v 20";
    let late = "-itsoffset 1.5 -f lavfi -i testsrc2=s=64x48:r=25 -itsoffset 1.25 -f lavfi -i sine=d=1 \
                -copyts -frames:v 10 -c:a aac";
    let ntsc = "-f lavfi -i testsrc2=s=64x48:r=30000/1001 -frames:v 10";
    let cases = [
        ("vfr", vfr, "mp4", "-video_track_timescale 90000"),
        ("vfr", vfr, "mkv", ""),
        ("late", late, "mkv", ""),
        ("late", late, "mp4", "-movie_timescale 12800"),
        ("ntsc", ntsc, "mp4", ""),
        ("ntsc", ntsc, "mkv", ""),
        ("odd-base", "-f lavfi -i testsrc2=s=64x48:r=25/3 -frames:v 10", "nut", ""),
    ];
    for (name, lavfi, extension, options) in cases {
        let source = folder.path().join(format!("{name}.{extension}"));
        ffmpeg(&format!("{lavfi} -c:v libx264 -preset ultrafast {options}"), &source);
        for out in ["mp4", "mkv"] {
            let output = folder.path().join(format!("{name}-{extension}-out.{out}"));
            let report = pass_through(&source, &output, FAST_H264, &WHOLE).unwrap();
            assert!(report.warnings.is_empty(), "{report:?}");
            assert_same_times(&source, &output);
        }
    }
    let late = (probed(&folder.path().join("late.mkv")), probed(&folder.path().join("late-mkv-out.mp4")));
    for (a, b) in late.0.streams.iter().zip(&late.1.streams) {
        assert!((a.start_secs.unwrap() - b.start_secs.unwrap()).abs() < 0.0006, "{a} {b}");
    }
}

#[test]
fn negative_time_stamps_are_kept() {
    let Some(_) = tools() else { return };
    let folder = folder();
    let source = folder.path().join("source.mkv");
    ffmpeg(
        "-itsoffset -0.2 -f lavfi -i testsrc2=s=64x48:r=25 -copyts -fps_mode passthrough -frames:v 10 -c:v ffv1 -avoid_negative_ts disabled",
        &source,
    );
    let stamps: Vec<i64> = frames(&source).iter().map(|f| f.pts).collect();
    assert_eq!(stamps[..3], [-200, -160, -120]);
    let output = folder.path().join("output.mkv");
    pass_through(&source, &output, "ffv1", &WHOLE).unwrap();
    assert_identical(&source, &output);
}

#[test]
fn reference_media_keep_times_sound_and_tags() {
    let Some(_) = tools() else { return };
    let folder = folder();
    for name in ["bbb_rodents_180p_mpeg2.mpg", "bbb_rodents_360p_reference.mp4", "bbb_bunny_720p.mp4"] {
        let Some(source) = shared_media(name) else { return };
        for extension in ["mp4", "mkv"] {
            let output = folder.path().join(format!("out.{extension}"));
            let report = pass_through(&source, &output, FAST_H264, &WHOLE).unwrap();
            assert!(report.warnings.is_empty(), "{name}: {report:?}");
            assert_same_times(&source, &output);
            assert_eq!(packet_hashes(&source, "a"), packet_hashes(&output, "a"), "{name}");
            let (a, b) = (video(&source), video(&output));
            assert_eq!((a.sar, &a.colour), (b.sar, &b.colour), "{name}");
            // What sounds with the first picture in the source does so in the output.
            let start = |path: &Path| {
                ffprobe_says(path, "-select_streams a -show_entries stream=start_time -read_intervals %+#1")
            };
            let (a, b): (f64, f64) =
                (start(&source).trim().parse().unwrap(), start(&output).trim().parse().unwrap());
            // ffprobe hides what an edit list cuts off; Matroska has none, there the same packets come earlier.
            assert!(extension == "mkv" || (a - b).abs() < 0.0006, "{name}: {a} {b}");
        }
    }
}

#[test]
fn reference_media_are_bit_identical() {
    let Some(_) = tools() else { return };
    let folder = folder();
    for name in ["bbb_rodents_180p_mpeg2.mpg", "bbb_rodents_360p_reference.mp4"] {
        let Some(source) = shared_media(name) else { return };
        let output = folder.path().join("out.mkv");
        pass_through(&source, &output, "ffv1", &WHOLE).unwrap();
        assert_identical(&source, &output);
    }
}

#[test]
fn a_part_starts_at_zero_with_its_sound() {
    let Some(_) = tools() else { return };
    let folder = folder();
    let lavfi =
        "-f lavfi -i testsrc2=s=64x48:r=25:d=4 -f lavfi -i sine=d=4 -c:a pcm_s16le -c:v libx264 -g 60 -qp 0";
    for (name, offset, extension) in
        [("zero", "", "mkv"), ("late", "-output_ts_offset 3", "mkv"), ("ps", "", "mpg")]
    {
        let source = folder.path().join(format!("{name}.{extension}"));
        let lavfi = if name == "ps" {
            lavfi
                .replace("-c:v libx264 -g 60 -qp 0", "-c:v mpeg2video -q:v 4 -g 30")
                .replace("pcm_s16le", "mp2")
        } else {
            lavfi.to_owned()
        };
        ffmpeg(&format!("{lavfi} {offset}"), &source);
        let part = DecodeOptions { start_secs: Some(1.61), duration_secs: Some(0.8), ..WHOLE };
        let all = frames(&source);
        let got: Vec<_> = decoder(&source, &part).unwrap().map(Result::unwrap).collect();
        assert_eq!(got.len(), 20, "{name}");
        let base = video(&source).time_base.as_f64();
        let from = probed(&source).start_secs.unwrap() + 1.61;
        let first = all.iter().position(|f| f.pts as f64 * base >= from - 1e-6).unwrap();
        let pts = |frames: &[Frame]| frames.iter().map(|f| f.pts).collect::<Vec<_>>();
        assert_eq!(pts(&got), pts(&all[first..first + 20]), "{name}");
        assert!(got[..] == all[first..first + 20], "{name}: the same frames");
        for out in ["mkv", "mp4"] {
            let output = folder.path().join(format!("{name}-out.{out}"));
            let report =
                pass_through(&source, &output, "-c:v libx264 -qp 0 -preset ultrafast", &part).unwrap();
            assert_eq!(report.n_frames, 20);
            assert_eq!(frame_hashes(&output, 0), frame_hashes(&source, 0)[first..first + 20]);
            let probe = probed(&output);
            assert_eq!(probe.video(0).unwrap().start_pts, Some(0), "{name} {out}");
            let sound = probe.streams.iter().find(|s| s.channels.is_some()).unwrap();
            let start = sound.start_secs.unwrap();
            assert!((0.0..0.05).contains(&start), "{name} {out}: sound starts at {start}");
            let duration = probe.duration_secs.unwrap();
            assert!((0.78..0.9).contains(&duration), "{name} {out}: {duration}");
        }
    }
}
