//! Jobs that are interrupted, killed or run out of disk, and go on as if nothing had been.

mod workbench;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use workbench::{Desk, Ran, binary, ffmpeg, ffprobe, frame_hashes, has_ffmpeg, leftovers, noise, pegbar};

/// The folder of the job for an output.
fn job_folder(output: &Path) -> PathBuf {
    PathBuf::from(format!("{}.pegbar-job", output.display()))
}

/// Lines of the journal after the first: finished segments.
fn segments(output: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(job_folder(output).join("journal.jsonl")).unwrap_or_default();
    text.lines().skip(1).filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// A film of 320 frames with a cut every 1.6 s, noise that no frame repeats, sound, and B-frames.
fn film(desk: &Desk) -> PathBuf {
    let source = desk.at("film.mkv");
    let cuts: Vec<String> = (0..8)
        .map(|i| {
            let colour = ["red", "white", "navy", "green", "black", "orange", "gray", "purple"][i];
            format!("color={colour}:s=96x72:r=25:d=1.6,noise=alls=12:allf=t:all_seed={i}[v{i}];")
        })
        .collect();
    let graph =
        format!("{}{}concat=n=8[v]", cuts.concat(), (0..8).map(|i| format!("[v{i}]")).collect::<String>());
    let output = Command::new("ffmpeg")
        .args([
            "-nostdin",
            "-v",
            "error",
            "-y",
            "-f",
            "lavfi",
            "-i",
            "sine=440:d=12.8",
            "-filter_complex",
            &graph,
        ])
        .args([
            "-map", "[v]", "-map", "0:a", "-c:v", "libx264", "-preset", "veryfast", "-g", "40", "-c:a", "aac",
        ])
        .arg(&source)
        .output()
        .expect("ffmpeg starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    source
}

/// How all jobs here are run: short segments, so that there are some to keep.
const OPTIONS: [&str; 4] = ["--segment=1", "--preset=ultrafast", "--threads=1", "--json"];

fn command(desk: &Desk, source: &Path, output: &Path) -> Command {
    let mut command = binary();
    command.env("PEGBAR_STATE", desk.at("state"));
    command.arg("upscale").arg(source).arg("-m").arg(&desk.model).arg("-o").arg(output).args(OPTIONS);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(desk: &Desk, source: &Path, output: &Path, more: &[&str]) -> Ran {
    Ran::of(command(desk, source, output).args(more).output().expect("the binary starts"))
}

/// ffmpegs that a process has started.
fn ffmpegs_of(parent: u32) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let Some((head, rest)) = stat.rsplit_once(')') else { continue };
        let is_child = rest.split_whitespace().nth(1).is_some_and(|p| p == parent.to_string());
        if is_child && head.contains("(ffmpeg") {
            found.push(pid);
        }
    }
    found
}

/// Compares decoded frames, and names the first that differs.
fn assert_same_frames(found: &[String], expected: &[String], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}: frames");
    let different: Vec<usize> = (0..found.len()).filter(|&i| found[i] != expected[i]).collect();
    assert!(different.is_empty(), "{what}: these frames differ: {different:?}");
}

fn kill(signal: &str, pid: u32) {
    // It may have ended meanwhile.
    let _ = Command::new("kill").arg(signal).arg(pid.to_string()).stderr(Stdio::null()).status();
}

fn wait(mut child: Child, limit: Duration) -> Ran {
    let started = Instant::now();
    while child.try_wait().expect("status").is_none() {
        assert!(started.elapsed() < limit, "the job hangs");
        std::thread::sleep(Duration::from_millis(10));
    }
    Ran::of(child.wait_with_output().expect("ended"))
}

/// So often the program itself is killed, beside its ffmpegs alone; tries in which the job was faster do not count.
const N_KILLS: usize = 25;
const MOST_TRIES: usize = 80;

#[cfg(target_os = "linux")]
#[test]
fn killed_at_any_moment_a_job_goes_on_to_the_same_bits() {
    if !has_ffmpeg("killed jobs") {
        return;
    }
    let desk = Desk::with_slow_model();
    let source = film(&desk);
    let whole = desk.at("whole.mkv");
    let started = Instant::now();
    let report = run(&desk, &source, &whole, &[]).json(0);
    let length = started.elapsed();
    let n_segments = report["done"][0]["segments"].as_u64().expect("a number");
    assert!(n_segments >= 5, "{report}");
    assert_eq!(leftovers(desk.folder.path()), Vec::<PathBuf>::new());
    let expected = frame_hashes(&whole);
    assert_eq!(expected.len(), 320);

    let output = desk.at("killed.mkv");
    // In thousandths: by chance, but the same every time.
    let moments = noise(MOST_TRIES, 4).into_iter().map(|v| ((v + 1.0) * 0.5 * 1000.0) as u32);
    let (mut kept, mut n_kills, mut n_resumed) = (Vec::new(), 0, 0);
    for (i, moment) in moments.enumerate() {
        if n_kills == N_KILLS {
            break;
        }
        let child = command(&desk, &source, &output).spawn().expect("the binary starts");
        // Any moment of the first half; or soon after some more segments are finished, on a machine of any speed.
        let wanted = kept.len() + i % 3;
        let begun = Instant::now();
        while i % 3 > 0 && segments(&output).len() < wanted && begun.elapsed() < 2 * length {
            std::thread::sleep(Duration::from_millis(2));
        }
        let span = if i % 3 > 0 { length / 8 } else { length / 2 };
        std::thread::sleep((span * moment / 1000).min(Duration::from_secs(20)));
        let only_ffmpegs = i % 5 == 4;
        if only_ffmpegs {
            // The program has to cope with the loss of its ffmpegs by itself.
            ffmpegs_of(child.id()).into_iter().for_each(|pid| kill("-KILL", pid));
        } else {
            kill("-KILL", child.id());
        }
        let ran = wait(child, Duration::from_secs(60));
        assert!(!ran.stderr.contains("panicked"), "{ran:?}");
        if ran.code == Some(0) {
            // It was faster than the killer: once more from the beginning.
            assert_same_frames(&frame_hashes(&output), &expected, &format!("kill {i}"));
            std::fs::remove_file(&output).expect("removed");
            kept.clear();
            continue;
        }
        n_kills += usize::from(!only_ffmpegs);
        assert!(!output.exists(), "kill {i}: something unfinished under the final name");
        let now = segments(&output);
        assert!(
            now.len() >= kept.len() && now[..kept.len()] == kept[..],
            "kill {i}: finished segments are never redone"
        );
        n_resumed += usize::from(!kept.is_empty());
        kept = now;
        if kept.len() as u64 >= n_segments - 1 {
            // Nearly done: finish, compare, and begin again for the kills to come.
            let report = run(&desk, &source, &output, &[]).json(0);
            assert!(report["done"][0]["frames_resumed"].as_u64() > Some(0), "{report}");
            assert_same_frames(&frame_hashes(&output), &expected, &format!("kill {i}"));
            std::fs::remove_file(&output).expect("removed");
            kept.clear();
        }
    }
    run(&desk, &source, &output, &[]).json(0);
    assert_same_frames(&frame_hashes(&output), &expected, "at the end");
    assert_eq!(leftovers(desk.folder.path()), Vec::<PathBuf>::new());
    eprintln!("killed {n_kills} times, {n_resumed} runs that went on");
    assert!(
        n_kills == N_KILLS && n_resumed >= N_KILLS / 2,
        "killed {n_kills} times, {n_resumed} runs that went on"
    );
    // Sound and the rest are as in the job that was not interrupted.
    let streams = |file: &Path| {
        ffprobe("-show_entries packet=stream_index,pts,dts,size,data_hash -show_data_hash md5", file)
    };
    assert_eq!(streams(&whole), streams(&output));
}

#[cfg(target_os = "linux")]
#[test]
fn an_interrupt_keeps_what_is_finished() {
    if !has_ffmpeg("interrupts") {
        return;
    }
    let desk = Desk::with_slow_model();
    let source = film(&desk);
    let output = desk.at("out.mkv");
    let child = command(&desk, &source, &output).spawn().expect("the binary starts");
    let started = Instant::now();
    while segments(&output).len() < 2 {
        assert!(started.elapsed() < Duration::from_secs(60), "no segment was ever finished");
        std::thread::sleep(Duration::from_millis(10));
    }
    // Meanwhile nobody else works on it.
    let second = run(&desk, &source, &output, &[]);
    assert_eq!(second.code, Some(1), "{second:?}");
    assert!(second.stderr.contains("another pegbar is working on this output"), "{second:?}");

    kill("-INT", child.id());
    let asked = Instant::now();
    let ran = wait(child, Duration::from_secs(5));
    assert!(asked.elapsed() < Duration::from_secs(5));
    assert_eq!(ran.code, Some(130), "{ran:?}");
    assert!(ran.stderr.contains("the same command goes on from there"), "{ran:?}");
    let kept = segments(&output);
    assert!(kept.len() >= 2);
    assert!(
        std::fs::read_dir(job_folder(&output))
            .expect("folder")
            .flatten()
            .all(|entry| { !entry.file_name().to_string_lossy().starts_with("unfinished") })
    );

    // It is listed, with what was done and how.
    let jobs = |args: &[&str]| {
        Ran::of(
            binary().env("PEGBAR_STATE", desk.at("state")).arg("jobs").args(args).output().expect("starts"),
        )
    };
    let listed = jobs(&["--json"]).json(0);
    assert_eq!(listed.as_array().map(Vec::len), Some(1), "{listed}");
    assert_eq!(listed[0]["state"], "interrupted");
    assert_eq!(listed[0]["segments"].as_u64(), Some(kept.len() as u64));
    assert!(listed[0]["seconds_left"].as_f64() > Some(0.0), "{listed}");
    let shown = jobs(&["show", output.to_str().expect("UTF-8")]);
    assert!(shown.code == Some(0) && shown.stdout.contains("--preset: ultrafast"), "{shown:?}");
    assert!(jobs(&[]).stdout.contains("interrupted"));

    // Other settings do not go on with it; they are named.
    let other = run(&desk, &source, &output, &["--crf=30"]);
    assert_eq!(other.code, Some(1), "{other:?}");
    assert!(
        other.stderr.contains("--crf was not set, is 30") && other.stderr.contains("--fresh"),
        "{other:?}"
    );
    assert_eq!(segments(&output), kept);

    // A plan shows what is left, and touches nothing.
    let dry = binary()
        .env("PEGBAR_STATE", desk.at("state"))
        .arg("upscale")
        .arg(&source)
        .arg("-m")
        .arg(&desk.model)
        .arg("-o")
        .arg(&output)
        .args(["--segment=1", "--preset=ultrafast", "--threads=1", "--dry-run"])
        .output()
        .expect("starts");
    let dry = Ran::of(dry);
    assert!(
        dry.code == Some(0)
            && dry.stdout.contains("done by an earlier run")
            && dry.stdout.contains("frames/s"),
        "{dry:?}"
    );
    assert_eq!(segments(&output), kept);

    // Starting over is possible; so is throwing it away.
    let cleaned = jobs(&["clean", output.to_str().expect("UTF-8"), "--json"]).json(0);
    assert_eq!(cleaned["removed"].as_array().map(Vec::len), Some(1));
    assert!(!job_folder(&output).exists());
    assert_eq!(jobs(&["--json"]).json(0), serde_json::json!([]));
    let missing = jobs(&["show", "nothing.mkv"]);
    assert!(missing.code == Some(1) && missing.stderr.contains("no unfinished job"), "{missing:?}");
}

#[test]
fn a_dry_run_leaves_nothing() {
    if !has_ffmpeg("dry runs") {
        return;
    }
    let desk = Desk::new();
    let source = film(&desk);
    let (ran, output) = desk.upscale(&source, "out.mkv", &["--dry-run"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(
        ran.stdout.contains("96x72") && ran.stdout.contains("192x144") && ran.stdout.contains("about 32"),
        "{ran:?}"
    );
    assert!(!output.exists());
    assert_eq!(leftovers(desk.folder.path()), Vec::<PathBuf>::new());
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_survived() {
    let desk = Desk::with_slow_model();
    let small = desk.at("small");
    std::fs::create_dir(&small).expect("folder");
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=3m", "tmpfs"]).arg(&small).output();
    if !has_ffmpeg("a full disk") || !mounted.is_ok_and(|o| o.status.success()) {
        eprintln!("skipped: a full disk (a small tmpfs cannot be mounted)");
        return;
    }
    /// Unmounts whatever happens.
    struct Mounted(PathBuf);
    impl Drop for Mounted {
        fn drop(&mut self) {
            let _ = Command::new("umount").arg("-l").arg(&self.0).status();
        }
    }
    let mounted = Mounted(small.clone());
    let source = film(&desk);
    let whole = desk.at("whole.mkv");
    run(&desk, &source, &whole, &["--crf=1"]).json(0);

    let output = small.join("out.mkv");
    let ran = run(&desk, &source, &output, &["--crf=1"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("No space left") && ran.stderr.contains("are done and kept"), "{ran:?}");
    assert!(!output.exists() && !segments(&output).is_empty(), "{ran:?}");
    let n_kept = segments(&output).len();

    let larger = Command::new("mount").args(["-o", "remount,size=64m"]).arg(&small).status().expect("mount");
    assert!(larger.success());
    let report = run(&desk, &source, &output, &["--crf=1"]).json(0);
    assert!(report["done"][0]["frames_resumed"].as_u64() > Some(0), "{report} after {n_kept}");
    assert_same_frames(&frame_hashes(&output), &frame_hashes(&whole), "resumed");
    assert_eq!(leftovers(&small), Vec::<PathBuf>::new());
    drop(mounted);
}

/// Interrupts a job after a few segments, goes on with it, and compares with one that was not interrupted.
fn check_going_on(desk: &Desk, source: &Path, extension: &str, options: &[&str]) -> Vec<String> {
    let what = format!("{}, {extension}, {options:?}", source.display());
    let job = |output: &Path| {
        let mut command = binary();
        command.env("PEGBAR_STATE", desk.at("state")).arg("upscale").arg(source);
        command
            .arg("-m")
            .arg(&desk.model)
            .arg("-o")
            .arg(output)
            .args(["--threads=1", "--json"])
            .args(options);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    let whole = desk.at(&format!("whole.{extension}"));
    let report = Ran::of(job(&whole).output().expect("the binary starts")).json(0);
    assert!(report["done"][0]["segments"].as_u64() >= Some(3), "{what}: {report}");
    let output = desk.at(&format!("out.{extension}"));
    let child = job(&output).spawn().expect("the binary starts");
    let started = Instant::now();
    while segments(&output).len() < 2 && started.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(1));
    }
    kill("-KILL", child.id());
    let ran = wait(child, Duration::from_secs(10));
    assert_ne!(ran.code, Some(0), "{what}: killed too late: {ran:?}");
    let report = Ran::of(job(&output).output().expect("the binary starts")).json(0);
    assert!(report["done"][0]["frames_resumed"].as_u64() > Some(0), "{what}: {report}");
    let hashes = frame_hashes(&output);
    assert_same_frames(&hashes, &frame_hashes(&whole), &what);
    assert_eq!(workbench::frame_times(&output), workbench::frame_times(&whole), "{what}");
    for file in [whole, output] {
        std::fs::remove_file(file).expect("removed");
    }
    hashes
}

#[test]
fn a_part_of_a_film_goes_on_too() {
    if !has_ffmpeg("parts that go on") {
        return;
    }
    let desk = Desk::with_slow_model();
    let source = film(&desk);
    let options = ["--segment=1", "--preset=ultrafast", "--start=2.03", "--duration=7"];
    assert_eq!(check_going_on(&desk, &source, "mp4", &options).len(), 175);
}

#[test]
fn every_encoder_goes_on() {
    if !has_ffmpeg("encoders that go on") {
        return;
    }
    let desk = Desk::with_slow_model();
    let source = film(&desk);
    // Encoders that make the same of the same frames; libvpx in real time does not.
    for (extension, options) in [
        ("mkv", &["--encode=h265", "--preset=ultrafast"][..]),
        ("mp4", &["--encode=av1", "--preset=12"]),
        ("mov", &["--encode=prores"]),
        ("mkv", &["--encode=ffv1"]),
        ("webm", &["--encode", "-c:v libvpx-vp9 -deadline good -cpu-used 5 -crf 40 -b:v 0"]),
        ("nut", &["--encode", "-c:v libvpx -deadline good -cpu-used 5 -crf 40 -b:v 500k"]),
    ] {
        let encoder = options.join(" ");
        if encoder.contains("av1") && !has_encoder("libsvtav1") {
            eprintln!("skipped: AV1 that goes on (this ffmpeg has no libsvtav1)");
            continue;
        }
        let options = [&["--segment=2", "--duration=7"], options].concat();
        assert_eq!(check_going_on(&desk, &source, extension, &options).len(), 175);
    }
}

fn has_encoder(name: &str) -> bool {
    let output = Command::new("ffmpeg").args(["-v", "error", "-encoders"]).output().expect("ffmpeg starts");
    String::from_utf8_lossy(&output.stdout).contains(name)
}

/// Sources that are not the same wherever one begins to decode: open groups of pictures, times of their own, fields.
#[test]
fn difficult_sources_go_on() {
    if !has_ffmpeg("difficult sources that go on") {
        return;
    }
    let desk = Desk::with_slow_model();
    for (name, made, options) in [
        ("open.mpg", "-f lavfi -i testsrc2=s=96x72:r=25:d=12 -c:v mpeg2video -bf 2 -g 40 -b:v 600k", &[][..]),
        (
            "vfr.mkv",
            "-f lavfi -i testsrc2=s=96x72:r=50:d=10 -vf select='not(mod(n,3))+not(mod(n,7))' -fps_mode passthrough -c:v libx264 \
             -x264-params open-gop=1:keyint=60:bframes=3",
            &[],
        ),
        (
            "telecined.mkv",
            "-f lavfi -i testsrc2=s=96x72:r=24000/1001:d=12 -vf telecine=pattern=23 -c:v libx264 -preset veryfast \
             -x264-params tff=1",
            &["--ivtc=on"],
        ),
        (
            "tff.mkv",
            "-f lavfi -i testsrc2=s=96x72:r=50:d=10 -vf tinterlace=interleave_top,setfield=tff -c:v libx264 -preset veryfast \
             -x264-params tff=1",
            &["--deinterlace=bwdif", "--deinterlace-rate=field"],
        ),
    ] {
        let source = desk.at(name);
        ffmpeg(&format!("{made} @0"), &[&source]);
        let options = [&["--segment=0.7", "--preset=ultrafast", "--dedupe=off"], options].concat();
        check_going_on(&desk, &source, "mkv", &options);
    }
}

#[test]
fn a_cartoon_on_twos_is_restored_once_for_each_drawing() {
    if !has_ffmpeg("repeats") {
        return;
    }
    let desk = Desk::new();
    let source = desk.at("twos.mkv");
    ffmpeg("-f lavfi -i testsrc2=s=96x72:r=12:d=4 -vf fps=24 -c:v ffv1 @0", &[&source]);
    let encode = ["--encode=ffv1", "--json"];
    let (ran, reused) = desk.upscale(&source, "reused.mkv", &encode);
    let report = ran.json(0);
    assert_eq!(report["done"][0]["frames"].as_u64(), Some(96));
    assert_eq!(report["done"][0]["frames_reused"].as_u64(), Some(48));
    let (ran, all) = desk.upscale(&source, "all.mkv", &[&encode[..], &["--dedupe=off"]].concat());
    assert_eq!(ran.json(0)["done"][0]["frames_reused"].as_u64(), Some(0));
    assert_same_frames(&frame_hashes(&reused), &frame_hashes(&all), "reused");
    assert_eq!(workbench::frame_times(&reused), workbench::frame_times(&source));

    // Noise makes all frames new, unless small differences are allowed.
    let noisy = desk.at("noisy.mkv");
    ffmpeg("-f lavfi -i testsrc2=s=96x72:r=12:d=4 -vf fps=24,noise=alls=2:allf=t -c:v ffv1 @0", &[&noisy]);
    for (dedupe, n_reused) in [("--dedupe=exact", 0), ("--dedupe=near:2", 48)] {
        let (ran, _) =
            desk.upscale(&noisy, &format!("noisy-{n_reused}.mkv"), &[&encode[..], &[dedupe]].concat());
        assert_eq!(ran.json(0)["done"][0]["frames_reused"].as_u64(), Some(n_reused), "{dedupe}");
    }
    let wrong = pegbar(["upscale", "a", "-m", "b", "-o", "c", "--dedupe", "near:x"]);
    assert!(wrong.code == Some(2) && wrong.stderr.contains("near:1.5"), "{wrong:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn two_hours_end_in_time_and_in_the_same_memory() {
    if !has_ffmpeg("a film of two hours") {
        return;
    }
    let desk = Desk::new();
    let source = desk.at("long.mkv");
    ffmpeg(
        "-f lavfi -i testsrc2=s=32x24:r=8000/1001:d=7200 -f lavfi -i sine=440:d=7200:r=8000 -c:v libx264 -preset ultrafast \
         -g 240 -c:a aac -b:a 16k @0",
        &[&source],
    );
    let output = desk.at("out.mkv");
    let mut child = binary()
        .env("PEGBAR_STATE", desk.at("state"))
        .arg("upscale")
        .arg(&source)
        .arg("-m")
        .arg(&desk.model)
        .arg("-o")
        .arg(&output)
        .args(["--preset=ultrafast", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut resident_kib = Vec::new();
    while child.try_wait().expect("status").is_none() {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        resident_kib.extend(line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()));
        std::thread::sleep(Duration::from_millis(200));
    }
    let report = Ran::of(child.wait_with_output().expect("ended")).json(0);
    let n_segments = report["done"][0]["segments"].as_u64().expect("a number");
    assert!((60..=240).contains(&n_segments), "{report}");
    // From a tenth of the time on, when all is at work.
    let (early, latest) = (&resident_kib[resident_kib.len() / 10..], &resident_kib[resident_kib.len() / 2..]);
    let (first, most) = (early[0], *latest.iter().max().expect("samples"));
    assert!(most as f64 <= first as f64 * 1.1 + 512.0, "memory grew from {first} to {most} KiB");

    let last = |file: &Path, stream: &str| {
        let json = ffprobe(
            &format!(
                "-select_streams {stream} -show_entries packet=pts_time,duration_time -read_intervals 7190%+100"
            ),
            file,
        );
        let packets = json["packets"].as_array().cloned().unwrap_or_default();
        let times = packets.iter().filter_map(|p| p["pts_time"].as_str()?.parse::<f64>().ok());
        times.fold(0.0, f64::max)
    };
    for stream in ["v", "a"] {
        let (was, is) = (last(&source, stream), last(&output, stream));
        assert!(
            was > 7190.0 && (was - is).abs() < 0.002,
            "{stream}: the last packet was at {was} s, is at {is} s"
        );
    }
}

/// A chain whose denoiser looks back over the borders of segments, with two models that are blended.
fn chain(desk: &Desk) -> PathBuf {
    let file = desk.at("chain.json");
    let other = desk.at("other");
    std::fs::create_dir_all(&other).expect("a folder");
    let other = workbench::small_model(&other, 2);
    let text = serde_json::json!({"pegbar": 1, "nodes": {
        "in": {"type": "input"},
        "calm": {"type": "temporal.denoise", "inputs": {"image": "in"}},
        "a": {"type": "model.load", "params": {"path": desk.model}},
        "b": {"type": "model.load", "params": {"path": other}},
        "up-a": {"type": "image.upscale", "inputs": {"image": "calm", "model": "a"}},
        "up-b": {"type": "image.upscale", "inputs": {"image": "calm", "model": "b"}},
        "mask": {"type": "image.edge_mask", "inputs": {"image": "up-a"}},
        "mix": {"type": "image.mask_blend", "inputs": {"a": "up-a", "b": "up-b", "mask": "mask"}},
        "out": {"type": "output", "inputs": {"image": "mix"}}
    }});
    std::fs::write(&file, text.to_string()).expect("written");
    file
}

#[cfg(target_os = "linux")]
#[test]
fn a_killed_chain_goes_on_to_the_same_bits() {
    if !has_ffmpeg("killed chains") {
        return;
    }
    let desk = Desk::with_slow_model();
    let (source, chain) = (film(&desk), chain(&desk));
    // Segments end in the middle of scenes, too: there the denoiser looks back over the border.
    let command = |output: &Path| {
        let mut command = binary();
        command.env("PEGBAR_STATE", desk.at("state"));
        command.arg("run").arg(&chain).arg(&source).arg("-o").arg(output);
        command.args(["--segment=0.3", "--preset=ultrafast", "--threads=2", "--json", "--duration=8"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    let whole = desk.at("whole.mkv");
    let report = Ran::of(command(&whole).output().expect("the binary starts")).json(0);
    let n_segments = report["done"][0]["segments"].as_u64().expect("a number") as usize;
    assert!(n_segments >= 7, "{report}");
    let nodes = report["done"][0]["nodes"].as_array().expect("what nodes have cost");
    assert!(
        nodes.iter().any(|node| node["node"] == "calm" && node["seconds"].as_f64() > Some(0.0)),
        "{report}"
    );
    let expected = frame_hashes(&whole);
    assert_eq!(expected.len(), 200);

    let output = desk.at("killed.mkv");
    let mut n_kills = 0;
    for wanted in 1..n_segments {
        let child = command(&output).spawn().expect("the binary starts");
        let begun = Instant::now();
        while segments(&output).len() < wanted
            && !output.exists()
            && begun.elapsed() < Duration::from_secs(120)
        {
            std::thread::sleep(Duration::from_millis(2));
        }
        kill("-KILL", child.id());
        let ran = wait(child, Duration::from_secs(60));
        assert!(!ran.stderr.contains("panicked"), "{ran:?}");
        n_kills += usize::from(!output.exists());
        if output.exists() {
            break;
        }
    }
    assert!(n_kills > 2, "{n_kills}");
    if !output.exists() {
        let report = Ran::of(command(&output).output().expect("the binary starts")).json(0);
        assert!(report["done"][0]["frames_resumed"].as_u64() > Some(0), "{report}");
    }
    assert_same_frames(&frame_hashes(&output), &expected, "a chain");
    assert_eq!(leftovers(desk.folder.path()), Vec::<PathBuf>::new());
}
