"""A map takes the memory of a strip, whatever the height of the image."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def peak(folder, height):
    command = [sys.executable, "-m", "benchmarks.map_memory", "--size", "128"]
    command += ["--height", str(height), "--width", "2000", "--folder", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    assert (folder / f"{height}x2000.tif").stat().st_size > 0
    return found["peak_mb"] - found["before_mb"]


@pytest.mark.slow
def test_memory_is_that_of_a_strip(tmp_path):
    pytest.importorskip("rasterio", reason="needs workshop_lib[geo]")
    low, high = peak(tmp_path, 1000), peak(tmp_path, 16_000)
    # The taller image and its map have 90 + 30 MB more; a quarter for the allocator
    assert high - low < 30
