//! Whole videos through the built binary and the real ffmpeg.

mod workbench;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use workbench::{
    Desk, Ran, binary, ffmpeg, ffprobe, frame_hashes, frame_times, has_ffmpeg, leftovers, pegbar, shared,
    small_model,
};

/// Upscales with a report as JSON, and as fast as the encoder can.
fn upscale(desk: &Desk, input: &Path, output: &str, more: &[&str]) -> (Ran, PathBuf) {
    let quick: &[&str] =
        if more.contains(&"--encode") { &["--json"] } else { &["--json", "--preset=ultrafast"] };
    desk.upscale(input, output, &[quick, more].concat())
}

/// The first video stream as ffprobe tells it.
fn video_stream(file: &Path) -> serde_json::Value {
    ffprobe("-select_streams v:0 -show_streams", file)["streams"][0].clone()
}

/// md5 of every packet of the streams of a kind (`a`, `s`).
fn packet_hashes(file: &Path, kind: &str) -> Vec<String> {
    let json =
        ffprobe(&format!("-select_streams {kind} -show_entries packet=data_hash -show_data_hash md5"), file);
    let packets = json["packets"].as_array().cloned().unwrap_or_default();
    packets.iter().map(|p| p["data_hash"].as_str().unwrap_or("none").to_owned()).collect()
}

/// What must hold between any source and its output.
fn check_kept(source: &Path, output: &Path, scale: u64, clock_secs: f64) {
    let name = source.display();
    let (a, b) = (video_stream(source), video_stream(output));
    assert_eq!(b["width"].as_u64(), a["width"].as_u64().map(|w| w * scale), "{name}: width");
    assert_eq!(b["height"].as_u64(), a["height"].as_u64().map(|h| h * scale), "{name}: height");
    for tag in ["color_space", "color_range", "color_primaries", "color_transfer"] {
        // A container writes `tv` where a source of the same meaning had nothing, and only there.
        if tag != "color_range" || !a[tag].is_null() {
            assert_eq!(a[tag], b[tag], "{name}: {tag}");
        }
    }
    let sar = |s: &serde_json::Value| match s["sample_aspect_ratio"].as_str() {
        None | Some("0:1") => "1:1".to_owned(),
        Some(sar) => sar.to_owned(),
    };
    assert_eq!(sar(&a), sar(&b), "{name}: sample aspect ratio");
    let (a, b) = (frame_times(source), frame_times(output));
    assert_eq!(a.len(), b.len(), "{name}: frames");
    for (i, (a, b)) in a.iter().zip(&b).enumerate() {
        assert!((a - b).abs() <= clock_secs, "{name}: frame {i} at {b} s instead of {a} s");
    }
    assert_eq!(packet_hashes(source, "a"), packet_hashes(output, "a"), "{name}: audio packets");
}

#[test]
fn reference_clips_keep_everything() {
    let Some(shared) = shared("reference clips") else { return };
    if !has_ffmpeg("reference clips") {
        return;
    }
    let desk = Desk::new();
    // The 180p clip whole; a second of each large one, cut without touching packets.
    for (name, cut) in [
        ("bbb_rodents_180p_mpeg2.mpg", false),
        ("bbb_rodents_360p_reference.mp4", true),
        ("bbb_bunny_720p.mp4", true),
    ] {
        let whole = shared.join("media").join(name);
        let source = if cut {
            let short = desk.at(name);
            ffmpeg("-i @0 -t 1 -c copy @1", &[&whole, &short]);
            short
        } else {
            whole
        };
        for container in ["mp4", "mkv"] {
            let (ran, output) = upscale(&desk, &source, &format!("out.{container}"), &["--overwrite"]);
            assert_eq!(ran.code, Some(0), "{name}: {ran:?}");
            // Matroska counts milliseconds.
            let clock = if container == "mkv" { 0.000_51 } else { 0.000_005 };
            check_kept(&source, &output, 2, clock);
        }
    }
}

#[test]
fn variable_rate_anamorphic_tagged_ten_bit() {
    if !has_ffmpeg("a made clip") {
        return;
    }
    let desk = Desk::new();
    let source = desk.at("vfr.mkv");
    ffmpeg(
        "-f lavfi -i testsrc2=s=64x48:r=25:d=3 -f lavfi -i sine=d=3 -vf select=not(mod(n\\,3))+gt(n\\,40),setsar=16/15 \
         -fps_mode vfr -pix_fmt yuv420p10le -c:v libx264 -preset ultrafast -colorspace bt709 -color_primaries bt709 \
         -color_trc bt709 -color_range tv -c:a aac @0",
        &[&source],
    );
    let times = frame_times(&source);
    let steps: Vec<i64> = times.windows(2).map(|t| ((t[1] - t[0]) * 1000.0).round() as i64).collect();
    assert!(steps.iter().any(|s| *s != steps[0]), "the clip has a variable rate: {steps:?}");
    let (ran, output) = upscale(&desk, &source, "out.mkv", &[]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    check_kept(&source, &output, 2, 0.000_51);
    assert_eq!(video_stream(&output)["pix_fmt"], "yuv420p10le", "depth of the source");
}

#[test]
fn all_other_streams_are_copied() {
    if !has_ffmpeg("streams of all kinds") {
        return;
    }
    let desk = Desk::new();
    let (subtitles, chapters, font, source) =
        (desk.at("s.srt"), desk.at("c.txt"), desk.at("f.ttf"), desk.at("in.mkv"));
    std::fs::write(&subtitles, "1\n00:00:00,100 --> 00:00:00,900\nHello\n").expect("written");
    std::fs::write(
        &chapters,
        ";FFMETADATA1\ntitle=A film\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=500\ntitle=One\n\
         [CHAPTER]\nTIMEBASE=1/1000\nSTART=500\nEND=1000\ntitle=Two\n",
    )
    .expect("written");
    std::fs::write(&font, [7u8; 300]).expect("written");
    ffmpeg(
        "-f lavfi -i testsrc2=s=48x32:r=10:d=1 -f lavfi -i sine=d=1 -f lavfi -i sine=f=880:d=1 -i @0 -i @1 \
         -map 0 -map 1 -map 2 -map 3 -map_metadata 4 -map_chapters 4 -c:v libx264 -preset ultrafast -c:a:0 aac -c:a:1 flac \
         -c:s srt -metadata:s:a:1 language=ger -disposition:a:1 default -attach @2 \
         -metadata:s:t mimetype=application/x-truetype-font @3",
        &[&subtitles, &chapters, &font, &source],
    );
    let (ran, output) = upscale(&desk, &source, "out.mkv", &[]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    check_kept(&source, &output, 2, 0.000_51);
    assert_eq!(packet_hashes(&source, "s"), packet_hashes(&output, "s"));
    let streams = |file: &Path| -> Vec<String> {
        let json = ffprobe("-show_streams", file);
        let streams = json["streams"].as_array().expect("streams").iter();
        streams
            .map(|s| {
                let tags = &s["tags"];
                format!(
                    "{} {} {} {} {}",
                    s["codec_type"],
                    s["codec_name"],
                    tags["language"],
                    tags["filename"],
                    s["disposition"]["default"]
                )
            })
            .collect()
    };
    assert_eq!(streams(&source), streams(&output));
    let rest = |file: &Path| {
        let json = ffprobe("-show_chapters -show_format", file);
        let titles: Vec<_> = json["chapters"]
            .as_array()
            .expect("chapters")
            .iter()
            .map(|c| c["tags"]["title"].clone())
            .collect();
        (titles, json["format"]["tags"]["title"].clone())
    };
    assert_eq!(rest(&source), rest(&output));

    // MP4 holds no fonts: that is said.
    let (ran, output) = upscale(&desk, &source, "out.mp4", &[]);
    let json = ran.json(0);
    let warnings = json["done"][0]["warnings"].to_string();
    assert!(warnings.contains("f.ttf") || warnings.contains("attachment"), "{warnings}");
    assert_eq!(
        ffprobe("-select_streams s -show_streams", &output)["streams"].as_array().map(Vec::len),
        Some(1)
    );
}

#[test]
fn a_stretch_of_the_film() {
    if !has_ffmpeg("a stretch") {
        return;
    }
    let desk = Desk::new();
    let source = desk.at("in.mp4");
    ffmpeg(
        "-f lavfi -i testsrc2=s=48x32:r=10:d=4 -f lavfi -i sine=d=4 -c:v libx264 -preset ultrafast -g 15 -c:a aac @0",
        &[&source],
    );
    let (ran, output) = upscale(&desk, &source, "out.mp4", &["--start", "1.7", "--duration", "0:01"]);
    assert_eq!(ran.json(0)["done"][0]["frames"], 10);
    let times = frame_times(&output);
    assert!(times[0].abs() < 0.001 && (times[9] - 0.9).abs() < 0.002, "{times:?}");
    // The same frames as the whole film has there.
    let (ran, whole) = upscale(&desk, &source, "whole.mkv", &["--encode", "ffv1"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let (ran, part) =
        upscale(&desk, &source, "part.mkv", &["--encode", "ffv1", "--start", "1.7", "--duration", "1"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(frame_hashes(&part), frame_hashes(&whole)[17..27]);
}

#[test]
fn frames_depend_neither_on_threads_nor_on_who_makes_them() {
    if !has_ffmpeg("frames on several threads") {
        return;
    }
    let desk = Desk::new();
    let source = desk.at("in.mkv");
    ffmpeg(
        "-f lavfi -i testsrc2=s=96x64:r=25:d=2 -vf format=yuva420p,noise=alls=9:all_seed=3 -c:v ffv1 @0",
        &[&source],
    );
    let run = |output: &str, more: &[&str]| {
        let (ran, output) =
            upscale(&desk, &source, output, &[&["--encode", "ffv1", "--pix-fmt", "yuva420p"], more].concat());
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert_eq!(ran.json(0)["done"][0]["frames"], 50);
        check_kept(&source, &output, 2, 0.000_51);
        frame_hashes(&output)
    };
    let one = run("one.mkv", &["--threads", "1"]);
    let mut different = one.clone();
    different.sort();
    different.dedup();
    assert_eq!(different.len(), 50, "no two frames are the same");
    for threads in ["2", "3"] {
        assert_eq!(run("more.mkv", &["--overwrite", "--threads", threads]), one, "{threads} threads");
    }
    // Tiles of a given size are for each worker; they change rounding, but not with the threads.
    let tiled = run("tiled.mkv", &["--threads", "1", "--tile", "48"]);
    assert_eq!(run("more.mkv", &["--overwrite", "--threads", "2", "--tile", "48"]), tiled);
}

#[test]
fn encoders_by_name() {
    if !has_ffmpeg("encoders") {
        return;
    }
    let desk = Desk::new();
    let source = desk.at("in.mkv");
    ffmpeg("-f lavfi -i testsrc2=s=64x64:r=10:d=0.5 -c:v ffv1 -pix_fmt yuv422p @0", &[&source]);
    let encoders = String::from_utf8_lossy(
        &Command::new("ffmpeg").args(["-v", "error", "-encoders"]).output().expect("ffmpeg starts").stdout,
    )
    .into_owned();
    for (name, needs, codec, pix_fmt) in [
        ("h264", "libx264", "h264", "yuv420p"),
        ("h265", "libx265", "hevc", "yuv420p"),
        ("ffv1", "ffv1", "ffv1", "yuv422p"),
        ("prores", "prores_ks", "prores", "yuv422p10le"),
        ("-c:v libvpx-vp9 -deadline realtime", "libvpx-vp9", "vp9", "yuv422p"),
    ] {
        if !encoders.contains(needs) {
            eprintln!("skipped: --encode {name} (ffmpeg has no {needs})");
            continue;
        }
        let container = if name == "prores" { "out.mov" } else { "out.mkv" };
        let mut args = vec!["upscale".as_ref(), source.as_os_str(), "-m".as_ref(), desk.model.as_os_str()];
        let output = desk.at(container);
        args.extend([
            "-o".as_ref(),
            output.as_os_str(),
            "--encode".as_ref(),
            name.as_ref(),
            "--overwrite".as_ref(),
        ]);
        let ran = pegbar(args);
        assert_eq!(ran.code, Some(0), "{name}: {ran:?}");
        let stream = video_stream(&output);
        assert_eq!((&stream["codec_name"], &stream["pix_fmt"]), (&codec.into(), &pix_fmt.into()), "{name}");
        assert_eq!(frame_times(&output).len(), 5, "{name}");
    }
}

#[test]
fn identical_video_has_perfect_metrics() {
    if !has_ffmpeg("metrics of videos") {
        return;
    }
    let desk = Desk::new();
    let (a, b) = (desk.at("a.mkv"), desk.at("b.mkv"));
    ffmpeg("-f lavfi -i testsrc2=s=192x192:r=5:d=1 -c:v ffv1 -pix_fmt yuv420p @0", &[&a]);
    ffmpeg("-i @0 -vf noise=alls=20:all_seed=1 -c:v ffv1 @1", &[&a, &b]);
    let args = |x: &Path, y: &Path| {
        [
            "metrics".into(),
            x.as_os_str().to_owned(),
            y.as_os_str().to_owned(),
            "--json".into(),
            "--per-frame".into(),
        ]
    };
    let same = pegbar(args(&a, &a)).json(0);
    assert_eq!(
        (&same["identical"], &same["psnr"], &same["frames"]),
        (&true.into(), &serde_json::Value::Null, &5.into())
    );
    assert_eq!(same["ssim"], 1.0);
    let other = pegbar(args(&a, &b)).json(0);
    let psnr = other["psnr"].as_f64().expect("number");
    assert!((20.0..40.0).contains(&psnr), "{psnr}");
    assert!(other["ms_ssim"].as_f64().expect("number") < 1.0);
    assert_eq!(other["per_frame"].as_array().expect("frames").len(), 5);
}

/// Processes whose command line holds `word`.
#[cfg(target_os = "linux")]
fn processes_with(word: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if line.contains(word) && line.contains("ffmpeg") {
            found.push(line);
        }
    }
    found
}

#[cfg(target_os = "linux")]
#[test]
fn an_interrupt_leaves_nothing_behind() {
    if !has_ffmpeg("an interrupt") {
        return;
    }
    for signal in ["-INT", "-TERM", "-KILL"] {
        let desk = Desk::new();
        let source = desk.at("interrupted-source.mkv");
        ffmpeg("-f lavfi -i testsrc2=s=320x240:r=25:d=60 -c:v libx264 -preset ultrafast @0", &[&source]);
        let output = desk.at("out.mkv");
        let mut child = binary()
            .arg("upscale")
            .arg(&source)
            .arg("-m")
            .arg(&desk.model)
            .arg("-o")
            .arg(&output)
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let started = Instant::now();
        let folder = desk.folder.path().display().to_string();
        while leftovers(desk.folder.path()).is_empty() || processes_with(&folder).len() < 2 {
            assert!(started.elapsed() < Duration::from_secs(60), "the job never started");
            assert!(child.try_wait().expect("status").is_none(), "the job ended early");
            std::thread::sleep(Duration::from_millis(20));
        }
        std::thread::sleep(Duration::from_millis(300));
        let sent =
            Command::new("kill").arg(signal).arg(child.id().to_string()).status().expect("kill starts");
        assert!(sent.success());
        let asked = Instant::now();
        let status = child.wait().expect("ended");
        assert!(asked.elapsed() < Duration::from_secs(5), "{signal}: took {:?}", asked.elapsed());
        assert!(!output.exists(), "{signal}: half a film under the final name");
        if signal != "-KILL" {
            assert_eq!(status.code(), Some(130), "{signal}");
            assert_eq!(leftovers(desk.folder.path()), Vec::<PathBuf>::new(), "{signal}");
            assert_eq!(
                processes_with(&desk.folder.path().display().to_string()),
                Vec::<String>::new(),
                "{signal}"
            );
        } else {
            // Nobody could stop them: they end by themselves as their pipes are closed.
            while !processes_with(&desk.folder.path().display().to_string()).is_empty() {
                assert!(asked.elapsed() < Duration::from_secs(20), "ffmpeg runs on after SIGKILL");
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    }
}

#[test]
fn alpha_and_gray_and_odd_sizes() {
    if !has_ffmpeg("unusual videos") {
        return;
    }
    let desk = Desk::new();
    let gray = desk.at("gray.mkv");
    ffmpeg("-f lavfi -i testsrc2=s=31x17:r=5:d=1 -pix_fmt gray -c:v ffv1 @0", &[&gray]);
    let (ran, output) = upscale(&desk, &gray, "gray-out.mkv", &["--encode", "ffv1"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(video_stream(&output)["pix_fmt"], "gray");
    let alpha = desk.at("alpha.mov");
    ffmpeg(
        "-f lavfi -i testsrc2=s=32x16:r=5:d=1 -vf format=yuva444p10le -c:v prores_ks -profile:v 4444 @0",
        &[&alpha],
    );
    let (ran, _) = upscale(&desk, &alpha, "alpha-out.mp4", &[]);
    assert!(ran.json(0)["done"][0]["warnings"].to_string().contains("alpha"), "{ran:?}");
    let odd = desk.at("odd.mkv");
    ffmpeg(
        "-f lavfi -i testsrc2=s=719x405:r=5:d=0.4 -pix_fmt yuv420p -colorspace bt709 -c:v ffv1 @0",
        &[&odd],
    );
    let (ran, output) = upscale(&desk, &odd, "odd-out.mp4", &[]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    check_kept(&odd, &output, 2, 0.000_51);
}

#[test]
fn rgb_becomes_yuv_with_the_right_tags_and_colours() {
    if !has_ffmpeg("RGB videos") {
        return;
    }
    let desk = Desk::new();
    let source = desk.at("rgb.mkv");
    ffmpeg("-f lavfi -i color=c=0xc04020:s=48x32:r=5:d=0.4 -vf format=gbrp -c:v ffv1 @0", &[&source]);
    let (ran, output) = upscale(&desk, &source, "out.mp4", &[]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let stream = video_stream(&output);
    assert_eq!(stream["color_space"], "smpte170m", "{stream}");
    assert_eq!(stream["color_range"], "tv", "{stream}");
    // What a player shows.
    let rgb = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(&output)
        .args(["-frames:v", "1", "-pix_fmt", "rgb24", "-f", "rawvideo", "-"])
        .output()
        .expect("ffmpeg starts")
        .stdout;
    let middle = &rgb[(32 * 96 + 48) * 3..][..3];
    for (shown, meant) in middle.iter().zip([0xc0u8, 0x40, 0x20]) {
        // The small model shifts colours a little; a wrong matrix or range would shift them by dozens.
        assert!(shown.abs_diff(meant) < 12, "{middle:?}");
    }
}

#[test]
fn fewer_bits_are_dithered_and_as_many_are_not() {
    if !has_ffmpeg("dither") {
        return;
    }
    let mut desk = Desk::new();
    desk.model = small_model(desk.folder.path(), 1);
    for (depth, dithered) in [("yuv420p10le", true), ("yuv420p", false)] {
        let source = desk.at(&format!("{depth}.mkv"));
        ffmpeg(
            &format!("-f lavfi -i color=c=0x607080:s=48x32:r=5:d=0.4 -pix_fmt {depth} -c:v ffv1 @0"),
            &[&source],
        );
        let eight_bits = ["--encode", "ffv1", "--pix-fmt", "yuv420p"];
        let (ran, output) = upscale(&desk, &source, &format!("{depth}-out.mkv"), &eight_bits);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let decode = Command::new("ffmpeg")
            .args(["-v", "error", "-i"])
            .arg(&output)
            .args(["-pix_fmt", "yuv420p", "-f", "rawvideo", "-"])
            .output();
        let film = decode.expect("ffmpeg starts").stdout;
        let frames: Vec<&[u8]> = film.chunks_exact(48 * 32 * 3 / 2).collect();
        assert_eq!(frames.len(), 2);
        assert!(frames[0] == frames[1], "the pattern does not move");
        // The model makes one value between codes of the flat colour, but near the edges.
        let codes: BTreeSet<u8> =
            (8..24).flat_map(|y| &frames[0][y * 48 + 8..y * 48 + 40]).copied().collect();
        assert_eq!(codes.len(), if dithered { 2 } else { 1 }, "{depth}: {codes:?}");
    }
}
