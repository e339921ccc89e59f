//! `pegbar models convert` and `pegbar models merge`: model files made of model files, each checked before it gets its name.

use crate::cli::{ConvertArgs, MergeArgs};
use crate::commands::bench::test_picture;
use crate::commands::session;
use crate::exit::{Exit, UsageError};
use crate::output::{self, Existing};
use crate::report;
use anyhow::{Context, Result, anyhow, bail};
use pegbar_engine::{Precision, Session, SessionOptions};
use pegbar_formats::{ModelFile, StateDict, WeightsFile, ncnn, onnx, pth, read_model, safetensors};
use pegbar_frame::PlanarImage;
use pegbar_net::{Model, ModelOptions, OnnxOptions, export_ncnn, export_onnx};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The largest difference that rounding explains, for results of about 1.
const ROUNDING: f64 = 1e-4;
/// With weights in half precision.
const HALF_ROUNDING: f64 = 5e-2;
/// Side of the picture that both models are run on.
const CHECKED_PX: usize = 48;

/// What a command made.
#[derive(Debug, Serialize)]
struct Made {
    output: String,
    format: &'static str,
    architecture: &'static str,
    scale: usize,
    /// Between the model before and the written one, read again; of merged models there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_abs_err: Option<f64>,
    notes: Vec<String>,
}

/// What can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Safetensors,
    Pth,
    Onnx,
    Ncnn,
}

impl Format {
    fn of_path(path: &Path) -> Result<Self> {
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        Ok(match extension.as_str() {
            "safetensors" => Self::Safetensors,
            "pth" | "pt" => Self::Pth,
            "onnx" => Self::Onnx,
            "param" => Self::Ncnn,
            _ => {
                let message = format!(
                    "{}: name the output .safetensors, .pth, .onnx, or .param (ncnn, with a .bin beside it)",
                    path.display()
                );
                return Err(UsageError(message).into());
            }
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Safetensors => "safetensors",
            Self::Pth => "PyTorch",
            Self::Onnx => "ONNX",
            Self::Ncnn => "ncnn",
        }
    }
}

/// Runs `models convert`.
pub(super) fn convert(args: &ConvertArgs) -> Result<Exit> {
    let format = Format::of_path(&args.output)?;
    let existing = if args.overwrite { Existing::Overwrite } else { Existing::Refuse };
    let model = session::load(&args.input, args.model_scale)?;
    let mut notes = model.notes.clone();
    let temporary = Temporary::beside(&args.output, existing)?;
    match format {
        Format::Onnx => {
            let exported = export_onnx(&model, OnnxOptions { half: args.half })?;
            onnx::write(temporary.path(), &exported)?;
            if args.half && !model.half_safe {
                notes.push(format!(
                    "nobody has shown that what {} computes stays small enough for half precision, in which other programs \
                     run this file: look at its results, or leave --half out",
                    model.architecture
                ));
            }
        }
        Format::Ncnn => {
            ncnn::write(temporary.path(), &export_ncnn(&model, args.half)?)?;
            let minimum = model.net.size_rule.minimum;
            if minimum > 1 {
                notes.push(format!(
                    "it takes only pictures whose sides are {minimum} px or more, which an ncnn file cannot say: programs \
                     that run it must enlarge smaller ones themselves"
                ));
            }
        }
        Format::Safetensors | Format::Pth => {
            let weights = weights_of(&args.input)?;
            let dict = if args.half { halved(&weights.state_dict)? } else { weights.state_dict.clone() };
            notes.extend(weights.warnings.iter().cloned());
            write_weights(format, temporary.path(), &dict, &weights)?;
        }
    }
    let again = read_again(&temporary).context("the converted model cannot be read; nothing was written")?;
    same_scale(&args.output, model.scale, again.scale)?;
    let max_abs_err = largest_difference(&model, &again)?;
    let allowed = if args.half { HALF_ROUNDING } else { ROUNDING };
    if max_abs_err.is_nan() || max_abs_err > allowed {
        bail!(
            "the converted model differs from {} by {max_abs_err:.2e} on a test picture, more than rounding explains ({allowed:.0e}): \
             nothing was written",
            args.input.display()
        );
    }
    temporary.keep(&args.output, existing)?;
    let made = Made {
        output: args.output.display().to_string(),
        format: format.name(),
        architecture: model.architecture,
        scale: model.scale,
        max_abs_err: Some(max_abs_err),
        notes,
    };
    say(&made, args.report.json)
}

/// Runs `models merge`.
pub(super) fn merge(args: &MergeArgs) -> Result<Exit> {
    let format = Format::of_path(&args.output)?;
    if matches!(format, Format::Onnx | Format::Ncnn) {
        let message = "merged weights are written as .safetensors or .pth; `pegbar models convert` makes the rest of them";
        return Err(UsageError(message.to_owned()).into());
    }
    let existing = if args.overwrite { Existing::Overwrite } else { Existing::Refuse };
    let (a, b) = (weights_of(&args.first)?, weights_of(&args.second)?);
    let dict = a.state_dict.interpolate(&b.state_dict, args.weight).map_err(|reason| {
        anyhow!("{} and {} cannot be merged: {reason}", args.first.display(), args.second.display())
    })?;
    let temporary = Temporary::beside(&args.output, existing)?;
    write_weights(format, temporary.path(), &dict, &a)?;
    let scale = merged_scale(args, &a.state_dict, &b.state_dict)?;
    let model =
        read_again(&temporary).context("the merged weights are no model that runs; nothing was written")?;
    same_scale(&args.output, scale, model.scale)?;
    let picture = test_picture(model.input_channels, CHECKED_PX, CHECKED_PX);
    let result = exact(&model)?.run(&picture)?;
    if result.data.iter().any(|value| !value.is_finite()) {
        bail!("the merged model makes values that are no numbers; nothing was written");
    }
    temporary.keep(&args.output, existing)?;
    let made = Made {
        output: args.output.display().to_string(),
        format: format.name(),
        architecture: model.architecture,
        scale: model.scale,
        max_abs_err: None,
        notes: model.notes,
    };
    say(&made, args.report.json)
}

fn say(made: &Made, json: bool) -> Result<Exit> {
    if json {
        report::json(made)?;
        return Ok(Exit::Done);
    }
    let checked = made
        .max_abs_err
        .map_or_else(String::new, |error| format!(", checked: largest difference {error:.1e}"));
    outln!("{} ({}, {} x{}{checked})", made.output, made.format, made.architecture, made.scale);
    for note in &made.notes {
        outln!("  note: {note}");
    }
    Ok(Exit::Done)
}

/// The weights of a file, which has to hold named ones.
fn weights_of(path: &Path) -> Result<WeightsFile> {
    match read_model(path).with_context(|| path.display().to_string())? {
        ModelFile::Weights(weights) => Ok(weights),
        ModelFile::Ncnn(_) | ModelFile::Onnx(_) => bail!(
            "{}: a graph does not tell the names that weights have in PyTorch's programs; it can be converted to .onnx or .param",
            path.display()
        ),
    }
}

/// Writes weights as they were found: with the same names under the same key.
fn write_weights(format: Format, path: &Path, dict: &StateDict, found: &WeightsFile) -> Result<()> {
    match format {
        Format::Pth => pth::write(path, dict, found.container.wrapper.as_deref().or(Some("params")))?,
        _ => safetensors::write(path, dict, &BTreeMap::new())?,
    }
    Ok(())
}

/// Floating-point tensors in half precision; what half precision cannot hold is an error.
fn halved(dict: &StateDict) -> Result<StateDict> {
    dict.iter()
        .map(|(name, tensor)| {
            let half = tensor.to_half();
            let overflows =
                tensor.to_f32().iter().zip(half.to_f32()).any(|(was, is)| was.is_finite() && !is.is_finite());
            if overflows {
                bail!("{name} holds values too large for half precision: leave --half out");
            }
            Ok((name.to_owned(), half))
        })
        .collect()
}

fn exact(model: &Model) -> Result<Session> {
    Ok(Session::open(model, &SessionOptions { precision: Precision::Exact, ..SessionOptions::default() })?)
}

/// The largest difference of two models on a test picture.
fn largest_difference(a: &Model, b: &Model) -> Result<f64> {
    let same =
        (a.scale, a.input_channels, a.output_channels) == (b.scale, b.input_channels, b.output_channels);
    if !same {
        bail!("the converted model has another scale or other channels: nothing was written");
    }
    let side = CHECKED_PX.max(a.net.size_rule.minimum);
    // A size that is no multiple of anything, so that padding is checked, too.
    let picture = test_picture(a.input_channels, side + 5, side + 3);
    let run = |model: &Model| -> Result<PlanarImage> { Ok(exact(model)?.run(&picture)?) };
    let (first, second) = (run(a)?, run(b)?);
    let differences = first.data.iter().zip(&second.data).map(|(x, y)| (f64::from(*x) - f64::from(*y)).abs());
    Ok(differences.fold(0.0, |most, d| if d > most || d.is_nan() { d } else { most }))
}

/// Reads a written model as the next command will: its final name counts, and nothing that only this command knows. What
/// there is to note about it is the caller's to say, for the path is not the final one.
fn read_again(temporary: &Temporary) -> Result<Model> {
    Ok(Model::from_file(temporary.path())?)
}

/// Refuses a name under which the model would be read as one of another scale, as that of some ESRGAN is told by nothing
/// but the name.
fn same_scale(output: &Path, scale: usize, again: usize) -> Result<()> {
    if scale == again {
        return Ok(());
    }
    let name = output.file_name().unwrap_or_default().to_string_lossy();
    bail!(
        "{}: nothing but the file's name tells that this model is {scale}x, and by this one it would be read as {again}x; \
         put {scale}x into it, such as {scale}x_{name}: nothing was written",
        output.display()
    )
}

/// The scale of two models to be merged: the command line's, or theirs.
fn merged_scale(args: &MergeArgs, first: &StateDict, second: &StateDict) -> Result<usize> {
    let scale_of = |path: &Path, dict: &StateDict| -> Result<usize> {
        let options = ModelOptions {
            scale: args.model_scale.map(usize::from),
            file_name: path.file_name().map(|name| name.to_string_lossy().into_owned()),
        };
        let model = Model::from_state_dict_with(dict, &options);
        Ok(model.with_context(|| path.display().to_string())?.scale)
    };
    let (a, b) = (scale_of(&args.first, first)?, scale_of(&args.second, second)?);
    if a != b {
        bail!(
            "by their names {} is {a}x and {} {b}x: say with --model-scale what they are",
            args.first.display(),
            args.second.display()
        );
    }
    Ok(a)
}

/// A file, or ncnn's two, in a folder of its own beside the output until all is checked.
struct Temporary {
    folder: tempfile::TempDir,
    path: PathBuf,
}

impl Temporary {
    fn beside(output: &Path, existing: Existing) -> Result<Self> {
        let folder = output::check(output, existing)?;
        for other in companions(output) {
            output::check(&other, existing)?;
        }
        let folder = tempfile::Builder::new()
            .prefix(".pegbar-")
            .tempdir_in(folder)
            .with_context(|| format!("{}: the folder cannot be written to", folder.display()))?;
        let path = folder.path().join(output.file_name().unwrap_or_default());
        Ok(Self { folder, path })
    }

    fn path(&self) -> &Path {
        &self.path
    }

    /// Gives all of it its names.
    fn keep(self, output: &Path, existing: Existing) -> Result<()> {
        let moves = std::iter::once((self.path.clone(), output.to_owned()))
            .chain(companions(&self.path).into_iter().zip(companions(output)));
        for (from, to) in moves {
            output::check(&to, existing)?;
            std::fs::rename(&from, &to).with_context(|| format!("{}: cannot be written", to.display()))?;
        }
        drop(self.folder);
        Ok(())
    }
}

/// Files that belong to one of this name.
fn companions(path: &Path) -> Vec<PathBuf> {
    if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("param")) {
        vec![path.with_extension("bin")]
    } else {
        Vec::new()
    }
}
