"""The knob of notebook 08: other land with masks is mapped, images without are told.

All cells on MiniEO from another seed of its generator take as long as the notebook
itself, so that is run where WORKSHOP_ARCHIVES is set, as the archives of the other
notebooks are. The refusal costs seconds and is always tested.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SOLVED = ROOT / "notebooks" / "solutions" / "08_segmentation.ipynb"
KNOB = 'DATA = "mini_eo"  # or "mini_eo:7": other land, as any number; see above'


Run = Callable[..., list[dict]]


def turned(data: str) -> dict[str, Any]:
    """Change the cell of the knob and nothing else."""
    notebook = json.loads(SOLVED.read_text(encoding="utf-8"))
    sources = ["".join(cell["source"]) for cell in notebook["cells"]]
    assert sources.count(KNOB) == 1
    notebook["cells"][sources.index(KNOB)]["source"] = f"DATA = {data!r}"
    return notebook


def test_other_land(tmp_path: Path, run_notebook: Run):
    if not os.environ.get("WORKSHOP_ARCHIVES"):
        pytest.skip("WORKSHOP_ARCHIVES is not set: a long test of the knob")
    cells = run_notebook(turned("mini_eo:7"), tmp_path)
    assert [cell["error"] for cell in cells] == [None] * len(cells)
    codes = json.loads(SOLVED.read_text(encoding="utf-8"))["cells"]
    assert len(cells) == sum(cell["cell_type"] == "code" for cell in codes)
    assert not any(cell["stderr"] for cell in cells)


def test_images_without_masks_are_told(tmp_path: Path, run_notebook: Run):
    rng = np.random.default_rng(0)
    for name in ("forest", "harbor"):
        (tmp_path / "own" / name).mkdir(parents=True)
        for k in range(20):
            pixels = rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "own" / name / f"{k}.png")
    last = run_notebook(turned((tmp_path / "own").as_posix()), tmp_path / "work")[-1]
    assert last["error"] == "AssertionError"
    assert last["words"] == "these images have no masks: see above"
