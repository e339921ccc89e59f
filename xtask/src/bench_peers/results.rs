//! What is kept between runs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::turns::Measurement;

/// All that is known, from this run and earlier ones.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Results {
    /// By workload, then by number of threads.
    pub(super) workloads: BTreeMap<String, BTreeMap<usize, Measurement>>,
    /// 10^9 operations a second on one core, by instruction, in the order measured.
    pub(super) peaks: Vec<(String, f64)>,
}
