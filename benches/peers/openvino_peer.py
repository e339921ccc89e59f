"""OpenVINO: the model reshaped to the frame's size, one stream, latency first."""

import openvino

import serving


def main() -> None:
    arguments = serving.options()
    core = openvino.Core()
    model = core.read_model(f"{arguments.stem}.onnx")
    model.reshape([1, 3, arguments.height, arguments.width])
    compiled = core.compile_model(
        model,
        "CPU",
        {
            "INFERENCE_PRECISION_HINT": arguments.precision,
            "INFERENCE_NUM_THREADS": arguments.threads,
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": 1,
        },
    )
    request = compiled.create_infer_request()
    frame = serving.frame(arguments)

    def run() -> None:
        request.infer({0: frame}, share_inputs=True, share_outputs=True)

    # Without bf16 instructions the plugin computes in f32 whatever was asked for.
    precision = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
    version = openvino.__version__.split("-")[0]
    serving.serve(version, precision, run, lambda: request.get_output_tensor(0).data)


if __name__ == "__main__":
    main()
