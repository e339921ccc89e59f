//! Architectures that are recognised but not built, so that the message can name them.

use super::keys::has;
use pegbar_formats::StateDict;

/// Name, and key patterns that all occur in its files. The first that fits wins: variants stand before what
/// they were derived from.
const SIGNS: &[(&str, &[&str])] = &[("TSCUNet", &["m_layers.0.weight", "m_head.0.weight"])];

/// Name of the architecture whose signs the keys bear.
pub(super) fn recognise(state_dict: &StateDict) -> Option<&'static str> {
    SIGNS
        .iter()
        .find(|(_, signs)| signs.iter().all(|pattern| has(state_dict, pattern)))
        .map(|&(name, _)| name)
}
