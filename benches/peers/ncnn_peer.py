"""ncnn: bf16 means bf16 weights and activations between layers, as its option has it."""

import ncnn
import numpy as np

import serving


def main() -> None:
    arguments = serving.options()
    net = ncnn.Net()
    net.opt.num_threads = arguments.threads
    # A thread that spins while it waits would disturb the engine whose turn it is.
    net.opt.openmp_blocktime = 0
    is_bf16 = arguments.precision == "bf16"
    net.opt.use_bf16_storage = is_bf16
    net.opt.use_bf16_packed = is_bf16
    net.opt.use_fp16_packed = False
    net.opt.use_fp16_storage = False
    net.opt.use_fp16_arithmetic = False
    if net.load_param(f"{arguments.stem}.param") != 0 or net.load_model(f"{arguments.stem}.bin") != 0:
        raise SystemExit(f"ncnn cannot load {arguments.stem}")
    # A copy in ncnn's own memory: layers that work in place would write into numpy's, which is not aligned as they need it.
    # The array has a name so that it lives until it has been copied.
    array = serving.frame(arguments)[0]
    frame = ncnn.Mat(array).clone()
    result = ncnn.Mat()

    def run() -> None:
        nonlocal result
        extractor = net.create_extractor()
        extractor.input("input", frame)
        status, result = extractor.extract("output")
        if status != 0:
            raise SystemExit(f"ncnn failed with status {status}")

    serving.serve(ncnn.__version__, arguments.precision, run, lambda: np.array(result))


if __name__ == "__main__":
    main()
