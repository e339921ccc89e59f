//! Interlaced and telecined videos, black borders and padding, through the built binary and the real ffmpeg.

mod workbench;

use std::path::{Path, PathBuf};
use workbench::{Desk, ffmpeg, ffprobe, frame_times, has_ffmpeg, pegbar};

/// Two shapes that move over a ground of lines, and a tone; `filters` follow.
fn clip(desk: &Desk, name: &str, rate: &str, frames: usize, filters: &str) -> PathBuf {
    let path = desk.at(name);
    ffmpeg(
        &format!(
            "-f lavfi -i testsrc=s=96x64:r={rate}:d=60 -f lavfi -i color=c=yellow:s=32x24:r={rate}:d=60 \
             -f lavfi -i sine=d=60 -frames:v {frames} -filter_complex \
             [0:v]trim=end_frame=1,loop=-1:1,setpts=N/FRAME_RATE/TB[g];\
             [g][1:v]overlay=x=mod(n*3\\,64):y=20+10*sin(n/5),format=yuv420p{filters},setsar=16/15[v] \
             -map [v] -map 2:a -c:v ffv1 -c:a aac -shortest @0"
        ),
        &[&path],
    );
    path
}

fn upscale(desk: &Desk, input: &Path, output: &str, more: &[&str]) -> (serde_json::Value, PathBuf) {
    let (ran, output) = desk.upscale(input, output, &[&["--json", "--preset=ultrafast"], more].concat());
    (ran.json(0)["done"][0].clone(), output)
}

fn warnings(done: &serde_json::Value) -> String {
    done["warnings"].to_string()
}

fn length_secs(file: &Path, kind: &str) -> f64 {
    let json = ffprobe(&format!("-select_streams {kind} -show_entries packet=pts_time"), file);
    let packets = json["packets"].as_array().expect("packets");
    let times = packets.iter().filter_map(|p| p["pts_time"].as_str()?.parse::<f64>().ok());
    times.fold(0.0, f64::max)
}

const TFF: &str = ",tinterlace=mode=interleave_top,setfield=tff";

#[test]
fn combed_frames_are_never_enlarged_in_silence() {
    if !has_ffmpeg("an interlaced clip") {
        return;
    }
    let desk = Desk::new();
    let source = clip(&desk, "tff.mkv", "50", 40, TFF);
    let (done, output) = upscale(&desk, &source, "kept.mkv", &[]);
    assert!(warnings(&done).contains("interlaced, top field first"), "{done}");
    assert!(warnings(&done).contains("--deinterlace auto"), "{done}");
    assert_eq!(frame_times(&output), frame_times(&source));
    let (ran, _) = desk.upscale(&source, "loud.mkv", &["--preset=ultrafast"]);
    assert!(ran.stderr.contains("combed frames are enlarged as they are"), "{ran:?}");
    // A chain that treats them needs no such advice.
    for (kind, warned) in [("video.deinterlace", false), ("image.invert", true)] {
        let chain = desk.at("chain.json");
        let nodes = serde_json::json!({"in": {"type": "input"}, "do": {"type": kind, "inputs": {"image": "in"}},
            "out": {"type": "output", "inputs": {"image": "do"}}});
        std::fs::write(&chain, serde_json::json!({"pegbar": 1, "nodes": nodes}).to_string())
            .expect("written");
        let output = desk.at("chain.mkv");
        let args = ["run".as_ref(), chain.as_os_str(), source.as_os_str(), "-o".as_ref(), output.as_os_str()];
        let ran = pegbar(args.into_iter().chain(["--overwrite".as_ref(), "--preset=ultrafast".as_ref()]));
        assert_eq!((ran.code, ran.stderr.contains("combed frames")), (Some(0), warned), "{kind}: {ran:?}");
    }
    let progressive = clip(&desk, "progressive.mkv", "25", 40, "");
    let (done, _) = upscale(&desk, &progressive, "progressive-2x.mkv", &[]);
    assert_eq!(done["warnings"].as_array().map(Vec::len), Some(0), "{done}");
}

#[test]
fn deinterlacing_keeps_time_and_sound() {
    if !has_ffmpeg("an interlaced clip") {
        return;
    }
    let desk = Desk::new();
    let source = clip(&desk, "tff.mkv", "50", 40, TFF);
    let times = frame_times(&source);
    let (done, output) = upscale(&desk, &source, "frames.mkv", &["--deinterlace=auto"]);
    assert!(warnings(&done).contains("deinterlaced with bwdif"), "{done}");
    assert_eq!(frame_times(&output), times);
    let rate = ["--deinterlace=yadif", "--deinterlace-rate=field"];
    for (name, clock_secs) in [("fields.mkv", 0.0006), ("fields.mp4", 0.000_01)] {
        let (done, output) = upscale(&desk, &source, name, &rate);
        assert_eq!(done["frames"], 80, "{done}");
        let doubled = frame_times(&output);
        assert_eq!(doubled.len(), 80);
        for (k, time) in doubled.iter().enumerate() {
            assert!((time - times[0] - k as f64 * 0.02).abs() <= clock_secs, "{name}: frame {k} at {time}");
        }
        assert!((length_secs(&output, "a") - length_secs(&source, "a")).abs() < 0.03, "{name}");
        let stream = &ffprobe("-select_streams v:0 -show_streams", &output)["streams"][0];
        assert_eq!(stream["sample_aspect_ratio"], "16:15", "{name}");
    }
}

#[test]
fn inverse_telecine_keeps_time_and_sound() {
    if !has_ffmpeg("a telecined clip") {
        return;
    }
    let desk = Desk::new();
    let source = clip(&desk, "telecined.mkv", "24000/1001", 60, ",telecine=pattern=23");
    let (done, _) = upscale(&desk, &source, "kept.mkv", &["--deinterlace=auto"]);
    assert!(warnings(&done).contains("--ivtc auto"), "{done}");
    let (done, output) = upscale(&desk, &source, "film.mkv", &["--ivtc=auto", "--deinterlace=auto"]);
    assert_eq!(done["frames"], 48, "{done}");
    let start = frame_times(&source)[0];
    for (k, time) in frame_times(&output).iter().enumerate() {
        assert!((time - start - k as f64 * 1001.0 / 24000.0).abs() < 0.0015, "frame {k} at {time}");
    }
    assert_eq!(length_secs(&output, "a"), length_secs(&source, "a"));
    let part = ["--ivtc=on", "--start=0.5", "--duration=1"];
    let (done, output) = upscale(&desk, &source, "part.mkv", &part);
    assert!((23..=25).contains(&done["frames"].as_u64().unwrap_or(0)), "{done}");
    assert_eq!(frame_times(&output)[0], 0.0);
}

#[test]
fn borders_are_cut_and_added() {
    if !has_ffmpeg("a letterboxed clip") {
        return;
    }
    let desk = Desk::new();
    let source = clip(&desk, "letterbox.mkv", "25", 20, ",lutyuv=y=val*0.7+60,pad=128:96:16:16");
    let (done, output) = upscale(&desk, &source, "cut.mkv", &["--crop=auto"]);
    assert!(warnings(&done).contains("--crop 96:64:16:16"), "{done}");
    assert_eq!((&done["width"], &done["height"]), (&192.into(), &128.into()));
    let stream = &ffprobe("-select_streams v:0 -show_streams", &output)["streams"][0];
    assert_eq!((&stream["width"], &stream["sample_aspect_ratio"]), (&192.into(), &"16:15".into()));
    let (done, output) = upscale(&desk, &source, "set.mkv", &["--crop=90:60:20:18", "--pad=100:64"]);
    assert_eq!((&done["width"], &done["height"]), (&200.into(), &128.into()));
    assert_eq!(frame_times(&output), frame_times(&source));
    for (options, says) in [
        (["--crop=91:60:20:18", "--overwrite"], "92:60:20:18 is near"),
        (["--crop=96:64:16:40", "--overwrite"], "reaches out of the picture of 128x96"),
        (["--pad=100:64", "--overwrite"], "would make the picture"),
    ] {
        let (ran, _) = desk.upscale(&source, "refused.mkv", &options);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.stderr.contains(says), "{ran:?}");
    }
    for options in [["--crop=middle"].as_slice(), &["--pad=7"], &["--ivtc=on", "--deinterlace=bwdif"]] {
        let (ran, _) = desk.upscale(&source, "refused.mkv", options);
        assert_eq!(ran.code, Some(2), "{ran:?}");
    }
}

#[test]
fn probe_scans_when_asked() {
    if !has_ffmpeg("a telecined clip") {
        return;
    }
    let desk = Desk::new();
    let source = clip(
        &desk,
        "telecined.mkv",
        "24000/1001",
        60,
        ",telecine=pattern=23,lutyuv=y=val*0.7+60,pad=96:80:0:8",
    );
    let json = pegbar(["probe".as_ref(), source.as_os_str(), "--scan".as_ref(), "--json".as_ref()]).json(0);
    assert_eq!(
        (&json["scan"]["type"], &json["scan"]["field_order"]),
        (&"telecined".into(), &"tff".into()),
        "{json}"
    );
    assert_eq!(json["streams"][0]["kind"], "video");
    let plain = pegbar(["probe".as_ref(), source.as_os_str(), "--json".as_ref()]).json(0);
    assert!(plain.get("scan").is_none());
    let text = pegbar(["probe".as_ref(), source.as_os_str(), "--scan".as_ref()]);
    assert!(text.stdout.contains("the video is telecined (2:3), top field first"), "{text:?}");
    assert!(text.stdout.contains("--crop 96:64:0:8"), "{text:?}");
}
