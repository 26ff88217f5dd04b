"""The notebooks in an imitation of Colab: what is there stays, what lacks is added.

A fresh virtual environment sees torch, torchvision, numpy, matplotlib and ipykernel
(and what these need) in a folder beside its own, as Colab's are in a folder of the
system; `google.colab` can be imported; workshop_lib cannot. The set-up cell then
installs with pip as in Colab, except that the library comes from a copy of this
checkout: the address and tag of the release exist only once it is out.

What this cannot show: Colab's own versions. Python and packages are those that run the
tests, as a second torch would cost gigabytes; test_house.py sees to it that the lower
bounds are no higher than needed.
"""

import json
import re
import shutil
import sys
import venv
from collections.abc import Callable
from importlib.metadata import distribution, requires
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.programs import run_program

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="Colab is Linux: needs links"),
]

ROOT = Path(__file__).parents[2]
THERE = ("torch", "torchvision", "numpy", "matplotlib", "ipykernel")
NAMES = sorted(path.name for path in (ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
# With this, pip can install nothing: whoever calls it fails.
NO_PIP = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "", "UV_OFFLINE": "1"}


Run = Callable[..., list[dict[str, Any]]]


def with_needs(names: tuple[str, ...]) -> set[str]:
    """Names of distributions and of all that they need, here and now."""
    found: set[str] = set()
    waiting = [canonicalize_name(name) for name in names]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        for line in requires(name) or []:
            needed = Requirement(line)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                waiting.append(canonicalize_name(needed.name))
    return found


def link(name: str, folder: Path) -> None:
    """Show a distribution in a folder, by links: nothing of it is copied or written."""
    here = distribution(name)
    for file in here.files or []:
        top = file.parts[0]
        if top in ("..", "__pycache__") or (folder / top).exists():
            continue
        (folder / top).symlink_to(Path(here.locate_file("")) / top)


class Colab:
    """An environment with Colab's packages, and a working folder."""

    def __init__(self, place: Path, run_notebook: Run) -> None:
        self.place, self.run_notebook = place, run_notebook
        venv.create(place / "env", symlinks=True, with_pip=True)
        self.python = place / "env" / "bin" / "python"
        system = place / "dist-packages"
        (system / "google" / "colab").mkdir(parents=True)
        (system / "google" / "colab" / "__init__.py").write_text("")
        for name in sorted(with_needs(THERE)):
            link(name, system)
        (self.own,) = (place / "env").glob("lib/python*/site-packages")
        (self.own / "system.pth").write_text(str(system))
        # A copy: building in the checkout would leave build/ behind.
        self.library = place / "library"
        shutil.copytree(
            ROOT / "workshop_lib",
            self.library / "workshop_lib",
            ignore=shutil.ignore_patterns("__pycache__"),
        )
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, self.library)

    def ask(self, code: str) -> Any:
        """Run Python in the environment; return what it prints as JSON."""
        done = run_program(self.python, "-c", code, cwd=self.place)
        return json.loads(done.stdout)

    def versions(self) -> dict[str, str]:
        """Every installed package with its version and folder."""
        return self.ask(
            "import json; from importlib.metadata import distributions as d;"
            "print(json.dumps({x.name: f'{x.version} {x.locate_file(\"\")}'"
            " for x in d()}))"
        )

    def own_packages(self) -> set[str]:
        return {path.name for path in self.own.iterdir()}

    def run(self, notebook: Path, **more: str) -> list[dict[str, Any]]:
        """Run a notebook; its set-up cell takes the library from the copy."""
        text, count = re.subn(
            r"git\+https://[^\"\\]+", str(self.library), notebook.read_text()
        )
        assert count == 1
        changed = self.place / notebook.name
        changed.write_text(text)
        more["COLAB_RELEASE_TAG"] = "release-colab_imitated"
        content = self.place / "content"
        return self.run_notebook(changed, content, self.python, **more)


def text_of(cell: dict[str, Any]) -> str:
    return "".join(output.get("text", "") for output in cell["outputs"])


@pytest.fixture(scope="module")
def colab(tmp_path_factory, run_notebook):
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTHONPATH", raising=False)  # would show it this checkout
        yield Colab(tmp_path_factory.mktemp("colab"), run_notebook)


@pytest.fixture(scope="module")
def first_run(colab: Colab) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """Versions before, and the first notebook of a new session: it installs."""
    before = colab.versions()
    done = colab.run(ROOT / "notebooks" / "solutions" / NAMES[0])
    said = f"{done[-1]['words']} {text_of(done[-1])}"
    if re.search(r"NewConnectionError|No matching distribution|resolve host", said):
        pytest.skip("no package index within reach")
    return before, done


def test_what_colab_has_is_seen_and_nothing_else(colab, first_run):
    before, _ = first_run
    names = {canonicalize_name(name) for name in before}
    assert set(THERE) <= names
    assert not {"workshop-lib", "pandas", "tyro", "scikit-learn"} & names


def test_first_cell_installs_and_leaves_torch_alone(colab, first_run):
    before, done = first_run
    assert [cell["error"] for cell in done] == [None] * len(done), done[-1]["words"]
    after = colab.versions()
    assert {name: after[name] for name in before} == before
    added = {canonicalize_name(name) for name in set(after) - set(before)}
    assert {"workshop-lib", "pandas", "tyro"} <= added
    assert not [n for n in colab.own_packages() if n.startswith(("torch", "numpy"))]
    files = colab.ask(
        "import json, torch, workshop_lib as w;"
        "print(json.dumps([torch.__file__, w.__file__]))"
    )
    assert str(colab.place / "dist-packages") in files[0]
    assert str(colab.own) in files[1]


def test_first_cell_says_what_to_click(first_run):
    said = text_of(first_run[1][0])
    assert re.search(r"memory [\d.]+ of [\d.]+ GiB free, preset ci", said)
    assert ("Runtime > Change runtime type" in said) == ("device cpu" in said)


@pytest.mark.parametrize("name", NAMES)
def test_every_notebook_runs_and_the_second_time_nothing_is_installed(
    colab, first_run, name
):
    before = colab.versions()
    done = colab.run(ROOT / "notebooks" / "solutions" / name, **NO_PIP)
    assert [cell["error"] for cell in done] == [None] * len(done), done[-1]["words"]
    assert done[-1]["id"].startswith(name[:2])
    assert colab.versions() == before


def test_learner_starts_as_well(colab, first_run):
    done = colab.run(ROOT / "notebooks" / NAMES[0], **NO_PIP)
    assert done[0]["error"] is None
    assert done[-1]["error"] in (None, "NotYet", "_NotWritten")
