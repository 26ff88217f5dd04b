"""What `pytest --nbval-lax notebooks/solutions` asks of a notebook beyond nbval.

nbval runs the cells of a notebook in one kernel; a cell fails if it raises. Here every
kernel starts in an empty folder, as in Colab, and without a network. A cell also fails
if it warns, writes to stderr or shows a path of this machine, and the last of five in a
row fails if none of them shows or checks anything.
"""

import os
import re
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SHOWN = pytest.StashKey[list[bool]]()  # of a notebook: which cells showed something
PLACE = pytest.StashKey[tempfile.TemporaryDirectory]()  # of a session

# What IPython runs before the first cell
STARTUP = """\
import os, sys, tempfile

os.chdir(tempfile.mkdtemp(dir={folder!r}))

def _offline(event, _):
    if event in ("socket.connect", "socket.getaddrinfo"):
        raise OSError("notebooks are tested without a network")

sys.addaudithook(_offline)
del _offline, os, sys, tempfile
"""


def pytest_configure(config: pytest.Config) -> None:
    """Prepare a folder for IPython's settings, the library's cache and the runs."""
    if not config.getoption("nbval_lax", False):
        return
    config.stash[PLACE] = tempfile.TemporaryDirectory(prefix="notebooks")
    folder = Path(config.stash[PLACE].name)
    startup = folder / "ipython" / "profile_default" / "startup" / "start.py"
    startup.parent.mkdir(parents=True)
    startup.write_text(STARTUP.format(folder=str(folder)), encoding="utf-8")
    os.environ["IPYTHONDIR"] = str(folder / "ipython")
    os.environ["WORKSHOP_CACHE"] = str(folder / "cache")
    os.environ["CI"] = "1"  # no bars and sliders that wait for a browser
    os.environ.setdefault("WORKSHOP_PRESET", "ci")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove that folder."""
    if PLACE in config.stash:
        config.stash[PLACE].cleanup()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: Any) -> Generator[None, None, None]:
    """Look at what a cell has shown, once nbval has run it."""
    yield
    if getattr(item, "test_outputs", None) is None:
        return
    problem = noise(item.test_outputs)
    shown = item.parent.stash.setdefault(SHOWN, [])
    shown.append(is_seen_or_checked(item.test_outputs, item.cell.source))
    if len(shown) > 5 and not any(shown[-5:]):  # the first is the set-up
        problem = problem or "neither this cell nor the four before it show or check"
    if problem:
        item.raise_cell_error(problem)


def noise(outputs: list[dict[str, Any]]) -> str:
    """Describe what a notebook should not show; empty if there is nothing."""
    errors = "".join(o["text"] for o in outputs if o.get("name") == "stderr")
    if errors:
        return f"it writes to stderr: {errors}"
    texts = [o.get("text", "") for o in outputs]
    for output in outputs:
        data = output.get("data", {})
        texts += [str(data[kind]) for kind in data if kind.startswith("text/")]
    text = "\n".join(texts)
    if "Warning" in text:
        return f"it warns: {text}"
    places = (ROOT, Path.home(), sys.prefix, tempfile.gettempdir())
    found = [str(place) for place in places if f"{place}{os.sep}" in text]
    return f"it shows a path of this machine: {found[0]}" if found else ""


def is_seen_or_checked(outputs: list[dict[str, Any]], source: str) -> bool:
    """Return whether a cell shows a picture, a table or a widget, or checks something.

    >>> is_seen_or_checked([], "assert len(names) == 7")
    True
    """
    kinds = {kind for output in outputs for kind in output.get("data", {})}
    drawn = any("image/" in kind or "widget" in kind for kind in kinds)
    return drawn or "text/html" in kinds or bool(re.search("assert |check", source))
