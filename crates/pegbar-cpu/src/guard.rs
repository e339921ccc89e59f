//! Watches whether values fit half precision and the integers made of them.
//!
//! Half floats end at 65504 and lose digits below 2^-14. No bound known before a run excludes either, so the convolutions
//! that look for the largest magnitude of each tile anyway report it, as do those that store half floats; a run that left the
//! range is repeated with the step concerned in single precision, and all later ones are made so from the start.

use crate::program::Program;
use std::sync::atomic::{AtomicU32, Ordering};

/// Inputs whose largest magnitude in a whole picture is smaller have lost digits as half floats: 2^-9, of which values down
/// to a 32nd still have all their eleven bits.
const SMALLEST: f32 = 1.0 / 512.0;
/// The largest finite half float.
const LARGEST: f32 = 65504.0;

/// Why a step cannot be computed with halves and integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OutOfRange {
    TooLarge,
    TooSmall,
}

impl OutOfRange {
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::TooLarge => "values leave the range of half floats",
            Self::TooSmall => "values are too small for half floats",
        }
    }
}

/// A step and why.
pub(crate) type StepOutOfRange = (usize, OutOfRange);

/// The largest magnitudes of one run.
#[derive(Debug)]
pub(crate) struct RangeGuard {
    /// By step; bits of a float, whose order is that of the numbers, NaN above infinity. Zero where nothing was seen.
    largest: Vec<AtomicU32>,
    /// The same, of half floats written.
    largest_written: Vec<AtomicU32>,
}

impl RangeGuard {
    pub(crate) fn new(program: &Program) -> Self {
        let none_seen = || program.steps.iter().map(|_| AtomicU32::new(0)).collect();
        Self { largest: none_seen(), largest_written: none_seen() }
    }

    /// A step has read values up to this magnitude.
    pub(crate) fn saw(&self, step: usize, magnitude: f32) {
        if magnitude != 0.0 {
            self.largest[step].fetch_max(magnitude.to_bits(), Ordering::Relaxed);
        }
    }

    /// A step has written values up to this magnitude as half floats.
    pub(crate) fn saw_written(&self, step: usize, magnitude: f32) {
        if magnitude != 0.0 {
            self.largest_written[step].fetch_max(magnitude.to_bits(), Ordering::Relaxed);
        }
    }

    /// The steps that read or wrote values out of range.
    pub(crate) fn out_of_range(&self, program: &Program) -> Vec<StepOutOfRange> {
        let judge = |(step, (read, written)): (usize, (&AtomicU32, &AtomicU32))| {
            let largest = f32::from_bits(read.load(Ordering::Relaxed));
            let written = f32::from_bits(written.load(Ordering::Relaxed));
            let reads_halves = program.reads_halves(step);
            if written > LARGEST {
                Some((step, OutOfRange::TooLarge))
            } else if written > 0.0 && written < SMALLEST {
                Some((step, OutOfRange::TooSmall))
            } else if largest == 0.0 {
                None
            } else if !largest.is_finite() || (reads_halves && largest > LARGEST) {
                Some((step, OutOfRange::TooLarge))
            } else if reads_halves && largest < SMALLEST {
                Some((step, OutOfRange::TooSmall))
            } else {
                None
            }
        };
        self.largest.iter().zip(&self.largest_written).enumerate().filter_map(judge).collect()
    }
}
