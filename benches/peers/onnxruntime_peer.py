"""ONNX Runtime on its CPU provider, f32 only: it has no bf16 convolution there."""

import numpy as np
import onnxruntime

import serving


def main() -> None:
    arguments = serving.options()
    if arguments.precision != "f32":
        raise SystemExit("ONNX Runtime's CPU provider has no bf16 convolution")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = arguments.threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    # A thread that spins while it waits would disturb the engine whose turn it is.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(f"{arguments.stem}.onnx", options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    frame = serving.frame(arguments)
    result = np.empty(0)

    def run() -> None:
        nonlocal result
        result = session.run(None, {name: frame})[0]

    serving.serve(onnxruntime.__version__, "f32", run, lambda: result)


if __name__ == "__main__":
    main()
