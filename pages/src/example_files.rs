//! The files that examples name: pictures, a table of colours, and two small networks.

use anyhow::{Context, Result};
use pegbar_media::still::{self, Format, StillImage, WriteOptions};
use safetensors::tensor::{Dtype, TensorView, serialize_to_file};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::scene;

/// Writes all of them to a folder.
pub(crate) fn write(folder: &Path) -> Result<()> {
    fs::write(folder.join("grade.cube"), cube())?;
    fs::create_dir_all(folder.join("frames"))?;
    fs::create_dir_all(folder.join("models"))?;
    picture(&folder.join("frame.png"), 0)?;
    for i in 0..3 {
        picture(&folder.join(format!("frames/frame_{:04}.png", i + 1)), 6 * i)?;
    }
    model(&folder.join("models/tiny.safetensors"), 0.0)?;
    model(&folder.join("models/tiny-sharp.safetensors"), 0.5)
}

fn picture(path: &Path, index: usize) -> Result<()> {
    let image = scene::cartoon(index);
    let still = StillImage { image, alpha: None, depth_bits: 8, icc_profile: None };
    still::write(path, &still, &WriteOptions::new(Format::Png, 100))?;
    Ok(())
}

/// A look of evening light: shadows towards blue, lights towards orange.
fn cube() -> String {
    const SIDE: usize = 9;
    let mut text = format!("TITLE \"Evening\"\nLUT_3D_SIZE {SIDE}\n");
    let step = |n: usize| n as f64 / (SIDE - 1) as f64;
    for b in 0..SIDE {
        for g in 0..SIDE {
            for r in 0..SIDE {
                let (r, g, b) = (step(r), step(g), step(b));
                let light = 0.299 * r + 0.587 * g + 0.114 * b;
                let graded =
                    [r + 0.16 * light - 0.04, g * 0.92, b * (1.0 - 0.35 * light) + 0.1 * (1.0 - light)];
                let [r, g, b] = graded.map(|v| v.clamp(0.0, 1.0));
                text += &format!("{r:.6} {g:.6} {b:.6}\n");
            }
        }
    }
    text
}

/// A network of the Compact architecture for scale 2, with weights that are computed, not trained: its first layer hands the
/// picture on, and its last interpolates by a quadratic (Dodgson, 1997), less the nearest pixel, which the architecture adds.
/// `sharp` adds that part of the difference from the mean of the neighbours.
fn model(path: &Path, sharp: f32) -> Result<()> {
    const COLOURS: usize = 3;
    const SCALE: usize = 2;
    // Of the pixel before, the pixel itself and the one behind, a quarter of a pixel before the middle of the latter.
    let quarter = |t: f32| [t * (t - 0.5), 1.0 - 2.0 * t * t, t * (t + 0.5)];
    let along = [quarter(-0.25), quarter(0.25)];
    let mut first = vec![0.0f32; COLOURS * COLOURS * 9];
    let mut last = vec![0.0f32; COLOURS * SCALE * SCALE * COLOURS * 9];
    for c in 0..COLOURS {
        first[(c * COLOURS + c) * 9 + 4] = 1.0;
        for phase in 0..SCALE * SCALE {
            let (down, across) = (along[phase / SCALE], along[phase % SCALE]);
            let kernel = &mut last[((c * SCALE * SCALE + phase) * COLOURS + c) * 9..][..9];
            for (i, tap) in kernel.iter_mut().enumerate() {
                let is_middle = f32::from(u8::from(i == 4));
                *tap = down[i / 3] * across[i % 3] - is_middle + sharp * (is_middle - 1.0 / 9.0);
            }
        }
    }
    let tensors: BTreeMap<&str, (Vec<usize>, Vec<f32>)> = BTreeMap::from([
        ("body.0.weight", (vec![COLOURS, COLOURS, 3, 3], first)),
        ("body.0.bias", (vec![COLOURS], vec![0.0; COLOURS])),
        ("body.1.weight", (vec![COLOURS], vec![1.0; COLOURS])),
        ("body.2.weight", (vec![COLOURS * SCALE * SCALE, COLOURS, 3, 3], last)),
        ("body.2.bias", (vec![COLOURS * SCALE * SCALE], vec![0.0; COLOURS * SCALE * SCALE])),
    ]);
    let bytes: Vec<(&str, Vec<usize>, Vec<u8>)> = tensors
        .into_iter()
        .map(|(name, (shape, data))| (name, shape, data.iter().flat_map(|v| v.to_le_bytes()).collect()))
        .collect();
    let views = bytes
        .iter()
        .map(|(name, shape, data)| Ok((*name, TensorView::new(Dtype::F32, shape.clone(), data)?)))
        .collect::<Result<Vec<_>>>()?;
    serialize_to_file(views, None, path).with_context(|| format!("{} cannot be written", path.display()))
}
