"""Writes the networks of `cargo xtask bench-architectures` as .safetensors, and the frame that they are run on.

Weights are what each network starts its training with, from a fixed seed: speed does not depend on their values, and nothing
has to be downloaded. Vectors (biases, factors of norms), which start as zeros and ones, are moved a little, so that a layer
that were left out would show in the result.
"""

import argparse
from pathlib import Path

import torch
from safetensors.torch import save_file

import drawn_frame
from architectures import ARCHITECTURES

SEED = 20
SPREAD = 0.05


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--models", nargs="+", choices=sorted(ARCHITECTURES), required=True)
    parser.add_argument("--frames", nargs="+", required=True, metavar="WIDTHxHEIGHT")
    arguments = parser.parse_args()
    for name in arguments.models:
        torch.manual_seed(SEED)
        network = ARCHITECTURES[name]()
        with torch.no_grad():
            for parameter in network.parameters():
                if parameter.dim() == 1:
                    parameter += SPREAD * torch.randn(parameter.shape)
        tensors = {key: value.contiguous().clone() for key, value in network.state_dict().items()}
        save_file(tensors, arguments.folder / f"{name}.safetensors")
    for size in arguments.frames:
        drawn_frame.write(arguments.folder, size)


if __name__ == "__main__":
    main()
