"""Writes one Compact network (64 features, 16 convolutions, x2) as .safetensors for Pegbar and as .onnx for its peers.

The weights come from a seeded generator: speed does not depend on their values, and nothing has to be downloaded. They are scaled so
that activations keep their size from layer to layer, as in a trained network: no overflow, no denormal numbers.
"""

import argparse
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save_file

FEATURES = 64
CONVOLUTIONS = 16
SCALE = 2
SEED = 20


def weights() -> dict[str, np.ndarray]:
    """The state dict under the keys of the PyTorch original: `body.N.weight`, even N a convolution, odd N a PReLU."""
    generator = np.random.default_rng(SEED)
    channels = [3] + [FEATURES] * (CONVOLUTIONS + 1) + [3 * SCALE * SCALE]
    tensors: dict[str, np.ndarray] = {}
    for layer, (n_in, n_out) in enumerate(zip(channels, channels[1:])):
        is_last = layer == len(channels) - 2
        deviation = 0.02 if is_last else np.sqrt(2.0 / (9 * n_in))
        tensors[f"body.{2 * layer}.weight"] = generator.normal(0.0, deviation, (n_out, n_in, 3, 3))
        tensors[f"body.{2 * layer}.bias"] = generator.normal(0.0, 0.01, n_out)
        if not is_last:
            tensors[f"body.{2 * layer + 1}.weight"] = generator.uniform(0.0, 0.4, n_out)
    return {key: np.ascontiguousarray(value, dtype=np.float32) for key, value in tensors.items()}


def onnx_model(tensors: dict[str, np.ndarray]) -> onnx.ModelProto:
    """The same network as an ONNX graph with symbolic height and width, as an export from PyTorch would have it."""
    initializers = []
    nodes = []
    value = "input"
    n_layers = CONVOLUTIONS + 2
    for layer in range(n_layers):
        weight, bias = f"body.{2 * layer}.weight", f"body.{2 * layer}.bias"
        initializers += [numpy_helper.from_array(tensors[key], key) for key in (weight, bias)]
        nodes.append(
            helper.make_node("Conv", [value, weight, bias], [f"conv{layer}"], kernel_shape=[3, 3], pads=[1, 1, 1, 1])
        )
        value = f"conv{layer}"
        if layer < n_layers - 1:
            slope = f"body.{2 * layer + 1}.weight"
            initializers.append(numpy_helper.from_array(tensors[slope].reshape(-1, 1, 1), slope))
            nodes.append(helper.make_node("PRelu", [value, slope], [f"prelu{layer}"]))
            value = f"prelu{layer}"
    nodes.append(helper.make_node("DepthToSpace", [value], ["shuffled"], blocksize=SCALE, mode="CRD"))
    initializers.append(numpy_helper.from_array(np.array([1, 1, SCALE, SCALE], np.float32), "scales"))
    nodes.append(
        helper.make_node(
            "Resize",
            ["input", "", "scales"],
            ["nearest"],
            mode="nearest",
            nearest_mode="floor",
            coordinate_transformation_mode="asymmetric",
        )
    )
    nodes.append(helper.make_node("Add", ["shuffled", "nearest"], ["output"]))

    def image(name: str, height: str, width: str) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, height, width])

    graph = helper.make_graph(
        nodes,
        "compact",
        [image("input", "height", "width")],
        [image("output", "output_height", "output_width")],
        initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    tensors = weights()
    save_file(tensors, folder / "compact.safetensors")
    onnx.save(onnx_model(tensors), folder / "compact.onnx")


if __name__ == "__main__":
    main()
