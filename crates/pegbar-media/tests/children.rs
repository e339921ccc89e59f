//! No ffmpeg is left behind, whatever happens to us.
#![cfg(target_os = "linux")]
// A helper's panic fails the test that called it.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use pegbar_frame::{Colour, Frame, PixelFormat, Rational};
use pegbar_media::{
    Container, DecodeOptions, Decoder, EncodeSettings, Encoder, MediaError, StreamParams, Tools,
    kill_all_children, probe,
};

/// Processes whose command line holds a text.
fn running_with(text: &str) -> usize {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let is = |e: &std::fs::DirEntry| {
        let command = std::fs::read(e.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&command).contains(text) && e.file_name() != *std::process::id().to_string()
    };
    entries.filter(|e| e.file_name().to_string_lossy().parse::<u32>().is_ok()).filter(is).count()
}

/// A process that has just been started may not bear its own name yet, and one that was killed is gone a little later.
fn wait_until(text: &str, n: usize) {
    let start = Instant::now();
    while running_with(text) != n {
        assert!(start.elapsed() < Duration::from_secs(20), "{} of ffmpeg run, not {n}", running_with(text));
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn long_film(tools: &Tools, folder: &Path) -> std::path::PathBuf {
    let film = folder.join("film.mkv");
    let made = Command::new(&tools.ffmpeg)
        .args(["-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=s=640x480:r=25", "-frames:v", "400"])
        .args(["-c:v", "libx264", "-preset", "ultrafast"])
        .arg(&film)
        .status()
        .unwrap();
    assert!(made.success());
    film
}

fn open(tools: &Tools, film: &Path) -> Decoder {
    let source = probe(tools, film).unwrap();
    Decoder::open(tools, film, source.video(0).unwrap(), &DecodeOptions::default()).unwrap()
}

fn encoder(tools: &Tools, output: &Path) -> Encoder {
    let params = StreamParams {
        width: 640,
        height: 480,
        format: PixelFormat::YUV420P,
        time_base: Rational::new(1, 25),
        frame_rate: None,
        sar: Rational::new(1, 1),
        colour: Colour::default(),
        hdr: None,
    };
    let settings = EncodeSettings::from_options("ffv1", None, None, None).unwrap();
    let mut encoder = Encoder::create(tools, output, Container::Mkv, &settings, &params, None).unwrap();
    let frame = Frame::zeros(PixelFormat::YUV420P, 640, 480, 0, Colour::default()).unwrap();
    encoder.write_frame(&frame).unwrap();
    encoder
}

/// When this variable is set, this very test is the victim: it starts an ffmpeg each way and waits to be killed.
const VICTIM: &str = "PEGBAR_TEST_VICTIM";

// One test, as killing all children ends those of every other in the process, and nothing can be started after.
#[test]
fn no_child_outlives_its_owner() {
    let tools = match Tools::find() {
        Ok(tools) => tools,
        Err(error) => {
            eprintln!("skipped: children ({error})");
            return;
        }
    };
    if let Some(folder) = std::env::var_os(VICTIM) {
        let folder = Path::new(&folder);
        let _decoder = open(&tools, &folder.join("film.mkv"));
        let _encoder = encoder(&tools, &folder.join("victim.mkv"));
        println!("ready");
        std::thread::sleep(Duration::from_secs(60));
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().to_str().unwrap();
    let film = long_film(&tools, folder.path());

    // Dropped in the middle, both are gone at once.
    let mut decoder = open(&tools, &film);
    decoder.next_frame().unwrap().unwrap();
    let coder = encoder(&tools, &folder.path().join("out.mkv"));
    wait_until(here, 2);
    drop(decoder);
    drop(coder);
    assert_eq!(running_with(here), 0);

    // We are killed: nobody tidies up, but the pipes close.
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "no_child_outlives_its_owner", "--nocapture"])
        .env(VICTIM, folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(victim.stdout.take().unwrap()));
    assert!(lines.any(|l| l.unwrap().contains("ready")));
    wait_until(here, 2);
    victim.kill().unwrap();
    victim.wait().unwrap();
    wait_until(here, 0);

    // Interrupted from another thread, while one waits for a frame and one has work to finish.
    let mut decoder = open(&tools, &film);
    decoder.next_frame().unwrap().unwrap();
    let mut coder = encoder(&tools, &folder.path().join("out.mkv"));
    wait_until(here, 2);
    std::thread::spawn(kill_all_children).join().unwrap();
    assert_eq!(running_with(here), 0);
    let error = std::iter::from_fn(|| decoder.next_frame().transpose()).find_map(Result::err).unwrap();
    assert!(matches!(error, MediaError::Interrupted), "{error}");
    let error = (1..100)
        .find_map(|pts| {
            let frame = Frame::zeros(PixelFormat::YUV420P, 640, 480, pts, Colour::default()).unwrap();
            coder.write_frame(&frame).err()
        })
        .unwrap();
    assert!(matches!(error, MediaError::Interrupted), "{error}");
    // Nothing is started any more.
    assert!(matches!(probe(&tools, &film), Err(MediaError::Interrupted)));
    drop((decoder, coder));
}
