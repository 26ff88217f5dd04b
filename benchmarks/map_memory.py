"""How much memory does a map of a large image take?

    python -m benchmarks.map_memory --folder FOLDER       20,000 x 20,000 px, 3 bands

Makes an empty image file (1.2 GB that take no room on the disk), maps it with a network
of one layer into a .tif, and prints the most memory that the process ever held. The
network hardly computes: what is measured is reading, blending and writing.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

from workshop_lib.augment.normalize import Normalize
from workshop_lib.data.read.large_image import ArrayImage
from workshop_lib.evaluation.mapping import map_image
from workshop_lib.session import peak_memory, setup

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
        nn.Conv2d(3, classes, 1), Normalize(torch.zeros(3), torch.ones(3)),
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


def main() -> None:
    """Read the flags, measure, print one line of JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--height", type=int, default=20_000)
    parser.add_argument("--width", type=int, default=20_000)
    parser.add_argument("--size", type=int, default=256, help="of the patches")
    parser.add_argument("--classes", type=int, default=6)
    parser.add_argument("--folder", type=Path, default=Path("runs/map_memory"))
    flags = parser.parse_args()
    setup()
    flags.folder.mkdir(parents=True, exist_ok=True)
    out = flags.folder / f"{flags.height}x{flags.width}.tif"
    print(
        json.dumps(measure(flags.height, flags.width, flags.size, flags.classes, out))
    )


if __name__ == "__main__":
    main()
