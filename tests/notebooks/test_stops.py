"""The learner's notebooks stop where something is to be written, and nowhere else."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).parents[2] / "notebooks"
NAMES = sorted(path.name for path in FOLDER.glob("[0-9][0-9]_*.ipynb"))
STOPS = ("NotYet", "_NotWritten")
Run = Callable[..., list[dict]]


@pytest.mark.parametrize("name", NAMES)
def test_every_stub_stops_in_words(name: str, run_notebook: Run, tmp_path: Path):
    """Each is filled when it was met, up to the last; nbval runs what follows."""
    solved = FOLDER / "solutions" / name
    done = run_notebook(FOLDER / name, tmp_path, solutions=solved)
    stopped = [cell for cell in done if cell["error"]]
    for cell in stopped:
        assert cell["error"] in STOPS, f"{cell['id']}: {cell['words']}"
        if cell["error"] == "NotYet":
            (shown,) = [o for o in cell["outputs"] if o["output_type"] == "error"]
            assert shown["traceback"][0].startswith("Not yet: ")
            assert shown["traceback"][-1].startswith("Stuck? Hints")
            assert len(shown["traceback"]) == 3
    # One stop for each: otherwise one is never reached, so never checked
    cells = json.loads((FOLDER / name).read_text(encoding="utf-8"))["cells"]
    stubs = [c["id"] for c in cells if "exercise" in c["metadata"].get("tags", [])]
    ids = [cell["id"] for cell in stopped]
    assert stubs and len(ids) == len(stubs), f"stubs {stubs}, but stopped at {ids}"
