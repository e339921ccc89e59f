//! Opening a model as the command line asks.

use crate::cli::{DeviceArg, EngineArgs, PrecisionArg};
use anyhow::{Context, Result};
use pegbar_engine::{Device, Precision, Session, SessionOptions};
use pegbar_net::{Model, ModelOptions};
use std::path::Path;

/// Reads a model file.
pub(crate) fn load(path: &Path, scale: Option<u8>) -> Result<Model> {
    let options = ModelOptions {
        scale: scale.map(usize::from),
        file_name: path.file_name().map(|name| name.to_string_lossy().into_owned()),
    };
    let model = Model::from_file_with(path, &options).with_context(|| path.display().to_string())?;
    tracing::info!(
        "{}: {} x{}, {} -> {} channels",
        path.display(),
        model.architecture_name,
        model.scale,
        model.input_channels,
        model.output_channels
    );
    for note in &model.notes {
        tracing::warn!("{}: {note}", path.display());
    }
    Ok(model)
}

/// Compiles a model, in fast arithmetic where the command line does not say.
pub(crate) fn open(model: &Model, args: &EngineArgs) -> Result<Session> {
    open_with(model, args, PrecisionArg::Fast)
}

/// Compiles a model, in the given arithmetic where the command line does not say.
pub(crate) fn open_with(model: &Model, args: &EngineArgs, default: PrecisionArg) -> Result<Session> {
    Ok(Session::open(model, &options(args, default))?)
}

/// What the command line says of the engine; the given arithmetic where it does not say.
pub(crate) fn options(args: &EngineArgs, default: PrecisionArg) -> SessionOptions {
    SessionOptions {
        device: match args.device {
            DeviceArg::Auto => Device::Auto,
            DeviceArg::Cpu => Device::Cpu,
            DeviceArg::Gpu => Device::Gpu,
        },
        precision: match args.precision.unwrap_or(default) {
            PrecisionArg::Fast => Precision::Fast,
            PrecisionArg::Exact => Precision::Exact,
        },
        threads: args.threads.map(usize::from),
        tile: args.tile,
        memory_bytes: args.memory.map(|mib| mib as usize * (1 << 20)),
    }
}

/// Threads to work with: those asked for, or all.
pub(crate) fn threads(args: &EngineArgs) -> usize {
    args.threads.map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from)
}
