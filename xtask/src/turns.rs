//! Engines by turns: who runs when, who drops out, and whether all compute the same.
//!
//! Engines live side by side and take turns frame by frame, so that a machine that slows down slows all of them, and the middle of
//! several rounds counts.

mod measurement;
pub(crate) mod tables;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::frame_server::FrameServer;
use crate::machine::Conditions;
use crate::performance_page::median;

#[cfg(test)]
pub(crate) use measurement::example;
pub(crate) use measurement::{Measurement, Precision, Timing};

/// The largest difference between two f32 engines on networks of this depth that is still only rounding, for results of about 1.
const TOLERANCE: f64 = 1e-3;

/// A peer that took this many times as long as the fastest of its precision cannot win any more.
const HOPELESS: f64 = 2.0;

/// A turn computes frames for this long, the middle of which counts, but at least one and at most `TURN_FRAMES`: a short frame alone
/// would be at the mercy of whatever else the machine does in that moment.
const TURN_SECS: f64 = 0.5;
const TURN_FRAMES: usize = 5;

/// One network on one frame, at one number of threads.
pub(crate) struct Contest<'a> {
    /// Short name, for progress.
    pub(crate) name: &'a str,
    pub(crate) threads: usize,
    pub(crate) n_rounds: usize,
    /// Whether all engines' memory fits beside each other; else they are started anew for each turn.
    pub(crate) side_by_side: bool,
    pub(crate) conditions: &'a Conditions,
    /// Where results pass through.
    pub(crate) output_file: PathBuf,
}

/// An engine in one precision.
pub(crate) struct Entry<'a> {
    /// `Pegbar`, or a peer's name.
    pub(crate) engine: String,
    pub(crate) precision: Precision,
    /// Why it is not even started.
    pub(crate) left_out: Option<String>,
    /// Why its time is shown, but is no measure.
    pub(crate) not_counted: Option<String>,
    /// The command that serves frames.
    pub(crate) command: Box<dyn Fn() -> Command + 'a>,
}

impl Entry<'_> {
    fn is_peer(&self) -> bool {
        self.engine != "Pegbar"
    }
}

/// An engine among the others.
struct Contestant<'a> {
    entry: Entry<'a>,
    timing: Timing,
    /// None where it is started for each turn, or has dropped out.
    server: Option<FrameServer>,
    is_in: bool,
}

/// Lets the engines take turns; the first place in a round goes round, too. Pegbar's exact arithmetic stands first among the entries:
/// the others' results are compared with its, before a time is taken.
pub(crate) fn measure(contest: &Contest<'_>, entries: Vec<Entry<'_>>) -> Result<Measurement> {
    let mut contestants: Vec<Contestant<'_>> = Vec::new();
    let mut truth: Vec<f32> = Vec::new();
    let mut gflop_per_frame = f64::NAN;

    for entry in entries {
        let mut timing = Timing {
            engine: entry.engine.clone(),
            precision: entry.precision,
            version: contest.conditions.version.clone(),
            seconds: Vec::new(),
            psnr_db: None,
            max_difference: None,
            peak_memory_mb: None,
            note: entry.left_out.clone().or_else(|| entry.not_counted.clone()),
            counts: entry.not_counted.is_none(),
        };
        let mut running = None;
        let server = match entry.left_out {
            Some(_) => None,
            None => Some(FrameServer::start(&mut (entry.command)())?),
        };
        if let Some(mut server) = server {
            let wanted = entry.precision.name();
            let computes_in = server.ready["precision"].as_str().unwrap_or(wanted).to_owned();
            if let Some(problem) = server.ready["problem"].as_str() {
                timing.note = Some(format!("left out: {problem}"));
            } else if computes_in != wanted {
                timing.note = Some(format!("left out: it computes in {computes_in} here"));
            } else {
                if let Some(version) = server.ready["version"].as_str() {
                    timing.version = version.to_owned();
                }
                gflop_per_frame = server.ready["gflop_per_frame"].as_f64().unwrap_or(gflop_per_frame);
                let output = server.output(&contest.output_file)?;
                if entry.precision == Precision::Exact {
                    truth = output;
                } else {
                    compare(&mut timing, &truth, &output).with_context(|| contest.name.to_owned())?;
                }
                timing.seconds.push(take_turn(&mut server)?);
                timing.peak_memory_mb = server.peak_memory_bytes().map(|bytes| bytes as f64 / 1e6);
                running = Some(server);
            }
        }
        report(contest, 1, &timing);
        let is_in = running.is_some();
        let server = running.filter(|_| contest.side_by_side);
        contestants.push(Contestant { entry, timing, server, is_in });
        drop_out(&mut contestants);
    }

    for round in 1..contest.n_rounds {
        for turn in 0..contestants.len() {
            let place = (round + turn) % contestants.len();
            let contestant = &mut contestants[place];
            if !contestant.is_in {
                continue;
            }
            let seconds = match &mut contestant.server {
                Some(server) => take_turn(server)?,
                None => take_turn(&mut FrameServer::start(&mut (contestant.entry.command)())?)?,
            };
            contestant.timing.seconds.push(seconds);
            report(contest, round + 1, &contestant.timing);
        }
    }
    Ok(Measurement {
        conditions: contest.conditions.clone(),
        gflop_per_frame,
        timings: contestants.into_iter().map(|contestant| contestant.timing).collect(),
    })
}

/// Seconds a frame.
fn take_turn(server: &mut FrameServer) -> Result<f64> {
    let mut seconds = vec![server.run()?];
    while seconds.len() < TURN_FRAMES && seconds.iter().sum::<f64>() < TURN_SECS {
        seconds.push(server.run()?);
    }
    Ok(median(&seconds))
}

/// Ends the engines that cannot be the fastest peer of their precision.
fn drop_out(contestants: &mut [Contestant<'_>]) {
    let fastest = |contestants: &[Contestant<'_>], is_f32: bool| {
        contestants
            .iter()
            .filter(|c| c.entry.is_peer() && c.timing.counts && c.timing.precision.is_f32() == is_f32)
            .filter_map(|c| c.timing.seconds.first().copied())
            .fold(f64::INFINITY, f64::min)
    };
    for is_f32 in [true, false] {
        let limit = HOPELESS * fastest(contestants, is_f32);
        for contestant in contestants.iter_mut() {
            let timing = &mut contestant.timing;
            let is_slow = timing.seconds.first().is_some_and(|&seconds| seconds > limit);
            if contestant.is_in
                && contestant.entry.is_peer()
                && timing.precision.is_f32() == is_f32
                && is_slow
            {
                contestant.is_in = false;
                contestant.server = None;
                println!("    {} {} is too slow to matter", timing.engine, timing.precision.name());
            }
        }
    }
}

/// Notes how far a result is from the exact one.
fn compare(timing: &mut Timing, truth: &[f32], output: &[f32]) -> Result<()> {
    let (engine, precision) = (&timing.engine, timing.precision);
    if truth.len() != output.len() {
        bail!("{engine} made {} values where Pegbar made {}", output.len(), truth.len());
    }
    let (mut largest, mut sum) = (0.0f64, 0.0f64);
    for (&expected, &found) in truth.iter().zip(output) {
        let difference = f64::from(expected) - f64::from(found);
        largest = largest.max(difference.abs());
        sum += difference * difference;
    }
    // The maximum passes over NaN, the sum does not.
    if !sum.is_finite() {
        bail!("{engine}'s result holds NaN or infinity");
    }
    if precision.is_f32() && largest > TOLERANCE {
        bail!("Pegbar and {engine} differ by {largest:.1e}, so a ratio of times would mean nothing");
    }
    timing.max_difference = Some(largest);
    let mean_square = sum / truth.len().max(1) as f64;
    timing.psnr_db = (mean_square > 0.0).then(|| -10.0 * mean_square.log10());
    Ok(())
}

fn report(contest: &Contest<'_>, round: usize, timing: &Timing) {
    let plural = if contest.threads == 1 { "" } else { "s" };
    let said = match timing.seconds.last() {
        Some(seconds) => format!("{seconds:.4} s"),
        None => timing.note.clone().unwrap_or_default(),
    };
    println!(
        "{}, {} thread{plural}, round {round}: {:<12} {:<5} {said}",
        contest.name,
        contest.threads,
        timing.engine,
        timing.precision.name()
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timing(precision: Precision) -> Timing {
        let mut timing = example().timings[2].clone();
        timing.precision = precision;
        timing
    }

    #[test]
    fn an_f32_peer_that_computes_something_else_is_refused() {
        let mut f32_timing = timing(Precision::F32);
        assert!(compare(&mut f32_timing, &[0.5, 0.5], &[0.5, 0.51]).is_err());
        assert!(compare(&mut f32_timing, &[0.5, 0.5], &[f32::NAN, 0.5]).is_err());
        assert!(compare(&mut f32_timing, &[0.5, 0.5], &[0.5]).is_err());
        compare(&mut f32_timing, &[0.5, 0.5], &[0.5, 0.5]).unwrap();
        assert_eq!((f32_timing.psnr_db, f32_timing.max_difference), (None, Some(0.0)));
    }

    #[test]
    fn the_signal_to_noise_ratio_is_of_a_peak_of_one() {
        let mut bf16 = timing(Precision::Bf16);
        compare(&mut bf16, &[0.5, 0.5], &[0.51, 0.49]).unwrap();
        assert!((bf16.psnr_db.unwrap() - 40.0).abs() < 1e-3, "{:?}", bf16.psnr_db);
    }
}
