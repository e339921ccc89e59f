//! What the tests of the built binary share: running it, making models, pictures and clips.
#![allow(dead_code, reason = "each test file uses its part")]

use pegbar_formats::{StateDict, Tensor};
use pegbar_frame::PlanarImage;
use pegbar_media::still::{self, Format, StillImage, WriteOptions};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What a run of the binary gave.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Standard output as JSON, after a run that must have ended with `code`.
    pub(crate) fn json(&self, code: i32) -> serde_json::Value {
        assert_eq!(self.code, Some(code), "{self:?}");
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
}

/// The built binary.
pub(crate) fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pegbar"));
    command.env_remove("PEGBAR_FFMPEG").env_remove("PEGBAR_CPU").env_remove("PEGBAR_LOG");
    // Jobs of tests are no jobs of the user's.
    command.env("PEGBAR_STATE", std::env::temp_dir().join("pegbar-test-state"));
    command
}

/// Runs the binary.
pub(crate) fn pegbar<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Ran {
    Ran::of(binary().args(args).output().expect("the binary starts"))
}

/// The folder of reference data, or `None` after saying that `what` is skipped.
pub(crate) fn shared(what: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("PEGBAR_SHARED").map(PathBuf::from).filter(|p| p.is_dir());
    if folder.is_none() {
        eprintln!("skipped: {what} (PEGBAR_SHARED is not set to a folder)");
    }
    folder
}

/// Whether ffmpeg is there; says that `what` is skipped when not.
pub(crate) fn has_ffmpeg(what: &str) -> bool {
    let found = Command::new("ffmpeg").arg("-version").output().is_ok_and(|o| o.status.success());
    if !found {
        eprintln!("skipped: {what} (there is no ffmpeg on PATH)");
    }
    found
}

/// Runs ffmpeg; `args` is split at white space.
pub(crate) fn ffmpeg(args: &str, files: &[&Path]) {
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-v", "error", "-y"]);
    for word in args.split_whitespace() {
        match word.strip_prefix('@').and_then(|n| n.parse::<usize>().ok()) {
            Some(n) => command.arg(files[n]),
            None => command.arg(word),
        };
    }
    let output = command.output().expect("ffmpeg starts");
    assert!(output.status.success(), "{args}: {}", String::from_utf8_lossy(&output.stderr));
}

/// ffprobe's answer as JSON; `args` is split at white space.
pub(crate) fn ffprobe(args: &str, file: &Path) -> serde_json::Value {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-of", "json"])
        .args(args.split_whitespace())
        .arg(file)
        .output()
        .expect("ffprobe starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// PTS of all frames of a video in seconds, as ffprobe sees them. MPEG program streams do not stamp every frame, and
/// ffprobe tells no time of the very last one there: it follows from the two before.
pub(crate) fn frame_times(file: &Path) -> Vec<f64> {
    let json = ffprobe("-select_streams v:0 -show_entries frame=best_effort_timestamp_time", file);
    let frames = json["frames"].as_array().expect("frames");
    let mut times: Vec<f64> = Vec::with_capacity(frames.len());
    for (i, frame) in frames.iter().enumerate() {
        match (frame["best_effort_timestamp_time"].as_str(), times.as_slice()) {
            (Some(time), _) => times.push(time.parse().expect("a number")),
            (None, [.., a, b]) if i + 1 == frames.len() => times.push(b + (b - a)),
            (None, _) => panic!("{}: no time in frame {i}: {frame}", file.display()),
        }
    }
    times
}

/// md5 of every decoded frame.
pub(crate) fn frame_hashes(file: &Path) -> Vec<String> {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(file)
        .args(["-map", "0:v", "-f", "framemd5", "-"])
        .output()
        .expect("ffmpeg starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let frames = text.lines().filter(|l| !l.starts_with('#'));
    frames.filter_map(|l| Some(l.rsplit(',').next()?.trim().into())).collect()
}

/// Unfinished work in a folder: files whose names start with `.pegbar`, and folders of jobs.
pub(crate) fn leftovers(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return vec![] };
    entries
        .filter_map(|e| Some(e.ok()?.path()))
        .filter(|p| {
            let name = p.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with(".pegbar") || name.ends_with(".pegbar-job")
        })
        .collect()
}

/// Numbers that look random and are the same every time, in -1..1.
pub(crate) fn noise(n: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..n)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}

/// A Compact network with `features` features and `convs` inner convolutions that enlarges by `scale`. Its weights are
/// small, so the result is close to the enlarged input.
pub(crate) fn compact(channels: usize, features: usize, convs: usize, scale: usize) -> StateDict {
    let mut dict = StateDict::default();
    let mut put = |name: String, shape: Vec<usize>, gain: f32| {
        let n = shape.iter().product();
        let data = noise(n, name.len() as u64 * 131 + n as u64).iter().map(|v| v * gain).collect();
        dict.tensors.insert(name, Tensor::from_f32(shape, data).expect("sizes agree"));
    };
    let last = 2 * convs + 2;
    for layer in (0..=last).step_by(2) {
        let input = if layer == 0 { channels } else { features };
        let output = if layer == last { channels * scale * scale } else { features };
        let gain = if layer == last { 0.01 } else { 1.0 / (input as f32 * 9.0).sqrt() };
        put(format!("body.{layer}.weight"), vec![output, input, 3, 3], gain);
        put(format!("body.{layer}.bias"), vec![output], 0.01);
        if layer != last {
            put(format!("body.{}.weight", layer + 1), vec![features], 0.2);
        }
    }
    dict
}

/// Writes a small Compact model and returns its path.
pub(crate) fn small_model(folder: &Path, scale: usize) -> PathBuf {
    let path = folder.join(format!("compact-x{scale}.safetensors"));
    pegbar_formats::safetensors::write(&path, &compact(3, 8, 1, scale), &BTreeMap::new()).expect("written");
    path
}

/// A folder to work in, with a small 2x model.
pub(crate) struct Desk {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) model: PathBuf,
}

impl Desk {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("temporary folder");
        let model = small_model(folder.path(), 2);
        Self { folder, model }
    }

    /// With a 2x model that takes its time, so that there is a middle of the work to be interrupted in.
    pub(crate) fn with_slow_model() -> Self {
        let desk = Self::new();
        pegbar_formats::safetensors::write(&desk.model, &compact(3, 48, 4, 2), &BTreeMap::new())
            .expect("written");
        desk
    }

    /// A path in the folder.
    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Upscales `input` to a file of this name in the folder.
    pub(crate) fn upscale(&self, input: &Path, output: &str, more: &[&str]) -> (Ran, PathBuf) {
        let output = self.at(output);
        let mut args = vec!["upscale".as_ref(), input.as_os_str(), "-m".as_ref(), self.model.as_os_str()];
        args.extend(["-o".as_ref(), output.as_os_str()]);
        args.extend(more.iter().map(OsStr::new));
        (pegbar(args), output)
    }
}

/// Writes a picture with gradients; 1 or 3 channels, by the format of the extension.
pub(crate) fn picture(path: &Path, width: usize, height: usize, channels: usize) {
    let mut image = PlanarImage::zeros(channels, height, width);
    for c in 0..channels {
        for (i, v) in image.plane_mut(c).iter_mut().enumerate() {
            let (x, y) = (i % width, i / width);
            *v = (((x * 7 + y * 5 + c * 40) % 200) as f32 + 20.0) / 255.0;
        }
    }
    let still = StillImage { image, alpha: None, depth_bits: 8, icc_profile: None };
    let format = Format::from_path(path).expect("known extension");
    still::write(path, &still, &WriteOptions::new(format, 90)).expect("written");
}

/// What [`run_in_python`] needs to run an ncnn model, in single precision.
pub(crate) const RUN_NCNN: &str = "\
import ncnn
def run(path, x):
    net = ncnn.Net()
    net.opt.use_fp16_storage = net.opt.use_fp16_packed = net.opt.use_fp16_arithmetic = net.opt.use_bf16_storage = False
    net.load_param(path)
    net.load_model(path[:-6] + '.bin')
    run = net.create_extractor()
    pixels = numpy.ascontiguousarray(x[0], numpy.float32)
    picture = ncnn.Mat(pixels)
    run.input('in0', picture)
    code, result = run.extract('out0')
    return numpy.array(result).copy()";

/// A python that has these modules: `PEGBAR_PYTHON` names it.
pub(crate) fn python(modules: &str, what: &str) -> Option<PathBuf> {
    let python = std::env::var_os("PEGBAR_PYTHON").map(PathBuf::from).filter(|path| {
        Command::new(path)
            .args(["-c", &format!("import {modules}")])
            .output()
            .is_ok_and(|o| o.status.success())
    });
    if python.is_none() {
        eprintln!("skipped: {what} (PEGBAR_PYTHON names no python with {modules})");
    }
    python
}

/// Runs a model in another program, given as Python: `run(path, x)` makes `y` of `x`, both `[C, H, W]`.
pub(crate) fn run_in_python(
    python: &Path,
    script: &str,
    model: &Path,
    golden: &Path,
    folder: &Path,
) -> PathBuf {
    let output = folder.join("theirs.safetensors");
    let tensors = pegbar_formats::read_state_dict(golden).expect("readable").state_dict;
    let input = tensors.get("input").expect("input");
    let raw = folder.join("input.f32");
    std::fs::write(&raw, input.to_bytes()).expect("written");
    let result = folder.join("output.f32");
    let shape: Vec<String> = input.shape().iter().map(usize::to_string).collect();
    let whole = format!(
        "import sys, numpy\n{script}\nx = numpy.fromfile(sys.argv[2], numpy.float32).reshape({})\n\
         numpy.ascontiguousarray(run(sys.argv[1], x), numpy.float32).tofile(sys.argv[3])\n",
        shape.join(",")
    );
    let ran =
        Command::new(python).args(["-c", &whole]).arg(model).arg(&raw).arg(&result).output().expect("starts");
    assert!(ran.status.success(), "{}: {}", model.display(), String::from_utf8_lossy(&ran.stderr));
    let expected = tensors.get("output").expect("output");
    let values = std::fs::read(&result).expect("read");
    let theirs =
        Tensor::from_bytes(pegbar_formats::DType::F32, expected.shape().to_vec(), values).expect("sizes");
    let dict = [("input".to_owned(), input.clone()), ("output".to_owned(), theirs)].into_iter().collect();
    pegbar_formats::safetensors::write(&output, &dict, &BTreeMap::new()).expect("written");
    output
}

/// Whether the model makes of the stored input what another program made of it.
pub(crate) fn agrees(model: &Path, theirs: &Path, tolerance: &str) {
    let mut args: Vec<&OsStr> = vec!["models".as_ref(), "verify".as_ref(), model.as_os_str()];
    args.extend(["--golden".as_ref(), theirs.as_os_str(), "--tolerance".as_ref(), tolerance.as_ref()]);
    let ran = pegbar(args);
    assert_eq!(ran.code, Some(0), "{}: {ran:?}", model.display());
}
