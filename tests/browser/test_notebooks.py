"""The notebooks in a real JupyterLab and a real Chromium, as a learner has them.

One server holds them all, so that later notebooks find the trainings of the earlier
ones. Nothing here waits for seconds, only for what has to become true.
"""

import base64
import io
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.browser import lab

pytest.importorskip("jupyterlab", reason="needs jupyterlab: pip install -e '.[test]'")


pytestmark = pytest.mark.slow

Open = Callable[[str], Any]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with lab.running_lab(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture
def open_notebook(server: Any, browser: Any) -> Iterator[Open]:
    opened = []

    def open_it(name: str) -> Any:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        opened.append(lab.Notebook(page, server, name))
        return opened[-1]

    yield open_it
    for notebook in opened:
        notebook.close()


# ---- what is on the screen


class Picture:
    """The picture of a widget: what is seen, and the words that tell it."""

    def __init__(self, notebook: Any, part: str) -> None:
        self.page = notebook.page
        self.area = notebook.cell(notebook.find(part)).locator(".jp-OutputArea-output")
        self.image = self.area.locator("img")
        self.image.scroll_into_view_if_needed()

    def words(self) -> str:
        return self.image.get_attribute("alt")

    def pixels(self) -> np.ndarray:
        kind, _, data = self.image.get_attribute("src").partition(",")
        assert kind == "data:image/png;base64"
        with Image.open(io.BytesIO(base64.b64decode(data))) as image:
            return np.asarray(image.convert("RGB"))

    def change(self, act: Callable[[], Any]) -> None:
        """Do something, and wait for another picture with other words."""
        words, pixels = self.words(), self.pixels()
        act()
        # The widget puts a new image in place of the old one
        self.page.wait_for_function(
            """([area, words]) => {
                const image = area.querySelector('img');
                return image && image.alt != words && image.complete;
            }""",
            arg=[self.area.element_handle(), words],
        )
        seen = self.pixels()
        assert seen.shape != pixels.shape or (seen != pixels).any(), self.words()
        assert self.image.evaluate("image => image.naturalWidth") > 0
        assert self.words() in self.area.inner_text()  # for those who cannot see it

    def slide(self, key: str) -> None:
        """Move the slider by a key, as one who uses no mouse does."""
        self.area.locator(".noUi-handle").focus()
        self.change(lambda: self.page.keyboard.press(key))

    def drag_to_the_left(self) -> None:
        def drag() -> None:
            handle = self.area.locator(".noUi-handle").bounding_box()
            rail = self.area.locator(".noUi-base").bounding_box()
            middle = handle["y"] + handle["height"] / 2
            self.page.mouse.move(handle["x"] + handle["width"] / 2, middle)
            self.page.mouse.down()
            self.page.mouse.move(rail["x"] - 20, middle, steps=8)
            self.page.mouse.up()

        self.change(drag)

    def choose(self, label: str, option: str) -> None:
        """Pick from the list with this label, if it is not picked already."""
        picked = self.area.get_by_label(label, exact=True)
        if picked.locator("option:checked").inner_text() == option:
            return
        self.change(lambda: picked.select_option(option))


def assert_all_ran_quietly(notebook: Any) -> None:
    for name, cell in notebook.cells().items():
        assert cell["number"] is not None, f"{name} was not run"
        for output in cell["outputs"]:
            assert output["output_type"] != "error", f"{name}: {output}"
            assert output.get("name") != "stderr", f"{name}: {output['text']}"
    assert notebook.said == []


def assert_all_is_shown(notebook: Any) -> None:
    """Pictures are there, widgets too, and nothing is cut off at the right."""
    page = notebook.page
    drawn = page.eval_on_selector_all(
        ".jp-OutputArea img", "all => all.map(i => i.complete && i.naturalWidth > 0)"
    )
    assert drawn and all(drawn)
    said = page.locator(".jp-Notebook").inner_text()
    assert "Error displaying widget" not in said and "Loading widget" not in said
    wide = page.eval_on_selector_all(
        ".jp-OutputArea-output, .jp-RenderedMarkdown",
        "all => all.filter(e => e.scrollWidth > e.clientWidth + 1)"
        ".map(e => e.innerText.slice(0, 200))",
    )
    assert wide == []


# ---- what a learner plays with


def play_03(notebook: Any) -> None:
    """Strength: at 0 nothing changes; each change is another picture."""
    for part in ("sliders(scenes.images", "sliders(photos"):
        picture = Picture(notebook, part)
        picture.choose("change", "cutout")
        assert "under cutout of 0.38 of the side" in picture.words()
        picture.drag_to_the_left()
        assert picture.words().endswith(
            "On average a value changes by 0 % of the mean."
        )
        picture.slide("End")
        assert "under cutout of 0.75 of the side" in picture.words()


def play_04(notebook: Any) -> None:
    """Threshold: a lower one lets more pseudo-labels through, down to all of them."""
    picture = Picture(notebook, "widgets.threshold_slider(")
    lower(picture, share_used, "0.95", "0.94", "0.93")


def lower(picture: Picture, used: Callable[[str, str], float], *steps: str) -> None:
    """Lower a threshold step by step, then to 0: ever more is used, in the end all."""
    shares = [used(picture.words(), steps[0])]
    for threshold in steps[1:]:
        picture.slide("ArrowLeft")
        shares.append(used(picture.words(), threshold))
    picture.drag_to_the_left()
    shares.append(used(picture.words(), "0.00"))
    assert shares == sorted(shares) and shares[-1] == 100


def share_used(words: str, threshold: str) -> float:
    """Per cent; of few images the picture tells how many, as a share would mislead."""
    told = r"(?:(\d+) % used|no image used|([\d,]+) of ([\d,]+) used)"
    found = re.search(rf"threshold {threshold}: {told}", words)
    assert found, words
    if found[2]:
        few, all_of_them = (float(n.replace(",", "")) for n in found.groups()[1:])
        return 100 * few / all_of_them
    return float(found[1] or 0)


def play_05(notebook: Any) -> None:
    """Confusion matrix: one row, cell by cell, holds every image of the class."""
    picture = Picture(notebook, "widgets.confusion_browser(")
    options = picture.area.get_by_label("predicted class").locator("option")
    names = options.all_inner_texts()
    assert len(names) == 10
    picture.choose("predicted class", names[0])
    picture.choose("true class", names[1])
    found = {names[0]: images_in(picture.words(), names[1], names[0])}
    for name in names[1:]:
        picture.choose("predicted class", name)
        found[name] = images_in(picture.words(), names[1], name)
    totals = {total for _, total in found.values()}
    assert totals == {sum(count for count, _ in found.values())}


def images_in(words: str, true: str, predicted: str) -> tuple[int, int]:
    found = re.search(rf"^{true}, predicted {predicted}: (\d+) of (\d+)", words)
    assert found, words
    return int(found[1]), int(found[2])


def play_06(notebook: Any) -> None:
    """Perplexity: the same features on three maps."""
    picture = Picture(notebook, "widgets.perplexity_slider(")
    assert "perplexity 30" in picture.words()
    picture.slide("ArrowLeft")
    assert "perplexity 5" in picture.words()
    picture.slide("ArrowRight")
    picture.slide("ArrowRight")
    assert "perplexity 100" in picture.words()


def play_07(notebook: Any) -> None:
    """Sensors: each can be missing, and each patch has another true class."""
    picture = Picture(notebook, "widgets.sensor_browser(")
    assert picture.words().startswith("Patch 0, ")
    for missing in ("s1", "s2"):
        picture.choose("missing", missing)
        assert f", missing: {missing}. as usual: " in picture.words()
        assert " with dropout: " in picture.words()
    picture.slide("ArrowRight")
    assert picture.words().startswith("Patch 1, ")


def play_08(notebook: Any) -> None:
    """Threshold of pixels: the higher, the fewer are used."""
    picture = Picture(notebook, "widgets.pseudo_map_slider(")
    lower(picture, pixels_used, "0.60", "0.59", "0.58")


def pixels_used(words: str, threshold: str) -> int:
    told = r"(?:(\d+) % of the pixels used|no pixel used)"
    found = re.search(rf"Threshold {threshold}: {told}", words)
    assert found, words
    return int(found[1] or 0)


PLAYS = {
    "03_augmentation": play_03,
    "04_training": play_04,
    "05_evaluation": play_05,
    "06_embeddings": play_06,
    "07_fusion": play_07,
    "08_segmentation": play_08,
}


@pytest.mark.parametrize("name", lab.NAMES)
def test_run_all_then_play(name: str, open_notebook: Open):
    notebook = open_notebook(f"{name}.ipynb")
    notebook.run_all()
    assert_all_ran_quietly(notebook)
    assert_all_is_shown(notebook)
    if name in PLAYS:
        PLAYS[name](notebook)
    assert notebook.said == []


def test_every_widget_is_played_with():
    for name in lab.NAMES:
        text = (lab.NOTEBOOKS / "src" / f"{name}.py").read_text(encoding="utf-8")
        calls = re.findall(r"^widgets\.\w+_(?:slider|sliders|browser)\(", text, re.M)
        assert bool(calls) == (name in PLAYS), name


# ---- what a learner meets first


def test_learner_is_stopped_answers_and_goes_on(open_notebook: Open):
    notebook = open_notebook("learner/01_intro.ipynb")
    notebook.run_all()
    cells = list(notebook.cells().values())
    stopped = [k for k, c in enumerate(cells) if has_error(c)]
    assert len(stopped) == 1
    stub = cells[stopped[0]]
    assert all(cell["number"] is not None for cell in cells[: stopped[0] + 1])
    assert all(cell["number"] is None for cell in cells[stopped[0] + 1 :])
    said = notebook.cell(stub["id"]).locator(".jp-OutputArea").inner_text()
    assert said.startswith("… majority_accuracy: not written yet.")
    assert "Not yet: count each label" in said
    assert "Traceback" not in said and "Error" not in said

    question = notebook.find('quiz.answer("01-two-ssl"')
    for letter, sign in (("b", "✗ Not quite."), ("a", "✓ Right.")):
        notebook.write(question, f'quiz.answer("01-two-ssl", "{letter}")')
        said = notebook.cell(question).locator(".jp-OutputArea").inner_text()
        assert said.startswith(f"{letter}) {sign}") and len(said) > 60

    notebook.write(notebook.find("def majority_accuracy"), folded_solution(notebook))
    notebook.write(stub["id"], stub["source"])
    said = notebook.cell(stub["id"]).locator(".jp-OutputArea").inner_text()
    assert "✓" in said and not has_error(notebook.cells()[stub["id"]])
    assert notebook.said == []


def has_error(cell: dict[str, Any]) -> bool:
    return any(output["output_type"] == "error" for output in cell["outputs"])


def folded_solution(notebook: Any) -> str:
    """Unfold the first solution with a click, and read it."""
    folded = notebook.page.locator("details", has_text="Solution").first
    code = folded.locator("pre")
    assert not code.is_visible()
    folded.locator("summary").click()
    code.wait_for(state="visible")
    return code.inner_text()
