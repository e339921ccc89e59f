//! Memory does not grow with the length of a video.
#![cfg(target_os = "linux")]

mod workbench;

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use workbench::{binary, ffmpeg, has_ffmpeg};

/// Peak resident memory of the binary over a job, in KiB.
fn peak_kib(model: &Path, clip: &Path, output: &Path) -> usize {
    let mut child = binary()
        .arg("upscale")
        .arg(clip)
        .arg("-m")
        .arg(model)
        .arg("-o")
        .arg(output)
        .args(["--overwrite", "--preset", "ultrafast", "--threads", "2"])
        .stdout(Stdio::null())
        .spawn()
        .expect("the binary starts");
    let status_file = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        if let Ok(text) = std::fs::read_to_string(&status_file)
            && let Some(kib) = text.lines().find_map(|l| l.strip_prefix("VmHWM:")?.trim().strip_suffix("kB"))
        {
            peak = peak.max(kib.trim().parse().expect("number"));
        }
        if let Some(status) = child.try_wait().expect("status") {
            assert!(status.success());
            return peak;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn flat_over_ten_times_the_length() {
    if !has_ffmpeg("memory over length") {
        return;
    }
    let folder = tempfile::tempdir().expect("temporary folder");
    let model = workbench::small_model(folder.path(), 2);
    let clip = |name: &str, frames: usize| {
        let path = folder.path().join(name);
        ffmpeg(
            &format!(
                "-f lavfi -i testsrc2=s=720x480:r=25 -frames:v {frames} -c:v libx264 -preset ultrafast @0"
            ),
            &[&path],
        );
        path
    };
    let output = folder.path().join("out.mkv");
    let short = peak_kib(&model, &clip("short.mkv", 12), &output);
    let long = peak_kib(&model, &clip("long.mkv", 120), &output);
    assert!(long < 150 << 10, "{long} KiB");
    assert!(long as f64 <= short as f64 * 1.05, "{short} KiB for 12 frames, {long} KiB for 120");
}
