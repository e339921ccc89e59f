//! Architectures that are recognised but not built, so that the message can name them.

use super::keys::has;
use pegbar_formats::StateDict;

/// Name, and key patterns that all occur in its files. The first that fits wins: variants stand before what
/// they were derived from.
const SIGNS: &[(&str, &[&str])] = &[
    ("MMRealSR", &["conv_first.weight", "de_net.conv_first.0.weight", "am_list.0.fc.0.weight"]),
    ("RGT", &["before_RG.1.weight", "layers.0.blocks.0.gamma"]),
    ("DAT", &["before_RG.1.weight", "layers.0.blocks.0.attn.attns.0.rpe_biases"]),
    ("HAT", &["layers.*.residual_group.overlap_attn.qkv.weight"]),
    ("DRCT", &["layers.0.swin1.norm1.weight", "layers.0.adjust1.weight"]),
    ("ATD", &["layers.0.residual_group.td", "layers.0.residual_group.layers.0.sigma"]),
    ("CRAFT", &["layers.0.residual_group.srwa_blocks.0.norm1.weight"]),
    ("SRFormer", &["layers.0.residual_group.blocks.0.attn.aligned_relative_position_index"]),
    ("Swin2SR", &["layers.0.residual_group.blocks.0.attn.logit_scale"]),
    ("SwinIR", &["layers.0.residual_group.blocks.0.attn.relative_position_bias_table"]),
    ("GRL", &["layers.0.blocks.0.attn.window_attn.attn_transform.logit_scale"]),
    ("MIRNet2", &["conv_in.weight", "body.0.body.0.dau_top.body.0.weight"]),
    ("EDSR", &["head.0.weight", "body.0.body.0.weight", "tail.1.weight"]),
    ("SCUNet", &["m_head.0.weight", "m_down1.0.trans_block.ln1.weight"]),
    ("DRUNet", &["m_head.weight", "m_down1.0.res.0.weight"]),
    ("FBCNN", &["m_head.weight", "qf_pred.0.weight"]),
    ("KBNet", &["intro.weight", "encoders.0.0.attgamma"]),
    ("M3SNet", &["intro.weight", "middle_blks.0.temperature"]),
    ("NAFNet", &["intro.weight", "middle_blks.0.sca.1.weight"]),
    ("Uformer", &["input_proj.proj.0.weight", "encoderlayer_0.blocks.0.norm1.weight"]),
    ("RetinexFormer", &["body.0.estimator.conv1.weight", "body.0.denoiser.embedding.weight"]),
    ("HVI-CIDNet", &["HVE_block0.1.weight", "HV_LCA1.gdfn.project_in.weight"]),
    ("MixDehazeNet", &["layer1.blocks.0.conv3_19.weight"]),
    ("FFTformer", &["encoder_level1.0.ffn.fft"]),
    ("Restormer", &["encoder_level1.0.attn.temperature", "patch_embed.proj.weight"]),
    ("MPRNet", &["shallow_feat1.0.weight", "stage1_encoder.encoder_level1.0.CA.conv_du.0.weight"]),
    ("TSCUNet", &["m_layers.0.weight", "m_head.0.weight"]),
    ("DnCNN", &["model.0.weight", "model.2.weight", "model.14.weight"]),
];

/// Name of the architecture whose signs the keys bear.
pub(super) fn recognise(state_dict: &StateDict) -> Option<&'static str> {
    SIGNS
        .iter()
        .find(|(_, signs)| signs.iter().all(|pattern| has(state_dict, pattern)))
        .map(|&(name, _)| name)
}
