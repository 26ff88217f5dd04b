"""Running a notebook as a learner would: what all tests of this folder share."""

import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError


def kernel_manager(python: Path | str, folder: Path) -> AsyncKernelManager:
    """Prepare a kernel of this Python, which may be another one than runs the tests."""
    spec = {
        "argv": [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "under test",
        "language": "python",
    }
    (folder / "tested").mkdir()
    (folder / "tested" / "kernel.json").write_text(json.dumps(spec))
    specs = KernelSpecManager(kernel_dirs=[str(folder)], ensure_native_kernel=False)
    return AsyncKernelManager(kernel_name="tested", kernel_spec_manager=specs)


# What a stub raises: by itself, or through a check that called the learner's function
STOPS = ("NotYet", "_NotWritten")


def run_cell(client: NotebookClient, index: int) -> dict[str, Any]:
    """Run one cell; an error is written down, not raised."""
    cell, error, words = client.nb.cells[index], None, None
    try:
        client.execute_cell(cell, index)
    except CellExecutionError as raised:
        error, words = raised.ename, raised.evalue
    texts = [o["text"] for o in cell.outputs if o.get("name") == "stderr"]
    found = {"id": cell["id"], "outputs": cell.outputs, "stderr": "".join(texts)}
    return {**found, "error": error, "words": words}


def run_cells(client: NotebookClient, solved: dict[str, str]) -> list[dict[str, Any]]:
    """Run the code cells up to the first error.

    With solutions the notebook is the learner's: where a stub stops it, the first
    exercise is replaced by its solution and run again, until none is left.
    """
    cells = client.nb.cells
    codes = [i for i, cell in enumerate(cells) if cell.cell_type == "code"]
    exercises = [i for i in codes if "exercise" in cells[i].metadata.get("tags", [])]
    done, position = [], 0
    while position < len(codes):
        index = codes[position]
        done.append(run_cell(client, index))
        position += 1
        if done[-1]["error"] is None:
            continue
        if done[-1]["error"] not in STOPS or not solved or exercises[0] > index:
            break
        first = exercises.pop(0)
        if not exercises:
            break
        cells[first].source = solved[cells[first]["id"]]
        position = codes.index(first)
    return done


@pytest.fixture(scope="session")
def run_notebook() -> Callable[..., list[dict[str, Any]]]:
    """Gives `run(notebook, work, python=..., solutions=None, **environment)`.

    It runs a notebook (a path, or its content) with preset ci in the folder `work`,
    which is made, up to the first error; `solutions` is the notebook that fills the
    stubs. Returns an entry per cell that was run: id, outputs, stderr, the error's name
    and words or None.
    """

    def run(
        notebook: Path | dict[str, Any],
        work: Path,
        python: Path | str = sys.executable,
        solutions: Path | None = None,
        **environment: str,
    ) -> list[dict[str, Any]]:
        work.mkdir(parents=True, exist_ok=True)
        text = json.dumps(notebook) if isinstance(notebook, dict) else None
        content = nbformat.reads(text or notebook.read_text(encoding="utf-8"), 4)
        filled = nbformat.read(solutions, 4).cells if solutions else []
        env = os.environ | {"WORKSHOP_PRESET": "ci", "CI": "1", **environment}
        with tempfile.TemporaryDirectory() as folder:
            manager = kernel_manager(python, Path(folder))
            client = NotebookClient(content, timeout=600, km=manager)
            with client.setup_kernel(cleanup_kc=True, env=env, cwd=str(work)):
                return run_cells(client, {cell["id"]: cell.source for cell in filled})

    return run
