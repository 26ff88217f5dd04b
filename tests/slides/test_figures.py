"""The figures of the decks are what the code draws today."""

import importlib
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.text import Text
from numpy.typing import NDArray
from packaging.requirements import Requirement
from packaging.version import Version
from PIL import Image

from slides.decks import SLIDES, decks
from slides.draw import kit
from workshop_lib import plots
from workshop_lib.errors import WorkshopError

UNITS = kit.units()
DRAWN = [(n, name) for n, unit in UNITS.items() for name in unit.FIGURES]
WIDTH = 800  # pixels at which two drawings are compared
BLOCK = 8  # the side of the squares that are compared
# Of 255, the mean of a block. Another processor or another patch of matplotlib moves
# edges by a fraction of a pixel, which stays far below; half a bar's width is above
TOLERANCE = 30.0

Pixels = Callable[[str, bytes], NDArray[np.float64]]


@pytest.fixture
def pixels(request: pytest.FixtureRequest) -> Iterator[Pixels]:
    """Turn a figure's file into grey blocks (h, w, 3); SVG by way of a browser."""

    def read(name: str, content: bytes) -> NDArray[np.float64]:
        if name.endswith(".svg"):
            browser = request.getfixturevalue("browser")
            content = _shot(browser, content)
        picture = Image.open(io.BytesIO(content)).convert("RGB")
        height = max(1, round(picture.height * WIDTH / picture.width))
        small = np.asarray(picture.resize((WIDTH, height)), np.float64)
        h, w = height // BLOCK, WIDTH // BLOCK
        cut = small[: h * BLOCK, : w * BLOCK].reshape(h, BLOCK, w, BLOCK, 3)
        return cut.mean(axis=(1, 3))

    yield read


def _shot(browser: object, svg: bytes) -> bytes:
    width, height = re.search(rb'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg).groups()
    tall = round(WIDTH * float(height) / float(width))
    page = browser.new_page(viewport={"width": WIDTH, "height": tall})
    style = "*{margin:0}svg{width:100vw;height:auto}"
    page.set_content(f"<style>{style}</style>{svg.decode()}")
    shot = page.screenshot()
    page.close()
    return shot


def apart(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Return the largest difference of a block, or 255 for another shape."""
    if abs(first.shape[0] - second.shape[0]) > 1:
        return 255.0
    h = min(len(first), len(second))
    return float(np.abs(first[:h] - second[:h]).max())


def same_matplotlib() -> None:
    """Skip where the figures were not drawn with this minor version."""
    lines = (SLIDES.parent / "constraints.txt").read_text().splitlines()
    pins = [Requirement(line) for line in lines if line.startswith("matplotlib==")]
    newest = max(Version(next(iter(pin.specifier)).version) for pin in pins)
    here = Version(matplotlib.__version__)
    if here.release[:2] != newest.release[:2]:
        pytest.skip(f"drawn with matplotlib {newest}, and {here} lays out otherwise")


@pytest.mark.slow
@pytest.mark.parametrize(("unit", "name"), DRAWN, ids=[name for _, name in DRAWN])
def test_a_figure_is_what_the_code_draws(unit: int, name: str, pixels: Pixels):
    figure = UNITS[unit].FIGURES[name]()
    _alt_says_what_is_drawn(name, figure.alt)
    _letters_carry_to_the_back(name, figure)
    same_matplotlib()
    path = kit.FIGURES / name
    assert path.is_file(), f"python -m slides.draw {unit} draws it"
    kept, today = path.read_bytes(), kit.as_bytes(name, figure)
    if kept != today:
        far = apart(pixels(name, kept), pixels(name, today))
        assert far < TOLERANCE, f"{far:.0f}: python -m slides.draw {unit}"


def _alt_says_what_is_drawn(name: str, drawn: str) -> None:
    """A measured number in the deck's alt text is the figure's own, or the data's."""
    data = [
        value
        for path in kit.DATA.glob(f"{name[:2]}_*.json")
        for value in _numbers(kit.measured(path.name))
    ]
    for deck in decks():
        text = deck.read_text(encoding="utf-8")
        for words in re.findall(rf"!\[([^\]]*)\]\(figures/{re.escape(name)}\)", text):
            for number in re.findall(r"\d+\.\d+", words):
                digits = len(number.split(".")[1])
                known = {f"{v:.{digits}f}" for x in data for v in (x, 100 * x)}
                assert number in drawn or number in known, f"{number} of {words!r}"


def _letters_carry_to_the_back(name: str, figure: plots.AccessibleFigure) -> None:
    """On a slide, which is 720 px high, no letter is lower than 14 px."""
    words = rf"!\[([^\]]*)\]\(figures/{re.escape(name)}\)"
    for deck in decks():
        for alt in re.findall(words, deck.read_text(encoding="utf-8")):
            side, pixels = re.search(r"\b([wh]):(\d+)", alt).groups()
            inches = figure.get_figwidth() if side == "w" else figure.get_figheight()
            for text in figure.findobj(Text):
                size = text.get_fontsize() * float(pixels) / (72 * inches)
                seen = text.get_visible() and text.get_text().strip()
                assert not seen or size >= 14, f"{text.get_text()!r}: {size:.1f} px"


def _numbers(found: object) -> Iterator[float]:
    if isinstance(found, dict):
        found = list(found.values())
    if isinstance(found, list):
        for one in found:
            yield from _numbers(one)
    elif isinstance(found, (int, float)):
        yield float(found)


def test_no_figure_and_no_data_is_left_over():
    names = {name for _, name in DRAWN}
    assert {path.name for path in kit.FIGURES.iterdir()} == names | {"alt.json"}
    text = "".join(deck.read_text(encoding="utf-8") for deck in decks())
    assert set(re.findall(r"\(figures/([^)]+)\)", text)) == names
    measured = {name for u in UNITS.values() for name in getattr(u, "MEASURED", {})}
    assert {path.name for path in kit.DATA.iterdir()} == measured


@pytest.mark.parametrize(("unit", "name"), DRAWN, ids=[name for _, name in DRAWN])
def test_a_figure_is_small_and_named_after_its_unit(unit: int, name: str):
    assert re.fullmatch(rf"{unit:02d}_[a-z0-9_]+\.(svg|png)", name)
    path = kit.FIGURES / name
    assert path.stat().st_size < 250_000
    if name.endswith(".png"):
        assert Image.open(path).width == pytest.approx(kit.PIXELS, abs=2)
    else:
        assert b"http://www.w3.org/2000/svg" in path.read_bytes()
        assert b"<dc:date>" not in path.read_bytes()


def test_data_names_the_run_that_it_comes_from():
    for path in kit.DATA.iterdir():
        text = path.read_text(encoding="utf-8")
        assert isinstance(kit.measured(path.name), dict)
        assert path.stat().st_size < 100_000
        assert not re.search(r'"(/|[A-Z]:\\)', text), "no path of a machine"


# ---- the comparison itself


def drawing(value: float) -> plots.AccessibleFigure:
    return plots.bars({"one": 10.0, "two": value}, title="Two", unit="%")


@pytest.mark.slow
def test_a_number_that_changes_is_seen(pixels: Pixels):
    one, other = (pixels("a.svg", kit.as_bytes("a.svg", drawing(v))) for v in (6, 6.2))
    assert apart(one, one) == 0
    assert apart(one, other) > TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("name", ["01_curves.svg", "01_bars.svg"])
def test_a_number_of_slides_data_that_changes_is_seen(
    name: str, pixels: Pixels, monkeypatch: pytest.MonkeyPatch
):
    unit = importlib.import_module("slides.draw.unit_01")
    runs = kit.measured("01_runs.json")
    runs["FixMatch"]["val_accuracy"][4] += 0.03
    runs["FixMatch"]["test_accuracy"] += 0.002  # 90.9 % becomes 91.1 %
    monkeypatch.setattr(unit, "measured", lambda _: runs)
    other = kit.as_bytes(name, unit.FIGURES[name]())
    kept = (kit.FIGURES / name).read_bytes()
    assert apart(pixels(name, kept), pixels(name, other)) > TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("name", ["01_curves.svg", "01_maps.png"])
def test_what_another_processor_does_is_no_change(name: str, pixels: Pixels):
    content = (kit.FIGURES / name).read_bytes()
    if name.endswith(".svg"):  # coordinates that differ in the second decimal
        shift = lambda found: b"%.6f" % (float(found[0]) + 0.02)  # noqa: E731
        moved = re.sub(rb"(?<=[ML] )\d+\.\d+", shift, content)
    else:  # levels that differ by one
        levels = np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int)
        noise = np.random.default_rng(0).integers(-2, 3, levels.shape)
        buffer = io.BytesIO()
        noisy = (levels + noise).clip(0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(buffer, "PNG")
        moved = buffer.getvalue()
    assert moved != content
    assert apart(pixels(name, content), pixels(name, moved)) < TOLERANCE / 3


# ---- the kit


def test_the_same_figure_gives_the_same_bytes():
    for name in ("a.svg", "a.png"):
        assert kit.as_bytes(name, drawing(6)) == kit.as_bytes(name, drawing(6))


def test_a_figure_without_words_or_with_an_odd_name_is_refused():
    with pytest.raises(WorkshopError, match="no alt text"):
        kit.as_bytes("a.svg", plots.AccessibleFigure())
    with pytest.raises(WorkshopError, match=r"neither .svg nor .png"):
        kit.as_bytes("a.gif", drawing(6))


def test_data_that_is_missing_says_what_writes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(kit, "DATA", tmp_path)
    with pytest.raises(WorkshopError, match="slides.draw --measure 4"):
        kit.measured("04_log.json")
    (tmp_path / "04_log.json").write_text('{"step": [1,')
    with pytest.raises(WorkshopError, match="cannot read"):
        kit.measured("04_log.json")


def test_data_and_figures_are_written_and_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    class Unit:
        MEASURED = {"01_a.json": lambda: {"values": [1, 2.5], "run": "runs/ci/x"}}
        FIGURES = {"01_a.svg": lambda: drawing(kit.measured("01_a.json")["values"][1])}

    monkeypatch.setattr(kit, "DATA", tmp_path / "data")
    monkeypatch.setattr(kit, "FIGURES", tmp_path / "figures")
    paths = kit.write_data(Unit) + kit.write_figures(Unit)
    assert kit.measured("01_a.json") == {"values": [1, 2.5], "run": "runs/ci/x"}
    assert paths[0].read_text().count("\n") == 4  # a line for each key
    before = [path.read_bytes() for path in paths]
    assert paths == kit.write_data(Unit) + kit.write_figures(Unit)
    assert before == [path.read_bytes() for path in paths]
    assert b"two" not in before[0] and b"<svg" in before[1]
