"""The networks of `cargo xtask bench-architectures`, as the package spandrel defines them, in their published sizes."""

from typing import Callable

import torch
from spandrel.architectures.DAT.__arch.DAT import DAT
from spandrel.architectures.OmniSR.__arch.OmniSR import OmniSR
from spandrel.architectures.PLKSR.__arch.RealPLKSR import RealPLKSR
from spandrel.architectures.SwinIR.__arch.SwinIR import SwinIR


def realplksr() -> torch.nn.Module:
    network = RealPLKSR(upscaling_factor=2, dim=64, n_blocks=28)
    # The last layer adds detail to the enlarged input; untrained it would outshine it.
    with torch.no_grad():
        network.feats[-1].weight *= 0.1
    return network


ARCHITECTURES: dict[str, Callable[[], torch.nn.Module]] = {
    "dat-light-x2": lambda: DAT(
        upscale=2,
        img_size=64,
        embed_dim=60,
        depth=[18],
        num_heads=[6],
        split_size=[8, 32],
        expansion_factor=2,
        resi_connection="3conv",
        upsampler="pixelshuffledirect",
    ),
    "swinir-light-x2": lambda: SwinIR(
        upscale=2,
        img_size=64,
        window_size=8,
        embed_dim=60,
        depths=[6, 6, 6, 6],
        num_heads=[6, 6, 6, 6],
        mlp_ratio=2,
        upsampler="pixelshuffledirect",
    ),
    "omnisr-x2": lambda: OmniSR(up_scale=2, num_feat=64, res_num=5),
    "realplksr-x2": realplksr,
}
