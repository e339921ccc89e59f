//! Damaged videos: each becomes either a result that can be decoded, with the damage named, or a sentence and no file.
//! Nothing hangs, nothing panics, nothing is left behind.

mod workbench;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use workbench::{Desk, Ran, binary, ffmpeg, ffprobe, has_ffmpeg, leftovers};

/// The longest that a clip of two seconds may take.
const LIMIT: Duration = Duration::from_secs(60);

/// Sound clips that damage is done to: 50 frames of 64x48 with a tone, an index last where the container has one.
const CLIPS: &[(&str, &str)] = &[
    ("mp4", "-c:v libx264 -preset fast -g 12 -bf 2 -c:a aac"),
    ("front.mp4", "-c:v libx264 -preset fast -g 12 -bf 2 -c:a aac -movflags +faststart"),
    ("mkv", "-c:v libx264 -preset fast -g 12 -bf 2 -c:a aac"),
    ("ts", "-c:v libx264 -preset fast -g 12 -bf 2 -c:a aac"),
    ("mpg", "-c:v mpeg2video -g 12 -bf 2 -c:a mp2"),
    ("avi", "-c:v mpeg4 -g 12 -c:a mp2"),
    ("webm", "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 12 -c:a libopus"),
    ("ffv1.mkv", "-c:v ffv1 -level 3 -slicecrc 1 -an"),
];

/// The bytes of a sound clip; all are made once for all tests.
fn clip(extension: &str) -> Vec<u8> {
    static SOUND: OnceLock<BTreeMap<&str, Vec<u8>>> = OnceLock::new();
    let sound = SOUND.get_or_init(|| {
        let folder = tempfile::tempdir().expect("temporary folder");
        let make = |(extension, options): &(&'static str, &str)| {
            let path = folder.path().join(format!("sound.{extension}"));
            ffmpeg(
                &format!("-f lavfi -i testsrc2=s=64x48:r=25:d=2 -f lavfi -i sine=r=48000:d=2 {options} @0"),
                &[&path],
            );
            (*extension, std::fs::read(&path).expect("read"))
        };
        CLIPS.iter().map(make).collect()
    });
    sound[extension].clone()
}

/// What must come of it.
enum Expect {
    /// A result of this many frames at least; the damage is named where it shows.
    Result(usize),
    /// The same, though nothing in the file tells that anything is missing.
    Unnoticed(usize),
    /// A sentence of these words.
    Sentence(&'static [&'static str]),
    /// A result or a sentence: it depends on the version of ffmpeg.
    Either,
}

/// One row: what was done, the file's name, its bytes, what must come of it.
type Row = (&'static str, &'static str, fn() -> Vec<u8>, Expect);

/// The first part of a clip, in per cent.
fn cut(extension: &str, percent: usize) -> Vec<u8> {
    let mut bytes = clip(extension);
    bytes.truncate(bytes.len() * percent / 100);
    bytes
}

/// The clip with zeros from one to the other place, in per cent.
fn zeros(extension: &str, from: usize, to: usize) -> Vec<u8> {
    let mut bytes = clip(extension);
    let n = bytes.len();
    bytes[n * from / 100..n * to / 100].fill(0);
    bytes
}

/// Where a word begins.
fn find(bytes: &[u8], word: &[u8]) -> usize {
    bytes.windows(word.len()).position(|w| w == word).expect("the word is there")
}

/// Another clip of the same kind, of another size.
fn other_size(extension: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join(format!("other.{extension}"));
    let options = CLIPS.iter().find(|(e, _)| *e == extension).expect("a clip").1;
    ffmpeg(
        &format!(
            "-f lavfi -i testsrc2=s=96x64:r=25:d=1 -f lavfi -i sine=r=48000:d=1 {options} -output_ts_offset 2 @0"
        ),
        &[&path],
    );
    std::fs::read(&path).expect("read")
}

const CUT: &[Row] = &[
    ("index never written", "cut.mp4", || cut("mp4", 60), Expect::Sentence(&["moov atom not found"])),
    ("cut within a GOP, index first", "cut-front.mp4", || cut("front.mp4", 60), Expect::Result(15)),
    ("cut within a GOP", "cut.mkv", || cut("mkv", 50), Expect::Result(15)),
    ("cut within a GOP", "cut.ts", || cut("ts", 50), Expect::Unnoticed(15)),
    ("cut within a GOP", "cut.mpg", || cut("mpg", 50), Expect::Unnoticed(15)),
    ("cut within a GOP", "cut.avi", || cut("avi", 50), Expect::Result(15)),
    ("cut within a GOP", "cut.webm", || cut("webm", 50), Expect::Result(15)),
    ("header only", "header.mkv", || clip("mkv")[..600].to_vec(), Expect::Sentence(&["header.mkv"])),
    (
        "header only",
        "header.avi",
        || {
            let b = clip("avi");
            b[..find(&b, b"movi") + 4].to_vec()
        },
        Expect::Sentence(&["header.avi"]),
    ),
    ("first bytes only", "first.mp4", || clip("mp4")[..40].to_vec(), Expect::Sentence(&["first.mp4"])),
    (
        "no frame",
        "none.mp4",
        || {
            let folder = tempfile::tempdir().expect("temporary folder");
            let path = folder.path().join("none.mp4");
            ffmpeg("-f lavfi -i testsrc2=s=64x48:r=25:d=1 -frames:v 0 -c:v mpeg4 @0", &[&path]);
            std::fs::read(&path).expect("read")
        },
        Expect::Sentence(&["none.mp4"]),
    ),
    (
        "sound ends early",
        "sound-ends.mkv",
        || {
            let folder = tempfile::tempdir().expect("temporary folder");
            let path = folder.path().join("a.mkv");
            ffmpeg(
                "-f lavfi -i testsrc2=s=64x48:r=25:d=2 -f lavfi -i sine=d=0.3 -c:v libx264 -preset ultrafast -c:a aac @0",
                &[&path],
            );
            std::fs::read(&path).expect("read")
        },
        Expect::Unnoticed(50),
    ),
];

const SPOILT: &[Row] = &[
    ("zeros in the middle", "zeros.mp4", || zeros("mp4", 40, 50), Expect::Result(30)),
    ("zeros in the middle", "zeros.mkv", || zeros("mkv", 40, 50), Expect::Result(20)),
    ("zeros in the middle", "zeros.ts", || zeros("ts", 40, 50), Expect::Result(30)),
    ("zeros in the middle", "zeros.mpg", || zeros("mpg", 40, 50), Expect::Result(30)),
    ("zeros in the middle", "zeros.avi", || zeros("avi", 40, 50), Expect::Result(30)),
    ("zeros in a lossless film", "zeros-ffv1.mkv", || zeros("ffv1.mkv", 40, 45), Expect::Result(20)),
    ("zeros at the start", "start.mkv", || zeros("mkv", 0, 2), Expect::Either),
    ("zeros at the start", "start.ts", || zeros("ts", 0, 10), Expect::Either),
    ("garbage after the end", "after.mp4", || [clip("mp4"), noise(5000)].concat(), Expect::Unnoticed(50)),
    ("garbage after the end", "after.mkv", || [clip("mkv"), noise(5000)].concat(), Expect::Unnoticed(50)),
    ("garbage after the end", "after.ts", || [clip("ts"), noise(5000)].concat(), Expect::Unnoticed(50)),
    ("garbage before the start", "before.mpg", || [noise(3000), clip("mpg")].concat(), Expect::Either),
    (
        "no index",
        "index.avi",
        || {
            let mut bytes = clip("avi");
            let at = bytes.windows(4).rposition(|w| w == b"idx1").expect("an index");
            bytes.truncate(at);
            bytes
        },
        Expect::Unnoticed(50),
    ),
    (
        "spoilt index",
        "idx1.avi",
        || {
            let mut bytes = clip("avi");
            let at = bytes.windows(4).rposition(|w| w == b"idx1").expect("an index");
            bytes[at + 8..].fill(0xff);
            bytes
        },
        Expect::Either,
    ),
];

const MIXED: &[Row] = &[
    ("Matroska called MP4", "wrong.mp4", || clip("mkv"), Expect::Unnoticed(50)),
    ("MP4 called AVI", "wrong.avi", || clip("mp4"), Expect::Unnoticed(50)),
    ("MPEG called Matroska", "wrong.mkv", || clip("mpg"), Expect::Unnoticed(50)),
    ("transport stream called text", "wrong.txt", || clip("ts"), Expect::Unnoticed(50)),
    (
        "first bytes of another",
        "mask.mkv",
        || {
            let mut bytes = clip("mkv");
            bytes[..12].copy_from_slice(b"RIFF\x10\0\0\0AVI ");
            bytes
        },
        Expect::Either,
    ),
    ("MP4, then Matroska", "both.mp4", || [clip("mp4"), clip("mkv")].concat(), Expect::Unnoticed(50)),
    ("Matroska, then MP4", "both.mkv", || [clip("mkv"), clip("mp4")].concat(), Expect::Unnoticed(50)),
    (
        "size changes midway",
        "sizes.mpg",
        || [clip("mpg"), other_size("mpg")].concat(),
        Expect::Sentence(&["changes size after", "cut the video"]),
    ),
    (
        "size changes midway",
        "sizes.ts",
        || [clip("ts"), other_size("ts")].concat(),
        Expect::Sentence(&["changes size after", "cut the video"]),
    ),
    (
        "time goes backwards",
        "again.ts",
        || [clip("ts"), clip("ts")].concat(),
        Expect::Sentence(&["time jumps back after", "+genpts"]),
    ),
    (
        "time goes backwards",
        "again.mpg",
        || [clip("mpg"), clip("mpg")].concat(),
        Expect::Sentence(&["time jumps back after", "+genpts"]),
    ),
    (
        "a picture of 100000x100000",
        "huge.y4m",
        || b"YUV4MPEG2 W100000 H100000 F25:1 C420jpeg\nFRAME\nxx".to_vec(),
        Expect::Sentence(&["huge.y4m"]),
    ),
    (
        "a picture of 16000x16000",
        "large.y4m",
        || b"YUV4MPEG2 W16000 H16000 F25:1 C420jpeg\nFRAME\nxx".to_vec(),
        Expect::Sentence(&["large.y4m"]),
    ),
];

/// Bytes that look random and are the same every time.
fn noise(n: usize) -> Vec<u8> {
    random(n as u64).map(|v| v as u8).take(n).collect()
}

/// Numbers that look random and are the same every time.
fn random(seed: u64) -> impl Iterator<Item = u64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state >> 20
    })
}

/// A clip with some bits flipped between two places, in per cent.
fn flipped(extension: &str, n_bits: usize, (from, to): (usize, usize), seed: u64) -> Vec<u8> {
    let mut bytes = clip(extension);
    let (from, to) = (bytes.len() * from / 100, bytes.len() * to / 100);
    for value in random(seed).take(n_bits) {
        let bit = value as usize % ((to - from) * 8);
        bytes[from + bit / 8] ^= 1 << (bit % 8);
    }
    bytes
}

/// Runs the binary; ends it, and the test, when it takes too long.
fn run_limited(desk: &Desk, input: &Path, output: &Path) -> Ran {
    let mut child = binary()
        .args(["upscale".as_ref(), input.as_os_str(), "-m".as_ref(), desk.model.as_os_str()])
        .args(["-o".as_ref(), output.as_os_str(), "--json".as_ref(), "--preset=ultrafast".as_ref()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let read = |mut pipe: Box<dyn Read + Send>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = pipe.read_to_end(&mut bytes);
            bytes
        })
    };
    let stdout = read(Box::new(child.stdout.take().expect("a pipe")));
    let stderr = read(Box::new(child.stderr.take().expect("a pipe")));
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("status") {
            break status;
        }
        if started.elapsed() > LIMIT {
            let _ = child.kill();
            let _ = child.wait();
            panic!("{}: still running after {LIMIT:?}", input.display());
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let (stdout, stderr) = (stdout.join().expect("read"), stderr.join().expect("read"));
    Ran::of(std::process::Output { status, stdout, stderr })
}

/// What ffmpeg finds wrong with the file when it decodes the picture.
fn ffmpeg_complains(file: &Path) -> Vec<String> {
    let output = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-i"])
        .arg(file)
        .args(["-map", "0:v:0", "-f", "null", "-"])
        .output()
        .expect("ffmpeg starts");
    // It looks into sound as well when it opens a file, and its null muxer counts whole frames.
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let of_sound = |line: &str| {
        ["[aac", "[mp2", "[mp3", "[opus", "[NULL", "[null"].iter().any(|codec| line.starts_with(codec))
    };
    let mut lines: Vec<_> =
        said.lines().filter(|l| !of_sound(l) && !l.contains("message repeated")).map(String::from).collect();
    if !output.status.success() {
        lines.push(output.status.to_string());
    }
    lines
}

/// Frames of a video that can be decoded, and whether ffprobe finds no fault with it.
fn frames_of(file: &Path) -> usize {
    let json = ffprobe("-select_streams v:0 -count_frames -show_entries stream=nb_read_frames", file);
    json["streams"][0]["nb_read_frames"].as_str().and_then(|n| n.parse().ok()).unwrap_or(0)
}

/// Upscales one damaged file and says what is wrong with what came of it.
fn complaints(desk: &Desk, name: &str, bytes: &[u8], expect: &Expect) -> Vec<String> {
    let input = desk.at(name);
    std::fs::write(&input, bytes).expect("written");
    let output: PathBuf = desk.at(&format!("{name}-out.mkv"));
    let ran = run_limited(desk, &input, &output);
    let mut wrong = Vec::new();
    if ran.stderr.contains("panicked") {
        wrong.push("a panic".to_owned());
    }
    // What is done of a film before its damage is kept, and said to be.
    let job = desk.at(&format!("{name}-out.mkv.pegbar-job"));
    if job.is_dir() && ran.code == Some(1) && ran.stderr.contains("are done and kept") {
        std::fs::remove_dir_all(&job).expect("removed");
    }
    let left = leftovers(desk.folder.path());
    if !left.is_empty() {
        wrong.push(format!("unfinished files left: {left:?}"));
    }
    match (ran.code, expect) {
        (Some(0), Expect::Sentence(_)) => wrong.push("a result where there should be none".into()),
        (Some(0), _) => wrong.extend(faults_of_result(&ran, &input, &output, expect)),
        (Some(1), Expect::Result(_) | Expect::Unnoticed(_)) => wrong.push("no result".into()),
        (Some(1), _) => {
            if ran.stderr.trim().lines().count() != 1 || !ran.stderr.starts_with("pegbar: ") {
                wrong.push("not one sentence".into());
            }
            let says = if let Expect::Sentence(says) = expect { *says } else { &[] };
            wrong.extend(
                says.iter().filter(|word| !ran.stderr.contains(**word)).map(|w| format!("{w:?} is not said")),
            );
            if output.exists() {
                wrong.push("there is a file under the final name".into());
            }
        }
        (code, _) => wrong.push(format!("exit code {code:?}")),
    }
    if !wrong.is_empty() {
        wrong.push(format!("in {ran:?}"));
    }
    wrong
}

fn faults_of_result(ran: &Ran, input: &Path, output: &Path, expect: &Expect) -> Vec<String> {
    let mut wrong = Vec::new();
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap_or_default();
    let done = &report["done"][0];
    let frames = frames_of(output);
    if frames == 0 || done["frames"].as_u64() != Some(frames as u64) {
        wrong.push(format!("{} frames reported, {frames} can be decoded", done["frames"]));
    }
    let faults = ffmpeg_complains(output);
    if !faults.is_empty() {
        wrong.push(format!("ffmpeg finds fault with the result: {faults:?}"));
    }
    if let Expect::Result(least) | Expect::Unnoticed(least) = expect
        && frames < *least
    {
        wrong.push(format!("{frames} frames, fewer than {least}"));
    }
    let is_named = done["warnings"].as_array().is_some_and(|list| !list.is_empty());
    let is_noticed =
        !matches!(expect, Expect::Unnoticed(_)) && (frames < 50 || !ffmpeg_complains(input).is_empty());
    if is_noticed && !is_named {
        wrong.push("no warning names the damage".into());
    }
    wrong
}

fn run_table(rows: &[Row]) {
    if !has_ffmpeg("damaged videos") {
        return;
    }
    let desk = Desk::new();
    let mut failures = Vec::new();
    for (what, name, make, expect) in rows {
        let wrong = complaints(&desk, name, &make(), expect);
        if !wrong.is_empty() {
            failures.push(format!("{name}, {what}: {}", wrong.join("; ")));
        }
    }
    assert!(failures.is_empty(), "\n{}\n", failures.join("\n"));
}

#[test]
fn cut_short() {
    run_table(CUT);
}

#[test]
fn spoilt_in_places() {
    run_table(SPOILT);
}

#[test]
fn mixed_up() {
    run_table(MIXED);
}

/// Bits flipped in the data, and in the headers.
fn flip_bits(cases: &[(&str, usize, (usize, usize))], seeds: std::ops::Range<u64>) {
    if !has_ffmpeg("flipped bits") {
        return;
    }
    let desk = Desk::new();
    let mut failures = Vec::new();
    for (extension, n_bits, places) in cases {
        for seed in seeds.clone() {
            let name = format!("flipped-{n_bits}-{}-{seed}.{extension}", places.0);
            let wrong =
                complaints(&desk, &name, &flipped(extension, *n_bits, *places, seed), &Expect::Either);
            if !wrong.is_empty() {
                failures.push(format!("{name}: {}", wrong.join("; ")));
            }
        }
    }
    assert!(failures.is_empty(), "\n{}\n", failures.join("\n"));
}

#[test]
fn bits_flipped_in_the_data() {
    flip_bits(
        &[
            ("mp4", 20, (5, 80)),
            ("mkv", 20, (5, 95)),
            ("ts", 20, (2, 98)),
            ("mpg", 20, (2, 98)),
            ("avi", 20, (10, 90)),
            ("webm", 20, (5, 95)),
            ("ffv1.mkv", 5, (2, 98)),
        ],
        1..4,
    );
}

#[test]
fn bits_flipped_in_the_headers() {
    flip_bits(
        &[
            ("front.mp4", 12, (0, 12)),
            ("mkv", 6, (0, 4)),
            ("avi", 12, (0, 4)),
            ("ts", 12, (0, 3)),
            ("mpg", 12, (0, 3)),
        ],
        1..4,
    );
}

#[test]
fn the_tables_are_long_enough() {
    assert!(CUT.len() + SPOILT.len() + MIXED.len() >= 20);
}

/// Damaged sound that ffmpeg does not copy costs neither the picture nor the rest of the sound.
#[test]
fn sound_that_cannot_be_copied_is_encoded_anew() {
    if !has_ffmpeg("damaged sound") {
        return;
    }
    let desk = Desk::new();
    let whole = desk.at("whole.ts");
    ffmpeg(
        "-f lavfi -i testsrc2=s=64x48:r=5:d=30 -f lavfi -i sine=r=48000:d=30 -c:v libx264 -preset ultrafast -c:a aac -f mpegts @0",
        &[&whole],
    );
    let bytes = std::fs::read(&whole).expect("read");
    // Before the work the beginning is tried; what comes later shows when the segments are joined.
    for (name, percent) in [("early.ts", 10), ("late.ts", 70)] {
        let mut bytes = bytes.clone();
        let start = bytes.len() * percent / 100;
        // The packets of transport streams have heads of their own, which stay.
        for packet in bytes[start / 188 * 188..].chunks_exact_mut(188).take(60) {
            let is_sound = u16::from_be_bytes([packet[1] & 0x1f, packet[2]]) == 0x101;
            if is_sound {
                packet[40..].fill(0);
            }
        }
        let source = desk.at(name);
        std::fs::write(&source, &bytes).expect("written");
        for (extension, codec) in [("mkv", "flac"), ("mp4", "alac")] {
            let output = format!("{name}.{extension}");
            let (ran, output) = desk.upscale(&source, &output, &["--json", "--preset=ultrafast"]);
            let done = ran.json(0)["done"][0].clone();
            assert_eq!(done["frames"], 150, "{done}");
            let says = done["warnings"].to_string();
            assert!(
                says.contains("stream 1 (audio aac) is damaged") && says.contains(codec),
                "{name}: {says}"
            );
            let json = ffprobe("-select_streams a -show_entries stream=codec_name:packet=pts_time", &output);
            assert_eq!(json["streams"][0]["codec_name"], codec, "{name}");
            let packets = json["packets"].as_array().expect("packets");
            let last: f64 = packets.last().expect("sound")["pts_time"]
                .as_str()
                .expect("a time")
                .parse()
                .expect("a number");
            assert!((29.0..32.0).contains(&last), "{name}.{extension}: sound until {last}");
        }
    }
}
