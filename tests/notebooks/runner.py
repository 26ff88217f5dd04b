"""Run a notebook in a kernel, as a learner would, and write down what came out.

    python runner.py NOTEBOOK OUT.json [--kernel PYTHON] [--fill SOLUTIONS]

A program of its own, so that tests can put it where there is no network. The working
folder is the caller's. OUT.json holds one entry per cell that was run, in order: id,
seconds, outputs, the error's name and words, or nulls, and what went to stderr.

Without --fill it stops at the first error. With it the notebook is the learner's: where
a stub stops it, the first cell that is still to be written is replaced by the solution,
and everything from there on is run again.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

# What a stub raises: by itself, or through a check that called the learner's function.
STOPS = ("NotYet", "_NotWritten")


def manager(python: str, folder: Path) -> AsyncKernelManager:
    """Prepare a kernel of this Python; on Linux it talks without any network."""
    spec = {
        "argv": [python, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "under test",
        "language": "python",
    }
    (folder / "tested").mkdir()
    (folder / "tested" / "kernel.json").write_text(json.dumps(spec))
    specs = KernelSpecManager(kernel_dirs=[str(folder)], ensure_native_kernel=False)
    return AsyncKernelManager(
        kernel_name="tested",
        kernel_spec_manager=specs,
        transport="ipc" if sys.platform == "linux" else "tcp",
        connection_file=str(folder / "kernel.json"),
    )


def run_cell(client: NotebookClient, cell: Any, index: int) -> dict[str, Any]:
    """Run one cell; an error is written down, not raised."""
    start = time.perf_counter()
    error = words = None
    try:
        client.execute_cell(cell, index)
    except CellExecutionError as raised:
        error, words = raised.ename, raised.evalue
    return {
        "id": cell["id"],
        "seconds": time.perf_counter() - start,
        "outputs": cell["outputs"],
        "error": error,
        "words": words,
        "stderr": "".join(
            o["text"] for o in cell["outputs"] if o.get("name") == "stderr"
        ),
    }


def play(client: NotebookClient, solutions: dict[str, str]) -> list[dict[str, Any]]:
    """Run all cells; fill the stubs one by one where there are solutions."""
    cells = client.nb.cells
    codes = [i for i, cell in enumerate(cells) if cell.cell_type == "code"]
    unwritten = [
        i
        for i in codes
        if solutions and "exercise" in cells[i].metadata.get("tags", [])
    ]
    done, position = [], 0
    while position < len(codes):
        index = codes[position]
        done.append(run_cell(client, cells[index], index))
        error = done[-1]["error"]
        position += 1
        if error is None:
            continue
        if error not in STOPS or not unwritten or unwritten[0] > index:
            break
        first = unwritten.pop(0)
        cells[first].source = solutions[cells[first]["id"]]
        position = codes.index(first)
    return done


def main() -> None:
    """Read the command line, run, write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("notebook", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--kernel", default=sys.executable)
    parser.add_argument("--fill", type=Path)
    args = parser.parse_args()
    notebook = nbformat.read(args.notebook, as_version=4)
    solutions = {}
    if args.fill:
        filled = nbformat.read(args.fill, as_version=4)
        solutions = {cell["id"]: cell.source for cell in filled.cells}
    # A short path: the sockets lie beside the connection file, and 107 letters is all.
    with tempfile.TemporaryDirectory(prefix="k") as folder:
        client = NotebookClient(
            notebook, timeout=600, km=manager(args.kernel, Path(folder))
        )
        with client.setup_kernel(cleanup_kc=True):
            done = play(client, solutions)
    args.out.write_text(json.dumps(done))


if __name__ == "__main__":
    main()
