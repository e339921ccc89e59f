//! A node that looks at neighbours: frames are held until those that they are looked at with are there.

use super::Packet;
use crate::evaluate::Outputs;
use crate::{Value, WindowNode};
use pegbar_filters::temporal::{Reach, TemporalFilter};
use pegbar_frame::PlanarImage;
use std::collections::VecDeque;
use std::sync::Arc;

/// The frames at one barrier.
pub(super) struct WindowBarrier<T, O> {
    reach: Reach,
    measure_reach: Reach,
    /// Whether what is made are values: cuts do not end its windows, nor do other sizes, and nothing is measured.
    tells: bool,
    /// In order; the first is the oldest that a window may still need.
    entries: VecDeque<Entry<T, O>>,
    /// Number of the first of `entries`, counted from the first frame that came.
    first: u64,
    /// Number of the next frame to be begun.
    next: u64,
    /// Number of the next frame to leave.
    leaving: u64,
    ended: bool,
}

struct Entry<T, O> {
    /// Until it leaves.
    packet: Option<Packet<T, O>>,
    image: Arc<PlanarImage>,
    measure: Option<Arc<Vec<f32>>>,
    /// Number of the first frame of its scene.
    scene: u64,
    result: Option<Outputs>,
}

/// What is to be measured.
pub(super) struct MeasureTask {
    pub(super) number: u64,
    pub(super) previous: Option<Arc<PlanarImage>>,
    pub(super) image: Arc<PlanarImage>,
}

/// A window whose frame can be made.
pub(super) struct WindowTask {
    pub(super) number: u64,
    /// Of the stream's frame, for its age.
    pub(super) age: u64,
    pub(super) frames: Vec<Arc<PlanarImage>>,
    pub(super) centre: usize,
    pub(super) measures: Vec<Arc<Vec<f32>>>,
    pub(super) measure_centre: usize,
}

impl<T, O> WindowBarrier<T, O> {
    pub(super) fn new(filter: &dyn TemporalFilter) -> Self {
        let (reach, measured) = (filter.reach(), filter.measure_reach());
        let measure_reach =
            Reach { before: measured.before.max(reach.before), after: measured.after.max(reach.after) };
        Self::of_reach(reach, measure_reach, false)
    }

    /// The same for values of windows.
    pub(super) fn of_values(node: &dyn WindowNode) -> Self {
        Self::of_reach(node.reach(), node.reach(), true)
    }

    fn of_reach(reach: Reach, measure_reach: Reach, tells: bool) -> Self {
        let entries = VecDeque::new();
        Self { reach, measure_reach, tells, entries, first: 0, next: 0, leaving: 0, ended: false }
    }

    /// Takes the next frame. `starts_anew` says that no window reaches over its beginning. Returns what is to be measured.
    pub(super) fn push(
        &mut self,
        packet: Packet<T, O>,
        image: Arc<PlanarImage>,
        starts_anew: bool,
    ) -> Option<MeasureTask> {
        let number = self.first + self.entries.len() as u64;
        let before = self.entries.back();
        // Pictures of another size are another scene, whatever anybody says.
        let same_shape = |a: &PlanarImage, b: &PlanarImage| {
            (a.width, a.height, a.channels) == (b.width, b.height, b.channels)
        };
        let goes_on = |before: &PlanarImage| match self.tells {
            true => !before.data.is_empty(), // of one that has failed
            false => same_shape(before, &image),
        };
        let before = before.filter(|before| !starts_anew && goes_on(&before.image));
        let previous = before.map(|before| before.image.clone());
        let scene = before.map_or(number, |before| before.scene);
        let task = (!self.tells).then(|| MeasureTask { number, previous, image: image.clone() });
        let measure = self.tells.then(Arc::default);
        self.entries.push_back(Entry { packet: Some(packet), image, measure, scene, result: None });
        task
    }

    /// Takes a frame that has failed before: it leaves in its turn, and no window sees it.
    pub(super) fn push_failed(&mut self, packet: Packet<T, O>) {
        let number = self.first + self.entries.len() as u64;
        let nothing = Arc::new(PlanarImage::default());
        let measure = Some(Arc::new(Vec::new()));
        let result = Some(Arc::default());
        self.entries.push_back(Entry {
            packet: Some(packet),
            image: nothing,
            measure,
            scene: number,
            result,
        });
    }

    /// No more frames will come.
    pub(super) fn end(&mut self) {
        self.ended = true;
    }

    pub(super) fn measured(&mut self, number: u64, measure: Vec<f32>) {
        if let Some(entry) = self.entry(number) {
            entry.measure = Some(Arc::new(measure));
        }
    }

    pub(super) fn applied(&mut self, number: u64, result: Vec<Value>) {
        if let Some(entry) = self.entry(number) {
            entry.result = Some(Arc::new(result));
        }
    }

    fn entry(&mut self, number: u64) -> Option<&mut Entry<T, O>> {
        let at = number.checked_sub(self.first)?;
        self.entries.get_mut(usize::try_from(at).ok()?)
    }

    /// The next frame that can be made, if its window is complete.
    pub(super) fn next_window(&mut self) -> Option<WindowTask> {
        while self.entry(self.next).is_some_and(|entry| entry.image.data.is_empty()) {
            self.next += 1;
        }
        let at = usize::try_from(self.next - self.first).ok()?;
        let centre = self.entries.get(at)?;
        let scene = centre.scene;
        let same = |i: usize| self.entries.get(i).is_some_and(|entry| entry.scene == scene);
        // Of how many frames after it the scene goes on, and whether that is known.
        let wanted = self.measure_reach.after.max(self.reach.after);
        let n_after = (1..=wanted).take_while(|&i| same(at + i)).count();
        let known = n_after == wanted || self.ended || self.entries.len() > at + n_after + 1;
        if !known {
            return None;
        }
        let n_before = (1..=at).take_while(|&i| same(at - i)).count();
        let span = |reach: Reach| at - n_before.min(reach.before)..at + n_after.min(reach.after) + 1;
        let (seen, measured) = (span(self.reach), span(self.measure_reach));
        let measures: Option<Vec<_>> = measured.clone().map(|i| self.entries[i].measure.clone()).collect();
        let task = WindowTask {
            number: self.next,
            age: centre.packet.as_ref().map_or(self.next, |packet| packet.number),
            frames: seen.clone().map(|i| self.entries[i].image.clone()).collect(),
            centre: at - seen.start,
            measures: measures?,
            measure_centre: at - measured.start,
        };
        self.next += 1;
        Some(task)
    }

    /// The next frame that is made, in order.
    pub(super) fn pop(&mut self) -> Option<(Packet<T, O>, Outputs)> {
        let at = usize::try_from(self.leaving - self.first).ok()?;
        let entry = self.entries.get_mut(at)?;
        let result = entry.result.take()?;
        let packet = entry.packet.take()?;
        self.leaving += 1;
        self.forget();
        Some((packet, result))
    }

    /// Drops what no window will need.
    fn forget(&mut self) {
        let before = self.measure_reach.before.max(self.reach.before) as u64;
        // The last one stays, as the next is measured against it.
        while self.entries.len() > 1 && self.first < self.leaving && self.first + before < self.next {
            self.entries.pop_front();
            self.first += 1;
        }
    }

    /// Frames that may have to wait here for later ones.
    pub(super) fn n_waiting_at_most(&self) -> usize {
        self.measure_reach.after.max(self.reach.after) + 1
    }

    /// Whether nothing is left to be done here.
    pub(super) fn is_drained(&self) -> bool {
        self.ended && self.leaving == self.first + self.entries.len() as u64
    }
}
