//! Files of earlier versions, brought up to date.

use serde_json::Value;

/// For each version before the present one, in order from 1: what makes a chain of the next version of it.
///
/// Whoever changes the format adds a function here and leaves the others alone, so that a file of any age loads. Renamed kinds
/// of nodes need none: see [`NodeType::former_ids`](crate::NodeType::former_ids).
const STEPS: &[fn(&mut Value)] = &[];

/// Takes all steps from a version on.
pub(crate) fn up_to_date(mut chain: Value, version: u64) -> Value {
    let first = usize::try_from(version.saturating_sub(1)).unwrap_or(usize::MAX);
    for step in STEPS.iter().skip(first) {
        step(&mut chain);
    }
    chain["pegbar"] = crate::VERSION.into();
    chain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_step_for_each_version() {
        assert_eq!(STEPS.len() as u64 + 1, crate::VERSION);
    }
}
