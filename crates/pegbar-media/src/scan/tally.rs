//! What many frames say together.

use serde::Serialize;

use super::ScanType;
use super::combing::{FieldOrder, FrameClass, Match, Reading};

/// Frames counted by what their fields show.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct FieldTally {
    /// Frames looked at; the first and the last of a sample have no neighbours to compare with.
    pub n_frames: usize,
    /// Nothing moves.
    pub n_still: usize,
    /// Both fields are of one moment.
    pub n_whole: usize,
    /// Fields of two moments, the top field first.
    pub n_tff: usize,
    /// Fields of two moments, the bottom field first.
    pub n_bff: usize,
    /// Of the latter two: each field suits one of a neighbouring frame better than the other of its own.
    pub n_matched: usize,
    /// Of these: so much better that it must be the other half of the same picture.
    pub n_close: usize,
    /// Something moves but says nothing clear.
    pub n_unclear: usize,
    /// One field is that of the frame before once more.
    pub n_repeated: usize,
    /// Of the matched frames and repeated fields: those that come every five frames.
    pub n_in_cadence: usize,
    /// Of these: repeated fields.
    pub n_repeated_in_cadence: usize,
    /// The matched frames and repeated fields that could: where there are several in short succession.
    pub n_cadence: usize,
    /// The last frames, for the cadence.
    #[serde(skip)]
    recent: Vec<Reading>,
}

/// Frames among which a cadence is looked for. Cuts made after telecine break it, so they may not be many.
const CADENCE_FRAMES: usize = 25;

/// Frames of a 2:3 cycle.
const CYCLE: usize = 5;

/// Frames that must say something clear before anything is concluded from them.
const LEAST_CLEAR: usize = 8;

/// The same for one sample to count against the others.
const LEAST_CLEAR_IN_SAMPLE: usize = 12;

/// Share of ordered frames among the clear ones up to which a film is progressive: chance and fades make a few.
const PROGRESSIVE: f64 = 0.1;

/// So many ordered frames are chance however few frames there are: two, as of a cut.
const CHANCE: usize = 2;

/// Share of ordered frames from which on a film is interlaced; between the two it is mixed.
const ORDERED: f64 = 0.5;

/// Share of frames that have to follow the cadence. Chance alone gives about a half.
const CADENCE: f64 = 0.8;

/// Share of repeated fields and of matched frames together among those that move, at least, for telecine: 2:3 has 0.4 of
/// each. Fields must repeat in any case, even if noise hides most of it: frames alone seem to match in many a pattern.
const TELECINED: f64 = 0.1;
const REPEATED: f64 = 0.05;

/// Share of closely matched frames among the ordered ones, at least, for shifted fields. Real interlaced video has next
/// to none.
const SHIFTED: f64 = 0.5;

impl FieldTally {
    pub(super) fn add(&mut self, reading: Reading) {
        match reading.class {
            FrameClass::Still => self.n_still += 1,
            FrameClass::Whole => self.n_whole += 1,
            FrameClass::Unclear => self.n_unclear += 1,
            FrameClass::Ordered { order, matched } => {
                match order {
                    FieldOrder::Tff => self.n_tff += 1,
                    FieldOrder::Bff => self.n_bff += 1,
                }
                self.n_matched += usize::from(matched >= Match::Loose);
                self.n_close += usize::from(matched == Match::Close);
            }
        }
        self.n_repeated += usize::from(reading.repeated.is_some());
        self.recent.push(reading);
        if self.recent.len() == CADENCE_FRAMES {
            self.count_cadence();
        }
    }

    /// Adds what another sample says.
    pub(super) fn merge(&mut self, other: &Self) {
        self.n_frames += other.n_frames;
        self.n_still += other.n_still;
        self.n_whole += other.n_whole;
        self.n_tff += other.n_tff;
        self.n_bff += other.n_bff;
        self.n_matched += other.n_matched;
        self.n_close += other.n_close;
        self.n_unclear += other.n_unclear;
        self.n_repeated += other.n_repeated;
        self.n_in_cadence += other.n_in_cadence;
        self.n_repeated_in_cadence += other.n_repeated_in_cadence;
        self.n_cadence += other.n_cadence;
    }

    /// Frames that are not still.
    pub fn n_moving(&self) -> usize {
        self.n_whole + self.n_unclear + self.n_tff + self.n_bff
    }

    /// The more frequent field order, how many frames have it, and how many the other.
    pub(super) fn ordered(&self) -> (FieldOrder, usize, usize) {
        if self.n_bff > self.n_tff {
            (FieldOrder::Bff, self.n_bff, self.n_tff)
        } else {
            (FieldOrder::Tff, self.n_tff, self.n_bff)
        }
    }

    fn n_clear(&self) -> usize {
        self.n_whole + self.n_tff + self.n_bff
    }

    /// Counts how many events of the recent frames lie where those of 2:3 pulldown would: top fields repeat at one
    /// place of the cycle of five, or at two neighbouring ones where drawings stay for three frames; so do bottom fields;
    /// and frames that need a partner are next to each other.
    fn count_cadence(&mut self) {
        let recent = std::mem::take(&mut self.recent);
        let at = |event: &dyn Fn(&Reading) -> bool| {
            let mut places = [0usize; CYCLE];
            recent.iter().enumerate().filter(|(_, r)| event(r)).for_each(|(k, _)| places[k % CYCLE] += 1);
            places
        };
        let mut count = |places: [usize; CYCLE]| {
            let all: usize = places.iter().sum();
            let best = (0..CYCLE).map(|k| places[k] + places[(k + 1) % CYCLE]).max().unwrap_or(0);
            // Two alone may be in any cadence.
            let (all, best) = if all > 2 { (all, best) } else { (0, 0) };
            self.n_cadence += all;
            self.n_in_cadence += best;
            best
        };
        let n_top = count(at(&|r| r.repeated == Some(0)));
        let n_bottom = count(at(&|r| r.repeated == Some(1)));
        count(at(&|r| matches!(r.class, FrameClass::Ordered { matched, .. } if matched >= Match::Loose)));
        self.n_repeated_in_cadence += n_top + n_bottom;
    }

    /// Says that no frame of the sample follows.
    pub(super) fn finish(&mut self) {
        // Less than two cycles say nothing.
        if self.recent.len() >= 2 * CYCLE {
            self.count_cadence();
        }
        self.recent.clear();
    }

    fn scan_type(&self) -> (ScanType, Option<FieldOrder>) {
        let (order, n_for, n_against) = self.ordered();
        let n_ordered = n_for + n_against;
        let share = |part: usize, whole: usize| part as f64 / whole.max(1) as f64;
        if self.n_clear() < LEAST_CLEAR {
            return (ScanType::Unknown, None);
        }
        // Fields out of time have one order. What looks ordered now this way, now that, is chance.
        let n_sure = n_for.saturating_sub(2 * n_against);
        if n_sure <= CHANCE || share(n_sure, self.n_clear()) <= PROGRESSIVE {
            let whole = self.n_whole >= n_ordered;
            return (if whole { ScanType::Progressive } else { ScanType::Unknown }, None);
        }
        let in_cadence = share(self.n_in_cadence, self.n_cadence) >= CADENCE;
        let repeats = share(self.n_repeated_in_cadence, self.n_moving()) >= REPEATED;
        let scan_type = if in_cadence && repeats && share(self.n_cadence, self.n_moving()) >= TELECINED {
            ScanType::Telecined
        } else if share(self.n_close, n_ordered) >= SHIFTED {
            ScanType::FieldShifted
        } else if share(n_ordered, self.n_clear()) >= ORDERED {
            ScanType::Interlaced
        } else {
            ScanType::Mixed
        };
        (scan_type, Some(order))
    }
}

/// What samples say together.
pub(super) fn verdict(samples: &[FieldTally]) -> (ScanType, Option<FieldOrder>) {
    let mut all = FieldTally::default();
    samples.iter().for_each(|t| all.merge(t));
    let (scan_type, order) = all.scan_type();
    // Where single samples are sure of something else, the film changes on the way.
    let differs = |t: &FieldTally| {
        let (other, _) = t.scan_type();
        let related = matches!(
            (scan_type, other),
            (ScanType::Interlaced, ScanType::FieldShifted) | (ScanType::FieldShifted, ScanType::Interlaced)
        );
        t.n_clear() >= LEAST_CLEAR_IN_SAMPLE && other != ScanType::Unknown && other != scan_type && !related
    };
    match scan_type {
        ScanType::Unknown => (ScanType::Unknown, None),
        _ if samples.len() > 1 && samples.iter().any(differs) => {
            (ScanType::Mixed, order.or_else(|| samples.iter().find_map(|t| t.scan_type().1)))
        }
        _ => (scan_type, order),
    }
}
