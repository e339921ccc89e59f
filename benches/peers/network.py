"""A network as a list of layers, and its two other spellings: an ONNX graph and ncnn's pair of files.

Only the layers that the compared networks have. Values are NCHW; every function of `Network` returns the name of its result.
"""

import struct
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


@dataclass
class Layer:
    kind: str
    inputs: list[str]
    output: str
    numbers: dict[str, float] = field(default_factory=dict)
    tensors: dict[str, np.ndarray] = field(default_factory=dict)


class Network:
    """Takes `input` with three channels; its result is the last layer's."""

    def __init__(self) -> None:
        self.layers: list[Layer] = []
        self.n_channels = {"input": 3}

    def _push(self, kind: str, inputs: list[str], n_channels: int, **rest) -> str:
        output = f"{kind}{len(self.layers)}"
        self.layers.append(Layer(kind, list(inputs), output, **rest))
        self.n_channels[output] = n_channels
        return output

    def conv(self, value: str, weight: np.ndarray, bias: np.ndarray) -> str:
        """1x1 or 3x3, stride 1, padded with zeros to keep the size."""
        return self._push("conv", [value], weight.shape[0], tensors={"weight": weight, "bias": bias})

    def prelu(self, value: str, slope: np.ndarray) -> str:
        return self._push("prelu", [value], slope.size, tensors={"slope": slope})

    def leaky_relu(self, value: str, slope: float) -> str:
        return self._push("leaky_relu", [value], self.n_channels[value], numbers={"slope": slope})

    def silu(self, value: str) -> str:
        return self._push("silu", [value], self.n_channels[value])

    def sigmoid(self, value: str) -> str:
        return self._push("sigmoid", [value], self.n_channels[value])

    def add(self, a: str, b: str) -> str:
        return self._push("add", [a, b], self.n_channels[a])

    def multiply(self, a: str, b: str) -> str:
        return self._push("multiply", [a, b], self.n_channels[a])

    def times(self, value: str, factor: float) -> str:
        return self._push("times", [value], self.n_channels[value], numbers={"factor": factor})

    def minus(self, value: str, shift: float) -> str:
        return self._push("minus", [value], self.n_channels[value], numbers={"shift": shift})

    def normalise(self, value: str, mean: np.ndarray, factor: float) -> str:
        """`(value - mean) * factor`, a mean for each channel."""
        return self._push("normalise", [value], mean.size, numbers={"factor": factor}, tensors={"mean": mean})

    def concat(self, values: list[str]) -> str:
        return self._push("concat", values, sum(self.n_channels[value] for value in values))

    def nearest(self, value: str, factor: int) -> str:
        return self._push("nearest", [value], self.n_channels[value], numbers={"factor": factor})

    def pixel_shuffle(self, value: str, factor: int) -> str:
        return self._push("pixel_shuffle", [value], self.n_channels[value] // factor**2, numbers={"factor": factor})


def onnx_model(network: Network) -> onnx.ModelProto:
    """With symbolic height and width, and the nodes that an export from PyTorch has."""
    nodes: list[onnx.NodeProto] = []
    initializers: list[onnx.TensorProto] = []

    def constant(name: str, value) -> str:
        initializers.append(numpy_helper.from_array(np.asarray(value, np.float32), name))
        return name

    def node(op: str, inputs: list[str], output: str, **attributes) -> None:
        nodes.append(helper.make_node(op, inputs, [output], **attributes))

    for layer in network.layers:
        numbers, tensors, output = layer.numbers, layer.tensors, layer.output
        value = layer.inputs[0]
        match layer.kind:
            case "conv":
                size = tensors["weight"].shape[2]
                weight = constant(f"{output}.weight", tensors["weight"])
                bias = constant(f"{output}.bias", tensors["bias"])
                node("Conv", [value, weight, bias], output, kernel_shape=[size, size], pads=[size // 2] * 4)
            case "prelu":
                node("PRelu", [value, constant(f"{output}.slope", tensors["slope"].reshape(-1, 1, 1))], output)
            case "leaky_relu":
                node("LeakyRelu", [value], output, alpha=numbers["slope"])
            case "silu":
                node("Sigmoid", [value], f"{output}.gate")
                node("Mul", [value, f"{output}.gate"], output)
            case "sigmoid":
                node("Sigmoid", [value], output)
            case "add":
                node("Add", layer.inputs, output)
            case "multiply":
                node("Mul", layer.inputs, output)
            case "times":
                node("Mul", [value, constant(f"{output}.factor", numbers["factor"])], output)
            case "minus":
                node("Sub", [value, constant(f"{output}.shift", numbers["shift"])], output)
            case "normalise":
                node("Sub", [value, constant(f"{output}.mean", tensors["mean"].reshape(1, -1, 1, 1))], f"{output}.centred")
                node("Mul", [f"{output}.centred", constant(f"{output}.factor", numbers["factor"])], output)
            case "concat":
                node("Concat", layer.inputs, output, axis=1)
            case "nearest":
                factor = numbers["factor"]
                node(
                    "Resize",
                    [value, "", constant(f"{output}.scales", [1, 1, factor, factor])],
                    output,
                    mode="nearest",
                    nearest_mode="floor",
                    coordinate_transformation_mode="asymmetric",
                )
            case "pixel_shuffle":
                node("DepthToSpace", [value], output, blocksize=int(numbers["factor"]), mode="CRD")

    def picture(name: str, height: str, width: str) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, height, width])

    graph = helper.make_graph(
        nodes,
        "network",
        [picture("input", "height", "width")],
        [picture(network.layers[-1].output, "output_height", "output_width")],
        initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


def write_ncnn(network: Network, stem: Path) -> None:
    """Writes `stem.param` and `stem.bin`, from the blob `input` to the blob `output`.

    A blob may be read once only, so a value with several readers goes through a Split. Leaky ReLU is part of the convolution before
    it, as ncnn's own converters leave it.
    """
    lines: list[str] = []
    weights = bytearray()
    n_blobs = 0
    readers = {layer.output: 0 for layer in network.layers} | {"input": 0}
    for layer in network.layers:
        for value in layer.inputs:
            readers[value] += 1
    copies: dict[str, list[str]] = {}
    fused: dict[str, str] = {}

    def emit(kind: str, inputs: list[str], outputs: list[str], parameters: str = "") -> None:
        nonlocal n_blobs
        n_blobs += len(outputs)
        name = f"layer{len(lines)}"
        words = [kind, name, str(len(inputs)), str(len(outputs)), *inputs, *outputs, parameters]
        lines.append(" ".join(words).rstrip())

    def produced(value: str) -> None:
        if readers[value] > 1:
            copies[value] = [f"{value}.{index}" for index in range(readers[value])]
            emit("Split", [value], list(copies[value]))

    def read(value: str) -> str:
        value = fused.get(value, value)
        return copies[value].pop(0) if value in copies else value

    def floats(values: np.ndarray) -> bytes:
        return np.ascontiguousarray(values, np.float32).tobytes()

    emit("Input", [], ["input"])
    produced("input")
    for index, layer in enumerate(network.layers):
        numbers, tensors = layer.numbers, layer.tensors
        if layer.kind == "leaky_relu" and layer.inputs[0] in fused.values():
            fused[layer.output] = layer.inputs[0]
            continue
        inputs = [read(value) for value in layer.inputs]
        output = layer.output
        last = "output" if index == len(network.layers) - 1 else output
        match layer.kind:
            case "conv":
                weight = tensors["weight"]
                size = weight.shape[2]
                parameters = f"0={weight.shape[0]} 1={size} 4={size // 2} 5=1 6={weight.size}"
                following = [other for other in network.layers if output in other.inputs]
                if len(following) == 1 and following[0].kind == "leaky_relu":
                    parameters += f" 9=2 -23310=1,{following[0].numbers['slope']:e}"
                    fused[following[0].output] = output
                    readers[output] = readers[following[0].output]
                emit("Convolution", inputs, [last], parameters)
                # The tag says that the weights are 32-bit floats; biases never have one.
                weights += struct.pack("<I", 0) + floats(weight) + floats(tensors["bias"])
            case "prelu":
                emit("PReLU", inputs, [last], f"0={tensors['slope'].size}")
                weights += floats(tensors["slope"])
            case "leaky_relu":
                emit("ReLU", inputs, [last], f"0={numbers['slope']:e}")
            case "silu":
                emit("Swish", inputs, [last])
            case "sigmoid":
                emit("Sigmoid", inputs, [last])
            case "add":
                emit("BinaryOp", inputs, [last], "0=0")
            case "multiply":
                emit("BinaryOp", inputs, [last], "0=2")
            case "times":
                emit("BinaryOp", inputs, [last], f"0=2 1=1 2={numbers['factor']:e}")
            case "minus":
                emit("BinaryOp", inputs, [last], f"0=1 1=1 2={numbers['shift']:e}")
            case "normalise":
                mean, factor = tensors["mean"], numbers["factor"]
                emit("Scale", inputs, [last], f"0={mean.size} 1=1")
                weights += floats(np.full(mean.size, factor)) + floats(-mean * factor)
            case "concat":
                emit("Concat", inputs, [last])
            case "nearest":
                factor = numbers["factor"]
                emit("Interp", inputs, [last], f"0=1 1={factor:e} 2={factor:e}")
            case "pixel_shuffle":
                emit("PixelShuffle", inputs, [last], f"0={int(numbers['factor'])}")
        produced(output)
    header = f"7767517\n{len(lines)} {n_blobs}\n"
    stem.with_suffix(".param").write_text(header + "\n".join(lines) + "\n")
    stem.with_suffix(".bin").write_bytes(bytes(weights))
