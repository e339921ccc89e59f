"""PyTorch on a published architecture, in one of the ways it can be run on a processor; bf16 means autocast."""

import warnings
from pathlib import Path

import torch
from safetensors.torch import load_file

import serving
from architectures import ARCHITECTURES

MODES = ("eager", "channels-last", "traced", "compiled")


def main() -> None:
    arguments = serving.options(MODES)
    # Tracing and compiling warn of what could go wrong; the result is compared.
    warnings.simplefilter("ignore")
    torch.set_num_threads(arguments.threads)
    torch.set_num_interop_threads(1)
    network = ARCHITECTURES[Path(arguments.stem).name]()
    network.load_state_dict(load_file(f"{arguments.stem}.safetensors"))
    network.eval().requires_grad_(False)
    frame = torch.from_numpy(serving.frame(arguments))
    if arguments.mode == "channels-last":
        network = network.to(memory_format=torch.channels_last)
        frame = frame.to(memory_format=torch.channels_last)
    is_bf16 = arguments.precision == "bf16"

    def bf16() -> torch.autocast:
        # Tracing cannot keep the cache of converted weights; the traced code holds them converted.
        return torch.autocast("cpu", dtype=torch.bfloat16, enabled=is_bf16, cache_enabled=arguments.mode != "traced")

    result = frame

    def run() -> None:
        nonlocal result
        # Compiled code runs in no_grad as fast as in inference_mode, which not every compiler of PyTorch's takes.
        with torch.no_grad(), bf16():
            result = network(frame)

    try:
        if arguments.mode == "traced":
            with torch.no_grad(), bf16():
                network = torch.jit.freeze(torch.jit.trace(network, frame, check_trace=False))
        elif arguments.mode == "compiled":
            network = torch.compile(network)
        if arguments.mode in ("traced", "compiled"):
            # Code that is compiled while it runs is ready after its second run, not its first.
            run()
    except Exception as error:  # Compilers fail in many ways, for want of a C++ compiler among others.
        lines = str(error).strip().splitlines() or [type(error).__name__]
        return serving.refuse(f"it cannot be {arguments.mode} here ({lines[0]})")
    version = torch.__version__.split("+")[0]
    serving.serve(version, arguments.precision, run, lambda: result.float().contiguous().numpy())


if __name__ == "__main__":
    main()
