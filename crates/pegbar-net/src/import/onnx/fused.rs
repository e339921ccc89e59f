//! Operators of ONNX Runtime that are several of ONNX in one.
//!
//! Its optimizer writes them into the files that it saves (`optimized_model_filepath`), under the domain
//! `com.microsoft`. A graph that has some is read as if it had what they consist of, so nothing behind this knows them.
//! What they mean stands in `docs/ContribOperators.md` of ONNX Runtime.

use super::{FORMAT, node};
use crate::ModelError;
use crate::import::error::{OpError, problem};
use indexmap::IndexMap;
use pegbar_formats::Tensor;
use pegbar_formats::onnx::{OnnxAttribute, OnnxModel, OnnxNode};
use std::borrow::Cow;

/// The domain of ONNX Runtime's operators.
pub(crate) const MICROSOFT: &str = "com.microsoft";
/// Convolutions in blocks of channels that fit the vectors of the processor a file was saved on.
const BLOCKED: &str = "com.microsoft.nchwc";

/// Those that are known, in order of their names, and what each is.
pub(crate) const FUSED: [(&str, &str); 11] = [
    ("BiasGelu", "Gelu of a sum"),
    ("FastGelu", "Gelu by tanh, of a sum"),
    ("FusedConv", "Conv, a sum, an activation"),
    ("FusedGemm", "Gemm, an activation"),
    ("FusedMatMul", "MatMul of transposed values, times a number"),
    ("Gelu", "Gelu"),
    ("QuickGelu", "Swish"),
    ("SimplifiedLayerNormalization", "RMSNormalization"),
    ("SkipLayerNormalization", "LayerNormalization of a sum"),
    ("SkipSimplifiedLayerNormalization", "RMSNormalization of a sum"),
    ("TransposeMatMul", "as FusedMatMul"),
];

/// Whether a node is one of them; its optimizer puts some into the domain of ONNX itself, which has no operator of that
/// name.
fn is_fused(node: &OnnxNode) -> bool {
    match node.domain.as_str() {
        MICROSOFT => FUSED.iter().any(|(name, _)| *name == node.op_type),
        "" | "ai.onnx" => node.op_type == "SimplifiedLayerNormalization",
        _ => false,
    }
}

/// The model with fused operators written out; the model itself where there are none. `FusedMatMul` stays where ranks
/// must be known to write it out.
///
/// # Errors
/// [`ModelError::Import`] for a fused operator with parameters that it cannot have, and for one that only runs on the
/// kind of processor that the file was saved on.
pub(crate) fn written_out(model: &OnnxModel) -> Result<Cow<'_, OnnxModel>, ModelError> {
    if let Some(node) = model.graph.nodes.iter().find(|node| node.domain == BLOCKED) {
        let problem = problem!(
            "was made by ONNX Runtime for the processor that it ran on; save the model with ORT_ENABLE_EXTENDED or \
             ORT_ENABLE_BASIC, not with all optimizations"
        );
        return Err(problem.at(FORMAT, &format!("{BLOCKED}.{}", node.op_type), node::name(node)));
    }
    if !model.graph.nodes.iter().any(is_fused) {
        return Ok(Cow::Borrowed(model));
    }
    let mut model = model.clone();
    let nodes = std::mem::take(&mut model.graph.nodes);
    let mut writer = Writer {
        nodes: Vec::with_capacity(nodes.len()),
        initializers: &mut model.graph.initializers,
        opset: model.opset,
    };
    for node in nodes {
        if is_fused(&node) {
            let operator = format!("{MICROSOFT}.{}", node.op_type);
            writer.fused(&node).map_err(|error| error.at(FORMAT, &operator, node::name(&node)))?;
        } else {
            writer.nodes.push(node);
        }
    }
    model.graph.nodes = writer.nodes;
    Ok(Cow::Owned(model))
}

type Attributes = Vec<(&'static str, OnnxAttribute)>;

/// Appends what fused operators consist of.
struct Writer<'a> {
    nodes: Vec<OnnxNode>,
    initializers: &'a mut IndexMap<String, Tensor>,
    opset: i64,
}

impl Writer<'_> {
    fn fused(&mut self, node: &OnnxNode) -> Result<(), OpError> {
        let output = node.outputs.first().cloned().unwrap_or_default();
        match node.op_type.as_str() {
            "Gelu" => {
                self.push(node, "Gelu", vec![input(node, 0)?], vec![], output);
            }
            "BiasGelu" | "FastGelu" => {
                let x = self.sum(node, input(node, 0)?, optional(node, 1));
                let kind = if node.op_type == "FastGelu" { "tanh" } else { "none" };
                let attributes = vec![("approximate", OnnxAttribute::String(kind.into()))];
                self.push(node, "Gelu", vec![x], attributes, output);
            }
            "QuickGelu" => {
                let alpha = node::float(node, "alpha", 1.702)?;
                let attributes = vec![("alpha", OnnxAttribute::Float(alpha))];
                self.push(node, "Swish", vec![input(node, 0)?], attributes, output);
            }
            "FusedConv" => self.convolution(node, output)?,
            "FusedGemm" => self.gemm(node, output)?,
            "FusedMatMul" | "TransposeMatMul" => self.product(node, output)?,
            "SimplifiedLayerNormalization" => {
                let inputs = vec![input(node, 0)?, input(node, 1)?];
                let attributes =
                    given(node, &["axis", "epsilon"]).map(|(name, value)| (name, value.clone())).collect();
                self.push(node, "RMSNormalization", inputs, attributes, output);
            }
            _ => self.normalized_sum(node, output)?,
        }
        Ok(())
    }

    /// Convolution, summand, activation.
    fn convolution(&mut self, node: &OnnxNode, output: String) -> Result<(), OpError> {
        let parameters = node::floats(node, "activation_params")?.unwrap_or_default();
        let activation = node::string(node, "activation", "")?.to_owned();
        let mut convolution = node.clone();
        (convolution.op_type, convolution.domain) = ("Conv".into(), String::new());
        convolution.attributes.retain(|name, _| !name.starts_with("activation"));
        convolution.inputs.truncate(3);
        let made = self.value(node);
        convolution.outputs = vec![made.clone()];
        self.nodes.push(convolution);
        let made = self.sum(node, made, optional(node, 3));
        self.activate(node, made, &activation, &parameters, output)
    }

    fn gemm(&mut self, node: &OnnxNode, output: String) -> Result<(), OpError> {
        let activation = node::string(node, "activation", "")?.to_owned();
        let mut parameters = vec![];
        for name in ["activation_alpha", "activation_beta"] {
            if node.attributes.contains_key(name) {
                parameters.push(node::float(node, name, 0.0)?);
            }
        }
        let mut product = node.clone();
        (product.op_type, product.domain) = ("Gemm".into(), String::new());
        product.attributes.retain(|name, _| !name.starts_with("activation"));
        let made = self.value(node);
        product.outputs = vec![made.clone()];
        self.nodes.push(product);
        self.activate(node, made, &activation, &parameters, output)
    }

    /// A product that needs no transposition of values of unknown rank; any other stays as it is.
    fn product(&mut self, node: &OnnxNode, output: String) -> Result<(), OpError> {
        let mut inputs = [input(node, 0)?, input(node, 1)?];
        let flags = ["transA", "transB", "transBatchA", "transBatchB"]
            .map(|name| node::int(node, name, 0).map(|value| value != 0));
        let [a, b, batch_a, batch_b] = flags;
        let transposed = [a?, b?];
        let ranks: [Option<usize>; 2] =
            [0, 1].map(|side: usize| self.initializers.get(&inputs[side]).map(|tensor| tensor.shape().len()));
        let is_plain = |side: usize| !transposed[side] || ranks[side] == Some(2);
        if batch_a? || batch_b? || !is_plain(0) || !is_plain(1) {
            self.nodes.push(node.clone());
            return Ok(());
        }
        for (side, operand) in inputs.iter_mut().enumerate() {
            if transposed[side] {
                let to = self.value(node);
                *operand = self.push(node, "Transpose", vec![operand.clone()], vec![], to);
            }
        }
        let alpha = node::float(node, "alpha", 1.0)?;
        if alpha == 1.0 {
            self.push(node, "MatMul", inputs.to_vec(), vec![], output);
            return Ok(());
        }
        let to = self.value(node);
        let made = self.push(node, "MatMul", inputs.to_vec(), vec![], to);
        let alpha = self.number(node, alpha)?;
        self.push(node, "Mul", vec![made, alpha], vec![], output);
        Ok(())
    }

    /// A sum that is normalised, and may be wanted itself.
    fn normalized_sum(&mut self, node: &OnnxNode, output: String) -> Result<(), OpError> {
        let is_simple = node.op_type == "SkipSimplifiedLayerNormalization";
        let (shift, bias) = if is_simple { (None, 3) } else { (optional(node, 3), 4) };
        let first = self.sum(node, input(node, 0)?, optional(node, 1));
        let sum = self.sum(node, first, optional(node, bias));
        if let Some(name) = node.outputs.get(3).filter(|name| !name.is_empty()) {
            self.push(node, "Identity", vec![sum.clone()], vec![], name.clone());
        }
        let inputs = [sum, input(node, 2)?].into_iter().chain(shift).collect();
        // The default of this operator, not of what it consists of.
        let attributes = vec![("epsilon", OnnxAttribute::Float(node::float(node, "epsilon", 1e-12)?))];
        let operator = if is_simple { "RMSNormalization" } else { "LayerNormalization" };
        self.push(node, operator, inputs, attributes, output);
        Ok(())
    }

    /// An activation by its name; the empty one is none.
    fn activate(
        &mut self,
        node: &OnnxNode,
        x: String,
        activation: &str,
        parameters: &[f32],
        output: String,
    ) -> Result<(), OpError> {
        let mut inputs = vec![x];
        let names: &[&'static str] = match activation {
            "" => {
                self.push(node, "Identity", inputs, vec![], output);
                return Ok(());
            }
            "Relu" | "Sigmoid" | "Tanh" | "HardSwish" | "Softplus" | "Softsign" => &[],
            "LeakyRelu" | "Elu" | "ThresholdedRelu" => &["alpha"],
            "HardSigmoid" => &["alpha", "beta"],
            "Clip" => &["min", "max"],
            other => return Err(problem!("its activation {other:?} is unknown")),
        };
        let mut attributes = vec![];
        for (&name, &value) in names.iter().zip(parameters) {
            if activation == "Clip" && self.opset >= 11 {
                inputs.push(self.number(node, value)?);
            } else {
                attributes.push((name, OnnxAttribute::Float(value)));
            }
        }
        self.push(node, activation, inputs, attributes, output);
        Ok(())
    }

    /// The value, with a summand if there is one.
    fn sum(&mut self, node: &OnnxNode, x: String, summand: Option<String>) -> String {
        match summand {
            None => x,
            Some(summand) => {
                let to = self.value(node);
                self.push(node, "Add", vec![x, summand], vec![], to)
            }
        }
    }

    /// A name that no exporter gives, for a value within a fused node.
    fn value(&self, node: &OnnxNode) -> String {
        format!("{} of {}/fused", self.nodes.len(), node.outputs.first().map_or("", String::as_str))
    }

    fn number(&mut self, node: &OnnxNode, value: f32) -> Result<String, OpError> {
        let name = format!("{}/number {}", self.value(node), self.initializers.len());
        let tensor = Tensor::from_f32(vec![], vec![value]).map_err(|error| problem!("{error}"))?;
        self.initializers.insert(name.clone(), tensor);
        Ok(name)
    }

    /// A part of a fused node, under the name of the whole.
    fn push(
        &mut self,
        whole: &OnnxNode,
        operator: &str,
        inputs: Vec<String>,
        attributes: Attributes,
        output: String,
    ) -> String {
        self.nodes.push(OnnxNode {
            name: node::name(whole).to_owned(),
            op_type: operator.to_owned(),
            domain: String::new(),
            inputs,
            outputs: vec![output.clone()],
            attributes: attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        });
        output
    }
}

fn optional(node: &OnnxNode, index: usize) -> Option<String> {
    node.inputs.get(index).filter(|name| !name.is_empty()).cloned()
}

fn input(node: &OnnxNode, index: usize) -> Result<String, OpError> {
    optional(node, index).ok_or_else(|| problem!("lacks its input {}", index + 1))
}

/// Those of the named attributes that a node has.
fn given<'a>(
    node: &'a OnnxNode,
    names: &'a [&'static str],
) -> impl Iterator<Item = (&'static str, &'a OnnxAttribute)> {
    names.iter().filter_map(|&name| node.attributes.get(name).map(|value| (name, value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fused_operators_are_in_order() {
        assert!(FUSED.is_sorted());
    }
}
