"""What the peers' scripts share: their options, and answering requests, so that all engines can take turns frame by frame.

A script prints one line of JSON when it has loaded the model and warmed up, and one for each line that it reads: `run` is answered by
the seconds it took, `write FILE` by the number of bytes written (32-bit little-endian floats, plane after plane). It ends with its input.
"""

import argparse
import json
import os
import sys
import time
from typing import Callable

import numpy as np


def options(modes: tuple[str, ...] = ()) -> argparse.Namespace:
    """`stem` is the model's path without its extension; `modes` are the ways a script can run it, if there are several."""
    parser = argparse.ArgumentParser()
    parser.add_argument("stem")
    parser.add_argument("--size", required=True, help="WIDTHxHEIGHT of the frame")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--precision", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--frame", required=True, help="the frame as 32-bit floats, plane after plane")
    if modes:
        parser.add_argument("--mode", choices=modes, default=modes[0])
    arguments = parser.parse_args()
    arguments.width, arguments.height = (int(number) for number in arguments.size.split("x"))
    return arguments


def frame(arguments: argparse.Namespace) -> np.ndarray:
    """The frame, of shape (1, 3, height, width)."""
    return np.fromfile(arguments.frame, "<f4").reshape(1, 3, arguments.height, arguments.width)


def refuse(problem: str) -> None:
    """Says why nothing can be computed here, in place of `serve`; `problem` is the rest of a sentence."""
    print(json.dumps({"ready": False, "problem": problem}), flush=True)


def serve(version: str, precision: str, run: Callable[[], object], output: Callable[[], np.ndarray]) -> None:
    """`precision` is what the engine says it computes in, `run` computes a frame, `output` gives the last result."""
    # Libraries print what they like on standard output; answers go where nobody else writes.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(**values) -> None:
        print(json.dumps(values), file=answers, flush=True)

    run()
    answer(ready=True, version=version, precision=precision)
    for line in sys.stdin:
        request, _, path = line.strip().partition(" ")
        if request == "run":
            start = time.perf_counter()
            run()
            answer(seconds=time.perf_counter() - start)
        elif request == "write" and path:
            result = np.ascontiguousarray(output(), "<f4")
            result.tofile(path)
            answer(bytes=result.nbytes)
        else:
            raise SystemExit(f"{line!r} is no request; write `run` or `write FILE`")
