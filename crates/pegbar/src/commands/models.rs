//! `pegbar models`: what a model file holds, and whether it computes what it should.

mod convert;
mod info;

use super::session;
use crate::cli::{InspectArgs, ModelsCommand, PrecisionArg, VerifyArgs};
use crate::exit::Exit;
use crate::report;
use anyhow::{Context, Result, bail};
use pegbar_frame::PlanarImage;
use pegbar_net::{Model, SizeRule};
use serde::Serialize;
use std::path::Path;

/// Runs a subcommand.
pub(crate) fn run(command: ModelsCommand) -> Result<Exit> {
    match command {
        ModelsCommand::Inspect(args) => inspect(&args),
        ModelsCommand::Info(args) => info::info(&args),
        ModelsCommand::Verify(args) => verify(&args),
        ModelsCommand::Convert(args) => convert::convert(&args),
        ModelsCommand::Merge(args) => convert::merge(&args),
    }
}

/// What `models inspect` reports.
#[derive(Debug, Serialize)]
struct Inspection {
    file: String,
    architecture: &'static str,
    architecture_name: &'static str,
    scale: usize,
    input_channels: usize,
    output_channels: usize,
    parameters: usize,
    flops_per_pixel: f64,
    receptive_field_px: Option<usize>,
    size_requirements: SizeRule,
    supports_half: bool,
    tags: Vec<String>,
    hyperparameters: serde_json::Map<String, serde_json::Value>,
    operations: usize,
    notes: Vec<String>,
}

fn inspect(args: &InspectArgs) -> Result<Exit> {
    let model = session::load(&args.file, args.model_scale)?;
    let inspection = Inspection {
        file: args.file.display().to_string(),
        architecture: model.architecture,
        architecture_name: model.architecture_name,
        scale: model.scale,
        input_channels: model.input_channels,
        output_channels: model.output_channels,
        parameters: model.net.parameters(),
        flops_per_pixel: model.net.flops_per_pixel(),
        receptive_field_px: receptive_field_px(&model),
        size_requirements: model.net.size_rule,
        supports_half: model.half_safe,
        tags: model.tags,
        hyperparameters: model.hyperparameters,
        operations: model.net.nodes.len(),
        notes: model.notes,
    };
    if args.report.json {
        report::json(&inspection)?;
        return Ok(Exit::Done);
    }
    let i = &inspection;
    outln!("{}", i.file);
    outln!("  architecture     {} ({})", i.architecture, i.architecture_name);
    outln!("  scale            {}x", i.scale);
    outln!("  channels         {} in, {} out", i.input_channels, i.output_channels);
    outln!("  parameters       {}", thousands(i.parameters));
    outln!("  work             {:.1} kFLOP per input pixel", i.flops_per_pixel / 1e3);
    print_receptive_field(i.receptive_field_px);
    let rule = &i.size_requirements;
    outln!("  input size       at least {} px, multiples of {}", rule.minimum, rule.multiple_of);
    outln!("  half precision   {}", if i.supports_half { "safe" } else { "not known to be safe" });
    if !i.tags.is_empty() {
        outln!("  tags             {}", i.tags.join(", "));
    }
    for (key, value) in &i.hyperparameters {
        outln!("  {key:16} {value}");
    }
    for note in &i.notes {
        outln!("  note: {note}");
    }
    Ok(Exit::Done)
}

/// How far a pixel of the result depends on others, to the farthest side; `None` is the whole picture.
fn receptive_field_px(model: &Model) -> Option<usize> {
    model.net.receptive_field().map(|f| f.left.max(f.right).max(f.top).max(f.bottom))
}

fn print_receptive_field(px: Option<usize>) {
    match px {
        Some(px) => outln!("  receptive field  {px} px to each side"),
        None => outln!("  receptive field  the whole picture"),
    }
}

/// `1234567` as `1,234,567`.
fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// What `models verify` reports.
#[derive(Debug, Serialize)]
struct Verification {
    weights: String,
    golden: String,
    architecture: &'static str,
    scale: usize,
    input_channels: usize,
    output_channels: usize,
    max_abs_err: f64,
    mean_abs_err: f64,
    tolerance: f64,
    passed: bool,
}

fn verify(args: &VerifyArgs) -> Result<Exit> {
    let model = session::load(&args.weights, args.engine.model_scale)?;
    let session = session::open_with(&model, &args.engine, PrecisionArg::Exact)?;
    let (input, expected) = read_golden(&args.golden).with_context(|| args.golden.display().to_string())?;
    let output = session.run(&input)?;
    let shape = |p: &PlanarImage| format!("{}x{} with {} channels", p.width, p.height, p.channels);
    if (output.width, output.height, output.channels) != (expected.width, expected.height, expected.channels)
    {
        bail!("the model makes {}, the stored output is {}", shape(&output), shape(&expected));
    }
    let differences =
        output.data.iter().zip(&expected.data).map(|(a, b)| (f64::from(*a) - f64::from(*b)).abs());
    let max_abs_err = differences.clone().fold(0.0, f64::max);
    let mean_abs_err = differences.sum::<f64>() / output.data.len() as f64;
    let passed = max_abs_err <= args.tolerance;
    let verification = Verification {
        weights: args.weights.display().to_string(),
        golden: args.golden.display().to_string(),
        architecture: model.architecture,
        scale: model.scale,
        input_channels: model.input_channels,
        output_channels: model.output_channels,
        max_abs_err,
        mean_abs_err,
        tolerance: args.tolerance,
        passed,
    };
    if args.report.json {
        report::json(&verification)?;
    } else {
        let verdict = if passed { "agrees" } else { "DIFFERS" };
        outln!(
            "{}: {verdict}, largest difference {max_abs_err:.3e} (tolerance {:.1e}), mean {mean_abs_err:.3e}",
            args.weights.display(),
            args.tolerance
        );
    }
    Ok(if passed { Exit::Done } else { Exit::Failed })
}

/// Reads `input` and `output` of a stored case.
fn read_golden(path: &Path) -> Result<(PlanarImage, PlanarImage)> {
    let tensors = pegbar_formats::safetensors::read(path)?.state_dict;
    let picture = |name: &str| -> Result<PlanarImage> {
        let tensor = tensors.get(name).with_context(|| format!("the tensor `{name}` is missing"))?;
        let &[1, channels, height, width] = tensor.shape() else {
            bail!("the tensor `{name}` has shape {:?}, (1,C,H,W) is needed", tensor.shape());
        };
        let data = tensor.to_f32();
        if let Some(bad) = data.iter().find(|v| !v.is_finite()) {
            bail!("the tensor `{name}` holds {bad}");
        }
        Ok(PlanarImage { width, height, channels, data })
    };
    Ok((picture("input")?, picture("output")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_separated() {
        assert_eq!(thousands(7), "7");
        assert_eq!(thousands(621_424), "621,424");
        assert_eq!(thousands(16_697_987), "16,697,987");
    }
}
