//! Architectures that are recognised but not built, so that the message can name them.

use super::keys::has;
use pegbar_formats::StateDict;

/// Name, and key patterns that all occur in its files. The first that fits wins: variants stand before what
/// they were derived from.
const SIGNS: &[(&str, &[&str])] = &[
    ("OmniSR", &["residual_layer.0.residual_layer.0.layer.0.fn.0.weight", "input.weight", "up.0.weight"]),
    ("RealPLKSR", &["feats.0.weight", "feats.1.channel_mixer.0.weight", "feats.1.lk.conv.weight"]),
    ("PLKSR", &["feats.0.weight", "feats.1.channe_mixer.0.weight"]),
    ("PLKSR", &["feats.0.weight", "feats.1.refine.weight"]),
    ("MoSR", &["gblocks.0.weight", "gblocks.1.fc1.weight"]),
    ("MoESR", &["in_to_dim.weight", "blocks.0.msg.gated.0.fc1.weight"]),
    ("FDAT", &["conv_first.weight", "groups.0.blocks.0.attn.qkv.weight"]),
    ("SeemoRe", &["body.0.local_block.norm_1.weight", "body.0.global_block.norm_1.weight"]),
    ("RCAN", &["head.0.weight", "body.0.body.0.body.3.conv_du.0.weight", "tail.1.weight"]),
    ("EDSR", &["head.0.weight", "body.0.body.0.weight", "tail.1.weight"]),
    ("Real-CUGAN", &["unet1.conv1.conv.0.weight", "unet2.conv1.conv.0.weight"]),
    ("Swift-SRGAN", &["initial.cnn.depthwise.weight", "final_conv.pointwise.weight"]),
    ("SAFMNBCIE", &["to_feat.1.weight", "feats.0.layers.0.safm.aggr.weight"]),
    ("SAFMN", &["to_feat.weight", "feats.0.safm.aggr.weight"]),
    ("DITN", &["UFONE.0.ITLs.0.attn.temperature"]),
    ("DCTLSA", &["fea_conv.weight", "B1.body.0.transformer_body.0.blocks.0.attn.qkv.weight"]),
    ("SPSR", &["model.0.weight", "f_HR_conv1.0.weight", "b_fea_conv.0.weight"]),
    ("TSCUNet", &["m_layers.0.weight", "m_head.0.weight"]),
];

/// Name of the architecture whose signs the keys bear.
pub(super) fn recognise(state_dict: &StateDict) -> Option<&'static str> {
    SIGNS
        .iter()
        .find(|(_, signs)| signs.iter().all(|pattern| has(state_dict, pattern)))
        .map(|&(name, _)| name)
}
