//! Lossless segments to a GIF, an animated PNG or an animated WebP.

use std::path::Path;
use std::process::{Command, Stdio};

use pegbar_frame::{PixelFormat, Rational};
use tempfile::TempPath;

use super::segments::{Segment, SegmentList, run};
use super::{EncodeReport, StreamParams, create_output, sync};
use crate::animation::{Playback, set_last_frame_ms};
use crate::install::install_line;
use crate::probe::file_url;
use crate::{Container, MediaError, Tools};

/// More frames a second than this viewers of GIFs do not show: they take shorter delays for a tenth of a second.
const MOST_GIF_RATE: f64 = 50.0;

impl Container {
    /// What frames an animation takes for a source of this format.
    pub fn animation_format(self, source: PixelFormat) -> PixelFormat {
        match (self == Self::Apng && source.depth_bits > 8, source.alpha) {
            (false, false) => PixelFormat::GBRP,
            (false, true) => PixelFormat::GBRAP,
            (true, false) => PixelFormat::GBRP16,
            (true, true) => PixelFormat::GBRAP16,
        }
    }

    /// ffmpeg's encoder of an animation.
    fn animation_encoder(self) -> &'static str {
        match self {
            Self::Gif => "gif",
            Self::Apng => "apng",
            _ => "libwebp_anim",
        }
    }

    /// Ticks of its time stamps: what GIF and WebP count in, else those of the frames.
    fn animation_time_base(self, frames: Rational) -> Rational {
        match self {
            Self::Gif => Rational::new(1, 100),
            Self::Webp => Rational::new(1, 1000),
            _ => frames,
        }
    }
}

/// What an animation cannot keep of a film of this rate: sentences to show before the work starts.
///
/// # Errors
/// [`MediaError::EncoderMissing`].
pub fn check_animation(
    tools: &Tools,
    container: Container,
    frame_rate: Option<Rational>,
) -> Result<Vec<String>, MediaError> {
    let encoder = container.animation_encoder();
    if !tools.has_encoder(encoder)? {
        return Err(MediaError::EncoderMissing {
            encoder: encoder.to_owned(),
            codec: container.to_string(),
            advice: format!("install a complete build ({}), or write another format", install_line()),
        });
    }
    let mut notes = Vec::new();
    if container == Container::Gif {
        notes.push(
            "GIF holds 256 colours, and times to a hundredth of a second; .apng and .webp hold all of them"
                .to_owned(),
        );
        if is_too_fast(frame_rate) {
            notes.push(format!(
                "frames beyond {MOST_GIF_RATE} a second are left out: GIF viewers cannot show more"
            ));
        }
    }
    Ok(notes)
}

fn is_too_fast(frame_rate: Option<Rational>) -> bool {
    frame_rate.is_some_and(|rate| rate.as_f64() > MOST_GIF_RATE + 0.01)
}

/// Joins lossless segments to an animation at `output`, a path that the caller renames when all is done. It starts with its
/// first frame, whatever the time stamp.
///
/// # Errors
/// As [`super::join_segments`].
pub fn join_animation(
    tools: &Tools,
    output: &Path,
    container: Container,
    params: &StreamParams,
    playback: Playback,
    segments: &[Segment],
) -> Result<EncodeReport, MediaError> {
    create_output(output)?;
    let list = SegmentList::write(segments, params)?;
    let n_frames = segments.iter().map(|segment| segment.n_frames).sum();
    let palette =
        if container == Container::Gif { Some(palette(tools, &list, params, n_frames)?) } else { None };
    let mut command = start(tools);
    list.add(&mut command);
    match &palette {
        Some(palette) => {
            command.arg("-i").arg(file_url(palette));
            let rate =
                if is_too_fast(params.frame_rate) { format!("fps={MOST_GIF_RATE},") } else { String::new() };
            let graph =
                format!("[0:v]{rate}null[f];[f][1:v]paletteuse=dither=sierra2_4a:diff_mode=rectangle");
            command.args(["-filter_complex", &graph]);
        }
        None => {
            command.args(["-map", "0:v", "-pix_fmt", packed(container, params.format)]);
        }
    }
    command.args(["-c:v", container.animation_encoder()]).args(tools.passthrough_option());
    let time_base = container.animation_time_base(params.time_base);
    command.args(["-enc_time_base", &format!("{}:{}", time_base.num, time_base.den)]);
    command.args(playback_options(container, playback));
    command.args(["-map_metadata", "-1", "-f", container.extension()]).arg(file_url(output));
    let warnings = run(&mut command, output, n_frames)?;
    if let (Container::Webp, Some(ms)) = (container, playback.last_frame_ms) {
        let failed = || MediaError::io("the output cannot be written");
        let mut bytes = std::fs::read(output).map_err(failed())?;
        set_last_frame_ms(&mut bytes, ms);
        std::fs::write(output, bytes).map_err(failed())?;
    }
    Ok(EncodeReport { n_frames, n_bytes: sync(output)?, warnings })
}

fn start(tools: &Tools) -> Command {
    let mut command = Command::new(&tools.ffmpeg);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command.args(["-nostdin", "-hide_banner", "-nostats", "-v", "error", "-y"]);
    command
}

/// One palette for all frames: what stands still stays the same.
fn palette(
    tools: &Tools,
    list: &SegmentList,
    params: &StreamParams,
    n_frames: u64,
) -> Result<TempPath, MediaError> {
    let path = tempfile::Builder::new()
        .prefix(".pegbar-")
        .suffix(".png")
        .tempfile_in(list.folder())
        .map_err(MediaError::io("the palette cannot be written"))?
        .into_temp_path();
    let mut command = start(tools);
    list.add(&mut command);
    let transparent = if params.format.alpha { "1" } else { "0" };
    command.args(["-vf", &format!("palettegen=reserve_transparent={transparent}")]);
    command.args(["-frames:v", "1", "-update", "1", "-f", "image2"]).arg(file_url(&path));
    // It complains where a film has more colours, which is what it is for.
    run(&mut command, &path, n_frames)?;
    Ok(path)
}

/// ffmpeg's name of the packed format that an encoder stores.
fn packed(container: Container, format: PixelFormat) -> &'static str {
    match (container, format.depth_bits > 8, format.alpha) {
        (Container::Webp, _, _) => "bgra",
        (_, false, false) => "rgb24",
        (_, false, true) => "rgba",
        (_, true, false) => "rgb48be",
        (_, true, true) => "rgba64be",
    }
}

fn playback_options(container: Container, Playback { n_plays, last_frame_ms }: Playback) -> Vec<String> {
    let (loop_option, loops) = match (container, n_plays) {
        // GIF counts the repeats.
        (Container::Gif, Some(1)) => ("-loop", -1),
        (Container::Gif, n_plays) => ("-loop", n_plays.map_or(0, |n| i64::from(n) - 1)),
        (Container::Apng, n_plays) => ("-plays", n_plays.map_or(0, i64::from)),
        (_, n_plays) => ("-loop", n_plays.map_or(0, i64::from)),
    };
    let mut options = vec![loop_option.to_owned(), loops.min(65535).to_string()];
    match (container, last_frame_ms) {
        (Container::Gif, Some(ms)) => {
            options.extend(["-final_delay".to_owned(), ((ms + 5) / 10).min(65535).to_string()]);
        }
        (Container::Apng, Some(ms)) => {
            // Its parts are of 16 bits.
            let delay =
                if ms < 65536 { format!("{ms}/1000") } else { format!("{}/100", (ms / 10).min(65535)) };
            options.extend(["-final_delay".to_owned(), delay]);
        }
        _ => {}
    }
    match container {
        Container::Apng => options.extend(["-pred", "mixed"].map(str::to_owned)),
        Container::Webp => options.extend(["-lossless", "1"].map(str::to_owned)),
        _ => {}
    }
    options
}
