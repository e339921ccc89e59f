//! What was measured, in the form that is kept between runs.

use serde::{Deserialize, Serialize};

use crate::machine::Conditions;
use crate::performance_page::median;

/// One workload at one number of threads.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Measurement {
    pub(crate) conditions: Conditions,
    /// Operations of the network by direct count, where a multiplication and an addition are two.
    pub(crate) gflop_per_frame: f64,
    pub(crate) timings: Vec<Timing>,
}

/// One engine in one precision.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Timing {
    pub(crate) engine: String,
    pub(crate) precision: Precision,
    pub(crate) version: String,
    /// One number a round; fewer rounds than the others where it was too slow to matter, none where it could not take part.
    pub(crate) seconds: Vec<f64>,
    /// Against Pegbar's exact result; none where the two are equal.
    pub(crate) psnr_db: Option<f64>,
    pub(crate) max_difference: Option<f64>,
    pub(crate) peak_memory_mb: Option<f64>,
    /// What a reader has to know about it.
    pub(crate) note: Option<String>,
    /// Whether it is one of the peers that Pegbar is compared with.
    pub(crate) counts: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Precision {
    /// Pegbar's 32-bit floating point.
    Exact,
    /// Pegbar's quick arithmetic.
    Fast,
    F32,
    Bf16,
}

impl Precision {
    /// As the engines take it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Precision::Exact => "exact",
            Precision::Fast => "fast",
            Precision::F32 => "f32",
            Precision::Bf16 => "bf16",
        }
    }

    /// Whether its result may differ from Pegbar's exact one by rounding in f32 only.
    pub(crate) fn is_f32(self) -> bool {
        matches!(self, Precision::Exact | Precision::F32)
    }
}

impl Timing {
    /// The middle of the rounds; none where there was no round.
    pub(crate) fn median(&self) -> Option<f64> {
        (!self.seconds.is_empty()).then(|| median(&self.seconds))
    }
}

impl Measurement {
    /// Pegbar's own timing.
    pub(crate) fn own(&self, precision: Precision) -> Option<&Timing> {
        self.timings.iter().find(|timing| timing.engine == "Pegbar" && timing.precision == precision)
    }

    /// The fastest peer that Pegbar's `precision` is compared with, and its seconds: of any precision for `Fast`, of f32 for `Exact`.
    pub(crate) fn fastest_peer(&self, precision: Precision) -> Option<(&Timing, f64)> {
        self.timings
            .iter()
            .filter(|timing| timing.engine != "Pegbar" && timing.counts)
            .filter(|timing| precision == Precision::Fast || timing.precision.is_f32())
            .filter_map(|timing| Some((timing, timing.median()?)))
            .min_by(|a, b| a.1.total_cmp(&b.1))
    }

    /// The fastest such peer's seconds over Pegbar's: above 1, Pegbar is faster.
    pub(crate) fn ratio(&self, precision: Precision) -> Option<f64> {
        Some(self.fastest_peer(precision)?.1 / self.own(precision)?.median()?)
    }
}

#[cfg(test)]
pub(crate) fn example() -> Measurement {
    let timing = |engine: &str, precision, seconds: &[f64], counts: bool| Timing {
        engine: engine.to_owned(),
        precision,
        version: "1.0".to_owned(),
        seconds: seconds.to_vec(),
        psnr_db: (precision != Precision::Exact).then_some(60.0),
        max_difference: Some(1e-6),
        peak_memory_mb: Some(100.0),
        note: (!counts).then(|| "not counted".to_owned()),
        counts,
    };
    let conditions =
        Conditions { machine: "a machine".into(), version: "1.0".into(), load_before: Some(0.1) };
    Measurement {
        conditions,
        gflop_per_frame: 400.0,
        timings: vec![
            timing("Pegbar", Precision::Exact, &[2.0, 1.0, 2.5], true),
            timing("Pegbar", Precision::Fast, &[1.0, 1.0, 1.0], true),
            timing("OpenVINO", Precision::F32, &[5.0, 4.0, 3.0], true),
            timing("OpenVINO", Precision::Bf16, &[3.0, 3.0, 2.0], true),
            timing("ncnn", Precision::F32, &[1.5], false),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fast_meets_any_peer_and_exact_those_of_its_kind() {
        let measurement = example();
        assert_eq!(measurement.ratio(Precision::Fast), Some(3.0));
        assert_eq!(measurement.ratio(Precision::Exact), Some(2.0));
    }
}
