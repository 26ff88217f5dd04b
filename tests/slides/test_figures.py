"""Figures of the decks: used, described, readable, and taken from notebooks by tag."""

import base64
import json
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from PIL import Image

from slides import figures
from slides.decks import decks
from workshop_lib.errors import WorkshopError

FILES = sorted(
    path for path in figures.FIGURES.iterdir() if path.suffix in (".svg", ".png")
)
USES = re.compile(r"!\[([^\]]*) ([wh]):(\d+)\]\(figures/([^)]+)\)")
DECKS = {deck.stem[:2]: deck.read_text(encoding="utf-8") for deck in decks()}
ALT = json.loads((figures.FIGURES / "alt.json").read_text(encoding="utf-8"))
STATIC = (figures.FIGURES / "STATIC.md").read_text(encoding="utf-8")

each_figure = pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)


def uses(path: Path) -> list[tuple[str, str, float]]:
    """Return alt text, side and pixels of each place where a deck shows a figure."""
    found = [one for text in DECKS.values() for one in USES.findall(text)]
    return [(alt, side, float(px)) for alt, side, px, n in found if n == path.name]


def sizes(svg: str) -> list[tuple[str, float]]:
    """List the texts that matplotlib drew as paths, with their sizes in points.

    It writes the text as a comment before a group, which scales paths of 100 points.
    """
    group = r"<!-- (.+?) -->\s*<g [^>]*?transform=\"[^\"]*?scale\(([\d.]+) "
    found = re.findall(group, svg, re.DOTALL)
    return [(text, 100 * float(scale)) for text, scale in found]


# ---- the committed files


def test_every_figure_is_used_and_every_used_figure_exists():
    used = {name for text in DECKS.values() for *_, name in USES.findall(text)}
    assert {path.name for path in FILES} == used
    assert set(ALT) == used


def test_a_figure_is_either_tagged_in_a_notebook_or_listed_as_static():
    static = re.findall(r"^\| (\d\d_\w+\.(?:svg|png)) \|", STATIC, re.MULTILINE)
    assert len(static) == len(set(static))
    names = {path.stem: path.name for path in FILES}
    tags = set(figures.tagged())
    assert tags <= set(names), "a tag names a figure that no deck shows"
    assert {names[tag] for tag in tags} == set(names.values()) - set(static)


@each_figure
def test_a_figure_is_small_and_named_after_its_unit(path):
    assert re.fullmatch(r"\d\d_[a-z0-9_]+\.(svg|png)", path.name)
    assert path.stat().st_size <= 250_000
    if path.suffix == ".svg":
        assert "http://www.w3.org/2000/svg" in path.read_text(encoding="utf-8")
        assert "<dc:date>" not in path.read_text(encoding="utf-8")


@each_figure
def test_a_figure_is_sharp_and_its_letters_carry_to_the_back(path):
    for _, side, pixels in uses(path):
        if path.suffix == ".png":
            width, height = Image.open(path).size
            assert (width if side == "w" else height) >= pixels
            continue
        svg = path.read_text(encoding="utf-8")
        width, height = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg).groups()
        scale = pixels / float(width if side == "w" else height)
        assert sizes(svg), "no text found"
        for text, points in sizes(svg):
            seen = points * scale  # pixels of a slide, which is 720 high
            assert seen >= 13.9, f"{text!r}: {seen:.1f} px"


@each_figure
def test_numbers_of_an_alt_text_are_those_of_the_figure(path):
    row = re.search(rf"^\| {re.escape(path.name)} \|.*$", STATIC, re.MULTILINE)
    known = ALT[path.name] + (row[0] if row else "")
    for alt, *_ in uses(path):
        for number in re.findall(r"\d+\.\d+", alt):
            assert number in known, f"{number} of {alt!r}"


# ---- taking figures from a notebook


def picture_output(alt: str = "Two bars: 1 and 2.") -> nbformat.NotebookNode:
    return nbformat.v4.new_output(
        "display_data",
        {"image/png": base64.b64encode(b"png").decode(), "image/svg+xml": "<svg/>"},
        metadata={"image/png": {"alt": alt}},
    )


def notebook(path: Path, **outputs: list[nbformat.NotebookNode]) -> Path:
    """Write an executed notebook with a tagged cell per figure, here without a unit."""
    cells = [nbformat.v4.new_markdown_cell("# 05 Topic")]
    for name, shown in outputs.items():
        cell = nbformat.v4.new_code_cell("x = 1", outputs=shown)
        cell.metadata["tags"] = ["slow", f"figure:05_{name}"]
        cells.append(cell)
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in place of slides/figures."""
    made = tmp_path / "figures"
    made.mkdir()
    monkeypatch.setattr(figures, "FIGURES", made)
    return made


def test_the_last_picture_of_a_tagged_cell_is_written(tmp_path, folder):
    text = nbformat.v4.new_output("stream", text="0.9")
    shown = [picture_output("first"), picture_output("Two bars: 1 and 2."), text]
    made = notebook(tmp_path / "05_topic.ipynb", bars=shown)
    assert figures.main([str(made)]) == 0
    assert (folder / "05_bars.svg").read_text() == "<svg/>"
    words = json.loads((folder / "alt.json").read_text())
    assert words == {"05_bars.svg": "Two bars: 1 and 2."}


def test_the_format_of_the_committed_file_stays(tmp_path, folder):
    (folder / "05_bars.png").write_bytes(b"old")
    (folder / "alt.json").write_text('{"05_bars.png": "old", "06_a.svg": "kept"}')
    notebook(tmp_path / "05_topic.ipynb", bars=[picture_output()])
    assert figures.main([str(tmp_path)]) == 0
    assert (folder / "05_bars.png").read_bytes() == b"png"
    assert not (folder / "05_bars.svg").exists()
    words = json.loads((folder / "alt.json").read_text())
    assert words == {"05_bars.png": "Two bars: 1 and 2.", "06_a.svg": "kept"}


def test_what_is_missing_is_reported(tmp_path, folder, capsys):
    (folder / "05_lines.svg").write_text("<svg/>")
    only_png = picture_output()
    del only_png.data["image/svg+xml"]
    made = notebook(tmp_path / "05_topic.ipynb", bars=[], lines=[only_png])
    assert figures.main([str(made)]) == 1
    told = capsys.readouterr().out
    assert "missing  05_bars: 05_topic.ipynb shows no picture." in told
    assert "05_lines.svg" in told and "WORKSHOP_FIGURES=svg" in told
    assert "missing  01_curves: 01_intro.ipynb is not in" in told
    with pytest.raises(WorkshopError, match="cannot read"):
        figures.read(tmp_path / "nowhere.ipynb")


def test_a_picture_that_is_too_large_is_refused(tmp_path):
    picture = figures.Picture({".svg": b"x" * 300_000, ".png": b"png"}, "")
    assert figures.write("05_a", picture, tmp_path).name == "05_a.png"
    (tmp_path / "05_b.svg").write_text("<svg/>")
    with pytest.raises(WorkshopError, match="300,000 bytes"):
        figures.write("05_b", picture, tmp_path)


@pytest.mark.slow
def test_an_executed_notebook_gives_a_sharp_figure_with_its_words(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("WORKSHOP_FIGURES", "svg")
    draw = (
        "from workshop_lib import plots\nplots.bars({'a': 1.0}, title='T', unit='GB')"
    )
    cell = nbformat.v4.new_code_cell(draw)
    cell.metadata["tags"] = ["figure:05_bars"]
    made = nbformat.v4.new_notebook(cells=[cell])
    NotebookClient(made, kernel_name="python3").execute()
    nbformat.write(made, tmp_path / "05_topic.ipynb")
    picture = figures.read(tmp_path / "05_topic.ipynb")["05_bars"]
    assert picture is not None and "GB" in picture.alt
    (path := tmp_path / "a.png").write_bytes(picture.formats[".png"])
    assert Image.open(path).width >= 1280  # as wide as a slide
    assert {"a", "T"} <= {text for text, _ in sizes(picture.formats[".svg"].decode())}
