//! How many channels the picture has, which ncnn files seldom say.

use super::layer::Parameters;
use pegbar_formats::ncnn::NcnnLayer;
use std::collections::HashMap;

/// Channels of the picture, from the input layer itself or from the first weights that meet it; 3 when nothing tells.
pub(super) fn input_channels(layers: &[&NcnnLayer], input: &NcnnLayer, blob: &str) -> usize {
    const DEFAULT: usize = 3;
    if let Ok(channels @ 1..) = input.size(2, 0) {
        return channels;
    }
    // For each blob that is made of the picture, how many channels it has per channel of the picture.
    let mut multiples = HashMap::from([(blob, 1usize)]);
    let mut constants = HashMap::new();
    for layer in layers {
        if layer.kind == "MemoryData" {
            if let (Some(name), Ok(channels)) = (layer.outputs.first(), layer.size(2, 0)) {
                constants.insert(name.as_str(), channels);
            }
            continue;
        }
        let Some(&multiple) = layer.inputs.iter().find_map(|name| multiples.get(name.as_str())) else {
            continue;
        };
        let constant = layer.inputs.iter().find_map(|name| constants.get(name.as_str()).copied());
        let found = match constant {
            Some(channels @ 2..) => Some(channels),
            _ => channels_read(layer),
        };
        if let Some(channels) = found {
            return if channels % multiple == 0 { (channels / multiple).max(1) } else { DEFAULT };
        }
        let multiple = match layer.kind.as_str() {
            "Reorg" => layer.size(0, 1).ok().and_then(|f| f.checked_mul(f)?.checked_mul(multiple)),
            "Concat" | "Slice" | "Crop" | "PixelShuffle" | "Reshape" | "Permute" => None,
            _ => Some(multiple),
        };
        if let Some(multiple @ 1..) = multiple {
            multiples.extend(layer.outputs.iter().map(|name| (name.as_str(), multiple)));
        }
    }
    DEFAULT
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
