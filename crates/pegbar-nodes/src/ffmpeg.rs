//! Filters of ffmpeg's as nodes: whole graphs, and typed ones.
//!
//! Pictures go to ffmpeg and back by our own conversion, at the most bits that the filter takes, and nothing is converted by
//! ffmpeg. YUV is BT.709 of the limited range without subsampling, which is what such filters are tuned for, and holds over- and
//! undershoot.

mod filters;
mod motion;
mod pure;

pub use pure::check_encoder_options;

pub(crate) use filters::*;
pub(crate) use motion::*;

use crate::function::PICTURE;
use pegbar_chain::{
    Cancel, Category, FrameTaker, ImageInfo, Info, NodeError, NodeType, Prepare, Role, SegmentFilter, Shared,
    TimedImage,
};
use pegbar_frame::{
    Colour, Frame, FrameError, Matrix, PixelFamily, PixelFormat, PlanarImage, Range, Rational, frame_to_rgb,
    rgb_to_frame,
};
use pegbar_media::{
    FilterSettings, MediaError, Tools, check_filter, decimated_time_base, field_time_base, run_filter,
};
use pegbar_params::{Choice, Param, ParamValue};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Whether graphs may hold filters that read and write files. Put into what nodes share where the chain is trusted.
#[derive(Debug, Clone, Copy, Default)]
pub struct AllowFfmpegFiles(pub bool);

/// Side of the pictures that a graph is tried with.
const TRIAL_SIDE: usize = 64;

/// Formats that are tried for colour, the best first.
const COLOUR_FORMATS: [PixelFormat; 14] = [
    PixelFormat::YUV444P16,
    PixelFormat::yuv(14, 0, 0),
    PixelFormat::YUV444P12,
    PixelFormat::YUV444P10,
    PixelFormat::YUV444P,
    PixelFormat::GBRP16,
    PixelFormat::rgb(14),
    PixelFormat::GBRP12,
    PixelFormat::GBRP10,
    PixelFormat::GBRP,
    PixelFormat::YUV422P16,
    PixelFormat::YUV420P16,
    PixelFormat::YUV420P10,
    PixelFormat::YUV420P,
];

/// Formats that are tried for gray pictures, before those for colour.
const GRAY_FORMATS: [PixelFormat; 4] =
    [PixelFormat::GRAY16, PixelFormat::gray(12), PixelFormat::GRAY10, PixelFormat::GRAY8];

/// Any graph.
pub(crate) static FILTER: NodeType = NodeType {
    id: "ffmpeg.filter",
    name: "FFmpeg Filter",
    category: Category::Temporal,
    doc: "Sends the frames through a filter graph of ffmpeg's, as its -vf option takes it: \"hqdn3d=4:3:6:4,unsharp\". The graph is tried \
          before the work begins. Each segment of a film goes through a graph of its own. Filters that read or write files, load \
          libraries or listen to the network are refused, as a chain may come from anybody: --allow-ffmpeg-files lets them through.",
    params: &[
        Param::text("graph", "The graph: one input, one output.", "null"),
        Param::choice(
            "format",
            "Pixel format that the pictures have within the graph.",
            &[
                Choice {
                    id: "auto",
                    doc: "The one with the most bits that the graph takes, YUV before RGB.",
                },
                Choice { id: "yuv444p16", doc: "YUV of 16 bits." },
                Choice { id: "yuv444p10", doc: "YUV of 10 bits." },
                Choice { id: "yuv444p", doc: "YUV of 8 bits." },
                Choice { id: "yuv420p", doc: "YUV of 8 bits with colour at half the size." },
                Choice { id: "rgb16", doc: "RGB of 16 bits." },
                Choice { id: "rgb8", doc: "RGB of 8 bits." },
                Choice { id: "gray16", doc: "Gray of 16 bits; colour is lost." },
                Choice { id: "gray8", doc: "Gray of 8 bits; colour is lost." },
            ],
            "auto",
        ),
        Param::bool(
            "keeps-frames",
            "Whether the graph makes exactly one frame of each. Only then may its frames meet others of the same stream.",
            true,
        ),
        Param::text(
            "frame-rate",
            "Frame rate of the result where the graph makes one of its own, such as 60 or 60000/1001; empty where frames keep their \
             times or lie halfway between them.",
            "",
        ),
    ],
    role: Role::Segment { prepare: |prepare| any_graph(prepare) },
    example: &[("graph", "hqdn3d=10:10:12:12,unsharp")],
    ..PICTURE
};

fn any_graph(prepare: &Prepare<'_>) -> Result<Arc<dyn SegmentFilter>, NodeError> {
    let values = prepare.values;
    let text = values.text("graph").trim();
    if text.is_empty() {
        return Err(NodeError::param("graph", "no graph is given; write one, such as hqdn3d=4:3:6:4"));
    }
    if !prepare.shared.get::<AllowFfmpegFiles>().0 {
        pure::check(text).map_err(|message| NodeError::param("graph", message))?;
    }
    let format = match values.text("format") {
        "yuv444p16" => Some(PixelFormat::YUV444P16),
        "yuv444p10" => Some(PixelFormat::YUV444P10),
        "yuv444p" => Some(PixelFormat::YUV444P),
        "yuv420p" => Some(PixelFormat::YUV420P),
        "rgb16" => Some(PixelFormat::GBRP16),
        "rgb8" => Some(PixelFormat::GBRP),
        "gray16" => Some(PixelFormat::GRAY16),
        "gray8" => Some(PixelFormat::GRAY8),
        _ => None,
    };
    let keeps = values.bool("keeps-frames");
    let times = match values.text("frame-rate").trim() {
        "" if keeps => Times::Same,
        "" => Times::Fields,
        _ if keeps => {
            let message =
                "a graph that keeps its frames keeps their rate; leave it empty, or say that it does not";
            return Err(NodeError::param("frame-rate", message));
        }
        rate => Times::Rate(frame_rate("frame-rate", rate)?),
    };
    let how = How { keeps_frames: keeps, keeps_size: false, times, ..How::PLAIN };
    prepared(prepare, "graph", text.to_owned(), format, how)
}

/// A frame rate as typed.
fn frame_rate(param: &str, text: &str) -> Result<Rational, NodeError> {
    let wrong =
        || NodeError::param(param, format!("{text:?} is no frame rate; write 25, 59.94 or 60000/1001"));
    let rate = match text.parse::<f64>() {
        // Of broadcasting: 23.976, 29.97, 59.94 are thousandths of 1001.
        Ok(rate) if rate.fract() != 0.0 => {
            let ntsc = (rate * 1.001).round();
            match (ntsc / 1.001 - rate).abs() < 0.005 {
                true => Rational::new(ntsc as i64 * 1000, 1001),
                false => Rational::new((rate * 1000.0).round() as i64, 1000),
            }
        }
        _ => text.parse::<Rational>().map_err(|_| wrong())?,
    };
    if rate.is_positive() && (0.01..=1000.0).contains(&rate.as_f64()) { Ok(rate) } else { Err(wrong()) }
}

/// How a graph treats frames.
#[derive(Debug, Clone, Copy)]
struct How {
    /// One result for each frame.
    keeps_frames: bool,
    /// Results as large as frames.
    keeps_size: bool,
    times: Times,
    /// Frames that the filter needs to work at all.
    least_frames: u64,
    /// Pixels that the shorter side needs: with fewer the filter does not come to an end, or fails.
    least_side: usize,
    /// Whether results are frames that came, at their times: then they are given as they came.
    selects: bool,
}

impl How {
    /// A filter of pictures.
    const PLAIN: Self = Self {
        keeps_frames: true,
        keeps_size: true,
        times: Times::Same,
        least_frames: 0,
        least_side: 1,
        selects: false,
    };
}

/// Where in time results lie.
#[derive(Debug, Clone, Copy)]
enum Times {
    /// At the times of frames.
    Same,
    /// There, and halfway between.
    Fields,
    /// One of five is dropped, and the others are spread over its time.
    Decimated,
    /// At a rate of their own.
    Rate(Rational),
}

impl Times {
    fn time_base(self, source: Rational) -> Rational {
        match self {
            Self::Same => source,
            Self::Fields => field_time_base(source),
            Self::Decimated => decimated_time_base(source),
            Self::Rate(rate) => common_tick(source, Rational::new(rate.den, rate.num)).unwrap_or(source),
        }
    }
}

/// The longest tick of which both are multiples; `None` where ffmpeg, which counts in 32 bits, cannot have it.
fn common_tick(a: Rational, b: Rational) -> Option<Rational> {
    let gcd = |mut a: i128, mut b: i128| {
        while b != 0 {
            (a, b) = (b, a % b);
        }
        a.max(1)
    };
    let of = |r: Rational| (i128::from(r.num), i128::from(r.den));
    let ((a_num, a_den), (b_num, b_den)) = (of(a), of(b));
    let (num, den) = (gcd(a_num * b_den, b_num * a_den), a_den * b_den);
    let divisor = gcd(num, den);
    let small = |n: i128| i32::try_from(n / divisor).ok().map(i64::from);
    Some(Rational::new(small(num)?, small(den)?))
}

/// Runs a typed filter: its options in ffmpeg's names, in the order of the node's parameters; an empty name is none of
/// ffmpeg's.
fn wrapped(
    prepare: &Prepare<'_>,
    filter: &str,
    options: &[&str],
    how: How,
) -> Result<Arc<dyn SegmentFilter>, NodeError> {
    prepared(prepare, "", with_options(prepare, filter, options, '='), None, how)
}

/// The same for a filter that has some options already.
fn wrapped_more(
    prepare: &Prepare<'_>,
    filter: &str,
    options: &[&str],
    how: How,
) -> Result<Arc<dyn SegmentFilter>, NodeError> {
    prepared(prepare, "", with_options(prepare, filter, options, ':'), None, how)
}

fn with_options(prepare: &Prepare<'_>, filter: &str, options: &[&str], mut before: char) -> String {
    let mut text = filter.to_owned();
    for ((_, value), option) in prepare.values.iter().zip(options).filter(|(_, option)| !option.is_empty()) {
        let value = match value {
            ParamValue::Bool(is) => u8::from(*is).to_string(),
            other => escaped(&other.to_string()),
        };
        text += &format!("{before}{option}={value}");
        before = ':';
    }
    text
}

/// A value within a graph: escaped once for the options of a filter, once for the graph.
fn escaped(value: &str) -> String {
    let escape = |text: &str, special: &[char]| {
        let mut escaped = String::new();
        for c in text.chars() {
            if special.contains(&c) {
                escaped.push('\\');
            }
            escaped.push(c);
        }
        escaped
    };
    escape(&escape(value, &['\\', '\'', ':']), &['\\', '\'', '[', ']', ',', ';'])
}

/// ffmpeg, looked for once.
#[derive(Default)]
struct Found(OnceLock<Result<Tools, String>>);

/// What trials have shown, by graph, format and size.
#[derive(Default)]
struct Trials(Mutex<HashMap<(String, PixelFormat, usize, usize), Trial>>);

type Trial = Result<Option<(usize, usize)>, Refusal>;

/// Why a graph does not work.
#[derive(Debug, Clone)]
enum Refusal {
    /// It takes other pixel formats.
    Format(String),
    /// Something else.
    Graph(String),
}

fn prepared(
    prepare: &Prepare<'_>,
    param: &'static str,
    graph: String,
    format: Option<PixelFormat>,
    how: How,
) -> Result<Arc<dyn SegmentFilter>, NodeError> {
    let tools = tools(prepare.shared)?;
    let trials = prepare.shared.get::<Trials>();
    let mut filter = GraphFilter { tools, trials, graph, format, param, how, colour: PixelFormat::YUV444P16 };
    filter.colour = filter.best_format(&COLOUR_FORMATS)?;
    Ok(Arc::new(filter))
}

pub(crate) fn tools(shared: &Shared) -> Result<Tools, NodeError> {
    let found = shared.get::<Found>();
    found
        .0
        .get_or_init(|| Tools::find().map_err(|error| error.to_string()))
        .clone()
        .map_err(NodeError::Failed)
}

/// A graph, with all that is known of it.
struct GraphFilter {
    tools: Tools,
    trials: Arc<Trials>,
    graph: String,
    /// The only format to be used.
    format: Option<PixelFormat>,
    /// The parameter that holds the graph; empty where it is made of several.
    param: &'static str,
    how: How,
    /// Format for pictures with colour.
    colour: PixelFormat,
}

impl GraphFilter {
    /// An error about the graph.
    fn check_side(&self, width: usize, height: usize) -> Result<(), NodeError> {
        let least = self.how.least_side;
        if width.min(height) < least {
            return Err(NodeError::input(
                "image",
                format!(
                    "a picture of {width}x{height} is too small for this filter, which needs {least} px a side"
                ),
            ));
        }
        Ok(())
    }

    fn wrong(&self, message: String) -> NodeError {
        if self.param.is_empty() { NodeError::Failed(message) } else { NodeError::param(self.param, message) }
    }

    fn settings(
        &self,
        format: PixelFormat,
        width: usize,
        height: usize,
        time_base: Rational,
    ) -> FilterSettings {
        FilterSettings {
            graph: self.graph.clone(),
            format,
            colour: colour_of(format),
            width,
            height,
            time_base,
            output_time_base: self.how.times.time_base(time_base),
            frame_rate: None,
            decimates: matches!(self.how.times, Times::Decimated),
            least_frames: self.how.least_frames,
        }
    }

    /// Tries the graph with plain pictures: their size when they come out.
    fn trial(&self, format: PixelFormat, width: usize, height: usize) -> Trial {
        let key = (self.graph.clone(), format, width, height);
        let known =
            |trials: &Trials| trials.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(known) = known(&self.trials) {
            return known;
        }
        let settings = self.settings(format, width, height, Rational::new(1, 1000));
        let trial = check_filter(&self.tools, &settings).map_err(|error| match error {
            MediaError::GraphFormat { .. } => Refusal::Format(error.to_string()),
            error => Refusal::Graph(error.to_string()),
        });
        self.trials.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key, trial.clone());
        trial
    }

    /// The first of several formats that the graph takes, or the one that is asked for.
    fn best_format(&self, formats: &[PixelFormat]) -> Result<PixelFormat, NodeError> {
        let asked = self.format.map(|format| [format]);
        let formats = asked.as_ref().map_or(formats, |one| one);
        let mut refused = None;
        for &format in formats {
            match self.trial(format, TRIAL_SIDE, TRIAL_SIDE) {
                Ok(_) => return Ok(format),
                Err(Refusal::Graph(message)) => return Err(self.wrong(message)),
                Err(Refusal::Format(message)) => refused = refused.or(Some(message)),
            }
        }
        let message = refused.unwrap_or_else(|| "there is no format to try".into());
        Err(self.wrong(format!("{message}; choose another format, or begin the graph with scale,format=...")))
    }

    /// The format for pictures of so many channels.
    fn format_of(&self, channels: usize) -> Result<PixelFormat, NodeError> {
        if channels != 1 || self.format.is_some() {
            return Ok(self.colour);
        }
        Ok(self.best_format(&GRAY_FORMATS).unwrap_or(self.colour))
    }
}

/// What the numbers of a format mean.
fn colour_of(format: PixelFormat) -> Colour {
    match format.family {
        PixelFamily::Yuv => {
            Colour { matrix: Some(Matrix::Bt709), range: Some(Range::Limited), ..Colour::default() }
        }
        PixelFamily::Rgb => {
            Colour { matrix: Some(Matrix::Rgb), range: Some(Range::Full), ..Colour::default() }
        }
        PixelFamily::Gray => Colour { range: Some(Range::Full), ..Colour::default() },
    }
}

impl SegmentFilter for GraphFilter {
    fn infer(&self, image: &Info) -> Result<Info, NodeError> {
        let before = image.as_image();
        let is_gray = self.colour.family == PixelFamily::Gray;
        let channels = if is_gray { Some(1) } else { before.channels };
        if let Some((width, height)) = before.size() {
            self.check_side(width, height)?;
        }
        if self.how.keeps_size {
            return Ok(Info::image(ImageInfo { channels, ..before }));
        }
        let Some((width, height)) = before.size() else {
            return Ok(Info::image(ImageInfo { channels, ..ImageInfo::UNKNOWN }));
        };
        match self.trial(self.colour, width, height) {
            Ok(Some((width, height))) => {
                Ok(Info::image(ImageInfo { channels, ..ImageInfo::of_size(width, height) }))
            }
            Ok(None) => Ok(Info::image(ImageInfo { channels, ..ImageInfo::UNKNOWN })),
            Err(Refusal::Format(message) | Refusal::Graph(message)) => Err(self.wrong(message)),
        }
    }

    fn time_base(&self, of_input: Rational) -> Rational {
        self.how.times.time_base(of_input)
    }

    fn keeps_frames(&self) -> bool {
        self.how.keeps_frames
    }

    fn run(
        &self,
        time_base: Rational,
        frames: &mut (dyn Iterator<Item = TimedImage> + Send),
        taker: &mut FrameTaker<'_>,
        cancel: &Cancel,
    ) -> Result<(), NodeError> {
        // Two, as the time between them is the only thing that tells of the frame rate.
        let begun: VecDeque<TimedImage> = (&mut *frames).take(2).collect();
        let Some(first) = begun.front() else { return Ok(()) };
        let (width, height, channels) = (first.image.width, first.image.height, first.image.channels);
        self.check_side(width, height)?;
        let format = self.format_of(channels)?;
        let mut settings = self.settings(format, width, height, time_base);
        settings.frame_rate = begun.get(1).and_then(|second| {
            let ticks = second.pts.checked_sub(first.pts)?.checked_mul(time_base.num)?;
            Some(Rational::new(time_base.den, ticks)).filter(|rate| rate.is_positive())
        });
        let selects = self.how.selects && self.how.times.time_base(time_base) == time_base;
        if channels == 4 && !selects && !self.how.keeps_frames {
            return Err(alpha_error());
        }
        let run = Run {
            format,
            colour: colour_of(format),
            size: (width, height, channels),
            came: Mutex::default(),
        };
        let mut begun = begun;
        let mut next = || {
            if cancel.is_cancelled() {
                return None;
            }
            let frame = begun.pop_front().or_else(|| frames.next())?;
            run.frame(frame, channels == 4 || selects)
        };
        let mut failed = None;
        let mut take = |frame: Frame| match run.image(&frame, selects) {
            Ok(image) => !cancel.is_cancelled() && taker(TimedImage { image, pts: frame.pts }),
            Err(error) => {
                failed = Some(error);
                false
            }
        };
        let ran = run_filter(&self.tools, &settings, &mut next, &mut take);
        cancel.check()?;
        match (failed, run.wrong_frame()) {
            (Some(error), _) | (None, Some(error)) => Err(error),
            (None, None) => ran.map_err(|error| match error {
                MediaError::Interrupted => NodeError::Cancelled,
                error => self.wrong(error.to_string()),
            }),
        }
    }
}

/// About pictures whose alpha channel has nowhere to go.
fn alpha_error() -> NodeError {
    let message = "pictures with alpha cannot go through a filter that changes their number or size; take the alpha channel \
                   off before";
    NodeError::input("image", message)
}

/// The frames of one segment on their way through ffmpeg.
struct Run {
    format: PixelFormat,
    colour: Colour,
    /// Columns, rows, channels.
    size: (usize, usize, usize),
    came: Mutex<Came>,
}

/// What both sides know.
#[derive(Default)]
struct Came {
    /// Pictures whose results are to come, where results are made with them.
    waiting: VecDeque<TimedImage>,
    /// What was wrong with a frame, after which none was given any more.
    wrong: Option<NodeError>,
}

impl Run {
    fn came(&self) -> std::sync::MutexGuard<'_, Came> {
        self.came.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A picture as ffmpeg takes it; `None` where it does not fit.
    fn frame(&self, frame: TimedImage, is_kept: bool) -> Option<Frame> {
        let TimedImage { image, pts } = &frame;
        let (width, height, channels) = self.size;
        let converted = if (image.width, image.height, image.channels) == self.size {
            self.to_frame(image, *pts).map_err(|error| NodeError::failed(&error))
        } else {
            Err(NodeError::input(
                "image",
                format!(
                    "a picture of {}x{} with {} channels follows one of {width}x{height} with {channels}; bring all to one \
                     size before",
                    image.width, image.height, image.channels
                ),
            ))
        };
        match converted {
            Ok(converted) => {
                if is_kept {
                    self.came().waiting.push_back(frame);
                }
                Some(converted)
            }
            Err(error) => {
                self.came().wrong = Some(error);
                None
            }
        }
    }

    fn to_frame(&self, image: &PlanarImage, pts: i64) -> Result<Frame, FrameError> {
        if image.channels != 4 {
            return rgb_to_frame(image, None, self.format, &self.colour, pts);
        }
        let n = 3 * image.width * image.height;
        let colours = PlanarImage { channels: 3, data: image.data[..n].to_vec(), ..*image };
        rgb_to_frame(&colours, None, self.format, &self.colour, pts)
    }

    /// The result as a picture.
    fn image(&self, frame: &Frame, selects: bool) -> Result<Arc<PlanarImage>, NodeError> {
        if selects {
            let mut came = self.came();
            while came.waiting.front().is_some_and(|first| first.pts < frame.pts) {
                came.waiting.pop_front();
            }
            let chosen = came.waiting.front().filter(|first| first.pts == frame.pts);
            let chosen = chosen.map(|chosen| chosen.image.clone());
            return chosen
                .ok_or_else(|| NodeError::Failed("it gave a frame at a time at which none came".into()));
        }
        let (mut image, _) = frame_to_rgb(frame).map_err(|error| NodeError::failed(&error))?;
        if self.size.2 == 1 && image.channels == 3 {
            image = image.luma(Matrix::Bt709);
        }
        if self.size.2 == 4 {
            let with_alpha = self.came().waiting.pop_front();
            let with_alpha = with_alpha
                .ok_or_else(|| NodeError::Failed("it gave more frames than it was given".into()))?;
            if (image.width, image.height) != (with_alpha.image.width, with_alpha.image.height) {
                return Err(alpha_error());
            }
            if image.channels == 1 {
                image.data = image.data.repeat(3);
            }
            image.channels = 4;
            image.data.extend_from_slice(with_alpha.image.plane(3));
        }
        Ok(Arc::new(image))
    }

    fn wrong_frame(&self) -> Option<NodeError> {
        self.came().wrong.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_rates_as_typed() {
        for (text, num, den) in [
            ("25", 25, 1),
            ("60000/1001", 60000, 1001),
            ("59.94", 60000, 1001),
            ("23.976", 24000, 1001),
            ("12.5", 12500, 1000),
        ] {
            assert_eq!(frame_rate("r", text), Ok(Rational::new(num, den)), "{text}");
        }
        for wrong in ["", "0", "-5", "x", "25/0", "1e9", "nan"] {
            assert!(frame_rate("r", wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn ticks_hold_both_times() {
        let tick =
            |a: (i64, i64), b: (i64, i64)| common_tick(Rational::new(a.0, a.1), Rational::new(b.0, b.1));
        assert_eq!(tick((1, 1000), (1, 25)), Some(Rational::new(1, 1000)));
        assert_eq!(tick((1, 90_000), (1001, 24_000)), Some(Rational::new(1, 360_000)));
        assert_eq!(tick((1, 24), (1, 30)), Some(Rational::new(1, 120)));
        assert_eq!(tick((1, 1_000_000_000), (1001, 24_000)), None);
    }

    #[test]
    fn values_are_escaped_for_both_levels() {
        assert_eq!(escaped("0.5"), "0.5");
        assert_eq!(escaped("a:b"), "a\\\\:b");
        assert_eq!(escaped("a,b[c]"), "a\\,b\\[c\\]");
    }
}
