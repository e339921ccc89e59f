//! A network with what is known about it.

use crate::arch;
use crate::import::{import_ncnn, import_onnx};
use crate::{Axis, Dim, ModelError, Net, NetError, Node, NodeId, Op, PadMode, Padding};
use pegbar_formats::{ModelFile, StateDict, read_model};
use std::path::Path;

/// What the weights alone do not tell.
#[derive(Debug, Clone, Default)]
pub struct ModelOptions {
    /// Scale to assume where the state dict leaves it open: an ESRGAN with one up-convolution is 2x or 3x.
    pub scale: Option<usize>,
    /// Name of the file; `3x` or `x3` in it counts where `scale` is not given.
    pub file_name: Option<String>,
}

impl ModelOptions {
    /// The scale the caller or the file's name states. Names follow the custom of model collections: `3x_Name`,
    /// `name-x3`, `Name_3x_v2`.
    pub fn expected_scale(&self) -> Option<usize> {
        self.scale.or_else(|| {
            let name = self.file_name.as_ref()?.to_ascii_lowercase();
            name.split(|c: char| !c.is_ascii_alphanumeric()).find_map(|word| {
                let digits = word.strip_suffix('x').or_else(|| word.strip_prefix('x'))?;
                digits.parse().ok().filter(|scale| (1..=16).contains(scale))
            })
        })
    }
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
    /// What the file leaves open and was assumed, a sentence each, for the user.
    pub notes: Vec<String>,
    /// What the architecture's constructor was given, as far as the weights tell.
    pub hyperparameters: serde_json::Map<String, serde_json::Value>,
    /// Whether half precision does not overflow in this architecture. False where that is not known.
    pub half_safe: bool,
}

impl Model {
    /// Reads a model file: weights, ncnn or ONNX, told apart by content.
    ///
    /// # Errors
    /// [`ModelError`]; the message does not repeat the path.
    pub fn from_file(path: &Path) -> Result<Self, ModelError> {
        Self::from_file_with(path, &ModelOptions::default())
    }

    /// As [`Model::from_file`], with what the caller knows; the file's name is filled in where `options` has none.
    ///
    /// # Errors
    /// [`ModelError`]; the message does not repeat the path.
    pub fn from_file_with(path: &Path, options: &ModelOptions) -> Result<Self, ModelError> {
        match read_model(path)? {
            ModelFile::Weights(weights) => {
                let mut options = options.clone();
                if options.file_name.is_none() {
                    options.file_name = path.file_name().map(|name| name.to_string_lossy().into_owned());
                }
                Self::from_state_dict_with(&weights.state_dict, &options)
            }
            ModelFile::Ncnn(model) => import_ncnn(&model),
            ModelFile::Onnx(model) => import_onnx(&model),
        }
    }

    /// Detects the architecture of a state dict and builds the network.
    ///
    /// # Errors
    /// [`ModelError::Unknown`] or [`ModelError::Unsupported`] when no architecture fits, others when the one that does
    /// lacks tensors or has impossible sizes.
    pub fn from_state_dict(state_dict: &StateDict) -> Result<Self, ModelError> {
        Self::from_state_dict_with(state_dict, &ModelOptions::default())
    }

    /// As [`Model::from_state_dict`], with what the caller knows.
    ///
    /// # Errors
    /// As [`Model::from_state_dict`].
    pub fn from_state_dict_with(state_dict: &StateDict, options: &ModelOptions) -> Result<Self, ModelError> {
        let architecture = arch::detect(state_dict)?;
        let built = arch::build(architecture, state_dict, options)?;
        let mut model = Self::describe(architecture.id, architecture.name, built.net)?;
        model.tags = built.tags;
        model.notes = built.notes;
        model.hyperparameters = built.hyperparameters;
        model.half_safe = architecture.half_safe;
        Ok(model)
    }

    /// Wraps an imported network: computes its size rule, scale and channels from the graph and validates it. A size rule
    /// the importer has set already is kept where it is the stricter one.
    ///
    /// Networks that crop their borders (unpadded convolutions) are given a replicate padding that restores the size.
    ///
    /// # Errors
    /// [`ModelError::Net`] for a broken graph, [`ModelError::NotAnUpscaler`] when the output is not the input times a
    /// whole number.
    pub fn from_net(
        architecture: &'static str,
        architecture_name: &'static str,
        net: Net,
    ) -> Result<Self, ModelError> {
        Self::describe(architecture, architecture_name, restore_cropped_borders(net)?)
    }

    /// Validates a network, makes its size rule at least as strict as its graph demands, and reads scale and channels off
    /// its shapes.
    fn describe(
        architecture: &'static str,
        architecture_name: &'static str,
        mut net: Net,
    ) -> Result<Self, ModelError> {
        net.validate()?;
        let multiple = net.required_multiple()?;
        let stated = net.size_rule.multiple_of.max(1);
        net.size_rule.multiple_of = stated / crate::dim::gcd(stated, multiple) * multiple;
        let minimum = net.required_minimum()?.ok_or_else(|| NetError::Graph {
            problem: "there is no size of picture that all its operations accept".into(),
        })?;
        // What is brought to a multiple may be large enough by that alone.
        if net.size_rule.minimum.max(1).next_multiple_of(net.size_rule.multiple_of) < minimum {
            net.size_rule.minimum = minimum;
        }
        net.size_rule.minimum = net.size_rule.minimum.max(1);
        let shapes = net.infer_shapes()?;
        let output = output_shape(&net, &shapes)?;
        let scale = scale_of(&output).filter(|_| offsets(&output) == Some([0, 0]));
        let channels = (shapes[0][1].fixed(), output[1].fixed());
        let (Some(scale), (Some(input_channels), Some(output_channels))) = (scale, channels) else {
            return Err(not_an_upscaler(&output));
        };
        Ok(Self {
            architecture,
            architecture_name,
            net,
            scale,
            input_channels,
            output_channels,
            tags: Vec::new(),
            notes: Vec::new(),
            hyperparameters: serde_json::Map::new(),
            half_safe: false,
        })
    }
}

fn not_an_upscaler(output: &[Dim; 4]) -> ModelError {
    ModelError::NotAnUpscaler { found: format!("{} x {} with {} channels", output[2], output[3], output[1]) }
}

fn output_shape(net: &Net, shapes: &[[Dim; 4]]) -> Result<[Dim; 4], NetError> {
    let id = net.output.ok_or_else(|| NetError::Graph { problem: "it has no output".into() })?;
    Ok(shapes[id.0 as usize])
}

/// The whole factor of both axes, whatever is cut or added at the borders.
fn scale_of(output: &[Dim; 4]) -> Option<usize> {
    match (output[2], output[3]) {
        (
            Dim::Scaled { axis: Axis::Height, num: high, den: 1, .. },
            Dim::Scaled { axis: Axis::Width, num: wide, den: 1, .. },
        ) if high == wide && output[0] == Dim::Fixed(1) => Some(high),
        _ => None,
    }
}

/// What is added to the scaled height and width.
fn offsets(output: &[Dim; 4]) -> Option<[i64; 2]> {
    let offset = |dim| match dim {
        Dim::Scaled { offset, .. } => Some(offset),
        Dim::Fixed(_) => None,
    };
    Some([offset(output[2])?, offset(output[3])?])
}

/// A network of unpadded convolutions makes `scale * H - cut` rows. Repeating the picture's edge by `cut / scale` rows
/// in all before it runs gives the full size back, as the programs these networks come from do.
fn restore_cropped_borders(mut net: Net) -> Result<Net, ModelError> {
    let output = output_shape(&net, &net.infer_shapes()?)?;
    let (Some(scale), Some(cut)) = (scale_of(&output), offsets(&output)) else {
        return Err(not_an_upscaler(&output));
    };
    if cut == [0, 0] {
        return Ok(net);
    }
    let rows = |offset: i64| {
        let cut = usize::try_from(-offset).ok()?;
        cut.is_multiple_of(scale).then_some(cut / scale)
    };
    let (Some(high), Some(wide)) = (rows(cut[0]), rows(cut[1])) else {
        return Err(not_an_upscaler(&output));
    };
    let padding = Padding { top: high / 2, left: wide / 2, bottom: high - high / 2, right: wide - wide / 2 };
    let pad = Node {
        name: "border".into(),
        op: Op::Pad { padding, mode: PadMode::Replicate },
        inputs: vec![NodeId(0)],
    };
    // Every reader of the picture, and every node after it, moves up by one.
    for node in &mut net.nodes {
        for id in &mut node.inputs {
            id.0 += 1;
        }
    }
    net.nodes.insert(1, pad);
    net.output = net.output.map(|id| NodeId(id.0 + 1));
    let restored = output_shape(&net, &net.infer_shapes()?)?;
    // Where strides round, the padding may not come out even.
    if offsets(&restored) == Some([0, 0]) { Ok(net) } else { Err(not_an_upscaler(&output)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_name_tells_the_scale() {
        let scale = |name: &str| {
            ModelOptions { file_name: Some(name.into()), ..ModelOptions::default() }.expected_scale()
        };
        assert_eq!(scale("3x_Photo_v2.pth"), Some(3));
        assert_eq!(scale("esrgan_x3_old.pth"), Some(3));
        assert_eq!(scale("Name-4X.safetensors"), Some(4));
        assert_eq!(scale("RRDB_max.pth"), None);
        assert_eq!(scale("fox3.pth"), None);
        assert_eq!(scale("1000x.pth"), None);
        let stated = ModelOptions { scale: Some(2), file_name: Some("3x_a.pth".into()) };
        assert_eq!(stated.expected_scale(), Some(2));
    }
}
