"""Writes the compared networks as .safetensors for Pegbar and PyTorch, .onnx for ONNX Runtime and OpenVINO, .param and .bin for ncnn,
and the frames that they are run on.

The weights come from a seeded generator: speed does not depend on their values, and nothing has to be downloaded. They are scaled so
that activations keep their size from layer to layer and the result looks like a picture's values, as in a trained network: no overflow,
no denormal numbers.
"""

import argparse
from pathlib import Path
from typing import Callable

import numpy as np
import onnx
from safetensors.numpy import save_file

import drawn_frame
from network import Network, onnx_model, write_ncnn

SEED = 20
Tensors = dict[str, np.ndarray]


class Weights:
    """A state dict in the making, under the keys of the PyTorch original."""

    def __init__(self) -> None:
        self.generator = np.random.default_rng(SEED)
        self.tensors: Tensors = {}

    def conv(self, key: str, n_in: int, n_out: int, size: int = 3, gain: float = 1.0, bias: float = 0.0) -> None:
        """With a gain of 1, inputs of variance 1 give outputs of variance 1."""
        deviation = gain / np.sqrt(size * size * n_in)
        self.put(f"{key}.weight", self.generator.normal(0.0, deviation, (n_out, n_in, size, size)))
        self.put(f"{key}.bias", self.generator.normal(bias, 0.01, n_out))

    def put(self, key: str, value: np.ndarray) -> None:
        self.tensors[key] = np.ascontiguousarray(value, np.float32)

    def apply(self, network: Network, key: str, value: str) -> str:
        return network.conv(value, self.tensors[f"{key}.weight"], self.tensors[f"{key}.bias"])


def compact(features: int, convolutions: int, scale: int) -> tuple[Tensors, Network]:
    """`body.N`: even N a convolution, odd N a PReLU."""
    weights, network = Weights(), Network()
    channels = [3] + [features] * (convolutions + 1) + [3 * scale * scale]
    value = "input"
    for layer, (n_in, n_out) in enumerate(zip(channels, channels[1:])):
        is_last = layer == len(channels) - 2
        # PReLU with these slopes passes somewhat more than half of the variance. The last layer adds detail to the enlarged input.
        weights.conv(f"body.{2 * layer}", n_in, n_out, gain=0.1 if is_last else 1.38)
        value = weights.apply(network, f"body.{2 * layer}", value)
        if not is_last:
            weights.put(f"body.{2 * layer + 1}.weight", weights.generator.uniform(0.0, 0.4, n_out))
            value = network.prelu(value, weights.tensors[f"body.{2 * layer + 1}.weight"])
    network.add(network.pixel_shuffle(value, scale), network.nearest("input", scale))
    return weights.tensors, network


def esrgan(blocks: int, features: int = 64, growth: int = 32) -> tuple[Tensors, Network]:
    """x4 with the keys of Real-ESRGAN."""
    weights, network = Weights(), Network()
    residual = 0.2

    def conv(key: str, value: str, n_out: int, leaky: bool = False, **scale: float) -> str:
        weights.conv(key, network.n_channels[value], n_out, **scale)
        value = weights.apply(network, key, value)
        return network.leaky_relu(value, 0.2) if leaky else value

    first = conv("conv_first", "input", features, gain=0.5)
    trunk = first
    for block in range(blocks):
        start = trunk
        for dense in (1, 2, 3):
            parts = [trunk]
            for layer in range(1, 5):
                joined = network.concat(parts) if len(parts) > 1 else trunk
                parts.append(conv(f"body.{block}.rdb{dense}.conv{layer}", joined, growth, leaky=True))
            last = conv(f"body.{block}.rdb{dense}.conv5", network.concat(parts), features)
            trunk = network.add(network.times(last, residual), trunk)
        trunk = network.add(network.times(trunk, residual), start)
    # Each block's result holds 1.2 times what came in.
    value = network.add(conv("conv_body", trunk, features, gain=1.2**-blocks), first)
    for up in ("conv_up1", "conv_up2"):
        value = conv(up, network.nearest(value, 2), features, leaky=True, gain=1.38)
    value = conv("conv_hr", value, features, leaky=True, gain=1.38)
    conv("conv_last", value, 3, gain=0.4, bias=0.5)
    return weights.tensors, network


def merged(tensors: Tensors, key: str) -> tuple[np.ndarray, np.ndarray]:
    """The one 3x3 convolution that Conv3XC is: 1x1, 3x3, 1x1 in a row and a 1x1 beside them."""
    part = {name: tensors[f"{key}.{name}.weight"].astype(np.float64) for name in ("sk", "conv.0", "conv.1", "conv.2")}
    shift = {name: tensors[f"{key}.{name}.bias"].astype(np.float64) for name in part}
    outer = np.einsum("om,mhyx->ohyx", part["conv.2"][:, :, 0, 0], part["conv.1"])
    weight = np.einsum("ohyx,hi->oiyx", outer, part["conv.0"][:, :, 0, 0])
    weight[:, :, 1, 1] += part["sk"][:, :, 0, 0]
    bias = outer.sum(axis=(2, 3)) @ shift["conv.0"] + part["conv.2"][:, :, 0, 0] @ shift["conv.1"]
    return weight, bias + shift["conv.2"] + shift["sk"]


def span(features: int, scale: int) -> tuple[Tensors, Network]:
    """Stored in the training form, with the merged convolution beside it; the network has the merged one, as every exporter writes it."""
    weights, network = Weights(), Network()

    def conv3xc(key: str, value: str, gain: float) -> str:
        n_in = network.n_channels[value]
        # Half of the variance each from the three in a row and from the one beside them.
        half = gain * np.sqrt(0.5)
        weights.conv(f"{key}.sk", n_in, features, size=1, gain=half)
        weights.conv(f"{key}.conv.0", n_in, 2 * n_in, size=1)
        weights.conv(f"{key}.conv.1", 2 * n_in, 2 * features)
        weights.conv(f"{key}.conv.2", 2 * features, features, size=1, gain=half)
        weight, bias = merged(weights.tensors, key)
        weights.put(f"{key}.eval_conv.weight", weight)
        weights.put(f"{key}.eval_conv.bias", bias)
        return weights.apply(network, f"{key}.eval_conv", value)

    mean = np.array([0.4488, 0.4371, 0.4040], np.float32)
    # Normalised values reach a hundred, which the first convolution brings down.
    first = conv3xc("conv_1", network.normalise("input", mean, 255.0), gain=0.01)
    value = first
    block_1 = inner = value
    for block in range(1, 7):
        inner = network.silu(conv3xc(f"block_{block}.c1_r", value, gain=1.5))
        second = network.silu(conv3xc(f"block_{block}.c2_r", inner, gain=1.5))
        third = conv3xc(f"block_{block}.c3_r", second, gain=2.0)
        attention = network.minus(network.sigmoid(third), 0.5)
        value = network.multiply(network.add(third, value), attention)
        if block == 1:
            block_1 = value
    last = conv3xc("conv_2", value, gain=1.0)
    joined = network.concat([first, last, block_1, inner])
    weights.conv("conv_cat", 4 * features, features, size=1)
    value = weights.apply(network, "conv_cat", joined)
    weights.conv("upsampler.0", features, 3 * scale * scale, gain=0.15, bias=0.5)
    network.pixel_shuffle(weights.apply(network, "upsampler.0", value), scale)
    return weights.tensors, network


MODELS: dict[str, Callable[[], tuple[Tensors, Network]]] = {
    "compact-x2": lambda: compact(64, 16, 2),
    "compact-x4": lambda: compact(64, 16, 4),
    "ultra-x2": lambda: compact(24, 8, 2),
    "esrgan-6b-x4": lambda: esrgan(6),
    "esrgan-23b-x4": lambda: esrgan(23),
    "span-x2": lambda: span(48, 2),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--models", nargs="+", choices=sorted(MODELS), default=sorted(MODELS))
    parser.add_argument("--frames", nargs="*", default=[], metavar="WIDTHxHEIGHT")
    arguments = parser.parse_args()
    for name in arguments.models:
        tensors, network = MODELS[name]()
        save_file(tensors, arguments.folder / f"{name}.safetensors")
        onnx.save(onnx_model(network), arguments.folder / f"{name}.onnx")
        write_ncnn(network, arguments.folder / name)
    for size in arguments.frames:
        drawn_frame.write(arguments.folder, size)


if __name__ == "__main__":
    main()
