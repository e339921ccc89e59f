"""The frame that all engines run on, drawn so that nothing has to be downloaded."""

from pathlib import Path

import numpy as np

SEED = 20


def draw(width: int, height: int) -> np.ndarray:
    """A drawn picture of shape (3, height, width), values 0 to 1: flat colours, black lines, a gradient, a grainy corner."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / np.float32(height)
    picture = np.stack([0.5 + 0.3 * y, 0.7 + 0.1 * y, 0.9 - 0.2 * y])
    generator = np.random.default_rng(SEED)
    aspect, pixel = width / height, 1.0 / height
    for _ in range(14):
        centre, radius = generator.uniform((0.0, 0.0), (aspect, 1.0)), generator.uniform(0.05, 0.25)
        distance = np.hypot(x - centre[0], (y - centre[1]) * generator.uniform(0.7, 1.6))
        colour = generator.uniform(0.1, 1.0, 3).astype(np.float32)
        for limit, fill in ((radius + 2.5 * pixel, np.zeros(3, np.float32)), (radius, colour)):
            cover = np.clip((limit - distance) / pixel + 0.5, 0.0, 1.0)
            picture += (fill[:, None, None] - picture) * cover
    for line in range(12):
        cover = np.clip(1.5 - np.abs(y - 0.1 - 0.03 * line - 0.2 * x) / pixel, 0.0, 1.0) * (x < 0.4)
        picture *= 1.0 - 0.8 * cover
    grainy = (x > 0.7 * aspect) & (y > 0.7)
    picture += grainy * generator.normal(0.0, 0.06, picture.shape)
    return np.clip(picture, 0.0, 1.0).astype("<f4")


def write(folder: Path, size: str) -> None:
    """`size` is WIDTHxHEIGHT."""
    width, height = (int(number) for number in size.split("x"))
    draw(width, height).tofile(folder / f"frame-{size}.f32")
