"""How much memory does a map of a large image take?

    python -m benchmarks.map_memory --folder FOLDER       20,000 x 20,000 px, 3 bands

Makes an empty image file (1.2 GB that take no room on the disk), maps it with a network
of one layer into a .tif, and prints the most memory that the process ever held. The
network hardly computes: what is measured is reading, blending and writing.
"""

import json
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

from benchmarks.page import run_command
from workshop_lib.augment import BandNormalize
from workshop_lib.data.read.large_image import ArrayImage
from workshop_lib.evaluation.mapping import map_image
from workshop_lib.session import peak_memory

CPU = torch.device("cpu")


def measure(
    height: int, width: int, size: int, classes: int, out: Path
) -> dict[str, float]:
    """Map an empty image beside `out`; return MB before and at most, and seconds."""
    image = out.with_name("image.raw")
    with image.open("wb") as file:
        file.truncate(3 * height * width)  # a hole: read as zeros
    pixels = np.memmap(image, np.uint8, "r", shape=(3, height, width))
    torch.manual_seed(0)
    before = peak_memory(CPU)
    start, clock = time.perf_counter(), time.process_time()
    names = [f"class {k}" for k in range(classes)]
    map_image(
        nn.Conv2d(3, classes, 1), BandNormalize(torch.zeros(3), torch.ones(3)),
        ArrayImage(pixels), out, names, size=size, overlap_factor=0.8, device=CPU,
    )  # fmt: skip
    found = {
        "image_mb": 3 * height * width / 1e6,
        "before_mb": before / 1e6,
        "peak_mb": peak_memory(CPU) / 1e6,
        "seconds": time.perf_counter() - start,
        "processor_seconds": time.process_time() - clock,
    }
    image.unlink()
    return {key: round(value, 1) for key, value in found.items()}


def main(
    height: int = 20_000,
    width: int = 20_000,
    size: int = 256,
    classes: int = 6,
    folder: Path = Path("runs/map_memory"),
) -> None:
    """Measure, print one line of JSON.

    Args:
        height: of the image in pixels.
        width: of the image in pixels.
        size: side of the patches in pixels.
        classes: of the map.
        folder: for image and map.
    """
    folder.mkdir(parents=True, exist_ok=True)
    out = folder / f"{height}x{width}.tif"
    print(json.dumps(measure(height, width, size, classes, out)))


if __name__ == "__main__":
    run_command(main, __doc__)
