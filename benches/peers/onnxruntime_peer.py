"""Times ONNX Runtime on one frame, or writes its output as a golden file. Prints one JSON object."""

import argparse
import json
import statistics
import time

import numpy as np
import onnxruntime
from safetensors.numpy import save_file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="the network as .onnx")
    parser.add_argument("--size", required=True, help="WIDTHxHEIGHT of the frame")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--runs", type=int, default=1, help="timed runs, after one that is not timed")
    parser.add_argument("--golden", help="write input and output to this .safetensors instead of timing")
    arguments = parser.parse_args()

    width, height = (int(number) for number in arguments.size.split("x"))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = arguments.threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(arguments.model, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    frame = np.random.default_rng(1).random((1, 3, height, width), dtype=np.float32)

    report: dict[str, object] = {"version": onnxruntime.__version__}
    output = session.run(None, {name: frame})[0]
    if arguments.golden:
        save_file({"input": frame, "output": output}, arguments.golden)
        report["largest_output"] = float(np.abs(output).max())
    else:
        runs = []
        for _ in range(arguments.runs):
            start = time.perf_counter()
            session.run(None, {name: frame})
            runs.append(time.perf_counter() - start)
        report["seconds_per_frame"] = statistics.median(runs)
        report["runs"] = runs
    print(json.dumps(report))


if __name__ == "__main__":
    main()
