//! How several threads carry out the events of one plan without meeting after each.
//!
//! Every thread walks through all events in order and takes parts of them as they are left. A part of an event may begin
//! when the parts of the event before it that it reads are done, though others of that event are still being worked on;
//! all events before that one must be done whole. So threads seldom wait: whoever has no part left in one event
//! begins the next.
//!
//! Who does which part depends on chance. What it computes does not.

use rayon::Yield;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Parts of an event at most: one bit each tells whether it is done.
const MAX_PARTS: usize = u64::BITS as usize;

/// Some rows and columns of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Area {
    pub(crate) rows: Range<usize>,
    pub(crate) columns: Range<usize>,
}

/// How an event is divided into parts, each of some units of work.
///
/// Convolutions are divided into strips of columns: a strip reads from its neighbours only a column or two on either side,
/// and the thread that made the strip of one value mostly makes the same strip of the next, so values stay in its cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Division {
    /// What all of it makes.
    area: Area,
    n_units: usize,
    /// Units in a part; the last may have fewer.
    units: usize,
    unit: Unit,
}

/// What a unit of work makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    /// So many columns, of all rows.
    Columns(usize),
    /// One row.
    Row,
    /// Nobody knows which.
    Anything,
}

impl Division {
    /// Into strips of `size` columns. `columns` are those of the output.
    pub(crate) fn columns(rows: Range<usize>, columns: usize, size: usize) -> Self {
        Self::new(rows, columns, columns.div_ceil(size), Unit::Columns(size))
    }

    /// Into rows.
    pub(crate) fn rows(rows: Range<usize>, columns: usize) -> Self {
        let n_units = rows.len();
        Self::new(rows, columns, n_units, Unit::Row)
    }

    /// Into units that make nobody knows what.
    pub(crate) fn unordered(rows: Range<usize>, columns: usize, n_units: usize) -> Self {
        Self::new(rows, columns, n_units, Unit::Anything)
    }

    fn new(rows: Range<usize>, columns: usize, n_units: usize, unit: Unit) -> Self {
        Self { area: Area { rows, columns: 0..columns }, n_units, units: 1, unit }.in_parts_of(1)
    }

    /// With a multiple of `units` units in each part.
    pub(crate) fn in_parts_of(self, units: usize) -> Self {
        Self { units: units * self.n_units.div_ceil(units).div_ceil(MAX_PARTS).max(1), ..self }
    }

    /// In one part.
    pub(crate) fn undivided(self) -> Self {
        Self { units: self.n_units.max(1), ..self }
    }

    /// Number of parts.
    pub(crate) fn parts(&self) -> usize {
        self.n_units.div_ceil(self.units)
    }

    /// The units of a part.
    pub(crate) fn units_of(&self, part: usize) -> Range<usize> {
        part * self.units..((part + 1) * self.units).min(self.n_units)
    }

    /// What a part makes some of.
    pub(crate) fn area_of(&self, part: usize) -> Area {
        let Area { rows, columns } = self.area.clone();
        let units = self.units_of(part);
        match self.unit {
            Unit::Columns(size) => {
                Area { rows, columns: units.start * size..(units.end * size).min(columns.end) }
            }
            Unit::Row => Area { rows: rows.start + units.start..rows.start + units.end, columns },
            Unit::Anything => Area { rows, columns },
        }
    }

    /// The parts that make an area.
    pub(crate) fn parts_of(&self, area: &Area) -> Range<usize> {
        let rows = area.rows.start.max(self.area.rows.start)..area.rows.end.min(self.area.rows.end);
        let columns = area.columns.start..area.columns.end.min(self.area.columns.end);
        if rows.is_empty() || columns.is_empty() {
            return 0..0;
        }
        let units = match self.unit {
            Unit::Columns(size) => columns.start / size..columns.end.div_ceil(size),
            Unit::Row => rows.start - self.area.rows.start..rows.end - self.area.rows.start,
            Unit::Anything => 0..self.n_units,
        };
        units.start / self.units..units.end.div_ceil(self.units)
    }
}

/// What has been taken of an event, and what is done.
#[derive(Debug, Default)]
struct Progress {
    /// A bit for each part.
    taken: AtomicU64,
    done: AtomicU64,
}

/// Threads on their way through the events of a plan.
#[derive(Debug)]
pub(crate) struct Team {
    threads: usize,
    events: Vec<Progress>,
    /// A thread has panicked: nobody waits for it.
    broken: AtomicBool,
}

/// Another thread has panicked.
#[derive(Debug)]
pub(crate) struct Broken;

/// Tells the others when its thread panics.
pub(crate) struct Alarm<'a>(&'a Team);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.broken.store(true, Ordering::Release);
        }
    }
}

impl Team {
    pub(crate) fn new(threads: usize, n_events: usize) -> Self {
        let mut events = Vec::new();
        events.resize_with(n_events, Progress::default);
        Self { threads, events, broken: AtomicBool::new(false) }
    }

    /// To be kept by a thread while it takes part.
    pub(crate) fn alarm(&self) -> Alarm<'_> {
        Alarm(self)
    }

    /// Takes a part of an event that nobody has taken, for a thread. Each has parts of its own that it takes first: half of
    /// the threads from the first one on, their neighbours from the last one back, so that a thread that is ahead does not
    /// wait for its neighbour's last part.
    pub(crate) fn take(&self, event: usize, parts: usize, thread: usize) -> Option<usize> {
        let taken = &self.events[event].taken;
        let (start, end) = (thread * parts / self.threads, (thread + 1) * parts / self.threads);
        for i in 0..parts {
            let part = if thread.is_multiple_of(2) { start + i } else { end + parts - 1 - i } % parts;
            let bit = 1 << part;
            // The look before spares the others the trouble where it is taken.
            if taken.load(Ordering::Relaxed) & bit == 0 && taken.fetch_or(bit, Ordering::Relaxed) & bit == 0 {
                return Some(part);
            }
        }
        None
    }

    /// Tells that a part is done.
    pub(crate) fn finish(&self, event: usize, part: usize) {
        self.events[event].done.fetch_or(1 << part, Ordering::Release);
    }

    /// Waits until some parts of an event are done. Work of the pool is done meanwhile.
    pub(crate) fn wait(&self, event: usize, parts: Range<usize>) -> Result<(), Broken> {
        let wanted = bits(parts);
        let done = &self.events[event].done;
        let mut tries = 0u32;
        while done.load(Ordering::Acquire) & wanted != wanted {
            if self.broken.load(Ordering::Acquire) {
                return Err(Broken);
            }
            // A part takes some ten to a hundred microseconds. Waiting longer than that is rare, and others may need
            // the processor.
            tries += 1;
            if !tries.is_multiple_of(SPINS) {
                std::hint::spin_loop();
            } else if rayon::yield_now() != Some(Yield::Executed) {
                if tries > PATIENCE {
                    std::thread::sleep(NAP);
                } else {
                    std::thread::yield_now();
                }
            }
        }
        Ok(())
    }
}

fn bits(parts: Range<usize>) -> u64 {
    debug_assert!(parts.end <= MAX_PARTS);
    if parts.is_empty() { 0 } else { u64::MAX >> (MAX_PARTS - parts.len()) << parts.start }
}

/// Looks between two questions whether the pool has work.
const SPINS: u32 = 64;
/// Looks after which a thread that waits goes to sleep for a while, again and again: about a millisecond.
const PATIENCE: u32 = 1 << 14;
const NAP: Duration = Duration::from_micros(50);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_units_and_areas() {
        let divisions = [
            Division::columns(5..13, 90, 4).in_parts_of(3),
            Division::columns(0..4, 5000, 4),
            Division::columns(0..4, 3, 4),
            Division::rows(7..9, 11),
            Division::rows(0..300, 2),
            Division::rows(0..9, 2).undivided(),
            Division::unordered(3..9, 5, 70),
        ];
        for division in divisions {
            assert!((1..=MAX_PARTS).contains(&division.parts()));
            let units: Vec<usize> = (0..division.parts()).flat_map(|part| division.units_of(part)).collect();
            assert_eq!(units, (0..division.n_units).collect::<Vec<_>>());
            // Every pixel is made by a part that is waited for, and all parts that are waited for make some of it.
            let Area { rows, columns } = division.area.clone();
            for y in rows.clone().step_by(3) {
                for x in columns.clone().step_by(7) {
                    let parts = division.parts_of(&Area { rows: y..y + 1, columns: x..x + 1 });
                    for part in 0..division.parts() {
                        let area = division.area_of(part);
                        assert_eq!(
                            area.rows.contains(&y) && area.columns.contains(&x),
                            parts.contains(&part)
                        );
                    }
                }
            }
            let before = Area { rows: 0..rows.start, columns: columns.clone() };
            assert_eq!(division.parts_of(&before), 0..0);
            let all = Area { rows: 0..rows.end + 9, columns: 0..columns.end + 9 };
            assert_eq!(division.parts_of(&all), 0..division.parts());
        }
    }

    #[test]
    fn every_part_is_taken_once() {
        for threads in 1..9 {
            for parts in [1, 2, 7, 64] {
                let team = Team::new(threads, 1);
                let mut taken: Vec<usize> = vec![];
                for turn in 0.. {
                    let Some(part) = team.take(0, parts, turn % threads) else { break };
                    taken.push(part);
                }
                taken.sort_unstable();
                assert_eq!(taken, (0..parts).collect::<Vec<_>>());
            }
        }
        let team = Team::new(2, 1);
        let order: Vec<Option<usize>> = [0, 0, 1, 1, 0, 1].map(|thread| team.take(0, 5, thread)).to_vec();
        assert_eq!(order, [Some(0), Some(1), Some(4), Some(3), Some(2), None]);
    }

    #[test]
    fn waiting_ends_when_the_parts_are_done() {
        let team = Team::new(2, 2);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| team.wait(0, 62..64).is_ok());
            team.finish(0, 63);
            team.finish(0, 3);
            std::thread::sleep(Duration::from_millis(20));
            assert!(!waiting.is_finished());
            team.finish(0, 62);
            assert!(waiting.join().expect("no panic"));
        });
        assert!(team.wait(1, 0..0).is_ok());
    }

    #[test]
    fn a_panic_wakes_the_others() {
        let team = Team::new(2, 1);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| team.wait(0, 0..1).is_err());
            let failing = scope.spawn(|| {
                let _alarm = team.alarm();
                panic!("as intended");
            });
            assert!(failing.join().is_err());
            assert!(waiting.join().expect("no panic"));
        });
    }
}
