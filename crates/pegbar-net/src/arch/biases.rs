//! Biases that a file lacks: without them most networks still fit together and make another picture.
//!
//! Two rules tell a bias that is gone from a layer that never had one. Blocks that repeat are built alike, so what one of
//! them has, all have. And some layers have one in every file, as their constructors know no option against it.

use super::keys::matches;
use crate::ModelError;
use pegbar_formats::StateDict;
use std::collections::HashMap;

/// Beginning and end that the transformers share.
const FRAME: &[&str] = &[
    "conv_first",
    "conv_after_body",
    "conv_after_body.*",
    "conv_before_upsample.*",
    "upsample.*",
    "upsample.up.*",
    "conv_up*",
    "conv_hr",
    "conv_last",
    "layers.*.conv",
    "layers.*.conv.*",
];

/// Layers that always have a bias, of the architectures (by id) for which that is sure.
const WITH_BIAS: &[(&str, &[&str])] = &[
    ("ATD", FRAME),
    ("CRAFT", FRAME),
    ("Compact", &["body.*"]),
    ("DAT", FRAME),
    ("DRCT", FRAME),
    (
        "EDSR",
        &[
            "head.*",
            "body.*",
            "body.*.body.*",
            "body.*.conv*",
            "tail.*",
            "tail.*.*",
            "conv_first",
            "conv_after_body",
        ],
    ),
    ("EDSR", &["upsample.*", "conv_last"]),
    ("ESRGAN", &["model.*", "model.*.sub.*", "model.*.sub.*.RDB*.conv*.0"]),
    ("ESRGAN", &["conv_first", "body.*.rdb*.conv*", "conv_body", "conv_up*", "conv_hr", "conv_last"]),
    ("ESRGAN", &["RRDB_trunk.*.RDB*.conv*", "trunk_conv", "upconv*", "HRconv"]),
    ("GRL", FRAME),
    ("HAT", FRAME),
    ("NAFNet", &["intro", "ending", "downs.*"]),
    ("PLKSR", &["feats.*"]),
    ("RCAN", &["head.*", "body.*", "body.*.body.*", "body.*.body.*.body.*", "tail.*", "tail.*.*"]),
    ("RGT", FRAME),
    ("SRFormer", FRAME),
    (
        "SRResNet",
        &["conv_first", "body.*.conv*", "recon_trunk.*.conv*", "upconv*", "HRconv", "conv_hr", "conv_last"],
    ),
    ("Swin2SR", FRAME),
    ("SwinIR", FRAME),
];

/// Checks that no convolution and no matrix has lost its bias.
///
/// # Errors
/// [`ModelError::MissingKey`] for the first one that has.
pub(super) fn check(architecture: &'static str, state_dict: &StateDict) -> Result<(), ModelError> {
    let missing = |key| Err(ModelError::MissingKey { architecture, key });
    let always =
        || WITH_BIAS.iter().filter(|(id, _)| *id == architecture).flat_map(|(_, patterns)| *patterns);
    // Whether any of a group has a bias, and the first that has none.
    let mut groups: HashMap<(String, usize), (bool, Option<String>)> = HashMap::new();
    for (name, tensor) in state_dict.iter() {
        let rank = tensor.shape().len();
        let Some(layer) = name.strip_suffix(".weight").filter(|_| rank >= 2) else { continue };
        let bias = format!("{layer}.bias");
        let has_bias = state_dict.contains(&bias);
        if !has_bias && always().any(|pattern| matches(pattern, layer)) {
            return missing(bias);
        }
        let (any, without) = groups.entry((group(layer), rank)).or_default();
        *any |= has_bias;
        if !has_bias {
            without.get_or_insert(bias);
        }
    }
    let mut lost: Vec<String> =
        groups.into_values().filter(|(any, _)| *any).filter_map(|(_, without)| without).collect();
    lost.sort();
    lost.into_iter().next().map_or(Ok(()), missing)
}

/// The layer's name without the numbers of blocks; the last number stays where it is the layer's own, for the layers of a
/// sequence are of different makes.
fn group(layer: &str) -> String {
    let Some((blocks, own)) = layer.rsplit_once('.') else { return layer.to_owned() };
    let is_number = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let mut group: String = blocks.split('.').map(|part| if is_number(part) { "*." } else { part }).collect();
    group.push('.');
    group.push_str(own);
    group
}

#[cfg(test)]
mod tests {
    use super::*;
    use pegbar_formats::Tensor;

    fn dict(names: &[&str]) -> StateDict {
        let tensor = |name: &str| {
            let shape = if name.ends_with("bias") { vec![1] } else { vec![1, 1, 1, 1] };
            Tensor::from_f32(shape, vec![0.5]).expect("sizes agree")
        };
        names.iter().map(|name| ((*name).to_owned(), tensor(name))).collect()
    }

    fn missing(architecture: &'static str, names: &[&str]) -> Option<String> {
        match check(architecture, &dict(names)) {
            Ok(()) => None,
            Err(ModelError::MissingKey { key, .. }) => Some(key),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn blocks_that_repeat_are_alike() {
        let one = ["a.0.conv.weight", "a.0.conv.bias", "a.1.conv.weight"];
        assert_eq!(missing("any", &one).as_deref(), Some("a.1.conv.bias"));
        assert_eq!(missing("any", &["a.0.conv.weight", "a.1.conv.weight"]), None);
        // Layers of a sequence, and others of the same block.
        let sequence =
            ["a.0.f.0.weight", "a.0.f.2.weight", "a.0.f.2.bias", "a.1.f.0.weight", "a.1.f.2.weight"];
        assert_eq!(missing("any", &sequence).as_deref(), Some("a.1.f.2.bias"));
        assert_eq!(missing("any", &sequence[..4]), None);
    }

    #[test]
    fn some_layers_always_have_one() {
        assert_eq!(missing("DAT", &["conv_first.weight"]).as_deref(), Some("conv_first.bias"));
        assert_eq!(missing("DAT", &["conv_first.weight", "conv_first.bias", "other.weight"]), None);
        assert_eq!(missing("ESRGAN", &["body.0.rdb1.conv1x1.weight"]), None);
    }
}
