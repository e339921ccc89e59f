//! A network with what is known about it.

use crate::{ModelError, Net};
use pegbar_formats::StateDict;
use std::path::Path;

/// What the weights alone do not tell.
#[derive(Debug, Clone, Default)]
pub struct ModelOptions {
    /// Scale to assume where the state dict leaves it open (an ESRGAN with one up-convolution is 2x or 3x).
    pub scale: Option<usize>,
    /// Name of the file; `3x` in it serves as a hint for the same purpose.
    pub file_name: Option<String>,
}

/// A network ready to run, with what is known about it.
#[derive(Debug, Clone)]
pub struct Model {
    /// Id of the architecture: `"Compact"`, `"ESRGAN"`, `"SPAN"`, `"ncnn"`, `"ONNX"`.
    pub architecture: &'static str,
    /// Its long name.
    pub architecture_name: &'static str,
    /// The network.
    pub net: Net,
    /// Output pixels per input pixel along each axis.
    pub scale: usize,
    /// Channels it takes.
    pub input_channels: usize,
    /// Channels it makes.
    pub output_channels: usize,
    /// Short marks such as `64nf`, `16nc`.
    pub tags: Vec<String>,
    /// What the architecture's constructor was given, as far as the weights tell.
    pub hyperparameters: serde_json::Map<String, serde_json::Value>,
    /// Whether half precision does not overflow in this architecture.
    pub half_safe: bool,
}

impl Model {
    /// Reads a model file: weights, ncnn or ONNX, told apart by content.
    ///
    /// # Errors
    /// [`ModelError`]; the message does not repeat the path.
    pub fn from_file(_path: &Path) -> Result<Self, ModelError> {
        Err(ModelError::Unknown { n_keys: 0, nearest: vec![] })
    }

    /// Detects the architecture of a state dict and builds the network.
    ///
    /// # Errors
    /// [`ModelError`].
    pub fn from_state_dict(_state_dict: &StateDict) -> Result<Self, ModelError> {
        Err(ModelError::Unknown { n_keys: 0, nearest: vec![] })
    }

    /// Wraps an imported network: computes its size rule, scale and channels from the graph and validates it.
    /// Networks that crop their borders (unpadded convolutions) are given a replicate padding that restores the size.
    ///
    /// # Errors
    /// [`ModelError::Net`] for a broken graph, [`ModelError::NotAnUpscaler`] when the output is not the input times a
    /// whole number.
    pub fn from_net(
        architecture: &'static str,
        architecture_name: &'static str,
        _net: Net,
    ) -> Result<Self, ModelError> {
        let _ = (architecture, architecture_name);
        Err(ModelError::Unknown { n_keys: 0, nearest: vec![] })
    }
}
