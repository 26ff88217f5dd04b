"""The data knob: notebooks 02 to 06 on other images than their own.

A learner changes one cell. So do these tests, and nothing else: to a small folder of
images with few classes of unequal size, and, where the environment variable
WORKSHOP_ARCHIVES names a folder that holds them, to the archives of UC Merced and
EuroSAT, all of their images (a quarter of an hour on two cores, so not by default).
"""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SOLUTIONS = ROOT / "notebooks" / "solutions"
ARCHIVES = {"ucm": "UCMerced_LandUse.zip", "eurosat": "EuroSAT_RGB.zip"}
KNOB = 'DATA = "mini_eo"  # or "ucm", "eurosat", or the path of a folder per class'
NAMES = sorted(p.name for p in SOLUTIONS.glob("0[2-6]_*.ipynb"))

Run = Callable[[str, Path, Path], list[dict]]


def turned(name: str, data: Path) -> dict:
    """Read a notebook, and change the cell of the knob to other images."""
    notebook = json.loads((SOLUTIONS / name).read_text(encoding="utf-8"))
    sources = ["".join(cell["source"]) for cell in notebook["cells"]]
    assert sources.count(KNOB) == 1, f"{name}: one cell, that holds nothing else"
    knob = notebook["cells"][sources.index(KNOB)]
    knob["source"] = f"DATA = {data.as_posix()!r}"
    return notebook


@pytest.fixture
def run(run_notebook: Callable[..., list[dict]]) -> Run:
    """Run a notebook on other images, and see to it that nothing fails or complains."""

    def run(name: str, data: Path, place: Path) -> list[dict]:
        notebook = turned(name, data)
        cells = run_notebook(notebook, place)
        for cell in cells:
            assert cell["error"] is None, f"{cell['id']}: {cell['words']}"
            assert not cell["stderr"], f"{cell['id']}: {cell['stderr']}"
        codes = [c for c in notebook["cells"] if c["cell_type"] == "code"]
        assert len(cells) == len(codes)
        return cells

    return run


def printed(cells: list[dict]) -> str:
    return "".join(o.get("text", "") for cell in cells for o in cell["outputs"])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all: the later notebooks find the runs of the earlier ones."""
    return tmp_path_factory.mktemp("knob")


@pytest.fixture(scope="module")
def own_images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of 24, 30 and 36 images, told apart by colour and grain."""
    folder = tmp_path_factory.mktemp("own")
    rng = np.random.default_rng(0)
    for k, name in enumerate(("forest", "harbor", "parking lot")):
        (folder / name).mkdir()
        for i in range(24 + 6 * k):
            coarse = rng.normal(0, 30, (10 * (k + 1), 12 * (k + 1), 3))
            grain = np.kron(coarse, np.ones((6 // (k + 1), 6 // (k + 1), 1)))
            tint = np.roll([60, 100, 140], k) + rng.normal(0, 15, 3)
            pixels = (tint + grain).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{i}.png")
    return folder


def test_there_are_five_notebooks_with_a_knob():
    assert [name[:2] for name in NAMES] == ["02", "03", "04", "05", "06"]


@pytest.mark.parametrize("name", NAMES)
def test_own_folder(name: str, place: Path, own_images: Path, run: Run):
    cells = run(name, own_images, place / "own" / "work")
    words = r"labeled 12,|12 labelled|12 of 90 images are labelled"
    assert re.search(words, printed(cells))


@pytest.mark.parametrize("data", ARCHIVES)
@pytest.mark.parametrize("name", NAMES)
def test_archive(name: str, data: str, place: Path, run: Run):
    folder = os.environ.get("WORKSHOP_ARCHIVES")
    if not folder:
        pytest.skip("WORKSHOP_ARCHIVES names no folder with the archives")
    archive = Path(folder) / ARCHIVES[data]
    if not archive.exists():
        pytest.skip(f"{archive.name} is not in WORKSHOP_ARCHIVES={folder}")
    run(name, archive, place / data / "work")
