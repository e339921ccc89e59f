//! Frames from a decoder through a chain to segments.

use super::chain_work::{first_image, source_values, with_alpha, without_alpha};
use crate::commands::restore::repeats::{Dedupe, Repeats};
use crate::commands::restore::{Boundary, FilmWork, SegmentWriter, Target};
use anyhow::{Context, Result, anyhow, bail};
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use pegbar_chain::{
    Arrival, Cancel, Checked, Delivery, Finished, NodeError, StreamOptions, StreamReport, run_stream,
    stream_info,
};
use pegbar_filters::temporal::scene_change::is_cut;
use pegbar_frame::{Frame, PlanarImage, Rational, frame_to_rgb, rgb_to_frame_reusing};
use pegbar_job::{Cutter, frames_hash};
use pegbar_media::Decoder;
use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

/// Decoded frames that wait.
const WAITING_FRAMES: usize = 2;

/// Comes with a frame: where it begins a segment.
type Tag = Option<Boundary>;

/// How frames follow each other, where some repeat the one before.
enum Slot {
    /// One that goes through the chain.
    New,
    /// One that takes the result of the one before.
    Again { pts: i64 },
}

/// Runs a film to its end, each frame or one of `step`. Returns the decoder's warnings and what the nodes have cost.
///
/// # Errors
/// The first in the order of the frames; one of the decoder's after the frames before it.
pub(super) fn run(
    checked: &Checked,
    source: usize,
    threads: usize,
    step: u64,
    work: FilmWork<'_, '_>,
) -> Result<(Vec<String>, StreamReport)> {
    let FilmWork {
        input,
        decoder,
        n_lead,
        first_index,
        n_before,
        writer,
        target,
        repeats,
        cutter,
        mut progress,
    } = work;
    let time_base = decoder.time_base();
    let info = stream_info(checked, source, time_base)?;
    if info.collects && first_index > 0 {
        bail!(
            "the chain gathers values over the whole film, so an unfinished run cannot go on; --fresh starts over"
        );
    }
    // A frame like the one before has the same result only where nothing but the frame counts.
    let repeats = if info.looks_around || info.by_segments || info.varies || info.collects {
        Repeats::new(Dedupe::Off)
    } else {
        repeats
    };
    let cancel = Cancel::default();
    let options = StreamOptions { threads, time_base, cancel: cancel.clone() };
    let (to_chain, arrivals) = bounded(WAITING_FRAMES);
    let (to_slots, slots) = unbounded();
    let feeder = Feeder {
        decoder,
        n_lead,
        index: first_index.saturating_sub(n_lead as u64),
        step,
        n_before,
        repeats,
        cutter,
        looks_around: info.looks_around,
        path: input.to_owned(),
        to_chain,
        to_slots,
    };
    let mut taker = Taker { writer, slots, last: None, progress: &mut progress };
    let mut failed = None;
    let result = std::thread::scope(|scope| {
        let feeding = scope.spawn(move || feeder.feed());
        let finish = |finished: Finished| finished_frame(finished, target);
        let ran = run_stream(checked, source, &arrivals, &options, &finish, &mut |delivery| match taker
            .take(delivery)
        {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        });
        // Frames that nobody takes any more are not decoded.
        drop(arrivals);
        let fed = feeding.join().map_err(|_| anyhow!("the decoding thread died"));
        if let Some(error) = failed.take() {
            return Err(error);
        }
        let report = ran?;
        let warnings = fed??;
        taker.finish(&warnings)?;
        Ok((warnings, report))
    });
    progress.finish();
    result
}

/// The frame that is encoded, made of what the chain's output takes.
fn finished_frame(finished: Finished, target: &Target) -> Result<Frame, NodeError> {
    let failed = |error: anyhow::Error| NodeError::Failed(format!("{error:#}"));
    let inputs = finished.sinks.first().context("the chain has no output").map_err(failed)?;
    let made = first_image(inputs).map_err(failed)?;
    let Target { format, colour, dither } = target;
    let converted = if matches!(made.channels, 1 | 3) {
        rgb_to_frame_reusing(None, &made, None, *format, colour, finished.pts, *dither)
    } else {
        let (image, alpha) = without_alpha(&made);
        let alpha = alpha.filter(|_| format.alpha);
        rgb_to_frame_reusing(None, &image, alpha.as_ref(), *format, colour, finished.pts, *dither)
    };
    converted.map_err(|error| NodeError::failed(&error))
}

/// Decodes, and decides about frames.
struct Feeder {
    decoder: Decoder,
    /// So many frames come first that are only looked at.
    n_lead: usize,
    index: u64,
    /// Of so many frames one goes through the chain.
    step: u64,
    n_before: usize,
    repeats: Repeats,
    cutter: Cutter,
    looks_around: bool,
    path: PathBuf,
    to_chain: Sender<Arrival<Tag>>,
    to_slots: Sender<Slot>,
}

impl Feeder {
    fn feed(mut self) -> Result<Vec<String>> {
        let time_base = self.decoder.time_base();
        let mut before: VecDeque<Arc<Frame>> = VecDeque::new();
        let mut small_before: Option<PlanarImage> = None;
        let mut n_in_segment = 0;
        let mut is_first = true;
        let mut was_lead = false;
        while let Some(frame) = self.decoder.next_frame()? {
            let frame = Arc::new(frame);
            let is_lead = self.n_lead > 0;
            self.n_lead = self.n_lead.saturating_sub(1);
            if !self.index.is_multiple_of(self.step) {
                // Whoever goes on finds its place by all frames that were decoded.
                n_in_segment += u64::from(!is_lead);
                self.index += 1;
                self.remember(&mut before, frame);
                continue;
            }
            let secs = frame.pts as f64 * time_base.as_f64();
            let begins = !is_lead && self.cutter.is_start(&frame, secs);
            let boundary = begins.then(|| Boundary {
                next_pts: frame.pts,
                last_source_frame: frames_hash(before.iter().map(Arc::as_ref)),
                n_source_frames: std::mem::take(&mut n_in_segment),
            });
            n_in_segment += u64::from(!is_lead);
            let starts_scene = self.looks_around && {
                let small = small(&frame);
                let cut = small_before.as_ref().is_none_or(|before| is_cut(before, &small));
                small_before = Some(small);
                cut
            };
            // A segment stands alone: whoever goes on with it does not have the result before.
            let repeats = !is_lead && self.repeats.is_repeat(&frame, begins);
            self.remember(&mut before, frame.clone());
            let index = self.index;
            self.index += 1;
            if repeats {
                let _ = self.to_slots.send(Slot::Again { pts: frame.pts });
                continue;
            }
            // Frames that are only looked at belong to the segment before.
            let is_after_lead = std::mem::replace(&mut was_lead, is_lead) && !is_lead;
            let starts_segment = begins || std::mem::take(&mut is_first) || is_after_lead;
            if !is_lead {
                let _ = self.to_slots.send(Slot::New);
            }
            let arrival = Arrival {
                index,
                pts: frame.pts,
                starts_scene,
                starts_segment,
                is_lead,
                tag: boundary,
                make: Box::new({
                    let path = self.path.clone();
                    move || values_of(&frame, index, time_base, &path)
                }),
            };
            if self.to_chain.send(arrival).is_err() {
                break; // a later stage failed and says why
            }
        }
        Ok(self.decoder.warnings())
    }

    /// Keeps the frames by which whoever goes on finds its place.
    fn remember(&self, before: &mut VecDeque<Arc<Frame>>, frame: Arc<Frame>) {
        while before.len() >= self.n_before.max(1) {
            before.pop_front();
        }
        before.push_back(frame);
    }
}

fn values_of(
    frame: &Frame,
    index: u64,
    time_base: Rational,
    path: &std::path::Path,
) -> Result<Vec<pegbar_chain::Value>, NodeError> {
    let (image, alpha) = frame_to_rgb(frame).map_err(|error| NodeError::failed(&error))?;
    let secs = frame.pts as f64 * time_base.as_f64();
    Ok(source_values(with_alpha(image, alpha), index, secs, path))
}

/// Columns at least of the copies that tell cuts.
const SMALL_WIDTH: usize = 160;

/// A small gray copy, of means of the first plane: luma, or green.
fn small(frame: &Frame) -> PlanarImage {
    let Some(plane) = frame.planes.first() else { return PlanarImage::zeros(1, 1, 1) };
    let step = (plane.width / SMALL_WIDTH).max(1);
    let (width, height) = (plane.width.div_ceil(step), plane.height.div_ceil(step));
    let bytes = frame.format.bytes_per_sample();
    let scale = 1.0 / frame.format.max_code() as f32;
    let mut image = PlanarImage::zeros(1, height, width);
    let mut counts = vec![0u32; width * height];
    let mut sums = vec![0u64; width * height];
    for (y, row) in plane.data.chunks_exact((plane.width * bytes).max(1)).enumerate() {
        for (x, samples) in row.chunks(step * bytes).enumerate() {
            let at = y / step * width + x;
            sums[at] += samples
                .chunks_exact(bytes)
                .map(|sample| match sample {
                    [low, high] => u64::from(u16::from_le_bytes([*low, *high])),
                    [only] => u64::from(*only),
                    _ => 0,
                })
                .sum::<u64>();
            counts[at] += (samples.len() / bytes) as u32;
        }
    }
    for ((sample, sum), count) in image.data.iter_mut().zip(sums).zip(counts) {
        *sample = sum as f32 / count.max(1) as f32 * scale;
    }
    image
}

/// Takes what the chain has made to the segments.
struct Taker<'a, 'w> {
    writer: &'a mut SegmentWriter<'w>,
    slots: Receiver<Slot>,
    last: Option<Frame>,
    progress: &'a mut crate::progress::Progress,
}

impl Taker<'_, '_> {
    fn take(&mut self, delivery: Delivery<Tag, Frame>) -> Result<()> {
        let index = delivery.index;
        let frame = delivery.result.with_context(|| format!("frame {index}"))?;
        // Frames before it may have taken the result of the one before.
        while let Ok(Slot::Again { pts }) = self.slots.try_recv() {
            self.again(pts)?;
        }
        if let Some(boundary) = delivery.tag.flatten() {
            self.writer.end_segment(boundary)?;
        }
        self.writer.write_frame(&frame, false)?;
        self.progress.step();
        self.last = Some(frame);
        Ok(())
    }

    fn again(&mut self, pts: i64) -> Result<()> {
        let frame = self.last.as_mut().context("the first frame repeats none")?;
        frame.pts = pts;
        self.writer.write_frame(frame, true)?;
        self.progress.step();
        Ok(())
    }

    fn finish(&mut self, warnings: &[String]) -> Result<()> {
        while let Ok(slot) = self.slots.try_recv() {
            if let Slot::Again { pts } = slot {
                self.again(pts)?;
            }
        }
        self.writer.finish(warnings)
    }
}
