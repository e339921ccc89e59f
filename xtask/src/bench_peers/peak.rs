//! How near Pegbar comes to what the processor can multiply.

use std::process::Command;

use anyhow::{Context, Result};

use crate::turns::{Measurement, Precision};
use crate::workspace::Workspace;
use crate::{machine, process};

/// Winograd's F(4x4, 3x3) makes 16 outputs with 36 multiplications for each pair of channels, where the direct way takes 144.
const WINOGRAD_SAVING: f64 = 4.0;

/// Measures each multiply-add instruction on one core: its name and 10^9 operations a second.
pub(super) fn measure(workspace: &Workspace, core: usize) -> Result<Vec<(String, f64)>> {
    let build = ["build", "--release", "--package", "pegbar-cpu", "--example", "peak"];
    process::run(&mut workspace.cargo(&build))?;
    let program =
        workspace.target_dir.join("release/examples").join(format!("peak{}", std::env::consts::EXE_SUFFIX));
    let mut command: Command = machine::pinned(&[core], &program);
    parse(&process::stdout(&mut command)?)
}

fn parse(text: &str) -> Result<Vec<(String, f64)>> {
    let line = |line: &str| {
        let (name, gops) = line.split_once('\t').with_context(|| format!("no tab in {line:?}"))?;
        Ok((name.to_owned(), gops.parse().with_context(|| format!("no number in {line:?}"))?))
    };
    text.lines().map(line).collect()
}

/// The most that one core reaches with 16-bit integers, and the instruction.
fn int16(peaks: &[(String, f64)]) -> Option<&(String, f64)> {
    peaks.iter().filter(|(name, _)| name.starts_with("int16")).max_by(|a, b| a.1.total_cmp(&b.1))
}

/// The share of the int16 limit that the multiplications of the fast arithmetic reach, were all of its convolutions by Winograd's way.
pub(super) fn share(measurement: &Measurement, threads: usize, peaks: &[(String, f64)]) -> Option<f64> {
    let seconds = measurement.own(Precision::Fast)?.median()?;
    let gops = measurement.gflop_per_frame / WINOGRAD_SAVING / seconds;
    Some(gops / (int16(peaks)?.1 * threads as f64))
}

/// What the page says of the limit; nothing where no peak is known.
pub(super) fn paragraph(peaks: &[(String, f64)], shares: &[(String, usize, f64)]) -> Option<String> {
    let (name, gops) = int16(peaks)?;
    let measured: Vec<String> = peaks.iter().map(|(name, gops)| format!("{name} {gops:.0}")).collect();
    let shares: Vec<String> = shares
        .iter()
        .map(|(title, threads, share)| {
            let plural = if *threads == 1 { "" } else { "s" };
            format!("{title}, {threads} thread{plural}: {:.0} %", share * 100.0)
        })
        .collect();
    Some(format!(
        "### The processor's limit\n\n\
         One core, 10^9 operations a second (a multiplication and an addition are two): {}.\n\n\
         Winograd's F(4x4, 3x3) leaves a quarter of a 3x3 convolution's multiplications. Share of the int16 limit ({name}, {gops:.0}) that \
         these reach in the fast arithmetic, over the whole time of a frame: {}.",
        measured.join(", "),
        if shares.is_empty() { "not measured".to_owned() } else { shares.join("; ") }
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::turns::example;

    #[test]
    fn the_share_is_of_a_quarter_of_the_direct_operations() {
        let peaks = parse("f32 vfmadd231ps zmm\t240\nint16 vpdpwssd zmm\t200.0\n").unwrap();
        // 400 GFLOP in 1 s: 100 by Winograd's way, on a core that could do 200.
        assert_eq!(share(&example(), 1, &peaks), Some(0.5));
        assert_eq!(share(&example(), 2, &peaks), Some(0.25));
        assert_eq!(share(&example(), 1, &peaks[..1]), None);
    }
}
