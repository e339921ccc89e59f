//! What can be typed.

use crate::commands::film::parse_frame_rate;
use crate::commands::restore::repeats::Dedupe;
use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use pegbar_frame::Rational;
use pegbar_media::PICTURE_PARAMS;
use pegbar_params::{Param, ParamKind};
use std::path::PathBuf;

/// Restores old cartoons and video with neural networks: one program, on any processor, nothing to install but ffmpeg.
#[derive(Debug, Parser)]
#[command(name = "pegbar", version, max_term_width = 110, propagate_version = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Say more on standard error: -v what is done, -vv why, -vvv everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a model over images, videos or folders
    #[command(after_help = UPSCALE_EXAMPLES)]
    Upscale(Box<UpscaleArgs>),
    /// Run a chain of nodes over images, videos or folders
    #[command(after_help = RUN_EXAMPLES)]
    Run(Box<RunArgs>),
    /// Check, show and make chains
    #[command(subcommand)]
    Chain(ChainCommand),
    /// Look at models and check them
    #[command(subcommand)]
    Models(ModelsCommand),
    /// Show what a video file holds
    Probe(ProbeArgs),
    /// Compare an image or a video with its reference: PSNR, SSIM, MS-SSIM
    Metrics(MetricsArgs),
    /// Time a model on this machine
    Bench(BenchArgs),
    /// Show and clean up videos that are not finished
    #[command(after_help = JOBS_NOTE)]
    Jobs(JobsArgs),
    /// Check what Pegbar finds on this machine
    Doctor(ReportArgs),
    /// Print the reference of all commands as Markdown
    #[command(hide = true)]
    Docs,
}

const UPSCALE_EXAMPLES: &str = "\
Examples:
  pegbar upscale episode.mkv -m 2x_model.pth -o episode-2x.mkv
  pegbar upscale episode.mkv -m 2x_model.pth -o try.mkv --start 3:10 --duration 5
  pegbar upscale dvd.vob -m 2x_model.pth -o film.mkv --ivtc auto --deinterlace auto --crop auto
  pegbar upscale scans/ -m 4x_model.safetensors -o scans-4x/ --recursive --skip-existing
  pegbar upscale frames/%06d.png -m 2x_model.pth -o film.mkv --frame-rate 23.976
  pegbar upscale film.mkv -m 2x_model.pth -o frames/%06d.png";

const RUN_EXAMPLES: &str = "\
Examples:
  pegbar run tape.json episode.mkv -o episode-clean.mkv
  pegbar run tape.json episode.mkv -o try.mkv --start 3:10 --duration 5 --set denoise.strength=2
  pegbar run scan.json scans/ -o clean/ --recursive
  pegbar run pictures.json";

const JOBS_NOTE: &str = "\
What is done of a video lies beside its output, in a folder named after it with .pegbar-job at the end. The command that began it \
goes on with it. Where these folders are is noted in the folder PEGBAR_STATE, by default ~/.local/state/pegbar.";

#[derive(Debug, Args)]
pub(crate) struct UpscaleArgs {
    /// Images, videos, folders, numbered images such as frames/%06d.png, or a pattern such as "season 1/*.mkv"
    #[arg(required = true, value_name = "IN")]
    pub(crate) inputs: Vec<PathBuf>,
    /// Model: .pth, .safetensors, .onnx, or ncnn's .param or .bin
    #[arg(short, long, value_name = "FILE")]
    pub(crate) model: PathBuf,
    /// Output file; a folder when there are several inputs or a folder; numbered images such as frames/%06d.png for the frames
    /// of a video; .gif, .apng or .webp for an animation
    #[arg(short, long, value_name = "OUT")]
    pub(crate) output: PathBuf,
    #[command(flatten)]
    pub(crate) work: WorkArgs,
}

// What `upscale` and `run` share. (A doc comment would become that of the command.)
#[derive(Debug, Args)]
pub(crate) struct WorkArgs {
    /// Show what would be done and how long it would take, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) existing: ExistingArgs,
    #[command(flatten)]
    pub(crate) report: ReportArgs,
    #[command(flatten)]
    pub(crate) engine: EngineArgs,
    #[command(flatten)]
    pub(crate) images: ImageArgs,
    #[command(flatten)]
    pub(crate) video: VideoArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Chain file
    pub(crate) chain: PathBuf,
    /// Images, videos, folders, numbered images such as frames/%06d.png, or a pattern such as "season 1/*.mkv"; none for a chain that
    /// loads by itself. Where a chain has several inputs, NODE=IN says which
    #[arg(value_name = "[NODE=]IN")]
    pub(crate) inputs: Vec<PathBuf>,
    /// Output file, or a folder when there are several inputs or a folder; none for a chain that saves by itself. Where a chain has
    /// several outputs, -o NODE=OUT for each
    #[arg(short, long, value_name = "[NODE=]OUT")]
    pub(crate) output: Vec<PathBuf>,
    /// Set a parameter of a node, a path as seen from here; may be given several times
    #[arg(long, value_name = "NODE.PARAM=VALUE")]
    pub(crate) set: Vec<String>,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
    #[command(flatten)]
    pub(crate) work: WorkArgs,
}

/// What a chain may do.
#[derive(Debug, Args)]
pub(crate) struct TrustArgs {
    /// Let ffmpeg's filters and encoders in the chain touch files; for chains that you trust
    #[arg(long)]
    pub(crate) allow_ffmpeg_files: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ChainCommand {
    /// Check a chain: what is wrong with it, and what flows where
    Check(ChainCheckArgs),
    /// Tell in words what a chain does, step by step
    Explain(ChainExplainArgs),
    /// Draw a chain
    Graph(ChainGraphArgs),
    /// Begin a chain from a template
    New(ChainNewArgs),
    /// Make a chain of one of chaiNNer, and tell what has no counterpart
    Import(ChainImportArgs),
    /// Write a chain in the form and version that Pegbar writes
    Export(ChainExportArgs),
    /// List the kinds of nodes
    Nodes(ChainNodesArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ChainCheckArgs {
    /// Chain file
    pub(crate) file: PathBuf,
    /// Set a parameter of a node, a path as seen from here; may be given several times
    #[arg(long, value_name = "NODE.PARAM=VALUE")]
    pub(crate) set: Vec<String>,
    /// Size of the input, to know all sizes
    #[arg(long, value_name = "WxH", value_parser = parse_size)]
    pub(crate) size: Option<(usize, usize)>,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
    #[command(flatten)]
    pub(crate) report: ReportArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ChainExplainArgs {
    /// Chain file
    pub(crate) file: PathBuf,
    /// Set a parameter of a node, a path as seen from here; may be given several times
    #[arg(long, value_name = "NODE.PARAM=VALUE")]
    pub(crate) set: Vec<String>,
    /// Size of the input, to know all sizes
    #[arg(long, value_name = "WxH", value_parser = parse_size)]
    pub(crate) size: Option<(usize, usize)>,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ChainGraphArgs {
    /// Chain file
    pub(crate) file: PathBuf,
    /// Drawing to write: .svg, or .mmd for Mermaid text; without, Mermaid text is printed
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Size of the input, to know all sizes
    #[arg(long, value_name = "WxH", value_parser = parse_size)]
    pub(crate) size: Option<(usize, usize)>,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
    /// Replace a drawing that exists
    #[arg(long)]
    pub(crate) overwrite: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ChainNewArgs {
    /// Chain to begin with: upscale, tape-rip, dvd-cartoon, film-scan, clean-line-upscale, halo-fix-upscale or
    /// two-models-edge-mask
    #[arg(long, value_name = "NAME", default_value = "upscale")]
    pub(crate) template: String,
    /// Chain file to write
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Replace a file that exists
    #[arg(long)]
    pub(crate) overwrite: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ChainImportArgs {
    /// Chain of chaiNNer, .chn
    pub(crate) file: PathBuf,
    /// Chain file to write
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Replace a file that exists
    #[arg(long)]
    pub(crate) overwrite: bool,
    #[command(flatten)]
    pub(crate) report: ReportArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ChainExportArgs {
    /// Chain file
    pub(crate) file: PathBuf,
    /// Chain file to write
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Set a parameter of a node, a path as seen from here; may be given several times
    #[arg(long, value_name = "NODE.PARAM=VALUE")]
    pub(crate) set: Vec<String>,
    /// Replace a file that exists
    #[arg(long)]
    pub(crate) overwrite: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ChainNodesArgs {
    /// Only those with this in id, name or description; an id shows all of the node
    pub(crate) search: Option<String>,
    #[command(flatten)]
    pub(crate) report: ReportArgs,
}

#[derive(Debug, Args)]
#[group(multiple = false)]
pub(crate) struct ExistingArgs {
    /// Replace outputs that exist
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// Leave out inputs whose output exists
    #[arg(long)]
    pub(crate) skip_existing: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Images and folders")]
pub(crate) struct ImageArgs {
    /// Go into subfolders of a folder
    #[arg(short, long)]
    pub(crate) recursive: bool,
    /// Format of images written to a folder
    #[arg(long, value_name = "FORMAT", default_value = "png")]
    pub(crate) format: String,
    /// Quality of JPEG images, 1 to 100
    #[arg(long, value_name = "Q", default_value_t = 95, value_parser = clap::value_parser!(u8).range(1..=100))]
    pub(crate) quality: u8,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Video")]
pub(crate) struct VideoArgs {
    /// Where to start, in seconds or h:mm:ss.ms
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) start: Option<f64>,
    /// How much to process, in seconds or h:mm:ss.ms
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) duration: Option<f64>,
    /// Encoder: h264, h265, av1, ffv1, prores, or ffmpeg options such as "-c:v libvpx-vp9 -crf 24 -b:v 0" or
    /// "-c:v hevc_nvenc -cq 19" [default: h264]
    #[arg(long, value_name = "ENCODER", allow_hyphen_values = true)]
    pub(crate) encode: Option<String>,
    /// Constant rate factor of h264, h265 and av1: lower is better and larger
    #[arg(long, value_name = "N")]
    pub(crate) crf: Option<String>,
    /// Speed preset of the encoder (h264 and h265: ultrafast to placebo; av1: 0 to 13)
    #[arg(long, value_name = "NAME")]
    pub(crate) preset: Option<String>,
    /// Pixel format of the output, ffmpeg's name; 4:2:0 at the source's depth by default
    #[arg(long, value_name = "FORMAT")]
    pub(crate) pix_fmt: Option<String>,
    /// Video stream to process, counted from 0 among the video streams
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) video_stream: usize,
    /// Frames per second of numbered images: 24, 23.976, 24000/1001 [default: 24]
    #[arg(long, value_name = "RATE", value_parser = parse_frame_rate)]
    pub(crate) frame_rate: Option<Rational>,
    /// Hardware to decode with, by ffmpeg's name: auto, cuda, vaapi, videotoolbox, d3d11va... [default: the processor]
    #[arg(long, value_name = "NAME")]
    pub(crate) hwaccel: Option<String>,
    /// Frames that repeat the one before and take its result: exact, off, or near:N for those that differ by at most N codes of
    /// 8 bits in any square of 16x16 samples
    #[arg(long, value_name = "HOW", default_value = "exact")]
    pub(crate) dedupe: Dedupe,
    /// Least length in seconds of the segments that the work is done in. What is finished survives any interruption; a segment
    /// ends at a change of scene, or after four times this length
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = parse_segment)]
    pub(crate) segment: f64,
    /// Start over where an unfinished job would go on
    #[arg(long)]
    pub(crate) fresh: bool,
    #[command(flatten)]
    pub(crate) picture: PictureArgs,
}

// Documentation, values and defaults are those of PICTURE_PARAMS. (A doc comment would become that of the command.)
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Fields and borders of videos")]
pub(crate) struct PictureArgs {
    #[arg(long, value_name = "HOW", help = doc("deinterlace"), default_value = default("deinterlace"), value_parser = choices("deinterlace"))]
    pub(crate) deinterlace: String,
    #[arg(long, value_name = "RATE", help = doc("deinterlace-rate"), default_value = default("deinterlace-rate"), value_parser = choices("deinterlace-rate"))]
    pub(crate) deinterlace_rate: String,
    #[arg(long, value_name = "WHEN", help = doc("ivtc"), default_value = default("ivtc"), value_parser = choices("ivtc"))]
    pub(crate) ivtc: String,
    #[arg(long, value_name = "ORDER", help = doc("field-order"), default_value = default("field-order"), value_parser = choices("field-order"))]
    pub(crate) field_order: String,
    #[arg(long, value_name = "W:H:X:Y", help = doc("crop"), default_value = default("crop"))]
    pub(crate) crop: String,
    #[arg(long, value_name = "W:H", help = doc("pad"))]
    pub(crate) pad: Option<String>,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Engine")]
pub(crate) struct EngineArgs {
    /// Where to run the model
    #[arg(long, value_enum, default_value_t = DeviceArg::Auto)]
    pub(crate) device: DeviceArg,
    /// Arithmetic: exact is 32-bit floating point throughout; fast multiplies 16-bit integers and stays above 70 dB against
    /// it on real frames [default: fast; exact in "models verify"]
    #[arg(long, value_enum)]
    pub(crate) precision: Option<PrecisionArg>,
    /// Threads [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// Cut pictures into tiles: auto, off, or the side in pixels
    #[arg(long, value_name = "TILE", default_value = "auto", value_parser = parse_tile)]
    pub(crate) tile: pegbar_engine::TileChoice,
    /// Working memory of the engine in MiB [default: half of what is free, 512 at most]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(16..))]
    pub(crate) memory: Option<u32>,
    /// Scale of the model where its file does not tell (a 3x ESRGAN with old keys looks like a 2x one)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=16))]
    pub(crate) model_scale: Option<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DeviceArg {
    Auto,
    Cpu,
    Gpu,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PrecisionArg {
    Fast,
    Exact,
}

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// Report as JSON on standard output
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ModelsCommand {
    /// Show architecture, scale, channels and size of a model
    Inspect(InspectArgs),
    /// Show what a model costs on this machine: time and memory for a frame, and which arithmetic is safe for it
    Info(InfoArgs),
    /// Run a model on a stored input and compare with the stored output
    Verify(VerifyArgs),
    /// Write a model in another format, and check that it is still the same
    Convert(ConvertArgs),
    /// Mix two models of one shape
    Merge(MergeArgs),
}

#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// Model file
    pub(crate) file: PathBuf,
    /// Scale of the model where its file does not tell
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=16))]
    pub(crate) model_scale: Option<u8>,
    #[command(flatten)]
    pub(crate) report: ReportArgs,
}

#[derive(Debug, Args)]
pub(crate) struct InfoArgs {
    /// Model file
    pub(crate) file: PathBuf,
    /// Size of the frame
    #[arg(long, value_name = "WxH", default_value = "720x480", value_parser = parse_size)]
    pub(crate) size: (usize, usize),
    #[command(flatten)]
    pub(crate) report: ReportArgs,
    #[command(flatten)]
    pub(crate) engine: EngineArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ConvertArgs {
    /// Model file
    pub(crate) input: PathBuf,
    /// File to write; its extension says the format: .safetensors, .pth, .onnx, .param (ncnn)
    pub(crate) output: PathBuf,
    /// Half precision: half the size, a little less exact
    #[arg(long)]
    pub(crate) half: bool,
    /// Replace an output that exists
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// Scale of the model where its file does not tell
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=16))]
    pub(crate) model_scale: Option<u8>,
    #[command(flatten)]
    pub(crate) report: ReportArgs,
}

#[derive(Debug, Args)]
pub(crate) struct MergeArgs {
    /// First model: .pth or .safetensors
    pub(crate) first: PathBuf,
    /// Second model, of the same architecture and size
    pub(crate) second: PathBuf,
    /// File to write: .pth or .safetensors
    #[arg(short, long, value_name = "OUT")]
    pub(crate) output: PathBuf,
    /// Share of the second model, 0 to 1
    #[arg(long, value_name = "W", default_value_t = 0.5, value_parser = parse_share)]
    pub(crate) weight: f64,
    /// Replace an output that exists
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// Scale of the models where their files do not tell
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=16))]
    pub(crate) model_scale: Option<u8>,
    #[command(flatten)]
    pub(crate) report: ReportArgs,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// Model file
    pub(crate) weights: PathBuf,
    /// .safetensors with the tensors `input` and `output` (1,C,H,W)
    #[arg(long, value_name = "FILE")]
    pub(crate) golden: PathBuf,
    /// Largest absolute difference that passes
    #[arg(long, value_name = "X", default_value_t = 1e-4)]
    pub(crate) tolerance: f64,
    #[command(flatten)]
    pub(crate) report: ReportArgs,
    #[command(flatten)]
    pub(crate) engine: EngineArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ProbeArgs {
    /// Video file
    pub(crate) file: PathBuf,
    /// Also look at samples of the film: whether it is interlaced or telecined, and where its black borders are
    #[arg(long)]
    pub(crate) scan: bool,
    #[command(flatten)]
    pub(crate) report: ReportArgs,
}

#[derive(Debug, Args)]
pub(crate) struct MetricsArgs {
    /// Reference image or video
    pub(crate) reference: PathBuf,
    /// Distorted image or video, of the same size
    pub(crate) distorted: PathBuf,
    /// Report every frame of a video, not only the summary
    #[arg(long)]
    pub(crate) per_frame: bool,
    /// Compare only the frames that both videos have
    #[arg(long)]
    pub(crate) shortest: bool,
    /// Cut this many pixels from each side before comparing
    #[arg(long, value_name = "PX", default_value_t = 0)]
    pub(crate) crop_border: usize,
    #[command(flatten)]
    pub(crate) report: ReportArgs,
}

#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// Model file
    pub(crate) model: PathBuf,
    /// Size of the input picture
    #[arg(long, value_name = "WxH", default_value = "720x480", value_parser = parse_size)]
    pub(crate) size: (usize, usize),
    /// Timed runs, each on a picture that all threads share; the median is reported
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) runs: u16,
    /// Also time the frames of a video: one for each thread side by side, where memory allows
    #[arg(long)]
    pub(crate) video: bool,
    /// Show the steps of the compiled network
    #[arg(long)]
    pub(crate) explain: bool,
    /// Run a frame for each line `run` on standard input, so that a comparison can alternate engines frame by frame
    #[arg(long, hide = true, conflicts_with_all = ["explain", "json"])]
    pub(crate) serve: bool,
    /// The picture to serve: 32-bit little-endian floats, plane after plane
    #[arg(long, hide = true, value_name = "FILE", requires = "serve")]
    pub(crate) frame: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) report: ReportArgs,
    #[command(flatten)]
    pub(crate) engine: EngineArgs,
}

/// The declaration of a picture option.
fn picture_param(id: &str) -> &'static Param {
    // Checked by the test of this table, which reads the whole command line.
    PICTURE_PARAMS.iter().find(|p| p.id == id).expect("an id of PICTURE_PARAMS")
}

/// Its documentation as help, without the full stop.
fn doc(id: &str) -> &'static str {
    picture_param(id).doc.trim_end_matches('.')
}

fn default(id: &str) -> &'static str {
    match picture_param(id).kind {
        ParamKind::Choice { default, .. } | ParamKind::Text { default } | ParamKind::Colour { default } => {
            default
        }
        _ => "",
    }
}

fn choices(id: &str) -> PossibleValuesParser {
    let choices = match picture_param(id).kind {
        ParamKind::Choice { choices, .. } => choices,
        _ => &[],
    };
    choices
        .iter()
        .map(|c| PossibleValue::new(c.id).help(c.doc.trim_end_matches('.')))
        .collect::<Vec<_>>()
        .into()
}

#[derive(Debug, Args)]
pub(crate) struct JobsArgs {
    #[command(subcommand)]
    pub(crate) command: Option<JobsCommand>,
    #[command(flatten)]
    pub(crate) report: ReportArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum JobsCommand {
    /// List all unfinished jobs of this user
    List(ReportArgs),
    /// Show all there is to say of one
    Show(JobArgs),
    /// Remove what unfinished jobs have done so far
    Clean(CleanArgs),
}

#[derive(Debug, Args)]
pub(crate) struct JobArgs {
    /// The output of the job, or its folder
    pub(crate) job: PathBuf,
    #[command(flatten)]
    pub(crate) report: ReportArgs,
}

#[derive(Debug, Args)]
pub(crate) struct CleanArgs {
    /// Outputs of jobs, or their folders
    #[arg(required_unless_present = "all")]
    pub(crate) jobs: Vec<PathBuf>,
    /// All unfinished jobs of this user that nobody works on
    #[arg(long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) report: ReportArgs,
}

/// `75`, `1:15`, `0:01:15.5` to seconds.
fn parse_time(text: &str) -> Result<f64, String> {
    let wrong = || format!("{text:?} is no time; write seconds (75.5) or h:mm:ss (0:01:15.5)");
    let parts: Vec<&str> = text.split(':').collect();
    if parts.len() > 3 {
        return Err(wrong());
    }
    let mut secs = 0.0;
    for (i, part) in parts.iter().enumerate() {
        let plain = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let value: f64 = part.parse().ok().filter(|_| plain).ok_or_else(wrong)?;
        if i > 0 && value >= 60.0 {
            return Err(wrong());
        }
        secs = secs * 60.0 + value;
    }
    Ok(secs)
}

/// A number from 0 to 1.
fn parse_share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| format!("{text:?} is no share; write a number from 0 to 1, such as 0.3"))
}

/// Seconds, more than none.
fn parse_segment(text: &str) -> Result<f64, String> {
    let secs = parse_time(text)?;
    if secs > 0.0 { Ok(secs) } else { Err("a segment lasts longer than 0 seconds".to_owned()) }
}

/// `720x480` to width and height.
fn parse_size(text: &str) -> Result<(usize, usize), String> {
    let wrong = || format!("{text:?} is no size; write WIDTHxHEIGHT, such as 720x480, up to 32768 each");
    let (w, h) = text.split_once(['x', 'X']).ok_or_else(wrong)?;
    let side = |s: &str| s.parse().ok().filter(|n| (1..=32768).contains(n)).ok_or_else(wrong);
    Ok((side(w)?, side(h)?))
}

/// `auto`, `off` or pixels.
fn parse_tile(text: &str) -> Result<pegbar_engine::TileChoice, String> {
    use pegbar_engine::TileChoice;
    match text {
        "auto" => Ok(TileChoice::Auto),
        "off" => Ok(TileChoice::Off),
        _ => match text.parse() {
            Ok(px) if px > 0 => Ok(TileChoice::Px(px)),
            _ => Err(format!("{text:?} is no tile size; write auto, off, or pixels such as 256")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_table_of_options_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn times_and_sizes() {
        assert_eq!(parse_time("75.5"), Ok(75.5));
        assert_eq!(parse_time("1:15"), Ok(75.0));
        assert_eq!(parse_time("1:00:01.25"), Ok(3601.25));
        for bad in ["", "-1", "1:75", "1:2:3:4", "abc", "1e3", "nan", ":"] {
            assert!(parse_time(bad).is_err(), "{bad:?} passed");
        }
        assert_eq!(parse_size("720x480"), Ok((720, 480)));
        for bad in ["720", "0x5", "x", "70000x2", "a x b"] {
            assert!(parse_size(bad).is_err(), "{bad:?} passed");
        }
    }
}
