//! Where clean frames come from, and how spoilt ones travel through ffmpeg.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use pegbar_frame::{Colour, Frame, Matrix, PixelFormat, PlanarImage, Range, frame_to_rgb, rgb_to_frame};

use super::{cartoon, harbour};

/// Frames that nothing is wrong with.
pub struct Clip {
    /// As it stands in the table.
    pub name: &'static str,
    /// RGB.
    pub frames: Vec<PlanarImage>,
}

/// After this a run of ffmpeg is given up.
const LONGEST: Duration = Duration::from_secs(180);

/// What a pipe to ffmpeg carries, and what a film on disk would hold: 8 bits, full chroma, BT.601, limited range.
const STORED: &str = "yuv444p";

/// The cartoon of [`cartoon`], as a file would hold it.
pub fn drawn(n: usize, width: usize, height: usize) -> Clip {
    Clip { name: "drawn", frames: stored(&cartoon::frames(n, width, height)) }
}

/// The scene of [`harbour`], as a file would hold it.
pub fn harbour(n: usize, width: usize, height: usize) -> Clip {
    Clip { name: "harbour", frames: stored(&harbour::frames(n, width, height)) }
}

/// `n` frames of a film in the media folder of `PEGBAR_SHARED`, from `start_secs` on, `None` (and a line that says
/// so) where there is no such film or no ffmpeg.
pub fn film(name: &'static str, file: &str, start_secs: f64, n: usize) -> Option<Clip> {
    let Some(root) = std::env::var_os("PEGBAR_SHARED") else {
        eprintln!("skipped: {name} (PEGBAR_SHARED is not set)");
        return None;
    };
    let path = PathBuf::from(root).join("media").join(file);
    if !path.is_file() || !has_ffmpeg() {
        eprintln!("skipped: {name} (there is no {} or no ffmpeg)", path.display());
        return None;
    }
    let probe = Command::new("ffprobe")
        .args([
            "-v",
            "error",
            "-select_streams",
            "v:0",
            "-show_entries",
            "stream=width,height",
            "-of",
            "csv=p=0",
        ])
        .arg(&path)
        .output()
        .expect("ffprobe runs");
    let text = String::from_utf8_lossy(&probe.stdout);
    let mut sides = text.trim().split(',').map(|side| side.parse::<usize>().expect("a side in pixels"));
    let (width, height) = (sides.next().expect("a width"), sides.next().expect("a height"));
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-v", "error", "-ss", &start_secs.to_string(), "-i"]).arg(&path);
    command.args(["-frames:v", &n.to_string(), "-vf"]);
    command.arg(format!("scale=out_color_matrix=bt601:out_range=tv,format={STORED}"));
    command.args(["-f", "rawvideo", "-"]);
    let output = command.output().expect("ffmpeg runs");
    assert!(output.status.success(), "ffmpeg: {}", String::from_utf8_lossy(&output.stderr));
    Some(Clip { name, frames: unpack(&output.stdout, width, height) })
}

/// Whether ffmpeg can be run.
pub fn has_ffmpeg() -> bool {
    Command::new("ffmpeg").arg("-version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// The frames as a file of 8 bits would hold them.
pub fn stored(frames: &[PlanarImage]) -> Vec<PlanarImage> {
    frames.iter().flat_map(|frame| unpack(&pack(frame), frame.width, frame.height)).collect()
}

/// The frames through a filter graph of ffmpeg, as many as went in.
///
/// # Errors
/// What ffmpeg said, where it does not know the filter, or made another number of frames.
pub fn through_ffmpeg(frames: &[PlanarImage], graph: &str) -> Result<Vec<PlanarImage>, String> {
    let size = size_of(frames);
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-v", "error", "-f", "rawvideo", "-pix_fmt", STORED, "-s", &size, "-r", "24"]);
    command.args(["-i", "-", "-filter_complex"]).arg(format!("{graph},format={STORED}"));
    command.args(["-f", "rawvideo", "-"]);
    let bytes = pipe(command, frames)?;
    let out = unpack(&bytes, frames[0].width, frames[0].height);
    if out.len() == frames.len() {
        Ok(out)
    } else {
        Err(format!("{graph}: {} frames became {}", frames.len(), out.len()))
    }
}

/// The frames after a mild encode (H.264, about 45 dB): what a clean source looks like in practice.
///
/// # Errors
/// What ffmpeg said.
pub fn mildly_encoded(frames: &[PlanarImage]) -> Result<Vec<PlanarImage>, String> {
    encoded(frames, &["-c:v", "libx264", "-preset", "medium", "-qp", "18", "-threads", "1"])
}

/// The frames through an encoder and back; `codec` are ffmpeg's options for it.
///
/// # Errors
/// What ffmpeg said.
pub fn encoded(frames: &[PlanarImage], codec: &[&str]) -> Result<Vec<PlanarImage>, String> {
    let size = size_of(frames);
    let mut command = Command::new("ffmpeg");
    command.args([
        "-nostdin", "-v", "error", "-f", "rawvideo", "-pix_fmt", STORED, "-s", &size, "-r", "24", "-i", "-",
    ]);
    command.args(codec).args(["-f", "nut", "-"]);
    let file = pipe(command, frames)?;
    let mut decode = Command::new("ffmpeg");
    decode.args(["-nostdin", "-v", "error", "-i", "-", "-pix_fmt", STORED, "-f", "rawvideo", "-"]);
    let bytes = feed(decode, file)?;
    Ok(unpack(&bytes, frames[0].width, frames[0].height))
}

fn size_of(frames: &[PlanarImage]) -> String {
    format!("{}x{}", frames[0].width, frames[0].height)
}

fn pipe(command: Command, frames: &[PlanarImage]) -> Result<Vec<u8>, String> {
    feed(command, frames.iter().flat_map(pack).collect())
}

/// Runs a command with `input` on its standard input, and gives what it prints.
fn feed(mut command: Command, input: Vec<u8>) -> Result<Vec<u8>, String> {
    // `-nostdin` means that ffmpeg takes no keys from it; a pipe as a file is read all the same.
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| format!("ffmpeg does not start: {e}"))?;
    let mut stdin = child.stdin.take().expect("piped");
    // A command that ends early closes the pipe; its message says why.
    let writer = thread::spawn(move || drop(stdin.write_all(&input)));
    let mut stderr = child.stderr.take().expect("piped");
    let messages = thread::spawn(move || {
        let mut text = String::new();
        let _ = stderr.read_to_string(&mut text);
        text
    });
    let mut stdout = child.stdout.take().expect("piped");
    let output = thread::spawn(move || {
        let mut bytes = Vec::new();
        stdout.read_to_end(&mut bytes).map(|_| bytes)
    });
    // Some filters of ffmpeg wait forever for more frames than a short clip has.
    let start = Instant::now();
    while child.try_wait().map_err(|e| e.to_string())?.is_none() {
        if start.elapsed() > LONGEST {
            child.kill().map_err(|e| e.to_string())?;
            child.wait().map_err(|e| e.to_string())?;
            return Err(format!("ffmpeg made no end of it within {} s", LONGEST.as_secs()));
        }
        thread::sleep(Duration::from_millis(5));
    }
    let status = child.wait().map_err(|e| e.to_string())?;
    writer.join().expect("the writer does not panic");
    let messages = messages.join().expect("the reader does not panic");
    let output = output.join().expect("the reader does not panic").map_err(|e| e.to_string())?;
    if status.success() { Ok(output) } else { Err(messages) }
}

fn format() -> PixelFormat {
    PixelFormat::from_ffmpeg(STORED).expect("a planar format")
}

fn colour() -> Colour {
    Colour { matrix: Some(Matrix::Smpte170m), range: Some(Range::Limited), ..Colour::default() }
}

fn pack(image: &PlanarImage) -> Vec<u8> {
    let frame = rgb_to_frame(image, None, format(), &colour(), 0).expect("an RGB picture");
    let mut bytes = Vec::new();
    frame.write_bytes(&mut bytes);
    bytes
}

fn unpack(bytes: &[u8], width: usize, height: usize) -> Vec<PlanarImage> {
    let decode = |bytes: &[u8]| {
        let frame = Frame::from_bytes(format(), width, height, 0, colour(), bytes).expect("a whole frame");
        frame_to_rgb(&frame).expect("a valid frame").0
    };
    bytes.chunks_exact(format().frame_bytes(width, height)).map(decode).collect()
}
