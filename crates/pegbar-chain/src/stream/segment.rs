//! A node that runs over the segments of a stream, each in a thread of its own.

use super::{Made, Packet};
use crate::{Cancel, NodeError, SegmentFilter, TimedImage};
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use pegbar_frame::{PlanarImage, Rational};
use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::Scope;

/// Results that wait to be taken.
const WAITING_RESULTS: usize = 2;

/// The segments at one barrier.
pub(super) struct SegmentBarrier<T, O> {
    pub(super) filter: Arc<dyn SegmentFilter>,
    /// Seconds per tick of what comes.
    pub(super) time_base: Rational,
    segments: VecDeque<Segment<T, O>>,
    ended: bool,
    /// Results so far.
    n_results: u64,
}

/// One segment.
struct Segment<T, O> {
    /// Until its last frame has come.
    to_filter: Option<Sender<TimedImage>>,
    waiting_frames: Receiver<TimedImage>,
    results: Receiver<Event>,
    /// Frames whose results are to come; of a filter that changes their number only the first.
    packets: VecDeque<Packet<T, O>>,
    n_results: u64,
}

/// What a filter's thread has to say.
pub(super) enum Event {
    Result(TimedImage),
    End(Result<(), NodeError>),
}

impl<T: Send, O: Send> SegmentBarrier<T, O> {
    pub(super) fn new(filter: Arc<dyn SegmentFilter>, time_base: Rational) -> Self {
        Self { filter, time_base, segments: VecDeque::new(), ended: false, n_results: 0 }
    }

    /// Takes the next frame; the first of a segment begins it. `pulled` is called whenever the filter takes a frame.
    pub(super) fn push<'scope, F: Fn() + Send + 'static>(
        &mut self,
        packet: Packet<T, O>,
        image: Arc<PlanarImage>,
        scope: &'scope Scope<'scope, '_>,
        cancel: &Cancel,
        pulled: F,
    ) {
        if packet.starts_segment || self.segments.is_empty() {
            if let Some(last) = self.segments.back_mut() {
                last.to_filter = None;
            }
            let (to_filter, frames) = unbounded();
            let (to_driver, results) = bounded(WAITING_RESULTS);
            let (filter, time_base, cancel) = (self.filter.clone(), self.time_base, cancel.clone());
            let waiting_frames = frames.clone();
            scope.spawn(move || {
                let mut frames = frames.into_iter().inspect(move |_| pulled());
                let mut taker = |result: TimedImage| to_driver.send(Event::Result(result)).is_ok();
                let ended = filter.run(time_base, &mut frames, &mut taker, &cancel);
                // What it did not take, nobody needs; but it may still come.
                if ended.is_ok() {
                    frames.for_each(drop);
                }
                let _ = to_driver.send(Event::End(ended));
            });
            let packets = VecDeque::new();
            self.segments.push_back(Segment {
                to_filter: Some(to_filter),
                waiting_frames,
                results,
                packets,
                n_results: 0,
            });
        }
        let Some(segment) = self.segments.back_mut() else { return };
        let pts = packet.pts;
        if self.filter.keeps_frames() || segment.packets.is_empty() && segment.n_results == 0 {
            segment.packets.push_back(packet);
        }
        if let Some(to_filter) = &segment.to_filter {
            // A filter that has failed says so by its end.
            let _ = to_filter.send(TimedImage { image, pts });
        }
    }

    /// No more frames will come.
    pub(super) fn end(&mut self) {
        self.ended = true;
        if let Some(last) = self.segments.back_mut() {
            last.to_filter = None;
        }
    }

    /// Where the next result comes from.
    pub(super) fn results(&self) -> Option<&Receiver<Event>> {
        self.segments.front().map(|segment| &segment.results)
    }

    /// Frames that no filter has taken yet.
    pub(super) fn n_waiting(&self) -> usize {
        self.segments.iter().map(|segment| segment.waiting_frames.len()).sum()
    }

    /// What to go on with when a result has come: the frame that it is of, with the result beside it.
    pub(super) fn take(&mut self, event: Event) -> Result<Option<Made<T, O>>, NodeError> {
        let Some(segment) = self.segments.front_mut() else { return Ok(None) };
        match event {
            Event::Result(TimedImage { image, pts }) => {
                let mut packet = if self.filter.keeps_frames() {
                    segment
                        .packets
                        .pop_front()
                        .ok_or_else(|| NodeError::Failed("it gave more frames than it was given".into()))?
                } else {
                    match segment.packets.pop_front() {
                        Some(first) => {
                            segment.packets.push_back(first.shell());
                            first
                        }
                        None => {
                            return Err(NodeError::Failed("it gave a frame before it was given one".into()));
                        }
                    }
                };
                // Frames that were only looked at have not come so far.
                packet.number = self.n_results;
                if !self.filter.keeps_frames() {
                    packet.index += segment.n_results;
                    packet.pts = pts;
                    packet.starts_scene = segment.n_results == 0;
                    packet.starts_segment = segment.n_results == 0;
                }
                segment.n_results += 1;
                self.n_results += 1;
                Ok(Some((packet, image)))
            }
            Event::End(ended) => {
                ended?;
                let missing = if self.filter.keeps_frames() { segment.packets.len() } else { 0 };
                if missing > 0 {
                    return Err(NodeError::Failed(format!(
                        "it gave {} frames for {}, though it is said to keep their number",
                        segment.n_results,
                        segment.n_results + missing as u64
                    )));
                }
                self.segments.pop_front();
                Ok(None)
            }
        }
    }

    /// Whether nothing is left to be done here.
    pub(super) fn is_drained(&self) -> bool {
        self.ended && self.segments.is_empty()
    }
}
