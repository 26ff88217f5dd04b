"""Pages of executed notebooks: what `make html` writes, on one small notebook."""

import shlex
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_notebook

ROOT = Path(__file__).parents[2]
FIGURE = """\
from workshop_lib.plots import AccessibleFigure

figure = AccessibleFigure(figsize=(1, 1))
figure.alt = 'A "square" & nothing <else>'
figure
"""


def nbconvert(target: str, place: Path) -> list[list[str]]:
    """Run the commands of `make html` on a folder of notebooks."""
    settings = ["PRESET=ci", f"PAGES={place}/small.ipynb", f"BIN={place}"]
    planned = subprocess.run(
        ["make", "-n", target, *settings], cwd=ROOT, capture_output=True, text=True
    )
    text = planned.stdout.replace("\\\n", "").replace("runs/html", str(place))
    return [
        shlex.split(line.partition(" nbconvert ")[2])
        for line in text.splitlines()
        if " nbconvert " in line
    ]


@pytest.mark.slow
def test_a_page_has_results_and_alt_text_in_light_and_dark(tmp_path):
    notebook = new_notebook(cells=[new_code_cell(FIGURE)])
    nbformat.write(notebook, tmp_path / "small.ipynb")
    commands = nbconvert("html", tmp_path)
    assert len(commands) == 3
    for flags in commands:
        flags = [str(tmp_path / "notebooks" / "small.ipynb") if "*" in f else f
                 for f in flags]  # fmt: skip
        subprocess.run(
            [sys.executable, "-m", "nbconvert", *flags], cwd=ROOT, check=True
        )
    pages = [tmp_path / "small.html", tmp_path / "dark" / "small.html"]
    light, dark = (page.read_text(encoding="utf-8") for page in pages)
    for page in (light, dark):
        (image,) = BeautifulSoup(page, "html.parser").find_all("img")
        assert image["src"].startswith("data:image/png;base64,")  # not beside the page
        assert image["alt"] == 'A "square" & nothing <else>'
    assert 'data-jp-theme-light="true"' in light
    assert 'data-jp-theme-light="false"' in dark
