//! `pegbar metrics`: how far a picture or a video is from its reference.

use super::film::{Film, SEQUENCE_RATE, is_one_picture};
use crate::cli::MetricsArgs;
use crate::exit::{Exit, UsageError};
use crate::progress::Progress;
use crate::report::{self, finite};
use anyhow::{Context, Result, anyhow, bail};
use pegbar_frame::metrics::{self, Metrics};
use pegbar_frame::{Frame, PlanarImage, frame_to_rgb};
use pegbar_media::{DecodeOptions, Decoder, Tools, still};
use serde::Serialize;
use std::borrow::Cow;
use std::path::Path;

/// Figures of one pair of pictures. `null` in JSON: `psnr` of equal pictures (infinite), `ms_ssim` of pictures too
/// small for five scales.
#[derive(Debug, Clone, Copy, Serialize)]
struct Figures {
    /// Peak signal-to-noise ratio in dB over all channels.
    psnr: Option<f64>,
    /// Structural similarity, mean over channels.
    ssim: Option<f64>,
    /// Multi-scale structural similarity, mean over channels.
    ms_ssim: Option<f64>,
}

#[derive(Debug, Serialize)]
struct FrameFigures {
    frame: usize,
    pts: i64,
    #[serde(flatten)]
    figures: Figures,
}

/// What `metrics` reports. For a video, `psnr` comes from the mean squared error over all frames, the others are means.
#[derive(Debug, Serialize)]
struct Comparison {
    reference: String,
    distorted: String,
    kind: &'static str,
    width: usize,
    height: usize,
    frames: usize,
    identical: bool,
    #[serde(flatten)]
    summary: Figures,
    #[serde(skip_serializing_if = "Option::is_none")]
    worst: Option<FrameFigures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    per_frame: Option<Vec<FrameFigures>>,
}

/// Runs the command.
pub(crate) fn run(args: MetricsArgs) -> Result<Exit> {
    let comparison = match (is_one_picture(&args.reference), is_one_picture(&args.distorted)) {
        (true, true) => compare_images(&args)?,
        (false, false) => compare_videos(&args)?,
        _ => {
            let message =
                "one is an image and the other is not; compare images with images, videos with videos";
            return Err(UsageError(message.into()).into());
        }
    };
    if args.report.json {
        report::json(&comparison)?;
        return Ok(Exit::Done);
    }
    let show = |v: Option<f64>, digits: usize| v.map_or("-".into(), |v| format!("{v:.digits$}"));
    let line = |f: &Figures| {
        let psnr = f.psnr.map_or("equal".into(), |v| format!("{v:.3} dB"));
        format!("PSNR {psnr}, SSIM {}, MS-SSIM {}", show(f.ssim, 5), show(f.ms_ssim, 5))
    };
    for f in comparison.per_frame.iter().flatten() {
        outln!("frame {:6} pts {:8}: {}", f.frame, f.pts, line(&f.figures));
    }
    let frames =
        if comparison.kind == "video" { format!(", {} frames", comparison.frames) } else { String::new() };
    outln!("{}x{}{frames}: {}", comparison.width, comparison.height, line(&comparison.summary));
    if let Some(worst) = &comparison.worst {
        outln!("worst frame {}: {}", worst.frame, line(&worst.figures));
    }
    Ok(Exit::Done)
}

/// Rounded for reports.
fn figures(raw: &Metrics) -> Figures {
    Figures {
        psnr: finite(raw.psnr, 4),
        ssim: raw.ssim.and_then(|v| finite(v, 6)),
        ms_ssim: raw.ms_ssim.and_then(|v| finite(v, 6)),
    }
}

fn compare(a: &PlanarImage, b: &PlanarImage, crop: usize) -> Result<Metrics> {
    if (a.width, a.height) != (b.width, b.height) {
        bail!(
            "the sizes differ: the reference is {}x{}, the other {}x{}; scale one first",
            a.width,
            a.height,
            b.width,
            b.height
        );
    }
    if a.channels != b.channels {
        bail!("one is gray and the other coloured");
    }
    Ok(metrics::compare(&*cropped(a, crop)?, &*cropped(b, crop)?)?)
}

fn cropped(image: &PlanarImage, border: usize) -> Result<Cow<'_, PlanarImage>> {
    let PlanarImage { width, height, channels, .. } = *image;
    if border == 0 {
        return Ok(Cow::Borrowed(image));
    }
    if width <= 2 * border || height <= 2 * border {
        bail!("--crop-border {border} leaves nothing of {width}x{height}");
    }
    let (w, h) = (width - 2 * border, height - 2 * border);
    let mut data = Vec::with_capacity(channels * w * h);
    for c in 0..channels {
        for row in image.plane(c).chunks_exact(width).skip(border).take(h) {
            data.extend_from_slice(&row[border..border + w]);
        }
    }
    Ok(Cow::Owned(PlanarImage { width: w, height: h, channels, data }))
}

fn compare_images(args: &MetricsArgs) -> Result<Comparison> {
    let read = |path: &Path| still::read(path).with_context(|| path.display().to_string());
    let (a, b) = (read(&args.reference)?, read(&args.distorted)?);
    let raw = compare(&a.image, &b.image, args.crop_border)?;
    Ok(Comparison {
        reference: args.reference.display().to_string(),
        distorted: args.distorted.display().to_string(),
        kind: "image",
        width: a.image.width,
        height: a.image.height,
        frames: 1,
        identical: raw.psnr.is_infinite(),
        summary: figures(&raw),
        worst: None,
        per_frame: None,
    })
}

fn compare_videos(args: &MetricsArgs) -> Result<Comparison> {
    let tools = Tools::find()?;
    let open = |path: &Path| -> Result<(Film, Decoder, Option<u64>)> {
        let context = || path.display().to_string();
        let film = Film::open(&tools, path, SEQUENCE_RATE).with_context(context)?;
        let video = film.probe.video(0).with_context(context)?;
        let options = DecodeOptions { input: film.input.clone(), ..DecodeOptions::WHOLE };
        let decoder = Decoder::open(&tools, &film.path, video, &options).with_context(context)?;
        let n_frames = video.n_frames;
        Ok((film, decoder, n_frames))
    };
    let (_reference_film, mut reference, n_frames) = open(&args.reference)?;
    let (_distorted_film, mut distorted, _) = open(&args.distorted)?;
    let mut progress = Progress::start("comparing", "frames", n_frames, args.report.json);
    let mut all: Vec<(i64, Metrics)> = Vec::new();
    let mut size = (0, 0);
    // The second video is decoded ahead while the first is compared.
    std::thread::scope(|scope| -> Result<()> {
        let (send, receive) = crossbeam_channel::bounded::<Result<Option<Frame>>>(2);
        scope.spawn(move || {
            loop {
                let frame = distorted.next_frame().map_err(anyhow::Error::from);
                let last = !matches!(frame, Ok(Some(_)));
                if send.send(frame).is_err() || last {
                    return;
                }
            }
        });
        loop {
            let a = reference.next_frame().with_context(|| args.reference.display().to_string())?;
            let b = receive.recv().map_err(|_| anyhow!("the decoder stopped"))?;
            let b = b.with_context(|| args.distorted.display().to_string())?;
            let (a, b) = match (a, b) {
                (Some(a), Some(b)) => (a, b),
                (None, None) => return Ok(()),
                _ if args.shortest => return Ok(()),
                (Some(_), None) => bail!("{}", length_sentence(args, "fewer", all.len())),
                (None, Some(_)) => bail!("{}", length_sentence(args, "more", all.len())),
            };
            size = (a.width, a.height);
            let pts = a.pts;
            let (a, _) = frame_to_rgb(&a)?;
            let (b, _) = frame_to_rgb(&b)?;
            let raw = compare(&a, &b, args.crop_border).with_context(|| format!("frame {}", all.len()))?;
            all.push((pts, raw));
            progress.step();
        }
    })?;
    progress.finish();
    if all.is_empty() {
        bail!("{}: there is no frame to compare", args.reference.display());
    }
    let n = all.len() as f64;
    let mean_squared_error = all.iter().map(|(_, r)| 10f64.powf(-r.psnr / 10.0)).sum::<f64>() / n;
    let mean = |of: fn(&Metrics) -> Option<f64>| {
        all.iter().map(|(_, raw)| of(raw)).sum::<Option<f64>>().map(|sum| sum / n)
    };
    let summary = Metrics {
        psnr: -10.0 * mean_squared_error.log10(),
        ssim: mean(|raw| raw.ssim),
        ms_ssim: mean(|raw| raw.ms_ssim),
    };
    let of_frame = |i: usize| FrameFigures { frame: i, pts: all[i].0, figures: figures(&all[i].1) };
    let worst = (0..all.len()).min_by(|&i, &j| all[i].1.psnr.total_cmp(&all[j].1.psnr));
    Ok(Comparison {
        reference: args.reference.display().to_string(),
        distorted: args.distorted.display().to_string(),
        kind: "video",
        width: size.0,
        height: size.1,
        frames: all.len(),
        identical: mean_squared_error == 0.0,
        summary: figures(&summary),
        worst: worst.map(of_frame),
        per_frame: args.per_frame.then(|| (0..all.len()).map(of_frame).collect()),
    })
}

fn length_sentence(args: &MetricsArgs, more: &str, common: usize) -> String {
    format!(
        "{} has {more} frames than {} (which agree in number up to {common}); --shortest compares what both have",
        args.distorted.display(),
        args.reference.display()
    )
}
