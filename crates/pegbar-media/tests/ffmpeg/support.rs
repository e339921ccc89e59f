//! Clips to test with, and what ffmpeg and ffprobe themselves say about files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use pegbar_frame::{Frame, Rational};
use pegbar_media::{
    Container, CopySource, DecodeOptions, Decoder, EncodeReport, EncodeSettings, Encoder, MediaError, Probe,
    StreamParams, Tools, VideoInfo, probe,
};

/// The tools; `None`, said loudly, where there are none.
pub(crate) fn tools() -> Option<&'static Tools> {
    static TOOLS: OnceLock<Option<Tools>> = OnceLock::new();
    TOOLS
        .get_or_init(|| match Tools::find() {
            Ok(tools) => Some(tools),
            Err(error) => {
                eprintln!("skipped: tests with the real ffmpeg ({error})");
                None
            }
        })
        .as_ref()
}

/// A file of the reference media.
pub(crate) fn shared_media(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PEGBAR_SHARED").map(|folder| Path::new(&folder).join("media").join(name));
    let path = path.filter(|p| p.is_file());
    if path.is_none() {
        eprintln!("skipped: {name} (PEGBAR_SHARED is not set)");
    }
    path
}

pub(crate) fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn run(program: &Path, args: &[&str]) -> Vec<u8> {
    let output = Command::new(program).args(args).output().unwrap();
    assert!(
        output.status.success(),
        "{} {args:?}: {}",
        program.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

/// Runs ffmpeg with arguments split at blanks, then the output.
pub(crate) fn ffmpeg(args: &str, output: &Path) {
    let mut args: Vec<&str> = args.split_whitespace().collect();
    args.extend(["-y", output.to_str().unwrap()]);
    let mut all = vec!["-v", "error", "-nostdin"];
    all.extend(args);
    run(&tools().unwrap().ffmpeg, &all);
}

/// ffmpeg's standard output for one input.
pub(crate) fn ffmpeg_says(input: &Path, args: &str) -> String {
    let mut all = vec!["-v", "error", "-nostdin", "-copyts", "-i", input.to_str().unwrap()];
    all.extend(args.split_whitespace());
    String::from_utf8(run(&tools().unwrap().ffmpeg, &all)).unwrap()
}

pub(crate) fn ffprobe_says(input: &Path, args: &str) -> String {
    let mut all = vec!["-v", "error", "-of", "csv=p=0"];
    all.extend(args.split_whitespace());
    all.push(input.to_str().unwrap());
    String::from_utf8(run(&tools().unwrap().ffprobe, &all)).unwrap()
}

/// MD5 of each decoded frame of a video stream.
pub(crate) fn frame_hashes(path: &Path, stream: usize) -> Vec<String> {
    let says = ffmpeg_says(path, &format!("-map 0:v:{stream} -fps_mode passthrough -f framemd5 -"));
    let hash = |line: &str| line.rsplit(',').next().unwrap().trim().to_owned();
    says.lines().filter(|l| !l.starts_with('#')).map(hash).collect()
}

/// Hashes of the packets of the streams that a specifier selects.
pub(crate) fn packet_hashes(path: &Path, specifier: &str) -> Vec<String> {
    let says = ffmpeg_says(path, &format!("-map 0:{specifier} -c copy -f streamhash -hash md5 -"));
    says.lines().map(|l| l.split_once(',').unwrap().1.to_owned()).collect()
}

/// Time stamps of the frames as ffprobe sees them; `None` where it knows none.
pub(crate) fn probed_pts(path: &Path) -> Vec<Option<i64>> {
    ffprobe_says(path, "-select_streams v:0 -show_entries frame=best_effort_timestamp")
        .lines()
        .map(|l| l.trim_end_matches(','))
        .filter(|l| !l.is_empty())
        .map(|l| l.parse().ok())
        .collect()
}

pub(crate) fn probed(path: &Path) -> Probe {
    probe(tools().unwrap(), path).unwrap()
}

pub(crate) fn video(path: &Path) -> VideoInfo {
    probed(path).video(0).unwrap().clone()
}

pub(crate) fn decoder(path: &Path, part: &DecodeOptions) -> Result<Decoder, MediaError> {
    Decoder::open(tools().unwrap(), path, &video(path), part)
}

pub(crate) fn frames(path: &Path) -> Vec<Frame> {
    decoder(path, &DecodeOptions::default()).unwrap().map(Result::unwrap).collect()
}

pub(crate) fn settings(encode: &str) -> EncodeSettings {
    EncodeSettings::from_options(encode, None, None, None).unwrap()
}

/// Fast and small, where the codec does not matter.
pub(crate) const FAST_H264: &str = "-c:v libx264 -preset ultrafast -crf 30";

/// Decodes and encodes without touching a sample, as far as the encoder allows.
pub(crate) fn pass_through(
    source: &Path,
    output: &Path,
    encode: &str,
    trim: &DecodeOptions,
) -> Result<EncodeReport, MediaError> {
    let tools = tools().unwrap();
    let probe = probe(tools, source)?;
    let video = probe.video(0)?;
    let decoder = Decoder::open(tools, source, video, trim)?;
    let container = Container::from_path(output)?;
    let params = StreamParams {
        width: decoder.width(),
        height: decoder.height(),
        format: decoder.format(),
        time_base: decoder.time_base(),
        frame_rate: video.avg_frame_rate,
        sar: video.sar,
        colour: video.colour.clone(),
        hdr: None,
    };
    let copy = CopySource {
        path: source,
        probe: &probe,
        video_index: video.index,
        trim: trim.clone(),
        instead: BTreeMap::new(),
    };
    let mut encoder = Encoder::create(tools, output, container, &settings(encode), &params, Some(&copy))?;
    for frame in decoder {
        encoder.write_frame(&frame?)?;
    }
    encoder.finish()
}

/// A time stamp in seconds, as an exact ratio brought to a common denominator by the caller's comparison.
pub(crate) fn same_time(a: i64, a_base: Rational, b: i64, b_base: Rational) -> bool {
    i128::from(a) * i128::from(a_base.num) * i128::from(b_base.den)
        == i128::from(b) * i128::from(b_base.num) * i128::from(a_base.den)
}
