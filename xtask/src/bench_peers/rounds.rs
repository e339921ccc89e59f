//! The rounds of one workload: who runs when, who drops out, and whether all compute the same.

use anyhow::{Context, Result, bail};

use super::Bench;
use super::engine::Variant;
use super::results::{Measurement, Precision, Timing};
use super::workload::Workload;
use crate::frame_server::FrameServer;
use crate::performance_page::median;

/// The largest difference between two f32 engines on networks of this depth that is still only rounding, for results of about 1.
const TOLERANCE: f64 = 1e-3;

/// A peer that took this many times as long as the fastest of its precision cannot win any more.
const HOPELESS: f64 = 2.0;

/// A turn computes frames for this long, the middle of which counts, but at least one and at most `TURN_FRAMES`: a short frame alone
/// would be at the mercy of whatever else the machine does in that moment.
const TURN_SECS: f64 = 0.5;
const TURN_FRAMES: usize = 5;

/// An engine among the others.
struct Contestant {
    variant: Variant,
    timing: Timing,
    /// None where it is started for each turn, or has dropped out.
    server: Option<FrameServer>,
    is_in: bool,
}

/// Lets the engines take turns; the first place in a round goes round, too. `size` may be smaller than the workload's, for a trial.
pub(super) fn measure(
    bench: &Bench<'_>,
    workload: &Workload,
    size: (usize, usize),
    n_rounds: usize,
    cores: &[usize],
) -> Result<Measurement> {
    let side_by_side = Workload::fits_side_by_side(size);
    let size = format!("{}x{}", size.0, size.1);
    let start = |variant: &Variant| FrameServer::start(&mut variant.command(bench, workload, &size, cores));
    let output_file = bench.peers.folder.join("output.f32");
    let mut contestants: Vec<Contestant> = Vec::new();
    let mut truth: Vec<f32> = Vec::new();
    let mut gflop_per_frame = f64::NAN;

    for variant in Variant::all(bench.peers, bench.engines) {
        let mut timing = Timing {
            engine: variant.engine().to_owned(),
            precision: variant.precision,
            version: bench.conditions.version.clone(),
            seconds: Vec::new(),
            psnr_db: None,
            max_difference: None,
            peak_memory_mb: None,
            note: variant.not_counted(workload).map(str::to_owned),
            counts: variant.not_counted(workload).is_none(),
        };
        let mut is_in = false;
        let mut running = None;
        if let Some(reason) = variant.left_out(workload) {
            timing.note = Some(reason.to_owned());
        } else {
            let mut server = start(&variant)?;
            if let Some(version) = server.ready["version"].as_str() {
                timing.version = version.to_owned();
            }
            gflop_per_frame = server.ready["gflop_per_frame"].as_f64().unwrap_or(gflop_per_frame);
            let computes_in = server.ready["precision"].as_str().unwrap_or(variant.precision.name());
            if computes_in == variant.precision.name() {
                timing.seconds.push(take_turn(&mut server)?);
                timing.peak_memory_mb = server.peak_memory_bytes().map(|bytes| bytes as f64 / 1e6);
                let output = server.output(&output_file)?;
                if variant.precision == Precision::Exact {
                    truth = output;
                } else {
                    compare(&mut timing, &truth, &output).with_context(|| workload.title.to_owned())?;
                }
                is_in = true;
                running = side_by_side.then_some(server);
            } else {
                timing.note = Some(format!("left out: it computes in {computes_in} here"));
            }
        }
        report(workload, cores.len(), 1, &timing);
        contestants.push(Contestant { variant, timing, server: running, is_in });
        drop_out(&mut contestants);
    }

    for round in 1..n_rounds {
        for turn in 0..contestants.len() {
            let place = (round + turn) % contestants.len();
            let contestant = &mut contestants[place];
            if !contestant.is_in {
                continue;
            }
            let seconds = match &mut contestant.server {
                Some(server) => take_turn(server)?,
                None => take_turn(&mut start(&contestant.variant)?)?,
            };
            contestant.timing.seconds.push(seconds);
            report(workload, cores.len(), round + 1, &contestant.timing);
        }
    }
    Ok(Measurement {
        conditions: bench.conditions.clone(),
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
fn drop_out(contestants: &mut [Contestant]) {
    let fastest = |contestants: &[Contestant], is_f32: bool| {
        contestants
            .iter()
            .filter(|c| c.variant.peer.is_some() && c.timing.counts && c.timing.precision.is_f32() == is_f32)
            .filter_map(|c| c.timing.seconds.first().copied())
            .fold(f64::INFINITY, f64::min)
    };
    for is_f32 in [true, false] {
        let limit = HOPELESS * fastest(contestants, is_f32);
        for contestant in contestants.iter_mut() {
            let timing = &mut contestant.timing;
            let is_slow = timing.seconds.first().is_some_and(|&seconds| seconds > limit);
            if contestant.is_in
                && contestant.variant.peer.is_some()
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

fn report(workload: &Workload, threads: usize, round: usize, timing: &Timing) {
    let plural = if threads == 1 { "" } else { "s" };
    let said = match timing.seconds.last() {
        Some(seconds) => format!("{seconds:.4} s"),
        None => timing.note.clone().unwrap_or_default(),
    };
    println!(
        "{}, {threads} thread{plural}, round {round}: {:<12} {:<5} {said}",
        workload.name,
        timing.engine,
        timing.precision.name()
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timing(precision: Precision) -> Timing {
        let mut timing = super::super::results::example().timings[2].clone();
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
