//! Animations and numbered images, in and out, through the built binary and the real ffmpeg.

mod workbench;

use pegbar_media::{Playback, still};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use workbench::{
    Desk, Ran, binary, ffmpeg, ffprobe, frame_hashes, frame_times, has_ffmpeg, leftovers, pegbar, picture,
};

/// Whether this ffmpeg writes animated WebP; says that `what` is skipped when not.
fn has_webp(what: &str) -> bool {
    let output = Command::new("ffmpeg").args(["-v", "error", "-encoders"]).output().expect("ffmpeg starts");
    let has = String::from_utf8_lossy(&output.stdout).contains("libwebp_anim");
    if !has {
        eprintln!("skipped: {what} (this ffmpeg has no libwebp_anim)");
    }
    has
}

fn assert_identical(a: &Path, b: &Path) {
    let report = pegbar(["metrics".as_ref(), a.as_os_str(), b.as_os_str(), "--json".as_ref()]).json(0);
    assert_eq!(report["identical"], true, "{} and {}: {report}", a.display(), b.display());
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .expect("folder")
        .map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn animations_stay_animations() {
    if !has_ffmpeg("animations") || !has_webp("animations") {
        return;
    }
    let desk = Desk::new();
    let source = |name: &str, options: &str| {
        let path = desk.at(name);
        ffmpeg(&format!("-f lavfi -i testsrc2=s=64x48:r=10:d=1 {options} @0"), &[&path]);
        path
    };
    let lossless = desk.at("truth.mkv");
    for (name, options, n_plays, last_frame_ms) in [
        ("in.gif", "-loop 2 -final_delay 50", Some(3), 500),
        ("once.gif", "-loop -1 -final_delay 7", Some(1), 70),
        ("in.apng", "-plays 4 -final_delay 1/4 -pix_fmt rgb24", Some(4), 250),
        ("in.webp", "-c:v libwebp_anim -lossless 1 -loop 0", None, 100),
    ] {
        let source = source(name, options);
        assert_eq!(
            Playback::of_file(&source),
            Some(Playback { n_plays, last_frame_ms: Some(last_frame_ms) })
        );
        let (ran, _) =
            desk.upscale(&source, "truth.mkv", &["--encode=ffv1", "--pix-fmt=gbrp", "--json", "--overwrite"]);
        assert_eq!(ran.json(0)["done"][0]["frames"], 10, "{name}");
        for extension in ["gif", "apng", "webp"] {
            let (ran, output) =
                desk.upscale(&source, &format!("out.{extension}"), &["--json", "--overwrite"]);
            let done = ran.json(0)["done"][0].clone();
            assert_eq!((&done["frames"], &done["width"]), (&10.into(), &128.into()), "{name} to {extension}");
            let playback = Playback::of_file(&output).expect("an animation");
            assert_eq!(playback.n_plays, n_plays, "{name} to {extension}");
            assert_eq!(playback.last_frame_ms, Some(last_frame_ms), "{name} to {extension}");
            // As ffmpeg reads it, and WebP as we do.
            let read = if extension == "webp" {
                let (ran, read) = desk.upscale(&output, "read.mkv", &["--encode=ffv1", "--overwrite"]);
                assert_eq!(ran.code, Some(0), "{ran:?}");
                read
            } else {
                output.clone()
            };
            let expected: Vec<f64> = (0..10).map(|n| f64::from(n) / 10.0).collect();
            assert_eq!(frame_times(&read), expected, "{name} to {extension}");
            if extension != "gif" {
                assert_identical(&output, &lossless);
            }
        }
    }
    assert_eq!(leftovers(desk.folder.path()), Vec::<PathBuf>::new());
}

#[test]
fn an_animation_keeps_colours_opacity_and_depth() {
    if !has_ffmpeg("animations with alpha") || !has_webp("animations with alpha") {
        return;
    }
    let desk = Desk::new();
    // A disc on nothing.
    let source = desk.at("disc.apng");
    ffmpeg(
        "-f lavfi -i color=c=orange:s=48x48:r=20:d=0.3,format=rgba,geq=r='200':g='N*30':b='60':a='255*lt(hypot(X-24,Y-24),20)' \
         -plays 0 @0",
        &[&source],
    );
    for extension in ["gif", "apng", "webp"] {
        let (ran, output) = desk.upscale(&source, &format!("out.{extension}"), &[]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let (ran, frames) = desk.upscale(&output, &format!("{extension}/%02d.png"), &["--json"]);
        assert_eq!(ran.json(0)["done"][0]["frames"], 6, "{extension}");
        let last = still::read(&frames.with_file_name("06.png")).expect("an image");
        let alpha = last.alpha.expect("alpha");
        let (centre, corner) = (alpha.height / 2 * alpha.width + alpha.width / 2, 0);
        assert!(alpha.data[centre] > 0.9 && alpha.data[corner] < 0.1, "{extension}");
        // In the middle of the disc the last of six colours.
        let at = |c: usize| (last.image.plane(c)[centre] * 255.0).round();
        let (r, g, b) = (at(0), at(1), at(2));
        assert!(
            (r - 200.0).abs() < 16.0 && (g - 150.0).abs() < 16.0 && (b - 60.0).abs() < 16.0,
            "{extension}: {r} {g} {b}"
        );
    }
    let deep = desk.at("deep.mkv");
    ffmpeg("-f lavfi -i gradients=s=64x48:r=10:d=0.3 -pix_fmt gbrp10le -c:v ffv1 @0", &[&deep]);
    let (ran, output) = desk.upscale(&deep, "deep.apng", &[]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let stream = &ffprobe("-show_entries stream=pix_fmt", &output)["streams"][0];
    assert_eq!(stream["pix_fmt"], "rgb48be");
}

#[test]
fn a_video_becomes_an_animation_with_a_word_on_what_is_lost() {
    if !has_ffmpeg("animations of videos") {
        return;
    }
    let desk = Desk::new();
    let source = desk.at("film.mkv");
    ffmpeg(
        "-f lavfi -i testsrc2=s=64x48:r=60:d=0.5 -f lavfi -i sine=d=0.5 -vf setsar=16/15 -c:v libx264 -c:a aac @0",
        &[&source],
    );
    let (ran, output) = desk.upscale(&source, "film.gif", &[]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for says in ["256 colours", "50 a second", "audio aac", "SAR 16:15"] {
        assert!(ran.stderr.contains(says), "{says}: {ran:?}");
    }
    let times = frame_times(&output);
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= 0.019), "{times:?}");
    assert!((24..=26).contains(&times.len()), "{times:?}");
    // Options of encoders mean nothing here.
    for option in ["--encode=h265", "--crf=3", "--pix-fmt=yuv420p"] {
        let (ran, output) = desk.upscale(&source, "never.gif", &[option]);
        assert!(ran.code == Some(2) && ran.stderr.contains("leave it out"), "{ran:?}");
        assert!(!output.exists());
    }
    let (ran, _) = desk.upscale(&source, "one.png", &[]);
    assert!(ran.code == Some(1) && ran.stderr.contains("%06d.png"), "{ran:?}");
}

#[test]
fn frames_become_numbered_images_and_a_film_again() {
    if !has_ffmpeg("numbered images") {
        return;
    }
    let desk = Desk::new();
    let source = desk.at("film.mkv");
    ffmpeg(
        "-f lavfi -i testsrc2=s=64x48:r=25:d=0.8 -f lavfi -i sine=d=0.8 -pix_fmt gbrp -c:v ffv1 -c:a flac @0",
        &[&source],
    );
    let (ran, frames) = desk.upscale(&source, "frames/%04d.png", &["--json"]);
    let done = ran.json(0)["done"][0].clone();
    assert_eq!((&done["frames"], &done["segments"]), (&20.into(), &1.into()), "{done}");
    assert!(done["warnings"].to_string().contains("audio flac"), "{done}");
    let folder = desk.at("frames");
    let expected: Vec<String> = (1..=20).map(|n| format!("{n:04}.png")).collect();
    assert_eq!(names(&folder), expected, "nothing else");
    // The same pixels as in a lossless film.
    let (ran, film) = desk.upscale(&source, "film-2x.mkv", &["--encode=ffv1"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_identical(&frames, &film);

    // There they stay, unless they may be replaced.
    let (ran, _) = desk.upscale(&source, "frames/%04d.png", &[]);
    assert!(ran.code == Some(1) && ran.stderr.contains("0001.png: exists already"), "{ran:?}");
    let (ran, _) = desk.upscale(&source, "frames/%04d.png", &["--skip-existing"]);
    assert!(ran.code == Some(0) && ran.stdout.contains("nothing to do"), "{ran:?}");
    let (ran, _) = desk.upscale(&source, "frames/%04d.png", &["--overwrite"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(names(&folder), expected);

    // And back: a film of them, at the rate that is asked for; images of a part keep their numbers.
    let (ran, film) = desk.upscale(&frames, "again.mp4", &["--frame-rate=23.976", "--preset=ultrafast"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let times = frame_times(&film);
    assert_eq!(times.len(), 20);
    assert!(
        times.iter().enumerate().all(|(n, time)| (time - n as f64 * 1001.0 / 24000.0).abs() < 1e-5),
        "{times:?}"
    );
    let (ran, _) = desk.upscale(&frames, "untold.mkv", &["--preset=ultrafast"]);
    assert!(ran.stderr.contains("24 frames a second"), "{ran:?}");
    let (ran, part) = desk.upscale(&frames, "part/%d.webp", &["--start=0.25", "--duration=0.2"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let mut numbers: Vec<u32> = names(part.parent().expect("folder"))
        .iter()
        .map(|name| name.trim_end_matches(".webp").parse().expect("a number"))
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [7, 8, 9, 10, 11]);
    let whole = still::read(&desk.at("frames/0009.png")).expect("an image");
    assert_eq!(
        still::read(&part.with_file_name("9.webp")).expect("an image").image.width,
        2 * whole.image.width
    );
}

#[test]
fn images_keep_depth_and_gray() {
    if !has_ffmpeg("images of other kinds") {
        return;
    }
    let desk = Desk::new();
    let deep = desk.at("deep.mkv");
    ffmpeg("-f lavfi -i testsrc2=s=48x32:r=10:d=0.3 -pix_fmt yuv420p10le -c:v ffv1 @0", &[&deep]);
    for (extension, depth_bits) in [("png", 16), ("tif", 16), ("jpg", 8), ("bmp", 8)] {
        let (ran, frames) = desk.upscale(&deep, &format!("{extension}/%d.{extension}"), &[]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let image = still::read(&frames.with_file_name(format!("3.{extension}"))).expect("an image");
        assert_eq!((image.depth_bits, image.image.width), (depth_bits, 96), "{extension}");
    }
    // Images of 16 bits are read so, too.
    let (ran, again) = desk.upscale(&desk.at("png/%d.png"), "again/%d.png", &[]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(still::read(&again.with_file_name("1.png")).expect("an image").depth_bits, 16);
}

#[test]
fn numbered_images_are_named_where_they_are_wrong() {
    let desk = Desk::new();
    std::fs::create_dir(desk.at("in")).expect("folder");
    for n in [5, 6, 8] {
        picture(&desk.at(&format!("in/{n:03}.png")), 32, 24, 3);
    }
    let input = desk.at("in/%03d.png");
    if !has_ffmpeg("numbered images") {
        return;
    }
    let (ran, _) = desk.upscale(&input, "out.mkv", &[]);
    assert!(ran.code == Some(1) && ran.stderr.contains("007.png is missing"), "{ran:?}");
    let (ran, _) = desk.upscale(&desk.at("in/x%03d.png"), "out.mkv", &[]);
    assert!(ran.code == Some(1) && ran.stderr.contains("there is no such file"), "{ran:?}");
    let (ran, _) = desk.upscale(&input, "out.png", &[]);
    assert!(ran.code == Some(2) && ran.stderr.contains("%06d.png"), "{ran:?}");
    let (ran, _) = desk.upscale(&input, "in/%03d.png", &["--overwrite"]);
    assert!(ran.code == Some(2) && ran.stderr.contains("the same files"), "{ran:?}");
    // A folder of images gives a folder, and says how to get a film.
    let (ran, _) = desk.upscale(&desk.at("in"), "film.mkv", &[]);
    assert!(ran.code == Some(2) && ran.stderr.contains("frames/%06d.png"), "{ran:?}");
    assert_eq!(leftovers(desk.folder.path()), Vec::<PathBuf>::new());
}

#[test]
fn patterns_stand_for_files() {
    if !has_ffmpeg("patterns") {
        return;
    }
    let desk = Desk::new();
    std::fs::create_dir(desk.at("in")).expect("folder");
    for name in ["a.png", "b.png"] {
        picture(&desk.at(&format!("in/{name}")), 32, 24, 3);
    }
    ffmpeg("-f lavfi -i testsrc2=s=64x48:r=10:d=0.3 -c:v ffv1 @0", &[&desk.at("in/c.mkv")]);
    let (ran, out) = desk.upscale(&desk.at("in/*"), "out", &["--preset=ultrafast"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(names(&out), ["a.png", "b.png", "c.mkv"]);
    let (ran, _) = desk.upscale(&desk.at("in/*.avi"), "none", &[]);
    assert!(ran.code == Some(1) && ran.stderr.contains("no file fits this pattern"), "{ran:?}");
}

#[test]
fn hardware_decodes_the_same_frames() {
    if !has_ffmpeg("hardware decoding") {
        return;
    }
    let desk = Desk::new();
    let source = desk.at("film.mkv");
    ffmpeg("-f lavfi -i testsrc2=s=96x64:r=25:d=0.6 -c:v libx264 -preset fast @0", &[&source]);
    let (_, plain) = desk.upscale(&source, "plain.mkv", &["--preset=ultrafast"]);
    // Where there is none, ffmpeg goes on with the processor.
    let (ran, auto) = desk.upscale(&source, "auto.mkv", &["--preset=ultrafast", "--hwaccel=auto"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(frame_hashes(&auto), frame_hashes(&plain));
    let (ran, _) = desk.upscale(&source, "never.mkv", &["--hwaccel=abacus"]);
    assert!(ran.code == Some(2) && ran.stderr.contains("this ffmpeg decodes with auto"), "{ran:?}");
    let (ran, _) = desk.upscale(&source, "never.mkv", &["--encode", "-c:v h264_vaapi"]);
    assert!(
        ran.code == Some(1) && (ran.stderr.contains("hwupload") || ran.stderr.contains("no encoder")),
        "{ran:?}"
    );
}

/// Lines of the journal after the first.
fn n_segments(output: &Path) -> usize {
    let journal = PathBuf::from(format!("{}.pegbar-job", output.display())).join("journal.jsonl");
    std::fs::read_to_string(journal).map_or(0, |text| text.lines().count().saturating_sub(1))
}

#[cfg(target_os = "linux")]
#[test]
fn images_of_an_interrupted_job_are_kept_and_the_rest_is_made() {
    if !has_ffmpeg("interrupted images") {
        return;
    }
    let desk = Desk::with_slow_model();
    let source = desk.at("film.mkv");
    ffmpeg("-f lavfi -i testsrc2=s=96x72:r=25:d=8 -c:v libx264 -preset veryfast @0", &[&source]);
    let job = |output: &Path, more: &[&str]| {
        let mut command = binary();
        command.env("PEGBAR_STATE", desk.at("state")).arg("upscale").arg(&source).arg("-m").arg(&desk.model);
        command.arg("-o").arg(output).args(["--segment=0.5", "--threads=1", "--json"]).args(more);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    let whole = desk.at("whole/%03d.png");
    let report = Ran::of(job(&whole, &[]).output().expect("the binary starts")).json(0);
    assert_eq!(report["done"][0]["frames"], 200);
    for signal in ["-KILL", "-INT"] {
        let output = desk.at(&format!("out{signal}/%03d.png"));
        let mut child = job(&output, &[]).spawn().expect("the binary starts");
        let started = Instant::now();
        while n_segments(&output) < 2 && started.elapsed() < Duration::from_secs(60) {
            std::thread::sleep(Duration::from_millis(2));
        }
        Command::new("kill").arg(signal).arg(child.id().to_string()).status().expect("kill starts");
        let status = child.wait().expect("ended");
        assert_ne!(status.code(), Some(0), "{signal}: too late");
        let kept = names(output.parent().expect("folder"));
        let n_images = kept.iter().filter(|name| name.ends_with(".png")).count();
        assert!(n_images >= 25, "{signal}: {kept:?}");
        if signal == "-INT" {
            assert_eq!(status.code(), Some(130));
            assert!(kept.iter().all(|name| !name.starts_with(".pegbar")), "{kept:?}");
        }
        let report = Ran::of(job(&output, &[]).output().expect("the binary starts")).json(0);
        assert!(report["done"][0]["frames_resumed"].as_u64() > Some(0), "{signal}: {report}");
        let found = names(output.parent().expect("folder"));
        let found: Vec<&String> = found.iter().filter(|name| !name.starts_with('.')).collect();
        assert_eq!(found.len(), 200, "{signal}: {found:?}");
        for name in found {
            let bytes = |pattern: &Path| std::fs::read(pattern.with_file_name(name)).expect("read");
            assert!(bytes(&output) == bytes(&whole), "{signal}: {name} differs");
        }
    }
    // Who deletes finished images is told so.
    let output = desk.at("gone/%03d.png");
    let mut child = job(&output, &[]).spawn().expect("the binary starts");
    let started = Instant::now();
    while n_segments(&output) < 1 && started.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().expect("killed");
    child.wait().expect("ended");
    std::fs::remove_file(output.with_file_name("002.png")).expect("removed");
    let ran = Ran::of(job(&output, &[]).output().expect("the binary starts"));
    let said = ran.json(1)["failed"][0]["error"].to_string();
    assert!(said.contains("002.png") && said.contains("--fresh"), "{said}");
    Ran::of(job(&output, &["--fresh"]).output().expect("the binary starts")).json(0);
}
