//! Frames from a decoder through the model to segments: decode, infer and encode overlap, several frames are worked on
//! at once where memory allows, and they come out in order.

use super::upscale_alpha;
use crate::commands::restore::repeats::Repeats;
use crate::commands::restore::{Boundary, FilmWork, SegmentWriter, Target};
use crate::progress::Progress;
use anyhow::{Context, Result, anyhow};
use crossbeam_channel::{Receiver, Sender, bounded};
use pegbar_engine::{Crew, Session};
use pegbar_frame::{Frame, PlanarImage, frame_to_rgb_into, rgb_to_frame_reusing};
use pegbar_job::{Cutter, frame_hash};
use pegbar_media::Decoder;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// Frames let in beside those that workers hold: one decoded for the worker that is free next, one made that waits for
/// the encoder.
const WAITING_FRAMES: usize = 2;

/// What is decided about frames before they are restored.
struct Sorting {
    repeats: Repeats,
    cutter: Cutter,
}

/// A decoded frame, and where its result goes.
struct Task {
    n: usize,
    frame: Arc<Frame>,
    made: Sender<Result<Frame>>,
}

/// A frame on its way to the encoder.
struct Slot {
    /// Given where it begins a segment.
    boundary: Option<Boundary>,
    result: Made,
}

/// Where a frame's result comes from.
enum Made {
    /// A worker.
    New(Receiver<Result<Frame>>),
    /// The frame before, at another time stamp.
    Again { pts: i64 },
}

/// Runs a video to its end; the last segment is finished then. Returns the decoder's warnings.
///
/// # Errors
/// The first in the order of the frames; one of the decoder's after the frames before it.
pub(super) fn run(session: &Session, film: FilmWork<'_, '_>) -> Result<Vec<String>> {
    let FilmWork { mut decoder, writer, target, repeats, cutter, mut progress, .. } = film;
    let mut sorting = Sorting { repeats, cutter };
    let at_once = session.workers(decoder.width(), decoder.height());
    // Where all threads share a frame, two workers take turns: one converts while the threads work for the other.
    let (crew, n_workers) = if at_once > 1 { (Crew::Alone, at_once) } else { (Crew::Together, 2) };
    tracing::debug!("{at_once} frame(s) at once on {} thread(s)", session.threads());
    let (to_work, tasks) = bounded::<Task>(n_workers + WAITING_FRAMES);
    let (to_encode, in_order) = bounded::<Slot>(n_workers + WAITING_FRAMES);
    // Frames that have been encoded, whose memory new ones take.
    let (to_reuse, encoded) = bounded::<Frame>(n_workers + WAITING_FRAMES);
    let stop = AtomicBool::new(false);
    let result = thread::scope(|scope| {
        let decoding = scope.spawn(move || {
            decode_stage(&mut decoder, &mut sorting, &to_work, &to_encode).map(|()| decoder.warnings())
        });
        let workers: Vec<_> = (0..n_workers)
            .map(|_| {
                let worker = Worker { session, crew, target, stop: &stop };
                let (tasks, encoded) = (tasks.clone(), encoded.clone());
                scope.spawn(move || worker.infer_stage(&tasks, &encoded))
            })
            .collect();
        drop(tasks);
        let encoded = encode_stage(writer, in_order, &to_reuse, &mut progress);
        // Closed queues end the other stages; what was let in already need not be done when nobody takes it.
        stop.store(encoded.is_err(), Ordering::Relaxed);
        let decoded = decoding.join().map_err(|_| anyhow!("the decoding thread died"));
        for worker in workers {
            worker.join().map_err(|_| anyhow!("an inference thread died"))?;
        }
        encoded?;
        // Only now is it certain that the last segment ends where the film does.
        let warnings = decoded??;
        writer.finish(&warnings)?;
        Ok(warnings)
    });
    progress.finish();
    result
}

/// Lets frames in, as long as there is room between here and the encoder.
fn decode_stage(
    decoder: &mut Decoder,
    sorting: &mut Sorting,
    to_work: &Sender<Task>,
    to_encode: &Sender<Slot>,
) -> Result<()> {
    let (mut n, mut before) = (0, None::<Arc<Frame>>);
    let mut n_in_segment = 0;
    while let Some(frame) = decoder.next_frame()? {
        let frame = Arc::new(frame);
        let secs = frame.pts as f64 * decoder.time_base().as_f64();
        let boundary = sorting.cutter.is_start(&frame, secs).then(|| Boundary {
            next_pts: frame.pts,
            last_source_frame: before.as_ref().map_or_else(String::new, |frame| frame_hash(frame)),
            n_source_frames: std::mem::take(&mut n_in_segment),
        });
        n_in_segment += 1;
        // A segment stands alone: whoever goes on with it does not have the result before.
        let repeats = sorting.repeats.is_repeat(&frame, boundary.is_some());
        before = Some(frame.clone());
        let sent = if repeats {
            to_encode.send(Slot { boundary, result: Made::Again { pts: frame.pts } }).is_ok()
        } else {
            let (made, result) = bounded(1);
            to_encode.send(Slot { boundary, result: Made::New(result) }).is_ok()
                && to_work.send(Task { n, frame, made }).is_ok()
        };
        if !sent {
            break; // a later stage failed and says why
        }
        n += 1;
    }
    Ok(())
}

/// Makes finished frames of decoded ones.
struct Worker<'a> {
    session: &'a Session,
    crew: Crew,
    target: &'a Target,
    stop: &'a AtomicBool,
}

impl Worker<'_> {
    /// Works until there are no more tasks, in memory that it keeps.
    fn infer_stage(&self, tasks: &Receiver<Task>, encoded: &Receiver<Frame>) {
        let Target { format, colour, dither } = self.target;
        let (mut image, mut alpha, mut result) = (PlanarImage::default(), None, PlanarImage::default());
        for Task { n, frame, made } in tasks {
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            let mut restore = || -> Result<Frame> {
                frame_to_rgb_into(&frame, &mut image, &mut alpha)?;
                self.session.upscale_into(self.crew, &image, &mut result)?;
                let alpha = alpha.as_ref().filter(|_| format.alpha);
                let alpha = alpha.map(|alpha| upscale_alpha(self.session, self.crew, alpha)).transpose()?;
                let old = encoded.try_recv().ok();
                let alpha = alpha.as_ref();
                Ok(rgb_to_frame_reusing(old, &result, alpha, *format, colour, frame.pts, *dither)?)
            };
            // Nobody takes it when the encoder has failed, which says why.
            let _ = made.send(restore().with_context(|| format!("frame {n}")));
        }
    }
}

/// Takes the frames in their order, whichever is made first.
fn encode_stage(
    writer: &mut SegmentWriter<'_>,
    in_order: Receiver<Slot>,
    to_reuse: &Sender<Frame>,
    progress: &mut Progress,
) -> Result<()> {
    let mut last: Option<Frame> = None;
    for Slot { boundary, result } in in_order {
        if let Some(boundary) = boundary {
            writer.end_segment(boundary)?;
        }
        let again = match result {
            Made::New(result) => {
                let frame = result.recv().map_err(|_| anyhow!("an inference thread died"))??;
                if let Some(old) = last.replace(frame) {
                    // More than are in flight are not needed.
                    let _ = to_reuse.try_send(old);
                }
                false
            }
            Made::Again { pts } => {
                if let Some(frame) = &mut last {
                    frame.pts = pts;
                }
                true
            }
        };
        let frame = last.as_ref().context("the first frame repeats none")?;
        writer.write_frame(frame, again)?;
        progress.step();
    }
    Ok(())
}
