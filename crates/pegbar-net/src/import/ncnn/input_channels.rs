//! How many channels the picture has, which ncnn files seldom say.

use super::layer::Parameters;
use pegbar_formats::ncnn::NcnnLayer;
use std::collections::HashMap;

/// As ncnn counts the end of an axis that is kept to its end.
const TO_THE_END: i64 = 2_147_483_647;

/// Channels of a blob: so many for each of the picture's, and so many more.
#[derive(Clone, Copy)]
struct Channels {
    multiple: usize,
    more: usize,
}

/// Channels of the picture, from the input layer itself or from the first weights that meet it; 3 when nothing tells.
pub(super) fn input_channels(layers: &[&NcnnLayer], input: &NcnnLayer, blob: &str) -> usize {
    const DEFAULT: usize = 3;
    if let Ok(channels @ 1..) = input.size(2, 0) {
        return channels;
    }
    // Of each blob that is made of the picture.
    let mut known = HashMap::from([(blob, Channels { multiple: 1, more: 0 })]);
    let mut constants = HashMap::new();
    for layer in layers {
        if layer.kind == "MemoryData" {
            if let (Some(name), Ok(channels)) = (layer.outputs.first(), layer.size(2, 0)) {
                constants.insert(name.as_str(), channels);
            }
            continue;
        }
        let Some(&channels) = layer.inputs.iter().find_map(|name| known.get(name.as_str())) else {
            continue;
        };
        let constant = layer.inputs.iter().find_map(|name| constants.get(name.as_str()).copied());
        let found = match constant {
            Some(channels @ 2..) if layer.kind != "Concat" => Some(channels),
            _ => channels_read(layer),
        };
        match found {
            // Weights that meet nothing but a fixed part of the picture tell nothing.
            Some(_) if channels.multiple == 0 => continue,
            Some(found) => {
                let of_picture = found.saturating_sub(channels.more);
                let divides = of_picture.is_multiple_of(channels.multiple);
                return if divides { (of_picture / channels.multiple).max(1) } else { DEFAULT };
            }
            None => {}
        }
        let made = match layer.kind.as_str() {
            "Reorg" => layer.size(0, 1).ok().and_then(|f| channels.times(f.checked_mul(f)?)),
            "Concat" => joined(layer, &known, &constants),
            "Crop" => cut(layer, channels),
            "Slice" | "PixelShuffle" | "Reshape" | "Permute" => None,
            _ => Some(channels),
        };
        if let Some(made) = made.filter(|made| made.multiple > 0 || made.more > 0) {
            known.extend(layer.outputs.iter().map(|name| (name.as_str(), made)));
        }
    }
    DEFAULT
}

impl Channels {
    fn times(self, n: usize) -> Option<Self> {
        Some(Self { multiple: self.multiple.checked_mul(n)?, more: self.more.checked_mul(n)? })
    }
}

/// Of blobs one behind the other, if those of all are known.
fn joined(
    layer: &NcnnLayer,
    known: &HashMap<&str, Channels>,
    constants: &HashMap<&str, usize>,
) -> Option<Channels> {
    let of = |name: &String| {
        let constant = || constants.get(name.as_str()).map(|&more| Channels { multiple: 0, more });
        known.get(name.as_str()).copied().or_else(constant)
    };
    // Pictures have three axes, the first of channels.
    if !matches!(layer.integer(0, 0).ok()?, 0 | -3) {
        return layer.inputs.first().and_then(of);
    }
    layer.inputs.iter().try_fold(Channels { multiple: 0, more: 0 }, |sum, name| {
        let next = of(name)?;
        let multiple = sum.multiple.checked_add(next.multiple)?;
        Some(Channels { multiple, more: sum.more.checked_add(next.more)? })
    })
}

/// Of a part of a blob that has these, where it is told by the first and last place along each axis.
fn cut(layer: &NcnnLayer, channels: Channels) -> Option<Channels> {
    let [starts, ends, axes] = [9, 10, 11].map(|id| layer.integers(id).ok());
    let (starts, ends, axes) = (starts?, ends?, axes?);
    if axes.is_empty() {
        return None;
    }
    let Some(index) = axes.iter().position(|axis| matches!(axis, 0 | -3)) else { return Some(channels) };
    let start = usize::try_from(*starts.get(index)?).ok()?;
    match *ends.get(index)? {
        TO_THE_END => Some(Channels { more: channels.more.checked_sub(start)?, ..channels }),
        end => Some(Channels { multiple: 0, more: usize::try_from(end).ok()?.checked_sub(start)? }),
    }
}

/// Channels a layer reads, when its parameters tell.
fn channels_read(layer: &NcnnLayer) -> Option<usize> {
    let size = |id, default| layer.size(id, default).ok().filter(|n| *n > 0);
    match layer.kind.as_str() {
        "Convolution" | "ConvolutionDepthWise" | "Deconvolution" | "DeconvolutionDepthWise" => {
            let kernel = size(1, 0)?;
            let window = kernel.checked_mul(size(11, kernel)?)?.checked_mul(size(0, 0)?)?;
            Some(size(6, 0)?.checked_mul(size(7, 1)?)? / window)
        }
        "Scale" | "BatchNorm" => size(0, 0),
        "PReLU" => size(0, 0).filter(|n| *n > 1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pegbar_formats::ncnn::NcnnParam;

    fn layer(kind: &str, inputs: &[&str], output: &str, params: &[(i32, NcnnParam)]) -> NcnnLayer {
        NcnnLayer {
            kind: kind.to_owned(),
            name: output.to_owned(),
            inputs: inputs.iter().map(|&name| name.to_owned()).collect(),
            outputs: vec![output.to_owned()],
            params: params.iter().cloned().collect(),
            weights: Vec::new(),
        }
    }

    /// A convolution of `n` channels behind the picture with its channels from `start` to `end` joined to it.
    fn channels_of(n: i64, start: i64, end: i64) -> usize {
        let list = |n| NcnnParam::IntArray(vec![n]);
        let part = [(9, list(start)), (10, list(end)), (11, list(0))];
        let kernel = [(0, NcnnParam::Int(8)), (1, NcnnParam::Int(3)), (6, NcnnParam::Int(8 * 9 * n))];
        let layers = [
            layer("Input", &[], "in0", &[]),
            layer("Crop", &["in0"], "part", &part),
            layer("Clip", &["part"], "level", &[]),
            layer("Concat", &["in0", "level"], "both", &[(0, NcnnParam::Int(0))]),
            layer("Convolution", &["both"], "out0", &kernel),
        ];
        let layers: Vec<&NcnnLayer> = layers.iter().collect();
        input_channels(&layers, layers[0], "in0")
    }

    #[test]
    fn channels_are_counted_through_parts_and_joints() {
        // The level of noise behind gray and behind colour; pictures twice.
        assert_eq!(channels_of(2, 0, 1), 1);
        assert_eq!(channels_of(4, 0, 1), 3);
        assert_eq!(channels_of(6, 0, TO_THE_END), 3);
        assert_eq!(channels_of(2, 0, TO_THE_END), 1);
        // What makes no sense gives the usual number.
        assert_eq!(channels_of(7, 0, TO_THE_END), 3);
        assert_eq!(channels_of(2, 3, 1), 3);
    }
}
