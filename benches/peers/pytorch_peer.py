"""PyTorch, eager, channels last; bf16 means autocast."""

import torch
from safetensors.torch import load_file

import pytorch_networks
import serving


def main() -> None:
    arguments = serving.options()
    torch.set_num_threads(arguments.threads)
    torch.set_num_interop_threads(1)
    network = pytorch_networks.build(load_file(f"{arguments.stem}.safetensors"))
    network = network.eval().to(memory_format=torch.channels_last)
    frame = torch.from_numpy(serving.frame(arguments)).to(memory_format=torch.channels_last)
    is_bf16 = arguments.precision == "bf16"
    result = frame

    def run() -> None:
        nonlocal result
        with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=is_bf16):
            result = network(frame)

    serving.serve(torch.__version__, arguments.precision, run, lambda: result.float().contiguous().numpy())


if __name__ == "__main__":
    main()
