//! Films through chains: which frames are taken, what format the result has, and what a chain may not do.

mod workbench;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use workbench::{Desk, Ran, binary, ffmpeg, ffprobe, frame_hashes, has_ffmpeg, pegbar};

/// A chain from its nodes, as a file.
fn chain(desk: &Desk, name: &str, nodes: serde_json::Value) -> PathBuf {
    let file = desk.at(name);
    std::fs::write(&file, serde_json::json!({"pegbar": 1, "nodes": nodes}).to_string()).expect("written");
    file
}

fn run(chain: &Path, source: &Path, output: &Path, more: &[&str]) -> Ran {
    let mut args =
        vec!["run".as_ref(), chain.as_os_str(), source.as_os_str(), "-o".as_ref(), output.as_os_str()];
    args.extend(more.iter().map(OsStr::new));
    pegbar(args)
}

fn video_stream(file: &Path) -> serde_json::Value {
    ffprobe("-show_streams -select_streams v:0", file)["streams"][0].clone()
}

/// The first frame as a player shows it: RGB of 8 bits.
fn first_frame(file: &Path) -> Vec<u8> {
    let output = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-i"])
        .arg(file)
        .args(["-frames:v", "1", "-pix_fmt", "rgb24", "-f", "rawvideo", "-"])
        .output();
    output.expect("ffmpeg starts").stdout
}

#[test]
fn colours_that_a_gray_film_gets_are_kept() {
    if !has_ffmpeg("gray films that become coloured") {
        return;
    }
    let desk = Desk::new();
    let gray = desk.at("gray.mkv");
    ffmpeg("-f lavfi -i testsrc2=s=64x48:r=5:d=0.6 -pix_fmt gray -c:v ffv1 @0", &[&gray]);
    let deep = desk.at("deep.mkv");
    ffmpeg("-f lavfi -i testsrc2=s=64x48:r=5:d=0.6 -pix_fmt gray10le -c:v ffv1 @0", &[&deep]);
    let sepia = chain(
        &desk,
        "sepia.json",
        serde_json::json!({"in": {"type": "input"},
            "sepia": {"type": "image.colourise", "params": {"colour": "#c06020"}, "inputs": {"image": "in.image"}},
            "out": {"type": "output", "inputs": {"image": "sepia.image"}}}),
    );
    for (source, options, format) in [
        (&gray, &["--encode=ffv1"][..], "yuv444p"),
        (&deep, &["--encode=ffv1"], "yuv444p10le"),
        (&gray, &["--encode=-c:v ffv1"], "yuv444p"),
        (&gray, &[], "yuv420p"),
        (&deep, &["--pix-fmt=yuv422p10le"], "yuv422p10le"),
    ] {
        let output = desk.at("out.mkv");
        let ran = run(&sepia, source, &output, &[options, &["--overwrite"]].concat());
        assert_eq!(ran.code, Some(0), "{ran:?}");
        // Gray films have full range, which is kept; ffmpeg has names of its own for that.
        let found = video_stream(&output)["pix_fmt"].as_str().map(|found| found.replace("yuvj", "yuv"));
        assert_eq!(found.as_deref(), Some(format), "{options:?}");
        let shown = first_frame(&output);
        let redder = shown.chunks_exact(3).filter(|rgb| rgb[0] > rgb[2].saturating_add(20)).count();
        assert!(redder > 64 * 48 / 4, "{format}: {redder} pixels are coloured");
    }
    // Files of pictures, and what is asked for against it.
    let ran = run(&sepia, &gray, &desk.at("%03d.png"), &[]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(video_stream(&desk.at("001.png"))["pix_fmt"], "rgb24");
    let ran = run(&sepia, &gray, &desk.at("asked.mkv"), &["--encode=ffv1", "--pix-fmt=gray"]);
    assert!(ran.stderr.contains("the colours are dropped: the output is gray"), "{ran:?}");
    // A chain without colours leaves it gray.
    let blur = chain(
        &desk,
        "blur.json",
        serde_json::json!({"in": {"type": "input"}, "blur": {"type": "image.gaussian_blur", "inputs": {"image": "in.image"}},
            "out": {"type": "output", "inputs": {"image": "blur.image"}}}),
    );
    let ran = run(&blur, &gray, &desk.at("still-gray.mkv"), &["--encode=ffv1"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(video_stream(&desk.at("still-gray.mkv"))["pix_fmt"], "gray");
}

#[test]
fn alpha_that_a_chain_makes_is_kept_or_dropped_loudly() {
    if !has_ffmpeg("alpha out of a chain") {
        return;
    }
    let desk = Desk::new();
    let source = desk.at("film.mkv");
    ffmpeg("-f lavfi -i testsrc2=s=64x48:r=5:d=0.6 -pix_fmt yuv420p -c:v ffv1 @0", &[&source]);
    let faint = chain(
        &desk,
        "faint.json",
        serde_json::json!({"in": {"type": "input"},
            "faint": {"type": "image.opacity", "params": {"opacity": 50}, "inputs": {"image": "in.image"}},
            "out": {"type": "output", "inputs": {"image": "faint.image"}}}),
    );
    let ran = run(&faint, &source, &desk.at("kept.mkv"), &["--encode=ffv1"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(video_stream(&desk.at("kept.mkv"))["pix_fmt"], "yuva420p");
    let ran = run(&faint, &source, &desk.at("dropped.mp4"), &[]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stderr.contains("the alpha channel is dropped: the output is yuv420p"), "{ran:?}");
}

/// A film of 60 gray frames, each another, with a cut in the middle and sound.
fn film(desk: &Desk) -> PathBuf {
    let source = desk.at("film.mkv");
    ffmpeg(
        "-f lavfi -i testsrc2=s=64x48:r=24000/1001:d=1.2512 -f lavfi -i mandelbrot=s=64x48:r=24000/1001 \
         -f lavfi -i sine=440:d=2.6 -filter_complex [0:v]trim=end_frame=30,setpts=N/TB/(24000/1001)[a];[1:v]trim=end_frame=30,\
         setpts=N/TB/(24000/1001)[b];[a][b]concat=n=2,format=gray,noise=alls=30:allf=t[v] -map [v] -map 2:a -c:v ffv1 -c:a pcm_s16le @0",
        &[&source],
    );
    let frames: std::collections::BTreeSet<_> = frame_hashes(&source).into_iter().collect();
    assert_eq!(frames.len(), 60);
    source
}

#[test]
fn a_source_gives_the_frames_that_are_asked_for() {
    if !has_ffmpeg("parts of films by their frames") {
        return;
    }
    let desk = Desk::new();
    let source = film(&desk);
    let all = frame_hashes(&source);
    let same = chain(
        &desk,
        "same.json",
        serde_json::json!({"in": {"type": "input"}, "n": {"type": "value.number", "params": {"value": 12}},
            "dot": {"type": "structure.pass_through", "inputs": {"value": "in.image"}},
            "out": {"type": "output", "inputs": {"image": "dot.value"}}}),
    );
    let connected = desk.at("connected.json");
    let text = std::fs::read_to_string(&same).expect("read");
    let text =
        text.replace(r#""in":{"type":"input"}"#, r#""in":{"type":"input","inputs":{"limit":"n.number"}}"#);
    std::fs::write(&connected, text).expect("written");
    let numbers = |range: std::ops::Range<usize>, step: usize| range.step_by(step).collect::<Vec<_>>();
    for (chain, options, expected) in [
        (&same, &["--set=in.limit=7"][..], numbers(0..7, 1)),
        (&same, &["--set=in.skip=25", "--set=in.limit=10"], numbers(25..35, 1)),
        (&same, &["--set=in.skip=3", "--set=in.step=4"], numbers(3..60, 4)),
        (&same, &["--set=in.skip=2", "--set=in.step=3", "--set=in.limit=5"], numbers(2..17, 3)),
        (&same, &["--start=1", "--set=in.limit=3"], numbers(24..27, 1)),
        (&connected, &[], numbers(0..12, 1)),
    ] {
        let output = desk.at("part.mkv");
        let ran =
            run(chain, &source, &output, &[options, &["--encode=ffv1", "--overwrite", "--json"]].concat());
        let report = ran.json(0);
        let got: Vec<Option<usize>> =
            frame_hashes(&output).iter().map(|hash| all.iter().position(|known| known == hash)).collect();
        assert_eq!(got, expected.iter().copied().map(Some).collect::<Vec<_>>(), "{options:?}");
        assert_eq!(report["done"][0]["frames"], expected.len(), "{report}");
        let sound = ffprobe("-show_entries packet=pts_time -select_streams a:0", &output);
        let last = sound["packets"]
            .as_array()
            .and_then(|packets| packets.last()?["pts_time"].as_str()?.parse::<f64>().ok());
        let step = expected.get(1).map_or(1, |second| second - expected[0]);
        let secs = (expected.len() * step) as f64 * 1001.0 / 24_000.0;
        assert!(
            last.is_some_and(|last| last < secs + 0.1),
            "{options:?}: sound ends at {last:?}, pictures at {secs}"
        );
    }
    let ran = run(&same, &source, &desk.at("none.mkv"), &["--set=in.skip=100"]);
    assert!(ran.code == Some(1) && ran.stderr.contains("there is no frame"), "{ran:?}");
}

#[test]
fn frames_that_repeat_have_numbers_and_times_of_their_own() {
    if !has_ffmpeg("repeated frames in a chain that counts") {
        return;
    }
    let desk = Desk::new();
    let source = desk.at("twos.mkv");
    // Each picture three times.
    ffmpeg("-f lavfi -i testsrc2=s=64x48:r=4:d=2 -vf fps=12 -pix_fmt rgb24 -c:v ffv1 @0", &[&source]);
    for output in ["index", "seconds"] {
        let chain = chain(
            &desk,
            "count.json",
            serde_json::json!({"in": {"type": "input"},
                "text": {"type": "image.text_overlay", "params": {"size": 20}, "inputs": {"image": "in", "text": format!("in.{output}")}},
                "out": {"type": "output", "inputs": {"image": "text"}}}),
        );
        let frames = |dedupe: &str| {
            let made = desk.at("made.mkv");
            let ran = run(&chain, &source, &made, &["--encode=ffv1", "--overwrite", dedupe]);
            assert_eq!(ran.code, Some(0), "{ran:?}");
            frame_hashes(&made)
        };
        let each = frames("--dedupe=off");
        assert_eq!(frames("--dedupe=exact"), each, "{output}");
        let different: std::collections::BTreeSet<_> = each.iter().collect();
        assert_eq!((each.len(), different.len()), (24, 24), "{output}");
    }
}

#[cfg(unix)]
#[test]
fn a_signal_ends_a_run_whose_terminal_is_gone() {
    if !has_ffmpeg("runs without a terminal") {
        return;
    }
    let desk = Desk::with_slow_model();
    let source = film(&desk);
    let output = desk.at("out.mkv");
    for signal in ["-TERM", "-HUP"] {
        let mut command = binary();
        command.env("PEGBAR_STATE", desk.at("state")).arg("upscale").arg(&source).arg("-m").arg(&desk.model);
        command.arg("-o").arg(&output).args(["--threads=1", "--encode=ffv1", "--fresh"]);
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
        drop((child.stdout.take(), child.stderr.take()));
        std::thread::sleep(Duration::from_millis(700));
        let _ = Command::new("kill").arg(signal).arg(child.id().to_string()).status();
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().expect("a child") {
                break status;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "{signal} does not end it");
            std::thread::sleep(Duration::from_millis(20));
        };
        assert_eq!(status.code(), Some(130), "{signal}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_chain_that_tells_cuts_goes_on_to_the_same_bits() {
    if !has_ffmpeg("killed chains that tell cuts") {
        return;
    }
    let desk = Desk::with_slow_model();
    let source = film(&desk);
    let chain = chain(
        &desk,
        "cuts.json",
        serde_json::json!({"in": {"type": "input", "params": {"skip": 2, "step": 2}},
            "cut": {"type": "measure.scene_change", "inputs": {"image": "in.image"}},
            "model": {"type": "model.load", "params": {"path": desk.model}},
            "up": {"type": "image.upscale", "inputs": {"image": "in.image", "model": "model.model"}},
            "mark": {"type": "image.arithmetic", "inputs": {"image": "up.image", "red": "cut.change"}},
            "out": {"type": "output", "inputs": {"image": "mark.image"}}}),
    );
    let command = |output: &Path| {
        let mut command = binary();
        command.env("PEGBAR_STATE", desk.at("state"));
        command.arg("run").arg(&chain).arg(&source).arg("-o").arg(output);
        command.args(["--segment=0.2", "--encode=ffv1", "--threads=1", "--json"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    let whole = desk.at("whole.mkv");
    let report = Ran::of(command(&whole).output().expect("the binary starts")).json(0);
    let n_segments = report["done"][0]["segments"].as_u64().expect("a number") as usize;
    let expected = frame_hashes(&whole);
    assert!(n_segments >= 3 && expected.len() == 29, "{report}");

    let output = desk.at("killed.mkv");
    let journal = PathBuf::from(format!("{}.pegbar-job", output.display())).join("journal.jsonl");
    let n_finished =
        || std::fs::read_to_string(&journal).unwrap_or_default().lines().count().saturating_sub(1);
    for wanted in 1..n_segments {
        let mut child = command(&output).spawn().expect("the binary starts");
        let begun = Instant::now();
        while n_finished() < wanted && !output.exists() && begun.elapsed() < Duration::from_secs(120) {
            std::thread::sleep(Duration::from_millis(2));
        }
        child.kill().expect("killed");
        child.wait().expect("ended");
        if output.exists() {
            break;
        }
    }
    if !output.exists() {
        let report = Ran::of(command(&output).output().expect("the binary starts")).json(0);
        assert!(report["done"][0]["frames_resumed"].as_u64() > Some(0), "{report}");
    }
    assert_eq!(frame_hashes(&output), expected);
}

#[test]
fn graphs_that_touch_files_need_to_be_allowed() {
    if !has_ffmpeg("graphs that touch files") {
        return;
    }
    let desk = Desk::new();
    let written = desk.at("told.txt");
    let graph = format!("metadata=print:file={}", written.display());
    let chain = chain(
        &desk,
        "nosy.json",
        serde_json::json!({"in": {"type": "input"},
            "nosy": {"type": "ffmpeg.filter", "params": {"graph": graph}, "inputs": {"image": "in.image"}},
            "out": {"type": "output", "inputs": {"image": "nosy.image"}}}),
    );
    let check = |more: &[&str]| {
        let mut args = vec!["chain".as_ref(), "check".as_ref(), chain.as_os_str()];
        args.extend(more.iter().map(OsStr::new));
        pegbar(args)
    };
    let ran = check(&[]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("metadata would touch a file by its option file"), "{ran:?}");
    assert!(!written.exists(), "nothing was written to find out");
    assert_eq!(check(&["--allow-ffmpeg-files"]).code, Some(0));
    let explain = ["chain".as_ref(), "explain".as_ref(), chain.as_os_str()];
    assert_eq!(pegbar(explain).code, Some(1));
    assert_eq!(pegbar(explain.into_iter().chain(["--allow-ffmpeg-files".as_ref()])).code, Some(0));
    let source = desk.at("film.mkv");
    ffmpeg("-f lavfi -i testsrc2=s=64x48:r=5:d=0.6 -pix_fmt yuv420p -c:v ffv1 @0", &[&source]);
    let ran = run(&chain, &source, &desk.at("refused.mkv"), &[]);
    assert!(ran.code == Some(1) && ran.stderr.contains("--allow-ffmpeg-files"), "{ran:?}");
    let ran = run(&chain, &source, &desk.at("allowed.mkv"), &["--allow-ffmpeg-files", "--preset=ultrafast"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    // Neither may the encoder that a chain asks for.
    let other = desk.at("other.mkv");
    let saving = self::chain(
        &desk,
        "saving.json",
        serde_json::json!({"in": {"type": "input"}, "out": {"type": "video.save", "inputs": {"image": "in.image"},
            "params": {"path": desk.at("saved.mkv"), "encode": format!("-c:v ffv1 {}", other.display())}}}),
    );
    let ran = pegbar(["run".as_ref(), saving.as_os_str(), source.as_os_str()]);
    assert!(ran.code == Some(1) && ran.stderr.contains("node out, encode: "), "{ran:?}");
    assert!(!other.exists() && !desk.at("saved.mkv").exists());
}
