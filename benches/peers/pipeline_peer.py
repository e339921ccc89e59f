"""A whole pipeline as one would write it around OpenVINO: ffmpeg decodes, the model enlarges, ffmpeg encodes, all three at once.

Conversion to and from 8 bits happens inside the compiled model, and threads keep all parts busy.
"""

import argparse
import queue
import subprocess
import threading

import numpy as np
import openvino
from openvino import Layout, Type, opset13
from openvino.preprocess import PrePostProcessor


def compiled(stem: str, width: int, height: int, precision: str, threads: int) -> openvino.CompiledModel:
    """From (1, height, width, 3) in 8 bits to the enlarged picture in the same form."""
    core = openvino.Core()
    model = core.read_model(f"{stem}.onnx")
    model.reshape([1, 3, height, width])
    steps = PrePostProcessor(model)
    steps.input().tensor().set_element_type(Type.u8).set_layout(Layout("NHWC"))
    steps.input().model().set_layout(Layout("NCHW"))
    steps.input().preprocess().convert_element_type(Type.f32).scale(255.0)
    steps.output().model().set_layout(Layout("NCHW"))
    steps.output().tensor().set_layout(Layout("NHWC"))

    def to_bytes(value: openvino.Output) -> openvino.Output:
        scaled = opset13.multiply(value, opset13.constant(np.float32(255.0)))
        return opset13.convert(opset13.round(opset13.clamp(scaled, 0.0, 255.0)), "u8").output(0)

    steps.output().postprocess().custom(to_bytes)
    options = {
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
    }
    return core.compile_model(steps.build(), "CPU", options)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stem")
    parser.add_argument("input")
    parser.add_argument("output")
    parser.add_argument("--size", required=True, help="WIDTHxHEIGHT of the input")
    parser.add_argument("--rate", required=True, help="frames a second")
    parser.add_argument("--precision", choices=["f32", "bf16"], default="bf16")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--ffmpeg", default="ffmpeg")
    parser.add_argument("--encoder", nargs=argparse.REMAINDER, required=True, help="ffmpeg's options for the video")
    arguments = parser.parse_args()
    width, height = (int(number) for number in arguments.size.split("x"))
    model = compiled(arguments.stem, width, height, arguments.precision, arguments.threads)
    request = model.create_infer_request()
    _, out_height, out_width, _ = model.output(0).shape

    quiet = [arguments.ffmpeg, "-nostdin", "-loglevel", "error", "-y"]
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24"]
    decoder = subprocess.Popen([*quiet, "-i", arguments.input, *raw, "-"], stdout=subprocess.PIPE)
    source = [*raw, "-s", f"{out_width}x{out_height}", "-r", arguments.rate, "-i", "-", "-i", arguments.input]
    streams = ["-map", "0:v", "-map", "1:a?", "-c:a", "copy", "-pix_fmt", "yuv420p"]
    encoder = subprocess.Popen([*quiet, *source, *streams, *arguments.encoder, arguments.output], stdin=subprocess.PIPE)

    frames: queue.Queue = queue.Queue(maxsize=2)
    results: queue.Queue = queue.Queue(maxsize=2)

    def decode() -> None:
        while len(data := decoder.stdout.read(width * height * 3)) == width * height * 3:
            frames.put(np.frombuffer(data, np.uint8).reshape(1, height, width, 3))
        frames.put(None)

    def encode() -> None:
        while (result := results.get()) is not None:
            encoder.stdin.write(result)
        encoder.stdin.close()

    workers = [threading.Thread(target=work, daemon=True) for work in (decode, encode)]
    for worker in workers:
        worker.start()
    n_frames = 0
    while (frame := frames.get()) is not None:
        request.infer({0: frame}, share_inputs=True, share_outputs=True)
        results.put(request.get_output_tensor(0).data.tobytes())
        n_frames += 1
    results.put(None)
    for worker in workers:
        worker.join()
    if decoder.wait() != 0 or encoder.wait() != 0:
        raise SystemExit("ffmpeg failed")
    print(n_frames)


if __name__ == "__main__":
    main()
