//! Architectures: from the names and shapes of a state dict to a network.
//!
//! One file each: the key styles it is recognised by, its hyper-parameters as the shapes tell them, and its layers.
//! [`ARCHITECTURES`] is the list; its order is the order of detection.

mod artcnn;
mod atd;
mod biases;
mod compact;
mod conv3xc;
mod craft;
mod cugan;
mod dat;
mod dctlsa;
mod ditn;
mod dncnn;
mod drct;
mod drunet;
mod dysample;
mod edsr;
mod esrgan;
mod fbcnn;
mod fdat;
mod fftformer;
mod grl;
mod hat;
mod hvicidnet;
mod kbnet;
mod keys;
mod layers;
mod m3snet;
mod mirnet2;
mod mixdehazenet;
mod mmrealsr;
mod moesr;
mod mosr;
mod mprnet;
mod nafnet;
mod noise_level;
mod omnisr;
mod plksr;
mod rcan;
mod rectangles;
mod rep_conv;
mod restormer;
mod retinexformer;
mod rgt;
mod rtmosr;
mod safmn;
mod scunet;
mod seemore;
mod span;
mod spanplus;
mod spsr;
mod srformer;
mod srresnet;
mod swiftsrgan;
mod swin2sr;
mod swinir;
mod uformer;
mod uni_upsample;
mod unsupported;
mod window_transformer;

use crate::{ModelError, ModelOptions, NearMiss, Net};
use pegbar_formats::StateDict;

pub use keys::{Detection, KeyStyle};

/// What an architecture makes of a state dict.
#[derive(Debug, Clone)]
pub struct Built {
    /// The network, with its size rule.
    pub net: Net,
    /// Short marks such as `64nf`.
    pub tags: Vec<String>,
    /// What the weights leave open and was assumed, a sentence each.
    pub notes: Vec<String>,
    /// What the constructor was given, as far as the weights tell.
    pub hyperparameters: serde_json::Map<String, serde_json::Value>,
}

/// A family of networks Pegbar can build.
#[derive(Debug, Clone, Copy)]
pub struct Architecture {
    /// Stable id, e.g. `"ESRGAN"`.
    pub id: &'static str,
    /// Long name.
    pub name: &'static str,
    /// Whether half precision (f16) does not overflow.
    pub half_safe: bool,
    /// How well the keys fit.
    pub detect: fn(&StateDict) -> Detection,
    /// Reads the hyper-parameters and builds the network.
    pub build: fn(&StateDict, &ModelOptions) -> Result<Built, ModelError>,
}

/// Every architecture, in order of detection: the first that fits wins.
pub const ARCHITECTURES: &[Architecture] = &[
    compact::ARCHITECTURE,
    mmrealsr::ARCHITECTURE,
    esrgan::ARCHITECTURE,
    span::ARCHITECTURE,
    scunet::ARCHITECTURE,
    nafnet::ARCHITECTURE,
    drunet::ARCHITECTURE,
    dncnn::ARCHITECTURE,
    restormer::ARCHITECTURE,
    uformer::ARCHITECTURE,
    kbnet::ARCHITECTURE,
    mprnet::ARCHITECTURE,
    mirnet2::ARCHITECTURE,
    m3snet::ARCHITECTURE,
    retinexformer::ARCHITECTURE,
    hvicidnet::ARCHITECTURE,
    mixdehazenet::ARCHITECTURE,
    fftformer::ARCHITECTURE,
    fbcnn::ARCHITECTURE,
    dat::ARCHITECTURE,
    hat::ARCHITECTURE,
    srformer::ARCHITECTURE,
    drct::ARCHITECTURE,
    rgt::ARCHITECTURE,
    atd::ARCHITECTURE,
    craft::ARCHITECTURE,
    grl::ARCHITECTURE,
    swin2sr::ARCHITECTURE,
    swinir::ARCHITECTURE,
    omnisr::ARCHITECTURE,
    plksr::ARCHITECTURE,
    plksr::REAL,
    plksr::REAL_LAYER_NORM,
    mosr::ARCHITECTURE,
    rcan::ARCHITECTURE,
    cugan::ARCHITECTURE,
    safmn::BCIE,
    safmn::ARCHITECTURE,
    ditn::ARCHITECTURE,
    dctlsa::ARCHITECTURE,
    swiftsrgan::ARCHITECTURE,
    moesr::ARCHITECTURE,
    fdat::ARCHITECTURE,
    seemore::ARCHITECTURE,
    spsr::ARCHITECTURE,
    edsr::ARCHITECTURE,
    srresnet::ARCHITECTURE,
    spanplus::ARCHITECTURE,
    rtmosr::ARCHITECTURE,
    artcnn::ARCHITECTURE,
];

/// What is less like a file than this is not worth naming.
const LEAST_LIKENESS: f32 = 0.05;

/// How many near misses an error names.
const NEAREST: usize = 3;

/// Finds the architecture of a state dict.
///
/// # Errors
/// [`ModelError::Unsupported`] for one that is known but not built, [`ModelError::Unknown`] with the nearest otherwise.
pub fn detect(state_dict: &StateDict) -> Result<&'static Architecture, ModelError> {
    let detections: Vec<(&Architecture, Detection)> =
        ARCHITECTURES.iter().map(|architecture| (architecture, (architecture.detect)(state_dict))).collect();
    if let Some((architecture, _)) = detections.iter().find(|(_, detection)| detection.fits()) {
        return Ok(architecture);
    }
    if let Some(architecture) = unsupported::recognise(state_dict) {
        return Err(ModelError::Unsupported { architecture });
    }
    let mut nearest: Vec<NearMiss> = detections
        .into_iter()
        .map(|(architecture, detection)| NearMiss {
            architecture: architecture.id,
            score: detection.score,
            missing: detection.missing,
            unexpected: detection.unexpected,
        })
        .collect();
    nearest.retain(|near| near.score >= LEAST_LIKENESS);
    nearest.sort_by(|a, b| b.score.total_cmp(&a.score));
    nearest.truncate(NEAREST);
    Err(ModelError::Unknown { n_keys: state_dict.len(), nearest })
}

/// Builds the network of an architecture that fits.
///
/// # Errors
/// What the architecture's own `build` refuses; [`ModelError::MissingKey`] for a bias that is gone.
pub(crate) fn build(
    architecture: &Architecture,
    state_dict: &StateDict,
    options: &ModelOptions,
) -> Result<Built, ModelError> {
    let built = (architecture.build)(state_dict, options)?;
    biases::check(architecture.id, state_dict)?;
    Ok(built)
}
