//! `pegbar bench --serve`: one frame whenever it is asked for, so that several engines can take turns on one machine.
//!
//! Each request is a line on standard input and is answered by a line of JSON: `run` by the seconds it took, `write FILE` by
//! the number of bytes written. The process ends with its input.

use super::test_picture;
use crate::exit::Exit;
use anyhow::{Context, Result, bail};
use pegbar_cpu::CpuLevel;
use pegbar_engine::{Crew, Session};
use pegbar_frame::PlanarImage;
use pegbar_net::Model;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;
use std::time::Instant;

/// Warms up, then answers until the input ends.
pub(super) fn serve(
    model: &Model,
    session: &Session,
    (width, height): (usize, usize),
    frame: Option<&Path>,
) -> Result<Exit> {
    let picture = match frame {
        Some(path) => read_picture(path, model.input_channels, width, height)
            .with_context(|| format!("cannot read the frame {}", path.display()))?,
        None => test_picture(model.input_channels, width, height),
    };
    let mut result = PlanarImage::default();
    session.run_into(Crew::Together, &picture, &mut result)?; // warms caches and allocates
    let flop = model.net.flops_per_pixel() * (width * height) as f64;
    answer(&json!({
        "ready": true,
        "cpu_level": CpuLevel::from_env()?.name(),
        "threads": session.threads(),
        "gflop_per_frame": flop / 1e9,
    }))?;
    for line in std::io::stdin().lines() {
        let line = line.context("cannot read a request")?;
        match line.trim().split_once(' ').unwrap_or((line.trim(), "")) {
            ("run", "") => {
                let start = Instant::now();
                session.run_into(Crew::Together, std::hint::black_box(&picture), &mut result)?;
                std::hint::black_box(&result);
                answer(&json!({ "seconds": start.elapsed().as_secs_f64() }))?;
            }
            ("write", path) if !path.is_empty() => {
                session.run_into(Crew::Together, &picture, &mut result)?;
                write_picture(Path::new(path), &result).with_context(|| format!("cannot write {path}"))?;
                answer(&json!({ "bytes": result.data.len() * size_of::<f32>() }))?;
            }
            _ => bail!("{line:?} is no request; write `run` or `write FILE`"),
        }
    }
    Ok(Exit::Done)
}

/// One line, sent at once: the other side waits for it.
fn answer(value: &Value) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{value}")?;
    out.flush()?;
    Ok(())
}

fn read_picture(path: &Path, channels: usize, width: usize, height: usize) -> Result<PlanarImage> {
    let file = File::open(path)?;
    let expected = (channels * width * height * size_of::<f32>()) as u64;
    let found = file.metadata()?.len();
    if found != expected {
        bail!(
            "it has {found} bytes where {channels} planes of {width}x{height} 32-bit floats take {expected}"
        );
    }
    let mut picture = PlanarImage::zeros(channels, height, width);
    let mut reader = BufReader::new(file);
    let mut bytes = [0; size_of::<f32>()];
    for value in &mut picture.data {
        reader.read_exact(&mut bytes)?;
        *value = f32::from_le_bytes(bytes);
    }
    Ok(picture)
}

fn write_picture(path: &Path, picture: &PlanarImage) -> Result<()> {
    let mut writer = BufWriter::new(File::create(path)?);
    for value in &picture.data {
        writer.write_all(&value.to_le_bytes())?;
    }
    writer.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_read_as_it_was_written_and_a_wrong_size_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("frame.f32");
        let picture = test_picture(3, 5, 4);
        write_picture(&path, &picture).unwrap();
        assert_eq!(read_picture(&path, 3, 5, 4).unwrap().data, picture.data);
        let error = read_picture(&path, 3, 5, 3).unwrap_err().to_string();
        assert!(error.contains("240 bytes") && error.contains("180"), "{error}");
    }
}
