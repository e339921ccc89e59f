"""The compared networks as PyTorch modules, built from a state dict under the keys of the original."""

import torch
from torch import Tensor, nn
from torch.nn import functional

State = dict[str, Tensor]


def convolution(state: State, key: str) -> nn.Conv2d:
    weight = state[f"{key}.weight"]
    n_out, n_in, size, _ = weight.shape
    layer = nn.Conv2d(n_in, n_out, size, padding=size // 2)
    layer.weight = nn.Parameter(weight, requires_grad=False)
    layer.bias = nn.Parameter(state[f"{key}.bias"], requires_grad=False)
    return layer


class Compact(nn.Module):
    def __init__(self, state: State) -> None:
        super().__init__()
        last = max(int(key.split(".")[1]) for key in state)
        layers: list[nn.Module] = []
        for index in range(last + 1):
            if index % 2 == 0:
                layers.append(convolution(state, f"body.{index}"))
            else:
                layer = nn.PReLU(state[f"body.{index}.weight"].numel())
                layer.weight = nn.Parameter(state[f"body.{index}.weight"], requires_grad=False)
                layers.append(layer)
        self.body = nn.Sequential(*layers)
        self.scale = round((state[f"body.{last}.weight"].shape[0] / 3) ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        detail = functional.pixel_shuffle(self.body(x), self.scale)
        return detail + functional.interpolate(x, scale_factor=self.scale, mode="nearest")


class DenseBlock(nn.Module):
    def __init__(self, state: State, key: str) -> None:
        super().__init__()
        self.convs = nn.ModuleList(convolution(state, f"{key}.conv{layer}") for layer in range(1, 6))

    def forward(self, x: Tensor) -> Tensor:
        parts = [x]
        for conv in self.convs[:4]:
            joined = torch.cat(parts, 1) if len(parts) > 1 else x
            parts.append(functional.leaky_relu(conv(joined), 0.2, inplace=True))
        return self.convs[4](torch.cat(parts, 1)) * 0.2 + x


class Esrgan(nn.Module):
    def __init__(self, state: State) -> None:
        super().__init__()
        n_blocks = 1 + max(int(key.split(".")[1]) for key in state if key.startswith("body."))
        self.blocks = nn.ModuleList(
            nn.Sequential(*(DenseBlock(state, f"body.{block}.rdb{dense}") for dense in (1, 2, 3)))
            for block in range(n_blocks)
        )
        names = ("conv_first", "conv_body", "conv_up1", "conv_up2", "conv_hr", "conv_last")
        self.convs = nn.ModuleDict({name: convolution(state, name) for name in names})

    def forward(self, x: Tensor) -> Tensor:
        first = trunk = self.convs["conv_first"](x)
        for block in self.blocks:
            trunk = block(trunk) * 0.2 + trunk
        x = first + self.convs["conv_body"](trunk)
        for name in ("conv_up1", "conv_up2"):
            x = functional.interpolate(x, scale_factor=2, mode="nearest")
            x = functional.leaky_relu(self.convs[name](x), 0.2, inplace=True)
        return self.convs["conv_last"](functional.leaky_relu(self.convs["conv_hr"](x), 0.2, inplace=True))


class Span(nn.Module):
    def __init__(self, state: State) -> None:
        super().__init__()
        keys = ["conv_1", "conv_2"] + [f"block_{block}.c{part}_r" for block in range(1, 7) for part in (1, 2, 3)]
        self.merged = nn.ModuleDict({key.replace(".", "/"): convolution(state, f"{key}.eval_conv") for key in keys})
        self.joined = convolution(state, "conv_cat")
        self.last = convolution(state, "upsampler.0")
        self.scale = round((state["upsampler.0.weight"].shape[0] / 3) ** 0.5)
        self.register_buffer("mean", torch.tensor([0.4488, 0.4371, 0.4040]).view(1, 3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        first = value = block_1 = self.merged["conv_1"]((x - self.mean) * 255.0)
        for block in range(1, 7):
            inner = functional.silu(self.merged[f"block_{block}/c1_r"](value), inplace=True)
            second = functional.silu(self.merged[f"block_{block}/c2_r"](inner), inplace=True)
            third = self.merged[f"block_{block}/c3_r"](second)
            value = (third + value) * (torch.sigmoid(third) - 0.5)
            if block == 1:
                block_1 = value
        joined = self.joined(torch.cat([first, self.merged["conv_2"](value), block_1, inner], 1))
        return functional.pixel_shuffle(self.last(joined), self.scale)


def build(state: State) -> nn.Module:
    if "conv_1.eval_conv.weight" in state:
        return Span(state)
    return Esrgan(state) if "conv_first.weight" in state else Compact(state)
