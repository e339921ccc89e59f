//! Reports on standard output: JSON or text.

use serde::Serialize;
use std::io::Write;

/// Prints a value as JSON.
///
/// # Errors
/// When standard output is closed.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, value)?;
    writeln!(out)?;
    Ok(())
}

/// Rounds to `digits` decimals; infinity and NaN become `None`, which JSON shows as null.
pub(crate) fn finite(value: f64, digits: i32) -> Option<f64> {
    let factor = 10f64.powi(digits);
    value.is_finite().then(|| (value * factor).round() / factor)
}
